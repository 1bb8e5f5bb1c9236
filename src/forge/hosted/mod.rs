//! Change requests as pull requests of a forge that is reached over the network.
//!
//! ```text
//! pulls      `Hosted`: the forge's side of a request's life, written once over the trait `Host`
//! read       how a pull request is read as a request
//! exchange   HTTP: time-outs, retries, limits, pace, what each answer means
//! fault      what can go wrong there
//! github     GitHub and GitHub Enterprise, by octocrab; commits through its API
//! gitea      Gitea and Forgejo; commits pushed by git
//! ```
//!
//! What Bowline did last to a request stands in the marker of its body ([`Written`](super::marker::Written)), written
//! before the branch is moved, so that a pass that was cut short is told apart from a person's commit.

pub mod exchange;
pub mod fault;
pub mod gitea;
pub mod github;
mod pulls;
mod read;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::Error;
use crate::access::Access;
use crate::api::Text;
use crate::change::Change;
use crate::credentials::Credentials;

pub use exchange::{Ear, Exchanged, Patience};
pub use fault::Fault;
pub use pulls::{Hosted, Settings};

/// The name of the commit status or check.
pub const STATUS: &str = "bowline/change";

/// Where a forge is, and on whose word Bowline speaks with it.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// Its address as the estate gives it; none: the forge's public one, where it has one.
    pub url: Option<&'a str>,
    /// `owner/name`.
    pub repository: &'a str,
    /// The name of the credential for it.
    pub credential: Option<&'a str>,
    /// The operator's credentials.
    pub credentials: &'a Credentials,
    /// What the operator allows.
    pub access: &'a Access,
    /// How long to wait for it.
    pub patience: Patience,
}

/// A pull request as a forge shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// The branch that it would merge, without `refs/heads/`.
    pub branch: String,
    /// Whether that branch is in another repository: it is not Bowline's then, whatever it says.
    pub foreign: bool,
    /// The branch into which it would be merged.
    pub base_branch: String,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Whether it is open.
    pub open: bool,
    /// When it was merged.
    pub merged: Option<Timestamp>,
    /// Who merged it, where the forge says so in its list.
    pub merged_by: Option<Text>,
    /// The merge commit.
    pub merge_commit: Option<String>,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
    /// When anything about it last changed.
    pub updated: Timestamp,
    /// The head of its branch; none once the branch is gone, where the forge says so.
    pub head: Option<String>,
    /// Its labels.
    pub labels: Vec<Text>,
    /// Where people see it.
    pub url: Option<String>,
}

/// A pull request to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPull<'a> {
    /// Its branch.
    pub branch: &'a str,
    /// The branch into which it shall be merged.
    pub base_branch: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its body.
    pub body: &'a str,
    /// Whether it begins as a draft.
    pub draft: bool,
}

/// What is changed about a pull request or an issue; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit<'a> {
    /// Its title.
    pub title: Option<&'a str>,
    /// Its body.
    pub body: Option<&'a str>,
    /// Whether it is open.
    pub open: Option<bool>,
    /// The branch into which it shall be merged.
    pub base_branch: Option<&'a str>,
}

/// Labels and people of a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dress {
    /// All labels that it shall have besides those that it has.
    pub labels: Vec<Text>,
    /// Accounts that are asked to review.
    pub reviewers: Vec<Text>,
    /// Teams that are asked to review, as `org/team`.
    pub teams: Vec<Text>,
    /// Accounts to which it is assigned.
    pub assignees: Vec<Text>,
    /// The title of its milestone.
    pub milestone: Option<Text>,
}

/// The commit status or check of a request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the request can be carried out as it stands: it has a window, or needs none.
    pub good: bool,
    /// The risk and the window, in at most 140 characters.
    pub description: String,
}

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Whether it is open.
    pub open: bool,
    /// Where people see it.
    pub url: Option<String>,
}

/// What Bowline needs of a forge. Each call is one exchange, or a few of which the last one counts; a call that makes
/// something is not repeated by itself: [`Error::uncertain`] says that it may have been done, and the caller looks first.
#[async_trait]
pub trait Host: Send + Sync {
    /// How long to wait before a call that makes something is tried again.
    fn patience(&self) -> &Patience;

    /// Has every request to it told to somebody, for metrics. One who cannot tell says nothing.
    fn heard_by(&self, _ear: Arc<dyn Ear>) {}

    /// The repository's default branch.
    async fn default_branch(&self) -> Result<String, Error>;

    /// All open pull requests, and those closed ones that were updated since then. Newest first.
    async fn pulls(&self, since: Timestamp) -> Result<Vec<Pull>, Error>;

    /// The pull requests of one branch in this repository, open or not, newest first.
    async fn pulls_of(&self, branch: &str) -> Result<Vec<Pull>, Error>;

    /// Whether a pull request can no longer be merged, as far as the forge knows; none: it does not know yet.
    async fn conflicts(&self, number: u64) -> Result<Option<bool>, Error>;

    /// Makes a pull request.
    async fn create_pull(&self, new: &NewPull<'_>) -> Result<Pull, Error>;

    /// Changes a pull request.
    async fn edit_pull(&self, number: u64, edit: &Edit<'_>) -> Result<(), Error>;

    /// Merges a pull request if its head is still this one; the merge commit, where the forge says it.
    async fn merge_pull(&self, number: u64, head: &str, title: &str, message: &str) -> Result<Option<String>, Error>;

    /// What a pull request changes, as a patch.
    async fn patch(&self, number: u64) -> Result<String, Error>;

    /// Gives a pull request its people, then its labels; labels are made where they are absent. A reviewer or assignee whom
    /// the forge does not accept is told by a warning and left out.
    async fn dress(&self, number: u64, dress: &Dress) -> Result<(), Error>;

    /// Takes a label from a pull request, if it has it.
    async fn remove_label(&self, number: u64, label: &str) -> Result<(), Error>;

    /// The bodies of the comments of a pull request, oldest first.
    async fn comments(&self, number: u64) -> Result<Vec<String>, Error>;

    /// Writes a comment.
    async fn comment(&self, number: u64, body: &str) -> Result<(), Error>;

    /// The head of a branch; none if there is no such branch.
    async fn head_of(&self, branch: &str) -> Result<Option<String>, Error>;

    /// The message of a commit.
    async fn message_of(&self, commit: &str) -> Result<String, Error>;

    /// Whether a commit is part of a branch.
    async fn contains(&self, branch: &str, commit: &str) -> Result<bool, Error>;

    /// Makes the one commit of a change on a base, without moving any branch. `prefix` is the estate's folder: empty, or
    /// ending with `/`.
    async fn commit(&self, change: &Change, prefix: &str, base: &str, now: Timestamp) -> Result<String, Error>;

    /// Lets a branch name a commit, if it names `expected` now (none: it must not be there). Commits that it has now are
    /// lost. A branch that names the commit already is left.
    async fn move_branch(&self, branch: &str, expected: Option<&str>, commit: &str) -> Result<(), Error>;

    /// Deletes a branch if it names `expected` now. One that is gone is left.
    async fn delete_branch(&self, branch: &str, expected: &str) -> Result<(), Error>;

    /// Sets the status of a commit.
    async fn set_status(&self, commit: &str, status: &Status) -> Result<(), Error>;

    /// The issues with a label, open or not, newest first.
    async fn issues(&self, label: &str) -> Result<Vec<Issue>, Error>;

    /// Makes an issue with a label.
    async fn create_issue(&self, title: &str, body: &str, label: &str) -> Result<(), Error>;

    /// Changes the body of an issue.
    async fn edit_issue(&self, number: u64, body: &str) -> Result<(), Error>;
}
