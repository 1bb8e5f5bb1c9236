//! How many batches a source takes: as many as may come in a minute at once, and then evenly. Pure.

use std::time::{Duration, Instant};

/// What is left of a source's minute.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// How many batches may still come, as of an instant; none: nothing came yet.
    left: Option<(f64, Instant)>,
}

impl Rate {
    /// Whether one more may come at `now`; else how long that one is to wait.
    pub fn take(&mut self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let (most, each) = (f64::from(per_minute.max(1)), 60.0 / f64::from(per_minute.max(1)));
        let left = self.left.map_or(most, |(left, at)| most.min(left + now.saturating_duration_since(at).as_secs_f64() / each));
        if left >= 1.0 {
            self.left = Some((left - 1.0, now));
            return Ok(());
        }
        self.left = Some((left, now));
        Err(Duration::from_secs_f64((1.0 - left) * each))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_may_come_at_once_and_then_one_after_the_other() {
        let (mut rate, begun) = (Rate::default(), Instant::now());
        let at = |millis: u64| begun + Duration::from_millis(millis);
        assert!((0..60).all(|_| rate.take(60, begun).is_ok()));
        let wait = rate.take(60, begun).unwrap_err();
        assert!(wait > Duration::from_millis(990) && wait <= Duration::from_secs(1), "{wait:?}");
        assert!(rate.take(60, at(500)).is_err());
        assert!(rate.take(60, at(1010)).is_ok() && rate.take(60, at(1020)).is_err());
        assert_eq!((0..100).filter(|_| rate.take(60, at(3_600_000)).is_ok()).count(), 60);
    }

    #[test]
    fn who_is_refused_again_and_again_waits_no_longer_for_that() {
        let (mut rate, begun) = (Rate::default(), Instant::now());
        assert!(rate.take(1, begun).is_ok());
        for second in 0..59 {
            assert!(rate.take(1, begun + Duration::from_secs(second)).is_err());
        }
        assert!(rate.take(1, begun + Duration::from_millis(60_001)).is_ok());
    }
}
