//! Free-form values and small sorted tables: what attributes, labels and identifiers are made of.
//!
//! A large estate holds millions of these, so they are compact: a [`Value`] is 24 bytes, a [`Table`] one allocation,
//! and the names of attributes are shared between all items that have them.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Shared, immutable text. Cloning costs a counter.
pub type Text = Arc<str>;

/// How many different short texts one thread keeps shared; beyond it, texts are simply not shared.
const INTERNED: usize = 8192;
/// Longer texts are rarely repeated and are not shared.
const INTERNED_LENGTH: usize = 24;

thread_local! {
    static POOL: RefCell<HashSet<Text>> = RefCell::new(HashSet::new());
}

/// The same text, shared with earlier equal ones on this thread when it is short: the names of attributes, classes,
/// owners and the like repeat on every item.
pub fn intern(text: &str) -> Text {
    if text.len() > INTERNED_LENGTH {
        return Text::from(text);
    }
    POOL.with_borrow_mut(|pool| {
        if let Some(known) = pool.get(text) {
            return known.clone();
        }
        let new = Text::from(text);
        if pool.len() < INTERNED {
            pool.insert(new.clone());
        }
        new
    })
}

/// A value as YAML and JSON know them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Value {
    /// No value. A null never overwrites a value and is compared as absent.
    #[default]
    Null,
    /// true or false.
    Bool(bool),
    /// A whole or decimal number.
    Number(serde_json::Number),
    /// Text.
    Text(Text),
    /// A list; whether its order matters is for the class to say.
    List(Box<[Value]>),
    /// Named values.
    Map(Table<Value>),
}

impl Value {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// The named values, if it is a map.
    pub fn as_map(&self) -> Option<&Table<Value>> {
        if let Value::Map(map) = self { Some(map) } else { None }
    }

    /// The values, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Value::List(list) = self { Some(list) } else { None }
    }

    /// The value as a `u64`, if it is such a number.
    pub fn as_u64(&self) -> Option<u64> {
        if let Value::Number(number) = self { number.as_u64() } else { None }
    }

    /// Whether there is nothing: null, empty text, an empty list or map. All of them mean "absent".
    pub fn is_absent(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::List(list) => list.is_empty(),
            Value::Map(map) => map.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// The kind of value, as a message names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        }
    }

    /// The value below `path`, whose parts are joined by dots (`os.version`).
    pub fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self, |value, part| value.as_map()?.get(part))
    }

    /// The same value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => serde_json::Value::Bool(*value),
            Value::Number(value) => serde_json::Value::Number(value.clone()),
            Value::Text(value) => serde_json::Value::String(value.to_string()),
            Value::List(list) => serde_json::Value::Array(list.iter().map(Value::to_json).collect()),
            Value::Map(map) => serde_json::Value::Object(map.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect()),
        }
    }
}

/// An order for sorting alone: by kind, then by what is in it. It says nothing about which value is larger.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        let kind = |value: &Self| match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Number(_) => 2,
            Value::Text(_) => 3,
            Value::List(_) => 4,
            Value::Map(_) => 5,
        };
        match (self, other) {
            (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
            (Value::Number(one), Value::Number(other)) => {
                // Those with a fraction first; no JSON number is NaN.
                let whole = |number: &serde_json::Number| (number.as_i64(), number.as_u64());
                whole(one).cmp(&whole(other)).then_with(|| one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal))
            }
            (Value::Text(one), Value::Text(other)) => one.cmp(other),
            (Value::List(one), Value::List(other)) => one.cmp(other),
            (Value::Map(one), Value::Map(other)) => one.cmp(other),
            _ => kind(self).cmp(&kind(other)),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Value {
    /// Text as it is, everything else as compact JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            other => f.write_str(&serde_json::to_string(other).map_err(|_| fmt::Error)?),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(intern(text))
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Value::Text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Number(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Number(value.into())
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(value) => Value::Number(value),
            serde_json::Value::String(value) => Value::Text(intern(&value)),
            serde_json::Value::Array(list) => Value::List(list.into_iter().map(Value::from).collect()),
            serde_json::Value::Object(map) => Value::Map(map.into_iter().map(|(name, value)| (intern(&name), Value::from(value))).collect()),
        }
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Value::List(values.into_iter().collect())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(value) => value.serialize(serializer),
            Value::Text(value) => serializer.serialize_str(value),
            Value::List(list) => serializer.collect_seq(list.iter()),
            Value::Map(map) => map.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                Value::deserialize(deserializer)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                // Infinities and NaN have no JSON number; they stay readable as text.
                Ok(serde_json::Number::from_f64(value).map_or_else(|| Value::Text(intern(&value.to_string())), Value::Number))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Text(intern(value)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut list = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
                while let Some(value) = seq.next_element()? {
                    list.push(value);
                }
                Ok(Value::List(list.into_boxed_slice()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
                Ok(Value::Map(read_table(map)?))
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}

impl JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-preserve-unknown-fields": true})
    }
}

/// A small map, sorted by name, each name once, in one allocation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table<V>(Box<[(Text, V)]>);

impl<V> Table<V> {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&V> {
        // Most tables hold a handful of entries, where a scan beats a search.
        if self.0.len() <= 8 {
            return self.0.iter().find(|(known, _)| &**known == name).map(|(_, value)| value);
        }
        self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok().map(|found| &self.0[found].1)
    }

    /// Whether there is a value of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The entries, by name.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Text, &V)> + ExactSizeIterator {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Text> {
        self.0.iter().map(|(name, _)| name)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same table with `name` set to `value`.
    #[must_use]
    pub fn with(self, name: &str, value: V) -> Self {
        let mut entries = self.0.into_vec();
        match entries.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(found) => entries[found].1 = value,
            Err(place) => entries.insert(place, (intern(name), value)),
        }
        Self(entries.into_boxed_slice())
    }

    /// The same table without `name`.
    #[must_use]
    pub fn without(self, name: &str) -> Self {
        Self(self.0.into_vec().into_iter().filter(|(known, _)| &**known != name).collect())
    }
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<V: fmt::Debug> fmt::Debug for Table<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Borrow<str>, V> FromIterator<(N, V)> for Table<V> {
    /// Sorts; of entries with the same name the last one stays.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut entries: Vec<(Text, V)> = entries.into_iter().map(|(name, value)| (intern(name.borrow()), value)).collect();
        sort_entries(&mut entries);
        Self(entries.into_boxed_slice())
    }
}

impl<'a, V> IntoIterator for &'a Table<V> {
    type Item = (&'a Text, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (Text, V)>, fn(&'a (Text, V)) -> (&'a Text, &'a V)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl<V> IntoIterator for Table<V> {
    type Item = (Text, V);
    type IntoIter = std::vec::IntoIter<(Text, V)>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

fn sort_entries<V>(entries: &mut Vec<(Text, V)>) {
    if entries.is_sorted_by(|a, b| a.0 < b.0) {
        return;
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    // Of equal neighbours the later one is kept, as in every map read from a stream.
    entries.reverse();
    entries.dedup_by(|a, b| a.0 == b.0);
    entries.reverse();
}

fn read_table<'de, A: MapAccess<'de>, V: Deserialize<'de>>(mut map: A) -> Result<Table<V>, A::Error> {
    let mut entries: Vec<(Text, V)> = Vec::with_capacity(map.size_hint().unwrap_or(0).min(1024));
    while let Some(NameOf(name)) = map.next_key()? {
        entries.push((name, map.next_value()?));
    }
    sort_entries(&mut entries);
    Ok(Table(entries.into_boxed_slice()))
}

/// A name that is read as text whatever its YAML type (`8: x` has the name "8").
struct NameOf(Text);

impl<'de> Deserialize<'de> for NameOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = NameOf;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E>(self, name: &str) -> Result<NameOf, E> {
                Ok(NameOf(intern(name)))
            }
            fn visit_bool<E>(self, name: bool) -> Result<NameOf, E> {
                Ok(NameOf(intern(&name.to_string())))
            }
            fn visit_i64<E>(self, name: i64) -> Result<NameOf, E> {
                Ok(NameOf(intern(&name.to_string())))
            }
            fn visit_u64<E>(self, name: u64) -> Result<NameOf, E> {
                Ok(NameOf(intern(&name.to_string())))
            }
            fn visit_f64<E>(self, name: f64) -> Result<NameOf, E> {
                Ok(NameOf(intern(&name.to_string())))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

impl<V: Serialize> Serialize for Table<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self {
            map.serialize_entry(&**name, value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Table<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Table<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Table<V>, A::Error> {
                read_table(map)
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<V: JsonSchema> JsonSchema for Table<V> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("TableOf{}", V::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": generator.subschema_for::<V>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_sorted_and_the_last_of_two_equal_names_stays() {
        let table: Table<i32> = [("b", 1), ("a", 2), ("b", 3)].into_iter().collect();
        assert_eq!(table.iter().map(|(name, value)| (&**name, *value)).collect::<Vec<_>>(), [("a", 2), ("b", 3)]);
    }

    #[test]
    fn a_value_keeps_its_json_form() {
        let json = r#"{"cpus":4,"load":0.5,"on":true,"os":{"name":"debian","version":"12"},"tags":["a",null]}"#;
        let value: Value = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(value.at("os.version").and_then(Value::as_str), Some("12"));
    }

    #[test]
    fn a_value_is_no_larger_than_three_words() {
        assert_eq!(size_of::<Value>(), 24);
    }
}
