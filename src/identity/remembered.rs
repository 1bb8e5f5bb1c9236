//! What a source that is silent now has said to be one, so that its outage does not change what others see: an observation
//! that was an item by the word of another source alone is that item still.

use std::collections::BTreeSet;

use super::matching::{Outcome, Search};
use super::{Doubt, Match, Sighting, short};
use crate::api::{Lifecycle, Text};
use crate::discovery::Discovered;

/// By which such an observation is found.
pub(super) const RULE: &str = "what another source knew of the item";

/// Ties what is left to the items that it was, where a source that is not its own is silent.
pub(super) fn tie(search: &Search, discovered: &Discovered, outcome: &mut Outcome) {
    if discovered.history.ties.is_empty() {
        return;
    }
    let silent = silent(search, discovered);
    let is_known = |sighting: &Sighting| known(search, discovered, &silent, *sighting);
    let (rule, strength) = (short(search.rules.all.len()), u16::MAX);
    let mut tie = |sighting, item| outcome.matches.push(Match { item, sighting, strength, rule, speaks: true, through: true });
    outcome.unclaimed.retain(|sighting| is_known(sighting).map(|item| tie(*sighting, item)).is_none());
    // That another source said within what an item is, is remembered too.
    outcome.ambiguities.retain(|doubt| {
        let item = is_known(&doubt.sighting).filter(|item| doubt.doubt == Doubt::Within && doubt.items.contains(item));
        item.map(|item| tie(doubt.sighting, item)).is_none()
    });
}

/// The sources that did not say everything, or were not asked.
fn silent<'a>(search: &'a Search, discovered: &'a Discovered) -> BTreeSet<&'a Text> {
    let complete: BTreeSet<&Text> = discovered.answers.iter().filter(|answer| answer.complete).map(|answer| &answer.source).collect();
    let declared = search.estate.sources.iter().filter(|source| !source.spec.suspend).map(|source| &source.name);
    declared.chain(discovered.answers.iter().map(|answer| &answer.source)).filter(|source| !complete.contains(source)).collect()
}

/// The item that this was, unless something that is declared says that it is another now.
fn known(search: &Search, discovered: &Discovered, silent: &BTreeSet<&Text>, sighting: Sighting) -> Option<u32> {
    let (answer, observation) = sighting.find(discovered)?;
    if !silent.iter().any(|source| **source != answer.source) {
        return None;
    }
    let place = search.estate.item(discovered.history.ties.get(&answer.source)?.get(&observation.key)?)?;
    let retired = search.estate.items.get(place)?.spec.lifecycle == Lifecycle::Retired;
    let item = super::index(place);
    let (declared, said) = (search.facts.item(item), search.facts.seen(sighting));
    let kind = search.rules.special(declared.kind, said.kind)?;
    (!retired && !search.rules.vetoed(search.rules.of(kind), usize::MAX, declared, said)).then_some(item)
}
