//! When the next pass is due. Pure: the clock and chance are parameters.

use std::time::Duration;

use jiff::Timestamp;

/// The longest pause after failures, unless the interval itself is longer.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// The longest that a forge's limit is honoured without asking again: a clock that is wrong must not silence the loop.
const LONGEST_LIMIT: Duration = Duration::from_hours(24);
/// The shortest pause, where a pass takes longer than the interval.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// The share of a pause that chance may add, so that many estates do not ask in the same moment.
const JITTER: f64 = 0.1;

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was done, or failed for reasons that concern single requests only.
    Well,
    /// Nothing can be done until something changes: the estate, the forge or the way to it is at fault.
    Badly {
        /// Until when the forge takes no requests, where it said so.
        until: Option<Timestamp>,
    },
}

/// A pass that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How it ended.
    pub ended: Ended,
    /// How long it took.
    pub took: Duration,
    /// The interval of the estate, as this pass read it; none: it could not be read, and the last one known holds.
    pub interval: Option<Duration>,
}

/// When passes are due.
#[derive(Clone, Debug)]
pub struct Schedule {
    interval: Duration,
    failures: u32,
}

/// The pause before the next pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// How long, at most.
    pub wait: Duration,
    /// How long in any case, even if a webhook asks: the forge has said so.
    pub at_least: Duration,
}

impl Schedule {
    /// A schedule with this interval until a pass has read the estate's own.
    pub fn new(interval: Duration) -> Self {
        Self { interval, failures: 0 }
    }

    /// The interval.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The pause after a pass. Passes begin an interval apart; after failures twice as long each time, up to an hour. `chance`
    /// is between 0 and 1.
    pub fn after(&mut self, passed: &Passed, now: Timestamp, chance: f64) -> Pause {
        self.interval = passed.interval.unwrap_or(self.interval).max(SHORTEST_PAUSE);
        let (pause, until) = match passed.ended {
            Ended::Well => {
                self.failures = 0;
                (self.interval, None)
            }
            Ended::Badly { until } => {
                self.failures = self.failures.saturating_add(1);
                (self.backed_off(), until)
            }
        };
        let jittered = pause.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0));
        let at_least = until.map_or(Duration::ZERO, |until| span(now, until));
        Pause { wait: jittered.saturating_sub(passed.took).max(SHORTEST_PAUSE).max(at_least), at_least }
    }

    fn backed_off(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        self.interval.saturating_mul(1 << doublings).min(LONGEST_PAUSE.max(self.interval))
    }
}

/// From one instant to another; none if it has passed.
fn span(now: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(now)).unwrap_or_default().min(LONGEST_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: fn(u64) -> Duration = Duration::from_mins;

    fn now() -> Timestamp {
        "2026-11-25T12:00:00Z".parse().unwrap()
    }

    fn passed(ended: Ended) -> Passed {
        Passed { ended, took: Duration::ZERO, interval: Some(MINUTES(5)) }
    }

    fn badly() -> Passed {
        passed(Ended::Badly { until: None })
    }

    #[test]
    fn passes_begin_an_interval_apart() {
        let mut schedule = Schedule::new(MINUTES(1));
        let pause = schedule.after(&Passed { took: Duration::from_secs(40), ..passed(Ended::Well) }, now(), 0.0);
        assert_eq!(pause, Pause { wait: Duration::from_secs(260), at_least: Duration::ZERO });
    }

    #[test]
    fn chance_adds_a_tenth_at_most() {
        let mut schedule = Schedule::new(MINUTES(1));
        assert_eq!(schedule.after(&passed(Ended::Well), now(), 1.0).wait, Duration::from_secs(330));
        assert_eq!(schedule.after(&passed(Ended::Well), now(), 7.0).wait, Duration::from_secs(330));
        assert_eq!(schedule.after(&passed(Ended::Well), now(), -1.0).wait, MINUTES(5));
    }

    #[test]
    fn failures_double_the_pause_up_to_an_hour_and_the_first_success_ends_that() {
        let mut schedule = Schedule::new(MINUTES(5));
        let waits: Vec<u64> = (0..7).map(|_| schedule.after(&badly(), now(), 0.0).wait.as_secs() / 60).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(schedule.after(&passed(Ended::Well), now(), 0.0).wait, MINUTES(5));
        assert_eq!(schedule.after(&badly(), now(), 0.0).wait, MINUTES(5));
    }

    #[test]
    fn an_interval_over_an_hour_is_not_shortened_by_a_failure() {
        let mut schedule = Schedule::new(MINUTES(5));
        let long = Passed { interval: Some(MINUTES(240)), ..badly() };
        assert_eq!(schedule.after(&long, now(), 0.0).wait, MINUTES(240));
        assert_eq!(schedule.after(&long, now(), 0.0).wait, MINUTES(240));
    }

    #[test]
    fn a_limit_of_the_forge_is_waited_for_whoever_asks() {
        let mut schedule = Schedule::new(MINUTES(5));
        let until = Some("2026-11-25T12:42:00Z".parse().unwrap());
        let pause = schedule.after(&passed(Ended::Badly { until }), now(), 0.0);
        assert_eq!(pause, Pause { wait: MINUTES(42), at_least: MINUTES(42) });
    }

    #[test]
    fn a_limit_in_the_past_or_beyond_all_reason_does_not_silence_the_loop() {
        let mut schedule = Schedule::new(MINUTES(5));
        let past = passed(Ended::Badly { until: Some(Timestamp::MIN) });
        assert_eq!(schedule.after(&past, now(), 0.0).at_least, Duration::ZERO);
        let never = passed(Ended::Badly { until: Some(Timestamp::MAX) });
        assert_eq!(schedule.after(&never, now(), 0.0).wait, Duration::from_hours(24));
    }

    #[test]
    fn a_pass_that_takes_longer_than_the_interval_is_followed_by_a_pause_all_the_same() {
        let mut schedule = Schedule::new(MINUTES(5));
        assert_eq!(schedule.after(&Passed { took: MINUTES(30), ..passed(Ended::Well) }, now(), 0.5).wait, Duration::from_secs(1));
    }

    #[test]
    fn an_estate_that_cannot_be_read_keeps_its_last_interval() {
        let mut schedule = Schedule::new(MINUTES(1));
        schedule.after(&passed(Ended::Well), now(), 0.0);
        schedule.after(&Passed { interval: None, ..badly() }, now(), 0.0);
        assert_eq!(schedule.interval(), MINUTES(5));
    }

    #[test]
    fn thousands_of_failures_do_not_overflow() {
        let mut schedule = Schedule::new(MINUTES(5));
        for _ in 0..5000 {
            schedule.after(&badly(), now(), 1.0);
        }
        assert_eq!(schedule.after(&badly(), now(), 0.0).wait, MINUTES(60));
    }
}
