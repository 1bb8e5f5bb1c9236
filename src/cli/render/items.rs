//! Items for people: a row each, and of those that were asked for, who calls them what.

use bowline::api::Lifecycle;
use bowline::change::markdown;
use bowline::estate::Estate;
use bowline::inventory::{Entry, Hit, Inventory, State};
use bowline::plan::Plan;

use super::super::options::Style;
use super::{count, plan, table};

/// How many items are shown unless all are asked for.
const SHOWN: usize = 50;
/// How many items of one name are shown whole.
const HITS: usize = 10;
/// How many words say what differs.
const WORDS: usize = 3;

/// The items, one row each, and how many stand how.
pub fn render(style: Style, of: &Plan, inventory: &Inventory, entries: &[&Entry], all: bool) -> String {
    let mut text = plan::incomplete(style, &of.sources);
    let shown = if all { entries.len() } else { SHOWN };
    let rows: Vec<Vec<String>> = entries.iter().take(shown).map(|entry| row(entry)).collect();
    if !rows.is_empty() {
        text.push_str(&table::table(style, &["item", "class", "owner", "stage", "state", "seen by", "last seen"], &rows));
    }
    if entries.len() > shown {
        text.push_str(&format!("… and {} more (--all shows them)\n", count(entries.len() - shown, "item")));
    }
    text.push_str(&format!("\n{}", summary(entries)));
    let undeclared = inventory.entries.iter().filter(|entry| entry.state == State::Undeclared && entry.drift.is_empty()).count();
    if undeclared > 0 {
        text.push_str(&format!("{} found besides that nobody declared; `bowline import` declares what it can of them.\n", count(undeclared, "thing")));
    }
    text
}

fn row(entry: &Entry) -> Vec<String> {
    vec![
        entry.name.to_string(),
        entry.class.to_string(),
        entry.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
        entry.lifecycle.map(stage).unwrap_or_default(),
        state(entry),
        sources(entry),
        entry.last_seen.map(|at| at.strftime("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
    ]
}

fn stage(stage: Lifecycle) -> String {
    format!("{stage:?}")
}

/// `in sync`, or what differs.
fn state(entry: &Entry) -> String {
    let mut drift: Vec<String> = entry.drift.iter().take(WORDS).map(ToString::to_string).collect();
    if entry.drift.len() > WORDS {
        drift.push(format!("{} more", entry.drift.len() - WORDS));
    }
    let mut words = match entry.state {
        State::InSync => vec!["in sync".to_owned()],
        State::Unseen => vec!["not seen".to_owned()],
        State::Missing => vec!["missing".to_owned()],
        State::Drifted => vec![format!("drift: {}", drift.join(", "))],
        State::Undeclared if drift.is_empty() => vec!["not declared".to_owned()],
        State::Undeclared => vec![format!("not declared: {}", drift.join(", "))],
        State::Ambiguous => vec![format!("may be {}", entry.may_be.join(" or "))],
    };
    if !entry.violations.is_empty() {
        words.push(format!("breaks {}", entry.violations.join(", ")));
    }
    words.join(", ")
}

fn sources(entry: &Entry) -> String {
    let mut names: Vec<&str> = entry.seen.iter().map(|seen| &*seen.source).collect();
    names.dedup();
    names.join(", ")
}

fn summary(entries: &[&Entry]) -> String {
    let number = |state: State| entries.iter().filter(|entry| entry.state == state).count();
    let parts = [(State::InSync, "in sync"), (State::Drifted, "drifted"), (State::Missing, "missing"), (State::Unseen, "not seen")];
    let told: Vec<String> =
        parts.into_iter().map(|(state, words)| (number(state), words)).filter(|(number, _)| *number > 0).map(|(n, words)| format!("{n} {words}")).collect();
    let told = if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) };
    format!("{}{told}.\n", count(entries.len(), "item"))
}

/// The items of one name, with all that they are called.
pub fn found(style: Style, estate: &Estate, name: &str, hits: &[Hit]) -> String {
    let mut text = String::new();
    if hits.len() > 1 {
        let name = if style.markdown { markdown::code(name) } else { markdown::one_line(name) };
        text.push_str(&format!("{} are known as {name}.\n\n", count(hits.len(), "item")));
    }
    for hit in hits.iter().take(HITS) {
        text.push_str(&whole(style, estate, hit));
    }
    if hits.len() > HITS {
        text.push_str(&format!("… and {} more; --output json has all\n", count(hits.len() - HITS, "item")));
    }
    text
}

fn whole(style: Style, estate: &Estate, hit: &Hit) -> String {
    let entry = hit.entry;
    let name = if style.markdown { format!("### {}\n\n", markdown::code(&entry.name)) } else { format!("{}\n", style.bold(&markdown::one_line(&entry.name))) };
    let place = entry.item.and_then(|item| estate.items.get(item)).map(|item| {
        let place = estate.locate(item.origin, "metadata.name");
        format!("{}:{}:{}", place.file, place.line, place.column)
    });
    let mut rows = vec![vec!["class".to_owned(), entry.class.to_string()]];
    let mut add = |what: &str, value: Option<String>| rows.extend(value.map(|value| vec![what.to_owned(), value]));
    add("owner", entry.owner.as_ref().map(ToString::to_string));
    add("stage", entry.lifecycle.map(stage));
    add("declared in", place);
    add("state", Some(state(entry)));
    add("last seen", entry.last_seen.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()));
    let about = table::table(style, &["", ""], &rows);
    // Without the line of empty headings.
    let about = if style.markdown { about } else { about.split_once('\n').map_or(String::new(), |(_, rows)| rows.to_owned()) };
    let names: Vec<Vec<String>> = hit
        .known_as
        .iter()
        .map(|known| {
            let mark = if known.asked { "←" } else { "" };
            vec![known.source.as_deref().unwrap_or("declared").to_owned(), known.what.to_string(), known.value.to_string(), mark.to_owned()]
        })
        .collect();
    format!("{name}{about}\n{}\n", table::table(style, &["known to", "as its", "name", ""], &names))
}
