//! What Prometheus scrapes: series of estates and their sources, gone when these are gone, in bounded numbers.
//!
//! | metric                                  | type      | labels                            |
//! |-----------------------------------------|-----------|-----------------------------------|
//! | `bowline_build_info`                    | info      | version                           |
//! | `bowline_findings`                      | gauge     | estate, kind, severity            |
//! | `bowline_changes`                       | gauge     | estate, phase                     |
//! | `bowline_items_declared`                | gauge     | estate                            |
//! | `bowline_health_ratio`                  | gauge     | estate, indicator: 0 to 1         |
//! | `bowline_health_by_class_ratio`         | gauge     | estate, class, indicator          |
//! | `bowline_health_by_owner_ratio`         | gauge     | estate, owner, indicator          |
//! | `bowline_health_by_service_ratio`       | gauge     | estate, service, indicator        |
//! | `bowline_reconcile_duration_seconds`    | histogram | estate, outcome                   |
//! | `bowline_last_success_timestamp_seconds`| gauge     | estate                            |
//! | `bowline_discovery_duration_seconds`    | histogram | estate, source                    |
//! | `bowline_source_complete`               | gauge     | estate, source: 1 or 0            |
//! | `bowline_source_items`                  | gauge     | estate, source                    |
//! | `bowline_lease_held`                    | gauge     | estate: 1 or 0                    |
//! | `bowline_forge_requests_total`          | counter   | estate, forge, method, code       |
//! | `bowline_forge_quota_limit`             | gauge     | estate, forge                     |
//! | `bowline_forge_quota_remaining`         | gauge     | estate, forge                     |
//!
//! Indicators of health are completeness, correctness and compliance. Of an estate's classes, owners and services the
//! [`MOST_GROUPS`] with the most items have series of their own, the rest of each is `other`.
//!
//! In a cluster an estate is called `namespace/name`. Past the first [`MOST_ESTATES`] and [`MOST_SOURCES`] the rest is one
//! series with the label `other`. No value of an attribute, no address and no name of an item is ever a label.

mod series;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::api::Text;
use crate::forge::hosted::exchange::{Ear, Exchanged};
use crate::forge::life::Standing;
use crate::health::Health;
use crate::plan::Plan;

use series::{OfHealth, Series, Source};

/// How many estates have series of their own.
pub const MOST_ESTATES: usize = 200;
/// How many sources have series of their own, over all estates.
pub const MOST_SOURCES: usize = 500;
/// How many classes, owners and services of an estate have series of their own, of each.
pub const MOST_GROUPS: usize = 20;
/// What stands for the rest.
pub const OTHER: &str = "other";

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It did all that it should.
    Success,
    /// Some steps could not be taken; the others were.
    Partial,
    /// It could not be made, or its forge failed as a whole.
    Failure,
    /// The estate is suspended: it was planned, and nothing written.
    Suspended,
    /// It was told to stop, or another replica holds the estate.
    Stopped,
}

impl Outcome {
    /// The name as labels and logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Partial => "partial",
            Self::Failure => "failure",
            Self::Suspended => "suspended",
            Self::Stopped => "stopped",
        }
    }
}

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// The text format of Prometheus, version 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0, which Prometheus asks for by itself.
    OpenMetrics,
}

impl Exposition {
    /// What a request wants by its `Accept`; of what is not known, Prometheus' own.
    pub fn wanted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All series, by estate.
type Estates = BTreeMap<Text, Series>;

/// What is measured. Shared by everything that measures.
pub struct Metrics {
    estates: Arc<Mutex<Estates>>,
    registry: Registry,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let estates = Arc::new(Mutex::new(Estates::new()));
        let mut registry = Registry::with_prefix("bowline");
        registry.register_collector(Box::new(write::Collector { estates: estates.clone() }));
        Self { estates, registry }
    }
}

impl Metrics {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a plan found. Sources that it no longer names have no series from now on.
    pub fn planned(&self, estate: &str, plan: &Plan) {
        self.of(estate, |series| {
            series.findings.clear();
            for finding in &plan.findings {
                *series.findings.entry((finding.kind.name(), finding.severity)).or_default() += 1;
            }
            series.declared = Some(many(plan.summary.declared));
            let next = series.numbers.end;
            let mut before = std::mem::take(&mut series.sources);
            for (number, report) in (next..).zip(&plan.sources) {
                let source = before.remove(&report.name).unwrap_or_else(|| Source::new(number));
                series.sources.insert(report.name.clone(), Source { complete: Some(report.complete), items: many(report.items), ..source });
            }
            series.numbers.end = next.saturating_add(many(plan.sources.len()));
        });
    }

    /// How healthy the record is.
    pub fn health(&self, estate: &str, health: &Health) {
        self.of(estate, |series| series.health = Some(OfHealth::new(health)));
    }

    /// How the estate's change requests stand.
    pub fn settled<'a>(&self, estate: &str, standings: impl IntoIterator<Item = &'a Standing>) {
        self.of(estate, |series| {
            series.changes = PHASES.map(|phase| (phase, 0)).into();
            for standing in standings {
                *series.changes.entry(phase(standing)).or_default() += 1;
            }
        });
    }

    /// How long a source took to answer.
    pub fn discovered(&self, estate: &str, source: &Text, took: Duration) {
        self.of(estate, |series| {
            let next = series.numbers.end;
            let source = series.sources.entry(source.clone()).or_insert_with(|| Source::new(next));
            source.durations.observe(took);
            series.numbers.end = next.saturating_add(1);
        });
    }

    /// That a pass is over.
    pub fn passed(&self, estate: &str, outcome: Outcome, took: Duration, now: Timestamp) {
        self.of(estate, |series| {
            series.passes.entry(outcome).or_default().observe(took);
            if outcome == Outcome::Success {
                series.last_success = Some(now);
            }
        });
    }

    /// Whether this replica holds the estate.
    pub fn lease(&self, estate: &str, held: bool) {
        self.of(estate, |series| series.lease = Some(held));
    }

    /// What counts the requests to the forge of an estate: see [`crate::forge::hosted::Host::heard_by`].
    pub fn forge(self: &Arc<Self>, estate: &str) -> Arc<dyn Ear> {
        Arc::new(OfEstate { metrics: self.clone(), estate: estate.into() })
    }

    /// Takes the series of an estate away: it is gone, or another replica has it.
    pub fn forget(&self, estate: &str) {
        self.lock().remove(estate);
    }

    /// Keeps the series of these estates only.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.lock().retain(|estate, _| keep(estate));
    }

    /// Everything as text.
    pub fn render(&self, exposition: Exposition) -> String {
        let mut written = String::new();
        // Writing to a string does not fail.
        let _ = match exposition {
            Exposition::Prometheus => prometheus_text::encode(&mut written, &self.registry),
            Exposition::OpenMetrics => text::encode(&mut written, &self.registry),
        };
        written
    }

    fn of(&self, estate: &str, change: impl FnOnce(&mut Series)) {
        let mut estates = self.lock();
        if let Some(series) = estates.get_mut(estate) {
            return change(series);
        }
        let number = estates.values().map(|series| series.numbers.start).max().map_or(0, |last| last.saturating_add(1));
        change(estates.entry(estate.into()).or_insert_with(|| Series::new(number)));
    }

    fn lock(&self) -> MutexGuard<'_, Estates> {
        lock(&self.estates)
    }
}

fn lock(estates: &Mutex<Estates>) -> MutexGuard<'_, Estates> {
    estates.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts the requests to one estate's forge.
struct OfEstate {
    metrics: Arc<Metrics>,
    estate: Text,
}

impl fmt::Debug for OfEstate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OfEstate").field("estate", &self.estate).finish_non_exhaustive()
    }
}

impl Ear for OfEstate {
    fn heard(&self, exchanged: &Exchanged<'_>) {
        self.metrics.of(&self.estate, |series| {
            let key = (exchanged.forge, method(exchanged.method), class(exchanged.status));
            *series.requests.entry(key).or_default() += 1;
            if let Some(quota) = exchanged.quota {
                series.quotas.insert(exchanged.forge, (quota.limit, quota.remaining));
            }
        });
    }
}

fn method(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => OTHER,
    }
}

fn class(status: Option<u16>) -> &'static str {
    match status.map(|status| status / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        Some(_) => OTHER,
        None => "none",
    }
}

/// The phases of change requests, which always have a series.
const PHASES: [&str; 13] =
    ["Abandoned", "Approved", "Closed", "Conflicts", "Done", "HandsOff", "Held", "InDoubt", "Overdue", "Proposed", "Rejected", "Unreadable", "Waiting"];

fn phase(standing: &Standing) -> &'static str {
    match standing {
        Standing::Proposed => "Proposed",
        Standing::Waiting { .. } => "Waiting",
        Standing::HandsOff => "HandsOff",
        Standing::Held => "Held",
        Standing::Conflicts => "Conflicts",
        Standing::Abandoned => "Abandoned",
        Standing::InDoubt { .. } => "InDoubt",
        Standing::Rejected { .. } => "Rejected",
        Standing::Approved => "Approved",
        Standing::Overdue => "Overdue",
        Standing::Done => "Done",
        Standing::Closed => "Closed",
        Standing::Unreadable { .. } => "Unreadable",
    }
}

fn many(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
