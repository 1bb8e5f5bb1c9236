//! What holds of all batches: the order in which they come, and whether they come twice, makes no difference.

use bowline::discovery::push::batch;
use bowline::discovery::push::facts::{Batch, Fact, Facts, MOST_BYTES};
use jiff::Timestamp;
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What there is of a key at an instant is always the same, so that two batches never tell of one instant differently.
fn fact(key: u8, seen: i64) -> Fact {
    Fact { key: format!("k{key}").into(), seen: at(seen), line: format!("k{key} as of {seen}").into() }
}

/// Keys, each with an instant, and whether they are all there is.
type Drawn = (Vec<(u8, i64)>, bool);

/// Batches with instants of their own, and an order in which they may come as well.
fn batches() -> impl Strategy<Value = (Vec<Batch>, Vec<Batch>)> {
    let batch = (proptest::collection::vec((0..6u8, 0..40i64), 1..6), proptest::bool::weighted(0.3));
    proptest::collection::vec(batch, 1..8)
        .prop_map(|batches| {
            let batch = |(number, (facts, whole)): (usize, Drawn)| {
                // No two whole batches are as of one instant, and none is as of the instant of an observation.
                let whole = whole.then(|| Timestamp::from_millisecond(i64::try_from(number).unwrap() * 6000 + 500).unwrap());
                Batch { facts: facts.into_iter().map(|(key, seen)| fact(key, seen)).collect(), whole }
            };
            batches.into_iter().enumerate().map(batch).collect::<Vec<_>>()
        })
        .prop_flat_map(|batches| {
            let twice = [batches.clone(), batches.clone()].concat();
            (Just(batches), Just(twice).prop_shuffle())
        })
}

fn all(batches: &[Batch]) -> Facts {
    batches.iter().fold(Facts::default(), |mut facts, batch| {
        let count = batch.facts.len();
        let taken = facts.take(batch.clone(), Timestamp::MIN, MOST_BYTES).unwrap();
        assert_eq!(taken.taken + taken.unchanged + taken.older, count, "each observation is accounted for");
        assert_eq!(taken.known, facts.lines().len());
        facts
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_order_of_batches_each_once_or_more_gives_the_same((batches, shuffled) in batches()) {
        prop_assert_eq!(all(&batches), all(&shuffled));
    }

    #[test]
    fn without_whole_batches_the_newest_of_each_key_is_known((batches, shuffled) in batches()) {
        let plain = |batches: &[Batch]| batches.iter().map(|batch| Batch { whole: None, ..batch.clone() }).collect::<Vec<_>>();
        let facts = all(&plain(&shuffled));
        let mut newest = std::collections::BTreeMap::new();
        for fact in batches.iter().flat_map(|batch| &batch.facts) {
            let known = newest.entry(fact.key.clone()).or_insert(fact);
            if fact.seen > known.seen {
                *known = fact;
            }
        }
        let expected: Vec<&str> = newest.values().map(|fact| &*fact.line).collect();
        prop_assert_eq!(facts.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = batch::parse(&body, at(0), at(300));
    }
}
