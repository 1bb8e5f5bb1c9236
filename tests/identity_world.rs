//! Identity over a made-up estate whose truth is known: no stranger is merged, and hardly a merge is missed. The benchmark
//! `identity` does the same over 50,000 machines.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // tests may; counts are small

#[path = "builders/world.rs"]
mod world;

use bowline::identity::correlate;

#[test]
fn of_machines_that_four_sources_see_no_stranger_is_merged_and_hardly_a_merge_is_missed() {
    let world = world::world(10_000);
    let correlation = correlate(&world.estate, &world.discovered);
    let score = world.score(&correlation);
    println!("{score:?}");
    let faults = world.faults(&correlation, 40).join("\n");
    assert_eq!(score.wrong, 0, "{faults}");
    assert!(score.missed as f64 <= score.observations as f64 / 1000.0, "{score:?}\n{faults}");
    assert!(score.awkward * 20 > score.observations, "the world is made to mislead: {score:?}");
}
