//! Asking Gitea's REST API: addresses, who asks, pages, and what an answer that is none of its own means.

use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LINK};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use reqwest::Url;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::exchange::{Ear, Exchange, Repeat, json, login};
use super::super::{Fault, Place};
use crate::credentials::{Login, basic};
use crate::estate::git;
use crate::forge::Error;

/// What this forge is called for people.
pub(super) const NAME: &str = "Gitea";
const JSON: &str = "application/json";
/// How many items are asked for at once. A server may be set to give fewer.
const PAGE: &str = "50";
/// How many pages of one list are read at most.
pub(super) const MOST_PAGES: u32 = 200;

/// The API of one repository.
#[derive(Debug)]
pub(super) struct Api {
    exchange: Exchange,
    /// The forge's address, without a slash at the end.
    base: Url,
    authorization: Option<HeaderValue>,
    /// `owner/name`.
    pub(super) repository: String,
}

/// What was read of a list.
#[derive(Debug)]
pub(super) struct Pages<T> {
    pub(super) items: Vec<T>,
    /// Whether it is the whole list.
    pub(super) whole: bool,
    /// How many requests it took.
    pub(super) requests: u32,
}

impl Api {
    pub(super) fn new(place: &Place<'_>) -> Result<Self, Error> {
        let base = address(place)?;
        repository(place.repository)?;
        let authorization = authorization(place, &base)?;
        Ok(Self { exchange: Exchange::new(NAME, place, &base)?, base, authorization, repository: place.repository.to_owned() })
    }

    pub(super) fn heard_by(&self, ear: Arc<dyn Ear>) {
        self.exchange.heard_by(ear);
    }

    pub(super) fn owner(&self) -> &str {
        self.repository.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// Where git finds the repository.
    pub(super) fn git_address(&self) -> String {
        format!("{}/{}.git", self.base.as_str().trim_end_matches('/'), self.repository)
    }

    /// An address below the repository's. Parts with a slash in them are several parts: a proxy may refuse `%2F`.
    pub(super) fn here(&self, parts: &[&str]) -> Url {
        let mut whole = vec!["repos", &self.repository];
        whole.extend(parts);
        self.address(&whole)
    }

    pub(super) fn address(&self, parts: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(parts.iter().flat_map(|part| part.split('/')));
        }
        url
    }

    /// Asks for something and reads it.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: Url, what: &str) -> Result<T, Error> {
        json(&self.send(Method::GET, &url, JSON, Vec::new(), Repeat::Read, what).await?, what)
    }

    /// The same; none where there is none.
    pub(super) async fn find<T: DeserializeOwned>(&self, url: Url, what: &str) -> Result<Option<T>, Error> {
        match self.get(url, what).await {
            Err(Error::Hosted(Fault::NotFound { .. })) => Ok(None),
            result => result.map(Some),
        }
    }

    pub(super) async fn text(&self, url: Url, what: &str) -> Result<String, Error> {
        let answer = self.send(Method::GET, &url, "text/plain", Vec::new(), Repeat::Read, what).await?;
        Ok(String::from_utf8_lossy(answer.body()).into_owned())
    }

    /// Makes something that is not made twice by itself, and reads it.
    pub(super) async fn make<T: DeserializeOwned>(&self, url: Url, body: &impl Serialize, what: &str) -> Result<T, Error> {
        json(&self.send(Method::POST, &url, JSON, written(body), Repeat::Once, what).await?, what)
    }

    /// Changes something; what is answered is of no interest.
    pub(super) async fn change(&self, method: Method, url: Url, body: &impl Serialize, repeat: Repeat, what: &str) -> Result<(), Error> {
        self.send(method, &url, JSON, written(body), repeat, what).await.map(drop)
    }

    pub(super) async fn delete(&self, url: Url, what: &str) -> Result<(), Error> {
        self.send(Method::DELETE, &url, JSON, Vec::new(), Repeat::Same, what).await.map(drop)
    }

    /// Reads a list page by page, as long as `more` wants it.
    pub(super) async fn pages<T, M>(&self, url: Url, query: &[(&str, &str)], what: &str, mut more: M) -> Result<Pages<T>, Error>
    where
        T: DeserializeOwned + Send,
        M: FnMut(&[T]) -> bool + Send,
    {
        let mut items: Vec<T> = Vec::new();
        for page in 1..=MOST_PAGES {
            let mut url = url.clone();
            url.query_pairs_mut().extend_pairs(query).append_pair("limit", PAGE).append_pair("page", &page.to_string());
            let answer = self.send(Method::GET, &url, JSON, Vec::new(), Repeat::Read, what).await?;
            let found: Vec<T> = json::<Option<Vec<T>>>(&answer, what)?.unwrap_or_default();
            let seen = items.len() + found.len();
            let next = !found.is_empty() && has_next(answer.headers(), seen);
            let wanted = next && more(&found);
            items.extend(found);
            if !wanted {
                return Ok(Pages { items, whole: !next, requests: page });
            }
        }
        let reason = format!("it has more than {MOST_PAGES} pages");
        Err(Fault::Unavailable { forge: NAME, what: what.to_owned(), reason, uncertain: false }.into())
    }

    /// A whole list.
    pub(super) async fn list<T: DeserializeOwned + Send>(&self, url: Url, query: &[(&str, &str)], what: &str) -> Result<Vec<T>, Error> {
        self.pages(url, query, what, |_| true).await.map(|pages| pages.items)
    }

    async fn send(&self, method: Method, url: &Url, accept: &str, body: Vec<u8>, repeat: Repeat, what: &str) -> Result<Response<Vec<u8>>, Error> {
        let mut request = Request::builder().method(method).uri(url.as_str()).header(ACCEPT, accept);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, JSON);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(body).map_err(|error| setting("address", url.as_str(), &error.to_string()))?;
        self.exchange.send(request, repeat, what).await
    }

    pub(super) fn read_only(&self, said: String) -> Error {
        Fault::ReadOnly { repository: self.repository.clone(), said }.into()
    }
}

fn written(body: &impl Serialize) -> Vec<u8> {
    // Only our own structs are written, none of which can fail to be.
    serde_json::to_vec(body).unwrap_or_default()
}

/// Whether a list goes on. A link's address is not followed: it is built from what the server thinks its address is, and
/// might lead elsewhere.
fn has_next(headers: &HeaderMap, seen: usize) -> bool {
    let words = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match words(LINK.as_str()) {
        Some(link) => link.contains("rel=\"next\""),
        None => words("x-total-count").and_then(|total| total.trim().parse().ok()).is_some_and(|total: usize| total > seen),
    }
}

fn setting(what: &'static str, text: &str, reason: &str) -> Error {
    Fault::Setting { what, text: text.to_owned(), reason: reason.to_owned() }.into()
}

fn address(place: &Place<'_>) -> Result<Url, Error> {
    let text = place.url.ok_or_else(|| setting("address", "", "Gitea has no public address; give it with `url`"))?;
    git::http_address(text).map_err(|error| match error {
        git::GitError::Address { url, reason } => setting("address", &url, &reason),
        error => error.into(),
    })
}

fn repository(text: &str) -> Result<(), Error> {
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    match text.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) => Ok(()),
        _ => Err(setting("repository", text, "it is written `owner/name`, of letters, digits, `-`, `_` and `.`")),
    }
}

/// What stands in `Authorization`, if the credential may go to the forge's host.
fn authorization(place: &Place<'_>, base: &Url) -> Result<Option<HeaderValue>, Error> {
    let Some(name) = place.credential else { return Ok(None) };
    let Some(login) = login(place, base)? else { return Ok(None) };
    let value = match login {
        Login::Token { token, .. } => format!("token {}", token.expose()),
        login @ Login::Password { .. } => format!("Basic {}", basic(login)),
        Login::ClientCertificate { .. } | Login::SshKey { .. } | Login::GithubApp { .. } | Login::Community(_) | Login::SnmpUser(_) => {
            return Err(setting("credential", name, "Gitea takes a token, or an account and its password"));
        }
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| setting("credential", name, "its value cannot stand in a request"))?;
    value.set_sensitive(true); // libraries that log headers leave it out
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_by_its_link_or_its_count_and_never_by_the_size_of_a_page() {
        let headers = |name: &'static str, value: &'static str| HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))]);
        assert!(has_next(&headers("link", "<http://elsewhere/?page=2>; rel=\"next\",<http://elsewhere/?page=9>; rel=\"last\""), 30));
        assert!(!has_next(&headers("link", "<http://elsewhere/?page=1>; rel=\"prev\""), 30));
        assert!(has_next(&headers("x-total-count", "31"), 30));
        assert!(!has_next(&headers("x-total-count", "30"), 30));
        assert!(!has_next(&HeaderMap::new(), 50));
    }

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        for good in ["ops/estate", "a-b/c_d.e"] {
            assert!(repository(good).is_ok(), "{good}");
        }
        for bad in ["", "estate", "/estate", "ops/", "ops/estate/more", "../x", "ops/..", "ops/a b", "ops/a?b", "ops/a%2Fb"] {
            assert!(repository(bad).is_err(), "{bad}");
        }
    }
}
