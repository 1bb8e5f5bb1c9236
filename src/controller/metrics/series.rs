//! What is kept of one estate, and how what has no series of its own is added up.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;

use super::write::LONGEST;
use super::{MOST_GROUPS, OTHER, Outcome};
use crate::api::Text;
use crate::drift::finding::Severity;
use crate::health::{Group, Health, Indicators};

/// Upper bounds of the buckets of durations, in seconds: a read of a file up to a source that uses all its time.
pub(super) const BUCKETS: [f64; 12] = [0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// How often something took how long.
#[derive(Clone, Debug, Default)]
pub(super) struct Durations {
    pub(super) sum: f64,
    /// By bucket; the last is for what is longer than all bounds.
    counts: [u64; BUCKETS.len() + 1],
}

impl Durations {
    pub(super) fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.sum += seconds;
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        if let Some(count) = self.counts.get_mut(bucket) {
            *count = count.saturating_add(1);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Bounds and counts, as the text formats want them: the library adds them up.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        BUCKETS.iter().copied().chain([f64::MAX]).zip(self.counts).collect()
    }

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
    }
}

/// What is kept of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    /// Lower ones were there first.
    pub(super) number: u64,
    pub(super) complete: Option<bool>,
    pub(super) items: u64,
    pub(super) durations: Durations,
}

impl Source {
    pub(super) fn new(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    /// Together they are complete if each is.
    pub(super) fn add(&mut self, other: &Self) {
        self.complete = match (self.complete, other.complete) {
            (Some(one), Some(other)) => Some(one && other),
            (one, other) => one.or(other),
        };
        self.items = self.items.saturating_add(other.items);
        self.durations.add(&other.durations);
    }
}

/// How healthy the record of an estate is.
#[derive(Clone, Debug, Default)]
pub(super) struct OfHealth {
    pub(super) total: Indicators,
    pub(super) classes: Groups,
    pub(super) owners: Groups,
    pub(super) services: Groups,
}

/// Indicators by name, in bounded number.
pub(super) type Groups = BTreeMap<Text, Indicators>;

impl OfHealth {
    pub(super) fn new(health: &Health) -> Self {
        let groups = |groups: &[Group]| {
            bounded(groups.iter().map(|group| {
                // The items of no owner have an empty label, which is none.
                let name: String = group.name.as_deref().unwrap_or_default().chars().take(LONGEST).collect();
                (Text::from(name), group.indicators)
            }))
        };
        Self { total: health.total, classes: groups(&health.classes), owners: groups(&health.owners), services: groups(&health.services) }
    }

    fn add(&mut self, other: &Self) {
        self.total.add(&other.total);
        for (own, others) in [(&mut self.classes, &other.classes), (&mut self.owners, &other.owners), (&mut self.services, &other.services)] {
            let both = std::mem::take(own).into_iter().chain(others.iter().map(|(name, indicators)| (name.clone(), *indicators)));
            *own = bounded(both);
        }
    }
}

/// Those with the most items under their names, of equals the first; the rest as one. Each name once: two series of one
/// name would make the whole scrape fail.
fn bounded(groups: impl Iterator<Item = (Text, Indicators)>) -> Groups {
    let mut all = Groups::new();
    for (name, indicators) in groups {
        all.entry(name).or_default().add(&indicators);
    }
    let mut order: Vec<(usize, Text)> = all.iter().map(|(name, indicators)| (indicators.items, name.clone())).collect();
    order.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    for (_, name) in order.into_iter().filter(|(_, name)| &**name != OTHER).skip(MOST_GROUPS) {
        if let Some(indicators) = all.remove(&name) {
            all.entry(OTHER.into()).or_default().add(&indicators);
        }
    }
    all
}

/// What is kept of one estate.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// The estate's own number, lower for those that were there first; and the number that its next source gets.
    pub(super) numbers: Range<u64>,
    pub(super) findings: BTreeMap<(&'static str, Severity), u64>,
    pub(super) changes: BTreeMap<&'static str, u64>,
    pub(super) declared: Option<u64>,
    pub(super) health: Option<OfHealth>,
    pub(super) sources: BTreeMap<Text, Source>,
    pub(super) passes: BTreeMap<Outcome, Durations>,
    pub(super) last_success: Option<Timestamp>,
    pub(super) lease: Option<bool>,
    pub(super) requests: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    pub(super) quotas: BTreeMap<&'static str, (u64, u64)>,
}

impl Series {
    pub(super) fn new(number: u64) -> Self {
        Self { numbers: number..0, ..Self::default() }
    }

    /// Adds another estate to this one: counts are summed, of what is a state the worst stands.
    pub(super) fn add(&mut self, other: &Self) {
        sum(&mut self.findings, &other.findings);
        sum(&mut self.changes, &other.changes);
        sum(&mut self.requests, &other.requests);
        self.declared = self.declared.map_or(other.declared, |declared| Some(declared.saturating_add(other.declared.unwrap_or_default())));
        if let Some(health) = &other.health {
            self.health.get_or_insert_default().add(health);
        }
        self.last_success = self.last_success.into_iter().chain(other.last_success).min();
        self.lease = self.lease.into_iter().chain(other.lease).min();
        for (outcome, durations) in &other.passes {
            self.passes.entry(*outcome).or_default().add(durations);
        }
        for (forge, (limit, remaining)) in &other.quotas {
            let quota = self.quotas.entry(forge).or_insert((*limit, *remaining));
            *quota = ((*limit).min(quota.0), (*remaining).min(quota.1));
        }
    }
}

fn sum<K: Ord + Copy>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        let sum = to.entry(*key).or_default();
        *sum = sum.saturating_add(*count);
    }
}
