//! The other side of `plan --base`: the estate as it is in a commit, and what its sources would say there.
//!
//! ```text
//! commit     what the user named, or where the present branch left it
//! estate     its YAML files, read without touching the working folder
//! answers    shared with the head where nothing that makes them is another; else asked anew, with the commit's files
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bowline::api::{DiscoverySourceSpec, Text};
use bowline::controller::reading::{self, blocking, named};
use bowline::discovery::file::{Files as _, Folder};
use bowline::discovery::patterns;
use bowline::discovery::run::{self as discovery, Limits};
use bowline::discovery::{Answer, Discovered};
use bowline::estate::git::{self, GitError};
use bowline::estate::{Declared, Estate, directory, load};
use bowline::plan::Plan;
use git2::build::CheckoutBuilder;
use git2::{Diff, DiffOptions, ErrorCode, Oid, Repository};
use tempfile::TempDir;

use super::options::Options;
use super::render::difference::Base;
use super::render::progress::Progress;
use super::session::{self, EstateArgument, Session, folder_name, no_repository, relative, root_of};
use bowline::failure::Failure;

/// The estate at the base.
pub struct AtBase {
    /// What was declared there.
    pub estate: Estate,
    /// How it is told.
    pub told: Base,
    /// Where its files are.
    commit: Place,
    changed: Changed,
}

/// A folder of a commit.
struct Place {
    repository: PathBuf,
    commit: Oid,
    /// The folder in it; empty for the root.
    path: String,
}

/// The files below the estate's folder, YAML or not, that are not as in the base.
struct Changed {
    paths: BTreeSet<String>,
    /// The estate's folder as it stands, links resolved.
    root: PathBuf,
}

/// Reads the estate of `argument` as it is in the commit that `name` means.
pub async fn read(argument: &EstateArgument, name: &str) -> Result<AtBase, Failure> {
    if reading::is_address(&argument.estate) || argument.within.branch.is_some() {
        return Err(Failure::new("--base compares a folder with a commit of the repository in which it stands")
            .hint("name the folder of a clone, without --branch: `bowline plan FOLDER --base origin/main`"));
    }
    let (root, name) = (root_of(argument), name.to_owned());
    blocking(move || at_base(&root, &name)).await
}

fn at_base(root: &Path, name: &str) -> Result<AtBase, Failure> {
    let repository = Repository::discover(root).map_err(|error| unopened(root, error))?;
    let workdir = repository.workdir().map(Path::to_owned).ok_or_else(|| no_repository(root))?;
    let path = relative(root, &workdir).ok_or_else(|| Failure::new(format!("{} cannot be read", root.display())))?;
    let (commit, since_left) = commit_of(&repository, name)?;
    let changed = changed(&repository, commit, &path, root)?;
    let revision = commit.to_string();
    let plain_name = name.strip_suffix("...").unwrap_or(name).to_owned();
    let mut told = Base { name: plain_name, revision: revision.clone(), since_left, there: true, folder: path.clone() };

    let found = match git::read_commit(&repository, commit, &path) {
        Err(GitError::NoFile { .. }) => {
            told.there = false;
            git::CommitFiles::default()
        }
        found => found?,
    };
    let place = Place { repository: repository.path().to_owned(), commit, path };
    let linked = found.diagnostics.iter().any(|problem| &*problem.code == "link-not-followed");
    let (files, diagnostics) = if linked {
        // Links are followed in a folder, never in a commit; both sides must be read alike.
        let (_scratch, root) = place.check_out()?;
        let collected = directory::collect(&root, &directory::Limits::default())?;
        (collected.files, collected.diagnostics)
    } else {
        let files = found.files.into_iter().filter(|file| !is_passed_over(&file.path) && load::may_be_ours(&file.text)).collect();
        (files, found.diagnostics.into_iter().filter(|problem| !problem.file.as_deref().is_some_and(is_passed_over)).collect())
    };
    let estate = named(load::load(files, Some(revision), diagnostics), &folder_name(root));
    Ok(AtBase { estate, told, commit: place, changed })
}

impl Place {
    /// The folder's files in a scratch folder, which goes when the first is dropped.
    fn check_out(&self) -> Result<(TempDir, PathBuf), Failure> {
        let scratch = tempfile::Builder::new().prefix("bowline-base-").tempdir()?;
        let repository = Repository::open(&self.repository)?;
        let tree = repository.find_commit(self.commit)?.tree()?;
        let mut how = CheckoutBuilder::new();
        how.target_dir(scratch.path()).force().update_index(false).disable_filters(true);
        if !self.path.is_empty() {
            how.disable_pathspec_match(true).path(&self.path);
        }
        repository.checkout_tree(tree.as_object(), Some(&mut how))?;
        let root = scratch.path().join(&self.path);
        // An estate that is not in the commit yet reads files that are not there.
        std::fs::create_dir_all(&root)?;
        Ok((scratch, root))
    }
}

/// What a folder is read without, as [`directory::collect`] says.
pub fn is_passed_over(path: &str) -> bool {
    let mut folders = path.split('/').rev().skip(1);
    folders.any(|folder| folder.starts_with('.') || folder == "target" || folder == "node_modules")
}

fn unopened(root: &Path, error: git2::Error) -> Failure {
    match error.code() {
        ErrorCode::NotFound => no_repository(root),
        ErrorCode::Owner => Failure::new(format!("the repository of {} belongs to another account", root.display()))
            .hint("`git config --global --add safe.directory PATH` trusts it"),
        _ => error.into(),
    }
}

/// The commit that `name` means; `NAME...` means the newest that both it and HEAD come from, as in a pull request.
fn commit_of(repository: &Repository, name: &str) -> Result<(Oid, bool), Failure> {
    let shallow = || {
        if repository.is_shallow() {
            "this clone has only the newest commits: `git fetch --unshallow` gets the others (in a workflow: fetch-depth: 0)"
        } else {
            "`git fetch origin` gets what is new on the server; `git branch --all` lists the branches"
        }
    };
    let plain = name.strip_suffix("...").unwrap_or(name);
    let commit = repository
        .revparse_single(plain)
        .and_then(|object| object.peel_to_commit())
        .map_err(|_| Failure::new(format!("`{plain}` is no branch, tag or commit of this repository")).hint(shallow()))?
        .id();
    if plain == name {
        return Ok((commit, false));
    }
    let head = repository.head()?.peel_to_commit()?.id();
    let base = repository.merge_base(commit, head).map_err(|_| Failure::new(format!("`{plain}` and this branch have no commit in common")).hint(shallow()))?;
    Ok((base, true))
}

/// What `git diff COMMIT -- FOLDER` names. Files that git does not know, on either side, are not of the estate's
/// history: a workflow put them there, and both sides read them.
fn changed(repository: &Repository, commit: Oid, path: &str, root: &Path) -> Result<Changed, Failure> {
    let tree = repository.find_commit(commit)?.tree()?;
    let mut which = DiffOptions::new();
    which.ignore_submodules(true).disable_pathspec_match(true);
    if !path.is_empty() {
        which.pathspec(path);
    }
    let diff: Diff = repository.diff_tree_to_workdir_with_index(Some(&tree), Some(&mut which))?;
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut paths = BTreeSet::new();
    for delta in diff.deltas() {
        for file in [delta.old_file().path(), delta.new_file().path()].into_iter().flatten() {
            paths.extend(file.to_string_lossy().strip_prefix(&prefix).map(str::to_owned));
        }
    }
    Ok(Changed { paths, root: root.canonicalize()? })
}

impl Changed {
    /// Whether the file at this path of the estate is another than in the base, or leads to one that is.
    fn file(&self, path: &str) -> bool {
        let plain: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        let real = self.root.join(path).canonicalize().ok();
        let real = real.and_then(|real| Some(real.strip_prefix(&self.root).ok()?.to_string_lossy().into_owned()));
        self.paths.contains(&plain.join("/")) || real.is_some_and(|real| self.paths.contains(&real)) || self.link_above(&plain)
    }

    /// Whether a folder on the way is a link that is another than in the base.
    fn link_above(&self, parts: &[&str]) -> bool {
        (1..parts.len()).any(|length| parts.get(..length).is_some_and(|above| self.paths.contains(&above.join("/"))))
    }

    /// Whether any file that the pattern names is.
    fn matching(&self, pattern: &str) -> bool {
        if !patterns::is_pattern(pattern) {
            return self.file(pattern);
        }
        let Ok(glob) = patterns::matcher(pattern) else { return false };
        self.paths.iter().any(|path| glob.is_match(path)) || self.linked(pattern)
    }

    /// Whether any file that the pattern names leads to one that is.
    fn linked(&self, pattern: &str) -> bool {
        Folder::new(&self.root).matching(pattern).is_ok_and(|named| named.files.iter().any(|path| self.file(path)))
    }

    /// Whether any file that the source reads is.
    fn read_by(&self, spec: &DiscoverySourceSpec) -> bool {
        let file = spec.file.as_ref().is_some_and(|file| self.matching(&file.path));
        let tls = spec.tls.as_ref().is_some_and(|tls| tls.files.iter().chain(&tls.authorities).any(|pattern| self.matching(pattern)));
        let kubeconfig = spec.kubernetes.as_ref().and_then(|kubernetes| kubernetes.kubeconfig.as_ref()).is_some_and(|path| self.file(path));
        let ca = spec.http.as_ref().and_then(|http| http.ca.as_ref()).is_some_and(|path| self.file(path));
        let nmap = spec.nmap.as_ref().is_some_and(|nmap| self.file(&nmap.path));
        let vsphere = spec.vsphere.as_ref().and_then(|vsphere| vsphere.ca.as_ref()).is_some_and(|path| self.file(path));
        file || tls || kubeconfig || ca || nmap || vsphere
    }
}

impl AtBase {
    /// The plan of the base, with what was discovered for `head`: a source that is the same and reads the same files is
    /// not asked a second time.
    pub async fn plan(&self, options: &Options, head: &Session) -> Result<Plan, Failure> {
        let (mut shared, mut anew) = (Vec::new(), Vec::new());
        for source in &self.estate.sources {
            match self.answer_of(source, head) {
                Some(answer) => shared.push(answer.clone()),
                None => anew.push(source.clone()),
            }
        }
        if !anew.is_empty() {
            let (_scratch, root) = self.commit.check_out()?;
            let asked = Estate { sources: anew, policies: self.estate.policies.clone(), ..Estate::default() };
            let progress = Progress::start();
            let (sources, refused) = discovery::build(&asked, &session::reach(options, root)?.with_pushed(head.pushed.clone()), head.now);
            let (_running, stop) = tokio::sync::watch::channel(false);
            shared.extend(refused);
            shared.extend(discovery::ask_all(sources, &Limits::default(), head.now, &progress, stop).await);
            progress.clear();
        }
        shared.sort_by(|a, b| a.source.cmp(&b.source));
        let discovered = Discovered { answers: shared, history: head.discovered.history.clone() };
        Ok(bowline::plan::plan(&self.estate, &discovered, head.now))
    }

    /// The answer that the source of the head gave, if that of the base would give the same.
    fn answer_of<'a>(&self, source: &Declared<DiscoverySourceSpec>, head: &'a Session) -> Option<&'a Answer> {
        let now = head.estate.sources.iter().find(|other| other.name == source.name).filter(|now| now.spec == source.spec)?;
        // The endpoints of policies are asked too.
        let alike = now.spec.tls.is_none() || endpoints(&self.estate) == endpoints(&head.estate);
        if !alike || self.changed.read_by(&now.spec) {
            return None;
        }
        head.discovered.answers.iter().find(|answer| answer.source == source.name)
    }
}

fn endpoints(estate: &Estate) -> BTreeSet<&Text> {
    estate.policies.iter().flat_map(|policy| &policy.spec.endpoints).collect()
}
