//! The normal forms of identifiers, and values that identify nothing.

use std::borrow::Cow;

use super::mac;
use crate::estate::{Class, Placeholders};

/// How the values of an identifier are spelled, told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are; a UUID in lower case.
    Plain,
    /// In lower case: serial numbers and asset tags.
    Lower,
    /// In lower case, without a dot at the end.
    Host,
    /// In lower case, without braces or `urn:uuid:`.
    Uuid,
    /// A MAC address.
    Mac,
}

impl Form {
    /// The form of the values of the identifier `name`.
    pub(super) fn of(name: &str) -> Self {
        let last = name.rsplit('/').next().unwrap_or(name);
        if last == "mac" || last.ends_with("mac-address") || last.ends_with("macaddress") {
            Self::Mac
        } else if name.starts_with("dns/") || ["fqdn", "hostname", "host-name"].iter().any(|ending| last.ends_with(ending)) {
            Self::Host
        } else if last.ends_with("uuid") || last.ends_with("guid") {
            Self::Uuid
        } else if name.starts_with("serial/") || name.starts_with("asset/") || last == "serial" {
            Self::Lower
        } else {
            Self::Plain
        }
    }

    /// The normal form of a value; borrowed where it is in it already, as it is nearly always.
    pub(super) fn normal(self, value: &str) -> Cow<'_, str> {
        let value = value.trim();
        match self {
            Self::Plain if is_uuid(value) => lower(value),
            Self::Plain => Cow::Borrowed(value),
            Self::Lower => lower(value),
            Self::Host => lower(value.strip_suffix('.').unwrap_or(value)),
            Self::Uuid => {
                let bare = value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(value);
                lower(if bare.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("urn:uuid:")) { bare.get(9..).unwrap_or(bare) } else { bare })
            }
            Self::Mac => {
                let mut text = String::new();
                mac::write(value, &mut text);
                Cow::Owned(text)
            }
        }
    }
}

fn lower(value: &str) -> Cow<'_, str> {
    if value.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) { Cow::Owned(value.to_lowercase()) } else { Cow::Borrowed(value) }
}

fn is_uuid(value: &str) -> bool {
    value.len() == 36 && value.bytes().enumerate().all(|(place, byte)| if matches!(place, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Whether the identifier or attribute is only a name or an address: such are given to the next thing when the first is gone.
pub(super) fn is_reusable(identifier: &str) -> bool {
    let last = identifier.rsplit('/').next().unwrap_or(identifier);
    Form::of(identifier) == Form::Host
        || ["dhcp/", "ip/", "netbios/"].iter().any(|start| identifier.starts_with(start))
        || matches!(last, "name" | "ip" | "ip-address" | "address" | "ipAddress" | "ipAddresses" | "managementAddress" | "hostName" | "fqdn")
}

/// Whether the identifier or attribute is copied with a disk or a template, or set by hand: clones share it.
pub(super) fn is_copied(identifier: &str) -> bool {
    is_copied_with_disk(identifier) || Form::of(identifier) == Form::Mac || identifier == "macAddresses"
}

/// Whether it is copied with all others of its kind at once, so that one of them says nothing more beside another.
pub(super) fn is_copied_with_disk(identifier: &str) -> bool {
    matches!(identifier, "bios/uuid" | "agent/uuid" | "asset/tag") || identifier.starts_with("serial/")
}

/// What vendors, scripts and people leave where an identifier should be. Classes may name more.
const PLACEHOLDERS: [&str; 22] = [
    "to be filled by o.e.m.",
    "to be filled by o.e.m",
    "default string",
    "system serial number",
    "chassis serial number",
    "serial number",
    "system product name",
    "not specified",
    "not applicable",
    "not available",
    "no asset tag",
    "none",
    "null",
    "nil",
    "n/a",
    "undefined",
    "unknown",
    "localhost",
    "localhost.localdomain",
    "o.e.m.",
    "(none)",
    "invalid",
];

/// Whether this value identifies nothing: the class says so, it is a known placeholder, or it is empty, zeros, or one
/// character repeated.
pub(super) fn is_bogus(class: Option<&Class>, identifier: &str, value: &str) -> bool {
    is_placeholder(class.and_then(|class| class.bogus.get(identifier)), value)
}

/// The same, where `known` is what the class knows of the identifier.
pub(super) fn is_placeholder(known: Option<&Placeholders>, value: &str) -> bool {
    let bare = value.trim();
    Placeholders::have(known, bare) || (bare.len() < 24 && PLACEHOLDERS.iter().any(|known| known.eq_ignore_ascii_case(bare)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_one_spelling() {
        for (identifier, value, normal) in [
            ("dns/fqdn", "DB-1.Example.com.", "db-1.example.com"),
            ("bios/uuid", "{4C4C4544-0042-3510-8051-B4C04F4E5A32}", "4c4c4544-0042-3510-8051-b4c04f4e5a32"),
            ("bios/uuid", "urn:uuid:4C4C4544-0042-3510-8051-B4C04F4E5A32", "4c4c4544-0042-3510-8051-b4c04f4e5a32"),
            ("tool/id", "4C4C4544-0042-3510-8051-B4C04F4E5A32", "4c4c4544-0042-3510-8051-b4c04f4e5a32"),
            ("tool/id", "Case-Matters", "Case-Matters"),
            ("serial/number", " cz3401KQ11 ", "cz3401kq11"),
            ("network/mac", "0050.56AB.CDEF", "00:50:56:ab:cd:ef"),
        ] {
            assert_eq!(Form::of(identifier).normal(value), normal, "{identifier} {value}");
        }
    }

    #[test]
    fn placeholders_are_bogus_even_where_no_class_says_so() {
        for value in
            ["", " ", "…………", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "To be filled by O.E.M.", "N/A", "localhost"]
        {
            assert!(is_bogus(None, "any/identifier", value), "{value}");
        }
        for value in ["412", "11", "CZ3401KQ11", "none-such.example.com"] {
            assert!(!is_bogus(None, "any/identifier", value), "{value}");
        }
    }

    #[test]
    fn names_and_addresses_are_given_to_the_next_thing() {
        assert!(["dns/fqdn", "ip/address", "netbios/name", "dhcp/lease", "ipAddresses"].into_iter().all(is_reusable));
        assert!(!["bios/uuid", "serial/number", "netbox/device", "network/mac", "macAddresses"].into_iter().any(is_reusable));
    }
}
