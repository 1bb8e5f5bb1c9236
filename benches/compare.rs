//! Comparing and correlating an estate as `make_estate.py` writes it: eight attributes an item, half of the quantities in
//! another unit, MAC addresses in another case, IP addresses in another order; 1% with another memory, 0.5% with another
//! version, 0.2% missing, 0.2% undeclared.
//!
//! `cargo bench --bench compare`; with `RAYON_NUM_THREADS=1` it takes one core, so that wall time is CPU time.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)] // made-up numbers, and a bench that cannot be set up fails

use bowline::api::configuration_item::ConfigurationItemSpec;
use bowline::api::{DiscoverySourceSpec, Lifecycle, Percent, Selector, Table, Text, Value};
use bowline::discovery::{Answer, Discovered, Observation};
use bowline::drift::{self, FindingKind, compare};
use bowline::estate::{Classes, Declared, Estate, Origin};
use bowline::identity;
use divan::Bencher;
use divan::counter::ItemsCount;
use jiff::Timestamp;

fn main() {
    divan::main();
}

/// Numbers that look like chance and are the same on every run.
fn number(of: usize, salt: u64) -> u64 {
    let mut mixed = (of as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 31;
    mixed = mixed.wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 29)
}

fn table(entries: Vec<(&str, Value)>) -> Table<Value> {
    entries.into_iter().collect()
}

fn identifiers(of: usize) -> Table<Text> {
    let (high, low) = (number(of, 1), number(of, 2));
    let uuid =
        format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", high as u32, (high >> 32) as u16, (high >> 48) & 0xfff, low & 0xfff, (low >> 12) & 0xffff_ffff_ffff);
    [("vsphere/instance-uuid", Text::from(uuid)), ("dns/fqdn", format!("vm-{of:07}.example.com").into())].into_iter().collect()
}

fn attributes(of: usize, declared: bool) -> Table<Value> {
    let memory = 1_u64 << (1 + number(of, 3) % 6);
    let memory = if !declared && number(of, 9) % 1000 < 10 { memory * 2 } else { memory };
    let version = if !declared && (10..15).contains(&(number(of, 9) % 1000)) { "changed" } else { "12" };
    let in_gib = declared && number(of, 4).is_multiple_of(2);
    let mac: Vec<String> =
        number(of, 5).to_be_bytes().iter().take(6).map(|byte| if declared { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect();
    let mut addresses = vec![Value::from(format!("10.{}.{}.{}", (of >> 16) & 255, (of >> 8) & 255, of & 255)), Value::from(format!("fd00::{of:x}"))];
    if declared {
        addresses.reverse();
    }
    let os = table(vec![("name", "debian".into()), ("version", version.into())]);
    table(vec![
        ("cpus", Value::from(1_u64 << (number(of, 6) % 5))),
        ("memory", Value::from(if in_gib { format!("{memory}Gi") } else { format!("{}Mi", memory * 1024) })),
        ("disk", Value::from(format!("{}Gi", 20 << (number(of, 7) % 5)))),
        ("os", Value::Map(os)),
        ("macAddresses", [Value::from(mac.join(":"))].into_iter().collect()),
        ("ipAddresses", addresses.into_iter().collect()),
        ("tags", ["pci", "backup", "gold"].into_iter().map(Value::from).collect()),
        ("cluster", Value::from(format!("cluster-{:02}", of % 64))),
    ])
}

fn is_missing(of: usize) -> bool {
    number(of, 8) % 1000 < 2
}

fn estate(items: usize) -> Estate {
    let item = |of: usize| Declared {
        name: format!("vm-{of:07}").into(),
        labels: Table::default(),
        spec: ConfigurationItemSpec {
            class: "virtual-machine".into(),
            lifecycle: Lifecycle::Operational,
            owner: Some("team-01".into()),
            identifiers: identifiers(of),
            attributes: attributes(of, true),
            relations: Vec::new(),
            on_drift: None,
        },
        origin: Origin::default(),
    };
    let source = Declared {
        name: "export".into(),
        labels: Table::default(),
        spec: DiscoverySourceSpec { scope: Selector { all: true, ..Selector::default() }, ..DiscoverySourceSpec::default() },
        origin: Origin::default(),
    };
    let mut estate = Estate { items: (0..items).map(item).collect(), classes: Classes::resolve(&[]).0, sources: vec![source], ..Estate::default() };
    estate.spec.safety.mass_absence = Percent(50.0);
    estate
}

fn discovered(items: usize) -> Discovered {
    let observation = |of: usize| {
        let identifiers = identifiers(of);
        let key = identifiers.get("vsphere/instance-uuid").cloned().unwrap_or_else(|| "".into());
        let name = format!("vm-{of:07}").into();
        Observation { key, class: "virtual-machine".into(), name, identifiers, attributes: attributes(of, false), ..Observation::default() }
    };
    let found = (0..items + items / 500).filter(|of| *of >= items || !is_missing(*of));
    let answer =
        Answer { source: "export".into(), complete: true, evidence: "export.ndjson".into(), items: found.map(observation).collect(), ..Answer::default() };
    Discovered { answers: vec![answer], ..Discovered::default() }
}

/// Comparing alone, on one core.
#[divan::bench(args = [10_000])]
fn values(bencher: Bencher, items: usize) {
    let classes = Classes::resolve(&[]).0;
    let class = classes.get("virtual-machine").unwrap();
    let pairs: Vec<_> = (0..items).map(|of| (attributes(of, true), attributes(of, false))).collect();
    bencher.counter(ItemsCount::new(items)).bench_local(|| {
        let mut lookup = compare::Lookup::default();
        let same = pairs.iter().filter(|(declared, found)| {
            declared.iter().enumerate().all(|(place, (name, value))| {
                let rules = lookup.of(Some(&class.rules), place, name);
                compare::value_at(found, place, name).is_some_and(|found| compare::equal(rules, value, found))
            })
        });
        same.count()
    });
}

/// Identity alone.
#[divan::bench(args = [100_000], sample_count = 10)]
fn correlate(bencher: Bencher, items: usize) {
    let (estate, discovered) = (estate(items), discovered(items));
    bencher.counter(ItemsCount::new(items)).bench_local(|| identity::correlate(&estate, &discovered).matches().len());
}

/// Identity and every kind of drift, findings written.
#[divan::bench(args = [100_000, 200_000], sample_count = 10)]
fn whole(bencher: Bencher, items: usize) {
    let (estate, discovered) = (estate(items), discovered(items));
    bencher.counter(ItemsCount::new(items)).bench_local(|| {
        let correlation = identity::correlate(&estate, &discovered);
        let findings = drift::find(&estate, &discovered, &correlation, Timestamp::UNIX_EPOCH);
        let count = |kind| findings.iter().filter(|finding| finding.kind == kind).count();
        let counts = [FindingKind::Changed, FindingKind::Missing, FindingKind::Undeclared].map(count);
        assert_eq!(counts.iter().sum::<usize>(), findings.len(), "no other finding");
        assert_eq!(counts[2], items / 500);
        counts
    });
}
