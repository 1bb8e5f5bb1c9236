//! IP addresses and prefixes in any spelling.
//!
//! An IPv4 address that is mapped into IPv6 is the IPv4 address. A length may be written as a mask, and the longest one is
//! the address alone. The bits of a host count: `10.0.0.5/24` is an interface, `10.0.0.0/24` its network. A zone
//! (`fe80::1%eth0`) counts too. Anything else is no address, and an invalid address is no value.

use core::net::{IpAddr, Ipv4Addr};

/// An address with its length and zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    number: IpAddr,
    length: u8,
    zone: &'a str,
}

/// Reads an address or prefix.
pub(crate) fn parse(text: &str) -> Option<Address<'_>> {
    let text = text.trim();
    let (text, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let (text, zone) = text.split_once('%').unwrap_or((text, ""));
    let written: IpAddr = text.parse().ok()?;
    let full = if written.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(full), |length| read_length(length, written)).filter(|length| *length <= full)?;
    let address = written.to_canonical();
    let mapped = written.is_ipv6() && address.is_ipv4();
    // A prefix that reaches beyond the mapped part is one of IPv6.
    match (mapped, length.checked_sub(96)) {
        (true, Some(length)) => Some(Address { number: address, length, zone }),
        _ => Some(Address { number: written, length, zone }),
    }
}

fn read_length(text: &str, address: IpAddr) -> Option<u8> {
    if !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let mask: Ipv4Addr = text.parse().ok().filter(|_| address.is_ipv4())?;
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros().min(32) == 32 || bits == u32::MAX).then(|| u8::try_from(bits.leading_ones()).ok())?
}

/// Whether both are the same address. What is no address compares as text.
pub(crate) fn equal(a: &str, b: &str) -> bool {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.trim() == b.trim(),
        _ => false,
    }
}

/// The normal form: IPv6 as in RFC 5952, the length only where it is not the longest.
pub(crate) fn write(text: &str, out: &mut String) {
    let Some(Address { number: address, length, zone }) = parse(text) else { return out.push_str(text.trim()) };
    out.push_str(&address.to_string());
    if !zone.is_empty() {
        out.push('%');
        out.push_str(zone);
    }
    if length != if address.is_ipv4() { 32 } else { 128 } {
        out.push_str(&format!("/{length}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // openshift/assisted-service#10340: the spelling of an IPv6 address gave an endless loop.
    #[test]
    fn addresses_compare_in_any_spelling() {
        for (a, b, expected) in [
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", true),
            ("2001:0db8::0001", "2001:db8::1", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("::ffff:10.0.0.0/120", "10.0.0.0/24", true),
            ("::ffff:0:0/64", "::ffff:0:0/64", true),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("fd00::1/128", "fd00::1", true),
            ("10.0.0.0/255.255.255.0", "10.0.0.0/24", true),
            ("10.0.0.0/0.0.0.0", "10.0.0.0/0", true),
            ("10.0.0.0/255.0.255.0", "10.0.0.0/24", false),
            ("10.0.0.5/24", "10.0.0.6/24", false),
            ("10.0.0.0/24", "10.0.0.0/25", false),
            ("10.0.0.5/24", "10.0.0.5", false),
            ("fe80::1%eth0", "fe80::1%eth1", false),
            ("fe80::1%eth0", "FE80:0::1%eth0", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.01", "10.0.0.1", false),
            ("10.0.0.256", "10.0.0.256", true),
            ("10.0.0.0/33", "10.0.0.0/32", false),
        ] {
            assert_eq!(equal(a, b), expected, "{a} {b}");
            assert_eq!(equal(b, a), expected, "{b} {a}");
            let (mut one, mut other) = (String::new(), String::new());
            write(a, &mut one);
            write(b, &mut other);
            assert_eq!(one == other, expected, "{one} {other}");
        }
    }
}
