//! The text of an estate's dashboard: one issue that lists all that differs, and what became of it.
//!
//! It says nothing that changes by itself, so it is rewritten only when what it says changes. A board speaks through its
//! boxes: a ticked one proposes a change that waits, or one that was rejected, at the next pass.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::life::Standing;
use crate::api::{OnDrift, Text, Value};
use crate::change::Change;
use crate::change::body::level_name;
use crate::change::effect_name;
use crate::change::markdown::{code, encoded, plain, prose, span};
use crate::drift::{Finding, FindingKind, Severity};
use crate::plan::Plan;

const MARKER: &str = "<!-- bowline-dashboard:";
const BOX: &str = "<!-- bowline-box:";
/// The box of a held source: its name, a colon, and of how many items its answer is.
const CONFIRM: &str = "<!-- bowline-confirm:";
const CLOSING: &str = " -->";
/// The longest text, in bytes as JSON carries them, so that it stays below 60,000 characters on every forge.
const LONGEST: usize = 55_000;
/// How many rows a list has, and how many services and findings of each are shown: as much as fits.
const SIZES: [(usize, usize, usize); 8] = [(200, 100, 50), (100, 50, 20), (50, 40, 10), (50, 20, 5), (25, 10, 3), (10, 5, 2), (3, 2, 1), (1, 1, 1)];

/// The hidden last line.
#[derive(Serialize, Deserialize)]
struct Marker {
    estate: Text,
    digest: Text,
}

/// Writes the dashboard: its text, and the hidden line by which it is found and compared. `url_of` gives the address of
/// the pull request of a key.
pub fn write(plan: &Plan, standings: &BTreeMap<Text, Standing>, url_of: &dyn Fn(&str) -> Option<String>) -> String {
    let by_service = by_service(plan);
    let mut text = String::new();
    for (rows, services, findings) in SIZES {
        text = Board { plan, standings, url_of, by_service: &by_service, rows, services, findings }.text();
        if encoded(&text) <= LONGEST {
            break;
        }
    }
    let marker = Marker { estate: short(&plan.estate), digest: Finding::digest(&[&text]) };
    // Neither `--` nor `>` may stand in a comment; in JSON both can only be inside of a string, where they may be escaped.
    let json = serde_json::to_string(&marker).unwrap_or_default().replace('-', "\\u002d").replace('>', "\\u003e");
    format!("{text}\n{MARKER}{json}{CLOSING}\n")
}

/// The keys of the ticked boxes.
pub fn ticked(body: &str) -> BTreeSet<Text> {
    ticks(body, BOX).filter(|key| is_key(key)).map(Text::from).collect()
}

/// The held sources whose boxes are ticked, each with the number of items that a person has confirmed.
pub fn confirmed(body: &str) -> BTreeMap<Text, u64> {
    let source = |tick: &str| {
        let (name, items) = tick.rsplit_once(':')?;
        Some((Text::from(name), items.parse().ok().filter(|_| is_source(name))?))
    };
    ticks(body, CONFIRM).filter_map(source).collect()
}

/// What the ticked boxes of one kind hold.
fn ticks<'a>(body: &'a str, kind: &'a str) -> impl Iterator<Item = &'a str> {
    body.lines().filter_map(move |line| {
        let rest = line.trim().strip_prefix("- [x] ").or_else(|| line.trim().strip_prefix("- [X] "))?;
        // Only the last comment of the line is a box: what stands before it may be anything.
        let comment = rest.strip_suffix(CLOSING)?;
        comment.get(comment.rfind("<!--")?..)?.strip_prefix(kind)
    })
}

/// Names are written into a comment, so only what a source's name can be is one.
fn is_source(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        && !name.contains("--")
}

/// The digest that a dashboard says it has; none where the text is no dashboard. The ticks of its boxes are not part of it.
pub fn digest_of(body: &str) -> Option<String> {
    marker_of(body).map(|marker| marker.digest.to_string())
}

/// Whether the text is this estate's dashboard.
pub fn belongs_to(body: &str, estate: &str) -> bool {
    marker_of(body).is_some_and(|marker| marker.estate == short(estate))
}

/// The name of an estate, or a digest of one that is too long for a marker.
fn short(estate: &str) -> Text {
    if estate.len() <= 253 { estate.into() } else { Finding::digest(&[estate]) }
}

fn marker_of(body: &str) -> Option<Marker> {
    let line = body.lines().rev().map(str::trim).find(|line| line.starts_with(MARKER))?;
    serde_json::from_str(line.strip_prefix(MARKER)?.strip_suffix(CLOSING)?).ok()
}

/// Keys are written into a comment, so only what a key can be is one.
fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= 80 && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') && !key.contains("--")
}

/// The findings by the service that they hurt most, each the worst first; the service that is hurt worst first.
fn by_service(plan: &Plan) -> Vec<(Option<&Text>, Vec<&Finding>)> {
    let mut services: BTreeMap<Option<&Text>, Vec<&Finding>> = BTreeMap::new();
    for finding in &plan.findings {
        services.entry(finding.services.first().map(|service| &service.name)).or_default().push(finding);
    }
    for findings in services.values_mut() {
        findings.sort_by(|a, b| (Reverse(a.severity), &a.key).cmp(&(Reverse(b.severity), &b.key)));
    }
    let mut services: Vec<(Option<&Text>, Vec<&Finding>)> = services.into_iter().collect();
    let worst = |findings: &[&Finding]| findings.iter().map(|finding| (finding.services.first().map(|service| service.effect), finding.severity)).max();
    services.sort_by(|(a_name, a), (b_name, b)| {
        (a_name.is_none(), Reverse(worst(a)), Reverse(a.len()), a_name).cmp(&(b_name.is_none(), Reverse(worst(b)), Reverse(b.len()), b_name))
    });
    services
}

struct Board<'a> {
    plan: &'a Plan,
    standings: &'a BTreeMap<Text, Standing>,
    url_of: &'a dyn Fn(&str) -> Option<String>,
    by_service: &'a [(Option<&'a Text>, Vec<&'a Finding>)],
    rows: usize,
    services: usize,
    findings: usize,
}

impl Board<'_> {
    fn text(&self) -> String {
        let parts = [
            self.summary(),
            self.held(),
            self.list("Waiting for a slot", "Tick a box to propose a change at the next pass.", &Self::waiting),
            self.list("Open", "", &Self::open),
            self.list("Approved", "", &Self::approved),
            self.list("Rejected", "Tick a box to propose a change again although its drift is the same.", &Self::rejected),
            self.list("In doubt", "Left as they are until more is known.", &Self::in_doubt),
            self.sources(),
            self.differs(),
        ];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn summary(&self) -> String {
        let summary = &self.plan.summary;
        let kinds: Vec<String> = summary.findings.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        format!(
            "What differs in the estate {}, and what became of it. Bowline keeps this text; what else is written here is lost.\n\n\
             **{} findings**{kinds} among {} declared items. **{} change requests** answer them.\n",
            span(&self.plan.estate),
            self.plan.findings.len(),
            summary.declared,
            self.plan.changes.len(),
        )
    }

    /// The requests for which `line` has something to say, by key.
    fn list(&self, heading: &str, what: &str, line: &dyn Fn(&Self, &Text, &Standing) -> Option<String>) -> String {
        let lines: Vec<String> = self.standings.iter().filter_map(|(key, standing)| line(self, key, standing)).collect();
        if lines.is_empty() {
            return String::new();
        }
        let what = if what.is_empty() { String::new() } else { format!("{what}\n\n") };
        let mut text = format!("## {heading} ({})\n\n{what}", lines.len());
        for line in lines.iter().take(self.rows) {
            let _ = writeln!(text, "{line}");
        }
        text + &more(lines.len(), self.rows, "`bowline changes list` shows them.")
    }

    fn waiting(&self, key: &Text, standing: &Standing) -> Option<String> {
        let Standing::Waiting { reason } = standing else { return None };
        Some(format!("{} {}: {}{}", Self::unticked(key), self.named(key), prose(reason), Self::boxed(key)))
    }

    fn rejected(&self, key: &Text, standing: &Standing) -> Option<String> {
        let Standing::Rejected { until, who, reason } = standing else { return None };
        let who = who.as_ref().map(|who| format!(" by {}", span(who))).unwrap_or_default();
        let reason = reason.as_ref().map(|reason| format!(": {}", prose(reason))).unwrap_or_default();
        let until = until.strftime("%Y-%m-%d %H:%M UTC");
        Some(format!("{} {}, rejected{who} until {until}{reason}{}", Self::unticked(key), self.named(key), Self::boxed(key)))
    }

    fn open(&self, key: &Text, standing: &Standing) -> Option<String> {
        let note = match standing {
            Standing::Proposed => "",
            Standing::HandsOff => ": a person has committed to it, so it is no longer updated",
            Standing::Held => ": held, so it is not updated",
            Standing::Abandoned => ": the drift is gone, but a person has committed to it",
            _ => return None,
        };
        Some(format!("- {}{note}", self.named(key)))
    }

    fn approved(&self, key: &Text, standing: &Standing) -> Option<String> {
        let note = match standing {
            Standing::Approved => "approved, the drift is still there",
            Standing::Overdue => "**overdue**: its window has passed and the drift is still there",
            _ => return None,
        };
        Some(format!("- {}: {note}", self.named(key)))
    }

    fn in_doubt(&self, key: &Text, standing: &Standing) -> Option<String> {
        match standing {
            Standing::InDoubt { reason } => Some(format!("- {}: {}", self.named(key), prose(reason))),
            Standing::Unreadable { message } => Some(format!("- {}: its record cannot be read: {}", self.named(key), prose(message))),
            _ => None,
        }
    }

    /// Title and risk of a change, with a link to its pull request where there is one.
    fn named(&self, key: &Text) -> String {
        let change = self.change(key);
        let title = change.map_or_else(|| span(key), |change| plain(&change.title));
        let title = match (self.url_of)(key).filter(|url| is_address(url)) {
            // A link's text knows code spans, which is all that a title becomes.
            Some(url) => format!("[{}](<{url}>) {title}", span(key)),
            None => title,
        };
        let risk = |change: &Change| format!("{title} ({} risk, {} of 100)", level_name(change.risk.level), change.risk.score);
        change.map_or(title.clone(), risk)
    }

    fn change(&self, key: &Text) -> Option<&Change> {
        // A plan's changes are sorted by key.
        let place = self.plan.changes.binary_search_by(|change| change.key.cmp(key)).ok()?;
        self.plan.changes.get(place)
    }

    fn unticked(key: &str) -> &'static str {
        if is_key(key) { "- [ ]" } else { "-" }
    }

    fn boxed(key: &str) -> String {
        if is_key(key) { format!(" {BOX}{key}{CLOSING}") } else { String::new() }
    }

    /// The sources that suddenly say far less: a person confirms them, or nothing is concluded from what they do not name.
    fn held(&self) -> String {
        let held: Vec<&Finding> = self.plan.findings.iter().filter(|finding| finding.kind == FindingKind::MassAbsence).collect();
        if held.is_empty() {
            return String::new();
        }
        let mut text = "## Held\n\nNothing is concluded missing from these answers. Look at the source; if it is right, tick its box: the pass after the \
                        next believes it.\n\n"
            .to_owned();
        for finding in held.iter().take(self.rows) {
            let _ = match finding.discovered.to_string().parse::<u64>() {
                Ok(items) if is_source(&finding.item) => {
                    writeln!(text, "- [ ] {} {CONFIRM}{}:{items}{CLOSING}", prose(&finding.message), finding.item)
                }
                _ => writeln!(text, "- {}", prose(&finding.message)),
            };
        }
        text + &more(held.len(), self.rows, "`bowline plan` shows them.")
    }

    /// The sources that did not say everything: what they do not say is no finding.
    fn sources(&self) -> String {
        let incomplete: Vec<_> = self.plan.sources.iter().filter(|source| !source.complete).collect();
        if incomplete.is_empty() {
            return String::new();
        }
        let mut text = "## Sources that did not say everything\n\nNothing is concluded from what they do not name.\n\n".to_owned();
        for source in incomplete.iter().take(self.rows) {
            let error = source.error.as_ref().map(|error| format!(": {}", prose(error))).unwrap_or_default();
            let _ = writeln!(text, "- {}{error}", span(&source.name));
        }
        text + &more(incomplete.len(), self.rows, "")
    }

    fn differs(&self) -> String {
        let services = self.by_service;
        if services.is_empty() {
            return "## What differs\n\nNothing.\n".to_owned();
        }
        let mut text = "## What differs, by service\n".to_owned();
        for (service, findings) in services.iter().take(self.services) {
            text.push_str(&self.service(*service, findings));
        }
        let rest: usize = services.iter().skip(self.services).map(|(_, findings)| findings.len()).sum();
        if rest > 0 {
            let _ = writeln!(text, "\n*{rest} findings of {} more services: `bowline plan` shows them.*", services.len() - self.services);
        }
        text
    }

    fn service(&self, service: Option<&Text>, findings: &[&Finding]) -> String {
        let heading = service.map_or_else(|| "No declared service".to_owned(), |service| span(service));
        let effect = findings.iter().filter_map(|finding| finding.services.first().map(|service| service.effect)).max();
        let effect = effect.map(|effect| format!(" If its items fail: {}.", effect_name(effect))).unwrap_or_default();
        let mut text = format!("\n### {heading}\n\n{}: {}.{effect}\n\n", counted(findings.len()), counts(findings));
        text.push_str("| Severity | Item | What | Declared | Found | Action |\n|---|---|---|---|---|---|\n");
        for finding in findings.iter().take(self.findings) {
            text.push_str(&row(finding));
        }
        text + &more(findings.len(), self.findings, "`bowline plan` shows them.")
    }
}

fn row(finding: &Finding) -> String {
    let value = |value: &Value| if value.is_absent() { "–".to_owned() } else { code(&value.to_string()) };
    let what = finding.path.as_deref().map_or_else(|| finding.kind.name().to_owned(), |path| format!("{} {}", finding.kind.name(), code(path)));
    let action = match finding.action {
        OnDrift::Adopt => "Adopt",
        OnDrift::Enforce => "Enforce",
        OnDrift::Report => "Report",
    };
    let (declared, found) = (value(&finding.declared), value(&finding.discovered));
    format!("| {} | {} | {what} | {declared} | {found} | {action} |\n", severity_name(finding.severity), code(&finding.item))
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

/// How many findings of each severity and kind, the worst first.
fn counts(findings: &[&Finding]) -> String {
    let mut counts: BTreeMap<(Reverse<Severity>, &str), usize> = BTreeMap::new();
    for finding in findings {
        *counts.entry((Reverse(finding.severity), finding.kind.name())).or_default() += 1;
    }
    let words = |((Reverse(severity), kind), count): (&(Reverse<Severity>, &str), &usize)| format!("{count} {kind} ({})", severity_name(*severity));
    counts.iter().map(words).collect::<Vec<_>>().join(", ")
}

fn counted(findings: usize) -> String {
    format!("{findings} {}", if findings == 1 { "finding" } else { "findings" })
}

fn more(all: usize, shown: usize, where_else: &str) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        more => format!("\n*And {more} more.{}{where_else}*\n", if where_else.is_empty() { "" } else { " " }),
    }
}

/// An address that stays within its angle brackets.
fn is_address(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() < 500
        && url.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\\`\"".contains(&byte))
}

#[cfg(test)]
mod tests;
