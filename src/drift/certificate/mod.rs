//! `Certificate`: facts about certificates against the policies that cover them.
//!
//! ```text
//! observations ── facts ──┐
//!                         ├── rules ── one finding for each rule that is broken
//! policies ── covers? ────┘
//! ```
//!
//! An endpoint that gave no answer has no observation, and nothing is concluded about its certificate: it shows as an
//! incomplete source.

mod facts;
mod rules;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use self::facts::{Facts, normal};
use self::rules::{Broken, broken};
use super::{Finding, FindingKind};
use crate::api::{CertificatePolicySpec, ConfigurationItemSpec, OnDrift, Text, Value};
use crate::discovery::{Discovered, Observation};
use crate::estate::select::{Matcher, Subject};
use crate::estate::{Declared, Estate};
use crate::impact::ServiceGraph;

const CLASS: &str = "certificate";

/// One finding for each rule of a policy that a certificate breaks, sorted by key.
///
/// The key is kind, item and rule. Where several policies give one item the same rule, the first by name keeps that key and
/// the key of each further one ends in its name; what does not depend on the policy (`expired`, `notYetValid`) is found once.
pub fn find(estate: &Estate, discovered: &Discovered, now: Timestamp) -> Vec<Finding> {
    if estate.policies.is_empty() {
        return Vec::new();
    }
    let declared = DeclaredCertificates::new(estate);
    let certificates = certificates(estate, discovered, &declared);
    let policies: Vec<Cover> = estate.policies.iter().map(Cover::new).collect();
    let graph = policies.iter().any(|policy| policy.matcher.needs_services()).then(|| ServiceGraph::new(estate));
    let mut found: BTreeMap<Text, (Text, Finding)> = BTreeMap::new();
    for policy in &policies {
        for certificate in certificates.iter().filter(|certificate| policy.covers(estate, certificate, graph.as_ref())) {
            for broken in broken(&policy.policy.spec, &certificate.facts, now) {
                keep(&mut found, policy.policy, finding(estate, policy.policy, certificate, broken));
            }
        }
    }
    found.into_values().map(|(_, finding)| finding).collect()
}

/// A certificate at one place.
struct Certificate<'a> {
    observation: &'a Observation,
    item: Option<&'a Declared<ConfigurationItemSpec>>,
    facts: Facts,
    source: &'a Text,
    seen: Timestamp,
}

impl Certificate<'_> {
    fn name(&self) -> &Text {
        self.item.map_or(&self.observation.name, |item| &item.name)
    }
}

/// Every certificate that was seen. Of one endpoint the latest answer counts: an old one raises alarms about a certificate
/// that was renewed long ago.
fn certificates<'a>(estate: &'a Estate, discovered: &'a Discovered, declared: &DeclaredCertificates<'a>) -> Vec<Certificate<'a>> {
    let mut by_place: BTreeMap<(String, &str, &str), Certificate<'a>> = BTreeMap::new();
    for answer in &discovered.answers {
        for observation in answer.items.iter().filter(|item| &*item.class == CLASS || estate.classes.is_a(&item.class, CLASS)) {
            let facts = Facts::of(observation);
            let place = match &facts.endpoint {
                Some(endpoint) => (endpoint.clone(), "", ""),
                None => (String::new(), &*answer.source, &*observation.key),
            };
            let item = declared.item_of(&facts);
            let certificate = Certificate { observation, item, facts, source: &answer.source, seen: observation.seen.unwrap_or(answer.at) };
            match by_place.entry(place) {
                Entry::Vacant(entry) => drop(entry.insert(certificate)),
                Entry::Occupied(mut entry) if entry.get().seen < certificate.seen => drop(entry.insert(certificate)),
                Entry::Occupied(_) => {}
            }
        }
    }
    by_place.into_values().collect()
}

/// The declared items of class certificate, by what tells them apart.
#[derive(Default)]
struct DeclaredCertificates<'a> {
    by_digest: HashMap<String, Vec<&'a Declared<ConfigurationItemSpec>>>,
    by_place: HashMap<String, Vec<&'a Declared<ConfigurationItemSpec>>>,
}

impl<'a> DeclaredCertificates<'a> {
    fn new(estate: &'a Estate) -> Self {
        let mut all = Self::default();
        for item in estate.items.iter().filter(|item| &*item.spec.class == CLASS || estate.classes.is_a(&item.spec.class, CLASS)) {
            if let Some(digest) = item.spec.identifiers.get("x509/sha256") {
                all.by_digest.entry(facts::hexadecimal(digest)).or_default().push(item);
            }
            let attribute = |name: &str| item.spec.attributes.get(name).and_then(Value::as_str);
            for place in attribute("endpoint").map(normal).into_iter().chain(attribute("file").map(str::to_owned)) {
                all.by_place.entry(place).or_default().push(item);
            }
        }
        all
    }

    /// The one declared item that is this certificate: by digest, then by place. Two candidates are none (rule 3).
    fn item_of(&self, facts: &Facts) -> Option<&'a Declared<ConfigurationItemSpec>> {
        let place = facts.endpoint.as_deref().or(facts.file.as_deref()).and_then(|place| self.by_place.get(place));
        let digest = facts.sha256.as_ref().and_then(|digest| self.by_digest.get(digest));
        [digest, place].into_iter().flatten().find_map(|items| if let [item] = items.as_slice() { Some(*item) } else { None })
    }
}

/// Which certificates a policy covers.
struct Cover<'a> {
    policy: &'a Declared<CertificatePolicySpec>,
    endpoints: HashSet<String>,
    matcher: Matcher,
}

impl<'a> Cover<'a> {
    fn new(policy: &'a Declared<CertificatePolicySpec>) -> Self {
        let endpoints = policy.spec.endpoints.iter().map(|endpoint| normal(endpoint)).collect();
        Self { policy, endpoints, matcher: Matcher::new(&policy.spec.selector) }
    }

    fn covers(&self, estate: &Estate, certificate: &Certificate, graph: Option<&ServiceGraph>) -> bool {
        if certificate.facts.endpoint.as_ref().is_some_and(|endpoint| self.endpoints.contains(endpoint)) {
            return true;
        }
        let services = graph.map(|graph| graph.services_of(certificate.name())).unwrap_or_default();
        let observation = certificate.observation;
        let observed = Subject {
            name: &observation.name,
            class: &observation.class,
            owner: observation.owner.as_deref(),
            labels: Some(&observation.labels),
            fqdn: None,
            dns_names: &certificate.facts.names,
            services,
        };
        // What a person declares about the item goes before what a source says.
        let subject = certificate.item.map_or(observed, |item| Subject { dns_names: &certificate.facts.names, ..Subject::item(item, services) });
        self.matcher.matches(&estate.classes, &subject)
    }
}

fn finding(estate: &Estate, policy: &Declared<CertificatePolicySpec>, certificate: &Certificate, broken: Broken) -> Finding {
    let Broken { rule, field, severity, declared, discovered, message, remedy } = broken;
    let (item, place) = (certificate.name(), place(certificate));
    let kind = FindingKind::Certificate;
    let (path, said) = if field.is_empty() { ("spec".to_owned(), "certificates are valid".to_owned()) } else { (format!("spec.{field}"), field.to_owned()) };
    Finding {
        key: Finding::key_of(kind, item, Some(rule)),
        fingerprint: Finding::digest(&[kind.name(), item, rule, &declared, &discovered]),
        kind,
        item: item.clone(),
        class: certificate.item.map_or(&certificate.observation.class, |item| &item.spec.class).clone(),
        owner: certificate.item.and_then(|item| item.spec.owner.clone()).or_else(|| certificate.observation.owner.clone()),
        path: Some(rule.into()),
        declared: declared.into(),
        discovered: discovered.into(),
        source: Some(certificate.source.clone()),
        seen: Some(certificate.seen),
        severity,
        services: Vec::new(),
        at: Some(estate.locate(policy.origin, &path)),
        action: action(certificate.item, rule),
        message: format!("The certificate of {place} {message}."),
        rule: format!("policy {}: {said}", policy.name),
        remedy: remedy.to_owned(),
        evidence: vec![place],
    }
}

fn place(certificate: &Certificate) -> Text {
    let facts = &certificate.facts;
    facts.endpoint.as_deref().or(facts.file.as_deref()).map_or_else(|| certificate.observation.name.clone(), Text::from)
}

/// A certificate cannot be adopted, so it is reported, unless its item says that what breaks this rule is to be mended.
fn action(item: Option<&Declared<ConfigurationItemSpec>>, rule: &str) -> OnDrift {
    let said = item.and_then(|item| item.spec.on_drift.as_ref()).and_then(|policy| policy.attributes.get(rule).copied().or(policy.fallback));
    if said == Some(OnDrift::Enforce) { OnDrift::Enforce } else { OnDrift::Report }
}

/// Adds a finding. The same of one item at a further place is further evidence; the same rule of a further policy is
/// a finding of its own.
fn keep(found: &mut BTreeMap<Text, (Text, Finding)>, policy: &Declared<CertificatePolicySpec>, finding: Finding) {
    let mut key = finding.key.clone();
    let rule = finding.path.as_deref().unwrap_or_default();
    let taken = found.get(&key).is_some_and(|(first, _)| *first != policy.name);
    if taken && !matches!(rule, "expired" | "notYetValid") {
        key = Finding::key_of(finding.kind, &finding.item, Some(&format!("{rule}/{}", policy.name)));
    }
    match found.entry(key.clone()) {
        Entry::Vacant(entry) => drop(entry.insert((policy.name.clone(), Finding { key, ..finding }))),
        Entry::Occupied(mut entry) => {
            let (_, known) = entry.get_mut();
            known.severity = known.severity.max(finding.severity);
            known.evidence.extend(finding.evidence);
            known.evidence.sort();
            known.evidence.dedup();
        }
    }
}
