//! GitHub as a host of change requests, method by method: against the emulator (`peers::emulate`), which keeps state as GitHub
//! does; and against answers of a stand-in of our own (`peers::player`) for what the emulator does not know. Each test of
//! the latter begins with `played_`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
#[path = "builders/proposal.rs"]
mod proposal;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bowline::access::Access;
use bowline::api::Text;
use bowline::change::{Change, FileChange};
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::forge::Error;
use bowline::forge::hosted::github::GitHub;
use bowline::forge::hosted::{Dress, Edit, Fault, Host, NewPull, Patience, Place, Pull, Status};
use jiff::Timestamp;
use serde_json::{Value, json};

use peers::emulate::{APP, Emulate, TEAM};
use peers::player::{Asked, Play, Player, answer};
use peers::skip;
use proposal::proposal;

const BRANCH: &str = "bowline/db-memory";

fn patience() -> Patience {
    Patience { timeout: Duration::from_secs(10), tries: 3, pause: Duration::from_millis(10), ..Patience::default() }
}

fn github(url: &str, repository: &str, login: Login) -> Result<GitHub, Error> {
    let credential = Credential { name: Text::from("forge"), hosts: vec!["127.0.0.1".parse().unwrap()], login };
    let credentials = Credentials::of([credential]);
    let access = Access::default();
    GitHub::new(&Place { url: Some(url), repository, credential: Some("forge"), credentials: &credentials, access: &access, patience: patience() })
}

fn token(value: &str) -> Login {
    Login::Token { user: None, token: Secret::new(value) }
}

fn app(key: &str) -> Login {
    Login::GithubApp { app_id: APP.0, installation_id: APP.1, private_key: Secret::new(key) }
}

fn change(files: &[(&str, &str)]) -> Change {
    Change {
        title: "Memory of db".to_owned(),
        files: files.iter().map(|(path, text)| FileChange { path: (*path).into(), text: (*text).to_owned() }).collect(),
        body: "What and why.".to_owned(),
        ..proposal("db-memory")
    }
}

fn now() -> Timestamp {
    "2026-11-25T00:00:00Z".parse().unwrap()
}

/// A repository of its own in the emulator, with Bowline's way to it.
struct Stage {
    emulate: Emulate,
    github: GitHub,
    name: String,
    base: String,
}

impl Stage {
    fn new(files: &[(&str, &str)]) -> Option<Self> {
        let (emulate, name, base) = Self::repository(files)?;
        let github = github(emulate.url(), &name, token(emulate.token())).unwrap();
        Some(Self { emulate, github, name, base })
    }

    fn as_app(files: &[(&str, &str)]) -> Option<Self> {
        let (emulate, name, base) = Self::repository(files)?;
        let github = github(emulate.url(), &name, app(emulate.app_key())).unwrap();
        Some(Self { emulate, github, name, base })
    }

    fn repository(files: &[(&str, &str)]) -> Option<(Emulate, String, String)> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Some(emulate) = Emulate::start() else {
            skip("the emulator of GitHub cannot be had here (node, npm, openssl)");
            return None;
        };
        let (name, base) = emulate.repository(&format!("estate-{}", NUMBER.fetch_add(1, Ordering::SeqCst)), files);
        Some((emulate, name, base))
    }

    /// The commit of a change on its branch, and its pull request.
    async fn opened(&self) -> (String, Pull) {
        let head = self.github.commit(&change(&[("items/db.yaml", "memory: 2\n")]), "", &self.base, now()).await.unwrap();
        self.github.move_branch(BRANCH, None, &head).await.unwrap();
        let new = NewPull { branch: BRANCH, base_branch: "main", title: "Memory of db", body: "Body", draft: false };
        (head, self.github.create_pull(&new).await.unwrap())
    }

    fn get(&self, below: &str) -> Value {
        self.emulate.api("GET", &format!("/repos/{}/{below}", self.name), None).1
    }
}

#[tokio::test]
async fn the_default_branch_is_the_repositorys() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    assert_eq!(stage.github.default_branch().await.unwrap(), "main");
}

#[tokio::test]
async fn a_commit_has_the_changes_files_and_moves_no_branch() {
    let Some(stage) = Stage::new(&[("estate/items/db.yaml", "memory: 1\n"), ("estate/keep", "kept\n")]) else { return };
    let commit =
        stage.github.commit(&change(&[("items/db.yaml", "memory: 2\n"), ("changes/new.yaml", "a: \"ä\"\n")]), "estate/", &stage.base, now()).await.unwrap();
    let text = |path: &str| stage.emulate.file(&stage.name, &commit, path).map(|(_, text)| text);
    assert_eq!(text("estate/items/db.yaml").as_deref(), Some("memory: 2\n"));
    assert_eq!(text("estate/changes/new.yaml").as_deref(), Some("a: \"ä\"\n"));
    assert_eq!(text("estate/keep").as_deref(), Some("kept\n"));
    let made = stage.get(&format!("git/commits/{commit}"));
    assert_eq!(made["parents"][0]["sha"], stage.base.as_str());
    assert!(stage.github.message_of(&commit).await.unwrap().contains("\nBowline-Key: db-memory\n"));
    assert_eq!(stage.emulate.head(&stage.name, "main"), Some(stage.base.clone()));
    assert_eq!(stage.emulate.head(&stage.name, BRANCH), None);
}

#[tokio::test]
async fn an_executable_file_stays_executable() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let base = stage.emulate.commit(&stage.name, "main", &[("run.yaml", "100755", "a: 1\n")]);
    let commit = stage.github.commit(&change(&[("run.yaml", "a: 2\n")]), "", &base, now()).await.unwrap();
    assert_eq!(stage.emulate.file(&stage.name, &commit, "run.yaml"), Some(("100755".to_owned(), "a: 2\n".to_owned())));
}

#[tokio::test]
async fn what_is_no_file_is_not_written_over() {
    let Some(stage) = Stage::new(&[("items/db.yaml", "a: 1\n")]) else { return };
    let base = stage.emulate.commit(&stage.name, "main", &[("link", "120000", "items")]);
    for path in ["link", "items", "link/x", "items/db.yaml/x", "../x", ".git/config"] {
        let error = stage.github.commit(&change(&[(path, "x")]), "", &base, now()).await.unwrap_err();
        assert!(matches!(error, Error::BadPath { .. }), "{path}: {error}");
    }
}

#[tokio::test]
async fn the_same_change_on_the_same_base_is_the_commit_that_the_branch_has() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, _) = stage.opened().await;
    let again = stage.github.commit(&change(&[("items/db.yaml", "memory: 2\n")]), "", &stage.base, now()).await.unwrap();
    assert_eq!(again, head);
    let other = stage.github.commit(&change(&[("items/db.yaml", "memory: 3\n")]), "", &stage.base, now()).await.unwrap();
    assert_ne!(other, head);
}

#[tokio::test]
async fn a_branch_is_moved_only_from_where_it_is_expected() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, _) = stage.opened().await;
    let next = stage.github.commit(&change(&[("items/db.yaml", "memory: 3\n")]), "", &stage.base, now()).await.unwrap();
    for expected in [None, Some(stage.base.as_str())] {
        let error = stage.github.move_branch(BRANCH, expected, &next).await.unwrap_err();
        assert!(matches!(&error, Error::Moved { name } if name == BRANCH), "{error}");
    }
    assert_eq!(stage.github.head_of(BRANCH).await.unwrap(), Some(head.clone()));
    stage.github.move_branch(BRANCH, Some(&head), &next).await.unwrap();
    stage.github.move_branch(BRANCH, Some(&head), &next).await.unwrap(); // it is there already
    assert_eq!(stage.github.head_of(BRANCH).await.unwrap(), Some(next));
    let error = stage.github.move_branch("bowline/other", Some(&head), &head).await.unwrap_err();
    assert!(matches!(error, Error::Moved { .. }), "{error}");
}

#[tokio::test]
async fn a_branch_is_deleted_only_where_it_is_expected_and_one_that_is_gone_is_left() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, _) = stage.opened().await;
    assert!(matches!(stage.github.delete_branch(BRANCH, &stage.base).await.unwrap_err(), Error::Moved { .. }));
    stage.github.delete_branch(BRANCH, &head).await.unwrap();
    stage.github.delete_branch(BRANCH, &head).await.unwrap();
    assert_eq!(stage.github.head_of(BRANCH).await.unwrap(), None);
}

#[tokio::test]
async fn a_protected_branch_is_named() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, _) = stage.opened().await;
    let rule = json!({"required_status_checks": null, "enforce_admins": true, "required_pull_request_reviews": null, "restrictions": null});
    let (status, answer) = stage.emulate.api("PUT", &format!("/repos/{}/branches/{BRANCH}/protection", stage.name), Some(&rule));
    assert_eq!(status, 200, "{answer}");
    let next = stage.github.commit(&change(&[("items/db.yaml", "memory: 3\n")]), "", &stage.base, now()).await.unwrap();
    let error = stage.github.move_branch(BRANCH, Some(&head), &next).await.unwrap_err();
    assert!(matches!(&error, Error::Hosted(Fault::Protected { branch, .. }) if branch == BRANCH), "{error}");
}

#[tokio::test]
async fn a_commit_is_part_of_a_branch_if_the_branch_is_at_it_or_ahead_of_it() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, _) = stage.opened().await;
    let newer = stage.emulate.commit(&stage.name, "main", &[("a", "100644", "2")]);
    for (commit, part) in [(&newer, true), (&stage.base, true), (&head, false), (&"0".repeat(40), false)] {
        assert_eq!(stage.github.contains("main", commit).await.unwrap(), part, "{commit}");
    }
    assert!(matches!(stage.github.contains("none", &head).await.unwrap_err(), Error::NoBranch { .. }));
}

#[tokio::test]
async fn a_pull_request_is_read_back_as_it_was_made() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, made) = stage.opened().await;
    let listed = stage.github.pulls(now()).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&made));
    assert_eq!((made.branch.as_str(), made.base_branch.as_str(), made.title.as_str(), made.body.as_str()), (BRANCH, "main", "Memory of db", "Body"));
    assert!(made.open && !made.foreign && made.head == Some(head) && made.merged.is_none() && made.merge_commit.is_none());
    assert_eq!(stage.github.pulls_of(BRANCH).await.unwrap(), [made]);
    assert!(stage.github.pulls_of("bowline/other").await.unwrap().is_empty());
}

#[tokio::test]
async fn unchanged_pull_requests_are_one_request() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    stage.opened().await;
    let before = stage.github.sent();
    stage.github.pulls(now()).await.unwrap();
    assert_eq!(stage.github.sent() - before, 1);
    assert!(stage.github.quota().is_some_and(|quota| quota.limit == 5000));
}

#[tokio::test]
async fn a_pull_request_is_changed_closed_and_opened_again() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (_, pull) = stage.opened().await;
    let edit = Edit { title: Some("New"), body: Some("New body"), open: Some(false), base_branch: None };
    stage.github.edit_pull(pull.number, &edit).await.unwrap();
    let closed = stage.github.pulls_of(BRANCH).await.unwrap().remove(0);
    assert_eq!((closed.title.as_str(), closed.body.as_str(), closed.open), ("New", "New body", false));
    assert!(closed.closed.is_some());
    stage.github.edit_pull(pull.number, &Edit { open: Some(true), ..Edit::default() }).await.unwrap();
    assert!(stage.github.pulls_of(BRANCH).await.unwrap().remove(0).open);
}

#[tokio::test]
async fn a_pull_request_can_begin_as_a_draft() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let head = stage.github.commit(&change(&[("b", "2")]), "", &stage.base, now()).await.unwrap();
    stage.github.move_branch(BRANCH, None, &head).await.unwrap();
    let pull = stage.github.create_pull(&NewPull { branch: BRANCH, base_branch: "main", title: "T", body: "", draft: true }).await.unwrap();
    assert_eq!(stage.get(&format!("pulls/{}", pull.number))["draft"], true);
}

#[tokio::test]
async fn a_merge_is_of_the_head_that_was_seen() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, pull) = stage.opened().await;
    let error = stage.github.merge_pull(pull.number, &stage.base, "T", "M").await.unwrap_err();
    assert!(matches!(error, Error::Moved { .. }), "{error}");
    let merged = stage.github.merge_pull(pull.number, &head, "Approve db", "Approved-by: Ann <a@example.com>").await.unwrap().unwrap();
    assert_eq!(stage.emulate.head(&stage.name, "main"), Some(merged.clone()));
    assert_eq!(stage.github.message_of(&merged).await.unwrap(), "Approve db\n\nApproved-by: Ann <a@example.com>");
    let pull = stage.github.pulls_of(BRANCH).await.unwrap().remove(0);
    assert!(!pull.open && pull.merged.is_some() && pull.merge_commit == Some(merged));
}

#[tokio::test]
async fn a_repository_without_merge_commits_is_merged_by_squashing() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, pull) = stage.opened().await;
    let (status, answer) = stage.emulate.api("PATCH", &format!("/repos/{}", stage.name), Some(&json!({"allow_merge_commit": false})));
    assert_eq!(status, 200, "{answer}");
    let merged = stage.github.merge_pull(pull.number, &head, "T", "M").await.unwrap().unwrap();
    assert_eq!(stage.get(&format!("git/commits/{merged}"))["parents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_patch_names_the_files_and_their_lines() {
    let Some(stage) = Stage::new(&[("items/db.yaml", "memory: 1\n")]) else { return };
    let (_, pull) = stage.opened().await;
    let patch = stage.github.patch(pull.number).await.unwrap();
    assert!(patch.contains("items/db.yaml") && patch.contains("-memory: 1") && patch.contains("+memory: 2"), "{patch}");
}

#[tokio::test]
async fn labels_are_made_where_they_are_absent_and_none_is_dropped() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (_, pull) = stage.opened().await;
    stage.emulate.api("POST", &format!("/repos/{}/issues/{}/labels", stage.name, pull.number), Some(&json!({"labels": ["by a person"]})));
    let dress = Dress { labels: vec!["bowline".into(), "ops".into()], ..Dress::default() };
    stage.github.dress(pull.number, &dress).await.unwrap();
    let before = stage.github.sent();
    stage.github.dress(pull.number, &dress).await.unwrap();
    assert_eq!(stage.github.sent() - before, 1, "they are looked up once");
    let mut labels = stage.github.pulls_of(BRANCH).await.unwrap().remove(0).labels;
    labels.sort();
    assert_eq!(labels, ["bowline", "by a person", "ops"].map(Text::from));
    assert_eq!(stage.get("labels/bowline")["description"], "A change request of Bowline");
    for _ in 0..2 {
        stage.github.remove_label(pull.number, "ops").await.unwrap();
    }
    assert_eq!(stage.github.pulls_of(BRANCH).await.unwrap().remove(0).labels.len(), 2);
}

#[tokio::test]
async fn a_reviewer_who_is_refused_does_not_keep_the_others_from_being_asked() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (_, pull) = stage.opened().await;
    let dress = Dress {
        reviewers: vec!["nobody".into(), "ann".into()],
        teams: vec![format!("harbour/{TEAM}").into(), "harbour/none".into()],
        assignees: vec!["nobody".into()],
        labels: vec!["bowline".into()],
        ..Dress::default()
    };
    stage.github.dress(pull.number, &dress).await.unwrap();
    let shown = stage.get(&format!("pulls/{}", pull.number));
    assert_eq!((&shown["requested_reviewers"][0]["login"], &shown["requested_teams"][0]["slug"]), (&json!("ann"), &json!(TEAM)));
    assert_eq!(shown["labels"][0]["name"], "bowline");
}

#[tokio::test]
async fn comments_are_read_in_the_order_in_which_they_were_written() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (_, pull) = stage.opened().await;
    for number in 0..3 {
        stage.github.comment(pull.number, &format!("comment {number}")).await.unwrap();
    }
    assert_eq!(stage.github.comments(pull.number).await.unwrap(), ["comment 0", "comment 1", "comment 2"]);
}

#[tokio::test]
async fn an_issue_is_found_by_its_label_and_its_body_changed() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    stage.opened().await;
    assert!(stage.github.issues("bowline/dashboard").await.unwrap().is_empty());
    stage.github.create_issue("Bowline: harbour", "one", "bowline/dashboard").await.unwrap();
    let issue = stage.github.issues("bowline/dashboard").await.unwrap().remove(0);
    assert_eq!((issue.title.as_str(), issue.body.as_str(), issue.open), ("Bowline: harbour", "one", true));
    stage.github.edit_issue(issue.number, "two").await.unwrap();
    assert_eq!(stage.github.issues("bowline/dashboard").await.unwrap()[0].body, "two");
}

/// The emulator has check runs, and no commit statuses.
#[tokio::test]
async fn an_app_shows_its_status_as_a_check_run_and_works_with_a_token_for_this_repository_only() {
    let Some(stage) = Stage::as_app(&[("a", "1")]) else { return };
    let (head, pull) = stage.opened().await;
    assert!(pull.open);
    for (good, conclusion) in [(true, "success"), (false, "failure")] {
        stage.github.set_status(&head, &Status { good, description: "low risk; Sun 02:00".to_owned() }).await.unwrap();
        let runs = stage.get(&format!("commits/{head}/check-runs"));
        let run = runs["check_runs"].as_array().unwrap().iter().find(|run| run["conclusion"] == conclusion).unwrap().clone();
        assert_eq!((&run["name"], &run["output"]["title"]), (&json!("bowline/change"), &json!("low risk; Sun 02:00")));
    }
    let id = stage.emulate.api("GET", &format!("/repos/{}", stage.name), None).1["id"].clone();
    let tokens = stage.emulate.api("GET", "/_emulate/installation-tokens", None).1;
    let ours: Vec<&Value> = tokens["installation_tokens"].as_array().unwrap().iter().filter(|token| token["repository_ids"] == json!([id])).collect();
    assert_eq!(ours.len(), 1, "one token for many requests");
    assert_eq!(ours[0]["repository_selection"], "selected");
}

#[tokio::test]
async fn an_app_whose_key_is_another_is_told_so() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let other = std::process::Command::new("openssl").args(["genrsa", "-traditional", "2048"]).output().unwrap();
    let github = github(stage.emulate.url(), &stage.name, app(&String::from_utf8(other.stdout).unwrap())).unwrap();
    let error = github.default_branch().await.unwrap_err();
    assert!(matches!(error, Error::Hosted(Fault::Unauthorized { .. })), "{error}");
}

/// The emulator answers 404 to commit statuses, as GitHub does to a token that may not set them.
#[tokio::test]
async fn a_status_that_may_not_be_set_does_not_stop_the_change_request() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let (head, _) = stage.opened().await;
    stage.github.set_status(&head, &Status { good: true, description: "low".to_owned() }).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let Some(stage) = Stage::new(&[("a", "1")]) else { return };
    let github = github(stage.emulate.url(), "harbour/nothing", token(stage.emulate.token())).unwrap();
    let error = github.pulls(now()).await.unwrap_err().to_string();
    assert_eq!(error, "GitHub has no list of pull requests, or the credential may not see it");
}

// Played answers.

fn played(play: impl Fn(&Asked, usize) -> Play + Send + Sync + 'static) -> (Player, GitHub) {
    let player = Player::start(play);
    let github = github(&player.url(), "harbour/estate", token("ghp_canary4711canary4711")).unwrap();
    (player, github)
}

fn shown(number: u64, state: &str, updated: &str) -> Value {
    let side = |branch: &str| json!({"ref": branch, "sha": "a", "repo": {"full_name": "harbour/estate"}});
    json!({
        "number": number, "state": state, "title": "T", "body": null, "head": side(&format!("bowline/{number}")), "base": side("main"),
        "created_at": "2026-01-01T00:00:00Z", "updated_at": updated, "closed_at": null, "merged_at": null,
    })
}

#[tokio::test]
async fn played_a_commit_status_has_the_risk_and_the_window() {
    let (player, github) = played(|_, _| answer(201, &[], "{}"));
    github.set_status("abc", &Status { good: false, description: "high risk".to_owned() }).await.unwrap();
    let asked = player.asked().remove(0);
    assert_eq!(asked.path, "/repos/harbour/estate/statuses/abc");
    assert_eq!(serde_json::from_slice::<Value>(&asked.body).unwrap(), json!({"state": "failure", "description": "high risk", "context": "bowline/change"}));
    assert_eq!(asked.header("x-github-api-version"), Some("2022-11-28"));
    assert_eq!(asked.header("authorization"), Some("Bearer ghp_canary4711canary4711"));
    assert!(asked.header("user-agent").unwrap().starts_with("bowline/"));
}

#[tokio::test]
async fn played_assignees_and_the_milestone_are_set() {
    let (player, github) = played(|asked, _| match asked.path.split('?').next().unwrap() {
        "/repos/harbour/estate/milestones" => answer(200, &[], r#"[{"number": 3, "title": "Q1"}]"#),
        _ => answer(200, &[], r#"{"assignees": [{"login": "ann"}]}"#),
    });
    let dress = Dress { assignees: vec!["ann".into(), "gone".into()], milestone: Some("Q1".into()), ..Dress::default() };
    github.dress(7, &dress).await.unwrap();
    let asked: Vec<(String, String)> = player.asked().iter().map(|asked| (asked.path.clone(), String::from_utf8_lossy(&asked.body).into_owned())).collect();
    assert_eq!(asked[0], ("/repos/harbour/estate/issues/7/assignees".to_owned(), r#"{"assignees":["ann","gone"]}"#.to_owned()));
    assert_eq!(asked[2], ("/repos/harbour/estate/issues/7".to_owned(), r#"{"milestone":3}"#.to_owned()));
}

#[tokio::test]
async fn played_the_path_of_an_enterprise_address_is_kept() {
    let player = Player::start(|_, _| answer(200, &[], r#"{"default_branch": "trunk"}"#));
    for url in [format!("{}/api/v3", player.url()), format!("{}/api/v3/", player.url())] {
        let github = github(&url, "harbour/estate", token("ghp_canary4711canary4711")).unwrap();
        assert_eq!(github.default_branch().await.unwrap(), "trunk");
    }
    assert!(player.asked().iter().all(|asked| asked.path == "/api/v3/repos/harbour/estate"), "{:?}", player.asked());
}

/// A 304 does not count against GitHub's limit.
#[tokio::test]
async fn played_an_unchanged_list_is_answered_without_being_sent() {
    let body = json!([shown(1, "open", "2026-11-24T00:00:00Z")]).to_string();
    let (player, github) = played(move |asked, _| match asked.header("if-none-match") {
        Some("\"v1\"") => answer(304, &[], ""),
        _ => answer(200, &[("etag", "\"v1\"")], &body),
    });
    let first = github.pulls(now()).await.unwrap();
    assert_eq!(github.pulls(now()).await.unwrap(), first);
    assert_eq!(player.asked().iter().map(|asked| asked.header("if-none-match").is_some()).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn played_old_open_pull_requests_are_not_missed_when_the_list_is_cut_off() {
    let next = [("link", "<https://elsewhere.example.com/x?page=2>; rel=\"next\"")];
    let (player, github) = played(move |asked, _| {
        if asked.path.contains("state=all") {
            answer(200, &next, &json!([shown(9, "open", "2026-11-24T00:00:00Z"), shown(8, "closed", "2026-01-02T00:00:00Z")]).to_string())
        } else if asked.path.contains("&page=2") {
            answer(200, &[], &json!([shown(9, "open", "2026-11-24T00:00:00Z")]).to_string())
        } else {
            answer(200, &next, &json!([shown(1, "open", "2025-01-02T00:00:00Z")]).to_string())
        }
    });
    let pulls = github.pulls("2026-06-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(pulls.iter().map(|pull| pull.number).collect::<Vec<_>>(), [9, 1]);
    assert_eq!(player.asked().len(), 3, "the address of the next page is not followed");
}

#[tokio::test]
async fn played_a_list_without_end_ends() {
    let body = json!([shown(1, "open", "2026-11-24T00:00:00Z")]).to_string();
    let (player, github) = played(move |_, _| answer(200, &[("link", "<x>; rel=\"next\"")], &body));
    let error = github.pulls(Timestamp::MIN).await.unwrap_err();
    assert!(error.to_string().contains("has more than 100 pages"), "{error}");
    assert_eq!(player.asked().len(), 100);
}

#[tokio::test]
async fn played_a_branch_of_a_strangers_copy_is_foreign() {
    let mut other = shown(1, "open", "2026-11-24T00:00:00Z");
    other["head"]["repo"]["full_name"] = json!("mallory/estate");
    let mut gone = shown(2, "open", "2026-11-24T00:00:00Z");
    gone["head"]["repo"] = Value::Null;
    let body = json!([other, gone, shown(3, "open", "2026-11-24T00:00:00Z")]).to_string();
    let (_player, github) = played(move |_, _| answer(200, &[], &body));
    let foreign: Vec<(u64, bool)> = github.pulls(now()).await.unwrap().iter().map(|pull| (pull.number, pull.foreign)).collect();
    assert_eq!(foreign, [(3, false), (2, true), (1, true)]);
}

/// A token that ends within half a minute is not used any more.
#[tokio::test]
async fn played_the_token_of_an_app_is_renewed_before_it_expires() {
    let Some(emulate) = Emulate::start() else { return skip("no key for an App: the emulator cannot be had here") };
    for (lasts, tokens) in [(10, 3), (3600, 1)] {
        let player = Player::start(move |asked, number| {
            if asked.path.ends_with("/access_tokens") {
                let end = Timestamp::now() + jiff::SignedDuration::from_secs(lasts);
                return answer(
                    201,
                    &[],
                    &json!({"token": format!("ghs_secret{number}"), "expires_at": end.to_string(), "repositories": [{"id": 1}]}).to_string(),
                );
            }
            answer(200, &[], r#"{"default_branch": "main"}"#)
        });
        let github = github(&player.url(), "harbour/estate", app(emulate.app_key())).unwrap();
        for _ in 0..3 {
            github.default_branch().await.unwrap();
        }
        let asked = player.asked();
        assert_eq!(asked.iter().filter(|asked| asked.path == format!("/app/installations/{}/access_tokens", APP.1)).count(), tokens);
        assert_eq!(asked[1].header("authorization"), Some("Bearer ghs_secret0"));
        assert_eq!(serde_json::from_slice::<Value>(&asked[0].body).unwrap(), json!({"repositories": ["estate"]}));
    }
}

/// octokit/handbook#8.
#[tokio::test]
async fn played_the_403_of_a_fresh_token_is_tried_again_and_a_lost_token_replaced() {
    let Some(emulate) = Emulate::start() else { return skip("no key for an App: the emulator cannot be had here") };
    for status in [403, 401] {
        let player = Player::start(move |asked, number| match number {
            _ if asked.path.ends_with("/access_tokens") => answer(201, &[], r#"{"token": "ghs_secret", "expires_at": "2099-01-01T00:00:00Z"}"#),
            1 => answer(status, &[], r#"{"message": "Bad credentials ghs_secret"}"#),
            _ => answer(200, &[], r#"{"default_branch": "main"}"#),
        });
        let github = github(&player.url(), "harbour/estate", app(emulate.app_key())).unwrap();
        assert_eq!(github.default_branch().await.unwrap(), "main");
    }
    let player = Player::start(|asked, _| {
        if asked.path.ends_with("/access_tokens") {
            return answer(201, &[], r#"{"token": "ghs_secret", "expires_at": "2099-01-01T00:00:00Z"}"#);
        }
        answer(401, &[], r#"{"message": "Bad credentials ghs_secret"}"#)
    });
    let github = github(&player.url(), "harbour/estate", app(emulate.app_key())).unwrap();
    let error = github.default_branch().await.unwrap_err();
    assert!(matches!(&error, Error::Hosted(Fault::Unauthorized { said, .. }) if !said.contains("ghs_secret")), "{error:?}");
    let tokens = player.asked().iter().filter(|asked| asked.path.ends_with("/access_tokens")).count();
    assert_eq!(tokens, 2, "one new token, and no loop");
}

#[tokio::test]
async fn played_a_renamed_repository_is_told_with_its_new_name() {
    let (_player, github) = played(|asked, _| match &*asked.path {
        "/repositories/42" => answer(200, &[], r#"{"full_name": "harbour/new-estate"}"#),
        _ => answer(301, &[("location", "/repositories/42/pulls")], r#"{"message": "Moved Permanently"}"#),
    });
    let error = github.pulls(now()).await.unwrap_err();
    assert!(matches!(&error, Error::Hosted(Fault::Setting { what: "repository", reason, .. }) if reason.contains("`harbour/new-estate`")), "{error}");
}

#[tokio::test]
async fn played_an_archived_repository_is_read_only() {
    let (_player, github) = played(|_, _| answer(200, &[], r#"{"default_branch": "main", "archived": true}"#));
    assert!(matches!(github.default_branch().await.unwrap_err(), Error::Hosted(Fault::ReadOnly { .. })));
}

#[tokio::test]
async fn played_a_pull_request_whose_answer_is_lost_is_not_made_a_second_time_here() {
    let (player, github) = played(|_, _| answer(502, &[], ""));
    let new = NewPull { branch: BRANCH, base_branch: "main", title: "T", body: "", draft: false };
    let error = github.create_pull(&new).await.unwrap_err();
    assert!(error.uncertain(), "{error}");
    assert_eq!(player.asked().len(), 1);
}

#[tokio::test]
async fn played_files_keep_their_mode_though_the_tree_is_too_long_to_be_listed() {
    let (player, github) = played(|asked, _| match &*asked.path {
        "/repos/harbour/estate/git/commits/base" => answer(200, &[], r#"{"message": "m", "tree": {"sha": "root"}}"#),
        "/repos/harbour/estate/git/trees/root?recursive=1" => answer(200, &[], r#"{"sha": "root", "tree": [], "truncated": true}"#),
        "/repos/harbour/estate/git/trees/root" => {
            answer(200, &[], r#"{"sha": "root", "tree": [{"path": "d", "mode": "040000", "type": "tree", "sha": "sub"}]}"#)
        }
        "/repos/harbour/estate/git/trees/sub" => answer(200, &[], r#"{"sha": "sub", "tree": [{"path": "run", "mode": "100755", "type": "blob", "sha": "b"}]}"#),
        _ => answer(201, &[], r#"{"sha": "new"}"#),
    });
    assert_eq!(github.commit(&change(&[("d/run", "x"), ("d/new", "y")]), "", "base", now()).await.unwrap(), "new");
    let tree: Value = serde_json::from_slice(&player.asked().iter().find(|asked| asked.method == "POST").unwrap().body).unwrap();
    assert_eq!((&tree["tree"][0]["mode"], &tree["tree"][1]["mode"]), (&json!("100755"), &json!("100644")));
    let commit: Value = serde_json::from_slice(&player.asked().last().unwrap().body).unwrap();
    assert!(commit.get("author").is_none() && commit.get("committer").is_none(), "GitHub signs only its own");
}

#[tokio::test]
async fn played_a_file_stored_with_lf_is_stored_with_lf_again() {
    let (player, github) = played(|asked, _| match &*asked.path {
        "/repos/harbour/estate/git/commits/base" => answer(200, &[], r#"{"message": "m", "tree": {"sha": "root"}}"#),
        "/repos/harbour/estate/git/trees/root?recursive=1" => {
            answer(200, &[], r#"{"sha": "root", "tree": [{"path": "f", "mode": "100644", "type": "blob", "sha": "b"}]}"#)
        }
        "/repos/harbour/estate/git/blobs/b" => answer(200, &[("content-type", "application/vnd.github.raw")], "a: 1\n"),
        _ => answer(201, &[], r#"{"sha": "new"}"#),
    });
    github.commit(&change(&[("f", "a: 2\r\n")]), "", "base", now()).await.unwrap();
    let tree: Value = serde_json::from_slice(&player.asked().iter().find(|asked| asked.method == "POST").unwrap().body).unwrap();
    assert_eq!(tree["tree"][0]["content"], "a: 2\n");
}

#[test]
fn what_github_cannot_use_is_refused_before_anything_is_sent() {
    for (url, repository, login) in [
        ("http://127.0.0.1:1", "harbour", token("t")),
        ("http://127.0.0.1:1", "harbour/estate", app("no key")),
        ("http://127.0.0.1:1", "harbour/estate", Login::Password { user: "a".into(), password: Secret::new("canary") }),
        ("no address", "harbour/estate", token("t")),
    ] {
        let error = github(url, repository, login).unwrap_err();
        assert!(matches!(error, Error::Hosted(Fault::Setting { .. })) && !error.to_string().contains("canary"), "{error}");
    }
    let error = github("https://github.com", "harbour/estate", token("t")).unwrap_err().to_string();
    assert!(error.contains("api.github.com:443"), "the API stands beside the pages, and the credential is bound elsewhere: {error}");
}
