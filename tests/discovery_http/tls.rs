//! TLS with own roots and client certificates, and proxies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bowline::access::Access;
use bowline::credentials::{Credentials, Login, Secret};
use bowline::discovery::reach::Reach;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::asking::{ask_with, complete, incomplete, login};
use crate::peers::authority::Authority;

const ITEMS: &str = "items: '.items[]'\n";
const BODY: &str = r#"{"items": [{"id": "a"}]}"#;

/// A server over TLS that answers everything with one item. Its thread ends with the test process.
fn serve(certificate: &str, key: &str, wants: Option<&Authority>) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match wants {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let config = Arc::new(builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), socket);
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            if !head.is_empty() {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{BODY}", BODY.len()).ok();
                stream.conn.send_close_notify();
                stream.flush().ok();
            }
        }
    });
    port
}

/// A certificate that signed itself, for `localhost`.
fn own(is_ca: bool) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn reach(root: &Path, credentials: Credentials) -> Reach {
    Reach::new(root.to_owned(), Arc::new(Access::default())).with_credentials(Arc::new(credentials))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signed_itself_is_refused_and_accepted_where_it_is_named() {
    for is_ca in [false, true] {
        let (certificate, key) = own(is_ca);
        let port = serve(&certificate, &key, None);
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("own.pem"), &certificate).unwrap();
        std::fs::write(root.path().join("other.pem"), own(is_ca).0).unwrap();
        let reach = reach(root.path(), Credentials::default());
        let url = format!("https://localhost:{port}");
        let begun = std::time::Instant::now();
        incomplete(&ask_with(&url, "{url: URL, list: {path: list}}", ITEMS, reach.clone()).await, &["certificate", "`ca`"], &[]);
        incomplete(&ask_with(&url, "{url: URL, ca: other.pem, list: {path: list}}", ITEMS, reach.clone()).await, &["certificate"], &[]);
        assert!(begun.elapsed().as_secs() < 5, "it is not tried again");
        complete(&ask_with(&url, "{url: URL, ca: own.pem, list: {path: list}}", ITEMS, reach.clone()).await, &["a"]);
        let by_address = format!("https://127.0.0.1:{port}");
        incomplete(&ask_with(&by_address, "{url: URL, ca: own.pem, list: {path: list}}", ITEMS, reach).await, &["certificate"], &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_the_estate_vouches_for_its_servers() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["localhost"]);
    let port = serve(&certificate, &key, None);
    let root = tempfile::tempdir().unwrap();
    authority.write(&root.path().join("ca.pem"));
    std::fs::write(root.path().join("rubbish.pem"), "rubbish").unwrap();
    let (url, reach) = (format!("https://localhost:{port}"), reach(root.path(), Credentials::default()));
    complete(&ask_with(&url, "{url: URL, ca: ca.pem, list: {path: list}}", ITEMS, reach.clone()).await, &["a"]);
    incomplete(&ask_with(&url, "{url: URL, ca: rubbish.pem, list: {path: list}}", ITEMS, reach).await, &["`rubbish.pem`"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown_to_its_hosts() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["localhost"]);
    let port = serve(&certificate, &key, Some(&authority));
    let root = tempfile::tempdir().unwrap();
    authority.write(&root.path().join("ca.pem"));
    let (own, own_key) = authority.issue(&["bowline"]);
    let shown = login(&["localhost"], Login::ClientCertificate { certificate: own.into(), key: Secret::new(&own_key) });
    let url = format!("https://localhost:{port}");
    for name in ["credentials", "clientCertificate"] {
        let http = format!("{{url: URL, ca: ca.pem, {name}: api, list: {{path: list}}}}");
        complete(&ask_with(&url, &http, ITEMS, reach(root.path(), shown.clone())).await, &["a"]);
    }
    let without = "{url: URL, ca: ca.pem, list: {path: list}, limits: {tries: 1}}";
    let answer = ask_with(&url, without, ITEMS, reach(root.path(), Credentials::default())).await;
    assert!(!answer.complete && answer.items.is_empty(), "{answer:?}");
}

/// A proxy that knows CONNECT; it leads every host to this machine, and keeps the heads of what it was asked.
fn proxy() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let kept = heads.clone();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let kept = kept.clone();
            std::thread::spawn(move || tunnel(client, &kept));
        }
    });
    (port, heads)
}

fn tunnel(mut client: TcpStream, heads: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
    let port: u16 = head.split(' ').nth(1).and_then(|target| target.rsplit_once(':')?.1.parse().ok()).unwrap();
    heads.lock().unwrap().push(head);
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok();
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        std::io::copy(&mut from_server, &mut to_client).ok();
        to_client.shutdown(Shutdown::Write).ok();
    });
    std::io::copy(&mut reader, &mut server).ok();
    server.shutdown(Shutdown::Write).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_carries_what_is_encrypted_from_end_to_end() {
    let authority = Authority::new();
    // Only the proxy can resolve this name.
    let (certificate, key) = authority.issue(&["api.corp.invalid"]);
    let port = serve(&certificate, &key, None);
    let (by, heads) = proxy();
    let root = tempfile::tempdir().unwrap();
    authority.write(&root.path().join("ca.pem"));
    let credentials = login(&["127.0.0.1", "api.corp.invalid"], Login::Password { user: "alice".into(), password: Secret::new("proxy-password") });
    let url = format!("https://api.corp.invalid:{port}");
    let http = format!("{{url: URL, ca: ca.pem, proxy: 'http://127.0.0.1:{by}', proxyCredentials: api, list: {{path: list}}}}");
    complete(&ask_with(&url, &http, ITEMS, reach(root.path(), credentials)).await, &["a"]);
    let heads = heads.lock().unwrap().clone();
    assert!(heads.iter().all(|head| head.starts_with(&format!("CONNECT api.corp.invalid:{port} ")) && !head.contains("/list")), "{heads:?}");
    assert!(heads[0].to_ascii_lowercase().contains("proxy-authorization: basic ywxpy2u6"), "{heads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_too_only_what_the_operator_names_is_asked_for() {
    let (by, heads) = proxy();
    let access = Access { allow_net: vec!["127.0.0.1".parse().unwrap(), "api.example.com".parse().unwrap()], ..Access::default() };
    let reach = Reach::new(std::path::PathBuf::from("/nonexistent"), Arc::new(access));
    let http = format!("{{url: URL, proxy: 'http://127.0.0.1:{by}', list: {{path: list}}}}");
    incomplete(&ask_with("https://metadata.internal", &http, ITEMS, reach.clone()).await, &["by way of a proxy", "--allow-net"], &[]);
    incomplete(&ask_with("https://169.254.169.254", &http, ITEMS, reach.clone()).await, &["link-local"], &[]);
    assert!(heads.lock().unwrap().is_empty());
    let elsewhere = Access { allow_net: vec!["api.example.com".parse().unwrap()], ..Access::default() };
    let reach = Reach::new(std::path::PathBuf::from("/nonexistent"), Arc::new(elsewhere));
    incomplete(&ask_with("https://api.example.com", &http, ITEMS, reach).await, &["127.0.0.1", "--allow-net"], &[]);
    assert!(heads.lock().unwrap().is_empty());
}
