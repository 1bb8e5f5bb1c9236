//! Several replicas share the estates of a cluster through Leases: against the real API server.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bowline::change::Change;
use bowline::controller::lease::{Claim, Held, Leases, identity, lease_name};
use bowline::controller::metrics::{Exposition, Metrics};
use bowline::controller::{Fence, Guard};
use bowline::forge::{Approval, Error, Forge, Listing, Note, Pass, Person, Request, Why};
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use peers::kube::Kube;
use serde_json::json;
use tokio::sync::watch;

/// What a takeover may take at most.
const TAKEOVER: Duration = Duration::from_secs(20);

async fn client(kube: &Kube, user: &str) -> Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    let file = Kubeconfig::read_from(kube.kubeconfig(user)).unwrap();
    Client::try_from(Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

async fn replica(kube: &Kube, host: &str) -> Leases {
    Leases::new(client(kube, "admin").await, &identity(host))
}

/// Two replicas that claim one estate; the first has it.
async fn two(kube: &Kube, namespace: &str) -> (Claim, Claim, Held) {
    let first = replica(kube, "first").await.claim(namespace, "harbour", None);
    let held = first.held().await;
    let second = replica(kube, "second").await.claim(namespace, "harbour", None);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(second.holds().is_none(), "one has it");
    (first, second, held)
}

/// Somebody writes himself into the Lease, as a replica that takes over does.
fn take_by_force(kube: &Kube, namespace: &str) {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{}", lease_name("harbour"));
    let transitions = kube.api("GET", &path, None).1["spec"]["leaseTransitions"].as_i64().unwrap();
    let (status, answer) = kube.api("PATCH", &path, Some(&json!({"spec": {"holderIdentity": "third", "leaseTransitions": transitions + 1}})));
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_is_followed_within_twenty_seconds_and_never_do_two_hold() {
    let Some(kube) = Kube::start() else { return };
    let (first, second, held) = two(&kube, &kube.namespace()).await;
    let token = held.token();
    let (watched, over) = (held.clone(), Arc::new(AtomicBool::new(false)));
    let died = Instant::now();
    drop(first); // without giving it back: what a process that is killed leaves
    let ends = over.clone();
    let second = Arc::new(second);
    let other = second.clone();
    let sampler = tokio::spawn(async move {
        while !ends.load(Ordering::Relaxed) {
            let both = watched.holds(Instant::now()) && other.holds().is_some();
            assert!(!both, "two hold at once");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let taken = tokio::time::timeout(TAKEOVER, second.held()).await.expect("within twenty seconds");
    println!("taken over after {:?}", died.elapsed());
    assert!(died.elapsed() > Duration::from_secs(9), "who held may believe so for ten seconds more");
    assert_eq!(taken.token(), token + 1);
    assert!(!held.holds(Instant::now()));
    over.store(true, Ordering::Relaxed);
    sampler.await.unwrap();
    let refused = held.check().await.unwrap_err();
    assert!(refused.lease.ends_with("/bowline-harbour"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_is_taken_at_once() {
    let Some(kube) = Kube::start() else { return };
    let (first, second, held) = two(&kube, &kube.namespace()).await;
    let (begun, token) = (Instant::now(), held.token());
    first.release().await;
    assert!(!held.holds(Instant::now()), "given back is given back");
    held.lost().await;
    let taken = tokio::time::timeout(Duration::from_secs(5), second.held()).await.expect("at once");
    println!("taken after {:?}", begun.elapsed());
    assert_eq!(taken.token(), token + 1);
    assert!(taken.check().await.is_ok() && held.check().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_cannot_reach_the_api_server_stops_believing_and_goes_on_when_it_is_back() {
    let Some(kube) = Kube::own() else { return };
    let leases = replica(&kube, "first").await;
    let claim = leases.claim(&kube.namespace(), "harbour", None);
    let held = claim.held().await;
    assert!(held.check().await.is_ok());
    let begun = Instant::now();
    kube.kill_api_server();
    tokio::time::timeout(Duration::from_secs(11), held.lost()).await.expect("ten seconds after the last renewal at most");
    assert!(begun.elapsed() > Duration::from_secs(4), "not at the first refusal: {:?}", begun.elapsed());
    assert!(held.check().await.is_err());
    assert_eq!(leases.held(), 0);
    assert!(claim.trouble().is_some());
    kube.restart_api_server();
    let again = tokio::time::timeout(TAKEOVER, claim.held()).await.expect("it goes on");
    assert_eq!(again.token(), held.token() + 1, "what was lost is lost for ever");
    assert!(!held.holds(Instant::now()));
    assert!(claim.trouble().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_of_the_api_server_costs_nothing() {
    let Some(kube) = Kube::own() else { return };
    let claim = replica(&kube, "first").await.claim(&kube.namespace(), "harbour", None);
    let held = claim.held().await;
    kube.stop_etcd();
    tokio::time::sleep(Duration::from_secs(4)).await;
    kube.continue_etcd();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(held.check().await.is_ok(), "{:?}", claim.trouble());
    assert_eq!(claim.holds().unwrap().token(), held.token());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_another_replica_changes_nothing() {
    let Some(kube) = Kube::start() else { return };
    let namespace = kube.namespace();
    let leases = replica(&kube, "first").await;
    let mut waiting = Vec::new();
    for (estate, time) in [("future", "2099-01-01T00:00:00.000000Z"), ("past", "1971-01-01T00:00:00.000000Z")] {
        let name = lease_name(estate);
        kube.apply(&format!("{{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {{name: {name}, namespace: {namespace}, annotations: {{note: mine}}}}, spec: {{holderIdentity: other, leaseDurationSeconds: 15, leaseTransitions: 7, acquireTime: \"{time}\", renewTime: \"{time}\"}}}}"));
        let claim = leases.claim(&namespace, estate, None);
        let begun = Instant::now();
        waiting.push(tokio::spawn(async move {
            let held = tokio::time::timeout(TAKEOVER, claim.held()).await.expect("within twenty seconds");
            (begun.elapsed(), held.token())
        }));
    }
    for wait in waiting {
        let (took, token) = wait.await.unwrap();
        assert!(took > Duration::from_secs(14), "another may still believe: {took:?}");
        assert_eq!(token, 8);
    }
    let note = kube.kubectl(&["get", "lease", &lease_name("past"), "-n", &namespace, "-o", "jsonpath={.metadata.annotations.note}"]).ok();
    assert_eq!(note, "mine", "what others wrote beside it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_get_create_and_update_is_needed_and_what_is_missing_is_told() {
    let Some(kube) = Kube::start() else { return };
    let namespace = kube.namespace();
    let metrics = Arc::new(Metrics::new());
    let leases = Leases::new(client(&kube, "bowline").await, &identity("first")).with_metrics(metrics.clone());
    let claim = leases.claim(&namespace, "harbour", None);
    let begun = Instant::now();
    while claim.trouble().is_none() && begun.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let trouble = claim.trouble().expect("it is forbidden");
    assert!(trouble.contains("forbidden") && trouble.contains("leases"), "{trouble}");
    kube.apply(&format!(
        "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: leases, namespace: {namespace}}}, rules: [{{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}}]}}\n---\n{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: leases, namespace: {namespace}}}, roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: leases}}, subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: bowline}}]}}"
    ));
    let held = tokio::time::timeout(TAKEOVER, claim.held()).await.expect("it is allowed");
    assert!(held.check().await.is_ok());
    let line = format!("bowline_lease_held{{estate=\"{namespace}/harbour\"}}");
    assert!(metrics.render(Exposition::Prometheus).contains(&format!("{line} 1")));
    claim.release().await;
    assert!(metrics.render(Exposition::Prometheus).contains(&format!("{line} 0")));
    let holder = kube.kubectl(&["get", "lease", "bowline-harbour", "-n", &namespace, "-o", "jsonpath={.spec.holderIdentity}"]).ok();
    assert_eq!(holder, "");
}

/// A forge whose steps never end; it counts those that began.
#[derive(Default)]
struct Endless {
    begun: AtomicBool,
}

#[async_trait]
impl Forge for Endless {
    async fn list(&self, _: Pass<'_>) -> Result<Listing, Error> {
        Ok(Listing::default())
    }
    async fn open(&self, _: &Change, _: Pass<'_>) -> Result<(), Error> {
        unreachable!("no test asks for it")
    }
    async fn rewrite(&self, _: &Request, _: &Change, _: Why, _: Pass<'_>) -> Result<(), Error> {
        unreachable!("no test asks for it")
    }
    async fn close(&self, _: &Request, _: &str, _: Pass<'_>) -> Result<(), Error> {
        unreachable!("no test asks for it")
    }
    async fn note(&self, _: &Request, _: Note, _: &str, _: Pass<'_>) -> Result<(), Error> {
        unreachable!("no test asks for it")
    }
    async fn approve(&self, _: &str, _: Option<&Person>, _: Timestamp) -> Result<Approval, Error> {
        unreachable!("no test asks for it")
    }
    async fn reject(&self, _: &str, _: Option<&Person>, _: Option<&str>, _: Timestamp) -> Result<(), Error> {
        unreachable!("no test asks for it")
    }
    async fn patch(&self, _: &Request) -> Result<String, Error> {
        unreachable!("no test asks for it")
    }
    async fn write_dashboard(&self, _: Option<&bowline::forge::Dashboard>, _: &str) -> Result<(), Error> {
        self.begun.store(true, Ordering::Relaxed);
        std::future::pending().await
    }
}

fn pass() -> Pass<'static> {
    Pass { base: None, now: Timestamp::now() }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_takeover_no_write_begins_and_reads_go_on() {
    let Some(kube) = Kube::start() else { return };
    let namespace = kube.namespace();
    let claim = replica(&kube, "first").await.claim(&namespace, "harbour", None);
    let held = claim.held().await;
    // The process does not know of it yet: it believes that it holds.
    take_by_force(&kube, &namespace);
    assert!(held.holds(Instant::now()));
    let (forge, (_running, stop)) = (Endless::default(), watch::channel(false));
    let guard = Guard::fenced(&forge, stop, &held);
    let refused = guard.write_dashboard(None, "").await.unwrap_err();
    assert!(matches!(&refused, Error::NotHeld { holder: Some(holder), .. } if holder == "third"), "{refused}");
    assert!(refused.concerns_all() && guard.trouble().concerns_all, "the pass ends");
    assert!(!forge.begun.load(Ordering::Relaxed));
    assert!(guard.list(pass()).await.is_ok());
    assert!(!held.holds(Instant::now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_has_begun_is_cut_when_the_lease_is_lost() {
    let Some(kube) = Kube::start() else { return };
    let namespace = kube.namespace();
    let claim = replica(&kube, "first").await.claim(&namespace, "harbour", None);
    let held = claim.held().await;
    let (forge, (_running, stop)) = (Endless::default(), watch::channel(false));
    let guard = Guard::fenced(&forge, stop, &held);
    let robber = async {
        while !forge.begun.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        take_by_force(&kube, &namespace);
    };
    let begun = Instant::now();
    let (cut, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(11), guard.write_dashboard(None, "")), robber);
    let cut = cut.expect("at the next renewal").unwrap_err();
    assert!(matches!(cut, Error::NotHeld { .. }), "{cut}");
    println!("cut after {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_replicas_that_begin_at_once_one_has_each_estate() {
    let Some(kube) = Kube::start() else { return };
    let namespace = kube.namespace();
    let mut replicas = Vec::new();
    for host in ["a", "b", "c"] {
        replicas.push(replica(&kube, host).await);
    }
    let estates: Vec<String> = (0..9).map(|number| format!("estate-{number}")).collect();
    let claims: Vec<Vec<Claim>> = estates.iter().map(|estate| replicas.iter().map(|replica| replica.claim(&namespace, estate, None)).collect()).collect();
    let begun = Instant::now();
    let holders = |claims: &[Claim]| claims.iter().filter(|claim| claim.holds().is_some()).count();
    while begun.elapsed() < TAKEOVER && claims.iter().any(|claims| holders(claims) == 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for claims in &claims {
        assert_eq!(holders(claims), 1);
    }
    println!("shares: {:?}", replicas.iter().map(Leases::held).collect::<Vec<_>>());
    assert_eq!(replicas.iter().map(Leases::held).sum::<usize>(), 9);
}
