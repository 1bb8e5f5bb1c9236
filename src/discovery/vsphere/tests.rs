//! What objects of a vCenter mean, over small documents as the property collector gives them.

use serde_json::{Value as Json, json};

use super::found::{Found, resolve, unseen};
use super::object::Object;
use super::{address, host, machine, mistakes};
use crate::api::Value;
use crate::api::discovery_source::VsphereSource as Spec;
use crate::discovery::{Observation, Target};

const VCENTER: &str = "5908673b-4a01-536b-b4f2-5c7344742418";

fn reference(kind: &str, id: &str) -> Json {
    json!({"_typeName": "ManagedObjectReference", "type": kind, "value": id})
}

fn references(kind: &str, ids: &[&str]) -> Json {
    json!({"_typeName": "ArrayOfManagedObjectReference", "_value": ids.iter().map(|id| reference(kind, id)).collect::<Vec<_>>()})
}

fn text(text: &str) -> Json {
    json!({"_typeName": "string", "_value": text})
}

fn found(kind: &str, id: &str, properties: &[(&str, Json)]) -> Found {
    let properties: Vec<Json> = properties.iter().map(|(name, value)| json!({"name": name, "val": value})).collect();
    Found::of(&Object::read(json!({"obj": reference(kind, id), "propSet": properties})).unwrap())
}

/// A datacenter with a cluster of two hosts, a host of its own, a datastore and a network.
fn inventory() -> Vec<Found> {
    let place = |kind, id, name: &str, parent: (&str, &str)| found(kind, id, &[("name", text(name)), ("parent", reference(parent.0, parent.1))]);
    vec![
        found("Folder", "group-d1", &[("name", text("Datacenters"))]),
        place("Datacenter", "datacenter-2", "Zurich", ("Folder", "group-d1")),
        place("Folder", "group-v3", "vm", ("Datacenter", "datacenter-2")),
        place("Folder", "group-v4", "prod", ("Folder", "group-v3")),
        place("Folder", "group-v5", "web%2fdmz", ("Folder", "group-v4")),
        place("Folder", "group-h3", "host", ("Datacenter", "datacenter-2")),
        place("ClusterComputeResource", "domain-c8", "blue", ("Folder", "group-h3")),
        place("ComputeResource", "domain-s9", "alone.example.com", ("Folder", "group-h3")),
        place("HostSystem", "host-10", "esx-1.example.com", ("ClusterComputeResource", "domain-c8")),
        place("HostSystem", "host-11", "esx-2.example.com", ("ClusterComputeResource", "domain-c8")),
        place("HostSystem", "host-12", "alone.example.com", ("ComputeResource", "domain-s9")),
        place("Datastore", "datastore-13", "fast", ("Folder", "group-s3")),
        place("DistributedVirtualPortgroup", "dvportgroup-14", "web", ("Folder", "group-n3")),
    ]
}

fn machine(id: &str, host: &str, more: &[(&str, Json)]) -> Found {
    let mut properties = vec![
        ("name", text(id)),
        ("parent", reference("Folder", "group-v5")),
        ("config.instanceUuid", text(&format!("5030-{id}"))),
        ("runtime.host", reference("HostSystem", host)),
        ("datastore", references("Datastore", &["datastore-13"])),
        ("network", references("DistributedVirtualPortgroup", &["dvportgroup-14"])),
    ];
    properties.extend(more.iter().cloned());
    found("VirtualMachine", id, &properties)
}

fn observed(more: Vec<Found>) -> Vec<Observation> {
    resolve(inventory().into_iter().chain(more).collect(), Some(VCENTER))
}

fn named<'a>(observations: &'a [Observation], name: &str) -> &'a Observation {
    observations.iter().find(|one| &*one.name == name).unwrap_or_else(|| panic!("{name} in {observations:?}"))
}

fn attributes(observation: &Observation) -> Json {
    Value::Map(observation.attributes.clone()).to_json()
}

fn identifiers(observation: &Observation) -> Vec<(&str, &str)> {
    observation.identifiers.iter().map(|(name, value)| (&**name, &**value)).collect()
}

/// `RunsOn domain-c8`, by the id in the target's reference.
fn relations(observation: &Observation) -> Vec<String> {
    let told = observation.relations.iter().map(|relation| {
        let Target::Identifiers(to) = &relation.to else { panic!("by name") };
        format!("{} {}", relation.kind, to.get("vsphere/moref").unwrap().strip_prefix(&format!("{VCENTER}/")).unwrap())
    });
    told.collect()
}

fn configured() -> Vec<(&'static str, Json)> {
    let device = |kind: &str, rest: Json| {
        let mut device = json!({"_typeName": kind, "key": 1});
        device.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        device
    };
    let devices = [
        device("ParaVirtualSCSIController", json!({"busNumber": 0})),
        device(
            "VirtualDisk",
            json!({"deviceInfo": {"_typeName": "Description", "label": "Hard disk 1"}, "capacityInKB": 41_943_040, "capacityInBytes": 42_949_672_960_u64}),
        ),
        device("VirtualDisk", json!({"deviceInfo": {"_typeName": "Description", "label": "Hard disk 2"}, "capacityInKB": 1_048_576})),
        device("VirtualVmxnet3", json!({"macAddress": "00:50:56:AA:00:01"})),
        device("VirtualE1000", json!({"macAddress": "00:50:56:aa:00:02"})),
    ];
    let card = |id: i64, addresses: &[&str]| json!({"_typeName": "GuestNicInfo", "deviceConfigId": id, "ipAddress": addresses});
    let long = |number: u64| json!({"_typeName": "long", "_value": number});
    let int = |number: u64| json!({"_typeName": "int", "_value": number});
    let truth = |value: bool| json!({"_typeName": "boolean", "_value": value});
    vec![
        ("config.uuid", text("4230c1a0")),
        ("config.version", text("vmx-19")),
        ("config.firmware", text("efi")),
        ("config.guestFullName", text("Other Linux (64-bit)")),
        ("config.hardware.numCPU", int(4)),
        ("config.hardware.numCoresPerSocket", int(2)),
        ("config.hardware.memoryMB", int(16384)),
        ("config.hardware.device", json!({"_typeName": "ArrayOfVirtualDevice", "_value": devices})),
        ("config.cpuHotAddEnabled", truth(true)),
        ("config.cpuHotRemoveEnabled", truth(false)),
        ("config.memoryHotAddEnabled", truth(true)),
        ("config.hotPlugMemoryIncrementSize", long(128)),
        ("config.hotPlugMemoryLimit", long(65536)),
        ("guest.hostName", text("pay-db-01.example.com")),
        ("guest.guestFullName", text("Debian GNU/Linux 12 (64-bit)")),
        ("guest.ipAddress", text("10.1.0.5")),
        ("guest.net", json!({"_typeName": "ArrayOfGuestNicInfo", "_value": [card(4000, &["10.1.0.5", "fe80::1", "2001:db8::5"]), card(-1, &["172.17.0.1"])]})),
        ("guest.toolsRunningStatus", text("guestToolsRunning")),
        ("guest.toolsVersion", text("12389")),
        ("runtime.powerState", json!({"_typeName": "VirtualMachinePowerState", "_value": "poweredOn"})),
        ("runtime.connectionState", json!({"_typeName": "VirtualMachineConnectionState", "_value": "connected"})),
    ]
}

#[test]
fn a_virtual_machine_is_known_by_its_uuids_its_reference_and_its_guest_s_name() {
    let all = observed(vec![machine("vm-20", "host-10", &configured())]);
    let one = named(&all, "vm-20");
    assert_eq!((&*one.key, &*one.class), ("vm-20", "virtual-machine"));
    let moref = format!("{VCENTER}/vm-20");
    let expected =
        [("bios/uuid", "4230c1a0"), ("dns/fqdn", "pay-db-01.example.com"), ("vsphere/instance-uuid", "5030-vm-20"), ("vsphere/moref", moref.as_str())];
    assert_eq!(identifiers(one), expected);
    assert_eq!(&**one.labels.get("datacenter").unwrap(), "Zurich");
}

#[test]
fn sizes_are_quantities_addresses_are_lasting_and_what_may_be_added_while_it_runs_is_told() {
    let all = observed(vec![machine("vm-20", "host-10", &configured())]);
    let expected = json!({
        "template": null, "cpus": 4, "coresPerSocket": 2, "memory": "16384Mi", "disk": "41984Mi",
        "disks": [{"name": "Hard disk 1", "size": "40960Mi"}, {"name": "Hard disk 2", "size": "1024Mi"}],
        "hotAdd": {"cpu": true, "cpuRemove": false, "memory": true, "memoryStep": "128Mi", "memoryLimit": "65536Mi"},
        "macAddresses": ["00:50:56:AA:00:01", "00:50:56:aa:00:02"], "ipAddresses": ["10.1.0.5", "2001:db8::5"],
        "hostName": "pay-db-01.example.com", "fqdn": "pay-db-01.example.com", "os": {"name": "Debian GNU/Linux", "version": "12"},
        "firmware": {"mode": "efi"}, "hardwareVersion": "vmx-19", "powerState": "poweredOn", "connectionState": "connected",
        "toolsStatus": "guestToolsRunning", "toolsVersion": "12389", "folder": "prod/web/dmz", "host": "esx-1.example.com", "cluster": "blue",
    });
    let mut expected = expected;
    expected.as_object_mut().unwrap().remove("template");
    assert_eq!(attributes(named(&all, "vm-20")), expected);
}

#[test]
fn it_runs_on_its_cluster_or_where_there_is_none_on_its_host() {
    let all = observed(vec![machine("vm-20", "host-10", &[]), machine("vm-21", "host-12", &[])]);
    assert_eq!(relations(named(&all, "vm-20")), ["RunsOn domain-c8", "ConnectsTo dvportgroup-14"]);
    assert_eq!(relations(named(&all, "vm-21")), ["RunsOn host-12", "ConnectsTo dvportgroup-14"]);
    assert_eq!(attributes(named(&all, "vm-21"))["host"], "alone.example.com");
}

#[test]
fn hosts_are_members_of_their_cluster_and_a_datastore_is_used_by_what_is_stored_in_it() {
    let all = observed(vec![machine("vm-20", "host-10", &[])]);
    assert_eq!(relations(named(&all, "esx-1.example.com")), ["MemberOf domain-c8"]);
    assert_eq!(relations(named(&all, "alone.example.com")), Vec::<String>::new());
    assert_eq!(relations(named(&all, "fast")), ["UsedBy vm-20"]);
    assert_eq!(attributes(named(&all, "blue"))["hosts"], json!(["esx-1.example.com", "esx-2.example.com"]));
    let classes: Vec<(&str, &str)> = all.iter().map(|one| (&*one.name, &*one.class)).collect();
    let expected = [
        ("alone.example.com", "hypervisor"),
        ("blue", "cluster"),
        ("esx-1.example.com", "hypervisor"),
        ("esx-2.example.com", "hypervisor"),
        ("fast", "datastore"),
        ("vm-20", "virtual-machine"),
        ("web", "network"),
    ];
    assert_eq!(classes, expected, "folders and datacenters are no items");
}

#[test]
fn a_relation_leads_to_its_target_by_every_lasting_identifier() {
    let all = observed(vec![machine("vm-20", "host-10", &configured())]);
    let Target::Identifiers(to) = &named(&all, "fast").relations[0].to else { panic!() };
    assert_eq!(to.names().map(|name| &**name).collect::<Vec<_>>(), ["bios/uuid", "vsphere/instance-uuid", "vsphere/moref"]);
}

#[test]
fn a_template_is_marked_and_runs_nowhere() {
    let mut properties = configured();
    properties.push(("config.template", json!({"_typeName": "boolean", "_value": true})));
    let all = observed(vec![machine("vm-20", "host-10", &properties)]);
    let (one, told) = (named(&all, "vm-20"), attributes(named(&all, "vm-20")));
    assert_eq!((&*one.class, &told["template"], &told["memory"]), ("virtual-machine", &json!(true), &json!("16384Mi")));
    for copied in ["macAddresses", "ipAddresses", "hostName", "fqdn", "host", "cluster"] {
        assert_eq!(told.get(copied), None, "{copied} is that of every machine made from it");
    }
    assert_eq!(told["os"], json!({"name": "Other Linux"}));
    assert!(one.relations.is_empty() && !one.identifiers.contains("dns/fqdn") && one.identifiers.contains("vsphere/instance-uuid"));
}

#[test]
fn a_machine_of_which_little_is_told_is_there_all_the_same() {
    let all = observed(vec![found("VirtualMachine", "vm-20", &[("name", text("a"))]), found("VirtualMachine", "vm-21", &[])]);
    assert_eq!(identifiers(named(&all, "a")), [("vsphere/moref", format!("{VCENTER}/vm-20").as_str())]);
    assert_eq!(attributes(named(&all, "vm-21")), json!({}));
}

#[test]
fn malformed_parts_of_an_object_are_left_out_and_nothing_panics() {
    let kinds = ["VirtualMachine", "HostSystem", "ClusterComputeResource", "Datastore", "DistributedVirtualPortgroup", "Folder", "Unheard"];
    let asked = [host::HOST, host::COMPUTE, host::CLUSTER, host::DATASTORE, host::NETWORK, host::PORT_GROUP, host::PLACE, machine::ASKED];
    let paths: Vec<&str> = asked.into_iter().flatten().copied().collect();
    for kind in kinds {
        for value in [
            json!(null),
            json!(7),
            json!("x"),
            json!([[7]]),
            json!({"a": 1}),
            json!({"_value": {"_value": 7}}),
            json!([{"macAddress": 7, "spec": [], "key": {}}]),
        ] {
            let properties: Vec<(&str, Json)> = paths.iter().map(|path| (*path, value.clone())).collect();
            resolve(vec![found(kind, "x-1", &properties)], None);
        }
    }
    for content in [json!(null), json!({}), json!({"obj": {"type": "Folder"}}), json!({"obj": {"type": "", "value": "x"}})] {
        assert!(Object::read(content).is_none());
    }
}

#[test]
fn things_that_lie_in_each_other_in_a_circle_end() {
    let place = |id: &str, parent: &str| found("Folder", id, &[("name", text(id)), ("parent", reference("Folder", parent))]);
    let one = found("VirtualMachine", "vm-1", &[("parent", reference("Folder", "a")), ("name", text("one"))]);
    assert_eq!(resolve(vec![place("a", "b"), place("b", "a"), one], None).len(), 1);
}

#[test]
fn a_host_is_known_by_its_board_its_serial_and_its_name() {
    let info = json!({"_typeName": "HostSystemInfo", "vendor": "Dell Inc.", "model": "PowerEdge R750", "uuid": "4c4c4544", "otherIdentifyingInfo": [
        {"identifierValue": "  ", "identifierType": {"key": "AssetTag"}}, {"identifierValue": "ABC1234", "identifierType": {"key": "ServiceTag"}}]});
    let int = |number: u64| json!({"_typeName": "long", "_value": number});
    let all = resolve(
        vec![found(
            "HostSystem",
            "host-1",
            &[
                ("name", text("192.0.2.7")),
                ("hardware.systemInfo", info),
                ("hardware.cpuInfo.numCpuCores", int(32)),
                ("hardware.cpuInfo.numCpuThreads", int(64)),
                ("hardware.memorySize", int(549_755_813_888)),
                ("summary.config.product", json!({"_typeName": "AboutInfo", "name": "VMware ESXi", "version": "8.0.3", "build": "24022510"})),
                ("config.network.dnsConfig", json!({"_typeName": "HostDnsConfig", "hostName": "esx-1", "domainName": "example.com"})),
                ("config.network.pnic", json!({"_typeName": "ArrayOfPhysicalNic", "_value": [{"mac": "aa:bb:cc:00:00:01"}, {"mac": "aa:bb:cc:00:00:02"}]})),
                ("config.network.vnic", json!({"_typeName": "ArrayOfHostVirtualNic", "_value": [{"spec": {"ip": {"ipAddress": "192.0.2.7"}}}, {"spec": {}}]})),
                ("runtime.inMaintenanceMode", json!({"_typeName": "boolean", "_value": false})),
            ],
        )],
        None,
    );
    let expected = [("bios/uuid", "4c4c4544"), ("dns/fqdn", "esx-1.example.com"), ("serial/number", "ABC1234"), ("vsphere/moref", "4c4c4544/host-1")];
    assert_eq!(identifiers(&all[0]), expected, "of a host that no vCenter manages, the board stands for the vCenter");
    let expected = json!({
        "manufacturer": "Dell Inc.", "model": "PowerEdge R750", "serial": "ABC1234", "cpus": 64, "cores": 32, "memory": "524288Mi", "version": "8.0.3",
        "build": "24022510", "os": {"name": "VMware ESXi", "version": "8.0.3"}, "fqdn": "esx-1.example.com", "maintenanceMode": false,
        "macAddresses": ["aa:bb:cc:00:00:01", "aa:bb:cc:00:00:02"], "ipAddresses": ["192.0.2.7"],
    });
    assert_eq!(attributes(&all[0]), expected);
}

#[test]
fn a_datastore_is_known_by_where_its_volume_is() {
    let int = |number: u64| json!({"_typeName": "long", "_value": number});
    let one = found(
        "Datastore",
        "datastore-1",
        &[
            ("name", text("fast")),
            ("summary.url", text("ds:///vmfs/volumes/5f3c/")),
            ("summary.type", text("VMFS")),
            ("summary.capacity", int(1_099_511_627_776)),
            ("summary.freeSpace", int(1025)),
        ],
    );
    assert_eq!(identifiers(&one.observation), [("vsphere/datastore-url", "ds:///vmfs/volumes/5f3c/")]);
    assert_eq!(attributes(&one.observation), json!({"type": "VMFS", "capacity": "1048576Mi", "free": "1025"}));
}

#[test]
fn a_network_has_its_vlan_and_the_way_to_the_physical_switch_is_none() {
    let vlan = |id: Json| json!({"_typeName": "VMwareDVSPortSetting", "vlan": {"_typeName": "X", "vlanId": id}});
    let told = |more: &[(&str, Json)]| attributes(&found("DistributedVirtualPortgroup", "dvportgroup-1", more).observation);
    assert_eq!(told(&[("config.defaultPortConfig", vlan(json!(42)))]), json!({"type": "Distributed", "vlan": 42}));
    assert_eq!(told(&[("config.defaultPortConfig", vlan(json!(0)))]), json!({"type": "Distributed"}));
    assert_eq!(told(&[("config.defaultPortConfig", vlan(json!([{"start": 1, "end": 9}])))]), json!({"type": "Distributed"}));
    let tag = json!({"_typeName": "ArrayOfTag", "_value": [{"_typeName": "Tag", "key": "SYSTEM/DVS.UPLINKPG"}]});
    assert!(resolve(vec![found("DistributedVirtualPortgroup", "dvportgroup-1", &[("name", text("up")), ("tag", tag)])], None).is_empty());
    assert_eq!(&*found("Network", "network-1", &[]).observation.class, "network");
}

#[test]
fn a_guest_s_name_is_parted_from_its_version_where_it_says_one() {
    for (full, expected) in [
        ("Debian GNU/Linux 12 (64-bit)", json!({"name": "Debian GNU/Linux", "version": "12"})),
        ("Microsoft Windows Server 2022 (64-bit)", json!({"name": "Microsoft Windows Server", "version": "2022"})),
        ("Ubuntu Linux (64-bit)", json!({"name": "Ubuntu Linux"})),
        ("CentOS 4/5 or later (64-bit)", json!({"name": "CentOS 4/5 or later"})),
        ("Other 5.x or later Linux (64-bit)", json!({"name": "Other 5.x or later Linux"})),
        ("otherGuest", json!({"name": "otherGuest"})),
        ("7-Zip appliance", json!({"name": "7-Zip appliance"})),
        ("", json!({})),
    ] {
        assert_eq!(super::object::os(Some(full)).to_json(), expected, "{full}");
    }
}

#[test]
fn names_are_as_people_see_them() {
    for (written, expected) in [("a%2fb", "a/b"), ("50%25", "50%"), ("a%5Cb%", "a\\b%"), ("%20", "%20"), ("%2", "%2"), ("ä%2F", "ä/"), ("%ä", "%ä")] {
        assert_eq!(&*found("Folder", "group-1", &[("name", text(written))]).name, expected);
    }
}

#[test]
fn a_machine_that_a_host_names_and_no_view_shows_is_unseen() {
    let host = found("HostSystem", "host-1", &[("vm", references("VirtualMachine", &["vm-1", "vm-2", "vm-2"]))]);
    let all = [host, found("VirtualMachine", "vm-1", &[("name", text("a"))])];
    assert_eq!(unseen(&all).iter().map(|one| &*one.id).collect::<Vec<_>>(), ["vm-2"]);
}

#[test]
fn what_is_read_twice_is_one() {
    assert_eq!(observed(vec![machine("vm-20", "host-10", &[]), machine("vm-20", "host-11", &[])]).iter().filter(|one| &*one.key == "vm-20").count(), 1);
}

#[test]
fn the_address_is_that_of_the_api_and_of_no_other_machine_without_encryption() {
    for (url, expected) in [
        ("https://vcenter.example.com", "https://vcenter.example.com/sdk"),
        ("https://vcenter.example.com/", "https://vcenter.example.com/sdk"),
        ("https://vcenter.example.com:8443/sdk/", "https://vcenter.example.com:8443/sdk"),
        ("https://gate.example.com/vc-1", "https://gate.example.com/vc-1/sdk"),
    ] {
        assert_eq!(address(url).unwrap().as_str(), expected);
    }
    for url in ["http://vcenter.example.com", "vcenter.example.com", "https://user:pass@vcenter.example.com", "https://vcenter.example.com/?a", "ftp://x"] {
        let spec = Spec { url: url.into(), datacenters: vec![" ".into()], ..Spec::default() };
        let wrong: Vec<String> = mistakes(&spec).into_iter().map(|(at, _)| at).collect();
        assert_eq!(wrong, ["spec.vsphere.url", "spec.vsphere.datacenters.0"], "{url}");
    }
}

#[cfg(not(feature = "vsphere"))]
#[test]
fn a_build_without_it_says_so_once_the_declaration_is_right() {
    use std::{sync::Arc, time::Duration};

    use crate::discovery::reach::Reach;

    let reach = || Reach::new("/nonexistent".into(), Arc::default());
    let told = |url: &str| super::source("vcenter".into(), &Spec { url: url.into(), ..Spec::default() }, reach(), Duration::ZERO).err().unwrap_or_default();
    assert!(told("https://vcenter.example.com").contains("no vsphere source; build it with `cargo build --release --features vsphere`"));
    assert!(told("vcenter").starts_with("spec.vsphere.url: "));
}
