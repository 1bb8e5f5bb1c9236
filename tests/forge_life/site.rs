//! One estate on one forge, and what a person can do there. The same cases run over every site.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bowline::access::Access;
use bowline::api::Text;
use bowline::api::change_request::Schedule;
use bowline::api::estate::{Changes, RebaseWhen};
use bowline::change::{Change, FileChange};
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::forge::hosted::{Hosted, Patience, Place, Settings};
use bowline::forge::hosted::{gitea::Gitea, github::GitHub};
use bowline::forge::life::{Action, Doubt, Limits, Outcome, Standing, settle};
use bowline::forge::local::Local;
use bowline::forge::{Error, Forge, Listing, Pass, Request};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peers::emulate::Emulate;
use crate::peers::gitea::Gitea as GiteaServer;
use crate::peers::proxy::Proxy;
use crate::proposal::proposal;

/// The file that the requests of these cases edit. Far apart, so that git merges edits of the two ends.
pub const ITEM: &str = "kind: ConfigurationItem\nmetadata: {name: db}\nspec:\n  memory: 16Gi\n  a: 1\n  b: 2\n  c: 3\n  d: 4\n  e: 5\n  f: 6\n  owner: ada\n";
/// Minutes in a day.
pub const DAY: i64 = 24 * 60;
/// Its path.
pub const FILE: &str = "items/db.yaml";

/// Which forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Local,
    Gitea,
    GitHub,
}

/// One estate on one forge.
pub struct Site {
    pub kind: Kind,
    /// Before the forge, where it has an address.
    pub proxy: Option<Proxy>,
    /// `owner/name` there.
    pub repository: String,
    server: Server,
    /// A clone, or the repository itself.
    clone: PathBuf,
    pub limits: Limits,
    pub changes: Changes,
    temp: TempDir,
}

enum Server {
    None,
    Gitea(GiteaServer),
    GitHub(Emulate),
}

impl Site {
    /// A new estate, or none where the forge cannot be had here.
    pub fn new(kind: Kind) -> Option<Self> {
        let temp = TempDir::new().unwrap();
        let clone = temp.path().join("clone");
        let files = [(FILE, ITEM), ("items/other.yaml", "kind: Other\n")];
        let name = format!("estate-{}", temp.path().file_name().unwrap().to_string_lossy().trim_start_matches(".tmp").to_ascii_lowercase());
        let (server, repository, proxy) = match kind {
            Kind::Local => {
                std::fs::create_dir_all(clone.join("items")).unwrap();
                for (path, text) in files {
                    std::fs::write(clone.join(path), text).unwrap();
                }
                (Server::None, String::new(), None)
            }
            Kind::Gitea => {
                let server = GiteaServer::start()?;
                let repository = server.create_repository(&name, &files);
                let proxy = Proxy::before(server.url());
                (Server::Gitea(server), repository, Some(proxy))
            }
            Kind::GitHub => {
                let server = Emulate::start()?;
                let (repository, _) = server.repository(&name, &files);
                let proxy = Proxy::before(server.url());
                (Server::GitHub(server), repository, Some(proxy))
            }
        };
        let limits = Limits { max_open: 10, max_per_hour: 100, rejected_for: SignedDuration::from_hours(90 * 24), rebase_when: RebaseWhen::Conflicted };
        let site = Self { kind, proxy, repository, server, clone, limits, changes: Changes::default(), temp };
        match kind {
            Kind::Local => {
                site.git(&["init", "-q", "-b", "main"]);
                site.git(&["add", "."]);
                site.git(&["commit", "-q", "-m", "The estate"]);
            }
            Kind::Gitea => site.fetch(),
            Kind::GitHub => {}
        }
        Some(site)
    }

    /// A clone as `bowline` itself would have: what people push comes there before each pass.
    fn fetch(&self) {
        let Server::Gitea(server) = &self.server else { return };
        let address = format!("http://{}:{}@{}/{}.git", server.user(), server.token(), server.url().trim_start_matches("http://"), self.repository);
        if self.clone.exists() {
            self.git(&["fetch", "-q", "--prune", "origin"]);
        } else {
            let cloned = Command::new("git").args(["clone", "-q", &address]).arg(&self.clone).status().unwrap();
            assert!(cloned.success());
        }
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        git_in(&self.clone, arguments)
    }

    /// A forge value as a process that has just started makes it.
    pub fn forge(&self) -> Arc<dyn Forge> {
        self.forge_with(patience())
    }

    pub fn forge_with(&self, patience: Patience) -> Arc<dyn Forge> {
        let settings = Settings { changes: self.changes.clone(), prefix: String::new(), base_branch: None };
        let Some(proxy) = &self.proxy else { return Arc::new(Local::new("harbour", &self.clone).unwrap()) };
        let token = match &self.server {
            Server::None => String::new(),
            Server::Gitea(server) => server.token().to_owned(),
            Server::GitHub(server) => server.token().to_owned(),
        };
        let login = Login::Token { user: None, token: Secret::new(&token) };
        let credentials = Credentials::of([Credential { name: "forge".into(), hosts: vec!["127.0.0.1".parse().unwrap()], login }]);
        let (url, access) = (proxy.url(), Access::default());
        let place = Place { url: Some(&url), repository: &self.repository, credential: Some("forge"), credentials: &credentials, access: &access, patience };
        match self.kind {
            Kind::Gitea => Arc::new(Hosted::new(Arc::new(Gitea::new(&place, &self.clone).unwrap()), "harbour", settings)),
            _ => Arc::new(Hosted::new(Arc::new(GitHub::new(&place).unwrap()), "harbour", settings)),
        }
    }

    /// One pass of a new process, with nothing in doubt.
    pub fn try_settle(&self, changes: &[Change], minute: i64) -> Result<Outcome, Error> {
        self.try_settle_with(changes, minute, &BTreeSet::new(), patience())
    }

    pub fn try_settle_with(&self, changes: &[Change], minute: i64, asked: &BTreeSet<Text>, patience: Patience) -> Result<Outcome, Error> {
        let base = self.base();
        self.settle_at(changes, minute, asked, patience, &base)
    }

    /// One pass over an estate that was read at another commit.
    pub fn try_settle_at(&self, changes: &[Change], minute: i64, base: &str) -> Result<Outcome, Error> {
        self.settle_at(changes, minute, &BTreeSet::new(), patience(), base)
    }

    fn settle_at(&self, changes: &[Change], minute: i64, asked: &BTreeSet<Text>, patience: Patience, base: &str) -> Result<Outcome, Error> {
        self.fetch();
        let forge = self.forge_with(patience);
        if let Some(proxy) = &self.proxy {
            proxy.take();
        }
        let pass = Pass { base: Some(base), now: at(minute) };
        wait(settle(&*forge, changes, &Doubt::none(), asked, &self.limits, pass))
    }

    pub fn settle(&self, changes: &[Change], minute: i64) -> Outcome {
        let outcome = self.try_settle(changes, minute).unwrap();
        assert_eq!(outcome.failed, []);
        outcome
    }

    /// The only action of a pass, or none.
    pub fn action(&self, changes: &[Change], minute: i64) -> Option<Action> {
        let outcome = self.settle(changes, minute);
        assert!(outcome.done.len() < 2, "{:?}", outcome.done);
        outcome.done.into_iter().next().map(|step| step.action)
    }

    pub fn standing(&self, changes: &[Change], minute: i64, key: &str) -> Standing {
        self.settle(changes, minute).standings[&Text::from(key)].clone()
    }

    pub fn listing(&self) -> Listing {
        wait(self.forge().list(Pass { base: None, now: at(0) })).unwrap()
    }

    pub fn request(&self, key: &str) -> Request {
        self.listing().find(key).unwrap_or_else(|| panic!("no request {key}")).clone()
    }

    /// The requests that went to the forge since the last pass began.
    pub fn sent(&self) -> Vec<String> {
        self.proxy.as_ref().map(Proxy::take).unwrap_or_default()
    }

    // What people do. They do not go through the proxy.

    fn api(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let path = format!("/repos/{}{path}", self.repository);
        match &self.server {
            Server::None => panic!("the local forge has no API"),
            Server::Gitea(server) => server.api(method, &path, Some(body).filter(|body| !body.is_null())),
            Server::GitHub(server) => server.api(method, &path, Some(body).filter(|body| !body.is_null())),
        }
    }

    /// The same, which must go well.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.api(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// The head of a branch; none if there is none.
    pub fn head(&self, branch: &str) -> Option<String> {
        if self.kind == Kind::Local {
            let known = Command::new("git").args(["rev-parse", "-q", "--verify", &format!("refs/heads/{branch}")]).current_dir(&self.clone).output().unwrap();
            return known.status.success().then(|| String::from_utf8(known.stdout).unwrap().trim().to_owned());
        }
        let (status, answer) = self.api("GET", &format!("/branches/{}", encoded(branch, self.kind)), &Value::Null);
        let commit = &answer["commit"];
        (status == 200).then(|| commit["id"].as_str().or(commit["sha"].as_str()).unwrap().to_owned())
    }

    /// The head of the base branch.
    pub fn base(&self) -> String {
        let branch = if self.head("main").is_some() { "main" } else { "trunk" };
        self.head(branch).unwrap()
    }

    /// The text of a file on a branch; none if it is not there.
    pub fn file(&self, branch: &str, path: &str) -> Option<String> {
        if self.kind == Kind::Local {
            let shown = Command::new("git").args(["show", &format!("{branch}:{path}")]).current_dir(&self.clone).output().unwrap();
            return shown.status.success().then(|| String::from_utf8(shown.stdout).unwrap());
        }
        let (status, answer) = self.api("GET", &format!("/contents/{path}?ref={branch}"), &Value::Null);
        (status == 200).then(|| decode(answer["content"].as_str().unwrap()))
    }

    /// A person commits a file to a branch. The new head.
    pub fn commit(&self, branch: &str, path: &str, text: &str) -> String {
        if self.kind == Kind::Local {
            return self.commit_locally(branch, path, text);
        }
        let (status, known) = self.api("GET", &format!("/contents/{path}?ref={branch}"), &Value::Null);
        let mut body = json!({"message": "A person's commit", "content": encode(text), "branch": branch});
        let mut method = if self.kind == Kind::Gitea { "POST" } else { "PUT" };
        if status == 200 {
            body["sha"] = known["sha"].clone();
            method = "PUT";
        }
        self.ask(method, &format!("/contents/{path}"), &body);
        self.head(branch).unwrap()
    }

    fn commit_locally(&self, branch: &str, path: &str, text: &str) -> String {
        let tree = self.temp.path().join("tree");
        self.git(&["worktree", "add", "-q", "-f", "--detach", tree.to_str().unwrap(), branch]);
        std::fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
        std::fs::write(tree.join(path), text).unwrap();
        git_in(&tree, &["add", "."]);
        git_in(&tree, &["commit", "-q", "-m", "A person's commit"]);
        let head = git_in(&tree, &["rev-parse", "HEAD"]);
        self.git(&["worktree", "remove", "--force", tree.to_str().unwrap()]);
        self.git(&["update-ref", &format!("refs/heads/{branch}"), &head]);
        if branch == "main" {
            self.git(&["reset", "-q", "--hard"]);
        }
        head
    }

    /// A person lets a branch name another commit.
    pub fn force(&self, branch: &str, commit: &str) {
        match self.kind {
            Kind::Local => drop(self.git(&["update-ref", &format!("refs/heads/{branch}"), commit])),
            Kind::Gitea => drop(self.git(&["push", "-q", "--force", "origin", &format!("{commit}:refs/heads/{branch}")])),
            Kind::GitHub => drop(self.ask("PATCH", &format!("/git/refs/heads/{branch}"), &json!({"sha": commit, "force": true}))),
        }
    }

    /// A branch at the head of the base.
    pub fn new_branch(&self, branch: &str) {
        let base = self.base();
        match self.kind {
            Kind::Local => drop(self.git(&["branch", branch, &base])),
            Kind::Gitea => drop(self.ask("POST", "/branches", &json!({"new_branch_name": branch, "old_branch_name": "main"}))),
            Kind::GitHub => drop(self.ask("POST", "/git/refs", &json!({"ref": format!("refs/heads/{branch}"), "sha": base}))),
        }
    }

    /// A person restores a branch that was deleted.
    pub fn force_back(&self, branch: &str, commit: &str) {
        match self.kind {
            Kind::GitHub => drop(self.ask("POST", "/git/refs", &json!({"ref": format!("refs/heads/{branch}"), "sha": commit}))),
            _ => self.force(branch, commit),
        }
    }

    pub fn delete_branch(&self, branch: &str) {
        match self.kind {
            Kind::Local => drop(self.git(&["branch", "-q", "-D", branch])),
            Kind::Gitea => drop(self.ask("DELETE", &format!("/branches/{}", encoded(branch, self.kind)), &Value::Null)),
            Kind::GitHub => drop(self.ask("DELETE", &format!("/git/refs/heads/{branch}"), &Value::Null)),
        }
    }

    /// A person closes it without merging, with the forge's own means.
    pub fn close(&self, request: &Request) {
        match self.kind {
            Kind::Local => wait(self.forge().reject(request.key(), None, None, at(1))).unwrap(),
            _ => drop(self.ask("PATCH", &format!("/pulls/{}", request.id), &json!({"state": "closed"}))),
        }
    }

    /// A person opens it again.
    pub fn reopen(&self, request: &Request) {
        self.ask("PATCH", &format!("/pulls/{}", request.id), &json!({"state": "open"}));
    }

    /// A person merges it, with the forge's own means.
    pub fn merge(&self, request: &Request) {
        match self.kind {
            Kind::Local => drop(self.git(&["merge", "-q", "--no-ff", "-m", "Approved", &request.branch])),
            Kind::Gitea => {
                // Gitea looks whether it can be merged in the background.
                let mut tries = 0;
                while self.api("POST", &format!("/pulls/{}/merge", request.id), &json!({"Do": "merge"})).0 != 200 {
                    tries += 1;
                    assert!(tries < 50, "the pull request cannot be merged");
                    std::thread::sleep(std::time::Duration::from_millis(200));
                }
            }
            Kind::GitHub => drop(self.ask("PUT", &format!("/pulls/{}/merge", request.id), &json!({}))),
        }
    }

    pub fn set_body(&self, request: &Request, body: &str) {
        self.ask("PATCH", &format!("/pulls/{}", request.id), &json!({"body": body}));
    }

    pub fn add_label(&self, request: &Request, label: &str) {
        let label = match self.kind {
            Kind::Gitea => {
                let known = self.ask("GET", "/labels?limit=50", &Value::Null);
                let found = known.as_array().unwrap().iter().find(|known| known["name"] == label).map(|known| known["id"].clone());
                found.unwrap_or_else(|| self.ask("POST", "/labels", &json!({"name": label, "color": "#0088cc"}))["id"].clone())
            }
            _ => json!(label),
        };
        self.ask("POST", &format!("/issues/{}/labels", request.id), &json!({"labels": [label]}));
    }

    pub fn remove_label(&self, request: &Request, label: &str) {
        let name = match self.kind {
            Kind::Gitea => {
                let known = self.ask("GET", &format!("/issues/{}/labels", request.id), &Value::Null);
                known.as_array().unwrap().iter().find(|known| known["name"] == label).unwrap()["id"].to_string()
            }
            _ => label.replace('/', "%2F"),
        };
        self.ask("DELETE", &format!("/issues/{}/labels/{name}", request.id), &Value::Null);
    }

    pub fn comments(&self, request: &Request) -> Vec<String> {
        if self.kind == Kind::Local {
            return request.notes.iter().map(|note| note.text.clone()).collect();
        }
        let all = self.ask("GET", &format!("/issues/{}/comments", request.id), &Value::Null);
        all.as_array().unwrap().iter().map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }

    /// All pull requests there ever were.
    pub fn pulls(&self) -> Vec<Value> {
        self.ask("GET", "/pulls?state=all&limit=50&per_page=100", &Value::Null).as_array().unwrap().clone()
    }

    /// How many commits a branch has that the base has not.
    pub fn commits_of(&self, branch: &str) -> usize {
        match self.kind {
            Kind::Local => self.git(&["rev-list", "--count", &format!("main..{branch}")]).parse().unwrap(),
            Kind::Gitea => {
                self.fetch();
                self.git(&["rev-list", "--count", &format!("origin/main..origin/{branch}")]).parse().unwrap()
            }
            Kind::GitHub => {
                let all = self.ask("GET", &format!("/compare/main...{branch}"), &Value::Null);
                usize::try_from(all["ahead_by"].as_u64().unwrap()).unwrap()
            }
        }
    }

    /// The default branch gets another name.
    pub fn rename_default_branch(&self, name: &str) {
        match self.kind {
            Kind::Local => drop(self.git(&["branch", "-m", "main", name])),
            Kind::Gitea => drop(self.ask("PATCH", "/branches/main", &json!({"name": name}))),
            Kind::GitHub => {
                // The emulator has no renaming; this is what is left after one that the forge did not carry over.
                self.ask("POST", "/git/refs", &json!({"ref": format!("refs/heads/{name}"), "sha": self.head("main").unwrap()}));
                self.ask("PATCH", "", &json!({"default_branch": name}));
                self.delete_branch("main");
            }
        }
    }
}

/// A change of the memory of `db`, on the file as it stands on the base now.
pub fn memory(site: &Site, value: &str) -> Change {
    let before = site.file("main", FILE).or_else(|| site.file("trunk", FILE)).unwrap();
    let text = with_memory(&before, value);
    Change { basis: before.as_str().into(), ..change("db-memory", FILE, &text, value) }
}

fn with_memory(text: &str, value: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| if line.starts_with("  memory:") { format!("  memory: {value}") } else { line.to_owned() }).collect();
    format!("{}\n", lines.join("\n"))
}

/// A change of one file to a text, with its record.
pub fn change(key: &str, path: &str, text: &str, drift: &str) -> Change {
    let record = format!("kind: ChangeRequest\nspec:\n  findings:\n  - {{key: f-{key}, fingerprint: \"{drift}\", source: vcenter}}\n");
    Change {
        fingerprint: format!("fp-{key}-{drift}").into(),
        content: format!("{key}-{drift}").into(),
        title: format!("Change {key} to {drift}"),
        schedule: Some(Schedule { window: "sunday".into(), start: at(DAY * 4).to_string().into(), end: at(DAY * 4 + 240).to_string().into() }),
        findings: vec![format!("f-{key}").into()],
        files: vec![FileChange { path: path.into(), text: text.into() }, FileChange { path: format!("changes/{key}.yaml").into(), text: record }],
        body: format!("# {key}\n\nWhat and why: {drift}."),
        ..proposal(key)
    }
}

/// Short, since servers on this machine answer at once.
pub fn patience() -> Patience {
    Patience {
        timeout: std::time::Duration::from_secs(10),
        pause: std::time::Duration::from_millis(20),
        longest_wait: std::time::Duration::from_secs(2),
        per_minute: 10_000,
        per_hour: 100_000,
        ..Patience::default()
    }
}

/// Minutes after now, as the forges have it too: they write down when things happened.
pub fn at(minute: i64) -> Timestamp {
    Timestamp::now() + minute.minutes()
}

pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(future)
}

fn git_in(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "protocol.version=2"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn encoded(branch: &str, kind: Kind) -> String {
    if kind == Kind::Gitea { branch.replace('/', "%2F") } else { branch.to_owned() }
}

fn encode(text: &str) -> String {
    BASE64.encode(text)
}

fn decode(text: &str) -> String {
    let text: String = text.split_whitespace().collect();
    String::from_utf8(BASE64.decode(text).unwrap()).unwrap()
}
