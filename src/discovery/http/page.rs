//! One page: read, its items mapped or gathered, and dropped.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::paging::hash;
use super::plan::Join;
use crate::api::{Text, Value};
use crate::discovery::blocks::{self, Found};
use crate::discovery::mapping::{Expression, Mapper, Node};

/// How many items a source may have.
const MOST: usize = 2_000_000;

/// What takes the documents of a list.
pub(super) trait Sink: Send + 'static {
    /// Takes the document of a page. `key` is asked of its last item.
    fn take(&mut self, document: Node<'_>, page: u32, key: Option<&Expression>) -> Result<Taken, String>;
}

/// What was taken from a page.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// How many items it has.
    pub items: usize,
    /// The key of the last one.
    pub key: Option<Text>,
    /// Whether all of them came before.
    pub repeated: bool,
}

/// Items that become observations.
pub(super) struct Mapped {
    mapper: Arc<Mapper>,
    joined: Vec<(Arc<Join>, Joined)>,
    stop: Arc<AtomicBool>,
    seen: HashSet<u64>,
    /// How many items came on two pages.
    pub twice: usize,
    /// What was found.
    pub found: Found,
}

impl Mapped {
    pub(super) fn new(mapper: Arc<Mapper>, joined: Vec<(Arc<Join>, Joined)>, stop: Arc<AtomicBool>) -> Self {
        Self { mapper, joined, stop, seen: HashSet::new(), twice: 0, found: Found::default() }
    }

    /// Adds a page's items but those that came on an earlier page; whether all of them did.
    fn add(&mut self, mut page: Found) -> bool {
        let before = page.items.len();
        let keys: Vec<u64> = page.items.iter().map(|item| hash(&(&item.class, &item.key))).collect();
        let mut all = keys.iter();
        page.items.retain(|_| all.next().is_none_or(|key| !self.seen.contains(key)));
        self.seen.extend(keys);
        let repeated = before > 0 && page.items.is_empty();
        if !repeated {
            self.twice += before - page.items.len();
        }
        self.found.append(page);
        repeated
    }
}

impl Sink for Mapped {
    fn take(&mut self, document: Node<'_>, page: u32, key: Option<&Expression>) -> Result<Taken, String> {
        let mut items = self.mapper.items_of(document)?;
        let key = key_of(key, &items)?;
        if self.found.items.len() + items.len() > MOST {
            return Err(format!("there are more than {MOST} items; split them into several sources"));
        }
        for item in &mut items {
            for (join, joined) in &self.joined {
                attach(item, join, joined)?;
            }
        }
        let count = items.len();
        let numbered: Vec<(usize, Node<'_>)> = (1..).zip(items).collect();
        let place = |(number, _): &(usize, Node<'_>)| format!("page {page}, item {number}");
        let mapped = blocks::map(&numbered, &self.mapper, &self.stop, place, |(_, item)| Ok(Cow::Borrowed(std::slice::from_ref(item))));
        Ok(Taken { items: count, key, repeated: self.add(mapped) })
    }
}

/// Lays what belongs to an item beside it.
fn attach<'a>(item: &mut Node<'a>, join: &Join, joined: &'a Joined) -> Result<(), String> {
    let key = text_of("key", &join.key, item).map_err(|reason| format!("join `{}`: {reason}", join.name))?;
    let Node::Map(entries) = item else { return Err(format!("join `{}`: an item is no map, so nothing can be laid beside it", join.name)) };
    let parts = key.and_then(|key| joined.parts.get(&key)).map(|parts| parts.iter().map(node_of).collect()).unwrap_or_default();
    entries.push((Cow::Owned(join.name.to_string()), Node::List(parts)));
    Ok(())
}

/// A value as a node, its texts borrowed.
fn node_of(value: &Value) -> Node<'_> {
    match value {
        Value::Null => Node::Null,
        Value::Bool(value) => Node::Bool(*value),
        Value::Number(number) => Node::Number(number.clone()),
        Value::Text(text) => Node::Text(Cow::Borrowed(text)),
        Value::List(list) => Node::List(list.iter().map(node_of).collect()),
        Value::Map(map) => Node::Map(map.iter().map(|(name, value)| (Cow::Borrowed(&**name), node_of(value))).collect()),
    }
}

/// The items of a join, by the key of that to which they belong.
#[derive(Default)]
pub(super) struct Joined {
    parts: HashMap<Text, Vec<Value>>,
}

/// Items that are laid beside others.
pub(super) struct Gathered {
    join: Arc<Join>,
    count: usize,
    /// What was gathered.
    pub joined: Joined,
}

impl Gathered {
    pub(super) fn new(join: Arc<Join>) -> Self {
        Self { join, count: 0, joined: Joined::default() }
    }

    fn keep(&mut self, item: &Node<'_>) -> Result<(), String> {
        let of = match self.join.by.run(item).map_err(|reason| format!("by: {reason}"))?.unwrap_or_default() {
            Value::Null => return Ok(()),
            Value::List(list) => list.iter().filter_map(super::address::scalar).collect(),
            value => vec![super::address::scalar(&value).ok_or("by: a key or a list of keys is wanted")?],
        };
        let kept = match &self.join.keep {
            Some(keep) => keep.run(item).map_err(|reason| format!("keep: {reason}"))?.unwrap_or_default(),
            None => item.to_value(),
        };
        for key in of {
            self.joined.parts.entry(key).or_default().push(kept.clone());
        }
        Ok(())
    }
}

impl Sink for Gathered {
    fn take(&mut self, document: Node<'_>, _: u32, key: Option<&Expression>) -> Result<Taken, String> {
        let items = self.join.items.items_of(document)?;
        let key = key_of(key, &items)?;
        self.count += items.len();
        if self.count > MOST {
            return Err(format!("there are more than {MOST} items"));
        }
        for item in &items {
            self.keep(item)?;
        }
        Ok(Taken { items: items.len(), key, repeated: false })
    }
}

fn key_of(key: Option<&Expression>, items: &[Node<'_>]) -> Result<Option<Text>, String> {
    match (key, items.last()) {
        (Some(key), Some(last)) => text_of("paging.key.of", key, last),
        _ => Ok(None),
    }
}

/// What an expression gives, as text; null, false and empty text are none.
pub(super) fn text_of(field: &str, expression: &Expression, node: &Node<'_>) -> Result<Option<Text>, String> {
    let value = expression.run(node).map_err(|reason| format!("{field}: {reason}"))?.unwrap_or_default();
    match &value {
        Value::Null | Value::Bool(false) => Ok(None),
        value => match super::address::scalar(value) {
            Some(text) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
            None => Err(format!("{field}: text is wanted, not a {}", value.kind())),
        },
    }
}
