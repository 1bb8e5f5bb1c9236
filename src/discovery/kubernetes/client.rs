//! Asking a cluster's API: connections that the operator allows, answers of bounded size, patience with a server that is
//! busy. What an answer holds is read where it arrives and never logged: it may be a Secret.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{ACCEPT, RETRY_AFTER};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::Config;
use kube::client::{Body, ConfigExt};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tower::util::option_layer;
use tower::{BoxError, Layer, Service, ServiceExt};

use super::super::tls::Connect;
use crate::chance::chance;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// How long a watch that says nothing is taken for alive: a healthy one hears a bookmark about once a minute.
pub(super) const SILENCE: Duration = Duration::from_secs(100);
/// How often a request is made before it is given up.
const ATTEMPTS: u32 = 5;
/// The pause before the second attempt; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest pause, whatever the server says.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// The largest answer, in bytes.
const ANSWER: usize = 32 * 1024 * 1024;
/// The largest event of a watch, in bytes.
const EVENT: usize = 8 * 1024 * 1024;
/// Longer than any process lives.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 30);
/// The largest answer that only says what is wrong.
const REFUSAL: usize = 64 * 1024;

/// What is accepted: documents.
pub(super) const DOCUMENTS: &str = "application/json";
/// What is accepted: names, labels and the like of documents. No answer with more would be understood.
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The same for events of a watch.
pub(super) const METADATA_EVENTS: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Why an answer could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// These credentials have no right to it (403).
    Forbidden,
    /// The server does not know who asks (401).
    Unknown,
    /// There is no such thing (404).
    Absent,
    /// The list that is being read is too old to go on with (410).
    Expired,
    /// The answer is larger than is read.
    TooLarge,
    /// The time for the whole answer is over.
    Late,
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Forbidden => "the credentials have no right to it (403); let a Role or ClusterRole grant it, or leave it out of `resources`",
            Self::Unknown => "the credentials are not accepted (401)",
            Self::Absent => "the server does not have it (404)",
            Self::Expired => "it changes faster than it can be listed (410)",
            Self::TooLarge => "the answer is larger than 32 MiB",
            Self::Late => "there was no time left for it; give the source a longer `timeout`",
            Self::Other(reason) => reason,
        })
    }
}

/// A cluster's API.
#[derive(Clone)]
pub(super) struct Client {
    inner: kube::Client,
    deadline: Instant,
}

/// What one attempt came to.
enum Attempt<T> {
    Done(T),
    Failed(Failure),
    /// Worth another attempt, not before this long.
    Again(String, Option<Duration>),
}

impl Client {
    /// A client that opens its connections through `connect` and gives up at the deadline. The error never tells what the
    /// configuration holds. May run a program that the kubeconfig names, so it blocks.
    pub(super) fn new(config: &Config, connect: Arc<dyn Connect>, deadline: Instant) -> Result<Self, String> {
        // What kube says of these could quote what it has read.
        let auth = config.auth_layer().map_err(|_| "what proves who asks cannot be had: its file, or the program that the kubeconfig names for it, failed")?;
        let headers = config.extra_headers_layer().map_err(|_| "the kubeconfig's impersonation cannot be sent")?;
        let https = config
            .rustls_https_connector_with_connector(Opener(connect))
            .map_err(|_| "TLS cannot be set up: the authorities or the client certificate cannot be read")?;
        let http = Http::builder(TokioExecutor::new()).build::<_, Body>(https).map_err(BoxError::from);
        let service = config.base_uri_layer().layer(option_layer(auth).layer(headers.layer(http)));
        Ok(Self { inner: kube::Client::new(service, "default"), deadline })
    }

    /// Gets what is at a path and reads it. `read` sees the whole answer, which then is gone; its error must not quote it.
    pub(super) async fn get<T>(&self, path: &str, accept: &'static str, read: impl Fn(&[u8]) -> Result<T, &'static str>) -> Result<T, Failure> {
        let mut attempt = 0;
        loop {
            let until = self.deadline.min(Instant::now() + REQUEST);
            let result = match timeout_at(until, self.once(path, accept, &read)).await {
                Ok(result) => result,
                Err(_) if Instant::now() >= self.deadline => return Err(Failure::Late),
                Err(_) => Attempt::Again(format!("no answer within {} s", REQUEST.as_secs()), None),
            };
            attempt += 1;
            match result {
                Attempt::Done(value) => return Ok(value),
                Attempt::Failed(failure) => return Err(failure),
                Attempt::Again(reason, _) if attempt == ATTEMPTS => return Err(Failure::Other(format!("{reason}, {ATTEMPTS} times"))),
                Attempt::Again(reason, wait) => {
                    let next = Instant::now() + pause(attempt, wait, chance());
                    if next >= self.deadline {
                        return Err(Failure::Other(reason));
                    }
                    tokio::time::sleep_until(next).await;
                }
            }
        }
    }

    /// The same for who follows a list for as long as it goes.
    pub(super) fn without_deadline(&self) -> Self {
        Self { inner: self.inner.clone(), deadline: Instant::now() + FOR_EVER }
    }

    /// Watches what is at a path: `hears` is given nothing once it has begun, then each event. Why it ended.
    pub(super) async fn watch(&self, path: &str, accept: &'static str, mut hears: impl FnMut(Option<&[u8]>) -> ControlFlow<Failure>) -> Failure {
        let Ok(request) = Request::get(path).header(ACCEPT, accept).body(Body::empty()) else { return Failure::Absent };
        let response = match timeout(REQUEST, self.inner.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Failure::Other(reason_of(&error)),
            Err(_) => return Failure::Late,
        };
        if !response.status().is_success() {
            return match refused::<()>(response.status(), response.headers(), "") {
                Attempt::Failed(failure) => failure,
                Attempt::Again(reason, _) => Failure::Other(reason),
                Attempt::Done(()) => Failure::Late,
            };
        }
        let (mut body, mut rest, mut next) = (response.into_body(), Vec::new(), hears(None));
        loop {
            if let ControlFlow::Break(failure) = next {
                return failure;
            }
            let Ok(Some(Ok(frame))) = timeout(SILENCE, body.frame()).await else { return Failure::Late };
            rest.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            next = lines(&mut rest, &mut hears);
            if rest.len() > EVENT {
                return Failure::TooLarge;
            }
        }
    }

    async fn once<T>(&self, path: &str, accept: &'static str, read: &impl Fn(&[u8]) -> Result<T, &'static str>) -> Attempt<T> {
        let Ok(request) = Request::get(path).header(ACCEPT, accept).body(Body::empty()) else {
            return Attempt::Failed(Failure::Other("what is asked for cannot stand in an address".to_owned()));
        };
        let response = match self.inner.send(request).await {
            Ok(response) => response,
            Err(error) => return Attempt::Again(reason_of(&error), None),
        };
        let (parts, body) = response.into_parts();
        let most = if parts.status.is_success() { ANSWER } else { REFUSAL };
        let collected = Limited::new(body, most).collect().await;
        if !parts.status.is_success() {
            let said = collected.map(|body| reason_in(&body.to_bytes())).unwrap_or_default();
            return refused(parts.status, &parts.headers, &said);
        }
        match collected {
            Ok(body) => read(&body.to_bytes()).map_or_else(|reason| Attempt::Failed(Failure::Other(reason.to_owned())), Attempt::Done),
            Err(error) if error.is::<LengthLimitError>() => Attempt::Failed(Failure::TooLarge),
            Err(_) => Attempt::Again("the answer was cut short".to_owned(), None),
        }
    }
}

/// Takes whole lines from the front, until one is enough.
fn lines(rest: &mut Vec<u8>, hears: &mut impl FnMut(Option<&[u8]>) -> ControlFlow<Failure>) -> ControlFlow<Failure> {
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = rest.drain(..=end).collect();
        hears(Some(&line))?;
    }
    ControlFlow::Continue(())
}

fn refused<T>(status: StatusCode, headers: &HeaderMap, said: &str) -> Attempt<T> {
    let words = if said.is_empty() { format!("the server answered {}", status.as_u16()) } else { format!("the server answered {} ({said})", status.as_u16()) };
    match status {
        StatusCode::UNAUTHORIZED => Attempt::Failed(Failure::Unknown),
        StatusCode::FORBIDDEN => Attempt::Failed(Failure::Forbidden),
        StatusCode::NOT_FOUND => Attempt::Failed(Failure::Absent),
        StatusCode::GONE => Attempt::Failed(Failure::Expired),
        StatusCode::TOO_MANY_REQUESTS => Attempt::Again(words, retry_after(headers)),
        status if status.is_server_error() => Attempt::Again(words, retry_after(headers)),
        _ => Attempt::Failed(Failure::Other(words)),
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The pause after a failed attempt: what the server asks for, else doubling, each with up to half of it more by chance.
fn pause(attempt: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let doubled = PAUSE.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
    asked.unwrap_or(doubled).min(LONGEST_PAUSE).mul_f64(1.0 + chance.clamp(0.0, 1.0) / 2.0)
}

/// The reason code of a refusal (`Expired`, `TooManyRequests`), without the message, which may quote what was sent.
fn reason_in(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        reason: Option<String>,
    }
    let reason = serde_json::from_slice::<Status>(body).ok().and_then(|status| status.reason).unwrap_or_default();
    if reason.len() <= 64 && reason.bytes().all(|byte| byte.is_ascii_alphabetic()) { reason } else { String::new() }
}

/// Why a request failed, by its innermost cause: the outer ones only say that a request failed.
fn reason_of(error: &kube::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Opens connections by way of what the operator allows.
#[derive(Clone)]
struct Opener(Arc<dyn Connect>);

impl Service<Uri> for Opener {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connect = self.0.clone();
        Box::pin(async move {
            let (host, port) = host_and_port(&uri).ok_or_else(|| io::Error::other("the address of the API server names no host"))?;
            let stream = connect.connect(host, port).await.map_err(|reason| io::Error::other(format!("{host}, port {port}, cannot be reached: {reason}")))?;
            stream.set_nodelay(true).ok();
            Ok(TokioIo::new(stream))
        })
    }
}

/// The host without brackets, and the port.
pub(super) fn host_and_port(uri: &Uri) -> Option<(&str, u16)> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_the_server_may_ask_for_longer_ones_within_reason() {
        assert_eq!(pause(1, None, 0.0), PAUSE);
        assert_eq!(pause(3, None, 0.0), PAUSE * 4);
        assert_eq!(pause(1, Some(Duration::from_secs(7)), 0.0), Duration::from_secs(7));
        assert_eq!(pause(1, Some(Duration::from_hours(24)), 1.0), LONGEST_PAUSE * 3 / 2);
    }

    #[test]
    fn a_refusal_is_told_by_its_code_and_never_by_what_it_quotes() {
        assert_eq!(reason_in(br#"{"kind":"Status","reason":"Expired","message":"canary"}"#), "Expired");
        assert_eq!(reason_in(br#"{"reason":"canary 4711"}"#), "");
        assert_eq!(reason_in(b"canary"), "");
    }
}
