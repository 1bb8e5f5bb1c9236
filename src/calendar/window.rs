//! One window or freeze: its schedule, and the items it covers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::local::{Start, resolve};
use super::recurrence::{Rule, earliest};
use crate::api::patch_window::Effect;
use crate::api::{PatchWindowSpec, Period, Text};
use crate::estate::Classes;
use crate::estate::select::{Matcher, Subject};

/// The longest instance of a window that recurs: a year, leap day included. A longer one would only overlap itself.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);
/// By how much local times are looked for on both sides: more than any zone differs from another, or shifts.
const MARGIN: SignedDuration = SignedDuration::from_hours(48);

/// A window or freeze, made ready.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) name: Text,
    pub(super) effect: Effect,
    /// Its instances; or why it cannot be read.
    pub(super) schedule: Result<Schedule, String>,
    pub(super) covers: Coverage,
    pub(super) lead: Option<Period>,
    pub(super) most: Option<u32>,
    /// The instances of the first time that was asked for: a plan asks for the same one for each of its changes.
    pub(super) asked: OnceLock<(Span, Vec<Occurrence>)>,
}

/// A time between two instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Span {
    pub(super) fn and(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    /// Negative if it ends before it starts.
    pub(super) fn length(self) -> SignedDuration {
        self.end.duration_since(self.start)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

impl Window {
    /// Whether it is a freeze of which nobody knows when it holds, so that it always does (rule 5).
    pub(super) fn always_closes(&self) -> bool {
        self.effect == Effect::Freeze && self.schedule.is_err()
    }

    /// Its instances that overlap `time`, in order of start.
    pub(super) fn instances(&self, time: Span) -> Cow<'_, [Occurrence]> {
        let Ok(schedule) = &self.schedule else { return Cow::Borrowed(&[]) };
        let (asked, instances) = self.asked.get_or_init(|| (time, schedule.instances(time)));
        if *asked == time { Cow::Borrowed(instances) } else { Cow::Owned(schedule.instances(time)) }
    }

    /// How long each of its instances lasts.
    pub(super) fn duration(&self) -> SignedDuration {
        self.schedule.as_ref().map_or(SignedDuration::ZERO, |schedule| schedule.duration)
    }
}

/// Which items a window is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Coverage {
    /// Everything there is, whether it is declared or not.
    pub(super) everything: bool,
    /// Indices of declared items, sorted.
    pub(super) declared: Vec<u32>,
    /// For names that are not declared, of which nothing else is known.
    pub(super) others: Matcher,
}

impl Coverage {
    /// Whether the item at this index is covered; or the one of this name, if it is not declared.
    pub(super) fn has(&self, declared: Option<u32>, name: &str) -> bool {
        self.everything
            || match declared {
                Some(index) => self.declared.binary_search(&index).is_ok(),
                None => self.others.matches(&Classes::default(), &Subject { name, ..Subject::default() }),
            }
    }
}

/// When a window holds.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pub(super) zone: TimeZone,
    first: Start,
    rule: Option<Rule>,
    also: Vec<Start>,
    except: Vec<Except>,
    duration: SignedDuration,
}

/// Starts that do not take place.
#[derive(Clone, Copy, Debug)]
enum Except {
    Day(Date),
    At(Start),
}

/// One instance of a window.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Occurrence {
    pub(super) start: Zoned,
    pub(super) end: Zoned,
    pub(super) note: Option<String>,
}

impl Occurrence {
    pub(super) fn span(&self) -> Span {
        Span { start: self.start.timestamp(), end: self.end.timestamp() }
    }
}

impl Schedule {
    /// Reads a window's times; or says everything that is wrong with them, by path.
    pub(super) fn read(spec: &PatchWindowSpec, zone: TimeZone) -> Result<Self, Vec<(String, String)>> {
        let mut problems: Vec<(String, String)> = Vec::new();
        let duration = SignedDuration::from_secs(spec.duration.seconds());
        if duration.is_zero() {
            problems.push(("spec.duration".into(), format!("`{}` is no time at all", spec.duration)));
        } else if spec.recurrence.is_some() && duration > LONGEST {
            problems.push(("spec.duration".into(), format!("`{}` is longer than a year, so instances would overlap", spec.duration)));
        }
        let first = Start::read(&spec.start, Time::midnight()).map_err(|error| problems.push(("spec.start".into(), error))).ok();
        let start = first.map(|first| first.local(&zone));
        if start.is_some_and(|start| start < earliest()) {
            problems.push(("spec.start".into(), format!("`{}` is before 1970; write the first start that matters", spec.start)));
            return Err(problems);
        }
        let mut rule = None;
        if let (Some(text), Some(start)) = (&spec.recurrence, start) {
            rule = Rule::new(text, start).map_err(|error| problems.push(("spec.recurrence".into(), error))).ok();
        }
        let time = start.map_or(Time::midnight(), DateTime::time);
        let also = each(&spec.also, "spec.also", &mut problems, |text| Start::read(text, time));
        let except = each(&spec.except, "spec.except", &mut problems, Except::read);
        if spec.max_concurrent == Some(0) {
            problems.push(("spec.maxConcurrent".into(), "0 would let nothing through; for that, use `effect: Freeze`".into()));
        }
        match first {
            Some(first) if problems.is_empty() => Ok(Self { zone, first, rule, also, except, duration }),
            _ => Err(problems),
        }
    }

    /// The instances that overlap `time`, in order of start, each start once.
    fn instances(&self, time: Span) -> Vec<Occurrence> {
        let mut starts: BTreeMap<Timestamp, (Zoned, Option<String>)> = BTreeMap::new();
        let also = self.also.iter().filter_map(|start| start.resolve(&self.zone));
        for (start, note) in self.regular(time).into_iter().chain(also) {
            let known = starts.entry(start.timestamp()).or_insert_with(|| (start, note.clone()));
            // Of a shifted start and a plain one at the same time, the plain one needs no explanation.
            if note.is_none() {
                known.1 = None;
            }
        }
        let occurrence = |(start, note): (Zoned, Option<String>)| {
            let end = start.timestamp().checked_add(self.duration).unwrap_or(Timestamp::MAX).to_zoned(self.zone.clone());
            Occurrence { start, end, note }
        };
        let overlaps = |one: &Occurrence| one.span().overlaps(time);
        starts.into_values().map(occurrence).filter(overlaps).collect()
    }

    /// The first start and those of the rule, without exceptions.
    fn regular(&self, time: Span) -> Vec<(Zoned, Option<String>)> {
        let Some(rule) = &self.rule else {
            let local = self.first.local(&self.zone);
            let once = self.first.resolve(&self.zone).filter(|(start, _)| !self.is_excepted(local, start));
            return once.into_iter().collect();
        };
        let earliest = time.start.checked_sub(self.duration).and_then(|from| from.checked_sub(MARGIN)).unwrap_or(Timestamp::MIN);
        let latest = time.end.checked_add(MARGIN).unwrap_or(Timestamp::MAX);
        let starts = rule.between(self.zone.to_datetime(earliest), self.zone.to_datetime(latest)).into_iter();
        let resolved = starts.filter_map(|local| resolve(local, &self.zone).map(|(start, note)| (local, start, note)));
        let taking_place = resolved.filter(|(local, start, _)| rule.recurs_at(start.timestamp()) && !self.is_excepted(*local, start));
        taking_place.map(|(_, start, note)| (start, note)).collect()
    }

    /// Whether the start that is asked for at `local` is an exception. A start that was shifted out of a spring gap can be
    /// named by either time.
    fn is_excepted(&self, local: DateTime, start: &Zoned) -> bool {
        self.except.iter().any(|except| match except {
            Except::Day(day) => *day == local.date(),
            Except::At(Start::Local(at)) => *at == local || *at == start.datetime(),
            Except::At(Start::Exact(at)) => *at == start.timestamp(),
        })
    }
}

impl Except {
    fn read(text: &str) -> Result<Self, String> {
        if text.contains(':') {
            return Start::read(text, Time::midnight()).map(Self::At);
        }
        text.trim().parse().map(Self::Day).map_err(|_| format!("`{text}` is neither a date (2026-12-27) nor a date and time (2026-12-27T02:00:00)"))
    }
}

/// Reads each text of a list; what cannot be read becomes a problem at its place in the list.
fn each<T>(texts: &[Text], path: &str, problems: &mut Vec<(String, String)>, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
    let mut values = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match read(text) {
            Ok(value) => values.push(value),
            Err(problem) => problems.push((format!("{path}.{index}"), problem)),
        }
    }
    values
}
