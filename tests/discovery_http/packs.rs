//! The packs of `packs/`: they pass the check as they are, and say what the vendors' answers mean. The answers here are stand-ins, written after
//! the vendors' documentation; NetBox's alone is also asked itself, where one runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use bowline::access::Access;
use bowline::api::Value;
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::discovery::Answer;
use bowline::discovery::reach::Reach;
use serde_json::{Value as Json, json};

use crate::packs_asked::{self, has, item, known_as, relation};
use crate::peers::netbox::{Netbox, TOKEN};
use crate::peers::player::{Play, Player, answer};
use crate::peers::{Process, free_port, program, skip};
use crate::support::Place;

/// Asks all sources of a pack at another address; one answer a source, by name.
async fn ask(name: &str, url: &str, login: Login) -> BTreeMap<String, Answer> {
    ask_by(name, url, login, None).await
}

/// The same, with so many items a page where the pack names a `limit`.
async fn ask_by(name: &str, url: &str, login: Login, page: Option<u64>) -> BTreeMap<String, Answer> {
    let sources = packs_asked::sources(name, |spec| {
        let http = spec.http.as_mut().unwrap();
        let real: reqwest::Url = http.url.parse().unwrap();
        http.url = format!("{url}{}", real.path().trim_end_matches('/')).into();
        if let Some(export) = &mut http.list.export {
            export.every = Some("1s".parse().unwrap());
        }
        let lists = http.joins.iter_mut().map(|join| &mut join.list).chain([&mut http.list]);
        for list in lists.filter(|list| list.query.contains("limit")) {
            list.query = std::mem::take(&mut list.query).with("limit", page.map_or(Value::from(500_u64), Value::from));
        }
    });
    let credential = Credential { name: name.into(), hosts: vec!["127.0.0.1".parse().unwrap()], login };
    let reach = Reach::new("/nonexistent".into(), Arc::new(Access::default())).with_credentials(Arc::new(Credentials::of([credential])));
    packs_asked::ask(sources, &reach).await
}

fn token(token: &str) -> Login {
    Login::Token { user: None, token: Secret::new(token) }
}

#[test]
fn every_pack_passes_the_check_as_it_is() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: packs}\nspec: {}\n");
    for name in packs_asked::names() {
        place.write(&format!("sources/{name}.yaml"), &packs_asked::text(&name));
    }
    let checked = place.bowline(&["check"]).ends_with(0);
    assert!(!checked.stdout.contains("warning") && !checked.stderr.contains("warning"), "{checked:?}");
}

fn netbox(path: &str) -> Play {
    let results = match path.split('?').next().unwrap() {
        "/api/virtualization/virtual-machines/" => {
            r#"{"id": 1, "name": "web01", "status": {"value": "active", "label": "Active"}, "site": {"slug": "fra1"}, "cluster": {"id": 7}, "device": {"id": 3}, "serial": "VMW-1",
                "role": {"slug": "app"}, "tenant": {"slug": "retail"}, "platform": {"name": "Debian 12"}, "primary_ip": {"id": 11}, "vcpus": 2.0, "memory": 4096, "disk": 40000},
               {"id": 2, "name": "build01", "status": {"value": "planned"}, "site": null, "cluster": null, "device": null, "serial": "", "role": null, "tenant": null,
                "platform": null, "primary_ip": null, "vcpus": null, "memory": null, "disk": null}"#
        }
        "/api/virtualization/interfaces/" => {
            r#"{"id": 5, "virtual_machine": {"id": 1}, "mac_address": "00:50:56:AB:00:00"}, {"id": 6, "virtual_machine": {"id": 1}, "mac_address": null}"#
        }
        "/api/ipam/ip-addresses/" => {
            r#"{"id": 11, "address": "10.20.0.10/24", "dns_name": "web01.example.com", "assigned_object_type": "virtualization.vminterface", "assigned_object": {"id": 5, "virtual_machine": {"id": 1}}},
               {"id": 12, "address": "10.20.1.11/24", "dns_name": "", "assigned_object_type": "dcim.interface", "assigned_object": {"id": 9, "device": {"id": 3}}},
               {"id": 13, "address": "10.20.0.200/24", "dns_name": "", "assigned_object_type": null, "assigned_object": null}"#
        }
        "/api/dcim/devices/" => {
            r#"{"id": 3, "name": "esx01", "status": {"value": "active"}, "site": {"slug": "fra1"}, "rack": {"name": "R12"}, "role": {"slug": "hypervisor"}, "tenant": null, "platform": null,
                "cluster": {"id": 7}, "serial": "JH7", "asset_tag": "A-1", "device_type": {"model": "R750", "manufacturer": {"name": "Dell"}}},
               {"id": 4, "name": null, "status": {"value": "inventory"}, "site": null, "rack": null, "role": {"slug": "core-switch"}, "tenant": null, "platform": null, "cluster": null,
                "serial": "", "asset_tag": null, "device_type": {"model": "X1", "manufacturer": {"name": "Arista"}}}"#
        }
        "/api/dcim/interfaces/" => r#"{"id": 9, "device": {"id": 3}, "mac_address": "D0:94:66:00:00:00"}"#,
        "/api/virtualization/clusters/" => r#"{"id": 7, "name": "vc-prod-01", "status": {"value": "active"}, "type": {"slug": "vmware"}, "tenant": null}"#,
        other => panic!("{other}"),
    };
    let count = serde_json::from_str::<Vec<serde_json::Value>>(&format!("[{results}]")).unwrap().len();
    answer(200, &[], &format!(r#"{{"count": {count}, "next": null, "previous": null, "results": [{results}]}}"#))
}

#[tokio::test(flavor = "multi_thread")]
async fn netbox_says_what_its_machines_are() {
    let server = Player::start(|asked, _| netbox(&asked.path));
    let answers = ask("netbox", &server.url(), token("nbt_a.b")).await;
    let web = item(&answers, "netbox-virtual-machines", "web01");
    has(
        web,
        r#"{"cpus": 2.0, "memory": "4096M", "disk": "40000M", "macAddresses": ["00:50:56:AB:00:00"], "ipAddresses": ["10.20.0.10"], "os": {"name": "Debian 12"}}"#,
    );
    known_as(web, &[("dns/fqdn", "web01.example.com"), ("netbox/virtual-machine", "1"), ("serial/number", "VMW-1")]);
    assert_eq!(web.relations, [relation("RunsOn", "netbox/cluster", "7"), relation("RunsOn", "netbox/device", "3")]);
    // Null, empty and absent.
    let build = item(&answers, "netbox-virtual-machines", "build01");
    has(build, r#"{"macAddresses": [], "ipAddresses": []}"#);
    known_as(build, &[("netbox/virtual-machine", "2")]);
    assert!(build.relations.is_empty());
    let host = item(&answers, "netbox-devices", "esx01");
    assert_eq!(&*host.class, "hypervisor");
    has(host, r#"{"manufacturer": "Dell", "model": "R750", "macAddresses": ["D0:94:66:00:00:00"], "ipAddresses": ["10.20.1.11"]}"#);
    assert_eq!(&*item(&answers, "netbox-devices", "device-4").class, "network-device");
    known_as(item(&answers, "netbox-clusters", "vc-prod-01"), &[("netbox/cluster", "7")]);
}

/// A site with a cluster, three machines and their host.
fn fill(netbox: &Netbox) {
    let id = |made: &Json| made["id"].as_u64().unwrap();
    let site = id(&netbox.post("dcim/sites/", &json!({"name": "FRA1", "slug": "fra1"})));
    let tenant = id(&netbox.post("tenancy/tenants/", &json!({"name": "Retail", "slug": "retail"})));
    let kind = id(&netbox.post("virtualization/cluster-types/", &json!({"name": "vSphere", "slug": "vsphere"})));
    let cluster = id(&netbox.post("virtualization/clusters/", &json!({"name": "vc-prod-01", "type": kind})));
    let role = id(&netbox.post("dcim/device-roles/", &json!({"name": "Hypervisor", "slug": "hypervisor", "color": "607d8b"})));
    let maker = id(&netbox.post("dcim/manufacturers/", &json!({"name": "Dell", "slug": "dell"})));
    let model = id(&netbox.post("dcim/device-types/", &json!({"manufacturer": maker, "model": "R750", "slug": "r750"})));
    let platform = id(&netbox.post("dcim/platforms/", &json!({"name": "Debian 12", "slug": "debian-12"})));
    let host = json!({"name": "esx01", "device_type": model, "role": role, "site": site, "cluster": cluster, "serial": "JH7", "asset_tag": "A-1"});
    let host = id(&netbox.post("dcim/devices/", &host));
    let machine = |name: &str| json!({"name": name, "cluster": cluster, "site": site, "vcpus": 2, "memory": 4096, "disk": 40000, "platform": platform});
    let machines = netbox.post(
        "virtualization/virtual-machines/",
        &json!([machine("web01"), machine("web02"), {"name": "build01", "cluster": cluster, "site": site, "status": "planned"}]),
    );
    let web = id(&machines[0]);
    for number in 0..2 {
        let interface = id(&netbox.post("virtualization/interfaces/", &json!({"virtual_machine": web, "name": format!("eth{number}")})));
        let of = |more: Json| {
            let mut body = json!({"assigned_object_type": "virtualization.vminterface", "assigned_object_id": interface});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let mac = id(&netbox.post("dcim/mac-addresses/", &of(json!({"mac_address": format!("00:50:56:ab:00:0{number}")}))));
        netbox.patch(&format!("virtualization/interfaces/{interface}/"), &json!({"primary_mac_address": mac}));
        let address = id(&netbox.post("ipam/ip-addresses/", &of(json!({"address": format!("10.20.{number}.10/24"), "dns_name": "web01.example.com"}))));
        if number == 0 {
            let more = json!({"primary_ip4": address, "tenant": tenant, "serial": "VMW-1", "device": host});
            netbox.patch(&format!("virtualization/virtual-machines/{web}/"), &more);
        }
    }
}

#[test]
fn the_real_netbox_says_what_its_machines_are() {
    let Some(netbox) = Netbox::start() else { return };
    fill(&netbox);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Two a page, so that every list but one has several.
    let answers = runtime.block_on(ask_by("netbox", netbox.url(), token(TOKEN), Some(2)));
    for (source, count) in [("netbox-virtual-machines", 3), ("netbox-devices", 1), ("netbox-clusters", 1)] {
        let answer = &answers[source];
        assert_eq!((answer.complete, answer.error.as_deref(), answer.items.len()), (true, None, count), "{source}");
    }
    let web = item(&answers, "netbox-virtual-machines", "web01");
    has(
        web,
        r#"{"cpus": 2.0, "memory": "4096M", "disk": "40000M", "macAddresses": ["00:50:56:AB:00:00", "00:50:56:AB:00:01"],
            "ipAddresses": ["10.20.0.10", "10.20.1.10"], "os": {"name": "Debian 12"}}"#,
    );
    assert_eq!(web.identifiers.get("dns/fqdn").map(|name| &**name), Some("web01.example.com"));
    assert_eq!((web.owner.as_deref(), web.identifiers.get("serial/number").map(|serial| &**serial)), (Some("retail"), Some("VMW-1")));
    let host = item(&answers, "netbox-devices", "esx01");
    assert_eq!((&*host.class, host.identifiers.get("asset/tag").map(|tag| &**tag)), ("hypervisor", Some("A-1")));
    let of_host = host.identifiers.get("netbox/device").unwrap();
    assert!(web.relations.contains(&relation("RunsOn", "netbox/device", of_host)), "{:?}", web.relations);
    has(item(&answers, "netbox-virtual-machines", "build01"), r#"{"macAddresses": [], "ipAddresses": []}"#);
    // A bad token is 403, not 401.
    let wrong = runtime.block_on(ask_by("netbox", netbox.url(), token("nbt_TESTSTESTS01.wrong"), None));
    assert!(wrong.values().all(|answer| !answer.complete && answer.items.is_empty() && answer.error.as_deref().unwrap().contains("403")), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn servicenow_says_what_its_servers_are_and_how_they_hang_together() {
    let server = Player::start(|asked, _| {
        let is_first = !asked.path.contains("sys_id%3E");
        let rows = match asked.path.split('?').next().unwrap() {
            _ if !is_first => "",
            "/api/now/table/cmdb_ci_server" => {
                r#"{"sys_id": "a1", "sys_class_name": "cmdb_ci_linux_server", "name": "web01", "fqdn": "web01.example.com", "serial_number": "S1", "asset_tag": "", "cpu_count": "4",
                    "ram": "16384", "os": "Linux Debian", "os_version": "12", "ip_address": "10.20.0.10", "mac_address": "", "manufacturer.name": "Dell", "model_id.name": "R750", "support_group.name": "Unix"}"#
            }
            "/api/now/table/cmdb_rel_ci" => {
                r#"{"sys_id": "r1", "parent": "a1", "child": "b1", "type.name": "Depends on::Used by"}, {"sys_id": "r2", "parent": "e1", "child": "e2", "type.name": "Depends on::Used by"},
                   {"sys_id": "r3", "parent": "e2", "child": "a1", "type.name": "Depends on::Used by"}"#
            }
            "/api/now/table/sys_object_source" => r#"{"sys_id": "o1", "name": "Tenable.io", "id": "t-1", "target_sys_id": "a1"}"#,
            "/api/now/table/cmdb_ci_vm_instance" => {
                r#"{"sys_id": "c1", "name": "vm1", "vm_inst_id": "5030c1a0", "cpus": "2", "memory": "4096", "state": "on", "support_group.name": ""}"#
            }
            // The table of services has the rows of those that extend it.
            "/api/now/table/cmdb_ci_service" => {
                r#"{"sys_id": "e1", "sys_class_name": "cmdb_ci_service", "name": "Payments", "busines_criticality": "1 - most critical", "used_for": "Production", "version": "",
                    "service_classification": "Business Service", "support_group.name": "", "managed_by_group.name": "Payments team", "owned_by.name": "Ann Arbor", "managed_by.name": ""},
                   {"sys_id": "e2", "sys_class_name": "cmdb_ci_service_auto", "name": "Payments PROD", "busines_criticality": "", "used_for": "Production", "version": "2.3",
                    "service_classification": "Application Service", "support_group.name": "Unix", "managed_by_group.name": "", "owned_by.name": "", "managed_by.name": ""}"#
            }
            "/api/now/table/cmdb_ci_db_instance" => r#"{"sys_id": "b1", "name": "pay", "version": "15", "tcp_port": "5432", "support_group.name": ""}"#,
            other => panic!("{other}"),
        };
        let count = rows.matches("\"sys_id\"").count().to_string();
        answer(200, &[("x-total-count", &count)], &format!(r#"{{"result": [{rows}]}}"#))
    });
    let answers = ask("servicenow", &server.url(), Login::Password { user: "bowline".into(), password: Secret::new("canary-4711") }).await;
    let web = item(&answers, "servicenow-servers", "web01");
    known_as(web, &[("dns/fqdn", "web01.example.com"), ("serial/number", "S1"), ("servicenow/sys-id", "a1"), ("tenable/asset", "t-1")]);
    has(
        web,
        r#"{"cpus": "4", "memory": "16384Mi", "os": {"name": "Linux Debian", "version": "12"}, "ipAddresses": ["10.20.0.10"], "macAddresses": [], "manufacturer": "Dell", "model": "R750"}"#,
    );
    assert_eq!((web.owner.as_deref(), &web.relations[..]), (Some("Unix"), [relation("DependsOn", "servicenow/sys-id", "b1")].as_slice()));
    known_as(item(&answers, "servicenow-virtual-machines", "vm1"), &[("servicenow/sys-id", "c1"), ("vsphere/instance-uuid", "5030c1a0")]);
    has(item(&answers, "servicenow-databases", "pay"), r#"{"version": "15", "port": "5432"}"#);
    let business = item(&answers, "servicenow-services", "Payments");
    assert_eq!((&*business.class, business.owner.as_deref()), ("business-service", Some("Payments team")));
    has(
        business,
        r#"{"criticality": "Critical", "environment": "Production", "type": "Business Service", "ownedBy": "Ann Arbor", "managedBy": "Payments team"}"#,
    );
    assert_eq!(business.relations, [relation("DependsOn", "servicenow/sys-id", "e2")]);
    let application = item(&answers, "servicenow-services", "Payments PROD");
    assert_eq!((application.owner.as_deref(), application.labels.get("class").map(|class| &**class)), (Some("Unix"), Some("cmdb_ci_service_auto")));
    has(application, r#"{"environment": "Production", "type": "Application Service", "version": "2.3", "supportedBy": "Unix"}"#);
    assert_eq!(application.relations, [relation("DependsOn", "servicenow/sys-id", "a1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dynatrace_says_what_its_hosts_and_services_are() {
    let server = Player::start(|asked, _| {
        assert_eq!(asked.header("authorization"), Some("Api-Token dt0c01.canary"));
        let entities = if asked.path.contains("HOST") {
            r#"{"entityId": "HOST-1", "displayName": "web01", "lastSeenTms": 1795579200000, "properties": {"detectedName": "web01.example.com", "ipAddress": ["10.20.0.10"]}},
               {"entityId": "HOST-2", "displayName": "quiet", "properties": {}}"#
        } else {
            r#"{"entityId": "SERVICE-1", "displayName": "checkout", "fromRelationships": {"runsOnHost": [{"id": "HOST-1", "type": "HOST"}],
                "calls": [{"id": "SERVICE-2", "type": "SERVICE"}], "isServiceOf": [{"id": "X-1", "type": "X"}]}}"#
        };
        let count = if asked.path.contains("HOST") { 2 } else { 1 };
        answer(200, &[], &format!(r#"{{"totalCount": {count}, "pageSize": 500, "entities": [{entities}]}}"#))
    });
    let answers = ask("dynatrace", &server.url(), token("dt0c01.canary")).await;
    let web = item(&answers, "dynatrace-hosts", "web01");
    known_as(web, &[("dns/fqdn", "web01.example.com"), ("dynatrace/entity", "HOST-1")]);
    assert_eq!(web.seen, Some("2026-11-25T04:00:00Z".parse().unwrap()));
    known_as(item(&answers, "dynatrace-hosts", "quiet"), &[("dynatrace/entity", "HOST-2")]);
    let mut relations = item(&answers, "dynatrace-services", "checkout").relations.clone();
    relations.sort_by(|one, other| one.kind.cmp(&other.kind));
    assert_eq!(relations, [relation("DependsOn", "dynatrace/entity", "SERVICE-2"), relation("RunsOn", "dynatrace/entity", "HOST-1")]);
}

/// What `node_exporter` shows of a machine, in Prometheus' own text format.
const EXPORTED: &str = "# TYPE node_uname_info gauge
node_uname_info{nodename=\"web01.example.com\",machine=\"x86_64\",release=\"6.1.0\",sysname=\"Linux\"} 1
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 5
node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 5
# TYPE node_memory_MemTotal_bytes gauge
node_memory_MemTotal_bytes 17179869184
# TYPE node_os_info gauge
node_os_info{id=\"debian\",version_id=\"12\"} 1
";

#[test]
fn the_real_prometheus_says_what_its_machines_are() {
    let Some(program) = program("prometheus") else { return skip("Prometheus is not installed") };
    let exporter = Player::start(|_, _| answer(200, &[("content-type", "text/plain; version=0.0.4")], EXPORTED));
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let settings = format!("scrape_configs: [{{job_name: node, scrape_interval: 1s, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]", exporter.port);
    std::fs::write(folder.path().join("prometheus.yml"), settings).unwrap();
    let mut command = std::process::Command::new(program);
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--config.file=prometheus.yml").arg("--storage.tsdb.path=data");
    command.current_dir(folder.path()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut server = Process::start(&mut command);
    if !server.answers(port) {
        return skip("Prometheus does not start");
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begun = std::time::Instant::now();
    let answers = loop {
        let answers = runtime.block_on(ask("prometheus", &format!("http://127.0.0.1:{port}"), token("none")));
        if answers.values().all(|answer| answer.items.len() == 1 && answer.complete) || begun.elapsed().as_secs() > 30 {
            break answers;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    };
    let instance = format!("127.0.0.1:{}", exporter.port);
    let web = item(&answers, "prometheus-machines", "web01.example.com");
    known_as(web, &[("dns/fqdn", "web01.example.com"), ("prometheus/instance", &instance)]);
    has(web, r#"{"cpus": 2, "usableMemory": "17179869184", "os": {"name": "debian", "version": "12", "kernel": "6.1.0"}, "architecture": "x86_64"}"#);
    assert_eq!(item(&answers, "prometheus-targets", &format!("node {instance}")).labels.get("job").map(|job| &**job), Some("node"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tenable_says_what_its_assets_are() {
    let server = Player::start(|asked, _| {
        assert_eq!(asked.header("x-apikeys"), Some("accessKey=AK;secretKey=canary-4711"));
        match &*asked.path {
            "/assets/v2/export" => answer(200, &[], r#"{"export_uuid": "e"}"#),
            "/assets/export/e/status" => answer(200, &[], r#"{"status": "FINISHED", "chunks_available": [1]}"#),
            "/assets/export/e/chunks/1" => answer(
                200,
                &[],
                r#"[{"id": "t-1", "serial_number": "S1", "types": ["host"], "operating_systems": ["Debian 12"], "timestamps": {"last_seen": "2026-11-24T10:00:00Z"},
                     "network": {"fqdns": ["web01.example.com"], "hostnames": ["web01"], "ipv4s": ["10.20.0.10"], "ipv6s": [], "mac_addresses": ["00:50:56:ab:00:00"]},
                     "cloud": {"aws": {"ec2_instance_id": "i-1"}}},
                    {"id": "t-2", "types": [], "timestamps": {}, "network": {"ipv4s": ["10.20.0.11"]}}]"#,
            ),
            other => panic!("{other}"),
        }
    });
    let answers = ask("tenable", &server.url(), Login::Password { user: "AK".into(), password: Secret::new("canary-4711") }).await;
    let web = item(&answers, "tenable-assets", "web01.example.com");
    known_as(web, &[("cloud/instance-id", "i-1"), ("dns/fqdn", "web01.example.com"), ("serial/number", "S1"), ("tenable/asset", "t-1")]);
    has(web, r#"{"ipAddresses": ["10.20.0.10"], "macAddresses": ["00:50:56:ab:00:00"], "os": {"name": "Debian 12"}}"#);
    has(item(&answers, "tenable-assets", "10.20.0.11"), r#"{"ipAddresses": ["10.20.0.11"]}"#);
}
