//! The files of an estate in a folder: found, bounded and read; nothing is understood here.
//!
//! An estate is input from whoever may open a pull request, so a link never leads out of the root, a circle of links
//! ends, and the size of a file is known before it is read.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use thiserror::Error;

use super::{Diagnostic, SourceFile, load};

/// How much is read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file. Default: 32 MiB.
    pub file: u64,
    /// Bytes of all files. Default: 2 GiB.
    pub total: u64,
    /// YAML files. Default: 100,000.
    pub files: usize,
    /// Entries of folders, whatever they are. Default: 2,000,000.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file: 32 << 20, total: 2 << 30, files: 100_000, entries: 2_000_000 }
    }
}

/// The files of an estate.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// The YAML files that speak of Bowline, sorted by path.
    pub files: Vec<SourceFile>,
    /// What could not be read, and why. What it declares is unknown (rule 5).
    pub diagnostics: Vec<Diagnostic>,
}

/// Why a folder could not be read at all.
#[derive(Debug, Error)]
pub enum CollectError {
    /// It is not there, or may not be read.
    #[error("cannot read the folder {}: {source}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a folder.
    #[error("{} is not a folder; name the folder that holds bowline.yaml", path.display())]
    NotAFolder {
        /// What was named.
        path: PathBuf,
    },
}

/// Reads all `.yaml` and `.yml` files below `root`. Folders whose name begins with a dot, `target` and `node_modules`
/// are passed over. Each file is read once, however many links lead to it.
pub fn collect(root: &Path, limits: &Limits) -> Result<Collected, CollectError> {
    let unreadable = |source| CollectError::Unreadable { path: root.to_owned(), source };
    let real = fs::canonicalize(root).map_err(unreadable)?;
    if !real.is_dir() {
        return Err(CollectError::NotAFolder { path: root.to_owned() });
    }
    fs::read_dir(&real).map_err(unreadable)?;
    let mut walk = Walk { root: real, limits: *limits, ..Walk::default() };
    walk.all();
    let Walk { mut found, mut diagnostics, .. } = walk;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    within_total(&mut found, limits, &mut diagnostics);
    // An ordered parallel iterator: the result does not depend on which thread is first.
    let results: Vec<Result<Option<SourceFile>, Diagnostic>> = found.par_iter().map(|file| read(file, limits)).collect();
    let mut files = Vec::new();
    for result in results {
        match result {
            Ok(file) => files.extend(file),
            Err(problem) => diagnostics.push(problem),
        }
    }
    files.shrink_to_fit();
    diagnostics.sort_by(|a, b| (&a.file, &a.code).cmp(&(&b.file, &b.code)));
    Ok(Collected { files, diagnostics })
}

/// A YAML file that was found.
#[derive(Debug)]
struct Found {
    /// Below the root, with `/`.
    path: String,
    real: PathBuf,
    length: u64,
}

/// A folder still to be looked into.
#[derive(Debug)]
struct Folder {
    /// Below the root, with `/`; empty for the root.
    path: String,
    real: PathBuf,
}

#[derive(Debug, Default)]
struct Walk {
    root: PathBuf,
    limits: Limits,
    /// Where links stand: looked at last, so that a file is known by its own path where it has one below the root.
    links: Vec<Folder>,
    /// Real paths of folders and files that were met.
    met: BTreeSet<PathBuf>,
    found: Vec<Found>,
    entries: usize,
    full: bool,
    diagnostics: Vec<Diagnostic>,
}

impl Walk {
    fn all(&mut self) {
        self.folders(Folder { path: String::new(), real: self.root.clone() });
        loop {
            let mut links = std::mem::take(&mut self.links);
            if links.is_empty() || self.full {
                return;
            }
            links.sort_by(|a, b| a.path.cmp(&b.path));
            for link in links {
                self.link(link);
            }
        }
    }

    /// Looks into a folder and all below it; links are noted for later.
    fn folders(&mut self, first: Folder) {
        let mut open = vec![first];
        while let Some(folder) = open.pop() {
            // A circle of links, or a second way to the same folder.
            if self.full || !self.met.insert(folder.real.clone()) {
                continue;
            }
            let entries = match fs::read_dir(&folder.real) {
                Ok(entries) => entries,
                Err(error) => {
                    self.unreadable(&folder.path, &error);
                    continue;
                }
            };
            // In the order of their names, so that where a limit ends the walk does not depend on the file system.
            let (mut known, mut failed) = (Vec::new(), None);
            for entry in entries.take(self.limits.entries + 1) {
                match entry {
                    Ok(entry) => known.push((entry.file_name(), entry)),
                    Err(error) => failed = Some(error),
                }
            }
            known.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, entry) in known {
                self.entry(&folder, &name, &entry, &mut open);
            }
            if let Some(error) = failed {
                self.unreadable(&folder.path, &error);
            }
        }
    }

    fn entry(&mut self, folder: &Folder, name: &OsStr, entry: &fs::DirEntry, open: &mut Vec<Folder>) {
        self.entries += 1;
        if self.entries > self.limits.entries {
            self.too_many(&folder.path, format!("the folder holds more than {} entries; the rest is not read", self.limits.entries));
            return;
        }
        let Some(name) = name.to_str() else {
            if entry.path().extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
                let shown = join(&folder.path, &name.to_string_lossy());
                self.diagnostics.push(problem("not-utf8", &shown, "the name of this file is not UTF-8").hint("rename it"));
            }
            return;
        };
        let below = Folder { path: join(&folder.path, name), real: folder.real.join(name) };
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => self.links.push(below),
            Ok(kind) if kind.is_dir() => {
                if !is_passed_over(name) {
                    open.push(below);
                }
            }
            Ok(kind) if kind.is_file() => self.file(below),
            // Sockets, pipes and devices hold no text, and reading one may never end.
            Ok(_) => (),
            Err(error) => self.unreadable(&below.path, &error),
        }
    }

    /// A link: followed where it leads to a YAML file or a folder below the root that is not yet known.
    fn link(&mut self, link: Folder) {
        if is_passed_over(link.path.rsplit('/').next().unwrap_or_default()) {
            return;
        }
        let real = match fs::canonicalize(&link.real) {
            Ok(real) => real,
            Err(error) if is_yaml(&link.path) => return self.unreadable(&link.path, &error),
            // A link to itself, or to nothing, that does not claim to be YAML.
            Err(_) => return,
        };
        let folder = real.is_dir();
        if !folder && !is_yaml(&link.path) {
            return;
        }
        if !real.starts_with(&self.root) {
            let message = "this link leads out of the estate's root and is not followed";
            self.diagnostics.push(problem("link-not-followed", &link.path, message).hint("copy what it names into the estate, or remove it"));
            return;
        }
        let target = Folder { path: link.path, real };
        if folder {
            self.folders(target);
        } else if target.real.is_file() {
            self.file(target);
        }
    }

    fn file(&mut self, file: Folder) {
        if !is_yaml(&file.path) || self.full || !self.met.insert(file.real.clone()) {
            return;
        }
        if self.found.len() >= self.limits.files {
            self.too_many(&file.path, format!("the estate has more than {} YAML files; the rest is not read", self.limits.files));
            return;
        }
        match fs::metadata(&file.real) {
            Ok(about) if about.len() > self.limits.file => self.diagnostics.push(too_large(&file.path, about.len(), self.limits.file)),
            Ok(about) => self.found.push(Found { path: file.path, real: file.real, length: about.len() }),
            Err(error) => self.unreadable(&file.path, &error),
        }
    }

    fn unreadable(&mut self, path: &str, error: &io::Error) {
        self.diagnostics.push(unreadable(path, error));
    }

    fn too_many(&mut self, path: &str, message: String) {
        if !self.full {
            self.diagnostics.push(problem("estate-too-large", path, message).hint("split the estate, or move what is not part of it elsewhere"));
        }
        self.full = true;
    }
}

/// Drops the files, in the order of their paths, that no longer fit.
fn within_total(found: &mut Vec<Found>, limits: &Limits, diagnostics: &mut Vec<Diagnostic>) {
    let mut total = 0u64;
    let fitting = found.iter().take_while(|file| {
        total = total.saturating_add(file.length);
        total <= limits.total
    });
    let fitting = fitting.count();
    if let Some(first) = found.get(fitting) {
        let message = format!("the estate's files have more than {} together; this one and those after it are not read", bytes(limits.total));
        diagnostics.push(problem("estate-too-large", &first.path, message).hint("split the estate"));
        found.truncate(fitting);
    }
}

/// Reads a file; nothing where it is not ours.
fn read(file: &Found, limits: &Limits) -> Result<Option<SourceFile>, Diagnostic> {
    let mut content = Vec::with_capacity(usize::try_from(file.length).unwrap_or_default());
    // The file may have grown since it was measured.
    let opened = File::open(&file.real).and_then(|open| open.take(limits.file + 1).read_to_end(&mut content));
    opened.map_err(|error| unreadable(&file.path, &error))?;
    if content.len() as u64 > limits.file {
        return Err(too_large(&file.path, content.len() as u64, limits.file));
    }
    match std::str::from_utf8(&content) {
        Ok(text) if load::may_be_ours(text) => Ok(Some(SourceFile { path: file.path.as_str().into(), text: text.into() })),
        Ok(_) => Ok(None),
        Err(error) => {
            let utf16 = content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]);
            if !utf16 && !load::may_be_ours(&String::from_utf8_lossy(&content)) {
                return Ok(None);
            }
            Err(not_utf8(&file.path, &content, error.valid_up_to()))
        }
    }
}

fn not_utf8(path: &str, content: &[u8], valid: usize) -> Diagnostic {
    let before = String::from_utf8_lossy(content.get(..valid).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let place = super::Place { file: path.into(), line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) };
    Diagnostic::error("not-utf8", "this file is not UTF-8").at(place).hint("save it as UTF-8")
}

fn too_large(path: &str, length: u64, limit: u64) -> Diagnostic {
    problem("file-too-large", path, format!("this file has {}; at most {} are read", bytes(length), bytes(limit))).hint("split it into several files")
}

fn unreadable(path: &str, error: &io::Error) -> Diagnostic {
    problem("unreadable-file", path, format!("cannot be read: {error}"))
}

fn problem(code: &'static str, path: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic { file: Some(if path.is_empty() { "." } else { path }.into()), ..Diagnostic::error(code, message) }
}

fn bytes(count: u64) -> String {
    match count {
        0..1024 => format!("{count} bytes"),
        1024..0x10_0000 => format!("{} KiB", count >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", count >> 20),
        _ => format!("{} GiB", count >> 30),
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn is_yaml(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

fn is_passed_over(folder: &str) -> bool {
    // A YAML file whose name begins with a dot is no folder and is read.
    (folder.starts_with('.') && !is_yaml(folder)) || folder == "target" || folder == "node_modules"
}
