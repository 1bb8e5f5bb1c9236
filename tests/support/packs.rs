//! The packs of `packs/`, asked in a test, and what is expected of their answers.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)] // each test uses some of it

use std::collections::BTreeMap;
use std::path::Path;

use bowline::api::{DiscoverySourceSpec, Table, Value};
use bowline::discovery::reach::Reach;
use bowline::discovery::run::{Limits, Silent, ask_all, build};
use bowline::discovery::{Answer, Observation, ObservedRelation, Target};
use bowline::estate::{Declared, Estate, Origin};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::watch;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packs")
}

/// The names of all packs, sorted.
pub fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|file| file.strip_suffix(".yaml").map(str::to_owned)).collect();
    names.sort();
    names
}

/// The text of a pack.
pub fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap()
}

/// The sources of a pack, each changed by `change`.
pub fn sources(name: &str, mut change: impl FnMut(&mut DiscoverySourceSpec)) -> Vec<Declared<DiscoverySourceSpec>> {
    let documents = text(name);
    let documents = serde_yaml::Deserializer::from_str(&documents).map(|document| serde_yaml::Value::deserialize(document).unwrap());
    documents
        .map(|document| {
            let mut spec: DiscoverySourceSpec = serde_yaml::from_value(document["spec"].clone()).unwrap();
            change(&mut spec);
            let name = document["metadata"]["name"].as_str().unwrap().into();
            Declared { name, labels: Table::default(), spec, origin: Origin::default() }
        })
        .collect()
}

/// Asks sources; one answer a source, by name.
pub async fn ask(sources: Vec<Declared<DiscoverySourceSpec>>, reach: &Reach) -> BTreeMap<String, Answer> {
    let (asked, refused) = build(&Estate { sources, ..Estate::default() }, reach, Timestamp::UNIX_EPOCH);
    assert_eq!(refused, []);
    let (_keep, stop) = watch::channel(false);
    let answers = ask_all(asked, &Limits::default(), Timestamp::UNIX_EPOCH, &Silent, stop).await;
    answers.into_iter().map(|answer| (answer.source.to_string(), answer)).collect()
}

/// The item of this name in a complete answer.
#[track_caller]
pub fn item<'a>(answers: &'a BTreeMap<String, Answer>, source: &str, name: &str) -> &'a Observation {
    let answer = &answers[source];
    assert_eq!((answer.complete, answer.error.as_deref()), (true, None), "{source}");
    answer.items.iter().find(|item| &*item.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", answer.items))
}

/// The attributes of an item, as JSON.
pub fn attributes(item: &Observation) -> serde_json::Value {
    serde_json::Value::Object(item.attributes.iter().map(|(name, value)| (name.to_string(), Value::to_json(value))).collect())
}

/// That an item has these attributes and no others.
#[track_caller]
pub fn has(item: &Observation, wanted: &str) {
    let wanted: serde_json::Value = serde_json::from_str(wanted).unwrap();
    assert_eq!(attributes(item), wanted);
}

/// That an item has these identifiers and no others.
#[track_caller]
pub fn known_as(item: &Observation, wanted: &[(&str, &str)]) {
    let found: Vec<(&str, &str)> = item.identifiers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(found, wanted);
}

/// A relation to what has this identifier.
pub fn relation(kind: &str, identifier: &str, value: &str) -> ObservedRelation {
    ObservedRelation { kind: kind.into(), to: Target::Identifiers(Table::default().with(identifier, value.into())) }
}
