//! The embedded default: change requests in the estate's own git repository, with nothing but git.
//!
//! ```text
//! refs/heads/bowline/<key>       the branch: one commit on the base branch        branch.rs
//! refs/bowline/requests/<key>    title, body and state; its history is the life   record.rs
//! ```
//!
//! Every change of a request is carried out in three moves, so that it can be cut short at any point: the record with
//! the intent, the branches, the record without the intent. `recover` completes what an interrupted run left, or takes
//! it back. No checkout is made, and neither the working tree nor the index is touched, except by an approval into the
//! branch that is checked out. Hooks are not run. The calls are short and block their thread.

mod branch;
mod merge;
mod place;
mod record;
mod refs;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use git2::Repository;
use jiff::Timestamp;

use super::{Approval, Error, Forge, Listing, Note, Pass, Person, Request, Why};
use crate::api::Text;
use crate::change::Change;

/// Is told each step before it is taken, so that tests can stop there.
pub type Hook = Arc<dyn Fn(&str) + Send + Sync>;

/// The forge in the estate's own repository.
#[derive(Clone)]
pub struct Local {
    /// The estate whose requests these are.
    estate: Text,
    /// The git directory.
    git: PathBuf,
    /// The estate's folder below the root of the repository: empty, or ending with `/`.
    prefix: String,
    /// The base branch, where it is not simply the one of HEAD.
    base: Option<String>,
    hook: Option<Hook>,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("estate", &self.estate).field("git", &self.git).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Local {
    /// The forge of the estate of this name in `folder`, which is in a git repository or is a bare one.
    ///
    /// # Errors
    /// When there is no repository, or it cannot be opened.
    pub fn new(estate: &str, folder: &Path) -> Result<Self, Error> {
        let (git, prefix) = place::locate(folder)?;
        Ok(Self { estate: estate.into(), git, prefix, base: None, hook: None })
    }

    /// The same with the estate in this folder of the repository, for a bare one.
    #[must_use]
    pub fn below(mut self, path: &str) -> Self {
        let path = path.trim_matches('/');
        self.prefix = if path.is_empty() || path == "." { String::new() } else { format!("{path}/") };
        self
    }

    /// The same with this base branch in place of the one of HEAD.
    #[must_use]
    pub fn with_base(mut self, branch: &str) -> Self {
        self.base = Some(branch.to_owned());
        self
    }

    /// The same with a hook that is told each step before it is taken.
    #[must_use]
    pub fn with_hook(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// All requests of the estate, sorted by key. Writes nothing.
    ///
    /// # Errors
    /// When the repository cannot be read. A request that cannot be read is a problem of the listing.
    pub fn requests(&self) -> Result<Listing, Error> {
        self.listing(&self.open_repository()?)
    }

    /// One request.
    ///
    /// # Errors
    /// When there is none of this key, or it cannot be read.
    pub fn request(&self, key: &str) -> Result<Request, Error> {
        self.find(&self.open_repository()?, key)
    }

    fn open_repository(&self) -> Result<Repository, Error> {
        Ok(Repository::open(&self.git)?)
    }

    fn reached(&self, step: &str) {
        if let Some(hook) = &self.hook {
            hook(step);
        }
    }
}

#[async_trait]
impl Forge for Local {
    async fn recover(&self, pass: Pass<'_>) -> Result<(), Error> {
        self.recover_all(pass.now)
    }

    async fn list(&self, _pass: Pass<'_>) -> Result<Listing, Error> {
        self.requests()
    }

    async fn open(&self, change: &Change, pass: Pass<'_>) -> Result<(), Error> {
        self.write_new(change, pass)
    }

    async fn rewrite(&self, request: &Request, change: &Change, why: Why, pass: Pass<'_>) -> Result<(), Error> {
        self.write_again(request, change, why, pass)
    }

    async fn close(&self, request: &Request, reason: &str, pass: Pass<'_>) -> Result<(), Error> {
        self.write_closed(request, reason, pass)
    }

    async fn note(&self, request: &Request, note: Note, text: &str, pass: Pass<'_>) -> Result<(), Error> {
        self.write_note(request.key(), note, text, pass.now)
    }

    async fn approve(&self, key: &str, who: Option<&Person>, now: Timestamp) -> Result<Approval, Error> {
        self.write_approved(key, who, now)
    }

    async fn reject(&self, key: &str, who: Option<&Person>, reason: Option<&str>, now: Timestamp) -> Result<(), Error> {
        self.write_rejected(key, who, reason, now)
    }

    async fn patch(&self, request: &Request) -> Result<String, Error> {
        branch::patch(&self.open_repository()?, request)
    }
}
