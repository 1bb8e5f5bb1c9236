//! Identification rules made ready: the keys under which a thing can be found, and whether two things are the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::ends::{Ends, Relations};
use super::normal::{Form, is_bogus, is_copied, is_copied_with_disk, is_reusable};
use super::{ip, mac};
use crate::api::ci_class::{Compare, IdentificationRule};
use crate::api::{Table, Text, Value};
use crate::discovery::Discovered;
use crate::estate::{Class, Classes, Estate};

/// Of one list attribute, at most so many values identify.
const VALUES: usize = 64;
/// A rule of several attributes has at most so many keys a thing.
const KEYS: usize = 256;
/// The class whose rules hold where a class has none.
const ROOT: &str = "configuration-item";

/// What identifies a thing, declared or observed.
#[derive(Clone, Copy)]
pub(super) struct Thing<'a> {
    pub(super) class: Option<&'a Class>,
    pub(super) identifiers: &'a Table<Text>,
    pub(super) attributes: &'a Table<Value>,
    pub(super) relations: Relations<'a>,
}

/// What one rule says of two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are one.
    Same,
    /// They would be, but one of them does not say within what (a network, a site).
    Unsure,
    /// They are two.
    Different,
    /// The rule does not apply: one of them does not have what it asks for.
    Silent,
}

/// One part of a rule.
#[derive(Clone, Debug, PartialEq)]
enum Part<'a> {
    Identifier(&'a str, Form),
    Attribute(&'a str),
}

/// One rule of any class.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule<'a> {
    parts: Vec<Part<'a>>,
    within: Option<&'a str>,
    /// Whether it goes by names and addresses alone.
    pub(super) reusable: bool,
    /// Whether it goes by what clones share alone.
    pub(super) copied: bool,
    /// Whether all that it goes by is copied together with others of its kind.
    bundled: bool,
}

/// Normal values of one part of a thing: one, or those of a list.
#[derive(Clone, Debug)]
enum Found<'a> {
    One(Cow<'a, str>),
    Many(Vec<String>),
}

impl Found<'_> {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let (one, many) = match self {
            Self::One(value) => (Some(&**value), &[][..]),
            Self::Many(values) => (None, values.as_slice()),
        };
        one.into_iter().chain(many.iter().map(String::as_str))
    }

    fn meets(&self, other: &Self) -> bool {
        self.iter().any(|value| other.iter().any(|known| known == value))
    }
}

impl<'a> Rule<'a> {
    fn new(written: &'a IdentificationRule) -> Option<Self> {
        let identifiers = written.identifiers.iter().map(|name| Part::Identifier(name, Form::of(name)));
        let parts: Vec<Part> = identifiers.chain(written.attributes.iter().map(|name| Part::Attribute(name))).collect();
        let reusable = written.identifiers.iter().chain(&written.attributes).all(|name| is_reusable(name));
        let copied = written.identifiers.iter().chain(&written.attributes).all(|name| is_copied(name));
        let bundled = written.identifiers.iter().chain(&written.attributes).all(|name| is_copied_with_disk(name));
        (!parts.is_empty()).then_some(Self { parts, within: written.within.as_deref(), reusable, copied, bundled })
    }

    fn of_identifier(name: &'a str) -> Self {
        Self {
            parts: vec![Part::Identifier(name, Form::of(name))],
            within: None,
            reusable: is_reusable(name),
            copied: is_copied(name),
            bundled: is_copied_with_disk(name),
        }
    }

    /// The rule as people name it: `dns/fqdn`, `macAddresses within network`.
    pub(super) fn name(&self) -> String {
        let names = self.parts.iter().map(|(Part::Identifier(name, _) | Part::Attribute(name))| *name).collect::<Vec<_>>().join(" and ");
        self.within.map_or_else(|| names.clone(), |within| format!("{names} within {within}"))
    }

    /// What a thing has of what this rule asks for, in normal form, for people: `bios/uuid u-1`.
    pub(super) fn values(&self, thing: Thing) -> Vec<String> {
        let of_part = |part: &Part| {
            let (Part::Identifier(name, _) | Part::Attribute(name)) = part;
            part.of(thing).into_iter().flat_map(|found| found.iter().map(|value| format!("{name} {value}")).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        let within = self.within.and_then(|within| Some(format!("{within} {}", place(within, thing)?)));
        self.parts.iter().flat_map(of_part).chain(within).collect()
    }

    /// The hashes of all keys that the thing has under this rule, without what they are within. `salt` tells rules apart.
    pub(super) fn keys(&self, salt: u64, thing: Thing, out: &mut Vec<u64>) {
        // Most rules ask for what most things do not have.
        if !self.parts.iter().all(|part| part.is_given(thing)) {
            return;
        }
        let mut start = DefaultHasher::new();
        salt.hash(&mut start);
        if let [part] = self.parts.as_slice()
            && let Some(Found::One(value)) = part.of(thing)
        {
            value.hash(&mut start);
            return out.push(start.finish());
        }
        let mut keys = vec![start];
        for part in &self.parts {
            let Some(found) = part.of(thing) else { return };
            let extended = keys.iter().flat_map(|key| found.iter().map(move |value| (key, value)));
            keys = extended
                .take(KEYS)
                .map(|(key, value)| {
                    let mut key = key.clone();
                    value.hash(&mut key);
                    key
                })
                .collect();
        }
        out.extend(keys.into_iter().map(|key| key.finish()));
    }

    /// What this rule says of two things.
    pub(super) fn verdict(&self, one: Thing, other: Thing) -> Verdict {
        let mut same = true;
        if !self.parts.iter().all(|part| part.is_given(one) && part.is_given(other)) {
            return Verdict::Silent;
        }
        for part in &self.parts {
            let (Some(first), Some(second)) = (part.of(one), part.of(other)) else { return Verdict::Silent };
            same &= first.meets(&second);
        }
        let sure = match self.within.map(|within| (place(within, one), place(within, other))) {
            None | Some((None, None)) => true,
            Some((Some(one), Some(other))) if one.eq_ignore_ascii_case(&other) => true,
            Some((Some(_), Some(_))) => return Verdict::Silent,
            Some(_) => false,
        };
        match (same, sure) {
            (true, true) => Verdict::Same,
            (true, false) => Verdict::Unsure,
            (false, true) => Verdict::Different,
            (false, false) => Verdict::Silent,
        }
    }
}

impl Part<'_> {
    fn is_given(&self, thing: Thing) -> bool {
        match self {
            Self::Identifier(name, _) => thing.identifiers.contains(name),
            Self::Attribute(name) => thing.attributes.contains(name),
        }
    }

    /// The normal values of this part of the thing; none where it has none that identifies.
    fn of<'t>(&self, thing: Thing<'t>) -> Option<Found<'t>> {
        match self {
            Self::Identifier(name, form) => {
                let value = thing.identifiers.get(name)?;
                (!is_bogus(thing.class, name, value)).then(|| Found::One(form.normal(value)))
            }
            Self::Attribute(name) => {
                let compare = thing.class.and_then(|class| class.rules.fields.get(name)).and_then(|rules| rules.rule.compare);
                let value = thing.attributes.get(name)?;
                let values = value.as_list().unwrap_or(std::slice::from_ref(value));
                let values: Vec<String> = values.iter().take(VALUES).filter_map(|value| spelled(thing.class, name, compare, value)).collect();
                (!values.is_empty()).then_some(Found::Many(values))
            }
        }
    }
}

/// The normal form of a value of an attribute; none where it identifies nothing.
fn spelled(class: Option<&Class>, name: &str, compare: Option<Compare>, value: &Value) -> Option<String> {
    let text = match value {
        Value::Text(text) => Cow::Borrowed(text.trim()),
        Value::Number(_) | Value::Bool(_) => Cow::Owned(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => return None,
    };
    let mut out = String::new();
    match compare {
        Some(Compare::Mac) => mac::write(&text, &mut out),
        Some(Compare::Ip) => {
            ip::parse(&text)?;
            ip::write(&text, &mut out);
        }
        Some(Compare::HostName) => out.push_str(&Form::Host.normal(&text)),
        Some(Compare::CaseInsensitive) => out.push_str(&text.to_lowercase()),
        _ => out.push_str(&text),
    }
    (!is_bogus(class, name, &out)).then_some(out)
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
fn is_relation(within: &str) -> bool {
    within.starts_with(|first: char| first.is_ascii_uppercase())
}

/// The rules of all classes that occur, each rule once.
pub(super) struct Rules<'a> {
    pub(super) all: Vec<Rule<'a>>,
    classes: BTreeMap<&'a str, Vec<usize>>,
    /// For each class, all rules by which an observation of it may be found, with their strengths, sorted.
    tried: BTreeMap<&'a str, Vec<(usize, usize)>>,
    known: &'a Classes,
    /// To which items relations lead; none where no rule asks.
    pub(super) ends: Option<Ends<'a>>,
}

impl<'a> Rules<'a> {
    /// The rules of the classes that items or observations have.
    pub(super) fn new(estate: &'a Estate, discovered: &'a Discovered) -> Self {
        let declared = estate.items.iter().map(|item| &*item.spec.class);
        let observed = discovered.answers.iter().flat_map(|answer| &answer.items).map(|item| &*item.class);
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let mut last = "";
        for name in declared.chain(observed) {
            // Neighbours are mostly of one class.
            if name != last {
                names.insert(name);
                last = name;
            }
        }
        names.insert("");
        let mut rules = Self { all: Vec::new(), classes: BTreeMap::new(), tried: BTreeMap::new(), known: &estate.classes, ends: None };
        for name in names {
            let class = [name, ROOT].into_iter().filter_map(|name| estate.classes.get(name)).find(|class| !class.identification.is_empty());
            let written: Vec<Rule> = match class {
                Some(class) => class.identification.iter().filter_map(Rule::new).collect(),
                None => identifiers_of(estate).into_iter().map(Rule::of_identifier).collect(),
            };
            let places = written.into_iter().map(|rule| rules.place(rule)).collect();
            rules.classes.insert(name, places);
        }
        if rules.all.iter().any(|rule| rule.within.is_some_and(is_relation)) {
            rules.ends = Some(Ends::new(estate));
        }
        rules.tried = rules.classes().map(|class| (class, rules.tries(class))).collect();
        rules
    }

    /// Its own rules, and those of more special classes: an item of such a class is found by that class's rules.
    fn tries(&self, class: &str) -> Vec<(usize, usize)> {
        let special = self.classes().filter(|other| self.special(class, other) == Some(*other));
        let mut tries: Vec<(usize, usize)> = std::iter::once(class).chain(special).flat_map(|class| self.of(class).iter().copied().enumerate()).collect();
        tries.sort_unstable();
        tries.dedup();
        tries
    }

    /// The rules by which an observation of this class may be found, the strongest first, each with its strength.
    pub(super) fn tried_for(&self, class: &str) -> &[(usize, usize)] {
        self.tried.get(class).map_or(&[], Vec::as_slice)
    }

    fn place(&mut self, rule: Rule<'a>) -> usize {
        self.all.iter().position(|known| *known == rule).unwrap_or_else(|| {
            self.all.push(rule);
            self.all.len() - 1
        })
    }

    /// The rules of a class, strongest first.
    pub(super) fn of(&self, class: &str) -> &[usize] {
        self.classes.get(class).map_or(&[], Vec::as_slice)
    }

    /// The classes that occur.
    pub(super) fn classes(&self) -> impl Iterator<Item = &'a str> {
        self.classes.keys().copied()
    }

    /// The more special of two classes if one extends the other; things of unrelated classes are never one. A thing of no
    /// class may be of any.
    pub(super) fn special<'c>(&self, one: &'c str, other: &'c str) -> Option<&'c str> {
        if one == other || other.is_empty() || self.known.is_a(one, other) {
            Some(one)
        } else if one.is_empty() || self.known.is_a(other, one) {
            Some(other)
        } else {
            None
        }
    }

    /// What the rules after the `strength`th of these say of the two: whether any says that they are one, and how many say that
    /// they are two. What is copied with a disk is not heard: beside a copied identifier it says nothing more.
    pub(super) fn weaker(&self, rules: &[usize], strength: usize, one: Thing, other: Thing) -> (bool, usize) {
        let mut different = 0;
        for rule in rules.iter().skip(strength + 1).filter_map(|rule| self.all.get(*rule)).filter(|rule| !rule.bundled) {
            match rule.verdict(one, other) {
                Verdict::Same => return (true, different),
                Verdict::Different => different += 1,
                Verdict::Unsure | Verdict::Silent => {}
            }
        }
        (false, different)
    }

    /// Whether a rule before the `strength`th of these says that the two are two.
    pub(super) fn vetoed(&self, rules: &[usize], strength: usize, one: Thing, other: Thing) -> bool {
        rules.iter().take(strength).filter_map(|rule| self.all.get(*rule)).any(|rule| rule.verdict(one, other) == Verdict::Different)
    }
}

/// The names of the identifiers that are declared: the rules where no class has any.
fn identifiers_of(estate: &Estate) -> BTreeSet<&str> {
    estate.items.iter().flat_map(|item| item.spec.identifiers.names()).map(|name| &**name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pairs: &[(&str, &str)]) -> Table<Text> {
        pairs.iter().map(|(name, value)| (*name, Text::from(*value))).collect()
    }

    fn verdict(rule: &str, one: &[(&str, &str)], other: &[(&str, &str)]) -> Verdict {
        let written: IdentificationRule = serde_yaml::from_str(rule).unwrap();
        let attributes = Table::default();
        let (one, other) = (table(one), table(other));
        let thing = |identifiers| Thing { class: None, identifiers, attributes: &attributes, relations: Relations::None };
        Rule::new(&written).unwrap().verdict(thing(&one), thing(&other))
    }

    #[test]
    fn a_rule_of_two_identifiers_needs_both_and_one_that_differs_makes_two_things() {
        let rule = "{identifiers: [serial/number, bios/uuid]}";
        assert_eq!(verdict(rule, &[("serial/number", "A1"), ("bios/uuid", "u1")], &[("serial/number", "a1"), ("bios/uuid", "U1")]), Verdict::Same);
        assert_eq!(verdict(rule, &[("serial/number", "A1"), ("bios/uuid", "u1")], &[("serial/number", "A1"), ("bios/uuid", "u2")]), Verdict::Different);
        assert_eq!(verdict(rule, &[("serial/number", "A1")], &[("serial/number", "A1"), ("bios/uuid", "u2")]), Verdict::Silent);
        assert_eq!(verdict(rule, &[("serial/number", "None"), ("bios/uuid", "u1")], &[("serial/number", "None"), ("bios/uuid", "u1")]), Verdict::Silent);
    }

    #[test]
    fn within_must_be_the_same_and_is_a_doubt_where_one_side_does_not_say_it() {
        let rule = "{identifiers: [ip/address], within: site}";
        let at = |site: &'static str| vec![("ip/address", "10.0.0.1"), ("site", site)];
        let nowhere = [("ip/address", "10.0.0.1")];
        assert_eq!(verdict(rule, &at("Basel"), &at("basel")), Verdict::Same);
        assert_eq!(verdict(rule, &at("basel"), &at("bern")), Verdict::Silent);
        assert_eq!(verdict(rule, &at("basel"), &nowhere), Verdict::Unsure);
        assert_eq!(verdict(rule, &nowhere, &nowhere), Verdict::Same);
    }
}
