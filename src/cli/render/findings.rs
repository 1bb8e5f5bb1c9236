//! Findings on a terminal, by service and item, declared against found side by side.

use std::collections::BTreeMap;

use bowline::api::{OnDrift, Text, Value};
use bowline::change::markdown;
use bowline::drift::{Finding, FindingKind};
use bowline::estate::Estate;

use super::super::options::Style;
use super::{count, effect, kind_code, sign};

/// How many items of a service are shown unless all are asked for.
const ITEMS: usize = 25;
/// The widest that a value is shown in a line.
const VALUE: usize = 36;

/// Findings of one service (or of none), by item.
type ByItem<'a> = BTreeMap<&'a Text, Vec<&'a Finding>>;

/// All findings, the services that matter most first, what hurts no service last.
pub fn render(style: Style, estate: &Estate, findings: &[Finding], all: bool) -> String {
    let mut by_service: BTreeMap<Option<&Text>, ByItem> = BTreeMap::new();
    for finding in findings {
        let service = finding.services.first().map(|service| &service.name);
        by_service.entry(service).or_default().entry(&finding.item).or_default().push(finding);
    }
    let mut services: Vec<_> = by_service.into_iter().collect();
    let criticality = |name: &Text| estate.services.iter().find(|service| service.name == *name).map(|service| service.spec.criticality);
    services.sort_by_key(|(service, _)| (service.is_none(), std::cmp::Reverse(service.and_then(criticality)), *service));
    services.into_iter().map(|(service, items)| render_service(style, estate, service, &items, all)).collect()
}

fn render_service(style: Style, estate: &Estate, service: Option<&Text>, items: &ByItem, all: bool) -> String {
    let heading = match service.and_then(|name| estate.services.iter().find(|service| service.name == *name)) {
        Some(service) => {
            let owner = service.spec.owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
            format!("{} {}", style.bold(&service.name), style.dim(&format!("({:?}{owner})", service.spec.criticality)))
        }
        None => style.bold("no service"),
    };
    let mut text = if style.markdown { format!("### {heading}\n\n") } else { format!("{heading}\n") };
    let shown = if all { items.len() } else { ITEMS };
    for (item, findings) in items.iter().take(shown) {
        text.push_str(&render_item(style, item, findings));
    }
    if items.len() > shown {
        text.push_str(&format!("  … and {} more (--all shows them)\n", count(items.len() - shown, "item")));
    }
    text.push('\n');
    text
}

fn render_item(style: Style, item: &str, findings: &[&Finding]) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let hurt = first.services.first().map(|service| format!("  would be {}", effect(style, service.effect))).unwrap_or_default();
    let owner = first.owner.as_ref().map(|owner| format!(", {owner}")).unwrap_or_default();
    let about = style.dim(format!("{}{owner}", first.class).trim_start_matches(", "));
    if style.markdown {
        let rows: Vec<Vec<String>> = findings.iter().map(|finding| markdown_row(finding)).collect();
        return format!(
            "{} ({}{owner}){hurt}\n\n{}\n",
            markdown::code(item),
            first.class,
            super::table::table(style, &["What", "Declared", "Found", "Source", "On drift"], &rows)
        );
    }
    let mut text = format!("  {}  {about}{hurt}\n", style.bold(&markdown::one_line(item)));
    let widths = Widths::of(findings);
    for finding in findings {
        text.push_str(&line(style, finding, widths));
    }
    text
}

/// The columns of the lines of one item.
#[derive(Clone, Copy)]
struct Widths {
    what: usize,
    declared: usize,
    found: usize,
}

impl Widths {
    fn of(findings: &[&Finding]) -> Self {
        let widest = |text: fn(&Finding) -> String| findings.iter().map(|finding| text(finding).chars().count()).max().unwrap_or(0);
        Self { what: widest(what), declared: widest(declared), found: widest(found) }
    }
}

fn line(style: Style, finding: &Finding, widths: Widths) -> String {
    let code = kind_code(finding.kind);
    let what = format!("{:<1$}", what(finding), widths.what);
    let mut text = format!("    {} {what}", style.paint(code, sign(finding.kind)));
    if widths.declared + widths.found > 0 {
        let (declared, found) = (declared(finding), found(finding));
        let arrow = if declared.is_empty() || found.is_empty() { " " } else { "→" };
        text.push_str(&format!(
            "  {} {} {}",
            style.paint("32", &format!("{declared:>0$}", widths.declared)),
            style.dim(arrow),
            style.paint(code, &format!("{found:<0$}", widths.found))
        ));
    }
    let mut facts: Vec<String> = Vec::new();
    facts.extend(finding.source.as_ref().map(ToString::to_string));
    facts.extend(finding.at.as_ref().map(|place| format!("{}:{}", place.file, place.line)));
    text.push_str(&format!("  {}", style.dim(&facts.join("  "))));
    match finding.action {
        OnDrift::Report => {}
        OnDrift::Adopt => text.push_str(&format!("  {}", style.paint("36", "adopt"))),
        OnDrift::Enforce => text.push_str(&format!("  {}", style.paint("35", "enforce"))),
    }
    // What has no two sides is told in words.
    if finding.kind != FindingKind::Changed {
        text.push_str(&format!("\n      {}", style.dim(&markdown::one_line(&finding.message))));
    }
    format!("{}\n", text.trim_end())
}

fn markdown_row(finding: &Finding) -> Vec<String> {
    vec![what(finding), declared(finding), found(finding), finding.source.as_deref().unwrap_or_default().to_owned(), format!("{:?}", finding.action)]
}

/// `memory`, `RunsOn` or, where it is the item as a whole, the kind of finding.
pub fn what(finding: &Finding) -> String {
    let kind = finding.kind.name();
    match finding.path.as_deref() {
        Some(path) => match finding.kind {
            FindingKind::Changed => path.strip_prefix("attributes.").unwrap_or(path).to_owned(),
            _ => format!("{kind} {path}"),
        },
        None => kind.to_owned(),
    }
}

/// What is declared, in one short line.
pub fn declared(finding: &Finding) -> String {
    short(&finding.declared)
}

/// What was found, in one short line.
pub fn found(finding: &Finding) -> String {
    match finding.kind {
        FindingKind::Missing => "absent".to_owned(),
        _ => short(&finding.discovered),
    }
}

/// A value in one short line. A whole item is told by its message instead.
fn short(value: &Value) -> String {
    if value.is_absent() || value.as_map().is_some() {
        return String::new();
    }
    let line = markdown::one_line(&value.to_string());
    if line.chars().count() <= VALUE { line } else { format!("{}…", line.chars().take(VALUE - 1).collect::<String>()) }
}
