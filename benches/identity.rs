//! Precision, recall and time of identity over a made-up estate whose truth is known: 50,000 machines seen by four sources,
//! with clones, re-used names, and identifiers that are missing, bogus or old (`tests/builders/world.rs`).
//!
//! `RAYON_NUM_THREADS=1 cargo bench --bench identity` takes one core. A first argument that is a number takes so many machines.

#![allow(missing_docs, clippy::cast_precision_loss)] // a bench; counts are small

#[path = "../tests/builders/world.rs"]
mod world;

use std::time::Instant;

use bowline::identity::correlate;

fn main() {
    let machines = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(50_000);
    let world = world::world(machines);
    let mut times = Vec::new();
    let mut score = world::Score::default();
    for _ in 0..7 {
        let begun = Instant::now();
        let correlation = correlate(&world.estate, &world.discovered);
        times.push(begun.elapsed());
        score = world.score(&correlation);
    }
    times.sort();
    let of_all = |count: usize| count as f64 * 100.0 / score.observations as f64;
    println!("{machines} machines, {} observations, {:.1}% of them awkward", score.observations, of_all(score.awkward));
    println!("wrong merges: {}", score.wrong);
    println!("missed merges: {} ({:.3}%), of which left to a person: {}", score.missed, of_all(score.missed), score.doubtful);
    println!("resolved in {:?} to {:?}, median {:?}", times.first().unwrap_or(&times[0]), times.last().unwrap_or(&times[0]), times[times.len() / 2]);
}
