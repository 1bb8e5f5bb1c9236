//! The source `host`, held against what the machine itself says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may
#![cfg(target_os = "linux")]

use std::process::Command;

use bowline::api::Value;
use bowline::api::discovery_source::HostSource as Spec;
use bowline::discovery::host::HostSource;
use bowline::discovery::{Answer, Source};
use jiff::Timestamp;

async fn observe(spec: Spec) -> Answer {
    HostSource::new("this-host".into(), spec).observe(Timestamp::UNIX_EPOCH).await
}

fn says(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[tokio::test]
async fn the_machine_is_one_complete_observation() {
    let answer = observe(Spec::default()).await;
    assert!(answer.complete, "{:?}", answer.error);
    let [item] = answer.items.as_slice() else { panic!("{} items", answer.items.len()) };
    assert_eq!((&*item.class, &*answer.source), ("server", "this-host"));
    let text = |name: &str| item.attributes.get(name).and_then(Value::as_str).map(str::to_owned);
    assert_eq!(Some(item.name.to_string()), says("uname", &["-n"]));
    assert_eq!(item.attributes.get("os").and_then(|os| os.at("kernel")).and_then(Value::as_str).map(str::to_owned), says("uname", &["-r"]));
    assert_eq!(text("architecture"), says("uname", &["-m"]));
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap().lines().filter(|line| line.starts_with("processor")).count();
    assert_eq!(item.attributes.get("cpus").and_then(Value::as_u64), Some(cpus as u64));
}

#[tokio::test]
async fn memory_is_what_is_installed_and_not_less_than_what_the_kernel_has_left() {
    let answer = observe(Spec::default()).await;
    let memory = answer.items[0].attributes.get("memory").and_then(Value::as_str).unwrap().to_owned();
    let memory: u64 = memory.strip_suffix("Mi").unwrap().parse().unwrap();
    let total = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: u64 = total.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap();
    assert!(memory >= total / 1024 && memory < total / 1024 * 5 / 4, "{memory} Mi, kernel {} Mi", total / 1024);
}

#[tokio::test]
async fn the_spec_names_the_item_and_its_class_and_leaves_packages_out() {
    let spec = Spec { class: Some("virtual-machine".into()), name: Some("build-07".into()), packages: Some(false) };
    let answer = observe(spec).await;
    let item = &answer.items[0];
    assert_eq!((&*item.class, &*item.name), ("virtual-machine", "build-07"));
    assert!(!item.attributes.contains("packages"));
}

#[tokio::test]
async fn packages_are_those_that_dpkg_lists() {
    let Some(listed) = says("dpkg-query", &["-W", "-f", "${db:Status-Status}\\t${Package}\\t${Version}\\n"]) else {
        println!("skipped: no dpkg-query on this machine");
        return;
    };
    let answer = observe(Spec::default()).await;
    let packages = answer.items[0].attributes.get("packages").and_then(Value::as_map).unwrap().clone();
    let installed: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).filter(|line: &Vec<&str>| line[0] == "installed").collect();
    assert_eq!(packages.len(), installed.len());
    for line in installed {
        assert_eq!(packages.get(line[1]).and_then(Value::as_str), Some(line[2]), "{line:?}");
    }
}

#[tokio::test]
async fn a_port_that_listens_to_others_is_seen_and_one_for_this_machine_only_is_not() {
    let all = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let answer = observe(Spec { packages: Some(false), ..Spec::default() }).await;
    let Some(listening) = answer.items[0].attributes.get("listening").and_then(Value::as_list) else {
        println!("skipped: the socket tables of this machine cannot be read");
        return;
    };
    let has = |port: u16| listening.iter().any(|entry| entry.as_str() == Some(&format!("tcp/{port}")));
    assert!(has(all.local_addr().unwrap().port()), "{listening:?}");
    assert!(!has(own.local_addr().unwrap().port()), "{listening:?}");
}

#[tokio::test]
async fn two_looks_at_an_unchanged_machine_are_equal_and_nothing_secret_is_in_them() {
    let spec = Spec { packages: Some(false), ..Spec::default() };
    let (mut first, mut second) = (observe(spec.clone()).await, observe(spec).await);
    // Other tests open and close ports meanwhile.
    for answer in [&mut first, &mut second] {
        let item = &mut answer.items[0];
        item.attributes = item.attributes.clone().without("listening");
    }
    assert_eq!(first, second);
    if let Ok(id) = std::fs::read_to_string("/etc/machine-id") {
        assert!(id.trim().is_empty() || !format!("{first:?}").contains(id.trim()));
        assert_eq!(first.items[0].identifiers.get("host/machine-id"), Some(&first.items[0].key));
    }
}
