//! git over HTTPS (`gitprotocol-http`, the smart protocol), by `reqwest` and `rustls`.
//!
//! Each request is judged by itself: its address by [`check_http`] and [`Access`](crate::access::Access), its credential by
//! the host to which it goes. Redirects are followed by hand, for the first request only, as git does.

use std::io::{self, Read};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use reqwest::blocking::{Body, Client, RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{StatusCode, Url};

use super::packet::Bounded;
use super::protocol::{AGENT, Connection, Request, Service};
use super::{GitError, Remote};
use crate::access::web::{self, authority, check_http, host_and_port, reason_of};
use crate::credentials::{Credential, Login, basic};

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 5;
/// The largest answer, in bytes.
const LARGEST_ANSWER: u64 = 2 << 30;
/// How long a server may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a server may say nothing. Some count objects for minutes before they answer.
const SILENCE: Duration = Duration::from_mins(3);
/// How long a conversation may take in all.
const WHOLE: Duration = Duration::from_mins(30);

/// A conversation over HTTPS.
pub(super) struct Https<'a> {
    remote: Remote<'a>,
    base: Url,
    service: Service,
    /// The client for the base's host, once it has answered.
    client: Option<Client>,
    end: Instant,
}

impl<'a> Https<'a> {
    pub(super) fn new(remote: Remote<'a>, url: &Url, service: Service) -> Self {
        let now = Instant::now();
        Self { remote, base: url.clone(), service, client: None, end: now.checked_add(WHOLE).unwrap_or(now) }
    }

    fn error(&self, reason: &str) -> GitError {
        GitError::Remote { url: self.remote.url.to_owned(), reason: reason.to_owned() }
    }

    /// What a library says, with all its causes, without addresses and secrets.
    fn failed(&self, error: reqwest::Error) -> GitError {
        self.error(&reason_of(&error.without_url()))
    }

    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// The credential for a host. That an estate names one which may not go there is an error: an answer without it would
    /// be another one.
    fn credential(&self, url: &Url) -> Result<Option<&'a Credential>, GitError> {
        let Some(name) = self.remote.credential else { return Ok(None) };
        let (host, port) = host_and_port(url);
        Ok(Some(self.remote.credentials.for_host(name, &authority(&host, port))?))
    }

    /// A client that speaks with the host of this address, and may.
    fn client_for(&self, url: &Url) -> Result<Client, GitError> {
        let (host, port) = host_and_port(url);
        if let Ok(ip) = host.parse::<IpAddr>() {
            self.remote.access.address(&host, ip, port)?; // not resolved, so the resolver does not see it
        } else {
            self.remote.access.resolve(&host, port)?; // for a clear error; the resolver below has the last word
        }
        let login = self.credential(url)?.map(|credential| &credential.login);
        let tls = web::tls(&self.remote.access.authorities, login).map_err(|reason| self.error(&reason))?;
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(self.remote.access.resolver(port))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(SILENCE);
        builder.build().map_err(|error| self.failed(error))
    }

    /// Sends a request with the credential for its host.
    fn send(&self, request: RequestBuilder, url: &Url) -> Result<Response, GitError> {
        let request = match self.credential(url)?.map(|credential| &credential.login) {
            None | Some(Login::ClientCertificate { .. }) => request,
            Some(Login::SshKey { .. }) => return Err(self.error("its credential is a key of SSH, which is of no use over HTTPS")),
            Some(Login::GithubApp { .. }) => return Err(self.error("its credential is a GitHub App, which must first be given a token; name a token")),
            Some(Login::Community(_) | Login::SnmpUser(_)) => return Err(self.error("its credential is one of SNMP, which is of no use over HTTPS")),
            Some(login) => {
                let value = HeaderValue::from_str(&format!("Basic {}", basic(login)));
                let mut value = value.map_err(|_| self.error("its credential cannot stand in a request"))?;
                value.set_sensitive(true); // libraries that log headers leave it out
                request.header(AUTHORIZATION, value)
            }
        };
        request.timeout(SILENCE.min(self.left())).send().map_err(|error| self.failed(error))
    }

    /// Where a redirect leads, if it may be followed.
    fn redirect(&self, from: &Url, response: &Response) -> Result<Url, GitError> {
        let refuse = |reason: &str| self.error(&format!("the server redirects, and {reason}"));
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok()).ok_or_else(|| refuse("does not say where"))?;
        let to = from.join(location).map_err(|_| refuse("where to is no address"))?;
        check_http(&to).map_err(&refuse)?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err(refuse("gives up encryption"));
        }
        // A credential that may not go there ends it here, before a connection is made.
        match self.credential(&to) {
            Err(GitError::Credential(error)) => Err(refuse(&format!("{error} (if the repository has moved, use its new address)"))),
            Err(error) => Err(error),
            Ok(_) => Ok(to),
        }
    }

    fn judge(&self, response: &Response, kind: &str) -> Result<(), GitError> {
        let status = response.status();
        if !status.is_success() {
            return Err(self.error(&format!("the server answers {}{}", status.as_u16(), self.hint(status))));
        }
        let expected = format!("application/x-{}-{kind}", self.service.name());
        let given = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if given.split(';').next().unwrap_or_default().trim() == expected {
            Ok(())
        } else {
            Err(self.error("there is no git repository that speaks the smart protocol"))
        }
    }

    fn hint(&self, status: StatusCode) -> String {
        let credential = match self.remote.credential {
            Some(name) => format!("the credential `{name}` was sent and not accepted"),
            None => "it wants a credential, and none is named".to_owned(),
        };
        match status {
            StatusCode::UNAUTHORIZED => format!(": {credential}"),
            StatusCode::FORBIDDEN => ": the account may not do that".to_owned(),
            StatusCode::NOT_FOUND if self.remote.credential.is_none() => ": there is no such repository, or it wants a credential".to_owned(),
            StatusCode::NOT_FOUND => ": there is no such repository, or the account may not see it".to_owned(),
            StatusCode::TOO_MANY_REQUESTS => ": too many requests; it will be tried again later".to_owned(),
            _ => String::new(),
        }
    }

    fn advertised(&self) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/info/refs", self.base.path().trim_end_matches('/')));
        url.set_query(Some(&format!("service={}", self.service.name())));
        url
    }

    /// The repository's address, from that of its advertisement.
    fn base_of(&self, url: &Url) -> Result<Url, GitError> {
        let mut base = url.clone();
        let path = url.path().strip_suffix("/info/refs").ok_or_else(|| self.error("the server redirects to something that is no git repository"))?;
        base.set_path(path);
        base.set_query(None);
        base.set_fragment(None);
        Ok(base)
    }
}

impl Connection for Https<'_> {
    fn advertise(&mut self) -> Result<Box<dyn Read + '_>, GitError> {
        let mut url = self.advertised();
        for _ in 0..=MOST_REDIRECTS {
            let client = self.client_for(&url)?;
            let response = self.send(client.get(url.clone()), &url)?;
            if response.status().is_redirection() {
                url = self.redirect(&url, &response)?;
                continue;
            }
            self.judge(&response, "advertisement")?;
            self.base = self.base_of(&url)?;
            self.client = Some(client);
            return Ok(Box::new(Bounded::new(response, LARGEST_ANSWER, self.left())));
        }
        Err(self.error(&format!("the server redirects more than {MOST_REDIRECTS} times")))
    }

    fn exchange(&mut self, request: Request) -> Result<Box<dyn Read + '_>, GitError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), self.service.name()));
        let client = match self.client.take() {
            Some(client) => client,
            None => self.client_for(&url)?,
        };
        let name = self.service.name();
        let length = request.length();
        let post = client
            .post(url.clone())
            .header(CONTENT_TYPE, format!("application/x-{name}-request"))
            .header(ACCEPT, format!("application/x-{name}-result"))
            .body(Body::sized(request.into_reader(), length));
        let response = self.send(post, &url)?;
        if response.status().is_redirection() {
            return Err(self.error("the server redirects in the middle of the conversation"));
        }
        self.judge(&response, "result")?;
        Ok(Box::new(Bounded::new(response, LARGEST_ANSWER, self.left())))
    }

    fn leave(&mut self) -> Result<(), GitError> {
        Ok(())
    }

    fn explain(&mut self, error: &io::Error) -> GitError {
        self.error(&error.to_string())
    }
}
