//! Where an estate stands in its repository, which branch its requests are merged into, and who has what checked out.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};

use super::{Error, Local};
use crate::forge::BRANCH_PREFIX;

/// The git directory of the repository around `folder`, and the folder's place below its root (empty, or ending with `/`).
pub(super) fn locate(folder: &Path) -> Result<(PathBuf, String), Error> {
    let repository = Repository::discover(folder).map_err(|error| match error.code() {
        ErrorCode::NotFound => Error::NotARepository { folder: folder.to_owned() },
        _ => Error::Git(error),
    })?;
    let git = repository.path().to_owned();
    let Some(root) = repository.workdir() else { return Ok((git, String::new())) };
    let real = |path: &Path| path.canonicalize().map_err(|source| Error::Io { path: path.to_owned(), source });
    let outside = || Error::OutsideTree { folder: folder.to_owned() };
    let real_folder = real(folder)?;
    let below = real_folder.strip_prefix(real(root)?).map_err(|_| outside())?;
    if below.starts_with(".git") {
        return Err(outside());
    }
    let below = below.to_str().ok_or_else(outside)?.replace('\\', "/");
    Ok((git, if below.is_empty() { below } else { format!("{below}/") }))
}

impl Local {
    /// The base branch's name and head.
    pub(super) fn base_branch(&self, repository: &Repository) -> Result<(String, Oid), Error> {
        let branch = match &self.base {
            Some(branch) => branch.clone(),
            None => branch_of_head(repository)?,
        };
        if branch.starts_with(BRANCH_PREFIX) {
            return Err(Error::OnRequestBranch { branch });
        }
        let head = head_of(repository, &branch)?.ok_or(Error::NoCommits { branch: branch.clone() })?;
        Ok((branch, head))
    }
}

fn branch_of_head(repository: &Repository) -> Result<String, Error> {
    let head = repository.find_reference("HEAD")?;
    let target = head.symbolic_target()?.ok_or(Error::Detached)?;
    Ok(target.strip_prefix("refs/heads/").ok_or(Error::Detached)?.to_owned())
}

/// The head of a branch, if there is one.
pub(super) fn head_of(repository: &Repository, branch: &str) -> Result<Option<Oid>, Error> {
    match repository.find_reference(&format!("refs/heads/{branch}")) {
        Ok(reference) => Ok(Some(reference.peel_to_commit()?.id())),
        Err(error) if matches!(error.code(), ErrorCode::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The working trees that stand on a branch, or are rebasing it.
pub(super) fn checkouts(repository: &Repository, branch: &str) -> Result<Vec<Repository>, Error> {
    let mut trees = Vec::new();
    if let Ok(main) = Repository::open(repository.commondir()) {
        trees.push(main);
    }
    let names = repository.worktrees()?;
    for index in 0..names.len() {
        let Ok(Some(name)) = names.get(index) else { continue };
        // One whose folder is gone has nothing checked out.
        if let Ok(tree) = repository.find_worktree(name).and_then(|tree| Repository::open_from_worktree(&tree)) {
            trees.push(tree);
        }
    }
    let full = format!("refs/heads/{branch}");
    trees.retain(|tree| tree.workdir().is_some() && stands_on(tree, &full));
    Ok(trees)
}

fn stands_on(tree: &Repository, full: &str) -> bool {
    let head = tree.find_reference("HEAD").ok().and_then(|head| head.symbolic_target().ok().flatten().map(str::to_owned));
    let rebasing = |folder: &str| std::fs::read_to_string(tree.path().join(folder).join("head-name")).is_ok_and(|name| name.trim() == full);
    head.as_deref() == Some(full) || rebasing("rebase-merge") || rebasing("rebase-apply")
}
