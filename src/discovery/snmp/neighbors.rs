//! What LLDP says is at the other end of a device's cables (IEEE 802.1AB), and which item that is. Pure.
//!
//! A neighbour is known by the address of its chassis and by its name. Where it is one of the devices that were asked too, the relation
//! leads to everything that identifies that device; else to the chassis' address and the full name, if it says these.

use std::collections::{BTreeMap, BTreeSet};

use super::interfaces;
use super::map::full_host_name;
use super::objects::{Facts, Object, address_of, mac_of, text_of};
use crate::api::{Table, Text, Value, intern};
use crate::discovery::{Observation, ObservedRelation, Target};

/// The identifier of a chassis by its MAC address.
pub const CHASSIS: &str = "chassis/mac";

/// Subtypes of a chassis' id (`LldpChassisIdSubtype`) and of a port's (`LldpPortIdSubtype`).
struct Subtypes {
    mac: i64,
    address: i64,
}
const OF_CHASSIS: Subtypes = Subtypes { mac: 4, address: 5 };
const OF_PORT: Subtypes = Subtypes { mac: 3, address: 4 };
/// The subtype of a port's id that is the interface's name.
const INTERFACE_NAME: i64 = 5;

/// The bit of a telephone in the capabilities (`LldpSystemCapabilitiesMap`), from the left.
const TELEPHONE: u8 = 0b0000_0100;

/// What is at the other end of a cable.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Neighbor {
    /// Where the cable begins: the device's own interface.
    pub interface: Option<String>,
    /// The chassis' MAC address, if that is how it is known.
    pub mac: Option<String>,
    /// The chassis' id, however it is known.
    pub chassis: Option<String>,
    /// Its system's name.
    pub name: Option<String>,
    /// The port at which the cable ends.
    pub port: Option<String>,
    /// The port in words.
    pub description: Option<String>,
    /// Whether it is a telephone: these come and go, and no relation is kept of them.
    pub telephone: bool,
}

/// A device, and what is beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The device, without relations.
    pub observation: Observation,
    /// What is beside it.
    pub neighbors: Vec<Neighbor>,
}

/// The MAC address by which others know the device's chassis.
pub fn own_chassis(facts: &Facts) -> Option<String> {
    let is_mac = facts.number(Object::LldpLocChassisIdSubtype) == Some(OF_CHASSIS.mac);
    facts.bytes(Object::LldpLocChassisId).filter(|_| is_mac).and_then(mac_of)
}

/// Its neighbours, each once, in the order of the interfaces' names.
pub fn neighbors(facts: &Facts) -> Vec<Neighbor> {
    let all: BTreeSet<Neighbor> = facts.rows(Object::LldpRemChassisId).filter_map(|(row, _)| neighbor(facts, row)).collect();
    all.into_iter().collect()
}

/// The neighbour of a row, whose index is a time, the local port's number and a number.
fn neighbor(facts: &Facts, row: &[u32]) -> Option<Neighbor> {
    let [_, local, _] = row else { return None };
    let chassis = facts.number_at(Object::LldpRemChassisIdSubtype, row);
    let id = facts.bytes_at(Object::LldpRemChassisId, row)?;
    let port = facts.bytes_at(Object::LldpRemPortId, row).zip(facts.number_at(Object::LldpRemPortIdSubtype, row));
    let capabilities = facts.bytes_at(Object::LldpRemSysCapEnabled, row).and_then(|bytes| bytes.first().copied()).unwrap_or_default();
    Some(Neighbor {
        interface: local_port(facts, *local),
        mac: if chassis == Some(OF_CHASSIS.mac) { mac_of(id) } else { None },
        chassis: id_of(chassis?, id, &OF_CHASSIS),
        name: facts.text_at(Object::LldpRemSysName, row),
        port: port.and_then(|(id, kind)| id_of(kind, id, &OF_PORT)),
        description: facts.text_at(Object::LldpRemPortDesc, row),
        telephone: capabilities & TELEPHONE != 0,
    })
}

/// The name of the device's own interface, by the number that LLDP gives it: often, not always, that of the interface.
fn local_port(facts: &Facts, number: u32) -> Option<String> {
    let id = facts.text_at(Object::LldpLocPortId, &[number]);
    if facts.number_at(Object::LldpLocPortIdSubtype, &[number]) == Some(INTERFACE_NAME) && id.is_some() {
        return id;
    }
    facts.text_at(Object::LldpLocPortDesc, &[number]).or_else(|| interfaces::name_of(facts, &[number])).or(id)
}

fn id_of(kind: i64, id: &[u8], subtypes: &Subtypes) -> Option<String> {
    if kind == subtypes.mac {
        return mac_of(id);
    }
    if kind == subtypes.address {
        // The family of IANA, then the address: the first two are numbered as in an index.
        let [family, address @ ..] = id else { return None };
        let length = u32::try_from(address.len()).ok()?;
        let index: Vec<u32> = [u32::from(*family), length].into_iter().chain(address.iter().map(|byte| u32::from(*byte))).collect();
        return address_of(&index).map(|address| address.to_string());
    }
    text_of(id)
}

/// The neighbours as an attribute.
pub fn shown(neighbors: &[Neighbor]) -> Value {
    let one = |neighbor: &Neighbor| {
        let parts = [
            ("interface", &neighbor.interface),
            ("chassis", &neighbor.chassis),
            ("name", &neighbor.name),
            ("port", &neighbor.port),
            ("description", &neighbor.description),
        ];
        let parts = parts.into_iter().filter_map(|(name, text)| Some((intern(name), Value::from(text.clone()?))));
        Value::Map(parts.collect::<Table<Value>>())
    };
    neighbors.iter().map(one).collect()
}

/// Where a relation leads: a name, and what identifies it.
type Toward = (String, Vec<(Text, Text)>);

/// What leads to one of the devices that were asked; none where it would lead to two.
#[derive(Default)]
struct Index(BTreeMap<String, Option<usize>>);

impl Index {
    fn add(&mut self, word: &str, place: usize) {
        let known = self.0.entry(word.to_lowercase()).or_insert(Some(place));
        if *known != Some(place) {
            *known = None;
        }
    }

    fn find(&self, word: &str) -> Option<usize> {
        *self.0.get(&word.to_lowercase())?
    }
}

/// The devices with their relations, sorted by name.
pub fn resolve(found: Vec<Found>) -> Vec<Observation> {
    let (mut macs, mut names) = (Index::default(), Index::default());
    for (place, Found { observation, .. }) in found.iter().enumerate() {
        let interfaces = observation.attributes.get("macAddresses").and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_str);
        interfaces.chain(observation.identifiers.get(CHASSIS).map(|mac| &**mac)).for_each(|mac| macs.add(mac, place));
        names.add(&observation.name, place);
    }
    // A name is weaker than a chassis: it says nothing where the device of that name has another.
    let fits = |place: &usize, mac: Option<&str>| {
        let own = found.get(*place).and_then(|one| one.observation.identifiers.get(CHASSIS));
        own.zip(mac).is_none_or(|(own, mac)| own.eq_ignore_ascii_case(mac))
    };
    let targets: Vec<BTreeSet<Toward>> = found
        .iter()
        .enumerate()
        .map(|(place, one)| {
            let known = |neighbor: &Neighbor| {
                let mac = neighbor.mac.as_deref();
                let by_name = || neighbor.name.as_deref().and_then(|name| names.find(name)).filter(|place| fits(place, mac));
                mac.and_then(|mac| macs.find(mac)).or_else(by_name)
            };
            let others = one.neighbors.iter().filter(|neighbor| !neighbor.telephone).map(|neighbor| (known(neighbor), neighbor));
            // What is seen by itself has a cable that leads back to it.
            others
                .filter(|(known, _)| *known != Some(place))
                .filter_map(|(known, neighbor)| target(known.and_then(|place| found.get(place)), neighbor))
                .collect()
        })
        .collect();
    let with = |(one, targets): (Found, BTreeSet<_>)| Observation { relations: targets.into_iter().map(relation).collect(), ..one.observation };
    let mut observations: Vec<Observation> = found.into_iter().zip(targets).map(with).collect();
    observations.sort_by(|one, other| (&one.name, &one.key).cmp(&(&other.name, &other.key)));
    observations
}

/// Where a relation to a neighbour leads; none where the neighbour says nothing that could be found again.
fn target(known: Option<&Found>, neighbor: &Neighbor) -> Option<Toward> {
    if let Some(Found { observation, .. }) = known {
        let identifiers = observation.identifiers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        return Some((observation.name.to_string(), identifiers));
    }
    let full = neighbor.name.as_deref().and_then(full_host_name);
    let identifiers = [(CHASSIS, neighbor.mac.clone()), ("dns/fqdn", full)];
    let identifiers: Vec<(Text, Text)> = identifiers.into_iter().filter_map(|(name, value)| Some((intern(name), Text::from(value?)))).collect();
    (!identifiers.is_empty() || neighbor.name.is_some()).then(|| (neighbor.name.clone().unwrap_or_default(), identifiers))
}

fn relation((name, identifiers): Toward) -> ObservedRelation {
    let to = if identifiers.is_empty() { Target::Name(name.into()) } else { Target::Identifiers(identifiers.into_iter().collect()) };
    ObservedRelation { kind: intern("ConnectsTo"), to }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::discovery::snmp::objects::Cell;
    use crate::discovery::snmp::tests::column;

    const MAC: [u8; 6] = [0, 0x1b, 0x21, 0xab, 0xcd, 1];

    #[test]
    fn a_neighbour_is_a_row_with_the_name_of_the_own_interface() {
        let bytes = |bytes: &[u8]| Cell::Bytes(bytes.to_vec());
        let facts = Facts {
            columns: [
                column(Object::LldpLocPortIdSubtype, &[(&[1], Cell::Number(5)), (&[2], Cell::Number(7))]),
                column(Object::LldpLocPortId, &[(&[1], bytes(b"Gi0/1")), (&[2], bytes(b"2"))]),
                column(Object::LldpLocPortDesc, &[(&[2], bytes(b"Gi0/2"))]),
                column(Object::LldpRemChassisIdSubtype, &[(&[0, 1, 1], Cell::Number(4)), (&[9, 1, 1], Cell::Number(4)), (&[0, 2, 1], Cell::Number(5))]),
                column(Object::LldpRemChassisId, &[(&[0, 1, 1], bytes(&MAC)), (&[9, 1, 1], bytes(&MAC)), (&[0, 2, 1], bytes(&[1, 10, 0, 0, 9]))]),
                column(Object::LldpRemPortIdSubtype, &[(&[0, 1, 1], Cell::Number(5)), (&[9, 1, 1], Cell::Number(5)), (&[0, 2, 1], Cell::Number(3))]),
                column(Object::LldpRemPortId, &[(&[0, 1, 1], bytes(b"Te1/1")), (&[9, 1, 1], bytes(b"Te1/1")), (&[0, 2, 1], bytes(&MAC))]),
                column(Object::LldpRemSysName, &[(&[0, 1, 1], bytes(b"sw-2")), (&[9, 1, 1], bytes(b"sw-2"))]),
                column(Object::LldpRemSysCapEnabled, &[(&[0, 2, 1], bytes(&[0b0010_0100]))]),
            ]
            .into(),
            ..Facts::default()
        };
        let found = neighbors(&facts);
        let expected = serde_json::json!([
            {"interface": "Gi0/1", "chassis": "00:1b:21:ab:cd:01", "name": "sw-2", "port": "Te1/1"},
            {"interface": "Gi0/2", "chassis": "10.0.0.9", "port": "00:1b:21:ab:cd:01"},
        ]);
        assert_eq!(shown(&found).to_json(), expected);
        assert_eq!(found.iter().map(|neighbor| (neighbor.mac.is_some(), neighbor.telephone)).collect::<Vec<_>>(), [(true, false), (false, true)]);
    }

    fn device(name: &str, chassis: &str, serial: &str, neighbors: &[Neighbor]) -> Found {
        let identifiers = [(CHASSIS, chassis), ("serial/number", serial)].into_iter().filter(|(_, value)| !value.is_empty());
        let identifiers = identifiers.map(|(name, value)| (name, Text::from(value))).collect();
        Found { observation: Observation { key: name.into(), name: name.into(), identifiers, ..Observation::default() }, neighbors: neighbors.to_vec() }
    }

    fn beside(mac: &str, name: &str) -> Neighbor {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Neighbor { mac: text(mac), name: text(name), ..Neighbor::default() }
    }

    /// To what each device connects.
    fn connected(found: Vec<Found>) -> Vec<(String, Vec<String>)> {
        let to = |relation: &ObservedRelation| match &relation.to {
            Target::Name(name) => name.to_string(),
            Target::Identifiers(identifiers) => identifiers.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
        };
        resolve(found).iter().map(|one| (one.name.to_string(), one.relations.iter().map(to).collect())).collect()
    }

    #[test]
    fn a_neighbour_that_was_asked_too_is_found_by_all_that_identifies_it() {
        let found = vec![
            device("sw-1", "00:00:00:00:00:01", "S1", &[beside("00:00:00:00:00:02", ""), beside("", "SW-3"), beside("00:00:00:00:00:01", "sw-1")]),
            device("sw-2", "00:00:00:00:00:02", "S2", &[]),
            device("sw-3", "", "S3", &[]),
        ];
        let to = ["chassis/mac=00:00:00:00:00:02 serial/number=S2", "serial/number=S3"].map(str::to_owned).to_vec();
        assert_eq!(connected(found), [("sw-1".to_owned(), to), ("sw-2".to_owned(), vec![]), ("sw-3".to_owned(), vec![])]);
    }

    #[test]
    fn another_neighbour_is_known_by_its_chassis_and_its_full_name_and_else_by_its_name() {
        let phone = Neighbor { telephone: true, ..beside("00:00:00:00:00:09", "phone") };
        let beside = [beside("00:00:00:00:00:08", "R1.Example.com"), beside("", "printer"), beside("", ""), phone];
        let to = ["printer", "chassis/mac=00:00:00:00:00:08 dns/fqdn=r1.example.com"].map(str::to_owned);
        let [(_, found)] = &*connected(vec![device("sw-1", "", "S1", &beside)]) else { panic!() };
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), to.iter().collect());
    }

    #[test]
    fn a_neighbour_with_the_name_of_a_device_and_another_chassis_is_not_that_device() {
        let found = vec![device("switch", "00:00:00:00:00:01", "S1", &[beside("00:00:00:00:00:08", "switch")])];
        assert_eq!(connected(found), [("switch".to_owned(), vec!["chassis/mac=00:00:00:00:00:08".to_owned()])]);
    }

    #[test]
    fn two_devices_of_one_name_or_chassis_are_not_guessed_between() {
        let found = vec![
            device("sw-1", "", "S1", &[beside("00:00:00:00:00:02", "sw-2")]),
            device("sw-2", "00:00:00:00:00:02", "S2", &[]),
            device("SW-2", "00:00:00:00:00:02", "S3", &[]),
        ];
        assert!(connected(found).contains(&("sw-1".to_owned(), vec!["chassis/mac=00:00:00:00:00:02".to_owned()])));
    }

    proptest! {
        #[test]
        fn the_order_in_which_devices_answer_changes_nothing(
            devices in proptest::collection::vec((0..6_u8, 0..4_u8, proptest::collection::vec((0..4_u8, 0..6_u8), 0..3)), 0..6),
            turn in 0..6_usize,
        ) {
            let name = |number: u8| if number == 0 { String::new() } else { format!("sw-{number}") };
            let mac = |number: u8| if number == 0 { String::new() } else { format!("00:00:00:00:00:0{number}") };
            let mut found: Vec<Found> = devices
                .iter()
                .enumerate()
                .map(|(place, (own, chassis, others))| {
                    let others: Vec<Neighbor> = others.iter().map(|(chassis, of)| beside(&mac(*chassis), &name(*of))).collect();
                    let mut found = device(&name(*own), &mac(*chassis), "", &others);
                    found.observation.key = place.to_string().into();
                    found
                })
                .collect();
            let first = resolve(found.clone());
            let by = turn % found.len().max(1);
            found.rotate_left(by);
            prop_assert_eq!(first, resolve(found));
        }
    }
}
