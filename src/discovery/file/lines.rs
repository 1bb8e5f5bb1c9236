//! One JSON document a line.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Bounded, EMPTY, unreadable};
use crate::discovery::blocks::{self, Found, STOPPED};
use crate::discovery::mapping::{Mapper, Node};

/// How much of a file is read before it is mapped, in bytes.
pub(super) const BLOCK: usize = 4 << 20;

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 64 << 20;

pub(super) fn read(file: Box<dyn Read + Send>, block: usize, mapper: &Mapper, stop: &AtomicBool) -> Found {
    let mut file = Bounded::new(file);
    let mut found = Found::default();
    let mut buffer = Vec::with_capacity(block);
    let (mut line, mut documents) = (1, 0);
    loop {
        if stop.load(Ordering::Relaxed) {
            found.note(STOPPED.to_owned());
            return found;
        }
        let ended = match fill(&mut file, &mut buffer, block) {
            Ok(ended) => ended,
            Err(error) => {
                found.note(unreadable(&error));
                return found;
            }
        };
        if line == 1 && buffer.starts_with(b"\xef\xbb\xbf") {
            buffer.drain(..3);
        }
        let end = if ended { buffer.len() } else { buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1) };
        let cut = ended && buffer.last().is_some_and(|byte| *byte != b'\n');
        let whole = buffer.get(..end).unwrap_or_default();
        let lines: Vec<(usize, &[u8])> = (line..).zip(whole.split_inclusive(|byte| *byte == b'\n')).collect();
        let filled: Vec<(usize, &[u8])> = lines.iter().filter(|(_, text)| !text.trim_ascii().is_empty()).copied().collect();
        documents += filled.len();
        let last = lines.last().filter(|_| cut).map(|(number, _)| *number);
        found.append(blocks::map(
            &filled,
            mapper,
            stop,
            |(number, _)| format!("line {number}"),
            |(number, text)| parse(text, Some(*number) == last).and_then(|document| mapper.items_of(document)).map(Cow::Owned),
        ));
        line += lines.len();
        if ended {
            break;
        }
        buffer.drain(..end);
    }
    if documents == 0 {
        found.note(EMPTY.to_owned());
    }
    found
}

/// Adds a block, and goes on to the end of a line; true at the end of the file.
fn fill(file: &mut impl Read, buffer: &mut Vec<u8>, block: usize) -> io::Result<bool> {
    loop {
        let before = buffer.len();
        buffer.resize(before + block, 0);
        let mut filled = before;
        while filled < buffer.len() {
            match file.read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => {
                    buffer.truncate(filled);
                    return Ok(true);
                }
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if buffer.get(before..).is_some_and(|new| new.contains(&b'\n')) {
            return Ok(false);
        }
        if buffer.len() > LONGEST_LINE {
            return Err(io::Error::other("a line is longer than 64 MiB; the file may not be one JSON document a line"));
        }
    }
}

fn parse(text: &[u8], cut: bool) -> Result<Node<'_>, String> {
    let text = text.trim_ascii();
    // Text that is known to be UTF-8 as a whole is read faster than text that is checked a value at a time.
    let node = std::str::from_utf8(text).map_or_else(|_| serde_json::from_slice(text), serde_json::from_str);
    node.map_err(|error| {
        if cut && error.is_eof() {
            return "the file is cut short here".to_owned();
        }
        super::json::told(&error, None)
    })
}
