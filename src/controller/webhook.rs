//! The routes of the listener: webhooks of GitHub, Gitea and Forgejo, and whether the loop lives.
//!
//! ```text
//! POST /webhooks/github   signed in X-Hub-Signature-256
//! POST /webhooks/gitea    signed in X-Gitea-Signature, X-Forgejo-Signature or X-Hub-Signature-256
//! GET  /healthz           200 while the loop lives
//! GET  /readyz            200 once a pass has gone well
//! ```
//!
//! Everything that a stranger can send is refused before it costs anything: by its headers, then while it is read, then by
//! its signature; only then is it parsed. Nothing of a body or the secret is logged or answered.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, Request, StatusCode, header};

use super::body::{self, Unread};
use super::event::{self, Verdict};
use super::probes::probes;
use super::pulse::Pulse;
use super::seen::Seen;
use super::signature::{self, Key, Signature};

/// The largest body in bytes. GitHub sends up to 25 MB; what is over this is a push of thousands of commits, which polling
/// finds as well, and five times less to hold for whoever connects.
pub const LARGEST: usize = 5 * 1024 * 1024;
/// How long a body may take.
const TIME_FOR_BODY: Duration = Duration::from_secs(10);

/// What the listener answers with: a status and one line.
type Answer = (StatusCode, &'static str);

/// What takes deliveries.
#[derive(Debug)]
pub struct Inbox {
    pulse: Arc<Pulse>,
    key: RwLock<Key>,
    seen: Mutex<Seen>,
    held: Arc<AtomicUsize>,
    time_for_body: Duration,
}

impl Inbox {
    /// One that asks this pulse for passes, and takes what is signed with this key.
    pub fn new(pulse: Arc<Pulse>, key: Key) -> Self {
        Self { pulse, key: RwLock::new(key), seen: Mutex::default(), held: Arc::default(), time_for_body: TIME_FOR_BODY }
    }

    /// The same with another time for a body.
    #[must_use]
    pub fn with_time_for_body(self, time_for_body: Duration) -> Self {
        Self { time_for_body, ..self }
    }

    /// Takes what is signed with another key from now on.
    pub fn renew(&self, key: Key) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    fn verifies(&self, body: &[u8], signature: &Signature) -> bool {
        self.key.read().unwrap_or_else(PoisonError::into_inner).verifies(body, signature)
    }

    fn is_new(&self, number: Option<&str>, signature: &Signature) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_new(number, signature, Instant::now())
    }
}

/// How a signature stands in a header.
type ReadSignature = fn(&str) -> Option<Signature>;

/// How a forge signs and names what it delivers.
struct Manner {
    /// The headers that may hold the signature, and how; the first that is there counts.
    signatures: &'static [(&'static str, ReadSignature)],
    events: &'static [&'static str],
    numbers: &'static [&'static str],
}

const GITHUB: Manner = Manner { signatures: &[("x-hub-signature-256", signature::prefixed)], events: &["x-github-event"], numbers: &["x-github-delivery"] };

const GITEA: Manner = Manner {
    signatures: &[("x-gitea-signature", signature::plain), ("x-forgejo-signature", signature::plain), ("x-hub-signature-256", signature::prefixed)],
    events: &["x-gitea-event", "x-forgejo-event", "x-github-event"],
    numbers: &["x-gitea-delivery", "x-forgejo-delivery", "x-github-delivery"],
};

/// The routes.
pub fn router(inbox: Arc<Inbox>) -> Router {
    let vital = probes(inbox.pulse.clone());
    Router::new()
        .route("/webhooks/github", post(|State(inbox): State<Arc<Inbox>>, request: Request<Body>| take(inbox, &GITHUB, request)))
        .route("/webhooks/gitea", post(|State(inbox): State<Arc<Inbox>>, request: Request<Body>| take(inbox, &GITEA, request)))
        .with_state(inbox)
        .merge(vital)
}

const WRONG_TYPE: Answer = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "set the webhook's content type to application/json\n");
const TOO_LARGE: Answer = (StatusCode::PAYLOAD_TOO_LARGE, "too large\n");
const TOO_SLOW: Answer = (StatusCode::REQUEST_TIMEOUT, "too slow\n");
const CUT_SHORT: Answer = (StatusCode::BAD_REQUEST, "cut short\n");
const BUSY: Answer = (StatusCode::SERVICE_UNAVAILABLE, "busy\n");
const NOT_OURS: Answer = (StatusCode::UNAUTHORIZED, "not signed as agreed\n");
const SEEN: Answer = (StatusCode::CONFLICT, "already seen\n");
const NOT_JSON: Answer = (StatusCode::BAD_REQUEST, "not JSON\n");
const PONG: Answer = (StatusCode::OK, "pong\n");
const IGNORED: Answer = (StatusCode::ACCEPTED, "ignored\n");
const PASS: Answer = (StatusCode::ACCEPTED, "a pass follows\n");

async fn take(inbox: Arc<Inbox>, manner: &'static Manner, request: Request<Body>) -> Answer {
    let answer = judge(&inbox, manner, request).await.unwrap_or_else(|refusal| refusal);
    if answer.0.is_client_error() {
        tracing::info!(status = answer.0.as_u16(), "a webhook delivery was refused: {}", answer.1.trim_end());
    }
    answer
}

async fn judge(inbox: &Inbox, manner: &Manner, request: Request<Body>) -> Result<Answer, Answer> {
    let (parts, mut body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(WRONG_TYPE);
    }
    let signature = signature_of(&parts.headers, manner).ok_or(NOT_OURS)?;
    let held = body::read(&mut body, LARGEST, inbox.time_for_body, &inbox.held).await.map_err(unread)?;
    if !inbox.verifies(&held.bytes, &signature) {
        return Err(NOT_OURS);
    }
    let number = manner.numbers.iter().find_map(|name| text(&parts.headers, name));
    if !inbox.is_new(number, &signature) {
        return Err(SEEN);
    }
    let event = manner.events.iter().find_map(|name| text(&parts.headers, name)).unwrap_or_default();
    let verdict = event::judge(event, &held.bytes, &inbox.pulse.watched()).ok_or(NOT_JSON)?;
    tracing::debug!(event = %event.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect::<String>(), ?verdict, "a webhook delivery");
    Ok(match verdict {
        Verdict::Pass => {
            inbox.pulse.ask();
            PASS
        }
        Verdict::Ping => PONG,
        Verdict::Ignored => IGNORED,
    })
}

fn unread(why: Unread) -> Answer {
    match why {
        Unread::TooLarge => TOO_LARGE,
        Unread::TooSlow => TOO_SLOW,
        Unread::CutShort => CUT_SHORT,
        Unread::Busy => BUSY,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The signature by the first of the forge's headers that is there; none if that is no signature, or is there twice.
fn signature_of(headers: &HeaderMap, manner: &Manner) -> Option<Signature> {
    let (name, read) = manner.signatures.iter().find(|(name, _)| headers.contains_key(*name))?;
    read(text(headers, name)?)
}

/// The one value of a header.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}
