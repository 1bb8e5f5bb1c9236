//! Several replicas, one Lease, and a network that delays, loses and repeats nothing but what it may.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const WALL: &str = "2026-11-25T08:00:00Z";
/// How long an answer is waited for, in milliseconds of real time.
const PATIENCE: u64 = 3000;

/// What happens to one request.
#[derive(Clone, Copy, Debug)]
struct Fate {
    /// Milliseconds until it is carried out; none: it never is.
    there: Option<u64>,
    /// Milliseconds until its answer is back; none: it never is.
    back: Option<u64>,
    /// Milliseconds that the replica then stands still.
    pause: u64,
}

fn fate() -> impl Strategy<Value = Fate> {
    let quick = 0..40_u64;
    let slow = prop_oneof![8 => quick.clone().prop_map(Some), 1 => (0..20_000_u64).prop_map(Some), 1 => Just(None)];
    let pause = prop_oneof![12 => Just(0), 1 => 0..30_000_u64];
    (slow.clone(), slow, pause).prop_map(|(there, back, pause)| Fate { there, back, pause })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Act(usize),
    Carried(usize, usize),
    Answered(usize, usize),
    TimedOut(usize, usize),
}

/// One replica: its machine, and a clock that runs too fast or too slow.
struct Replica {
    machine: Machine,
    rate: f64,
    /// What it ever asked for and when, and the number of the request whose answer it waits for: how many there are.
    asked: Vec<(Step, Instant)>,
    answer: Option<(usize, Heard)>,
}

struct World {
    start: Instant,
    replicas: Vec<Replica>,
    /// The Lease: its version and content.
    lease: Option<(u64, LeaseSpec)>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    fates: Vec<Fate>,
    drawn: usize,
    /// What was held: by whom, with which token, in which order.
    held: Vec<(usize, i32)>,
}

impl World {
    fn new(rates: &[f64], fates: Vec<Fate>) -> Self {
        let replica = |(index, rate): (usize, &f64)| Replica {
            machine: Machine::new(&format!("replica-{index}"), Terms::default()),
            rate: *rate,
            asked: Vec::new(),
            answer: None,
        };
        let replicas: Vec<Replica> = rates.iter().enumerate().map(replica).collect();
        let events = (0..replicas.len()).map(|index| Reverse((0, Event::Act(index)))).collect();
        Self { start: Instant::now(), replicas, lease: None, events, fates, drawn: 0, held: Vec::new() }
    }

    /// A replica's own clock at a real time.
    fn clock(&self, index: usize, real: u64) -> Instant {
        self.start + Duration::from_millis(real).mul_f64(self.replicas[index].rate)
    }

    fn real(&self, index: usize, clock: Instant) -> u64 {
        let millis = clock.saturating_duration_since(self.start).as_secs_f64() * 1000.0 / self.replicas[index].rate;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a test's time is short
        let millis = millis.ceil() as u64;
        millis
    }

    fn fate(&mut self) -> Fate {
        self.drawn += 1;
        self.fates.get(self.drawn % self.fates.len().max(1)).copied().unwrap_or(Fate { there: Some(1), back: Some(1), pause: 0 })
    }

    fn run(&mut self, until: u64) {
        while self.events.peek().is_some_and(|Reverse((at, _))| *at <= until) {
            let Some(Reverse((now, event))) = self.events.pop() else { return };
            self.happens(now, event);
            self.note(now);
        }
    }

    fn note(&mut self, now: u64) {
        let believers: Vec<(usize, i32)> =
            (0..self.replicas.len()).filter_map(|index| Some((index, self.replicas[index].machine.believes(self.clock(index, now))?.token))).collect();
        assert!(believers.len() <= 1, "at {now} ms more than one believes that it holds: {believers:?}");
        if let Some(holder) = believers.first().filter(|holder| self.held.last() != Some(holder)) {
            self.held.push(*holder);
        }
    }

    fn happens(&mut self, now: u64, event: Event) {
        match event {
            Event::Act(index) => self.act(index, now),
            Event::Carried(index, number) => self.carry(index, number),
            Event::Answered(index, number) => {
                let heard = self.replicas[index].answer.take().filter(|(answered, _)| *answered == number).map(|(_, heard)| heard);
                self.hear(index, number, heard.unwrap_or(Heard::Failed), now);
            }
            Event::TimedOut(index, number) => self.hear(index, number, Heard::Failed, now),
        }
    }

    fn act(&mut self, index: usize, now: u64) {
        let clock = self.clock(index, now);
        let step = self.replicas[index].machine.next(clock, WALL.parse().unwrap());
        if let Step::Sleep(until) = step {
            let at = self.real(index, until).max(now + 1);
            self.events.push(Reverse((at, Event::Act(index))));
            return;
        }
        let fate = self.fate();
        let replica = &mut self.replicas[index];
        replica.asked.push((step, clock));
        let number = replica.asked.len();
        if let Some(there) = fate.there {
            self.events.push(Reverse((now + there, Event::Carried(index, number))));
        }
        let answered = fate.there.zip(fate.back).map(|(there, back)| there + back).filter(|took| *took < PATIENCE);
        let (took, event) = answered.map_or((PATIENCE, Event::TimedOut(index, number)), |took| (took, Event::Answered(index, number)));
        self.events.push(Reverse((now + took + fate.pause, event)));
    }

    /// The API server carries a request out, however late, and though nobody waits for its answer any longer.
    fn carry(&mut self, index: usize, number: usize) {
        let step = self.replicas[index].asked[number - 1].0.clone();
        let version = self.lease.as_ref().map_or(0, |(version, _)| *version);
        let heard = match step {
            Step::Read => Heard::Read(self.lease.clone().map(|(version, spec)| (version.to_string(), spec))),
            Step::Create(spec) if self.lease.is_none() => self.write(1, spec),
            Step::Replace(expected, spec) if expected == version.to_string() => self.write(version + 1, spec),
            _ => Heard::Conflict,
        };
        let replica = &mut self.replicas[index];
        if number == replica.asked.len() {
            replica.answer = Some((number, heard));
        }
    }

    fn write(&mut self, version: u64, spec: LeaseSpec) -> Heard {
        self.lease = Some((version, spec.clone()));
        Heard::Written(version.to_string(), spec)
    }

    fn hear(&mut self, index: usize, number: usize, heard: Heard, now: u64) {
        let clock = self.clock(index, now);
        let replica = &mut self.replicas[index];
        let sent = replica.asked[number - 1].1;
        replica.machine.heard(heard, sent, clock);
        self.events.push(Reverse((now, Event::Act(index))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever the network does, and though their clocks run up to a tenth too fast or too slow.
    #[test]
    fn at_no_instant_do_two_replicas_believe_that_they_hold(
        rates in prop::collection::vec(0.9..1.1_f64, 2..4),
        fates in prop::collection::vec(fate(), 1..200),
    ) {
        let mut world = World::new(&rates, fates);
        world.run(600_000);
        for pair in world.held.windows(2) {
            prop_assert!(pair[0].1 < pair[1].1, "a token is given once, and tokens grow: {:?}", world.held);
        }
    }
}

#[test]
fn on_a_good_network_the_first_holds_and_keeps_it() {
    let mut world = World::new(&[1.0, 1.0, 1.0], Vec::new());
    world.run(600_000);
    assert_eq!(world.held.len(), 1, "{:?}", world.held);
    assert_eq!(world.held[0].1, 0);
}

#[test]
fn a_holder_that_dies_is_followed_within_twenty_seconds() {
    let mut world = World::new(&[1.0, 1.0], Vec::new());
    world.run(61_000);
    let first = world.held[0].0;
    world.events.retain(|Reverse((_, event))| !matches!(event, Event::Act(index) | Event::Carried(index, _) | Event::Answered(index, _) | Event::TimedOut(index, _) if *index == first));
    world.run(61_000 + 20_000);
    assert_eq!(world.held.len(), 2);
    assert_eq!(world.held[1], (1 - first, 1));
}
