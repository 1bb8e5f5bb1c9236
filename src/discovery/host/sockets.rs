//! What listens on this machine, and its addresses.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// The ports that Linux hands out to clients where nobody has said otherwise.
pub const USUAL_RANGE: RangeInclusive<u16> = 32_768..=60_999;

/// A socket as a system's table shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Whether it is TCP; else UDP.
    pub tcp: bool,
    /// Where it is bound.
    pub local: SocketAddr,
    /// Whether it waits for anyone: TCP listens, UDP has no peer.
    pub waits: bool,
}

/// The sockets that others can reach, as `tcp/22`, `udp6/5353`, sorted. What is bound to loopback is left out, and so are UDP
/// sockets on ports that the system hands out to clients: they come and go.
pub fn listening(sockets: &[Socket], handed_out: &RangeInclusive<u16>) -> Vec<String> {
    let mut found: Vec<(&str, u16)> = sockets
        .iter()
        .filter(|socket| socket.waits && !socket.local.ip().to_canonical().is_loopback())
        .filter(|socket| socket.local.port() != 0 && (socket.tcp || !handed_out.contains(&socket.local.port())))
        .map(|socket| (protocol(socket), socket.local.port()))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(protocol, port)| format!("{protocol}/{port}")).collect()
}

fn protocol(socket: &Socket) -> &'static str {
    match (socket.tcp, socket.local.is_ipv6()) {
        (true, false) => "tcp",
        (true, true) => "tcp6",
        (false, false) => "udp",
        (false, true) => "udp6",
    }
}

/// The range of ports for clients, as Linux writes it (two numbers).
pub fn parse_port_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut parts = text.split_whitespace();
    Some(parts.next()?.parse().ok()?..=parts.next()?.parse().ok()?)
}

/// Whether others can reach an address: neither loopback, link-local, multicast nor none at all.
pub fn is_reachable(address: IpAddr) -> bool {
    let special = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(special || address.is_loopback() || address.is_multicast() || address.is_unspecified())
}

/// The addresses that Linux marks temporary (privacy extensions, RFC 8981): they change daily. The table is
/// `/proc/net/if_inet6`: address, interface, prefix, scope, flags, name.
pub fn parse_temporary_addresses(table: &str) -> Vec<IpAddr> {
    const TEMPORARY: u32 = 0x01;
    let address = |line: &str| {
        let mut parts = line.split_whitespace();
        let address = u128::from_str_radix(parts.next()?, 16).ok()?;
        let flags = u32::from_str_radix(parts.nth(3)?, 16).ok()?;
        (flags & TEMPORARY != 0).then(|| IpAddr::V6(address.into()))
    };
    table.lines().filter_map(address).collect()
}

/// The sockets in lines of `/proc/net/tcp`, `tcp6`, `udp` or `udp6` (`proc(5)`): number, local address and port in hexadecimal, the other end,
/// state. An address is in words of 32 bits as the machine has them in memory, hence `big_endian`. What is no such line is passed over.
pub fn parse_sockets<'t>(lines: impl Iterator<Item = &'t str>, tcp: bool, big_endian: bool) -> Vec<Socket> {
    const LISTENS: &str = "0A";
    const CLOSED: &str = "07";
    let socket = |line: &str| {
        let mut parts = line.split_whitespace().skip(1);
        let (address, port) = parts.next()?.split_once(':')?;
        let state = parts.nth(1)?;
        let local = SocketAddr::new(address_in_words(address, big_endian)?, u16::from_str_radix(port, 16).ok()?);
        Some(Socket { tcp, local, waits: state == if tcp { LISTENS } else { CLOSED } })
    };
    lines.filter_map(socket).collect()
}

fn address_in_words(text: &str, big_endian: bool) -> Option<IpAddr> {
    let words = text.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let bytes: Vec<u8> =
        words.map(|word| word.map(|word| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() })).collect::<Option<Vec<_>>>()?.concat();
    match text.len() {
        8 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        32 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// The machine's own IPv4 addresses in `/proc/net/fib_trie`: each `|-- ADDRESS` before a line `/32 host LOCAL`.
pub fn parse_local_addresses(trie: &str) -> Vec<IpAddr> {
    let mut last = None;
    let mut found = Vec::new();
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4);
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(last.take());
        }
    }
    found
}

/// The addresses of `/proc/net/if_inet6` but for those that [`parse_temporary_addresses`] gives.
pub fn parse_lasting_addresses(table: &str) -> Vec<IpAddr> {
    let temporary = parse_temporary_addresses(table);
    let address = |line: &str| u128::from_str_radix(line.split_whitespace().next()?, 16).ok().map(|address| IpAddr::V6(address.into()));
    table.lines().filter_map(address).filter(|address| !temporary.contains(address)).collect()
}

/// This machine's sockets; none where they cannot be read.
#[cfg(target_os = "linux")]
pub fn sockets() -> Option<Vec<Socket>> {
    use procfs::net::{TcpState, UdpState, tcp, tcp6, udp, udp6};
    let tcp4 = tcp().ok()?;
    // A machine without IPv6 has no such table.
    let tcp6 = tcp6().unwrap_or_default();
    let (udp4, udp6) = (udp().unwrap_or_default(), udp6().unwrap_or_default());
    let tcp = tcp4.iter().chain(&tcp6).map(|entry| Socket { tcp: true, local: entry.local_address, waits: entry.state == TcpState::Listen });
    let udp = udp4.iter().chain(&udp6).map(|entry| Socket { tcp: false, local: entry.local_address, waits: entry.state == UdpState::Close });
    Some(tcp.chain(udp).collect())
}

/// This machine's sockets: not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn sockets() -> Option<Vec<Socket>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_reach_is_listed_once_and_in_order() {
        let socket = |tcp, local: &str, waits| Socket { tcp, local: local.parse().unwrap(), waits };
        let sockets = [
            socket(true, "[::]:443", true),
            socket(true, "0.0.0.0:9", true),
            socket(true, "192.0.2.1:22", true),
            socket(true, "0.0.0.0:22", true),
            socket(true, "127.0.0.1:5432", true),
            socket(true, "[::1]:5432", true),
            socket(true, "[::ffff:127.0.0.1]:5432", true),
            socket(true, "192.0.2.1:51000", false),
            socket(false, "0.0.0.0:53", true),
            socket(false, "0.0.0.0:40000", true),
            socket(false, "[::]:123", true),
        ];
        assert_eq!(listening(&sockets, &(32_768..=60_999)), ["tcp/9", "tcp/22", "tcp6/443", "udp/53", "udp6/123"]);
    }

    #[test]
    fn addresses_that_nobody_else_can_reach_or_that_change_daily_are_none() {
        for (address, reachable) in [
            ("192.0.2.1", true),
            ("10.0.0.1", true),
            ("2001:db8::1", true),
            ("fd00::1", true),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("::1", false),
            ("fe80::1", false),
            ("::", false),
        ] {
            assert_eq!(is_reachable(address.parse().unwrap()), reachable, "{address}");
        }
        let table = "20010db8000000000000000000000001 02 40 00 80 eth0\n20010db8000000000000000000000002 02 40 00 01 eth0\nx\n";
        assert_eq!(parse_temporary_addresses(table), ["2001:db8::2".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn the_kernels_tables_of_sockets_are_read_as_its_memory_has_them() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0";
        let v6 = "   1: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 01 00000000:00000000 00:00000000 00000000 0 0 1";
        let found = parse_sockets(["  sl  local_address rem_address   st", line, v6, "x"].into_iter(), true, false);
        let expected = [("127.0.0.1:8080", true), ("[::1]:22", false)].map(|(local, waits)| Socket { tcp: true, local: local.parse().unwrap(), waits });
        assert_eq!(found, expected);
        let big = "   0: 7F000001:1F90 00000000:0000 07 00000000:00000000";
        assert_eq!(parse_sockets([big].into_iter(), false, true), [Socket { tcp: false, local: "127.0.0.1:8080".parse().unwrap(), waits: true }]);
    }

    #[test]
    fn own_addresses_are_told_from_networks_and_broadcasts() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 192.0.2.2\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(parse_local_addresses(trie), ["192.0.2.2", "127.0.0.1"].map(|address| address.parse::<IpAddr>().unwrap()));
        let table = "20010db8000000000000000000000001 02 40 00 80 eth0\n20010db8000000000000000000000002 02 40 00 01 eth0\n";
        assert_eq!(parse_lasting_addresses(table), ["2001:db8::1".parse::<IpAddr>().unwrap()]);
    }

    proptest::proptest! {
        #[test]
        fn a_socket_is_read_as_it_is_written(address: [u32; 4], is_v6: bool, port: u16) {
            let words: String = address.iter().take(if is_v6 { 4 } else { 1 }).fold(String::new(), |text, word| text + &format!("{word:08X}"));
            let line = format!("0: {words}:{port:04X} 0:0 0A");
            for big_endian in [false, true] {
                let found = parse_sockets(std::iter::once(&*line), true, big_endian);
                let bytes: Vec<u8> = address.iter().flat_map(|word| if big_endian { word.to_be_bytes() } else { word.to_le_bytes() }).collect();
                let ip = if is_v6 { IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap()) } else { IpAddr::from(<[u8; 4]>::try_from(&bytes[..4]).unwrap()) };
                proptest::prop_assert_eq!(found, [Socket { tcp: true, local: SocketAddr::new(ip, port), waits: true }]);
            }
        }

        #[test]
        fn any_text_is_a_table_or_none(text: String) {
            let _ = (parse_sockets(text.lines(), false, false), parse_local_addresses(&text), parse_lasting_addresses(&text));
        }
    }

    #[test]
    fn the_range_of_client_ports_is_two_numbers() {
        assert_eq!(parse_port_range("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(parse_port_range("32768"), None);
        assert_eq!(parse_port_range("a b"), None);
    }
}
