//! What Gitea's answers hold, as far as it is needed here. Whatever else stands in them is passed over.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::super::Pull;
use crate::api::Text;

/// What Gitea gives where the branch of a pull request is gone: `refs/pull/5/head`.
const GONE: &str = "refs/pull/";

/// Gitea writes `null` for an empty list here and there.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A repository.
#[derive(Debug, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // as the answer has them
pub(super) struct Repository {
    pub(super) default_branch: String,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) mirror: bool,
    #[serde(default = "yes")]
    pub(super) has_issues: bool,
    /// None: the server does not say.
    #[serde(default)]
    pub(super) permissions: Option<Permissions>,
    #[serde(default = "yes")]
    pub(super) allow_merge_commits: bool,
    #[serde(default)]
    pub(super) allow_squash_merge: bool,
    #[serde(default)]
    pub(super) allow_rebase_explicit: bool,
    #[serde(default)]
    pub(super) allow_rebase: bool,
}

fn yes() -> bool {
    true
}

/// What the account may do there.
#[derive(Debug, Deserialize)]
pub(super) struct Permissions {
    pub(super) push: bool,
}

/// An account.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) login: Text,
}

/// A label.
#[derive(Debug, Deserialize)]
pub(super) struct Label {
    pub(super) id: i64,
    pub(super) name: Text,
}

/// A milestone.
#[derive(Debug, Deserialize)]
pub(super) struct Milestone {
    pub(super) id: i64,
    pub(super) title: String,
}

/// One side of a pull request.
#[derive(Debug, Deserialize)]
pub(super) struct Side {
    /// The branch's name, which stays when the branch is gone.
    #[serde(default)]
    label: String,
    /// The branch's name, or `refs/pull/…` once it is gone.
    #[serde(rename = "ref", default)]
    name: String,
    #[serde(default)]
    pub(super) sha: String,
    #[serde(default)]
    repo_id: i64,
}

/// A pull request.
#[derive(Debug, Deserialize)]
pub(super) struct PullRequest {
    number: u64,
    pub(super) title: String,
    #[serde(default, deserialize_with = "nullable")]
    body: String,
    state: String,
    #[serde(default)]
    pub(super) draft: bool,
    #[serde(default)]
    pub(super) mergeable: bool,
    #[serde(default)]
    pub(super) merged: bool,
    merged_at: Option<Timestamp>,
    merged_by: Option<User>,
    pub(super) merge_commit_sha: Option<String>,
    closed_at: Option<Timestamp>,
    created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) labels: Vec<Label>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) assignees: Vec<User>,
    pub(super) milestone: Option<Milestone>,
    html_url: Option<String>,
    pub(super) merge_base: Option<String>,
    pub(super) head: Side,
    pub(super) base: Side,
    /// Forgejo: 1 where it was made by a push to `refs/for/…`, so that it has no branch.
    #[serde(default)]
    flow: u8,
}

impl PullRequest {
    /// The pull request in the words that all forges share.
    pub(super) fn into_pull(self) -> Pull {
        let gone = self.head.name.starts_with(GONE);
        let branch = self.branch();
        Pull {
            number: self.number,
            // Without a branch of its own it is nobody's here; what it says of itself may be anything.
            foreign: self.head.repo_id != self.base.repo_id || self.flow != 0 || branch.is_none(),
            branch: branch.unwrap_or_default(),
            base_branch: if self.base.name.is_empty() { self.base.label } else { self.base.name },
            title: split_title(&self.title).1.to_owned(),
            body: self.body,
            open: self.state == "open",
            merged: self.merged.then_some(self.merged_at.unwrap_or(self.updated_at)),
            merged_by: self.merged_by.map(|user| user.login),
            merge_commit: self.merge_commit_sha.filter(|_| self.merged),
            closed: self.closed_at,
            created: self.created_at,
            updated: self.updated_at,
            head: (!gone && !self.head.sha.is_empty()).then_some(self.head.sha),
            labels: self.labels.into_iter().map(|label| label.name).collect(),
            url: self.html_url,
        }
    }

    /// The branch's name, though it may be gone. None where there never was one (a push to `refs/for/…`): the marker of such a
    /// pull request must not count, whoever may read the repository can make it.
    fn branch(&self) -> Option<String> {
        if !self.head.name.starts_with(GONE) && !self.head.name.is_empty() {
            return Some(self.head.name.clone());
        }
        let label = self.head.label.rsplit_once(':').map_or(&*self.head.label, |(_, branch)| branch);
        if !label.is_empty() && !label.starts_with(GONE) {
            return Some(label.to_owned());
        }
        None
    }
}

/// What makes a pull request a draft, as a server has it where nobody has changed that (`WORK_IN_PROGRESS_PREFIXES`).
const DRAFTS: [&str; 2] = ["WIP:", "[WIP]"];

/// A title, parted into what makes it a draft (empty: it is none) and the rest.
pub(super) fn split_title(title: &str) -> (&str, &str) {
    for prefix in DRAFTS {
        let begins = title.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
        if let Some(rest) = title.get(prefix.len()..).filter(|_| begins) {
            let rest = rest.trim_start();
            return title.split_at(title.len() - rest.len());
        }
    }
    ("", title)
}

/// An issue.
#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    pub(super) title: String,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) body: String,
    pub(super) state: String,
    pub(super) html_url: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) labels: Vec<Label>,
}

/// A comment.
#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) body: String,
}

/// A branch.
#[derive(Debug, Deserialize)]
pub(super) struct Branch {
    pub(super) commit: BranchCommit,
}

#[derive(Debug, Deserialize)]
pub(super) struct BranchCommit {
    pub(super) id: String,
}

/// A reference.
#[derive(Debug, Deserialize)]
pub(super) struct Reference {
    #[serde(rename = "ref")]
    pub(super) name: String,
    pub(super) object: Object,
}

#[derive(Debug, Deserialize)]
pub(super) struct Object {
    pub(super) sha: String,
}

/// A commit.
#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    pub(super) sha: String,
    pub(super) commit: CommitWords,
}

#[derive(Debug, Deserialize)]
pub(super) struct CommitWords {
    #[serde(default)]
    pub(super) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(head: &str, more: &str) -> Pull {
        let text = format!(
            r#"{{"number": 5, "title": "WIP: t", "body": null, "state": "closed", "labels": null, "created_at": "2026-11-25T04:41:16Z",
                "updated_at": "2026-11-25T05:41:16+01:00", "closed_at": "2026-11-25T04:41:16Z", "base": {{"label": "main", "ref": "main", "repo_id": 1}}, "head": {head}{more}}}"#
        );
        serde_json::from_str::<PullRequest>(&text).unwrap().into_pull()
    }

    #[test]
    fn a_deleted_branch_keeps_its_name_and_loses_its_head() {
        let pull = pull(r#"{"label": "bowline/k", "ref": "refs/pull/5/head", "sha": "aa", "repo_id": 1}"#, "");
        assert_eq!((&*pull.branch, pull.head, pull.foreign, &*pull.title), ("bowline/k", None, false, "t"));
    }

    #[test]
    fn a_branch_of_a_fork_or_of_a_fork_that_is_gone_is_foreign() {
        assert!(pull(r#"{"label": "bowline/k", "ref": "bowline/k", "sha": "aa", "repo_id": 2}"#, "").foreign);
        assert!(pull(r#"{"label": "eve:bowline/k", "ref": "refs/pull/5/head", "sha": "aa", "repo_id": -1, "repo": null}"#, "").foreign);
    }

    #[test]
    fn a_pull_request_without_a_branch_is_foreign_whatever_it_says() {
        assert!(pull(r#"{"label": "", "ref": "", "sha": "aa", "repo_id": 1}"#, "").foreign);
        assert!(pull(r#"{"label": "bowline/k", "ref": "refs/pull/5/head", "sha": "aa", "repo_id": 1}"#, r#", "flow": 1"#).foreign);
    }

    #[test]
    fn a_title_is_parted_from_what_makes_it_a_draft() {
        for (title, prefix, rest) in [
            ("WIP: a", "WIP: ", "a"),
            ("wip:a", "wip:", "a"),
            ("[WIP] a", "[WIP] ", "a"),
            ("a WIP: b", "", "a WIP: b"),
            ("WI", "", "WI"),
            ("äöü", "", "äöü"),
            ("WIP:", "WIP:", ""),
        ] {
            assert_eq!(split_title(title), (prefix, rest), "{title}");
        }
    }
}
