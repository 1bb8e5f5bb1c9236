//! What a workload (`Deployment`, `StatefulSet`, `DaemonSet`, `CronJob`) means. Pure.

use serde_json::Value as Json;

use super::links::{Found, Link};
use super::map::labels;
use super::object::{Object, at, list, quantity, set, text};
use super::quantity::sum;
use crate::api::{Text, Value};

/// Of a stateful set, at most so many replicas' claims are followed.
const REPLICAS: u64 = 1000;
/// How many volumes of a workload count.
const VOLUMES: usize = 256;

/// A workload.
pub(super) fn workload(object: &Object) -> Found {
    let template: &[&str] = if object.kind == "CronJob" { &["spec", "jobTemplate", "spec", "template"] } else { &["spec", "template"] };
    let pod = object.at(template).and_then(|template| template.get("spec")).unwrap_or(&Json::Null);
    let containers = list(pod, &["containers"]);
    let images = containers.iter().chain(list(pod, &["initContainers"])).filter_map(|container| text(container, &["image"]));
    let asked = |kind: &str, resource: &str, by_all: bool| total(containers, &["resources", kind, resource], by_all);
    let attributes = [
        ("kind", Value::from(object.kind)),
        ("replicas", object.value(&["spec", "replicas"])),
        ("readyReplicas", object.value(&["status", "readyReplicas"])),
        ("images", set(images)),
        ("cpuRequest", asked("requests", "cpu", false)),
        ("memoryRequest", asked("requests", "memory", false)),
        ("cpuLimit", asked("limits", "cpu", true)),
        ("memoryLimit", asked("limits", "memory", true)),
        ("serviceAccount", at(pod, &["serviceAccountName"]).map_or(Value::Null, |name| Value::from(name.clone()))),
        ("schedule", object.value(&["spec", "schedule"])),
        ("timeZone", object.value(&["spec", "timeZone"])),
        ("suspended", object.value(&["spec", "suspend"])),
    ];
    let mut links = vec![Link::Runs(labels(object, &[template, &["metadata", "labels"]].concat()))];
    links.extend(list(pod, &["volumes"]).iter().take(VOLUMES).flat_map(|volume| of_volume(object, volume)));
    if object.kind == "StatefulSet" {
        links.extend(claims_of_replicas(object));
    }
    Found { observation: object.observation("kubernetes-workload", attributes), links }
}

/// What the containers ask for together; a limit holds only if all of them have one.
fn total(containers: &[Json], path: &[&str], by_all: bool) -> Value {
    let amounts: Vec<_> = containers.iter().filter_map(|container| quantity(at(container, path)?)).collect();
    if amounts.is_empty() || (by_all && amounts.len() < containers.len()) {
        return Value::Null;
    }
    match amounts.as_slice() {
        [one] => Value::from(&**one),
        several => sum(several.iter().map(|amount| &**amount)).map_or(Value::Null, Value::from),
    }
}

fn of_volume(object: &Object, volume: &Json) -> Vec<Link> {
    let claim = text(volume, &["persistentVolumeClaim", "claimName"]).map(|name| Link::Mounts(claim(object, name)));
    let secret = text(volume, &["secret", "secretName"]);
    let projected = list(volume, &["projected", "sources"]).iter().take(VOLUMES).filter_map(|source| text(source, &["secret", "name"]));
    claim.into_iter().chain(secret.into_iter().chain(projected).map(|name| Link::Uses(object.beside("Secret", None, name)))).collect()
}

/// The claims that each replica of a stateful set has of its own are called `TEMPLATE-SET-ORDINAL`.
fn claims_of_replicas(object: &Object) -> Vec<Link> {
    let count = object.at(&["spec", "replicas"]).and_then(Json::as_u64).unwrap_or(1).min(REPLICAS);
    let start = object.at(&["spec", "ordinals", "start"]).and_then(Json::as_u64).unwrap_or(0);
    let templates = object.list(&["spec", "volumeClaimTemplates"]).iter().take(VOLUMES).filter_map(|template| text(template, &["metadata", "name"]));
    let names = templates.flat_map(|template| (0..count).map(move |place| format!("{template}-{}-{}", object.name, start.saturating_add(place))));
    names.map(|name| Link::Mounts(claim(object, &name))).collect()
}

fn claim(object: &Object, name: &str) -> Text {
    format!("{}/{name}", object.namespace.unwrap_or_default()).into()
}
