//! Devices that are silent, slow, lost in themselves, or too large.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bowline::credentials::snmp::{Authentication, Privacy};
use bowline::credentials::{Login, Secret};

use super::{at, community, observe, user, within};
use crate::peers::snmpd::{Snmpd, entities, free_udp_port, lldp};

/// Passes datagrams on to a port of this machine, but for those that `loses` says by their number. Ends with the test's process.
fn relay(to: u16, loses: impl Fn(usize) -> bool + Send + 'static) -> u16 {
    let (near, far) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = near.local_addr().unwrap().port();
    far.connect(("127.0.0.1", to)).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let seen = AtomicUsize::new(0);
    std::thread::spawn(move || {
        let mut datagram = vec![0; 65536];
        while let Ok((length, from)) = near.recv_from(&mut datagram) {
            if loses(seen.fetch_add(1, Ordering::Relaxed)) {
                continue;
            }
            far.send(&datagram[..length]).unwrap();
            if let Ok(length) = far.recv(&mut datagram) {
                near.send_to(&datagram[..length], from).unwrap();
            }
        }
    });
    port
}

#[tokio::test]
async fn a_datagram_that_is_lost_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), "sysName sw-1\n", &entities("FOC1")) else { return };
    let port = relay(agent.port, |number| number % 7 == 3);
    let spec = format!("{{targets: ['127.0.0.1:{port}'], credentials: switches, limits: {{target: 5m}}}}");
    let answer = observe(&spec, community()).await;
    assert!(answer.complete, "{:?}", answer.error);
    let whole = observe(&at(&[agent.port]), community()).await;
    assert_eq!(answer.items[0].attributes, whole.items[0].attributes, "{:?}", whole.error);
}

/// What a device had before it fell silent would seem to be all that it has.
#[tokio::test]
async fn a_device_that_falls_silent_in_the_middle_is_named_and_left_out_whole() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(agent) = Snmpd::start(one.path(), "sysName sw-1\n", &entities("FOC1")) else { return };
    let Some(other) = Snmpd::start(two.path(), "sysName sw-2\n", &entities("FOC2")) else { return };
    let port = relay(agent.port, |number| number > 14);
    let answer = observe(&within(&[port, other.port], 3), community()).await;
    assert_eq!(answer.items.iter().map(|item| &*item.name).collect::<Vec<_>>(), ["sw-2"]);
    let error = answer.error.unwrap();
    assert!(!answer.complete && error.contains(&format!("127.0.0.1:{port}: ")) && error.contains("no answer to a request that was sent 2 times"), "{error}");
}

#[tokio::test]
async fn silent_devices_are_named_together_and_keep_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), "sysName sw-1\n", "") else { return };
    let silent: Vec<UdpSocket> = (0..16).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let mut ports: Vec<u16> = silent.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    ports.push(agent.port);
    let begun = Instant::now();
    let answer = observe(&within(&ports, 3), community()).await;
    // One at a time they would take 16 times six seconds.
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    assert!(!answer.complete && answer.items.len() == 1, "{answer:?}");
    let error = answer.error.unwrap();
    assert!(silent.iter().all(|socket| error.contains(&socket.local_addr().unwrap().to_string())), "{error}");
}

#[tokio::test]
async fn where_nothing_listens_that_is_said() {
    let port = free_udp_port();
    let answer = observe(&within(&[port], 1), community()).await;
    let error = answer.error.unwrap();
    assert!(!answer.complete && error.contains(&format!("127.0.0.1:{port}: ")), "{error}");
}

#[tokio::test]
async fn the_time_of_a_device_ends() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), "sysName sw-1\n", "") else { return };
    let slow = relay(agent.port, |_| {
        std::thread::sleep(Duration::from_millis(600));
        false
    });
    let spec = format!("{{targets: ['127.0.0.1:{slow}'], credentials: switches, limits: {{request: 5s, target: 2s}}}}");
    let begun = Instant::now();
    let answer = observe(&spec, community()).await;
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(answer.error.as_deref(), Some(&*format!("127.0.0.1:{slow}: no answer within 2 s")));
}

#[tokio::test]
async fn an_agent_that_loops_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let objects = lldp("00 1b 21 ab cd 01", "00 1b 21 ab cd 02", "sw-2") + "loop .1.0.8802.1.1.2.1.4.1.1.5.0.1.1\n";
    let Some(agent) = Snmpd::start(folder.path(), "sysName sw-1\n", &objects) else { return };
    let begun = Instant::now();
    let answer = observe(&at(&[agent.port]), community()).await;
    let error = answer.error.unwrap();
    assert!(error.contains("Neighbors cannot be read: its agent lists objects that do not increase"), "{error}");
    assert!(!answer.complete && answer.items.is_empty() && begun.elapsed() < Duration::from_secs(30));
    // What the message advises.
    let spec = format!("{{targets: ['127.0.0.1:{}'], credentials: switches, tables: [Interfaces, Addresses, Entities]}}", agent.port);
    assert!(observe(&spec, community()).await.complete);
}

#[tokio::test]
async fn a_table_of_thousands_of_rows_is_read_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut objects = entities("FOC1");
    for number in 100..2100 {
        for (column, value) in [("4", "integer 1"), ("5", "integer 9"), ("11", &format!("string M{number}"))] {
            writeln!(objects, ".1.3.6.1.2.1.47.1.1.1.1.{column}.{number} {value}").unwrap();
        }
    }
    let Some(agent) = Snmpd::start(folder.path(), "sysName sw-1\n", &objects) else { return };
    let spec = |rows: u32| format!("{{targets: ['127.0.0.1:{}'], credentials: switches, tables: [Entities], limits: {{rows: {rows}}}}}", agent.port);
    let answer = observe(&spec(10_000), community()).await;
    assert!(answer.complete, "{:?}", answer.error);
    assert_eq!(answer.items[0].attributes.get("modules").and_then(bowline::api::Value::as_list).map(<[_]>::len), Some(2001));
    let answer = observe(&spec(3000), community()).await;
    assert!(answer.items.is_empty() && answer.error.as_deref().unwrap().contains("more than 3000 rows (`limits.rows`)"), "{:?}", answer.error);
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why_as_far_as_the_agent_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(agent) = Snmpd::start(folder.path(), "sysName sw-1\n", "") else { return };
    let spec = within(&[agent.port], 2);
    // An agent answers neither a wrong community nor, in a way that anyone else could not have sent, a wrong user.
    let silence = "it may not know the community, or the user or its passwords";
    for (login, reason) in [
        (Login::Community(Secret::new("canary-another")), silence),
        (user("nobody", Authentication::Sha256, Some(Privacy::Aes128)), silence),
        (user("private", Authentication::Sha512, Some(Privacy::Aes128)), silence),
        (user("private", Authentication::Sha256, None), "it refuses with authorizationError"),
    ] {
        let answer = observe(&spec, login).await;
        let error = answer.error.unwrap();
        assert!(!answer.complete && answer.items.is_empty() && error.contains(reason), "{reason}: {error}");
    }
}
