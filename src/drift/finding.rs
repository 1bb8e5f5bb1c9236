//! A finding: one thing that differs, with all that explains it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::change_request::ServiceEffect;
use crate::api::{OnDrift, Text, Value};
use crate::estate::Place;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum FindingKind {
    /// Declared, and earned absent.
    Missing,
    /// Discovered, and not declared.
    Undeclared,
    /// An attribute differs.
    Changed,
    /// A relation is declared and not found, or found and not declared.
    Relation,
    /// An observation could be any of several items.
    Ambiguous,
    /// One source reports one item twice.
    Duplicate,
    /// Two sources disagree and no rule says which is right.
    Conflict,
    /// Found though Planned or Retired.
    Lingering,
    /// Not seen for longer than the source's stale time.
    Stale,
    /// A source suddenly returned far less than before.
    MassAbsence,
    /// A certificate breaks a rule of a policy.
    Certificate,
}

impl FindingKind {
    /// The name as in the plan.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Undeclared => "Undeclared",
            Self::Changed => "Changed",
            Self::Relation => "Relation",
            Self::Ambiguous => "Ambiguous",
            Self::Duplicate => "Duplicate",
            Self::Conflict => "Conflict",
            Self::Lingering => "Lingering",
            Self::Stale => "Stale",
            Self::MassAbsence => "MassAbsence",
            Self::Certificate => "Certificate",
        }
    }
}

/// How much a finding matters, before anyone knows which services it hurts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Severity {
    Low,
    #[default]
    Medium,
    High,
    Critical,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable over runs: kind, item and path, as `changed/pay-db-01/attributes.memory`. See [`Finding::key_of`].
    pub key: Text,
    /// SHA-256 over kind, item, path, declared and discovered (of sensitive values a digest), 16 hexadecimal digits.
    pub fingerprint: Text,
    /// What it is about.
    pub kind: FindingKind,
    /// The declared item's name; for `Undeclared` the name found; for `MassAbsence` the source.
    pub item: Text,
    /// The item's class.
    pub class: Text,
    /// The item's owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// What of the item, for example `attributes.memory`.
    pub path: Option<Text>,
    /// What is declared, in the unit people wrote. Null where nothing is.
    pub declared: Value,
    /// What was found, in the same unit. Null where nothing was. Sensitive values read `(sensitive)` on both sides.
    pub discovered: Value,
    /// The source that says so.
    pub source: Option<Text>,
    /// When that source saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Timestamp>,
    /// How much it matters.
    pub severity: Severity,
    /// Which services are hurt by it, worst first; filled by `impact`.
    pub services: Vec<ServiceEffect>,
    /// Where it is declared.
    pub at: Option<Place>,
    /// What to do about it.
    pub action: OnDrift,
    /// What is the matter, in one sentence.
    pub message: String,
    /// Which rule says so, for people: `compare: Quantity`, `identification rule 2: dns/fqdn`, `policy public-tls: renewBefore 33%`.
    pub rule: String,
    /// What to do, in one sentence.
    pub remedy: String,
    /// Where it was seen: files, addresses, keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Text>,
}

impl Finding {
    /// The key of a finding of this kind, item and path.
    pub fn key_of(kind: FindingKind, item: &str, path: Option<&str>) -> Text {
        let kind = kind.name().to_lowercase();
        match path {
            Some(path) => format!("{kind}/{item}/{path}").into(),
            None => format!("{kind}/{item}").into(),
        }
    }

    /// What differs, in a word: `memory`, `identifiers.asset/tag`, `Missing`.
    pub fn word(&self) -> &str {
        match (self.kind, self.path.as_deref()) {
            (FindingKind::Changed, Some(path)) => path.strip_prefix("attributes.").unwrap_or(path),
            (kind, _) => kind.name(),
        }
    }

    /// A digest of the parts, 16 hexadecimal digits. Each part is preceded by its length, so no two lists are alike.
    pub fn digest(parts: &[&str]) -> Text {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().take(8).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}")).into()
    }
}
