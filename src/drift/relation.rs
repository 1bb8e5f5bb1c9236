//! `Relation`: declared and not found, or found and not declared; one finding for each type of relation of an item.
//!
//! Only types that the item declares are compared (rule 1), and only where a complete, fresh answer reports relations of
//! that type for the item: a source that never speaks of them says nothing about them (rule 2). A target that is given by
//! an identifier which the declared targets do not have may be any of them, so it says nothing either.

use std::collections::BTreeSet;

use super::context::{Context, Item, Source, is_unexpected};
use super::{Finding, FindingKind, Severity};
use crate::api::{Table, Text, Value};
use crate::discovery::{Observation, ObservedRelation, Target};

/// The findings of one item.
pub(super) fn of_item(context: &Context, place: usize, item: &Item) -> Vec<Finding> {
    let matches = context.correlation.of(place);
    if item.spec.relations.is_empty() || matches.is_empty() || is_unexpected(item) {
        return Vec::new();
    }
    let seen = matches.iter().filter(|found| found.speaks).filter_map(|found| context.look(found.sighting));
    let seen: Vec<_> = seen.filter(|(source, observation)| !source.is_stale(observation) && !observation.relations.is_empty()).collect();
    if seen.is_empty() {
        return Vec::new();
    }
    let kinds: BTreeSet<&Text> = item.spec.relations.iter().map(|relation| &relation.kind).collect();
    kinds.into_iter().filter_map(|kind| finding(context, item, kind, &seen)).collect()
}

fn finding(context: &Context, item: &Item, kind: &Text, seen: &[(&Source, &Observation)]) -> Option<Finding> {
    let path = format!("relations.{kind}");
    let speaking: Vec<_> = seen.iter().filter(|(_, one)| one.relations.iter().any(|relation| relation.kind == *kind)).collect();
    let best = speaking.iter().map(|(source, _)| source.priority).max()?;
    if context.is_ignored(item, &path) {
        return None;
    }
    let declared: BTreeSet<&str> = item.spec.relations.iter().filter(|relation| relation.kind == *kind).map(|relation| &*relation.to).collect();
    let targets = |of: &dyn Fn(&Source) -> bool| -> Option<BTreeSet<String>> {
        let relations =
            speaking.iter().filter(|(source, _)| of(source)).flat_map(|(source, one)| one.relations.iter().map(move |relation| (*source, relation)));
        let relations = relations.filter(|(_, relation)| relation.kind == *kind);
        relations.map(|(source, relation)| name_of(context, source, relation, &declared)).collect()
    };
    let (all, trusted) = (targets(&|_| true)?, targets(&|source| source.priority == best)?);
    let complete = speaking.iter().any(|(source, _)| source.answer.complete);
    let gone = complete && declared.iter().any(|name| !all.contains(*name));
    let new = trusted.iter().any(|name| !declared.contains(name.as_str()));
    if !gone && !new {
        return None;
    }
    let (source, observation) = **speaking.iter().find(|(source, _)| source.priority == best)?;
    let (declared, found): (Vec<&str>, Vec<&str>) = (declared.into_iter().collect(), trusted.iter().map(String::as_str).collect());
    let parts: Vec<&str> =
        [FindingKind::Relation.name(), &item.name, &path].into_iter().chain(declared.iter().copied()).chain([""]).chain(found.iter().copied()).collect();
    Some(Finding {
        fingerprint: Finding::digest(&parts),
        declared: one_or_list(&declared),
        discovered: one_or_list(&found),
        source: Some(source.answer.source.clone()),
        seen: Some(source.seen(observation)),
        severity: Severity::Medium,
        action: context.action_at(item, &path),
        message: format!("{} is declared {kind} {}, and was found {kind} {}.", item.name, declared.join(", "), found.join(", ")),
        rule: format!("relations: {kind} is declared, and {} reports it", source.answer.source),
        remedy: "Change it back, or declare what is there.".to_owned(),
        evidence: speaking.iter().map(|(source, one)| source.evidence(one)).collect(),
        ..context.about_item(FindingKind::Relation, item, Some(&path), "relations")
    })
}

/// The declared name of a target, or what the source calls it. None where it may be any of the `declared` targets.
fn name_of(context: &Context, source: &Source, relation: &ObservedRelation, declared: &BTreeSet<&str>) -> Option<String> {
    if let Some(item) = resolve(context, source, relation) {
        return Some(item.name.to_string());
    }
    match &relation.to {
        Target::Name(name) => Some(name.to_string()),
        Target::Identifiers(identifiers) => {
            let known = |name: &&str| context.estate.item(name).and_then(|place| context.estate.items.get(place));
            let comparable = |item: &Item| identifiers.names().any(|name| item.spec.identifiers.contains(name));
            let all = declared.iter().all(|name| known(name).is_some_and(comparable));
            let words: Vec<String> = identifiers.iter().map(|(name, value)| format!("{name} {value}")).collect();
            all.then(|| words.join(", "))
        }
    }
}

/// The declared item at the other end of a relation.
fn resolve<'a>(context: &Context<'a>, source: &Source, relation: &ObservedRelation) -> Option<&'a Item> {
    context.estate.items.get(context.targets.of(source.place, &relation.to)?)
}

/// The relations of an observation to declared items, as they would be declared.
pub(super) fn known(context: &Context, source: &Source, observation: &Observation) -> Value {
    let known = observation.relations.iter().filter_map(|relation| Some((&relation.kind, &resolve(context, source, relation)?.name)));
    let sorted: BTreeSet<(&Text, &Text)> = known.collect();
    sorted.into_iter().map(|(kind, to)| Value::Map(Table::from_iter([("type", Value::from(kind.clone())), ("to", Value::from(to.clone()))]))).collect()
}

fn one_or_list(names: &[&str]) -> Value {
    match names {
        [one] => Value::from(*one),
        several => several.iter().map(|name| Value::from(*name)).collect(),
    }
}
