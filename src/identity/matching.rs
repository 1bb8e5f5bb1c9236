//! Every observation against what is declared.

use std::collections::HashSet;

use rayon::prelude::*;

use super::rules::{Rules, Thing, Verdict};
use super::{Ambiguity, Match, Sighting, index};
use crate::api::{ConfigurationItemSpec, Lifecycle};
use crate::discovery::{Discovered, Observation};
use crate::estate::{Declared, Estate};

/// What more declared items than this share identifies none of them. It also bounds the time that one observation takes.
pub(super) const CROWD: usize = 64;

/// What became of the observations.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) matches: Vec<Match>,
    pub(super) ambiguities: Vec<Ambiguity>,
    pub(super) unclaimed: Vec<Sighting>,
}

/// What became of one observation.
enum Fate {
    Item { item: u32, strength: u16, rule: u16 },
    Doubt { items: Vec<u32>, rule: u16, unsure: bool },
    Unclaimed,
}

/// A declared item as a thing to identify.
pub(super) fn declared<'a>(estate: &'a Estate, item: &'a Declared<ConfigurationItemSpec>) -> Thing<'a> {
    Thing { class: estate.classes.get(&item.spec.class), identifiers: &item.spec.identifiers, attributes: &item.spec.attributes }
}

/// An observation as a thing to identify.
pub(super) fn observed<'a>(estate: &'a Estate, observation: &'a Observation) -> Thing<'a> {
    Thing { class: estate.classes.get(&observation.class), identifiers: &observation.identifiers, attributes: &observation.attributes }
}

/// Hashes of keys, each with the item that has it, sorted.
struct Index(Vec<(u64, u32)>);

impl Index {
    fn new(mut entries: Vec<(u64, u32)>) -> Self {
        entries.par_sort_unstable();
        entries.dedup();
        Self(entries)
    }

    /// The items that may have one of these keys; none where too many do.
    fn candidates(&self, keys: &[u64]) -> Vec<u32> {
        let mut items: Vec<u32> = Vec::new();
        for key in keys {
            let start = self.0.partition_point(|(known, _)| known < key);
            let found = self.0.iter().skip(start).take_while(|(known, _)| known == key).take(CROWD + 1).map(|(_, item)| *item);
            let before = items.len();
            items.extend(found);
            if items.len() - before > CROWD {
                items.truncate(before);
            }
        }
        items.sort_unstable();
        items.dedup();
        items
    }
}

/// Finds the item of every observation.
pub(super) fn find(estate: &Estate, discovered: &Discovered, rules: &Rules) -> Outcome {
    let search = Search { estate, discovered, rules, index: Index::new(keys_of_items(estate, rules)), also: None };
    let mut outcome = Outcome::default();
    for (number, answer) in discovered.answers.iter().enumerate() {
        let fates: Vec<Fate> = answer.items.par_iter().map(|observation| search.fate(observation)).collect();
        outcome.matches.reserve(fates.len());
        for (place, fate) in fates.into_iter().enumerate() {
            outcome.add(Sighting { answer: index(number), index: index(place) }, fate);
        }
    }
    if discovered.answers.len() > 1 && !outcome.unclaimed.is_empty() {
        by_other_sources(&search, &mut outcome);
    }
    outcome
}

impl Outcome {
    fn add(&mut self, sighting: Sighting, fate: Fate) {
        match fate {
            Fate::Item { item, strength, rule } => self.matches.push(Match { item, sighting, strength, rule, speaks: true }),
            Fate::Doubt { items, rule, unsure } => self.ambiguities.push(Ambiguity { sighting, items, rule, unsure }),
            Fate::Unclaimed => self.unclaimed.push(sighting),
        }
    }
}

/// What is left may be what another source has already tied to an item: the source knows an address that nobody declared.
fn by_other_sources(search: &Search, outcome: &mut Outcome) {
    let Search { estate, discovered, rules, .. } = *search;
    let salted = |observation: &Observation| {
        let mut keys = Vec::new();
        rules.of(&observation.class).iter().for_each(|rule| search.keys(*rule, observed(estate, observation), &mut keys));
        keys
    };
    let wanted: HashSet<u64> =
        outcome.unclaimed.iter().filter_map(|sighting| sighting.find(discovered)).flat_map(|(_, observation)| salted(observation)).collect();
    let of_match = |found: &Match| {
        let keys = found.sighting.find(discovered).map(|(_, observation)| salted(observation)).unwrap_or_default();
        keys.into_iter().filter(|key| wanted.contains(key)).map(|key| (key, found.item)).collect::<Vec<_>>()
    };
    let entries: Vec<(u64, u32)> = outcome.matches.par_iter().flat_map_iter(of_match).collect();
    if entries.is_empty() {
        return;
    }
    let items: HashSet<u32> = entries.iter().map(|(_, item)| *item).collect();
    let mut sightings: Vec<(u32, Sighting)> =
        outcome.matches.iter().filter(|found| items.contains(&found.item)).map(|found| (found.item, found.sighting)).collect();
    sightings.sort_unstable();
    let search = Search { index: Index::new(entries), also: Some(sightings), ..*search };
    let left = std::mem::take(&mut outcome.unclaimed);
    for sighting in left {
        let fate = sighting.find(discovered).map_or(Fate::Unclaimed, |(_, observation)| search.fate_of(observation, Some(sighting.answer)));
        outcome.add(sighting, fate);
    }
}

/// The keys of all items, under the rules of their class and of the observed classes that extend it.
fn keys_of_items(estate: &Estate, rules: &Rules) -> Vec<(u64, u32)> {
    let classes: Vec<(&str, Vec<usize>)> = rules
        .classes()
        .map(|class| {
            let special = rules.classes().filter(|other| rules.special(class, other) == Some(*other));
            let mut all: Vec<usize> = rules.of(class).iter().copied().chain(special.flat_map(|other| rules.of(other).iter().copied())).collect();
            all.sort_unstable();
            all.dedup();
            (class, all)
        })
        .collect();
    let keys = |(number, item): (usize, &Declared<ConfigurationItemSpec>)| {
        let mut keys = Vec::new();
        let known = classes.binary_search_by(|(class, _)| (*class).cmp(&item.spec.class)).ok().and_then(|place| classes.get(place));
        for rule in known.map_or(&[][..], |(_, rules)| rules.as_slice()) {
            if let Some(ready) = rules.all.get(*rule) {
                ready.keys(*rule as u64, declared(estate, item), &mut keys);
            }
        }
        keys.into_iter().map(move |key| (key, index(number)))
    };
    estate.items.par_iter().enumerate().flat_map_iter(keys).collect()
}

struct Search<'a> {
    estate: &'a Estate,
    discovered: &'a Discovered,
    rules: &'a Rules<'a>,
    index: Index,
    /// Sightings of items, sorted, by which to find further ones; none: by what is declared.
    also: Option<Vec<(u32, Sighting)>>,
}

impl Search<'_> {
    fn keys(&self, rule: usize, thing: Thing, out: &mut Vec<u64>) {
        if let Some(ready) = self.rules.all.get(rule) {
            ready.keys(rule as u64, thing, out);
        }
    }

    fn fate(&self, observation: &Observation) -> Fate {
        self.fate_of(observation, None)
    }

    /// The item of an observation. `from` is its source where other sources are asked.
    fn fate_of(&self, observation: &Observation, from: Option<u32>) -> Fate {
        let thing = observed(self.estate, observation);
        let mut doubt = None;
        // Rules of several classes may stand at one strength; what they find counts together.
        let mut keys = Vec::new();
        for equally_strong in self.rules.tried_for(&observation.class).chunk_by(|one, other| one.0 == other.0) {
            let (mut same, mut unsure) = (Vec::new(), Vec::new());
            for (strength, rule) in equally_strong {
                keys.clear();
                self.keys(*rule, thing, &mut keys);
                for item in self.index.candidates(&keys) {
                    match self.verdict(*rule, *strength, item, observation, thing, from) {
                        Verdict::Same => same.push(item),
                        Verdict::Unsure => unsure.push(item),
                        Verdict::Different | Verdict::Silent => {}
                    }
                }
            }
            for items in [&mut same, &mut unsure] {
                items.sort_unstable();
                items.dedup();
            }
            let Some((strength, rule)) = equally_strong.first() else { continue };
            let (strength, rule) = (u16::try_from(*strength).unwrap_or(u16::MAX), u16::try_from(*rule).unwrap_or(u16::MAX));
            match same.as_slice() {
                [] if !unsure.is_empty() && doubt.is_none() => doubt = Some(Fate::Doubt { items: unsure, rule, unsure: true }),
                [] => {}
                [item] => return Fate::Item { item: *item, strength, rule },
                _ => return Fate::Doubt { items: same, rule, unsure: false },
            }
        }
        doubt.unwrap_or(Fate::Unclaimed)
    }

    /// What a rule says of an item and an observation, vetoes counted.
    fn verdict(&self, rule: usize, strength: usize, item: u32, observation: &Observation, thing: Thing, from: Option<u32>) -> Verdict {
        let Some((declaration, ready)) = self.estate.items.get(item as usize).zip(self.rules.all.get(rule)) else { return Verdict::Silent };
        let Some(class) = self.rules.special(&declaration.spec.class, &observation.class) else { return Verdict::Silent };
        let rules = self.rules.of(class);
        // The rule stands at this place only in some of the classes.
        if rules.get(strength) != Some(&rule) || (ready.reusable && declaration.spec.lifecycle == Lifecycle::Retired) {
            return Verdict::Silent;
        }
        let declared = declared(self.estate, declaration);
        let vetoed = |known: Thing| self.rules.vetoed(rules, strength, known, thing);
        if vetoed(declared) {
            return Verdict::Different;
        }
        let Some(sightings) = &self.also else { return ready.verdict(declared, thing) };
        let start = sightings.partition_point(|(known, _)| *known < item);
        let known = sightings.iter().skip(start).take_while(|(known, _)| *known == item).filter(|(_, sighting)| Some(sighting.answer) != from);
        let mut verdict = Verdict::Silent;
        for (_, observation) in known.filter_map(|(_, sighting)| sighting.find(self.discovered)) {
            let known = observed(self.estate, observation);
            if vetoed(known) {
                return Verdict::Different;
            }
            if ready.verdict(known, thing) == Verdict::Same {
                verdict = Verdict::Same;
            }
        }
        verdict
    }
}
