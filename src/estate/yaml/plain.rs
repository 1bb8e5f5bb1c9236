//! A second reader for the plain part of YAML that nearly all documents keep to: maps and lists by indentation, brackets
//! on one line, scalars on one line without escapes.
//!
//! It exists for speed alone: about five times that of `read`, without a copy of any text. Whatever it is not sure of,
//! errors included, it leaves to `read`; where it answers, the tree is the same, spans included, which a property holds.

use std::borrow::Cow;

use super::Limits;
use super::scalar::{self, Resolved};
use super::tree::{Key, Node, NodeValue, Span, Style};

/// A map with more keys than this is left to the other reader, which looks for repeated keys with a set.
const MANY: usize = 64;
/// Longer keys are refused or read otherwise by the rules of YAML.
const LONG_KEY: usize = 512;

/// The tree of a document, or none where the document is not plain, or wrong.
pub fn read<'a>(text: &'a str, limits: &Limits) -> Option<Node<'a>> {
    let bytes = text.as_bytes();
    let ascii = text.is_ascii();
    if bytes.iter().fold(0, |odd, byte| odd | u8::from(*byte < b' ' && *byte != b'\n' && *byte != b'\r') | u8::from(*byte == 0x7f)) > 0 {
        return None;
    }
    // These begin the few characters beyond ASCII that YAML treats in a special way.
    if !ascii && bytes.iter().any(|byte| matches!(byte, 0xc2 | 0xe2 | 0xef)) {
        return None;
    }
    let mut reader = Reader { text, bytes, ascii, at: 0, line: 1, begin: 0, end: 0, indent: None, passed: 0, nodes: 0, depth: 0, limits };
    reader.measure()?;
    reader.find_line()?;
    if reader.indent == Some(0) && reader.rest().starts_with("---") {
        reader.at += 3;
        reader.passed = reader.at;
        reader.line_ends()?;
    } else {
        reader.refuse_marker()?;
    }
    let root = reader.block(reader.indent?)?;
    reader.indent.is_none().then_some(root)
}

struct Reader<'a, 'l> {
    text: &'a str,
    bytes: &'a [u8],
    ascii: bool,
    /// The byte that comes next.
    at: usize,
    /// The line at hand, from 1, its first byte, and its end without the line break.
    line: u32,
    begin: usize,
    end: usize,
    /// How far the line at hand is indented; none after the last line.
    indent: Option<usize>,
    /// The end of the last key or value.
    passed: usize,
    nodes: usize,
    depth: usize,
    limits: &'l Limits,
}

impl<'a> Reader<'a, '_> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..self.end).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        if self.at < self.end { self.bytes.get(self.at).copied() } else { None }
    }

    /// Finds the end of the line that begins at `begin`.
    fn measure(&mut self) -> Option<()> {
        let rest = self.text.get(self.begin..)?;
        let line = rest.find('\n').map_or(rest, |end| rest.get(..end).unwrap_or_default());
        let line = line.strip_suffix('\r').unwrap_or(line);
        self.end = self.begin + line.len();
        // A carriage return that ends no line is a line break of old, which the other reader knows.
        (!line.contains('\r')).then_some(())
    }

    /// From the begin of a line to the first one that holds anything.
    fn find_line(&mut self) -> Option<()> {
        loop {
            self.spaces();
            match self.peek() {
                Some(b'#') | None => {
                    let Some(next) = self.text.get(self.end..).and_then(|rest| rest.find('\n')) else {
                        self.indent = None;
                        return Some(());
                    };
                    self.begin = self.end + next + 1;
                    self.at = self.begin;
                    self.line += 1;
                    self.measure()?;
                }
                Some(_) => {
                    self.indent = Some(self.at - self.begin);
                    return Some(());
                }
            }
        }
    }

    /// A document marker may stand at the first line only.
    fn refuse_marker(&self) -> Option<()> {
        let marked = self.indent == Some(0) && (self.rest().starts_with("---") || self.rest().starts_with("..."));
        (!marked).then_some(())
    }

    fn spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Whether the line ends here, but for white space and a comment.
    fn at_end(&mut self) -> bool {
        let from = self.at;
        self.spaces();
        match self.peek() {
            None => true,
            Some(b'#') => self.at > from,
            Some(_) => false,
        }
    }

    /// The line ends here; goes to the next one that holds anything.
    fn line_ends(&mut self) -> Option<()> {
        if !self.at_end() {
            return None;
        }
        self.at = self.end;
        self.find_line()?;
        self.refuse_marker()
    }

    fn place(&self, start: usize) -> Span {
        let column = if self.ascii { start - self.begin } else { self.text.get(self.begin..start).unwrap_or_default().chars().count() };
        Span { start: small(start), end: small(start), line: self.line, column: small(column + 1), alias: false }
    }

    fn span(&mut self, start: usize, end: usize) -> Span {
        self.passed = end;
        Span { end: small(end), ..self.place(start) }
    }

    fn node(&mut self, span: Span, style: Style, value: NodeValue<'a>) -> Option<Node<'a>> {
        self.nodes += 1;
        (self.nodes <= self.limits.nodes).then_some(Node { span, style, anchored: false, tagged: false, value })
    }

    fn deeper(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= self.limits.depth).then_some(())
    }

    /// The list or map that begins here.
    fn block(&mut self, indent: usize) -> Option<Node<'a>> {
        if self.at_dash() { self.list(indent) } else { self.map(indent) }
    }

    /// Whether an element of a list begins here.
    fn at_dash(&self) -> bool {
        self.peek() == Some(b'-') && (self.at + 1 >= self.end || self.bytes.get(self.at + 1) == Some(&b' '))
    }

    fn map(&mut self, indent: usize) -> Option<Node<'a>> {
        self.deeper()?;
        let span = self.place(self.at);
        let mut entries: Vec<(Key<'a>, Node<'a>)> = Vec::with_capacity(4);
        loop {
            let key = self.key(false)?;
            if entries.len() >= MANY || entries.iter().any(|(other, _)| other.text == key.text) {
                return None;
            }
            let value = self.value_of_key(indent)?;
            entries.push((key, value));
            match self.indent {
                Some(next) if next == indent => {}
                Some(next) if next > indent => return None,
                _ => break,
            }
        }
        self.depth -= 1;
        let span = Span { end: small(self.passed), ..span };
        self.node(span, Style::Block, NodeValue::Map(entries))
    }

    /// After the `:` of a key that is indented so far.
    fn value_of_key(&mut self, indent: usize) -> Option<Node<'a>> {
        let after = self.at;
        if !self.at_end() {
            return self.value_on_line();
        }
        let nothing = self.span(after, after);
        self.line_ends()?;
        match self.indent {
            Some(next) if next > indent => self.block(next),
            Some(next) if next == indent && self.at_dash() => self.list(next),
            _ => self.node(nothing, Style::Plain, NodeValue::Null),
        }
    }

    fn list(&mut self, indent: usize) -> Option<Node<'a>> {
        self.deeper()?;
        let span = self.place(self.at);
        let mut elements = Vec::with_capacity(4);
        loop {
            self.at += 1;
            let element = self.element(indent)?;
            elements.push(element);
            match self.indent {
                Some(next) if next == indent && self.at_dash() => {}
                Some(next) if next > indent => return None,
                _ => break,
            }
        }
        self.depth -= 1;
        let span = Span { end: small(self.passed), ..span };
        self.node(span, Style::Block, NodeValue::List(elements))
    }

    /// After the dash of a list that is indented so far.
    fn element(&mut self, indent: usize) -> Option<Node<'a>> {
        let after = self.at;
        if self.at_end() {
            let nothing = self.span(after, after);
            self.line_ends()?;
            return match self.indent {
                Some(next) if next > indent => self.block(next),
                _ => self.node(nothing, Style::Plain, NodeValue::Null),
            };
        }
        if self.at_dash() || self.holds_key() {
            return self.block(self.at - self.begin);
        }
        self.value_on_line()
    }

    /// Whether a key and a colon stand here.
    fn holds_key(&self) -> bool {
        let rest = self.rest();
        let inner = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => rest.get(1..).and_then(|inner| inner.split_once(char::from(quote))).map(|(_, after)| after.trim_start_matches(' ')),
            Some(b'[' | b'{') => None,
            _ => return rest.contains(": ") || rest.ends_with(':'),
        };
        inner.is_some_and(|after| after.starts_with(':'))
    }

    /// A key with its `:`.
    fn key(&mut self, in_flow: bool) -> Option<Key<'a>> {
        let start = self.at;
        let first = self.peek()?;
        let (text, span) = if matches!(first, b'"' | b'\'') {
            let text = self.quoted(first)?;
            (text, self.span(start, self.at))
        } else {
            if !(first.is_ascii_alphanumeric() || matches!(first, b'_' | b'.' | b'/' | b'$') || first >= 0x80) {
                return None;
            }
            let text = self.plain(in_flow)?;
            (text, self.span(start, start + text.len()))
        };
        self.spaces();
        if self.peek() != Some(b':') || self.at - start > LONG_KEY {
            return None;
        }
        self.at += 1;
        match self.peek() {
            None | Some(b' ') => {}
            Some(b',' | b'}') if in_flow => {}
            Some(_) => return None,
        }
        Some(Key { text: Cow::Borrowed(text), span })
    }

    /// The plain scalar that begins here: up to a `: `, a comment, the end of the line or, in brackets, one of their signs.
    fn plain(&mut self, in_flow: bool) -> Option<&'a str> {
        let start = self.at;
        let line = self.bytes.get(..self.end)?;
        let mut at = start;
        let mut last = start;
        while let Some(&byte) = line.get(at) {
            match byte {
                b' ' => {}
                b':' if matches!(line.get(at + 1), None | Some(b' ')) || (in_flow && matches!(line.get(at + 1), Some(b',' | b'[' | b']' | b'{' | b'}'))) => {
                    break;
                }
                b'#' if line.get(at.wrapping_sub(1)) == Some(&b' ') => break,
                b',' | b'[' | b']' | b'{' | b'}' if in_flow => break,
                _ => last = at + 1,
            }
            at += 1;
        }
        self.at = last;
        // The other reader refuses a dash before a comma or bracket.
        self.text.get(start..last).filter(|text| !(text.is_empty() || in_flow && text.ends_with(" -")))
    }

    /// The text in quotes that begins here, without escapes and on one line.
    fn quoted(&mut self, quote: u8) -> Option<&'a str> {
        let start = self.at + 1;
        let line = self.bytes.get(..self.end)?;
        let end = start + line.get(start..)?.iter().position(|byte| *byte == quote || (*byte == b'\\' && quote == b'"'))?;
        // An escape, or a quote that is doubled.
        if line.get(end) != Some(&quote) || line.get(end + 1) == Some(&quote) {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// A value with which its line ends.
    fn value_on_line(&mut self) -> Option<Node<'a>> {
        let node = self.flow_value(false)?;
        self.line_ends()?;
        Some(node)
    }

    /// A scalar, or a list or map in brackets.
    fn flow_value(&mut self, in_flow: bool) -> Option<Node<'a>> {
        let start = self.at;
        match self.peek()? {
            b'[' => self.flow_list(),
            b'{' => self.flow_map(),
            quote @ (b'"' | b'\'') => {
                let text = self.quoted(quote)?;
                let span = self.span(start, self.at);
                self.node(span, if quote == b'"' { Style::Double } else { Style::Single }, NodeValue::Text(Cow::Borrowed(text)))
            }
            b',' | b']' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'%' | b'@' | b'`' => None,
            b'-' | b'?' | b':' if !self.bytes.get(self.at + 1).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'.') => None,
            _ => {
                let text = self.plain(in_flow)?;
                let span = self.span(start, self.at);
                let value = match scalar::resolve(text) {
                    Resolved::Null => NodeValue::Null,
                    Resolved::Bool(value) => NodeValue::Bool(value),
                    Resolved::Number(value) => NodeValue::Number(value),
                    Resolved::Text => NodeValue::Text(Cow::Borrowed(text)),
                    Resolved::TooLarge => return None,
                };
                self.node(span, Style::Plain, value)
            }
        }
    }

    /// Before the next one in brackets: over a comma, or at the sign that closes.
    fn more(&mut self, first: bool, close: u8) -> Option<bool> {
        self.spaces();
        if !first && self.peek()? == b',' {
            self.at += 1;
            self.spaces();
        } else if !first && self.peek()? != close {
            return None;
        }
        if self.peek()? == close {
            self.at += 1;
            return Some(false);
        }
        Some(true)
    }

    fn flow_list(&mut self) -> Option<Node<'a>> {
        self.deeper()?;
        let start = self.at;
        self.at += 1;
        let mut elements = Vec::new();
        while self.more(elements.is_empty(), b']')? {
            elements.push(self.flow_value(true)?);
        }
        self.depth -= 1;
        let span = self.span(start, self.at);
        self.node(span, Style::Flow, NodeValue::List(elements))
    }

    fn flow_map(&mut self) -> Option<Node<'a>> {
        self.deeper()?;
        let start = self.at;
        self.at += 1;
        let mut entries: Vec<(Key<'a>, Node<'a>)> = Vec::new();
        while self.more(entries.is_empty(), b'}')? {
            let key = self.key(true)?;
            if entries.len() >= MANY || entries.iter().any(|(other, _)| other.text == key.text) {
                return None;
            }
            let after = self.at;
            self.spaces();
            let value = if matches!(self.peek()?, b',' | b'}') {
                let nothing = self.span(after, after);
                self.node(nothing, Style::Plain, NodeValue::Null)?
            } else {
                self.flow_value(true)?
            };
            entries.push((key, value));
        }
        self.depth -= 1;
        let span = self.span(start, self.at);
        self.node(span, Style::Flow, NodeValue::Map(entries))
    }
}

/// Documents are far smaller than 4 GiB.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub mod tests;
