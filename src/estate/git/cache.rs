//! A bare repository on this machine for each remote one. Losing it costs one longer fetch, so whatever is odd about it is
//! mended by starting afresh. It holds no address and no credential, only objects and where each branch was.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git2::{Oid, Repository, RepositoryInitOptions};
use sha2::{Digest, Sha256};

use super::address::Address;
use super::protocol::{Connection, Fetched, Service, Wish, fetch};
use super::{GitError, GitFiles, Remote, git_files, https::Https, ssh::Ssh};

/// How long another process may hold the cache.
const LOCK_TIMEOUT: Duration = Duration::from_mins(10);

/// So many packs, one a fetch, and the cache starts afresh.
const MOST_PACKS: usize = 64;

/// Where each branch was when it was fetched.
const FETCHED: &str = "refs/remotes/origin/";

/// Opens a conversation with a remote repository.
pub(super) fn connect<'a>(remote: &Remote<'a>, address: &Address, service: Service) -> Result<Box<dyn Connection + 'a>, GitError> {
    match address {
        Address::Http(url) => Ok(Box::new(Https::new(*remote, url, service))),
        Address::Ssh(address) => Ok(Box::new(Ssh::open(remote, address, service)?)),
        Address::Path(_) => Err(GitError::Address { url: remote.url.to_owned(), reason: "it is on this machine".to_owned() }),
    }
}

/// Fetches, and reads the files of the commit.
pub(super) fn read(remote: &Remote<'_>, address: &Address, branch: Option<&str>, path: &str, cache: &Path) -> Result<GitFiles, GitError> {
    // Before anything is made on disk: is this allowed at all?
    let mut connection = connect(remote, address, Service::UploadPack)?;
    let place = cache.join(format!("{}.git", digest(remote.url)));
    let _lock = lock(cache, &place)?;
    let (repository, fetched) = fetch_into(remote, &mut *connection, branch, &place)?;
    match git_files(&repository, fetched.commit, fetched.branch, path) {
        // Objects are missing or damaged, though the cache says that it has them.
        Err(GitError::Read(_)) => {
            drop(repository);
            remove(&place)?;
            let mut connection = connect(remote, address, Service::UploadPack)?;
            let (repository, fetched) = fetch_into(remote, &mut *connection, branch, &place)?;
            git_files(&repository, fetched.commit, fetched.branch, path)
        }
        read => read,
    }
}

fn digest(url: &str) -> String {
    Sha256::digest(url.as_bytes()).iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn failed(path: &Path, reason: &impl ToString) -> GitError {
    GitError::Cache { path: path.display().to_string(), reason: reason.to_string() }
}

/// Only one process at a time fetches into one repository.
fn lock(cache: &Path, place: &Path) -> Result<File, GitError> {
    make_private(cache).map_err(|error| failed(cache, &error))?;
    let path = place.with_extension("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| failed(&path, &error))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
            Err(TryLockError::WouldBlock) if begun.elapsed() > LOCK_TIMEOUT => return Err(failed(&path, &"another process has held it for 10 minutes")),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// What is fetched with a credential is for its owner's eyes.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn remove(place: &Path) -> Result<(), GitError> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(place, &error)),
        _ => Ok(()),
    }
}

fn open(place: &Path) -> Result<Repository, GitError> {
    if packs(place) < MOST_PACKS
        && let Ok(repository) = Repository::open(place)
    {
        return Ok(repository);
    }
    remove(place)?;
    make_private(place).map_err(|error| failed(place, &error))?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false);
    Repository::init_opts(place, &options).map_err(|error| failed(place, &error.message()))
}

fn packs(place: &Path) -> usize {
    let entries = fs::read_dir(place.join("objects/pack")).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    entries.iter().filter(|entry| entry.path().extension().is_some_and(|ending| ending == "pack")).count()
}

fn fetch_into(remote: &Remote<'_>, connection: &mut dyn Connection, branch: Option<&str>, place: &Path) -> Result<(Repository, Fetched), GitError> {
    let repository = open(place)?;
    let shallow_file = place.join("shallow");
    let wish = Wish { url: remote.url, branch, have: have(&repository), shallow: shallow(&shallow_file) };
    let fetched = fetch(connection, &repository, &wish)?;
    // History's end first: a branch that is recorded must be whole.
    if fetched.shallow != wish.shallow {
        write_shallow(&shallow_file, &fetched.shallow).map_err(|error| failed(place, &error))?;
    }
    let name = format!("{FETCHED}{}", fetched.branch.as_deref().unwrap_or("HEAD"));
    repository.reference(&name, fetched.commit, true, "fetched").map_err(|error| failed(place, &error.message()))?;
    // Opened again, so that it knows where history ends now. (libgit2's `open_bare` does not look.)
    let repository = Repository::open(place).map_err(|error| failed(place, &error.message()))?;
    Ok((repository, fetched))
}

fn have(repository: &Repository) -> Vec<Oid> {
    let references = repository.references_glob(&format!("{FETCHED}*")).into_iter().flatten().flatten();
    let mut have: Vec<Oid> = references.filter_map(|reference| reference.target()).filter(|id| repository.find_commit(*id).is_ok()).collect();
    have.sort();
    have.dedup();
    have.truncate(32);
    have
}

fn shallow(file: &PathBuf) -> Vec<Oid> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut known: Vec<Oid> = text.lines().filter_map(|line| Oid::from_str(line).ok()).collect();
    known.sort();
    known
}

fn write_shallow(file: &Path, shallow: &[Oid]) -> std::io::Result<()> {
    if shallow.is_empty() {
        return fs::remove_file(file).or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) });
    }
    let mut new = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(Path::new(".")))?;
    for id in shallow {
        writeln!(new, "{id}")?;
    }
    new.persist(file).map(drop).map_err(|error| error.error)
}
