//! The definitions in the Kubernetes API, held to the real API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "kubernetes_definitions/network.rs"]
mod network;
mod peers;
#[path = "kubernetes_definitions/rules.rs"]
mod rules;
mod support;

use std::path::Path;

use bowline::api::change_request::Phase;
use bowline::api::{Kind, definitions};
use peers::kube::Kube;
use serde_json::{Value, json};

const GROUP: &str = "/apis/bowline.dev/v1alpha1";

/// The server with Bowline's kinds; none where it cannot be had.
fn kube() -> Option<Kube> {
    let kube = Kube::start()?;
    kube.install_definitions();
    Some(kube)
}

/// One document of each kind, and the status that it is shown with.
fn examples() -> Vec<(Kind, &'static str, Value)> {
    let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-11-25T10:00:00Z"});
    let ready = || json!({"conditions": [condition("Ready", "True", "Accepted")]});
    vec![
        (
            Kind::Estate,
            "spec: {interval: 10m}",
            json!({"conditions": [condition("Ready", "False", "AnswerIncomplete"), condition("Stalled", "False", "Idle")],
                "findingCount": 12, "openChanges": 3, "declared": 120, "lastAppliedRevision": "main@9f2c", "discovered": 118,
                "waitingChanges": 0, "problemCount": 0}),
        ),
        (
            Kind::ConfigurationItem,
            "spec: {class: virtual-machine, owner: team-a, identifiers: {dns/fqdn: a.example}, attributes: {cpus: 4, os: {name: debian}}}",
            json!({"conditions": [condition("Ready", "True", "Accepted"), condition("InSync", "False", "Drifted"), condition("Compliant", "True", "NoViolation")],
                "drift": "memory, os.version", "findingCount": 2}),
        ),
        (Kind::CIClass, "spec: {extends: server, description: What stands at the quay}", ready()),
        (Kind::ServiceMap, "spec: {criticality: Critical, owner: team-a}", ready()),
        (
            Kind::CertificatePolicy,
            "spec: {selector: {all: true}}",
            json!({"conditions": [condition("Ready", "True", "Accepted"), condition("Compliant", "False", "Violation")], "findingCount": 4}),
        ),
        (
            Kind::PatchWindow,
            "spec: {selector: {all: true}, start: '2026-01-04T02:00:00', duration: 4h, recurrence: FREQ=WEEKLY, timeZone: Europe/Zurich}",
            ready(),
        ),
        (Kind::DiscoverySource, "spec: {host: {}}", json!({"conditions": [condition("Ready", "True", "Reconciled")], "complete": true, "items": 118})),
        (
            Kind::ChangeRequest,
            "spec: {title: Enforce memory of web-1, services: [{name: berth-booking, effect: AtRisk}, {name: customs, effect: Down}], risk: {level: High, score: 72}, \
             schedule: {window: sunday, start: '2026-11-29T02:00:00+01:00[Europe/Zurich]', end: '2026-11-29T05:00:00+01:00[Europe/Zurich]'}}",
            json!({"phase": "Proposed", "url": "https://git.example/ops/estate/pulls/7", "services": "berth-booking, customs"}),
        ),
    ]
}

/// A new namespace with an example of each kind, named `example`, and its status.
fn populated(kube: &Kube) -> String {
    let namespace = kube.namespace();
    for (kind, spec, status) in examples() {
        kube.apply(&format!("apiVersion: bowline.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: example, namespace: {namespace}}}\n{spec}\n"));
        let (answered, answer) = kube.api("PATCH", &format!("{}/status", path(&namespace, kind)), Some(&json!({"status": status})));
        assert_eq!(answered, 200, "{kind}: {answer}");
    }
    namespace
}

fn plural(kind: Kind) -> String {
    definitions::definition(kind).spec.names.plural
}

fn path(namespace: &str, kind: Kind) -> String {
    format!("{GROUP}/namespaces/{namespace}/{}/example", plural(kind))
}

#[test]
fn every_definition_is_established_and_structural() {
    let Some(kube) = kube() else { return };
    for kind in Kind::ALL {
        let (_, found) = kube.api("GET", &format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{}.bowline.dev", plural(kind)), None);
        let mut conditions: Vec<(&str, &str)> = found["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|condition| (condition["type"].as_str().unwrap_or_default(), condition["status"].as_str().unwrap_or_default()))
            .collect();
        conditions.sort_unstable();
        // A schema that is not structural has the condition NonStructuralSchema.
        assert_eq!(conditions, [("Established", "True"), ("NamesAccepted", "True")], "{kind}: {found}");
    }
}

#[test]
fn a_definition_can_be_applied_on_the_client_side_too() {
    let Some(kube) = kube() else { return };
    for kind in Kind::ALL {
        let text = serde_json::to_string(&definitions::definition(kind)).unwrap();
        // kubectl apply keeps the whole text in an annotation, and annotations have 262,144 bytes: argo-cd#8128, #26265.
        assert!(text.len() < 262_144 / 4, "{kind}: {}", text.len());
        kube.kubectl_with("admin", &["apply", "--dry-run=server", "-f", "-"], &text).ok();
    }
}

#[test]
fn kubectl_get_bowline_shows_every_kind_and_every_kind_has_its_short_name() {
    let Some(kube) = kube() else { return };
    let namespace = populated(&kube);
    let all = kube.kubectl(&["get", "bowline", "-n", &namespace, "-o", "name"]).ok();
    assert_eq!(all.lines().count(), Kind::ALL.len(), "{all}");
    let short = [
        ("est", Kind::Estate),
        ("ci", Kind::ConfigurationItem),
        ("cic", Kind::CIClass),
        ("svcmap", Kind::ServiceMap),
        ("certpol", Kind::CertificatePolicy),
        ("pw", Kind::PatchWindow),
        ("dsrc", Kind::DiscoverySource),
        ("chg", Kind::ChangeRequest),
    ];
    for (name, kind) in short {
        let said = kube.kubectl(&["get", name, "-n", &namespace, "-o", "name"]).ok();
        assert_eq!(said.trim(), format!("{}.bowline.dev/example", kind.name().to_lowercase()));
    }
}

/// A table of kubectl's, its cells apart by bars. Ages and the width of columns change from run to run.
fn cells(table: &str) -> String {
    let header = table.lines().next().unwrap_or_default();
    let names: Vec<&str> = header.split("  ").map(str::trim).filter(|name| !name.is_empty()).collect();
    let starts: Vec<usize> = names
        .iter()
        .scan(0, |from, name| {
            *from += header[*from..].find(name)?;
            Some(std::mem::replace(from, *from + name.len()))
        })
        .collect();
    let row = |line: &str| {
        let cell = |place: usize| line.get(starts[place]..*starts.get(place + 1).unwrap_or(&line.len())).unwrap_or_default().trim();
        let shown = |place: usize| if names[place] == "AGE" && line != header { "<age>" } else { cell(place) };
        (0..names.len()).map(shown).collect::<Vec<_>>().join(" | ").trim_end().to_owned()
    };
    table.lines().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_columns_of_every_kind_answer_what_is_asked_of_it() {
    let Some(kube) = kube() else { return };
    let namespace = populated(&kube);
    let table = |kind: Kind, more: &[&str]| cells(&kube.kubectl(&[&["get", &plural(kind), "-n", &namespace], more].concat()).ok());
    let all: Vec<String> = Kind::ALL.into_iter().map(|kind| table(kind, &[])).collect();
    insta::assert_snapshot!("columns", all.join("\n\n"));
    let wide: Vec<String> = Kind::ALL.into_iter().map(|kind| table(kind, &["-o", "wide"])).collect();
    insta::assert_snapshot!("wide_columns", wide.join("\n\n"));
}

#[test]
fn items_and_requests_are_found_by_what_matters_of_them() {
    let Some(kube) = kube() else { return };
    let namespace = populated(&kube);
    let found = |kind: &str, selector: &str| kube.kubectl(&["get", kind, "-n", &namespace, "--field-selector", selector, "-o", "name"]).ok().lines().count();
    for (kind, yes, no) in [
        ("ci", "spec.class=virtual-machine", "spec.class=server"),
        ("ci", "spec.owner=team-a", "spec.owner=team-b"),
        ("ci", "spec.lifecycle=Operational", "spec.lifecycle!=Operational"),
        ("chg", "status.phase=Proposed", "status.phase=Closed"),
        ("chg", "spec.risk.level=High", "spec.risk.level=Low"),
    ] {
        assert_eq!((found(kind, yes), found(kind, no)), (1, 0), "{yes}, {no}");
    }
}

#[test]
fn kubectl_explain_says_what_a_field_is() {
    let Some(kube) = kube() else { return };
    for (field, wanted) in [
        ("ci", "One configuration item (CI)"),
        ("ci.spec.identifiers", "Its name in every other tool"),
        ("chg.spec.risk.level", "The level that the score stands for"),
        ("dsrc.spec.map.attributes", "Attributes."),
        ("est.status.conditions", "How it is"),
    ] {
        // The server publishes a new definition's words a moment after it serves it.
        let begun = std::time::Instant::now();
        let mut said = kube.kubectl(&["explain", field]);
        while !said.success && begun.elapsed().as_secs() < 60 {
            std::thread::sleep(std::time::Duration::from_millis(500));
            said = kube.kubectl(&["explain", field]);
        }
        let said = said.ok().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(wanted), "{field}: {said}");
    }
}

/// The documents of the example, each by its file.
fn harbour() -> Vec<String> {
    fn collect(folder: &Path, found: &mut Vec<String>) {
        let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in entries {
            if entry.is_dir() {
                collect(&entry, found);
            } else if entry.extension().is_some_and(|ending| ending == "yaml") {
                found.push(entry.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/harbour"), &mut found);
    found
}

#[test]
fn every_document_of_the_example_is_taken_by_apply_on_either_side() {
    let Some(kube) = kube() else { return };
    let files = harbour();
    let written: usize = files.iter().map(|file| std::fs::read_to_string(file).unwrap().matches("\nkind: ").count()).sum();
    for side in [&["--server-side"][..], &[]] {
        let namespace = kube.namespace();
        let mut arguments = vec!["apply", "-n", &namespace];
        arguments.extend(side);
        for file in &files {
            arguments.extend(["-f", file.as_str()]);
        }
        kube.kubectl(&arguments).ok();
        let there = kube.kubectl(&["get", "bowline", "-n", &namespace, "-o", "name"]).ok();
        assert_eq!(there.lines().count(), written, "{there}");
        // Applied again, nothing changes.
        let again = kube.kubectl(&arguments).ok();
        let unchanged = if side.is_empty() { " unchanged" } else { " serverside-applied" };
        assert!(again.lines().all(|line| line.ends_with(unchanged)), "{again}");
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let Some(kube) = kube() else { return };
    let namespace = populated(&kube);
    let spec = |kind: Kind| kube.api("GET", &path(&namespace, kind), None).1["spec"].clone();
    let estate = spec(Kind::Estate);
    assert_eq!(estate["changes"]["groupBy"], json!(["Owner", "Service"]));
    assert_eq!((&estate["changes"]["maxOpen"], &estate["changes"]["maxPerHour"]), (&json!(10), &json!(20)));
    assert_eq!(estate["safety"]["massAbsence"], "20%");
    assert_eq!(spec(Kind::ConfigurationItem)["lifecycle"], "Operational");
    assert_eq!(spec(Kind::PatchWindow)["effect"], "Allow");
    assert_eq!(spec(Kind::ChangeRequest)["type"], "Normal");
    assert_eq!(spec(Kind::CertificatePolicy)["dnsNames"]["wildcards"], "Allow");
}

#[test]
fn free_values_are_kept_as_they_are() {
    let Some(kube) = kube() else { return };
    let namespace = kube.namespace();
    let attributes = json!({"cpus": 4, "load": 0.5, "on": true, "os": {"name": "debian", "versions": ["12", {"deep": [1, "a"]}]}, "tags": [], "none": {}});
    let item = json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "ConfigurationItem", "metadata": {"name": "example"},
        "spec": {"class": "server", "attributes": attributes}});
    let collection = format!("{GROUP}/namespaces/{namespace}/configurationitems?fieldValidation=Strict");
    let (status, answer) = kube.api("POST", &collection, Some(&item));
    assert_eq!(status, 201, "{answer}");
    assert_eq!(kube.api("GET", &path(&namespace, Kind::ConfigurationItem), None).1["spec"]["attributes"], attributes);
    let class = json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "CIClass", "metadata": {"name": "example"},
        "spec": {"attributes": {"type": "object", "properties": {"berth": {"type": "string", "x-bowline": {"compare": "CaseInsensitive"}}}}}});
    let (status, answer) = kube.api("POST", &format!("{GROUP}/namespaces/{namespace}/ciclasses?fieldValidation=Strict"), Some(&class));
    assert_eq!(status, 201, "{answer}");
    assert_eq!(kube.api("GET", &path(&namespace, Kind::CIClass), None).1["spec"], class["spec"]);
}

#[test]
fn spec_and_status_are_written_apart() {
    let Some(kube) = kube() else { return };
    let namespace = populated(&kube);
    for (kind, _, _) in examples() {
        let at = path(&namespace, kind);
        let before = kube.api("GET", &at, None).1;
        // Through the status, the spec stays; beside it, the status does.
        let mut changed = before.clone();
        changed["spec"] = json!({"class": "other", "selector": {"all": false}, "start": "2030-01-01T00:00:00", "duration": "1h", "host": {}});
        let (status, answer) = kube.api("PUT", &format!("{at}/status"), Some(&changed));
        assert_eq!(status, 200, "{kind}: {answer}");
        assert_eq!(answer["spec"], before["spec"], "{kind}");
        assert_eq!(answer["metadata"]["generation"], before["metadata"]["generation"], "{kind}");
        let (status, answer) = kube.api("PATCH", &at, Some(&json!({"status": null, "metadata": {"labels": {"a": "b"}}})));
        assert_eq!(status, 200, "{kind}: {answer}");
        assert_eq!(answer["status"], before["status"], "{kind}");
    }
}

#[test]
fn an_unknown_field_is_refused_by_kubectl_and_dropped_where_nobody_asks() {
    let Some(kube) = kube() else { return };
    let namespace = kube.namespace();
    let yaml = format!(
        "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: example, namespace: {namespace}}}\nspec: {{class: server, onwer: team-a}}\n"
    );
    for side in [&["--server-side"][..], &[]] {
        let said = kube.kubectl_with("admin", &[&["apply", "-f", "-"], side].concat(), &yaml).refused();
        assert!(said.contains("onwer"), "{said}");
    }
    kube.kubectl_with("admin", &["apply", "--validate=false", "-f", "-"], &yaml).ok();
    let found = kube.api("GET", &path(&namespace, Kind::ConfigurationItem), None).1;
    assert_eq!(found["spec"], json!({"class": "server", "lifecycle": "Operational"}));
}

#[test]
fn a_group_is_named_once() {
    let Some(kube) = kube() else { return };
    let namespace = kube.namespace();
    let yaml = format!(
        "apiVersion: bowline.dev/v1alpha1\nkind: ServiceMap\nmetadata: {{name: example, namespace: {namespace}}}\n\
         spec: {{groups: [{{name: web, members: [a]}}, {{name: web, members: [b]}}]}}\n"
    );
    let said = kube.kubectl_with("admin", &["apply", "-f", "-"], &yaml).refused();
    assert!(said.contains("spec.groups[1]") && said.contains("Duplicate value") && said.contains("web"), "{said}");
    kube.apply(&yaml.replacen("name: web", "name: app", 1));
}

#[test]
fn two_writers_each_keep_the_conditions_that_they_wrote() {
    let Some(kube) = kube() else { return };
    let namespace = populated(&kube);
    let write = |manager: &str, conditions: &[(&str, &str)]| {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status)| json!({"type": kind, "status": status, "reason": "Tried", "message": "", "lastTransitionTime": "2026-11-25T11:00:00Z"}))
            .collect();
        let object = json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "ConfigurationItem", "metadata": {"name": "example", "namespace": namespace},
            "status": {"conditions": conditions}});
        let manager = format!("--field-manager={manager}");
        kube.kubectl_with("admin", &["apply", "--server-side", "--subresource=status", "--force-conflicts", &manager, "-f", "-"], &object.to_string()).ok();
    };
    let there = || -> Vec<(String, String)> {
        let found = kube.api("GET", &path(&namespace, Kind::ConfigurationItem), None).1;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all: Vec<_> = found["status"]["conditions"].as_array().unwrap().iter().map(|it| (word(&it["type"]), word(&it["status"]))).collect();
        all.sort();
        all
    };
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(kind, status)| ((*kind).to_owned(), (*status).to_owned())).collect::<Vec<_>>();
    write("bowline", &[("Ready", "False"), ("Discovered", "True")]);
    write("other", &[("Checked", "True")]);
    write("bowline", &[("Ready", "True")]);
    assert_eq!(there(), pairs(&[("Checked", "True"), ("Compliant", "True"), ("InSync", "False"), ("Ready", "True")]));
}

#[test]
fn what_bowline_writes_into_its_branches_is_taken() {
    let Some(kube) = kube() else { return };
    let place = support::Place::harbour();
    place.bowline(&["reconcile", ".", "--at", support::AT]).ends_with(0);
    let branches = place.git(&["branch", "--list", "bowline/*", "--format", "%(refname:short)"]);
    assert!(branches.lines().count() > 2, "{branches}");
    for branch in branches.lines() {
        let namespace = kube.namespace();
        let files = place.git(&["diff", "--name-only", "--diff-filter=d", "main", branch]);
        assert!(files.contains("changes/"), "{branch}: {files}");
        for file in files.lines() {
            let text = place.git(&["show", &format!("{branch}:{file}")]);
            kube.kubectl_with("admin", &["apply", "--server-side", "-n", &namespace, "-f", "-"], &text).ok();
        }
    }
}

#[test]
fn what_was_approved_is_not_rewritten_until_it_is_proposed_anew() {
    let Some(kube) = kube() else { return };
    let namespace = populated(&kube);
    let at = path(&namespace, Kind::ChangeRequest);
    let phase = |phase: Phase| {
        let (status, answer) = kube.api("PATCH", &format!("{at}/status"), Some(&json!({"status": {"phase": phase}})));
        assert_eq!(status, 200, "{phase:?}: {answer}");
    };
    let mut score = 10;
    let mut rewrite = |change: &dyn Fn(u32) -> Value| {
        score += 1;
        let (status, answer) = kube.api("PATCH", &at, Some(&json!({"spec": change(score)})));
        (status, answer["message"].as_str().unwrap_or_default().to_owned())
    };
    let points = |score: u32| json!({"risk": {"score": score}});
    let value = |score: u32| json!({"actions": [{"kind": "Enforce", "item": "web-1", "to": {"memory": score}}]});
    for each in Phase::ALL {
        phase(each);
        for change in [&points as &dyn Fn(u32) -> Value, &value] {
            let (status, message) = rewrite(change);
            if each.is_approved() {
                assert_eq!(status, 422, "{each:?}");
                assert!(message.contains("spec: Forbidden: what was approved is not rewritten"), "{message}");
            } else {
                assert_eq!(status, 200, "{each:?}: {message}");
            }
        }
        // Labels are no part of what was approved.
        assert_eq!(kube.api("PATCH", &at, Some(&json!({"metadata": {"labels": {"phase": each}}}))).0, 200);
    }
    phase(Phase::Closed);
    phase(Phase::Proposed);
    assert_eq!(rewrite(&points).0, 200);
    phase(Phase::Approved);
    assert_eq!(kube.api("DELETE", &at, None).0, 200, "deleting one by hand does no harm");
}
