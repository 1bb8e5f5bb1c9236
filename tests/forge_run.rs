//! `bowline run` end to end: the program itself, on a copy of the example, with signals, faults and webhooks.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod support;

use std::time::{Duration, Instant};

use ring::hmac;
use support::running::{Running, exchange, until};
use support::{AT, Place};

const SECRET: &str = "a secret of more than sixteen bytes";

/// The program at this instant, with these arguments besides.
fn start(place: &Place, arguments: &[&str]) -> Running {
    let arguments = [&["run", ".", "--at", AT], arguments].concat();
    Running::start(place.command(&arguments).env("HOOK_SECRET", SECRET))
}

fn branches(place: &Place) -> Vec<String> {
    place.git(&["for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads/bowline"]).lines().map(str::to_owned).collect()
}

/// The example with an interval of its own.
fn harbour(interval: &str) -> Place {
    let place = Place::harbour();
    let estate = place.read("bowline.yaml").lines().filter(|line| !line.trim_start().starts_with("interval:")).collect::<Vec<_>>().join("\n");
    place.write("bowline.yaml", &(estate.replacen("spec:\n", &format!("spec:\n  interval: {interval}\n"), 1) + "\n"));
    assert!(place.read("bowline.yaml").contains(interval));
    place.commit_all("Another interval");
    place
}

/// The program with a listener and its secret, which no pass but the first and those asked for would make.
fn listening(place: &Place) -> Running {
    place.write("../credentials.yaml", "- {name: hook, token: {env: HOOK_SECRET}, hosts: [localhost]}\n");
    start(place, &["--listen", "127.0.0.1:0", "--webhook-secret", "hook", "--credentials", "../credentials.yaml"])
}

fn get(address: &str, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

fn push(address: &str, secret: &str, number: u32) -> String {
    let body = format!(r#"{{"ref": "refs/heads/main", "number": {number}, "repository": {{"full_name": "ops/harbour"}}}}"#);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let hex = tag.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    exchange(
        address,
        &format!(
            "POST /webhooks/gitea HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX-Gitea-Event: push\r\nX-Gitea-Delivery: {number}\r\nX-Gitea-Signature: {hex}\r\n\r\n{body}",
            body.len()
        ),
    )
}

#[test]
fn the_first_pass_opens_requests_and_later_ones_do_nothing_and_say_nothing() {
    let place = harbour("1s");
    let mut running = start(&place, &[]);
    let said = running.says("opened");
    let opened = branches(&place);
    assert!(!opened.is_empty());
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(running.stderr(), said, "later passes say nothing");
    assert_eq!(said.lines().count(), 1, "one line a pass: {said}");
    assert_eq!(branches(&place), opened);
    assert_eq!(running.stdout(), "");
    let (code, took) = running.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(running.stderr(), said, "nor is its end worth a word");
}

#[test]
fn what_changes_is_seen_at_the_next_interval() {
    let place = harbour("1s");
    let running = start(&place, &["--output", "json"]);
    until(|| running.stdout().contains("\"Reconciliation\"").then_some(())).expect("a line of JSON");
    let facts = place.read("observed/vcenter.json").replace("\"value\": \"13\"", "\"value\": \"14\"");
    place.write("observed/vcenter.json", &facts);
    place.commit_all("Another version");
    let lines = until(|| (running.stdout().lines().count() >= 2).then(|| running.stdout())).expect("a second line");
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("each line is JSON of its own");
        assert!(value["done"].as_array().is_some_and(|done| !done.is_empty()), "{value}");
    }
    assert_eq!(running.stderr(), "");
}

#[test]
fn a_signal_in_the_middle_of_the_first_pass_leaves_nothing_half_done() {
    let whole = harbour("1h");
    whole.bowline(&["reconcile", ".", "--at", AT]).ends_with(0);
    for delay in [0, 30, 80, 150, 300] {
        let place = harbour("1h");
        let mut running = start(&place, &[]);
        std::thread::sleep(Duration::from_millis(delay));
        let (code, took) = running.terminate();
        // Before the program has asked for signals, the system ends it.
        assert!(code == Some(0) || (code.is_none() && delay < 100), "{code:?} after {delay} ms: {}", running.stderr());
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert!(!running.stderr().contains("failed"), "{}", running.stderr());
        place.bowline(&["reconcile", ".", "--at", AT]).ends_with(0);
        let names = |place: &Place| branches(place).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&place), names(&whole), "after {delay} ms");
    }
}

#[test]
fn a_broken_estate_does_not_end_it_and_its_mending_is_picked_up() {
    let place = harbour("1s");
    let good = place.read("bowline.yaml");
    place.write("bowline.yaml", "kind: Estate\napiVersion: bowline.dev/v1alpha1\nspec: [\n");
    place.commit_all("Broken");
    // Its interval is not known either, so a webhook says that something has changed.
    let mut running = listening(&place);
    running.says("the pass failed");
    assert!(branches(&place).is_empty(), "nothing is proposed under limits that nobody has set");
    let address = running.address_after("Listening for webhooks on http://");
    assert!(get(&address, "/healthz").contains(" 200 "), "it lives");
    assert!(get(&address, "/readyz").contains(" 503 "), "but nothing has gone well yet");
    place.write("bowline.yaml", &good);
    place.commit_all("Mended");
    assert!(push(&address, SECRET, 1).contains(" 202 "));
    running.says("opened");
    assert!(!branches(&place).is_empty());
    until(|| get(&address, "/readyz").contains(" 200 ").then_some(())).expect("ready");
    assert_eq!(running.terminate().0, Some(0));
}

#[test]
fn an_estate_that_breaks_while_it_runs_keeps_its_interval() {
    let place = harbour("1s");
    let running = start(&place, &[]);
    running.says("opened");
    let good = place.read("bowline.yaml");
    place.write("bowline.yaml", "kind: Estate\napiVersion: bowline.dev/v1alpha1\nspec: [\n");
    place.commit_all("Broken");
    running.says("the pass failed");
    let before = branches(&place);
    place.write("bowline.yaml", &good);
    place.commit_all("Mended");
    until(|| running.stderr().lines().last().is_some_and(|line| !line.contains("the pass failed")).then_some(())).expect("it says that it works again");
    assert_eq!(branches(&place).len(), before.len());
}

#[test]
fn a_folder_without_a_repository_is_a_failing_pass_with_what_to_do() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: bare}\nspec: {timeZone: UTC}\n");
    let running = start(&place, &[]);
    let said = running.says("the pass failed");
    assert!(said.contains("is not in a git repository") && said.contains("hint"), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn a_signed_webhook_makes_a_pass_at_once_and_a_forged_one_none() {
    let place = harbour("1h");
    let mut running = listening(&place);
    running.says("opened");
    let address = running.address_after("Listening for webhooks on http://");
    let facts = place.read("observed/vcenter.json").replace("\"value\": \"13\"", "\"value\": \"14\"");
    place.write("observed/vcenter.json", &facts);
    place.commit_all("Another version");
    assert!(push(&address, "another secret of that length", 1).contains(" 401 "));
    std::thread::sleep(Duration::from_secs(4));
    assert!(!running.stderr().contains("updated"), "{}", running.stderr());
    let begun = Instant::now();
    assert!(push(&address, SECRET, 1).contains(" 202 "));
    running.says("updated");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(push(&address, SECRET, 1).contains(" 409 "), "a replay is refused");
    let said = running.stderr();
    assert!(!said.contains(SECRET) && !said.contains("ops/harbour"), "{said}");
    assert_eq!(running.terminate().0, Some(0));
}

#[test]
fn webhooks_need_a_listener_and_a_secret_that_is_there() {
    let place = harbour("1h");
    let ran = place.bowline(&["run", ".", "--webhook-secret", "hook"]).ends_with(1);
    assert!(ran.stderr.contains("--listen"), "{}", ran.stderr);
    let ran = place.bowline(&["run", ".", "--listen", "127.0.0.1:0", "--webhook-secret", "hook"]).ends_with(1);
    assert!(ran.stderr.contains("`hook`"), "{}", ran.stderr);
    place.write("../credentials.yaml", "- {name: hook, user: a, password: {env: HOME}, hosts: [localhost]}\n");
    let ran = place.bowline(&["run", ".", "--listen", "127.0.0.1:0", "--webhook-secret", "hook", "--credentials", "../credentials.yaml"]).ends_with(1);
    assert!(ran.stderr.contains("must be a `token`"), "{}", ran.stderr);
}

#[test]
fn an_address_that_is_taken_is_an_error_at_once() {
    let place = harbour("1h");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    place.write("../credentials.yaml", "- {name: hook, token: {env: HOME}, hosts: [localhost]}\n");
    let address = taken.local_addr().unwrap().to_string();
    let ran = place.bowline(&["run", ".", "--listen", &address, "--webhook-secret", "hook", "--credentials", "../credentials.yaml"]).ends_with(1);
    assert!(ran.stderr.contains("cannot listen on"), "{}", ran.stderr);
}

#[test]
fn a_folder_with_nothing_but_the_estates_document_is_read_from_where_it_says() {
    let place = harbour("1h");
    let start = Place::new();
    // A path that a document names must be one that the operator allows.
    let document =
        format!("apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {{name: harbour}}\nspec:\n  git: {{url: \"{}\"}}\n", place.estate().display());
    start.write("bowline.yaml", &document);
    let refused = start.bowline(&["reconcile", ".", "--at", AT]).ends_with(1);
    assert!(refused.stderr.contains("--allow-read"), "{}", refused.stderr);
    assert!(branches(&place).is_empty());
    let folder = place.estate().display().to_string();
    start.bowline(&["reconcile", ".", "--at", AT, "--allow-read", &folder]).ends_with(0);
    assert!(!branches(&place).is_empty());
    let listed = start.bowline(&["changes", "list", "--output", "json", "--allow-read", &folder]).ends_with(0).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), branches(&place).len());
}
