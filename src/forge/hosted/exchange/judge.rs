//! What an answer means, and what is to be done where there is none.

use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Asked, LARGEST_ANSWER, Repeat};
use crate::access::web::carry::Broken;
use crate::access::web::one_line;
use crate::access::web::wait::asked_wait;
use crate::forge::Error;
use crate::forge::hosted::Fault;

/// What is to be done about an answer.
pub(super) enum Verdict {
    /// It is given on.
    Good(Response<Vec<u8>>),
    /// It will be the same again.
    Final(Error),
    /// What was asked is somewhere else.
    Moved { to: String, error: Error },
    /// The credential is not accepted, or not for this.
    Refused(Error),
    /// The forge takes no more for a while, and did not carry this out; none: it does not say for how long.
    Limited { wait: Option<Duration>, said: String },
    /// It may go well the next time; the forge wants so long a pause.
    Failed { error: Error, wait: Duration },
}

/// Judges an answer that came at `now`. `say` makes text of the forge's fit to be shown.
pub(super) fn judge(mut response: Response<Vec<u8>>, asked: &Asked, now: Timestamp, say: impl Fn(&str) -> String) -> Verdict {
    let status = response.status();
    if status.is_success() {
        if let Some(reason) = foreign(&response, asked) {
            return Verdict::Final(not_the_api(asked, reason, asked.repeat != Repeat::Read));
        }
        response.extensions_mut().insert(asked.clone());
        return Verdict::Good(response);
    }
    if status.is_redirection() {
        return moved(&response, asked, &say);
    }
    let message = message(&response);
    let said = say(&message);
    let wait = asked_wait(response.headers(), now);
    if is_limit(&response, &message, wait) {
        return Verdict::Limited { wait, said };
    }
    let (forge, what) = (asked.forge, asked.what.clone());
    match status {
        StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT
        | StatusCode::REQUEST_TIMEOUT => {
            let wait = wait.unwrap_or(Duration::ZERO);
            Verdict::Failed { error: unavailable(asked, format!("it answers {}: {said}", status.as_u16()), asked.repeat != Repeat::Read), wait }
        }
        StatusCode::UNAUTHORIZED => Verdict::Refused(Fault::Unauthorized { forge, said }.into()),
        StatusCode::FORBIDDEN if is_read_only(&message) => read_only(asked, said),
        StatusCode::LOCKED => read_only(asked, said),
        StatusCode::FORBIDDEN | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => Verdict::Refused(Fault::Forbidden { forge, what, said }.into()),
        StatusCode::NETWORK_AUTHENTICATION_REQUIRED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Verdict::Final(not_the_api(asked, "something on the way there wants a log-in".to_owned(), false))
        }
        _ if is_page(&response) => Verdict::Final(not_the_api(asked, format!("it answers {} with a page for people", status.as_u16()), false)),
        StatusCode::NOT_FOUND => {
            // `GitHub has no branch …`
            let what = what.strip_prefix("the ").unwrap_or(&what).to_owned();
            Verdict::Final(Fault::NotFound { forge, what }.into())
        }
        _ if status.is_server_error() => Verdict::Final(unavailable(asked, format!("it answers {}: {said}", status.as_u16()), asked.repeat != Repeat::Read)),
        _ => Verdict::Final(Fault::Refused { forge, what, status: status.as_u16(), said }.into()),
    }
}

/// Judges that there is no answer.
pub(super) fn broken(broken: Broken, asked: &Asked, say: impl Fn(&str) -> String) -> Verdict {
    let (reason, sent) = match broken {
        Broken::Refused(error) => return Verdict::Final(error.into()),
        Broken::TooLarge => {
            let reason = format!("its answer is larger than {} MiB", LARGEST_ANSWER >> 20);
            return Verdict::Final(not_the_api(asked, reason, asked.repeat != Repeat::Read));
        }
        Broken::NotConnected(reason) => (reason, false),
        Broken::Cut(reason) => (reason, true),
    };
    Verdict::Failed { error: unavailable(asked, say(&reason), sent && asked.repeat != Repeat::Read), wait: Duration::ZERO }
}

fn unavailable(asked: &Asked, reason: String, uncertain: bool) -> Error {
    Fault::Unavailable { forge: asked.forge, what: asked.what.clone(), reason, uncertain }.into()
}

fn not_the_api(asked: &Asked, reason: String, uncertain: bool) -> Error {
    Fault::NotTheApi { forge: asked.forge, url: asked.url.clone(), reason, uncertain }.into()
}

fn read_only(asked: &Asked, said: String) -> Verdict {
    Verdict::Final(Fault::ReadOnly { repository: asked.repository.clone(), said }.into())
}

/// Reads an answer of [`Exchange::send`](super::Exchange::send) as JSON. `what` names what it should be, for people.
pub fn json<T: DeserializeOwned>(response: &Response<Vec<u8>>, what: &str) -> Result<T, Error> {
    serde_json::from_slice(response.body()).map_err(|error| {
        let (forge, url, uncertain) = match response.extensions().get::<Asked>() {
            Some(asked) => (asked.forge, asked.url.clone(), asked.repeat != Repeat::Read),
            None => ("the forge", String::new(), true),
        };
        let reason = one_line(&format!("its answer cannot be read as {what}: {error}"));
        Fault::NotTheApi { forge, url, reason, uncertain }.into()
    })
}

/// A redirect is not followed: what was renamed is to be called by its new name.
fn moved(response: &Response<Vec<u8>>, asked: &Asked, say: impl Fn(&str) -> String) -> Verdict {
    let header = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let to = header.map(str::to_owned).or_else(|| Some(parsed(response)?.get("url")?.as_str()?.to_owned()));
    let Some(to) = to else {
        return Verdict::Final(not_the_api(asked, format!("it answers {} and does not say where to", response.status().as_u16()), false));
    };
    let base = reqwest::Url::parse(&asked.url).ok();
    let target = base.as_ref().and_then(|base| base.join(&to).ok());
    let same_host = target.as_ref().zip(base.as_ref()).is_some_and(|(target, base)| target.origin() == base.origin());
    let shown = say(target.as_ref().map_or(&to, |target| target.as_str()));
    let error = if same_host {
        let reason = format!("it was renamed or moved, and {} now has it at {shown}; give its new name", asked.forge);
        Fault::Setting { what: "repository", text: asked.repository.clone(), reason }.into()
    } else {
        not_the_api(asked, format!("it sends on to {shown}, which was not followed"), false)
    };
    Verdict::Moved { to, error }
}

/// Why a success cannot be the forge's own.
fn foreign(response: &Response<Vec<u8>>, asked: &Asked) -> Option<String> {
    if response.body().is_empty() {
        return None;
    }
    let kind = response.headers().get(CONTENT_TYPE)?.to_str().unwrap_or("?");
    if is_page(response) {
        return Some("its answer is a page for people".to_owned());
    }
    (asked.json && !kind.contains("json")).then(|| format!("its answer is `{}`, not JSON", one_line(kind)))
}

fn is_page(response: &Response<Vec<u8>>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// 429, and the ways in which GitHub says it with 403 (and with 422 for what is made too quickly).
fn is_limit(response: &Response<Vec<u8>>, message: &str, wait: Option<Duration>) -> bool {
    let message = message.to_ascii_lowercase();
    let told = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match response.status() {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => wait.is_some() || told(&["secondary rate limit", "rate limit exceeded", "abuse detection", "submitted too quickly"]),
        StatusCode::UNPROCESSABLE_ENTITY => told(&["submitted too quickly"]),
        _ => false,
    }
}

fn is_read_only(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["archived", "read-only", "read only", "is a mirror"].iter().any(|word| message.contains(word))
}

fn parsed(response: &Response<Vec<u8>>) -> Option<Value> {
    serde_json::from_slice(response.body()).ok()
}

/// What a forge says about a refusal: its message, and each of its errors.
fn message(response: &Response<Vec<u8>>) -> String {
    let Some(body) = parsed(response) else {
        let plain = || String::from_utf8_lossy(response.body()).into_owned();
        return if is_page(response) { "a page for people".to_owned() } else { plain() };
    };
    let message = body.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    let errors = match body.get("errors") {
        Some(Value::Array(errors)) => errors.iter().take(5).map(one_error).collect(),
        Some(Value::String(error)) => vec![error.clone()],
        _ => Vec::new(),
    };
    let errors: Vec<String> = errors.into_iter().filter(|error| !error.is_empty() && !message.contains(error.as_str())).collect();
    if errors.is_empty() { message } else { format!("{message}: {}", errors.join("; ")) }
}

/// One of the errors of a 422 (GitHub, "Troubleshooting the REST API"): text, or a field of a resource and what is wrong with it.
fn one_error(error: &Value) -> String {
    let part = |name| error.get(name).and_then(Value::as_str).unwrap_or_default();
    match error {
        Value::String(text) => text.clone(),
        _ if !part("message").is_empty() => part("message").to_owned(),
        _ => format!("{}.{} {}", part("resource"), part("field"), part("code")).trim_matches([' ', '.']).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_errors_of_a_422_are_told_on_one_line() {
        let body = r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"head","code":"invalid"},
            {"resource":"PullRequest","code":"custom","message":"No commits between main and x"},"text"]}"#;
        let response = Response::new(body.as_bytes().to_vec());
        assert_eq!(message(&response), "Validation Failed: PullRequest.head invalid; No commits between main and x; text");
    }
}
