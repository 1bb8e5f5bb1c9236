//! Reading certificates: real ones, broken ones, and what is none.

use std::sync::LazyLock;

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType, SerialNumber, date_time_ymd};
use rustls::pki_types::CertificateDer;

use super::read::{certificates_in, facts};
use super::verify::Authorities;
use crate::api::Value;

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Pay");
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2026, 3, 1));
    params
}

fn self_signed(params: &CertificateParams) -> rcgen::Certificate {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap()
}

#[test]
fn names_are_sorted_lower_case_without_repeats_and_addresses_are_text() {
    let mut params = params(&["WWW.Example.com", "*.example.com", "www.example.com"]);
    params.subject_alt_names.push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
    params.subject_alt_names.push(SanType::IpAddress("192.0.2.1".parse().unwrap()));
    let facts = facts(self_signed(&params).der(), &[], &[]).unwrap();
    let expected: Value = ["*.example.com", "192.0.2.1", "2001:db8::1", "www.example.com"].into_iter().map(Value::from).collect();
    assert_eq!(facts.attributes.get("dnsNames"), Some(&expected));
}

#[test]
fn a_certificate_without_names_says_so_with_an_empty_list() {
    let facts = facts(self_signed(&params(&[])).der(), &[], &[]).unwrap();
    assert_eq!(facts.attributes.get("dnsNames"), Some(&Value::List(Box::default())));
    assert_eq!(facts.attributes.get("commonName"), Some(&"Pay".into()));
}

#[test]
fn a_serial_is_the_number_without_the_sign_byte() {
    for (bytes, text) in [(&[0x80, 0x01][..], "8001"), (&[0x01], "01"), (&[0x00, 0x0f, 0xff], "0fff")] {
        let mut params = params(&[]);
        params.serial_number = Some(SerialNumber::from_slice(bytes));
        assert_eq!(facts(self_signed(&params).der(), &[], &[]).unwrap().attributes.get("serial"), Some(&text.into()), "{bytes:?}");
    }
}

#[test]
fn a_certificate_without_an_end_reads_as_the_end_of_time() {
    let mut params = params(&[]);
    params.not_after = date_time_ymd(9999, 12, 31);
    let facts = facts(self_signed(&params).der(), &[], &[]).unwrap();
    assert_eq!(facts.not_after.as_second(), jiff::Timestamp::MAX.as_second());
}

#[test]
fn the_issuer_is_the_one_whose_name_and_key_fit_wherever_it_stands_in_the_chain() {
    let authority = |name: &str| {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap(), Issuer::new(params, key))
    };
    let ((right, issuer), (same_name, _), (other, _)) = (authority("A"), authority("A"), authority("B"));
    let mut leaf = params(&["pay.example.com"]);
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    let chain = |certificates: &[&rcgen::Certificate]| certificates.iter().map(|certificate| certificate.der().clone()).collect::<Vec<_>>();
    let key =
        |chain: &[CertificateDer<'static>]| facts(leaf.der(), chain, &[]).unwrap().attributes.get("issuer").and_then(|issuer| issuer.at("spkiSha256")).cloned();
    let expected = key(&chain(&[&right]));
    assert!(expected.is_some());
    assert_eq!(key(&chain(&[&other, &same_name, &right])), expected);
    assert_eq!(key(&chain(&[&other, &same_name])), None);
    assert_eq!(key(&[]), None);
    // A root need not be sent: it is looked for among the authorities.
    let by_root = facts(leaf.der(), &[], &chain(&[&same_name, &right])).unwrap();
    assert_eq!(by_root.attributes.get("issuer").and_then(|issuer| issuer.at("spkiSha256")).cloned(), expected);
    assert!(!by_root.issuer_present);
}

#[test]
fn a_stranger_cannot_send_control_characters_to_a_terminal() {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::OrganizationName, "a\u{1b}[2J\u{7}b");
    let facts = facts(self_signed(&params).der(), &[], &[]).unwrap();
    for value in ["subject", "issuer", "commonName"].map(|name| serde_json::to_string(&facts.attributes.get(name)).unwrap()) {
        assert!(!value.contains('\u{1b}') && !value.contains("\\u001b"), "{value}");
    }
}

#[test]
fn a_pem_file_gives_its_certificates_in_order_and_nothing_of_its_keys() {
    let key = KeyPair::generate().unwrap();
    let (first, second) = (params(&["a.example.com"]).self_signed(&key).unwrap(), self_signed(&params(&["b.example.com"])));
    let text = format!("Bag attributes: x\r\n{}{}{}", first.pem(), key.serialize_pem(), second.pem().replace('\n', "\r\n"));
    assert_eq!(certificates_in(text.as_bytes()).unwrap(), [first.der().clone(), second.der().clone()]);
    assert!(certificates_in(key.serialize_pem().as_bytes()).unwrap().is_empty());
    assert_eq!(certificates_in(first.der()).unwrap(), [first.der().clone()]);
}

#[test]
fn what_is_no_certificate_is_an_error_with_its_line() {
    let pem = self_signed(&params(&[])).pem();
    for (text, reason) in [
        ("", "not an X.509 certificate"),
        ("hello", "not an X.509 certificate"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n", "line 1 does not end"),
        ("\n-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "line 2 is not valid base64"),
        ("-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----\n", "`PGP MESSAGE` is not a kind"),
        (&format!("-----BEGIN CERTIFICATE-----\n{pem}"), "line 1 does not end"),
    ] {
        let error = certificates_in(text.as_bytes()).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
    let mut trailing = self_signed(&params(&[])).der().to_vec();
    trailing.push(0);
    assert!(certificates_in(&trailing).unwrap_err().contains("1 bytes follow"));
}

static DER: LazyLock<Vec<u8>> = LazyLock::new(|| self_signed(&params(&["pay.example.com"])).der().to_vec());
static AUTHORITIES: LazyLock<Authorities> = LazyLock::new(|| Authorities::new(vec![self_signed(&params(&[])).der().clone()]).unwrap());

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = certificates_in(&bytes);
        let _ = facts(&bytes, &[CertificateDer::from(bytes.clone())], &[]);
    }

    #[test]
    fn a_certificate_that_is_cut_short_is_an_error(cut in any::<prop::sample::Index>()) {
        let cut = cut.index(DER.len());
        prop_assert!(facts(&DER[..cut], &[], &[]).is_err());
    }

    #[test]
    fn a_certificate_with_a_byte_changed_never_panics(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut der = DER.clone();
        let place = place.index(der.len());
        der[place] = byte;
        let own = CertificateDer::from(der.clone());
        if let Ok(facts) = facts(&der, std::slice::from_ref(&own), &[]) {
            let _ = AUTHORITIES.chain(&own, &[], &facts, facts.not_before);
            let _ = super::verify::host_name(&own, &"pay.example.com".try_into().unwrap());
        }
    }
}
