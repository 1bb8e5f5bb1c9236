//! Traces by OpenTelemetry, sent to a collector over HTTP with Protobuf (OTLP). Only spans of Bowline itself are sent, and none
//! of the log's lines: see [`super::spans`].
//!
//! The usual variables say where and how: `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` (without either
//! nothing is sent), `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`,
//! `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, `OTEL_SDK_DISABLED`. A thread of its own sends; what does not fit its queue is dropped, so that a
//! collector that is slow or gone holds nothing up.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::access::web;
use crate::credentials::redact_url;

/// What says where to send.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// How long a collector may take where no variable says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// The way to a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// As the environment says; none: it asks for no traces. Must not be called in a runtime of tokio.
    ///
    /// # Errors
    /// When the environment asks for what cannot be done, in words.
    pub fn from_environment() -> Result<Option<Self>, String> {
        let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
        let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value.trim().eq_ignore_ascii_case(wanted));
        if !ENDPOINTS.iter().any(|name| set(name)) || is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
            return Ok(None);
        }
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if set(name) && !is(name, "http/protobuf") {
                return Err(format!("{name} asks for another protocol than http/protobuf, the only one that is spoken here (mostly at port 4318)"));
            }
        }
        let failed = |reason: String| format!("traces cannot be sent as the variables OTEL_* say: {}", redact_url(&reason));
        let client = client().map_err(failed)?;
        let builder = opentelemetry_otlp::SpanExporter::builder().with_http().with_http_client(client).with_protocol(Protocol::HttpBinary);
        let exporter = builder.build().map_err(|error| failed(error.to_string()))?;
        let exporter = Exporter { inner: exporter, failing: AtomicBool::new(false) };
        Ok(Some(Self { provider: SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build() }))
    }

    /// What hands Bowline's spans on.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let layer = tracing_opentelemetry::layer().with_location(false).with_threads(false).with_tracked_inactivity(false);
        let layer = layer.with_target(false).with_level(false).with_tracer(self.provider.tracer("bowline"));
        // A line of the log may say anything; it is the log's own writer that takes secrets out of it.
        layer.with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("bowline")))
    }

    /// Sends what is left, for so long at most. Must not be called in a runtime of tokio.
    pub fn stop(self, within: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::debug!("the last traces may be lost: {}", redact_url(&error.to_string()));
        }
    }
}

/// A client under our own rules: our TLS, no redirect, no proxy.
fn client() -> Result<reqwest::blocking::Client, String> {
    let milliseconds = |name: &str| std::env::var(name).ok()?.trim().parse().ok().map(Duration::from_millis);
    let timeout = milliseconds("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or_else(|| milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT")).unwrap_or(PATIENCE);
    let builder = reqwest::blocking::Client::builder().tls_backend_preconfigured(web::tls(&[], None)?).redirect(reqwest::redirect::Policy::none());
    builder.no_proxy().timeout(timeout).build().map_err(|error| web::reason_of(&error.without_url()))
}

/// What the environment says about this process, and what it leaves out.
fn resource() -> Resource {
    let said = Resource::builder().build();
    let unnamed = said.get(&Key::new("service.name")).is_none_or(|name| name.as_str().starts_with("unknown_service"));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if unnamed { builder.with_service_name("bowline").build() } else { builder.build() }
}

/// Sends, and tells once that it cannot.
struct Exporter {
    inner: opentelemetry_otlp::SpanExporter,
    failing: AtomicBool,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its headers may hold a token.
        formatter.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.inner.export(batch).await;
        let failed_before = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed_before => tracing::warn!("traces cannot be sent, and are lost until they can: {}", redact_url(&error.to_string())),
            Ok(()) if failed_before => tracing::info!("traces are sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
