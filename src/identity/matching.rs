//! Every observation against what is declared.

use std::collections::HashSet;

use rayon::prelude::*;

use super::facts::{Facts, Said};
use super::rules::{Rules, Verdict};
use super::{Ambiguity, Doubt, Match, Sighting, index, short};
use super::{conflicts, copies, remembered};
use crate::api::Lifecycle;
use crate::discovery::Discovered;
use crate::estate::Estate;

/// What more declared items than this share identifies none of them, and no more sightings of one item than this are asked. So the time
/// that one observation takes is bounded.
pub(super) const CROWD: usize = 64;

/// What became of the observations.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) matches: Vec<Match>,
    pub(super) ambiguities: Vec<Ambiguity>,
    pub(super) unclaimed: Vec<Sighting>,
    /// Whether it is other sources that are asked by now.
    through: bool,
}

/// What became of one observation.
enum Fate {
    Item(Found),
    Doubt { items: Vec<u32>, rule: u16, doubt: Doubt },
    Unclaimed,
}

/// The item that a rule has found.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) item: u32,
    strength: u16,
    pub(super) rule: u16,
    /// How many weaker rules say that it is another, while none says that it is this one. Counted only where the rule goes by
    /// what is copied with a machine.
    pub(super) contradictions: usize,
}

/// A match that weaker rules contradict.
#[derive(Clone, Copy)]
pub(super) struct Contradicted {
    pub(super) sighting: Sighting,
    pub(super) found: Found,
}

/// Keys, each with the item that has it.
struct Index {
    /// Sorted.
    entries: Vec<(u64, u32)>,
    /// Where the keys of each value of their upper bits begin: one step instead of many, since keys are spread evenly.
    starts: Vec<u32>,
    shift: u32,
}

impl Index {
    fn new(mut entries: Vec<(u64, u32)>) -> Self {
        entries.par_sort_unstable();
        entries.dedup();
        let bits = entries.len().next_power_of_two().trailing_zeros().clamp(1, 24);
        let shift = u64::BITS - bits;
        let mut starts = Vec::with_capacity(1 << bits);
        for (place, (key, _)) in entries.iter().enumerate() {
            while (starts.len() as u64) <= key >> shift {
                starts.push(index(place));
            }
        }
        Self { entries, starts, shift }
    }

    /// Puts the items that may have one of these keys in the place of what `items` held, each once; none where too many do.
    fn candidates(&self, keys: &[u64], items: &mut Vec<u32>) {
        items.clear();
        for key in keys {
            let Some(start) = usize::try_from(key >> self.shift).ok().and_then(|bucket| self.starts.get(bucket)) else { continue };
            let found = self.entries.iter().skip(*start as usize).skip_while(|(known, _)| known < key).take_while(|(known, _)| known == key);
            let before = items.len();
            items.extend(found.take(CROWD + 1).map(|(_, item)| *item));
            if items.len() - before > CROWD {
                items.truncate(before);
            }
        }
        if keys.len() > 1 {
            items.sort_unstable();
            items.dedup();
        }
    }
}

/// Finds the item of every observation.
pub(super) fn find(estate: &Estate, discovered: &Discovered, rules: &Rules, facts: &Facts) -> Outcome {
    let search = Search { estate, rules, facts, index: Index::new(keys_of_items(estate, rules, facts)), also: None };
    let mut outcome = Outcome::default();
    let mut contradicted = Vec::new();
    for (number, answer) in discovered.answers.iter().enumerate() {
        let sighting = |place: usize| Sighting { answer: index(number), index: index(place) };
        let places = (0..answer.items.len()).into_par_iter();
        let fates: Vec<Fate> = places.map_init(Scratch::default, |scratch, place| search.fate_of(facts.seen(sighting(place)), None, None, scratch)).collect();
        outcome.matches.reserve(fates.len());
        for (place, fate) in fates.into_iter().enumerate() {
            outcome.add(sighting(place), fate, &mut contradicted);
        }
    }
    copies::judge(&search, &contradicted, &mut outcome);
    conflicts::part(estate, discovered, rules, facts, &mut outcome);
    outcome.through = true;
    if discovered.answers.len() > 1 && !(outcome.unclaimed.is_empty() && outcome.ambiguities.is_empty()) {
        by_other_sources(&search, discovered, &mut outcome);
    }
    remembered::tie(&search, discovered, &mut outcome);
    outcome
}

impl Outcome {
    fn add(&mut self, sighting: Sighting, fate: Fate, contradicted: &mut Vec<Contradicted>) {
        match fate {
            Fate::Item(found) if found.contradictions > 0 => contradicted.push(Contradicted { sighting, found }),
            Fate::Item(found) => self.take(sighting, found),
            Fate::Doubt { items, rule, doubt } => self.ambiguities.push(Ambiguity { sighting, items, rule, doubt }),
            Fate::Unclaimed => self.unclaimed.push(sighting),
        }
    }

    /// The observation is the item.
    pub(super) fn take(&mut self, sighting: Sighting, Found { item, strength, rule, .. }: Found) {
        self.matches.push(Match { item, sighting, strength, rule, speaks: true, through: self.through });
    }

    /// The observation may be a copy of the item.
    pub(super) fn doubt(&mut self, sighting: Sighting, found: Found) {
        self.ambiguities.push(Ambiguity { sighting, items: vec![found.item], rule: found.rule, doubt: Doubt::Copied });
    }
}

/// What is left may be what another source has already tied to an item: the source knows an address that nobody declared.
fn by_other_sources(search: &Search, discovered: &Discovered, outcome: &mut Outcome) {
    let within = outcome.ambiguities.iter().filter(|doubt| doubt.doubt == Doubt::Within).map(|doubt| doubt.sighting);
    let open = outcome.unclaimed.iter().copied().chain(within);
    let (mut wanted, mut keys): (HashSet<u64>, Vec<u64>) = (HashSet::new(), Vec::new());
    for sighting in open {
        search.all_keys(sighting, &mut keys);
        wanted.extend(&keys);
    }
    let of_match = |found: &Match, keys: &mut Vec<u64>| {
        search.all_keys(found.sighting, keys);
        keys.retain(|key| wanted.contains(key));
        found.item
    };
    let entries = entries(&outcome.matches, &of_match);
    if entries.is_empty() {
        return;
    }
    let items: HashSet<u32> = entries.iter().map(|(_, item)| *item).collect();
    let sightings = outcome.matches.iter().filter(|found| items.contains(&found.item)).map(|found| (found.item, found.sighting)).collect();
    let sightings = some_of_each(sightings, discovered);
    let search = Search { index: Index::new(entries), also: Some(sightings), ..*search };
    let left = std::mem::take(&mut outcome.unclaimed);
    let mut scratch = Scratch::default();
    let mut ask = |sighting: Sighting| search.fate_of(search.facts.seen(sighting), Some(sighting.answer), None, &mut scratch);
    let mut contradicted = Vec::new();
    for sighting in left {
        outcome.add(sighting, ask(sighting), &mut contradicted);
    }
    // Another source may also say within what an item is where the estate does not.
    for doubt in std::mem::take(&mut outcome.ambiguities) {
        match ask(doubt.sighting) {
            Fate::Item(found) if doubt.doubt == Doubt::Within && found.contradictions == 0 && doubt.items.contains(&found.item) => {
                outcome.take(doubt.sighting, found);
            }
            _ => outcome.ambiguities.push(doubt),
        }
    }
    copies::judge(&search, &contradicted, outcome);
}

/// The sightings, sorted by item, so many of each that they can be asked, whatever the order in which they stand.
fn some_of_each(mut sightings: Vec<(u32, Sighting)>, discovered: &Discovered) -> Vec<(u32, Sighting)> {
    sightings.sort_unstable();
    if sightings.chunk_by(|one, other| one.0 == other.0).all(|of_one| of_one.len() <= CROWD) {
        return sightings;
    }
    for of_one in sightings.chunk_by_mut(|one, other| one.0 == other.0) {
        of_one.sort_by(|one, other| one.1.order(other.1, discovered));
    }
    sightings.chunk_by(|one, other| one.0 == other.0).flat_map(|of_one| of_one.iter().take(CROWD).copied()).collect()
}

/// The keys of all items.
fn keys_of_items(estate: &Estate, rules: &Rules, facts: &Facts) -> Vec<(u64, u32)> {
    let items: Vec<u32> = (0..index(estate.items.len())).collect();
    entries(&items, &|item, keys| {
        keys.clear();
        rules.keys_of_item(facts.item(*item), keys);
        *item
    })
}

/// The keys of each of these with its item; `of` puts the keys of one in the place of what it is given.
fn entries<T: Sync>(all: &[T], of: &(impl Fn(&T, &mut Vec<u64>) -> u32 + Sync)) -> Vec<(u64, u32)> {
    let some = |some: &[T]| {
        let (mut entries, mut keys) = (Vec::with_capacity(some.len()), Vec::new());
        for one in some {
            let item = of(one, &mut keys);
            entries.extend(keys.iter().map(|key| (*key, item)));
        }
        entries
    };
    all.par_chunks(1024).flat_map_iter(some).collect()
}

/// What one search after the other uses anew.
#[derive(Default)]
struct Scratch {
    keys: Vec<u64>,
    items: Vec<u32>,
}

/// How the item of an observation is looked for.
pub(super) struct Search<'a> {
    pub(super) estate: &'a Estate,
    pub(super) rules: &'a Rules<'a>,
    pub(super) facts: &'a Facts,
    index: Index,
    /// Sightings of items, sorted, by which to find further ones; none: by what is declared.
    also: Option<Vec<(u32, Sighting)>>,
}

impl Search<'_> {
    /// Puts all keys of an observation, under the rules of its class, in the place of what `keys` held.
    pub(super) fn all_keys(&self, sighting: Sighting, keys: &mut Vec<u64>) {
        keys.clear();
        let said = self.facts.seen(sighting);
        self.rules.keys(self.rules.of(said.kind), said, keys);
    }

    /// The item of an observation that is not the one that a copied identifier names, if weaker rules name one.
    pub(super) fn other(&self, contradicted: &Contradicted) -> Option<Found> {
        let said = self.facts.seen(contradicted.sighting);
        let from = self.also.as_ref().map(|_| contradicted.sighting.answer);
        match self.fate_of(said, from, Some(contradicted.found.item), &mut Scratch::default()) {
            Fate::Item(found) if found.contradictions == 0 => Some(found),
            _ => None,
        }
    }

    /// The item of an observation. `from` is its source where other sources are asked; `not` is an item that it is not.
    fn fate_of(&self, said: Said, from: Option<u32>, not: Option<u32>, Scratch { keys, items }: &mut Scratch) -> Fate {
        let mut doubt = None;
        // Rules of several classes may stand at one strength; what they find counts together.
        for equally_strong in self.rules.tried_for(said.kind).chunk_by(|one, other| one.0 == other.0) {
            let (mut same, mut unsure): (Vec<Found>, Vec<Found>) = (Vec::new(), Vec::new());
            for (strength, rule) in equally_strong {
                keys.clear();
                self.rules.keys(std::slice::from_ref(rule), said, keys);
                if keys.is_empty() {
                    continue;
                }
                self.index.candidates(keys, items);
                for item in items.iter().copied().filter(|item| Some(*item) != not) {
                    let found = || Found { item, strength: short(*strength), rule: short(*rule), contradictions: 0 };
                    match self.verdict(*rule, *strength, item, said, from) {
                        Verdict::Same => same.push(found()),
                        Verdict::Unsure => unsure.push(found()),
                        Verdict::Different | Verdict::Silent => {}
                    }
                }
            }
            for found in [&mut same, &mut unsure] {
                found.sort_unstable_by_key(|found| (found.item, found.rule));
                found.dedup_by_key(|found| found.item);
            }
            match (same.as_slice(), unsure.as_slice()) {
                ([], [first, ..]) if doubt.is_none() => {
                    doubt = Some(Fate::Doubt { rule: first.rule, items: unsure.iter().map(|found| found.item).collect(), doubt: Doubt::Within });
                }
                ([], _) => {}
                ([found], _) => return Fate::Item(self.contradicted(*found, said)),
                ([first, ..], _) => {
                    if let Some(found) = self.parted(&same, said, from) {
                        return Fate::Item(found);
                    }
                    let tied = Fate::Doubt { rule: first.rule, items: same.iter().map(|found| found.item).collect(), doubt: Doubt::Several };
                    // What clones share may be none of theirs: then a weaker rule names it.
                    if !same.iter().all(|found| self.contradicted(*found, said).contradictions > 0) {
                        return tied;
                    }
                    doubt = Some(tied);
                }
            }
        }
        doubt.unwrap_or(Fate::Unclaimed)
    }

    /// Of items that one rule fits alike, the one that a weaker rule names while it parts the observation from all others.
    fn parted(&self, tied: &[Found], said: Said, from: Option<u32>) -> Option<Found> {
        let strength = tied.first()?.strength;
        let weaker = self.rules.tried_for(said.kind).iter().filter(|(weaker, _)| short(*weaker) > strength);
        for (weaker, rule) in weaker {
            let verdicts: Vec<(&Found, Verdict)> = tied.iter().map(|found| (found, self.verdict(*rule, *weaker, found.item, said, from))).collect();
            let mut same = verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Same);
            if let (Some((named, _)), None) = (same.next(), same.next())
                && verdicts.iter().all(|(other, verdict)| other.item == named.item || *verdict == Verdict::Different)
            {
                return Some(**named);
            }
        }
        None
    }

    /// The match with the weaker rules that contradict it.
    fn contradicted(&self, found: Found, said: Said) -> Found {
        if !self.rules.all.get(usize::from(found.rule)).is_some_and(|rule| rule.copied) {
            return found;
        }
        let declared = self.facts.item(found.item);
        let Some(kind) = self.rules.special(declared.kind, said.kind) else { return found };
        let (same, different) = self.rules.weaker(self.rules.of(kind), usize::from(found.strength), declared, said);
        Found { contradictions: if same { 0 } else { different }, ..found }
    }

    /// What a rule says of an item and an observation, vetoes counted.
    fn verdict(&self, rule: usize, strength: usize, item: u32, said: Said, from: Option<u32>) -> Verdict {
        let Some((declaration, ready)) = self.estate.items.get(item as usize).zip(self.rules.all.get(rule)) else { return Verdict::Silent };
        let declared = self.facts.item(item);
        let Some(kind) = self.rules.special(declared.kind, said.kind) else { return Verdict::Silent };
        let rules = self.rules.of(kind);
        // The rule stands at this place only in some of the classes.
        if rules.get(strength) != Some(&rule) || (ready.reusable && declaration.spec.lifecycle == Lifecycle::Retired) {
            return Verdict::Silent;
        }
        let vetoed = |known: Said| self.rules.vetoed(rules, strength, known, said);
        if vetoed(declared) {
            return Verdict::Different;
        }
        let Some(sightings) = &self.also else { return ready.verdict(declared, said) };
        let start = sightings.partition_point(|(known, _)| *known < item);
        let known = sightings.iter().skip(start).take_while(|(known, _)| *known == item).filter(|(_, sighting)| Some(sighting.answer) != from);
        let mut verdict = Verdict::Silent;
        for known in known.map(|(_, sighting)| self.facts.seen(*sighting)) {
            if vetoed(known) {
                return Verdict::Different;
            }
            if ready.verdict(known, said) == Verdict::Same {
                verdict = Verdict::Same;
            }
        }
        verdict
    }
}
