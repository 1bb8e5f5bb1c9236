//! What the items of a class mostly declare, and so each of them should: learned from the estate itself, because no class
//! says it of every estate.

use std::collections::BTreeMap;

use super::Item;
use crate::api::Text;

/// A class of fewer items has nothing that is usual.
const FEW: usize = 5;
/// What so many of a hundred items have is usual.
const USUAL: usize = 80;
/// How many things that are not there are named.
const NAMED: usize = 3;

/// What items of a class have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Attribute(&'a str),
    Relation(&'a str),
}

/// What is usual, by class.
pub(super) struct Usual<'a> {
    classes: BTreeMap<&'a str, Vec<Part<'a>>>,
}

impl<'a> Usual<'a> {
    pub(super) fn new(items: impl Iterator<Item = &'a Item>) -> Self {
        let mut counted: BTreeMap<&str, (usize, BTreeMap<Part, usize>)> = BTreeMap::new();
        for item in items {
            let (number, parts) = counted.entry(&item.spec.class).or_default();
            *number += 1;
            for part in parts_of(item) {
                *parts.entry(part).or_default() += 1;
            }
        }
        let usual = |(number, parts): (usize, BTreeMap<Part<'a>, usize>)| -> Vec<Part<'a>> {
            parts.into_iter().filter(|(_, count)| count * 100 >= number * USUAL).map(|(part, _)| part).collect()
        };
        let classes = counted.into_iter().filter(|(_, (number, _))| *number >= FEW).map(|(class, parts)| (class, usual(parts)));
        Self { classes: classes.filter(|(_, parts)| !parts.is_empty()).collect() }
    }

    /// Whether the item has what its class mostly has; none where nothing is usual.
    pub(super) fn has_it(&self, item: &Item, problems: &mut Vec<Text>) -> Option<bool> {
        let usual = self.classes.get(&*item.spec.class)?;
        let has: Vec<Part> = parts_of(item).collect();
        let lacks: Vec<&str> = usual.iter().filter(|part| !has.contains(part)).map(Part::name).collect();
        if lacks.is_empty() {
            return Some(true);
        }
        let more = if lacks.len() > NAMED { format!(" and {} more", lacks.len() - NAMED) } else { String::new() };
        let named: Vec<&str> = lacks.into_iter().take(NAMED).collect();
        problems.push(format!("no {}{more}, which its like have", named.join(", ")).into());
        Some(false)
    }
}

impl<'a> Part<'a> {
    fn name(&self) -> &'a str {
        match self {
            Self::Attribute(name) | Self::Relation(name) => name,
        }
    }
}

fn parts_of(item: &Item) -> impl Iterator<Item = Part<'_>> {
    let attributes = item.spec.attributes.iter().filter(|(_, value)| !value.is_absent()).map(|(name, _)| Part::Attribute(name));
    let mut kinds: Vec<&str> = item.spec.relations.iter().map(|relation| &*relation.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    attributes.chain(kinds.into_iter().map(Part::Relation))
}
