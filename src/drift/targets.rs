//! Which declared item a source means by the other end of a relation.
//!
//! A source says it by a name or by identifiers. What is declared is asked first: an item of that name, or with those
//! identifiers. Then what was found: the item that the same source calls so, else the only thing that any source calls so,
//! or that any source knows by these identifiers. What leads to several items, or also to something that nobody declared,
//! leads to none.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::discovery::{Discovered, Observation, Target};
use crate::estate::Estate;
use crate::identity::ends::{ByIdentifier, Ends, Key, keys, only_item};
use crate::identity::{Correlation, Sighting};

/// Resolves the targets of relations. What it needs for that is made when it is first asked.
pub struct Targets<'a> {
    estate: &'a Estate,
    discovered: &'a Discovered,
    correlation: &'a Correlation,
    declared: OnceLock<Ends<'a>>,
    seen: OnceLock<Seen<'a>>,
}

/// What sources call the items that they found; only what relations speak of and no declaration says.
#[derive(Default)]
struct Seen<'a> {
    /// By answer and name.
    names: HashMap<(u32, &'a str), Option<usize>>,
    /// By name, whoever says it.
    anywhere: HashMap<&'a str, Option<usize>>,
    identifiers: ByIdentifier<'a>,
}

impl<'a> Targets<'a> {
    /// Of what is declared and what was found.
    pub fn new(estate: &'a Estate, discovered: &'a Discovered, correlation: &'a Correlation) -> Self {
        Self { estate, discovered, correlation, declared: OnceLock::new(), seen: OnceLock::new() }
    }

    /// The index of the item that the source of this answer means.
    pub fn of(&self, answer: u32, target: &Target) -> Option<usize> {
        match target {
            Target::Name(name) => self.named(name).or_else(|| {
                let seen = self.seen();
                *seen.names.get(&(answer, &**name)).or_else(|| seen.anywhere.get(&**name))?
            }),
            Target::Identifiers(identifiers) => self.declared().item_of(identifiers).or_else(|| only_item(&self.seen().identifiers, identifiers)),
        }
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.estate.item(name).or_else(|| self.estate.item(&name.to_lowercase()))
    }

    fn declared(&self) -> &Ends<'a> {
        self.declared.get_or_init(|| Ends::new(self.estate))
    }

    fn seen(&self) -> &Seen<'a> {
        self.seen.get_or_init(|| self.look())
    }

    /// Goes through what was found once, for what relations speak of.
    fn look(&self) -> Seen<'a> {
        let wanted = self.wanted();
        if wanted.names.is_empty() && wanted.identifiers.is_empty() {
            return Seen::default();
        }
        let (mut names, mut identifiers) = (Vec::new(), Vec::new());
        for (sighting, observation) in self.observations() {
            if wanted.names.contains(&*observation.name) {
                names.push((&*observation.name, sighting));
            }
            identifiers.extend(keys(&observation.identifiers).filter(|key| wanted.identifiers.contains(key)).map(|key| (key, sighting)));
        }
        let asked: HashSet<Sighting> = names.iter().map(|(_, sighting)| *sighting).chain(identifiers.iter().map(|(_, sighting)| *sighting)).collect();
        let matches = self.correlation.matches().iter().filter(|found| asked.contains(&found.sighting));
        let items: HashMap<Sighting, usize> = matches.map(|found| (found.sighting, found.item as usize)).collect();
        let mut seen = Seen::default();
        for (name, sighting) in names {
            note(&mut seen.names, (sighting.answer, name), items.get(&sighting).copied());
            note(&mut seen.anywhere, name, items.get(&sighting).copied());
        }
        for (key, sighting) in identifiers {
            note(&mut seen.identifiers, key, items.get(&sighting).copied());
        }
        seen
    }

    /// The names and identifiers of targets that no declaration has.
    fn wanted(&self) -> Wanted<'a> {
        let mut wanted = Wanted::default();
        for (_, observation) in self.observations() {
            for relation in &observation.relations {
                match &relation.to {
                    Target::Name(name) if self.named(name).is_none() => drop(wanted.names.insert(&**name)),
                    Target::Name(_) => {}
                    Target::Identifiers(identifiers) => wanted.identifiers.extend(keys(identifiers).filter(|(name, value)| !self.declared().has(name, value))),
                }
            }
        }
        wanted
    }

    fn observations(&self) -> impl Iterator<Item = (Sighting, &'a Observation)> {
        let answers = (0..).zip(&self.discovered.answers);
        answers.flat_map(|(answer, said)| (0..).zip(&said.items).map(move |(index, observation)| (Sighting { answer, index }, observation)))
    }
}

#[derive(Default)]
struct Wanted<'a> {
    names: HashSet<&'a str>,
    identifiers: HashSet<Key<'a>>,
}

fn note<K: std::hash::Hash + Eq>(known: &mut HashMap<K, Option<usize>>, key: K, item: Option<usize>) {
    known.entry(key).and_modify(|first| *first = first.filter(|first| Some(*first) == item)).or_insert(item);
}
