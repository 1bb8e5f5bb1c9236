//! What a pass is about: the objects of a namespace as they stand, or the commit that `spec.git` names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TAKEN_IN;
use super::agenda::Id;
use super::world::{Entry, World};
use crate::api::estate::{Git, RemoteForge};
use crate::api::status::reason;
use crate::api::{EstateSpec, Kind, Text};
use crate::controller::reading::{Loaded, Means, read_git};
use crate::credentials::Credentials;
use crate::estate::{Estate, SourceFile, cluster, load};
use crate::failure::Failure;

/// What stands in the cluster as a pass begins.
pub struct Scene {
    /// The estate's object.
    pub own: Arc<Entry>,
    /// The objects that it takes in.
    pub objects: Vec<(Kind, Arc<Entry>)>,
    /// The `ChangeRequest` objects of its namespace.
    pub mirrors: Vec<Arc<Entry>>,
    /// The older estate that takes in the namespace's objects instead.
    pub older: Option<Text>,
}

impl Scene {
    /// What stands now; none where the estate is gone.
    pub fn take(world: &World, id: &Id) -> Option<Self> {
        let own = world.get(Kind::Estate, &id.namespace, &id.name)?;
        let taker = world.taker(&id.namespace).filter(|_| !own.in_git);
        let older = taker.filter(|taker| taker.name != own.name).map(|taker| taker.name.clone());
        let takes_in = !own.in_git && older.is_none();
        let objects = if takes_in { objects(world, &id.namespace) } else { Vec::new() };
        Some(Self { mirrors: world.of(Kind::ChangeRequest, &id.namespace), own, objects, older })
    }

    /// The estate's own document.
    pub fn spec(&self) -> Estate {
        load::load(vec![self.own.file.clone()], None, Vec::new())
    }
}

/// The objects of a namespace that an estate takes in.
pub fn objects(world: &World, namespace: &str) -> Vec<(Kind, Arc<Entry>)> {
    TAKEN_IN.into_iter().flat_map(|kind| world.of(kind, namespace).into_iter().map(move |entry| (kind, entry))).collect()
}

/// An estate that was read, and which revision it is.
pub struct Read {
    /// The estate, and where its files are.
    pub loaded: Loaded,
    /// The commit, or the digest of the objects.
    pub revision: Text,
}

/// Why it could not be read: a reason of [`reason`], and in words.
pub type Unread = (&'static str, Failure);

/// Reads an estate. Waits for the network; not to be called on a thread of the runtime.
pub fn read(scene: &Scene, own: &Estate, folder: PathBuf, credentials: &Credentials, means: Means<'_>) -> Result<Read, Unread> {
    let unread = |name: Option<&Text>| {
        let unusable = name.is_some_and(|name| credentials.problem(name).is_some());
        move |failure| (if unusable { reason::CREDENTIAL_UNUSABLE } else { reason::ESTATE_UNREADABLE }, failure)
    };
    if let Some(git) = &own.spec.git {
        let mut loaded = read_git(git.clone(), None, means).map_err(unread(git.credentials.as_ref()))?;
        // Where the estate is kept the object says, and so it says everything else of itself.
        loaded.estate = Estate { name: own.name.clone(), spec: own.spec.clone(), ..loaded.estate };
        let revision = loaded.estate.revision.clone().unwrap_or_default().into();
        return Ok(Read { loaded, revision });
    }
    let mut files: Vec<SourceFile> = scene.objects.iter().map(|(_, entry)| entry.file.clone()).collect();
    let mut parts = files.clone();
    parts.push(scene.own.file.clone());
    let revision = cluster::digest(&parts);
    let base = match repository(&own.spec) {
        Some(git) => {
            let name = git.credentials.clone();
            Some(read_git(git, None, means).map_err(unread(name.as_ref()))?)
        }
        None => None,
    };
    let commit = base.as_ref().and_then(|base| base.estate.revision.clone());
    // What was merged is the record of what was decided.
    let merged = base.iter().flat_map(|base| &base.estate.files).filter(|file| file.path.starts_with("changes/"));
    files.extend(merged.cloned());
    let estate = cluster::assemble(&scene.own.namespace, scene.own.file.clone(), files, commit);
    let at = base.and_then(|base| base.at);
    Ok(Read { loaded: Loaded { estate, root: folder, at, checkout: None }, revision })
}

/// The repository of the forge, into which change requests about objects are merged as records.
fn repository(spec: &EstateSpec) -> Option<Git> {
    let forge = spec.forge.as_ref()?;
    let of = |forge: &RemoteForge, host: String| Git {
        url: format!("{}/{}.git", host.trim_end_matches('/'), forge.repository).into(),
        branch: None,
        path: None,
        credentials: forge.credentials.clone(),
    };
    if let Some(gitea) = &forge.gitea {
        return Some(of(gitea, gitea.url.as_deref().unwrap_or_default().to_owned()));
    }
    forge.github.as_ref().map(|github| of(github, web_address(github.url.as_deref())))
}

/// The address of GitHub's repositories, by that of its API.
fn web_address(api: Option<&str>) -> String {
    let api = api.unwrap_or("https://api.github.com").trim_end_matches('/');
    match api.strip_suffix("/api/v3") {
        Some(enterprise) => enterprise.to_owned(),
        None => api.replacen("://api.", "://", 1),
    }
}

/// The folder whose files sources of a namespace's estate may read. Of other namespaces it has nothing.
pub fn folder(files: Option<&Path>, state: &Path, namespace: &str) -> std::io::Result<PathBuf> {
    match files.map(|files| files.join(namespace)).filter(|folder| folder.is_dir()) {
        Some(folder) => Ok(folder),
        None => {
            let nothing = state.join("no-files");
            std::fs::create_dir_all(&nothing)?;
            Ok(nothing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forges_repository_is_found_by_its_address() {
        for (api, web) in [
            (None, "https://github.com"),
            (Some("https://api.github.com/"), "https://github.com"),
            (Some("https://github.example.com/api/v3"), "https://github.example.com"),
            (Some("http://127.0.0.1:4000"), "http://127.0.0.1:4000"),
        ] {
            assert_eq!(web_address(api), web);
        }
    }
}
