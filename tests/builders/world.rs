//! A made-up estate whose truth is known: machines seen by four sources, with clones, re-used names, identifiers that are
//! missing or bogus, and old names. For the tests and the benchmark of identity.
//!
//! What is made up follows what real systems do: vCenter knows instance UUIDs; a CMDB knows serial numbers, asset tags and, of
//! some, the instance UUID; an agent knows its own UUID, the firmware's and the host name; a scanner knows names and MAC
//! addresses. A clone of a machine has its firmware's UUID and serial number, or its MAC address, and never its name.
#![allow(dead_code)] // each user has its own part
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)] // made-up numbers

use std::collections::{HashMap, HashSet};

use bowline::api::configuration_item::ConfigurationItemSpec;
use bowline::api::{DiscoverySourceSpec, Lifecycle, Selector, Table, Text, Value};
use bowline::discovery::{Answer, Discovered, Observation};
use bowline::estate::{Classes, Declared, Estate, Origin};
use bowline::identity::Correlation;
use jiff::{SignedDuration, Timestamp};

/// The sources, in the order of the answers.
pub const SOURCES: [&str; 4] = ["agents", "cmdb", "scanner", "vcenter"];

/// The estate, what was seen, and which machine each observation really is.
pub struct World {
    pub estate: Estate,
    pub discovered: Discovered,
    /// For each answer, the machine of each observation.
    truth: Vec<Vec<u32>>,
    /// The machine of each declared item, by name.
    machines: HashMap<Text, u32>,
}

/// How identity did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Observations in all.
    pub observations: usize,
    /// Observations in the record of another machine.
    pub wrong: usize,
    /// Observations that are not in the one record of their machine; those in doubt among them.
    pub missed: usize,
    /// Observations that identity leaves to a person.
    pub doubtful: usize,
    /// Observations of machines with a clone, a re-used name, or an identifier that is bogus or old.
    pub awkward: usize,
}

/// Numbers that look like chance and are the same on every run.
fn number(of: u32, salt: u64) -> u64 {
    let mut mixed = (u64::from(of) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^= mixed >> 31;
    mixed = mixed.wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 29)
}

/// Whether this is one of so many in a thousand.
fn one_of(of: u32, salt: u64, in_a_thousand: u64) -> bool {
    number(of, salt) % 1000 < in_a_thousand
}

fn uuid(of: u32, salt: u64) -> String {
    let (high, low) = (number(of, salt), number(of, salt + 1));
    format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", high as u32, (high >> 32) as u16, (high >> 48) & 0xfff, low & 0xfff, (low >> 12) & 0xffff_ffff_ffff)
}

const BOGUS_SERIALS: [&str; 5] = ["To be filled by O.E.M.", "None", "0000000", "Default string", "…………"];
const BOGUS_UUIDS: [&str; 3] = ["00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"];

/// One machine as it really is.
struct Machine {
    of: u32,
    instance: String,
    bios: String,
    serial: String,
    agent: String,
    name: String,
    old_name: Option<String>,
    mac: String,
    network: String,
    /// Whether something about it is made to mislead.
    awkward: bool,
}

fn machine(of: u32) -> Machine {
    let mut machine = Machine {
        of,
        instance: uuid(of, 10),
        bios: uuid(of, 20),
        serial: format!("CZ{:010X}", number(of, 30) & 0xff_ffff_ffff),
        agent: uuid(of, 40),
        name: format!("host-{of:06}.example.com"),
        old_name: one_of(of, 50, 10).then(|| format!("former-{of:06}.example.com")),
        mac: mac(number(of, 60)),
        network: format!("net-{}", number(of, 61) % 40),
        awkward: false,
    };
    machine.awkward = machine.old_name.is_some();
    // Every hundredth pair of neighbours is an original and its clone.
    if of % 2 == 1 && one_of(of / 2, 70, 10) {
        let original = self::machine(of - 1);
        (machine.bios, machine.serial) = (original.bios, original.serial);
    } else if of % 2 == 1 && one_of(of / 2, 71, 10) {
        let original = self::machine(of - 1);
        (machine.mac, machine.network) = (original.mac, original.network);
    }
    machine.awkward |= one_of(of / 2, 70, 10) || one_of(of / 2, 71, 10);
    if one_of(of, 80, 20) {
        machine.serial = BOGUS_SERIALS[of as usize % BOGUS_SERIALS.len()].into();
        machine.awkward = true;
    }
    if one_of(of, 81, 20) {
        machine.bios = BOGUS_UUIDS[of as usize % BOGUS_UUIDS.len()].into();
        machine.awkward = true;
    }
    if one_of(of, 82, 10) {
        // The same adapter address in another network.
        machine.mac = mac(number(of % 50, 62));
        machine.network = format!("net-{}", 100 + of);
        machine.awkward = true;
    }
    machine
}

fn mac(number: u64) -> String {
    let bytes: Vec<String> = number.to_be_bytes().iter().skip(3).map(|byte| format!("{byte:02x}")).collect();
    format!("00:{}", bytes.join(":"))
}

/// A MAC address as another system writes it.
fn other_spelling(mac: &str) -> String {
    mac.replace(':', "-").to_uppercase()
}

fn identifiers(pairs: Vec<(&str, String)>) -> Table<Text> {
    pairs.into_iter().map(|(name, value)| (name, Text::from(value))).collect()
}

fn attributes(mac: Option<String>, network: Option<&str>) -> Table<Value> {
    let mac = mac.map(|mac| ("macAddresses", [Value::from(mac)].into_iter().collect::<Value>()));
    let network = network.map(|network| ("network", Value::from(network)));
    mac.into_iter().chain(network).collect()
}

fn declaration(machine: &Machine) -> Declared<ConfigurationItemSpec> {
    let of = machine.of;
    let mut names = vec![("dns/fqdn", machine.name.clone())];
    if !one_of(of, 100, 100) {
        names.push(("vsphere/instance-uuid", machine.instance.clone()));
    }
    if !one_of(of, 101, 200) {
        names.push(("bios/uuid", machine.bios.clone()));
    }
    if !one_of(of, 102, 400) {
        names.push(("serial/number", machine.serial.clone()));
    }
    let network = (!one_of(of, 104, 300)).then_some(&*machine.network);
    let spec = ConfigurationItemSpec {
        class: "virtual-machine".into(),
        lifecycle: Lifecycle::Operational,
        owner: None,
        identifiers: identifiers(names),
        attributes: attributes((!one_of(of, 103, 300)).then(|| machine.mac.clone()), network),
        relations: Vec::new(),
        on_drift: None,
    };
    Declared { name: format!("host-{of:06}").into(), labels: Table::default(), spec, origin: Origin::default() }
}

/// What a source says of a machine; none: it does not know it.
fn observation(source: &str, machine: &Machine) -> Option<Observation> {
    let of = machine.of;
    let upper = |text: &str| text.to_uppercase();
    let old = machine.old_name.clone();
    let (class, key, names, mac, network) = match source {
        "vcenter" => {
            let mut names = vec![("vsphere/instance-uuid", machine.instance.clone()), ("bios/uuid", machine.bios.clone())];
            if !one_of(of, 200, 100) {
                names.push(("dns/fqdn", machine.name.clone()));
            }
            ("virtual-machine", format!("vm-{of}"), names, Some(machine.mac.clone()), Some(&*machine.network))
        }
        "cmdb" => {
            let mut names = vec![("netbox/virtual-machine", of.to_string()), ("dns/fqdn", old.unwrap_or_else(|| upper(&machine.name)))];
            if one_of(of, 210, 400) {
                names.push(("vsphere/instance-uuid", upper(&machine.instance)));
            }
            if one_of(of, 211, 300) {
                names.push(("serial/number", machine.serial.to_lowercase()));
            }
            ("virtual-machine", of.to_string(), names, Some(other_spelling(&machine.mac)), Some(&*machine.network))
        }
        "agents" => {
            let mut names = vec![("agent/uuid", machine.agent.clone()), ("dns/fqdn", format!("{}.", machine.name))];
            if !one_of(of, 220, 300) {
                names.push(("bios/uuid", format!("{{{}}}", upper(&machine.bios))));
                names.push(("serial/number", machine.serial.clone()));
            }
            ("server", machine.agent.clone(), names, Some(machine.mac.replace(':', "")), None)
        }
        _ => {
            let mut names = vec![("dns/fqdn", machine.name.clone())];
            if one_of(of, 230, 300) {
                names.push(("bios/uuid", machine.bios.clone()));
            }
            let mac = one_of(of, 231, 600).then(|| machine.mac.clone());
            ("server", format!("asset-{of}"), names, mac, Some(&*machine.network))
        }
    };
    // No source knows everything.
    (!one_of(of, 240 + source.len() as u64, 30)).then(|| Observation {
        key: key.into(),
        class: class.into(),
        name: machine.name.clone().into(),
        identifiers: identifiers(names),
        attributes: attributes(mac, network),
        ..Observation::default()
    })
}

/// A world of so many machines, of which one in twenty-five is not declared.
pub fn world(machines: u32) -> World {
    let at: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
    let all: Vec<Machine> = (0..machines).map(machine).collect();
    let declared: Vec<&Machine> = all.iter().filter(|machine| !one_of(machine.of, 90, 40)).collect();
    let mut items: Vec<Declared<ConfigurationItemSpec>> = declared.iter().map(|machine| declaration(machine)).collect();
    let mut owners: HashMap<Text, u32> = items.iter().zip(&declared).map(|(item, machine)| (item.name.clone(), machine.of)).collect();
    // A retired machine whose name a living one has now: nothing of it is seen any more.
    for machine in all.iter().filter(|machine| one_of(machine.of, 91, 10)) {
        let mut retired = declaration(&Machine { mac: mac(number(machine.of, 63)), ..self::machine(machine.of) });
        retired.name = format!("retired-{:06}", machine.of).into();
        retired.spec.lifecycle = Lifecycle::Retired;
        retired.spec.identifiers = identifiers(vec![("dns/fqdn", machine.name.clone()), ("bios/uuid", uuid(machine.of, 64))]);
        owners.insert(retired.name.clone(), u32::MAX);
        items.push(retired);
    }
    items.sort_by(|one, other| one.name.cmp(&other.name));
    let source = |name: &&str| Declared {
        name: (*name).into(),
        labels: Table::default(),
        spec: DiscoverySourceSpec { scope: Selector { all: true, ..Selector::default() }, ..DiscoverySourceSpec::default() },
        origin: Origin::default(),
    };
    let estate = Estate { items, classes: Classes::resolve(&[]).0, sources: SOURCES.iter().map(source).collect(), ..Estate::default() };
    let mut truth = Vec::new();
    let answers = SOURCES.map(|source| {
        let mut of = Vec::new();
        let mut items = Vec::new();
        for machine in &all {
            if let Some(observation) = observation(source, machine) {
                of.push(machine.of);
                items.push(Observation { seen: Some(at), ..observation });
            }
            // The scanner keeps the record of who had the name before.
            if source == "scanner" && one_of(machine.of, 92, 5) {
                let names = identifiers(vec![("dns/fqdn", machine.name.clone()), ("bios/uuid", uuid(machine.of, 65))]);
                let seen = at.checked_sub(SignedDuration::from_hours(24 * 100)).ok();
                of.push(u32::MAX - 1 - machine.of);
                let (key, class, name) = (format!("old-{}", machine.of).into(), "server".into(), machine.name.clone().into());
                items.push(Observation { key, class, name, identifiers: names, seen, ..Observation::default() });
            }
        }
        truth.push(of);
        Answer { source: source.into(), at, complete: true, items, ..Answer::default() }
    });
    World { estate, discovered: Discovered { answers: answers.into(), ..Discovered::default() }, truth, machines: owners }
}

impl World {
    fn machine_of(&self, sighting: bowline::identity::Sighting) -> u32 {
        self.truth[sighting.answer as usize][sighting.index as usize]
    }

    /// How identity did, against the truth.
    pub fn score(&self, correlation: &Correlation) -> Score {
        let mut score = Score { observations: self.truth.iter().map(Vec::len).sum(), doubtful: correlation.ambiguities.len(), ..Score::default() };
        let declared: HashSet<u32> = self.machines.values().copied().collect();
        let mut placed: HashMap<u32, usize> = HashMap::new();
        // A record whose facts do not count beside a newer one of its source is in nobody's.
        for found in correlation.matches().iter().filter(|found| found.speaks) {
            let machine = self.machine_of(found.sighting);
            let item = &self.estate.items[found.item as usize].name;
            if self.machines[item] == machine {
                *placed.entry(machine).or_default() += 1;
            } else {
                score.wrong += 1;
            }
        }
        let duplicates = correlation.duplicates.iter().filter(|duplicate| duplicate.item.is_none()).map(|duplicate| duplicate.sightings.as_slice());
        let mut largest: HashMap<u32, usize> = HashMap::new();
        for thing in correlation.undeclared().chain(duplicates) {
            let mut count: HashMap<u32, usize> = HashMap::new();
            for sighting in thing {
                *count.entry(self.machine_of(*sighting)).or_default() += 1;
            }
            let most = count.values().copied().max().unwrap_or_default();
            score.wrong += thing.len() - most;
            for (machine, seen) in count.into_iter().filter(|(machine, _)| !declared.contains(machine)) {
                let known = largest.entry(machine).or_default();
                *known = (*known).max(seen);
            }
        }
        let mut seen: HashMap<u32, usize> = HashMap::new();
        for machine in self.truth.iter().flatten() {
            *seen.entry(*machine).or_default() += 1;
        }
        for (machine, seen) in seen {
            let together = if declared.contains(&machine) { placed.get(&machine) } else { largest.get(&machine) };
            score.missed += seen - together.copied().unwrap_or_default();
        }
        score.awkward = self.truth.iter().flatten().filter(|machine| **machine > u32::MAX / 2 || self::machine(**machine).awkward).count();
        score
    }

    /// For people: observations that are in a wrong record or in none, at most so many.
    pub fn faults(&self, correlation: &Correlation, most: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let tell = |sighting: bowline::identity::Sighting| {
            let (answer, observation) = sighting.find(&self.discovered).unwrap();
            let names: Vec<String> = observation.identifiers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{} {} {} {:?}", answer.source, observation.key, names.join(" "), observation.attributes)
        };
        for found in correlation.matches().iter().filter(|found| found.speaks) {
            let item = &self.estate.items[found.item as usize];
            if self.machines[&item.name] != self.machine_of(found.sighting) {
                faults.push(format!("wrong: {} by {} in {} {:?}", tell(found.sighting), correlation.rule(found.rule), item.name, item.spec.identifiers));
            }
        }
        let declared: HashSet<u32> = self.machines.values().copied().collect();
        for thing in correlation.undeclared() {
            if thing.iter().any(|one| self.machine_of(*one) != self.machine_of(thing[0])) {
                faults.push(format!("wrong together: {}", thing.iter().map(|one| tell(*one)).collect::<Vec<_>>().join("; ")));
            } else if declared.contains(&self.machine_of(thing[0])) {
                faults.push(format!("missed: {} of {}", thing.iter().map(|one| tell(*one)).collect::<Vec<_>>().join("; "), self.machine_of(thing[0])));
            }
        }
        for duplicate in correlation.duplicates.iter().filter(|duplicate| duplicate.item.is_none()) {
            faults.push(format!("duplicate: {}", duplicate.sightings.iter().map(|one| tell(*one)).collect::<Vec<_>>().join("; ")));
        }
        for doubt in &correlation.ambiguities {
            let items: Vec<String> = doubt.items.iter().map(|item| self.estate.items[*item as usize].name.to_string()).collect();
            faults.push(format!("doubt: {} by {} {:?} in {}", tell(doubt.sighting), correlation.rule(doubt.rule), doubt.doubt, items.join(", ")));
        }
        faults.truncate(most);
        faults
    }
}
