//! Which sources take what is pushed, with whose token, how fast, and where it is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::rate::Rate;
use crate::api::Text;
use crate::controller::signature::Token;
use crate::credentials::{Credentials, Secret};
use crate::discovery::push::facts::{Batch, MOST_BYTES, Taken};
use crate::discovery::push::shelf::{Shelf, ShelfError};
use crate::discovery::push::{file, kept_for, oldest};
use crate::estate::Estate;

/// The shortest token that is hard to guess, in bytes.
const SHORTEST_TOKEN: usize = 16;
/// How many bytes of facts are kept in memory, over all sources.
pub(super) const MOST_IN_ALL: usize = 4 * MOST_BYTES;
/// How long a batch may take to come.
const TIME_FOR_BODY: Duration = Duration::from_secs(20);

/// What takes batches.
#[derive(Debug)]
pub struct Desk {
    sources: RwLock<Sources>,
    /// What an unknown source is compared with, so that it takes as long as a known one.
    nobodys: Token,
    pub(super) held: Arc<AtomicUsize>,
    pub(super) time_for_body: Duration,
}

#[derive(Debug, Default)]
struct Sources {
    /// The estate, once it was read.
    estate: Option<Text>,
    places: BTreeMap<Text, Arc<Place>>,
}

/// A source that takes batches.
#[derive(Debug)]
pub(super) struct Place {
    pub source: Text,
    /// The name of the operator's credential that its token is.
    credential: Text,
    token: Token,
    per_minute: u32,
    kept: SignedDuration,
    rate: Arc<Mutex<Rate>>,
    shelf: Arc<Shelf>,
}

/// What is known of whoever asks.
pub(super) enum Asker {
    /// The estate was not read yet.
    TooEarly,
    /// It shows the token of this source.
    Of(Arc<Place>),
    /// It does not, or there is no such source.
    Nobody,
}

impl Default for Desk {
    fn default() -> Self {
        Self { sources: RwLock::default(), nobodys: Token::new(&Secret::new("")), held: Arc::default(), time_for_body: TIME_FOR_BODY }
    }
}

impl Desk {
    /// One that takes nothing until it is told of an estate.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with another time for a body.
    #[must_use]
    pub fn with_time_for_body(self, time_for_body: Duration) -> Self {
        Self { time_for_body, ..self }
    }

    /// Takes what is pushed to the sources of an estate from now on, and keeps it in `folder`. Which of them take nothing, and why.
    pub fn open(&self, estate: &Estate, credentials: &Credentials, folder: &Path) -> Vec<String> {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut sources.places);
        let mut problems = Vec::new();
        for declared in estate.sources.iter().filter(|declared| !declared.spec.suspend) {
            let Some(push) = &declared.spec.push else { continue };
            let token = match token(credentials, &push.credentials) {
                Ok(token) => token,
                Err(reason) => {
                    problems.push(format!("nothing can be pushed to the source `{}`: {reason}", declared.name));
                    continue;
                }
            };
            let (source, file) = (declared.name.clone(), file::path(folder, &declared.name));
            let known = before.get(&source).filter(|place| *place.shelf.file() == file);
            let rate = known.map(|place| place.rate.clone()).unwrap_or_default();
            let kept_on = known.map_or_else(|| Arc::new(Shelf::new(source.clone(), file)), |place| place.shelf.clone());
            let (per_minute, kept) = (push.batches_a_minute(), kept_for(&declared.spec));
            sources
                .places
                .insert(source.clone(), Arc::new(Place { source, credential: push.credentials.clone(), token, per_minute, kept, rate, shelf: kept_on }));
        }
        // What a document declared that cannot be read for now is not taken back by that, as long as its token is still the operator's.
        let unread =
            |name: &Text| estate.unreadable.iter().any(|document| document.name.as_ref().is_none_or(|known| known == name)) && estate.unreadable_mentions(name);
        let gone = before.into_iter().filter(|(name, _)| !estate.sources.iter().any(|source| source.name == *name) && unread(name));
        let renewed = gone.filter_map(|(name, place)| Some((name, Arc::new(place.with_token(token(credentials, &place.credential).ok()?)))));
        sources.places.extend(renewed);
        sources.estate = Some(estate.name.clone());
        problems
    }

    /// Who asks. To a stranger an unknown source, another estate and a wrong token look the same.
    pub(super) fn asker(&self, estate: Option<&str>, source: &str, token: &[u8]) -> Asker {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = &sources.estate else { return Asker::TooEarly };
        let place = sources.places.get(source).filter(|_| estate.is_none_or(|estate| *estate == **name));
        let shown = place.map_or(&self.nobodys, |place| &place.token).is(token);
        place.filter(|_| shown).map_or(Asker::Nobody, |place| Asker::Of(place.clone()))
    }

    /// How many bytes a source may have, beside what the others have.
    pub(super) fn room(&self, of: &Place) -> usize {
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let others: usize = sources.places.values().filter(|place| place.source != of.source).map(|place| place.shelf.bytes()).sum();
        MOST_IN_ALL.saturating_sub(others)
    }
}

impl Place {
    /// The same with the token as it is now.
    fn with_token(&self, token: Token) -> Self {
        let Self { source, credential, per_minute, kept, rate, shelf, .. } = self;
        Self { source: source.clone(), credential: credential.clone(), token, per_minute: *per_minute, kept: *kept, rate: rate.clone(), shelf: shelf.clone() }
    }

    /// Whether one more batch may come; else how long it is to wait.
    pub fn may_come(&self, now: Instant) -> Result<(), Duration> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).take(self.per_minute, now)
    }

    /// Takes a batch that came at `now`. Waits for the disk.
    pub fn take(&self, batch: Batch, now: Timestamp, room: usize) -> Result<Taken, ShelfError> {
        self.shelf.take(batch, oldest(self.kept, now), room)
    }
}

fn token(credentials: &Credentials, name: &str) -> Result<Token, String> {
    let secret = credentials.shared_secret(name).map_err(|error| error.to_string())?;
    if secret.expose().len() < SHORTEST_TOKEN {
        return Err(format!("its token `{name}` is shorter than {SHORTEST_TOKEN} bytes; `openssl rand -hex 32` makes a good one"));
    }
    Ok(Token::new(secret))
}

/// Where what is pushed to the sources of an estate is kept, in a state folder. The key tells estates apart.
pub fn folder(state: &Path, key: &str) -> PathBuf {
    state.join("pushed").join(key)
}
