//! `Lingering`: found, though it is declared Planned or Retired.

use super::context::{Context, Item, is_unexpected};
use super::{Finding, FindingKind, Severity};
use crate::api::{Lifecycle, Value};

/// One finding for each item that should not be there and was seen of late.
pub(super) fn find(context: &Context) -> Vec<Finding> {
    let items = context.estate.items.iter().enumerate().filter(|(_, item)| is_unexpected(item));
    items.filter_map(|(place, item)| finding(context, place, item)).collect()
}

fn finding(context: &Context, place: usize, item: &Item) -> Option<Finding> {
    let fresh = context.correlation.of(place).iter().filter_map(|found| Some((found, context.look(found.sighting)?)));
    let seen: Vec<_> = fresh.filter(|(_, (source, observation))| !source.is_stale(observation)).collect();
    let (found, (source, observation)) = seen.first()?;
    let stage = format!("{:?}", item.spec.lifecycle);
    let (when, remedy) = match item.spec.lifecycle {
        Lifecycle::Retired => ("still", "Switch it off and remove it, or declare it Operational."),
        _ => ("already", "Declare it Operational, or Deploying while it is built up."),
    };
    Some(Finding {
        fingerprint: Finding::digest(&[FindingKind::Lingering.name(), &item.name, &stage]),
        declared: Value::from(stage.clone()),
        discovered: Value::from(observation.name.clone()),
        source: Some(source.answer.source.clone()),
        seen: Some(source.seen(observation)),
        severity: Severity::Medium,
        action: context.action(item),
        message: format!("{} is declared {stage}, and {} {when} finds it.", item.name, source.answer.source),
        rule: format!("lifecycle: {stage}; identified by {}", context.correlation.rule(found.rule)),
        remedy: remedy.to_owned(),
        evidence: seen.iter().map(|(_, (source, observation))| source.evidence(observation)).collect(),
        ..context.about_item(FindingKind::Lingering, item, None, "lifecycle")
    })
}
