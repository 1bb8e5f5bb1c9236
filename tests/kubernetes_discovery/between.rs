//! A server between the source and the real API server: it passes requests on, and does what a test says where a real server
//! would only do it on a bad day.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request as Asked;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;

use crate::peers::kube::Kube;

/// One request that came.
pub struct Request {
    /// The how many'th it is, from 1.
    pub number: usize,
    /// What it asks for.
    pub uri: String,
    earlier: Vec<String>,
}

impl Request {
    /// How many requests so far, with this one, have this in their address.
    pub fn count_of(&self, part: &str) -> usize {
        self.earlier.iter().filter(|uri| uri.contains(part)).count()
    }
}

/// What happens to it.
pub enum Then {
    /// It is passed on.
    Pass,
    /// It is answered with this status and body.
    Answer(u16, Json),
    /// 429 with `Retry-After`, in seconds.
    Busy(u64),
    /// It is never answered.
    Hang,
    /// It is passed on with a continue token of the first state that the cluster ever had.
    StaleToken,
}

/// The server.
pub struct Between {
    folder: tempfile::TempDir,
    statuses: Arc<Mutex<Vec<u16>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Between {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Between {
    /// Starts it. Must be called in a runtime of tokio.
    pub fn start(kube: &Kube, decide: impl Fn(&Request) -> Then + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let statuses: Arc<Mutex<Vec<u16>>> = Arc::default();
        let (kube, decide, seen, uris) = (kube.clone(), Arc::new(decide), statuses.clone(), Arc::new(Mutex::new(Vec::new())));
        let answer = move |asked: Asked| {
            let (kube, decide, seen, uris) = (kube.clone(), decide.clone(), seen.clone(), uris.clone());
            async move {
                let uri = asked.uri().to_string();
                let earlier = {
                    let mut uris: std::sync::MutexGuard<'_, Vec<String>> = uris.lock().unwrap();
                    uris.push(uri.clone());
                    uris.clone()
                };
                let request = Request { number: earlier.len(), uri, earlier };
                let accept = asked.headers().get("accept").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
                let response = carry_out(&kube, &request, decide(&request), &accept).await;
                seen.lock().unwrap().push(response.status().as_u16());
                response
            }
        };
        let router = Router::new().fallback(answer);
        let task = tokio::spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            serve(listener, router).await;
        });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = format!(
            "{{apiVersion: v1, kind: Config, current-context: it, contexts: [{{name: it, context: {{cluster: it, user: it}}}}], users: [{{name: it, user: {{}}}}], \
             clusters: [{{name: it, cluster: {{server: 'http://{address}'}}}}]}}"
        );
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).unwrap();
        Self { folder, statuses, task }
    }

    /// A kubeconfig that leads to it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The status of each answer so far.
    pub fn statuses(&self) -> Vec<u16> {
        self.statuses.lock().unwrap().clone()
    }
}

async fn serve(listener: tokio::net::TcpListener, router: Router) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service);
        tokio::spawn(async move { connection.await.ok() });
    }
}

async fn carry_out(kube: &Kube, request: &Request, then: Then, accept: &str) -> Response {
    let plain =
        |status: u16, body: &Json| Response::builder().status(status).header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
    match then {
        Then::Answer(status, body) => plain(status, &body),
        Then::Busy(seconds) => Response::builder().status(429).header("retry-after", seconds).body(Body::empty()).unwrap(),
        Then::Hang => std::future::pending().await,
        Then::Pass | Then::StaleToken => {
            let uri = if matches!(then, Then::StaleToken) { stale(&request.uri) } else { request.uri.clone() };
            let (kube, accept) = (kube.clone(), accept.to_owned());
            let (status, body) = tokio::task::spawn_blocking(move || {
                assert!(accept == "application/json", "documents are asked for");
                kube.api("GET", &uri, None)
            })
            .await
            .unwrap();
            tokio::time::sleep(Duration::ZERO).await;
            plain(status, &body)
        }
    }
}

/// The same address with the first revision in its continue token.
fn stale(uri: &str) -> String {
    let (before, token) = uri.split_once("continue=").unwrap();
    let mut said: Json = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.trim_end_matches("%3D")).unwrap()).unwrap();
    said["rv"] = 1.into();
    format!("{before}continue={}", URL_SAFE_NO_PAD.encode(said.to_string()))
}

/// Makes etcd throw away every state but the present one, which it otherwise does every few minutes.
pub fn compact(kube: &Kube) {
    let folder = kube.ca().parent().unwrap().to_owned();
    let id = std::fs::read_to_string(folder.join("api.pid")).unwrap();
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", id.trim())).unwrap();
    let etcd = line.split('\0').find_map(|word| word.strip_prefix("--etcd-servers=")).unwrap().to_owned();
    let ask = move || {
        let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        let post = |path: &str, body: Json| -> Json {
            let answer = client.post(format!("{etcd}/v3/kv/{path}")).body(body.to_string()).send().unwrap();
            assert!(answer.status().is_success(), "{answer:?}");
            serde_json::from_slice(&answer.bytes().unwrap()).unwrap()
        };
        let revision = post("range", serde_json::json!({"key": "AA=="}))["header"]["revision"].clone();
        post("compaction", serde_json::json!({"revision": revision, "physical": true}));
    };
    std::thread::spawn(ask).join().unwrap();
}
