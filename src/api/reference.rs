//! The reference of the kinds, for people, made from the types.

use serde_json::Value;

use super::Kind;
use super::definitions::schema;

/// The fields of every kind's `spec`, as Markdown: one folded table a kind.
pub fn markdown() -> String {
    Kind::ALL.into_iter().map(kind).collect::<Vec<_>>().join("\n")
}

fn kind(kind: Kind) -> String {
    let schema = schema(kind).to_value();
    let spec = &schema["properties"]["spec"];
    let about = sentence(spec["description"].as_str().unwrap_or_default());
    let mut rows = Vec::new();
    fields(spec, "", &mut rows);
    format!(
        "<details><summary><code>{}</code>: {about}</summary>\n\n| field | type | what it says |\n|---|---|---|\n{}\n</details>\n",
        kind.name(),
        rows.concat()
    )
}

/// One row a field, nested ones by their path.
fn fields(schema: &Value, path: &str, rows: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let required: Vec<&str> = schema["required"].as_array().map(|names| names.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
    for (name, field) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let field = without_null(field);
        let needed = if required.contains(&name.as_str()) { ", required" } else { "" };
        rows.push(format!("| `{path}` | {}{needed} | {} |\n", type_of(field), one_line(field["description"].as_str().unwrap_or_default())));
        fields(field, &path, rows);
        fields(&field["items"], &format!("{path}[]"), rows);
        fields(&field["additionalProperties"], &format!("{path}.*"), rows);
    }
}

/// The schema of an optional field without its null.
fn without_null(field: &Value) -> &Value {
    let choices = field["anyOf"].as_array();
    choices.and_then(|choices| choices.iter().find(|choice| choice["type"] != "null")).unwrap_or(field)
}

fn type_of(field: &Value) -> String {
    let names: Vec<&str> = match &field["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
        _ => Vec::new(),
    };
    let choices: Vec<&str> = enumeration(field);
    match names.first() {
        _ if !choices.is_empty() => choices.join(" \\| "),
        Some(&"array") => format!("list of {}", type_of(&field["items"])),
        Some(&"object") if field["additionalProperties"].is_object() => format!("map of {}", type_of(&field["additionalProperties"])),
        Some(&"object") => "map".to_owned(),
        Some(name) => (*name).to_owned(),
        None => "any".to_owned(),
    }
}

/// The values of an enum, with or without a description each.
fn enumeration(field: &Value) -> Vec<&str> {
    let plain = field["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let described = field["oneOf"].as_array().into_iter().flatten().flat_map(|choice| {
        let several = choice["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        choice["const"].as_str().into_iter().chain(several)
    });
    plain.chain(described).collect()
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

fn sentence(text: &str) -> String {
    one_line(text.split_inclusive(['.', ':']).next().unwrap_or_default()).trim_end_matches(['.', ':']).to_owned()
}
