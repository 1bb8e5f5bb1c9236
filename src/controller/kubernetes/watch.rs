//! The watches: one for each kind, and namespace where only some are watched. Each goes on for ever, whatever becomes of the
//! API server.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use kube::core::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use kube::runtime::watcher::{self, Config, Error, Event};
use kube::{Client, ResourceExt};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::kinds::objects;
use super::world::{Entry, World};
use crate::api::{Kind, Text};

/// How many objects one page of a list has at most.
const PAGE: u32 = 500;
/// The first pause after a watch has failed; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long it must go well to begin with the first pause again.
const GOES_WELL: Duration = Duration::from_mins(1);

/// The pauses, each a little more or less than its length by chance.
struct Pauses(Duration);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        Some(pause.mul_f64(0.75 + 0.5 * crate::chance::chance()))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = FIRST_PAUSE;
    }
}

/// What is watched, as far as it is known by now.
#[derive(Debug, Default)]
pub struct Watched {
    world: Mutex<World>,
    /// For each watch, whether it has listed everything once, and what it last complained of.
    watches: Mutex<BTreeMap<(Kind, Option<Text>), Watching>>,
    /// Is told whenever something may be new.
    pub news: Notify,
}

#[derive(Debug, Default)]
struct Watching {
    listed: bool,
    trouble: Option<String>,
}

impl Watched {
    /// The world. The lock is for a moment only: nobody waits with it in hand.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every kind has been listed, so that nothing is taken for absent only because it was not heard of yet.
    pub fn is_whole(&self) -> bool {
        let watches = self.watches();
        !watches.is_empty() && watches.values().all(|watching| watching.listed)
    }

    /// What the watches complain of now, one sentence for each that does.
    pub fn troubles(&self) -> Vec<String> {
        let told = |((kind, _), watching): (&(Kind, Option<Text>), &Watching)| Some(format!("{kind}: {}", watching.trouble.as_ref()?));
        self.watches().iter().filter_map(told).collect()
    }

    fn watches(&self) -> MutexGuard<'_, BTreeMap<(Kind, Option<Text>), Watching>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, watch: &(Kind, Option<Text>), change: impl FnOnce(&mut Watching)) {
        if let Some(watching) = self.watches().get_mut(watch) {
            change(watching);
        }
    }
}

/// Watches every kind in these namespaces, or in all where there are none. Ends when dropped.
pub async fn watch(client: &Client, namespaces: &[Text], watched: &Arc<Watched>) {
    let scopes: Vec<Option<Text>> = if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
    let all: Vec<_> = Kind::ALL.into_iter().flat_map(|kind| scopes.iter().map(move |scope| (kind, scope.clone()))).collect();
    for watch in &all {
        watched.watches().entry(watch.clone()).or_default();
    }
    let mut following = JoinSet::new();
    for watch in all {
        following.spawn(follow(client.clone(), watch, watched.clone()));
    }
    while following.join_next().await.is_some() {}
}

async fn follow(client: Client, watch: (Kind, Option<Text>), watched: Arc<Watched>) {
    let (kind, scope) = &watch;
    let objects = objects(&client, *kind, scope.as_deref());
    let backoff = ResetTimerBackoff::new(Pauses(FIRST_PAUSE), GOES_WELL);
    let mut events = pin!(watcher::watcher(objects, Config::default().page_size(PAGE)).backoff(backoff));
    let mut listing: Vec<Entry> = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                let whole = heard(&watch, event, &mut listing, &watched);
                watched.note(&watch, |watching| {
                    watching.listed |= whole;
                    if let Some(trouble) = watching.trouble.take_if(|_| whole) {
                        tracing::info!(%kind, was = trouble, "the watch goes on");
                    }
                });
            }
            Err(error) => {
                let trouble = explain(&error);
                watched.note(&watch, |watching| {
                    if trouble.is_some() && watching.trouble != trouble {
                        tracing::warn!(%kind, trouble = trouble.as_deref().unwrap_or_default(), "the watch was interrupted and is tried again");
                    }
                    watching.trouble = trouble;
                });
            }
        }
        watched.news.notify_one();
    }
}

/// Takes an event in; whether the watch is now known to be whole.
fn heard((kind, scope): &(Kind, Option<Text>), event: Event<DynamicObject>, listing: &mut Vec<Entry>, watched: &Watched) -> bool {
    match event {
        Event::Init => {
            listing.clear();
            return false;
        }
        Event::InitApply(object) => {
            // What is the same as before is kept once, not twice.
            let same = match (object.namespace(), object.metadata.name.as_deref()) {
                (Some(namespace), Some(name)) => watched.world().get(*kind, &namespace, name),
                _ => None,
            };
            let same = same.filter(|entry| Some(&*entry.version) == object.metadata.resource_version.as_deref());
            listing.extend(same.map(|entry| (*entry).clone()).or_else(|| Entry::of(*kind, object)));
            return false;
        }
        Event::InitDone => watched.world().relisted(*kind, scope.as_deref(), std::mem::take(listing)),
        Event::Apply(object) => {
            if let Some(entry) = Entry::of(*kind, object) {
                watched.world().applied(*kind, entry);
            }
        }
        Event::Delete(object) => {
            if let (Some(namespace), Some(name)) = (object.namespace(), object.metadata.name) {
                watched.world().deleted(*kind, &namespace, &name);
            }
        }
    }
    true
}

/// What an error means; none where it is the way of things, as when a version has become too old.
fn explain(error: &Error) -> Option<String> {
    let status = match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => status,
        other => return Some(format!("{other}")),
    };
    match status.code {
        410 => None,
        404 => Some("the API server does not know this kind; `bowline crds | kubectl apply --server-side -f -` installs it".to_owned()),
        403 => Some(format!("not allowed to list and watch it; grant it to Bowline's service account: {}", status.message)),
        _ => Some(format!("{error}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(name: &str) -> DynamicObject {
        let metadata = json!({"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1", "generation": 1});
        serde_json::from_value(json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "ConfigurationItem", "metadata": metadata, "spec": {}})).unwrap()
    }

    /// What has not been heard of yet must not be taken for absent.
    #[test]
    fn a_list_is_whole_only_at_its_end() {
        let (watched, mut listing) = (Watched::default(), Vec::new());
        let watch = (Kind::ConfigurationItem, None);
        let mut hear = |event| heard(&watch, event, &mut listing, &watched);
        assert!(!hear(Event::Init));
        assert!(!hear(Event::InitApply(item("web-01"))));
        assert!(!hear(Event::InitApply(item("web-02"))));
        assert!(watched.world().of(Kind::ConfigurationItem, "shop").is_empty());
        assert!(hear(Event::InitDone));
        assert_eq!(watched.world().of(Kind::ConfigurationItem, "shop").len(), 2);
    }
}
