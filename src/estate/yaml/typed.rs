//! A tree to typed values, each error with the place it speaks of.

use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess, Unexpected, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::tree::{Key, Node, NodeValue, Span};

/// Why a tree is not the value that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeError {
    /// Which rule is broken.
    pub kind: NodeErrorKind,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The value or key it speaks of.
    pub span: Span,
}

/// The rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeErrorKind {
    /// A key that the map does not have.
    UnknownField,
    /// A key that must be there and is not.
    MissingField,
    /// A name that is none of a choice.
    UnknownVariant,
    /// A value of another type.
    WrongType,
    /// A value that its type refuses.
    Invalid,
}

/// Reads the tree as a value of type `T`. Fields that are text take only text: `412` is a number, `"412"` text.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, NodeError> {
    T::deserialize(node).map_err(|error| error.at(node.span).0)
}

/// An error on its way up; it gets the first place that it passes.
#[derive(Debug)]
pub struct Rising(NodeError, bool);

impl Rising {
    fn new(kind: NodeErrorKind, message: String) -> Self {
        Self(NodeError { kind, message, hint: None, span: Span::default() }, false)
    }

    fn hint(mut self, hint: Option<String>) -> Self {
        self.0.hint = hint;
        self
    }

    fn at(mut self, span: Span) -> Self {
        if !self.1 {
            self.0.span = span;
            self.1 = true;
        }
        self
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NodeError {}

impl fmt::Display for Rising {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Rising {}

impl de::Error for Rising {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(NodeErrorKind::Invalid, message.to_string())
    }

    fn invalid_type(found: Unexpected, expected: &dyn Expected) -> Self {
        let quotes = matches!(found, Unexpected::Bool(_) | Unexpected::Signed(_) | Unexpected::Unsigned(_) | Unexpected::Float(_)) && names_text(expected);
        let end = if quotes { "; put it in quotes" } else { "" };
        Self::new(NodeErrorKind::WrongType, format!("expected {}, found {}{end}", plainly(expected), describe(found)))
    }

    fn invalid_value(found: Unexpected, expected: &dyn Expected) -> Self {
        Self::new(NodeErrorKind::Invalid, format!("expected {}, found {}", plainly(expected), describe(found)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = nearest(variant, expected);
        Self::new(NodeErrorKind::UnknownVariant, format!("`{}` is not known here; write {}", short(variant), one_of(expected))).hint(hint)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = nearest(field, expected).or_else(|| (!expected.is_empty()).then(|| format!("known here: {}", quoted(expected).join(", "))));
        Self::new(NodeErrorKind::UnknownField, format!("the field `{}` is not known here", short(field))).hint(hint)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(NodeErrorKind::MissingField, format!("the field `{field}` is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(NodeErrorKind::Invalid, format!("the field `{field}` stands twice"))
    }
}

fn names_text(expected: &dyn Expected) -> bool {
    let name = expected.to_string();
    ![
        "bool", "integer", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "usize", "f32", "f64", "float", "number", "sequence", "struct", "map", "unit",
        "list", "array", "tuple",
    ]
    .iter()
    .any(|other| name.split(|c: char| !c.is_alphanumeric()).any(|word| word == *other))
}

/// What was expected, without the names of Rust's types.
fn plainly(expected: &dyn Expected) -> String {
    let name = expected.to_string();
    match name.as_str() {
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" | "bool" => "true or false".into(),
        "str" | "string" | "a borrowed string" => "a string".into(),
        "a sequence" => "a list".into(),
        _ if name.starts_with("struct ") || name.starts_with("a map") => "a map".into(),
        _ if name.starts_with("enum ") || name == "string or map" => "one of its names".into(),
        _ => name,
    }
}

fn describe(found: Unexpected) -> String {
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(value) => format!("the text `{}`", short(value)),
        Unexpected::Char(value) => format!("the text `{value}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a map".into(),
        other => other.to_string(),
    }
}

/// At most 40 characters, for a message.
fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn quoted(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("`{name}`")).collect()
}

fn one_of(names: &[&str]) -> String {
    match quoted(names).as_slice() {
        [] => "nothing".into(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The name that was probably meant.
fn nearest(name: &str, known: &[&str]) -> Option<String> {
    let distance = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    if name.len() > 64 {
        return None;
    }
    let (far, best) = known.iter().map(|other| (distance(other), *other)).min()?;
    (far <= 2.max(name.chars().count() / 4) && far < best.len()).then(|| format!("did you mean `{best}`?"))
}

fn unexpected<'n>(node: &'n Node) -> Unexpected<'n> {
    match &node.value {
        NodeValue::Null => Unexpected::Unit,
        NodeValue::Bool(value) => Unexpected::Bool(*value),
        NodeValue::Number(value) => match (value.as_u64(), value.as_i64(), value.as_f64()) {
            (Some(value), ..) => Unexpected::Unsigned(value),
            (_, Some(value), _) => Unexpected::Signed(value),
            (.., Some(value)) => Unexpected::Float(value),
            _ => Unexpected::Other("a number"),
        },
        NodeValue::Text(text) => Unexpected::Str(text),
        NodeValue::List(_) => Unexpected::Seq,
        NodeValue::Map(_) => Unexpected::Map,
    }
}

/// Whether nothing was written at all, as in `labels:`; that may stand for an empty list or map.
fn unwritten(node: &Node) -> bool {
    node.value == NodeValue::Null && node.span.start == node.span.end
}

fn wrong<T, V: Expected>(node: &Node, visitor: &V) -> Result<T, Rising> {
    Err(Rising::invalid_type(unexpected(node), visitor).at(node.span))
}

macro_rules! text_only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
            match &self.value {
                NodeValue::Text(text) => visitor.visit_borrowed_str(text).map_err(|error: Rising| error.at(self.span)),
                _ => wrong(self, &visitor),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &'de Node<'_> {
    type Error = Rising;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
        let read = match &self.value {
            NodeValue::Null => visitor.visit_unit(),
            NodeValue::Bool(value) => visitor.visit_bool(*value),
            NodeValue::Number(value) => match (value.as_u64(), value.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (_, Some(value)) => visitor.visit_i64(value),
                _ => visitor.visit_f64(value.as_f64().unwrap_or_default()),
            },
            NodeValue::Text(text) => visitor.visit_borrowed_str(text),
            NodeValue::List(list) => {
                let mut elements = SeqDeserializer::new(list.iter());
                visitor.visit_seq(&mut elements).and_then(|value| elements.end().map(|()| value))
            }
            NodeValue::Map(entries) => {
                let mut entries = Entries(entries.iter(), None);
                visitor.visit_map(&mut entries)
            }
        };
        read.map_err(|error| error.at(self.span))
    }

    text_only! { deserialize_str deserialize_string deserialize_char deserialize_identifier deserialize_bytes deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
        if self.value == NodeValue::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Rising> {
        visitor.visit_newtype_struct(self).map_err(|error| error.at(self.span))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
        match &self.value {
            NodeValue::List(_) => self.deserialize_any(visitor),
            _ if unwritten(self) => visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>())).map_err(|error| error.at(self.span)),
            _ => wrong(self, &visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Rising> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value, Rising> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
        match &self.value {
            NodeValue::Map(_) => self.deserialize_any(visitor),
            _ if unwritten(self) => visitor.visit_map(MapDeserializer::new(std::iter::empty::<(Self, Self)>())).map_err(|error| error.at(self.span)),
            _ => wrong(self, &visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Rising> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, variants: &'static [&'static str], visitor: V) -> Result<V::Value, Rising> {
        match &self.value {
            NodeValue::Text(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            NodeValue::Map(entries) => match entries.as_slice() {
                [(key, content)] => visitor.visit_enum(Variant { key, content }),
                _ => Err(Rising::new(NodeErrorKind::WrongType, format!("expected a map with one key, {}", one_of(variants)))),
            },
            _ => Err(Rising::new(NodeErrorKind::WrongType, format!("expected {}, found {}", one_of(variants), describe(unexpected(self))))),
        }
        .map_err(|error| error.at(self.span))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 unit unit_struct }
}

impl<'de> IntoDeserializer<'de, Rising> for &'de Node<'_> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// The entries of a map, and the node whose key was just read.
struct Entries<'de, 'a>(std::slice::Iter<'de, (Key<'a>, Node<'a>)>, Option<&'de Node<'a>>);

impl<'de> MapAccess<'de> for &mut Entries<'de, '_> {
    type Error = Rising;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Rising> {
        let Some((key, node)) = self.0.next() else { return Ok(None) };
        self.1 = Some(node);
        seed.deserialize(KeyText(key)).map(Some).map_err(|error| error.at(key.span))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Rising> {
        let node = self.1.take().ok_or_else(|| Rising::custom("a value without its key"))?;
        seed.deserialize(node).map_err(|error| error.at(node.span))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A key as a value of its own: text, or what its text says where a number or truth value is asked for.
struct KeyText<'de, 'a>(&'de Key<'a>);

macro_rules! from_text {
    ($($method:ident $visit:ident $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
            match self.0.text.parse::<$type>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Rising::invalid_type(Unexpected::Str(&self.0.text), &visitor)),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for KeyText<'de, '_> {
    type Error = Rising;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
        visitor.visit_borrowed_str(&self.0.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Rising> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Rising> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Rising> {
        visitor.visit_enum(BorrowedStrDeserializer::new(&self.0.text))
    }

    from_text! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_f64 visit_f64 f64,
    }

    forward_to_deserialize_any! {
        i128 u128 f32 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// `Name: content`, one variant of a choice.
struct Variant<'de, 'a> {
    key: &'de Key<'a>,
    content: &'de Node<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'de, 'a> {
    type Error = Rising;
    type Variant = Content<'de, 'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Rising> {
        let name = seed.deserialize(KeyText(self.key)).map_err(|error| error.at(self.key.span))?;
        Ok((name, Content(self.content)))
    }
}

struct Content<'de, 'a>(&'de Node<'a>);

impl<'de> VariantAccess<'de> for Content<'de, '_> {
    type Error = Rising;

    fn unit_variant(self) -> Result<(), Rising> {
        if unwritten(self.0) { Ok(()) } else { Err(Rising::custom("this choice takes no value; leave it out").at(self.0.span)) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Rising> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Rising> {
        de::Deserializer::deserialize_seq(self.0, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Rising> {
        de::Deserializer::deserialize_map(self.0, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::super::{Limits, documents, parse};
    use super::*;
    use crate::api::{ConfigurationItemSpec, Document, OnDrift, Text};

    fn read<T: DeserializeOwned>(text: &str) -> Result<T, NodeError> {
        let documents = documents(text);
        from_node(&parse(&documents[0], &Limits::default()).unwrap())
    }

    fn place(error: &NodeError) -> (u32, u32) {
        (error.span.line, error.span.column)
    }

    const ITEM: &str = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: a, labels: {env: prod}}\nspec:\n  class: host\n  identifiers:\n    netbox/id: \"412\"\n  attributes: {cpus: 4, os: {version: \"12\"}, tags: [a, b]}\n  relations:\n  - {type: RunsOn, to: b}\n  onDrift: {default: Report, attributes: {os: Adopt}}\n";

    #[test]
    fn a_document_reads_as_serde_yaml_reads_it() {
        let read: Document<ConfigurationItemSpec> = read(ITEM).unwrap();
        assert_eq!(read, serde_yaml::from_str(ITEM).unwrap());
    }

    #[test]
    fn a_number_where_text_is_expected_is_an_error_that_says_how_to_mend_it() {
        let error = read::<Document<ConfigurationItemSpec>>(&ITEM.replace("\"412\"", "412")).unwrap_err();
        assert_eq!(error.message, "expected a string, found the number 412; put it in quotes");
        assert_eq!((error.kind, place(&error)), (NodeErrorKind::WrongType, (7, 16)));
        let error = read::<Document<ConfigurationItemSpec>>(&ITEM.replace("prod", "true")).unwrap_err();
        assert_eq!(error.message, "expected a string, found true; put it in quotes");
        assert_eq!(read::<u8>("x").unwrap_err().message, "expected a whole number that is not negative, found the text `x`");
    }

    #[test]
    fn an_unknown_field_is_told_at_its_key_with_the_nearest_name() {
        let error = read::<Document<ConfigurationItemSpec>>(&ITEM.replace("relations", "relation")).unwrap_err();
        assert_eq!(error.message, "the field `relation` is not known here");
        assert_eq!(error.hint.as_deref(), Some("did you mean `relations`?"));
        assert_eq!((error.kind, place(&error)), (NodeErrorKind::UnknownField, (9, 3)));
    }

    #[test]
    fn a_missing_field_is_told_at_the_map_that_lacks_it() {
        let error = read::<Document<ConfigurationItemSpec>>(&ITEM.replace("  class: host\n", "")).unwrap_err();
        assert_eq!((error.message.as_str(), error.kind, place(&error)), ("the field `class` is missing", NodeErrorKind::MissingField, (5, 3)));
    }

    #[test]
    fn an_unknown_name_of_a_choice_lists_the_known_ones() {
        let error = read::<OnDrift>("report").unwrap_err();
        assert_eq!(error.message, "`report` is not known here; write `Adopt`, `Enforce` or `Report`");
        assert_eq!(error.hint.as_deref(), Some("did you mean `Report`?"));
        assert_eq!(read::<OnDrift>("4").unwrap_err().message, "expected `Adopt`, `Enforce` or `Report`, found the number 4");
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(u32);

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        Unit,
        New(Wrapped),
        Pair(u8, u8),
        Named { a: Option<char> },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Everything {
        choices: Vec<Choice>,
        numbered: BTreeMap<u16, Cow<'static, str>>,
        named: BTreeMap<OnDrift, bool>,
        nothing: Option<Text>,
        floats: (f64, f64),
        #[serde(default)]
        unwritten: Vec<u8>,
    }

    #[test]
    fn choices_options_newtypes_maps_and_tuples_are_read() {
        let text =
            "choices: [Unit, New: 3, Pair: [1, 2], Named: {a: x}]\nnumbered: {1: a, 22: b}\nnamed: {Adopt: true}\nnothing: ~\nfloats: [1, 2.5]\nunwritten:\n";
        let expected = Everything {
            choices: vec![Choice::Unit, Choice::New(Wrapped(3)), Choice::Pair(1, 2), Choice::Named { a: Some('x') }],
            numbered: [(1, "a".into()), (22, "b".into())].into(),
            named: [(OnDrift::Adopt, true)].into(),
            nothing: None,
            floats: (1.0, 2.5),
            unwritten: vec![],
        };
        assert_eq!(read::<Everything>(text).unwrap(), expected);
    }

    #[test]
    fn a_value_that_its_type_refuses_is_told_at_its_place() {
        let error = read::<BTreeMap<Text, crate::api::Period>>("a: 4h\nb: soon\n").unwrap_err();
        assert_eq!((error.kind, place(&error)), (NodeErrorKind::Invalid, (2, 4)));
        assert!(error.message.contains("`soon` is not a duration"), "{}", error.message);
    }
}
