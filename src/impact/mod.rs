//! The service graph: who is hurt when an item fails or is changed.
//!
//! ```text
//! build    an estate's service maps and items as one graph; an edge leads from what is needed to what needs it
//! spread   what becomes of everything that can be reached from a few failing items
//! ```
//!
//! What is down, at risk or degraded:
//!
//! - An item, group or service is **down** if something that it plainly depends on is down.
//! - A group is down if fewer of its members work than it `needs` (all of them where it does not say).
//! - A group that has lost members and still works is **at risk** if exactly as many work as it needs: one more failure
//!   takes it down. If more work than it needs it is **degraded**: it has less than it is meant to have.
//! - Both pass to whatever depends on the group, up to the services and on to the services that depend on those. A group
//!   that can spare a member absorbs a member's risk, for that risk alone can no longer take it down; it does not absorb
//!   a member's degradation, for there is less of it.
//! - A service that is hurt in several ways shows the worst: down, then degraded, then at risk. So a group of 2 that needs
//!   1 is at risk after one failure, a group of 5 that needs 3 is degraded after the first and at risk after the second.
//!
//! Names that stand for nothing are left out here; the check reports them. Circles end.

mod build;
mod spread;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use petgraph::graph::{DiGraph, NodeIndex};

use crate::api::Text;
use crate::api::change_request::ServiceEffect;
use crate::estate::Estate;
use spread::Spread;

/// The services of an estate and all they stand on. It holds only what can hurt a service, so an estate of many items
/// and few services has a small graph.
#[derive(Debug, Default)]
pub struct ServiceGraph {
    graph: DiGraph<Node, Link>,
    items: HashMap<Text, NodeIndex>,
    /// The services above each node, by node; sorted.
    above: Vec<Vec<Text>>,
}

/// How one service is hurt, and by which path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// The service and the effect.
    pub effect: ServiceEffect,
    /// From the item to the service: item, group (`payments/web`), service …, each by name.
    pub path: Vec<Text>,
}

/// One step by which a failure spreads, for a map of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// What fails: an item, a group (`payments/web`) or a service, by name.
    pub from: Text,
    /// What is hurt by it.
    pub to: Text,
    /// How they are bound: a port (`5432/tcp`), the type of a relation (`RunsOn`), `2 of 3 needed` for a member of a
    /// group; empty for a plain dependency.
    pub label: Text,
}

/// Something that can fail or be hurt.
#[derive(Clone, Debug)]
struct Node {
    name: Text,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Item,
    Group { needs: usize, members: usize },
    Service,
}

/// That the target needs the source.
#[derive(Clone, Debug)]
struct Link {
    /// As one of the members of a group, of which some may be enough.
    member: bool,
    label: Text,
}

/// Sorts impacts for a reader: worst first; of services that are hurt alike the nearest first, then by name.
pub fn nearest_first(impacts: &mut [Impact]) {
    impacts.sort_by(|a, b| (Reverse(a.effect.effect), a.path.len(), &a.effect.name).cmp(&(Reverse(b.effect.effect), b.path.len(), &b.effect.name)));
}

impl ServiceGraph {
    /// Reads the graph from an estate's service maps and items.
    pub fn new(estate: &Estate) -> Self {
        let (graph, items) = build::graph(estate);
        let above = services_above(&graph);
        Self { graph, items, above }
    }

    /// What becomes of every service if these items fail together, worst first, then by name. Names of items that no
    /// service stands on cost one look-up each.
    pub fn effects_of(&self, items: &[Text]) -> Vec<Impact> {
        let failing = self.known(items);
        if failing.is_empty() {
            return Vec::new();
        }
        let spread = Spread::new(&self.graph, failing);
        let mut impacts: Vec<Impact> = spread
            .services()
            .into_iter()
            .map(|(service, effect, path)| Impact {
                effect: ServiceEffect { name: self.name(service), effect },
                path: path.into_iter().map(|node| self.name(node)).collect(),
            })
            .collect();
        impacts.sort_by(|a, b| b.effect.effect.cmp(&a.effect.effect).then_with(|| a.effect.name.cmp(&b.effect.name)));
        impacts
    }

    /// The names of the services that the item is part of, directly or through other items, groups and services, sorted.
    pub fn services_of(&self, item: &str) -> &[Text] {
        self.items.get(item).and_then(|node| self.above.get(node.index())).map_or(&[], Vec::as_slice)
    }

    /// The steps by which a failure of these items reaches the services that it hurts, sorted. Only steps that carry the
    /// effect are among them: a member that a group can spare leads to no service that is down.
    pub fn around(&self, items: &[Text]) -> Vec<Edge> {
        let failing = self.known(items);
        if failing.is_empty() {
            return Vec::new();
        }
        let mut edges: Vec<Edge> =
            Spread::new(&self.graph, failing).steps().into_iter().map(|(from, to, label)| Edge { from: self.name(from), to: self.name(to), label }).collect();
        edges.sort();
        edges.dedup();
        edges
    }

    /// The nodes of these items, in order of name, each once.
    fn known(&self, items: &[Text]) -> Vec<NodeIndex> {
        let mut names: Vec<&Text> = items.iter().filter(|name| self.items.contains_key(*name)).collect();
        names.sort();
        names.dedup();
        names.into_iter().filter_map(|name| self.items.get(name).copied()).collect()
    }

    fn name(&self, node: NodeIndex) -> Text {
        self.graph.node_weight(node).map(|node| node.name.clone()).unwrap_or_default()
    }
}

/// The services above each node. Services are taken in order of name, so each list is sorted.
fn services_above(graph: &DiGraph<Node, Link>) -> Vec<Vec<Text>> {
    let mut services: Vec<(&Text, NodeIndex)> = graph
        .node_indices()
        .filter_map(|node| graph.node_weight(node).filter(|weight| weight.part == Part::Service).map(|weight| (&weight.name, node)))
        .collect();
    services.sort();
    let mut above = vec![Vec::new(); graph.node_count()];
    let mut seen = HashSet::new();
    for (name, service) in services {
        seen.clear();
        let mut queue = vec![service];
        while let Some(node) = queue.pop() {
            if !seen.insert(node) {
                continue;
            }
            if let Some(list) = above.get_mut(node.index()) {
                list.push(name.clone());
            }
            queue.extend(graph.neighbors_directed(node, petgraph::Direction::Incoming));
        }
    }
    above
}
