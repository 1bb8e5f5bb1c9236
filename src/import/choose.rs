//! Which of the things that nobody declared are imported.

use super::names::object_name;
use crate::api::{Selector, Text};
use crate::discovery::{Discovered, Observation};
use crate::drift::Thing;
use crate::estate::Estate;
use crate::estate::select::{Matcher, Subject};

/// What is imported. Nothing given: everything.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Only what one of these sources found.
    pub sources: Vec<Text>,
    /// Only items of these classes, or of classes that extend them.
    pub classes: Vec<Text>,
    /// Only what this chooses.
    pub selector: Option<Selector>,
    /// Attributes that no class knows and that are imported all the same; `*` stands for any run of characters.
    pub attributes: Vec<Text>,
}

/// A choice, made ready for many things.
pub(super) struct Chosen<'a> {
    estate: &'a Estate,
    discovered: &'a Discovered,
    choice: &'a Choice,
    matcher: Option<Matcher>,
}

impl<'a> Chosen<'a> {
    pub(super) fn new(estate: &'a Estate, discovered: &'a Discovered, choice: &'a Choice) -> Self {
        Self { estate, discovered, choice, matcher: choice.selector.as_ref().map(Matcher::new) }
    }

    /// A thing is taken if any of its sightings is, as the class that says most.
    pub(super) fn takes(&self, thing: &Thing) -> bool {
        let seen = || thing.seen.iter().filter_map(|seen| seen.sighting.find(self.discovered));
        let from = self.choice.sources.is_empty() || seen().any(|(answer, _)| self.choice.sources.contains(&answer.source));
        from && self.is_of(&thing.class) && seen().any(|(_, observation)| self.selects(observation, &thing.class))
    }

    /// The same of a sighting that is not known to be of one thing.
    pub(super) fn takes_observation(&self, source: &Text, observation: &Observation) -> bool {
        let from = self.choice.sources.is_empty() || self.choice.sources.contains(source);
        from && self.is_of(&observation.class) && self.selects(observation, &observation.class)
    }

    fn is_of(&self, class: &str) -> bool {
        let classes = &self.choice.classes;
        classes.is_empty() || self.estate.classes.is_any(class, classes)
    }

    fn selects(&self, observation: &Observation, class: &str) -> bool {
        let Some(matcher) = &self.matcher else { return true };
        let subject = |name| Subject {
            name,
            class,
            owner: observation.owner.as_deref(),
            labels: Some(&observation.labels),
            fqdn: observation.identifiers.get("dns/fqdn").map(|name| &**name),
            ..Subject::default()
        };
        // As the source calls it, or as it would be declared.
        matcher.matches(&self.estate.classes, &subject(&observation.name)) || matcher.matches(&self.estate.classes, &subject(&object_name(&observation.name)))
    }
}
