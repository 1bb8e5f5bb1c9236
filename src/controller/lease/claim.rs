//! A replica's claim to an estate: carries what [`Machine`] wants to the API server, for ever, and tells who holds.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, sleep_until, timeout};

use super::decide::{Mine, Terms};
use super::machine::{Heard, Machine, Step};
use super::name::lease_name;
use crate::controller::guard::{Fence, NotHeld};
use crate::controller::metrics::Metrics;

/// How long the API server may take for one request.
const PATIENCE: Duration = Duration::from_secs(3);
/// How much longer than others a replica waits before it takes another estate, for each that it holds already.
const MODESTY: Duration = Duration::from_millis(100);
/// The most of that.
const MOST_MODEST: Duration = Duration::from_millis(1500);
/// How many times giving back is tried.
const TRIES: usize = 4;
/// The pause before a renewal that failed is tried again while a write waits for it.
const PAUSE: Duration = Duration::from_millis(300);
/// Who the API server is told to have written a Lease.
const FIELD_MANAGER: &str = "bowline";

/// The Leases of one replica.
#[derive(Clone)]
pub struct Leases {
    client: Client,
    me: Arc<str>,
    terms: Terms,
    metrics: Option<Arc<Metrics>>,
    /// How many estates this replica holds.
    held: Arc<AtomicUsize>,
}

impl fmt::Debug for Leases {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Leases").field("me", &self.me).finish_non_exhaustive()
    }
}

impl Leases {
    /// Those of the replica with this name, which no other process bears or has borne: see [`super::identity`].
    pub fn new(client: Client, identity: &str) -> Self {
        Self { client, me: identity.into(), terms: Terms::default(), metrics: None, held: Arc::default() }
    }

    /// The same, which tells the metrics what is held; an estate is `namespace/name` there.
    #[must_use]
    pub fn with_metrics(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The name by which this replica signs.
    pub fn identity(&self) -> &str {
        &self.me
    }

    /// How many estates this replica holds.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Begins to claim an estate, for as long as what is given lives. The Lease goes with `owner`, if one is named. Must be
    /// called in a runtime of tokio.
    pub fn claim(&self, namespace: &str, estate: &str, owner: Option<OwnerReference>) -> Claim {
        let name = lease_name(estate);
        let shared = Arc::new(Shared {
            api: Api::namespaced(self.client.clone(), namespace),
            label: format!("{namespace}/{name}"),
            name,
            estate: format!("{namespace}/{estate}"),
            owner,
            leases: self.clone(),
            machine: Mutex::new(Machine::new(&self.me, self.terms)),
            belief: watch::Sender::new(None),
            trouble: Lock::default(),
            metadata: Lock::default(),
        });
        let task = tokio::spawn(shared.clone().for_ever());
        Claim { shared, task }
    }
}

/// What is believed, and until when if nothing more is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Belief {
    mine: Mine,
    until: Instant,
}

/// A claim to one estate. Dropped, it no longer renews, and another takes over as if this process had died.
#[derive(Debug)]
pub struct Claim {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    api: Api<Lease>,
    name: String,
    /// `namespace/name` of the Lease, for people.
    label: String,
    /// `namespace/name` of the estate.
    estate: String,
    owner: Option<OwnerReference>,
    leases: Leases,
    machine: Mutex<Machine>,
    belief: watch::Sender<Option<Belief>>,
    /// What went wrong last.
    trouble: Lock<Option<String>>,
    /// What stood beside the Lease's content when it was read last.
    metadata: Lock<ObjectMeta>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lease").field("name", &self.label).finish_non_exhaustive()
    }
}

impl Claim {
    /// Waits until the estate is held.
    pub async fn held(&self) -> Held {
        let mut belief = self.shared.belief.subscribe();
        loop {
            if let Some(held) = self.holds() {
                return held;
            }
            if belief.changed().await.is_err() {
                std::future::pending::<()>().await; // the sender lives in `self`
            }
        }
    }

    /// The hold, if the estate is held now.
    pub fn holds(&self) -> Option<Held> {
        let belief = *self.shared.belief.borrow();
        let mine = belief.filter(|belief| Instant::now() < belief.until)?.mine;
        Some(Held { shared: self.shared.clone(), token: mine.token })
    }

    /// Who holds the estate, as it was seen last.
    pub async fn holder(&self) -> Option<String> {
        self.shared.machine.lock().await.holder().map(str::to_owned)
    }

    /// Why the Lease cannot be read or written, if it cannot: for example that this is forbidden.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble().clone()
    }

    /// Gives the estate back, so that another can take it at once. Whoever still has a [`Held`] holds nothing from now on. Takes
    /// a few seconds at most; if it fails, the others take over as if this process had died.
    pub async fn release(self) {
        self.task.abort();
        // What is not believed any more is not written any more either; only then may another begin.
        let belief = self.shared.believe(None);
        if belief.is_some() {
            let _ = timeout(PATIENCE, self.shared.give_back()).await;
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.believe(None);
    }
}

impl Shared {
    async fn for_ever(self: Arc<Self>) {
        loop {
            let mut machine = self.machine.lock().await;
            let step = machine.next(Instant::now(), Timestamp::now());
            self.publish(&machine);
            if let Step::Sleep(until) = step {
                drop(machine);
                sleep_until(until.into()).await;
                continue;
            }
            if step != Step::Read && machine.believes(Instant::now()).is_none() {
                drop(machine);
                // Whoever holds less goes first; if somebody did, this is a conflict.
                let many = u32::try_from(self.leases.held()).unwrap_or(u32::MAX);
                sleep(MODESTY.saturating_mul(many).min(MOST_MODEST)).await;
                machine = self.machine.lock().await;
            }
            self.carry(&mut machine, step).await;
        }
    }

    /// Carries one step out and tells what it has changed; whether there was an answer.
    async fn carry(&self, machine: &mut Machine, step: Step) -> bool {
        let sent = Instant::now();
        let heard = timeout(PATIENCE, self.ask(step)).await.unwrap_or_else(|_| Err(format!("the API server did not answer within {} s", PATIENCE.as_secs())));
        let heard = match heard {
            Ok(heard) => {
                *self.trouble() = None;
                heard
            }
            Err(trouble) => {
                self.tell(trouble);
                Heard::Failed
            }
        };
        let answered = heard != Heard::Failed;
        machine.heard(heard, sent, Instant::now());
        self.publish(machine);
        answered
    }

    async fn ask(&self, step: Step) -> Result<Heard, String> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let answer = match step {
            Step::Read => {
                let read = self.api.get_opt(&self.name).await.map_err(|error| error.to_string())?;
                return Ok(Heard::Read(read.and_then(|lease| self.read(lease))));
            }
            // Where the namespace itself is gone, that is no conflict.
            Step::Create(spec) => match self.api.create(&params, &self.lease(None, spec)).await {
                Err(kube::Error::Api(status)) if status.code == 404 => return Err(status.message.clone()),
                answer => answer,
            },
            Step::Replace(version, spec) => self.api.replace(&self.name, &params, &self.lease(Some(version), spec)).await,
            Step::Sleep(_) => return Ok(Heard::Failed), // nobody asks that
        };
        match answer {
            Ok(lease) => self.read(lease).map(|(version, spec)| Heard::Written(version, spec)).ok_or_else(|| "the API server's answer is no Lease".to_owned()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(Heard::Conflict),
            Err(error) => Err(error.to_string()),
        }
    }

    fn lease(&self, version: Option<String>, spec: LeaseSpec) -> Lease {
        if version.is_some() {
            // What others wrote beside it stays.
            let metadata = ObjectMeta { resource_version: version, managed_fields: None, ..self.metadata().clone() };
            return Lease { metadata, spec: Some(spec) };
        }
        let labels = [("app.kubernetes.io/managed-by".to_owned(), "bowline".to_owned())];
        let owner_references = self.owner.clone().map(|owner| vec![owner]);
        let metadata = ObjectMeta { name: Some(self.name.clone()), labels: Some(labels.into()), owner_references, ..ObjectMeta::default() };
        Lease { metadata, spec: Some(spec) }
    }

    fn read(&self, lease: Lease) -> Option<(String, LeaseSpec)> {
        let version = lease.metadata.resource_version.clone()?;
        *self.metadata() = lease.metadata;
        Some((version, lease.spec.unwrap_or_default()))
    }

    fn metadata(&self) -> MutexGuard<'_, ObjectMeta> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, machine: &Machine) {
        let belief = machine.believes(Instant::now()).map(|mine| Belief { mine, until: mine.renewed + self.leases.terms.give_up });
        self.believe(belief);
    }

    /// Publishes what is believed; what was believed before.
    fn believe(&self, belief: Option<Belief>) -> Option<Belief> {
        let before = self.belief.send_replace(belief);
        match (before.is_some(), belief.is_some()) {
            (false, true) => drop(self.leases.held.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.leases.held.fetch_sub(1, Ordering::Relaxed)),
            _ => return before,
        }
        if let Some(metrics) = &self.leases.metrics {
            metrics.lease(&self.estate, belief.is_some());
        }
        let said = if belief.is_some() { "holds the estate" } else { "no longer holds the estate" };
        tracing::info!(estate = self.estate, lease = self.label, identity = &*self.leases.me, token = belief.map(|belief| belief.mine.token), "{said}");
        before
    }

    async fn give_back(&self) {
        let mut machine = self.machine.lock().await;
        for _ in 0..TRIES {
            let Some(step) = machine.give_back(Instant::now(), Timestamp::now()) else { return };
            let sent = Instant::now();
            let heard = self.ask(step).await.unwrap_or(Heard::Failed);
            machine.heard(heard, sent, Instant::now());
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A warning, once for as long as it stays the same.
    fn tell(&self, trouble: String) {
        let mut last = self.trouble();
        if last.as_ref() != Some(&trouble) {
            tracing::warn!(estate = self.estate, "the Lease {} cannot be read or written: {trouble}", self.label);
            *last = Some(trouble);
        }
    }

    /// Renews now; whether it is held with this token after that.
    async fn confirm(&self, token: i32) -> Result<(), NotHeld> {
        let mut machine = self.machine.lock().await;
        loop {
            let now = Instant::now();
            if self.belief.borrow().is_none_or(|belief| belief.mine.token != token || now >= belief.until) {
                return Err(self.not_held(&machine));
            }
            let before = machine.believes(now);
            let step = machine.renew(now, Timestamp::now());
            let answered = self.carry(&mut machine, step).await;
            match machine.believes(Instant::now()).filter(|mine| mine.token == token) {
                Some(mine) if Some(mine) != before => return Ok(()),
                Some(_) if answered => {} // its version was read anew
                Some(_) => sleep(PAUSE).await,
                None => return Err(self.not_held(&machine)),
            }
        }
    }

    fn not_held(&self, machine: &Machine) -> NotHeld {
        let holder = machine.holder().filter(|holder| *holder != &*self.leases.me).map(str::to_owned);
        NotHeld { lease: self.label.clone(), holder }
    }
}

/// An estate that was held when this was given out; from the moment it is lost, for ever lost.
#[derive(Clone, Debug)]
pub struct Held {
    shared: Arc<Shared>,
    token: i32,
}

impl Held {
    /// The fencing token: the Lease's transitions. Each holder's is higher than that of the one before.
    pub fn token(&self) -> i32 {
        self.token
    }

    /// Whether it is still held at an instant, as far as this process knows. After a machine has slept only [`Fence::check`]
    /// tells.
    pub fn holds(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| now < until)
    }

    fn until(&self) -> Option<Instant> {
        let belief = *self.shared.belief.borrow();
        belief.filter(|belief| belief.mine.token == self.token).map(|belief| belief.until)
    }
}

#[async_trait]
impl Fence for Held {
    /// Renews the Lease, so that a write that begins now has [`Terms::give_up`] to come to its end.
    async fn check(&self) -> Result<(), NotHeld> {
        self.shared.confirm(self.token).await
    }

    async fn lost(&self) {
        let mut belief = self.shared.belief.subscribe();
        loop {
            let Some(until) = self.until().filter(|until| Instant::now() < *until) else { return };
            tokio::select! {
                () = sleep_until(until.into()) => {}
                changed = belief.changed() => if changed.is_err() { return },
            }
        }
    }
}
