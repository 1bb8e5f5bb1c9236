//! What is asked of a device, by object identifier, and what it answered. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::api::discovery_source::SnmpTable;

/// The longest text that is kept of one value, in characters. The standard allows 255.
const LONGEST: usize = 1024;

/// Something that a device can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // named as the MIBs name them
pub enum Object {
    SysDescr,
    SysObjectId,
    SysName,
    SysLocation,
    EngineId,
    IfDescr,
    IfType,
    IfMtu,
    IfSpeed,
    IfPhysAddress,
    IfAdminStatus,
    IfOperStatus,
    IfName,
    IfHighSpeed,
    IfAlias,
    IpAdEntIfIndex,
    IpAddressIfIndex,
    IpAddressType,
    IpAddressOrigin,
    EntDescr,
    EntContainedIn,
    EntClass,
    EntName,
    EntSoftwareRev,
    EntSerialNum,
    EntMfgName,
    EntModelName,
    LldpLocChassisIdSubtype,
    LldpLocChassisId,
    LldpLocPortIdSubtype,
    LldpLocPortId,
    LldpLocPortDesc,
    LldpRemChassisIdSubtype,
    LldpRemChassisId,
    LldpRemPortIdSubtype,
    LldpRemPortId,
    LldpRemPortDesc,
    LldpRemSysName,
    LldpRemSysCapEnabled,
}

use Object as O;

/// The objects of the system group, and the id of the SNMP engine (RFC 3411). Each has one value.
pub const SYSTEM: [Object; 5] = [O::SysDescr, O::SysObjectId, O::SysName, O::SysLocation, O::EngineId];

/// What LLDP says of the device itself. Each has one value.
pub const LOCAL: [Object; 2] = [O::LldpLocChassisIdSubtype, O::LldpLocChassisId];

/// The columns of a table that are read. Counters are not: they are most of it, and say nothing of what a device is.
pub fn columns(table: SnmpTable) -> &'static [Object] {
    match table {
        SnmpTable::Interfaces => {
            &[O::IfDescr, O::IfType, O::IfMtu, O::IfSpeed, O::IfPhysAddress, O::IfAdminStatus, O::IfOperStatus, O::IfName, O::IfHighSpeed, O::IfAlias]
        }
        SnmpTable::Addresses => &[O::IpAdEntIfIndex, O::IpAddressIfIndex, O::IpAddressType, O::IpAddressOrigin],
        SnmpTable::Entities => &[O::EntDescr, O::EntContainedIn, O::EntClass, O::EntName, O::EntSoftwareRev, O::EntSerialNum, O::EntMfgName, O::EntModelName],
        SnmpTable::Neighbors => &[
            O::LldpLocPortIdSubtype,
            O::LldpLocPortId,
            O::LldpLocPortDesc,
            O::LldpRemChassisIdSubtype,
            O::LldpRemChassisId,
            O::LldpRemPortIdSubtype,
            O::LldpRemPortId,
            O::LldpRemPortDesc,
            O::LldpRemSysName,
            O::LldpRemSysCapEnabled,
        ],
    }
}

impl Object {
    /// Its identifier: of a scalar with the zero at its end, of a column without the row's index.
    pub fn oid(self) -> &'static [u32] {
        match self {
            O::SysDescr => &[1, 3, 6, 1, 2, 1, 1, 1, 0],
            O::SysObjectId => &[1, 3, 6, 1, 2, 1, 1, 2, 0],
            O::SysName => &[1, 3, 6, 1, 2, 1, 1, 5, 0],
            O::SysLocation => &[1, 3, 6, 1, 2, 1, 1, 6, 0],
            O::EngineId => &[1, 3, 6, 1, 6, 3, 10, 2, 1, 1, 0],
            O::IfDescr => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 2],
            O::IfType => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 3],
            O::IfMtu => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 4],
            O::IfSpeed => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 5],
            O::IfPhysAddress => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 6],
            O::IfAdminStatus => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 7],
            O::IfOperStatus => &[1, 3, 6, 1, 2, 1, 2, 2, 1, 8],
            O::IfName => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1],
            O::IfHighSpeed => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 15],
            O::IfAlias => &[1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 18],
            O::IpAdEntIfIndex => &[1, 3, 6, 1, 2, 1, 4, 20, 1, 2],
            O::IpAddressIfIndex => &[1, 3, 6, 1, 2, 1, 4, 34, 1, 3],
            O::IpAddressType => &[1, 3, 6, 1, 2, 1, 4, 34, 1, 4],
            O::IpAddressOrigin => &[1, 3, 6, 1, 2, 1, 4, 34, 1, 6],
            O::EntDescr => &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 2],
            O::EntContainedIn => &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 4],
            O::EntClass => &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 5],
            O::EntName => &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 7],
            O::EntSoftwareRev => &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 10],
            O::EntSerialNum => &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 11],
            O::EntMfgName => &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 12],
            O::EntModelName => &[1, 3, 6, 1, 2, 1, 47, 1, 1, 1, 1, 13],
            O::LldpLocChassisIdSubtype => &[1, 0, 8802, 1, 1, 2, 1, 3, 1, 0],
            O::LldpLocChassisId => &[1, 0, 8802, 1, 1, 2, 1, 3, 2, 0],
            O::LldpLocPortIdSubtype => &[1, 0, 8802, 1, 1, 2, 1, 3, 7, 1, 2],
            O::LldpLocPortId => &[1, 0, 8802, 1, 1, 2, 1, 3, 7, 1, 3],
            O::LldpLocPortDesc => &[1, 0, 8802, 1, 1, 2, 1, 3, 7, 1, 4],
            O::LldpRemChassisIdSubtype => &[1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 4],
            O::LldpRemChassisId => &[1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 5],
            O::LldpRemPortIdSubtype => &[1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 6],
            O::LldpRemPortId => &[1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 7],
            O::LldpRemPortDesc => &[1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 8],
            O::LldpRemSysName => &[1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 9],
            O::LldpRemSysCapEnabled => &[1, 0, 8802, 1, 1, 2, 1, 4, 1, 1, 12],
        }
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A number.
    Number(i64),
    /// Text, an address, or any other bytes.
    Bytes(Vec<u8>),
    /// An object identifier.
    Oid(Vec<u32>),
}

/// A column by the rows' indices.
pub type Column = BTreeMap<Vec<u32>, Cell>;

/// What one device answered. What it does not have is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Objects with one value.
    pub scalars: BTreeMap<Object, Cell>,
    /// Columns of tables.
    pub columns: BTreeMap<Object, Column>,
}

impl Facts {
    /// A text, if there is one that says something.
    pub fn text(&self, object: Object) -> Option<String> {
        text_of(self.bytes(object)?)
    }

    /// The bytes of an object with one value.
    pub fn bytes(&self, object: Object) -> Option<&[u8]> {
        bytes_of(self.scalars.get(&object)?)
    }

    /// A number.
    pub fn number(&self, object: Object) -> Option<i64> {
        number_of(self.scalars.get(&object)?)
    }

    /// The rows of a column, in their order.
    pub fn rows(&self, object: Object) -> impl Iterator<Item = (&[u32], &Cell)> {
        self.columns.get(&object).into_iter().flatten().map(|(index, cell)| (&**index, cell))
    }

    /// A value of a row.
    pub fn cell(&self, object: Object, row: &[u32]) -> Option<&Cell> {
        self.columns.get(&object)?.get(row)
    }

    /// A text of a row, if there is one that says something.
    pub fn text_at(&self, object: Object, row: &[u32]) -> Option<String> {
        text_of(bytes_of(self.cell(object, row)?)?)
    }

    /// A number of a row.
    pub fn number_at(&self, object: Object, row: &[u32]) -> Option<i64> {
        number_of(self.cell(object, row)?)
    }

    /// The bytes of a row's value.
    pub fn bytes_at(&self, object: Object, row: &[u32]) -> Option<&[u8]> {
        bytes_of(self.cell(object, row)?)
    }
}

fn bytes_of(cell: &Cell) -> Option<&[u8]> {
    if let Cell::Bytes(bytes) = cell { Some(bytes) } else { None }
}

fn number_of(cell: &Cell) -> Option<i64> {
    if let Cell::Number(number) = cell { Some(*number) } else { None }
}

/// Bytes as text on one line; what is not UTF-8 is read as Latin-1, which old devices write. None where nothing is left.
pub fn text_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(|byte| char::from(*byte)).collect(), str::to_owned);
    let plain: String = text.chars().take(LONGEST).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    (!words.is_empty()).then_some(words)
}

/// Six bytes as a MAC address; none where they are all the same, which is no device's address.
pub fn mac_of(bytes: &[u8]) -> Option<String> {
    let [first, rest @ ..] = bytes else { return None };
    if rest.len() != 5 || rest.iter().all(|byte| byte == first) {
        return None;
    }
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

/// The address in an index of RFC 4001: its type, its length and its bytes. A zone at its end is left out.
pub fn address_of(index: &[u32]) -> Option<IpAddr> {
    let [kind, length, rest @ ..] = index else { return None };
    let bytes: Vec<u8> = rest.iter().map(|part| u8::try_from(*part).ok()).collect::<Option<_>>()?;
    if bytes.len() != *length as usize {
        return None;
    }
    match (kind, bytes.len()) {
        (1, 4) | (3, 8) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(..4)?).ok()?).into()),
        (2, 16) | (4, 20) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.get(..16)?).ok()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_two_objects_are_one() {
        let tables = [SnmpTable::Interfaces, SnmpTable::Addresses, SnmpTable::Entities, SnmpTable::Neighbors];
        let all: Vec<Object> = tables.into_iter().flat_map(columns).chain(&SYSTEM).chain(&LOCAL).copied().collect();
        assert_eq!(all.iter().map(|object| object.oid()).collect::<BTreeSet<_>>().len(), all.len());
        assert!(SYSTEM.iter().chain(&LOCAL).all(|object| object.oid().ends_with(&[0])));
    }

    #[test]
    fn texts_are_one_line_and_old_devices_write_latin_1() {
        assert_eq!(text_of(b" Cisco IOS\r\n  Version 15\0").as_deref(), Some("Cisco IOS Version 15"));
        assert_eq!(text_of("Zürich".as_bytes()).as_deref(), Some("Zürich"));
        assert_eq!(text_of(b"Z\xfcrich").as_deref(), Some("Zürich"));
        assert_eq!((text_of(b" \0 "), text_of(b"")), (None, None));
        assert_eq!(text_of(&vec![b'x'; 60_000]).map(|text| text.len()), Some(LONGEST));
    }

    #[test]
    fn an_address_that_is_no_devices_own_is_none() {
        assert_eq!(mac_of(&[0, 0x1b, 0x21, 0xab, 0xcd, 0xef]).as_deref(), Some("00:1b:21:ab:cd:ef"));
        for bytes in [&[0; 6][..], &[0xff; 6], &[1, 2, 3], &[], &[0, 0, 0, 0, 0, 0, 0, 1]] {
            assert_eq!(mac_of(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn an_index_gives_back_the_address_that_it_was_made_of(v4: [u8; 4], v6: [u8; 16], zone: [u8; 4]) {
            let index = |kind: u32, parts: &[&[u8]]| {
                let bytes: Vec<u32> = parts.concat().into_iter().map(u32::from).collect();
                [vec![kind, u32::try_from(bytes.len()).unwrap()], bytes].concat()
            };
            prop_assert_eq!(address_of(&index(1, &[&v4])), Some(IpAddr::from(v4)));
            prop_assert_eq!(address_of(&index(2, &[&v6])), Some(IpAddr::from(v6)));
            prop_assert_eq!(address_of(&index(3, &[&v4, &zone])), Some(IpAddr::from(v4)));
            prop_assert_eq!(address_of(&index(4, &[&v6, &zone])), Some(IpAddr::from(v6)));
        }

        #[test]
        fn any_index_is_an_address_or_none(index: Vec<u32>) {
            let _ = address_of(&index);
        }

        #[test]
        fn a_mac_address_is_read_as_it_is_written(bytes: [u8; 6]) {
            if let Some(text) = mac_of(&bytes) {
                let read: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
                prop_assert_eq!(read, bytes.to_vec());
            }
        }
    }
}
