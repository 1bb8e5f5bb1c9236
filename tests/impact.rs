//! The service graph: what is down, degraded or at risk when items fail, and by which path.

#![allow(clippy::unwrap_used)] // helpers of tests: a panic is a failure with its place

use std::collections::{BTreeMap, BTreeSet};

use bowline::api::change_request::EffectOnService::{self, AtRisk, Degraded, Down};
use bowline::api::service_map::{Dependency, Group};
use bowline::api::{ConfigurationItemSpec, ServiceMapSpec, Table, Text};
use bowline::estate::{Declared, Estate, Origin};
use bowline::impact::ServiceGraph;
use proptest::prelude::*;

fn declared<Spec>(name: &str, spec: Spec) -> Declared<Spec> {
    Declared { name: name.into(), labels: Table::default(), spec, origin: Origin::default() }
}

/// Items as `name` or `name RunsOn other, Type other …`.
fn items(lines: &[&str]) -> Vec<Declared<ConfigurationItemSpec>> {
    let mut items: Vec<_> = lines
        .iter()
        .map(|line| {
            let (name, relations) = line.split_once(' ').unwrap_or((line, ""));
            let relations: Vec<String> =
                relations.split(", ").filter_map(|relation| relation.split_once(' ')).map(|(kind, to)| format!("{{type: {kind}, to: {to}}}")).collect();
            declared(name, serde_yaml::from_str(&format!("{{class: server, relations: [{}]}}", relations.join(", "))).unwrap())
        })
        .collect();
    items.sort_by(|a, b| a.name.cmp(&b.name));
    items
}

fn estate(item_lines: &[&str], maps: &[(&str, &str)]) -> Estate {
    let mut services: Vec<_> = maps.iter().map(|(name, yaml)| declared(name, serde_yaml::from_str::<ServiceMapSpec>(yaml).unwrap())).collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    Estate { items: items(item_lines), services, ..Estate::default() }
}

fn names(words: &[&str]) -> Vec<Text> {
    words.iter().map(|word| Text::from(*word)).collect()
}

/// `payments Down: pay-db-01 > payments/web > payments`, one line a service.
fn effects(graph: &ServiceGraph, failing: &[&str]) -> Vec<String> {
    let impacts = graph.effects_of(&names(failing)).into_iter();
    impacts.map(|impact| format!("{} {:?}: {}", impact.effect.name, impact.effect.effect, impact.path.join(" > "))).collect()
}

const PAYMENTS: (&str, &str) = (
    "payments",
    "{groups: [{name: web, members: [web-1, web-2, web-3, web-4], needs: 2}],
      dependencies: [{from: payments, to: web}, {from: web, to: db, port: 5432/tcp}, {from: payments, to: service/identity}]}",
);
const IDENTITY: (&str, &str) = ("identity", "{groups: [{name: nodes, members: [id-1, id-2], needs: 1}], dependencies: [{from: identity, to: nodes}]}");

fn harbour() -> ServiceGraph {
    let lines = ["web-1 RunsOn esx", "web-2 RunsOn esx", "web-3", "web-4 MemberOf pool", "db DependsOn san", "san", "esx", "pool", "id-1", "id-2", "lonely"];
    ServiceGraph::new(&estate(&lines, &[PAYMENTS, IDENTITY]))
}

#[test]
fn a_group_is_degraded_while_it_can_spare_another_at_risk_when_it_cannot_and_down_below_its_needs() {
    let graph = harbour();
    assert_eq!(effects(&graph, &["web-3"]), ["payments Degraded: web-3 > payments/web > payments"]);
    assert_eq!(effects(&graph, &["web-3", "web-4"]), ["payments AtRisk: web-3 > payments/web > payments"]);
    assert_eq!(effects(&graph, &["web-1", "web-3", "web-4"]), ["payments Down: web-1 > payments/web > payments"]);
}

#[test]
fn what_needs_something_that_is_down_is_down_and_the_path_is_the_shortest() {
    assert_eq!(effects(&harbour(), &["db"]), ["payments Down: db > payments/web > payments"]);
    assert_eq!(effects(&harbour(), &["san"]), ["payments Down: san > db > payments/web > payments"]);
}

#[test]
fn an_item_fails_with_what_it_runs_on_and_a_cluster_outlives_a_member() {
    assert_eq!(effects(&harbour(), &["esx"]), ["payments AtRisk: esx > web-1 > payments/web > payments"]);
    assert!(effects(&harbour(), &["pool"]).is_empty());
}

#[test]
fn a_relation_told_from_the_other_side_counts_the_same() {
    let map = ("shop", "{dependencies: [{from: shop, to: app}]}");
    for line in ["rack Hosts app", "rack Runs app", "rack UsedBy app"] {
        let graph = ServiceGraph::new(&estate(&["app", line], &[map]));
        assert_eq!(effects(&graph, &["rack"]), ["shop Down: rack > app > shop"], "{line}");
    }
    for line in ["rack Contains app", "rack ConnectsTo app", "rack ManagedBy app"] {
        let graph = ServiceGraph::new(&estate(&["app", line], &[map]));
        assert!(effects(&graph, &["rack"]).is_empty(), "{line}");
    }
}

#[test]
fn a_service_that_needs_a_hurt_service_is_hurt_the_same_and_the_worst_stands_first() {
    let graph = harbour();
    assert_eq!(
        effects(&graph, &["id-1"]),
        ["identity AtRisk: id-1 > identity/nodes > identity", "payments AtRisk: id-1 > identity/nodes > identity > payments"]
    );
    assert_eq!(effects(&graph, &["id-1", "db"]), ["payments Down: db > payments/web > payments", "identity AtRisk: id-1 > identity/nodes > identity"]);
}

#[test]
fn a_group_that_can_spare_a_member_absorbs_its_risk_but_not_its_degradation() {
    let outer = ("outer", "{groups: [{name: either, members: [service/a, service/b], needs: 1}], dependencies: [{from: outer, to: either}]}");
    let b = ("b", "{dependencies: [{from: b, to: z}]}");
    let pair = ("a", "{groups: [{name: n, members: [x, y], needs: 1}], dependencies: [{from: a, to: n}]}");
    let graph = ServiceGraph::new(&estate(&["x", "y", "z"], &[outer, pair, b]));
    assert_eq!(effects(&graph, &["x"]), ["a AtRisk: x > a/n > a"]);
    let triple = ("a", "{groups: [{name: n, members: [x, y, w], needs: 1}], dependencies: [{from: a, to: n}]}");
    let graph = ServiceGraph::new(&estate(&["x", "y", "z", "w"], &[outer, triple, b]));
    assert_eq!(effects(&graph, &["x"]), ["a Degraded: x > a/n > a", "outer Degraded: x > a/n > a > outer/either > outer"]);
}

#[test]
fn a_group_without_a_number_needs_all_of_its_members() {
    let graph = ServiceGraph::new(&estate(&["a", "b"], &[("s", "{groups: [{name: g, members: [a, b]}], dependencies: [{from: s, to: g}]}")]));
    assert_eq!(effects(&graph, &["b"]), ["s Down: b > s/g > s"]);
}

#[test]
fn a_group_on_which_nothing_in_the_map_depends_is_needed_by_the_service_itself() {
    let graph = ServiceGraph::new(&estate(&["a", "b"], &[("s", "{groups: [{name: g, members: [a, b], needs: 1}]}")]));
    assert_eq!(effects(&graph, &["b"]), ["s AtRisk: b > s/g > s"]);
}

#[test]
fn names_that_stand_for_nothing_are_left_out() {
    let map = "{groups: [{name: g, members: [a, ghost, service/ghost, a], needs: 1}], dependencies: [{from: s, to: g}, {from: s, to: nobody}, {from: nobody, to: a}]}";
    let graph = ServiceGraph::new(&estate(&["a RunsOn nowhere"], &[("s", map)]));
    assert_eq!(effects(&graph, &["a"]), ["s Down: a > s/g > s"]);
    assert!(effects(&graph, &["ghost", "nobody", "nowhere"]).is_empty());
    assert!(effects(&ServiceGraph::default(), &["a"]).is_empty());
}

#[test]
fn circles_of_items_groups_and_services_end() {
    let a = (
        "a",
        "{groups: [{name: g, members: [g, h, x]}, {name: h, members: [g]}],
          dependencies: [{from: a, to: g}, {from: a, to: service/b}, {from: a, to: a}]}",
    );
    let b = ("b", "{dependencies: [{from: b, to: service/a}]}");
    let graph = ServiceGraph::new(&estate(&["x RunsOn y", "y RunsOn x, RunsOn y"], &[a, b]));
    assert_eq!(effects(&graph, &["y"]), ["a Down: y > x > a/g > a", "b Down: y > x > a/g > a > b"]);
    assert_eq!(graph.services_of("y"), names(&["a", "b"]));
}

#[test]
fn an_item_is_part_of_the_services_above_it_directly_or_through_others() {
    let graph = harbour();
    assert_eq!(graph.services_of("san"), names(&["payments"]));
    assert_eq!(graph.services_of("id-1"), names(&["identity", "payments"]));
    assert!(graph.services_of("lonely").is_empty());
    assert!(graph.services_of("no-such-item").is_empty());
}

#[test]
fn the_steps_around_items_are_those_that_carry_the_effect() {
    let edges = harbour().around(&names(&["esx", "lonely"]));
    let lines: Vec<String> = edges.iter().map(|edge| format!("{} -[{}]-> {}", edge.from, edge.label, edge.to)).collect();
    assert_eq!(
        lines,
        [
            "esx -[RunsOn]-> web-1",
            "esx -[RunsOn]-> web-2",
            "payments/web -[]-> payments",
            "web-1 -[2 of 4 needed]-> payments/web",
            "web-2 -[2 of 4 needed]-> payments/web"
        ]
    );
    assert!(harbour().around(&names(&["lonely"])).is_empty());
}

#[test]
fn an_item_of_the_same_name_as_a_group_is_hidden_by_it_in_that_map_only() {
    let s = ("s", "{groups: [{name: web, members: [x]}], dependencies: [{from: s, to: web}]}");
    let graph = ServiceGraph::new(&estate(&["web", "x"], &[s, ("t", "{dependencies: [{from: t, to: web}]}")]));
    assert_eq!(effects(&graph, &["web"]), ["t Down: web > t"]);
    assert_eq!(effects(&graph, &["x"]), ["s Down: x > s/web > s"]);
}

#[test]
fn items_that_no_service_stands_on_cost_next_to_nothing() {
    let mut estate = estate(&["web-1", "db"], &[("s", "{dependencies: [{from: s, to: db}]}")]);
    let spec = estate.items[0].spec.clone();
    estate.items.extend((0..100_000).map(|number| declared(&format!("x{number:06}"), spec.clone())));
    estate.items.sort_by(|a, b| a.name.cmp(&b.name));
    let started = std::time::Instant::now();
    let graph = ServiceGraph::new(&estate);
    let hurt: usize = estate.items.iter().map(|item| graph.effects_of(std::slice::from_ref(&item.name)).len()).sum();
    assert_eq!(hurt, 1);
    println!("100,000 items: {:?}", started.elapsed());
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

// The law: the graph says the same as the rules worked out on the documents, by going over everything until nothing changes.

const ITEMS: [&str; 6] = ["i0", "i1", "i2", "i3", "i4", "i5"];
const SERVICES: [&str; 3] = ["s0", "s1", "s2"];

type State = BTreeMap<String, EffectOnService>;

/// What a name of a map stands for.
fn resolve(service: &str, map: &ServiceMapSpec, name: &str) -> Option<String> {
    if name == service {
        Some(format!("service {service}"))
    } else if map.groups.iter().any(|group| *group.name == *name) {
        Some(format!("group {service}/{name}"))
    } else if let Some(other) = name.strip_prefix("service/") {
        SERVICES.contains(&other).then(|| format!("service {other}"))
    } else {
        ITEMS.contains(&name).then(|| format!("item {name}"))
    }
}

#[derive(Default)]
struct Rules {
    /// What needs what.
    plain: BTreeSet<(String, String)>,
    groups: BTreeMap<String, (usize, BTreeSet<String>)>,
}

fn rules(estate: &Estate) -> Rules {
    let mut rules = Rules::default();
    for item in &estate.items {
        for relation in &item.spec.relations {
            rules.plain.insert((format!("item {}", item.name), format!("item {}", relation.to)));
        }
    }
    for service in &estate.services {
        let map = &service.spec;
        for dependency in &map.dependencies {
            if let (Some(from), Some(to)) = (resolve(&service.name, map, &dependency.from), resolve(&service.name, map, &dependency.to)) {
                rules.plain.insert((from, to));
            }
        }
        for group in &map.groups {
            let own = format!("group {}/{}", service.name, group.name);
            let members: BTreeSet<String> = group.members.iter().filter_map(|name| resolve(&service.name, map, name)).filter(|name| *name != own).collect();
            rules.groups.insert(own, (group.needs.map_or(members.len(), |needs| needs as usize), members));
        }
    }
    for group in rules.groups.keys().cloned().collect::<Vec<_>>() {
        let needed = rules.plain.iter().any(|(from, to)| *to == group && *from != group) || rules.groups.values().any(|(_, members)| members.contains(&group));
        if !needed {
            let service = group.trim_start_matches("group ").split('/').next().unwrap().to_owned();
            rules.plain.insert((format!("service {service}"), group));
        }
    }
    rules
}

fn working(state: &State, members: &BTreeSet<String>) -> usize {
    members.iter().filter(|member| state.get(*member) != Some(&Down)).count()
}

fn once_more_down(rules: &Rules, state: &mut State) {
    for (from, to) in &rules.plain {
        if state.get(to) == Some(&Down) {
            state.insert(from.clone(), Down);
        }
    }
    for (group, (needs, members)) in &rules.groups {
        let count = working(state, members);
        if count < *needs && count < members.len() {
            state.insert(group.clone(), Down);
        }
    }
}

fn once_more_hurt(rules: &Rules, state: &mut State) {
    let before = state.clone();
    let mut worse = |name: &String, effect: EffectOnService| {
        let now = state.entry(name.clone()).or_insert(effect);
        *now = (*now).max(effect);
    };
    for (from, to) in &rules.plain {
        if let Some(effect) = before.get(to).filter(|effect| **effect != Down) {
            worse(from, *effect);
        }
    }
    for (group, (needs, members)) in &rules.groups {
        let count = working(&before, members);
        if count < members.len() {
            worse(group, if count == *needs { AtRisk } else { Degraded });
        }
        for effect in members.iter().filter_map(|member| before.get(member)).filter(|effect| **effect != Down) {
            if *effect == Degraded || count <= *needs {
                worse(group, *effect);
            }
        }
    }
}

fn brute_force(rules: &Rules, failing: &[Text]) -> State {
    let mut state: State = failing.iter().map(|item| (format!("item {item}"), Down)).collect();
    for step in [once_more_down, once_more_hurt] {
        loop {
            let before = state.clone();
            step(rules, &mut state);
            if state == before {
                break;
            }
        }
    }
    state
}

fn end() -> impl Strategy<Value = Text> {
    prop_oneof![
        4 => prop::sample::select(&ITEMS[..]).prop_map(Text::from),
        2 => prop::sample::select(&["g0", "g1"][..]).prop_map(Text::from),
        1 => prop::sample::select(&SERVICES[..]).prop_map(|service| format!("service/{service}").into()),
        1 => Just("nothing".into()),
    ]
}

fn group(name: &'static str) -> impl Strategy<Value = Group> {
    (prop::collection::vec(end(), 1..5), prop::option::of(0u32..4)).prop_map(move |(members, needs)| Group { name: name.into(), members, needs })
}

fn map(own: &'static str) -> impl Strategy<Value = ServiceMapSpec> {
    let user = prop_oneof![3 => Just(Text::from(own)), 2 => end()];
    let dependencies = prop::collection::vec((user, end()).prop_map(|(from, to)| Dependency { from, to, port: None }), 0..5);
    (dependencies, group("g0"), group("g1")).prop_map(|(dependencies, g0, g1)| ServiceMapSpec {
        groups: vec![g0, g1],
        dependencies,
        ..ServiceMapSpec::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_graph_says_what_the_rules_say(
        relations in prop::collection::vec((0usize..6, 0usize..6), 0..4),
        maps in (map("s0"), map("s1"), map("s2")),
        failing in prop::collection::btree_set(0usize..6, 1..4),
    ) {
        let lines: Vec<String> = ITEMS.iter().enumerate().map(|(index, name)| {
            let to: Vec<String> = relations.iter().filter(|(from, _)| *from == index).map(|(_, to)| format!("DependsOn {}", ITEMS[*to])).collect();
            format!("{name} {}", to.join(", "))
        }).collect();
        let estate = Estate {
            items: items(&lines.iter().map(String::as_str).collect::<Vec<_>>()),
            services: vec![declared("s0", maps.0), declared("s1", maps.1), declared("s2", maps.2)],
            ..Estate::default()
        };
        let failing: Vec<Text> = failing.into_iter().map(|index| ITEMS[index].into()).collect();
        let graph = ServiceGraph::new(&estate);
        let impacts = graph.effects_of(&failing);
        let found: State = impacts.iter().map(|impact| (format!("service {}", impact.effect.name), impact.effect.effect)).collect();
        let mut expected = brute_force(&rules(&estate), &failing);
        expected.retain(|name, _| name.starts_with("service "));
        prop_assert_eq!(found, expected);
        let edges = graph.around(&failing);
        for impact in &impacts {
            prop_assert!(failing.contains(&impact.path[0]));
            prop_assert_eq!(impact.path.last(), Some(&impact.effect.name));
            prop_assert!(graph.services_of(&impact.path[0]).contains(&impact.effect.name));
            for step in impact.path.windows(2) {
                prop_assert!(edges.iter().any(|edge| edge.from == step[0] && edge.to == step[1]), "{:?} is not in {:?}", step, edges);
            }
        }
    }

    #[test]
    fn a_service_on_a_plain_group_is_at_risk_exactly_when_one_more_failure_takes_it_down(size in 1usize..6, needs in 1u32..6, failed in 1usize..6) {
        let needs = needs.min(u32::try_from(size).unwrap());
        let failed = failed.min(size);
        let map = format!("{{groups: [{{name: g, members: [{}], needs: {needs}}}], dependencies: [{{from: s, to: g}}]}}", ITEMS[..size].join(", "));
        let graph = ServiceGraph::new(&estate(&ITEMS, &[("s", &map)]));
        let effect = |count: usize| graph.effects_of(&names(&ITEMS[..count]))[0].effect.effect;
        if effect(failed) != Down && failed < size {
            prop_assert_eq!(effect(failed) == AtRisk, effect(failed + 1) == Down);
        }
    }
}
