//! The line that says which sources are still being asked; only on a terminal, and gone when they have answered.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use bowline::api::Text;
use bowline::discovery::{Answer, run};
use indicatif::{ProgressBar, ProgressStyle};

/// Progress of discovery.
pub struct Progress {
    bar: ProgressBar,
    asked: Mutex<BTreeSet<String>>,
}

impl Progress {
    /// Starts with nothing asked.
    pub fn start() -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_style(ProgressStyle::with_template("{spinner} asking {msg} ({elapsed})").unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, asked: Mutex::default() }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn update(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        let Ok(mut asked) = self.asked.lock() else { return };
        change(&mut asked);
        self.bar.set_message(asked.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    }
}

impl run::Progress for Progress {
    fn started(&self, source: &Text) {
        self.update(|asked| {
            asked.insert(source.to_string());
        });
    }

    fn finished(&self, answer: &Answer) {
        self.update(|asked| {
            asked.remove(&*answer.source);
        });
    }
}
