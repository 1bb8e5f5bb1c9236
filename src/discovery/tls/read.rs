//! Reading certificates: PEM or DER in, facts out. Pure; malformed input is an error, never a panic.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use super::algorithm::{key_of, signature_of};
use super::name::{distinguished_name, text_of};
use crate::api::{Table, Value, intern};

/// What a certificate says.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// SHA-256 of its DER form, in lower-case hexadecimal.
    pub sha256: String,
    /// The first instant at which it is valid.
    pub not_before: Timestamp,
    /// The last instant at which it is valid.
    pub not_after: Timestamp,
    /// Its issuer's name, as text (RFC 4514).
    pub issuer: String,
    /// Whether its issuer's certificate was sent with it, or is itself.
    pub issuer_present: bool,
    /// `subject`, `commonName`, `issuer`, `dnsNames`, `notBefore`, `notAfter`, `key`, `signature`, `signatureAlgorithm`,
    /// `serial`, `chain`, `selfSigned`, `isCa`. What the certificate does not have is left out.
    pub attributes: Table<Value>,
}

/// The certificates in a file's bytes, in their order. PEM sections of other kinds, private keys above all, are passed
/// over without being decoded; a PEM file of nothing else holds no certificate and is not an error.
pub fn certificates_in(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    if !bytes.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
        let der = CertificateDer::from(bytes.to_vec());
        parse(&der)?;
        return Ok(vec![der]);
    }
    let sections = pem_sections(bytes)?;
    if sections.is_empty() {
        return Err("it has no complete PEM section".into());
    }
    let mut certificates = Vec::new();
    for section in sections {
        match section.label.as_slice() {
            b"CERTIFICATE" | b"X509 CERTIFICATE" => certificates.push(section.decode()?),
            label if OTHER_SECTIONS.iter().any(|known| label.ends_with(known)) => {}
            label => return Err(format!("line {}: `{}` is not a kind of PEM section that can be read", section.line, String::from_utf8_lossy(label))),
        }
    }
    Ok(certificates)
}

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
/// Sections that stand beside certificates and say nothing about them.
const OTHER_SECTIONS: [&[u8]; 6] = [b"PRIVATE KEY", b"PUBLIC KEY", b"PARAMETERS", b"CERTIFICATE REQUEST", b"X509 CRL", b"PKCS7"];

struct Section<'a> {
    label: Vec<u8>,
    line: usize,
    body: Vec<&'a [u8]>,
}

impl Section<'_> {
    fn decode(&self) -> Result<CertificateDer<'static>, String> {
        let mut pem = b"-----BEGIN CERTIFICATE-----\n".to_vec();
        for line in &self.body {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
        CertificateDer::from_pem_slice(&pem).map_err(|_| format!("the certificate on line {} is not valid base64", self.line))
    }
}

fn pem_sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, String> {
    let mut sections = Vec::new();
    let mut open: Option<Section<'_>> = None;
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if let Some(label) = line.strip_prefix(PEM_BEGIN).and_then(|rest| rest.strip_suffix(b"-----")) {
            if let Some(section) = open {
                return Err(format!("the PEM section on line {} does not end", section.line));
            }
            open = Some(Section { label: label.to_vec(), line: index + 1, body: Vec::new() });
        } else if line.starts_with(b"-----END ") {
            sections.extend(open.take());
        } else if let Some(section) = &mut open {
            section.body.push(line);
        }
    }
    match open {
        Some(section) => Err(format!("the PEM section on line {} does not end", section.line)),
        None => Ok(sections),
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| "it is not an X.509 certificate".to_owned())?;
    if rest.is_empty() { Ok(certificate) } else { Err(format!("{} bytes follow the certificate", rest.len())) }
}

/// What `leaf` says. `chain` is what was sent with it, without itself; what of the chain cannot be read is named by its
/// digest, since the leaf is what matters. `known` are authorities among which the issuer is looked for if it was not sent: a
/// server need not send a root.
pub fn facts(leaf: &[u8], chain: &[CertificateDer<'_>], known: &[CertificateDer<'_>]) -> Result<Facts, String> {
    let certificate = parse(leaf)?;
    let parsed: Vec<_> = chain.iter().map(|der| parse(der)).collect();
    let self_signed = is_issued_by(&certificate, &certificate);
    let sent = if self_signed { Some(&certificate) } else { parsed.iter().flatten().find(|above| is_issued_by(&certificate, above)) };
    let root = if sent.is_some() { None } else { known.iter().filter_map(|der| parse(der).ok()).find(|above| is_issued_by(&certificate, above)) };
    let (not_before, not_after) = (instant(certificate.validity().not_before.timestamp()), instant(certificate.validity().not_after.timestamp()));
    let (signature, algorithm) = signature_of(&certificate.signature_algorithm);
    let subjects = chain.iter().zip(&parsed).map(|(der, parsed)| match parsed {
        Ok(certificate) => Value::from(distinguished_name(certificate.subject())),
        Err(_) => Value::from(format!("(unreadable, SHA-256 {})", hexadecimal(&Sha256::digest(der)))),
    });
    let attributes = [
        ("subject", Value::from(distinguished_name(certificate.subject()))),
        ("commonName", common_name(certificate.subject())),
        ("issuer", issuer_of(certificate.issuer(), sent.or(root.as_ref()))),
        ("notBefore", Value::from(not_before.to_string())),
        ("notAfter", Value::from(not_after.to_string())),
        ("key", key_of(certificate.public_key())),
        ("signature", signature.map_or(Value::Null, Value::from)),
        ("signatureAlgorithm", Value::from(algorithm)),
        ("serial", Value::from(serial_of(certificate.raw_serial()))),
        ("selfSigned", Value::Bool(self_signed)),
        ("isCa", Value::Bool(certificate.is_ca())),
    ];
    Ok(Facts {
        sha256: hexadecimal(&Sha256::digest(leaf)),
        not_before,
        not_after,
        issuer: distinguished_name(certificate.issuer()),
        issuer_present: sent.is_some(),
        // An empty list says that there are none, which is not the same as not knowing.
        attributes: table(attributes).with("dnsNames", names_of(&certificate)).with("chain", subjects.collect()),
    })
}

/// The values that are there.
pub(super) fn table<const N: usize>(entries: [(&str, Value); N]) -> Table<Value> {
    entries.into_iter().filter(|(_, value)| !value.is_absent()).collect()
}

/// Lower-case hexadecimal.
pub(in crate::discovery) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Years 1950 to 9999 are allowed; the end of time (`99991231235959Z`, RFC 5280 section 4.1.2.5) lies hours beyond what a
/// timestamp holds and reads as its last second.
fn instant(seconds: i64) -> Timestamp {
    let seconds = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// By name, unless the key identifiers that both state contradict it (RFC 5280 section 4.2.1.1).
fn is_issued_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    if certificate.issuer().as_raw() != issuer.subject().as_raw() {
        return false;
    }
    let wanted = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => identifier.key_identifier.as_ref().map(|key| key.0),
        _ => None,
    });
    let stated = issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(key) => Some(key.0),
        _ => None,
    });
    wanted.is_none() || stated.is_none() || wanted == stated
}

fn issuer_of(name: &X509Name<'_>, certificate: Option<&X509Certificate<'_>>) -> Value {
    let organization = name.iter_organization().next().and_then(|attribute| text_of(attribute.attr_value()));
    let key = certificate.map(|issuer| hexadecimal(&Sha256::digest(issuer.public_key().raw)));
    Value::Map(table([
        ("organization", organization.map_or(Value::Null, Value::from)),
        ("commonName", common_name(name)),
        ("spkiSha256", key.map_or(Value::Null, Value::from)),
    ]))
}

fn common_name(name: &X509Name<'_>) -> Value {
    // The most specific one is the last (X.520 orders from the root down).
    name.iter_common_name().last().and_then(|attribute| text_of(attribute.attr_value())).map_or(Value::Null, Value::from)
}

fn names_of(certificate: &X509Certificate<'_>) -> Value {
    let extensions = certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    let mut names: Vec<String> = extensions.flatten().filter_map(name_of).collect();
    names.sort();
    names.dedup();
    names.iter().map(|name| Value::Text(intern(name))).collect()
}

fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(printable(name.strip_suffix('.').unwrap_or(name)).to_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into())
}

fn serial_of(bytes: &[u8]) -> String {
    let text = hexadecimal(bytes);
    // DER puts a zero byte before a number whose first bit is set; it is not part of the number.
    let number = text.trim_start_matches("00");
    if number.is_empty() { "00".into() } else { number.into() }
}

/// The text without control characters: a certificate is written by a stranger and shown on a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// The DER form of a value.
pub(super) fn der_of(value: &Any<'_>) -> Option<Vec<u8>> {
    use x509_parser::asn1_rs::ToDer;
    value.to_der_vec().ok()
}
