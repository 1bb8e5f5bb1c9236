//! `DiscoverySource`: where facts come from, what they mean, and what a complete answer covers.

mod http;
mod network;
mod nmap;
mod push;
mod vsphere;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::DiscoverySourceStatus;
use super::{Period, Selector, Table, Text};

pub use http::{Authorization, CursorPaging, Export, HttpJoin, HttpLimits, HttpList, HttpSource, KeyPaging, OffsetPaging, PagePaging, Paging};
pub use network::{SnmpLimits, SnmpSource, SnmpTable};
pub use nmap::NmapSource;
pub use push::PushSource;
pub use vsphere::VsphereSource;

/// After how many seconds a fact is stale where its source does not say: 60 days.
const STALE_AFTER: i64 = 60 * 86_400;

/// One source of facts: exactly one kind of source is given.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "bowline.dev",
    version = "v1alpha1",
    kind = "DiscoverySource",
    namespaced,
    shortname = "dsrc",
    category = "bowline",
    status = "DiscoverySourceStatus"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DiscoverySourceSpec {
    /// A file below the estate's root, or all files that a pattern names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
    /// The machine on which Bowline runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostSource>,
    /// Certificates of endpoints and of files below the estate's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSource>,
    /// The objects of a Kubernetes cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Box<KubernetesSource>>,
    /// A JSON API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Box<HttpSource>>,
    /// Devices of a network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snmp: Option<Box<SnmpSource>>,
    /// What agents and scripts bring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<Box<PushSource>>,
    /// A scan by nmap, as a file below the estate's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nmap: Option<Box<NmapSource>>,
    /// A vCenter, or a single ESXi host. Only where Bowline is built with its feature `vsphere`, as the released ones are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vsphere: Option<Box<VsphereSource>>,
    /// jq over each document of the source: one value an item. Default: `.`, or each element of a top-level list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Text>,
    /// jq over each item: what it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<Mapping>,
    /// What a complete answer covers. Absence is concluded only inside it; empty: nothing is ever concluded absent.
    pub scope: Selector,
    /// How often it is asked. Default: the estate's interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Period>,
    /// How long one answer may take. Default: 60s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    /// The higher says the truth where the class has no rule. Default: 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// After which time without being seen a fact is stale. Default: 60d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Period>,
    /// Whether what it finds and nobody declared is a finding; false: it only completes what others found. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_insert: Option<bool>,
    /// Whether it is left out. Default: false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

impl DiscoverySourceSpec {
    /// The kinds that are given, of which there must be one.
    pub fn kinds(&self) -> Vec<&'static str> {
        let all = [
            ("file", self.file.is_some()),
            ("host", self.host.is_some()),
            ("tls", self.tls.is_some()),
            ("kubernetes", self.kubernetes.is_some()),
            ("http", self.http.is_some()),
            ("snmp", self.snmp.is_some()),
            ("push", self.push.is_some()),
            ("nmap", self.nmap.is_some()),
            ("vsphere", self.vsphere.is_some()),
        ];
        all.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    /// The names of the operator's credentials that it sends. What others show to it (`push`) is none of them.
    pub fn credentials(&self) -> impl Iterator<Item = &Text> {
        let kubernetes = self.kubernetes.iter().filter_map(|kubernetes| kubernetes.credentials.as_ref());
        let vsphere = self.vsphere.iter().map(|vsphere| &vsphere.credentials);
        let snmp = self.snmp.iter().map(|snmp| &snmp.credentials);
        kubernetes.chain(self.http.iter().flat_map(|http| http.credentials())).chain(snmp).chain(vsphere)
    }

    /// After how many seconds without being seen a fact is stale.
    pub fn stale_after_seconds(&self) -> i64 {
        self.stale_after.as_ref().map_or(STALE_AFTER, Period::seconds)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// A file of facts, or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSource {
    /// Its path below the estate's root. `*`, `?`, `[ab]`, `{a,b}` and `**` make it a pattern: all files that match are read, and jq knows the
    /// path of each as `input_filename`.
    pub path: Text,
    /// Its format. Default: by the ending of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// The character between columns, for CSV. Default: a comma.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
}

/// Formats of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FileFormat {
    /// One JSON document.
    Json,
    /// One JSON document a line.
    NdJson,
    /// Comma-separated values with a header line; every value is text.
    Csv,
}

/// What is asked of this machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HostSource {
    /// The class of the item. Default: server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Text>,
    /// The item's name. Default: the machine's host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// Whether installed packages are listed. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<bool>,
}

/// Which certificates are looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsSource {
    /// Endpoints, as `host:port`. Those of the estate's certificate policies are added.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Text>,
    /// PEM or DER files below the estate's root; `*` stands for any run of characters but `/`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Text>,
    /// A PEM file below the estate's root with authorities that are trusted besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<Text>,
}

/// Which cluster is asked, as whom, and for what.
///
/// Bowline lends its own identity (a kubeconfig's user, the service account of its pod) only where the operator names that very file or folder
/// with `--allow-read`; else `credentials` says who asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesSource {
    /// The cluster's name, the same wherever it is spoken of: the first part of `kubernetes/path` (`CLUSTER/KIND/NAMESPACE/NAME`) and of the
    /// items' names. Letters, digits and `-`.
    pub cluster: Text,
    /// A kubeconfig below the estate's root, or one that the operator allows with `--allow-read`. Default: the cluster in which Bowline runs,
    /// else the kubeconfig of `KUBECONFIG` or `~/.kube/config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<Text>,
    /// The context of the kubeconfig. Default: its current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Text>,
    /// The operator's credential, a token or a client certificate, bound to the API server's host. Default: who the kubeconfig or the service
    /// account says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Text>,
    /// The namespaces that are asked, each by itself, so that rights in them are enough. Default: all at once. Keep `scope` as narrow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Text>,
    /// The resources that are asked for. Default: all; where `namespaces` are given, those that stand in namespaces. Keep `scope` as narrow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<KubernetesResource>,
}

/// Resources of a Kubernetes cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum KubernetesResource {
    /// The cluster itself: its version and the uid of its `kube-system` namespace.
    Cluster,
    /// Nodes.
    Node,
    /// Namespaces.
    Namespace,
    /// Deployments.
    Deployment,
    /// Stateful sets.
    StatefulSet,
    /// Daemon sets.
    DaemonSet,
    /// Cron jobs.
    CronJob,
    /// Services.
    Service,
    /// Ingresses.
    Ingress,
    /// Gateways of the Gateway API, where the cluster has it.
    Gateway,
    /// HTTP routes of the Gateway API, where the cluster has it.
    #[serde(rename = "HTTPRoute")]
    HttpRoute,
    /// gRPC routes of the Gateway API, where the cluster has it.
    #[serde(rename = "GRPCRoute")]
    GrpcRoute,
    /// TLS routes of the Gateway API, where the cluster has it.
    #[serde(rename = "TLSRoute")]
    TlsRoute,
    /// Persistent volumes.
    PersistentVolume,
    /// Certificates of Secrets of the type `kubernetes.io/tls`; their keys are never kept.
    TlsSecret,
}

/// What an item means, each a jq expression over it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Mapping {
    /// The class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Text>,
    /// The source's own key for it, stable over renames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Text>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// The owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// When the source last saw it, as RFC 3339 text. Default: when it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Text>,
    /// Identifiers.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub identifiers: Table<Text>,
    /// Attributes.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub attributes: Table<Text>,
    /// Labels.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub labels: Table<Text>,
    /// Relations: a list of `{type, to}`, where `to` is a name or `{identifiers: {…}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relations: Option<Text>,
}
