//! Pull requests: their list, how one is made, changed, merged and shown.

use std::collections::BTreeSet;

use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::GitHub;
use super::client::Ask;
use crate::forge::Error;
use crate::forge::hosted::exchange::{Repeat, json as read};
use crate::forge::hosted::{Edit, Fault, NewPull, Pull};

const LIST: &str = "the list of pull requests";

/// A pull request as GitHub shows it: what is needed of it.
#[derive(Deserialize)]
pub(super) struct Shown {
    number: u64,
    state: String,
    title: Option<String>,
    body: Option<String>,
    head: Side,
    base: Side,
    created_at: Timestamp,
    updated_at: Timestamp,
    closed_at: Option<Timestamp>,
    merged_at: Option<Timestamp>,
    merged_by: Option<Account>,
    merge_commit_sha: Option<String>,
    mergeable: Option<bool>,
    #[serde(default)]
    labels: Vec<Label>,
    html_url: Option<String>,
}

#[derive(Deserialize)]
struct Side {
    #[serde(rename = "ref")]
    branch: String,
    sha: Option<String>,
    /// None where the copy of the repository was deleted.
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Merged {
    sha: Option<String>,
}

#[derive(Deserialize)]
struct Difference {
    #[serde(default)]
    files: Vec<Changed>,
}

#[derive(Deserialize)]
struct Changed {
    filename: String,
    previous_filename: Option<String>,
    status: Option<String>,
    patch: Option<String>,
}

impl Shown {
    fn into_pull(self, repository: &str) -> Pull {
        let home = self.base.repo.map_or_else(|| repository.to_owned(), |repo| repo.full_name);
        let foreign = self.head.repo.is_none_or(|repo| !repo.full_name.eq_ignore_ascii_case(&home));
        Pull {
            number: self.number,
            branch: self.head.branch,
            foreign,
            base_branch: self.base.branch,
            title: self.title.unwrap_or_default(),
            body: self.body.unwrap_or_default(),
            open: self.state == "open",
            // Of an open one it is a commit that was only tried.
            merge_commit: self.merge_commit_sha.filter(|_| self.merged_at.is_some()),
            merged: self.merged_at,
            merged_by: self.merged_by.map(|account| account.login.as_str().into()),
            closed: self.closed_at,
            created: self.created_at,
            updated: self.updated_at,
            head: self.head.sha,
            labels: self.labels.iter().map(|label| label.name.as_str().into()).collect(),
            url: self.html_url,
        }
    }
}

impl GitHub {
    /// The newest first until they are older than `since`; if older ones were not looked at, the open ones among them, too.
    pub(super) async fn list(&self, since: Timestamp) -> Result<Vec<Pull>, Error> {
        let query = |state, direction| vec![("state", state), ("sort", "updated"), ("direction", direction)];
        let ask = Ask { query: query("all", "desc"), ..Ask::get(self.path(&["pulls"])) };
        let recent = self.client.pages::<Shown>(ask, LIST, |page| page.last().is_some_and(|last| last.updated_at < since)).await?;
        let mut shown = recent.entries;
        if recent.cut {
            let ask = Ask { query: query("open", "asc"), ..Ask::get(self.path(&["pulls"])) };
            let old = self.client.pages::<Shown>(ask, LIST, |page| page.last().is_some_and(|last| last.updated_at >= since)).await?;
            shown.extend(old.entries);
        }
        let mut seen = BTreeSet::new();
        shown.retain(|pull| (pull.state == "open" || pull.updated_at >= since) && seen.insert(pull.number));
        Ok(self.pulls_from(shown))
    }

    pub(super) async fn list_of(&self, branch: &str) -> Result<Vec<Pull>, Error> {
        let owner = self.repository.split('/').next().unwrap_or_default();
        let head = format!("{owner}:{branch}");
        let ask = Ask { query: vec![("state", "all"), ("head", &head)], ..Ask::get(self.path(&["pulls"])) };
        let shown = self.client.pages(ask, &format!("the list of pull requests of the branch `{branch}`"), |_| false).await?;
        Ok(self.pulls_from(shown.entries))
    }

    fn pulls_from(&self, shown: Vec<Shown>) -> Vec<Pull> {
        let mut pulls: Vec<Pull> = shown.into_iter().map(|shown| shown.into_pull(&self.repository)).collect();
        pulls.sort_by_key(|pull| std::cmp::Reverse(pull.number));
        for pull in pulls.iter().rev().filter(|pull| pull.open && !pull.foreign) {
            self.saw(&pull.branch, pull.head.as_deref());
        }
        pulls
    }

    async fn one(&self, number: u64) -> Result<Shown, Error> {
        let text = number.to_string();
        self.client.ask(Ask::get(self.path(&["pulls", &text])), &format!("the pull request #{number}")).await
    }

    pub(super) async fn in_conflict(&self, number: u64) -> Result<Option<bool>, Error> {
        Ok(self.one(number).await?.mergeable.map(|mergeable| !mergeable))
    }

    pub(super) async fn make(&self, new: &NewPull<'_>) -> Result<Pull, Error> {
        match self.make_as(new, new.draft).await {
            // Some plans have no drafts; a request that is ready is better than none.
            Err(Error::Hosted(Fault::Refused { status: 422, said, .. })) if new.draft && said.to_ascii_lowercase().contains("draft") => {
                tracing::warn!(branch = new.branch, said, "the pull request does not begin as a draft");
                self.make_as(new, false).await
            }
            result => result,
        }
    }

    async fn make_as(&self, new: &NewPull<'_>, draft: bool) -> Result<Pull, Error> {
        let body = json!({ "title": new.title, "body": new.body, "head": new.branch, "base": new.base_branch, "draft": draft });
        let ask = Ask::with(Method::POST, self.path(&["pulls"]), body, Repeat::Once);
        let shown: Shown = self.client.ask(ask, &format!("the pull request of the branch `{}`", new.branch)).await?;
        Ok(shown.into_pull(&self.repository))
    }

    pub(super) async fn change(&self, number: u64, edit: &Edit<'_>) -> Result<(), Error> {
        let text = number.to_string();
        let mut body = Map::new();
        let mut set = |name: &str, value: Option<&str>| value.map(|value| body.insert(name.to_owned(), Value::from(value)));
        set("title", edit.title);
        set("body", edit.body);
        set("base", edit.base_branch);
        set("state", edit.open.map(|open| if open { "open" } else { "closed" }));
        if body.is_empty() {
            return Ok(());
        }
        let ask = Ask::with(Method::PATCH, self.path(&["pulls", &text]), Value::Object(body), Repeat::Same);
        self.client.send(ask, &format!("the pull request #{number}")).await.map(drop)
    }

    /// Merges with a merge commit; where the repository does not allow that, by squashing, then by rebasing.
    pub(super) async fn merge(&self, number: u64, head: &str, title: &str, message: &str) -> Result<Option<String>, Error> {
        let text = number.to_string();
        let mut refusal = None;
        for method in ["merge", "squash", "rebase"] {
            let mut body = json!({ "sha": head, "merge_method": method });
            if method != "rebase" {
                body["commit_title"] = title.into();
                body["commit_message"] = message.into();
            }
            let ask = Ask::with(Method::PUT, self.path(&["pulls", &text, "merge"]), body, Repeat::Once);
            match self.client.ask::<Merged>(ask, &format!("the merge of pull request #{number}")).await {
                Ok(merged) => return Ok(merged.sha),
                Err(Error::Hosted(Fault::Refused { said, .. })) if says(&said, &["head branch was modified", "head sha is out of date"]) => {
                    return Err(Error::Moved { name: format!("pull request #{number}") });
                }
                Err(Error::Hosted(Fault::Refused { said, status, what, forge })) if says(&said, &["not allowed on this repository"]) => {
                    refusal = refusal.or(Some(Fault::Refused { said, status, what, forge }));
                }
                Err(error) => return Err(error),
            }
        }
        Err(refusal.map_or_else(|| Error::Moved { name: format!("pull request #{number}") }, Error::Hosted))
    }

    /// The difference as GitHub shows it; where that is too large for it, file by file.
    pub(super) async fn difference(&self, number: u64) -> Result<String, Error> {
        let text = number.to_string();
        let what = format!("the patch of pull request #{number}");
        let ask = Ask { accept: "application/vnd.github.diff", ..Ask::get(self.path(&["pulls", &text])) };
        let response = match self.client.send(ask, &what).await {
            Err(Error::Hosted(Fault::Refused { status: 406, .. })) => return self.file_by_file(number, None).await,
            result => result?,
        };
        let kind = response.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.contains("json") {
            return self.file_by_file(number, Some(read(&response, &what)?)).await;
        }
        Ok(String::from_utf8_lossy(response.body()).into_owned())
    }

    async fn file_by_file(&self, number: u64, shown: Option<Shown>) -> Result<String, Error> {
        let shown = match shown {
            Some(shown) => shown,
            None => self.one(number).await?,
        };
        let (base, head) = (shown.base.sha.unwrap_or(shown.base.branch), shown.head.sha.unwrap_or(shown.head.branch));
        let range = format!("{base}...{head}");
        let difference: Difference = self.client.ask(Ask::get(self.path(&["compare", &range])), &format!("the patch of pull request #{number}")).await?;
        Ok(difference.files.iter().map(as_patch).collect())
    }
}

fn as_patch(file: &Changed) -> String {
    let before = file.previous_filename.as_deref().unwrap_or(&file.filename);
    let side = |prefix: &str, name: &str, gone: bool| if gone { "/dev/null".to_owned() } else { format!("{prefix}/{name}") };
    let status = file.status.as_deref().unwrap_or_default();
    let (old, new) = (side("a", before, status == "added"), side("b", &file.filename, status == "removed"));
    let patch = file.patch.as_deref().map_or("Too large to show\n".to_owned(), |patch| format!("--- {old}\n+++ {new}\n{}\n", patch.trim_end_matches('\n')));
    format!("diff --git a/{before} b/{}\n{patch}", file.filename)
}

fn says(said: &str, words: &[&str]) -> bool {
    let said = said.to_ascii_lowercase();
    words.iter().any(|word| said.contains(word))
}
