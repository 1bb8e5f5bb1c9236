//! Local times: reading them, and finding the instant that they mean in a zone.

use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, Zoned};

/// A start as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// On the clock of the window's zone.
    Local(DateTime),
    /// With an offset of its own: an instant.
    Exact(Timestamp),
}

impl Start {
    /// Reads `2026-01-04T02:00:00`, or the same with an offset or a zone; a date alone means `time` on that day.
    pub(super) fn read(text: &str, time: Time) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(zoned) = text.parse::<Zoned>() {
            return Ok(Self::Exact(zoned.timestamp()));
        }
        if !text.contains('[')
            && let Ok(instant) = text.parse::<Timestamp>()
        {
            return Ok(Self::Exact(instant));
        }
        // jiff would overlook an offset or a zone here; what is left has neither, or a broken one.
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b':' | b'T' | b't' | b' '));
        let local = if !plain {
            None
        } else if text.contains(':') {
            text.parse().ok()
        } else {
            text.parse().ok().map(|date: jiff::civil::Date| date.to_datetime(time))
        };
        local.map(Self::Local).ok_or_else(|| format!("`{text}` is not a date and time; write for example 2026-01-04T02:00:00"))
    }

    /// The time on the clock of `zone`.
    pub(super) fn local(self, zone: &TimeZone) -> DateTime {
        match self {
            Self::Local(local) => local,
            Self::Exact(instant) => zone.to_datetime(instant),
        }
    }

    /// The instant in `zone`, and what is special about it.
    pub(super) fn resolve(self, zone: &TimeZone) -> Option<(Zoned, Option<String>)> {
        match self {
            Self::Local(local) => resolve(local, zone),
            Self::Exact(instant) => Some((instant.to_zoned(zone.clone()), None)),
        }
    }
}

/// The instant that a local time means, and what is special about it. A time that does not exist, because clocks go
/// forward over it, is shifted by as much as they do; one that happens twice is taken the first time.
pub(super) fn resolve(local: DateTime, zone: &TimeZone) -> Option<(Zoned, Option<String>)> {
    let ambiguous = zone.to_ambiguous_zoned(local);
    let offset = ambiguous.offset();
    let start = ambiguous.compatible().ok()?;
    let note = match offset {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Gap { .. } => {
            let shifted = if start.date() == local.date() { clock(start.datetime()) } else { format!("{} on {}", clock(start.datetime()), start.date()) };
            Some(format!("{} does not exist on {} in {} (clocks go forward); starts at {shifted}", clock(local), local.date(), zone_name(zone)))
        }
        AmbiguousOffset::Fold { .. } => {
            Some(format!("{} happens twice on {} in {} (clocks go back); starts the first time", clock(local), local.date(), zone_name(zone)))
        }
    };
    Some((start, note))
}

/// `02:30`, with seconds where there are any.
fn clock(local: DateTime) -> String {
    if local.second() == 0 { local.strftime("%H:%M").to_string() } else { local.strftime("%H:%M:%S").to_string() }
}

fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// A time for people, with its zone: `Sunday 2026-11-29 02:00 (Europe/Zurich)`.
pub(super) fn for_people(time: &Zoned) -> String {
    format!("{} {} ({})", time.strftime("%A %Y-%m-%d"), clock(time.datetime()), zone_name(time.time_zone()))
}

/// The end after `start`, for people: without the date where it is the same.
pub(super) fn end_for_people(start: &Zoned, end: &Zoned) -> String {
    if start.date() == end.date() { clock(end.datetime()) } else { format!("{} {}", end.date(), clock(end.datetime())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_local_unless_it_has_an_offset_of_its_own() {
        let read = |text| Start::read(text, jiff::civil::time(9, 30, 0, 0));
        for text in ["2026-01-04T02:00:00", "2026-01-04 02:00", "2026-01-04T02:00"] {
            assert_eq!(read(text), Ok(Start::Local("2026-01-04T02:00:00".parse().unwrap())), "{text}");
        }
        assert_eq!(read("2026-01-04"), Ok(Start::Local("2026-01-04T09:30:00".parse().unwrap())));
        for text in ["2026-01-04T02:00:00+01:00", "2026-01-04T01:00:00Z", "2026-01-04T02:00:00+01:00[Europe/Zurich]", "2026-01-04T02:00:00[Europe/Zurich]"] {
            assert_eq!(read(text), Ok(Start::Exact("2026-01-04T01:00:00Z".parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_read_is_an_error_and_never_an_overlooked_zone() {
        for text in [
            "",
            "tomorrow",
            "2026-02-30T02:00:00",
            "2026-01-04T25:00:00",
            "02:00",
            "2026-01-04T02:00:00[Mars/Olympus]",
            "2026-01-04T02:00:00+99:00",
            "2026-01-04T02:00:00 CET",
        ] {
            assert!(Start::read(text, Time::midnight()).is_err(), "{text}");
        }
    }
}
