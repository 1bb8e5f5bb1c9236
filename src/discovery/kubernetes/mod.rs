//! The source `kubernetes`: the objects of a cluster.
//!
//! ```text
//! identity     which server, and as whom
//! client       one request: allowed, bounded, patient
//! list         whole lists, page by page; 410 begins one again
//! kept         lists that watches keep current, where wanted
//! kinds        what is asked for, paths and names              pure
//! object       JSON read forgivingly                           pure
//! map          object → observation (node, workload, network)  pure
//! certificate  Secret → certificate, never its key             pure
//! links        relations between what was found                pure
//! ```
//!
//! Every pass lists anew, unless somebody keeps the lists ([`kept`]). What may not be read (403) is
//! named and leaves a gap in the answer; an API that a cluster does not have leaves none, since nothing of its kind can be there.

mod certificate;
mod client;
pub mod identity;
pub mod kept;
pub mod kinds;
pub mod links;
pub(super) mod list;
pub mod map;
mod network;
mod node;
mod object;
pub(super) mod quantity;
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
use client::{Client, DOCUMENTS, Failure, METADATA, METADATA_EVENTS};
use identity::Means;
use kept::{Kept, Key, Listed, Reads, Watch};
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
    kept: Option<Arc<Kept>>,
}

/// Whom a pass asks.
struct Server {
    client: Client,
    address: String,
    /// Who asks it, for what is kept.
    asker: String,
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
        Self { name, spec, means: Arc::new(means), connector, deadline: DEADLINE, kept: None }
    }

    /// The same with another time for everything together; what was not asked by then is named. Default: 55 s.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The same with lists that are kept from pass to pass.
    #[must_use]
    pub fn with_kept(self, kept: Arc<Kept>) -> Self {
        Self { kept: Some(kept), ..self }
    }

    async fn server(&self) -> Result<Server, String> {
        let (spec, means, connector, deadline) = (self.spec.clone(), self.means.clone(), self.connector.clone(), Instant::now() + self.deadline);
        let asker = serde_json::to_string(&(&self.name, &spec)).unwrap_or_default();
        let made = tokio::task::spawn_blocking(move || {
            let config = means.config(&spec)?;
            let address = config.cluster_url.to_string().trim_end_matches('/').to_owned();
            let asker = format!("{address} {asker}");
            Ok(Server { client: Client::new(&config, connector, deadline)?, address, asker })
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

    async fn gather(&self, server: &Server, namespaces: &[Option<&str>]) -> Gathered {
        let mut gathered = Gathered::default();
        let asked = kinds::asked(&self.spec.resources, !self.spec.namespaces.is_empty());
        for resource in asked.iter().copied().filter(|resource| *resource != Resource::Cluster) {
            let kind = kinds::kind(resource);
            let everywhere = [None];
            for namespace in if kind.namespaced { namespaces } else { &everywhere } {
                self.list(server, resource, *namespace, &mut gathered).await;
            }
        }
        if asked.contains(&Resource::Cluster) {
            self.cluster(server, &mut gathered).await;
        }
        gathered
    }

    async fn list(&self, server: &Server, resource: Resource, namespace: Option<&str>, gathered: &mut Gathered) {
        let kind = kinds::kind(resource);
        match self.objects(server, resource, namespace).await {
            Ok(listed) => {
                if resource == Resource::Node {
                    gathered.nodes = Some(listed.len());
                }
                let unnamed = listed.iter().filter(|one| one.found.is_none()).count();
                if unnamed > 0 {
                    gathered.gap(format!("{unnamed} of {} have no uid or name", told(kind.name, namespace)));
                }
                if resource == Resource::TlsSecret {
                    certificates(server, self.kept.as_deref(), listed, gathered).await;
                } else {
                    gathered.found.extend(listed.into_iter().filter_map(|one| one.found));
                }
            }
            Err(Failure::Absent) if kind.optional => {}
            Err(failure) => gathered.gap(format!("{}: {failure}", told(kind.name, namespace))),
        }
    }

    /// The objects of a list: those that are kept, else asked for, and kept from then on where that is wanted.
    async fn objects(&self, server: &Server, resource: Resource, namespace: Option<&str>) -> Result<Vec<Listed>, Failure> {
        let key = Key { asker: server.asker.clone(), resource, namespace: namespace.map(str::to_owned) };
        if let Some(objects) = self.kept.as_ref().and_then(|kept| kept.objects(&key, Instant::now())) {
            return Ok(objects);
        }
        let kind = kinds::kind(resource);
        let selector = (resource == Resource::TlsSecret).then_some("type=kubernetes.io/tls");
        let (accept, events) = if selector.is_some() { (METADATA, METADATA_EVENTS) } else { (DOCUMENTS, DOCUMENTS) };
        let wanted = Wanted { kind: &kind, namespace, selector, accept };
        let reads = self.reads(resource);
        let list = list::all(&server.client, wanted, &|json| reads(json)).await?;
        if let Some(kept) = self.kept.as_ref().filter(|_| list.objects.iter().all(|one| one.found.is_some())) {
            let objects = list.objects.iter().filter_map(|one| Some((one.found.as_ref()?.observation.key.to_string(), one.clone()))).collect();
            let watch = Watch { address: list::watched(list.group, wanted), accept: events, reads };
            kept.follow(key, &server.client, (objects, list.version), watch);
        }
        Ok(list.objects)
    }

    fn reads(&self, resource: Resource) -> Reads {
        let (cluster, kind) = (self.spec.cluster.clone(), kinds::kind(resource));
        Arc::new(move |json| Listed {
            found: map::map(&cluster, resource, &kind, json),
            secret: (resource == Resource::TlsSecret).then(|| secret_of(json)).flatten(),
        })
    }

    async fn cluster(&self, server: &Server, gathered: &mut Gathered) {
        let client = &server.client;
        let uid = client.get("/api/v1/namespaces/kube-system", DOCUMENTS, uid_of).await;
        let version = client.get("/version", DOCUMENTS, version_of).await;
        match version.as_ref() {
            Err(failure) if uid.is_ok() => gathered.gap(format!("the cluster's version: {failure}")),
            _ => {}
        }
        match uid {
            Ok(uid) => gathered.found.push(map::cluster(&self.spec.cluster, &uid, version.ok().as_deref(), &server.address, gathered.nodes)),
            Err(failure) => gathered.gap(format!("Cluster, by its namespace kube-system: {failure}")),
        }
    }
}

/// `Secret`, or `Secret in shop`.
fn told(kind: &str, namespace: Option<&str>) -> String {
    namespace.map_or_else(|| kind.to_owned(), |namespace| format!("{kind} in {namespace}"))
}

/// The namespace, name and version of a Secret, by its metadata.
fn secret_of(json: &serde_json::Value) -> Option<[Text; 3]> {
    let about = |field: &str| object::text(json, &["metadata", field]).map(Text::from);
    Some([about("namespace")?, about("name")?, about("resourceVersion")?])
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

/// What reading a Secret came to: its certificate, if it holds one.
enum Read {
    Known(Option<Found>),
    Done(Option<Vec<u8>>),
    Failed(Failure),
}

/// Reads the certificates of Secrets one by one, but not again one that is kept in the same version.
async fn certificates(server: &Server, kept: Option<&Kept>, listed: Vec<Listed>, gathered: &mut Gathered) {
    let secrets = listed.into_iter().filter_map(|one| Some((one.found?, one.secret?)));
    let reads = secrets.map(|(found, [namespace, name, version])| async move {
        let uid = &found.observation.key;
        let read = match kept.and_then(|kept| kept.certificate(&server.asker, uid, &version)) {
            Some((_, known)) => Read::Known(known),
            None => read_secret(&server.client, &namespace, &name).await,
        };
        (format!("Secret {namespace}/{name}"), version, found, read)
    });
    let mut reads = futures_util::stream::iter(reads).buffer_unordered(AT_ONCE);
    let (mut failed, mut broken, mut known) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((place, version, found, read)) = reads.next().await {
        let uid = found.observation.key.clone();
        let complete = match read {
            Read::Known(complete) => complete,
            Read::Done(pem) => match pem.map(|pem| certificate::complete(&found, &pem)).transpose() {
                Ok(complete) => complete.flatten(),
                // It is there, whatever it holds. Whoever may write one Secret must not keep the whole answer from being complete.
                Err(error) => {
                    broken.push(format!("{place}: {error}; nothing is known of its certificate"));
                    gathered.found.push(found);
                    continue;
                }
            },
            Read::Failed(failure) => {
                failed.push(format!("{place}: {failure}"));
                continue;
            }
        };
        gathered.found.extend(complete.clone());
        known.push((uid, (version, complete)));
    }
    if let Some(kept) = kept {
        kept.remember(&server.asker, known);
    }
    failed.sort();
    for text in failed {
        gathered.gap(text);
    }
    broken.sort();
    gathered.problems.extend(broken);
}

async fn read_secret(client: &Client, namespace: &str, name: &str) -> Read {
    let path = format!("/api/v1/namespaces/{}/secrets/{}", list::encoded(namespace), list::encoded(name));
    match client.get(&path, DOCUMENTS, certificate::pem).await {
        Ok(pem) => Read::Done(pem),
        Err(Failure::Absent) => Read::Done(None), // gone since it was listed
        Err(failure) => Read::Failed(failure),
    }
}

#[async_trait]
impl Source for KubernetesSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let answer = Answer { source: self.name.clone(), at: now, evidence: format!("Kubernetes cluster {}", self.spec.cluster).into(), ..Answer::default() };
        let asked = match self.namespaces() {
            Ok(namespaces) => self.server().await.map(|server| (namespaces, server)),
            Err(error) => Err(error),
        };
        let (namespaces, server) = match asked {
            Ok(asked) => asked,
            Err(error) => return Answer { error: Some(error.into()), ..answer },
        };
        let mut gathered = self.gather(&server, &namespaces).await;
        let items = links::resolve(std::mem::take(&mut gathered.found));
        let evidence = format!("{}, {}", answer.evidence, server.address).into();
        Answer { complete: !gathered.gap, error: gathered.error(), items, evidence, ..answer }
    }
}
