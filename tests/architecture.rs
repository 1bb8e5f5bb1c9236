//! The pure folders stay pure: no clock, no file, no network, no runtime (DESIGN: rules that hold everywhere).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

use std::path::{Path, PathBuf};

const PURE: [&str; 11] = [
    "src/api",
    "src/identity",
    "src/drift",
    "src/impact",
    "src/calendar",
    "src/change",
    "src/import",
    "src/inventory",
    "src/health",
    "src/plan.rs",
    "src/difference.rs",
];

/// Files elsewhere that decide and leave the doing to others.
const DECIDING: [&str; 52] = [
    "src/access/web/wait.rs",
    "src/controller/event.rs",
    "src/controller/kubernetes/agenda.rs",
    "src/controller/kubernetes/mirror.rs",
    "src/controller/kubernetes/status.rs",
    "src/controller/kubernetes/world.rs",
    "src/controller/lease/decide.rs",
    "src/controller/lease/machine.rs",
    "src/controller/push/rate.rs",
    "src/controller/schedule.rs",
    "src/controller/signature.rs",
    "src/discovery/host/machine.rs",
    "src/discovery/host/parse.rs",
    "src/discovery/http/address.rs",
    "src/discovery/http/check.rs",
    "src/discovery/http/judge.rs",
    "src/discovery/http/paging.rs",
    "src/discovery/http/plan.rs",
    "src/discovery/kubernetes/certificate.rs",
    "src/discovery/kubernetes/kinds.rs",
    "src/discovery/kubernetes/links.rs",
    "src/discovery/kubernetes/map.rs",
    "src/discovery/kubernetes/network.rs",
    "src/discovery/kubernetes/node.rs",
    "src/discovery/kubernetes/object.rs",
    "src/discovery/kubernetes/quantity.rs",
    "src/discovery/kubernetes/workload.rs",
    "src/discovery/nmap/host.rs",
    "src/discovery/push/batch.rs",
    "src/discovery/push/facts.rs",
    "src/discovery/snmp/check.rs",
    "src/discovery/snmp/entities.rs",
    "src/discovery/snmp/interfaces.rs",
    "src/discovery/snmp/map.rs",
    "src/discovery/snmp/neighbors.rs",
    "src/discovery/snmp/objects.rs",
    "src/discovery/snmp/vendors.rs",
    "src/discovery/snmp/walk.rs",
    "src/discovery/ssh/check.rs",
    "src/discovery/ssh/commands.rs",
    "src/discovery/ssh/facts.rs",
    "src/discovery/ssh/known.rs",
    "src/discovery/tls/endpoint.rs",
    "src/discovery/tls/read.rs",
    "src/discovery/vsphere/found.rs",
    "src/discovery/vsphere/gaps.rs",
    "src/discovery/vsphere/host.rs",
    "src/discovery/vsphere/machine.rs",
    "src/discovery/vsphere/object.rs",
    "src/estate/cluster.rs",
    "src/estate/select.rs",
    "src/forge/life.rs",
];

/// What none of them may name.
const FORBIDDEN: [&str; 16] = [
    "tokio",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "kube::Client",
    "kube::Api",
    "reqwest",
    "git2",
    "sqlx",
];

/// Later folders of the path; data never goes back, so no earlier one knows them.
const ORDER: [&str; 12] = ["api", "estate", "discovery", "identity", "drift", "inventory", "impact", "calendar", "change", "import", "health", "forge"];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.extension().is_some_and(|ending| ending == "rs") {
            files.extend(sources(&path));
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Code without comments and without the unit tests at the end of the file.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn pure_folders_and_files_that_decide_use_no_clock_file_network_or_runtime() {
    let mut broken = Vec::new();
    for file in PURE.iter().chain(&DECIDING).flat_map(|folder| sources(&root().join(folder))) {
        // What an address is, which opens no connection.
        let code = code(&file)
            .replace("reqwest::Url", "")
            .replace("use std::net::IpAddr;", "")
            .replace("use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};", "")
            .replace("use std::net::{Ipv4Addr, Ipv6Addr};", "");
        broken.extend(FORBIDDEN.iter().filter(|word| code.contains(**word)).map(|word| format!("{} names {word}", file.display())));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_rule_would_be_seen_to_break() {
    let everything = sources(&root().join("src"));
    assert!(everything.iter().any(|file| code(file).contains("tokio")), "the search finds what it looks for where it is allowed");
}

#[test]
fn the_data_never_goes_back() {
    let mut broken = Vec::new();
    for (index, folder) in ORDER.iter().enumerate() {
        for file in sources(&root().join("src").join(folder)) {
            let code = code(&file);
            let later = ORDER[index + 1..].iter().filter(|later| code.contains(&format!("crate::{later}::")));
            broken.extend(later.map(|later| format!("{} uses {later}", file.display())));
        }
    }
    // A check asks the later folders what they would refuse. A selector may name services, and who is part of one is for the
    // service graph to say, which is made from the estate alone.
    broken.retain(|line| !line.contains("/estate/check") && !line.ends_with("uses impact"));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let silent: Vec<PathBuf> = sources(&root().join("src")).into_iter().filter(|file| !std::fs::read_to_string(file).unwrap().starts_with("//!")).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}
