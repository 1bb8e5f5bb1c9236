//! Mapping many documents at once, in order, on all cores.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::{Found, STOPPED};
use crate::discovery::mapping::{Mapper, Node};

/// How many documents one thread takes at a time.
const SHARE: usize = 256;

/// Maps documents: `items` gives those of one document, `place` names it in messages ("line 17").
pub(super) fn map<'d, T: Sync>(
    documents: &'d [T],
    mapper: &Mapper,
    stop: &AtomicBool,
    place: impl Fn(&T) -> String + Sync,
    items: impl Fn(&'d T) -> Result<Vec<Node<'d>>, String> + Sync,
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
