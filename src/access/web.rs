//! What every HTTP client here has in common: which addresses are spoken to at all, and the TLS with which.

use std::error::Error as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::Url;
use rustls::ClientConfig;
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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| error.to_string())?.with_root_certificates(roots);
    let Some(Login::ClientCertificate { certificate, key }) = login else {
        return Ok(builder.with_no_client_auth());
    };
    // What a parser says about a key could quote it.
    let broken = || "the credential's client certificate or key is not PEM".to_owned();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<_, _>>().map_err(|_| broken())?;
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| broken())?;
    builder.with_client_auth_cert(chain, key).map_err(|_| "the credential's client certificate and key do not fit each other".to_owned())
}
