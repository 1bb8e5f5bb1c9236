//! The source `ssh`: machines that run Linux, each asked over SSH for what the source `host` says of this one.
//!
//! ```text
//! check      what is wrong with the declaration; the machines    pure
//! known      whether a host may show a key                       pure
//! commands   the fixed list of what is run                       pure
//! facts      what the answers say                                pure (with the parsers of `host`)
//! client     one machine: key, login, commands within bounds
//! stream     a connection that ends
//! ```
//!
//! A host whose key is not known, or is another than is known, is never asked and learns nothing: no key is trusted because it is the first. A
//! machine is in the answer whole or not at all; those that failed are named, the answer is incomplete, and the others stay.

pub(crate) mod check;
mod client;
mod commands;
mod facts;
mod known;
mod stream;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::places::{self, Patience, Problems};
use super::reach::Reach;
use super::tls::Endpoint;
use super::{Answer, Observation, Source};
use crate::access::web::one_line;
use crate::api::Text;
use crate::api::discovery_source::SshSource as Spec;
use crate::credentials::host_keys::{PORT, known_as};
use client::{Account, Ask};
use known::{Known, Trust};

/// How many machines are asked at once.
const AT_ONCE: usize = 16;
/// How much longer a connection lasts than a machine is waited for.
const GRACE: Duration = Duration::from_secs(5);
/// The largest file of known hosts, in bytes.
const LARGEST: u64 = 16 << 20;

/// Machines without an agent.
pub struct SshSource {
    name: Text,
    spec: Arc<Spec>,
    hosts: Vec<Endpoint>,
    reach: Reach,
    time: Duration,
}

/// What a machine says, and what is not known of it.
struct Found {
    item: Observation,
    /// Essential parts, without which the answer is incomplete.
    missing: Vec<String>,
    /// What was left out besides.
    left_out: Option<String>,
}

impl SshSource {
    /// A source that asks the machines of `spec` within `time`. An error says what is wrong with them.
    pub fn new(name: Text, spec: Spec, reach: &Reach, time: Duration) -> Result<Self, String> {
        if let Some((at, reason)) = check::mistakes(&spec).into_iter().next() {
            return Err(format!("{at}: {reason}"));
        }
        Ok(Self { name, hosts: check::hosts(&spec), spec: Arc::new(spec), reach: reach.clone(), time })
    }

    /// What is known of the hosts' keys, by the operator and by the estate.
    fn trust(&self) -> Result<Trust, String> {
        let by_operator = self.reach.credentials.host_keys(&self.spec.credentials);
        let file = by_operator.known_hosts.as_deref().map(operators).transpose()?.unwrap_or_default();
        let own = self.spec.known_hosts.as_ref().map(|path| bounded(self.reach.files.open(path)?, path)).transpose()?.unwrap_or_default();
        Ok(Trust { operator: Known::new(&file, by_operator.fingerprints), estate: Known::new(&own, Vec::new()) })
    }

    /// Asks all machines to which the credential may go.
    async fn ask(&self, problems: &mut Problems) -> Result<Vec<Found>, String> {
        let (mut allowed, mut credential) = (Vec::new(), None);
        for host in &self.hosts {
            match self.reach.credentials.for_host(&self.spec.credentials, &host.to_string()) {
                Ok(found) => {
                    credential = Some(found.clone());
                    allowed.push(host.clone());
                }
                Err(error) => problems.gap(format!("{}: {error}", key_of(host))),
            }
        }
        let Some(credential) = credential else { return Ok(Vec::new()) };
        let user = self.spec.user.clone();
        let account = tokio::task::spawn_blocking(move || client::account(&credential, user.as_deref())).await;
        let account = account.map_err(|_| "reading its key was broken off".to_owned())??;
        let trust = Arc::new(self.trust()?);
        let each = check::each(&self.spec);
        let how = |host: Endpoint| {
            let (account, trust, spec, reach) = (account.clone(), trust.clone(), self.spec.clone(), self.reach.clone());
            async move { machine(&host, &reach, account, trust, &spec, each).await }
        };
        let answers = places::ask(allowed, "machines", Patience { at_once: AT_ONCE, each, all: self.time }, how).await;
        let redactor = self.reach.credentials.redactor();
        let mut found = Vec::new();
        for (host, answer) in answers {
            match answer {
                Ok(machine) => found.push(machine),
                Err(reason) => problems.gap(format!("{}: {}", key_of(&host), one_line(&redactor.redact(&reason)))),
            }
        }
        Ok(found)
    }
}

/// Asks one machine, at an address that may be reached.
async fn machine(host: &Endpoint, reach: &Reach, account: Account, trust: Arc<Trust>, spec: &Spec, time: Duration) -> Result<Found, String> {
    let stream = reach.connect.connect(&host.host, host.port).await.map_err(|reason| format!("it cannot be reached: {reason}"))?;
    let ask = Ask { name: known_as(&host.host, host.port), account, trust, packages: spec.packages != Some(false), time: time + GRACE };
    let (machine, left_out) = client::look(stream, ask).await?;
    let (item, missing) = machine.into_observation(spec.class.as_deref(), None);
    let told = |what: String| format!("{}: {what}", key_of(host));
    let left_out = left_out.map(|reason| told(format!("packages were left out: {reason}")));
    Ok(Found { item, missing: missing.into_iter().map(told).collect(), left_out })
}

fn key_of(host: &Endpoint) -> Text {
    host.short(PORT)
}

fn operators(path: &Path) -> Result<String, String> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| format!("`{shown}` cannot be read: {}", error.kind()))?;
    bounded(Box::new(file), &shown)
}

fn bounded(file: Box<dyn Read + Send>, path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| format!("`{path}` cannot be read: {}", error.kind()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("`{path}` is larger than {} MiB", LARGEST >> 20));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[async_trait]
impl Source for SshSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let evidence = match self.hosts.as_slice() {
            [one] => format!("{} by SSH", key_of(one)).into(),
            hosts => format!("{} machines by SSH", hosts.len()).into(),
        };
        let answer = Answer { source: self.name.clone(), at: now, evidence, ..Answer::default() };
        let mut problems = Problems::default();
        let found = match self.ask(&mut problems).await {
            Ok(found) => found,
            Err(reason) => return Answer { error: Some(reason.into()), ..answer },
        };
        let mut items = Vec::with_capacity(found.len());
        for Found { item, missing, left_out } in found {
            items.push(item);
            for what in missing {
                problems.gap(what);
            }
            problems.texts.extend(left_out);
        }
        items.sort_by(|one, other| (&one.name, &one.key).cmp(&(&other.name, &other.key)));
        Answer { complete: !problems.gap, error: problems.text(), items, ..answer }
    }
}
