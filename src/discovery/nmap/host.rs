//! What a host of a scan is as an item, and its services. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::access::web::one_line;
use crate::api::{Table, Text, Value, intern};
use crate::discovery::{Observation, ObservedRelation, Target};

/// The class of services.
const SERVICE: &str = "application";

/// What is made of a scan.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// The class of hosts.
    pub class: Text,
    /// Whether services are items.
    pub services: bool,
}

/// Whether a host is up, by nmap's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    /// It did not answer.
    #[default]
    Down,
    /// Whoever scanned said so (`-Pn`); it need not have answered.
    Assumed,
    /// It answered.
    Up,
}

/// A host as the scan tells it.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Whether it is up.
    pub status: Status,
    /// A port of it answered, open or closed.
    pub answered: bool,
    /// It took longer than `--host-timeout`.
    pub timed_out: bool,
    /// When its scan ended.
    pub ended: Option<Timestamp>,
    /// Its addresses, IPv4 and IPv6.
    pub addresses: Vec<String>,
    /// Its MAC address, which only a scan from its own network shows, and to which vendor that belongs.
    pub mac: Option<(String, Option<String>)>,
    /// The names that its addresses have in the DNS, or by which it was named to nmap.
    pub names: Vec<String>,
    /// Its open ports.
    pub ports: Vec<Port>,
    /// What nmap takes its system for.
    pub os: Option<Guess>,
}

/// An open port.
#[derive(Debug, Default)]
pub(super) struct Port {
    pub protocol: String,
    pub number: u16,
    pub service: Service,
}

/// What listens at a port.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub name: Option<String>,
    pub product: Option<String>,
    pub version: Option<String>,
    /// What it speaks through, such as `ssl`.
    pub tunnel: Option<String>,
    pub cpe: Vec<String>,
    /// It answered nmap's probes; else its name is only what usually listens there.
    pub probed: bool,
}

/// What nmap takes a system for.
#[derive(Debug, Default)]
pub(super) struct Guess {
    pub name: Option<String>,
    /// How sure it is, in percent.
    pub accuracy: Option<u64>,
    pub vendor: Option<String>,
    pub family: Option<String>,
    pub generation: Option<String>,
    pub kind: Option<String>,
}

impl Host {
    /// Whether it is there. Of a host that was only said to be up, nothing but an answer tells.
    pub(super) fn is_there(&self) -> bool {
        self.status == Status::Up || (self.status == Status::Assumed && self.answered)
    }

    /// Its items; none where it has no address to be told apart by.
    pub(super) fn items(mut self, manner: &Manner) -> Option<Vec<Observation>> {
        let address = self.addresses.first()?.clone();
        self.ports.sort_by(|one, other| (&one.protocol, one.number).cmp(&(&other.protocol, other.number)));
        let seen = self.ended;
        let fqdn = self.names.iter().find(|name| name.contains('.')).map(|name| plain(name));
        let name: Text = fqdn.clone().or_else(|| self.names.first().map(|name| plain(name))).unwrap_or_else(|| address.as_str().into());
        let identifiers: Table<Text> =
            [("dns/fqdn", fqdn), ("nmap/address", Some(address.as_str().into()))].into_iter().filter_map(|(kind, value)| Some((kind, value?))).collect();
        let services: Vec<Observation> = if manner.services {
            self.ports.iter().filter(|port| port.service.probed).map(|port| port.item(&name, &address, &identifiers, seen)).collect()
        } else {
            Vec::new()
        };
        let host = Observation {
            key: address.as_str().into(),
            class: manner.class.clone(),
            name,
            identifiers,
            attributes: self.attributes(),
            seen,
            ..Observation::default()
        };
        Some(std::iter::once(host).chain(services).collect())
    }

    fn attributes(&self) -> Table<Value> {
        let (mac, vendor) = self.mac.as_ref().map(|(mac, vendor)| (mac, vendor.as_deref())).unzip();
        present([
            ("ipAddresses", list(self.addresses.iter())),
            ("macAddresses", list(mac.into_iter())),
            ("macVendor", text(vendor.flatten())),
            ("hostName", self.names.first().map_or(Value::Null, |name| Value::from(plain(name)))),
            ("openPorts", self.ports.iter().map(Port::value).collect()),
            ("osGuess", self.os.as_ref().map_or(Value::Null, Guess::value)),
        ])
    }
}

impl Port {
    fn value(&self) -> Value {
        let service = &self.service;
        Value::Map(present([
            ("port", Value::from(u64::from(self.number))),
            ("protocol", Value::from(intern(&self.protocol))),
            ("service", text(service.name.as_deref())),
            ("guessed", if service.name.is_some() && !service.probed { Value::Bool(true) } else { Value::Null }),
            ("tunnel", text(service.tunnel.as_deref())),
            ("product", text(service.product.as_deref())),
            ("version", text(service.version.as_deref())),
            ("cpe", list(service.cpe.iter())),
        ]))
    }

    /// The service as an item that runs on its host.
    fn item(&self, host: &Text, address: &str, identifiers: &Table<Text>, seen: Option<Timestamp>) -> Observation {
        let (service, port) = (&self.service, format!("{}/{}", self.number, self.protocol));
        let place = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        let endpoint = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Observation {
            key: place.as_str().into(),
            class: SERVICE.into(),
            name: endpoint.strip_suffix("/tcp").unwrap_or(&endpoint).into(),
            identifiers: Table::from_iter([("nmap/service", Text::from(place))]),
            attributes: present([
                ("ports", [Value::from(u64::from(self.number))].into_iter().collect()),
                ("endpoints", [Value::from(endpoint)].into_iter().collect()),
                ("service", text(service.name.as_deref())),
                ("product", text(service.product.as_deref())),
                ("version", text(service.version.as_deref())),
                ("cpe", list(service.cpe.iter())),
            ]),
            relations: vec![ObservedRelation { kind: intern("RunsOn"), to: Target::Identifiers(identifiers.clone()) }],
            seen,
            ..Observation::default()
        }
    }
}

impl Guess {
    fn value(&self) -> Value {
        Value::Map(present([
            ("name", text(self.name.as_deref())),
            ("accuracy", self.accuracy.map_or(Value::Null, Value::from)),
            ("vendor", text(self.vendor.as_deref())),
            ("family", text(self.family.as_deref())),
            ("generation", text(self.generation.as_deref())),
            ("type", text(self.kind.as_deref())),
        ]))
    }
}

/// The values that are there.
fn present<const N: usize>(values: [(&str, Value); N]) -> Table<Value> {
    values.into_iter().filter(|(_, value)| !value.is_absent()).collect()
}

/// What strangers say of themselves over the network, as one short line.
fn text(said: Option<&str>) -> Value {
    said.map(one_line).filter(|line| !line.is_empty()).map_or(Value::Null, |line| Value::from(intern(&line)))
}

fn list<'a>(values: impl Iterator<Item = &'a String>) -> Value {
    let values: BTreeSet<&String> = values.collect();
    if values.is_empty() { Value::Null } else { values.into_iter().map(|value| Value::from(one_line(value))).collect() }
}

/// A name as the DNS has it.
fn plain(name: &str) -> Text {
    intern(one_line(name).trim_end_matches('.'))
}
