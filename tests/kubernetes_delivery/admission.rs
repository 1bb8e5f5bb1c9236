//! The rules that the API server holds because a role cannot say them.

use serde_json::{Value, json};

use super::files::{ACCOUNT, installed, within_a_minute};
use crate::peers::kube::{Kube, Said};

const REQUESTED: &str = "bowline.dev/reconcile-requested-at";

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "bowline.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// kubectl in a namespace, as a user of the tokens file, or as Bowline's account, for which admin speaks.
fn acts(kube: &Kube, user: &str, namespace: &str, arguments: &[&str], input: &Value) -> Said {
    let (speaker, more): (_, &[&str]) = if user == ACCOUNT { ("admin", &["--as", ACCOUNT]) } else { (user, &[]) };
    kube.kubectl_with(speaker, &[&["-n", namespace], more, arguments].concat(), &input.to_string())
}

fn apply(kube: &Kube, user: &str, namespace: &str, object: &Value) -> Said {
    acts(kube, user, namespace, &["apply", "--server-side", "-f", "-"], object)
}

/// A policy holds a moment after it was made: waits until this is refused by it, and gives its words.
#[track_caller]
fn refused(what: impl Fn() -> Said, because: &str) {
    within_a_minute(because, || {
        let said = what();
        !said.success && said.stderr.contains(because)
    });
}

fn bind(kube: &Kube, role: &str, user: &str, namespace: &str) {
    kube.kubectl(&["create", "rolebinding", &format!("{role}-{user}"), "-n", namespace, &format!("--clusterrole={role}"), &format!("--user={user}")]).ok();
}

#[test]
fn only_bowline_writes_change_requests() {
    let Some(kube) = installed() else { return };
    let namespace = kube.namespace();
    let request = |title: &str| object("ChangeRequest", "memory-3f9a", &json!({"title": title, "items": ["pay-db-01"]}));
    refused(|| apply(&kube, "admin", &namespace, &request("by hand")), "writes changerequests, not admin");
    apply(&kube, ACCOUNT, &namespace, &request("by Bowline")).ok();
    let changed = kube.kubectl(&["patch", "chg", "memory-3f9a", "-n", &namespace, "--type=merge", "-p", r#"{"spec": {"title": "another"}}"#]);
    changed.refused();
    kube.kubectl(&["label", "chg", "memory-3f9a", "-n", &namespace, "seen=true"]).ok();
    kube.kubectl(&["delete", "chg", "memory-3f9a", "-n", &namespace]).ok();
}

#[test]
fn only_bowline_writes_a_status() {
    let Some(kube) = installed() else { return };
    let namespace = kube.namespace();
    apply(&kube, "admin", &namespace, &object("ConfigurationItem", "pay-db-01", &json!({"class": "server"}))).ok();
    let mut status = object("ConfigurationItem", "pay-db-01", &json!({}));
    status["status"] = json!({"drift": "memory", "findingCount": 1});
    status.as_object_mut().unwrap().remove("spec");
    let report = |user: &str| acts(&kube, user, &namespace, &["apply", "--server-side", "--subresource=status", "--field-manager=bowline", "-f", "-"], &status);
    refused(|| report("admin"), "writes the status of configurationitems, not admin");
    report(ACCOUNT).ok();
    let item = kube.api("GET", &format!("/apis/bowline.dev/v1alpha1/namespaces/{namespace}/configurationitems/pay-db-01"), None).1;
    assert_eq!(item["status"]["drift"], "memory");
}

#[test]
fn a_board_asks_for_a_pass_and_changes_nothing_else_of_an_estate() {
    let Some(kube) = installed() else { return };
    let namespace = kube.namespace();
    bind(&kube, "change-board", "board", &namespace);
    let mut estate = object("Estate", "harbour", &json!({"interval": "5m"}));
    estate["metadata"]["annotations"] = json!({"note": "kept"});
    apply(&kube, "admin", &namespace, &estate).ok();
    let patch = |body: &Value| kube.kubectl_as("board", &["patch", "estate", "harbour", "-n", &namespace, "--type=merge", "-p", &body.to_string()]);
    let only = "you may ask for a pass";
    refused(|| patch(&json!({"spec": {"suspend": true}})), only);
    for other in [
        json!({"metadata": {"annotations": {"note": "changed"}}}),
        json!({"metadata": {"annotations": {"note": null}}}),
        json!({"metadata": {"annotations": {"another": "one"}}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"metadata": {"finalizers": ["example.com/stuck"]}}),
        json!({"metadata": {"annotations": {REQUESTED: "2026-11-25T08:00:00Z"}}, "spec": {"interval": "1h"}}),
    ] {
        let said = patch(&other).refused();
        assert!(said.contains(only), "{other}: {said}");
    }
    let ask = |at: &str| kube.kubectl_as("board", &["annotate", "estate", "harbour", "-n", &namespace, "--overwrite", &format!("{REQUESTED}={at}")]);
    ask("2026-11-25T08:00:00Z").ok();
    ask("2026-11-25T09:00:00Z").ok();
    kube.kubectl_as("board", &["delete", "estate", "harbour", "-n", &namespace]).refused();
}

#[test]
fn an_author_is_not_held_to_that() {
    let Some(kube) = installed() else { return };
    let namespace = kube.namespace();
    bind(&kube, "estate-author", "author", &namespace);
    let estate = |interval: &str| object("Estate", "harbour", &json!({"interval": interval}));
    apply(&kube, "author", &namespace, &estate("5m")).ok();
    apply(&kube, "author", &namespace, &estate("10m")).ok();
}

#[test]
fn a_credential_says_to_which_hosts_it_may_be_sent() {
    let Some(kube) = installed() else { return };
    let namespace = kube.namespace();
    let secret = |name: &str, label: Option<&str>, hosts: Option<&str>| {
        let mut secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {}, "annotations": {}}, "stringData": {"token": "t"}});
        if let Some(label) = label {
            secret["metadata"]["labels"]["bowline.dev/credential"] = label.into();
        }
        if let Some(hosts) = hosts {
            secret["metadata"]["annotations"]["bowline.dev/hosts"] = hosts.into();
        }
        apply(&kube, "admin", &namespace, &secret)
    };
    refused(|| secret("git", Some("true"), None), "must say to which hosts it may be sent");
    secret("git", Some("true"), Some(" ,\n")).refused();
    for wrong in ["https://git.example.com", "git.example.com/ops", "git.*.com", "git.example.com;other", "user@git.example.com"] {
        let said = secret("git", Some("true"), Some(wrong)).refused();
        assert!(said.contains("must be names of hosts"), "{wrong}: {said}");
    }
    for good in ["git.example.com", "git.example.com, netbox.example.com:8443", "*.example.com\n10.0.0.7", "[2001:db8::7]:8443 2001:db8::8", "localhost"] {
        secret("git", Some("true"), Some(good)).ok();
    }
    // Once a credential, it cannot lose its hosts; it may stop being one.
    kube.kubectl(&["annotate", "secret", "git", "-n", &namespace, "bowline.dev/hosts-"]).refused();
    kube.kubectl(&["label", "secret", "git", "-n", &namespace, "bowline.dev/credential-"]).ok();
    kube.kubectl(&["annotate", "secret", "git", "-n", &namespace, "bowline.dev/hosts-"]).ok();
    secret("other", None, None).ok();
    secret("no", Some("false"), None).ok();
}

#[test]
fn who_may_not_see_the_cluster_has_no_source_that_shows_it() {
    let Some(kube) = installed() else { return };
    let namespace = kube.namespace();
    bind(&kube, "estate-author", "author", &namespace);
    let source = |name: &str, spec: &Value| object("DiscoverySource", name, &json!({"kubernetes": spec}));
    let own = source("own", &json!({"cluster": "harbour"}));
    refused(|| apply(&kube, "author", &namespace, &own), "author may not list nodes");
    // With rights of its own it shows what these show.
    apply(&kube, "author", &namespace, &source("lent", &json!({"cluster": "harbour", "credentials": "cluster-reader"}))).ok();
    apply(&kube, "author", &namespace, &object("DiscoverySource", "export", &json!({"file": {"path": "observed.json"}}))).ok();
    // Whoever may list nodes and deployments everywhere may have Bowline do it, and others may then still label it.
    apply(&kube, "admin", &namespace, &own).ok();
    kube.kubectl_as("author", &["label", "dsrc", "own", "-n", &namespace, "a=b"]).ok();
    let wider = kube.kubectl_as("author", &["patch", "dsrc", "own", "-n", &namespace, "--type=merge", "-p", r#"{"spec": {"mayInsert": false}}"#]);
    assert!(wider.refused().contains("author may not list nodes"));
}

#[test]
fn bowline_writes_the_leases_of_its_estates_and_no_others() {
    let Some(kube) = installed() else { return };
    let namespace = kube.namespace();
    let lease = |name: &str| json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": {"holderIdentity": "x"}});
    let make = |user: &str, name: &str| acts(&kube, user, &namespace, &["create", "-f", "-"], &lease(name));
    refused(|| make(ACCOUNT, "kube-scheduler"), "Bowline writes the Leases of its Estates and no others");
    make(ACCOUNT, "bowline-harbour").ok();
    make(ACCOUNT, "bowline.a-very-long-name-0123456789abcdef").ok();
    make("admin", "another").ok();
    let replaced = acts(&kube, ACCOUNT, &namespace, &["replace", "-f", "-"], &lease("another"));
    replaced.refused();
}
