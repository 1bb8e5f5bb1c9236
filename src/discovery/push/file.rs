//! What is known of a source, as a file: a line about it, then one observation a line. It is written whole or not at all.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::facts::{Fact, Facts, MOST_BYTES};
use crate::api::Text;

/// What the first line calls the file.
const KIND: &str = "PushedFacts";
/// How it is written; another version is not read.
const VERSION: u32 = 1;
/// The largest file that is read, in bytes: all that is kept, and its first line.
const LARGEST: u64 = MOST_BYTES as u64 + (64 << 10);
/// How a file ends that is to take the place of another, and how many characters before that are chosen by chance.
const NEW: &str = ".new";
const RANDOM: usize = 6;
/// The longest name of a source that its file bears.
const LONGEST_NAME: usize = 100;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    kind: Text,
    version: u32,
    source: Text,
    /// As of when the last whole batch was.
    pub whole: Option<Timestamp>,
    /// How many observations follow.
    observations: usize,
}

/// A line and its number, from 1.
pub(super) type Line<'a> = (usize, &'a [u8]);

/// What is looked at of an observation without reading it.
#[derive(Deserialize)]
struct Stub {
    key: Text,
    seen: Timestamp,
}

/// The file of a source in the folder of its estate.
pub fn path(folder: &Path, source: &str) -> PathBuf {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if source.len() <= LONGEST_NAME && !source.starts_with('.') && !source.is_empty() && source.bytes().all(plain) {
        return folder.join(format!("{source}.ndjson"));
    }
    let digest = Sha256::digest(source).iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    folder.join(format!("source-{digest}.ndjson"))
}

/// The bytes of a file; none where there is none. An error names no folder.
pub(super) fn read(file: &Path) -> Result<Option<Vec<u8>>, String> {
    let told = |error: io::Error| format!("the file of what was pushed cannot be read: {}", error.kind());
    let file = match File::open(file) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(told(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > LARGEST { Err("the file of what was pushed is larger than it can be".to_owned()) } else { Ok(Some(bytes)) }
}

/// The first line, and the others with their numbers. An error says what is wrong with the file.
pub(super) fn parts(bytes: &[u8]) -> Result<(Head, Vec<Line<'_>>), String> {
    let broken = |what: &str| format!("the file of what was pushed is damaged: {what}");
    let mut lines = (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n'));
    let (_, first) = lines.next().ok_or_else(|| broken("it is empty"))?;
    let head: Head = serde_json::from_slice(first).map_err(|_| broken("its first line cannot be read"))?;
    if &*head.kind != KIND || head.version != VERSION {
        return Err(format!("the file of what was pushed is of version {}, and this Bowline reads version {VERSION}", head.version));
    }
    let lines: Vec<Line<'_>> = lines.map(|(number, line)| (number, line.trim_ascii())).collect();
    if lines.len() != head.observations || !bytes.ends_with(b"\n") {
        return Err(broken(&format!("{} observations should be in it, and {} are", head.observations, lines.len())));
    }
    Ok((head, lines))
}

/// All of it, as it was written.
pub(super) fn facts(bytes: &[u8]) -> Result<Facts, String> {
    let (head, lines) = parts(bytes)?;
    let facts = lines.into_iter().map(|(number, line)| {
        let wrong = || format!("the file of what was pushed is damaged: line {number} cannot be read");
        let line = std::str::from_utf8(line).map_err(|_| wrong())?;
        let stub: Stub = serde_json::from_str(line).map_err(|_| wrong())?;
        Ok(Fact { key: stub.key, seen: stub.seen, line: line.into() })
    });
    Ok(Facts::of(head.whole, facts.collect::<Result<Vec<_>, String>>()?))
}

/// What is written of a source.
pub(super) fn bytes(source: &Text, facts: &Facts) -> Vec<u8> {
    let lines = facts.lines();
    let head = Head { kind: KIND.into(), version: VERSION, source: source.clone(), whole: facts.whole(), observations: lines.len() };
    let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
    bytes.reserve(facts.bytes() + 1);
    bytes.push(b'\n');
    for line in lines {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// Writes a file that only its owner may read, in the place of the former.
pub(super) fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    make(folder)?;
    let mut new = tempfile::Builder::new().prefix(&beside(file)).suffix(NEW).rand_bytes(RANDOM).tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    // The new name is on the disk once its folder is.
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// How a file begins that is to take the place of this one.
fn beside(file: &Path) -> String {
    format!(".{}-", file.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes what a writer that was killed left beside the file. Only for whom holds the lock: nobody else is writing. What cannot be
/// removed does no harm.
pub(super) fn sweep(file: &Path) {
    let begin = beside(file);
    let is_left = |name: &str| name.strip_prefix(&*begin).and_then(|rest| rest.strip_suffix(NEW)).is_some_and(|middle| middle.len() == RANDOM);
    for entry in file.parent().and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left) {
            std::fs::remove_file(entry.path()).ok();
        }
    }
}

/// Makes a folder that only its owner may look into.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::super::facts::Batch;
    use super::*;

    fn some() -> Facts {
        let mut facts = Facts::default();
        let seen: Timestamp = "2026-11-25T08:00:00Z".parse().unwrap();
        let fact = |key: &str| Fact { key: key.into(), seen, line: format!("{{\"key\":\"{key}\",\"seen\":\"{seen}\"}}").into() };
        facts.take(Batch { facts: vec![fact("a"), fact("b")], whole: Some(seen) }, Timestamp::MIN, MOST_BYTES).unwrap();
        facts
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        assert_eq!(facts(&bytes(&"web".into(), &some())), Ok(some()));
        assert_eq!(facts(&bytes(&"web".into(), &Facts::default())), Ok(Facts::default()));
    }

    #[test]
    fn a_file_that_was_cut_short_anywhere_is_damaged() {
        let whole = bytes(&"web".into(), &some());
        for cut in 0..whole.len() {
            assert!(facts(&whole[..cut]).is_err(), "at {cut}");
        }
        let newer = String::from_utf8(whole).unwrap().replace("\"version\":1", "\"version\":2");
        assert!(facts(newer.as_bytes()).unwrap_err().contains("version 2"));
    }

    #[test]
    fn two_sources_never_have_one_file() {
        let folder = Path::new("f");
        let names = ["web", "Web", "web.", "../web", "web/x", "", ".web", "wéb", &"x".repeat(300)];
        let paths: std::collections::BTreeSet<PathBuf> = names.iter().map(|name| path(folder, name)).collect();
        assert_eq!(paths.len(), names.len());
        assert!(paths.iter().all(|path| path.parent() == Some(folder)), "{paths:?}");
        assert_eq!(path(folder, "web"), folder.join("web.ndjson"));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = path(&folder.path().join("pushed"), "web");
        for _ in 0..2 {
            write(&file, b"x").unwrap();
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        }
        assert_eq!(file.parent().unwrap().read_dir().unwrap().count(), 1, "nothing is left over");
    }
}
