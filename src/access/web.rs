//! What every HTTP client here has in common: which addresses are spoken to at all, and the TLS with which.

pub(crate) mod carry;
pub(crate) mod kept;
mod pinned;
pub(crate) mod wait;

use std::error::Error as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use pinned::Pinned;
use reqwest::Url;
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::credentials::Login;

/// What holds for an address and for every redirect from it.
pub(crate) fn check_http(url: &Url) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds an account or a password; name a credential instead, and let the operator say what it is");
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no host")?;
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_this_machine(host) => Ok(()),
        "http" => Err("http is spoken with this machine only; use https"),
        _ => Err("only https is spoken here"),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What an HTTP library says, with all its causes. Take the address out first (`without_url`): it may hold a secret.
pub(crate) fn reason_of(error: &reqwest::Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !reason.contains(&text) {
            reason = format!("{reason}: {text}");
        }
        cause = next.source();
    }
    reason
}

/// Why a server's certificate is not trusted, and what to do.
pub(crate) fn untrusted(reason: &str) -> String {
    // Another authority of the same name makes a bad signature.
    let unknown = ["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"].iter().any(|kind| reason.contains(kind));
    format!("{reason}{}", if unknown { "; name the file of its authority, or of the certificate itself, with `ca`" } else { "" })
}

/// The longest quotation of what a server said, in characters.
const LONGEST: usize = 200;

/// Text on one line, without control characters and what turns text around, in bounds.
pub(crate) fn one_line(text: &str) -> String {
    let turns = |char: char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain: String = text.chars().take(LONGEST * 8).map(|char| if char.is_control() || turns(char) { ' ' } else { char }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= LONGEST { words } else { words.chars().take(LONGEST - 1).chain(['…']).collect() }
}

/// The host without brackets, as resolvers take it, and the port.
pub(crate) fn host_and_port(url: &Url) -> (String, u16) {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    (host.to_owned(), url.port_or_known_default().unwrap_or(443))
}

/// `host:port`, with brackets where the host is an IPv6 address, as credentials are bound to it.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// TLS that trusts the system's authorities and these files', with the login's client certificate where it is one. The
/// error says what is wrong, and nothing secret.
pub(crate) fn tls(authorities: &[PathBuf], login: Option<&Login>) -> Result<ClientConfig, String> {
    tls_with(authorities, &[], login)
}

/// The same, with more authorities in PEM.
pub(crate) fn tls_with(authorities: &[PathBuf], more: &[u8], login: Option<&Login>) -> Result<ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    // The system's, or those of SSL_CERT_FILE and SSL_CERT_DIR.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for file in authorities {
        let broken = |reason: String| format!("the certificate authorities in `{}` cannot be read: {reason}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| broken(error.to_string()))? {
            let added = certificate.map_err(|error| error.to_string()).and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
            added.map_err(broken)?;
        }
    }
    let own: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(more)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("the certificate authorities of the source cannot be read: {error}"))?;
    // What cannot vouch for others may still be the server's own.
    roots.add_parsable_certificates(own.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let builder = if own.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().map_err(|error| error.to_string())?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned { inner, own }))
    };
    let Some(Login::ClientCertificate { certificate, key }) = login else {
        return Ok(builder.with_no_client_auth());
    };
    // What a parser says about a key could quote it.
    let broken = || "the credential's client certificate or key is not PEM".to_owned();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>().map_err(|_| broken())?;
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| broken())?;
    builder.with_client_auth_cert(chain, key).map_err(|_| "the credential's client certificate and key do not fit each other".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_line_of_200_characters_at_most() {
        assert_eq!(one_line("a\n\u{1b}[31mb\u{202e}\0  c"), "a [31mb c");
        assert_eq!(one_line(&"ä".repeat(1_000_000)).chars().count(), 200);
    }
}
