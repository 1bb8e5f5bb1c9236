//! Stand-ins that page and fail as ServiceNow, Dynatrace, Tenable and NetBox document it.

use crate::asking::{TOKEN, ask_with, complete, incomplete, keys, query, reach};
use crate::peers::player::{Asked, Play, Player, answer};

/// A table of 25 rows of which the account may not see 7: the limit is applied before that.
pub fn servicenow(asked: &Asked) -> Play {
    let visible = |row: &usize| !(5..=9).contains(row) && ![12, 24].contains(row);
    let query = query(asked);
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let (limit, offset) = (number("sysparm_limit").unwrap_or(10_000), number("sysparm_offset").unwrap_or(0));
    let filter = query.get("sysparm_query").map(String::as_str).unwrap_or_default();
    assert!(filter.ends_with("ORDERBYsys_id"), "{filter}");
    let after = filter.strip_prefix("sys_id>").and_then(|rest| rest.split_once('^')).map_or("", |(key, _)| key).to_owned();
    let matching: Vec<usize> = (0..25).filter(|row| format!("s{row:02}") > after).collect();
    let page: Vec<usize> = matching.iter().copied().skip(offset).take(limit).collect();
    let rows: Vec<String> = page.iter().filter(|row| visible(row)).map(|row| format!(r#"{{"sys_id": "s{row:02}", "name": "ci-{row}"}}"#)).collect();
    let count = matching.len().to_string();
    let more = offset + limit < matching.len();
    let link = format!(
        "<http://127.0.0.1/api/now/table/cmdb_ci_server?sysparm_offset=0>;rel=\"first\"{}",
        if more {
            format!(
                ",<{}?sysparm_query={}&sysparm_limit={limit}&sysparm_offset={}>;rel=\"next\"",
                asked.path.split('?').next().unwrap(),
                filter.replace('^', "%5E").replace('>', "%3E"),
                offset + limit
            )
        } else {
            String::new()
        }
    );
    answer(200, &[("x-total-count", &count), ("link", &link)], &format!(r#"{{"result": [{}]}}"#, rows.join(",")))
}

const SERVICENOW_MAP: &str = "items: '.result[]'\nmap: {class: '\"server\"', key: .sys_id, name: .name}\n";
const VISIBLE: [&str; 18] = ["s00", "s01", "s02", "s03", "s04", "s10", "s11", "s13", "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23"];

#[tokio::test(flavor = "multi_thread")]
async fn servicenow_is_read_by_key_past_short_and_empty_pages() {
    let server = Player::start(|asked, _| servicenow(asked));
    let http = "{url: URL/api/now, list: {path: table/cmdb_ci_server, query: {sysparm_query: ORDERBYsys_id, sysparm_limit: 5},
        paging: {key: {parameter: sysparm_query, of: .sys_id, value: 'sys_id>{key}^ORDERBYsys_id'}}}}";
    complete(&ask_with(&server.url(), http, SERVICENOW_MAP, reach()).await, &VISIBLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn servicenow_that_counts_rows_which_the_account_may_not_see_is_incomplete() {
    let server = Player::start(|asked, _| servicenow(asked));
    let http = "{url: URL/api/now, list: {path: table/cmdb_ci_server, totalHeader: X-Total-Count, query: {sysparm_query: ORDERBYsys_id, sysparm_limit: 5},
        paging: {key: {parameter: sysparm_query, of: .sys_id, value: 'sys_id>{key}^ORDERBYsys_id'}}}}";
    incomplete(&ask_with(&server.url(), http, SERVICENOW_MAP, reach()).await, &["counts 25 items and gave 18"], &VISIBLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn servicenow_by_offset_is_never_taken_for_complete() {
    let server = Player::start(|asked, _| servicenow(asked));
    let http = "{url: URL/api/now, list: {path: table/cmdb_ci_server, totalHeader: X-Total-Count, query: {sysparm_query: ORDERBYsys_id, sysparm_limit: 5},
        paging: {offset: {parameter: sysparm_offset}}}}";
    let answer = ask_with(&server.url(), http, SERVICENOW_MAP, reach()).await;
    incomplete(&answer, &["counts 25 items"], &keys(&answer));
}

/// 5 hosts, 2 a page; the mark refuses any other parameter beside it.
fn dynatrace(asked: &Asked) -> Play {
    assert_eq!(asked.header("authorization"), Some(format!("Api-Token {TOKEN}").as_str()));
    let query = query(asked);
    if query.contains_key("nextPageKey") && query.len() > 1 {
        return answer(400, &[], r#"{"error": {"code": 400, "message": "Constraints violated: only nextPageKey is allowed"}}"#);
    }
    if !query.contains_key("nextPageKey") {
        assert_eq!((query["entitySelector"].as_str(), query["from"].as_str()), ("type(\"HOST\")", "now-30d"));
    }
    let start: usize = query.get("nextPageKey").map_or(0, |mark| mark.trim_start_matches("AQA=").parse().unwrap());
    let hosts: Vec<String> = (start..5).take(2).map(|host| format!(r#"{{"entityId": "HOST-{host}", "displayName": "h{host}"}}"#)).collect();
    let next = if start + 2 < 5 { format!(r#", "nextPageKey": "AQA={}""#, start + 2) } else { String::new() };
    answer(200, &[], &format!(r#"{{"totalCount": 5, "pageSize": 2{next}, "entities": [{}]}}"#, hosts.join(",")))
}

const DYNATRACE_MAP: &str = "items: '.entities[]'\nmap: {class: '\"server\"', key: .entityId, name: .displayName}\n";

fn dynatrace_source(alone: bool) -> String {
    format!(
        "{{url: URL, credentials: api, authorization: {{value: 'Api-Token {{secret}}'}},
          list: {{path: api/v2/entities, query: {{entitySelector: 'type(\"HOST\")', from: now-30d, pageSize: 2}}, total: .totalCount,
                 paging: {{cursor: {{parameter: nextPageKey, value: .nextPageKey, alone: {alone}}}}}}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn dynatrace_is_asked_for_the_next_page_by_its_mark_alone() {
    let server = Player::start(|asked, _| dynatrace(asked));
    complete(&ask_with(&server.url(), &dynatrace_source(true), DYNATRACE_MAP, reach()).await, &["HOST-0", "HOST-1", "HOST-2", "HOST-3", "HOST-4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dynatrace_that_refuses_other_parameters_beside_the_mark_is_incomplete() {
    let server = Player::start(|asked, _| dynatrace(asked));
    let answer = ask_with(&server.url(), &dynatrace_source(false), DYNATRACE_MAP, reach()).await;
    incomplete(&answer, &["page 2", "400: Constraints violated: only nextPageKey is allowed"], &["HOST-0", "HOST-1"]);
}

/// An export of 3 assets in 2 chunks, through these states.
fn tenable(states: &'static [&'static str], asked: &Asked, number: usize) -> Play {
    assert_eq!(asked.header("x-apikeys"), Some(format!("accessKey=alice;secretKey={TOKEN}").as_str()));
    match (&*asked.method, &*asked.path) {
        ("POST", "/assets/v2/export") => {
            assert_eq!(String::from_utf8_lossy(&asked.body), r#"{"chunk_size":1000}"#);
            answer(200, &[], r#"{"export_uuid": "e-1"}"#)
        }
        ("GET", "/assets/export/e-1/status") => {
            let state = states[(number - 1).min(states.len() - 1)];
            if state == "429" {
                return answer(429, &[("retry-after", "1")], r#"{"error": "Rate limit exceeded"}"#);
            }
            answer(200, &[], &format!(r#"{{"uuid": "e-1", "status": "{state}", "chunks_available": [1, 2], "chunks_failed": []}}"#))
        }
        ("GET", "/assets/export/e-1/chunks/1") => answer(200, &[], r#"[{"id": "a"}, {"id": "b"}]"#),
        ("GET", "/assets/export/e-1/chunks/2") => answer(200, &[], r#"[{"id": "c"}]"#),
        other => panic!("{other:?}"),
    }
}

const TENABLE: &str = "{url: URL, credentials: api, authorization: {header: X-ApiKeys, value: 'accessKey={user};secretKey={secret}'},
    list: {export: {start: assets/v2/export, body: {chunk_size: 1000}, id: .export_uuid, status: 'assets/export/{id}/status', state: .status,
      done: [FINISHED], failed: [ERROR, CANCELLED], chunks: .chunks_available, lost: .chunks_failed, chunk: 'assets/export/{id}/chunks/{chunk}', every: 1s}}}";

#[tokio::test(flavor = "multi_thread")]
async fn tenable_is_started_asked_after_and_fetched_in_chunks() {
    let server = Player::start(|asked, number| tenable(&["QUEUED", "429", "PROCESSING", "FINISHED"], asked, number));
    complete(&ask_with(&server.url(), TENABLE, "", reach()).await, &["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_tenable_that_ends_in_error_is_an_incomplete_answer() {
    let server = Player::start(|asked, number| tenable(&["QUEUED", "ERROR"], asked, number));
    incomplete(&ask_with(&server.url(), TENABLE, "", reach()).await, &["the job ended in the state ERROR"], &[]);
    assert!(server.asked().iter().all(|asked| !asked.path.contains("chunks")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_never_ends_is_left_in_time() {
    let server = Player::start(|asked, number| tenable(&["PROCESSING"], asked, number));
    let begun = std::time::Instant::now();
    incomplete(&ask_with(&server.url(), TENABLE, "timeout: 8s\n", reach()).await, &["not done within the time of the source"], &[]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_could_not_be_made_or_fetched_make_the_answer_incomplete() {
    let lost = Player::start(|asked, number| {
        let finished = asked.path.ends_with("status");
        if finished { answer(200, &[], r#"{"status": "FINISHED", "chunks_available": [1], "chunks_failed": [2]}"#) } else { tenable(&[""], asked, number) }
    });
    incomplete(&ask_with(&lost.url(), TENABLE, "", reach()).await, &["1 chunk could not be made"], &["a", "b"]);
    let gone = Player::start(|asked, number| if asked.path.ends_with("chunks/2") { answer(404, &[], "{}") } else { tenable(&["FINISHED"], asked, number) });
    incomplete(&ask_with(&gone.url(), TENABLE, "", reach()).await, &["chunk 2", "404"], &["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_not_started_twice_where_it_may_have_been_started() {
    let server = Player::start(|_, _| Play::Cut);
    incomplete(&ask_with(&server.url(), TENABLE, "", reach()).await, &["export", "not started again"], &[]);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn netbox_is_followed_by_its_next_addresses() {
    let server = Player::start(|asked, _| {
        assert_eq!(asked.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        let host = asked.header("host").unwrap();
        let offset: usize = query(asked).get("offset").map_or(0, |offset| offset.parse().unwrap());
        let rows: Vec<String> = (offset..5).take(2).map(|id| format!(r#"{{"id": {id}, "name": "vm{id}"}}"#)).collect();
        let next =
            if offset + 2 < 5 { format!(r#""http://{host}/api/virtualization/virtual-machines/?limit=2&offset={}""#, offset + 2) } else { "null".into() };
        answer(200, &[], &format!(r#"{{"count": 5, "next": {next}, "previous": null, "results": [{}]}}"#, rows.join(",")))
    });
    let http = "{url: URL/api/, credentials: api, list: {path: virtualization/virtual-machines/, query: {limit: 2}, paging: {next: .next}, total: .count}}";
    complete(&ask_with(&server.url(), http, "items: '.results[]'\n", reach()).await, &["0", "1", "2", "3", "4"]);
}
