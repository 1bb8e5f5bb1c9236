//! A server over plain HTTP on this machine that plays the faults that a real forge has only on its bad days. It is a
//! stand-in of our own: it shows what Bowline does about an answer, not what a forge answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// What is done about a request.
#[derive(Clone, Debug)]
pub enum Play {
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
    /// Nothing: the connection is closed.
    Cut,
    /// Nothing for so long.
    Stall(Duration),
    /// A head, and then so many bytes of a body.
    Flood(usize),
    /// A head that promises so many bytes, and then one of them at a time.
    Drip(usize, Duration),
}

pub struct Player {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
}

impl Player {
    /// Answers each request, and its number from 0, as the play says.
    pub fn start(play: impl Fn(&Asked, usize) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (asked, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, ended, play) = (Arc::clone(&asked), Arc::clone(&over), Arc::new(play));
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (kept, play) = (Arc::clone(&kept), Arc::clone(&play));
                std::thread::spawn(move || {
                    let Some(request) = read(&socket) else { return };
                    let number = {
                        let mut kept = kept.lock().expect("the list");
                        kept.push(request.clone());
                        kept.len() - 1
                    };
                    perform(socket, play(&request, number));
                });
            }
        });
        Self { port, asked, over }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the list").clone()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        TcpStream::connect(("127.0.0.1", self.port)).ok(); // wakes it up
    }
}

/// An answer with its length; the connection is closed after it.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Play {
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        head.push_str("content-type: application/json; charset=utf-8\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    Play::Bytes(format!("{head}\r\n{body}").into_bytes())
}

fn read(socket: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(socket);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body })
}

fn perform(mut socket: TcpStream, play: Play) {
    match play {
        Play::Bytes(bytes) => drop(socket.write_all(&bytes)),
        Play::Cut => {}
        Play::Stall(time) => std::thread::sleep(time),
        Play::Drip(size, pause) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n");
            let mut left = if socket.write_all(head.as_bytes()).is_ok() { size } else { 0 };
            while left > 0 && socket.write_all(b" ").is_ok() {
                left -= 1;
                std::thread::sleep(pause);
            }
        }
        Play::Flood(size) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n\r\n");
            let chunk = vec![b' '; 1 << 20];
            let mut left = if socket.write_all(head.as_bytes()).is_ok() { size } else { 0 };
            while left > 0 && socket.write_all(&chunk[..left.min(chunk.len())]).is_ok() {
                left = left.saturating_sub(chunk.len());
            }
        }
    }
}
