//! Gitea and Forgejo: their REST API for pull requests, git for branches.
