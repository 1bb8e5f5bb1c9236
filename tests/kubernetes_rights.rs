//! What `manifests/` grant is what is needed: with an account that has no other rights everything works, nothing is refused,
//! and no right that is granted is never used. What was asked stands in the API server's audit log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "kubernetes_controller/audit.rs"]
mod audit;
#[path = "peers/mod.rs"]
mod peers;
#[path = "kubernetes_controller/site.rs"]
mod site;

use std::path::{Path, PathBuf};

use audit::{Audit, told};
use base64::Engine as _;
use peers::authority::Authority;
use peers::gitea::Gitea;
use peers::kube::Kube;
use serde::Deserialize;
use serde_json::{Value, json};
use site::{Site, condition, every_other_kind, inventory, item, said, shop, tail, until};

/// Bowline's account as the API server knows it.
const ACCOUNT: &str = "system:serviceaccount:bowline-system:bowline";
/// The roles that the account has, and those of the account as which a source reads the cluster.
const ROLES: [&str; 4] = ["bowline", "bowline-credentials", "bowline-discovery", "bowline-discovery-certificates"];

/// One verb on one resource, granted by a role.
struct Right {
    role: String,
    verb: String,
    group: String,
    resource: String,
    name: Option<String>,
}

impl Right {
    /// Whether this request, which was allowed, needed it.
    fn is_used_by(&self, event: &Value) -> bool {
        let about = &event["objectRef"];
        let part = about["subresource"].as_str().map(|part| format!("/{part}")).unwrap_or_default();
        // Who applies what is not there yet needs both rights.
        let made = self.verb == "create" && event["verb"] == "patch" && event["responseStatus"]["code"] == 201;
        (event["verb"] == *self.verb || made)
            && about["apiGroup"].as_str().unwrap_or_default() == self.group
            && about["resource"].as_str().map(|resource| format!("{resource}{part}")).as_deref() == Some(&*self.resource)
            && self.name.as_ref().is_none_or(|name| about["name"] == **name)
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { role, verb, group, resource, name } = self;
        write!(formatter, "{role}: {verb} {resource}.{group} {}", name.as_deref().unwrap_or_default())
    }
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests")
}

/// What the roles of a file grant, right by right.
fn granted(file: &str) -> Vec<Right> {
    let text = std::fs::read_to_string(manifests().join(file)).unwrap();
    let documents = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
    let words = |list: &Value| list.as_array().into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let mut rights = Vec::new();
    for role in documents.filter(|document| document["kind"] == "ClusterRole") {
        let holder = role["metadata"]["name"].as_str().unwrap();
        for part in role["rules"].as_array().unwrap() {
            let fields: Vec<&String> = part.as_object().unwrap().keys().collect();
            assert!(fields.iter().all(|field| ["apiGroups", "resources", "resourceNames", "verbs"].contains(&&***field)), "this test does not know {fields:?}");
            let names = if part["resourceNames"].is_null() { vec![None] } else { words(&part["resourceNames"]).into_iter().map(Some).collect() };
            for group in words(&part["apiGroups"]) {
                for resource in words(&part["resources"]) {
                    for verb in words(&part["verbs"]) {
                        assert!(verb != "*" && resource != "*" && group != "*", "{holder} grants everything");
                        let right = |name: &Option<String>| Right {
                            role: holder.to_owned(),
                            verb: verb.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                        };
                        rights.extend(names.iter().map(right));
                    }
                }
            }
        }
    }
    rights
}

/// A server with `manifests/`, and with definitions of the Gateway API's kinds, which it lacks.
fn installed() -> Option<Kube> {
    let kube = Kube::own()?;
    kube.apply(&kube.kubectl(&["kustomize", &manifests().display().to_string()]).ok());
    kube.install_definitions();
    let kinds = [("Gateway", "gateways"), ("HTTPRoute", "httproutes"), ("GRPCRoute", "grpcroutes"), ("TLSRoute", "tlsroutes")];
    let definition = |(kind, plural): (&str, &str)| {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.gateway.networking.k8s.io"), "annotations": {"api-approved.kubernetes.io": "unapproved"}},
            "spec": {"group": "gateway.networking.k8s.io", "scope": "Namespaced", "names": {"kind": kind, "plural": plural}, "versions": [{"name": "v1",
                "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
    };
    kube.apply(&kinds.map(|kind| definition(kind).to_string()).join("\n---\n"));
    for (_, plural) in kinds {
        until("the Gateway API", || (kube.api("GET", &format!("/apis/gateway.networking.k8s.io/v1/{plural}"), None).0 == 200).then_some(()));
    }
    Some(kube)
}

/// A token of a service account, as the API server itself issues it.
fn token(kube: &Kube, namespace: &str, account: &str) -> String {
    kube.kubectl(&["create", "token", account, "-n", namespace, "--duration=1h"]).ok().trim().to_owned()
}

/// A file beside those of the server with this token, in the form of a kubeconfig.
fn kubeconfig(kube: &Kube, token: &str) -> PathBuf {
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "it", "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": kube.url(), "certificate-authority": kube.ca()}}], "users": [{"name": "it", "user": {"token": token}}]});
    let file = kube.ca().with_file_name("account.kubeconfig");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

/// A Secret that is a credential for this machine.
fn credential(name: &str, data: &[(&str, &str)]) -> String {
    let data: serde_json::Map<String, Value> =
        data.iter().map(|(key, value)| ((*key).to_owned(), base64::engine::general_purpose::STANDARD.encode(value).into())).collect();
    let metadata = json!({"name": name, "labels": {"bowline.dev/credential": "true"}, "annotations": {"bowline.dev/hosts": "127.0.0.1"}});
    format!("---\n{}\n", json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}))
}

/// What runs in the namespace: a Deployment, and a certificate.
fn workload() -> String {
    let (certificate, key) = Authority::new().issue(&["shop.example.com"]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": "web-tls"}, "stringData": {"tls.crt": certificate, "tls.key": key}});
    format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: 'registry.example.com/web:2.1'}}]}}}}
---
{secret}
"
    )
}

/// A source that reads the cluster as an account of its own, and what it should find there.
fn discovery(namespace: &str) -> String {
    format!(
        "---
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {{name: cluster}}
spec:
  kubernetes: {{cluster: prod, kubeconfig: kubeconfig, credentials: cluster-reader}}
  scope: {{items: [web]}}
  mayInsert: false
---
apiVersion: bowline.dev/v1alpha1
kind: ConfigurationItem
metadata: {{name: web}}
spec: {{class: kubernetes-workload, owner: team-shop, identifiers: {{kubernetes/path: prod/Deployment/{namespace}/web}}, attributes: {{replicas: 3}}}}
"
    )
}

/// The account of the source `cluster`, with the roles for it; as the API server knows it.
fn reader(site: &Site) -> String {
    let (kube, namespace) = (&site.kube, &*site.namespace);
    kube.kubectl(&["create", "serviceaccount", "reader", "-n", namespace]).ok();
    for role in ["bowline-discovery", "bowline-discovery-certificates"] {
        kube.kubectl(&["create", "clusterrolebinding", role, &format!("--clusterrole={role}"), &format!("--serviceaccount={namespace}:reader")]).ok();
    }
    site.apply(&credential("cluster-reader", &[("token", &token(kube, namespace, "reader"))]));
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "it", "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": kube.url(), "certificate-authority": "ca.pem"}}], "users": [{"name": "it", "user": {}}]});
    site.file("kubeconfig", &config.to_string());
    site.file("ca.pem", &std::fs::read_to_string(kube.ca()).unwrap());
    format!("system:serviceaccount:{namespace}:reader")
}

/// A second estate with a forge, in a namespace of its own, that the first one's controller looks after.
struct Forged {
    site: Site,
    gitea: Gitea,
    repository: String,
}

impl Forged {
    fn begin(first: &Site) -> Option<Self> {
        let gitea = Gitea::start()?;
        let site = Site::on(first.kube.clone());
        let repository = gitea.create_repository("rights", &[]);
        first.file(&format!("../{}/inventory.json", site.namespace), &inventory(&[("web-01", "8Gi")]));
        let forge = format!("forge: {{gitea: {{url: '{}', repository: {repository}, credentials: forge}}}}", gitea.url());
        let secret = credential("forge", &[("token", gitea.token()), ("username", gitea.user())]);
        site.apply(&(shop().replace("interval: 5m", &forge) + &item("web-01", "16Gi", "Adopt") + &secret));
        Some(Self { site, gitea, repository })
    }

    fn ends_well(&self) {
        let estate = self.site.until_status("estates", "shop", |status| condition(status, "Ready")["status"] == "True");
        assert_eq!(estate["status"]["openChanges"], 1, "{:#}", estate["status"]);
        let (_, pulls) = self.gitea.api("GET", &format!("/repos/{}/pulls?state=all", self.repository), None);
        assert_eq!(pulls.as_array().unwrap().len(), 1);
        assert_eq!(self.site.objects("changerequests")[0]["status"]["url"], pulls[0]["html_url"]);
    }
}

/// The one change request that there is now.
fn change(site: &Site) -> Value {
    until("one change request", || Some(site.objects("changerequests")).filter(|all| all.len() == 1 && all[0]["status"]["phase"] == "Proposed")).remove(0)
}

/// The life of an estate, in which every right is needed once.
fn live(site: &Site) {
    let estate = site.settled("shop");
    assert_eq!(said(&estate, "Ready"), "True/Reconciled", "{:#}\n{}", estate["status"], tail(&site.log()));
    for (plural, name) in [
        ("ciclasses", "handheld"),
        ("servicemaps", "site"),
        ("certificatepolicies", "tls"),
        ("patchwindows", "monday"),
        ("discoverysources", "inventory"),
        ("discoverysources", "cluster"),
        ("configurationitems", "web-01"),
        ("configurationitems", "web"),
    ] {
        let object = site.object(plural, name);
        assert_eq!(condition(&object["status"], "Ready")["status"], "True", "{plural}/{name} {:#}", object["status"]);
    }
    assert_eq!(said(&site.object("configurationitems", "web"), "InSync"), "True/NoDrift");

    // A change request that is deleted by hand comes back, goes with its drift, and comes with the next.
    let first = change(site);
    site.delete("changerequests", first["metadata"]["name"].as_str().unwrap());
    until("it is back", || (change(site)["metadata"]["uid"] != first["metadata"]["uid"]).then_some(()));
    site.apply(&item("web-01", "8Gi", "Enforce"));
    until("its end", || site.objects("changerequests").is_empty().then_some(()));
    site.apply(&item("web-01", "32Gi", "Enforce"));
    change(site);
    let series = || site.events("web-01").into_iter().find(|event| event["reason"] == "DriftFound" && event["series"]["count"] == 2);
    until("the drift's second time in the event of its first", series);

    // What is kept of the cluster follows the cluster.
    site.kube.kubectl(&["scale", "deployment", "web", "-n", &site.namespace, "--replicas=2"]).ok();
    until("the Deployment's drift", || {
        site.pass("shop", &format!("{:?}", std::time::SystemTime::now()));
        (said(&site.object("configurationitems", "web"), "InSync") == "False/Drifted").then_some(())
    });
}

#[test]
fn with_what_the_manifests_grant_everything_works_nothing_is_refused_and_every_right_is_used() {
    let Some(kube) = installed() else { return };
    let site = Site::on(kube.clone());
    let reader = reader(&site);
    site.file("inventory.json", &inventory(&[("web-01", "8Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Enforce") + &every_other_kind() + &workload() + &discovery(&site.namespace)));
    let forged = Forged::begin(&site);
    let account = token(&kube, "bowline-system", "bowline");
    // As the Deployment runs it: all namespaces, Leases, no more than the account.
    site.run_as(&kubeconfig(&kube, &account), &[]);
    live(&site);
    if let Some(forged) = &forged {
        forged.ends_well();
    }
    let mut audit = Audit::from_the_beginning(&kube);
    let mut events = audit.news();
    until("a Lease's renewal", || {
        events.extend(audit.news());
        events.iter().any(|event| event["verb"] == "update" && event["objectRef"]["resource"] == "leases").then_some(())
    });
    site.terminate();
    events.extend(audit.news());

    let of = |account: &str| events.iter().filter(|event| event["user"]["username"] == account).collect::<Vec<&Value>>();
    let (controllers, readers) = (of(ACCOUNT), of(&reader));
    println!("{} requests of the controller and {} of the source", controllers.len(), readers.len());
    let code = |event: &Value| event["responseStatus"]["code"].as_u64().unwrap_or_default();
    let refused = |event: &&&Value| matches!(code(event), 401 | 403) || event["annotations"]["authorization.k8s.io/decision"] == "forbid";
    let refused: Vec<String> =
        controllers.iter().chain(&readers).filter(refused).map(|event| format!("{}: {}", told(event), event["responseStatus"])).collect();
    assert_eq!(refused, [] as [&str; 0]);
    assert!(events.iter().all(|event| code(event) != 401), "somebody was not known");

    let rights: Vec<Right> = ["controller-roles.yaml", "discovery-roles.yaml"].into_iter().flat_map(granted).collect();
    assert!(rights.iter().all(|right| ROLES.contains(&&*right.role)), "a role that nobody has here");
    println!("{} rights", rights.len());
    let unused = rights.iter().filter(|right| {
        let of_discovery = right.role.starts_with("bowline-discovery");
        !(if of_discovery { &readers } else { &controllers }).iter().any(|event| right.is_used_by(event))
    });
    assert_eq!(unused.map(ToString::to_string).collect::<Vec<_>>(), [] as [&str; 0], "{}", tail(&site.log()));
}
