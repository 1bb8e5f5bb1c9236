//! The source `snmp`: devices of a network, each asked for what it is.
//!
//! ```text
//! check       what is wrong with the declaration; targets, tables, limits   pure
//! client      one device: who asks, requests, columns within bounds
//! walk        a column answer by answer, and agents that loop                pure
//! objects     what is asked for, and what came                               pure
//! map         an observation of it                                           pure (interfaces, entities, neighbors, vendors: its parts)
//! ```
//!
//! A device is in the answer whole or not at all: one that falls silent between two tables would seem to have lost what stands in the
//! second. It is named, the answer is incomplete, and the other devices stay.

pub(crate) mod check;
mod client;
mod entities;
mod interfaces;
mod map;
mod neighbors;
mod objects;
mod vendors;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_snmp::Auth;
use async_trait::async_trait;
use jiff::Timestamp;

use super::places::{self, Patience, Problems};
use super::reach::Reach;
use super::tls::Endpoint;
use super::{Answer, Source};
use crate::access::Access;
use crate::access::web::one_line;
use crate::api::Text;
use crate::api::discovery_source::SnmpSource as Spec;
use crate::credentials::Credentials;
use check::Limits;
use map::key_of;
use neighbors::Found;

/// How many devices are asked at once.
const AT_ONCE: usize = 16;
/// How many addresses of a name are tried.
const ADDRESSES: usize = 4;

/// Devices of a network.
pub struct SnmpSource {
    name: Text,
    spec: Arc<Spec>,
    targets: Vec<Endpoint>,
    limits: Limits,
    access: Arc<Access>,
    credentials: Arc<Credentials>,
    time: Duration,
}

impl SnmpSource {
    /// A source that asks the devices of `spec` within `time`. An error says what is wrong with them.
    pub fn new(name: Text, spec: Spec, reach: &Reach, time: Duration) -> Result<Self, String> {
        if let Some((at, reason)) = check::mistakes(&spec).into_iter().next() {
            return Err(format!("{at}: {reason}"));
        }
        let (targets, limits) = (check::targets(&spec), Limits::of(&spec.limits));
        Ok(Self { name, spec: Arc::new(spec), targets, limits, access: reach.access.clone(), credentials: reach.credentials.clone(), time })
    }

    /// As whom the devices are asked to which the credential may go; what stands in the way of the others, by device.
    async fn logins(&self) -> Result<Logins, String> {
        let credentials = self.targets.iter().map(|target| (target.clone(), self.credentials.for_host(&self.spec.credentials, &target.to_string())));
        let (allowed, refused): (Vec<_>, Vec<_>) = credentials.partition(|(_, credential)| credential.is_ok());
        let refused = refused.into_iter().filter_map(|(target, credential)| Some((target, credential.err()?.to_string()))).collect();
        let Some(credential) = allowed.into_iter().find_map(|(_, credential)| credential.ok()).cloned() else { return Ok(Logins { auth: None, refused }) };
        let auth = tokio::task::spawn_blocking(move || client::login(&credential)).await.map_err(|_| "making its keys was broken off".to_owned())??;
        Ok(Logins { auth: Some(auth), refused })
    }

    async fn ask(&self, logins: Logins) -> BTreeMap<Endpoint, Result<Found, String>> {
        let Logins { auth, refused } = logins;
        let mut answers: BTreeMap<Endpoint, Result<Found, String>> = refused.into_iter().map(|(target, reason)| (target, Err(reason))).collect();
        let Some(auth) = auth.map(Arc::new) else { return answers };
        let rest: Vec<Endpoint> = self.targets.iter().filter(|target| !answers.contains_key(target)).cloned().collect();
        let patience = Patience { at_once: AT_ONCE, each: self.limits.target, all: self.time };
        let how = |target: Endpoint| {
            let (auth, access, spec, limits) = (auth.clone(), self.access.clone(), self.spec.clone(), self.limits);
            async move { device(&target, &access, &auth, &spec, &limits).await }
        };
        answers.extend(places::ask(rest, "devices", patience, how).await);
        answers
    }
}

/// As whom devices are asked.
struct Logins {
    auth: Option<Auth>,
    refused: HashMap<Endpoint, String>,
}

/// Asks one device, at an address that may be reached and no other.
async fn device(target: &Endpoint, access: &Access, auth: &Auth, spec: &Spec, limits: &Limits) -> Result<Found, String> {
    let mut addresses = access.resolve_async(&target.host, target.port).await.map_err(|error| error.to_string())?;
    addresses.truncate(ADDRESSES);
    let (address, facts) = client::look(&addresses, auth, limits, &check::tables(spec)).await?;
    Ok(map::found(target, address.ip(), &facts, spec))
}

#[async_trait]
impl Source for SnmpSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let evidence = format!("{} devices by SNMP", self.targets.len()).into();
        let answer = Answer { source: self.name.clone(), at: now, evidence, ..Answer::default() };
        let logins = match self.logins().await {
            Ok(logins) => logins,
            Err(reason) => return Answer { error: Some(reason.into()), ..answer },
        };
        let (mut problems, mut found) = (Problems::default(), Vec::new());
        let redactor = self.credentials.redactor();
        for (target, device) in self.ask(logins).await {
            match device {
                Ok(device) => found.push(device),
                Err(reason) => problems.gap(format!("{}: {}", key_of(&target), one_line(&redactor.redact(&reason)))),
            }
        }
        Answer { complete: !problems.gap, error: problems.text(), items: neighbors::resolve(found), ..answer }
    }
}
