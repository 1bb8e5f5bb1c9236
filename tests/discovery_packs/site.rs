//! A folder with files of facts, and asking about them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bowline::access::Access;
use bowline::api::{DiscoverySourceSpec, Table};
use bowline::discovery::Answer;
use bowline::discovery::reach::Reach;
use bowline::estate::{Declared, Origin};
use tempfile::TempDir;

use crate::packs_asked;

/// A folder that is gone with its test.
pub struct Site(TempDir);

impl Site {
    /// One with these files.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            site.write(path, text);
        }
        site
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn reach(&self) -> Reach {
        Reach::new(self.path().into(), Arc::new(Access::default()))
    }

    /// What the sources of a pack say here, by name.
    pub fn ask(&self, pack: &str) -> BTreeMap<String, Answer> {
        self.run(packs_asked::sources(pack, |_| ()))
    }

    /// The same, each source changed before.
    pub fn ask_changed(&self, pack: &str, change: impl FnMut(&mut DiscoverySourceSpec)) -> BTreeMap<String, Answer> {
        self.run(packs_asked::sources(pack, change))
    }

    /// What a source that is declared so says here.
    pub fn ask_spec(&self, spec: &str) -> Answer {
        let spec: DiscoverySourceSpec = serde_yaml::from_str(spec).unwrap();
        self.run(vec![Declared { name: "facts".into(), labels: Table::default(), spec, origin: Origin::default() }]).remove("facts").unwrap()
    }

    fn run(&self, sources: Vec<Declared<DiscoverySourceSpec>>) -> BTreeMap<String, Answer> {
        tokio::runtime::Runtime::new().unwrap().block_on(packs_asked::ask(sources, &self.reach()))
    }
}

/// That an answer is incomplete and says why; the keys of what it has all the same.
#[track_caller]
pub fn incomplete<'a>(answer: &'a Answer, why: &str) -> Vec<&'a str> {
    assert_eq!((answer.complete, answer.error.as_deref()), (false, Some(why)));
    answer.items.iter().map(|item| &*item.key).collect()
}

/// That an answer is complete; the keys of what it has.
#[track_caller]
pub fn complete(answer: &Answer) -> Vec<&str> {
    assert_eq!((answer.complete, answer.error.as_deref()), (true, None));
    answer.items.iter().map(|item| &*item.key).collect()
}
