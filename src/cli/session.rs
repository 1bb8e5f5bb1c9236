//! One run: the estate, what its sources say, what the store remembers, and the instant it is all about.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bowline::access::Access;
use bowline::api::estate::Git;
use bowline::api::{Selector, Text};
use bowline::controller::reading::{self, Bootstrap, Commit, ESTATE_FILE, Loaded, Means, blocking, is_address, named};
use bowline::controller::spans;
use bowline::credentials::Credentials;
use bowline::discovery::reach::Reach;
use bowline::discovery::run::{self as discovery, Limits, Timed};
use bowline::discovery::{Discovered, History};
use bowline::estate::{Estate, SourceFile, directory, git, load};
use bowline::identity::Correlation;
use bowline::plan::Plan;
use bowline::store::{Opened, Store};
use clap::Args;
use git2::Repository;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::watch;
use tracing::Instrument;

use super::log;
use super::options::{Options, print_text};
use super::render::progress::Progress;
use bowline::failure::Failure;

/// Which estate, as the first argument.
#[derive(Args, Clone, Debug)]
pub struct EstateArgument {
    /// The estate: a folder, or the address of a git repository
    #[arg(default_value = ".", value_name = "ESTATE", env = "BOWLINE_ESTATE", hide_env_values = true)]
    pub estate: String,

    #[command(flatten)]
    pub within: Within,
}

/// Which estate, as an option, for verbs whose arguments name something else.
#[derive(Args, Clone, Debug)]
pub struct EstateOption {
    /// The estate: a folder, or the address of a git repository
    #[arg(long, short, default_value = ".", value_name = "ESTATE", env = "BOWLINE_ESTATE", hide_env_values = true)]
    pub estate: String,

    #[command(flatten)]
    pub within: Within,
}

/// Where in a git repository.
#[derive(Args, Clone, Debug, Default)]
pub struct Within {
    /// The branch, for a git repository [default: its own]
    #[arg(long, env = "BOWLINE_BRANCH", hide_env_values = true)]
    pub branch: Option<String>,

    /// The folder of the estate in a git repository [default: its root]
    #[arg(long, value_name = "FOLDER", env = "BOWLINE_PATH", hide_env_values = true)]
    pub path: Option<String>,

    /// The name of the operator's credential for a git repository
    #[arg(long, value_name = "NAME", env = "BOWLINE_CREDENTIAL", hide_env_values = true)]
    pub credential: Option<String>,
}

impl From<&EstateOption> for EstateArgument {
    fn from(option: &EstateOption) -> Self {
        Self { estate: option.estate.clone(), within: option.within.clone() }
    }
}

impl EstateArgument {
    /// The estate in a folder.
    pub fn folder(folder: &Path) -> Self {
        Self { estate: folder.display().to_string(), within: Within::default() }
    }
}

/// One run.
pub struct Session {
    /// What is declared.
    pub estate: Estate,
    /// What was discovered.
    pub discovered: Discovered,
    /// The instant, rounded down to the estate's interval.
    pub now: Timestamp,
    /// Where the estate was read, if in a repository.
    pub at: Option<Commit>,
    /// How long each source was asked.
    pub took: BTreeMap<Text, Duration>,
    /// The estate's name in the store: two estates of one name are kept apart.
    pub store_key: String,
    /// Where what was pushed to its sources is kept.
    pub pushed: PathBuf,
    _checkout: Option<TempDir>,
}

impl Session {
    /// Reads the estate as it stands and asks its sources.
    pub async fn open(options: &Options, argument: &EstateArgument) -> Result<Self, Failure> {
        Self::open_with(options, argument, &[]).await
    }

    /// The same, asking only the sources named; none: all.
    pub async fn open_with(options: &Options, argument: &EstateArgument, only: &[Text]) -> Result<Self, Failure> {
        let loaded = load_shown(options, argument).await?;
        Self::ask(options, argument, loaded, only, never_stopped()).await
    }

    /// Reads the estate where it is kept: what change requests are based on.
    pub async fn of_repository(options: &Options, argument: &EstateArgument) -> Result<Self, Failure> {
        Self::of_repository_until(options, argument, never_stopped(), |_, _| Ok(())).await
    }

    /// The same, waiting for no source any longer once `stop` turns true. `read` is shown the estate, and where what was pushed to it is kept,
    /// before any source is asked.
    pub async fn of_repository_until(
        options: &Options,
        argument: &EstateArgument,
        stop: watch::Receiver<bool>,
        read: impl FnOnce(&Estate, &Path) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let loaded = load_kept(options, argument).instrument(spans::read()).await?;
        read(&loaded.estate, &pushed(options, argument, &loaded))?;
        Self::ask(options, argument, loaded, &[], stop).await
    }

    async fn ask(options: &Options, argument: &EstateArgument, loaded: Loaded, only: &[Text], stop: watch::Receiver<bool>) -> Result<Self, Failure> {
        let pushed = pushed(options, argument, &loaded);
        let Loaded { mut estate, root, at, checkout } = loaded;
        if let Some(unknown) = only.iter().find(|name| !estate.sources.iter().any(|source| source.name == **name)) {
            let near = nearest(unknown, estate.sources.iter().map(|source| &*source.name)).unwrap_or_else(|| "none is declared".to_owned());
            return Err(Failure::new(format!("no source has the name `{unknown}`")).hint(format!("nearest: {near}")));
        }
        if !only.is_empty() {
            estate.sources.retain(|source| only.contains(&source.name));
        }
        let now = now(options, &estate);
        let store_key = store_key(&estate, &argument.estate, &root, at.as_ref());
        let progress = Progress::start();
        let (asked, mut answers) = discovery::build(&estate, &reach(options, root)?.with_pushed(pushed.clone()), now);
        let timed = Timed::new(&progress);
        answers.extend(discovery::ask_all(asked, &Limits::default(), now, &timed, stop).await);
        let took = timed.took();
        answers.sort_by(|a, b| a.source.cmp(&b.source));
        progress.clear();
        let history = history(options, &store_key).await;
        Ok(Self { estate, discovered: Discovered { answers, history }, now, at, took, store_key, pushed, _checkout: checkout })
    }

    /// The same, of an estate that has something in it, with its plan and which observation is which item.
    pub async fn planned(options: &Options, argument: &EstateArgument) -> Result<(Self, Plan, Correlation), Failure> {
        let session = Self::open(options, argument).await?;
        session.refuse_empty()?;
        let (plan, correlation) = session.plan_and_correlation();
        Ok((session, plan, correlation))
    }

    /// Refuses to go on where nothing at all could be read.
    pub fn refuse_empty(&self) -> Result<(), Failure> {
        let estate = &self.estate;
        if estate.items.is_empty() && estate.sources.is_empty() && estate.spec == bowline::api::EstateSpec::default() {
            let _ = print_text("");
            return Err(Failure::new("there is no estate here: no document of bowline.dev/v1alpha1 was found")
                .hint("name a folder that holds one, or write one with `bowline init`"));
        }
        Ok(())
    }

    /// The plan.
    pub fn plan(&self) -> Plan {
        bowline::plan::plan(&self.estate, &self.discovered, self.now)
    }

    /// The same, and which observation is which item.
    pub fn plan_and_correlation(&self) -> (Plan, Correlation) {
        bowline::plan::plan_and_correlation(&self.estate, &self.discovered, self.now)
    }

    /// Writes down that a person believes what sources say, although they suddenly say far less.
    pub async fn confirm(&mut self, options: &Options, sources: &[Text]) -> Result<(), Failure> {
        for name in sources {
            let Some(answer) = self.discovered.answers.iter().find(|answer| answer.source == *name) else {
                return Err(Failure::new(format!("no source has the name `{name}`")).hint("`bowline plan` lists the sources"));
            };
            if !answer.complete {
                return Err(
                    Failure::new(format!("the answer of `{name}` is not complete, so there is nothing to confirm")).hint("`bowline plan` says why it is not")
                );
            }
            let items = answer.items.len() as u64;
            self.store(options).await?.confirm(&self.store_key, name, items).await?;
            self.discovered.history.confirmed.insert(name.clone(), items);
        }
        Ok(())
    }

    /// Opens the store for writing, telling what it had to do to be usable.
    pub async fn store(&self, options: &Options) -> Result<Store, Failure> {
        Ok(warned(Store::open(&options.state_folder()).await?))
    }
}

/// For commands that nobody asks to stop but by a signal, which ends the whole command.
fn never_stopped() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// What the store remembers; nothing where there is none yet. Reading a plan never makes one.
async fn history(options: &Options, key: &str) -> History {
    let read = async { warned(Store::look(&options.state_folder()).await?).history(key).await };
    read.await.unwrap_or_else(|error| {
        warn(&format!("{error}; going on without history"));
        History::default()
    })
}

fn warned(opened: Opened) -> Store {
    if let Some(warning) = opened.warning {
        warn(&warning);
    }
    opened.store
}

/// A warning on standard error. `run` would say the same each pass, so it is said once.
pub fn warn(text: &str) {
    /// How many are remembered.
    const MOST: usize = 1000;
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.len() >= MOST {
        said.clear();
    }
    if said.insert(text.to_owned()) {
        log::warn(text);
    }
}

/// An estate's name in the store.
fn store_key(estate: &Estate, argument: &str, root: &Path, at: Option<&Commit>) -> String {
    let place = if let Some(git) = at.and_then(|at| at.git.as_ref()) {
        git.url.to_string()
    } else if is_address(argument) {
        argument.to_owned()
    } else {
        root.canonicalize().unwrap_or_else(|_| root.to_owned()).display().to_string()
    };
    format!("{}@{}", estate.name, bowline::drift::Finding::digest(&[&place]))
}

/// Where what was pushed to the sources of an estate is kept. `run` reads an estate where it is kept, and `plan` perhaps in a clone of that, so
/// what counts is where the estate says that it is kept; else where it was read.
fn pushed(options: &Options, argument: &EstateArgument, loaded: &Loaded) -> PathBuf {
    let Loaded { estate, root, at, .. } = loaded;
    let declared = estate.spec.git.as_ref().or(at.as_ref().and_then(|at| at.git.as_ref())).map(|git| &*git.url);
    let key = match declared.filter(|url| is_address(url)) {
        Some(url) => bowline::drift::Finding::digest(&[&estate.name, url]),
        None => bowline::drift::Finding::digest(&[&store_key(estate, &argument.estate, root, at.as_ref())]),
    };
    bowline::controller::push::folder(&options.state_folder(), &key)
}

/// The instant a run is about: the clock, rounded down to the estate's interval, so that two runs within an interval
/// give the same plan to the byte.
pub fn now(options: &Options, estate: &Estate) -> Timestamp {
    if let Some(at) = options.at {
        return at;
    }
    let now = Timestamp::now();
    let step = estate.spec.interval_seconds();
    Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(step)).unwrap_or(now)
}

/// What the operator allows.
pub fn access(options: &Options) -> Result<Access, Failure> {
    let mut allow_net = Vec::new();
    for rule in &options.allow_net {
        allow_net.push(rule.parse().map_err(|error| Failure::new(format!("--allow-net {rule}: {error}")))?);
    }
    Ok(Access { allow_read: options.allow_read.clone(), allow_net, ..Access::default() })
}

/// What the sources of an estate at `root` may reach.
pub fn reach(options: &Options, root: PathBuf) -> Result<Reach, Failure> {
    Ok(Reach::new(root, Arc::new(access(options)?)).with_credentials(Arc::new(credentials(options)?)))
}

/// The operator's credentials; none where no file is given.
pub fn credentials(options: &Options) -> Result<Credentials, Failure> {
    let Some(path) = &options.credentials else { return Ok(Credentials::default()) };
    Ok(Credentials::load(path)?)
}

/// Reads an estate: a folder as it stands, or a repository's commit. Nothing is asked but git.
pub async fn load(options: &Options, argument: &EstateArgument) -> Result<Loaded, Failure> {
    if is_address(&argument.estate) || argument.within.branch.is_some() {
        return load_committed(options, argument).await;
    }
    let root = root_of(argument);
    let name = folder_name(&root);
    blocking(move || {
        let collected = directory::collect(&root, &directory::Limits::default())?;
        let revision = clean_revision(&root);
        let estate = named(load::load(collected.files, revision, collected.diagnostics), &name);
        Ok(Loaded { estate, root, at: None, checkout: None })
    })
    .await
}

/// Reads an estate as it is committed.
pub async fn load_committed(options: &Options, argument: &EstateArgument) -> Result<Loaded, Failure> {
    if is_address(&argument.estate) {
        return load_remote(options, argument).await;
    }
    let root = root_of(argument);
    let branch = argument.within.branch.clone();
    blocking(move || {
        let repository = Repository::discover(&root).map_err(|_| no_repository(&root))?;
        let workdir = repository.workdir().map(Path::to_owned);
        let path = workdir.as_deref().and_then(|workdir| relative(&root, workdir)).unwrap_or_default();
        let place = workdir.unwrap_or_else(|| repository.path().to_owned());
        let spec = Git { url: place.display().to_string().into(), branch: branch.map(Text::from), path: Some(path.as_str().into()), credentials: None };
        let found = git::read(&spec, None, &Credentials::default(), &Access::default(), Path::new(""))?;
        let estate = named(load::load(found.files, Some(found.revision), found.diagnostics), &folder_name(&root));
        let at = Commit { repository: found.repository, branch: found.branch, path, remote: false, git: None };
        Ok(Loaded { estate, root, at: Some(at), checkout: None })
    })
    .await
}

async fn load_remote(options: &Options, argument: &EstateArgument) -> Result<Loaded, Failure> {
    let Within { branch, path, credential } = argument.within.clone();
    let spec =
        Git { url: argument.estate.as_str().into(), branch: branch.map(Text::from), path: path.map(Text::from), credentials: credential.map(Text::from) };
    load_address(options, spec, None).await
}

/// Reads the estate where it is kept, for verbs that have to do with change requests: in git where `spec.git` of the
/// folder's `bowline.yaml` says so, else as it is committed in the folder's own repository. With the local forge, whose
/// branches are in the estate's own repository, a folder that holds more than that document is the estate itself.
pub async fn load_kept(options: &Options, argument: &EstateArgument) -> Result<Loaded, Failure> {
    match kept_elsewhere(argument, true).await? {
        Some((git, bootstrap)) => load_address(options, git, Some(bootstrap)).await,
        None => load_committed(options, argument).await,
    }
}

/// Reads the estate as it stands in the folder, or, where the folder holds nothing but a document that says that it is kept
/// elsewhere, from there.
async fn load_shown(options: &Options, argument: &EstateArgument) -> Result<Loaded, Failure> {
    match kept_elsewhere(argument, false).await? {
        Some((git, bootstrap)) => load_address(options, git, Some(bootstrap)).await,
        None => load(options, argument).await,
    }
}

/// Where a folder says that its estate is kept; none where the argument is no folder or the folder does not say so.
async fn kept_elsewhere(argument: &EstateArgument, proposing: bool) -> Result<Option<(Git, Bootstrap)>, Failure> {
    if is_address(&argument.estate) || argument.within.branch.is_some() {
        return Ok(None);
    }
    let root = root_of(argument);
    blocking(move || Ok(bootstrap(&root, proposing))).await
}

/// Where the estate of a folder is kept, if elsewhere. For `proposing`, what is in the folder is only somebody's copy if
/// change requests go to a forge over the network.
fn bootstrap(folder: &Path, proposing: bool) -> Option<(Git, Bootstrap)> {
    let path = folder.join(ESTATE_FILE);
    let size = path.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    let text = if size <= LARGEST_ESTATE_FILE { std::fs::read_to_string(path).ok()? } else { return None };
    let file = SourceFile { path: ESTATE_FILE.into(), text: text.into() };
    let spec = load::load(vec![file.clone()], None, Vec::new()).spec;
    let git = spec.git.clone()?;
    let hosted = spec.forge.as_ref().is_some_and(|forge| forge.github.is_some() || forge.gitea.is_some());
    let alone = || directory::collect(folder, &directory::Limits::default()).is_ok_and(|collected| collected.files.len() == 1);
    ((proposing && hosted) || alone()).then(|| (git, Bootstrap { folder: folder.to_owned(), file }))
}

/// The largest of it, in bytes.
const LARGEST_ESTATE_FILE: u64 = 1024 * 1024;

async fn load_address(options: &Options, spec: Git, bootstrap: Option<Bootstrap>) -> Result<Loaded, Failure> {
    let credentials = credentials(options)?;
    credentials.warnings().iter().cloned().chain(credentials.problems().map(ToString::to_string)).for_each(|warning| warn(&warning));
    let (access, cache) = (access(options)?, options.state_folder().join("git"));
    blocking(move || reading::read_git(spec, bootstrap, Means { credentials: &credentials, access: &access, cache: &cache })).await
}

/// The commit of the folder's repository, if what stands in the folder is what is committed.
fn clean_revision(root: &Path) -> Option<String> {
    let repository = Repository::discover(root).ok()?;
    let head = repository.head().ok()?.peel_to_commit().ok()?.id().to_string();
    let mut which = git2::StatusOptions::new();
    which.include_untracked(true).include_ignored(false).exclude_submodules(true);
    if let Some(path) = repository.workdir().and_then(|workdir| relative(root, workdir)).filter(|path| !path.is_empty()) {
        which.pathspec(path);
    }
    repository.statuses(Some(&mut which)).ok()?.is_empty().then_some(head)
}

/// `folder` below `root`, with `/`; empty if they are the same.
pub fn relative(folder: &Path, root: &Path) -> Option<String> {
    let (folder, root) = (folder.canonicalize().ok()?, root.canonicalize().ok()?);
    let parts: Vec<String> = folder.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    Some(parts.join("/"))
}

/// The error for a folder that is in no repository.
pub fn no_repository(root: &Path) -> Failure {
    Failure::new(format!("{} is not in a git repository, and change requests are branches of one", root.display()))
        .hint(format!("`git init {0} && git -C {0} add . && git -C {0} commit -m 'The estate'` makes it one; `bowline plan` needs none", root.display()))
}

/// The folder of the estate that is named.
pub fn root_of(argument: &EstateArgument) -> PathBuf {
    let root = PathBuf::from(&argument.estate);
    match &argument.within.path {
        Some(path) => root.join(path),
        None => root,
    }
}

/// What an estate without a document of its own is called.
pub fn folder_name(root: &Path) -> String {
    root.canonicalize().ok().and_then(|root| Some(root.file_name()?.to_string_lossy().into_owned())).unwrap_or_else(|| "estate".to_owned())
}

/// An error where one of these classes, or of those that the selector names without a `*`, is none of the estate's, and `found`
/// does not know it either: it would choose nothing, in silence.
pub fn refuse_unknown_class(estate: &Estate, classes: &[Text], selector: Option<&Selector>, found: &dyn Fn(&str) -> bool) -> Result<(), Failure> {
    let wanted = classes.iter().chain(selector.iter().flat_map(|selector| &selector.classes).filter(|class| !class.contains('*')));
    let Some(unknown) = wanted.into_iter().find(|class| estate.classes.get(class).is_none() && !found(class)) else { return Ok(()) };
    let failure = Failure::new(format!("there is no class `{unknown}`"));
    Err(match nearest(unknown, estate.classes.iter().map(|class| &*class.name)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`bowline discover` shows the classes of what is found"),
    })
}

/// The name most like `name`, if any is like it.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let scored = names.map(|known| (strsim::jaro_winkler(name, known), known)).filter(|(score, _)| *score > 0.8);
    scored.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1))).map(|(_, known)| known.to_owned())
}
