//! An endpoint, `host:port`, in its one normal form. Pure: policies use it too.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::api::Text;

/// Where a server listens. Two spellings of one endpoint are equal: the host is in lower case without a trailing dot,
/// an IPv6 address as RFC 5952 writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// The host's name or address, without brackets.
    pub host: Text,
    /// The TCP port, never 0.
    pub port: u16,
}

impl Endpoint {
    /// `host` or `host:port`; an IPv6 address stands in brackets where a port follows.
    pub fn with_default_port(text: &str, port: u16) -> Result<Self, String> {
        let bare = text.trim();
        let whole = match (bare.starts_with('['), bare.matches(':').count()) {
            (false, 0) => format!("{bare}:{port}"),
            (true, _) if bare.ends_with(']') => format!("{bare}:{port}"),
            (false, 2..) if bare.parse::<Ipv6Addr>().is_ok() => format!("[{bare}]:{port}"),
            _ => return bare.parse(),
        };
        // What is wrong is told of what was written.
        whole.parse().map_err(|error: String| error.replacen(&format!("`{whole}`"), &format!("`{bare}`"), 1))
    }

    /// As people write it: without the usual port.
    pub(crate) fn short(&self, usual: u16) -> Text {
        if self.port == usual { self.host.clone() } else { self.to_string().into() }
    }

    /// Those that are named, each once, in order. Texts that cannot be read are left out: a check of the document tells them.
    pub(crate) fn each_once<T: AsRef<str>>(texts: &[T], port: u16) -> Vec<Self> {
        let mut endpoints: Vec<Self> = texts.iter().filter_map(|text| Self::with_default_port(text.as_ref(), port).ok()).collect();
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` is not an endpoint: {what}; write host:port, for example pay.example.com:443");
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(|| wrong("it has no port"))?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| wrong("the port is not a number from 1 to 65535"))?;
        if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = address.parse().map_err(|_| wrong("what stands in brackets is not an IPv6 address"))?;
            return Ok(Self { host: address.to_string().into(), port });
        }
        if host.contains(':') {
            return Err(wrong("an IPv6 address stands in brackets"));
        }
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if !host.is_ascii() {
            return Err(wrong("the host has letters outside ASCII, which certificates write as xn--…"));
        }
        if !is_host_name(&host) {
            return Err(wrong("the host is neither a name nor an address"));
        }
        Ok(Self { host: host.into(), port })
    }
}

/// Whether it may be a host's name, or an IPv4 address.
pub(in crate::discovery) fn is_host_name(host: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    // A name of digits only would be read as an address by some resolvers and as a name by others.
    let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    host.len() <= 253 && host.split('.').all(label) && (!numeric || host.parse::<Ipv4Addr>().is_ok())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_endpoint_have_one_form() {
        for (text, normal) in [
            ("pay.example.com:443", "pay.example.com:443"),
            ("PAY.Example.com.:443", "pay.example.com:443"),
            (" 192.0.2.1:8443 ", "192.0.2.1:8443"),
            ("[2001:DB8:0:0::1]:443", "[2001:db8::1]:443"),
            ("localhost:1", "localhost:1"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), normal, "{text}");
        }
    }

    #[test]
    fn a_port_that_is_left_out_is_the_usual_one() {
        for (text, normal) in [
            ("SW-1.example.com", "sw-1.example.com:161"),
            ("sw-1:1161", "sw-1:1161"),
            ("192.0.2.1", "192.0.2.1:161"),
            ("2001:DB8::1", "[2001:db8::1]:161"),
            ("[2001:db8::1]", "[2001:db8::1]:161"),
            ("[2001:db8::1]:1161", "[2001:db8::1]:1161"),
        ] {
            assert_eq!(Endpoint::with_default_port(text, 161).unwrap().to_string(), normal, "{text}");
        }
        for text in ["", "a b", "a/b", "sw-1:", "sw-1:x", "2001:db8::1::", "[::1"] {
            let error = Endpoint::with_default_port(text, 161).unwrap_err();
            assert!(error.contains(&format!("`{text}`")), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_the_reason() {
        for (text, reason) in [
            ("pay.example.com", "no port"),
            ("pay.example.com:0", "port"),
            ("pay.example.com:65536", "port"),
            ("pay.example.com:https", "port"),
            ("2001:db8::1:443", "brackets"),
            ("[pay.example.com]:443", "brackets"),
            (":443", "neither"),
            ("a..b:443", "neither"),
            ("127.1:443", "neither"),
            ("https://pay.example.com:443", "brackets"),
            ("pay.example.com/x:443", "neither"),
            ("zürich.example.com:443", "ASCII"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
