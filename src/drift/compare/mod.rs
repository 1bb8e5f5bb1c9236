//! Values compared by meaning (rule 4), as the class says.
//!
//! ```text
//! equal          whether two values are the same                 no allocation for what people usually write
//! differences    where they are not, by the smallest paths
//! in_unit_of     what was found, in the unit in which it is declared
//! canonical      the one spelling of what is equal               fingerprints, keys, long sets
//! ```
//!
//! Null, empty text, an empty list and an absent value are one: nothing is declared, or nothing is known, and neither
//! contradicts anything (rule 1). A machine that is switched off reports no address, and that is no change of address.
//! Of two maps, only what both have is compared; within a list, all that the first has. A source's class says nothing of
//! an attribute: it compares as JSON does, numbers by number, so `8` is `8.0` and not `"8"`.

mod configuration;
mod host_name;
mod list;
mod number;
mod quantity;
mod text;
mod version;

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::api::ci_class::{AttributeRule, Compare, ListOrder};
use crate::api::{Table, Text, Value};
use crate::estate::class::AttributeRules;
use crate::identity::{ip, mac};

/// The rules of what no class speaks of.
static PLAIN: LazyLock<AttributeRules> = LazyLock::new(AttributeRules::default);

/// One value that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where, from the path that was given: `attributes.os.version`.
    pub path: String,
    /// What is declared, as it is written.
    pub declared: Value,
    /// What was found, in the unit and order of what is declared.
    pub found: Value,
}

/// How the values at one place compare: the rules there, and the meaning that stands above them where they name none.
#[derive(Clone, Copy)]
struct How<'a> {
    rules: &'a AttributeRules,
    compare: Option<Compare>,
    /// Whether all that the first map has must be in the second one: so within lists, where an item is what it says.
    whole: bool,
}

impl<'a> How<'a> {
    fn new(rules: &'a AttributeRules) -> Self {
        Self { rules, compare: rules.rule.compare, whole: false }
    }

    fn below(self, rules: Option<&'a AttributeRules>) -> Self {
        let rules = rules.unwrap_or(&PLAIN);
        Self { rules, compare: rules.rule.compare.or(self.compare), ..self }
    }

    fn field(self, name: &str) -> Self {
        self.below(self.rules.fields.get(name))
    }

    fn element(self) -> Self {
        Self { whole: true, ..self.below(self.rules.each.as_deref()) }
    }

    fn is_set(self) -> bool {
        self.rules.rule.list == Some(ListOrder::Set)
    }

    fn never(self) -> bool {
        self.compare == Some(Compare::Never)
    }

    /// Whether the value says nothing here: absent, an address that is none, or a list of nothing else.
    fn says_nothing(self, value: &Value) -> bool {
        match value {
            Value::Text(text) if self.compare == Some(Compare::Ip) => ip::parse(text).is_none(),
            Value::List(list) => list.iter().all(|value| self.element().says_nothing(value)),
            other => other.is_absent(),
        }
    }
}

/// Whether what was found is what is declared.
pub fn equal(rules: &AttributeRules, declared: &Value, found: &Value) -> bool {
    same(How::new(rules), declared, found)
}

/// Whether two sources say the same, or at least nothing that contradicts.
pub fn agree(rules: &AttributeRules, one: &Value, other: &Value) -> bool {
    equal(rules, one, other) || equal(rules, other, one)
}

/// Whether the value says nothing under these rules.
pub fn says_nothing(rules: &AttributeRules, value: &Value) -> bool {
    How::new(rules).says_nothing(value)
}

fn same(how: How, declared: &Value, found: &Value) -> bool {
    if how.never() || is_empty(declared) {
        return true;
    }
    if let (Value::Text(one), Value::Text(other)) = (declared, found)
        && one == other
    {
        return true;
    }
    if how.says_nothing(found) {
        return !how.whole;
    }
    match (declared, found) {
        (Value::Map(one), Value::Map(other)) => one.iter().all(|(name, value)| {
            let how = how.field(name);
            other.get(name).map_or_else(|| how.never() || !how.whole || value.is_absent(), |found| same(how, value, found))
        }),
        (Value::List(one), Value::List(other)) => list::equal(how, one, other),
        (Value::List(one), other) if how.is_set() => list::equal(how, one, std::slice::from_ref(other)),
        (one, Value::List(other)) if how.is_set() => list::equal(how, std::slice::from_ref(one), other),
        (one, other) => same_scalar(how.compare, one, other),
    }
}

/// Whether nothing is declared: absent, or a list of nothing else.
fn is_empty(value: &Value) -> bool {
    value.is_absent() || value.as_list().is_some_and(|list| list.iter().all(is_empty))
}

fn same_scalar(compare: Option<Compare>, one: &Value, other: &Value) -> bool {
    match (compare, one, other) {
        (None, Value::Number(_), Value::Number(_)) => same_scalar(Some(Compare::Number), one, other),
        (None, _, _) => one == other,
        (Some(compare), _, _) => {
            one.as_u64().is_some_and(|number| Some(number) == other.as_u64())
                || with_text(one, |one| with_text(other, |other| same_text(compare, one, other))).flatten().unwrap_or(false)
        }
    }
}

fn same_text(compare: Compare, one: &str, other: &str) -> bool {
    match compare {
        Compare::Quantity => quantity::equal(one, other),
        Compare::Number => number::equal(one, other),
        Compare::Version => version::equal(one, other),
        Compare::Mac => mac::equal(one, other),
        Compare::Ip => ip::equal(one, other),
        Compare::HostName => host_name::equal(one, other),
        Compare::CaseInsensitive => text::equal(one, other),
        Compare::Configuration => configuration::equal(one, other),
        Compare::Text => one == other,
        Compare::Never => true,
    }
}

/// Hands on the text of a scalar; of a number, as it is printed, without a trip to the heap.
fn with_text<R>(value: &Value, act: impl FnOnce(&str) -> R) -> Option<R> {
    match value {
        Value::Text(text) => Some(act(text)),
        Value::Bool(true) => Some(act("true")),
        Value::Bool(false) => Some(act("false")),
        Value::Number(number) => {
            let mut line = Line { bytes: [0; 48], length: 0 };
            write!(line, "{number}").ok()?;
            line.bytes.get(..line.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(act)
        }
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// A short text on the stack.
struct Line {
    bytes: [u8; 48],
    length: usize,
}

impl std::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Where what was found differs from what is declared: of maps the smallest paths, of lists the whole list. `path` is the
/// path of the two values. A sensitive map is not looked into: which part of it differs would tell.
pub fn differences(rules: &AttributeRules, path: &str, declared: &Value, found: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    walk(How::new(rules), &mut path.to_owned(), declared, found, &mut differences);
    differences
}

fn walk(how: How, path: &mut String, declared: &Value, found: &Value, out: &mut Vec<Difference>) {
    if same(how, declared, found) {
        return;
    }
    if let (Value::Map(one), Value::Map(other), false) = (declared, found, how.rules.rule.sensitive) {
        let length = path.len();
        for (name, value) in one {
            if let Some(found) = other.get(name) {
                path.push('.');
                path.push_str(name);
                walk(how.field(name), path, value, found, out);
                path.truncate(length);
            }
        }
        return;
    }
    let found = if how.is_set() { list::arranged(how, declared, found) } else { in_unit(how.compare, declared, found) };
    out.push(Difference { path: path.clone(), declared: declared.clone(), found });
}

/// What was found, in the unit in which it is declared: of `16Gi` and `8192Mi`, `8Gi`. What is not whole in that unit is
/// shown in the largest one in which it is.
pub fn in_unit_of(rule: &AttributeRule, declared: &Value, found: &Value) -> Value {
    in_unit(rule.compare, declared, found)
}

fn in_unit(compare: Option<Compare>, declared: &Value, found: &Value) -> Value {
    if compare != Some(Compare::Quantity) {
        return found.clone();
    }
    let shown = match declared {
        Value::Number(_) => with_text(found, quantity::as_number).flatten(),
        Value::Text(declared) => with_text(found, |found| quantity::in_unit_of(declared, found)).flatten().map(Value::from),
        _ => None,
    };
    shown.unwrap_or_else(|| found.clone())
}

/// The one spelling of all values that are equal under these rules. (A short host name keeps its own: it is equal to
/// several full ones.)
pub fn canonical(rules: &AttributeRules, value: &Value) -> String {
    let mut text = String::new();
    write(How::new(rules), value, &mut text);
    text
}

fn write(how: How, value: &Value, out: &mut String) {
    match value {
        _ if how.never() || how.says_nothing(value) => {}
        Value::Map(map) => {
            out.push('{');
            for (name, value) in map.iter().filter(|(_, value)| !value.is_absent()) {
                let _ = write!(out, "{name:?}:");
                write(how.field(name), value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::List(list) => {
            let mut elements = list::spellings(how.element(), list);
            if how.is_set() {
                elements.sort_unstable();
                elements.dedup();
            }
            let _ = write!(out, "{elements:?}");
        }
        scalar if how.is_set() => write(How { rules: &PLAIN, ..how }, &Value::List(Box::new([scalar.clone()])), out),
        scalar => {
            let spelled = with_text(scalar, |text| write_text(how.compare, scalar, text, out));
            debug_assert!(spelled.is_some(), "a scalar is never longer than a line");
        }
    }
}

fn write_text(compare: Option<Compare>, value: &Value, text: &str, out: &mut String) {
    match compare {
        Some(Compare::Quantity) => quantity::write(text, out),
        Some(Compare::Number) => number::write(text, out),
        Some(Compare::Version) => version::write(text, out),
        Some(Compare::Mac) => mac::write(text, out),
        Some(Compare::Ip) => ip::write(text, out),
        Some(Compare::HostName) => host_name::write(text, out),
        Some(Compare::CaseInsensitive) => text::write(text, out),
        Some(Compare::Configuration) => configuration::write(text, out),
        Some(Compare::Never) => {}
        None if matches!(value, Value::Number(_)) => number::write(text, out),
        None if matches!(value, Value::Text(_)) => {
            let _ = write!(out, "{text:?}");
        }
        Some(Compare::Text) | None => out.push_str(text),
    }
}

/// The rules at `path` of the attributes, and all rules on the way there, outermost first.
pub(crate) fn rules_along<'a>(rules: &'a AttributeRules, path: &str) -> Vec<&'a AttributeRules> {
    let mut way = vec![rules];
    for name in path.split('.') {
        match way.last().and_then(|rules| rules.fields.get(name)) {
            Some(next) => way.push(next),
            None => break,
        }
    }
    way
}

/// The rules of what no class speaks of: values compare as JSON does.
pub(crate) fn plain() -> &'static AttributeRules {
    &PLAIN
}

/// The rules of the part `name` of a map, with the meaning of the whole where the part has none of its own.
pub(crate) fn below(rules: &AttributeRules, name: &str) -> AttributeRules {
    let how = How::new(rules).field(name);
    let mut below = how.rules.clone();
    below.rule.compare = how.compare;
    below
}

/// The rules of the attributes of one item after the other. Items of a class mostly have the same attributes, so what was
/// looked up for the one before is looked at first.
#[derive(Default)]
pub struct Lookup<'a> {
    rules: Option<&'a AttributeRules>,
    known: Vec<(&'a str, &'a AttributeRules)>,
}

impl<'a> Lookup<'a> {
    /// The rules of the attribute `name`, which is the `place`th of its item, under the `rules` of the item's class.
    pub fn of(&mut self, rules: Option<&'a AttributeRules>, place: usize, name: &'a str) -> &'a AttributeRules {
        let same_class = match (self.rules, rules) {
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        if !same_class {
            self.rules = rules;
            self.known.clear();
        }
        if let Some((_, rules)) = self.known.get(place).filter(|(known, _)| *known == name) {
            return rules;
        }
        let found = rules.map_or(plain(), |rules| rules_of(rules, name));
        self.known.truncate(place);
        if self.known.len() == place {
            self.known.push((name, found));
        }
        found
    }
}

/// The value of `name`, looked for at `place` first: two tables mostly have the same names.
pub fn value_at<'t>(table: &'t Table<Value>, place: usize, name: &str) -> Option<&'t Value> {
    let hinted = table.iter().nth(place).filter(|(known, _)| ***known == *name);
    hinted.map(|(_, value)| value).or_else(|| table.get(name))
}

/// The rules of an attribute.
pub(crate) fn rules_of<'a>(rules: &'a AttributeRules, attribute: &str) -> &'a AttributeRules {
    rules.fields.get(attribute).unwrap_or(&PLAIN)
}

/// The values of `attributes` without those that are volatile or sensitive: what may be shown, and declared, of a thing.
pub(crate) fn presentable(rules: &AttributeRules, attributes: &Table<Value>) -> Table<Value> {
    let shown = attributes.iter().filter_map(|(name, value)| Some((name.clone(), shown(rules_of(rules, name), value)?)));
    shown.collect::<Vec<(Text, Value)>>().into_iter().collect()
}

fn shown(rules: &AttributeRules, value: &Value) -> Option<Value> {
    if rules.rule.sensitive || rules.rule.compare == Some(Compare::Never) || value.is_absent() {
        return None;
    }
    match value {
        Value::Map(map) => Some(Value::Map(presentable(rules, map))).filter(|value| !value.is_absent()),
        Value::List(list) => {
            let each = rules.each.as_deref().unwrap_or(&PLAIN);
            Some(list.iter().filter_map(|value| shown(each, value)).collect()).filter(|value: &Value| !value.is_absent())
        }
        scalar => Some(scalar.clone()),
    }
}

#[cfg(test)]
mod tests;
