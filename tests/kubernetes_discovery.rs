//! The source `kubernetes` against a real API server: what becomes of each kind of object, what is said of what may not be read, and
//! what an estate cannot make it do. Nothing runs pods there; objects and their statuses are written as the controllers would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

#[path = "kubernetes_discovery/between.rs"]
mod between;
#[path = "kubernetes_discovery/lending.rs"]
mod lending;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bowline::access::Access;
use bowline::api::discovery_source::{KubernetesResource as Resource, KubernetesSource as Spec};
use bowline::discovery::kubernetes::KubernetesSource;
use bowline::discovery::kubernetes::identity::{Means, Surroundings};
use bowline::discovery::{Answer, Observation, Source, Target};
use jiff::Timestamp;
use peers::authority::Authority;
use peers::kube::Kube;
use serde_json::{Value as Json, json};
use support::Place;

/// A source whose kubeconfig the operator lends.
fn lent(kubeconfig: &Path, spec: Spec) -> KubernetesSource {
    let spec = Spec { kubeconfig: Some(kubeconfig.display().to_string().into()), ..spec };
    let access = Arc::new(Access { allow_read: vec![kubeconfig.to_owned()], ..Access::default() });
    let means = Means { root: std::env::temp_dir(), access: access.clone(), credentials: Arc::default(), surroundings: nothing_around() };
    KubernetesSource::new("k8s".into(), spec, means, access)
}

fn nothing_around() -> Surroundings {
    Surroundings::new(|_| None, PathBuf::from("/nonexistent"))
}

fn spec(namespaces: &[&str], resources: &[Resource]) -> Spec {
    Spec { cluster: "prod".into(), namespaces: namespaces.iter().map(|name| (*name).into()).collect(), resources: resources.to_vec(), ..Spec::default() }
}

async fn ask(kube: &Kube, user: &str, spec: Spec) -> Answer {
    lent(&kube.kubeconfig(user), spec).observe(Timestamp::UNIX_EPOCH).await
}

fn named<'a>(answer: &'a Answer, name: &str) -> &'a Observation {
    answer.items.iter().find(|item| &*item.name == name).unwrap_or_else(|| panic!("no {name}: {:?} {:?}", answer.error, names(answer)))
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.items.iter().map(|item| &*item.name).collect()
}

fn attribute(item: &Observation, name: &str) -> Json {
    item.attributes.get(name).map_or(Json::Null, bowline::api::Value::to_json)
}

/// `TYPE PATH` of each relation.
fn relations(item: &Observation) -> Vec<String> {
    let told = item.relations.iter().map(|relation| {
        let Target::Identifiers(to) = &relation.to else { panic!("by name") };
        format!("{} {}", relation.kind, to.get("kubernetes/path").unwrap())
    });
    told.collect()
}

fn error(answer: &Answer) -> &str {
    answer.error.as_deref().unwrap_or_default()
}

/// Lets a user get and list these resources everywhere.
fn grant(kube: &Kube, user: &str, rules: &str) {
    kube.apply(&format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: {user}-reads}}, rules: {rules}}}\n---\n\
         {{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: {user}-reads}}, \
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {user}-reads}}, subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: {user}}}]}}\n"
    ));
}

/// Everything that the source reads but Secrets.
const WITHOUT_SECRETS: &str = r#"[
  {apiGroups: [""], resources: [namespaces, nodes, persistentvolumes, services], verbs: [get, list]},
  {apiGroups: [apps], resources: [deployments, statefulsets, daemonsets], verbs: [list]},
  {apiGroups: [batch], resources: [cronjobs], verbs: [list]},
  {apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [list]},
  {apiGroups: [gateway.networking.k8s.io], resources: ["*"], verbs: [list]}]"#;

const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: shop}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      containers:
      - {name: web, image: "registry.example/web:2.1", resources: {requests: {cpu: 250m, memory: 64Mi}, limits: {memory: 128Mi}}}
      - {name: proxy, image: "registry.example/proxy:1", resources: {requests: {cpu: 250m, memory: 64Mi}, limits: {memory: 128Mi}}}
      volumes: [{name: tls, secret: {secretName: web-tls}}, {name: files, persistentVolumeClaim: {claimName: files}}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: "registry.example/db:17"}]}}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: agent, image: "registry.example/agent:5"}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: "5 4 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: report, image: "registry.example/report:1"}]}}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None, selector: {app: web, tier: front}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  ingressClassName: nginx
  tls: [{hosts: [shop.example.com], secretName: web-tls}]
  rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
"#;

/// Applies documents to a namespace as `kubectl apply` does it by itself: with a copy of each in an annotation.
#[track_caller]
fn apply(kube: &Kube, namespace: &str, yaml: &str) {
    kube.kubectl_with("admin", &["apply", "-n", namespace, "-f", "-"], yaml).ok();
}

/// A TLS Secret; the certificate and the key in PEM.
fn tls_secret(kube: &Kube, namespace: &str, name: &str, dns: &str) -> (String, String) {
    let (certificate, key) = Authority::new().issue(&[dns]);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name}, "stringData": {"tls.crt": certificate, "tls.key": key}});
    apply(kube, namespace, &secret.to_string());
    (certificate, key)
}

fn volume(kube: &Kube, name: &str, claim: &str, namespace: &str) {
    kube.apply(&format!(
        "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: {name}}}, spec: {{capacity: {{storage: 10Gi}}, accessModes: [ReadWriteOnce], storageClassName: fast, \
         claimRef: {{namespace: {namespace}, name: {claim}}}, csi: {{driver: csi.example.com, volumeHandle: handle-{name}}}}}}}"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_object_becomes_an_item_with_its_relations() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    apply(&kube, &ns, SHOP);
    tls_secret(&kube, &ns, "web-tls", "shop.example.com");
    let (files, data) = (format!("pv-files-{ns}"), format!("pv-data-{ns}"));
    volume(&kube, &files, "files", &ns);
    volume(&kube, &data, "data-db-1", &ns);
    let node = format!("node-{ns}.example.com");
    kube.apply(&format!("{{apiVersion: v1, kind: Node, metadata: {{name: {node}, labels: {{node-role.kubernetes.io/control-plane: ''}}}}, spec: {{providerID: 'aws:///zone/{node}'}}}}"));
    let status = json!({"status": {"capacity": {"cpu": "4", "memory": "16Gi"}, "addresses": [{"type": "InternalIP", "address": "10.1.2.3"}, {"type": "Hostname", "address": node}],
        "nodeInfo": {"systemUUID": "4c4c4544-0051-4e10-8052-b9c04f4a4e32", "machineID": "f00d", "bootID": "b", "osImage": "Debian GNU/Linux 12 (bookworm)", "kernelVersion": "6.1.0", "kubeletVersion": "v1.34.2",
            "kubeProxyVersion": "", "containerRuntimeVersion": "containerd://2.1.4", "architecture": "amd64", "operatingSystem": "linux"}}});
    let (code, said) = kube.api("PATCH", &format!("/api/v1/nodes/{node}/status"), Some(&status));
    assert_eq!(code, 200, "{said}");

    let answer = ask(&kube, "admin", spec(&[], &[])).await;
    assert!(answer.complete, "{:?}", answer.error);
    assert_eq!(&*answer.evidence, format!("Kubernetes cluster prod, {}", kube.url()));

    let cluster = named(&answer, "prod");
    let system = kube.api("GET", "/api/v1/namespaces/kube-system", None).1;
    assert_eq!(
        (&*cluster.class, cluster.identifiers.get("kubernetes/cluster-uid").map(|uid| &**uid)),
        ("kubernetes-cluster", system["metadata"]["uid"].as_str())
    );
    assert!(attribute(cluster, "version").as_str().unwrap().starts_with("1."));

    let seen = named(&answer, &format!("prod.node.{node}"));
    assert_eq!((&*seen.class, relations(seen)), ("kubernetes-node", vec!["MemberOf prod".to_owned()]));
    for (name, value) in [
        ("bios/uuid", "4c4c4544-0051-4e10-8052-b9c04f4a4e32"),
        ("machine/id", "f00d"),
        ("dns/fqdn", &node),
        ("kubernetes/provider-id", &format!("aws:///zone/{node}")),
    ] {
        assert_eq!(seen.identifiers.get(name).map(|value| &**value), Some(value));
    }
    assert_eq!((attribute(seen, "cpus"), attribute(seen, "roles"), attribute(seen, "kubelet")), (json!("4"), json!(["control-plane"]), json!("1.34.2")));

    let namespace = named(&answer, &format!("prod.namespace.{ns}"));
    assert_eq!((&*namespace.class, relations(namespace)), ("kubernetes-namespace", vec!["MemberOf prod".to_owned()]));

    let of = |kind: &str, name: &str| named(&answer, &format!("prod.{kind}.{ns}.{name}"));
    let member = format!("MemberOf prod/Namespace/{ns}");
    let web = of("deployment", "web");
    let uid = kube.api("GET", &format!("/apis/apps/v1/namespaces/{ns}/deployments/web"), None).1["metadata"]["uid"].clone();
    assert_eq!((&*web.class, json!(web.key), json!(web.identifiers.get("kubernetes/uid"))), ("kubernetes-workload", uid.clone(), uid));
    assert_eq!(web.labels.get("team").map(|team| &**team), Some("shop"));
    assert_eq!((attribute(web, "replicas"), attribute(web, "images")), (json!(3), json!(["registry.example/proxy:1", "registry.example/web:2.1"])));
    assert_eq!((attribute(web, "cpuRequest"), attribute(web, "memoryRequest"), attribute(web, "memoryLimit")), (json!("500m"), json!("128Mi"), json!("256Mi")));
    assert_eq!(relations(web), std::slice::from_ref(&member));
    assert_eq!(attribute(of("statefulset", "db"), "kind"), json!("StatefulSet"));
    assert_eq!(attribute(of("daemonset", "agent"), "images"), json!(["registry.example/agent:5"]));
    assert_eq!(attribute(of("cronjob", "report"), "schedule"), json!("5 4 * * *"));

    assert_eq!(relations(of("service", "web")), [format!("DependsOn prod/Deployment/{ns}/web"), member.clone()]);
    assert_eq!(relations(of("ingress", "shop")), [format!("DependsOn prod/Service/{ns}/web"), member.clone()]);
    assert_eq!(attribute(of("ingress", "shop"), "hosts"), json!(["shop.example.com"]));
    let certificate = of("secret", "web-tls");
    assert_eq!((&*certificate.class, attribute(certificate, "dnsNames")), ("certificate", json!(["shop.example.com"])));
    assert_eq!(relations(certificate), [member, format!("UsedBy prod/Deployment/{ns}/web"), format!("UsedBy prod/Ingress/{ns}/shop")]);

    let (files, data) = (named(&answer, &format!("prod.persistentvolume.{files}")), named(&answer, &format!("prod.persistentvolume.{data}")));
    assert_eq!((&*files.class, attribute(files, "capacity"), attribute(files, "storageClass")), ("kubernetes-volume", json!("10Gi"), json!("fast")));
    assert_eq!(relations(files), ["MemberOf prod".to_owned(), format!("UsedBy prod/Deployment/{ns}/web")]);
    assert_eq!(relations(data), ["MemberOf prod".to_owned(), format!("UsedBy prod/StatefulSet/{ns}/db")]);
}

/// The least of a definition with which the API has routes and gateways.
fn gateway_api(kind: &str, plural: &str) -> String {
    format!(
        "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: {plural}.gateway.networking.k8s.io, annotations: {{api-approved.kubernetes.io: unapproved}}}}, \
         spec: {{group: gateway.networking.k8s.io, scope: Namespaced, names: {{kind: {kind}, plural: {plural}}}, \
         versions: [{{name: v1beta1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}]}}}}\n---\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_and_gateways_are_read_where_the_api_has_them_in_the_version_that_it_has() {
    let Some(kube) = Kube::own() else { return };
    let ns = kube.namespace();
    let routes = [Resource::Gateway, Resource::HttpRoute, Resource::GrpcRoute, Resource::TlsRoute];
    let absent = ask(&kube, "admin", spec(&[], &routes)).await;
    assert_eq!((absent.complete, absent.error.as_deref(), absent.items.len()), (true, None, 0));

    kube.apply(&(gateway_api("Gateway", "gateways") + &gateway_api("HTTPRoute", "httproutes")));
    while kube.api("GET", "/apis/gateway.networking.k8s.io/v1beta1/httproutes", None).0 != 200
        || kube.api("GET", "/apis/gateway.networking.k8s.io/v1beta1/gateways", None).0 != 200
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    kube.apply(&format!(
        "{{apiVersion: gateway.networking.k8s.io/v1beta1, kind: Gateway, metadata: {{name: gate, namespace: {ns}}}, spec: {{gatewayClassName: envoy, listeners: [{{name: https, port: 443, protocol: HTTPS, hostname: '*.example.com'}}]}}}}\n---\n\
         {{apiVersion: gateway.networking.k8s.io/v1beta1, kind: HTTPRoute, metadata: {{name: shop, namespace: {ns}}}, spec: {{parentRefs: [{{name: gate}}], hostnames: [shop.example.com], rules: [{{backendRefs: [{{name: web, port: 80}}]}}]}}}}"
    ));
    let answer = ask(&kube, "admin", spec(&[], &routes)).await;
    assert!(answer.complete, "{:?}", answer.error);
    let route = named(&answer, &format!("prod.httproute.{ns}.shop"));
    assert_eq!((&*route.class, attribute(route, "hosts")), ("kubernetes-route", json!(["shop.example.com"])));
    assert_eq!(
        relations(route),
        [format!("DependsOn prod/Gateway/{ns}/gate"), format!("DependsOn prod/Service/{ns}/web"), format!("MemberOf prod/Namespace/{ns}")]
    );
    assert_eq!(attribute(named(&answer, &format!("prod.gateway.{ns}.gate")), "ports"), json!(["443/HTTPS"]));
}

/// Headless services of a namespace: the address range of the peer is small.
fn services(kube: &Kube, namespace: &str, count: usize) {
    std::thread::scope(|scope| {
        for lane in 0..8 {
            scope.spawn(move || {
                for number in (lane..count).step_by(8) {
                    let body = json!({"metadata": {"name": format!("svc-{number:04}")}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}});
                    let (code, said) = kube.api("POST", &format!("/api/v1/namespaces/{namespace}/services"), Some(&body));
                    assert_eq!(code, 201, "{said}");
                }
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_read_page_by_page_and_begun_again_where_it_grows_too_old() {
    let Some(kube) = Kube::own() else { return };
    let ns = kube.namespace();
    services(&kube, &ns, 1200);
    let answer = ask(&kube, "admin", spec(&[&ns], &[Resource::Service])).await;
    assert!(answer.complete, "{:?}", answer.error);
    let distinct: std::collections::BTreeSet<&str> = names(&answer).into_iter().collect();
    assert_eq!((answer.items.len(), distinct.len()), (1200, 1200));
    let asked = |kube: &Kube| {
        kube.audit().into_iter().filter(|event| event["requestURI"].as_str().is_some_and(|uri| uri.contains(&format!("{ns}/services?limit=500")))).count()
    };
    assert_eq!(asked(&kube), 3);

    // A token of a state that etcd has thrown away: the API server itself then says 410.
    between::compact(&kube);
    let between = between::Between::start(&kube, |request| {
        let stale = request.count_of("continue=") == 1 && request.uri.contains("continue=");
        if stale { between::Then::StaleToken } else { between::Then::Pass }
    });
    let answer = lent(&between.kubeconfig(), spec(&[&ns], &[Resource::Service])).observe(Timestamp::UNIX_EPOCH).await;
    assert!(between.statuses().contains(&410), "{:?}", between.statuses());
    assert!(answer.complete, "{:?}", answer.error);
    assert_eq!(answer.items.len(), 1200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_never_lasts_is_given_up_and_named() {
    let Some(kube) = Kube::start() else { return };
    let between = between::Between::start(&kube, |_| between::Then::Answer(410, json!({"kind": "Status", "reason": "Expired", "code": 410})));
    let answer = lent(&between.kubeconfig(), spec(&[], &[Resource::Service])).observe(Timestamp::UNIX_EPOCH).await;
    assert!(!answer.complete && error(&answer).starts_with("Service: it changes faster"), "{:?}", answer.error);
    assert!(between.statuses().len() < 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_again_after_the_pause_that_it_asks_for() {
    let Some(kube) = Kube::start() else { return };
    let between = between::Between::start(&kube, |request| match request.number {
        1 => between::Then::Busy(1),
        2 => between::Then::Answer(503, Json::Null),
        _ => between::Then::Pass,
    });
    let begun = std::time::Instant::now();
    let answer = lent(&between.kubeconfig(), spec(&[], &[Resource::Node])).observe(Timestamp::UNIX_EPOCH).await;
    assert!(answer.complete, "{:?}", answer.error);
    assert_eq!(between.statuses(), [429, 503, 200]);
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

/// What does not answer is named; what did answer is kept.
#[tokio::test(flavor = "multi_thread")]
async fn one_resource_that_hangs_does_not_lose_the_others() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    apply(&kube, &ns, SHOP);
    let between = between::Between::start(&kube, |request| if request.uri.contains("/ingresses") { between::Then::Hang } else { between::Then::Pass });
    let source = lent(&between.kubeconfig(), spec(&[&ns], &[Resource::Service, Resource::Ingress, Resource::Deployment])).with_deadline(Duration::from_secs(3));
    let answer = source.observe(Timestamp::UNIX_EPOCH).await;
    assert!(!answer.complete);
    assert_eq!(error(&answer), format!("Ingress in {ns}: there was no time left for it; give the source a longer `timeout`"));
    named(&answer, &format!("prod.service.{ns}.web"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_named_and_leaves_the_answer_incomplete() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    apply(&kube, &ns, SHOP);
    grant(&kube, "other", WITHOUT_SECRETS);
    let answer = ask(&kube, "other", spec(&[&ns], &[])).await;
    assert!(!answer.complete);
    assert!(error(&answer).starts_with(&format!("Secret in {ns}: the credentials have no right to it (403)")), "{}", error(&answer));
    assert!(!error(&answer).contains(';') || error(&answer).matches("403").count() == 1, "only Secrets are named: {}", error(&answer));
    named(&answer, &format!("prod.deployment.{ns}.web"));
    // Asked for without Secrets it is complete.
    let without = ask(&kube, "other", spec(&[&ns], &[Resource::Deployment, Resource::Service])).await;
    assert!(without.complete, "{:?}", without.error);
}

/// A Secret that may be listed and not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_may_not_be_read_by_itself_is_named() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    tls_secret(&kube, &ns, "web-tls", "shop.example.com");
    grant(&kube, "board", "[{apiGroups: [''], resources: [secrets], verbs: [list]}]");
    let answer = ask(&kube, "board", spec(&[&ns], &[Resource::TlsSecret])).await;
    assert!(!answer.complete && answer.items.is_empty());
    assert!(error(&answer).starts_with(&format!("Secret {ns}/web-tls: the credentials have no right to it (403)")), "{}", error(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_listed_as_metadata_and_only_those_with_certificates_are_read() {
    let Some(kube) = Kube::own() else { return };
    let ns = kube.namespace();
    tls_secret(&kube, &ns, "web-tls", "shop.example.com");
    apply(&kube, &ns, "{apiVersion: v1, kind: Secret, metadata: {name: password}, stringData: {tls.crt: canary}}");
    let before = kube.audit().len();
    let answer = ask(&kube, "admin", spec(&[], &[Resource::TlsSecret])).await;
    assert!(answer.complete, "{:?}", answer.error);
    assert_eq!(names(&answer), [format!("prod.secret.{ns}.web-tls")]);
    let read: Vec<Json> = kube.audit().split_off(before).into_iter().filter(|event| event["objectRef"]["resource"] == "secrets").collect();
    let told: Vec<(&str, &str)> = read.iter().map(|event| (event["verb"].as_str().unwrap(), event["objectRef"]["name"].as_str().unwrap_or_default())).collect();
    assert_eq!(told, [("list", ""), ("get", "web-tls")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_without_a_certificate_is_no_item_and_a_broken_one_is_named_and_hides_nothing_else() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    for (name, certificate) in [("empty", ""), ("broken", "canary")] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name}, "stringData": {"tls.crt": certificate, "tls.key": "canary"}});
        apply(&kube, &ns, &secret.to_string());
    }
    let answer = ask(&kube, "admin", spec(&[&ns], &[Resource::TlsSecret])).await;
    assert_eq!((names(&answer), answer.complete), (vec![&*format!("prod.secret.{ns}.broken")], true));
    assert!(error(&answer).starts_with(&format!("Secret {ns}/broken: ")) && !error(&answer).contains("canary"), "{}", error(&answer));
}

/// An estate that declares one certificate and two workloads of a namespace, of which one is not there.
fn estate(kube: &Kube, user: &str, ns: &str) -> Place {
    let place = Place::new();
    let kubeconfig = kube.kubeconfig(user).display().to_string();
    place.write("bowline.yaml", "{apiVersion: bowline.dev/v1alpha1, kind: Estate, metadata: {name: shop}, spec: {safety: {massAbsence: 100%}}}\n");
    place.write("source.yaml", &format!(
        "{{apiVersion: bowline.dev/v1alpha1, kind: DiscoverySource, metadata: {{name: k8s}}, spec: {{kubernetes: {{cluster: prod, kubeconfig: {kubeconfig:?}, namespaces: [{ns}]}}, scope: {{all: true}}}}}}\n"
    ));
    let item = |name: &str, attributes: &str| {
        format!(
            "---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: {name}}}\nspec:\n  class: kubernetes-workload\n  identifiers: {{kubernetes/path: prod/Deployment/{ns}/{name}}}\n  attributes: {attributes}\n"
        )
    };
    place.write("items.yaml", &(item("web", "{replicas: 5, memoryRequest: 131072Ki}") + &item("gone", "{replicas: 1}")));
    place
}

fn run(kube: &Kube, place: &Place, user: &str, arguments: &[&str]) -> support::Ran {
    let kubeconfig = kube.kubeconfig(user).display().to_string();
    let all: Vec<&str> = arguments.iter().copied().chain(["--allow-read", &kubeconfig]).collect();
    place.command(&all).env("BOWLINE_LOG", "trace").env_remove("KUBECONFIG").output().unwrap().into()
}

fn findings(plan: &Json) -> BTreeMap<String, String> {
    plan["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["kind"] != "Undeclared")
        .map(|one| (one["item"].as_str().unwrap().to_owned(), format!("{} {}", one["kind"].as_str().unwrap(), one["path"].as_str().unwrap_or_default())))
        .collect()
}

#[test]
fn nothing_is_missing_where_a_part_may_not_be_read_and_it_is_where_everything_was() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    apply(&kube, &ns, SHOP);
    grant(&kube, "author", WITHOUT_SECRETS);
    let place = estate(&kube, "author", &ns);
    run(&kube, &place, "author", &["check"]).ends_with(0);
    let plan = run(&kube, &place, "author", &["plan", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["sources"][0]["complete"], json!(false));
    assert!(plan["sources"][0]["error"].as_str().unwrap().contains("Secret in"), "{}", plan["sources"][0]);
    assert_eq!(findings(&plan), BTreeMap::from([("web".to_owned(), "Changed attributes.replicas".to_owned())]));

    let place = estate(&kube, "admin", &ns);
    let plan = run(&kube, &place, "admin", &["plan", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["sources"][0]["complete"], json!(true), "{}", plan["sources"][0]);
    let both = [("gone", "Missing "), ("web", "Changed attributes.replicas")].map(|(item, what)| (item.to_owned(), what.to_owned()));
    assert_eq!(findings(&plan), BTreeMap::from(both));
}

#[test]
fn what_is_discovered_is_shown_imported_and_then_in_sync() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    apply(&kube, &ns, SHOP);
    tls_secret(&kube, &ns, "web-tls", "shop.example.com");
    let place = estate(&kube, "admin", &ns);
    place.write("items.yaml", "");
    let discovered = run(&kube, &place, "admin", &["discover"]).ends_with(0);
    assert!(discovered.stdout.contains("prod.service") || discovered.stdout.contains("k8s"), "{}", discovered.stdout);
    let imported = run(&kube, &place, "admin", &["import"]).ends_with(0);
    place.write("items.yaml", &imported.stdout);
    let plan = run(&kube, &place, "admin", &["plan", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["summary"]["findings"], json!({}), "{}", plan["findings"]);
    assert_eq!(plan["summary"]["discovered"], plan["summary"]["declared"]);
    assert_eq!(plan["summary"]["declared"], json!(7));
}

#[test]
fn the_key_of_a_tls_secret_is_nowhere() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    let (certificate, key) = tls_secret(&kube, &ns, "web-tls", "shop.example.com");
    let place = estate(&kube, "admin", &ns);
    let said: Vec<support::Ran> =
        [&["discover", "--output", "json"][..], &["discover"], &["import"], &["plan", "--output", "json"], &["plan", "--output", "markdown"], &["reconcile"]]
            .iter()
            .map(|arguments| run(&kube, &place, "admin", arguments))
            .collect();
    assert!(said[0].stdout.contains("shop.example.com"), "{}", said[0].stdout);
    let encoded = base64::engine::general_purpose::STANDARD.encode(&key);
    let token = kube.token("admin").to_owned();
    let parts: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).chain([&encoded[..40], &encoded[60..100], &token]).collect();
    assert!(parts.len() >= 5 && !certificate.contains(parts[0]));
    let texts = said.iter().flat_map(|ran| [ran.stdout.clone().into_bytes(), ran.stderr.clone().into_bytes()]);
    let files = [place.estate(), place.state()].into_iter().filter(|folder| folder.exists()).flat_map(|folder| support::everything(&folder).into_values());
    for bytes in texts.chain(files) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!parts.iter().any(|part| text.contains(part)), "a part of the key or the token was told");
    }
}

#[test]
fn credentials_of_the_operator_go_to_the_server_that_they_are_bound_to() {
    let Some(kube) = Kube::start() else { return };
    let ns = kube.namespace();
    apply(&kube, &ns, SHOP);
    let place = estate(&kube, "admin", &ns);
    // The estate brings the address and the authority; the operator the token.
    std::fs::copy(kube.ca(), place.estate().join("ca.pem")).unwrap();
    place.write("cluster.kubeconfig", &lending::kubeconfig(kube.url(), "{}"));
    place.write("source.yaml", &format!(
        "{{apiVersion: bowline.dev/v1alpha1, kind: DiscoverySource, metadata: {{name: k8s}}, spec: {{kubernetes: {{cluster: prod, kubeconfig: cluster.kubeconfig, credentials: prod, namespaces: [{ns}], resources: [Deployment]}}, scope: {{all: true}}}}}}\n"
    ));
    let port = kube.url().rsplit(':').next().unwrap();
    let plan = |hosts: &str| {
        let file = place.state().with_file_name("credentials.yaml");
        std::fs::write(&file, format!("{{name: prod, token: {{env: PROD_TOKEN}}, hosts: [{hosts}]}}")).unwrap();
        let arguments = ["plan", "--output", "json", "--credentials", file.to_str().unwrap()];
        support::Ran::from(place.command(&arguments).env("PROD_TOKEN", kube.token("admin")).env_remove("KUBECONFIG").output().unwrap()).json()
    };
    let bound = plan(&format!("'127.0.0.1:{port}'"));
    assert_eq!(bound["sources"][0]["complete"], json!(true), "{}", bound["sources"][0]);
    let elsewhere = plan("git.example.com");
    assert!(elsewhere["sources"][0]["error"].as_str().unwrap().contains("is not bound to the host"), "{}", elsewhere["sources"][0]);
}

/// How often a list of this resource of a namespace was asked for, and how its watches ended so far.
fn lists_and_watches(kube: &Kube, ns: &str, resource: &str) -> (usize, Vec<u64>) {
    let of = |event: &Json, verb: &str| event["verb"] == verb && event["objectRef"]["resource"] == resource && event["objectRef"]["namespace"] == ns;
    let events = kube.audit();
    let watches = events.iter().filter(|event| of(event, "watch")).filter_map(|event| event["responseStatus"]["code"].as_u64());
    (events.iter().filter(|event| of(event, "list")).count(), watches.collect())
}

/// Waits until a pass says what is expected of its names.
async fn until(source: &KubernetesSource, expected: impl Fn(&[&str]) -> bool) -> Answer {
    let begun = std::time::Instant::now();
    loop {
        let answer = source.observe(Timestamp::UNIX_EPOCH).await;
        if answer.complete && expected(&names(&answer)) {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?} {:?}", answer.error, names(&answer));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_lists_follow_the_cluster_without_being_asked_for_again_and_survive_that_the_server_forgets() {
    let Some(kube) = Kube::own() else { return };
    let ns = kube.namespace();
    services(&kube, &ns, 3);
    tls_secret(&kube, &ns, "web-tls", "shop.example.com");
    let source = lent(&kube.kubeconfig("admin"), spec(&[&ns], &[Resource::Service, Resource::TlsSecret])).with_kept(Arc::default());
    until(&source, |names| names.len() == 4).await;
    tokio::time::sleep(Duration::from_millis(500)).await; // until the watches have begun
    let lists = lists_and_watches(&kube, &ns, "services").0;

    kube.api("DELETE", &format!("/api/v1/namespaces/{ns}/services/svc-0001"), None);
    kube.api(
        "POST",
        &format!("/api/v1/namespaces/{ns}/services"),
        Some(&json!({"metadata": {"name": "new"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})),
    );
    until(&source, |names| names.contains(&&*format!("prod.service.{ns}.new")) && !names.contains(&&*format!("prod.service.{ns}.svc-0001"))).await;
    tls_secret(&kube, &ns, "web-tls", "new.example.com");
    let certificate = format!("prod.secret.{ns}.web-tls");
    let begun = std::time::Instant::now();
    while attribute(named(&source.observe(Timestamp::UNIX_EPOCH).await, &certificate), "dnsNames") != json!(["new.example.com"]) {
        assert!(begun.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(lists_and_watches(&kube, &ns, "services").0, lists, "no list was asked for again");
    let read = kube
        .audit()
        .iter()
        .filter(|event| event["verb"] == "get" && event["objectRef"]["resource"] == "secrets" && event["user"]["username"] == "admin")
        .count();
    assert!(read <= 6, "a Secret is read when its version is new: {read}");

    // Another resource moves the revision on; a server that starts anew does not know the state from which the watch goes on.
    for number in 0..50 {
        kube.api("POST", &format!("/api/v1/namespaces/{ns}/configmaps"), Some(&json!({"metadata": {"name": format!("c-{number}")}})));
    }
    between::compact(&kube);
    kube.restart_api_server();
    kube.api(
        "POST",
        &format!("/api/v1/namespaces/{ns}/services"),
        Some(&json!({"metadata": {"name": "later"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})),
    );
    until(&source, |names| names.contains(&&*format!("prod.service.{ns}.later"))).await;
    // And it goes on being followed, however the watch had ended.
    kube.api("DELETE", &format!("/api/v1/namespaces/{ns}/services/later"), None);
    until(&source, |names| !names.contains(&&*format!("prod.service.{ns}.later"))).await;
    eprintln!("watches of services ended with {:?}", lists_and_watches(&kube, &ns, "services").1);
}
