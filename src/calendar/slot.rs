//! The next time at which given items may be changed together, and why not earlier.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::local::{end_for_people, for_people};
use super::window::{Occurrence, Span, Window};
use super::{Booking, Calendar, Decision, RuledOut, Slot};
use crate::api::Text;
use crate::api::patch_window::Effect;

/// How far ahead one looks.
const AHEAD: SignedDuration = SignedDuration::from_hours(90 * 24);
/// What is left of an instance must be at least this long to be used.
const SHORTEST: SignedDuration = SignedDuration::from_mins(30);
/// How many slots that were ruled out are told.
const TOLD: usize = 10;

pub(super) fn next(calendar: &Calendar, items: &[Text], bookings: &[Booking], now: Timestamp) -> Decision {
    let none = |reason: String| Decision { slot: None, reason, ruled_out: Vec::new() };
    if items.is_empty() {
        return none("there is nothing to change".into());
    }
    if let Some(freeze) = calendar.windows.iter().find(|window| window.always_closes() && covers_any(calendar, window, items)) {
        let why = freeze.schedule.as_ref().err().map(String::as_str).unwrap_or_default();
        return none(format!("window `{}` cannot be read ({why}), so nothing is scheduled until it is mended", freeze.name));
    }
    match Search::new(calendar, items, bookings, now) {
        Ok(search) => search.run(),
        Err(reason) => none(reason),
    }
}

fn covers_any(calendar: &Calendar, window: &Window, items: &[Text]) -> bool {
    window.covers.everything || items.iter().any(|item| window.covers.has(calendar.item(item), item))
}

/// An instance of a window that covers at least one of the items.
struct Opening<'a> {
    window: &'a Window,
    occurrence: Occurrence,
    span: Span,
}

struct Search<'a> {
    calendar: &'a Calendar,
    items: HashSet<&'a Text>,
    bookings: &'a [Booking],
    now: Timestamp,
    /// Of items that the same windows cover, one; by those windows.
    alike: BTreeMap<Vec<usize>, &'a Text>,
    openings: Vec<Opening<'a>>,
    /// Instances of freezes, by start.
    freezes: Vec<(&'a Window, Span, Occurrence)>,
}

impl<'a> Search<'a> {
    /// Gathers all that matters; an error says why there can be no slot.
    fn new(calendar: &'a Calendar, items: &'a [Text], bookings: &'a [Booking], now: Timestamp) -> Result<Self, String> {
        let alike = alike(calendar, items)?;
        let ahead = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let mut used: Vec<usize> = alike.keys().flatten().copied().collect();
        used.sort_unstable();
        used.dedup();
        let mut openings: Vec<Opening> = Vec::new();
        for window in used.into_iter().filter_map(|index| calendar.windows.get(index)) {
            let instances = window.instances(Span { start: now, end: ahead }).into_owned().into_iter();
            openings.extend(instances.map(|occurrence| Opening { window, span: occurrence.span(), occurrence }));
        }
        openings.sort_by(|a, b| (a.span.start, &a.window.name).cmp(&(b.span.start, &b.window.name)));
        // The last opening may last much longer than one looks ahead, and a freeze may cut it.
        let longest = calendar.windows.iter().map(Window::duration).max().unwrap_or_default();
        let time = Span { start: now, end: ahead.checked_add(longest).unwrap_or(Timestamp::MAX) };
        let mut freezes = Vec::new();
        for window in calendar.windows.iter().filter(|window| window.effect == Effect::Freeze && covers_any(calendar, window, items)) {
            freezes.extend(window.instances(time).into_owned().into_iter().map(|occurrence| (window, occurrence.span(), occurrence)));
        }
        freezes.sort_by(|a, b| (a.1.start, &a.0.name).cmp(&(b.1.start, &b.0.name)));
        Ok(Self { calendar, items: items.iter().collect(), bookings, now, alike, openings, freezes })
    }

    fn run(&self) -> Decision {
        let alone = self.covering_everything();
        let decision = self.first(|opening| alone.is_empty() || alone.iter().any(|window| std::ptr::eq(*window, opening.window)));
        if decision.slot.is_some() || alone.is_empty() {
            return decision;
        }
        let together = self.first(|_| true);
        if together.slot.is_some() { together } else { decision }
    }

    /// The windows of which each covers all items by itself.
    fn covering_everything(&self) -> Vec<&'a Window> {
        let mut common: Option<Vec<usize>> = None;
        for covering in self.alike.keys() {
            common = Some(common.map_or_else(|| covering.clone(), |common| common.into_iter().filter(|index| covering.contains(index)).collect()));
        }
        common.into_iter().flatten().filter_map(|index| self.calendar.windows.get(index)).collect()
    }

    /// The first opening of those allowed that gives a slot.
    fn first(&self, allowed: impl Fn(&Opening) -> bool) -> Decision {
        let mut ruled_out: Vec<RuledOut> = Vec::new();
        for opening in self.openings.iter().filter(|opening| allowed(opening)) {
            match self.take(opening) {
                Ok((slot, windows)) => {
                    let reason = self.reason(&slot, &windows, !ruled_out.is_empty());
                    return Decision { slot: Some(slot), reason, ruled_out };
                }
                Err(reason) if ruled_out.len() < TOLD => ruled_out.push(RuledOut { slot: opening.slot(opening.span), reason }),
                Err(_) => {}
            }
        }
        Decision { slot: None, reason: self.no_slot(!ruled_out.is_empty()), ruled_out }
    }

    fn no_slot(&self, some_ruled_out: bool) -> String {
        let windows: Vec<&Text> = self.alike.keys().flatten().filter_map(|index| self.calendar.windows.get(*index)).map(|window| &window.name).collect();
        let names = list(windows.iter().map(|name| &***name));
        match (some_ruled_out, windows.iter().any(|name| windows.first() != Some(name))) {
            (false, false) => format!("{names} has no instance within 90 days"),
            (false, true) => format!("{names} have no instance within 90 days"),
            (true, false) => format!("no instance of {names} within 90 days can be used"),
            (true, true) => format!("no time within 90 days at which {names} are open can be used"),
        }
    }

    /// The slot that an opening gives, and the windows it stands in; or why it gives none.
    fn take(&self, opening: &'a Opening) -> Result<(Slot, Vec<&'a Window>), String> {
        let (span, windows) = self.covered(opening)?;
        for window in &windows {
            self.check_lead(window, span)?;
        }
        let begin = span.start.max(self.now);
        let left = Span { start: begin, end: span.end };
        if begin > span.start && left.length() < SHORTEST {
            return Err(format!("only {} minutes of it are left", left.length().as_mins()));
        }
        let (free, note) = self.cut(left)?;
        for window in &windows {
            self.check_bookings(window, free)?;
        }
        // The start of an open window is told as it is, not as the present moment, so that the plan stays the same.
        let start = if free.start == begin { span.start } else { free.start };
        let mut slot = opening.slot(Span { start, end: free.end });
        slot.note = join(slot.note, note);
        Ok((slot, windows))
    }

    /// The time at which the opening, and others where it does not cover everything, cover all items.
    fn covered(&self, opening: &'a Opening) -> Result<(Span, Vec<&'a Window>), String> {
        let (mut span, mut windows) = (opening.span, vec![opening.window]);
        for (covering, example) in &self.alike {
            let covering: Vec<&Window> = covering.iter().filter_map(|index| self.calendar.windows.get(*index)).collect();
            if covering.iter().any(|window| windows.iter().any(|used| std::ptr::eq(*used, *window))) {
                continue;
            }
            let others = self.openings.iter().filter(|other| covering.iter().any(|window| std::ptr::eq(*window, other.window)));
            let best = others.rev().max_by_key(|other| span.and(other.span).length());
            match best {
                Some(other) if span.and(other.span).length() >= SHORTEST => {
                    span = span.and(other.span);
                    windows.push(other.window);
                }
                _ => return Err(format!("`{example}` is not in it, and {} is not open at the same time", list(covering.iter().map(|window| &*window.name)))),
            }
        }
        Ok((span, windows))
    }

    fn check_lead(&self, window: &Window, span: Span) -> Result<(), String> {
        let (Some(lead), Ok(schedule)) = (&window.lead, &window.schedule) else { return Ok(()) };
        let now = self.now.to_zoned(schedule.zone.clone());
        match lead.after(&now) {
            Ok(earliest) if span.start >= earliest.timestamp() => Ok(()),
            _ => Err(format!("it starts less than {lead} after {}, and `{}` asks for that lead time", for_people(&now), window.name)),
        }
    }

    /// The first rest that no freeze takes, and what was cut off.
    fn cut(&self, span: Span) -> Result<(Span, Option<String>), String> {
        let mut free = span;
        let mut late: Option<&(&Window, Span, Occurrence)> = None;
        for freeze in self.freezes.iter().filter(|freeze| freeze.1.overlaps(span)) {
            if freeze.1.start > free.start {
                let before = Span { start: free.start, end: freeze.1.start };
                if before.length() >= SHORTEST {
                    let early = format!("ends early, before freeze `{}`", freeze.0.name);
                    return Ok((before, join(late.map(late_note), Some(early))));
                }
            }
            if freeze.1.end > free.start {
                free.start = freeze.1.end;
                late = Some(freeze);
            }
        }
        match late {
            Some((freeze, _, occurrence)) if free.length() < SHORTEST => {
                Err(format!("freeze `{}` from {} to {}", freeze.name, for_people(&occurrence.start), end_for_people(&occurrence.start, &occurrence.end)))
            }
            late => Ok((free, late.map(late_note))),
        }
    }

    fn check_bookings(&self, window: &Window, span: Span) -> Result<(), String> {
        let same_time = |booking: &&Booking| booking.start < booking.end && span.overlaps(Span { start: booking.start, end: booking.end });
        let mut within = Vec::new();
        for booking in self.bookings.iter().filter(same_time) {
            if let Some(item) = booking.items.iter().find(|item| self.items.contains(item)) {
                return Err(format!("change `{}` is to change `{item}` at that time", booking.change));
            }
            if covers_any(self.calendar, window, &booking.items) {
                within.push(booking);
            }
        }
        let Some(most) = window.most else { return Ok(()) };
        // Changes are never more at once than when one of them starts.
        let at_once = |at: Timestamp| within.iter().filter(|booking| booking.start <= at && at < booking.end).count();
        let peak = within.iter().map(|booking| at_once(booking.start.max(span.start))).max().unwrap_or(0);
        if peak < most as usize {
            return Ok(());
        }
        let changes = list(within.iter().map(|booking| &*booking.change));
        Err(format!("`{}` lets {most} change{} through at once, and {changes} already fill it", window.name, if most == 1 { "" } else { "s" }))
    }

    fn reason(&self, slot: &Slot, windows: &[&Window], not_the_first: bool) -> String {
        let [window] = windows else {
            return format!("first time at which {} are open together and nothing stands in the way", list(windows.iter().map(|window| &*window.name)));
        };
        let free = if not_the_first { "first instance that can be used" } else { "first instance" };
        match &window.lead {
            Some(lead) => format!("{free} of `{}` that starts at least {lead} after approval", window.name),
            None if slot.start.timestamp() < self.now => format!("`{}` is open now", window.name),
            None => format!("{free} of `{}`", window.name),
        }
    }
}

impl Opening<'_> {
    /// A part of the opening as a slot.
    fn slot(&self, span: Span) -> Slot {
        let zone = self.occurrence.start.time_zone();
        // A note on how it starts holds only where it starts.
        let note = self.occurrence.note.clone().filter(|_| span.start == self.span.start);
        Slot { window: self.window.name.clone(), start: span.start.to_zoned(zone.clone()), end: span.end.to_zoned(zone.clone()), note }
    }
}

fn late_note((freeze, _, _): &(&Window, Span, Occurrence)) -> String {
    format!("starts late, after freeze `{}`", freeze.name)
}

/// Of items that the same windows cover, one; by the indices of those windows. An error names the items that none covers.
fn alike<'a>(calendar: &Calendar, items: &'a [Text]) -> Result<BTreeMap<Vec<usize>, &'a Text>, String> {
    let mut alike: BTreeMap<Vec<usize>, &'a Text> = BTreeMap::new();
    let mut uncovered: Vec<&'a Text> = Vec::new();
    for item in items {
        let declared = calendar.item(item);
        let windows = calendar.windows.iter().enumerate();
        let covering: Vec<usize> = windows
            .filter(|(_, window)| window.effect == Effect::Allow && window.schedule.is_ok() && window.covers.has(declared, item))
            .map(|(index, _)| index)
            .collect();
        if covering.is_empty() {
            uncovered.push(item);
        } else {
            alike.entry(covering).and_modify(|example| *example = (*example).min(item)).or_insert(item);
        }
    }
    uncovered.sort();
    uncovered.dedup();
    let Some(first) = uncovered.first() else { return Ok(alike) };
    let declared = calendar.item(first);
    let broken = calendar.windows.iter().find(|window| window.effect == Effect::Allow && window.covers.has(declared, first));
    let broken = broken.map(|window| format!("; window `{}` may be meant to, and cannot be read", window.name)).unwrap_or_default();
    Err(format!("no window covers {}{broken}", list(uncovered.iter().map(|item| &***item))))
}

/// `` `a`, `b` and `c` ``, each once; of many, the first three and how many more.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = Vec::new();
    for name in names.map(|name| format!("`{name}`")) {
        if !quoted.contains(&name) {
            quoted.push(name);
        }
    }
    if quoted.len() > 4 {
        let more = format!("{} more", quoted.len() - 3);
        quoted.truncate(3);
        quoted.push(more);
    }
    match quoted.pop() {
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} and {last}", quoted.join(", ")),
        None => String::new(),
    }
}

fn join(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}
