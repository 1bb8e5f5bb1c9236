//! Pull requests.

use bowline::forge::hosted::{Edit, Fault, Host, NewPull, Pull, Status};
use bowline::forge::{Error, Marker};
use serde_json::{Value, json};

use crate::peers::gitea::PAGE;
use crate::peers::proxy::{Proxy, Rule, Spoil};
use crate::world::*;

fn numbers(pulls: &[Pull]) -> Vec<u64> {
    pulls.iter().map(|pull| pull.number).collect()
}

fn edit_title(world: &World, number: u64, title: &str) {
    world.wait(world.host.edit_pull(number, &Edit { title: Some(title), ..Edit::default() })).unwrap();
}

/// The pull request as Gitea's API tells it.
fn raw(world: &World, number: u64) -> Value {
    world.api("GET", &format!("/pulls/{number}"), &nothing())
}

#[test]
fn a_pull_request_is_read_as_it_was_made() {
    let Some(world) = World::new("made") else { return };
    let made = world.pull("a");
    let listed = world.pulls();
    assert_eq!(numbers(&listed), [made.number]);
    let pull = &listed[0];
    assert_eq!((&*pull.branch, &*pull.base_branch, &*pull.title), ("bowline/a", "main", "Change a"));
    assert_eq!((pull.open, pull.foreign, pull.merged, &pull.merged_by, &pull.merge_commit, pull.closed), (true, false, None, &None, &None, None));
    assert_eq!(Marker::read(&pull.body).unwrap().written.unwrap().head.as_ref(), pull.head.as_deref().unwrap());
    assert_eq!(pull.url, Some(format!("{}/{}/pulls/{}", world.peer.url(), world.repository, pull.number)));
    assert_eq!(world.wait(world.host.pulls_of("bowline/a")).unwrap(), listed);
    assert_eq!(world.wait(world.host.pulls_of("bowline/b")).unwrap(), []);
}

#[test]
fn a_merged_pull_request_keeps_its_branch_name_when_the_branch_is_gone() {
    let Some(world) = World::new("merged") else { return };
    let pull = world.pull("a");
    let head = pull.head.clone().unwrap();
    let merged = world.wait(world.host.merge_pull(pull.number, &head, "Approve it", "Bowline-Key: a")).unwrap();
    world.wait(world.host.delete_branch("bowline/a", &head)).unwrap();
    let read = world.wait(world.host.pulls_of("bowline/a")).unwrap().remove(0);
    assert_eq!((&*read.branch, read.foreign, read.open, &read.head), ("bowline/a", false, false, &None));
    // Who merged it stands in no list of Gitea's.
    assert!(read.merged.is_some() && read.closed.is_some() && read.merged_by.is_none());
    assert!(merged.is_some() && read.merge_commit == merged);
    let message = world.wait(world.host.message_of(&merged.unwrap())).unwrap();
    assert_eq!(message.trim(), "Approve it\n\nBowline-Key: a");
}

#[test]
fn a_pull_request_whose_branch_somebody_deleted_has_no_head() {
    let Some(world) = World::new("gone") else { return };
    let pull = world.pull("a");
    world.api("DELETE", "/branches/bowline/a", &nothing());
    for read in [world.pulls().remove(0), world.wait(world.host.pulls_of("bowline/a")).unwrap().remove(0)] {
        assert_eq!((read.number, &*read.branch, read.foreign, read.head), (pull.number, "bowline/a", false, None));
    }
}

#[test]
fn a_pull_request_from_a_fork_is_foreign_though_its_branch_and_marker_are_bowlines() {
    let Some(world) = World::new("forked") else { return };
    let eve = world.peer.second_user("eve");
    let (status, fork) = world.peer.api_as(&eve, "POST", &format!("/repos/{}/forks", world.repository), Some(&json!({"name": "forked-by-eve"})));
    assert_eq!(status, 202, "{fork}");
    let fork = fork["full_name"].as_str().unwrap();
    let made = json!({"branch": "main", "new_branch": "bowline/a", "message": "evil", "content": "YQo="});
    soon(|| (world.peer.api_as(&eve, "POST", &format!("/repos/{fork}/contents/evil.txt"), Some(&made)).0 == 201).then_some(()));
    let new = json!({"title": "t", "body": body("a", "0"), "head": "eve:bowline/a", "base": "main"});
    let (status, made) = world.peer.api_as(&eve, "POST", &format!("/repos/{}/pulls", world.repository), Some(&new));
    assert_eq!(status, 201, "{made}");
    let own = world.pull("a");

    let all = world.pulls();
    assert_eq!(all.iter().map(|pull| (pull.number, pull.foreign)).collect::<Vec<_>>(), [(own.number, false), (1, true)]);
    assert_eq!(numbers(&world.wait(world.host.pulls_of("bowline/a")).unwrap()), [own.number]);
    // Nor does it become Bowline's when the fork is gone.
    world.peer.api_as(&eve, "DELETE", &format!("/repos/{fork}"), None);
    assert!(world.pulls().iter().any(|pull| pull.number == 1 && pull.foreign));
}

#[test]
fn a_pull_request_pushed_without_a_branch_is_foreign_whatever_it_says() {
    let Some(world) = World::new("agit") else { return };
    let mallory = world.peer.second_user("mallory");
    world.git(&["commit", "-q", "--allow-empty", "-m", "evil"]);
    let url = world.peer.url().replace("http://", &format!("http://mallory:{mallory}@"));
    world.git(&["push", "-q", &format!("{url}/{}.git", world.repository), "HEAD:refs/for/main/bowline/a", "-o", "title=t"]);
    world.api("PATCH", "/pulls/1", &json!({"body": body("a", "0"), "state": "closed"}));
    assert!(world.pulls().iter().all(|pull| pull.foreign), "{:?}", world.pulls());
    assert_eq!(world.wait(world.host.pulls_of("bowline/a")).unwrap(), []);
}

#[test]
fn a_list_right_after_a_push_tells_the_head_that_the_branch_has() {
    let Some(world) = World::new("fresh") else { return };
    let pull = world.pull("a");
    let mut head = pull.head.unwrap();
    for minute in 1..4 {
        let next = world.wait(world.host.commit(&change("a", "memory: 4Gi\n"), "", &world.base, at(minute))).unwrap();
        world.wait(world.host.edit_pull(pull.number, &Edit { body: Some(&body("a", &next)), ..Edit::default() })).unwrap();
        world.wait(world.host.move_branch("bowline/a", Some(&head), &next)).unwrap();
        assert_eq!(world.pulls()[0].head.as_deref(), Some(&*next));
        assert_eq!(world.wait(world.host.pulls_of("bowline/a")).unwrap()[0].head.as_deref(), Some(&*next));
        head = next;
    }
}

#[test]
fn a_list_goes_on_over_all_pages_and_back_to_open_ones_of_long_ago() {
    // More than a page, of which the test server makes no larger ones.
    const MANY: usize = PAGE + 2;
    let Some(world) = World::new("pages") else { return };
    let mut refspecs = vec!["push".to_owned(), "-q".to_owned(), world.peer.url().replace("http://", &format!("http://bowline:{}@", world.peer.token()))];
    refspecs[2] = format!("{}/{}.git", refspecs[2], world.repository);
    refspecs.extend((0..MANY).map(|index| format!("{}:refs/heads/bowline/k-{index}", world.commit(&format!("k-{index}"), &format!("memory: {index}Gi\n")))));
    world.git(&refspecs.iter().map(String::as_str).collect::<Vec<_>>());
    let make =
        |index: usize| world.api("POST", "/pulls", &json!({"title": format!("t {index}"), "body": "", "head": format!("bowline/k-{index}"), "base": "main"}));
    std::thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || (0..MANY).filter(|index| index % 4 == part).for_each(|index| drop(make(index))));
        }
    });
    let all = world.pulls();
    assert_eq!(numbers(&all), (1..=u64::try_from(MANY).unwrap()).rev().collect::<Vec<_>>());
    for branch in ["bowline/k-0", "bowline/k-11"] {
        assert_eq!(world.wait(world.host.pulls_of(branch)).unwrap().len(), 1, "{branch}");
    }
    // The first page is newer than that, so the rest comes from the list of open ones.
    let future = "2100-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(numbers(&world.wait(world.host.pulls(future)).unwrap()), numbers(&all));
    // Somebody who has not read the list before finds it as well.
    let other = host(world.peer.url(), &world.repository, &credentials(token(world.peer.token())), &world.folder).unwrap();
    assert_eq!(world.wait(other.pulls_of("bowline/k-1")).unwrap().len(), 1);
}

#[test]
fn closed_pull_requests_of_long_ago_are_left_out_and_open_ones_are_not() {
    let Some(world) = World::new("since") else { return };
    let (closed, open) = (world.pull("a"), world.pull("b"));
    world.wait(world.host.edit_pull(closed.number, &Edit { open: Some(false), ..Edit::default() })).unwrap();
    let future = "2100-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(numbers(&world.wait(world.host.pulls(future)).unwrap()), [open.number]);
    assert_eq!(numbers(&world.pulls()), [open.number, closed.number]);
    assert_eq!(numbers(&world.wait(world.host.pulls_of("bowline/a")).unwrap()), [closed.number]);
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let Some(world) = World::new("edit") else { return };
    let pull = world.pull("a");
    edit_title(&world, pull.number, "Another");
    world.wait(world.host.edit_pull(pull.number, &Edit { body: Some("new"), ..Edit::default() })).unwrap();
    world.wait(world.host.edit_pull(pull.number, &Edit { open: Some(false), ..Edit::default() })).unwrap();
    let read = world.pulls().remove(0);
    assert_eq!((&*read.title, &*read.body, read.open, read.merged), ("Another", "new", false, None));
    assert!(read.closed.is_some() && read.head == pull.head);
    world.wait(world.host.edit_pull(pull.number, &Edit { open: Some(true), ..Edit::default() })).unwrap();
    world.api("POST", "/branches", &json!({"new_branch_name": "release", "old_branch_name": "main"}));
    world.wait(world.host.edit_pull(pull.number, &Edit { base_branch: Some("release"), ..Edit::default() })).unwrap();
    let read = world.pulls().remove(0);
    assert_eq!((read.open, &*read.base_branch, &*read.title), (true, "release", "Another"));
}

#[test]
fn a_draft_stays_one_and_what_a_person_made_ready_stays_ready() {
    let Some(world) = World::new("draft") else { return };
    world.branch("a", "memory: 8Gi\n");
    let new = NewPull { branch: "bowline/a", base_branch: "main", title: "Change a", body: "b", draft: true };
    let pull = world.wait(world.host.create_pull(&new)).unwrap();
    let title = || raw(&world, pull.number)["title"].as_str().unwrap().to_owned();
    assert_eq!((pull.title.as_str(), title().as_str()), ("Change a", "WIP: Change a"));
    edit_title(&world, pull.number, "Change b");
    assert_eq!(title(), "WIP: Change b");
    world.api("PATCH", &format!("/pulls/{}", pull.number), &json!({"title": "[wip] mine"}));
    edit_title(&world, pull.number, "Change c");
    assert_eq!(title(), "[wip] Change c");
    world.api("PATCH", &format!("/pulls/{}", pull.number), &json!({"title": "Change c"}));
    edit_title(&world, pull.number, "Change d");
    assert_eq!((title().as_str(), &*world.pulls()[0].title), ("Change d", "Change d"));
}

#[test]
fn a_hostile_title_is_one_line_that_makes_no_draft_and_is_not_written_twice() {
    let Some(world) = World::new("hostile") else { return };
    let pull = world.pull("a");
    let hostile = format!("WIP: @everyone ]](javascript:x) | `a`\n<b>\0 \u{202e}{}", "ä".repeat(400));
    edit_title(&world, pull.number, &hostile);
    let first = raw(&world, pull.number);
    let title = first["title"].as_str().unwrap();
    assert!((252..=255).contains(&title.len()) && title.ends_with("ä…") && !title.contains('\n') && first["draft"] == false, "{title}");
    assert!(title.starts_with("Change: WIP: @everyone ]](javascript:x) | `a`"), "{title}");
    edit_title(&world, pull.number, &hostile);
    assert_eq!(raw(&world, pull.number)["updated_at"], first["updated_at"]);
    let timeline = world.api("GET", &format!("/issues/{}/timeline", pull.number), &nothing());
    assert_eq!(timeline.as_array().unwrap().iter().filter(|event| event["type"] == "change_title").count(), 1);
}

#[test]
fn a_pull_request_is_merged_only_if_its_head_is_as_expected() {
    let Some(world) = World::new("merge") else { return };
    let pull = world.pull("a");
    let tried = world.wait(world.host.merge_pull(pull.number, &world.base, "t", "m"));
    assert!(matches!(&tried, Err(Error::Moved { name }) if name == "bowline/a"), "{tried:?}");
    let head = pull.head.unwrap();
    let merged = world.wait(world.host.merge_pull(pull.number, &head, "t", "m")).unwrap();
    assert_eq!(world.wait(world.host.head_of("main")).unwrap(), merged);
    assert_eq!(world.wait(world.host.merge_pull(pull.number, &head, "t", "m")).unwrap(), merged, "a second time changes nothing");
    assert!(world.wait(world.host.contains("main", &head)).unwrap());
}

#[test]
fn a_repository_that_allows_no_merge_commits_is_merged_as_it_allows() {
    let Some(world) = World::new("squash") else { return };
    world.edit_repository(&json!({"allow_merge_commits": false, "allow_rebase": false, "allow_rebase_explicit": false, "allow_squash_merge": true}));
    let pull = world.pull("a");
    let merged = world.wait(world.host.merge_pull(pull.number, &pull.head.unwrap(), "t", "m")).unwrap();
    assert_eq!(world.wait(world.host.head_of("main")).unwrap(), merged);
}

#[test]
fn a_merge_that_needs_approvals_is_refused_with_the_reason() {
    let Some(world) = World::new("approvals") else { return };
    world.api("POST", "/branch_protections", &json!({"rule_name": "main", "required_approvals": 1, "block_admin_merge_override": true}));
    let pull = world.pull("a");
    let tried = world.wait(world.host.merge_pull(pull.number, &pull.head.unwrap(), "t", "m"));
    assert!(matches!(&tried, Err(Error::Hosted(Fault::Refused { said, .. })) if said.contains("approvals")), "{tried:?}");
}

#[test]
fn whether_a_pull_request_conflicts_is_known_for_drafts_too() {
    let Some(world) = World::new("conflicts") else { return };
    let (pull, conflicts) = (world.pull("a"), |number| world.wait(world.host.conflicts(number)).unwrap());
    world.branch("b", "memory: 2Gi\n");
    let new = NewPull { branch: "bowline/b", base_branch: "main", title: "b", body: "b", draft: true };
    let draft = world.wait(world.host.create_pull(&new)).unwrap();
    assert_eq!((conflicts(pull.number), conflicts(draft.number)), (Some(false), Some(false)));

    world.commit_to_main("memory: 32Gi\n");
    // The clone does not have that commit: Gitea says it of the one, and of the draft nobody does.
    soon(|| (conflicts(pull.number) == Some(true)).then_some(()));
    assert_eq!(conflicts(draft.number), None);
    world.git(&["fetch", "-q"]);
    assert_eq!((conflicts(pull.number), conflicts(draft.number)), (Some(true), Some(true)));
    let tried = world.wait(world.host.merge_pull(pull.number, &pull.head.unwrap(), "t", "m"));
    assert!(matches!(&tried, Err(Error::Hosted(Fault::Refused { said, .. })) if said.contains("conflict")), "{tried:?}");
}

// A branch built anew for that would lose its approvals for nothing.
#[test]
fn a_pull_request_that_gitea_has_not_looked_at_yet_does_not_conflict_for_that() {
    let Some(world) = World::new("unlooked") else { return };
    let pull = world.pull("a");
    let path = format!("/pulls/{}", pull.number);
    // So Gitea answers until it has looked, which a busy one does late.
    let mut shown = raw(&world, pull.number);
    shown["mergeable"] = json!(false);
    let proxy = Proxy::before(world.peer.url());
    let (path, shown): (&'static str, &'static str) = (path.leak(), shown.to_string().leak());
    proxy.spoil(Rule { method: "GET", path, skip: 0, times: usize::MAX, spoil: Spoil::Instead(200, "", shown) });
    let busy = host(&proxy.url(), &world.repository, &credentials(token(world.peer.token())), &world.folder).unwrap();
    assert_eq!(world.wait(busy.conflicts(pull.number)).unwrap(), Some(false));
}

#[test]
fn the_patch_is_what_the_branch_changes() {
    let Some(world) = World::new("patch") else { return };
    let pull = world.pull("a");
    let patch = world.wait(world.host.patch(pull.number)).unwrap();
    assert!(patch.starts_with("diff --git a/items/db.yaml b/items/db.yaml") && patch.contains("+memory: 8Gi # a"), "{patch}");
}

#[test]
fn the_status_of_a_commit_is_the_one_set_last() {
    let Some(world) = World::new("status") else { return };
    let head = world.branch("a", "memory: 8Gi\n");
    for (good, state) in [(true, "success"), (false, "failure")] {
        let status = Status { good, description: "low risk; ü".into() };
        world.wait(world.host.set_status(&head, &status)).unwrap();
        let all = world.api("GET", &format!("/commits/{head}/status"), &nothing());
        let found = &all["statuses"][0];
        assert_eq!((&found["context"], &found["status"], &found["description"]), (&json!("bowline/change"), &json!(state), &json!("low risk; ü")));
        assert_eq!(all["statuses"].as_array().unwrap().len(), 1);
    }
    let reader = world.peer.second_user("status-reader");
    let reader = host(world.peer.url(), &world.repository, &credentials(token(&reader)), &world.folder).unwrap();
    let status = Status { good: true, description: "x".into() };
    world.wait(reader.set_status(&head, &status)).expect("a status that is not allowed is a warning");
}
