//! Certificates for the demo, made when it runs, so that the same ones are always near their end, past it, or in order.

use jiff::{SignedDuration, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};

use bowline::failure::Failure;

/// One certificate to be made.
struct Wanted {
    path: &'static str,
    name: &'static str,
    /// Whether the port's own authority signs it; else it signs itself.
    by_authority: bool,
    algorithm: &'static SignatureAlgorithm,
    /// Days before and after now.
    valid: (i64, i64),
}

const WANTED: [Wanted; 4] = [
    // Renewal is due: less than a third of its life is left.
    Wanted { path: "certificates/book.pem", name: "book.harbour.example", by_authority: true, algorithm: &PKCS_ECDSA_P256_SHA256, valid: (80, 10) },
    // Past its end.
    Wanted { path: "certificates/customs.pem", name: "customs.harbour.example", by_authority: true, algorithm: &PKCS_ECDSA_P256_SHA256, valid: (92, -2) },
    // A key that the policy does not name, by an issuer it does not name.
    Wanted { path: "certificates/crane.pem", name: "crane-ctl-1.quay.internal", by_authority: false, algorithm: &PKCS_ED25519, valid: (30, 335) },
    // In order.
    Wanted { path: "certificates/gauge.pem", name: "gauge-01.quay.internal", by_authority: true, algorithm: &PKCS_ECDSA_P256_SHA256, valid: (30, 335) },
];

/// Path and PEM of each. The keys are thrown away: nobody serves these.
pub fn make(now: Timestamp) -> Result<Vec<(String, String)>, Failure> {
    let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut authority = params(&[], "Harbour Authority", now, (400, 3000))?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key)?;
    let mut made = vec![("certificates/authority.crt".to_owned(), certificate.pem())];
    let issuer = Issuer::new(authority, authority_key);
    for wanted in &WANTED {
        let key = KeyPair::generate_for(wanted.algorithm)?;
        let params = params(&[wanted.name], wanted.name, now, wanted.valid)?;
        let pem =
            if wanted.by_authority { format!("{}{}", params.signed_by(&key, &issuer)?.pem(), certificate.pem()) } else { params.self_signed(&key)?.pem() };
        made.push((wanted.path.to_owned(), pem));
    }
    Ok(made)
}

fn params(names: &[&str], common_name: &str, now: Timestamp, (before, after): (i64, i64)) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    if names.is_empty() {
        params.distinguished_name.push(DnType::OrganizationName, common_name);
    }
    let (year, month, day) = date(now, -before)?;
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(now, after)?;
    params.not_after = rcgen::date_time_ymd(year, month, day);
    Ok(params)
}

/// The date so many days from now, in UTC.
fn date(now: Timestamp, days: i64) -> Result<(i32, u8, u8), Failure> {
    let date = now.checked_add(SignedDuration::from_hours(24 * days))?.to_zoned(jiff::tz::TimeZone::UTC).date();
    Ok((i32::from(date.year()), u8::try_from(date.month())?, u8::try_from(date.day())?))
}
