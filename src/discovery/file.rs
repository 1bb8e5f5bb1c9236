//! Files of facts: JSON, one JSON document a line, CSV; one file, or all that a pattern names.
//!
//! A file that is missing, unreadable, empty or cut short, a line that cannot be read, an item that cannot be mapped:
//! each makes the answer incomplete and is named in it; everything else stays. Lines are read and mapped in blocks, on all
//! cores, so that a large file never stands in memory as a whole; a JSON document must.

mod csv;
mod json;
mod lines;
mod many;

use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use jiff::Timestamp;

use super::blocks::{self, Found};
use super::mapping::{Mapper, Problem, roomy};
use super::patterns::{self, Bounds, Named};
use super::{Answer, Source};
use crate::api::discovery_source::{FileFormat, FileSource as Spec};
use crate::api::{DiscoverySourceSpec, Text};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 30;
/// What a pattern may name. A name that begins with a dot is a tool's, such as `.gitkeep`, and holds no facts.
pub(super) const BOUNDS: Bounds = Bounds { files: 100_000, hidden: false };

/// Where files of facts are read from: a folder, or a commit.
pub trait Files: Send + Sync {
    /// Opens the file at this path below the estate's root. An error is a sentence for the user and names no path
    /// outside the estate.
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send>, String>;

    /// The files that a pattern names. An error is as that of `open`. Default: it can name none here.
    fn matching(&self, pattern: &str) -> Result<Named, String> {
        Err(format!("`{pattern}` is a pattern, and files cannot be listed here; name one file"))
    }
}

/// The files below a folder. Nothing outside it is ever read, not through `..` and not through a symbolic link.
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The files below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Files for Folder {
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send>, String> {
        let inside = !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            return Err(format!("`{path}` is not a path below the estate's root; write it without `..` and without a leading `/`"));
        }
        let told = |error: io::Error| told(path, &error);
        let root = self.root.canonicalize().map_err(told)?;
        let full = root.join(path).canonicalize().map_err(told)?;
        if !full.starts_with(&root) {
            return Err(format!("`{path}` leads out of the estate's root through a symbolic link"));
        }
        // Opening a pipe or a device could wait for ever.
        if !full.metadata().map_err(told)?.is_file() {
            return Err(format!("`{path}` is not a file"));
        }
        std::fs::File::open(full).map(|file| Box::new(file) as Box<dyn Read + Send>).map_err(told)
    }

    fn matching(&self, pattern: &str) -> Result<Named, String> {
        let told = |error: io::Error| told(pattern, &error);
        let root = self.root.canonicalize().map_err(told)?;
        patterns::matching(pattern, BOUNDS, |folder| {
            let real = root.join(folder).canonicalize();
            let real = real.map_err(|error| format!("no file matches `{pattern}`: `{folder}` cannot be read: {}", error.kind()))?;
            if real.starts_with(&root) { Ok(real) } else { Err(format!("`{folder}` leads out of the estate's root through a symbolic link")) }
        })
    }
}

fn told(path: &str, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => format!("the file `{path}` does not exist below the estate's root"),
        ErrorKind::PermissionDenied => format!("the file `{path}` may not be read by this user"),
        kind => format!("the file `{path}` cannot be read: {kind}"),
    }
}

/// A file, or several, as a source.
pub struct FileSource {
    name: Text,
    reading: Arc<Reading>,
}

/// All that is needed to read the files, on whichever thread.
struct Reading {
    path: Text,
    format: FileFormat,
    delimiter: u8,
    mapper: Mapper,
    files: Arc<dyn Files>,
}

impl FileSource {
    /// A source that reads the file of `spec`, with its `items` and `map`. An error says what is wrong with them.
    pub fn new(name: Text, file: &Spec, spec: &DiscoverySourceSpec, files: Arc<dyn Files>) -> Result<Self, String> {
        let mapper = Mapper::compile(spec.items.as_ref(), spec.map.as_ref()).map_err(|problems| Problem::told(&problems))?;
        if patterns::is_pattern(&file.path) {
            patterns::matcher(&file.path).map_err(|error| format!("`{}`: {error}", file.path))?;
        }
        let format = match file.format {
            Some(format) => format,
            None => format_of(&file.path)?,
        };
        let delimiter = u8::try_from(file.delimiter.unwrap_or(',')).ok().filter(|byte| byte.is_ascii() && !b"\"\r\n".contains(byte));
        let delimiter = delimiter.ok_or("the delimiter must be one ASCII character, and neither a quote nor the end of a line")?;
        Ok(Self { name, reading: Arc::new(Reading { path: file.path.clone(), format, delimiter, mapper, files }) })
    }
}

fn format_of(path: &str) -> Result<FileFormat, String> {
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    match &*ending {
        "json" => Ok(FileFormat::Json),
        "ndjson" | "jsonl" => Ok(FileFormat::NdJson),
        "csv" => Ok(FileFormat::Csv),
        _ => Err(format!("the format of `{path}` cannot be told from its ending; give `format: Json`, `NdJson` or `Csv`")),
    }
}

#[async_trait]
impl Source for FileSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let (reading, path) = (self.reading.clone(), &self.reading.path);
        let read = blocks::reading(&format!("`{path}`"), move |stop| roomy(|| reading.read(stop))).await.flatten();
        let (mut found, evidence) = read.unwrap_or_else(|error| (Found::fault(error), path.clone()));
        found.items.shrink_to_fit();
        let error = found.told();
        Answer { source: self.name.clone(), at: now, complete: error.is_none(), error, evidence, items: found.items }
    }
}

impl Reading {
    /// What was read, and from where, for people.
    fn read(&self, stop: &AtomicBool) -> (Found, Text) {
        if patterns::is_pattern(&self.path) {
            return many::read(self, stop);
        }
        let found = self.files.open(&self.path).map_or_else(Found::fault, |file| self.one(&self.path, file, stop));
        (found, self.path.clone())
    }

    /// What stands in the file of this path.
    fn one(&self, path: &str, file: Box<dyn Read + Send>, stop: &AtomicBool) -> Found {
        let mapper = self.mapper.of_file(path);
        match self.format {
            FileFormat::Json => json::read(file, &mapper, stop),
            FileFormat::NdJson => lines::read(file, lines::BLOCK, &mapper, stop),
            FileFormat::Csv => csv::read(file, self.delimiter, &mapper, stop),
        }
    }

    /// The same of a file that stands in memory.
    fn small(&self, path: &str, bytes: Vec<u8>, stop: &AtomicBool) -> Found {
        let mapper = self.mapper.of_file(path);
        match self.format {
            FileFormat::Json => json::of(&bytes, &mapper, stop),
            FileFormat::NdJson => {
                let block = bytes.len() + 1;
                lines::read(Box::new(Cursor::new(bytes)), block, &mapper, stop)
            }
            FileFormat::Csv => csv::read(Box::new(Cursor::new(bytes)), self.delimiter, &mapper, stop),
        }
    }
}

/// Reads at most [`LARGEST`] bytes, and says where a file has more.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Bounded<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, left: LARGEST }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| io::Error::other("the file is larger than 1 GiB; split it into several sources"))?;
        Ok(count)
    }
}

/// What is said of a fault while reading.
pub(super) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::Other => error.to_string(),
        kind => format!("the file could not be read to its end: {kind}"),
    }
}

pub(super) const EMPTY: &str = "the file is empty";
