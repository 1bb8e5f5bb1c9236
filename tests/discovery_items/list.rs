//! The list.

use bowline::inventory::Inventory;
use bowline::plan::plan_and_correlation;
use serde_json::json;

use crate::builders::{answer, discovered, estate, now, source};
use crate::support::{AT, Place};
use crate::world::quay;

#[test]
fn items_are_listed_with_how_they_stand_and_who_sees_them() {
    insta::assert_snapshot!(quay("").bowline(&["items", "--at", AT]).ends_with(0).stdout);
}

#[test]
fn the_same_as_markdown() {
    insta::assert_snapshot!(quay("").bowline(&["items", "--at", AT, "--output", "markdown"]).ends_with(0).stdout);
}

#[test]
fn json_and_yaml_say_the_same() {
    let place = quay("");
    let json = place.bowline(&["items", "--at", AT, "--output", "json"]).ends_with(0).json();
    let yaml = place.bowline(&["items", "--at", AT, "--output", "yaml"]).ends_with(0).stdout;
    assert_eq!(serde_yaml::from_str::<serde_json::Value>(&yaml).unwrap(), json);
    let items = json["items"].as_array().unwrap();
    let states: Vec<_> = items.iter().map(|item| (item["name"].as_str().unwrap(), item["state"].as_str().unwrap())).collect();
    assert_eq!(states, [("core-switch", "Unseen"), ("gone-01", "Missing"), ("pay-db-01", "Drifted"), ("pay-web-01", "InSync")]);
    assert_eq!(items[2]["drift"], json!(["memory"]));
    assert_eq!(items[2]["lastSeen"], "2026-11-25T08:00:00Z", "by whichever saw it last");
    assert_eq!(items[2]["seen"][1], json!({"source": "vcenter", "key": "vm-1017", "name": "PAY-DB-01", "at": "2026-11-25T07:30:00Z"}));
}

#[test]
fn a_list_is_narrowed_by_class_owner_and_selector() {
    let place = quay("");
    place.write(
        "service.yaml",
        "apiVersion: bowline.dev/v1alpha1\nkind: ServiceMap\nmetadata: {name: payments}\nspec: {dependencies: [{from: payments, to: pay-db-01}]}\n",
    );
    let names = |more: &[&str]| {
        let json = place.bowline(&[&["items", "--at", AT, "--output", "json"], more].concat()).ends_with(0).json();
        json["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--class", "server"]), ["gone-01", "pay-db-01", "pay-web-01"]);
    assert_eq!(names(&["--owner", "team-network"]), ["core-switch"]);
    assert_eq!(names(&["--select", "{labels: {env: [prod]}}"]), ["pay-db-01"]);
    assert_eq!(names(&["--select", "{services: [payments]}"]), ["pay-db-01"]);
    assert!(place.bowline(&["items", "--select", "labels"]).ends_with(1).stderr.contains("this is no selector"));
    for typo in [["--class", "servr"], ["--select", "{classes: [servr]}"]] {
        let told = place.bowline(&[&["items"], &typo[..]].concat()).ends_with(1).stderr;
        assert!(told.contains("there is no class `servr`") && told.contains("did you mean `server`?"), "{told}");
    }
}

#[test]
fn a_long_list_is_cut_for_people_and_whole_for_programs() {
    let place = Place::new();
    place.write("bowline.yaml", crate::world::ESTATE);
    let item = |number: usize| {
        format!(
            "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: web-{number:03}}}\nspec: {{class: server, identifiers: {{asset/tag: T-{number}}}}}\n"
        )
    };
    place.write("items.yaml", &(0..120).map(item).collect::<Vec<_>>().join("---\n"));
    let told = place.bowline(&["items", "--at", AT]).ends_with(0).stdout;
    assert!(told.contains("… and 70 items more (--all shows them)") && told.contains("120 items: 120 not seen."), "{told}");
    assert!(!place.bowline(&["items", "--at", AT, "--all"]).ends_with(0).stdout.contains("more"));
    assert_eq!(place.bowline(&["items", "--at", AT, "--output", "json"]).ends_with(0).json()["items"].as_array().unwrap().len(), 120);
}

#[test]
fn a_source_that_did_not_say_all_is_named() {
    let place = quay("");
    place.write("observed/netbox.json", "{\"error\": \"403 Forbidden\"}");
    let told = place.bowline(&["items", "--at", AT]).ends_with(0).stdout;
    assert!(told.contains("✗ netbox"), "{told}");
}

/// The best source names it, here as in the plan.
#[test]
fn what_nobody_declared_has_one_name_and_class_wherever_it_is_told() {
    let a = answer("a", &["class: server, key: '1', name: x, identifiers: {bios/uuid: u-1}"]);
    let b = answer("b", &["class: virtual-machine, key: '2', name: y, identifiers: {bios/uuid: u-1}"]);
    let (estate, discovered) = (estate(&[source("a", ""), source("b", "priority: 10")]), discovered(vec![a, b]));
    let (plan, correlation) = plan_and_correlation(&estate, &discovered, now());
    let inventory = Inventory::new(&estate, &discovered, &correlation, &plan.findings, now());
    let entry = &inventory.entries[0];
    assert_eq!((&*entry.name, &*entry.class), ("y", "virtual-machine"));
    assert_eq!((&entry.name, &entry.class), (&plan.findings[0].item, &plan.findings[0].class));
}
