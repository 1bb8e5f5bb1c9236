//! JSON APIs over HTTP, declared rather than programmed.
//!
//! ```text
//! check     what is wrong with the declaration            ┐
//! plan      lists, joins and limits, compiled             │
//! address   addresses, none of which leads to another host │ pure
//! paging    which page comes next, when a list has ended  │
//! judge     what an answer means, how long is waited      ┘
//! client    requests: deadline, pace, tries
//! list      page after page, or the chunks of a job
//! page      a page's items, mapped or laid beside others
//! ```
//!
//! A page at a time is held, mapped and dropped. Whatever is short, repeated, throttled past the source's time, not JSON or refused in part makes
//! the answer incomplete; what came before stays.

mod address;
pub(crate) mod check;
mod client;
pub(in crate::discovery) mod judge;
mod list;
mod page;
mod paging;
mod plan;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use reqwest::Url;
use tokio::time::Instant;

use super::blocks::Abandoned;
use super::mapping::{Mapper, Problem};
use super::reach::Reach;
use super::{Answer, Source};
use crate::access::web::carry::{Carrier, Unfit, Way};
use crate::access::web::kept::Kept;
use crate::access::web::{authority, host_and_port};
use crate::api::discovery_source::HttpSource as Spec;
use crate::api::{DiscoverySourceSpec, Text};
use crate::credentials::{Credential, Login, basic};

use client::Client;
use page::{Gathered, Joined, Mapped};
use plan::{Join, Limits, List};

/// Answers with their `ETag`, kept from pass to pass by a process that asks again and again.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<Mutex<Kept>>);

/// An API as a source.
pub struct HttpSource {
    name: Text,
    spec: Spec,
    base: Url,
    mapper: Arc<Mapper>,
    list: Arc<List>,
    joins: Vec<Arc<Join>>,
    reach: Reach,
    time: Duration,
}

impl HttpSource {
    /// A source that asks the API of `http`, with the `items` and `map` of `spec`, within `time`. An error says what is wrong with them.
    pub fn new(name: Text, http: &Spec, spec: &DiscoverySourceSpec, reach: Reach, time: Duration) -> Result<Self, String> {
        if let Some((at, reason)) = check::mistakes(http).into_iter().next() {
            return Err(format!("{at}: {reason}"));
        }
        let mapper = Mapper::compile(spec.items.as_ref(), spec.map.as_ref()).map_err(|problems| Problem::told(&problems))?;
        let joins = http.joins.iter().map(|join| Join::compile(join).map(Arc::new)).collect::<Result<_, _>>()?;
        let base = address::base(&http.url, http.plain_http)?;
        Ok(Self { name, base, mapper: Arc::new(mapper), list: Arc::new(List::compile(&http.list)?), joins, reach, time, spec: http.clone() })
    }

    /// Where it asks, for people.
    fn evidence(&self) -> Text {
        let path = self.spec.list.export.as_ref().map_or(&self.list.path, |export| &export.start);
        address::below(&self.base, path, &[]).map_or_else(|_| self.base.to_string(), |url| url.to_string()).into()
    }

    /// The way to the API, as whom it is asked.
    fn client(&self) -> Result<Client, String> {
        let limits = Limits::of(&self.spec.limits);
        let main = self.credential(self.spec.credentials.as_ref(), &self.base)?;
        let shown = self.credential(self.spec.client_certificate.as_ref(), &self.base)?;
        if shown.is_some_and(|credential| !matches!(credential.login, Login::ClientCertificate { .. })) {
            return Err("`clientCertificate` names a credential that is no client certificate".to_owned());
        }
        let headers = self.headers(main)?;
        let proxy = self.spec.proxy.as_ref().map(|proxy| address::proxy(proxy, self.spec.proxy_credentials.is_some())).transpose()?;
        let by = proxy.as_ref().map(|proxy| self.credential(self.spec.proxy_credentials.as_ref(), proxy)).transpose()?.flatten();
        let authorities = self.spec.ca.as_ref().map(|path| self.reach.authorities(path)).transpose()?.unwrap_or_default();
        let way = Way {
            access: &self.reach.access,
            url: &self.base,
            login: shown.or(main).map(|credential| &credential.login),
            authorities: &authorities,
            proxy: proxy.as_ref().map(|proxy| (proxy, by.map(|credential| &credential.login))),
            timeout: limits.request,
            largest: limits.answer,
        };
        let carrier = Carrier::new(&way).map_err(|unfit| match unfit {
            Unfit::Refused(error) => error.to_string(),
            Unfit::Setting(reason) => reason,
        })?;
        let mut client = Client::new(self.base.clone(), carrier, headers, limits, self.reach.credentials.redactor(), Instant::now() + self.time);
        client.kept = self.reach.answers.as_ref().map(|answers| (self.name.clone(), answers.0.clone()));
        Ok(client)
    }

    /// A credential for a host to which it is bound.
    fn credential(&self, name: Option<&Text>, url: &Url) -> Result<Option<&Credential>, String> {
        let Some(name) = name else { return Ok(None) };
        let (host, port) = host_and_port(url);
        self.reach.credentials.for_host(name, &authority(&host, port)).map(Some).map_err(|error| error.to_string())
    }

    /// What is sent with each request.
    fn headers(&self, credential: Option<&Credential>) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.spec.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        let Some(credential) = credential else { return Ok(headers) };
        let unusable = |reason: &str| format!("the credential `{}` {reason}", credential.name);
        let (user, secret) = match &credential.login {
            Login::Token { user, token } => (user.clone().unwrap_or_default(), token),
            Login::Password { user, password } => (user.clone(), password),
            Login::ClientCertificate { .. } if self.spec.authorization.is_none() => return Ok(headers),
            _ => return Err(unusable("has nothing that a header carries: it must be a token, or an account and a password")),
        };
        let (name, text) = match (&self.spec.authorization, &credential.login) {
            (Some(how), _) => (how.header.as_deref().unwrap_or("Authorization"), how.value.replace("{user}", &user).replace("{secret}", secret.expose())),
            (None, Login::Password { .. }) => (AUTHORIZATION.as_str(), format!("Basic {}", basic(&credential.login))),
            (None, _) => (AUTHORIZATION.as_str(), format!("Bearer {}", secret.expose())),
        };
        let name: HeaderName = name.parse().map_err(|_| unusable("cannot be sent: `authorization.header` is no header"))?;
        let mut value = HeaderValue::from_str(&text).map_err(|_| unusable("cannot be sent in a header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(headers)
    }

    /// Reads the joins to their end, or says why that cannot be.
    async fn joined(&self, client: &Client) -> Result<Vec<(Arc<Join>, Joined)>, Vec<String>> {
        let mut all = Vec::with_capacity(self.joins.len());
        for join in &self.joins {
            let (gathered, faults) = list::read(client, &join.list, Gathered::new(join.clone())).await;
            match gathered {
                Some(gathered) if faults.is_empty() => all.push((join.clone(), gathered.joined)),
                _ => {
                    let told = |fault: &String| format!("join `{}`: {fault}; no item was read, since without these they would look changed", join.name);
                    return Err(faults.iter().map(told).collect());
                }
            }
        }
        Ok(all)
    }

    async fn read(&self, stop: &Arc<AtomicBool>) -> Result<Mapped, Vec<String>> {
        let client = self.client().map_err(|reason| vec![reason])?;
        let joined = self.joined(&client).await?;
        let sink = Mapped::new(self.mapper.clone(), joined, stop.clone());
        let (mapped, faults) = list::read(&client, &self.list, sink).await;
        let Some(mut mapped) = mapped else { return Err(faults) };
        // What ended the reading is told before single items.
        mapped.found.precede(faults);
        if mapped.twice > 0 {
            let moved = "the list moved while it was read, so others may be missing; page by key if the API can";
            let items = if mapped.twice == 1 { "item" } else { "items" };
            mapped.found.precede(vec![format!("{} {items} came on two pages: {moved}", mapped.twice)]);
        }
        Ok(mapped)
    }
}

#[async_trait]
impl Source for HttpSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let answer = Answer { source: self.name.clone(), at: now, evidence: self.evidence(), ..Answer::default() };
        // Where the one who asks no longer waits, the mapping ends at the next block.
        let abandoned = Abandoned::default();
        match self.read(&abandoned.0).await {
            Ok(mut mapped) => {
                mapped.found.items.shrink_to_fit();
                let error = mapped.found.told();
                Answer { complete: error.is_none(), error, items: mapped.found.items, ..answer }
            }
            Err(reasons) => Answer { complete: false, error: Some(reasons.join("; ").into()), ..answer },
        }
    }
}
