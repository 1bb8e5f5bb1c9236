//! `bowline run`: reconciles for ever, each interval and at once when a forge's webhook says that something has changed.

mod kubernetes;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bowline::api::Text;
use bowline::change::markdown;
use bowline::controller::listen::{self, Bounds};
use bowline::controller::metrics::{Metrics, Outcome};
use bowline::controller::probes::probes;
use bowline::controller::push::{self, Desk};
use bowline::controller::webhook::{Inbox, router};
use bowline::controller::{Ended, Guard, Key, Manners, Passed, Pulse, Trouble, Watched, for_ever, spans};
use bowline::credentials::Secret;
use bowline::estate::Estate;
use bowline::forge::life::{Outcome as Settled, Standing};
use bowline::plan::Plan;
use clap::Args;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tracing::Instrument;

use super::forge;
use super::operations::{self, Report};
use super::options::{Format, Options, print_text};
use super::render::{count, diagnostics};
use super::session::{self, EstateArgument, Session};
use super::{Outcome as Ends, interrupted, log, reconcile};
use bowline::controller::opening::{self, Keeper};
use bowline::controller::settling;
use bowline::failure::Failure;
use bowline::health;

/// What an estate is called that was never read.
const UNKNOWN: &str = "unknown";
/// The shortest secret that is hard to guess, in bytes.
const SHORTEST_SECRET: usize = 16;

/// Arguments of `run`.
#[derive(Args)]
#[command(after_help = reconcile::ESTATES, after_long_help = LONG_HELP)]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Listen here for what agents push and, with --webhook-secret, for webhooks, for example 127.0.0.1:8080; without it the interval alone says when
    #[arg(long, value_name = "ADDRESS:PORT", env = "BOWLINE_LISTEN", hide_env_values = true)]
    listen: Option<SocketAddr>,

    /// The name of the operator's credential (a token) that holds the secret of the webhooks; without it there are none
    #[arg(long, value_name = "NAME", requires = "listen", env = "BOWLINE_WEBHOOK_SECRET_NAME", hide_env_values = true)]
    webhook_secret: Option<String>,

    #[command(flatten)]
    cluster: kubernetes::Cluster,

    #[command(flatten)]
    operations: operations::Operations,
}

const LONG_HELP: &str = "\
Passes: the first at once, then one each `interval` of the estate (5 minutes unless it says so), which is read anew each time. A pass that fails ends \
nothing: after it the pause doubles, up to an hour, until a pass goes well again. A pass that finds nothing new writes nothing and prints nothing; else \
there is one line on standard error, or with --output json one line of JSON on standard output.

Webhooks: POST /webhooks/github and /webhooks/gitea (Forgejo too) have it pass within two seconds; however many come at once, one pass follows. They must \
be signed with the secret. GET /healthz answers 200 while it works, /readyz once a pass has gone well. It speaks plain HTTP: put your reverse proxy with TLS \
before it. Polling goes on as the net beneath.

What agents push: POST /v1/observations?source=NAME takes one JSON observation a line for a source of the kind `push`, from whoever shows the token that \
its `credentials` name. It is on the disk, in the state folder, when it is answered, and the next pass reads it. `bowline discover --push` is such an agent.

In a cluster (--kubernetes) the Estate objects say what is reconciled, and everything else on this page about estates is theirs to say: each takes in the \
documents of its own namespace, or those that its spec.git names. Credentials are Secrets of that namespace with the label bowline.dev/credential: \"true\" and \
the annotation bowline.dev/hosts. What is found stands in the objects' status; change requests are ChangeRequest objects, and pull requests too where the \
Estate names a forge.

Looking after it: --metrics serves /metrics for Prometheus, and /healthz and /readyz as well. With --log-format json each pass is one line of JSON on \
standard error. Where OTEL_EXPORTER_OTLP_ENDPOINT is set, traces are sent there (OTLP over HTTP, Protobuf).

SIGTERM and SIGINT: it finishes the step in hand and ends with exit code 0 within ten seconds.

Which estate: an address of a git repository is fetched. A folder in a git repository is read as it is committed there. Where its bowline.yaml has \
`spec.git`, the estate is fetched from there instead, if change requests go to GitHub, Gitea or Forgejo or if the folder holds nothing else.";

/// Reconciles until it is told to stop.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Ends, Failure> {
    if arguments.cluster.kubernetes {
        return kubernetes::run(options, &arguments.cluster, &arguments.operations).await;
    }
    let manners = Manners::default();
    let pulse = Arc::new(Pulse::new(manners.interval));
    let (halt, stop) = watch::channel(false);
    let inbox = match &arguments.webhook_secret {
        Some(name) => Some(Arc::new(Inbox::new(pulse.clone(), key(options, name)?))),
        None => None,
    };
    let desk = arguments.listen.map(|_| Arc::new(Desk::new()));
    let listening = match (arguments.listen, &desk) {
        (Some(address), Some(desk)) => {
            let webhooks = inbox.as_ref().map_or_else(|| probes(pulse.clone()), |inbox| router(inbox.clone()));
            let listener = bind(address, inbox.is_some()).await?;
            Some(tokio::spawn(listen::serve(listener, webhooks.merge(push::router(desk.clone())), Bounds::default())))
        }
        _ => None,
    };
    let metrics = Arc::new(Metrics::new());
    let looked_after = arguments.operations.serve(pulse.clone(), metrics.clone()).await?;
    let runner = Arc::new(Runner {
        options: options.clone(),
        estate: arguments.estate.clone(),
        secret: arguments.webhook_secret.clone(),
        pulse: pulse.clone(),
        inbox,
        desk,
        stop: stop.clone(),
        keeper: Mutex::new(Keeper::counted(metrics.clone(), None)),
        metrics,
        told: Lock::default(),
    });
    let pass = || {
        let runner = runner.clone();
        async move { runner.pass().await }
    };
    let signal = async {
        interrupted().await;
        let _ = halt.send(true);
    };
    tokio::join!(for_ever(pass, &pulse, &manners, stop), signal);
    listening.into_iter().chain(looked_after).for_each(|serving| serving.abort());
    Ok(Ends::Done)
}

async fn bind(address: SocketAddr, webhooks: bool) -> Result<TcpListener, Failure> {
    let listener = operations::bind(address).await?;
    let address = listener.local_addr()?;
    if webhooks {
        log::say(&format!("Listening for webhooks on http://{address}/webhooks/github and http://{address}/webhooks/gitea."));
    }
    log::say(&format!("Listening for what agents push on http://{address}/v1/observations."));
    Ok(listener)
}

/// The key that the operator's secret of this name is.
fn key(options: &Options, name: &str) -> Result<Key, Failure> {
    let credentials = session::credentials(options)?;
    let secret: &Secret = credentials.shared_secret(name)?;
    if secret.expose().len() < SHORTEST_SECRET {
        session::warn(&format!("the secret `{name}` of the webhooks is shorter than {SHORTEST_SECRET} bytes; `openssl rand -hex 32` makes a better one"));
    }
    Ok(Key::new(secret))
}

/// What passes have in common.
struct Runner {
    options: Options,
    estate: EstateArgument,
    secret: Option<String>,
    pulse: Arc<Pulse>,
    inbox: Option<Arc<Inbox>>,
    desk: Option<Arc<Desk>>,
    stop: watch::Receiver<bool>,
    keeper: Mutex<Keeper>,
    metrics: Arc<Metrics>,
    told: Lock<Told>,
}

/// What was told last, so that only what is new is told.
#[derive(Default)]
struct Told {
    /// The estate's name, once it was read.
    estate: Option<Text>,
    failed: bool,
    standings: BTreeMap<Text, Standing>,
    problems: String,
}

/// What a pass did.
struct Done {
    plan: Plan,
    settled: Settled,
    trouble: Trouble,
    suspended: bool,
    /// What is wrong besides, in words; empty: nothing.
    problems: String,
    /// The longest that a source was asked.
    asked: Option<Duration>,
}

/// Why a pass could not be made.
struct Wrong {
    failure: Failure,
    until: Option<jiff::Timestamp>,
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self { failure, until: None }
    }
}

impl Runner {
    async fn pass(&self) -> Passed {
        let begun = Instant::now();
        self.renew_key();
        let mut interval = None;
        let span = spans::pass(self.told().estate.as_deref());
        let result = self.attempt(&mut interval).instrument(span.clone()).await;
        let outcome = self.outcome(&result);
        span.record("outcome", outcome.name());
        self.report(outcome, &result, begun.elapsed());
        let ended = match &result {
            Ok(done) if !done.trouble.concerns_all => Ended::Well,
            Ok(done) => Ended::Badly { until: done.trouble.until },
            Err(wrong) => Ended::Badly { until: wrong.until },
        };
        if ended != Ended::Well {
            // The credential may be replaced before the next pass.
            self.keeper.lock().await.forget();
        }
        // What was not done because it was told to stop is no news.
        if !*self.stop.borrow() || result.as_ref().is_ok_and(|done| !done.settled.done.is_empty()) {
            self.tell(&result);
        }
        Passed { ended, took: begun.elapsed(), interval }
    }

    /// A secret that was replaced holds from the next pass on; where it cannot be read, the old one stays.
    fn renew_key(&self) {
        if let (Some(inbox), Some(name)) = (&self.inbox, &self.secret) {
            match key(&self.options, name) {
                Ok(key) => inbox.renew(key),
                Err(failure) => session::warn(&format!("the secret of the webhooks stays as it was: {}", one_line(&failure))),
            }
        }
    }

    async fn attempt(&self, interval: &mut Option<Duration>) -> Result<Done, Wrong> {
        let open = |estate: &Estate, folder: &Path| self.open_desk(estate, folder);
        let session = Session::of_repository_until(&self.options, &self.estate, self.stop.clone(), open).await?;
        if session.estate.origin.is_some() {
            *interval = Some(Duration::from_secs(session.estate.spec.interval_seconds().unsigned_abs()));
        }
        self.named(&session.estate.name);
        session.refuse_empty()?;
        let opened = forge::open_with(&mut *self.keeper.lock().await, &self.options, &session.estate, session.at.as_ref())?;
        let base_branch = session.at.as_ref().and_then(|at| at.branch.clone());
        self.pulse.watch(Watched { repositories: opening::repositories(&session.estate, session.at.as_ref()), base_branch });
        let plan = self.plan(&session);
        let asked = session.took.values().max().copied();
        let mut problems = problems(&session, &plan);
        if session.estate.spec.suspend {
            problems.insert(0, "the estate is suspended: nothing is proposed, updated or closed".to_owned());
            return Ok(Done { plan, settled: Settled::default(), trouble: Trouble::default(), suspended: true, problems: problems.join("; "), asked });
        }
        let guard = Guard::new(&*opened.forge, self.stop.clone());
        let settled = reconcile::settle_on(&self.options, &session, &plan, &[], &guard, opened.hosted).instrument(spans::settle()).await;
        let settled = settled.map_err(|error| Wrong { until: guard.trouble().until, failure: settling::failure(error) })?;
        Ok(Done { plan, settled, trouble: guard.trouble(), suspended: false, problems: problems.join("; "), asked })
    }

    /// Takes what is pushed to the sources that the estate declares now, before they are asked.
    fn open_desk(&self, estate: &Estate, folder: &Path) -> Result<(), Failure> {
        if let Some(desk) = &self.desk {
            desk.open(estate, &session::credentials(&self.options)?, folder).iter().for_each(|problem| session::warn(problem));
        }
        Ok(())
    }

    /// The estate is called so from now on; nothing else is measured.
    fn named(&self, estate: &Text) {
        let mut told = self.told();
        if told.estate.as_ref() != Some(estate) {
            tracing::Span::current().record("estate", &**estate);
            self.metrics.retain(|kept| *kept == **estate);
            told.estate = Some(estate.clone());
        }
    }

    fn plan(&self, session: &Session) -> Plan {
        let span = spans::plan();
        let (plan, correlation) = span.in_scope(|| session.plan_and_correlation());
        span.record("findings", plan.findings.len()).record("changes", plan.changes.len());
        session.took.iter().for_each(|(source, took)| self.metrics.discovered(&plan.estate, source, *took));
        self.metrics.planned(&plan.estate, &plan);
        self.metrics.health(&plan.estate, &health::of(&session.estate, &session.discovered, &correlation, &plan));
        plan
    }

    fn outcome(&self, result: &Result<Done, Wrong>) -> Outcome {
        match result {
            _ if *self.stop.borrow() => Outcome::Stopped,
            Err(_) => Outcome::Failure,
            Ok(done) if done.suspended => Outcome::Suspended,
            Ok(done) if done.trouble.concerns_all => Outcome::Failure,
            Ok(done) if !done.settled.failed.is_empty() => Outcome::Partial,
            Ok(_) => Outcome::Success,
        }
    }

    /// Measures a pass, and writes its line of the log.
    fn report(&self, outcome: Outcome, result: &Result<Done, Wrong>, took: Duration) {
        let estate = self.told().estate.clone().unwrap_or_else(|| UNKNOWN.into());
        self.metrics.passed(&estate, outcome, took, jiff::Timestamp::now());
        let done = result.as_ref().ok();
        if let Some(done) = done.filter(|done| !done.suspended) {
            self.metrics.settled(&estate, done.settled.standings.values());
        }
        let wrong = result.as_ref().map_or_else(|wrong| one_line(&wrong.failure), |done| plain(&done.problems));
        let (plan, settled) = (done.map(|done| &done.plan), done.map(|done| &done.settled));
        Report { estate: &estate, outcome, took, asked: done.and_then(|done| done.asked), plan, settled, wrong: &wrong }.log();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One line, if something was done, failed or changed.
    fn tell(&self, result: &Result<Done, Wrong>) {
        let now = jiff::Timestamp::now();
        let (human, machine) = match result {
            Ok(done) => {
                let mut told = self.told();
                let quiet = done.settled.done.is_empty() && done.settled.failed.is_empty() && !told.failed;
                let same = told.standings == done.settled.standings && told.problems == done.problems;
                *told = Told { estate: told.estate.take(), failed: false, standings: done.settled.standings.clone(), problems: done.problems.clone() };
                if quiet && same {
                    return;
                }
                (summary(done), whole(done))
            }
            Err(wrong) => {
                self.told().failed = true;
                let line = one_line(&wrong.failure);
                (format!("the pass failed: {line}"), json!({"apiVersion": bowline::api::API_VERSION, "kind": "Reconciliation", "at": now, "error": line}))
            }
        };
        let written = match self.options.output {
            Format::Json => print_text(&format!("{machine}\n")),
            Format::Yaml => serde_yaml::to_string(&machine).map_err(Failure::from).and_then(|text| print_text(&format!("---\n{text}"))),
            _ if log::is_json() => Ok(()),
            _ => {
                eprintln!("{} {human}", now.strftime("%Y-%m-%d %H:%M:%S UTC"));
                Ok(())
            }
        };
        if let Err(failure) = written {
            session::warn(&format!("what was done cannot be printed: {}", one_line(&failure)));
        }
    }
}

/// What is wrong with the estate or its sources, without keeping a pass from being made.
fn problems(session: &Session, plan: &Plan) -> Vec<String> {
    let mut problems = Vec::new();
    if !session.estate.diagnostics.is_empty() {
        problems.push(format!("{} in the estate (`bowline check` shows them)", diagnostics::closing(&session.estate)));
    }
    problems.extend(plan.sources.iter().filter(|source| !source.complete).map(|source| {
        let why = source.error.as_deref().map(|error| format!(" ({error})")).unwrap_or_default();
        format!("the answer of {} is not complete{why}", source.name)
    }));
    problems
}

fn whole(done: &Done) -> Value {
    let Done { plan, settled, .. } = done;
    json!({"apiVersion": bowline::api::API_VERSION, "kind": "Reconciliation", "estate": plan.estate, "revision": plan.revision, "at": plan.at,
        "summary": plan.summary, "done": settled.done, "failed": settled.failed, "standings": settled.standings, "confirmed": settled.confirmed, "problems": done.problems})
}

/// `harbour at 3f9a…: opened 2, closed 1; 4 change requests are open`.
fn summary(done: &Done) -> String {
    let Done { plan, settled, problems, .. } = done;
    let taken = ["opened", "mended", "updated", "closed", "noted"].into_iter().filter_map(|verb| {
        let keys: Vec<&str> = settled.done.iter().filter(|step| reconcile::verb(&step.action) == verb).map(|step| &*step.key).collect();
        (!keys.is_empty()).then(|| format!("{verb} {}", some_of(&keys)))
    });
    let mut parts: Vec<String> = taken.collect();
    parts.extend(settled.failed.first().map(|first| {
        let hint = first.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{} failed, {}: {}{hint}", count(settled.failed.len(), "step"), first.step.key, first.message)
    }));
    let open = settled.standings.values().filter(|standing| matches!(standing, Standing::Proposed | Standing::HandsOff | Standing::Held | Standing::Conflicts));
    let verb = |number| if number == 1 { "is" } else { "are" };
    let open = open.count();
    parts.push(format!("{} {} open", count(open, "change request"), verb(open)));
    let waiting = settled.waiting().count();
    if waiting > 0 {
        parts.push(format!("{waiting} more {} for a slot", if waiting == 1 { "waits" } else { "wait" }));
    }
    parts.extend((!problems.is_empty()).then(|| problems.clone()));
    let revision = plan.revision.as_ref().map(|revision| format!(" at {}", revision.chars().take(10).collect::<String>())).unwrap_or_default();
    plain(&format!("{}{revision}: {}", plan.estate, parts.join("; ")))
}

/// The first few keys and how many more.
fn some_of(keys: &[&str]) -> String {
    const SHOWN: usize = 3;
    let more = keys.len().checked_sub(SHOWN).filter(|more| *more > 0).map(|more| format!(" and {more} more")).unwrap_or_default();
    format!("{}{more}", keys.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "))
}

fn one_line(failure: &Failure) -> String {
    let text = failure.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    plain(lines.join("; ").strip_prefix("error: ").unwrap_or_default())
}

/// One line that no terminal acts on, of bounded length.
fn plain(text: &str) -> String {
    const LONGEST: usize = 2000;
    markdown::one_line(text).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(LONGEST).collect()
}
