//! Reading a scan, one element after the other, in bounds: of the file, of one element, of how deep they stand, and of what a host may hold.
//!
//! Entities are never expanded but the five of XML itself, and a document type that declares anything is refused.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::host::{Guess, Host, Manner, Port, Service, Status};
use crate::access::web::one_line;
use crate::api::Text;
use crate::discovery::blocks::{Found, STOPPED};
use crate::discovery::file::{Bounded, EMPTY, unreadable};

/// The largest element or text, in bytes: scripts put whole pages into one.
const LARGEST_PART: usize = 16 << 20;
/// How deep elements may stand in each other; nmap's stand at most ten deep, and the tables of its scripts a few more.
const DEEPEST: usize = 64;
/// How many attributes of an element are looked at; nmap's have a dozen.
const MOST_ATTRIBUTES: usize = 64;
/// How many hosts are read.
const MOST_HOSTS: u64 = 1_000_000;
/// How many addresses, names, and marks of a service a host may have; what is past that is left out.
const MOST_OF_A_KIND: usize = 64;
/// How many ports of a host are read: all there are of TCP, UDP and SCTP.
const MOST_PORTS: usize = 3 << 16;

/// Reads a scan to its end, or to where it cannot be read.
pub(super) fn read(file: Box<dyn Read + Send>, manner: &Manner, stop: &AtomicBool) -> Found {
    let mut xml = Reader::from_reader(Parted::new(BufReader::new(Bounded::new(file))));
    let mut scan = Scan::new(manner);
    let mut buffer = Vec::new();
    let end = loop {
        if stop.load(Ordering::Relaxed) {
            break Err(STOPPED.to_owned());
        }
        buffer.clear();
        xml.get_mut().left = LARGEST_PART;
        let line = xml.get_ref().line;
        let event = xml.read_event_into(&mut buffer);
        let read = match event {
            Ok(Event::Eof) => break Ok(()),
            Ok(event) => scan.take(&event).map_err(|reason| format!("line {line}: {reason}")),
            Err(error) => Err(told(&error, xml.get_ref().line)),
        };
        if let Err(reason) = read {
            break Err(reason);
        }
    };
    scan.end(&end)
}

/// What is said of a fault of XML, without quoting what stands there.
fn told(error: &quick_xml::Error, line: u64) -> String {
    match error {
        quick_xml::Error::Io(error) => unreadable(error),
        quick_xml::Error::Syntax(_) => format!("{CUT_SHORT} (line {line})"),
        _ => format!("line {line}: {NO_XML}"),
    }
}

const CUT_SHORT: &str = "the file is cut short, or the scan still goes on";
const NO_XML: &str = "this is no XML as nmap writes it with -oX";

/// What was read so far.
struct Scan<'a> {
    manner: &'a Manner,
    /// The elements in which the present one stands.
    within: Vec<Box<str>>,
    host: Option<Host>,
    /// A port, and whether it is open.
    port: Option<(Port, bool)>,
    keys: HashSet<Text>,
    found: Found,
    /// How many hosts that are up were read.
    up: u64,
    hosts: u64,
    begun: Option<Timestamp>,
    finished: Option<Finished>,
    /// How many hosts are up by the word of the scan's end.
    told_up: Option<u64>,
    /// Whether there is anything at all.
    any: bool,
    ended: bool,
}

/// How the scan ended, by its own word.
struct Finished {
    well: bool,
    at: Option<Timestamp>,
    why: Option<String>,
}

impl<'a> Scan<'a> {
    fn new(manner: &'a Manner) -> Self {
        Self {
            manner,
            within: Vec::new(),
            host: None,
            port: None,
            keys: HashSet::new(),
            found: Found::default(),
            up: 0,
            hosts: 0,
            begun: None,
            finished: None,
            told_up: None,
            any: false,
            ended: false,
        }
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), String> {
        self.any = true;
        match event {
            Event::Start(element) => {
                self.opened(element)?;
                self.within.push(element.name().as_ref().into());
                if self.within.len() > DEEPEST { Err(format!("elements stand more than {DEEPEST} deep in each other")) } else { Ok(()) }
            }
            Event::Empty(element) => {
                self.opened(element)?;
                self.closed(element.name().as_ref())
            }
            Event::End(element) => {
                self.within.pop();
                self.closed(element.name().as_ref())
            }
            Event::Text(text) if self.within.is_empty() && !text.trim().is_empty() => Err(NO_XML.to_owned()),
            Event::Text(text) => {
                self.text(text);
                Ok(())
            }
            Event::DocType(text) if text.contains('[') => Err("its document type declares something of its own, which nmap never does".to_owned()),
            _ => Ok(()),
        }
    }

    fn opened(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        let name = element.name();
        if self.within.is_empty() {
            return self.root(name.as_ref(), element);
        }
        match (name.as_ref(), self.within.last().map(|parent| &**parent)) {
            ("host", Some("nmaprun")) => self.host = Some(host(element)?),
            ("target", Some("nmaprun")) => self.target(element)?,
            ("finished", Some("runstats")) => self.finished = Some(finished(element)?),
            ("hosts", Some("runstats")) => self.told_up = number(element, "up")?,
            ("port", Some("ports")) => self.port = Some((port(element)?, false)),
            (name, Some("port")) => self.of_port(name, element)?,
            (name, _) => self.of_host(name, element)?,
        }
        Ok(())
    }

    fn root(&mut self, name: &str, element: &BytesStart<'_>) -> Result<(), String> {
        if self.ended {
            return Err("a second scan begins here; write each to a file of its own, without --append-output".to_owned());
        }
        if name != "nmaprun" {
            return Err(NO_XML.to_owned());
        }
        self.begun = instant(element, "start")?;
        Ok(())
    }

    fn of_port(&mut self, name: &str, element: &BytesStart<'_>) -> Result<(), String> {
        let (Some((port, open)), Some(host)) = (&mut self.port, &mut self.host) else { return Ok(()) };
        match name {
            "state" => {
                let state = value(element, "state")?.unwrap_or_default();
                *open = state == "open";
                host.answered |= answers(&state);
            }
            "service" => {
                let (name, product) = (owned(element, "name")?, owned(element, "product")?);
                let (version, tunnel) = (owned(element, "version")?, owned(element, "tunnel")?);
                let probed = value(element, "method")?.as_deref() == Some("probed");
                port.service = Service { name, product, version, tunnel, probed, cpe: Vec::new() };
            }
            _ => {}
        }
        Ok(())
    }

    fn of_host(&mut self, name: &str, element: &BytesStart<'_>) -> Result<(), String> {
        let Some(host) = &mut self.host else { return Ok(()) };
        match (name, self.within.last().map(|parent| &**parent)) {
            ("status", Some("host")) => {
                let (up, reason) = (value(element, "state")?.as_deref() == Some("up"), value(element, "reason")?);
                host.status = match (up, reason.as_deref()) {
                    (false, _) => Status::Down,
                    (true, Some("user-set")) => Status::Assumed,
                    (true, _) => Status::Up,
                };
            }
            ("address", Some("host")) => address(host, element)?,
            ("hostname", Some("hostnames")) if host.names.len() < MOST_OF_A_KIND => {
                host.names.extend(owned(element, "name")?.filter(|name| !name.is_empty() && !host.names.contains(name)));
            }
            ("extraports", Some("ports")) => host.answered |= answers(&value(element, "state")?.unwrap_or_default()),
            // The likeliest comes first.
            ("osmatch", Some("os")) if host.os.is_none() => {
                host.os = Some(Guess { name: owned(element, "name")?, accuracy: number(element, "accuracy")?, ..Guess::default() });
            }
            ("osclass", Some("osmatch")) => {
                if let Some(guess) = host.os.as_mut().filter(|guess| guess.kind.is_none() && guess.family.is_none()) {
                    (guess.vendor, guess.family) = (owned(element, "vendor")?, owned(element, "osfamily")?);
                    (guess.generation, guess.kind) = (owned(element, "osgen")?, owned(element, "type")?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What nmap itself left out.
    fn target(&mut self, element: &BytesStart<'_>) -> Result<(), String> {
        if value(element, "status")?.as_deref() == Some("skipped") {
            let what = value(element, "specification")?.map(|what| one_line(&what)).unwrap_or_default();
            self.found.note(format!("nmap left out the target `{what}`"));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let [.., parent, last] = &*self.within else { return };
        if let ("service", "cpe", Some((port, _))) = (&**parent, &**last, &mut self.port)
            && port.service.cpe.len() < MOST_OF_A_KIND
        {
            port.service.cpe.push(text.trim().to_owned());
        }
    }

    fn closed(&mut self, name: &str) -> Result<(), String> {
        match (name, self.within.last().map(|parent| &**parent)) {
            ("port", Some("ports")) => {
                if let (Some((port, true)), Some(host)) = (self.port.take(), &mut self.host)
                    && host.ports.len() < MOST_PORTS
                {
                    host.ports.push(port);
                }
                Ok(())
            }
            ("host", Some("nmaprun")) => self.host.take().map_or(Ok(()), |host| self.add(host)),
            ("nmaprun", None) => {
                self.ended = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, host: Host) -> Result<(), String> {
        self.hosts += 1;
        self.up += u64::from(host.status != Status::Down);
        if self.hosts > MOST_HOSTS {
            return Err(format!("there are more than {MOST_HOSTS} hosts; split the scan into several"));
        }
        if host.timed_out {
            let which = host.addresses.first().map_or("a host", String::as_str);
            self.found.note(format!("nmap gave up on {which}, which took longer than --host-timeout"));
        }
        if !host.is_there() {
            return Ok(());
        }
        match host.items(self.manner) {
            // One that was named twice was scanned twice; the first of its items stands for both.
            Some(items) => {
                let new = items.first().is_some_and(|item| self.keys.insert(item.key.clone()));
                self.found.items.extend(items.into_iter().filter(|_| new));
            }
            None => self.found.note("a host has no address".to_owned()),
        }
        Ok(())
    }

    /// Whether all of it was read, and what it says of its end.
    fn end(mut self, read: &Result<(), String>) -> Found {
        let mut faults = Vec::new();
        match (read, &self.finished) {
            (Err(reason), _) => faults.push(reason.clone()),
            (Ok(()), _) if !self.any => faults.push(EMPTY.to_owned()),
            (Ok(()), _) if !self.ended => faults.push(CUT_SHORT.to_owned()),
            (Ok(()), None) => faults.push("the scan does not say that it ended (`runstats`)".to_owned()),
            (Ok(()), Some(finished)) if !finished.well => {
                let why = finished.why.as_ref().map(|why| format!(": {}", one_line(why))).unwrap_or_default();
                faults.push(format!("nmap did not end well{why}"));
            }
            (Ok(()), Some(_)) => match self.told_up {
                Some(told) if told != self.up => faults.push(format!("nmap says that {told} hosts are up, and the file tells of {}", self.up)),
                Some(_) => {}
                None => faults.push("the scan does not say how many hosts are up (`runstats`)".to_owned()),
            },
        }
        // A scan that only pings tells no time of a host.
        let seen = self.finished.and_then(|finished| finished.at).or(self.begun);
        for item in self.found.items.iter_mut().filter(|item| item.seen.is_none()) {
            item.seen = seen;
        }
        self.found.items.shrink_to_fit();
        self.found.precede(faults);
        self.found
    }
}

/// Whether a port in this state answered.
fn answers(state: &str) -> bool {
    matches!(state, "open" | "closed" | "unfiltered")
}

fn host(element: &BytesStart<'_>) -> Result<Host, String> {
    let timed_out = value(element, "timedout")?.as_deref() == Some("true");
    Ok(Host { timed_out, ended: instant(element, "endtime")?, ..Host::default() })
}

fn port(element: &BytesStart<'_>) -> Result<Port, String> {
    let wrong = || "a port has no number".to_owned();
    let number = number(element, "portid")?.and_then(|number| u16::try_from(number).ok()).ok_or_else(wrong)?;
    Ok(Port { protocol: owned(element, "protocol")?.unwrap_or_default(), number, ..Port::default() })
}

fn address(host: &mut Host, element: &BytesStart<'_>) -> Result<(), String> {
    let Some(address) = owned(element, "addr")? else { return Ok(()) };
    if value(element, "addrtype")?.as_deref() == Some("mac") {
        host.mac = Some((address, owned(element, "vendor")?));
    } else if host.addresses.len() < MOST_OF_A_KIND {
        let address: IpAddr = address.parse().map_err(|_| "an address is none".to_owned())?;
        host.addresses.push(address.to_string());
    }
    Ok(())
}

fn finished(element: &BytesStart<'_>) -> Result<Finished, String> {
    let well = value(element, "exit")?.as_deref() == Some("success");
    Ok(Finished { well, at: instant(element, "time")?, why: owned(element, "errormsg")? })
}

/// The value of an attribute.
fn value<'a>(element: &'a BytesStart<'_>, name: &str) -> Result<Option<Cow<'a, str>>, String> {
    for attribute in element.attributes().take(MOST_ATTRIBUTES) {
        let attribute = attribute.map_err(|_| NO_XML.to_owned())?;
        if attribute.key.as_ref() == name {
            return attribute.normalized_value(XmlVersion::Implicit1_0).map(Some).map_err(|_| NO_XML.to_owned());
        }
    }
    Ok(None)
}

fn owned(element: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    Ok(value(element, name)?.map(Cow::into_owned))
}

fn number(element: &BytesStart<'_>, name: &str) -> Result<Option<u64>, String> {
    let Some(text) = value(element, name)? else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| format!("`{name}` is no number"))
}

fn instant(element: &BytesStart<'_>, name: &str) -> Result<Option<Timestamp>, String> {
    let seconds = number(element, name)?.and_then(|seconds| i64::try_from(seconds).ok());
    Ok(seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()))
}

/// Gives no more than a part's bytes at a time, and counts lines.
struct Parted<R> {
    inner: R,
    left: usize,
    line: u64,
}

impl<R: BufRead> Parted<R> {
    fn new(inner: R) -> Self {
        Self { inner, left: LARGEST_PART, line: 1 }
    }
}

impl<R: BufRead> Read for Parted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Parted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other("one element is larger than 16 MiB"));
        }
        let most = self.left;
        let bytes = self.inner.fill_buf()?;
        Ok(bytes.get(..most).unwrap_or(bytes))
    }

    fn consume(&mut self, count: usize) {
        // What is not there to be looked at any more was looked at just before.
        let lines = self.inner.fill_buf().map_or(0, |bytes| bytes.iter().take(count).filter(|byte| **byte == b'\n').count());
        self.line += lines as u64;
        self.left = self.left.saturating_sub(count);
        self.inner.consume(count);
    }
}
