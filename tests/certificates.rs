//! Certificate policies over what was discovered: which certificates a policy covers, and what becomes of what it finds.

#![allow(clippy::unwrap_used)] // helpers of tests too

use bowline::api::{CertificatePolicySpec, ConfigurationItemSpec, OnDrift, Table, Text, Value};
use bowline::discovery::{Answer, Discovered, Observation};
use bowline::drift::{Finding, FindingKind, Severity, certificate};
use bowline::estate::{Declared, Estate, Origin};
use jiff::Timestamp;

const NOW: &str = "2026-11-25T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn declared<Spec: serde::de::DeserializeOwned>(name: &str, yaml: &str) -> Declared<Spec> {
    Declared { name: name.into(), labels: Table::default(), spec: serde_yaml::from_str(yaml).unwrap(), origin: Origin::default() }
}

fn policies(policies: &[(&str, &str)]) -> Estate {
    Estate { policies: policies.iter().map(|(name, yaml)| declared::<CertificatePolicySpec>(name, yaml)).collect(), ..Estate::default() }
}

/// A certificate at `place` that ended a month ago.
fn expired(place: &str, names: &[&str]) -> Observation {
    certificate_of(place, names, "2026-10-25T00:00:00Z")
}

fn certificate_of(place: &str, names: &[&str], end: &str) -> Observation {
    let attributes = [
        ("endpoint", Value::from(place)),
        ("dnsNames", names.iter().map(|name| Value::from(*name)).collect()),
        ("notBefore", Value::from("2026-09-25T00:00:00Z")),
        ("notAfter", Value::from(end)),
        ("key", Value::Map([("algorithm", Value::from("RSA")), ("bits", Value::from(2048_u64))].into_iter().collect())),
    ];
    Observation {
        key: place.into(),
        class: "certificate".into(),
        name: place.into(),
        identifiers: [("x509/sha256", Text::from("ab01"))].into_iter().collect(),
        attributes: attributes.into_iter().collect(),
        ..Observation::default()
    }
}

fn answer(source: &str, items: Vec<Observation>) -> Answer {
    Answer { source: source.into(), at: at(NOW), complete: true, items, ..Answer::default() }
}

fn find(estate: &Estate, items: Vec<Observation>) -> Vec<Finding> {
    certificate::find(estate, &Discovered { answers: vec![answer("tls", items)], ..Discovered::default() }, at(NOW))
}

fn keys(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| &*finding.key).collect()
}

#[test]
fn a_finding_says_what_the_policy_wants_what_is_there_and_what_to_do() {
    let estate = policies(&[("public-tls", "{endpoints: [\"pay.example.com:443\"], keys: [{algorithm: RSA, minBits: 3072}]}")]);
    let findings = find(&estate, vec![certificate_of("pay.example.com:443", &["pay.example.com"], "2027-09-25T00:00:00Z")]);
    assert_eq!(keys(&findings), ["certificate/pay.example.com:443/weakKey"]);
    let finding = &findings[0];
    assert_eq!((finding.kind, finding.severity, finding.action), (FindingKind::Certificate, Severity::High, OnDrift::Report));
    assert_eq!((&*finding.item, &*finding.class, finding.path.as_deref()), ("pay.example.com:443", "certificate", Some("weakKey")));
    assert_eq!((finding.declared.as_str(), finding.discovered.as_str()), (Some("RSA ≥ 3072 bits"), Some("RSA 2048 bits")));
    assert_eq!((&*finding.rule, finding.source.as_deref()), ("policy public-tls: keys", Some("tls")));
    assert_eq!(finding.message, "The certificate of pay.example.com:443 has a key that the policy does not allow: RSA 2048 bits.");
    assert!(finding.remedy.ends_with('.') && finding.at.is_some() && finding.seen == Some(at(NOW)));
}

#[test]
fn a_policy_covers_its_endpoints_in_any_spelling_and_the_names_its_selector_chooses() {
    for (policy, covered) in [
        ("{endpoints: [\"PAY.example.com.:443\"]}", true),
        ("{endpoints: [\"pay.example.com:8443\"]}", false),
        ("{selector: {dnsNames: [\"*.example.com\"]}}", true),
        ("{selector: {dnsNames: [\"*.EXAMPLE.com\"]}}", true),
        ("{selector: {dnsNames: [\"*.com\"]}}", false),
        ("{selector: {dnsNames: [\"example.com\"]}}", false),
        ("{selector: {dnsNames: [\"*.example.com\"], owners: [team-pay]}}", false),
        ("{selector: {classes: [certificate]}}", true),
        ("{selector: {all: true}}", true),
        ("{}", false),
    ] {
        let findings = find(&policies(&[("p", policy)]), vec![expired("pay.example.com:443", &["www.pay.example.com", "pay.example.com"])]);
        assert_eq!(!findings.is_empty(), covered, "{policy}");
    }
}

#[test]
fn an_endpoint_that_gave_no_answer_has_no_finding() {
    let estate = policies(&[("p", "{endpoints: [\"pay.example.com:443\"], selector: {all: true}}")]);
    let answer = Answer { complete: false, error: Some("pay.example.com:443 cannot be reached".into()), ..answer("tls", Vec::new()) };
    assert!(certificate::find(&estate, &Discovered { answers: vec![answer], ..Discovered::default() }, at(NOW)).is_empty());
}

#[test]
fn other_things_are_no_certificates() {
    let server = Observation { class: "server".into(), ..expired("pay.example.com:443", &["pay.example.com"]) };
    assert!(find(&policies(&[("p", "{selector: {all: true}}")]), vec![server]).is_empty());
}

fn with_item(yaml: &str) -> Estate {
    Estate { items: vec![declared::<ConfigurationItemSpec>("pay-certificate", yaml)], ..policies(&[("p", "{endpoints: [\"pay.example.com:443\"]}")]) }
}

#[test]
fn the_item_is_the_declared_one_by_digest_or_by_place() {
    for (yaml, item) in [
        ("{class: certificate, identifiers: {x509/sha256: \"AB:01\"}}", "pay-certificate"),
        ("{class: certificate, attributes: {endpoint: \"Pay.example.com:443\"}}", "pay-certificate"),
        ("{class: certificate, identifiers: {x509/sha256: \"ff\"}}", "pay.example.com:443"),
        ("{class: server, attributes: {endpoint: \"pay.example.com:443\"}}", "pay.example.com:443"),
    ] {
        let findings = find(&with_item(yaml), vec![expired("pay.example.com:443", &[])]);
        assert_eq!(keys(&findings), [format!("certificate/{item}/expired")], "{yaml}");
    }
}

#[test]
fn two_declared_items_that_could_be_it_are_none() {
    let yaml = "{class: certificate, attributes: {endpoint: \"pay.example.com:443\"}}";
    let items = ["a", "b"].map(|name| declared::<ConfigurationItemSpec>(name, yaml));
    let findings = find(&Estate { items: items.into(), ..with_item(yaml) }, vec![expired("pay.example.com:443", &[])]);
    assert_eq!(keys(&findings), ["certificate/pay.example.com:443/expired"]);
}

#[test]
fn it_is_mended_only_where_its_item_says_so_and_never_adopted() {
    for (on_drift, action) in [
        ("{default: Enforce}", OnDrift::Enforce),
        ("{attributes: {expired: Enforce}}", OnDrift::Enforce),
        ("{default: Enforce, attributes: {expired: Report}}", OnDrift::Report),
        ("{default: Adopt}", OnDrift::Report),
    ] {
        let yaml = format!("{{class: certificate, owner: team-pay, attributes: {{endpoint: \"pay.example.com:443\"}}, onDrift: {on_drift}}}");
        let findings = find(&with_item(&yaml), vec![expired("pay.example.com:443", &[])]);
        assert_eq!((findings[0].action, findings[0].owner.as_deref()), (action, Some("team-pay")), "{on_drift}");
    }
}

#[test]
fn the_same_rule_of_two_policies_is_two_findings_but_an_expired_certificate_is_expired_once() {
    let strict = "{selector: {all: true}, keys: [{algorithm: Ed25519}]}";
    let estate = policies(&[("a", strict), ("b", strict)]);
    let valid = certificate_of("pay.example.com:443", &[], "2027-09-25T00:00:00Z");
    assert_eq!(keys(&find(&estate, vec![valid])), ["certificate/pay.example.com:443/weakKey", "certificate/pay.example.com:443/weakKey/b"]);
    let ended = find(&estate, vec![expired("pay.example.com:443", &[])]);
    assert_eq!(ended.iter().filter(|finding| finding.path.as_deref() == Some("expired")).count(), 1);
}

// A stale cache raises false expiry alerts (x509-certificate-exporter, see the list of known failures).
#[test]
fn of_two_answers_about_one_endpoint_the_latest_counts() {
    let old = Answer { at: at("2026-11-01T00:00:00Z"), ..answer("export", vec![expired("PAY.example.com:443", &[])]) };
    let new = answer("tls", vec![certificate_of("pay.example.com:443", &[], "2027-09-25T00:00:00Z")]);
    let estate = policies(&[("p", "{endpoints: [\"pay.example.com:443\"]}")]);
    for answers in [vec![old.clone(), new.clone()], vec![new, old]] {
        assert!(certificate::find(&estate, &Discovered { answers, ..Discovered::default() }, at(NOW)).is_empty());
    }
}

#[test]
fn one_declared_certificate_at_two_places_is_one_finding_with_both_as_evidence() {
    let estate = Estate { ..with_item("{class: certificate, identifiers: {x509/sha256: ab01}}") };
    let estate = Estate { policies: policies(&[("p", "{selector: {all: true}}")]).policies, ..estate };
    let findings = find(&estate, vec![expired("b.example.com:443", &[]), expired("a.example.com:443", &[])]);
    assert_eq!(keys(&findings), ["certificate/pay-certificate/expired"]);
    assert_eq!(findings[0].evidence.iter().map(|place| &**place).collect::<Vec<_>>(), ["a.example.com:443", "b.example.com:443"]);
}

#[test]
fn the_same_input_in_any_order_gives_the_same_findings_and_time_alone_changes_no_fingerprint() {
    let estate = policies(&[("p", "{selector: {all: true}, keys: [{algorithm: Ed25519}]}")]);
    let places = ["a.example.com:443", "b.example.com:443", "c.example.com:443"].map(|place| certificate_of(place, &[], "2026-12-01T00:00:00Z"));
    let forward = find(&estate, places.to_vec());
    assert_eq!(forward, find(&estate, places.iter().rev().cloned().collect()));
    assert_eq!(forward.len(), 6);
    assert!(forward.is_sorted_by(|one, other| one.key < other.key));
    let discovered = Discovered { answers: vec![answer("tls", places.to_vec())], ..Discovered::default() };
    let later = certificate::find(&estate, &discovered, at("2026-11-28T00:00:00Z"));
    let prints = |findings: &[Finding]| findings.iter().map(|finding| finding.fingerprint.to_string()).collect::<Vec<_>>();
    assert_eq!(prints(&forward), prints(&later));
}
