//! All files that a pattern names, in the order of their paths.
//!
//! Small files are read one after the other and mapped side by side, a block of them at a time; a larger one is read by
//! itself, as it would be alone. So the memory is that of one block and of one large file, however many there are.

use std::io::{self, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::{Reading, unreadable};
use crate::api::Text;
use crate::discovery::blocks::{Found, STOPPED};

/// Up to how many bytes a file is small.
const SMALL: u64 = 1 << 20;
/// How many bytes of small files are held, and how many files.
const BLOCK: usize = 8 << 20;
const AT_ONCE: usize = 1024;
/// How many bytes all files together may have.
const TOGETHER: u64 = 4 << 30;

pub(super) fn read(reading: &Reading, stop: &AtomicBool) -> (Found, Text) {
    let pattern = &reading.path;
    let named = match reading.files.matching(pattern) {
        Ok(named) => named,
        Err(error) => return (Found::fault(error), pattern.clone()),
    };
    let mut all = All { reading, stop, left: Arc::new(AtomicU64::new(TOGETHER)), block: Vec::new(), held: 0, found: Found::default() };
    // An export that was not written, or was written elsewhere, says nothing about what there is.
    if named.files.is_empty() && named.faults.is_empty() {
        all.found.note(format!("no file matches `{pattern}`"));
    }
    for fault in named.faults {
        all.found.note(fault);
    }
    for path in named.files {
        if stop.load(Ordering::Relaxed) {
            all.found.note(STOPPED.to_owned());
            break;
        }
        if all.left.load(Ordering::Relaxed) == 0 {
            all.hold(path.clone(), Err(format!("{path} and what follows it was not read")));
            break;
        }
        all.take(path);
    }
    all.flush();
    // Not how many there are: one file more would reword every open request.
    (all.found, pattern.clone())
}

struct All<'a> {
    reading: &'a Reading,
    stop: &'a AtomicBool,
    /// How many bytes may still be read.
    left: Arc<AtomicU64>,
    /// Small files that are read and not mapped yet, and those of which is known what is wrong.
    block: Vec<(String, Result<Vec<u8>, String>)>,
    held: usize,
    found: Found,
}

impl All<'_> {
    fn take(&mut self, path: String) {
        let mut file = match self.reading.files.open(&path) {
            Ok(file) => Counted { inner: file, left: self.left.clone() },
            // It names the file itself.
            Err(error) => return self.hold(path, Err(error)),
        };
        let mut start = Vec::new();
        match (&mut file).take(SMALL + 1).read_to_end(&mut start) {
            Err(error) => self.hold(path.clone(), Err(format!("{path}: {}", unreadable(&error)))),
            Ok(_) if start.len() as u64 <= SMALL => self.hold(path, Ok(start)),
            Ok(_) => {
                self.flush();
                let whole = Box::new(Cursor::new(start).chain(file));
                self.found.append(self.reading.one(&path, whole, self.stop).within(&path));
            }
        }
    }

    fn hold(&mut self, path: String, read: Result<Vec<u8>, String>) {
        self.held += read.as_ref().map_or(0, Vec::len);
        self.block.push((path, read));
        if self.held >= BLOCK || self.block.len() >= AT_ONCE {
            self.flush();
        }
    }

    /// Maps what is held, on all cores.
    fn flush(&mut self) {
        self.held = 0;
        let (reading, stop) = (self.reading, self.stop);
        let of_file = |(path, read): (String, Result<Vec<u8>, String>)| match read {
            Ok(bytes) => reading.small(&path, bytes, stop).within(&path),
            Err(error) => Found::fault(error),
        };
        for found in std::mem::take(&mut self.block).into_par_iter().map(of_file).collect::<Vec<_>>() {
            self.found.append(found);
        }
    }
}

/// Counts what is read of all files, and says where it is too much.
struct Counted {
    inner: Box<dyn Read + Send>,
    left: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed).checked_sub(count as u64);
        self.left.store(left.unwrap_or_default(), Ordering::Relaxed);
        left.map(|_| count).ok_or_else(|| io::Error::other("the files are larger than 4 GiB together; split them into several sources"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_together() {
        let left = Arc::new(AtomicU64::new(10));
        let read = |size: usize| Counted { inner: Box::new(Cursor::new(vec![b'x'; size])), left: left.clone() }.read_to_end(&mut Vec::new());
        assert_eq!(read(6).unwrap(), 6);
        assert!(read(6).unwrap_err().to_string().contains("together"));
        assert!(read(1).is_err());
    }
}
