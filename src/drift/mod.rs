//! Declared against discovered, and policies against facts: one file a kind of drift.

pub mod certificate;
pub mod compare;
pub mod finding;

use jiff::Timestamp;

use crate::discovery::Discovered;
use crate::estate::Estate;
use crate::identity::Correlation;

pub use finding::{Finding, FindingKind, Severity};

/// Everything that differs, sorted by key. Services are not yet known: `impact` adds them.
pub fn find(_estate: &Estate, _discovered: &Discovered, _correlation: &Correlation, _now: Timestamp) -> Vec<Finding> {
    Vec::new()
}
