//! The health of a record for people: the estate in a few lines, then by class, owner and service, then the worst items.

use bowline::change::markdown;
use bowline::health::{Group, Health, Indicators, Share};
use bowline::plan::Plan;

use super::super::options::Style;
use super::{count, plan, table};

/// How many groups are shown unless all are asked for.
const GROUPS: usize = 20;

/// The whole.
pub fn render(style: Style, of: &Plan, health: &Health, all: bool) -> String {
    let mark = if style.markdown { "# " } else { "" };
    let at = health.at.strftime("%Y-%m-%d %H:%M UTC");
    let mut text = format!("{mark}Health of {} {}\n\n", style.bold(&health.estate), style.dim(&format!("at {at}")));
    text.push_str(&plan::incomplete(style, &of.sources));
    if health.total.items == 0 {
        text.push_str("No item is in service, so there is nothing to judge.\n");
        return text + &not_counted(health);
    }
    text.push_str(&table::table(style, &["", "share", "what of it"], &total(&health.total)));
    text.push('\n');
    for (title, groups) in [("class", &health.classes), ("owner", &health.owners), ("service", &health.services)] {
        text.push_str(&by(style, title, groups, all));
    }
    if !health.worst.is_empty() {
        text.push_str(&heading(style, &format!("The {} with most to mend", count(health.worst.len(), "item"))));
        let rows: Vec<Vec<String>> = health
            .worst
            .iter()
            .map(|worst| {
                let owner = worst.owner.as_ref().map(ToString::to_string).unwrap_or_default();
                vec![worst.item.to_string(), worst.class.to_string(), owner, worst.services.join(", "), worst.problems.join("; ")]
            })
            .collect();
        text.push_str(&table::table(style, &["item", "class", "owner", "services", "what is the matter"], &rows));
        text.push('\n');
    }
    text + &not_counted(health)
}

fn heading(style: Style, title: &str) -> String {
    if style.markdown { format!("## {title}\n\n") } else { format!("{}\n", style.bold(title)) }
}

/// The three and their parts.
fn total(of: &Indicators) -> Vec<Vec<String>> {
    let parts = |parts: &[(&str, Share)]| {
        let told = parts.iter().map(|(words, share)| format!("{words} {} of {}", share.well, share.of));
        told.collect::<Vec<_>>().join(", ")
    };
    let row = |name: &str, ratio, told: String| vec![name.to_owned(), percent(ratio), told];
    vec![
        row("completeness", of.completeness(), parts(&[("what is required", of.required), ("what is usual", of.recommended)])),
        row("correctness", of.correctness(), parts(&[("no orphan", of.related), ("seen of late", of.fresh), ("there once", of.unique)])),
        row("compliance", of.compliance(), parts(&[("no policy broken", of.policies), ("in sync", of.in_sync)])),
        row("score", of.score(), format!("the mean, over {}", count(of.items, "item"))),
    ]
}

/// The groups, the worst first.
fn by(style: Style, title: &str, groups: &[Group], all: bool) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&Group> = groups.iter().collect();
    let score = |group: &Group| group.indicators.score().unwrap_or(2.0);
    sorted.sort_by(|one, other| score(one).total_cmp(&score(other)).then_with(|| one.name.cmp(&other.name)));
    let shown = if all { sorted.len() } else { GROUPS };
    let rows: Vec<Vec<String>> = sorted
        .iter()
        .take(shown)
        .map(|group| {
            let of = &group.indicators;
            let name = group.name.as_ref().map_or_else(|| "(none)".to_owned(), |name| markdown::one_line(name));
            vec![name, of.items.to_string(), percent(of.score()), percent(of.completeness()), percent(of.correctness()), percent(of.compliance()), in_sync(of)]
        })
        .collect();
    let mut text = heading(style, &format!("By {title}"));
    text.push_str(&table::table(style, &[title, "items", "score", "completeness", "correctness", "compliance", "in sync"], &rows));
    if sorted.len() > shown {
        text.push_str(&format!("… and {} more (--all shows them)\n", sorted.len() - shown));
    }
    text.push('\n');
    text
}

fn in_sync(of: &Indicators) -> String {
    if of.in_sync.of == 0 { "–".to_owned() } else { format!("{} of {}", of.in_sync.well, of.in_sync.of) }
}

/// `87%`; a dash where nothing can be said. Only the whole is 100%.
fn percent(ratio: Option<f64>) -> String {
    let Some(ratio) = ratio else { return "–".to_owned() };
    let rounded = (ratio * 100.0).round();
    let shown = if ratio < 1.0 { rounded.min(99.0) } else { rounded };
    format!("{shown}%")
}

fn not_counted(health: &Health) -> String {
    let mut told = Vec::new();
    if health.not_in_service > 0 {
        told.push(format!("{} Planned or Retired", count(health.not_in_service, "item")));
    }
    if health.unreadable > 0 {
        told.push(format!("{} that cannot be read (`bowline check` says why)", count(health.unreadable, "document")));
    }
    if told.is_empty() { String::new() } else { format!("Not counted: {}.\n", told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn only_the_whole_is_a_hundred_percent() {
        let shown = [None, Some(0.0), Some(0.004), Some(0.5), Some(0.9999), Some(1.0)].map(percent);
        assert_eq!(shown, ["–", "0%", "0%", "50%", "99%", "100%"]);
    }
}
