//! When a change may be made: windows, freezes, collisions.

use jiff::{Timestamp, Zoned};

use crate::api::Text;
use crate::estate::Estate;
use crate::impact::ServiceGraph;

/// The windows and freezes of an estate.
#[derive(Debug, Default)]
pub struct Calendar {}

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

impl Calendar {
    /// Reads the windows of an estate. One that cannot be read opens nothing, and a freeze that cannot be read closes
    /// all that it may be about (rule 5).
    pub fn new(_estate: &Estate, _graph: &ServiceGraph) -> Self {
        Self {}
    }

    /// The next slot within 90 days of `now` in which all `items` may be changed together.
    pub fn next_slot(&self, _items: &[Text], _bookings: &[Booking], _now: Timestamp) -> Decision {
        Decision { slot: None, reason: String::new(), ruled_out: Vec::new() }
    }

    /// Every instance of every window and freeze that overlaps the time from `from` to `until`, in order of start.
    pub fn instances(&self, _from: Timestamp, _until: Timestamp) -> Vec<Slot> {
        Vec::new()
    }
}
