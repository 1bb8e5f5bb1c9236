//! How risky a change is: points with their reasons, so that a board can follow and contradict.

use crate::api::change_request::{EffectOnService, Risk, RiskFactor, RiskLevel};
use crate::api::{Criticality, OnDrift};
use crate::drift::FindingKind;
use crate::estate::Estate;
use crate::impact::Impact;

use super::group::Group;

/// From this score on a change is moderate.
const MODERATE: u32 = 30;
/// From this score on it is high.
const HIGH: u32 = 60;
/// Attributes whose change commonly needs the machine to be powered off or restarted.
const NEEDS_RESTART: [&str; 4] = ["attributes.cpus", "attributes.memory", "attributes.os", "attributes.firmware"];

/// Rates a group. Adopting changes nothing that runs, so only the record counts.
pub fn rate(estate: &Estate, group: &Group, impacts: &[Impact]) -> Risk {
    let mut factors = Vec::new();
    if group.action == OnDrift::Adopt {
        factors.push(factor("RecordOnly", 5, "only the estate's files change; nothing that runs is touched"));
    } else {
        factors.extend(services(estate, impacts));
        factors.extend(kinds_of_change(group));
    }
    factors.extend(spread(group));
    total(factors)
}

/// A change without a window is riskier: it would be made outside of what was agreed.
pub fn add_missing_window(risk: &mut Risk, reason: &str) {
    let mut factors = std::mem::take(&mut risk.factors);
    factors.push(factor("NoWindow", 15, reason));
    *risk = total(factors);
}

fn total(mut factors: Vec<RiskFactor>) -> Risk {
    factors.sort_by(|a, b| b.points.cmp(&a.points).then_with(|| a.name.cmp(&b.name)));
    let score = factors.iter().map(|factor| factor.points).sum::<u32>().min(100);
    let level = match score {
        HIGH.. => RiskLevel::High,
        MODERATE.. => RiskLevel::Moderate,
        _ => RiskLevel::Low,
    };
    Risk { level, score, factors }
}

fn factor(name: &str, points: u32, reason: &str) -> RiskFactor {
    RiskFactor { name: name.into(), points, reason: Some(reason.into()) }
}

/// The worst service counts: how much it matters, and how badly it is hurt.
fn services(estate: &Estate, impacts: &[Impact]) -> Vec<RiskFactor> {
    let criticality = |impact: &Impact| {
        let service = estate.services.iter().find(|service| service.name == impact.effect.name);
        service.map_or(Criticality::Medium, |service| service.spec.criticality)
    };
    let Some(worst) = impacts.iter().max_by_key(|impact| (criticality(impact), impact.effect.effect, std::cmp::Reverse(impact.effect.name.clone()))) else {
        return Vec::new();
    };
    let name = &worst.effect.name;
    let (factor_name, points): (_, u32) = match criticality(worst) {
        Criticality::Critical => ("CriticalService", 30),
        Criticality::High => ("HighService", 20),
        Criticality::Medium => ("MediumService", 10),
        Criticality::Low => ("LowService", 5),
    };
    // A service that goes on working counts half, one that does not counts in full.
    let points = if worst.effect.effect == EffectOnService::AtRisk { points.div_ceil(2) } else { points };
    let mut factors = vec![factor(factor_name, points, &format!("{name} stands on what is changed"))];
    factors.push(match worst.effect.effect {
        EffectOnService::Down => factor("NoRedundancy", 20, &format!("{name} is down while the change is made")),
        EffectOnService::AtRisk => factor("LastRedundancy", 10, &format!("{name} works, one more failure would take it down")),
        EffectOnService::Degraded => factor("ReducedCapacity", 6, &format!("{name} works with less than it is meant to have")),
    });
    if impacts.len() > 1 {
        factors.push(factor("SeveralServices", 5, &format!("{} services are touched", impacts.len())));
    }
    factors
}

fn kinds_of_change(group: &Group) -> Vec<RiskFactor> {
    let has = |kind: FindingKind| group.findings.iter().any(|finding| finding.kind == kind);
    let restart = group.findings.iter().find(|finding| {
        let path = finding.path.as_deref().unwrap_or_default();
        finding.kind == FindingKind::Changed
            && NEEDS_RESTART.iter().any(|known| path == *known || path.strip_prefix(known).is_some_and(|rest| rest.starts_with('.')))
    });
    let mut factors = Vec::new();
    if let Some(finding) = restart {
        let path = finding.path.as_deref().unwrap_or_default();
        factors.push(factor("MayNeedRestart", 15, &format!("{path} of {} may need a restart", finding.item)));
    }
    if has(FindingKind::Lingering) {
        factors.push(factor("HardToUndo", 20, "what is removed is not brought back by a revert"));
    }
    if has(FindingKind::Missing) {
        factors.push(factor("Rebuild", 15, "what is missing has to be built again"));
    }
    if has(FindingKind::Certificate) {
        factors.push(factor("CertificateReplaced", 8, "clients that pin the certificate must learn the new one"));
    }
    factors
}

fn spread(group: &Group) -> Option<RiskFactor> {
    let more = u32::try_from(group.items.len()).unwrap_or(u32::MAX).saturating_sub(1);
    (more > 0).then(|| factor("SeveralItems", (more.saturating_mul(2)).min(15), &format!("{} items are changed together", group.items.len())))
}
