//! Which deliveries have been taken already, so that one that somebody has recorded cannot be played again.
//!
//! The forge's number of a delivery is not signed, so it could be replaced by another; therefore the signature of the body
//! counts as well. What is remembered has a bound: what is forgotten sooner could be played again, which costs one pass.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use ring::digest;

use super::signature::Signature;

/// How long a delivery is remembered.
const REMEMBERED: Duration = Duration::from_hours(1);
/// How many numbers and signatures are remembered, at most; the oldest are forgotten first.
const MOST: usize = 10_000;

/// What has been taken.
#[derive(Debug, Default)]
pub struct Seen {
    known: HashSet<[u8; 32]>,
    order: VecDeque<(Instant, [u8; 32])>,
}

impl Seen {
    /// Whether a delivery is new. From then on it is not. Call it with verified deliveries only: a stranger must not be able
    /// to make a number known before the forge uses it.
    pub fn is_new(&mut self, number: Option<&str>, signature: &Signature, now: Instant) -> bool {
        while let Some((at, _)) = self.order.front()
            && (self.order.len() > MOST || now.saturating_duration_since(*at) >= REMEMBERED)
        {
            if let Some((_, forgotten)) = self.order.pop_front() {
                self.known.remove(&forgotten);
            }
        }
        // Both are remembered, whichever was known.
        let new_number = number.is_none_or(|number| self.add(name_of(number), now));
        let new_body = self.add(*signature, now);
        new_number && new_body
    }

    fn add(&mut self, name: [u8; 32], now: Instant) -> bool {
        let new = self.known.insert(name);
        if new {
            self.order.push_back((now, name));
        }
        new
    }
}

/// A number of any length as a name of one length.
fn name_of(number: &str) -> [u8; 32] {
    let mut name = [0; 32];
    let digest = digest::digest(&digest::SHA256, number.as_bytes());
    name.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(number: u32) -> Signature {
        name_of(&format!("body {number}"))
    }

    #[test]
    fn the_same_number_is_taken_once_whatever_the_body() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert!(seen.is_new(Some("a"), &signature(1), now));
        assert!(!seen.is_new(Some("a"), &signature(2), now));
    }

    #[test]
    fn the_same_body_is_taken_once_whatever_the_number() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        assert!(seen.is_new(Some("a"), &signature(1), now));
        assert!(!seen.is_new(Some("b"), &signature(1), now));
        assert!(!seen.is_new(None, &signature(1), now));
        assert!(!seen.is_new(Some("b"), &signature(3), now), "the number that came with a known body is known from then on");
    }

    #[test]
    fn an_hour_later_it_is_forgotten() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let second = Duration::from_secs(1);
        seen.is_new(Some("a"), &signature(1), now);
        assert!(!seen.is_new(Some("a"), &signature(1), now.checked_add(REMEMBERED).unwrap().checked_sub(second).unwrap()));
        assert!(seen.is_new(Some("a"), &signature(1), now + REMEMBERED));
    }

    #[test]
    fn a_flood_of_deliveries_takes_bounded_memory() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        for number in 0..30_000 {
            assert!(seen.is_new(Some(&number.to_string()), &signature(number), now));
        }
        assert!(seen.known.len() <= MOST + 2 && seen.order.len() == seen.known.len());
        assert!(!seen.is_new(Some("29999"), &signature(29_999), now), "the newest are known");
    }
}
