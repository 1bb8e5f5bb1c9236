//! The body of a change request: what a change board reads, in Markdown that GitHub and Gitea both show well.
//!
//! It depends on nothing that changes by itself (no "in 3 days"), so it is rewritten only when what it says changes.

use jiff::{Zoned, tz::TimeZone};
use std::fmt::Write;

use crate::api::change_request::{EffectOnService, RiskLevel, Schedule};
use crate::api::{OnDrift, Text, Value};
use crate::calendar::{Decision, Slot};
use crate::drift::Finding;
use crate::estate::Estate;
use crate::impact::{Impact, ServiceGraph};

use super::group::Group;
use super::markdown::{code, mermaid_label, one_line, plain, prose};
use super::{Change, effect_name};

/// The longest body, in bytes: GitHub takes 65,536 characters after encoding, and the marker must fit.
const LONGEST: usize = 58_000;
/// How many findings the table shows; the document under `changes/` holds all.
const ROWS: usize = 100;
/// The longest Mermaid map, in bytes: what older Gitea shows.
const LONGEST_MAP: usize = 4500;

/// All that the body tells.
pub struct Context<'a> {
    /// The estate.
    pub estate: &'a Estate,
    /// The service graph.
    pub graph: &'a ServiceGraph,
    /// The findings.
    pub group: &'a Group<'a>,
    /// The change request.
    pub change: &'a Change,
    /// Who is hurt while it is made.
    pub impacts: &'a [Impact],
    /// The slot and what was ruled out; none where no window is needed.
    pub decision: Option<&'a Decision>,
}

/// Writes the body, without its marker.
pub fn write(context: &Context) -> String {
    let sections = [
        summary(context),
        findings(context),
        risk(context),
        services(context),
        window(context),
        conflicts(context),
        plans(context),
        evidence(context),
        footer(context),
    ];
    let body = sections.join("\n");
    if body.len() <= LONGEST {
        return body;
    }
    let mut cut = LONGEST;
    while !body.is_char_boundary(cut) {
        cut -= 1;
    }
    let whole_lines = body[..cut].rfind('\n').unwrap_or(cut);
    format!("{}\n\n*Cut here for length. The whole request is `changes/{}.yaml` on this branch.*\n", &body[..whole_lines], context.change.key)
}

fn summary(context: &Context) -> String {
    let Context { change, group, .. } = context;
    let what = match group.action {
        OnDrift::Adopt => "The estate's files are edited to say what is there. Nothing that runs is touched.",
        _ => "What runs is changed to be as declared.",
    };
    let hurt = match change.services.first() {
        Some(worst) => format!("While it is made, **{}** {}.", plain(&worst.name), effect_in_words(worst.effect)),
        None if group.action == OnDrift::Adopt => "No service is touched.".to_owned(),
        None => "No declared service stands on what is changed.".to_owned(),
    };
    let when = match (&change.schedule, group.action) {
        (Some(schedule), _) => format!("Window: {}.", code(&schedule.window)),
        (None, OnDrift::Adopt) => "It needs no window.".to_owned(),
        (None, _) => "**No window was found**, see below.".to_owned(),
    };
    let owner = group.owner.as_ref().map(|owner| format!(" Owner: {}.", code(owner))).unwrap_or_default();
    format!(
        "{} {} on {}.{owner} {what}\n{hurt} Risk: **{}** ({} of 100). Type: {:?}. {when}\n",
        group.findings.len(),
        if group.findings.len() == 1 { "difference" } else { "differences" },
        items_of(&change.items),
        level_name(change.risk.level),
        change.risk.score,
        change.kind,
    )
}

fn effect_in_words(effect: EffectOnService) -> &'static str {
    match effect {
        EffectOnService::Down => "is **down**",
        EffectOnService::Degraded => "works **degraded**, with less than it is meant to have",
        EffectOnService::AtRisk => "works, but is **one failure away** from being down",
    }
}

fn items_of(items: &[Text]) -> String {
    let shown: Vec<String> = items.iter().take(5).map(|item| code(item)).collect();
    match items.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The level, as a word.
pub fn level_name(level: RiskLevel) -> &'static str {
    match level {
        RiskLevel::Low => "Low",
        RiskLevel::Moderate => "Moderate",
        RiskLevel::High => "High",
    }
}

fn findings(context: &Context) -> String {
    let mut text = "## What differs\n\n| Item | What | Declared | Found | Source |\n|---|---|---|---|---|\n".to_owned();
    for finding in context.group.findings.iter().take(ROWS) {
        let what = finding.path.as_deref().map_or_else(|| finding.kind.name().to_owned(), |path| format!("{} {}", finding.kind.name(), code(path)));
        let _ = writeln!(
            text,
            "| {} | {what} | {} | {} | {} |",
            code(&finding.item),
            code(&shown(&finding.declared)),
            code(&shown(&finding.discovered)),
            code(finding.source.as_deref().unwrap_or_default())
        );
    }
    let more = context.group.findings.len().saturating_sub(ROWS);
    if more > 0 {
        let _ = writeln!(text, "\n{more} more are in `changes/{}.yaml` on this branch.", context.change.key);
    }
    text
}

fn shown(value: &Value) -> String {
    if value.is_absent() { String::new() } else { value.to_string() }
}

fn risk(context: &Context) -> String {
    let risk = &context.change.risk;
    let mut text = format!("## Risk: {} ({} of 100)\n\n", level_name(risk.level), risk.score);
    for factor in &risk.factors {
        let _ = writeln!(text, "- {} points, {}: {}", factor.points, plain(&factor.name), plain(factor.reason.as_deref().unwrap_or_default()));
    }
    text.push_str("\nBelow 30 is low, from 30 moderate, from 60 high.\n");
    text
}

fn services(context: &Context) -> String {
    if context.impacts.is_empty() {
        return "## Impacted services\n\nNone.\n".to_owned();
    }
    let mut text = "## Impacted services\n\n| Service | Effect | By way of |\n|---|---|---|\n".to_owned();
    for impact in context.impacts {
        let path: Vec<String> = impact.path.iter().map(|step| code(step)).collect();
        let _ = writeln!(text, "| {} | {} | {} |", code(&impact.effect.name), effect_name(impact.effect.effect), path.join(" → "));
    }
    if let Some(map) = map(context) {
        let _ = write!(text, "\n```mermaid\n{map}```\n");
    }
    text
}

/// The map from the changed items to the services, if it fits.
fn map(context: &Context) -> Option<String> {
    let edges = context.graph.around(&context.change.items);
    if edges.is_empty() {
        return None;
    }
    let mut names: Vec<&Text> = edges.iter().flat_map(|edge| [&edge.from, &edge.to]).collect();
    names.sort();
    names.dedup();
    let id = |name: &Text| names.binary_search(&name).unwrap_or_default();
    let mut map = "graph LR\n".to_owned();
    for (index, name) in names.iter().enumerate() {
        let _ = writeln!(map, "  n{index}[{}]", mermaid_label(name));
    }
    for edge in &edges {
        let _ = writeln!(map, "  n{} --> n{}", id(&edge.from), id(&edge.to));
    }
    for (index, name) in names.iter().enumerate() {
        if context.change.items.binary_search(name).is_ok() {
            let _ = writeln!(map, "  style n{index} stroke-width:3px");
        }
    }
    (map.len() <= LONGEST_MAP).then_some(map)
}

fn window(context: &Context) -> String {
    let Some(decision) = context.decision else {
        return "## When\n\nAt once: only the estate's files change.\n".to_owned();
    };
    let mut text = "## When\n\n".to_owned();
    match &decision.slot {
        Some(slot) => {
            let _ = writeln!(text, "{}, {}.", code(&slot.window), span_of(&slot.start, &slot.end));
            let _ = writeln!(text, "In UTC: {}.", utc_span(slot));
            let _ = writeln!(text, "\nWhy this one: {}.", prose(decision.reason.trim_end_matches('.')));
            if let Some(note) = &slot.note {
                let _ = writeln!(text, "Note: {}.", prose(note.trim_end_matches('.')));
            }
        }
        None => {
            let _ = writeln!(text, "**No slot within 90 days.** {}.", prose(decision.reason.trim_end_matches('.')));
        }
    }
    if !decision.ruled_out.is_empty() {
        text.push_str("\nRuled out:\n\n");
        for ruled_out in &decision.ruled_out {
            let _ = writeln!(text, "- {}, {}: {}", code(&ruled_out.slot.window), span_of(&ruled_out.slot.start, &ruled_out.slot.end), prose(&ruled_out.reason));
        }
    }
    text
}

/// A slot in its own zone: `Sun 2026-11-29 02:00 to 06:00 Europe/Zurich (+01:00)`.
pub fn span_of(start: &Zoned, end: &Zoned) -> String {
    let zone = start.time_zone().iana_name().unwrap_or("UTC").to_owned();
    let until = if start.date() == end.date() { end.strftime("%H:%M") } else { end.strftime("%a %Y-%m-%d %H:%M") };
    format!("{} to {until} {zone} ({})", start.strftime("%a %Y-%m-%d %H:%M"), start.strftime("%:z"))
}

/// A schedule's time in its own zone; as it is written where it cannot be read.
pub fn schedule_in_words(schedule: &Schedule) -> String {
    match (schedule.start.parse::<Zoned>(), schedule.end.parse::<Zoned>()) {
        (Ok(start), Ok(end)) => span_of(&start, &end),
        _ => format!("{} to {}", schedule.start, schedule.end),
    }
}

fn utc_span(slot: &Slot) -> String {
    let utc = |at: &jiff::Zoned| at.with_time_zone(TimeZone::UTC).strftime("%Y-%m-%d %H:%M").to_string();
    format!("{} to {}", utc(&slot.start), utc(&slot.end))
}

fn conflicts(context: &Context) -> String {
    if context.change.conflicts.is_empty() {
        return "## Conflicts\n\nNone known.\n".to_owned();
    }
    let mut text = "## Conflicts\n\n".to_owned();
    for conflict in &context.change.conflicts {
        let _ = writeln!(text, "- {}", prose(conflict));
    }
    text
}

fn plans(context: &Context) -> String {
    let plan = &context.change.plan;
    let paragraph = |text: &str| text.lines().map(plan_line).collect::<Vec<_>>().join("\n");
    format!("## Implementation\n\n{}\n\n## Backout\n\n{}\n\n## Test\n\n{}\n", paragraph(&plan.implementation), paragraph(&plan.backout), paragraph(&plan.test))
}

/// A line of a plan, its number kept as a list's number.
fn plan_line(line: &str) -> String {
    let number: String = line.chars().take_while(char::is_ascii_digit).collect();
    match line[number.len()..].strip_prefix(". ") {
        Some(rest) if !number.is_empty() => format!("{number}. {}", prose(rest)),
        _ => format!("{}\n", prose(line)),
    }
}

fn evidence(context: &Context) -> String {
    let mut text = "## Evidence\n\n".to_owned();
    for finding in context.group.findings.iter().take(ROWS) {
        let _ = writeln!(text, "- {}: {}{}", code(&finding.key), prose(&finding.message), facts(finding));
    }
    text
}

fn facts(finding: &Finding) -> String {
    let mut facts = Vec::new();
    if let Some(place) = &finding.at {
        facts.push(format!("declared in {}", code(&format!("{}:{}:{}", place.file, place.line, place.column))));
    }
    if !finding.evidence.is_empty() {
        facts.push(format!("seen in {}", finding.evidence.iter().take(3).map(|place| code(place)).collect::<Vec<_>>().join(", ")));
    }
    if !finding.rule.is_empty() {
        facts.push(format!("rule: {}", plain(&one_line(&finding.rule))));
    }
    if facts.is_empty() { String::new() } else { format!(" ({})", facts.join("; ")) }
}

fn footer(context: &Context) -> String {
    let key = &context.change.key;
    let merging = match context.group.action {
        OnDrift::Adopt => "Merging accepts what was found: the estate says so from then on.",
        _ => "Merging approves the work in the window above; the next discovery after it verifies it.",
    };
    format!(
        "---\n\n{merging} Closing this request unmerged turns it down: it is not proposed again while the drift stays the same.\n\nThe same on your machine: `bowline changes show {key}`. Each finding: `bowline explain KEY`. Estate: {}.\n",
        code(&context.estate.name)
    )
}
