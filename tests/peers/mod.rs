//! The real systems that Bowline is tested against, each brought up for one test on free ports of this machine, and gone
//! after it. What cannot be had here is said with [`skip`], and the test passes.
#![allow(dead_code, missing_docs)] // a test uses the peers it needs
#![allow(clippy::unwrap_used, clippy::expect_used)] // and ends where something is wrong

pub mod authority;
pub mod emulate;
pub mod git;
pub mod gitea;
pub mod got;
pub mod kube;
pub mod netbox;
pub mod nginx;
pub mod player;
pub mod proxy;
pub mod scripted;
pub mod snmpd;
pub mod sshd;
pub mod vcsim;

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Says why a test has nothing to test here.
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
    println!("skipped: {reason}");
}

/// The program of this name, where a shell or an administrator would look.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/lib/git-core"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A port that nobody uses just now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A program that ends with its test.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the peer starts"))
    }

    /// Whether the port answers within ten seconds, before the program ends.
    pub fn answers(&mut self, port: u16) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return true;
            }
            if self.0.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
