//! Commits and branches through the git data API: no clone, and a commit that GitHub signs where an App makes it.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::GitHub;
use super::client::Ask;
use crate::change::Change;
use crate::forge::hosted::Fault;
use crate::forge::hosted::exchange::Repeat;
use crate::forge::{Error, branch_of, commit};

const FILE: &str = "100644";
const EXECUTABLE: &str = "100755";

#[derive(Deserialize)]
struct Reference {
    object: Named,
}

#[derive(Deserialize)]
struct Named {
    sha: String,
}

#[derive(Deserialize)]
struct Commit {
    message: String,
    tree: Named,
    #[serde(default)]
    parents: Vec<Named>,
}

#[derive(Deserialize)]
struct Tree {
    sha: String,
    #[serde(default, rename = "tree")]
    entries: Vec<Entry>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Clone, Deserialize)]
struct Entry {
    path: String,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    sha: String,
}

#[derive(Deserialize)]
struct Compared {
    status: String,
}

/// What stands in a commit's tree at the paths that matter, by path.
type Entries = BTreeMap<String, Entry>;

/// A listing of a whole tree, kept because the changes of one pass stand on one commit.
#[derive(Default)]
pub(super) struct Listed {
    /// A commit and its tree, which never change.
    base: Option<(String, String)>,
    tree: String,
    entries: Option<Entries>,
}

impl GitHub {
    /// The head of a branch; none if there is no such branch, or no commit at all.
    pub(super) async fn head(&self, branch: &str) -> Result<Option<String>, Error> {
        let path: Vec<&str> = self.path(&["git", "ref", "heads"]).into_iter().chain(branch.split('/')).collect();
        let head = match self.client.ask::<Reference>(Ask::get(path), &format!("the branch `{branch}`")).await {
            Ok(reference) => Some(reference.object.sha),
            Err(Error::Hosted(Fault::NotFound { .. } | Fault::Refused { status: 409, .. })) => None,
            Err(error) => return Err(error),
        };
        self.saw(branch, head.as_deref());
        Ok(head)
    }

    /// Remembers where a branch was seen.
    pub(super) fn saw(&self, branch: &str, head: Option<&str>) {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        match head {
            Some(head) => heads.insert(branch.to_owned(), head.to_owned()),
            None => heads.remove(branch),
        };
    }

    pub(super) async fn message(&self, commit: &str) -> Result<String, Error> {
        Ok(self.commit_of(commit).await?.message)
    }

    async fn commit_of(&self, commit: &str) -> Result<Commit, Error> {
        self.client.ask(Ask::get(self.path(&["git", "commits", commit])), &format!("the commit {commit}")).await
    }

    /// Whether a commit is part of a branch: the branch is ahead of it, or at it.
    pub(super) async fn has(&self, branch: &str, commit: &str) -> Result<bool, Error> {
        let Some(head) = self.head(branch).await? else { return Err(Error::NoBranch { branch: branch.to_owned() }) };
        if head == commit {
            return Ok(true);
        }
        let range = format!("{commit}...{head}");
        let mut ask = Ask::get(self.path(&["compare", &range]));
        ask.query.push(("per_page", "1"));
        match self.client.ask::<Compared>(ask, &format!("the commits between {commit} and the branch `{branch}`")).await {
            Ok(compared) => Ok(matches!(&*compared.status, "ahead" | "identical")),
            Err(Error::Hosted(Fault::NotFound { .. } | Fault::Refused { status: 422, .. })) => Ok(false), // a commit that it does not have
            Err(error) => Err(error),
        }
    }

    async fn tree_of(&self, base: &str) -> Result<String, Error> {
        let known = self.listed.lock().unwrap_or_else(PoisonError::into_inner).base.clone();
        if let Some((_, tree)) = known.filter(|(commit, _)| commit == base) {
            return Ok(tree);
        }
        let tree = self.commit_of(base).await?.tree.sha;
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).base = Some((base.to_owned(), tree.clone()));
        Ok(tree)
    }

    /// Makes the commit of a change, or gives the branch's own if that is the same.
    pub(super) async fn write_commit(&self, change: &Change, prefix: &str, base: &str) -> Result<String, Error> {
        let base_tree = self.tree_of(base).await?;
        let mut files = Vec::with_capacity(change.files.len());
        for file in &change.files {
            files.push((commit::path_in_repository(prefix, &file.path)?, &*file.text));
        }
        let standing = self.standing(&base_tree, files.iter().map(|(path, _)| &**path)).await?;
        let mut entries = Vec::with_capacity(files.len());
        for (path, text) in files {
            let before = judge(&standing, &path)?;
            let content = self.as_stored(text, before).await?;
            let mode = before.map_or(FILE, |entry| if entry.mode == EXECUTABLE { EXECUTABLE } else { FILE });
            entries.push(json!({ "path": path, "mode": mode, "type": "blob", "content": content }));
        }
        let what = format!("the commit of the change request `{}`", change.key);
        let new = json!({ "base_tree": base_tree, "tree": entries });
        let tree: Tree = self.client.ask(Ask::with(Method::POST, self.path(&["git", "trees"]), new, Repeat::Same), &what).await?;
        let message = commit::message(change);
        if let Some(head) = self.same_head(change, &tree.sha, base, &message).await? {
            return Ok(head);
        }
        // No author and no committer: GitHub signs what an App commits in its own name only. One too many is lost like any
        // commit that no branch names.
        let new = json!({ "message": message, "tree": tree.sha, "parents": [base] });
        let made: Named = self.client.ask(Ask::with(Method::POST, self.path(&["git", "commits"]), new, Repeat::Same), &what).await?;
        Ok(made.sha)
    }

    /// The head of the change's branch, if it is the commit that would be made: approvals stay on it.
    async fn same_head(&self, change: &Change, tree: &str, base: &str, message: &str) -> Result<Option<String>, Error> {
        let known = self.heads.lock().unwrap_or_else(PoisonError::into_inner).get(&branch_of(&change.key)).cloned();
        let Some(head) = known else { return Ok(None) };
        match self.commit_of(&head).await {
            Ok(commit) => {
                let parents: Vec<&str> = commit.parents.iter().map(|parent| &*parent.sha).collect();
                let same = commit.tree.sha == tree && parents == [base] && commit.message.trim_end() == message.trim_end();
                Ok(same.then_some(head))
            }
            Err(Error::Hosted(Fault::NotFound { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What stands at these paths and in the folders above them.
    async fn standing<'p>(&self, tree: &str, paths: impl Iterator<Item = &'p str> + Clone) -> Result<Entries, Error> {
        if let Some(known) = self.listed(tree, paths.clone()) {
            return Ok(known);
        }
        let mut ask = Ask::get(self.path(&["git", "trees", tree]));
        ask.query.push(("recursive", "1"));
        let whole: Tree = self.client.ask(ask, "the files of the base branch").await?;
        if whole.truncated {
            return self.walked(tree, paths).await;
        }
        let entries = whole.entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        {
            let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
            (listed.tree, listed.entries) = (tree.to_owned(), Some(entries));
        }
        Ok(self.listed(tree, paths).unwrap_or_default())
    }

    fn listed<'p>(&self, tree: &str, paths: impl Iterator<Item = &'p str>) -> Option<Entries> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = listed.entries.as_ref().filter(|_| listed.tree == tree)?;
        Some(paths.flat_map(upwards).filter_map(|path| Some((path.to_owned(), entries.get(path)?.clone()))).collect())
    }

    /// The same folder by folder, where the whole list is too long for GitHub.
    async fn walked<'p>(&self, tree: &str, paths: impl Iterator<Item = &'p str>) -> Result<Entries, Error> {
        let mut found = Entries::new();
        let mut read: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for path in paths {
            let mut sha = tree.to_owned();
            let mut folder = String::new();
            for part in path.split('/') {
                if !read.contains_key(&sha) {
                    let listed: Tree = self.client.ask(Ask::get(self.path(&["git", "trees", &sha])), "the files of the base branch").await?;
                    if listed.truncated {
                        return Err(Error::BadPath { path: path.to_owned(), why: "its folder has more files than GitHub lists" });
                    }
                    read.insert(sha.clone(), listed.entries);
                }
                let place = if folder.is_empty() { part.to_owned() } else { format!("{folder}/{part}") };
                let Some(entry) = read.get(&sha).and_then(|entries| entries.iter().find(|entry| entry.path == part)).cloned() else { break };
                let (kind, below) = (entry.kind.clone(), entry.sha.clone());
                found.insert(place.clone(), entry);
                if kind != "tree" {
                    break;
                }
                (sha, folder) = (below, place);
            }
        }
        Ok(found)
    }

    /// The text with the line ends that the file has on the base.
    async fn as_stored<'t>(&self, text: &'t str, before: Option<&Entry>) -> Result<std::borrow::Cow<'t, str>, Error> {
        let Some(before) = before.filter(|_| text.contains("\r\n")) else { return Ok(text.into()) };
        let mut ask = Ask::get(self.path(&["git", "blobs", &before.sha]));
        ask.accept = "application/vnd.github.raw";
        let blob = self.client.send(ask, &format!("the file `{}` of the base branch", before.path)).await?;
        Ok(if blob.body().windows(2).any(|pair| pair == b"\r\n") { text.into() } else { text.replace("\r\n", "\n").into() })
    }

    pub(super) async fn move_to(&self, branch: &str, expected: Option<&str>, commit: &str) -> Result<(), Error> {
        let current = self.head(branch).await?;
        if current.as_deref() == Some(commit) {
            return Ok(());
        }
        let moved = || Error::Moved { name: branch.to_owned() };
        if current.as_deref() != expected {
            return Err(moved());
        }
        let name = format!("refs/heads/{branch}");
        let ask = if current.is_none() {
            Ask::with(Method::POST, self.path(&["git", "refs"]), json!({ "ref": name, "sha": commit }), Repeat::Same)
        } else {
            let path = self.path(&["git", "refs", "heads"]).into_iter().chain(branch.split('/')).collect();
            Ask::with(Method::PATCH, path, json!({ "sha": commit, "force": true }), Repeat::Same)
        };
        match self.client.ask::<Value>(ask, &format!("the branch `{branch}`")).await {
            Ok(_) => {
                self.saw(branch, Some(commit));
                Ok(())
            }
            // Made in the same moment, by somebody else or by a try of ours whose answer was lost.
            Err(Error::Hosted(Fault::Refused { said, .. })) if said.contains("Reference already exists") || said.contains("Reference does not exist") => {
                if self.head(branch).await?.as_deref() == Some(commit) { Ok(()) } else { Err(moved()) }
            }
            Err(Error::Hosted(Fault::NotFound { .. })) if expected.is_some() => Err(moved()),
            Err(error) => Err(protected(error, branch)),
        }
    }

    pub(super) async fn delete(&self, branch: &str, expected: &str) -> Result<(), Error> {
        match self.head(branch).await? {
            None => return Ok(()),
            Some(head) if head != expected => return Err(Error::Moved { name: branch.to_owned() }),
            Some(_) => {}
        }
        let path = self.path(&["git", "refs", "heads"]).into_iter().chain(branch.split('/')).collect();
        let ask = Ask { method: Method::DELETE, repeat: Repeat::Same, ..Ask::get(path) };
        match self.client.send(ask, &format!("the branch `{branch}`")).await {
            Ok(_) | Err(Error::Hosted(Fault::NotFound { .. })) => {}
            Err(Error::Hosted(Fault::Refused { said, .. })) if said.contains("Reference does not exist") => {}
            Err(error) => return Err(protected(error, branch)),
        }
        self.saw(branch, None);
        Ok(())
    }
}

/// What stands at a path, if a file may be written there.
fn judge<'e>(standing: &'e Entries, path: &str) -> Result<Option<&'e Entry>, Error> {
    let bad = |why| Error::BadPath { path: path.to_owned(), why };
    for folder in upwards(path).skip(1) {
        if standing.get(folder).is_some_and(|entry| entry.kind != "tree") {
            return Err(bad("a part of it is a file or a symbolic link on the base branch"));
        }
    }
    match standing.get(path) {
        Some(entry) if !matches!(&*entry.mode, FILE | EXECUTABLE | "100664") => Err(bad("it is a folder, a symbolic link or a submodule on the base branch")),
        entry => Ok(entry),
    }
}

/// The path, then each folder above it.
fn upwards(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(folder, _)| folder))
}

/// A refusal that a rule of the repository is the reason of.
fn protected(error: Error, branch: &str) -> Error {
    match error {
        Error::Hosted(Fault::Forbidden { said, .. } | Fault::Refused { said, .. }) if is_rule(&said) => {
            Fault::Protected { branch: branch.to_owned(), said }.into()
        }
        other => other,
    }
}

fn is_rule(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["protected", "rule violation", "ruleset", "gh006", "gh013"].iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[(&str, &str, &str)]) -> Entries {
        let entry = |(path, mode, kind): &(&str, &str, &str)| {
            ((*path).to_owned(), Entry { path: (*path).to_owned(), mode: (*mode).to_owned(), kind: (*kind).to_owned(), sha: String::new() })
        };
        list.iter().map(entry).collect()
    }

    #[test]
    fn only_files_are_written_over() {
        let standing = entries(&[
            ("a", "040000", "tree"),
            ("a/run", EXECUTABLE, "blob"),
            ("a/link", "120000", "blob"),
            ("a/module", "160000", "commit"),
            ("file", FILE, "blob"),
        ]);
        assert_eq!(judge(&standing, "a/run").unwrap().unwrap().mode, EXECUTABLE);
        assert!(judge(&standing, "a/new").unwrap().is_none() && judge(&standing, "b/c").unwrap().is_none());
        for path in ["a", "a/link", "a/module", "file/x", "a/link/x", "a/module/x/y"] {
            assert!(matches!(judge(&standing, path), Err(Error::BadPath { .. })), "{path}");
        }
    }
}
