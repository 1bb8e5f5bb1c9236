//! The other ends of relations, for rules that identify a thing within another: a database within the machine it runs on.

use std::borrow::Cow;
use std::collections::HashMap;

use super::normal_form;
use crate::api::configuration_item::Relation;
use crate::api::{Table, Text};
use crate::discovery::{ObservedRelation, Target};
use crate::estate::Estate;

/// The relations of a thing, declared or observed.
#[derive(Clone, Copy)]
pub(super) enum Relations<'a> {
    /// Nobody asks for them.
    None,
    /// Those of a declared item.
    Declared(&'a [Relation]),
    /// Those of an observation, and what is known of their ends.
    Observed(&'a [ObservedRelation], &'a Ends<'a>),
}

impl<'a> Relations<'a> {
    /// The one thing to which relations of this type lead, in a spelling that is the same from every side; none where there
    /// is none, or where they lead to several.
    pub(super) fn target(self, kind: &str) -> Option<Cow<'a, str>> {
        match self {
            Self::None => None,
            Self::Declared(relations) => only(relations.iter().filter(|relation| *relation.kind == *kind).map(|relation| declared(&relation.to))),
            Self::Observed(relations, ends) => only(relations.iter().filter(|relation| *relation.kind == *kind).map(|relation| ends.of(&relation.to))),
        }
    }
}

fn only(mut targets: impl Iterator<Item = String>) -> Option<Cow<'static, str>> {
    let first = targets.next()?;
    targets.all(|target| target == first).then_some(Cow::Owned(first))
}

fn declared(name: &str) -> String {
    format!("item {name}")
}

/// The identifiers that identify, in normal form.
pub(crate) fn keys(identifiers: &Table<Text>) -> impl Iterator<Item = Key<'_>> {
    identifiers.iter().filter_map(|(name, value)| Some((&**name, normal_form(None, name, value)?)))
}

/// The item that has one of these identifiers; none where there is none, or where they lead to several.
pub(crate) fn only_item(known: &ByIdentifier, identifiers: &Table<Text>) -> Option<usize> {
    let mut items = keys(identifiers).filter_map(|(name, value)| *known.get(&(name, Cow::Borrowed(&*value)))?);
    let first = items.next()?;
    items.all(|item| item == first).then_some(first)
}

/// An identifier and its value in its normal form.
pub(crate) type Key<'a> = (&'a str, Cow<'a, str>);
/// The item that has an identifier; none where several have it.
pub(crate) type ByIdentifier<'a> = HashMap<Key<'a>, Option<usize>>;

/// Which declared item an identifier belongs to.
pub(crate) struct Ends<'a> {
    by_identifier: ByIdentifier<'a>,
    estate: &'a Estate,
}

impl<'a> Ends<'a> {
    /// Of all items that are declared.
    pub(crate) fn new(estate: &'a Estate) -> Self {
        let mut by_identifier = ByIdentifier::new();
        for (place, item) in estate.items.iter().enumerate() {
            let class = estate.classes.get(&item.spec.class);
            for (name, value) in &item.spec.identifiers {
                if let Some(value) = normal_form(class, name, value) {
                    by_identifier.entry((name, value)).and_modify(|item| *item = None).or_insert(Some(place));
                }
            }
        }
        Self { by_identifier, estate }
    }

    /// The declared item that has one of these identifiers; none where there is none, or where they lead to several.
    pub(crate) fn item_of(&self, identifiers: &Table<Text>) -> Option<usize> {
        only_item(&self.by_identifier, identifiers)
    }

    /// Whether anything that is declared has this identifier; the value is in normal form.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.by_identifier.contains_key(&(name, Cow::Borrowed(value)))
    }

    fn of(&self, target: &Target) -> String {
        match target {
            Target::Name(name) if self.estate.item(name).is_some() => declared(name),
            Target::Name(name) => format!("name {name}"),
            Target::Identifiers(identifiers) => self.identified(identifiers),
        }
    }

    fn identified(&self, identifiers: &Table<Text>) -> String {
        if let Some(item) = self.item_of(identifiers).and_then(|place| self.estate.items.get(place)) {
            return declared(&item.name);
        }
        keys(identifiers).map(|(name, value)| format!("{name} {value}")).min().map_or_else(|| "nothing".to_owned(), |least| format!("with {least}"))
    }
}
