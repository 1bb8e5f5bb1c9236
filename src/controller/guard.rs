//! A forge between two steps of which the loop can be stopped, whose writes a lost Lease refuses and cuts, and that remembers
//! what went wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::api::Text;
use crate::change::Change;
use crate::forge::hosted::Fault;
use crate::forge::{Approval, Dashboard, Error, Forge, Listing, Note, Pass, Person, Request, Why};

/// The worst that a forge said in a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Whether an error concerned every request.
    pub concerns_all: bool,
    /// Until when the forge takes no requests.
    pub until: Option<Timestamp>,
}

impl Trouble {
    /// What an error means for the passes to come.
    pub fn of(error: &Error) -> Self {
        let until = match error {
            Error::Hosted(Fault::Limited { until, .. }) => Some(*until),
            _ => None,
        };
        Self { concerns_all: error.concerns_all(), until }
    }

    fn add(&mut self, other: Self) {
        self.concerns_all |= other.concerns_all;
        self.until = self.until.max(other.until);
    }
}

/// That an estate is no longer this process's to write for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotHeld {
    /// The Lease, as `namespace/name`.
    pub lease: String,
    /// Who holds it now, where that is known and another.
    pub holder: Option<String>,
}

impl From<NotHeld> for Error {
    fn from(NotHeld { lease, holder }: NotHeld) -> Self {
        Self::NotHeld { lease, holder }
    }
}

/// What stands between a pass and what it writes, where several processes could write.
#[async_trait]
pub trait Fence: Send + Sync {
    /// Whether a write may begin now. Asks those who know, not only this process's memory.
    async fn check(&self) -> Result<(), NotHeld>;

    /// Comes to an end when writing must stop, also in the middle.
    async fn lost(&self);
}

/// A forge whose steps are refused once the loop is to stop. A step that has begun is finished, unless the fence is lost.
pub struct Guard<'a> {
    forge: &'a dyn Forge,
    stop: watch::Receiver<bool>,
    fence: Option<&'a dyn Fence>,
    trouble: Mutex<Trouble>,
    urls: Mutex<BTreeMap<Text, String>>,
}

impl<'a> Guard<'a> {
    /// Guards a forge; it is to stop when `stop` turns true.
    pub fn new(forge: &'a dyn Forge, stop: watch::Receiver<bool>) -> Self {
        Self { forge, stop, fence: None, trouble: Mutex::default(), urls: Mutex::default() }
    }

    /// The same, where each step that writes is refused or cut short with [`Error::NotHeld`] once the fence says so. Reads need
    /// none.
    pub fn fenced(forge: &'a dyn Forge, stop: watch::Receiver<bool>, fence: &'a dyn Fence) -> Self {
        Self { fence: Some(fence), ..Self::new(forge, stop) }
    }

    /// The worst so far.
    pub fn trouble(&self) -> Trouble {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where people see the requests, by key, as they were listed last.
    pub fn urls(&self) -> BTreeMap<Text, String> {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn goes_on(&self) -> Result<(), Error> {
        if *self.stop.borrow() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// One step that writes. It can be cut short anywhere; what it had sent by then has come to an end before another begins.
    async fn write<T>(&self, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(fence) = self.fence else { return self.heard(step.await) };
        if let Err(not_held) = fence.check().await {
            return self.heard(Err(not_held.into()));
        }
        tokio::select! {
            biased;
            result = step => self.heard(result),
            () = fence.lost() => self.heard(Err(lost(fence).await.into())),
        }
    }

    fn heard<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result {
            self.trouble.lock().unwrap_or_else(PoisonError::into_inner).add(Trouble::of(error));
        }
        result
    }
}

/// To whom it was lost.
async fn lost(fence: &dyn Fence) -> NotHeld {
    fence.check().await.err().unwrap_or_else(|| NotHeld { lease: String::new(), holder: None })
}

#[async_trait]
impl Forge for Guard<'_> {
    async fn recover(&self, pass: Pass<'_>) -> Result<(), Error> {
        self.goes_on()?;
        self.write(self.forge.recover(pass)).await
    }

    async fn list(&self, pass: Pass<'_>) -> Result<Listing, Error> {
        self.goes_on()?;
        let listing = self.heard(self.forge.list(pass).await)?;
        let urls = listing.requests.iter().filter_map(|request| Some((request.key().clone(), request.url.clone()?))).collect();
        *self.urls.lock().unwrap_or_else(PoisonError::into_inner) = urls;
        Ok(listing)
    }

    async fn conflicts(&self, request: &Request, pass: Pass<'_>) -> Result<bool, Error> {
        self.goes_on()?;
        self.heard(self.forge.conflicts(request, pass).await)
    }

    async fn open(&self, change: &Change, pass: Pass<'_>) -> Result<(), Error> {
        self.goes_on()?;
        self.write(self.forge.open(change, pass)).await
    }

    async fn finish(&self, request: &Request, change: &Change, pass: Pass<'_>) -> Result<(), Error> {
        self.goes_on()?;
        self.write(self.forge.finish(request, change, pass)).await
    }

    async fn rewrite(&self, request: &Request, change: &Change, why: Why, pass: Pass<'_>) -> Result<(), Error> {
        self.goes_on()?;
        self.write(self.forge.rewrite(request, change, why, pass)).await
    }

    async fn close(&self, request: &Request, reason: &str, pass: Pass<'_>) -> Result<(), Error> {
        self.goes_on()?;
        self.write(self.forge.close(request, reason, pass)).await
    }

    async fn note(&self, request: &Request, note: Note, text: &str, pass: Pass<'_>) -> Result<(), Error> {
        self.goes_on()?;
        self.write(self.forge.note(request, note, text, pass)).await
    }

    async fn approve(&self, key: &str, who: Option<&Person>, now: Timestamp) -> Result<Approval, Error> {
        self.write(self.forge.approve(key, who, now)).await
    }

    async fn reject(&self, key: &str, who: Option<&Person>, reason: Option<&str>, now: Timestamp) -> Result<(), Error> {
        self.write(self.forge.reject(key, who, reason, now)).await
    }

    async fn patch(&self, request: &Request) -> Result<String, Error> {
        self.heard(self.forge.patch(request).await)
    }

    async fn dashboard(&self) -> Result<Option<Dashboard>, Error> {
        self.goes_on()?;
        self.heard(self.forge.dashboard().await)
    }

    async fn write_dashboard(&self, standing: Option<&Dashboard>, body: &str) -> Result<(), Error> {
        self.goes_on()?;
        self.write(self.forge.write_dashboard(standing, body)).await
    }
}
