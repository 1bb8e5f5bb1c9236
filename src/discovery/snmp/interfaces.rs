//! A device's interfaces and addresses. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::objects::{Facts, Object, address_of, mac_of};
use crate::api::{Table, Value, intern};
use crate::discovery::host::is_reachable;

/// `ifType` of what a cable or a radio may be at (IANAifType-MIB): their addresses are burnt in.
const PHYSICAL: [i64; 6] = [6, 62, 69, 71, 117, 39];
/// How an address came to be (RFC 4293): made up anew every day.
const RANDOM: i64 = 6;
/// What an address is (RFC 4293): the device's alone.
const UNICAST: i64 = 1;

/// Every interface, by its number.
pub fn interfaces(facts: &Facts) -> Value {
    let indices: BTreeSet<&[u32]> =
        [Object::IfDescr, Object::IfName, Object::IfType].into_iter().flat_map(|column| facts.rows(column)).map(|(row, _)| row).collect();
    indices.into_iter().filter_map(|row| interface(facts, row)).map(Value::Map).collect()
}

/// One interface; none where it has no name.
fn interface(facts: &Facts, row: &[u32]) -> Option<Table<Value>> {
    let name = name_of(facts, row)?;
    let description = facts.text_at(Object::IfDescr, row).filter(|description| *description != name);
    let text = |text: Option<String>| text.map_or(Value::Null, Value::from);
    let parts = [
        ("name", Value::from(name)),
        ("description", text(description)),
        ("alias", text(facts.text_at(Object::IfAlias, row))),
        ("type", facts.number_at(Object::IfType, row).map_or(Value::Null, kind_of)),
        ("mac", text(facts.bytes_at(Object::IfPhysAddress, row).and_then(mac_of))),
        ("speed", text(speed_of(facts, row))),
        ("mtu", facts.number_at(Object::IfMtu, row).filter(|mtu| *mtu > 0).map_or(Value::Null, Value::from)),
        ("adminStatus", facts.number_at(Object::IfAdminStatus, row).and_then(status_of).map_or(Value::Null, Value::from)),
        ("operStatus", facts.number_at(Object::IfOperStatus, row).and_then(status_of).map_or(Value::Null, Value::from)),
    ];
    Some(parts.into_iter().filter(|(_, value)| !value.is_absent()).map(|(name, value)| (intern(name), value)).collect())
}

/// What the interface is called: `ifName`, which is short and what people type; else `ifDescr`.
pub fn name_of(facts: &Facts, row: &[u32]) -> Option<String> {
    facts.text_at(Object::IfName, row).or_else(|| facts.text_at(Object::IfDescr, row))
}

fn kind_of(kind: i64) -> Value {
    match kind {
        6 | 62 | 69 | 117 => "Ethernet".into(),
        24 => "Loopback".into(),
        53 => "Virtual".into(),
        71 => "Wireless".into(),
        131 | 150 => "Tunnel".into(),
        135 | 136 => "Vlan".into(),
        161 => "LinkAggregation".into(),
        209 => "Bridge".into(),
        other => other.into(),
    }
}

/// A status of RFC 2863.
fn status_of(status: i64) -> Option<&'static str> {
    const NAMES: [&str; 7] = ["Up", "Down", "Testing", "Unknown", "Dormant", "NotPresent", "LowerLayerDown"];
    NAMES.get(usize::try_from(status.checked_sub(1)?).ok()?).copied()
}

/// Bits in a second as a quantity: `10G`, `100M`, `64k`.
fn speed_of(facts: &Facts, row: &[u32]) -> Option<String> {
    let megabits = facts.number_at(Object::IfHighSpeed, row).filter(|speed| *speed > 0);
    // Its highest value stands for all that it cannot say.
    let bits = facts.number_at(Object::IfSpeed, row).filter(|speed| *speed > 0 && *speed < i64::from(u32::MAX));
    let bits = megabits.and_then(|speed| speed.checked_mul(1_000_000)).or(bits)?;
    let units = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"), (1, "")];
    units.into_iter().find(|(unit, _)| bits % unit == 0).map(|(unit, name)| format!("{}{name}", bits / unit))
}

/// The MAC addresses that are the device's own. Those that several devices share for a virtual router are not; those that software made up
/// count only where no others are, as on a virtual device.
pub fn macs(facts: &Facts) -> Vec<String> {
    let physical = |row: &[u32]| facts.number_at(Object::IfType, row).is_none_or(|kind| PHYSICAL.contains(&kind));
    let addresses = facts.rows(Object::IfPhysAddress).filter(|(row, _)| physical(row)).filter_map(|(row, _)| facts.bytes_at(Object::IfPhysAddress, row));
    let own: BTreeMap<String, bool> = addresses.filter(|bytes| !is_shared(bytes)).filter_map(|bytes| Some((mac_of(bytes)?, bytes.first()? & 2 == 0))).collect();
    let burnt_in = own.values().any(|burnt_in| *burnt_in);
    own.into_iter().filter(|(_, is)| *is == burnt_in).map(|(mac, _)| mac).collect()
}

/// Whether several devices answer to this address: a group's, or that of a virtual router by VRRP, HSRP or GLBP.
fn is_shared(bytes: &[u8]) -> bool {
    let [first, ..] = bytes else { return true };
    first & 1 == 1
        || matches!(
            bytes,
            [0, 0, 0x5e, 0, 1 | 2, _] | [0, 0, 0x0c, 7, 0xac, _] | [0, 0, 0x0c, 0x9f, 0xf0..=0xff, _] | [0, 5, 0x73, 0xa0, 0..=0x0f, _] | [0, 7, 0xb4, 0, ..]
        )
}

/// The addresses at which others reach it, but for those that change by themselves.
pub fn addresses(facts: &Facts) -> Vec<IpAddr> {
    let is_own = |row: &[u32]| facts.number_at(Object::IpAddressType, row).is_none_or(|kind| kind == UNICAST);
    let is_random = |row: &[u32]| facts.number_at(Object::IpAddressOrigin, row) == Some(RANDOM);
    let new = facts.rows(Object::IpAddressIfIndex).filter(|(row, _)| is_own(row) && !is_random(row)).filter_map(|(row, _)| address_of(row));
    // The older table's index is the address alone.
    let old = facts.rows(Object::IpAdEntIfIndex).filter_map(|(row, _)| address_of(&[&[1, 4], row].concat()));
    let all: BTreeSet<IpAddr> = new.chain(old).filter(|address| is_reachable(*address)).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::snmp::objects::Cell;
    use crate::discovery::snmp::tests::column;

    const INTEL: [u8; 6] = [0, 0x1b, 0x21, 0xab, 0xcd, 1];

    fn bytes(text: &[u8]) -> Cell {
        Cell::Bytes(text.to_vec())
    }

    #[test]
    fn an_interface_is_what_both_tables_say_of_its_number() {
        let facts = Facts {
            columns: [
                column(Object::IfDescr, &[(&[1], bytes(b"GigabitEthernet0/1")), (&[2], bytes(b"Vlan10"))]),
                column(Object::IfName, &[(&[1], bytes(b"Gi0/1"))]),
                column(Object::IfAlias, &[(&[1], bytes(b"uplink to core"))]),
                column(Object::IfType, &[(&[1], Cell::Number(6)), (&[2], Cell::Number(53)), (&[3], Cell::Number(6))]),
                column(Object::IfPhysAddress, &[(&[1], bytes(&INTEL)), (&[2], bytes(&[]))]),
                column(Object::IfSpeed, &[(&[1], Cell::Number(u32::MAX.into())), (&[2], Cell::Number(1_500_000))]),
                column(Object::IfHighSpeed, &[(&[1], Cell::Number(10_000)), (&[2], Cell::Number(0))]),
                column(Object::IfMtu, &[(&[1], Cell::Number(1500))]),
                column(Object::IfAdminStatus, &[(&[1], Cell::Number(1))]),
                column(Object::IfOperStatus, &[(&[1], Cell::Number(7)), (&[2], Cell::Number(99))]),
            ]
            .into(),
            ..Facts::default()
        };
        let expected = serde_json::json!([
            {"name": "Gi0/1", "description": "GigabitEthernet0/1", "alias": "uplink to core", "type": "Ethernet", "mac": "00:1b:21:ab:cd:01",
             "speed": "10G", "mtu": 1500, "adminStatus": "Up", "operStatus": "LowerLayerDown"},
            {"name": "Vlan10", "type": "Virtual", "speed": "1500k"},
        ]);
        assert_eq!(interfaces(&facts).to_json(), expected);
    }

    fn with_macs(macs: &[(i64, [u8; 6])]) -> Vec<String> {
        let row = |place: usize| vec![u32::try_from(place).unwrap()];
        let types = macs.iter().enumerate().map(|(place, (kind, _))| (row(place), Cell::Number(*kind))).collect();
        let addresses = macs.iter().enumerate().map(|(place, (_, mac))| (row(place), bytes(mac))).collect();
        super::macs(&Facts { columns: [(Object::IfType, types), (Object::IfPhysAddress, addresses)].into(), ..Facts::default() })
    }

    #[test]
    fn only_addresses_that_are_the_devices_own_identify_it() {
        let virtual_routers = [
            [0, 0, 0x5e, 0, 1, 7],
            [0, 0, 0x5e, 0, 2, 7],
            [0, 0, 0x0c, 7, 0xac, 1],
            [0, 0, 0x0c, 0x9f, 0xf0, 1],
            [0, 5, 0x73, 0xa0, 0, 1],
            [0, 7, 0xb4, 0, 1, 1],
            [1, 0, 0x5e, 0, 0, 1],
        ];
        let shared: Vec<(i64, [u8; 6])> = virtual_routers.into_iter().map(|mac| (6, mac)).collect();
        let made_up = [0x02, 0x42, 0xac, 0x11, 0, 2];
        assert_eq!(with_macs(&shared), Vec::<String>::new());
        assert_eq!(with_macs(&[&shared[..], &[(6, INTEL), (6, INTEL), (6, made_up), (53, [0, 0x1b, 0x21, 9, 9, 9])]].concat()), ["00:1b:21:ab:cd:01"]);
        assert_eq!(with_macs(&[(6, made_up)]), ["02:42:ac:11:00:02"], "a virtual switch has no others");
    }

    #[test]
    fn addresses_come_from_the_table_that_the_device_has() {
        let one = || Cell::Number(1);
        let facts = Facts {
            columns: [
                column(Object::IpAdEntIfIndex, &[(&[10, 0, 0, 1], one()), (&[127, 0, 0, 1], one()), (&[10, 0, 0, 256], one())]),
                column(
                    Object::IpAddressIfIndex,
                    &[
                        (&[1, 4, 10, 0, 0, 1], one()),
                        (&[1, 4, 10, 0, 0, 2], one()),
                        (&[1, 4, 10, 0, 0, 255], one()),
                        (&[2, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], one()),
                        (&[2, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], one()),
                        (&[4, 20, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], one()),
                    ],
                ),
                column(Object::IpAddressType, &[(&[1, 4, 10, 0, 0, 2], Cell::Number(UNICAST)), (&[1, 4, 10, 0, 0, 255], Cell::Number(3))]),
                column(Object::IpAddressOrigin, &[(&[2, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], Cell::Number(RANDOM))]),
            ]
            .into(),
            ..Facts::default()
        };
        let found: Vec<String> = addresses(&facts).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
    }
}
