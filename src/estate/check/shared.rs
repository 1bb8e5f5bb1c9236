//! Which identifiers stand on several items: one identifier names one item.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::api::ci_class::IdentificationRule;
use crate::estate::{Class, Estate};

/// The identifiers of which several items have one value, with these items by their places, in the order of identifier and
/// value. What identifies nothing, or only together with others, may stand on several.
pub(crate) fn identifiers(estate: &Estate) -> Vec<(&str, Vec<u32>)> {
    let naming = Naming::new(estate);
    let hasher = RandomState::new();
    // Digests rather than texts: a large estate has hundreds of thousands of identifiers, and hardly two alike.
    let mut all: Vec<(u64, u32, u32)> = Vec::new();
    for (item, declared) in (0..).zip(&estate.items) {
        for (place, (identifier, value)) in (0..).zip(&declared.spec.identifiers) {
            if naming.names(&declared.spec.class, identifier, value) {
                all.push((hasher.hash_one((&**identifier, normal(identifier, value))), item, place));
            }
        }
    }
    all.sort_unstable();
    let same: BTreeMap<(&str, String), Vec<u32>> = all
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|alike| alike.len() > 1)
        .flatten()
        .filter_map(|&(_, item, place)| {
            let (identifier, value) = estate.items.get(item as usize)?.spec.identifiers.iter().nth(place as usize)?;
            Some(((&**identifier, normal(identifier, value)), item))
        })
        .fold(BTreeMap::new(), |mut same, (key, item)| {
            same.entry(key).or_insert_with(Vec::new).push(item);
            same
        });
    same.into_iter().filter(|(_, items)| items.len() > 1).map(|((identifier, _), items)| (identifier, items)).collect()
}

/// Which values of identifiers name one item.
pub(crate) struct Naming<'a> {
    estate: &'a Estate,
    counted: HashMap<&'a str, Counted<'a>>,
}

impl<'a> Naming<'a> {
    pub(crate) fn new(estate: &'a Estate) -> Self {
        Self { estate, counted: estate.classes.iter().map(|class| (&*class.name, Counted::new(class))).collect() }
    }

    /// Whether this value names one item of the class: it identifies, and not only together with others.
    pub(crate) fn names(&self, class: &str, identifier: &str, value: &str) -> bool {
        let counts = self.counted.get(class).is_none_or(|counted| counted.counts(identifier));
        counts && !value.trim().is_empty() && self.estate.classes.get(class).is_none_or(|class| !class.is_bogus(identifier, value))
    }
}

/// Which identifiers a class uses only together with others: alone they may stand on two items.
struct Counted<'a> {
    alone: HashSet<&'a str>,
    together: HashSet<&'a str>,
}

impl<'a> Counted<'a> {
    fn new(class: &'a Class) -> Self {
        let (alone, together): (Vec<_>, Vec<_>) =
            class.identification.iter().partition(|rule| rule.identifiers.len() == 1 && rule.attributes.is_empty() && rule.within.is_none());
        let names = |rules: Vec<&'a IdentificationRule>| rules.into_iter().flat_map(|rule| &rule.identifiers).map(|name| &**name).collect();
        Self { alone: names(alone), together: names(together) }
    }

    fn counts(&self, identifier: &str) -> bool {
        self.alone.contains(identifier) || !self.together.contains(identifier)
    }
}

/// An identifier's value in its normal form: host names and UUIDs without regard to case, MAC addresses without regard
/// to punctuation either.
pub(crate) fn normal(identifier: &str, value: &str) -> String {
    let value = value.trim();
    let digits: String = value.chars().filter(|mark| !matches!(mark, ':' | '-' | '.')).collect();
    let hexadecimal = digits.bytes().all(|mark| mark.is_ascii_hexdigit());
    if identifier.starts_with("dns/") {
        value.trim_end_matches('.').to_lowercase()
    } else if hexadecimal && ((digits.len() == 12 && digits.len() < value.len()) || (digits.len() == 32 && value.len() == 36)) {
        digits.to_ascii_lowercase()
    } else {
        value.to_owned()
    }
}
