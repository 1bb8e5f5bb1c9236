//! A large source in flat memory. Alone in its process, so that nothing else counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;

use std::sync::Arc;

use bowline::access::Access;
use bowline::api::{DiscoverySourceSpec, Table};
use bowline::discovery::reach::Reach;
use bowline::discovery::run::{Limits, Silent, ask_all, build};
use bowline::estate::{Declared, Estate, Origin};
use jiff::Timestamp;
use peers::player::{Player, answer};
use tokio::sync::watch;

const ITEMS: usize = 100_000;
const PAGE: usize = 1000;

/// A value of `/proc/self/status`, in MiB.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_items_are_read_a_page_at_a_time() {
    // 200 MB in all, of which little is mapped.
    let filler = "x".repeat(2000);
    let server = Player::start(move |asked, _| {
        let offset: usize = asked.path.split("offset=").nth(1).unwrap().parse().unwrap();
        let rows: Vec<String> = (offset..(offset + PAGE).min(ITEMS))
            .map(|id| format!(r#"{{"id": "vm-{id:06}", "name": "machine-{id}", "cpus": {}, "memory": 4096, "notes": "{filler}"}}"#, id % 16))
            .collect();
        answer(200, &[], &format!(r#"{{"count": {ITEMS}, "items": [{}]}}"#, rows.join(",")))
    });
    let yaml = format!(
        "http: {{url: '{}', list: {{path: vms, paging: {{offset: {{parameter: offset}}}}, total: .count}}}}
items: .items[]
timeout: 30m
map: {{class: '\"virtual-machine\"', key: .id, name: .name, attributes: {{cpus: .cpus, memory: '\"\\(.memory)Mi\"'}}}}",
        server.url()
    );
    let spec: DiscoverySourceSpec = serde_yaml::from_str(&yaml).unwrap();
    let declared = Declared { name: "large".into(), labels: Table::default(), spec, origin: Origin::default() };
    let reach = Reach::new("/nonexistent".into(), Arc::new(Access::default()));
    let (asked, _) = build(&Estate { sources: vec![declared], ..Estate::default() }, &reach, Timestamp::UNIX_EPOCH);
    let (_keep, stop) = watch::channel(false);
    let before = status("VmRSS");
    let begun = std::time::Instant::now();
    let answers = ask_all(asked, &Limits::default(), Timestamp::UNIX_EPOCH, &Silent, stop).await;
    let (peak, took) = (status("VmHWM"), begun.elapsed());
    assert_eq!((answers[0].error.as_deref(), answers[0].items.len()), (None, ITEMS));
    println!("{ITEMS} items, 200 MB: {} MiB more at the peak, observations included, in {:.1} s", peak - before, took.as_secs_f64());
    assert!(peak - before <= 150, "{} MiB", peak - before);
}
