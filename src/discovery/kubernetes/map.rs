//! What an object means: one function a kind of object, from its JSON to an observation and what it says of others. Pure.

use serde_json::Value as Json;

use super::kinds::{self, Kind};
use super::links::{Found, Labels, Link};
use super::object::{Object, list, pairs, set, text};
use super::{network, node, workload};
use crate::api::discovery_source::KubernetesResource as Resource;
use crate::api::{Table, Text, Value, intern};

/// How many owners of one object count.
const OWNERS: usize = 16;

/// What an object means; none where it has no uid or name. Of a Secret only what its metadata says: its certificate is
/// `certificate`'s.
pub fn map(cluster: &str, resource: Resource, kind: &Kind, json: &Json) -> Option<Found> {
    let object = Object::new(cluster, kind, json)?;
    let mut found = match resource {
        Resource::Cluster => return None,
        Resource::Namespace => namespace(&object),
        Resource::Node => node::node(&object),
        Resource::PersistentVolume => volume(&object),
        Resource::Deployment | Resource::StatefulSet | Resource::DaemonSet | Resource::CronJob => workload::workload(&object),
        Resource::Service => network::service(&object),
        Resource::Ingress => network::ingress(&object),
        Resource::Gateway => network::gateway(&object),
        Resource::HttpRoute | Resource::GrpcRoute | Resource::TlsRoute => network::route(&object),
        Resource::TlsSecret => Found { observation: object.observation("certificate", []), links: Vec::new() },
    };
    found.links.push(Link::To("MemberOf", object.namespace.map_or_else(|| cluster.into(), |name| kinds::path(cluster, "Namespace", None, name))));
    found.links.extend(owners(json));
    Some(found)
}

fn owners(json: &Json) -> impl Iterator<Item = Link> {
    list(json, &["metadata", "ownerReferences"]).iter().take(OWNERS).filter_map(|owner| Some(Link::OwnedBy(text(owner, &["uid"])?.into())))
}

fn namespace(object: &Object) -> Found {
    Found { observation: object.observation("kubernetes-namespace", [("phase", object.value(&["status", "phase"]))]), links: Vec::new() }
}

fn volume(object: &Object) -> Found {
    let spec = |field: &str| object.value(&["spec", field]);
    let driver = object.text(&["spec", "csi", "driver"]);
    let claim = claim_of(object);
    let attributes = [
        ("capacity", object.value(&["spec", "capacity", "storage"])),
        ("storageClass", spec("storageClassName")),
        ("accessModes", set(object.list(&["spec", "accessModes"]).iter().filter_map(Json::as_str))),
        ("reclaimPolicy", spec("persistentVolumeReclaimPolicy")),
        ("volumeMode", spec("volumeMode")),
        ("driver", driver.map_or(Value::Null, Value::from)),
        ("claim", claim.clone().map_or(Value::Null, Value::from)),
        ("phase", object.value(&["status", "phase"])),
    ];
    let mut observation = object.observation("kubernetes-volume", attributes);
    if let (Some(driver), Some(handle)) = (driver, object.text(&["spec", "csi", "volumeHandle"])) {
        observation.identifiers = observation.identifiers.with("csi/volume", format!("{driver}/{handle}").into());
    }
    Found { observation, links: claim.map(Link::Bound).into_iter().collect() }
}

fn claim_of(object: &Object) -> Option<Text> {
    let claim = object.at(&["spec", "claimRef"])?;
    Some(format!("{}/{}", text(claim, &["namespace"])?, text(claim, &["name"])?).into())
}

/// The cluster itself, by the uid of its `kube-system` namespace and what it says of its version.
pub fn cluster(name: &str, uid: &str, version: Option<&str>, server: &str, nodes: Option<usize>) -> Found {
    let version = version.map(|version| version.strip_prefix('v').unwrap_or(version));
    let nodes = nodes.and_then(|nodes| u64::try_from(nodes).ok());
    let attributes =
        [("version", version.map_or(Value::Null, Value::from)), ("server", Value::from(server)), ("nodes", nodes.map_or(Value::Null, Value::from))];
    let identifiers: Table<Text> =
        [("kubernetes/cluster-uid", uid), ("kubernetes/path", name)].into_iter().map(|(name, value)| (intern(name), Text::from(value))).collect();
    let observation = crate::discovery::Observation {
        key: uid.into(),
        class: intern("kubernetes-cluster"),
        name: name.into(),
        identifiers,
        attributes: attributes.into_iter().filter(|(_, value)| !value.is_absent()).map(|(name, value)| (intern(name), value)).collect(),
        ..crate::discovery::Observation::default()
    };
    Found { observation, links: Vec::new() }
}

/// The labels at a path, within the object's namespace.
pub fn labels(object: &Object, path: &[&str]) -> Labels {
    let labels = pairs(object.json, path).map(|(name, value)| (intern(name), intern(value))).collect();
    Labels { namespace: object.namespace.unwrap_or_default().into(), labels }
}
