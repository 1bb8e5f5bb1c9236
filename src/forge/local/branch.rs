//! The branch of a request: its one commit, what it changes, and how it stands to its base.

use std::path::Path;

use git2::{DiffFormat, DiffOptions, ErrorCode, Oid, Repository, Status, Tree};
use jiff::Timestamp;

use super::refs::contains;
use super::{Error, Local};
use crate::change::Change;
use crate::forge::{Request, commit};

impl Local {
    /// Writes the commit of a change on top of `base`.
    pub(super) fn commit(&self, repository: &Repository, change: &Change, base: Oid, now: Timestamp) -> Result<Oid, Error> {
        commit::write(repository, &self.prefix, change, base, now)
    }

    /// The path of a file of the estate, below the root of the repository.
    pub(super) fn path_in_repository(&self, path: &str) -> Result<String, Error> {
        commit::path_in_repository(&self.prefix, path)
    }

    /// Refuses a change whose files have uncommitted changes: their whole text would carry those to the branch.
    pub(super) fn refuse_uncommitted(&self, repository: &Repository, change: &Change) -> Result<(), Error> {
        if repository.workdir().is_none() {
            return Ok(());
        }
        let mut paths = Vec::new();
        for file in &change.files {
            let path = self.path_in_repository(&file.path)?;
            match repository.status_file(Path::new(&path)) {
                Ok(Status::CURRENT) => {}
                Ok(_) => paths.push(path),
                // A new file, or a folder, which is refused when the commit is made.
                Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::Ambiguous) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if paths.is_empty() { Ok(()) } else { Err(Error::Uncommitted { paths }) }
    }
}

/// The paths in which two commits differ, sorted.
pub(super) fn paths_between(repository: &Repository, old: &Tree<'_>, new: &Tree<'_>) -> Result<Vec<String>, Error> {
    let diff = repository.diff_tree_to_tree(Some(old), Some(new), Some(DiffOptions::new().skip_binary_check(true)))?;
    let mut paths = Vec::new();
    for delta in diff.deltas() {
        for path in [delta.old_file().path_bytes(), delta.new_file().path_bytes()].into_iter().flatten() {
            paths.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// How a branch that Bowline built on `built_on` stands to the base branch as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Against {
    /// It can be merged as it is.
    Clean,
    /// The base differs in files that it edits, or was rewritten below it.
    Conflicting,
    /// All that it changes is in the base already: somebody merged it by other means.
    Merged,
}

pub(super) fn against(repository: &Repository, built_on: Oid, built: Oid, base_now: Oid) -> Result<Against, Error> {
    if built_on == base_now {
        return Ok(Against::Clean);
    }
    if contains(repository, base_now, built)? {
        return Ok(Against::Merged);
    }
    let tree = |commit: Oid| repository.find_commit(commit).and_then(|commit| commit.tree());
    let (Ok(before), Ok(ours)) = (tree(built_on), tree(built)) else { return Ok(Against::Conflicting) };
    let now = tree(base_now)?;
    let paths = paths_between(repository, &before, &ours)?;
    let same = |one: &Tree<'_>, other: &Tree<'_>| paths.iter().all(|path| id_at(one, path) == id_at(other, path));
    if !paths.is_empty() && same(&ours, &now) {
        return Ok(Against::Merged);
    }
    let clean = same(&before, &now) && contains(repository, base_now, built_on)?;
    Ok(if clean { Against::Clean } else { Against::Conflicting })
}

fn id_at(tree: &Tree<'_>, path: &str) -> Option<(Oid, i32)> {
    tree.get_path(Path::new(path)).ok().map(|entry| (entry.id(), entry.filemode()))
}

/// What a request's branch changes, as a patch.
pub(super) fn patch(repository: &Repository, request: &Request) -> Result<String, Error> {
    let Some(head) = &request.head else { return Ok(String::new()) };
    let tree = |id: &str| repository.find_commit(Oid::from_str(id)?)?.tree();
    let diff = repository.diff_tree_to_tree(Some(&tree(&request.base)?), Some(&tree(head)?), None)?;
    let mut text = String::new();
    diff.print(DiffFormat::Patch, |_, _, line| {
        if matches!(line.origin(), '+' | '-' | ' ') {
            text.push(line.origin());
        }
        text.push_str(&String::from_utf8_lossy(line.content()));
        true
    })?;
    Ok(text)
}
