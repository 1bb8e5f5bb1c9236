//! What statuses say, and what they never do.

use serde_json::json;

use super::*;
use crate::api::Table;
use crate::discovery::{Answer, Discovered, Observation};
use crate::estate::SourceFile;
use crate::plan::plan_and_found;

const AT: &str = "2026-11-25T08:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn object(kind: Kind, name: &str, spec: &Value) -> SourceFile {
    SourceFile { path: cluster::path(kind, "shop", name), text: cluster::document(kind, name, &BTreeMap::new(), spec) }
}

fn item(name: &str, memory: &str) -> SourceFile {
    let spec = json!({"class": "server", "identifiers": {"dns/fqdn": format!("{name}.example.com")}, "attributes": {"memory": memory}});
    object(Kind::ConfigurationItem, name, &spec)
}

fn shop(items: Vec<SourceFile>) -> Estate {
    let source = object(Kind::DiscoverySource, "inventory", &json!({"file": {"path": "a.json"}, "scope": {"classes": ["server"]}}));
    cluster::assemble("shop", object(Kind::Estate, "shop", &json!({})), items.into_iter().chain([source]).collect(), None)
}

fn seen(complete: bool, items: &[(&str, &str)]) -> Discovered {
    let observation = |(name, memory): &(&str, &str)| Observation {
        key: (*name).into(),
        class: "server".into(),
        name: (*name).into(),
        identifiers: [("dns/fqdn", Text::from(format!("{name}.example.com")))].into_iter().collect(),
        attributes: [("memory", crate::api::Value::from(*memory))].into_iter().collect(),
        ..Observation::default()
    };
    let error = (!complete).then(|| "it was cut short".into());
    let answer = Answer { source: "inventory".into(), at: at(AT), complete, error, items: items.iter().map(observation).collect(), ..Answer::default() };
    Discovered { answers: vec![answer], ..Discovered::default() }
}

/// The status of an object, its standing status being this one.
fn status_at(estate: &Estate, discovered: &Discovered, kind: Kind, name: &str, status: &str, now: &str) -> Value {
    let (plan, found) = plan_and_found(estate, discovered, at(AT));
    let path = cluster::path(kind, "shop", name);
    Known::new(estate, &plan, &found, at(now)).status(About { kind, name, path: &path, generation: 3, status }).unwrap()
}

fn status(estate: &Estate, discovered: &Discovered, kind: Kind, name: &str) -> Value {
    status_at(estate, discovered, kind, name, "", AT)
}

fn said(status: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let conditions = status["conditions"].as_array().unwrap();
    conditions.iter().map(|one| format!("{} {} {}", text(&one["type"]), text(&one["status"]), text(&one["reason"]))).collect()
}

#[test]
fn an_item_says_whether_it_was_found_and_is_as_declared() {
    let estate = shop(vec![item("a", "16Gi"), item("b", "16Gi"), item("c", "16Gi")]);
    let of = |complete: bool, name: &str| said(&status(&estate, &seen(complete, &[("a", "16Gi"), ("b", "8Gi")]), Kind::ConfigurationItem, name));
    let well = ["Ready True Accepted", "Discovered True Found", "InSync True NoDrift", "Compliant True NoViolation"];
    assert_eq!(of(true, "a"), well);
    assert_eq!(of(true, "b")[2], "InSync False Drifted");
    assert_eq!(of(true, "c")[1..3], ["Discovered False Missing", "InSync False Drifted"]);
    // Absence must be earned (rule 2).
    assert_eq!(of(false, "c")[1..3], ["Discovered Unknown InDoubt", "InSync Unknown InDoubt"]);
    let drifted = status(&estate, &seen(true, &[("b", "8Gi")]), Kind::ConfigurationItem, "b");
    assert_eq!((&drifted["drift"], &drifted["findingCount"], &drifted["observedGeneration"]), (&json!("memory"), &json!(1), &json!(3)));
    assert!(!drifted.to_string().contains("8Gi") && !drifted.to_string().contains("16Gi"), "a status says a value: {drifted}");
}

#[test]
fn an_item_that_no_source_covers_is_neither_found_nor_missing() {
    let estate = shop(vec![object(Kind::ConfigurationItem, "net", &json!({"class": "storage"}))]);
    let of_net = said(&status(&estate, &seen(true, &[]), Kind::ConfigurationItem, "net"));
    assert_eq!(of_net[1..3], ["Discovered Unknown NotCovered", "InSync Unknown NotCovered"]);
}

#[test]
fn of_what_is_not_valid_nothing_is_concluded() {
    let estate = shop(vec![item("a", "16Gi"), object(Kind::ConfigurationItem, "b", &json!({"class": "server", "colour": "red"}))]);
    let of = |name: &str| said(&status(&estate, &seen(true, &[("a", "16Gi")]), Kind::ConfigurationItem, name));
    assert_eq!(of("b"), ["Ready False Invalid", "Discovered Unknown Invalid", "InSync Unknown Invalid", "Compliant Unknown Invalid"]);
    assert_eq!(of("a")[0], "Ready True Accepted");
}

#[test]
fn a_source_says_whether_it_answered_in_full() {
    let estate = shop(vec![]);
    let complete = status(&estate, &seen(true, &[("a", "1Gi")]), Kind::DiscoverySource, "inventory");
    assert_eq!((said(&complete), &complete["complete"], &complete["items"]), (vec!["Ready True Accepted".to_owned()], &json!(true), &json!(1)));
    let cut = status(&estate, &seen(false, &[]), Kind::DiscoverySource, "inventory");
    assert_eq!(said(&cut), ["Ready False AnswerIncomplete"]);
    assert_eq!(cut["conditions"][0]["message"], "it was cut short");
}

/// A value that changes at every reconcile in a status: argo-cd#21887, tinkerbell#465.
#[test]
fn a_later_pass_without_news_makes_the_very_same_status() {
    let estate = shop(vec![item("a", "16Gi"), item("b", "16Gi")]);
    let discovered = seen(true, &[("a", "16Gi"), ("b", "8Gi")]);
    for (kind, name) in [(Kind::ConfigurationItem, "a"), (Kind::ConfigurationItem, "b"), (Kind::DiscoverySource, "inventory")] {
        let first = status_at(&estate, &discovered, kind, name, "", AT);
        let standing = canonical(kind, &first);
        let later = status_at(&estate, &discovered, kind, name, &standing, "2026-11-26T09:30:00.5Z");
        assert_eq!(canonical(kind, &later), standing);
    }
}

#[test]
fn a_condition_that_turns_has_the_instant_at_which_it_did() {
    let estate = shop(vec![item("a", "16Gi")]);
    let first = canonical(Kind::ConfigurationItem, &status(&estate, &seen(true, &[("a", "8Gi")]), Kind::ConfigurationItem, "a"));
    let later = status_at(&estate, &seen(true, &[("a", "16Gi")]), Kind::ConfigurationItem, "a", &first, "2026-11-26T09:30:00.5Z");
    let instants: Vec<&str> = later["conditions"].as_array().unwrap().iter().map(|one| one["lastTransitionTime"].as_str().unwrap()).collect();
    assert_eq!(instants, [AT, AT, "2026-11-26T09:30:00Z", AT]);
}

/// A status too large for etcd: rancher/fleet#3482.
#[test]
fn lists_are_short_and_have_the_whole_count_beside_them() {
    let attributes: serde_json::Map<String, Value> = (0..50).map(|number| (format!("a{number}"), json!("1"))).collect();
    let spec = json!({"class": "server", "identifiers": {"dns/fqdn": "a.example.com"}, "attributes": attributes});
    let estate = shop(vec![object(Kind::ConfigurationItem, "a", &spec)]);
    let mut discovered = seen(true, &[("a", "1Gi")]);
    let other: Table<crate::api::Value> = (0..50).map(|number| (format!("a{number}"), crate::api::Value::from("2"))).collect();
    discovered.answers[0].items[0].attributes = other;
    let status = status(&estate, &discovered, Kind::ConfigurationItem, "a");
    assert_eq!((status["findings"].as_array().unwrap().len(), &status["findingCount"]), (MOST_LISTED, &json!(50)));
    assert_eq!(status["drift"], "a0, a1, a10 and 47 more");
}

#[test]
fn an_estate_says_the_worst_of_its_pass_and_keeps_what_was_told_before() {
    let about = |status| About { kind: Kind::Estate, name: "shop", path: "Estate/shop/shop", generation: 2, status };
    let (plan, _) = plan_and_found(&shop(vec![item("a", "16Gi")]), &seen(true, &[("a", "8Gi")]), at(AT));
    let tally = Tally { plan: Some(&plan), revision: Some("r1".into()), requested_at: Some("now".into()), ..Tally::default() };
    let well = estate(about(""), &Ending::default(), &tally, at(AT));
    let text = canonical(Kind::Estate, &serde_json::to_value(&well).unwrap());
    assert_eq!((well.declared, well.finding_count, well.last_applied_revision.as_deref()), (1, 1, Some("r1")));
    assert!(stands(&text, types::READY, "True") && stands(&text, types::STALLED, "False") && stands(&text, types::RECONCILING, "False"));

    let failing = Ending { troubles: vec![(reason::ESTATE_UNREADABLE, "no answer".into())], stalled: false, retrying: true };
    let failed = estate(about(&text), &failing, &Tally { revision: Some("r2".into()), ..Tally::default() }, at(AT));
    assert_eq!((failed.last_attempted_revision.as_deref(), failed.last_applied_revision.as_deref()), (Some("r2"), Some("r1")));
    assert_eq!((failed.declared, failed.last_handled_reconcile_at.as_deref()), (1, Some("now")), "what is not known anew stays");
    let failed = canonical(Kind::Estate, &serde_json::to_value(&failed).unwrap());
    assert_eq!(reason_of(&failed, types::READY).as_deref(), Some(reason::ESTATE_UNREADABLE));
    assert_eq!(reason_of(&failed, types::RECONCILING).as_deref(), Some(reason::RETRYING));
}

#[test]
fn only_the_first_pass_over_a_specification_says_that_it_has_begun() {
    let about = |status| About { kind: Kind::Estate, name: "shop", path: "Estate/shop/shop", generation: 2, status };
    assert!(begun(about(""), at(AT)).is_some());
    assert!(begun(about(r#"{"observedGeneration": 1}"#), at(AT)).is_some());
    assert!(begun(about(r#"{"observedGeneration": 2}"#), at(AT)).is_none());
}

#[test]
fn a_status_that_is_none_differs_from_every_status() {
    assert_eq!(&*canonical(Kind::ConfigurationItem, &Value::Null), "");
    for strange in [json!("text"), json!({"conditions": 7}), json!([1])] {
        assert_eq!(&*canonical(Kind::ConfigurationItem, &strange), strange.to_string());
    }
}
