//! How a pull request is read as a request: by its branch and the marker in its body, and by nothing else.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Pull;
use crate::api::Text;
use crate::forge::marker::Written;
use crate::forge::{BRANCH_PREFIX, Decision, Hold, LABEL, Listing, Marker, Noted, Problem, REBUILD_LABEL, Request, State};

/// The key that a branch of Bowline's names.
pub(super) fn key_of(branch: &str) -> Option<&str> {
    branch.strip_prefix(BRANCH_PREFIX).filter(|key| !key.is_empty() && !key.contains('/'))
}

/// The requests of an estate among pull requests: of each key the open one, else the latest.
pub(super) fn listing(estate: &str, pulls: Vec<Pull>) -> Listing {
    let mut latest: BTreeMap<Text, (Pull, Option<Marker>)> = BTreeMap::new();
    for pull in pulls {
        // A branch of a stranger's copy of the repository can bear any name, and its pull request any marker.
        let Some(key) = key_of(&pull.branch).filter(|_| !pull.foreign) else { continue };
        let marker = Marker::read(&pull.body);
        if marker.as_ref().is_some_and(|marker| *marker.estate != *estate || *marker.key != *key) {
            continue;
        }
        let rank = |pull: &Pull| (pull.open, pull.created, pull.number);
        let key = Text::from(key);
        if latest.get(&key).is_none_or(|(known, _)| rank(known) < rank(&pull)) {
            latest.insert(key, (pull, marker));
        }
    }
    let mut listing = Listing::default();
    for (key, (pull, marker)) in latest {
        match marker {
            Some(marker) => listing.requests.push(request(pull, marker)),
            None if asks_for_rebuild(&pull) => {
                let marker = blank(estate, &key);
                listing.requests.push(request(pull, marker));
            }
            None if pull.open => listing.problems.push(without_marker(key, &pull)),
            None => {}
        }
    }
    listing
}

fn asks_for_rebuild(pull: &Pull) -> bool {
    pull.open && pull.labels.iter().any(|label| **label == *REBUILD_LABEL)
}

/// What stands for a marker that somebody has deleted: nothing that it says is so, so all is written anew.
fn blank(estate: &str, key: &Text) -> Marker {
    Marker {
        estate: estate.into(),
        key: key.clone(),
        fingerprint: Text::default(),
        drift: Text::default(),
        items: Vec::new(),
        sources: Vec::new(),
        due: None,
        cut: true,
        content: Text::default(),
        basis: Text::default(),
        written: None,
    }
}

fn without_marker(key: Text, pull: &Pull) -> Problem {
    let message = format!(
        "pull request #{} stands on its branch, and its body no longer ends with Bowline's hidden line, so nothing is done about it; \
         the label `{REBUILD_LABEL}` has it written anew",
        pull.number
    );
    Problem { key, message }
}

fn request(pull: Pull, mut marker: Marker) -> Request {
    let written = marker.written.clone().unwrap_or_default();
    let state = state_of(&pull, &written);
    let cut_short = state == State::Open && written.previous.is_some() && pull.head.as_deref() == written.previous.as_deref();
    if cut_short {
        // The body tells of a commit that the branch does not have yet: whatever is wanted now, it is to be written again.
        marker.content = Text::default();
        marker.fingerprint = Text::default();
    }
    let (decision, hold) = (decision_of(&pull, &written, state), hold_of(&pull, &written, state, cut_short));
    Request {
        id: pull.number.to_string(),
        unfinished: state == State::Open && !pull.labels.iter().any(|label| **label == *LABEL),
        leftover: false,
        branch: pull.branch,
        base_branch: pull.base_branch,
        title: pull.title,
        body: pull.body,
        state,
        head: pull.head,
        base: written.base.to_string(),
        hold,
        conflicts: false,
        opened: pull.created,
        updated: pull.updated,
        decision,
        notes: written.said.iter().map(|said| Noted { note: said.note, at: said.at, text: String::new() }).collect(),
        labels: pull.labels,
        url: pull.url,
        marker,
    }
}

fn state_of(pull: &Pull, written: &Written) -> State {
    if pull.merged.is_some() {
        return State::Merged;
    }
    match (pull.open, &written.ended) {
        (true, _) if pull.head.is_none() => State::Rejected,
        (true, _) => State::Open,
        (false, Some(ended)) => ended.state,
        (false, None) => State::Rejected,
    }
}

fn hold_of(pull: &Pull, written: &Written, state: State, cut_short: bool) -> Option<Hold> {
    if state != State::Open || cut_short {
        return None;
    }
    if pull.head.as_deref() != Some(&*written.head) {
        return Some(Hold::Edited);
    }
    // One that `bowline changes reject` had closed and a person opened again is meant again.
    written.ended.as_ref().filter(|ended| ended.state == State::Closed).map(|_| Hold::Reopened)
}

fn decision_of(pull: &Pull, written: &Written, state: State) -> Option<Decision> {
    let at = |known: Option<Timestamp>| known.unwrap_or(pull.updated);
    match state {
        State::Open => None,
        State::Merged => Some(Decision { who: pull.merged_by.clone(), at: at(pull.merged), reason: None, commit: pull.merge_commit.clone() }),
        _ if pull.open => Some(Decision { who: None, at: pull.updated, reason: Some("Its branch was deleted.".to_owned()), commit: None }),
        _ => Some(match &written.ended {
            Some(ended) => ended.decision.clone(),
            None => Decision { who: None, at: at(pull.closed), reason: None, commit: None },
        }),
    }
}
