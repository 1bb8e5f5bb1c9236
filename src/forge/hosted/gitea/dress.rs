//! Labels, people and the milestone of a pull request.

use http::Method;
use serde::Serialize;
use serde_json::json;

use super::super::exchange::Repeat;
use super::super::{Dress, Fault};
use super::Gitea;
use super::api::NAME;
use super::wire::{Label, Milestone, PullRequest};
use crate::api::Text;
use crate::forge::{ABANDONED_LABEL, DASHBOARD_LABEL, Error, HANDS_OFF_LABEL, HOLD_LABEL, LABEL, OVERDUE_LABEL, REBUILD_LABEL};

/// The colour of a label that is not Bowline's own.
const OTHER: (&str, &str) = ("#c5d0d8", "");
/// How a label is made where there is none of its name: its colour, and what people read beside it.
const LOOKS: [(&str, (&str, &str)); 7] = [
    (LABEL, ("#1d63a8", "A change request of Bowline's")),
    (REBUILD_LABEL, ("#7a4fbf", "Set it, and Bowline builds this change request anew")),
    (HOLD_LABEL, ("#b08800", "Set it, and Bowline leaves this change request as it is")),
    (OVERDUE_LABEL, ("#c62f2f", "Its window has passed, and the drift is still there")),
    (HANDS_OFF_LABEL, ("#8a8f98", "A person has committed to it, so Bowline no longer updates it")),
    (ABANDONED_LABEL, ("#8a8f98", "The drift is gone, but a person has committed to it")),
    (DASHBOARD_LABEL, ("#1d63a8", "What Bowline has found")),
];

#[derive(Serialize)]
struct NewLabel<'a> {
    name: &'a str,
    color: &'a str,
    description: &'a str,
}

/// Whether the forge has understood, and does not want it: one name in a request may spoil it for the others.
fn refused(error: &Error) -> bool {
    matches!(error, Error::Hosted(Fault::Refused { .. } | Fault::NotFound { .. } | Fault::Forbidden { .. }))
}

impl Gitea {
    pub(super) async fn put_on(&self, number: u64, dress: &Dress) -> Result<(), Error> {
        self.ask_reviewers(number, &dress.reviewers, "reviewers").await?;
        self.ask_reviewers(number, &self.teams_here(number, &dress.teams), "team_reviewers").await?;
        self.assign(number, dress).await?;
        if dress.labels.is_empty() {
            return Ok(());
        }
        let mut ids = Vec::new();
        for label in &dress.labels {
            ids.push(self.label(label).await?);
        }
        let url = self.api.here(&["issues", &number.to_string(), "labels"]);
        let added = self.api.change(Method::POST, url, &json!({"labels": ids}), Repeat::Same, &format!("the labels of pull request #{number}")).await;
        if added.is_err() {
            self.known(|known| known.labels.clear()); // somebody may have deleted one meanwhile
        }
        added
    }

    pub(super) async fn take_label(&self, number: u64, label: &str) -> Result<(), Error> {
        let number = number.to_string();
        let what = format!("the labels of pull request #{number}");
        let has: Vec<Label> = self.api.get::<Option<_>>(self.api.here(&["issues", &number, "labels"]), &what).await?.unwrap_or_default();
        for found in has.iter().filter(|found| *found.name == *label) {
            match self.api.delete(self.api.here(&["issues", &number, "labels", &found.id.to_string()]), &what).await {
                Err(Error::Hosted(Fault::NotFound { .. })) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// The number of a label, which is made where there is none.
    pub(super) async fn label(&self, name: &str) -> Result<i64, Error> {
        if let Some(id) = self.known(|known| known.labels.get(name).copied()) {
            return Ok(id);
        }
        if let Some(id) = self.look_up_label(name).await? {
            return Ok(id);
        }
        let (color, description) = LOOKS.into_iter().find(|(known, _)| *known == name).map_or(OTHER, |(_, looks)| looks);
        let new = NewLabel { name, color, description };
        let made: Result<Label, Error> = self.api.make(self.api.here(&["labels"]), &new, &format!("the label `{name}`")).await;
        let id = match made {
            Ok(label) => label.id,
            // It may have been made all the same; a second one would bear the same name.
            Err(error) if error.uncertain() => self.look_up_label(name).await?.ok_or(error)?,
            Err(error) => return Err(error),
        };
        self.known(|known| known.labels.insert(name.to_owned(), id));
        Ok(id)
    }

    async fn look_up_label(&self, name: &str) -> Result<Option<i64>, Error> {
        let mut found: Vec<Label> = self.api.list(self.api.here(&["labels"]), &[], "the list of labels").await?;
        if !found.iter().any(|label| *label.name == *name) {
            // An organisation's labels hold in all of its repositories. A person has none of that kind.
            match self.api.list(self.api.address(&["orgs", self.api.owner(), "labels"]), &[], "the list of the organisation's labels").await {
                Err(error) if refused(&error) => {}
                more => found.extend(more?),
            }
        }
        self.known(|known| {
            for label in found {
                known.labels.entry(label.name.to_string()).or_insert(label.id);
            }
            Ok(known.labels.get(name).copied())
        })
    }

    /// The names of the teams of the repository's own organisation; others cannot be asked.
    fn teams_here(&self, number: u64, teams: &[Text]) -> Vec<Text> {
        let of_here = |team: &Text| match team.split_once('/') {
            Some((organisation, name)) if organisation.eq_ignore_ascii_case(self.api.owner()) => Some(name.into()),
            _ => {
                tracing::warn!(pull = number, %team, "the team is not of the organisation that has the repository, so it was not asked to review");
                None
            }
        };
        teams.iter().filter_map(of_here).collect()
    }

    /// Asks all at once, and where that is refused one by one.
    async fn ask_reviewers(&self, number: u64, names: &[Text], kind: &str) -> Result<(), Error> {
        let url = || self.api.here(&["pulls", &number.to_string(), "requested_reviewers"]);
        let what = format!("the reviewers of pull request #{number}");
        let ask = async |names: &[Text]| self.api.change(Method::POST, url(), &json!({kind: names}), Repeat::Same, &what).await;
        if names.is_empty() {
            return Ok(());
        }
        match ask(names).await {
            Err(error) if refused(&error) && names.len() > 1 => {}
            Err(error) if refused(&error) => return self.left_out(number, names.first(), kind, &error),
            result => return result,
        }
        for name in names {
            match ask(std::slice::from_ref(name)).await {
                Err(error) if refused(&error) => self.left_out(number, Some(name), kind, &error)?,
                result => result?,
            }
        }
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, clippy::unused_self)] // so that it can stand where the result of a request stands
    fn left_out(&self, number: u64, name: Option<&Text>, kind: &str, error: &Error) -> Result<(), Error> {
        let name = name.map_or("", |name| &**name);
        tracing::warn!(pull = number, name, kind, %error, "the forge does not accept somebody for a pull request, so they were left out");
        Ok(())
    }

    /// Assignees besides those that there are, and the milestone.
    async fn assign(&self, number: u64, dress: &Dress) -> Result<(), Error> {
        if dress.assignees.is_empty() && dress.milestone.is_none() {
            return Ok(());
        }
        let pull = self.pull(number).await?;
        if let Some(title) = &dress.milestone {
            self.set_milestone(number, &pull, title).await?;
        }
        let has = |name: &Text| pull.assignees.iter().any(|user| user.login.eq_ignore_ascii_case(name));
        let missing: Vec<Text> = dress.assignees.iter().filter(|name| !has(name)).cloned().collect();
        let mut names: Vec<Text> = pull.assignees.iter().map(|user| user.login.clone()).collect();
        let assign = async |names: &[Text]| {
            let what = format!("the assignees of pull request #{number}");
            self.api.change(Method::PATCH, self.api.here(&["pulls", &number.to_string()]), &json!({"assignees": names}), Repeat::Same, &what).await
        };
        if missing.is_empty() {
            return Ok(());
        }
        match assign(&[&names[..], &missing[..]].concat()).await {
            Err(error) if refused(&error) => {}
            result => return result,
        }
        for name in missing {
            names.push(name);
            match assign(&names).await {
                Err(error) if refused(&error) => {
                    let name = names.pop();
                    self.left_out(number, name.as_ref(), "assignees", &error)?;
                }
                result => result?,
            }
        }
        Ok(())
    }

    async fn set_milestone(&self, number: u64, pull: &PullRequest, title: &str) -> Result<(), Error> {
        if pull.milestone.as_ref().is_some_and(|milestone| milestone.title == title) {
            return Ok(());
        }
        let all: Vec<Milestone> = self.api.list(self.api.here(&["milestones"]), &[("state", "all"), ("name", title)], "the list of milestones").await?;
        let Some(milestone) = all.iter().find(|milestone| milestone.title == title) else {
            tracing::warn!(pull = number, milestone = title, forge = NAME, "the repository has no such milestone, so the pull request got none");
            return Ok(());
        };
        let what = format!("the milestone of pull request #{number}");
        self.api.change(Method::PATCH, self.api.here(&["pulls", &number.to_string()]), &json!({"milestone": milestone.id}), Repeat::Same, &what).await
    }
}
