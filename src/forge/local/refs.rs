//! Moving refs by compare and swap, under the lock of the repository.

use std::fs::{File, OpenOptions, TryLockError};
use std::thread;
use std::time::Duration;

use git2::{ErrorCode, Oid, Repository};

use super::Error;

/// The namespace of the records. Not `refs/bowline/` itself: git would take `bowline/<key>` for the record instead of the
/// branch, and `git merge bowline/<key>` would merge it.
pub(super) const RECORDS: &str = "refs/bowline/requests/";
/// The lock file in the git directory. It stays there; what counts is the operating system's lock on it.
const LOCK: &str = "bowline.lock";
/// How often the lock is tried, and how long between: 10 seconds in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Held while a request is changed, so that two processes do not race. Freed when dropped, and when the process ends.
pub(super) struct Lock(#[allow(dead_code)] File);

pub(super) fn lock(repository: &Repository) -> Result<Lock, Error> {
    let path = repository.commondir().join(LOCK);
    let io = |source| Error::Io { path: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    Err(Error::Busy)
}

/// Moves a ref from `expected` (none: it must not exist) to a commit.
pub(super) fn point(repository: &Repository, name: &str, expected: Option<Oid>, to: Oid, why: &str) -> Result<(), Error> {
    let moved = match expected {
        None => repository.reference(name, to, false, why),
        Some(expected) => repository.reference_matching(name, to, true, expected, why),
    };
    moved.map(drop).map_err(|error| explain(name, error))
}

/// Deletes a ref that points to `expected`.
pub(super) fn remove(repository: &Repository, name: &str, expected: Oid) -> Result<(), Error> {
    let mut reference = repository.find_reference(name).map_err(|error| explain(name, error))?;
    if reference.target() != Some(expected) {
        return Err(Error::Moved { name: name.to_owned() });
    }
    reference.delete().map_err(|error| explain(name, error))
}

fn explain(name: &str, error: git2::Error) -> Error {
    match error.code() {
        ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound => Error::Moved { name: name.to_owned() },
        ErrorCode::Locked => Error::Locked { name: name.to_owned() },
        _ => Error::Git(error),
    }
}

/// Whether `commit` is `head` or one of its ancestors. A commit that is not there is none.
pub(super) fn contains(repository: &Repository, head: Oid, commit: Oid) -> Result<bool, Error> {
    if head == commit {
        return Ok(true);
    }
    if repository.find_commit(commit).is_err() {
        return Ok(false);
    }
    Ok(repository.graph_descendant_of(head, commit)?)
}
