//! What is known of each item: whether it is as declared, which sources see it, since when, and under which names.
//!
//! [`find`] looks an item up by any of its names in any tool. Both put together what the plan and the correlation have
//! decided already; nothing is decided here.

mod find;

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::api::{ConfigurationItemSpec, Lifecycle, Text};
use crate::discovery::{Answer, Discovered, Observation};
use crate::drift::{Finding, FindingKind};
use crate::estate::{Declared, Estate};
use crate::identity::{Correlation, Sighting};

pub use find::{Hit, KnownAs, find, near};

/// Every item, declared ones first in order of their names, then what was found beside them.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The items.
    pub entries: Vec<Entry>,
    /// How many of them, from the first, are declared.
    pub declared: usize,
}

/// What is known of one item.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its name: as declared, else as found.
    pub name: Text,
    /// Its class.
    pub class: Text,
    /// Who answers for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// The stage of its life; none where it is not declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// Whether what was found is what is declared.
    pub state: State,
    /// What differs, in a word each: `memory`, `os.version`, `Missing`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Text>,
    /// The rules of policies that it breaks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Text>,
    /// Of what may be any of several items: which.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may_be: Vec<Text>,
    /// Who sees it, by source and key.
    pub seen: Vec<SeenBy>,
    /// When it was last seen by any of them.
    pub last_seen: Option<Timestamp>,
    /// Whether everything that was seen of it is older than its source's stale time.
    pub stale: bool,
    /// Its place among the estate's items; none where it is not declared.
    #[serde(skip)]
    pub item: Option<usize>,
}

/// Whether what was found is what is declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// It was found, and nothing differs.
    InSync,
    /// Something differs.
    Drifted,
    /// A complete answer covers it and does not have it.
    Missing,
    /// No source has found it, and none concludes that it is missing.
    #[default]
    Unseen,
    /// It was found and is not declared.
    Undeclared,
    /// It was found and may be any of several items.
    Ambiguous,
}

/// One sighting of an item.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenBy {
    /// The source.
    pub source: Text,
    /// The source's own key for it.
    pub key: Text,
    /// What the source calls it.
    pub name: Text,
    /// When it saw it.
    pub at: Timestamp,
    #[serde(skip)]
    sighting: Sighting,
}

impl Inventory {
    /// Of what is declared and found, and of what the plan says of it. `now` is the plan's instant.
    pub fn new(estate: &Estate, discovered: &Discovered, correlation: &Correlation, findings: &[Finding], now: Timestamp) -> Self {
        let maker = Maker { estate, discovered, fresh_from: fresh_from(estate, discovered, now) };
        let mut entries = maker.declared(correlation, findings);
        let declared = entries.len();
        let of_one = |sightings: &[Sighting], drift: &[Text]| Entry { drift: drift.to_vec(), ..maker.found(sightings, State::Undeclared) };
        let mut others: Vec<Entry> = correlation.undeclared().map(|sightings| of_one(sightings, &[])).collect();
        let repeated = correlation.duplicates.iter().filter(|duplicate| duplicate.item.is_none());
        others.extend(repeated.map(|duplicate| of_one(&duplicate.sightings, &[FindingKind::Duplicate.name().into()])));
        others.extend(correlation.ambiguities.iter().map(|doubt| {
            let names = doubt.items.iter().filter_map(|item| Some(estate.items.get(*item as usize)?.name.clone()));
            Entry { may_be: names.collect(), ..maker.found(&[doubt.sighting], State::Ambiguous) }
        }));
        others.sort_by(|one, other| (&one.name, &one.class).cmp(&(&other.name, &other.class)));
        entries.extend(others);
        Self { entries, declared }
    }

    /// The declared items.
    pub fn of_estate(&self) -> &[Entry] {
        self.entries.get(..self.declared).unwrap_or_default()
    }
}

/// For each answer, what is older than this is stale.
fn fresh_from(estate: &Estate, discovered: &Discovered, now: Timestamp) -> Vec<Timestamp> {
    let before = |seconds| now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN);
    discovered.answers.iter().map(|answer| before(estate.stale_after(&answer.source))).collect()
}

/// A sighting with who says what.
type Told<'a> = (Sighting, (&'a Answer, &'a Observation));

struct Maker<'a> {
    estate: &'a Estate,
    discovered: &'a Discovered,
    fresh_from: Vec<Timestamp>,
}

impl Maker<'_> {
    fn declared(&self, correlation: &Correlation, findings: &[Finding]) -> Vec<Entry> {
        let mut by_item: HashMap<&Text, Vec<&Finding>> = HashMap::new();
        for finding in findings.iter().filter(|finding| is_of_item(finding)) {
            by_item.entry(&finding.item).or_default().push(finding);
        }
        let doubtful: HashSet<usize> = correlation.ambiguities.iter().flat_map(|doubt| &doubt.items).map(|item| *item as usize).collect();
        let entry = |(place, item): (usize, &Declared<ConfigurationItemSpec>)| {
            let sightings: Vec<Sighting> = correlation.of(place).iter().map(|found| found.sighting).collect();
            // A certificate that nobody declared may be called as an item of another class is.
            let of_it = |finding: &&&Finding| finding.kind != FindingKind::Certificate || finding.class == item.spec.class;
            let findings: Vec<&Finding> = by_item.get(&item.name).into_iter().flatten().filter(of_it).copied().collect();
            let mut drift: Vec<Text> = Vec::new();
            let words = findings.iter().filter(|finding| finding.kind != FindingKind::Certificate).map(|finding| finding.word());
            for word in words.chain(doubtful.contains(&place).then(|| FindingKind::Ambiguous.name())) {
                if !drift.iter().any(|known| **known == *word) {
                    drift.push(word.into());
                }
            }
            let missing = findings.iter().any(|finding| finding.kind == FindingKind::Missing);
            let state = match (missing, drift.is_empty(), sightings.is_empty()) {
                (true, ..) => State::Missing,
                (_, false, _) => State::Drifted,
                (_, true, true) => State::Unseen,
                (_, true, false) => State::InSync,
            };
            let broken = findings.iter().filter(|finding| finding.kind == FindingKind::Certificate);
            Entry {
                name: item.name.clone(),
                class: item.spec.class.clone(),
                owner: item.spec.owner.clone(),
                lifecycle: Some(item.spec.lifecycle),
                drift,
                violations: broken.map(|finding| finding.path.clone().unwrap_or_else(|| finding.kind.name().into())).collect(),
                item: Some(place),
                ..self.found(&sightings, state)
            }
        };
        self.estate.items.iter().enumerate().map(entry).collect()
    }

    /// What sightings of one thing say of it.
    fn found(&self, sightings: &[Sighting], state: State) -> Entry {
        let seen: Vec<Told> = sightings.iter().filter_map(|sighting| Some((*sighting, sighting.find(self.discovered)?))).collect();
        let depth = |class: &Text| self.estate.classes.get(class).map_or(0, |class| class.lineage.len());
        // As `Undeclared` tells of it: the source of the highest priority first.
        let mut best: Vec<&Told> = seen.iter().collect();
        best.sort_by_key(|(_, (answer, _))| std::cmp::Reverse(self.estate.source(&answer.source).map_or(0, |source| source.spec.priority)));
        let class = best.iter().map(|(_, (_, one))| &one.class).rev().max_by_key(|class| depth(class));
        let name = best.iter().map(|(_, (_, one))| &one.name).find(|name| !name.is_empty()).or_else(|| best.first().map(|(_, (_, one))| &one.key));
        let at = |(_, (answer, one)): &Told| one.seen.unwrap_or(answer.at);
        let is_old = |told: &Told| self.fresh_from.get(told.0.answer as usize).is_some_and(|from| at(told) < *from);
        Entry {
            name: name.cloned().unwrap_or_default(),
            class: class.cloned().unwrap_or_default(),
            owner: best.iter().find_map(|(_, (_, one))| one.owner.clone()),
            state,
            last_seen: seen.iter().map(at).max(),
            stale: !seen.is_empty() && seen.iter().all(is_old),
            seen: seen
                .iter()
                .map(|told| SeenBy { source: told.1.0.source.clone(), key: told.1.1.key.clone(), name: told.1.1.name.clone(), at: at(told), sighting: told.0 })
                .collect(),
            ..Entry::default()
        }
    }
}

/// Whether a finding is about the declared item of its name: not about a source, and not about what nobody declared.
fn is_of_item(finding: &Finding) -> bool {
    match finding.kind {
        FindingKind::MassAbsence | FindingKind::Undeclared | FindingKind::Ambiguous => false,
        FindingKind::Duplicate => finding.at.is_some(),
        _ => true,
    }
}
