//! A document's events to a tree, with exact spans, aliases expanded and merge keys applied.
//!
//! The events come from saphyr-parser. Its places count characters, and the ends of quoted and block scalars reach into
//! what follows; the spans here are exact, because edits replace their bytes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::scalar::{self, Resolved};
use super::tree::{Key, Node, NodeValue, Span, Style};
use super::{Limits, YamlError};

mod places;
#[cfg(test)]
mod tests;

use places::Places;

/// The handle of the core schema's tags.
const CORE: &str = "tag:yaml.org,2002:";
const TEMPLATE: &str = "this looks like a template; render it first, or put the text in quotes";
/// Maps with more keys than this look for repeated keys with a set.
const FEW: usize = 16;

/// Reads the text of one document. The places of errors are those of the text.
pub fn read<'a>(text: &'a str, limits: &Limits) -> Result<Node<'a>, YamlError> {
    // The parser keeps a flow collection in memory until it ends, however large.
    if text.len() > limits.nodes && text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > limits.nodes.saturating_mul(2) {
        return Err(problem((1, 1), too_many(limits)));
    }
    let mut builder = Builder::new(text, limits);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax(text, &error))?;
        builder.take(event, span)?;
    }
    Ok(builder.root.unwrap_or(Node {
        span: Span { line: 1, column: 1, ..Span::default() },
        style: Style::Plain,
        anchored: false,
        tagged: false,
        value: NodeValue::Null,
    }))
}

/// A list or map that is not finished.
struct Frame<'a> {
    node: Node<'a>,
    /// The key that waits for its value.
    key: Option<Key<'a>>,
    /// Whether that key is `<<`.
    merging: bool,
    /// What merge keys bring, in order.
    merged: Vec<Node<'a>>,
    /// The keys so far, once there are many.
    keys: HashSet<String>,
    anchor: usize,
    /// The counters when it began.
    before: (usize, usize),
    /// The deepest level below it.
    deepest: usize,
}

/// A value that aliases may repeat.
struct Anchored<'a> {
    node: Node<'a>,
    nodes: usize,
    text: usize,
    depth: usize,
}

struct Builder<'a, 'l> {
    places: Places<'a>,
    limits: &'l Limits,
    root: Option<Node<'a>>,
    started: bool,
    stack: Vec<Frame<'a>>,
    anchors: HashMap<usize, Anchored<'a>>,
    /// How many values there are, aliases expanded.
    nodes: usize,
    /// How much text they hold.
    text: usize,
    /// Of it, how much is repeated by aliases.
    expanded: usize,
}

type Step = Result<(), YamlError>;

impl<'a, 'l> Builder<'a, 'l> {
    fn new(text: &'a str, limits: &'l Limits) -> Self {
        Self {
            places: Places::new(text),
            limits,
            root: None,
            started: false,
            stack: Vec::with_capacity(8),
            anchors: HashMap::new(),
            nodes: 0,
            text: 0,
            expanded: 0,
        }
    }

    fn take(&mut self, event: Event<'a>, span: saphyr_parser::Span) -> Step {
        match event {
            Event::DocumentStart(explicit) => {
                if std::mem::replace(&mut self.started, true) {
                    return Err(problem(place(span.start), "a second document begins here".into()));
                }
                if explicit {
                    let end = self.places.byte(span.end);
                    self.places.pass(end);
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), span),
            Event::SequenceStart(anchor, tag) => self.open(NodeValue::List(Vec::new()), anchor, tag.as_deref(), span),
            Event::MappingStart(anchor, tag) => self.open(NodeValue::Map(Vec::new()), anchor, tag.as_deref(), span),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(&mut self, text: Cow<'a, str>, style: ScalarStyle, anchor: usize, tag: Option<&Tag>, span: saphyr_parser::Span) -> Step {
        let style = style_of(style);
        let properties = anchor > 0 || tag.is_some();
        let place = self.places.scalar(style, text.is_empty(), properties, span);
        let text = if self.places.adds_line_end(style, place) { Cow::Owned(text.strip_suffix('\n').unwrap_or(&text).to_owned()) } else { text };
        let before = (self.nodes, self.text);
        self.text += text.len();
        if self.expects_key() && tag.is_none_or(|tag| core(tag) == Some("str")) {
            if anchor > 0 {
                let value = NodeValue::Text(text.clone());
                let node = Node { span: place, style, anchored: true, tagged: tag.is_some(), value };
                self.anchors.insert(anchor, Anchored { node, nodes: 1, text: text.len(), depth: 0 });
            }
            return self.key(Key { text, span: place }, style);
        }
        let value = value(text, style, tag, place)?;
        let node = Node { span: place, style, anchored: anchor > 0, tagged: tag.is_some(), value };
        self.count(1, place)?;
        self.finish(node, anchor, before, 0)
    }

    fn expects_key(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.key.is_none() && matches!(frame.node.value, NodeValue::Map(_)))
    }

    fn key(&mut self, key: Key<'a>, style: Style) -> Step {
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        let NodeValue::Map(entries) = &frame.node.value else { return Ok(()) };
        frame.merging = style == Style::Plain && key.text == "<<";
        let known = if entries.len() < FEW {
            entries.iter().any(|(other, _)| other.text == key.text)
        } else {
            if frame.keys.is_empty() {
                frame.keys.extend(entries.iter().map(|(other, _)| other.text.to_string()));
            }
            !frame.keys.insert(key.text.to_string())
        };
        if known && !frame.merging {
            let first = entries.iter().find(|(other, _)| other.text == key.text).map_or(0, |(other, _)| other.span.line);
            let message = format!("the key `{}` stands twice in this map", short(&key.text));
            let hint = format!("it stands first {} lines above; keep one of the two", key.span.line.saturating_sub(first));
            let hint = if key.span.line == first { "it stands first on the same line; keep one of the two".into() } else { hint };
            return Err(YamlError { hint: Some(hint), ..problem((key.span.line, key.span.column), message) });
        }
        frame.key = Some(key);
        Ok(())
    }

    fn open(&mut self, value: NodeValue<'a>, anchor: usize, tag: Option<&Tag>, span: saphyr_parser::Span) -> Step {
        let properties = anchor > 0 || tag.is_some();
        let below_key = self.stack.last().is_some_and(|frame| frame.key.is_some());
        let (place, style) = self.places.collection(properties, below_key && matches!(value, NodeValue::List(_)), span);
        if self.expects_key() {
            let error = problem((place.line, place.column), "a key that is a list or map cannot be read".into());
            return Err(error.hint(if self.places.template(place) { TEMPLATE } else { "write the key as text" }));
        }
        let expected = if matches!(value, NodeValue::Map(_)) { "map" } else { "seq" };
        if let Some(tag) = tag
            && !(core(tag) == Some(expected) || is_bare(tag))
        {
            return Err(unknown_tag(tag, place));
        }
        if self.stack.len() >= self.limits.depth {
            return Err(problem((place.line, place.column), too_deep(self.limits)));
        }
        let before = (self.nodes, self.text);
        self.count(1, place)?;
        let node = Node { span: place, style, anchored: anchor > 0, tagged: tag.is_some(), value };
        self.stack.push(Frame { node, key: None, merging: false, merged: Vec::new(), keys: HashSet::new(), anchor, before, deepest: 0 });
        Ok(())
    }

    fn close(&mut self, span: saphyr_parser::Span) -> Step {
        let Some(mut frame) = self.stack.pop() else { return Ok(()) };
        frame.node.span.end = self.places.collection_end(frame.node.style, span);
        let merged = std::mem::take(&mut frame.merged);
        merge(&mut frame.node, merged)?;
        self.finish(frame.node, frame.anchor, frame.before, frame.deepest + 1)
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, node: Node<'a>, anchor: usize, before: (usize, usize), depth: usize) -> Step {
        if anchor > 0 {
            let size = Anchored { node: node.clone(), nodes: self.nodes - before.0, text: self.text - before.1, depth };
            // The copy is itself a repetition: many large anchors in each other must not multiply.
            self.repeat(size.text + size.nodes * size_of::<Node>(), node.span)?;
            self.anchors.insert(anchor, size);
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.deepest = frame.deepest.max(depth);
        match (&mut frame.node.value, frame.key.take()) {
            (NodeValue::List(list), _) => list.push(node),
            (NodeValue::Map(_), Some(_)) if frame.merging => frame.merged.push(node),
            (NodeValue::Map(entries), Some(key)) => entries.push((key, node)),
            _ => return Err(problem((node.span.line, node.span.column), "a key must be text".into()).hint("write the key in quotes, without a tag")),
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: saphyr_parser::Span) -> Step {
        let place = self.places.alias(span);
        let Some(known) = self.anchors.get(&anchor) else {
            return Err(problem((place.line, place.column), "the alias stands inside of the value that it repeats".into()));
        };
        let (nodes, text, depth) = (known.nodes, known.text, known.depth);
        if self.stack.len() + depth > self.limits.depth {
            return Err(problem((place.line, place.column), too_deep(self.limits)));
        }
        let before = (self.nodes, self.text);
        self.count(nodes, place)?;
        self.text += text;
        self.repeat(text, place)?;
        let Some(mut node) = self.anchors.get(&anchor).map(|known| known.node.clone()) else { return Ok(()) };
        node.mark_alias();
        node.anchored = false;
        node.span = Span { alias: true, ..place };
        if self.expects_key() {
            return match node.value {
                NodeValue::Text(text) => self.key(Key { text, span: node.span }, Style::Double),
                _ => Err(problem((place.line, place.column), "an alias as a key must repeat text".into()).hint("write the key as text")),
            };
        }
        self.finish(node, 0, before, depth)
    }

    fn count(&mut self, nodes: usize, place: Span) -> Step {
        self.nodes += nodes;
        if self.nodes > self.limits.nodes {
            return Err(problem((place.line, place.column), too_many(self.limits)));
        }
        Ok(())
    }

    fn repeat(&mut self, bytes: usize, place: Span) -> Step {
        self.expanded += bytes;
        if self.expanded > self.limits.expanded {
            let message = format!("the aliases repeat more than {} bytes", self.limits.expanded);
            return Err(problem((place.line, place.column), message).hint("write fewer aliases"));
        }
        Ok(())
    }
}

/// Adds what merge keys bring. What the map has itself stays; of two merged maps the first wins.
fn merge<'a>(node: &mut Node<'a>, merged: Vec<Node<'a>>) -> Step {
    let NodeValue::Map(entries) = &mut node.value else { return Ok(()) };
    if merged.is_empty() {
        return Ok(());
    }
    let mut known: HashSet<String> = entries.iter().map(|(key, _)| key.text.to_string()).collect();
    let mut sources = Vec::new();
    for source in merged {
        match source.value {
            NodeValue::List(list) => sources.extend(list),
            _ => sources.push(source),
        }
    }
    for source in sources {
        let NodeValue::Map(more) = source.value else {
            let message = "a merge key `<<` needs a map, or a list of maps".to_owned();
            return Err(problem((source.span.line, source.span.column), message).hint("name an anchor of a map, as in `<<: *base`"));
        };
        for (mut key, mut node) in more {
            if known.insert(key.text.to_string()) {
                key.span.alias = true;
                node.mark_alias();
                entries.push((key, node));
            }
        }
    }
    Ok(())
}

/// What a scalar is, by its style and tag.
fn value<'a>(text: Cow<'a, str>, style: Style, tag: Option<&Tag>, place: Span) -> Result<NodeValue<'a>, YamlError> {
    let wrong = |kind: &str, text: &str| problem((place.line, place.column), format!("`{}` is not {kind}, as its tag says", short(text)));
    let large = |text: &str| {
        problem((place.line, place.column), format!("the number {} is too large to be kept exactly", short(text))).hint("put it in quotes to keep it as text")
    };
    let number = |found: Option<Resolved>, kind: &str, text: &str| match found {
        Some(Resolved::Number(number)) => Ok(NodeValue::Number(number)),
        Some(Resolved::TooLarge) => Err(large(text)),
        _ => Err(wrong(kind, text)),
    };
    let Some(tag) = tag else {
        if style != Style::Plain {
            return Ok(NodeValue::Text(text));
        }
        return Ok(match scalar::resolve(&text) {
            Resolved::Null => NodeValue::Null,
            Resolved::Bool(value) => NodeValue::Bool(value),
            Resolved::Number(value) => NodeValue::Number(value),
            Resolved::Text => NodeValue::Text(text),
            Resolved::TooLarge => return Err(large(&text)),
        });
    };
    if is_bare(tag) {
        return Ok(NodeValue::Text(text));
    }
    match core(tag) {
        Some("str") => Ok(NodeValue::Text(text)),
        Some("null") if scalar::is_null(&text) => Ok(NodeValue::Null),
        Some("null") => Err(wrong("null", &text)),
        Some("bool") => scalar::boolean(&text).map(NodeValue::Bool).ok_or_else(|| wrong("true or false", &text)),
        Some("int") => number(scalar::whole(&text), "a whole number", &text),
        Some("float") => number(scalar::decimal(&text).map(Resolved::Number), "a number", &text),
        _ => Err(unknown_tag(tag, place)),
    }
}

/// The name of a tag of the core schema.
fn core(tag: &Tag) -> Option<&str> {
    if tag.handle == CORE {
        Some(&tag.suffix)
    } else if tag.handle.is_empty() {
        tag.suffix.strip_prefix(CORE)
    } else {
        None
    }
}

/// Whether it is the tag `!` alone, which says: not by its looks.
fn is_bare(tag: &Tag) -> bool {
    (tag.handle.is_empty() && tag.suffix == "!") || (tag.handle == "!" && tag.suffix.is_empty())
}

fn unknown_tag(tag: &Tag, place: Span) -> YamlError {
    let name = if tag.handle == CORE { format!("!!{}", tag.suffix) } else { format!("{}{}", tag.handle, tag.suffix) };
    problem((place.line, place.column), format!("the tag `{}` is not known", short(&name)))
        .hint("leave the tag out; Bowline reads plain YAML, and the value after a tag of another tool would not be what that tool makes of it")
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}

fn too_deep(limits: &Limits) -> String {
    format!("lists and maps stand in each other more than {} deep", limits.depth)
}

fn too_many(limits: &Limits) -> String {
    format!("the document holds more than {} values, aliases counted as what they repeat", limits.nodes)
}

/// At most 40 characters of a text, for a message.
fn short(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Line and column, both from 1.
fn place(mark: Marker) -> (u32, u32) {
    (u32::try_from(mark.line()).unwrap_or(u32::MAX), u32::try_from(mark.col() + 1).unwrap_or(u32::MAX))
}

fn problem((line, column): (u32, u32), message: String) -> YamlError {
    YamlError { message, line, column, hint: None }
}

impl YamlError {
    fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The parser's error, with what most often lies behind it.
fn syntax(text: &str, error: &ScanError) -> YamlError {
    let (line, column) = place(*error.marker());
    let found = text.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let before = line.checked_sub(2).and_then(|above| text.lines().nth(above as usize)).unwrap_or_default();
    let hint = if indented_by_tab(found) || indented_by_tab(before) {
        Some("a tab cannot indent; use spaces")
    } else if found.contains("{{") || found.contains("{%") {
        Some(TEMPLATE)
    } else if error.info().contains("unknown anchor") {
        Some("an alias `*name` needs an anchor `&name` above it in the same document; put text that begins with * in quotes")
    } else if error.info().contains("unexpected character") {
        Some("put text that begins with this character in quotes")
    } else if error.info().contains("mapping values are not allowed") {
        Some("put text that holds `: ` in quotes, or check the indentation")
    } else {
        None
    };
    YamlError { hint: hint.map(Into::into), ..problem((line, column), format!("this is not YAML: {}", error.info())) }
}

fn indented_by_tab(line: &str) -> bool {
    line.trim_start_matches(' ').starts_with('\t') && !line.trim().is_empty()
}
