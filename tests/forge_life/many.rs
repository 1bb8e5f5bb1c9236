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
    let counted: BTreeMap<String, usize> = tally(&sent).into_iter().map(|(line, count)| (line.replace(&prefix, ""), count)).collect();
    let expected: BTreeMap<String, usize> = by_hand.iter().map(|(line, count)| ((*line).to_owned(), *count)).collect();
    assert_eq!(counted, expected);

    // An hour later there is room for two more, and then for none.
    assert_eq!(site.settle(&wanted, 61).done.len(), 2, "no more than maxOpen");
    assert_eq!(site.settle(&wanted, 130).done.len(), 0);
    assert!(site.sent().len() <= 2);
}

#[test]
fn two_hundred_changes_on_gitea_open_as_many_as_the_limits_allow() {
    many(Kind::Gitea, &[]);
}

#[test]
fn two_hundred_changes_on_github_open_as_many_as_the_limits_allow() {
    many(Kind::GitHub, &[]);
}
