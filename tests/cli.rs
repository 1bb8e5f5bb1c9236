//! The command line, one verb after the other, as its user meets it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod support;

use support::{AT, Place};

const ITEM: &str = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata:\n  name: web-1\nspec:\n  class: server\n  identifiers: {dns/fqdn: web-1.example.com}\n  attributes:\n    memory: 16Gi\n";
const SOURCE: &str =
    "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata:\n  name: list\nspec:\n  file: {path: facts.json}\n  scope: {all: true}\n";
const ESTATE: &str = "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata:\n  name: small\nspec: {}\n";

fn small(facts: &str) -> Place {
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    place.write("items.yaml", ITEM);
    place.write("sources.yaml", SOURCE);
    place.write("facts.json", facts);
    place
}

const SAME: &str = r#"[{"class": "server", "name": "web-1", "identifiers": {"dns/fqdn": "WEB-1.example.com."}, "attributes": {"memory": "16384Mi"}}]"#;
const LESS: &str = r#"[{"class": "server", "name": "web-1", "identifiers": {"dns/fqdn": "web-1.example.com"}, "attributes": {"memory": "8192Mi"}}]"#;

#[test]
fn the_help_names_every_verb_and_the_exit_codes() {
    let place = Place::new();
    insta::assert_snapshot!(place.bowline(&["--help"]).ends_with(0).stdout);
}

#[test]
fn a_wrong_argument_is_could_not() {
    let place = Place::new();
    place.bowline(&["plan", "--nonsense"]).ends_with(1);
    place.bowline(&["no-such-verb"]).ends_with(1);
}

#[test]
fn a_first_estate_checks_discovers_and_plans() {
    let place = Place::new();
    let written = place.bowline(&["init", "mine", "--name", "first"]).ends_with(0).stdout;
    assert!(written.contains("wrote  bowline.yaml"), "{written}");
    assert!(place.bowline(&["init", "mine"]).ends_with(0).stdout.contains("kept   bowline.yaml"), "nothing is overwritten");
    place.bowline(&["check", "mine", "--strict"]).ends_with(0);
    let found = place.bowline(&["discover", "mine", "--output", "json"]).ends_with(0).json();
    assert_eq!(found["sources"][0]["name"], "this-machine");
    assert_eq!(found["sources"][0]["complete"], true);
    let plan = place.bowline(&["plan", "mine", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["estate"], "first");
    assert_eq!(plan["summary"]["findings"], serde_json::json!({"Undeclared": 1}), "this machine is not declared yet");

    let yaml = place.bowline(&["import", "mine"]).ends_with(0).stdout;
    place.write("mine/items/this-machine.yaml", &yaml);
    place.bowline(&["check", "mine"]).ends_with(0);
    let plan = place.bowline(&["plan", "mine", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["summary"]["findings"], serde_json::json!({}), "what was imported is what is there");
}

#[test]
fn exit_codes_tell_done_from_differs_from_could_not() {
    let same = small(SAME);
    same.bowline(&["plan", "."]).ends_with(0);
    same.bowline(&["plan", ".", "--detailed-exitcode"]).ends_with(0);
    let less = small(LESS);
    less.bowline(&["plan", "."]).ends_with(0);
    less.bowline(&["plan", ".", "--detailed-exitcode"]).ends_with(2);
    less.bowline(&["plan", "nowhere", "--detailed-exitcode"]).ends_with(1);
    less.bowline(&["check", "."]).ends_with(0);
    less.write(
        "bad.yaml",
        "apiVersion: bowline.dev/v1alpha1\nkind: PatchWindow\nmetadata: {name: w}\nspec: {selector: {all: true}, start: nonsense, duration: 1h}\n",
    );
    less.bowline(&["check", "."]).ends_with(2);
}

#[test]
fn a_plan_reads_well_on_a_terminal() {
    let place = small(LESS);
    insta::assert_snapshot!(place.bowline(&["plan", ".", "--at", AT]).ends_with(0).stdout);
}

#[test]
fn a_plan_reads_well_as_markdown() {
    let place = small(LESS);
    insta::assert_snapshot!(place.bowline(&["plan", ".", "--at", AT, "--output", "markdown"]).ends_with(0).stdout);
}

#[test]
fn a_plan_in_json_has_the_settled_shape() {
    let place = small(LESS);
    let plan = place.bowline(&["plan", ".", "--at", AT, "--output", "json"]).ends_with(0).json();
    insta::assert_json_snapshot!(plan);
}

#[test]
fn yaml_and_json_say_the_same() {
    let place = small(LESS);
    let json = place.bowline(&["plan", ".", "--at", AT, "--output", "json"]).ends_with(0).json();
    let yaml = place.bowline(&["plan", ".", "--at", AT, "--output", "yaml"]).ends_with(0).stdout;
    assert_eq!(serde_yaml::from_str::<serde_json::Value>(&yaml).unwrap(), json);
}

#[test]
fn a_finding_explains_itself() {
    let place = small(LESS);
    let told = place.bowline(&["explain", "memory", "--at", AT]).ends_with(0).stdout;
    for part in ["16Gi", "8Gi", "items.yaml:9:13", "list", "facts.json", "Quantity", "Report"] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    let unknown = place.bowline(&["explain", "no/such/key"]).ends_with(1);
    assert!(unknown.stderr.contains("hint:"), "{}", unknown.stderr);
}

#[test]
fn results_go_to_standard_output_and_everything_else_to_standard_error() {
    let place = small(LESS);
    place.write("broken.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: x\n");
    let plan = place.bowline(&["plan", ".", "--output", "json"]).ends_with(0);
    assert!(plan.json()["diagnostics"].as_array().is_some_and(|list| !list.is_empty()), "the plan goes on and says what is wrong");
    assert!(!plan.stdout.contains('\u{1b}'), "no colour where there is no terminal");
}

#[test]
fn a_source_that_fails_proposes_no_removal() {
    for facts in ["", "{\"error\": \"403 Forbidden\"}", "[", "<html>502 Bad Gateway</html>"] {
        let place = small(facts);
        let plan = place.bowline(&["plan", ".", "--output", "json"]).ends_with(0).json();
        assert_eq!(plan["sources"][0]["complete"], false, "{facts:?}");
        assert_eq!(plan["summary"]["findings"], serde_json::json!({}), "{facts:?}");
    }
}

#[test]
fn a_complete_answer_without_the_item_is_an_absence_that_is_earned() {
    let place = small("[]");
    let plan = place.bowline(&["plan", ".", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["sources"][0]["complete"], true);
    assert_eq!(plan["summary"]["findings"], serde_json::json!({"Missing": 1}));
}

#[test]
fn reconciling_outside_of_a_repository_says_what_to_do() {
    let place = small(LESS);
    let failed = place.bowline(&["reconcile", "."]).ends_with(1);
    assert!(failed.stderr.contains("git init"), "{}", failed.stderr);
}

#[test]
fn an_item_that_nobody_declares_is_nearly_named() {
    let place = small(SAME);
    let failed = place.bowline(&["impact", "web-2"]).ends_with(1);
    assert!(failed.stderr.contains("did you mean `web-1`?"), "{}", failed.stderr);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = small(SAME);
    let mut child = place.command(&["schema"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn crds_schemas_and_completions_are_printed() {
    let place = Place::new();
    let crds = place.bowline(&["crds"]).ends_with(0).stdout;
    assert_eq!(crds.matches("kind: CustomResourceDefinition").count(), 8);
    assert!(place.bowline(&["schema", "patchwindow"]).ends_with(0).json()["properties"]["spec"].is_object());
    assert!(place.bowline(&["schema"]).ends_with(0).json()["allOf"].as_array().is_some_and(|kinds| kinds.len() == 8));
    assert!(place.bowline(&["completions", "bash"]).ends_with(0).stdout.contains("bowline"));
}

#[test]
fn a_sensitive_attribute_shows_that_it_differs_and_never_what_it_is() {
    let place = small(
        r#"[{"class": "appliance", "name": "web-1", "identifiers": {"dns/fqdn": "web-1.example.com"}, "attributes": {"password": "canary-found-9321", "slots": [[{"pin": "canary-found-pin"}]]}}]"#,
    );
    place.write("class.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: CIClass\nmetadata: {name: appliance}\nspec:\n  extends: server\n  attributes: {type: object, properties: {password: {x-bowline: {sensitive: true, onDrift: Enforce}}, slots: {type: array, items: {type: array, items: {properties: {pin: {x-bowline: {sensitive: true}}}}}}}}\n");
    place.write("items.yaml", &ITEM.replace("class: server", "class: appliance").replace("memory: 16Gi", "password: canary-declared-4711"));
    place.commit_all("The estate");
    let mut told = String::new();
    for arguments in [
        &["plan", "."][..],
        &["plan", ".", "--output", "json"],
        &["plan", ".", "--output", "yaml"],
        &["plan", ".", "--output", "markdown"],
        &["-vv", "explain", "password"],
        &["discover", "."],
        &["discover", ".", "--all"],
        &["discover", ".", "--output", "json"],
        &["explain", "--identity", "web-1"],
        &["items", "."],
        &["items", ".", "--find", "web-1"],
        &["health", "."],
        &["import", "."],
        &["reconcile", "."],
        &["changes", "list", "--output", "json"],
        &["check", "."],
    ] {
        let ran = place.bowline(arguments);
        told.push_str(&format!("{}{}", ran.stdout, ran.stderr));
    }
    let list = place.bowline(&["changes", "list", "--output", "json"]).ends_with(0).json();
    let key = list["items"][0]["key"].as_str().expect("the difference is proposed to be mended").to_owned();
    told.push_str(&place.bowline(&["changes", "show", &key]).ends_with(0).stdout);
    told.push_str(&place.git(&["log", "--all", "-p", "--", "changes"]));
    assert!(told.contains("(sensitive)"), "{told}");
    // What is declared stands in the estate's own file, which only the estate shows.
    for canary in ["canary-found", "canary-declared"] {
        assert!(!told.contains(canary), "{canary} in\n{told}");
    }
    for (path, content) in support::everything(&place.state()) {
        assert!(!String::from_utf8_lossy(&content).contains("canary"), "{}", path.display());
    }
}
