//! What the commands' answers say of a machine. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::commands::{Command, Output};
use crate::discovery::host::machine::{Machine, digest_of_id};
use crate::discovery::host::packages::{Packages, parse_dpkg_query, parse_rpm};
use crate::discovery::host::parse::{hypervisor, is_real_file_system, of_devices, parse_fqdn, parse_os_release};
use crate::discovery::host::sockets::{USUAL_RANGE, is_reachable, listening, parse_lasting_addresses, parse_local_addresses, parse_port_range, parse_sockets};

/// What each command answered.
pub(super) type Outputs = BTreeMap<Command, Output>;

/// The names of the kernel, the host, the kernel's release and the architecture, as `uname` says them; the error, where it is no Linux.
pub(super) fn system(output: &Output) -> Result<[String; 4], String> {
    let parts: Vec<&str> = output.text.split_whitespace().collect();
    match parts.as_slice() {
        ["Linux", host, kernel, architecture] if output.is_good() => Ok(["Linux", host, kernel, architecture].map(str::to_owned)),
        [other, _, _, _] if output.is_good() => Err(format!("its system is {other}, and only Linux is read")),
        _ => Err("it lets no command be run (`uname` did not answer as on Linux)".to_owned()),
    }
}

/// The machine. Packages are not among its facts yet.
pub(super) fn machine([_, host, kernel, architecture]: [String; 4], outputs: &Outputs) -> Machine {
    let text = |command: Command| outputs.get(&command).map_or("", |output| &*output.text);
    let files = files(text(Command::Files));
    let file = |path: &str| files.get(path).map(|text| &**text).filter(|text| !text.trim().is_empty());
    let dmi = |name: &str| file(&format!("/sys/class/dmi/id/{name}"));
    let big_endian = matches!(&*architecture, "s390x" | "s390" | "ppc64" | "ppc" | "sparc64" | "mips" | "mips64");
    let range = file("/proc/sys/net/ipv4/ip_local_port_range").and_then(parse_port_range).unwrap_or(USUAL_RANGE);
    let open = |command, tcp| parse_sockets(text(command).lines().filter_map(|line| line.split_once(':')).map(|(_, line)| line), tcp, big_endian);
    let sockets = [open(Command::Tcp, true), open(Command::Udp, false)].concat();
    let (cpus, cpu_model) = cpus(text(Command::Cpus));
    Machine {
        fqdn: file("/etc/hosts").and_then(|hosts| parse_fqdn(hosts, &host)),
        id: file("/etc/machine-id").or_else(|| file("/var/lib/dbus/machine-id")).and_then(digest_of_id),
        uuid: dmi("product_uuid").map(|uuid| uuid.trim().to_lowercase()),
        serial: dmi("product_serial").map(|serial| serial.trim().to_owned()),
        release: parse_os_release(file("/etc/os-release").or_else(|| file("/usr/lib/os-release")).unwrap_or_default()),
        system: "linux".to_owned(),
        is_linux: true,
        kernel,
        architecture,
        cpus,
        cpu_model,
        memory: installed_memory(file("/sys/devices/system/memory/block_size_bytes"), text(Command::Memory))
            .or_else(|| file("/proc/meminfo").and_then(total_memory))
            .unwrap_or_default(),
        virtualization: if text(Command::Container).lines().any(|line| matches!(line.trim(), "/.dockerenv" | "/run/.containerenv")) {
            Some("container")
        } else {
            dmi("sys_vendor").and_then(|vendor| hypervisor(vendor, dmi("product_name").unwrap_or_default()))
        },
        file_systems: file_systems(outputs),
        addresses: addresses(text(Command::Addresses), file("/proc/net/if_inet6").unwrap_or_default()),
        macs: macs(text(Command::Interfaces), text(Command::Devices)),
        listening: listening(&sockets, &range),
        packages: None,
        host: Some(host),
    }
}

/// What is installed; none where there is neither dpkg nor rpm. The error says why that is not known.
pub(super) fn packages(outputs: &Outputs) -> Result<Option<Packages>, String> {
    let said = |command: Command, name: &str, parse: fn(&str) -> Packages| match outputs.get(&command) {
        Some(output) if output.is_good() => Ok(Some(parse(&output.text))),
        Some(output) if !output.is_missing() => Err(format!("{name} ended with an error")),
        _ => Ok(None),
    };
    match said(Command::Dpkg, "dpkg-query", parse_dpkg_query)? {
        Some(packages) => Ok(Some(packages)),
        None => said(Command::Rpm, "rpm", parse_rpm),
    }
}

/// Files by their path, out of lines that begin with it.
fn files(text: &str) -> BTreeMap<&str, String> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for (path, line) in text.lines().filter_map(|line| line.split_once(':')) {
        let file = files.entry(path).or_default();
        file.push_str(line);
        file.push('\n');
    }
    files
}

/// How many CPUs there are, and what the first of them is called.
fn cpus(text: &str) -> (u64, String) {
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, model)| model.trim().to_owned());
    (text.lines().filter(|line| line.starts_with("processor")).count() as u64, model.unwrap_or_default())
}

/// What is plugged in, as Linux counts it in blocks.
fn installed_memory(block: Option<&str>, states: &str) -> Option<u64> {
    let size = u64::from_str_radix(block?.trim(), 16).ok()?;
    let online = states.lines().filter(|state| state.trim() == "online").count() as u64;
    size.checked_mul(online).filter(|bytes| *bytes > 0)
}

fn total_memory(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok())?;
    kibibytes.checked_mul(1024)
}

/// File systems that hold data, out of `df`: source, type, size, used, free, share, and where they are mounted.
fn file_systems(outputs: &Outputs) -> BTreeMap<String, (String, u64)> {
    let answers = [Command::FileSystems, Command::PlainFileSystems].into_iter().filter_map(|command| outputs.get(&command));
    let Some(answer) = answers.into_iter().find(|answer| !answer.text.trim().is_empty()) else { return BTreeMap::new() };
    let line = |line: &str| {
        let parts: Vec<&str> = line.split_whitespace().collect();
        // The share is the only part that ends so, and what comes after it is one name, perhaps of several words.
        let share = parts.iter().position(|part| part.ends_with('%') || *part == "-").filter(|share| *share >= 5)?;
        let (kind, size, mount) = (*parts.get(share - 4)?, parts.get(share - 3)?, parts.get(share + 1..)?.join(" "));
        let size = size.parse::<u64>().ok()?.checked_mul(1024)?;
        (is_real_file_system(&kind.to_lowercase()) && mount.starts_with('/')).then(|| (mount, (kind.to_owned(), size)))
    };
    answer.text.lines().filter_map(line).collect()
}

fn addresses(trie: &str, inet6: &str) -> Vec<IpAddr> {
    parse_local_addresses(trie).into_iter().chain(parse_lasting_addresses(inet6)).filter(|address| is_reachable(*address)).collect()
}

/// The addresses of interfaces behind which a device stands; all where there are none.
fn macs(addresses: &str, devices: &str) -> Vec<String> {
    let interface = |path: &str, file: &str| path.trim().strip_prefix("/sys/class/net/")?.strip_suffix(file).map(str::to_owned);
    let devices: BTreeSet<String> = devices.lines().filter_map(|path| interface(path, "/device")).collect();
    let all = addresses.lines().filter_map(|line| line.split_once(':')).filter_map(|(path, mac)| {
        let (name, mac) = (interface(path, "/address")?, mac.trim().to_lowercase());
        let is_mac = mac.len() == 17 && mac.split(':').all(|byte| u8::from_str_radix(byte, 16).is_ok()) && mac != "00:00:00:00:00:00";
        is_mac.then(|| (mac, devices.contains(&name)))
    });
    of_devices(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::discovery::ssh::commands::ALWAYS;

    fn good(text: &str) -> Output {
        Output { text: text.to_owned(), status: Some(0) }
    }

    #[test]
    fn only_linux_is_read() {
        assert_eq!(system(&good("Linux web-1 6.1.0-18-amd64 x86_64\n")).unwrap(), ["Linux", "web-1", "6.1.0-18-amd64", "x86_64"]);
        assert!(system(&good("FreeBSD web-1 14.0-RELEASE amd64\n")).unwrap_err().contains("FreeBSD"));
        for text in ["", "% Invalid input detected at '^' marker.", "This account is currently not available."] {
            assert!(system(&Output { status: Some(1), ..good(text) }).unwrap_err().contains("lets no command be run"), "{text}");
        }
    }

    #[test]
    fn a_machine_is_what_its_files_say() {
        let files = "/etc/os-release:ID=debian\n/etc/os-release:VERSION_ID=\"12\"\n/etc/machine-id:3d1219c7c4c5404aaa1f6d2a48adfda4\n/etc/hosts:127.0.1.1 web-1.example.com web-1\n\
                     /proc/meminfo:MemTotal:        4015664 kB\n/sys/devices/system/memory/block_size_bytes:8000000\n/sys/class/dmi/id/sys_vendor:QEMU\n\
                     /sys/class/dmi/id/product_uuid:4C4C4544-0042-3510-8051-B4C04F4E5A32\n/proc/net/if_inet6:20010db8000000000000000000000001 02 40 00 80 eth0\n";
        let outputs: Outputs = [
            (Command::Files, files),
            (Command::Cpus, "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nprocessor\t: 1\nmodel name\t: Intel(R) Xeon(R)\n"),
            (Command::Memory, "online\nonline\noffline\n"),
            (Command::Interfaces, "/sys/class/net/lo/address:00:00:00:00:00:00\n/sys/class/net/eth0/address:52:54:00:AB:CD:EF\n/sys/class/net/br-1/address:02:42:00:00:00:01\n"),
            (Command::Devices, "/sys/class/net/eth0/device\n"),
            (Command::Addresses, "     |-- 192.0.2.2\n        /32 host LOCAL\n--\n           |-- 127.0.0.1\n              /32 host LOCAL\n"),
            (Command::FileSystems, "Filesystem Type 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 ext4 20971520 1 2 38% /\ntmpfs tmpfs 100 0 100 0% /run\n/dev/vdb xfs 1048576 1 2 1% /srv/my data\n/dev/x ext4 - - - - /over\n"),
            (Command::Tcp, "/proc/net/tcp:   0: 00000000:0016 00000000:0000 0A x\n/proc/net/tcp:   1: 0100007F:1538 00000000:0000 0A x\n"),
            (Command::Udp, "/proc/net/udp:   0: 00000000:0035 00000000:0000 07 x\n"),
        ]
        .map(|(command, text)| (command, good(text)))
        .into();
        let machine = machine(["Linux", "web-1", "6.1", "x86_64"].map(str::to_owned), &outputs);
        let (item, missing) = machine.into_observation(None, None);
        assert_eq!(missing, Vec::<String>::new());
        let identifiers = serde_json::json!({
            "host/machine-id": digest_of_id("3d1219c7c4c5404aaa1f6d2a48adfda4"), "dns/fqdn": "web-1.example.com", "bios/uuid": "4c4c4544-0042-3510-8051-b4c04f4e5a32",
        });
        assert_eq!(serde_json::to_value(&item.identifiers).unwrap(), identifiers);
        let attributes = serde_json::json!({
            "architecture": "x86_64", "cpus": 2, "cpu": {"model": "Intel(R) Xeon(R)"}, "memory": "256Mi", "os": {"name": "debian", "version": "12", "kernel": "6.1"},
            "virtualization": "kvm", "ipAddresses": ["192.0.2.2", "2001:db8::1"], "macAddresses": ["52:54:00:ab:cd:ef"], "listening": ["tcp/22", "udp/53"],
            "fileSystems": [{"mount": "/", "type": "ext4", "size": "20480Mi"}, {"mount": "/srv/my data", "type": "xfs", "size": "1024Mi"}],
        });
        assert_eq!(serde_json::to_value(&item.attributes).unwrap(), attributes);
    }

    #[test]
    fn packages_are_those_of_the_manager_that_is_there() {
        let missing = || Output { status: Some(127), ..Output::default() };
        let of = |outputs: &[(Command, Output)]| packages(&outputs.iter().cloned().collect());
        let list = |packages: Result<Option<Packages>, String>| packages.unwrap().map(|packages| packages.into_iter().collect::<Vec<_>>());
        let one = |name: &str, version: &str| Some(vec![(name.to_owned(), version.to_owned())]);
        assert_eq!(list(of(&[(Command::Dpkg, good("installed\tbash\tamd64\t5.2\n"))])), one("bash", "5.2"));
        assert_eq!(list(of(&[(Command::Dpkg, missing()), (Command::Rpm, good("bash\tx86_64\t5.1-4\n"))])), one("bash", "5.1-4"));
        assert_eq!(list(of(&[(Command::Dpkg, missing()), (Command::Rpm, missing())])), None);
        assert!(of(&[(Command::Dpkg, Output { status: Some(2), ..Output::default() })]).is_err());
    }

    proptest! {
        /// A machine may answer anything.
        #[test]
        fn any_answer_is_a_machine(texts in proptest::collection::vec("([a-z0-9/:.%| -]|\n|\t|processor|online|/sys/class/net/|host LOCAL|\\|-- ){0,60}", ALWAYS.len())) {
            let outputs: Outputs = ALWAYS.into_iter().zip(texts.iter().map(|text| good(text))).collect();
            let (item, _) = machine(["Linux", "web-1", "6.1", "x86_64"].map(str::to_owned), &outputs).into_observation(None, None);
            prop_assert!(item.attributes.iter().all(|(_, value)| !value.is_absent()));
        }
    }
}
