//! A change request as plain as can be, for tests of forges; they say what matters to them: `Change { …, ..proposal(key) }`.

use bowline::api::change_request::{ChangePlan, ChangeType, Risk, RiskLevel};
use bowline::change::Change;

/// A change of the item `db` with this key that edits nothing.
pub fn proposal(key: &str) -> Change {
    Change {
        key: key.into(),
        fingerprint: "fp".into(),
        content: "c".into(),
        basis: "b".into(),
        owner: None,
        title: format!("Change {key}"),
        kind: ChangeType::Normal,
        risk: Risk { level: RiskLevel::Low, score: 10, factors: Vec::new() },
        items: vec!["db".into()],
        services: Vec::new(),
        schedule: None,
        findings: Vec::new(),
        actions: Vec::new(),
        conflicts: Vec::new(),
        plan: ChangePlan::default(),
        files: Vec::new(),
        body: String::new(),
    }
}
