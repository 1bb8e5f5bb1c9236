//! The agent's side: what the sources of an estate said, sent to another Bowline, patiently.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use jiff::Timestamp;
use reqwest::Url;
use tokio::time::{Instant, sleep, timeout_at};

use super::batch::{LARGEST, MOST_LINES};
use super::facts::Taken;
use crate::access::Access;
use crate::access::web::carry::{Carrier, Unfit, Way};
use crate::access::web::{authority, check_http, host_and_port, one_line};
use crate::chance::chance;
use crate::credentials::{Credentials, Login};
use crate::discovery::Answer;
use crate::discovery::http::judge::{self, Verdict};

/// Where observations are sent to, below the address that is given.
const PATH: &str = "v1/observations";
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How often a request is tried that fails, and one that is put off.
const TRIES: u32 = 6;
/// The largest answer in bytes.
const LARGEST_ANSWER: usize = 64 << 10;
/// How much is sent at once where there may be more, in bytes: other agents wait in the meantime.
const PORTION: usize = 4 << 20;
/// How many lines are.
const LINES: usize = 5_000;

/// Where to, and as whom.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    /// The address of the other Bowline's listener; `https`, or this machine.
    pub url: &'a str,
    /// The name of the source there.
    pub source: &'a str,
    /// The operator's credential: a token that is bound to the host of `url`.
    pub credential: &'a str,
}

/// What is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    lines: Vec<String>,
    /// As of when this is all there is of the source; none: there may be more.
    whole: Option<Timestamp>,
}

impl Load {
    /// What these sources said, each observation with when it was seen. Whole only where `whole` is wanted; the answers must be complete then.
    pub fn of(answers: &[Answer], whole: Option<Timestamp>) -> Self {
        let lines = answers.iter().flat_map(|answer| {
            answer.items.iter().map(|item| {
                let mut item = item.clone();
                item.seen.get_or_insert(answer.at);
                item.to_json().to_string()
            })
        });
        Self { lines: lines.collect(), whole }
    }

    /// How many observations there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// In portions; a whole is one, and refused where it is too large for that.
    fn portions(&self) -> Result<Vec<Vec<u8>>, String> {
        let (bytes, lines) = if self.whole.is_some() { (LARGEST, MOST_LINES) } else { (PORTION, LINES) };
        let mut portions: Vec<(usize, Vec<u8>)> = Vec::new();
        for line in &self.lines {
            match portions.last_mut().filter(|(count, portion)| *count < lines && portion.len() + line.len() < bytes) {
                Some((count, portion)) => {
                    *count += 1;
                    portion.extend([line.as_bytes(), b"\n"].concat());
                }
                None => portions.push((1, [line.as_bytes(), b"\n"].concat())),
            }
        }
        if self.whole.is_some() && portions.len() > 1 {
            let (mebibytes, whole) = (LARGEST >> 20, "what is declared whole is sent at once");
            return Err(format!("{whole}, and this is more than {mebibytes} MiB or {MOST_LINES} observations; push to several sources"));
        }
        Ok(portions.into_iter().map(|(_, portion)| portion).collect())
    }
}

/// Sends all of it. The error is one sentence, without secrets, and says how much was taken before.
pub async fn send(to: &Destination<'_>, load: &Load, access: &Access, credentials: &Credentials) -> Result<Taken, String> {
    let url = address(to, load.whole)?;
    let carrier = carrier(&url, access)?;
    let token = token(to, &url, credentials)?;
    let redactor = credentials.redactor();
    let deadline = Instant::now() + PATIENCE;
    let mut all = Taken::default();
    let portions = load.portions()?;
    let many = portions.len();
    for (number, portion) in (1..).zip(portions) {
        let sent = patiently(&carrier, &url, &token, &portion, deadline).await.map_err(|reason| {
            let before = if many > 1 { format!(" (portion {number} of {many}; those before it were taken)") } else { String::new() };
            format!("{}{before}", one_line(&redactor.redact(&reason)))
        })?;
        all = Taken {
            taken: all.taken + sent.taken,
            unchanged: all.unchanged + sent.unchanged,
            older: all.older + sent.older,
            gone: all.gone + sent.gone,
            known: sent.known,
        };
    }
    Ok(all)
}

/// Whether the address can be used at all.
pub fn check(url: &str) -> Result<(), String> {
    address(&Destination { url, source: "", credential: "" }, None).map(|_| ())
}

fn address(to: &Destination<'_>, whole: Option<Timestamp>) -> Result<Url, String> {
    let mut url = Url::parse(to.url).map_err(|error| format!("this is no address: {error}"))?;
    check_http(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("write the address without `?` and `#`; what belongs there is added".to_owned());
    }
    let base = url.path().trim_end_matches('/').trim_end_matches(PATH).trim_end_matches('/').to_owned();
    url.set_path(&format!("{base}/{PATH}"));
    url.query_pairs_mut().append_pair("source", to.source);
    if let Some(at) = whole {
        url.query_pairs_mut().append_pair("complete", "true").append_pair("at", &at.to_string());
    }
    Ok(url)
}

fn carrier(url: &Url, access: &Access) -> Result<Carrier, String> {
    let way = Way { access, url, login: None, authorities: &[], proxy: None, timeout: TIMEOUT, largest: LARGEST_ANSWER };
    Carrier::new(&way).map_err(|unfit| match unfit {
        Unfit::Refused(error) => error.to_string(),
        Unfit::Setting(reason) => reason,
    })
}

/// The header that shows the token.
fn token(to: &Destination<'_>, url: &Url, credentials: &Credentials) -> Result<HeaderValue, String> {
    let (host, port) = host_and_port(url);
    let credential = credentials.for_host(to.credential, &authority(&host, port)).map_err(|error| error.to_string())?;
    let unusable = |reason: &str| format!("the credential `{}` {reason}", to.credential);
    let Login::Token { token, .. } = &credential.login else { return Err(unusable("must be a `token`")) };
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| unusable("cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sends a portion until it was taken, or will not be. It may come twice: what is known already changes nothing.
async fn patiently(carrier: &Carrier, url: &Url, token: &HeaderValue, portion: &[u8], deadline: Instant) -> Result<Taken, String> {
    let mut tries = 0;
    loop {
        let request = Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(AUTHORIZATION, token.clone())
            .body(portion.to_vec())
            .map_err(|_| "the name of the source cannot stand in an address".to_owned())?;
        tries += 1;
        let verdict = match timeout_at(deadline, carrier.carry(request)).await {
            Err(_) => return Err(format!("it was not taken within {} minutes", PATIENCE.as_secs() / 60)),
            Ok(Err(broken)) => judge::broken(broken, LARGEST_ANSWER, false),
            Ok(Ok(answer)) => match judge::judge(answer.status(), answer.headers(), answer.body(), false, Timestamp::now()) {
                Verdict::Good => return taken(answer.body()),
                verdict => verdict,
            },
        };
        let (limited, wait, reason) = match verdict {
            Verdict::Good => return Err("its answer was not read".to_owned()),
            Verdict::Final(reason) => return Err(reason),
            Verdict::Moved(_) => return Err("the server sends on to another address, to which no token goes; give that address".to_owned()),
            Verdict::Limited { wait, reason } => (true, wait, reason),
            Verdict::Again { wait, reason } => (false, wait, reason),
        };
        let pause = judge::pause(tries, wait, limited, chance());
        if tries >= TRIES {
            return Err(format!("{reason}, {tries} times"));
        }
        if Instant::now() + pause >= deadline {
            return Err(format!("{reason}; to wait {} s is longer than the {} minutes that all of it may take", pause.as_secs(), PATIENCE.as_secs() / 60));
        }
        tracing::debug!(seconds = pause.as_secs_f64(), "waits before the next try");
        sleep(pause).await;
    }
}

fn taken(body: &[u8]) -> Result<Taken, String> {
    serde_json::from_slice(body).map_err(|_| "the answer is not Bowline's; see whether this is the address of its listener".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Observation;

    fn load(count: usize, size: usize, whole: bool) -> Load {
        let items = (0..count).map(|number| Observation { key: format!("{number}").into(), name: "x".repeat(size).into(), ..Observation::default() });
        Load::of(&[Answer { items: items.collect(), ..Answer::default() }], whole.then_some(Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn much_is_sent_in_portions_and_a_whole_at_once() {
        assert_eq!(load(0, 0, false).portions().unwrap().len(), 0);
        assert_eq!(load(LINES + 1, 1, false).portions().unwrap().len(), 2);
        assert_eq!(load(5, PORTION / 2, false).portions().unwrap().len(), 5);
        assert_eq!(load(LINES + 1, 1, true).portions().unwrap().len(), 1);
        assert!(load(MOST_LINES + 1, 1, true).portions().unwrap_err().contains("several sources"));
    }

    #[test]
    fn the_address_is_the_listeners_with_or_without_its_path() {
        let address = |url: &str| address(&Destination { url, source: "a b&c", credential: "" }, Some(Timestamp::UNIX_EPOCH)).map(|url| url.to_string());
        let expected = "https://b.example.com/x/v1/observations?source=a+b%26c&complete=true&at=1970-01-01T00%3A00%3A00Z";
        for url in
            ["https://b.example.com/x", "https://b.example.com/x/", "https://b.example.com/x/v1/observations", "https://b.example.com/x/v1/observations/"]
        {
            assert_eq!(address(url).unwrap(), expected);
        }
        for url in ["http://b.example.com", "https://u:p@b.example.com", "https://b.example.com?source=a", "ftp://b.example.com", "b.example.com"] {
            assert!(address(url).is_err(), "{url}");
        }
        assert!(address("http://127.0.0.1:8080").is_ok());
    }
}
