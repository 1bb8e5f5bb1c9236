//! The part of a `DiscoverySource` that asks a vCenter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Text;

/// A vCenter, or a single ESXi host: where it is, and as whom it is asked. What its objects mean is built in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VsphereSource {
    /// Its address: `https://vcenter.example.com`.
    pub url: Text,
    /// The operator's credential, an account and its password, bound to the host of `url`. The role Read-only is enough; it must hold for
    /// everything that `scope` covers, because what an account may not see looks like what is not there.
    pub credentials: Text,
    /// A PEM file below the estate's root with authorities that are trusted besides the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Text>,
    /// The names of the datacenters that are asked for. Default: all. Keep `scope` as narrow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datacenters: Vec<Text>,
}
