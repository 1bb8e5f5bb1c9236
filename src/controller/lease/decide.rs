//! Who holds a Lease: what one replica does next, from what it has seen and its own monotonic clock. Pure.
//!
//! No other clock is believed: `renewTime` is written for people and never read. A holder counts from the moment before its
//! last successful renewal was sent; the others count from the moment after they first saw that very renewal, which is later.
//! So a holder stops believing `duration - give_up` (5 s) before another may take over, and in between what it had sent to a
//! forge has come to an end.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// The times of a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long a Lease must stand unchanged before another takes it over.
    pub duration: Duration,
    /// How often its holder renews it.
    pub renew_every: Duration,
    /// How long after its last renewal a holder believes that it holds.
    pub give_up: Duration,
    /// How often those who do not hold it look at it.
    pub look_every: Duration,
    /// The pause after a request that failed.
    pub retry: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { duration: seconds(15), renew_every: seconds(5), give_up: seconds(10), look_every: seconds(2), retry: seconds(1) }
    }
}

/// A longer duration that a Lease asks for is taken for this.
const LONGEST: Duration = Duration::from_secs(60);

/// What to do about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Nobody holds it: write oneself into it.
    Acquire,
    /// It is one's own: renew it when that is due.
    Renew,
    /// Another holds it, at least until then.
    Wait(Instant),
    /// It was one's own and is no more.
    Lost,
}

/// What a replica believes about its own hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mine {
    /// The Lease's transitions when it was acquired: the fencing token.
    pub token: i32,
    /// When the last renewal that was granted had been sent.
    pub renewed: Instant,
}

/// A Lease as it was seen last.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What stands in it; none: there is no such Lease.
    pub spec: Option<LeaseSpec>,
    /// When this process first saw it exactly so.
    pub since: Instant,
    /// Whether it was seen before it was gone: who held it then may still believe so.
    pub deleted: bool,
}

/// What `me` does now, given what it saw and what it holds.
pub fn decide(seen: &Seen, mine: Option<Mine>, me: &str, now: Instant, terms: &Terms) -> Move {
    let holder = seen.spec.as_ref().and_then(holder);
    if let Some(mine) = mine {
        let own = holder == Some(me) && seen.spec.as_ref().map(transitions) == Some(mine.token);
        return if own && now < mine.renewed + terms.give_up { Move::Renew } else { Move::Lost };
    }
    let free_at = match &seen.spec {
        None if seen.deleted => seen.since + terms.duration,
        // Of two processes no one bears the name of the other, so what is in one's own name is nobody else's.
        Some(spec) if holder.is_some_and(|holder| holder != me) => seen.since + asked(spec, terms),
        _ => return Move::Acquire,
    };
    if now >= free_at { Move::Acquire } else { Move::Wait(free_at) }
}

/// Who holds it; none: nobody.
pub fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// How often it has changed hands.
pub fn transitions(spec: &LeaseSpec) -> i32 {
    spec.lease_transitions.unwrap_or_default()
}

/// The duration that holds for a Lease: its own where that is longer than ours, within bounds.
fn asked(spec: &LeaseSpec, terms: &Terms) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default();
    terms.duration.max(Duration::from_secs(seconds).min(LONGEST))
}

/// A Lease that was seen so, in the name of `me`: acquired, or renewed if it is one's own with this token.
pub fn taken(seen: Option<&LeaseSpec>, token: i32, me: &str, wall: Timestamp, terms: &Terms) -> LeaseSpec {
    let own = seen.filter(|spec| holder(spec) == Some(me) && transitions(spec) == token);
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: i32::try_from(terms.duration.as_secs()).ok(),
        acquire_time: own.and_then(|spec| spec.acquire_time.clone()).or(Some(MicroTime(wall))),
        renew_time: Some(MicroTime(wall)),
        lease_transitions: Some(token),
        ..seen.cloned().unwrap_or_default()
    }
}

/// The same given back: nobody holds it.
pub fn given_back(seen: &LeaseSpec, wall: Timestamp) -> LeaseSpec {
    LeaseSpec { holder_identity: None, acquire_time: None, renew_time: Some(MicroTime(wall)), ..seen.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(holder: &str, transitions: i32, since: Instant) -> Seen {
        let spec = LeaseSpec { holder_identity: Some(holder.to_owned()), lease_transitions: Some(transitions), ..LeaseSpec::default() };
        Seen { spec: Some(spec), since, deleted: false }
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn what_nobody_holds_is_acquired_at_once() {
        let (now, terms) = (Instant::now(), Terms::default());
        let absent = Seen { spec: None, since: now, deleted: false };
        assert_eq!(decide(&absent, None, "a", now, &terms), Move::Acquire);
        assert_eq!(decide(&seen("", 3, now), None, "a", now, &terms), Move::Acquire, "given back");
        assert_eq!(decide(&seen("a", 3, now), None, "a", now, &terms), Move::Acquire, "one's own of before");
    }

    #[test]
    fn what_another_holds_is_left_until_it_stood_unchanged_for_its_whole_duration() {
        let (start, terms) = (Instant::now(), Terms::default());
        let theirs = seen("b", 3, start);
        assert_eq!(decide(&theirs, None, "a", after(start, 14), &terms), Move::Wait(after(start, 15)));
        assert_eq!(decide(&theirs, None, "a", after(start, 15), &terms), Move::Acquire);
    }

    #[test]
    fn what_was_deleted_under_its_holder_is_left_as_long() {
        let (start, terms) = (Instant::now(), Terms::default());
        let gone = Seen { spec: None, since: start, deleted: true };
        assert_eq!(decide(&gone, None, "a", after(start, 14), &terms), Move::Wait(after(start, 15)));
        assert_eq!(decide(&gone, None, "a", after(start, 15), &terms), Move::Acquire);
    }

    #[test]
    fn a_holder_stops_believing_before_another_may_take_over() {
        let (start, terms) = (Instant::now(), Terms::default());
        let (own, mine) = (seen("a", 3, start), Some(Mine { token: 3, renewed: start }));
        assert_eq!(decide(&own, mine, "a", after(start, 9), &terms), Move::Renew);
        assert_eq!(decide(&own, mine, "a", after(start, 10), &terms), Move::Lost);
        assert!(terms.give_up + terms.renew_every <= terms.duration);
    }

    #[test]
    fn what_has_changed_hands_is_lost_even_if_the_name_is_ones_own_again() {
        let (start, terms) = (Instant::now(), Terms::default());
        let mine = Some(Mine { token: 3, renewed: start });
        for now_seen in [seen("b", 4, start), seen("a", 5, start), seen("", 3, start), Seen { spec: None, since: start, deleted: true }] {
            assert_eq!(decide(&now_seen, mine, "a", start, &terms), Move::Lost, "{now_seen:?}");
        }
    }

    /// The clock of another machine may be years off, and what it writes may be nonsense.
    #[test]
    fn no_time_that_another_wrote_changes_anything() {
        let (start, terms) = (Instant::now(), Terms::default());
        for second in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-30T00:00:00Z"] {
            for duration in [None, Some(-5), Some(0), Some(1)] {
                let mut theirs = seen("b", 3, start);
                let spec = theirs.spec.as_mut().unwrap();
                spec.renew_time = Some(MicroTime(second.parse().unwrap()));
                spec.acquire_time = spec.renew_time.clone();
                spec.lease_duration_seconds = duration;
                assert_eq!(decide(&theirs, None, "a", after(start, 14), &terms), Move::Wait(after(start, 15)));
                assert_eq!(decide(&theirs, None, "a", after(start, 15), &terms), Move::Acquire);
            }
        }
        let mut longer = seen("b", 3, start);
        longer.spec.as_mut().unwrap().lease_duration_seconds = Some(i32::MAX);
        assert_eq!(decide(&longer, None, "a", start, &terms), Move::Wait(start + LONGEST), "a longer one is honoured within bounds");
    }

    #[test]
    fn acquiring_changes_the_time_of_acquiring_and_renewing_does_not() {
        let (now, terms) = (Instant::now(), Terms::default());
        let wall = |text: &str| text.parse::<Timestamp>().unwrap();
        let acquired = taken(seen("b", 3, now).spec.as_ref(), 4, "a", wall("2026-11-25T08:00:00Z"), &terms);
        assert_eq!((holder(&acquired), transitions(&acquired), acquired.lease_duration_seconds), (Some("a"), 4, Some(15)));
        let renewed = taken(Some(&acquired), 4, "a", wall("2026-11-25T08:00:05Z"), &terms);
        assert_eq!(renewed.acquire_time, acquired.acquire_time);
        assert_ne!(renewed.renew_time, acquired.renew_time);
        let back = given_back(&renewed, wall("2026-11-25T08:00:06Z"));
        assert_eq!((holder(&back), transitions(&back)), (None, 4), "the count goes on");
    }
}
