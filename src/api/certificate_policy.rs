//! `CertificatePolicy`: which certificates must satisfy what.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::shared::{ShareOrPeriod, written_as_text};
use super::status::CertificatePolicyStatus;
use super::{Period, Selector, Text};

/// A policy for certificates: those its selector matches, and those of its endpoints.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bowline.dev",
    version = "v1alpha1",
    kind = "CertificatePolicy",
    plural = "certificatepolicies",
    namespaced,
    shortname = "certpol",
    category = "bowline",
    status = "CertificatePolicyStatus"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificatePolicySpec {
    /// Certificates by their names, or by the item that serves them.
    pub selector: Selector,
    /// Endpoints, as `host:port`, to look at besides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Text>,
    /// The issuers that are allowed; none: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<Issuer>,
    /// The keys that are allowed; none: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyRule>,
    /// Signature algorithms.
    pub signatures: Signatures,
    /// The longest validity: `PublicTls` for the CA/B Forum's schedule by date of issue (ballot SC-081v3), or a duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_validity: Option<MaxValidity>,
    /// When renewal is due: a share of the lifetime that is left, or a duration before the end. Default: 33%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_before: Option<ShareOrPeriod>,
    /// Rules about names.
    pub dns_names: DnsNameRules,
    /// Rules about the connection.
    pub tls: TlsRules,
}

/// An issuer that is allowed; all given parts must match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Issuer {
    /// The organisation (O) of the issuer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<Text>,
    /// The common name (CN) of the issuer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<Text>,
    /// SHA-256 of the issuing key (SubjectPublicKeyInfo), in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spki_sha256: Option<Text>,
}

/// Keys of one algorithm that are allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRule {
    /// The algorithm.
    pub algorithm: KeyAlgorithm,
    /// The smallest size in bits, for RSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bits: Option<u32>,
    /// The curves, for ECDSA: `P-256`, `P-384`, `P-521`; none: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<Text>,
}

/// Algorithms of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum KeyAlgorithm {
    RSA,
    ECDSA,
    Ed25519,
    Ed448,
    DSA,
}

/// Rules about signature algorithms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Signatures {
    /// Digests that are refused: `SHA1`, `MD5`. A root's signature on itself does not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Text>,
}

/// Rules about the names in a certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DnsNameRules {
    /// Whether wildcards are allowed. Default: Allow.
    pub wildcards: AllowDeny,
    /// Names that must be covered by the certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<Text>,
}

/// Allowed or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum AllowDeny {
    #[default]
    Allow,
    Deny,
}

/// Rules about the TLS connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsRules {
    /// The lowest protocol version: `1.2` or `1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_version: Option<Text>,
    /// What must verify.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<Verify>,
}

/// What must verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verify {
    /// The chain leads to a trusted root.
    Chain,
    /// The certificate is for the host that was asked.
    HostName,
}

/// The longest validity.
#[derive(Clone, Debug, PartialEq)]
pub enum MaxValidity {
    /// The CA/B Forum's schedule by date of issue: 398 days, 200 from 2026-03-15, 100 from 2027-03-15, 47 from 2029-03-15.
    PublicTls,
    /// A fixed duration.
    Period(Period),
}

impl FromStr for MaxValidity {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let neither = |_| format!("`{text}` is neither PublicTls nor a duration; write for example PublicTls or 90d");
        if text == "PublicTls" { Ok(Self::PublicTls) } else { text.parse().map(Self::Period).map_err(neither) }
    }
}

impl fmt::Display for MaxValidity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublicTls => f.write_str("PublicTls"),
            Self::Period(period) => period.fmt(f),
        }
    }
}

written_as_text!(MaxValidity, "PublicTls (the CA/B Forum's schedule by date of issue) or a duration (90d).", None);
