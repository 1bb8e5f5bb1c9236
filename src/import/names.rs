//! What imported items are called: names that objects of a cluster may have too, each once in the estate, and the same
//! for the same choice of the same answers.

use std::collections::{BTreeMap, BTreeSet};

use deunicode::deunicode_with_tofu;

use super::draft::Draft;
use crate::api::Text;
use crate::discovery::Discovered;
use crate::drift::Finding;
use crate::estate::Estate;
use crate::identity::normal_form;

/// The longest name, in characters: a label's value and a host's name have no more.
const LONGEST: usize = 63;
/// How much of a text is looked at.
const READ: usize = 1024;

/// The text as a name that an object may have (RFC 1123): small letters, digits, `-` and `.`, at most 63 of them; empty
/// where nothing is left. Other alphabets are spelled in Latin letters; what is too long ends in a digest of the whole.
pub(super) fn object_name(text: &str) -> String {
    let read: String = text.chars().take(READ).collect();
    let latin = deunicode_with_tofu(&read, "-").to_ascii_lowercase();
    let spelled: String = latin.chars().map(|mark| if mark.is_ascii_alphanumeric() || mark == '.' { mark } else { '-' }).collect();
    let words = |label: &str| label.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let name = spelled.split('.').map(words).filter(|label| !label.is_empty()).collect::<Vec<_>>().join(".");
    if name.len() <= LONGEST { name } else { with_suffix(&name, &digest(&[text]), 6) }
}

/// Gives each draft its name.
pub(super) fn give(estate: &Estate, discovered: &Discovered, drafts: &mut [Draft]) {
    let unread = estate.unreadable.iter().filter_map(|document| document.name.as_ref());
    let mut taken: BTreeSet<Text> = estate.items.iter().map(|item| &item.name).chain(unread).cloned().collect();
    let mut wanted: BTreeMap<String, Vec<(Text, usize)>> = BTreeMap::new();
    for (place, draft) in drafts.iter().enumerate() {
        let identity = identity(estate, discovered, draft);
        let spelled = object_name(&draft.thing.name);
        let base = if spelled.is_empty() { with_suffix(&object_name(&draft.thing.class), &identity, 6) } else { spelled };
        wanted.entry(base).or_default().push((identity, place));
    }
    // Plain names first, so that a name with a suffix never takes that of another thing.
    let (plain, shared): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|(base, of)| of.len() == 1 && !taken.contains(base.as_str()));
    for (base, of) in plain {
        taken.insert(base.as_str().into());
        for (_, place) in of {
            named(drafts, place, base.as_str().into());
        }
    }
    for (base, mut of) in shared {
        let namesake = taken.contains(base.as_str());
        of.sort();
        for (identity, place) in of {
            let name = free(&base, &identity, &taken);
            taken.insert(name.clone());
            named(drafts, place, name);
            if let Some(draft) = drafts.get_mut(place) {
                draft.namesake = namesake;
            }
        }
    }
}

fn named(drafts: &mut [Draft], place: usize, name: Text) {
    if let Some(draft) = drafts.get_mut(place) {
        draft.name = name;
    }
}

/// The first name that is free: with ever more of the digest, then with numbers.
fn free(base: &str, digest: &str, taken: &BTreeSet<Text>) -> Text {
    let of_digest = [6, 10, 16].into_iter().map(|length| with_suffix(base, digest, length));
    let numbered = (2_u32..).map(|number| with_suffix(base, &format!("{digest}{number}"), 64));
    of_digest.chain(numbered).map(Text::from).find(|name| !taken.contains(name)).unwrap_or_default()
}

/// The name cut so that a dash and the first characters of the suffix fit.
fn with_suffix(name: &str, suffix: &str, length: usize) -> String {
    let suffix = suffix.get(..length).unwrap_or(suffix);
    let room = LONGEST.saturating_sub(suffix.len() + 1);
    let kept = name.get(..room.min(name.len())).unwrap_or_default().trim_end_matches(['-', '.']);
    if kept.is_empty() { suffix.to_owned() } else { format!("{kept}-{suffix}") }
}

/// A digest of what tells a thing from another of its name: its strongest identifier, else its source and key there.
fn identity(estate: &Estate, discovered: &Discovered, draft: &Draft) -> Text {
    let class = estate.classes.get(&draft.thing.class);
    let strongest = class.into_iter().flat_map(|class| &class.identification).flat_map(|rule| &rule.identifiers);
    let mut strongest = strongest.filter_map(|name| Some((name, normal_form(class, name, draft.thing.identifiers.get(name)?)?)));
    let keys = || draft.thing.seen.iter().filter_map(|seen| seen.sighting.find(discovered)).map(|(answer, one)| [&*answer.source, &*one.key]).min();
    match strongest.next() {
        Some((name, value)) => digest(&[&draft.thing.class, name, &value]),
        None => digest(&keys().unwrap_or_default()),
    }
}

fn digest(parts: &[&str]) -> Text {
    Finding::digest(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name_that_an_object_may_have() {
        for (text, name) in [
            ("pay-db-01", "pay-db-01"),
            ("PAY_DB 01", "pay-db-01"),
            ("Pay-DB-01.Example.com.", "pay-db-01.example.com"),
            ("Zürich/Süd #1", "zurich-sud-1"),
            ("база-01", "baza-01"),
            ("../../etc/passwd", "etc-passwd"),
            ("no", "no"),
            ("1e3", "1e3"),
            ("~", ""),
            ("---", ""),
            ("a..b.-c-.d", "a.b.c.d"),
            ("", ""),
        ] {
            assert_eq!(object_name(text), name, "{text}");
        }
        let (long, other) = (object_name(&"web-".repeat(75)), object_name(&format!("{}x", "web-".repeat(75))));
        assert!(long.len() <= LONGEST && other.len() <= LONGEST && long != other, "{long} {other}");
        assert!(long.starts_with("web-web-") && long.chars().all(|mark| mark.is_ascii_alphanumeric() || mark == '-'), "{long}");
    }
}
