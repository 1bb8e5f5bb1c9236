//! Running the program in a folder of its own, as a user does.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // each test file uses some of it

pub mod running;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The instant that tests plan for: a Wednesday before a window of the example.
pub const AT: &str = "2026-11-25T08:00:00Z";

/// What a command gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The same, having ended with this code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A folder with an estate, and state of its own beside it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// One with a copy of `examples/harbour` in a git repository.
    pub fn harbour() -> Self {
        let place = Self::new();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/harbour"), &place.estate());
        place.commit_all("The estate");
        place
    }

    /// The estate's folder.
    pub fn estate(&self) -> PathBuf {
        self.folder.path().join("estate")
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Writes a file of the estate.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.estate().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Reads a file of the estate.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.estate().join(path)).unwrap()
    }

    /// Makes the estate a repository if it is none, and commits everything.
    pub fn commit_all(&self, message: &str) {
        if !self.estate().join(".git").exists() {
            self.git(&["init", "-q", "-b", "main"]);
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Runs git in the estate, with an identity and no configuration of the machine's.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.clean(Command::new("git")).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs the program with these arguments, in the estate's folder.
    pub fn bowline(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// The program with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.clean(Command::new(env!("CARGO_BIN_EXE_bowline")));
        command.args(arguments);
        command
    }

    fn clean(&self, mut command: Command) -> Command {
        std::fs::create_dir_all(self.estate()).unwrap();
        let home = self.folder.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join(".gitconfig"), "[user]\n\tname = Alice Board\n\temail = alice@example.com\n").unwrap();
        command.current_dir(self.estate()).stdin(Stdio::null()).env("HOME", &home).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("BOWLINE_STATE", self.state()).env("NO_COLOR", "1").env_remove("BOWLINE_LOG").env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
        command
    }
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder with its content, by path.
pub fn everything(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
