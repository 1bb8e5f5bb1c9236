//! `Estate`: the unit that is reconciled as a whole. In git it is the file `bowline.yaml`.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared::DriftPolicy;
use super::status::EstateStatus;
use super::{Percent, Period, Table, Text, Zone};

/// Where an estate is declared, where its change requests go, and its limits.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "bowline.dev", version = "v1alpha1", kind = "Estate", namespaced, category = "bowline", status = "EstateStatus", shortname = "est")]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EstateSpec {
    /// The git repository in which it is declared. Left out: the folder in which this document stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// Where change requests go; exactly one. Left out: local.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forge: Option<Forge>,
    /// The zone of times that name none. Default: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Zone>,
    /// How often it is reconciled. Default: 5m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Period>,
    /// How change requests are made.
    pub changes: Changes,
    /// What to do about drift where neither item nor class says. Default: Report.
    pub on_drift: DriftPolicy,
    /// Brakes.
    pub safety: Safety,
    /// Nothing is proposed while true. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

impl EstateSpec {
    /// How often it is reconciled, in seconds. Default: 300.
    pub fn interval_seconds(&self) -> i64 {
        self.interval.as_ref().map_or(300, Period::seconds).max(1)
    }
}

/// A git repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Git {
    /// Its address: `https://…`, `ssh://…`, `user@host:path`, `file://…` or a path.
    pub url: Text,
    /// The branch. Default: the repository's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Text>,
    /// The folder of the estate in it. Default: its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
    /// The name of the operator's credential for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Text>,
}

/// Where change requests go: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Forge {
    /// Branches in the estate's own repository; nothing but git is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalForge>,
    /// Pull requests on GitHub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github: Option<RemoteForge>,
    /// Pull requests on Gitea or Forgejo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gitea: Option<RemoteForge>,
}

/// The local forge has no settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalForge {}

/// A forge that is reached over the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteForge {
    /// Its address. Default for GitHub: `https://api.github.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Text>,
    /// The repository, as `owner/name`.
    pub repository: Text,
    /// The name of the operator's credential for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Text>,
}

/// How change requests are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Changes {
    /// What findings must share to stand in one request. Default: Owner and Service.
    pub group_by: Vec<GroupBy>,
    /// How many may be open at once. Default: 10.
    pub max_open: u32,
    /// How many may be opened in an hour. Default: 20.
    pub max_per_hour: u32,
    /// Labels of the pull requests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Text>,
    /// Who is asked to review. A name with a slash is a team: `org/team`.
    pub reviewers: People,
    /// To whom it is assigned.
    pub assignees: People,
    /// Whether pull requests begin as drafts. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub draft: bool,
    /// The milestone of the pull requests, by its title. It must exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milestone: Option<Text>,
    /// Whether one issue shows all findings, and what waits for a slot or was rejected. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dashboard: bool,
    /// When an open request is built anew because its base branch has moved. Default: Conflicted.
    #[serde(skip_serializing_if = "RebaseWhen::is_default")]
    pub rebase_when: RebaseWhen,
    /// How long a rejected change stays rejected while its drift stays the same. Default: 90d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_for: Option<Period>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            group_by: vec![GroupBy::Owner, GroupBy::Service],
            max_open: 10,
            max_per_hour: 20,
            labels: Vec::new(),
            reviewers: People::default(),
            assignees: People::default(),
            draft: false,
            milestone: None,
            dashboard: false,
            rebase_when: RebaseWhen::default(),
            rejected_for: None,
        }
    }
}

/// What findings of one request share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GroupBy {
    /// The owner of the item.
    Owner,
    /// The services that are hurt.
    Service,
    /// The class of the item.
    Class,
    /// The item itself.
    Item,
}

/// When an open request is built anew because its base branch has moved. Building anew dismisses approvals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RebaseWhen {
    /// When it can no longer be merged.
    #[default]
    Conflicted,
    /// Whenever the base branch has moved.
    Behind,
    /// Never by itself; the label `bowline/rebuild` asks for it.
    Never,
}

impl RebaseWhen {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Accounts by owner of the items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct People {
    /// Accounts by owner. `"*"` stands for items of any other owner or of none.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub owners: Table<Vec<Text>>,
}

/// Brakes against answers that are too small to be true, and against what flickers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Safety {
    /// The share of a source's items that may vanish at once before the answer is held. Default: 20%.
    pub mass_absence: Percent,
    /// In how many surveys in a row, each complete, an item must be absent before it is missing: what flickers is no
    /// finding. Default: 1.
    pub minimum_findings: u32,
}

impl Default for Safety {
    fn default() -> Self {
        Self { mass_absence: Percent(20.0), minimum_findings: 1 }
    }
}
