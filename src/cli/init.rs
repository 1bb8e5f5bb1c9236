//! `bowline init`: a first estate in a folder, ready for `check`, `plan` and an editor.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use bowline::change::group::slug;
use clap::Args;

use super::options::{Options, print_text};
use super::{Outcome, schema};
use bowline::failure::Failure;

/// Arguments of `init`.
#[derive(Args)]
pub struct Arguments {
    /// The folder; made if it does not exist
    #[arg(default_value = ".")]
    folder: PathBuf,

    /// The estate's name [default: the folder's]
    #[arg(long)]
    name: Option<String>,
}

/// Writes the files. One that exists is left as it is.
pub fn run(_: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder).map_err(|error| Failure::new(format!("cannot make the folder {}: {error}", folder.display())))?;
    let name = arguments.name.clone().or_else(|| Some(folder.canonicalize().ok()?.file_name()?.to_string_lossy().into_owned()));
    let name = slug(&name.unwrap_or_else(|| "estate".to_owned()));

    let mut told = String::new();
    for (path, text) in files(&name)? {
        told.push_str(&write_new(folder, path, &text)?);
    }
    told.push_str(&format!("\nNext:\n  bowline check {0}      # every problem, with its place\n  bowline discover {0}   # what this machine says of itself\n  bowline import {0} --into {0}/items   # declares what is there and not declared yet\n  bowline plan {0}       # what differs\n", folder.display()));
    print_text(&told)?;
    Ok(Outcome::Done)
}

fn files(name: &str) -> Result<Vec<(&'static str, String)>, Failure> {
    let whole_schema = serde_json::to_string_pretty(&schema::any_kind())? + "\n";
    Ok(vec![
        ("bowline.yaml", ESTATE.replace("NAME", name)),
        ("sources/this-machine.yaml", SOURCE.to_owned()),
        ("items/README.md", ITEMS.to_owned()),
        (".bowline/schema.json", whole_schema),
    ])
}

/// Creates a file that is not there yet, and says what it did.
fn write_new(folder: &Path, path: &str, text: &str) -> Result<String, Failure> {
    let whole = folder.join(path);
    let failure = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", whole.display()));
    if let Some(parent) = whole.parent() {
        fs::create_dir_all(parent).map_err(failure)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(&whole) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).map_err(failure)?;
            Ok(format!("wrote  {path}\n"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(format!("kept   {path} (it exists)\n")),
        Err(error) => Err(failure(error)),
    }
}

const ESTATE: &str = "\
# yaml-language-server: $schema=.bowline/schema.json
# The estate: the unit that is reconciled as a whole. Everything in the YAML files of this folder belongs to it.
apiVersion: bowline.dev/v1alpha1
kind: Estate
metadata:
  name: NAME
spec:
  timeZone: UTC                  # the zone of times that name none
  onDrift: {default: Report}     # Adopt: edit the YAML to say what is there; Enforce: propose to change what is there
  safety: {massAbsence: 20%}     # a source that suddenly returns that much less is held until you confirm
";

const SOURCE: &str = "\
# yaml-language-server: $schema=../.bowline/schema.json
# A first source: the machine on which Bowline runs.
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata:
  name: this-machine
spec:
  host: {packages: false}
  scope: {}                      # nothing is concluded absent from it; say what a complete answer covers to change that
";

const ITEMS: &str = "\
Configuration items, one document each, as many a file as you like:

    # yaml-language-server: $schema=../.bowline/schema.json
    apiVersion: bowline.dev/v1alpha1
    kind: ConfigurationItem
    metadata:
      name: web-1
    spec:
      class: server
      owner: team-web
      identifiers: {dns/fqdn: web-1.example.com}
      attributes: {cpus: 4, memory: 16Gi}

`bowline import` writes them for what the sources find.
";
