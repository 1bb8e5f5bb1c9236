//! A made-up estate as several sources see it: its clusters, hosts and machines, with what goes wrong in real ones. The same
//! number gives the same world.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::arbitrary::ODD;
use crate::support::Place;

/// How a world is made.
pub struct Plan {
    /// Virtual machines.
    pub machines: usize,
    /// Every so many machines, two sources give another memory.
    pub disputed: usize,
    /// Every so many, a second machine has the serial number of the one before.
    pub shared: usize,
    /// Every so many, one source lists the machine twice under one identity.
    pub cloned: usize,
}

pub const SOURCES: &str = "\
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {name: vcenter}
spec:
  file: {path: observed/vcenter.ndjson}
  scope: {classes: [virtual-machine, hypervisor, cluster]}
---
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {name: netbox}
spec:
  file: {path: observed/netbox.json}
  scope: {classes: [virtual-machine]}
---
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {name: veeam}
spec:
  file: {path: observed/veeam.csv}
  map:
    class: '\"virtual-machine\"'
    key: .id
    name: .host
    identifiers: {veeam/client: .id, dns/fqdn: .host}
    attributes: {timeZone: .zone}
  mayInsert: false
";

pub fn uuid(number: usize) -> String {
    format!("5030c1a0-7b1e-4c2f-9f6e-{number:012x}")
}

fn cluster(number: usize) -> Value {
    json!({"class": "cluster", "key": format!("domain-c{number}"), "name": format!("Cluster {number}"), "identifiers": {"vsphere/cluster": format!("domain-c{number}")},
        "attributes": {"highAvailability": true, "freeMemory": "17Gi"}})
}

fn host(number: usize, clusters: usize) -> Value {
    json!({"class": "hypervisor", "key": format!("host-{number}"), "name": format!("esx-{number}.example.com"),
        "identifiers": {"vsphere/host": format!("host-{number}"), "serial/number": format!("CZ34{number:06}"), "dns/fqdn": format!("ESX-{number}.example.com.")},
        "attributes": {"memory": "512Gi", "cpus": 64, "manufacturer": "HPE", "uptime": number * 77, "serial": format!("CZ34{number:06}")},
        "relations": [{"type": "MemberOf", "to": format!("Cluster {}", number % clusters)}]})
}

fn name(number: usize) -> String {
    match ODD.get(number % 100) {
        Some(odd) if number < 100 => (*odd).to_owned(),
        _ if number == 99 => "long-".repeat(60),
        _ => format!("vm-{number:05}"),
    }
}

fn machine(number: usize, hosts: usize, plan: &Plan) -> Value {
    let serial = if number % plan.shared == 2 { number - 1 } else { number };
    let mut machine = json!({"class": "virtual-machine", "key": format!("vm-{number}"), "name": name(number),
        "identifiers": {"vsphere/instance-uuid": uuid(number), "dns/fqdn": format!("vm-{number:05}.example.com"), "serial/number": format!("VM42{serial:06}")},
        "attributes": {"memory": format!("{}Mi", 1024 * (1 + number % 16)), "cpus": 1 + number % 8, "powerState": "poweredOn", "uptime": number * 13,
            "ipAddresses": [format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255)], "description": name(number), "adminPassword": "canary-secret",
            "vendorSpecial": number, "os": {"name": "debian"}},
        "labels": {"env": if number.is_multiple_of(3) { "prod" } else { "test" }, "bad label": "x"},
        "relations": [{"type": "RunsOn", "to": {"identifiers": {"vsphere/host": format!("host-{}", number % hosts)}}}, {"type": "UsedBy", "to": "nobody-knows"}]});
    if !number.is_multiple_of(7) {
        machine["owner"] = json!(format!("Team {}", number % 5));
    }
    machine
}

fn record(number: usize, plan: &Plan) -> Value {
    let memory = if number % plan.disputed == 1 { 4_096_000 } else { 1024 * (1 + number % 16) };
    json!({"class": "virtual-machine", "key": (number + 100).to_string(), "name": name(number).replace("vm-", "VM-"),
        "identifiers": {"netbox/virtual-machine": (number + 100).to_string(), "dns/fqdn": format!("VM-{number:05}.Example.com.")},
        "attributes": {"memory": format!("{memory}Mi"), "cpus": (1 + number % 8).to_string(), "os": {"version": "12"}, "lastSeen": "2026-11-24T00:00:00Z"},
        "relations": [{"type": "PartOf", "to": format!("Cluster {}", number % 3)}]})
}

/// Writes the world's sources and what they say; the estate is `bowline init`'s.
pub fn write(place: &Place, plan: &Plan) {
    let hosts = (plan.machines / 20).max(3);
    let clusters = (hosts / 8).max(3);
    let machines = (0..plan.machines).map(|number| machine(number, hosts, plan));
    let all = (0..clusters).map(cluster).chain((0..hosts).map(|number| host(number, clusters))).chain(machines);
    let vcenter = all.fold(String::new(), |mut text, item| {
        let _ = writeln!(text, "{item}");
        text
    });
    let mut netbox: Vec<Value> = (0..plan.machines).filter(|number| number % 10 != 9).map(|number| record(number, plan)).collect();
    for number in (3..plan.machines).step_by(plan.cloned) {
        let mut clone = record(number, plan);
        clone["key"] = json!(format!("clone-{number}"));
        clone["identifiers"]["netbox/virtual-machine"] = json!(format!("clone-{number}"));
        netbox.push(clone);
    }
    // Nothing that anyone could know it by again.
    netbox.push(json!({"class": "virtual-machine", "key": "lost", "name": "lost-and-found"}));
    let mut backup = "id,host,zone\n".to_owned();
    for number in (0..plan.machines).step_by(2) {
        let _ = writeln!(backup, "B{number},vm-{number:05}.example.com,Europe/Zurich");
    }
    backup.push_str("B-gone,gone.example.com,UTC\n");
    place.write("sources/all.yaml", SOURCES);
    place.write("observed/vcenter.ndjson", &vcenter);
    place.write("observed/netbox.json", &serde_json::to_string(&netbox).unwrap());
    place.write("observed/veeam.csv", &backup);
}

/// An estate as `bowline init` writes it, with this world's sources instead of the machine's own.
pub fn found(plan: &Plan) -> Place {
    let place = Place::new();
    place.bowline(&["init", ".", "--name", "found"]).ends_with(0);
    std::fs::remove_file(place.estate().join("sources/this-machine.yaml")).unwrap();
    write(&place, plan);
    place
}
