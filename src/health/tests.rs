//! Each indicator, by what it says of an item.

use super::*;
use crate::discovery::{Answer, Discovered, Observation};
use crate::drift;
use crate::estate::{SourceFile, load};
use crate::identity;

const NOW: &str = "2026-11-25T00:00:00Z";

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: bowline.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n")
}

fn item(name: &str, spec: &str) -> String {
    document("ConfigurationItem", name, &format!("class: server, {spec}"))
}

/// A whole item: nothing is the matter with it but what a test makes so.
fn whole(name: &str, more: &str) -> String {
    item(name, &format!("owner: team, identifiers: {{asset/tag: tag-{name}}}, relations: [{{type: UsedBy, to: {name}}}]{more}"))
}

fn seen(name: &str, at: Option<&str>) -> Observation {
    Observation {
        key: name.into(),
        class: "server".into(),
        name: name.into(),
        identifiers: [("asset/tag", format!("tag-{name}").into())].into_iter().collect(),
        seen: at.map(|at| at.parse().unwrap()),
        ..Observation::default()
    }
}

fn of(documents: &[String], observations: Vec<Observation>) -> Health {
    let text: Text = documents.join("---\n").into();
    let source = document("DiscoverySource", "s", "file: {path: f.json}, scope: {all: true}");
    let files = vec![SourceFile { path: "a.yaml".into(), text }, SourceFile { path: "b.yaml".into(), text: source.into() }];
    let estate = load::load(files, None, Vec::new());
    let now: Timestamp = NOW.parse().unwrap();
    let answer = Answer { source: "s".into(), at: now, complete: true, evidence: "f.json".into(), items: observations, ..Answer::default() };
    let discovered = Discovered { answers: vec![answer], ..Discovered::default() };
    let correlation = identity::correlate(&estate, &discovered);
    let findings = drift::find(&estate, &discovered, &correlation, now);
    let inventory = Inventory::new(&estate, &discovered, &correlation, &findings, now);
    health(&estate, &inventory, &ServiceGraph::new(&estate), now)
}

fn share(well: usize, of: usize) -> Share {
    Share { well, of }
}

fn problems(health: &Health, item: &str) -> Vec<String> {
    health.worst.iter().find(|worst| &*worst.item == item).map(|worst| worst.problems.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn a_record_that_is_whole_scores_one() {
    let found = of(&[whole("a", ""), whole("b", "")], vec![seen("a", None), seen("b", None)]);
    assert_eq!(found.total.score(), Some(1.0));
    assert_eq!(found.worst, []);
    assert_eq!(found.total.recommended, share(0, 0), "nothing is usual of a class of two");
}

#[test]
fn required_are_an_owner_an_identifier_that_identifies_and_what_the_class_requires() {
    let class = document("CIClass", "rack", "extends: configuration-item, attributes: {type: object, required: [site]}");
    let rack = document("ConfigurationItem", "r", "class: rack, owner: team, identifiers: {asset/tag: r-1}, attributes: {site: ''}");
    let certificate = document("ConfigurationItem", "cert", "class: certificate, owner: t, attributes: {file: a.pem}");
    let found = of(
        &[
            class,
            certificate,
            whole("a", ""),
            item("b", "identifiers: {asset/tag: b-1}"),
            item("c", "owner: t, identifiers: {asset/tag: 'None'}"),
            item("d", ""),
            rack,
        ],
        vec![],
    );
    assert_eq!(found.total.required, share(2, 6), "a certificate is identified by its place");
    assert_eq!(problems(&found, "b")[0], "no owner");
    assert_eq!(problems(&found, "c")[0], "no identifier", "a placeholder is none");
    assert_eq!(problems(&found, "d")[..2], ["no owner", "no identifier"]);
    assert_eq!(problems(&found, "r")[0], "no site, which its class requires", "empty is absent");
}

#[test]
fn recommended_is_what_eight_of_ten_of_the_class_declare() {
    let with = |name: &str, attributes: &str| whole(name, &format!(", attributes: {{{attributes}}}"));
    let documents: Vec<String> = ["cpus: 4, rack: 1", "cpus: 4, rack: 2", "cpus: 4, rack: 3", "cpus: 4", "memory: 8Gi, rack: 4"]
        .iter()
        .enumerate()
        .map(|(number, attributes)| with(&format!("s{number}"), attributes))
        .collect();
    let found = of(&documents, vec![]);
    assert_eq!(found.total.recommended, share(3, 5), "four of five have cpus and rack; the memory of one is its own affair");
    assert_eq!(problems(&found, "s3"), ["no rack, which its like have"]);
    assert_eq!(problems(&found, "s4"), ["no cpus, which its like have"]);
    assert_eq!(of(&documents[1..], vec![]).total.recommended, share(0, 0), "of four, nothing is usual");
    let related = |name: &str, relations: &str| item(name, &format!("owner: t, identifiers: {{asset/tag: {name}}}, relations: [{relations}]"));
    let mut documents: Vec<String> = (0..4).map(|number| related(&format!("r{number}"), "{type: RunsOn, to: r4}, {type: RunsOn, to: r3}")).collect();
    documents.push(related("r4", ""));
    assert_eq!(problems(&of(&documents, vec![]), "r4"), ["no RunsOn, which its like have"], "relations by their type");
}

#[test]
fn an_orphan_has_no_relation_either_way_and_is_in_no_service() {
    let service = document("ServiceMap", "web", "dependencies: [{from: web, to: served}]");
    let bare = |name: &str| item(name, &format!("owner: t, identifiers: {{asset/tag: {name}}}"));
    let relates = item("relates", "owner: t, identifiers: {asset/tag: x}, relations: [{type: RunsOn, to: related}]");
    let found = of(&[service, bare("served"), bare("alone"), bare("related"), relates], vec![]);
    assert_eq!(found.total.related, share(3, 4));
    assert_eq!(problems(&found, "alone")[0], "orphan: no relation, in no service");
}

#[test]
fn stale_is_what_was_not_seen_for_sixty_days_and_what_was_never_seen_is_not_asked() {
    let seen_at = vec![seen("a", Some("2026-09-26T00:00:00Z")), seen("b", Some("2026-09-25T23:59:59Z"))];
    let found = of(&[whole("a", ""), whole("b", ""), whole("c", "")], seen_at);
    assert_eq!(found.total.fresh, share(1, 2));
    assert_eq!(problems(&found, "b"), ["stale: last seen 2026-09-25"]);
}

#[test]
fn unique_is_what_no_source_lists_twice_and_what_nothing_ambiguous_may_be() {
    let mut twin = seen("a", None);
    twin.key = "a-again".into();
    let found = of(&[whole("a", ""), whole("b", "")], vec![seen("a", None), twin, seen("b", None)]);
    assert_eq!(found.total.unique, share(1, 2));
    assert_eq!(problems(&found, "a"), ["duplicate: more than one of what was found may be it"]);
    // One that fits two items, which both have the same tag.
    let tag = |name: &str| item(name, "owner: t, identifiers: {asset/tag: tag-x}, relations: [{type: UsedBy, to: c}]");
    let found = of(&[tag("a"), tag("b"), whole("c", "")], vec![seen("x", None)]);
    assert_eq!(found.total.unique, share(1, 3));
}

#[test]
fn in_sync_is_asked_of_what_was_seen_or_is_missing() {
    let mut differs = seen("b", None);
    differs.attributes = [("cpus", crate::api::Value::from(8_u64))].into_iter().collect();
    let waits = whole("d", ", lifecycle: Deploying");
    let found = of(&[whole("a", ""), whole("b", ", attributes: {cpus: 4}"), whole("c", ""), waits], vec![seen("a", None), differs]);
    assert_eq!(found.total.in_sync, share(1, 3), "what is being deployed and was not seen is not asked");
    assert_eq!((problems(&found, "b"), problems(&found, "c")), (vec!["differs: cpus".to_owned()], vec!["missing".to_owned()]));
}

#[test]
fn a_broken_policy_is_told_by_its_rule_and_an_item_that_is_only_called_alike_is_spared() {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let certificate = |name: &str, more: &str| {
        document("ConfigurationItem", name, &format!("class: certificate, owner: t, relations: [{{type: UsedBy, to: {name}}}], {more}"))
    };
    let policy = document("CertificatePolicy", "tls", "selector: {all: true}, keys: [{algorithm: RSA, minBits: 4096}]");
    let observation = |name: &str, digest: &str| Observation {
        key: digest.into(),
        class: "certificate".into(),
        name: name.into(),
        identifiers: [("x509/sha256", digest.into())].into_iter().collect(),
        attributes: serde_yaml::from_str::<crate::api::Value>("{key: {algorithm: RSA, bits: 2048}}").unwrap().as_map().cloned().unwrap(),
        ..Observation::default()
    };
    let declared = certificate("cert", &format!("identifiers: {{x509/sha256: {digest}}}"));
    let found =
        of(&[declared, whole("web", ""), policy], vec![observation("cert", digest), observation("web", &digest.replace("9f", "8e")), seen("web", None)]);
    assert_eq!(found.total.policies, share(1, 2));
    assert!(problems(&found, "cert")[0].starts_with("breaks "), "{:?}", problems(&found, "cert"));
    assert_eq!(problems(&found, "web"), Vec::<String>::new());
}

#[test]
fn planned_and_retired_items_and_unreadable_documents_are_told_and_not_counted() {
    let planned = item("p", "lifecycle: Planned");
    let retired = item("r", "lifecycle: Retired");
    let unreadable = document("ConfigurationItem", "u", "class: no-such-class");
    let found = of(&[whole("a", ""), planned, retired, unreadable], vec![seen("a", None)]);
    assert_eq!((found.total.items, found.not_in_service, found.unreadable), (1, 2, 1));
    assert_eq!(found.total.score(), Some(1.0));
}

#[test]
fn groups_are_by_class_owner_and_service_and_an_item_counts_in_each_of_its_services() {
    let services = ["web", "shop"].map(|name| document("ServiceMap", name, &format!("dependencies: [{{from: {name}, to: a}}]")));
    let documents: Vec<String> = services.into_iter().chain([whole("a", ""), item("b", "")]).collect();
    let found = of(&documents, vec![seen("a", None)]);
    let names = |groups: &[Group]| groups.iter().map(|group| (group.name.as_deref().map(str::to_owned), group.indicators.items)).collect::<Vec<_>>();
    assert_eq!(names(&found.classes), [(Some("server".to_owned()), 2)]);
    assert_eq!(names(&found.owners), [(None, 1), (Some("team".to_owned()), 1)]);
    assert_eq!(names(&found.services), [(Some("shop".to_owned()), 1), (Some("web".to_owned()), 1)]);
}

#[test]
fn the_worst_have_the_most_problems_and_of_equals_the_more_critical_come_first() {
    let service = |name: &str, criticality: &str, to: &str| {
        document("ServiceMap", name, &format!("criticality: {criticality}, dependencies: [{{from: {name}, to: {to}}}]"))
    };
    let mut documents = vec![
        service("low", "Low", "b"),
        service("high", "Critical", "c"),
        item("a", ""),
        item("b", "identifiers: {asset/tag: b-1}"),
        item("c", "identifiers: {asset/tag: c-1}"),
    ];
    documents
        .extend((0..12).map(|number| item(&format!("x{number:02}"), &format!("identifiers: {{asset/tag: x-{number}}}, relations: [{{type: UsedBy, to: a}}]"))));
    let found = of(&documents, vec![]);
    let names: Vec<&str> = found.worst.iter().map(|worst| &*worst.item).collect();
    assert_eq!(names.len(), WORST);
    assert_eq!(names[..4], ["a", "c", "b", "x00"]);
}

#[test]
fn what_cannot_be_said_of_anything_does_not_count() {
    let found = of(&[], vec![]);
    assert_eq!(found.total.score(), None);
    let found = of(&[whole("a", "")], vec![]);
    // Missing: the source's complete answer covers it.
    assert_eq!((found.total.fresh.ratio(), found.total.compliance()), (None, Some(0.5)));
    assert_eq!(found.total.correctness(), Some(1.0));
}
