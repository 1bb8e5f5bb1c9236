//! Reading an estate where it is kept in git, and the files of its commit for the sources that read them.

use std::path::{Path, PathBuf};

use git2::Repository;
use tempfile::TempDir;

use crate::access::Access;
use crate::api::estate::Git;
use crate::credentials::Credentials;
use crate::estate::{Estate, SourceFile, git, load};
use crate::failure::Failure;

/// The document that says what an estate is, at the root of its folder.
pub const ESTATE_FILE: &str = "bowline.yaml";

/// An estate and where its files are.
pub struct Loaded {
    /// The estate.
    pub estate: Estate,
    /// The folder whose files its sources may read.
    pub root: PathBuf,
    /// Where an estate in a repository was read.
    pub at: Option<Commit>,
    /// A checkout that lasts as long as this.
    pub checkout: Option<TempDir>,
}

/// A commit of a repository on this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The repository.
    pub repository: PathBuf,
    /// The branch that was read, without `refs/heads/`.
    pub branch: Option<String>,
    /// The folder of the estate in it; empty for the root.
    pub path: String,
    /// Whether it is only a copy of a repository elsewhere.
    pub remote: bool,
    /// By which address it was read, where it was not simply the repository of a folder.
    pub git: Option<Git>,
}

/// What reading may use.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The operator's credentials.
    pub credentials: &'a Credentials,
    /// What the operator allows.
    pub access: &'a Access,
    /// The folder in which copies of repositories are kept.
    pub cache: &'a Path,
}

/// The document that says that an estate is kept elsewhere.
pub struct Bootstrap {
    /// The folder in which it stands; paths of repositories are below it.
    pub folder: PathBuf,
    /// The document.
    pub file: SourceFile,
}

/// Reads the estate that is kept in a repository. Waits for the network; not to be called on a thread of the runtime.
pub fn read_git(spec: Git, bootstrap: Option<Bootstrap>, means: Means<'_>) -> Result<Loaded, Failure> {
    let path = spec.path.as_deref().unwrap_or_default().trim_matches('/').trim_start_matches("./");
    let path = if path == "." { String::new() } else { path.to_owned() };
    let declared_in = bootstrap.as_ref().map(|bootstrap| bootstrap.folder.as_path());
    let mut found = git::read(&spec, declared_in, means.credentials, means.access, means.cache)?;
    // What is kept in git says itself what it is; where it does not, the document that named the place does.
    if let Some(bootstrap) = bootstrap.filter(|_| !found.files.iter().any(|file| *file.path == *ESTATE_FILE)) {
        found.files.insert(0, bootstrap.file);
    }
    let name = spec.url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or("estate").trim_end_matches(".git").to_owned();
    let estate = named(load::load(found.files, Some(found.revision.clone()), found.diagnostics), &name);
    let checkout = if estate.sources.is_empty() { None } else { Some(check_out(&found.repository, &found.revision)?) };
    // A path or file:// address is read where it lies, so its branches are the estate's own.
    let remote = found.repository.starts_with(means.cache);
    let root = checkout.as_ref().map_or_else(|| found.repository.clone(), |folder| folder.path().join(&path));
    let at = Commit { repository: found.repository, branch: found.branch, path, remote, git: Some(spec) };
    Ok(Loaded { estate, root, at: Some(at), checkout })
}

/// An estate without a document of its own is called as its folder is.
pub fn named(estate: Estate, name: &str) -> Estate {
    if estate.origin.is_some() { estate } else { Estate { name: name.into(), ..estate } }
}

/// The files of a commit in a scratch folder, for the sources that read them.
pub fn check_out(repository: &Path, revision: &str) -> Result<TempDir, Failure> {
    let folder = tempfile::Builder::new().prefix("bowline-checkout-").tempdir()?;
    let repository = Repository::open(repository)?;
    let tree = repository.find_commit(git2::Oid::from_str(revision)?)?.tree()?;
    let mut how = git2::build::CheckoutBuilder::new();
    how.target_dir(folder.path()).force().update_index(false).disable_filters(true);
    repository.checkout_tree(tree.as_object(), Some(&mut how))?;
    Ok(folder)
}

/// Whether a text is a git address and not a folder.
pub fn is_address(text: &str) -> bool {
    let scp_like = || text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
    text.contains("://") || (scp_like() && !Path::new(text).exists())
}

/// Runs what reads files, off the threads that wait for sources.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await?
}
