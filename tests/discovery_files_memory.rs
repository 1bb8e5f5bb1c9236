//! Many files in flat memory. Alone in its process, so that nothing else counts.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

use std::io::{Cursor, Read};
use std::sync::Arc;

use bowline::api::DiscoverySourceSpec;
use bowline::discovery::Source;
use bowline::discovery::file::{FileSource, Files};
use bowline::discovery::patterns::Named;
use jiff::Timestamp;

const HOSTS: usize = 10_000;
/// Of these, each has 20 MB.
const LARGE: [usize; 2] = [1234, 8765];

/// 400 MB of facts, made as they are read.
struct Made;

impl Files for Made {
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send>, String> {
        let number: usize = path.trim_start_matches("facts/").trim_end_matches(".json").parse().unwrap();
        let size = if LARGE.contains(&number) { 20_000_000 } else { 36_000 };
        let filler = vec!["\"a fact that nobody asks for\""; size / 30].join(", ");
        Ok(Box::new(Cursor::new(format!(r#"[{{"id": "{number:05}", "cpus": {}, "more": [{filler}]}}]"#, number % 16).into_bytes())))
    }

    fn matching(&self, _: &str) -> Result<Named, String> {
        Ok(Named { files: (0..HOSTS).map(|number| format!("facts/{number:05}.json")).collect(), faults: Vec::new() })
    }
}

/// A value of `/proc/self/status`, in MiB.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_files_are_read_a_block_at_a_time() {
    let yaml = r#"{file: {path: "facts/*.json"}, map: {class: '"server"', key: .id, name: .id, attributes: {cpus: .cpus}}}"#;
    let spec: DiscoverySourceSpec = serde_yaml::from_str(yaml).unwrap();
    let source = FileSource::new("facts".into(), spec.file.as_ref().unwrap(), &spec, Arc::new(Made)).unwrap();
    let before = status("VmRSS");
    let begun = std::time::Instant::now();
    let answer = source.observe(Timestamp::UNIX_EPOCH).await;
    let (peak, took) = (status("VmHWM"), begun.elapsed());
    assert_eq!((answer.error.as_deref(), answer.items.len()), (None, HOSTS));
    assert!(answer.items.is_sorted_by(|one, other| one.key < other.key));
    println!("{HOSTS} files, 400 MB: {} MiB more at the peak, observations included, in {:.1} s", peak - before, took.as_secs_f64());
    // One large document stands in memory with its tree.
    assert!(peak - before <= 150, "{} MiB", peak - before);
}
