//! Which bytes of a document are replaced by which, for one edit.

use std::ops::Range;

use super::{Refusal, Route, scalar};
use crate::api::Value;
use crate::estate::yaml::{Key, Node, NodeValue, Style};

/// Collects replacements of a document's text.
pub struct Splicer<'t> {
    text: &'t str,
    /// The line end of the document.
    end: &'static str,
    patches: Vec<(Range<usize>, String)>,
}

/// Where a value stands among others.
#[derive(Clone, Copy)]
struct Around {
    /// The end of its key, if it has one.
    key_end: Option<usize>,
    /// Whether it stands in brackets.
    in_flow: bool,
}

type Done = Result<(), Refusal>;

impl<'t> Splicer<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, end: if text.contains("\r\n") { "\r\n" } else { "\n" }, patches: Vec::new() }
    }

    /// The bytes that are replaced.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.patches.iter().map(|(range, _)| range.clone())
    }

    /// The document with all replacements made.
    pub fn text(mut self) -> String {
        self.patches.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(self.text.len() + 64);
        let mut from = 0;
        for (range, new) in &self.patches {
            out.push_str(self.text.get(from..range.start).unwrap_or_default());
            out.push_str(new);
            from = range.end.max(from);
        }
        out.push_str(self.text.get(from..).unwrap_or_default());
        out
    }

    /// Sets or removes what stands at the end of the route.
    pub fn edit(&mut self, route: &Route, to: Option<&Value>) -> Done {
        let in_flow = route.nodes.iter().rev().skip(1).any(|node| node.style == Style::Flow);
        let (Some(&node), parent) = (route.nodes.last(), route.nodes.iter().rev().nth(1)) else { return Ok(()) };
        let entry = parent.and_then(|parent| parent.as_map()).zip(route.steps.last()).and_then(|(entries, step)| entries.get(*step));
        let around = Around { key_end: entry.map(|(key, _)| key.span.end as usize), in_flow };
        match (to, route.missing) {
            (Some(to), Some(key)) if !is_flat(to) && node.style == Style::Block => {
                Err(Refusal::new(format!("`{key}` is not there, and only what stands on one line can be added")))
            }
            (Some(to), Some(key)) => self.add_entries(node, &[(key, to)], &[], around),
            (Some(to), None) => self.set(node, to, around),
            (None, Some(key)) => Err(Refusal::new(format!("`{key}` is not there"))),
            (None, None) => match (parent, route.steps.last()) {
                (Some(parent), Some(&step)) => self.remove(parent, step..step + 1),
                _ => Err(Refusal::new("a whole document is not removed by its path")),
            },
        }
    }

    fn set(&mut self, node: &Node, to: &Value, around: Around) -> Done {
        if node.to_value() == *to {
            return Ok(());
        }
        own_all(node)?;
        match (&node.value, to) {
            (NodeValue::List(old), Value::List(new)) if !old.is_empty() && !new.is_empty() => self.set_list(node, old, new, around),
            (NodeValue::Map(old), Value::Map(new)) if !old.is_empty() && !new.is_empty() => {
                for (key, child) in old {
                    if let Some(value) = new.get(&key.text) {
                        let around = Around { key_end: Some(key.span.end as usize), in_flow: around.in_flow || node.style == Style::Flow };
                        self.set(child, value, around)?;
                    }
                }
                let gone: Vec<usize> = (0..old.len()).filter(|at| old.get(*at).is_some_and(|(key, _)| !new.contains(&key.text))).collect();
                if gone.len() == old.len() {
                    return self.replace(node, to, around);
                }
                for run in gone.chunk_by(|a, b| a + 1 == *b) {
                    if let (Some(first), Some(last)) = (run.first(), run.last()) {
                        self.remove(node, *first..last + 1)?;
                    }
                }
                let added: Vec<_> = new.iter().filter(|(key, _)| node.get(key).is_none()).map(|(key, value)| (&**key, value)).collect();
                self.add_entries(node, &added, &gone, around)
            }
            _ => self.replace(node, to, around),
        }
    }

    fn set_list(&mut self, node: &Node, old: &[Node], new: &[Value], around: Around) -> Done {
        let same = |(old, new): &(&Node, &Value)| old.to_value() == **new;
        let head = old.iter().zip(new).take_while(same).count();
        let tail = old.iter().rev().zip(new.iter().rev()).take(old.len().min(new.len()) - head).take_while(same).count();
        let (old_middle, new_middle) = (head..old.len() - tail, head..new.len() - tail);
        let inside = Around { key_end: None, in_flow: around.in_flow || node.style == Style::Flow };
        let both = old_middle.len().min(new_middle.len());
        for (old, new) in old.iter().zip(new).skip(head).take(both) {
            self.set(old, new, inside)?;
        }
        if old_middle.len() > both {
            self.remove(node, head + both..old_middle.end)?;
        }
        let added = new.get(head + both..new_middle.end).unwrap_or_default();
        if added.is_empty() { Ok(()) } else { self.add_elements(node, old, head + both, added) }
    }

    /// Replaces a value as a whole.
    fn replace(&mut self, node: &Node, to: &Value, around: Around) -> Done {
        let range = node.span.range();
        let old = self.text.get(range.clone()).unwrap_or_default();
        match (node.style, to) {
            (Style::Literal | Style::Folded, Value::Text(text)) => {
                let new = scalar::block(old, node.as_str().unwrap_or_default(), text, node.style == Style::Folded, self.end)?;
                self.put(range, new)
            }
            (Style::Literal | Style::Folded, _) => {
                self.no_comment(range.start, range.end)?;
                self.put(range, scalar::flow(to, Style::Plain, around.in_flow))
            }
            (Style::Block, _) => self.replace_block(node, to, around),
            // Nothing is written yet: the value follows the `:` or `-`.
            _ if range.is_empty() => {
                let after = self.text.get(..range.start).and_then(|before| before.chars().next_back());
                if !matches!(after, Some(':' | '-')) {
                    return Err(Refusal::new("nothing is written there that could be replaced"));
                }
                self.put(range, format!(" {}", scalar::flow(to, Style::Plain, around.in_flow)))
            }
            _ => {
                if node.style == Style::Flow {
                    self.no_comment(range.start, range.end)?;
                }
                self.put(range, scalar::flow(to, node.style, around.in_flow))
            }
        }
    }

    /// Replaces a list or map that is written by indentation by a value on one line.
    fn replace_block(&mut self, node: &Node, to: &Value, around: Around) -> Done {
        let range = node.span.range();
        let start = match around.key_end {
            Some(key_end) => self.text.get(key_end..range.start).and_then(|between| between.find(':')).map_or(range.start, |colon| key_end + colon + 1),
            None if self.text.get(..range.start).unwrap_or_default().trim_end_matches(' ').ends_with('-') => range.start,
            None => return Err(Refusal::new("the whole document would have to be written anew")),
        };
        self.no_comment(start, range.end)?;
        let space = if start < range.start { " " } else { "" };
        let new = format!("{space}{}", scalar::flow(to, Style::Plain, around.in_flow));
        self.put(start..range.end, new)
    }

    /// Removes neighbouring elements of a list or entries of a map.
    fn remove(&mut self, node: &Node, which: Range<usize>) -> Done {
        let spans: Vec<Range<usize>> = match &node.value {
            NodeValue::List(list) => list.iter().map(|element| element.span.range()).collect(),
            NodeValue::Map(entries) => entries.iter().filter(|(key, _)| !key.span.alias).map(entry_range).collect(),
            _ => return Ok(()),
        };
        for position in which.clone() {
            match &node.value {
                NodeValue::List(list) => list.get(position).map_or(Ok(()), own_all)?,
                NodeValue::Map(entries) => entries.get(position).map_or(Ok(()), |(_, value)| own_all(value))?,
                _ => {}
            }
        }
        let (Some(first), Some(last)) = (spans.get(which.start), spans.get(which.end - 1)) else {
            return Err(Refusal::new("the value comes from a merge key, so it cannot be removed here"));
        };
        let range = if node.style == Style::Flow {
            match (spans.get(which.end), which.start.checked_sub(1).and_then(|before| spans.get(before))) {
                (Some(next), _) => first.start..next.start,
                (None, Some(before)) => before.end..last.end,
                (None, None) => {
                    let comma = self.text.get(last.end..).map_or(0, |rest| rest.len() - rest.trim_start().strip_prefix(',').map_or(rest.len(), str::len));
                    first.start..last.end + comma
                }
            }
        } else {
            if which.len() == spans.len() {
                return Err(Refusal::new("nothing would be left of the list or map"));
            }
            let begin = if matches!(node.value, NodeValue::List(_)) { self.dash(first.start)? } else { first.start };
            let line = self.line_start(begin);
            if !self.text.get(line..begin).is_some_and(|indent| indent.trim().is_empty()) {
                return Err(Refusal::new("the value shares its line with another one that stays"));
            }
            line..self.next_line(last.end)
        };
        if node.style == Style::Flow {
            self.no_comment(range.start, range.end)?;
        }
        self.put(range, String::new())
    }

    /// Adds entries after the last that stays of a map, in its own style.
    fn add_entries(&mut self, node: &Node, added: &[(&str, &Value)], gone: &[usize], around: Around) -> Done {
        let (NodeValue::Map(entries), false) = (&node.value, added.is_empty()) else { return Ok(()) };
        let stays = |(at, (key, _)): &(usize, &(Key, Node))| !key.span.alias && !gone.contains(at);
        let own: Vec<_> = entries.iter().enumerate().filter(stays).map(|(_, entry)| entry).collect();
        let flow = node.style == Style::Flow;
        let in_flow = around.in_flow || flow;
        let text = |(key, value): &(&str, &Value)| format!("{}: {}", scalar::key_text(key, in_flow), scalar::flow(value, Style::Plain, in_flow));
        let texts = added.iter().map(text);
        let (Some(first), Some(last)) = (own.first(), own.last()) else {
            return if flow && entries.is_empty() {
                self.fill(node, &texts.collect::<Vec<_>>().join(", "))
            } else {
                Err(Refusal::new("the map holds nothing but a merge key"))
            };
        };
        let at = entry_range(last).end;
        if flow {
            let separator = self.separator(node, own.iter().map(|entry| entry_range(entry)));
            return self.put(at..at, texts.map(|text| separator.clone() + &text).collect());
        }
        let indent = " ".repeat((first.0.span.column as usize).saturating_sub(1));
        let at = self.line_end(at);
        let end = self.end;
        self.put(at..at, joined(texts.map(|text| [end, &indent, &text].concat())))
    }

    /// Adds elements before the one at `place`, or at the end, in the list's own style.
    fn add_elements(&mut self, node: &Node, old: &[Node], place: usize, added: &[Value]) -> Done {
        let neighbour = place.checked_sub(1).or(Some(0)).and_then(|at| old.get(at));
        let Some(neighbour) = neighbour else { return Ok(()) };
        let style = if matches!(neighbour.style, Style::Single | Style::Double) { neighbour.style } else { Style::Plain };
        let span = neighbour.span.range();
        if node.style == Style::Flow {
            let separator = self.separator(node, old.iter().map(|element| element.span.range()));
            let texts = added.iter().map(|value| scalar::flow(value, style, true));
            return if place == 0 {
                self.put(span.start..span.start, texts.map(|text| text + ", ").collect())
            } else {
                self.put(span.end..span.end, texts.map(|text| separator.clone() + &text).collect())
            };
        }
        let dash = self.dash(span.start)?;
        let line = self.line_start(dash);
        let lead = self.text.get(line..span.start).unwrap_or_default();
        if !self.text.get(line..dash).is_some_and(|indent| indent.trim().is_empty()) {
            return Err(Refusal::new("the list shares its line with another one"));
        }
        let lead = if lead.ends_with('-') { format!("{lead} ") } else { lead.to_owned() };
        let end = self.end;
        let texts = added.iter().map(|value| match value {
            Value::Map(map) if neighbour.style == Style::Block && !map.is_empty() => {
                let lines = map.iter().map(|(key, value)| format!("{}: {}", scalar::key_text(key, false), scalar::flow(value, Style::Plain, false)));
                lines.collect::<Vec<_>>().join(&format!("{end}{}", " ".repeat(lead.chars().count())))
            }
            _ => scalar::flow(value, style, false),
        });
        if place == 0 {
            return self.put(line..line, joined(texts.map(|text| [&lead, &text, end].concat())));
        }
        let at = self.line_end(span.end);
        self.put(at..at, joined(texts.map(|text| [end, &lead, &text].concat())))
    }

    /// Fills empty brackets.
    fn fill(&mut self, node: &Node, inner: &str) -> Done {
        let range = node.span.range();
        self.no_comment(range.start, range.end)?;
        self.put(range.start + 1..range.end - 1, inner.to_owned())
    }

    /// What stands between two elements in brackets: a comma and the white space that is usual there.
    fn separator(&self, node: &Node, mut spans: impl Iterator<Item = Range<usize>>) -> String {
        let (first, second) = (spans.next(), spans.next());
        let space = match (first, second) {
            (Some(first), Some(second)) => self.text.get(first.end..second.start).and_then(|between| between.trim_start().strip_prefix(',')),
            (Some(first), None) => self.text.get(node.span.start as usize + 1..first.start).filter(|space| space.contains('\n')),
            _ => None,
        };
        match space {
            Some(space) if space.trim().is_empty() => format!(",{space}"),
            _ => ", ".into(),
        }
    }

    /// The dash before an element.
    fn dash(&self, element: usize) -> Result<usize, Refusal> {
        let before = self.text.get(..element).unwrap_or_default().trim_end_matches([' ', '\t']);
        if before.ends_with('-') { Ok(before.len() - 1) } else { Err(Refusal::new("the element does not stand on the line of its dash")) }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
    }

    /// The end of the line, before its line break.
    fn line_end(&self, at: usize) -> usize {
        self.text.get(at..).and_then(|rest| rest.find(['\r', '\n'])).map_or(self.text.len(), |length| at + length)
    }

    /// The begin of the next line.
    fn next_line(&self, at: usize) -> usize {
        self.text.get(at..).and_then(|rest| rest.find('\n')).map_or(self.text.len(), |length| at + length + 1)
    }

    /// Refuses to replace bytes that hold a comment.
    fn no_comment(&self, start: usize, end: usize) -> Done {
        let old = self.text.get(start..end).unwrap_or_default();
        if [" #", "\t#", "\n#"].iter().any(|mark| old.contains(mark)) {
            return Err(Refusal::new("a comment stands inside of what would be replaced"));
        }
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps)] // the last step of every way that may be refused
    fn put(&mut self, range: Range<usize>, new: String) -> Done {
        self.patches.push((range, new));
        Ok(())
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect()
}

/// Whether a value reads well on one line: a scalar, or a few of them.
fn is_flat(value: &Value) -> bool {
    let scalar = |value: &Value| !matches!(value, Value::List(_) | Value::Map(_));
    match value {
        Value::Map(map) => map.len() <= 4 && map.iter().all(|(_, value)| scalar(value)),
        value => scalar(value),
    }
}

/// From the key's first byte to the value's last.
fn entry_range((key, value): &(Key, Node)) -> Range<usize> {
    key.span.start as usize..value.span.end.max(key.span.end) as usize
}

/// Refuses a value that holds anchors, aliases or tags.
fn own_all(node: &Node) -> Done {
    if node.span.alias || node.anchored || node.tagged {
        return Err(Refusal::new("the value holds an anchor, an alias or a tag, so an edit could change more than is seen here"));
    }
    match &node.value {
        NodeValue::List(list) => list.iter().try_for_each(own_all),
        NodeValue::Map(entries) => entries.iter().try_for_each(|(_, value)| own_all(value)),
        _ => Ok(()),
    }
}
