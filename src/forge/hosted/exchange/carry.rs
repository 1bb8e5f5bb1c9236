//! One request over the wire, by `reqwest`, under rule 8: judged addresses, our own roots, no redirect, no proxy.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use http::{Request, Response};
use reqwest::{Client, Url};

use crate::access::{Access, AccessError, web};
use crate::credentials::Login;
use crate::forge::Error;
use crate::forge::hosted::Fault;

/// The largest answer, in bytes.
pub(super) const LARGEST_ANSWER: usize = 32 << 20;
/// The largest answer that tells of an error, in bytes; what is past that is not read.
const LARGEST_REFUSAL: usize = 64 << 10;
/// How long a server may take to be connected to, at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next request. Servers close theirs after a minute or more; one that is closed while
/// a request is on its way leaves it uncertain.
const IDLE: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The address is not allowed.
    Refused(AccessError),
    /// It was never sent.
    NotConnected(String),
    /// It was sent, or part of it.
    Cut(String),
    /// It was sent, and the answer is too large.
    TooLarge,
}

/// The client for one host.
#[derive(Debug)]
pub(super) struct Carrier {
    client: Client,
    timeout: Duration,
}

impl Carrier {
    pub(super) fn new(access: &Access, login: Option<&Login>, url: &Url, timeout: Duration) -> Result<Self, Error> {
        let refuse = |reason: String| Fault::Setting { what: "address", text: url.to_string(), reason };
        let (host, port) = web::host_and_port(url);
        if let Ok(ip) = host.parse::<IpAddr>() {
            access.address(&host, ip, port)?; // not resolved, so the resolver does not see it
        }
        let client = Client::builder()
            .tls_backend_preconfigured(web::tls(&access.authorities, login).map_err(refuse)?)
            .dns_resolver(access.resolver(port))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("bowline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(timeout / 2))
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|error| refuse(web::reason_of(&error.without_url())))?;
        Ok(Self { client, timeout })
    }

    /// Sends a request and reads its whole answer.
    pub(super) async fn carry(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Broken> {
        let request = reqwest::Request::try_from(request).map_err(|error| Broken::NotConnected(web::reason_of(&error.without_url())))?;
        let whole = async {
            let response = self.client.execute(request).await.map_err(broken)?;
            read(response).await
        };
        let silent = || Broken::Cut(format!("no whole answer within {}", in_words(self.timeout)));
        tokio::time::timeout(self.timeout, whole).await.unwrap_or_else(|_| Err(silent()))
    }
}

async fn read(mut response: reqwest::Response) -> Result<Response<Vec<u8>>, Broken> {
    let good = response.status().is_success();
    let most = if good { LARGEST_ANSWER } else { LARGEST_REFUSAL };
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
