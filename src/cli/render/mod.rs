//! How results look: on a terminal and as Markdown.

pub mod diagnostics;
pub mod findings;
pub mod plan;
pub mod progress;
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
