//! The counts of a large made-up estate are exactly those that were put in. The estate is made by a script that stands
//! beside the checkout of those who develop Bowline; without it the test is skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod support;

use std::path::Path;
use std::process::Command;

use support::Place;

#[test]
fn a_large_estate_gives_exactly_the_differences_that_were_put_in() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/bench/make_estate.py");
    if !script.exists() {
        println!("skipped: the script that makes the estate is not here");
        return;
    }
    let place = Place::new();
    let folder = place.estate();
    let made = Command::new("python3").arg(&script).arg("20000").arg(&folder).output();
    if !made.as_ref().is_ok_and(|made| made.status.success()) {
        println!("skipped: python3 could not make the estate");
        return;
    }
    let expected: serde_json::Value = serde_json::from_str(&place.read("expected.json")).unwrap();
    let number = |name: &str| expected[name].as_u64().unwrap();
    let plan = place.bowline(&["plan", "estate", "--output", "json"]).ends_with(0).json();
    let wanted = serde_json::json!({
        "Changed": number("changed_memory") + number("changed_os"),
        "Missing": number("missing"),
        "Undeclared": number("undeclared"),
    });
    assert_eq!(plan["summary"]["findings"], wanted, "and no other finding");
    assert_eq!(plan["summary"]["declared"], expected["declared"]);
    assert_eq!(plan["diagnostics"], serde_json::json!([]));
}

#[test]
fn a_plan_is_the_same_to_the_byte_whenever_it_is_made() {
    let place = Place::harbour();
    let plan = || place.bowline(&["plan", ".", "--at", support::AT, "--output", "json"]).ends_with(0).stdout;
    assert_eq!(plan(), plan());
}
