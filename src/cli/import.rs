//! `bowline import`: YAML for what is discovered and not declared.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use bowline::api::Text;
use bowline::change::actions::declaration;
use bowline::change::group::slug;
use bowline::drift::{Finding, FindingKind};
use clap::Args;

use super::Outcome;
use super::options::{Options, print_text};
use super::render::count;
use super::session::{EstateArgument, Session};
use bowline::failure::Failure;

/// Arguments of `import`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Only what this source found; may be repeated
    #[arg(long, value_name = "NAME")]
    source: Vec<Text>,

    /// Only items of this class; may be repeated
    #[arg(long, value_name = "CLASS")]
    class: Vec<Text>,

    /// Write one file an item into this folder instead of printing; files that exist are left as they are
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// Prints or writes the documents.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let session = Session::open(options, &arguments.estate).await?;
    let plan = session.plan();
    let wanted = |finding: &&Finding| {
        finding.kind == FindingKind::Undeclared
            && (arguments.class.is_empty() || arguments.class.contains(&finding.class))
            && (arguments.source.is_empty() || finding.source.as_ref().is_some_and(|source| arguments.source.contains(source)))
    };
    let documents: Vec<(Text, String)> = plan
        .findings
        .iter()
        .filter(wanted)
        .filter_map(|finding| Some((finding.item.clone(), declaration(&finding.item, finding.discovered.as_map()?))))
        .collect();
    if let Some(folder) = &arguments.into {
        write_all(folder, &documents)?;
    } else {
        let texts: Vec<&str> = documents.iter().map(|(_, text)| text.as_str()).collect();
        print_text(&texts.join("---\n"))?;
        eprintln!(
            "{} found and not declared{}",
            count(documents.len(), "item"),
            if documents.is_empty() { "" } else { "; --into FOLDER writes them to files" }
        );
    }
    Ok(Outcome::Done)
}

fn write_all(folder: &PathBuf, documents: &[(Text, String)]) -> Result<(), Failure> {
    let failure = |what: &std::path::Path, error: &std::io::Error| Failure::new(format!("cannot write {}: {error}", what.display()));
    std::fs::create_dir_all(folder).map_err(|error| failure(folder, &error))?;
    let (mut written, mut kept) = (0, 0);
    for (name, text) in documents {
        let path = folder.join(format!("{}.yaml", slug(name)));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).map_err(|error| failure(&path, &error))?;
                written += 1;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                eprintln!("kept {}: it exists", path.display());
                kept += 1;
            }
            Err(error) => return Err(failure(&path, &error)),
        }
    }
    eprintln!("wrote {}, kept {kept}", count(written, "file"));
    Ok(())
}
