//! What an answer means, and how long is waited before a request is tried again. Pure.

use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::access::web::carry::Broken;
use crate::access::web::wait::{asked_wait, doubled};
use crate::access::web::{one_line, untrusted};

/// The pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause that the server did not ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The shortest pause that a server that limits may ask for: who says `Retry-After: 0` is not asked without end.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// What a server asks for beyond this is taken for this; no source waits for so long.
const LONGEST_ASKED: Duration = Duration::from_hours(24);

/// What is to be done about an answer. Reasons are ends of sentences; what a server said in them is not redacted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::discovery) enum Verdict {
    /// It is read.
    Good,
    /// It will be the same again.
    Final(String),
    /// What was asked for is somewhere else.
    Moved(String),
    /// The server takes no more for a while; it did not do this.
    Limited { wait: Option<Duration>, reason: String },
    /// It may go well the next time.
    Again { wait: Option<Duration>, reason: String },
}

/// What is said of a request that is not sent again.
const UNCERTAIN: &str = "it may have been started all the same, so it was not started again";

/// Judges an answer that came at `now`. A request that starts something is only sent again where the server says that it did not start.
pub(in crate::discovery) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], starts: bool, now: Timestamp) -> Verdict {
    let code = status.as_u16();
    let said = || said(headers, body);
    let wait = asked_wait(headers, now);
    match status {
        StatusCode::PARTIAL_CONTENT => Verdict::Final("the server gave only a part of the answer (206)".to_owned()),
        StatusCode::NOT_MODIFIED => Verdict::Final("the server says that nothing changed (304), and nothing was kept".to_owned()),
        _ if status.is_success() && body.trim_ascii().is_empty() => Verdict::Final(format!("the answer is empty ({code})")),
        _ if status.is_success() => Verdict::Good,
        _ if status.is_redirection() => match headers.get(LOCATION).and_then(|to| to.to_str().ok()) {
            Some(to) => Verdict::Moved(to.to_owned()),
            None => Verdict::Final(format!("the server answers {code} and does not say where to")),
        },
        StatusCode::TOO_MANY_REQUESTS => Verdict::Limited { wait, reason: format!("the server takes no more requests (429{})", said()) },
        StatusCode::FORBIDDEN | StatusCode::SERVICE_UNAVAILABLE if wait.is_some() => {
            Verdict::Limited { wait, reason: format!("the server takes no more requests ({code}{})", said()) }
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Verdict::Final("the proxy wants credentials (407); name them with `proxyCredentials`".to_owned()),
        _ if passes(status) && starts => Verdict::Final(format!("the server fails ({code}{}); {UNCERTAIN}", said())),
        _ if passes(status) => Verdict::Again { wait, reason: format!("the server fails ({code}{})", said()) },
        _ => Verdict::Final(format!("the server {} ({code}{})", refusal(status), said())),
    }
}

/// Whether a failure of this kind is often over a moment later.
fn passes(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 500 | 502 | 503 | 504)
}

fn refusal(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "does not accept the credentials",
        StatusCode::FORBIDDEN => "does not allow it",
        StatusCode::NOT_FOUND => "has nothing at this address",
        _ => "refuses the request",
    }
}

/// Judges that there is no answer. A request that starts something is only sent again if it was not sent at all.
pub(in crate::discovery) fn broken(broken: Broken, largest: usize, starts: bool) -> Verdict {
    match broken {
        Broken::Refused(error) => Verdict::Final(error.to_string()),
        Broken::TooLarge => Verdict::Final(format!("the answer is larger than {} MiB; ask for smaller pages, or raise `limits.answer`", largest >> 20)),
        Broken::NotConnected(reason) | Broken::Cut(reason) if reason.contains("certificate") => Verdict::Final(untrusted(&reason)),
        Broken::Cut(reason) if starts => Verdict::Final(format!("{reason}; {UNCERTAIN}")),
        Broken::NotConnected(reason) | Broken::Cut(reason) => Verdict::Again { wait: None, reason },
    }
}

/// The pause before a request is sent again, after so many tries: what the server asks for, else doubling; with chance, so that not all come back
/// at once, and never less than what was asked for.
pub(in crate::discovery) fn pause(tries: u32, asked: Option<Duration>, limited: bool, chance: f64) -> Duration {
    let chance = chance.clamp(0.0, 1.0);
    if let Some(asked) = asked {
        return asked.clamp(SHORTEST_PAUSE, LONGEST_ASKED).mul_f64(1.0 + chance / 20.0);
    }
    let shortest = if limited { SHORTEST_PAUSE * 4 } else { PAUSE };
    doubled(shortest, tries.saturating_sub(1)).min(LONGEST_PAUSE).mul_f64(0.5 + chance / 2.0)
}

/// What a server says of a refusal, from the members that APIs have for it.
fn said(headers: &HeaderMap, body: &[u8]) -> String {
    let is_page = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    if is_page {
        return ", a page for people".to_owned();
    }
    let text = match serde_json::from_slice::<Json>(body) {
        Ok(json) => message(&json).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body.get(..body.len().min(400)).unwrap_or_default()).into_owned(),
    };
    // Short, so that what Bowline itself says of it is not cut off.
    let short: String = one_line(&text).chars().take(120).collect();
    if short.is_empty() { short } else { format!(": {short}") }
}

fn message(json: &Json) -> Option<String> {
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Array(all) => all.first().and_then(message),
        Json::Object(all) => ["message", "detail", "error", "error_description", "errors", "title", "reason"].iter().find_map(|name| message(all.get(*name)?)),
        _ => None,
    }
}

/// Why a body is no JSON, without quoting it.
pub(super) fn not_json(headers: &HeaderMap, body: &[u8], error: &serde_json::Error) -> String {
    let start = body.trim_ascii_start();
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
    if start.starts_with(b"<") || kind.to_ascii_lowercase().contains("html") {
        return "the answer is a page for people, not JSON; see whether a log-in page or a proxy stands before the API".to_owned();
    }
    if error.is_eof() {
        return "the answer is cut short: its JSON does not end".to_owned();
    }
    format!("the answer is not JSON ({kind}; line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, headers: &[(&'static str, &str)], body: &str) -> Verdict {
        let headers = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect();
        judge(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), false, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_a_whole_answer_is_good() {
        assert_eq!(verdict(200, &[], "[]"), Verdict::Good);
        for (status, body) in [(200, ""), (204, ""), (206, "[]"), (304, ""), (400, "{}"), (401, ""), (403, ""), (404, "")] {
            assert!(matches!(verdict(status, &[], body), Verdict::Final(_)), "{status}");
        }
    }

    // 429 read as an empty answer: a rate limit is waited for, and never a success.
    #[test]
    fn a_limit_is_waited_for_as_long_as_the_server_says() {
        let seven = Some(Duration::from_secs(7));
        assert!(matches!(verdict(429, &[("retry-after", "7")], "[]"), Verdict::Limited { wait, .. } if wait == seven));
        assert!(matches!(verdict(503, &[("retry-after", "7")], ""), Verdict::Limited { wait, .. } if wait == seven));
        assert!(matches!(verdict(403, &[("retry-after", "7")], ""), Verdict::Limited { .. }));
        assert!(matches!(verdict(429, &[], "{}"), Verdict::Limited { wait: None, .. }));
        assert!(matches!(verdict(503, &[], ""), Verdict::Again { .. }));
    }

    #[test]
    fn what_a_server_says_is_found_where_apis_say_it() {
        let told = |body: &str| match verdict(400, &[], body) {
            Verdict::Final(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(told(r#"{"error": {"code": 400, "message": "one type a query"}}"#), "the server refuses the request (400: one type a query)");
        assert_eq!(told(r#"{"detail": "no"}"#), "the server refuses the request (400: no)");
        assert_eq!(told(r#"{"errors": [{"message": "bad"}]}"#), "the server refuses the request (400: bad)");
        assert_eq!(told("plain"), "the server refuses the request (400: plain)");
        assert_eq!(told(r#"{"other": 1}"#), "the server refuses the request (400)");
    }

    #[test]
    fn pauses_double_and_are_never_shorter_than_what_the_server_asks_for() {
        assert_eq!(pause(1, None, false, 1.0), PAUSE);
        assert_eq!(pause(3, None, false, 1.0), PAUSE * 4);
        assert_eq!(pause(3, None, false, 0.0), PAUSE * 2);
        assert_eq!(pause(99, None, false, 1.0), LONGEST_PAUSE);
        assert!(pause(1, Some(Duration::from_secs(7)), true, 0.0) >= Duration::from_secs(7));
        assert!(pause(1, Some(Duration::from_secs(7)), true, 1.0) <= Duration::from_secs(8));
        assert_eq!(pause(1, Some(Duration::ZERO), true, 0.0), SHORTEST_PAUSE);
        assert_eq!(pause(1, Some(Duration::MAX), true, 0.0), LONGEST_ASKED);
    }

    #[test]
    fn what_starts_something_is_not_started_twice() {
        assert!(matches!(judge(StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"", true, Timestamp::UNIX_EPOCH), Verdict::Final(_)));
        assert!(matches!(judge(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), b"", true, Timestamp::UNIX_EPOCH), Verdict::Limited { .. }));
        assert!(matches!(broken(Broken::Cut("cut".into()), 1, true), Verdict::Final(_)));
        assert!(matches!(broken(Broken::Cut("cut".into()), 1, false), Verdict::Again { .. }));
        assert!(matches!(broken(Broken::NotConnected("no".into()), 1, true), Verdict::Again { .. }));
        assert!(
            matches!(broken(Broken::NotConnected("invalid peer certificate: UnknownIssuer".into()), 1, false), Verdict::Final(reason) if reason.contains("`ca`"))
        );
    }
}
