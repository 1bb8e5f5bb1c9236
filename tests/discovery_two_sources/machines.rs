//! The two hundred machines: how they are declared, how each of the two systems has them, and what is wrong with some.
//!
//! All are written as people and tools write such things, so hardly a value is the same text twice: sizes in MiB, GiB and plain numbers, MAC and IP
//! addresses in several spellings, names in capitals, short or full, serial numbers that are none. None of that is a difference.

use serde_json::{Value, json};

/// How many machines are declared and expected to be there.
pub const MACHINES: usize = 200;

/// vCenter says that it has half of the memory that is declared.
const LESS_MEMORY: usize = 10;
/// NetBox has another memory for it; the class says that vCenter knows.
const STALE_IN_NETBOX: usize = 11;
/// They disagree about its CPUs, and nothing says who is right.
const DISPUTED: usize = 12;
/// It is nowhere.
const GONE: usize = 13;
/// vCenter alone has it.
const NOT_IN_NETBOX: usize = 14;
/// vCenter has a clone of it, with the UUID of its firmware.
const CLONED: usize = 15;
/// The same, but it is declared without vCenter's own UUID, and inside of itself the clone still goes by the original's name.
const CLONED_WITH_ITS_NAME: usize = 17;
/// NetBox has it under another name.
const RENAMED_IN_NETBOX: usize = 18;
/// vCenter has it under another name.
const RENAMED_IN_VCENTER: usize = 19;
/// NetBox still has the machine that had its name before.
const NAME_USED_BEFORE: usize = 20;
/// Its address moved to the next machine; both systems know that, the declaration does not.
const ADDRESS_MOVED: usize = 24;
/// Their guests took other addresses than NetBox planned; the class says that NetBox knows.
const ADDRESS_NOT_AS_PLANNED: [usize; 2] = [26, 150];

/// The declared item that is retired, and whose name was given to another machine.
pub const RETIRED: &str = "batch";

/// One machine, as each of the three has it; none: does not.
pub struct Machine {
    /// What the test calls it. No system has to.
    pub name: String,
    /// The `spec` of its document.
    pub declared: Option<Value>,
    /// As `peers::vcsim` takes it.
    pub vcenter: Option<Value>,
    /// As [`crate::site`] writes it into NetBox.
    pub netbox: Option<Value>,
}

fn uuid(kind: u32, number: usize) -> String {
    format!("{kind:08x}-7b1e-4c2f-9f6e-{number:012x}")
}

fn instance(number: usize) -> String {
    uuid(0x5030, number)
}

fn firmware(number: usize) -> String {
    uuid(0x4230, number)
}

fn mac(number: usize) -> String {
    format!("00:50:56:ab:{:02x}:{:02x}", number / 256, number % 256)
}

fn address(number: usize) -> String {
    format!("10.9.{}.{}", number / 200, number % 200 + 1)
}

fn mebibytes(number: usize) -> usize {
    2048 << (number % 4)
}

/// The machine of this number, about which everybody agrees.
fn machine(number: usize, name: &str) -> Machine {
    let full = format!("{name}.example.com");
    Machine {
        name: name.to_owned(),
        declared: Some(declared(number, &full)),
        vcenter: Some(in_vcenter(number, name, &full)),
        netbox: Some(in_netbox(number, name, &full)),
    }
}

fn declared(number: usize, full: &str) -> Value {
    let mac = match number % 3 {
        0 => mac(number).to_uppercase(),
        1 => mac(number).replace(':', "-"),
        // As Cisco writes it: 0050.56ab.000b.
        _ => mac(number).replace(':', "").as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("."),
    };
    let memory = match number % 5 {
        0 => json!(mebibytes(number) * 1024 * 1024),
        1 => json!(format!("{}Mi", mebibytes(number))),
        _ => json!(format!("{}Gi", mebibytes(number) / 1024)),
    };
    // The second address as nobody else spells it, and the list in another order.
    let addresses = json!([format!("fd00::{:x}", number + 1), address(number)]);
    let mut spec = json!({"class": "site-machine", "identifiers": {"bios/uuid": firmware(number).to_uppercase(), "dns/fqdn": full},
        "attributes": {"cpus": if number % 2 == 0 { json!(2) } else { json!("2") }, "memory": memory, "macAddresses": [mac], "ipAddresses": addresses}});
    // Every fourth is declared without vCenter's own UUID.
    if number % 4 != 0 {
        spec["identifiers"]["vsphere/instance-uuid"] = json!(instance(number));
    }
    spec
}

fn in_vcenter(number: usize, name: &str, full: &str) -> Value {
    let mut machine = json!({"name": name, "instanceUuid": instance(number), "biosUuid": firmware(number), "cpus": 2, "memoryMiB": mebibytes(number),
        "macs": [mac(number)], "guest": "Debian GNU/Linux 12 (64-bit)"});
    // A machine that is switched off loses its addresses and its host name; every seventeenth is.
    if number % 17 == 16 {
        machine["poweredOff"] = json!(true);
    } else {
        machine["hostName"] = json!(full);
        machine["addresses"] = json!([address(number), format!("FD00:0:0:0:0:0:0:{:X}", number + 1)]);
    }
    machine
}

fn in_netbox(number: usize, name: &str, full: &str) -> Value {
    let dns = match number % 7 {
        3 => name,
        6 => "",
        _ => full,
    };
    let serial = ["None", "", "To be filled by O.E.M.", "0000000"][number % 4];
    json!({
        "name": name.to_uppercase(),
        "cluster": "twins",
        // NetBox gives 2 back as 2.00. What nobody filled in is null.
        "vcpus": if number % 29 == 28 { Value::Null } else { json!(2) },
        "memory": if number % 23 == 22 { Value::Null } else { json!(mebibytes(number)) },
        "serial": serial,
        "mac": mac(number).to_uppercase(),
        "dns": dns,
        "addresses": [format!("{}/16", address(number)), format!("fd00:0::{:x}/64", number + 1)],
    })
}

/// All machines.
pub fn all() -> Vec<Machine> {
    let mut all: Vec<Machine> = (0..MACHINES).map(|number| machine(number, &format!("vm-{number:03}"))).collect();
    in_disagreement(&mut all);
    with_addresses_moved(&mut all);
    let beside = beside(&mut all);
    all.extend(beside);
    all
}

fn in_disagreement(all: &mut [Machine]) {
    all[LESS_MEMORY].vcenter.as_mut().unwrap()["memoryMiB"] = json!(mebibytes(LESS_MEMORY) / 2);
    all[STALE_IN_NETBOX].netbox.as_mut().unwrap()["memory"] = json!(mebibytes(STALE_IN_NETBOX) * 2);
    all[DISPUTED].vcenter.as_mut().unwrap()["cpus"] = json!(4);
    (all[GONE].vcenter, all[GONE].netbox) = (None, None);
    all[NOT_IN_NETBOX].netbox = None;
    let renamed = all[RENAMED_IN_NETBOX].netbox.as_mut().unwrap();
    (renamed["name"], renamed["dns"]) = (json!("PAYMENTS-WEB"), json!("payments-web.example.com"));
    all[RENAMED_IN_VCENTER].vcenter.as_mut().unwrap()["name"] = json!("Payments web (new)");
}

fn with_addresses_moved(all: &mut [Machine]) {
    let new = address(300);
    for (number, addresses) in [(ADDRESS_MOVED, vec![&*new]), (ADDRESS_MOVED + 1, vec![&*address(ADDRESS_MOVED + 1), &*address(ADDRESS_MOVED)])] {
        all[number].vcenter.as_mut().unwrap()["addresses"] = json!(addresses);
        all[number].netbox.as_mut().unwrap()["addresses"] = addresses.iter().map(|address| json!(format!("{address}/16"))).collect();
    }
    for number in ADDRESS_NOT_AS_PLANNED {
        all[number].vcenter.as_mut().unwrap()["addresses"] = json!([address(300 + number)]);
    }
}

/// What is there beside the two hundred.
fn beside(all: &mut [Machine]) -> Vec<Machine> {
    let undeclared = |number: usize, name: &str| Machine { declared: None, ..machine(number, name) };
    let mut clone = Machine { netbox: None, ..undeclared(900, "vm-015-clone") };
    clone.vcenter.as_mut().unwrap()["biosUuid"] = json!(firmware(CLONED));

    let mut twin = Machine { netbox: None, ..undeclared(901, "vm-017-clone") };
    let vcenter = twin.vcenter.as_mut().unwrap();
    (vcenter["biosUuid"], vcenter["hostName"]) = (json!(firmware(CLONED_WITH_ITS_NAME)), json!("vm-017.example.com"));
    all[CLONED_WITH_ITS_NAME].declared.as_mut().unwrap()["identifiers"].as_object_mut().unwrap().remove("vsphere/instance-uuid");

    // NetBox has names once a cluster.
    let mut before = Machine { vcenter: None, ..undeclared(902, "vm-020-before") };
    let netbox = before.netbox.as_mut().unwrap();
    (netbox["name"], netbox["dns"], netbox["cluster"]) = (json!(format!("VM-{NAME_USED_BEFORE:03}")), json!("vm-020.example.com"), json!("attic"));

    // By its name alone the new machine would be the retired item.
    let mut reborn = undeclared(903, "batch-2");
    let full = "batch.example.com";
    (reborn.vcenter.as_mut().unwrap()["name"], reborn.vcenter.as_mut().unwrap()["hostName"]) = (json!("batch"), json!(full));
    (reborn.netbox.as_mut().unwrap()["name"], reborn.netbox.as_mut().unwrap()["dns"]) = (json!("batch"), json!(full));
    let retired = json!({"class": "site-machine", "lifecycle": "Retired", "identifiers": {"dns/fqdn": full}});
    let retired = Machine { name: RETIRED.to_owned(), declared: Some(retired), vcenter: None, netbox: None };

    let in_both = undeclared(904, "rogue-both");
    let in_vcenter = Machine { netbox: None, ..undeclared(905, "rogue-vcenter") };
    let in_netbox = Machine { vcenter: None, ..undeclared(906, "rogue-netbox") };
    vec![clone, twin, before, reborn, retired, in_both, in_vcenter, in_netbox]
}
