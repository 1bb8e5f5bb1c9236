//! What was found and nobody declared, as the YAML that declares it. Pure: who calls it reads and writes the files.
//!
//! ```text
//! choose    which of it
//! draft     what of it is declared: what the class knows, nothing volatile, sensitive or said twice
//! names     what it is called: a name that an object may have, once in the estate
//! trial     the drafts held against the very answers they come from, until nothing but disputes is left
//! document  one item as YAML
//! files     which items stand in which file
//! report    what was not taken over, and why
//! ```
//!
//! What is written is what the plan accepts: after each import the same answers contradict none of it, because it is
//! tried on them first. So no rule about who says the truth, what is one thing and what is stale stands here again.

mod choose;
mod document;
mod draft;
mod files;
mod names;
mod report;
mod trial;

use jiff::Timestamp;

use crate::discovery::Discovered;
use crate::drift;
use crate::estate::Estate;
use crate::identity;

pub use choose::Choice;
pub use files::{LARGEST, MOST_IN_FILE, NewFile};
pub use report::{LeftOut, Reason, Report, Without};

/// What an import would write, and what it says of the rest.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The files, by path.
    pub files: Vec<NewFile>,
    /// What people are told.
    pub report: Report,
}

/// What is left of an import is tried this often: what was declared by it may tell apart what could not be told apart
/// before, so that a second import would find something new.
const TURNS: usize = 16;

/// Writes what is found and not declared, as far as it is chosen. `taken` says whether a file of this path below the folder
/// of the new files exists already: none is written a second time.
pub fn import(estate: &Estate, discovered: &Discovered, choice: &Choice, taken: &dyn Fn(&str) -> bool, now: Timestamp) -> Import {
    let chosen = choose::Chosen::new(estate, discovered, choice);
    let (mut drafts, mut left_out) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (before, whole) = (drafts.len(), trial::with(estate, &drafts));
        let correlation = identity::correlate(&whole, discovered);
        left_out = report::doubts(estate, discovered, &correlation, &|source, observation| chosen.takes_observation(source, observation));
        let things = drift::things(&whole, discovered, &correlation, now);
        let shared = draft::Shared::new(&whole, discovered, &correlation);
        let mut new = draft::of(estate, discovered, things.into_iter().filter(|thing| chosen.takes(thing)).collect(), choice, &shared, &mut left_out);
        names::give(&whole, discovered, &mut new);
        drafts.extend(draft::hold_to_classes(estate, discovered, new, &mut left_out));
        let settled = trial::Settled { number: before, whole: &whole, correlation: &correlation };
        drafts = trial::hold(estate, discovered, drafts, &settled, now, taken, &mut left_out);
        if drafts.len() == before {
            break;
        }
    }
    let files = files::lay_out(estate, &drafts, taken);
    let report = Report::new(estate, now, &drafts, left_out);
    Import { files, report }
}
