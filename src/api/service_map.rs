//! `ServiceMap`: a business service and what it stands on.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::CommonStatus;
use super::{Criticality, Text};

/// A service: how much it matters, whose it is, and what it depends on.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "bowline.dev", version = "v1alpha1", kind = "ServiceMap", namespaced, shortname = "svcmap", category = "bowline", status = "CommonStatus")]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceMapSpec {
    /// How much it matters. Default: Medium.
    pub criticality: Criticality,
    /// The team that answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// Where its users come in, as URLs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<Text>,
    /// Members that stand in for each other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Who depends on whom.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// Suggested dependencies that a person has turned down.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Dependency>,
}

/// A group of which some members are enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// The name, used in `dependencies`; unique in the map.
    pub name: Text,
    /// Names of items, groups of this map, or `service/NAME`.
    pub members: Vec<Text>,
    /// How many of them must work. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<u32>,
}

/// One dependency. Each end is the service's own name, a group of this map, an item, or `service/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    /// What depends.
    pub from: Text,
    /// What it depends on.
    pub to: Text,
    /// Over which port, for example `5432/tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Text>,
}
