//! Declared against discovered, and policies against facts: one file a kind of drift.
//!
//! ```text
//! compare   values by meaning
//! context   what every kind looks at: what sources cover, what is stale, what is to be done
//! facts     which source says the truth about an attribute
//! targets   which item a source means by the other end of a relation
//! finding   what all kinds result in
//! ```

pub mod certificate;
pub mod compare;
pub mod finding;

mod ambiguous;
mod changed;
mod conflict;
mod context;
mod duplicate;
mod facts;
mod identifiers;
mod lingering;
mod mass_absence;
mod missing;
mod relation;
mod stale;
mod targets;
mod undeclared;

use jiff::Timestamp;
use rayon::prelude::*;

use crate::api::Text;
use crate::discovery::Discovered;
use crate::estate::Estate;
use crate::identity::Correlation;
use compare::Lookup;
use context::{Context, Item};
use facts::Contradiction;

pub use finding::{Finding, FindingKind, Severity};
pub use missing::Absences;
pub use targets::Targets;
pub use undeclared::{Seen, Thing, things};

/// Everything that differs, sorted by key, each key once. Services are not yet known: `impact` adds them.
pub fn find(estate: &Estate, discovered: &Discovered, correlation: &Correlation, now: Timestamp) -> Vec<Finding> {
    survey(estate, discovered, correlation, now).0
}

/// The same, and what this survey says of absence.
pub fn survey(estate: &Estate, discovered: &Discovered, correlation: &Correlation, now: Timestamp) -> (Vec<Finding>, Absences) {
    let context = Context::new(estate, discovered, correlation, now);
    let absent = missing::absent(&context);
    let held = mass_absence::held(&context, &absent);
    let (missing, absences) = missing::find(&context, &absent, &held, now);
    let mut findings: Vec<Finding> =
        estate.items.par_iter().enumerate().map_init(Lookup::default, |lookup, (place, item)| of_item(&context, place, item, lookup)).flatten_iter().collect();
    findings.extend(missing);
    findings.extend(mass_absence::find(&context, &held));
    findings.extend(undeclared::find(&context));
    findings.extend(ambiguous::find(&context));
    findings.extend(duplicate::find(&context));
    findings.extend(lingering::find(&context));
    findings.extend(identifiers::find(&context));
    findings.extend(stale::find(&context));
    findings.extend(certificate::find(estate, discovered, now));
    sort(&mut findings);
    (findings, absences)
}

/// Changed and disputed attributes, and relations.
fn of_item<'c>(context: &'c Context, place: usize, item: &'c Item, lookup: &mut Lookup<'c>) -> Vec<Finding> {
    let contradictions = facts::contradictions(context, place, item, lookup).into_iter().filter_map(|contradiction| match contradiction {
        Contradiction::Differs { difference, sighting, rule } => changed::finding(context, item, difference, sighting, &rule),
        Contradiction::Conflict { path, declared, said } => Some(conflict::finding(context, item, &path, &declared, &said)),
    });
    let mut findings: Vec<Finding> = contradictions.collect();
    findings.extend(relation::of_item(context, place, item));
    findings
}

/// Sorts by key. Things that nobody declared may share a name; the first by fingerprint keeps the plain key, each further
/// one has its fingerprint at the end of its own.
fn sort(findings: &mut [Finding]) {
    findings.par_sort_by(|one, other| (&one.key, &one.fingerprint, &one.evidence).cmp(&(&other.key, &other.fingerprint, &other.evidence)));
    let mut renamed = false;
    for alike in findings.chunk_by_mut(|one, other| one.key == other.key) {
        let mut last: (Text, usize) = ("".into(), 1);
        for finding in alike.iter_mut().skip(1) {
            last = if last.0 == finding.fingerprint { (last.0, last.1 + 1) } else { (finding.fingerprint.clone(), 1) };
            let count = if last.1 > 1 { format!("-{}", last.1) } else { String::new() };
            finding.key = format!("{}/{}{count}", finding.key, finding.fingerprint).into();
            renamed = true;
        }
    }
    if renamed {
        findings.sort_by(|one, other| one.key.cmp(&other.key));
    }
}
