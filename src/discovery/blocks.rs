//! Mapping many documents at once, in order, on all cores, and what came of it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::Observation;
use super::mapping::{Mapper, Node};
use crate::api::Text;

/// How many documents one thread takes at a time.
const SHARE: usize = 256;
/// How many faults are told in full.
const TOLD: usize = 3;

pub(super) const STOPPED: &str = "the reading was stopped";

/// What was read: items, and what was wrong.
#[derive(Default)]
pub(super) struct Found {
    pub items: Vec<Observation>,
    /// The first faults, in the order in which they were read.
    told: Vec<String>,
    /// How many faults there were.
    faults: usize,
}

impl Found {
    pub fn fault(fault: String) -> Self {
        let mut found = Self::default();
        found.note(fault);
        found
    }

    pub fn note(&mut self, fault: String) {
        if self.told.len() < TOLD {
            self.told.push(fault);
        }
        self.faults += 1;
    }

    /// Tells these faults before the others.
    pub fn precede(&mut self, faults: Vec<String>) {
        self.faults += faults.len();
        self.told.splice(0..0, faults);
        self.told.truncate(TOLD);
    }

    /// Adds what comes next.
    pub fn append(&mut self, next: Found) {
        // One at a time keeps the growth of the list gradual; whole blocks would double it with each reallocation.
        self.items.extend(next.items);
        self.faults += next.faults;
        self.told.extend(next.told);
        self.told.truncate(TOLD);
    }

    /// Says of each fault in which file it is.
    pub fn within(mut self, file: &str) -> Self {
        for fault in &mut self.told {
            *fault = format!("{file}: {fault}");
        }
        self
    }

    /// What was wrong, in one sentence; none where nothing was.
    pub fn told(&self) -> Option<Text> {
        let more = self.faults.saturating_sub(self.told.len());
        let told = self.told.join("; ");
        match (self.faults, more) {
            (0, _) => None,
            (_, 0) => Some(told.into()),
            _ => Some(format!("{told}; and {more} more").into()),
        }
    }
}

/// Sets its flag when it is dropped.
#[derive(Default)]
pub(super) struct Abandoned(pub Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads on a thread of its own; where the one who asks no longer waits, the reading is told to stop. `what` names it in a sentence.
pub(super) async fn reading<T: Send + 'static>(what: &str, read: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Result<T, String> {
    let abandoned = Abandoned::default();
    let stop = abandoned.0.clone();
    let read = tokio::task::spawn_blocking(move || read(&stop)).await;
    read.map_err(|_| format!("reading {what} failed because of a defect in Bowline; please report it"))
}

/// Maps documents: `items` gives those of one document, `place` names it in messages ("line 17").
pub(super) fn map<'d, T: Sync>(
    documents: &'d [T],
    mapper: &Mapper,
    stop: &AtomicBool,
    place: impl Fn(&T) -> String + Sync,
    items: impl Fn(&'d T) -> Result<Cow<'d, [Node<'d>]>, String> + Sync,
) -> Found {
    let shares = documents.par_chunks(SHARE).map(|share| {
        let mut found = Found { items: Vec::with_capacity(share.len()), ..Found::default() };
        for document in share {
            if stop.load(Ordering::Relaxed) {
                found.note(STOPPED.to_owned());
                break;
            }
            match items(document) {
                Ok(items) => map_items(&items, mapper, &mut found, || place(document)),
                Err(error) => found.note(format!("{}: {error}", place(document))),
            }
        }
        found
    });
    let mut all = Found::default();
    for share in shares.collect::<Vec<_>>() {
        all.append(share);
    }
    all
}

fn map_items(items: &[Node<'_>], mapper: &Mapper, found: &mut Found, place: impl Fn() -> String) {
    for (number, item) in (1..).zip(items) {
        match mapper.map(item) {
            Ok(observation) => found.items.push(observation),
            Err(error) if items.len() == 1 => found.note(format!("{}: {error}", place())),
            Err(error) => found.note(format!("{}, item {number}: {error}", place())),
        }
    }
}
