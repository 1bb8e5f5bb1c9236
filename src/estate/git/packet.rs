//! Packet lines (`gitprotocol-common`): four hexadecimal digits of length, then the content; and the side bands in them.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// The longest packet, its length included.
const LONGEST: usize = 65_520;

/// What one packet is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// The end of a part.
    Flush,
    /// Content.
    Data(&'a [u8]),
}

/// Reads packets one after the other.
pub(super) struct Packets<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: Read> Packets<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new() }
    }

    pub(super) fn next(&mut self) -> io::Result<Packet<'_>> {
        let mut head = [0; 4];
        self.reader.read_exact(&mut head).map_err(cut)?;
        let digits = std::str::from_utf8(&head).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let length = digits.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        match length {
            Some(0) => Ok(Packet::Flush),
            Some(length @ 4..=LONGEST) => {
                self.buffer.resize(length - 4, 0);
                self.reader.read_exact(&mut self.buffer).map_err(cut)?;
                Ok(Packet::Data(&self.buffer))
            }
            _ => Err(bad("the answer is not git's protocol")),
        }
    }
}

fn cut(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { bad("the connection was cut before the answer was complete") } else { error }
}

pub(super) fn bad(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Appends one packet.
pub(super) fn write(out: &mut Vec<u8>, content: &str) {
    out.extend_from_slice(format!("{:04x}{content}", content.len() + 4).as_bytes());
}

/// The packet that ends a part.
pub(super) const FLUSH: &[u8] = b"0000";

/// Words of the other side, fit to be shown: one line, no control characters, not long.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(600).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A reader that ends in an error after so many bytes or at a point in time.
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    end: Instant,
}

impl<R> Bounded<R> {
    pub(super) fn new(inner: R, bytes: u64, time: Duration) -> Self {
        let now = Instant::now();
        Self { inner, left: bytes, end: now.checked_add(time).unwrap_or(now) }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() > self.end {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the answer took too long"));
        }
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| bad("the answer is larger than allowed"))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_one_after_the_other() {
        let mut packets = Packets::new(&b"0009done\n00000004"[..]);
        assert_eq!(packets.next().unwrap(), Packet::Data(b"done\n"));
        assert_eq!(packets.next().unwrap(), Packet::Flush);
        assert_eq!(packets.next().unwrap(), Packet::Data(b""));
    }

    #[test]
    fn what_is_not_the_protocol_or_is_cut_is_an_error() {
        for text in [&b"<htm"[..], b"0001", b"0003", b"fff1", b"00", b"0009do", b"", b"+005x"] {
            assert!(Packets::new(text).next().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_answer_ends_in_an_error_at_its_bound() {
        let mut out = Vec::new();
        assert!(Bounded::new(&[0; 10][..], 10, Duration::from_secs(9)).read_to_end(&mut out).is_ok());
        assert!(Bounded::new(&[0; 11][..], 10, Duration::from_secs(9)).read_to_end(&mut out).is_err());
        assert!(Bounded::new(io::repeat(0), u64::MAX, Duration::ZERO).read_to_end(&mut out).is_err());
    }

    #[test]
    fn words_of_the_other_side_cannot_move_the_cursor() {
        assert_eq!(shown(b"a\x1b[2J\r\nb\x07"), "a [2J b");
        assert!(shown(&[b'x'; 9000]).len() <= 600);
    }
}
