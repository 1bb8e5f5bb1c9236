//! Writes the series for a scrape: those who were there first under their own names, the rest as one.

use std::collections::BTreeSet;
use std::fmt::Error;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

use super::series::{Durations, Groups, OfHealth, Series, Source};
use super::{Estates, MOST_ESTATES, MOST_SOURCES, OTHER, lock};
use crate::api::Text;
use crate::drift::finding::Severity;
use crate::health::Indicators;

/// The longest value of a label, in characters.
pub(super) const LONGEST: usize = 200;

/// Labels with their values.
type Labels = Vec<(&'static str, String)>;

/// No exemplar.
const NONE: Option<&Exemplar<Labels, f64>> = None;

#[derive(Debug)]
pub(super) struct Collector {
    pub(super) estates: Arc<Mutex<Estates>>,
}

impl prometheus_client::collector::Collector for Collector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        // A copy, so that a slow scrape holds nothing up.
        let (estates, sources) = bounded(&lock(&self.estates));
        let mut out = Out(&mut encoder);
        out.build()?;
        out.estates(&estates)?;
        out.health(&estates)?;
        out.forges(&estates)?;
        out.sources(&sources)
    }
}

/// A source's series with the names of its estate and itself.
type Named = (Text, Text, Source);

/// What has series of its own, and the rest as one.
fn bounded(estates: &Estates) -> (Vec<(Text, Series)>, Vec<Named>) {
    let mut numbers: Vec<u64> = estates.values().map(|series| series.numbers.start).collect();
    numbers.sort_unstable();
    let first_other = numbers.get(MOST_ESTATES).copied().unwrap_or(u64::MAX);
    let mut shown = Vec::new();
    let mut rest: Option<Series> = None;
    for (name, series) in estates {
        if series.numbers.start < first_other {
            shown.push((name.clone(), series.clone()));
        } else {
            rest.get_or_insert_default().add(series);
        }
    }
    shown.extend(rest.map(|rest| (OTHER.into(), rest)));
    (shown, bounded_sources(estates, first_other))
}

fn bounded_sources(estates: &Estates, first_other: u64) -> Vec<Named> {
    let all = || estates.values().flat_map(|series| series.sources.values().map(|source| (series.numbers.start, source.number)));
    let mut order: Vec<(u64, u64)> = all().collect();
    order.sort_unstable();
    order.truncate(MOST_SOURCES);
    let first: BTreeSet<(u64, u64)> = order.into_iter().collect();
    let mut shown: Vec<Named> = Vec::new();
    let mut rest: std::collections::BTreeMap<Text, Source> = std::collections::BTreeMap::new();
    for (estate, series) in estates {
        let own = series.numbers.start < first_other;
        for (name, source) in &series.sources {
            if own && first.contains(&(series.numbers.start, source.number)) {
                shown.push((estate.clone(), name.clone(), source.clone()));
            } else {
                let estate = if own { estate.clone() } else { OTHER.into() };
                rest.entry(estate).or_default().add(source);
            }
        }
    }
    shown.extend(rest.into_iter().map(|(estate, source)| (estate, OTHER.into(), source)));
    shown
}

struct Out<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Out<'_, '_> {
    fn build(&mut self) -> Result<(), Error> {
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        self.0.encode_descriptor("build", "The version of Bowline.", None, MetricType::Info)?.encode_info(&labels)
    }

    fn estates(&mut self, estates: &[(Text, Series)]) -> Result<(), Error> {
        let each = || estates.iter().map(|(name, series)| (&**name, series));
        let findings = each().flat_map(|(estate, series)| {
            series.findings.iter().map(move |((kind, severity), count)| (labels([("estate", estate), ("kind", kind), ("severity", named(*severity))]), *count))
        });
        self.gauges("findings", "What differs, as the last pass found it.", None, findings)?;
        let changes =
            each().flat_map(|(estate, series)| series.changes.iter().map(move |(phase, count)| (labels([("estate", estate), ("phase", phase)]), *count)));
        self.gauges("changes", "Change requests by how they stand after the last pass.", None, changes)?;
        let declared = each().filter_map(|(estate, series)| Some((labels([("estate", estate)]), series.declared?)));
        self.gauges("items_declared", "Items that are declared.", None, declared)?;
        let held = each().filter_map(|(estate, series)| Some((labels([("estate", estate)]), u64::from(series.lease?))));
        self.gauges("lease_held", "Whether this replica holds the estate (1) or not (0).", None, held)?;
        let success = each().filter_map(|(estate, series)| Some((labels([("estate", estate)]), series.last_success?.as_second().unsigned_abs())));
        self.gauges("last_success_timestamp", "When a pass last did all that it should, in seconds since 1970.", Some(&Unit::Seconds), success)?;
        let passes = each().flat_map(|(estate, series)| {
            series.passes.iter().map(move |(outcome, durations)| (labels([("estate", estate), ("outcome", outcome.name())]), durations))
        });
        self.histograms("reconcile_duration", "How long passes took, by how they ended.", passes)
    }

    fn forges(&mut self, estates: &[(Text, Series)]) -> Result<(), Error> {
        let each = || estates.iter().map(|(name, series)| (&**name, series));
        let requests = each().flat_map(|(estate, series)| {
            let of = move |((forge, method, code), count): (&(&'static str, &'static str, &'static str), &u64)| {
                (labels([("estate", estate), ("forge", forge), ("method", method), ("code", code)]), *count)
            };
            series.requests.iter().map(of)
        });
        self.family(
            "forge_requests",
            "Requests to forges by the class of the answer's code; `none`: no answer.",
            None,
            MetricType::Counter,
            requests,
            |out, count| out.encode_counter(&count, NONE),
        )?;
        let quotas =
            || each().flat_map(|(estate, series)| series.quotas.iter().map(move |(forge, quota)| (labels([("estate", estate), ("forge", forge)]), *quota)));
        self.gauges(
            "forge_quota_limit",
            "How many requests the forge takes in all, as it said last.",
            None,
            quotas().map(|(labels, quota)| (labels, quota.0)),
        )?;
        self.gauges(
            "forge_quota_remaining",
            "How many requests the forge still takes, as it said last.",
            None,
            quotas().map(|(labels, quota)| (labels, quota.1)),
        )
    }

    fn sources(&mut self, sources: &[Named]) -> Result<(), Error> {
        let each = || sources.iter().map(|(estate, name, source)| (labels([("estate", estate), ("source", name)]), source));
        let complete = each().filter_map(|(labels, source)| Some((labels, u64::from(source.complete?))));
        self.gauges("source_complete", "Whether the source's last answer said everything that its scope covers (1) or not (0).", None, complete)?;
        let items = each().filter_map(|(labels, source)| source.complete.map(|_| (labels, source.items)));
        self.gauges("source_items", "Items in the source's last answer.", None, items)?;
        let durations = each().filter(|(_, source)| source.durations.count() > 0).map(|(labels, source)| (labels, &source.durations));
        self.histograms("discovery_duration", "How long sources took to answer.", durations)
    }

    fn health(&mut self, estates: &[(Text, Series)]) -> Result<(), Error> {
        let each = || estates.iter().filter_map(|(name, series)| Some((&**name, series.health.as_ref()?)));
        let total = each()
            .flat_map(|(estate, health)| ratios(&health.total).map(move |(indicator, ratio)| (labels([("estate", estate), ("indicator", indicator)]), ratio)));
        self.ratios("health_ratio", "How healthy the record is, from 0 to 1; of the items of which it can be said.", total)?;
        self.groups(estates, "class", "The same, of the items of a class.", |health| &health.classes)?;
        self.groups(estates, "owner", "The same, of the items of an owner; without a name, of none.", |health| &health.owners)?;
        self.groups(estates, "service", "The same, of the items of a service.", |health| &health.services)
    }

    fn groups(&mut self, estates: &[(Text, Series)], label: &'static str, help: &str, groups: impl Fn(&OfHealth) -> &Groups) -> Result<(), Error> {
        let each = estates.iter().filter_map(|(name, series)| Some((&**name, groups(series.health.as_ref()?))));
        let all = each.flat_map(|(estate, groups)| groups.iter().map(move |(name, of)| (estate, name, of)));
        let series = all.flat_map(|(estate, name, of)| {
            ratios(of).map(move |(indicator, ratio)| (labels([("estate", estate), (label, name), ("indicator", indicator)]), ratio))
        });
        self.ratios(&format!("health_by_{label}_ratio"), help, series)
    }

    fn ratios(&mut self, name: &str, help: &str, series: impl Iterator<Item = (Labels, f64)>) -> Result<(), Error> {
        self.family(name, help, None, MetricType::Gauge, series, |out, ratio| out.encode_gauge(&ratio))
    }

    fn gauges(&mut self, name: &str, help: &str, unit: Option<&Unit>, series: impl Iterator<Item = (Labels, u64)>) -> Result<(), Error> {
        self.family(name, help, unit, MetricType::Gauge, series, |out, value| {
            // No count here comes near the limit of what a float counts exactly.
            out.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
        })
    }

    fn histograms<'d>(&mut self, name: &str, help: &str, series: impl Iterator<Item = (Labels, &'d Durations)>) -> Result<(), Error> {
        self.family(name, help, Some(&Unit::Seconds), MetricType::Histogram, series, |out, durations| {
            out.encode_histogram(durations.sum, durations.count(), &durations.buckets(), None::<&std::collections::HashMap<usize, Exemplar<Labels, f64>>>)
        })
    }

    /// One metric with all its series; nothing where there are none.
    fn family<T>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        kind: MetricType,
        series: impl Iterator<Item = (Labels, T)>,
        write: impl Fn(&mut MetricEncoder<'_>, T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut series = series.peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut encoder = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            write(&mut encoder.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

/// The indicators of which something can be said.
fn ratios(of: &Indicators) -> impl Iterator<Item = (&'static str, f64)> + use<> {
    let all = [("completeness", of.completeness()), ("correctness", of.correctness()), ("compliance", of.compliance())];
    all.into_iter().filter_map(|(indicator, ratio)| Some((indicator, ratio?)))
}

fn labels<const N: usize>(labels: [(&'static str, &str); N]) -> Labels {
    labels.map(|(name, value)| (name, value.chars().take(LONGEST).collect())).into()
}

fn named(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}
