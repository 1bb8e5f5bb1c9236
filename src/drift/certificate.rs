//! `Certificate`: facts about certificates against the policies that cover them.

use jiff::Timestamp;

use super::Finding;
use crate::discovery::Discovered;
use crate::estate::Estate;

/// One finding for each rule of a policy that a certificate breaks.
pub fn find(_estate: &Estate, _discovered: &Discovered, _now: Timestamp) -> Vec<Finding> {
    Vec::new()
}
