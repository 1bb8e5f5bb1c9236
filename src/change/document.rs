//! The `ChangeRequest` document under `changes/`: the record of what was proposed and, once merged, decided.

use crate::api::change_request::{ChangeRequestSpec, ChangeRequestStatus, FindingRecord, Phase};
use crate::api::{API_VERSION, Kind, Metadata, Text};

use super::Change;
use super::group::Group;

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'a str,
    kind: Kind,
    metadata: Metadata,
    spec: ChangeRequestSpec,
    status: ChangeRequestStatus,
}

/// The document as YAML.
pub fn write(change: &Change, group: &Group) -> String {
    let findings = group.findings.iter().map(|finding| FindingRecord {
        key: finding.key.clone(),
        fingerprint: finding.fingerprint.clone(),
        declared: finding.declared.clone(),
        discovered: finding.discovered.clone(),
        source: finding.source.clone(),
    });
    let spec = ChangeRequestSpec {
        kind: change.kind,
        title: Text::from(&*change.title),
        items: change.items.clone(),
        services: change.services.clone(),
        risk: change.risk.clone(),
        findings: findings.collect(),
        actions: change.actions.clone(),
        schedule: change.schedule.clone(),
        conflicts: change.conflicts.clone(),
        plan: change.plan.clone(),
    };
    let document = Written {
        api_version: API_VERSION,
        kind: Kind::ChangeRequest,
        metadata: Metadata { name: change.key.clone(), ..Metadata::default() },
        spec,
        status: ChangeRequestStatus { phase: Phase::Proposed, ..ChangeRequestStatus::default() },
    };
    // Every part of the document is a string, a number, a list or a map with string keys, all of which YAML can write.
    let yaml = serde_yaml::to_string(&document).unwrap_or_default();
    format!("# Written by Bowline. Merging the branch that carries it is the approval.\n{yaml}")
}
