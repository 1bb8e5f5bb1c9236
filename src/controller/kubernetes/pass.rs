//! One pass over one estate: read it, ask its sources, plan, bring the forge to it, tell what was found.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::agenda::Id;
use super::events::Teller;
use super::reading::{self, Read, Scene, Unread};
use super::status::Ending;
use super::telling::{Found, Telling};
use super::watch::Watched;
use super::{Settings, secrets};
use crate::api::Text;
use crate::api::status::reason;
use crate::controller::opening::{Keeper, Opened};
use crate::controller::reading::{Means, blocking};
use crate::controller::settling::{failure, settle_on, to_remember};
use crate::controller::{Ended, Guard, Passed, Trouble};
use crate::credentials::{Credentials, Redactor};
use crate::discovery::Discovered;
use crate::discovery::reach::Reach;
use crate::discovery::run::{self as discovery, Limits, Silent};
use crate::estate::{Estate, Severity};
use crate::failure::Failure;
use crate::forge::Error;
use crate::forge::hosted::Fault;
use crate::forge::life::Outcome;
use crate::plan::{Plan, plan_and_found};
use crate::store::Store;

/// What all passes have in common.
pub struct Shared {
    /// What the operator decides.
    pub settings: Settings,
    /// What the API server holds.
    pub watched: Arc<Watched>,
    /// Tells of events.
    pub teller: Teller,
    /// Turns true when passes are to stop.
    pub stop: watch::Receiver<bool>,
    store: Option<Store>,
    kept: Mutex<HashMap<Id, Arc<AsyncMutex<Kept>>>>,
}

/// What is kept of an estate from one pass to the next. Losing it costs nothing but requests.
#[derive(Default)]
struct Kept {
    keeper: Keeper,
    versions: BTreeMap<Text, String>,
}

impl Shared {
    /// Opens the store. Without one there is no history, which costs no correctness.
    pub async fn open(settings: Settings, watched: Arc<Watched>, stop: watch::Receiver<bool>) -> Result<Self, Failure> {
        let opened = Store::open(&settings.state).await;
        let store = match opened {
            Ok(opened) => {
                if let Some(warning) = opened.warning {
                    tracing::warn!("{warning}");
                }
                Some(opened.store)
            }
            Err(error) => {
                tracing::warn!(%error, "going on without history");
                None
            }
        };
        let teller = Teller::new(settings.client.clone(), settings.instance.clone());
        Ok(Self { settings, watched, teller, stop, store, kept: Mutex::default() })
    }

    fn kept(&self, id: &Id) -> Arc<AsyncMutex<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default().clone()
    }

    fn forget(&self, id: &Id) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// One pass.
pub async fn pass(shared: Arc<Shared>, id: Id) -> Passed {
    let begun = Instant::now();
    let (ended, interval) = if id.is_estate() { of_estate(&shared, &id).await } else { (nobodys(&shared, &id.namespace).await, None) };
    let took = begun.elapsed();
    tracing::info!(estate = %id, took = took.as_secs_f64(), well = ended == Ended::Well, "a pass is over");
    Passed { ended, took, interval }
}

/// What stands in a namespace without an estate that takes it in is told so.
async fn nobodys(shared: &Shared, namespace: &Text) -> Ended {
    let (objects, in_git) = {
        let world = shared.watched.world();
        (reading::objects(&world, namespace), world.estates().any(|estate| estate.namespace == *namespace))
    };
    let told = Telling::writes_of_nobodys(&objects, in_git, Timestamp::now());
    let writer = super::apply::Writer::new(shared.settings.client.clone(), shared.watched.clone(), shared.stop.clone());
    let unreachable = writer.all(told).await.into_iter().any(|(_, written)| matches!(written, super::apply::Written::Unreachable(_)));
    if unreachable {
        shared.watched.world().touch(namespace);
        return Ended::Badly { until: None };
    }
    Ended::Well
}

async fn of_estate(shared: &Arc<Shared>, id: &Id) -> (Ended, Option<Duration>) {
    let Some(scene) = Scene::take(&shared.watched.world(), id) else {
        shared.forget(id);
        return (Ended::Well, None);
    };
    let kept = shared.kept(id);
    let mut kept = kept.lock().await;
    let own = scene.spec();
    let interval = Duration::from_secs(own.spec.interval_seconds().unsigned_abs());
    let telling = Telling::new(shared, &scene);
    if let Some(older) = &scene.older {
        return (telling.conflict(older).await, Some(interval));
    }
    telling.begun().await;
    let read = secrets::read(&shared.settings.client, &id.namespace, secrets::named(&own.spec)).await;
    if read.versions != kept.versions {
        // What was made with an older credential is made anew.
        kept.keeper.forget();
        kept.versions.clone_from(&read.versions);
    }
    let made = Making { shared, id, own: &own, credentials: &read.credentials, redactor: read.credentials.redactor() };
    let scene = Arc::new(scene);
    let ended = match made.pass(&scene, &mut kept.keeper).await {
        Ok(found) => telling.found(found).await,
        Err((reason, failure)) => telling.failed(reason, &made.redactor.redact(&one_line(&failure))).await,
    };
    if ended != Ended::Well {
        // The credential may be replaced before the next pass.
        kept.keeper.forget();
    }
    (ended, own.origin.is_some().then_some(interval))
}

/// What making a pass needs.
struct Making<'a> {
    shared: &'a Shared,
    id: &'a Id,
    own: &'a Estate,
    credentials: &'a Credentials,
    redactor: Redactor,
}

impl Making<'_> {
    async fn pass(&self, scene: &Arc<Scene>, keeper: &mut Keeper) -> Result<Found, Unread> {
        let Read { loaded, revision } = self.read(scene).await?;
        let unexpected = |failure| (reason::ESTATE_UNREADABLE, failure);
        let estate = Arc::new(loaded.estate);
        let now = rounded(Timestamp::now(), estate.spec.interval_seconds());
        let reach = Reach::new(loaded.root, Arc::new(self.shared.settings.access.clone()));
        let (asked, mut answers) = discovery::build(&estate, &reach, now);
        answers.extend(discovery::ask_all(asked, &Limits::default(), now, &Silent, self.shared.stop.clone()).await);
        answers.sort_by(|a, b| a.source.cmp(&b.source));
        drop(loaded.checkout);
        let discovered = Discovered { answers, history: self.history().await };
        let of_plan = estate.clone();
        let planned = blocking(move || {
            let (plan, found) = plan_and_found(&of_plan, &discovered, now);
            Ok((plan, found, discovered))
        });
        let (plan, found, discovered) = planned.await.map_err(unexpected)?;
        let mut ending = self.ending(&estate, &plan);
        let (mut outcome, mut urls, mut trouble) = (None, BTreeMap::new(), Trouble::default());
        match self.open(&estate, loaded.at.as_ref(), keeper) {
            Ok(None) => (),
            Ok(Some(opened)) => {
                let guard = Guard::new(&*opened.forge, self.shared.stop.clone());
                match settle_on(&estate, &plan, &guard, opened.hosted, now, &|text| tracing::warn!(estate = %self.id, "{text}")).await {
                    Ok(settled) => outcome = Some(settled),
                    Err(error) => ending.troubles.insert(0, self.forge_trouble(error)),
                }
                trouble = guard.trouble();
                urls = guard.urls();
            }
            Err(failure) => {
                trouble.concerns_all = true;
                ending.troubles.insert(0, (reason::FORGE_FAILED, self.redactor.redact(&one_line(&failure))));
            }
        }
        self.failed_steps(&mut ending, outcome.as_ref());
        self.remember(&discovered, &plan, now).await;
        let forge = has_forge(&estate);
        Ok(Found { estate, plan, found, revision, outcome, urls, trouble, ending, forge })
    }

    async fn read(&self, scene: &Arc<Scene>) -> Result<Read, Unread> {
        let (scene, own, credentials) = (scene.clone(), self.own.clone(), self.credentials.clone());
        let settings = self.shared.settings.clone();
        let read = tokio::task::spawn_blocking(move || {
            let folder = reading::folder(settings.files.as_deref(), &settings.state, &scene.own.namespace);
            let folder = folder.map_err(|error| (reason::ESTATE_UNREADABLE, error.into()))?;
            let cache = settings.state.join("git");
            let means = Means { credentials: &credentials, access: &settings.access, cache: &cache };
            reading::read(&scene, &own, folder, &credentials, means)
        });
        read.await.map_err(|_| (reason::ESTATE_UNREADABLE, Failure::new("reading it failed because of a defect in Bowline; please report it")))?
    }

    /// The forge, where there is one and it is to do something.
    fn open(&self, estate: &Estate, at: Option<&crate::controller::reading::Commit>, keeper: &mut Keeper) -> Result<Option<Opened>, Failure> {
        if estate.spec.suspend || !has_forge(estate) || *self.shared.stop.borrow() {
            return Ok(None);
        }
        keeper.open(estate, at, self.credentials, &self.shared.settings.access).map(Some)
    }

    /// How the pass ends, as far as the plan tells: the worst first.
    fn ending(&self, estate: &Estate, plan: &Plan) -> Ending {
        let mut ending = Ending::default();
        let own_unread = self.own.origin.is_none();
        if own_unread {
            let errors = self.own.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
            let why: Vec<String> = errors.map(super::status::told).collect();
            ending.stalled = true;
            ending.troubles.push((reason::INVALID, format!("The document of the estate is not valid: {}", why.join("; "))));
        } else if estate.spec.suspend {
            ending.troubles.push((reason::SUSPENDED, "The estate is suspended: nothing is proposed, updated or closed.".to_owned()));
        }
        for problem in self.credentials.problems() {
            ending.troubles.push((reason::CREDENTIAL_UNUSABLE, problem.to_string()));
        }
        for source in plan.sources.iter().filter(|source| !source.complete) {
            let why = source.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
            ending.troubles.push((reason::ANSWER_INCOMPLETE, self.redactor.redact(&format!("The answer of {} is not complete{why}", source.name))));
        }
        let wrong = estate.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error && !own_unread);
        ending.troubles.extend(wrong.map(|diagnostic| {
            let place = diagnostic.file.as_deref().map(|file| format!("{file}: ")).unwrap_or_default();
            (reason::DOCUMENTS_INVALID, format!("{place}{}", super::status::told(diagnostic)))
        }));
        ending
    }

    fn forge_trouble(&self, error: Error) -> (&'static str, String) {
        let why = match &error {
            Error::Hosted(Fault::Limited { .. }) => reason::FORGE_LIMITED,
            _ => reason::FORGE_FAILED,
        };
        (why, self.redactor.redact(&one_line(&failure(error))))
    }

    fn failed_steps(&self, ending: &mut Ending, outcome: Option<&Outcome>) {
        for failed in outcome.iter().flat_map(|outcome| &outcome.failed) {
            let hint = failed.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            ending.troubles.push((reason::FORGE_FAILED, self.redactor.redact(&format!("{}: {}{hint}", failed.step.key, failed.message))));
        }
        // What keeps the estate from being brought forward comes before what keeps a part of it from being seen.
        ending.troubles.sort_by_key(|(why, _)| rank(why));
    }

    async fn history(&self) -> crate::discovery::History {
        let Some(store) = &self.shared.store else { return crate::discovery::History::default() };
        store.history(&self.id.to_string()).await.unwrap_or_else(|error| {
            tracing::warn!(estate = %self.id, %error, "going on without history");
            crate::discovery::History::default()
        })
    }

    async fn remember(&self, discovered: &Discovered, plan: &Plan, now: Timestamp) {
        let Some(store) = &self.shared.store else { return };
        if let Err(error) = store.record(&self.id.to_string(), &to_remember(discovered, plan, &[]), now).await {
            tracing::warn!(estate = %self.id, %error, "what was seen could not be recorded");
        }
    }
}

/// The order in which troubles are told.
fn rank(why: &str) -> usize {
    const ORDER: [&str; 8] = [
        reason::INVALID,
        reason::SUSPENDED,
        reason::CREDENTIAL_UNUSABLE,
        reason::FORGE_FAILED,
        reason::FORGE_LIMITED,
        reason::ESTATE_UNREADABLE,
        reason::ANSWER_INCOMPLETE,
        reason::DOCUMENTS_INVALID,
    ];
    ORDER.iter().position(|known| *known == why).unwrap_or(ORDER.len())
}

/// Whether change requests go to a forge; else the `ChangeRequest` objects alone are the proposal.
fn has_forge(estate: &Estate) -> bool {
    estate.spec.forge.as_ref().is_some_and(|forge| forge.github.is_some() || forge.gitea.is_some() || forge.local.is_some())
}

/// The instant rounded down to the interval, so that two passes within an interval give the same plan.
fn rounded(now: Timestamp, step: i64) -> Timestamp {
    Timestamp::from_second(now.as_second() - now.as_second().rem_euclid(step.max(1))).unwrap_or(now)
}

fn one_line(failure: &Failure) -> String {
    let text = failure.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let line = lines.join("; ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}
