//! Which estate is to be reconciled next, and when. Pure: the clocks and chance are parameters.
//!
//! What happens in a namespace marks its estates, and they are due once it has been quiet for a moment, at the latest after
//! a few: a thousand changes at once are one pass. Passes of one estate never overlap; of several, a few go on at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::api::Text;
use crate::controller::{Passed, Schedule};

/// How long it must be quiet before a pass.
const QUIET: Duration = Duration::from_millis(300);
/// How long a pass waits for quiet at most.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The interval until a pass has read the estate's own.
const INTERVAL: Duration = Duration::from_mins(5);

/// An estate, by the names of its object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The namespace.
    pub namespace: Text,
    /// The name; empty for what stands in a namespace without an estate that takes it in.
    pub name: Text,
}

impl Id {
    /// What stands in a namespace without an estate.
    pub fn nobodys(namespace: Text) -> Self {
        Self { namespace, name: "".into() }
    }

    /// Whether there is an estate.
    pub fn is_estate(&self) -> bool {
        !self.name.is_empty()
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[derive(Debug)]
struct Slot {
    schedule: Schedule,
    running: bool,
    /// The first and the last mark since the pass before began.
    marked: Option<(Instant, Instant)>,
    due: Instant,
    /// Not earlier, whoever asks: a forge has said so.
    not_before: Option<Instant>,
}

impl Slot {
    /// When the next pass is to begin.
    fn begins(&self) -> Instant {
        let asked = self.marked.map(|(first, last)| (last + QUIET).min(first + LONGEST_WAIT));
        let begins = asked.map_or(self.due, |asked| asked.min(self.due));
        self.not_before.map_or(begins, |not_before| begins.max(not_before))
    }
}

/// When which estate is due.
#[derive(Debug)]
pub struct Agenda {
    slots: BTreeMap<Id, Slot>,
    at_once: usize,
    known: bool,
}

impl Agenda {
    /// An empty one, of which so many passes may go on at once.
    pub fn new(at_once: usize) -> Self {
        Self { slots: BTreeMap::new(), at_once: at_once.max(1), known: false }
    }

    /// The estates that there are. A new one is due at once; one that is gone is forgotten once its pass is over.
    pub fn sync(&mut self, ids: &BTreeSet<Id>, now: Instant) {
        self.known = true;
        self.slots.retain(|id, slot| ids.contains(id) || slot.running);
        for id in ids {
            if !self.slots.contains_key(id) {
                let slot = Slot { schedule: Schedule::new(INTERVAL), running: false, marked: Some((now, now)), due: now + INTERVAL, not_before: None };
                self.slots.insert(id.clone(), slot);
            }
        }
    }

    /// Something has happened in a namespace.
    pub fn touch(&mut self, namespace: &str, now: Instant) {
        let from = Id::nobodys(namespace.into());
        for (_, slot) in self.slots.range_mut(from..).take_while(|(id, _)| *id.namespace == *namespace) {
            slot.marked = Some((slot.marked.map_or(now, |(first, _)| first), now));
        }
    }

    /// An estate whose pass is to begin now, if there is one that `may`; it counts as running from here on.
    pub fn begin(&mut self, now: Instant, may: impl Fn(&Id) -> bool) -> Option<Id> {
        if self.slots.values().filter(|slot| slot.running).count() >= self.at_once {
            return None;
        }
        let due = self.slots.iter_mut().filter(|(id, slot)| !slot.running && slot.begins() <= now && may(id));
        let (id, slot) = due.min_by_key(|(_, slot)| slot.begins())?;
        slot.running = true;
        slot.marked = None;
        Some(id.clone())
    }

    /// A pass is over.
    pub fn ended(&mut self, id: &Id, passed: &Passed, now: Instant, clock: Timestamp, chance: f64) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let pause = slot.schedule.after(passed, clock, chance);
        slot.running = false;
        slot.due = now + pause.wait;
        slot.not_before = (!pause.at_least.is_zero()).then(|| now + pause.at_least);
    }

    /// When something is due next that is not running; none: only when something happens.
    pub fn next(&self, may: impl Fn(&Id) -> bool) -> Option<Instant> {
        self.slots.iter().filter(|(id, slot)| !slot.running && may(id)).map(|(_, slot)| slot.begins()).min()
    }

    /// Whether it has not been told yet which estates there are.
    pub fn is_unknown(&self) -> bool {
        !self.known
    }

    /// How many estates there are.
    pub fn len(&self) -> usize {
        self.slots.keys().filter(|id| id.is_estate()).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Ended;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn id(namespace: &str, name: &str) -> Id {
        Id { namespace: namespace.into(), name: name.into() }
    }

    fn clock() -> Timestamp {
        "2026-11-25T12:00:00Z".parse().unwrap()
    }

    fn well() -> Passed {
        Passed { ended: Ended::Well, took: Duration::ZERO, interval: Some(Duration::from_mins(1)) }
    }

    fn agenda(ids: &[Id], now: Instant) -> Agenda {
        let mut agenda = Agenda::new(2);
        agenda.sync(&ids.iter().cloned().collect(), now);
        agenda
    }

    /// An agenda of one estate whose first pass is over.
    fn passed_once(start: Instant) -> Agenda {
        let mut agenda = agenda(&[id("shop", "a")], start);
        assert_eq!(agenda.begin(start + MS(500), |_| true), Some(id("shop", "a")));
        agenda.ended(&id("shop", "a"), &well(), start + MS(500), clock(), 0.0);
        agenda
    }

    #[test]
    fn a_thousand_changes_at_once_are_one_pass() {
        let start = Instant::now();
        let mut agenda = passed_once(start);
        for change in 0..1000 {
            agenda.touch("shop", start + MS(1000) + Duration::from_micros(change));
        }
        assert_eq!(agenda.begin(start + MS(1200), |_| true), None);
        assert_eq!(agenda.begin(start + MS(1302), |_| true), Some(id("shop", "a")));
        agenda.ended(&id("shop", "a"), &well(), start + MS(1600), clock(), 0.0);
        assert_eq!(agenda.begin(start + MS(5000), |_| true), None);
    }

    #[test]
    fn changes_without_end_wait_two_seconds_at_most() {
        let start = Instant::now();
        let mut agenda = passed_once(start);
        let begun = (0..100).map(|step| start + MS(1000 + step * 100)).find(|now| {
            agenda.touch("shop", *now);
            agenda.begin(*now, |_| true).is_some()
        });
        assert_eq!(begun, Some(start + MS(3000)));
    }

    #[test]
    fn a_change_during_a_pass_is_one_more_pass_and_never_a_second_at_once() {
        let start = Instant::now();
        let mut agenda = agenda(&[id("shop", "a")], start);
        agenda.begin(start + MS(500), |_| true);
        agenda.touch("shop", start + MS(600));
        assert_eq!(agenda.begin(start + MS(5000), |_| true), None);
        agenda.ended(&id("shop", "a"), &well(), start + MS(5000), clock(), 0.0);
        assert_eq!(agenda.begin(start + MS(5000), |_| true), Some(id("shop", "a")));
    }

    #[test]
    fn only_so_many_pass_at_once_and_each_after_its_interval_again() {
        let start = Instant::now();
        let ids = [id("a", "x"), id("b", "x"), id("c", "x")];
        let mut agenda = agenda(&ids, start);
        let now = start + MS(500);
        assert!(agenda.begin(now, |_| true).is_some() && agenda.begin(now, |_| true).is_some());
        assert_eq!(agenda.begin(now, |_| true), None);
        agenda.ended(&ids[0], &well(), now, clock(), 0.0);
        assert_eq!(agenda.begin(now, |_| true), Some(ids[2].clone()));
        assert_eq!(agenda.next(|_| true), Some(now + Duration::from_mins(1)));
    }

    #[test]
    fn what_another_replica_holds_is_not_begun() {
        let start = Instant::now();
        let mut agenda = agenda(&[id("a", "x"), id("b", "x")], start);
        assert_eq!(agenda.begin(start + MS(500), |id| *id.namespace == *"b"), Some(id("b", "x")));
        assert_eq!(agenda.begin(start + MS(500), |id| *id.namespace == *"b"), None);
    }

    #[test]
    fn a_limit_of_the_forge_holds_whatever_changes() {
        let start = Instant::now();
        let mut agenda = agenda(&[id("shop", "a")], start);
        agenda.begin(start + MS(500), |_| true);
        let until = Some(clock() + jiff::SignedDuration::from_mins(10));
        agenda.ended(&id("shop", "a"), &Passed { ended: Ended::Badly { until }, ..well() }, start, clock(), 0.0);
        agenda.touch("shop", start + MS(600));
        assert_eq!(agenda.begin(start + Duration::from_mins(9), |_| true), None);
        assert!(agenda.begin(start + Duration::from_mins(10), |_| true).is_some());
    }
}
