//! The forge of an estate: branches in its own repository, or pull requests on GitHub, Gitea or Forgejo.

use std::path::Path;
use std::sync::Arc;

use super::metrics::Metrics;
use super::reading::{Commit, ESTATE_FILE, is_address};
use super::settling::failure;
use crate::access::Access;
use crate::api::Kind;
use crate::api::estate::{Forge as Declared, Git, RemoteForge};
use crate::credentials::Credentials;
use crate::estate::{Estate, Unreadable};
use crate::failure::Failure;
use crate::forge::Forge;
use crate::forge::hosted::gitea::Gitea;
use crate::forge::hosted::github::GitHub;
use crate::forge::hosted::{Host, Hosted, Patience, Place, Settings};
use crate::forge::local::Local;

/// A forge, and what kind of one.
#[derive(Clone)]
pub struct Opened {
    /// The forge.
    pub forge: Arc<dyn Forge>,
    /// Whether it is reached over the network: it has pages, labels and a dashboard.
    pub hosted: bool,
}

/// Which host was opened: what it was made of.
#[derive(Clone, PartialEq)]
struct Made {
    kind: Over,
    remote: RemoteForge,
    at: Commit,
}

/// Forges that are reached over the network.
#[derive(Clone, Copy, PartialEq)]
enum Over {
    GitHub,
    Gitea,
}

/// Keeps the connection to a forge from one pass to the next: what it remembers of answers, and the token of an App.
#[derive(Default)]
pub struct Keeper {
    kept: Option<(Made, Arc<dyn Host>)>,
    metrics: Option<Arc<Metrics>>,
}

impl Keeper {
    /// One whose requests are counted.
    pub fn counted(metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..Self::default() }
    }

    /// Has the next pass begin anew, for example because the credential may have been replaced.
    pub fn forget(&mut self) {
        self.kept = None;
    }

    /// The forge of an estate that was read at this place.
    pub fn open(&mut self, estate: &Estate, at: Option<&Commit>, credentials: &Credentials, access: &Access) -> Result<Opened, Failure> {
        refuse_unread(estate)?;
        let at = at.ok_or_else(|| Failure::new("the estate was not read from a repository, and change requests are branches of one"))?;
        match declared(estate.spec.forge.as_ref())? {
            None => Ok(Opened { forge: Arc::new(local(estate, at)?), hosted: false }),
            Some((kind, remote)) => {
                let host = self.host(&estate.name, Made { kind, remote: remote.clone(), at: at.clone() }, credentials, access)?;
                let prefix = if at.path.is_empty() { String::new() } else { format!("{}/", at.path) };
                let base_branch = at.git.as_ref().and_then(|git| git.branch.as_ref()).map(ToString::to_string).or_else(|| at.branch.clone());
                let settings = Settings { changes: estate.spec.changes.clone(), prefix, base_branch };
                Ok(Opened { forge: Arc::new(Hosted::new(host, &estate.name, settings)), hosted: true })
            }
        }
    }

    fn host(&mut self, estate: &str, made: Made, credentials: &Credentials, access: &Access) -> Result<Arc<dyn Host>, Failure> {
        if let Some((kept, host)) = &self.kept
            && *kept == made
        {
            return Ok(host.clone());
        }
        let host = host(&made, credentials, access)?;
        if let Some(metrics) = &self.metrics {
            host.heard_by(metrics.forge(estate));
        }
        self.kept = Some((made, host.clone()));
        Ok(host)
    }
}

/// Refuses an estate whose own document is there and cannot be read: its defaults name another forge, other limits, and do
/// not suspend.
fn refuse_unread(estate: &Estate) -> Result<(), Failure> {
    let path = |document: &Unreadable| estate.files.get(document.origin.file as usize).map(|file| &*file.path);
    let own = |document: &&Unreadable| document.kind == Some(Kind::Estate) || path(document) == Some(ESTATE_FILE);
    match estate.unreadable.iter().find(own).filter(|_| estate.origin.is_none()) {
        None => Ok(()),
        Some(document) => {
            let file = path(document).unwrap_or(ESTATE_FILE);
            Err(Failure::new(format!("the estate's own document in {file} cannot be read, so it is not known where its change requests go"))
                .hint("`bowline check` says what is wrong with it"))
        }
    }
}

/// Which forge over the network an estate declares; none: the local one.
fn declared(forge: Option<&Declared>) -> Result<Option<(Over, &RemoteForge)>, Failure> {
    let Some(forge) = forge else { return Ok(None) };
    match (&forge.local, &forge.github, &forge.gitea) {
        (_, None, None) => Ok(None),
        (None, Some(github), None) => Ok(Some((Over::GitHub, github))),
        (None, None, Some(gitea)) => Ok(Some((Over::Gitea, gitea))),
        _ => Err(Failure::new("the estate names several forges").hint("leave exactly one of `local`, `github` and `gitea` in `spec.forge`")),
    }
}

fn local(estate: &Estate, at: &Commit) -> Result<Local, Failure> {
    if at.remote {
        return Err(Failure::new("change requests of the local forge are branches of the estate's own repository, and this one is on another machine")
            .hint("clone it and name the clone's folder, or set `spec.forge`; `bowline plan` works with the address as it is"));
    }
    let forge = Local::new(&estate.name, &at.repository).map_err(failure)?.below(&at.path);
    Ok(match &at.branch {
        Some(branch) => forge.with_base(branch),
        None => forge,
    })
}

fn host(made: &Made, credentials: &Credentials, access: &Access) -> Result<Arc<dyn Host>, Failure> {
    let remote = &made.remote;
    let place = Place {
        url: remote.url.as_deref(),
        repository: &remote.repository,
        credential: remote.credentials.as_deref(),
        credentials,
        access,
        patience: Patience::default(),
    };
    match made.kind {
        Over::GitHub => github(&place),
        Over::Gitea => gitea(&place, &made.at.repository, made.at.git.as_ref()),
    }
}

fn github(place: &Place<'_>) -> Result<Arc<dyn Host>, Failure> {
    Ok(Arc::new(GitHub::new(place).map_err(failure)?))
}

/// Commits are made in the repository from which the estate was read, and pushed from there.
fn gitea(place: &Place<'_>, repository: &Path, git: Option<&Git>) -> Result<Arc<dyn Host>, Failure> {
    let gitea = Gitea::new(place, repository).map_err(failure)?;
    Ok(Arc::new(match git {
        Some(git) => gitea.with_git(&git.url, git.credentials.as_deref()),
        None => gitea,
    }))
}

/// The names, `owner/name`, of the repositories that webhooks of an estate are about.
pub fn repositories(estate: &Estate, at: Option<&Commit>) -> Vec<String> {
    let forge = declared(estate.spec.forge.as_ref()).ok().flatten().map(|(_, remote)| remote.repository.to_string());
    let git = at.and_then(|at| at.git.as_ref()).or(estate.spec.git.as_ref()).and_then(|git| full_name(&git.url));
    let mut names: Vec<String> = forge.into_iter().chain(git).collect();
    names.dedup();
    names
}

/// `owner/name` of a git address over the network.
fn full_name(url: &str) -> Option<String> {
    if !is_address(url) || url.starts_with("file:") {
        return None;
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.split_once(':')?.1,
    };
    let path = path.trim_matches('/');
    let (owner, name) = path.strip_suffix(".git").unwrap_or(path).rsplit_once('/')?;
    Some(format!("{}/{name}", owner.rsplit('/').next()?))
}

#[cfg(test)]
mod tests {
    use super::full_name;

    #[test]
    fn the_name_of_a_repository_is_read_from_its_address() {
        for url in [
            "https://git.example.com/ops/estate.git",
            "https://git.example.com:8443/ops/estate/",
            "https://git.example.com/git/ops/estate",
            "ssh://git@git.example.com:22/ops/estate.git",
            "git@git.example.com:ops/estate.git",
        ] {
            assert_eq!(full_name(url).as_deref(), Some("ops/estate"), "{url}");
        }
        for url in ["/srv/git/ops/estate.git", "file:///srv/git/ops/estate.git", "https://git.example.com/estate", "./ops/estate"] {
            assert_eq!(full_name(url), None, "{url}");
        }
    }
}
