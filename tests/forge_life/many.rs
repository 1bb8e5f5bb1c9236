//! Two hundred changed items at once: requests only up to the limits, the rest waits and is listed, and the forge is
//! asked exactly as often as worked out by hand.

use std::collections::BTreeMap;

use bowline::change::Change;
use bowline::forge::life::Standing;

use crate::site::*;

const MANY: usize = 200;

fn changes() -> Vec<Change> {
    (0..MANY).map(|number| change(&format!("change-{number:03}"), &format!("items/new-{number:03}.yaml"), "kind: New\n", "d1")).collect()
}

/// How often each kind of request was sent: the method and the path, with what differs from one to the next taken out.
fn tally(sent: &[String]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for line in sent {
        let line = line.split('?').next().unwrap();
        let plain: Vec<String> = line
            .split('/')
            .map(|part| if part.contains("change-") || part.chars().all(|c| c.is_ascii_hexdigit()) { "*".to_owned() } else { part.to_owned() })
            .collect();
        *tally.entry(plain.join("/")).or_default() += 1;
    }
    tally
}

fn many(kind: Kind, by_hand: &[(&str, usize)]) {
    let Some(mut site) = Site::new(kind) else { return };
    (site.limits.max_open, site.limits.max_per_hour) = (10, 8);
    let wanted = changes();

    let outcome = site.settle(&wanted, 0);
    let sent = site.sent();
    assert_eq!((outcome.done.len(), site.pulls().len()), (8, 8), "no more than maxPerHour");
    let waiting = outcome.standings.values().filter(|standing| matches!(standing, Standing::Waiting { .. })).count();
    assert_eq!(waiting, MANY - 8, "the rest waits, each with its reason");
    let prefix = format!("/repos/{}", site.repository);
    let counted: BTreeMap<String, usize> =
        tally(&sent).into_iter().map(|(line, count)| (line.replace(&prefix, "").replace(&format!("/{}.git", site.repository), ".git"), count)).collect();
    let expected: BTreeMap<String, usize> = by_hand.iter().map(|(line, count)| ((*line).to_owned(), *count)).collect();
    assert_eq!(counted, expected);

    // An hour later there is room for two more, and then for none.
    assert_eq!(site.settle(&wanted, 61).done.len(), 2, "no more than maxOpen");
    assert_eq!(site.settle(&wanted, 130).done.len(), 0);
    assert!(site.sent().len() <= 2);
}

#[test]
fn two_hundred_changes_on_gitea_open_as_many_as_the_limits_allow() {
    // For each of the eight: two look-ups (its pull requests, its branch), a push (two requests of git), a status, the pull
    // request, its labels. Once: the list, the default branch, its head, the labels there are, and the label that is not.
    many(
        Kind::Gitea,
        &[
            ("GET /api/v1", 1),
            ("GET /api/v1/branches/bowline/*", 8),
            ("GET /api/v1/branches/main", 1),
            ("GET /api/v1/labels", 1),
            ("GET /api/v1/orgs/bowline/labels", 1),
            ("GET /api/v1/pulls", 1 + 8),
            ("GET .git/info/refs", 8),
            ("POST .git/git-receive-pack", 8),
            ("POST /api/v1/issues/*/labels", 8),
            ("POST /api/v1/labels", 1),
            ("POST /api/v1/pulls", 8),
            ("POST /api/v1/statuses/*", 8),
        ],
    );
}

#[test]
fn two_hundred_changes_on_github_open_as_many_as_the_limits_allow() {
    // For each of the eight: its pull requests, its branch before the commit and before it is moved, a tree, a commit, the
    // branch, a status, the pull request, its labels. Once: the list, the repository, the base's head, commit and tree, the
    // labels there are, and the label that is not.
    many(
        Kind::GitHub,
        &[
            ("GET ", 1),
            ("GET /git/commits/*", 1),
            ("GET /git/ref/heads/bowline/*", 8 + 8),
            ("GET /git/ref/heads/main", 1),
            ("GET /git/trees/*", 1),
            ("GET /labels", 1),
            ("GET /pulls", 1 + 8),
            ("POST /git/commits", 8),
            ("POST /git/refs", 8),
            ("POST /git/trees", 8),
            ("POST /issues/*/labels", 8),
            ("POST /labels", 1),
            ("POST /pulls", 8),
            ("POST /statuses/*", 8),
        ],
    );
}
