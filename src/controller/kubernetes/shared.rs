//! What all passes have in common, and what is kept of each estate from one pass to the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, watch};

use super::Settings;
use super::agenda::Id;
use super::events::Teller;
use super::watch::Watched;
use crate::api::Text;
use crate::controller::opening::Keeper;
use crate::discovery::http::Answers;
use crate::discovery::kubernetes::kept::Kept as Lists;
use crate::failure::Failure;
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
    pub(super) store: Option<Store>,
    kept: Mutex<HashMap<Id, Arc<AsyncMutex<Kept>>>>,
}

/// What is kept of an estate from one pass to the next. Losing it costs nothing but requests.
pub(super) struct Kept {
    pub(super) keeper: Keeper,
    /// The versions of the Secrets that it named itself.
    pub(super) versions: BTreeMap<Text, String>,
    /// The versions of those that its sources named besides.
    pub(super) of_sources: BTreeMap<Text, String>,
    /// Lists of clusters that its sources ask for.
    pub(super) lists: Arc<Lists>,
    /// Answers of APIs.
    pub(super) answers: Answers,
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

    pub(super) fn kept(&self, id: &Id) -> Arc<AsyncMutex<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_insert_with(|| Arc::new(AsyncMutex::new(self.new_kept(id)))).clone()
    }

    fn new_kept(&self, id: &Id) -> Kept {
        let keeper = Keeper::counted(self.settings.metrics.clone(), Some(id.to_string()));
        Kept { keeper, versions: BTreeMap::new(), of_sources: BTreeMap::new(), lists: Arc::default(), answers: Answers::default() }
    }

    /// Forgets what is kept of estates that are gone.
    pub fn keep_only(&self, ids: &BTreeSet<Id>) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).retain(|id, _| ids.contains(id));
        let names: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
        // The operator's own have no name.
        self.settings.redactors.retain(|whose| whose.is_empty() || names.contains(whose));
    }
}
