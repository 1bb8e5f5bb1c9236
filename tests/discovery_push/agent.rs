//! `bowline discover --push`: the agent, against the listener of a real `bowline run`.

use std::time::{Duration, Instant};

use crate::support::{Place, Ran};

use super::running::{discovered, harbour, listening};
use super::*;

/// A machine with an estate of its own: this machine as the source `host`, without its packages.
fn machine(credentials: &str) -> Place {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: machine}\nspec: {interval: 1h}\n");
    place.write("host.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: host}\nspec: {host: {name: web-1, packages: false}}\n");
    let broken = "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: export}\nspec: {file: {path: gone.ndjson}}\n";
    place.write("export.yaml", broken);
    place.write("../credentials.yaml", credentials);
    place
}

const BOUND: &str = "- {name: web, token: {env: WEB_TOKEN}, hosts: [127.0.0.1]}\n";

fn discover(machine: &Place, address: &str, more: &[&str]) -> Ran {
    let url = format!("http://{address}");
    let arguments = ["discover", ".", "--push", &url, "--as", "web", "--credentials", "../credentials.yaml"];
    machine.command(&[&arguments, more].concat()).env("WEB_TOKEN", TOKEN).output().unwrap().into()
}

#[test]
fn an_agent_pushes_what_its_sources_say_and_tells_in_one_line_what_was_taken() {
    let place = harbour("");
    let (_running, address) = listening(&place);
    let machine = machine(BOUND);
    let ran = discover(&machine, &address, &["--source", "host"]).ends_with(0);
    assert_eq!(ran.stdout, format!("Pushed 1 observation to http://{address} as web: 1 taken, 0 unchanged, 0 older; 1 known there.\n"));
    let item = discovered(&place)["items"][0].clone();
    assert_eq!((&item["name"], &item["class"]), (&json!("web-1"), &json!("server")));
    assert!(item["attributes"]["cpus"].as_u64().unwrap() > 0, "{item}");
    // Not rounded to the estate's hour: what is found a moment later is newer.
    let again = discover(&machine, &address, &["--source", "host", "-o", "json"]).ends_with(0).json();
    assert_eq!((&again["kind"], &again["taken"], &again["known"], &again["complete"]), (&json!("Push"), &json!(1), &json!(1), &json!(false)));
}

#[test]
fn an_agent_declares_complete_only_what_is() {
    let place = harbour("");
    let (_running, address) = listening(&place);
    push(&address, "?source=web", &[server("a", THEN, 4)]).is(200);
    let machine = machine(BOUND);
    let ran = discover(&machine, &address, &["--complete"]).ends_with(1);
    assert!(ran.stderr.contains("not declared complete") && ran.stderr.contains("gone.ndjson"), "{}", ran.stderr);
    assert!(ran.stdout.contains("1 taken") && discovered(&place)["complete"] == false, "what was found is there all the same: {}", ran.stdout);
    let ran = discover(&machine, &address, &["--complete", "--source", "host"]).ends_with(0);
    assert!(ran.stdout.contains("all there is") && ran.stdout.contains("1 gone; 1 known there"), "{}", ran.stdout);
    assert_eq!(discovered(&place)["complete"], true);
}

#[test]
fn what_is_sensitive_stays_on_the_machine() {
    let place = harbour("");
    let (_running, address) = listening(&place);
    let machine = machine(BOUND);
    let facts = json!({"key": "r1", "class": "network-device", "attributes": {"model": "X", "snmpCommunity": "sensitive-canary"}});
    machine.write("gone.ndjson", &format!("{facts}\n"));
    discover(&machine, &address, &["--source", "export"]).ends_with(0);
    assert_eq!(discovered(&place)["items"][0]["attributes"], json!({"model": "X"}));
}

#[test]
fn an_agent_that_is_refused_says_why_without_its_token() {
    let place = harbour("");
    let (_running, address) = listening(&place);
    let wrong = machine("- {name: web, token: {env: WRONG}, hosts: [127.0.0.1]}\n");
    let mut command =
        wrong.command(&["discover", ".", "--source", "host", "--push", &format!("http://{address}"), "--as", "web", "--credentials", "../credentials.yaml"]);
    let ran = Ran::from(command.env("WRONG", "wrong-canary-0123456789").output().unwrap()).ends_with(1);
    assert!(ran.stderr.contains("401") && ran.stderr.contains("not its token") && !ran.stderr.contains("canary"), "{}", ran.stderr);
    let unbound = machine("- {name: web, token: {env: WEB_TOKEN}, hosts: [bowline.example.com]}\n");
    let ran = discover(&unbound, &address, &["--source", "host"]).ends_with(1);
    assert!(ran.stderr.contains("not bound to the host") && !ran.stderr.contains("canary"), "{}", ran.stderr);
    assert!(discovered(&place)["items"].as_array().unwrap().is_empty(), "the token was not sent");
    let ran = discover(&machine(BOUND), &address, &["--source", "host", "--allow-net", "192.0.2.1"]).ends_with(1);
    assert!(ran.stderr.contains("--allow-net"), "{}", ran.stderr);
    let ran = discover(&machine(BOUND), &address, &["--source", "host", "--push-token", "none"]).ends_with(1);
    assert!(ran.stderr.contains("`none`"), "{}", ran.stderr);
    let ran = machine(BOUND).bowline(&["discover", ".", "--push", "http://bowline.example.com", "--as", "web"]).ends_with(1);
    assert!(ran.stderr.contains("https"), "{}", ran.stderr);
    let ran = machine(BOUND).bowline(&["discover", ".", "--push", "https://alice:canary@bowline.example.com", "--as", "web"]).ends_with(1);
    assert!(ran.stderr.contains("--push") && !ran.stderr.contains("canary"), "{}", ran.stderr);
    let ran = machine(BOUND).bowline(&["discover", ".", "--push", "https://bowline.example.com"]).ends_with(1);
    assert!(ran.stderr.contains("--as"), "{}", ran.stderr);
}

#[test]
fn an_agent_whose_sources_find_nothing_pushes_nothing() {
    let place = harbour("");
    let (_running, address) = listening(&place);
    let ran = discover(&machine(BOUND), &address, &["--source", "export"]).ends_with(1);
    assert!(ran.stderr.contains("no source found anything"), "{}", ran.stderr);
}

#[test]
fn an_agent_comes_again_when_it_is_told_to() {
    let place = harbour(", perMinute: 30");
    let (_running, address) = listening(&place);
    while push(&address, "?source=web", &[server("a", THEN, 4)]).status != 429 {}
    let begun = Instant::now();
    let ran = discover(&machine(BOUND), &address, &["--source", "host"]).ends_with(0);
    assert!(ran.stdout.contains("1 taken") && begun.elapsed() >= Duration::from_secs(1), "{} {:?}", ran.stdout, begun.elapsed());
}

#[test]
fn an_agent_gives_up_where_nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let begun = Instant::now();
    let ran = discover(&machine(BOUND), &free, &["--source", "host"]).ends_with(1);
    assert!(ran.stderr.contains("6 times") && !ran.stderr.contains("canary"), "{}", ran.stderr);
    assert!(begun.elapsed() < Duration::from_mins(2));
}
