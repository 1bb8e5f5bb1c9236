//! Whether what a delivery tells can change what Bowline would do. Pure.
//!
//! A webhook is mostly set to send everything. What Bowline reads of a payload is in both forges' documentation: the
//! repository's full name, a push's `ref`, a pull request's branch, the labels of issues. Where a payload lacks what would
//! tell, a pass follows: one too many costs little.

use serde::Deserialize;

use super::pulse::Watched;
use crate::api::Text;
use crate::forge::{BRANCH_PREFIX, LABEL};

/// What is to be done about a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A pass.
    Pass,
    /// Nothing; the forge tries whether it is heard.
    Ping,
    /// Nothing: it changes nothing.
    Ignored,
}

/// What Bowline reads of a payload.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    repository: Option<Repository>,
    r#ref: Option<Text>,
    label: Option<Label>,
    pull_request: Option<Pull>,
    issue: Option<Issue>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    full_name: Text,
}

#[derive(Debug, Deserialize)]
struct Label {
    name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pull {
    head: Option<Branch>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Branch {
    r#ref: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Issue {
    labels: Option<Vec<Label>>,
}

/// What is to be done about the event of this name with this payload; none: the payload is not JSON.
pub fn judge(event: &str, body: &[u8], watched: &Watched) -> Option<Verdict> {
    if event == "ping" {
        return Some(Verdict::Ping);
    }
    let payload: Payload = serde_json::from_slice(body).ok()?;
    let matters = ours(&payload, watched) && tells(event, &payload, watched);
    Some(if matters { Verdict::Pass } else { Verdict::Ignored })
}

/// Whether it is about one of the repositories; both forges take their names without regard to case.
fn ours(payload: &Payload, watched: &Watched) -> bool {
    if watched.repositories.is_empty() {
        return true;
    }
    let name = payload.repository.as_ref().map(|repository| &*repository.full_name);
    name.is_some_and(|name| watched.repositories.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

fn tells(event: &str, payload: &Payload, watched: &Watched) -> bool {
    match event {
        "push" => payload.r#ref.as_deref().is_none_or(|name| is_base(name, watched)),
        // Gitea has names of its own for what GitHub calls actions: `pull_request_label`, `pull_request_sync` …
        event if event.starts_with("pull_request") => {
            let branch = payload.pull_request.as_ref().and_then(|pull| pull.head.as_ref()?.r#ref.as_deref());
            branch.is_none_or(|branch| branch.starts_with(BRANCH_PREFIX))
        }
        "issues" | "issue_comment" | "issue_label" => touched(payload).any(is_ours),
        "label" => payload.label.as_ref().is_none_or(|label| is_ours(&label.name)),
        _ => false,
    }
}

fn is_base(name: &str, watched: &Watched) -> bool {
    let Some(branch) = name.strip_prefix("refs/heads/") else { return false };
    match &watched.base_branch {
        Some(base) => branch == base,
        None => !branch.starts_with(BRANCH_PREFIX),
    }
}

/// The labels that the issue has, and the one that it has lost.
fn touched(payload: &Payload) -> impl Iterator<Item = &str> {
    let labels = payload.issue.iter().filter_map(|issue| issue.labels.as_ref()).flatten();
    labels.chain(&payload.label).map(|label| &*label.name)
}

fn is_ours(label: &str) -> bool {
    label == LABEL || label.starts_with(BRANCH_PREFIX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn watched() -> Watched {
        Watched { repositories: vec!["ops/estate".into()], base_branch: Some("main".into()) }
    }

    fn verdict(event: &str, mut payload: Value) -> Verdict {
        payload["repository"] = json!({"full_name": "ops/estate", "id": 1});
        judge(event, payload.to_string().as_bytes(), &watched()).unwrap()
    }

    #[test]
    fn a_push_to_the_base_branch_matters_and_no_other() {
        assert_eq!(verdict("push", json!({"ref": "refs/heads/main"})), Verdict::Pass);
        for name in ["refs/heads/main2", "refs/heads/bowline/x", "refs/tags/main", "main"] {
            assert_eq!(verdict("push", json!({"ref": name})), Verdict::Ignored, "{name}");
        }
    }

    #[test]
    fn pull_requests_of_bowlines_branches_matter() {
        let of = |branch: &str| json!({"action": "closed", "pull_request": {"head": {"ref": branch}}});
        for event in ["pull_request", "pull_request_label", "pull_request_sync", "pull_request_review"] {
            assert_eq!(verdict(event, of("bowline/a-1")), Verdict::Pass, "{event}");
            assert_eq!(verdict(event, of("feature")), Verdict::Ignored, "{event}");
        }
        assert_eq!(verdict("pull_request", json!({})), Verdict::Pass);
    }

    #[test]
    fn issues_with_bowlines_labels_matter() {
        let with = |labels: &[&str]| json!({"issue": {"labels": labels.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}});
        for event in ["issues", "issue_comment", "issue_label"] {
            assert_eq!(verdict(event, with(&["bug", "bowline/dashboard"])), Verdict::Pass, "{event}");
            assert_eq!(verdict(event, with(&["bowline"])), Verdict::Pass, "{event}");
            assert_eq!(verdict(event, with(&["bug", "bowliner"])), Verdict::Ignored, "{event}");
        }
        let taken = json!({"action": "unlabeled", "label": {"name": "bowline/hold"}, "issue": {"labels": null}});
        assert_eq!(verdict("issues", taken), Verdict::Pass);
        assert_eq!(verdict("label", json!({"label": {"name": "bowline/rebuild"}})), Verdict::Pass);
        assert_eq!(verdict("label", json!({"label": {"name": "bug"}})), Verdict::Ignored);
    }

    #[test]
    fn what_cannot_change_anything_is_ignored() {
        for event in ["star", "watch", "fork", "release", "status", "check_run", "create", "", "Push"] {
            assert_eq!(verdict(event, json!({"ref": "refs/heads/main"})), Verdict::Ignored, "{event}");
        }
    }

    #[test]
    fn another_repository_is_ignored_and_its_name_has_no_case() {
        let push = |name: &str| judge("push", json!({"ref": "refs/heads/main", "repository": {"full_name": name}}).to_string().as_bytes(), &watched());
        assert_eq!(push("OPS/Estate"), Some(Verdict::Pass));
        assert_eq!(push("ops/estate2"), Some(Verdict::Ignored));
        assert_eq!(judge("push", b"{}", &watched()), Some(Verdict::Ignored));
        assert_eq!(judge("push", b"{}", &Watched::default()), Some(Verdict::Pass), "before the estate was read, whatever is signed matters");
    }

    #[test]
    fn what_is_not_json_or_too_deep_is_neither_a_pass_nor_a_panic() {
        assert_eq!(judge("push", b"Hello, World!", &watched()), None);
        assert_eq!(judge("push", "[".repeat(1_000_000).as_bytes(), &watched()), None);
        assert_eq!(judge("push", br#"{"ref": 7}"#, &watched()), None);
        assert_eq!(judge("ping", b"", &watched()), Some(Verdict::Ping));
    }
}
