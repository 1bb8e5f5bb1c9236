//! What people are told of an import: what was taken over, what was not, and why.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::draft::Draft;
use crate::api::{Text, Value};
use crate::discovery::{Discovered, Observation};
use crate::drift::Thing;
use crate::estate::Estate;
use crate::identity::Correlation;

/// What people are told of an import.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The estate.
    pub estate: Text,
    /// The instant for which it was made.
    pub at: Timestamp,
    /// How many items are declared by it.
    pub items: usize,
    /// How many of each class.
    pub classes: BTreeMap<Text, usize>,
    /// What was found and is not among them.
    pub left_out: Vec<LeftOut>,
    /// Parts of the items that are not declared, because they would not stand.
    pub without: Vec<Without>,
    /// Attributes that no class knows and nobody declares, with the number of items that have them: not imported.
    pub unknown_attributes: BTreeMap<Text, usize>,
    /// Relations, by type, whose other end has no name here, or on which sources do not agree: not imported.
    pub unnamed_relations: BTreeMap<Text, usize>,
    /// Items that have another name, because an item of theirs is declared already: what they are called.
    pub namesakes: Vec<Text>,
}

/// Something that was found and is not imported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftOut {
    /// What it is called.
    pub name: Text,
    /// Its class.
    pub class: Text,
    /// The source that found it.
    pub source: Text,
    /// Why it is left out.
    pub reason: Reason,
}

/// A part of an item that is not imported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Without {
    /// The item.
    pub item: Text,
    /// The part: `attributes.memory`, `identifiers.dns/fqdn`.
    pub path: Text,
    /// Why it is left out.
    pub reason: Reason,
    /// What each source says, where they do not agree.
    #[serde(skip_serializing_if = "Value::is_absent")]
    pub said: Value,
}

/// Why something is not imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Reason {
    /// It may be an item that is declared already.
    Ambiguous,
    /// Its source reports it several times.
    Duplicate,
    /// Nothing that was found of it tells it from other things: declared, it would be found as undeclared again.
    NotIdentified,
    /// Declared, it would be mistaken for something else that was found, or something else for it.
    Mistakable,
    /// Nobody has seen it for longer than its sources' stale time.
    Stale,
    /// Its class is not known.
    UnknownClass,
    /// It does not satisfy the schema of its class.
    BreaksClass,
    /// Sources of one priority do not agree.
    Disputed,
    /// Several things have this identifier.
    Shared,
    /// It cannot be written so that it is read as the same.
    Unwritable,
}

impl Reason {
    /// The reason in a few words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ambiguous => "may be an item that is declared already",
            Self::Duplicate => "reported several times by its source",
            Self::NotIdentified => "nothing identifies it",
            Self::Mistakable => "would be mistaken for something else",
            Self::Stale => "not seen for longer than the stale time",
            Self::UnknownClass => "of a class that is not known",
            Self::BreaksClass => "not as its class demands",
            Self::Disputed => "sources disagree",
            Self::Shared => "several things have it",
            Self::Unwritable => "cannot be written",
        }
    }
}

/// What is in doubt from the outset: it is no thing of its own. `taken` says what is chosen.
pub(super) fn doubts(estate: &Estate, discovered: &Discovered, correlation: &Correlation, taken: &dyn Fn(&Text, &Observation) -> bool) -> Vec<LeftOut> {
    let ambiguous = correlation.ambiguities.iter().map(|doubt| (doubt.sighting, Reason::Ambiguous));
    // Of what is declared, several sightings keep nothing from being declared.
    let repeated = correlation.duplicates.iter().filter(|duplicate| duplicate.item.is_none());
    let repeated = repeated.flat_map(|duplicate| duplicate.sightings.iter().map(|sighting| (*sighting, Reason::Duplicate)));
    let mut left_out = Vec::new();
    for (sighting, reason) in ambiguous.chain(repeated) {
        let Some((answer, observation)) = sighting.find(discovered) else { continue };
        let may_insert = estate.source(&answer.source).is_none_or(|source| source.spec.may_insert != Some(false));
        if may_insert && taken(&answer.source, observation) {
            let name = if observation.name.is_empty() { &observation.key } else { &observation.name };
            left_out.push(LeftOut { name: name.clone(), class: observation.class.clone(), source: answer.source.clone(), reason });
        }
    }
    left_out
}

impl LeftOut {
    pub(super) fn of(discovered: &Discovered, thing: &Thing, reason: Reason) -> Self {
        let first = thing.seen.first().and_then(|seen| seen.sighting.find(discovered));
        Self { name: thing.name.clone(), class: thing.class.clone(), source: first.map(|(answer, _)| answer.source.clone()).unwrap_or_default(), reason }
    }
}

impl Report {
    pub(super) fn new(estate: &Estate, at: Timestamp, drafts: &[Draft], mut left_out: Vec<LeftOut>) -> Self {
        left_out.sort_by(|one, other| (one.reason, &one.class, &one.name, &one.source).cmp(&(other.reason, &other.class, &other.name, &other.source)));
        let mut report = Self { estate: estate.name.clone(), at, items: drafts.len(), left_out, ..Self::default() };
        for draft in drafts {
            *report.classes.entry(draft.thing.class.clone()).or_default() += 1;
            for kind in &draft.unnamed {
                *report.unnamed_relations.entry(kind.clone()).or_default() += 1;
            }
            for name in &draft.unknown {
                *report.unknown_attributes.entry(name.clone()).or_default() += 1;
            }
            let parts = draft.without.iter().map(|(path, reason, said)| (path.clone(), *reason, said.clone()));
            report.without.extend(parts.map(|(path, reason, said)| Without { item: draft.name.clone(), path, reason, said }));
            report.namesakes.extend(draft.namesake.then(|| draft.thing.name.clone()));
        }
        report.without.sort_by(|one, other| (one.reason, &one.item, &one.path).cmp(&(other.reason, &other.item, &other.path)));
        report.namesakes.sort();
        report
    }
}
