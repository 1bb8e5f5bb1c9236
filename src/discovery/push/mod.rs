//! Facts that agents and scripts push to the listener of `bowline run`, and that every verb reads from the state folder.
//!
//! ```text
//! agent ── send ──► POST /v1/observations (controller/push)
//!                          │
//!                   batch  pure: one observation a line, all of them good
//!                   facts  pure: of each key the newest word
//!                   shelf  in memory and on the disk, for the one process that writes
//!                   file   how it stands on the disk
//!                          │
//!                  PushSource   reads the file at each pass
//! ```
//!
//! From what is not pushed nothing is concluded absent, unless a batch was declared whole, and that is no longer ago than `completeFor`.

pub mod batch;
pub mod facts;
pub mod file;
pub mod send;
pub mod shelf;

use std::borrow::Cow;
use std::path::PathBuf;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::blocks::{self, Found};
use super::mapping::{Mapper, roomy};
use super::{Answer, Source};
use crate::api::discovery_source::PushSource as Spec;
use crate::api::{DiscoverySourceSpec, Text};

use facts::{is_complete, word_of};

/// How many times its stale time a fact is kept: it is told to be stale for a while before it is forgotten.
const KEPT: i64 = 2;

/// How long a fact of a source is kept: never so short that a whole batch is still complete and what it named is gone.
pub fn kept_for(spec: &DiscoverySourceSpec) -> SignedDuration {
    let complete = spec.push.as_ref().map_or(0, |push| push.complete_for_seconds());
    SignedDuration::from_secs(spec.stale_after_seconds().saturating_mul(KEPT).max(complete))
}

/// The instant from which on facts are kept.
pub fn oldest(kept: SignedDuration, now: Timestamp) -> Timestamp {
    now.checked_sub(kept).unwrap_or(Timestamp::MIN)
}

/// What was pushed, as a source.
pub struct PushSource {
    name: Text,
    file: PathBuf,
    kept: SignedDuration,
    complete_for: i64,
}

impl PushSource {
    /// A source that reads what was pushed and stands in `file`.
    pub fn new(name: Text, push: &Spec, spec: &DiscoverySourceSpec, file: PathBuf) -> Self {
        Self { name, file, kept: kept_for(spec), complete_for: push.complete_for_seconds() }
    }
}

#[async_trait]
impl Source for PushSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let file = self.file.clone();
        let read = blocks::reading("what was pushed", move |stop| roomy(|| read(&file, stop))).await.flatten().flatten();
        let answer = Answer { source: self.name.clone(), at: now, evidence: "what agents pushed".into(), ..Answer::default() };
        let Read { whole, mut found } = match read {
            Ok(read) => read,
            Err(error) => return Answer { error: Some(error.into()), ..answer },
        };
        let oldest = oldest(self.kept, now);
        found.items.retain(|item| item.seen.is_none_or(|seen| word_of(seen, whole) >= oldest));
        found.items.shrink_to_fit();
        if !is_complete(whole, self.complete_for, now) {
            found.precede(vec![silent(whole)]);
        }
        let error = found.told();
        Answer { complete: error.is_none(), error, items: found.items, ..answer }
    }
}

/// Why nothing is concluded from what was not pushed.
fn silent(whole: Option<Timestamp>) -> String {
    match whole {
        Some(at) => format!("the last whole batch is as of {at}, which is longer ago than `completeFor`"),
        None => "no batch was declared whole (`complete=true`)".to_owned(),
    }
}

/// What stands in a file.
#[derive(Default)]
struct Read {
    whole: Option<Timestamp>,
    found: Found,
}

fn read(file: &std::path::Path, stop: &std::sync::atomic::AtomicBool) -> Result<Read, String> {
    let Some(bytes) = file::read(file)? else { return Ok(Read::default()) };
    let (head, lines) = file::parts(&bytes)?;
    let mapper = Mapper::compile(None, None).map_err(|_| "the form of observations cannot be read".to_owned())?;
    let found = blocks::map(
        &lines,
        &mapper,
        stop,
        |(number, _)| format!("line {number} of the file of what was pushed"),
        |(_, line)| serde_json::from_slice(line).map(|node| Cow::Owned(vec![node])).map_err(|error| format!("it is no JSON, at column {}", error.column())),
    );
    Ok(Read { whole: head.whole, found })
}
