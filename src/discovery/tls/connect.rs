//! One handshake: what an endpoint shows, trusted or not.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;

/// Opens connections. Whoever gives one decides which addresses may be reached (rule 8).
#[async_trait]
pub trait Connect: Send + Sync {
    /// A connection to `host`, a name or an address without brackets; if there is none, why, as the end of the sentence
    /// "HOST cannot be reached: …".
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, String>;
}

/// Connects anywhere. For tests, and for programs that allow everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

#[async_trait]
impl Connect for Direct {
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        TcpStream::connect((host, port)).await.map_err(|error| reason(&error))
    }
}

/// What an endpoint showed: its certificate, what it sent with it, and the protocol. No key, session or payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The server's own certificate.
    pub leaf: CertificateDer<'static>,
    /// The others that it sent, in its order.
    pub chain: Vec<CertificateDer<'static>>,
    /// `1.2` or `1.3`; none if the handshake ended before that was certain.
    pub version: Option<&'static str>,
}

/// Shakes hands and hangs up. A server that shows its certificate and then refuses us, because it wants one of ours, has
/// said what we came for.
pub async fn look(connect: &dyn Connect, endpoint: &Endpoint) -> Result<Shown, String> {
    let host = ServerName::try_from(endpoint.host.to_string()).map_err(|_| format!("`{}` is neither a name nor an address", endpoint.host))?;
    let recorder = Arc::new(Recorder::default());
    let config = config(recorder.clone())?;
    let stream = connect.connect(&endpoint.host, endpoint.port).await?;
    let shaken = TlsConnector::from(Arc::new(config)).connect(host, stream).await;
    let version = shaken.as_ref().ok().and_then(|stream| stream.get_ref().1.protocol_version()).and_then(version_name);
    let seen = std::mem::take(&mut *recorder.seen.lock().unwrap_or_else(PoisonError::into_inner));
    match (seen.leaf, shaken) {
        (Some(leaf), _) => Ok(Shown { leaf, chain: seen.chain, version: version.or(seen.version) }),
        (None, Err(error)) => Err(reason(&error)),
        (None, Ok(_)) => Err("it showed no certificate".into()),
    }
}

fn config(recorder: Arc<Recorder>) -> Result<ClientConfig, String> {
    let mut config = ClientConfig::builder_with_provider(recorder.provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(recorder)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn version_name(version: ProtocolVersion) -> Option<&'static str> {
    match version {
        ProtocolVersion::TLSv1_2 => Some("1.2"),
        ProtocolVersion::TLSv1_3 => Some("1.3"),
        _ => None,
    }
}

/// Why a connection failed, in words that do not vary with the system.
fn reason(error: &io::Error) -> String {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return match error {
            Error::AlertReceived(alert) => format!("it ended the TLS handshake (alert {alert:?})"),
            Error::InvalidMessage(_) => "what it answers is not TLS".into(),
            Error::PeerIncompatible(why) => format!("it speaks no TLS that is safe (1.2 or 1.3 with forward secrecy): {why:?}"),
            error => format!("the TLS handshake failed: {error}"),
        };
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection was refused".into(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => "the connection was reset".into(),
        io::ErrorKind::UnexpectedEof => "it closed the connection during the TLS handshake".into(),
        io::ErrorKind::TimedOut => "the connection timed out".into(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no way to it".into(),
        _ => error.to_string(),
    }
}

/// Accepts every certificate and remembers it: it is judged later, and nothing is sent that would need trust.
#[derive(Debug)]
struct Recorder {
    provider: Arc<CryptoProvider>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    leaf: Option<CertificateDer<'static>>,
    chain: Vec<CertificateDer<'static>>,
    /// Known from which kind of signature is verified, should the handshake not come to its end.
    version: Option<&'static str>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { provider: Arc::new(ring::default_provider()), seen: Mutex::default() }
    }
}

impl Recorder {
    fn record(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _host: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.record(|seen| {
            seen.leaf = Some(leaf.clone().into_owned());
            seen.chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        self.record(|seen| seen.version = Some("1.2"));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
        self.record(|seen| seen.version = Some("1.3"));
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // The old schemes are offered so that a server with an old key answers at all and can be reported.
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        schemes
    }
}
