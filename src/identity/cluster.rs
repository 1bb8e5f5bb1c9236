//! What nobody declared: which observations of it are one thing.

use super::copies::CONTRADICTIONS;
use super::facts::{Facts, Said};
use super::matching::CROWD;
use super::rules::{Rules, Verdict};
use super::{Sighting, index};
use crate::discovery::Discovered;

/// Two groups are held against each other member by member up to this many pairs.
const PAIRS: usize = 256;

/// The sightings of one thing each: things sorted by the first sighting of each, sightings by source and key.
pub(super) fn find(discovered: &Discovered, rules: &Rules, facts: &Facts, mut unclaimed: Vec<Sighting>) -> Vec<Vec<Sighting>> {
    unclaimed.sort_by(|one, other| one.order(*other, discovered));
    let seen: Vec<(Sighting, Said)> = unclaimed.iter().map(|sighting| (*sighting, facts.seen(*sighting))).collect();
    let mut groups = Groups { rules, seen: &seen, group: (0..seen.len()).collect(), members: (0..seen.len()).map(|place| vec![place]).collect() };
    for (rule, shared) in shared_keys(rules, &seen) {
        groups.join(rule, &shared);
    }
    let mut things: Vec<Vec<usize>> = groups.members.into_iter().filter(|members| !members.is_empty()).collect();
    for members in &mut things {
        members.sort_unstable();
    }
    things.sort_unstable();
    things.into_iter().map(|members| members.into_iter().filter_map(|place| seen.get(place).map(|(sighting, _)| *sighting)).collect()).collect()
}

/// The keys that several observations have, each with its rule; the strongest rules first.
fn shared_keys(rules: &Rules, seen: &[(Sighting, Said)]) -> Vec<(usize, Vec<usize>)> {
    let mut entries: Vec<(u64, u32, usize, usize)> = Vec::new();
    let mut keys = Vec::new();
    for (place, (_, said)) in seen.iter().enumerate() {
        for (strength, rule) in rules.of(said.kind).iter().enumerate() {
            keys.clear();
            rules.keys(std::slice::from_ref(rule), *said, &mut keys);
            entries.extend(keys.iter().map(|key| (*key, index(place), strength, *rule)));
        }
    }
    entries.sort_unstable();
    entries.dedup_by_key(|(key, place, _, _)| (*key, *place));
    let groups = entries.chunk_by(|one, other| one.0 == other.0).filter(|group| (2..=CROWD).contains(&group.len()));
    let mut shared: Vec<(usize, usize, Vec<usize>)> = groups
        .filter_map(|group| {
            let strength = group.iter().map(|(_, _, strength, _)| *strength).min()?;
            Some((strength, group.first()?.3, group.iter().map(|(_, place, _, _)| *place as usize).collect()))
        })
        .collect();
    // By strength, then by what they join: nothing hangs on the hash.
    shared.sort_unstable_by(|one, other| (one.0, &one.2, one.1).cmp(&(other.0, &other.2, other.1)));
    shared.into_iter().map(|(_, rule, places)| (rule, places)).collect()
}

struct Groups<'a> {
    rules: &'a Rules<'a>,
    seen: &'a [(Sighting, Said<'a>)],
    /// For each observation, its group.
    group: Vec<usize>,
    members: Vec<Vec<usize>>,
}

impl Groups<'_> {
    /// Joins those of `shared` that are one by this rule and not two by a stronger one.
    fn join(&mut self, rule: usize, shared: &[usize]) {
        let copied = self.rules.all.get(rule).is_some_and(|rule| rule.copied);
        // That one source has several records with it is a sign of clones.
        let enough = if copied && self.are_several_of_a_source(shared) { 1 } else { CONTRADICTIONS };
        for (number, place) in shared.iter().enumerate() {
            for earlier in shared.iter().take(number) {
                let (one, other) = (self.group_of(*earlier), self.group_of(*place));
                if one != other
                    && self.are_one(rule, *earlier, *place)
                    && !(copied && self.is_contradicted(rule, *earlier, *place, enough))
                    && !self.differ(one, other)
                {
                    self.merge(one, other);
                }
            }
        }
    }

    fn group_of(&self, place: usize) -> usize {
        self.group.get(place).copied().unwrap_or(place)
    }

    fn are_one(&self, rule: usize, one: usize, other: usize) -> bool {
        let (Some((_, one)), Some((_, other)), Some(ready)) = (self.seen.get(one), self.seen.get(other), self.rules.all.get(rule)) else { return false };
        let strength = self.rules.special(one.kind, other.kind).and_then(|class| self.rules.of(class).iter().position(|known| *known == rule));
        strength.is_some() && ready.verdict(*one, *other) == Verdict::Same
    }

    fn are_several_of_a_source(&self, shared: &[usize]) -> bool {
        let mut sources: Vec<u32> = shared.iter().filter_map(|place| self.seen.get(*place)).map(|(sighting, _)| sighting.answer).collect();
        sources.sort_unstable();
        sources.windows(2).any(|pair| pair.first() == pair.last())
    }

    /// Whether so many weaker rules say that the two are two, and none that they are one.
    fn is_contradicted(&self, rule: usize, one: usize, other: usize, enough: usize) -> bool {
        let (Some((_, one)), Some((_, other))) = (self.seen.get(one), self.seen.get(other)) else { return false };
        let Some(class) = self.rules.special(one.kind, other.kind) else { return false };
        let rules = self.rules.of(class);
        let Some(strength) = rules.iter().position(|known| *known == rule) else { return false };
        let (same, different) = self.rules.weaker(rules, strength, *one, *other);
        !same && different >= enough
    }

    /// Whether any two of two groups are two things by any rule: joined by one rule, they would be parted by another.
    fn differ(&self, one: usize, other: usize) -> bool {
        let said = |group: usize| self.members.get(group).into_iter().flatten().filter_map(|place| self.seen.get(*place)).map(|(_, said)| *said);
        let pairs = said(one).flat_map(|one| said(other).map(move |other| (one, other)));
        pairs.take(PAIRS).any(|(one, other)| {
            let Some(class) = self.rules.special(one.kind, other.kind) else { return true };
            let rules = self.rules.of(class);
            // A weaker rule may differ: a machine has several names. Only what stands before the rule that they share counts.
            let shared = rules.iter().position(|rule| self.verdict(*rule, one, other) == Verdict::Same).unwrap_or(rules.len());
            self.rules.vetoed(rules, shared, one, other)
        })
    }

    fn verdict(&self, rule: usize, one: Said, other: Said) -> Verdict {
        self.rules.all.get(rule).map_or(Verdict::Silent, |ready| ready.verdict(one, other))
    }

    fn merge(&mut self, one: usize, other: usize) {
        // The smaller one moves, so that each observation moves a few times at most.
        let size = |group: usize| self.members.get(group).map_or(0, Vec::len);
        let (one, other) = if size(one) < size(other) { (other, one) } else { (one, other) };
        let moved = self.members.get_mut(other).map(std::mem::take).unwrap_or_default();
        for place in &moved {
            if let Some(group) = self.group.get_mut(*place) {
                *group = one;
            }
        }
        if let Some(members) = self.members.get_mut(one) {
            members.extend(moved);
        }
    }
}
