//! Sources: files of facts with all that can be wrong with them, and asking many sources side by side.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::fmt::Write;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bowline::api::discovery_source::{FileFormat, FileSource as FileSpec, Mapping};
use bowline::api::{DiscoverySourceSpec, Text};
use bowline::discovery::file::{FileSource, Files, Folder};
use bowline::discovery::reach::Reach;
use bowline::discovery::run::{Asked, Limits, Progress, Silent, ask_all, build};
use bowline::discovery::tls::Direct;
use bowline::discovery::{Answer, Observation, Source};
use bowline::estate::{Declared, Estate, Origin};
use jiff::Timestamp;
use tokio::sync::watch;

/// One file, whatever its path.
struct Memory(Vec<u8>);

impl Files for Memory {
    fn open(&self, _: &str) -> Result<Box<dyn Read + Send>, String> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

fn spec(path: &str) -> DiscoverySourceSpec {
    let map = Mapping { class: Some("\"server\"".into()), key: Some(".id".into()), name: Some(".name".into()), ..Mapping::default() };
    DiscoverySourceSpec { file: Some(FileSpec { path: path.into(), format: None, delimiter: None }), map: Some(map), ..DiscoverySourceSpec::default() }
}

async fn observe(spec: &DiscoverySourceSpec, files: Arc<dyn Files>) -> Answer {
    FileSource::new("export".into(), spec.file.as_ref().unwrap(), spec, files).unwrap().observe(Timestamp::UNIX_EPOCH).await
}

async fn read(path: &str, content: impl AsRef<[u8]>) -> Answer {
    observe(&spec(path), Arc::new(Memory(content.as_ref().to_vec()))).await
}

async fn read_items(path: &str, items: &str, content: &str) -> Answer {
    observe(&DiscoverySourceSpec { items: Some(items.into()), ..spec(path) }, Arc::new(Memory(content.into()))).await
}

fn keys(answer: &Answer) -> Vec<&str> {
    answer.items.iter().map(|item| &*item.key).collect()
}

fn complete(answer: &Answer, expected: &[&str]) {
    assert_eq!((answer.complete, answer.error.as_deref()), (true, None));
    assert_eq!(keys(answer), expected);
}

fn incomplete(answer: &Answer, error: &str, expected: &[&str]) {
    assert_eq!((answer.complete, answer.error.as_deref()), (false, Some(error)));
    assert_eq!(keys(answer), expected);
}

// Whole files.

#[tokio::test]
async fn an_answer_says_from_where_and_when() {
    let answer = read("observed/a.json", r#"[{"id": "a"}]"#).await;
    assert_eq!((&*answer.source, &*answer.evidence, answer.at), ("export", "observed/a.json", Timestamp::UNIX_EPOCH));
}

#[tokio::test]
async fn the_items_of_a_json_file_are_the_values_of_its_list_or_the_document() {
    complete(&read("a.json", r#"[{"id": "a"}, {"id": "b"}]"#).await, &["a", "b"]);
    complete(&read("a.json", "\u{feff} [ {\"id\": 1} ]\n\n").await, &["1"]);
    complete(&read("a.json", r#"{"id": "a"}"#).await, &["a"]);
    complete(&read_items("a.json", ".", r#"{"id": "a"}"#).await, &["a"]);
}

#[tokio::test]
async fn items_may_stand_deeper_in_a_document() {
    let json = r#"{"count": 2, "data": {"results": 1}, "data": {"results": [{"id": "a"}, {"id": "b", "sub": [{"id": "c"}]}]}, "next": null}"#;
    complete(&read_items("a.json", ".data.results[]", json).await, &["a", "b"]);
    complete(&read_items("a.json", ".data.results[] | select(.id == \"b\")", json).await, &["b"]);
    complete(&read_items("a.json", ".data.results[].sub[]?", json).await, &["c"]);
    complete(&read_items("a.json", ".[]", r#"{"x": {"id": "a"}, "y": {"id": "b"}}"#).await, &["a", "b"]);
    incomplete(&read_items("a.json", ".results[]", json).await, "items: cannot take the values of null", &[]);
    incomplete(&read_items("a.json", ".count.x[]", json).await, "items: cannot look up `x` in a number", &[]);
}

#[tokio::test]
async fn a_line_is_a_document() {
    complete(&read("a.ndjson", "{\"id\": \"a\"}\r\n\n  \n{\"id\": \"b\"}").await, &["a", "b"]);
    complete(&read("a.jsonl", "\u{feff}{\"id\": \"a\"}\n[{\"id\": \"b\"}, {\"id\": \"c\"}]\n").await, &["a", "b", "c"]);
    complete(&read_items("a.ndjson", ".vms[]", "{\"vms\": [{\"id\": \"a\"}]}\n{\"vms\": []}\n").await, &["a"]);
}

#[tokio::test]
async fn a_row_is_a_map_of_texts() {
    complete(&read("a.csv", "id,name\n1,\"a, \"\"b\"\"\nc\"\r\n2,x\n").await, &["1", "2"]);
    let answer = read("a.csv", "\u{feff}id,name\n007,\"a, \"\"b\"\"\"\n").await;
    assert_eq!((&*answer.items[0].key, &*answer.items[0].name), ("007", "a, \"b\""));
    let semicolons = DiscoverySourceSpec { file: Some(FileSpec { path: "a.txt".into(), format: Some(FileFormat::Csv), delimiter: Some(';') }), ..spec("") };
    complete(&observe(&semicolons, Arc::new(Memory("id;name\na,b;c\n".into()))).await, &["a,b"]);
}

#[tokio::test]
async fn the_order_of_a_large_file_is_kept_over_blocks_and_threads() {
    let mut lines = String::new();
    for number in 0..60_000 {
        let _ = writeln!(lines, "{{\"id\": \"{number:06}\", \"filler\": \"{}\"}}", "x".repeat(150));
    }
    assert!(lines.len() > 8 << 20, "more than one block");
    let answer = read("a.ndjson", &lines).await;
    assert!(answer.complete && answer.items.len() == 60_000 && answer.items.is_sorted_by(|one, other| one.key < other.key));
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    assert_eq!(read("a.json", &array).await.items, answer.items);
    let rows: Vec<String> = (0..20_000).map(|number| format!("{number:06},n")).collect();
    let answer = read("a.csv", format!("id,name\n{}", rows.join("\n"))).await;
    assert!(answer.complete && answer.items.len() == 20_000 && answer.items.is_sorted_by(|one, other| one.key < other.key));
}

/// How long it takes is printed (`cargo test --release --test discovery -- --nocapture`), never asserted.
#[tokio::test]
async fn a_hundred_thousand_machines_are_read_and_mapped_completely() {
    let mut lines = String::new();
    for number in 0..100_000 {
        let _ = writeln!(
            lines,
            r#"{{"name": "vm-{number:07}", "uuid": "a6a3a450-6513-470e-a69e-{number:012}", "env": "prod", "owner": "team-{:02}", "cpus": 16, "memory_mib": 2048, "disk_gib": 80, "os": "windows", "os_version": "2022", "mac": "1d:6d:13:{:02x}:{:02x}:d6", "ips": ["10.0.{}.{}", "fd00::{number:x}"], "tags": ["pci", "backup", "db"], "cluster": "cluster-{:02}", "fqdn": "vm-{number:07}.example.com"}}"#,
            number % 40,
            number >> 8 & 0xff,
            number & 0xff,
            number >> 8 & 0xff,
            number & 0xff,
            number % 50,
        );
    }
    let table = |entries: &[(&str, &str)]| entries.iter().map(|(name, expression)| (*name, Text::from(*expression))).collect();
    let map = Mapping {
        class: Some("\"virtual-machine\"".into()),
        key: Some(".uuid".into()),
        name: Some(".name".into()),
        identifiers: table(&[("vsphere/instance-uuid", ".uuid"), ("dns/fqdn", ".fqdn")]),
        attributes: table(&[
            ("cpus", ".cpus"),
            ("memory", r#""\(.memory_mib)Mi""#),
            ("disk", r#""\(.disk_gib)Gi""#),
            ("os", "{name: .os, version: .os_version}"),
            ("macAddresses", "[.mac]"),
            ("ipAddresses", ".ips"),
            ("tags", ".tags"),
            ("cluster", ".cluster"),
        ]),
        ..Mapping::default()
    };
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    let by_jq = Mapping { owner: Some(".owner | ascii_upcase".into()), ..map.clone() };
    for (name, path, content, map) in
        [("lines", "a.ndjson", &lines, &map), ("one list", "a.json", &array, &map), ("one field by jq", "a.ndjson", &lines, &by_jq)]
    {
        let files = Arc::new(Memory(content.clone().into_bytes()));
        let start = std::time::Instant::now();
        let answer =
            observe(&DiscoverySourceSpec { map: Some(map.clone()), items: Some(if path == "a.json" { ".[]" } else { "." }.into()), ..spec(path) }, files).await;
        println!("{name}: {:?}", start.elapsed());
        assert!(answer.complete && answer.items.len() == 100_000, "{:?}", answer.error);
    }
}

// Incomplete files: a source whose answer is not complete never looks complete (nautobot-app-ssot#1108, cartography#379).

#[tokio::test]
async fn an_empty_file_is_not_an_empty_answer() {
    for path in ["a.json", "a.ndjson", "a.csv"] {
        for content in ["", "\n", "\u{feff}"] {
            incomplete(&read(path, content).await, "the file is empty", &[]);
        }
    }
    complete(&read("a.json", "[]").await, &[]);
    complete(&read("a.json", " [ \n ] ").await, &[]);
    complete(&read("a.csv", "id,name\n").await, &[]);
}

#[tokio::test]
async fn a_file_that_is_cut_short_says_so_and_keeps_what_came_before() {
    incomplete(&read("a.ndjson", "{\"id\": \"a\"}\n{\"id\": \"b").await, "line 2: the file is cut short here", &["a"]);
    incomplete(&read("a.json", "[{\"id\": \"a\"},\n {\"id\": \"b").await, "the file is cut short: the JSON document does not end, at line 2", &["a"]);
    incomplete(&read("a.json", "[{\"id\": \"a\"}").await, "the file is cut short: the JSON document does not end, at line 1", &["a"]);
    incomplete(&read("a.json", "[{\"id\": \"a\"},").await, "the file is cut short: the JSON document does not end, at line 1", &["a"]);
    incomplete(&read("a.json", "[").await, "the file is cut short: the JSON document does not end, at line 1", &[]);
    incomplete(&read("a.json", "{\"id\": \"a\"").await, "the file is cut short: the JSON document does not end, at line 1", &[]);
    incomplete(&read_items("a.json", ".r[]", "{\"r\": [{\"id\": \"a\"}]").await, "the file is cut short: the JSON document does not end, at line 1", &[]);
    incomplete(&read("a.csv", "id,name\n1,a\n2,\"b").await, "the file is cut short: a quoted value does not end", &["1", "2"]);
    incomplete(&read("a.csv", "id,name\n1,a\n2").await, "line 3: 1 values instead of 2", &["1"]);
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_named_and_the_others_stay() {
    let answer = read("a.ndjson", "{\"id\": \"a\"}\n{secret}\n\n{\"id\": \"b\"}\n{\"id\": \"c\"\n").await;
    incomplete(
        &answer,
        "line 2: not valid JSON (key must be a string, at column 2); line 5: not valid JSON (EOF while parsing an object, at column 10)",
        &["a", "b"],
    );
    incomplete(&read("a.csv", b"id,name\n1,a\n2,\xff\n3,c\n").await, "line 3: not UTF-8", &["1", "3"]);
    incomplete(&read("a.csv", "id,name\n1,a,x\n2,b\n").await, "line 2: 3 values instead of 2", &["2"]);
    incomplete(&read("a.csv", "id,id\n1,a\n").await, "two columns are named `id`; give each a name of its own", &[]);
    incomplete(&read("a.json", "[{\"id\": \"a\"} {\"id\": \"b\"}]").await, "not valid JSON (something else is expected at line 1)", &["a"]);
    incomplete(&read("a.json", "[{\"id\": \"a\"}]\n]").await, "not valid JSON (something else is expected at line 2)", &["a"]);
    incomplete(&read("a.json", "[{\"id\": \"a\"},]").await, "not valid JSON (expected value, at line 1)", &["a"]);
}

#[tokio::test]
async fn items_that_cannot_be_mapped_are_told_three_and_counted() {
    let items: Vec<String> = (1..=10).map(|number| if number % 2 == 0 { "{}".to_owned() } else { format!("{{\"id\": {number}}}") }).collect();
    let fault = "it has neither a key nor a name";
    let told = format!("item 2: {fault}; item 4: {fault}; item 6: {fault}; and 2 more");
    incomplete(&read("a.json", format!("[{}]", items.join(","))).await, &told, &["1", "3", "5", "7", "9"]);
    incomplete(&read("a.ndjson", "[{\"id\": 1}, {}]").await, &format!("line 1, item 2: {fault}"), &["1"]);
}

/// 403 in one region deletes valid nodes (cartography#2658): what a tool wrote instead of facts is no empty answer.
#[tokio::test]
async fn an_error_body_instead_of_facts_is_not_an_empty_answer() {
    for body in [r#"{"message": "403 Forbidden"}"#, r#"{"error": {"code": 429}}"#, "\"unauthorized\"", "null"] {
        let answer = read("a.json", body).await;
        assert!(!answer.complete && answer.items.is_empty(), "{body}");
        let answer = read_items("a.json", ".results[]", body).await;
        assert!(!answer.complete && answer.items.is_empty(), "{body}");
    }
    let answer = read("a.json", "<html>502 Bad Gateway</html>").await;
    incomplete(&answer, "not valid JSON (expected value, at line 1)", &[]);
}

/// A file without an end.
struct Endless;

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let lines = b"{}\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
        let count = buffer.len().min(lines.len());
        buffer[..count].copy_from_slice(&lines[..count]);
        Ok(count)
    }
}

/// A file whose reading fails after its first line.
struct Failing(bool);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if std::mem::replace(&mut self.0, true) {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        buffer[..12].copy_from_slice(b"{\"id\": \"a\"}\n");
        Ok(12)
    }
}

/// Opens one of the two.
struct Opened;

impl Files for Opened {
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send>, String> {
        Ok(if path.starts_with("endless") { Box::new(Endless) } else { Box::new(Failing(false)) })
    }
}

#[tokio::test]
async fn a_deep_or_huge_document_is_an_error_and_no_crash() {
    let deep = "[".repeat(1_000_000);
    assert!(!read("a.json", &deep).await.complete);
    assert!(!read("a.ndjson", &deep).await.complete);
    let closed = format!("[{}1{}]", "[".repeat(500), "]".repeat(500));
    assert_eq!(read("a.json", &closed).await.error.as_deref(), Some("item 1: not valid JSON (recursion limit exceeded, at column 128)"));
    let answer = observe(&spec("failing.ndjson"), Arc::new(Opened)).await;
    assert_eq!((answer.complete, answer.error.as_deref()), (false, Some("the file could not be read to its end: connection reset")));
    // The endless file is given up by the time-out; what reads it notices.
    let source = FileSource::new("export".into(), spec("endless.ndjson").file.as_ref().unwrap(), &spec("endless.ndjson"), Arc::new(Opened)).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(50), source.observe(Timestamp::UNIX_EPOCH)).await.is_err());
}

// What is read, and what is not.

#[tokio::test]
async fn nothing_outside_the_root_is_read() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("estate");
    std::fs::create_dir_all(root.join("observed")).unwrap();
    std::fs::write(outer.path().join("secret.json"), r#"[{"id": "secret"}]"#).unwrap();
    std::fs::write(root.join("observed/a.json"), r#"[{"id": "a"}]"#).unwrap();
    let files: Arc<dyn Files> = Arc::new(Folder::new(&root));
    complete(&observe(&spec("observed/a.json"), files.clone()).await, &["a"]);
    let absolute = outer.path().join("secret.json");
    for path in ["../secret.json", "observed/../../secret.json", absolute.to_str().unwrap(), "observed/missing.json", "observed.json", "a\0.json"] {
        let answer = observe(&spec(path), files.clone()).await;
        assert!(!answer.complete && answer.items.is_empty(), "{path}");
    }
    let folder = DiscoverySourceSpec { file: Some(FileSpec { path: "observed".into(), format: Some(FileFormat::Json), delimiter: None }), ..spec("") };
    incomplete(&observe(&folder, files.clone()).await, "`observed` is not a file", &[]);
    incomplete(&observe(&spec("x.json"), files).await, "the file `x.json` does not exist below the estate's root", &[]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_out_of_the_root_is_not_followed_and_a_device_is_not_opened() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("estate");
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(outer.path().join("secret.json"), r#"[{"id": "secret"}]"#).unwrap();
    std::fs::write(root.join("a.json"), r#"[{"id": "a"}]"#).unwrap();
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
    link(&outer.path().join("secret.json"), "out.json");
    link(Path::new("/dev/zero"), "zero.json");
    link(outer.path(), "folder");
    link(Path::new("a.json"), "inside.json");
    let files: Arc<dyn Files> = Arc::new(Folder::new(&root));
    for path in ["out.json", "zero.json", "folder/secret.json"] {
        incomplete(&observe(&spec(path), files.clone()).await, &format!("`{path}` leads out of the estate's root through a symbolic link"), &[]);
    }
    complete(&observe(&spec("inside.json"), files).await, &["a"]);
}

#[test]
fn a_source_that_cannot_be_read_at_all_says_why() {
    let files: Arc<dyn Files> = Arc::new(Memory(Vec::new()));
    let refused = |spec: &DiscoverySourceSpec| FileSource::new("x".into(), spec.file.as_ref().unwrap(), spec, files.clone()).err().unwrap();
    assert!(refused(&spec("facts.xml")).contains("cannot be told from its ending"));
    assert!(refused(&DiscoverySourceSpec { items: Some(".a |".into()), ..spec("a.json") }).starts_with("items: a term is expected here"));
    let wide = FileSpec { path: "a.csv".into(), format: None, delimiter: Some('→') };
    assert!(refused(&DiscoverySourceSpec { file: Some(wide), ..spec("") }).contains("one ASCII character"));
}

// Asking many.

type Act = fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

struct Actor {
    name: Text,
    act: Act,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[async_trait]
impl Source for Actor {
    fn name(&self) -> &Text {
        &self.name
    }
    async fn observe(&self, now: Timestamp) -> Answer {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        (self.act)().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        Answer { source: "something else".into(), at: now, complete: true, items: vec![Observation::default()], ..Answer::default() }
    }
}

fn soon() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(tokio::time::sleep(Duration::from_millis(10)))
}

fn actors(acts: &[(&str, Act)]) -> (Vec<Asked>, Arc<AtomicUsize>) {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let asked = acts.iter().map(|(name, act)| {
        let source = Actor { name: (*name).into(), act: *act, running: running.clone(), most: most.clone() };
        Asked { source: Arc::new(source), timeout: Duration::from_secs(1) }
    });
    (asked.collect(), most)
}

fn never() -> watch::Receiver<bool> {
    watch::channel(false).1
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_sorted_and_carry_the_declared_name() {
    let (asked, _) = actors(&[("c", soon), ("a", || Box::pin(async {})), ("b", soon)]);
    let answers = ask_all(asked, &Limits::default(), Timestamp::UNIX_EPOCH, &Silent, never()).await;
    assert_eq!(answers.iter().map(|answer| &*answer.source).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(answers.iter().all(|answer| answer.complete));
    assert!(ask_all(Vec::new(), &Limits::default(), Timestamp::UNIX_EPOCH, &Silent, never()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_so_many_are_asked_at_once() {
    let names: Vec<String> = (0..20).map(|number| format!("source-{number:02}")).collect();
    let (asked, most) = actors(&names.iter().map(|name| (&**name, soon as Act)).collect::<Vec<_>>());
    let answers = ask_all(asked, &Limits { at_once: 3 }, Timestamp::UNIX_EPOCH, &Silent, never()).await;
    assert_eq!((answers.len(), most.load(Ordering::SeqCst)), (20, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_hangs_or_fails_is_an_incomplete_answer_and_the_others_stay() {
    let (asked, _) = actors(&[
        ("good", soon),
        ("hangs", || Box::pin(std::future::pending())),
        ("panics", || Box::pin(async { panic!("with a secret: hunter2") })),
        // It blocks its thread, so that no time-out inside its own task could fire.
        ("blocks", || {
            Box::pin(async {
                std::thread::sleep(Duration::from_secs(3));
            })
        }),
    ]);
    let start = std::time::Instant::now();
    let answers = ask_all(asked, &Limits::default(), Timestamp::UNIX_EPOCH, &Silent, never()).await;
    assert!(start.elapsed() < Duration::from_millis(2500));
    let told: Vec<_> = answers.iter().map(|answer| (&*answer.source, answer.complete, answer.error.as_deref().unwrap_or_default())).collect();
    assert_eq!(
        told,
        [
            ("blocks", false, "no answer within 1s"),
            ("good", true, ""),
            ("hangs", false, "no answer within 1s"),
            ("panics", false, "asking it failed because of a defect in Bowline; please report it"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_for_everything_that_is_open() {
    let (asked, _) = actors(&[("a", || Box::pin(std::future::pending())), ("b", || Box::pin(std::future::pending()))]);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        stop.send(true).unwrap();
    });
    let answers = ask_all(asked, &Limits { at_once: 1 }, Timestamp::UNIX_EPOCH, &Silent, stopped).await;
    assert!(answers.len() == 2 && answers.iter().all(|answer| !answer.complete && answer.error.as_deref() == Some("Bowline was stopped before it answered")));
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_of_every_source_once() {
    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);
    impl Progress for Told {
        fn started(&self, source: &Text) {
            self.0.lock().unwrap().push(format!("+{source}"));
        }
        fn finished(&self, answer: &Answer) {
            self.0.lock().unwrap().push(format!("-{}", answer.source));
        }
    }
    let told = Told::default();
    let (asked, _) = actors(&[("a", soon), ("b", soon)]);
    ask_all(asked, &Limits { at_once: 1 }, Timestamp::UNIX_EPOCH, &told, never()).await;
    assert_eq!(*told.0.lock().unwrap(), ["+a", "-a", "+b", "-b"]);
}

#[test]
fn sources_are_built_from_an_estate_and_those_that_cannot_be_say_why() {
    let declared =
        |name: &str, spec: DiscoverySourceSpec| Declared { name: name.into(), labels: bowline::api::Table::default(), spec, origin: Origin::default() };
    let estate = Estate {
        sources: vec![
            declared("broken", spec("facts.xml")),
            declared("none", DiscoverySourceSpec::default()),
            declared("slow", DiscoverySourceSpec { timeout: Some("5m".parse().unwrap()), ..spec("a.json") }),
            declared("suspended", DiscoverySourceSpec { suspend: true, ..spec("a.json") }),
            declared("usual", spec("a.json")),
        ],
        ..Estate::default()
    };
    let files: Arc<dyn Files> = Arc::new(Memory(Vec::new()));
    let (asked, refused) = build(
        &estate,
        &Reach {
            files,
            root: std::env::temp_dir(),
            connect: Arc::new(Direct),
            access: Arc::default(),
            credentials: Arc::default(),
            kept: None,
            answers: None,
            pushed: None,
        },
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(asked.iter().map(|asked| (&**asked.source.name(), asked.timeout.as_secs())).collect::<Vec<_>>(), [("slow", 300), ("usual", 60)]);
    assert_eq!(
        refused.iter().map(|answer| (&*answer.source, answer.complete, answer.error.is_some())).collect::<Vec<_>>(),
        [("broken", false, true), ("none", false, true)]
    );
}
