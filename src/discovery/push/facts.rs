//! What is known of a source by what was pushed: of each key the newest word. Pure.
//!
//! An observation tells of its key as of its `seen`. A batch that was declared whole tells of every key as of its own instant: of those that it names
//! what stands in it, of all others that they are not there. So the order in which batches come does not matter (of two words of one instant the first that
//! came stays; a batch that holds both is refused), and one that comes twice changes nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::api::Text;

/// How many observations a source may have.
pub const MOST_FACTS: usize = 100_000;
/// How many bytes they may have in all.
pub const MOST_BYTES: usize = 64 << 20;

/// An observation in Bowline's own form, on one line.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Its key.
    pub key: Text,
    /// As of when it was so.
    pub seen: Timestamp,
    /// All of it.
    pub line: Box<str>,
}

/// What is brought at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The observations.
    pub facts: Vec<Fact>,
    /// As of when this was all there was of the source; none: there may be more.
    pub whole: Option<Timestamp>,
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Observations that are new, or newer than what was known.
    pub taken: usize,
    /// Those that were known as they are.
    pub unchanged: usize,
    /// Those of whose key something newer is known, that it is not there included.
    pub older: usize,
    /// Keys that were known and that a whole batch does not name.
    pub gone: usize,
    /// How many keys are known now.
    pub known: usize,
}

/// There is more than may be kept, so nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source would have {facts} observations of {bytes} bytes, which is more than is kept")]
pub struct Full {
    /// How many observations there would be.
    pub facts: usize,
    /// How many bytes.
    pub bytes: usize,
}

/// All that is known of a source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    whole: Option<Timestamp>,
    known: BTreeMap<Text, (Timestamp, Box<str>)>,
    bytes: usize,
}

impl Facts {
    /// What was known before, by what was written of it.
    pub fn of(whole: Option<Timestamp>, facts: impl IntoIterator<Item = Fact>) -> Self {
        let known: BTreeMap<_, _> = facts.into_iter().map(|fact| (fact.key, (fact.seen, fact.line))).collect();
        let bytes = known.values().map(|(_, line)| line.len() + 1).sum();
        Self { whole, known, bytes }
    }

    /// As of when the last whole batch was.
    pub fn whole(&self) -> Option<Timestamp> {
        self.whole
    }

    /// The observations, each on one line, by key.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &str> {
        self.known.values().map(|(_, line)| &**line)
    }

    /// How many bytes they have.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets what was so only before this instant; whether there was any.
    pub fn forget(&mut self, before: Timestamp) -> bool {
        let (whole, count) = (self.whole, self.known.len());
        self.known.retain(|_, (seen, _)| word_of(*seen, whole) >= before);
        self.bytes = self.known.values().map(|(_, line)| line.len() + 1).sum();
        self.known.len() != count
    }

    /// Takes a batch, or nothing of it where that would be more than `most` bytes. What was so only before `oldest` is not taken up.
    pub fn take(&mut self, batch: Batch, oldest: Timestamp, most: usize) -> Result<Taken, Full> {
        let (facts, mut taken) = newest(batch.facts);
        let whole = batch.whole.filter(|at| self.whole.is_none_or(|known| *at > known));
        let gone: Vec<Text> = whole.map(|at| self.gone(at, &facts)).unwrap_or_default();
        let mut news = Vec::new();
        for (key, (seen, line)) in facts {
            let word = word_of(seen, batch.whole);
            match self.known.get(&key) {
                Some((_, known)) if *known == line => taken.unchanged += 1,
                Some((known, _)) if word <= word_of(*known, self.whole) => *if seen == *known { &mut taken.unchanged } else { &mut taken.older } += 1,
                // A whole batch since then did not name it.
                None if self.whole.is_some_and(|at| word <= at) => taken.older += 1,
                _ if word < oldest => taken.older += 1,
                _ => news.push((key, seen, line)),
            }
        }
        self.fits(&news, &gone, most)?;
        (taken.taken, taken.gone) = (news.len(), gone.len());
        for key in &gone {
            self.remove(key);
        }
        for (key, seen, line) in news {
            self.remove(&key);
            self.bytes += line.len() + 1;
            self.known.insert(key, (seen, line));
        }
        self.whole = self.whole.max(whole);
        taken.known = self.known.len();
        Ok(taken)
    }

    /// The keys that are not there as of an instant: not named by it, and not seen since.
    fn gone(&self, at: Timestamp, named: &BTreeMap<Text, (Timestamp, Box<str>)>) -> Vec<Text> {
        self.known.iter().filter(|(key, (seen, _))| *seen <= at && !named.contains_key(*key)).map(|(key, _)| key.clone()).collect()
    }

    fn fits(&self, news: &[(Text, Timestamp, Box<str>)], gone: &[Text], most: usize) -> Result<(), Full> {
        let size = |key: &Text| self.known.get(key).map_or(0, |(_, line)| line.len() + 1);
        let replaced: usize = news.iter().map(|(key, ..)| size(key)).chain(gone.iter().map(size)).sum();
        let added = news.iter().filter(|(key, ..)| !self.known.contains_key(key)).count();
        let facts = self.known.len() + added - gone.len();
        let bytes = self.bytes + news.iter().map(|(.., line)| line.len() + 1).sum::<usize>() - replaced;
        if facts > MOST_FACTS || bytes > most.min(MOST_BYTES) { Err(Full { facts, bytes }) } else { Ok(()) }
    }

    fn remove(&mut self, key: &Text) {
        if let Some((_, line)) = self.known.remove(key) {
            self.bytes -= line.len() + 1;
        }
    }
}

/// As of when an observation was so: when it was seen, or when a whole batch named it.
pub fn word_of(seen: Timestamp, whole: Option<Timestamp>) -> Timestamp {
    whole.map_or(seen, |at| at.max(seen))
}

/// Whether a whole batch as of `whole` still says at `now` what is not there. Beyond so many seconds it does not: what was declared since would
/// look missing.
pub fn is_complete(whole: Option<Timestamp>, seconds: i64, now: Timestamp) -> bool {
    whole.is_some_and(|at| now.duration_since(at) <= SignedDuration::from_secs(seconds))
}

/// Of each key the newest, and what came of the others.
fn newest(facts: Vec<Fact>) -> (BTreeMap<Text, (Timestamp, Box<str>)>, Taken) {
    let (mut kept, mut taken) = (BTreeMap::<Text, (Timestamp, Box<str>)>::new(), Taken::default());
    for Fact { key, seen, line } in facts {
        match kept.get_mut(&key) {
            None => {
                kept.insert(key, (seen, line));
            }
            Some((known, _)) if seen == *known => taken.unchanged += 1,
            Some(known) => {
                taken.older += 1;
                if seen > known.0 {
                    *known = (seen, line);
                }
            }
        }
    }
    (kept, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn fact(key: &str, seen: i64, line: &str) -> Fact {
        Fact { key: key.into(), seen: at(seen), line: format!("{line}@{seen}").into() }
    }

    fn take(facts: &mut Facts, whole: Option<i64>, batch: &[Fact]) -> [usize; 5] {
        let taken = facts.take(Batch { facts: batch.to_vec(), whole: whole.map(at) }, Timestamp::MIN, MOST_BYTES).unwrap();
        assert_eq!(*facts, Facts::of(facts.whole, facts.known.iter().map(|(key, (seen, line))| Fact { key: key.clone(), seen: *seen, line: line.clone() })));
        [taken.taken, taken.unchanged, taken.older, taken.gone, taken.known]
    }

    fn lines(facts: &Facts) -> Vec<&str> {
        facts.lines().collect()
    }

    #[test]
    fn of_one_key_the_newest_wins_and_an_equal_or_older_one_changes_nothing() {
        let mut facts = Facts::default();
        assert_eq!(take(&mut facts, None, &[fact("a", 5, "x"), fact("b", 5, "x")]), [2, 0, 0, 0, 2]);
        assert_eq!(take(&mut facts, None, &[fact("a", 5, "x"), fact("b", 5, "y")]), [0, 2, 0, 0, 2]);
        assert_eq!(take(&mut facts, None, &[fact("a", 4, "z"), fact("b", 6, "z")]), [1, 0, 1, 0, 2]);
        assert_eq!(lines(&facts), ["x@5", "z@6"]);
    }

    #[test]
    fn of_one_key_twice_in_a_batch_the_newest_counts() {
        let mut facts = Facts::default();
        assert_eq!(take(&mut facts, None, &[fact("a", 5, "x"), fact("a", 7, "y"), fact("a", 6, "z"), fact("a", 7, "y")]), [1, 1, 2, 0, 1]);
        assert_eq!(lines(&facts), ["y@7"]);
    }

    #[test]
    fn a_whole_batch_replaces_all_that_was_so_before_it() {
        let mut facts = Facts::default();
        take(&mut facts, None, &[fact("a", 5, "x"), fact("b", 5, "x"), fact("c", 20, "x")]);
        assert_eq!(take(&mut facts, Some(10), &[fact("a", 5, "x"), fact("d", 1, "x")]), [1, 1, 0, 1, 3]);
        assert_eq!(lines(&facts), ["x@5", "x@20", "x@1"], "b is gone, and c was seen since");
        assert_eq!(take(&mut facts, None, &[fact("b", 9, "y"), fact("a", 9, "y"), fact("a", 11, "z")]), [1, 0, 2, 0, 3], "what was before it is older");
        assert_eq!(facts.whole(), Some(at(10)));
    }

    #[test]
    fn a_whole_batch_that_comes_late_removes_nothing() {
        let mut facts = Facts::default();
        take(&mut facts, Some(10), &[fact("a", 10, "x")]);
        assert_eq!(take(&mut facts, Some(8), &[fact("b", 8, "x")]), [0, 0, 1, 0, 1]);
        assert_eq!(take(&mut facts, Some(10), &[fact("a", 10, "x")]), [0, 1, 0, 0, 1], "the same once more");
        assert_eq!((lines(&facts), facts.whole()), (vec!["x@10"], Some(at(10))));
    }

    #[test]
    fn what_is_too_much_is_refused_as_a_whole() {
        let mut facts = Facts::default();
        take(&mut facts, None, &[fact("a", 5, "x")]);
        let before = facts.clone();
        let large = Batch { facts: vec![fact("b", 5, "x"), fact("c", 5, &"x".repeat(100))], whole: None };
        assert_eq!(facts.take(large, Timestamp::MIN, 50), Err(Full { facts: 3, bytes: 111 }));
        let many = (0..=MOST_FACTS).map(|number| fact(&number.to_string(), 5, "")).collect();
        assert!(facts.take(Batch { facts: many, whole: None }, Timestamp::MIN, MOST_BYTES).is_err());
        assert_eq!(facts, before);
    }

    #[test]
    fn what_is_too_old_is_forgotten_unless_a_whole_batch_named_it_since() {
        let mut facts = Facts::default();
        take(&mut facts, None, &[fact("a", 5, "x"), fact("b", 15, "x")]);
        assert!(facts.forget(at(10)) && !facts.forget(at(10)));
        assert_eq!(lines(&facts), ["x@15"]);
        assert_eq!(facts.take(Batch { facts: vec![fact("c", 9, "x")], whole: None }, at(10), MOST_BYTES).unwrap().older, 1);
        take(&mut facts, Some(20), &[fact("a", 5, "x")]);
        assert!(!facts.forget(at(19)) && facts.forget(at(21)));
    }

    #[test]
    fn a_whole_batch_makes_an_answer_complete_for_its_time() {
        assert!(!is_complete(None, 60, at(0)));
        assert!(is_complete(Some(at(0)), 60, at(60)) && !is_complete(Some(at(0)), 60, at(61)));
        assert!(is_complete(Some(at(100)), 60, at(60)), "the instant of a pass may be a little earlier");
    }
}
