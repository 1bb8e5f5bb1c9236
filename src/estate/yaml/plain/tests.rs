//! The plain reader gives the same tree as the full one, to the place of every value.

use proptest::prelude::*;

use super::super::read::read as slow;
use super::read as plain;
use super::*;

const ITEM: &str = "---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata:\n  name: vm-1\n  labels: {env: prod}\nspec:\n  class: virtual-machine\n  identifiers:\n    dns/fqdn: vm-1.example.com\n  attributes:\n    cpus: 16\n    memory: 2048Mi  # agreed size\n    os: {name: windows, version: \"2022\"}\n    macAddresses: [\"1D:6D:13:2C:DE:D6\"]\n    tags: [pci, backup]\n    owner: Jürgen\n  relations:\n  - {type: RunsOn, to: esx}\n  - type: MemberOf\n    to: x\n";

/// Where the plain reader answers, the other one gives the same tree.
fn agree(text: &str) -> Result<bool, TestCaseError> {
    let Some(fast) = plain(text, &Limits::default()) else { return Ok(false) };
    match slow(text, &Limits::default()) {
        Ok(slow) => prop_assert_eq!(&fast, &slow, "{}", text),
        Err(error) => prop_assert!(false, "{}: {:?} gave {:?}", text, error, fast),
    }
    Ok(true)
}

#[test]
fn a_usual_item_is_plain_with_either_line_end() {
    assert!(agree(ITEM).unwrap());
    assert!(agree(&ITEM.replace('\n', "\r\n")).unwrap());
}

#[test]
fn what_is_not_plain_is_left_to_the_other_reader() {
    for text in [
        "",
        "text",
        "[a]",
        "a: |\n  b\n",
        "a: &x 1\n",
        "a: *x\n",
        "a: !x 1\n",
        "a: b\n  c\n",
        "a: \"x\\n\"\n",
        "a: 'it''s'\n",
        "a: [1,\n 2]\n",
        "a: 1\na: 2\n",
        "a:\tb\n",
        "? a\n: b\n",
        "<<: {a: 1}\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\n...\n",
        "%YAML 1.2\n---\na: 1\n",
        "--- {a: 1}\n",
        "a: b: c\n",
        "a: - b\n",
        "a: {b}\n",
        "a: [b: c]\n",
        "a: 123456789012345678901234\n",
        "a: b\rc: d\n",
        "a: [1]]\n",
        "a: 'x' y\n",
        "a: [x]#c\n",
        "a:\n b: 1\n  c: 2\n",
        "a:\n  b: 1\n c: 2\n",
        "- a\nb: 1\n",
        "a: {b: 1, b: 2}\n",
    ] {
        assert!(plain(text, &Limits::default()).is_none(), "{text}");
    }
}

#[test]
fn most_generated_documents_are_plain_so_that_the_properties_say_something() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut share = |strategy: BoxedStrategy<String>| (0..500).filter(|_| agree(&strategy.new_tree(&mut runner).unwrap().current()).unwrap()).count();
    let (nested, lines) = (share(nested().boxed()), share(lines().boxed()));
    assert!(nested > 200 && lines > 20, "{nested} and {lines} of 500");
}

/// Lines as people write them, in an order that may make no sense.
pub fn lines() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(vec![
            "a:",
            "b: 1",
            "c: x y",
            "- a",
            "-",
            "- b: 2",
            "- - c",
            "d: [1, x, 'y', \"z\"]",
            "e: {f: 1, g: [h, {i: }]}",
            "- {a: b}",
            "- [a, ]",
            "é: ü 日 # é",
            "j: # c",
            "# c",
            "",
            "k: 'l' # c",
            "\"m\": n",
            "- 'o': p",
            "q/r.s-t: u:v",
            "w: -1",
            "x: - 1",
            "y: a#b",
            "z: ~",
            "aa : b",
            "bb: {c: d}#e",
            "cc: [[], {}]",
            "dd: \"e f\"  ",
            "ee: ?x",
            "ff: :x",
            "gg: a, b",
            "---",
            "...",
            "- -1",
            "-  hh: 1",
            "ii: [a b, c:d]",
            "jj: {'k': 1, l : 2}",
            "- # c",
            "k: {a: 1,b: 2}",
            "k: 'a",
            "k: [",
            "word",
            "- \"a\" : b",
            "k: - -",
            "- ? a",
            "k:  v",
            "l: 0x1f",
            "m: http://x:1/y#z",
            "n: {o: http://x, p: 1}",
        ])
        .prop_map(str::to_owned),
        "[a-c:#,'\"\\[\\]{}&*!|>?~.é \\\\-]{0,10}",
    ];
    let line = (0_usize..5, part).prop_map(|(indent, text)| format!("{}{text}", " ".repeat(indent)));
    (prop::collection::vec(line, 0..10), prop::sample::select(vec!["\n", "\r\n"]), any::<bool>())
        .prop_map(|(lines, end, ends)| lines.join(end) + if ends { end } else { "" })
}

/// Documents whose lines fit together.
pub fn nested() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "x",
        "'a b'",
        "\"c\"",
        "",
        "[]",
        "{}",
        "[1, a b, [x]]",
        "{a: 1, 'b': [c], d: }",
        "-1.5",
        "~",
        "true",
        "a: b",
        "v # c",
        "日本 é",
        "2048Mi  # x",
    ])
    .prop_map(|text| vec![text.to_owned()]);
    let node = leaf.prop_recursive(4, 32, 4, |inner| {
        (prop::collection::vec(inner, 1..4), 0_usize..4, 0_u8..3).prop_map(|(children, indent, kind)| {
            let mut lines = vec![String::new()];
            for (at, child) in children.iter().enumerate() {
                let begin = if kind == 0 { "-".to_owned() } else { format!("k{at}:") };
                lines.push(format!("{}{begin} {}", " ".repeat(indent), child[0]));
                let deeper = if kind == 2 { indent } else { indent + 1 };
                lines.extend(child[1..].iter().map(|line| format!("{}{line}", " ".repeat(deeper))));
                if at == 1 {
                    lines.push("# between".into());
                }
            }
            lines
        })
    });
    node.prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn both_readers_give_the_same_tree_for_lines_in_any_order(text in lines()) {
        agree(&text)?;
    }

    #[test]
    fn both_readers_give_the_same_tree_for_nested_documents(text in nested()) {
        agree(&text)?;
    }

    #[test]
    fn both_readers_give_the_same_tree_for_an_item_with_a_slip(at in 0..ITEM.len(), length in 0_usize..4, new in "[a :#,'\"\\[\\]{}&\n-]{0,3}") {
        let end = (at + length).min(ITEM.len());
        if ITEM.is_char_boundary(at) && ITEM.is_char_boundary(end) {
            agree(&format!("{}{new}{}", &ITEM[..at], &ITEM[end..]))?;
        }
    }
}
