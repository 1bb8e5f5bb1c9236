//! Labels, reviewers, teams, assignees and the milestone of a pull request.

use std::collections::BTreeSet;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::GitHub;
use super::client::Ask;
use crate::api::Text;
use crate::forge::hosted::exchange::Repeat;
use crate::forge::hosted::{Dress, Fault};
use crate::forge::{ABANDONED_LABEL, DASHBOARD_LABEL, Error, HANDS_OFF_LABEL, HOLD_LABEL, LABEL, OVERDUE_LABEL, REBUILD_LABEL};

/// The labels that Bowline knows: colour, and what they say.
const OURS: [(&str, &str, &str); 7] = [
    (LABEL, "0b5394", "A change request of Bowline"),
    (HOLD_LABEL, "fbca04", "Bowline leaves this change request as it is"),
    (REBUILD_LABEL, "0e8a16", "Bowline builds this change request anew, whatever is on its branch"),
    (HANDS_OFF_LABEL, "d4c5f9", "A person has committed to the branch, so Bowline leaves it"),
    (ABANDONED_LABEL, "c5def5", "The drift is gone, and a person has committed to the branch"),
    (OVERDUE_LABEL, "d93f0b", "The window has passed, and the drift is still there"),
    (DASHBOARD_LABEL, "0b5394", "All findings of an estate"),
];
/// The colour of a label that the estate names.
const PLAIN: &str = "ededed";

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Milestone {
    number: u64,
    title: String,
}

#[derive(Deserialize)]
struct Assigned {
    #[serde(default)]
    assignees: Vec<Account>,
}

#[derive(Deserialize)]
struct Account {
    login: String,
}

impl GitHub {
    pub(super) async fn dress_pull(&self, number: u64, dress: &Dress) -> Result<(), Error> {
        self.ask_reviewers(number, dress).await?;
        self.assign(number, &dress.assignees).await?;
        if let Some(milestone) = &dress.milestone {
            self.set_milestone(number, milestone).await?;
        }
        self.add_labels(number, &dress.labels).await
    }

    /// All at once; where that is refused one by one, so that the others are asked.
    async fn ask_reviewers(&self, number: u64, dress: &Dress) -> Result<(), Error> {
        let slugs: Vec<&str> = dress.teams.iter().map(|team| team.rsplit('/').next().unwrap_or(team)).collect();
        if dress.reviewers.is_empty() && slugs.is_empty() {
            return Ok(());
        }
        match self.request_review(number, &json!({ "reviewers": dress.reviewers, "team_reviewers": slugs })).await {
            Err(error) if is_refusal(&error) => {}
            result => return result,
        }
        let people = dress.reviewers.iter().map(|name| (name, json!({ "reviewers": [name] })));
        let teams = dress.teams.iter().zip(slugs).map(|(name, slug)| (name, json!({ "team_reviewers": [slug] })));
        for (name, body) in people.chain(teams) {
            match self.request_review(number, &body).await {
                Err(error) if is_refusal(&error) => warn(number, "was not asked to review", name, &error),
                result => result?,
            }
        }
        Ok(())
    }

    async fn request_review(&self, number: u64, body: &Value) -> Result<(), Error> {
        let text = number.to_string();
        let ask = Ask::with(Method::POST, self.path(&["pulls", &text, "requested_reviewers"]), body.clone(), Repeat::Same);
        self.client.send(ask, &format!("a review of pull request #{number}")).await.map(drop)
    }

    /// GitHub leaves out without a word whom it does not accept.
    async fn assign(&self, number: u64, assignees: &[Text]) -> Result<(), Error> {
        if assignees.is_empty() {
            return Ok(());
        }
        let text = number.to_string();
        let ask = Ask::with(Method::POST, self.path(&["issues", &text, "assignees"]), json!({ "assignees": assignees }), Repeat::Same);
        match self.client.ask::<Assigned>(ask, &format!("the assignees of pull request #{number}")).await {
            Ok(assigned) => {
                let has = |name: &Text| assigned.assignees.iter().any(|account| account.login.eq_ignore_ascii_case(name));
                for name in assignees.iter().filter(|name| !has(name)) {
                    tracing::warn!(number, name = &**name, "GitHub does not assign this account to the pull request");
                }
            }
            Err(error) if is_refusal(&error) => warn(number, "were not assigned", &assignees.join(", "), &error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn set_milestone(&self, number: u64, title: &str) -> Result<(), Error> {
        let mut ask = Ask::get(self.path(&["milestones"]));
        ask.query.push(("state", "all"));
        let found = self.client.pages::<Milestone>(ask, "the list of milestones", |page| page.iter().any(|milestone| milestone.title == title)).await?;
        let Some(milestone) = found.entries.into_iter().find(|milestone| milestone.title == title) else {
            tracing::warn!(number, title, "the repository has no such milestone, so the pull request has none");
            return Ok(());
        };
        let text = number.to_string();
        let ask = Ask::with(Method::PATCH, self.path(&["issues", &text]), json!({ "milestone": milestone.number }), Repeat::Same);
        match self.client.send(ask, &format!("the milestone of pull request #{number}")).await {
            Err(error) if is_refusal(&error) => warn(number, "was not set as the milestone", title, &error),
            result => drop(result?),
        }
        Ok(())
    }

    async fn add_labels(&self, number: u64, labels: &[Text]) -> Result<(), Error> {
        if labels.is_empty() {
            return Ok(());
        }
        for label in labels {
            self.make_label(label).await?;
        }
        let text = number.to_string();
        let ask = Ask::with(Method::POST, self.path(&["issues", &text, "labels"]), json!({ "labels": labels }), Repeat::Same);
        self.client.send(ask, &format!("the labels of pull request #{number}")).await.map(drop)
    }

    /// Makes a label if the repository has none of this name. Names differ by more than case.
    pub(super) async fn make_label(&self, name: &str) -> Result<(), Error> {
        let mut labels = self.labels.lock().await;
        if labels.is_none() {
            *labels = Some(self.labels_of_repository().await?);
        }
        let known: &mut BTreeSet<String> = labels.get_or_insert_default();
        if known.contains(&name.to_lowercase()) {
            return Ok(());
        }
        let ours = OURS.iter().find(|(label, ..)| *label == name);
        let (colour, description) = ours.map_or((PLAIN, ""), |(_, colour, description)| (*colour, *description));
        let new = json!({ "name": name, "color": colour, "description": description });
        let ask = Ask::with(Method::POST, self.path(&["labels"]), new, Repeat::Same);
        match self.client.send(ask, &format!("the label `{name}`")).await {
            // Perhaps somebody else made it just now, or a try of ours whose answer was lost.
            Err(error @ Error::Hosted(Fault::Refused { .. })) => {
                *known = self.labels_of_repository().await?;
                if known.contains(&name.to_lowercase()) { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
            Ok(_) => {
                known.insert(name.to_lowercase());
                Ok(())
            }
        }
    }

    async fn labels_of_repository(&self) -> Result<BTreeSet<String>, Error> {
        let listed = self.client.pages::<Label>(Ask::get(self.path(&["labels"])), "the list of labels", |_| false).await?;
        Ok(listed.entries.into_iter().map(|label| label.name.to_lowercase()).collect())
    }

    pub(super) async fn take_label(&self, number: u64, label: &str) -> Result<(), Error> {
        let text = number.to_string();
        let ask = Ask { method: Method::DELETE, repeat: Repeat::Same, ..Ask::get(self.path(&["issues", &text, "labels", label])) };
        match self.client.send(ask, &format!("the label `{label}` of pull request #{number}")).await {
            Err(Error::Hosted(Fault::NotFound { .. })) => Ok(()),
            result => result.map(drop),
        }
    }
}

/// Whether GitHub understood and does not want to.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Hosted(Fault::Refused { .. } | Fault::NotFound { .. } | Fault::Forbidden { .. }))
}

fn warn(number: u64, what: &str, name: &str, error: &Error) {
    tracing::warn!(number, name, %error, "on the pull request, somebody {what}");
}
