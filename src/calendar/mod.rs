//! When a change may be made: windows, freezes, collisions.
//!
//! ```text
//! recurrence   RFC 5545 rules, checked, and expanded in local time only
//! local        local times, and the instants they mean on both sides of a clock change
//! window       one window: its instances, and the items it covers
//! unreadable   what a window that cannot be read closes
//! slot         the next time at which given items may be changed together
//! ```
//!
//! Every time is local to the window's zone, so a window at 02:00 stays at 02:00 on both sides of a clock change. A start
//! that does not exist because clocks go forward is shifted by as much as they do and takes place; one that happens twice
//! takes place the first time, once. An instance lasts as long as its duration says in time that passes.
//!
//! `except` takes out starts of the rule and the first start; what `also` names takes place all the same. A first start
//! that does not match the rule does not take place. Nothing here asks for the time: `now` is a parameter.

mod local;
mod recurrence;
mod slot;
mod unreadable;
mod window;

use std::sync::OnceLock;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use crate::api::patch_window::Effect;
use crate::api::{ConfigurationItemSpec, PatchWindowSpec, Selector, Text};
use crate::estate::select::{Matcher, Subject};
use crate::estate::{Declared, Estate};
use crate::impact::ServiceGraph;
use window::{Coverage, Occurrence, Schedule, Span, Window};

/// Instances are listed for ten years at most.
const LISTED: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

/// The windows and freezes of an estate.
#[derive(Debug, Default)]
pub struct Calendar {
    windows: Vec<Window>,
    /// Names of declared items, sorted; empty if there are no windows.
    items: Vec<Text>,
}

/// A time at which a change may be made, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The slot; none if there is none within 90 days.
    pub slot: Option<Slot>,
    /// Why this one, in one sentence.
    pub reason: String,
    /// Earlier slots that were ruled out, and why, in order of time; at most 10.
    pub ruled_out: Vec<RuledOut>,
}

/// One instance of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The window's name.
    pub window: Text,
    /// When it starts, in the window's zone.
    pub start: Zoned,
    /// When it ends.
    pub end: Zoned,
    /// What is special: shifted out of a spring gap, cut by a freeze.
    pub note: Option<String>,
}

/// A slot that could not be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct RuledOut {
    /// The slot.
    pub slot: Slot,
    /// Why not, in one sentence.
    pub reason: String,
}

/// A slot that another change holds: a merged change request of the estate, or one chosen earlier in this plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Booking {
    /// The change's key or name.
    pub change: Text,
    /// The items it changes.
    pub items: Vec<Text>,
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
}

/// One instance of a window or a freeze, for a list of what is coming.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The window's name.
    pub window: Text,
    /// Whether it opens or closes.
    pub effect: Effect,
    /// When it starts, in the window's zone.
    pub start: Zoned,
    /// When it ends.
    pub end: Zoned,
    /// What is special: shifted out of a spring gap, the first of two.
    pub note: Option<String>,
}

/// A window or freeze that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The window's name; where its document stands, if that is unknown.
    pub window: Text,
    /// What it does while it is broken: a window opens nothing, a freeze always closes.
    pub effect: Effect,
    /// What is wrong with it.
    pub reason: String,
}

impl Calendar {
    /// Reads the windows of an estate. One that cannot be read opens nothing, and a freeze that cannot be read closes
    /// all that it may be about (rule 5).
    pub fn new(estate: &Estate, graph: &ServiceGraph) -> Self {
        let reader = Reader { estate, graph, services_known: !unreadable::a_service_map(estate), zone_known: !unreadable::the_estate(estate) };
        let mut windows: Vec<Window> = estate.windows.iter().map(|window| reader.window(window)).collect();
        windows.extend(unreadable::windows(estate).into_iter().map(|remains| reader.remains(remains)));
        windows.sort_by(|a, b| a.name.cmp(&b.name));
        let items = if windows.is_empty() { Vec::new() } else { estate.items.iter().map(|item| item.name.clone()).collect() };
        Self { windows, items }
    }

    /// The next slot within 90 days of `now` in which all `items` may be changed together.
    ///
    /// - Every item is covered by a window. Where no window that covers all of them has a slot, it is the time at which
    ///   windows that cover them together are all open, named by one of them.
    /// - It starts at least the window's `leadTime` after `now`, counted on the calendar of its zone. Without one, a
    ///   window that is already open may be used while at least 30 minutes of it are left.
    /// - No freeze that is about one of the items is under way: what overlaps is cut off, and the first rest of at least
    ///   30 minutes is taken.
    /// - No booked change is about one of the items at the same time, and no more than `maxConcurrent` are under way
    ///   within the window's selector. A change that ends as another one starts is not at the same time.
    pub fn next_slot(&self, items: &[Text], bookings: &[Booking], now: Timestamp) -> Decision {
        slot::next(self, items, bookings, now)
    }

    /// Every instance of every window and freeze that overlaps the time from `from` to `until`, in order of start.
    pub fn instances(&self, from: Timestamp, until: Timestamp) -> Vec<Slot> {
        let slot = |one: Instance| Slot { window: one.window, start: one.start, end: one.end, note: one.note };
        self.coming(from, until).into_iter().map(slot).collect()
    }

    /// The same, with what each does. At most ten years are listed.
    pub fn coming(&self, from: Timestamp, until: Timestamp) -> Vec<Instance> {
        let time = Span { start: from, end: from.checked_add(LISTED).unwrap_or(Timestamp::MAX).min(until) };
        let instances = |window: &Window| {
            let (name, effect) = (window.name.clone(), window.effect);
            let instance = move |one: Occurrence| Instance { window: name.clone(), effect, start: one.start, end: one.end, note: one.note };
            window.instances(time).into_owned().into_iter().map(instance)
        };
        let mut coming: Vec<Instance> = self.windows.iter().flat_map(instances).collect();
        coming.sort_by(|a, b| (a.start.timestamp(), &a.window).cmp(&(b.start.timestamp(), &b.window)));
        coming
    }

    /// The windows and freezes that cannot be read, by name.
    pub fn broken(&self) -> Vec<Broken> {
        let broken = |window: &Window| Some(Broken { window: window.name.clone(), effect: window.effect, reason: window.schedule.as_ref().err()?.clone() });
        self.windows.iter().filter_map(broken).collect()
    }

    /// The index of a declared item.
    fn item(&self, name: &str) -> Option<u32> {
        self.items.binary_search_by(|item| (**item).cmp(name)).ok().and_then(|index| u32::try_from(index).ok())
    }
}

/// Everything that is wrong with a window's times, each with the path of the value (`spec.except.0`). `estate_zone` is the
/// zone of times that name none.
pub fn problems(spec: &PatchWindowSpec, estate_zone: &TimeZone) -> Vec<(String, String)> {
    let zone = spec.time_zone.as_ref().map_or(estate_zone, |zone| &zone.0);
    Schedule::read(spec, zone.clone()).err().unwrap_or_default()
}

/// Makes the windows of an estate ready.
struct Reader<'a> {
    estate: &'a Estate,
    graph: &'a ServiceGraph,
    services_known: bool,
    zone_known: bool,
}

impl Reader<'_> {
    fn window(&self, window: &Declared<PatchWindowSpec>) -> Window {
        let spec = &window.spec;
        Window {
            name: window.name.clone(),
            effect: spec.effect,
            schedule: self.schedule(spec),
            covers: self.coverage(&spec.selector, spec.effect),
            lead: spec.lead_time.clone().filter(|lead| lead.seconds() > 0),
            most: spec.max_concurrent,
            asked: OnceLock::new(),
        }
    }

    fn schedule(&self, spec: &PatchWindowSpec) -> Result<Schedule, String> {
        let zone = match &spec.time_zone {
            Some(zone) => zone.0.clone(),
            None if self.zone_known => self.estate.zone(),
            None => return Err("its times are in the estate's zone, and the estate's own document cannot be read".into()),
        };
        Schedule::read(spec, zone).map_err(|problems| problems.into_iter().map(|(path, problem)| format!("{path}: {problem}")).collect::<Vec<_>>().join("; "))
    }

    fn remains(&self, remains: unreadable::Remains) -> Window {
        let everything = Selector { all: true, ..Selector::default() };
        Window {
            name: remains.name,
            effect: remains.effect,
            schedule: Err(remains.reason),
            covers: self.coverage(&remains.selector.unwrap_or(everything), remains.effect),
            lead: None,
            most: None,
            asked: OnceLock::new(),
        }
    }

    /// The items a selector is about. Of a freeze, all that it may be about.
    fn coverage(&self, selector: &Selector, effect: Effect) -> Coverage {
        let mut selector = selector.clone();
        let mut others = selector.clone();
        if effect == Effect::Freeze && !selector.is_empty() {
            if !self.services_known && !selector.services.is_empty() {
                selector = Selector { services: Vec::new(), all: true, ..selector };
            }
            // Nothing but its name is known of an item that is not declared, so only the name can tell that it is not meant.
            others = Selector { all: true, items: selector.items.clone(), ..Selector::default() };
        }
        if selector == (Selector { all: true, ..Selector::default() }) {
            return Coverage { everything: true, ..Coverage::default() };
        }
        let matcher = Matcher::new(&selector);
        let chosen = |item: &Declared<ConfigurationItemSpec>| matcher.matches(&self.estate.classes, &Subject::item(item, self.graph.services_of(&item.name)));
        let declared = (0u32..).zip(&self.estate.items).filter(|(_, item)| chosen(item)).map(|(index, _)| index).collect();
        Coverage { everything: false, declared, others: Matcher::new(&others) }
    }
}
