//! A machine that runs Linux or another system, as an observation, however its facts were had. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::Packages;
use super::parse::OsRelease;
use crate::api::{Table, Text, Value, intern};
use crate::discovery::Observation;

const MEBIBYTE: u64 = 1024 * 1024;

/// What is known of a machine. What is not known is none, empty or zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::discovery) struct Machine {
    /// Its host name.
    pub host: Option<String>,
    /// Its full name, where the host name is none.
    pub fqdn: Option<String>,
    /// A digest of its id.
    pub id: Option<String>,
    /// The firmware's UUID, in lower case.
    pub uuid: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its distribution.
    pub release: OsRelease,
    /// What the system is called where there is no distribution.
    pub system: String,
    /// Whether a distribution is to be expected.
    pub is_linux: bool,
    /// The kernel's release.
    pub kernel: String,
    /// `x86_64`.
    pub architecture: String,
    /// How many CPUs.
    pub cpus: u64,
    /// What the first of them is called.
    pub cpu_model: String,
    /// What is installed, in bytes.
    pub memory: u64,
    /// By whom it is run, if by a hypervisor or as a container.
    pub virtualization: Option<&'static str>,
    /// File systems that hold data, by where they are mounted: type and size in bytes.
    pub file_systems: BTreeMap<String, (String, u64)>,
    /// Where others reach it.
    pub addresses: Vec<IpAddr>,
    /// The MAC addresses of its devices.
    pub macs: Vec<String>,
    /// What listens for others, as `tcp/22`.
    pub listening: Vec<String>,
    /// What is installed.
    pub packages: Option<Packages>,
}

impl Machine {
    /// The item, called `name` where that is given, and which essential parts of it are not known.
    pub fn into_observation(self, class: Option<&str>, name: Option<&Text>) -> (Observation, Vec<String>) {
        let missing = self.missing(name.is_some());
        let name = name.cloned().or_else(|| self.host.clone().map(Text::from)).unwrap_or_else(|| "localhost".into());
        let item = Observation {
            key: self.id.clone().map_or_else(|| name.clone(), Text::from),
            class: intern(class.unwrap_or("server")),
            name,
            identifiers: self.identifiers(),
            attributes: self.attributes(),
            ..Observation::default()
        };
        (item, missing)
    }

    fn missing(&self, is_named: bool) -> Vec<String> {
        let essential = [
            (self.host.is_none() && !is_named, "its host name"),
            (self.cpus == 0, "its CPUs"),
            (self.memory == 0, "its memory"),
            (self.release.id.is_none() && self.is_linux, "its operating system (/etc/os-release)"),
        ];
        essential.into_iter().filter(|(gone, _)| *gone).map(|(_, what)| format!("{what} could not be read")).collect()
    }

    fn identifiers(&self) -> Table<Text> {
        let own = self.host.as_deref().filter(|host| host.contains('.')).map(super::full_name);
        [("host/machine-id", &self.id), ("dns/fqdn", &own.or_else(|| self.fqdn.clone())), ("bios/uuid", &self.uuid), ("serial/number", &self.serial)]
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (name, Text::from(value.trim()))))
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    fn attributes(self) -> Table<Value> {
        let os = [("name", self.release.id.unwrap_or(self.system)), ("version", self.release.version.unwrap_or_default()), ("kernel", self.kernel)];
        let os = os.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, Value::from(value)));
        let file_system = |(mount, (kind, size)): (String, (String, u64))| {
            Value::Map(Table::from_iter([("mount", Value::from(mount)), ("type", Value::from(kind)), ("size", mebibytes(size))]))
        };
        let packages = self.packages.map(|packages| packages.into_iter().map(|(name, version)| (Text::from(name), Value::from(version))).collect());
        let known = present([
            ("architecture", Value::from(self.architecture)),
            ("cpus", if self.cpus == 0 { Value::Null } else { Value::from(self.cpus) }),
            ("cpu", Value::Map(present([("model", Value::from(self.cpu_model))]))),
            ("memory", if self.memory == 0 { Value::Null } else { mebibytes(self.memory) }),
            ("os", Value::Map(os.collect())),
            ("virtualization", self.virtualization.map_or(Value::Null, Value::from)),
            ("fileSystems", self.file_systems.into_iter().map(file_system).collect()),
            ("ipAddresses", in_order(self.addresses).into_iter().map(|address| Value::from(address.to_string())).collect()),
            ("macAddresses", in_order(self.macs).into_iter().map(Value::from).collect()),
            ("listening", self.listening.into_iter().map(Value::from).collect()),
        ]);
        // A machine without any package is told from one of which they are not known.
        match packages {
            Some(packages) => known.with("packages", Value::Map(packages)),
            None => known,
        }
    }
}

fn in_order<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// The values that are there.
fn present<const N: usize>(values: [(&str, Value); N]) -> Table<Value> {
    values.into_iter().filter(|(_, value)| !value.is_absent()).collect()
}

fn mebibytes(bytes: u64) -> Value {
    Value::from(format!("{}Mi", bytes / MEBIBYTE))
}

/// A digest of the machine's id: `machine-id(5)` asks that the id itself stay on the machine. None where it is not set: images that are made
/// for cloning hold an empty id, or this word, until they first start.
pub(in crate::discovery) fn digest_of_id(id: &str) -> Option<String> {
    let id = id.trim();
    (!id.is_empty() && id != "uninitialized").then(|| {
        let digest = Sha256::new().chain_update("bowline machine-id\n").chain_update(id).finalize();
        digest.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_id_itself_is_never_shown() {
        let id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
        let digest = digest_of_id(id).unwrap();
        assert!(digest.len() == 32 && digest != id && digest_of_id(&format!("{id}\n")).as_ref() == Some(&digest));
        assert_eq!((digest_of_id("uninitialized\n"), digest_of_id(" ")), (None, None));
    }

    #[test]
    fn what_is_not_known_is_left_out_and_what_is_essential_is_named() {
        let (item, missing) = Machine { is_linux: true, ..Machine::default() }.into_observation(None, None);
        assert_eq!((&*item.name, &*item.class, item.attributes.len(), missing.len()), ("localhost", "server", 0, 4));
        let machine = Machine { host: Some("Web-1.example.com.".into()), cpus: 2, memory: 3 * MEBIBYTE, system: "freebsd".into(), ..Machine::default() };
        let (item, missing) = machine.into_observation(Some("virtual-machine"), Some(&"web".into()));
        assert_eq!((&*item.name, &*item.class, missing.len()), ("web", "virtual-machine", 0));
        assert_eq!(item.identifiers.get("dns/fqdn").map(|name| &**name), Some("web-1.example.com"));
        assert_eq!(serde_json::to_value(&item.attributes).unwrap(), serde_json::json!({"cpus": 2, "memory": "3Mi", "os": {"name": "freebsd"}}));
    }
}
