//! `bowline run` with a listener: what is pushed is planned, and outlives the process.

use std::path::PathBuf;

use crate::support::running::{Running, exchange, until};
use crate::support::{Place, everything};

use super::*;

/// An estate with the source `web` and two items in its scope, whose repository `run` reads.
pub fn harbour(push: &str) -> Place {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: harbour}\nspec: {interval: 1s}\n");
    place.write("source.yaml", &source("web", &format!("credentials: web-agents{push}"), "  scope: {classes: [server]}\n"));
    let item = |name: &str| {
        format!(
            "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: {name}}}\nspec: {{class: server, identifiers: {{dns/fqdn: {name}.example.com}}, attributes: {{cpus: 4}}}}\n"
        )
    };
    place.write("items.yaml", &["a", "b"].map(item).join("---\n"));
    place.commit_all("The estate");
    place.write("../credentials.yaml", "- {name: web-agents, token: {env: WEB_TOKEN}, hosts: [127.0.0.1, localhost]}\n");
    place
}

/// The program, listening, and where, once it takes what is pushed.
pub fn listening(place: &Place) -> (Running, String) {
    let mut command = place.command(&["run", ".", "--listen", "127.0.0.1:0", "--credentials", "../credentials.yaml", "-vv"]);
    let running = Running::start(command.env("WEB_TOKEN", TOKEN));
    let address = running.address_after("agents push on http://");
    taking(&running, &address);
    (running, address)
}

/// Waits until the estate was read.
fn taking(running: &Running, address: &str) {
    let ready = until(|| (raw(address, &request("?source=web", &[("Authorization", "Bearer nothing")], b"{}")).status == 401).then_some(()));
    assert!(ready.is_some(), "{}", running.stderr());
}

pub fn discovered(place: &Place) -> Value {
    place.bowline(&["discover", ".", "-o", "json"]).ends_with(0).json()["sources"][0].clone()
}

fn names(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn findings(place: &Place, at: &str) -> Vec<String> {
    let plan = place.bowline(&["plan", ".", "-o", "json", "--at", at]).ends_with(0).json();
    let finding = |finding: &Value| format!("{} {}", finding["kind"].as_str().unwrap(), finding["item"].as_str().unwrap());
    plan["findings"].as_array().unwrap().iter().map(finding).collect()
}

/// The one file below the state folder that holds what was pushed.
fn file(place: &Place) -> PathBuf {
    everything(&place.state().join("pushed")).into_keys().find(|path| path.extension().is_some_and(|ending| ending == "ndjson")).unwrap()
}

#[test]
fn what_is_pushed_is_seen_by_the_next_pass_and_by_every_verb() {
    let place = harbour("");
    let nothing = discovered(&place);
    assert_eq!((&nothing["complete"], names(&nothing)), (&json!(false), Vec::<&str>::new()));
    let mut command = place.command(&["run", ".", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--credentials", "../credentials.yaml"]);
    let mut running = Running::start(command.env("WEB_TOKEN", TOKEN));
    let (address, metrics) = (running.address_after("agents push on http://"), running.address_after("Metrics at http://"));
    taking(&running, &address);
    assert_eq!(push(&address, "?source=web", &[server("a", THEN, 8), server("x", THEN, 1)]).counts(), [2, 0, 0, 0, 2]);
    let answer = discovered(&place);
    assert_eq!((&answer["complete"], names(&answer)), (&json!(false), vec!["a", "x"]));
    assert!(answer["error"].as_str().unwrap().contains("complete=true"), "{answer}");
    assert_eq!(answer["items"][0]["seen"], THEN);
    assert_eq!(findings(&place, "2026-01-05T09:00:00Z"), ["Changed a", "Undeclared x"], "of b nothing is concluded");
    let measured = until(|| exchange(&metrics, "GET /metrics HTTP/1.1\r\nHost: b\r\n\r\n").contains("source=\"web\"} 2").then_some(()));
    assert!(measured.is_some(), "a pass of the loop sees both");
    assert_eq!(running.terminate().0, Some(0));
}

#[test]
fn what_was_pushed_outlives_the_process_however_it_ends() {
    let place = harbour("");
    let (running, address) = listening(&place);
    push(&address, "?source=web&complete=true&at=2026-01-05T09:00:00Z", &[server("a", THEN, 4), server("x", THEN, 1)]).is(200);
    let before = std::fs::read(file(&place)).unwrap();
    drop(running); // killed
    assert_eq!(names(&discovered(&place)), ["a", "x"]);
    let (_running, address) = listening(&place);
    let again = push(&address, "?source=web&complete=true&at=2026-01-05T09:00:00Z", &[server("a", THEN, 4), server("x", THEN, 1)]);
    assert_eq!(again.counts(), [0, 2, 0, 0, 2]);
    assert_eq!(std::fs::read(file(&place)).unwrap(), before, "what is known already is not written anew");
    assert_eq!(push(&address, "?source=web", &[server("y", "2026-01-05T10:00:00Z", 1)]).counts(), [1, 0, 0, 0, 3]);
}

#[test]
fn from_a_whole_batch_absence_is_concluded_for_a_while() {
    let place = harbour(", completeFor: 2h");
    let (_running, address) = listening(&place);
    push(&address, "?source=web&complete=true&at=2026-01-05T09:00:00Z", &[server("a", THEN, 4)]).is(200);
    assert_eq!(findings(&place, "2026-01-05T10:00:00Z"), ["Missing b"]);
    assert_eq!(findings(&place, "2026-01-05T11:00:00Z"), ["Missing b"]);
    assert_eq!(findings(&place, "2026-01-05T11:00:01Z"), Vec::<String>::new(), "who was declared since would look missing");
    push(&address, "?source=web", &[server("b", "2026-01-05T09:30:00Z", 4)]).is(200);
    assert_eq!(findings(&place, "2026-01-05T10:00:00Z"), Vec::<String>::new(), "it came up since");
}

#[test]
fn what_is_not_seen_for_long_is_stale_and_at_last_forgotten() {
    let place = harbour("");
    place.write("source.yaml", &source("web", "credentials: web-agents", "  scope: {classes: [server]}\n  staleAfter: 10d\n"));
    place.commit_all("Stale after ten days");
    let (_running, address) = listening(&place);
    let ago = |days: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days)).to_string();
    assert_eq!(push(&address, "?source=web", &[server("a", &ago(15), 4), server("b", &ago(25), 4)]).counts(), [1, 0, 1, 0, 1], "twice its stale time");
    assert_eq!(findings(&place, &ago(0)), ["Stale a"]);
    assert_eq!(findings(&place, &ago(-6)), Vec::<String>::new(), "of what is forgotten nothing is concluded");
}

#[test]
fn a_file_that_was_damaged_makes_the_answer_incomplete_and_is_set_aside() {
    let place = harbour("");
    let (running, address) = listening(&place);
    push(&address, "?source=web&complete=true&at=2026-01-05T09:00:00Z", &[server("a", THEN, 4)]).is(200);
    drop(running);
    let file = file(&place);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 10]).unwrap();
    let answer = discovered(&place);
    assert!(answer["complete"] == false && answer["error"].as_str().unwrap().contains("damaged"), "{answer}");
    let (_running, address) = listening(&place);
    assert_eq!(push(&address, "?source=web", &[server("b", THEN, 4)]).counts(), [1, 0, 0, 0, 1]);
    assert_eq!(std::fs::read(file.with_extension("ndjson.damaged")).unwrap().len(), whole.len() - 10);
}

#[test]
fn only_its_owner_may_read_what_was_pushed_and_the_token_stands_nowhere() {
    use std::os::unix::fs::PermissionsExt;
    let place = harbour("");
    let (mut running, address) = listening(&place);
    push(&address, "?source=web", &[server("a", THEN, 4)]).is(200);
    raw(&address, &request("?source=web", &[("Authorization", "Bearer another-canary-0123456789")], b"{}")).is(401);
    raw(&address, &request("?source=web", &[], b"value-canary\n")).is(400);
    let file = file(&place);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    running.terminate();
    let said = format!("{}{}", running.stderr(), running.stdout());
    assert!(said.contains("a batch of observations was refused"), "{said}");
    assert!(!said.contains("canary"), "{said}");
    let written = everything(&place.state());
    assert!(written.values().all(|bytes| !String::from_utf8_lossy(bytes).contains("canary")));
}

#[test]
fn another_process_for_the_same_estate_takes_nothing() {
    let place = harbour("");
    let (_first, address) = listening(&place);
    push(&address, "?source=web", &[server("a", THEN, 4)]).is(200);
    let (_second, address) = listening(&place);
    let answered = push(&address, "?source=web", &[server("b", THEN, 4)]).is(503);
    assert!(answered.error().contains("another `bowline run`") && answered.head.contains("retry-after"), "{answered:?}");
}

#[test]
fn without_a_secret_there_are_no_webhooks_and_with_one_both() {
    let place = harbour("");
    let post =
        |address: &str| raw(address, b"POST /webhooks/github HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}").status;
    let (running, address) = listening(&place);
    assert_eq!(post(&address), 404);
    assert_eq!(raw(&address, b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n").status, 200);
    drop(running);
    let arguments = ["run", ".", "--listen", "127.0.0.1:0", "--webhook-secret", "web-agents", "--credentials", "../credentials.yaml"];
    let running = Running::start(place.command(&arguments).env("WEB_TOKEN", TOKEN));
    let address = running.address_after("agents push on http://");
    assert_eq!(post(&address), 401);
    assert!(until(|| (push(&address, "?source=web", &[server("a", THEN, 4)]).status == 200).then_some(())).is_some());
}

#[test]
fn check_tells_what_is_wrong_with_the_source() {
    let place = harbour("");
    let told = |push: &str, more: &str| {
        place.write("source.yaml", &source("web", push, more));
        place.bowline(&["check", ".", "-o", "json"]).ends_with(2).stdout
    };
    assert!(told("credentials: web-agents, completeFor: often", "").contains("`often` is not a duration"));
    let all = told("credentials: ' ', perMinute: 0", "  map: {name: .name}\n");
    for wrong in ["`credentials` is empty", "0 would take nothing", "Bowline's own form"] {
        assert!(all.contains(wrong), "{wrong}: {all}");
    }
}

/// What the README shows is sent as it stands there.
#[test]
fn the_example_of_the_readme_works() {
    let Some(curl) = ["/usr/bin/curl", "/bin/curl"].into_iter().find(|path| std::path::Path::new(path).exists()) else {
        println!("skipped: curl is not installed");
        return;
    };
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let section = readme.split("## Push facts from agents").nth(1).unwrap();
    let block = |language: &str| section.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap();
    let place = harbour("");
    place.write("facts.ndjson", block("json"));
    let (_running, address) = listening(&place);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &block("text").replacen("curl", &format!("{curl} --silent"), 1)]).current_dir(place.estate());
    let ran: crate::support::Ran = shell.env("BOWLINE", format!("http://{address}")).env("TOKEN", TOKEN).output().unwrap().into();
    let ran = ran.ends_with(0);
    assert!(section.contains(&format!("`{}`", ran.stdout.trim_end())), "the README shows another answer than {}", ran.stdout);
}
