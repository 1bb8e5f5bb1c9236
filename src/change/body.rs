//! The body of a change request: what a change board reads, in Markdown that GitHub and Gitea both show well.
//!
//! ```text
//! summary, decision     what, why, how bad, when; what merging and closing do: enough to decide in a minute
//! differs               declared against found
//! services              who is hurt, as a table and a map
//! risk, when            the points and their reasons; the window, in its zones, and what was ruled out
//! plans                 conflicts, implementation, backout, test
//! evidence              of each finding, folded; the commands that show the same
//! ```
//!
//! It depends on nothing that changes by itself (no "in 3 days"), so it is rewritten only when what it says changes.

mod plans;
mod services;
mod when;

use std::cmp::Reverse;
use std::fmt::Write;

use crate::api::change_request::{EffectOnService, RiskLevel};
use crate::api::{OnDrift, Text, Value};
use crate::calendar::Decision;
use crate::drift::Finding;
use crate::estate::Estate;
use crate::impact::{Impact, ServiceGraph};

use super::Change;
use super::group::Group;
use super::markdown::{cell, code, encoded, prose};

pub use when::{schedule_in_words, span_of};

/// The longest body, in bytes as JSON carries them: GitHub takes 65,536 characters after encoding, and the marker (of at
/// most 8,000) must fit below 60,000.
pub const LONGEST: usize = 50_000;
/// How many rows of each kind the body has: as many as fit.
const ROWS: [usize; 8] = [200, 100, 50, 25, 12, 6, 3, 1];
/// How many rows of each kind the whole of it has, in a file. The document beside it holds all.
const MOST_ROWS: usize = 10_000;

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

/// A body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What the forge shows, without its marker: at most [`LONGEST`] bytes.
    pub text: String,
    /// All of it, where the text had to leave rows out. It belongs into the file `changes/<key>.md` of the branch, to which
    /// the text points.
    pub whole: Option<String>,
}

/// Writes the body.
pub fn write(context: &Context) -> Body {
    let findings = context.group.findings.len();
    let all = Page { context, rows: MOST_ROWS, whole: true };
    // A page of so many findings never fits, so its length need not be taken.
    let whole = (findings <= LONGEST / 50).then(|| all.text()).filter(|text| fits(text));
    if let Some(text) = whole {
        return Body { text, whole: None };
    }
    let mut text = String::new();
    for rows in ROWS {
        text = Page { context, rows, whole: false }.text();
        if fits(&text) {
            break;
        }
    }
    Body { text, whole: Some(all.text()) }
}

fn fits(text: &str) -> bool {
    encoded(text) <= LONGEST
}

/// A body with so many rows of each kind. Only whole rows are left out, so no table, list or fold is ever cut through.
struct Page<'a> {
    context: &'a Context<'a>,
    rows: usize,
    whole: bool,
}

impl Page<'_> {
    fn text(&self) -> String {
        let sections = [
            self.summary(),
            self.decision(),
            self.differs(),
            self.services(),
            self.risk(),
            self.when(),
            self.conflicts(),
            self.plans(),
            self.evidence(),
            self.same_locally(),
        ];
        sections.join("\n")
    }

    /// What is done to what, and what that does to whom and when, in two lines.
    fn summary(&self) -> String {
        let Context { change, group, .. } = self.context;
        let count = group.findings.len();
        let differences = if count == 1 { "difference" } else { "differences" };
        let what = match group.action {
            OnDrift::Adopt => "The estate's files are edited to say what is there; nothing that runs is touched.",
            _ => "What runs is changed to be as declared.",
        };
        let owner = group.owner.as_ref().map(|owner| format!(" Owner: {}.", code(owner))).unwrap_or_default();
        let hurt = match change.services.as_slice() {
            [] if group.action == OnDrift::Adopt => "No service is touched.".to_owned(),
            [] => "No declared service stands on what is changed.".to_owned(),
            [worst, others @ ..] => {
                let more = if others.is_empty() { String::new() } else { format!(" ({} more services are touched)", others.len()) };
                format!("While it is made, {} {}{more}.", code(&worst.name), effect_in_words(worst.effect))
            }
        };
        let when = match (self.slot(), group.action) {
            (Some(slot), _) => format!("Window: **{}**.", span_of(&slot.start, &slot.end)),
            (None, OnDrift::Adopt) => "It needs no window.".to_owned(),
            (None, _) => "**No window was found**, see below.".to_owned(),
        };
        let risk = format!("Risk: **{}** ({} of 100). Type: {:?}.", level_name(change.risk.level), change.risk.score, change.kind);
        format!("{count} {differences} on {}.{owner} {what}\n{hurt} {risk} {when}\n", Self::items_of(&change.items))
    }

    fn items_of(items: &[Text]) -> String {
        let shown: Vec<String> = items.iter().take(5).map(|item| code_in_text(item)).collect();
        match items.len().saturating_sub(shown.len()) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }

    /// What merging and closing will do.
    fn decision(&self) -> String {
        let period = self.context.estate.spec.changes.rejected_for.as_ref().map_or_else(|| "90d".to_owned(), ToString::to_string);
        let merging = match (self.context.group.action, self.slot()) {
            (OnDrift::Adopt, _) => format!("accepts what was found: the estate says so from then on{}.", self.edited_files()),
            (_, Some(_)) => "approves the work in the window above. The next discovery after it verifies it.".to_owned(),
            (_, None) => "approves the work. **No window is set**, so agree on one first; the next discovery after it verifies it.".to_owned(),
        };
        let hand = if self.context.change.conflicts.is_empty() { "" } else { " First see the conflicts below." };
        format!(
            "- **Merge**: {merging}{hand}\n- **Close**: turns it down. It is not proposed again while the drift stays the same, for {} at most.\n",
            prose(&period)
        )
    }

    fn edited_files(&self) -> String {
        let files: Vec<&str> = self.context.change.files.iter().map(|file| &*file.path).filter(|path| !path.starts_with("changes/")).collect();
        let shown: Vec<String> = files.iter().take(3).map(|path| code_in_text(path)).collect();
        match files.len() {
            0 => String::new(),
            1..=3 => format!(" ({})", shown.join(", ")),
            more => format!(" ({} and {} more)", shown.join(", "), more - 3),
        }
    }

    /// Declared against found, the worst first.
    fn differs(&self) -> String {
        let mut text = "## What differs\n\n| Item | What | Declared | Found | Source |\n|---|---|---|---|---|\n".to_owned();
        let findings = self.findings();
        for finding in findings.iter().take(self.rows) {
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
        text.push_str(&self.more(findings.len()));
        text
    }

    /// The worst first, then by key.
    fn findings(&self) -> Vec<&Finding> {
        let mut findings = self.context.group.findings.clone();
        findings.sort_by_key(|finding| Reverse(finding.severity));
        findings
    }

    fn risk(&self) -> String {
        let risk = &self.context.change.risk;
        let mut text = format!("## Risk: {}, {} of 100\n\n| Points | Factor | Why |\n|--:|---|---|\n", level_name(risk.level), risk.score);
        for factor in risk.factors.iter().take(self.rows) {
            let _ = writeln!(text, "| {} | {} | {} |", factor.points, cell(&factor.name), cell(factor.reason.as_deref().unwrap_or_default()));
        }
        text.push_str("\nBelow 30 is low, from 30 moderate, from 60 high.\n");
        text
    }

    fn evidence(&self) -> String {
        let findings = self.findings();
        let mut text = format!("<details><summary>Evidence of {}</summary>\n\n", counted(findings.len(), "finding", "findings"));
        for finding in findings.iter().take(self.rows) {
            let _ = writeln!(text, "- {}: {}{}", code_in_text(&finding.key), prose(&finding.message), facts(finding));
        }
        text.push_str(&self.more(findings.len()));
        text.push_str("\n</details>\n");
        text
    }

    fn same_locally(&self) -> String {
        let key = &self.context.change.key;
        // A key is pasted into a shell, so only one that means nothing there is shown.
        let pasted = |key: &&str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte)) && key.len() <= 120;
        let finding = self.findings().first().map(|finding| &*finding.key).filter(pasted).unwrap_or("KEY");
        let commands = [
            (format!("bowline changes show {key}"), "this request"),
            ("bowline plan".to_owned(), "all that differs"),
            (format!("bowline explain {finding}"), "one finding"),
        ];
        let widest = commands.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
        let lines: Vec<String> = commands.iter().map(|(command, what)| format!("{command:<widest$}  # {what}")).collect();
        format!(
            "---\n\nThe same on your machine, in a clone of the estate {}:\n\n```shell\n{}\n```\n",
            code_in_text(&self.context.estate.name),
            lines.join("\n")
        )
    }

    /// Where the rows are that were left out, if any were.
    fn more(&self, all: usize) -> String {
        let key = &self.context.change.key;
        match all.saturating_sub(self.rows) {
            0 => String::new(),
            more if self.whole => format!("\n{more} more are in `changes/{key}.yaml` on this branch.\n"),
            more => format!("\n*{more} more are in `changes/{key}.md` on this branch, which is the whole of this text, and in `changes/{key}.yaml`.*\n"),
        }
    }

    fn slot(&self) -> Option<&crate::calendar::Slot> {
        self.context.decision.and_then(|decision| decision.slot.as_ref())
    }
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Code outside of a table, where a bar needs no backslash.
fn code_in_text(text: &str) -> String {
    super::markdown::span(text)
}

fn effect_in_words(effect: EffectOnService) -> &'static str {
    match effect {
        EffectOnService::Down => "is **down**",
        EffectOnService::Degraded => "works **degraded**, with less than it is meant to have",
        EffectOnService::AtRisk => "works, but is **one failure away** from being down",
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

fn shown(value: &Value) -> String {
    if value.is_absent() { String::new() } else { value.to_string() }
}

fn facts(finding: &Finding) -> String {
    let mut facts = Vec::new();
    if let Some(place) = &finding.at {
        facts.push(format!("declared in {}", code_in_text(&format!("{}:{}:{}", place.file, place.line, place.column))));
    }
    if !finding.evidence.is_empty() {
        facts.push(format!("seen in {}", finding.evidence.iter().take(3).map(|place| code_in_text(place)).collect::<Vec<_>>().join(", ")));
    }
    if !finding.rule.is_empty() {
        facts.push(format!("rule: {}", prose(&finding.rule)));
    }
    if facts.is_empty() { String::new() } else { format!(" ({})", facts.join("; ")) }
}
