//! An admission webhook that answers 409 for the API server, as long as it is told to.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::peers::authority::Authority;
use crate::site::{Site, until};

/// The webhook. Its threads end with the test process.
pub struct Webhook {
    refuses: Arc<AtomicBool>,
}

impl Webhook {
    /// Has the API server of a site answer every write to the status of this item with a conflict.
    pub fn against(site: &Site, item: &str) -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.issue(&["localhost", "127.0.0.1"]);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let settings = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let refuses = Arc::new(AtomicBool::new(true));
        let (of_server, of_item) = (refuses.clone(), item.to_owned());
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(settings.clone()).unwrap();
                let (refuses, item) = (of_server.clone(), of_item.clone());
                std::thread::spawn(move || {
                    let mut stream = rustls::StreamOwned::new(connection, socket);
                    while let Some(review) = asked(&mut stream) {
                        let conflict = refuses.load(Ordering::SeqCst) && review["request"]["name"] == *item;
                        if answer(&mut stream, &review["request"]["uid"], conflict).is_none() {
                            return;
                        }
                    }
                });
            }
        });
        register(site, port, &authority.pem);
        // The API server learns of it a little later.
        let path = format!("/apis/bowline.dev/v1alpha1/namespaces/{}/configurationitems/{item}/status?dryRun=All", site.namespace);
        until("the webhook's first word", || {
            let (code, said) = site.kube.api("PATCH", &path, Some(&json!({"status": {"findingCount": 1}})));
            (code == 409 && said["reason"] == "Conflict").then_some(())
        });
        Self { refuses }
    }

    /// Has it say yes from now on.
    pub fn agree(&self) {
        self.refuses.store(false, Ordering::SeqCst);
    }
}

fn register(site: &Site, port: u16, authority: &str) {
    let authority = base64::engine::general_purpose::STANDARD.encode(authority);
    let webhook = json!({"name": "conflict.test.bowline.dev", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        "clientConfig": {"url": format!("https://127.0.0.1:{port}/"), "caBundle": authority},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": site.namespace}},
        "rules": [{"apiGroups": ["bowline.dev"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["configurationitems/status"]}]});
    let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": format!("conflict-{}", site.namespace)}, "webhooks": [webhook]});
    site.kube.apply(&configuration.to_string());
}

/// The next review; none once the connection is over.
fn asked(stream: &mut impl Read) -> Option<Value> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn answer(stream: &mut impl Write, review: &Value, conflict: bool) -> Option<()> {
    let mut response = json!({"uid": review, "allowed": !conflict});
    if conflict {
        response["status"] = json!({"status": "Failure", "code": 409, "reason": "Conflict", "message": "another write came first"});
    }
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).to_string();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    stream.flush().ok()
}
