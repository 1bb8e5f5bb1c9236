//! What a device is.

use std::net::IpAddr;

use bowline::api::Value;
use bowline::credentials::snmp::{Authentication, Privacy};
use bowline::discovery::{Observation, Target};
use serde_json::json;

use super::{at, community, observe, user};
use crate::peers::snmpd::{Snmpd, entities, lldp};

const SWITCH: &str = "sysName SW-1.example.com\nsysLocation Basel, rack 4\nsysObjectID .1.3.6.1.4.1.9.1.1208\nsysDescr Cisco IOS Software\n";
const OWN: &str = "00 1b 21 ab cd 01";
const OTHER: &str = "00 1b 21 ab cd 02";

fn text(item: &Observation, name: &str) -> String {
    item.attributes.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_device_is_known_by_its_serial_number_its_engine_its_chassis_and_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), SWITCH, &(entities("FOC1234X0YZ") + &lldp(OWN, OTHER, "sw-2"))) else { return };
    let answer = observe(&at(&[agent.port]), community()).await;
    assert!(answer.complete, "{:?}", answer.error);
    let [item] = answer.items.as_slice() else { panic!("{answer:?}") };
    assert_eq!((&*item.key, &*item.class, &*item.name), (&*format!("127.0.0.1:{}", agent.port), "network-device", "SW-1.example.com"));
    let identifier = |name: &str| item.identifiers.get(name).map(ToString::to_string);
    assert_eq!(identifier("serial/number").as_deref(), Some("FOC1234X0YZ"));
    assert_eq!(identifier("chassis/mac").as_deref(), Some("00:1b:21:ab:cd:01"));
    assert_eq!(identifier("dns/fqdn").as_deref(), Some("sw-1.example.com"));
    // The enterprise number of net-snmp, with the bit that says how the rest is made.
    assert!(identifier("snmp/engine-id").unwrap().starts_with("80001f88"), "{:?}", item.identifiers);
    for (name, value) in [
        ("manufacturer", "Cisco Systems"),
        ("model", "WS-C2960X-48TS-L"),
        ("serial", "FOC1234X0YZ"),
        ("location", "Basel, rack 4"),
        ("systemDescription", "Cisco IOS Software"),
        ("objectId", "1.3.6.1.4.1.9.1.1208"),
        ("managementAddress", "127.0.0.1"),
        ("fqdn", "sw-1.example.com"),
    ] {
        assert_eq!(text(item, name), value, "{name}");
    }
    assert_eq!(item.attributes.get("os").and_then(|os| os.at("version")).and_then(Value::as_str), Some("15.2(2)E6"));
    let modules = json!([{"name": "PSU A", "kind": "PowerSupply", "serial": "P-FOC1234X0YZ"}]);
    assert_eq!(item.attributes.get("modules").unwrap().to_json(), modules);
    let neighbors = json!([{"interface": "Gi0/1", "chassis": "00:1b:21:ab:cd:02", "name": "sw-2", "port": "Te1/1"}]);
    assert_eq!(item.attributes.get("neighbors").unwrap().to_json(), neighbors);
}

/// The agent runs on this machine, so what it says of interfaces can be held against the machine itself.
#[tokio::test]
async fn interfaces_and_addresses_are_those_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), SWITCH, "") else { return };
    let answer = observe(&at(&[agent.port]), community()).await;
    let item = &answer.items[0];
    let listed = item.attributes.get("interfaces").and_then(Value::as_list).unwrap();
    let mut names: Vec<String> = listed.iter().map(|one| one.at("name").and_then(Value::as_str).unwrap().to_owned()).collect();
    names.sort();
    let mut own: Vec<String> = std::fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    own.retain(|name| std::path::Path::new("/sys/class/net").join(name).join("address").exists());
    own.sort();
    assert_eq!(names, own);
    for one in listed {
        let name = one.at("name").and_then(Value::as_str).unwrap();
        let address = std::fs::read_to_string(format!("/sys/class/net/{name}/address")).unwrap();
        let expected = Some(address.trim()).filter(|address| *address != "00:00:00:00:00:00" && address.len() == 17);
        assert_eq!(one.at("mac").and_then(Value::as_str), expected, "{name}");
    }
    let addresses = item.attributes.get("ipAddresses").and_then(Value::as_list).unwrap_or_default();
    assert!(addresses.iter().all(|address| !address.as_str().unwrap().parse::<IpAddr>().unwrap().is_loopback()), "{addresses:?}");
}

#[tokio::test]
async fn version_3_asks_as_a_user_with_the_agents_protocols() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), SWITCH, &entities("FOC1")) else { return };
    for (name, authentication, privacy) in [
        ("private", Authentication::Sha256, Some(Privacy::Aes128)),
        ("old", Authentication::Sha1, Some(Privacy::Aes256)),
        ("open", Authentication::Sha512, None),
    ] {
        let answer = observe(&at(&[agent.port]), user(name, authentication, privacy)).await;
        assert!(answer.complete, "{name}: {:?}", answer.error);
        assert_eq!(text(&answer.items[0], "serial"), "FOC1", "{name}");
    }
}

#[tokio::test]
async fn two_devices_that_see_each_other_are_related_by_all_that_identifies_them() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(first) = Snmpd::start(one.path(), "sysName sw-1\n", &(entities("FOC1") + &lldp(OWN, OTHER, "sw-2"))) else { return };
    let Some(second) = Snmpd::start(two.path(), "sysName sw-2\n", &(entities("FOC2") + &lldp(OTHER, OWN, "sw-1"))) else { return };
    let answer = observe(&at(&[first.port, second.port]), community()).await;
    assert!(answer.complete, "{:?}", answer.error);
    assert_eq!(answer.items.iter().map(|item| &*item.name).collect::<Vec<_>>(), ["sw-1", "sw-2"]);
    for (item, other) in [(0, 1), (1, 0)] {
        let [relation] = answer.items[item].relations.as_slice() else { panic!("{:?}", answer.items[item].relations) };
        assert_eq!((&*relation.kind, &relation.to), ("ConnectsTo", &Target::Identifiers(answer.items[other].identifiers.clone())));
    }
}

#[tokio::test]
async fn only_the_tables_that_are_named_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), SWITCH, &(entities("FOC1") + &lldp(OWN, OTHER, "sw-2"))) else { return };
    let spec = format!("{{targets: ['127.0.0.1:{}'], credentials: switches, tables: [Entities], class: load-balancer, network: basel}}", agent.port);
    let answer = observe(&spec, community()).await;
    let item = &answer.items[0];
    assert_eq!((&*item.class, &*text(item, "network"), &*text(item, "serial")), ("load-balancer", "basel", "FOC1"));
    assert!(item.relations.is_empty() && !item.attributes.contains("interfaces") && !item.attributes.contains("ipAddresses"));
}

/// Two answers of an unchanged device are the same to the byte.
#[tokio::test]
async fn what_does_not_change_is_told_alike() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), SWITCH, &(entities("FOC1") + &lldp(OWN, OTHER, "sw-2"))) else { return };
    let spec = at(&[agent.port]);
    assert_eq!(observe(&spec, community()).await, observe(&spec, community()).await);
}
