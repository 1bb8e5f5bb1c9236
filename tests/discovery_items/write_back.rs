//! What a source calls an item, written into its declaration where the estate asks for it.

use bowline::api::OnDrift;
use bowline::drift::Finding;

use crate::builders::{self, answer, discovered, estate, findings, item, settings, source};
use crate::support::{AT, Place};
use crate::world::{ITEMS, quay};

const ASKED: &str = "onDrift: {identifiers: Adopt}";

/// What differs of `a`, which is known to `s` and `t`.
fn told(documents: &[String], s: &[&str], t: &[&str]) -> Vec<Finding> {
    let all: Vec<String> = documents.iter().cloned().chain([source("s", ""), source("t", "")]).collect();
    findings(&estate(&all), &discovered(vec![answer("s", s), answer("t", t)]))
}

fn paths(documents: &[String], s: &[&str], t: &[&str]) -> Vec<String> {
    told(documents, s, t).iter().filter(|finding| &*finding.item == "a").filter_map(|finding| finding.path.as_ref()).map(ToString::to_string).collect()
}

fn of_a(more: &str) -> Vec<String> {
    vec![settings(ASKED), item("a", &format!("identifiers: {{bios/uuid: u-1}}{more}"))]
}

fn seen(identifiers: &str) -> String {
    format!("name: a, identifiers: {{bios/uuid: u-1, {identifiers}}}")
}

#[test]
fn by_default_the_plan_says_nothing_of_identifiers_that_nobody_declared() {
    let documents = [settings(""), item("a", "identifiers: {bios/uuid: u-1}")];
    assert_eq!(told(&documents, &[&seen("netbox/virtual-machine: '412'")], &[]), []);
}

#[test]
fn where_it_is_asked_for_an_identifier_that_a_source_knows_is_adopted_or_reported() {
    let found = told(&of_a(""), &[&seen("netbox/virtual-machine: '412'")], &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(&*found[0].key, "changed/a/identifiers.netbox/virtual-machine");
    assert_eq!((found[0].action, found[0].discovered.to_string()), (OnDrift::Adopt, "412".to_owned()));
    assert_eq!(found[0].message, "s knows a as netbox/virtual-machine 412, and its declaration does not say so.");
    assert_eq!(found[0].rule, "onDrift.identifiers: Adopt; identified by bios/uuid");
    let reported = [settings("onDrift: {identifiers: Report}"), item("a", "identifiers: {bios/uuid: u-1}")];
    assert_eq!(told(&reported, &[&seen("netbox/virtual-machine: '412'")], &[])[0].action, OnDrift::Report);
}

#[test]
fn the_item_says_it_before_the_estate_and_may_be_left_alone() {
    let netbox = seen("netbox/virtual-machine: '412', servicenow/sys-id: abcdef01");
    let own = [settings(""), item("a", "identifiers: {bios/uuid: u-1}, onDrift: {identifiers: Adopt}")];
    assert_eq!(paths(&own, &[&netbox], &[]).len(), 2);
    assert_eq!(told(&of_a(", onDrift: {identifiers: Report}"), &[&netbox], &[])[0].action, OnDrift::Report);
    assert_eq!(paths(&of_a(", onDrift: {ignore: [identifiers]}"), &[&netbox], &[]), Vec::<String>::new());
    assert_eq!(paths(&of_a(", onDrift: {ignore: [identifiers.servicenow/sys-id]}"), &[&netbox], &[]), ["identifiers.netbox/virtual-machine"]);
    assert_eq!(paths(&of_a(", lifecycle: Planned"), &[&netbox], &[]), Vec::<String>::new());
}

#[test]
fn what_identifies_nothing_or_passes_to_the_next_thing_is_never_written() {
    for identifiers in [
        "serial/number: None",
        "serial/number: To be filled by O.E.M.",
        "asset/tag: '00000000'",
        "dns/fqdn: a.example.com",
        "ip/address: 10.0.0.1",
        "netbios/name: A",
        "some/name: a",
    ] {
        assert_eq!(paths(&of_a(""), &[&seen(identifiers)], &[]), Vec::<String>::new(), "{identifiers}");
    }
}

#[test]
fn what_sources_do_not_agree_on_is_never_written_and_what_they_agree_on_once() {
    let id = |value: &str| seen(&format!("tool/id: {value}"));
    assert_eq!(paths(&of_a(""), &[&id("x-1")], &[&id("x-2")]), Vec::<String>::new());
    let mac = |value: &str| seen(&format!("network/mac: '{value}'"));
    let found = told(&of_a(""), &[&mac("00:50:56:AB:CD:EF")], &[&mac("0050.56ab.cdef")]);
    assert_eq!(found.len(), 1, "one address in two spellings");
    assert!(found[0].message.starts_with("s and t know a as network/mac"), "{}", found[0].message);
}

#[test]
fn what_another_item_has_declared_or_found_is_never_written() {
    let id = seen("tool/id: X-1");
    let with = |more: &str| [of_a(""), vec![item("b", &format!("identifiers: {{bios/uuid: u-2{more}}}"))]].concat();
    assert_eq!(paths(&with(""), &[&id], &[]), ["identifiers.tool/id"]);
    assert_eq!(paths(&with(", tool/id: X-1"), &[&id], &[]), Vec::<String>::new(), "declared by another");
    let of_b = "key: b, name: b, identifiers: {bios/uuid: u-2, tool/id: X-1}";
    assert_eq!(paths(&with(""), &[&id, of_b], &[]), Vec::<String>::new(), "another is known by it too");
    let strangers = "key: x, name: x, identifiers: {bios/uuid: u-9, tool/id: X-1}";
    assert_eq!(paths(&with(""), &[&id], &[strangers]), Vec::<String>::new(), "so is what nobody declared");
}

#[test]
fn a_doubtful_stale_or_repeated_sighting_writes_nothing() {
    let id = "tool/id: X-1";
    let twins = [of_a(""), vec![item("b", "identifiers: {bios/uuid: u-1}")]].concat();
    assert_eq!(told(&twins, &[&seen(id)], &[]).iter().filter(|finding| finding.path.as_deref() == Some("identifiers.tool/id")).count(), 0, "it may be a or b");
    assert_eq!(paths(&of_a(""), &[&format!("{}, seen: '2026-01-01T00:00:00Z'", seen(id))], &[]), Vec::<String>::new());
    let clone = format!("key: clone, {}", seen(id));
    assert_eq!(paths(&of_a(""), &[&format!("key: a, {}", seen(id)), &clone], &[]), ["s"], "the duplicate is told, and nothing written");
}

#[test]
fn a_place_in_which_an_item_is_identified_is_no_name_of_it() {
    let class = builders::class(
        "virtual-machine",
        "extends: server, identification: [{identifiers: [vsphere/moref], within: vsphere/vcenter}, {identifiers: [bios/uuid]}]",
    );
    let documents = [vec![class], of_a("")].concat();
    assert_eq!(paths(&documents, &[&seen("vsphere/moref: vm-1, vsphere/vcenter: vc-1")], &[]), Vec::<String>::new(), "nor is what names it only there");
}

const PASS: [&str; 4] = ["reconcile", ".", "--at", AT];

/// Reconcile, read the request, merge it, plan again: the whole life, at the local forge.
#[test]
fn ids_are_proposed_as_one_edit_each_and_merged_the_plan_is_clean() {
    let place = quay(ASKED);
    place.commit_all("The estate");
    place.bowline(&PASS).ends_with(0);
    let list = place.bowline(&["changes", "list", "--output", "json"]).ends_with(0).json();
    let adopt = list["items"].as_array().unwrap().iter().find(|change| change["key"].as_str().unwrap().contains("adopt")).expect("a request").clone();
    let key = adopt["key"].as_str().unwrap();
    let shown = place.bowline(&["changes", "show", key]).ends_with(0).stdout;
    assert!(shown.contains("identifiers.netbox/virtual-machine") && shown.contains("412"), "{shown}");
    place.bowline(&["changes", "approve", key]).ends_with(0);
    let expected = ITEMS
        .replace(
            "    dns/fqdn: pay-db-01.example.com\n",
            "    dns/fqdn: pay-db-01.example.com\n    netbox/virtual-machine: \"412\"\n    vsphere/instance-uuid: 5030C1A0-7B1E-4C2F-9F6E-0D6C1B7F2A11\n",
        )
        .replace("{bios/uuid: 4c4c4544-0042-3510-8051-b4c04f4e5a33}", "{bios/uuid: 4c4c4544-0042-3510-8051-b4c04f4e5a33, netbox/virtual-machine: \"413\"}");
    assert_eq!(place.read("items.yaml"), expected, "lines are added, and no other byte is touched");
    place.bowline(&["check", ".", "--strict"]).ends_with(0);
    let plan = place.bowline(&["plan", ".", "--at", AT, "--output", "json"]).ends_with(0).json();
    let left: Vec<&str> =
        plan["findings"].as_array().unwrap().iter().filter_map(|finding| finding["path"].as_str()).filter(|path| path.starts_with("identifiers")).collect();
    assert_eq!(left, Vec::<&str>::new());
    assert_eq!(plan["changes"], serde_json::json!([]));
}

/// An edit that cannot be made is told, and no other is made in its place.
#[test]
fn where_the_map_cannot_be_added_nothing_is_added_and_all_of_it_is_told() {
    let declared = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: a}\nspec: &spec\n  class: virtual-machine\n  attributes: {macAddresses: ['00:50:56:ab:cd:ef'], network: lan}\n  onDrift: {identifiers: Adopt}\n";
    let documents = [declared.to_owned(), source("s", "")];
    let estate = estate(&documents);
    let seen = "name: a, identifiers: {netbox/virtual-machine: '412', tool/id: x-1}, attributes: {macAddresses: ['00:50:56:AB:CD:EF'], network: lan}";
    let plan = bowline::plan::plan(&estate, &discovered(vec![answer("s", &[seen])]), builders::now());
    let change = &plan.changes[0];
    assert_eq!((change.findings.len(), change.conflicts.len()), (2, 2), "{:?}", change.conflicts);
    assert!(change.conflicts.iter().all(|conflict| conflict.contains("by hand") && conflict.contains("anchor")), "{:?}", change.conflicts);
    assert_eq!(change.files.iter().map(|file| &*file.path).filter(|path| !path.starts_with("changes/")).count(), 0);
}

#[test]
fn an_item_that_declares_no_identifier_gets_its_first_ones() {
    let place = Place::new();
    place.write("bowline.yaml", &crate::world::ESTATE.replace("spec: {}", &format!("spec: {{{ASKED}}}")));
    let declared = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: a}\nspec:\n  class: virtual-machine   # by its address\n  attributes: {macAddresses: ['00:50:56:ab:cd:ef'], network: lan}\n";
    place.write("items.yaml", declared);
    place.write("sources.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: s}\nspec: {file: {path: facts.json}}\n");
    place.write("facts.json", r#"[{"class": "virtual-machine", "name": "a", "identifiers": {"netbox/virtual-machine": "412", "tool/id": "x-1"}, "attributes": {"macAddresses": ["00:50:56:AB:CD:EF"], "network": "LAN"}}]"#);
    place.commit_all("The estate");
    place.bowline(&PASS).ends_with(0);
    let list = place.bowline(&["changes", "list", "--output", "json"]).ends_with(0).json();
    let key = list["items"][0]["key"].as_str().unwrap().to_owned();
    place.bowline(&["changes", "approve", &key]).ends_with(0);
    assert_eq!(place.read("items.yaml"), format!("{declared}  identifiers: {{netbox/virtual-machine: \"412\", tool/id: x-1}}\n"));
    assert_eq!(place.bowline(&["plan", ".", "--at", AT, "--output", "json"]).ends_with(0).json()["summary"]["findings"], serde_json::json!({}));
}
