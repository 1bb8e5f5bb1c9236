//! The part of a `DiscoverySource` that reads what nmap wrote.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Text;

/// A scan by nmap: each host that answered is an item. `items` and `map` have no say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NmapSource {
    /// The path below the estate's root of a file that nmap wrote with `-oX`.
    pub path: Text,
    /// The class of the hosts. Default: server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Text>,
    /// Whether each open port whose service is known is an item of the class `application`, which runs on its host. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub services: bool,
}
