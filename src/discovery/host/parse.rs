//! What small system files say. Pure.

/// The operating system as `os-release(5)` names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`, in lower case: `debian`.
    pub id: Option<String>,
    /// `VERSION_ID`: `12`. Rolling releases have none.
    pub version: Option<String>,
}

/// Reads `os-release(5)`: lines of `NAME=value`, where the value may be quoted as in a shell.
pub fn parse_os_release(text: &str) -> OsRelease {
    let value =
        |name: &str| text.lines().rev().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('=')).map(unquoted).filter(|value| !value.is_empty());
    OsRelease { id: value("ID").map(|id| id.to_lowercase()), version: value("VERSION_ID") }
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    let inner = quote.and_then(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value);
    if quote == Some('\'') {
        return inner.to_owned();
    }
    let mut text = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    text
}

/// The full name that a `hosts(5)` table gives a host, as `hostname --fqdn` takes it from there: the first name with a dot on
/// a line that names the host.
pub fn parse_fqdn(hosts: &str, host: &str) -> Option<String> {
    hosts.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let names: Vec<&str> = line.split_whitespace().skip(1).collect();
        let is_meant = names.iter().any(|name| name.eq_ignore_ascii_case(host));
        let prefix = format!("{}.", host.to_lowercase());
        names.iter().find(|name| is_meant && name.to_lowercase().starts_with(&prefix)).map(|name| full_name(name))
    })
}

/// A full host name in its one form: lower case, no trailing dot.
pub fn full_name(name: &str) -> String {
    name.trim_end_matches('.').to_lowercase()
}

/// MAC addresses, each with whether a device stands behind it: those of devices; all where none has one.
pub fn of_devices(all: impl Iterator<Item = (String, bool)>) -> Vec<String> {
    let all: Vec<(String, bool)> = all.collect();
    let devices = all.iter().any(|(_, is_device)| *is_device);
    all.into_iter().filter(|(_, is_device)| *is_device || !devices).map(|(address, _)| address).collect()
}

/// Which kind of machine this is by its firmware's vendor and product: a hypervisor's name, or none for what may be
/// physical.
pub fn hypervisor(vendor: &str, product: &str) -> Option<&'static str> {
    let text = format!("{vendor} {product}").to_lowercase();
    [
        ("vmware", "vmware"),
        ("qemu", "kvm"),
        ("kvm", "kvm"),
        ("amazon ec2", "amazon"),
        ("google compute engine", "google"),
        ("virtualbox", "virtualbox"),
        ("innotek", "virtualbox"),
        ("microsoft corporation virtual machine", "hyper-v"),
        ("xen", "xen"),
        ("parallels", "parallels"),
        ("bochs", "bochs"),
        ("openstack", "openstack"),
    ]
    .into_iter()
    .find_map(|(word, name)| text.contains(word).then_some(name))
}

/// Types of file systems that hold data; the others are the kernel's, or show the same data again.
pub fn is_real_file_system(kind: &str) -> bool {
    const REAL: [&str; 24] = [
        "apfs",
        "bcachefs",
        "btrfs",
        "ceph",
        "cifs",
        "exfat",
        "ext2",
        "ext3",
        "ext4",
        "f2fs",
        "gfs2",
        "glusterfs",
        "hfs",
        "jfs",
        "nfs",
        "nfs4",
        "ntfs",
        "ntfs3",
        "ocfs2",
        "reiserfs",
        "smb3",
        "vfat",
        "xfs",
        "zfs",
    ];
    REAL.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_read_as_a_shell_would() {
        let release = |id: Option<&str>, version: Option<&str>| OsRelease { id: id.map(str::to_owned), version: version.map(str::to_owned) };
        for (text, expected) in [
            ("PRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID=\"12\"\nID=debian\nID_LIKE=x\n", release(Some("debian"), Some("12"))),
            ("ID='RHEL'\nVERSION_ID=9.4\n", release(Some("rhel"), Some("9.4"))),
            ("ID=arch\nBUILD_ID=rolling\n", release(Some("arch"), None)),
            ("# ID=no\nID=\"a\\\"b\"\n", release(Some("a\"b"), None)),
            ("ID=\nVERSION_ID=\"\"", release(None, None)),
            ("ID=\"", release(Some("\""), None)),
            ("", release(None, None)),
        ] {
            assert_eq!(parse_os_release(text), expected, "{text}");
        }
    }

    #[test]
    fn the_full_name_is_taken_from_the_line_that_names_the_host() {
        let hosts = "127.0.0.1 localhost localhost.localdomain\n# 127.0.1.1 web.old.example.com web\n127.0.1.1\tWeb.Example.com web # web.x.example.com\n";
        assert_eq!(parse_fqdn(hosts, "web").as_deref(), Some("web.example.com"));
        assert_eq!(parse_fqdn(hosts, "db"), None);
        assert_eq!(parse_fqdn("192.0.2.1 other.example.com web\n", "web"), None);
    }

    #[test]
    fn hypervisors_are_known_by_their_firmware() {
        for (vendor, product, name) in [
            ("VMware, Inc.", "VMware7,1", Some("vmware")),
            ("QEMU", "Standard PC (Q35 + ICH9, 2009)", Some("kvm")),
            ("Microsoft Corporation", "Virtual Machine", Some("hyper-v")),
            ("Microsoft Corporation", "Surface Pro", None),
            ("Dell Inc.", "PowerEdge R740", None),
        ] {
            assert_eq!(hypervisor(vendor, product), name, "{vendor} {product}");
        }
    }
}
