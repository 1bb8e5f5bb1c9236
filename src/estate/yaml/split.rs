//! The documents of a file: split at the marker lines `---` and `...` (YAML 1.2.2, section 9.1), before anything is
//! parsed, so that one bad document cannot hide its neighbours.

const BOM: &str = "\u{feff}";

/// One document as it stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawDocument<'a> {
    /// Its text, its own `---` line and directives included.
    pub text: &'a str,
    /// Where the text begins in the file, in bytes.
    pub offset: usize,
    /// The line of the file on which it begins, from 1.
    pub line: u32,
}

/// The documents of a file, in order. Those that hold nothing but comments and white space are left out.
pub fn documents(text: &str) -> Vec<RawDocument<'_>> {
    let mut splitter = Splitter { text, found: Vec::new(), start: (0, 1), content: false, directive: None, marked: false };
    let (mut offset, mut line) = (0, 1);
    while offset < text.len() {
        let rest = text.get(offset..).unwrap_or_default();
        let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
        splitter.line(rest.get(..length).unwrap_or_default(), offset, line);
        offset += length;
        line += 1;
    }
    splitter.close(text.len());
    splitter.found
}

struct Splitter<'a> {
    text: &'a str,
    found: Vec<RawDocument<'a>>,
    /// Offset and line at which the document at hand begins.
    start: (usize, u32),
    /// Whether it holds anything.
    content: bool,
    /// Where its first directive stands.
    directive: Option<(usize, u32)>,
    /// Whether its `---` was seen.
    marked: bool,
}

impl Splitter<'_> {
    fn line(&mut self, line: &str, mut offset: usize, number: u32) {
        let mut line = line;
        if let Some(rest) = line.strip_prefix(BOM)
            && (offset == 0 || marker(rest, "---"))
        {
            // A mark before the file's first line, or one left from joined files: no part of any document.
            self.close(offset);
            offset += BOM.len();
            line = rest;
            self.begin(offset, number);
        }
        match line.as_bytes().first() {
            Some(b'-') if marker(line, "---") => {
                if self.content || self.marked {
                    self.close(offset);
                    self.begin(offset, number);
                } else {
                    self.start = self.directive.unwrap_or((offset, number));
                }
                self.marked = true;
                self.content = holds(line.get(3..).unwrap_or_default());
            }
            Some(b'.') if marker(line, "...") => {
                let end = offset + line.len();
                if holds(line.get(3..).unwrap_or_default()) {
                    // Text after the end of a document is an error, which the parser tells.
                    self.content = true;
                    self.close(end);
                } else {
                    self.close(offset);
                }
                self.begin(end, number + 1);
            }
            Some(b'%') if !self.content && !self.marked => {
                self.directive.get_or_insert((offset, number));
            }
            _ if !self.content => self.content = holds(line),
            _ => {}
        }
    }

    fn begin(&mut self, offset: usize, line: u32) {
        *self = Self { text: self.text, found: std::mem::take(&mut self.found), start: (offset, line), content: false, directive: None, marked: false };
    }

    fn close(&mut self, end: usize) {
        // A directive without a document is an error that the parser tells.
        let dangling = self.directive.is_some() && !self.marked;
        if (self.content || dangling)
            && let Some(text) = self.text.get(self.start.0..end)
        {
            self.found.push(RawDocument { text, offset: self.start.0, line: self.start.1 });
        }
    }
}

/// Whether the line is this document marker: it stands alone or white space follows.
fn marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line holds more than white space and a comment.
fn holds(line: &str) -> bool {
    line.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).is_some_and(|first| first != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(&str, usize, u32)> {
        documents(text).into_iter().map(|document| (document.text, document.offset, document.line)).collect()
    }

    #[test]
    fn documents_are_split_at_marker_lines() {
        assert_eq!(split("a: 1\n---\nb: 2\n"), [("a: 1\n", 0, 1), ("---\nb: 2\n", 5, 2)]);
        assert_eq!(split("---\na: 1\n...\n---\nb: 2"), [("---\na: 1\n", 0, 1), ("---\nb: 2", 13, 4)]);
        assert_eq!(split("a: 1\n...\nb: 2\n"), [("a: 1\n", 0, 1), ("b: 2\n", 9, 3)]);
    }

    #[test]
    fn the_marker_line_may_carry_content() {
        assert_eq!(split("--- {a: 1}\n--- # comment\nb: 2\n"), [("--- {a: 1}\n", 0, 1), ("--- # comment\nb: 2\n", 11, 2)]);
    }

    #[test]
    fn a_marker_needs_white_space_after_it_and_column_zero() {
        assert_eq!(split("---a: 1\n ---\n----\n").len(), 1);
        assert_eq!(split("a: |\n  ---\n  b\n").len(), 1);
    }

    #[test]
    fn a_marker_ends_even_a_block_scalar() {
        assert_eq!(split("a: |\n  x\n---\nb: 1\n").len(), 2);
    }

    #[test]
    fn documents_without_content_are_left_out() {
        assert!(split("").is_empty());
        assert!(split("# only\n\n---\n# this\n--- # and\n...\n").is_empty());
        assert_eq!(split("# licence\n---\na: 1\n"), [("---\na: 1\n", 10, 2)]);
    }

    #[test]
    fn a_directive_stays_with_its_document() {
        assert_eq!(split("%YAML 1.2\n---\na: 1\n"), [("%YAML 1.2\n---\na: 1\n", 0, 1)]);
        assert_eq!(split("a: 1\n...\n# c\n%YAML 1.2\n---\nb: 1\n")[1], ("%YAML 1.2\n---\nb: 1\n", 13, 4));
        assert_eq!(split("%YAML 1.2\n").len(), 1, "a directive alone is an error to be told");
    }

    #[test]
    fn a_byte_order_mark_belongs_to_no_document() {
        assert_eq!(split("\u{feff}a: 1\n"), [("a: 1\n", 3, 1)]);
        assert_eq!(split("\u{feff}---\na: 1\n\u{feff}---\nb: 1\n"), [("---\na: 1\n", 3, 1), ("---\nb: 1\n", 15, 3)]);
    }

    #[test]
    fn windows_line_ends_are_kept() {
        assert_eq!(split("---\r\na: 1\r\n---\r\nb: 2\r\n"), [("---\r\na: 1\r\n", 0, 1), ("---\r\nb: 2\r\n", 11, 3)]);
    }

    #[test]
    fn text_after_a_document_end_stays_for_the_parser_to_refuse() {
        assert_eq!(split("a: 1\n... x\n"), [("a: 1\n... x\n", 0, 1)]);
    }
}
