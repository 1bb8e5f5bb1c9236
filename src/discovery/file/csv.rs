//! Spreadsheets: a header line, then one item a row, each a map of texts.

use std::borrow::Cow;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use ::csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};

use super::{Bounded, EMPTY, unreadable};
use crate::discovery::blocks::{self, Found, STOPPED};
use crate::discovery::mapping::{Mapper, Node};

/// How many rows are read before they are mapped.
const BLOCK: usize = 8192;

pub(super) fn read(file: Box<dyn Read + Send>, delimiter: u8, mapper: &Mapper, stop: &AtomicBool) -> Found {
    let watched = Watched { inner: Bounded::new(file), quotes: 0, last: None };
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(watched);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Found::fault(told(&error)),
    };
    if header.is_empty() {
        return Found::fault(EMPTY.to_owned());
    }
    if let Some(twice) = twice(&header) {
        return Found::fault(format!("two columns are named `{twice}`; give each a name of its own"));
    }
    let mut found = Found::default();
    loop {
        if stop.load(Ordering::Relaxed) {
            found.note(STOPPED.to_owned());
            return found;
        }
        let (rows, ended) = block(&mut reader, &header, &mut found);
        found.append(blocks::map(&rows, mapper, stop, |(line, _)| format!("line {line}"), |(_, row)| mapper.items_of(node(&header, row)).map(Cow::Owned)));
        if ended {
            break;
        }
    }
    let watched = reader.get_ref();
    if watched.quotes % 2 == 1 && watched.last.is_some_and(|byte| byte != b'\n') {
        found.note("the file is cut short: a quoted value does not end".to_owned());
    }
    found
}

/// The next rows, each with its line, and whether they are the last ones. Rows that cannot be read are noted.
fn block(reader: &mut Reader<Watched>, header: &StringRecord, found: &mut Found) -> (Vec<(u64, StringRecord)>, bool) {
    let mut rows = Vec::with_capacity(BLOCK);
    while rows.len() < BLOCK {
        let mut row = StringRecord::new();
        match reader.read_record(&mut row) {
            Ok(true) => {
                let line = row.position().map_or(0, ::csv::Position::line);
                if row.len() == header.len() {
                    rows.push((line, row));
                } else {
                    found.note(format!("line {line}: {} values instead of {}", row.len(), header.len()));
                }
            }
            Ok(false) => return (rows, true),
            Err(error) => {
                found.note(told(&error));
                if matches!(error.kind(), ErrorKind::Io(_)) {
                    return (rows, true);
                }
            }
        }
    }
    (rows, false)
}

fn node<'a>(header: &'a StringRecord, row: &'a StringRecord) -> Node<'a> {
    Node::Map(header.iter().zip(row).map(|(name, value)| (Cow::Borrowed(name), Node::Text(Cow::Borrowed(value)))).collect())
}

fn twice(header: &StringRecord) -> Option<&str> {
    let mut names: Vec<_> = header.iter().collect();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    })
}

fn told(error: &::csv::Error) -> String {
    match error.kind() {
        ErrorKind::Io(error) => unreadable(error),
        ErrorKind::Utf8 { pos, .. } => format!("line {}: not UTF-8", pos.as_ref().map_or(1, ::csv::Position::line)),
        _ => "the rows cannot be read".to_owned(),
    }
}

/// Counts quotes and keeps the last byte, which tell a file that is cut within a quoted value.
struct Watched {
    inner: Bounded<Box<dyn Read + Send>>,
    quotes: usize,
    last: Option<u8>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        #[allow(clippy::naive_bytecount)] // reading the rows costs far more
        let quotes = read.iter().filter(|byte| **byte == b'"').count();
        self.quotes += quotes;
        self.last = read.last().copied().or(self.last);
        Ok(count)
    }
}
