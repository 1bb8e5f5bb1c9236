//! What the status of each object should be, from what a pass knows. Pure: the clock is a parameter.
//!
//! A status says nothing that changes by itself, and a condition keeps the instant of its last transition, so that a pass
//! without news makes the very same statuses. No status holds a value of an attribute.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::status::{
    CertificatePolicyStatus, CommonStatus, ConfigurationItemStatus, DiscoverySourceStatus, EstateStatus, FindingLine, MOST_LISTED, condition as types, reason,
};
use crate::api::{ChangeRequestStatus, Kind, Text};
use crate::change::Change;
use crate::change::markdown::one_line;
use crate::drift::{Finding, FindingKind};
use crate::estate::{Diagnostic, Estate, cluster};
use crate::plan::{Plan, SourceReport};

/// The longest message of a condition and the longest problem, in characters.
const LONGEST_MESSAGE: usize = 500;
/// How many paths are named where an item differs.
const NAMED: usize = 3;

/// A status as Bowline would write it: fields that it does not know are left out. Of what is no such status, all of it,
/// so that it differs from every status that could be written.
pub fn canonical(kind: Kind, status: &Value) -> Text {
    fn typed<T: Serialize + DeserializeOwned>(status: &Value) -> Option<String> {
        serde_json::to_string(&T::deserialize(status).ok()?).ok()
    }
    if status.is_null() {
        return "".into();
    }
    let text = match kind {
        _ if !status.is_object() => None,
        Kind::Estate => typed::<EstateStatus>(status),
        Kind::ConfigurationItem => typed::<ConfigurationItemStatus>(status),
        Kind::CertificatePolicy => typed::<CertificatePolicyStatus>(status),
        Kind::DiscoverySource => typed::<DiscoverySourceStatus>(status),
        Kind::CIClass | Kind::ServiceMap | Kind::PatchWindow => typed::<CommonStatus>(status),
        Kind::ChangeRequest => typed::<ChangeRequestStatus>(status),
    };
    text.unwrap_or_else(|| status.to_string()).into()
}

/// A status as it stands; an empty one where it is none of this kind.
pub fn standing<T: Default + DeserializeOwned>(status: &str) -> T {
    serde_json::from_str(status).unwrap_or_default()
}

/// An object about whose status something is said.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: &'a str,
    /// The path of its file in the estate.
    pub path: &'a str,
    /// Which specification the pass has read.
    pub generation: i64,
    /// Its status as it stands, as JSON.
    pub status: &'a str,
}

/// Some of each name.
type ByName<'a, T> = HashMap<&'a str, Vec<T>>;

/// What a pass knows of an estate's objects, ready for many questions.
pub struct Known<'a> {
    plan: &'a Plan,
    found: HashMap<&'a str, bool>,
    errors: BTreeMap<&'a str, Vec<&'a Diagnostic>>,
    by_item: HashMap<&'a str, Vec<&'a Finding>>,
    by_policy: HashMap<&'a str, Vec<&'a Finding>>,
    changes: HashMap<&'a str, Vec<&'a Change>>,
    sources: HashMap<&'a str, &'a SourceReport>,
    in_doubt: bool,
    now: Timestamp,
}

impl<'a> Known<'a> {
    /// Of a plan, with for each item whether it was found. `now` is the instant of what changes now.
    pub fn new(estate: &'a Estate, plan: &'a Plan, found: &[bool], now: Timestamp) -> Self {
        let (mut by_item, mut by_policy): (ByName<'_, &Finding>, ByName<'_, &Finding>) = (HashMap::new(), HashMap::new());
        let mut by_key: HashMap<&str, &Finding> = HashMap::new();
        let mut worst_first: Vec<&Finding> = plan.findings.iter().collect();
        worst_first.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.key.cmp(&b.key)));
        for finding in worst_first {
            by_item.entry(&finding.item).or_default().push(finding);
            by_key.insert(&finding.key, finding);
            if let Some(policy) = policy_of(finding) {
                by_policy.entry(policy).or_default().push(finding);
            }
        }
        let mut changes: HashMap<&str, Vec<&Change>> = HashMap::new();
        for change in &plan.changes {
            for finding in change.findings.iter().filter_map(|key| by_key.get(&**key)) {
                let of_item = changes.entry(&finding.item).or_default();
                if of_item.last().is_none_or(|last| last.key != change.key) {
                    of_item.push(change);
                }
            }
        }
        let held = plan.findings.iter().any(|finding| finding.kind == FindingKind::MassAbsence);
        Self {
            found: estate.items.iter().zip(found).map(|(item, found)| (&*item.name, *found)).collect(),
            errors: cluster::problems(estate, false),
            by_item,
            by_policy,
            changes,
            sources: plan.sources.iter().map(|source| (&*source.name, source)).collect(),
            in_doubt: held || plan.sources.iter().any(|source| !source.complete),
            plan,
            now: whole_seconds(now),
        }
    }

    /// The status that an object should have, as JSON. None for kinds that this is not about.
    pub fn status(&self, about: About<'_>) -> Option<Value> {
        match about.kind {
            Kind::ConfigurationItem => serde_json::to_value(self.item(about)).ok(),
            Kind::CertificatePolicy => serde_json::to_value(self.policy(about)).ok(),
            Kind::DiscoverySource => serde_json::to_value(self.source(about)).ok(),
            Kind::CIClass | Kind::ServiceMap | Kind::PatchWindow => serde_json::to_value(self.common(about)).ok(),
            Kind::Estate | Kind::ChangeRequest => None,
        }
    }

    fn writer<'s>(&self, about: About<'_>, standing: &'s [Condition]) -> Writer<'s> {
        Writer { generation: about.generation, standing, now: self.now }
    }

    /// `Ready`, and whether the object is used.
    fn ready(&self, writer: &Writer<'_>, about: About<'_>) -> (Condition, bool) {
        match self.errors.get(about.path).and_then(|errors| errors.first().map(|first| (first, errors.len() - 1))) {
            None => (writer.condition(types::READY, Some(true), reason::ACCEPTED, "Everything that it declares is used."), true),
            Some((first, more)) => {
                let more = if more == 0 { String::new() } else { format!("; and {more} more") };
                (writer.condition(types::READY, Some(false), reason::INVALID, &format!("{}{more}", told(first))), false)
            }
        }
    }

    fn common(&self, about: About<'_>) -> CommonStatus {
        let standing: CommonStatus = standing(about.status);
        let writer = self.writer(about, &standing.conditions);
        CommonStatus { observed_generation: Some(about.generation), conditions: vec![self.ready(&writer, about).0] }
    }

    fn item(&self, about: About<'_>) -> ConfigurationItemStatus {
        let standing: ConfigurationItemStatus = standing(about.status);
        let writer = self.writer(about, &standing.conditions);
        let (ready, used) = self.ready(&writer, about);
        let mut conditions = vec![ready];
        if !used {
            // What it declares is not known, so nothing is concluded about it (rule 5).
            let unknown = |kind| writer.condition(kind, None, reason::INVALID, "The document is not valid.");
            conditions.extend([types::DISCOVERED, types::IN_SYNC, types::COMPLIANT].map(unknown));
            return ConfigurationItemStatus { observed_generation: Some(about.generation), conditions, ..ConfigurationItemStatus::default() };
        }
        let findings = self.by_item.get(about.name).map(Vec::as_slice).unwrap_or_default();
        let findings: Vec<&Finding> = findings.iter().copied().filter(|finding| is_of_item(finding)).collect();
        let (broken, drift): (Vec<&Finding>, Vec<&Finding>) = findings.iter().copied().partition(|finding| finding.kind == FindingKind::Certificate);
        let discovered = self.discovered(&writer, about, &drift);
        conditions.push(discovered.clone());
        conditions.push(in_sync(&writer, &discovered, &drift));
        conditions.push(compliant(&writer, &broken));
        ConfigurationItemStatus {
            observed_generation: Some(about.generation),
            conditions,
            drift: in_words(&drift).map(Text::from),
            finding_count: count(findings.len()),
            findings: lines(&findings),
            changes: self.changes.get(about.name).into_iter().flatten().take(MOST_LISTED).map(|change| change.key.clone()).collect(),
        }
    }

    fn discovered(&self, writer: &Writer<'_>, about: About<'_>, drift: &[&Finding]) -> Condition {
        let missing = drift.iter().any(|finding| finding.kind == FindingKind::Missing);
        let (status, reason, message) = if self.found.get(about.name) == Some(&true) {
            (Some(true), reason::FOUND, "A source has found it.")
        } else if missing {
            (Some(false), reason::MISSING, "A complete answer covers it and does not have it.")
        } else if self.in_doubt {
            (None, reason::IN_DOUBT, "No source has found it, and not every answer is complete and believed.")
        } else {
            (None, reason::NOT_COVERED, "No source has found it, and none concludes that it is missing.")
        };
        writer.condition(types::DISCOVERED, status, reason, message)
    }

    fn policy(&self, about: About<'_>) -> CertificatePolicyStatus {
        let standing: CertificatePolicyStatus = standing(about.status);
        let writer = self.writer(about, &standing.conditions);
        let (ready, used) = self.ready(&writer, about);
        let broken = self.by_policy.get(about.name).map(Vec::as_slice).unwrap_or_default();
        let compliant = if used { compliant(&writer, broken) } else { writer.condition(types::COMPLIANT, None, reason::INVALID, "The document is not valid.") };
        CertificatePolicyStatus {
            observed_generation: Some(about.generation),
            conditions: vec![ready, compliant],
            findings: lines(broken),
            finding_count: count(broken.len()),
        }
    }

    fn source(&self, about: About<'_>) -> DiscoverySourceStatus {
        let standing: DiscoverySourceStatus = standing(about.status);
        let writer = self.writer(about, &standing.conditions);
        let (mut ready, used) = self.ready(&writer, about);
        let report = self.sources.get(about.name).filter(|_| used);
        match report {
            Some(report) if !report.complete => {
                let why = report.error.as_deref().unwrap_or("it does not say why");
                ready = writer.condition(types::READY, Some(false), reason::ANSWER_INCOMPLETE, why);
            }
            None if used => ready = writer.condition(types::READY, Some(false), reason::SUSPENDED, "It is suspended, so it is not asked."),
            _ => (),
        }
        DiscoverySourceStatus {
            observed_generation: Some(about.generation),
            conditions: vec![ready],
            complete: report.map(|report| report.complete),
            items: report.map(|report| report.items as u64),
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        self.plan
    }
}

/// Whether a finding is about the item of its name, and not about a source or about something that nobody declared.
fn is_of_item(finding: &Finding) -> bool {
    !matches!(finding.kind, FindingKind::MassAbsence | FindingKind::Undeclared)
}

fn in_sync(writer: &Writer<'_>, discovered: &Condition, drift: &[&Finding]) -> Condition {
    if let Some(words) = in_words(drift) {
        return writer.condition(types::IN_SYNC, Some(false), reason::DRIFTED, &format!("What was found is not what is declared: {words}."));
    }
    match &*discovered.status {
        "True" => writer.condition(types::IN_SYNC, Some(true), reason::NO_DRIFT, "What was found is what is declared."),
        _ => writer.condition(types::IN_SYNC, None, &discovered.reason, "There is nothing to compare with."),
    }
}

fn compliant(writer: &Writer<'_>, broken: &[&Finding]) -> Condition {
    let rules = if broken.len() == 1 { "rule is" } else { "rules are" };
    match broken.len() {
        0 => writer.condition(types::COMPLIANT, Some(true), reason::NO_VIOLATION, "No policy is broken."),
        number => writer.condition(types::COMPLIANT, Some(false), reason::VIOLATION, &format!("{number} {rules} broken; the findings list them.")),
    }
}

/// What differs, in a word or two; none where nothing does.
fn in_words(drift: &[&Finding]) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    for word in drift.iter().map(|finding| finding.word().to_owned()) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let more = words.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!(" and {more} more")).unwrap_or_default();
    (!words.is_empty()).then(|| cut(&format!("{}{more}", words.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", "))))
}

fn lines(findings: &[&Finding]) -> Vec<FindingLine> {
    let line = |finding: &&Finding| FindingLine {
        key: finding.key.clone(),
        kind: finding.kind.name().into(),
        path: finding.path.clone(),
        severity: format!("{:?}", finding.severity).into(),
    };
    findings.iter().take(MOST_LISTED).map(line).collect()
}

/// The policy that a finding of a certificate is about, by what its rule says: `policy NAME: …`.
fn policy_of(finding: &Finding) -> Option<&str> {
    let rule = finding.rule.strip_prefix("policy ").filter(|_| finding.kind == FindingKind::Certificate)?;
    rule.split_once(": ").map(|(name, _)| name)
}

/// A problem of a document, in words, without the line: nobody sees an object as a file.
pub fn told(diagnostic: &Diagnostic) -> String {
    let hint = diagnostic.hint.as_ref().filter(|_| !diagnostic.private).map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}{hint}", diagnostic.message)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// One line of bounded length.
pub fn cut(text: &str) -> String {
    let line = one_line(text);
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// The API server keeps whole seconds.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Writes conditions of one object.
struct Writer<'a> {
    generation: i64,
    standing: &'a [Condition],
    now: Timestamp,
}

impl Writer<'_> {
    /// A condition; `None` is unknown. It keeps the instant of its last transition while its status stays the same.
    fn condition(&self, kind: &str, status: Option<bool>, reason: &str, message: &str) -> Condition {
        let status = status.map_or("Unknown", |status| if status { "True" } else { "False" });
        let standing = self.standing.iter().find(|standing| standing.type_ == kind && standing.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: cut(message),
            observed_generation: Some(self.generation),
            last_transition_time: standing.map_or(Time(self.now), |standing| standing.last_transition_time.clone()),
        }
    }
}

/// The status of an object that no estate takes in, as JSON.
pub fn nobodys(about: About<'_>, message: &str, now: Timestamp) -> Option<Value> {
    let standing: CommonStatus = standing(about.status);
    let writer = Writer { generation: about.generation, standing: &standing.conditions, now: whole_seconds(now) };
    let conditions = vec![writer.condition(types::READY, Some(false), reason::NO_ESTATE, message)];
    let observed_generation = Some(about.generation);
    let status = match about.kind {
        Kind::ConfigurationItem => serde_json::to_value(ConfigurationItemStatus { observed_generation, conditions, ..ConfigurationItemStatus::default() }),
        Kind::CertificatePolicy => serde_json::to_value(CertificatePolicyStatus { observed_generation, conditions, ..CertificatePolicyStatus::default() }),
        Kind::DiscoverySource => serde_json::to_value(DiscoverySourceStatus { observed_generation, conditions, ..DiscoverySourceStatus::default() }),
        Kind::CIClass | Kind::ServiceMap | Kind::PatchWindow => serde_json::to_value(CommonStatus { observed_generation, conditions }),
        Kind::Estate | Kind::ChangeRequest => return None,
    };
    status.ok()
}

/// How a pass over an estate ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    /// Why it is not as it should be, worst first: a reason of [`reason`] and in words. Empty: all is well.
    pub troubles: Vec<(&'static str, String)>,
    /// Whether only a person can mend it.
    pub stalled: bool,
    /// Whether it is tried again soon.
    pub retrying: bool,
}

/// What is told of an estate besides how its pass ended.
#[derive(Clone, Debug, Default)]
pub struct Tally<'a> {
    /// The plan; none where none could be made, and what was told before stays.
    pub plan: Option<&'a Plan>,
    /// The commit or the digest of what was read.
    pub revision: Option<Text>,
    /// The request that was heard.
    pub requested_at: Option<Text>,
    /// How many change requests are open.
    pub open: u64,
    /// How many wait.
    pub waiting: u64,
    /// Problems in words.
    pub problems: Vec<String>,
}

/// The status of an estate after a pass.
pub fn estate(about: About<'_>, ending: &Ending, tally: &Tally<'_>, now: Timestamp) -> EstateStatus {
    let mut status: EstateStatus = standing(about.status);
    let standing = std::mem::take(&mut status.conditions);
    let writer = Writer { generation: about.generation, standing: &standing, now: whole_seconds(now) };
    status.observed_generation = Some(about.generation);
    let worst = ending.troubles.first();
    let (is, why, message) = worst.map_or((true, reason::RECONCILED, "The last pass did all that it should."), |(why, message)| (false, why, message));
    status.conditions = vec![
        writer.condition(types::READY, Some(is), why, message),
        if ending.retrying {
            writer.condition(types::RECONCILING, Some(true), reason::RETRYING, "The last pass failed and is tried again.")
        } else {
            writer.condition(types::RECONCILING, Some(false), reason::IDLE, "No pass is under way.")
        },
        match (ending.stalled, worst) {
            (true, Some((why, message))) => writer.condition(types::STALLED, Some(true), why, message),
            _ => writer.condition(types::STALLED, Some(false), reason::IDLE, "Nothing waits for a person."),
        },
    ];
    if tally.revision.is_some() {
        status.last_attempted_revision.clone_from(&tally.revision);
        if is {
            status.last_applied_revision.clone_from(&tally.revision);
        }
    }
    status.last_handled_reconcile_at = tally.requested_at.clone().or(status.last_handled_reconcile_at);
    if let Some(plan) = tally.plan {
        status.declared = plan.summary.declared as u64;
        status.discovered = plan.summary.discovered as u64;
        status.finding_count = plan.findings.len() as u64;
        status.findings = plan.summary.findings.iter().map(|(kind, number)| (*kind, *number as u64)).collect();
        status.open_changes = tally.open;
        status.waiting_changes = tally.waiting;
    }
    status.problem_count = tally.problems.len() as u64;
    status.problems = tally.problems.iter().take(MOST_LISTED).map(|problem| cut(problem).into()).collect();
    status
}

/// The status of an estate whose pass has begun: told only where the pass is the first over its specification.
pub fn begun(about: About<'_>, now: Timestamp) -> Option<EstateStatus> {
    let mut status: EstateStatus = standing(about.status);
    if status.observed_generation == Some(about.generation) {
        return None;
    }
    let standing = std::mem::take(&mut status.conditions);
    let writer = Writer { generation: about.generation, standing: &standing, now: whole_seconds(now) };
    let told = writer.condition(types::RECONCILING, Some(true), reason::PROGRESSING, "A pass has begun.");
    status.conditions = standing.iter().filter(|standing| standing.type_ != types::RECONCILING).cloned().chain([told]).collect();
    Some(status)
}

/// Whether a condition of this type stands with this status.
pub fn stands(status: &str, kind: &str, is: &str) -> bool {
    condition_of(status, kind).is_some_and(|condition| condition.status == is)
}

/// The reason of the condition of this type.
pub fn reason_of(status: &str, kind: &str) -> Option<String> {
    condition_of(status, kind).map(|condition| condition.reason)
}

/// The message of the condition of this type.
pub fn message_of(status: &str, kind: &str) -> Option<String> {
    condition_of(status, kind).map(|condition| condition.message)
}

fn condition_of(status: &str, kind: &str) -> Option<Condition> {
    /// What all statuses have.
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Conditions {
        conditions: Vec<Condition>,
    }
    let standing: Conditions = standing(status);
    standing.conditions.into_iter().find(|condition| condition.type_ == kind)
}

#[cfg(test)]
mod tests;
