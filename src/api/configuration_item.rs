//! `ConfigurationItem`: one thing that should be there.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared::DriftPolicy;
use super::status::ConfigurationItemStatus;
use super::{Lifecycle, Table, Text, Value};

/// One configuration item (CI): what it is, whose it is, by which names other tools know it, and what it should be like.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bowline.dev",
    version = "v1alpha1",
    kind = "ConfigurationItem",
    namespaced,
    shortname = "ci",
    category = "bowline",
    status = "ConfigurationItemStatus",
    selectable = ".spec.class",
    selectable = ".spec.owner",
    selectable = ".spec.lifecycle"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigurationItemSpec {
    /// The class: a built-in one or a `CIClass` of the estate.
    pub class: Text,
    /// The stage of its life. Default: Operational.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// The team that answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// Its name in every other tool: `system/kind` to the value there, for example `dns/fqdn: db-1.example.com`.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub identifiers: Table<Text>,
    /// What it should be like. Only what stands here is compared.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub attributes: Table<Value>,
    /// What it runs on, is part of, connects to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
    /// What to do when it is not as declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_drift: Option<Box<DriftPolicy>>,
}

/// A relation to another item.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relation {
    /// The type, in PascalCase from this item's side: `RunsOn`, `HostedOn`, `DependsOn`, `MemberOf`, `ConnectsTo`, `ManagedBy`, `UsedBy`, `Contains` …
    #[serde(rename = "type")]
    pub kind: Text,
    /// The name of the other item.
    pub to: Text,
}
