//! GitHub and GitHub Enterprise, by octocrab; commits go through its git data API, so that those of an App are signed.
//!
//! ```text
//! client    octocrab over our own exchange; tokens and Apps
//! commits   commits and branches
//! pulls     pull requests
//! people    labels, reviewers, assignees, milestone
//! ```

mod client;
mod commits;
mod people;
mod pulls;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::exchange::{Ear, Quota, Repeat};
use super::{Dress, Edit, Fault, Host, Issue, NewPull, Patience, Place, Pull, STATUS, Status};
use crate::change::Change;
use crate::forge::Error;

use client::{Ask, Client};

/// One repository on GitHub, or on a GitHub Enterprise server.
pub struct GitHub {
    client: Client,
    repository: String,
    patience: Patience,
    /// Where branches were seen last: a hint, never the ground for moving one.
    heads: Mutex<HashMap<String, String>>,
    /// The files of the commit on which the last change was built.
    listed: Mutex<commits::Listed>,
    /// The labels that there are, in lower case, once they have been looked up.
    labels: tokio::sync::Mutex<Option<BTreeSet<String>>>,
    /// Whether it was told already that statuses cannot be set.
    warned: AtomicBool,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GitHub").field("repository", &self.repository).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Repository {
    default_branch: String,
    #[serde(default)]
    archived: bool,
}

#[derive(Deserialize)]
struct Comment {
    body: Option<String>,
}

#[derive(Deserialize)]
struct ShownIssue {
    number: u64,
    title: String,
    body: Option<String>,
    state: String,
    html_url: Option<String>,
    /// Pull requests are issues, too.
    pull_request: Option<Value>,
}

impl GitHub {
    /// The repository at a place, on whose word is said there. Asks nothing yet.
    pub fn new(place: &Place<'_>) -> Result<Self, Error> {
        check_name(place.repository)?;
        Ok(Self {
            client: Client::new(place)?,
            repository: place.repository.to_owned(),
            patience: place.patience,
            heads: Mutex::default(),
            listed: Mutex::default(),
            labels: tokio::sync::Mutex::default(),
            warned: AtomicBool::new(false),
        })
    }

    /// How many requests have been sent, repetitions among them.
    pub fn sent(&self) -> u64 {
        self.client.sent()
    }

    /// How many requests GitHub still takes, as it said last.
    pub fn quota(&self) -> Option<Quota> {
        self.client.quota()
    }

    /// The parts of a path below the repository.
    fn path<'a>(&'a self, below: &[&'a str]) -> Vec<&'a str> {
        ["repos"].into_iter().chain(self.repository.split('/')).chain(below.iter().copied()).collect()
    }

    fn warn_once(&self, error: &Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let need = if self.client.is_app() { "checks: write" } else { "commit statuses: write" };
            tracing::warn!(repository = self.repository, %error, "`{STATUS}` is not shown on commits; the credential needs `{need}` for that");
        }
    }
}

/// `owner/name` as GitHub writes them.
fn check_name(repository: &str) -> Result<(), Fault> {
    let part = |text: &str| {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        plain && !text.is_empty() && !matches!(text, "." | "..")
    };
    match repository.split_once('/') {
        Some((owner, name)) if part(owner) && part(name) => Ok(()),
        _ => Err(Fault::Setting { what: "repository", text: repository.to_owned(), reason: "it is not of the form `owner/name`".to_owned() }),
    }
}

#[async_trait]
impl Host for GitHub {
    fn patience(&self) -> &Patience {
        &self.patience
    }

    fn heard_by(&self, ear: Arc<dyn Ear>) {
        self.client.exchange().heard_by(ear);
    }

    async fn default_branch(&self) -> Result<String, Error> {
        let repository: Repository = self.client.ask(Ask::get(self.path(&[])), &format!("the repository `{}`", self.repository)).await?;
        if repository.archived {
            return Err(Fault::ReadOnly { repository: self.repository.clone(), said: "it is archived".to_owned() }.into());
        }
        Ok(repository.default_branch)
    }

    async fn pulls(&self, since: Timestamp) -> Result<Vec<Pull>, Error> {
        self.list(since).await
    }

    async fn pulls_of(&self, branch: &str) -> Result<Vec<Pull>, Error> {
        self.list_of(branch).await
    }

    async fn conflicts(&self, number: u64) -> Result<Option<bool>, Error> {
        self.in_conflict(number).await
    }

    async fn create_pull(&self, new: &NewPull<'_>) -> Result<Pull, Error> {
        self.make(new).await
    }

    async fn edit_pull(&self, number: u64, edit: &Edit<'_>) -> Result<(), Error> {
        self.change(number, edit).await
    }

    async fn merge_pull(&self, number: u64, head: &str, title: &str, message: &str) -> Result<Option<String>, Error> {
        self.merge(number, head, title, message).await
    }

    async fn patch(&self, number: u64) -> Result<String, Error> {
        self.difference(number).await
    }

    async fn dress(&self, number: u64, dress: &Dress) -> Result<(), Error> {
        self.dress_pull(number, dress).await
    }

    async fn remove_label(&self, number: u64, label: &str) -> Result<(), Error> {
        self.take_label(number, label).await
    }

    async fn comments(&self, number: u64) -> Result<Vec<String>, Error> {
        let text = number.to_string();
        let ask = Ask::get(self.path(&["issues", &text, "comments"]));
        let comments = self.client.pages::<Comment>(ask, &format!("the comments of pull request #{number}"), |_| false).await?;
        Ok(comments.entries.into_iter().filter_map(|comment| comment.body).collect())
    }

    async fn comment(&self, number: u64, body: &str) -> Result<(), Error> {
        let text = number.to_string();
        let ask = Ask::with(Method::POST, self.path(&["issues", &text, "comments"]), json!({ "body": body }), Repeat::Once);
        self.client.send(ask, &format!("a comment on pull request #{number}")).await.map(drop)
    }

    async fn head_of(&self, branch: &str) -> Result<Option<String>, Error> {
        self.head(branch).await
    }

    async fn message_of(&self, commit: &str) -> Result<String, Error> {
        self.message(commit).await
    }

    async fn contains(&self, branch: &str, commit: &str) -> Result<bool, Error> {
        self.has(branch, commit).await
    }

    async fn commit(&self, change: &Change, prefix: &str, base: &str, _now: Timestamp) -> Result<String, Error> {
        self.write_commit(change, prefix, base).await
    }

    async fn move_branch(&self, branch: &str, expected: Option<&str>, commit: &str) -> Result<(), Error> {
        self.move_to(branch, expected, commit).await
    }

    async fn delete_branch(&self, branch: &str, expected: &str) -> Result<(), Error> {
        self.delete(branch, expected).await
    }

    /// A check run where Bowline speaks as an App, which alone may make them; else a commit status.
    async fn set_status(&self, commit: &str, status: &Status) -> Result<(), Error> {
        let state = if status.good { "success" } else { "failure" };
        let ask = if self.client.is_app() {
            let output = json!({ "title": status.description, "summary": status.description });
            let body = json!({ "name": STATUS, "head_sha": commit, "status": "completed", "conclusion": state, "output": output });
            Ask::with(Method::POST, self.path(&["check-runs"]), body, Repeat::Same)
        } else {
            let body = json!({ "state": state, "description": status.description, "context": STATUS });
            Ask::with(Method::POST, self.path(&["statuses", commit]), body, Repeat::Same)
        };
        match self.client.send(ask, &format!("the status of the commit {commit}")).await {
            Err(error @ Error::Hosted(Fault::Forbidden { .. } | Fault::NotFound { .. })) => {
                self.warn_once(&error);
                Ok(())
            }
            result => result.map(drop),
        }
    }

    async fn issues(&self, label: &str) -> Result<Vec<Issue>, Error> {
        let query = vec![("labels", label), ("state", "all"), ("sort", "created"), ("direction", "desc")];
        let ask = Ask { query, ..Ask::get(self.path(&["issues"])) };
        let shown = self.client.pages::<ShownIssue>(ask, &format!("the list of issues with the label `{label}`"), |_| false).await?;
        let issues = shown.entries.into_iter().filter(|issue| issue.pull_request.is_none());
        let issue = |issue: ShownIssue| Issue {
            number: issue.number,
            title: issue.title,
            body: issue.body.unwrap_or_default(),
            open: issue.state == "open",
            url: issue.html_url,
        };
        Ok(issues.map(issue).collect())
    }

    async fn create_issue(&self, title: &str, body: &str, label: &str) -> Result<(), Error> {
        self.make_label(label).await?;
        let new = json!({ "title": title, "body": body, "labels": [label] });
        self.client.send(Ask::with(Method::POST, self.path(&["issues"]), new, Repeat::Once), &format!("the issue `{title}`")).await.map(drop)
    }

    async fn edit_issue(&self, number: u64, body: &str) -> Result<(), Error> {
        let text = number.to_string();
        let ask = Ask::with(Method::PATCH, self.path(&["issues", &text]), json!({ "body": body }), Repeat::Same);
        self.client.send(ask, &format!("the issue #{number}")).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        for good in ["harbour/estate", "a/b.c_d-e"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "harbour", "/x", "x/", "a/b/c", "a/..", "a b/c", "a/b?x", "a/%2e", "ä/b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
