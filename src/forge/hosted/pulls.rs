//! `Hosted`: the forge's side of a request's life, written once for every forge that has pull requests.
//!
//! Every piece of work is ordered so that it can be cut short anywhere. Opening: branch, status, pull request, people,
//! labels; the label `bowline` comes last and says that all is there. Rewriting: the body names the new head and the one
//! that it replaces, then the branch moves. Closing: comment, body and state at once, branch; where that still stands, the
//! closing was cut short. What makes something is looked up before each try, so that an answer that got lost makes no twin.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::read::listing;
use super::{Dress, Edit, Host, NewPull, Pull, Status};
use crate::api::Text;
use crate::api::change_request::ChangeType;
use crate::api::estate::{Changes, People};
use crate::change::{Change, body};
use crate::forge::life::Limits;
use crate::forge::marker::{Ended, Said, Written};
use crate::forge::{
    ABANDONED_LABEL, Approval, DASHBOARD_LABEL, Dashboard, Decision, Error, Forge, HANDS_OFF_LABEL, LABEL, Listing, Marker, Note, Pass, Person, REBUILD_LABEL,
    Request, State, Why, branch_of, commit, dashboard,
};

/// How far back decided requests are looked at, at least.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long after a request was closed its branch is looked for, once a process, in case its closing was cut short.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(24);
/// The longest description of a commit status on GitHub, in characters.
const LONGEST_DESCRIPTION: usize = 140;

/// How an estate wants its pull requests.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `spec.changes`.
    pub changes: Changes,
    /// The estate's folder in the repository: empty, or ending with `/`.
    pub prefix: String,
    /// The branch into which requests are merged; none: the repository's default branch.
    pub base_branch: Option<String>,
}

/// Change requests as pull requests of a host.
#[derive(Clone)]
pub struct Hosted {
    host: Arc<dyn Host>,
    estate: Text,
    settings: Settings,
    /// What has been looked up in this pass: the base branch, and whether a commit is part of it.
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    base_branch: Option<String>,
    contained: Option<String>,
    /// Closed requests whose branches are gone.
    gone: BTreeSet<String>,
}

impl Hosted {
    /// The pull requests of the estate of this name.
    pub fn new(host: Arc<dyn Host>, estate: &str, settings: Settings) -> Self {
        Self { host, estate: estate.into(), settings, known: Arc::default() }
    }

    fn known<T>(&self, read: impl FnOnce(&mut Known) -> T) -> T {
        read(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn base_branch(&self) -> Result<String, Error> {
        if let Some(branch) = self.settings.base_branch.clone().or_else(|| self.known(|known| known.base_branch.clone())) {
            return Ok(branch);
        }
        let branch = self.host.default_branch().await?;
        self.known(|known| known.base_branch = Some(branch.clone()));
        Ok(branch)
    }

    /// The commit on which a branch is built, and the base branch of which it is a part.
    async fn base_of_pass(&self, pass: Pass<'_>) -> Result<(String, String), Error> {
        let branch = self.base_branch().await?;
        let Some(revision) = pass.base else {
            let head = self.host.head_of(&branch).await?.ok_or_else(|| Error::NoBranch { branch: branch.clone() })?;
            return Ok((branch, head));
        };
        if self.known(|known| known.contained.as_deref() == Some(revision)) {
            return Ok((branch, revision.to_owned()));
        }
        if !self.host.contains(&branch, revision).await? {
            return Err(Error::ForeignRevision { revision: revision.to_owned(), branch });
        }
        self.known(|known| known.contained = Some(revision.to_owned()));
        Ok((branch, revision.to_owned()))
    }

    /// An open request whose base branch is another: a rename, if that branch is gone; else somebody else's work.
    async fn judge_bases(&self, listing: &mut Listing) -> Result<(), Error> {
        let open: Vec<&mut Request> = listing.requests.iter_mut().filter(|request| request.state == State::Open).collect();
        if open.is_empty() {
            return Ok(());
        }
        let ours = self.base_branch().await?;
        let mut gone: Option<String> = None;
        for request in open.into_iter().filter(|request| request.base_branch != ours) {
            if gone.as_deref() != Some(&request.base_branch) {
                if self.host.head_of(&request.base_branch).await?.is_some() {
                    return Err(Error::OtherBase { key: request.key().to_string(), theirs: request.base_branch.clone(), ours });
                }
                gone = Some(request.base_branch.clone());
            }
            request.conflicts = true;
        }
        Ok(())
    }

    /// Requests that were closed lately and whose branch stands as Bowline wrote it: their closing was cut short.
    async fn find_leftovers(&self, listing: &mut Listing, now: Timestamp) -> Result<(), Error> {
        let since = now.checked_sub(LEFT_BEHIND).unwrap_or(Timestamp::MIN);
        let lately = |request: &Request| request.state == State::Closed && request.decision.as_ref().is_some_and(|decision| decision.at >= since);
        for request in listing.requests.iter_mut().filter(|request| lately(request)) {
            let written = request.marker.written.as_ref().map(|written| &*written.head);
            // Not every forge says that a branch is gone, so where it may be there it is looked for.
            if request.head.is_none() || request.head.as_deref() != written || self.known(|known| known.gone.contains(&request.id)) {
                continue;
            }
            request.leftover = self.host.head_of(&request.branch).await? == request.head;
            if !request.leftover {
                self.known(|known| known.gone.insert(request.id.clone()));
            }
        }
        Ok(())
    }

    /// Makes something once: looks before every try, so that an answer that got lost makes no twin.
    async fn once<T, L, M>(&self, mut look: impl FnMut() -> L, mut make: impl FnMut() -> M) -> Result<T, Error>
    where
        L: Future<Output = Result<Option<T>, Error>>,
        M: Future<Output = Result<T, Error>>,
    {
        let patience = *self.host.patience();
        let mut attempt = 1;
        loop {
            match make().await {
                Err(error) if error.uncertain() => {
                    attempt += 1;
                    if attempt > patience.tries.max(2) {
                        return Err(error);
                    }
                    tokio::time::sleep(patience.pause_before(attempt)).await;
                    if let Some(found) = look().await? {
                        return Ok(found);
                    }
                }
                result => return result,
            }
        }
    }

    /// The pull request of a branch that is open.
    async fn open_pull(&self, branch: &str) -> Result<Option<Pull>, Error> {
        Ok(self.own_pulls(branch).await?.into_iter().find(|pull| pull.open))
    }

    async fn own_pulls(&self, branch: &str) -> Result<Vec<Pull>, Error> {
        let mut pulls = self.host.pulls_of(branch).await?;
        pulls.retain(|pull| !pull.foreign && pull.branch == branch);
        Ok(pulls)
    }

    /// The head that a branch of the request's name has, if Bowline may replace it.
    async fn free_head(&self, branch: &str, key: &str, earlier: Option<&Pull>) -> Result<Option<String>, Error> {
        let Some(head) = self.host.head_of(branch).await? else { return Ok(None) };
        let written = earlier.and_then(|pull| Marker::read(&pull.body)).and_then(|marker| marker.written);
        if written.is_some_and(|written| *written.head == *head || written.previous.as_deref() == Some(&*head)) {
            return Ok(Some(head));
        }
        // What an opening that was cut short left is Bowline's own, too: its commit says so.
        let message = self.host.message_of(&head).await?;
        let trailer = format!("Bowline-Key: {key}");
        let edited_before = earlier.is_some_and(|pull| pull.head.as_deref() == Some(&*head));
        if !edited_before && message.lines().any(|line| line.trim() == trailer) {
            return Ok(Some(head));
        }
        Err(Error::BranchTaken { branch: branch.to_owned() })
    }

    fn dress_of(&self, change: &Change) -> Dress {
        let changes = &self.settings.changes;
        let (teams, reviewers) = people(&changes.reviewers, change.owner.as_deref()).into_iter().partition(|name| name.contains('/'));
        let mut labels = vec![Text::from(LABEL)];
        labels.extend(changes.labels.iter().cloned());
        Dress { labels, reviewers, teams, assignees: people(&changes.assignees, change.owner.as_deref()), milestone: changes.milestone.clone() }
    }

    /// Says something once: a comment with a hidden line, which is looked for first.
    async fn say(&self, number: u64, name: &str, text: &str) -> Result<(), Error> {
        let mark = format!("<!-- bowline-said:{name} -->");
        let said = || async { Ok(self.host.comments(number).await?.iter().any(|comment| comment.contains(&mark)).then_some(())) };
        if said().await?.is_some() {
            return Ok(());
        }
        let comment = format!("{text}\n\n{mark}");
        self.once(said, || self.host.comment(number, &comment)).await
    }

    /// The pull request of a key that is to be decided.
    async fn to_decide(&self, key: &str) -> Result<Request, Error> {
        let pulls = self.own_pulls(&branch_of(key)).await?;
        let mut requests = listing(&self.estate, pulls).requests;
        requests.pop().ok_or_else(|| Error::Unknown { key: key.to_owned() })
    }

    async fn end(&self, request: &Request, state: State, decision: Decision, text: &str) -> Result<(), Error> {
        let number = number(request)?;
        if request.leftover {
            return self.delete_last(request).await;
        }
        // Once for each head: one that was opened again and closed again is told again.
        self.say(number, &format!("{state:?}-{}", request.head.as_deref().unwrap_or_default()), text).await?;
        let mut marker = request.marker.clone();
        marker.written.get_or_insert_default().ended = Some(Ended::new(state, decision));
        let body = marker.attach(&request.body);
        self.host.edit_pull(number, &Edit { body: Some(&body), open: Some(false), ..Edit::default() }).await?;
        self.delete_last(request).await
    }

    /// The last step of a closing.
    async fn delete_last(&self, request: &Request) -> Result<(), Error> {
        let Some(head) = &request.head else { return Ok(()) };
        self.host.delete_branch(&request.branch, head).await?;
        self.known(|known| known.gone.insert(request.id.clone()));
        Ok(())
    }

    /// Moves the branch to a commit that the body names already; where that is refused, the body is as it was before.
    async fn move_branch(&self, request: &Request, commit: &str) -> Result<(), Error> {
        let moved = self.host.move_branch(&request.branch, request.head.as_deref(), commit).await;
        if let Err(error) = &moved
            && !error.uncertain()
        {
            let before = Edit { title: Some(&request.title), body: Some(&request.body), ..Edit::default() };
            if let Err(second) = self.host.edit_pull(number(request)?, &before).await {
                tracing::warn!(key = %request.key(), error = %second, "the words of the change request are ahead of its branch; the next pass mends that");
            }
        }
        moved
    }
}

/// The accounts for an owner, else those for everybody.
fn people(people: &People, owner: Option<&str>) -> Vec<Text> {
    let named = owner.and_then(|owner| people.owners.get(owner)).or_else(|| people.owners.get("*"));
    let plain = |name: &Text| Text::from(name.trim_start_matches('@'));
    named.map(|names| names.iter().map(plain).collect()).unwrap_or_default()
}

fn number(request: &Request) -> Result<u64, Error> {
    request.id.parse().map_err(|_| Error::Unknown { key: request.key().to_string() })
}

/// The status of a change: good once it may be carried out as it stands.
fn status_of(change: &Change) -> Status {
    let risk = format!("{} risk ({} of 100)", body::level_name(change.risk.level), change.risk.score);
    let adopts = change.kind == ChangeType::Standard;
    let when = match &change.schedule {
        Some(schedule) => body::schedule_in_words(schedule),
        None if adopts => "needs no window".to_owned(),
        None => "no window was found".to_owned(),
    };
    let description: String = format!("{risk}; {when}").chars().take(LONGEST_DESCRIPTION).collect();
    Status { good: change.schedule.is_some() || adopts, description }
}

#[async_trait]
impl Forge for Hosted {
    async fn list(&self, pass: Pass<'_>) -> Result<Listing, Error> {
        self.known(|known| known.contained = None);
        let back = Limits::from(&self.settings.changes).rejected_for.max(LOOKED_BACK);
        let since = pass.now.checked_sub(back).unwrap_or(Timestamp::MIN);
        let mut listing = listing(&self.estate, self.host.pulls(since).await?);
        self.judge_bases(&mut listing).await?;
        self.find_leftovers(&mut listing, pass.now).await?;
        Ok(listing)
    }

    async fn conflicts(&self, request: &Request, _pass: Pass<'_>) -> Result<bool, Error> {
        if request.conflicts {
            return Ok(true);
        }
        Ok(self.host.conflicts(number(request)?).await? == Some(true))
    }

    async fn open(&self, change: &Change, pass: Pass<'_>) -> Result<(), Error> {
        let branch = branch_of(&change.key);
        let pulls = self.own_pulls(&branch).await?;
        if let Some(open) = pulls.iter().find(|pull| pull.open) {
            let same = Marker::read(&open.body).is_some_and(|marker| marker.fingerprint == change.fingerprint);
            return if same { Ok(()) } else { Err(Error::Moved { name: branch }) };
        }
        let (base_branch, base) = self.base_of_pass(pass).await?;
        let before = self.free_head(&branch, &change.key, pulls.first()).await?;
        let head = self.host.commit(change, &self.settings.prefix, &base, pass.now).await?;
        self.host.move_branch(&branch, before.as_deref(), &head).await?;
        self.host.set_status(&head, &status_of(change)).await?;

        let mut marker = Marker::of(&self.estate, change);
        marker.written = Some(Written { head: head.as_str().into(), base: base.as_str().into(), ..Written::default() });
        let body = marker.attach(&change.body);
        let new = NewPull { branch: &branch, base_branch: &base_branch, title: &change.title, body: &body, draft: self.settings.changes.draft };
        let pull = self.once(|| self.open_pull(&branch), || self.host.create_pull(&new)).await?;
        self.host.dress(pull.number, &self.dress_of(change)).await
    }

    async fn finish(&self, request: &Request, change: &Change, _pass: Pass<'_>) -> Result<(), Error> {
        if let Some(head) = &request.head {
            self.host.set_status(head, &status_of(change)).await?;
        }
        self.host.dress(number(request)?, &self.dress_of(change)).await
    }

    async fn rewrite(&self, request: &Request, change: &Change, why: Why, pass: Pass<'_>) -> Result<(), Error> {
        let number = number(request)?;
        let before = request.marker.written.clone().unwrap_or_default();
        let mut marker = Marker::of(&self.estate, change);
        let mut edit = Edit { title: Some(&change.title), ..Edit::default() };
        if why == Why::Reworded {
            marker.basis = request.marker.basis.clone();
            marker.written = Some(before);
            let body = marker.attach(&change.body);
            edit.body = Some(&body);
            return self.host.edit_pull(number, &edit).await;
        }
        let (base_branch, base) = self.base_of_pass(pass).await?;
        let head = self.host.commit(change, &self.settings.prefix, &base, pass.now).await?;
        let said = if why == Why::Asked { Vec::new() } else { before.said };
        let previous = request.head.as_deref().filter(|previous| *previous != head).map(Text::from);
        marker.written = Some(Written { head: head.as_str().into(), previous, base: base.as_str().into(), said, ended: None });
        let body = marker.attach(&change.body);
        edit.body = Some(&body);
        edit.base_branch = (request.base_branch != base_branch).then_some(&*base_branch);
        self.host.edit_pull(number, &edit).await?;
        self.move_branch(request, &head).await?;
        self.host.set_status(&head, &status_of(change)).await?;
        if request.unfinished {
            self.host.dress(number, &self.dress_of(change)).await?;
        }
        // Last, so that a rebuild that was cut short is taken up again.
        for label in [HANDS_OFF_LABEL, ABANDONED_LABEL, REBUILD_LABEL] {
            if request.labels.iter().any(|known| **known == *label) {
                self.host.remove_label(number, label).await?;
            }
        }
        Ok(())
    }

    async fn close(&self, request: &Request, reason: &str, pass: Pass<'_>) -> Result<(), Error> {
        let decision = Decision { who: Some("Bowline".into()), at: pass.now, reason: Some(reason.to_owned()), commit: None };
        self.end(request, State::Closed, decision, reason).await
    }

    async fn note(&self, request: &Request, note: Note, text: &str, pass: Pass<'_>) -> Result<(), Error> {
        let number = number(request)?;
        self.say(number, &format!("{note:?}"), text).await?;
        if let Some(label) = note.label() {
            self.host.dress(number, &Dress { labels: vec![label.into()], ..Dress::default() }).await?;
        }
        if let (Note::Done, Some(written)) = (note, &request.marker.written)
            && self.host.head_of(&request.branch).await?.as_deref() == Some(&*written.head)
        {
            self.host.delete_branch(&request.branch, &written.head).await?;
        }
        let mut marker = request.marker.clone();
        marker.written.get_or_insert_default().said.push(Said { note, at: pass.now });
        let body = marker.attach(&request.body);
        self.host.edit_pull(number, &Edit { body: Some(&body), ..Edit::default() }).await
    }

    async fn approve(&self, key: &str, who: Option<&Person>, _now: Timestamp) -> Result<Approval, Error> {
        let request = self.to_decide(key).await?;
        let branch = request.base_branch.clone();
        match (request.state, &request.head) {
            (State::Merged, _) => Ok(Approval { commit: request.decision.and_then(|decision| decision.commit), branch, left: Vec::new() }),
            (State::Open, Some(head)) => {
                let approved = who.map(|who| format!("\nApproved-by: {} <{}>", commit::one_line(&who.name), commit::one_line(&who.email)));
                let message = format!("{}{}", commit::trailers(key, &request.marker.fingerprint).trim_end(), approved.unwrap_or_default());
                let merged = self.host.merge_pull(number(&request)?, head, &commit::one_line(&request.title), &message).await?;
                Ok(Approval { commit: merged, branch, left: Vec::new() })
            }
            (state, _) => Err(Error::NotOpen { key: key.to_owned(), state }),
        }
    }

    async fn reject(&self, key: &str, who: Option<&Person>, reason: Option<&str>, now: Timestamp) -> Result<(), Error> {
        let request = self.to_decide(key).await?;
        match request.state {
            State::Rejected => return Ok(()),
            State::Open => {}
            state => return Err(Error::NotOpen { key: key.to_owned(), state }),
        }
        let by = who.map_or_else(String::new, |who| format!(" by {}", crate::change::markdown::plain(&who.name)));
        let why = reason.map_or_else(|| ".".to_owned(), |reason| format!(": {}", crate::change::markdown::plain(reason)));
        let text = format!("Rejected{by} with `bowline changes reject`{why}");
        let decision = Decision { who: who.map(|who| who.name.as_str().into()), at: now, reason: reason.map(str::to_owned), commit: None };
        self.end(&request, State::Rejected, decision, &text).await
    }

    async fn patch(&self, request: &Request) -> Result<String, Error> {
        self.host.patch(number(request)?).await
    }

    async fn dashboard(&self) -> Result<Option<Dashboard>, Error> {
        let issues = self.host.issues(DASHBOARD_LABEL).await?;
        let ours = issues.into_iter().filter(|issue| dashboard::belongs_to(&issue.body, &self.estate));
        // The open one, else the newest.
        let best = ours.max_by_key(|issue| (issue.open, issue.number));
        Ok(best.map(|issue| Dashboard { number: issue.number, body: issue.body, open: issue.open, url: issue.url }))
    }

    async fn write_dashboard(&self, standing: Option<&Dashboard>, body: &str) -> Result<(), Error> {
        if let Some(standing) = standing {
            return if standing.open { self.host.edit_issue(standing.number, body).await } else { Ok(()) };
        }
        let title = format!("Bowline: {}", commit::one_line(&self.estate));
        let look = || async { Ok(self.dashboard().await?.map(drop)) };
        self.once(look, || self.host.create_issue(&title, body, DASHBOARD_LABEL)).await
    }
}
