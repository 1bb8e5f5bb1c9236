//! What people write: the kinds of `bowline.dev/v1alpha1`, one file a kind, and the shared types of their fields.
//!
//! The same types are read from git, applied to a cluster, and turned into definitions (`bowline crds`) and editor
//! schemas (`bowline schema`). Nothing here reads, writes or decides.

pub mod certificate_policy;
pub mod change_request;
pub mod ci_class;
mod columns;
pub mod configuration_item;
pub mod definitions;
pub mod discovery_source;
pub mod estate;
pub mod patch_window;
pub mod reference;
pub mod rules;
pub mod service_map;
pub mod shared;
pub mod status;
pub mod value;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use certificate_policy::CertificatePolicySpec;
pub use change_request::{ChangeRequestSpec, ChangeRequestStatus};
pub use ci_class::CIClassSpec;
pub use configuration_item::ConfigurationItemSpec;
pub use discovery_source::DiscoverySourceSpec;
pub use estate::EstateSpec;
pub use patch_window::PatchWindowSpec;
pub use service_map::ServiceMapSpec;
pub use shared::{Criticality, Lifecycle, OnDrift, Percent, Period, Selector, Zone};
pub use value::{Table, Text, Value, intern};

/// The group of every kind.
pub const GROUP: &str = "bowline.dev";
/// The `apiVersion` of every document.
pub const API_VERSION: &str = "bowline.dev/v1alpha1";

/// One document as it stands in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document<Spec> {
    /// Always `bowline.dev/v1alpha1`.
    pub api_version: Text,
    /// The kind of document.
    pub kind: Kind,
    /// Its name and labels.
    pub metadata: Metadata,
    /// What it declares.
    pub spec: Spec,
    /// What Bowline reports. Never read from git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Value>,
}

/// Name and labels of a document: the part of Kubernetes' `ObjectMeta` that people write.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name, unique among documents of its kind in the estate.
    pub name: Text,
    /// The namespace, for documents that are applied to a cluster too. Not used in git.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Text>,
    /// Labels, for selectors.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub labels: Table<Text>,
    /// Annotations, kept as they are.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub annotations: Table<Text>,
}

/// The kinds of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Kind {
    Estate,
    ConfigurationItem,
    CIClass,
    ServiceMap,
    CertificatePolicy,
    PatchWindow,
    DiscoverySource,
    ChangeRequest,
}

impl Kind {
    /// Every kind, in the order in which they are documented.
    pub const ALL: [Kind; 8] = [
        Kind::Estate,
        Kind::ConfigurationItem,
        Kind::CIClass,
        Kind::ServiceMap,
        Kind::CertificatePolicy,
        Kind::PatchWindow,
        Kind::DiscoverySource,
        Kind::ChangeRequest,
    ];

    /// The name as it stands in a document.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Estate => "Estate",
            Kind::ConfigurationItem => "ConfigurationItem",
            Kind::CIClass => "CIClass",
            Kind::ServiceMap => "ServiceMap",
            Kind::CertificatePolicy => "CertificatePolicy",
            Kind::PatchWindow => "PatchWindow",
            Kind::DiscoverySource => "DiscoverySource",
            Kind::ChangeRequest => "ChangeRequest",
        }
    }

    /// The kind of this name.
    pub fn of(name: &str) -> Option<Kind> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
