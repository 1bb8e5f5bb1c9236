//! Exact places of values in a text, from the parser's approximate ones.

use saphyr_parser::Marker;

use super::super::tree::{Span, Style};

pub struct Places<'a> {
    text: &'a str,
    /// Then characters are bytes.
    ascii: bool,
    /// The last place that was converted, in characters and bytes.
    known: (usize, usize),
    /// Up to where the text was passed: the end of the last value or key.
    passed: usize,
    /// The last place of which line and column were counted: byte, line, first byte of the line.
    counted: (usize, u32, usize),
}

impl<'a> Places<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, ascii: text.is_ascii(), known: (0, 0), passed: 0, counted: (0, 1, 0) }
    }

    /// The byte of a marker.
    pub fn byte(&mut self, mark: Marker) -> usize {
        if self.ascii {
            return mark.index().min(self.text.len());
        }
        let (mut chars, mut byte) = self.known;
        while chars < mark.index()
            && let Some(next) = self.text.get(byte..).and_then(|rest| rest.chars().next())
        {
            byte += next.len_utf8();
            chars += 1;
        }
        while chars > mark.index()
            && let Some(last) = self.text.get(..byte).and_then(|before| before.chars().next_back())
        {
            byte -= last.len_utf8();
            chars -= 1;
        }
        self.known = (chars, byte);
        byte
    }

    /// Says that the text up to here belongs to what was read.
    pub fn pass(&mut self, byte: usize) {
        self.passed = self.passed.max(byte);
    }

    /// The place of a scalar.
    pub fn scalar(&mut self, style: Style, empty: bool, properties: bool, span: saphyr_parser::Span) -> Span {
        let begin = self.byte(span.start);
        let mut start = begin;
        let exact = !properties && matches!(style, Style::Plain | Style::Single | Style::Double) && !(empty && style == Style::Plain);
        if properties {
            start = self.after_properties(start);
        }
        let end = match style {
            Style::Plain if empty && properties => {
                start = self.properties_end(begin);
                start
            }
            Style::Plain if empty => {
                start = self.after_indicator(start);
                start
            }
            Style::Single => self.closing(start, b'\''),
            Style::Double => self.closing(start, b'"'),
            Style::Literal | Style::Folded => {
                start = self.header(self.passed);
                let end = self.byte(span.end);
                self.block_end(start, end)
            }
            _ => self.byte(span.end).max(start),
        };
        self.pass(end);
        if exact { at(start, end, line(span.start), column(span.start)) } else { self.count(start, end) }
    }

    /// The place of an alias.
    pub fn alias(&mut self, span: saphyr_parser::Span) -> Span {
        let start = self.byte(span.start);
        let end = start + name_length(self.rest(start));
        self.pass(end);
        at(start, end, line(span.start), column(span.start))
    }

    /// The place at which a list or map begins, its end still open, and its style.
    pub fn collection(&mut self, properties: bool, list_below_key: bool, span: saphyr_parser::Span) -> (Span, Style) {
        let mut start = self.byte(span.start);
        let mut moved = properties;
        if list_below_key {
            // A list that is indented no deeper than its key is given without its first dash.
            let exact = self.value_start(self.passed);
            moved |= exact != start;
            start = exact;
        } else if properties {
            start = self.after_properties(start);
        }
        let flow = matches!(self.text.as_bytes().get(start), Some(b'[' | b'{'));
        self.pass(if flow { start + 1 } else { start });
        let place = if moved { self.count(start, start) } else { at(start, start, line(span.start), column(span.start)) };
        (place, if flow { Style::Flow } else { Style::Block })
    }

    /// The byte after a list or map.
    pub fn collection_end(&mut self, style: Style, span: saphyr_parser::Span) -> u32 {
        if style == Style::Flow {
            let mut end = self.byte(span.start);
            // After a last comma, the end is given at the comma.
            if self.text.as_bytes().get(end) == Some(&b',') {
                end = self.after_space(end + 1);
            }
            self.pass((end + 1).min(self.text.len()));
        }
        small(self.passed)
    }

    /// Whether the parser adds a line end that is not there: after a block scalar whose last line ends with the text.
    pub fn adds_line_end(&self, style: Style, place: Span) -> bool {
        matches!(style, Style::Literal | Style::Folded) && place.end as usize == self.text.len() && self.rest(place.start as usize).contains('\n')
    }

    /// Whether the place looks like one of a template.
    pub fn template(&self, place: Span) -> bool {
        self.rest((place.start as usize).saturating_sub(1)).starts_with("{{")
    }

    fn rest(&self, from: usize) -> &'a str {
        self.text.get(from..).unwrap_or_default()
    }

    /// From an anchor or tag to the value after it.
    fn after_properties(&self, from: usize) -> usize {
        let mut at = from;
        loop {
            at = self.after_space(at);
            match property_length(self.rest(at)) {
                0 => return at,
                length => at += length,
            }
        }
    }

    /// From an anchor or tag to the end of the last one.
    fn properties_end(&self, from: usize) -> usize {
        let mut end = from;
        loop {
            let next = self.after_space(end);
            match property_length(self.rest(next)) {
                0 => return end,
                length => end = next + length,
            }
        }
    }

    /// Over white space, line breaks and comments.
    fn after_space(&self, from: usize) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = from;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => at += 1,
                b'#' if at == 0 || bytes.get(at - 1).is_some_and(u8::is_ascii_whitespace) => {
                    at += self.rest(at).find(['\n', '\r']).unwrap_or(self.text.len() - at);
                }
                _ => break,
            }
        }
        at
    }

    /// The place of a value that is not written: after the `:`, `-` or `?` that announces it.
    fn after_indicator(&self, fallback: usize) -> usize {
        let at = self.after_space(self.passed);
        match self.text.as_bytes().get(at) {
            Some(b':' | b'-' | b'?') => at + 1,
            _ if self.passed > 0 => self.passed,
            _ => fallback,
        }
    }

    /// The first byte of the value after a key.
    fn value_start(&self, key_end: usize) -> usize {
        let at = self.after_space(key_end);
        self.after_properties(if self.text.as_bytes().get(at) == Some(&b':') { at + 1 } else { at })
    }

    /// The header of the block scalar that comes next.
    fn header(&self, from: usize) -> usize {
        let mut at = from;
        loop {
            at = self.after_space(at);
            match self.text.as_bytes().get(at) {
                Some(b':' | b'-' | b'?') => at += 1,
                _ => match property_length(self.rest(at)) {
                    0 => return at,
                    length => at += length,
                },
            }
        }
    }

    /// The end of the last line of a block scalar that is not blank.
    fn block_end(&self, header: usize, end: usize) -> usize {
        let head = self.rest(header).find(['\n', '\r']).map_or(self.text.len(), |length| header + length);
        let mut body = self.text.get(head..end.max(head)).unwrap_or_default();
        if end < self.text.len() {
            // The parser stops in the next line, after its indentation.
            body = body.get(..body.rfind(['\n', '\r']).unwrap_or(0)).unwrap_or_default();
        }
        let header_line = self.text.get(header..head).unwrap_or_default();
        let trimmed = body.trim_end_matches([' ', '\t', '\r', '\n']);
        if trimmed.is_empty() {
            let indicator = header_line.find([' ', '\t']).unwrap_or(header_line.len());
            return header + indicator;
        }
        // Spaces at the end of the last line belong to it.
        let line = body.get(trimmed.len()..).unwrap_or_default();
        head + trimmed.len() + line.find(['\n', '\r']).unwrap_or(line.len())
    }

    /// The byte after the quote that closes.
    fn closing(&self, start: usize, quote: u8) -> usize {
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' if quote == b'"' => at += 2,
                _ if byte != quote => at += 1,
                _ if quote == b'\'' && bytes.get(at + 1) == Some(&quote) => at += 2,
                _ => return at + 1,
            }
        }
        self.text.len()
    }

    /// Counts line and column of a place.
    fn count(&mut self, start: usize, end: usize) -> Span {
        let (mut from, mut number, mut begin) = self.counted;
        if start < from {
            (from, number, begin) = (0, 1, 0);
        }
        let bytes = self.text.as_bytes();
        for (offset, byte) in bytes.get(from..start).unwrap_or_default().iter().enumerate() {
            let next = from + offset + 1;
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(next) != Some(&b'\n')) {
                number += 1;
                begin = next;
            }
        }
        self.counted = (start.max(from), number, begin);
        let column = self.text.get(begin..start).map_or(0, |before| before.chars().count());
        at(start, end, number, small(column + 1))
    }
}

/// How long the anchor or tag is with which the text begins.
fn property_length(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(b'!') if text.starts_with("!<") => text.find('>').map_or(text.len(), |end| end + 1),
        Some(b'&' | b'!') => name_length(text),
        _ => 0,
    }
}

/// How long the anchor, alias or tag is with which the text begins.
fn name_length(text: &str) -> usize {
    text.find([' ', '\t', '\r', '\n', ',', '[', ']', '{', '}']).unwrap_or(text.len())
}

fn at(start: usize, end: usize, line: u32, column: u32) -> Span {
    Span { start: small(start), end: small(end), line, column, alias: false }
}

fn line(mark: Marker) -> u32 {
    small(mark.line())
}

fn column(mark: Marker) -> u32 {
    small(mark.col() + 1)
}

/// Documents are far smaller than 4 GiB.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
