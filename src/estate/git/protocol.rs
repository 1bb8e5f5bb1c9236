//! git's conversation over any transport: what is there, and fetching a branch (`gitprotocol-pack`, version 0).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

use git2::{Oid, Repository};

use super::GitError;
use super::packet::{self, FLUSH, Packet, Packets, bad, shown};

/// How many references a server may list.
const MOST_REFERENCES: usize = 1_000_000;

/// How many objects a pack may hold.
const MOST_OBJECTS: u32 = 20_000_000;

/// What we call ourselves.
pub(super) const AGENT: &str = concat!("bowline/", env!("CARGO_PKG_VERSION"));

/// What is asked of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// What we say.
#[derive(Debug)]
pub(super) struct Request {
    /// Packets.
    pub(super) head: Vec<u8>,
    /// A pack after them, and its length in bytes.
    pub(super) pack: Option<(File, u64)>,
}

impl Request {
    pub(super) fn length(&self) -> u64 {
        self.head.len() as u64 + self.pack.as_ref().map_or(0, |(_, length)| *length)
    }

    pub(super) fn into_reader(self) -> Box<dyn Read + Send> {
        let head = io::Cursor::new(self.head);
        match self.pack {
            Some((pack, _)) => Box::new(head.chain(pack)),
            None => Box::new(head),
        }
    }
}

/// A conversation about one service.
pub(super) trait Connection {
    /// What the other side says first.
    fn advertise(&mut self) -> Result<Box<dyn Read + '_>, GitError>;
    /// What it answers.
    fn exchange(&mut self, request: Request) -> Result<Box<dyn Read + '_>, GitError>;
    /// Takes leave without a request.
    fn leave(&mut self) -> Result<(), GitError>;
    /// Why an answer could not be read, with what the transport knows about it.
    fn explain(&mut self, error: &io::Error) -> GitError;
}

/// What the other side has.
#[derive(Debug, Default)]
pub(super) struct Advertisement {
    pub(super) references: BTreeMap<String, Oid>,
    pub(super) capabilities: Vec<String>,
}

impl Advertisement {
    pub(super) fn can(&self, name: &str) -> bool {
        self.capabilities.iter().any(|capability| capability == name)
    }

    /// The branch that HEAD names.
    fn head(&self) -> Option<&str> {
        self.capabilities.iter().find_map(|capability| capability.strip_prefix("symref=HEAD:refs/heads/"))
    }
}

/// Asks what is there.
pub(super) fn advertisement(connection: &mut dyn Connection) -> Result<Advertisement, GitError> {
    let read = connection.advertise().map(read_advertisement)?;
    read.map_err(|error| connection.explain(&error))
}

fn read_advertisement(reader: impl Read) -> io::Result<Advertisement> {
    let mut packets = Packets::new(reader);
    let mut found = Advertisement::default();
    let mut first = true;
    loop {
        let packet = packets.next()?;
        let Packet::Data(data) = packet else {
            return if found.capabilities.iter().any(|word| word.starts_with("object-format=") && word != "object-format=sha1") {
                Err(bad("the repository uses SHA-256, which is not supported yet"))
            } else {
                Ok(found)
            };
        };
        if let Some(message) = data.strip_prefix(b"ERR ") {
            return Err(bad(&format!("the server says: {}", shown(message))));
        }
        if data.starts_with(b"# service=") {
            packets.next()?; // the flush after HTTP's own line
            continue;
        }
        let (line, capabilities) = match data.iter().position(|byte| *byte == 0) {
            Some(nul) => (data.get(..nul).unwrap_or_default(), data.get(nul + 1..).unwrap_or_default()),
            None => (data, &[][..]),
        };
        if first {
            found.capabilities = String::from_utf8_lossy(capabilities).split_whitespace().map(str::to_owned).collect();
        }
        let line = std::str::from_utf8(line).unwrap_or_default().trim_end_matches('\n');
        if line == "version 1" || line.starts_with("shallow ") || line.is_empty() {
            continue;
        }
        first = false;
        let (id, name) = line.split_once(' ').ok_or_else(|| bad("the answer is not git's protocol"))?;
        let id = oid(id)?;
        if !id.is_zero() && !name.ends_with("^{}") {
            found.references.insert(name.to_owned(), id);
        }
        if found.references.len() > MOST_REFERENCES {
            return Err(bad("the server lists too many references"));
        }
    }
}

fn oid(text: &str) -> io::Result<Oid> {
    let whole = (text.len() == 40).then(|| Oid::from_str(text).ok()).flatten();
    whole.ok_or_else(|| bad("the answer is not git's protocol"))
}

/// What is to be fetched, and what is here already.
#[derive(Debug, Default)]
pub(super) struct Wish<'a> {
    /// The address, for errors.
    pub(super) url: &'a str,
    /// The branch; none: the one that HEAD names.
    pub(super) branch: Option<&'a str>,
    /// Commits that are here with all their files.
    pub(super) have: Vec<Oid>,
    /// Those among them whose parents are not here.
    pub(super) shallow: Vec<Oid>,
}

/// What was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) commit: Oid,
    pub(super) branch: Option<String>,
    /// Commits whose parents are not here, from now on.
    pub(super) shallow: Vec<Oid>,
}

/// Fetches one commit of a branch (or, from a server that cannot cut history short, all of it) into a repository.
pub(super) fn fetch(connection: &mut dyn Connection, repository: &Repository, wish: &Wish<'_>) -> Result<Fetched, GitError> {
    let there = advertisement(connection)?;
    let (commit, branch) = tip(&there, wish)?;
    let mut fetched = Fetched { commit, branch, shallow: wish.shallow.clone() };
    if wish.have.contains(&commit) {
        connection.leave()?;
        return Ok(fetched);
    }
    if !there.can("side-band-64k") {
        return Err(connection.explain(&bad("the server is too old: it has no side-band-64k")));
    }
    let deepen = there.can("shallow");
    let request = Request { head: fetch_request(&there, commit, wish, deepen), pack: None };
    let answer = connection.exchange(request).map(|reader| receive(reader, repository, deepen, &mut fetched.shallow))?;
    answer.map_err(|error| connection.explain(&error))?;
    let here = repository.find_commit(commit).is_ok();
    if here { Ok(fetched) } else { Err(connection.explain(&bad("the server did not send what was asked for"))) }
}

fn tip(there: &Advertisement, wish: &Wish<'_>) -> Result<(Oid, Option<String>), GitError> {
    let branch = wish.branch.or(there.head());
    let reference = branch.map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"));
    match there.references.get(&reference) {
        Some(commit) => Ok((*commit, branch.map(str::to_owned))),
        None if there.references.is_empty() => Err(GitError::Empty(wish.url.to_owned())),
        None => Err(GitError::NoBranch { url: wish.url.to_owned(), branch: branch.unwrap_or("HEAD").to_owned() }),
    }
}

fn fetch_request(there: &Advertisement, commit: Oid, wish: &Wish<'_>, deepen: bool) -> Vec<u8> {
    let mut words = vec!["side-band-64k".to_owned(), format!("agent={AGENT}")];
    words.extend(["ofs-delta", "no-progress", "multi_ack_detailed"].into_iter().filter(|word| there.can(word)).map(str::to_owned));
    let mut head = Vec::new();
    packet::write(&mut head, &format!("want {commit} {}\n", words.join(" ")));
    if deepen {
        wish.shallow.iter().for_each(|id| packet::write(&mut head, &format!("shallow {id}\n")));
        packet::write(&mut head, "deepen 1\n");
    }
    head.extend_from_slice(FLUSH);
    wish.have.iter().for_each(|id| packet::write(&mut head, &format!("have {id}\n")));
    packet::write(&mut head, "done\n");
    head
}

/// Reads the answer: where history is cut, what is common, and the pack.
fn receive(reader: impl Read, repository: &Repository, deepen: bool, shallow: &mut Vec<Oid>) -> io::Result<()> {
    let mut packets = Packets::new(reader);
    if deepen {
        read_shallow(&mut packets, shallow)?;
    }
    let odb = repository.odb().map_err(|error| local(&error))?;
    let mut pack = Pack { writer: odb.packwriter().map_err(|error| local(&error))?, head: Vec::new() };
    while let Packet::Data(data) = packets.next()? {
        match data.split_first() {
            Some((1, pack_data)) => pack.write(pack_data)?,
            Some((2, _)) | None => {}
            Some((3, message)) => return Err(bad(&format!("the server says: {}", shown(message)))),
            Some(_) if data.starts_with(b"ACK ") || data.starts_with(b"NAK") => {}
            Some(_) if data.starts_with(b"ERR ") => return Err(bad(&format!("the server says: {}", shown(data)))),
            Some(_) => return Err(bad("the answer is not git's protocol")),
        }
    }
    pack.writer.commit().map(drop).map_err(|error| local(&error))
}

/// Where history is cut, from now on.
fn read_shallow(packets: &mut Packets<impl Read>, shallow: &mut Vec<Oid>) -> io::Result<()> {
    while let Packet::Data(data) = packets.next()? {
        let line = std::str::from_utf8(data).unwrap_or_default().trim_end_matches('\n');
        match line.split_once(' ') {
            Some(("shallow", id)) => shallow.push(oid(id)?),
            Some(("unshallow", id)) => {
                let id = oid(id)?;
                shallow.retain(|known| *known != id);
            }
            Some(("ERR", message)) => return Err(bad(&format!("the server says: {}", shown(message.as_bytes())))),
            _ => return Err(bad("the answer is not git's protocol")),
        }
    }
    shallow.sort();
    shallow.dedup();
    Ok(())
}

fn local(error: &git2::Error) -> io::Error {
    io::Error::other(error.message().to_owned())
}

/// A pack on its way into the repository.
struct Pack<'repo> {
    writer: git2::OdbPackwriter<'repo>,
    /// Its first 12 bytes, until they are judged: `PACK`, the version, and how many objects it holds.
    head: Vec<u8>,
}

impl Pack<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        if self.head.len() < 12 {
            self.head.extend(data.iter().take(12 - self.head.len()));
            if let &[b'P', b'A', b'C', b'K', _, _, _, _, a, b, c, d] = self.head.as_slice()
                && u32::from_be_bytes([a, b, c, d]) > MOST_OBJECTS
            {
                return Err(bad("the repository has too many objects"));
            }
        }
        self.writer.write_all(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "1111111111111111111111111111111111111111";
    const B: &str = "2222222222222222222222222222222222222222";

    fn packets(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in lines {
            if line.is_empty() { out.extend_from_slice(FLUSH) } else { packet::write(&mut out, line) }
        }
        out
    }

    #[test]
    fn the_default_branch_is_the_one_that_head_names() {
        let head = format!("{A} HEAD\0shallow symref=HEAD:refs/heads/trunk side-band-64k\n");
        let there = read_advertisement(
            &packets(&["# service=git-upload-pack\n", "", &head, &format!("{A} refs/heads/trunk\n"), &format!("{B} refs/heads/x\n"), ""])[..],
        )
        .unwrap();
        let wish = |branch| Wish { url: "u", branch, ..Wish::default() };
        assert_eq!(tip(&there, &wish(None)).unwrap(), (Oid::from_str(A).unwrap(), Some("trunk".to_owned())));
        assert_eq!(tip(&there, &wish(Some("x"))).unwrap().0, Oid::from_str(B).unwrap());
        assert_eq!(tip(&there, &wish(Some("y"))).unwrap_err(), GitError::NoBranch { url: "u".into(), branch: "y".into() });
    }

    #[test]
    fn an_empty_repository_is_said_to_be_empty() {
        let line = format!("{} capabilities^{{}}\0shallow\n", "0".repeat(40));
        let there = read_advertisement(&packets(&[&line, ""])[..]).unwrap();
        assert_eq!(tip(&there, &Wish { url: "u", ..Wish::default() }).unwrap_err(), GitError::Empty("u".into()));
    }

    #[test]
    fn an_answer_that_is_not_git_is_an_error() {
        for lines in [&["ERR no such\x1b[2J repository\n"][..], &["hello\n", ""], &["zz HEAD\0x\n", ""], &[]] {
            let error = read_advertisement(&packets(lines)[..]).unwrap_err().to_string();
            assert!(!error.contains('\x1b'), "{error}");
        }
        let sha256 = format!("{A} HEAD\0object-format=sha256\n");
        assert!(read_advertisement(&packets(&[&sha256, ""])[..]).unwrap_err().to_string().contains("SHA-256"));
    }

    #[test]
    fn a_pack_that_claims_too_many_objects_is_refused_at_its_head() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let mut answer = packets(&["NAK\n"]);
        packet::write(&mut answer, "\u{1}PACK\0\0\0\u{2}\u{7f}\u{7f}\u{7f}\u{7f}");
        let error = receive(&answer[..], &repository, false, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("too many objects"), "{error}");
    }

    #[test]
    fn a_pack_that_is_cut_short_or_broken_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        for lines in [
            &["NAK\n"][..],
            &["NAK\n", "\u{1}PACK\0\0\0\u{2}\0\0\0\u{1}", ""],
            &["NAK\n", "\u{1}not a pack at all, but long enough to be one", ""],
            &["NAK\n", "\u{3}no\n", ""],
        ] {
            assert!(receive(&packets(lines)[..], &repository, false, &mut Vec::new()).is_err(), "{lines:?}");
        }
    }
}
