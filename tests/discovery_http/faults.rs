//! What is short, repeated, throttled, too large, too slow, not JSON or refused in part: a clear, bounded, incomplete answer.

use std::time::{Duration, Instant};

use crate::asking::{ask, ask_with, complete, incomplete, page, query, reach};
use crate::peers::player::{Play, Player, answer};

const BY_NEXT: &str = "{url: URL, list: {path: list, paging: {next: .next}}}";

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_read_to_the_last_one() {
    let server = Player::start(|asked, _| match &*asked.path {
        "/list" => page(&["a", "b"], r#", "next": "/list?p=2""#),
        "/list?p=2" => page(&["c"], r#", "next": null"#),
        other => panic!("{other}"),
    });
    let answer = ask(&server.url(), BY_NEXT).await;
    complete(&answer, &["a", "b", "c"]);
    assert_eq!(*answer.evidence, format!("{}/list", server.url()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_by_offset_ends_with_an_empty_page_and_not_with_a_short_one() {
    let server = Player::start(|asked, _| match query(asked)["offset"].as_str() {
        "0" => page(&["a", "b"], ""),
        "2" => page(&["c"], ""),
        "3" => page(&["d"], ""),
        _ => page(&[], ""),
    });
    complete(&ask(&server.url(), "{url: URL, list: {path: list, query: {limit: 2}, paging: {offset: {parameter: offset}}}}").await, &["a", "b", "c", "d"]);
    assert!(server.asked().iter().all(|asked| query(asked)["limit"] == "2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_has_fewer_items_than_the_server_counts_is_incomplete() {
    let server = Player::start(|_, _| page(&["a", "b"], r#", "count": 3"#));
    incomplete(&ask(&server.url(), "{url: URL, list: {path: list, total: .count}}").await, &["counts 3 items and gave 2"], &["a", "b"]);
}

// Paging that loses or repeats rows (offset paging over a moving table).
#[tokio::test(flavor = "multi_thread")]
async fn items_that_come_on_two_pages_are_kept_once_and_told() {
    let server = Player::start(|asked, _| match query(asked)["offset"].as_str() {
        "0" => page(&["a", "b"], ""),
        "2" => page(&["b", "c"], ""),
        _ => page(&[], ""),
    });
    let answer = ask(&server.url(), "{url: URL, list: {path: list, paging: {offset: {parameter: offset}}}}").await;
    incomplete(&answer, &["1 item came on two pages", "page by key"], &["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_repeats_a_page_for_ever_is_left() {
    let same = Player::start(|_, number| page(&["a", "b"], &format!(r#", "next": "/list?p={number}""#)));
    incomplete(&ask(&same.url(), BY_NEXT).await, &["page 2 holds what came before"], &["a", "b"]);
    let circle = Player::start(|_, _| page(&["a"], r#", "next": "/list""#));
    incomplete(&ask(&circle.url(), BY_NEXT).await, &["page 2 holds what came before"], &["a"]);
    let offset = Player::start(|_, number| page(&["a", "b"], &format!(r#", "request": {number}"#)));
    let answer = ask(&offset.url(), "{url: URL, list: {path: list, paging: {offset: {parameter: offset}}}}").await;
    incomplete(&answer, &["page 2 holds what came before"], &["a", "b"]);
    assert!(same.asked().len() == 2 && circle.asked().len() == 2 && offset.asked().len() == 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_makes_up_new_pages_for_ever_is_left() {
    let server = Player::start(|_, number| page(&[&number.to_string()], &format!(r#", "next": "/list?p={number}""#)));
    let http = "{url: URL, list: {path: list, paging: {next: .next}}, limits: {pages: 5}}";
    incomplete(&ask(&server.url(), http).await, &["more than 5 pages"], &["0", "1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gigabytes_are_not_read() {
    let server = Player::start(|_, _| Play::Flood(2 << 30));
    let begun = Instant::now();
    incomplete(&ask(&server.url(), "{url: URL, list: {path: list}, limits: {answer: 4Mi}}").await, &["larger than 4 MiB", "limits.answer"], &[]);
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(server.asked().len(), 1, "it would be as large again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_a_second_is_not_waited_for() {
    let server = Player::start(|_, _| Play::Drip(1000, Duration::from_secs(1)));
    let begun = Instant::now();
    incomplete(&ask(&server.url(), "{url: URL, list: {path: list}, limits: {request: 1s, tries: 2}}").await, &["no whole answer within 1 s, 2 times"], &[]);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_the_source_bounds_everything_and_what_came_before_stays() {
    let server = Player::start(|_, number| if number == 0 { page(&["a"], r#", "next": "/2""#) } else { Play::Stall(Duration::from_mins(1)) });
    let begun = Instant::now();
    let answer = ask_with(&server.url(), BY_NEXT, "items: '.items[]'\ntimeout: 7s\n", reach()).await;
    incomplete(&answer, &["page 2", "the time of the source is over"], &["a"]);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

// 403 in one region deletes valid nodes: cartography#2658.
#[tokio::test(flavor = "multi_thread")]
async fn a_403_half_way_keeps_what_came_before_and_is_incomplete() {
    let server = Player::start(|_, number| match number {
        0 => page(&["a"], r#", "next": "/2""#),
        _ => answer(403, &[], r#"{"detail": "You do not have permission."}"#),
    });
    incomplete(&ask(&server.url(), BY_NEXT).await, &["page 2", "does not allow it (403: You do not have permission.)"], &["a"]);
}

// Rate limits (429) read as an empty answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_waited_for_as_long_as_it_says_and_then_it_goes_on() {
    let server = Player::start(|_, number| match number {
        0 => page(&["a"], r#", "next": "/2""#),
        1 => answer(429, &[("retry-after", "2")], r#"{"items": []}"#),
        _ => page(&["b"], ""),
    });
    let begun = Instant::now();
    complete(&ask(&server.url(), BY_NEXT).await, &["a", "b"]);
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_that_asks_for_more_than_the_source_may_take_ends_at_once() {
    let server = Player::start(|_, _| answer(429, &[("retry-after", "3600")], "{}"));
    let begun = Instant::now();
    incomplete(&ask(&server.url(), BY_NEXT).await, &["429", "longer than the source may take"], &[]);
    assert!(begun.elapsed() < Duration::from_secs(2) && server.asked().len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_is_asked_again_and_then_given_up() {
    let server = Player::start(|_, number| match number {
        0 => answer(502, &[("content-type", "text/html")], "<html>"),
        1 => Play::Cut,
        _ => page(&["a"], ""),
    });
    complete(&ask(&server.url(), BY_NEXT).await, &["a"]);
    let broken = Player::start(|_, _| answer(500, &[], r#"{"message": "out of order"}"#));
    incomplete(&ask(&broken.url(), "{url: URL, list: {path: list}, limits: {tries: 2}}").await, &["fails (500: out of order), 2 times"], &[]);
    assert_eq!(broken.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_answer_in_json_is_told() {
    for (body, kind, why) in [
        ("<html><body>Log in</body></html>", "text/html", "a page for people"),
        ("hello", "text/plain", "not JSON (text/plain"),
        (r#"{"items": [{"id": "a""#, "application/json", "cut short"),
        ("", "application/json", "the answer is empty"),
        ("[]", "application/json", "items:"),
        (r#"{"results": []}"#, "application/json", "items: cannot take the values of null"),
    ] {
        let server = Player::start(move |_, _| answer(200, &[("content-type", kind)], body));
        incomplete(&ask(&server.url(), "{url: URL, list: {path: list}}").await, &[why], &[]);
    }
    let part = Player::start(|_, _| answer(206, &[], r#"{"items": []}"#));
    incomplete(&ask(&part.url(), "{url: URL, list: {path: list}}").await, &["only a part"], &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_says_itself_that_something_is_missing_is_incomplete() {
    let server = Player::start(|_, _| page(&["a"], r#", "errors": [{"message": "shard 3 did not answer"}]"#));
    let http = "{url: URL, list: {path: list, error: '.errors[0].message'}}";
    incomplete(&ask(&server.url(), http).await, &["the server says: shard 3 did not answer"], &["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_page_that_the_source_does_not_ask_for_is_told() {
    let link = |_: &crate::peers::player::Asked, _| answer(200, &[("link", r#"</list?p=2>; rel="next""#)], r#"{"items": [{"id": "a"}]}"#);
    let server = Player::start(link);
    incomplete(&ask(&server.url(), "{url: URL, list: {path: list}}").await, &["has a next page", "give `paging`"], &["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_cannot_be_mapped_is_an_error_on_that_item() {
    let server = Player::start(|_, _| answer(200, &[], r#"{"items": [{"id": "a"}, {"id": {}}, {"id": "c"}]}"#));
    incomplete(&ask(&server.url(), "{url: URL, list: {path: list}}").await, &["page 1, item 2: key"], &["a", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_keep_the_pace_that_is_declared() {
    let server = Player::start(|_, number| {
        let next = if number < 2 { format!(r#", "next": "/list?p={number}""#) } else { String::new() };
        page(&[&number.to_string()], &next)
    });
    let begun = Instant::now();
    complete(&ask(&server.url(), "{url: URL, list: {path: list, paging: {next: .next}}, limits: {perMinute: 120}}").await, &["0", "1", "2"]);
    assert!(begun.elapsed() >= Duration::from_secs(1), "half a second between two");
}
