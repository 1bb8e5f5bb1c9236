//! `Changed` at `identifiers`: what a source calls an item, and its declaration does not say.
//!
//! Only where `onDrift.identifiers` of the item or the estate asks for it: else what is not declared is no drift (rule 1).
//! Never brought up is what identifies nothing; what is only a name or an address and passes to the next thing; what names
//! an item only together with something else, or where it is; what sources dispute; what another thing has too, declared or
//! found; what is stale, or said by a source that lists the item several times. A doubtful match is none.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::context::{Context, Item, is_unexpected, list};
use super::{Finding, FindingKind, Severity};
use crate::api::shared::IdentifierPolicy;
use crate::api::{OnDrift, Table, Text, Value};
use crate::estate::check::shared::Naming;
use crate::identity::{Sighting, is_reusable, normal_form};

/// One finding for each identifier that a source knows of an item and its declaration lacks.
pub(super) fn find(context: &Context) -> Vec<Finding> {
    let wanted = |item: &Item| policy(context, item).is_some() && !is_unexpected(item);
    if !context.estate.items.iter().any(wanted) {
        return Vec::new();
    }
    let naming = Naming::new(context.estate);
    let items = context.estate.items.iter().enumerate().filter(|(_, item)| wanted(item));
    let repeated = repeated(context);
    let candidates: Vec<Candidate> = items.flat_map(|(place, item)| of_item(context, &naming, &repeated, place, item)).collect();
    let others = Others::new(context, &candidates);
    candidates.iter().filter(|candidate| others.leave(candidate)).filter_map(|candidate| finding(context, candidate)).collect()
}

fn policy(context: &Context, item: &Item) -> Option<IdentifierPolicy> {
    item.spec.on_drift.as_ref().and_then(|policy| policy.identifiers).or(context.estate.spec.on_drift.identifiers)
}

/// An identifier that an item may get.
struct Candidate<'a> {
    place: usize,
    name: &'a Text,
    /// As the first source writes it.
    value: &'a str,
    normal: String,
    /// Who says so.
    said: Vec<Sighting>,
    /// By which rule the first of them was recognised.
    rule: u16,
}

/// The items that a source lists several times, each with the source's answer.
fn repeated(context: &Context) -> HashSet<(usize, u32)> {
    let of_items = context.correlation.duplicates.iter().filter_map(|duplicate| Some((duplicate.item? as usize, &duplicate.sightings)));
    of_items.flat_map(|(item, sightings)| sightings.iter().map(move |sighting| (item, sighting.answer))).collect()
}

fn of_item<'a>(context: &Context<'a>, naming: &Naming, repeated: &HashSet<(usize, u32)>, place: usize, item: &Item) -> Vec<Candidate<'a>> {
    let class = context.class_of(item);
    // None: sources do not agree.
    let mut known: BTreeMap<&Text, Option<Candidate>> = BTreeMap::new();
    for found in context.correlation.of(place).iter().filter(|found| found.speaks && !repeated.contains(&(place, found.sighting.answer))) {
        let Some((_, observation)) = context.look(found.sighting).filter(|(source, one)| !source.is_stale(one)) else { continue };
        for (name, value) in &observation.identifiers {
            let place_of = class.is_some_and(|class| class.identification.iter().any(|rule| rule.within.as_ref() == Some(name)));
            let names = naming.names(&item.spec.class, name, value) && !is_reusable(name) && !place_of;
            let lacks = !item.spec.identifiers.contains(name) && !context.is_ignored(item, &format!("identifiers.{name}"));
            let Some(normal) = normal_form(class, name, value).filter(|_| names && lacks) else { continue };
            let new = || Candidate { place, name, value: value.trim(), normal: normal.to_string(), said: Vec::new(), rule: found.rule };
            let candidate = known.entry(name).or_insert_with(|| Some(new()));
            match candidate {
                Some(first) if first.normal == *normal => first.said.push(found.sighting),
                _ => *candidate = None,
            }
        }
    }
    known.into_values().flatten().collect()
}

/// Who else has the identifiers that items may get.
struct Others<'c> {
    /// By identifier and value: the item that alone has it, or none.
    owners: HashMap<&'c str, HashMap<&'c str, Option<usize>>>,
}

impl<'c> Others<'c> {
    fn new(context: &Context, candidates: &'c [Candidate]) -> Self {
        let mut owners: HashMap<&str, HashMap<&str, Option<usize>>> = HashMap::new();
        for candidate in candidates {
            let owner = owners.entry(candidate.name).or_default().entry(&candidate.normal).or_insert(Some(candidate.place));
            *owner = owner.filter(|owner| *owner == candidate.place);
        }
        let mut others = Self { owners };
        for (place, item) in context.estate.items.iter().enumerate() {
            others.note(&item.spec.identifiers, Some(place));
        }
        // What was found of another item, of nobody's, or of what may be any of several.
        let matched: HashMap<Sighting, usize> = context.correlation.matches().iter().map(|found| (found.sighting, found.item as usize)).collect();
        for (answer, source) in (0..).zip(&context.sources) {
            for (index, observation) in (0..).zip(&source.answer.items) {
                let owner = matched.get(&Sighting { answer, index }).copied();
                others.note(&observation.identifiers, owner);
            }
        }
        others
    }

    fn note(&mut self, identifiers: &Table<Text>, owner: Option<usize>) {
        for (name, value) in identifiers {
            let Some((owners, normal)) = self.owners.get_mut(&**name).zip(normal_form(None, name, value)) else { continue };
            if let Some(alone) = owners.get_mut(&*normal) {
                *alone = alone.filter(|alone| Some(*alone) == owner);
            }
        }
    }

    /// Whether nothing else has it.
    fn leave(&self, candidate: &Candidate) -> bool {
        self.owners.get(&**candidate.name).and_then(|owners| owners.get(&*candidate.normal)).is_some_and(Option::is_some)
    }
}

fn finding(context: &Context, candidate: &Candidate) -> Option<Finding> {
    let item = context.estate.items.get(candidate.place)?;
    let seen: Vec<_> = candidate.said.iter().filter_map(|sighting| context.look(*sighting)).collect();
    let (source, observation) = *seen.first()?;
    let mut sources: Vec<&Text> = seen.iter().map(|(source, _)| &source.answer.source).collect();
    sources.dedup();
    let path = format!("identifiers.{}", candidate.name);
    let (action, asked) = match policy(context, item)? {
        IdentifierPolicy::Adopt => (OnDrift::Adopt, "Adopt"),
        IdentifierPolicy::Report => (OnDrift::Report, "Report"),
    };
    let know = if sources.len() == 1 { "knows" } else { "know" };
    Some(Finding {
        fingerprint: Finding::digest(&[FindingKind::Changed.name(), &item.name, &path, &candidate.normal]),
        discovered: Value::from(candidate.value),
        source: Some(source.answer.source.clone()),
        seen: Some(source.seen(observation)),
        severity: Severity::Low,
        action,
        message: format!("{} {know} {} as {} {}, and its declaration does not say so.", list(&sources), item.name, candidate.name, candidate.value),
        rule: format!("onDrift.identifiers: {asked}; identified by {}", context.correlation.rule(candidate.rule)),
        remedy: "Declare the identifier, so that the item is known by it even when its other names change.".to_owned(),
        evidence: seen.iter().map(|(source, one)| source.evidence(one)).collect(),
        ..context.about_item(FindingKind::Changed, item, Some(&path), "identifiers")
    })
}
