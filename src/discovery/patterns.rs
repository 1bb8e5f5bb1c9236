//! Files that a pattern names: `certs/*.pem`, `observed/facts/*.json`.
//!
//! `*` stands for any run of characters but `/`, `?` for one of them, `[ab]` for one of those, `{a,b}` for either, `**` for
//! any folders. The walk is bounded and in the order of the names, and what it cannot look into is a fault beside what it
//! finds: whoever reads the files decides what a gap means.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// The most directory entries that are looked at for one pattern, and how deep.
const ENTRIES: usize = 200_000;
const DEPTH: usize = 32;

/// What a pattern may name.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most files.
    pub files: usize,
    /// Whether names that begin with a dot count where the pattern does not name them itself.
    pub hidden: bool,
}

/// What a pattern names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Paths below the root, with `/`.
    pub files: BTreeSet<String>,
    /// What could not be looked at, and what was left out.
    pub faults: Vec<String>,
}

/// Whether a path is a pattern rather than the name of one file.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// The pattern made ready. An error says why it is none.
pub fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(plain(pattern)).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("it is not a pattern: {}", error.kind()))
}

/// The files that a pattern names. `folder` gives the real place of a folder below the root, by its declared path (empty
/// for the root itself), or says why it may not be looked into. An error is about the pattern as a whole.
pub fn matching(pattern: &str, bounds: Bounds, folder: impl FnOnce(&str) -> Result<PathBuf, String>) -> Result<Named, String> {
    let pattern = below_root(pattern)?;
    let fixed: Vec<&str> = pattern.split('/').take_while(|part| !is_pattern(part)).collect();
    let deepest = if pattern.contains("**") { DEPTH } else { pattern.split('/').count().saturating_sub(fixed.len() + 1) };
    let fixed = fixed.join("/");
    let dots = bounds.hidden || names_a_dot(pattern);
    let mut walk = Walk { glob: matcher(pattern)?, dots, most: bounds.files, deepest, seen: 0, named: Named::default() };
    walk.folder(&folder(&fixed)?, &fixed, 0);
    Ok(walk.named)
}

/// A path or pattern without `./` before it. An error says that it leads out of the root.
pub fn below_root(path: &str) -> Result<&str, String> {
    let path = plain(path);
    if path.is_empty() || !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err("a path stays below the estate's root: it is relative and has no `..`".into());
    }
    Ok(path)
}

fn plain(pattern: &str) -> &str {
    pattern.strip_prefix("./").unwrap_or(pattern)
}

/// Whether a part with a wildcard begins with a dot, as in `.facts-*`.
fn names_a_dot(pattern: &str) -> bool {
    pattern.split('/').any(|part| part.starts_with('.') && is_pattern(part))
}

struct Walk {
    glob: GlobMatcher,
    dots: bool,
    most: usize,
    /// Below this many folders nothing can match, or is looked for.
    deepest: usize,
    seen: usize,
    named: Named,
}

impl Walk {
    /// Looks into a folder; false where the walk is over.
    fn folder(&mut self, folder: &Path, below: &str, depth: usize) -> bool {
        if depth > self.deepest {
            return self.deepest < DEPTH || self.fault(format!("{below} is more than {DEPTH} folders deep"));
        }
        match self.entries(folder) {
            Ok(entries) => entries.into_iter().all(|entry| self.entry(&entry, below, depth)),
            Err(error) => self.fault(format!("{} cannot be read: {}", shown(below), error.kind())),
        }
    }

    /// The entries of a folder by name, as many as may be looked at.
    fn entries(&mut self, folder: &Path) -> std::io::Result<Vec<DirEntry>> {
        // One more tells that there are too many.
        let left = (ENTRIES + 1).saturating_sub(self.seen);
        let mut entries = fs::read_dir(folder)?.take(left).collect::<std::io::Result<Vec<_>>>()?;
        entries.sort_by_key(DirEntry::file_name);
        Ok(entries)
    }

    /// Looks at one entry. Folders that are symbolic links are not entered, so the walk ends; files that are links are
    /// named, and whoever reads them judges where they lead.
    fn entry(&mut self, entry: &DirEntry, below: &str, depth: usize) -> bool {
        self.seen += 1;
        if self.seen > ENTRIES {
            self.fault(format!("more than {ENTRIES} entries would have to be looked at; name a folder"));
            return false;
        }
        let name = entry.file_name();
        let (text, path) = (name.to_str(), path_of(below, &name.to_string_lossy()));
        if name.to_string_lossy().starts_with('.') && !self.dots {
            return true;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && (text.is_some() || depth >= self.deepest) => self.folder(&entry.path(), &path, depth + 1),
            Ok(kind) if !kind.is_dir() && !(self.glob.is_match(&path) && (kind.is_file() || leads_to_file(&entry.path()))) => true,
            Ok(_) if text.is_none() => self.fault(format!("{path}: its name is not UTF-8")),
            Ok(_) => self.found(path),
            Err(error) => self.fault(format!("{path} cannot be read: {}", error.kind())),
        }
    }

    fn found(&mut self, path: String) -> bool {
        if self.named.files.len() == self.most {
            self.fault(format!("more than {} files match; only the first {} were read", self.most, self.most));
            return false;
        }
        self.named.files.insert(path);
        true
    }

    /// Notes a gap. The walk goes on.
    fn fault(&mut self, fault: String) -> bool {
        self.named.faults.push(fault);
        true
    }
}

fn path_of(below: &str, name: &str) -> String {
    if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") }
}

fn shown(below: &str) -> &str {
    if below.is_empty() { "the estate's root" } else { below }
}

/// A link to a folder is passed over; a link to nowhere is kept, so that reading it says so.
fn leads_to_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink()) && !fs::metadata(path).is_ok_and(|about| about.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        folder
    }

    fn named(folder: &tempfile::TempDir, pattern: &str, files: usize, hidden: bool) -> Named {
        matching(pattern, Bounds { files, hidden }, |fixed| Ok(folder.path().join(fixed))).unwrap()
    }

    #[test]
    fn the_first_files_by_name_are_taken_and_the_rest_is_told() {
        let folder = folder(&["f/c.json", "f/a.json", "f/b.json", "f/a/d.json"]);
        let all = named(&folder, "f/**/*.json", 4, false);
        assert_eq!((all.files.len(), all.faults.len()), (4, 0));
        let some = named(&folder, "f/*.json", 2, false);
        assert_eq!(some.files.into_iter().collect::<Vec<_>>(), ["f/a.json", "f/b.json"]);
        assert_eq!(some.faults, ["more than 2 files match; only the first 2 were read"]);
    }

    #[test]
    fn names_that_begin_with_a_dot_are_named_by_a_dot() {
        let folder = folder(&["f/.gitkeep", "f/a", "f/.d/b", ".x/c"]);
        assert_eq!(named(&folder, "f/*", 9, false).files.into_iter().collect::<Vec<_>>(), ["f/a"]);
        assert_eq!(named(&folder, "f/**", 9, true).files.len(), 3);
        assert_eq!(named(&folder, "f/.git*", 9, false).files.into_iter().collect::<Vec<_>>(), ["f/.gitkeep"]);
        assert_eq!(named(&folder, "f/*", 9, true).files.into_iter().collect::<Vec<_>>(), ["f/.gitkeep", "f/a"]);
        assert_eq!(named(&folder, ".x/*", 9, false).files.into_iter().collect::<Vec<_>>(), [".x/c"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_a_gap_where_the_pattern_means_it() {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder(&["f/a.json"]);
        fs::write(folder.path().join("f").join(std::ffi::OsStr::from_bytes(b"\xff.json")), "").unwrap();
        assert_eq!(named(&folder, "f/*.json", 9, false).faults, ["f/\u{fffd}.json: its name is not UTF-8"]);
        assert!(named(&folder, "f/*.txt", 9, false).faults.is_empty());
    }
}
