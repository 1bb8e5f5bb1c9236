//! Change requests as pull requests: their life, written once, and the forges that carry it.
//!
//! `life` decides, without any I/O, what is to be done about each request, and does it through the trait [`Forge`].
//! `marker` is the hidden line by which a request is found again without a database. A forge only carries; it decides
//! nothing.
//!
//! ```text
//! local     the embedded default: branches in the estate's own git repository
//! hosted    pull requests, written once for every forge that has them; over it:
//!   github    by octocrab; commits through the API
//!   gitea     Gitea and Forgejo; commits pushed by git
//! ```

mod commit;
pub mod dashboard;
pub mod error;
pub mod hosted;
pub mod life;
pub mod local;
pub mod marker;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::Text;
use crate::change::Change;

pub use error::Error;
pub use life::Why;
pub use marker::Marker;

/// What the branch of a request is called: this, then its key.
pub const BRANCH_PREFIX: &str = "bowline/";
/// A request with this label is built anew at the next pass, even if a person has committed to its branch.
pub const REBUILD_LABEL: &str = "bowline/rebuild";
/// A request with this label is left as it is.
pub const HOLD_LABEL: &str = "bowline/hold";
/// Every request has this label, once it is wholly opened.
pub const LABEL: &str = "bowline";
/// Whose drift is there though its window has passed.
pub const OVERDUE_LABEL: &str = "bowline/overdue";
/// Which a person has committed to.
pub const HANDS_OFF_LABEL: &str = "bowline/hands-off";
/// Which a person has committed to, and whose drift is gone.
pub const ABANDONED_LABEL: &str = "bowline/abandoned";
/// The issue that shows all findings.
pub const DASHBOARD_LABEL: &str = "bowline/dashboard";

/// The branch of a request.
pub fn branch_of(key: &str) -> String {
    format!("{BRANCH_PREFIX}{key}")
}

/// One pass of the loop, as the forge needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// The commit from which the estate was read and on which new branches stand. None: it was read from a folder, and
    /// branches stand on the head of the base branch.
    pub base: Option<&'a str>,
    /// The instant.
    pub now: Timestamp,
}

/// A change request as a forge knows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The forge's own name for it: the key locally, the number elsewhere.
    pub id: String,
    /// What the marker says: key, fingerprints, items, sources, due time.
    #[serde(flatten)]
    pub marker: Marker,
    /// Its branch.
    pub branch: String,
    /// The branch into which it is merged.
    pub base_branch: String,
    /// Its title.
    pub title: String,
    /// Its body with the marker.
    pub body: String,
    /// Where in its life it is.
    pub state: State,
    /// The head of its branch; none once the branch is gone.
    pub head: Option<String>,
    /// The commit of the base branch on which Bowline built it.
    pub base: String,
    /// Why Bowline must not touch its branch, if it must not.
    pub hold: Option<Hold>,
    /// Whether the base has moved and differs in files that the request edits, or has been rewritten.
    pub conflicts: bool,
    /// When it was last opened.
    pub opened: Timestamp,
    /// When its state, title, body or branch last changed.
    pub updated: Timestamp,
    /// Who ended it, when and why. None while it is open.
    pub decision: Option<Decision>,
    /// What has been said about it since it was last opened; each is said once.
    pub notes: Vec<Noted>,
    /// Its labels, where the forge has any.
    pub labels: Vec<Text>,
    /// Where people see it, where the forge has pages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether its opening was cut short: its labels, reviewers or status are missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfinished: bool,
    /// Whether its closing was cut short: it is closed, and its branch stands as Bowline wrote it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leftover: bool,
}

impl Request {
    /// Its stable key.
    pub fn key(&self) -> &Text {
        &self.marker.key
    }

    /// Whether this has been said already.
    pub fn noted(&self, note: Note) -> bool {
        self.notes.iter().any(|noted| noted.note == note)
    }
}

/// Where in its life a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// It waits for the board.
    Open,
    /// Approved.
    Merged,
    /// Closed by a person.
    Rejected,
    /// Closed by Bowline.
    Closed,
}

/// Why a branch must not be touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Hold {
    /// Its head is not the commit that Bowline wrote last: a person has committed to it.
    Edited,
    /// A working tree has it checked out.
    CheckedOut,
    /// A label asks for it.
    Asked,
    /// A person has opened it again after Bowline had closed it.
    Reopened,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Who decided, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Text>,
    /// When.
    pub at: Timestamp,
    /// Why, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The merge commit, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What is said about a request, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Note {
    /// A person has committed to it, so Bowline no longer updates it.
    HandsOff,
    /// The drift is gone, but a person has committed to it, so it is left.
    Abandoned,
    /// It was approved and its window has passed, but the drift is still there.
    Overdue,
    /// It was approved, and the drift is gone.
    Done,
}

impl Note {
    /// The label that a request has from then on, where it has one.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Self::HandsOff => Some(HANDS_OFF_LABEL),
            Self::Abandoned => Some(ABANDONED_LABEL),
            Self::Overdue => Some(OVERDUE_LABEL),
            Self::Done => None,
        }
    }
}

/// A note that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// Which.
    pub note: Note,
    /// When.
    pub at: Timestamp,
    /// What it says, in Markdown.
    pub text: String,
}

/// Who decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The address for electronic mail.
    pub email: String,
}

/// All requests of an estate.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Listing {
    /// Sorted by key; of each key the open one, else the latest.
    pub requests: Vec<Request>,
    /// Requests that could not be read. Nothing is done about them (rule 5).
    pub problems: Vec<Problem>,
}

impl Listing {
    /// The request of this key.
    pub fn find(&self, key: &str) -> Option<&Request> {
        self.requests.iter().find(|request| **request.key() == *key)
    }
}

/// A request that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its key.
    pub key: Text,
    /// What is wrong.
    pub message: String,
}

/// The issue that shows all findings of an estate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dashboard {
    /// Its number.
    pub number: u64,
    /// Its body.
    pub body: String,
    /// Whether it is open. One that a person has closed is left alone.
    pub open: bool,
    /// Where people see it.
    pub url: Option<String>,
}

/// What approving did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// The merge commit; none where a person had merged by other means.
    pub commit: Option<String>,
    /// The branch into which it was merged.
    pub branch: String,
    /// Files of the working tree that were left as they are, because they were changed in the same moment.
    pub left: Vec<String>,
}

/// Carries change requests. Each method either does its work wholly, does nothing, or leaves what
/// [`recover`](Forge::recover) completes; repeating a call never makes a second request, commit or note.
#[async_trait]
pub trait Forge: Send + Sync {
    /// Completes what an interrupted pass had begun, and writes down what people did by other means. Writes nothing
    /// where there is nothing to complete.
    async fn recover(&self, _pass: Pass<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// The requests of this estate, found by branch and marker. Writes nothing.
    async fn list(&self, pass: Pass<'_>) -> Result<Listing, Error>;

    /// Whether an open request can no longer be merged, asked where its base has moved and its files have changed there.
    async fn conflicts(&self, request: &Request, _pass: Pass<'_>) -> Result<bool, Error> {
        Ok(request.conflicts)
    }

    /// Opens a request, anew if there was one of this key before. Looks it up first: one that is open already with the
    /// same fingerprint is left.
    async fn open(&self, change: &Change, pass: Pass<'_>) -> Result<(), Error>;

    /// Completes an opening that was cut short: labels, reviewers, status.
    async fn finish(&self, _request: &Request, _change: &Change, _pass: Pass<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Replaces the one commit, the title and the body of an open request, if its head is still the one listed. Where only
    /// the words differ, the commit may stay.
    async fn rewrite(&self, request: &Request, change: &Change, why: Why, pass: Pass<'_>) -> Result<(), Error>;

    /// Closes an open request with a reason and deletes its branch, if its head is still the one listed.
    async fn close(&self, request: &Request, reason: &str, pass: Pass<'_>) -> Result<(), Error>;

    /// Says something about a request, once.
    async fn note(&self, request: &Request, note: Note, text: &str, pass: Pass<'_>) -> Result<(), Error>;

    /// Merges an open request in the name of a person; none: whom the forge knows. One that is merged already is left.
    async fn approve(&self, key: &str, who: Option<&Person>, now: Timestamp) -> Result<Approval, Error>;

    /// Closes an open request in the name of a person. One that is rejected already is left.
    async fn reject(&self, key: &str, who: Option<&Person>, reason: Option<&str>, now: Timestamp) -> Result<(), Error>;

    /// What the branch of a request changes, as a patch; empty once the branch is gone.
    async fn patch(&self, request: &Request) -> Result<String, Error>;

    /// The estate's dashboard; none where there is none yet or the forge has no issues.
    async fn dashboard(&self) -> Result<Option<Dashboard>, Error> {
        Ok(None)
    }

    /// Writes the estate's dashboard; none: it is made, if there is none after all. A forge without issues does nothing.
    async fn write_dashboard(&self, _standing: Option<&Dashboard>, _body: &str) -> Result<(), Error> {
        Ok(())
    }
}
