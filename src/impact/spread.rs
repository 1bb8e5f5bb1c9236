//! How a failure spreads from a few items to the services above them.
//!
//! First everything that is down, which only grows; then what is at risk or degraded, which only worsens. So both end,
//! in a circle too, and the order in which they are worked out does not matter. Only what can be reached is touched.

use std::collections::{HashMap, HashSet, VecDeque};

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::{Link, Node, Part};
use crate::api::Text;
use crate::api::change_request::EffectOnService::{self, AtRisk, Degraded, Down};

pub(super) struct Spread<'g> {
    graph: &'g DiGraph<Node, Link>,
    failing: Vec<NodeIndex>,
    down: HashSet<NodeIndex>,
    /// How many members each group has lost.
    lost: HashMap<NodeIndex, usize>,
    /// What is not down and yet hurt.
    hurt: HashMap<NodeIndex, EffectOnService>,
}

impl<'g> Spread<'g> {
    pub(super) fn new(graph: &'g DiGraph<Node, Link>, failing: Vec<NodeIndex>) -> Self {
        let mut spread = Self { graph, down: failing.iter().copied().collect(), failing, lost: HashMap::new(), hurt: HashMap::new() };
        spread.take_down();
        spread.hurt_what_is_left();
        spread
    }

    fn take_down(&mut self) {
        let mut queue = self.failing.clone();
        while let Some(node) = queue.pop() {
            for edge in self.graph.edges(node) {
                let user = edge.target();
                let falls = if edge.weight().member {
                    *self.lost.entry(user).or_default() += 1;
                    self.has_too_few(user)
                } else {
                    true
                };
                if falls && self.down.insert(user) {
                    queue.push(user);
                }
            }
        }
    }

    fn hurt_what_is_left(&mut self) {
        let mut queue = Vec::new();
        for group in self.lost.keys().copied().filter(|group| !self.down.contains(group)) {
            self.hurt.insert(group, self.of_its_own(group));
            queue.push(group);
        }
        while let Some(node) = queue.pop() {
            for edge in self.graph.edges(node) {
                let user = edge.target();
                let Some(effect) = self.passed_on(node, user, edge.weight()).filter(|_| !self.down.contains(&user)) else { continue };
                if self.hurt.get(&user).is_none_or(|known| *known < effect) {
                    self.hurt.insert(user, effect);
                    queue.push(user);
                }
            }
        }
    }

    /// How many members of a group work, and how many it needs.
    fn strength(&self, group: NodeIndex) -> (usize, usize) {
        match self.graph.node_weight(group).map(|node| node.part) {
            Some(Part::Group { needs, members }) => (members.saturating_sub(self.lost.get(&group).copied().unwrap_or(0)), needs),
            _ => (0, 0),
        }
    }

    fn has_too_few(&self, group: NodeIndex) -> bool {
        let (working, needs) = self.strength(group);
        working < needs
    }

    fn has_spare(&self, group: NodeIndex) -> bool {
        let (working, needs) = self.strength(group);
        working > needs
    }

    /// What the loss of members does to a group that still works.
    fn of_its_own(&self, group: NodeIndex) -> EffectOnService {
        if self.has_spare(group) { Degraded } else { AtRisk }
    }

    /// What a hurt node does to one that needs it.
    fn passed_on(&self, node: NodeIndex, user: NodeIndex, link: &Link) -> Option<EffectOnService> {
        let effect = *self.hurt.get(&node)?;
        (effect != AtRisk || !link.member || !self.has_spare(user)).then_some(effect)
    }

    fn effect(&self, node: NodeIndex) -> Option<EffectOnService> {
        if self.down.contains(&node) { Some(Down) } else { self.hurt.get(&node).copied() }
    }

    /// Whether the state of `node` is the reason for the state of `user`.
    fn explains(&self, node: NodeIndex, user: NodeIndex, link: &Link) -> bool {
        match (self.effect(node), self.effect(user)) {
            (Some(Down), Some(Down)) => !link.member || self.has_too_few(user),
            (Some(Down), Some(effect)) => link.member && self.of_its_own(user) == effect,
            (Some(_), Some(effect)) => self.passed_on(node, user, link) == Some(effect),
            _ => false,
        }
    }

    /// The users that a node explains, in order of name, so that of two paths of one length always the same is shown.
    fn explained(&self, node: NodeIndex) -> Vec<(NodeIndex, &'g Text)> {
        let mut users: Vec<(NodeIndex, &'g Link)> =
            self.graph.edges(node).filter(|edge| self.explains(node, edge.target(), edge.weight())).map(|edge| (edge.target(), edge.weight())).collect();
        users.sort_by_key(|(user, link)| (self.graph.node_weight(*user).map(|user| &user.name), &link.label));
        users.into_iter().map(|(user, link)| (user, &link.label)).collect()
    }

    /// For each node that is reached, the node before it on a shortest path.
    fn paths(&self) -> HashMap<NodeIndex, Option<NodeIndex>> {
        let mut before: HashMap<NodeIndex, Option<NodeIndex>> = self.failing.iter().map(|node| (*node, None)).collect();
        let mut queue: VecDeque<NodeIndex> = self.failing.iter().copied().collect();
        while let Some(node) = queue.pop_front() {
            for (user, _) in self.explained(node) {
                before.entry(user).or_insert_with(|| {
                    queue.push_back(user);
                    Some(node)
                });
            }
        }
        before
    }

    fn is_service(&self, node: NodeIndex) -> bool {
        self.graph.node_weight(node).is_some_and(|node| node.part == Part::Service)
    }

    /// The services that are hurt, how, and by which shortest path; in no order.
    pub(super) fn services(&self) -> Vec<(NodeIndex, EffectOnService, Vec<NodeIndex>)> {
        let before = self.paths();
        let services = before.keys().copied().filter(|node| self.is_service(*node));
        services
            .filter_map(|service| {
                let mut path: Vec<NodeIndex> = std::iter::successors(Some(service), |node| before.get(node).copied().flatten()).collect();
                path.reverse();
                Some((service, self.effect(service)?, path))
            })
            .collect()
    }

    /// The steps that lead from the failing items to a service, with their labels; in no order.
    pub(super) fn steps(&self) -> Vec<(NodeIndex, NodeIndex, Text)> {
        let reached = self.paths();
        let steps: Vec<(NodeIndex, NodeIndex, &Text)> =
            reached.keys().flat_map(|node| self.explained(*node).into_iter().map(|(user, label)| (*node, user, label))).collect();
        let mut below: HashMap<NodeIndex, Vec<NodeIndex>> = HashMap::new();
        for (from, to, _) in &steps {
            below.entry(*to).or_default().push(*from);
        }
        let mut useful = HashSet::new();
        let mut queue: Vec<NodeIndex> = reached.keys().copied().filter(|node| self.is_service(*node)).collect();
        while let Some(node) = queue.pop() {
            if useful.insert(node) {
                queue.extend(below.get(&node).into_iter().flatten());
            }
        }
        steps.into_iter().filter(|(_, to, _)| useful.contains(to)).map(|(from, to, label)| (from, to, label.clone())).collect()
    }
}
