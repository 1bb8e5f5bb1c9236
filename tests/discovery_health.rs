//! Health: what people and programs read of it. What each indicator means is tested beside the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod support;

use serde_json::{Value, json};
use support::running::{Running, exchange, until};
use support::{AT, Place};

const METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const HEALTH: [&str; 4] = ["health", ".", "--at", AT];

fn as_json(place: &Place) -> Value {
    place.bowline(&[&HEALTH[..], &["--output", "json"]].concat()).ends_with(0).json()
}

#[test]
fn the_health_of_the_example_reads_well() {
    insta::assert_snapshot!(Place::harbour().bowline(&HEALTH).ends_with(0).stdout);
}

#[test]
fn and_as_markdown() {
    insta::assert_snapshot!(Place::harbour().bowline(&[&HEALTH[..], &["--output", "markdown"]].concat()).ends_with(0).stdout);
}

#[test]
fn json_has_the_settled_shape_and_yaml_says_the_same() {
    let place = Place::harbour();
    let json = as_json(&place);
    assert_eq!((&json["apiVersion"], &json["kind"], &json["estate"]), (&json!("bowline.dev/v1alpha1"), &json!("Health"), &json!("harbour")));
    for field in ["score", "completeness", "correctness", "compliance"] {
        assert!(json["total"][field].as_f64().is_some_and(|ratio| (0.0..=1.0).contains(&ratio)), "{field}");
    }
    for field in ["required", "recommended", "related", "fresh", "unique", "policies", "inSync"] {
        let share = &json["total"][field];
        assert!(share["well"].as_u64().unwrap() <= share["of"].as_u64().unwrap(), "{field}");
    }
    assert!(json["worst"].as_array().unwrap().len() <= 10);
    let items: u64 = json["classes"].as_array().unwrap().iter().map(|class| class["items"].as_u64().unwrap()).sum();
    assert_eq!(json["total"]["items"].as_u64().unwrap(), items, "each item is of one class");
    let owned: u64 = json["owners"].as_array().unwrap().iter().map(|owner| owner["items"].as_u64().unwrap()).sum();
    assert_eq!(owned, items, "and of one owner, or of none");
    let yaml = place.bowline(&[&HEALTH[..], &["--output", "yaml"]].concat()).ends_with(0).stdout;
    assert_eq!(serde_yaml::from_str::<Value>(&yaml).unwrap(), json);
}

#[test]
fn a_running_bowline_tells_the_same_to_prometheus() {
    let place = Place::harbour();
    let mut command = place.command(&["run", ".", "--at", AT, "--metrics", "127.0.0.1:0"]);
    let running = Running::start(&mut command);
    let address = running.address_after("Metrics at http://");
    let wanted = "bowline_health_ratio{estate=\"harbour\",indicator=\"completeness\"}";
    let scraped = until(|| Some(exchange(&address, METRICS)).filter(|text| text.contains(wanted))).expect("a pass is made");
    let told = as_json(&place);
    let value = |series: &str| -> f64 {
        let line = scraped.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series}\n{scraped}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    for indicator in ["completeness", "correctness", "compliance"] {
        let ratio = value(&format!("bowline_health_ratio{{estate=\"harbour\",indicator=\"{indicator}\"}}"));
        assert!((ratio - told["total"][indicator].as_f64().unwrap()).abs() < 0.0001, "{indicator}");
    }
    let service = told["services"].as_array().unwrap().iter().find(|service| service["name"] == "berth-booking").unwrap();
    let ratio = value("bowline_health_by_service_ratio{estate=\"harbour\",service=\"berth-booking\",indicator=\"compliance\"}");
    assert!((ratio - service["compliance"].as_f64().unwrap()).abs() < 0.0001);
}

#[test]
fn an_estate_in_which_nothing_is_in_service_has_nothing_to_judge() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: new}\nspec: {}\n---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: a}\nspec: {class: server, lifecycle: Planned}\n");
    let told = place.bowline(&HEALTH).ends_with(0).stdout;
    assert!(told.contains("nothing to judge") && told.contains("Not counted: 1 item Planned or Retired."), "{told}");
    assert_eq!(as_json(&place)["total"]["score"], Value::Null);
}

#[test]
fn an_answer_that_failed_is_told_and_makes_nothing_worse_than_it_is() {
    let place = Place::harbour();
    let before = as_json(&place);
    place.write("observed/inventory.ndjson", "<html>502 Bad Gateway</html>");
    let after = as_json(&place);
    assert!(after["total"]["fresh"]["of"].as_u64() < before["total"]["fresh"]["of"].as_u64(), "what was not seen is not asked");
    assert_eq!(after["total"]["required"], before["total"]["required"]);
    assert!(place.bowline(&HEALTH).ends_with(0).stdout.contains("✗ inventory"));
}

#[test]
fn no_attributes_value_is_shown() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: e}\nspec: {}\n---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: a}\nspec: {class: server, identifiers: {asset/tag: T-1}, attributes: {password: canary-declared, model: canary-model}}\n---\napiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: s}\nspec: {file: {path: f.json}}\n");
    place.write(
        "f.json",
        r#"[{"class": "server", "name": "a", "identifiers": {"asset/tag": "T-1"}, "attributes": {"password": "canary-found", "model": "canary-other"}}]"#,
    );
    for format in ["human", "json", "yaml", "markdown"] {
        let told = place.bowline(&[&HEALTH[..], &["--output", format]].concat()).ends_with(0);
        assert!(!told.stdout.contains("canary") && !told.stderr.contains("canary"), "{}", told.stdout);
    }
}
