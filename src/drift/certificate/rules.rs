//! What a policy demands of one certificate: each rule a function from facts to what is broken. Where the facts are not
//! known, nothing is concluded.

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

use super::facts::{Facts, hexadecimal};
use crate::api::certificate_policy::{AllowDeny, Issuer, KeyAlgorithm, KeyRule, MaxValidity, Verify};
use crate::api::shared::ShareOrPeriod;
use crate::api::{CertificatePolicySpec, Percent, Text};
use crate::drift::Severity;
use crate::estate::select::dns_name_matches;

const DAY: i64 = 86_400;
/// When too little is left for an ordinary change.
const SOON: i64 = 7 * DAY;

/// One rule that a certificate breaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// The rule: the finding's path.
    pub rule: &'static str,
    /// Where the policy states it, below `spec`; empty where it is every policy's.
    pub field: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What the policy wants, for people.
    pub declared: String,
    /// What is there, for people. The same as long as the certificate is.
    pub discovered: String,
    /// What is the matter, as the end of "The certificate of PLACE …".
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
}

const RENEW: &str = "Renew the certificate and install it where it is served from.";
const REPLACE: &str = "Have a new certificate issued that satisfies the policy, and install it where it is served from.";

/// Every rule of the policy that the certificate breaks, in the order in which the policy's fields are documented.
pub fn broken(policy: &CertificatePolicySpec, facts: &Facts, now: Timestamp) -> Vec<Broken> {
    [
        validity(policy, facts, now),
        issuer(policy, facts),
        key(policy, facts),
        signature(policy, facts),
        max_validity(policy, facts),
        required_names(policy, facts),
        wildcards(policy, facts),
        protocol(policy, facts),
        chain(policy, facts),
        host_name(policy, facts),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `expired`, `notYetValid` or `renewalDue`: at most one, since the first makes the others moot. Both ends of the validity
/// are part of it (RFC 5280 section 4.1.2.5).
fn validity(policy: &CertificatePolicySpec, facts: &Facts, now: Timestamp) -> Option<Broken> {
    if let Some(end) = facts.not_after.filter(|end| now.as_second() > end.as_second()) {
        return Some(Broken {
            rule: "expired",
            field: "",
            severity: Severity::Critical,
            declared: "valid".into(),
            discovered: format!("expired, last valid at {end}"),
            message: format!("has expired; it was last valid at {end}"),
            remedy: RENEW,
        });
    }
    if let Some(start) = facts.not_before.filter(|start| now < *start) {
        return Some(Broken {
            rule: "notYetValid",
            field: "",
            severity: Severity::High,
            declared: "valid".into(),
            discovered: format!("not valid before {start}"),
            message: format!("is not valid before {start}"),
            remedy: "Install a certificate that is valid now, or correct the clock of the machine that issued it.",
        });
    }
    renewal(policy, facts, now)
}

fn renewal(policy: &CertificatePolicySpec, facts: &Facts, now: Timestamp) -> Option<Broken> {
    let (start, end) = (facts.not_before?, facts.not_after?);
    let before = policy.renew_before.clone().unwrap_or(ShareOrPeriod::Share(Percent(33.0)));
    let due = renewal_date(&before, start, end);
    if now < due {
        return None;
    }
    let soon = end.as_second() - now.as_second() <= SOON;
    Some(Broken {
        rule: "renewalDue",
        field: "renewBefore",
        severity: if soon { Severity::High } else { Severity::Medium },
        declared: match before {
            ShareOrPeriod::Share(share) => format!("renewed by {due} ({share} of its lifetime before its end)"),
            ShareOrPeriod::Period(period) => format!("renewed by {due} ({period} before its end)"),
        },
        discovered: format!("valid until {end}"),
        message: format!("was to be renewed by {due}; it is valid until {end}"),
        remedy: RENEW,
    })
}

/// When renewal is due, in whole seconds.
pub fn renewal_date(before: &ShareOrPeriod, start: Timestamp, end: Timestamp) -> Timestamp {
    match before {
        ShareOrPeriod::Period(period) => period.before_instant(end),
        ShareOrPeriod::Share(Percent(share)) => {
            // Lifetimes are far below 2^52 seconds, so the conversions are exact but for the share itself.
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
            let left = ((end.as_second() - start.as_second()).max(0) as f64 * share / 100.0).round() as i64;
            Timestamp::from_second(end.as_second() - left).unwrap_or(end)
        }
    }
}

fn issuer(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    if policy.issuers.is_empty() || !facts.issuer_known || policy.issuers.iter().any(|issuer| is_issuer(issuer, facts)) {
        return None;
    }
    // That the key of a right name cannot be seen is said rather than passed over: nothing shows that the policy is kept.
    let hidden = policy.issuers.iter().any(|issuer| issuer.spki_sha256.is_some()) && facts.issuer_key.is_none();
    let names: Vec<&str> = [&facts.issuer_organization, &facts.issuer_common_name].into_iter().flatten().map(|name| &**name).collect();
    let name = if names.is_empty() { "an issuer without a name".to_owned() } else { names.join(", ") };
    let discovered = match &facts.issuer_key {
        _ if hidden => format!("{name} (its key is unknown: its certificate is neither in the chain nor among the authorities)"),
        Some(key) if policy.issuers.iter().any(|issuer| issuer.spki_sha256.is_some()) => format!("{name}, key {key}"),
        _ => name,
    };
    Some(Broken {
        rule: "wrongIssuer",
        field: "issuers",
        severity: Severity::High,
        declared: policy.issuers.iter().map(issuer_text).collect::<Vec<_>>().join("; or "),
        message: format!("is issued by {discovered}"),
        discovered,
        remedy: "Have the certificate issued by an authority that the policy allows.",
    })
}

fn is_issuer(issuer: &Issuer, facts: &Facts) -> bool {
    let same = |wanted: &Option<Text>, found: &Option<Text>| {
        wanted.as_ref().is_none_or(|wanted| found.as_ref().is_some_and(|found| wanted.trim().to_lowercase() == found.trim().to_lowercase()))
    };
    let key = issuer.spki_sha256.as_ref().is_none_or(|wanted| facts.issuer_key.as_ref() == Some(&hexadecimal(wanted)));
    key && same(&issuer.organization, &facts.issuer_organization) && same(&issuer.common_name, &facts.issuer_common_name)
}

fn issuer_text(issuer: &Issuer) -> String {
    let key = issuer.spki_sha256.as_ref().map(|key| format!("key {}", hexadecimal(key)));
    let names = [&issuer.organization, &issuer.common_name].into_iter().flatten().map(ToString::to_string);
    names.chain(key).collect::<Vec<_>>().join(", ")
}

fn key(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    let algorithm = facts.key.as_deref()?;
    if policy.keys.is_empty() || policy.keys.iter().any(|rule| may_be(rule, algorithm, facts)) {
        return None;
    }
    let size = facts.curve.as_deref().map(str::to_owned).or_else(|| facts.bits.map(|bits| format!("{bits} bits")));
    let discovered = size.map_or_else(|| algorithm.to_owned(), |size| format!("{algorithm} {size}"));
    Some(Broken {
        rule: "weakKey",
        field: "keys",
        severity: Severity::High,
        declared: policy.keys.iter().map(key_text).collect::<Vec<_>>().join(", "),
        message: format!("has a key that the policy does not allow: {discovered}"),
        discovered,
        remedy: "Make a new key that the policy allows, and have a certificate issued for it.",
    })
}

/// Whether the key satisfies the rule as far as it is known.
fn may_be(rule: &KeyRule, algorithm: &str, facts: &Facts) -> bool {
    algorithm.eq_ignore_ascii_case(algorithm_name(rule.algorithm))
        && rule.min_bits.zip(facts.bits).is_none_or(|(wanted, found)| found >= u64::from(wanted))
        && (rule.curves.is_empty() || facts.curve.as_ref().is_none_or(|found| rule.curves.iter().any(|curve| curve.eq_ignore_ascii_case(found))))
}

fn algorithm_name(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::RSA => "RSA",
        KeyAlgorithm::ECDSA => "ECDSA",
        KeyAlgorithm::Ed25519 => "Ed25519",
        KeyAlgorithm::Ed448 => "Ed448",
        KeyAlgorithm::DSA => "DSA",
    }
}

fn key_text(rule: &KeyRule) -> String {
    let name = algorithm_name(rule.algorithm);
    let bits = rule.min_bits.map(|bits| format!(" ≥ {bits} bits")).unwrap_or_default();
    let curves = if rule.curves.is_empty() { String::new() } else { format!(" {}", rule.curves.join(" or ")) };
    format!("{name}{curves}{bits}")
}

/// A root's signature on itself proves nothing to anyone, so its digest does not matter.
fn signature(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    let digest = facts.signature.as_deref()?;
    if facts.is_root || !policy.signatures.deny.iter().any(|denied| plain(denied) == plain(digest)) {
        return None;
    }
    let whole = facts.signature_algorithm.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    Some(Broken {
        rule: "forbiddenSignature",
        field: "signatures.deny",
        severity: Severity::High,
        declared: format!("not signed with {}", policy.signatures.deny.join(" or ")),
        discovered: format!("{digest}{whole}"),
        message: format!("is signed with {digest}, which the policy denies"),
        remedy: "Have the certificate issued again with a signature that the policy allows, such as SHA256.",
    })
}

/// `SHA-1`, `sha1` and `SHA1` are one digest.
fn plain(digest: &str) -> String {
    digest.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// The longest validity of public TLS certificates in days, by date of issue: ballots 193 (825), SC-31 (398) and SC-081v3
/// (200, 100, 47) of the CA/B Forum. None before ballot 193.
pub fn public_tls_days(issued: Timestamp) -> Option<(i64, &'static str)> {
    let from = |year, month, day| date(year, month, day).to_zoned(TimeZone::UTC).is_ok_and(|start| issued >= start.timestamp());
    if from(2029, 3, 15) {
        Some((47, "issued from 2029-03-15"))
    } else if from(2027, 3, 15) {
        Some((100, "issued from 2027-03-15"))
    } else if from(2026, 3, 15) {
        Some((200, "issued from 2026-03-15"))
    } else if from(2020, 9, 1) {
        Some((398, "issued from 2020-09-01"))
    } else if from(2018, 3, 1) {
        Some((825, "issued from 2018-03-01"))
    } else {
        None
    }
}

fn max_validity(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    let (start, end) = (facts.not_before?, facts.not_after?);
    let length = end.as_second() - start.as_second();
    let (declared, length, longest) = match policy.max_validity.as_ref()? {
        MaxValidity::PublicTls => {
            let (days, when) = public_tls_days(start)?;
            // The Baseline Requirements (section 1.6.1, "Validity Period") count both ends, and a day as 86,400 seconds.
            (format!("valid for at most {days} days (CA/B Forum, {when})"), length + 1, days * DAY)
        }
        MaxValidity::Period(period) => (format!("valid for at most {period}"), length, period.seconds()),
    };
    (length > longest).then(|| Broken {
        rule: "maxValidity",
        field: "maxValidity",
        severity: Severity::Medium,
        declared,
        discovered: length_text(length),
        message: format!("is valid for {}, which is longer than the policy allows", length_text(length)),
        remedy: "Have the certificate issued again with a shorter validity.",
    })
}

fn length_text(seconds: i64) -> String {
    let (days, rest) = (seconds / DAY, seconds % DAY);
    if rest == 0 { format!("{days} days") } else { format!("{days} days and {rest} seconds") }
}

fn required_names(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    let named = facts.alternative_names?;
    // A common name counts for nothing where a client looks (RFC 9525 section 2), so it covers nothing here.
    let covered = |wanted: &&Text| named && facts.names.iter().any(|name| dns_name_matches(name, wanted) || name.eq_ignore_ascii_case(wanted));
    let missing: Vec<&str> = policy.dns_names.required.iter().filter(|wanted| !covered(wanted)).map(|name| &**name).collect();
    (!missing.is_empty()).then(|| Broken {
        rule: "nameNotCovered",
        field: "dnsNames.required",
        severity: Severity::High,
        declared: format!("for {}", policy.dns_names.required.join(", ")),
        discovered: if named { format!("for {}", some_of(&facts.names)) } else { "without alternative names".into() },
        message: format!("is not for {}", missing.join(", ")),
        remedy: "Have the certificate issued again with every name that the policy requires.",
    })
}

fn some_of(names: &[Text]) -> String {
    let shown = names.iter().take(10).map(|name| &**name).collect::<Vec<_>>().join(", ");
    if names.len() > 10 { format!("{shown} and {} more", names.len() - 10) } else { shown }
}

fn wildcards(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    let wildcards: Vec<Text> = facts.names.iter().filter(|name| name.contains('*')).cloned().collect();
    (policy.dns_names.wildcards == AllowDeny::Deny && !wildcards.is_empty()).then(|| Broken {
        rule: "wildcard",
        field: "dnsNames.wildcards",
        severity: Severity::Medium,
        declared: "no wildcard names".into(),
        discovered: some_of(&wildcards),
        message: format!("is for wildcard names: {}", some_of(&wildcards)),
        remedy: REPLACE,
    })
}

/// What was agreed on is the best that both can; whether the server would also speak an older version is not known.
fn protocol(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    let (wanted, found) = (policy.tls.min_version.as_deref()?, facts.tls_version.as_deref()?);
    (version(found)? < version(wanted)?).then(|| Broken {
        rule: "protocol",
        field: "tls.minVersion",
        severity: Severity::Medium,
        declared: format!("TLS {wanted} or later"),
        discovered: format!("TLS {found}"),
        message: format!("is served over TLS {found}"),
        remedy: "Allow a later version of TLS on this server.",
    })
}

fn version(text: &str) -> Option<(u32, u32)> {
    let number = text.trim().trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn chain(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    if !policy.tls.verify.contains(&Verify::Chain) || facts.chain_verifies != Some(false) {
        return None;
    }
    let why = facts.chain_error.as_deref().unwrap_or("the source does not say why");
    Some(Broken {
        rule: "chain",
        field: "tls.verify",
        severity: Severity::High,
        declared: "a chain to a trusted authority".into(),
        discovered: why.to_owned(),
        message: format!("does not verify: {why}"),
        remedy: "Let the server send the whole chain, and have the certificate issued by a trusted authority.",
    })
}

fn host_name(policy: &CertificatePolicySpec, facts: &Facts) -> Option<Broken> {
    if !policy.tls.verify.contains(&Verify::HostName) || facts.host_name_verifies != Some(false) {
        return None;
    }
    let why = facts.host_name_error.as_deref().unwrap_or("the source does not say why");
    Some(Broken {
        rule: "hostName",
        field: "tls.verify",
        severity: Severity::High,
        declared: "a certificate for the host that is asked".into(),
        discovered: why.to_owned(),
        message: format!("is not for its host: {why}"),
        remedy: "Install a certificate that names this host.",
    })
}

#[cfg(test)]
mod tests;
