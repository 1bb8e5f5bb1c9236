//! The source `host`: the machine on which Bowline runs, as one observation.
//!
//! ```text
//! parse     what small system files say              pure
//! sockets   what listens, which addresses count      pure but for reading the tables
//! packages  dpkg's status file, or rpm's answer      its parsers are pure
//! ```
//!
//! What cannot be read is left out and, where someone would miss it, named. Only without name, CPUs, memory or operating
//! system is the answer incomplete. Nothing volatile is reported: no load, no free space, no temporary addresses.

mod packages;
mod parse;
mod sockets;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sysinfo::{CpuRefreshKind, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, RefreshKind, System};

pub use packages::{Packages, parse_dpkg_status, parse_rpm};
pub(super) use parse::full_name;
pub use parse::{OsRelease, parse_fqdn, parse_os_release};
pub(super) use sockets::is_reachable;

use super::{Answer, Observation, Source};
use crate::api::discovery_source::HostSource as Spec;
use crate::api::{Table, Text, Value, intern};

/// The largest small system file that is read, in bytes.
const SMALL: u64 = 1024 * 1024;
const MEBIBYTE: u64 = 1024 * 1024;

/// The machine on which Bowline runs.
pub struct HostSource {
    name: Text,
    spec: Spec,
}

impl HostSource {
    /// A source of this name.
    pub fn new(name: Text, spec: Spec) -> Self {
        Self { name, spec }
    }
}

#[async_trait]
impl Source for HostSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let answer = Answer { source: self.name.clone(), at: now, evidence: "this machine".into(), ..Answer::default() };
        let packages = if self.spec.packages == Some(false) { Ok(None) } else { packages::installed().await };
        let spec = self.spec.clone();
        let Ok((item, missing)) = tokio::task::spawn_blocking(move || look(&spec)).await else {
            return Answer { error: Some("looking at this machine was broken off".into()), ..answer };
        };
        let complete = missing.is_empty();
        let mut error = missing;
        let mut item = item;
        match packages {
            Ok(packages) => item.attributes = with_packages(item.attributes, packages),
            Err(why) => error.push(format!("packages were left out: {why}")),
        }
        let error = (!error.is_empty()).then(|| error.join("; ").into());
        Answer { complete, error, items: vec![item], ..answer }
    }
}

fn with_packages(attributes: Table<Value>, packages: Option<Packages>) -> Table<Value> {
    let Some(packages) = packages else { return attributes };
    let versions: Table<Value> = packages.into_iter().map(|(name, version)| (Text::from(name), Value::from(version))).collect();
    attributes.with("packages", Value::Map(versions))
}

/// The item, and which essential parts of it could not be had.
fn look(spec: &Spec) -> (Observation, Vec<String>) {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram()));
    let host = System::host_name().ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let release = parse_os_release(&small("/etc/os-release").or_else(|| small("/usr/lib/os-release")).unwrap_or_default());
    let (cpus, model) = system
        .as_ref()
        .map_or((0, String::new()), |system| (system.cpus().len() as u64, system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default()));
    let memory = installed_memory().or_else(|| system.as_ref().ok().map(System::total_memory)).unwrap_or(0);
    let os = Table::from_iter([
        ("name", release.id.clone().unwrap_or_else(|| std::env::consts::OS.to_owned())),
        ("version", release.version.clone().unwrap_or_default()),
        ("kernel", System::kernel_version().unwrap_or_default()),
    ]);
    let essential = [
        (host.is_none() && spec.name.is_none(), "its host name"),
        (cpus == 0, "its CPUs"),
        (memory == 0, "its memory"),
        (release.id.is_none() && cfg!(target_os = "linux"), "its operating system (/etc/os-release)"),
    ];
    let missing = essential.into_iter().filter(|(gone, _)| *gone).map(|(_, what)| format!("{what} could not be read")).collect();
    let attributes = present([
        ("architecture", Value::from(System::cpu_arch())),
        ("cpus", if cpus == 0 { Value::Null } else { Value::from(cpus) }),
        ("cpu", Value::Map(present([("model", Value::from(model))]))),
        ("memory", if memory == 0 { Value::Null } else { mebibytes(memory) }),
        ("os", Value::Map(os.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, Value::from(value))).collect())),
        ("virtualization", virtualization().map_or(Value::Null, Value::from)),
        ("fileSystems", file_systems()),
        ("ipAddresses", ip_addresses()),
        ("macAddresses", mac_addresses()),
        ("listening", listening()),
    ]);
    let machine = machine_id();
    let name: Text = spec.name.clone().or_else(|| host.clone().map(Text::from)).unwrap_or_else(|| "localhost".into());
    let item = Observation {
        key: machine.clone().map_or_else(|| name.clone(), Text::from),
        class: intern(spec.class.as_deref().unwrap_or("server")),
        name,
        identifiers: identifiers(machine, host.as_deref()),
        attributes,
        ..Observation::default()
    };
    (item, missing)
}

/// The values that are there.
fn present<const N: usize>(values: [(&str, Value); N]) -> Table<Value> {
    values.into_iter().filter(|(_, value)| !value.is_absent()).collect()
}

fn identifiers(machine: Option<String>, host: Option<&str>) -> Table<Text> {
    let fqdn = host.and_then(|host| if host.contains('.') { Some(parse::full_name(host)) } else { parse_fqdn(&small("/etc/hosts")?, host) });
    // Only root may read these two; without them the machine is still identified.
    let uuid = small("/sys/class/dmi/id/product_uuid").map(|uuid| uuid.to_lowercase());
    let serial = small("/sys/class/dmi/id/product_serial");
    [("host/machine-id", machine), ("dns/fqdn", fqdn), ("bios/uuid", uuid), ("serial/number", serial)]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, Text::from(value.trim()))))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// A digest of the machine's id: `machine-id(5)` asks that the id itself stay on the machine.
fn machine_id() -> Option<String> {
    let id = small("/etc/machine-id").or_else(|| small("/var/lib/dbus/machine-id"))?;
    let id = id.trim();
    // Images that are made for cloning hold an empty id, or this word, until they first start.
    (!id.is_empty() && id != "uninitialized").then(|| digest_of(id))
}

fn digest_of(id: &str) -> String {
    let digest = Sha256::new().chain_update("bowline machine-id\n").chain_update(id).finalize();
    digest.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What is plugged in, as Linux counts it in blocks: what the kernel calls its total lacks what it keeps for itself, so a
/// machine of 16Gi would always seem smaller than it is declared.
fn installed_memory() -> Option<u64> {
    let blocks = Path::new("/sys/devices/system/memory");
    let size = u64::from_str_radix(small("/sys/devices/system/memory/block_size_bytes")?.trim(), 16).ok()?;
    let online = std::fs::read_dir(blocks).ok()?.flatten().filter(|entry| {
        let is_block = entry.file_name().to_str().and_then(|name| name.strip_prefix("memory")).is_some_and(|number| number.parse::<u32>().is_ok());
        is_block && read_limited(&entry.path().join("state"), SMALL).is_ok_and(|state| state.trim() == "online")
    });
    size.checked_mul(online.count() as u64).filter(|bytes| *bytes > 0)
}

fn mebibytes(bytes: u64) -> Value {
    Value::from(format!("{}Mi", bytes / MEBIBYTE))
}

fn virtualization() -> Option<&'static str> {
    if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        return Some("container");
    }
    parse::hypervisor(&small("/sys/class/dmi/id/sys_vendor")?, &small("/sys/class/dmi/id/product_name").unwrap_or_default())
}

/// File systems that hold data, by where they are mounted. How full they are changes all the time and is not said.
fn file_systems() -> Value {
    let Ok(disks) = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage()) else { return Value::Null };
    let mut found = BTreeMap::new();
    for disk in &disks {
        let (Some(mount), Some(kind)) = (disk.mount_point().to_str(), disk.file_system().to_str()) else { continue };
        if parse::is_real_file_system(&kind.to_lowercase()) {
            found.insert(mount.to_owned(), [("mount", Value::from(mount)), ("type", Value::from(kind)), ("size", mebibytes(disk.total_space()))]);
        }
    }
    found.into_values().map(|parts| Value::Map(parts.into_iter().collect())).collect()
}

fn ip_addresses() -> Value {
    let temporary = sockets::parse_temporary_addresses(&small("/proc/net/if_inet6").unwrap_or_default());
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Value::Null };
    let addresses = networks.values().flat_map(sysinfo::NetworkData::ip_networks).map(|network| network.addr);
    let mut addresses: Vec<IpAddr> = addresses.filter(|address| sockets::is_reachable(*address) && !temporary.contains(address)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.iter().map(|address| Value::from(address.to_string())).collect()
}

/// The addresses of the network devices. Those of bridges and of containers' ends are made up anew at every start, so they
/// count only where no device stands behind any.
fn mac_addresses() -> Value {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Value::Null };
    let all = networks.iter().filter(|(_, network)| !network.mac_address().is_unspecified());
    let (devices, others): (Vec<_>, Vec<_>) = all.partition(|(name, _)| Path::new("/sys/class/net").join(name).join("device").exists());
    let chosen = if devices.is_empty() { others } else { devices };
    let mut addresses: Vec<String> = chosen.into_iter().map(|(_, network)| network.mac_address().to_string()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.into_iter().map(Value::from).collect()
}

fn listening() -> Value {
    let range = small("/proc/sys/net/ipv4/ip_local_port_range").and_then(|text| sockets::parse_port_range(&text)).unwrap_or(32_768..=60_999);
    let Some(open) = sockets::sockets() else { return Value::Null };
    sockets::listening(&open, &range).into_iter().map(Value::from).collect()
}

/// A small system file's text, if it can be read and is not empty.
fn small(path: &str) -> Option<String> {
    read_limited(Path::new(path), SMALL).ok().filter(|text| !text.trim().is_empty())
}

/// The text of a file of at most `limit` bytes; what is not UTF-8 in it is replaced.
fn read_limited(path: &Path, limit: u64) -> Result<String, String> {
    let wrong = |error: &std::io::Error| format!("{} cannot be read: {}", path.display(), error.kind());
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > limit {
        return Err(format!("{} is larger than {} MiB", path.display(), limit / MEBIBYTE));
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_id_itself_is_never_shown() {
        let id = "3d1219c7c4c5404aaa1f6d2a48adfda4";
        assert_eq!(digest_of(id).len(), 32);
        assert_ne!(digest_of(id), id);
        assert_eq!(digest_of(id), digest_of(id));
    }

    #[test]
    fn a_file_over_the_limit_is_refused_and_not_cut_short() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &vec![b'x'; 2 * 1024 * 1024]).unwrap();
        assert!(read_limited(file.path(), MEBIBYTE).unwrap_err().contains("larger than 1 MiB"));
        assert_eq!(read_limited(file.path(), 2 * MEBIBYTE).unwrap().len(), 2 * 1024 * 1024);
        assert!(read_limited(Path::new("/none"), 1).is_err());
    }
}
