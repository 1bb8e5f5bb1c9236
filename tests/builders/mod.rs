//! Small estates and answers, for tests of identity and drift.
#![allow(dead_code)] // each test file uses its own part
#![allow(clippy::unwrap_used)] // a test that cannot be set up fails

use bowline::api::{Table, Text, Value};
use bowline::discovery::{Answer, Discovered, Observation, ObservedRelation, Target};
use bowline::drift::{self, Finding};
use bowline::estate::{Estate, SourceFile, load};
use bowline::identity;
use jiff::Timestamp;

/// The instant of every test.
pub fn now() -> Timestamp {
    "2026-11-25T00:00:00Z".parse().unwrap()
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: bowline.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, labels: {{env: prod}}}}\nspec: {{{spec}}}\n")
}

/// A virtual machine, unless `spec` (fields in YAML's flow form) names another class.
pub fn item(name: &str, spec: &str) -> String {
    let class = if spec.contains("class: ") { "" } else { "class: virtual-machine, " };
    document("ConfigurationItem", name, &format!("{class}{spec}"))
}

/// A source that covers everything, unless `spec` names a scope.
pub fn source(name: &str, spec: &str) -> String {
    let scope = if spec.contains("scope: ") { "" } else { "scope: {all: true}, " };
    document("DiscoverySource", name, &format!("file: {{path: facts.json}}, {scope}{spec}"))
}

/// A class.
pub fn class(name: &str, spec: &str) -> String {
    document("CIClass", name, spec)
}

/// The estate's own document.
pub fn settings(spec: &str) -> String {
    document("Estate", "harbour", spec)
}

/// An estate of these documents.
pub fn estate(documents: &[String]) -> Estate {
    let text: Text = documents.join("---\n").into();
    load::load(vec![SourceFile { path: "estate.yaml".into(), text }], None, Vec::new())
}

/// An observation, from YAML's flow form: `key`, `name`, `class`, `identifiers`, `attributes`, `relations`, `seen`.
pub fn seen(yaml: &str) -> Observation {
    let value: Value = serde_yaml::from_str(&format!("{{{yaml}}}")).unwrap();
    let text = |name: &str| value.at(name).map(|value| Text::from(value.to_string()));
    let texts = |value: Option<&Value>| -> Table<Text> {
        value.and_then(Value::as_map).into_iter().flatten().map(|(name, value)| (name.clone(), Text::from(value.to_string()))).collect()
    };
    let name = text("name").unwrap_or_else(|| "".into());
    let relations = value.at("relations").and_then(Value::as_list).unwrap_or_default().iter().map(|relation| ObservedRelation {
        kind: relation.at("type").unwrap().to_string().into(),
        to: match relation.at("to").unwrap() {
            Value::Text(name) => Target::Name(name.clone()),
            map => Target::Identifiers(texts(map.at("identifiers"))),
        },
    });
    Observation {
        key: text("key").unwrap_or_else(|| name.clone()),
        class: text("class").unwrap_or_else(|| "virtual-machine".into()),
        owner: None,
        identifiers: texts(value.at("identifiers")),
        attributes: value.at("attributes").and_then(Value::as_map).cloned().unwrap_or_default(),
        labels: Table::default(),
        relations: relations.collect(),
        seen: text("seen").map(|seen| seen.parse().unwrap()),
        name,
    }
}

/// A complete answer.
pub fn answer(source: &str, observations: &[&str]) -> Answer {
    let at = "2026-11-24T23:00:00Z".parse().unwrap();
    let items = observations.iter().map(|observation| seen(observation)).collect();
    Answer { source: source.into(), at, complete: true, error: None, evidence: format!("{source}.json").into(), items }
}

/// An answer that is not complete.
pub fn cut_short(source: &str, observations: &[&str], error: &str) -> Answer {
    Answer { complete: false, error: Some(error.into()), ..answer(source, observations) }
}

pub fn discovered(answers: Vec<Answer>) -> Discovered {
    Discovered { answers, ..Discovered::default() }
}

/// What differs.
pub fn findings(estate: &Estate, discovered: &Discovered) -> Vec<Finding> {
    drift::find(estate, discovered, &identity::correlate(estate, discovered), now())
}

/// The keys of what differs between documents and answers.
pub fn keys(documents: &[String], answers: Vec<Answer>) -> Vec<String> {
    keys_of(&findings(&estate(documents), &discovered(answers)))
}

pub fn keys_of(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| finding.key.to_string()).collect()
}

/// What differs of one virtual machine `a` with these attributes declared and found by one source.
pub fn compared(declared: &str, found: &str) -> Vec<Finding> {
    let documents = [item("a", &format!("identifiers: {{bios/uuid: u-1}}, attributes: {{{declared}}}")), source("s", "")];
    findings(&estate(&documents), &discovered(vec![answer("s", &[&format!("name: a, identifiers: {{bios/uuid: u-1}}, attributes: {{{found}}}")])]))
}
