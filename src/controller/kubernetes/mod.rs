//! The controller: objects of a cluster are watched, and each `Estate` among them is reconciled for ever.
//!
//! ```text
//! kinds      the kinds as resources of the API
//! watch      what the API server holds, kept up to date
//! world      pure: lean entries, and which namespaces something new happened in
//! agenda     pure: which estate is due
//! gate       which replica reconciles which estate
//! secrets    credentials, read one by one
//! pass       one pass over one estate: read, ask, plan, settle, tell
//! reading    what a pass is about: the objects, or a commit
//! telling    what a pass has found, written where people see it
//! status     pure: what each status should be
//! mirror     pure: the ChangeRequest objects
//! apply      writes, only of what differs
//! events     what a person should notice
//! ```
//!
//! An `Estate` takes in the documents of its own namespace, or those that `spec.git` names. Its forge, its limits and its
//! interval are those of the object. A pass is level-triggered: it looks at everything as it stands, whatever has happened.

pub mod agenda;
pub mod apply;
pub mod events;
pub mod gate;
pub mod kinds;
pub mod mirror;
mod pass;
mod reading;
pub mod secrets;
pub mod status;
mod telling;
pub mod watch;
pub mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::Client;
use tokio::sync::watch as channel;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use self::agenda::{Agenda, Id};
use self::gate::Gate;
use self::pass::Shared;
use self::watch::Watched;
use super::metrics::Metrics;
use super::probes::Vital;
use super::{Ended, Passed};
use crate::access::Access;
use crate::api::{Kind, Text};
use crate::chance::chance;
use crate::credentials::Redactors;
use crate::failure::Failure;

/// How many estates are reconciled at once.
pub const AT_ONCE: usize = 4;
/// How long passes may go on once the controller is to stop.
const PARTING: Duration = Duration::from_secs(5);
/// How often the loop turns at least.
const BEAT: Duration = Duration::from_secs(10);
/// After which time without a turn the loop is stuck.
const STUCK: Duration = Duration::from_mins(1);

/// What the operator decides.
#[derive(Clone)]
pub struct Settings {
    /// The API server.
    pub client: Client,
    /// The namespaces that are watched; none: all.
    pub namespaces: Vec<Text>,
    /// What estates may reach.
    pub access: Access,
    /// The folder for what must outlive a run, and for copies of repositories.
    pub state: PathBuf,
    /// Below it, a folder for each namespace: the files that sources of its estate may read. None: no files.
    pub files: Option<PathBuf>,
    /// By which name this replica signs events.
    pub instance: Option<String>,
    /// Who may reconcile what.
    pub gate: Arc<dyn Gate>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Whether the controller works.
    pub heart: Arc<Heart>,
    /// What the log does not tell.
    pub redactors: Arc<Redactors>,
}

/// Whether the controller works, for probes.
#[derive(Debug)]
pub struct Heart {
    watched: Arc<Watched>,
    beat: Mutex<Instant>,
}

impl Heart {
    /// Of a controller that is about to begin.
    pub fn new(watched: Arc<Watched>) -> Self {
        Self { watched, beat: Mutex::new(Instant::now()) }
    }

    fn beats(&self) {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Vital for Heart {
    fn alive(&self) -> bool {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < STUCK
    }

    fn ready(&self) -> bool {
        self.watched.is_whole()
    }
}

/// Watches, and reconciles until `stop` turns true. A pass in hand has a moment to come to an end then.
pub async fn run(settings: Settings, watched: Arc<Watched>, stop: channel::Receiver<bool>) -> Result<(), Failure> {
    std::fs::create_dir_all(&settings.state)?;
    let (client, namespaces) = (settings.client.clone(), settings.namespaces.clone());
    let shared = Arc::new(Shared::open(settings, watched.clone(), stop.clone()).await?);
    tokio::select! {
        () = watch::watch(&client, &namespaces, &watched) => {}
        () = reconcile(&shared, &watched, stop) => {}
    }
    Ok(())
}

/// Begins passes as they are due.
async fn reconcile(shared: &Arc<Shared>, watched: &Arc<Watched>, mut stop: channel::Receiver<bool>) {
    let mut agenda = Agenda::new(AT_ONCE);
    let mut running: JoinSet<(Id, Option<Passed>)> = JoinSet::new();
    let may = |id: &Id| shared.settings.gate.hold(id).is_some();
    while !*stop.borrow_and_update() {
        shared.settings.heart.beats();
        if watched.is_whole() {
            look(&mut agenda, shared, watched);
            while let Some(id) = agenda.begin(Instant::now(), may) {
                let shared = shared.clone();
                running.spawn(async move {
                    // A pass that panics is a failed one, and ends nothing else.
                    let passed = tokio::spawn(pass::pass(shared, id.clone())).await.ok();
                    (id, passed)
                });
            }
        }
        let due = agenda.next(may).filter(|_| watched.is_whole());
        tokio::select! {
            Some(Ok((id, passed))) = running.join_next(), if !running.is_empty() => {
                let passed = passed.unwrap_or(Passed { ended: Ended::Badly { until: None }, took: Duration::ZERO, interval: None });
                agenda.ended(&id, &passed, Instant::now(), Timestamp::now(), chance());
            }
            () = watched.news.notified() => {}
            () = until(due), if due.is_some() && running.len() < AT_ONCE => {}
            () = sleep(BEAT) => {}
            _ = stop.changed() => {}
        }
    }
    let ending = async { while running.join_next().await.is_some() {} };
    let _ = timeout(PARTING, ending).await;
    shared.settings.gate.give_back().await;
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due.into()).await;
    }
}

/// Takes in what is new: which estates there are, and where something has happened.
fn look(agenda: &mut Agenda, shared: &Shared, watched: &Watched) {
    let (touched, ids) = {
        let mut world = watched.world();
        let touched = world.take_touched();
        if touched.is_empty() && !agenda.is_unknown() {
            return;
        }
        let estates = world.estates().map(|entry| Id { namespace: entry.namespace.clone(), name: entry.name.clone() });
        let mut ids: BTreeSet<Id> = estates.collect();
        let nobodys = world.namespaces().into_iter().filter(|namespace| world.taker(namespace).is_none());
        ids.extend(nobodys.map(Id::nobodys));
        (touched, ids)
    };
    let now = Instant::now();
    shared.settings.gate.wanted(&ids);
    shared.keep_only(&ids);
    shared.settings.metrics.retain(|estate| ids.iter().any(|id| id.is_estate() && id.to_string() == *estate));
    agenda.sync(&ids, now);
    for namespace in touched {
        agenda.touch(&namespace, now);
    }
}

/// The kinds that an estate takes in.
const TAKEN_IN: [Kind; 6] = [Kind::ConfigurationItem, Kind::CIClass, Kind::ServiceMap, Kind::CertificatePolicy, Kind::PatchWindow, Kind::DiscoverySource];
