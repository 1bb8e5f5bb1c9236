//! One item as the YAML of a document, in the order in which people write it.

use super::draft::Draft;
use crate::api::{API_VERSION, Kind, Text, Value};
use crate::change::edit::{flow, key_text};
use crate::estate::yaml::Style;

/// A value that takes no more than this is written on one line.
const WIDE: usize = 100;
/// Deeper values are written on one line however long they are.
const DEEP: usize = 8;

/// The document of a draft; it ends with a line break.
pub(super) fn write(draft: &Draft) -> String {
    let mut text = format!("apiVersion: {API_VERSION}\nkind: {}\nmetadata:\n  name: {}\n", Kind::ConfigurationItem, scalar(&draft.name));
    entry(&mut text, 1, "labels", &texts(&draft.labels));
    text.push_str(&format!("spec:\n  class: {}\n", scalar(&draft.thing.class)));
    if let Some(owner) = &draft.owner {
        text.push_str(&format!("  owner: {}\n", scalar(owner)));
    }
    block(&mut text, "identifiers", &texts(&draft.identifiers));
    block(&mut text, "attributes", &Value::Map(draft.attributes.clone()));
    if !draft.relations.is_empty() {
        text.push_str("  relations:\n");
        for relation in &draft.relations {
            text.push_str(&format!("  - {{type: {}, to: {}}}\n", inner(&relation.kind), inner(&relation.to)));
        }
    }
    text
}

fn texts(table: &crate::api::Table<Text>) -> Value {
    Value::Map(table.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect())
}

fn scalar(text: &Text) -> String {
    flow(&Value::from(text.clone()), Style::Plain, false)
}

fn inner(text: &Text) -> String {
    flow(&Value::from(text.clone()), Style::Plain, true)
}

/// A field of the spec, one line for each entry of the map.
fn block(text: &mut String, name: &str, value: &Value) {
    let Some(entries) = value.as_map().filter(|entries| !entries.is_empty()) else { return };
    text.push_str(&format!("  {name}:\n"));
    for (name, value) in entries {
        entry(text, 2, name, value);
    }
}

/// A key and its value, on one line where it is short.
fn entry(text: &mut String, depth: usize, name: &str, value: &Value) {
    if value.is_absent() {
        return;
    }
    let indent = "  ".repeat(depth);
    let start = format!("{indent}{}:", key_text(name, false));
    let line = flow(value, Style::Plain, false);
    if start.len() + 1 + line.len() <= WIDE || depth > DEEP {
        return text.push_str(&format!("{start} {line}\n"));
    }
    match value {
        Value::Map(entries) => {
            text.push_str(&format!("{start}\n"));
            for (name, value) in entries {
                entry(text, depth + 1, name, value);
            }
        }
        Value::List(list) => {
            text.push_str(&format!("{start}\n"));
            for value in list {
                text.push_str(&format!("{indent}- {}\n", flow(value, Style::Plain, false)));
            }
        }
        _ => text.push_str(&format!("{start} {line}\n")),
    }
}
