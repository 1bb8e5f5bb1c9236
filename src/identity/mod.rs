//! Which observations are one item (rule 3: identity is never guessed).
//!
//! ```text
//! normal    the normal forms of identifiers, and values that identify nothing
//! facts     what things say of what the rules ask, in normal form, read once
//! rules     a class's identification rules made ready: keys, and what a rule says of two things
//! matching  every observation against what is declared, the strongest rule first
//! conflicts matches of one item that cannot all be right
//! copies    machines that share what identifies, since one is a copy of the other
//! cluster   what nobody declared: observations of several sources that are one thing
//! remembered what a source that is silent now has said to be one
//! ends      the other ends of relations
//! explain   why observations are one item, and why others are not
//! mac, ip   addresses in any spelling
//! ```
//!
//! - Of two related classes the rules of the more special one hold; things of unrelated classes are never one.
//! - The first rule that finds an item decides. A rule before it that both sides can answer, and answer differently, is a
//!   veto. Two items by the same rule are a doubt ([`Ambiguity`]), and nothing is merged.
//!   Where weaker rules part the two, it is the one that they name.
//! - What is copied with a disk or a template (a UUID of the firmware or an agent, a serial number, a MAC address) is not
//!   believed against everything else that both sides say.
//! - A name is no identifier. What goes by names and addresses alone does not bring back an item that is retired.
//! - What only one side says to be within a network or site is a doubt too; if neither says it, the estate has only one.
//! - A source that reports one item twice is told ([`Duplicate`]). The stronger match speaks for the item; of two that are
//!   as strong, only what they agree on is compared: a clone must not flip the record of its original.
//! - Of two that a source found by a name or an address, the one that it saw within the time that its facts last counts: the
//!   other is whose name it was before.
//!
//! The result does not depend on the order of sources, observations or items.

mod cluster;
mod conflicts;
mod copies;
pub(crate) mod ends;
mod explain;
mod facts;
pub(crate) mod ip;
pub(crate) mod mac;
mod matching;
mod normal;
mod remembered;
mod rules;

use std::borrow::Cow;
use std::cmp::Ordering;

pub use explain::{Asked, Identity, Name, Refused, Seen, explain};

use crate::api::Text;
use crate::discovery::{Answer, Discovered, Observation, Ties};
use crate::estate::{Class, Estate};

/// One observation, by its place in [`Discovered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sighting {
    /// Index into [`Discovered::answers`].
    pub answer: u32,
    /// Index into that answer's items.
    pub index: u32,
}

/// A sighting of a declared item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index into the estate's items.
    pub item: u32,
    /// What was seen.
    pub sighting: Sighting,
    /// Which identification rule decided, from 0, the strongest.
    pub strength: u16,
    /// Index into [`Correlation::rules`].
    pub rule: u16,
    /// Whether its facts count: of several sightings of one item by one source, only the strongest do.
    pub speaks: bool,
    /// Whether nothing that is declared says so, but what another source knows of the item, or knew.
    pub through: bool,
}

/// An observation that may be any of several items, or is one only perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// What was seen.
    pub sighting: Sighting,
    /// The items, by index, sorted.
    pub items: Vec<u32>,
    /// Index into [`Correlation::rules`].
    pub rule: u16,
    /// What the doubt is.
    pub doubt: Doubt,
}

/// Why an observation is not taken for an item that a rule fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The rule fits several items, and nothing weaker tells which of them it is.
    Several,
    /// Only one side says within what it is.
    Within,
    /// The rule goes by what is copied with a disk or a template, and everything weaker that both sides say differs.
    Copied,
}

/// One thing that one source reports several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The declared item; none where the thing is not declared.
    pub item: Option<u32>,
    /// Its sightings by that source, sorted.
    pub sightings: Vec<Sighting>,
}

/// Which observation belongs to which declared item, and what belongs to none.
#[derive(Clone, Debug, Default)]
pub struct Correlation {
    /// Sorted by item, then by source and key.
    matches: Vec<Match>,
    /// For each item, where its matches begin; one more at the end.
    starts: Vec<u32>,
    /// Sightings of what nobody declared, one thing after the other.
    undeclared: Vec<Sighting>,
    /// Where in `undeclared` each thing ends.
    ends: Vec<u32>,
    /// Observations that are none of the above.
    pub ambiguities: Vec<Ambiguity>,
    /// What one source reports several times.
    pub duplicates: Vec<Duplicate>,
    /// The identification rules as people name them: `dns/fqdn`.
    pub rules: Vec<String>,
    /// What is worth remembering for a time when a source is silent: which observations are an item by another source's word alone.
    pub ties: Ties,
}

impl Correlation {
    /// The sightings of an item, sorted by source and key.
    pub fn of(&self, item: usize) -> &[Match] {
        let at = |index: usize| self.starts.get(index).map(|start| *start as usize);
        at(item).zip(at(item + 1)).and_then(|(start, end)| self.matches.get(start..end)).unwrap_or_default()
    }

    /// All sightings of declared items, sorted by item.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// What nobody declared: the sightings of one thing each, sorted by source and key.
    pub fn undeclared(&self) -> impl Iterator<Item = &[Sighting]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).filter_map(|(start, end)| self.undeclared.get(*start as usize..*end as usize))
    }

    /// The name of a rule.
    pub fn rule(&self, rule: u16) -> &str {
        self.rules.get(usize::from(rule)).map_or("", String::as_str)
    }
}

impl Sighting {
    /// The answer and the observation.
    pub fn find(self, discovered: &Discovered) -> Option<(&Answer, &Observation)> {
        let answer = discovered.answers.get(self.answer as usize)?;
        Some((answer, answer.items.get(self.index as usize)?))
    }

    /// By source, key and name, then by all that is said: an order that does not depend on where an observation stands, not
    /// even where a source says several things under one key.
    fn order(self, other: Self, discovered: &Discovered) -> Ordering {
        let names = |sighting: Self| {
            sighting.find(discovered).map(|(answer, observation)| (&answer.source, &observation.key, &observation.name, &observation.class, observation))
        };
        names(self).cmp(&names(other)).then(self.cmp(&other))
    }
}

/// What a source calls this thing: its key, or where it has none, its name. Rows that a source repeats have the same.
fn own_name(observation: &Observation) -> &Text {
    if observation.key.is_empty() { &observation.name } else { &observation.key }
}

/// Finds, for every observation, the declared item that it is about.
pub fn correlate(estate: &Estate, discovered: &Discovered) -> Correlation {
    let rules = rules::Rules::new(estate, discovered);
    let facts = facts::Facts::new(estate, discovered, &rules);
    let found = matching::find(estate, discovered, &rules, &facts);
    let names = rules.all.iter().map(|rule| rule.name.clone()).chain([remembered::RULE.to_owned()]).collect();
    let mut correlation = Correlation { ambiguities: found.ambiguities, rules: names, ..Correlation::default() };
    correlation.keep_matches(found.matches, estate, discovered, &rules);
    let things = cluster::find(discovered, &rules, &facts, found.unclaimed);
    for thing in things {
        let duplicates = repeated(thing.iter().copied(), discovered);
        if duplicates.is_empty() {
            correlation.undeclared.extend(thing);
            correlation.ends.push(index(correlation.undeclared.len()));
        } else {
            // Which of them is the thing is not known, so none of them is brought up as one.
            correlation.duplicates.extend(duplicates.into_iter().map(|sightings| Duplicate { item: None, sightings }));
        }
    }
    correlation.ties = remembered::ties(estate, discovered, &rules, &facts, &correlation);
    correlation.ambiguities.sort_by(|one, other| one.sighting.order(other.sighting, discovered));
    correlation
}

impl Correlation {
    fn keep_matches(&mut self, mut matches: Vec<Match>, estate: &Estate, discovered: &Discovered, rules: &rules::Rules) {
        matches.sort_unstable_by_key(|found| found.item);
        for of_one in matches.chunk_by_mut(|one, other| one.item == other.item) {
            of_one.sort_by(|one, other| one.sighting.order(other.sighting, discovered));
        }
        self.starts = vec![0; estate.items.len() + 1];
        for found in &matches {
            if let Some(count) = self.starts.get_mut(found.item as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        for of_one in matches.chunk_by_mut(|one, other| one.item == other.item) {
            if of_one.len() < 2 {
                continue;
            }
            let mut former = Vec::new();
            for of_source in of_one.chunk_by_mut(|one, other| one.sighting.answer == other.sighting.answer) {
                let strongest = of_source.iter().map(|found| found.strength).min().unwrap_or_default();
                for found in of_source.iter_mut() {
                    found.speaks = found.strength == strongest;
                }
                former.extend(silence_former(of_source, estate, discovered, rules));
            }
            let item = of_one.first().map(|found| found.item);
            let repeated = repeated(of_one.iter().map(|found| found.sighting).filter(|sighting| !former.contains(sighting)), discovered);
            self.duplicates.extend(repeated.into_iter().map(|sightings| Duplicate { item, sightings }));
        }
        self.matches = matches;
    }
}

/// Of one source's sightings of one item that speak, those that it found by a name or an address alone and last saw much
/// longer ago than another: the name was given on. Gives them, and lets them speak no more.
fn silence_former(of_source: &mut [Match], estate: &Estate, discovered: &Discovered, rules: &rules::Rules) -> Vec<Sighting> {
    let reusable = |found: &Match| rules.all.get(usize::from(found.rule)).is_some_and(|rule| rule.reusable);
    let seen = |found: &Match| found.sighting.find(discovered).and_then(|(answer, observation)| Some((answer, observation.seen?)));
    let Some((answer, newest)) = of_source.iter().filter(|found| found.speaks).filter_map(seen).max_by_key(|(_, seen)| *seen) else { return Vec::new() };
    let lasts = estate.stale_after(&answer.source);
    let is_former = |found: &Match| found.speaks && reusable(found) && seen(found).is_some_and(|(_, seen)| newest.duration_since(seen).as_secs() > lasts);
    let mut former = Vec::new();
    for found in of_source {
        if is_former(found) {
            found.speaks = false;
            former.push(found.sighting);
        }
    }
    former
}

/// Of sightings of one thing, sorted by source: those of each source that gives it more than one name of its own.
fn repeated(sightings: impl Iterator<Item = Sighting>, discovered: &Discovered) -> Vec<Vec<Sighting>> {
    let sightings: Vec<Sighting> = sightings.collect();
    let name = |sighting: &Sighting| sighting.find(discovered).map(|(_, observation)| own_name(observation));
    let of_sources = sightings.chunk_by(|one, other| one.answer == other.answer);
    of_sources.filter(|of_source| of_source.iter().any(|sighting| name(sighting) != of_source.first().and_then(name))).map(<[Sighting]>::to_vec).collect()
}

/// The normal form of a value of an identifier; none where it identifies nothing.
pub(crate) fn normal_form<'a>(class: Option<&Class>, identifier: &str, value: &'a str) -> Option<Cow<'a, str>> {
    (!normal::is_bogus(class, identifier, value)).then(|| normal::Form::of(identifier).normal(value))
}

/// Whether an identifier is only a name or an address: such are given to the next thing when the first is gone.
pub(crate) fn is_reusable(identifier: &str) -> bool {
    normal::is_reusable(identifier)
}

/// Whether the values of an identifier are host names.
pub(crate) fn is_host_name(identifier: &str) -> bool {
    normal::Form::of(identifier) == normal::Form::Host
}

/// Counts of items and observations fit 32 bits: four thousand times the design size.
fn index(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Rules are few.
fn short(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
