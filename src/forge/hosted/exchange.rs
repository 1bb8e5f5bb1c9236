//! One HTTP exchange with a forge: within time, pace and size, tried again where that is safe, its answer judged.

use std::time::Duration;

use http::{Request, Response};

use super::{Fault, Place};
use crate::forge::Error;

/// How long to wait for a forge, and how often to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one request may take.
    pub timeout: Duration,
    /// How often a request that may be repeated is tried in all.
    pub tries: u32,
    /// The pause before the second try; each further one is twice as long, with jitter.
    pub pause: Duration,
    /// The longest that the forge, or the pace, may ask to wait within a pass; past that the pass ends.
    pub longest_wait: Duration,
    /// How many requests that change something are sent in a minute.
    pub per_minute: u32,
    /// How many of them in an hour.
    pub per_hour: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(20),
            tries: 4,
            pause: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
            per_minute: 60,
            per_hour: 400,
        }
    }
}

impl Patience {
    /// The pause before try number `attempt` (2 is the first repetition).
    pub fn pause_before(&self, attempt: u32) -> Duration {
        self.pause.saturating_mul(1 << attempt.saturating_sub(2).min(6)).min(self.longest_wait)
    }
}

/// What may be done when it is not known whether a request was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing.
    Read,
    /// Doing it twice is as doing it once.
    Same,
    /// It makes something; it is not repeated here, and the fault is uncertain.
    Once,
}

/// The way to one forge.
#[derive(Debug)]
pub struct Exchange {}

impl Exchange {
    /// The way to the forge at a place, which is at `url`.
    pub fn new(_forge: &'static str, _place: &Place<'_>, _url: &reqwest::Url) -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Sends a request and gives its answer if it is a success (2xx). `what` names it for people: `the list of pull requests`.
    pub async fn send(&self, _request: Request<Vec<u8>>, _repeat: Repeat, what: &str) -> Result<Response<Vec<u8>>, Error> {
        Err(Fault::Unavailable { forge: "", what: what.to_owned(), reason: String::new(), uncertain: false }.into())
    }
}
