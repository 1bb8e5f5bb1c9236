//! Facts that agents push: the listener with all that can be wrong with a batch, `bowline run` that keeps them over a restart, the plan that reads
//! them, and `bowline discover --push` as the agent.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod support;

#[path = "discovery_push/agent.rs"]
mod agent;
#[path = "discovery_push/laws.rs"]
mod laws;
#[path = "discovery_push/listener.rs"]
mod listener;
#[path = "discovery_push/running.rs"]
mod running;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

/// The token of the source `web`.
const TOKEN: &str = "web-canary-0123456789abcdef";
/// The token of the source `other`.
const OTHER: &str = "other-canary-0123456789abcdef";
/// An instant before now.
const THEN: &str = "2026-01-05T08:00:00Z";

/// What was answered.
#[derive(Debug)]
struct Answered {
    status: u16,
    head: String,
    body: Value,
}

impl Answered {
    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    /// Taken, unchanged, older, gone, known.
    #[track_caller]
    fn counts(&self) -> [u64; 5] {
        assert_eq!(self.status, 200, "{self:?}");
        ["taken", "unchanged", "older", "gone", "known"].map(|name| self.body[name].as_u64().unwrap())
    }
}

/// Sends bytes as they are.
fn raw(address: &str, bytes: &[u8]) -> Answered {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    // A server that refuses early need not read the rest.
    let _ = stream.write_all(bytes);
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> Answered {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answered { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
}

/// A batch with these headers; the usual ones where they are not among them.
fn request(query: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("POST /v1/observations{query} HTTP/1.1\r\nHost: bowline\r\n");
    let length = body.len().to_string();
    let authorization = format!("Bearer {TOKEN}");
    for (name, value) in [("Content-Length", length.as_str()), ("Content-Type", "application/x-ndjson"), ("Authorization", &authorization)] {
        if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    headers.iter().filter(|(_, value)| !value.is_empty()).for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Pushes a batch to the source `web`.
fn push(address: &str, query: &str, lines: &[Value]) -> Answered {
    raw(address, &request(query, &[], batch(lines).as_bytes()))
}

fn batch(lines: &[Value]) -> String {
    lines.iter().fold(String::new(), |batch, line| format!("{batch}{line}\n"))
}

/// A server of this name, seen at this instant, with so many CPUs.
fn server(name: &str, seen: &str, cpus: u32) -> Value {
    json!({"key": name, "class": "server", "name": name, "identifiers": {"dns/fqdn": format!("{name}.example.com")}, "attributes": {"cpus": cpus}, "seen": seen})
}

/// A source of the kind `push`, to which what these tests send is never too old, whenever they run.
fn source(name: &str, push: &str, more: &str) -> String {
    let stale = if more.contains("staleAfter") { "" } else { "  staleAfter: 36500d\n" };
    format!("apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: {name}}}\nspec:\n  push: {{{push}}}\n{stale}{more}")
}
