//! The definitions in the Kubernetes API, held to the real API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "peers/mod.rs"]
mod peers;

use peers::kube::Kube;

/// The server with Bowline's kinds; none where it cannot be had.
fn kube() -> Option<Kube> {
    let kube = Kube::start()?;
    kube.install_definitions();
    Some(kube)
}

#[test]
fn every_definition_is_established() {
    let Some(kube) = kube() else { return };
    let said = kube
        .kubectl(&["get", "crd", "-o", "jsonpath={range .items[*]}{.metadata.name} {.status.conditions[*].type} {.status.conditions[*].status}{'\\n'}{end}"])
        .ok();
    assert_eq!(said.lines().count(), 8, "{said}");
    for line in said.lines() {
        let mut parts: Vec<&str> = line.split(' ').collect();
        parts.remove(0);
        assert_eq!(parts, ["NamesAccepted", "Established", "True", "True"], "{line}");
    }
}
