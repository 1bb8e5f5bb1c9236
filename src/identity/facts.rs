//! What things say of what the rules ask, in normal form and as numbers: read once, compared often.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use rayon::prelude::*;

use super::ends::Relations;
use super::normal::{Form, is_placeholder};
use super::rules::{Kind, NONE, Part, Rules};
use super::{Sighting, index, ip, mac};
use crate::api::ci_class::Compare;
use crate::api::{ConfigurationItemSpec, Table, Text, Value};
use crate::discovery::{Discovered, Observation};
use crate::estate::{Class, Declared, Estate, Placeholders};

/// Of one list attribute, at most so many values identify.
const VALUES: usize = 64;
/// So many things are read and kept together.
const CHUNK: usize = 1024;
/// A thing has about so many facts.
const FACTS: usize = 6;

/// What identifies a thing, declared or observed.
#[derive(Clone, Copy)]
pub(super) struct Thing<'a> {
    pub(super) kind: Kind,
    pub(super) identifiers: &'a Table<Text>,
    pub(super) attributes: &'a Table<Value>,
    pub(super) relations: Relations<'a>,
}

/// A declared item as a thing to identify.
pub(super) fn declared<'a>(rules: &Rules, item: &'a Declared<ConfigurationItemSpec>) -> Thing<'a> {
    let spec = &item.spec;
    let relations = Relations::Declared(&spec.relations);
    Thing { kind: rules.kind(&spec.class), identifiers: &spec.identifiers, attributes: &spec.attributes, relations }
}

/// An observation as a thing to identify.
pub(super) fn observed<'a>(rules: &'a Rules, observation: &'a Observation) -> Thing<'a> {
    let relations = rules.ends.as_ref().map_or(Relations::None, |ends| Relations::Observed(&observation.relations, ends));
    Thing { kind: rules.kind(&observation.class), identifiers: &observation.identifiers, attributes: &observation.attributes, relations }
}

/// A part of a rule, and a value of it in normal form: the number of the part in the upper 16 bits, 112 bits of a keyed hash
/// of the value below. Equal facts are equal values: two of a hundred million values are alike with a chance of 1 in 10^18, and
/// nobody can look for such, because each process draws its own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fact(u128);

impl Fact {
    /// How far the number of the part is shifted.
    const PART: u32 = 112;

    fn part(self) -> u128 {
        self.0 >> Self::PART
    }

    /// Bits of the hash, for looking it up.
    pub(super) fn bits(self) -> u64 {
        u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or_default()
    }
}

/// The keys of the hashes.
#[derive(Default)]
pub(super) struct Hasher([RandomState; 2]);

impl Hasher {
    fn fact(&self, part: u16, value: &str) -> Fact {
        let [first, second] = &self.0;
        let value = (u128::from(first.hash_one(value)) << 64 | u128::from(second.hash_one(value))) & ((1 << Fact::PART) - 1);
        Fact(u128::from(part) << Fact::PART | value)
    }
}

/// What one thing says.
#[derive(Clone, Copy)]
pub(super) struct Said<'f> {
    pub(super) kind: Kind,
    /// Those of one part stand together.
    facts: &'f [Fact],
}

impl<'f> Said<'f> {
    /// Says nothing.
    const NOTHING: Self = Self { kind: NONE, facts: &[] };

    /// The values of a part; none where it has none that identifies.
    pub(super) fn of(self, part: u16) -> &'f [Fact] {
        let part = u128::from(part);
        let start = self.facts.iter().position(|fact| fact.part() >= part).unwrap_or(self.facts.len());
        let rest = self.facts.get(start..).unwrap_or_default();
        let end = rest.iter().position(|fact| fact.part() != part).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }
}

/// What all things say.
pub(super) struct Facts {
    items: Rows,
    answers: Vec<Rows>,
}

impl Facts {
    /// Of what is declared and what was found.
    pub(super) fn new(estate: &Estate, discovered: &Discovered, rules: &Rules) -> Self {
        Self {
            items: Rows::read(rules, &estate.items, |item| declared(rules, item)),
            answers: discovered.answers.iter().map(|answer| Rows::read(rules, &answer.items, |observation| observed(rules, observation))).collect(),
        }
    }

    /// Of one declared item.
    pub(super) fn item(&self, item: u32) -> Said<'_> {
        self.items.get(item as usize)
    }

    /// Of one observation.
    pub(super) fn seen(&self, sighting: Sighting) -> Said<'_> {
        self.answers.get(sighting.answer as usize).map_or(Said::NOTHING, |rows| rows.get(sighting.index as usize))
    }
}

struct Rows(Vec<Chunk>);

/// What some things say, one after the other.
#[derive(Default)]
pub(super) struct Chunk {
    facts: Vec<Fact>,
    /// Where those of each thing end.
    ends: Vec<u32>,
    kinds: Vec<Kind>,
}

impl Rows {
    fn read<'a, T: Sync>(rules: &'a Rules, all: &'a [T], thing: impl Fn(&'a T) -> Thing<'a> + Sync) -> Self {
        let read = |some: &'a [T]| {
            let mut chunk =
                Chunk { facts: Vec::with_capacity(some.len() * FACTS), ends: Vec::with_capacity(some.len()), kinds: Vec::with_capacity(some.len()) };
            for one in some {
                chunk.add(rules, thing(one));
            }
            chunk.facts.shrink_to_fit();
            chunk
        };
        Self(all.par_chunks(CHUNK).map(read).collect())
    }

    fn get(&self, row: usize) -> Said<'_> {
        self.0.get(row / CHUNK).map_or(Said::NOTHING, |chunk| chunk.get(row % CHUNK))
    }
}

impl Chunk {
    /// What one thing says.
    pub(super) fn of(rules: &Rules, thing: Thing) -> Self {
        let mut chunk = Self::default();
        chunk.add(rules, thing);
        chunk
    }

    fn add(&mut self, rules: &Rules, thing: Thing) {
        let start = self.facts.len();
        let facts = &mut self.facts;
        rules.reader(thing.kind).each(thing, &mut |part, value| facts.push(rules.hasher.fact(part, value)));
        if let Some(new) = self.facts.get_mut(start..) {
            // Those of one part stay in the order in which they are said: no outcome hangs on the hash.
            new.sort_by_key(|fact| fact.part());
        }
        self.ends.push(index(self.facts.len()));
        self.kinds.push(thing.kind);
    }

    pub(super) fn get(&self, row: usize) -> Said<'_> {
        let end = |row: usize| self.ends.get(row).map(|end| *end as usize);
        let start = row.checked_sub(1).map_or(Some(0), end);
        let facts = start.zip(end(row)).and_then(|(start, end)| self.facts.get(start..end));
        facts.zip(self.kinds.get(row)).map_or(Said::NOTHING, |(facts, kind)| Said { kind: *kind, facts })
    }
}

/// How things of one class are read.
#[derive(Default)]
pub(super) struct Reader<'a> {
    /// Sorted by name, as identifiers are.
    identifiers: Vec<Asked<'a, Form>>,
    attributes: Vec<Asked<'a, Option<Compare>>>,
    /// Within what a thing is: the number of the part, and the name of the identifier, attribute or relation.
    within: Vec<(u16, &'a str)>,
}

/// One part that is asked for, and how it is read.
struct Asked<'a, F> {
    part: u16,
    name: &'a str,
    form: F,
    placeholders: Option<&'a Placeholders>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(class: Option<&'a Class>, parts: impl Iterator<Item = (u16, Part<'a>)>) -> Self {
        let mut reader = Self::default();
        for (part, of) in parts {
            let placeholders = |name: &str| class.and_then(|class| class.bogus.get(name));
            match of {
                Part::Identifier(name, form) => reader.identifiers.push(Asked { part, name, form, placeholders: placeholders(name) }),
                Part::Attribute(name) => {
                    let form = class.and_then(|class| class.rules.fields.get(name)).and_then(|rules| rules.rule.compare);
                    reader.attributes.push(Asked { part, name, form, placeholders: placeholders(name) });
                }
                Part::Within(name) => reader.within.push((part, name)),
            }
        }
        reader.identifiers.sort_by_key(|asked| asked.name);
        reader
    }

    /// Tells each value that identifies, in normal form, with the number of its part.
    pub(super) fn each(&self, thing: Thing, tell: &mut dyn FnMut(u16, &str)) {
        let mut asked = self.identifiers.iter().peekable();
        for (name, value) in thing.identifiers {
            while asked.next_if(|asked| *asked.name < **name).is_some() {}
            let Some(asked) = asked.next_if(|asked| *asked.name == **name) else { continue };
            if !is_placeholder(asked.placeholders, value) {
                tell(asked.part, &asked.form.normal(value));
            }
        }
        for asked in &self.attributes {
            let Some(value) = thing.attributes.get(asked.name) else { continue };
            for value in value.as_list().unwrap_or(std::slice::from_ref(value)).iter().take(VALUES) {
                if let Some(normal) = spelled(asked.form, value).filter(|normal| !is_placeholder(asked.placeholders, normal)) {
                    tell(asked.part, &normal);
                }
            }
        }
        for (part, name) in &self.within {
            if let Some(place) = place(name, thing) {
                tell(*part, &if place.bytes().any(|byte| byte.is_ascii_uppercase()) { Cow::Owned(place.to_ascii_lowercase()) } else { place });
            }
        }
    }
}

/// The normal form of a value of an attribute; none where it is no value that could identify.
fn spelled(compare: Option<Compare>, value: &Value) -> Option<Cow<'_, str>> {
    let text = match value {
        Value::Text(text) => Cow::Borrowed(text.trim()),
        Value::Number(_) | Value::Bool(_) => Cow::Owned(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => return None,
    };
    let mut out = String::with_capacity(text.len());
    match compare {
        Some(Compare::Mac) => mac::write(&text, &mut out),
        Some(Compare::Ip) => {
            ip::parse(&text)?;
            ip::write(&text, &mut out);
        }
        Some(Compare::HostName) => out.push_str(&Form::Host.normal(&text)),
        Some(Compare::CaseInsensitive) => out.push_str(&text.to_lowercase()),
        _ => return Some(text),
    }
    Some(Cow::Owned(out))
}

/// Within what a thing is, by an identifier, an attribute or a relation.
fn place<'a>(within: &str, thing: Thing<'a>) -> Option<Cow<'a, str>> {
    if is_relation(within) {
        return thing.relations.target(within);
    }
    let attribute = || thing.attributes.get(within).filter(|value| !value.is_absent());
    let identifier = thing.identifiers.get(within).map(|value| Cow::Borrowed(value.trim()));
    let value = identifier.or_else(|| attribute().map(|value| value.as_str().map_or_else(|| Cow::Owned(value.to_string()), |text| Cow::Borrowed(text.trim()))));
    value.filter(|value| !value.is_empty())
}

/// Relations are named in PascalCase, attributes and identifiers are not.
pub(super) fn is_relation(within: &str) -> bool {
    within.starts_with(|first: char| first.is_ascii_uppercase())
}
