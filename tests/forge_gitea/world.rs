//! One repository on the server, a clone of it, and Bowline's way to it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bowline::access::Access;
use bowline::change::{Change, FileChange};
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::forge::hosted::gitea::Gitea;
use bowline::forge::hosted::{Host, NewPull, Patience, Place, Pull};
use bowline::forge::marker::Written;
use bowline::forge::{Error, Marker};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::peers::gitea as peer;
use crate::proposal::proposal;

pub const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;

pub fn patience() -> Patience {
    Patience { pause: Duration::from_millis(100), per_minute: 100_000, per_hour: 100_000, ..Patience::default() }
}

pub fn token(token: &str) -> Login {
    Login::Token { user: None, token: Secret::new(token) }
}

pub fn credentials(login: Login) -> Credentials {
    Credentials::of([Credential { name: "forge".into(), hosts: vec!["127.0.0.1".parse().unwrap()], login }])
}

/// The way to a repository of a server with these credentials.
pub fn host(url: &str, repository: &str, credentials: &Credentials, folder: &std::path::Path) -> Result<Gitea, Error> {
    let access = Access::default();
    let place = Place { url: Some(url), repository, credential: Some("forge"), credentials, access: &access, patience: patience() };
    Gitea::new(&place, folder)
}

pub struct World {
    pub peer: peer::Gitea,
    pub repository: String,
    pub host: Gitea,
    /// A clone.
    pub folder: PathBuf,
    /// `main` as it was cloned.
    pub base: String,
    runtime: tokio::runtime::Runtime,
    _temp: tempfile::TempDir,
}

impl World {
    /// A repository of this name with a README. None where there is no Gitea.
    pub fn new(name: &str) -> Option<Self> {
        let peer = peer::Gitea::start()?;
        let repository = peer.create_repository(name, &[]);
        Some(Self::of(peer, repository))
    }

    pub fn of(peer: peer::Gitea, repository: String) -> Self {
        let temp = tempfile::TempDir::new().unwrap();
        let folder = temp.path().join("clone");
        run(Command::new("git").args(["clone", "-q", &format!("{}/{repository}.git", peer.url())]).arg(&folder));
        let host = host(peer.url(), &repository, &credentials(token(peer.token())), &folder).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut world = Self { peer, repository, host, folder, base: String::new(), runtime, _temp: temp };
        world.base = world.git(&["rev-parse", "HEAD"]);
        world
    }

    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        run(Command::new("git").arg("-C").arg(&self.folder).args(["-c", "user.name=U", "-c", "user.email=u@example.com"]).args(arguments))
    }

    /// The API of the repository.
    pub fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.peer.api(method, &format!("/repos/{}{path}", self.repository), Some(body).filter(|body| !body.is_null()));
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    pub fn edit_repository(&self, body: &Value) {
        self.api("PATCH", "", body);
    }

    /// A commit with this text, made here.
    pub fn commit(&self, key: &str, text: &str) -> String {
        self.wait(self.host.commit(&change(key, text), "", &self.base, at(0))).unwrap()
    }

    /// A branch `bowline/KEY` with one commit.
    pub fn branch(&self, key: &str, text: &str) -> String {
        let commit = self.commit(key, text);
        self.wait(self.host.move_branch(&format!("bowline/{key}"), None, &commit)).unwrap();
        commit
    }

    /// A pull request on a branch of its own.
    pub fn pull(&self, key: &str) -> Pull {
        let head = self.branch(key, &format!("memory: 8Gi # {key}\n"));
        let (branch, body) = (format!("bowline/{key}"), body(key, &head));
        let new = NewPull { branch: &branch, base_branch: "main", title: &format!("Change {key}"), body: &body, draft: false };
        self.wait(self.host.create_pull(&new)).unwrap()
    }

    pub fn pulls(&self) -> Vec<Pull> {
        self.wait(self.host.pulls(LONG_AGO)).unwrap()
    }

    /// A commit to the base branch by somebody else.
    pub fn commit_to_main(&self, text: &str) -> String {
        self.peer.commit(&self.repository, "main", &[("items/db.yaml", text)])
    }
}

/// Waits for the server, which does some things a moment later.
pub fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "not within 10 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn run(command: &mut Command) -> String {
    let output = command.env("GIT_TERMINAL_PROMPT", "0").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + 60 * minute).unwrap()
}

/// A body with the marker of a request whose branch has this head.
pub fn body(key: &str, head: &str) -> String {
    let mut marker = Marker::of("estate", &change(key, ""));
    marker.written = Some(Written { head: head.into(), ..Written::default() });
    marker.attach("What and why.")
}

/// A change of one file to a text.
pub fn change(key: &str, text: &str) -> Change {
    Change { files: vec![FileChange { path: "items/db.yaml".into(), text: text.into() }], ..proposal(key) }
}

pub fn nothing() -> Value {
    json!(null)
}
