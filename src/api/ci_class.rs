//! `CIClass`: what items of a kind are like, how their values compare, and how two reports of one thing are recognised.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::CommonStatus;
use super::{OnDrift, Table, Text, Value};

/// A class of items. A class of a built-in one's name replaces it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bowline.dev",
    version = "v1alpha1",
    kind = "CIClass",
    plural = "ciclasses",
    namespaced,
    category = "bowline",
    status = "CommonStatus",
    shortname = "cic"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CIClassSpec {
    /// The parent class, whose attributes, rules and truths hold here too unless replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extends: Option<Text>,
    /// What it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    /// JSON Schema of the attributes. Beside each attribute `x-bowline` says how it compares (see `AttributeRule`).
    /// Unknown attributes are allowed unless `additionalProperties: false`.
    #[serde(skip_serializing_if = "Value::is_absent")]
    pub attributes: Value,
    /// Identification rules, tried in this order; a later match is vetoed by a conflict in an earlier one. Given here,
    /// they replace the parent's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identification: Vec<IdentificationRule>,
    /// Values that identify nothing, by identifier or attribute: they are ignored. `*` stands for any run of characters.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub bogus: Table<Vec<Text>>,
    /// Which source says the truth about which attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub truth: Vec<TruthRule>,
    /// What to do about drift of items of this class. Default: the estate's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_drift: Option<OnDrift>,
}

/// One way to recognise an item: all the named identifiers and attributes are equal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IdentificationRule {
    /// Identifiers, for example `vsphere/instance-uuid`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Text>,
    /// Attributes, for example `macAddresses`; of a list one shared value is enough.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Text>,
    /// The attribute, identifier or relation within which the match holds: `network`; or `RunsOn`, the item on which both
    /// must run. Equal on both sides, or the rule does not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Text>,
}

/// Which sources say the truth about some attributes, first named first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TruthRule {
    /// The attributes; none: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Text>,
    /// The sources, best first.
    pub sources: Vec<Text>,
}

/// How one attribute compares: the `x-bowline` part of its schema.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AttributeRule {
    /// By which meaning. Default: by JSON value, numbers by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// Whether the order of a list matters. Default: Ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<ListOrder>,
    /// What to do about drift of this attribute. Default: Adopt where `descriptive`, else the item's, class's, estate's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_drift: Option<OnDrift>,
    /// Says what is there rather than what should be: adopted by default. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub descriptive: bool,
    /// Shows that it differs, never what it is. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// The meanings by which values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Compare {
    /// A Kubernetes quantity: `16Gi` is `16384Mi`.
    Quantity,
    /// A number: `"2.00"` is `2`, `8` is `"8"`.
    Number,
    /// A version: `12` is `12.0`, `1.10` is above `1.9`.
    Version,
    /// A MAC address, in any case and punctuation.
    Mac,
    /// An IP address or prefix, in any spelling.
    Ip,
    /// A host name: case and a trailing dot do not matter, and a short name is equal to the full name that starts with it.
    HostName,
    /// Text, without regard to case.
    CaseInsensitive,
    /// The configuration of a network device, line by line: `int g0/0` is `interface GigabitEthernet0/0`.
    Configuration,
    /// Text, exactly.
    Text,
    /// Volatile: not compared.
    Never,
}

/// Whether the order of a list matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ListOrder {
    /// It does.
    #[default]
    Ordered,
    /// It does not, and neither do repeated values.
    Set,
}
