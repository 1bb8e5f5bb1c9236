//! Identity over a made-up estate whose truth is known: no stranger is merged, and hardly a merge is missed. The benchmark
//! `identity` does the same over 50,000 machines.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss)] // tests may; counts are small

#[path = "builders/world.rs"]
mod world;

use bowline::discovery::Answer;
use bowline::identity::correlate;
use proptest::prelude::*;

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

/// What belongs together, whatever the order in which it was said.
fn together(world: &world::World) -> Vec<Vec<String>> {
    let correlation = correlate(&world.estate, &world.discovered);
    let name = |sighting: bowline::identity::Sighting| {
        let (answer, observation) = sighting.find(&world.discovered).unwrap();
        format!("{} {}", answer.source, observation.key)
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let mut all: Vec<Vec<String>> = correlation.undeclared().map(|thing| sorted(thing.iter().map(|one| name(*one)).collect())).collect();
    for (place, item) in world.estate.items.iter().enumerate() {
        let seen = correlation.of(place).iter().map(|found| format!("{} {}", name(found.sighting), found.speaks));
        all.push(sorted(seen.chain([item.name.to_string()]).collect()));
    }
    all.extend(correlation.duplicates.iter().map(|one| sorted(one.sightings.iter().map(|one| name(*one)).collect())));
    all.extend(correlation.ambiguities.iter().map(|doubt| vec![format!("{} {:?} {:?}", name(doubt.sighting), doubt.doubt, doubt.items)]));
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_order_of_sources_and_of_what_they_say_does_not_matter(
        sources in Just((0..4).collect::<Vec<usize>>()).prop_shuffle(),
        order in Just((0..700).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        // A fiftieth of what is awkward in the large world is enough to have some of each.
        let mut world = world::world(600);
        let straight = together(&world);
        world.discovered.answers = sources.iter().map(|source| {
            let answer = world.discovered.answers[*source].clone();
            let items = order.iter().filter_map(|place| answer.items.get(*place).cloned()).collect();
            Answer { items, ..answer }
        }).collect();
        prop_assert_eq!(together(&world), straight);
    }
}
