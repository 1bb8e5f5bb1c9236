//! One request over the wire, by `reqwest`, under rule 8: judged addresses, our own roots, no redirect, no proxy but a declared one.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use http::{Request, Response};
use reqwest::{Client, Url};

use crate::access::{Access, AccessError, web};
use crate::credentials::{Login, basic};

/// The largest answer that tells of an error, in bytes; what is past that is not read.
const LARGEST_REFUSAL: usize = 64 << 10;
/// How long a server may take to be connected to, at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next request. Servers close theirs after a minute or more; one that is closed while
/// a request is on its way leaves it uncertain.
const IDLE: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The address is not allowed.
    Refused(AccessError),
    /// It was never sent.
    NotConnected(String),
    /// It was sent, or part of it.
    Cut(String),
    /// It was sent, and the answer is too large.
    TooLarge,
}

/// Why there is no way to a host.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// The address is not allowed.
    Refused(AccessError),
    /// A setting is wrong. Never says a secret.
    Setting(String),
}

/// How one host is spoken to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    /// What the operator allows.
    pub access: &'a Access,
    /// The address; its host and port are all that counts.
    pub url: &'a Url,
    /// Whose client certificate is shown, where it is one.
    pub login: Option<&'a Login>,
    /// PEM of authorities that are trusted besides the system's and the operator's.
    pub authorities: &'a [u8],
    /// A proxy, and who asks it.
    pub proxy: Option<(&'a Url, Option<&'a Login>)>,
    /// How long one request may take.
    pub timeout: Duration,
    /// The largest answer, in bytes.
    pub largest: usize,
}

/// The client for one host.
#[derive(Debug)]
pub(crate) struct Carrier {
    client: Client,
    timeout: Duration,
    largest: usize,
}

impl Carrier {
    pub(crate) fn new(way: &Way<'_>) -> Result<Self, Unfit> {
        let (host, port) = web::host_and_port(way.url);
        if let Ok(ip) = host.parse::<IpAddr>() {
            way.access.address(&host, ip, port).map_err(Unfit::Refused)?; // not resolved, so the resolver does not see it
        }
        let tls = web::tls_with(&way.access.authorities, way.authorities, way.login).map_err(Unfit::Setting)?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("bowline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(way.timeout / 2))
            .pool_idle_timeout(IDLE);
        builder = match way.proxy {
            Some((proxy, login)) => {
                builder.proxy(through(way.access, &host, port, proxy, login)?).dns_resolver(way.access.resolver(web::host_and_port(proxy).1))
            }
            None => builder.dns_resolver(way.access.resolver(port)),
        };
        let client = builder.build().map_err(|error| Unfit::Setting(web::reason_of(&error.without_url())))?;
        Ok(Self { client, timeout: way.timeout, largest: way.largest })
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn carry(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Broken> {
        let request = reqwest::Request::try_from(request).map_err(|error| Broken::NotConnected(web::reason_of(&error.without_url())))?;
        let whole = async {
            let response = self.client.execute(request).await.map_err(broken)?;
            read(response, self.largest).await
        };
        let silent = || Broken::Cut(format!("no whole answer within {}", in_words(self.timeout)));
        tokio::time::timeout(self.timeout, whole).await.unwrap_or_else(|_| Err(silent()))
    }
}

/// The way by a proxy. It resolves the host's name itself, so what the operator allows must name the host.
fn through(access: &Access, host: &str, port: u16, proxy: &Url, login: Option<&Login>) -> Result<reqwest::Proxy, Unfit> {
    access.behind_proxy(host, port).map_err(Unfit::Refused)?;
    let (by, by_port) = web::host_and_port(proxy);
    if let Ok(ip) = by.parse::<IpAddr>() {
        access.address(&by, ip, by_port).map_err(Unfit::Refused)?;
    }
    let through = reqwest::Proxy::all(proxy.clone()).map_err(|error| Unfit::Setting(web::reason_of(&error.without_url())))?;
    let Some(login) = login else { return Ok(through) };
    let mut value = reqwest::header::HeaderValue::from_str(&format!("Basic {}", basic(login)))
        .map_err(|_| Unfit::Setting("the proxy's credential cannot be sent".into()))?;
    value.set_sensitive(true);
    Ok(through.custom_http_auth(value))
}

async fn read(mut response: reqwest::Response, largest: usize) -> Result<Response<Vec<u8>>, Broken> {
    let good = response.status().is_success();
    let most = if good { largest } else { LARGEST_REFUSAL };
    let mut bytes = Vec::new();
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            Err(_) if !good => break, // its status says enough
            Err(error) => return Err(broken(error)),
        };
        if bytes.len() + chunk.len() > most {
            if good {
                return Err(Broken::TooLarge);
            }
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    let mut answer = Response::new(bytes);
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

fn broken(error: reqwest::Error) -> Broken {
    let error = error.without_url();
    let mut cause = error.source();
    while let Some(next) = cause {
        if let Some(refusal) = next.downcast_ref::<AccessError>()
            && !matches!(refusal, AccessError::Unresolved { .. })
        {
            return Broken::Refused(refusal.clone());
        }
        cause = next.source();
    }
    let reason = web::reason_of(&error);
    if error.is_connect() || error.is_builder() { Broken::NotConnected(reason) } else { Broken::Cut(reason) }
}

fn in_words(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}
