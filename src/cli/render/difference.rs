//! What a pull request by a person would change, on a terminal and as a comment on the pull request.

use bowline::api::OnDrift;
use bowline::api::change_request::{Action, ServiceEffect};
use bowline::change::{Change, effect_name, markdown};
use bowline::difference::{Difference, Pair};
use bowline::drift::Finding;
use bowline::estate::{Diagnostic, Estate, Severity};
use bowline::plan::SourceReport;

use super::super::options::Style;
use super::bounded::{Bounded, COMMENT};
use super::plan::local;
use super::{count, effect, findings, harmless, risk};

/// Bytes that are kept free for the lines around the tables.
const AROUND: usize = 6000;
/// How many services the verdict names; a table names all.
const NAMED: usize = 3;
/// How many lines of one kind a terminal shows unless all are asked for.
const LINES: usize = 100;

/// The other side of the comparison, as the user named it.
#[derive(Clone, Debug)]
pub struct Base {
    /// The branch, tag or commit.
    pub name: String,
    /// The commit.
    pub revision: String,
    /// Whether it is where the present branch left the one that was named.
    pub since_left: bool,
    /// Whether the estate's folder is there.
    pub there: bool,
    /// That folder, from the root of the repository; empty for the root itself.
    pub folder: String,
}

impl Base {
    fn told(&self, code: impl Fn(&str) -> String) -> String {
        let revision = code(&self.revision.chars().take(10).collect::<String>());
        let name = code(&self.name);
        let what = if self.since_left { format!("{revision}, where this branch left {name}") } else { format!("{name} ({revision})") };
        let new = if self.there { "" } else { "; the estate is not there yet, so all of it is new" };
        format!("{what}{new}")
    }
}

/// The difference in words and tables. As Markdown it has at most 60,000 bytes and ends with a marker, by which a
/// workflow finds its own comment again.
pub fn render(style: Style, estates: (&Estate, &Estate), base: &Base, difference: &Difference, all: bool) -> String {
    if style.markdown { comment(base, difference) } else { on_terminal(style, estates, base, difference, all) }
}

/// `2 findings appear, 1 goes, 1 changes; 1 change request is new`; nothing where nothing differs.
fn counts(difference: &Difference) -> String {
    let verb = |number: usize, noun: &str, one: &str, many: &str| {
        let what = if noun.is_empty() { number.to_string() } else { count(number, noun) };
        (number > 0).then(|| format!("{what} {}", if number == 1 { one } else { many }))
    };
    let list = |noun: &str, parts: [(usize, &str, &str); 3]| {
        let mut noun = noun;
        let mut told = Vec::new();
        for (number, one, many) in parts {
            if let Some(text) = verb(number, noun, one, many) {
                told.push(text);
                noun = "";
            }
        }
        told.join(", ")
    };
    let changes = &difference.changes;
    let findings = [(difference.appeared.len(), "appears", "appear"), (difference.gone.len(), "goes", "go"), (difference.changed.len(), "changes", "change")];
    let proposed = [
        (changes.appeared.len(), "is new", "are new"),
        (changes.gone.len(), "is dropped", "are dropped"),
        (changes.changed.len(), "is changed", "are changed"),
    ];
    let problems = difference.diagnostics.len();
    let problems = if problems > 0 { format!("{} in the estate", count(problems, "new problem")) } else { String::new() };
    let parts = [list("finding", findings), list("change request", proposed), problems];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

fn touched(services: &[ServiceEffect], name: impl Fn(&ServiceEffect) -> String) -> String {
    if services.is_empty() {
        return String::new();
    }
    let more = services.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!(" and {more} more")).unwrap_or_default();
    format!(" Services touched: {}{more}.", services.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", "))
}

/// What must be known to read the rest rightly.
const UNREADABLE: &str =
    "The new problems keep documents from being read, and nothing is concluded about what those declare: findings of theirs that go may still be there.";

fn has_new_errors(difference: &Difference) -> bool {
    difference.diagnostics.iter().any(|problem| problem.severity == Severity::Error)
}

// On a terminal

fn on_terminal(style: Style, (before, after): (&Estate, &Estate), base: &Base, difference: &Difference, all: bool) -> String {
    let told = base.told(markdown::one_line);
    let mut text = format!("Estate {} {}\n\n", style.bold(&difference.estate), style.dim(&format!("compared with {told}")));
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("{}\n\n{}\n\n", style.paint("1;4", title), body.trim_end()));
        }
    };
    section("Findings that appear", findings::render(style, after, &difference.appeared, all));
    section("Findings that go", findings::render(style, before, &difference.gone, all));
    section("Findings that change", lines(&difference.changed, all, |pair| changed_line(style, pair)));
    let changes = &difference.changes;
    section("Change requests that would be new", lines(&changes.appeared, all, |change| change_line(style, change)));
    section("Change requests that would be dropped", lines(&changes.gone, all, |change| change_line(style, change)));
    section("Change requests that would change", lines(&changes.changed, all, |pair| changed_request(style, pair)));
    section("New problems", lines(&difference.diagnostics, all, |problem| format!("  {}\n", markdown::one_line(&problem_line(problem)))));
    let incomplete: Vec<_> = unanswered(difference).collect();
    section("Sources that did not answer in full", lines(&incomplete, all, |(name, why)| format!("  {name}  {}\n", markdown::one_sentence(why))));
    let services = touched(&difference.services, |service| format!("{} ({})", service.name, effect(style, service.effect)));
    text.push_str(&match counts(difference) {
        told if told.is_empty() => "Nothing changes: the same findings and the same change requests.\n".to_owned(),
        told => format!("{} {told}.{services}\n", style.bold("Difference:")),
    });
    if has_new_errors(difference) {
        text.push_str(&format!("{} {UNREADABLE}\n", style.paint("33", "Mind:")));
    }
    if let Some(finding) = difference.appeared.first().or(difference.changed.first().map(|pair| &pair.after)) {
        text.push_str(&format!("{} `bowline explain {}` explains a finding.\n", style.bold("Next:"), markdown::one_line(&finding.key)));
    }
    text
}

fn lines<T>(list: &[T], all: bool, line: impl Fn(&T) -> String) -> String {
    let shown = if all { list.len() } else { LINES };
    let mut text: String = list.iter().take(shown).map(line).collect();
    if list.len() > shown {
        text.push_str(&format!("  … and {} more (--all shows them)\n", list.len() - shown));
    }
    text
}

fn changed_line(style: Style, pair: &Pair<Finding>) -> String {
    let parts: Vec<String> = parts_of_finding(pair).into_iter().map(|(what, before, after)| format!("{what} {before} → {after}")).collect();
    format!("  {}  {}\n    {}\n", style.bold(&markdown::one_line(&pair.after.item)), findings::what(&pair.after), parts.join("\n    "))
}

fn change_line(style: Style, change: &Change) -> String {
    let about = format!("{:?}, risk {} ({}), {}", change.kind, risk(style, change.risk.level), change.risk.score, when(change));
    format!("  {}  {}\n    {about}\n", style.bold(&change.key), markdown::one_line(&change.title))
}

fn changed_request(style: Style, pair: &Pair<Change>) -> String {
    let parts: Vec<String> = parts_of_change(pair).into_iter().map(|(what, before, after)| format!("{what} {before} → {after}")).collect();
    format!("  {}  {}\n    {}\n", style.bold(&pair.after.key), markdown::one_line(&pair.after.title), parts.join("\n    "))
}

// As a comment

fn comment(base: &Base, difference: &Difference) -> String {
    let told = base.told(markdown::code);
    let services = touched(&difference.services, |service| format!("{} ({})", markdown::code(&service.name), effect_name(service.effect)));
    let verdict = match counts(difference) {
        told if told.is_empty() => "**Nothing changes**: the same findings and the same change requests as before.".to_owned(),
        told => format!("**{told}.**{services}"),
    };
    let mut text = Bounded::new(COMMENT - AROUND);
    if has_new_errors(difference) {
        text.add(&format!("\n> {UNREADABLE}\n"));
    }
    for (name, why) in unanswered(difference) {
        text.add(&format!("\n> Source {} did not answer in full, so what it would have said is not known: {}\n", markdown::code(&name), markdown::prose(&why)));
    }
    tables(&mut text, difference);
    let (tables, left_out) = text.finish();
    let more = if left_out > 0 { format!("\n… and {left_out} more lines that have no room here; the command below shows all.\n") } else { String::new() };
    let name = if base.since_left { format!("{}...", base.name) } else { base.name.clone() };
    let folder = if base.folder.is_empty() { String::new() } else { format!(" {}", base.folder) };
    format!(
        "{verdict}\n\nEstate {}, compared with {told}. A finding is a difference between what is declared and what was found.\n{tables}{more}\n\
         The same on your machine: {}\n\n<!-- bowline-plan:{} -->\n",
        markdown::code(&difference.estate),
        markdown::code(&format!("bowline plan{folder} --base {name} --all")),
        marker(&difference.estate),
    )
}

/// A name that cannot end the comment in which it stands.
fn marker(estate: &str) -> String {
    let name: String = harmless(estate, 100).chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' }).collect();
    name.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn tables(text: &mut Bounded, difference: &Difference) {
    let changes = &difference.changes;
    let finding_columns = ["Item", "What", "Declared", "Found", "Services", "On drift"];
    table(text, "Services touched", &["Service", "Worst effect"], difference.services.iter().map(service_row));
    table(text, "New problems in the estate", &["Where", "Problem"], difference.diagnostics.iter().map(problem_row));
    table(text, "Findings that appear", &finding_columns, difference.appeared.iter().map(finding_row));
    table(text, "Findings that go", &finding_columns, difference.gone.iter().map(finding_row));
    table(text, "Findings that change", &["Item", "What", "Which part", "Before", "After"], difference.changed.iter().flat_map(changed_rows));
    let change_columns = ["Change request", "Type", "Risk", "When"];
    table(text, "Change requests that would be new", &change_columns, changes.appeared.iter().map(change_row));
    table(text, "Change requests that would be dropped", &change_columns, changes.gone.iter().map(change_row));
    table(
        text,
        "Change requests that would change",
        &["Change request", "Which part", "Before", "After"],
        changes.changed.iter().flat_map(changed_request_rows),
    );
}

/// A table with its title; nothing where it has no row.
fn table(text: &mut Bounded, title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    for (number, row) in rows.enumerate() {
        if number == 0 {
            text.introduce(&format!("\n### {title}\n\n| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len())));
        }
        text.add(&format!("| {} |\n", row.join(" | ")));
    }
}

fn service_row(service: &ServiceEffect) -> Vec<String> {
    vec![markdown::code(&service.name), effect_name(service.effect).to_owned()]
}

fn problem_row(problem: &Diagnostic) -> Vec<String> {
    let hint = problem.hint.as_ref().map(|hint| format!(" ({})", markdown::cell(hint))).unwrap_or_default();
    let place = problem.file.as_ref().map_or_else(|| "–".to_owned(), |file| markdown::code(&format!("{file}:{}:{}", problem.line, problem.column)));
    vec![place, format!("{:?}: {}{hint}", problem.severity, markdown::cell(&problem.message))]
}

fn finding_row(finding: &Finding) -> Vec<String> {
    let services: Vec<String> = finding.services.iter().take(NAMED).map(|service| markdown::code(&service.name)).collect();
    let services = if services.is_empty() { "–".to_owned() } else { services.join(", ") };
    // What has no two sides is told in words.
    let found =
        Some(findings::found(finding)).filter(|found| !found.is_empty()).map_or_else(|| markdown::cell(&finding.message), |found| markdown::code(&found));
    vec![
        markdown::code(&finding.item),
        markdown::code(&findings::what(finding)),
        markdown::code(&findings::declared(finding)),
        found,
        services,
        action(finding.action).to_owned(),
    ]
}

fn changed_rows(pair: &Pair<Finding>) -> Vec<Vec<String>> {
    let row = |(what, before, after): (&str, String, String)| {
        vec![markdown::code(&pair.after.item), markdown::code(&findings::what(&pair.after)), what.to_owned(), markdown::code(&before), markdown::code(&after)]
    };
    parts_of_finding(pair).into_iter().map(row).collect()
}

fn change_row(change: &Change) -> Vec<String> {
    let level = bowline::change::body::level_name(change.risk.level);
    vec![
        format!("{}<br>{}", markdown::cell(&change.title), markdown::code(&change.key)),
        format!("{:?}", change.kind),
        format!("{level} ({})", change.risk.score),
        markdown::cell(&when(change)),
    ]
}

fn changed_request_rows(pair: &Pair<Change>) -> Vec<Vec<String>> {
    let row = |(what, before, after): (&str, String, String)| {
        vec![
            format!("{}<br>{}", markdown::cell(&pair.after.title), markdown::code(&pair.after.key)),
            what.to_owned(),
            markdown::code(&before),
            markdown::code(&after),
        ]
    };
    parts_of_change(pair).into_iter().map(row).collect()
}

// Of both

/// What of a finding is another than before, each part with its two sides. Never empty for a pair that differs.
fn parts_of_finding(pair: &Pair<Finding>) -> Vec<(&'static str, String, String)> {
    let Pair { before, after } = pair;
    let services = |finding: &Finding| {
        let all: Vec<String> = finding.services.iter().map(|service| format!("{} ({})", service.name, effect_name(service.effect))).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    };
    let of = |finding: &Finding| {
        [
            ("declared", findings::declared(finding)),
            ("found", findings::found(finding)),
            ("on drift", action(finding.action).to_owned()),
            ("severity", super::severity(finding.severity).to_owned()),
            ("services", services(finding)),
            ("owner", finding.owner.as_deref().unwrap_or("nobody").to_owned()),
            ("class", finding.class.to_string()),
            ("source", finding.source.as_deref().unwrap_or("none").to_owned()),
        ]
    };
    let parts = differing(of(before), of(after));
    if parts.is_empty() { in_words("in words", &before.message, &after.message) } else { parts }
}

fn parts_of_change(pair: &Pair<Change>) -> Vec<(&'static str, String, String)> {
    let of = |change: &Change| {
        let level = bowline::change::body::level_name(change.risk.level);
        [
            ("title", change.title.clone()),
            ("type", format!("{:?}", change.kind)),
            ("risk", format!("{level} ({})", change.risk.score)),
            ("when", when(change)),
            ("items", change.items.iter().map(|item| &**item).collect::<Vec<_>>().join(", ")),
            ("findings", change.findings.len().to_string()),
        ]
    };
    let mut parts = differing(of(&pair.before), of(&pair.after));
    let (undone, done) = (only_in(&pair.before, &pair.after), only_in(&pair.after, &pair.before));
    if undone != done {
        parts.push(("what is done", markdown::one_line(&undone), markdown::one_line(&done)));
    }
    if parts.is_empty() {
        return in_words("plan", &pair.before.plan.implementation, &pair.after.plan.implementation);
    }
    parts
}

fn in_words(what: &'static str, before: &str, after: &str) -> Vec<(&'static str, String, String)> {
    // Of a sensitive value not even the words tell more.
    let after = if before == after { "another value, which is not shown" } else { after };
    vec![(what, markdown::one_line(before), markdown::one_line(after))]
}

/// What one request does and the other does not.
fn only_in(one: &Change, other: &Change) -> String {
    let told = |action: &Action| match (&action.instructions, &action.path) {
        (Some(instructions), _) => instructions.to_string(),
        (None, Some(path)) => format!("set {path} of {} to {}", action.item, action.to),
        (None, None) => action.item.to_string(),
    };
    one.actions.iter().filter(|action| !other.actions.contains(action)).map(told).collect::<Vec<_>>().join("; ")
}

/// The parts that are not the same on both sides.
fn differing<const N: usize>(before: [(&'static str, String); N], after: [(&'static str, String); N]) -> Vec<(&'static str, String, String)> {
    let both = before.into_iter().zip(after).filter(|((_, before), (_, after))| before != after);
    both.map(|((what, before), (_, after))| (what, markdown::one_line(&before), markdown::one_line(&after))).collect()
}

fn action(action: OnDrift) -> &'static str {
    match action {
        OnDrift::Adopt => "Adopt",
        OnDrift::Enforce => "Enforce",
        OnDrift::Report => "Report",
    }
}

fn when(change: &Change) -> String {
    match &change.schedule {
        Some(schedule) => format!("{} {}", schedule.window, local(&schedule.start)),
        None => change.conflicts.first().map_or_else(|| "no window needed".to_owned(), ToString::to_string),
    }
}

fn problem_line(problem: &Diagnostic) -> String {
    let place = problem.file.as_ref().map(|file| format!("{file}:{}:{}  ", problem.line, problem.column)).unwrap_or_default();
    format!("{place}{} ({})", problem.message, problem.code)
}

/// The sources that did not say everything, and why; those of the base only where they fail there alone.
fn unanswered(difference: &Difference) -> impl Iterator<Item = (String, String)> {
    let told = |name: String, source: &SourceReport| (name, source.error.as_deref().unwrap_or("no reason given").to_owned());
    let head = difference.sources.iter().filter(|source| !source.complete).map(move |source| told(source.name.to_string(), source));
    let alone = |source: &&SourceReport| !source.complete && !difference.sources.contains(source);
    let base = difference.sources_of_base.iter().filter(alone).map(move |source| told(format!("{} (at the base)", source.name), source));
    head.chain(base)
}
