//! Packs held to what their vendors document: answers of endoflife.date's API v1, resources of common providers in a state of format 4, rows and
//! snapshots of osquery. None of these programs is asked here.

use serde_json::{Value, json};

use crate::packs_asked::{has, item, known_as, relation};
use crate::site::{Site, complete, incomplete};

const DEBIAN: &str = r#"{"schema_version": "1.2.0", "last_modified": "2026-11-01T00:00:00Z", "result": {"name": "debian", "label": "Debian", "category": "os", "tags": ["os"],
  "releases": [
    {"name": "13", "codename": "Trixie", "label": "13 (Trixie)", "releaseDate": "2025-08-09", "isLts": false, "ltsFrom": null, "isEoas": false, "eoasFrom": "2028-08-09", "isEol": false,
     "eolFrom": "2030-06-30", "isEoes": false, "eoesFrom": "2035-06-30", "isMaintained": true, "latest": {"name": "13.2", "date": "2025-11-15", "link": null}, "custom": null},
    {"name": "sid", "label": "sid", "releaseDate": null, "isEol": false, "eolFrom": null, "isMaintained": true, "latest": null}
  ]}}"#;

#[test]
fn endoflife_says_until_when_each_release_is_looked_after() {
    let site = Site::of(&[("observed/endoflife/debian.json", DEBIAN)]);
    let answers = site.ask("endoflife");
    let trixie = item(&answers, "endoflife", "debian-13");
    assert_eq!(&*trixie.class, "software-release");
    known_as(trixie, &[("endoflife/release", "debian/13")]);
    has(
        trixie,
        r#"{"product": "debian", "release": "13", "category": "os", "description": "Debian 13 (Trixie)", "released": "2025-08-09", "longTermSupport": false, "latest": "13.2",
            "endOfActiveSupport": "2028-08-09", "endOfLife": "2030-06-30", "endOfExtendedSupport": "2035-06-30", "maintained": true, "ended": false}"#,
    );
    // A date that is not known is no date, and not `false`.
    has(
        item(&answers, "endoflife", "debian-sid"),
        r#"{"product": "debian", "release": "sid", "category": "os", "description": "Debian sid", "maintained": true, "ended": false}"#,
    );
    // All products in one answer, as `products/full` gives them.
    let product: Value = serde_json::from_str(DEBIAN).unwrap();
    let full = json!({"total": 2, "result": [product["result"], {"name": "nginx", "releases": [{"name": "1.29", "isEol": false}]}]});
    let site = Site::of(&[("observed/endoflife/full.json", &full.to_string())]);
    assert_eq!(complete(&site.ask("endoflife")["endoflife"]), ["debian/13", "debian/sid", "nginx/1.29"]);
}

#[test]
fn an_answer_of_the_old_api_of_endoflife_is_not_taken_for_an_empty_one() {
    let site = Site::of(&[
        ("observed/endoflife/debian.json", r#"[{"cycle": "13", "eol": "2030-06-30"}]"#),
        ("observed/endoflife/nginx.json", r#"{"message": "not found"}"#),
    ]);
    let answer = &site.ask("endoflife")["endoflife"];
    assert!(!answer.complete && answer.items.is_empty());
    let error = answer.error.as_deref().unwrap();
    assert!(error.contains("endoflife/debian.json: ") && error.contains("endoflife/nginx.json: items: this is no answer of the API v1"), "{error}");
}

/// As `ansible.windows` documents them; Ansible itself is asked about this machine alone.
#[test]
fn facts_of_a_windows_host_are_read_too() {
    let facts = json!({"ansible_facts": {"module_setup": true, "ansible_hostname": "WIN01", "ansible_fqdn": "win01.example.com", "ansible_distribution": "Microsoft Windows Server 2019 Standard",
        "ansible_distribution_version": "10.0.17763.0", "ansible_kernel": "10.0.17763.0", "ansible_architecture": "64-bit", "ansible_processor_vcpus": 4, "ansible_memtotal_mb": 8192,
        "ansible_interfaces": [{"interface_name": "Ethernet0", "macaddress": "00:50:56:AB:00:00"}], "ansible_ip_addresses": ["10.20.0.20", "fe80::1"], "ansible_product_serial": "VMware-42 1",
        "ansible_system_vendor": "VMware, Inc.", "ansible_virtualization_role": "guest", "ansible_virtualization_type": "VMware"}});
    let site = Site::of(&[("observed/ansible/win01", &facts.to_string())]);
    let answers = site.ask("ansible");
    let win = item(&answers, "ansible", "win01");
    assert_eq!(&*win.class, "virtual-machine");
    known_as(win, &[("ansible/host", "win01"), ("dns/fqdn", "win01.example.com"), ("serial/number", "VMware-42 1")]);
    has(
        win,
        r#"{"cpus": 4, "usableMemory": "8192Mi", "os": {"name": "Microsoft Windows Server 2019 Standard", "version": "10.0.17763.0", "kernel": "10.0.17763.0"}, "architecture": "64-bit",
            "ipAddresses": ["10.20.0.20"], "macAddresses": ["00:50:56:AB:00:00"], "hostName": "WIN01", "manufacturer": "VMware, Inc.", "virtualization": "VMware", "fileSystems": []}"#,
    );
}

/// A resource of a state.
fn resource(kind: &str, name: &str, attributes: &Value) -> Value {
    json!({"mode": "managed", "type": kind, "name": name, "provider": "provider[\"registry.example.com/x/y\"]",
           "instances": [{"schema_version": 1, "attributes": attributes, "sensitive_attributes": []}]})
}

fn state(resources: &[Value]) -> String {
    json!({"version": 4, "terraform_version": "1.11.4", "serial": 6, "lineage": "dc1be050", "outputs": {}, "resources": resources, "check_results": null})
        .to_string()
}

/// Machines, databases and load balancers with the attributes that their providers document; passwords among them.
fn resources() -> Vec<Value> {
    vec![
        resource(
            "aws_instance",
            "web",
            &json!({"id": "i-0abc", "arn": "arn:aws:ec2:eu-central-1:1:instance/i-0abc", "instance_type": "t3.small", "availability_zone": "eu-central-1a",
            "private_ip": "10.0.1.5", "public_ip": "", "ipv6_addresses": ["2001:db8::5"], "root_block_device": [{"volume_size": 20}], "ebs_block_device": [{"volume_size": 100}],
            "tags": {"Name": "web01", "env": "prod"}, "user_data": "canary-4711"}),
        ),
        resource(
            "google_compute_instance",
            "gce",
            &json!({"id": "projects/p/zones/europe-west6-a/instances/gce01", "instance_id": "6021", "name": "gce01", "machine_type": "e2-medium",
            "zone": "europe-west6-a", "network_interface": [{"network_ip": "10.1.0.2", "access_config": [{"nat_ip": "198.51.100.4"}]}], "labels": {"env": "prod"}, "tags": ["web"]}),
        ),
        resource(
            "azurerm_linux_virtual_machine",
            "az",
            &json!({"id": "/subscriptions/s/virtualMachines/az01", "virtual_machine_id": "5b1b0001-0000-4000-8000-0000000000aa", "name": "az01",
            "size": "Standard_B2s", "location": "switzerlandnorth", "private_ip_addresses": ["10.2.0.4"], "public_ip_addresses": [], "private_ip_address": "10.2.0.4",
            "admin_password": "canary-4711", "os_disk": [{"disk_size_gb": 30}], "tags": null}),
        ),
        resource(
            "vsphere_virtual_machine",
            "vs",
            &json!({"id": "42305d2e-7fc2-0001-a6a1-0123456789ab", "uuid": "42305d2e-7fc2-0001-a6a1-0123456789ab", "moid": "vm-71", "name": "vs01",
            "num_cpus": 4, "memory": 8192, "disk": [{"size": 40}, {"size": 60}], "network_interface": [{"mac_address": "00:50:56:ab:00:01"}],
            "guest_ip_addresses": ["10.3.0.7"], "default_ip_address": "10.3.0.7", "tags": []}),
        ),
        resource(
            "openstack_compute_instance_v2",
            "os",
            &json!({"id": "5b1b0002-0000-4000-8000-0000000000bb", "name": "os01", "flavor_name": "m1.small", "availability_zone": "nova",
            "region": "RegionOne", "access_ip_v4": "10.4.0.9", "access_ip_v6": "[2001:db8::9]", "network": [{"fixed_ip_v4": "10.4.0.9", "mac": "fa:16:3e:00:00:09"}],
            "admin_pass": "canary-4711", "tags": ["x"]}),
        ),
        resource(
            "libvirt_domain",
            "lv",
            &json!({"id": "5b1b0003-0000-4000-8000-0000000000cc", "name": "lv01", "vcpu": 2, "memory": 2048,
            "network_interface": [{"addresses": ["192.168.122.10"], "mac": "52:54:00:00:00:10"}]}),
        ),
        resource(
            "aws_db_instance",
            "pay",
            &json!({"id": "db-X", "arn": "arn:aws:rds:eu-central-1:1:db:pay", "identifier": "pay", "engine": "postgres", "engine_version": "16",
            "engine_version_actual": "16.4", "port": 5432, "address": "pay.x.rds.example.com", "allocated_storage": 100, "instance_class": "db.t4g.medium",
            "availability_zone": "eu-central-1b", "username": "admin", "password": "canary-4711", "tags": {}}),
        ),
        resource(
            "google_sql_database_instance",
            "crm",
            &json!({"id": "crm", "name": "crm", "self_link": "https://sqladmin.googleapis.com/v1/projects/p/instances/crm", "region": "europe-west6",
            "database_version": "MYSQL_8_0", "root_password": "canary-4711", "ip_address": [{"ip_address": "10.5.0.3", "type": "PRIVATE"}], "settings": [{"tier": "db-f1-micro", "disk_size": 10}]}),
        ),
        resource(
            "aws_lb",
            "front",
            &json!({"id": "arn:aws:elb:1:lb/front", "arn": "arn:aws:elb:1:lb/front", "name": "front", "dns_name": "front.elb.example.com"}),
        ),
        resource(
            "openstack_lb_loadbalancer_v2",
            "lb",
            &json!({"id": "5b1b0004-0000-4000-8000-0000000000dd", "name": "lb01", "vip_address": "10.4.0.80", "tags": []}),
        ),
        resource("aws_s3_bucket", "logs", &json!({"id": "logs"})),
    ]
}

#[test]
fn a_state_says_what_its_machines_databases_and_load_balancers_are() {
    let site = Site::of(&[("observed/terraform/prod.json", &state(&resources()))]);
    let answers = site.ask("terraform");
    assert!(!format!("{answers:?}").contains("canary-4711"), "a secret of the state");
    let found: Vec<(&str, &str)> = answers["terraform"].items.iter().map(|item| (&*item.name, &*item.class)).collect();
    let (vm, db, lb) = ("virtual-machine", "database", "load-balancer");
    let wanted = [("web01", vm), ("gce01", vm), ("az01", vm), ("vs01", vm), ("os01", vm), ("lv01", vm), ("pay", db), ("crm", db), ("front", lb), ("lb01", lb)];
    assert_eq!(found, wanted);
    let of = |name: &str| item(&answers, "terraform", name);
    known_as(of("web01"), &[("cloud/instance-id", "i-0abc"), ("terraform/address", "prod/aws_instance.web")]);
    has(of("web01"), r#"{"disk": "120Gi", "instanceType": "t3.small", "ipAddresses": ["10.0.1.5", "2001:db8::5"], "zone": "eu-central-1a"}"#);
    assert_eq!(of("web01").labels.get("env").map(|env| &**env), Some("prod"));
    known_as(of("gce01"), &[("cloud/instance-id", "6021"), ("terraform/address", "prod/google_compute_instance.gce")]);
    has(of("gce01"), r#"{"instanceType": "e2-medium", "ipAddresses": ["10.1.0.2", "198.51.100.4"], "zone": "europe-west6-a"}"#);
    known_as(of("az01"), &[("cloud/instance-id", "5b1b0001-0000-4000-8000-0000000000aa"), ("terraform/address", "prod/azurerm_linux_virtual_machine.az")]);
    has(of("az01"), r#"{"instanceType": "Standard_B2s", "ipAddresses": ["10.2.0.4"], "zone": "switzerlandnorth"}"#);
    known_as(of("vs01"), &[("bios/uuid", "42305d2e-7fc2-0001-a6a1-0123456789ab"), ("terraform/address", "prod/vsphere_virtual_machine.vs")]);
    has(of("vs01"), r#"{"cpus": 4, "memory": "8192Mi", "disk": "100Gi", "ipAddresses": ["10.3.0.7"], "macAddresses": ["00:50:56:ab:00:01"]}"#);
    let id = "5b1b0002-0000-4000-8000-0000000000bb";
    known_as(of("os01"), &[("bios/uuid", id), ("cloud/instance-id", id), ("terraform/address", "prod/openstack_compute_instance_v2.os")]);
    has(of("os01"), r#"{"instanceType": "m1.small", "ipAddresses": ["10.4.0.9", "2001:db8::9"], "macAddresses": ["fa:16:3e:00:00:09"], "zone": "nova"}"#);
    has(of("lv01"), r#"{"cpus": 2, "memory": "2048Mi", "ipAddresses": ["192.168.122.10"], "macAddresses": ["52:54:00:00:00:10"]}"#);
    known_as(
        of("pay"),
        &[("cloud/instance-id", "arn:aws:rds:eu-central-1:1:db:pay"), ("dns/fqdn", "pay.x.rds.example.com"), ("terraform/address", "prod/aws_db_instance.pay")],
    );
    has(of("pay"), r#"{"engine": "postgres", "version": "16.4", "port": 5432, "storage": "100Gi", "instanceType": "db.t4g.medium", "zone": "eu-central-1b"}"#);
    has(
        of("crm"),
        r#"{"engine": "mysql", "version": "8.0", "storage": "10Gi", "instanceType": "db-f1-micro", "ipAddresses": ["10.5.0.3"], "zone": "europe-west6"}"#,
    );
    known_as(
        of("front"),
        &[("cloud/instance-id", "arn:aws:elb:1:lb/front"), ("dns/fqdn", "front.elb.example.com"), ("terraform/address", "prod/aws_lb.front")],
    );
    has(of("lb01"), r#"{"ipAddresses": ["10.4.0.80"]}"#);
}

#[test]
fn what_is_no_state_or_cannot_be_read_as_one_is_a_gap() {
    let machine = resource("aws_instance", "web", &json!({"id": "i-1", "tags": {"Name": "web01"}}));
    let site = Site::of(&[
        ("observed/terraform/a.json", &state(&[machine])),
        ("observed/terraform/b.json", r#"{"version": 3, "modules": []}"#),
        ("observed/terraform/c.json", r#"{"serial": 1, "lineage": "x", "meta": {}, "encrypted_data": "4711", "encryption_version": "v0"}"#),
    ]);
    let why = "observed/terraform/b.json: items: this is no state of version 4, nor what `show -json` says of one; \
               observed/terraform/c.json: items: the state is encrypted; write what `tofu show -json` says";
    assert_eq!(incomplete(&site.ask("terraform")["terraform"], why), ["aws_instance/i-1"]);
    // Everything destroyed is an answer.
    let site = Site::of(&[("observed/terraform/a.json", &state(&[]))]);
    assert!(complete(&site.ask("terraform")["terraform"]).is_empty());
}

#[test]
fn a_deposed_object_of_a_state_is_not_a_second_machine() {
    let mut machine = resource("aws_instance", "web", &json!({"id": "i-new", "tags": {"Name": "web01"}}));
    machine["instances"].as_array_mut().unwrap().push(json!({"deposed": "0a1b2c3d", "schema_version": 1, "attributes": {"id": "i-old"}}));
    let site = Site::of(&[("observed/terraform/a.json", &state(&[machine]))]);
    assert_eq!(complete(&site.ask("terraform")["terraform"]), ["aws_instance/i-new"]);
}

const ROW: &str = r#"{"hostname": "web01.example.com", "uuid": "4C4C4544-0042-4A10-8056-C4C04F4E4732", "cpu_logical_cores": "8", "physical_memory": "16518791168", "hardware_vendor": "Dell Inc.",
  "hardware_model": "PowerEdge R650", "hardware_serial": "BJ8VNG2", "platform": "debian", "os": "Debian GNU/Linux", "os_version": "12 (bookworm)", "major": "12", "minor": "0", "arch": "x86_64", "installed_mb": "16384",
  "addresses": "127.0.0.1,10.20.0.10,::1,fe80::250:56ff:feab:0%eth0,2001:db8::10", "macs": "00:00:00:00:00:00,00:50:56:ab:00:00"}"#;

#[test]
fn osquery_says_what_a_machine_is() {
    let site = Site::of(&[("observed/osquery/web01.json", &format!("[{ROW}]"))]);
    let answers = site.ask("osquery");
    let web = item(&answers, "osquery", "web01.example.com");
    known_as(web, &[("bios/uuid", "4C4C4544-0042-4A10-8056-C4C04F4E4732"), ("dns/fqdn", "web01.example.com"), ("serial/number", "BJ8VNG2")]);
    has(
        web,
        r#"{"cpus": "8", "memory": "16384Mi", "usableMemory": "16518791168", "os": {"name": "debian", "version": "12.0"}, "architecture": "x86_64",
            "hostName": "web01.example.com", "manufacturer": "Dell Inc.", "model": "PowerEdge R650", "ipAddresses": ["10.20.0.10", "2001:db8::10"], "macAddresses": ["00:50:56:ab:00:00"]}"#,
    );
    // As not root: no serial number, nothing that the firmware says.
    let plain = ROW.replace(r#""installed_mb": "16384""#, r#""installed_mb": """#).replace("BJ8VNG2", "-1");
    let site = Site::of(&[("observed/osquery/web01.json", &format!("[{plain}]"))]);
    let answers = site.ask("osquery");
    let web = item(&answers, "osquery", "web01.example.com");
    assert!(!web.attributes.contains("memory") && !web.identifiers.contains("serial/number"), "{web:?}");
}

#[test]
fn a_snapshot_of_osquery_says_the_same_and_when() {
    let line = |name: &str| {
        format!(
            r#"{{"snapshot": [{}], "action": "snapshot", "name": "{name}", "hostIdentifier": "web01", "unixTime": 1795579200, "epoch": 0, "counter": 0}}"#,
            ROW.replace('\n', " ")
        )
    };
    let site = Site::of(&[("observed/osquery/web01.json", &line("bowline"))]);
    let answers = site.ask("osquery");
    assert_eq!(item(&answers, "osquery", "web01.example.com").seen, Some("2026-11-25T04:00:00Z".parse().unwrap()));
    // The log of all snapshots has others in it.
    let log = [line("pack_it_bowline"), r#"{"snapshot": [{"pid": "1"}], "action": "snapshot", "name": "processes", "unixTime": 1}"#.to_owned()].join("\n");
    let site = Site::of(&[("observed/osquery/all.ndjson", &log)]);
    let text = crate::packs_asked::text("osquery").replace(r#"{path: "observed/osquery/*.json"}"#, "{path: observed/osquery/all.ndjson}");
    let document: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let answer = site.ask_spec(&serde_yaml::to_string(&document["spec"]).unwrap());
    assert_eq!(complete(&answer), ["4C4C4544-0042-4A10-8056-C4C04F4E4732"]);
}

#[test]
fn an_osquery_that_could_not_look_is_a_gap() {
    let site = Site::of(&[("observed/osquery/a.json", "[]"), ("observed/osquery/b.json", r#"{"error": "no such table"}"#)]);
    let why = "observed/osquery/a.json: items: the answer has no row: osquery could not look at this machine; \
               observed/osquery/b.json: items: this is neither an answer of `osqueryi --json` nor a snapshot";
    assert!(incomplete(&site.ask("osquery")["osquery"], why).is_empty());
}

#[test]
fn software_that_several_applications_have_is_one_item() {
    let bom = |app: &str, on: &str| {
        json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
               "metadata": {"component": {"type": "application", "bom-ref": "app", "group": "com.acme", "name": app, "version": "2.3", "supplier": {"name": "Acme"}}},
               "components": [
                 {"type": "library", "bom-ref": "a", "name": "log", "version": "1.0", "purl": "pkg:cargo/log@1.0", "licenses": [{"license": {"id": "MIT"}}, {"expression": "MIT OR Apache-2.0"}]},
                 {"type": "operating-system", "bom-ref": "b", "name": "debian", "version": "12", "cpe": "cpe:2.3:o:debian:debian_linux:12:*:*:*:*:*:*:*"},
                 {"type": "library", "bom-ref": "c", "name": "outer", "purl": "pkg:npm/%40acme/outer@1", "components": [{"type": "library", "bom-ref": "d", "name": "inner", "purl": "pkg:npm/inner@2"}]},
                 {"type": "file", "bom-ref": "e", "name": "main.js"}],
               "dependencies": [{"ref": "app", "dependsOn": [on, "b", "e"]}, {"ref": "a", "dependsOn": ["d", "e"]}, {"ref": "b"}]})
        .to_string()
    };
    let site = Site::of(&[("observed/sbom/pay.json", &bom("pay", "a")), ("observed/sbom/shop.json", &bom("shop", "d"))]);
    let answers = site.ask("cyclonedx");
    let pay = item(&answers, "sbom-applications", "pay");
    known_as(pay, &[("application/id", "com.acme/pay")]);
    has(pay, r#"{"version": "2.3", "vendor": "Acme"}"#);
    let debian = relation("DependsOn", "software/cpe", "cpe:2.3:o:debian:debian_linux:12:*:*:*:*:*:*:*");
    assert_eq!(pay.relations, [relation("DependsOn", "software/purl", "pkg:cargo/log@1.0"), debian.clone()]);
    assert_eq!(item(&answers, "sbom-applications", "shop").relations, [debian, relation("DependsOn", "software/purl", "pkg:npm/inner@2")]);
    let log = item(&answers, "sbom-components", "log");
    has(log, r#"{"type": "library", "version": "1.0", "licenses": ["MIT", "MIT OR Apache-2.0"]}"#);
    assert_eq!(log.relations, [relation("DependsOn", "software/purl", "pkg:npm/inner@2")]);
    // The same key each time: one item, and nothing reported twice.
    let mut keys = complete(&answers["sbom-components"]);
    assert_eq!(keys.len(), 8);
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4);
    let site =
        Site::of(&[("observed/sbom/x.json", r#"{"spdxVersion": "SPDX-2.3"}"#), ("observed/sbom/y.json", r#"{"bomFormat": "CycloneDX", "components": []}"#)]);
    let why = "observed/sbom/x.json: items: this is no CycloneDX SBOM; observed/sbom/y.json: items: it does not say what it describes: `metadata.component` is missing";
    incomplete(&site.ask("cyclonedx")["sbom-applications"], why);
}

/// An SBOM of a large application is within what one expression may cost.
#[test]
fn a_large_sbom_is_read() {
    let component = |number: usize| {
        json!({"type": "library", "bom-ref": format!("r{number}"), "name": format!("n{number}"), "version": "1.0.0", "purl": format!("pkg:npm/n{number}@1.0.0"),
        "licenses": [{"license": {"id": "MIT"}}], "hashes": [{"alg": "SHA-512", "content": "x".repeat(128)}], "externalReferences": [{"type": "website", "url": "https://example.com/x"}]})
    };
    let all: Vec<String> = (0..4000).map(|number| format!("r{number}")).collect();
    let dependencies: Vec<Value> = (1..4000)
        .map(|number| json!({"ref": format!("r{number}"), "dependsOn": [format!("r{}", number / 2)]}))
        .chain([json!({"ref": "app", "dependsOn": all})])
        .collect();
    let bom = json!({"bomFormat": "CycloneDX", "metadata": {"component": {"bom-ref": "app", "name": "large"}}, "components": (0..4000).map(component).collect::<Vec<_>>(), "dependencies": dependencies});
    let site = Site::of(&[("observed/sbom/large.json", &bom.to_string())]);
    let begun = std::time::Instant::now();
    let answers = site.ask("cyclonedx");
    println!("4000 components, {} bytes: {:?}", bom.to_string().len(), begun.elapsed());
    assert_eq!(item(&answers, "sbom-applications", "large").relations.len(), 4000);
    assert_eq!(complete(&answers["sbom-components"]).len(), 4000);
}
