//! Absence at the command line: a source that is held is confirmed, what flickers is waited for, and an identity is explained.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod support;

use serde_json::{Value, json};
use support::{AT, Place};

const SOURCE: &str = "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: vcenter}\nspec:\n  file: {path: observed.json}\n  \
                      map: {class: '\"server\"', key: .name, name: .name, identifiers: {dns/fqdn: .name, bios/uuid: .uuid}}\n  scope: {classes: [server]}\n";

/// Ten declared machines of which the first so many are seen.
fn place(safety: &str, seen: usize) -> Place {
    let place = Place::new();
    place.write("bowline.yaml", &format!("apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {{name: rack}}\nspec: {{safety: {{{safety}}}}}\n"));
    place.write("source.yaml", SOURCE);
    for number in 0..10 {
        let item = format!(
            "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: m-{number}}}\nspec: {{class: server, identifiers: {{dns/fqdn: m-{number}.example}}}}\n"
        );
        place.write(&format!("items/m-{number}.yaml"), &item);
    }
    look(&place, seen);
    place.commit_all("The estate");
    place
}

fn look(place: &Place, seen: usize) {
    let facts: Vec<Value> = (0..seen).map(|number| json!({"name": format!("m-{number}.example"), "uuid": format!("uuid-of-{number}")})).collect();
    place.write("observed.json", &Value::from(facts).to_string());
}

fn findings(place: &Place, at: &str) -> Vec<String> {
    let plan = place.bowline(&["plan", "--at", at, "--output", "json"]).ends_with(0).json();
    plan["findings"].as_array().unwrap().iter().map(|finding| finding["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_held_source_is_confirmed_where_it_is_looked_at() {
    let place = place("massAbsence: 20%", 10);
    place.bowline(&["reconcile", "--at", AT]).ends_with(0);
    look(&place, 6);
    place.commit_all("fewer");
    assert_eq!(findings(&place, AT), ["massabsence/vcenter"]);
    let confirmed = place.bowline(&["discover", "--at", AT, "--confirm", "vcenter"]).ends_with(0);
    assert!(confirmed.stderr.contains("Confirmed: vcenter with 6 items."), "{}", confirmed.stderr);
    assert_eq!(findings(&place, AT), ["missing/m-6", "missing/m-7", "missing/m-8", "missing/m-9"]);
    look(&place, 5);
    place.commit_all("fewer still");
    assert_eq!(findings(&place, AT), ["massabsence/vcenter"], "another number than what was confirmed");
    place.write("observed.json", "[{\"name\": ");
    let refused = place.bowline(&["discover", "--confirm", "vcenter"]).ends_with(1);
    assert!(refused.stderr.contains("is not complete, so there is nothing to confirm"), "{}", refused.stderr);
}

#[test]
fn an_item_is_missing_once_it_was_absent_in_as_many_surveys_in_a_row_as_the_estate_wants() {
    let place = place("massAbsence: 50%, minimumFindings: 3", 9);
    let days = ["2026-11-25T08:00:00Z", "2026-11-26T08:00:00Z", "2026-11-27T08:00:00Z", "2026-11-28T08:00:00Z", "2026-11-29T08:00:00Z"];
    let none = Vec::<String>::new();
    let survey = |seen: usize, day: &str| {
        look(&place, seen);
        place.write("survey.txt", day);
        place.commit_all(day);
        place.bowline(&["reconcile", "--at", day]).ends_with(0);
    };
    survey(9, days[0]);
    assert_eq!(findings(&place, days[0]), none, "the same survey again");
    assert_eq!(findings(&place, days[1]), none, "the second");
    let plan = place.bowline(&["plan", "--at", days[1]]).ends_with(0);
    assert!(plan.stdout.contains("1 item is absent, but not in 3 surveys in a row yet"), "{}", plan.stdout);
    survey(9, days[1]);
    assert_eq!(findings(&place, days[2]), ["missing/m-9"], "the third");
    survey(10, days[2]);
    survey(9, days[3]);
    assert_eq!(findings(&place, days[4]), none, "it was there in between, so it is counted anew");
}

#[test]
fn an_identity_is_explained() {
    let place = place("", 10);
    let text = place.bowline(&["explain", "--identity", "m-3", "--at", AT]).ends_with(0).stdout;
    insta::assert_snapshot!(text);
    let json = place.bowline(&["explain", "--identity", "m-3", "--at", AT, "--output", "json"]).ends_with(0).json();
    assert_eq!(json[0]["sightings"][0]["rule"], "dns/fqdn");
    let unknown = place.bowline(&["explain", "--identity", "m-33", "--at", AT]).ends_with(1).stderr;
    assert!(unknown.contains("no item has the name `m-33`") && unknown.contains("nearest: m-3"), "{unknown}");
}

/// The inventory gives the serial number to the host name that is declared; the agents know the serial number alone.
#[test]
fn an_outage_of_the_inventory_changes_nothing_that_agents_see() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: rack}\nspec: {}\n");
    for (name, map) in [("inventory", "dns/fqdn: .fqdn, serial/number: .serial"), ("agents", "serial/number: .serial}, attributes: {cpus: .cpus")] {
        let spec = format!(
            "{{file: {{path: {name}.json}}, map: {{class: '\"server\"', key: .key, name: .key, identifiers: {{{map}}}}}, scope: {{classes: [server]}}}}"
        );
        place.write(&format!("{name}.yaml"), &format!("apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: {name}}}\nspec: {spec}\n"));
    }
    let item = "{class: server, identifiers: {dns/fqdn: m.example}, attributes: {cpus: 4}, onDrift: {default: Report}}";
    place.write("item.yaml", &format!("apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: m}}\nspec: {item}\n"));
    place.write("inventory.json", &json!([{"key": "7", "fqdn": "m.example", "serial": "CZ3401KQ11"}]).to_string());
    place.write("agents.json", &json!([{"key": "agent-7", "serial": "CZ3401KQ11", "cpus": 8}]).to_string());
    place.commit_all("The estate");
    let drift = ["changed/m/attributes.cpus"];
    assert_eq!(findings(&place, AT), drift);
    let outage = || {
        place.write("inventory.json", "[{\"key\": ");
        place.commit_all("outage");
    };
    place.bowline(&["reconcile", "--at", AT]).ends_with(0);
    outage();
    assert_eq!(findings(&place, AT), drift, "it is remembered");
    place.bowline(&["reconcile", "--at", AT]);
    assert_eq!(findings(&place, AT), drift, "and after a pass without it, too");
}
