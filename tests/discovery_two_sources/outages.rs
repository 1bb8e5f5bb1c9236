//! While NetBox fails in one way or another: nothing is missing, and no value flips.

use crate::agreement::PUT_IN;
use crate::peers::proxy::{Rule, Spoil};
use crate::site::{Plan, Site};

const NETBOX: &str = "netbox-virtual-machines";
const MACHINES: &str = "/api/virtualization/virtual-machines/";

/// What vCenter says by itself. Of the memory it knows best. What NetBox knows better, as the addresses, nobody says in its place: neither that
/// those of vm-024 and vm-025 moved, nor that vm-026 and vm-150 have others than planned. Of the CPUs of vm-012 no rule says that NetBox knows better, so
/// the dispute is over while it is silent.
const OF_VCENTER: [&str; 7] = [
    "changed/vm-010/attributes.memory",
    "changed/vm-012/attributes.cpus",
    "duplicate/vm-017/vcenter",
    "undeclared/batch",
    "undeclared/rogue-both",
    "undeclared/rogue-vcenter",
    "undeclared/vm-015-clone",
];

/// What they say where NetBox named the first fifty at least: it speaks of these itself, and of the others it is waited for, as of the addresses of
/// vm-150, whose guest took another than planned.
const OF_HALF: [&str; 9] = [
    "changed/vm-010/attributes.memory",
    "changed/vm-024/attributes.ipAddresses",
    "changed/vm-025/attributes.ipAddresses",
    "conflict/vm-012/attributes.cpus",
    "duplicate/vm-017/vcenter",
    "undeclared/batch",
    "undeclared/rogue-both",
    "undeclared/rogue-vcenter",
    "undeclared/vm-015-clone",
];

/// NetBox is not believed to have said everything, and says why; the findings are these, and nothing is missing.
#[track_caller]
fn concludes(plan: &Plan, why: &str, findings: &[&str]) {
    let (complete, _, error) = plan.answer(NETBOX);
    assert!(!complete && !error.is_empty() && error.contains(why), "{why} in {:#}", plan.0["sources"]);
    assert!(plan.answer("vcenter").0, "{:#}", plan.0["sources"]);
    assert!(!plan.findings().iter().any(|key| key.starts_with("missing/")), "{:#?}", plan.findings());
    assert_eq!(plan.findings(), findings);
}

fn spoilt(site: &Site, path: &'static str, skip: usize, spoil: Spoil) -> Plan {
    site.proxy.spoil(Rule { method: "*", path, skip, times: usize::MAX, spoil });
    site.plan()
}

#[test]
fn a_netbox_that_is_stopped_makes_nothing_missing_and_nothing_of_it_lasts() {
    let Some(site) = Site::new() else { return };
    let plan = spoilt(&site, "/api/", 0, Spoil::CutBefore);
    concludes(&plan, "", &OF_VCENTER);
    site.proxy.heal();
    assert_eq!(site.plan().findings(), PUT_IN);
}

#[test]
fn a_netbox_that_nobody_can_connect_to_makes_nothing_missing() {
    let Some(site) = Site::new() else { return };
    site.netbox_is_at(&format!("http://127.0.0.1:{}", crate::peers::free_port()));
    let plan = site.plan();
    concludes(&plan, "", &OF_VCENTER);
}

#[test]
fn a_netbox_that_refuses_with_403_makes_nothing_missing() {
    let Some(site) = Site::new().map(Site::with_wrong_token) else { return };
    let plan = site.plan();
    concludes(&plan, "403", &OF_VCENTER);
}

#[test]
fn a_netbox_whose_third_page_fails_makes_nothing_missing() {
    let Some(site) = Site::new() else { return };
    concludes(&spoilt(&site, MACHINES, 2, Spoil::Instead(500, "", "")), "500", &OF_HALF);
}

#[test]
fn a_netbox_that_is_cut_off_in_the_middle_of_a_page_makes_nothing_missing() {
    let Some(site) = Site::new() else { return };
    concludes(&spoilt(&site, MACHINES, 1, Spoil::CutAfter), "", &OF_HALF);
}

#[test]
fn a_netbox_that_ends_its_list_too_early_makes_nothing_missing() {
    let Some(site) = Site::new() else { return };
    let end = Spoil::Instead(200, "", r#"{"count": 202, "next": null, "previous": null, "results": []}"#);
    concludes(&spoilt(&site, MACHINES, 2, end), "202", &OF_HALF);
}

#[test]
fn a_netbox_that_refuses_only_the_addresses_makes_nothing_missing() {
    let Some(site) = Site::new() else { return };
    let refused = Spoil::Instead(403, "", r#"{"detail": "You do not have permission to perform this action."}"#);
    concludes(&spoilt(&site, "/api/ipam/ip-addresses/", 0, refused), "403", &OF_VCENTER);
}
