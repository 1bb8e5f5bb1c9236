//! Branches and commits: made and pushed by git, looked up through the API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{Oid, Repository};

use super::super::Fault;
use super::Gitea;
use super::api::NAME;
use super::wire::{Branch, Commit, PullRequest};
use crate::access::Access;
use crate::credentials::Credentials;
use crate::estate::git::{GitError, Remote, Update, push};
use crate::forge::Error;

/// How many pages of a branch's commits are looked through for one of them.
const PAGES_OF_COMMITS: usize = 20;

/// The repository on this machine, and where it is pushed to.
#[derive(Clone, Debug)]
pub(super) struct Git {
    pub(super) repository: PathBuf,
    pub(super) url: String,
    pub(super) credential: Option<String>,
    pub(super) credentials: Credentials,
    pub(super) access: Access,
}

impl Git {
    fn open(&self) -> Result<Repository, Error> {
        Ok(Repository::open(&self.repository)?)
    }

    fn push(&self, update: Update) -> Result<(), Error> {
        let remote = Remote {
            url: &self.url,
            credential: self.credential.as_deref(),
            credentials: &self.credentials,
            access: &self.access,
            // The estate gives the address, so ssh gets nothing of the operator's but the credential.
            declared_in: Some(&self.repository),
        };
        Ok(push(&self.open()?, &remote, &[update])?)
    }
}

/// Runs what blocks away from the threads that others wait on.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(_) => Err(git2::Error::from_str("the work in the repository was broken off").into()),
    }
}

fn id(commit: &str) -> Result<Oid, Error> {
    Ok(Oid::from_str(commit)?)
}

impl Gitea {
    /// Works in the repository on this machine.
    pub(super) async fn here<T, W>(&self, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce(&Repository) -> Result<T, Error> + Send + 'static,
    {
        let git = Arc::clone(&self.git);
        blocking(move || work(&git.open()?)).await
    }

    pub(super) async fn head(&self, branch: &str) -> Result<Option<String>, Error> {
        match self.api.find::<Branch>(self.api.here(&["branches", branch]), &format!("branch `{branch}`")).await? {
            Some(found) => {
                self.known(|known| known.repository = true);
                Ok(Some(found.commit.id))
            }
            // Without a repository there is no branch either, and that is another matter.
            None if self.known(|known| known.repository) => Ok(None),
            None => self.repository_facts().await.map(|_| None),
        }
    }

    /// Changes a branch from `expected` to `new` (none: it is not there).
    pub(super) async fn set_branch(&self, branch: &str, expected: Option<&str>, new: Option<&str>) -> Result<(), Error> {
        let expected_id = expected.map_or(Ok(Oid::ZERO_SHA1), id)?;
        let update = Update { source: new.map(id).transpose()?, target: format!("refs/heads/{branch}"), force: true, expected: Some(expected_id) };
        let mut attempt = 1;
        loop {
            let (git, pushed) = (Arc::clone(&self.git), update.clone());
            let Err(error) = blocking(move || git.push(pushed)).await else { return Ok(()) };
            let Error::Push(error) = error else { return Err(error) };
            // Whatever was said, what the branch names now decides.
            let found = self.head(branch).await;
            if found.as_ref().is_ok_and(|head| head.as_deref() == new) {
                return Ok(());
            }
            let seen = found.is_ok();
            let fault = self.judge_push(branch, expected, found, error).await;
            if !seen || !fault.uncertain() || attempt >= self.patience.tries {
                return Err(fault);
            }
            // It names what it must and not what it shall, so the same may be said again.
            attempt += 1;
            tokio::time::sleep(self.patience.pause_before(attempt)).await;
        }
    }

    /// Why a push came to nothing. `found` is what the branch names after it.
    async fn judge_push(&self, branch: &str, expected: Option<&str>, found: Result<Option<String>, Error>, error: GitError) -> Error {
        let unknown = |reason: &GitError| -> Error {
            Fault::Unavailable { forge: NAME, what: format!("the branch `{branch}`"), reason: reason.to_string(), uncertain: true }.into()
        };
        match (found, error) {
            (Ok(head), _) if head.as_deref() != expected => Error::Moved { name: branch.to_owned() },
            (_, GitError::Rejected { reason, .. }) if reason.contains("protected") => Fault::Protected { branch: branch.to_owned(), said: reason }.into(),
            (_, GitError::Rejected { reason, .. }) if reason.contains("denied") => forbidden(branch, reason),
            (_, GitError::Rejected { reason, .. }) => Fault::Refused { forge: NAME, what: format!("the branch `{branch}`"), status: 200, said: reason }.into(),
            (Ok(_), error @ GitError::Remote { .. }) => match self.repository_facts().await {
                Ok(facts) if facts.archived => self.api.read_only("it is archived".to_owned()),
                Ok(facts) if facts.mirror => self.api.read_only("it is a mirror of another one".to_owned()),
                Ok(facts) if facts.permissions.as_ref().is_some_and(|may| !may.push) => forbidden(branch, error.to_string()),
                _ => unknown(&error),
            },
            (Err(looking), error @ GitError::Remote { .. }) => match looking {
                Error::Hosted(Fault::Unavailable { .. } | Fault::NotTheApi { .. } | Fault::Limited { .. }) => unknown(&error),
                looking => looking,
            },
            (_, error) => error.into(),
        }
    }

    pub(super) async fn message(&self, commit: &str) -> Result<String, Error> {
        let wanted = id(commit)?;
        let found =
            self.here(move |repository| Ok(repository.find_commit(wanted).ok().map(|commit| String::from_utf8_lossy(commit.message_bytes()).into_owned())));
        if let Some(message) = found.await? {
            return Ok(message);
        }
        let found: Commit = self.api.get(self.api.here(&["git", "commits", commit]), &format!("commit {commit}")).await?;
        Ok(found.commit.message)
    }

    pub(super) async fn has_commit(&self, branch: &str, commit: &str) -> Result<bool, Error> {
        let Some(head) = self.head(branch).await? else { return Ok(false) };
        if head == commit {
            return Ok(true);
        }
        let (tip, wanted) = (id(&head)?, id(commit)?);
        if let Some(known) = self.here(move |repository| Ok(ancestry(repository, tip, wanted))).await? {
            return Ok(known);
        }
        self.listed(branch, commit).await
    }

    /// Whether a commit is among the last thousand of a branch.
    async fn listed(&self, branch: &str, commit: &str) -> Result<bool, Error> {
        // Only hashes are wanted; what else is left out saves the server work.
        let query = [("sha", branch), ("stat", "false"), ("verification", "false"), ("files", "false")];
        let (mut pages, mut found) = (0, false);
        let read = self.api.pages::<Commit, _>(self.api.here(&["commits"]), &query, "the list of commits", |page| {
            pages += 1;
            found = found || page.iter().any(|known| known.sha == commit);
            !found && pages < PAGES_OF_COMMITS
        });
        let read = read.await?;
        Ok(read.items.iter().any(|known| known.sha == commit))
    }

    pub(super) async fn conflict(&self, number: u64) -> Result<Option<bool>, Error> {
        let mut attempt = 1;
        loop {
            let pull = self.pull(number).await?;
            if pull.merged {
                return Ok(Some(false));
            }
            // Gitea says of no draft that it can be merged, and of no other before it has looked, which a busy one does late:
            // a branch built anew for that would lose its approvals for nothing.
            if let Some(conflicts) = self.merged_here(&pull).await? {
                return Ok(Some(conflicts));
            }
            if pull.mergeable {
                return Ok(Some(false));
            }
            if pull.draft {
                return Ok(None);
            }
            attempt += 1;
            if attempt > self.patience.tries.max(2) {
                return Ok(Some(true));
            }
            tokio::time::sleep(self.patience.pause_before(attempt)).await;
        }
    }

    /// Whether a pull request conflicts with its base, by a merge on this machine; none where its commits are not all here.
    async fn merged_here(&self, pull: &PullRequest) -> Result<Option<bool>, Error> {
        let ids = (Oid::from_str(&pull.base.sha), Oid::from_str(&pull.head.sha));
        let (Ok(base), Ok(head)) = ids else { return Ok(None) };
        let ancestor = pull.merge_base.as_deref().and_then(|id| Oid::from_str(id).ok());
        self.here(move |repository| Ok(conflicts_here(repository, ancestor, base, head))).await
    }
}

fn forbidden(branch: &str, said: String) -> Error {
    Fault::Forbidden { forge: NAME, what: format!("pushing to the branch `{branch}`"), said }.into()
}

/// Whether `commit` is `tip` or before it; none where the history here does not say.
fn ancestry(repository: &Repository, tip: Oid, commit: Oid) -> Option<bool> {
    repository.find_commit(tip).ok()?;
    match repository.graph_descendant_of(tip, commit) {
        Ok(true) => Some(true),
        Ok(false) if !repository.is_shallow() => Some(false),
        _ => None,
    }
}

fn conflicts_here(repository: &Repository, ancestor: Option<Oid>, base: Oid, head: Oid) -> Option<bool> {
    let tree = |id: Oid| repository.find_commit(id).and_then(|commit| commit.tree());
    // A shallow history may not know the ancestor; the forge has said which it is.
    let ancestor = repository.merge_base(base, head).ok().or(ancestor)?;
    let index = repository.merge_trees(&tree(ancestor).ok()?, &tree(base).ok()?, &tree(head).ok()?, None).ok()?;
    Some(index.has_conflicts())
}

/// The repository on this machine, and where and how it is pushed.
pub(super) fn git(place: &super::super::Place<'_>, url: String, repository: &Path) -> Git {
    Git {
        repository: repository.to_owned(),
        url,
        credential: place.credential.map(str::to_owned),
        credentials: place.credentials.clone(),
        access: place.access.clone(),
    }
}
