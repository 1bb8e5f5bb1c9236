//! What was found of one object, and, once all are read, how they hang together. Pure.
//!
//! ```text
//! virtual machine   RunsOn       its cluster; its host where that is in none
//! virtual machine   ConnectsTo   its networks
//! host              MemberOf     its cluster
//! datastore         UsedBy       the virtual machines that are stored in it
//! ```
//!
//! A machine moves from host to host within its cluster, so a relation to one of them would be drift every day; `host` says where it is now. `UsedBy`
//! stands at the datastore: it knows all of its machines, but a machine depends on more than its datastores, and a relation that a person has
//! declared must not look gone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::object::{Object, Reference, set};
use super::{host, machine};
use crate::api::{Text, Value, intern};
use crate::discovery::{Observation, ObservedRelation, Target};

/// How many folders lie in each other at most.
const DEPTH: usize = 64;

/// What was found of one object. Where it is no item, a folder for example, its observation has no class.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub itself: Reference,
    pub name: Text,
    pub parent: Option<Reference>,
    pub observation: Observation,
    pub links: Vec<Link>,
}

/// What an object says of others.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Link {
    /// It runs on this host.
    RunsOn(Reference),
    /// It is stored in this datastore.
    StoredIn(Reference),
    /// It is connected to this network.
    ConnectsTo(Reference),
    /// This virtual machine is on it.
    Runs(Reference),
}

impl Found {
    /// Of an object that is no item.
    pub(super) fn new(object: &Object) -> Self {
        let name = object.name().unwrap_or_default();
        Self { itself: object.itself.clone(), name, parent: object.reference("parent"), observation: Observation::default(), links: Vec::new() }
    }

    /// What an object means.
    pub(super) fn of(object: &Object) -> Self {
        match &*object.itself.kind {
            "VirtualMachine" => machine::machine(object),
            "HostSystem" => host::host(object),
            "ClusterComputeResource" => host::cluster(object),
            "Datastore" => host::datastore(object),
            "Network" | "DistributedVirtualPortgroup" | "OpaqueNetwork" => host::network(object),
            _ => Self::new(object),
        }
    }

    fn is_item(&self) -> bool {
        !self.observation.class.is_empty()
    }
}

/// The virtual machines that hosts name and that are not among what was found.
pub(super) fn unseen(found: &[Found]) -> Vec<Reference> {
    let seen: BTreeSet<&Text> = found.iter().map(|one| &one.itself.id).collect();
    let named = found.iter().flat_map(|one| &one.links).filter_map(|link| match link {
        Link::Runs(machine) if !seen.contains(&machine.id) => Some((machine.id.clone(), machine.clone())),
        _ => None,
    });
    named.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// The observations of what was found, sorted by name. `vcenter` is its instance UUID; a single host has none, and its own stands for it.
pub(super) fn resolve(mut found: Vec<Found>, vcenter: Option<&str>) -> Vec<Observation> {
    let mut seen = BTreeSet::new();
    found.retain(|one| seen.insert(one.itself.id.clone()));
    if let Some(instance) = vcenter.map(Text::from).or_else(|| only_host(&found)) {
        for one in found.iter_mut().filter(|one| one.is_item()) {
            let moref = format!("{instance}/{}", one.itself.id).into();
            one.observation.identifiers = std::mem::take(&mut one.observation.identifiers).with("vsphere/moref", moref);
        }
    }
    let tree = Tree::new(&found);
    let told: Vec<Told> = found.iter().enumerate().map(|(place, one)| tree.told(place, one)).collect();
    let mut relations: Vec<(usize, ObservedRelation)> = Vec::new();
    for (place, one) in found.iter().enumerate() {
        tree.relate(place, one, &mut relations);
    }
    drop(tree);
    let mut observations: Vec<Option<Observation>> =
        found.into_iter().zip(told).map(|(one, told)| one.is_item().then(|| told.added_to(one.observation))).collect();
    for (place, relation) in relations {
        if let Some(Some(observation)) = observations.get_mut(place) {
            observation.relations.push(relation);
        }
    }
    let mut observations: Vec<Observation> = observations.into_iter().flatten().collect();
    observations.sort_by(|one, other| (&one.name, &one.key).cmp(&(&other.name, &other.key)));
    observations
}

fn only_host(found: &[Found]) -> Option<Text> {
    let mut hosts = found.iter().filter(|one| &*one.observation.class == "hypervisor");
    let host = hosts.next().filter(|_| hosts.next().is_none())?;
    host.observation.identifiers.get("bios/uuid").cloned()
}

/// What an item's place says of it.
#[derive(Default)]
struct Told {
    datacenter: Option<Text>,
    attributes: Vec<(&'static str, Value)>,
}

impl Told {
    fn added_to(self, observation: Observation) -> Observation {
        let attributes = self.attributes.into_iter().filter(|(_, value)| !value.is_absent());
        let attributes = attributes.fold(observation.attributes, |table, (name, value)| table.with(name, value));
        let labels = self.datacenter.into_iter().fold(observation.labels, |table, datacenter| table.with("datacenter", datacenter));
        Observation { attributes, labels, ..observation }
    }
}

/// Everything that was found, by its id.
struct Tree<'a> {
    found: &'a [Found],
    places: HashMap<&'a str, usize>,
    /// Hosts by the id of their cluster.
    hosts: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Tree<'a> {
    fn new(found: &'a [Found]) -> Self {
        let places = found.iter().enumerate().map(|(place, one)| (&*one.itself.id, place)).collect();
        let mut hosts: HashMap<&str, Vec<&str>> = HashMap::new();
        for one in found.iter().filter(|one| &*one.observation.class == "hypervisor") {
            if let Some(parent) = &one.parent {
                hosts.entry(&parent.id).or_default().push(&one.observation.name);
            }
        }
        Self { found, places, hosts }
    }

    fn get(&self, reference: &Reference) -> Option<&'a Found> {
        self.found.get(*self.places.get(&*reference.id)?)
    }

    /// What it lies in, the nearest first.
    fn above(&self, one: &'a Found) -> impl Iterator<Item = &'a Found> {
        std::iter::successors(Some(one), |one| one.parent.as_ref().and_then(|parent| self.get(parent))).skip(1).take(DEPTH)
    }

    fn host_of(&self, one: &Found) -> Option<&'a Found> {
        one.links.iter().find_map(|link| if let Link::RunsOn(host) = link { self.get(host) } else { None })
    }

    fn told(&self, place: usize, one: &'a Found) -> Told {
        if !one.is_item() {
            return Told::default();
        }
        // A machine in a vApp has no folder.
        let lies_in = |one: &'a Found| self.above(one).find(|above| &*above.itself.kind == "Datacenter").map(|above| above.name.clone());
        let host = self.host_of(one);
        let mut told = Told { datacenter: lies_in(one).or_else(|| lies_in(host?)), attributes: Vec::new() };
        match &*one.observation.class {
            "virtual-machine" => {
                let cluster = host.and_then(|host| self.get(host.parent.as_ref()?)).filter(|above| above.is_item());
                told.attributes.push(("folder", Value::from(self.folder(one))));
                told.attributes.push(("host", host.map_or(Value::Null, |host| Value::from(host.observation.name.clone()))));
                told.attributes.push(("cluster", cluster.map_or(Value::Null, |cluster| Value::from(cluster.observation.name.clone()))));
            }
            "cluster" => {
                let hosts = self.found.get(place).and_then(|one| self.hosts.get(&*one.itself.id));
                told.attributes.push(("hosts", set(hosts.into_iter().flatten().copied())));
            }
            _ => {}
        }
        told
    }

    /// The path of its folder: `prod/web`. The topmost folder of a datacenter, which people do not see, is left out.
    fn folder(&self, one: &'a Found) -> String {
        let folders = self.above(one).take_while(|above| &*above.itself.kind == "Folder");
        let seen = folders.filter(|folder| folder.parent.as_ref().is_some_and(|parent| &*parent.kind == "Folder"));
        let mut names: Vec<&str> = seen.map(|folder| &*folder.name).collect();
        names.reverse();
        names.join("/")
    }

    fn relate(&self, place: usize, one: &'a Found, relations: &mut Vec<(usize, ObservedRelation)>) {
        if !one.is_item() {
            return;
        }
        if let Some(parent) = one.parent.as_ref().filter(|parent| &*one.observation.class == "hypervisor" && &*parent.kind == "ClusterComputeResource") {
            relations.extend(self.to("MemberOf", parent).map(|relation| (place, relation)));
        }
        for link in &one.links {
            match link {
                Link::RunsOn(host) => {
                    let cluster = self.get(host).and_then(|host| host.parent.as_ref()).filter(|parent| &*parent.kind == "ClusterComputeResource");
                    relations.extend(self.to("RunsOn", cluster.unwrap_or(host)).map(|relation| (place, relation)));
                }
                Link::ConnectsTo(network) => relations.extend(self.to("ConnectsTo", network).map(|relation| (place, relation))),
                Link::StoredIn(store) => {
                    let store = self.places.get(&*store.id).copied();
                    relations.extend(store.and_then(|store| Some((store, self.to("UsedBy", &one.itself)?))));
                }
                Link::Runs(_) => {}
            }
        }
    }

    /// A relation to something by all of its identifiers, so that an item that is declared with any of them is found; none where it is no item that was
    /// read. Names of DNS are left out: they lead to what has the name now.
    fn to(&self, kind: &str, reference: &Reference) -> Option<ObservedRelation> {
        let target = self.get(reference).filter(|target| target.is_item())?;
        let identifiers = target.observation.identifiers.clone().without("dns/fqdn");
        (!identifiers.is_empty()).then(|| ObservedRelation { kind: intern(kind), to: Target::Identifiers(identifiers) })
    }
}
