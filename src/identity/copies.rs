//! Machines that share what identifies, since one is a copy of the other.
//!
//! A UUID of the firmware, a serial number, an agent's identity or a MAC address is copied with a disk or a template. By such
//! an identifier alone a clone would be taken for its original. So where everything weaker that an item and an observation
//! both say differs, it is looked for who else has the weaker names: another item, another record of the same source, or
//! something that others saw. If anybody has, it is a copy; if nobody has and only one name differs, it is the item under a
//! new name; else it is a doubt.

use std::collections::{HashMap, HashSet};

use super::Sighting;
use super::matching::{CROWD, Contradicted, Outcome, Search};

/// So many weaker rules must contradict for a doubt. One may be a new name or a new network card.
pub(super) const CONTRADICTIONS: usize = 2;

/// Decides about matches that weaker rules contradict.
pub(super) fn judge(search: &Search, contradicted: &[Contradicted], outcome: &mut Outcome) {
    let mut open = Vec::new();
    for one in contradicted {
        match search.other(one) {
            Some(found) => outcome.take(one.sighting, found),
            None => open.push(*one),
        }
    }
    if open.is_empty() {
        return;
    }
    let originals = originals(&open, outcome);
    let others = others(search, &open, outcome);
    for one in open {
        if originals.contains(&(one.found.item, one.sighting.answer)) || others.contains(&one.sighting) {
            outcome.unclaimed.push(one.sighting);
        } else if one.found.contradictions >= CONTRADICTIONS {
            outcome.doubt(one.sighting, one.found);
        } else {
            outcome.take(one.sighting, one.found);
        }
    }
    outcome.unclaimed.sort_unstable();
}

/// The items of which the same source has a record that nothing contradicts.
fn originals(open: &[Contradicted], outcome: &Outcome) -> HashSet<(u32, u32)> {
    let wanted: HashSet<(u32, u32)> = open.iter().map(|one| (one.found.item, one.sighting.answer)).collect();
    outcome.matches.iter().map(|found| (found.item, found.sighting.answer)).filter(|found| wanted.contains(found)).collect()
}

/// Those whose weaker names something else has that was seen: what is nobody's, or another item's.
fn others(search: &Search, open: &[Contradicted], outcome: &Outcome) -> HashSet<Sighting> {
    let (mut wanted, mut keys): (HashMap<u64, Vec<&Contradicted>>, Vec<u64>) = (HashMap::new(), Vec::new());
    for one in open {
        search.all_keys(one.sighting, &mut keys);
        for key in &keys {
            wanted.entry(*key).or_default().push(one);
        }
    }
    // What a crowd shares tells nobody apart; without this, a crowd would be held against a crowd.
    wanted.retain(|_, sharing| sharing.len() <= CROWD);
    // Nearly all keys are nobody's, and one bit says so.
    let mut rough = vec![false; 1 << 16];
    let bit = |key: u64| usize::try_from(key & 0xffff).unwrap_or_default();
    for key in wanted.keys() {
        if let Some(bit) = rough.get_mut(bit(*key)) {
            *bit = true;
        }
    }
    let mut others = HashSet::new();
    let known = outcome.matches.iter().map(|found| (found.sighting, Some(found.item)));
    let unknown = outcome.unclaimed.iter().map(|sighting| (*sighting, None));
    for (sighting, item) in known.chain(unknown) {
        search.all_keys(sighting, &mut keys);
        for key in keys.iter().filter(|key| rough.get(bit(**key)).is_some_and(|bit| *bit)) {
            let shared = wanted.get(key).into_iter().flatten().filter(|one| Some(one.found.item) != item && !others.contains(&one.sighting));
            let same: Vec<Sighting> = shared.filter(|one| has_weaker_name(search, one, sighting)).map(|one| one.sighting).collect();
            others.extend(same);
        }
    }
    others
}

/// Whether a rule weaker than the contradicted one says that what was seen is the same as this.
fn has_weaker_name(search: &Search, one: &Contradicted, other: Sighting) -> bool {
    let (said, other) = (search.facts.seen(one.sighting), search.facts.seen(other));
    let Some(kind) = search.rules.special(said.kind, other.kind) else { return false };
    let rules = search.rules.of(kind);
    let at = rules.iter().position(|rule| *rule == usize::from(one.found.rule)).unwrap_or_default();
    search.rules.weaker(rules, at, said, other).0
}
