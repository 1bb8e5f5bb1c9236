//! Passes that are cut short at every point, and answers that get lost: what stands after the next pass is what would
//! stand if nothing had happened. No twin, no lost work.

use std::collections::BTreeSet;

use bowline::change::Change;
use bowline::forge::hosted::Patience;
use bowline::forge::{LABEL, Marker, State};

use crate::peers::proxy::{Rule, Spoil};
use crate::site::*;

const BRANCH: &str = "bowline/db-memory";

/// What is begun when it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Open,
    Rewrite,
    Close,
    Note,
}

fn prepare(kind: Kind, work: Work) -> Option<(Site, Vec<Change>)> {
    let site = Site::new(kind)?;
    let first = memory(&site, "8Gi");
    if work != Work::Open {
        site.settle(std::slice::from_ref(&first), 0);
    }
    let wanted = match work {
        Work::Open => vec![first],
        Work::Rewrite => vec![memory(&site, "4Gi")],
        Work::Close => vec![],
        Work::Note => {
            site.commit(BRANCH, FILE, "my own work\n");
            vec![first]
        }
    };
    Some((site, wanted))
}

/// How many requests that change something the work takes.
fn writes(kind: Kind, work: Work) -> Option<usize> {
    let (site, wanted) = prepare(kind, work)?;
    site.settle(&wanted, 1);
    let sent = site.sent();
    Some(sent.iter().filter(|line| !line.starts_with("GET ") && !line.ends_with("git-upload-pack")).count())
}

fn as_if_nothing_had_happened(site: &Site, wanted: &[Change], work: Work, at: &str) {
    assert_eq!(site.settle(wanted, 5).done, [], "{at}: nothing is left to do");
    assert_eq!(site.pulls().len(), 1, "{at}: no twin");
    let request = site.request("db-memory");
    match work {
        Work::Open | Work::Rewrite => {
            let change = &wanted[0];
            assert_eq!((request.state, &request.title, &request.hold), (State::Open, &change.title, &None), "{at}");
            assert_eq!(Marker::detach(&request.body), Marker::detach(&change.body), "{at}");
            assert_eq!(site.file(BRANCH, FILE).as_deref(), Some(&*change.files[0].text), "{at}");
            assert_eq!(site.commits_of(BRANCH), 1, "{at}");
            assert!(request.labels.iter().any(|label| **label == *LABEL), "{at}");
        }
        Work::Close => {
            assert_eq!((request.state, site.comments(&request).len()), (State::Closed, 1), "{at}");
            assert_eq!(site.head(BRANCH), None, "{at}: its branch is gone");
        }
        Work::Note => {
            assert_eq!((request.state, site.comments(&request).len()), (State::Open, 1), "{at}");
            assert_eq!(site.file(BRANCH, FILE).as_deref(), Some("my own work\n"), "{at}");
        }
    }
}

/// The process is gone from the nth request on, which the server still hears of or not.
fn killed_everywhere(kind: Kind, work: Work) {
    let Some(writes) = writes(kind, work) else { return };
    assert!(writes > 1, "{writes}");
    for place in 0..writes {
        for (last, spoil) in [("unheard", Spoil::CutBefore), ("done", Spoil::CutAfter)] {
            let at = format!("{kind:?} {work:?} killed at write {place} of {writes}, {last}");
            let Some((site, wanted)) = prepare(kind, work) else { return };
            let proxy = site.proxy.as_ref().unwrap();
            proxy.spoil_and_die(Rule { method: "write", path: "", skip: place, times: 1, spoil });
            let short = Patience { tries: 1, ..patience() };
            let _ = site.try_settle_with(&wanted, 2, &BTreeSet::new(), short);
            proxy.heal();
            site.settle(&wanted, 4);
            as_if_nothing_had_happened(&site, &wanted, work, &at);
        }
    }
}

/// One answer gets lost, though the work was done; the pass goes on by itself.
fn lost_answers(kind: Kind, work: Work) {
    let Some(writes) = writes(kind, work) else { return };
    for place in 0..writes {
        for spoil in [Spoil::After(502, "", "<html>Bad gateway</html>"), Spoil::CutAfter] {
            let at = format!("{kind:?} {work:?}, answer to write {place} of {writes} lost: {spoil:?}");
            let Some((site, wanted)) = prepare(kind, work) else { return };
            site.proxy.as_ref().unwrap().spoil(Rule { method: "write", path: "", skip: place, times: 1, spoil });
            let outcome = site.try_settle(&wanted, 2).unwrap();
            assert_eq!(outcome.failed, [], "{at}");
            as_if_nothing_had_happened(&site, &wanted, work, &at);
        }
    }
}

macro_rules! works {
    ($($name:ident: $what:ident $kind:ident $work:ident;)+) => { $(
        #[test]
        fn $name() {
            $what(Kind::$kind, Work::$work);
        }
    )+ };
}

works! {
    opening_on_gitea_can_be_killed_anywhere: killed_everywhere Gitea Open;
    rewriting_on_gitea_can_be_killed_anywhere: killed_everywhere Gitea Rewrite;
    closing_on_gitea_can_be_killed_anywhere: killed_everywhere Gitea Close;
    noting_on_gitea_can_be_killed_anywhere: killed_everywhere Gitea Note;
    opening_on_github_can_be_killed_anywhere: killed_everywhere GitHub Open;
    rewriting_on_github_can_be_killed_anywhere: killed_everywhere GitHub Rewrite;
    closing_on_github_can_be_killed_anywhere: killed_everywhere GitHub Close;
    noting_on_github_can_be_killed_anywhere: killed_everywhere GitHub Note;
    a_lost_answer_while_opening_on_gitea_makes_no_twin: lost_answers Gitea Open;
    a_lost_answer_while_rewriting_on_gitea_makes_no_twin: lost_answers Gitea Rewrite;
    a_lost_answer_while_closing_on_gitea_makes_no_twin: lost_answers Gitea Close;
    a_lost_answer_while_noting_on_gitea_makes_no_twin: lost_answers Gitea Note;
    a_lost_answer_while_opening_on_github_makes_no_twin: lost_answers GitHub Open;
    a_lost_answer_while_rewriting_on_github_makes_no_twin: lost_answers GitHub Rewrite;
    a_lost_answer_while_closing_on_github_makes_no_twin: lost_answers GitHub Close;
    a_lost_answer_while_noting_on_github_makes_no_twin: lost_answers GitHub Note;
}
