//! The listener over real sockets: who may push what, what is refused, and what that costs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowline::controller::listen::{Bounds, serve};
use bowline::controller::push::{Desk, router};
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::discovery::push::batch::{LARGEST, MOST_LINES};
use bowline::discovery::reach::Reach;
use bowline::discovery::run::build;
use bowline::estate::{Estate, SourceFile, load};
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;

/// A listener for an estate with the sources `web` and `other`.
struct Listener {
    address: String,
    folder: TempDir,
    desk: Arc<Desk>,
    _runtime: tokio::runtime::Runtime,
}

fn estate(sources: &[String]) -> Estate {
    let own = "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: harbour}\nspec: {}\n".to_owned();
    let text = [vec![own], sources.to_vec()].concat().join("---\n");
    let estate = load::load(vec![SourceFile { path: "estate.yaml".into(), text: text.into() }], None, Vec::new());
    assert!(estate.diagnostics.is_empty(), "{:?}", estate.diagnostics);
    estate
}

fn credentials() -> Credentials {
    let token = |name: &str, token: &str| Credential { name: name.into(), hosts: Vec::new(), login: Login::Token { user: None, token: Secret::new(token) } };
    Credentials::of([token("web-agents", TOKEN), token("others", OTHER), token("short", "short")])
}

fn two(web: &str) -> Vec<String> {
    vec![source("other", "credentials: others", ""), source("web", &format!("credentials: web-agents{web}"), "")]
}

impl Listener {
    fn start() -> Self {
        Self::with(&two(""), Duration::from_secs(20))
    }

    fn with(sources: &[String], time_for_body: Duration) -> Self {
        let listener = Self::early(time_for_body);
        assert_eq!(listener.open(sources), Vec::<String>::new());
        listener
    }

    /// One that was told of no estate yet.
    fn early(time_for_body: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let desk = Arc::new(Desk::new().with_time_for_body(time_for_body));
        let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        runtime.spawn(serve(socket, router(desk.clone()), Bounds::default()));
        Self { address, folder: tempfile::tempdir().unwrap(), desk, _runtime: runtime }
    }

    fn open(&self, sources: &[String]) -> Vec<String> {
        self.desk.open(&estate(sources), &credentials(), &self.folder.path().join("pushed"))
    }

    fn file(&self, source: &str) -> PathBuf {
        self.folder.path().join(format!("pushed/{source}.ndjson"))
    }

    fn send(&self, query: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
        raw(&self.address, &request(query, headers, body))
    }

    fn push(&self, lines: &[Value]) -> Answered {
        push(&self.address, "?source=web", lines)
    }
}

#[test]
fn the_answer_counts_what_was_taken_unchanged_and_older() {
    let listener = Listener::start();
    assert_eq!(listener.push(&[server("a", THEN, 4), server("b", THEN, 4)]).counts(), [2, 0, 0, 0, 2]);
    assert_eq!(listener.push(&[server("a", THEN, 4), server("b", "2026-01-05T07:00:00Z", 2)]).counts(), [0, 1, 1, 0, 2], "the same, and an older one");
    assert_eq!(listener.push(&[server("a", THEN, 9)]).counts(), [0, 1, 0, 0, 2], "an equal instant changes nothing");
    assert_eq!(listener.push(&[server("a", "2026-01-05T09:00:00Z", 8), server("c", THEN, 1)]).counts(), [2, 0, 0, 0, 3]);
    let kept = std::fs::read_to_string(listener.file("web")).unwrap();
    assert!(kept.contains("\"cpus\":8") && !kept.contains("\"cpus\":9") && !kept.contains("\"cpus\":2"), "{kept}");
}

#[test]
fn a_whole_batch_replaces_what_was_there_before_in_one_step() {
    let listener = Listener::start();
    listener.push(&[server("a", THEN, 4), server("b", THEN, 4)]).is(200);
    let whole = push(&listener.address, "?source=web&complete=true&at=2026-01-05T09:00:00Z", &[server("b", THEN, 4), server("c", THEN, 4)]);
    assert_eq!(whole.counts(), [1, 1, 0, 1, 2]);
    assert_eq!(listener.push(&[server("a", THEN, 4)]).counts(), [0, 0, 1, 0, 2], "what comes late is older than the whole");
    let again = push(&listener.address, "?source=web&complete=true&at=2026-01-05T09:00:00Z", &[server("b", THEN, 4), server("c", THEN, 4)]);
    assert_eq!(again.counts(), [0, 2, 0, 0, 2]);
}

#[test]
fn a_wrong_token_an_unknown_source_and_another_estate_look_the_same() {
    let listener = Listener::start();
    let (wrong, others) = (format!("Bearer {TOKEN}x"), format!("Bearer {OTHER}"));
    let basic = format!("Basic {TOKEN}");
    let body = batch(&[server("a", THEN, 4)]);
    let mut refusals = Vec::new();
    for (query, authorization) in [
        ("?source=web", wrong.as_str()),
        ("?source=web", others.as_str()),
        ("?source=web", ""),
        ("?source=web", "Bearer "),
        ("?source=web", basic.as_str()),
        ("?source=nobody", wrong.as_str()),
        ("?source=other", format!("Bearer {TOKEN}").leak()),
        ("?source=nobody", format!("Bearer {TOKEN}").leak()),
        ("?source=web&estate=another", format!("Bearer {TOKEN}").leak()),
        ("?source=web/../other", others.as_str()),
    ] {
        let answered = listener.send(query, &[("Authorization", authorization)], body.as_bytes()).is(401);
        let head: Vec<&str> = answered.head.lines().filter(|line| !line.starts_with("date")).collect();
        refusals.push((head.join("\n"), answered.body.to_string()));
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:#?}");
    assert!(refusals[0].0.contains("www-authenticate: Bearer") && !refusals[0].1.contains("web"));
    assert!(!listener.file("web").exists());
    listener.send("?source=web&estate=harbour", &[], body.as_bytes()).is(200);
}

#[test]
fn a_stranger_is_refused_without_reading_a_body_and_uses_up_nothing() {
    let listener = Listener::with(&two(", perMinute: 1"), Duration::from_secs(20));
    let wrong = [("Authorization", "Bearer nothing"), ("Content-Length", "1000000000")];
    let begun = Instant::now();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(&listener.address).unwrap();
        stream.write_all(&request("?source=web", &wrong, b"{}")).unwrap();
        assert_eq!(answer(&mut stream).status, 401);
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    listener.push(&[server("a", THEN, 4)]).is(200);
}

#[test]
fn until_the_estate_was_read_everybody_is_asked_to_come_again() {
    let listener = Listener::early(Duration::from_secs(20));
    let answered = listener.push(&[server("a", THEN, 4)]).is(503);
    assert!(answered.head.contains("retry-after: 5"), "{answered:?}");
    listener.open(&two(""));
    listener.push(&[server("a", THEN, 4)]).is(200);
}

#[test]
fn a_batch_with_a_bad_line_is_refused_as_a_whole_with_the_lines() {
    let listener = Listener::start();
    let canary = "secret-canary-in-a-value";
    let bad = format!("{}\n{{\"key\": \"b\", \"class\": \"server\", \"attributes\": \"{canary}\"}}\nnot json {canary}\n", server("a", THEN, 4));
    let answered = listener.send("?source=web", &[], bad.as_bytes()).is(400);
    assert_eq!(answered.error(), "2 lines are wrong, so nothing of the batch was taken");
    assert_eq!((&answered.body["lines"][0]["line"], &answered.body["lines"][1]["line"]), (&json!(2), &json!(3)));
    assert!(!answered.body.to_string().contains(canary), "{answered:?}");
    assert!(!listener.file("web").exists());
    for (lines, why) in [
        (json!({"key": "a", "class": "server", "atributes": {}}), "`atributes`"),
        (json!({"key": "a"}), "no class"),
        (json!({"class": "server"}), "neither a key nor a name"),
        (json!({"key": "a", "class": "server", "seen": "yesterday"}), "seen"),
        (json!({"key": "a", "class": "server", "relations": [{"to": "b"}]}), "`type`"),
        (json!([1]), "no JSON object"),
    ] {
        let answered = listener.push(&[lines]).is(400);
        assert!(answered.body["lines"][0]["error"].as_str().unwrap().contains(why), "{answered:?}");
    }
    assert!(listener.send("?source=web", &[], b" \n\n").is(400).error().contains("empty"));
    assert!(listener.send("?source=web", &[], "{}\n".repeat(MOST_LINES + 1).as_bytes()).is(400).error().contains("20000 lines"));
}

#[test]
fn what_was_seen_in_the_future_is_refused_beyond_five_minutes() {
    let listener = Listener::start();
    let after = |seconds: i64| (Timestamp::now() + jiff::SignedDuration::from_secs(seconds)).to_string();
    listener.push(&[server("a", &after(240), 4)]).is(200);
    let answered = listener.push(&[server("b", &after(360), 4)]).is(400);
    assert!(answered.body["lines"][0]["error"].as_str().unwrap().contains("in the future"), "{answered:?}");
    let query = format!("?source=web&complete=true&at={}", after(360));
    assert!(push(&listener.address, &query, &[server("b", THEN, 4)]).is(400).error().contains("in the future"));
}

#[test]
fn an_address_with_something_else_in_it_is_refused() {
    let listener = Listener::start();
    for query in ["", "?source=web&complet=true", "?source=web&source=web", "?source=web&complete=1", "?source=web&at=2026-01-05T08:00:00Z"] {
        listener.send(query, &[], batch(&[server("a", THEN, 4)]).as_bytes()).is(400);
    }
    let get = raw(&listener.address, format!("GET /v1/observations?source=web HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").as_bytes());
    assert_eq!(get.status, 405);
}

#[test]
fn only_lines_of_json_that_are_not_compressed_are_taken() {
    let listener = Listener::start();
    let body = batch(&[server("a", THEN, 4)]);
    for (name, value) in [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Type", ""), ("Content-Encoding", "gzip")] {
        assert!(listener.send("?source=web", &[(name, value)], body.as_bytes()).is(415).error().contains("application/x-ndjson"));
    }
    listener.send("?source=web", &[("Content-Type", "application/x-ndjson; charset=utf-8")], body.as_bytes()).is(200);
}

#[test]
fn a_batch_over_the_limit_is_refused_and_the_largest_is_taken() {
    let listener = Listener::start();
    let length = (LARGEST + 1).to_string();
    let mut stream = TcpStream::connect(&listener.address).unwrap();
    stream.write_all(&request("?source=web", &[("Content-Length", &length)], b"")).unwrap();
    assert_eq!(answer(&mut stream).status, 413, "without a byte of the body");

    // One that does not say its length is stopped while it is read: it could go on for ever.
    let mut stream = TcpStream::connect(&listener.address).unwrap();
    let head = format!("POST /v1/observations?source=web HTTP/1.1\r\nHost: b\r\nContent-Type: application/x-ndjson\r\nAuthorization: Bearer {TOKEN}\r\n");
    stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let sent = (0..4 * LARGEST / 0x10000).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 4 * LARGEST / 0x10000, "the server stops reading");

    let filler = "x".repeat(500_000);
    let line =
        |number: usize| format!("{{\"key\": \"k{number:05}\", \"class\": \"server\", \"attributes\": {{\"filler\": \"{filler}\"}}, \"seen\": \"{THEN}\"}}\n");
    let body: String = (0..LARGEST / line(0).len()).map(line).collect();
    let count = body.lines().count() as u64;
    assert!(body.len() > LARGEST - 600_000 && body.len() <= LARGEST);
    assert_eq!(listener.send("?source=web", &[], body.as_bytes()).counts(), [count, 0, 0, 0, count]);
}

#[test]
fn a_source_keeps_so_much_and_no_more() {
    let listener = Listener::start();
    let filler = "x".repeat(900_000);
    let line = |number: usize| json!({"key": format!("k{number}"), "class": "server", "attributes": {"filler": filler}, "seen": THEN});
    let portion = |from: usize| (from..from + 15).map(line).collect::<Vec<_>>();
    for from in [0, 15, 30, 45] {
        listener.push(&portion(from)).is(200);
    }
    let refused = listener.push(&portion(60)).is(413);
    assert!(refused.error().contains("at most") && refused.error().contains("nothing of the batch was taken"), "{refused:?}");
    assert_eq!(listener.push(&[server("k0", "2026-01-05T09:00:00Z", 1)]).counts(), [1, 0, 0, 0, 60], "what is smaller than what it replaces fits");
}

#[test]
fn a_slow_batch_is_given_up() {
    let listener = Listener::with(&two(""), Duration::from_millis(300));
    let body = batch(&[server("a", THEN, 4)]);
    let whole = request("?source=web", &[], body.as_bytes());
    let mut stream = TcpStream::connect(&listener.address).unwrap();
    stream.write_all(&whole[..whole.len() - 1]).unwrap();
    let begun = Instant::now();
    assert_eq!(answer(&mut stream).status, 408);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(!listener.file("web").exists());
}

#[test]
fn a_batch_that_ends_early_is_not_taken() {
    let listener = Listener::start();
    let whole = request("?source=web", &[], batch(&[server("a", THEN, 4), server("b", THEN, 4)]).as_bytes());
    let mut stream = TcpStream::connect(&listener.address).unwrap();
    stream.write_all(&whole[..whole.len() - 200]).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let status = answer(&mut stream).status;
    assert!(status == 400 || status == 0, "{status}");
    assert!(!listener.file("web").exists());
}

#[test]
fn more_batches_than_the_source_takes_in_a_minute_are_told_when_to_come_again() {
    let listener = Listener::with(&two(", perMinute: 2"), Duration::from_secs(20));
    listener.push(&[server("a", THEN, 4)]).is(200);
    listener.push(&[server("b", THEN, 4)]).is(200);
    let answered = listener.push(&[server("c", THEN, 4)]).is(429);
    let wait: u64 = answered.head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap().parse().unwrap();
    assert!((20..=31).contains(&wait), "{wait}");
    let other = request("?source=other", &[("Authorization", format!("Bearer {OTHER}").leak())], batch(&[server("a", THEN, 4)]).as_bytes());
    raw(&listener.address, &other).is(200);
    // Reading the estate anew gives nobody a fresh minute.
    listener.open(&two(", perMinute: 2"));
    listener.push(&[server("c", THEN, 4)]).is(429);
}

#[test]
fn many_agents_at_once_lose_nothing() {
    let listener = Listener::start();
    let pushing: Vec<_> = (0..100)
        .map(|number| {
            let address = listener.address.clone();
            std::thread::spawn(move || push(&address, "?source=web", &[server(&format!("s{number}"), THEN, 4)]).counts()[0])
        })
        .collect();
    assert_eq!(pushing.into_iter().map(|pushing| pushing.join().unwrap()).sum::<u64>(), 100);
    assert_eq!(std::fs::read_to_string(listener.file("web")).unwrap().lines().count(), 101);
}

#[test]
fn a_source_whose_token_is_missing_or_short_takes_nothing_and_says_so() {
    let listener = Listener::early(Duration::from_secs(20));
    let problems =
        listener.open(&[source("a", "credentials: nobody", ""), source("b", "credentials: short", ""), source("web", "credentials: web-agents", "")]);
    assert!(problems.len() == 2 && problems[0].contains("`nobody`") && problems[1].contains("shorter than 16 bytes"), "{problems:?}");
    listener.send("?source=b", &[("Authorization", "Bearer short")], b"{}").is(401);
    listener.push(&[server("a", THEN, 4)]).is(200);
}

#[test]
fn a_source_that_is_gone_takes_nothing_and_one_whose_document_is_broken_for_now_does() {
    let listener = Listener::start();
    let text = format!("{}---\n{}", two("")[0], source("web", "credentials: web-agents, perMinute: often", ""));
    let broken = || load::load(vec![SourceFile { path: "estate.yaml".into(), text: text.as_str().into() }], None, Vec::new());
    assert!(!broken().diagnostics.is_empty());
    let folder = listener.folder.path().join("pushed");
    listener.desk.open(&Estate { name: "harbour".into(), ..broken() }, &credentials(), &folder);
    listener.push(&[server("a", THEN, 4)]).is(200);
    listener.desk.open(&Estate { name: "harbour".into(), ..broken() }, &Credentials::default(), &folder);
    listener.push(&[server("b", THEN, 4)]).is(401);
    listener.open(&two(""));
    listener.push(&[server("b", THEN, 4)]).is(200);
    listener.open(&[two("")[0].clone()]);
    listener.push(&[server("c", THEN, 4)]).is(401);
}

/// Replicas share their work, and a file is on one of them.
#[tokio::test]
async fn where_nothing_can_be_pushed_the_answer_is_incomplete_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let reach = Reach::new(folder.path().to_owned(), Arc::default());
    let (asked, refused) = build(&estate(&two("")), &reach, Timestamp::UNIX_EPOCH);
    assert!(asked.is_empty());
    assert_eq!(refused.len(), 2);
    assert!(!refused[0].complete && refused[0].error.as_deref().unwrap().contains("nothing can be pushed in a cluster"), "{refused:?}");
}
