//! One HTTP exchange with a forge: within time, pace and size, tried again where that is safe, its answer judged.
//!
//! ```text
//! judge    what an answer means
//! pace     limits of the forge and a pace of our own: when the next request may go
//! ```

mod judge;
mod pace;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::header::IF_NONE_MATCH;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use reqwest::Url;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::{Fault, Place};
use crate::access::web;
use crate::access::web::carry::{Broken, Carrier, Unfit, Way};
use crate::access::web::kept::{self, Kept};
use crate::access::web::wait::{doubled, jittered};
use crate::credentials::{Login, Redactor};
use crate::forge::Error;

use judge::Verdict;
use pace::Pace;

pub(super) use crate::access::web::one_line;
pub use crate::access::web::wait::Quota;
pub use judge::json;

/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 32 << 20;

/// How long after an App's token was given out a refusal may come from a server that does not know it yet
/// (octokit/handbook#8).
const FRESH: Duration = Duration::from_secs(5);

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
            longest_wait: Duration::from_mins(1),
            per_minute: 60,
            per_hour: 400,
        }
    }
}

impl Patience {
    /// The pause before try number `attempt` (2 is the first repetition).
    pub fn pause_before(&self, attempt: u32) -> Duration {
        doubled(self.pause, attempt.saturating_sub(2)).min(self.longest_wait)
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

/// One try of a request, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Exchanged<'a> {
    /// The forge's name: `GitHub`, `Gitea`.
    pub forge: &'static str,
    /// How it was asked.
    pub method: &'a Method,
    /// The answer's code; none: there is no answer.
    pub status: Option<u16>,
    /// What the answer says about how many more are taken.
    pub quota: Option<Quota>,
}

/// Is told of every request, repetitions among them.
pub trait Ear: std::fmt::Debug + Send + Sync {
    /// A request was sent and answered, or had no answer.
    fn heard(&self, exchanged: &Exchanged<'_>);
}

/// What was asked, as it stands in the extensions of an answer, for those who judge its content.
#[derive(Clone, Debug)]
struct Asked {
    forge: &'static str,
    /// Without its query.
    url: String,
    repository: String,
    what: String,
    repeat: Repeat,
    /// Whether JSON was asked for.
    json: bool,
}

/// The way to one forge. It may be used from several tasks at once.
#[derive(Debug)]
pub struct Exchange {
    forge: &'static str,
    repository: String,
    base: Url,
    patience: Patience,
    redactor: Redactor,
    carrier: Carrier,
    pace: Mutex<Pace>,
    kept: Mutex<Kept>,
    fresh: Mutex<Option<Instant>>,
    moved_to: Mutex<Option<String>>,
    sent: AtomicU64,
    ear: OnceLock<Arc<dyn Ear>>,
}

impl Exchange {
    /// The way to the forge at a place, which is at `url`. Connects to nothing yet.
    pub fn new(forge: &'static str, place: &Place<'_>, url: &Url) -> Result<Self, Error> {
        let refuse = |reason: &str| Fault::Setting { what: "address", text: crate::credentials::redact_url(url.as_str()), reason: reason.to_owned() };
        web::check_http(url).map_err(refuse)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("a forge's address has no `?` and no `#`").into());
        }
        let way = Way {
            access: place.access,
            url,
            login: login(place, url)?,
            authorities: &[],
            proxy: None,
            timeout: place.patience.timeout,
            largest: LARGEST_ANSWER,
        };
        let carrier = Carrier::new(&way).map_err(|unfit| match unfit {
            Unfit::Refused(error) => Error::from(error),
            Unfit::Setting(reason) => Fault::Setting { what: "address", text: url.to_string(), reason }.into(),
        })?;
        Ok(Self {
            forge,
            repository: place.repository.to_owned(),
            base: url.clone(),
            patience: place.patience,
            redactor: place.credentials.redactor(),
            carrier,
            pace: Mutex::new(Pace::new(&place.patience)),
            kept: Mutex::default(),
            fresh: Mutex::default(),
            moved_to: Mutex::default(),
            sent: AtomicU64::new(0),
            ear: OnceLock::new(),
        })
    }

    /// Has every request told to somebody. The first who asks for it is told.
    pub fn heard_by(&self, ear: Arc<dyn Ear>) {
        let _ = self.ear.set(ear);
    }

    /// Sends a request and gives its answer if it is a success (2xx). `what` names it for people: `the list of pull requests`.
    ///
    /// What is asked for as JSON (`Accept`, or none) and answered otherwise is a fault; what the JSON says is read with [`json`].
    pub async fn send(&self, request: Request<Vec<u8>>, repeat: Repeat, what: &str) -> Result<Response<Vec<u8>>, Error> {
        let asked = self.asked(&request, repeat, what)?;
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        let mut attempt = 1;
        loop {
            self.wait(changes).await?;
            let verdict = match self.attempt(&request).await {
                Ok(response) => judge::judge(response, &asked, Timestamp::now(), |text| self.say(&request, text)),
                Err(broken) => judge::broken(broken, &asked, |text| self.say(&request, text)),
            };
            attempt += 1;
            let more = attempt <= self.patience.tries;
            let pause = match verdict {
                Verdict::Good(response) => return Ok(response),
                Verdict::Moved { to, error } => {
                    *lock(&self.moved_to) = Some(to);
                    return Err(error);
                }
                Verdict::Refused(error) if more && self.is_fresh() => {
                    tracing::debug!(forge = self.forge, what, "a new token is not known everywhere yet: {error}");
                    Duration::ZERO
                }
                Verdict::Limited { wait, said } => {
                    let limited = lock(&self.pace).limit(wait.unwrap_or_else(|| pace::unsaid(attempt - 2)), said, Instant::now());
                    if !more || limited > self.patience.longest_wait {
                        return Err(lock(&self.pace).end(self.forge));
                    }
                    continue; // the wait is that of the next round
                }
                Verdict::Failed { error, wait } if more && repeat != Repeat::Once && wait <= self.patience.longest_wait => {
                    tracing::debug!(forge = self.forge, what, "tried again: {error}");
                    wait
                }
                Verdict::Refused(error) | Verdict::Final(error) | Verdict::Failed { error, .. } => return Err(error),
            };
            tokio::time::sleep(jittered(self.patience.pause_before(attempt)).max(pause)).await;
        }
    }

    /// How many requests have been sent, repetitions among them.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many requests the forge still takes, as it said last; none if it does not say.
    pub fn quota(&self) -> Option<Quota> {
        lock(&self.pace).quota()
    }

    /// That a token was given out just now: a refusal within the next few seconds may come from a server that does not know
    /// it yet, so it is tried again.
    pub fn fresh_token(&self) {
        *lock(&self.fresh) = Some(Instant::now());
    }

    /// Where the last redirect led.
    pub(super) fn moved_to(&self) -> Option<String> {
        lock(&self.moved_to).clone()
    }

    fn is_fresh(&self) -> bool {
        lock(&self.fresh).is_some_and(|since| since.elapsed() < FRESH)
    }

    /// A request that may be sent: to this forge and nowhere else.
    fn asked(&self, request: &Request<Vec<u8>>, repeat: Repeat, what: &str) -> Result<Asked, Error> {
        let text = request.uri().to_string();
        let refuse = |reason: &str| Fault::Setting { what: "address", text: crate::credentials::redact_url(&text), reason: reason.to_owned() };
        let mut url = Url::parse(&text).map_err(|_| refuse("it is no whole address"))?;
        if url.origin() != self.base.origin() || !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it is not on the forge's own host, so nothing was sent there").into());
        }
        url.set_query(None);
        let accept = request.headers().get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
        let json = accept.contains("json") || accept.contains("*/*");
        Ok(Asked { forge: self.forge, url: url.to_string(), repository: self.repository.clone(), what: what.to_owned(), repeat, json })
    }

    /// Waits until a request may go, if that is soon.
    async fn wait(&self, changes: bool) -> Result<(), Error> {
        loop {
            let wait = lock(&self.pace).next(changes, self.forge, Instant::now())?;
            if wait.is_zero() {
                return Ok(());
            }
            tracing::debug!(forge = self.forge, seconds = wait.as_secs(), "waits before the next request");
            tokio::time::sleep(wait).await;
        }
    }

    /// One try. An answer that was kept is given as if it had been sent again.
    async fn attempt(&self, request: &Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Broken> {
        let mut request = request.clone();
        let key = (request.method() == Method::GET).then(|| kept::key(&request));
        let tag = key.as_ref().and_then(|key| lock(&self.kept).tag(key)).and_then(|tag| HeaderValue::from_str(&tag).ok());
        if let Some(tag) = &tag {
            request.headers_mut().insert(IF_NONE_MATCH, tag.clone());
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        let response = self.traced(request).await?;
        let Some(key) = key else { return Ok(response) };
        let mut kept = lock(&self.kept);
        if response.status() == StatusCode::NOT_MODIFIED && tag.is_some() {
            return Ok(kept.answer(&key).unwrap_or(response));
        }
        kept.keep(key, &response);
        Ok(response)
    }

    /// One request over the wire, as a span of its own, and told to whoever listens.
    async fn traced(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Broken> {
        let method = request.method().clone();
        let span = tracing::info_span!(
            "forge.request",
            otel.kind = "client",
            otel.status_code = Empty,
            forge = self.forge,
            http.request.method = method.as_str(),
            http.response.status_code = Empty
        );
        let result = self.carrier.carry(request).instrument(span.clone()).await;
        let status = result.as_ref().ok().map(|response| response.status().as_u16());
        let quota = result.as_ref().ok().and_then(|response| lock(&self.pace).heard(response.headers(), Instant::now(), Timestamp::now()));
        match status {
            Some(status) => drop(span.record("http.response.status_code", i64::from(status))),
            None => drop(span.record("otel.status_code", "ERROR")),
        }
        if let Some(ear) = self.ear.get() {
            ear.heard(&Exchanged { forge: self.forge, method: &method, status, quota });
        }
        result
    }

    /// What a forge said, fit to be shown: without secrets, on one line, in bounds.
    fn say(&self, request: &Request<Vec<u8>>, text: &str) -> String {
        let mut text = self.redactor.redact(text);
        // A token of an App's installation is in no file of the operator's.
        let sent = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some(token) = sent.and_then(|value| value.split(' ').nth(1)).filter(|token| token.len() >= 4) {
            text = text.replace(token, "(secret)");
        }
        web::one_line(&text)
    }
}

/// The login of a place's credential, which may go to this address; none if the place names no credential.
pub(super) fn login<'a>(place: &Place<'a>, url: &Url) -> Result<Option<&'a Login>, Error> {
    let Some(name) = place.credential else { return Ok(None) };
    let (host, port) = web::host_and_port(url);
    Ok(Some(&place.credentials.for_host(name, &web::authority(&host, port))?.login))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
