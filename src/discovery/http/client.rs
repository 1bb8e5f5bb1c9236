//! Asking: requests within the deadline, at the declared pace, tried again where that is safe. What is decided stands in `judge`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use jiff::Timestamp;
use reqwest::Url;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::Instrument;
use tracing::field::Empty;

use super::address;
use super::judge::{self, Verdict};
use super::plan::Limits;
use crate::access::web::carry::{Broken, Carrier};
use crate::access::web::kept::{self, Kept};
use crate::access::web::one_line;
use crate::api::{Text, Value};
use crate::chance::chance;
use crate::credentials::Redactor;

/// How often a request is sent on to another address of the same host.
const HOPS: u32 = 5;
/// How often a server may ask to wait before one request.
const WAITS: u32 = 20;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// Where.
    pub url: Url,
    /// A JSON body; with one, or where it starts something, it is a POST.
    pub body: Option<Value>,
    /// Whether it starts something, so that it is not sent twice where that is uncertain.
    pub starts: bool,
}

/// The way to one API.
pub(super) struct Client {
    pub base: Url,
    pub carrier: Carrier,
    pub headers: HeaderMap,
    pub limits: Limits,
    pub redactor: Redactor,
    pub deadline: Instant,
    /// Answers that are kept from pass to pass, and whose they are: another source may see more of the same list.
    pub kept: Option<(Text, Arc<Mutex<Kept>>)>,
    next: Mutex<Option<Instant>>,
}

impl Client {
    pub(super) fn new(base: Url, carrier: Carrier, headers: HeaderMap, limits: Limits, redactor: Redactor, deadline: Instant) -> Self {
        Self { base, carrier, headers, limits, redactor, deadline, kept: None, next: Mutex::default() }
    }

    /// Sends a request until there is a whole answer, or none is to be had. The error is one sentence, without secrets.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Response<Vec<u8>>, String> {
        self.patiently(ask).await.map_err(|reason| self.say(&reason))
    }

    /// What a server or a library said, fit to be shown.
    pub(super) fn say(&self, text: &str) -> String {
        one_line(&self.redactor.redact(text))
    }

    async fn patiently(&self, ask: &Ask) -> Result<Response<Vec<u8>>, String> {
        let mut ask = ask.clone();
        let (mut tries, mut waits, mut hops) = (0, 0, 0);
        loop {
            self.pace().await?;
            let verdict = match timeout_at(self.deadline, self.once(&ask)).await {
                Err(_) => return Err("the time of the source is over (`timeout`)".to_owned()),
                Ok(Err(broken)) => judge::broken(broken, self.limits.answer, ask.starts),
                Ok(Ok(response)) => match judge::judge(response.status(), response.headers(), response.body(), ask.starts, Timestamp::now()) {
                    Verdict::Good => return Ok(response),
                    verdict => verdict,
                },
            };
            let (reason, wait) = match verdict {
                Verdict::Good => continue,
                Verdict::Final(reason) => return Err(reason),
                Verdict::Moved(to) => {
                    hops += 1;
                    ask.url = self.moved(&ask, &to, hops)?;
                    continue;
                }
                Verdict::Limited { wait, reason } => {
                    waits += 1;
                    if waits > WAITS {
                        return Err(format!("{reason}, {WAITS} times"));
                    }
                    (reason, judge::pause(waits, wait, true, chance()))
                }
                Verdict::Again { wait, reason } => {
                    tries += 1;
                    if tries >= self.limits.tries {
                        return Err(if tries > 1 { format!("{reason}, {tries} times") } else { reason });
                    }
                    (reason, judge::pause(tries, wait, false, chance()))
                }
            };
            self.rest(wait, &reason).await?;
        }
    }

    /// Waits, if that is within the source's time.
    async fn rest(&self, wait: Duration, reason: &str) -> Result<(), String> {
        let until = Instant::now() + wait;
        if until >= self.deadline {
            return Err(format!("{reason}; to wait {} s is longer than the source may take (`timeout`)", wait.as_secs().max(1)));
        }
        tracing::debug!(seconds = wait.as_secs_f64(), "waits before the next try: {}", self.say(reason));
        sleep_until(until).await;
        Ok(())
    }

    /// Waits for its turn.
    async fn pace(&self) -> Result<(), String> {
        if self.limits.between.is_zero() {
            return Ok(());
        }
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
            *next = Some(turn + self.limits.between);
            turn
        };
        if turn >= self.deadline {
            return Err("the time of the source is over (`timeout`) before `limits.perMinute` lets the next request go".to_owned());
        }
        sleep_until(turn).await;
        Ok(())
    }

    /// Where a request is sent on to: a GET, to the same host.
    fn moved(&self, ask: &Ask, to: &str, hops: u32) -> Result<Url, String> {
        if hops > HOPS {
            return Err("the server sends on again and again".to_owned());
        }
        if ask.body.is_some() || ask.starts {
            return Err("the server sends a POST on to another address, which is not followed; give that address".to_owned());
        }
        address::onward(&self.base, &ask.url, to)
    }

    /// One try, as a span of its own. An answer that was kept is given as if it had been sent again.
    async fn once(&self, ask: &Ask) -> Result<Response<Vec<u8>>, Broken> {
        let mut request = self.request(ask)?;
        let key = self.kept.as_ref().filter(|_| request.method() == Method::GET).map(|(source, _)| format!("{source} {}", kept::key(&request)));
        let tag = key.as_ref().and_then(|key| self.with_kept(|kept| kept.tag(key)).flatten()).and_then(|tag| HeaderValue::from_str(&tag).ok());
        if let Some(tag) = &tag {
            request.headers_mut().insert(IF_NONE_MATCH, tag.clone());
        }
        let method = request.method().clone();
        let span = tracing::info_span!("http.request", otel.kind = "client", http.request.method = method.as_str(), http.response.status_code = Empty);
        let response = self.carrier.carry(request).instrument(span.clone()).await?;
        span.record("http.response.status_code", response.status().as_u16());
        let Some(key) = key else { return Ok(response) };
        if response.status() == StatusCode::NOT_MODIFIED && tag.is_some() {
            return Ok(self.with_kept(|kept| kept.answer(&key)).flatten().unwrap_or(response));
        }
        self.with_kept(|kept| kept.keep(key, &response));
        Ok(response)
    }

    fn with_kept<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> Option<T> {
        let (_, kept) = self.kept.as_ref()?;
        Some(act(&mut kept.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn request(&self, ask: &Ask) -> Result<Request<Vec<u8>>, Broken> {
        let is_post = ask.body.is_some() || ask.starts;
        let body = ask.body.as_ref().map(|body| body.to_json().to_string()).unwrap_or_default();
        let method = if is_post { Method::POST } else { Method::GET };
        let mut request = Request::builder()
            .method(method)
            .uri(ask.url.as_str())
            .body(body.into_bytes())
            .map_err(|_| Broken::NotConnected("what is asked for cannot stand in an address".to_owned()))?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if is_post {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.extend(self.headers.clone());
        Ok(request)
    }
}
