//! Looking an item up by any of its names: declared or found, in any spelling, short or full.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Serialize;

use super::{Entry, Inventory};
use crate::api::ci_class::{AttributeRule, Compare};
use crate::api::{Table, Text, Value};
use crate::discovery::{Discovered, Observation};
use crate::drift::compare::equal;
use crate::estate::class::AttributeRules;
use crate::estate::{Class, Estate};
use crate::identity::{ip, is_host_name, mac, normal_form};

/// How many names are looked at for those that are nearly so.
const LOOKED_AT: usize = 500_000;
/// How many of them are told.
const NEAR: usize = 5;
/// Longer names are not nearly so.
const LONGEST: usize = 100;

/// An item that has the name.
#[derive(Clone, Debug, Serialize)]
pub struct Hit<'a> {
    /// The item.
    #[serde(flatten)]
    pub entry: &'a Entry,
    /// What it is called, by whom.
    #[serde(rename = "knownAs")]
    pub known_as: Vec<KnownAs>,
}

/// One name of an item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KnownAs {
    /// The source that calls it so; none: it is declared so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Text>,
    /// What the name is: `name`, `key`, an identifier, or an attribute that holds addresses.
    pub what: Text,
    /// The name.
    pub value: Text,
    /// Whether it is the one that was asked for.
    pub asked: bool,
}

/// Every item that has this name: its own, a source's key or name for it, an identifier, a MAC or IP address, a host name.
/// `IDENTIFIER=VALUE` asks for one identifier alone.
pub fn find<'a>(estate: &Estate, discovered: &Discovered, inventory: &'a Inventory, text: &str) -> Vec<Hit<'a>> {
    let query = Query::new(estate, discovered, text);
    let has = |entry: &&Entry| {
        let mut found = false;
        names(estate, discovered, entry, &mut |name| found = found || query.is(&name));
        found
    };
    inventory.entries.iter().filter(has).map(|entry| Hit { entry, known_as: known_as(estate, discovered, entry, &query) }).collect()
}

/// Names that are nearly this one, the nearest first.
pub fn near(estate: &Estate, discovered: &Discovered, inventory: &Inventory, text: &str) -> Vec<Text> {
    let (wanted, mut scored, mut looks) = (text.trim().to_lowercase(), Vec::new(), 0);
    if wanted.len() > LONGEST {
        return Vec::new();
    }
    for entry in &inventory.entries {
        names(estate, discovered, entry, &mut |name| {
            looks += 1;
            let value = name.value;
            if looks <= LOOKED_AT && value.len() <= LONGEST {
                let lower = value.to_lowercase();
                let label = lower.split('.').next().unwrap_or_default();
                let score = strsim::jaro_winkler(&wanted, &lower).max(if is_word(label) { strsim::jaro_winkler(&wanted, label) } else { 0.0 });
                if score > 0.85 {
                    // An item's own name says most.
                    let own = name.source.is_none() && matches!(name.what, What::Name);
                    scored.push((score, !own, Text::from(value)));
                }
            }
        });
    }
    scored.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| (one.1, &one.2).cmp(&(other.1, &other.2))));
    let mut seen = BTreeSet::new();
    let names = scored.into_iter().map(|(_, _, name)| name);
    names.filter(|name| seen.insert(name.trim_end_matches('.').to_lowercase())).take(NEAR).collect()
}

fn is_word(label: &str) -> bool {
    label.chars().any(char::is_alphabetic)
}

/// One name of an item, as it is looked at.
struct Name<'n> {
    source: Option<&'n Text>,
    what: What<'n>,
    value: &'n str,
}

#[derive(Clone, Copy)]
enum What<'n> {
    Name,
    Key,
    Identifier(&'n str),
    /// An attribute that holds addresses or host names.
    Address(&'n str, &'n AttributeRules),
}

impl What<'_> {
    fn word(&self) -> &str {
        match self {
            Self::Name => "name",
            Self::Key => "key",
            Self::Identifier(name) | Self::Address(name, _) => name,
        }
    }
}

/// Tells every name of an item.
fn names(estate: &Estate, discovered: &Discovered, entry: &Entry, tell: &mut dyn FnMut(Name)) {
    if let Some(item) = entry.item.and_then(|place| estate.items.get(place)) {
        tell(Name { source: None, what: What::Name, value: &item.name });
        let class = estate.classes.get(&item.spec.class);
        of_tables(None, class, &item.spec.identifiers, &item.spec.attributes, tell);
    }
    for seen in &entry.seen {
        let Some((answer, Observation { key, name, class, identifiers, attributes, .. })) = seen.sighting.find(discovered) else { continue };
        let source = Some(&answer.source);
        if !name.is_empty() {
            tell(Name { source, what: What::Name, value: name });
        }
        if !key.is_empty() && key != name {
            tell(Name { source, what: What::Key, value: key });
        }
        of_tables(source, estate.classes.get(class), identifiers, attributes, tell);
    }
}

fn of_tables(source: Option<&Text>, class: Option<&Class>, identifiers: &Table<Text>, attributes: &Table<Value>, tell: &mut dyn FnMut(Name)) {
    for (name, value) in identifiers {
        tell(Name { source, what: What::Identifier(name), value });
    }
    for (name, value) in attributes {
        let rules = class.and_then(|class| class.rules.fields.get(name)).filter(|rules| !rules.rule.sensitive);
        let Some(rules) = rules.filter(|rules| matches!(rules.rule.compare, Some(Compare::Mac | Compare::Ip | Compare::HostName))) else { continue };
        for value in value.as_list().unwrap_or(std::slice::from_ref(value)).iter().filter_map(Value::as_str) {
            tell(Name { source, what: What::Address(name, rules), value });
        }
    }
}

fn known_as(estate: &Estate, discovered: &Discovered, entry: &Entry, query: &Query) -> Vec<KnownAs> {
    let mut known = Vec::new();
    names(estate, discovered, entry, &mut |name| {
        known.push(KnownAs { source: name.source.cloned(), what: name.what.word().into(), value: name.value.into(), asked: query.is(&name) });
    });
    known
}

static HOST: LazyLock<AttributeRules> =
    LazyLock::new(|| AttributeRules { rule: AttributeRule { compare: Some(Compare::HostName), ..AttributeRule::default() }, ..AttributeRules::default() });

/// What is asked for.
struct Query<'q> {
    /// The only identifier that is asked for.
    identifier: Option<&'q str>,
    text: &'q str,
    value: Value,
}

impl<'q> Query<'q> {
    fn new(estate: &Estate, discovered: &Discovered, text: &'q str) -> Self {
        let of = |tables: &Table<Text>, name: &str| tables.contains(name);
        let known = |name: &str| {
            let declared = || estate.items.iter().any(|item| of(&item.spec.identifiers, name));
            declared() || discovered.answers.iter().flat_map(|answer| &answer.items).any(|one| of(&one.identifiers, name))
        };
        let (identifier, text) = match text.split_once('=') {
            Some((name, value)) if known(name.trim()) => (Some(name.trim()), value.trim()),
            _ => (None, text.trim()),
        };
        Self { identifier, text, value: Value::from(text) }
    }

    fn is(&self, name: &Name) -> bool {
        if self.text.is_empty() || name.value.is_empty() {
            return false;
        }
        match (self.identifier, name.what) {
            (Some(wanted), What::Identifier(identifier)) => wanted == identifier && self.is_identifier(identifier, name.value),
            (Some(_), _) => false,
            (None, What::Name) => self.text.eq_ignore_ascii_case(name.value) || self.is_host(name.value),
            (None, What::Key) => self.text.eq_ignore_ascii_case(name.value),
            (None, What::Identifier(identifier)) => self.is_identifier(identifier, name.value),
            (None, What::Address(_, rules)) => match rules.rule.compare {
                Some(Compare::Mac) => mac::equal(self.text, name.value),
                Some(Compare::Ip) => self.is_address(name.value),
                _ => self.is_host(name.value),
            },
        }
    }

    fn is_identifier(&self, identifier: &str, value: &str) -> bool {
        self.text == value
            || normal_form(None, identifier, self.text).is_some_and(|wanted| normal_form(None, identifier, value) == Some(wanted))
            || (is_host_name(identifier) && self.is_host(value))
            || (ip::parse(plain_address(self.text)).is_some() && self.is_address(value))
    }

    fn is_address(&self, value: &str) -> bool {
        ip::equal(plain_address(self.text), plain_address(value))
    }

    fn is_host(&self, value: &str) -> bool {
        equal(&HOST, &self.value, &Value::from(Text::from(value)))
    }
}

/// The address of a machine, without the length of the network in which it is.
fn plain_address(text: &str) -> &str {
    text.split_once('/').map_or(text, |(address, _)| address)
}
