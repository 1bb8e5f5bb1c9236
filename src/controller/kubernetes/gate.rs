//! Several replicas share the estates of a cluster: each claims every estate by its Lease, and reconciles those it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::agenda::Id;
use super::watch::Watched;
use crate::api::{API_VERSION, Kind};
use crate::controller::guard::Fence;
use crate::controller::lease::{Claim, Held, Leases};

/// How long giving back everything may take.
const PARTING: Duration = Duration::from_secs(4);

/// What lets a replica reconcile an estate.
#[derive(Clone, Debug)]
pub enum Hold {
    /// It shares with nobody.
    Alone,
    /// It holds the estate's Lease.
    Lease(Held),
}

impl Hold {
    /// What stands between it and what it writes to a forge.
    pub fn fence(&self) -> Option<&dyn Fence> {
        match self {
            Self::Alone => None,
            Self::Lease(held) => Some(held),
        }
    }
}

/// Who may reconcile what, where several replicas share the estates. Asked before each pass begins.
#[async_trait]
pub trait Gate: Send + Sync {
    /// The estates that there are now.
    fn wanted(&self, estates: &BTreeSet<Id>);

    /// What lets this replica reconcile it now; none: another does.
    fn hold(&self, id: &Id) -> Option<Hold>;

    /// Gives back everything, so that others need not wait.
    async fn give_back(&self);
}

/// A replica that shares with nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

#[async_trait]
impl Gate for Alone {
    fn wanted(&self, _: &BTreeSet<Id>) {}

    fn hold(&self, _: &Id) -> Option<Hold> {
        Some(Hold::Alone)
    }

    async fn give_back(&self) {}
}

/// A replica that shares by Leases.
pub struct Shared {
    leases: Leases,
    watched: Arc<Watched>,
    claims: Mutex<BTreeMap<Id, Claimed>>,
}

/// A claim, and what tells the loop that it was granted.
struct Claimed {
    claim: Arc<Claim>,
    waker: JoinHandle<()>,
}

impl Claimed {
    async fn give_back(self) {
        self.waker.abort();
        // The waker lets go of its share only once it has ended.
        let _ = self.waker.await;
        if let Some(claim) = Arc::into_inner(self.claim) {
            claim.release().await;
        }
    }
}

impl Shared {
    /// Shares the estates that are watched.
    pub fn new(leases: Leases, watched: Arc<Watched>) -> Self {
        Self { leases, watched, claims: Mutex::default() }
    }

    fn claims(&self) -> MutexGuard<'_, BTreeMap<Id, Claimed>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, id: &Id) -> Claimed {
        let claim = Arc::new(self.leases.claim(&id.namespace, &id.name, self.owner(id)));
        let (granted, watched) = (claim.clone(), self.watched.clone());
        let waker = tokio::spawn(async move {
            loop {
                let held = granted.held().await;
                watched.news.notify_one();
                held.lost().await;
            }
        });
        Claimed { claim, waker }
    }

    /// The Lease of an estate goes with it.
    fn owner(&self, id: &Id) -> Option<OwnerReference> {
        let entry = self.watched.world().get(Kind::Estate, &id.namespace, &id.name)?;
        let reference = OwnerReference {
            api_version: API_VERSION.into(),
            kind: Kind::Estate.name().into(),
            name: id.name.to_string(),
            uid: entry.uid.to_string(),
            ..OwnerReference::default()
        };
        Some(reference)
    }
}

#[async_trait]
impl Gate for Shared {
    fn wanted(&self, estates: &BTreeSet<Id>) {
        let mut claims = self.claims();
        let gone: Vec<Id> = claims.keys().filter(|id| !estates.contains(id)).cloned().collect();
        for claimed in gone.into_iter().filter_map(|id| claims.remove(&id)) {
            tokio::spawn(claimed.give_back());
        }
        for id in estates.iter().filter(|id| id.is_estate()) {
            if !claims.contains_key(id) {
                claims.insert(id.clone(), self.claim(id));
            }
        }
    }

    fn hold(&self, id: &Id) -> Option<Hold> {
        // What stands in a namespace without an estate is told so by every replica, in the same words.
        if !id.is_estate() {
            return Some(Hold::Alone);
        }
        self.claims().get(id)?.claim.holds().map(Hold::Lease)
    }

    async fn give_back(&self) {
        let claims = std::mem::take(&mut *self.claims());
        let _ = timeout(PARTING, join_all(claims.into_values().map(Claimed::give_back))).await;
    }
}
