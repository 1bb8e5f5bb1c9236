//! `Duplicate`: one source reports one thing several times.

use super::context::{Context, list};
use super::{Finding, FindingKind, Severity};
use crate::api::{Text, Value};
use crate::identity::Duplicate;

/// One finding for each thing and source.
pub(super) fn find(context: &Context) -> Vec<Finding> {
    context.correlation.duplicates.iter().filter_map(|duplicate| finding(context, duplicate)).collect()
}

fn finding(context: &Context, duplicate: &Duplicate) -> Option<Finding> {
    let seen: Vec<_> = duplicate.sightings.iter().filter_map(|sighting| context.look(*sighting)).collect();
    let (source, first) = seen.first()?;
    let name = &source.answer.source;
    let called: Vec<String> =
        seen.iter().map(|(_, one)| if one.key.is_empty() { one.name.to_string() } else { format!("{} ({})", one.name, one.key) }).collect();
    let keys: Vec<Text> = seen.iter().map(|(_, one)| if one.key.is_empty() { one.name.clone() } else { one.key.clone() }).collect();
    let item = duplicate.item.and_then(|item| context.estate.items.get(item as usize));
    let path = name.to_string();
    let base = if let Some(item) = item {
        context.about_item(FindingKind::Duplicate, item, Some(&path), "identifiers")
    } else {
        let key = Finding::key_of(FindingKind::Duplicate, &first.name, Some(&path));
        Finding { key, path: Some(path.clone().into()), class: first.class.clone(), ..context.about(FindingKind::Duplicate, &first.name) }
    };
    let mut parts = vec![FindingKind::Duplicate.name(), &*base.item, &**name];
    parts.extend(keys.iter().map(|key| &**key));
    let fingerprint = Finding::digest(&parts);
    let message = match item {
        Some(item) => format!("{name} reports {} several times: {}. What they do not agree on is not compared.", item.name, list(&called)),
        None => {
            format!("{name} reports several things that have one identity: {}. None of them is brought up as undeclared until that is mended.", list(&called))
        }
    };
    Some(Finding {
        fingerprint,
        discovered: keys.into_iter().map(Value::from).collect(),
        source: Some(name.clone()),
        seen: seen.iter().map(|(source, one)| source.seen(one)).max(),
        severity: Severity::Medium,
        message,
        rule: "identification: a source knows each thing once; a clone has the identifiers of its original".to_owned(),
        remedy: format!("Remove the stale record from {name}, or give the clone identifiers of its own."),
        evidence: seen.iter().map(|(source, one)| source.evidence(one)).collect(),
        ..base
    })
}
