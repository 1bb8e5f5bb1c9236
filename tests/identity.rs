//! Identity is never guessed (rule 3): what users of other tools reported.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "builders/arbitrary.rs"]
mod arbitrary;
mod builders;

use bowline::api::Value;
use bowline::discovery::{Answer, Discovered, History, Observation, SourceHistory};
use bowline::drift::{Finding, FindingKind};
use bowline::estate::Estate;
use bowline::identity::{Doubt, Identity, correlate, explain};
use builders::{answer, class, cut_short, discovered, estate, findings, item, keys, keys_of, seen, source};
use proptest::prelude::*;

/// The names of the items to which the observations of one source belong.
fn matched(documents: &[String], observations: &[&str]) -> Vec<String> {
    let estate = estate(documents);
    let discovered = discovered(vec![answer("s", observations)]);
    let correlation = correlate(&estate, &discovered);
    let name = |found: &bowline::identity::Match| {
        format!("{} is {}", found.sighting.find(&discovered).map_or("nothing", |(_, one)| &*one.key), estate.items[found.item as usize].name)
    };
    correlation.matches().iter().map(name).collect()
}

// netbox-sync#111, #470: one UUID or MAC on cloned machines; one record flips between two machines, silently.
#[test]
fn clones_that_share_an_identifier_are_told_and_only_what_they_agree_on_is_compared() {
    let documents = [item("db", "identifiers: {bios/uuid: u-1}, attributes: {cpus: 4, memory: 16Gi}"), source("s", "")];
    let original = "key: vm-1, name: db, identifiers: {bios/uuid: u-1}, attributes: {cpus: 4, memory: 8Gi}";
    let clone = "key: vm-2, name: db-clone, identifiers: {bios/uuid: u-1}, attributes: {cpus: 2, memory: 8Gi}";
    let one = findings(&estate(&documents), &discovered(vec![answer("s", &[original, clone])]));
    let other = findings(&estate(&documents), &discovered(vec![answer("s", &[clone, original])]));
    assert_eq!(keys_of(&one), ["changed/db/attributes.memory", "duplicate/db/s"]);
    assert_eq!(one[1].message, "s reports db several times: db (vm-1) and db-clone (vm-2). What they do not agree on is not compared.");
    assert_eq!(one[1].discovered, [Value::from("vm-1"), Value::from("vm-2")].into_iter().collect());
    assert_eq!(one, other, "nothing flips");
}

#[test]
fn a_stronger_match_speaks_for_the_item_and_the_weaker_one_is_told() {
    let documents = [item("db", "identifiers: {bios/uuid: u-1, dns/fqdn: db.example}, attributes: {cpus: 4}"), source("s", "")];
    let strong = "key: vm-1, name: db, identifiers: {bios/uuid: U-1}, attributes: {cpus: 4}";
    let weak = "key: vm-2, name: db-old, identifiers: {dns/fqdn: DB.example.}, attributes: {cpus: 2}";
    assert_eq!(keys(&documents, vec![answer("s", &[weak, strong])]), ["duplicate/db/s"]);
}

#[test]
fn clones_that_nobody_declared_are_told_and_not_brought_up_as_one() {
    let clones = ["key: vm-1, name: a, identifiers: {bios/uuid: u-1}", "key: vm-2, name: b, identifiers: {bios/uuid: u-1}"];
    let told = findings(&estate(&[source("s", "")]), &discovered(vec![answer("s", &clones)]));
    assert_eq!(keys_of(&told), ["duplicate/a/s"]);
}

// netbox-sync#167: a MAC address was matched globally instead of within a cluster.
#[test]
fn a_mac_address_identifies_within_its_network_only() {
    let mac = |network: &str| format!("{{macAddresses: ['00:50:56:ab:cd:ef'], network: {network}}}");
    let documents = [item("a", &format!("attributes: {}", mac("blue"))), item("b", &format!("attributes: {}", mac("green")))];
    let observed = |key: &str, network: &str| format!("key: {key}, attributes: {}", mac(network).replace("ab:cd:ef", "AB:CD:EF"));
    assert_eq!(matched(&documents, &[&observed("k-1", "Green"), &observed("k-2", "red")]), ["k-1 is b"]);
}

// netbox-sync#215 (asset tag "…………"), glpi ocsinventoryng#273 ("To be filled by O.E.M."), empty, one repeated character, zeros.
#[test]
fn bogus_identifiers_identify_nothing() {
    for bogus in ["…………", "To be filled by O.E.M.", "to be filled by o.e.m.", "", "xxxxxxxx", "00000000", "FFFFFFFFFFFF", "None", "Not Specified"] {
        let documents = [item("a", &format!("identifiers: {{serial/number: '{bogus}', asset/tag: '{bogus}'}}"))];
        let found = format!("key: k, identifiers: {{serial/number: '{bogus}', asset/tag: '{bogus}'}}");
        assert_eq!(matched(&documents, &[&found]), Vec::<String>::new(), "{bogus}");
    }
    let ours = class("box", "identification: [{identifiers: [id]}], bogus: {id: [Lab Sample]}");
    let documents = [ours, item("a", "class: box, identifiers: {id: lab sample}")];
    assert_eq!(matched(&documents, &["key: k, class: box, identifiers: {id: LAB SAMPLE}"]), Vec::<String>::new());
}

#[test]
fn undeclared_strangers_with_the_same_bogus_serial_stay_strangers() {
    let strangers = ["key: k-1, name: x, identifiers: {serial/number: None}", "key: k-2, name: y, identifiers: {serial/number: None}"];
    assert_eq!(keys(&[source("s", "")], vec![answer("s", &strangers)]), ["undeclared/x", "undeclared/y"]);
}

// A second machine with the same serial number overwrote the first.
#[test]
fn two_declared_items_of_one_serial_number_are_a_doubt_and_nothing_is_merged() {
    let documents = [
        item("a", "identifiers: {serial/number: CZ1}, attributes: {cpus: 1}"),
        item("b", "identifiers: {serial/number: cz1}, attributes: {cpus: 2}"),
        source("s", ""),
    ];
    let told = findings(&estate(&documents), &discovered(vec![answer("s", &["key: k, name: c, identifiers: {serial/number: CZ1}, attributes: {cpus: 3}"])]));
    assert_eq!(keys_of(&told), ["ambiguous/c"], "neither changed nor missing nor undeclared");
    assert_eq!(told[0].declared, [Value::from("a"), Value::from("b")].into_iter().collect());
    assert_eq!(told[0].message, "c, as s sees it, could be a and b: serial/number fits each of them.");
}

// A re-used name or DHCP address revived a retired CI.
#[test]
fn a_name_or_an_address_does_not_bring_back_what_is_retired() {
    let retired = [item("web", "lifecycle: Retired, identifiers: {dns/fqdn: web.example, bios/uuid: u-1}"), source("s", "")];
    let heir = "key: vm-9, name: web, identifiers: {dns/fqdn: web.example}";
    let told = findings(&estate(&retired), &discovered(vec![answer("s", &[heir])]));
    assert_eq!(keys_of(&told), ["undeclared/web"]);
    assert!(told[0].message.contains("a name identifies nothing"), "{}", told[0].message);
    let itself = "key: vm-1, name: web, identifiers: {bios/uuid: u-1}";
    assert_eq!(keys(&retired, vec![answer("s", &[itself])]), ["lingering/web"]);
    let planned = [item("web", "lifecycle: Planned, identifiers: {dns/fqdn: web.example}"), source("s", "")];
    assert_eq!(keys(&planned, vec![answer("s", &[heir])]), ["lingering/web"]);
}

#[test]
fn a_name_identifies_nothing() {
    let documents = [item("web", "identifiers: {bios/uuid: u-1}")];
    assert_eq!(matched(&documents, &["key: k, name: web", "key: l, name: web, identifiers: {bios/uuid: u-2}"]), Vec::<String>::new());
}

// glpi#9741: the serial number was tried before serial number and UUID together.
#[test]
fn rules_are_tried_in_their_order() {
    let documents = [item("a", "identifiers: {serial/number: S-77, bios/uuid: u-1}"), item("b", "identifiers: {serial/number: S-77x, bios/uuid: u-2}")];
    assert_eq!(matched(&documents, &["key: k, identifiers: {serial/number: S-77, bios/uuid: u-1}"]), ["k is a"]);
    // The serial number alone would say a; both together say that it is not.
    assert_eq!(matched(&documents, &["key: k, identifiers: {serial/number: S-77, bios/uuid: u-3}"]), Vec::<String>::new());
}

// A lower match must be vetoed when a stronger identifier conflicts.
#[test]
fn a_stronger_identifier_that_differs_vetoes_a_weaker_match() {
    let documents = [item("a", "identifiers: {bios/uuid: u-1, dns/fqdn: a.example}"), source("s", "")];
    assert_eq!(matched(&documents, &["key: k, identifiers: {bios/uuid: u-2, dns/fqdn: a.example}"]), Vec::<String>::new());
    assert_eq!(matched(&documents, &["key: k, identifiers: {dns/fqdn: a.example}"]), ["k is a"], "one side does not say it: no veto");
    assert_eq!(matched(&documents, &["key: k, identifiers: {bios/uuid: None, dns/fqdn: a.example}"]), ["k is a"], "bogus is not said");
    assert_eq!(keys(&documents, vec![answer("s", &["key: k, name: a, identifiers: {bios/uuid: u-2, dns/fqdn: a.example}"])]), ["missing/a", "undeclared/a"]);
}

// diode-sdk-python#65, diode#370: duplicates because a matcher needed a site or a namespace it was not given.
#[test]
fn what_only_one_side_says_to_be_within_a_site_is_a_doubt_and_no_second_record() {
    let address = class("address", "identification: [{identifiers: [ip/address], within: site}]");
    let documents = |site: &str| {
        vec![address.clone(), item("a", &format!("class: address, identifiers: {{ip/address: 10.0.0.1}}, attributes: {{{site}}}")), source("s", "")]
    };
    let found = "key: k, name: x, class: address, identifiers: {ip/address: 10.0.0.1}";
    let told = findings(&estate(&documents("site: basel")), &discovered(vec![answer("s", &[found])]));
    assert_eq!(keys_of(&told), ["ambiguous/x"]);
    assert_eq!(told[0].message, "x, as s sees it, may be a: ip/address within site fits, but one of the two does not say its site.");
    assert_eq!(keys(&documents(""), vec![answer("s", &[found])]), Vec::<String>::new(), "neither side says it: the estate has only one");
}

// ServiceNow's documents: ties between rules of one priority are decided at random.
#[test]
fn a_tie_is_told_and_never_decided() {
    let documents = [
        item("a", "attributes: {macAddresses: ['02:00:00:00:00:01'], network: x}"),
        item("b", "attributes: {macAddresses: ['02:00:00:00:00:02'], network: x}"),
        source("s", ""),
    ];
    let both = "key: k, name: c, attributes: {macAddresses: ['02-00-00-00-00-02', '02-00-00-00-00-01'], network: x}";
    for _ in 0..3 {
        assert_eq!(keys(&documents, vec![answer("s", &[both])]), ["ambiguous/c"]);
    }
}

// flux2#3316: a rename read as delete and create.
#[test]
fn a_rename_is_neither_missing_nor_undeclared() {
    let documents = [item("old-name", "identifiers: {bios/uuid: u-1}"), source("s", "")];
    assert_eq!(keys(&documents, vec![answer("s", &["key: vm-1, name: new-name, identifiers: {bios/uuid: u-1}"])]), Vec::<String>::new());
}

#[test]
fn things_of_unrelated_classes_are_never_one_and_of_related_ones_the_special_rules_hold() {
    let documents = [item("a", "identifiers: {bios/uuid: u-1, cloud/instance-id: c-1}")];
    let of = |class: &str| matched(&documents, &[&format!("key: k, class: {class}, identifiers: {{bios/uuid: u-1}}")]);
    assert_eq!(of("server"), ["k is a"], "the source names a parent class");
    assert_eq!(of("network-device"), Vec::<String>::new());
    assert_eq!(of("nobody-declared-it"), Vec::<String>::new());
    let documents = [item("a", "class: server, identifiers: {bios/uuid: u-1}")];
    assert_eq!(matched(&documents, &["key: k, class: virtual-machine, identifiers: {bios/uuid: u-1}"]), ["k is a"]);
}

#[test]
fn several_sources_that_find_one_undeclared_thing_give_one_finding_with_what_each_knows() {
    let documents = [source("s", "priority: 1"), source("t", "priority: 5"), source("u", "mayInsert: false")];
    let answers = vec![
        answer("s", &["key: k-1, name: box, class: server, identifiers: {bios/uuid: u-1, serial/number: None}, attributes: {cpus: 4, memory: 1Gi, uptime: 3}"]),
        answer("t", &["key: k-2, name: box-1, identifiers: {bios/uuid: U-1, dns/fqdn: box.example}, attributes: {memory: 2Gi, adminPassword: hunter2}"]),
        answer(
            "u",
            &[
                "key: k-3, name: other, identifiers: {dns/fqdn: BOX.example}, attributes: {disk: 9Gi}",
                "key: k-4, name: alone, identifiers: {dns/fqdn: alone.example}",
            ],
        ),
    ];
    let told = findings(&estate(&documents), &discovered(answers));
    assert_eq!(keys_of(&told), ["undeclared/box-1"], "and a source that may not bring up anything does not");
    let expected: Value =
        serde_yaml::from_str("{class: virtual-machine, identifiers: {bios/uuid: U-1, dns/fqdn: box.example}, attributes: {cpus: 4, memory: 2Gi, disk: 9Gi}}")
            .unwrap();
    assert_eq!(told[0].discovered, expected);
    assert_eq!(told[0].evidence.iter().map(|place| &**place).collect::<Vec<_>>(), ["t.json: k-2", "s.json: k-1", "u.json: k-3"]);
}

#[test]
fn what_another_source_knows_of_an_item_identifies_it_too() {
    let documents = [item("a", "identifiers: {bios/uuid: u-1}, attributes: {disk: 1Gi}"), source("s", ""), source("t", "")];
    let answers = vec![
        answer("s", &["key: k-1, name: a, identifiers: {bios/uuid: u-1, dns/fqdn: a.example}"]),
        answer("t", &["key: k-2, name: a, identifiers: {dns/fqdn: a.example}, attributes: {disk: 2Gi}"]),
    ];
    assert_eq!(keys(&documents, answers), ["changed/a/attributes.disk"]);
}

// The inventory knows the machine by its host name and by the UUID; the hypervisor's manager knows the UUID alone.
#[test]
fn an_outage_of_the_source_that_ties_two_names_changes_nothing_that_others_see() {
    let documents = [item("a", "identifiers: {dns/fqdn: a.example}, attributes: {memory: 4Gi}"), source("netbox", ""), source("vcenter", "")];
    let estate = estate(&documents);
    let of_netbox = "key: '7', name: a, identifiers: {dns/fqdn: a.example, vsphere/instance-uuid: u-7}";
    let of_vcenter = "key: vm-7, name: a, identifiers: {vsphere/instance-uuid: u-7}, attributes: {memory: 8Gi}";
    let both = discovered(vec![answer("netbox", &[of_netbox]), answer("vcenter", &[of_vcenter])]);
    let drift = ["changed/a/attributes.memory"];
    assert_eq!(keys_of(&findings(&estate, &both)), drift);
    let ties = correlate(&estate, &both).ties;

    let after = |netbox: Option<Answer>, of_vcenter: &[&str]| Discovered {
        answers: netbox.into_iter().chain([answer("vcenter", of_vcenter)]).collect(),
        history: History { ties: ties.clone(), ..History::default() },
    };
    let cut = || Some(cut_short("netbox", &[], "403"));
    let told = |discovered: &Discovered| keys_of(&findings(&estate, discovered));
    for netbox in [cut(), None] {
        let outage = after(netbox, &[of_vcenter]);
        assert_eq!(told(&outage), drift);
        let correlation = correlate(&estate, &outage);
        assert_eq!(correlation.ties, ties, "it is known in the next pass, too");
        let told = explain(&estate, &outage, &correlation, "a");
        assert_eq!(told[0].sightings[0].rule.as_deref(), Some("what another source knew of the item"));
    }
    // An answer that is suddenly empty is held, and is no word either.
    let mut held = after(Some(answer("netbox", &[])), &[of_vcenter]);
    held.history.sources.insert("netbox".into(), SourceHistory { items: 1, ..SourceHistory::default() });
    assert_eq!(told(&held), ["changed/a/attributes.memory", "massabsence/netbox"]);
}

#[test]
fn what_a_silent_source_has_said_counts_for_less_than_anything_that_is_said_now() {
    let sources = [source("netbox", ""), source("vcenter", ""), source("certs", "")];
    let declared = |spec: &str| estate(&[&[item("a", spec)], &sources[..]].concat());
    let by_name = declared("identifiers: {dns/fqdn: a.example}");
    let of_netbox = "key: '7', name: a, identifiers: {dns/fqdn: a.example, vsphere/instance-uuid: u-7}";
    let vm_7 = "key: vm-7, name: a, identifiers: {vsphere/instance-uuid: u-7}";
    let ties = correlate(&by_name, &discovered(vec![answer("netbox", &[of_netbox]), answer("vcenter", &[vm_7])])).ties;
    assert_eq!(ties["vcenter"]["vm-7"].by, ["netbox".into()].into());
    let is_a = |estate: &Estate, answers: Vec<Answer>| {
        let discovered = Discovered { answers, history: History { ties: ties.clone(), ..History::default() } };
        correlate(estate, &discovered).matches().iter().any(|found| discovered.answers[found.sighting.answer as usize].source == "vcenter".into())
    };
    let silent = || [cut_short("netbox", &[], "403"), answer("certs", &[])];
    let with = |answers: [Answer; 2], of_vcenter: &[&str]| answers.into_iter().chain([answer("vcenter", of_vcenter)]).collect::<Vec<_>>();
    assert!(is_a(&by_name, with(silent(), &[vm_7])));
    assert!(!is_a(&by_name, with([answer("netbox", &[]), cut_short("certs", &[], "403")], &[vm_7])), "another source is silent");
    let other = "key: vm-7, name: a, identifiers: {vsphere/instance-uuid: u-8}";
    assert!(!is_a(&by_name, with(silent(), &[other])), "the key was given to something else");
    let renamed = "key: '7', name: a, identifiers: {dns/fqdn: a.example, vsphere/instance-uuid: u-8}";
    assert!(!is_a(&by_name, with([cut_short("netbox", &[renamed], "half"), answer("certs", &[])], &[vm_7])), "another sighting says that it is another");
    assert!(!is_a(&declared("identifiers: {dns/fqdn: a.example, vsphere/instance-uuid: u-9}"), with(silent(), &[vm_7])), "so does the declaration");
    assert!(!is_a(&declared("lifecycle: Retired, identifiers: {dns/fqdn: a.example}"), with(silent(), &[vm_7])));
    // Rows that share a key are not known again.
    let twin = "key: vm-7, name: b, identifiers: {vsphere/instance-uuid: u-5}";
    assert!(correlate(&by_name, &discovered(vec![answer("netbox", &[of_netbox]), answer("vcenter", &[vm_7, twin])])).ties.is_empty());
}

#[test]
fn a_rule_of_truth_decides_then_priority_and_else_it_is_a_conflict() {
    let documents = |truth: &str, priority: &str| {
        let box_class = class(
            "box",
            &format!("{truth} attributes: {{properties: {{memory: {{x-bowline: {{compare: Quantity}}}}}}}}, identification: [{{identifiers: [id]}}]"),
        );
        vec![
            box_class,
            item("a", "class: box, identifiers: {id: '7'}, attributes: {memory: 16Gi, os: {name: x, version: '1'}}"),
            source("s", priority),
            source("t", ""),
        ]
    };
    let of = |memory: &str, os: &str| format!("key: k, class: box, identifiers: {{id: '7'}}, attributes: {{memory: {memory}, os: {os}}}");
    let told = |truth: &str, priority: &str, s: &str, t: &str| {
        let findings =
            findings(&estate(&documents(truth, priority)), &discovered(vec![answer("s", &[&of(s, "{name: x}")]), answer("t", &[&of(t, "{version: '1'}")])]));
        findings.iter().map(|finding| format!("{} {}", finding.key, finding.discovered)).collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    assert_eq!(told("", "", "8Gi", "4Gi"), [r#"conflict/a/attributes.memory {"s":"8Gi","t":"4Gi"}"#]);
    assert_eq!(told("", "", "16Gi", "4Gi"), [r#"conflict/a/attributes.memory {"s":"16Gi","t":"4Gi"}"#]);
    assert_eq!(told("", "", "8Gi", "8192Mi"), ["changed/a/attributes.memory 8Gi"], "they agree by meaning");
    assert_eq!(told("", "priority: 10", "8Gi", "16Gi"), ["changed/a/attributes.memory 8Gi"]);
    assert_eq!(told("", "priority: 10", "16Gi", "8Gi"), none, "a disagreement that a rule decides is none");
    assert_eq!(
        told("truth: [{sources: [s]}, {attributes: [memory], sources: [nobody, t]}],", "priority: 10", "16Gi", "8Gi"),
        ["changed/a/attributes.memory 8Gi"]
    );
    assert_eq!(told("truth: [{attributes: [memory], sources: [t, s]}],", "", "8Gi", "null"), ["changed/a/attributes.memory 8Gi"], "null never overwrites");
}

// Refresh: a lower source may speak once the higher has been silent for its time; an outage flips no value.
#[test]
fn what_a_better_source_spoke_of_is_left_to_it_while_it_is_silent_for_less_than_its_time() {
    let documents = |truth: &str, priority: &str| {
        vec![
            class(
                "box",
                &format!("{truth} attributes: {{properties: {{memory: {{x-bowline: {{compare: Quantity}}}}}}}}, identification: [{{identifiers: [id]}}]"),
            ),
            item("a", "class: box, identifiers: {id: '7'}, attributes: {memory: 16Gi, cpus: 2}"),
            source("s", &format!("staleAfter: 3d{priority}")),
            source("t", ""),
        ]
    };
    let t = answer("t", &["key: k, class: box, identifiers: {id: '7'}, attributes: {memory: 8Gi, cpus: 4}"]);
    let told = |documents: &[String], last: Option<&str>| {
        let mut discovered = discovered(vec![cut_short("s", &[], "503 Service Unavailable"), t.clone()]);
        if let Some(last) = last {
            discovered.history.sources.insert("s".into(), SourceHistory { items: 1, at: last.parse().unwrap() });
            let spoken = [("box".into(), ["memory".into()].into())];
            discovered.history.spoken.insert("s".into(), spoken.into());
        }
        keys_of(&findings(&estate(documents), &discovered))
    };
    let (lately, long_ago) = (Some("2026-11-23T00:00:00Z"), Some("2026-11-20T00:00:00Z"));
    let (both, cpus) = (["changed/a/attributes.cpus", "changed/a/attributes.memory"], ["changed/a/attributes.cpus"]);
    let by_priority = documents("", ", priority: 10");
    assert_eq!(told(&by_priority, lately), cpus, "s spoke of the memory, and never of the CPUs");
    assert_eq!(told(&by_priority, long_ago), both, "it has been silent for longer than its facts last");
    assert_eq!(told(&by_priority, None), both, "nothing is known of what it speaks of");
    assert_eq!(told(&documents("", ""), lately), both, "it knows no better");
    let by_truth = documents("truth: [{attributes: [memory], sources: [s, t]}],", "");
    assert_eq!(told(&by_truth, lately), cpus);
    assert_eq!(told(&by_truth, long_ago), both);
    assert_eq!(told(&by_truth, None), cpus, "a rule says that it speaks of the memory, and nothing says that it is silent for long");
    let by_other = documents("truth: [{attributes: [memory], sources: [t, s]}],", ", priority: 10");
    assert_eq!(told(&by_other, lately), both, "the rule prefers t");
}

// A database is known by its name within the machine on which it runs.
#[test]
fn a_thing_may_be_identified_within_the_item_on_which_it_runs() {
    let machine = |name: &str| item(name, &format!("identifiers: {{bios/uuid: uuid-of-{name}}}"));
    let database = |name: &str, on: &str| item(name, &format!("class: database, identifiers: {{database/name: pay}}, relations: [{{type: RunsOn, to: {on}}}]"));
    let documents = [machine("a"), machine("b"), database("pay-a", "a"), database("pay-b", "b")];
    let on = |to: &str| format!("key: k, class: database, identifiers: {{database/name: pay}}, relations: [{{type: RunsOn, to: {to}}}]");
    assert_eq!(matched(&documents, &[&on("b")]), ["k is pay-b"]);
    assert_eq!(matched(&documents, &[&on("{identifiers: {bios/uuid: UUID-OF-A}}")]), ["k is pay-a"]);
    assert_eq!(matched(&documents, &[&on("elsewhere")]), Vec::<String>::new());
    let nowhere = discovered(vec![answer("s", &["key: k, name: pay, class: database, identifiers: {database/name: pay}"])]);
    let doubts = correlate(&estate(&documents), &nowhere).ambiguities;
    assert_eq!(doubts.iter().map(|doubt| (doubt.items.len(), doubt.doubt)).collect::<Vec<_>>(), [(2, Doubt::Within)], "it may be either");
}

// A re-used name: the source still has the record of the machine that had it before.
#[test]
fn of_two_records_of_one_name_the_one_that_was_seen_lately_is_the_item() {
    let documents = [item("web", "identifiers: {dns/fqdn: web.example}, attributes: {cpus: 4}"), source("s", "staleAfter: 7d")];
    let told = |before: &str| {
        let former = format!("key: vm-1, name: web, identifiers: {{dns/fqdn: web.example}}, attributes: {{cpus: 2}}, seen: '{before}'");
        keys(
            &documents,
            vec![answer("s", &[&former, "key: vm-2, name: web, identifiers: {dns/fqdn: web.example}, attributes: {cpus: 8}, seen: '2026-11-24T00:00:00Z'"])],
        )
    };
    assert_eq!(told("2026-11-01T00:00:00Z"), ["changed/web/attributes.cpus"]);
    assert_eq!(told("2026-11-23T00:00:00Z"), ["duplicate/web/s"], "both were seen lately, so they are two of one name");
}

// Rule 9: every merge explains itself, and so does every merge that was not made.
#[test]
fn an_identity_says_by_which_rule_each_observation_is_the_item_and_why_others_are_not() {
    let documents = [
        item("db", "identifiers: {bios/uuid: U-1, dns/fqdn: db.example, serial/number: None}"),
        item("old", "lifecycle: Retired, identifiers: {dns/fqdn: old.example}"),
        source("s", ""),
        source("t", ""),
    ];
    let s = answer(
        "s",
        &["key: '1', name: db, identifiers: {bios/uuid: u-1, tool/id: '7'}", "key: '2', name: db-clone, identifiers: {bios/uuid: u-2, dns/fqdn: db.example}"],
    );
    let t = answer("t", &["key: '9', name: DB, identifiers: {dns/fqdn: DB.example.}", "key: '8', name: old, identifiers: {dns/fqdn: old.example}"]);
    let (estate, discovered) = (estate(&documents), discovered(vec![s, t]));
    let of = |name: &str| explain(&estate, &discovered, &correlate(&estate, &discovered), name);
    let db = of("db").remove(0);
    let placeholders: Vec<&str> = db.names.iter().filter(|name| name.compared.is_none()).map(|name| &*name.identifier).collect();
    assert_eq!(placeholders, ["serial/number"]);
    let said = |rule: &str| db.rules.iter().find(|asked| asked.rule == rule).unwrap().values.join(", ");
    assert_eq!((said("bios/uuid"), said("serial/number")), ("bios/uuid u-1".to_owned(), String::new()));
    let seen: Vec<String> = db.sightings.iter().map(|seen| format!("{} {} by {:?} sharing {:?}", seen.source, seen.key, seen.rule, seen.shared)).collect();
    assert_eq!(seen, [r#"s 1 by Some("bios/uuid") sharing ["bios/uuid u-1"]"#, r#"t 9 by Some("dns/fqdn") sharing ["dns/fqdn db.example"]"#]);
    let refused =
        |identity: &Identity| identity.refused.iter().map(|refused| format!("{} {}: {}", refused.source, refused.key, refused.why)).collect::<Vec<_>>();
    assert_eq!(refused(&db), ["s 2: bios/uuid is asked before and says that they are two: bios/uuid u-1 against bios/uuid u-2"]);
    assert_eq!(refused(&of("old")[0]), ["t 8: the item is retired, and a name or an address is given to the next thing"]);
    assert_eq!(of("nobody").len(), 0);
}

#[test]
fn an_explanation_never_shows_what_is_sensitive() {
    let class = "apiVersion: bowline.dev/v1alpha1\nkind: CIClass\nmetadata: {name: licensed}\nspec:\n  extends: server\n  identification: [{attributes: [licenseKey]}, \
                 {identifiers: [dns/fqdn]}]\n  attributes: {type: object, properties: {licenseKey: {type: string, x-bowline: {sensitive: true}}}}\n";
    let declared = item("a", "class: licensed, identifiers: {dns/fqdn: a.example}, attributes: {licenseKey: canary-1}");
    let documents = [class.to_owned(), declared, source("s", ""), source("t", "")];
    let of = |key: u8, fqdn: &str, license: &str| {
        format!("class: licensed, key: '{key}', name: x, identifiers: {{dns/fqdn: {fqdn}}}, attributes: {{licenseKey: canary-{license}}}")
    };
    let s = answer("s", &[&of(1, "b.example", "1"), &of(2, "a.example", "2")]);
    let t = answer("t", &[&of(3, "c.example", "2")]);
    let (estate, discovered) = (estate(&documents), discovered(vec![s, t]));
    let of = |name: &str| explain(&estate, &discovered, &correlate(&estate, &discovered), name);
    let declared = of("a").remove(0);
    assert_eq!(declared.sightings[0].shared, ["licenseKey (sensitive)"]);
    assert!(declared.refused[0].why.contains("licenseKey (sensitive) against licenseKey (sensitive)"), "{:?}", declared.refused);
    for identity in [declared].iter().chain(&of("x")) {
        let told = serde_json::to_string(identity).unwrap();
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn what_nobody_declared_says_too_why_it_is_one_thing() {
    let (s, t) = (answer("s", &["key: '1', name: x, identifiers: {bios/uuid: u-1}"]), answer("t", &["key: '2', name: y, identifiers: {bios/uuid: U-1}"]));
    let (estate, discovered) = (estate(&[source("s", ""), source("t", "")]), discovered(vec![s, t]));
    let thing = explain(&estate, &discovered, &correlate(&estate, &discovered), "y").remove(0);
    assert_eq!(thing.item, None);
    let seen: Vec<String> =
        thing.sightings.iter().map(|seen| format!("{} {} by {}", seen.source, seen.name, seen.rule.as_deref().unwrap_or("nothing"))).collect();
    assert_eq!(seen, ["s x by bios/uuid", "t y by bios/uuid"]);
}

fn scene() -> (Estate, Vec<Answer>) {
    let documents = [
        item("a", "identifiers: {bios/uuid: u-1, dns/fqdn: a.example}, attributes: {cpus: 4, memory: 8Gi}"),
        item("b", "identifiers: {serial/number: S-1}, attributes: {cpus: 4}"),
        item("c", "identifiers: {serial/number: S-1}"),
        item("d", "attributes: {macAddresses: ['02:00:00:00:00:0d'], network: x}"),
        item("e", "identifiers: {dns/fqdn: e.example}, lifecycle: Retired"),
        source("s", ""),
        source("t", ""),
        source("u", "priority: 3"),
    ];
    let s = [
        "key: '1', name: a, identifiers: {bios/uuid: u-1}, attributes: {cpus: 2, memory: 4Gi}",
        "key: '2', name: a2, identifiers: {bios/uuid: u-1}, attributes: {cpus: 2, memory: 2Gi}",
        "key: '3', name: x, identifiers: {serial/number: s-1}",
        "key: '4', name: y, identifiers: {bios/uuid: u-9}, attributes: {disk: 1Gi}",
    ];
    let t = [
        "key: '1', name: a, identifiers: {dns/fqdn: a.example}, attributes: {cpus: 8}",
        "key: '2', name: y, identifiers: {bios/uuid: U-9, dns/fqdn: y.example}, attributes: {disk: 2Gi}",
        "key: '3', name: e, identifiers: {dns/fqdn: e.example}",
    ];
    let u = [
        "key: '1', name: q, identifiers: {dns/fqdn: y.example}",
        "key: '2', name: d, attributes: {macAddresses: [02-00-00-00-00-0D], network: x}",
        "key: '3', name: d, attributes: {macAddresses: [02-00-00-00-00-0D], network: x}",
        "key: '4', name: same, identifiers: {bios/uuid: u-8}",
        "key: '5', name: same, identifiers: {bios/uuid: u-7}",
    ];
    (estate(&documents), vec![answer("s", &s), answer("t", &t), answer("u", &u)])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_order_of_sources_and_of_what_they_say_does_not_matter(
        sources in Just(vec![0, 1, 2]).prop_shuffle(),
        orders in prop::collection::vec(Just((0..5).collect::<Vec<usize>>()).prop_shuffle(), 3),
    ) {
        let (estate, answers) = scene();
        let straight = findings(&estate, &discovered(answers.clone()));
        let turned: Vec<Answer> = sources.iter().map(|source| {
            let answer = answers[*source].clone();
            let items = orders[*source].iter().filter_map(|place| answer.items.get(*place).cloned()).collect();
            Answer { items, ..answer }
        }).collect();
        prop_assert_eq!(findings(&estate, &discovered(turned)), straight);
    }
}

#[test]
fn rows_of_one_key_and_name_are_heard_alike_in_any_order() {
    let row = |mac: &str| format!("key: k, name: vm, identifiers: {{vsphere/instance-uuid: u-1}}, attributes: {{macAddresses: ['{mac}']}}");
    let (one, other) = (row("00:50:56:00:00:01"), row("00:50:56:00:00:02"));
    let told = |rows: &[&str]| findings(&estate(&[source("s", "")]), &discovered(vec![answer("s", rows)]));
    assert_eq!(told(&[&one, &other]), told(&[&other, &one]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
    // A source that says several things under one key and name spoke for the first of them, wherever that stood.
    #[test]
    fn nor_does_it_in_worlds_that_nobody_would_think_of(
        declared in arbitrary::items(),
        said in arbitrary::answers(),
        seed in 0..6_usize,
        priorities in (0..2_i32, 0..2_i32),
    ) {
        let sources = [source("a", ""), source("b", &format!("priority: {}", priorities.0)), source("c", &format!("priority: {}, staleAfter: 30d", priorities.1))];
        let documents: Vec<String> = declared.into_iter().chain(sources).collect();
        let estate = estate(&documents);
        let turned = arbitrary::turned(&said, seed);
        prop_assert_eq!(findings(&estate, &discovered(said)), findings(&estate, &discovered(turned)));
    }
}

#[test]
fn the_scene_that_is_shuffled_has_every_kind_that_identity_decides() {
    let (estate, answers) = scene();
    let told = findings(&estate, &Discovered { answers, ..Discovered::default() });
    assert_eq!(
        keys_of(&told),
        ["ambiguous/x", "conflict/a/attributes.cpus", "duplicate/a/s", "duplicate/d/u", "undeclared/e", "undeclared/q", "undeclared/same", &told[7].key],
        "{told:#?}"
    );
    assert!(told[7].key.starts_with("undeclared/same/"), "two things of one name have two keys");
    let kinds = |kind| told.iter().filter(|finding: &&Finding| finding.kind == kind).count();
    assert_eq!(kinds(FindingKind::Undeclared), 4);
}

#[test]
fn a_value_that_a_crowd_of_items_shares_identifies_none_and_costs_no_time() {
    let documents: Vec<String> = (0..3000).map(|of| item(&format!("i-{of:04}"), "class: server, identifiers: {cloud/instance-id: shared}")).collect();
    let estate = estate(&documents);
    let items = (0..3000).map(|of| seen(&format!("key: k-{of:04}, name: n, class: server, identifiers: {{cloud/instance-id: shared}}"))).collect();
    let correlation = correlate(&estate, &discovered(vec![Answer { items, ..answer("s", &[]) }]));
    assert!(correlation.matches().is_empty() && correlation.ambiguities.is_empty());
    assert_eq!(correlation.undeclared().count(), 3000);
}

// Each class was held against each other one: a source that calls everything otherwise took minutes.
#[test]
fn classes_that_nobody_knows_are_many_things_and_cost_no_time() {
    let items = (0..20_000).map(|of| seen(&format!("key: k-{of}, name: n, class: c-{of}, identifiers: {{serial/number: S-{}}}", of / 2))).collect();
    let correlation = correlate(&estate(&[source("s", "")]), &discovered(vec![Answer { items, ..answer("s", &[]) }]));
    assert_eq!(correlation.undeclared().count(), 20_000, "things of unrelated classes are never one");
}

// A group moved as a whole for each one that joined it.
#[test]
fn a_long_chain_of_things_that_share_with_the_next_costs_no_time() {
    let mac = |of: usize| format!("'02:00:00:{:02x}:{:02x}:{:02x}'", of / 65_536, of / 256 % 256, of % 256);
    let row = |of: usize| format!("key: k-{of:05}, name: n, attributes: {{macAddresses: ['02:11:00:00:00:01', {}, {}], network: x}}", mac(of), mac(of + 1));
    let items = (0..20_000).map(|of| seen(&row(of))).collect();
    let correlation = correlate(&estate(&[source("s", "")]), &discovered(vec![Answer { items, ..answer("s", &[]) }]));
    assert_eq!((correlation.undeclared().count(), correlation.duplicates.len()), (0, 1));
}

// Each row that nobody declared was held against each sighting of the item, and each copy against each other row.
#[test]
fn crowds_are_not_held_against_crowds() {
    let (many, mac) = (10_000, "macAddresses: ['02:11:00:00:00:01']");
    let rows = |said: &dyn Fn(usize) -> String| (0..many).map(|of| seen(&said(of))).collect::<Vec<_>>();
    let sources = [source("s", ""), source("t", "")];
    let of = |items: &[String], s: Vec<Observation>, t: Vec<Observation>| {
        let estate = estate(&[items, &sources[..]].concat());
        let found = discovered(vec![Answer { items: s, ..answer("s", &[]) }, Answer { items: t, ..answer("t", &[]) }]);
        let correlation = correlate(&estate, &found);
        (correlation.matches().len(), correlation.ambiguities.len())
    };
    let by_name = [item("a", "identifiers: {dns/fqdn: a.example}")];
    let named = rows(&|of| format!("key: k-{of:05}, name: n, identifiers: {{dns/fqdn: a.example}}, attributes: {{{mac}, network: x}}"));
    let nameless = rows(&|of| format!("key: k-{of:05}, name: n, attributes: {{{mac}, network: x}}"));
    assert_eq!(of(&by_name, named, nameless), (2 * many, 0));
    let by_mac = [item("a", &format!("identifiers: {{dns/fqdn: a.example}}, attributes: {{{mac}, network: x}}"))];
    let copies =
        rows(&|of| format!("key: k-{of:05}, name: n, identifiers: {{dns/fqdn: c-{of}.example, netbios/name: c-{of}}}, attributes: {{{mac}, network: x}}"));
    let elsewhere = rows(&|of| format!("key: k-{of:05}, name: n, attributes: {{{mac}, network: y-{of}}}"));
    let (matched, doubtful) = of(&by_mac, copies, elsewhere);
    assert!(matched + doubtful <= many, "{matched} {doubtful}");
}
