//! Asking one source, and pages for it to find.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bowline::access::Access;
use bowline::api::{DiscoverySourceSpec, Table};
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::discovery::Answer;
use bowline::discovery::reach::Reach;
use bowline::discovery::run::{Limits, Silent, ask_all, build};
use bowline::estate::{Declared, Estate, Origin};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::peers::player::{Asked, Play, answer};

/// What must never show.
pub const TOKEN: &str = "canary-4711-token";

/// The map of every source here.
const MAP: &str = "map: {class: '\"server\"', key: .id, name: .name}\n";

/// The credential `api`, bound to these hosts.
pub fn token(hosts: &[&str]) -> Credentials {
    login(hosts, Login::Token { user: Some("alice".into()), token: Secret::new(TOKEN) })
}

/// The same with another login.
pub fn login(hosts: &[&str], login: Login) -> Credentials {
    Credentials::of([Credential { name: "api".into(), hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(), login }])
}

/// What a source may reach: everything on this machine, with the credential `api` for it.
pub fn reach() -> Reach {
    Reach::new(PathBuf::from("/nonexistent"), Arc::new(Access::default())).with_credentials(Arc::new(token(&["127.0.0.1"])))
}

/// Asks a source that is declared so; `http` is the value of its member, where `URL` stands for the server's address.
pub async fn ask(url: &str, http: &str) -> Answer {
    ask_with(url, http, "items: '.items[]'\n", reach()).await
}

/// The same, with other members of the `spec` and another reach.
pub async fn ask_with(url: &str, http: &str, more: &str, reach: Reach) -> Answer {
    let map = if more.contains("map:") { "" } else { MAP };
    let spec: DiscoverySourceSpec = serde_yaml::from_str(&format!("http: {}\n{more}{map}", http.replace("URL", url))).unwrap();
    let declared = Declared { name: "api".into(), labels: Table::default(), spec, origin: Origin::default() };
    let estate = Estate { sources: vec![declared], ..Estate::default() };
    let (asked, refused) = build(&estate, &reach, Timestamp::UNIX_EPOCH);
    let (_keep, stop) = watch::channel(false);
    let mut answers = ask_all(asked, &Limits::default(), Timestamp::UNIX_EPOCH, &Silent, stop).await;
    answers.extend(refused);
    let answer = answers.pop().unwrap();
    assert!(!format!("{answer:?}").contains(TOKEN), "a secret in {answer:?}");
    answer
}

/// The keys of what was found.
pub fn keys(answer: &Answer) -> Vec<&str> {
    answer.items.iter().map(|item| &*item.key).collect()
}

/// That everything was found.
#[track_caller]
pub fn complete(answer: &Answer, expected: &[&str]) {
    assert_eq!((answer.complete, answer.error.as_deref()), (true, None));
    assert_eq!(keys(answer), expected);
}

/// That not everything was, and that it says why.
#[track_caller]
pub fn incomplete(answer: &Answer, why: &[&str], expected: &[&str]) {
    let error = answer.error.as_deref().unwrap_or_default();
    assert!(!answer.complete && why.iter().all(|why| error.contains(why)), "{error}");
    assert_eq!(keys(answer), expected);
}

/// The parameters of a request.
pub fn query(asked: &Asked) -> BTreeMap<String, String> {
    let url: reqwest::Url = format!("http://x{}", asked.path).parse().unwrap();
    url.query_pairs().into_owned().collect()
}

/// An answer with these items and these members.
pub fn page(ids: &[&str], more: &str) -> Play {
    let items: Vec<String> = ids.iter().map(|id| format!(r#"{{"id": "{id}", "name": "n-{id}"}}"#)).collect();
    answer(200, &[], &format!(r#"{{"items": [{}]{more}}}"#, items.join(", ")))
}
