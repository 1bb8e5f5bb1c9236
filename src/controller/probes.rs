//! The routes by which whoever runs Bowline looks after it.
//!
//! ```text
//! GET  /healthz   200 while it works
//! GET  /readyz    200 once it is of use
//! GET  /metrics   what Prometheus scrapes
//! ```

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};

use super::metrics::{Exposition, Metrics};
use super::pulse::Pulse;

/// Whether something works, for probes.
pub trait Vital: Send + Sync {
    /// Whether it works. If not, a fresh start is the best that can be done.
    fn alive(&self) -> bool;

    /// Whether it is of use yet.
    fn ready(&self) -> bool;
}

impl Vital for Pulse {
    fn alive(&self) -> bool {
        Self::alive(self)
    }

    fn ready(&self) -> bool {
        Self::ready(self)
    }
}

/// What a probe is answered with: a status and one line.
type Answer = (StatusCode, &'static str);

const OK: Answer = (StatusCode::OK, "ok\n");
const STUCK: Answer = (StatusCode::SERVICE_UNAVAILABLE, "no pass has begun for three intervals\n");
const NOT_READY: Answer = (StatusCode::SERVICE_UNAVAILABLE, "no pass has gone well yet\n");

/// `/healthz` and `/readyz`.
pub fn probes(vital: Arc<dyn Vital>) -> Router {
    let other = vital.clone();
    Router::new()
        .route("/healthz", get(async move || if other.alive() { OK } else { STUCK }))
        .route("/readyz", get(async move || if vital.ready() { OK } else { NOT_READY }))
}

/// `/metrics`.
pub fn metrics(metrics: Arc<Metrics>) -> Router {
    let answer = async move |headers: HeaderMap| {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let exposition = Exposition::wanted(accept);
        ([(header::CONTENT_TYPE, exposition.content_type())], metrics.render(exposition))
    };
    Router::new().route("/metrics", get(answer))
}
