//! What is done to a request, each in three moves: the record with the intent, the branches, the record without it.

use git2::{Oid, Repository};
use jiff::Timestamp;

use super::merge::bring_up;
use super::place::{checkouts, head_of};
use super::record::{Intent, Loaded, Record, id, keys, load, save};
use super::refs::{Lock, RECORDS, contains, lock, point, remove};
use super::{Error, Local};
use crate::api::Text;
use crate::change::Change;
use crate::forge::{BRANCH_PREFIX, Decision, Marker, Note, Noted, Pass, Person, Request, State, Why, branch_of};

/// The longest key.
const LONGEST_KEY: usize = 200;

/// How an interrupted piece of work is taken up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// It has just been begun.
    First,
    /// An earlier run had begun it.
    Again,
}

impl Local {
    /// The repository and its lock.
    pub(super) fn begin(&self) -> Result<(Repository, Lock), Error> {
        let repository = self.open_repository()?;
        let lock = lock(&repository)?;
        Ok((repository, lock))
    }

    pub(super) fn write_new(&self, change: &Change, pass: Pass<'_>) -> Result<(), Error> {
        check_key(&change.key)?;
        let (repository, _lock) = self.begin()?;
        let before = self.own(&repository, &change.key)?;
        if let Some(before) = before.as_ref().filter(|before| before.record.state == State::Open) {
            let same = before.record.marker.fingerprint == change.fingerprint;
            return if same { Ok(()) } else { Err(Error::Moved { name: format!("{RECORDS}{}", change.key) }) };
        }
        let (base_branch, base) = self.base_of_pass(&repository, change, pass)?;
        let from = free_branch(&repository, &change.key, &base_branch)?;
        let head = self.commit(&repository, change, base, pass.now)?;
        let marker = Marker::of(&self.estate, change);
        let body = marker.attach(&change.body);
        let record = Record::new(marker, &change.title, body, base_branch, base, head, pass.now);
        let intent = Intent::Write { from: from.map(|from| from.to_string()), to: head.to_string() };
        self.carry_out(&repository, before.as_ref(), record, intent).map(drop)
    }

    pub(super) fn write_again(&self, request: &Request, change: &Change, why: Why, pass: Pass<'_>) -> Result<(), Error> {
        let (repository, _lock) = self.begin()?;
        let (before, from) = self.still_as_listed(&repository, request)?;
        let from = from.ok_or_else(|| Error::NoBranch { branch: request.branch.clone() })?;
        let mut marker = Marker::of(&self.estate, change);
        let (base_branch, base, head) = if why == Why::Reworded {
            marker.basis = before.record.marker.basis.clone();
            (before.record.base_branch.clone(), id(&change.key, &before.record.base)?, from)
        } else {
            let (base_branch, base) = self.base_of_pass(&repository, change, pass)?;
            (base_branch, base, self.commit(&repository, change, base, pass.now)?)
        };
        let body = marker.attach(&change.body);
        let mut record = Record::new(marker, &change.title, body, base_branch, base, head, pass.now);
        record.opened = before.record.opened;
        record.kept = (before.record.head != from.to_string()).then(|| from.to_string());
        let intent = Intent::Write { from: Some(from.to_string()), to: head.to_string() };
        self.carry_out(&repository, Some(&before), record, intent).map(drop)
    }

    pub(super) fn write_closed(&self, request: &Request, reason: &str, pass: Pass<'_>) -> Result<(), Error> {
        let (repository, _lock) = self.begin()?;
        let (before, from) = self.still_as_listed(&repository, request)?;
        let decision = Decision { who: Some("Bowline".into()), at: pass.now, reason: Some(reason.to_owned()), commit: None };
        self.end(&repository, &before, from, State::Closed, decision)
    }

    pub(super) fn write_rejected(&self, key: &str, who: Option<&Person>, reason: Option<&str>, now: Timestamp) -> Result<(), Error> {
        let (repository, _lock) = self.begin()?;
        self.recover_one(&repository, key, now)?;
        let request = self.find(&repository, key)?;
        match request.state {
            State::Open => {}
            State::Rejected => return Ok(()),
            state => return Err(Error::NotOpen { key: key.to_owned(), state }),
        }
        let (before, from) = self.still_as_listed(&repository, &request)?;
        let decision = Decision { who: name_of(&repository, who), at: now, reason: reason.map(str::to_owned), commit: None };
        self.end(&repository, &before, from, State::Rejected, decision)
    }

    pub(super) fn write_note(&self, key: &str, note: Note, text: &str, now: Timestamp) -> Result<(), Error> {
        let (repository, _lock) = self.begin()?;
        let before = self.own(&repository, key)?.ok_or_else(|| Error::Unknown { key: key.to_owned() })?;
        let mut record = before.record;
        if record.notes.iter().any(|noted| noted.note == note) {
            return Ok(());
        }
        record.notes.push(Noted { note, at: now, text: text.to_owned() });
        record.updated = now;
        record.previous = Some(before.at.to_string());
        self.reached(&format!("{key}: note"));
        save(&repository, &record, Some(before.at)).map(drop)
    }

    /// Completes what was interrupted and writes down what people did by other means, for every request.
    pub(super) fn recover_all(&self, now: Timestamp) -> Result<(), Error> {
        let repository = self.open_repository()?;
        let mut held = None;
        for key in keys(&repository)? {
            // One that cannot be read or completed is a problem of the listing; the others go on.
            if !self.needs_recovery(&repository, &key).unwrap_or(false) {
                continue;
            }
            if held.is_none() {
                held = Some(lock(&repository)?);
            }
            if let Err(error) = self.recover_one(&repository, &key, now) {
                tracing::warn!(key, %error, "cannot complete what an earlier run had begun");
            }
        }
        self.refuse_other_base(&repository)
    }

    fn needs_recovery(&self, repository: &Repository, key: &str) -> Result<bool, Error> {
        let Some(loaded) = load(repository, key)?.filter(|loaded| loaded.record.marker.estate == self.estate) else { return Ok(false) };
        if loaded.record.intent.is_some() {
            return Ok(true);
        }
        let recorded = loaded.record.state;
        Ok(self.observe(repository, loaded)?.state != recorded)
    }

    pub(super) fn recover_one(&self, repository: &Repository, key: &str, now: Timestamp) -> Result<(), Error> {
        let Some(loaded) = load(repository, key)?.filter(|loaded| loaded.record.marker.estate == self.estate) else { return Ok(()) };
        if loaded.record.intent.is_some() {
            let left = self.finish(repository, loaded, Run::Again)?;
            if !left.is_empty() {
                tracing::warn!(key, files = ?left, "left as they are: they were changed after the approval; `git status` shows them");
            }
        }
        let Some(before) = self.own(repository, key)? else { return Ok(()) };
        let request = self.observe(repository, before.clone())?;
        if request.state == before.record.state {
            return Ok(());
        }
        let decision = request.decision.map(|decision| Decision { at: now, ..decision });
        let record = Record { state: request.state, decision, updated: now, ..before.record.clone() };
        match head_of(repository, &request.branch)? {
            Some(head) if record.head == head.to_string() && checkouts(repository, &request.branch)?.is_empty() => {
                self.carry_out(repository, Some(&before), record, Intent::Delete { from: head.to_string() }).map(drop)
            }
            _ => {
                let record = Record { previous: Some(before.at.to_string()), ..record };
                save(repository, &record, Some(before.at)).map(drop)
            }
        }
    }

    /// Requests for another branch that still exists are not rewritten for this one.
    fn refuse_other_base(&self, repository: &Repository) -> Result<(), Error> {
        let (ours, _) = self.base_branch(repository)?;
        for request in self.listing(repository)?.requests {
            if request.state == State::Open && request.base_branch != ours {
                return Err(Error::OtherBase { key: request.id, theirs: request.base_branch, ours });
            }
        }
        Ok(())
    }

    /// The record of a key, which must be this estate's.
    pub(super) fn own(&self, repository: &Repository, key: &str) -> Result<Option<Loaded>, Error> {
        let loaded = load(repository, key)?;
        match &loaded {
            Some(Loaded { record, .. }) if record.marker.estate != self.estate => {
                Err(Error::KeyTaken { key: key.to_owned(), estate: record.marker.estate.to_string() })
            }
            Some(Loaded { record, .. }) if record.intent.is_some() => Err(Error::Interrupted { key: key.to_owned() }),
            _ => Ok(loaded),
        }
    }

    /// The record and the head of a request that must be open, not in use, and as it was listed.
    pub(super) fn still_as_listed(&self, repository: &Repository, request: &Request) -> Result<(Loaded, Option<Oid>), Error> {
        let key = request.key();
        let before = self.own(repository, key)?.ok_or_else(|| Error::Unknown { key: key.to_string() })?;
        if before.record.state != State::Open {
            return Err(Error::NotOpen { key: key.to_string(), state: before.record.state });
        }
        let head = head_of(repository, &request.branch)?;
        if head.map(|head| head.to_string()) != request.head {
            return Err(Error::Moved { name: request.branch.clone() });
        }
        if !checkouts(repository, &request.branch)?.is_empty() {
            return Err(Error::CheckedOut { branch: request.branch.clone() });
        }
        Ok((before, head))
    }

    /// The base branch, and the commit on which a branch is built.
    fn base_of_pass(&self, repository: &Repository, change: &Change, pass: Pass<'_>) -> Result<(String, Oid), Error> {
        let (branch, head) = self.base_branch(repository)?;
        let Some(revision) = pass.base else {
            self.refuse_uncommitted(repository, change)?;
            return Ok((branch, head));
        };
        let foreign = || Error::ForeignRevision { revision: revision.to_owned(), branch: branch.clone() };
        let base = Oid::from_str(revision).map_err(|_| foreign())?;
        if contains(repository, head, base)? { Ok((branch, base)) } else { Err(foreign()) }
    }

    fn end(&self, repository: &Repository, before: &Loaded, head: Option<Oid>, state: State, decision: Decision) -> Result<(), Error> {
        let head = head.map_or_else(|| before.record.head.clone(), |head| head.to_string());
        let updated = decision.at;
        let record = Record { state, decision: Some(decision), updated, head: head.clone(), kept: None, ..before.record.clone() };
        self.carry_out(repository, Some(before), record, Intent::Delete { from: head }).map(drop)
    }

    /// Writes the intent, does it, and writes the record as it is then. Returns files that were left as they are.
    pub(super) fn carry_out(&self, repository: &Repository, before: Option<&Loaded>, record: Record, intent: Intent) -> Result<Vec<String>, Error> {
        let record = Record { intent: Some(intent), previous: before.map(|before| before.at.to_string()), ..record };
        self.reached(&format!("{}: intent", record.marker.key));
        let at = save(repository, &record, before.map(|before| before.at))?;
        self.finish(repository, Loaded { at, record }, Run::First)
    }

    /// Does what an intent says, as far as it is not done, and writes the record without it; or takes the intent back
    /// where it cannot be done.
    fn finish(&self, repository: &Repository, loaded: Loaded, run: Run) -> Result<Vec<String>, Error> {
        let Loaded { at, mut record } = loaded;
        let Some(intent) = record.intent.take() else { return Ok(Vec::new()) };
        let key = record.marker.key.clone();
        let moved = match &intent {
            Intent::Write { from, to } => self.move_branch(repository, &key, from.as_deref(), to).map(|()| Vec::new()),
            Intent::Delete { from } => self.delete_branch(repository, &key, from).map(|()| Vec::new()),
            Intent::Merge { from, to } => self.merge_branches(repository, &record, from, to, run),
        };
        match moved {
            Ok(left) => {
                self.reached(&format!("{key}: record"));
                save(repository, &record, Some(at))?;
                self.reached(&format!("{key}: end"));
                Ok(left)
            }
            Err(error) => {
                if nothing_moved(repository, &record, &intent)? {
                    take_back(repository, &record, at)?;
                    // What the earlier run meant to do is decided again.
                    if run == Run::Again {
                        return Ok(Vec::new());
                    }
                }
                Err(error)
            }
        }
    }

    fn move_branch(&self, repository: &Repository, key: &str, from: Option<&str>, to: &str) -> Result<(), Error> {
        let branch = branch_of(key);
        let from = from.map(|from| id(key, from)).transpose()?;
        let to = id(key, to)?;
        let now = head_of(repository, &branch)?;
        if now == Some(to) {
            return Ok(());
        }
        if now != from {
            return Err(Error::Moved { name: branch });
        }
        if !checkouts(repository, &branch)?.is_empty() {
            return Err(Error::CheckedOut { branch });
        }
        self.reached(&format!("{key}: branch"));
        point(repository, &format!("refs/heads/{branch}"), from, to, "bowline: written")
    }

    fn delete_branch(&self, repository: &Repository, key: &str, from: &str) -> Result<(), Error> {
        let branch = branch_of(key);
        let from = id(key, from)?;
        match head_of(repository, &branch)? {
            None => Ok(()),
            Some(now) if now != from => Err(Error::Moved { name: branch }),
            Some(_) if !checkouts(repository, &branch)?.is_empty() => Err(Error::CheckedOut { branch }),
            Some(_) => {
                self.reached(&format!("{key}: delete"));
                remove(repository, &format!("refs/heads/{branch}"), from)
            }
        }
    }

    fn merge_branches(&self, repository: &Repository, record: &Record, from: &str, to: &str, run: Run) -> Result<Vec<String>, Error> {
        let (key, branch) = (&record.marker.key, &record.base_branch);
        let (from, to) = (id(key, from)?, id(key, to)?);
        let moved = || Error::Moved { name: branch.clone() };
        let now = head_of(repository, branch)?.ok_or_else(moved)?;
        if now == from {
            // Of an approval that never reached the base branch, nobody can know whether it is still meant.
            if run == Run::Again {
                return Err(moved());
            }
            self.reached(&format!("{key}: merge"));
            point(repository, &format!("refs/heads/{branch}"), Some(from), to, "bowline: approved")?;
        } else if !contains(repository, now, to)? {
            return Err(moved());
        }
        let mut left = Vec::new();
        if now == from || now == to {
            for tree in checkouts(repository, branch)? {
                self.reached(&format!("{key}: files"));
                left.append(&mut bring_up(&tree, from, to, &|| self.reached(&format!("{key}: index")))?);
            }
        }
        match self.delete_branch(repository, key, &record.head) {
            // What was committed to it since is not merged and stays; so does a branch that somebody stands on.
            Err(Error::Moved { .. } | Error::CheckedOut { .. }) | Ok(()) => Ok(left),
            Err(error) => Err(error),
        }
    }
}

/// Whether work that failed left the branches as they were, so that its intent can be taken back.
fn nothing_moved(repository: &Repository, record: &Record, intent: &Intent) -> Result<bool, Error> {
    match intent {
        // Moving or deleting the one branch is the last that is done.
        Intent::Write { .. } | Intent::Delete { .. } => Ok(true),
        Intent::Merge { to, .. } => match head_of(repository, &record.base_branch)? {
            Some(now) => Ok(!contains(repository, now, id(&record.marker.key, to)?)?),
            None => Ok(true),
        },
    }
}

/// Puts the record back to what it was before the intent.
fn take_back(repository: &Repository, record: &Record, at: Oid) -> Result<(), Error> {
    let name = format!("{RECORDS}{}", record.marker.key);
    match &record.previous {
        Some(previous) => point(repository, &name, Some(at), id(&record.marker.key, previous)?, "bowline: taken back"),
        None => remove(repository, &name, at),
    }
}

/// The head of a branch of the request's name that may be replaced, because all of it is in the base branch already.
fn free_branch(repository: &Repository, key: &str, base_branch: &str) -> Result<Option<Oid>, Error> {
    let above = BRANCH_PREFIX.trim_end_matches('/');
    if head_of(repository, above)?.is_some() {
        return Err(Error::BranchTaken { branch: above.to_owned() });
    }
    let branch = branch_of(key);
    let Some(head) = head_of(repository, &branch)? else { return Ok(None) };
    if !checkouts(repository, &branch)?.is_empty() {
        return Err(Error::CheckedOut { branch });
    }
    match head_of(repository, base_branch)? {
        Some(base) if contains(repository, base, head)? => Ok(Some(head)),
        _ => Err(Error::BranchTaken { branch }),
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    let fits = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    let good = !key.is_empty() && key.len() <= LONGEST_KEY && key.chars().all(fits) && !key.starts_with('-');
    if good { Ok(()) } else { Err(Error::BadKey { key: key.to_owned() }) }
}

/// The name of who decides: the one given, else the one that git knows.
pub(super) fn name_of(repository: &Repository, who: Option<&Person>) -> Option<Text> {
    match who {
        Some(person) => Some(person.name.as_str().into()),
        None => repository.signature().ok().and_then(|signature| signature.name().ok().map(Text::from)),
    }
}
