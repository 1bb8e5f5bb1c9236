//! The one commit of a request, made in a repository on this machine without a checkout, the same for every forge.

use std::borrow::Cow;
use std::path::{Component, Path};

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, ObjectType, Oid, Repository, Signature, Time, Tree};
use jiff::Timestamp;

use super::Error;
use crate::change::Change;

/// Who makes the commits of requests and records: constants, so that the same input gives the same commit.
const NAME: &str = "Bowline";
const EMAIL: &str = "bowline@localhost";
/// How many items a commit message names.
const ITEMS_NAMED: usize = 10;

/// Bowline's own signature at an instant.
pub(in crate::forge) fn signature(now: Timestamp) -> Result<Signature<'static>, Error> {
    Ok(Signature::new(NAME, EMAIL, &Time::new(now.as_second(), 0))?)
}

/// Writes the commit of a change on top of `base`, with the estate in the folder `prefix` (empty, or ending with `/`).
pub(in crate::forge) fn write(repository: &Repository, prefix: &str, change: &Change, base: Oid, now: Timestamp) -> Result<Oid, Error> {
    let base = repository.find_commit(base)?;
    let base_tree = base.tree()?;
    let mut update = TreeUpdateBuilder::new();
    for file in &change.files {
        let path = path_in_repository(prefix, &file.path)?;
        let (mode, before) = entry(repository, &base_tree, &path)?;
        let blob = repository.blob(&as_stored(&file.text, before.as_deref()))?;
        update.upsert(path.as_str(), blob, mode);
    }
    let tree = repository.find_tree(update.create_updated(repository, &base_tree)?)?;
    let author = signature(now)?;
    Ok(repository.commit(None, &author, &author, &message(change), &tree, &[&base])?)
}

/// The path of a file of the estate, below the root of the repository.
pub(in crate::forge) fn path_in_repository(prefix: &str, path: &str) -> Result<String, Error> {
    let bad = |why| Error::BadPath { path: path.to_owned(), why };
    if path.is_empty() || path.contains(['\0', '\\']) || path.ends_with('/') {
        return Err(bad("it does not name a file"));
    }
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) if name.eq_ignore_ascii_case(".git") => return Err(bad("it is in a git directory")),
            Component::Normal(_) => {}
            _ => return Err(bad("it leaves the estate's folder")),
        }
    }
    if path.split('/').any(|part| part.is_empty() || part == ".") {
        return Err(bad("it has an empty part"));
    }
    Ok(format!("{prefix}{path}"))
}

/// The mode that a file keeps and its bytes on the base; none where it is new.
fn entry(repository: &Repository, tree: &Tree<'_>, path: &str) -> Result<(FileMode, Option<Vec<u8>>), Error> {
    let bad = |why| Error::BadPath { path: path.to_owned(), why };
    for folder in Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        if tree.get_path(folder).is_ok_and(|entry| entry.kind() != Some(ObjectType::Tree)) {
            return Err(bad("a part of it is a file or a symbolic link on the base branch"));
        }
    }
    let entry = match tree.get_path(Path::new(path)) {
        Ok(entry) => entry,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok((FileMode::Blob, None)),
        Err(error) => return Err(error.into()),
    };
    let mode = match u32::try_from(entry.filemode()) {
        Ok(mode) if mode == u32::from(FileMode::Blob) => FileMode::Blob,
        Ok(mode) if mode == u32::from(FileMode::BlobExecutable) => FileMode::BlobExecutable,
        _ => return Err(bad("it is a folder, a symbolic link or a submodule on the base branch")),
    };
    Ok((mode, Some(repository.find_blob(entry.id())?.content().to_vec())))
}

/// The bytes to store. A file that git stores with LF but checks out with CRLF (`core.autocrlf`, `eol`) comes with CRLF
/// when it was read from a folder; stored like that, every line of it would differ.
fn as_stored<'a>(text: &'a str, before: Option<&[u8]>) -> Cow<'a, [u8]> {
    let stored_with_lf = before.is_some_and(|before| !before.windows(2).any(|pair| pair == b"\r\n"));
    if stored_with_lf && text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n").into_bytes()) } else { Cow::Borrowed(text.as_bytes()) }
}

/// Text on one line, fit for a commit message.
pub(in crate::forge) fn one_line(text: &str) -> String {
    let printable: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    printable.trim().to_owned()
}

/// What the commit of a change says.
pub(in crate::forge) fn message(change: &Change) -> String {
    let mut items: Vec<&str> = change.items.iter().take(ITEMS_NAMED).map(|item| &**item).collect();
    let more = format!("and {} more", change.items.len().saturating_sub(ITEMS_NAMED));
    if change.items.len() > ITEMS_NAMED {
        items.push(&more);
    }
    let window = change.schedule.as_ref().map_or_else(|| "none found".to_owned(), |schedule| format!("{}, {}", schedule.window, schedule.start));
    format!(
        "{}\n\n{}\n{}\n{}\n\n{}",
        one_line(&change.title),
        one_line(&format!("Items: {}", items.join(", "))),
        one_line(&format!("Risk: {:?} ({})", change.risk.level, change.risk.score)),
        one_line(&format!("Window: {window}")),
        trailers(&change.key, &change.fingerprint),
    )
}

/// The trailers by which a commit of Bowline's is known.
pub(in crate::forge) fn trailers(key: &str, fingerprint: &str) -> String {
    format!("Bowline-Key: {}\nBowline-Fingerprint: {}\n", one_line(key), one_line(fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stored_with_lf_is_stored_with_lf_again_though_it_was_read_with_crlf() {
        assert_eq!(&*as_stored("a: 2\r\nb: 1\r\n", Some(b"a: 1\nb: 1\n")), b"a: 2\nb: 1\n");
    }

    #[test]
    fn a_file_stored_with_crlf_keeps_it() {
        assert_eq!(&*as_stored("a: 2\r\nb: 1\r\n", Some(b"a: 1\r\nb: 1\r\n")), b"a: 2\r\nb: 1\r\n");
    }

    #[test]
    fn a_title_with_line_ends_and_control_characters_stays_one_line() {
        assert_eq!(one_line("a\nBowline-Key: x\0\r"), "a Bowline-Key: x");
    }
}
