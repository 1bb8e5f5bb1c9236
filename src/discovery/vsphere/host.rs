//! What hosts, clusters, datastores and networks mean. Pure.

use serde_json::Value as Json;

use super::found::{Found, Link};
use super::object::{Object, identifiers, is_fqdn, is_lasting, map, set, table, text_of};
use crate::api::{Text, Value, intern};
use crate::discovery::Observation;

/// What is asked of hosts. What `vm` names must have been seen.
pub(super) const HOST: &[&str] = &[
    "name",
    "parent",
    "hardware.systemInfo",
    "hardware.cpuInfo.numCpuCores",
    "hardware.cpuInfo.numCpuThreads",
    "hardware.memorySize",
    "summary.config.product",
    "config.network.dnsConfig",
    "config.network.pnic",
    "config.network.vnic",
    "runtime.connectionState",
    "runtime.inMaintenanceMode",
    "runtime.powerState",
    "vm",
];
/// What is asked of clusters, and of what stands for a host that is in none.
pub(super) const COMPUTE: &[&str] = &["name", "parent", "summary.numCpuThreads", "summary.totalMemory"];
/// What is asked of clusters besides.
pub(super) const CLUSTER: &[&str] = &["configuration.dasConfig.enabled", "configuration.drsConfig.enabled"];
/// What is asked of datastores.
pub(super) const DATASTORE: &[&str] = &["name", "parent", "summary.url", "summary.type", "summary.capacity", "summary.freeSpace", "summary.multipleHostAccess"];
/// What is asked of networks.
pub(super) const NETWORK: &[&str] = &["name", "parent"];
/// What is asked of distributed port groups besides.
pub(super) const PORT_GROUP: &[&str] = &["tag", "config.defaultPortConfig"];
/// What is asked of folders and datacenters.
pub(super) const PLACE: &[&str] = &["name", "parent"];

/// The tag of the port groups that lead from a distributed switch to the physical ones: no machine connects to them.
const UPLINKS: &str = "SYSTEM/DVS.UPLINKPG";

/// A machine that runs virtual machines.
pub(super) fn host(object: &Object) -> Found {
    let about = |field: &str| object.at("hardware.systemInfo").map(|info| text_of(info, field)).filter(|text| !text.is_empty());
    let product = |field: &str| object.at("summary.config.product").map(|product| text_of(product, field)).filter(|text| !text.is_empty());
    let of_cards = |path: &str, field: &'static str| set(object.list(path).iter().map(|card| card.pointer(field).and_then(Json::as_str).unwrap_or_default()));
    let fqdn = fqdn(object);
    let value = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    let serial = about("serialNumber").or_else(|| service_tag(object));
    let attributes = table([
        ("manufacturer", value(about("vendor"))),
        ("model", value(about("model"))),
        ("serial", value(serial)),
        ("cpus", object.numbered("hardware.cpuInfo.numCpuThreads")),
        ("cores", object.numbered("hardware.cpuInfo.numCpuCores")),
        ("memory", object.bytes("hardware.memorySize")),
        ("version", value(product("version"))),
        ("build", value(product("build"))),
        ("os", map([("name", value(product("name"))), ("version", value(product("version")))])),
        ("fqdn", value(fqdn.as_deref())),
        ("macAddresses", of_cards("config.network.pnic", "/mac")),
        ("ipAddresses", set(addresses(object))),
        ("powerState", object.texted("runtime.powerState")),
        ("connectionState", object.texted("runtime.connectionState")),
        ("maintenanceMode", object.truth("runtime.inMaintenanceMode")),
    ]);
    let identifiers = identifiers([("bios/uuid", about("uuid")), ("serial/number", serial), ("dns/fqdn", fqdn.as_deref())]);
    let links = object.references("vm").map(Link::Runs).collect();
    Found { observation: Observation { identifiers, ..observed(object, "hypervisor", attributes) }, links, ..Found::new(object) }
}

/// As it was added to the vCenter, or as it calls itself.
fn fqdn(object: &Object) -> Option<String> {
    if let Some(name) = object.text("name").filter(|name| is_fqdn(name)) {
        return Some(name.to_owned());
    }
    let dns = object.at("config.network.dnsConfig")?;
    let (name, domain) = (text_of(dns, "hostName"), text_of(dns, "domainName"));
    let whole = format!("{name}.{domain}");
    (!name.is_empty() && !domain.is_empty() && !name.eq_ignore_ascii_case("localhost") && is_fqdn(&whole)).then_some(whole)
}

/// Its maker's number, where the serial number is not told.
fn service_tag(object: &Object) -> Option<&str> {
    let others = object.at("hardware.systemInfo")?.get("otherIdentifyingInfo")?.as_array()?;
    let of = |key: &str| {
        let kind = |one: &&Json| one.pointer("/identifierType/key").and_then(Json::as_str) == Some(key);
        others.iter().find(kind).map(|one| text_of(one, "identifierValue").trim()).filter(|value| !value.is_empty())
    };
    of("SerialNumberTag").or_else(|| of("ServiceTag"))
}

fn addresses(object: &Object) -> impl Iterator<Item = &str> {
    let all = object.list("config.network.vnic").iter().filter_map(|card| card.pointer("/spec/ip/ipAddress")?.as_str());
    all.filter(|address| is_lasting(address))
}

/// A cluster.
pub(super) fn cluster(object: &Object) -> Found {
    let attributes = table([
        ("cpus", object.numbered("summary.numCpuThreads")),
        ("memory", object.bytes("summary.totalMemory")),
        ("highAvailability", object.truth("configuration.dasConfig.enabled")),
        ("loadBalancing", object.truth("configuration.drsConfig.enabled")),
    ]);
    Found { observation: observed(object, "cluster", attributes), ..Found::new(object) }
}

/// A datastore.
pub(super) fn datastore(object: &Object) -> Found {
    let attributes = table([
        ("type", object.texted("summary.type")),
        ("capacity", object.bytes("summary.capacity")),
        ("free", object.bytes("summary.freeSpace")),
        ("multipleHostAccess", object.truth("summary.multipleHostAccess")),
    ]);
    let identifiers = identifiers([("vsphere/datastore-url", object.text("summary.url"))]);
    Found { observation: Observation { identifiers, ..observed(object, "datastore", attributes) }, ..Found::new(object) }
}

/// A network of virtual machines.
pub(super) fn network(object: &Object) -> Found {
    if object.list("tag").iter().any(|tag| text_of(tag, "key") == UPLINKS) {
        return Found::new(object);
    }
    let kind = match &*object.itself.kind {
        "DistributedVirtualPortgroup" => "Distributed",
        "OpaqueNetwork" => "Opaque",
        _ => "Standard",
    };
    // A trunk says ranges; 0 is none.
    let vlan = object.at("config.defaultPortConfig").and_then(|config| config.pointer("/vlan/vlanId")?.as_u64()).filter(|vlan| *vlan > 0);
    let attributes = table([("type", Value::from(kind)), ("vlan", vlan.map_or(Value::Null, Value::from))]);
    Found { observation: observed(object, "network", attributes), ..Found::new(object) }
}

fn observed(object: &Object, class: &str, attributes: crate::api::Table<Value>) -> Observation {
    let id: Text = object.itself.id.clone();
    let name = object.name().unwrap_or_else(|| id.clone());
    Observation { key: id, class: intern(class), name, attributes, ..Observation::default() }
}
