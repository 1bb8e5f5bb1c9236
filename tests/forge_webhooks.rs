//! The listener for webhooks, over real sockets: what is taken, what is refused, and what a stranger can cost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bowline::controller::listen::{Bounds, serve};
use bowline::controller::webhook::{Inbox, LARGEST, router};
use bowline::controller::{Key, Pulse, Watched};
use bowline::credentials::Secret;
use ring::hmac;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// The secret of the example in GitHub's documentation, "Validating webhook deliveries".
const SECRET: &str = "It's a Secret to Everybody";
const PUSH: &str = r#"{"ref": "refs/heads/main", "repository": {"full_name": "ops/estate"}}"#;

/// A listener for the estate `ops/estate`, and what it asks of the loop.
struct Server {
    address: SocketAddr,
    pulse: Arc<Pulse>,
    asked: watch::Receiver<u64>,
}

impl Server {
    async fn start() -> Self {
        Self::with(Bounds::default(), Duration::from_secs(10)).await
    }

    async fn with(bounds: Bounds, time_for_body: Duration) -> Self {
        let pulse = Arc::new(Pulse::new(Duration::from_mins(1)));
        pulse.watch(Watched { repositories: vec!["ops/estate".into()], base_branch: Some("main".into()) });
        let asked = pulse.asked();
        let inbox = Arc::new(Inbox::new(pulse.clone(), Key::new(&Secret::new(SECRET))).with_time_for_body(time_for_body));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router(inbox), bounds));
        Self { address, pulse, asked }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes as they are; the status and text of the answer.
    async fn raw(&self, bytes: &[u8]) -> (u16, String) {
        let mut stream = self.connect().await;
        // A server that refuses early need not read the rest.
        let _ = stream.write_all(bytes).await;
        answer(&mut stream).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        self.raw(&request(path, headers, body)).await
    }

    /// A delivery as GitHub makes it.
    async fn github(&self, event: &str, number: &str, body: &str) -> (u16, String) {
        self.post("/webhooks/github", &github(event, number, body), body.as_bytes()).await
    }

    /// Whether a pass was asked for since the last look.
    fn was_asked(&mut self) -> bool {
        let asked = self.asked.has_changed().unwrap();
        self.asked.borrow_and_update();
        asked
    }
}

async fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(Ok(read @ 1..)) = timeout(Duration::from_secs(20), stream.read(&mut buffer)).await {
        text.extend_from_slice(&buffer[..read]);
    }
    let text = String::from_utf8(text).unwrap();
    let status = text.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, text)
}

fn request(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: bowline\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        head.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn hex(body: &[u8]) -> String {
    hex_with(SECRET, body)
}

fn hex_with(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    tag.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Headers live as long as the test process: there are few.
fn github(event: &str, number: &str, body: &str) -> Vec<(&'static str, &'static str)> {
    let kept = |text: String| -> &'static str { text.leak() };
    vec![
        ("X-GitHub-Event", kept(event.to_owned())),
        ("X-GitHub-Delivery", kept(number.to_owned())),
        ("X-Hub-Signature-256", kept(format!("sha256={}", hex(body.as_bytes())))),
    ]
}

#[tokio::test]
async fn the_example_of_githubs_documentation_is_accepted_as_signed() {
    let mut server = Server::start().await;
    let signature = ("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    let (status, text) = server.post("/webhooks/github", &[signature, ("X-GitHub-Event", "push")], b"Hello, World!").await;
    assert_eq!(status, 400, "signed, but not JSON: {text}");
    let (status, text) = server.post("/webhooks/github", &[signature, ("X-GitHub-Event", "ping"), ("X-GitHub-Delivery", "2")], b"Hello, World?").await;
    assert_eq!(status, 401, "{text}");
    assert!(!server.was_asked());
}

#[tokio::test]
async fn a_signed_push_to_the_base_branch_asks_for_a_pass() {
    let mut server = Server::start().await;
    assert_eq!(server.github("push", "1", PUSH).await.0, 202);
    assert!(server.was_asked());
}

#[tokio::test]
async fn gitea_and_forgejo_sign_in_headers_of_their_own() {
    let mut server = Server::start().await;
    for (number, prefix) in ["Gitea", "Forgejo"].into_iter().enumerate() {
        let body = PUSH.replace("\"ref\"", &format!("\"number\": {number}, \"ref\""));
        let names = [format!("X-{prefix}-Event"), format!("X-{prefix}-Delivery"), format!("X-{prefix}-Signature")];
        let (number, signature) = (number.to_string(), hex(body.as_bytes()));
        let headers = [(&*names[0], "push"), (&*names[1], &*number), (&*names[2], &*signature)];
        assert_eq!(server.post("/webhooks/gitea", &headers, body.as_bytes()).await.0, 202, "{prefix}");
        assert!(server.was_asked(), "{prefix}");
    }
    // Gitea sends GitHub's headers besides; a proxy may keep only those.
    let body = PUSH.replace("main\"", "main\", \"number\": 7");
    assert_eq!(server.post("/webhooks/gitea", &github("push", "7", &body), body.as_bytes()).await.0, 202);
    assert!(server.was_asked());
}

#[tokio::test]
async fn a_delivery_without_a_good_signature_is_refused_without_saying_why() {
    let mut server = Server::start().await;
    let good = hex(PUSH.as_bytes());
    let mut refusals = Vec::new();
    let mut forged = good.clone();
    forged.replace_range(0..1, if good.starts_with('0') { "1" } else { "0" });
    let other = hex_with("another secret", PUSH.as_bytes());
    for value in [
        "",
        "sha256=",
        &good,
        &format!("sha256={forged}"),
        &format!("sha256={other}"),
        &format!("sha256={}", &good[..62]),
        &format!("sha256={good}00"),
        "sha1=0123456789abcdef0123456789abcdef01234567",
    ] {
        refusals.push(server.post("/webhooks/github", &[("X-GitHub-Event", "push"), ("X-Hub-Signature-256", value)], PUSH.as_bytes()).await);
    }
    refusals.push(server.post("/webhooks/github", &[("X-GitHub-Event", "push")], PUSH.as_bytes()).await);
    // SHA-1 only, another forge's header only, the header twice.
    let (prefixed, sha1) = (format!("sha256={good}"), "sha1=0123456789abcdef0123456789abcdef01234567");
    refusals.push(server.post("/webhooks/github", &[("X-Hub-Signature", sha1)], PUSH.as_bytes()).await);
    refusals.push(server.post("/webhooks/github", &[("X-Gitea-Signature", &good)], PUSH.as_bytes()).await);
    refusals.push(server.post("/webhooks/github", &[("X-Hub-Signature-256", &prefixed), ("X-Hub-Signature-256", &prefixed)], PUSH.as_bytes()).await);
    refusals.push(server.post("/webhooks/gitea", &[("X-Gitea-Signature", &forged), ("X-Hub-Signature-256", &prefixed)], PUSH.as_bytes()).await);
    for (status, text) in &refusals {
        assert_eq!(*status, 401, "{text}");
        assert!(text.ends_with("\r\n\r\nnot signed as agreed\n"), "all are answered alike: {text}");
    }
    assert!(!server.was_asked());
    // None of them has used up the delivery.
    assert_eq!(server.github("push", "1", PUSH).await.0, 202);
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused() {
    let mut server = Server::start().await;
    let whole = request("/webhooks/github", &github("push", "1", PUSH), PUSH.as_bytes());
    let mut stream = server.connect().await;
    stream.write_all(&whole[..whole.len() - 5]).await.unwrap();
    stream.shutdown().await.unwrap();
    let (status, _) = answer(&mut stream).await;
    assert!(status == 400 || status == 0, "{status}");
    // Signed for the whole, but only the beginning is sent.
    let cut = &PUSH[..PUSH.len() - 2];
    assert_eq!(server.post("/webhooks/github", &github("push", "1", PUSH), cut.as_bytes()).await.0, 401);
    assert!(!server.was_asked());
}

#[tokio::test]
async fn a_replayed_delivery_is_refused_under_whatever_number() {
    let mut server = Server::start().await;
    assert_eq!(server.github("push", "1", PUSH).await.0, 202);
    assert!(server.was_asked());
    assert_eq!(server.github("push", "1", PUSH).await.0, 409);
    assert_eq!(server.github("push", "2", PUSH).await.0, 409, "the number is not signed, so another one is no proof");
    let other = PUSH.replace("main\"", "main\", \"number\": 2");
    assert_eq!(server.github("push", "1", &other).await.0, 409);
    assert_eq!(server.post("/webhooks/gitea", &github("push", "3", PUSH), PUSH.as_bytes()).await.0, 409, "nor on another route");
    assert!(!server.was_asked());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    let head = format!("POST /webhooks/github HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\nX-Hub-Signature-256: sha256={}\r\n", hex(b""));
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", LARGEST + 1).as_bytes()).await.unwrap();
    let begun = Instant::now();
    assert_eq!(answer(&mut stream).await.0, 413, "without a byte of the body");
    assert!(begun.elapsed() < Duration::from_secs(3));

    // One that does not say its length is stopped while it is read: it could go on for ever.
    let mut stream = server.connect().await;
    stream.write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 4 * LARGEST && stream.write_all(&chunk).await.is_ok() {
        sent += 0x10000;
    }
    assert!(sent < 4 * LARGEST, "the server stops reading");
    let (status, _) = answer(&mut stream).await;
    assert!(status == 413 || status == 0, "the connection may be gone before its answer is read: {status}");
}

#[tokio::test]
async fn the_largest_body_is_taken() {
    let mut server = Server::start().await;
    let body = PUSH.replace("main\"", &format!("main\", \"filler\": \"{}\"", "x".repeat(LARGEST - PUSH.len() - 14)));
    assert_eq!(body.len(), LARGEST);
    assert_eq!(server.github("push", "1", &body).await.0, 202);
    assert!(server.was_asked());
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let mut server = Server::with(Bounds::default(), Duration::from_millis(300)).await;
    let whole = request("/webhooks/github", &github("push", "1", PUSH), PUSH.as_bytes());
    let mut stream = server.connect().await;
    stream.write_all(&whole[..whole.len() - 1]).await.unwrap();
    let begun = Instant::now();
    assert_eq!(answer(&mut stream).await.0, 408);
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(!server.was_asked());
}

#[tokio::test]
async fn a_slow_head_is_given_up_and_does_not_keep_others_out() {
    let bounds = Bounds { connections: 4, time_for_head: Duration::from_millis(300), ..Bounds::default() };
    let server = Server::with(bounds, Duration::from_secs(10)).await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut stream = server.connect().await;
        stream.write_all(b"POST /webhooks/github HTTP/1.1\r\nX-Slow: ").await.unwrap();
        slow.push(stream);
    }
    let begun = Instant::now();
    assert_eq!(server.github("push", "1", PUSH).await.0, 202, "after those before it were given up");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_head_over_its_limit_is_refused() {
    let server = Server::start().await;
    let filler = "x".repeat(200_000);
    let (status, _) = server.post("/webhooks/github", &[("X-Filler", &filler)], b"{}").await;
    assert!(status == 431 || status == 0, "{status}");
}

#[tokio::test]
async fn only_json_is_taken() {
    let mut server = Server::start().await;
    for kind in ["application/x-www-form-urlencoded", "text/plain", "application/jsonp", ""] {
        let headers = [github("push", "1", PUSH), vec![("Content-Type", kind)]].concat();
        let (status, text) = server.post("/webhooks/github", &headers, PUSH.as_bytes()).await;
        assert_eq!(status, 415, "{kind}");
        assert!(text.contains("application/json"), "it says what to set: {text}");
    }
    assert!(!server.was_asked());
    let headers = [github("push", "1", PUSH), vec![("Content-Type", "Application/JSON; charset=utf-8")]].concat();
    assert_eq!(server.post("/webhooks/github", &headers, PUSH.as_bytes()).await.0, 202);
}

#[tokio::test]
async fn another_repository_another_branch_and_other_events_are_ignored() {
    let mut server = Server::start().await;
    let deliveries = [
        ("push", PUSH.replace("ops/estate", "evil/estate")),
        ("push", PUSH.replace("heads/main", "heads/feature")),
        ("push", r#"{"ref": "refs/heads/main"}"#.to_owned()),
        ("star", PUSH.replace("main\"", "main\", \"number\": 1")),
        ("", PUSH.replace("main\"", "main\", \"number\": 2")),
    ];
    for (number, (event, body)) in deliveries.iter().enumerate() {
        let (status, text) = server.github(event, &number.to_string(), body).await;
        assert!(status == 202 && text.ends_with("ignored\n"), "{event} {body}: {text}");
    }
    let (status, text) = server.github("ping", "9", r#"{"zen": "Keep it logically awesome."}"#).await;
    assert!(status == 200 && text.ends_with("pong\n"), "{text}");
    assert!(!server.was_asked());
}

#[tokio::test]
async fn a_thousand_deliveries_at_once_are_all_taken_and_one_ask() {
    let mut server = Server::start().await;
    let mut sent = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let body = PUSH.replace("main\"", &format!("main\", \"number\": {number}"));
        let bytes = request("/webhooks/github", &github("push", &number.to_string(), &body), body.as_bytes());
        let address = server.address;
        sent.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            answer(&mut stream).await.0
        });
    }
    while let Some(status) = sent.join_next().await {
        assert_eq!(status.unwrap(), 202);
    }
    assert!(server.was_asked(), "the loop sees that it was asked");
    assert!(!server.was_asked(), "once, however often it was");
}

#[tokio::test]
async fn what_is_no_route_is_refused() {
    let server = Server::start().await;
    assert_eq!(server.post("/webhooks/gitlab", &github("push", "1", PUSH), PUSH.as_bytes()).await.0, 404);
    assert_eq!(server.raw(b"GET /webhooks/github HTTP/1.1\r\nHost: b\r\n\r\n").await.0, 405);
    assert_eq!(server.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.0, 400, "TLS to a port without it");
}

#[tokio::test]
async fn health_says_whether_the_loop_lives_and_has_worked() {
    let server = Server::start().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: b\r\n\r\n").into_bytes();
    assert_eq!(server.raw(&get("/healthz")).await.0, 200);
    assert_eq!(server.raw(&get("/readyz")).await.0, 503);
    server.pulse.is_ready();
    assert_eq!(server.raw(&get("/readyz")).await.0, 200);
    server.pulse.lives_for(Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(server.raw(&get("/healthz")).await.0, 503);
}
