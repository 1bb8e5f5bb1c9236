//! The rules of the sources that ask a network: `snmp` and `ssh`.

use bowline::api::Kind;
use serde_json::{Value, json};

use super::rules::{Case, NO_DURATION, NO_TIME, OUTSIDE, WITH_NAMESPACE, case};

/// The cases of an `snmp` source.
pub(super) fn of_snmp() -> Vec<Case> {
    use Kind::DiscoverySource as D;
    let snmp = |field: &str, value: Value| {
        let mut source = json!({"targets": ["sw-1"], "credentials": "switches"});
        source[field] = value;
        json!({"snmp": source})
    };
    let limits = |name: &str, value: &str| snmp("limits", json!({name: value}));
    let mut cases = vec![
        case(
            D,
            "spec.snmp.targets",
            "spec.snmp.targets",
            "no device is named; name at least one, for example sw-1.example.com",
            snmp("targets", json!([])),
            snmp("targets", json!(["sw-1"])),
        ),
        case(
            D,
            "spec.snmp.targets[]",
            "spec.snmp.targets[1]",
            "this is no device; write host or host:port, for example sw-1.example.com:161",
            snmp("targets", json!(["sw-1", "udp://sw-2"])),
            snmp("targets", json!(["sw-1", "[2001:db8::1]:161"])),
        ),
        case(
            D,
            "spec.snmp.credentials",
            "spec.snmp.credentials",
            WITH_NAMESPACE,
            snmp("credentials", json!("other/switches")),
            snmp("credentials", json!("switches")),
        ),
    ];
    for (at, name) in [("spec.snmp.limits.request", "request"), ("spec.snmp.limits.target", "target")] {
        cases.push(case(D, at, at, NO_DURATION, limits(name, "soon"), limits(name, "2s")));
        cases.push(case(D, at, at, NO_TIME, limits(name, "0s"), limits(name, "1m")));
    }
    cases
}

/// The cases of an `ssh` source.
pub(super) fn of_ssh() -> Vec<Case> {
    use Kind::DiscoverySource as D;
    let ssh = |field: &str, value: Value| {
        let mut source = json!({"hosts": ["web-1"], "credentials": "fleet"});
        source[field] = value;
        json!({"ssh": source})
    };
    vec![
        case(
            D,
            "spec.ssh.hosts",
            "spec.ssh.hosts",
            "no machine is named; name at least one, for example web-1.example.com",
            ssh("hosts", json!([])),
            ssh("hosts", json!(["web-1"])),
        ),
        case(
            D,
            "spec.ssh.hosts[]",
            "spec.ssh.hosts[0]",
            "this is no machine; write host or host:port, for example web-1.example.com:22",
            ssh("hosts", json!(["ssh://web-1"])),
            ssh("hosts", json!(["[2001:db8::1]:22"])),
        ),
        case(D, "spec.ssh.credentials", "spec.ssh.credentials", WITH_NAMESPACE, ssh("credentials", json!("other/fleet")), ssh("credentials", json!("fleet"))),
        case(D, "spec.ssh.knownHosts", "spec.ssh.knownHosts", OUTSIDE, ssh("knownHosts", json!("../known_hosts")), ssh("knownHosts", json!("known_hosts"))),
        case(D, "spec.ssh.each", "spec.ssh.each", NO_DURATION, ssh("each", json!("long")), ssh("each", json!("1m"))),
        case(D, "spec.ssh.each", "spec.ssh.each", NO_TIME, ssh("each", json!("0s")), ssh("each", json!("30s"))),
    ]
}
