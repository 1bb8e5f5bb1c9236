//! A certificate's facts, read from an observation's attributes. A fact that is not there is none, and no rule concludes
//! anything from it (rule 2).

use jiff::Timestamp;

use crate::api::{Text, Value};
use crate::discovery::Observation;
use crate::discovery::tls::Endpoint;

/// What the rules look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Where it is served, in normal form.
    pub endpoint: Option<String>,
    /// The file it stands in.
    pub file: Option<Text>,
    /// SHA-256 of its DER form, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// The first second at which it is valid.
    pub not_before: Option<Timestamp>,
    /// The last second at which it is valid.
    pub not_after: Option<Timestamp>,
    /// The key's algorithm.
    pub key: Option<Text>,
    /// The key's size.
    pub bits: Option<u64>,
    /// The key's curve.
    pub curve: Option<Text>,
    /// The signature's digest.
    pub signature: Option<Text>,
    /// The signature's whole algorithm.
    pub signature_algorithm: Option<Text>,
    /// The organisation (O) of the issuer's name.
    pub issuer_organization: Option<Text>,
    /// The common name (CN) of the issuer's name.
    pub issuer_common_name: Option<Text>,
    /// SHA-256 of the issuer's key, in lower-case hexadecimal.
    pub issuer_key: Option<String>,
    /// Whether anything is known of the issuer.
    pub issuer_known: bool,
    /// The names it is for; where it has none, the common name of its subject.
    pub names: Vec<Text>,
    /// Whether it has alternative names; none if the source does not say. Only they count in a client.
    pub alternative_names: Option<bool>,
    /// The protocol that was agreed on.
    pub tls_version: Option<Text>,
    /// Whether it is its own issuer and an authority.
    pub is_root: bool,
    /// Whether its chain leads to a trusted authority.
    pub chain_verifies: Option<bool>,
    /// Why it does not.
    pub chain_error: Option<Text>,
    /// Whether it is for the host that was asked.
    pub host_name_verifies: Option<bool>,
    /// Why it is not.
    pub host_name_error: Option<Text>,
}

impl Facts {
    /// Reads an observation.
    pub fn of(observation: &Observation) -> Self {
        let text = |path: &str| at(observation, path).and_then(Value::as_str).map(Text::from);
        let flag = |path: &str| at(observation, path).and_then(|value| if let Value::Bool(flag) = value { Some(*flag) } else { None });
        let instant = |path: &str| text(path).and_then(|text| text.parse().ok());
        // An empty list says that there are none; a source that has no such attribute says nothing.
        let alternative_names = observation.attributes.get("dnsNames").map(|names| !names.is_absent());
        let listed: Vec<Text> =
            at(observation, "dnsNames").and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_str).map(Text::from).collect();
        Self {
            endpoint: text("endpoint").map(|endpoint| normal(&endpoint)),
            file: text("file"),
            sha256: observation.identifiers.get("x509/sha256").map(|digest| hexadecimal(digest)),
            not_before: instant("notBefore"),
            not_after: instant("notAfter"),
            key: text("key.algorithm"),
            bits: at(observation, "key.bits").and_then(number),
            curve: text("key.curve"),
            signature: text("signature"),
            signature_algorithm: text("signatureAlgorithm"),
            issuer_organization: text("issuer.organization"),
            issuer_common_name: text("issuer.commonName"),
            issuer_key: text("issuer.spkiSha256").map(|digest| hexadecimal(&digest)),
            issuer_known: at(observation, "issuer").is_some_and(|issuer| !issuer.is_absent()),
            names: if alternative_names == Some(true) { listed } else { text("commonName").into_iter().collect() },
            alternative_names,
            tls_version: text("tlsVersion"),
            is_root: flag("selfSigned") == Some(true) && flag("isCa") == Some(true),
            chain_verifies: flag("chainVerifies"),
            chain_error: text("chainError"),
            host_name_verifies: flag("hostNameVerifies"),
            host_name_error: text("hostNameError"),
        }
    }
}

fn at<'a>(observation: &'a Observation, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => observation.attributes.get(path),
        Some((first, rest)) => observation.attributes.get(first)?.at(rest),
    }
}

/// A whole number, also where a source writes it as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Hexadecimal in one spelling: lower case, without colons.
pub fn hexadecimal(text: &str) -> String {
    text.chars().filter(|letter| *letter != ':').map(|letter| letter.to_ascii_lowercase()).collect()
}

/// An endpoint in its one form; what is none stays as it is and is equal to itself only.
pub fn normal(endpoint: &str) -> String {
    endpoint.parse::<Endpoint>().map_or_else(|_| endpoint.to_owned(), |endpoint| endpoint.to_string())
}
