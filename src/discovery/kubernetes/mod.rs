//! The source `kubernetes`: the objects of a cluster.
//!
//! ```text
//! identity     which server, and as whom
//! client       one request: allowed, bounded, patient
//! list         whole lists, page by page; 410 begins one again
//! kinds        what is asked for, paths and names              pure
//! object       JSON read forgivingly                           pure
//! map          object → observation (node, workload, network)  pure
//! certificate  Secret → certificate, never its key             pure
//! links        relations between what was found                pure
//! ```
//!
//! Every pass lists anew: what a watch would have to be told again after it broke (410 Gone) is simply read. What may not be read (403) is
//! named and leaves a gap in the answer; an API that a cluster does not have leaves none, since nothing of its kind can be there.

mod certificate;
mod client;
pub mod identity;
pub mod kinds;
pub mod links;
mod list;
pub mod map;
mod network;
mod node;
mod object;
mod quantity;
mod workload;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use super::tls::Connect;
use super::{Answer, Source};
use crate::api::Text;
use crate::api::discovery_source::{KubernetesResource as Resource, KubernetesSource as Spec};
use client::{Client, DOCUMENTS, Failure, METADATA};
use identity::Means;
use links::Found;
use list::Wanted;

/// How long everything may take by default: within what a source may take (60 s).
const DEADLINE: Duration = Duration::from_secs(55);
/// How many Secrets are read at once.
const AT_ONCE: usize = 8;
/// How many problems an error names; the rest are counted.
const NAMED: usize = 20;
/// How many namespaces may be named.
const NAMESPACES: usize = 1000;

/// The objects of a cluster.
pub struct KubernetesSource {
    name: Text,
    spec: Spec,
    means: Arc<Means>,
    connector: Arc<dyn Connect>,
    deadline: Duration,
}

/// What was found so far, and what is wrong.
#[derive(Default)]
struct Gathered {
    found: Vec<Found>,
    problems: Vec<String>,
    gap: bool,
    nodes: Option<usize>,
}

impl Gathered {
    fn gap(&mut self, text: String) {
        self.gap = true;
        self.problems.push(text);
    }

    fn error(&self) -> Option<Text> {
        let mut text = self.problems.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        if self.problems.len() > NAMED {
            text = format!("{text}; and {} more", self.problems.len() - NAMED);
        }
        (!text.is_empty()).then(|| text.into())
    }
}

impl KubernetesSource {
    /// A source that asks as `means` say, and connects through `connector`.
    pub fn new(name: Text, spec: Spec, means: Means, connector: Arc<dyn Connect>) -> Self {
        Self { name, spec, means: Arc::new(means), connector, deadline: DEADLINE }
    }

    /// The same with another time for everything together; what was not asked by then is named. Default: 55 s.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The client, and the address of the server.
    async fn client(&self) -> Result<(Client, String), String> {
        let (spec, means, connector, deadline) = (self.spec.clone(), self.means.clone(), self.connector.clone(), Instant::now() + self.deadline);
        let made = tokio::task::spawn_blocking(move || {
            let config = means.config(&spec)?;
            Ok((Client::new(&config, connector, deadline)?, config.cluster_url.to_string()))
        });
        made.await.map_err(|_| "setting up the connection was broken off".to_owned())?
    }

    fn namespaces(&self) -> Result<Vec<Option<&str>>, String> {
        let named: Vec<&str> = self.spec.namespaces.iter().map(|name| &**name).collect();
        if let Some(wrong) = named.iter().chain([&&*self.spec.cluster]).find(|name| !kinds::is_label(name)) {
            return Err(format!("`{}` is no name of a namespace or a cluster: it has small letters, digits and `-`, at most 63", wrong.escape_debug()));
        }
        if named.len() > NAMESPACES {
            return Err(format!("more than {NAMESPACES} `namespaces` are named; leave them out to ask for all at once"));
        }
        Ok(if named.is_empty() { vec![None] } else { named.into_iter().map(Some).collect() })
    }

    async fn gather(&self, client: &Client, server: &str, namespaces: &[Option<&str>]) -> Gathered {
        let mut gathered = Gathered::default();
        let asked = kinds::asked(&self.spec.resources, !self.spec.namespaces.is_empty());
        for resource in asked.iter().copied().filter(|resource| *resource != Resource::Cluster) {
            let kind = kinds::kind(resource);
            let everywhere = [None];
            for namespace in if kind.namespaced { namespaces } else { &everywhere } {
                self.list(client, resource, *namespace, &mut gathered).await;
            }
        }
        if asked.contains(&Resource::Cluster) {
            self.cluster(client, server, &mut gathered).await;
        }
        gathered
    }

    async fn list(&self, client: &Client, resource: Resource, namespace: Option<&str>, gathered: &mut Gathered) {
        let (kind, secrets) = (kinds::kind(resource), resource == Resource::TlsSecret);
        let (selector, accept) = if secrets { (Some("type=kubernetes.io/tls"), METADATA) } else { (None, DOCUMENTS) };
        let wanted = Wanted { kind: &kind, namespace, selector, accept };
        let of = |json: &serde_json::Value| (map::map(&self.spec.cluster, resource, &kind, json), secrets.then(|| secret_of(json)).flatten());
        match list::all(client, wanted, &of).await {
            Ok(listed) => {
                if resource == Resource::Node {
                    gathered.nodes = Some(listed.len());
                }
                let unnamed = listed.iter().filter(|(found, _)| found.is_none()).count();
                if unnamed > 0 {
                    gathered.gap(format!("{unnamed} of {} have no uid or name", told(kind.name, namespace)));
                }
                let listed = listed.into_iter().filter_map(|(found, secret)| Some((found?, secret)));
                if secrets { certificates(client, listed, gathered).await } else { gathered.found.extend(listed.map(|(found, _)| found)) }
            }
            Err(Failure::Absent) if kind.optional => {}
            Err(failure) => gathered.gap(format!("{}: {failure}", told(kind.name, namespace))),
        }
    }

    async fn cluster(&self, client: &Client, server: &str, gathered: &mut Gathered) {
        let uid = client.get("/api/v1/namespaces/kube-system", DOCUMENTS, uid_of).await;
        let version = client.get("/version", DOCUMENTS, version_of).await;
        match version.as_ref() {
            Err(failure) if uid.is_ok() => gathered.gap(format!("the cluster's version: {failure}")),
            _ => {}
        }
        match uid {
            Ok(uid) => gathered.found.push(map::cluster(&self.spec.cluster, &uid, version.ok().as_deref(), server, gathered.nodes)),
            Err(failure) => gathered.gap(format!("Cluster, by its namespace kube-system: {failure}")),
        }
    }
}

/// `Secret`, or `Secret in shop`.
fn told(kind: &str, namespace: Option<&str>) -> String {
    namespace.map_or_else(|| kind.to_owned(), |namespace| format!("{kind} in {namespace}"))
}

/// The namespace and name of a Secret, by its metadata.
fn secret_of(json: &serde_json::Value) -> Option<(Text, Text)> {
    Some((object::text(json, &["metadata", "namespace"])?.into(), object::text(json, &["metadata", "name"])?.into()))
}

fn uid_of(body: &[u8]) -> Result<String, &'static str> {
    let json: serde_json::Value = serde_json::from_slice(body).map_err(|_| "the answer is not a namespace")?;
    object::text(&json, &["metadata", "uid"]).filter(|uid| !uid.is_empty()).map(str::to_owned).ok_or("the answer has no uid")
}

fn version_of(body: &[u8]) -> Result<String, &'static str> {
    #[derive(Deserialize)]
    struct Version {
        #[serde(rename = "gitVersion")]
        git_version: String,
    }
    serde_json::from_slice::<Version>(body).map(|version| version.git_version).map_err(|_| "the answer is not a version")
}

/// Reads the certificates of Secrets one by one.
async fn certificates(client: &Client, listed: impl Iterator<Item = (Found, Option<(Text, Text)>)>, gathered: &mut Gathered) {
    let reads = listed.filter_map(|(found, secret)| Some((found, secret?))).map(|(found, (namespace, name))| async move {
        let path = format!("/api/v1/namespaces/{}/secrets/{}", list::encoded(&namespace), list::encoded(&name));
        let read = client.get(&path, DOCUMENTS, certificate::pem).await;
        (namespace, name, found, read)
    });
    let mut reads = futures_util::stream::iter(reads).buffer_unordered(AT_ONCE);
    let (mut failed, mut broken) = (Vec::new(), Vec::new());
    while let Some((namespace, name, found, read)) = reads.next().await {
        let place = format!("Secret {namespace}/{name}");
        match read {
            Ok(None) | Err(Failure::Absent) => {} // changed or gone since it was listed
            Ok(Some(pem)) => match certificate::complete(&found, &pem) {
                Ok(found) => gathered.found.extend(found),
                // It is there, whatever it holds. Whoever may write one Secret must not keep the whole answer from being complete.
                Err(error) => {
                    broken.push(format!("{place}: {error}; nothing is known of its certificate"));
                    gathered.found.push(found);
                }
            },
            Err(failure) => failed.push(format!("{place}: {failure}")),
        }
    }
    failed.sort();
    for text in failed {
        gathered.gap(text);
    }
    broken.sort();
    gathered.problems.extend(broken);
}

#[async_trait]
impl Source for KubernetesSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let answer = Answer { source: self.name.clone(), at: now, evidence: format!("Kubernetes cluster {}", self.spec.cluster).into(), ..Answer::default() };
        let asked = match self.namespaces() {
            Ok(namespaces) => self.client().await.map(|(client, server)| (namespaces, client, server)),
            Err(error) => Err(error),
        };
        let (namespaces, client, server) = match asked {
            Ok(asked) => asked,
            Err(error) => return Answer { error: Some(error.into()), ..answer },
        };
        let mut gathered = self.gather(&client, server.trim_end_matches('/'), &namespaces).await;
        let items = links::resolve(std::mem::take(&mut gathered.found));
        let evidence = format!("{}, {}", answer.evidence, server.trim_end_matches('/')).into();
        Answer { complete: !gathered.gap, error: gathered.error(), items, evidence, ..answer }
    }
}
