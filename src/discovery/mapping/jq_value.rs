//! The values that jq computes with. Whatever is built from them is paid for (see `fuel`), so that no expression can
//! fill the memory.
//!
//! They differ from jq's own in this: the members of a map are in the order of their names, whole numbers beyond 64 bits
//! become decimal, and messages name the kind of a value instead of showing it, since it may be secret.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use jaq_core::box_iter::BoxIter;
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Exn, ValR, ValX};
use serde_json::Number;

use super::direct::{in_list, no_such_step, shortened};
use super::fuel::{DEPTH, Limit, charge, charge_text, stop};
use super::node::Node;
use crate::api::{Value, intern};

/// A value within jq.
#[derive(Clone)]
pub(super) enum V {
    Null,
    Bool(bool),
    Number(Number),
    /// A number that JSON does not have: infinite, or none at all.
    Odd(f64),
    Text(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
}

/// A list, and how deeply it is nested at most.
#[derive(Clone, Default)]
pub(super) struct List {
    pub depth: u16,
    pub values: Vec<V>,
}

/// A map, and how deeply it is nested at most.
#[derive(Clone, Default)]
pub(super) struct Map {
    pub depth: u16,
    pub entries: BTreeMap<Rc<str>, V>,
}

pub(super) type Error = jaq_core::Error<V>;

impl V {
    /// The same as a node of a document. Not paid for: the budget grows with the document.
    pub fn of(node: &Node<'_>) -> V {
        match node {
            Node::Null => V::Null,
            Node::Bool(value) => V::Bool(*value),
            Node::Number(number) => V::Number(number.clone()),
            Node::Text(text) => V::Text(Rc::from(&**text)),
            Node::List(list) => V::list(list.iter().map(V::of).collect()),
            Node::Map(entries) => V::map(entries.iter().map(|(name, node)| (Rc::from(&**name), V::of(node))).collect()),
        }
    }

    /// The same as a value of the estate.
    pub fn to_value(&self) -> Result<Value, String> {
        charge(1);
        Ok(match self {
            V::Null => Value::Null,
            V::Bool(value) => Value::Bool(*value),
            V::Number(number) => Value::Number(number.clone()),
            V::Odd(_) => return Err("the result is not a finite number".to_owned()),
            V::Text(text) => {
                charge_text(text.len());
                Value::Text(intern(text))
            }
            V::List(list) => Value::List(list.values.iter().map(V::to_value).collect::<Result<_, _>>()?),
            V::Map(map) => Value::Map(map.entries.iter().map(|(name, value)| Ok((&**name, value.to_value()?))).collect::<Result<_, String>>()?),
        })
    }

    /// The same as a document of its own.
    pub fn to_node(&self) -> Result<Node<'static>, String> {
        charge(1);
        Ok(match self {
            V::Null => Node::Null,
            V::Bool(value) => Node::Bool(*value),
            V::Number(number) => Node::Number(number.clone()),
            V::Odd(_) => return Err("the result is not a finite number".to_owned()),
            V::Text(text) => {
                charge_text(text.len());
                Node::Text(text.to_string().into())
            }
            V::List(list) => Node::List(list.values.iter().map(V::to_node).collect::<Result<_, _>>()?),
            V::Map(map) => Node::Map(map.entries.iter().map(|(name, value)| Ok((name.to_string().into(), value.to_node()?))).collect::<Result<_, String>>()?),
        })
    }

    pub fn list(values: Vec<V>) -> V {
        let depth = deeper(values.iter().map(V::depth).max());
        V::List(Rc::new(List { depth, values }))
    }

    pub fn map(entries: BTreeMap<Rc<str>, V>) -> V {
        let depth = deeper(entries.values().map(V::depth).max());
        V::Map(Rc::new(Map { depth, entries }))
    }

    pub fn text(text: &str) -> V {
        charge_text(text.len());
        V::Text(Rc::from(text))
    }

    /// The result of a calculation: `16384 / 1024` is 16 and not 16.0, as in jq.
    pub fn decimal(number: f64) -> V {
        #[allow(clippy::cast_possible_truncation)] // whole and exact below 2^53
        if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
            return V::Number((number as i64).into());
        }
        Number::from_f64(number).map_or(V::Odd(number), V::Number)
    }

    pub fn whole(number: i128) -> V {
        #[allow(clippy::cast_precision_loss)] // beyond 64 bits, nearness is all there is
        match (i64::try_from(number), u64::try_from(number)) {
            (Ok(number), _) => V::Number(number.into()),
            (_, Ok(number)) => V::Number(number.into()),
            _ => V::decimal(number as f64),
        }
    }

    pub fn as_whole(&self) -> Option<i128> {
        let V::Number(number) = self else { return None };
        number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
    }

    pub fn as_decimal(&self) -> Option<f64> {
        match self {
            V::Number(number) => number.as_f64(),
            V::Odd(number) => Some(*number),
            _ => None,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            V::Null => "null",
            V::Bool(_) => "a boolean",
            V::Number(_) | V::Odd(_) => "a number",
            V::Text(_) => "a string",
            V::List(_) => "a list",
            V::Map(_) => "a map",
        }
    }

    fn depth(&self) -> u16 {
        match self {
            V::List(list) => list.depth,
            V::Map(map) => map.depth,
            _ => 0,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            V::Null => 0,
            V::Bool(_) => 1,
            V::Number(_) | V::Odd(_) => 2,
            V::Text(_) => 3,
            V::List(_) => 4,
            V::Map(_) => 5,
        }
    }

    /// `.[index]`, none where there is no such part.
    pub fn at(&self, index: &V) -> Result<Option<V>, Error> {
        charge(1);
        match (self, index) {
            (V::Null, _) => Ok(None),
            (V::List(list), V::Number(_) | V::Odd(_)) => Ok(place(index, list.values.len()).and_then(|place| list.values.get(place).cloned())),
            (V::Map(map), V::Text(name)) => Ok(map.entries.get(name).cloned()),
            (V::List(_), V::List(_)) => self.places_of(index).map(Some),
            (V::Text(_) | V::List(_), V::Map(bounds)) => self.slice(bounds.entries.get("start"), bounds.entries.get("end")).map(Some),
            (_, V::Text(name)) => Err(Error::str(no_such_step(self.kind(), &format_args!("`{}`", shortened(name))))),
            (_, V::Number(number)) => Err(Error::str(no_such_step(self.kind(), number))),
            _ => Err(Error::str(no_such_step(self.kind(), &index.kind()))),
        }
    }

    /// Where a part stands in a text or list.
    pub fn places_of(&self, part: &V) -> Result<V, Error> {
        let places: Vec<usize> = match (self, part) {
            (V::Null, _) => return Ok(V::Null),
            (V::Text(_), V::Text(part)) if part.is_empty() => Vec::new(),
            (V::List(_), V::List(part)) if part.values.is_empty() => Vec::new(),
            (V::Text(text), V::Text(part)) => {
                charge_text(text.len());
                text.char_indices().enumerate().filter(|(_, (byte, _))| text[*byte..].starts_with(&**part)).map(|(place, _)| place).collect()
            }
            (V::List(list), V::List(part)) => {
                list.values.windows(part.values.len()).enumerate().filter(|(_, window)| **window == *part.values).map(|(place, _)| place).collect()
            }
            (V::List(list), part) => list.values.iter().enumerate().filter(|(_, value)| *value == part).map(|(place, _)| place).collect(),
            _ => return Err(Error::str(no_such_step(self.kind(), &part.kind()))),
        };
        Ok(places.into_iter().map(V::from).collect())
    }

    fn slice(&self, start: Option<&V>, end: Option<&V>) -> Result<V, Error> {
        let length = match self {
            V::Null => return Ok(V::Null),
            V::List(list) => list.values.len(),
            V::Text(text) => {
                charge_text(text.len());
                text.chars().count()
            }
            _ => return Err(Error::str(no_such_step(self.kind(), &"a slice"))),
        };
        let (from, to) = bounds(start, end, length)?;
        Ok(match self {
            V::List(list) => list.values.iter().skip(from).take(to.saturating_sub(from)).cloned().collect(),
            V::Text(text) => V::text(&text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>()),
            _ => V::Null,
        })
    }
}

/// The bounds of a slice, within the length.
fn bounds(start: Option<&V>, end: Option<&V>, length: usize) -> Result<(usize, usize), Error> {
    let bound = |value: Option<&V>, default: usize| match value {
        None | Some(V::Null) => Ok(default),
        Some(value) => {
            let number = value.as_decimal().ok_or_else(|| Error::str("the bounds of a slice must be numbers"))?;
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // clamped to the length
            Ok(if number < 0.0 { (length as f64 + number.floor()).max(0.0) } else { number.floor() }.min(length as f64) as usize)
        }
    };
    Ok((bound(start, 0)?, bound(end, length)?))
}

/// The place in a list that a number names.
fn place(index: &V, length: usize) -> Option<usize> {
    #[allow(clippy::cast_possible_truncation)] // saturates, and no list is that long
    let place =
        index.as_whole().and_then(|whole| i64::try_from(whole).ok()).or_else(|| index.as_decimal().filter(|n| n.is_finite()).map(|n| n.floor() as i64))?;
    in_list(place, length)
}

/// One deeper than the deepest part.
fn deeper(deepest: Option<u16>) -> u16 {
    match deepest.unwrap_or(0) {
        depth if depth >= DEPTH => stop(Limit::Depth),
        depth => depth + 1,
    }
}

/// For messages: the kind, never the value.
impl fmt::Display for V {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl fmt::Debug for V {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl From<bool> for V {
    fn from(value: bool) -> Self {
        V::Bool(value)
    }
}

impl From<isize> for V {
    fn from(number: isize) -> Self {
        V::Number((number as i64).into())
    }
}

impl From<usize> for V {
    fn from(number: usize) -> Self {
        V::Number((number as u64).into())
    }
}

impl From<f64> for V {
    fn from(number: f64) -> Self {
        V::decimal(number)
    }
}

impl From<String> for V {
    fn from(text: String) -> Self {
        V::text(&text)
    }
}

impl From<Range<V>> for V {
    fn from(range: Range<V>) -> Self {
        let ends = [("start", range.start), ("end", range.end)];
        V::map(ends.into_iter().filter_map(|(name, value)| Some((Rc::from(name), value?))).collect())
    }
}

impl FromIterator<V> for V {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        V::list(values.into_iter().inspect(|_| charge(1)).collect())
    }
}

impl PartialEq for V {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for V {}

impl PartialOrd for V {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of jq: null, false, true, numbers, texts, lists, maps.
impl Ord for V {
    fn cmp(&self, other: &Self) -> Ordering {
        charge(1);
        match (self, other) {
            (V::Bool(left), V::Bool(right)) => left.cmp(right),
            (V::Number(_) | V::Odd(_), V::Number(_) | V::Odd(_)) => match (self.as_whole(), other.as_whole()) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => compare_decimals(self.as_decimal().unwrap_or(f64::NAN), other.as_decimal().unwrap_or(f64::NAN)),
            },
            (V::Text(left), V::Text(right)) => {
                charge_text(left.len().min(right.len()));
                left.cmp(right)
            }
            (V::List(left), V::List(right)) => left.values.cmp(&right.values),
            (V::Map(left), V::Map(right)) => left.entries.keys().cmp(right.entries.keys()).then_with(|| left.entries.values().cmp(right.entries.values())),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Not-a-number is smaller than any number, also than itself, as in jq.
fn compare_decimals(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or(if left.is_nan() { Ordering::Less } else { Ordering::Greater })
}

fn not_iterable(value: &V) -> Error {
    Error::str(format!("cannot take the values of {}", value.kind()))
}

impl jaq_core::ValT for V {
    fn from_num(digits: &str) -> ValR<Self> {
        super::direct::number(digits).map(V::Number).ok_or_else(|| Error::str("a number is too large"))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(entries: I) -> ValR<Self> {
        let named = entries.into_iter().map(|(name, value)| {
            charge(2);
            match name {
                V::Text(name) => Ok((name, value)),
                other => Err(Error::str(format!("a name in a map must be a string, not {}", other.kind()))),
            }
        });
        Ok(V::map(named.collect::<Result<_, _>>()?))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        match self {
            V::List(list) => Box::new((0..list.values.len()).map_while(move |place| {
                charge(1);
                Some(Ok((V::from(place), list.values.get(place)?.clone())))
            })),
            V::Map(map) => {
                charge(map.entries.len() as u64);
                let entries: Vec<_> = map.entries.iter().map(|(name, value)| Ok((V::Text(name.clone()), value.clone()))).collect();
                Box::new(entries.into_iter())
            }
            other => Box::new(std::iter::once(Err(not_iterable(&other)))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        Box::new(self.key_values().map(|entry| entry.map(|(_, value)| value)))
    }

    fn index(self, index: &Self) -> ValR<Self> {
        self.at(index).map(|found| found.unwrap_or(V::Null))
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        self.slice(range.start, range.end)
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        match self {
            V::List(list) => list.values.iter().cloned().flat_map(f).collect(),
            V::Map(map) => {
                let changed = map.entries.iter().filter_map(|(name, value)| {
                    charge(1);
                    f(value.clone()).next().map(|value| Ok((name.clone(), value?)))
                });
                Ok(V::map(changed.collect::<Result<_, Exn<'a, V>>>()?))
            }
            other => opt.fail(other, |value| Exn::from(not_iterable(&value))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(self, index: &Self, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        match (self, index) {
            (V::Null, V::Text(_)) => V::map(BTreeMap::new()).map_index(index, opt, f),
            (V::Map(map), V::Text(name)) => {
                charge(map.entries.len() as u64);
                let mut entries = map.entries.clone();
                match f(map.entries.get(name).cloned().unwrap_or(V::Null)).next().transpose()? {
                    Some(value) => entries.insert(name.clone(), value),
                    None => entries.remove(name),
                };
                Ok(V::map(entries))
            }
            (V::List(list), V::Number(_)) => {
                charge(list.values.len() as u64);
                let Some(place) = place(index, list.values.len()) else {
                    return opt.fail(V::List(list), |_| Exn::from(Error::str("no such place in the list")));
                };
                let mut values = list.values.clone();
                let replacement = f(values.get(place).cloned().unwrap_or(V::Null)).next().transpose()?;
                values.splice(place..=place, replacement);
                Ok(V::list(values))
            }
            (list @ (V::List(_) | V::Text(_)), V::Map(bounds)) => {
                let bounds = bounds.clone();
                list.map_range(bounds.entries.get("start")..bounds.entries.get("end"), opt, f)
            }
            (other, _) => opt.fail(other, |value| Exn::from(Error::str(no_such_step(value.kind(), &index.kind())))),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(self, range: Range<&Self>, opt: Opt, f: impl Fn(Self) -> I) -> ValX<'a, Self> {
        let V::List(list) = self else {
            return opt.fail(self, |value| Exn::from(Error::str(no_such_step(value.kind(), &"a slice"))));
        };
        charge(list.values.len() as u64);
        let (from, to) = bounds(range.start, range.end, list.values.len())?;
        let to = to.max(from);
        let part = list.values.get(from..to).unwrap_or_default().iter().cloned().collect();
        let replacement = match f(part).next().transpose()? {
            None => Vec::new(),
            Some(V::List(list)) => list.values.clone(),
            Some(other) => return Err(Exn::from(Error::str(format!("a slice can be set to a list only, not to {}", other.kind())))),
        };
        let mut values = list.values.clone();
        values.splice(from..to, replacement);
        Ok(values.into_iter().collect())
    }

    fn as_bool(&self) -> bool {
        !matches!(self, V::Null | V::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            V::Text(_) => self,
            // Not a finite number, and so not JSON.
            other => other.to_value().map_or_else(|_| V::text("null"), |value| V::text(&value.to_string())),
        }
    }
}

impl jaq_std::ValT for V {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            V::List(list) => {
                charge(list.values.len() as u64);
                Ok(list.values.iter().cloned().collect())
            }
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        self.as_whole().is_some()
    }

    fn as_isize(&self) -> Option<isize> {
        self.as_whole().and_then(|whole| whole.try_into().ok())
    }

    fn as_f64(&self) -> Option<f64> {
        self.as_decimal()
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, V::Text(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        if let V::Text(text) = self { Some(text.as_bytes()) } else { None }
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        V::text(&String::from_utf8_lossy(part))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        V::text(&String::from_utf8_lossy(bytes.as_ref()))
    }
}
