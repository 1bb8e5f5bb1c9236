//! What whoever runs `bowline run` looks after it by: metrics, probes, and one line of the log a pass.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bowline::controller::listen::{self, Bounds};
use bowline::controller::metrics::{Metrics, Outcome};
use bowline::controller::probes::{self, Vital};
use bowline::forge::life::{Outcome as Settled, Standing};
use bowline::plan::Plan;
use clap::Args;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{log, reconcile};
use bowline::failure::Failure;

/// How metrics are had.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Serve /metrics for Prometheus, and /healthz and /readyz, here, for example 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS:PORT", env = "BOWLINE_METRICS", hide_env_values = true)]
    pub metrics: Option<SocketAddr>,
}

/// How much those who scrape may take up: they are few.
const BOUNDS: Bounds = Bounds { connections: 32, time_for_head: Duration::from_secs(5), time_in_all: Duration::from_secs(10) };

impl Arguments {
    /// Serves metrics and probes for as long as the task that is given is not aborted; none: nobody asks for them.
    pub async fn serve(&self, vital: Arc<dyn Vital>, metrics: Arc<Metrics>) -> Result<Option<JoinHandle<()>>, Failure> {
        let Some(address) = self.metrics else { return Ok(None) };
        let listener = bind(address).await?;
        log::say(&format!("Metrics at http://{}/metrics.", listener.local_addr()?));
        let router = probes::probes(vital).merge(probes::metrics(metrics));
        Ok(Some(tokio::spawn(listen::serve(listener, router, BOUNDS))))
    }
}

/// A listening socket.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| Failure::new(format!("cannot listen on {address}: {error}")))
}

/// What one pass was like.
pub struct Report<'a> {
    /// The estate, as metrics and the log call it.
    pub estate: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took in all.
    pub took: Duration,
    /// The longest that a source was asked.
    pub asked: Option<Duration>,
    /// What it found, if it came so far.
    pub plan: Option<&'a Plan>,
    /// What it did, if it came so far.
    pub settled: Option<&'a Settled>,
    /// What is wrong, in words; empty: nothing.
    pub wrong: &'a str,
}

impl Report<'_> {
    /// One line of the log with a field for each number, where the log is JSON. For people there is a sentence instead.
    pub fn log(&self) {
        if !log::is_json() {
            return;
        }
        let summary = self.plan.map(|plan| &plan.summary);
        let did = |verb: &str| self.settled.map(|settled| settled.done.iter().filter(|step| reconcile::verb(&step.action) == verb).count());
        let stand = |wanted: fn(&Standing) -> bool| self.settled.map(|settled| settled.standings.values().filter(|standing| wanted(standing)).count());
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    estate = self.estate,
                    outcome = self.outcome.name(),
                    duration_seconds = self.took.as_secs_f64(),
                    discovery_seconds = self.asked.map(|asked| asked.as_secs_f64()),
                    revision = self.plan.and_then(|plan| plan.revision.as_deref()),
                    declared = summary.map(|summary| summary.declared),
                    discovered = summary.map(|summary| summary.discovered),
                    findings = self.plan.map(|plan| plan.findings.len()),
                    incomplete_sources = self.plan.map(|plan| plan.sources.iter().filter(|source| !source.complete).count()),
                    opened = did("opened"),
                    updated = did("updated"),
                    closed = did("closed"),
                    failed = self.settled.map(|settled| settled.failed.len()),
                    open = stand(|standing| matches!(standing, Standing::Proposed | Standing::HandsOff | Standing::Held | Standing::Conflicts)),
                    waiting = stand(|standing| matches!(standing, Standing::Waiting { .. })),
                    problems = (!self.wrong.is_empty()).then_some(self.wrong),
                    "pass"
                )
            };
        }
        if matches!(self.outcome, Outcome::Failure | Outcome::Partial) {
            line!(warn);
        } else {
            line!(info);
        }
    }
}
