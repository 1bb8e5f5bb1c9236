//! A credential goes to its hosts and nowhere else (rule 8), and nothing secret shows.

use std::path::PathBuf;
use std::sync::Arc;

use bowline::access::Access;
use bowline::credentials::{Login, Secret};
use bowline::discovery::http::Answers;
use bowline::discovery::reach::Reach;

use crate::asking::{TOKEN, ask, ask_with, complete, incomplete, login, page, query, reach, token};
use crate::peers::player::{Player, answer};
use crate::support::Place;

const ITEMS: &str = "items: '.items[]'\n";
const SIMPLE: &str = "{url: URL, credentials: api, list: {path: list}}";

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_host_is_not_followed() {
    let foreign = Player::start(|_, _| page(&["stolen"], ""));
    let to = format!("{}/list", foreign.url());
    let server = Player::start(move |_, _| answer(302, &[("location", &to)], ""));
    incomplete(&ask(&server.url(), SIMPLE).await, &["not the host of `url`", "nothing was sent there"], &[]);
    assert!(foreign.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_page_on_another_host_is_not_asked_for() {
    let foreign = Player::start(|_, _| page(&["stolen"], ""));
    let next = format!(r#", "next": "{}/list""#, foreign.url());
    let server = Player::start(move |_, _| page(&["a"], &next));
    incomplete(
        &ask(&server.url(), "{url: URL, credentials: api, list: {path: list, paging: {next: .next}}}").await,
        &["page 2", "nothing was sent there"],
        &["a"],
    );
    assert!(foreign.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_on_the_same_host_is_followed_a_few_times() {
    let server = Player::start(|asked, _| if asked.path == "/list" { answer(301, &[("location", "/list/")], "") } else { page(&["a"], "") });
    complete(&ask(&server.url(), SIMPLE).await, &["a"]);
    let circle = Player::start(|_, _| answer(301, &[("location", "/list")], ""));
    incomplete(&ask(&circle.url(), SIMPLE).await, &["sends on again and again"], &[]);
    assert!(circle.asked().len() <= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_not_bound_to_the_host_is_not_sent() {
    let server = Player::start(|_, _| page(&["a"], ""));
    let bound = reach().with_credentials(Arc::new(token(&["api.example.com"])));
    incomplete(&ask_with(&server.url(), SIMPLE, ITEMS, bound).await, &["`api` is not bound to the host"], &[]);
    incomplete(&ask(&server.url(), "{url: URL, credentials: other, list: {path: list}}").await, &["no credential `other`"], &[]);
    assert!(server.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_and_its_password_are_sent_as_basic() {
    let server = Player::start(|asked, _| {
        assert_eq!(asked.header("authorization"), Some("Basic YWxpY2U6c2VjcmV0LXBhc3N3b3Jk"));
        assert_eq!((asked.header("x-tenant"), asked.header("accept")), (Some("blue"), Some("application/vnd.api+json")));
        page(&["a"], "")
    });
    let password = Login::Password { user: "alice".into(), password: Secret::new("secret-password") };
    let reach = reach().with_credentials(Arc::new(login(&["127.0.0.1"], password)));
    let http = "{url: URL, credentials: api, headers: {X-Tenant: blue, Accept: application/vnd.api+json}, list: {path: list}}";
    complete(&ask_with(&server.url(), http, ITEMS, reach).await, &["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_repeats_the_credential_does_not_make_it_show() {
    let server = Player::start(|_, _| answer(401, &[], &format!(r#"{{"detail": "bad token {TOKEN}"}}"#)));
    incomplete(&ask(&server.url(), SIMPLE).await, &["does not accept the credentials (401: bad token (secret))"], &[]);
    let said = Player::start(|_, _| page(&[], &format!(r#", "error": "token {TOKEN} is old""#)));
    incomplete(&ask(&said.url(), "{url: URL, credentials: api, list: {path: list, error: .error}}").await, &["token (secret) is old"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_operator_does_not_allow_is_not_connected_to() {
    let server = Player::start(|_, _| page(&["a"], ""));
    let access = Access { allow_net: vec!["192.0.2.0/24".parse().unwrap()], ..Access::default() };
    let reach = Reach::new(PathBuf::from("/nonexistent"), Arc::new(access));
    incomplete(&ask_with(&server.url(), "{url: URL, list: {path: list}}", ITEMS, reach.clone()).await, &["--allow-net"], &[]);
    incomplete(&ask_with("https://169.254.169.254", "{url: URL, list: {path: latest/meta-data}}", ITEMS, reach).await, &["link-local"], &[]);
    assert!(server.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_told_and_nothing_is_sent() {
    let server = Player::start(|_, _| page(&["a"], ""));
    for (http, why) in [
        ("{url: 'http://api.example.com', list: {path: list}}", "spec.http.url"),
        ("{url: URL, list: {}}", "exactly one of path, export"),
        ("{url: URL, list: {path: list, total: '.['}}", "total"),
        ("{url: URL, headers: {Authorization: abc}, list: {path: list}}", "a credential that the operator gives"),
        ("{url: URL, ca: ../ca.pem, list: {path: list}}", "outside the estate's root"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let reach = Reach::new(root.path().to_owned(), Arc::new(Access::default()));
        incomplete(&ask_with(&server.url(), http, ITEMS, reach).await, &[why], &[]);
    }
    assert!(server.asked().is_empty());
}

#[test]
fn a_check_tells_every_mistake_at_its_line_and_asks_nobody() {
    let place = Place::new();
    let server = Player::start(|_, _| page(&["a"], ""));
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: e}\nspec: {}\n");
    let source = format!(
        "apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {{name: api}}
spec:
  http:
    url: {}
    ca: ../ca.pem
    list:
      path: list?a=b
      total: .[
      paging: {{link: true, next: .next}}
  items: .items[]
",
        server.url()
    );
    place.write("sources.yaml", &source);
    let told = place.bowline(&["check"]).ends_with(2).stdout;
    for (place, code) in [("7:9", "path-outside-root"), ("9:13", "bad-source"), ("10:14", "bad-jq"), ("11:7", "bad-source")] {
        assert!(told.contains(&format!("[sources.yaml:{place}]")) && told.contains(code), "{place} {code} in {told}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_did_not_change_is_not_sent_again() {
    let server = Player::start(|asked, _| match asked.header("if-none-match") {
        Some("\"v1\"") => answer(304, &[], ""),
        _ => answer(200, &[("etag", "\"v1\"")], r#"{"items": [{"id": "a"}]}"#),
    });
    let kept = reach().with_answers(Answers::default());
    for _ in 0..3 {
        complete(&ask_with(&server.url(), SIMPLE, ITEMS, kept.clone()).await, &["a"]);
    }
    let conditional = server.asked().iter().filter(|asked| asked.header("if-none-match").is_some()).count();
    assert_eq!((server.asked().len(), conditional), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_may_be_asked_for_by_post_and_paged_in_its_body() {
    let server = Player::start(|asked, _| {
        let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!((&*asked.method, asked.header("content-type"), &body["filter"]), ("POST", Some("application/json"), &"all".into()));
        assert!(query(asked).contains_key("v"));
        match body["from"].as_u64() {
            Some(0) => page(&["a", "b"], ""),
            Some(2) => page(&["c"], ""),
            _ => page(&[], ""),
        }
    });
    let http = "{url: URL, list: {path: search, query: {v: 1}, body: {filter: all}, paging: {offset: {parameter: from}}}}";
    complete(&ask(&server.url(), http).await, &["a", "b", "c"]);
}
