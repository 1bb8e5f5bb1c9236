//! RFC 5545 recurrence rules, read strictly and expanded in local time only.
//!
//! The crate `rrule` repeats and misses instances at daylight-saving changes (rust-rrule#115), and reads some nonsense as
//! a rule (`BYDAY=XXMO` as every Monday). So a rule is checked here part by part first, the crate is given local times as
//! if they were UTC, where no day is special, and whoever calls resolves the results in the zone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::civil::{DateTime, Time, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rrule::RRuleSet;

/// Starts on one day, at most: every quarter of an hour. A window that recurs more often is a mistake, or an attack.
const PER_DAY: usize = 96;
/// The largest `COUNT`: 27 years of days. Counting has to begin at the first start, so it must end soon.
const MAX_COUNT: usize = 10_000;
/// The longest rule, in bytes.
const LONGEST: usize = 1000;
/// No window is looked for after this year.
const LAST_YEAR: i16 = 2200;

/// A rule that has been read, and its first start.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// The parts that `rrule` is given: all but `UNTIL` and `COUNT`.
    text: String,
    start: DateTime,
    /// By how much the start can be moved on without changing what comes after.
    stride: Option<SignedDuration>,
    until: Option<Until>,
}

/// Until when a rule recurs, that moment included.
#[derive(Clone, Copy, Debug)]
enum Until {
    /// On the clock of the window's zone.
    Local(DateTime),
    /// An instant: written with a `Z`.
    Instant(Timestamp),
}

impl Rule {
    /// Reads a rule whose first start is `start`.
    pub(super) fn new(text: &str, start: DateTime) -> Result<Self, String> {
        let parts = Parts::read(text)?;
        let mut rule = Self { text: parts.for_crate(), start, stride: parts.stride(), until: parts.until()? };
        let last = match parts.count()? {
            Some(count) => rule.from(start)?.nth(count - 1).map_or(Some(DateTime::MAX), Some),
            None => None,
        };
        if let Some(Until::Local(until)) = rule.until
            && until < start
        {
            return Err(format!("`UNTIL` ({until}) is before the first start ({start})"));
        }
        if rule.from(start)?.next().is_none() {
            return Err(format!("`{text}` never takes place: no day is like that"));
        }
        rule.until = last.map(Until::Local).or(rule.until);
        Ok(rule)
    }

    /// The local starts from `from` to `until`, in order.
    pub(super) fn between(&self, from: DateTime, until: DateTime) -> Vec<DateTime> {
        let last = match self.until {
            Some(Until::Local(last)) => until.min(last),
            Some(Until::Instant(_)) | None => until,
        };
        // The text was given to the crate before, when the rule was read.
        let Ok(starts) = self.from(from) else { return Vec::new() };
        starts.skip_while(|start| *start < from).take_while(|start| *start <= last).collect()
    }

    /// Whether the rule still recurs at this instant, as far as instants decide it.
    pub(super) fn recurs_at(&self, start: Timestamp) -> bool {
        !matches!(self.until, Some(Until::Instant(until)) if start > until)
    }

    /// The local starts from some time before `from` on, without regard to `UNTIL`.
    fn from(&self, from: DateTime) -> Result<impl Iterator<Item = DateTime> + use<>, String> {
        let start = self.moved_on(from);
        let text = format!("DTSTART:{}Z\nRRULE:{}", start.strftime("%Y%m%dT%H%M%S"), self.text);
        let set: RRuleSet = text.parse().map_err(|error| format!("the recurrence cannot be read: {error}"))?;
        let starts = set.limit().into_iter().map_while(|start| Timestamp::from_second(start.timestamp()).ok());
        Ok(starts.map(|start| TimeZone::UTC.to_datetime(start)).take_while(|start| start.year() <= LAST_YEAR))
    }

    /// A start nearer to `from` from which the rule goes on as from its own: a whole number of strides on, and two of them
    /// before `from`, for a week may be cut by where one begins to count.
    fn moved_on(&self, from: DateTime) -> DateTime {
        let Some(stride) = self.stride.map(|stride| stride.as_secs()).filter(|stride| *stride > 0) else { return self.start };
        let strides = from.duration_since(self.start).as_secs() / stride - 2;
        if strides <= 0 {
            return self.start;
        }
        self.start.checked_add(SignedDuration::from_secs(strides.saturating_mul(stride))).unwrap_or(self.start)
    }
}

/// The parts of a rule by name, each checked by itself.
struct Parts(BTreeMap<String, String>);

impl Parts {
    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} characters"));
        }
        let rule = text.strip_prefix("RRULE:").unwrap_or(text);
        let mut parts = BTreeMap::new();
        for part in rule.strip_suffix(';').unwrap_or(rule).split(';') {
            let (name, value) =
                part.split_once('=').ok_or_else(|| format!("`{part}` is not a part of a recurrence rule; write for example FREQ=WEEKLY;BYDAY=SU"))?;
            let (name, value) = (name.trim().to_ascii_uppercase(), value.trim().to_ascii_uppercase());
            check(&name, &value)?;
            if parts.insert(name.clone(), value).is_some() {
                return Err(format!("`{name}` is given twice"));
            }
        }
        let parts = Self(parts);
        parts.check_together()?;
        Ok(parts)
    }

    fn check_together(&self) -> Result<(), String> {
        let frequency = self.get("FREQ").ok_or("`FREQ` is missing; write for example FREQ=WEEKLY;BYDAY=SU")?;
        if self.0.contains_key("COUNT") && self.0.contains_key("UNTIL") {
            return Err("`COUNT` and `UNTIL` cannot stand in one rule (RFC 5545, 3.3.10)".into());
        }
        if let Some(days) = self.get("BYDAY").filter(|days| days.bytes().any(|byte| byte.is_ascii_digit()))
            && (!matches!(frequency, "MONTHLY" | "YEARLY") || self.0.contains_key("BYWEEKNO"))
        {
            return Err(format!("`BYDAY={days}` numbers its days, which only FREQ=MONTHLY and FREQ=YEARLY can (RFC 5545, 3.3.10)"));
        }
        let values = |name: &str| self.get(name).map_or(1, |list| list.split(',').count());
        let hours = if frequency == "HOURLY" { self.get("BYHOUR").map_or(24, |list| list.split(',').count()) } else { values("BYHOUR") };
        let a_day = hours.saturating_mul(values("BYMINUTE")).saturating_mul(values("BYSECOND"));
        if self.0.contains_key("BYWEEKNO") && frequency != "YEARLY" {
            return Err("`BYWEEKNO` needs FREQ=YEARLY (RFC 5545, 3.3.10)".into());
        }
        if self.0.contains_key("BYSETPOS") && !self.0.keys().any(|name| name.starts_with("BY") && name != "BYSETPOS") {
            return Err("`BYSETPOS` needs another part of which it picks, such as BYDAY (RFC 5545, 3.3.10)".into());
        }
        if a_day > PER_DAY {
            return Err(format!("it recurs up to {a_day} times a day; {PER_DAY} is the most"));
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn interval(&self) -> i64 {
        self.get("INTERVAL").and_then(|interval| interval.parse().ok()).unwrap_or(1)
    }

    /// Days, weeks and hours are all alike on a local clock; months and years are not, but there are few of them.
    fn stride(&self) -> Option<SignedDuration> {
        let hours = match self.get("FREQ") {
            Some("HOURLY") => 1,
            Some("DAILY") => 24,
            Some("WEEKLY") => 7 * 24,
            _ => return None,
        };
        Some(SignedDuration::from_hours(hours * self.interval()))
    }

    fn count(&self) -> Result<Option<usize>, String> {
        let Some(count) = self.get("COUNT") else { return Ok(None) };
        match count.parse() {
            Ok(count) if (1..=MAX_COUNT).contains(&count) => Ok(Some(count)),
            _ => Err(format!("`COUNT={count}` is not a number from 1 to {MAX_COUNT}; use UNTIL for what lasts longer")),
        }
    }

    fn until(&self) -> Result<Option<Until>, String> {
        let Some(written) = self.get("UNTIL") else { return Ok(None) };
        let wrong = || format!("`UNTIL={written}` is not a time; write for example 20271231, 20271231T235959 or 20271231T235959Z");
        let until = match (written.len(), written.strip_suffix('Z')) {
            (8, None) => Until::Local(jiff::civil::Date::strptime("%Y%m%d", written).map_err(|_| wrong())?.to_datetime(Time::MAX)),
            (15, None) => Until::Local(DateTime::strptime("%Y%m%dT%H%M%S", written).map_err(|_| wrong())?),
            (16, Some(utc)) => {
                let utc = DateTime::strptime("%Y%m%dT%H%M%S", utc).map_err(|_| wrong())?;
                Until::Instant(TimeZone::UTC.to_timestamp(utc).map_err(|_| wrong())?)
            }
            _ => return Err(wrong()),
        };
        Ok(Some(until))
    }

    fn for_crate(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.0.iter().filter(|(name, _)| *name != "UNTIL" && *name != "COUNT") {
            let separator = if text.is_empty() { "" } else { ";" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{name}={value}");
        }
        text
    }
}

/// Checks one part by itself. What it lets through holds nothing but letters, digits, commas and signs.
fn check(name: &str, value: &str) -> Result<(), String> {
    let numbers = |from: i32, to: i32| {
        let inside = |number: &str| number.parse::<i32>().is_ok_and(|number| (from..=to).contains(&number) && (number != 0 || from == 0));
        if value.split(',').all(inside) { Ok(()) } else { Err(format!("`{name}={value}` holds something else than numbers from {from} to {to}")) }
    };
    match name {
        "FREQ" => match value {
            "YEARLY" | "MONTHLY" | "WEEKLY" | "DAILY" | "HOURLY" => Ok(()),
            "MINUTELY" | "SECONDLY" => Err(format!("`FREQ={value}` is too often for a window; use HOURLY or rarer")),
            _ => Err(format!("`FREQ={value}` is not a frequency; use YEARLY, MONTHLY, WEEKLY, DAILY or HOURLY")),
        },
        "INTERVAL" if !value.contains(',') => numbers(1, 10_000),
        "COUNT" | "UNTIL" => Ok(()), // read where they are used
        "BYSECOND" | "BYMINUTE" => numbers(0, 59),
        "BYHOUR" => numbers(0, 23),
        "BYMONTHDAY" => numbers(-31, 31),
        "BYYEARDAY" | "BYSETPOS" => numbers(-366, 366),
        "BYWEEKNO" => numbers(-53, 53),
        "BYMONTH" => numbers(1, 12),
        "BYDAY" if value.split(',').all(is_day) => Ok(()),
        "BYDAY" => Err(format!("`BYDAY={value}` is not a list of days such as MO, SU or -1FR")),
        "WKST" if is_week_day(value) => Ok(()),
        "WKST" => Err(format!("`WKST={value}` is not a day; use MO, TU, WE, TH, FR, SA or SU")),
        _ => Err(format!("`{name}={value}` is not a part of a recurrence rule that is understood")),
    }
}

fn is_week_day(text: &str) -> bool {
    ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].contains(&text)
}

/// A day of the week, with or without a number before it.
fn is_day(text: &str) -> bool {
    let Some((number, day)) = text.len().checked_sub(2).and_then(|end| text.split_at_checked(end)) else { return false };
    is_week_day(day) && (number.is_empty() || number.parse::<i16>().is_ok_and(|number| number != 0 && number.abs() <= 53))
}

/// The earliest start that is read: counting from before it would only cost time.
pub(super) fn earliest() -> DateTime {
    date(1970, 1, 1).to_datetime(Time::midnight())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    fn starts(rule: &str, start: &str, from: &str, until: &str) -> Vec<String> {
        Rule::new(rule, local(start)).unwrap().between(local(from), local(until)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_recurs_on_the_local_clock() {
        assert_eq!(
            starts("FREQ=WEEKLY;BYDAY=SU", "2026-01-04T02:00:00", "2026-03-20T00:00:00", "2026-04-06T00:00:00"),
            ["2026-03-22T02:00:00", "2026-03-29T02:00:00", "2026-04-05T02:00:00"]
        );
        assert_eq!(
            starts("RRULE:freq=monthly;byday=-1fr;", "2026-01-01T22:00:00", "2026-01-01T00:00:00", "2026-03-01T00:00:00"),
            ["2026-01-30T22:00:00", "2026-02-27T22:00:00"]
        );
    }

    #[test]
    fn the_day_of_until_is_part_of_it() {
        for (until, last) in [("20260103", "2026-01-03T02:00:00"), ("20260103T020000", "2026-01-03T02:00:00"), ("20260103T015959", "2026-01-02T02:00:00")] {
            let starts = starts(&format!("FREQ=DAILY;UNTIL={until}"), "2026-01-01T02:00:00", "2026-01-01T00:00:00", "2026-02-01T00:00:00");
            assert_eq!(starts.last().map(String::as_str), Some(last), "{until}");
        }
    }

    #[test]
    fn a_count_counts_from_the_first_start_and_not_from_where_one_looks() {
        let starts = starts("FREQ=DAILY;COUNT=3", "2026-01-01T02:00:00", "2026-01-02T12:00:00", "2027-01-01T00:00:00");
        assert_eq!(starts, ["2026-01-03T02:00:00"]);
    }

    #[test]
    fn moving_the_start_on_changes_nothing() {
        for rule in [
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,SU;WKST=SU",
            "FREQ=WEEKLY;INTERVAL=2",
            "FREQ=WEEKLY;BYDAY=TU,SA;BYSETPOS=-1",
            "FREQ=HOURLY;INTERVAL=7;BYDAY=WE",
            "FREQ=MONTHLY;BYMONTHDAY=31",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29",
        ] {
            let rule = Rule::new(rule, local("2019-05-15T10:30:00")).unwrap();
            let all = Rule { stride: None, ..rule.clone() };
            for (from, until) in [("2019-05-15T10:30:00", "2019-08-01T00:00:00"), ("2026-02-01T03:00:00", "2028-03-01T00:00:00")] {
                let found = rule.between(local(from), local(until));
                assert_eq!(found, all.between(local(from), local(until)), "{}", rule.text);
                assert!(!found.is_empty() || rule.text.contains("BYMONTH=2"), "{}", rule.text);
            }
        }
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_rule() {
        for rule in [
            "",
            "WEEKLY",
            "every sunday",
            "BYDAY=SU",
            "FREQ=SOMETIMES",
            "FREQ=DAILY;FREQ=WEEKLY",
            "FREQ=WEEKLY;BYDAY=XXMO",
            "FREQ=WEEKLY;BYDAY=ÄMO",
            "FREQ=WEEKLY;BYDAY=",
            "FREQ=WEEKLY;BYDAY=2MO",
            "FREQ=DAILY;BYHOUR=24",
            "FREQ=DAILY;BYHOUR=-1",
            "FREQ=MONTHLY;BYMONTHDAY=0",
            "FREQ=MONTHLY;BYMONTHDAY=32",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;INTERVAL=1,2",
            "FREQ=DAILY;COUNT=0",
            "FREQ=DAILY;COUNT=4000000000",
            "FREQ=DAILY;COUNT=2;UNTIL=20270101",
            "FREQ=DAILY;UNTIL=2027-01-01",
            "FREQ=DAILY;UNTIL=20270231",
            "FREQ=DAILY;UNTIL=20200101",
            "FREQ=DAILY;RSCALE=CHINESE",
            "FREQ=DAILY\nRDATE:20260101T000000Z",
            "FREQ=MONTHLY;BYSETPOS=1",
        ] {
            assert!(Rule::new(rule, local("2026-01-04T02:00:00")).is_err(), "{rule}");
        }
    }

    #[test]
    fn a_rule_that_recurs_too_often_or_never_is_an_error_in_bounded_time() {
        let started = std::time::Instant::now();
        let seconds: Vec<String> = (0..60).map(|second| second.to_string()).collect();
        let every_second = format!("FREQ=DAILY;BYHOUR=1,2;BYMINUTE=0;BYSECOND={}", seconds.join(","));
        for rule in [
            "FREQ=SECONDLY",
            "FREQ=MINUTELY;INTERVAL=15",
            &every_second,
            "FREQ=YEARLY;BYMONTHDAY=30;BYMONTH=2",
            "FREQ=DAILY;BYMONTHDAY=30;BYMONTH=2",
            "FREQ=HOURLY;BYMONTHDAY=31;BYMONTH=11",
        ] {
            let error = Rule::new(rule, local("1970-01-01T00:00:00")).unwrap_err();
            assert!(error.contains("often") || error.contains("a day") || error.contains("never"), "{error}");
        }
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}
