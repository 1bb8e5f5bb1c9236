//! `Stale`: an item that sources still list, and that none of them has seen for longer than its stale time.

use super::context::{Context, Item, is_unexpected, list};
use super::{Finding, FindingKind, Severity};
use crate::api::{Text, Value};

/// One finding for each item of which all facts are stale.
pub(super) fn find(context: &Context) -> Vec<Finding> {
    let items = context.estate.items.iter().enumerate().filter(|(place, item)| !is_unexpected(item) && context.only_stale(context.correlation.of(*place)));
    items.filter_map(|(place, item)| finding(context, place, item)).collect()
}

fn finding(context: &Context, place: usize, item: &Item) -> Option<Finding> {
    let seen: Vec<_> = context.correlation.of(place).iter().filter_map(|found| context.look(found.sighting)).collect();
    let (source, observation) = seen.iter().max_by_key(|(source, observation)| source.seen(observation))?;
    let last = source.seen(observation);
    let mut names: Vec<&Text> = seen.iter().map(|(source, _)| &source.answer.source).collect();
    names.dedup();
    Some(Finding {
        fingerprint: Finding::digest(&[FindingKind::Stale.name(), &item.name, &last.to_string()]),
        declared: Value::from(format!("{:?}", item.spec.lifecycle)),
        discovered: Value::from(format!("last seen {last}")),
        source: Some(source.answer.source.clone()),
        seen: Some(last),
        severity: Severity::Low,
        message: format!("{} was last seen at {last}; {} still list{} it.", item.name, list(&names), if names.len() == 1 { "s" } else { "" }),
        rule: "staleAfter: not seen for longer than each source's stale time (60d where it does not say)".to_owned(),
        remedy: "Find out whether it is still there: declare it Retired, or mend what should report it. Its attributes are not compared.".to_owned(),
        evidence: seen.iter().map(|(source, observation)| source.evidence(observation)).collect(),
        ..context.about_item(FindingKind::Stale, item, None, "lifecycle")
    })
}
