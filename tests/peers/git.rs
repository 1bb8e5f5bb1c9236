//! Repositories to be served, made by libgit2.

use std::path::{Path, PathBuf};

use git2::{Oid, Repository, Signature};

pub struct Made {
    pub path: PathBuf,
    pub repository: Repository,
}

/// A bare repository whose default branch is `main`, with nothing in it.
pub fn bare(path: &Path) -> Made {
    let mut options = git2::RepositoryInitOptions::new();
    options.bare(true).initial_head("main").external_template(false);
    let repository = Repository::init_opts(path, &options).expect("a repository");
    repository.config().and_then(|mut config| config.set_bool("http.receivepack", true)).expect("its settings");
    Made { path: path.to_owned(), repository }
}

impl Made {
    /// A commit on top of a branch, with these files besides what is there.
    pub fn commit(&self, branch: &str, files: &[(&str, &str)]) -> Oid {
        let reference = format!("refs/heads/{branch}");
        let parent = self.repository.find_reference(&reference).ok().and_then(|reference| reference.peel_to_commit().ok());
        self.commit_on(&reference, parent.as_ref(), files)
    }

    /// The branch begins anew with these files.
    pub fn replace(&self, branch: &str, files: &[(&str, &str)]) -> Oid {
        let reference = format!("refs/heads/{branch}");
        self.repository.find_reference(&reference).and_then(|mut reference| reference.delete()).expect("the branch");
        self.commit_on(&reference, None, files)
    }

    fn commit_on(&self, reference: &str, parent: Option<&git2::Commit<'_>>, files: &[(&str, &str)]) -> Oid {
        let base = parent.map_or_else(|| self.repository.treebuilder(None).unwrap().write().unwrap(), git2::Commit::tree_id);
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, text) in files {
            update.upsert(*path, self.repository.blob(text.as_bytes()).unwrap(), git2::FileMode::Blob);
        }
        let base = self.repository.find_tree(base).unwrap();
        let tree = update.create_updated(&self.repository, &base).unwrap();
        let tree = self.repository.find_tree(tree).unwrap();
        let who = Signature::now("Ann", "ann@example.com").unwrap();
        let parents: Vec<_> = parent.into_iter().collect();
        self.repository.commit(Some(reference), &who, &who, "A commit", &tree, &parents).unwrap()
    }

    pub fn tip(&self, branch: &str) -> Option<Oid> {
        self.repository.refname_to_id(&format!("refs/heads/{branch}")).ok()
    }
}
