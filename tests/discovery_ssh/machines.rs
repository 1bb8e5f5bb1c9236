//! What a machine is.

use bowline::api::Value;
use bowline::api::discovery_source::HostSource as HostSpec;
use bowline::discovery::host::HostSource;
use bowline::discovery::{Observation, Source};
use jiff::Timestamp;

use super::{Asked, key, spec};
use crate::peers::sshd::Sshd;

async fn as_it_sees_itself() -> Observation {
    HostSource::new("this".into(), HostSpec::default()).observe(Timestamp::UNIX_EPOCH).await.items.remove(0)
}

#[tokio::test]
async fn a_machine_says_over_ssh_what_it_says_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let answer = Asked::new(&spec(&[&server], ""), key(&server, true)).observe().await;
    assert!(answer.complete && answer.error.is_none(), "{:?}", answer.error);
    let [item] = answer.items.as_slice() else { panic!("{answer:?}") };
    let own = as_it_sees_itself().await;
    assert_eq!((&item.key, &item.class, &item.name, &item.identifiers), (&own.key, &own.class, &own.name, &own.identifiers));
    // Other tests open and close ports meanwhile.
    let names: Vec<&str> = own.attributes.iter().map(|(name, _)| &**name).filter(|name| *name != "listening").collect();
    assert!(names.contains(&"cpus") && names.contains(&"memory") && names.contains(&"os") && names.contains(&"packages"), "{names:?}");
    for name in names {
        assert_eq!(item.attributes.get(name), own.attributes.get(name), "{name}");
    }
    assert_eq!(item.attributes.names().filter(|name| &***name != "listening").count(), own.attributes.names().filter(|name| &***name != "listening").count());
}

#[tokio::test]
async fn a_port_that_listens_to_others_is_seen_and_one_for_the_machine_only_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let all = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let answer = Asked::new(&spec(&[&server], ", packages: false, class: virtual-machine"), key(&server, true)).observe().await;
    let item = &answer.items[0];
    let listening = item.attributes.get("listening").and_then(Value::as_list).unwrap();
    let has = |port: u16| listening.iter().any(|entry| entry.as_str() == Some(&format!("tcp/{port}")));
    assert!(has(all.local_addr().unwrap().port()) && !has(own.local_addr().unwrap().port()), "{listening:?}");
    assert!(&*item.class == "virtual-machine" && !item.attributes.contains("packages"));
}

#[tokio::test]
async fn machines_are_asked_side_by_side_and_one_that_fails_leaves_the_others() {
    let (one, two, three) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(first) = Sshd::start(one.path()) else { return };
    let Some(second) = Sshd::start(two.path()) else { return };
    let Some(foreign) = Sshd::start_with(three.path(), "ForceCommand echo FreeBSD web-1 14.0-RELEASE amd64\n") else { return };
    let known: String = [&first, &second, &foreign].map(|server| std::fs::read_to_string(&server.known_hosts).unwrap()).concat();
    std::fs::write(one.path().join("all"), known).unwrap();
    // Each lets its own key in: make them one.
    for server in [&two, &three] {
        std::fs::copy(one.path().join("authorized"), server.path().join("authorized")).unwrap();
    }
    let login = bowline::credentials::Login::SshKey { file: first.key.clone(), known_hosts: Some(one.path().join("all")) };
    let answer = Asked::new(&spec(&[&first, &second, &foreign], ", packages: false"), login).observe().await;
    assert_eq!(answer.items.len(), 2, "{answer:?}");
    let error = answer.error.unwrap();
    assert!(!answer.complete && error.contains(&format!("127.0.0.1:{}: its system is FreeBSD, and only Linux is read", foreign.port)), "{error}");
}
