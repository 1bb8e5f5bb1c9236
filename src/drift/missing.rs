//! `Missing`: declared, and absent by the word of a source that would have seen it (rule 2).
//!
//! An item is missing if no source found it, at least one complete answer covers it, and no source that covers it failed,
//! was cut short, is held, was not asked, or says nothing but what is stale: that one might have seen it. Where the estate wants that of several surveys in
//! a row (`safety.minimumFindings`), it is missing from the last of them on, so that what flickers is no finding.

use super::context::{Context, Item, Source, is_expected, list};
use super::mass_absence::Held;
use super::{Finding, FindingKind, Severity};
use crate::api::{Text, Value};
use jiff::Timestamp;
use std::collections::HashSet;

/// The indices of the items that should be there and that nobody found. Not among them: those that a doubtful observation
/// may be, and those that a document that cannot be read speaks of.
pub(super) fn absent(context: &Context) -> Vec<usize> {
    let doubtful: HashSet<u32> = context.correlation.ambiguities.iter().flat_map(|doubt| doubt.items.iter().copied()).collect();
    let items = context.estate.items.iter().enumerate().filter(|(place, item)| is_expected(item) && context.correlation.of(*place).is_empty());
    items.map(|(place, _)| place).filter(|place| u32::try_from(*place).is_ok_and(|place| !doubtful.contains(&place))).collect()
}

/// What one survey says of absence, to be remembered for the next. Items of which it says nothing stay as they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absences {
    /// Items whose absence was earned.
    pub earned: Vec<Text>,
    /// How many of them were not absent in enough surveys yet to be a finding.
    pub waiting: usize,
    /// Items that were absent before and are not any longer: they were found, or are not expected.
    pub ended: Vec<Text>,
}

/// One finding for each of the `absent` items whose absence is earned, in as many surveys as the estate wants.
pub(super) fn find(context: &Context, absent: &[usize], held: &[Option<Held>], now: Timestamp) -> (Vec<Finding>, Absences) {
    let mut absences = Absences { ended: ended(context, absent), ..Absences::default() };
    let mut findings = Vec::new();
    for item in absent.iter().filter_map(|place| context.estate.items.get(*place)) {
        let surveys = surveys(context, item, now);
        let Some(finding) = finding(context, item, held, surveys) else { continue };
        absences.earned.push(item.name.clone());
        if surveys < context.estate.spec.safety.minimum_findings {
            absences.waiting += 1;
        } else {
            findings.push(finding);
        }
    }
    (findings, absences)
}

/// In how many surveys in a row the item is absent, this one counted. What is asked again for one instant is one survey.
fn surveys(context: &Context, item: &Item, now: Timestamp) -> u32 {
    match context.discovered.history.absent.get(&item.name) {
        Some(known) if known.last < now => known.surveys.saturating_add(1),
        Some(known) => known.surveys.max(1),
        None => 1,
    }
}

fn ended(context: &Context, absent: &[usize]) -> Vec<Text> {
    let known = &context.discovered.history.absent;
    if known.is_empty() {
        return Vec::new();
    }
    let still: HashSet<&Text> = absent.iter().filter_map(|place| context.estate.items.get(*place)).map(|item| &item.name).collect();
    // What a document that cannot be read speaks of is neither there nor gone.
    known.keys().filter(|name| !still.contains(name) && !context.unread.of(name)).cloned().collect()
}

fn finding(context: &Context, item: &Item, held: &[Option<Held>], surveys: u32) -> Option<Finding> {
    let covering: Vec<(&Source, bool)> = context
        .sources
        .iter()
        .zip(held)
        .filter(|(source, _)| context.covers(source, item))
        .map(|(source, held)| (source, source.answer.complete && held.is_none() && !source.is_old))
        .collect();
    if covering.is_empty() || covering.iter().any(|(_, sure)| !sure) || context.unasked_covers(item) {
        return None;
    }
    let mut sources: Vec<&Source> = covering.into_iter().map(|(source, _)| source).collect();
    sources.sort_by(|one, other| one.answer.source.cmp(&other.answer.source));
    let names: Vec<&Text> = sources.iter().map(|source| &source.answer.source).collect();
    let stage = format!("{:?}", item.spec.lifecycle);
    let times = if surveys > 1 { format!(", in {surveys} surveys in a row") } else { String::new() };
    let (verb, its) = if names.len() == 1 { ("says", "its") } else { ("say", "their") };
    Some(Finding {
        fingerprint: Finding::digest(&[FindingKind::Missing.name(), &item.name, &stage]),
        declared: Value::from(stage.clone()),
        source: names.first().map(|name| (*name).clone()),
        seen: sources.iter().map(|source| source.answer.at).max(),
        severity: Severity::High,
        action: context.action(item),
        message: format!(
            "{} is declared {stage} and is not there: {} {verb} that {its} answer is complete, and does not name it{times}.",
            item.name,
            list(&names)
        ),
        rule: format!("absence: the scope of {} covers it, and no source that covers it failed or was cut short", list(&names)),
        remedy: "Bring it back, or declare it Retired.".to_owned(),
        evidence: sources.iter().map(|source| &source.answer.evidence).filter(|place| !place.is_empty()).cloned().collect(),
        ..context.about_item(FindingKind::Missing, item, None, "lifecycle")
    })
}
