//! What a source that is silent now has said to be one, so that its outage does not change what others see: an observation
//! that was an item by the word of another source alone is that item while this source is silent.
//!
//! It counts only for the very same observation: what identifies it is as it was. And it counts for less than anything that is
//! said now: what is declared of the item, and every other sighting of it, vetoes it by the rule itself and by each stronger one.

use std::collections::{BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::facts::{Facts, observed};
use super::matching::{CROWD, Outcome, Search};
use super::rules::{Rules, Verdict};
use super::{Correlation, Doubt, Match, Sighting, short};
use crate::api::{Lifecycle, Text};
use crate::discovery::{Discovered, Observation, Tie, Ties};
use crate::estate::Estate;

/// By which such an observation is found.
pub(super) const RULE: &str = "what another source knew of the item";

/// Ties what is left to the items that it was, where the source is silent that said so.
pub(super) fn tie(search: &Search, discovered: &Discovered, outcome: &mut Outcome) {
    if discovered.history.ties.is_empty() {
        return;
    }
    let silent = silent(search.estate, discovered);
    // That another source said within what an item is, is remembered too.
    let within = outcome.ambiguities.iter().filter(|doubt| doubt.doubt == Doubt::Within);
    let open = outcome.unclaimed.iter().map(|sighting| (*sighting, None)).chain(within.map(|doubt| (doubt.sighting, Some(&doubt.items))));
    let known =
        open.filter_map(|(sighting, items)| known(search, discovered, &silent, sighting).filter(|known| items.is_none_or(|items| items.contains(&known.item))));
    let mut known: HashMap<Sighting, Known> = known.map(|known| (known.sighting, known)).collect();
    let seen = seen_of(outcome, &known.values().map(|known| known.item).collect());
    known.retain(|_, known| !seen.get(&known.item).is_some_and(|seen| seen.len() > CROWD || seen.iter().any(|sighting| known.is_vetoed(search, *sighting))));
    outcome.unclaimed.retain(|sighting| !known.contains_key(sighting));
    outcome.ambiguities.retain(|doubt| !known.contains_key(&doubt.sighting));
    let rule = short(search.rules.all.len());
    let tied =
        known.into_values().map(|Known { sighting, item, strength }| Match { item, sighting, strength: short(strength), rule, speaks: true, through: true });
    outcome.matches.extend(tied);
}

/// An observation that was this item.
struct Known {
    sighting: Sighting,
    item: u32,
    /// Of the rule by which it was.
    strength: usize,
}

impl Known {
    /// Whether what is seen of the item now says that this is another thing.
    fn is_vetoed(&self, search: &Search, by: Sighting) -> bool {
        let (said, other) = (search.facts.seen(self.sighting), search.facts.seen(by));
        let kind = search.rules.special(said.kind, other.kind);
        kind.is_some_and(|kind| search.rules.vetoed(search.rules.of(kind), self.strength + 1, said, other))
    }
}

/// The sources that did not say everything, say far less than before, or were not asked.
fn silent<'a>(estate: &'a Estate, discovered: &'a Discovered) -> BTreeSet<&'a Text> {
    let percent = estate.spec.safety.mass_absence.0;
    let spoke = discovered.answers.iter().filter(|answer| answer.complete && discovered.history.vanished(answer, percent).is_none());
    let spoke: BTreeSet<&Text> = spoke.map(|answer| &answer.source).collect();
    let declared = estate.sources.iter().filter(|source| !source.spec.suspend).map(|source| &source.name);
    declared.chain(discovered.answers.iter().map(|answer| &answer.source)).filter(|source| !spoke.contains(source)).collect()
}

/// The item that this was, unless what identifies it is not as it was, or something that is declared says that it is another now.
fn known(search: &Search, discovered: &Discovered, silent: &BTreeSet<&Text>, sighting: Sighting) -> Option<Known> {
    let (answer, observation) = sighting.find(discovered)?;
    let tie = discovered.history.ties.get(&answer.source)?.get(&observation.key)?;
    let is_open = tie.by.iter().any(|source| *source != answer.source && silent.contains(source));
    if !is_open || tie.row != row(search.rules, observation) {
        return None;
    }
    let place = search.estate.item(&tie.item)?;
    let retired = search.estate.items.get(place)?.spec.lifecycle == Lifecycle::Retired;
    let item = super::index(place);
    let (declared, said) = (search.facts.item(item), search.facts.seen(sighting));
    let rules = search.rules.of(search.rules.special(declared.kind, said.kind)?);
    let strength = rules.iter().position(|rule| search.rules.all.get(*rule).is_some_and(|rule| *rule.name == *tie.rule))?;
    (!retired && !search.rules.vetoed(rules, strength + 1, declared, said)).then_some(Known { sighting, item, strength })
}

/// The sightings of these items.
fn seen_of(outcome: &Outcome, items: &HashSet<u32>) -> HashMap<u32, Vec<Sighting>> {
    let mut seen: HashMap<u32, Vec<Sighting>> = HashMap::new();
    for found in outcome.matches.iter().filter(|found| items.contains(&found.item)) {
        seen.entry(found.item).or_default().push(found.sighting);
    }
    seen
}

/// What is worth remembering of this outcome.
pub(super) fn ties(estate: &Estate, discovered: &Discovered, rules: &Rules, facts: &Facts, correlation: &Correlation) -> Ties {
    let mut ties = Ties::new();
    let mut repeated: HashMap<u32, HashSet<&Text>> = HashMap::new();
    for found in correlation.matches.iter().filter(|found| found.through) {
        let Some((answer, observation)) = found.sighting.find(discovered) else { continue };
        let repeated = repeated.entry(found.sighting.answer).or_insert_with(|| keys_of_several(&answer.items));
        // What a source has no key of its own for, or one key for several things, is not known again.
        if observation.key.is_empty() || repeated.contains(&observation.key) {
            continue;
        }
        let before = || discovered.history.ties.get(&answer.source)?.get(&observation.key).cloned();
        let tie = if usize::from(found.rule) == rules.all.len() { before() } else { new(estate, discovered, rules, facts, correlation, *found) };
        if let Some(tie) = tie {
            ties.entry(answer.source.clone()).or_default().insert(observation.key.clone(), tie);
        }
    }
    ties
}

fn keys_of_several(items: &[Observation]) -> HashSet<&Text> {
    let mut once = HashSet::with_capacity(items.len());
    items.iter().map(|item| &item.key).filter(|key| !once.insert(*key)).collect()
}

fn new(estate: &Estate, discovered: &Discovered, rules: &Rules, facts: &Facts, correlation: &Correlation, found: Match) -> Option<Tie> {
    let (_, observation) = found.sighting.find(discovered)?;
    let rule = rules.all.get(usize::from(found.rule))?;
    let (said, seen) = (facts.seen(found.sighting), correlation.of(found.item as usize));
    // Where a crowd is one item, no tie counts (see `tie`), and each of them would be held against each other one.
    if seen.len() > CROWD {
        return None;
    }
    let others = seen.iter().map(|other| other.sighting).filter(|other| other.answer != found.sighting.answer);
    let same = others.filter(|other| rule.verdict(facts.seen(*other), said) == Verdict::Same);
    let by: BTreeSet<Text> = same.filter_map(|other| other.find(discovered)).map(|(answer, _)| answer.source.clone()).collect();
    let item = estate.items.get(found.item as usize)?.name.clone();
    (!by.is_empty()).then(|| Tie { item, rule: rule.name.as_str().into(), by, row: row(rules, observation) })
}

/// A digest of what identifies an observation, the same in every process.
fn row(rules: &Rules, observation: &Observation) -> Text {
    // By name: the numbers of parts are those of this pass.
    let mut said: Vec<(&str, String)> = rules.named(observed(rules, observation)).into_iter().map(|(_, name, value)| (name, value)).collect();
    said.sort_unstable();
    let mut digest = Sha256::new();
    for (name, value) in &said {
        for part in [*name, value] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    let bytes = digest.finalize();
    bytes.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}")).into()
}
