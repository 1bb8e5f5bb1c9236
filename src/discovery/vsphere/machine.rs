//! What a virtual machine means. Pure.
//!
//! A template is a virtual machine that cannot be started. It is kept, marked with `template: true`, because it is there and holds its identifiers
//! and its disks. But it runs nowhere and has no addresses: what its guest last said of itself is true of every machine that is made from it.

use serde_json::Value as Json;

use super::found::{Found, Link};
use super::object::{Object, identifiers, is_fqdn, is_lasting, map, os, set, size, table, text_of};
use crate::api::{Text, Value, intern};
use crate::discovery::Observation;

/// What is asked of virtual machines.
pub(super) const ASKED: &[&str] = &[
    "name",
    "parent",
    "config.instanceUuid",
    "config.uuid",
    "config.template",
    "config.version",
    "config.firmware",
    "config.guestFullName",
    "config.hardware.numCPU",
    "config.hardware.numCoresPerSocket",
    "config.hardware.memoryMB",
    "config.hardware.device",
    "config.cpuHotAddEnabled",
    "config.cpuHotRemoveEnabled",
    "config.memoryHotAddEnabled",
    "config.hotPlugMemoryIncrementSize",
    "config.hotPlugMemoryLimit",
    "guest.hostName",
    "guest.guestFullName",
    "guest.ipAddress",
    "guest.net",
    "guest.toolsRunningStatus",
    "guest.toolsVersion",
    "runtime.host",
    "runtime.powerState",
    "runtime.connectionState",
    "datastore",
    "network",
];

/// A virtual machine.
pub(super) fn machine(object: &Object) -> Found {
    let is_template = object.at("config.template").and_then(Json::as_bool) == Some(true);
    let host_name = object.text("guest.hostName").filter(|_| !is_template);
    let devices = object.list("config.hardware.device");
    let disks: Vec<&Json> = devices.iter().filter(|device| text_of(device, "_typeName") == "VirtualDisk").collect();
    let macs = devices.iter().map(|device| text_of(device, "macAddress")).filter(|_| !is_template);
    let attributes = table([
        ("template", object.truth("config.template")),
        ("cpus", object.numbered("config.hardware.numCPU")),
        ("coresPerSocket", object.numbered("config.hardware.numCoresPerSocket")),
        ("memory", object.mebibytes("config.hardware.memoryMB")),
        ("hotAdd", hot_add(object)),
        ("disks", disks.iter().filter_map(|disk| one_disk(disk)).collect()),
        ("disk", disks.iter().map(|disk| capacity(disk)).sum::<Option<u64>>().filter(|bytes| *bytes > 0).map_or(Value::Null, size)),
        ("macAddresses", set(macs)),
        ("ipAddresses", if is_template { Value::Null } else { addresses(object) }),
        ("hostName", host_name.map_or(Value::Null, Value::from)),
        ("fqdn", host_name.filter(|name| is_fqdn(name)).map_or(Value::Null, Value::from)),
        ("os", os(object.text("guest.guestFullName").filter(|_| !is_template).or_else(|| object.text("config.guestFullName")))),
        ("firmware", map([("mode", object.texted("config.firmware"))])),
        ("hardwareVersion", object.texted("config.version")),
        ("powerState", object.texted("runtime.powerState")),
        ("connectionState", object.texted("runtime.connectionState")),
        ("toolsStatus", object.texted("guest.toolsRunningStatus")),
        // 0: none are installed.
        ("toolsVersion", object.text("guest.toolsVersion").filter(|version| *version != "0").map_or(Value::Null, Value::from)),
    ]);
    let identifiers = identifiers([
        ("vsphere/instance-uuid", object.text("config.instanceUuid")),
        ("bios/uuid", object.text("config.uuid")),
        ("dns/fqdn", host_name.filter(|name| is_fqdn(name))),
    ]);
    let id: Text = object.itself.id.clone();
    let name = object.name().unwrap_or_else(|| id.clone());
    let observation = Observation { key: id, class: intern("virtual-machine"), name, identifiers, attributes, ..Observation::default() };
    Found { observation, links: if is_template { Vec::new() } else { links(object) }, ..Found::new(object) }
}

fn links(object: &Object) -> Vec<Link> {
    let host = object.reference("runtime.host").map(Link::RunsOn);
    let stores = object.references("datastore").map(Link::StoredIn);
    host.into_iter().chain(stores).chain(object.references("network").map(Link::ConnectsTo)).collect()
}

/// What may be changed of it while it runs. The memory grows in steps, up to a limit; without hot-add vSphere says nothing of these.
fn hot_add(object: &Object) -> Value {
    map([
        ("cpu", object.truth("config.cpuHotAddEnabled")),
        ("cpuRemove", object.truth("config.cpuHotRemoveEnabled")),
        ("memory", object.truth("config.memoryHotAddEnabled")),
        ("memoryStep", object.mebibytes("config.hotPlugMemoryIncrementSize")),
        ("memoryLimit", object.mebibytes("config.hotPlugMemoryLimit")),
    ])
}

fn one_disk(disk: &Json) -> Option<Value> {
    let label = disk.pointer("/deviceInfo/label").and_then(Json::as_str).filter(|label| !label.is_empty())?;
    Some(map([("name", Value::from(label)), ("size", size(capacity(disk)?))]))
}

/// In bytes; servers before 5.5 say it in KiB alone.
fn capacity(disk: &Json) -> Option<u64> {
    let number = |field: &str| disk.get(field).and_then(Json::as_u64).filter(|number| *number > 0);
    number("capacityInBytes").or_else(|| number("capacityInKB")?.checked_mul(1024))
}

/// The addresses of its own network cards; those of bridges and containers inside of it have no card.
fn addresses(object: &Object) -> Value {
    let of_cards = object.list("guest.net").iter().filter(|card| card.get("deviceConfigId").and_then(Json::as_i64).is_none_or(|id| id >= 0));
    let all = of_cards.flat_map(|card| card.get("ipAddress").and_then(Json::as_array).into_iter().flatten()).filter_map(Json::as_str);
    let primary = object.text("guest.ipAddress");
    set(all.chain(primary).filter(|address| is_lasting(address)))
}
