//! Pushing references to another repository (`gitprotocol-pack`, version 0).

use std::io::{self, Read, Seek, SeekFrom, Write};

use git2::{ObjectType, Oid, PushOptions, Repository};

use super::address::{self, Address};
use super::packet::{self, FLUSH, Packet, Packets, bad, shown};
use super::protocol::{AGENT, Advertisement, Connection, Request, Service, advertisement};
use super::{GitError, Remote, open_local};

/// The longest report that is read, in bytes.
const LONGEST_REPORT: usize = 1 << 20;

/// One reference to be changed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What it shall name; none: it shall go.
    pub source: Option<Oid>,
    /// Its full name there.
    pub target: String,
    /// Whether commits that it has now may be lost.
    pub force: bool,
    /// What it must name now, or nothing happens; none: anything. Zero: it must not be there.
    pub expected: Option<Oid>,
}

impl Update {
    /// Reads `[+]source:target`, `:target` (delete) or `[+]reference` (both names the same).
    pub fn parse(repository: &Repository, refspec: &str) -> Result<Self, GitError> {
        let (force, rest) = refspec.strip_prefix('+').map_or((false, refspec), |rest| (true, rest));
        let (source, target) = rest.split_once(':').unwrap_or((rest, rest));
        let rejected = |reason: &str| GitError::Rejected { reference: refspec.to_owned(), reason: reason.to_owned() };
        let target = match repository.find_reference(target) {
            Ok(reference) if !target.starts_with("refs/") => reference.name().map(str::to_owned).unwrap_or_default(),
            _ => target.to_owned(),
        };
        if !target.starts_with("refs/") || !git2::Reference::is_valid_name(&target) {
            return Err(rejected("it does not name a reference `refs/…`"));
        }
        let source = match source {
            "" => None,
            name => Some(repository.revparse_single(name).map_err(|_| rejected("there is nothing of that name here"))?.id()),
        };
        Ok(Self { source, target, force, expected: None })
    }
}

/// Changes references of another repository, all or (on a server that can) none. Nothing is sent where all are so already.
/// A reference that would lose commits is refused unless [`Update::force`]; one that has moved from [`Update::expected`] always.
pub fn push(repository: &Repository, remote: &Remote<'_>, updates: &[Update]) -> Result<(), GitError> {
    push_to(repository, remote, updates).map_err(|error| error.redacted(&remote.redactor()))
}

fn push_to(repository: &Repository, remote: &Remote<'_>, updates: &[Update]) -> Result<(), GitError> {
    match address::parse(remote.url)? {
        Address::Path(place) => push_local(repository, remote, &open_local(remote, &place)?, updates),
        address => {
            let mut connection = super::cache::connect(remote, &address, Service::ReceivePack)?;
            push_over(repository, &mut *connection, updates)
        }
    }
}

/// Into a repository on this machine, by libgit2's own transport.
fn push_local(repository: &Repository, remote: &Remote<'_>, there: &Repository, updates: &[Update]) -> Result<(), GitError> {
    let references = there.references().map_err(|error| GitError::read(&error))?.flatten();
    let known = references.filter_map(|reference| Some((reference.name().ok()?.to_owned(), reference.target()?))).collect();
    let todo = judge(repository, &Advertisement { references: known, capabilities: Vec::new() }, updates)?;
    let mut refspecs = Vec::new();
    for change in &todo {
        let source = change.new.map(|id| id.to_string()).unwrap_or_default();
        refspecs.push(format!("+{source}:{}", change.reference));
    }
    if refspecs.is_empty() {
        return Ok(());
    }
    let refused = std::cell::RefCell::new(None);
    let mut callbacks = git2::RemoteCallbacks::new();
    callbacks.push_update_reference(|reference, status| {
        if let Some(reason) = status {
            refused.replace(Some(GitError::Rejected { reference: reference.to_owned(), reason: shown(reason.as_bytes()) }));
        }
        Ok(())
    });
    let mut options = PushOptions::new();
    options.remote_callbacks(callbacks);
    let url = there.path().to_string_lossy().into_owned();
    let failed = |error: git2::Error| GitError::Remote { url: remote.url.to_owned(), reason: error.message().to_owned() };
    let pushed = repository.remote_anonymous(&url).and_then(|mut remote| remote.push(&refspecs, Some(&mut options)));
    drop(options);
    pushed.map_err(failed)?;
    refused.into_inner().map_or(Ok(()), Err)
}

/// One reference that differs there.
struct Change<'a> {
    reference: &'a str,
    old: Option<Oid>,
    new: Option<Oid>,
}

/// What is left to be done, if all of it may be done.
fn judge<'a>(repository: &Repository, there: &Advertisement, updates: &'a [Update]) -> Result<Vec<Change<'a>>, GitError> {
    let mut todo = Vec::new();
    for update in updates {
        let rejected = |reason: &str| Err(GitError::Rejected { reference: update.target.clone(), reason: reason.to_owned() });
        if !update.target.starts_with("refs/") || !git2::Reference::is_valid_name(&update.target) {
            return rejected("it does not name a reference `refs/…`");
        }
        let old = there.references.get(&update.target).copied();
        if update.expected.is_some_and(|expected| expected != old.unwrap_or(Oid::ZERO_SHA1)) {
            return rejected("somebody else has changed it; fetch, and look again");
        }
        if old == update.source {
            continue;
        }
        if let (false, Some(old), Some(new)) = (update.force, old, update.source)
            && !repository.graph_descendant_of(new, old).unwrap_or(false)
        {
            return rejected("it has commits there that would be lost; fetch, and look again");
        }
        todo.push(Change { reference: &update.target, old, new: update.source });
    }
    Ok(todo)
}

fn push_over(repository: &Repository, connection: &mut dyn Connection, updates: &[Update]) -> Result<(), GitError> {
    let there = advertisement(connection)?;
    let todo = judge(repository, &there, updates)?;
    if todo.is_empty() {
        return connection.leave();
    }
    if !there.can("report-status") || !there.can("side-band-64k") {
        return Err(connection.explain(&bad("the server is too old: it has no report-status or no side-band-64k")));
    }
    let pack = if todo.iter().any(|change| change.new.is_some()) { Some(pack(repository, &there, &todo)?) } else { None };
    let request = Request { head: commands(&there, &todo), pack };
    let report = connection.exchange(request).map(read_report)?;
    let report = report.map_err(|error| connection.explain(&error))?;
    judge_report(&report, &todo)
}

fn commands(there: &Advertisement, todo: &[Change<'_>]) -> Vec<u8> {
    let mut words = format!("report-status side-band-64k agent={AGENT}");
    if there.can("atomic") {
        words.push_str(" atomic");
    }
    let mut head = Vec::new();
    for (index, change) in todo.iter().enumerate() {
        let id = |id: Option<Oid>| id.unwrap_or(Oid::ZERO_SHA1);
        let tail = if index == 0 { format!("\0{words}") } else { String::new() };
        packet::write(&mut head, &format!("{} {} {}{tail}", id(change.old), id(change.new), change.reference));
    }
    head.extend_from_slice(FLUSH);
    head
}

/// The objects that are not there, in a file without a name.
fn pack(repository: &Repository, there: &Advertisement, todo: &[Change<'_>]) -> Result<(std::fs::File, u64), GitError> {
    let made = || -> Result<_, git2::Error> {
        let mut builder = repository.packbuilder()?;
        let mut walk = repository.revwalk()?;
        for id in todo.iter().filter_map(|change| change.new) {
            match repository.find_object(id, None)?.kind() {
                Some(ObjectType::Commit) => walk.push(id)?,
                _ => builder.insert_recursive(id, None)?,
            }
        }
        for id in there.references.values() {
            if repository.find_commit(*id).is_ok() {
                walk.hide(*id)?;
            }
        }
        builder.insert_walk(&mut walk)?;
        let mut file = tempfile::tempfile().map_err(|error| git2::Error::from_str(&error.to_string()))?;
        let mut failed = None;
        builder.foreach(|chunk| file.write_all(chunk).map_err(|error| failed = Some(error)).is_ok())?;
        match failed {
            Some(error) => Err(git2::Error::from_str(&error.to_string())),
            None => Ok(file),
        }
    };
    let mut file = made().map_err(|error| GitError::read(&error))?;
    let length = file.stream_position().and_then(|length| file.seek(SeekFrom::Start(0)).map(|_| length));
    length.map(|length| (file, length)).map_err(|error| GitError::Read(error.to_string()))
}

/// What the server reports, and what its hooks say to people.
#[derive(Debug, Default)]
struct Report {
    lines: Vec<String>,
    words: Vec<u8>,
}

fn read_report(reader: impl Read) -> io::Result<Report> {
    let mut packets = Packets::new(reader);
    let mut inner = Vec::new();
    let mut report = Report::default();
    while let Packet::Data(data) = packets.next()? {
        match data.split_first() {
            Some((1, data)) if inner.len() + data.len() <= LONGEST_REPORT => inner.extend_from_slice(data),
            Some((1, _)) => return Err(bad("the server's report is too long")),
            Some((2, data)) => report.words.extend(data.iter().take(4096_usize.saturating_sub(report.words.len()))),
            Some((3, data)) => return Err(bad(&format!("the server says: {}", shown(data)))),
            _ => return Err(bad("the answer is not git's protocol")),
        }
    }
    let mut packets = Packets::new(&inner[..]);
    while let Packet::Data(data) = packets.next()? {
        report.lines.push(String::from_utf8_lossy(data).trim_end().to_owned());
    }
    Ok(report)
}

fn judge_report(report: &Report, todo: &[Change<'_>]) -> Result<(), GitError> {
    let words = shown(&report.words);
    let hint = if words.is_empty() { String::new() } else { format!(" ({words})") };
    let reject =
        |reference: &str, reason: &str| Err(GitError::Rejected { reference: reference.to_owned(), reason: format!("{}{hint}", shown(reason.as_bytes())) });
    let first = todo.first().map_or("", |change| change.reference);
    match report.lines.first().and_then(|line| line.strip_prefix("unpack ")) {
        Some("ok") => {}
        Some(reason) => return reject(first, reason),
        None => return reject(first, "the server did not say whether it took it"),
    }
    for change in todo {
        let ok = report.lines.iter().any(|line| line.strip_prefix("ok ") == Some(change.reference));
        if !ok {
            let refused = report.lines.iter().find_map(|line| line.strip_prefix("ng ")?.strip_prefix(change.reference)?.strip_prefix(' '));
            return reject(change.reference, refused.unwrap_or("the server did not say whether it took it"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(reference: &str) -> Change<'_> {
        Change { reference, old: None, new: None }
    }

    fn report(lines: &[&str]) -> Report {
        Report { lines: lines.iter().map(|line| (*line).to_owned()).collect(), words: b"hook: \x1b[1mno".to_vec() }
    }

    #[test]
    fn a_reference_that_the_server_refuses_or_forgets_is_an_error_with_its_reason() {
        let todo = [change("refs/heads/a"), change("refs/heads/b")];
        assert!(judge_report(&report(&["unpack ok", "ok refs/heads/a", "ok refs/heads/b"]), &todo).is_ok());
        let refused = judge_report(&report(&["unpack ok", "ok refs/heads/a", "ng refs/heads/b protected branch"]), &todo);
        assert_eq!(refused, Err(GitError::Rejected { reference: "refs/heads/b".into(), reason: "protected branch (hook: [1mno)".into() }));
        for lines in [&["unpack ok", "ok refs/heads/a"][..], &["unpack disk full"], &[]] {
            assert!(judge_report(&report(lines), &todo).is_err(), "{lines:?}");
        }
    }
}
