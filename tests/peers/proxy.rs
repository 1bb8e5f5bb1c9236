//! A reverse proxy before a real server, on 127.0.0.1: it writes down what passes, and can spoil an answer, before the
//! server hears of the request or after it has done the work.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What is done to a request that a [`Rule`] matches.
#[derive(Clone, Debug)]
pub enum Spoil {
    /// The server does not hear of it; this is the answer: status, further header lines, body.
    Instead(u16, &'static str, &'static str),
    /// The server does the work; this is the answer all the same.
    After(u16, &'static str, &'static str),
    /// The connection is cut before the server hears of it.
    CutBefore,
    /// The server does the work, and the connection is cut in the middle of the answer.
    CutAfter,
    /// The server does the work, and nothing is answered for so long.
    StallAfter(Duration),
}

/// Which requests are spoilt, how, and how often.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The method; `*`: any; `write`: any that changes something.
    pub method: &'static str,
    /// What the target contains.
    pub path: &'static str,
    /// How many of them pass before.
    pub skip: usize,
    /// How many of them.
    pub times: usize,
    /// How.
    pub spoil: Spoil,
}

impl Rule {
    fn matches(&self, method: &str, target: &str) -> bool {
        // git's fetch posts, too, but only what is pushed changes something.
        let write = !matches!(method, "GET" | "HEAD") && !target.ends_with("git-upload-pack");
        let fits = match self.method {
            "*" => true,
            "write" => write,
            known => known == method,
        };
        fits && target.contains(self.path)
    }
}

#[derive(Default)]
struct State {
    seen: Vec<String>,
    rules: Vec<Rule>,
    /// Whether nothing passes any more once a rule has spoilt something.
    dies: bool,
    dead: bool,
}

/// The proxy. Its threads end with the test process.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Before the server at this address, `http://127.0.0.1:PORT`.
    pub fn before(server: &str) -> Self {
        let upstream: SocketAddr = server.trim_start_matches("http://").trim_end_matches('/').replace("localhost", "127.0.0.1").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = shared.clone();
                // A client that goes away in the middle is its own business.
                thread::spawn(move || drop(pass(client, upstream, &state)));
            }
        });
        Self { port, state }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What has passed since this was last called: `GET /path?query`.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    /// Spoils requests from now on.
    pub fn spoil(&self, rule: Rule) {
        self.state.lock().unwrap().rules.push(rule);
    }

    /// Spoils this, and after it lets nothing pass, as if the client had been killed at that point.
    pub fn spoil_and_die(&self, rule: Rule) {
        let mut state = self.state.lock().unwrap();
        state.rules.push(rule);
        state.dies = true;
    }

    /// Spoils nothing any more.
    pub fn heal(&self) {
        let mut state = self.state.lock().unwrap();
        state.rules.clear();
        (state.dies, state.dead) = (false, false);
    }
}

fn pass(mut client: TcpStream, upstream: SocketAddr, state: &Mutex<State>) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(20)))?;
    let Some((head, body)) = read_request(&mut client)? else { return Ok(()) };
    let line = head.lines().next().unwrap_or_default().to_owned();
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let spoil = {
        let mut state = state.lock().unwrap();
        state.seen.push(format!("{method} {target}"));
        if state.dead {
            return client.shutdown(Shutdown::Both);
        }
        let rule = state.rules.iter_mut().find(|rule| rule.times > 0 && rule.matches(&method, &target));
        let spoil = rule.and_then(|rule| {
            if rule.skip > 0 {
                rule.skip -= 1;
                return None;
            }
            rule.times -= 1;
            Some(rule.spoil.clone())
        });
        state.dead = state.dies && spoil.is_some();
        spoil
    };
    match &spoil {
        Some(Spoil::Instead(status, headers, body)) => return answer(&mut client, *status, headers, body),
        Some(Spoil::CutBefore) => return client.shutdown(Shutdown::Both),
        _ => {}
    }
    let reply = forward(&head, &body, upstream)?;
    match spoil {
        Some(Spoil::After(status, headers, body)) => answer(&mut client, status, headers, body),
        Some(Spoil::CutAfter) => {
            client.write_all(&reply[..reply.len().min(40)])?;
            client.shutdown(Shutdown::Both)
        }
        Some(Spoil::StallAfter(time)) => {
            thread::sleep(time);
            client.shutdown(Shutdown::Both)
        }
        _ => {
            client.write_all(&reply)?;
            client.shutdown(Shutdown::Write)
        }
    }
}

/// The head without its connection headers, and the body.
fn read_request(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut part = [0; 16 * 1024];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        match client.read(&mut part)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&part[..read]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = header(&head, "content-length").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    if header(&head, "expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = bytes[end..].to_vec();
    while body.len() < length {
        match client.read(&mut part)? {
            0 => return Ok(None),
            read => body.extend_from_slice(&part[..read]),
        }
    }
    let dropped = ["connection:", "keep-alive:", "expect:"];
    let kept: Vec<&str> = head.trim_end().lines().filter(|line| !dropped.iter().any(|name| line.to_ascii_lowercase().starts_with(name))).collect();
    Ok(Some((format!("{}\r\nConnection: close\r\n\r\n", kept.join("\r\n")), body)))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().filter_map(|line| line.split_once(':')).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn forward(head: &str, body: &[u8], upstream: SocketAddr) -> std::io::Result<Vec<u8>> {
    let mut server = TcpStream::connect(upstream)?;
    server.set_read_timeout(Some(Duration::from_secs(60)))?;
    server.write_all(head.as_bytes())?;
    server.write_all(body)?;
    let mut reply = Vec::new();
    server.read_to_end(&mut reply)?;
    Ok(reply)
}

fn answer(client: &mut TcpStream, status: u16, headers: &str, body: &str) -> std::io::Result<()> {
    let headers = if headers.is_empty() { "Content-Type: application/json\r\n".to_owned() } else { headers.to_owned() };
    let text = format!("HTTP/1.1 {status} Spoilt\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    client.write_all(text.as_bytes())?;
    client.shutdown(Shutdown::Write)
}
