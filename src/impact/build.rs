//! The graph of an estate, from its service maps and from the relations of the items that they reach.

use std::collections::{HashMap, HashSet};

use petgraph::graph::{DiGraph, NodeIndex};

use super::{Link, Node, Part};
use crate::api::service_map::Group;
use crate::api::{ServiceMapSpec, Text};
use crate::estate::{Declared, Estate};

/// Relations by which an item fails with the other one. `MemberOf`, `ConnectsTo`, `ManagedBy` and `Contains` do not: a
/// cluster outlives a member, and redundancy is what a service map's groups are for.
const NEEDS: [&str; 3] = ["RunsOn", "HostedOn", "DependsOn"];
/// The same, told from the other side: the other item fails with this one.
const NEEDED: [&str; 3] = ["Runs", "Hosts", "UsedBy"];

/// The graph, and the node of each item in it.
pub(super) fn graph(estate: &Estate) -> (DiGraph<Node, Link>, HashMap<Text, NodeIndex>) {
    let mut builder = Builder { estate, graph: DiGraph::new(), items: HashMap::new(), services: HashMap::new(), edges: HashSet::new(), queue: Vec::new() };
    // Most estates hold far more items than services; without a service there is nobody to be hurt.
    if !estate.services.is_empty() {
        for service in &estate.services {
            let node = builder.node(service.name.clone(), Part::Service);
            builder.services.insert(service.name.clone(), node);
        }
        for service in &estate.services {
            builder.read_map(service);
        }
        builder.follow_relations();
    }
    (builder.graph, builder.items)
}

struct Builder<'a> {
    estate: &'a Estate,
    graph: DiGraph<Node, Link>,
    items: HashMap<Text, NodeIndex>,
    services: HashMap<Text, NodeIndex>,
    edges: HashSet<(NodeIndex, NodeIndex, bool)>,
    /// Items whose relations are still to be followed.
    queue: Vec<(usize, NodeIndex)>,
}

impl<'a> Builder<'a> {
    fn node(&mut self, name: Text, part: Part) -> NodeIndex {
        self.graph.add_node(Node { name, part })
    }

    /// The node of a declared item, made when it is first asked for.
    fn item(&mut self, name: &str) -> Option<NodeIndex> {
        if let Some(node) = self.items.get(name) {
            return Some(*node);
        }
        let index = self.estate.item(name)?;
        let name = self.estate.items.get(index)?.name.clone();
        let node = self.node(name.clone(), Part::Item);
        self.items.insert(name, node);
        self.queue.push((index, node));
        Some(node)
    }

    /// Says that `above` needs `below`, once.
    fn link(&mut self, below: NodeIndex, above: NodeIndex, member: bool, label: Text) {
        if below != above && self.edges.insert((below, above, member)) {
            self.graph.add_edge(below, above, Link { member, label });
        }
    }

    fn read_map(&mut self, service: &'a Declared<ServiceMapSpec>) {
        let Some(own) = self.services.get(&service.name).copied() else { return };
        let mut groups: HashMap<&'a str, NodeIndex> = HashMap::new();
        for group in &service.spec.groups {
            if !groups.contains_key(&*group.name) {
                let node = self.node(format!("{}/{}", service.name, group.name).into(), Part::Group { needs: 0, members: 0 });
                groups.insert(&group.name, node);
            }
        }
        let names = Names { service: &service.name, own, groups };
        let mut read = HashSet::new();
        for group in &service.spec.groups {
            if let Some(node) = names.groups.get(&*group.name).copied().filter(|node| read.insert(*node)) {
                self.read_group(node, group, &names);
            }
        }
        for dependency in &service.spec.dependencies {
            if let (Some(above), Some(below)) = (self.resolve(&dependency.from, &names), self.resolve(&dependency.to, &names)) {
                self.link(below, above, false, dependency.port.clone().unwrap_or_default());
            }
        }
        // A group on which nothing depends would hurt nobody; it stands in the map because the service needs it.
        for group in &service.spec.groups {
            if let Some(node) = names.groups.get(&*group.name).copied().filter(|node| self.graph.neighbors(*node).next().is_none()) {
                self.link(node, own, false, Text::default());
            }
        }
    }

    fn read_group(&mut self, node: NodeIndex, group: &Group, names: &Names) {
        let mut members: Vec<NodeIndex> = group.members.iter().filter_map(|name| self.resolve(name, names)).filter(|member| *member != node).collect();
        members.sort();
        members.dedup();
        let count = members.len();
        let needs = group.needs.map_or(count, |needs| needs as usize);
        let label: Text = format!("{needs} of {count} needed").into();
        for member in members {
            self.link(member, node, true, label.clone());
        }
        if let Some(weight) = self.graph.node_weight_mut(node) {
            weight.part = Part::Group { needs, members: count };
        }
    }

    /// What a name of a map stands for: the service itself, a group of the map, `service/NAME`, or an item.
    fn resolve(&mut self, name: &str, names: &Names) -> Option<NodeIndex> {
        if name == names.service {
            return Some(names.own);
        }
        if let Some(group) = names.groups.get(name) {
            return Some(*group);
        }
        match name.strip_prefix("service/") {
            Some(service) => self.services.get(service).copied(),
            None => self.item(name),
        }
    }

    /// Adds what the items of the graph need, and what those need, until there is nothing new.
    fn follow_relations(&mut self) {
        let estate = self.estate;
        let told_by_others = told_by_others(estate);
        while let Some((index, node)) = self.queue.pop() {
            let Some(item) = estate.items.get(index) else { continue };
            for relation in item.spec.relations.iter().filter(|relation| NEEDS.contains(&&*relation.kind)) {
                if let Some(used) = self.item(&relation.to) {
                    self.link(used, node, false, relation.kind.clone());
                }
            }
            for (used, kind) in told_by_others.get(&*item.name).into_iter().flatten() {
                if let Some(used) = self.item(used) {
                    self.link(used, node, false, (*kind).clone());
                }
            }
        }
    }
}

/// The names that mean something special in one map.
struct Names<'a> {
    service: &'a str,
    own: NodeIndex,
    groups: HashMap<&'a str, NodeIndex>,
}

/// For each item, which items say that it needs them, and by which type of relation.
fn told_by_others(estate: &Estate) -> HashMap<&str, Vec<(&Text, &Text)>> {
    let mut told: HashMap<&str, Vec<(&Text, &Text)>> = HashMap::new();
    for item in &estate.items {
        for relation in item.spec.relations.iter().filter(|relation| NEEDED.contains(&&*relation.kind)) {
            told.entry(&relation.to).or_default().push((&item.name, &relation.kind));
        }
    }
    told
}
