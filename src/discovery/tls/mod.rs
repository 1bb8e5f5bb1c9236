//! The source `tls`: certificates of endpoints and files.
//!
//! ```text
//! endpoint  host:port in its one form                pure
//! connect   one handshake: what an endpoint shows
//! files     patterns below the estate's root
//! read      a certificate's facts                    pure (name and algorithm: its parts)
//! verify    does the chain verify, is it for the host
//! ```
//!
//! Each place (endpoint or file) is one observation, even where two show the same certificate: what one place does not
//! renew is that place's trouble. Nothing but public certificates is kept.

mod algorithm;
pub mod connect;
pub mod endpoint;
mod files;
mod name;
pub mod read;
mod verify;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName};

pub use connect::{Connect, Direct};
pub use endpoint::Endpoint;

use super::places::{self, Patience, Problems};
use super::{Answer, Observation, Source};
use crate::api::discovery_source::TlsSource as Spec;
use crate::api::{Table, Text, Value, intern};
use connect::Shown;
use files::Root;
use verify::Authorities;

/// How long one endpoint may take, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long all endpoints together may take: within what a source may take by default (60 s), so that the ones that answered are
/// not lost for those that do not.
const DEADLINE: Duration = Duration::from_secs(55);
/// How many endpoints are asked at once.
const AT_ONCE: usize = 16;

/// Certificates of endpoints and files.
pub struct TlsSource {
    name: Text,
    spec: Spec,
    endpoints_of_policies: Vec<Text>,
    root: PathBuf,
    connector: Arc<dyn Connect>,
    timeout: Duration,
    deadline: Duration,
}

impl TlsSource {
    /// A source that looks at the endpoints of `spec` and of the certificate policies, and at the files of `spec` below
    /// `root`.
    pub fn new(name: Text, spec: Spec, endpoints_of_policies: Vec<Text>, root: PathBuf, connector: Arc<dyn Connect>) -> Self {
        Self { name, spec, endpoints_of_policies, root, connector, timeout: TIMEOUT, deadline: DEADLINE }
    }

    /// The same with another time for each endpoint. Default: 10 s.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The same with another time for all endpoints together; what was not asked by then is named. Default: 55 s.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Every endpoint once, by its normal form.
    fn endpoints(&self, problems: &mut Problems) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for text in self.spec.endpoints.iter().chain(&self.endpoints_of_policies) {
            match text.parse() {
                Ok(endpoint) => endpoints.push(endpoint),
                Err(error) => problems.gap(error),
            }
        }
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }

    /// Asks the endpoints side by side, until the deadline.
    async fn ask(&self, endpoints: Vec<Endpoint>) -> BTreeMap<Endpoint, Result<Shown, String>> {
        let patience = Patience { at_once: AT_ONCE, each: self.timeout, all: self.deadline };
        let look = |endpoint: Endpoint| {
            let connector = self.connector.clone();
            async move { connect::look(&*connector, &endpoint).await }
        };
        places::ask(endpoints, "endpoints", patience, look).await
    }
}

#[async_trait]
impl Source for TlsSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let mut problems = Problems::default();
        let endpoints = self.endpoints(&mut problems);
        let asked = endpoints.len();
        let shown = self.ask(endpoints).await;
        let (spec, root) = (self.spec.clone(), self.root.clone());
        let read = tokio::task::spawn_blocking(move || {
            let items = observations(&spec, &root, shown, now, &mut problems);
            (items, problems)
        });
        let answer = Answer { source: self.name.clone(), at: now, evidence: evidence(asked, self.spec.files.len()), ..Answer::default() };
        match read.await {
            Ok((items, problems)) => Answer { complete: !problems.gap, error: problems.text(), items, ..answer },
            Err(_) => Answer { error: Some("reading the certificates was broken off".into()), ..answer },
        }
    }
}

fn evidence(endpoints: usize, patterns: usize) -> Text {
    format!("{endpoints} TLS endpoints, {patterns} patterns of files").into()
}

fn observations(
    spec: &Spec,
    root: &std::path::Path,
    shown: BTreeMap<Endpoint, Result<Shown, String>>,
    now: Timestamp,
    problems: &mut Problems,
) -> Vec<Observation> {
    let mut items = Vec::new();
    let root = if spec.files.is_empty() && spec.authorities.is_none() { None } else { Root::open(root).map_err(|error| problems.gap(error)).ok() };
    let authorities = if shown.is_empty() && spec.files.is_empty() { None } else { trusted(spec, root.as_ref(), problems) };
    for (endpoint, shown) in shown {
        let item =
            shown.map_err(|error| format!("{endpoint} cannot be reached: {error}")).and_then(|shown| of_endpoint(&endpoint, &shown, authorities.as_ref(), now));
        match item {
            Ok(item) => items.push(item),
            Err(error) => problems.gap(error),
        }
    }
    if let Some(root) = &root {
        let (files, errors) = root.files(&spec.files);
        for error in errors {
            problems.gap(error);
        }
        for file in files {
            match root.read(&file).and_then(|bytes| of_file(&file, &bytes, authorities.as_ref())) {
                Ok(item) => items.extend(item),
                Err(error) => problems.gap(format!("{file}: {error}")),
            }
        }
    }
    items
}

/// Whom to trust; none if that is not known, and then no chain is judged.
fn trusted(spec: &Spec, root: Option<&Root>, problems: &mut Problems) -> Option<Authorities> {
    let own = match (&spec.authorities, root) {
        (None, _) => Vec::new(),
        (Some(_), None) => return None,
        (Some(path), Some(root)) => match root.read(path).and_then(|bytes| read::certificates_in(&bytes)) {
            Ok(own) if own.is_empty() => {
                problems.gap(format!("{path}: it holds no certificate, so no chain was verified"));
                return None;
            }
            Ok(own) => own,
            Err(error) => {
                problems.gap(format!("{path}: {error}, so no chain was verified"));
                return None;
            }
        },
    };
    let named = spec.authorities.as_deref().unwrap_or("authorities");
    Authorities::new(own).map_err(|error| problems.texts.push(format!("{named}: {error}; no chain was verified"))).ok()
}

fn of_endpoint(endpoint: &Endpoint, shown: &Shown, authorities: Option<&Authorities>, now: Timestamp) -> Result<Observation, String> {
    let facts = read::facts(&shown.leaf, &shown.chain, &known(authorities)).map_err(|error| format!("{endpoint}: its certificate cannot be read: {error}"))?;
    let mut more = vec![("endpoint", Value::from(endpoint.to_string()))];
    more.extend(shown.version.map(|version| ("tlsVersion", Value::from(version))));
    if let Some(authorities) = authorities {
        judged(&mut more, ["chainVerifies", "chainError"], authorities.chain(&shown.leaf, &shown.chain, &facts, now));
    }
    if let Ok(host) = ServerName::try_from(&*endpoint.host) {
        judged(&mut more, ["hostNameVerifies", "hostNameError"], verify::host_name(&shown.leaf, &host));
    }
    Ok(observation(&endpoint.to_string(), &facts.sha256, facts.attributes, more))
}

fn known(authorities: Option<&Authorities>) -> Vec<CertificateDer<'_>> {
    authorities.map(Authorities::certificates).unwrap_or_default()
}

fn judged(attributes: &mut Vec<(&'static str, Value)>, [name, reason]: [&'static str; 2], result: Result<(), String>) {
    attributes.push((name, Value::Bool(result.is_ok())));
    attributes.extend(result.err().map(|error| (reason, Value::from(error))));
}

/// The first certificate of a file is the item, the others are its chain. A file of keys and the like holds none.
fn of_file(path: &str, bytes: &[u8], authorities: Option<&Authorities>) -> Result<Option<Observation>, String> {
    let certificates: Vec<CertificateDer<'static>> = read::certificates_in(bytes)?;
    let Some((leaf, chain)) = certificates.split_first() else { return Ok(None) };
    let facts = read::facts(leaf, chain, &known(authorities))?;
    Ok(Some(observation(path, &facts.sha256, facts.attributes, vec![("file", Value::from(path))])))
}

/// The place is the name: two places may show certificates with the same subject, or the same certificate, and each must
/// be told from the other.
fn observation(place: &str, sha256: &str, facts: Table<Value>, more: Vec<(&'static str, Value)>) -> Observation {
    let more = more.into_iter().map(|(name, value)| (intern(name), value));
    Observation {
        key: place.into(),
        class: intern("certificate"),
        name: place.into(),
        identifiers: [("x509/sha256", Text::from(sha256))].into_iter().collect(),
        attributes: facts.into_iter().chain(more).collect(),
        ..Observation::default()
    }
}
