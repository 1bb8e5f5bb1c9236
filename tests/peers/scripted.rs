//! A server over TLS that answers each request as a test says, then cuts the connection. It can do what no decent server does.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::authority::Authority;

pub struct Scripted {
    pub port: u16,
    pub authority_file: PathBuf,
    heads: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Answers the head of each request (request line and headers) with these bytes.
    pub fn start(folder: &std::path::Path, answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let authority = Authority::new();
        let authority_file = folder.join(format!("scripted-{}.pem", super::free_port()));
        authority.write(&authority_file);
        let (certificate, key) = authority.issue(&["localhost", "127.0.0.1"]);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
        let config = Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).expect("a certificate with its key"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (kept, ended) = (Arc::clone(&heads), Arc::clone(&over));
        let server = std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(connection) = rustls::ServerConnection::new(Arc::clone(&config)) else { return };
                let mut stream = rustls::StreamOwned::new(connection, socket);
                let Some(head) = head(&mut stream) else { continue };
                let bytes = answer(&head);
                kept.lock().expect("the list").push(head);
                stream.write_all(&bytes).ok();
                stream.flush().ok();
            }
        });
        Self { port, authority_file, heads, over, server: Some(server) }
    }

    /// The heads of the requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("the list").clone()
    }
}

fn head(stream: &mut impl Read) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && text.len() < 65_536 {
        stream.read_exact(&mut byte).ok()?;
        text.extend_from_slice(&byte);
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        std::net::TcpStream::connect(("127.0.0.1", self.port)).ok(); // wakes it up
        if let Some(server) = self.server.take() {
            server.join().ok();
        }
    }
}
