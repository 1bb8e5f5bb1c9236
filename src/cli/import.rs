//! `bowline import`: YAML for what is discovered and not declared, printed or written into new files.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use bowline::api::{API_VERSION, Selector, Text};
use bowline::estate::directory::{self, Limits};
use bowline::estate::{Estate, SourceFile, load, select};
use bowline::failure::Failure;
use bowline::import::{self, Choice, Import};
use clap::Args;
use serde_json::json;
use tempfile::TempPath;

use super::options::{Format, Options, print_text};
use super::render::{self, count};
use super::session::{self, EstateArgument, Session};
use super::{Outcome, base};

/// Arguments of `import`.
#[derive(Args)]
#[allow(clippy::doc_markdown)] // these comments are what --help prints
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Only what this source found; may be repeated. All sources are asked all the same: what they say together is one item
    #[arg(long, value_name = "NAME")]
    source: Vec<Text>,

    /// Only items of this class, or of classes that extend it; may be repeated
    #[arg(long, value_name = "CLASS")]
    class: Vec<Text>,

    /// Only what this selector chooses, written as in a document: '{classes: [virtual-machine], labels: {env: [prod]}}'
    #[arg(long, value_name = "SELECTOR", value_parser = select::read)]
    select: Option<Selector>,

    /// Also this attribute, which no class knows and no item declares; `*` stands for any characters; may be repeated
    #[arg(long, value_name = "NAME")]
    attribute: Vec<Text>,

    /// Write files into this folder instead of printing: by owner, cluster and class, at most 200 items each. No file that
    /// exists is touched
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// Prints or writes the documents.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let folder = arguments.into.as_deref().map(|into| Folder::find(&arguments.estate, into)).transpose()?;
    let session = Session::open(options, &arguments.estate).await?;
    session.refuse_empty()?;
    refuse_unknown(&session.estate, arguments)?;
    let choice = Choice {
        sources: arguments.source.clone(),
        classes: arguments.class.clone(),
        selector: arguments.select.clone(),
        attributes: arguments.attribute.clone(),
    };
    let whole = folder.as_ref().map(|folder| folder.with_what_is_there(&session.estate)).transpose()?.flatten();
    let estate = whole.as_ref().unwrap_or(&session.estate);
    let taken = |path: &str| arguments.into.as_ref().is_some_and(|into| into.join(path).symlink_metadata().is_ok());
    let import = import::import(estate, &session.discovered, &choice, &taken, session.now);
    match &arguments.into {
        Some(into) => {
            write_all(into, &import)?;
            options.print(&told(&import, false), |style| render::import::render(style, &import, into))?;
        }
        None if options.output == Format::Human => {
            let documents: Vec<&str> = import.files.iter().map(import::NewFile::documents).collect();
            print_text(&documents.join("---\n"))?;
            eprint!("{}", render::import::printed(&import));
        }
        None => options.print(&told(&import, true), |style| render::import::render_documents(style, &import))?,
    }
    Ok(Outcome::Done)
}

fn refuse_unknown(estate: &Estate, arguments: &Arguments) -> Result<(), Failure> {
    let sources = || estate.sources.iter().map(|source| &*source.name);
    if let Some(unknown) = arguments.source.iter().find(|name| !sources().any(|source| source == &***name)) {
        let near = session::nearest(unknown, sources()).unwrap_or_else(|| "none is declared".to_owned());
        return Err(Failure::new(format!("no source has the name `{unknown}`")).hint(format!("nearest: {near}")));
    }
    if arguments.select.as_ref().is_some_and(|selector| !selector.services.is_empty()) {
        return Err(Failure::new("`services` chooses nothing here: what is not declared yet is part of no service").hint("choose by class, owner or label"));
    }
    session::refuse_unknown_class(estate, &arguments.class, arguments.select.as_ref(), &|_| false)
}

/// As JSON and YAML.
fn told(import: &Import, with_documents: bool) -> serde_json::Value {
    let mut files = json!(import.files);
    if with_documents {
        for (file, told) in import.files.iter().zip(files.as_array_mut().into_iter().flatten()) {
            told["documents"] = json!(file.documents());
        }
    }
    json!({"apiVersion": API_VERSION, "kind": "Import", "files": files, "report": import.report})
}

/// The folder of the new files.
struct Folder {
    path: PathBuf,
    /// Where it is below the estate's root; none where it is elsewhere.
    below: Option<String>,
}

impl Folder {
    /// Refuses a folder of the estate that no estate is read from.
    fn find(argument: &EstateArgument, into: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(into).map_err(|error| failure(into, &error))?;
        let below = session::relative(into, &session::root_of(argument));
        if below.as_deref().is_some_and(|below| base::is_passed_over(&format!("{below}/file"))) {
            return Err(Failure::new(format!("no estate reads the folder {}", into.display()))
                .hint("name one without a dot before its name, such as `items`; `target` and `node_modules` are passed over too"));
        }
        Ok(Self { path: into.to_owned(), below })
    }

    /// The estate with what stands in the folder already, where it does not have it: of an estate that is read from a
    /// repository, an earlier import may not be committed yet.
    fn with_what_is_there(&self, estate: &Estate) -> Result<Option<Estate>, Failure> {
        let collected = directory::collect(&self.path, &Limits::default())?;
        let prefix = match self.below.as_deref() {
            Some("") => String::new(),
            Some(below) => format!("{below}/"),
            None => format!("{}/", self.path.display()),
        };
        let known: BTreeSet<&str> = estate.files.iter().map(|file| &*file.path).collect();
        let prefixed = collected.files.into_iter().map(|file| SourceFile { path: format!("{prefix}{}", file.path).into(), text: file.text });
        let new: Vec<SourceFile> = prefixed.filter(|file| !known.contains(&*file.path)).collect();
        if new.is_empty() {
            return Ok(None);
        }
        let whole = load::load(estate.files.iter().cloned().chain(new).collect(), estate.revision.clone(), Vec::new());
        Ok(Some(Estate { name: estate.name.clone(), ..whole }))
    }
}

/// Writes every file beside its place first, then puts them there one after the other: none is ever half written.
fn write_all(folder: &Path, import: &Import) -> Result<(), Failure> {
    let mut ready: Vec<(TempPath, PathBuf)> = Vec::with_capacity(import.files.len());
    for file in &import.files {
        let path = folder.join(&*file.path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(|error| failure(parent, &error))?;
        ready.push((written_beside(parent, &file.text).map_err(|error| failure(&path, &error))?, path));
    }
    for (number, (file, path)) in ready.into_iter().enumerate() {
        file.persist_noclobber(&path).map_err(|error| {
            let again = format!("{} written; run it again for the others", count(number, "file"));
            failure(&path, &error.error).hint(again)
        })?;
    }
    Ok(())
}

/// The file is closed: there may be more of them than a process may hold open.
fn written_beside(folder: &Path, text: &str) -> std::io::Result<TempPath> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".bowline-import-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file: the mask of the process takes away what it should.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file.into_temp_path())
}

fn failure(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}
