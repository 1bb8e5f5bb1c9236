//! Pull requests: found, made, changed, merged.

use std::collections::BTreeMap;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::super::exchange::Repeat;
use super::super::{Edit, Fault, NewPull, Pull};
use super::Gitea;
use super::api::NAME;
use super::wire::{PullRequest, Reference, Repository, split_title};
use crate::forge::{BRANCH_PREFIX, Error, Marker};

/// Gitea cuts longer titles off, in characters.
const LONGEST_TITLE: usize = 255;
/// What makes a pull request a draft.
const DRAFT: &str = "WIP: ";
/// Gitea counts time in whole seconds, and what was changed may be seen a moment later.
const MARGIN: SignedDuration = SignedDuration::from_secs(10);

const LIST: &str = "the list of pull requests";

/// All that was known of the pull requests at an instant of the server's.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pulls: BTreeMap<u64, Pull>,
    /// When the last change that it has was made.
    latest: Timestamp,
}

#[derive(Serialize)]
struct Create<'a> {
    title: &'a str,
    body: &'a str,
    head: &'a str,
    base: &'a str,
}

#[derive(Default, Serialize)]
struct Change<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a str>,
}

#[derive(Serialize)]
struct Merge<'a> {
    #[serde(rename = "Do")]
    style: &'static str,
    head_commit_id: &'a str,
    #[serde(rename = "MergeTitleField")]
    title: &'a str,
    #[serde(rename = "MergeMessageField")]
    message: &'a str,
}

impl Gitea {
    pub(super) async fn pull(&self, number: u64) -> Result<PullRequest, Error> {
        self.api.get(self.api.here(&["pulls", &number.to_string()]), &format!("pull request #{number}")).await
    }

    /// Everything that was changed since then.
    async fn changed_since(&self, since: Option<Timestamp>) -> Result<(BTreeMap<u64, Pull>, bool), Error> {
        let url = || self.api.here(&["pulls"]);
        let query = [("state", "all"), ("sort", "recentupdate")];
        let old = |page: &[PullRequest]| since.is_some_and(|since| page.last().is_some_and(|last| last.updated_at < since));
        let read = self.api.pages::<PullRequest, _>(url(), &query, LIST, |page| !old(page)).await?;
        let (whole, several) = (read.whole, read.requests > 1);
        let mut found = by_number(read.items);
        if several {
            // What was changed while the pages were read has jumped to the first one, past those that were still to come.
            let first = self.api.pages::<PullRequest, _>(url(), &query, LIST, |_| false).await?;
            found.extend(by_number(first.items));
        }
        Ok((found, whole))
    }

    pub(super) async fn all_pulls(&self, since: Timestamp) -> Result<Vec<Pull>, Error> {
        let (mut found, whole) = self.changed_since(Some(since)).await?;
        if !whole {
            // Open ones that nobody has touched for longer.
            let open: Vec<PullRequest> = self.api.list(self.api.here(&["pulls"]), &[("state", "open"), ("sort", "recentupdate")], LIST).await?;
            for (number, pull) in by_number(open) {
                found.entry(number).or_insert(pull);
            }
        }
        let snapshot = Snapshot { latest: latest(&found), pulls: found };
        let mut pulls: Vec<Pull> = snapshot.pulls.values().rev().filter(|pull| pull.open || pull.updated >= since).cloned().collect();
        self.known(|known| {
            known.snapshot = Some(snapshot);
            known.repository = true;
        });
        self.freshen(&mut pulls).await?;
        Ok(pulls)
    }

    pub(super) async fn pulls_of_branch(&self, branch: &str) -> Result<Vec<Pull>, Error> {
        // Gitea cannot be asked for those of a branch, so: those of the list before, and what has changed since.
        let before = self.known(|known| known.snapshot.clone());
        let since = before.as_ref().map(|snapshot| snapshot.latest.checked_sub(MARGIN).unwrap_or(Timestamp::MIN));
        let (found, _) = self.changed_since(since).await?;
        let mut pulls = before.map(|snapshot| snapshot.pulls).unwrap_or_default();
        pulls.extend(found);
        let mut own: Vec<Pull> = pulls.values().rev().filter(|pull| !pull.foreign && pull.branch == branch).cloned().collect();
        let snapshot = Snapshot { latest: latest(&pulls), pulls };
        self.known(|known| known.snapshot = Some(snapshot));
        self.freshen(&mut own).await?;
        Ok(own)
    }

    /// Gitea's list tells a branch's head a moment late. Where that differs from what Bowline wrote, the branches themselves
    /// are asked, all at once.
    async fn freshen(&self, pulls: &mut [Pull]) -> Result<(), Error> {
        let doubtful = |pull: &Pull| {
            let ours = pull.open && !pull.foreign && pull.head.is_some() && pull.branch.starts_with(BRANCH_PREFIX);
            let written = || Marker::read(&pull.body).and_then(|marker| marker.written);
            ours && written().is_some_and(|written| pull.head.as_deref() != Some(&*written.head))
        };
        if !pulls.iter().any(doubtful) {
            return Ok(());
        }
        let url = self.api.here(&["git", "refs", "heads", BRANCH_PREFIX.trim_end_matches('/')]);
        let references: Vec<Reference> = self.api.find(url, "the list of branches").await?.unwrap_or_default();
        let heads: BTreeMap<&str, &str> = references.iter().filter_map(|found| Some((found.name.strip_prefix("refs/heads/")?, &*found.object.sha))).collect();
        for pull in pulls.iter_mut().filter(|pull| doubtful(pull)) {
            pull.head = heads.get(&*pull.branch).map(|head| (*head).to_owned());
        }
        Ok(())
    }

    pub(super) async fn make_pull(&self, new: &NewPull<'_>) -> Result<Pull, Error> {
        let title = if new.draft { fitting(DRAFT, new.title) } else { plain(new.title) };
        let create = Create { title: &title, body: new.body, head: new.branch, base: new.base_branch };
        let made: PullRequest = self.api.make(self.api.here(&["pulls"]), &create, &format!("a pull request for the branch `{}`", new.branch)).await?;
        Ok(made.into_pull())
    }

    pub(super) async fn change_pull(&self, number: u64, edit: &Edit<'_>) -> Result<(), Error> {
        let mut change = Change { body: edit.body, base: edit.base_branch, ..Change::default() };
        change.state = edit.open.map(|open| if open { "open" } else { "closed" });
        if let Some(title) = edit.title {
            // Whether it is a draft is for people to say, and on Gitea they say it in the title.
            let before = self.pull(number).await?.title;
            let title = match split_title(&before).0 {
                "" => plain(title),
                draft => fitting(draft, title),
            };
            change.title = (title != before && !title.is_empty()).then_some(title);
        }
        let nothing = change.title.is_none() && change.body.is_none() && change.state.is_none() && change.base.is_none();
        if nothing {
            return Ok(());
        }
        let what = format!("the change of pull request #{number}");
        self.api.change(Method::PATCH, self.api.here(&["pulls", &number.to_string()]), &change, Repeat::Same, &what).await
    }

    pub(super) async fn merge(&self, number: u64, head: &str, title: &str, message: &str) -> Result<Option<String>, Error> {
        let merge = Merge { style: style(&self.repository_facts().await?), head_commit_id: head, title, message };
        let what = format!("the merge of pull request #{number}");
        let url = self.api.here(&["pulls", &number.to_string(), "merge"]);
        let mut attempt = 1;
        loop {
            let tried = self.api.change(Method::POST, url.clone(), &merge, Repeat::Once, &what).await;
            let refused = match tried {
                Ok(()) => return Ok(self.pull(number).await?.merge_commit_sha),
                Err(error) => error,
            };
            if !refused.uncertain() && !matches!(&refused, Error::Hosted(Fault::Refused { .. })) {
                return Err(refused);
            }
            let pull = self.pull(number).await?;
            if pull.merged {
                return Ok(pull.merge_commit_sha);
            }
            if pull.head.sha != head {
                return Err(Error::Moved { name: pull.into_pull().branch });
            }
            attempt += 1;
            if attempt > self.patience.tries.max(2) || !(refused.uncertain() || asks_for_patience(&refused)) {
                return Err(self.explain_merge(number, refused).await);
            }
            tokio::time::sleep(self.patience.pause_before(attempt)).await;
        }
    }

    /// Gitea asks for patience while it looks for conflicts, and for ever where it has found some.
    async fn explain_merge(&self, number: u64, refused: Error) -> Error {
        let conflicts = asks_for_patience(&refused) && matches!(self.conflict(number).await, Ok(Some(true)));
        match refused {
            Error::Hosted(Fault::Refused { what, status, .. }) if conflicts => {
                let said = "it conflicts with its base branch; the next `bowline reconcile` builds it anew".to_owned();
                Fault::Refused { forge: NAME, what, status, said }.into()
            }
            refused => refused,
        }
    }
}

fn asks_for_patience(error: &Error) -> bool {
    matches!(error, Error::Hosted(Fault::Refused { status: 405, said, .. }) if said.contains("try again"))
}

/// A merge commit, where the repository allows it, so that the request's own commit stays; else what it allows.
fn style(repository: &Repository) -> &'static str {
    let ways = [
        (repository.allow_merge_commits, "merge"),
        (repository.allow_rebase_explicit, "rebase-merge"),
        (repository.allow_rebase, "rebase"),
        (repository.allow_squash_merge, "squash"),
    ];
    ways.into_iter().find(|(allowed, _)| *allowed).map_or("merge", |(_, name)| name)
}

fn by_number(items: Vec<PullRequest>) -> BTreeMap<u64, Pull> {
    items.into_iter().map(PullRequest::into_pull).map(|pull| (pull.number, pull)).collect()
}

fn latest(pulls: &BTreeMap<u64, Pull>) -> Timestamp {
    pulls.values().map(|pull| pull.updated).max().unwrap_or(Timestamp::MIN)
}

/// A title that is none of a draft, whatever it begins with: it may hold a stranger's words.
fn plain(title: &str) -> String {
    fitting(if split_title(title).0.is_empty() { "" } else { "Change: " }, title)
}

/// A title that Gitea keeps as it is: one line, not too long.
fn fitting(prefix: &str, title: &str) -> String {
    let whole = format!("{prefix}{}", crate::forge::commit::one_line(title));
    if whole.chars().count() <= LONGEST_TITLE { whole } else { whole.chars().take(LONGEST_TITLE - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_of_at_most_255_characters() {
        assert_eq!(plain("a\nb\0"), "a b");
        let long = plain(&"ä".repeat(300));
        assert!(long.chars().count() == 255 && long.ends_with('…'));
        assert_eq!(plain(&"ä".repeat(255)), "ä".repeat(255));
    }

    #[test]
    fn a_title_of_a_strangers_words_makes_no_draft() {
        assert_eq!(plain("WIP: a"), "Change: WIP: a");
        assert_eq!(plain("[wip] a"), "Change: [wip] a");
    }
}
