//! What a node means. Pure.

use serde_json::Value as Json;

use super::links::Found;
use super::object::{Object, pairs, set, text};
use crate::api::{Table, Text, Value, intern};

/// The prefix of labels that give a node its roles.
const ROLE: &str = "node-role.kubernetes.io/";

/// A machine of the cluster.
pub(super) fn node(object: &Object) -> Found {
    let info = |field: &str| object.text(&["status", "nodeInfo", field]).filter(|text| !text.is_empty());
    let host_name = addresses(object, &["Hostname"]).next();
    let attributes = [
        ("cpus", object.value(&["status", "capacity", "cpu"])),
        ("memory", object.value(&["status", "capacity", "memory"])),
        ("architecture", info("architecture").map_or(Value::Null, Value::from)),
        ("os", os(info("osImage"), info("kernelVersion"))),
        ("kubelet", info("kubeletVersion").map_or(Value::Null, |version| Value::from(version.strip_prefix('v').unwrap_or(version)))),
        ("containerRuntime", info("containerRuntimeVersion").map_or(Value::Null, Value::from)),
        ("roles", set(pairs(object.json, &["metadata", "labels"]).filter_map(|(name, _)| name.strip_prefix(ROLE)))),
        ("taints", object.list(&["spec", "taints"]).iter().map(taint).collect()),
        ("schedulable", Value::Bool(object.at(&["spec", "unschedulable"]) != Some(&Json::Bool(true)))),
        ("ipAddresses", set(addresses(object, &["InternalIP", "ExternalIP"]))),
        ("hostName", host_name.map_or(Value::Null, Value::from)),
    ];
    let observation = object.observation("kubernetes-node", attributes);
    let more = [
        ("bios/uuid", info("systemUUID")),
        ("machine/id", info("machineID")),
        ("kubernetes/provider-id", object.text(&["spec", "providerID"]).filter(|text| !text.is_empty())),
        ("dns/fqdn", host_name.filter(|name| name.contains('.'))),
    ];
    let more = more.into_iter().filter_map(|(name, value)| Some((intern(name), Text::from(value?))));
    let identifiers: Table<Text> = observation.identifiers.iter().map(|(name, value)| (name.clone(), value.clone())).chain(more).collect();
    Found { observation: crate::discovery::Observation { identifiers, ..observation }, links: Vec::new() }
}

fn addresses<'a>(object: &Object<'a>, kinds: &'a [&str]) -> impl Iterator<Item = &'a str> {
    object
        .list(&["status", "addresses"])
        .iter()
        .filter(|one| text(one, &["type"]).is_some_and(|kind| kinds.contains(&kind)))
        .filter_map(|one| text(one, &["address"]))
}

/// `Debian GNU/Linux 12 (bookworm)`: the version begins with the first word that begins with a digit.
fn os(image: Option<&str>, kernel: Option<&str>) -> Value {
    let words: Vec<&str> = image.unwrap_or_default().split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with(|letter: char| letter.is_ascii_digit())).unwrap_or(words.len());
    let (name, rest) = words.split_at(at);
    let fields =
        [("name", name.join(" ")), ("version", rest.first().map(ToString::to_string).unwrap_or_default()), ("kernel", kernel.unwrap_or_default().to_owned())];
    Value::Map(fields.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (intern(name), Value::from(value))).collect())
}

/// `KEY=VALUE:EFFECT`, as kubectl writes it.
fn taint(taint: &Json) -> Value {
    let part = |field: &str| text(taint, &[field]).unwrap_or_default();
    let value = if part("value").is_empty() { String::new() } else { format!("={}", part("value")) };
    Value::from(format!("{}{value}:{}", part("key"), part("effect")))
}
