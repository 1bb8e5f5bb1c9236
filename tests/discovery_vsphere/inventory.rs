//! What is found of a whole vCenter, in how many calls.

use bowline::api::Value;
use bowline::discovery::{Observation, Target};
use serde_json::{Value as Json, json};

use crate::asking::{ask, ask_for, complete, incomplete, named, of_class};
use crate::peers::vcsim::Vcsim;

/// The instance UUID of every vCenter that the simulator makes up.
const VCENTER: &str = "5908673b-4a01-536b-b4f2-5c7344742418";

fn machines() -> Json {
    json!([
        {"name": "pay-db-01", "instanceUuid": "5030c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a11", "biosUuid": "4230c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a11", "cpus": 4,
         "coresPerSocket": 2, "memoryMiB": 16384, "diskGiB": [40, 100], "macs": ["00:50:56:aa:00:01"], "hostName": "pay-db-01.example.com",
         "addresses": ["10.1.0.5", "fe80::250:56ff:feaa:1"], "guest": "Debian GNU/Linux 12 (64-bit)", "cpuHotAdd": true, "memoryHotAdd": true},
        {"name": "off", "instanceUuid": "5030c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a12", "memoryMiB": 2048, "macs": ["00:50:56:aa:00:02"], "poweredOff": true},
        {"name": "golden", "instanceUuid": "5030c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a13", "macs": ["00:50:56:aa:00:03"], "template": true}
    ])
}

fn attribute(observation: &Observation, path: &str) -> Json {
    Value::Map(observation.attributes.clone()).at(path).map_or(Json::Null, Value::to_json)
}

/// The names of the other ends of its relations of a type.
fn related<'a>(answer: &'a bowline::discovery::Answer, observation: &Observation, kind: &str) -> Vec<&'a str> {
    let of_kind = observation.relations.iter().filter(|relation| &*relation.kind == kind);
    let targets = of_kind.filter_map(|relation| {
        let Target::Identifiers(to) = &relation.to else { return None };
        answer.items.iter().find(|item| item.identifiers.get("vsphere/moref") == to.get("vsphere/moref"))
    });
    targets.map(|target| &*target.name).collect()
}

#[test]
fn a_thousand_virtual_machines_are_read_in_one_pass_and_none_by_itself() {
    let Some(vcsim) = Vcsim::start(1000) else { return };
    let answer = ask(&vcsim);
    complete(&answer);
    let found = of_class(&answer, "virtual-machine");
    assert_eq!(found.len(), 1000);
    assert!(found.iter().all(|one| one.identifiers.contains("vsphere/instance-uuid") && one.identifiers.contains("bios/uuid")));
    assert!(found.iter().all(|one| !attribute(one, "macAddresses").is_null() && attribute(one, "powerState") == "poweredOn"));
    let calls = vcsim.calls();
    let begun = ["RetrieveServiceContent", "Login", "CreateContainerView", "RetrievePropertiesEx"];
    assert_eq!(calls[..4], begun, "{calls:?}");
    let pages = calls.iter().filter(|call| *call == "ContinueRetrievePropertiesEx").count();
    assert!((4..=5).contains(&pages), "1,000 machines and some twenty other objects in pages of 250: {calls:?}");
    assert_eq!(calls.last().map(String::as_str), Some("Logout"));
    assert_eq!((calls.len(), vcsim.sessions()), (begun.len() + pages + 1, 0), "{calls:?}");
}

#[test]
fn a_virtual_machine_has_its_identifiers_attributes_and_relations() {
    let Some(vcsim) = Vcsim::holding(&machines()) else { return };
    let answer = ask(&vcsim);
    complete(&answer);
    let one = named(&answer, "pay-db-01");
    assert_eq!((&*one.class, &**one.labels.get("datacenter").unwrap()), ("virtual-machine", "DC0"));
    let moref = format!("{VCENTER}/{}", one.key);
    for (name, expected) in [
        ("vsphere/instance-uuid", "5030c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a11"),
        ("bios/uuid", "4230c1a0-7b1e-4c2f-9f6e-0d6c1b7f2a11"),
        ("vsphere/moref", &moref),
        ("dns/fqdn", "pay-db-01.example.com"),
    ] {
        assert_eq!(one.identifiers.get(name).map(|value| &**value), Some(expected), "{name}");
    }
    for (path, expected) in [
        ("cpus", json!(4)),
        ("coresPerSocket", json!(2)),
        ("memory", json!("16384Mi")),
        ("disk", json!("143360Mi")),
        ("macAddresses", json!(["00:50:56:aa:00:01"])),
        ("ipAddresses", json!(["10.1.0.5"])),
        ("os", json!({"name": "Debian GNU/Linux", "version": "12"})),
        ("hotAdd", json!({"cpu": true, "cpuRemove": false, "memory": true, "memoryStep": "128Mi", "memoryLimit": "262144Mi"})),
        ("powerState", json!("poweredOn")),
        ("toolsStatus", json!("guestToolsRunning")),
        ("template", json!(false)),
        ("cluster", json!("DC0_C0")),
    ] {
        assert_eq!(attribute(one, path), expected, "{path}");
    }
    assert_eq!(related(&answer, one, "RunsOn"), ["DC0_C0"]);
    assert_eq!(related(&answer, one, "ConnectsTo"), ["DC0_DVPG0"]);
    assert!(related(&answer, named(&answer, "LocalDS_0"), "UsedBy").contains(&"pay-db-01"));
}

#[test]
fn what_does_not_run_says_so_and_a_template_is_marked() {
    let Some(vcsim) = Vcsim::holding(&machines()) else { return };
    let answer = ask(&vcsim);
    complete(&answer);
    let off = named(&answer, "off");
    assert_eq!((attribute(off, "powerState"), attribute(off, "ipAddresses"), attribute(off, "hostName")), (json!("poweredOff"), Json::Null, Json::Null));
    assert_eq!(attribute(off, "macAddresses"), json!(["00:50:56:aa:00:02"]), "the card is configured, whether it runs or not");
    let golden = named(&answer, "golden");
    assert_eq!((attribute(golden, "template"), attribute(golden, "macAddresses")), (json!(true), Json::Null));
    assert!(golden.relations.is_empty() && golden.identifiers.contains("vsphere/instance-uuid"));
}

#[test]
fn hosts_clusters_datastores_and_networks_are_found_and_hang_together() {
    let Some(vcsim) = Vcsim::with(&["--vms", "1", "--standalone", "1", "--datastores", "2"]) else { return };
    let answer = ask(&vcsim);
    complete(&answer);
    let names = |class: &str| of_class(&answer, class).iter().map(|item| &*item.name).collect::<Vec<_>>();
    assert_eq!(names("hypervisor"), ["DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2", "DC0_H0"]);
    assert_eq!((names("cluster"), names("datastore")), (vec!["DC0_C0"], vec!["LocalDS_0", "LocalDS_1"]));
    assert_eq!(names("network"), ["DC0_DVPG0", "VM Network"], "what leads to the physical switch is no network of machines");
    assert_eq!(related(&answer, named(&answer, "DC0_C0_H0"), "MemberOf"), ["DC0_C0"]);
    assert!(named(&answer, "DC0_H0").relations.is_empty());
    assert_eq!(related(&answer, named(&answer, "DC0_H0_VM0"), "RunsOn"), ["DC0_H0"]);
    assert_eq!(attribute(named(&answer, "DC0_C0"), "hosts"), json!(["DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2"]));
    let host = named(&answer, "DC0_H0");
    for path in ["manufacturer", "model", "cpus", "cores", "memory", "version", "build", "macAddresses", "powerState", "maintenanceMode"] {
        assert!(!attribute(host, path).is_null(), "{path} of {host:?}");
    }
    assert!(host.identifiers.contains("bios/uuid") && host.identifiers.contains("vsphere/moref"));
    let store = named(&answer, "LocalDS_0");
    assert!(store.identifiers.contains("vsphere/datastore-url") && !attribute(store, "capacity").is_null());
    assert_eq!(attribute(named(&answer, "DC0_DVPG0"), "type"), "Distributed");
}

#[test]
fn only_the_datacenters_that_are_named_are_asked_for() {
    let Some(vcsim) = Vcsim::with(&["--vms", "2", "--datacenters", "3"]) else { return };
    assert_eq!(of_class(&ask(&vcsim), "virtual-machine").len(), 6);
    vcsim.calls();
    let answer = ask_for(&vcsim, ", datacenters: [DC1, DC2]");
    complete(&answer);
    let found: Vec<&str> = of_class(&answer, "virtual-machine").iter().map(|item| &*item.name).collect();
    assert_eq!(found, ["DC1_C0_RP0_VM0", "DC1_C0_RP0_VM1", "DC2_C0_RP0_VM0", "DC2_C0_RP0_VM1"]);
    assert!(answer.items.iter().all(|item| item.labels.get("datacenter").is_some_and(|name| &**name != "DC0")), "{:?}", answer.items);
    assert_eq!(vcsim.calls().iter().filter(|call| *call == "RetrievePropertiesEx").count(), 2, "the datacenters, and all that is in them");
    let answer = ask_for(&vcsim, ", datacenters: [DC1, Geneva]");
    incomplete(&answer, &["no datacenter `Geneva`"]);
    assert_eq!(of_class(&answer, "virtual-machine").len(), 2, "what there is of it stays");
    let answer = ask_for(&vcsim, ", datacenters: [Geneva]");
    incomplete(&answer, &["no datacenter `Geneva`"]);
    assert!(answer.items.is_empty());
}

#[test]
fn a_single_host_that_no_vcenter_manages_answers_too() {
    let Some(vcsim) = Vcsim::with(&["--esx", "--vms", "3"]) else { return };
    let answer = ask(&vcsim);
    complete(&answer);
    assert_eq!((of_class(&answer, "virtual-machine").len(), of_class(&answer, "hypervisor").len()), (3, 1));
    let host = of_class(&answer, "hypervisor")[0];
    let board = host.identifiers.get("bios/uuid").unwrap();
    for machine in of_class(&answer, "virtual-machine") {
        assert_eq!(related(&answer, machine, "RunsOn"), [&*host.name]);
        assert!(machine.identifiers.get("vsphere/moref").unwrap().starts_with(&**board), "the board stands for the vCenter");
    }
}
