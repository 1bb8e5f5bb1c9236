//! `bowline demo`: the example estate in a scratch git repository, with fresh certificates and this machine as a source,
//! reconciled once.

mod certificates;
mod files;

use std::path::{Path, PathBuf};

use clap::Args;
use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature};

use super::options::{Options, Style, print_text};
use super::render::count;
use super::session::{EstateArgument, Session};
use super::{Outcome, changes, reconcile, render};
use bowline::failure::Failure;

/// Arguments of `demo`.
#[derive(Args)]
pub struct Arguments {
    /// The folder for the estate; must not exist or be empty [default: a new one among the temporary files]
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Sets it up, reconciles it, shows what came of it and what to try next.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let folder = folder(arguments)?;
    eprintln!("Setting up the estate of a small port in {} …", folder.display());
    write_estate(&folder)?;
    commit_all(&folder)?;

    let options = Options { state: Some(options.state.clone().unwrap_or_else(|| folder.join(".git/bowline-state"))), ..options.clone() };
    let estate = EstateArgument::folder(&folder);
    let session = Session::of_repository(&options, &estate).await?;
    let plan = session.plan();
    let outcome = reconcile::settle(&options, &session, &plan, &[]).await?;

    let style = Style::of_terminal();
    let mut text = render::plan::render(style, &session.estate, &plan, true);
    text.push_str(&reconcile::text(style, &outcome, false));
    if let Some(change) = plan.changes.iter().max_by_key(|change| (change.risk.score, std::cmp::Reverse(change.key.clone()))) {
        let rule = style.dim(&"─".repeat(style.width.min(110)));
        text.push_str(&format!("\n{rule}\n{}\n{rule}\n", render::plan::markdown_on_terminal(style, &change.title, &change.body).trim_end()));
        text.push_str(&next(style, &folder, &change.key, plan.changes.len()));
    }
    print_text(&text)?;
    Ok(Outcome::Done)
}

fn next(style: Style, folder: &Path, key: &str, changes: usize) -> String {
    let at = shell_word(&folder.display().to_string());
    let program = shell_word(&changes::program());
    format!(
        "\nThat was one of {}. The estate is an ordinary git repository; try:\n\n  {}   # which branches are proposed\n  {}   # who is hurt if the database fails\n  {}   # merge it, as a board would\n",
        count(changes, "change request"),
        style.bold(&format!("{program} changes list --estate {at}")),
        style.bold(&format!("{program} impact book-db-01 --estate {at}")),
        style.bold(&format!("{program} changes approve {key} --estate {at}")),
    )
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn folder(arguments: &Arguments) -> Result<PathBuf, Failure> {
    let Some(folder) = &arguments.folder else {
        return Ok(tempfile::Builder::new().prefix("bowline-demo-").tempdir()?.keep());
    };
    let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        return Err(Failure::new(format!("{} is not empty", folder.display())).hint("name a folder that does not exist yet"));
    }
    std::fs::create_dir_all(folder).map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
    Ok(folder.clone())
}

fn write_estate(folder: &Path) -> Result<(), Failure> {
    let made = certificates::make(jiff::Timestamp::now())?;
    let fixed = files::HARBOUR.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    for (path, text) in fixed.chain(made).chain([(MACHINE.0.to_owned(), MACHINE.1.to_owned())]) {
        let whole = folder.join(path);
        let failure = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", whole.display()));
        if let Some(parent) = whole.parent() {
            std::fs::create_dir_all(parent).map_err(failure)?;
        }
        std::fs::write(&whole, text).map_err(failure)?;
    }
    Ok(())
}

/// This machine as a source.
const MACHINE: (&str, &str) = (
    "sources/this-machine.yaml",
    "# The machine on which Bowline runs.\napiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata:\n  name: this-machine\nspec:\n  host: {packages: false}\n",
);

/// Makes the folder a repository whose first commit is the estate as it is declared.
fn commit_all(folder: &Path) -> Result<(), Failure> {
    let repository = Repository::init_opts(folder, RepositoryInitOptions::new().initial_head("main"))?;
    let mut index = repository.index()?;
    index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
    index.write()?;
    let tree = repository.find_tree(index.write_tree()?)?;
    let author = Signature::now("Harbour Office", "office@harbour.example")?;
    repository.commit(Some("HEAD"), &author, &author, "The estate of the harbour", &tree, &[])?;
    Ok(())
}
