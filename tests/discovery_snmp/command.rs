//! As a user runs it: from the estate's file and the operator's to findings.

use std::time::Duration;

use crate::peers::snmpd::{COMMUNITY, PRIVATE, PROOF, Snmpd, entities, lldp};
use crate::support::{AT, Place};

const OPERATOR: &str = "
- {name: access, community: {env: COMMUNITY}, hosts: [127.0.0.0/8]}
- name: core
  user: private
  snmp: {authentication: {protocol: SHA256, password: {env: PROOF}}, privacy: {protocol: AES128, password: {file: private}}}
  hosts: [127.0.0.1]
";

/// An estate with two switches, of which the first is declared to have another model.
fn place(first: u16, second: u16) -> Place {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: net}\nspec: {}\n");
    let source = |name: &str, port: u16| {
        format!(
            "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: {name}-switches}}\nspec:\n  snmp: {{targets: ['127.0.0.1:{port}'], credentials: {name}, \
             tables: [Entities, Neighbors]}}\n  scope: {{classes: [network-device]}}\n"
        )
    };
    place.write("sources.yaml", &format!("{}---\n{}", source("access", first), source("core", second)));
    let item = |name: &str, identifiers: &str, more: &str| {
        format!(
            "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: {name}}}\nspec:\n  class: network-device\n  identifiers: {{{identifiers}}}\n{more}"
        )
    };
    let first = item("sw-1", "serial/number: foc1", "  attributes: {model: WS-C2960X-24}\n  relations: [{type: ConnectsTo, to: sw-2}]\n");
    let second = item("sw-2", "chassis/mac: 001b.21ab.cd02", "  relations: [{type: ConnectsTo, to: sw-1}]\n");
    place.write("items.yaml", &format!("{first}---\n{second}"));
    let operator = place.state().parent().unwrap().join("operator");
    std::fs::create_dir_all(&operator).unwrap();
    std::fs::write(operator.join("credentials.yaml"), OPERATOR).unwrap();
    std::fs::write(operator.join("private"), PRIVATE).unwrap();
    place
}

fn run(place: &Place, arguments: &[&str]) -> crate::support::Ran {
    let credentials = place.state().parent().unwrap().join("operator/credentials.yaml");
    let mut command = place.command(arguments);
    command.args(["--at", AT, "--output", "json", "--credentials"]).arg(credentials).env("COMMUNITY", COMMUNITY).env("PROOF", PROOF);
    let ran: crate::support::Ran = command.output().unwrap().into();
    assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"), "{ran:?}");
    ran
}

#[test]
fn what_differs_of_a_switch_is_a_finding_and_what_a_silent_switch_had_is_not_missing() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (own, other) = ("00 1b 21 ab cd 01", "00 1b 21 ab cd 02");
    let Some(first) = Snmpd::start(one.path(), "sysName sw-1\n", &(entities("FOC1") + &lldp(own, other, "sw-2"))) else { return };
    let Some(second) = Snmpd::start(two.path(), "sysName sw-2\n", &(entities("FOC2") + &lldp(other, own, "sw-1"))) else { return };
    let place = place(first.port, second.port);
    run(&place, &["check"]).ends_with(0);

    let plan = run(&place, &["plan"]).ends_with(0).json();
    assert!(plan["sources"].as_array().unwrap().iter().all(|source| source["complete"] == true), "{:#}", plan["sources"]);
    let findings: Vec<String> =
        plan["findings"].as_array().unwrap().iter().map(|finding| format!("{} {} {}", finding["kind"], finding["item"], finding["path"])).collect();
    assert_eq!(findings, [r#""Changed" "sw-1" "attributes.model""#], "{:#}", plan["findings"]);

    drop(second);
    std::thread::sleep(Duration::from_millis(100));
    let plan = run(&place, &["plan"]).ends_with(0).json();
    assert_eq!(plan["summary"]["findings"], serde_json::json!({"Changed": 1}), "{:#}", plan["findings"]);
    let silent = plan["sources"].as_array().unwrap().iter().find(|source| source["name"] == "core-switches").unwrap();
    assert!(silent["complete"] == false && silent["error"].as_str().unwrap().contains("127.0.0.1:"), "{silent:#}");
}

#[test]
fn what_is_wrong_with_a_source_is_told_before_anything_is_asked() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: net}\nspec: {}\n");
    let source = "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: s}\nspec:\n  snmp:\n    targets: [sw-1, 'https://sw-2']\n    credentials: core\n    limits: {tries: 99}\n";
    place.write("source.yaml", source);
    let ran = place.bowline(&["check", "--output", "json"]);
    let found = ran.ends_with(2).json();
    let told: Vec<String> =
        found["diagnostics"].as_array().unwrap().iter().map(|one| format!("{}:{} {} {}", one["line"], one["column"], one["code"], one["message"])).collect();
    assert!(told.iter().any(|one| one.starts_with("6:21 \"bad-source\"") && one.contains("https://sw-2")), "{told:?}");
    assert!(told.iter().any(|one| one.starts_with("8:21 \"bad-source\"") && one.contains("from 1 to 10 times")), "{told:?}");
}
