//! Series as a scrape gets them.

use super::*;
use crate::drift::Finding;
use crate::plan::{SourceReport, Summary};

fn plan(sources: &[(&str, bool, usize)]) -> Plan {
    let report = |(name, complete, items): &(&str, bool, usize)| SourceReport { name: (*name).into(), complete: *complete, items: *items, error: None };
    Plan {
        api_version: crate::api::API_VERSION,
        kind: "Plan",
        estate: "harbour".into(),
        revision: None,
        at: "2026-11-25T08:00:00Z".parse().unwrap(),
        summary: Summary { declared: 7, ..Summary::default() },
        sources: sources.iter().map(report).collect(),
        findings: Vec::<Finding>::new(),
        changes: Vec::new(),
        diagnostics: Vec::new(),
        absences: crate::drift::Absences::default(),
        ties: crate::discovery::Ties::new(),
    }
}

fn text(metrics: &Metrics) -> String {
    metrics.render(Exposition::Prometheus)
}

fn at() -> Timestamp {
    "2026-11-25T08:00:00Z".parse().unwrap()
}

#[test]
fn a_new_process_tells_its_version_and_nothing_else() {
    let version = env!("CARGO_PKG_VERSION");
    let expected =
        format!("# HELP bowline_build_info The version of Bowline.\n# TYPE bowline_build_info gauge\nbowline_build_info{{version=\"{version}\"}} 1\n");
    assert_eq!(text(&Metrics::new()), expected);
}

#[test]
fn what_a_pass_found_and_did_has_series() {
    let metrics = Metrics::new();
    metrics.discovered("harbour", &"vcenter".into(), Duration::from_millis(300));
    metrics.planned("harbour", &plan(&[("vcenter", true, 12), ("dns", false, 0)]));
    metrics.settled("harbour", [&Standing::Proposed, &Standing::Proposed, &Standing::Waiting { reason: String::new() }]);
    metrics.passed("harbour", Outcome::Success, Duration::from_secs(2), at());
    metrics.lease("harbour", true);
    let text = text(&metrics);
    for line in [
        "bowline_changes{estate=\"harbour\",phase=\"Proposed\"} 2",
        "bowline_changes{estate=\"harbour\",phase=\"Waiting\"} 1",
        "bowline_changes{estate=\"harbour\",phase=\"Rejected\"} 0",
        "bowline_items_declared{estate=\"harbour\"} 7",
        "bowline_lease_held{estate=\"harbour\"} 1",
        "bowline_last_success_timestamp_seconds{estate=\"harbour\"} 1795593600",
        "bowline_source_complete{estate=\"harbour\",source=\"vcenter\"} 1",
        "bowline_source_complete{estate=\"harbour\",source=\"dns\"} 0",
        "bowline_source_items{estate=\"harbour\",source=\"vcenter\"} 12",
        "bowline_discovery_duration_seconds_bucket{estate=\"harbour\",source=\"vcenter\",le=\"0.1\"} 0",
        "bowline_discovery_duration_seconds_bucket{estate=\"harbour\",source=\"vcenter\",le=\"0.5\"} 1",
        "bowline_discovery_duration_seconds_bucket{estate=\"harbour\",source=\"vcenter\",le=\"+Inf\"} 1",
        "bowline_reconcile_duration_seconds_count{estate=\"harbour\",outcome=\"success\"} 1",
        "bowline_reconcile_duration_seconds_sum{estate=\"harbour\",outcome=\"success\"} 2.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n in\n{text}");
    }
    assert!(metrics.render(Exposition::OpenMetrics).ends_with("# EOF\n"));
}

#[test]
fn what_is_gone_has_no_series_any_more() {
    let metrics = Arc::new(Metrics::new());
    metrics.discovered("harbour", &"vcenter".into(), Duration::from_millis(300));
    metrics.planned("harbour", &plan(&[("vcenter", true, 12)]));
    metrics.planned("harbour", &plan(&[("dns", true, 1)]));
    assert!(!text(&metrics).contains("vcenter"), "a source that was taken away");
    let (method, quota) = (http::Method::GET, None);
    metrics.forge("harbour").heard(&Exchanged { forge: "GitHub", method: &method, status: Some(200), quota });
    metrics.forget("harbour");
    assert!(!text(&metrics).contains("harbour"), "an estate that was taken away");
}

#[test]
fn requests_to_forges_are_counted_by_class_and_their_quota_is_told() {
    let metrics = Arc::new(Metrics::new());
    let ear = metrics.forge("shop/harbour");
    let quota = crate::forge::hosted::exchange::Quota { limit: 5000, remaining: 4321, reset: at() };
    let (get, odd) = (http::Method::GET, http::Method::from_bytes(b"PROPFIND").unwrap());
    for (method, status, quota) in [(&get, Some(200), Some(quota)), (&get, Some(204), None), (&get, Some(403), None), (&odd, None, None)] {
        ear.heard(&Exchanged { forge: "GitHub", method, status, quota });
    }
    let text = text(&metrics);
    for line in [
        "bowline_forge_requests_total{estate=\"shop/harbour\",forge=\"GitHub\",method=\"GET\",code=\"2xx\"} 2",
        "bowline_forge_requests_total{estate=\"shop/harbour\",forge=\"GitHub\",method=\"GET\",code=\"4xx\"} 1",
        "bowline_forge_requests_total{estate=\"shop/harbour\",forge=\"GitHub\",method=\"other\",code=\"none\"} 1",
        "bowline_forge_quota_limit{estate=\"shop/harbour\",forge=\"GitHub\"} 5000",
        "bowline_forge_quota_remaining{estate=\"shop/harbour\",forge=\"GitHub\"} 4321",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n in\n{text}");
    }
}

#[test]
fn past_so_many_estates_and_sources_the_rest_is_one_series() {
    let metrics = Metrics::new();
    for number in 0..MOST_ESTATES + 3 {
        metrics.passed(&format!("estate-{number:04}"), Outcome::Failure, Duration::from_secs(1), at());
    }
    let before = text(&metrics);
    assert_eq!(before.matches("_count{").count(), MOST_ESTATES + 1);
    assert!(before.contains("bowline_reconcile_duration_seconds_count{estate=\"other\",outcome=\"failure\"} 3"));
    metrics.forget("estate-0000");
    assert!(text(&metrics).contains("bowline_reconcile_duration_seconds_count{estate=\"other\",outcome=\"failure\"} 2"), "the next moves up");

    let metrics = Metrics::new();
    let names: Vec<String> = (0..MOST_SOURCES + 2).map(|number| format!("source-{number:04}")).collect();
    let last = names.len() - 1;
    let sources: Vec<(&str, bool, usize)> = names.iter().enumerate().map(|(index, name)| (name.as_str(), index != last, 1)).collect();
    metrics.planned("harbour", &plan(&sources));
    let text = text(&metrics);
    assert_eq!(text.matches("bowline_source_items{").count(), MOST_SOURCES + 1);
    assert!(text.contains("bowline_source_items{estate=\"harbour\",source=\"other\"} 2"));
    assert!(text.contains("bowline_source_complete{estate=\"harbour\",source=\"other\"} 0"), "of several the worst stands");
}

#[test]
fn a_name_breaks_no_line_and_is_cut() {
    let metrics = Metrics::new();
    metrics.lease(&format!("a\"b\\c\nd{}", "x".repeat(1000)), false);
    let text = text(&metrics);
    let line = text.lines().find(|line| line.starts_with("bowline_lease_held{")).unwrap();
    assert!(line.contains(r#"a\"b\\c\nd"#) && line.ends_with(" 0") && line.len() < 300, "{line}");
}

#[test]
fn prometheus_gets_the_format_that_it_asks_for() {
    let accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.2";
    assert_eq!(Exposition::wanted(accept), Exposition::OpenMetrics);
    assert_eq!(Exposition::wanted("*/*"), Exposition::Prometheus);
    assert_eq!(Exposition::wanted(""), Exposition::Prometheus);
}

/// A record of so many items, half of them complete, in groups of these names and sizes.
fn record(groups: &[(Option<&str>, usize)]) -> Health {
    use crate::health::{Group, Indicators, Share};
    let of =
        |items: usize| Indicators { items, required: Share { well: items / 2, of: items }, in_sync: Share { well: items, of: items }, ..Indicators::default() };
    let groups: Vec<Group> = groups.iter().map(|(name, items)| Group { name: name.map(Text::from), indicators: of(*items) }).collect();
    let total = groups.iter().map(|group| group.indicators.items).sum();
    Health { total: of(total), classes: groups.clone(), owners: groups, ..Health::default() }
}

#[test]
fn the_health_of_a_record_has_series_as_a_whole_and_by_class_owner_and_service() {
    let metrics = Metrics::new();
    metrics.health("harbour", &record(&[(None, 2), (Some("team-a"), 4)]));
    let text = text(&metrics);
    for line in [
        "bowline_health_ratio{estate=\"harbour\",indicator=\"completeness\"} 0.5",
        "bowline_health_ratio{estate=\"harbour\",indicator=\"compliance\"} 1.0",
        "bowline_health_by_class_ratio{estate=\"harbour\",class=\"team-a\",indicator=\"completeness\"} 0.5",
        "bowline_health_by_owner_ratio{estate=\"harbour\",owner=\"\",indicator=\"completeness\"} 0.5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n in\n{text}");
    }
    assert!(!text.contains("correctness"), "of what nothing can be said there is no series");
    assert!(!text.contains("by_service"));
}

#[test]
fn of_many_groups_the_largest_have_series_and_no_series_is_there_twice() {
    let names: Vec<String> = (0..MOST_GROUPS + 5).map(|number| format!("class-{number:03}")).collect();
    let long = "x".repeat(300);
    let twins = [format!("{long}1"), format!("{long}2")];
    let mut groups: Vec<(Option<&str>, usize)> = names.iter().enumerate().map(|(number, name)| (Some(name.as_str()), 100 - number)).collect();
    groups.extend([(Some(OTHER), 1), (Some(twins[0].as_str()), 500), (Some(twins[1].as_str()), 500)]);
    let metrics = Metrics::new();
    metrics.health("harbour", &record(&groups));
    let text = text(&metrics);
    let series: Vec<&str> = text.lines().filter(|line| line.starts_with("bowline_health_by_class_ratio{") && line.contains("completeness")).collect();
    assert_eq!(series.len(), MOST_GROUPS + 1, "{series:#?}");
    let mut keys: Vec<&str> = series.iter().filter_map(|line| line.rsplit_once(' ')).map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), series.len());
    assert!(text.contains("class=\"class-000\"") && !text.contains("class=\"class-024\""));
}

#[test]
fn the_health_of_estates_past_the_bound_is_one() {
    let metrics = Metrics::new();
    for number in 0..MOST_ESTATES + 2 {
        metrics.health(&format!("estate-{number:04}"), &record(&[(Some("server"), 2)]));
    }
    let text = text(&metrics);
    assert_eq!(text.lines().filter(|line| line.starts_with("bowline_health_ratio{") && line.contains("completeness")).count(), MOST_ESTATES + 1);
    assert!(text.contains("bowline_health_by_class_ratio{estate=\"other\",class=\"server\",indicator=\"completeness\"} 0.5"));
}
