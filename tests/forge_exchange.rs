//! The HTTP exchange that GitHub and Gitea share, under every fault of an answer. The faults are played by a stand-in of our
//! own (`peers::player`): no real forge can be asked to have them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;

use std::time::{Duration, Instant};

use bowline::access::Access;
use bowline::api::Text;
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::forge::Error;
use bowline::forge::hosted::exchange::{Exchange, Repeat, json};
use bowline::forge::hosted::{Fault, Patience, Place};
use http::{Method, Request, Response};

use peers::player::{Asked, Play, Player, answer};

const TOKEN: &str = "ghp_canary4711canary4711";

fn patience() -> Patience {
    Patience {
        timeout: Duration::from_millis(600),
        tries: 3,
        pause: Duration::from_millis(5),
        longest_wait: Duration::from_secs(3),
        per_minute: 1000,
        per_hour: 1000,
    }
}

fn credentials(host: &str) -> Credentials {
    let login = Login::Token { user: None, token: Secret::new(TOKEN) };
    Credentials::of([Credential { name: Text::from("forge"), hosts: vec![host.parse().unwrap()], login }])
}

fn exchange_of(url: &str, access: &Access, patience: Patience) -> Result<Exchange, Error> {
    let credentials = credentials("127.0.0.1");
    let place = Place { url: Some(url), repository: "harbour/estate", credential: Some("forge"), credentials: &credentials, access, patience };
    Exchange::new("Forge", &place, &url.parse().unwrap())
}

fn exchange(player: &Player) -> Exchange {
    exchange_of(&player.url(), &Access::default(), patience()).unwrap()
}

fn request(url: &str, method: Method) -> Request<Vec<u8>> {
    let builder = Request::builder().method(method).uri(url).header("authorization", format!("Bearer {TOKEN}")).header("accept", "application/json");
    builder.body(b"{}".to_vec()).unwrap()
}

async fn ask(exchange: &Exchange, player: &Player, repeat: Repeat) -> Result<Response<Vec<u8>>, Error> {
    let method = if repeat == Repeat::Read { Method::GET } else { Method::POST };
    exchange.send(request(&format!("{}/repos/harbour/estate/pulls?x=1", player.url()), method), repeat, "the list of pull requests").await
}

fn fault(result: Result<Response<Vec<u8>>, Error>) -> Fault {
    match result {
        Err(Error::Hosted(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

/// Plays the same for every request; the fault, and how many requests were sent.
async fn after(play: Play, repeat: Repeat) -> (Fault, usize) {
    let player = Player::start(move |_, _| play.clone());
    let exchange = exchange(&player);
    let fault = fault(ask(&exchange, &player, repeat).await);
    let text = format!("{fault} {fault:?} {:?}", fault.hint());
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(exchange.sent(), player.asked().len() as u64);
    (fault, player.asked().len())
}

fn message(text: &str) -> String {
    format!("{{\"message\":\"{text}\"}}")
}

/// What is expected of a fault: the start of its words, and how many requests it takes with each way of repetition.
struct Case {
    name: &'static str,
    play: Play,
    says: &'static str,
    read: usize,
    same: usize,
    once: usize,
    /// Whether something that is made may have been made all the same.
    uncertain: bool,
}

fn case(name: &'static str, play: Play, says: &'static str, (read, same, once): (usize, usize, usize), uncertain: bool) -> Case {
    Case { name, play, says, read, same, once, uncertain }
}

fn cases() -> Vec<Case> {
    let page = [("content-type", "text/html; charset=utf-8")];
    let long = [("retry-after", "3600")];
    let used_up = [("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4102444800")];
    let validation = r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"head","code":"invalid"}]}"#;
    vec![
        case("401", answer(401, &[], &message(&format!("Bad credentials {TOKEN}"))), "Forge does not accept the credential: Bad credentials", (1, 1, 1), false),
        case("403", answer(403, &[], &message("Resource not accessible")), "Forge does not allow the list of pull requests: Resource not", (1, 1, 1), false),
        case("403 used up", answer(403, &used_up, &message("API rate limit exceeded")), "Forge takes no more requests until 2", (1, 1, 1), false),
        case("403 secondary", answer(403, &long, &message("You have exceeded a secondary rate limit")), "Forge takes no more requests", (1, 1, 1), false),
        case("403 secondary, unsaid", answer(403, &[], &message("You have exceeded a secondary rate limit")), "Forge takes no more", (1, 1, 1), false),
        case(
            "403 archived",
            answer(403, &[], &message("Repository was archived so is read-only.")),
            "the repository `harbour/estate` is read-only",
            (1, 1, 1),
            false,
        ),
        case("423", answer(423, &[], &message("Repo is archived.")), "the repository `harbour/estate` is read-only", (1, 1, 1), false),
        case("404", answer(404, &[], &message("Not Found")), "Forge has no list of pull requests, or the credential may not see it", (1, 1, 1), false),
        case("404 as a page", answer(404, &page, "<html>"), "http://127.0.0.1:PORT/repos/harbour/estate/pulls does not answer as Forge", (1, 1, 1), false),
        case("405", answer(405, &[], &message("not mergeable")), "Forge refuses the list of pull requests (405): not mergeable", (1, 1, 1), false),
        case("409", answer(409, &[], &message("Head branch was modified")), "Forge refuses the list of pull requests (409): Head", (1, 1, 1), false),
        case("410", answer(410, &[], &message("Issues are disabled")), "Forge refuses the list of pull requests (410): Issues", (1, 1, 1), false),
        case(
            "422",
            answer(422, &[], validation),
            "Forge refuses the list of pull requests (422): Validation Failed: PullRequest.head invalid",
            (1, 1, 1),
            false,
        ),
        case("429", answer(429, &long, ""), "Forge takes no more requests until 2", (1, 1, 1), false),
        case("429, unsaid", answer(429, &[], ""), "Forge takes no more requests until 2", (1, 1, 1), false),
        case("451", answer(451, &[], &message("legal")), "Forge does not allow the list", (1, 1, 1), false),
        case("500", answer(500, &[], &message("oops")), "Forge could not be asked for the list of pull requests: it answers 500: oops", (3, 3, 1), true),
        case("502 as a page", answer(502, &page, "<html>Unicorn!"), "Forge could not be asked for the list of pull requests: it answers 502", (3, 3, 1), true),
        case("503", answer(503, &[], ""), "Forge could not be asked for the list of pull requests: it answers 503", (3, 3, 1), true),
        case("504", answer(504, &[], ""), "Forge could not be asked for the list of pull requests: it answers 504", (3, 3, 1), true),
        case("cut before the answer", Play::Cut, "Forge could not be asked for the list of pull requests: ", (3, 3, 1), true),
        case("cut in the answer", Play::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()), "Forge could not be asked", (3, 3, 1), true),
        case(
            "a stall",
            Play::Stall(Duration::from_millis(900)),
            "Forge could not be asked for the list of pull requests: no whole answer within 600 ms",
            (3, 3, 1),
            true,
        ),
        case(
            "a log-in page",
            answer(200, &page, "<html>Sign in"),
            "http://127.0.0.1:PORT/repos/harbour/estate/pulls does not answer as Forge",
            (1, 1, 1),
            true,
        ),
        case(
            "text",
            answer(200, &[("content-type", "text/plain")], "hello"),
            "http://127.0.0.1:PORT/repos/harbour/estate/pulls does not answer",
            (1, 1, 1),
            true,
        ),
        case("511", answer(511, &page, "<html>"), "http://127.0.0.1:PORT/repos/harbour/estate/pulls does not answer as Forge", (1, 1, 1), false),
        case("no HTTP", Play::Bytes(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), "Forge could not be asked for the list of pull requests: ", (3, 3, 1), true),
    ]
}

/// The table of the issue. scala-steward#2355, gh-gei#1425: limits; a 5xx that is repeated as it is makes twins.
#[tokio::test]
async fn each_fault_of_an_answer_is_one_clear_condition_and_what_makes_something_is_never_repeated() {
    for case in cases() {
        for (repeat, requests) in [(Repeat::Read, case.read), (Repeat::Same, case.same), (Repeat::Once, case.once)] {
            let (fault, sent) = after(case.play.clone(), repeat).await;
            let text = fault.to_string();
            let port = text.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("PORT");
            let text = text.replace(port, "PORT");
            assert!(text.starts_with(case.says), "{} {repeat:?}: {text}", case.name);
            assert_eq!(sent, requests, "{} {repeat:?}", case.name);
            assert_eq!(fault.uncertain(), case.uncertain && repeat != Repeat::Read, "{} {repeat:?}: {fault:?}", case.name);
        }
    }
}

#[tokio::test]
async fn a_read_is_tried_again_after_a_502_and_gives_the_answer() {
    let player = Player::start(|_, number| if number < 2 { answer(502, &[], "") } else { answer(200, &[], "[1]") });
    let exchange = exchange(&player);
    let response = ask(&exchange, &player, Repeat::Read).await.unwrap();
    assert_eq!(json::<Vec<u32>>(&response, "a list").unwrap(), [1]);
    assert_eq!(exchange.sent(), 3);
}

#[tokio::test]
async fn nobody_at_the_port_is_certain_to_have_done_nothing() {
    let url = format!("http://127.0.0.1:{}", peers::free_port());
    let exchange = exchange_of(&url, &Access::default(), patience()).unwrap();
    let fault = fault(exchange.send(request(&format!("{url}/x"), Method::POST), Repeat::Once, "the pull request").await);
    assert!(matches!(&fault, Fault::Unavailable { uncertain: false, reason, .. } if reason.contains("refused")), "{fault:?}");
    assert_eq!(exchange.sent(), 1);
}

/// A limited request was not carried out, so that even what makes something is sent again.
#[tokio::test]
async fn a_limit_that_is_short_is_waited_for() {
    for limited in [answer(429, &[("retry-after", "1")], ""), answer(403, &[("retry-after", "1")], &message("You have exceeded a secondary rate limit"))] {
        let player = Player::start(move |_, number| if number == 0 { limited.clone() } else { answer(201, &[], "{}") });
        let exchange = exchange(&player);
        let begun = Instant::now();
        ask(&exchange, &player, Repeat::Once).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(exchange.sent(), 2);
    }
}

#[tokio::test]
async fn after_a_long_limit_nothing_is_sent_until_it_has_passed() {
    let player = Player::start(|_, _| answer(429, &[("retry-after", "3600")], &message("slow down")));
    let exchange = exchange(&player);
    for _ in 0..3 {
        let fault = fault(ask(&exchange, &player, Repeat::Read).await);
        let Fault::Limited { until, said, .. } = fault else { panic!("{fault:?}") };
        let wait = until.duration_since(jiff::Timestamp::now()).as_secs();
        assert!((3590..=3600).contains(&wait) && said == "slow down", "{wait} {said}");
    }
    assert_eq!(player.asked().len(), 1);
}

#[tokio::test]
async fn a_limit_that_is_played_for_ever_ends() {
    let player = Player::start(|_, _| answer(429, &[("retry-after", "0")], ""));
    let exchange = exchange(&player);
    assert!(matches!(fault(ask(&exchange, &player, Repeat::Read).await), Fault::Limited { .. }));
    assert_eq!(exchange.sent(), 3);
}

#[tokio::test]
async fn the_last_request_of_a_quota_is_the_last() {
    let used_up = [("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "4102444800")];
    let player = Player::start(move |_, _| answer(200, &used_up, "[]"));
    let exchange = exchange(&player);
    ask(&exchange, &player, Repeat::Read).await.unwrap();
    assert!(matches!(fault(ask(&exchange, &player, Repeat::Read).await), Fault::Limited { .. }));
    assert_eq!(player.asked().len(), 1, "the forge did not have to refuse");
    let quota = exchange.quota().unwrap();
    assert_eq!((quota.limit, quota.remaining), (60, 0));
}

/// GitHub's secondary limits: about 80 content creations a minute, 500 an hour.
#[tokio::test]
async fn what_changes_something_keeps_the_pace_of_the_hour_and_reading_does_not() {
    let player = Player::start(|_, _| answer(200, &[], "{}"));
    let exchange = exchange_of(&player.url(), &Access::default(), Patience { per_hour: 2, ..patience() }).unwrap();
    for _ in 0..2 {
        ask(&exchange, &player, Repeat::Once).await.unwrap();
    }
    assert!(fault(ask(&exchange, &player, Repeat::Once).await).to_string().contains("at most 2 changes an hour"));
    ask(&exchange, &player, Repeat::Read).await.unwrap();
    assert_eq!(player.asked().len(), 3);
}

#[tokio::test]
async fn an_answer_of_200_mb_is_not_read() {
    let begun = Instant::now();
    let player = Player::start(|_, _| Play::Flood(200 << 20));
    let exchange = exchange_of(&player.url(), &Access::default(), Patience { timeout: Duration::from_secs(20), ..patience() }).unwrap();
    let fault = fault(ask(&exchange, &player, Repeat::Read).await);
    assert!(matches!(&fault, Fault::NotTheApi { reason, .. } if reason.contains("larger than 32 MiB")), "{fault:?}");
    assert_eq!(exchange.sent(), 1, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn json_that_is_cut_off_is_not_the_api() {
    let player = Player::start(|_, _| answer(201, &[], "{\"number\": 1"));
    let exchange = exchange(&player);
    for (repeat, uncertain) in [(Repeat::Read, false), (Repeat::Once, true)] {
        let response = ask(&exchange, &player, repeat).await.unwrap();
        let error = json::<serde_json::Value>(&response, "a pull request").unwrap_err();
        assert!(error.to_string().contains("its answer cannot be read as a pull request: EOF"), "{error}");
        assert_eq!(error.uncertain(), uncertain);
    }
}

/// argo-cd#16193 and flux#3339: a secret that goes elsewhere.
#[tokio::test]
async fn a_redirect_is_not_followed_and_the_credential_goes_nowhere_else() {
    let other = Player::start(|_, _| answer(200, &[], "[]"));
    let to = format!("{}/evil", other.url());
    for status in [301, 302, 303, 307, 308] {
        let to = to.clone();
        let player = Player::start(move |_, _| answer(status, &[("location", &to)], ""));
        let exchange = exchange(&player);
        let fault = fault(ask(&exchange, &player, Repeat::Once).await);
        assert!(matches!(&fault, Fault::NotTheApi { reason, uncertain: false, .. } if reason.contains("/evil, which was not followed")), "{fault:?}");
        assert_eq!(exchange.sent(), 1);
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_repository_that_has_moved_is_named_with_its_new_place() {
    let player = Player::start(|_, _| answer(301, &[("location", "/repos/harbour/new-name/pulls")], ""));
    let fault = fault(ask(&exchange(&player), &player, Repeat::Read).await);
    assert!(
        matches!(&fault, Fault::Setting { what: "repository", text, reason } if text == "harbour/estate" && reason.contains("/repos/harbour/new-name/pulls"))
    );
    assert!(fault.concerns_all());
}

#[tokio::test]
async fn nothing_is_sent_to_another_host_than_the_forges() {
    let (player, other) = (Player::start(|_, _| answer(200, &[], "[]")), Player::start(|_, _| answer(200, &[], "[]")));
    let exchange = exchange(&player);
    let userinfo = format!("http://x@127.0.0.1:{}/", player.port);
    for url in [format!("{}/x", other.url()), format!("http://localhost:{}/x", player.port), format!("https://127.0.0.1:{}/x", player.port), userinfo] {
        let fault = fault(exchange.send(request(&url, Method::GET), Repeat::Read, "it").await);
        assert!(matches!(fault, Fault::Setting { what: "address", .. }), "{fault:?}");
    }
    assert!(player.asked().is_empty() && other.asked().is_empty());
}

/// Rule 8: link-local addresses are where clouds keep a machine's own secrets.
#[test]
fn addresses_that_are_not_allowed_are_refused_before_anything_is_sent() {
    let credentials = credentials("169.254.169.254");
    let place = Place { url: None, repository: "a/b", credential: Some("forge"), credentials: &credentials, access: &Access::default(), patience: patience() };
    let error = Exchange::new("Forge", &place, &"https://169.254.169.254/api".parse().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Access(_)), "{error}");
    // A credential that is not bound to the host, an unencrypted one, one with a password in its address.
    let error = Exchange::new("Forge", &place, &"https://127.0.0.1/api".parse().unwrap()).unwrap_err();
    assert!(matches!(error, Error::Credential(_)), "{error}");
    for url in ["http://forge.example.com/", "https://alice:canary@forge.example.com/", "ftp://forge.example.com/", "https://forge.example.com/?a=b"] {
        let error = Exchange::new("Forge", &place, &url.parse().unwrap()).unwrap_err();
        assert!(matches!(&error, Error::Hosted(Fault::Setting { what: "address", .. })), "{error}");
        assert!(!error.to_string().contains("canary"));
    }
}

#[tokio::test]
async fn a_name_that_leads_to_an_address_that_is_not_allowed_is_refused() {
    let player = Player::start(|_, _| answer(200, &[], "[]"));
    let access = Access { allow_net: vec!["192.0.2.1".parse().unwrap()], ..Access::default() };
    let url = format!("http://localhost:{}", player.port);
    let credentials = credentials("localhost");
    let place = Place { url: None, repository: "a/b", credential: Some("forge"), credentials: &credentials, access: &access, patience: patience() };
    let exchange = Exchange::new("Forge", &place, &url.parse().unwrap()).unwrap();
    let error = exchange.send(request(&format!("{url}/x"), Method::GET), Repeat::Read, "it").await.unwrap_err();
    assert!(matches!(error, Error::Access(_)), "{error:?}");
    assert!(player.asked().is_empty());
}

fn tagged(asked: &Asked) -> Play {
    if asked.header("if-none-match") == Some("\"v1\"") {
        return answer(304, &[("etag", "\"v1\"")], "");
    }
    answer(200, &[("etag", "\"v1\""), ("link", "<http://127.0.0.1/next>; rel=\"next\"")], "[1,2]")
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let player = Player::start(|asked, _| tagged(asked));
    let exchange = exchange(&player);
    for _ in 0..2 {
        let response = ask(&exchange, &player, Repeat::Read).await.unwrap();
        assert_eq!((response.status().as_u16(), json::<Vec<u32>>(&response, "a list").unwrap()), (200, vec![1, 2]));
        assert!(response.headers().contains_key("link"), "where the next page is stays known");
    }
    let asked = player.asked();
    assert_eq!((asked[0].header("if-none-match"), asked[1].header("if-none-match")), (None, Some("\"v1\"")));
}

/// octokit/handbook#8: for a moment, servers do not know a token of an App that was given out just now.
#[tokio::test]
async fn a_refusal_just_after_a_token_was_given_out_is_tried_again() {
    for status in [401, 403] {
        let player = Player::start(move |_, number| if number == 0 { answer(status, &[], &message("Bad credentials")) } else { answer(200, &[], "[]") });
        let exchange = exchange(&player);
        exchange.fresh_token();
        ask(&exchange, &player, Repeat::Once).await.unwrap();
        assert_eq!(exchange.sent(), 2);
    }
    let player = Player::start(|_, _| answer(403, &[], &message("no")));
    let exchange = exchange(&player);
    exchange.fresh_token();
    assert!(matches!(fault(ask(&exchange, &player, Repeat::Once).await), Fault::Forbidden { .. }));
    assert_eq!(exchange.sent(), 3, "a few times only");
}

#[tokio::test]
async fn what_a_forge_says_stands_on_one_line_in_bounds_and_without_secrets() {
    let body = message(&format!("bad\\n\\u001b[31m{}Bearer {TOKEN}", "x".repeat(30)));
    let player = Player::start(move |_, _| answer(422, &[], &body));
    let text = fault(ask(&exchange(&player), &player, Repeat::Read).await).to_string();
    assert!(text.ends_with(&format!("bad [31m{}Bearer (secret)", "x".repeat(30))), "{text}");
}
