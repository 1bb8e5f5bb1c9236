//! The pure middle as one function, and its result.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::api::change_request::ServiceEffect;
use crate::api::{API_VERSION, Text};
use crate::calendar::Calendar;
use crate::change::{self, Change};
use crate::discovery::{Answer, Discovered, Ties};
use crate::drift::{self, Absences, Finding};
use crate::estate::{Diagnostic, Estate};
use crate::identity::{self, Correlation};
use crate::impact::{ServiceGraph, nearest_first};

/// What differs, and what is proposed. The same input gives the same bytes.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Always `bowline.dev/v1alpha1`.
    pub api_version: &'static str,
    /// Always `Plan`.
    pub kind: &'static str,
    /// The estate's name.
    pub estate: Text,
    /// The commit that was read, if the estate is in git.
    pub revision: Option<String>,
    /// The instant for which it was made.
    pub at: Timestamp,
    /// Counts.
    pub summary: Summary,
    /// The sources and whether they said everything.
    pub sources: Vec<SourceReport>,
    /// What differs, sorted by key.
    pub findings: Vec<Finding>,
    /// What is proposed, sorted by key.
    pub changes: Vec<Change>,
    /// What is wrong with the estate itself.
    pub diagnostics: Vec<Diagnostic>,
    /// What this survey says of absence, for the store.
    #[serde(skip)]
    pub absences: Absences,
    /// What this survey says of observations that only another source tied to an item, for the store.
    #[serde(skip)]
    pub ties: Ties,
}

/// Counts of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Declared items.
    pub declared: usize,
    /// Things that were found.
    pub discovered: usize,
    /// Findings by kind; kinds without any are left out.
    pub findings: BTreeMap<&'static str, usize>,
    /// Change requests.
    pub changes: usize,
    /// Items that are absent, but in too few surveys in a row yet to be missing (`safety.minimumFindings`).
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What became of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceReport {
    /// Its name.
    pub name: Text,
    /// Whether it said everything that its scope covers.
    pub complete: bool,
    /// How many items it named.
    pub items: usize,
    /// Why it is not complete.
    pub error: Option<Text>,
}

impl SourceReport {
    /// What became of the source of this answer.
    pub fn of(answer: &Answer) -> Self {
        Self { name: answer.source.clone(), complete: answer.complete, items: answer.items.len(), error: answer.error.clone() }
    }
}

/// Compares what is declared with what was discovered and writes the change requests for it. Pure: no clock, no I/O.
pub fn plan(estate: &Estate, discovered: &Discovered, now: Timestamp) -> Plan {
    plan_and_found(estate, discovered, now).0
}

/// The same, and for each item of the estate whether a source has found it.
pub fn plan_and_found(estate: &Estate, discovered: &Discovered, now: Timestamp) -> (Plan, Vec<bool>) {
    let (plan, correlation) = plan_and_correlation(estate, discovered, now);
    (plan, found(estate, &correlation))
}

/// The same, and which observation is which item.
pub fn plan_and_correlation(estate: &Estate, discovered: &Discovered, now: Timestamp) -> (Plan, Correlation) {
    let correlation = identity::correlate(estate, discovered);
    let graph = ServiceGraph::new(estate);
    let (mut findings, absences) = drift::survey(estate, discovered, &correlation, now);
    for finding in &mut findings {
        finding.services = services(&graph, finding);
    }
    let calendar = Calendar::new(estate, &graph);
    let changes = change::write(estate, &findings, &graph, &calendar, now);
    let plan = Plan {
        api_version: API_VERSION,
        kind: "Plan",
        estate: estate.name.clone(),
        revision: estate.revision.clone(),
        at: now,
        summary: Summary { waiting: absences.waiting, ..summarise(estate, discovered, &findings, &changes) },
        sources: discovered.answers.iter().map(SourceReport::of).collect(),
        findings,
        changes,
        diagnostics: estate.diagnostics.clone(),
        absences,
        ties: correlation.ties.clone(),
    };
    (plan, correlation)
}

/// For each item of the estate whether a source has found it.
pub fn found(estate: &Estate, correlation: &Correlation) -> Vec<bool> {
    (0..estate.items.len()).map(|item| !correlation.of(item).is_empty()).collect()
}

/// The services that a finding can hurt, worst first; of equally hurt ones, the nearest first.
fn services(graph: &ServiceGraph, finding: &Finding) -> Vec<ServiceEffect> {
    let mut impacts = graph.effects_of(std::slice::from_ref(&finding.item));
    nearest_first(&mut impacts);
    impacts.into_iter().map(|impact| impact.effect).collect()
}

fn summarise(estate: &Estate, discovered: &Discovered, findings: &[Finding], changes: &[Change]) -> Summary {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.kind.name()).or_default() += 1;
    }
    Summary {
        declared: estate.items.len(),
        discovered: discovered.answers.iter().map(|answer| answer.items.len()).sum(),
        findings: counts,
        changes: changes.len(),
        ..Summary::default()
    }
}
