//! What the loop and the listener tell each other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// What a delivery must be about to matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The repositories, `owner/name`: the forge's and the estate's own. None: whatever is signed matters.
    pub repositories: Vec<String>,
    /// The branch into which requests are merged; none: not known yet, so every branch but Bowline's own matters.
    pub base_branch: Option<String>,
}

/// How the loop is.
#[derive(Debug)]
struct Life {
    /// Until when it counts as alive.
    until: Instant,
    ready: bool,
    watched: Watched,
}

/// What the loop and the listener tell each other.
#[derive(Debug)]
pub struct Pulse {
    wanted: watch::Sender<u64>,
    life: Mutex<Life>,
}

impl Pulse {
    /// A loop that is about to begin, and counts as alive for so long.
    pub fn new(grace: Duration) -> Self {
        let life = Life { until: Instant::now() + grace, ready: false, watched: Watched::default() };
        Self { wanted: watch::Sender::new(0), life: Mutex::new(life) }
    }

    /// Asks for a pass. However often it is asked before one begins, one pass follows.
    pub fn ask(&self) {
        self.wanted.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Hears what is asked from now on.
    pub fn asked(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }

    /// The loop lives, and says so again within this time.
    pub fn lives_for(&self, time: Duration) {
        self.life().until = Instant::now() + time;
    }

    /// A pass went well.
    pub fn is_ready(&self) {
        self.life().ready = true;
    }

    /// What deliveries must be about from now on.
    pub fn watch(&self, watched: Watched) {
        self.life().watched = watched;
    }

    /// Whether the loop lives.
    pub fn alive(&self) -> bool {
        Instant::now() <= self.life().until
    }

    /// Whether a pass has gone well.
    pub fn ready(&self) -> bool {
        self.life().ready
    }

    /// What deliveries must be about.
    pub fn watched(&self) -> Watched {
        self.life().watched.clone()
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
