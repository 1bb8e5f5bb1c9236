//! Which key and which signature a certificate has, by the names that policies use.

use x509_parser::asn1_rs::{Integer, Oid, Sequence};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::read::table;
use crate::api::Value;

/// `{algorithm, bits, curve}`; an algorithm that has no name here is named by its object identifier.
pub fn key_of(key: &SubjectPublicKeyInfo<'_>) -> Value {
    let oid = key.algorithm.algorithm.to_id_string();
    let (algorithm, bits, curve) = match oid.as_str() {
        // rsaEncryption, and RSASSA-PSS keys (RFC 4055)
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => ("RSA".to_owned(), rsa_bits(key), None),
        "1.2.840.10045.2.1" => {
            let (curve, bits) = curve_of(&key.algorithm);
            ("ECDSA".to_owned(), bits, curve)
        }
        "1.3.101.112" => ("Ed25519".to_owned(), None, None),
        "1.3.101.113" => ("Ed448".to_owned(), None, None),
        "1.2.840.10040.4.1" => ("DSA".to_owned(), dsa_bits(&key.algorithm), None),
        _ => (oid, None, None),
    };
    Value::Map(table([
        ("algorithm", Value::from(algorithm)),
        ("bits", bits.map_or(Value::Null, Value::from)),
        ("curve", curve.map_or(Value::Null, Value::from)),
    ]))
}

fn bits_of(number: &[u8]) -> Option<u64> {
    let start = number.iter().position(|byte| *byte != 0)?;
    let first = number.get(start)?;
    Some((number.len() - start) as u64 * 8 - u64::from(first.leading_zeros()))
}

fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> Option<u64> {
    if let Ok(PublicKey::RSA(rsa)) = key.parsed() {
        return bits_of(rsa.modulus);
    }
    // x509-parser reads plain RSA keys only; an RSASSA-PSS key has the same form: the modulus is its first number.
    let (_, sequence) = Sequence::from_der(&key.subject_public_key.data).ok()?;
    first_number(&sequence.content)
}

fn dsa_bits(algorithm: &AlgorithmIdentifier<'_>) -> Option<u64> {
    first_number(algorithm.parameters.as_ref()?.data)
}

fn first_number(bytes: &[u8]) -> Option<u64> {
    let (_, number) = Integer::from_der(bytes).ok()?;
    bits_of(number.as_ref())
}

fn curve_of(algorithm: &AlgorithmIdentifier<'_>) -> (Option<String>, Option<u64>) {
    let Some(oid) = algorithm.parameters.as_ref().and_then(|parameters| parameters.clone().oid().ok()) else { return (None, None) };
    let (name, bits) = match oid.to_id_string().as_str() {
        "1.2.840.10045.3.1.1" => ("P-192", 192),
        "1.3.132.0.33" => ("P-224", 224),
        "1.2.840.10045.3.1.7" => ("P-256", 256),
        "1.3.132.0.34" => ("P-384", 384),
        "1.3.132.0.35" => ("P-521", 521),
        "1.3.132.0.10" => ("secp256k1", 256),
        "1.3.36.3.3.2.8.1.1.7" => ("brainpoolP256r1", 256),
        "1.3.36.3.3.2.8.1.1.11" => ("brainpoolP384r1", 384),
        "1.3.36.3.3.2.8.1.1.13" => ("brainpoolP512r1", 512),
        other => return (Some(other.to_owned()), None),
    };
    (Some(name.to_owned()), Some(bits))
}

/// The digest, and the whole algorithm's name. Without a digest that is known, none; an algorithm that has no name here
/// is named by its object identifier.
pub fn signature_of(algorithm: &AlgorithmIdentifier<'_>) -> (Option<String>, String) {
    let oid = algorithm.algorithm.to_id_string();
    let (digest, name) = match oid.as_str() {
        "1.2.840.113549.1.1.2" => ("MD2", "md2WithRSAEncryption"),
        "1.2.840.113549.1.1.4" => ("MD5", "md5WithRSAEncryption"),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => ("SHA1", "sha1WithRSAEncryption"),
        "1.2.840.113549.1.1.11" => ("SHA256", "sha256WithRSAEncryption"),
        "1.2.840.113549.1.1.12" => ("SHA384", "sha384WithRSAEncryption"),
        "1.2.840.113549.1.1.13" => ("SHA512", "sha512WithRSAEncryption"),
        "1.2.840.113549.1.1.14" => ("SHA224", "sha224WithRSAEncryption"),
        "1.2.840.113549.1.1.10" => return (pss_digest(algorithm), "rsassaPss".to_owned()),
        "1.2.840.10045.4.1" => ("SHA1", "ecdsa-with-SHA1"),
        "1.2.840.10045.4.3.1" => ("SHA224", "ecdsa-with-SHA224"),
        "1.2.840.10045.4.3.2" => ("SHA256", "ecdsa-with-SHA256"),
        "1.2.840.10045.4.3.3" => ("SHA384", "ecdsa-with-SHA384"),
        "1.2.840.10045.4.3.4" => ("SHA512", "ecdsa-with-SHA512"),
        "1.2.840.10040.4.3" => ("SHA1", "dsa-with-SHA1"),
        "2.16.840.1.101.3.4.3.1" => ("SHA224", "dsa-with-SHA224"),
        "2.16.840.1.101.3.4.3.2" => ("SHA256", "dsa-with-SHA256"),
        // The digest is part of the algorithm (RFC 8032).
        "1.3.101.112" => ("SHA512", "Ed25519"),
        "1.3.101.113" => ("SHAKE256", "Ed448"),
        _ => return (None, oid),
    };
    (Some(digest.to_owned()), name.to_owned())
}

fn pss_digest(algorithm: &AlgorithmIdentifier<'_>) -> Option<String> {
    let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
    Some(digest_name(parameters.hash_algorithm_oid()))
}

fn digest_name(oid: &Oid<'_>) -> String {
    let oid = oid.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.2.5" => "MD5",
        "1.3.14.3.2.26" => "SHA1",
        "2.16.840.1.101.3.4.2.1" => "SHA256",
        "2.16.840.1.101.3.4.2.2" => "SHA384",
        "2.16.840.1.101.3.4.2.3" => "SHA512",
        "2.16.840.1.101.3.4.2.4" => "SHA224",
        other => other,
    }
    .to_owned()
}
