//! The certificate of a TLS Secret, and nothing else of it. Pure.
//!
//! The bytes of the whole Secret come in; only the value of `tls.crt` is decoded. The key beside it is passed over where it lies: it is
//! never copied, decoded or quoted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::links::Found;
use crate::api::Text;
use crate::discovery::Observation;
use crate::discovery::tls::read;

/// The type of a Secret that holds a certificate and its key.
pub(super) const TYPE: &str = "kubernetes.io/tls";

#[derive(Deserialize)]
struct Secret {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default, rename = "tls.crt")]
    certificate: Option<String>,
}

/// The PEM of the certificate in a Secret as the API gives it; none where it is of another type by now. The error quotes nothing.
pub(super) fn pem(secret: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let secret: Secret = serde_json::from_slice(secret).map_err(|_| "the answer is not a Secret")?;
    if secret.r#type != TYPE {
        return Ok(None);
    }
    let encoded = secret.data.and_then(|data| data.certificate).unwrap_or_default();
    BASE64.decode(encoded).map(Some).map_err(|_| "its `tls.crt` is not valid base64")
}

/// Completes what a Secret's metadata says by what its certificate says; none where there is no certificate in it yet.
pub(super) fn complete(found: &Found, pem: &[u8]) -> Result<Option<Found>, String> {
    let certificates = if pem.iter().all(u8::is_ascii_whitespace) { Vec::new() } else { read::certificates_in(pem)? };
    let Some((leaf, chain)) = certificates.split_first() else { return Ok(None) };
    let facts = read::facts(leaf, chain, &[])?;
    let observation = &found.observation;
    let identifiers = observation.identifiers.clone().with("x509/sha256", Text::from(facts.sha256));
    let attributes = observation.attributes.iter().chain(facts.attributes.iter()).map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(Some(Found { observation: Observation { identifiers, attributes, ..observation.clone() }, links: found.links.clone() }))
}
