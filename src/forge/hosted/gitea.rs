//! Gitea and Forgejo: their REST API for pull requests, git for branches.
//!
//! ```text
//! api        asking the API: addresses, the credential, pages
//! wire       what is read of its answers
//! pulls      pull requests
//! branches   commits and branches: made here, pushed by git, looked up through the API
//! dress      labels, people, the milestone
//! ```
//!
//! Only what both forges have is used, since Gitea 1.20 and Forgejo 7: the lists of pull requests (sorted by
//! `recentupdate`), issues, labels, milestones and commits; `branches`, `git/refs` and `git/commits`; comments; commit
//! statuses; `requested_reviewers`; the merge with `head_commit_id` (Gitea 1.17). Left aside: `compare` (Gitea 1.23), the
//! renaming of branches (Gitea 1.23), names instead of numbers for labels (Gitea 1.22). The crate `forgejo-api` was
//! considered: its types follow Forgejo alone and are strict, and it brings an HTTP client of its own.
//!
//! What Gitea does in its own way:
//! - A pull request whose branch is gone has `refs/pull/N/head` for its branch; its `label` keeps the name.
//! - A list tells the head of a branch that has just been pushed a moment late.
//! - `mergeable` is false for drafts, and while conflicts are looked for; a merge answers 405 then.
//! - A draft is one whose title begins with `WIP:`.
//! - Pages may be smaller than was asked for.

mod api;
mod branches;
mod dress;
mod pulls;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use git2::Oid;
use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::exchange::{Ear, Repeat};
use super::{Dress, Edit, Fault, Host, Issue, NewPull, Patience, Place, Pull, STATUS, Status};
use crate::change::Change;
use crate::estate::git::has_key;
use crate::forge::{Error, commit};
use api::Api;
use branches::Git;

/// A repository of a Gitea or Forgejo.
pub struct Gitea {
    api: Api,
    git: Arc<Git>,
    patience: Patience,
    known: Mutex<Known>,
}

/// What has been looked up already.
#[derive(Debug, Default)]
struct Known {
    /// The repository is there.
    repository: bool,
    /// Labels by name.
    labels: BTreeMap<String, i64>,
    snapshot: Option<pulls::Snapshot>,
    /// That it was said already that statuses are not allowed.
    warned: bool,
}

impl std::fmt::Debug for Gitea {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gitea").field("api", &self.api).field("git", &self.git.url).finish_non_exhaustive()
    }
}

impl Gitea {
    /// The repository at a place. `repository` is the git repository on this machine in which commits are made: it must have
    /// the commits on which they stand, though not their history. Asks the forge nothing yet.
    pub fn new(place: &Place<'_>, repository: &Path) -> Result<Self, Error> {
        let api = Api::new(place)?;
        let git = Arc::new(branches::git(place, api.git_address(), repository));
        Ok(Self { api, git, patience: place.patience, known: Mutex::default() })
    }

    /// The same, pushing to the git address of the estate, if that is one of SSH and its credential a key. Otherwise nothing
    /// changes: what is pushed goes over HTTPS to where the API is, with its credential.
    #[must_use]
    pub fn with_git(mut self, url: &str, credential: Option<&str>) -> Self {
        if has_key(url, credential, &self.git.credentials) {
            let git = Git { url: url.to_owned(), credential: credential.map(str::to_owned), ..Git::clone(&self.git) };
            self.git = Arc::new(git);
        }
        self
    }

    fn known<T>(&self, read: impl FnOnce(&mut Known) -> T) -> T {
        read(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn repository_facts(&self) -> Result<wire::Repository, Error> {
        let facts = self.api.get(self.api.here(&[]), &format!("repository `{}`", self.api.repository)).await?;
        self.known(|known| known.repository = true);
        Ok(facts)
    }

    /// Whether the repository has issues at all; where it has none, they are not found, and neither is that a fault.
    async fn without_issues(&self, error: &Error) -> Result<bool, Error> {
        let absent = matches!(error, Error::Hosted(Fault::NotFound { .. } | Fault::Forbidden { .. } | Fault::Refused { status: 410 | 404, .. }));
        Ok(absent && !self.repository_facts().await?.has_issues)
    }
}

#[async_trait]
impl Host for Gitea {
    fn patience(&self) -> &Patience {
        &self.patience
    }

    fn heard_by(&self, ear: Arc<dyn Ear>) {
        self.api.heard_by(ear);
    }

    async fn default_branch(&self) -> Result<String, Error> {
        Ok(self.repository_facts().await?.default_branch)
    }

    async fn pulls(&self, since: Timestamp) -> Result<Vec<Pull>, Error> {
        self.all_pulls(since).await
    }

    async fn pulls_of(&self, branch: &str) -> Result<Vec<Pull>, Error> {
        self.pulls_of_branch(branch).await
    }

    async fn conflicts(&self, number: u64) -> Result<Option<bool>, Error> {
        self.conflict(number).await
    }

    async fn create_pull(&self, new: &NewPull<'_>) -> Result<Pull, Error> {
        self.make_pull(new).await
    }

    async fn edit_pull(&self, number: u64, edit: &Edit<'_>) -> Result<(), Error> {
        self.change_pull(number, edit).await
    }

    async fn merge_pull(&self, number: u64, head: &str, title: &str, message: &str) -> Result<Option<String>, Error> {
        self.merge(number, head, title, message).await
    }

    async fn patch(&self, number: u64) -> Result<String, Error> {
        self.api.text(self.api.here(&["pulls", &format!("{number}.diff")]), &format!("the patch of pull request #{number}")).await
    }

    async fn dress(&self, number: u64, dress: &Dress) -> Result<(), Error> {
        self.put_on(number, dress).await
    }

    async fn remove_label(&self, number: u64, label: &str) -> Result<(), Error> {
        self.take_label(number, label).await
    }

    async fn comments(&self, number: u64) -> Result<Vec<String>, Error> {
        let what = format!("the comments of pull request #{number}");
        let comments: Vec<wire::Comment> = self.api.list(self.api.here(&["issues", &number.to_string(), "comments"]), &[], &what).await?;
        Ok(comments.into_iter().map(|comment| comment.body).collect())
    }

    async fn comment(&self, number: u64, body: &str) -> Result<(), Error> {
        let url = self.api.here(&["issues", &number.to_string(), "comments"]);
        self.api.change(Method::POST, url, &json!({"body": body}), Repeat::Once, &format!("a comment on pull request #{number}")).await
    }

    async fn head_of(&self, branch: &str) -> Result<Option<String>, Error> {
        self.head(branch).await
    }

    async fn message_of(&self, commit: &str) -> Result<String, Error> {
        self.message(commit).await
    }

    async fn contains(&self, branch: &str, commit: &str) -> Result<bool, Error> {
        self.has_commit(branch, commit).await
    }

    async fn commit(&self, change: &Change, prefix: &str, base: &str, now: Timestamp) -> Result<String, Error> {
        let (change, prefix, base) = (change.clone(), prefix.to_owned(), Oid::from_str(base)?);
        self.here(move |repository| Ok(commit::write(repository, &prefix, &change, base, now)?.to_string())).await
    }

    async fn move_branch(&self, branch: &str, expected: Option<&str>, commit: &str) -> Result<(), Error> {
        self.set_branch(branch, expected, Some(commit)).await
    }

    async fn delete_branch(&self, branch: &str, expected: &str) -> Result<(), Error> {
        self.set_branch(branch, Some(expected), None).await
    }

    async fn set_status(&self, commit: &str, status: &Status) -> Result<(), Error> {
        let state = if status.good { "success" } else { "failure" };
        let body = json!({"context": STATUS, "state": state, "description": status.description});
        match self.api.change(Method::POST, self.api.here(&["statuses", commit]), &body, Repeat::Same, &format!("the status of commit {commit}")).await {
            Err(error @ Error::Hosted(Fault::Forbidden { .. })) => {
                if !self.known(|known| std::mem::replace(&mut known.warned, true)) {
                    tracing::warn!(%error, "change requests go on without a commit status");
                }
                Ok(())
            }
            result => result,
        }
    }

    async fn issues(&self, label: &str) -> Result<Vec<Issue>, Error> {
        let query = [("type", "issues"), ("state", "all"), ("labels", label)];
        let found: Vec<wire::Issue> = match self.api.list(self.api.here(&["issues"]), &query, "the list of issues").await {
            Err(error) if self.without_issues(&error).await? => Vec::new(),
            found => found?,
        };
        // An unknown label is left out of the query by some versions, which then give everything.
        let labelled = found.into_iter().filter(|issue| issue.labels.iter().any(|known| *known.name == *label));
        let issue = |issue: wire::Issue| Issue { number: issue.number, title: issue.title, body: issue.body, open: issue.state == "open", url: issue.html_url };
        let mut issues: Vec<Issue> = labelled.map(issue).collect();
        issues.sort_by_key(|issue| std::cmp::Reverse(issue.number));
        Ok(issues)
    }

    async fn create_issue(&self, title: &str, body: &str, label: &str) -> Result<(), Error> {
        let new = json!({"title": commit::one_line(title), "body": body, "labels": [self.label(label).await?]});
        match self.api.change(Method::POST, self.api.here(&["issues"]), &new, Repeat::Once, "an issue").await {
            Err(error) if self.without_issues(&error).await? => {
                tracing::warn!(repository = self.api.repository, "the repository has no issues, so nothing is shown there");
                Ok(())
            }
            result => result,
        }
    }

    async fn edit_issue(&self, number: u64, body: &str) -> Result<(), Error> {
        let url = self.api.here(&["issues", &number.to_string()]);
        self.api.change(Method::PATCH, url, &json!({"body": body}), Repeat::Same, &format!("the change of issue #{number}")).await
    }
}
