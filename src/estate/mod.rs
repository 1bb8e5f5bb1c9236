//! What is declared: an estate in memory, with the text it came from.
//!
//! [`Estate`] is what every pure module reads. Who fills it: `directory` and `git` collect the files, `yaml` reads a
//! document with the place of every value, `load` turns documents into an estate, `cluster` does so with objects of a
//! cluster, `check` finds everything that is wrong with it, `class` resolves classes and their built-in library.

pub mod check;
pub mod class;
pub mod cluster;
pub mod diagnostic;
pub mod directory;
pub mod git;
pub mod load;
pub mod select;
pub mod yaml;

use crate::api::{
    CertificatePolicySpec, ChangeRequestSpec, ConfigurationItemSpec, DiscoverySourceSpec, EstateSpec, Kind, PatchWindowSpec, ServiceMapSpec, Table, Text,
};

pub use class::{Class, Classes, Placeholders};
pub use diagnostic::{Diagnostic, Place, Severity};

/// Everything that is declared, by name, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// The estate's name.
    pub name: Text,
    /// Its own document.
    pub spec: EstateSpec,
    /// Where that document stands; none where there is none.
    pub origin: Option<Origin>,
    /// The namespace whose objects it is made of; none where it was read from files.
    pub namespace: Option<Text>,
    /// The commit it was read from, if from git.
    pub revision: Option<String>,
    /// The files it was read from.
    pub files: Vec<SourceFile>,
    /// Items, sorted by name, each name once.
    pub items: Vec<Declared<ConfigurationItemSpec>>,
    /// Classes, built-in ones included, resolved.
    pub classes: Classes,
    /// Services, sorted by name.
    pub services: Vec<Declared<ServiceMapSpec>>,
    /// Certificate policies, sorted by name.
    pub policies: Vec<Declared<CertificatePolicySpec>>,
    /// Windows and freezes, sorted by name.
    pub windows: Vec<Declared<PatchWindowSpec>>,
    /// Sources, sorted by name.
    pub sources: Vec<Declared<DiscoverySourceSpec>>,
    /// Change requests that were merged: the record, and the bookings, of earlier decisions.
    pub requests: Vec<Declared<ChangeRequestSpec>>,
    /// Documents that could not be read. What they declare is unknown, so nothing is concluded about it (rule 5).
    pub unreadable: Vec<Unreadable>,
    /// Everything that is wrong, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// A file of the estate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path below the estate's root, with `/`.
    pub path: Text,
    /// Its whole text.
    pub text: Text,
}

/// One declared document.
#[derive(Clone, Debug)]
pub struct Declared<Spec> {
    /// Its name.
    pub name: Text,
    /// Its labels.
    pub labels: Table<Text>,
    /// What it declares.
    pub spec: Spec,
    /// Where it stands.
    pub origin: Origin,
}

/// Where a document stands in the estate's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Index into [`Estate::files`].
    pub file: u32,
    /// Where its text begins in the file, in bytes.
    pub offset: u32,
    /// How long its text is, in bytes.
    pub length: u32,
    /// The line of the file on which its text begins, from 1.
    pub line: u32,
}

/// A document that could not be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Its kind, if that could be read.
    pub kind: Option<Kind>,
    /// Its name, if that could be read.
    pub name: Option<Text>,
    /// Where it stands. Its text tells whether it speaks of an identifier or a name; of no length, the whole file could
    /// not be read.
    pub origin: Origin,
}

/// What the documents that could not be read speak of, made ready for many questions.
#[derive(Clone, Debug, Default)]
pub struct Mentions<'a> {
    texts: Vec<&'a str>,
    /// One bit for each three bytes that stand next to each other somewhere in the texts; most words have three that do not.
    triples: Vec<u64>,
    /// A file of which nothing is known may speak of anything.
    anything: bool,
}

impl<'a> Mentions<'a> {
    /// Of what an estate could not read.
    pub fn new(estate: &'a Estate) -> Self {
        let anything = estate.unreadable.iter().any(|document| document.origin.length == 0);
        let texts: Vec<&str> = estate.unreadable.iter().map(|document| estate.text(document.origin)).collect();
        let mut triples = vec![0u64; if texts.is_empty() || anything { 0 } else { 1 << 18 }];
        for (place, bit) in texts.iter().flat_map(|text| text.as_bytes().windows(3)).map(triple) {
            if let Some(bits) = triples.get_mut(place) {
                *bits |= bit;
            }
        }
        Self { texts, triples, anything }
    }

    /// The same as [`Estate::unreadable_mentions`].
    pub fn of(&self, word: &str) -> bool {
        let likely = || word.as_bytes().windows(3).map(triple).all(|(place, bit)| self.triples.get(place).is_some_and(|bits| bits & bit != 0));
        !word.is_empty() && (self.anything || (likely() && self.texts.iter().any(|text| text.contains(word))))
    }
}

/// Where three bytes have their bit: one of 2²⁴.
fn triple(bytes: &[u8]) -> (usize, u64) {
    let number = bytes.iter().fold(0usize, |number, byte| number << 8 | usize::from(*byte));
    (number >> 6, 1 << (number & 63))
}

impl Estate {
    /// The declaration of the source of this name.
    pub fn source(&self, name: &str) -> Option<&Declared<DiscoverySourceSpec>> {
        let place = self.sources.binary_search_by(|source| (*source.name).cmp(name)).ok()?;
        self.sources.get(place)
    }

    /// After how many seconds without being seen a fact of this source is stale.
    pub fn stale_after(&self, source: &str) -> i64 {
        self.source(source).map_or_else(|| DiscoverySourceSpec::default().stale_after_seconds(), |source| source.spec.stale_after_seconds())
    }

    /// The index of the item of this name in [`Estate::items`].
    pub fn item(&self, name: &str) -> Option<usize> {
        self.items.binary_search_by(|item| (*item.name).cmp(name)).ok()
    }

    /// The zone of times that name none.
    pub fn zone(&self) -> jiff::tz::TimeZone {
        self.spec.time_zone.clone().unwrap_or_default().0
    }

    /// The text of a document.
    pub fn text(&self, origin: Origin) -> &str {
        let start = origin.offset as usize;
        self.files.get(origin.file as usize).and_then(|file| file.text.get(start..start + origin.length as usize)).unwrap_or_default()
    }

    /// Whether a document that could not be read speaks of `word`: then nothing is concluded about it. A file of which
    /// not even the text could be read (its document has no length) may speak of anything. For many words see [`Mentions`].
    pub fn unreadable_mentions(&self, word: &str) -> bool {
        let mentions = |document: &Unreadable| document.origin.length == 0 || self.text(document.origin).contains(word);
        !word.is_empty() && self.unreadable.iter().any(mentions)
    }

    /// The place of the value at `path` of a document (`spec.attributes.memory`), or of the nearest value above it.
    pub fn locate(&self, origin: Origin, path: &str) -> Place {
        yaml::locate(self, origin, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mentions_answer_as_the_texts_do() {
        let text: Text = "name: web-01 # é\n---\nlast".into();
        let document = |offset, length| Unreadable { kind: None, name: None, origin: Origin { file: 0, offset, length, line: 1 } };
        let files = vec![SourceFile { path: "a.yaml".into(), text: text.clone() }];
        let estate = Estate { files, unreadable: vec![document(0, 18), document(22, 4)], ..Estate::default() };
        let mentions = Mentions::new(&estate);
        for word in ["", "w", "we", "web-01", "b-0", "web-02", "é", "last", "lastly", "---", "01last", "name: web-01 # é\n"] {
            assert_eq!(mentions.of(word), estate.unreadable_mentions(word), "{word}");
        }
        assert!(mentions.of("web-01") && !mentions.of("web-02"));
        assert!(!Mentions::new(&Estate::default()).of("web"));
        let unknown = Estate { unreadable: vec![document(0, 0)], ..estate };
        assert!(Mentions::new(&unknown).of("anything") && !Mentions::new(&unknown).of(""));
    }
}
