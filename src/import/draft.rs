//! What of a thing is declared: what its class knows or people declare of its class, nothing that is volatile, sensitive
//! or says again what an identifier says; no identifier that another thing has too; labels that objects may have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::choose::Choice;
use super::report::{LeftOut, Reason};
use crate::api::configuration_item::Relation;
use crate::api::{ConfigurationItemSpec, Lifecycle, Table, Text, Value};
use crate::discovery::{Discovered, Observation};
use crate::drift::Thing;
use crate::drift::compare::presentable;
use crate::estate::check::schema::Compiled;
use crate::estate::check::shared::{Naming, normal};
use crate::estate::select::name_matches;
use crate::estate::{Class, Declared, Estate, Origin};
use crate::identity::{Correlation, Sighting, normal_form};

/// An item on its way to being declared.
pub(super) struct Draft {
    /// What was found.
    pub(super) thing: Thing,
    /// What it is called here.
    pub(super) name: Text,
    pub(super) labels: Table<Text>,
    pub(super) owner: Option<Text>,
    pub(super) identifiers: Table<Text>,
    pub(super) attributes: Table<Value>,
    pub(super) relations: Vec<Relation>,
    /// Types of relations that are not declared, because they would be contradicted.
    pub(super) mute: BTreeSet<Text>,
    /// The types of the relations whose other end has no name here, one for each.
    pub(super) unnamed: Vec<Text>,
    /// Attributes that are not declared, because no class knows them.
    pub(super) unknown: Vec<Text>,
    /// Parts that would not stand: the path, why, and what sources say.
    pub(super) without: Vec<(Text, Reason, Value)>,
    /// Whether an item of its own name is declared already.
    pub(super) namesake: bool,
}

impl Draft {
    /// The item as the estate would have it.
    pub(super) fn declared(&self) -> Declared<ConfigurationItemSpec> {
        let spec = ConfigurationItemSpec {
            class: self.thing.class.clone(),
            lifecycle: Lifecycle::default(),
            owner: self.owner.clone(),
            identifiers: self.identifiers.clone(),
            attributes: self.attributes.clone(),
            relations: self.relations.clone(),
            on_drift: None,
        };
        Declared { name: self.name.clone(), labels: self.labels.clone(), spec, origin: Origin::default() }
    }

    /// Goes without an identifier that others have too.
    pub(super) fn does_not_share(&mut self, identifier: &str) {
        self.identifiers = std::mem::take(&mut self.identifiers).without(identifier);
        self.without.push((format!("identifiers.{identifier}").into(), Reason::Shared, Value::Null));
    }
}

/// The values of identifiers that several things have, declared or not.
pub(super) struct Shared<'a> {
    naming: Naming<'a>,
    /// By identifier and value, whether more than one thing has it.
    known: HashMap<(&'a str, String), (usize, bool)>,
}

impl<'a> Shared<'a> {
    /// Of what is declared, with all that its sources know it by, and of all that is not.
    pub(super) fn new(estate: &'a Estate, discovered: &'a Discovered, correlation: &Correlation) -> Self {
        let mut shared = Self { naming: Naming::new(estate), known: HashMap::new() };
        for (owner, item) in estate.items.iter().enumerate() {
            shared.note(owner, &item.spec.class, &item.spec.identifiers);
        }
        let declared = correlation.matches().iter().map(|found| (found.item as usize, found.sighting));
        let groups = correlation.undeclared().chain(correlation.duplicates.iter().filter(|one| one.item.is_none()).map(|one| one.sightings.as_slice()));
        let others = (estate.items.len()..).zip(groups).flat_map(|(owner, sightings)| sightings.iter().map(move |sighting| (owner, *sighting)));
        for (owner, sighting) in declared.chain(others) {
            if let Some((_, observation)) = sighting.find(discovered) {
                shared.note(owner, &observation.class, &observation.identifiers);
            }
        }
        shared
    }

    fn note(&mut self, owner: usize, class: &str, identifiers: &'a Table<Text>) {
        for (name, value) in identifiers.iter().filter(|(name, value)| self.naming.names(class, name, value)) {
            let known = self.known.entry((name, normal(name, value))).or_insert((owner, false));
            known.1 |= known.0 != owner;
        }
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.known.get(&(name, normal(name, value))).is_some_and(|(_, several)| *several)
    }
}

/// A draft of each thing whose class is known.
pub(super) fn of(estate: &Estate, discovered: &Discovered, things: Vec<Thing>, choice: &Choice, shared: &Shared, left_out: &mut Vec<LeftOut>) -> Vec<Draft> {
    let declared = declared_attributes(estate);
    let mut drafts = Vec::with_capacity(things.len());
    for thing in things {
        let Some(class) = estate.classes.get(&thing.class) else {
            left_out.push(LeftOut::of(discovered, &thing, Reason::UnknownClass));
            continue;
        };
        let seen: Vec<&Observation> = thing.seen.iter().filter_map(|seen| Some(seen.sighting.find(discovered)?.1)).collect();
        let known = |name: &str| {
            let declared = || declared.iter().any(|(of, names)| names.contains(name) && related(estate, &class.name, of));
            class.rules.fields.contains(name) || identifies(class, name) || choice.attributes.iter().any(|wanted| name_matches(wanted, name)) || declared()
        };
        let (attributes, unknown) = attributes(class, &thing, &seen, &known);
        let identifiers = thing.identifiers.iter().map(|(name, value)| (name.clone(), tidy(name, value))).collect();
        let mut draft = Draft {
            name: Text::default(),
            labels: labels(&seen),
            owner: seen.iter().find_map(|one| one.owner.clone()),
            identifiers,
            attributes,
            relations: Vec::new(),
            mute: BTreeSet::new(),
            unnamed: Vec::new(),
            unknown,
            without: Vec::new(),
            namesake: false,
            thing,
        };
        let common: Vec<Text> = draft.identifiers.iter().filter(|(name, value)| shared.has(name, value)).map(|(name, _)| name.clone()).collect();
        for name in &common {
            draft.does_not_share(name);
        }
        drafts.push(draft);
    }
    drafts
}

/// The drafts that satisfy the schemas of their classes, some of them without the attributes that do not.
pub(super) fn hold_to_classes(estate: &Estate, discovered: &Discovered, drafts: Vec<Draft>, left_out: &mut Vec<LeftOut>) -> Vec<Draft> {
    let mut schemas: BTreeMap<Text, Option<Compiled>> = BTreeMap::new();
    let mut held = Vec::with_capacity(drafts.len());
    for mut draft in drafts {
        let compile = || Compiled::new(estate.classes.get(&draft.thing.class)?.schema.to_json()).ok();
        let schema = schemas.entry(draft.thing.class.clone()).or_insert_with(compile);
        if schema.as_ref().is_none_or(|schema| satisfy(schema, &mut draft)) {
            held.push(draft);
        } else {
            left_out.push(LeftOut::of(discovered, &draft.thing, Reason::BreaksClass));
        }
    }
    held
}

/// Takes out the attributes that break the schema of the class; whether it holds then.
fn satisfy(schema: &Compiled, draft: &mut Draft) -> bool {
    let json = |attributes: &Table<Value>| Value::Map(attributes.clone()).to_json();
    if schema.is_valid(&json(&draft.attributes)) {
        return true;
    }
    let mistakes = schema.mistakes(&json(&draft.attributes), &|_| true);
    let wrong: BTreeSet<&String> = mistakes.iter().filter_map(|mistake| mistake.path.first()).collect();
    for name in wrong {
        draft.attributes = std::mem::take(&mut draft.attributes).without(name);
        draft.without.push((format!("attributes.{name}").into(), Reason::BreaksClass, Value::Null));
    }
    schema.is_valid(&json(&draft.attributes))
}

/// A value of an identifier in its normal form; one that is only written in other letters stays as the source writes it,
/// but for host names.
fn tidy(name: &str, value: &Text) -> Text {
    match normal_form(None, name, value) {
        Some(normal) if name.starts_with("dns/") || !normal.eq_ignore_ascii_case(value.trim()) => normal.as_ref().into(),
        _ => value.trim().into(),
    }
}

/// The attributes that people declare of each class.
fn declared_attributes(estate: &Estate) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut declared: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for item in &estate.items {
        declared.entry(&item.spec.class).or_default().extend(item.spec.attributes.names().map(|name| &**name));
    }
    declared
}

fn related(estate: &Estate, one: &str, other: &str) -> bool {
    one == other || estate.classes.is_a(one, other) || estate.classes.is_a(other, one)
}

/// Whether things of the class are told apart by it: without it, the item would not be found again.
fn identifies(class: &Class, name: &str) -> bool {
    class.identification.iter().any(|rule| rule.within.as_deref() == Some(name) || rule.attributes.iter().any(|attribute| **attribute == *name))
}

/// What is declared of what the sources say, part by part the best source's; and the names of what is not known.
fn attributes(class: &Class, thing: &Thing, seen: &[&Observation], known: &dyn Fn(&str) -> bool) -> (Table<Value>, Vec<Text>) {
    let said = seen.iter().map(|one| presentable(&class.rules, &one.attributes));
    let all = said.fold(Table::default(), |best, next| merged(best, &next));
    let new = all.iter().filter(|(name, value)| !says_an_identifier(class, thing, name, value));
    let (known, unknown): (Vec<_>, Vec<_>) = new.partition(|(name, _)| known(name));
    (known.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect(), unknown.into_iter().map(|(name, _)| name.clone()).collect())
}

/// The first with what only the second says.
fn merged(best: Table<Value>, next: &Table<Value>) -> Table<Value> {
    next.iter().fold(best, |best, (name, value)| match (best.get(name).cloned(), value) {
        (None, _) => best.with(name, value.clone()),
        (Some(Value::Map(known)), Value::Map(value)) => best.with(name, Value::Map(merged(known, value))),
        (Some(_), _) => best,
    })
}

/// Whether the attribute only says again what an identifier of the item says, as `fqdn` does beside `dns/fqdn`. A number
/// may be alike by chance.
fn says_an_identifier(class: &Class, thing: &Thing, name: &str, value: &Value) -> bool {
    let Some(text) = value.as_str().filter(|text| text.chars().any(char::is_alphabetic)) else { return false };
    let same = |(identifier, value): (&Text, &Text)| normal_form(None, identifier, text).is_some_and(|text| normal_form(None, identifier, value) == Some(text));
    !identifies(class, name) && thing.identifiers.iter().any(same)
}

/// The labels of all sources that an object may have, the best source's first.
fn labels(seen: &[&Observation]) -> Table<Text> {
    let all = seen.iter().rev().flat_map(|one| &one.labels);
    all.filter(|(name, value)| is_label(name, value)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether Kubernetes takes this label.
fn is_label(name: &str, value: &str) -> bool {
    let ends_well = |text: &str| text.starts_with(|mark: char| mark.is_ascii_alphanumeric()) && text.ends_with(|mark: char| mark.is_ascii_alphanumeric());
    let word = |text: &str| text.len() <= 63 && ends_well(text) && text.chars().all(|mark| mark.is_ascii_alphanumeric() || "-_.".contains(mark));
    let in_domain = |mark: char| mark.is_ascii_lowercase() || mark.is_ascii_digit() || "-.".contains(mark);
    let domain = |text: &str| text.len() <= 253 && ends_well(text) && text.chars().all(in_domain);
    let (prefix, name) = name.rsplit_once('/').map_or((None, name), |(prefix, name)| (Some(prefix), name));
    word(name) && prefix.is_none_or(domain) && (value.is_empty() || word(value))
}

/// The sightings of a draft.
pub(super) fn sightings(draft: &Draft) -> impl Iterator<Item = Sighting> {
    draft.thing.seen.iter().map(|seen| seen.sighting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_that_an_object_may_have() {
        for (name, value, expected) in [
            ("env", "prod", true),
            ("example.com/team", "a_b.c-d", true),
            ("env", "", true),
            ("env", "two words", false),
            ("env", "-x", false),
            ("Ümlaut", "x", false),
            ("", "x", false),
            ("Example.com/x", "x", false),
        ] {
            assert_eq!(is_label(name, value), expected, "{name}={value}");
        }
        assert!(!is_label("env", &"x".repeat(64)));
    }

    #[test]
    fn of_maps_the_parts_are_taken_and_of_each_the_best_sources() {
        let map = |text: &str| -> Table<Value> { serde_yaml::from_str::<Value>(text).unwrap().as_map().cloned().unwrap() };
        let found = merged(map("{os: {name: debian}, cpus: 4}"), &map("{os: {name: Linux, version: '12'}, memory: 8Gi}"));
        assert_eq!(found, map("{os: {name: debian, version: '12'}, cpus: 4, memory: 8Gi}"));
    }
}
