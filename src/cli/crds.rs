//! `bowline crds`: the Kubernetes definitions of the kinds.

use bowline::api::{Kind, definitions};
use clap::Args;

use super::options::{Format, Options, print_text};
use super::{Outcome, schema};
use bowline::failure::Failure;

/// Arguments of `crds`.
#[derive(Args)]
pub struct Arguments {
    /// Only this kind
    #[arg(value_parser = schema::kind)]
    kind: Option<Kind>,
}

/// Prints them as YAML documents, or as a JSON list.
pub fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let kinds = Kind::ALL.into_iter().filter(|kind| arguments.kind.is_none_or(|only| only == *kind));
    let definitions: Vec<_> = kinds.map(definitions::definition).collect();
    if options.output == Format::Json {
        print_text(&format!("{}\n", serde_json::to_string_pretty(&definitions)?))?;
    } else {
        let documents: Result<Vec<String>, _> = definitions.iter().map(serde_yaml::to_string).collect();
        print_text(&format!("---\n{}", documents?.join("---\n")))?;
    }
    Ok(Outcome::Done)
}
