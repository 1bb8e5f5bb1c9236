//! Findings as change requests: grouped, rated, scheduled, written for a board.
//!
//! ```text
//! group     which findings stand in one request
//! actions   what is done about each, and the edits of files
//! command   the same as commands, where there are objects of a cluster and no files
//! risk      how risky that is, and why
//! calendar  when                                   (its own folder)
//! document  the ChangeRequest under changes/
//! body      the same for the people of the board
//! ```

pub mod actions;
pub mod body;
mod command;
pub mod document;
pub mod edit;
pub mod group;
pub mod markdown;
pub mod risk;

use jiff::{Timestamp, Zoned};
use serde::Serialize;

use crate::api::change_request::{Action, ChangePlan, ChangeType, EffectOnService, Risk, Schedule, ServiceEffect};
use crate::api::{OnDrift, Text};
use crate::calendar::{Booking, Calendar, Decision};
use crate::drift::{Finding, FindingKind, Severity};
use crate::estate::Estate;
use crate::impact::{Impact, ServiceGraph, nearest_first};

use group::Group;

/// One change request, ready to be proposed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Stable over runs; names the branch `bowline/<key>`. Lower-case letters, digits and dashes.
    pub key: Text,
    /// A digest of all that it says: while it is the same, nothing is rewritten.
    pub fingerprint: Text,
    /// A digest of what its branch proposes: while it is the same, the branch is left, so that approvals stay.
    pub content: Text,
    /// A digest of the files that its branch edits, as they stand in the base: while it is the same, a base that has moved
    /// cannot conflict.
    #[serde(skip)]
    pub basis: Text,
    /// The owner of all its items, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// What, in one line.
    pub title: String,
    /// Standard, Normal or Emergency.
    #[serde(rename = "type")]
    pub kind: ChangeType,
    /// How risky it is, and why.
    pub risk: Risk,
    /// The items it changes, sorted.
    pub items: Vec<Text>,
    /// The services it can hurt, worst first.
    pub services: Vec<ServiceEffect>,
    /// When.
    pub schedule: Option<Schedule>,
    /// Keys of the findings it answers, sorted.
    pub findings: Vec<Text>,
    /// What is done.
    pub actions: Vec<Action>,
    /// What stands in the way.
    pub conflicts: Vec<Text>,
    /// How it is done, undone and tested.
    pub plan: ChangePlan,
    /// The files of its branch that differ from the base: edited ones, and the `ChangeRequest` under `changes/`.
    #[serde(skip)]
    pub files: Vec<FileChange>,
    /// The body for the board, in Markdown. The forge adds its hidden marker.
    #[serde(skip)]
    pub body: String,
}

/// A file as it is to be on the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path below the estate's root.
    pub path: Text,
    /// Its whole new text.
    pub text: String,
}

/// A group of findings on its way to a change request: what is known before a slot is chosen.
struct Draft<'a> {
    group: Group<'a>,
    /// Whose failure hurts whom, while the change is made.
    impacts: Vec<Impact>,
    done: actions::Done,
    kind: ChangeType,
    risk: Risk,
}

/// Groups the findings that ask for action and writes a change request for each group, sorted by key.
///
/// The riskiest chooses its slot first; what it takes is a booking for those after it.
pub fn write(estate: &Estate, findings: &[Finding], graph: &ServiceGraph, calendar: &Calendar, now: Timestamp) -> Vec<Change> {
    let mut drafts: Vec<Draft> = group::group(estate, findings).into_iter().map(|group| draft(estate, group, graph)).collect();
    drafts.sort_by(|a, b| b.risk.score.cmp(&a.risk.score).then_with(|| a.group.key.cmp(&b.group.key)));

    let mut bookings = merged_bookings(estate);
    let mut changes = Vec::with_capacity(drafts.len());
    for draft in drafts {
        // A request that was merged before under this key is the one now written again; it does not collide with itself.
        let others: Vec<Booking> = bookings.iter().filter(|booking| booking.change != draft.group.key).cloned().collect();
        let decision = needs_slot(&draft).then(|| calendar.next_slot(&draft.group.items, &others, now));
        if let Some(slot) = decision.as_ref().and_then(|decision| decision.slot.as_ref()) {
            bookings.push(Booking {
                change: draft.group.key.clone(),
                items: draft.group.items.clone(),
                start: slot.start.timestamp(),
                end: slot.end.timestamp(),
            });
        }
        changes.push(finish(estate, graph, draft, decision.as_ref()));
    }
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

/// Adopting only edits the record: nothing that runs is touched, so no window is needed.
fn needs_slot(draft: &Draft) -> bool {
    draft.group.action == OnDrift::Enforce
}

fn draft<'a>(estate: &Estate, group: Group<'a>, graph: &ServiceGraph) -> Draft<'a> {
    let mut impacts = if group.action == OnDrift::Enforce { graph.effects_of(&group.items) } else { Vec::new() };
    nearest_first(&mut impacts);
    let done = actions::carry_out(estate, &group);
    let kind = change_type(&group);
    let risk = risk::rate(estate, &group, &impacts);
    Draft { group, impacts, done, kind, risk }
}

fn change_type(group: &Group) -> ChangeType {
    let urgent = |finding: &&Finding| finding.kind == FindingKind::Certificate && finding.severity == Severity::Critical;
    if group.action == OnDrift::Adopt {
        ChangeType::Standard
    } else if group.findings.iter().any(urgent) {
        ChangeType::Emergency
    } else {
        ChangeType::Normal
    }
}

fn finish(estate: &Estate, graph: &ServiceGraph, draft: Draft, decision: Option<&Decision>) -> Change {
    let Draft { group, impacts, done, kind, mut risk } = draft;
    let slot = decision.and_then(|decision| decision.slot.as_ref());
    let mut conflicts = done.conflicts;
    if let Some(decision) = decision.filter(|decision| decision.slot.is_none()) {
        conflicts.push(format!("No slot: {}", decision.reason).into());
        risk::add_missing_window(&mut risk, &decision.reason);
    }
    let mut change = Change {
        fingerprint: Text::default(),
        content: Text::default(),
        basis: Text::default(),
        owner: group.owner.clone().or_else(|| common_owner(&group)),
        title: group.title(),
        kind,
        risk,
        items: group.items.clone(),
        services: impacts.iter().map(|impact| impact.effect.clone()).collect(),
        schedule: slot.map(|slot| Schedule { window: slot.window.clone(), start: slot.start.to_string().into(), end: slot.end.to_string().into() }),
        findings: group.findings.iter().map(|finding| finding.key.clone()).collect(),
        plan: actions::describe(estate, &group, &done.actions, slot),
        actions: done.actions,
        conflicts,
        files: done.files,
        body: String::new(),
        key: group.key.clone(),
    };
    let document = document::write(&change, &group);
    let mut parts = vec![document.clone()];
    change.files.push(FileChange { path: format!("changes/{}.yaml", change.key).into(), text: document });
    let written = body::write(&body::Context { estate, graph, group: &group, change: &change, impacts: &impacts, decision });
    change.body = written.text;
    if let Some(whole) = written.whole {
        parts.push(whole.clone());
        change.files.push(FileChange { path: format!("changes/{}.md", change.key).into(), text: whole });
    }
    change.content = Finding::digest(&parts.iter().map(String::as_str).collect::<Vec<_>>());
    change.basis = basis(estate, &change.files);
    change.fingerprint = fingerprint(&change);
    change
}

/// The text of the edited files counts by what is edited in them, which the document says: that somebody else edits
/// another line of the same file is no reason to write the request again.
fn fingerprint(change: &Change) -> Text {
    let mut parts = vec![&*change.title, &*change.body, &*change.content];
    parts.extend(change.files.iter().map(|file| &*file.path));
    Finding::digest(&parts)
}

fn basis(estate: &Estate, files: &[FileChange]) -> Text {
    let mut parts = Vec::new();
    for file in files {
        let text = estate.files.iter().find(|known| *known.path == *file.path).map_or("", |known| &*known.text);
        parts.extend([&*file.path, text]);
    }
    Finding::digest(&parts)
}

/// The owner of every finding's item, where the group was not made by owner.
fn common_owner(group: &Group) -> Option<Text> {
    let first = group.findings.first()?.owner.as_ref()?;
    group.findings.iter().all(|finding| finding.owner.as_ref() == Some(first)).then(|| first.clone())
}

/// The slots that merged change requests hold.
fn merged_bookings(estate: &Estate) -> Vec<Booking> {
    let booking = |request: &crate::estate::Declared<crate::api::ChangeRequestSpec>| {
        let schedule = request.spec.schedule.as_ref()?;
        let start: Zoned = schedule.start.parse().ok()?;
        let end: Zoned = schedule.end.parse().ok()?;
        Some(Booking { change: request.name.clone(), items: request.spec.items.clone(), start: start.timestamp(), end: end.timestamp() })
    };
    estate.requests.iter().filter_map(booking).collect()
}

/// How bad an effect is, as a word.
pub fn effect_name(effect: EffectOnService) -> &'static str {
    match effect {
        EffectOnService::AtRisk => "AtRisk",
        EffectOnService::Degraded => "Degraded",
        EffectOnService::Down => "Down",
    }
}
