//! The resources that are asked for: where the API has them, and what they are called here. Pure.
//!
//! One object has one path, `CLUSTER/KIND/NAMESPACE/NAME` (`CLUSTER/KIND/NAME` outside of namespaces, `CLUSTER` for the
//! cluster), and from it one name: the same in small letters with dots. The kind stands before the namespace, so that no two
//! objects of a cluster have one name whatever they are called.

use sha2::{Digest, Sha256};

use crate::api::Text;
use crate::api::discovery_source::KubernetesResource as Resource;
use crate::discovery::tls::read::hexadecimal;

/// The longest name of an item, that of an object of Kubernetes.
const NAME: usize = 253;

/// Where the API has a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its kind, as documents say it.
    pub name: &'static str,
    /// Paths of its group and version, the preferred one first.
    pub groups: &'static [&'static str],
    /// Its name in paths.
    pub plural: &'static str,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
    /// Whether a cluster may be without it.
    pub optional: bool,
}

const CORE: &[&str] = &["/api/v1"];
const APPS: &[&str] = &["/apis/apps/v1"];
const BATCH: &[&str] = &["/apis/batch/v1"];
const NETWORKING: &[&str] = &["/apis/networking.k8s.io/v1"];
const GATEWAY: &[&str] = &["/apis/gateway.networking.k8s.io/v1", "/apis/gateway.networking.k8s.io/v1beta1"];
const TLS_ROUTE: &[&str] = &["/apis/gateway.networking.k8s.io/v1", "/apis/gateway.networking.k8s.io/v1alpha3", "/apis/gateway.networking.k8s.io/v1alpha2"];

/// Every resource, in the order in which they are asked for: what says the least about others first.
pub const ALL: [Resource; 15] = [
    Resource::Cluster,
    Resource::Namespace,
    Resource::Node,
    Resource::PersistentVolume,
    Resource::Deployment,
    Resource::StatefulSet,
    Resource::DaemonSet,
    Resource::CronJob,
    Resource::Service,
    Resource::Ingress,
    Resource::Gateway,
    Resource::HttpRoute,
    Resource::GrpcRoute,
    Resource::TlsRoute,
    Resource::TlsSecret,
];

/// Where the API has a resource.
pub fn kind(resource: Resource) -> Kind {
    let cluster_wide = |name, groups, plural| Kind { name, groups, plural, namespaced: false, optional: false };
    let namespaced = |name, groups, plural| Kind { name, groups, plural, namespaced: true, optional: false };
    let of_gateways = |name, groups, plural| Kind { name, groups, plural, namespaced: true, optional: true };
    match resource {
        Resource::Cluster => cluster_wide("Cluster", CORE, "namespaces"),
        Resource::Namespace => cluster_wide("Namespace", CORE, "namespaces"),
        Resource::Node => cluster_wide("Node", CORE, "nodes"),
        Resource::PersistentVolume => cluster_wide("PersistentVolume", CORE, "persistentvolumes"),
        Resource::Deployment => namespaced("Deployment", APPS, "deployments"),
        Resource::StatefulSet => namespaced("StatefulSet", APPS, "statefulsets"),
        Resource::DaemonSet => namespaced("DaemonSet", APPS, "daemonsets"),
        Resource::CronJob => namespaced("CronJob", BATCH, "cronjobs"),
        Resource::Service => namespaced("Service", CORE, "services"),
        Resource::Ingress => namespaced("Ingress", NETWORKING, "ingresses"),
        Resource::Gateway => of_gateways("Gateway", GATEWAY, "gateways"),
        Resource::HttpRoute => of_gateways("HTTPRoute", GATEWAY, "httproutes"),
        Resource::GrpcRoute => of_gateways("GRPCRoute", GATEWAY, "grpcroutes"),
        Resource::TlsRoute => of_gateways("TLSRoute", TLS_ROUTE, "tlsroutes"),
        Resource::TlsSecret => namespaced("Secret", CORE, "secrets"),
    }
}

/// What to ask for: what is named, else everything; with `namespaces`, else everything in them.
pub fn asked(named: &[Resource], in_namespaces: bool) -> Vec<Resource> {
    let wanted = |resource: &Resource| if named.is_empty() { !in_namespaces || kind(*resource).namespaced } else { named.contains(resource) };
    ALL.into_iter().filter(wanted).collect()
}

/// The path of an object.
pub fn path(cluster: &str, kind: &str, namespace: Option<&str>, name: &str) -> Text {
    match namespace {
        Some(namespace) => format!("{cluster}/{kind}/{namespace}/{name}").into(),
        None => format!("{cluster}/{kind}/{name}").into(),
    }
}

/// The name of an object's item, by its path: stable, and like no other's.
pub fn name(path: &str) -> Text {
    let name = path.replace('/', ".").to_lowercase();
    if name.len() <= NAME {
        return name.into();
    }
    let digest = hexadecimal(&Sha256::digest(path));
    let digest = digest.get(..16).unwrap_or(&digest);
    let end = (0..=NAME - 20).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    let (kept, _) = name.split_at(end);
    format!("{kept}-{digest}").into()
}

/// Whether a name is a label of DNS, as namespaces are called (RFC 1123).
pub fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_asked_for_unless_resources_or_namespaces_are_named() {
        assert_eq!(asked(&[], false), ALL);
        assert!(asked(&[], true).iter().all(|resource| kind(*resource).namespaced));
        assert_eq!(asked(&[Resource::Service, Resource::Node], true), [Resource::Node, Resource::Service]);
    }

    #[test]
    fn no_two_objects_of_a_cluster_have_one_name() {
        assert_eq!(&*name(&path("prod", "Deployment", Some("shop"), "web")), "prod.deployment.shop.web");
        assert_ne!(name(&path("prod", "Node", None, "deployment.web")), name(&path("prod", "Deployment", Some("node"), "web")));
        let long = |last: &str| name(&path("prod", "Node", None, &format!("{}{last}", "n".repeat(252))));
        assert_ne!(long("a"), long("b"));
        assert!(long("a").len() <= NAME && name(&"ä".repeat(300)).len() <= NAME);
    }

    #[test]
    fn a_namespace_is_a_label_and_cannot_lead_elsewhere() {
        assert!(is_label("shop-1"));
        for name in ["", "-a", "a-", "A", "a/b", "..", "a.b", "a?b", &"a".repeat(64)] {
            assert!(!is_label(name), "{name}");
        }
    }
}
