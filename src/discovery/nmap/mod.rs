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
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use jiff::Timestamp;

use super::blocks::{self, Found};
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
        let (path, manner, files) = (self.path.clone(), self.manner.clone(), self.files.clone());
        let read = move |stop: &AtomicBool| Ok(read::read(files.open(&path)?, &manner, stop));
        let found = blocks::reading(&format!("`{}`", self.path), read).await.flatten().unwrap_or_else(Found::fault);
        let error = found.told();
        Answer { source: self.name.clone(), at: now, complete: error.is_none(), error, evidence: self.path.clone(), items: found.items }
    }
}
