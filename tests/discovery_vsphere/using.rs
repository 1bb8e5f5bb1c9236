//! The source as a user meets it: declared in a file, checked, asked, and what a plan concludes.

use serde_json::json;

use crate::peers::vcsim::{PASSWORD, USER, Vcsim};
use crate::support::Place;

const BOWLINE: &str = "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: e}\nspec: {}\n";

/// An estate with the vCenter as its source and two virtual machines, of which the vCenter has one.
fn estate(vcsim: &Vcsim) -> Place {
    let place = Place::new();
    place.write("bowline.yaml", BOWLINE);
    place.write("ca.pem", &vcsim.ca);
    place.write("../credentials.yaml", &format!("- {{name: vcenter, user: {USER}, password: {{env: VCENTER_PASSWORD}}, hosts: [localhost]}}\n"));
    let source = format!(
        "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: vcenter}}\nspec:\n  vsphere: {{url: '{}', credentials: vcenter, ca: ca.pem}}\n  scope: {{classes: [virtual-machine]}}\n",
        vcsim.url
    );
    place.write("sources/vcenter.yaml", &source);
    let item = |name: &str, uuid: &str| {
        format!(
            "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: {name}}}\nspec:\n  class: virtual-machine\n  identifiers: {{vsphere/instance-uuid: {uuid}}}\n  attributes: {{cpus: 4, memory: 16Gi}}\n"
        )
    };
    place.write("items/a.yaml", &item("pay-db-01", "5030c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a11"));
    place.write("items/b.yaml", &item("pay-db-02", "5030c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a99"));
    place
}

fn vcenter() -> Option<Vcsim> {
    Vcsim::holding(&json!([{"name": "PAY-DB-01", "instanceUuid": "5030C1A0-7b1e-4c2f-9f6e-0d6c1b7f2a11", "cpus": 4, "memoryMiB": 8192}]))
}

fn run(place: &Place, arguments: &[&str]) -> crate::support::Ran {
    let ran: crate::support::Ran =
        place.command(arguments).args(["--credentials", "../credentials.yaml"]).env("VCENTER_PASSWORD", PASSWORD).output().unwrap().into();
    assert!(!ran.stdout.contains(PASSWORD) && !ran.stderr.contains(PASSWORD), "{ran:?}");
    ran
}

/// `missing/pay-db-02`, sorted.
fn findings(plan: &serde_json::Value) -> Vec<String> {
    let mut keys: Vec<String> =
        plan["findings"].as_array().unwrap().iter().filter(|one| one["kind"] != "Undeclared").map(|one| one["key"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    keys
}

#[test]
fn a_plan_says_what_differs_and_what_is_missing() {
    let Some(vcsim) = vcenter() else { return };
    let place = estate(&vcsim);
    let plan = run(&place, &["plan", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["sources"][0]["complete"], true, "{plan}");
    assert_eq!(findings(&plan), ["changed/pay-db-01/attributes.memory", "missing/pay-db-02"]);
    let shown = run(&place, &["discover"]).ends_with(0).stdout;
    assert!(shown.contains("PAY-DB-01") && shown.contains("DC0_C0_H0"), "{shown}");
}

#[test]
fn nothing_is_concluded_missing_where_the_account_may_not_read_everything() {
    let Some(vcsim) = vcenter() else { return };
    let place = estate(&vcsim);
    vcsim.rule(&json!({"method": "RetrievePropertiesEx", "do": "refuse", "objects": "DC0_C0_H1", "property": "hardware.systemInfo"}));
    let plan = run(&place, &["plan", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["sources"][0]["complete"], false, "{plan}");
    assert!(plan["sources"][0]["error"].as_str().unwrap().contains("may not be read"), "{plan}");
    assert_eq!(findings(&plan), ["changed/pay-db-01/attributes.memory"]);
}

#[test]
fn a_check_tells_every_mistake_at_its_line_and_asks_nobody() {
    let place = Place::new();
    place.write("bowline.yaml", BOWLINE);
    let source = "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: vcenter}\nspec:\n  vsphere:\n    url: http://vcenter.example.com\n    credentials: vcenter\n    ca: ../ca.pem\n    datacenters: ['']\n";
    place.write("sources.yaml", source);
    let told = place.bowline(&["check"]).ends_with(2).stdout;
    for (at, code) in [("6:10", "bad-source"), ("8:9", "path-outside-root"), ("9:19", "bad-source")] {
        assert!(told.contains(&format!("[sources.yaml:{at}]")) && told.contains(code), "{at} {code} in {told}");
    }
}
