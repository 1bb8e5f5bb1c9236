//! Labels, people, milestones.

use bowline::forge::hosted::{Dress, Host};
use serde_json::{Value, json};

use crate::peers::gitea as peer;
use crate::world::*;

fn raw(world: &World, number: u64) -> Value {
    world.api("GET", &format!("/pulls/{number}"), &nothing())
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let mut names: Vec<String> = list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn labels(world: &World, number: u64) -> Vec<String> {
    names(&raw(world, number)["labels"], "name")
}

fn dress(world: &World, number: u64, dress: &Dress) {
    world.wait(world.host.dress(number, dress)).unwrap();
}

fn of(labels: &[&str]) -> Dress {
    Dress { labels: labels.iter().map(|label| (*label).into()).collect(), ..Dress::default() }
}

#[test]
fn labels_are_made_once_with_a_colour_and_added_to_those_that_there_are() {
    let Some(world) = World::new("labels") else { return };
    let (one, two) = (world.pull("a"), world.pull("b"));
    world.api("POST", "/labels", &json!({"name": "theirs", "color": "#ff0000"}));
    world.api("POST", &format!("/issues/{}/labels", one.number), &json!({"labels": [1_000_000]}));
    dress(&world, one.number, &of(&["bowline", "team: a, b", "theirs"]));
    dress(&world, one.number, &of(&["bowline/hold"]));
    // Another process knows nothing of them yet.
    let other = host(world.peer.url(), &world.repository, &credentials(token(world.peer.token())), &world.folder).unwrap();
    world.wait(other.dress(two.number, &of(&["bowline", "theirs"]))).unwrap();

    assert_eq!(labels(&world, one.number), ["bowline", "bowline/hold", "team: a, b", "theirs"]);
    assert_eq!(labels(&world, two.number), ["bowline", "theirs"]);
    let all = world.api("GET", "/labels", &nothing());
    assert_eq!(names(&all, "name"), ["bowline", "bowline/hold", "team: a, b", "theirs"]);
    let bowline = all.as_array().unwrap().iter().find(|label| label["name"] == "bowline").unwrap();
    assert_eq!((&bowline["color"], bowline["description"].as_str().unwrap().is_empty()), (&json!("1d63a8"), false));
}

#[test]
fn a_label_is_taken_off_and_one_that_is_not_there_is_left() {
    let Some(world) = World::new("unlabel") else { return };
    let pull = world.pull("a");
    dress(&world, pull.number, &of(&["bowline", "bowline/rebuild"]));
    for _ in 0..2 {
        world.wait(world.host.remove_label(pull.number, "bowline/rebuild")).unwrap();
        assert_eq!(labels(&world, pull.number), ["bowline"]);
    }
    world.wait(world.host.remove_label(pull.number, "no such label")).unwrap();
}

#[test]
fn reviewers_whom_gitea_does_not_accept_are_left_out_and_the_others_asked() {
    let Some(world) = World::new("reviewers") else { return };
    world.peer.second_user("ann");
    world.peer.second_user("ben");
    let pull = world.pull("a");
    // Nobody of that name; the author; a team where there are none.
    let reviewers = ["ann", "nobody-of-that-name", "bowline", "ben"].map(Into::into).to_vec();
    dress(&world, pull.number, &Dress { reviewers, teams: vec!["ops/net".into()], ..of(&["bowline"]) });
    assert_eq!(names(&raw(&world, pull.number)["requested_reviewers"], "login"), ["ann", "ben"]);
    assert_eq!(labels(&world, pull.number), ["bowline"], "labels come after people");
}

#[test]
fn assignees_are_added_to_those_that_there_are() {
    let Some(world) = World::new("assignees") else { return };
    world.peer.second_user("ann");
    world.peer.second_user("ben");
    for name in ["ann", "ben"] {
        world.api("PUT", &format!("/collaborators/{name}"), &json!({"permission": "write"}));
    }
    let pull = world.pull("a");
    world.api("PATCH", &format!("/pulls/{}", pull.number), &json!({"assignees": ["ann"]}));
    dress(&world, pull.number, &Dress { assignees: ["ben", "nobody-of-that-name"].map(Into::into).to_vec(), ..Dress::default() });
    assert_eq!(names(&raw(&world, pull.number)["assignees"], "login"), ["ann", "ben"]);
}

#[test]
fn a_milestone_is_found_by_its_title_and_one_that_is_not_there_is_left_out() {
    let Some(world) = World::new("milestones") else { return };
    world.api("POST", "/milestones", &json!({"title": "Week 48 and more"}));
    world.api("POST", "/milestones", &json!({"title": "Week 48"}));
    let pull = world.pull("a");
    let of = |title: &str| Dress { milestone: Some(title.into()), ..Dress::default() };
    dress(&world, pull.number, &of("Week 48"));
    dress(&world, pull.number, &of("Week 49"));
    assert_eq!(raw(&world, pull.number)["milestone"]["title"], "Week 48");
}

#[test]
fn a_team_of_the_organisation_is_asked_and_its_labels_are_used() {
    let Some(peer) = peer::Gitea::start() else { return };
    let ok = |(status, answer): (u16, Value)| assert!(status < 300, "{status} {answer}");
    ok(peer.api("POST", "/orgs", Some(&json!({"username": "ops"}))));
    ok(peer.api("POST", "/orgs/ops/labels", Some(&json!({"name": "bowline", "color": "#00ff00"}))));
    ok(peer.api("POST", "/orgs/ops/repos", Some(&json!({"name": "estate", "auto_init": true, "default_branch": "main"}))));
    let team = json!({"name": "net", "permission": "write", "includes_all_repositories": true, "units": ["repo.code", "repo.pulls"]});
    ok(peer.api("POST", "/orgs/ops/teams", Some(&team)));
    let world = World::of(peer, "ops/estate".into());
    let pull = world.pull("a");
    dress(&world, pull.number, &Dress { teams: ["ops/net", "ops/none", "other/net"].map(Into::into).to_vec(), ..of(&["bowline"]) });
    assert_eq!(names(&raw(&world, pull.number)["requested_reviewers_teams"], "name"), ["net"]);
    assert_eq!(raw(&world, pull.number)["labels"][0]["color"], "00ff00");
    assert_eq!(world.api("GET", "/labels", &nothing()), json!([]));
}
