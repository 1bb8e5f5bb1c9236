//! Matches of one item that cannot all be right: what one source knows of it parts it from what another took for it.
//!
//! An item may be declared by its name alone. Then nothing that is declared vetoes a record of somebody else who had the name;
//! but what a better match of the item says does.

use super::facts::Facts;
use super::matching::Outcome;
use super::rules::Rules;
use super::{Match, Sighting};
use crate::discovery::Discovered;
use crate::estate::Estate;

/// At most so many sightings of one item are held against each other.
const SIGHTINGS: usize = 32;

/// Takes back matches by a rule before which a better or a much newer match of the same item says that they are two.
pub(super) fn part(estate: &Estate, discovered: &Discovered, rules: &Rules, facts: &Facts, outcome: &mut Outcome) {
    let lasts: Vec<i64> = discovered.answers.iter().map(|answer| estate.stale_after(&answer.source)).collect();
    let mut matches = std::mem::take(&mut outcome.matches);
    matches.sort_unstable_by_key(|found| (found.item, found.strength, found.sighting));
    let mut parted: Vec<Sighting> = Vec::new();
    for of_one in matches.chunk_by_mut(|one, other| one.item == other.item) {
        if of_one.len() > SIGHTINGS {
            // Which of them are looked at must not hang on where they stand.
            of_one.sort_by(|one, other| one.strength.cmp(&other.strength).then_with(|| one.sighting.order(other.sighting, discovered)));
        }
        // What was found by the strongest rules cannot be vetoed.
        if of_one.len() < 2 || of_one.last().is_none_or(|weakest| weakest.strength == 0) {
            continue;
        }
        for found in of_one.iter().take(SIGHTINGS) {
            let better = of_one.iter().take(SIGHTINGS).filter(|other| is_better(discovered, &lasts, other, found));
            if better.into_iter().any(|other| differ(rules, facts, found, other)) {
                parted.push(found.sighting);
            }
        }
    }
    if !parted.is_empty() {
        parted.sort_unstable();
        matches.retain(|found| parted.binary_search(&found.sighting).is_err());
        outcome.unclaimed.extend(parted);
        outcome.unclaimed.sort_unstable();
    }
    outcome.matches = matches;
}

/// Whether a match is by a stronger rule, or by the same and of what was seen so much later that the other is stale. `lasts` says
/// of each answer for how many seconds its facts count.
fn is_better(discovered: &Discovered, lasts: &[i64], one: &Match, other: &Match) -> bool {
    if one.strength != other.strength {
        return one.strength < other.strength;
    }
    let seen = |found: &Match| found.sighting.find(discovered).map(|(answer, observation)| observation.seen.unwrap_or(answer.at));
    let (Some(later), Some(earlier), Some(lasts)) = (seen(one), seen(other), lasts.get(other.sighting.answer as usize)) else { return false };
    later.duration_since(earlier).as_secs() > *lasts
}

/// Whether a rule before the one by which `found` was found says that the two observations are two.
fn differ(rules: &Rules, facts: &Facts, found: &Match, other: &Match) -> bool {
    let (one, two) = (facts.seen(found.sighting), facts.seen(other.sighting));
    let Some(kind) = rules.special(one.kind, two.kind) else { return false };
    let of_class = rules.of(kind);
    let strength = of_class.iter().position(|rule| *rule == usize::from(found.rule)).unwrap_or_default();
    rules.vetoed(of_class, strength, one, two)
}
