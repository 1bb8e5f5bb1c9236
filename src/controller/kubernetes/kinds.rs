//! The kinds as resources of the Kubernetes API.

use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};

use crate::api::{
    Kind, certificate_policy::CertificatePolicy, change_request::ChangeRequest, ci_class::CIClass, configuration_item::ConfigurationItem,
    discovery_source::DiscoverySource, estate::Estate, patch_window::PatchWindow, service_map::ServiceMap,
};

/// The annotation that asks for a pass; its value is echoed in the estate's status.
pub const REQUESTED_AT: &str = "bowline.dev/reconcile-requested-at";
/// The label of mirrored change requests: the estate's name.
pub const ESTATE_LABEL: &str = "bowline.dev/estate";
/// Who writes, for server-side apply.
pub const MANAGER: &str = "bowline";

/// A kind as the API server knows it.
pub fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Estate => ApiResource::erase::<Estate>(&()),
        Kind::ConfigurationItem => ApiResource::erase::<ConfigurationItem>(&()),
        Kind::CIClass => ApiResource::erase::<CIClass>(&()),
        Kind::ServiceMap => ApiResource::erase::<ServiceMap>(&()),
        Kind::CertificatePolicy => ApiResource::erase::<CertificatePolicy>(&()),
        Kind::PatchWindow => ApiResource::erase::<PatchWindow>(&()),
        Kind::DiscoverySource => ApiResource::erase::<DiscoverySource>(&()),
        Kind::ChangeRequest => ApiResource::erase::<ChangeRequest>(&()),
    }
}

/// The objects of a kind in a namespace, or in all.
pub fn objects(client: &Client, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource(kind)),
        None => Api::all_with(client.clone(), &resource(kind)),
    }
}
