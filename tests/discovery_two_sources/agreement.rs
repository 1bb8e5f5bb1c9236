//! While both systems answer.

use std::collections::BTreeMap;

use crate::machines::{MACHINES, RETIRED};
use crate::site::{Naming, PLAIN, Plan, Site};

/// What was put in, and nothing else.
pub const PUT_IN: [&str; 12] = [
    "changed/vm-010/attributes.memory",
    "changed/vm-024/attributes.ipAddresses",
    "changed/vm-025/attributes.ipAddresses",
    "conflict/vm-012/attributes.cpus",
    "duplicate/vm-017/vcenter",
    "missing/vm-013",
    "undeclared/ROGUE-BOTH",
    "undeclared/ROGUE-NETBOX",
    "undeclared/VM-020",
    "undeclared/batch",
    "undeclared/rogue-vcenter",
    "undeclared/vm-015-clone",
];

/// For each declared item, what vCenter and what NetBox are to have of it.
fn truth() -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let itself = |name: &str| vec![name.to_owned()];
    let mut truth: BTreeMap<_, _> = (0..MACHINES).map(|number| format!("vm-{number:03}")).map(|name| (name.clone(), (itself(&name), itself(&name)))).collect();
    truth.insert("vm-013".to_owned(), (vec![], vec![]));
    truth.insert("vm-014".to_owned(), (itself("vm-014"), vec![]));
    // Which of the two is the original is not known, so both are told, and what they do not agree on is not compared.
    truth.insert("vm-017".to_owned(), (vec!["vm-017-clone".to_owned(), "vm-017".to_owned()], itself("vm-017")));
    truth.insert(RETIRED.to_owned(), (vec![], vec![]));
    truth
}

/// Who found what nobody declared.
fn who_found<'a>(plan: &'a Plan, key: &str) -> &'a str {
    plan.finding(key)["message"].as_str().unwrap().split(" was found by ").nth(1).unwrap().split(" and is not declared").next().unwrap()
}

#[test]
fn each_machine_is_one_item_however_the_two_systems_spell_it_and_no_other_is_taken_for_it() {
    let Some(site) = Site::new() else { return };
    site.place.bowline(&["check"]).ends_with(0);
    assert_eq!(site.seen(), truth());
}

#[test]
fn the_findings_are_those_that_were_put_in_and_no_other() {
    let Some(site) = Site::new() else { return };
    let plan = site.plan();
    assert_eq!(plan.findings(), PUT_IN, "{:#}", plan.0["findings"]);
    // What the simulator has below its machines, and the clusters of NetBox, are not declared.
    let below = ["DC0_C0", "DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2", "DC0_DVPG0", "LocalDS_0", "VM Network", "attic", "twins"];
    assert_eq!(plan.other_findings(), below.map(|name| format!("undeclared/{name}")));
    assert_eq!(plan.answer("netbox-virtual-machines"), (true, 202, ""), "all but two of the two hundred, and four beside");
    assert!(plan.answer("vcenter").0, "{:#}", plan.0["sources"]);
}

#[test]
fn what_both_found_and_nobody_declared_is_one_thing() {
    let Some(site) = Site::new() else { return };
    let plan = site.plan();
    assert_eq!(who_found(&plan, "undeclared/ROGUE-BOTH"), "netbox-virtual-machines and vcenter");
    assert_eq!(who_found(&plan, "undeclared/batch"), "netbox-virtual-machines and vcenter", "and it does not bring back the retired item of its name");
    assert_eq!(who_found(&plan, "undeclared/VM-020"), "netbox-virtual-machines", "the machine that had the name before");
    assert_eq!(who_found(&plan, "undeclared/vm-015-clone"), "vcenter");
}

#[test]
fn neither_the_names_and_order_of_the_sources_nor_their_priorities_change_what_is_matched() {
    let swapped = Naming { vcenter: "a-vcenter", netbox: "z-netbox", ..PLAIN };
    let vcenter_first = Naming { more: ("  priority: 10\n", ""), ..PLAIN };
    let netbox_first = Naming { more: ("", "  priority: 10\n"), ..PLAIN };
    for naming in [swapped, vcenter_first, netbox_first] {
        let Some(site) = Site::named(naming) else { return };
        assert_eq!(site.seen(), truth());
    }
}
