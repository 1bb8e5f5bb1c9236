//! What a machine is asked: a fixed list of commands that read and change nothing. Pure.
//!
//! Nothing that an estate or an operator says stands in any of them. They are one line each, without anything that shells differ in: single
//! quotes, and names of files with `*` at most. What a machine lacks or does not show is left out.

use crate::discovery::host::packages::{DPKG_FORMAT, RPM_FORMAT};

/// Small files that are read at once, each line behind the file's name. Of the last, only root may read.
pub(super) const FILES: &str = "grep -sH '' /etc/os-release /usr/lib/os-release /etc/machine-id /var/lib/dbus/machine-id /etc/hosts /proc/meminfo /proc/net/if_inet6 \
    /proc/sys/net/ipv4/ip_local_port_range /sys/devices/system/memory/block_size_bytes /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name \
    /sys/class/dmi/id/product_serial /sys/class/dmi/id/product_uuid";

/// What one answer may have, in bytes.
const SMALL: usize = 4 << 20;
/// What a list of packages may have.
const LARGE: usize = 32 << 20;

/// One thing that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Command {
    /// The kernel's name, the host's, the kernel's release, the architecture.
    System,
    /// [`FILES`].
    Files,
    /// A line a CPU, and what it is called.
    Cpus,
    /// The state of each block of memory.
    Memory,
    /// Files that are there in a container.
    Container,
    /// The MAC address of each interface, behind its file's name.
    Interfaces,
    /// The interfaces behind which a device stands.
    Devices,
    /// The machine's own IPv4 addresses.
    Addresses,
    /// File systems on the machine itself, all of them, in KiB.
    FileSystems,
    /// The same where `df` knows fewer options.
    PlainFileSystems,
    /// TCP sockets that listen.
    Tcp,
    /// UDP sockets without a peer.
    Udp,
    /// What is installed, by dpkg.
    Dpkg,
    /// What is installed, by rpm.
    Rpm,
}

impl Command {
    /// What is run.
    pub(super) fn line(self) -> String {
        match self {
            Self::System => "uname -snrm".to_owned(),
            Self::Files => FILES.to_owned(),
            Self::Cpus => "grep -e ^processor -e '^model name' /proc/cpuinfo".to_owned(),
            Self::Memory => "cat /sys/devices/system/memory/memory*/state".to_owned(),
            Self::Container => "ls -d /.dockerenv /run/.containerenv".to_owned(),
            Self::Interfaces => "grep -sH '' /sys/class/net/*/address".to_owned(),
            Self::Devices => "ls -d /sys/class/net/*/device".to_owned(),
            Self::Addresses => "grep -B1 'host LOCAL' /proc/net/fib_trie".to_owned(),
            Self::FileSystems => "df -P -T -k -l -a".to_owned(),
            Self::PlainFileSystems => "df -P -T -k".to_owned(),
            Self::Tcp => "grep -sH ' 0A ' /proc/net/tcp /proc/net/tcp6".to_owned(),
            Self::Udp => "grep -sH ' 07 ' /proc/net/udp /proc/net/udp6".to_owned(),
            Self::Dpkg => format!("dpkg-query -W -f '{DPKG_FORMAT}'"),
            Self::Rpm => format!("rpm -qa --queryformat '{RPM_FORMAT}'"),
        }
    }

    /// The largest answer, in bytes.
    pub(super) fn most(self) -> usize {
        if matches!(self, Self::Dpkg | Self::Rpm) { LARGE } else { SMALL }
    }
}

/// Those that every machine is asked.
pub(super) const ALWAYS: [Command; 10] = [
    Command::Files,
    Command::Cpus,
    Command::Memory,
    Command::Container,
    Command::Interfaces,
    Command::Devices,
    Command::Addresses,
    Command::FileSystems,
    Command::Tcp,
    Command::Udp,
];

/// What a command answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    /// What it wrote.
    pub text: String,
    /// How it ended; none where that was not said.
    pub status: Option<u32>,
}

impl Output {
    /// Whether it ran to its end without a complaint.
    pub(super) fn is_good(&self) -> bool {
        self.status == Some(0)
    }

    /// Whether it was ended before it had said everything: by a signal, which a shell tells as a status above 128.
    pub(super) fn is_cut(&self) -> bool {
        self.status.is_none_or(|status| status > 128)
    }

    /// Whether there is no such program.
    pub(super) fn is_missing(&self) -> bool {
        self.status == Some(127)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Command; 4] = [Command::System, Command::PlainFileSystems, Command::Dpkg, Command::Rpm];

    #[test]
    fn every_command_only_reads_and_means_the_same_to_every_shell() {
        for command in ALWAYS.into_iter().chain(ALL) {
            let line = command.line();
            let program = line.split(' ').next().unwrap();
            assert!(["uname", "grep", "cat", "ls", "df", "dpkg-query", "rpm"].contains(&program), "{line}");
            // Outside of single quotes nothing is left for a shell to do but to find files.
            let outside: String = line.split('\'').step_by(2).collect();
            assert!(!outside.contains(['$', '`', '"', '\\', ';', '&', '|', '<', '>', '(', ')', '{', '}', '~', '!', '?', '#', '\n']), "{line}");
        }
    }
}
