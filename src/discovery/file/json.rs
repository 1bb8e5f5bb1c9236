//! One JSON document.
//!
//! Where the items are the values of a list in the document, only the bytes of each are found first, and they are read
//! and mapped on all cores: the tree of the whole document is never built.

use std::borrow::Cow;
use std::io::Read;
use std::sync::atomic::AtomicBool;

use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::{Bounded, EMPTY, unreadable};
use crate::api::Text;
use crate::discovery::blocks::{self, Found};
use crate::discovery::mapping::{Items, Mapper, Node};

/// How many items of one list are read.
const MOST: usize = 5_000_000;
/// The largest document whose whole tree is built, in bytes.
const LARGEST_TREE: usize = 256 << 20;

pub(super) fn read(file: Box<dyn Read + Send>, mapper: &Mapper, stop: &AtomicBool) -> Found {
    let mut bytes = Vec::new();
    if let Err(error) = Bounded::new(file).read_to_end(&mut bytes) {
        return Found::fault(unreadable(&error));
    }
    of(&bytes, mapper, stop)
}

/// What a document says.
pub(super) fn of(bytes: &[u8], mapper: &Mapper, stop: &AtomicBool) -> Found {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Found::fault(EMPTY.to_owned());
    }
    let path: &[Text] = match mapper.items() {
        Items::Natural if bytes.trim_ascii_start().starts_with(b"[") => &[],
        Items::Each(path) => path,
        Items::Natural | Items::Whole | Items::Jq(_) => return whole(bytes, mapper, stop),
    };
    let Some(list) = span_at(bytes, path) else { return whole(bytes, mapper, stop) };
    let (spans, fault) = elements(list, MOST);
    let spans: Vec<(usize, &[u8])> = (1..).zip(spans).collect();
    let mut found = blocks::map(
        &spans,
        mapper,
        stop,
        |(number, _)| format!("item {number}"),
        |(_, span)| serde_json::from_slice(span).map(|node| Cow::Owned(vec![node])).map_err(|error| told(&error, None)),
    );
    if let Some((at, wrong)) = fault {
        found.note(told_at(bytes, bytes.len() - list.len() + at, &wrong));
    }
    found
}

fn whole(bytes: &[u8], mapper: &Mapper, stop: &AtomicBool) -> Found {
    if bytes.len() > LARGEST_TREE {
        let hint = "let `items` be a path to a list, such as `.results[]`, or write one document a line";
        return Found::fault(format!("the document is larger than {} MiB; {hint}", LARGEST_TREE >> 20));
    }
    let document: Node<'_> = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => return Found::fault(told(&error, Some(0))),
    };
    match mapper.items_of(document) {
        Ok(items) => {
            let items: Vec<_> = (1_usize..).zip(items).collect();
            blocks::map(&items, mapper, stop, |(number, _)| format!("item {number}"), |(_, item)| Ok(Cow::Borrowed(std::slice::from_ref(item))))
        }
        Err(error) => Found::fault(error),
    }
}

/// The bytes from the list at this path of names on: to the end of the document for a list at the top, which may be cut
/// short, else to the end of the list. None where there is no such list, or the document is not sound.
fn span_at<'a>(bytes: &'a [u8], path: &[Text]) -> Option<&'a [u8]> {
    let mut span = bytes;
    if !path.is_empty() {
        let start = blank(bytes, 0);
        let end = end_of_value(bytes, start).ok()?;
        if blank(bytes, end) != bytes.len() {
            return None;
        }
        span = bytes.get(start..end)?;
    }
    for name in path {
        span = member(span, name)?;
    }
    span.trim_ascii_start().starts_with(b"[").then_some(span)
}

/// The bytes of the last member of this name in a sound map.
fn member<'a>(map: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut at = blank(map, 0);
    if map.get(at) != Some(&b'{') {
        return None;
    }
    let mut found = None;
    loop {
        at = blank(map, at + 1);
        let end = end_of_value(map, at).ok()?;
        let known: String = serde_json::from_slice(map.get(at..end)?).ok()?;
        let start = blank(map, blank(map, end) + 1);
        at = end_of_value(map, start).ok()?;
        if known == name {
            found = map.get(start..at);
        }
        at = blank(map, at);
        if map.get(at) != Some(&b',') {
            return found;
        }
    }
}

/// A place in the bytes, and what is wrong there.
type Fault = (usize, Wrong);

/// What is wrong with a document.
enum Wrong {
    /// What serde says.
    Json(serde_json::Error),
    /// Something else should be there.
    Unexpected,
    /// The list has more items than are read.
    TooMany,
}

/// The bytes of each value of a list, up to so many; and where the list, or the document that ends with it, is not sound.
fn elements(list: &[u8], most: usize) -> (Vec<&[u8]>, Option<Fault>) {
    let mut spans = Vec::new();
    let mut at = blank(list, 0) + 1;
    if list.get(blank(list, at)) == Some(&b']') {
        return (spans, after(list, blank(list, at) + 1));
    }
    loop {
        let start = blank(list, at);
        let end = match end_of_value(list, start) {
            Ok(_) if spans.len() == most => return (spans, Some((start, Wrong::TooMany))),
            Ok(end) => end,
            Err(error) => return (spans, Some((start, error))),
        };
        spans.push(list.get(start..end).unwrap_or_default());
        at = blank(list, end);
        match list.get(at) {
            Some(b',') => at += 1,
            Some(b']') => return (spans, after(list, at + 1)),
            _ => return (spans, Some((at, Wrong::Unexpected))),
        }
    }
}

/// Whether anything but blanks follows.
fn after(bytes: &[u8], at: usize) -> Option<Fault> {
    let at = blank(bytes, at);
    (at < bytes.len()).then_some((at, Wrong::Unexpected))
}

/// The next byte that is not blank.
fn blank(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// Where the value that begins at `at` ends.
fn end_of_value(bytes: &[u8], at: usize) -> Result<usize, Wrong> {
    let mut values = Deserializer::from_slice(bytes.get(at..).unwrap_or_default()).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(at + values.byte_offset()),
        Some(Err(error)) => Err(Wrong::Json(error)),
        None => Err(Wrong::Unexpected),
    }
}

/// What is said of a fault of the document.
fn told_at(bytes: &[u8], at: usize, wrong: &Wrong) -> String {
    let lines_before = bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
    match wrong {
        Wrong::Json(error) => told(error, Some(lines_before)),
        Wrong::TooMany => format!("more than {MOST} items; split the file into several sources"),
        Wrong::Unexpected if at >= bytes.len() => cut_short(lines_before + 1),
        Wrong::Unexpected => format!("not valid JSON (something else is expected at line {})", lines_before + 1),
    }
}

fn cut_short(line: usize) -> String {
    format!("the file is cut short: the JSON document does not end, at line {line}")
}

/// What is said of a JSON error: of a document, whose text begins after `lines_before` lines; or of one value. Never
/// shows the text: it may hold something secret.
pub(super) fn told(error: &serde_json::Error, lines_before: Option<usize>) -> String {
    let message = error.to_string();
    let what = if error.is_data() { "an unexpected value" } else { message.split(" at line ").next().unwrap_or_default() };
    match lines_before {
        Some(before) if error.is_eof() => cut_short(before + error.line()),
        Some(before) => format!("not valid JSON ({what}, at line {})", before + error.line()),
        None => format!("not valid JSON ({what}, at column {})", error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_up_to_its_most_items() {
        let (spans, fault) = elements(b"[1, [2, 3], \"4\"]", 3);
        assert_eq!(spans, [&b"1"[..], b"[2, 3]", b"\"4\""]);
        assert!(fault.is_none());
        let (spans, fault) = elements(b"[1, [2, 3], \"4\"]", 2);
        assert_eq!(spans.len(), 2);
        assert!(matches!(fault, Some((_, Wrong::TooMany))));
    }

    #[test]
    fn of_two_members_of_one_name_the_last_counts() {
        assert_eq!(member(br#"{"a": [1], "b": 2, "\u0061": [3] }"#, "a"), Some(&b"[3]"[..]));
        assert_eq!(member(br#"{"a": [1]}"#, "b"), None);
        assert_eq!(member(b"{}", "a"), None);
        assert_eq!(member(b"[1]", "a"), None);
    }
}
