//! `Undeclared`: discovered, and not declared.

use jiff::Timestamp;

use super::compare::{plain, presentable};
use super::context::{Context, Source, list};
use super::relation;
use super::{Finding, FindingKind, Severity};
use crate::api::{Table, Text, Value};
use crate::discovery::{Discovered, Observation};
use crate::estate::Estate;
use crate::identity::{Correlation, Sighting, normal_form};

/// One thing that nobody declared and that a source may bring up.
#[derive(Clone, Debug)]
pub struct Thing {
    /// What was seen of it and how much that counts, the source of the highest priority first.
    pub seen: Vec<Seen>,
    /// What it is called.
    pub name: Text,
    /// The class that says most.
    pub class: Text,
    /// Identifiers that identify; of one that differs, the best source's.
    pub identifiers: Table<Text>,
}

/// One sighting of a thing.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What was seen.
    pub sighting: Sighting,
    /// The priority of the source.
    pub priority: i32,
}

/// Everything that nobody declared and that a source may bring up, sorted by the first sighting of each. What a document
/// that cannot be read speaks of may be declared there, so it is not among them (rule 5).
pub fn things(estate: &Estate, discovered: &Discovered, correlation: &Correlation, now: Timestamp) -> Vec<Thing> {
    let context = Context::new(estate, discovered, correlation, now);
    let thing = |sightings: &[Sighting]| {
        let told = seen(&context, sightings)?;
        let (name, class) = (name(&told)?.clone(), most_special_class(&context, &told)?.clone());
        let mut seen: Vec<Seen> =
            sightings.iter().filter_map(|sighting| Some(Seen { sighting: *sighting, priority: context.look(*sighting)?.0.priority })).collect();
        seen.sort_by_key(|seen| std::cmp::Reverse(seen.priority));
        Some(Thing { identifiers: identifiers(&context, &class, &told), seen, name, class })
    };
    correlation.undeclared().filter_map(thing).collect()
}

/// One finding for each thing that nobody declared and that a source may bring up. What a document that cannot be read
/// speaks of may be declared there, so nothing is said about it (rule 5).
pub(super) fn find(context: &Context) -> Vec<Finding> {
    context.correlation.undeclared().filter_map(|sightings| finding(context, sightings)).collect()
}

/// Who saw a thing, the best source first; none where no source may bring it up, or it may be declared.
fn seen<'c, 'a>(context: &'c Context<'a>, sightings: &[Sighting]) -> Option<Vec<(&'c Source<'a>, &'a Observation)>> {
    let mut seen: Vec<(&Source, &Observation)> = sightings.iter().filter_map(|sighting| context.look(*sighting)).collect();
    if !seen.iter().any(|(source, _)| source.may_insert) || (!context.estate.unreadable.is_empty() && may_be_declared(context, &seen)) {
        return None;
    }
    // Sightings are sorted by source already, so this is stable.
    seen.sort_by_key(|(source, _)| std::cmp::Reverse(source.priority));
    Some(seen)
}

fn name<'a>(seen: &[(&Source, &'a Observation)]) -> Option<&'a Text> {
    let (_, first) = seen.first()?;
    Some(seen.iter().map(|(_, one)| &one.name).find(|name| !name.is_empty()).unwrap_or(&first.key))
}

fn finding(context: &Context, sightings: &[Sighting]) -> Option<Finding> {
    let seen = seen(context, sightings)?;
    let (source, first) = *seen.first()?;
    let name = name(&seen)?;
    let class = most_special_class(context, &seen)?;
    let identifiers = identifiers(context, class, &seen);
    let mut parts = vec![FindingKind::Undeclared.name(), &**name, &**class];
    parts.extend(identifiers.iter().flat_map(|(name, value)| [&**name, &**value]));
    if identifiers.is_empty() {
        parts.extend([&*source.answer.source, &*first.key]);
    }
    let mut names: Vec<&Text> = seen.iter().map(|(source, _)| &source.answer.source).collect();
    names.sort_unstable();
    names.dedup();
    let namesake = context.estate.item(name).is_some();
    let but = if namesake { " An item of this name is declared, but a name identifies nothing, and nothing else fits." } else { "" };
    Some(Finding {
        fingerprint: Finding::digest(&parts),
        class: class.clone(),
        owner: seen.iter().find_map(|(_, one)| one.owner.clone()),
        discovered: as_declared(context, class, &identifiers, &seen),
        source: Some(source.answer.source.clone()),
        seen: seen.iter().map(|(source, one)| source.seen(one)).max(),
        severity: Severity::Medium,
        action: context.action_of_class(class).unwrap_or_default(),
        message: format!("{name} was found by {} and is not declared.{but}", list(&names)),
        rule: "identification: no declared item has an identifier of it".to_owned(),
        remedy: "Declare it (`bowline import` writes the YAML), or remove it.".to_owned(),
        evidence: seen.iter().map(|(source, one)| source.evidence(one)).collect(),
        ..context.about(FindingKind::Undeclared, name)
    })
}

fn may_be_declared(context: &Context, seen: &[(&Source, &Observation)]) -> bool {
    seen.iter().any(|(_, one)| {
        let values = one.identifiers.iter().map(|(_, value)| &**value);
        values.chain([&*one.name, &*one.key]).any(|word| context.unread.of(word))
    })
}

/// The class that says most: of a server and a virtual machine, the virtual machine.
fn most_special_class<'a>(context: &Context, seen: &[(&Source, &'a Observation)]) -> Option<&'a Text> {
    let depth = |class: &Text| context.estate.classes.get(class).map_or(0, |class| class.lineage.len());
    let classes = seen.iter().map(|(_, one)| &one.class);
    let deepest = classes.clone().map(depth).max().unwrap_or_default();
    let mut classes = classes.filter(|class| depth(class) == deepest);
    classes.next()
}

/// Identifiers that identify, of all sightings; of one that differs, the best source's.
fn identifiers(context: &Context, class: &str, seen: &[(&Source, &Observation)]) -> Table<Text> {
    let class = context.estate.classes.get(class);
    let all = seen.iter().rev().flat_map(|(_, one)| &one.identifiers);
    all.filter(|(name, value)| normal_form(class, name, value).is_some()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What a document that declares it would have under `spec`: nothing that is volatile or sensitive.
fn as_declared(context: &Context, class: &Text, identifiers: &Table<Text>, seen: &[(&Source, &Observation)]) -> Value {
    let rules = context.estate.classes.get(class).map_or(plain(), |class| &class.rules);
    let attributes: Table<Value> = seen.iter().rev().flat_map(|(_, one)| presentable(rules, &one.attributes)).collect();
    let relations = seen.iter().map(|(source, one)| relation::known(context, source, one)).find(|relations| !relations.is_absent()).unwrap_or_default();
    let owner = seen.iter().find_map(|(_, one)| one.owner.clone()).map_or(Value::Null, Value::from);
    let identifiers = Value::Map(identifiers.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect());
    let fields = [
        ("class", Value::from(class.clone())),
        ("owner", owner),
        ("identifiers", identifiers),
        ("attributes", Value::Map(attributes)),
        ("relations", relations),
    ];
    Value::Map(fields.into_iter().filter(|(_, value)| !value.is_absent()).collect())
}
