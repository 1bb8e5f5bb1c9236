//! Approving: the merge commit made in memory, and the working tree brought up to it.

use std::path::{Component, Path};

use git2::build::CheckoutBuilder;
use git2::{DiffOptions, ErrorCode, MergeOptions, Oid, Repository, RepositoryState, Signature, StatusOptions, Time, Tree};
use jiff::Timestamp;

use super::branch::paths_between;
use super::place::checkouts;
use super::record::{Intent, Record, id};
use super::refs::contains;
use super::write::name_of;
use super::{Error, Local};
use crate::forge::commit::{one_line, trailers};
use crate::forge::{Approval, Decision, Hold, Person, Request, State};

impl Local {
    pub(super) fn write_approved(&self, key: &str, who: Option<&Person>, now: Timestamp) -> Result<Approval, Error> {
        let (repository, _lock) = self.begin()?;
        self.recover_one(&repository, key, now)?;
        let request = self.find(&repository, key)?;
        match request.state {
            State::Open => {}
            State::Merged => {
                let commit = request.decision.and_then(|decision| decision.commit);
                return Ok(Approval { commit, branch: request.base_branch, left: Vec::new() });
            }
            state => return Err(Error::NotOpen { key: key.to_owned(), state }),
        }
        let head = request.head.as_deref().ok_or_else(|| Error::NoBranch { branch: request.branch.clone() })?;
        let head = id(key, head)?;
        let (branch, base) = self.current_base(&repository, &request.base_branch)?.ok_or_else(|| Error::NoBranch { branch: request.base_branch.clone() })?;
        refuse_rewritten_base(&repository, &request, &branch, base, head)?;
        let merge = merge_commit(&repository, &request, (&branch, base), head, &signature_of(&repository, who, now)?)?;
        for tree in checkouts(&repository, &branch)? {
            refuse_unready(&tree, base, merge)?;
        }

        let before = self.own(&repository, key)?.ok_or_else(|| Error::Unknown { key: key.to_owned() })?;
        let decision = Decision { who: name_of(&repository, who), at: now, reason: None, commit: Some(merge.to_string()) };
        let record = Record {
            state: State::Merged,
            decision: Some(decision),
            updated: now,
            head: head.to_string(),
            kept: None,
            base_branch: branch.clone(),
            ..before.record.clone()
        };
        let intent = Intent::Merge { from: base.to_string(), to: merge.to_string() };
        let left = self.carry_out(&repository, Some(&before), record, intent)?;
        Ok(Approval { commit: Some(merge.to_string()), branch, left })
    }
}

/// A branch that still stands on commits which the base has dropped would bring them back.
fn refuse_rewritten_base(repository: &Repository, request: &Request, branch: &str, base: Oid, head: Oid) -> Result<(), Error> {
    let built_on = id(request.key(), &request.base)?;
    let dropped = !contains(repository, base, built_on)? && contains(repository, head, built_on)?;
    let unrelated = repository.merge_base(base, head).is_err();
    if dropped || unrelated {
        return Err(Error::BaseRewritten { key: request.id.clone(), branch: branch.to_owned() });
    }
    Ok(())
}

fn signature_of(repository: &Repository, who: Option<&Person>, now: Timestamp) -> Result<Signature<'static>, Error> {
    let at = Time::new(now.as_second(), 0);
    if let Some(person) = who {
        return Ok(Signature::new(&person.name, &person.email, &at)?);
    }
    let known = repository.signature().map_err(|_| Error::NoIdentity)?;
    Ok(Signature::new(known.name()?, known.email()?, &at)?)
}

/// Writes the merge commit; no branch is moved.
fn merge_commit(repository: &Repository, request: &Request, (branch, base): (&str, Oid), head: Oid, author: &Signature<'_>) -> Result<Oid, Error> {
    let (base, head) = (repository.find_commit(base)?, repository.find_commit(head)?);
    let mut index = repository.merge_commits(&base, &head, Some(MergeOptions::new().find_renames(true)))?;
    if index.has_conflicts() {
        let mut paths = Vec::new();
        for conflict in index.conflicts()? {
            let conflict = conflict?;
            let entry = conflict.our.or(conflict.their).or(conflict.ancestor);
            paths.extend(entry.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()));
        }
        paths.sort();
        paths.dedup();
        return Err(Error::Conflicts { key: request.id.clone(), branch: branch.to_owned(), paths });
    }
    let tree = repository.find_tree(index.write_tree_to(repository)?)?;
    let edited = if request.hold == Some(Hold::Edited) { "With commits by people.\n\n" } else { "" };
    let trailers = trailers(request.key(), &request.marker.fingerprint);
    let message = format!("Approve: {}\n\n{edited}{trailers}", one_line(&request.title));
    Ok(repository.commit(None, author, author, &message, &tree, &[&base, &head])?)
}

/// Refuses a working tree into which the merge cannot be written without touching a person's work.
fn refuse_unready(tree: &Repository, from: Oid, to: Oid) -> Result<(), Error> {
    let state = tree.state();
    if state != RepositoryState::Clean {
        return Err(Error::Unfinished { operation: format!("{state:?}").to_lowercase() });
    }
    let mut options = StatusOptions::new();
    options.include_untracked(false).include_ignored(false).exclude_submodules(true);
    let statuses = tree.statuses(Some(&mut options))?;
    let mut paths: Vec<String> = statuses.iter().map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned()).collect();
    paths.sort();
    if !paths.is_empty() {
        return Err(Error::Dirty { paths });
    }
    let (old, new) = (tree.find_commit(from)?.tree()?, tree.find_commit(to)?.tree()?);
    let Some(root) = tree.workdir() else { return Ok(()) };
    let changed = paths_between(tree, &old, &new)?;
    let paths: Vec<String> = changed.into_iter().filter(|path| is_in_the_way(root, path, &old)).collect();
    if paths.is_empty() { Ok(()) } else { Err(Error::InTheWay { paths }) }
}

/// Whether something that git does not know stands where this path goes, or where one of its folders goes.
fn is_in_the_way(root: &Path, path: &str, old: &Tree<'_>) -> bool {
    let mut place = root.to_owned();
    let mut components = Path::new(path).components().peekable();
    while let Some(Component::Normal(component)) = components.next() {
        place.push(component);
        let Ok(found) = place.symlink_metadata() else { return false };
        if components.peek().is_some() {
            if !found.is_dir() {
                return true;
            }
        } else {
            return old.get_path(Path::new(path)).is_err();
        }
    }
    false
}

/// Brings the files of a working tree and its index from one commit to another, in the paths in which they differ. A
/// file that is no longer as it was is left, and told. Can be cut short and called again.
pub(super) fn bring_up(tree: &Repository, from: Oid, to: Oid, before_index: &dyn Fn()) -> Result<Vec<String>, Error> {
    let (old, new) = (tree.find_commit(from)?.tree()?, tree.find_commit(to)?.tree()?);
    let paths = paths_between(tree, &old, &new)?;
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let (not_old, not_new) = (differing(tree, &old, &paths)?, differing(tree, &new, &paths)?);
    let left: Vec<String> = paths.iter().filter(|path| not_old.contains(path) && not_new.contains(path)).cloned().collect();
    let ours: Vec<&String> = paths.iter().filter(|path| !left.contains(path)).collect();
    if ours.is_empty() {
        return Ok(left);
    }

    let mut checkout = CheckoutBuilder::new();
    checkout.force().remove_untracked(true).disable_pathspec_match(true);
    for path in &ours {
        checkout.path(path.as_str());
    }
    tree.checkout_tree(new.as_object(), Some(&mut checkout))?;
    before_index();
    let mut index = tree.index()?;
    index.read(true)?;
    for path in ours {
        let path = Path::new(path);
        if new.get_path(path).is_ok() {
            index.add_path(path)?;
        } else if let Err(error) = index.remove_path(path)
            && error.code() != ErrorCode::NotFound
        {
            return Err(error.into());
        }
    }
    index.write()?;
    Ok(left)
}

/// Those of the paths in which the files differ from a tree.
fn differing(repository: &Repository, tree: &Tree<'_>, paths: &[String]) -> Result<Vec<String>, Error> {
    let mut options = DiffOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).include_ignored(true).recurse_ignored_dirs(true).disable_pathspec_match(true);
    for path in paths {
        options.pathspec(path.as_str());
    }
    let diff = repository.diff_tree_to_workdir(Some(tree), Some(&mut options))?;
    let mut differing = Vec::new();
    for delta in diff.deltas() {
        for path in [delta.old_file().path_bytes(), delta.new_file().path_bytes()].into_iter().flatten() {
            differing.push(String::from_utf8_lossy(path).into_owned());
        }
    }
    Ok(differing)
}
