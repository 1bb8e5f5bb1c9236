//! The part of a `DiscoverySource` that asks devices over SNMP.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Period, Text};

/// Devices that answer SNMP v2c or v3, each one item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnmpSource {
    /// The devices, as `host` or `host:port`; an IPv6 address stands in brackets where a port follows. The port is 161 unless it is said.
    pub targets: Vec<Text>,
    /// The operator's credential, bound to the hosts of `targets`: a community (v2c), or a user with its protocols and passwords (v3).
    pub credentials: Text,
    /// The class of the items. Default: network-device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Text>,
    /// The network that the devices are in, for their attribute `network`: MAC addresses identify within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Text>,
    /// What is read besides the system group. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<SnmpTable>,
    /// How much is taken, and how long is waited.
    #[serde(default, skip_serializing_if = "SnmpLimits::is_default")]
    pub limits: SnmpLimits,
}

/// Tables of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum SnmpTable {
    /// Interfaces and their MAC addresses (IF-MIB).
    Interfaces,
    /// IP addresses (IP-MIB).
    Addresses,
    /// Chassis and modules with maker, model and serial number (ENTITY-MIB).
    Entities,
    /// What LLDP sees at the other end of the cables (LLDP-MIB).
    Neighbors,
}

/// How much is taken, and how long is waited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SnmpLimits {
    /// How long one answer is waited for before the request is sent again. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Period>,
    /// How often a request is sent, from 1 to 10 times, with a longer pause after each. Default: 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
    /// How long one device may take in all. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Period>,
    /// How many rows one device may have, all tables together. Default: 50000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u32>,
}

impl SnmpLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
