//! Lists: in order, or as sets in which neither order nor repetition matters.

use std::collections::HashSet;

use super::{How, same, write};
use crate::api::{Table, Value};

/// Of sets of up to so many values, each is looked for among those of the other.
const SHORT: usize = 16;
/// Of longer sets the values that have no equal spelling on the other side are looked for up to this many pairs, so that
/// no list can take unbounded time.
const LEFT_PAIRS: usize = 1_000_000;

/// Whether two lists are the same, values that say nothing left out.
pub(super) fn equal(how: How, one: &[Value], other: &[Value]) -> bool {
    let element = how.element();
    if !how.is_set() {
        return same_in_order(element, one, other);
    }
    one == other || if one.len() <= SHORT && other.len() <= SHORT { covers(element, one, other) } else { covers_long(element, one, other) }
}

fn speaking<'a>(how: How<'a>, list: &'a [Value]) -> impl Iterator<Item = &'a Value> + Clone {
    list.iter().filter(move |value| !how.says_nothing(value))
}

fn same_in_order(how: How, one: &[Value], other: &[Value]) -> bool {
    let (mut one, mut other) = (speaking(how, one), speaking(how, other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if same(how, one, other) => {}
            _ => return false,
        }
    }
}

/// Whether each value of one short list has its equal in the other, and the other way round. What is spelled alike needs
/// no reading.
fn covers(how: How, one: &[Value], other: &[Value]) -> bool {
    let mut met = [false; SHORT];
    for value in one {
        let place = other.iter().position(|candidate| value == candidate);
        let place = place.or_else(|| other.iter().position(|candidate| !how.says_nothing(value) && same(how, value, candidate)));
        match place.and_then(|place| met.get_mut(place)) {
            Some(met) => *met = true,
            None if how.says_nothing(value) => {}
            None => return false,
        }
    }
    let mut left = other.iter().zip(met).filter(|(_, met)| !met);
    left.all(|(candidate, _)| how.says_nothing(candidate) || one.iter().any(|value| !how.says_nothing(value) && same(how, value, candidate)))
}

/// The same for long lists: by spelling first, and only what is left by pairs.
fn covers_long(how: How, one: &[Value], other: &[Value]) -> bool {
    let (one, other): (Vec<&Value>, Vec<&Value>) = (speaking(how, one).collect(), speaking(how, other).collect());
    // What no value of the first list has cannot tell the values of the second apart.
    let names: HashSet<&str> = one.iter().filter_map(|value| value.as_map()).flat_map(Table::names).map(|name| &**name).collect();
    let spell = |value: &Value| {
        let mut text = String::new();
        match value.as_map() {
            Some(map) => {
                let kept: Table<Value> = map.iter().filter(|(name, _)| names.contains(&***name)).map(|(name, value)| (name.clone(), value.clone())).collect();
                write(how, &Value::Map(kept), &mut text);
            }
            None => write(how, value, &mut text),
        }
        text
    };
    let (ones, others): (Vec<String>, Vec<String>) = (one.iter().map(|value| spell(value)).collect(), other.iter().map(|value| spell(value)).collect());
    let (known, known_others): (HashSet<&str>, HashSet<&str>) = (ones.iter().map(String::as_str).collect(), others.iter().map(String::as_str).collect());
    let left: Vec<&Value> = one.iter().zip(&ones).filter(|(_, text)| !known_others.contains(text.as_str())).map(|(value, _)| *value).collect();
    let left_others: Vec<&Value> = other.iter().zip(&others).filter(|(_, text)| !known.contains(text.as_str())).map(|(value, _)| *value).collect();
    let pairs = left.len().saturating_mul(other.len()).saturating_add(left_others.len().saturating_mul(one.len()));
    pairs <= LEFT_PAIRS
        && left.iter().all(|value| other.iter().any(|candidate| same(how, value, candidate)))
        && left_others.iter().all(|value| one.iter().any(|candidate| same(how, candidate, value)))
}

/// The one spelling of each value that says something.
pub(super) fn spellings(how: How, list: &[Value]) -> Vec<String> {
    let spell = |value| {
        let mut text = String::new();
        write(how, value, &mut text);
        text
    };
    speaking(how, list).map(spell).collect()
}

fn values(value: &Value) -> &[Value] {
    value.as_list().unwrap_or(std::slice::from_ref(value))
}

/// The values that were found: those that are declared first, as and where they are declared, then the others in a stable
/// order. So two sources that list them differently give the same text, and an edit changes no more than it must.
pub(super) fn arranged(how: How, declared: &Value, found: &Value) -> Value {
    let element = how.element();
    let (declared, found) = (values(declared), values(found));
    let declared_spellings: HashSet<String> = spellings(element, declared).into_iter().collect();
    let found: Vec<(String, &Value)> = spellings(element, found).into_iter().zip(speaking(element, found)).collect();
    let found_spellings: HashSet<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
    let kept = spellings(element, declared).into_iter().zip(speaking(element, declared)).filter(|(text, _)| found_spellings.contains(text.as_str()));
    let mut kept: Vec<(String, &Value)> = kept.collect();
    let mut new: Vec<(String, &Value)> = found.iter().filter(|(text, _)| !declared_spellings.contains(text)).cloned().collect();
    new.sort_by(|one, other| one.0.cmp(&other.0));
    kept.append(&mut new);
    let mut seen = HashSet::new();
    kept.into_iter().filter(|(text, _)| seen.insert(text.clone())).map(|(_, value)| value.clone()).collect()
}
