//! How long to wait: what an answer asks for, and pauses that double.

use std::time::Duration;

use http::HeaderMap;
use http::header::DATE;
use jiff::{SignedDuration, Timestamp};

use crate::chance::chance;

/// How many requests a server still takes, as it said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In all.
    pub limit: u64,
    /// Still.
    pub remaining: u64,
    /// When it begins anew.
    pub reset: Timestamp,
}

/// How many requests the server still takes; none if it does not say.
pub(crate) fn quota(headers: &HeaderMap) -> Option<Quota> {
    let number = |name| number(headers, name);
    let reset = i64::try_from(number("x-ratelimit-reset")?).ok()?;
    Some(Quota { limit: number("x-ratelimit-limit")?, remaining: number("x-ratelimit-remaining")?, reset: Timestamp::from_second(reset).ok()? })
}

/// How long an answer that came at `now` asks to wait; none if it does not say.
pub(crate) fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if let Some(text) = headers.get("retry-after").and_then(|value| value.to_str().ok()) {
        let seconds = text.trim().parse().ok().map(Duration::from_secs);
        return seconds.or_else(|| date(text).map(|at| until(at, headers, now)));
    }
    let quota = quota(headers).filter(|quota| quota.remaining == 0)?;
    Some(until(quota.reset, headers, now))
}

/// The time until an instant of the server's clock, which the answer tells, too; where it does not, ours was at `now`.
pub(crate) fn until(at: Timestamp, headers: &HeaderMap, now: Timestamp) -> Duration {
    let now = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(date).unwrap_or(now);
    // Both are whole seconds, cut off.
    Duration::try_from(at.duration_since(now) + SignedDuration::from_secs(1)).unwrap_or(Duration::ZERO)
}

fn date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A pause after so many before it, each twice as long.
pub(crate) fn doubled(pause: Duration, before: u32) -> Duration {
    pause.saturating_mul(1 << before.min(6))
}

/// Between half of a pause and all of it, so that many who were refused at once do not come back at once.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + chance() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    /// Another clock than the server's: what the answer tells of its own counts.
    const OURS: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_wait_is_told_in_seconds_as_a_date_or_by_the_quota() {
        assert_eq!(asked_wait(&headers(&[("retry-after", "7")]), OURS), Some(Duration::from_secs(7)));
        let date = [("retry-after", "Wed, 25 Nov 2026 04:00:10 GMT"), ("date", "Wed, 25 Nov 2026 04:00:00 GMT")];
        assert_eq!(asked_wait(&headers(&date), OURS), Some(Duration::from_secs(11)));
        let quota =
            [("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1795579210"), ("date", "Wed, 25 Nov 2026 04:00:00 GMT")];
        assert_eq!(asked_wait(&headers(&quota), OURS), Some(Duration::from_secs(11)));
        assert_eq!(asked_wait(&headers(&[("x-ratelimit-limit", "5000"), ("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "1795579210")]), OURS), None);
        assert_eq!(asked_wait(&HeaderMap::new(), OURS), None);
        let undated = headers(&[("retry-after", "Thu, 01 Jan 1970 00:00:10 GMT")]);
        assert_eq!(asked_wait(&undated, OURS), Some(Duration::from_secs(11)), "where it tells nothing, ours counts");
    }
}
