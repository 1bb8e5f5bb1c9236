//! Each rule at its exact edges: one second, one bit, one day before and after.

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn policy(yaml: &str) -> CertificatePolicySpec {
    serde_yaml::from_str(yaml).unwrap()
}

/// A certificate without fault, valid from the 1st of January to the end of the 31st of March 2026.
fn good() -> Facts {
    Facts {
        endpoint: Some("pay.example.com:443".into()),
        not_before: Some(at("2026-01-01T00:00:00Z")),
        not_after: Some(at("2026-03-31T23:59:59Z")),
        key: Some("RSA".into()),
        bits: Some(3072),
        signature: Some("SHA256".into()),
        issuer_organization: Some("Let's Encrypt".into()),
        issuer_common_name: Some("R13".into()),
        issuer_known: true,
        names: vec!["pay.example.com".into()],
        alternative_names: Some(true),
        tls_version: Some("1.3".into()),
        chain_verifies: Some(true),
        host_name_verifies: Some(true),
        ..Facts::default()
    }
}

const MIDDLE: &str = "2026-02-01T00:00:00Z";

fn rules(policy: &CertificatePolicySpec, facts: &Facts, now: &str) -> Vec<&'static str> {
    broken(policy, facts, at(now)).into_iter().map(|broken| broken.rule).collect()
}

fn only(policy: &CertificatePolicySpec, facts: &Facts) -> Broken {
    let mut all = broken(policy, facts, at(MIDDLE));
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn the_first_and_the_last_second_are_part_of_the_validity() {
    let policy = policy("renewBefore: PT0S");
    for (now, expected) in [
        ("2025-12-31T23:59:59Z", vec!["notYetValid"]),
        ("2025-12-31T23:59:59.999Z", vec!["notYetValid"]),
        ("2026-01-01T00:00:00Z", vec![]),
        ("2026-03-31T23:59:58Z", vec![]),
        ("2026-03-31T23:59:59Z", vec!["renewalDue"]),
        ("2026-03-31T23:59:59.999Z", vec!["renewalDue"]),
        ("2026-04-01T00:00:00Z", vec!["expired"]),
    ] {
        assert_eq!(rules(&policy, &good(), now), expected, "{now}");
    }
}

#[test]
fn renewal_is_due_from_the_second_at_which_a_third_of_the_lifetime_is_left() {
    // 90 days less a second: 7,775,999 s, of which 33% are 2,566,080 s.
    let due = at("2026-03-02T07:11:59Z");
    assert_eq!(at("2026-03-31T23:59:59Z").as_second() - due.as_second(), 2_566_080);
    let unsaid = policy("{}");
    assert_eq!(rules(&unsaid, &good(), "2026-03-02T07:11:58Z"), [""; 0]);
    assert_eq!(rules(&unsaid, &good(), "2026-03-02T07:11:59Z"), ["renewalDue"]);
    let days = policy("renewBefore: 30d");
    assert_eq!(rules(&days, &good(), "2026-03-01T23:59:58Z"), [""; 0]);
    assert_eq!(rules(&days, &good(), "2026-03-01T23:59:59Z"), ["renewalDue"]);
}

#[test]
fn renewal_is_urgent_from_seven_days_before_the_end() {
    for (now, severity) in [("2026-03-24T23:59:58Z", Severity::Medium), ("2026-03-24T23:59:59Z", Severity::High)] {
        assert_eq!(broken(&policy("{}"), &good(), at(now)).first().unwrap().severity, severity, "{now}");
    }
    assert_eq!(broken(&policy("{}"), &good(), at("2026-04-01T00:00:00Z")).first().unwrap().severity, Severity::Critical);
}

#[test]
fn what_is_said_of_a_renewal_does_not_change_from_day_to_day() {
    // A body that counts the days would be written anew, and a rejection forgotten, every day.
    let [first, later] = ["2026-03-10T00:00:00Z", "2026-03-23T00:00:00Z"].map(|now| broken(&policy("{}"), &good(), at(now)).remove(0));
    assert_eq!(first, later);
}

#[test]
fn keys_below_the_least_size_are_weak() {
    let keys = policy("keys: [{algorithm: RSA, minBits: 3072}, {algorithm: ECDSA, curves: [P-256, P-384]}, {algorithm: Ed25519}]");
    for (algorithm, bits, curve, weak) in [
        ("RSA", Some(3071), None, true),
        ("RSA", Some(3072), None, false),
        ("RSA", None, None, false), // not known: nothing is concluded
        ("ECDSA", Some(256), Some("P-256"), false),
        ("ECDSA", Some(384), Some("p-384"), false),
        ("ECDSA", Some(521), Some("P-521"), true),
        ("Ed25519", None, None, false),
        ("Ed448", None, None, true),
        ("DSA", Some(4096), None, true),
    ] {
        let facts = Facts { key: Some(algorithm.into()), bits, curve: curve.map(Text::from), ..good() };
        assert_eq!(!rules(&keys, &facts, MIDDLE).is_empty(), weak, "{algorithm} {bits:?} {curve:?}");
    }
    let weak = only(&keys, &Facts { bits: Some(2048), ..good() });
    assert_eq!((weak.rule, &*weak.declared, &*weak.discovered), ("weakKey", "RSA ≥ 3072 bits, ECDSA P-256 or P-384, Ed25519", "RSA 2048 bits"));
    assert_eq!(rules(&keys, &Facts { key: None, ..good() }, MIDDLE), [""; 0]);
}

#[test]
fn denied_digests_are_refused_in_any_spelling_but_not_of_a_root_on_itself() {
    let signatures = policy("signatures: {deny: [SHA-1, MD5]}");
    for (digest, refused) in [("SHA1", true), ("sha-1", true), ("MD5", true), ("SHA256", false)] {
        let facts = Facts { signature: Some(digest.into()), ..good() };
        assert_eq!(rules(&signatures, &facts, MIDDLE) == ["forbiddenSignature"], refused, "{digest}");
    }
    assert_eq!(rules(&signatures, &Facts { signature: Some("SHA1".into()), is_root: true, ..good() }, MIDDLE), [""; 0]);
    assert_eq!(rules(&signatures, &Facts { signature: None, ..good() }, MIDDLE), [""; 0]);
}

#[test]
fn one_allowed_issuer_is_enough_and_all_parts_of_it_must_match() {
    let allowed = policy("issuers: [{organization: \"Let's Encrypt\", commonName: R13}, {spkiSha256: \"AB:CD\"}]");
    assert_eq!(rules(&allowed, &good(), MIDDLE), [""; 0]);
    let other = Facts { issuer_common_name: Some("R14".into()), issuer_key: Some("ef".into()), ..good() };
    let wrong = only(&allowed, &other);
    assert_eq!((wrong.rule, &*wrong.declared, &*wrong.discovered), ("wrongIssuer", "Let's Encrypt, R13; or key abcd", "Let's Encrypt, R14, key ef"));
    assert_eq!(rules(&allowed, &Facts { issuer_key: Some("abcd".into()), ..other.clone() }, MIDDLE), [""; 0]);
    assert!(only(&allowed, &Facts { issuer_key: None, ..other.clone() }).discovered.contains("neither in the chain"));
    assert_eq!(rules(&allowed, &Facts { issuer_known: false, ..other }, MIDDLE), [""; 0]);
}

// CA/B Forum ballot SC-081v3: 398 days until then, 200 from 2026-03-15, 100 from 2027-03-15, 47 from 2029-03-15.
#[test]
fn public_certificates_live_as_long_as_their_day_of_issue_allows_both_ends_counted() {
    let public = policy("{maxValidity: PublicTls, renewBefore: PT0S}");
    for (issued, days) in [
        ("2018-03-01T00:00:00Z", 825),
        ("2020-08-31T23:59:59Z", 825),
        ("2020-09-01T00:00:00Z", 398),
        ("2026-03-14T23:59:59Z", 398),
        ("2026-03-15T00:00:00Z", 200),
        ("2027-03-14T23:59:59Z", 200),
        ("2027-03-15T00:00:00Z", 100),
        ("2029-03-14T23:59:59Z", 100),
        ("2029-03-15T00:00:00Z", 47),
    ] {
        let start = at(issued);
        for (seconds, expected) in [(days * DAY - 1, vec![]), (days * DAY, vec!["maxValidity"])] {
            let end = Timestamp::from_second(start.as_second() + seconds).unwrap();
            let facts = Facts { not_before: Some(start), not_after: Some(end), ..good() };
            assert_eq!(rules(&public, &facts, issued), expected, "{issued} {seconds}");
        }
    }
    let old = Facts { not_before: Some(at("2018-02-28T23:59:59Z")), not_after: Some(at("2030-01-01T00:00:00Z")), ..good() };
    assert_eq!(rules(&public, &old, "2018-03-01T00:00:00Z"), [""; 0]);
}

#[test]
fn a_duration_is_the_time_from_start_to_end() {
    let year = policy("maxValidity: 90d");
    for (end, expected) in [("2026-04-01T00:00:00Z", vec![]), ("2026-04-01T00:00:01Z", vec!["maxValidity"])] {
        assert_eq!(rules(&year, &Facts { not_after: Some(at(end)), ..good() }, MIDDLE), expected, "{end}");
    }
}

#[test]
fn every_required_name_must_be_covered_by_name_or_wildcard_of_one_label() {
    let required = policy("dnsNames: {required: [pay.example.com]}");
    for (names, covered) in [
        (vec!["pay.example.com"], true),
        (vec!["PAY.example.com"], true),
        (vec!["*.example.com"], true),
        (vec!["*.com"], false),
        (vec!["*.pay.example.com"], false),
        (vec!["example.com", "www.pay.example.com"], false),
    ] {
        let facts = Facts { names: names.iter().map(|name| Text::from(*name)).collect(), ..good() };
        assert_eq!(rules(&required, &facts, MIDDLE).is_empty(), covered, "{names:?}");
    }
    let common_name_only = Facts { alternative_names: Some(false), ..good() };
    assert_eq!(rules(&required, &common_name_only, MIDDLE), ["nameNotCovered"]);
    let unknown = Facts { alternative_names: None, ..good() };
    assert_eq!(rules(&required, &unknown, MIDDLE), [""; 0]);
}

#[test]
fn wildcards_are_refused_only_where_the_policy_denies_them() {
    let facts = Facts { names: vec!["*.example.com".into(), "example.com".into()], ..good() };
    assert_eq!(rules(&policy("{}"), &facts, MIDDLE), [""; 0]);
    assert_eq!(only(&policy("dnsNames: {wildcards: Deny}"), &facts).discovered, "*.example.com");
    assert_eq!(rules(&policy("dnsNames: {wildcards: Deny}"), &good(), MIDDLE), [""; 0]);
}

#[test]
fn versions_of_tls_compare_as_numbers() {
    let least = policy("tls: {minVersion: \"1.2\"}");
    for (found, old) in [("1.0", true), ("1.1", true), ("1.2", false), ("1.3", false), ("TLSv1.1", true), ("TLSv1.10", false), ("?", false)] {
        let facts = Facts { tls_version: Some(found.into()), ..good() };
        assert_eq!(!rules(&least, &facts, MIDDLE).is_empty(), old, "{found}");
    }
}

#[test]
fn chain_and_host_name_are_judged_only_where_asked_and_where_known() {
    let both = policy("tls: {verify: [Chain, HostName]}");
    let facts = |chain, host| Facts { chain_verifies: chain, host_name_verifies: host, ..good() };
    assert_eq!(rules(&both, &facts(Some(false), Some(false)), MIDDLE), ["chain", "hostName"]);
    assert_eq!(rules(&both, &facts(None, None), MIDDLE), [""; 0]);
    assert_eq!(rules(&policy("tls: {verify: [HostName]}"), &facts(Some(false), Some(true)), MIDDLE), [""; 0]);
    assert_eq!(rules(&policy("{}"), &facts(Some(false), Some(false)), MIDDLE), [""; 0]);
}

#[test]
fn nothing_is_concluded_from_what_is_not_known() {
    let strict = policy(
        "{issuers: [{organization: X}], keys: [{algorithm: RSA}], signatures: {deny: [SHA1]}, maxValidity: PublicTls, \
         dnsNames: {wildcards: Deny, required: [a.example.com]}, tls: {minVersion: \"1.3\", verify: [Chain, HostName]}}",
    );
    assert_eq!(rules(&strict, &Facts::default(), MIDDLE), [""; 0]);
}
