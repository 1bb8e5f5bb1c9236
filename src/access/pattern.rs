//! Hosts as an operator writes them, to bind a credential to or to allow connections to. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::{AccessError, plain_host, split_port};

/// A host by name, the names one label below a domain, or what is written as an address of a network; with or without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// The name in lower case, without `*.`.
    name: String,
    /// Whether it stands for the names one label below.
    wildcard: bool,
    /// The network whose addresses it stands for. A name that leads into it is not meant.
    network: Option<IpNet>,
    /// The only port; none: every port.
    port: Option<u16>,
}

impl HostPattern {
    /// Whether it names this host and port.
    pub fn matches(&self, host: &str, port: Option<u16>) -> bool {
        let host = plain_host(host);
        let named = match &self.network {
            Some(network) => host.parse::<IpAddr>().is_ok_and(|address| network.contains(&address)),
            None if self.wildcard => host.split_once('.').is_some_and(|(label, domain)| !label.is_empty() && domain == self.name),
            None => host == self.name,
        };
        named && (self.port.is_none() || self.port == port)
    }
}

impl FromStr for HostPattern {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        let bad = || AccessError::BadRule(text.to_owned());
        let (host, port) = split_port(text).ok_or_else(bad)?;
        let (wildcard, rest) = host.strip_prefix("*.").map_or((false, host), |rest| (true, rest));
        let name = plain_host(rest);
        let network = name.parse::<IpNet>().ok().map(|network| network.trunc());
        let is_address = name.parse::<IpAddr>().is_ok() || network.is_some();
        let is_name = !name.is_empty() && name.split('.').all(is_label);
        let name = network.map_or(name, |network| network.to_string());
        if (is_name || is_address) && !(wildcard && is_address) { Ok(Self { name, wildcard, network, port }) } else { Err(bad()) }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.wildcard { "*." } else { "" };
        match self.port {
            Some(port) if self.name.contains(':') => write!(formatter, "[{}]:{port}", self.name),
            Some(port) => write!(formatter, "{star}{}:{port}", self.name),
            None => write!(formatter, "{star}{}", self.name),
        }
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_stands_for_what_is_written_as_an_address_of_it() {
        let matches = |pattern: &str, host: &str, port| pattern.parse::<HostPattern>().unwrap().matches(host, port);
        assert!(
            matches("10.1.0.0/16", "10.1.2.3", Some(161))
                && matches("10.1.2.3/16:161", "10.1.0.9", Some(161))
                && matches("[2001:db8::/32]:22", "[2001:DB8::1]", Some(22))
        );
        assert!(
            !matches("10.1.0.0/16", "10.2.0.1", None)
                && !matches("10.1.0.0/16:161", "10.1.0.1", Some(162))
                && !matches("10.1.0.0/16", "10.1.0.1.example.com", None)
        );
        assert_eq!("10.1.2.3/16:161".parse::<HostPattern>().unwrap().to_string(), "10.1.0.0/16:161");
        assert!("*.10.1.0.0/16".parse::<HostPattern>().is_err());
    }
}
