//! What the operator allows an estate to reach: files outside its root, addresses on the network (rule 8).
//!
//! An estate is input from whoever may open a pull request. Every path that it declares passes [`Access::path`], every
//! connection that it causes passes [`Access::connect`], [`Access::resolve`] or [`Access::resolver`]: a name is resolved
//! once, each address is judged, and the connection goes to a judged address, so that a name cannot change its mind in
//! between (DNS rebinding).

mod pattern;
pub(crate) mod web;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpStream;

pub use pattern::HostPattern;

/// How long one address may take to answer a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a name may take to resolve.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the operator allows.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Files and folders outside the estate's root that it may read (`--allow-read`).
    pub allow_read: Vec<PathBuf>,
    /// Where it may connect to (`--allow-net`). Empty: everywhere but link-local addresses.
    pub allow_net: Vec<NetRule>,
    /// PEM files of certificate authorities to trust besides the system's.
    pub authorities: Vec<PathBuf>,
}

/// Why something may not be reached.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AccessError {
    /// The path leads out of the root.
    #[error("`{0}` is outside the estate's root; only the operator can allow that, with --allow-read")]
    Outside(String),
    /// The path cannot be followed.
    #[error("`{path}` cannot be read: {reason}")]
    Unreadable {
        /// As it was declared.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// A link-local address.
    #[error("`{host}` is at {ip}, a link-local address, where machines keep their own secrets; name exactly {ip} with --allow-net to allow it")]
    LinkLocal {
        /// The host.
        host: String,
        /// Its address.
        ip: IpAddr,
    },
    /// An address that the operator has not named.
    #[error("`{host}` ({ip}, port {port}) is not among what --allow-net names")]
    NotAllowed {
        /// The host.
        host: String,
        /// Its address.
        ip: IpAddr,
        /// The port.
        port: u16,
    },
    /// A host behind a proxy that the operator has not named.
    #[error("`{host}` (port {port}) is asked for by way of a proxy and is not among what --allow-net names")]
    NotNamed {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// The name has no address.
    #[error("`{host}` cannot be resolved: {reason}")]
    Unresolved {
        /// The host.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// No address answers.
    #[error("`{host}`, port {port}, cannot be connected to: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What the system says.
        reason: String,
    },
    /// A rule that cannot be read.
    #[error("`{0}` is not a host, `*.domain`, address or network, with or without `:port`")]
    BadRule(String),
}

/// One thing that `--allow-net` names: a host, `*.domain`, an address or a network, with or without `:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetRule {
    /// Hosts by name.
    Host(HostPattern),
    /// Addresses, and the only port; none: every port.
    Net(IpNet, Option<u16>),
}

impl FromStr for NetRule {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        let bad = || AccessError::BadRule(text.to_owned());
        let (host, port) = split_port(text).ok_or_else(bad)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(Self::Net(IpNet::from(ip), port));
        }
        match bare.parse::<IpNet>() {
            Ok(net) => Ok(Self::Net(net.trunc(), port)),
            Err(_) => text.parse().map(Self::Host),
        }
    }
}

impl NetRule {
    /// Whether it names this address itself, not only a network that holds it or a name that leads to it.
    fn is_exactly(&self, ip: IpAddr, port: u16) -> bool {
        matches!(self, Self::Net(net, only) if net.prefix_len() == net.max_prefix_len() && net.addr() == ip && only.is_none_or(|only| only == port))
    }

    fn allows(&self, host: &str, ip: IpAddr, port: u16) -> bool {
        match self {
            Self::Net(net, only) => net.contains(&ip) && only.is_none_or(|only| only == port),
            // Whoever runs a domain's name server decides where its names lead; this machine is not theirs to offer.
            Self::Host(pattern) => pattern.matches(host, Some(port)) && (!ip.is_loopback() || plain_host(host) == "localhost"),
        }
    }
}

impl Access {
    /// The file or folder at a declared path, with every symlink followed: below the root, or below what `--allow-read`
    /// names. A relative path is relative to the root.
    pub fn path(&self, root: &Path, declared: &str) -> Result<PathBuf, AccessError> {
        let outside = || AccessError::Outside(declared.to_owned());
        let root = root.canonicalize().map_err(|error| unreadable(declared, &error))?;
        let places: Vec<PathBuf> = std::iter::once(root.clone()).chain(self.allow_read.iter().filter_map(|place| place.canonicalize().ok())).collect();
        let joined = root.join(declared);
        // Judged by its letters first: the answer must not tell what exists outside.
        let plain = without_dots(&joined).ok_or_else(outside)?;
        let asked = |path: &Path| places.iter().chain(&self.allow_read).any(|place| path.starts_with(place));
        if !asked(&plain) {
            return Err(outside());
        }
        let real = joined.canonicalize().map_err(|error| unreadable(declared, &error))?;
        if places.iter().any(|place| real.starts_with(place)) { Ok(real) } else { Err(outside()) }
    }

    /// Whether a connection to this address of a host is allowed.
    pub fn address(&self, host: &str, ip: IpAddr, port: u16) -> Result<(), AccessError> {
        let ip = embedded(ip);
        if is_link_local(ip) {
            let named = self.allow_net.iter().any(|rule| rule.is_exactly(ip, port));
            return if named { Ok(()) } else { Err(AccessError::LinkLocal { host: host.to_owned(), ip }) };
        }
        // The unspecified address connects to this machine.
        let judged = match ip {
            IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let allowed = self.allow_net.is_empty() || self.allow_net.iter().any(|rule| rule.allows(host, judged, port));
        if allowed { Ok(()) } else { Err(AccessError::NotAllowed { host: host.to_owned(), ip, port }) }
    }

    /// Whether a host may be asked for by way of a proxy, which resolves its name where nobody here sees it: where the operator
    /// names hosts, one of them must be it.
    pub fn behind_proxy(&self, host: &str, port: u16) -> Result<(), AccessError> {
        if let Ok(ip) = bare_host(host).parse() {
            return self.address(host, ip, port);
        }
        let named = self.allow_net.iter().any(|rule| matches!(rule, NetRule::Host(pattern) if pattern.matches(host, Some(port))));
        if named || self.allow_net.is_empty() { Ok(()) } else { Err(AccessError::NotNamed { host: host.to_owned(), port }) }
    }

    /// The addresses of a host that may be connected to. Blocks while the system resolves the name.
    pub fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, AccessError> {
        let found = (bare_host(host), port).to_socket_addrs().map_err(|error| unresolved(host, error.to_string()))?;
        self.allowed(host, port, found)
    }

    /// Connects to a host: resolves it, judges every address, and tries the allowed ones in turn.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, AccessError> {
        let mut reason = "no address answers".to_owned();
        for address in self.resolve_async(host, port).await? {
            match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => reason = format!("{}: {error}", address.ip()),
                Err(_) => reason = format!("{}: no answer within {} s", address.ip(), CONNECT_TIMEOUT.as_secs()),
            }
        }
        Err(AccessError::Unreachable { host: host.to_owned(), port, reason })
    }

    /// A resolver for a `reqwest` client that connects to this port only. An address that stands in the URL itself is not
    /// resolved: judge it with [`Access::address`] first.
    pub fn resolver(&self, port: u16) -> Arc<Resolver> {
        Arc::new(Resolver { access: Arc::new(self.clone()), port })
    }

    /// [`Access::resolve`] without blocking.
    pub(crate) async fn resolve_async(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, AccessError> {
        let lookup = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((bare_host(host), port))).await;
        let found = lookup
            .map_err(|_| unresolved(host, format!("no answer within {} s", RESOLVE_TIMEOUT.as_secs())))?
            .map_err(|error| unresolved(host, error.to_string()))?;
        self.allowed(host, port, found)
    }

    /// The allowed ones among the addresses; if there are none, why the first was refused.
    fn allowed(&self, host: &str, port: u16, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, AccessError> {
        let mut refusal = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.address(host, address.ip(), port) {
                Ok(()) => allowed.push(address),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        if allowed.is_empty() { Err(refusal.unwrap_or_else(|| unresolved(host, "it has no address".to_owned()))) } else { Ok(allowed) }
    }
}

/// Resolves names for `reqwest`, and hands out allowed addresses only.
#[derive(Clone, Debug)]
pub struct Resolver {
    access: Arc<Access>,
    port: u16,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.access.resolve_async(name.as_str(), resolver.port).await?;
            Ok(Box::new(found.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

fn unreadable(declared: &str, error: &std::io::Error) -> AccessError {
    AccessError::Unreadable { path: declared.to_owned(), reason: error.kind().to_string() }
}

fn unresolved(host: &str, reason: String) -> AccessError {
    AccessError::Unresolved { host: host.to_owned(), reason }
}

/// The path without `.` and `..`, by its letters; none if it leads above the file system's root.
fn without_dots(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            other => plain.push(other),
        }
    }
    Some(plain)
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address, in its two parts; none if the port is none.
pub fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if text.starts_with('[') {
        let end = text.find(']')?;
        let (host, rest) = text.split_at(end + 1);
        return if rest.is_empty() { Some((host, None)) } else { Some((host, Some(rest.strip_prefix(':')?.parse().ok()?))) };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port.parse().ok()?))),
        _ => Some((text, None)), // no colon, or an IPv6 address
    }
}

/// The host as it is compared: lower case, without brackets and without the dot at the end.
fn plain_host(host: &str) -> String {
    bare_host(host).trim_end_matches('.').to_ascii_lowercase()
}

fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// The IPv4 address inside an IPv6 address (mapped, compatible, NAT64 of RFC 6052, 6to4 of RFC 3056); else the address.
fn embedded(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => v4(high, low),
        _ => ip,
    }
}

/// Link-local addresses, and those at which clouds answer a machine about itself.
fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local() || v4 == Ipv4Addr::new(100, 100, 100, 200),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(rules: &[&str]) -> Access {
        Access { allow_net: rules.iter().map(|rule| rule.parse().unwrap()).collect(), ..Access::default() }
    }

    fn allows(access: &Access, host: &str, ip: &str, port: u16) -> bool {
        access.address(host, ip.parse().unwrap(), port).is_ok()
    }

    #[test]
    fn cloud_metadata_is_refused_in_every_spelling() {
        for ip in [
            "169.254.169.254",
            "169.254.0.1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
        ] {
            for rules in [&[][..], &["metadata.example.com", "169.254.0.0/16", "fe80::/10", "0.0.0.0/0", "::/0"][..]] {
                assert!(!allows(&access(rules), "metadata.example.com", ip, 80), "{ip} with {rules:?}");
            }
        }
        assert!(allows(&access(&["169.254.169.254"]), "x", "169.254.169.254", 80));
        assert!(allows(&access(&["169.254.169.254:80"]), "x", "::ffff:169.254.169.254", 80));
        assert!(!allows(&access(&["169.254.169.254:80"]), "x", "169.254.169.254", 81));
    }

    #[test]
    fn without_rules_everything_else_is_allowed() {
        for ip in ["127.0.0.1", "10.0.0.1", "192.0.2.1", "2001:db8::1", "::1"] {
            assert!(allows(&access(&[]), "host", ip, 443), "{ip}");
        }
    }

    #[test]
    fn with_rules_only_what_they_name_is_allowed() {
        let rules = access(&["git.example.com:443", "*.corp.example.com", "10.1.0.0/16:8443", "192.0.2.7", "[2001:db8::7]:22"]);
        assert!(allows(&rules, "git.example.com", "192.0.2.1", 443));
        assert!(allows(&rules, "GIT.example.com.", "192.0.2.1", 443));
        assert!(!allows(&rules, "git.example.com", "192.0.2.1", 80));
        assert!(!allows(&rules, "xgit.example.com", "192.0.2.1", 443));
        assert!(allows(&rules, "a.corp.example.com", "192.0.2.1", 1));
        assert!(!allows(&rules, "a.b.corp.example.com", "192.0.2.1", 1), "a star is one label");
        assert!(!allows(&rules, "corp.example.com", "192.0.2.1", 1));
        assert!(allows(&rules, "x", "10.1.2.3", 8443));
        assert!(!allows(&rules, "x", "10.1.2.3", 443));
        assert!(allows(&rules, "x", "::ffff:192.0.2.7", 9));
        assert!(allows(&rules, "x", "2001:db8::7", 22));
        assert!(!allows(&rules, "x", "203.0.113.1", 443));
    }

    #[test]
    fn a_named_domain_does_not_open_this_machine() {
        let rules = access(&["*.example.com", "evil.example.com"]);
        assert!(!allows(&rules, "evil.example.com", "127.0.0.1", 80));
        assert!(!allows(&rules, "evil.example.com", "::ffff:127.0.0.1", 80));
        assert!(!allows(&rules, "evil.example.com", "0.0.0.0", 80));
        assert!(allows(&access(&["localhost"]), "localhost", "127.0.0.1", 80));
        assert!(allows(&access(&["127.0.0.0/8"]), "evil.example.com", "127.0.0.1", 80));
    }

    #[test]
    fn rules_that_say_nothing_are_errors() {
        for rule in ["", "*", "*.", "a b", "host:", "host:99999", "[::1", "*.10.0.0.1", "http://x", "10.0.0.0/33"] {
            assert!(rule.parse::<NetRule>().is_err(), "{rule}");
        }
    }

    #[test]
    fn a_declared_path_stays_below_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("observed")).unwrap();
        std::fs::create_dir_all(folder.path().join("root-2")).unwrap();
        for file in ["root/observed/a.json", "secret", "root-2/b"] {
            std::fs::write(folder.path().join(file), "x").unwrap();
        }
        let none = Access::default();
        assert_eq!(none.path(&root, "observed/a.json").unwrap(), root.canonicalize().unwrap().join("observed/a.json"));
        assert!(none.path(&root, "observed/../observed/a.json").is_ok());
        for declared in ["../secret", "../nothing", "../root-2/b", "/etc/passwd", "observed/../../secret", "../../../../../../../../../etc/passwd"] {
            assert_eq!(none.path(&root, declared), Err(AccessError::Outside(declared.to_owned())), "{declared}");
        }
        assert!(matches!(none.path(&root, "observed/none.json"), Err(AccessError::Unreadable { .. })));
        let more = Access { allow_read: vec![folder.path().join("root-2")], ..Access::default() };
        assert!(more.path(&root, "../root-2/b").is_ok());
        assert!(more.path(&root, "../secret").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_symlink_out_of_the_root_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("d")).unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.path(), root.join("up")).unwrap();
        std::os::unix::fs::symlink("loop", root.join("loop")).unwrap();
        for declared in ["link", "up/secret", "d/../link"] {
            assert_eq!(Access::default().path(&root, declared), Err(AccessError::Outside(declared.to_owned())), "{declared}");
        }
        assert!(matches!(Access::default().path(&root, "loop"), Err(AccessError::Unreadable { .. })));
    }

    #[tokio::test]
    async fn a_connection_goes_to_an_allowed_address_only() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(access(&[]).connect("localhost", port).await.is_ok());
        assert!(access(&["localhost"]).connect("localhost", port).await.is_ok());
        assert!(matches!(access(&["10.0.0.0/8"]).connect("localhost", port).await, Err(AccessError::NotAllowed { .. })));
        assert!(matches!(access(&[]).connect("169.254.169.254", 80).await, Err(AccessError::LinkLocal { .. })));
    }
}
