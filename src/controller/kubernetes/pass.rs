//! One pass over one estate: read it, ask its sources, plan, bring the forge to it, tell what was found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::Instrument;

use super::agenda::Id;
use super::gate::Hold;
use super::reading::{self, Read, Scene, Unread};
use super::secrets;
use super::shared::{Kept, Shared};
use super::status::Ending;
use super::telling::{Found, Telling};
use crate::api::Text;
use crate::api::status::reason;
use crate::controller::opening::{Keeper, Opened};
use crate::controller::reading::{Means, blocking};
use crate::controller::settling::{self, failure, settle_on};
use crate::controller::{Ended, Guard, Passed, Trouble, metrics, spans};
use crate::credentials::{Credentials, Redactor};
use crate::discovery::Discovered;
use crate::discovery::http::Answers;
use crate::discovery::reach::Reach;
use crate::discovery::run::{self as discovery, Limits, Silent, Timed};
use crate::estate::{Estate, Severity};
use crate::failure::Failure;
use crate::forge::hosted::Fault;
use crate::forge::life::{Action, Outcome};
use crate::forge::{Error, Forge, Pass};
use crate::health;
use crate::plan::{Plan, found, plan_and_correlation};

/// One pass.
pub async fn pass(shared: Arc<Shared>, id: Id) -> Passed {
    let begun = Instant::now();
    let Some(hold) = shared.settings.gate.hold(&id) else {
        // Lost between the look and the pass; whoever has it passes.
        return Passed { ended: Ended::Well, took: Duration::ZERO, interval: None };
    };
    let name = id.to_string();
    let span = spans::pass(id.is_estate().then_some(&*name));
    let passing = async { if id.is_estate() { of_estate(&shared, &id, &hold).await } else { (nobodys(&shared, &id.namespace).await, None) } };
    let (ended, interval) = passing.instrument(span).await;
    let took = begun.elapsed();
    if id.is_estate() {
        let outcome = match ended {
            _ if *shared.stop.borrow() => metrics::Outcome::Stopped,
            Ended::Well => metrics::Outcome::Success,
            Ended::Badly { .. } => metrics::Outcome::Failure,
        };
        shared.settings.metrics.passed(&name, outcome, took, Timestamp::now());
    }
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

async fn of_estate(shared: &Arc<Shared>, id: &Id, hold: &Hold) -> (Ended, Option<Duration>) {
    let Some(scene) = Scene::take(&shared.watched.world(), id) else {
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
    shared.settings.redactors.learn(&id.to_string(), read.credentials.redactor());
    if read.versions != kept.versions {
        // What was made with an older credential is made anew.
        kept.keeper.forget();
        kept.lists = Arc::default();
        kept.answers = Answers::default();
        kept.versions.clone_from(&read.versions);
    }
    let mut made = Making { shared, id, hold, own: &own, credentials: read.credentials.clone(), redactor: read.credentials.redactor() };
    let scene = Arc::new(scene);
    let ended = match made.pass(&scene, &mut kept).await {
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
    hold: &'a Hold,
    own: &'a Estate,
    credentials: Credentials,
    redactor: Redactor,
}

impl Making<'_> {
    async fn pass(&mut self, scene: &Arc<Scene>, kept: &mut Kept) -> Result<Found, Unread> {
        let Read { loaded, revision } = self.read(scene).instrument(spans::read()).await?;
        let unexpected = |failure| (reason::ESTATE_UNREADABLE, failure);
        let estate = Arc::new(loaded.estate);
        let now = rounded(Timestamp::now(), estate.spec.interval_seconds());
        let of_sources = self.lend(&estate).await;
        if of_sources.versions != kept.of_sources {
            kept.lists = Arc::default();
            kept.answers = Answers::default();
            kept.of_sources.clone_from(&of_sources.versions);
        }
        let reach = Reach::new(loaded.root, Arc::new(self.shared.settings.access.clone()))
            .with_credentials(Arc::new(self.credentials.clone()))
            .with_kept(kept.lists.clone())
            .with_answers(kept.answers.clone());
        let timed = Timed::new(&Silent);
        let (asked, mut answers) = discovery::build(&estate, &reach, now);
        answers.extend(discovery::ask_all(asked, &Limits::default(), now, &timed, self.shared.stop.clone()).await);
        answers.sort_by(|a, b| a.source.cmp(&b.source));
        drop(loaded.checkout);
        let discovered = Discovered { answers, history: self.history().await };
        let of_plan = estate.clone();
        let planned = blocking(move || {
            let (plan, correlation) = plan_and_correlation(&of_plan, &discovered, now);
            let health = health::of(&of_plan, &discovered, &correlation, &plan);
            Ok((plan, found(&of_plan, &correlation), health, discovered))
        });
        let (plan, seen, health, discovered) = planned.await.map_err(unexpected)?;
        let (metrics, name) = (&self.shared.settings.metrics, self.id.to_string());
        timed.took().iter().for_each(|(source, took)| metrics.discovered(&name, source, *took));
        metrics.planned(&name, &plan);
        metrics.health(&name, &health);
        let mut ending = self.ending(&estate, &plan);
        let (mut outcome, mut urls, mut trouble) = (None, BTreeMap::new(), Trouble::default());
        match self.open(&estate, loaded.at.as_ref(), &mut kept.keeper) {
            Ok(None) => (),
            Ok(Some(opened)) => {
                let stop = self.shared.stop.clone();
                let guard = match self.hold.fence() {
                    Some(fence) => Guard::fenced(&*opened.forge, stop, fence),
                    None => Guard::new(&*opened.forge, stop),
                };
                let warn = |text: &str| tracing::warn!(estate = %self.id, "{text}");
                match settle_on(&estate, &plan, &guard, opened.hosted, now, &warn).instrument(spans::settle()).await {
                    Ok(settled) => {
                        metrics.settled(&name, settled.standings.values());
                        let pass = Pass { base: estate.revision.as_deref(), now };
                        if let Err(error) = look_up(&guard, &settled, pass).await {
                            tracing::warn!(estate = %self.id, %error, "the pages of new requests are not known yet");
                        }
                        outcome = Some(settled);
                    }
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
        let confirmed = outcome.as_ref().map(|outcome| outcome.confirmed.as_slice()).unwrap_or_default();
        self.remember(&discovered, &plan, confirmed, now).await;
        let forge = has_forge(&estate);
        Ok(Found { estate, plan, seen, revision, outcome, urls, trouble, ending, forge })
    }

    /// Reads what the sources name besides; whatever it is lasts as long as the result.
    async fn lend(&mut self, estate: &Estate) -> secrets::Read {
        let names = secrets::named_by_sources(estate).into_iter().filter(|name| !secrets::named(&self.own.spec).contains(name));
        let read = secrets::read(&self.shared.settings.client, &self.id.namespace, names.collect()).await;
        self.credentials = std::mem::take(&mut self.credentials).and(read.credentials.clone());
        self.redactor = self.credentials.redactor();
        self.shared.settings.redactors.learn(&self.id.to_string(), self.redactor.clone());
        read
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
        keeper.open(estate, at, &self.credentials, &self.shared.settings.access).map(Some)
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

    async fn remember(&self, discovered: &Discovered, plan: &Plan, confirmed: &[Text], now: Timestamp) {
        let Some(store) = &self.shared.store else { return };
        let estate = self.id.to_string();
        if let Err(error) = settling::remember(store, &estate, discovered, plan, confirmed, now).await {
            tracing::warn!(estate = %self.id, %error, "what was seen could not be recorded");
        }
    }
}

/// What was opened just now has a page only since: the guard learns it from a further listing.
async fn look_up(guard: &Guard<'_>, settled: &Outcome, pass: Pass<'_>) -> Result<(), Error> {
    let urls = guard.urls();
    let unknown = settled.done.iter().any(|step| step.action == Action::Open && !urls.contains_key(&step.key));
    if unknown {
        guard.list(pass).await?;
    }
    Ok(())
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
