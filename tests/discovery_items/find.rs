//! Looking an item up by any of its names.

use serde_json::{Value, json};

use crate::support::{AT, Place};
use crate::world::quay;

fn find(place: &Place, name: &str) -> Value {
    place.bowline(&["items", "--at", AT, "--find", name, "--output", "json"]).ends_with(0).json()
}

fn names(found: &Value) -> Vec<&str> {
    found["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[test]
fn an_item_is_found_by_any_of_its_names_in_any_spelling() {
    let place = quay("");
    for (name, item) in [
        ("pay-db-01", "pay-db-01"),
        ("Pay-DB-01", "pay-db-01"),
        ("PAY-DB-01.EXAMPLE.COM.", "pay-db-01"),
        ("4C4C4544-0042-3510-8051-B4C04F4E5A32", "pay-db-01"),
        ("{4c4c4544-0042-3510-8051-b4c04f4e5a32}", "pay-db-01"),
        ("urn:uuid:4c4c4544-0042-3510-8051-b4c04f4e5a32", "pay-db-01"),
        ("5030c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a11", "pay-db-01"),
        ("vm-1017", "pay-db-01"),
        ("412", "pay-db-01"),
        ("netbox/virtual-machine=412", "pay-db-01"),
        ("10.20.0.5", "pay-db-01"),
        ("10.20.0.5/32", "pay-db-01"),
        ("2001:db8::1", "pay-db-01"),
        ("00-50-56-AB-CD-01", "pay-db-01"),
        ("005056abcd01", "pay-db-01"),
        ("00:50:56:AB:CD:EF", "pay-web-01"),
        ("web", "pay-web-01"),
        ("413", "pay-web-01"),
        ("foc1234x0ab", "core-switch"),
        ("gone-01", "gone-01"),
    ] {
        assert_eq!(names(&find(&place, name)), [item], "{name}");
    }
    for name in ["10.20.0", "netbox/virtual-machine=vm-1017", "canary-4711", "4711", "example.com", "pay"] {
        place.bowline(&["items", "--at", AT, "--find", name]).ends_with(1);
    }
}

#[test]
fn a_short_name_finds_the_full_one_and_the_full_one_the_short_one() {
    let place = quay("");
    assert_eq!(names(&find(&place, "forgotten-07")), ["forgotten-07"]);
    assert_eq!(names(&find(&place, "forgotten-07.example.com")), ["forgotten-07"]);
    assert_eq!(names(&find(&place, "pay-web-01.example.com")), ["pay-web-01"], "only its short name is known");
}

#[test]
fn what_nobody_declared_is_found_too_and_what_may_be_several_items() {
    let place = quay("");
    let found = find(&place, "vm-1099");
    assert_eq!((names(&found), &found["items"][0]["state"]), (vec!["forgotten-07"], &json!("Undeclared")));
    // One that fits two items.
    place.write("twin.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: twin}\nspec: {class: virtual-machine, identifiers: {dns/fqdn: forgotten-07.example.com}}\n---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: other}\nspec: {class: virtual-machine, identifiers: {dns/fqdn: forgotten-07.example.com}}\n");
    let found = find(&place, "vm-1099");
    assert_eq!((&found["items"][0]["state"], &found["items"][0]["mayBe"]), (&json!("Ambiguous"), &json!(["other", "twin"])));
    assert_eq!(names(&find(&place, "forgotten-07.example.com")), ["other", "twin", "forgotten-07"]);
}

#[test]
fn it_is_told_which_tool_calls_it_what() {
    insta::assert_snapshot!(quay("").bowline(&["items", "--at", AT, "--find", "412"]).ends_with(0).stdout);
}

#[test]
fn the_same_as_markdown() {
    insta::assert_snapshot!(quay("").bowline(&["items", "--at", AT, "--find", "10.20.0.6", "--output", "markdown"]).ends_with(0).stdout);
}

#[test]
fn where_nothing_has_the_name_those_that_are_nearly_so_are_named() {
    let place = quay("");
    let told = |name: &str| place.bowline(&["items", "--at", AT, "--find", name]).ends_with(1).stderr;
    let near = told("pay-bd-01");
    assert!(near.contains("nothing is known as `pay-bd-01`") && near.contains("nearly so: pay-db-01"), "{near}");
    assert!(told("zzzz").contains("`bowline items` lists"), "{}", told("zzzz"));
    assert!(told(" ").contains("nothing is known"), "{}", told(" "));
    place.write("observed/netbox.json", "[");
    assert!(told("zzzz").contains("not every source said all that it knows: netbox"), "{}", told("zzzz"));
}

#[test]
fn a_secret_is_neither_shown_nor_found() {
    let place = quay("");
    let all =
        ["json", "yaml", "markdown", "human"].map(|format| place.bowline(&["items", "--at", AT, "--find", "vm-1017", "--output", format]).ends_with(0).stdout);
    assert!(all.iter().all(|text| !text.contains("canary")), "{all:?}");
}
