//! Scans by nmap, as it writes them with `-oX`.
//!
//! ```text
//! read   event by event, in bounds: hosts, and how the scan ended
//! host   pure: what a host is as an item, and its services
//! ```
//!
//! A scan tells everything only if it says itself that it ended well. One that was broken off, a host that took too long, a target that was left out:
//! each makes the answer incomplete and is named in it; what was read stays. A target whose name did not resolve is nowhere in the file.

mod host;
mod read;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::blocks::{Abandoned, Found};
use super::file::Files;
use super::{Answer, Source};
use crate::api::Text;
use crate::api::discovery_source::NmapSource as Spec;

use host::Manner;

/// The class of hosts where the source does not say.
const HOST: &str = "server";

/// A scan as a source.
pub struct NmapSource {
    name: Text,
    path: Text,
    manner: Manner,
    files: Arc<dyn Files>,
}

impl NmapSource {
    /// A source that reads the file of `spec`.
    pub fn new(name: Text, spec: &Spec, files: Arc<dyn Files>) -> Self {
        let manner = Manner { class: spec.class.clone().unwrap_or_else(|| HOST.into()), services: spec.services };
        Self { name, path: spec.path.clone(), manner, files }
    }
}

#[async_trait]
impl Source for NmapSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        // Where the one who asks no longer waits, the reading ends at the next element.
        let abandoned = Abandoned::default();
        let (path, manner, files, stop) = (self.path.clone(), self.manner.clone(), self.files.clone(), abandoned.0.clone());
        let reading = tokio::task::spawn_blocking(move || match files.open(&path) {
            Ok(file) => read::read(file, &manner, &stop),
            Err(error) => Found::fault(error),
        });
        let defect = || Found::fault(format!("reading `{}` failed because of a defect in Bowline; please report it", self.path));
        let found = reading.await.unwrap_or_else(|_| defect());
        let error = found.told();
        Answer { source: self.name.clone(), at: now, complete: error.is_none(), error, evidence: self.path.clone(), items: found.items }
    }
}
