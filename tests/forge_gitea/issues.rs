//! Comments and issues.

use bowline::forge::hosted::Host;
use serde_json::json;

use crate::world::*;

#[test]
fn comments_are_told_oldest_first() {
    let Some(world) = World::new("comments") else { return };
    let pull = world.pull("a");
    assert_eq!(world.wait(world.host.comments(pull.number)).unwrap(), [""; 0]);
    for text in ["one", "two\n\n<!-- bowline-said:x -->"] {
        world.wait(world.host.comment(pull.number, text)).unwrap();
    }
    assert_eq!(world.wait(world.host.comments(pull.number)).unwrap(), ["one", "two\n\n<!-- bowline-said:x -->"]);
}

#[test]
fn issues_are_found_by_their_label_open_or_not_newest_first_and_never_a_pull_request() {
    let Some(world) = World::new("issues") else { return };
    world.pull("a");
    let issues = || world.wait(world.host.issues("bowline/dashboard")).unwrap();
    world.api("POST", "/issues", &json!({"title": "theirs"}));
    assert_eq!(issues(), []);
    for title in ["one", "two\nlines"] {
        world.wait(world.host.create_issue(title, "body", "bowline/dashboard")).unwrap();
    }
    let found = issues();
    assert_eq!(found.iter().map(|issue| (&*issue.title, issue.open)).collect::<Vec<_>>(), [("two lines", true), ("one", true)]);
    world.api("PATCH", &format!("/issues/{}", found[0].number), &json!({"state": "closed"}));
    world.wait(world.host.edit_issue(found[0].number, "new")).unwrap();
    let found = issues();
    assert_eq!((&*found[0].body, found[0].open, &*found[0].title), ("new", false, "two lines"));
    assert_eq!(found[0].url, Some(format!("{}/{}/issues/{}", world.peer.url(), world.repository, found[0].number)));
}

#[test]
fn a_repository_without_issues_has_none_and_gets_none() {
    let Some(world) = World::new("no-issues") else { return };
    world.edit_repository(&json!({"has_issues": false}));
    assert_eq!(world.wait(world.host.issues("bowline/dashboard")).unwrap(), []);
    world.wait(world.host.create_issue("t", "b", "bowline/dashboard")).unwrap();
}
