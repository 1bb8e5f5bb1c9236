//! Findings as change requests: grouped, rated, scheduled, written for a board.

pub mod edit;

use jiff::Timestamp;
use serde::Serialize;

use crate::api::Text;
use crate::api::change_request::{Action, ChangePlan, ChangeType, Risk, Schedule, ServiceEffect};
use crate::calendar::Calendar;
use crate::drift::Finding;
use crate::estate::Estate;
use crate::impact::ServiceGraph;

/// One change request, ready to be proposed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Stable over runs; names the branch `bowline/<key>`. Lower-case letters, digits and dashes.
    pub key: Text,
    /// A digest of all that it says: while it is the same, nothing is rewritten.
    pub fingerprint: Text,
    /// What, in one line.
    pub title: String,
    /// Standard, Normal or Emergency.
    #[serde(rename = "type")]
    pub kind: ChangeType,
    /// How risky it is, and why.
    pub risk: Risk,
    /// The items it changes, sorted.
    pub items: Vec<Text>,
    /// The services it can hurt, worst first.
    pub services: Vec<ServiceEffect>,
    /// When.
    pub schedule: Option<Schedule>,
    /// Keys of the findings it answers, sorted.
    pub findings: Vec<Text>,
    /// What is done.
    pub actions: Vec<Action>,
    /// What stands in the way.
    pub conflicts: Vec<Text>,
    /// How it is done, undone and tested.
    pub plan: ChangePlan,
    /// The files of its branch that differ from the base: edited ones, and the `ChangeRequest` under `changes/`.
    #[serde(skip)]
    pub files: Vec<FileChange>,
    /// The body for the board, in Markdown, with the hidden marker.
    #[serde(skip)]
    pub body: String,
}

/// A file as it is to be on the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path below the estate's root.
    pub path: Text,
    /// Its whole new text.
    pub text: String,
}

/// Groups the findings that ask for action and writes a change request for each group, sorted by key.
pub fn write(_estate: &Estate, _findings: &[Finding], _graph: &ServiceGraph, _calendar: &Calendar, _now: Timestamp) -> Vec<Change> {
    Vec::new()
}
