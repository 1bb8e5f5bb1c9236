//! Servers that show the very certificate that was named as trusted. Appliances make themselves one that is an authority and a server's at once,
//! which no chain may end in (RFC 5280, 4.2.1.9), so for it, and for it alone, the chain does not count: its name, its time and its key do.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// Trusts what `inner` trusts, and these certificates themselves.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub inner: Arc<WebPkiServerVerifier>,
    pub own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refusal = match self.inner.verify_server_cert(shown, chain, name, stapled, now) {
            Ok(verified) => return Ok(verified),
            Err(refusal) => refusal,
        };
        if !self.own.iter().any(|own| own == shown) {
            return Err(refusal);
        }
        verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
        let (_, certificate) = x509_parser::parse_x509_certificate(shown).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let (from, until) = (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
        if seconds < from {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if seconds > until {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, message: &[u8], shown: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, shown, signed)
    }

    fn verify_tls13_signature(&self, message: &[u8], shown: &CertificateDer<'_>, signed: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, shown, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
