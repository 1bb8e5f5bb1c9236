//! The loop: one pass after the other, none of which can end it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::pulse::Pulse;
use super::schedule::{Ended, Passed, Schedule};
use crate::chance::chance;

/// How many intervals may go by before the loop no longer counts as alive.
const PATIENCE: u32 = 3;

/// How the loop behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// The interval until an estate was read.
    pub interval: Duration,
    /// The longest that a pass that was asked for waits for more to be asked; chance says how long.
    pub gather: Duration,
    /// How long a pass may go on once the loop is to stop.
    pub parting: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        Self { interval: Duration::from_mins(5), gather: Duration::from_secs(2), parting: Duration::from_secs(8) }
    }
}

/// Passes at once, then each interval and whenever `pulse` is asked, until `stop` turns true. A pass that panics counts as
/// failed. When it is to stop, the pass in hand has `manners.parting` to come to an end, then it is dropped: every step of
/// it can be cut short anywhere.
pub async fn for_ever<F>(mut pass: impl FnMut() -> F, pulse: &Pulse, manners: &Manners, mut stop: watch::Receiver<bool>)
where
    F: Future<Output = Passed> + Send + 'static,
{
    let mut schedule = Schedule::new(manners.interval);
    let mut asked = pulse.asked();
    loop {
        if *stop.borrow_and_update() {
            return;
        }
        // Whoever asks from here on may have seen what this pass does not see any more.
        asked.borrow_and_update();
        pulse.lives_for(schedule.interval() * PATIENCE);
        let begun = Instant::now();
        let Some(passed) = hand_in_hand(tokio::spawn(pass()), manners, &mut stop).await else { return };
        let passed = passed.unwrap_or(Passed { ended: Ended::Badly { until: None }, took: begun.elapsed(), interval: None });
        if passed.ended == Ended::Well {
            pulse.is_ready();
        }
        let pause = schedule.after(&passed, Timestamp::now(), chance());
        pulse.lives_for(pause.wait + schedule.interval() * PATIENCE);
        let over = Instant::now();
        tokio::select! {
            () = sleep(pause.wait) => {}
            _ = asked.changed() => {
                // Many webhooks of one moment are one pass.
                let gathered = Instant::now() + manners.gather.mul_f64(chance());
                tokio::select! {
                    () = sleep_until(gathered.max(over + pause.at_least)) => {}
                    () = stopped(&mut stop) => return,
                }
            }
            () = stopped(&mut stop) => return,
        }
    }
}

/// Waits for a pass; none: the loop is to stop. An error is a pass that panicked.
async fn hand_in_hand(mut pass: JoinHandle<Passed>, manners: &Manners, stop: &mut watch::Receiver<bool>) -> Option<Result<Passed, tokio::task::JoinError>> {
    tokio::select! {
        passed = &mut pass => Some(passed),
        () = stopped(stop) => {
            if timeout(manners.parting, &mut pass).await.is_err() {
                pass.abort();
            }
            None
        }
    }
}

/// Waits until it is to stop; for ever, if nobody can say so any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Loop {
        pulse: Arc<Pulse>,
        passes: Arc<AtomicU32>,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    impl Loop {
        /// A loop whose passes take so long, and panic or not.
        fn start(took: Duration, panics: bool) -> Self {
            let (pulse, passes, (stop, stopping)) = (Arc::new(Pulse::new(Duration::from_mins(1))), Arc::new(AtomicU32::new(0)), watch::channel(false));
            let manners = Manners { gather: Duration::from_millis(100), parting: Duration::from_millis(300), ..Manners::default() };
            let (heard, counted) = (pulse.clone(), passes.clone());
            let task = tokio::spawn(async move {
                let pass = || {
                    let counted = counted.clone();
                    async move {
                        counted.fetch_add(1, Ordering::SeqCst);
                        sleep(took).await;
                        assert!(!panics, "a pass that panics, as this test wants it to");
                        Passed { ended: Ended::Well, took, interval: None }
                    }
                };
                for_ever(pass, &heard, &manners, stopping).await;
            });
            Self { pulse, passes, stop, task }
        }

        async fn passes_after(&self, wait: u64) -> u32 {
            sleep(Duration::from_millis(wait)).await;
            self.passes.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_thousand_asks_are_one_pass() {
        let running = Loop::start(Duration::ZERO, false);
        assert_eq!(running.passes_after(100).await, 1, "one at the start");
        (0..1000).for_each(|_| running.pulse.ask());
        assert_eq!(running.passes_after(500).await, 2);
    }

    #[tokio::test]
    async fn asks_during_a_pass_are_one_more() {
        let running = Loop::start(Duration::from_millis(300), false);
        assert_eq!(running.passes_after(100).await, 1);
        (0..1000).for_each(|_| running.pulse.ask());
        assert_eq!(running.passes_after(1200).await, 2);
    }

    #[tokio::test]
    async fn a_pass_that_panics_does_not_end_the_loop_and_is_no_good_one() {
        let running = Loop::start(Duration::ZERO, true);
        running.passes_after(100).await;
        running.pulse.ask();
        assert_eq!(running.passes_after(500).await, 2);
        assert!(running.pulse.alive() && !running.pulse.ready());
    }

    #[tokio::test]
    async fn a_pass_in_hand_is_finished_before_the_loop_stops() {
        let running = Loop::start(Duration::from_millis(200), false);
        running.passes_after(50).await;
        running.stop.send(true).unwrap();
        let begun = Instant::now();
        running.task.await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(100) && begun.elapsed() < Duration::from_millis(290), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_pass_that_does_not_end_is_dropped() {
        let running = Loop::start(Duration::from_mins(10), false);
        running.passes_after(50).await;
        running.stop.send(true).unwrap();
        let begun = Instant::now();
        running.task.await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}
