//! The delivered files, and what kustomize makes of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use crate::peers::kube::Kube;

/// Bowline's account as the API server knows it.
pub const ACCOUNT: &str = "system:serviceaccount:bowline-system:bowline";
/// The plural names of the kinds that people write.
pub const DECLARED: [&str; 7] = ["estates", "configurationitems", "ciclasses", "servicemaps", "certificatepolicies", "patchwindows", "discoverysources"];

/// A path of the repository.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// A file of the repository.
#[track_caller]
pub fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// The documents of a YAML text.
#[track_caller]
pub fn documents(text: &str) -> Vec<Value> {
    let all = serde_yaml::Deserializer::from_str(text).map(|one| Value::deserialize(one).unwrap_or_else(|error| panic!("{error}\n{text}")));
    all.filter(|one| !one.is_null()).collect()
}

/// The text of documents.
pub fn text<'a>(documents: impl IntoIterator<Item = &'a Value>) -> String {
    documents.into_iter().fold(String::new(), |text, one| text + "---\n" + &serde_yaml::to_string(one).unwrap())
}

/// What a program printed, having ended well.
#[track_caller]
pub fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `kubectl kustomize` of a folder; none: there is no kubectl here.
pub fn kustomize(folder: &Path) -> Option<String> {
    let kubectl = Kube::binaries()?.join("kubectl");
    Some(printed(&Command::new(kubectl).arg("kustomize").arg(folder).env_remove("KUBECONFIG").output().unwrap()))
}

/// The one document of this kind and name.
#[track_caller]
pub fn find<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    documents.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// A server on which `manifests/` are installed, once a test process; none: there is none here.
pub fn installed() -> Option<Kube> {
    static DONE: OnceLock<()> = OnceLock::new();
    let kube = Kube::start()?;
    let manifests = kustomize(&path("manifests"))?;
    DONE.get_or_init(|| {
        kube.apply(&manifests);
        // The same, unless the copies are old, which another test tells; and it waits until they are served.
        kube.install_definitions();
    });
    Some(kube)
}

/// Waits until something holds, which the server may learn a little later.
#[track_caller]
pub fn within_a_minute(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(1), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
