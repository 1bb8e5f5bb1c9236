//! What a device's answers mean: an observation, and what is beside it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::neighbors::{self, CHASSIS, Found};
use super::objects::{Cell, Facts, Object};
use super::{entities, interfaces, vendors};
use crate::api::discovery_source::SnmpSource as Spec;
use crate::api::{Table, Text, Value, intern};
use crate::discovery::Observation;
use crate::discovery::host::full_name;
use crate::discovery::tls::Endpoint;
use crate::discovery::tls::endpoint::is_host_name;

/// The port of SNMP.
pub const PORT: u16 = 161;

/// A device that was asked at `target` and answered from `address`.
pub fn found(target: &Endpoint, address: IpAddr, facts: &Facts, spec: &Spec) -> Found {
    let parts = entities::parts(facts);
    let whole = entities::whole(&parts);
    let neighbors = neighbors::neighbors(facts);
    let system = facts.text(Object::SysName);
    let object_id = if let Some(Cell::Oid(id)) = facts.scalars.get(&Object::SysObjectId) { id.as_slice() } else { &[] };
    let serial = whole.and_then(|part| part.serial.clone());
    let full = system.as_deref().and_then(full_host_name);
    let maker = whole.and_then(|part| part.maker.clone()).or_else(|| vendors::maker(object_id).map(str::to_owned));
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let os = whole.and_then(|part| part.software.clone()).map(|version| Value::Map(Table::from_iter([("version", Value::from(version))])));
    let attributes = [
        ("manufacturer", text(maker)),
        ("model", text(whole.and_then(|part| part.model.clone()))),
        ("serial", text(serial.clone())),
        ("os", os.unwrap_or_default()),
        ("systemDescription", text(facts.text(Object::SysDescr))),
        ("objectId", text((!object_id.is_empty()).then(|| object_id.iter().map(u32::to_string).collect::<Vec<_>>().join(".")))),
        ("location", text(facts.text(Object::SysLocation).filter(|location| !location.eq_ignore_ascii_case("unknown")))),
        ("network", spec.network.clone().map_or(Value::Null, Value::from)),
        ("fqdn", text(full.clone())),
        ("managementAddress", Value::from(address.to_canonical().to_string())),
        ("ipAddresses", interfaces::addresses(facts).iter().map(|address| Value::from(address.to_string())).collect()),
        ("macAddresses", interfaces::macs(facts).into_iter().map(Value::from).collect()),
        ("interfaces", interfaces::interfaces(facts)),
        ("chassis", entities::members(&parts)),
        ("modules", entities::modules(&parts)),
        ("neighbors", neighbors::shown(&neighbors)),
    ];
    let engine = facts.bytes(Object::EngineId).filter(|id| !id.is_empty()).map(|id| id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")));
    let identifiers = [("serial/number", serial), ("snmp/engine-id", engine), (CHASSIS, neighbors::own_chassis(facts)), ("dns/fqdn", full)];
    let observation = Observation {
        key: key_of(target),
        class: intern(spec.class.as_deref().unwrap_or("network-device")),
        name: system.map_or_else(|| target.host.clone(), Text::from),
        identifiers: identifiers.into_iter().filter_map(|(name, value)| Some((name, Text::from(value?)))).collect(),
        attributes: attributes.into_iter().filter(|(_, value)| !value.is_absent()).collect(),
        ..Observation::default()
    };
    Found { observation, neighbors }
}

/// The key of a target.
pub fn key_of(target: &Endpoint) -> Text {
    target.short(PORT)
}

/// A system's name as a host's full name; none where it is short, an address or no host's name at all.
pub fn full_host_name(name: &str) -> Option<String> {
    let full = full_name(name.trim());
    let is_address = full.parse::<Ipv4Addr>().is_ok() || full.parse::<Ipv6Addr>().is_ok();
    (full.contains('.') && is_host_name(&full) && !is_address).then_some(full)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::api::discovery_source::SnmpTable;
    use crate::discovery::snmp::objects::{LOCAL, SYSTEM, columns};
    use crate::discovery::snmp::tests::column;

    fn device(facts: &Facts, spec: &str) -> Observation {
        let spec = serde_yaml::from_str(spec).unwrap();
        found(&"10.0.0.1:161".parse().unwrap(), "10.0.0.1".parse().unwrap(), facts, &spec).observation
    }

    #[test]
    fn a_switch_is_a_network_device_with_everything_that_identifies_it() {
        let bytes = |text: &[u8]| Cell::Bytes(text.to_vec());
        let facts = Facts {
            scalars: [
                (Object::SysDescr, bytes(b"Cisco IOS Software, C2960\r\nVersion 15.2")),
                (Object::SysObjectId, Cell::Oid(vec![1, 3, 6, 1, 4, 1, 9, 1, 1208])),
                (Object::SysName, bytes(b"SW-1.Example.com")),
                (Object::SysLocation, bytes(b"Basel")),
                (Object::EngineId, bytes(&[0x80, 0, 0, 9, 3, 0xab])),
                (Object::LldpLocChassisIdSubtype, Cell::Number(4)),
                (Object::LldpLocChassisId, bytes(&[0, 0x1b, 0x21, 0xab, 0xcd, 0])),
            ]
            .into(),
            columns: [
                column(Object::EntClass, &[(&[1], Cell::Number(3))]),
                column(Object::EntSerialNum, &[(&[1], bytes(b"FOC1234X0YZ "))]),
                column(Object::EntModelName, &[(&[1], bytes(b"WS-C2960X-48TS-L"))]),
                column(Object::EntSoftwareRev, &[(&[1], bytes(b"15.2(2)E6"))]),
            ]
            .into(),
        };
        let found = device(&facts, "{targets: [], credentials: c, network: basel}");
        assert_eq!((&*found.key, &*found.class, &*found.name), ("10.0.0.1", "network-device", "SW-1.Example.com"));
        let identifiers = serde_json::json!({
            "serial/number": "FOC1234X0YZ", "snmp/engine-id": "8000000903ab", "chassis/mac": "00:1b:21:ab:cd:00", "dns/fqdn": "sw-1.example.com",
        });
        assert_eq!(serde_json::to_value(&found.identifiers).unwrap(), identifiers);
        let attributes = serde_json::json!({
            "manufacturer": "Cisco", "model": "WS-C2960X-48TS-L", "serial": "FOC1234X0YZ", "os": {"version": "15.2(2)E6"}, "location": "Basel", "network": "basel",
            "systemDescription": "Cisco IOS Software, C2960 Version 15.2", "objectId": "1.3.6.1.4.1.9.1.1208", "fqdn": "sw-1.example.com", "managementAddress": "10.0.0.1",
        });
        assert_eq!(serde_json::to_value(&found.attributes).unwrap(), attributes);
    }

    #[test]
    fn what_says_little_is_called_by_its_address() {
        let found = device(&Facts::default(), "{targets: [], credentials: c, class: load-balancer}");
        assert_eq!((&*found.name, &*found.class, found.identifiers.len()), ("10.0.0.1", "load-balancer", 0));
        assert_eq!(&*key_of(&"[2001:db8::1]:1161".parse().unwrap()), "[2001:db8::1]:1161");
    }

    #[test]
    fn only_the_full_name_of_a_host_is_one() {
        assert_eq!(full_host_name("SW-1.example.com.").as_deref(), Some("sw-1.example.com"));
        for name in ["sw-1", "10.0.0.1", "Switch 1.2", "a..b", "", "Rev. 2"] {
            assert_eq!(full_host_name(name), None, "{name}");
        }
    }

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            any::<i64>().prop_map(Cell::Number),
            proptest::collection::vec(any::<u8>(), 0..24).prop_map(Cell::Bytes),
            proptest::collection::vec(any::<u32>(), 0..6).prop_map(Cell::Oid),
        ]
    }

    fn facts() -> impl Strategy<Value = Facts> {
        let scalars: Vec<Object> = SYSTEM.iter().chain(&LOCAL).copied().collect();
        let tables = [SnmpTable::Interfaces, SnmpTable::Addresses, SnmpTable::Entities, SnmpTable::Neighbors];
        let all: Vec<Object> = tables.into_iter().flat_map(columns).copied().collect();
        let row = proptest::collection::vec(0..5_u32, 0..4);
        let rows = proptest::collection::btree_map(row, cell(), 0..5);
        let scalars = proptest::collection::btree_map(proptest::sample::select(scalars), cell(), 0..8);
        (scalars, proptest::collection::btree_map(proptest::sample::select(all), rows, 0..30))
            .prop_map(|(scalars, columns): (BTreeMap<_, _>, BTreeMap<_, _>)| Facts { scalars, columns })
    }

    proptest! {
        /// A device may answer anything.
        #[test]
        fn any_answer_is_a_device_of_which_no_attribute_says_nothing(facts in facts()) {
            let found = device(&facts, "{targets: [], credentials: c}");
            prop_assert!(!found.name.is_empty() && found.attributes.iter().all(|(_, value)| !value.is_absent()));
            prop_assert!(found.identifiers.iter().all(|(_, value)| !value.trim().is_empty()));
        }
    }
}
