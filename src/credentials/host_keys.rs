//! What the operator knows of the keys of SSH servers, by credential: a file of known hosts, fingerprints, or both.

use std::path::PathBuf;

use crate::access::split_port;

/// The usual port of SSH.
pub(crate) const PORT: u16 = 22;

/// What is known of the keys of the hosts to which a credential may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostKeys {
    /// A file as `sshd(8)` describes it under `SSH_KNOWN_HOSTS FILE FORMAT`.
    pub known_hosts: Option<PathBuf>,
    /// Hosts by the names under which SSH knows them, each with the fingerprint of a key that it may show (`SHA256:…`).
    pub fingerprints: Vec<(String, String)>,
}

/// The name under which SSH knows a host, whatever address it is at: with the port in brackets, where that is not the usual one.
pub(crate) fn known_as(host: &str, port: u16) -> String {
    if port == PORT { host.to_owned() } else { format!("[{host}]:{port}") }
}

/// The same for `host`, `host:port` or `[host]:port`, in lower case; none where it is neither.
pub(super) fn name_of(text: &str) -> Option<String> {
    let (host, port) = split_port(text)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_lowercase();
    let is_name = !host.is_empty() && !host.contains(|letter: char| letter.is_whitespace() || matches!(letter, '*' | '?' | ',' | '/'));
    let host = host.parse::<std::net::Ipv6Addr>().map_or(host, |address| address.to_string());
    is_name.then(|| known_as(&host, port.unwrap_or(PORT)))
}

/// Whether it is a fingerprint as `ssh-keygen -l` shows it: `SHA256:` and 43 digits of base 64.
pub(super) fn is_fingerprint(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.strip_prefix("SHA256:").is_some_and(|digest| digest.len() == 43 && digest.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_name() {
        for (text, name) in [
            ("Web-1.example.com.", "web-1.example.com"),
            ("web-1:22", "web-1"),
            ("web-1:2222", "[web-1]:2222"),
            ("[web-1]:2222", "[web-1]:2222"),
            ("[2001:db8::1]:22", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:DB8:0:0::1]:22", "2001:db8::1"),
        ] {
            assert_eq!(name_of(text).as_deref(), Some(name), "{text}");
        }
        for text in ["", "a b", "*.example.com", "a,b", "a:x", "https://a"] {
            assert_eq!(name_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_shows() {
        assert!(is_fingerprint("SHA256:uNiVztksCsDhcc0u9e8BrrhA6Yv6MxFZ7x1KkFvz0Ao"));
        for text in ["uNiVztksCsDhcc0u9e8BrrhA6Yv6MxFZ7x1KkFvz0Ao", "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", "SHA256:", "SHA256:short"] {
            assert!(!is_fingerprint(text), "{text}");
        }
    }
}
