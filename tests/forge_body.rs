//! What a change board reads, as Gitea itself shows it: a request says what it says, and nothing from an estate or a source
//! becomes more than text in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod builders;
mod peers;
mod support;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bowline::change::markdown;
use bowline::forge::dashboard;
use bowline::forge::life::Standing;
use bowline::plan::{Plan, plan};
use builders::{answer, discovered, item, settings, source};
use peers::gitea::{Gitea, contents};
use serde_json::{Value, json};

/// Everything that Gitea or GitHub could make something of. `ann`, the organisation, the issue and the commit are real.
fn hostile(commit: &str) -> Vec<String> {
    let fixed = [
        "@ann",
        "(@ann)",
        "@everyone",
        "@harbour-crew/pilots",
        "cc @ann: look",
        "ann@example.com",
        "#1",
        "!1",
        "closes #1",
        "GH-1",
        "bowline/hostile#1",
        "bowline/hostile!1",
        "https://evil.example/x",
        "http://127.0.0.1/bowline/hostile/issues/1",
        "www.evil.example",
        "mailto:ann@example.com",
        "ssh://evil.example",
        "[x](http://evil.example)",
        "]](javascript:alert(1))",
        "[[evil]]",
        "![x](http://127.0.0.1/x.png)",
        "[x]: http://evil.example",
        "<https://evil.example>",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href=\"http://evil.example\">x</a>",
        "</td></tr></table>",
        "<!-- x -->",
        "<details open>",
        "&#64;ann",
        "&lt;b&gt;",
        ":smile:",
        ":+1:",
        "$x$",
        "$$x$$",
        "$`x`$",
        "\\(x\\)",
        "```mermaid",
        "~~~",
        "a | b",
        "a \\| b",
        "|---|",
        "` | `",
        "``x```",
        "- [ ] task",
        "1. one",
        "# heading",
        "> quote",
        "---",
        "===",
        "*b* **b** _i_ ~~s~~",
        "[^1]",
        "^[x]",
        "\u{202e}gnp.exe",
        "a\u{200b}b\u{2060}c",
        "two\nlines\r\nthree",
        "\0nul\u{7}",
        "\u{1f600}",
        "%%{init: {}}%%",
        "\"]; click n0 \"http://evil.example\"",
    ];
    let long = [
        format!("@ann {}", "x".repeat(1 << 20)),
        "`@ann ".repeat(1 << 17),
        commit.to_owned(),
        commit[..8].to_owned(),
        format!("bowline/hostile@{commit}"),
        format!("see {commit}."),
    ];
    fixed.iter().map(|text| (*text).to_owned()).chain(long).collect()
}

/// The forge with all that hostile text could reach, and the commit that is real.
struct Place {
    gitea: Gitea,
    repository: String,
    commit: String,
    ann: String,
}

impl Place {
    /// One for all tests of this file.
    fn here() -> Option<&'static Self> {
        static HERE: OnceLock<Option<Place>> = OnceLock::new();
        HERE.get_or_init(Self::new).as_ref()
    }

    fn new() -> Option<Self> {
        let gitea = Gitea::start()?;
        let repository = gitea.create_repository("hostile", &[("bowline.yaml", "kind: Estate\n")]);
        let (_, branch) = gitea.api("GET", &format!("/repos/{repository}/branches/main"), None);
        let commit = branch["commit"]["id"].as_str().expect("a commit").to_owned();
        let ann = gitea.second_user("ann");
        gitea.api("POST", "/orgs", Some(&json!({"username": "harbour-crew"})));
        gitea.api("POST", "/orgs/harbour-crew/teams", Some(&json!({"name": "pilots", "permission": "read", "units": ["repo.code"]})));
        let (status, issue) = gitea.api("POST", &format!("/repos/{repository}/issues"), Some(&json!({"title": "The first", "body": ""})));
        assert_eq!((status, issue["number"].as_u64()), (201, Some(1)), "{issue}");
        Some(Self { gitea, repository, commit, ann })
    }

    /// A pull request with this title and body: its number, and what its page shows as the title and as the body, in HTML.
    fn pull_request(&self, branch: &str, title: &str, body: &str) -> (u64, String, String) {
        let made = json!({"new_branch": branch, "branch": "main", "message": title,
            "files": [{"operation": "create", "path": format!("changes/{branch}.yaml"), "content": "YTogMQo="}]});
        let (status, answer) = self.gitea.api("POST", &format!("/repos/{}/contents", self.repository), Some(&made));
        assert_eq!(status, 201, "{answer}");
        let made = json!({"head": branch, "base": "main", "title": title, "body": body});
        let (status, answer) = self.gitea.api("POST", &format!("/repos/{}/pulls", self.repository), Some(&made));
        assert_eq!(status, 201, "{answer}");
        let page = self.gitea.page(&format!("/{}/pulls/{}", self.repository, answer["number"]));
        let heading = page.split_once("id=\"issue-title-display\"").and_then(|(_, rest)| rest.split_once("</h1>")).expect("a title").0;
        let heading = heading.split_once("<span class=\"index\">").expect("a number").0;
        (answer["number"].as_u64().expect("a number"), heading.to_owned(), contents(&page).swap_remove(0))
    }
}

/// What Gitea made of text that is more than text.
fn more_than_text(html: &str) -> Vec<String> {
    let marks = [
        "<a ",
        "<a>",
        "<img",
        "<script",
        "<input",
        "<iframe",
        "<math",
        "<svg",
        "<video",
        "class=\"emoji",
        "mention",
        "language-math",
        "footnote",
        "<blockquote",
        "attention",
        "onerror=\"",
        "<h4",
        "<h5",
        "<del",
        "<em",
    ];
    marks.iter().filter(|mark| html.contains(**mark)).map(|mark| (*mark).to_owned()).collect()
}

/// Every table of the page as its rows, each as the number of its cells.
fn tables(html: &str) -> Vec<Vec<usize>> {
    let tables = html.split("<table").skip(1).map(|rest| rest.split("</table>").next().unwrap());
    tables
        .map(|table| table.split("<tr").skip(1).map(|row| row.matches("<td").count() + row.matches("<th>").count() + row.matches("<th ").count()).collect())
        .collect()
}

#[test]
fn gitea_shows_foreign_text_as_text() {
    let Some(place) = Place::here() else { return };
    // Gitea makes more of these, so the test can fail.
    let controls = [
        ("@ann", "<a "),
        ("#1", "<a "),
        (&*place.commit, "<a "),
        ("&#64;ann", "<a "),
        ("\\#1", "<a "),
        (":smile:", "emoji"),
        ("ann@example.com", "<a "),
        ("$x$", "math"),
    ];
    let texts = hostile(&place.commit);
    let page = |text: &String| {
        let (code, plain, prose, cell) = (markdown::code(text), markdown::plain(text), markdown::prose(text), markdown::cell(text));
        format!("{plain}\n\nA {plain} in a line.\n\n{prose}\n\n- {prose}\n\n| a | b |\n|---|---|\n| {code} | x |\n| {cell} | y |\n")
    };
    let all: Vec<String> = controls.iter().map(|(text, _)| (*text).to_owned()).chain(texts.iter().map(page)).collect();
    let mut shown = place.gitea.rendered(&place.repository, &all).into_iter();
    for ((text, made), html) in controls.iter().zip(&mut shown) {
        assert!(html.contains(made), "{text}: {html}");
    }
    for (text, html) in texts.iter().zip(shown) {
        let what: String = text.chars().take(60).collect();
        assert_eq!(more_than_text(&html), Vec::<String>::new(), "{what}: {html}");
        assert_eq!(tables(&html), [[2, 2, 2]], "{what}: {html}");
        assert!(html.len() < 20_000, "{what}: {}", html.len());
        assert!(html.matches("<p").count() == 3 && html.matches("<li").count() == 1 && !html.contains("<pre") && !html.contains("<h"), "{what}: {html}");
    }
}

/// A plan in which everything that people or sources can name is one of these texts.
fn plan_of(texts: &[String]) -> Plan {
    let quoted = |text: &str| serde_json::to_string(&text.chars().take(3000).filter(|c| *c != '\0').collect::<String>()).unwrap();
    let mut documents = vec![
        settings("timeZone: Europe/Zurich, changes: {groupBy: [Class]}"),
        source("s", ""),
        "apiVersion: bowline.dev/v1alpha1\nkind: PatchWindow\nmetadata: {name: sunday}\nspec: {selector: {all: true}, start: 2026-01-04T02:00:00, duration: 4h, recurrence: FREQ=WEEKLY;BYDAY=SU}\n".to_owned(),
    ];
    let mut seen = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let (service, text) = (quoted(&format!("of {text}")), quoted(text));
        documents
            .push(item(&text, &format!("owner: {text}, identifiers: {{bios/uuid: u-{number}}}, attributes: {{model: plain}}, onDrift: {{default: Enforce}}")));
        // So few that the map of them still fits.
        if number % 8 == 0 {
            documents.push(format!("apiVersion: bowline.dev/v1alpha1\nkind: ServiceMap\nmetadata: {{name: {service}}}\nspec: {{owner: {text}, dependencies: [{{from: {service}, to: {text}}}]}}\n"));
        }
        seen.push(format!("key: {text}, name: {text}, identifiers: {{bios/uuid: u-{number}}}, attributes: {{model: {text}}}"));
    }
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    plan(&builders::estate(&documents), &discovered(vec![answer("s", &seen)]), builders::now())
}

#[test]
fn a_hostile_estate_becomes_a_request_that_calls_nobody_and_keeps_its_tables() {
    let Some(place) = Place::here() else { return };
    let texts = hostile(&place.commit);
    let plan = plan_of(&texts);
    assert!(plan.findings.len() >= texts.len() / 2, "{}", plan.findings.len());
    let [change] = &*plan.changes else { panic!("one request: {}", plan.changes.len()) };
    let hostile_title = texts.iter().take(12).cloned().collect::<Vec<_>>().join(" ");
    let (number, heading, body) = place.pull_request("hostile", &markdown::title(&hostile_title), &change.body);
    assert_eq!(more_than_text(&heading), Vec::<String>::new(), "{heading}");
    assert!(heading.contains("everyone") && !heading.contains("<code"), "{heading}");
    assert_eq!(more_than_text(&body), Vec::<String>::new(), "{body}");
    assert_eq!(body.matches("language-mermaid").count(), 1, "the map: {body}");
    for table in tables(&body) {
        assert!(table.iter().all(|cells| *cells == table[0]), "{table:?}\n{body}");
    }
    let rows = tables(&body)[0].len();
    assert!(rows > 10 || change.findings.len() < 10, "{rows} rows of {}", change.findings.len());
    // Nobody was called, and nothing points at the first issue.
    let (_, calls) = place.gitea.api_as(&place.ann, "GET", &format!("/repos/{}/notifications?all=true", place.repository), None);
    let to_this = |call: &&Value| call["subject"]["html_url"].as_str().is_some_and(|url| url.ends_with(&format!("/pulls/{number}")));
    assert_eq!(calls.as_array().expect("calls").iter().find(to_this), None);
    let (_, timeline) = place.gitea.api("GET", &format!("/repos/{}/issues/1/timeline", place.repository), None);
    let from_this = |event: &&Value| event["ref_issue"]["number"].as_u64() == Some(number);
    assert_eq!(timeline.as_array().into_iter().flatten().find(from_this), None, "{timeline}");
}

/// atlantis#55, renovate#2032: a body over the forge's limit, or cut through a table.
#[test]
fn a_body_that_is_too_long_ends_at_whole_rows_and_is_whole_in_a_file_of_the_branch() {
    for (count, name) in [(700, "db".to_owned()), (300, "\u{1f600}|`<".repeat(40)), (40, "@x ".repeat(50))] {
        let texts: Vec<String> = (0..count).map(|number| format!("{name}{number}")).collect();
        let plan = plan_of(&texts);
        let change = &plan.changes[0];
        let body = bowline::forge::Marker::of("harbour", change).attach(&change.body);
        assert!(body.chars().count() < 60_000 && change.body.len() <= bowline::change::body::LONGEST, "{}", body.len());
        assert_eq!(change.body.matches("<details>").count(), change.body.matches("\n</details>").count());
        assert_eq!(change.body.lines().filter(|line| line.starts_with("```")).count() % 2, 0);
        assert!(change.body.ends_with("```\n"), "its last part is there");
        let whole = change.files.iter().find(|file| *file.path == *format!("changes/{}.md", change.key));
        let whole = &whole.expect("the whole of it").text;
        assert!(change.body.contains(&format!("more are in `changes/{}.md`", change.key)) && whole.len() > change.body.len());
        let rows = |text: &str| text.lines().filter(|line| line.starts_with("| ") && line.contains(" Changed ")).count();
        assert_eq!(rows(whole), change.findings.len());
        assert!(rows(&change.body) < change.findings.len() && rows(&change.body) > 0);
    }
}

#[test]
fn gitea_shows_the_parts_of_a_request_and_the_boxes_of_the_dashboard() {
    let Some(place) = Place::here() else { return };
    let here = support::Place::harbour();
    let planned = here.bowline(&["plan", ".", "--at", support::AT, "--output", "json"]).ends_with(0).json();
    let key = planned["changes"][0]["key"].as_str().unwrap();
    let text = here.bowline(&["explain", key, "--at", support::AT, "--output", "markdown"]).ends_with(0).stdout;
    let (_, text) = text.split_once('\n').unwrap();
    let (_, heading, html) = place.pull_request("normal", planned["changes"][0]["title"].as_str().unwrap(), text);
    assert!(heading.contains("berth-booking: Enforce 2 differences of 2 items"), "{heading}");
    for part in [
        "What differs",
        "Impacted services",
        "Risk: High, 75 of 100",
        "When",
        "Implementation",
        "Backout",
        "Test",
        "<summary>Evidence of 2 findings</summary>",
        "language-mermaid",
        "language-shell",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    assert_eq!(tables(&html), [vec![5, 5, 5], vec![3, 3], vec![3; 6], vec![3, 3, 3]]);
    assert!(!html.contains("<a "), "{html}");

    let plan = plan_of(&["db-1".to_owned(), "@ann".to_owned()]);
    let waiting = Standing::Waiting { reason: "10 change requests are open already (maxOpen)".into() };
    let key = plan.changes[0].key.clone();
    let text = dashboard::write(&plan, &BTreeMap::from([(key.clone(), waiting)]), &|_| None);
    let (status, issue) = place.gitea.api("POST", &format!("/repos/{}/issues", place.repository), Some(&json!({"title": "Bowline: harbour", "body": text})));
    assert_eq!((status, issue["body"].as_str()), (201, Some(&*text)));
    let html = contents(&place.gitea.page(&format!("/{}/issues/{}", place.repository, issue["number"]))).swap_remove(0);
    assert_eq!(html.matches("type=\"checkbox\"").count(), 1, "{html}");
    assert!(!html.contains("bowline-dashboard") && !html.contains("bowline-box") && !html.contains("<a "), "{html}");
    assert_eq!(dashboard::ticked(&text.replace("- [ ]", "- [x]")), [key].into());
}
