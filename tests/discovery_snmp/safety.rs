//! What an estate cannot reach with it, and what it never learns (rule 8).

use std::net::UdpSocket;
use std::time::Duration;

use super::{at, community, observe_with};
use crate::peers::snmpd::Snmpd;

/// A socket at which nothing may arrive.
fn witness() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket
}

fn nothing_came(socket: &UdpSocket) -> bool {
    socket.recv(&mut [0; 512]).is_err()
}

#[tokio::test]
async fn a_credential_goes_only_to_hosts_that_it_is_bound_to() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), "sysName sw-1\n", "") else { return };
    let witness = witness();
    let port = witness.local_addr().unwrap().port();
    let answer = observe_with(&at(&[agent.port, port]), community(), &format!("127.0.0.1:{}", agent.port), &[]).await;
    assert_eq!(answer.items.len(), 1, "{answer:?}");
    let error = answer.error.unwrap();
    assert!(!answer.complete && error.contains(&format!("not bound to the host `127.0.0.1:{port}`")), "{error}");
    assert!(nothing_came(&witness));
}

#[tokio::test]
async fn only_what_the_operator_allows_is_asked() {
    let witness = witness();
    let port = witness.local_addr().unwrap().port();
    let answer = observe_with(&at(&[port]), community(), "127.0.0.1", &["10.0.0.0/8"]).await;
    assert!(answer.error.as_deref().unwrap().contains("not among what --allow-net names"), "{:?}", answer.error);
    assert!(!answer.complete && nothing_came(&witness));
}

#[tokio::test]
async fn link_local_addresses_are_refused() {
    let spec = "{targets: ['169.254.169.254', 'fe80::1'], credentials: switches}";
    for host in ["169.254.0.0/16", "fe80::/10"] {
        let answer = observe_with(spec, community(), host, &["0.0.0.0/0", "::/0"]).await;
        assert!(!answer.complete && answer.error.as_deref().unwrap().contains("link-local"), "{:?}", answer.error);
    }
}

#[tokio::test]
async fn a_credential_that_is_none_of_snmp_is_refused_before_anything_is_sent() {
    use bowline::credentials::{Login, Secret};
    let witness = witness();
    let login = Login::Token { user: None, token: Secret::new("canary-token") };
    let answer = observe_with(&at(&[witness.local_addr().unwrap().port()]), login, "127.0.0.1", &[]).await;
    assert!(answer.error.as_deref().unwrap().contains("the credential `switches` is none of SNMP"), "{:?}", answer.error);
    assert!(!answer.complete && nothing_came(&witness));
}
