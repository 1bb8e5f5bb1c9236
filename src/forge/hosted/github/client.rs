//! octocrab over our own exchange: it knows GitHub's addresses, its headers and the tokens of Apps; the exchange knows time,
//! limits and what may be repeated.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::header::ACCEPT;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use octocrab::auth::{AppAuth, EncodingKey};
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::{AuthState, CachedToken, OctoBody, Octocrab, OctocrabBuilder};
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::Service;

use crate::credentials::Login;
use crate::forge::Error;
use crate::forge::hosted::exchange::{self, Exchange, Quota, Repeat};
use crate::forge::hosted::{Fault, Place};

/// For people.
pub(super) const NAME: &str = "GitHub";
/// Where the public GitHub answers.
const PUBLIC: &str = "https://api.github.com";
const JSON: &str = "application/vnd.github+json";
/// The version of the API that is spoken.
const VERSION: (&str, &str) = ("x-github-api-version", "2022-11-28");
/// How many pages of a list are read, of 100 entries each.
const MOST_PAGES: usize = 100;

/// One question to GitHub.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a> {
    pub method: Method,
    /// The parts of the path below the API's address.
    pub path: Vec<&'a str>,
    pub query: Vec<(&'a str, &'a str)>,
    pub body: Option<Value>,
    pub accept: &'static str,
    pub repeat: Repeat,
}

impl<'a> Ask<'a> {
    pub(super) fn get(path: Vec<&'a str>) -> Self {
        Self { method: Method::GET, path, query: Vec::new(), body: None, accept: JSON, repeat: Repeat::Read }
    }

    pub(super) fn with(method: Method, path: Vec<&'a str>, body: Value, repeat: Repeat) -> Self {
        Self { method, path, query: Vec::new(), body: Some(body), accept: JSON, repeat }
    }
}

/// The way to one GitHub.
#[derive(Debug)]
pub(super) struct Client {
    exchange: Arc<Exchange>,
    base: Url,
    auth: AuthState,
    /// The credential's name.
    credential: String,
    /// Made at the first question: it needs a runtime.
    octocrab: OnceLock<Octocrab>,
}

impl Client {
    pub(super) fn new(place: &Place<'_>) -> Result<Self, Error> {
        let text = place.url.unwrap_or(PUBLIC);
        let refuse = |reason: String| Fault::Setting { what: "address", text: crate::credentials::redact_url(text), reason };
        let mut base = Url::parse(text).map_err(|error| refuse(error.to_string()))?;
        if matches!(base.host_str(), Some("github.com" | "www.github.com")) {
            base = Url::parse(PUBLIC).map_err(|error| refuse(error.to_string()))?; // its pages; the API is beside them
        }
        let exchange = Arc::new(Exchange::new(NAME, place, &base)?);
        let auth = auth(place, exchange::login(place, &base)?)?;
        Ok(Self { exchange, base, auth, credential: place.credential.unwrap_or_default().to_owned(), octocrab: OnceLock::new() })
    }

    /// Whether Bowline speaks as an App.
    pub(super) fn is_app(&self) -> bool {
        matches!(self.auth, AuthState::Installation { .. })
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(super) fn sent(&self) -> u64 {
        self.exchange.sent()
    }

    pub(super) fn quota(&self) -> Option<Quota> {
        self.exchange.quota()
    }

    /// Asks, and reads the answer. `what` names what is asked for, for people.
    pub(super) async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>, what: &str) -> Result<T, Error> {
        exchange::json(&self.send(ask, what).await?, what)
    }

    /// Asks for every page of a list, until one of them is enough.
    pub(super) async fn pages<T: DeserializeOwned>(&self, ask: Ask<'_>, what: &str, mut enough: impl FnMut(&[T]) -> bool) -> Result<Pages<T>, Error> {
        let mut all = Vec::new();
        for number in 1..=MOST_PAGES {
            let text = number.to_string();
            let mut page = ask.clone();
            page.query.push(("per_page", "100"));
            if number > 1 {
                page.query.push(("page", &text));
            }
            let response = self.send(page, what).await?;
            let more = has_next(&response);
            let entries: Vec<T> = exchange::json(&response, what)?;
            let stop = enough(&entries);
            all.extend(entries);
            if stop || !more {
                return Ok(Pages { entries: all, cut: more });
            }
        }
        let reason = format!("{what} has more than {MOST_PAGES} pages");
        Err(Fault::NotTheApi { forge: NAME, url: self.base.to_string(), reason, uncertain: false }.into())
    }

    /// Asks, and gives the answer as it is.
    pub(super) async fn send(&self, ask: Ask<'_>, what: &str) -> Result<Response<Vec<u8>>, Error> {
        match self.carry(ask, what).await {
            Err(Error::Hosted(Fault::Setting { what: "repository", text, reason })) => Err(self.renamed(text, reason).await),
            other => other,
        }
    }

    async fn carry(&self, ask: Ask<'_>, what: &str) -> Result<Response<Vec<u8>>, Error> {
        let intent = Intent { repeat: ask.repeat, what: what.to_owned() };
        let repeat = ask.repeat;
        let translate = |error| translate(error, &self.credential, what, repeat);
        let builder = Request::builder().method(ask.method).uri(route(&ask.path, &ask.query)).header(ACCEPT, ask.accept).extension(intent);
        let octocrab = self.octocrab();
        let request = octocrab.build_request(builder, ask.body.as_ref()).map_err(translate)?;
        let response = octocrab.execute(request).await.map_err(translate)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(translate)?.to_bytes().to_vec();
        if parts.status == StatusCode::UNAUTHORIZED {
            return Err(Fault::Unauthorized { forge: NAME, said: String::from_utf8_lossy(&body).into_owned() }.into());
        }
        Ok(Response::from_parts(parts, body))
    }

    fn octocrab(&self) -> &Octocrab {
        self.octocrab.get_or_init(|| {
            let wire = Wire(Arc::clone(&self.exchange));
            // An address that `Url` has read is one for `http`, too.
            let base = self.base.as_str().parse().unwrap_or_default();
            let builder = OctocrabBuilder::new_empty().with_service(wire).with_layer(&BaseUriLayer::new(base)).with_auth(self.auth.clone());
            builder.build().unwrap_or_else(|never| match never {})
        })
    }

    /// GitHub sends on from a repository that was renamed or moved to its number; its new name is looked up for the message.
    async fn renamed(&self, text: String, reason: String) -> Error {
        let to = self.exchange.moved_to().unwrap_or_default();
        let number = to.split_once("/repositories/").map(|(_, rest)| rest.split(|char: char| !char.is_ascii_digit()).next().unwrap_or_default());
        let Some(number) = number.filter(|number| !number.is_empty()) else {
            return Fault::Setting { what: "repository", text, reason }.into();
        };
        let asked = self.carry(Ask::get(vec!["repositories", number]), "the repository").await;
        match asked.and_then(|response| exchange::json::<Named>(&response, "a repository")) {
            Ok(Named { full_name }) => {
                let reason = format!("it was renamed or moved, and is `{}` now; give its new name", exchange::one_line(&full_name));
                Fault::Setting { what: "repository", text, reason }.into()
            }
            Err(_) => Fault::Setting { what: "repository", text, reason }.into(),
        }
    }
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

/// A list that was read page by page.
pub(super) struct Pages<T> {
    pub entries: Vec<T>,
    /// Whether there are more that were not read.
    pub cut: bool,
}

/// Whether an answer says that there is another page. Its address is not followed: it could lead anywhere.
fn has_next(response: &Response<Vec<u8>>) -> bool {
    let links = response.headers().get_all("link").into_iter().filter_map(|link| link.to_str().ok());
    links.flat_map(|link| link.split(',')).any(|link| link.contains("rel=\"next\""))
}

/// Path and query, encoded.
fn route(path: &[&str], query: &[(&str, &str)]) -> String {
    let Ok(mut url) = Url::parse("http://github") else { return String::new() };
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

fn auth(place: &Place<'_>, login: Option<&Login>) -> Result<AuthState, Error> {
    let refuse = |reason: &str| Fault::Setting { what: "credential", text: place.credential.unwrap_or_default().to_owned(), reason: reason.to_owned() };
    match login {
        None => Ok(AuthState::None),
        Some(Login::Token { token, .. }) => Ok(AuthState::AccessToken { token: token.expose().to_owned().into() }),
        Some(Login::GithubApp { app_id, installation_id, private_key }) => {
            // What a parser says about a key could quote it.
            let key = EncodingKey::from_rsa_pem(private_key.expose().as_bytes()).map_err(|_| refuse("the App's private key is no RSA key in PEM"))?;
            let name = place.repository.split('/').nth(1).unwrap_or_default();
            Ok(AuthState::Installation {
                app: AppAuth { app_id: (*app_id).into(), key },
                installation: (*installation_id).into(),
                token: CachedToken::default(),
                // A token for this repository only, whatever else the App is installed on.
                repositories: Some(vec![name.to_owned()]),
                repository_ids: None,
            })
        }
        Some(_) => Err(refuse("GitHub takes a token or an App (`token` or `githubApp`)").into()),
    }
}

fn translate(error: octocrab::Error, credential: &str, what: &str, repeat: Repeat) -> Error {
    match error {
        octocrab::Error::Service { source, .. } => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => unavailable(&other.to_string(), what, repeat),
        },
        // The App's own log-in: the one answer that is left to octocrab to judge.
        octocrab::Error::GitHub { source, .. } => Fault::Unauthorized { forge: NAME, said: exchange::one_line(&source.message) }.into(),
        octocrab::Error::JWT { .. } => {
            Fault::Setting { what: "credential", text: credential.to_owned(), reason: "the App's private key cannot sign".to_owned() }.into()
        }
        // A backtrace stands on the lines after the first.
        other => unavailable(other.to_string().lines().next().unwrap_or_default(), what, repeat),
    }
}

fn unavailable(reason: &str, what: &str, repeat: Repeat) -> Error {
    Fault::Unavailable { forge: NAME, what: what.to_owned(), reason: exchange::one_line(reason), uncertain: repeat != Repeat::Read }.into()
}

/// What stands beside a request on its way through octocrab.
#[derive(Clone)]
struct Intent {
    repeat: Repeat,
    what: String,
}

/// The exchange as the service that octocrab calls.
#[derive(Clone)]
struct Wire(Arc<Exchange>);

impl Service<Request<OctoBody>> for Wire {
    type Response = Response<OctoBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OctoBody>) -> Self::Future {
        let exchange = Arc::clone(&self.0);
        Box::pin(async move { through(&exchange, request).await })
    }
}

async fn through(exchange: &Exchange, request: Request<OctoBody>) -> Result<Response<OctoBody>, Error> {
    let (mut parts, body) = request.into_parts();
    let for_token = parts.method == Method::POST && parts.uri.path().ends_with("/access_tokens");
    // A second token does no harm.
    let intent = parts.extensions.remove().unwrap_or(Intent { repeat: Repeat::Same, what: "the token of the App's installation".to_owned() });
    parts.headers.entry(ACCEPT).or_insert(HeaderValue::from_static(JSON));
    parts.headers.entry(VERSION.0).or_insert(HeaderValue::from_static(VERSION.1));
    let body = body.collect().await.map_err(|error| unavailable(&error.to_string(), &intent.what, intent.repeat))?.to_bytes().to_vec();
    match exchange.send(Request::from_parts(parts, body), intent.repeat, &intent.what).await {
        Ok(response) if for_token => {
            exchange.fresh_token();
            token_only(response).map(|response| response.map(OctoBody::from))
        }
        Ok(response) => Ok(response.map(OctoBody::from)),
        // octocrab asks for a new token then, once, where there is an App.
        Err(Error::Hosted(Fault::Unauthorized { said, .. })) => {
            let body = if for_token { json!({ "message": said }).to_string() } else { said };
            let mut response = Response::new(OctoBody::from(body));
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            Ok(response)
        }
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct Token {
    token: String,
    expires_at: Option<String>,
}

/// An App's token as octocrab reads it, without the repositories, of which it would want every field.
fn token_only(response: Response<Vec<u8>>) -> Result<Response<Vec<u8>>, Error> {
    let token: Token = exchange::json(&response, "a token")?;
    let body = json!({ "token": token.token, "expires_at": token.expires_at, "permissions": {} }).to_string();
    Ok(response.map(|_| body.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_path_are_encoded() {
        assert_eq!(route(&["repos", "a", "b", "labels", "a/b c?"], &[]), "/repos/a/b/labels/a%2Fb%20c%3F");
        assert_eq!(route(&["x"], &[("head", "a:bowline/x&y")]), "/x?head=a%3Abowline%2Fx%26y");
    }
}
