//! The source `snmp` against net-snmp's own agent. The tables that it does not have (ENTITY-MIB, LLDP-MIB) it serves by its `pass_persist`;
//! datagrams are lost and held back by a relay of ours between it and Bowline.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

#[path = "discovery_snmp/command.rs"]
mod command;
#[path = "discovery_snmp/devices.rs"]
mod devices;
#[path = "discovery_snmp/faults.rs"]
mod faults;
#[path = "discovery_snmp/safety.rs"]
mod safety;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bowline::access::Access;
use bowline::credentials::snmp::{Authentication, Privacy, User};
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::discovery::reach::Reach;
use bowline::discovery::snmp::SnmpSource;
use bowline::discovery::{Answer, Source};
use jiff::Timestamp;
use peers::snmpd::{COMMUNITY, PRIVATE, PROOF};

/// A user of the agent.
fn user(name: &str, authentication: Authentication, privacy: Option<Privacy>) -> Login {
    Login::SnmpUser(User {
        name: name.into(),
        authentication: (authentication, Secret::new(PROOF)),
        privacy: privacy.map(|privacy| (privacy, Secret::new(PRIVATE))),
    })
}

fn community() -> Login {
    Login::Community(Secret::new(COMMUNITY))
}

/// What a source says that is declared so and may go anywhere.
async fn observe(spec: &str, login: Login) -> Answer {
    observe_with(spec, login, "127.0.0.1", &[]).await
}

/// The same with a credential that is bound to a host, and what `--allow-net` names.
async fn observe_with(spec: &str, login: Login, host: &str, allow_net: &[&str]) -> Answer {
    let access = Access { allow_net: allow_net.iter().map(|rule| rule.parse().unwrap()).collect(), ..Access::default() };
    let credential = Credential { name: "switches".into(), hosts: vec![host.parse().unwrap()], login };
    let reach = Reach::new(Path::new(".").to_owned(), Arc::new(access)).with_credentials(Arc::new(Credentials::of([credential])));
    let source = SnmpSource::new("switches".into(), serde_yaml::from_str(spec).unwrap(), &reach, Duration::from_mins(5)).unwrap();
    let answer = source.observe(Timestamp::UNIX_EPOCH).await;
    assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
    answer
}

/// Devices at ports of this machine, with as much patience as there is by default.
fn at(ports: &[u16]) -> String {
    format!("{{targets: [{}], credentials: switches}}", targets(ports))
}

/// The same with two requests, each waited for so many seconds: for devices that do not answer.
fn within(ports: &[u16], seconds: u32) -> String {
    format!("{{targets: [{}], credentials: switches, limits: {{request: {seconds}s, tries: 2}}}}", targets(ports))
}

fn targets(ports: &[u16]) -> String {
    ports.iter().map(|port| format!("'127.0.0.1:{port}'")).collect::<Vec<_>>().join(", ")
}
