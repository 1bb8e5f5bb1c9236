//! How results look: on a terminal and as Markdown.

pub mod bounded;
pub mod diagnostics;
pub mod difference;
pub mod findings;
pub mod github;
pub mod health;
pub mod identity;
pub mod import;
pub mod items;
pub mod plan;
pub mod progress;
pub mod review;
pub mod sarif;
pub mod table;

use bowline::api::change_request::{EffectOnService, RiskLevel};
use bowline::drift::{FindingKind, Severity};

use super::options::Style;

/// `1 item`, `2 items`.
pub fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ if one.ends_with('y') && !one.ends_with("ey") => format!("{number} {}ies", &one[..one.len() - 1]),
        _ => format!("{number} {one}s"),
    }
}

/// Text of others on its way into a format that is not for eyes: no control character but the line feed, none that changes
/// the direction of writing or is not seen, and at most `longest` characters.
pub fn harmless(text: &str, longest: usize) -> String {
    let unseen = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut safe: String = text.chars().take(longest).map(|c| if unseen(c) { ' ' } else { c }).collect();
    if text.chars().nth(longest).is_some() {
        safe.push('…');
    }
    safe
}

/// The colour of a finding's kind.
pub fn kind_code(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Missing | FindingKind::Certificate => "31",
        FindingKind::Undeclared => "32",
        FindingKind::Changed | FindingKind::Relation => "33",
        FindingKind::MassAbsence | FindingKind::Ambiguous | FindingKind::Duplicate | FindingKind::Conflict => "35",
        FindingKind::Lingering | FindingKind::Stale => "36",
    }
}

/// A sign before a finding, as people know it from `diff` and Terraform.
pub fn sign(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Missing => "-",
        FindingKind::Undeclared => "+",
        FindingKind::Changed | FindingKind::Relation => "~",
        FindingKind::Lingering | FindingKind::Stale => "?",
        _ => "!",
    }
}

/// An effect in its colour.
pub fn effect(style: Style, effect: EffectOnService) -> String {
    let code = match effect {
        EffectOnService::Down => "31",
        EffectOnService::Degraded => "33",
        EffectOnService::AtRisk => "36",
    };
    style.paint(code, bowline::change::effect_name(effect))
}

/// A level of risk in its colour.
pub fn risk(style: Style, level: RiskLevel) -> String {
    let code = match level {
        RiskLevel::High => "31;1",
        RiskLevel::Moderate => "33",
        RiskLevel::Low => "32",
    };
    style.paint(code, bowline::change::body::level_name(level))
}

/// A severity as a word.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_as_english() {
        assert_eq!([count(0, "item"), count(1, "item"), count(2, "identity"), count(3, "key")], ["0 items", "1 item", "2 identities", "3 keys"]);
    }
}
