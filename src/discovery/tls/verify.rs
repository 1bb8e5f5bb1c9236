//! Whether a chain leads to a trusted authority, and whether a certificate is for its host: judged apart, after the
//! handshake, so that a certificate that nobody should trust is seen all the same.

use jiff::Timestamp;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use super::read::Facts;

/// The authorities that are trusted.
pub struct Authorities {
    store: RootCertStore,
    /// Those of the estate: one of them as an endpoint's own certificate is trusted by itself.
    own: Vec<CertificateDer<'static>>,
    /// Those of the system.
    system: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// The system's authorities and `own`. An error if there is none at all: then nothing could be told from what does
    /// not verify. Certificates of the system's that cannot be read are left out, as every TLS library does.
    pub fn new(own: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs().certs;
        store.add_parsable_certificates(system.iter().cloned());
        for certificate in &own {
            store.add(certificate.clone()).map_err(|error| format!("one of its certificates cannot be an authority: {}", sentence(&error)))?;
        }
        if store.is_empty() {
            return Err("this system has no trusted authorities; install its package of CA certificates, or name `authorities`".into());
        }
        Ok(Self { store, own, system })
    }

    /// Their certificates, the estate's first.
    pub fn certificates(&self) -> Vec<CertificateDer<'_>> {
        self.own.iter().chain(&self.system).map(|der| CertificateDer::from(der.as_ref())).collect()
    }

    /// Whether the chain leads from `leaf` to a trusted authority; if not, why. That the leaf itself has expired or is not
    /// yet valid is a fact of its own (`notAfter`, `notBefore`), so such a leaf's chain is judged at the nearest instant at which
    /// the leaf was valid. Revocation is not checked.
    pub fn chain(&self, leaf: &CertificateDer<'_>, chain: &[CertificateDer<'_>], facts: &Facts, now: Timestamp) -> Result<(), String> {
        if self.own.iter().any(|own| own.as_ref() == leaf.as_ref()) {
            return Ok(());
        }
        let parsed = ParsedCertificate::try_from(leaf).map_err(|error| sentence(&error))?;
        let at = if now > facts.not_after { facts.not_after } else { now.max(facts.not_before) };
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0)));
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.store, chain, at, algorithms).map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) if !facts.issuer_present => {
                format!("its issuer ({}) is not among the trusted authorities, and the server does not send the issuer's certificate", facts.issuer)
            }
            error => sentence(&error),
        })
    }
}

/// Whether the certificate is for this host; if not, why. Only its alternative names count, as RFC 9525 has it.
pub fn host_name(leaf: &CertificateDer<'_>, host: &ServerName<'_>) -> Result<(), String> {
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| sentence(&error))?;
    verify_server_name(&parsed, host).map_err(|error| match error {
        Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            format!("none of its names is {}", host.to_str())
        }
        error => sentence(&error),
    })
}

/// What is wrong with a certificate, for people.
fn sentence(error: &Error) -> String {
    let Error::InvalidCertificate(error) = error else { return error.to_string() };
    let text = match error {
        CertificateError::UnknownIssuer => "the chain leads to no trusted authority",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "a certificate of the chain has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "a certificate of the chain is not valid yet",
        CertificateError::BadSignature => "a signature in the chain is wrong",
        CertificateError::BadEncoding => "a certificate of the chain is malformed",
        CertificateError::UnhandledCriticalExtension => "a certificate of the chain has a critical extension that is not understood",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "a signature in the chain uses an algorithm or a key size that is not trusted"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "a certificate of the chain is not meant for servers",
        CertificateError::Other(other) => match other.to_string().as_str() {
            text if text.contains("CaUsedAsEndEntity") => "the server's certificate is an authority's own",
            text if text.contains("EndEntityUsedAsCa") => "a certificate of the chain signs others and is not an authority",
            text if text.contains("UnsupportedCertVersion") => "a certificate of the chain is not of version 3",
            _ => return format!("the certificate does not verify: {other}"),
        },
        other => return format!("the certificate does not verify: {other}"),
    };
    text.to_owned()
}
