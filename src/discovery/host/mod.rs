//! The source `host`: the machine on which Bowline runs, as one observation.
//!
//! ```text
//! machine   its facts as an observation               pure
//! parse     what small system files say              pure
//! sockets   what listens, which addresses count      pure but for reading the tables
//! packages  dpkg's status file, or rpm's answer      its parsers are pure
//! ```
//!
//! What cannot be read is left out and, where someone would miss it, named. Only without name, CPUs, memory or operating
//! system is the answer incomplete. Nothing volatile is reported: no load, no free space, no temporary addresses.

pub(super) mod machine;
pub(super) mod packages;
pub(super) mod parse;
pub(super) mod sockets;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use sysinfo::{CpuRefreshKind, DiskRefreshKind, Disks, MemoryRefreshKind, Networks, RefreshKind, System};

pub use packages::{Packages, parse_dpkg_status, parse_rpm};
pub(super) use parse::full_name;
pub use parse::{OsRelease, parse_fqdn, parse_os_release};
pub(super) use sockets::is_reachable;

use super::{Answer, Source};
use crate::api::Text;
use crate::api::discovery_source::HostSource as Spec;
use machine::{Machine, digest_of_id};

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
        let Ok(machine) = tokio::task::spawn_blocking(look).await else {
            return Answer { error: Some("looking at this machine was broken off".into()), ..answer };
        };
        let (packages, left_out) = packages.map_or_else(|why| (None, Some(format!("packages were left out: {why}"))), |packages| (packages, None));
        let (item, missing) = Machine { packages, ..machine }.into_observation(self.spec.class.as_deref(), self.spec.name.as_ref());
        let complete = missing.is_empty();
        let error: Vec<String> = missing.into_iter().chain(left_out).collect();
        let error = (!error.is_empty()).then(|| error.join("; ").into());
        Answer { complete, error, items: vec![item], ..answer }
    }
}

/// What can be seen without asking for packages.
fn look() -> Machine {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram()));
    let host = System::host_name().ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let (cpus, cpu_model) = system
        .as_ref()
        .map_or((0, String::new()), |system| (system.cpus().len() as u64, system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).unwrap_or_default()));
    Machine {
        fqdn: host.as_deref().and_then(|host| parse_fqdn(&small("/etc/hosts")?, host)),
        id: small("/etc/machine-id").or_else(|| small("/var/lib/dbus/machine-id")).and_then(|id| digest_of_id(&id)),
        // Only root may read these two; without them the machine is still identified.
        uuid: small("/sys/class/dmi/id/product_uuid").map(|uuid| uuid.to_lowercase()),
        serial: small("/sys/class/dmi/id/product_serial"),
        release: parse_os_release(&small("/etc/os-release").or_else(|| small("/usr/lib/os-release")).unwrap_or_default()),
        system: std::env::consts::OS.to_owned(),
        is_linux: cfg!(target_os = "linux"),
        kernel: System::kernel_version().unwrap_or_default(),
        architecture: System::cpu_arch(),
        cpus,
        cpu_model,
        memory: installed_memory().or_else(|| system.as_ref().ok().map(System::total_memory)).unwrap_or(0),
        virtualization: virtualization(),
        file_systems: file_systems(),
        addresses: ip_addresses(),
        macs: mac_addresses(),
        listening: listening(),
        packages: None,
        host,
    }
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

fn virtualization() -> Option<&'static str> {
    if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        return Some("container");
    }
    parse::hypervisor(&small("/sys/class/dmi/id/sys_vendor")?, &small("/sys/class/dmi/id/product_name").unwrap_or_default())
}

/// File systems that hold data, by where they are mounted. How full they are changes all the time and is not said.
fn file_systems() -> BTreeMap<String, (String, u64)> {
    let Ok(disks) = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage()) else { return BTreeMap::new() };
    let of = |disk: &sysinfo::Disk| Some((disk.mount_point().to_str()?.to_owned(), (disk.file_system().to_str()?.to_owned(), disk.total_space())));
    let all = disks.iter().filter_map(of);
    all.filter(|(_, (kind, _))| parse::is_real_file_system(&kind.to_lowercase())).collect()
}

fn ip_addresses() -> Vec<IpAddr> {
    let temporary = sockets::parse_temporary_addresses(&small("/proc/net/if_inet6").unwrap_or_default());
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    let addresses = networks.values().flat_map(sysinfo::NetworkData::ip_networks).map(|network| network.addr);
    addresses.filter(|address| sockets::is_reachable(*address) && !temporary.contains(address)).collect()
}

/// The addresses of the network devices. Those of bridges and of containers' ends are made up anew at every start, so they
/// count only where no device stands behind any.
fn mac_addresses() -> Vec<String> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    let all = networks.iter().filter(|(_, network)| !network.mac_address().is_unspecified());
    let all = all.map(|(name, network)| (network.mac_address().to_string(), Path::new("/sys/class/net").join(name).join("device").exists()));
    parse::of_devices(all)
}

fn listening() -> Vec<String> {
    let range = small("/proc/sys/net/ipv4/ip_local_port_range").and_then(|text| sockets::parse_port_range(&text)).unwrap_or(sockets::USUAL_RANGE);
    sockets::sockets().map(|open| sockets::listening(&open, &range)).unwrap_or_default()
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
    fn a_file_over_the_limit_is_refused_and_not_cut_short() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &vec![b'x'; 2 * 1024 * 1024]).unwrap();
        assert!(read_limited(file.path(), MEBIBYTE).unwrap_err().contains("larger than 1 MiB"));
        assert_eq!(read_limited(file.path(), 2 * MEBIBYTE).unwrap().len(), 2 * 1024 * 1024);
        assert!(read_limited(Path::new("/none"), 1).is_err());
    }
}
