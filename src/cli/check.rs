//! `bowline check`: every problem of an estate at once. Asks no source and uses no network.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::Outcome;
use super::options::{Format, Options, Style, print_text};
use super::render::{count, diagnostics, github, review, sarif};
use super::session::{self, EstateArgument};
use bowline::controller::reading;
use bowline::failure::Failure;

/// Arguments of `check`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Warnings count as problems too
    #[arg(long)]
    strict: bool,

    /// How results are written
    #[arg(long, short, value_parser = Format::of_problems(), default_value = "human")]
    output: Format,
}

/// Prints the problems; exit code 2 if there are errors.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let reading::Loaded { estate, root, at, .. } = session::load(options, &arguments.estate).await?;
    // Of an estate in git, the folder in it is known; of a folder on this machine, the repository is looked for.
    let prefix = at.map_or_else(|| below_repository(&root), |commit| commit.path);
    let errors = diagnostics::errors(&estate);
    let report = json!({
        "apiVersion": bowline::api::API_VERSION,
        "kind": "Check",
        "estate": estate.name,
        "summary": {"items": estate.items.len(), "files": estate.files.len(), "errors": errors, "warnings": estate.diagnostics.len() - errors},
        "diagnostics": estate.diagnostics,
    });
    match arguments.output {
        Format::Github => print_text(&github::render(&estate, &prefix))?,
        Format::Sarif => print_text(&format!("{:#}\n", sarif::render(&estate, &prefix)))?,
        Format::Markdown => print_text(&review::render(&estate))?,
        Format::Human | Format::Json | Format::Yaml => options.print(&report, |style| text(style, &estate))?,
    }
    let bad = if arguments.strict { !estate.diagnostics.is_empty() } else { errors > 0 };
    Ok(if bad { Outcome::Differs } else { Outcome::Done })
}

fn text(style: Style, estate: &bowline::estate::Estate) -> String {
    let contents = [
        (estate.items.len(), "item"),
        (estate.services.len(), "service"),
        (estate.policies.len(), "certificate policy"),
        (estate.windows.len(), "window"),
        (estate.sources.len(), "source"),
    ];
    let contents: Vec<String> = contents.into_iter().filter(|(number, _)| *number > 0).map(|(number, word)| count(number, word)).collect();
    let contents = if contents.is_empty() { "nothing declared".to_owned() } else { contents.join(", ") };
    let problems = diagnostics::render(style, estate);
    let verdict = if problems.is_empty() { format!("{} no problem in", style.paint("32", "✓")) } else { "in".to_owned() };
    format!("{problems}{verdict} {} ({}): {contents}\n", style.bold(&estate.name), count(estate.files.len(), "file"))
}

/// The folder below the root of the git repository in which it stands, with `/`; empty for the root, and where there is no
/// repository. Only looked for, never opened: it may belong to another account, as in a container.
fn below_repository(folder: &Path) -> String {
    let below = folder.canonicalize().ok().and_then(|folder| {
        let root = folder.ancestors().find(|parent| parent.join(".git").exists())?;
        let parts = folder.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        Some(parts.collect::<Vec<_>>().join("/"))
    });
    below.unwrap_or_default()
}

/// The errors of an estate on standard error, for verbs that go on without the documents concerned.
pub fn warn(estate: &bowline::estate::Estate) {
    if !estate.diagnostics.is_empty() {
        eprintln!("{} in the estate; what they concern is left out. `bowline check` shows them.", diagnostics::closing(estate));
    }
}
