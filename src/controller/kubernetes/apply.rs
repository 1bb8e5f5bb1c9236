//! Writing to the API server: server-side apply by one field manager, only what differs, a few at a time.
//!
//! A write that cannot be made now is tried again for a while, since the API server or its store may be down for a moment.
//! An object that is gone meanwhile needs no status, so it is no error.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::Client;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::kinds::{MANAGER, objects, resource};
use super::watch::Watched;
use super::world::Entry;
use crate::api::{API_VERSION, Kind};

/// How many writes go on at once.
const AT_ONCE: usize = 8;
/// How long the API server may take for one.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long writes are tried again, all writes of a pass together.
const TRIED_FOR: Duration = Duration::from_secs(45);
/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A status to be written.
#[derive(Clone, Debug)]
pub struct Write {
    /// The kind.
    pub kind: Kind,
    /// The object as it was when the status was made.
    pub entry: Arc<Entry>,
    /// The status.
    pub status: Value,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was made.
    Done,
    /// The object is gone, or another of the same name has taken its place.
    Gone,
    /// The API server refuses it.
    Refused(String),
    /// The API server could not be had.
    Unreachable(String),
    /// It was not made, because Bowline is to stop or another replica has taken over.
    Stopped,
}

/// Writes to one API server.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    watched: Arc<Watched>,
    stop: watch::Receiver<bool>,
    until: Instant,
}

impl Writer {
    /// For the writes of one pass.
    pub fn new(client: Client, watched: Arc<Watched>, stop: watch::Receiver<bool>) -> Self {
        Self { client, watched, stop, until: Instant::now() + TRIED_FOR }
    }

    /// Writes all these statuses; the answers stand in no order.
    pub async fn all(&self, writes: Vec<Write>) -> Vec<(Write, Written)> {
        let made = futures_util::stream::iter(writes).map(|write| async {
            let written = self.status(write.kind, &write.entry, &write.status).await;
            (write, written)
        });
        made.buffer_unordered(AT_ONCE).collect().await
    }

    /// Writes one status.
    pub async fn status(&self, kind: Kind, entry: &Entry, status: &Value) -> Written {
        let body = body(kind, entry, json!({"status": status}));
        self.apply(kind, &entry.namespace, &entry.name, body, true).await
    }

    /// Applies an object, of which everything but `apiVersion`, `kind` and its names stands in `fields`.
    pub async fn object(&self, kind: Kind, namespace: &str, name: &str, fields: Value) -> Written {
        let mut body = json!({"apiVersion": API_VERSION, "kind": kind, "metadata": {"namespace": namespace, "name": name}});
        merge(&mut body, fields);
        self.apply(kind, namespace, name, body, false).await
    }

    async fn apply(&self, kind: Kind, namespace: &str, name: &str, body: Value, status: bool) -> Written {
        let objects = objects(&self.client, kind, Some(namespace));
        let parameters = PatchParams::apply(MANAGER).force();
        self.write(kind, namespace, name, || async {
            let patch = Patch::Apply(&body);
            let answer = if status { objects.patch_status(name, &parameters, &patch).await } else { objects.patch(name, &parameters, &patch).await };
            answer.map(Some)
        })
        .await
    }

    /// Deletes an object, if it is still this one.
    pub async fn delete(&self, kind: Kind, entry: &Entry) -> Written {
        let objects = objects(&self.client, kind, Some(&entry.namespace));
        let which = kube::api::Preconditions { uid: Some(entry.uid.to_string()), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(which), ..DeleteParams::default() };
        self.write(kind, &entry.namespace, &entry.name, || async { objects.delete(&entry.name, &parameters).await.map(|_| None) }).await
    }

    /// Makes a write, again and again while there is hope.
    async fn write<F>(&self, kind: Kind, namespace: &str, name: &str, attempt: impl Fn() -> F) -> Written
    where
        F: Future<Output = Result<Option<DynamicObject>, kube::Error>>,
    {
        let mut pause = PAUSES.0;
        loop {
            if *self.stop.borrow() {
                return Written::Stopped;
            }
            self.watched.world().begin(kind, namespace, name);
            let answer = timeout(PATIENCE, attempt()).await;
            let entry = answer.as_ref().ok().and_then(|answer| answer.as_ref().ok()?.clone()).and_then(|object| Entry::of(kind, object));
            self.watched.world().end(kind, namespace, name, entry);
            let why = match answer {
                Ok(Ok(_)) => return Written::Done,
                Ok(Err(kube::Error::Api(status))) => match judge(status.code) {
                    Judged::Gone => return Written::Gone,
                    Judged::Refused => return Written::Refused(status.message.clone()),
                    Judged::Again => status.message.clone(),
                },
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
            };
            if Instant::now() + pause >= self.until {
                return Written::Unreachable(why);
            }
            let mut stop = self.stop.clone();
            tokio::select! {
                () = sleep(pause.mul_f64(0.5 + crate::chance::chance())) => {}
                _ = stop.wait_for(|stop| *stop) => return Written::Stopped,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Gone,
    Refused,
    Again,
}

/// Judges the code of an answer. A conflict is tried again: it says that two writes met.
fn judge(code: u16) -> Judged {
    match code {
        404 | 410 => Judged::Gone,
        408 | 409 | 425 | 429 => Judged::Again,
        400..=499 => Judged::Refused,
        _ => Judged::Again,
    }
}

fn body(kind: Kind, entry: &Entry, fields: Value) -> Value {
    let types = resource(kind);
    let mut body = json!({"apiVersion": types.api_version, "kind": types.kind, "metadata": {"namespace": entry.namespace, "name": entry.name}});
    merge(&mut body, fields);
    body
}

/// Adds the fields of one map to those of another, map by map.
fn merge(into: &mut Value, fields: Value) {
    match (into, fields) {
        (Value::Object(into), Value::Object(fields)) => {
            for (name, value) in fields {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_is_wrong_is_not() {
        for code in [409, 429, 500, 502, 503, 504] {
            assert_eq!(judge(code), Judged::Again, "{code}");
        }
        for code in [400, 401, 403, 405, 413, 422] {
            assert_eq!(judge(code), Judged::Refused, "{code}");
        }
        assert_eq!(judge(404), Judged::Gone);
    }

    #[test]
    fn fields_are_merged_map_by_map() {
        let mut body = json!({"metadata": {"name": "a"}, "kind": "X"});
        merge(&mut body, json!({"metadata": {"labels": {"b": "c"}}, "spec": {}}));
        assert_eq!(body, json!({"metadata": {"name": "a", "labels": {"b": "c"}}, "kind": "X", "spec": {}}));
    }
}
