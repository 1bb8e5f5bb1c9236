//! Events (`events.k8s.io/v1`) for what a person should notice: only when something changes, and never with a value in them.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::status::cut;
use super::world::Entry;
use crate::api::{API_VERSION, Kind, Text};

/// How many objects of an estate are told of one by one in a pass; beyond that one event tells how many more there are.
pub const MOST: usize = 20;
/// How long the API server may take for one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reasons of events. They are stable: people write alerts on them.
pub mod reason {
    /// A pass failed.
    pub const PASS_FAILED: &str = "PassFailed";
    /// A pass went well again.
    pub const RECOVERED: &str = "Recovered";
    /// A source did not answer in full.
    pub const SOURCE_INCOMPLETE: &str = "SourceIncomplete";
    /// An item is no longer as declared.
    pub const DRIFT_FOUND: &str = "DriftFound";
    /// An item is as declared again.
    pub const DRIFT_GONE: &str = "DriftGone";
    /// A document is not valid.
    pub const INVALID: &str = "Invalid";
    /// A change request was opened.
    pub const CHANGE_OPENED: &str = "ChangeOpened";
    /// A change request was rewritten.
    pub const CHANGE_UPDATED: &str = "ChangeUpdated";
    /// A change request was closed.
    pub const CHANGE_CLOSED: &str = "ChangeClosed";
    /// An approved change's window has passed and its drift is still there.
    pub const CHANGE_OVERDUE: &str = "ChangeOverdue";
    /// A change request could not be opened, updated or closed.
    pub const CHANGE_FAILED: &str = "ChangeFailed";
}

/// Something to notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The `ChangeRequest` that it is about, where it is about one. What is told of another is another event.
    pub change: Option<Text>,
    /// Whether it asks for attention.
    pub warning: bool,
    /// One of [`reason`].
    pub reason: &'static str,
    /// In words.
    pub note: String,
}

/// Tells the API server of notices.
#[derive(Clone)]
pub struct Teller {
    recorder: Recorder,
}

impl Teller {
    /// One that signs as this replica.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        Self { recorder: Recorder::new(client, Reporter { controller: "bowline.dev/controller".into(), instance }) }
    }

    /// Tells of a notice about an object. That it cannot be told keeps nothing from being done.
    pub async fn tell(&self, kind: Kind, entry: &Entry, notice: &Notice) {
        let event = Event {
            type_: if notice.warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.into(),
            note: Some(cut(&notice.note)),
            action: "Reconcile".into(),
            secondary: notice.change.as_ref().map(|name| ObjectReference { name: Some(name.to_string()), ..reference(Kind::ChangeRequest, entry) }),
        };
        let about = ObjectReference { name: Some(entry.name.to_string()), uid: Some(entry.uid.to_string()), ..reference(kind, entry) };
        let told = tokio::time::timeout(PATIENCE, self.recorder.publish(&event, &about)).await;
        if let Ok(Err(error)) = told {
            tracing::debug!(reason = notice.reason, %error, "an event could not be told");
        }
    }
}

/// Refers to an object of this kind in the namespace of `beside`.
fn reference(kind: Kind, beside: &Entry) -> ObjectReference {
    let namespace = Some(beside.namespace.to_string());
    ObjectReference { api_version: Some(API_VERSION.into()), kind: Some(kind.name().into()), namespace, ..ObjectReference::default() }
}
