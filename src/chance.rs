//! Chance for pauses, so that many who wait for one thing do not all come back at once. Of no use for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A number from 0 to 1. Each hasher of the standard library begins elsewhere.
pub(crate) fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_between_none_and_all_and_differs_from_time_to_time() {
        let drawn: Vec<f64> = (0..1000).map(|_| chance()).collect();
        assert!(drawn.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(drawn.iter().any(|share| *share < 0.3) && drawn.iter().any(|share| *share > 0.7));
    }
}
