//! Answers of sources that nobody would think of, for laws of identity and import.
#![allow(dead_code)] // each user has its own part
#![allow(clippy::unwrap_used)] // a text is always JSON

use bowline::discovery::Answer;
use proptest::prelude::*;

use crate::builders::{answer, item};

/// What people call machines, and what breaks naive YAML.
pub const ODD: [&str; 24] = [
    "no",
    "1e3",
    "~",
    "null",
    "true",
    "0x1f",
    "2026-01-01",
    "12:30:45",
    "Zürich/Süd #1",
    "日本語サーバ",
    "🦀",
    "../../etc/passwd",
    "- x",
    "x: y #z",
    "{{ name }}",
    "'single' \"double\"",
    "a\tb\nc",
    "\u{202e}gnp.exe",
    "*alias",
    "&anchor",
    "!tag",
    "%percent",
    "<script>alert(1)</script>",
    "|",
];

/// Names with one of these values each, or without.
fn fields(of: Vec<(&'static str, Vec<String>)>) -> impl Strategy<Value = String> {
    let field = |(name, values): (&'static str, Vec<String>)| {
        let value = prop::sample::select(values).prop_map(move |value| format!("{name}: {value}"));
        prop::option::of(value)
    };
    of.into_iter().map(field).collect::<Vec<_>>().prop_map(|fields| fields.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// Identifiers of few values, so that things share them.
fn identifiers() -> impl Strategy<Value = String> {
    let id = |name, most: u8| (name, (0..most).map(|number| format!("\"{number}a-{number}b\"")).collect());
    fields(vec![
        id("vsphere/instance-uuid", 12),
        id("bios/uuid", 10),
        id("serial/number", 8),
        id("dns/fqdn", 8),
        id("vsphere/cluster", 4),
        id("netbox/virtual-machine", 20),
    ])
}

/// Attributes in several spellings.
fn attributes() -> impl Strategy<Value = String> {
    let of = |name, values: &[&str]| (name, values.iter().map(|value| (*value).to_owned()).collect());
    fields(vec![
        of("memory", &["8Gi", "8192Mi", "16Gi", "\"\""]),
        of("cpus", &["4", "\"4\"", "8"]),
        of("os", &["{name: debian}", "{version: 12}", "{name: Debian, version: \"12.0\"}", "{name: windows}"]),
        of("macAddresses", &["[\"00:50:56:00:00:01\"]", "[\"00-50-56-00-00-01\", \"00:50:56:00:00:02\"]", "[\"00:50:56:00:00:03\"]"]),
        of("network", &["lan", "dmz"]),
        of("uptime", &["1", "2"]),
        of("tags", &["[a, b]", "[b, a]", "[\"no\", \"~\", \"1e3\"]"]),
    ])
}

fn class() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["virtual-machine", "server", "hypervisor", "cluster", "no-such-class"])
}

/// One observation in the builders' form. Of few keys, a source often says several things under one.
fn observation(keys: u16) -> impl Strategy<Value = String> {
    let name = prop_oneof![prop::sample::select(ODD.to_vec()).prop_map(str::to_owned), (0..6_u8).prop_map(|number| format!("vm-{number}"))];
    let target = prop_oneof![
        (0..6_u8).prop_map(|number| format!("\"vm-{number}\"")),
        (0..4_u8).prop_map(|number| format!("{{identifiers: {{vsphere/cluster: \"{number}a-{number}b\"}}}}")),
        prop::sample::select(ODD.to_vec()).prop_map(|name| serde_json::to_string(name).unwrap()),
    ];
    let relation = (prop::sample::select(vec!["RunsOn", "MemberOf"]), target).prop_map(|(kind, to)| format!("{{type: {kind}, to: {to}}}"));
    let seen = prop::sample::select(vec!["", "", "", ", seen: \"2026-01-01T00:00:00Z\""]);
    let parts = (class(), name, 0..keys, identifiers(), attributes(), prop::collection::vec(relation, 0..3), seen);
    parts.prop_map(|(class, name, key, identifiers, attributes, relations, seen)| {
        let (name, relations) = (serde_json::to_string(&name).unwrap(), relations.join(", "));
        format!("class: {class}, key: k-{key}, name: {name}, identifiers: {{{identifiers}}}, attributes: {{{attributes}}}, relations: [{relations}]{seen}")
    })
}

/// What three sources say.
pub fn answers() -> impl Strategy<Value = Vec<Answer>> {
    prop_oneof![3 => Just(40), 1 => Just(2)].prop_flat_map(|keys| {
        let of = move |name: &'static str| {
            let said = prop::collection::vec(observation(keys), 0..12);
            said.prop_map(move |said| answer(name, &said.iter().map(String::as_str).collect::<Vec<_>>()))
        };
        (of("a"), of("b"), of("c")).prop_map(|(a, b, c)| vec![a, b, c])
    })
}

/// The same answers in another order, and what each says in another.
pub fn turned(answers: &[Answer], seed: usize) -> Vec<Answer> {
    let mut turned = answers.to_vec();
    for answer in &mut turned {
        if !answer.items.is_empty() {
            let by = seed % answer.items.len();
            answer.items.rotate_left(by);
            answer.items.reverse();
        }
    }
    turned.rotate_left(seed % answers.len().max(1));
    turned
}

/// Declared items in the builders' form.
pub fn items() -> impl Strategy<Value = Vec<String>> {
    let one = (prop::sample::select(vec!["virtual-machine", "server", "hypervisor", "cluster"]), identifiers(), attributes());
    let spec = one.prop_map(|(class, identifiers, attributes)| format!("class: {class}, identifiers: {{{identifiers}}}, attributes: {{{attributes}}}"));
    prop::collection::vec(spec, 0..6).prop_map(|specs| specs.iter().enumerate().map(|(number, spec)| item(&format!("vm-{number}"), spec)).collect())
}
