//! The log, on standard error: text for people, or one line of JSON for each thing that is said. No credential's value reaches
//! it, whoever logs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bowline::controller::traces::Traces;
use bowline::credentials::{Redactor, Redactors};
use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::options::{Options, colour};
use bowline::failure::Failure;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// Each line is JSON
    Json,
}

/// Whether everything on standard error is a line of JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// What no line may tell.
static REDACTORS: OnceLock<Arc<Redactors>> = OnceLock::new();

/// What no line may tell: whoever reads a credential later on has it learnt here.
pub fn redactors() -> Arc<Redactors> {
    REDACTORS.get_or_init(Arc::default).clone()
}

/// Starts the log, and sends traces where they are wanted.
pub fn start(options: &Options, redactor: Redactor, traces: Option<&Traces>) {
    let json = options.log_format == Format::Json;
    JSON.store(json, Ordering::Relaxed);
    let level = match options.verbose {
        // The line of a pass is information.
        0 if json => "warn,bowline=info,async_snmp=off",
        // That library calls each request without an answer an error; what comes of it is told in the source's answer.
        0 => "warn,async_snmp=off",
        1 => "bowline=info",
        _ => "bowline=debug",
    };
    let filter = EnvFilter::try_from_env("BOWLINE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let redactors = redactors();
    redactors.learn("", redactor);
    let writer = move || redactors.writer(std::io::stderr());
    let lines = fmt::layer().with_ansi(!json && colour(&std::io::stderr())).with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).with_filter(filter).boxed()
    } else {
        lines.with_target(false).with_filter(filter).boxed()
    };
    let _ = tracing_subscriber::registry().with(lines).with(traces.map(Traces::layer)).try_init();
}

/// Whether the log is JSON.
pub fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Something that whoever watches should know.
pub fn say(text: &str) {
    if is_json() {
        tracing::info!("{text}");
    } else {
        eprintln!("{text}");
    }
}

/// Something that is not as it should be.
pub fn warn(text: &str) {
    if is_json() {
        tracing::warn!("{text}");
    } else {
        eprintln!("warning: {text}");
    }
}

/// Why the command as a whole could not do what it was asked.
pub fn fail(failure: &Failure) {
    if is_json() {
        tracing::error!("{failure}");
    } else {
        eprintln!("{failure}");
    }
}
