//! `ChangeRequest`: what Bowline proposes, and the record of what was decided. Generated, under `changes/` of its branch.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OnDrift, Text, Value};

/// A change request: what differs, who is hurt, how risky it is, when, and how to undo it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bowline.dev",
    version = "v1alpha1",
    kind = "ChangeRequest",
    namespaced,
    shortname = "chg",
    category = "bowline",
    status = "ChangeRequestStatus",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase", description = "Where in its life it is"),
    printcolumn(name = "Risk", type_ = "string", json_path = ".spec.risk.level", description = "How risky it is"),
    printcolumn(name = "Services", type_ = "string", json_path = ".status.services", description = "The services it can hurt"),
    printcolumn(name = "Window", type_ = "string", json_path = ".spec.schedule.window", description = "The window in which it is made"),
    printcolumn(name = "Pull request", type_ = "string", json_path = ".status.url", description = "The page of its pull request"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "How long it has been here"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type", description = "Standard, Normal or Emergency", priority = 1),
    printcolumn(name = "Start", type_ = "string", json_path = ".spec.schedule.start", description = "When it is made", priority = 1),
    printcolumn(name = "Title", type_ = "string", json_path = ".spec.title", description = "What, in one line", priority = 1),
    selectable = ".status.phase",
    selectable = ".spec.risk.level"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChangeRequestSpec {
    /// Standard, Normal or Emergency.
    #[serde(rename = "type")]
    pub kind: ChangeType,
    /// What, in one line.
    pub title: Text,
    /// The items it changes.
    pub items: Vec<Text>,
    /// The services it can hurt.
    pub services: Vec<ServiceEffect>,
    /// How risky it is, and why.
    pub risk: Risk,
    /// The findings it answers.
    pub findings: Vec<FindingRecord>,
    /// What is done.
    pub actions: Vec<Action>,
    /// When; none: no window was found, see `conflicts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What stands in the way.
    pub conflicts: Vec<Text>,
    /// How it is done, undone and tested.
    pub plan: ChangePlan,
}

/// The type of a change, as change management knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ChangeType {
    /// Pre-approved: changes only what the estate says, nothing that runs.
    Standard,
    /// Judged by the board.
    #[default]
    Normal,
    /// Cannot wait for a window.
    Emergency,
}

/// What a change or a failure does to a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceEffect {
    /// The service.
    pub name: Text,
    /// How it is hurt.
    pub effect: EffectOnService,
}

/// How a service is hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum EffectOnService {
    /// It works, but one more failure would take it down.
    AtRisk,
    /// It works with less than it is meant to have.
    Degraded,
    /// It does not work.
    Down,
}

/// How risky a change is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Risk {
    /// The level that the score stands for.
    pub level: RiskLevel,
    /// The points of all factors, at most 100.
    pub score: u32,
    /// What the score is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<RiskFactor>,
}

/// Levels of risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum RiskLevel {
    #[default]
    Low,
    Moderate,
    High,
}

/// One reason for the score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RiskFactor {
    /// Its name, for example `CriticalService`.
    pub name: Text,
    /// Its points.
    pub points: u32,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// A finding as it was when the request was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindingRecord {
    /// The finding's key.
    pub key: Text,
    /// The fingerprint of its content.
    pub fingerprint: Text,
    /// What was declared.
    #[serde(default, skip_serializing_if = "Value::is_absent")]
    pub declared: Value,
    /// What was found.
    #[serde(default, skip_serializing_if = "Value::is_absent")]
    pub discovered: Value,
    /// By which source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Text>,
}

/// One thing that is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// Adopt or Enforce.
    pub kind: OnDrift,
    /// The item.
    pub item: Text,
    /// What of it, for example `attributes.memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// The value it gets.
    #[serde(default, skip_serializing_if = "Value::is_absent")]
    pub to: Value,
    /// What a person has to do where Bowline cannot make the edit itself, and why it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Text>,
}

/// When a change is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// The window.
    pub window: Text,
    /// Its start: RFC 9557, with offset and zone.
    pub start: Text,
    /// Its end.
    pub end: Text,
}

/// How a change is done, undone and tested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChangePlan {
    /// How it is done.
    pub implementation: Text,
    /// How it is undone.
    pub backout: Text,
    /// How one sees that it worked.
    pub test: Text,
}

/// The state of a change request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChangeRequestStatus {
    /// Where in its life it is.
    pub phase: Phase,
    /// The services that it can hurt, in one line: `berth-booking, customs-gateway`. For lists of requests, which cannot show
    /// a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Text>,
    /// The page of its pull request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Text>,
    /// Why it is so, in words: what it waits for, who rejected it and until when, what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Text>,
}

/// The life of a change request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Phase {
    #[default]
    New,
    Proposed,
    Approved,
    Scheduled,
    Implementing,
    Review,
    Closed,
    Rejected,
    Cancelled,
    Failed,
}

impl Phase {
    /// Every phase, in the order of a life that goes well, then the others.
    pub const ALL: [Phase; 10] = [
        Phase::New,
        Phase::Proposed,
        Phase::Approved,
        Phase::Scheduled,
        Phase::Implementing,
        Phase::Review,
        Phase::Closed,
        Phase::Rejected,
        Phase::Cancelled,
        Phase::Failed,
    ];

    /// Whether people have approved what the request says. In a cluster its `spec` is then no longer rewritten: the API
    /// server refuses that until the status has another phase.
    pub fn is_approved(self) -> bool {
        matches!(self, Phase::Approved | Phase::Scheduled | Phase::Implementing | Phase::Review | Phase::Closed)
    }
}
