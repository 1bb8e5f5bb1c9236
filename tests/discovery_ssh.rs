//! The source `ssh` against OpenSSH's server on this machine, so that what it finds can be held against what the source `host` says. For a
//! login by password, which OpenSSH takes only from accounts of the machine, there is a stand-in: a server made with the library itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may
#![cfg(target_os = "linux")]

mod peers;
mod support;

#[path = "discovery_ssh/command.rs"]
mod command;
#[path = "discovery_ssh/faults.rs"]
mod faults;
#[path = "discovery_ssh/keys.rs"]
mod keys;
#[path = "discovery_ssh/machines.rs"]
mod machines;
#[path = "discovery_ssh/safety.rs"]
mod safety;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bowline::access::Access;
use bowline::credentials::{Credential, Credentials, HostKeys, Login};
use bowline::discovery::reach::Reach;
use bowline::discovery::ssh::SshSource;
use bowline::discovery::{Answer, Source};
use jiff::Timestamp;
use peers::sshd::Sshd;

/// What a test may say otherwise.
struct Asked<'a> {
    spec: &'a str,
    login: Login,
    host_keys: HostKeys,
    /// The estate's root.
    root: &'a Path,
    bound_to: &'a str,
    allow_net: &'a [&'a str],
}

impl<'a> Asked<'a> {
    fn new(spec: &'a str, login: Login) -> Self {
        Self { spec, login, host_keys: HostKeys::default(), root: Path::new("."), bound_to: "127.0.0.1", allow_net: &[] }
    }

    async fn observe(self) -> Answer {
        let access = Access { allow_net: self.allow_net.iter().map(|rule| rule.parse().unwrap()).collect(), ..Access::default() };
        let credential = Credential { name: "fleet".into(), hosts: vec![self.bound_to.parse().unwrap()], login: self.login };
        let credentials = Credentials::of([credential]).with_host_keys([("fleet".into(), self.host_keys)]);
        let reach = Reach::new(self.root.to_owned(), Arc::new(access)).with_credentials(Arc::new(credentials));
        let source = SshSource::new("fleet".into(), serde_yaml::from_str(self.spec).unwrap(), &reach, Duration::from_mins(5)).unwrap();
        let answer = source.observe(Timestamp::UNIX_EPOCH).await;
        assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
        answer
    }
}

/// The key that a server lets in; the server's own key is known where `is_known`.
fn key(server: &Sshd, is_known: bool) -> Login {
    Login::SshKey { file: server.key.clone(), known_hosts: is_known.then(|| server.known_hosts.clone()) }
}

/// A source of servers of this machine, with `more` in its spec.
fn spec(servers: &[&Sshd], more: &str) -> String {
    let hosts: Vec<String> = servers.iter().map(|server| format!("'127.0.0.1:{}'", server.port)).collect();
    let account = servers.first().map_or("root", |server| &server.account);
    let each = if more.contains("each:") { "" } else { ", each: 2m" };
    format!("{{hosts: [{}], credentials: fleet, user: {account}{each}{more}}}", hosts.join(", "))
}
