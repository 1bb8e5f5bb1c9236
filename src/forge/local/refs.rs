//! Moving refs by compare and swap, under the lock of the repository.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::thread;
use std::time::{Duration, SystemTime};

use git2::{ErrorCode, Oid, Repository};

use super::Error;

/// The namespace of the records. Not `refs/bowline/` itself: git would take `bowline/<key>` for the record instead of the
/// branch, and `git merge bowline/<key>` would merge it.
pub(super) const RECORDS: &str = "refs/bowline/requests/";
/// The lock file in the git directory. It stays there; what counts is the operating system's lock on it.
const LOCK: &str = "bowline.lock";
/// Where the branches of requests are.
const BRANCHES: &str = "refs/heads/bowline/";
/// How often the lock is tried, and how long between: 10 seconds in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Held while a request is changed, so that two processes do not race. Freed when dropped, and when the process ends.
/// While it is held, the file is not empty: so the next one knows whether the last one was cut short.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.set_len(0);
    }
}

pub(super) fn lock(repository: &Repository) -> Result<Lock, Error> {
    let path = repository.commondir().join(LOCK);
    let io = |source| Error::Io { path: path.clone(), source };
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => {
                let metadata = file.metadata().map_err(io)?;
                if metadata.len() > 0 {
                    // It was written when the lock was taken.
                    sweep(repository, metadata.modified().map_err(io)?);
                }
                file.set_len(0).and_then(|()| file.write_all(b"held\n")).map_err(io)?;
                return Ok(Lock(file));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    Err(Error::Busy)
}

/// Removes what a run that was killed in the middle of writing a ref left: lock files that are not older than its own
/// lock, in the namespaces that Bowline writes. Nobody else holds Bowline's lock now, so no other run needs them.
fn sweep(repository: &Repository, since: SystemTime) {
    for folder in [RECORDS, BRANCHES] {
        let Ok(entries) = repository.commondir().join(folder).read_dir() else { continue };
        for entry in entries.flatten().filter(|entry| entry.path().extension().is_some_and(|extension| extension == "lock")) {
            let left = entry.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|modified| modified >= since);
            if left && std::fs::remove_file(entry.path()).is_ok() {
                tracing::warn!(file = %entry.path().display(), "removed a lock that a run which was killed had left");
            }
        }
    }
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
