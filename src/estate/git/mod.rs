//! Collecting the files of an estate from a git repository.
//!
//! ```text
//! address    which transport an address asks for, and what is refused
//! https ssh  the two transports; each keeps credentials and addresses within rule 8
//! protocol   git's own words over either: what is there, fetch, push
//! cache      a bare repository for each remote one
//! tree       files of a commit, without a checkout, within bounds
//! ```
//!
//! libgit2 (`git2`) keeps the objects, makes and reads the packs, and knows the local transport. It does not speak with
//! the network here: its own transports would bring OpenSSL, and one's own can only be registered with it by unsafe code.
//! So the conversation, which is short (`gitprotocol-pack`, version 0, which every server speaks), is ours: no process-wide
//! table of credentials, and every redirect, address, byte and second under our own eyes.
//!
//! Everything here blocks. In asynchronous code call it from `tokio::task::spawn_blocking`.

mod address;
mod cache;
mod https;
mod packet;
mod protocol;
mod push;
mod ssh;
mod tree;

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository, RepositoryOpenFlags};

use super::{Diagnostic, SourceFile};
use crate::access::{Access, AccessError};
use crate::api::estate::Git;
use crate::credentials::{CredentialError, Credentials, Login, Redactor};
use address::Address;

pub use push::{Update, push};
pub use tree::CommitFiles;

/// The files of an estate at one commit.
#[derive(Debug)]
pub struct GitFiles {
    /// The `.yaml` and `.yml` files, sorted by path; paths are below the estate's folder.
    pub files: Vec<SourceFile>,
    /// What was left out, and why.
    pub diagnostics: Vec<Diagnostic>,
    /// The commit, in hexadecimal.
    pub revision: String,
    /// The branch that was read, without `refs/heads/`; none where a local repository's HEAD is on no branch.
    pub branch: Option<String>,
    /// The repository on this machine that has the commit: the local one itself, or the cache. Open it with
    /// [`Repository::open`]: `open_bare` does not learn where a shallow history ends.
    pub repository: PathBuf,
}

/// Why a repository could not be read or written. Never says a credential's value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum GitError {
    /// The address is none, or is refused.
    #[error("the git address `{url}` cannot be used: {reason}")]
    Address {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// A path that leads out of the repository.
    #[error("`{0}` is not a path below the root of the repository")]
    Path(String),
    /// The commit has no such file or folder.
    #[error("there is no `{path}` in commit {commit}")]
    NoFile {
        /// The path.
        path: String,
        /// The commit.
        commit: String,
    },
    /// A file over its limit.
    #[error("`{path}` is larger than {limit} bytes")]
    TooLarge {
        /// The path.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A repository over one of the limits.
    #[error("the repository has {0}, which is over the limit")]
    Bound(String),
    /// A repository on this machine cannot be read.
    #[error("the repository cannot be read: {0}")]
    Read(String),
    /// There is no such branch.
    #[error("`{url}` has no branch `{branch}`")]
    NoBranch {
        /// The address.
        url: String,
        /// The branch.
        branch: String,
    },
    /// There is no commit yet.
    #[error("`{0}` has no commit yet")]
    Empty(String),
    /// The credential cannot be used there.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The operator has not allowed it.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The other side cannot be reached or says something else than git.
    #[error("`{url}`: {reason}")]
    Remote {
        /// The address.
        url: String,
        /// What happened, and what to do.
        reason: String,
    },
    /// The other side refused a reference, or it has moved.
    #[error("`{reference}` was not pushed: {reason}")]
    Rejected {
        /// The reference.
        reference: String,
        /// Why.
        reason: String,
    },
    /// The cache cannot be used.
    #[error("the cache `{path}` cannot be used: {reason}")]
    Cache {
        /// Its folder.
        path: String,
        /// Why.
        reason: String,
    },
}

impl GitError {
    pub(super) fn read(error: &git2::Error) -> Self {
        if error.code() == ErrorCode::Owner {
            return Self::Read("it belongs to another account; `git config --global --add safe.directory PATH` trusts it".to_owned());
        }
        Self::Read(error.message().to_owned())
    }

    /// The same without secrets: some of its words are the other side's, which may have been told one.
    fn redacted(self, redactor: &Redactor) -> Self {
        let plain = |text: String| redactor.redact(&text);
        match self {
            Self::Address { url, reason } => Self::Address { url: plain(url), reason: plain(reason) },
            Self::Path(path) => Self::Path(plain(path)),
            Self::NoFile { path, commit } => Self::NoFile { path: plain(path), commit },
            Self::TooLarge { path, limit } => Self::TooLarge { path: plain(path), limit },
            Self::Bound(what) => Self::Bound(plain(what)),
            Self::Read(reason) => Self::Read(plain(reason)),
            Self::NoBranch { url, branch } => Self::NoBranch { url: plain(url), branch: plain(branch) },
            Self::Empty(url) => Self::Empty(plain(url)),
            Self::Remote { url, reason } => Self::Remote { url: plain(url), reason: plain(reason) },
            Self::Rejected { reference, reason } => Self::Rejected { reference: plain(reference), reason: plain(reason) },
            Self::Cache { path, reason } => Self::Cache { path: plain(path), reason: plain(reason) },
            // Made by us, of names.
            Self::Credential(_) | Self::Access(_) => self,
        }
    }
}

/// A repository to speak with, and on whose word.
#[derive(Clone, Copy, Debug)]
pub struct Remote<'a> {
    /// Its address.
    pub url: &'a str,
    /// The name of the credential for it.
    pub credential: Option<&'a str>,
    /// The operator's credentials.
    pub credentials: &'a Credentials,
    /// What the operator allows.
    pub access: &'a Access,
    /// The root of the estate that declares the address. None: the operator gave it, so any path on this machine may be
    /// read, and `ssh` may use the operator's own keys and settings.
    pub declared_in: Option<&'a Path>,
}

impl Remote<'_> {
    fn redactor(&self) -> Redactor {
        self.credentials.redactor()
    }
}

/// An address of HTTPS, or of HTTP on this machine, without a password in it.
pub fn http_address(url: &str) -> Result<reqwest::Url, GitError> {
    match address::parse(url)? {
        Address::Http(url) => Ok(url),
        _ => Err(GitError::Address { url: url.to_owned(), reason: "it is not `https://…`".to_owned() }),
    }
}

/// Whether an address is one of SSH, and the credential for it a key that may go there.
pub fn has_key(url: &str, credential: Option<&str>, credentials: &Credentials) -> bool {
    let (Ok(Address::Ssh(address)), Some(name)) = (address::parse(url), credential) else { return false };
    credentials.for_host(name, &address.authority()).is_ok_and(|credential| matches!(credential.login, Login::SshKey { .. }))
}

/// The files of an estate in git. A remote repository is fetched (one commit deep where the server can) into a bare
/// repository below `cache`. `root_for_relative` is the root of the estate that declares `spec`: a local path must lie
/// below it or below what `--allow-read` names; none where the operator gave the address.
pub fn read(spec: &Git, root_for_relative: Option<&Path>, credentials: &Credentials, access: &Access, cache: &Path) -> Result<GitFiles, GitError> {
    let remote = Remote { url: &spec.url, credential: spec.credentials.as_deref(), credentials, access, declared_in: root_for_relative };
    read_from(&remote, spec, cache).map_err(|error| error.redacted(&remote.redactor()))
}

fn read_from(remote: &Remote<'_>, spec: &Git, cache: &Path) -> Result<GitFiles, GitError> {
    let path = spec.path.as_deref().unwrap_or_default();
    match address::parse(&spec.url)? {
        Address::Path(place) => {
            let repository = open_local(remote, &place)?;
            let (commit, branch) = local_branch(&repository, &spec.url, spec.branch.as_deref())?;
            git_files(&repository, commit, branch, path)
        }
        address => cache::read(remote, &address, spec.branch.as_deref(), path, cache),
    }
}

/// The files of a commit of a repository on this machine. `path` is the estate's folder in it; empty: its root.
pub fn read_commit(repository: &Repository, commit: Oid, path: &str) -> Result<CommitFiles, GitError> {
    let folder = tree::folder(repository, commit, path)?;
    tree::read(repository, &folder, tree::BOUNDS)
}

/// One file of a commit, of at most `limit` bytes; no `..`, and no symlink is followed.
pub fn blob(repository: &Repository, commit: Oid, path: &str, limit: u64) -> Result<Vec<u8>, GitError> {
    tree::blob(repository, commit, path, limit)
}

fn git_files(repository: &Repository, commit: Oid, branch: Option<String>, path: &str) -> Result<GitFiles, GitError> {
    let found = read_commit(repository, commit, path)?;
    let place = repository.workdir().unwrap_or_else(|| repository.path());
    Ok(GitFiles { files: found.files, diagnostics: found.diagnostics, revision: commit.to_string(), branch, repository: place.to_owned() })
}

/// Opens a repository on this machine, at exactly this place. One that an estate names must keep everything below the
/// root: a `.git` file, a common folder or alternates could point out of it.
fn open_local(remote: &Remote<'_>, place: &Path) -> Result<Repository, GitError> {
    let Some(root) = remote.declared_in else {
        return open_exactly(place);
    };
    let allowed = |path: &Path| remote.access.path(root, &path.to_string_lossy());
    let repository = open_exactly(&allowed(place)?)?;
    let objects = repository.commondir().join("objects");
    for part in [repository.path(), repository.commondir(), &objects] {
        allowed(part).map_err(|_| AccessError::Outside(place.display().to_string()))?;
    }
    if objects.join("info/alternates").exists() {
        return Err(GitError::Address { url: remote.url.to_owned(), reason: "it borrows objects from another repository (alternates)".to_owned() });
    }
    Ok(repository)
}

fn open_exactly(place: &Path) -> Result<Repository, GitError> {
    Repository::open_ext(place, RepositoryOpenFlags::NO_SEARCH, std::iter::empty::<&Path>()).map_err(|error| GitError::read(&error))
}

/// The commit of a branch of a local repository (default: HEAD), and the branch's name.
fn local_branch(repository: &Repository, url: &str, branch: Option<&str>) -> Result<(Oid, Option<String>), GitError> {
    let missing = |branch: &str| GitError::NoBranch { url: url.to_owned(), branch: branch.to_owned() };
    let reference = match branch {
        Some(branch) => repository.find_reference(&format!("refs/heads/{branch}")).map_err(|_| missing(branch))?,
        None => repository.head().map_err(|error| match error.code() {
            ErrorCode::UnbornBranch | ErrorCode::NotFound => GitError::Empty(url.to_owned()),
            _ => GitError::read(&error),
        })?,
    };
    let name = reference.name().ok().and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned);
    let commit = reference.peel_to_commit().map_err(|error| GitError::read(&error))?;
    Ok((commit.id(), name))
}
