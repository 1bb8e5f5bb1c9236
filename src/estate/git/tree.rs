//! Reading files from a commit's tree, without a checkout and within bounds.

use std::collections::HashMap;

use git2::{ObjectType, Odb, Oid, Repository, Tree, TreeWalkMode, TreeWalkResult};

use super::GitError;
use crate::api::Text;
use crate::estate::{Diagnostic, Place, SourceFile};

/// How much is read from one commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The largest file, in bytes.
    pub(super) file: u64,
    /// How many files.
    pub(super) files: usize,
    /// All files together, in bytes.
    pub(super) total: u64,
    /// How many entries of trees are looked at: a tree may name itself over and over under other names.
    pub(super) entries: usize,
    /// How deep folders may lie in each other.
    pub(super) depth: usize,
}

pub(super) const BOUNDS: Bounds = Bounds { file: 32 << 20, files: 100_000, total: 2 << 30, entries: 1_000_000, depth: 64 };

/// The files of a commit.
#[derive(Debug, Default)]
pub struct CommitFiles {
    /// The `.yaml` and `.yml` files, sorted by path; paths are below the estate's folder.
    pub files: Vec<SourceFile>,
    /// What was left out, and why.
    pub diagnostics: Vec<Diagnostic>,
}

/// The folder at `path` in a commit (empty or `.`: its root).
pub(super) fn folder<'repo>(repository: &'repo Repository, commit: Oid, path: &str) -> Result<Tree<'repo>, GitError> {
    let root = repository.find_commit(commit).and_then(|commit| commit.tree()).map_err(|error| GitError::read(&error))?;
    let parts = parts(path)?;
    if parts.is_empty() {
        return Ok(root);
    }
    let missing = || GitError::NoFile { path: path.to_owned(), commit: commit.to_string() };
    let entry = root.get_path(std::path::Path::new(&parts.join("/"))).map_err(|_| missing())?;
    repository.find_tree(entry.id()).map_err(|_| missing())
}

/// A path below the root by its parts, none of which is `..`.
fn parts(path: &str) -> Result<Vec<&str>, GitError> {
    let refuse = || GitError::Path(path.to_owned());
    if path.starts_with('/') || path.contains(['\\', '\0']) {
        return Err(refuse());
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") { Err(refuse()) } else { Ok(parts) }
}

/// One file of a commit, of at most `limit` bytes. A symlink is not followed.
pub(super) fn blob(repository: &Repository, commit: Oid, path: &str, limit: u64) -> Result<Vec<u8>, GitError> {
    let missing = || GitError::NoFile { path: path.to_owned(), commit: commit.to_string() };
    let parts = parts(path)?;
    let root = folder(repository, commit, "")?;
    let entry = root.get_path(std::path::Path::new(&parts.join("/"))).map_err(|_| missing())?;
    if entry.kind() != Some(ObjectType::Blob) || is_symlink(entry.filemode()) {
        return Err(missing());
    }
    let odb = repository.odb().map_err(|error| GitError::read(&error))?;
    let (size, _) = odb.read_header(entry.id()).map_err(|error| GitError::read(&error))?;
    if size as u64 > limit {
        return Err(GitError::TooLarge { path: path.to_owned(), limit });
    }
    odb.read(entry.id()).map(|object| object.data().to_vec()).map_err(|error| GitError::read(&error))
}

fn is_symlink(mode: i32) -> bool {
    mode & 0o170_000 == 0o120_000
}

/// One pass over a tree.
struct Walk<'repo> {
    odb: Odb<'repo>,
    bounds: Bounds,
    entries: usize,
    total: u64,
    /// Texts by blob, so that a file that stands in many places is in memory once.
    known: HashMap<Oid, Text>,
    found: CommitFiles,
    end: Option<GitError>,
}

/// Every `.yaml` and `.yml` file below a folder.
pub(super) fn read(repository: &Repository, folder: &Tree<'_>, bounds: Bounds) -> Result<CommitFiles, GitError> {
    let odb = repository.odb().map_err(|error| GitError::read(&error))?;
    let mut walk = Walk { odb, bounds, entries: 0, total: 0, known: HashMap::new(), found: CommitFiles::default(), end: None };
    let walked = folder.walk(TreeWalkMode::PreOrder, |parent, entry| walk.visit(parent, entry));
    if let Some(error) = walk.end {
        return Err(error);
    }
    walked.map_err(|error| GitError::read(&error))?;
    walk.found.files.sort_by(|a, b| a.path.cmp(&b.path));
    walk.found.diagnostics.sort_by(|a, b| (&a.file, &a.code).cmp(&(&b.file, &b.code)));
    Ok(walk.found)
}

impl Walk<'_> {
    fn visit(&mut self, parent: &str, entry: &git2::TreeEntry<'_>) -> TreeWalkResult {
        self.entries += 1;
        if self.entries > self.bounds.entries {
            return self.stop(GitError::Bound(format!("more than {} files and folders", self.bounds.entries)));
        }
        if parent.bytes().filter(|byte| *byte == b'/').count() > self.bounds.depth {
            return self.stop(GitError::Bound(format!("folders more than {} deep", self.bounds.depth)));
        }
        let path = format!("{parent}{}", String::from_utf8_lossy(entry.name_bytes()));
        if entry.kind() == Some(ObjectType::Tree) {
            // No tool can check these out; nothing that is read may differ from what is checked out.
            return if matches!(entry.name_bytes(), b".git" | b".." | b".") { TreeWalkResult::Skip } else { TreeWalkResult::Ok };
        }
        if is_symlink(entry.filemode()) {
            return self.symlink(&path);
        }
        if entry.kind() != Some(ObjectType::Blob) || !is_yaml(&path) {
            return TreeWalkResult::Ok;
        }
        match self.file(&path, entry.id()) {
            Ok(()) => TreeWalkResult::Ok,
            Err(error) => self.stop(error),
        }
    }

    fn stop(&mut self, error: GitError) -> TreeWalkResult {
        self.end = Some(error);
        TreeWalkResult::Abort
    }

    fn symlink(&mut self, path: &str) -> TreeWalkResult {
        self.note(
            Diagnostic::warning("link-not-followed", "links in git are not followed, so what this one leads to is not read here")
                .hint("put the file itself here, unless what it leads to is part of the estate already"),
            path,
        );
        TreeWalkResult::Ok
    }

    fn note(&mut self, diagnostic: Diagnostic, path: &str) {
        // A tree full of them must not fill the memory either.
        if self.found.diagnostics.len() < 1000 {
            self.found.diagnostics.push(diagnostic.at(Place { file: path.into(), line: 0, column: 0 }));
        }
    }

    fn file(&mut self, path: &str, id: Oid) -> Result<(), GitError> {
        if self.found.files.len() >= self.bounds.files {
            return Err(GitError::Bound(format!("more than {} YAML files", self.bounds.files)));
        }
        let (size, _) = self.odb.read_header(id).map_err(|error| GitError::read(&error))?;
        let size = size as u64;
        if size > self.bounds.file {
            let message = format!("this file has {size} bytes; at most {} are read", self.bounds.file);
            self.note(Diagnostic::error("file-too-large", message).hint("split it into several files"), path);
            return Ok(());
        }
        self.total += size;
        if self.total > self.bounds.total {
            return Err(GitError::Bound(format!("more than {} bytes of YAML", self.bounds.total)));
        }
        let Some(text) = self.text(id)? else {
            self.note(Diagnostic::error("not-utf8", "this file is not UTF-8").hint("save it as UTF-8"), path);
            return Ok(());
        };
        self.found.files.push(SourceFile { path: path.into(), text });
        Ok(())
    }

    /// The text of a blob; none if it is not UTF-8.
    fn text(&mut self, id: Oid) -> Result<Option<Text>, GitError> {
        if let Some(known) = self.known.get(&id) {
            return Ok(Some(known.clone()));
        }
        let object = self.odb.read(id).map_err(|error| GitError::read(&error))?;
        let Ok(text) = std::str::from_utf8(object.data()) else { return Ok(None) };
        let text = Text::from(text);
        self.known.insert(id, text.clone());
        Ok(Some(text))
    }
}

/// As for folders: the ending says what is read.
fn is_yaml(path: &str) -> bool {
    let ending = path.rsplit('/').next().unwrap_or(path).rsplit_once('.');
    ending.is_some_and(|(stem, ending)| !stem.is_empty() && matches!(ending, "yaml" | "yml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use git2::Signature;

    struct Fixture {
        _folder: tempfile::TempDir,
        repository: Repository,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        Fixture { _folder: folder, repository }
    }

    impl Fixture {
        fn tree(&self, entries: &[(&str, Oid, i32)]) -> Oid {
            let mut builder = self.repository.treebuilder(None).unwrap();
            for (name, id, mode) in entries {
                builder.insert(name, *id, *mode).unwrap();
            }
            builder.write().unwrap()
        }

        fn text(&self, text: &[u8]) -> Oid {
            self.repository.blob(text).unwrap()
        }

        fn commit(&self, tree: Oid) -> Oid {
            let who = Signature::now("a", "a@example.com").unwrap();
            self.repository.commit(None, &who, &who, "x", &self.repository.find_tree(tree).unwrap(), &[]).unwrap()
        }

        fn read(&self, tree: Oid, bounds: Bounds) -> Result<CommitFiles, GitError> {
            read(&self.repository, &self.repository.find_tree(tree).unwrap(), bounds)
        }
    }

    #[test]
    fn yaml_files_are_read_sorted_and_nothing_else() {
        let it = fixture();
        let text = it.text(b"a: 1");
        let inner = it.tree(&[("b.yml", text, 0o100_644), ("c.json", text, 0o100_644), (".yaml", text, 0o100_644)]);
        let tree = it.tree(&[("z", inner, 0o040_000), ("y.yaml", text, 0o100_755), ("z.yaml", text, 0o100_644)]);
        let files = it.read(tree, BOUNDS).unwrap();
        assert_eq!(files.files.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["y.yaml", "z.yaml", "z/b.yml"]);
        assert!(files.diagnostics.is_empty());
    }

    #[test]
    fn a_symlink_is_not_followed_and_said() {
        let it = fixture();
        let tree = it.tree(&[("a.yaml", it.text(b"/etc/passwd"), 0o120_000)]);
        let files = it.read(tree, BOUNDS).unwrap();
        assert!(files.files.is_empty());
        assert_eq!((&*files.diagnostics[0].code, files.diagnostics[0].file.as_deref()), ("link-not-followed", Some("a.yaml")));
        let commit = it.commit(tree);
        assert!(matches!(blob(&it.repository, commit, "a.yaml", 100), Err(GitError::NoFile { .. })));
    }

    #[test]
    fn a_large_or_broken_file_costs_only_itself() {
        let it = fixture();
        let tree = it.tree(&[("a.yaml", it.text(&[b'a'; 101]), 0o100_644), ("b.yaml", it.text(b"\xff\xfe"), 0o100_644), ("c.yaml", it.text(b"ok"), 0o100_644)]);
        let files = it.read(tree, Bounds { file: 100, ..BOUNDS }).unwrap();
        assert_eq!(files.files.len(), 1);
        assert_eq!(files.diagnostics.iter().map(|d| &*d.code).collect::<Vec<_>>(), ["file-too-large", "not-utf8"]);
    }

    #[test]
    fn a_tree_that_names_itself_over_and_over_ends_in_an_error() {
        let it = fixture();
        let mut tree = it.tree(&[("f.yaml", it.text(b"a"), 0o100_644)]);
        for _ in 0..12 {
            let names: Vec<String> = (0..10).map(|n| format!("d{n}")).collect();
            tree = it.tree(&names.iter().map(|name| (name.as_str(), tree, 0o040_000)).collect::<Vec<_>>());
        }
        assert!(matches!(it.read(tree, BOUNDS), Err(GitError::Bound(_))));
    }

    #[test]
    fn deep_folders_many_files_and_many_bytes_end_in_an_error() {
        let it = fixture();
        let file = it.text(b"12345");
        let mut deep = it.tree(&[("f.yaml", file, 0o100_644)]);
        for _ in 0..70 {
            deep = it.tree(&[("d", deep, 0o040_000)]);
        }
        assert!(matches!(it.read(deep, BOUNDS), Err(GitError::Bound(_))));
        let three = it.tree(&[("a.yaml", file, 0o100_644), ("b.yaml", file, 0o100_644), ("c.yaml", file, 0o100_644)]);
        assert!(matches!(it.read(three, Bounds { files: 2, ..BOUNDS }), Err(GitError::Bound(_))));
        assert!(matches!(it.read(three, Bounds { total: 14, ..BOUNDS }), Err(GitError::Bound(_))));
        assert_eq!(it.read(three, Bounds { files: 3, total: 15, ..BOUNDS }).unwrap().files.len(), 3);
    }

    #[test]
    fn one_file_is_read_within_its_limit_and_below_the_root() {
        let it = fixture();
        let inner = it.tree(&[("x.ndjson", it.text(b"{}"), 0o100_644)]);
        let commit = it.commit(it.tree(&[("observed", inner, 0o040_000)]));
        assert_eq!(blob(&it.repository, commit, "./observed//x.ndjson", 2).unwrap(), b"{}");
        assert!(matches!(blob(&it.repository, commit, "observed/x.ndjson", 1), Err(GitError::TooLarge { .. })));
        for path in ["../x", "/observed/x.ndjson", "observed/../observed/x.ndjson"] {
            assert!(matches!(blob(&it.repository, commit, path, 9), Err(GitError::Path(_))), "{path}");
        }
        for path in ["observed", "nothing", "observed/x.ndjson/y", ""] {
            assert!(matches!(blob(&it.repository, commit, path, 9), Err(GitError::NoFile { .. })), "{path}");
        }
    }
}
