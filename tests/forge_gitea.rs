//! What a Gitea must do for change requests (`Host`), method by method, against Gitea itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
#[path = "builders/proposal.rs"]
mod proposal;

#[path = "forge_gitea/branches.rs"]
mod branches;
#[path = "forge_gitea/dress.rs"]
mod dress;
#[path = "forge_gitea/issues.rs"]
mod issues;
#[path = "forge_gitea/pulls.rs"]
mod pulls;
#[path = "forge_gitea/world.rs"]
mod world;
