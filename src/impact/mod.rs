//! The service graph: who is hurt when an item fails or is changed.

use crate::api::Text;
use crate::api::change_request::ServiceEffect;
use crate::estate::Estate;

/// The services of an estate and all they stand on.
#[derive(Debug, Default)]
pub struct ServiceGraph {}

/// How one service is hurt, and by which path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// The service and the effect.
    pub effect: ServiceEffect,
    /// From the item to the service: item, group (`payments/web`), service …, each by name.
    pub path: Vec<Text>,
}

/// One edge of the graph, from what fails to what stands on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// What fails.
    pub from: Text,
    /// What is hurt.
    pub to: Text,
    /// A word for the edge, for example the port.
    pub label: Option<Text>,
}

impl ServiceGraph {
    /// Reads the graph from an estate's service maps and items.
    pub fn new(_estate: &Estate) -> Self {
        Self {}
    }

    /// What becomes of every service if these items fail together, worst first, then by name.
    pub fn effects_of(&self, _items: &[Text]) -> Vec<Impact> {
        Vec::new()
    }

    /// The edges that lead from these items to the services they hurt, sorted.
    pub fn around(&self, _items: &[Text]) -> Vec<Edge> {
        Vec::new()
    }

    /// The names of the services that the item is part of, directly or through others, sorted.
    pub fn services_of(&self, _item: &str) -> &[Text] {
        &[]
    }
}
