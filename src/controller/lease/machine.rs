//! One replica and one Lease: which request comes next, and what its answer means. Pure; [`super::claim`] carries the requests.

use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;

use super::decide::{Mine, Move, Seen, Terms, decide, given_back, holder, taken, transitions};

/// A request to the API server, or none for now.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Read the Lease.
    Read,
    /// Make it; another may have been faster.
    Create(LeaseSpec),
    /// Replace it if it is still this version.
    Replace(String, LeaseSpec),
    /// Nothing until then.
    Sleep(Instant),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// It was read: its version and content; none: there is none.
    Read(Option<(String, LeaseSpec)>),
    /// It was written, and has this version now.
    Written(String, LeaseSpec),
    /// Somebody else was faster, or it is gone.
    Conflict,
    /// There is no answer; it may have been carried out or not.
    Failed,
}

/// One replica and one Lease.
#[derive(Clone, Debug)]
pub struct Machine {
    me: String,
    terms: Terms,
    seen: Option<Seen>,
    version: Option<String>,
    mine: Option<Mine>,
    /// What was seen may be old: read it before anything is written.
    doubtful: bool,
    looked: Option<Instant>,
    not_before: Option<Instant>,
    /// The highest count of transitions that was ever seen.
    highest: i32,
}

impl Machine {
    /// One that has seen nothing. `me` must be the name of no other process that ever was.
    pub fn new(me: &str, terms: Terms) -> Self {
        Self { me: me.to_owned(), terms, seen: None, version: None, mine: None, doubtful: false, looked: None, not_before: None, highest: -1 }
    }

    /// What it believes to hold at this instant.
    pub fn believes(&self, now: Instant) -> Option<Mine> {
        self.mine.filter(|mine| now < mine.renewed + self.terms.give_up)
    }

    /// Who holds it by what was seen last, if anybody does.
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref().and_then(|seen| seen.spec.as_ref()).and_then(holder)
    }

    /// What comes next.
    pub fn next(&mut self, now: Instant, wall: Timestamp) -> Step {
        if self.believes(now).is_none() {
            self.mine = None;
        }
        if let Some(pause) = self.not_before.filter(|until| now < *until) {
            return Step::Sleep(pause);
        }
        let Some(seen) = self.seen.as_ref().filter(|_| !self.doubtful) else { return Step::Read };
        match decide(seen, self.mine, &self.me, now, &self.terms) {
            Move::Acquire => self.write(self.highest.saturating_add(1), wall),
            Move::Renew => {
                let due = self.mine.map_or(now, |mine| mine.renewed + self.terms.renew_every);
                if now >= due { self.renew(now, wall) } else { Step::Sleep(due) }
            }
            Move::Wait(until) => {
                let look = self.looked.map_or(now, |looked| looked + self.terms.look_every);
                if now >= look { Step::Read } else { Step::Sleep(until.min(look)) }
            }
            Move::Lost => {
                self.mine = None;
                Step::Read
            }
        }
    }

    /// A renewal now, due or not; a read where what was seen is in doubt. Not to be asked of one that believes nothing.
    pub fn renew(&self, now: Instant, wall: Timestamp) -> Step {
        match self.believes(now) {
            Some(mine) if !self.doubtful => self.write(mine.token, wall),
            _ => Step::Read,
        }
    }

    /// Giving it back; none: it is not held.
    pub fn give_back(&self, now: Instant, wall: Timestamp) -> Option<Step> {
        self.believes(now)?;
        let (Some(version), Some(spec), false) = (&self.version, self.seen.as_ref().and_then(|seen| seen.spec.as_ref()), self.doubtful) else {
            return Some(Step::Read);
        };
        Some(Step::Replace(version.clone(), given_back(spec, wall)))
    }

    fn write(&self, token: i32, wall: Timestamp) -> Step {
        let spec = self.seen.as_ref().and_then(|seen| seen.spec.as_ref());
        let taken = taken(spec, token, &self.me, wall, &self.terms);
        match (&self.version, spec) {
            (Some(version), Some(_)) => Step::Replace(version.clone(), taken),
            _ => Step::Create(taken),
        }
    }

    /// Takes note of what became of a request that was sent at `sent` and answered `now`.
    pub fn heard(&mut self, heard: Heard, sent: Instant, now: Instant) {
        self.not_before = None;
        match heard {
            Heard::Read(read) => {
                (self.doubtful, self.looked) = (false, Some(now));
                self.saw(read, now);
                let lost = self.seen.as_ref().is_some_and(|seen| decide(seen, self.mine, &self.me, now, &self.terms) == Move::Lost);
                if lost {
                    self.mine = None;
                }
            }
            Heard::Written(version, spec) => {
                let own = holder(&spec) == Some(&self.me);
                self.mine = own.then(|| Mine { token: transitions(&spec), renewed: sent });
                self.doubtful = false;
                self.saw(Some((version, spec)), now);
            }
            Heard::Conflict => self.doubtful = true,
            Heard::Failed => {
                self.doubtful = true;
                let pause = if self.believes(now).is_some() { self.terms.retry } else { self.terms.look_every };
                self.not_before = Some(now + pause);
            }
        }
    }

    fn saw(&mut self, read: Option<(String, LeaseSpec)>, now: Instant) {
        let (version, spec) = read.unzip();
        if let Some(spec) = &spec {
            self.highest = self.highest.max(transitions(spec));
        }
        let before = self.seen.as_ref();
        if before.is_none() || version != self.version {
            let deleted = spec.is_none() && before.is_some_and(|before| before.deleted || before.spec.as_ref().and_then(holder).is_some());
            self.seen = Some(Seen { spec, since: now, deleted });
            self.version = version;
        }
    }
}

#[cfg(test)]
mod tests;
