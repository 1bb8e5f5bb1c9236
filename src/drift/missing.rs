//! `Missing`: declared, and absent by the word of a source that would have seen it (rule 2).
//!
//! An item is missing if no source found it, at least one complete answer covers it, and no source that covers it failed,
//! was cut short, is held or was not asked: that one might have seen it.

use super::context::{Context, Item, Source, is_expected, list};
use super::mass_absence::Held;
use super::{Finding, FindingKind, Severity};
use crate::api::{Text, Value};

/// The indices of the items that should be there and that nobody found. Not among them: those that a doubtful observation
/// may be, and those that a document that cannot be read speaks of.
pub(super) fn absent(context: &Context) -> Vec<usize> {
    let doubtful: std::collections::HashSet<u32> = context.correlation.ambiguities.iter().flat_map(|doubt| doubt.items.iter().copied()).collect();
    let items = context.estate.items.iter().enumerate().filter(|(place, item)| is_expected(item) && context.correlation.of(*place).is_empty());
    items.map(|(place, _)| place).filter(|place| u32::try_from(*place).is_ok_and(|place| !doubtful.contains(&place))).collect()
}

/// One finding for each of the `absent` items whose absence is earned.
pub(super) fn find(context: &Context, absent: &[usize], held: &[Option<Held>]) -> Vec<Finding> {
    absent.iter().filter_map(|place| context.estate.items.get(*place)).filter_map(|item| finding(context, item, held)).collect()
}

fn finding(context: &Context, item: &Item, held: &[Option<Held>]) -> Option<Finding> {
    let covering: Vec<(&Source, bool)> = context
        .sources
        .iter()
        .zip(held)
        .filter(|(source, _)| context.covers(source, item))
        .map(|(source, held)| (source, source.answer.complete && held.is_none()))
        .collect();
    if covering.is_empty() || covering.iter().any(|(_, sure)| !sure) || context.unasked_covers(item) {
        return None;
    }
    let mut sources: Vec<&Source> = covering.into_iter().map(|(source, _)| source).collect();
    sources.sort_by(|one, other| one.answer.source.cmp(&other.answer.source));
    let names: Vec<&Text> = sources.iter().map(|source| &source.answer.source).collect();
    let stage = format!("{:?}", item.spec.lifecycle);
    let (verb, its) = if names.len() == 1 { ("says", "its") } else { ("say", "their") };
    Some(Finding {
        fingerprint: Finding::digest(&[FindingKind::Missing.name(), &item.name, &stage]),
        declared: Value::from(stage.clone()),
        source: names.first().map(|name| (*name).clone()),
        seen: sources.iter().map(|source| source.answer.at).max(),
        severity: Severity::High,
        action: context.action(item),
        message: format!("{} is declared {stage} and is not there: {} {verb} that {its} answer is complete, and does not name it.", item.name, list(&names)),
        rule: format!("absence: the scope of {} covers it, and no source that covers it failed or was cut short", list(&names)),
        remedy: "Bring it back, or declare it Retired.".to_owned(),
        evidence: sources.iter().map(|source| &source.answer.evidence).filter(|place| !place.is_empty()).cloned().collect(),
        ..context.about_item(FindingKind::Missing, item, None, "lifecycle")
    })
}
