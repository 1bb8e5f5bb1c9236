//! What Bowline reports of a resource in a cluster, under its `status`. Nothing here changes while nothing new is known, so
//! that a pass without news writes nothing: no times of passes, no counts of requests.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Table, Text};

/// How many findings, sources and problems a status lists at most; it always has the whole count beside them.
pub const MOST_LISTED: usize = 20;

/// Types of conditions.
pub mod condition {
    /// It is used as it stands.
    pub const READY: &str = "Ready";
    /// A pass is under way, or waits to be tried again.
    pub const RECONCILING: &str = "Reconciling";
    /// Nothing will become of it until a person changes something.
    pub const STALLED: &str = "Stalled";
    /// An item: a source has found it.
    pub const DISCOVERED: &str = "Discovered";
    /// An item: what was found is what is declared.
    pub const IN_SYNC: &str = "InSync";
    /// An item: no policy is broken.
    pub const COMPLIANT: &str = "Compliant";
}

/// Reasons of conditions. They are stable: people write alerts on them.
pub mod reason {
    /// Ready: everything that it declares is used.
    pub const ACCEPTED: &str = "Accepted";
    /// Ready: the last pass did all that it should.
    pub const RECONCILED: &str = "Reconciled";
    /// Not ready: the document is not valid.
    pub const INVALID: &str = "Invalid";
    /// Not ready: no estate of the namespace takes it in, or several claim to.
    pub const NO_ESTATE: &str = "NoEstate";
    /// Not ready: another estate of the namespace, an older one, takes in its objects.
    pub const CONFLICT: &str = "Conflict";
    /// Not ready: the estate is suspended.
    pub const SUSPENDED: &str = "Suspended";
    /// Not ready: where the estate is kept cannot be read.
    pub const ESTATE_UNREADABLE: &str = "EstateUnreadable";
    /// Not ready: some documents of the estate are not valid; everything else is reconciled.
    pub const DOCUMENTS_INVALID: &str = "DocumentsInvalid";
    /// Not ready: a source did not answer in full.
    pub const ANSWER_INCOMPLETE: &str = "AnswerIncomplete";
    /// Not ready: a credential is missing, or not bound to the host.
    pub const CREDENTIAL_UNUSABLE: &str = "CredentialUnusable";
    /// Not ready: the forge does not do what it is asked.
    pub const FORGE_FAILED: &str = "ForgeFailed";
    /// Not ready: the forge takes no more requests for a while.
    pub const FORGE_LIMITED: &str = "ForgeLimited";
    /// Reconciling: a pass has begun.
    pub const PROGRESSING: &str = "Progressing";
    /// Reconciling: the last pass failed, and is tried again.
    pub const RETRYING: &str = "Retrying";
    /// Reconciling or stalled: neither.
    pub const IDLE: &str = "Idle";
    /// Discovered: at least one source has it.
    pub const FOUND: &str = "Found";
    /// Not discovered: a complete answer does not have it.
    pub const MISSING: &str = "Missing";
    /// Discovered is unknown: no complete answer covers it.
    pub const NOT_COVERED: &str = "NotCovered";
    /// Discovered or in sync is unknown: the answer that covers it is not complete, or is held.
    pub const IN_DOUBT: &str = "InDoubt";
    /// In sync: no difference.
    pub const NO_DRIFT: &str = "NoDrift";
    /// Not in sync: something differs.
    pub const DRIFTED: &str = "Drifted";
    /// Compliant: no policy is broken.
    pub const NO_VIOLATION: &str = "NoViolation";
    /// Not compliant: a policy is broken.
    pub const VIOLATION: &str = "Violation";
}

/// One finding, in a line. Never a value of an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FindingLine {
    /// Its key.
    pub key: Text,
    /// Its kind, for example `Changed`.
    pub kind: Text,
    /// What of the item, for example `attributes.memory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// Its severity.
    pub severity: Text,
}

/// The status of a kind that has no other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CommonStatus {
    /// The generation that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How it is: `Ready`.
    pub conditions: Vec<Condition>,
}

/// The status of a `ConfigurationItem`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigurationItemStatus {
    /// The generation that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How it is: `Ready`, `Discovered`, `InSync`, `Compliant`.
    pub conditions: Vec<Condition>,
    /// What differs, in a word or two, for example `memory, os.version` or `Missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<Text>,
    /// The first findings, worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingLine>,
    /// How many findings there are.
    pub finding_count: u32,
    /// The change requests that would mend them, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Text>,
}

/// The status of a `CertificatePolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificatePolicyStatus {
    /// The generation that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How it is: `Ready`, `Compliant`.
    pub conditions: Vec<Condition>,
    /// The first violations, worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingLine>,
    /// How many violations there are.
    pub finding_count: u32,
}

/// The status of a `DiscoverySource`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DiscoverySourceStatus {
    /// The generation that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How it is: `Ready`.
    pub conditions: Vec<Condition>,
    /// Whether its last answer said everything that its scope covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// How many items its last answer had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
}

/// The status of an `Estate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EstateStatus {
    /// The generation that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How it is: `Ready`, `Reconciling`, `Stalled`.
    pub conditions: Vec<Condition>,
    /// The commit, or the digest of the documents, of the last pass that was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<Text>,
    /// The same of the last pass that did all that it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<Text>,
    /// The value of the annotation `bowline.dev/reconcile-requested-at` that the last pass has heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<Text>,
    /// How many items are declared.
    pub declared: u64,
    /// How many things were found.
    pub discovered: u64,
    /// How many findings there are.
    pub finding_count: u64,
    /// The same by kind.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub findings: Table<u64>,
    /// How many change requests are open.
    pub open_changes: u64,
    /// How many wait for a slot.
    pub waiting_changes: u64,
    /// The first problems, in words: documents that are not valid, sources that did not answer in full, steps that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Text>,
    /// How many problems there are.
    pub problem_count: u64,
}
