//! What is there: sources, their answers, and whether an answer is complete.
//!
//! One file a source. A source turns what its system says into [`Observation`]s; it decides nothing. `run` asks all
//! sources side by side, each with a time-out.

mod blocks;
pub mod file;
mod form;
pub mod host;
pub mod http;
pub mod kubernetes;
pub mod mapping;
pub mod nmap;
pub mod patterns;
mod places;
pub mod push;
pub mod reach;
pub mod run;
pub mod snmp;
pub mod ssh;
pub mod tls;
pub mod vsphere;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::{Table, Text, Value};

/// Everything that the sources said, and what is known from earlier runs.
#[derive(Clone, Debug, Default)]
pub struct Discovered {
    /// One answer a source, sorted by the source's name.
    pub answers: Vec<Answer>,
    /// What the store remembers; empty where there is no store.
    pub history: History,
}

/// What one source said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The source's name.
    pub source: Text,
    /// When it was asked.
    pub at: Timestamp,
    /// Whether it said everything that its scope covers. Only then is absence concluded (rule 2).
    pub complete: bool,
    /// Why not, or what was left out.
    pub error: Option<Text>,
    /// Where it was read, for people: a file's path, an address.
    pub evidence: Text,
    /// What it found.
    pub items: Vec<Observation>,
}

/// One thing as one source sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Observation {
    /// The source's own key, stable over renames.
    pub key: Text,
    /// The class.
    pub class: Text,
    /// The name.
    pub name: Text,
    /// The owner, if the source knows.
    pub owner: Option<Text>,
    /// Its names in other tools.
    pub identifiers: Table<Text>,
    /// What it is like.
    pub attributes: Table<Value>,
    /// Labels.
    pub labels: Table<Text>,
    /// Relations to other things.
    pub relations: Vec<ObservedRelation>,
    /// When the source last saw it, if it says so. Default: when it was asked.
    pub seen: Option<Timestamp>,
}

/// A relation as a source sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObservedRelation {
    /// The type, as in [`crate::api::configuration_item::Relation`].
    pub kind: Text,
    /// To what.
    pub to: Target,
}

/// The other end of a relation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// By name.
    Name(Text),
    /// By one of its identifiers.
    Identifiers(Table<Text>),
}

/// What earlier runs knew (from the store).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// By source: how many items its last complete, unheld answer had, and when.
    pub sources: BTreeMap<Text, SourceHistory>,
    /// Held absences that a person has confirmed: source to the number of items confirmed.
    pub confirmed: BTreeMap<Text, u64>,
    /// By source and class: the attributes that its last complete, unheld answer spoke of. Names only, never values.
    pub spoken: BTreeMap<Text, BTreeMap<Text, BTreeSet<Text>>>,
    /// Declared items that were earned absent, by name.
    pub absent: BTreeMap<Text, Absence>,
    /// What was known by another source's word alone.
    #[serde(default)]
    pub ties: Ties,
}

impl History {
    /// How many items the last answer of this source had, and how many fewer this one has, where that is so many that it is held:
    /// more than `percent` of them, and nobody has confirmed it.
    pub fn vanished(&self, answer: &Answer, percent: f64) -> Option<(u64, u64)> {
        let (known, items) = (self.sources.get(&answer.source)?.items, answer.items.len() as u64);
        let vanished = known.saturating_sub(items);
        // Counts stay far below 2^52, so they are exact as floats.
        #[allow(clippy::cast_precision_loss)]
        let too_many = vanished as f64 * 100.0 > percent * known as f64;
        (vanished > 0 && too_many && self.confirmed.get(&answer.source) != Some(&items)).then_some((known, vanished))
    }
}

/// By source and its own key: the declared item that this is, where nothing but what another source knew of the item said so.
pub type Ties = BTreeMap<Text, BTreeMap<Text, Tie>>;

/// What tied an observation to an item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tie {
    /// The item, by name.
    pub item: Text,
    /// The identification rule, as people name it.
    pub rule: Text,
    /// The sources whose word it was.
    pub by: BTreeSet<Text>,
    /// A digest of what identifies the observation: with other names it is not known to be the same thing.
    pub row: Text,
}

/// For how long an item has been absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// In how many surveys in a row.
    pub surveys: u32,
    /// When the last of them was made.
    pub last: Timestamp,
}

/// What is remembered of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceHistory {
    /// How many items its last complete answer had.
    pub items: u64,
    /// When that was.
    pub at: Timestamp,
}

/// A source of facts.
#[async_trait]
pub trait Source: Send + Sync {
    /// Its name, as declared.
    fn name(&self) -> &Text;

    /// Asks it. Never fails: what could not be had makes the answer incomplete, and says why. `now` stamps the answer.
    async fn observe(&self, now: Timestamp) -> Answer;
}
