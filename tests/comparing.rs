//! Values compare by meaning (rule 4), and only what is declared is compared (rule 1): what users of other tools reported.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod builders;

use bowline::api::{OnDrift, Value};
use bowline::drift::{FindingKind, Severity};
use builders::{answer, class, compared, discovered, estate, findings, item, keys, settings, source};

fn paths(declared: &str, found: &str) -> Vec<String> {
    compared(declared, found).iter().map(|finding| format!("{} → {}", finding.path.as_deref().unwrap_or_default(), finding.discovered)).collect()
}

fn same(declared: &str, found: &str) {
    assert_eq!(paths(declared, found), Vec::<String>::new(), "{declared} | {found}");
}

// netbox#16770, #18035, #21095: MB against MiB; 2048 MiB shown as 2.05 GB.
#[test]
fn sizes_compare_by_what_they_amount_to_and_show_in_the_declared_unit() {
    same("memory: 16Gi", "memory: 16384Mi");
    same("memory: 2Gi", "memory: '2048 MiB'");
    assert_eq!(paths("memory: 16Gi", "memory: 8192Mi"), ["attributes.memory → 8Gi"]);
    assert_eq!(paths("memory: 2Gi", "memory: '2048 MB'"), ["attributes.memory → 2000000Ki"], "MB is decimal, and is not rounded away");
}

// smutel/terraform-provider-netbox#77, netbox ansible_modules#562, #616: "2.00" against 2, 8 against "8".
#[test]
fn numbers_compare_by_value_however_they_are_written() {
    same("cpus: 2", "cpus: '2.00'");
    same("cpus: '8'", "cpus: 8");
    assert_eq!(paths("cpus: 8", "cpus: '8.5'"), ["attributes.cpus → 8.5"]);
}

// ansible_modules PR#1571, nautobot-ansible#526: the order of a list that is a set.
#[test]
fn the_order_of_a_set_does_not_matter_and_that_of_another_list_does() {
    same("tags: [a, b, c]", "tags: [c, a, b, a]");
    assert_eq!(paths("tags: [a, b]", "tags: [c, a]"), ["attributes.tags → [\"a\",\"c\"]"]);
    assert_eq!(paths("steps: [a, b]", "steps: [b, a]"), ["attributes.steps → [\"b\",\"a\"]"]);
}

// ansible_modules PR#839: null, empty and absent.
#[test]
fn null_empty_and_absent_are_one() {
    for nothing in ["note: null", "note: ''", "note: []", "note: {}", "other: 1"] {
        same("note: x", nothing);
        same(nothing, "note: x");
    }
}

// netboxlabs/diode#373: case and punctuation of MAC addresses gave a phantom update.
#[test]
fn mac_addresses_compare_in_any_case_and_punctuation() {
    same("macAddresses: [00-50-56-AB-CD-EF, '0050.56ab.cd01']", "macAddresses: ['00:50:56:ab:cd:01', '00:50:56:ab:cd:ef']");
}

// openshift/assisted-service#10340: IPv6 spelling gave an endless loop.
#[test]
fn ip_addresses_compare_in_any_spelling() {
    same("ipAddresses: ['2001:DB8:0:0::1', 10.0.0.1]", "ipAddresses: [10.0.0.1, '2001:db8::1', 'not an address']");
}

// bb-Ricardo/netbox-sync#21, #29: full name against short name, upper against lower case.
#[test]
fn host_names_compare_short_or_full_in_any_case() {
    same("hostName: DB-1", "hostName: db-1.example.com.");
    assert_eq!(paths("hostName: db-1.example.com", "hostName: db-1.example.org"), ["attributes.hostName → db-1.example.org"]);
}

// oshi#733: 2019 reported as 2016. xen-orchestra#6987: "…2019 Standard|C:\Windows|…".
#[test]
fn operating_systems_compare_by_name_without_the_path_and_by_version() {
    same(
        r"os: {name: Windows Server 2019 Standard, version: '10.0'}",
        r"os: {name: 'windows server 2019 standard|C:\Windows|\Device\Harddisk0\Partition4', version: 10.0}",
    );
    assert_eq!(paths("os: {name: Windows Server 2019}", "os: {name: Windows Server 2016}"), ["attributes.os.name → Windows Server 2016"]);
    same("os: {version: '12'}", "os: {version: v12.0}");
    assert_eq!(paths("os: {name: debian, version: '1.10'}", "os: {name: Debian, version: '1.9'}"), ["attributes.os.version → 1.9"]);
}

// glpi PR#11074, fusioninventory#1350: volatile attributes (free disk, uptime, USB) as drift.
#[test]
fn volatile_attributes_are_not_compared() {
    same(
        "uptime: 10, freeDisk: 1Gi, usb: [a], disks: [{name: a, size: 1Gi, free: 1Gi}]",
        "uptime: 20, freeDisk: 2Gi, usb: [b], disks: [{name: a, size: 1Gi, free: 0}]",
    );
}

// argo-cd#15898: defaults filled in by a server shown as drift. argo-cd#28724: a diff that is blank.
#[test]
fn what_a_server_fills_in_is_not_drift_and_every_finding_shows_two_different_sides() {
    same("os: {name: debian}", "os: {name: debian, version: '12', kernel: '6.1'}, cpus: 4, tags: [default]");
    for finding in compared("cpus: 4, memory: 1Gi, tags: [a, b], os: {name: a}", "cpus: 5, memory: 1.5Gi, tags: [b], os: {name: b}") {
        assert_ne!(finding.declared, finding.discovered, "{}", finding.key);
    }
}

// argo-cd#9678, #26588: a rule to ignore one thing also blocked real changes.
#[test]
fn a_path_to_ignore_hides_itself_and_what_is_below_it_and_nothing_else() {
    let changed = |ignore: &str| {
        let declared =
            format!("identifiers: {{bios/uuid: u-1}}, attributes: {{os: {{name: a, version: '1'}}, osImage: x, tags: [a]}}, onDrift: {{ignore: [{ignore}]}}");
        keys(
            &[item("a", &declared), source("s", "")],
            vec![answer("s", &["name: a, identifiers: {bios/uuid: u-1}, attributes: {os: {name: b, version: '2'}, osImage: y, tags: [b]}"])],
        )
    };
    let all = ["changed/a/attributes.os.name", "changed/a/attributes.os.version", "changed/a/attributes.osImage", "changed/a/attributes.tags"];
    assert_eq!(changed(""), all);
    assert_eq!(changed("attributes.os.version"), [all[0], all[2], all[3]]);
    assert_eq!(changed("attributes.os"), [all[2], all[3]]);
    assert_eq!(changed("attributes.tags"), all[..3]);
    assert_eq!(changed("attributes.o, os, tags"), all);
    assert_eq!(changed("attributes"), Vec::<String>::new());
}

// terraform#28803, #29808: "almost always noise".
#[test]
fn an_estate_that_is_as_declared_has_no_finding_whatever_else_the_sources_say() {
    let declared = "identifiers: {bios/uuid: U-1}, attributes: {cpus: 4, memory: 16Gi, os: {name: Debian, version: 12}, macAddresses: [00-50-56-AB-CD-EF]}";
    let found = "name: A, key: vm-7, identifiers: {bios/uuid: u-1, vsphere/instance-uuid: i-1}, attributes: {cpus: '4', memory: 16384Mi, os: {name: debian, version: '12.0', \
                 kernel: '6'}, macAddresses: ['00:50:56:ab:cd:ef'], uptime: 1, load: 0.3, extra: {deep: [1]}}, relations: [{type: RunsOn, to: somewhere}]";
    assert_eq!(keys(&[item("a", declared), source("s", "")], vec![answer("s", &[found])]), Vec::<String>::new());
}

// Exact text match of configuration: `int g0/0` is `interface GigabitEthernet0/0`.
#[test]
fn the_configuration_of_a_network_device_compares_by_what_its_lines_mean() {
    let (classes, problems) = bowline::estate::Classes::resolve(&[]);
    assert!(problems.is_empty());
    let rules = &classes.get("network-device").unwrap().rules;
    let configuration = |text: &str| Value::Map([("configuration", Value::from(text))].into_iter().collect());
    let same = |one: &str, other: &str| bowline::drift::compare::equal(rules, &configuration(one), &configuration(other));
    assert!(same("interface GigabitEthernet0/0\n  shutdown", "!\nint g0/0\nshut"));
    assert!(!same("interface GigabitEthernet0/0\n  shutdown", "int g0/0\nno shut"));
}

#[test]
fn text_of_which_no_class_says_more_is_compared_exactly_and_shown_on_both_sides() {
    let told = compared("configuration: interface GigabitEthernet0/0", "configuration: int g0/0");
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].declared, &told[0].discovered), (&Value::from("interface GigabitEthernet0/0"), &Value::from("int g0/0")));
    assert_eq!(told[0].rule, "configuration is compared as it is written; its class names no other meaning");
}

#[test]
fn a_finding_says_where_what_who_and_by_which_rule() {
    let told = compared("cpus: 4,\n  memory: 16Gi", "memory: 8192Mi");
    let finding = &told[0];
    assert_eq!(
        (&*finding.key, finding.kind, finding.severity, finding.action),
        ("changed/a/attributes.memory", FindingKind::Changed, Severity::Medium, OnDrift::Report)
    );
    let place = finding.at.as_ref().unwrap();
    assert_eq!((&*place.file, place.line, place.column), ("estate.yaml", 5, 11));
    assert_eq!((finding.source.as_deref(), finding.rule.as_str()), (Some("s"), "compare: Quantity"));
    assert_eq!(finding.message, "The memory of a is 8Gi, declared is 16Gi.");
    assert_eq!(finding.evidence.iter().map(|place| &**place).collect::<Vec<_>>(), ["s.json: a"]);
    assert_eq!(finding.seen, Some("2026-11-24T23:00:00Z".parse().unwrap()));
}

#[test]
fn a_fingerprint_changes_with_what_is_there_and_not_with_how_it_is_written() {
    let print = |declared: &str, found: &str| compared(declared, found)[0].fingerprint.clone();
    assert_eq!(print("memory: 16Gi", "memory: 8192Mi"), print("memory: 16384Mi", "memory: 8Gi"));
    assert_ne!(print("memory: 16Gi", "memory: 8Gi"), print("memory: 16Gi", "memory: 4Gi"));
    assert_eq!(print("tags: [a, b]", "tags: [c, a]"), print("tags: [b, a]", "tags: [a, c]"));
}

#[test]
fn a_sensitive_value_shows_that_it_differs_and_never_what_it_is() {
    let told = compared("adminPassword: correct-horse, password: {of: {db: tr0ub4dor}}", "adminPassword: battery-staple, password: {of: {db: hunter2-x}}");
    assert_eq!(told.iter().map(|finding| &*finding.key).collect::<Vec<_>>(), ["changed/a/attributes.adminPassword", "changed/a/attributes.password"]);
    let text = serde_json::to_string(&told).unwrap() + &format!("{told:?}");
    for secret in ["correct-horse", "battery-staple", "tr0ub4dor", "hunter2"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!((&told[0].declared, &told[0].discovered), (&Value::from("(sensitive)"), &Value::from("(sensitive)")));
    assert_ne!(told[0].fingerprint, compared("adminPassword: correct-horse", "adminPassword: other")[0].fingerprint);
}

#[test]
fn the_nearest_says_what_to_do() {
    let action = |on_drift: &str, of_class: &str, of_estate: &str| {
        let class = class(
            "box",
            &format!(
                "{of_class} attributes: {{properties: {{os: {{properties: {{version: {{x-bowline: {{compare: Version, descriptive: true}}}}}}}}}}}}, identification: [{{identifiers: [id]}}]"
            ),
        );
        let declared = format!("class: box, identifiers: {{id: '1'}}, attributes: {{os: {{version: '1'}}}}{on_drift}");
        let estate = estate(&[settings(of_estate), class, item("a", &declared), source("s", "")]);
        let findings = findings(&estate, &discovered(vec![answer("s", &["name: a, class: box, identifiers: {id: '1'}, attributes: {os: {version: '2'}}"])]));
        assert_eq!(findings.len(), 1, "{:?}", estate.diagnostics);
        assert_eq!(findings[0].severity, Severity::Low);
        findings[0].action
    };
    assert_eq!(action("", "", ""), OnDrift::Adopt, "descriptive");
    assert_eq!(action("", "", "onDrift: {default: Report}"), OnDrift::Report);
    assert_eq!(action("", "", "onDrift: {default: Report, attributes: {os: Enforce}}"), OnDrift::Enforce);
    assert_eq!(action("", "onDrift: Adopt,", "onDrift: {default: Report, attributes: {os: Enforce}}"), OnDrift::Adopt);
    assert_eq!(action(", onDrift: {default: Enforce}", "onDrift: Adopt,", ""), OnDrift::Enforce);
    assert_eq!(action(", onDrift: {default: Enforce, attributes: {os: Report}}", "onDrift: Adopt,", ""), OnDrift::Report);
    assert_eq!(action(", onDrift: {attributes: {os: Report, os.version: Enforce, os.versions: Adopt}}", "", ""), OnDrift::Enforce);
}

#[test]
fn relations_differ_by_type_and_only_where_that_type_is_declared_and_reported() {
    let documents = |relations: &str| {
        vec![
            item("a", &format!("identifiers: {{bios/uuid: u-1}}, relations: [{relations}]")),
            item("c-1", "class: cluster, identifiers: {vsphere/cluster: one}, lifecycle: Deploying"),
            item("c-2", "class: cluster, identifiers: {vsphere/cluster: two}, lifecycle: Deploying"),
            source("s", ""),
        ]
    };
    let told = |declared: &str, found: &str| {
        let seen = format!("name: a, identifiers: {{bios/uuid: u-1}}, relations: [{found}]");
        findings(&estate(&documents(declared)), &discovered(vec![answer("s", &[&seen])]))
            .iter()
            .map(|finding| format!("{}: {} → {}", finding.key, finding.declared, finding.discovered))
            .collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    let one = "{type: RunsOn, to: c-1}";
    assert_eq!(told(one, "{type: RunsOn, to: {identifiers: {vsphere/cluster: one}}}, {type: UsedBy, to: x}"), none);
    assert_eq!(told(one, "{type: RunsOn, to: c-1}"), none);
    assert_eq!(told(one, ""), none, "a source that does not speak of it");
    assert_eq!(told("", one), none, "nothing declared");
    assert_eq!(told(one, "{type: RunsOn, to: {identifiers: {vsphere/cluster: two}}}"), ["relation/a/relations.RunsOn: c-1 → c-2"]);
    assert_eq!(told(one, "{type: RunsOn, to: {identifiers: {vsphere/cluster: three}}}"), ["relation/a/relations.RunsOn: c-1 → vsphere/cluster three"]);
    assert_eq!(told(one, "{type: RunsOn, to: {identifiers: {other/id: '3'}}}"), none, "may be the declared one");
    assert_eq!(told(one, "{type: RunsOn, to: c-1}, {type: RunsOn, to: c-2}"), ["relation/a/relations.RunsOn: c-1 → [\"c-1\",\"c-2\"]"]);
}

#[test]
fn a_relation_is_to_the_item_that_its_source_means_whatever_it_calls_it() {
    let documents = [
        item("a", "identifiers: {bios/uuid: u-1}, relations: [{type: RunsOn, to: c-1}]"),
        item("c-1", "class: cluster, identifiers: {vsphere/cluster: one}"),
        source("s", ""),
        source("t", ""),
    ];
    let told = |s: &[&str], t: &[&str], to: &str| {
        let machine = format!("name: A, identifiers: {{bios/uuid: u-1}}, relations: [{{type: RunsOn, to: {to}}}]");
        let mut said = vec![machine.as_str()];
        said.extend(s);
        let found = findings(&estate(&documents), &discovered(vec![answer("s", &said), answer("t", t)]));
        found.iter().filter(|finding| finding.kind == bowline::drift::FindingKind::Relation).map(|finding| finding.discovered.to_string()).collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    let cluster = "class: cluster, name: Cluster A, identifiers: {vsphere/cluster: one, t/id: '7'}";
    let other = "class: cluster, name: Cluster A, identifiers: {vsphere/cluster: two}";
    assert_eq!(told(&[cluster], &[], "Cluster A"), none, "the source's own name for it");
    assert_eq!(told(&[], &[cluster], "Cluster A"), none, "another source's, as nothing else has it");
    assert_eq!(told(&[cluster], &[other], "Cluster A"), none, "of two, the source's own");
    assert_eq!(told(&[cluster, other], &[], "Cluster A"), ["Cluster A"], "it may be either");
    assert_eq!(told(&[], &[cluster], "{identifiers: {t/id: '7'}}"), none, "an identifier that only a source knows");
    assert_eq!(told(&[other], &[], "Cluster A"), ["Cluster A"], "what nobody declared");
}
