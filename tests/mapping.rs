//! Mappings: what an expression gives, that its two ways of being run agree, and that none runs for ever.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::borrow::Cow;
use std::time::{Duration, Instant};

use bowline::api::discovery_source::Mapping;
use bowline::api::{Text, Value};
use bowline::discovery::mapping::{Expression, Mapper, Node, check};
use bowline::discovery::{Observation, Target};
use proptest::prelude::*;

fn node(json: &str) -> Node<'_> {
    serde_json::from_str(json).unwrap()
}

fn run(expression: &str, json: &str) -> Result<Option<String>, String> {
    let value = expression.parse::<Expression>().unwrap_or_else(|error| panic!("{expression}: {error:?}")).run(&node(json))?;
    Ok(value.map(|value| serde_json::to_string(&value).unwrap()))
}

fn gives(expression: &str, json: &str) -> String {
    run(expression, json).unwrap().unwrap()
}

fn error(expression: &str, json: &str) -> String {
    run(expression, json).unwrap_err()
}

// What expressions give.

#[test]
fn plain_expressions_are_run_without_jq() {
    for plain in [
        ".",
        ".a",
        ".a.b",
        r#".a["b c"]"#,
        r#"."b c""#,
        ".a[0]",
        ".a[-1].b?",
        "12",
        r#""text""#,
        "null",
        "true",
        r#""\(.a)Mi""#,
        r#""a\tb\u00e9""#,
        "{name: .os, version: .os_version}",
        "{name}",
        "[.mac]",
        "[.a, .b, 3]",
        "[]",
        "{}",
        ".os // \"linux\"",
        "(.a)",
    ] {
        assert!(plain.parse::<Expression>().unwrap().is_direct(), "{plain}");
    }
    for other in [".a | .b", ".a[]", ".a + 1", "$x | .", ".a | length"] {
        assert!(other.parse::<Expression>().map_or(true, |expression| !expression.is_direct()), "{other}");
    }
}

#[test]
fn paths_look_into_maps_and_lists() {
    let json = r#"{"a": {"b c": 1, "list": [1, 2, {"x": null}]}}"#;
    assert_eq!(gives(r#".a["b c"]"#, json), "1");
    assert_eq!(gives(".a.list[-2]", json), "2");
    assert_eq!(gives(".a.list[2].x.y", json), "null");
    assert_eq!(gives(".a.list[7]", json), "null");
    assert_eq!(gives(".missing.too[0]", json), "null");
}

#[test]
fn a_step_into_a_value_of_the_wrong_kind_is_an_error_that_does_not_show_the_value() {
    let message = error(".password.length", r#"{"password": "hunter2"}"#);
    assert_eq!(message, "cannot look up `length` in a string");
    assert!(!error(".password | .[0].x", r#"{"password": "hunter2"}"#).contains("hunter2"));
    assert!(!error(".password + 1", r#"{"password": "hunter2"}"#).contains("hunter2"));
    assert!(!error(".password | tonumber", r#"{"password": "hunter2"}"#).contains("hunter2"));
    assert_eq!(run(".a.b?", r#"{"a": 1}"#), Ok(None));
}

#[test]
fn text_takes_values_in() {
    assert_eq!(gives(r#""\(.memory_mib)Mi""#, r#"{"memory_mib": 16384}"#), r#""16384Mi""#);
    assert_eq!(gives(r#""\(.a) \(.b) \(.c)""#, r#"{"a": null, "b": [1, "x"], "c": 1.5}"#), r#""null [1,\"x\"] 1.5""#);
}

#[test]
fn whole_results_of_a_calculation_stay_whole() {
    assert_eq!(gives(".mb / 1024", r#"{"mb": 16384}"#), "16");
    assert_eq!(gives(".mb / 1000 | round", r#"{"mb": 16384}"#), "16");
    assert_eq!(gives(".a * 1.5", r#"{"a": 3}"#), "4.5");
    assert_eq!(gives("18446744073709551615", "null"), "18446744073709551615");
}

#[test]
fn usual_jq_works() {
    let json = r#"{"nics": [{"mac": "aa", "up": true}, {"mac": "bb", "up": false}], "tags": "b,a", "n": "8", "disks": {"sda": 10, "sdb": 20}, "v": "12.3"}"#;
    for (expression, expected) in [
        ("[.nics[].mac]", r#"["aa","bb"]"#),
        ("[.nics[] | select(.up) | .mac]", r#"["aa"]"#),
        (r#".tags | split(",") | sort"#, r#"["a","b"]"#),
        (".n | tonumber", "8"),
        ("[.disks[]] | add", "30"),
        (".disks | to_entries | map({(.key): .value}) | add", r#"{"sda":10,"sdb":20}"#),
        (".disks | with_entries(.value += 1)", r#"{"sda":11,"sdb":21}"#),
        ("if .n == \"8\" then \"yes\" else \"no\" end", "\"yes\""),
        (r#".v | test("^[0-9]+\\.")"#, "true"),
        (r#".v | capture("(?<major>[0-9]+)") | .major"#, "\"12\""),
        (r#".v | sub("\\..*"; "")"#, "\"12\""),
        (".nics | length", "2"),
        (".nics | map(.mac) | join(\" \")", "\"aa bb\""),
        ("[.. | strings] | length", "5"),
        ("def f(x): x * 2; f(.n | tonumber)", "16"),
        ("reduce .nics[] as $nic (\"\"; . + $nic.mac)", "\"aabb\""),
        ("[limit(3; repeat(1))]", "[1,1,1]"),
        ("[range(3)]", "[0,1,2]"),
        ("[paths] | length", "13"),
        (".nics[0] * {up: null}", r#"{"mac":"aa","up":null}"#),
        (".nics[0] | del(.up)", r#"{"mac":"aa"}"#),
        (".nics |= map(.mac) | .nics", r#"["aa","bb"]"#),
        (".x.y.z = 1 | .x", r#"{"y":{"z":1}}"#),
        (".tags | ascii_upcase | ltrimstr(\"B,\")", "\"A\""),
        ("[.nics[] | has(\"mac\")] | all", "true"),
        (".tags | contains(\"a\")", "true"),
        ("\"[1,{\\\"a\\\":2}]\" | fromjson | .[1].a", "2"),
        (".nics | tojson | fromjson | length", "2"),
        ("[3,1,2] | sort_by(-.)", "[3,2,1]"),
        ("[.nics[] | .mac] | unique | group_by(.) | length", "2"),
        (".n | @base64", "\"OA==\""),
        ("try error(\"x\") catch .", "\"x\""),
        (".tags[2:]", "\"a\""),
        ("[1,2,3][1:]", "[2,3]"),
        ("\"2026-11-25T00:00:00Z\" | fromdateiso8601", "1795564800"),
        ("\"ab\" * 2", "\"abab\""),
        ("first(.nics[] | select(.up | not)).mac", "\"bb\""),
        ("[.nics[] | .mac as $m | {m: $m}] | map(.m)", r#"["aa","bb"]"#),
        ("[{key: \"a\", value: 1}, {key: \"b\"}, {key: \"a\", value: 2}] | from_entries", r#"{"a":2,"b":null}"#),
        ("{a: 1, b: 2} | with_entries(select(.value > 1) | .key += \"x\")", r#"{"bx":2}"#),
        ("[{key: 1}] | from_entries? // \"no text\"", "\"no text\""),
        ("[range(5000) | {key: \"k\\(.)\", value: .}] | from_entries | .k4999", "4999"),
        ("[.nics[] | select(.mac | IN(\"bb\", \"cc\"))] | length", "1"),
        ("IN(1, 2; 2, 3)", "true"),
        (".nics | INDEX(.mac) | .bb.mac", "\"bb\""),
        ("input_filename", "null"),
        ("label $out | 1, break $out", "1"),
        ("[splits(\"a\"; \"\")]?", ""),
    ] {
        let given = run(expression, json).unwrap_or_else(|error| panic!("{expression}: {error}")).unwrap_or_default();
        assert_eq!(given, expected, "{expression}");
    }
}

#[test]
fn an_expression_gives_one_value() {
    assert_eq!(error(".[]", "[1, 2]"), "the expression gives more than 1 value");
    assert_eq!(run("empty", "null"), Ok(None));
}

// What an expression cannot do.

#[test]
fn an_expression_sees_its_input_and_nothing_else() {
    for refused in [
        "env",
        "$ENV",
        "$ENV.PATH",
        "now",
        "input",
        "inputs",
        "debug",
        "stderr",
        "halt",
        "halt_error",
        "localtime",
        "input_line_number",
        "$__prog_args",
        "jn(2000000000; 1)",
    ] {
        let (_, message) = check(refused).unwrap_err();
        assert!(message.contains("there is no such"), "{refused}: {message}");
    }
    for refused in [r#"import "a" as a; ."#, r#"include "a"; ."#, r#"import "/etc/passwd" as $x; $x"#, "module {}; ."] {
        assert!(check(refused).is_err(), "{refused}");
    }
}

#[test]
fn no_expression_runs_for_ever_or_fills_the_memory() {
    for endless in [
        "def f: f; f",
        "def f: 1 + f; f",
        "def f: ., f; [f]",
        "def f: (. | f), 1; f",
        "[repeat(1)]",
        "repeat(1; .)?, last(repeat(1))",
        "[range(1e12)]",
        "last(range(1e12))",
        "range(infinite) | empty",
        "[range(0; 1; 0)]",
        "[recurse([.])]",
        "until(false; .)",
        "[while(true; .)]",
        r#""x" * 1e9"#,
        r#""" * 1e18 | . + "a" * 1e10"#,
        r#"reduce range(60) as $i ("x"; . + .)"#,
        "reduce range(60) as $i ([1]; . + .)",
        "reduce range(60) as $i ([1]; [.[], .[]])",
        "reduce range(60) as $i (1; [., .]) | tojson",
        "reduce range(60) as $i (1; [., .])",
        "(reduce range(60) as $i (1; [., .])) == (reduce range(60) as $i (1; [., .]))",
        "reduce range(60) as $i (1; {a: ., b: .}) | [..] | length",
        "reduce range(1000000) as $i (1; [.])",
        "foreach range(1e12) as $i (0; . + 1) | empty",
        "[range(3000)] | [combinations(5)]?",
        "[[range(100)] | .[] as $a | .[] as $b | .[] as $c | .[] as $d | 1]",
        r#"[range(1e6) | "a" | test("\\w{1000}")]"#,
        r#"reduce range(60) as $i ("x"; "\(.)\(.)")"#,
        r#"reduce range(60) as $i ("x"; [., .] | join(""))"#,
        r#"reduce range(60) as $i ("x"; gsub("x"; "xx"))"#,
        "reduce range(1e12) as $i (.; .)",
        "[limit(1e12; repeat(1))]",
        "skip(1e12; repeat(1))",
        "first(range(1e12) | select(. < 0))",
        "all(repeat(true); .)",
        "isempty(repeat(1) | select(. > 1))",
        "label $out | repeat(1) | empty",
        "path(repeat(.))",
        "[paths(..)] | getpath([range(1e9)])",
        "try repeat(error(\"x\")) catch (def f: f; f)",
        "def f: try f catch f; f",
        "def f: [f]; f",
        "def f(g): f(g | g); f(.)",
        "def f(g): f(g); f(.)",
        "def f(g): def h: f(g); h; f(.)",
        "null | last(path(recurse(.a)))",
        "null | path(last(recurse(.a)))",
        "null | [paths] | path(last(limit(1e9; recurse(.a))))",
        "def f: label $x | f; f",
        "def f: .a as $x | f; f",
        "def f: [limit(1; f)]; f",
        "def f: {a: f}; f",
        "def f: . as [$a, {b: $c}] ?// $a | f; f",
        "def f($x): f($x + 1); f(0)",
        "def f($x): f([$x]); f(0)",
        "foreach repeat(1) as $x ([]; [.])",
        "[foreach repeat(1) as $x (0; . + $x)]",
        "reduce repeat(1) as $x (null; .a = .)",
        "def f: f | f; f",
        "def f: (f, f); f",
        "def f: if f then f else f end; f",
        "def f: f // f; f",
        "def f: try f; f",
        "def f: .[f]; f",
        "def f: f |= f; f",
        "def f: (.a | f) |= 1; f",
        "limit(1e9; range(1e9)) |= 1",
    ] {
        let start = Instant::now();
        println!("{endless}");
        let Ok(expression) = endless.parse::<Expression>() else { continue };
        let outcome = expression.run(&node(r#"{"a": 1}"#));
        println!("   {outcome:?} {:?}", start.elapsed());
        assert!(outcome.is_err(), "{endless} gives {outcome:?}");
        assert!(start.elapsed() < Duration::from_secs(30), "{endless} took {:?}", start.elapsed());
    }
}

#[test]
fn an_expression_that_was_stopped_does_not_spoil_the_next() {
    assert!(run("def f: f; f", "1").is_err());
    assert_eq!(gives(". + 1", "1"), "2");
}

#[test]
fn the_budget_is_the_same_each_time() {
    let most = |limit: u64| run(&format!("[range({limit})] | length"), "null").is_ok();
    let (mut fits, mut bursts) = (100_000, 1_000_000);
    while bursts - fits > 1 {
        let middle = u64::midpoint(fits, bursts);
        if most(middle) { fits = middle } else { bursts = middle }
    }
    for _ in 0..3 {
        assert!(most(fits) && !most(bursts));
    }
}

#[test]
fn a_nested_expression_is_refused_or_compiled_but_does_no_harm() {
    for nested in [
        format!("{}1{}", "[".repeat(4000), "]".repeat(4000)),
        format!("{}1{}", "(".repeat(4000), ")".repeat(4000)),
        "(".repeat(8000),
        "{a:".repeat(2700),
        "\"\\(".repeat(2000),
        format!("{}1", "-".repeat(8000)),
        format!("{}1", "try ".repeat(2000)),
        format!("{}1", "1+".repeat(4000)),
        format!("{}1", "1|".repeat(4000)),
        format!("{}1", ".,".repeat(4000)),
        format!("{}1", "1 as $x|".repeat(1000)),
        format!("{}1", "if 1 then ".repeat(800)),
        format!("{}.", "def f: .; ".repeat(800)),
        format!("{}.", "def f:".repeat(1300)),
        format!(".{}", "a.".repeat(4000)),
        format!(".{}", "[0]".repeat(2500)),
        format!(".{}", "?".repeat(8000)),
        format!("{}1", "reduce ".repeat(1000)),
        format!("{}1", "1//".repeat(2500)),
    ] {
        println!("{nested:.20}");
        if let Ok(expression) = nested.parse::<Expression>() {
            let _ = expression.run(&node("1"));
        }
    }
    let (_, message) = check(&"1+".repeat(10_000)).unwrap_err();
    assert!(message.contains("longer than 8192 bytes"));
}

// What is wrong with an expression, and where.

#[test]
fn a_wrong_expression_is_told_by_its_character() {
    let wrong = |expression: &str| check(expression).unwrap_err();
    assert_eq!(wrong(".a |"), (4, "a term is expected here".to_owned()));
    assert_eq!(wrong("\"ü\" + )"), (6, "a part of jq is expected here".to_owned()));
    assert_eq!(wrong("[.a"), (3, "a closing bracket is expected here".to_owned()));
    assert_eq!(wrong("\"a"), (2, "a closing quote is expected here".to_owned()));
    assert_eq!(wrong(""), (0, "a term is expected here".to_owned()));
    assert_eq!(wrong("\"é\" | nope"), (6, "`nope`: there is no such filter".to_owned()));
    assert_eq!(wrong("$x"), (0, "`$x`: there is no such variable".to_owned()));
    assert_eq!(check(".a"), Ok(()));
}

#[test]
fn all_wrong_expressions_of_a_source_are_told_at_once() {
    let map = Mapping { class: Some("nope".into()), attributes: [("cpus", Text::from(".a ||"))].into_iter().collect(), ..Mapping::default() };
    let problems = Mapper::compile(Some(&"[".into()), Some(&map)).err().unwrap();
    assert_eq!(problems.iter().map(|problem| &*problem.field).collect::<Vec<_>>(), ["items", "map.class", "map.attributes.cpus"]);
    assert_eq!(problems[1].to_string(), "map.class: `nope`: there is no such filter, at character 1");
}

// From values to observations.

fn observe(map: &Mapping, json: &str) -> Result<Observation, String> {
    Mapper::compile(None, Some(map)).unwrap_or_else(|problems| panic!("{problems:?}")).map(&node(json))
}

fn table(entries: &[(&str, &str)]) -> bowline::api::Table<Text> {
    entries.iter().map(|(name, expression)| (*name, Text::from(*expression))).collect()
}

fn machine() -> Mapping {
    Mapping { class: Some("\"server\"".into()), key: Some(".id".into()), name: Some(".name".into()), ..Mapping::default() }
}

#[test]
fn the_mapping_of_the_documentation_gives_an_observation() {
    let map = Mapping {
        class: Some("\"virtual-machine\"".into()),
        key: Some(".uuid".into()),
        name: Some(".name".into()),
        identifiers: table(&[("vsphere/instance-uuid", ".uuid"), ("dns/fqdn", ".fqdn")]),
        attributes: table(&[("cpus", ".cpus"), ("memory", r#""\(.memory_mib)Mi""#), ("os", "{name: .os, version: .os_version}")]),
        relations: Some(r#"[{type: "RunsOn", to: {identifiers: {"vsphere/cluster": .cluster}}}]"#.into()),
        ..Mapping::default()
    };
    let json = r#"{"uuid": "5030", "name": "pay-db-01", "fqdn": "", "cpus": 4, "memory_mib": 16384, "os": "debian", "os_version": "12", "cluster": "c2"}"#;
    let observation = observe(&map, json).unwrap();
    assert_eq!((&*observation.class, &*observation.key, &*observation.name), ("virtual-machine", "5030", "pay-db-01"));
    assert_eq!(format!("{:?}", observation.identifiers), r#"{"vsphere/instance-uuid": "5030"}"#);
    assert_eq!(serde_json::to_string(&observation.attributes).unwrap(), r#"{"cpus":4,"memory":"16384Mi","os":{"name":"debian","version":"12"}}"#);
    assert_eq!(observation.relations[0].to, Target::Identifiers([("vsphere/cluster", Text::from("c2"))].into_iter().collect()));
}

#[test]
fn numbers_become_text_where_text_is_wanted_and_null_and_empty_are_left_out() {
    let map = Mapping {
        owner: Some(".owner".into()),
        identifiers: table(&[("netbox/device", ".id"), ("serial/number", ".serial"), ("asset/tag", ".asset")]),
        labels: table(&[("rack", ".rack"), ("prod", ".prod")]),
        attributes: table(&[("cpus", ".cpus"), ("notes", ".notes"), ("tags", ".tags")]),
        ..machine()
    };
    let observation = observe(&map, r#"{"id": 412, "serial": "  ", "asset": null, "rack": 7, "prod": true, "owner": "", "notes": "", "tags": []}"#).unwrap();
    assert_eq!((&*observation.key, &*observation.name), ("412", "412"));
    assert_eq!(observation.owner, None);
    assert_eq!(format!("{:?} {:?}", observation.identifiers, observation.labels), r#"{"netbox/device": "412"} {"prod": "true", "rack": "7"}"#);
    // Null is absent; what is there and empty is for the comparison to judge.
    assert_eq!(serde_json::to_string(&observation.attributes).unwrap(), r#"{"notes":"","tags":[]}"#);
}

#[test]
fn an_item_that_cannot_be_told_apart_is_an_error() {
    assert_eq!(observe(&machine(), "{}").unwrap_err(), "it has neither a key nor a name");
    assert_eq!(observe(&Mapping { class: Some(".class".into()), ..machine() }, r#"{"id": 1}"#).unwrap_err(), "it has no class");
    assert_eq!(observe(&machine(), r#"{"id": [1]}"#).unwrap_err(), "key: text is wanted, not a list");
    assert_eq!(observe(&machine(), "\"403 Forbidden\"").unwrap_err(), "key: cannot look up `id` in a string");
}

#[test]
fn the_field_that_failed_is_named() {
    let map = Mapping { attributes: table(&[("os", "{name: .os.name}")]), ..machine() };
    assert_eq!(observe(&map, r#"{"id": 1, "os": "debian"}"#).unwrap_err(), "attributes.os: cannot look up `name` in a string");
    let map = Mapping { identifiers: table(&[("dns/fqdn", ".names")]), ..machine() };
    assert_eq!(observe(&map, r#"{"id": 1, "names": ["a"]}"#).unwrap_err(), "identifiers.dns/fqdn: text is wanted, not a list");
}

#[test]
fn a_relation_to_nothing_is_left_out_and_a_wrong_one_is_an_error() {
    let relations = |json: &str| {
        let item = format!(r#"{{"id": 1, "relations": {json}}}"#);
        observe(&Mapping { relations: Some(".relations".into()), ..machine() }, &item).map(|observation| observation.relations)
    };
    assert_eq!(relations("null").unwrap(), []);
    assert_eq!(relations(r#"[{"type": "RunsOn", "to": null}, {"type": "RunsOn", "to": {"identifiers": {"a/b": null}}}]"#).unwrap(), []);
    assert_eq!(relations(r#"[{"type": "RunsOn", "to": "esx-1"}]"#).unwrap()[0].to, Target::Name("esx-1".into()));
    assert_eq!(relations(r#"[{"type": "RunsOn", "to": {"name": "x"}}]"#).unwrap_err(), "relations: `to` must be a name or {identifiers: {…}}");
    assert_eq!(relations(r#"[{"to": "x"}]"#).unwrap_err(), "relations: each needs a `type`");
    assert_eq!(relations(r#"{"type": "RunsOn"}"#).unwrap_err(), "relations: a list of {type, to} is wanted, not a map");
}

#[test]
fn without_a_mapping_an_item_is_read_as_an_observation_is_written() {
    let json = r#"{"class": "server", "name": "db-1", "owner": "dba", "identifiers": {"serial/number": 7, "dns/fqdn": null}, "attributes": {"cpus": 4, "gone": null},
        "labels": {"env": "prod"}, "relations": [{"type": "RunsOn", "to": "esx-1"}], "seen": "2026-11-25T08:00:00Z", "unknown": 1}"#;
    let observation = Mapper::compile(None, None).ok().unwrap().map(&node(json)).unwrap();
    assert_eq!((&*observation.key, &*observation.name, observation.owner.as_deref()), ("db-1", "db-1", Some("dba")));
    assert_eq!(
        format!("{:?} {:?} {:?}", observation.identifiers, observation.attributes.names().collect::<Vec<_>>(), observation.labels),
        r#"{"serial/number": "7"} ["cpus"] {"env": "prod"}"#
    );
    assert_eq!(observation.relations.len(), 1);
    assert_eq!(observation.seen, Some("2026-11-25T08:00:00Z".parse().unwrap()));
    let error = Mapper::compile(None, None).ok().unwrap().map(&node("[1]")).unwrap_err();
    assert_eq!(error, "it is a list and not a map; say in `map` what it means");
}

// The two ways agree.

fn documents() -> impl Strategy<Value = Node<'static>> {
    let number = prop_oneof![
        any::<i64>().prop_map(serde_json::Number::from),
        any::<u64>().prop_map(serde_json::Number::from),
        (-5_i64..5).prop_map(serde_json::Number::from),
        any::<f64>().prop_filter_map("finite", serde_json::Number::from_f64),
        Just(serde_json::Number::from_f64(1.0).unwrap()),
        Just(serde_json::Number::from_f64(-0.0).unwrap()),
        Just(serde_json::Number::from_f64(1e300).unwrap()),
    ];
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        number.prop_map(Node::Number),
        "[ -~é€\u{0}\u{7f}]{0,6}".prop_map(|text| Node::Text(Cow::Owned(text))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::List),
            prop::collection::vec((names().prop_map(Cow::Owned), inner), 0..4).prop_map(Node::Map),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "a b", "é", ""]).prop_map(str::to_owned)
}

fn paths() -> impl Strategy<Value = String> {
    let step = (
        prop_oneof![
            names().prop_map(|name| format!("[{name:?}]")),
            (-3_i64..3).prop_map(|place| format!("[{place}]")),
            Just(".a".to_owned()),
            Just(".b".to_owned())
        ],
        any::<bool>(),
    )
        .prop_map(|(step, optional)| if optional { step + "?" } else { step });
    prop::collection::vec(step, 0..4).prop_map(|steps| {
        let path = steps.concat();
        if path.starts_with('.') { path } else { format!(".{path}") }
    })
}

fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        6 => paths(),
        1 => prop::sample::select(vec!["null", "true", "false", "0", "7", "1.5", "18446744073709551615", "1e3", "\"\"", "\"x\\ty\"", "[]", "{}", "\"\\u00e9\""]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|list| format!("[{}]", list.join(", "))),
            prop::collection::vec((names(), inner.clone()), 1..4)
                .prop_map(|members| format!("{{{}}}", members.iter().map(|(name, inner)| format!("{name:?}: ({inner})")).collect::<Vec<_>>().join(", "))),
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|parts| format!("\"x{}y\"", parts.iter().map(|part| format!("\\({part})")).collect::<Vec<_>>().join("-"))),
            (inner.clone(), inner).prop_map(|(left, right)| format!("({left}) // ({right})")),
        ]
    })
}

/// What jaq gives without anything of ours.
fn as_it_comes(expression: &str, document: &Node<'_>) -> Result<Option<Value>, ()> {
    use jaq_core::load::{Arena, File, Loader};
    use jaq_core::{Compiler, Ctx, Vars, data::JustLut, unwrap_valr};
    let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules = Loader::new(definitions).load(&arena, File { code: expression, path: () }).map_err(drop).unwrap();
    let filter = Compiler::default().with_funs(functions).compile(modules).map_err(drop).unwrap();
    let input: jaq_json::Val = serde_json::from_value(document.to_value().to_json()).unwrap();
    let context = Ctx::<JustLut<jaq_json::Val>>::new(&filter.lut, Vars::new([]));
    let mut outputs = filter.id.run((context, input)).map(unwrap_valr);
    let first = outputs.next().transpose().map_err(drop)?;
    Ok(first.map(|value| serde_json::from_str(&value.to_string()).unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, max_shrink_iters: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_run_directly_gives_what_jq_gives(expression in expressions(), document in documents()) {
        let direct: Expression = expression.parse().unwrap();
        prop_assert!(direct.is_direct(), "{} is not run directly", expression);
        let jq = Expression::by_jq(&expression).unwrap();
        let (ours, theirs) = (direct.run(&document), jq.run(&document));
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours.as_ref().map(Value::to_string), theirs.as_ref().map(Value::to_string)),
            (Err(ours), Err(theirs)) => prop_assert_eq!(ours, theirs),
            _ => prop_assert!(false, "{}: directly {:?}, by jq {:?}", expression, ours, theirs),
        }
    }

    /// jaq with its own values, as it comes, is the judge. Left out are text with values in it, since jaq writes decimal
    /// numbers and the order of members as they were read, and places in lists, since it takes `{} | .[0]` for null.
    #[test]
    fn what_is_run_directly_gives_what_jaq_gives_as_it_comes(expression in expressions().prop_filter("no text and no places", |text| !["\\(", "[-", "[0]", "[1]", "[2]"].iter().any(|part| text.contains(part))), document in documents()) {
        let ours = expression.parse::<Expression>().unwrap().run(&document);
        match (&ours, as_it_comes(&expression, &document)) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, &theirs),
            (Err(_), Err(())) => {}
            (ours, theirs) => prop_assert!(false, "{}: directly {:?}, by jaq {:?}", expression, ours, theirs),
        }
    }
}
