//! Commits and branches.

use bowline::credentials::{CredentialError, Login, Secret};
use bowline::forge::Error;
use bowline::forge::hosted::{Fault, Host};
use serde_json::json;

use crate::world::*;

#[test]
fn a_commit_is_made_here_and_the_forge_learns_of_it_by_the_push() {
    let Some(world) = World::new("commit") else { return };
    let commit = world.commit("a", "memory: 8Gi\n");
    assert_eq!(world.git(&["log", "-1", "--format=%an %P %s", &commit]), format!("Bowline {} Change a", world.base));
    assert_eq!(world.peer.api("GET", &format!("/repos/{}/git/commits/{commit}", world.repository), None).0, 404);
    world.wait(world.host.move_branch("bowline/a", None, &commit)).unwrap();
    assert_eq!(world.wait(world.host.head_of("bowline/a")).unwrap().as_deref(), Some(&*commit));
    assert_eq!(world.wait(world.host.message_of(&commit)).unwrap().lines().next(), Some("Change a"));
}

#[test]
fn a_branch_moves_only_if_its_head_is_as_expected() {
    let Some(world) = World::new("expected") else { return };
    let (first, second) = (world.branch("a", "memory: 8Gi\n"), world.commit("a", "memory: 4Gi\n"));
    for expected in [None, Some(&*world.base)] {
        let moved = world.wait(world.host.move_branch("bowline/a", expected, &second));
        assert!(matches!(&moved, Err(Error::Moved { name }) if name == "bowline/a"), "{moved:?}");
    }
    // A branch that is expected and not there was deleted by somebody.
    let moved = world.wait(world.host.move_branch("bowline/b", Some(&first), &second));
    assert!(matches!(moved, Err(Error::Moved { .. })), "{moved:?}");
    assert_eq!(world.wait(world.host.head_of("bowline/a")).unwrap(), Some(first));
    assert_eq!(world.wait(world.host.head_of("bowline/b")).unwrap(), None);
}

#[test]
fn moving_a_branch_loses_the_commit_that_it_had() {
    let Some(world) = World::new("force") else { return };
    let (first, second) = (world.branch("a", "memory: 8Gi\n"), world.commit("a", "memory: 4Gi\n"));
    world.wait(world.host.move_branch("bowline/a", Some(&first), &second)).unwrap();
    let commits = world.api("GET", "/commits?sha=bowline/a", &nothing());
    let hashes: Vec<&str> = commits.as_array().unwrap().iter().take(2).map(|commit| commit["sha"].as_str().unwrap()).collect();
    assert_eq!(hashes, [&*second, &*world.base]);
}

#[test]
fn a_branch_that_names_the_commit_already_is_left_whatever_is_expected() {
    let Some(world) = World::new("already") else { return };
    let head = world.branch("a", "memory: 8Gi\n");
    for expected in [None, Some(&*world.base), Some(&*head)] {
        world.wait(world.host.move_branch("bowline/a", expected, &head)).unwrap();
    }
}

#[test]
fn a_branch_is_deleted_only_if_its_head_is_as_expected_and_one_that_is_gone_is_left() {
    let Some(world) = World::new("delete") else { return };
    let head = world.branch("a", "memory: 8Gi\n");
    let moved = world.wait(world.host.delete_branch("bowline/a", &world.base));
    assert!(matches!(moved, Err(Error::Moved { .. })), "{moved:?}");
    assert_eq!(world.wait(world.host.head_of("bowline/a")).unwrap().as_deref(), Some(&*head));
    world.wait(world.host.delete_branch("bowline/a", &head)).unwrap();
    assert_eq!(world.wait(world.host.head_of("bowline/a")).unwrap(), None);
    world.wait(world.host.delete_branch("bowline/a", &head)).unwrap();
}

#[test]
fn a_branch_that_is_not_there_is_none_and_a_repository_that_is_not_there_is_a_fault() {
    let Some(world) = World::new("absent") else { return };
    assert_eq!(world.wait(world.host.head_of("bowline/none/at-all")).unwrap(), None);
    let other = host(world.peer.url(), "bowline/no-such-repository", &credentials(token(world.peer.token())), &world.folder).unwrap();
    for asked in [world.wait(other.head_of("main")).map(drop), world.wait(other.default_branch()).map(drop), world.wait(other.pulls(LONG_AGO)).map(drop)] {
        assert!(matches!(asked, Err(Error::Hosted(Fault::NotFound { .. }))), "{asked:?}");
    }
}

#[test]
fn a_commit_is_part_of_a_branch_if_it_is_its_head_or_before_it() {
    let Some(world) = World::new("contains") else { return };
    let newer = world.commit_to_main("memory: 32Gi\n");
    let aside = world.branch("a", "memory: 8Gi\n");
    let contains = |branch: &str, commit: &str| world.wait(world.host.contains(branch, commit)).unwrap();
    // The clone does not have `newer`, so the forge is asked; it has `aside`, so it knows by itself.
    assert!(contains("main", &newer) && contains("main", &world.base) && contains("bowline/a", &world.base));
    assert!(!contains("main", &aside) && !contains("bowline/a", &newer) && !contains("no-branch", &world.base));
    world.git(&["fetch", "-q"]);
    assert!(contains("main", &world.base) && !contains("main", &aside));
}

#[test]
fn a_change_is_pushed_from_a_shallow_repository_whose_base_the_forge_has_moved_on_from() {
    let Some(world) = World::new("shallow") else { return };
    let base = world.commit_to_main("memory: 24Gi\n");
    let shallow = world.folder.with_file_name("shallow");
    world.git(&["clone", "-q", "--bare", "--depth", "1", &format!("{}/{}.git", world.peer.url(), world.repository), shallow.to_str().unwrap()]);
    world.commit_to_main("memory: 32Gi\n");
    let shallow = host(world.peer.url(), &world.repository, &credentials(token(world.peer.token())), &shallow).unwrap();
    let commit = world.wait(shallow.commit(&change("a", "memory: 8Gi\n"), "", &base, at(0))).unwrap();
    world.wait(shallow.move_branch("bowline/a", None, &commit)).unwrap();
    assert_eq!(world.wait(world.host.head_of("bowline/a")).unwrap(), Some(commit));
    assert!(world.wait(shallow.contains("main", &base)).unwrap());
}

#[test]
fn the_default_branch_is_the_one_that_the_forge_names_now() {
    let Some(world) = World::new("renamed") else { return };
    assert_eq!(world.wait(world.host.default_branch()).unwrap(), "main");
    world.api("PATCH", "/branches/main", &json!({"name": "trunk"}));
    assert_eq!(world.wait(world.host.default_branch()).unwrap(), "trunk");
    assert_eq!(world.wait(world.host.head_of("main")).unwrap(), None);
    assert_eq!(world.wait(world.host.head_of("trunk")).unwrap().as_deref(), Some(&*world.base));
}

#[test]
fn an_archived_repository_is_read_only() {
    let Some(world) = World::new("archived") else { return };
    let (pull, commit) = (world.pull("a"), world.commit("b", "memory: 4Gi\n"));
    world.edit_repository(&json!({"archived": true}));
    let tried = [
        world.wait(world.host.move_branch("bowline/b", None, &commit)),
        world.wait(world.host.delete_branch("bowline/a", pull.head.as_ref().unwrap())),
        world.wait(world.host.comment(pull.number, "hello")),
    ];
    for tried in tried {
        assert!(matches!(tried, Err(Error::Hosted(Fault::ReadOnly { .. }))), "{tried:?}");
    }
}

#[test]
fn a_protected_branch_is_said_to_be_protected() {
    let Some(world) = World::new("protected") else { return };
    let head = world.branch("a", "memory: 8Gi\n");
    let rule = json!({"rule_name": "bowline/*", "enable_push": false, "enable_force_push": false});
    world.api("POST", "/branch_protections", &rule);
    let (other, fresh) = (world.commit("a", "memory: 4Gi\n"), world.commit("b", "memory: 2Gi\n"));
    let tried = [
        world.wait(world.host.move_branch("bowline/a", Some(&head), &other)),
        world.wait(world.host.move_branch("bowline/b", None, &fresh)),
        world.wait(world.host.delete_branch("bowline/a", &head)),
    ];
    for tried in tried {
        assert!(matches!(&tried, Err(Error::Hosted(Fault::Protected { branch, .. })) if branch.starts_with("bowline/")), "{tried:?}");
    }
}

#[test]
fn an_account_that_may_only_read_is_told_so() {
    let Some(world) = World::new("reader") else { return };
    let reader = world.peer.second_user("reader");
    let reader = host(world.peer.url(), &world.repository, &credentials(token(&reader)), &world.folder).unwrap();
    let commit = world.commit("a", "memory: 8Gi\n");
    let tried = world.wait(reader.move_branch("bowline/a", None, &commit));
    assert!(matches!(tried, Err(Error::Hosted(Fault::Forbidden { .. }))), "{tried:?}");
}

#[test]
fn an_account_and_its_password_do_as_well_as_a_token() {
    let Some(world) = World::new("password") else { return };
    let login = Login::Password { user: "bowline".into(), password: Secret::new("only-for-tests-1") };
    let other = host(world.peer.url(), &world.repository, &credentials(login), &world.folder).unwrap();
    let commit = world.commit("a", "memory: 8Gi\n");
    world.wait(other.move_branch("bowline/a", None, &commit)).unwrap();
    assert_eq!(world.wait(other.pulls(LONG_AGO)).unwrap(), []);
}

#[test]
fn a_wrong_token_is_said_to_be_wrong_and_never_shown() {
    let Some(world) = World::new("wrong") else { return };
    let wrong = host(world.peer.url(), &world.repository, &credentials(token("canary4711")), &world.folder).unwrap();
    let commit = world.commit("a", "memory: 8Gi\n");
    for tried in [world.wait(wrong.move_branch("bowline/a", None, &commit)), world.wait(wrong.pulls(LONG_AGO)).map(drop)] {
        assert!(matches!(tried, Err(Error::Hosted(Fault::Unauthorized { .. }))), "{tried:?}");
        assert!(!format!("{tried:?}").contains("canary"));
    }
    assert!(!format!("{wrong:?}").contains("canary"));
}

#[test]
fn a_credential_goes_only_to_hosts_it_is_bound_to_and_must_be_one_that_gitea_takes() {
    let folder = std::env::temp_dir();
    let tried = host("http://localhost:1", "a/b", &credentials(token("canary4711")), &folder);
    assert!(matches!(tried, Err(Error::Credential(CredentialError::NotBound { .. }))), "{tried:?}");
    let key = Login::SshKey { file: "/k".into(), known_hosts: None };
    let tried = host("http://127.0.0.1:1", "a/b", &credentials(key), &folder);
    assert!(matches!(tried, Err(Error::Hosted(Fault::Setting { what: "credential", .. }))), "{tried:?}");
    for (url, repository) in [("http://example.com", "a/b"), ("ssh://127.0.0.1/x", "a/b"), ("https://u:canary@127.0.0.1", "a/b"), ("http://127.0.0.1", "../b")]
    {
        let tried = host(url, repository, &credentials(token("canary4711")), &folder);
        assert!(matches!(tried, Err(Error::Hosted(Fault::Setting { .. }))), "{url} {repository}: {tried:?}");
        assert!(!format!("{tried:?}").contains("canary"));
    }
}

#[test]
fn a_forge_that_does_not_answer_is_unavailable_and_what_it_did_is_not_known() {
    let Some(world) = World::new("dead") else { return };
    let nobody = host(&format!("http://127.0.0.1:{}", crate::peers::free_port()), &world.repository, &credentials(token("t0")), &world.folder).unwrap();
    let commit = world.commit("a", "memory: 8Gi\n");
    let tried = world.wait(nobody.move_branch("bowline/a", None, &commit)).unwrap_err();
    assert!(tried.uncertain(), "{tried:?}");
}
