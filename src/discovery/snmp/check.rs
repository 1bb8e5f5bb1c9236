//! What is wrong with an `snmp` source as it is declared, and its limits. Pure.

use std::time::Duration;

use super::map::PORT;
use crate::api::Period;
use crate::api::discovery_source::{SnmpLimits, SnmpSource, SnmpTable};
use crate::discovery::tls::Endpoint;

/// The most rows that a device may have.
const MOST_ROWS: u32 = 1_000_000;
/// The most devices of one source.
const MOST_TARGETS: usize = 4096;

/// What is wrong, each at a path of the document: `spec.snmp.limits.tries`.
pub(crate) fn mistakes(spec: &SnmpSource) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let mut say = |at: &str, reason: &str| wrong.push((format!("spec.snmp.{at}"), reason.to_owned()));
    match spec.targets.len() {
        0 => say("targets", "no device is named; name at least one, for example sw-1.example.com"),
        1..=MOST_TARGETS => {}
        _ => say("targets", "a source has at most 4096 devices; make it several sources"),
    }
    for (place, target) in spec.targets.iter().enumerate() {
        if let Err(reason) = Endpoint::with_default_port(target, PORT) {
            say(&format!("targets.{place}"), &reason);
        }
    }
    if spec.credentials.trim().is_empty() {
        say("credentials", "it names no credential; the operator gives one, with a `community` or a user of SNMP v3");
    }
    let limits = &spec.limits;
    if limits.tries.is_some_and(|tries| !(1..=10).contains(&tries)) {
        say("limits.tries", "a request is sent from 1 to 10 times");
    }
    if limits.rows.is_some_and(|rows| !(1..=MOST_ROWS).contains(&rows)) {
        say("limits.rows", "a device has from 1 to 1000000 rows");
    }
    for (at, period) in [("limits.request", &limits.request), ("limits.target", &limits.target)] {
        if period.as_ref().is_some_and(|period| period.seconds() < 1) {
            say(at, "it takes a second or more");
        }
    }
    wrong
}

/// The devices, each once, in order.
pub(super) fn targets(spec: &SnmpSource) -> Vec<Endpoint> {
    Endpoint::each_once(&spec.targets, PORT)
}

/// The tables that are read, each once, in order.
pub(super) fn tables(spec: &SnmpSource) -> Vec<SnmpTable> {
    let all = [SnmpTable::Interfaces, SnmpTable::Addresses, SnmpTable::Entities, SnmpTable::Neighbors];
    all.into_iter().filter(|table| spec.tables.is_empty() || spec.tables.contains(table)).collect()
}

/// How much is taken, and how long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// How long one answer is waited for.
    pub request: Duration,
    /// How often a request is sent.
    pub tries: u32,
    /// How long one device may take in all.
    pub target: Duration,
    /// How many rows one device may have.
    pub rows: usize,
}

impl Limits {
    pub(super) fn of(limits: &SnmpLimits) -> Self {
        let seconds = |period: &Option<Period>, otherwise: u64| {
            Duration::from_secs(period.as_ref().map_or(otherwise, |period| u64::try_from(period.seconds()).unwrap_or_default()).max(1))
        };
        Self {
            request: seconds(&limits.request, 2),
            tries: limits.tries.unwrap_or(4).max(1),
            target: seconds(&limits.target, 30),
            rows: limits.rows.unwrap_or(50_000).min(MOST_ROWS) as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(yaml: &str) -> Vec<String> {
        mistakes(&serde_yaml::from_str(yaml).unwrap()).into_iter().map(|(at, _)| at.replace("spec.snmp.", "")).collect()
    }

    #[test]
    fn every_mistake_is_told_where_it_stands() {
        assert_eq!(
            wrong("{targets: [sw-1, '10.0.0.1:1161', '2001:db8::1'], credentials: core, limits: {request: 2s, tries: 4, target: 1m, rows: 1000}}"),
            [""; 0]
        );
        assert_eq!(
            wrong("{targets: [sw-1, 'a b', '10.0.0.1:0'], credentials: '', limits: {request: 0s, tries: 0, target: 0s, rows: 0}}"),
            ["targets.1", "targets.2", "credentials", "limits.tries", "limits.rows", "limits.request", "limits.target"]
        );
        assert_eq!(wrong("{targets: [], credentials: core}"), ["targets"]);
    }

    #[test]
    fn a_device_that_is_named_twice_is_asked_once() {
        let spec: SnmpSource = serde_yaml::from_str("{targets: [sw-2, SW-1.example.com., 'sw-1.example.com:161', 10.0.0.1], credentials: c}").unwrap();
        assert_eq!(targets(&spec).iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1:161", "sw-1.example.com:161", "sw-2:161"]);
    }

    #[test]
    fn tables_are_read_in_one_order_and_all_where_none_is_named() {
        let tables = |tables: &str| super::tables(&serde_yaml::from_str(&format!("{{targets: [a], credentials: c, tables: {tables}}}")).unwrap());
        assert_eq!(tables("[]").len(), 4);
        assert_eq!(tables("[Entities, Interfaces, Entities]"), [SnmpTable::Interfaces, SnmpTable::Entities]);
    }
}
