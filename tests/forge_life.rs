//! The life of a change request, the same on all forges: each case is one sentence, and runs over the local forge, over a
//! real Gitea, and over GitHub's API as an emulator by others speaks it. Every pass is made by a new forge value that
//! remembers nothing, as a new process would.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

#[path = "forge_life/cut.rs"]
mod cut;
#[path = "forge_life/faults.rs"]
mod faults;
#[path = "forge_life/many.rs"]
mod many;
mod peers;
#[path = "builders/proposal.rs"]
mod proposal;
#[path = "forge_life/site.rs"]
mod site;

use bowline::change::Change;
use bowline::forge::life::{Action, Standing, Why};
use bowline::forge::{ABANDONED_LABEL, Error, HANDS_OFF_LABEL, HOLD_LABEL, LABEL, Marker, Note, OVERDUE_LABEL, Person, REBUILD_LABEL, State};
use site::*;

/// Each case over each forge that it names.
macro_rules! cases {
    ($($case:ident: $($kind:ident)+;)+) => { $(mod $case { $(
        #[test]
        #[allow(non_snake_case)]
        fn $kind() {
            if let Some(mut site) = super::Site::new(super::Kind::$kind) {
                super::cases::$case(&mut site);
            }
        }
    )+ })+ };
}

cases! {
    drift_is_proposed_as_one_request_with_one_commit: Local Gitea GitHub;
    unchanged_content_makes_no_request_beyond_one_list: Local Gitea GitHub;
    changed_drift_regenerates_the_one_commit_and_the_words: Local Gitea GitHub;
    other_words_leave_the_branch_as_it_is: Local Gitea GitHub;
    a_person_s_commit_means_hands_off_and_is_said_once: Local Gitea GitHub;
    a_force_push_by_a_person_means_hands_off: Local Gitea GitHub;
    the_label_rebuild_builds_an_edited_branch_anew_once: Gitea GitHub;
    the_label_hold_keeps_everything_as_it_is: Gitea GitHub;
    a_base_that_moved_without_a_conflict_leaves_the_branch: Gitea GitHub;
    a_base_that_conflicts_has_the_branch_rebuilt: Local Gitea GitHub;
    gone_drift_closes_with_the_reason_and_deletes_the_branch: Local Gitea GitHub;
    gone_drift_of_an_edited_branch_is_said_once_and_left: Local Gitea GitHub;
    closed_by_a_person_is_rejected_until_the_drift_changes: Local Gitea GitHub;
    closed_by_a_person_is_rejected_until_its_time_has_passed: Local Gitea GitHub;
    rejected_through_bowline_remembers_who_and_why: Local Gitea GitHub;
    merged_by_a_person_is_approved_and_then_done: Local Gitea GitHub;
    approved_through_bowline_is_merged: Local Gitea GitHub;
    approved_and_not_done_when_the_window_has_passed_is_overdue_and_said_once: Local Gitea GitHub;
    a_request_that_a_person_opened_again_is_not_closed_again: Gitea GitHub;
    a_branch_deleted_by_hand_is_a_rejection: Local Gitea GitHub;
    a_renamed_default_branch_is_followed: Local Gitea GitHub;
    a_branch_of_somebody_else_is_never_taken: Local Gitea GitHub;
    a_body_without_its_marker_is_a_condition_and_a_label_mends_it: Gitea GitHub;
    a_missing_label_is_put_back: Gitea GitHub;
    a_commit_that_is_not_on_the_base_branch_is_refused: Gitea GitHub;
}

mod cases {
    use super::*;

    const KEY: &str = "db-memory";
    const BRANCH: &str = "bowline/db-memory";

    fn ada() -> Person {
        Person { name: "Ada Board".into(), email: "ada@example.com".into() }
    }

    fn proposed(site: &Site) -> Change {
        let wanted = memory(site, "8Gi");
        site.settle(std::slice::from_ref(&wanted), 0);
        wanted
    }

    pub fn drift_is_proposed_as_one_request_with_one_commit(site: &mut Site) {
        let wanted = proposed(site);
        assert!(site.file(BRANCH, FILE).unwrap().contains("memory: 8Gi"));
        assert!(site.file(BRANCH, "changes/db-memory.yaml").is_some());
        assert_eq!(site.commits_of(BRANCH), 1);
        assert!(site.file("main", FILE).unwrap().contains("memory: 16Gi"), "the base is as it was");
        let request = site.request(KEY);
        assert_eq!((request.state, &request.title, &*request.base_branch), (State::Open, &wanted.title, "main"));
        assert_eq!(Marker::detach(&request.body), Marker::detach(&wanted.body));
        assert_eq!(request.marker.fingerprint, wanted.fingerprint);
        if site.kind != Kind::Local {
            assert!(request.labels.iter().any(|label| **label == *LABEL), "{:?}", request.labels);
            assert!(request.url.is_some());
        }
    }

    pub fn unchanged_content_makes_no_request_beyond_one_list(site: &mut Site) {
        let wanted = proposed(site);
        assert_eq!(site.action(std::slice::from_ref(&wanted), 1), None);
        let sent = site.sent();
        // The forge's default branch is asked for once a process, to know a renamed one.
        let lists: Vec<&String> = sent.iter().filter(|line| line.contains("/pulls?")).collect();
        if site.kind != Kind::Local {
            assert_eq!((lists.len(), sent.iter().all(|line| line.starts_with("GET "))), (1, true), "{sent:?}");
            assert!(sent.len() <= 2, "{sent:?}");
        }
    }

    pub fn changed_drift_regenerates_the_one_commit_and_the_words(site: &mut Site) {
        proposed(site);
        let (before, changed) = (site.request(KEY), memory(site, "4Gi"));
        assert_eq!(site.action(std::slice::from_ref(&changed), 1), Some(Action::Rewrite(Why::DriftChanged)));
        let after = site.request(KEY);
        assert_eq!((&after.id, &after.title), (&before.id, &changed.title));
        assert_ne!(after.head, before.head);
        assert_eq!(site.commits_of(BRANCH), 1);
        assert!(site.file(BRANCH, FILE).unwrap().contains("memory: 4Gi"));
        assert!(after.body.contains("4Gi"));
        assert_eq!(site.action(&[changed], 2), None);
    }

    // renovate#3381: a new commit dismisses approvals.
    pub fn other_words_leave_the_branch_as_it_is(site: &mut Site) {
        let wanted = proposed(site);
        let before = site.request(KEY);
        let reworded = Change { body: "# Better\n\nwords.".into(), title: "Better".into(), fingerprint: "other".into(), ..wanted };
        assert_eq!(site.action(std::slice::from_ref(&reworded), 1), Some(Action::Rewrite(Why::Reworded)));
        let after = site.request(KEY);
        assert_eq!((&after.head, &*after.title), (&before.head, "Better"));
        assert!(after.body.contains("# Better"));
        assert_eq!(site.action(&[reworded], 2), None);
    }

    // renovate#525, #3724.
    pub fn a_person_s_commit_means_hands_off_and_is_said_once(site: &mut Site) {
        proposed(site);
        let theirs = site.commit(BRANCH, FILE, "my own work\n");
        let changed = [memory(site, "4Gi")];
        assert!(matches!(site.action(&changed, 1), Some(Action::Note { note: Note::HandsOff, .. })));
        for minute in 2..4 {
            assert_eq!(site.action(&changed, minute), None);
        }
        let request = site.request(KEY);
        assert_eq!(site.head(BRANCH), Some(theirs));
        assert_eq!(site.comments(&request).len(), 1);
        assert_eq!(site.standing(&changed, 5, KEY), Standing::HandsOff);
        if site.kind != Kind::Local {
            assert!(request.labels.iter().any(|label| **label == *HANDS_OFF_LABEL), "{:?}", request.labels);
        }
    }

    pub fn a_force_push_by_a_person_means_hands_off(site: &mut Site) {
        let wanted = proposed(site);
        let theirs = site.commit("main", "items/theirs.yaml", "kind: Theirs\n");
        if site.kind == Kind::Gitea {
            site.settle(std::slice::from_ref(&wanted), 1);
        }
        let elsewhere = site.commit(BRANCH, "items/more.yaml", "kind: More\n");
        site.force(BRANCH, &elsewhere);
        assert_ne!(theirs, elsewhere);
        assert_eq!(site.standing(&[memory(site, "4Gi")], 2, KEY), Standing::HandsOff);
        assert_eq!(site.head(BRANCH), Some(elsewhere));
    }

    pub fn the_label_rebuild_builds_an_edited_branch_anew_once(site: &mut Site) {
        proposed(site);
        site.commit(BRANCH, FILE, "my own work\n");
        let changed = [memory(site, "4Gi")];
        site.settle(&changed, 1);
        site.add_label(&site.request(KEY), REBUILD_LABEL);
        assert_eq!(site.action(&changed, 2), Some(Action::Rewrite(Why::Asked)));
        assert!(site.file(BRANCH, FILE).unwrap().contains("memory: 4Gi"));
        assert_eq!(site.commits_of(BRANCH), 1);
        let labels = site.request(KEY).labels;
        assert!(!labels.iter().any(|label| **label == *REBUILD_LABEL || **label == *HANDS_OFF_LABEL), "{labels:?}");
        assert_eq!(site.action(&changed, 3), None);
    }

    pub fn the_label_hold_keeps_everything_as_it_is(site: &mut Site) {
        let wanted = proposed(site);
        let before = site.request(KEY);
        site.add_label(&before, HOLD_LABEL);
        for changes in [vec![memory(site, "4Gi")], vec![]] {
            assert_eq!(site.standing(&changes, 1, KEY), Standing::Held);
        }
        assert_eq!(site.request(KEY).head, before.head);
        site.remove_label(&before, HOLD_LABEL);
        assert_eq!(site.standing(&[wanted], 2, KEY), Standing::Proposed);
    }

    pub fn a_base_that_moved_without_a_conflict_leaves_the_branch(site: &mut Site) {
        proposed(site);
        let before = site.request(KEY);
        site.commit("main", FILE, &ITEM.replace("owner: ada", "owner: bob"));
        assert_eq!(site.action(&[memory(site, "8Gi")], 1), None);
        assert_eq!(site.request(KEY).head, before.head);
    }

    pub fn a_base_that_conflicts_has_the_branch_rebuilt(site: &mut Site) {
        proposed(site);
        site.commit("main", FILE, &ITEM.replace("memory: 16Gi", "memory: 32Gi"));
        let wanted = [memory(site, "8Gi")];
        assert_eq!(site.action(&wanted, 1), Some(Action::Rewrite(Why::BaseMoved)));
        assert_eq!(site.commits_of(BRANCH), 1);
        assert_eq!(site.action(&wanted, 2), None);
    }

    pub fn gone_drift_closes_with_the_reason_and_deletes_the_branch(site: &mut Site) {
        proposed(site);
        let request = site.request(KEY);
        assert!(matches!(site.action(&[], 1), Some(Action::Close { .. })));
        assert_eq!((site.head(BRANCH), site.request(KEY).state), (None, State::Closed));
        let decision = site.request(KEY).decision.unwrap();
        assert!(decision.reason.unwrap().contains("agree again"));
        if site.kind != Kind::Local {
            assert!(site.comments(&request).concat().contains("agree again"));
        }
        assert_eq!(site.action(&[], 2), None);
        assert_eq!(site.standing(&[memory(site, "8Gi")], 3, KEY), Standing::Proposed, "and it can come back");
    }

    pub fn gone_drift_of_an_edited_branch_is_said_once_and_left(site: &mut Site) {
        let wanted = proposed(site);
        let theirs = site.commit(BRANCH, FILE, "my own work\n");
        site.settle(&[wanted], 1);
        assert!(matches!(site.action(&[], 2), Some(Action::Note { note: Note::Abandoned, .. })));
        assert_eq!(site.action(&[], 3), None);
        let request = site.request(KEY);
        assert_eq!((request.state, site.head(BRANCH)), (State::Open, Some(theirs)));
        if site.kind != Kind::Local {
            assert!(request.labels.iter().any(|label| **label == *ABANDONED_LABEL), "{:?}", request.labels);
        }
    }

    pub fn closed_by_a_person_is_rejected_until_the_drift_changes(site: &mut Site) {
        let wanted = proposed(site);
        site.close(&site.request(KEY));
        for minute in 2..4 {
            assert_eq!(site.action(std::slice::from_ref(&wanted), minute), None);
        }
        assert!(matches!(site.standing(&[wanted], 5, KEY), Standing::Rejected { .. }));
        let changed = [memory(site, "4Gi")];
        assert_eq!(site.action(&changed, 6), Some(Action::Open));
        assert_eq!(site.commits_of(BRANCH), 1);
        assert_eq!(site.request(KEY).state, State::Open);
        assert_eq!(site.action(&changed, 7), None);
    }

    pub fn closed_by_a_person_is_rejected_until_its_time_has_passed(site: &mut Site) {
        let wanted = [proposed(site)];
        site.close(&site.request(KEY));
        assert_eq!(site.action(&wanted, 89 * DAY), None);
        assert_eq!(site.action(&wanted, 91 * DAY), Some(Action::Open));
    }

    pub fn rejected_through_bowline_remembers_who_and_why(site: &mut Site) {
        let wanted = [proposed(site)];
        wait(site.forge().reject(KEY, Some(&ada()), Some("not this year"), at(1))).unwrap();
        wait(site.forge().reject(KEY, Some(&ada()), Some("not this year"), at(2))).unwrap();
        let Standing::Rejected { who, reason, .. } = site.standing(&wanted, 3, KEY) else { panic!() };
        assert_eq!((who.as_deref(), reason.as_deref()), (Some("Ada Board"), Some("not this year")));
        assert_eq!(site.head(BRANCH), None);
    }

    pub fn merged_by_a_person_is_approved_and_then_done(site: &mut Site) {
        let wanted = [proposed(site)];
        site.merge(&site.request(KEY));
        assert_eq!(site.standing(&wanted, 1, KEY), Standing::Approved);
        assert_eq!(site.standing(&[], 2, KEY), Standing::Done);
        assert_eq!(site.action(&[], 3), None);
        assert_eq!((site.head(BRANCH), site.request(KEY).state), (None, State::Merged));
        let again = Change { basis: "now".into(), ..change(KEY, FILE, "memory: 2Gi\n", "8Gi") };
        assert_eq!(site.action(&[again], 4), Some(Action::Open), "the same drift after that is new drift");
    }

    pub fn approved_through_bowline_is_merged(site: &mut Site) {
        proposed(site);
        let approval = wait(site.forge().approve(KEY, Some(&ada()), at(1))).unwrap();
        assert_eq!(approval.branch, "main");
        assert!(site.file("main", FILE).unwrap().contains("memory: 8Gi"));
        assert_eq!(site.request(KEY).state, State::Merged);
        wait(site.forge().approve(KEY, Some(&ada()), at(2))).unwrap();
        let unknown = wait(site.forge().approve("no-such-key", Some(&ada()), at(1)));
        assert!(matches!(unknown, Err(Error::Unknown { .. })), "{unknown:?}");
    }

    pub fn approved_and_not_done_when_the_window_has_passed_is_overdue_and_said_once(site: &mut Site) {
        let wanted = [proposed(site)];
        site.merge(&site.request(KEY));
        let later = 5 * DAY;
        assert!(matches!(site.action(&wanted, later), Some(Action::Note { note: Note::Overdue, .. })));
        assert_eq!(site.action(&wanted, later + 1), None);
        let request = site.request(KEY);
        assert_eq!(site.comments(&request).len(), 1);
        if site.kind != Kind::Local {
            assert!(request.labels.iter().any(|label| **label == *OVERDUE_LABEL), "{:?}", request.labels);
        }
    }

    // renovate#9042, #11547: opened and closed in a loop.
    pub fn a_request_that_a_person_opened_again_is_not_closed_again(site: &mut Site) {
        proposed(site);
        let request = site.request(KEY);
        site.settle(&[], 1);
        site.force_back(BRANCH, request.head.as_deref().unwrap());
        site.reopen(&request);
        for minute in 2..4 {
            assert_eq!(site.standing(&[], minute, KEY), Standing::Held);
        }
        assert_eq!(site.request(KEY).state, State::Open);
    }

    pub fn a_branch_deleted_by_hand_is_a_rejection(site: &mut Site) {
        let wanted = [proposed(site)];
        site.delete_branch(BRANCH);
        assert!(matches!(site.standing(&wanted, 1, KEY), Standing::Rejected { .. }));
        assert_eq!(site.action(&wanted, 2), None);
    }

    pub fn a_renamed_default_branch_is_followed(site: &mut Site) {
        proposed(site);
        site.rename_default_branch("trunk");
        let changed = [memory(site, "4Gi")];
        site.settle(&changed, 1);
        let request = site.request(KEY);
        assert_eq!((request.state, &*request.base_branch), (State::Open, "trunk"));
        assert!(site.file(BRANCH, FILE).unwrap().contains("memory: 4Gi"));
        assert_eq!(site.action(&changed, 2), None);
    }

    pub fn a_branch_of_somebody_else_is_never_taken(site: &mut Site) {
        site.new_branch(BRANCH);
        let theirs = site.commit(BRANCH, "items/theirs.yaml", "kind: Theirs\n");
        for minute in 0..2 {
            let outcome = site.try_settle(&[memory(site, "8Gi")], minute).unwrap();
            assert!(outcome.failed[0].message.contains("Bowline did not make it"), "{outcome:?}");
        }
        assert_eq!(site.head(BRANCH), Some(theirs));
    }

    pub fn a_body_without_its_marker_is_a_condition_and_a_label_mends_it(site: &mut Site) {
        let wanted = [proposed(site)];
        let request = site.request(KEY);
        site.set_body(&request, "A person has written this anew.");
        let Standing::Unreadable { message } = site.standing(&wanted, 1, KEY) else { panic!() };
        assert!(message.contains("bowline/rebuild"), "{message}");
        site.add_label(&request, REBUILD_LABEL);
        assert_eq!(site.action(&wanted, 2), Some(Action::Rewrite(Why::Asked)));
        assert_eq!(site.standing(&wanted, 3, KEY), Standing::Proposed);
        assert_eq!(site.pulls().len(), 1);
    }

    pub fn a_missing_label_is_put_back(site: &mut Site) {
        let wanted = [proposed(site)];
        site.remove_label(&site.request(KEY), LABEL);
        assert_eq!(site.action(&wanted, 1), Some(Action::Finish));
        assert_eq!(site.action(&wanted, 2), None);
    }

    pub fn a_commit_that_is_not_on_the_base_branch_is_refused(site: &mut Site) {
        site.new_branch("elsewhere");
        let foreign = site.commit("elsewhere", "items/theirs.yaml", "kind: Theirs\n");
        let outcome = site.try_settle_at(&[memory(site, "8Gi")], 0, &foreign).unwrap();
        assert!(outcome.failed[0].message.contains(&foreign), "{outcome:?}");
        assert_eq!((site.head(BRANCH), site.pulls().len()), (None, 0));
    }
}
