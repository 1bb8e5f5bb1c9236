//! The side that writes what is known of a source: one process for all batches, each of which is on the disk before it is answered.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::facts::{Batch, Facts, Full, Taken};
use super::file;
use crate::api::Text;

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// There is more than is kept.
    #[error(transparent)]
    Full(#[from] Full),
    /// It cannot be kept for now.
    #[error("{0}")]
    Unkept(String),
}

/// What is known of a source, in memory and on the disk.
#[derive(Debug)]
pub struct Shelf {
    source: Text,
    file: PathBuf,
    inside: Mutex<Inside>,
    /// Which of its states is on the disk.
    written: Mutex<u64>,
    bytes: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inside {
    /// None until the first batch.
    facts: Option<Facts>,
    /// Held as long as facts are in memory, so that no other process writes them.
    lock: Option<File>,
    /// Counts the states.
    state: u64,
}

impl Shelf {
    /// The shelf of a source whose facts stand in this file.
    pub fn new(source: Text, file: PathBuf) -> Self {
        Self { source, file, inside: Mutex::default(), written: Mutex::default(), bytes: AtomicUsize::new(0) }
    }

    /// The file.
    pub fn file(&self) -> &PathBuf {
        &self.file
    }

    /// How many bytes of facts are held.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes a batch, and gives what came of it once that is on the disk. What was so only before `oldest` is forgotten; of the source no more
    /// than `most` bytes are kept. Batches that come at once are written at once. Waits for the disk; not to be called on a thread of the runtime.
    pub fn take(&self, batch: Batch, oldest: Timestamp, most: usize) -> Result<Taken, ShelfError> {
        let (taken, state) = {
            let mut inside = self.inside();
            let state = inside.state;
            let facts = self.loaded(&mut inside)?;
            let whole = facts.whole();
            let forgotten = facts.forget(oldest);
            let taken = facts.take(batch, oldest, most);
            let changed = forgotten || facts.whole() != whole || taken.is_ok_and(|taken| taken.taken + taken.gone > 0);
            self.bytes.store(facts.bytes(), Ordering::Relaxed);
            inside.state = state + u64::from(changed);
            (taken?, inside.state)
        };
        self.write(state).map(|()| taken)
    }

    /// Sees to it that a state, or a later one, is on the disk.
    fn write(&self, state: u64) -> Result<(), ShelfError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written >= state {
            return Ok(());
        }
        let (bytes, newest) = {
            let inside = self.inside();
            (inside.facts.as_ref().map(|facts| file::bytes(&self.source, facts)).unwrap_or_default(), inside.state)
        };
        file::write(&self.file, &bytes).map_err(|error| ShelfError::Unkept(format!("what is pushed cannot be written down: {}", error.kind())))?;
        *written = newest;
        Ok(())
    }

    fn loaded<'a>(&self, inside: &'a mut Inside) -> Result<&'a mut Facts, ShelfError> {
        if inside.lock.is_none() {
            inside.lock = Some(self.lock()?);
        }
        let facts = match inside.facts.take() {
            Some(facts) => facts,
            None => self.load()?,
        };
        Ok(inside.facts.insert(facts))
    }

    /// What is on the disk. A file that is damaged is set aside: what it held is pushed anew sooner or later.
    fn load(&self) -> Result<Facts, ShelfError> {
        let Some(bytes) = file::read(&self.file).map_err(ShelfError::Unkept)? else { return Ok(Facts::default()) };
        match file::facts(&bytes) {
            Ok(facts) => Ok(facts),
            Err(reason) => {
                let aside = self.file.with_extension("ndjson.damaged");
                std::fs::rename(&self.file, &aside).map_err(|error| ShelfError::Unkept(format!("{reason}; it cannot be set aside: {}", error.kind())))?;
                tracing::warn!(source = &*self.source, "{reason}; it was set aside, and what is pushed begins anew");
                Ok(Facts::default())
            }
        }
    }

    fn lock(&self) -> Result<File, ShelfError> {
        let unkept = |reason: std::io::Error| ShelfError::Unkept(format!("what is pushed cannot be written down: {}", reason.kind()));
        file::make(self.file.parent().unwrap_or(std::path::Path::new("."))).map_err(unkept)?;
        let lock = File::create(self.file.with_extension("lock")).map_err(unkept)?;
        match lock.try_lock() {
            Ok(()) => {
                file::sweep(&self.file);
                Ok(lock)
            }
            // Some file systems know no locks; there it is for the operator to run one process.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(ShelfError::Unkept("another `bowline run` takes what is pushed to this source".to_owned())),
            Err(TryLockError::Error(error)) => Err(unkept(error)),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::facts::{Fact, MOST_BYTES};
    use super::*;

    fn fact(key: &str, second: i64) -> Fact {
        let seen = Timestamp::from_second(second).unwrap();
        Fact { key: key.into(), seen, line: format!("{{\"key\":\"{key}\",\"seen\":\"{seen}\"}}").into() }
    }

    fn take(shelf: &Shelf, facts: &[Fact]) -> Result<Taken, ShelfError> {
        shelf.take(Batch { facts: facts.to_vec(), whole: None }, Timestamp::MIN, MOST_BYTES)
    }

    fn written(shelf: &Shelf) -> Facts {
        file::facts(&file::read(shelf.file()).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn many_batches_at_once_are_all_on_the_disk_when_they_are_answered() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Arc::new(Shelf::new("web".into(), file::path(folder.path(), "web")));
        let pushing: Vec<_> = (0..16)
            .map(|number| {
                let shelf = shelf.clone();
                std::thread::spawn(move || {
                    let key = format!("k{number:02}");
                    assert_eq!(take(&shelf, &[fact(&key, 1)]).unwrap().taken, 1);
                    assert!(written(&shelf).lines().any(|line| line.contains(&key)), "{key}");
                })
            })
            .collect();
        for pushing in pushing {
            pushing.join().unwrap();
        }
        assert_eq!(written(&shelf).lines().len(), 16);
    }

    #[test]
    fn another_process_is_refused_until_the_first_is_gone_and_finds_what_it_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = file::path(folder.path(), "web");
        let first = Shelf::new("web".into(), file.clone());
        take(&first, &[fact("a", 1)]).unwrap();
        let second = Shelf::new("web".into(), file);
        assert!(take(&second, &[fact("b", 1)]).unwrap_err().to_string().contains("another `bowline run`"));
        drop(first);
        assert_eq!(take(&second, &[fact("a", 1), fact("b", 1)]).map(|taken| (taken.taken, taken.unchanged)).unwrap(), (1, 1));
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_what_is_another_sources_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (left, others) = (folder.path().join(".web.ndjson-a1B2c3.new"), folder.path().join(".web.ndjson-x.ndjson-a1B2c3.new"));
        std::fs::write(&left, "half").unwrap();
        std::fs::write(&others, "half").unwrap();
        take(&Shelf::new("web".into(), file::path(folder.path(), "web")), &[fact("a", 1)]).unwrap();
        assert!(!left.exists() && others.exists());
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = file::path(folder.path(), "web");
        std::fs::write(&file, "{\"kind\":\"PushedFacts\"").unwrap();
        let shelf = Shelf::new("web".into(), file);
        assert_eq!(take(&shelf, &[fact("a", 1)]).unwrap().known, 1);
        assert!(std::fs::read_to_string(folder.path().join("web.ndjson.damaged")).unwrap().contains("PushedFacts"));
        assert_eq!(written(&shelf).lines().len(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_is_written_with_the_next_batch() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("pushed");
        let shelf = Shelf::new("web".into(), file::path(&inner, "web"));
        take(&shelf, &[fact("a", 1)]).unwrap();
        // A file in the place of the folder; the lock is held already.
        std::fs::remove_dir_all(&inner).unwrap();
        std::fs::write(&inner, "").unwrap();
        assert!(matches!(take(&shelf, &[fact("b", 1)]), Err(ShelfError::Unkept(_))));
        std::fs::remove_file(&inner).unwrap();
        assert_eq!(take(&shelf, &[fact("b", 1)]).unwrap().unchanged, 1, "it is known, and not on the disk yet");
        assert_eq!(written(&shelf).lines().len(), 2);
    }
}
