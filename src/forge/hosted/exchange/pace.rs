//! When the next request may go: the forge's limits as it tells them, and a pace of our own for what changes something.

use std::collections::VecDeque;
use std::time::Duration;

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Patience, Quota};
use crate::access::web::wait::{quota, until};
use crate::chance::chance;
use crate::forge::Error;
use crate::forge::hosted::Fault;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// A limit that is longer than this is taken for this: the forge's clock or ours is wrong.
const LONGEST_LIMIT: Duration = Duration::from_hours(24);

/// The limits of one forge.
#[derive(Debug)]
pub(super) struct Pace {
    per_minute: usize,
    per_hour: usize,
    longest_wait: Duration,
    /// When requests that change something were sent, within the last hour, oldest first.
    changes: VecDeque<Instant>,
    quota: Option<Quota>,
    closed: Option<Closed>,
}

/// The forge takes nothing until then.
#[derive(Debug)]
struct Closed {
    until: Instant,
    at: Timestamp,
    said: String,
    /// That this has been told already: until then nothing waits for it.
    ended: bool,
}

impl Pace {
    pub(super) fn new(patience: &Patience) -> Self {
        let many = |count: u32| usize::try_from(count.max(1)).unwrap_or(usize::MAX);
        Self {
            per_minute: many(patience.per_minute),
            per_hour: many(patience.per_hour),
            longest_wait: patience.longest_wait,
            changes: VecDeque::new(),
            quota: None,
            closed: None,
        }
    }

    pub(super) fn quota(&self) -> Option<Quota> {
        self.quota
    }

    /// How long to wait before the next request; zero: it goes now, and is counted. An error if that is too long.
    pub(super) fn next(&mut self, changes: bool, forge: &'static str, now: Instant) -> Result<Duration, Error> {
        if let Some(closed) = &self.closed {
            let wait = closed.until.saturating_duration_since(now);
            if wait.is_zero() {
                self.closed = None;
            } else if closed.ended || wait > self.longest_wait {
                return Err(self.end(forge));
            } else {
                return Ok(wait);
            }
        }
        if !changes {
            return Ok(Duration::ZERO);
        }
        while self.changes.front().is_some_and(|oldest| now.duration_since(*oldest) >= HOUR) {
            self.changes.pop_front();
        }
        let (minute, hour) = (self.free_in(self.per_minute, MINUTE, now), self.free_in(self.per_hour, HOUR, now));
        let wait = minute.max(hour);
        if wait > self.longest_wait {
            let said = format!("Bowline itself sends at most {} changes an hour", self.per_hour);
            return Err(Fault::Limited { forge, until: after(Timestamp::now(), wait), said }.into());
        }
        if wait.is_zero() {
            self.changes.push_back(now);
        }
        Ok(wait)
    }

    /// When there is room among the last `most` changes of a window.
    fn free_in(&self, most: usize, window: Duration, now: Instant) -> Duration {
        let oldest = self.changes.len().checked_sub(most).and_then(|index| self.changes.get(index));
        oldest.map_or(Duration::ZERO, |oldest| window.saturating_sub(now.duration_since(*oldest)))
    }

    /// Takes note of what an answer says about the quota, and gives it. `wall` is what our clock said when it came.
    pub(super) fn heard(&mut self, headers: &HeaderMap, now: Instant, wall: Timestamp) -> Option<Quota> {
        let quota = quota(headers)?;
        self.quota = Some(quota);
        if quota.remaining == 0 {
            let wait = until(quota.reset, headers, wall);
            self.limit(wait, format!("all {} requests are used up", quota.limit), now);
        }
        Some(quota)
    }

    /// Closes the forge for so long; how long it is closed now.
    pub(super) fn limit(&mut self, wait: Duration, said: String, now: Instant) -> Duration {
        let wait = wait.min(LONGEST_LIMIT);
        let until = now + wait;
        if self.closed.as_ref().is_none_or(|closed| closed.until <= until) {
            self.closed = Some(Closed { until, at: after(Timestamp::now(), wait), said, ended: false });
        }
        wait
    }

    /// The fault of a closed forge; from now on nothing waits for it.
    pub(super) fn end(&mut self, forge: &'static str) -> Error {
        let Some(closed) = &mut self.closed else {
            return Fault::Limited { forge, until: Timestamp::now(), said: String::new() }.into();
        };
        closed.ended = true;
        Fault::Limited { forge, until: closed.at, said: closed.said.clone() }.into()
    }
}

/// How long to wait where the forge limits and does not say for how long: at least a minute, twice as long each time
/// (GitHub, "Best practices for using the REST API"), and not everybody at once.
pub(super) fn unsaid(before: u32) -> Duration {
    MINUTE * (1 << before.min(6)) + MINUTE.mul_f64(chance() / 6.0)
}

fn after(at: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| at.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_minute_is_waited_for_and_the_hour_ends_the_pass() {
        let patience = Patience { per_minute: 3, per_hour: 5, ..Patience::default() };
        let (mut pace, now) = (Pace::new(&patience), Instant::now());
        for _ in 0..3 {
            assert_eq!(pace.next(true, "F", now).unwrap(), Duration::ZERO);
        }
        assert_eq!(pace.next(true, "F", now).unwrap(), MINUTE);
        assert_eq!(pace.next(false, "F", now).unwrap(), Duration::ZERO, "reading has no pace");
        for _ in 0..2 {
            assert_eq!(pace.next(true, "F", now + MINUTE).unwrap(), Duration::ZERO);
        }
        let error = pace.next(true, "F", now + MINUTE).unwrap_err();
        assert!(error.to_string().contains("at most 5 changes an hour"), "{error}");
        assert_eq!(pace.next(true, "F", now + HOUR).unwrap(), Duration::ZERO);
    }

    #[test]
    fn a_used_up_quota_closes_the_forge_before_it_has_to_refuse() {
        let (mut pace, now) = (Pace::new(&Patience::default()), Instant::now());
        let at = |reset: &str, remaining: &str| {
            let date = ("date", "Wed, 25 Nov 2026 04:00:00 GMT");
            headers(&[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", reset), date])
        };
        pace.heard(&at("1795579210", "1"), now, Timestamp::UNIX_EPOCH);
        assert_eq!(pace.next(false, "F", now).unwrap(), Duration::ZERO);
        pace.heard(&at("1795579210", "0"), now, Timestamp::UNIX_EPOCH);
        assert_eq!(pace.next(false, "F", now).unwrap(), Duration::from_secs(11));
        pace.heard(&at("1795582800", "0"), now, Timestamp::UNIX_EPOCH);
        assert!(pace.next(false, "F", now).is_err());
        assert!(pace.next(false, "F", now + HOUR - Duration::from_secs(5)).is_err(), "it was told, so nothing waits for it");
        assert_eq!(pace.next(false, "F", now + HOUR + Duration::from_secs(2)).unwrap(), Duration::ZERO);
    }
}
