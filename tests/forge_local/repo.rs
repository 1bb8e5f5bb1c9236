//! A repository of real git with a small estate in it, and changes made by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bowline::api::estate::RebaseWhen;
use bowline::change::{Change, FileChange};
use bowline::forge::life::{Doubt, Limits, Outcome, Standing, settle};
use bowline::forge::local::Local;
use bowline::forge::{Approval, Error, Forge, Pass, Person};
use jiff::{SignedDuration, Timestamp, ToSpan};
use tempfile::TempDir;

use crate::proposal::proposal;

pub const ITEM: &str = "kind: ConfigurationItem\nmetadata: {name: db}\nspec: {memory: 16Gi}  # as ordered\n";

pub fn at(minute: i64) -> Timestamp {
    "2026-11-25T12:00:00Z".parse::<Timestamp>().unwrap() + minute.minutes()
}

pub fn limits() -> Limits {
    Limits { max_open: 10, max_per_hour: 100, rejected_for: SignedDuration::from_hours(90 * 24), rebase_when: RebaseWhen::Conflicted }
}

pub fn ada() -> Person {
    Person { name: "Ada Board".into(), email: "ada@example.com".into() }
}

/// A change of one file to a text, with its record.
pub fn change(key: &str, path: &str, text: &str) -> Change {
    let drift = text.bytes().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let record = format!("kind: ChangeRequest\nspec:\n  findings:\n  - {{key: f-{key}, fingerprint: \"{drift}\", source: vcenter}}\n");
    Change {
        fingerprint: format!("fp{drift}").into(),
        content: drift.as_str().into(),
        findings: vec![format!("f-{key}").into()],
        files: vec![FileChange { path: path.into(), text: text.into() }, FileChange { path: format!("changes/{key}.yaml").into(), text: record }],
        body: format!("# {key}\n\nWhat and why."),
        ..proposal(key)
    }
}

/// The memory of `db` adopted as this.
pub fn memory(value: &str) -> Change {
    change("db-memory", "items/db.yaml", &ITEM.replace("16Gi", value))
}

/// A repository; its folder goes when it is dropped.
pub struct Repo {
    pub folder: PathBuf,
    _temp: TempDir,
}

impl Repo {
    pub fn empty() -> Self {
        let temp = TempDir::new().unwrap();
        let folder = temp.path().join("repo");
        fs::create_dir(&folder).unwrap();
        let repo = Self { folder, _temp: temp };
        repo.git(&["init", "-q", "-b", "main"]);
        repo.git(&["config", "user.name", "Uma User"]);
        repo.git(&["config", "user.email", "uma@example.com"]);
        repo.git(&["config", "core.autocrlf", "false"]);
        repo
    }

    /// With an estate of one item, and other files.
    pub fn new() -> Self {
        let repo = Self::empty();
        repo.write("bowline.yaml", "kind: Estate\n");
        repo.write("items/db.yaml", ITEM);
        repo.write("notes.txt", "one\n");
        repo.commit("first");
        repo
    }

    /// A bare clone.
    pub fn bare(&self) -> Self {
        let temp = TempDir::new().unwrap();
        let folder = temp.path().join("bare.git");
        self.git(&["clone", "-q", "--bare", ".", folder.to_str().unwrap()]);
        Self { folder, _temp: temp }
    }

    pub fn copy(&self) -> Self {
        let temp = TempDir::new().unwrap();
        let folder = temp.path().join("repo");
        let done = Command::new("cp").arg("-a").arg(&self.folder).arg(&folder).status().unwrap();
        assert!(done.success());
        Self { folder, _temp: temp }
    }

    pub fn try_git(&self, arguments: &[&str]) -> Output {
        Command::new("git")
            .args(arguments)
            .current_dir(&self.folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_DATE", "2026-11-25T11:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-11-25T11:00:00Z")
            .output()
            .unwrap()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.folder.join(path)).unwrap()
    }

    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn forge(&self) -> Local {
        Local::new("harbour", &self.folder).unwrap()
    }

    pub fn settle(&self, changes: &[Change], minute: i64) -> Outcome {
        let outcome = settled(&self.forge(), changes, minute).unwrap();
        assert_eq!(outcome.failed, []);
        outcome
    }

    pub fn approve(&self, key: &str, minute: i64) -> Result<Approval, Error> {
        wait(self.forge().approve(key, Some(&ada()), at(minute)))
    }

    pub fn status(&self) -> String {
        self.git(&["status", "--porcelain"])
    }

    pub fn check(&self) {
        let output = self.try_git(&["fsck", "--strict", "--no-dangling"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Every ref with the commit it points to.
    pub fn refs(&self) -> String {
        self.git(&["for-each-ref", "--format=%(refname) %(objectname)"])
    }

    /// Commits on the branch that are not on main.
    pub fn commits_of(&self, branch: &str) -> Vec<String> {
        self.git(&["rev-list", &format!("main..{branch}")]).lines().map(str::to_owned).collect()
    }
}

pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub fn settled(forge: &Local, changes: &[Change], minute: i64) -> Result<Outcome, Error> {
    settled_on(forge, changes, None, minute)
}

pub fn settled_on(forge: &Local, changes: &[Change], base: Option<&str>, minute: i64) -> Result<Outcome, Error> {
    wait(settle(forge, changes, &Doubt::none(), &BTreeSet::new(), &limits(), Pass { base, now: at(minute) }))
}

pub fn standing(outcome: &Outcome) -> &Standing {
    &outcome.standings["db-memory"]
}

/// Every file below a folder: its time of change and its bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, (std::time::SystemTime, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            found.insert(path.clone(), (meta.modified().unwrap(), Vec::new()));
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), (meta.modified().unwrap(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// A person's commit on the request's branch, made in a working tree of its own.
pub fn commit_to_branch(repo: &Repo) -> String {
    let tree = repo.folder.parent().unwrap().join("theirs");
    let path = tree.to_str().unwrap();
    repo.git(&["worktree", "add", "-q", path, "bowline/db-memory"]);
    fs::write(tree.join("theirs.txt"), "by hand\n").unwrap();
    repo.git(&["-C", path, "add", "-A"]);
    repo.git(&["-C", path, "commit", "-q", "-m", "by hand"]);
    repo.git(&["worktree", "remove", path]);
    repo.git(&["rev-parse", "bowline/db-memory"])
}
