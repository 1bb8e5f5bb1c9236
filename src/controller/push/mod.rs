//! The route by which agents and scripts bring facts.
//!
//! ```text
//! POST /v1/observations?source=NAME[&estate=NAME][&complete=true[&at=INSTANT]]
//!   Authorization: Bearer TOKEN          of the source
//!   Content-Type: application/x-ndjson   one observation a line, in Bowline's own form
//!
//! 200 {"source", "taken", "unchanged", "older", "gone", "known"}   it is on the disk
//! 400 {"error", "lines"}     nothing was taken       413 too much          429 too often: Retry-After
//! 401 no such source, or not its token               415 another form      503 not now: Retry-After
//! ```
//!
//! `desk` says who may push what where, `rate` (pure) how often. A stranger is refused by the head of the request: of its body up to 1 MiB is read,
//! and dropped; a batch is taken as a whole or not at all, and answered once it is on the disk. Nothing of a body or a token is logged or answered. It asks
//! for no pass: an agent must not be able to have every other source asked. The next pass sees what was brought.

mod desk;
mod rate;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use jiff::{SignedDuration, Timestamp};
use reqwest::Url;
use serde::Serialize;
use serde_json::{Value, json};

use super::body::{self, Unread};
use crate::api::Text;
use crate::discovery::push::batch::{self, LARGEST, Refusal};
use crate::discovery::push::facts::{Batch, MOST_BYTES, MOST_FACTS, Taken};
use crate::discovery::push::shelf::ShelfError;
use desk::Asker;

pub use desk::{Desk, folder};

/// How far the clock of whoever pushes may be ahead, in seconds.
const AHEAD: i64 = 5 * 60;
/// After how many seconds it is worth to try again what could not be taken for a reason of our own.
const SOON: u64 = 5;
/// What a batch may be called.
const FORMS: [&str; 4] = ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];

/// The route.
pub fn router(desk: Arc<Desk>) -> Router {
    Router::new().route("/v1/observations", post(|State(desk): State<Arc<Desk>>, request: Request<Body>| take(desk, request))).with_state(desk)
}

/// What is answered.
struct Reply {
    status: StatusCode,
    /// JSON.
    body: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Reply {
    fn refusal(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, body: json!({"error": error.into()}).to_string(), header: None }
    }

    /// One that is to be asked again after so many seconds.
    fn later(status: StatusCode, seconds: u64, error: impl Into<String>) -> Self {
        Self { header: Some((header::RETRY_AFTER, HeaderValue::from(seconds))), ..Self::refusal(status, error) }
    }

    fn stranger() -> Self {
        let header = Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        Self { header, ..Self::refusal(StatusCode::UNAUTHORIZED, "there is no such source, or this is not its token") }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], format!("{}\n", self.body)).into_response();
        response.headers_mut().extend(self.header);
        response
    }
}

async fn take(desk: Arc<Desk>, request: Request<Body>) -> Reply {
    let (parts, mut body) = request.into_parts();
    match judge(&desk, &parts.uri, &parts.headers, &mut body).await {
        Ok((source, taken)) => {
            tracing::debug!(source = &*source, taken = taken.taken, unchanged = taken.unchanged, older = taken.older, gone = taken.gone, "a batch was taken");
            let body = serde_json::to_string(&Told { source: &source, taken }).unwrap_or_default();
            Reply { status: StatusCode::OK, body, header: None }
        }
        Err(refusal) => {
            tracing::info!(status = refusal.status.as_u16(), "a batch of observations was refused");
            body::drain(&mut body).await;
            refusal
        }
    }
}

/// What is told of a batch that was taken.
#[derive(Serialize)]
struct Told<'a> {
    source: &'a Text,
    #[serde(flatten)]
    taken: Taken,
}

async fn judge(desk: &Desk, uri: &Uri, headers: &HeaderMap, body: &mut Body) -> Result<(Text, Taken), Reply> {
    let asked = Asked::of(uri).map_err(|reason| Reply::refusal(StatusCode::BAD_REQUEST, reason))?;
    let place = match desk.asker(asked.estate.as_deref(), &asked.source, token(headers).unwrap_or_default()) {
        Asker::Of(place) => place,
        Asker::Nobody => return Err(Reply::stranger()),
        Asker::TooEarly => return Err(Reply::later(StatusCode::SERVICE_UNAVAILABLE, SOON, "the estate was not read yet")),
    };
    place.may_come(Instant::now()).map_err(|wait| {
        let seconds = wait.as_secs() + 1;
        Reply::later(StatusCode::TOO_MANY_REQUESTS, seconds, "this source takes no more batches for the moment (`perMinute`)")
    })?;
    is_form(headers)?;
    let held = body::read(body, LARGEST, desk.time_for_body, &desk.held).await.map_err(unread)?;
    let now = Timestamp::now();
    let latest = now.checked_add(SignedDuration::from_secs(AHEAD)).unwrap_or(Timestamp::MAX);
    let at = asked.at.unwrap_or(now);
    if at > latest {
        return Err(Reply::refusal(StatusCode::BAD_REQUEST, format!("`at` is in the future: {at}")));
    }
    let (source, room) = (place.source.clone(), desk.room(&place));
    // Off the threads that wait for others, and done even if whoever sent it does not wait for the answer. What is held is counted until then.
    let keeping = tokio::task::spawn_blocking(move || {
        let facts = batch::parse(&held.bytes, at, latest).map_err(|refusal| refused(&refusal))?;
        let taken = place.take(Batch { facts, whole: asked.complete.then_some(at) }, now, room).map_err(not_kept);
        drop(held);
        taken
    });
    let defect = |_| Reply::refusal(StatusCode::INTERNAL_SERVER_ERROR, "this failed because of a defect in Bowline; please report it");
    keeping.await.map_err(defect)?.map(|taken| (source, taken))
}

fn refused(refusal: &Refusal) -> Reply {
    let lines: Vec<Value> = refusal.lines.iter().map(|(line, error)| json!({"line": line, "error": error})).collect();
    Reply { status: StatusCode::BAD_REQUEST, body: json!({"error": refusal.reason, "lines": lines}).to_string(), header: None }
}

fn not_kept(error: ShelfError) -> Reply {
    match error {
        ShelfError::Full(full) => {
            let (own, all) = (MOST_BYTES >> 20, desk::MOST_IN_ALL >> 20);
            let most = format!("{full}: at most {MOST_FACTS} observations and {own} MiB of a source, {all} MiB in all; nothing of the batch was taken");
            Reply::refusal(StatusCode::PAYLOAD_TOO_LARGE, most)
        }
        ShelfError::Unkept(reason) => {
            tracing::warn!("a batch of observations was not kept: {reason}");
            Reply::later(StatusCode::SERVICE_UNAVAILABLE, SOON, reason)
        }
    }
}

/// What the address asks for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    source: String,
    estate: Option<String>,
    complete: bool,
    at: Option<Timestamp>,
}

impl Asked {
    fn of(uri: &Uri) -> Result<Self, String> {
        let mut asked = Self::default();
        let mut seen = Vec::new();
        let query = uri.query().unwrap_or_default();
        let url = Url::parse(&format!("http://bowline/?{query}")).map_err(|_| "the address cannot be read")?;
        for (name, value) in url.query_pairs() {
            match &*name {
                "source" => asked.source = value.into_owned(),
                "estate" => asked.estate = Some(value.into_owned()),
                "complete" => asked.complete = value.parse().map_err(|_| "`complete` is true or false")?,
                "at" => asked.at = Some(value.parse().map_err(|_| "`at` is an instant, such as 2026-11-25T08:00:00Z")?),
                _ => return Err("the address has a parameter other than `source`, `estate`, `complete` and `at`".to_owned()),
            }
            if seen.contains(&name) {
                return Err("the address has a parameter twice".to_owned());
            }
            seen.push(name);
        }
        if asked.source.is_empty() {
            return Err("name the source: `?source=NAME`".to_owned());
        }
        if asked.at.is_some() && !asked.complete {
            return Err("`at` goes with `complete=true`; an observation says itself when it was `seen`".to_owned());
        }
        Ok(asked)
    }
}

/// The token that is shown.
fn token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?.as_bytes();
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn is_form(headers: &HeaderMap) -> Result<(), Reply> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
    let form = text(header::CONTENT_TYPE).unwrap_or_default();
    let form = form.split(';').next().unwrap_or_default().trim();
    let plain = text(header::CONTENT_ENCODING).is_none_or(|encoding| encoding.trim() == "identity");
    if FORMS.contains(&form) && plain {
        return Ok(());
    }
    let words = "send one JSON observation a line, with `Content-Type: application/x-ndjson` and not compressed";
    Err(Reply::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, words))
}

fn unread(why: Unread) -> Reply {
    match why {
        Unread::TooLarge => Reply::refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("a batch has at most {} MiB; send several", LARGEST >> 20)),
        Unread::TooSlow => Reply::refusal(StatusCode::REQUEST_TIMEOUT, "the batch did not come within its time"),
        Unread::CutShort => Reply::refusal(StatusCode::BAD_REQUEST, "the batch was cut short"),
        Unread::Busy => Reply::later(StatusCode::SERVICE_UNAVAILABLE, SOON, "too much is being sent at once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, String> {
        Asked::of(&format!("/v1/observations{query}").parse().unwrap())
    }

    #[test]
    fn an_address_says_what_is_sent_and_nothing_else() {
        let expected = Asked { source: "a b".into(), estate: Some("e".into()), complete: true, at: Some("2026-11-25T08:00:00Z".parse().unwrap()) };
        assert_eq!(asked("?source=a%20b&estate=e&complete=true&at=2026-11-25T08:00:00Z"), Ok(expected));
        for query in ["", "?", "?source=", "?source=a&source=b", "?source=a&complete=yes", "?source=a&complet=true", "?source=a&at=2026-11-25T08:00:00Z"] {
            assert!(asked(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_token_is_shown_once_and_as_bearer() {
        let of = |values: &[&str]| {
            let headers: HeaderMap = values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect();
            token(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(of(&["Bearer abc"]).as_deref(), Some(&b"abc"[..]));
        assert_eq!(of(&["bearer  abc "]).as_deref(), Some(&b"abc"[..]));
        for values in [&[][..], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer abc", "Bearer abc"]] {
            assert_eq!(of(values), None, "{values:?}");
        }
    }
}
