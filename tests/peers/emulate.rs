//! A stateful emulator of GitHub's REST API, written by others (npm `emulate`), with an organisation, people, a token and an
//! App of its own. What it cannot do: commit statuses, `ETag`, the assignees and the milestone of a pull request, the wrong
//! token (it takes every one), diffs. `peers::player` plays those.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Process, free_port, program};

/// The organisation of every repository.
pub const ORGANISATION: &str = "harbour";
/// The team of that organisation.
pub const TEAM: &str = "deck";
/// Accounts: whose token it is, and two who can review.
pub const PEOPLE: [&str; 3] = ["bowline-bot", "ann", "bo"];
/// The App's number and that of its installation.
pub const APP: (u64, u64) = (4711, 42);

const TOKEN: &str = "ghp_emulated0bowline0token";

/// One emulator for all tests of a process; it ends with the last one that uses it.
#[derive(Clone)]
pub struct Emulate(Arc<Running>);

struct Running {
    port: u16,
    url: String,
    app_key: String,
    _process: Process,
    _folder: tempfile::TempDir,
}

static RUNNING: Mutex<Weak<Running>> = Mutex::new(Weak::new());

impl Emulate {
    /// None where there is no Node or the emulator cannot be installed.
    pub fn start() -> Option<Self> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.upgrade() {
            return Some(Self(running));
        }
        let started = Arc::new(Running::start()?);
        *running = Arc::downgrade(&started);
        let new = Self(started);
        let (status, team) = new.api("POST", &format!("/orgs/{ORGANISATION}/teams"), Some(&json!({"name": TEAM})));
        assert_eq!(status, 201, "{team}");
        Some(new)
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// A token of the account `bowline-bot`.
    #[allow(clippy::unused_self)] // where there is no emulator, there is none
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// The App's key, in PEM.
    pub fn app_key(&self) -> &str {
        &self.0.app_key
    }

    /// Makes a repository with these files on `main`; its full name and its newest commit.
    pub fn repository(&self, name: &str, files: &[(&str, &str)]) -> (String, String) {
        let (status, made) = self.api("POST", &format!("/orgs/{ORGANISATION}/repos"), Some(&json!({"name": name, "auto_init": true})));
        assert_eq!(status, 201, "{made}");
        let full_name = format!("{ORGANISATION}/{name}");
        let entries: Vec<(&str, &str, &str)> = files.iter().map(|(path, text)| (*path, "100644", *text)).collect();
        let commit = self.commit(&full_name, "main", &entries);
        (full_name, commit)
    }

    /// Commits files (path, mode, text) to a branch, as a person does; the new commit.
    pub fn commit(&self, repository: &str, branch: &str, files: &[(&str, &str, &str)]) -> String {
        let head = self.head(repository, branch).expect("the branch");
        let (_, commit) = self.api("GET", &format!("/repos/{repository}/git/commits/{head}"), None);
        let tree: Vec<Value> = files.iter().map(|(path, mode, text)| json!({"path": path, "mode": mode, "type": "blob", "content": text})).collect();
        let (status, tree) = self.api("POST", &format!("/repos/{repository}/git/trees"), Some(&json!({"base_tree": commit["tree"]["sha"], "tree": tree})));
        assert_eq!(status, 201, "{tree}");
        let new = json!({"message": "by hand", "tree": tree["sha"], "parents": [head]});
        let (status, commit) = self.api("POST", &format!("/repos/{repository}/git/commits"), Some(&new));
        assert_eq!(status, 201, "{commit}");
        let (status, answer) = self.api("PATCH", &format!("/repos/{repository}/git/refs/heads/{branch}"), Some(&json!({"sha": commit["sha"]})));
        assert_eq!(status, 200, "{answer}");
        commit["sha"].as_str().expect("a commit").to_owned()
    }

    /// The newest commit of a branch.
    pub fn head(&self, repository: &str, branch: &str) -> Option<String> {
        let (status, answer) = self.api("GET", &format!("/repos/{repository}/git/ref/heads/{branch}"), None);
        (status == 200).then(|| answer["object"]["sha"].as_str().expect("a commit").to_owned())
    }

    /// A file's mode and text at a commit.
    pub fn file(&self, repository: &str, commit: &str, path: &str) -> Option<(String, String)> {
        let (_, tree) = self.api("GET", &format!("/repos/{repository}/git/trees/{commit}?recursive=1"), None);
        let entry = tree["tree"].as_array()?.iter().find(|entry| entry["path"] == path)?.clone();
        let (_, content) = self.api("GET", &format!("/repos/{repository}/contents/{path}?ref={commit}"), None);
        let text = decode(content["content"].as_str()?);
        Some((entry["mode"].as_str()?.to_owned(), text))
    }

    /// One request with the token; status and answer.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut socket = TcpStream::connect(("127.0.0.1", self.0.port)).expect("the emulator");
        let head = format!("{method} {path} HTTP/1.0\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json");
        socket.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).expect("sent");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }
}

impl Running {
    fn start() -> Option<Self> {
        let (node, openssl) = (program("node")?, program("openssl")?);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/get/emulate");
        let output = Command::new(script).stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
        let installed = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        let key = Command::new(openssl).args(["genrsa", "-traditional", "2048"]).stderr(Stdio::null()).output().ok()?;
        let app_key = String::from_utf8(key.stdout).ok().filter(|key| key.contains("RSA PRIVATE KEY"))?;
        let folder = tempfile::tempdir().expect("a folder");
        let seed = folder.path().join("seed.json");
        std::fs::write(&seed, seed_of(&app_key).to_string()).expect("the seed");
        let port = free_port();
        let mut command = Command::new(node);
        command.arg("--require").arg(format!("{installed}/loopback.cjs")).arg(format!("{installed}/node_modules/emulate/dist/index.js"));
        command.args(["--service", "github", "--port", &port.to_string(), "--seed"]).arg(&seed);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).env_remove("EMULATE_BASE_URL").env_remove("PORTLESS_URL");
        let mut process = Process::start(&mut command);
        let answers = (0..6).any(|_| process.answers(port));
        answers.then_some(Self { port, url: format!("http://127.0.0.1:{port}"), app_key, _process: process, _folder: folder })
    }
}

fn seed_of(app_key: &str) -> Value {
    let people: Vec<Value> = PEOPLE.iter().map(|login| json!({"login": login, "email": format!("{login}@example.com")})).collect();
    let members: Vec<Value> = PEOPLE.iter().map(|login| json!({"login": login, "role": "admin"})).collect();
    let permissions = json!({"contents": "write", "pull_requests": "write", "issues": "write", "checks": "write", "metadata": "read"});
    let installation = json!({"installation_id": APP.1, "account": ORGANISATION, "repository_selection": "all"});
    json!({
        "tokens": {TOKEN: {"login": PEOPLE[0], "scopes": ["repo", "admin:org"]}},
        "github": {
            "users": people,
            "orgs": [{"login": ORGANISATION, "members": members}],
            "apps": [{
                "app_id": APP.0,
                "slug": "bowline",
                "name": "Bowline",
                "private_key": app_key,
                "permissions": permissions,
                "installations": [installation],
            }],
        },
    })
}

/// Base64, with line ends or without.
fn decode(text: &str) -> String {
    let plain: String = text.split_whitespace().collect();
    String::from_utf8_lossy(&STANDARD.decode(plain).expect("base64")).into_owned()
}
