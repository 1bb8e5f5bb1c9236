//! `bowline schema`: JSON Schemas of the kinds, for editors.

use bowline::api::{Kind, definitions};
use clap::Args;

use super::Outcome;
use super::options::{Options, print_text};
use bowline::failure::Failure;

/// Arguments of `schema`.
#[derive(Args)]
#[command(
    after_help = "One schema for all kinds, for the first line of a file:\n  bowline schema > bowline.schema.json\n  # yaml-language-server: $schema=./bowline.schema.json"
)]
pub struct Arguments {
    /// Only this kind; without it, one schema that fits a document of any kind
    #[arg(value_parser = kind)]
    kind: Option<Kind>,
}

/// The kind of this name, in any case.
pub fn kind(name: &str) -> Result<Kind, String> {
    let names = || Kind::ALL.map(Kind::name).join(", ");
    Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name)).ok_or_else(|| format!("no such kind; there are {}", names()))
}

/// Prints the schema as JSON.
pub fn run(_: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let schema = match arguments.kind {
        Some(kind) => definitions::schema(kind).to_value(),
        None => any_kind(),
    };
    print_text(&format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    Ok(Outcome::Done)
}

/// Chooses by `kind`, so that an editor complains about the kind that was meant and not about all of them.
pub fn any_kind() -> serde_json::Value {
    let choices: Vec<_> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let mut schema = definitions::schema(kind).to_value();
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("$schema");
            }
            serde_json::json!({"if": {"properties": {"kind": {"const": kind.name()}}, "required": ["kind"]}, "then": schema})
        })
        .collect();
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A document of a Bowline estate",
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {"apiVersion": {"const": bowline::api::API_VERSION}, "kind": {"enum": Kind::ALL.map(Kind::name)}},
        "allOf": choices,
    })
}
