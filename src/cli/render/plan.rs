//! A plan as people read it: sources, findings by service and item, change requests, counts, what to do next.

use bowline::change::{Change, markdown};
use bowline::estate::Estate;
use bowline::plan::{Plan, SourceReport};

use super::super::options::Style;
use super::{count, diagnostics, findings, risk};

/// The whole plan.
pub fn render(style: Style, estate: &Estate, plan: &Plan, all: bool) -> String {
    let mut text = heading(style, plan);
    text.push_str(&sources(style, &plan.sources));
    if plan.findings.is_empty() {
        text.push_str("Nothing differs: what is declared is what is there.\n\n");
    } else {
        text.push_str(&title(style, "What differs"));
        text.push_str(&findings::render(style, estate, &plan.findings, all));
    }
    if !plan.changes.is_empty() {
        text.push_str(&title(style, "Change requests"));
        text.extend(plan.changes.iter().map(|change| change_line(style, change)));
        text.push('\n');
    }
    text.push_str(&closing(style, estate, plan));
    text
}

fn heading(style: Style, plan: &Plan) -> String {
    let revision = plan.revision.as_ref().map(|revision| format!(", revision {}", revision.chars().take(10).collect::<String>())).unwrap_or_default();
    let at = plan.at.strftime("%Y-%m-%d %H:%M UTC");
    let mark = if style.markdown { "# " } else { "" };
    format!("{mark}Estate {} {}\n\n", style.bold(&plan.estate), style.dim(&format!("at {at}{revision}")))
}

fn title(style: Style, title: &str) -> String {
    if style.markdown { format!("## {title}\n\n") } else { format!("{}\n\n", style.paint("1;4", title)) }
}

/// One line a source; an incomplete one says why, and what follows.
pub fn sources(style: Style, sources: &[SourceReport]) -> String {
    if sources.is_empty() {
        return "No source is declared, so nothing can be compared. Add a DiscoverySource.\n\n".to_owned();
    }
    let width = sources.iter().map(|source| source.name.chars().count()).max().unwrap_or(0);
    let mut text = title(style, "Sources");
    for source in sources {
        let items = count(source.items, "item");
        let bullet = if style.markdown { "- " } else { "  " };
        let mark = if source.complete { style.paint("32", "✓") } else { style.paint("31", "✗") };
        text.push_str(&format!("{bullet}{mark} {:<width$}  {items}", source.name));
        if let Some(error) = &source.error {
            let follows = if source.complete { "" } else { "; nothing is concluded absent from it" };
            text.push_str(&format!("  {}{}", style.paint("33", &markdown::one_sentence(error)), style.dim(follows)));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// The sources that did not say all; nothing where every one did.
pub fn incomplete(style: Style, all: &[SourceReport]) -> String {
    let incomplete: Vec<SourceReport> = all.iter().filter(|source| !source.complete).cloned().collect();
    if incomplete.is_empty() { String::new() } else { sources(style, &incomplete) }
}

/// One change request in two lines.
fn change_line(style: Style, change: &Change) -> String {
    let when = match &change.schedule {
        Some(schedule) => format!("{} {}", schedule.window, local(&schedule.start)),
        None if change.conflicts.is_empty() => "no window needed".to_owned(),
        None => style.paint("31", change.conflicts.first().map_or("no window", |conflict| conflict)),
    };
    let bullet = if style.markdown { "- " } else { "  " };
    let indent = if style.markdown { "  " } else { "    " };
    format!(
        "{bullet}{}  {}\n{indent}{:?}, risk {} ({}), {}, {when}\n",
        style.bold(&change.key),
        markdown::one_line(&change.title),
        change.kind,
        risk(style, change.risk.level),
        change.risk.score,
        count(change.findings.len(), "finding"),
    )
}

/// `Sun 2026-11-29 02:00 Europe/Zurich` of an RFC 9557 text.
pub fn local(instant: &str) -> String {
    match instant.parse::<jiff::Zoned>() {
        Ok(at) => format!("{} {}", at.strftime("%a %Y-%m-%d %H:%M"), at.time_zone().iana_name().unwrap_or("UTC")),
        Err(_) => instant.to_owned(),
    }
}

fn closing(style: Style, estate: &Estate, plan: &Plan) -> String {
    let summary = &plan.summary;
    let kinds: Vec<String> = summary.findings.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let differs = if kinds.is_empty() { "no difference".to_owned() } else { kinds.join(", ") };
    let mut text = format!(
        "{} {} declared, {} discovered; {differs}; {}.\n",
        style.bold("Plan:"),
        summary.declared,
        summary.discovered,
        count(summary.changes, "change request")
    );
    if summary.waiting > 0 {
        let (items, surveys) = (count(summary.waiting, "item"), estate.spec.safety.minimum_findings);
        let verb = if summary.waiting == 1 { "is" } else { "are" };
        text.push_str(&format!("{} {items} {verb} absent, but not in {surveys} surveys in a row yet.\n", style.bold("Waiting:")));
    }
    if !plan.diagnostics.is_empty() {
        text.push_str(&format!("{} {} in the estate itself; `bowline check` shows them.\n", style.paint("31", "Problems:"), diagnostics::closing(estate)));
    }
    let next = match (plan.findings.first(), plan.changes.first()) {
        (_, Some(_)) => Some(format!("`bowline reconcile` opens the change requests; `bowline explain {}` explains one finding.", first_of_change(plan))),
        (Some(finding), None) => Some(format!("`bowline explain {}` explains a finding; set `onDrift` to Adopt or Enforce to have it mended.", finding.key)),
        (None, None) => None,
    };
    if let Some(next) = next {
        text.push_str(&format!("{} {next}\n", style.bold("Next:")));
    }
    text
}

fn first_of_change(plan: &Plan) -> &str {
    plan.changes.first().and_then(|change| change.findings.first()).map_or("KEY", |key| key)
}

/// A change request in full, for a terminal: its body, rendered.
pub fn markdown_on_terminal(style: Style, title: &str, body: &str) -> String {
    let text = format!("# {title}\n\n{}", bowline::forge::Marker::detach(body));
    if style.markdown {
        return text;
    }
    let text = without_maps(&text);
    let skin = if style.colour { termimad::MadSkin::default() } else { termimad::MadSkin::no_style() };
    format!("{}", skin.text(&readable(&text), Some(style.width.min(110))))
}

/// A map is drawn by the forge; on a terminal its source would only be in the way of the table above it.
fn without_maps(text: &str) -> String {
    let mut parts = text.split("```mermaid\n");
    let before = parts.next().unwrap_or_default().to_owned();
    parts.fold(before, |text, part| text + part.split_once("```\n").map_or("", |(_, after)| after))
}

/// What is markup for a forge only, taken out: entities and escapes, which the terminal's renderer does not know.
fn readable(text: &str) -> String {
    let mut text = text.to_owned();
    for (entity, character) in
        [("&#64;", "@"), ("&#58;", ":"), ("&#46;", "."), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("\\_", "_"), ("\\#", "#"), ("\\[", "["), ("\\]", "]")]
    {
        text = text.replace(entity, character);
    }
    text
}
