//! Editing one value of a YAML file, every other byte untouched (rule 6).
//!
//! The tree gives the bytes of the value; they are replaced in the style in which they were written; then the whole
//! file is read again and compared. Where anything else than the intended value would differ, the edit is refused.

mod documents;
mod scalar;
mod splice;

use std::fmt;

use crate::api::Value;
use crate::estate::yaml::{self, Limits, Node, NodeValue, RawDocument};

pub use documents::{append_document, remove_document};
pub(crate) use scalar::{flow, key_text};
use splice::Splicer;

/// One edit of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// The value at `path` becomes `to`. The last key of the path may be missing.
    Set {
        /// A dotted path, as of [`Node::at`].
        path: String,
        /// The new value.
        to: Value,
    },
    /// The key at `path` is removed with its value.
    Remove {
        /// A dotted path, as of [`Node::at`].
        path: String,
    },
}

/// Why a file was not edited, in words for a change request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, in one sentence.
    pub reason: String,
}

impl Refusal {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

/// The file with the value at `path` of the document at `offset` set to `to`.
pub fn apply(file_text: &str, offset: usize, length: usize, path: &str, to: &Value) -> Result<String, Refusal> {
    apply_all(file_text, offset, length, &[Edit::Set { path: path.into(), to: to.clone() }])
}

/// The file with all the edits of one document made, or none of them.
pub fn apply_all(file_text: &str, offset: usize, length: usize, edits: &[Edit]) -> Result<String, Refusal> {
    let mut text = file_text.to_owned();
    let mut length = length;
    for edit in edits {
        let edited = one(&text, offset, length, edit)?;
        length = (length + edited.len()).saturating_sub(text.len());
        text = edited;
    }
    Ok(text)
}

fn one(file: &str, offset: usize, length: usize, edit: &Edit) -> Result<String, Refusal> {
    let document = documents::find(file, offset, length)?;
    let root = read(&document)?;
    let (path, to) = match edit {
        Edit::Set { path, to } => (path, Some(to)),
        Edit::Remove { path } => (path, None),
    };
    let route = Route::find(&root, path)?;
    for node in &route.nodes {
        own(&document, node)?;
    }
    let mut splicer = Splicer::new(document.text);
    splicer.edit(&route, to)?;
    templates(document.text, splicer.ranges())?;
    let edited = splicer.text();
    let expected = expected(&root, &route, to);
    documents::check(file, &document, &edited, &expected)
}

fn read<'a>(document: &RawDocument<'a>) -> Result<Node<'a>, Refusal> {
    yaml::parse(document, &Limits::default()).map_err(|error| Refusal::new(format!("the document cannot be read: {} (line {})", error.message, error.line)))
}

/// The way from a document's root to a value.
struct Route<'r, 'a> {
    /// The root, and each value below it on the way.
    nodes: Vec<&'r Node<'a>>,
    /// The place of each below the one before.
    steps: Vec<usize>,
    /// The last key, if the map does not have it.
    missing: Option<&'r str>,
}

impl<'r, 'a> Route<'r, 'a> {
    fn find(root: &'r Node<'a>, path: &'r str) -> Result<Self, Refusal> {
        let mut route = Self { nodes: vec![root], steps: Vec::new(), missing: None };
        let (found, rest) = root.nearest(path);
        // Walk again towards the value that was found, and remember the way.
        let mut left = path;
        while let Some(&node) = route.nodes.last()
            && !std::ptr::eq(node, found)
        {
            let Some((child, rest)) = node.steps(left).into_iter().find(|(child, rest)| std::ptr::eq(child.nearest(rest).0, found)) else { break };
            let index = match &node.value {
                NodeValue::Map(entries) => entries.iter().position(|(_, value)| std::ptr::eq(value, child)),
                NodeValue::List(list) => list.iter().position(|value| std::ptr::eq(value, child)),
                _ => None,
            };
            route.steps.push(index.unwrap_or_default());
            route.nodes.push(child);
            left = rest;
        }
        if rest.is_empty() {
            return Ok(route);
        }
        // A dot in what is left may join two keys or be part of one, as in a label's `example.com/name`.
        let one_key = rest.split_once('/').map_or(rest, |(_, name)| name);
        if !matches!(found.value, NodeValue::Map(_)) || one_key.contains(['.', '[']) {
            return Err(Refusal::new(format!("there is no value at `{path}`, and only one key can be added to a map")));
        }
        route.missing = Some(rest);
        Ok(route)
    }
}

/// Refuses a value that stands here for others too, or that another tool gives its meaning.
fn own(document: &RawDocument, node: &Node) -> Result<(), Refusal> {
    let text = document.text.get(node.span.range()).unwrap_or_default();
    if node.span.alias {
        let name: String = text.strip_prefix('*').unwrap_or_default().chars().take_while(|c| !c.is_whitespace() && !",[]{}".contains(*c)).collect();
        let Some(at) = document.text.find(&format!("&{name}")).filter(|_| !name.is_empty()) else {
            return Err(Refusal::new("the value comes from a merge key, so an edit here would change other values too"));
        };
        let line = document.line as usize + document.text.get(..at).unwrap_or_default().matches('\n').count();
        return Err(Refusal::new(format!("the value comes from the anchor &{name} at line {line}, so an edit here would change other values too")));
    }
    let line = document.line + node.span.line.saturating_sub(1);
    if node.anchored {
        return Err(Refusal::new(format!("the value at line {line} has an anchor, so an edit would change what its aliases repeat too")));
    }
    if node.tagged {
        return Err(Refusal::new(format!("the value at line {line} has a tag, which says how it is meant")));
    }
    Ok(())
}

/// Refuses an edit near the marks of a template: the file is then not the YAML that is used.
fn templates(text: &str, ranges: impl Iterator<Item = std::ops::Range<usize>>) -> Result<(), Refusal> {
    for range in ranges {
        let before = text.get(..range.start).unwrap_or_default();
        let after = text.get(range.end..).unwrap_or_default();
        let from = before.rmatch_indices('\n').nth(3).map_or(0, |(at, _)| at);
        let to = after.match_indices('\n').nth(3).map_or(text.len(), |(at, _)| range.end + at);
        let near = text.get(from..to).unwrap_or_default();
        if let Some(mark) = ["{{", "{%", "<%"].into_iter().find(|mark| near.contains(mark)) {
            return Err(Refusal::new(format!("the place holds the template mark `{mark}`, so the file is not what is used")));
        }
    }
    Ok(())
}

/// The document's value as it must be after the edit.
fn expected(root: &Node, route: &Route, to: Option<&Value>) -> Value {
    fn set(node: &Node, steps: &[usize], missing: Option<&str>, to: Option<&Value>) -> Option<Value> {
        let Some((&step, rest)) = steps.split_first() else {
            return match (missing, node.to_value(), to) {
                (Some(key), Value::Map(map), Some(to)) => Some(Value::Map(map.with(key, to.clone()))),
                (_, _, to) => to.cloned(),
            };
        };
        match (&node.value, node.to_value()) {
            (NodeValue::Map(entries), Value::Map(map)) => {
                let (key, child) = entries.get(step)?;
                Some(Value::Map(match set(child, rest, missing, to) {
                    Some(value) => map.with(&key.text, value),
                    None => map.without(&key.text),
                }))
            }
            (NodeValue::List(nodes), Value::List(list)) => {
                let mut list = list.into_vec();
                match set(nodes.get(step)?, rest, missing, to) {
                    Some(value) => *list.get_mut(step)? = value,
                    None => drop(list.remove(step)),
                }
                Some(Value::List(list.into()))
            }
            (_, value) => Some(value),
        }
    }
    set(root, &route.steps, route.missing, to).unwrap_or_default()
}
