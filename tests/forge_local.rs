//! The local forge against real git: what it writes is read back with the `git` program.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

#[path = "forge_local/approve.rs"]
mod approve;
#[path = "forge_local/branch.rs"]
mod branch;
#[path = "forge_local/kill.rs"]
mod kill;
#[path = "builders/proposal.rs"]
mod proposal;
#[path = "forge_local/repo.rs"]
mod repo;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use bowline::change::Change;
use bowline::controller::Guard;
use bowline::forge::life::{Doubt, Standing, settle};
use bowline::forge::{Error, Forge, Note, Pass, State, Why};
use repo::*;

#[test]
fn a_change_is_one_commit_on_its_branch_and_nothing_else_is_touched() {
    let repo = Repo::new();
    let index = fs::read(repo.folder.join(".git/index")).unwrap();
    let head = repo.git(&["rev-parse", "HEAD"]);
    repo.settle(&[memory("8Gi")], 0);

    assert_eq!(
        repo.git(&["log", "--format=%an <%ae> %cn <%ce> %at", "main..bowline/db-memory"]),
        format!("Bowline <bowline@localhost> Bowline <bowline@localhost> {}", at(0).as_second())
    );
    assert_eq!(repo.git(&["log", "-1", "--format=%s", "bowline/db-memory"]), "Change db-memory");
    assert_eq!(repo.git(&["log", "-1", "--format=%(trailers:key=Bowline-Key,valueonly)", "bowline/db-memory"]), "db-memory\n".trim());
    assert_eq!(repo.git(&["diff", "--name-only", "main", "bowline/db-memory"]), "changes/db-memory.yaml\nitems/db.yaml");
    assert_eq!(repo.git(&["diff", "--numstat", "main", "bowline/db-memory", "--", "items"]), "1\t1\titems/db.yaml");
    assert_eq!(repo.git(&["branch", "--format=%(refname:short)"]), "bowline/db-memory\nmain");
    assert_eq!((repo.status(), repo.git(&["rev-parse", "HEAD"])), (String::new(), head));
    assert_eq!(fs::read(repo.folder.join(".git/index")).unwrap(), index);
    repo.check();
}

#[test]
fn the_same_change_at_the_same_instant_gives_the_same_commits() {
    let (one, other) = (Repo::new(), Repo::new());
    one.settle(&[memory("8Gi")], 0);
    other.settle(&[memory("8Gi")], 0);
    assert_eq!(one.refs(), other.refs());
}

#[test]
fn a_second_run_with_nothing_new_writes_no_object_no_commit_and_no_ref() {
    let repo = Repo::new();
    let wanted = [memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")];
    repo.settle(&wanted, 0);
    let before = files(&repo.folder);
    let outcome = repo.settle(&wanted, 1);
    assert_eq!(outcome.done, []);
    assert_eq!(files(&repo.folder), before);
}

#[test]
fn a_step_that_is_not_begun_because_it_is_to_stop_has_not_failed() {
    let repo = Repo::new();
    let (halt, stop) = tokio::sync::watch::channel(false);
    // It is told to stop while the first step is being taken.
    let forge = repo.forge().with_hook(Arc::new(move |_: &str| {
        halt.send_replace(true);
    }));
    let wanted = [memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")];
    let pass = Pass { base: None, now: at(0) };
    let outcome = wait(settle(&Guard::new(&forge, stop), &wanted, &Doubt::none(), &BTreeSet::new(), &limits(), pass)).unwrap();
    assert_eq!((outcome.done.len(), outcome.failed.len()), (1, 0));
    assert_eq!(outcome.standings.len(), 1, "how the other stands is not known");
    assert_eq!(repo.settle(&wanted, 1).done.len(), 1, "the next pass takes it");
}

#[test]
fn the_request_is_found_again_with_title_body_state_and_patch() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let request = repo.forge().request("db-memory").unwrap();
    assert_eq!((request.title.as_str(), request.state, request.hold, request.conflicts), ("Change db-memory", State::Open, None, false));
    assert!(request.body.starts_with("# db-memory\n\nWhat and why.\n\n<!-- bowline:"), "{}", request.body);
    assert_eq!(request.opened, at(0));
    let patch = wait(repo.forge().patch(&request)).unwrap();
    assert_eq!(patch.trim_end(), repo.git(&["diff", "main", "bowline/db-memory"]));
    assert!(matches!(repo.forge().request("none"), Err(Error::Unknown { .. })));
}

#[test]
fn changed_drift_replaces_the_one_commit_the_title_and_the_body() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.settle(&[Change { title: "Now 4".into(), body: "new".into(), ..memory("4Gi") }], 1);
    assert_eq!(repo.commits_of("bowline/db-memory").len(), 1);
    assert!(repo.git(&["show", "bowline/db-memory:items/db.yaml"]).contains("4Gi"));
    let request = repo.forge().request("db-memory").unwrap();
    assert_eq!((request.title.as_str(), request.opened, request.updated), ("Now 4", at(0), at(1)));
    assert!(request.body.starts_with("new\n"));
}

// renovate#3381: a rebase dismisses approvals, so it is made only when it is needed.
#[test]
fn a_base_that_moves_elsewhere_leaves_the_branch_and_one_that_conflicts_rebuilds_it_on_top() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let head = repo.git(&["rev-parse", "bowline/db-memory"]);
    repo.write("notes.txt", "two\n");
    repo.commit("elsewhere");
    assert_eq!(repo.settle(&[memory("8Gi")], 1).done, []);
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory"]), head);

    let text = format!("# a new comment\n{ITEM}");
    repo.write("items/db.yaml", &text);
    let base = repo.commit("the same file");
    let regenerated = Change { fingerprint: memory("8Gi").fingerprint, ..change("db-memory", "items/db.yaml", &text.replace("16Gi", "8Gi")) };
    repo.settle(std::slice::from_ref(&regenerated), 2);
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory^"]), base);
    assert_eq!(repo.git(&["diff", "--numstat", "main", "bowline/db-memory", "--", "items"]), "1\t1\titems/db.yaml");
    assert_eq!(repo.settle(&[regenerated], 3).done, []);
}

// renovate#525, #3724.
#[test]
fn a_branch_that_a_person_has_committed_to_is_never_touched_again() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let theirs = commit_to_branch(&repo);
    let outcome = repo.settle(&[memory("4Gi")], 1);
    assert_eq!(standing(&outcome), &Standing::HandsOff);
    assert_eq!(repo.settle(&[memory("2Gi")], 2).done, [], "said once");
    assert_eq!(standing(&repo.settle(&[], 3)), &Standing::Abandoned);
    assert_eq!(repo.settle(&[], 4).done, [], "said once");
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory"]), theirs);
    let request = repo.forge().request("db-memory").unwrap();
    assert_eq!(request.notes.iter().map(|noted| noted.note).collect::<Vec<_>>(), [Note::HandsOff, Note::Abandoned]);
}

#[test]
fn an_amended_commit_is_a_persons_commit_though_it_bears_our_name() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.git(&["checkout", "-q", "bowline/db-memory"]);
    repo.git(&["commit", "-q", "--amend", "-m", "reworded"]);
    repo.git(&["checkout", "-q", "main"]);
    assert_eq!(standing(&repo.settle(&[memory("4Gi")], 1)), &Standing::HandsOff);
}

#[test]
fn a_branch_that_a_working_tree_has_checked_out_is_not_moved_under_its_feet() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let head = repo.git(&["rev-parse", "bowline/db-memory"]);
    let tree = repo.folder.parent().unwrap().join("look");
    repo.git(&["worktree", "add", "-q", tree.to_str().unwrap(), "bowline/db-memory"]);
    assert_eq!(standing(&repo.settle(&[memory("4Gi")], 1)), &Standing::Held);
    assert_eq!(standing(&repo.settle(&[], 2)), &Standing::Held);
    assert!(matches!(wait(repo.forge().reject("db-memory", None, None, at(3))), Err(Error::CheckedOut { .. })));
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory"]), head);
    repo.git(&["worktree", "remove", tree.to_str().unwrap()]);
    repo.settle(&[memory("4Gi")], 4);
    assert_ne!(repo.git(&["rev-parse", "bowline/db-memory"]), head);
}

#[test]
fn when_the_drift_is_gone_the_branch_is_deleted_and_its_commit_stays_in_the_history_of_the_record() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let head = repo.git(&["rev-parse", "bowline/db-memory"]);
    repo.settle(&[], 1);
    assert!(!repo.try_git(&["rev-parse", "--verify", "-q", "bowline/db-memory"]).status.success());
    repo.git(&["merge-base", "--is-ancestor", &head, "refs/bowline/requests/db-memory"]);
    repo.git(&["gc", "-q", "--prune=now"]);
    repo.git(&["cat-file", "-e", &head]);
    let request = repo.forge().request("db-memory").unwrap();
    assert_eq!((request.state, request.head), (State::Closed, None));
    assert!(request.decision.unwrap().reason.unwrap().contains("agree again"));
    repo.check();
    assert_eq!(standing(&repo.settle(&[memory("8Gi")], 2)), &Standing::Proposed, "and it can come back");
}

#[test]
fn the_history_of_the_record_is_the_life_of_the_request() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.settle(&[memory("4Gi")], 1);
    repo.settle(&[], 2);
    let history = repo.git(&["log", "--first-parent", "-3", "--format=%s", "refs/bowline/requests/db-memory"]);
    assert_eq!(history, "Closed: Change db-memory\nOpen: Change db-memory\nOpen: Change db-memory");
    let written: serde_json::Value = serde_json::from_str(&repo.git(&["show", "refs/bowline/requests/db-memory:request.json"])).unwrap();
    assert_eq!(written["intent"], serde_json::Value::Null);
}

#[test]
fn a_rejected_change_stays_rejected_until_its_drift_changes() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    wait(repo.forge().reject("db-memory", Some(&ada()), Some("we want 16"), at(1))).unwrap();
    wait(repo.forge().reject("db-memory", Some(&ada()), Some("twice"), at(2))).unwrap();
    let outcome = repo.settle(&[memory("8Gi")], 3);
    let Standing::Rejected { who, reason, .. } = standing(&outcome) else { panic!("{outcome:?}") };
    assert_eq!((who.as_deref(), reason.as_deref()), (Some("Ada Board"), Some("we want 16")));
    assert!(repo.commits_of("refs/bowline/requests/db-memory").len() > 1 && outcome.done.is_empty());
    assert!(matches!(repo.approve("db-memory", 4), Err(Error::NotOpen { state: State::Rejected, .. })));
    assert_eq!(standing(&repo.settle(&[memory("4Gi")], 5)), &Standing::Proposed);
}

#[test]
fn a_branch_deleted_by_hand_is_a_rejection() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.git(&["branch", "-q", "-D", "bowline/db-memory"]);
    assert_eq!(repo.forge().request("db-memory").unwrap().state, State::Rejected);
    let outcome = repo.settle(&[memory("8Gi")], 1);
    assert!(matches!(standing(&outcome), Standing::Rejected { reason: Some(reason), .. } if reason.contains("deleted")), "{outcome:?}");
    let before = files(&repo.folder);
    repo.settle(&[memory("8Gi")], 2);
    assert_eq!(files(&repo.folder), before);
}

#[test]
fn a_merge_by_hand_is_an_approval_however_it_was_made() {
    for merge in [
        &["merge", "-q", "--no-ff", "-m", "m", "bowline/db-memory"][..],
        &["merge", "-q", "--ff-only", "bowline/db-memory"],
        &["merge", "-q", "--squash", "bowline/db-memory"],
    ] {
        let repo = Repo::new();
        repo.settle(&[memory("8Gi")], 0);
        repo.git(merge);
        if merge.contains(&"--squash") {
            repo.git(&["commit", "-q", "-m", "squashed"]);
        }
        assert_eq!(repo.forge().request("db-memory").unwrap().state, State::Merged);
        assert_eq!(standing(&repo.settle(&[memory("8Gi")], 1)), &Standing::Approved);
        assert!(!repo.try_git(&["rev-parse", "--verify", "-q", "bowline/db-memory"]).status.success(), "its branch is tidied away");
        assert_eq!(standing(&repo.settle(&[], 2)), &Standing::Done);
        let before = files(&repo.folder);
        assert_eq!(repo.settle(&[], 3).done, []);
        assert_eq!(files(&repo.folder), before);
        assert_eq!(standing(&repo.settle(&[memory("8Gi")], 4)), &Standing::Proposed, "new drift is proposed again");
    }
}

// image-automation-controller#939: several runs race on one branch.
#[test]
fn runs_side_by_side_make_nothing_twice() {
    let repo = Repo::new();
    let wanted: Vec<Change> = (0..6).map(|number| change(&format!("k{number}"), &format!("items/{number}.yaml"), "a: 1\n")).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| settled(&repo.forge(), &wanted, 0).unwrap());
        }
    });
    assert_eq!(repo.settle(&wanted, 1).done, []);
    for change in &wanted {
        assert_eq!(repo.commits_of(&format!("bowline/{}", change.key)).len(), 1);
        assert_eq!(repo.commits_of(&format!("refs/bowline/requests/{}", change.key)).len(), 2, "the commit and one record");
    }
    repo.check();
}

#[test]
fn a_persons_commit_stays_in_the_history_of_the_record_when_the_request_is_rejected_or_rebuilt() {
    for rebuilt in [false, true] {
        let repo = Repo::new();
        repo.settle(&[memory("8Gi")], 0);
        let theirs = commit_to_branch(&repo);
        if rebuilt {
            let request = repo.forge().request("db-memory").unwrap();
            wait(repo.forge().rewrite(&request, &memory("4Gi"), Why::DriftChanged, Pass { base: None, now: at(1) })).unwrap();
            assert_eq!(standing(&repo.settle(&[memory("4Gi")], 2)), &Standing::Proposed);
        } else {
            wait(repo.forge().reject("db-memory", None, None, at(1))).unwrap();
        }
        repo.git(&["merge-base", "--is-ancestor", &theirs, "refs/bowline/requests/db-memory"]);
    }
}

#[test]
fn a_request_that_moved_since_it_was_listed_is_not_rewritten() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let listed = repo.forge().request("db-memory").unwrap();
    let theirs = commit_to_branch(&repo);
    let pass = Pass { base: None, now: at(1) };
    assert!(matches!(wait(repo.forge().rewrite(&listed, &memory("4Gi"), Why::DriftChanged, pass)), Err(Error::Moved { .. })));
    assert!(matches!(wait(repo.forge().close(&listed, "gone", pass)), Err(Error::Moved { .. })));
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory"]), theirs);
}

// `bowline/<key>` must mean the branch to git, whatever else bears the name.
#[test]
fn the_short_name_of_a_branch_is_not_ambiguous() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory"]), repo.git(&["rev-parse", "refs/heads/bowline/db-memory"]));
    assert_eq!(repo.git(&["rev-parse", "--abbrev-ref", "bowline/db-memory"]), "bowline/db-memory");
}

#[test]
fn packed_refs_are_read_moved_and_deleted_like_others() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.git(&["gc", "-q"]);
    repo.settle(&[memory("4Gi")], 1);
    repo.git(&["pack-refs", "--all"]);
    assert_eq!(repo.settle(&[memory("4Gi")], 2).done, []);
    repo.settle(&[], 3);
    assert_eq!(repo.git(&["branch", "--format=%(refname:short)"]), "main");
}

// image-automation-controller#205: one branch that cannot be moved must not stop the rest, nor itself for ever.
#[test]
fn a_branch_that_git_has_locked_fails_with_a_hint_and_goes_on_once_it_is_free() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let refs = repo.refs();
    let lock = repo.folder.join(".git/refs/heads/bowline/db-memory.lock");
    fs::write(&lock, "").unwrap();
    for changes in [&[memory("4Gi"), change("other", "items/new.yaml", "a: 1\n")][..], &[change("other", "items/new.yaml", "a: 1\n")]] {
        let outcome = settled(&repo.forge(), changes, 1).unwrap();
        assert!(outcome.failed[0].hint.as_ref().unwrap().contains("db-memory.lock"), "{outcome:?}");
        assert_eq!(outcome.standings["other"], Standing::Proposed);
        assert!(repo.refs().contains(refs.lines().last().unwrap()), "the record is as it was");
    }
    fs::remove_file(lock).unwrap();
    assert_eq!(repo.settle(&[memory("4Gi"), change("other", "items/new.yaml", "a: 1\n")], 2).done.len(), 1);
}
