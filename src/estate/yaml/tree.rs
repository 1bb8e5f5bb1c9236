//! The tree of a document: values, the place of each, and how each was written.

use std::borrow::Cow;

use serde_json::Number;

use crate::api::value::{Table, Value, intern};

/// Where a value or key stands in its document's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first byte. Anchors and tags stand before it; quotes and the header of a block scalar belong to it.
    pub start: u32,
    /// The byte after its last. A block scalar ends after its last line that is not blank, without the line break.
    pub end: u32,
    /// The line of its start in the document, from 1.
    pub line: u32,
    /// The column of its start, in characters, from 1.
    pub column: u32,
    /// Whether it is here only through an alias or a merge key: it stands elsewhere, or for others too.
    pub alias: bool,
}

impl Span {
    /// The bytes in the document's text.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// How a value was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A scalar without quotes.
    #[default]
    Plain,
    /// A scalar in single quotes.
    Single,
    /// A scalar in double quotes.
    Double,
    /// A block scalar that keeps its lines (`|`).
    Literal,
    /// A block scalar that folds its lines (`>`).
    Folded,
    /// A list or map in brackets.
    Flow,
    /// A list or map by indentation.
    Block,
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Key<'a> {
    /// The key as text, whatever a plain scalar of that spelling would mean.
    pub text: Cow<'a, str>,
    /// Where it stands.
    pub span: Span,
}

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node<'a> {
    /// Where it stands.
    pub span: Span,
    /// How it was written.
    pub style: Style,
    /// Whether it has an anchor, so that aliases may repeat it.
    pub anchored: bool,
    /// Whether it has a tag.
    pub tagged: bool,
    /// What it is.
    pub value: NodeValue<'a>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue<'a> {
    /// Nothing.
    Null,
    /// true or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Node<'a>>),
    /// A map, in the order in which it was written; merged entries last.
    Map(Vec<(Key<'a>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// The value at a dotted path (`spec.attributes.memory`); `[2]` or `.2` for an element of a list. Keys that hold
    /// dots themselves are found: the longest key that fits is tried first.
    pub fn at(&self, path: &str) -> Option<&Node<'a>> {
        let (found, rest) = self.nearest(path);
        rest.is_empty().then_some(found)
    }

    /// The value at a path, or the nearest one above it, and what is left of the path.
    pub fn nearest<'p>(&self, path: &'p str) -> (&Node<'a>, &'p str) {
        if path.is_empty() {
            return (self, path);
        }
        self.steps(path).into_iter().map(|(child, rest)| child.nearest(rest)).min_by_key(|(_, rest)| rest.len()).unwrap_or((self, path))
    }

    /// The children that the path may begin with, the longest key first, and the rest of the path for each.
    pub(crate) fn steps<'p>(&self, path: &'p str) -> Vec<(&Node<'a>, &'p str)> {
        match &self.value {
            NodeValue::Map(entries) => {
                let mut steps: Vec<_> = entries
                    .iter()
                    .filter_map(|(key, node)| {
                        let rest = path.strip_prefix(&*key.text)?;
                        (rest.is_empty() || rest.starts_with(['.', '['])).then(|| (node, rest.strip_prefix('.').unwrap_or(rest)))
                    })
                    .collect();
                steps.sort_by_key(|(_, rest)| rest.len());
                steps
            }
            NodeValue::List(list) => index(path).and_then(|(index, rest)| Some((list.get(index)?, rest))).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The entries, if it is a map.
    pub fn as_map(&self) -> Option<&[(Key<'a>, Node<'a>)]> {
        if let NodeValue::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Node<'a>]> {
        if let NodeValue::List(list) = &self.value { Some(list) } else { None }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        if let NodeValue::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The value of a key, if it is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.as_map()?.iter().find(|(known, _)| known.text == key).map(|(_, node)| node)
    }

    /// The value without places and styles.
    pub fn to_value(&self) -> Value {
        match &self.value {
            NodeValue::Null => Value::Null,
            NodeValue::Bool(value) => Value::Bool(*value),
            NodeValue::Number(value) => Value::Number(value.clone()),
            NodeValue::Text(text) => Value::Text(intern(text)),
            NodeValue::List(list) => Value::List(list.iter().map(Node::to_value).collect()),
            NodeValue::Map(entries) => Value::Map(entries.iter().map(|(key, node)| (intern(&key.text), node.to_value())).collect::<Table<_>>()),
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            NodeValue::Null => serde_json::Value::Null,
            NodeValue::Bool(value) => serde_json::Value::Bool(*value),
            NodeValue::Number(value) => serde_json::Value::Number(value.clone()),
            NodeValue::Text(text) => serde_json::Value::String(text.to_string()),
            NodeValue::List(list) => list.iter().map(Node::to_json).collect(),
            NodeValue::Map(entries) => entries.iter().map(|(key, node)| (key.text.to_string(), node.to_json())).collect(),
        }
    }

    /// Marks it and all below it as coming from an alias.
    pub(super) fn mark_alias(&mut self) {
        self.span.alias = true;
        match &mut self.value {
            NodeValue::List(list) => list.iter_mut().for_each(Node::mark_alias),
            NodeValue::Map(entries) => entries.iter_mut().for_each(|(key, node)| {
                key.span.alias = true;
                node.mark_alias();
            }),
            _ => {}
        }
    }
}

/// The index with which a path begins, and its rest.
fn index(path: &str) -> Option<(usize, &str)> {
    let (digits, rest) = match path.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => path.split_at(path.find(['.', '[']).unwrap_or(path.len())),
    };
    Some((digits.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, documents, parse};

    #[test]
    fn a_path_finds_keys_with_dots_and_slashes_and_elements_of_lists() {
        let text = "a:\n  b.c/d: 1\n  b: {c/d: 2, x: [3, {y: 4}]}\n  app.kubernetes.io/name: 5\n";
        let documents = documents(text);
        let node = parse(&documents[0], &Limits::default()).unwrap();
        for (path, expected) in [("a.b.c/d", 1), ("a.b.x[0]", 3), ("a.b.x.0", 3), ("a.b.x[1].y", 4), ("a.b.x.1.y", 4), ("a.app.kubernetes.io/name", 5)] {
            assert_eq!(node.at(path).map(super::Node::to_json), Some(expected.into()), "{path}");
        }
        for path in ["z", "a.z", "a.b.x[7]", "a.b.x[0].y", "a.b.x[", "a..b"] {
            assert!(node.at(path).is_none(), "{path}");
        }
    }
}
