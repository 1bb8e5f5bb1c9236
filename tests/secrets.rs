//! No credential's value shows in any error, `Debug` output, log or file that Bowline makes, whatever the other side does.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test ends where something is wrong

mod peers;

use std::fmt::Debug;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bowline::access::Access;
use bowline::api::estate::Git;
use bowline::credentials::{Credential, Credentials, Login, Secret, snmp};
use bowline::discovery::Source;
use bowline::discovery::reach::Reach;
use bowline::discovery::snmp::SnmpSource;
use bowline::estate::git::{GitError, GitFiles, Remote, Update, push, read};
use peers::scripted::Scripted;

/// With characters that are written differently in addresses and in JSON.
const CANARY: &str = "canary-4711/\"&ü";
/// `alice:CANARY` and `x-access-token:CANARY`, as a request carries them, and CANARY in an address and in JSON.
const SPELLINGS: [&str; 6] = [
    CANARY,
    "YWxpY2U6Y2FuYXJ5LTQ3MTEvIibDvA==",
    "eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTQ3MTEvIibDvA==",
    "canary-4711%2F%22%26%C3%BC",
    "canary-4711/\\\"&ü",
    "canary-4711", // the part that every way of writing leaves as it is
];

fn found(bytes: &[u8]) -> Option<&'static str> {
    SPELLINGS.into_iter().find(|spelling| bytes.windows(spelling.len()).any(|window| window == spelling.as_bytes()))
}

// Everything that is logged, at the finest level, by `tracing` and by `log`

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static INSTALLED: OnceLock<()> = OnceLock::new();

fn log() -> MutexGuard<'static, Vec<u8>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        log().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Sink {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(log(), "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

fn listen() {
    INSTALLED.get_or_init(|| {
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(|| Sink).with_ansi(false).init();
        log::set_logger(&Sink).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

// What is looked through

fn clean(what: &str, text: &str) {
    assert_eq!(found(text.as_bytes()), None, "{what} shows a secret: {text}");
}

fn clean_value(value: &impl Debug) {
    clean("Debug", &format!("{value:?} {value:#?}"));
}

/// How many files were looked through.
fn clean_folder(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            count += clean_folder(&entry.path());
        } else {
            clean(&entry.path().display().to_string(), &String::from_utf8_lossy(entry.path().as_os_str().as_encoded_bytes()));
            assert_eq!(found(&std::fs::read(entry.path()).unwrap()), None, "{} holds a secret", entry.path().display());
            count += 1;
        }
    }
    count
}

fn logins() -> [Login; 3] {
    let canary = || Secret::new(CANARY);
    [
        Login::Password { user: "alice".into(), password: canary() },
        Login::Token { user: None, token: canary() },
        Login::ClientCertificate { certificate: CANARY.into(), key: canary() },
    ]
}

fn credentials(login: Login, hosts: &[&str]) -> Credentials {
    Credentials::of([Credential { name: "git".into(), hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(), login }])
}

fn read_with(url: &str, credentials: &Credentials, access: &Access, cache: &Path) -> Result<GitFiles, GitError> {
    let spec = Git { url: url.into(), branch: None, path: None, credentials: Some("git".into()) };
    read(&spec, Some(cache), credentials, access, cache)
}

/// A server that does this is asked with every kind of login; nothing shows. Gives back the heads of the requests.
fn nothing_shows(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + Clone + 'static) -> Vec<String> {
    listen();
    let mut heads = Vec::new();
    for login in logins() {
        let folder = tempfile::tempdir().unwrap();
        let server = Scripted::start(folder.path(), answer.clone());
        let credentials = credentials(login, &["127.0.0.1"]);
        let access = Access { authorities: vec![server.authority_file.clone()], ..Access::default() };
        let cache = folder.path().join("cache");
        let url = format!("https://127.0.0.1:{}/estate.git", server.port);
        let error = read_with(&url, &credentials, &access, &cache).unwrap_err();
        look_at(&error);
        clean_value(&access);
        clean_folder(&cache);
        heads.extend(server.heads());
    }
    assert_eq!(found(&log()), None, "the log shows a secret");
    heads
}

fn look_at(error: &GitError) {
    clean("Display", &error.to_string());
    clean_value(error);
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// What the request carried, for servers that say it again.
fn carried(head: &str) -> String {
    head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:")).unwrap_or_default().to_owned()
}

#[test]
fn a_server_that_refuses_learns_the_credential_and_nobody_else_does() {
    let heads = nothing_shows(|head| response("401 Unauthorized", &format!("WWW-Authenticate: Basic realm=\"{CANARY}\"\r\n"), &carried(head)));
    // The request did carry it: the test looks for what is really sent.
    assert!(heads.iter().any(|head| found(head.as_bytes()).is_some()));
    nothing_shows(|head| response(&format!("500 {}", carried(head)), "", &carried(head)));
}

#[test]
fn a_redirect_that_quotes_the_credential_does_not_show_it() {
    nothing_shows(|_| response("302 Found", "Location: https://alice:canary-4711%2F%22%26%C3%BC@localhost/x/info/refs\r\n", ""));
    nothing_shows(|_| response("302 Found", "Location: https://localhost/canary-4711%2F%22%26%C3%BC/info/refs\r\n", ""));
    nothing_shows(|_| response("302 Found", "Location: http://127.0.0.1/?canary-4711%2F%22%26%C3%BC\r\n", ""));
    nothing_shows(|_| response("302 Found", "Location: canary-4711://x\r\n", ""));
}

#[test]
fn a_cut_connection_shows_nothing() {
    nothing_shows(|_| Vec::new());
    nothing_shows(|_| b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\nContent-Length: 900\r\n\r\n001e# serv".to_vec());
    nothing_shows(|head| format!("HTTP/1.1 {}", carried(head)).into_bytes());
}

#[test]
fn words_of_the_server_are_shown_without_the_credential() {
    let kind = "Content-Type: application/x-git-upload-pack-advertisement\r\n";
    let packet = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let message = move |head: &str| response("200 OK", kind, &packet(&format!("ERR no: {} {CANARY}\n", carried(head))));
    nothing_shows(message);
    // A branch of that name, which is not there.
    let zero = "1".repeat(40);
    let branch = move |_: &str| {
        let line = format!("{zero} refs/heads/x\0symref=HEAD:refs/heads/{CANARY} side-band-64k\n");
        response("200 OK", kind, &format!("{}0000", packet(&line)))
    };
    nothing_shows(branch);
}

#[test]
fn broken_tls_shows_nothing() {
    listen();
    let folder = tempfile::tempdir().unwrap();
    let server = Scripted::start(folder.path(), |_| Vec::new());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").ok();
        }
    });
    for port in [server.port, plain] {
        for login in logins() {
            let credentials = credentials(login, &["127.0.0.1"]);
            let error = read_with(&format!("https://127.0.0.1:{port}/x"), &credentials, &Access::default(), &folder.path().join("cache")).unwrap_err();
            look_at(&error);
        }
    }
    assert!(server.heads().is_empty(), "nothing is sent to a server that is not trusted");
    assert_eq!(found(&log()), None);
}

#[test]
fn an_address_with_a_password_in_it_is_refused_without_showing_it() {
    listen();
    let cache = tempfile::tempdir().unwrap();
    for url in ["https://alice:canary-4711@h/x", "https://canary-4711@h/x", "ssh://a:canary-4711@h/x", "a:canary-4711@h:x", "nonsense://a:canary-4711@h/x"] {
        for root in [None, Some(cache.path())] {
            let spec = Git { url: url.into(), branch: None, path: None, credentials: None };
            look_at(&read(&spec, root, &Credentials::default(), &Access::default(), cache.path()).unwrap_err());
        }
    }
    assert_eq!(clean_folder(cache.path()), 0, "nothing is made for an address that is refused");
}

#[test]
fn credentials_show_no_value() {
    for login in logins() {
        // The chain of a certificate is no secret; here it holds the canary all the same.
        if !matches!(login, Login::ClientCertificate { .. }) {
            clean_value(&credentials(login, &["h"]));
        }
    }
    for login in logins() {
        let all = credentials(login, &["h"]);
        clean_value(&all.redactor());
        clean("an error", &format!("{0} {0:?}", all.for_host("git", "other").unwrap_err()));
    }
}

#[test]
fn a_fetch_and_a_push_that_succeed_leave_no_trace() {
    listen();
    let folder = tempfile::tempdir().unwrap();
    let (repositories, state, cache) = (folder.path().join("repositories"), folder.path().join("state"), folder.path().join("cache"));
    std::fs::create_dir_all(&repositories).unwrap();
    std::fs::create_dir_all(&state).unwrap();
    let made = peers::git::bare(&repositories.join("estate.git"));
    let tip = made.commit("main", &[("bowline.yaml", "kind: Estate")]);
    let Some(server) = peers::nginx::GitServer::start(&repositories, &state, CANARY) else { return };
    let access = Access { authorities: vec![server.authority_file.clone()], ..Access::default() };
    let [password, token, _] = logins();
    for login in [password, token] {
        let credentials = credentials(login, &["127.0.0.1"]);
        let url = format!("https://127.0.0.1:{}/git/estate.git", server.port);
        let files = read_with(&url, &credentials, &access, &cache).unwrap();
        clean_value(&files);
        let repository = git2::Repository::open(&files.repository).unwrap();
        let remote = Remote { url: &url, credential: Some("git"), credentials: &credentials, access: &access, declared_in: None };
        clean_value(&remote);
        push(&repository, &remote, &[Update::parse(&repository, &format!("{tip}:refs/heads/x")).unwrap()]).unwrap();
    }
    assert!(clean_folder(&cache) > 5, "the cache holds a repository, its settings included");
    assert!(cache.read_dir().unwrap().flatten().any(|entry| entry.path().join("config").is_file()));
    assert_eq!(found(&log()), None);
    assert!(server.requests().iter().any(|request| found(request.as_bytes()).is_some()), "it was sent, and would be found");
}

/// A device that sends back what it is sent.
#[tokio::test]
async fn a_device_learns_the_community_and_nobody_else_learns_it_or_a_users_password() {
    listen();
    let secret = || Secret::new(CANARY);
    let user = snmp::User { name: "alice".into(), authentication: (snmp::Authentication::Sha256, secret()), privacy: Some((snmp::Privacy::Aes128, secret())) };
    for (login, learns) in [(Login::Community(secret()), true), (Login::SnmpUser(user), false)] {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let device = std::thread::spawn(move || {
            let (mut datagram, mut learnt) = ([0; 2048], false);
            socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
            while let Ok((length, from)) = socket.recv_from(&mut datagram) {
                learnt |= found(&datagram[..length]).is_some();
                socket.send_to(&datagram[..length], from).unwrap();
            }
            learnt
        });
        let spec = format!("{{targets: ['127.0.0.1:{port}'], credentials: git, limits: {{request: 1s, tries: 2}}}}");
        let reach = Reach::new(Path::new(".").to_owned(), Arc::default()).with_credentials(Arc::new(credentials(login, &["127.0.0.1"])));
        clean_value(&reach.credentials);
        let source = SnmpSource::new("switches".into(), serde_yaml::from_str(&spec).unwrap(), &reach, std::time::Duration::from_mins(1)).unwrap();
        let answer = source.observe(jiff::Timestamp::UNIX_EPOCH).await;
        assert!(!answer.complete && answer.items.is_empty());
        clean_value(&answer);
        assert_eq!(device.join().unwrap(), learns);
    }
    assert!(String::from_utf8_lossy(&log()).contains("async_snmp"), "what the library logs is heard");
    assert_eq!(found(&log()), None);
}

#[test]
fn a_planted_secret_is_found() {
    listen();
    for spelling in SPELLINGS {
        assert!(found(format!("… {spelling} …").as_bytes()).is_some());
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("x")).unwrap();
    std::fs::write(folder.path().join("x/config"), format!("url = https://alice:{CANARY}@h")).unwrap();
    assert!(std::panic::catch_unwind(|| clean_folder(folder.path())).is_err());
    let planted = GitError::Remote { url: String::new(), reason: CANARY.to_owned() };
    assert!(std::panic::catch_unwind(|| look_at(&planted)).is_err());
    // Both ways of logging are heard at the finest level. Not with the canary: the other tests look at the same log.
    tracing::trace!("a-sign-in-tracing");
    log::trace!("a-sign-in-log");
    let heard = String::from_utf8_lossy(&log()).into_owned();
    assert!(heard.contains("a-sign-in-tracing") && heard.contains("a-sign-in-log"));
}

#[test]
fn the_log_of_a_conversation_is_heard() {
    nothing_shows(|_| response("404 Not Found", "", ""));
    let heard = String::from_utf8_lossy(&log()).into_owned();
    assert!(heard.contains("hyper") || heard.contains("reqwest") || heard.contains("rustls"), "what the libraries log is captured");
}
