//! The API server that the tests of this capability run against: it is the real one, and what the tests do to it happens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;

use std::time::{Duration, Instant};

use peers::kube::Kube;
use serde_json::{Value, json};

fn settings(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}})
}

#[test]
fn a_user_may_do_what_it_was_granted_and_the_log_says_who_did_what() {
    let Some(kube) = Kube::start() else { return };
    let namespace = kube.namespace();
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    assert_eq!(kube.api_as("author", "POST", &maps, Some(&settings("one"))).0, 403);
    kube.aggregate_roles();
    kube.kubectl(&["create", "rolebinding", "author", "--clusterrole=edit", "--user=author", "-n", &namespace]).ok();
    // A grant holds once the server's own watch has heard of it.
    let begun = Instant::now();
    let mut status = 403;
    while status == 403 && begun.elapsed() < Duration::from_secs(30) {
        status = kube.api_as("author", "POST", &maps, Some(&settings("one"))).0;
    }
    assert_eq!(status, 201);
    let written = kube.kubectl_as("author", &["get", "configmap", "one", "-n", &namespace, "-o", "jsonpath={.data.a}"]).ok();
    assert_eq!(written, "b");
    assert!(kube.kubectl_as("other", &["get", "configmap", "one", "-n", &namespace]).refused().contains("Forbidden"));
    let events = kube.audit();
    let made = |event: &&Value| event["verb"] == "create" && event["objectRef"]["resource"] == "configmaps" && event["objectRef"]["namespace"] == *namespace;
    let codes: Vec<&Value> = events.iter().filter(made).map(|event| &event["responseStatus"]["code"]).collect();
    assert_eq!(codes.first(), Some(&&json!(403)));
    assert_eq!(codes.last(), Some(&&json!(201)));
    let anybody = events.iter().any(|event| event["user"]["username"].as_str().is_none_or(|name| name == "system:apiserver" || name.is_empty()));
    assert!(!anybody && events.iter().all(|event| event.get("requestObject").is_none()));
    let log = serde_json::to_string(&events).unwrap();
    assert!(!log.contains(kube.token("author")));
}

#[test]
fn the_server_can_be_killed_and_comes_back_with_what_it_had_at_the_same_address() {
    let Some(kube) = Kube::own() else { return };
    let namespace = kube.namespace();
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    assert_eq!(kube.api("POST", &maps, Some(&settings("kept"))).0, 201);
    let url = kube.url().to_owned();
    kube.kill_api_server();
    assert!(kube.kubectl(&["get", "namespaces", "--request-timeout=2s"]).refused().contains("refused"));
    kube.restart_api_server();
    assert_eq!(kube.url(), url);
    assert_eq!(kube.api("GET", &format!("{maps}/kept"), None).0, 200);
    kube.restart_api_server();
    assert_eq!(kube.api("GET", &format!("{maps}/kept"), None).0, 200, "one that runs is ended first");
}

#[test]
fn without_etcd_nothing_is_written_until_it_continues() {
    let Some(kube) = Kube::own() else { return };
    let namespace = kube.namespace();
    let get = |name: &str| kube.kubectl(&["create", "configmap", name, "-n", &namespace, "--request-timeout=3s"]);
    assert!(get("before").success);
    kube.stop_etcd();
    get("meanwhile").refused();
    kube.continue_etcd();
    let begun = Instant::now();
    while !get("after").success {
        assert!(begun.elapsed() < Duration::from_mins(1), "{}", kube.log());
    }
}

#[test]
fn a_server_of_ones_own_is_gone_with_its_last_clone() {
    let Some(kube) = Kube::own() else { return };
    let folder = kube.ca().parent().unwrap().to_owned();
    let address = kube.url().trim_start_matches("https://").to_owned();
    let clone = kube.clone();
    drop(kube);
    assert_eq!(clone.api("GET", "/readyz", None).0, 200);
    drop(clone);
    assert!(!folder.exists());
    assert!(std::net::TcpStream::connect(address).is_err());
}
