//! How YAML is read: what a document means, and where its values stand.

#![allow(clippy::format_push_string, clippy::format_collect)] // the plainest way to long texts

use proptest::prelude::*;

use super::super::plain::tests::{lines, nested};
use super::super::{RawDocument, documents, parse};
use super::*;

fn tree(text: &str) -> Node<'_> {
    parse(&RawDocument { text, offset: 0, line: 1 }, &Limits::default()).unwrap_or_else(|error| panic!("{error:?} in {text}"))
}

fn error(text: &str) -> YamlError {
    parse(&RawDocument { text, offset: 0, line: 1 }, &Limits::default()).unwrap_err()
}

/// The bytes of the value at a path, and its line and column.
fn written<'t>(text: &'t str, path: &str) -> (&'t str, u32, u32) {
    let root = tree(text);
    let span = root.at(path).unwrap_or_else(|| panic!("no {path} in {text}")).span;
    (&text[span.range()], span.line, span.column)
}

#[test]
fn a_value_reads_as_serde_yaml_reads_it() {
    for text in [
        "a: 1\nb: [x, 'y', \"z\\n\"]\nc: {d: ~, e: , f}\n",
        "a:\n- 1\n- - 2\n  - 3\n-\nb: |\n  x\n   y\n\n  z\nc: >-\n  x\n  y\n",
        "--- # c\n? a\n: b\n",
        "a: plain over\n  two lines\nb: 'quoted\n  over two'\n",
        "é: ü\n# comment\nx: \"\\u00e9\"\n",
        "a: !!str 12\nb: !!int \"3\"\nc: !!float 1\ne: !!bool true\n",
        "a: &x [1, 2]\nb: *x\nc: &y z\nd: *y\n",
        "[]",
        "{}",
        "text",
        "",
        "a: |\n  x",
        "a: |+\n  x",
        "a: >\n  x\n  y",
        "a: 'it''s'\r\nb: |+\r\n  x\r\n\r\n",
    ] {
        assert_eq!(tree(text).to_json(), serde_yaml::from_str::<serde_json::Value>(text).unwrap(), "{text}");
    }
}

#[test]
fn a_span_holds_the_bytes_of_the_value_and_no_more() {
    let text = "a: 1 # c\nb: 'x' # c\nc: \"y\\\"\"   # c\nd: {e: [1, 2] , f: g} # c\nh:\n  i: j\n\n  # c\n  k:\n  - l\n  -   m: n\n# c\no: |- # c\n   p\n    q  \n\n# c\nr:\ns: !!str t\nu: &v  w\n";
    for (path, expected) in [
        ("a", ("1", 1, 4)),
        ("b", ("'x'", 2, 4)),
        ("c", ("\"y\\\"\"", 3, 4)),
        ("d", ("{e: [1, 2] , f: g}", 4, 4)),
        ("d.e", ("[1, 2]", 4, 8)),
        ("d.e[1]", ("2", 4, 12)),
        ("d.f", ("g", 4, 20)),
        ("h", ("i: j\n\n  # c\n  k:\n  - l\n  -   m: n", 6, 3)),
        ("h.k", ("- l\n  -   m: n", 10, 3)),
        ("h.k[1]", ("m: n", 11, 7)),
        ("o", ("|- # c\n   p\n    q  ", 13, 4)),
        ("r", ("", 18, 3)),
        ("s", ("t", 19, 10)),
        ("u", ("w", 20, 8)),
    ] {
        assert_eq!(written(text, path), expected, "{path}");
        let (bytes, line, column) = expected;
        let windows = text.replace('\n', "\r\n");
        assert_eq!(written(&windows, path), (bytes.replace('\n', "\r\n").as_str(), line, column), "{path} with CRLF");
    }
}

#[test]
fn places_count_characters_and_spans_bytes() {
    let text = "é: ü\n日本: {ö: 'ä', x: |}\n".replace("|}", "1}");
    assert_eq!(written(&text, "日本.ö"), ("'ä'", 2, 9));
    assert_eq!(written(&text, "日本.x"), ("1", 2, 17));
    assert_eq!(written("é: |\n  ü\nx: 1\n", "é"), ("|\n  ü", 1, 4));
}

#[test]
fn block_scalars_end_with_their_last_line() {
    for (text, expected) in [
        ("a: |\n  x\n", "|\n  x"),
        ("a: |\n  x", "|\n  x"),
        ("a: |+\n  x\n\n\nb: 1\n", "|+\n  x"),
        ("a: >\n\n  x\n  y\n\n# c\nb: 1\n", ">\n\n  x\n  y"),
        ("a: |\n\nb: 1\n", "|"),
        ("a: |2-\n   x\nb: 1\n", "|2-\n   x"),
        ("a: !!str |\n  x\nb: 1\n", "|\n  x"),
        ("a:\n- |\n x\n- y\n", "|\n x"),
    ] {
        let path = if text.starts_with("a:\n") { "a[0]" } else { "a" };
        assert_eq!(written(text, path).0, expected, "{text}");
    }
    assert_eq!(written("--- |\n x\n", "").0, "|\n x");
}

#[test]
fn brackets_end_after_a_last_comma() {
    assert_eq!(written("a: {b: 1, # c\n  } # d\n", "a").0, "{b: 1, # c\n  }");
    assert_eq!(written("a: [b, # c\n  ] # d\n", "a").0, "[b, # c\n  ]");
}

#[test]
fn a_repeated_key_is_an_error_at_the_second() {
    let found = error("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n");
    assert_eq!((found.line, found.column, found.message.as_str()), (5, 3, "the key `c` stands twice in this map"));
    let many: String = (0..100).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(error(&format!("{many}k7: 1\n")).line, 101);
    assert!(tree(&many).get("k99").is_some());
}

#[test]
fn errors_stand_at_their_line_in_the_file() {
    let documents = documents("a: 1\n---\nb: 2\nc: [\n---\nd: 4\n");
    let read: Vec<_> = documents.iter().map(|document| parse(document, &Limits::default())).collect();
    assert!(read[0].is_ok() && read[2].is_ok(), "one bad document does not hide its neighbours");
    let line = read[1].as_ref().unwrap_err().line;
    assert!((4..=5).contains(&line), "{line}");
}

#[test]
fn merge_keys_are_applied_and_what_a_map_has_itself_stays() {
    let root = tree("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], a: 0}\nw: {<<: *x}\nv: {\"<<\": 1}\n");
    assert_eq!(root.at("z").unwrap().to_json(), serde_json::json!({"a": 0, "b": 2, "c": 4}));
    assert_eq!(root.at("w").unwrap().to_json(), serde_json::json!({"a": 1, "b": 2}));
    assert_eq!(root.at("v").unwrap().to_json(), serde_json::json!({"<<": 1}));
    assert!(root.at("z.b").unwrap().span.alias && !root.at("z.a").unwrap().span.alias);
    assert_eq!(error("a: {<<: 1}").message, "a merge key `<<` needs a map, or a list of maps");
}

#[test]
fn an_alias_stands_where_it_is_written_and_is_marked() {
    let text = "a: &x {b: 1}\nc: *x\n";
    let root = tree(text);
    assert_eq!(written(text, "c"), ("*x", 2, 4));
    assert!(root.at("c").unwrap().span.alias && root.at("c.b").unwrap().span.alias && !root.at("a.b").unwrap().span.alias);
    assert!(root.at("a").unwrap().anchored);
}

#[test]
fn unknown_tags_are_an_error_with_a_hint() {
    let found = error("a: !vault |\n  secret\n");
    assert_eq!((found.message.as_str(), found.line, found.column), ("the tag `!vault` is not known", 1, 11));
    assert!(found.hint.is_some());
    for text in ["a: !!int x", "a: !!bool 1", "a: !!binary aGk=", "a: !x [1]", "a: !!map [1]"] {
        assert!(!error(text).message.is_empty());
    }
}

#[test]
fn an_alias_bomb_ends_in_an_error_quickly() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..20 {
        text += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "));
    }
    assert!(error(&text).message.contains("more than"));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 1000].join(", "));
    assert!(error(&long).message.contains("repeat more than"));
    assert!(error("a: &a [*a]").message.contains("inside of the value"));
}

#[test]
fn deep_nesting_ends_in_an_error_quickly_and_without_a_full_stack() {
    let started = std::time::Instant::now();
    for part in
        ["[", "{a: ", "- ", "? ", "[{a: ", "- [", "!!seq [", "&a [", "a:\n", "'", "\"", "[,", "{,", "*a ", "x: y: ", "- - [", "[a,", "[? ", "a\n ", "[]: "]
    {
        let text = part.repeat((1 << 20) / part.len());
        let _ = parse(&RawDocument { text: &text, offset: 0, line: 1 }, &Limits::default());
    }
    let stairs: String = (0..2000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    assert!(error(&stairs).message.contains("deep"));
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn too_many_values_and_too_long_a_document_end_in_an_error() {
    assert!(error(&"- a\n".repeat(200_001)).message.contains("more than 200000 values"));
    assert!(error(&format!("[{}]", "a, ".repeat(500_000))).message.contains("more than 200000 values"));
    assert!(error(&"#".repeat((4 << 20) + 1)).message.contains("more than the"));
}

#[test]
fn a_syntax_error_says_what_most_often_lies_behind_it() {
    assert_eq!(error("a:\n\tb: 1\n").hint.as_deref(), Some("a tab cannot indent; use spaces"));
    assert!(error("a: {{ value }}\n").hint.unwrap().contains("template"));
    assert!(error("a: *b\n").hint.unwrap().contains("anchor"));
    assert!(error("a: @b\n").hint.unwrap().contains("quotes"));
    assert!(error("a: b: c\n").hint.unwrap().contains("quotes"));
}

#[test]
fn a_number_that_would_lose_digits_is_an_error() {
    let found = error("serial: 123456789012345678901234\n");
    assert_eq!(found.hint.as_deref(), Some("put it in quotes to keep it as text"));
}

/// What `serde_yaml` makes of a text, and what the tree says.
fn same_as_serde_yaml(text: &str) -> Result<(), TestCaseError> {
    let Ok(ours) = read(text, &Limits::default()) else { return Ok(()) };
    let Ok(theirs) = serde_yaml::from_str::<serde_json::Value>(text) else { return Ok(()) };
    // A block scalar that is the whole document need not be indented, so `#` may be its text; serde_yaml wants a space.
    if !matches!(ours.style, Style::Literal | Style::Folded) {
        prop_assert_eq!(ours.to_json(), theirs, "{}", text);
    }
    Ok(())
}

fn inside(node: &Node, text: &str) {
    assert!(text.get(node.span.range()).is_some(), "{:?} in {text:?}", node.span);
    let lines = text.get(..node.span.start as usize).unwrap().matches('\n').count();
    assert!(text.contains('\r') || node.span.line as usize == lines + 1, "{:?} in {text:?}", node.span);
    node.as_list().into_iter().flatten().for_each(|node| inside(node, text));
    node.as_map().into_iter().flatten().for_each(|(key, node)| {
        assert!(text.get(key.span.range()).is_some(), "{:?} in {text:?}", key.span);
        inside(node, text);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn the_tree_says_what_serde_yaml_says_for_nested_documents(text in nested()) {
        same_as_serde_yaml(&text)?;
        if let Err(error) = read(&text, &Limits::default()) {
            // A repeated key is an error here, where serde_yaml would take the last.
            prop_assert!(error.message.contains("twice") || serde_yaml::from_str::<serde_json::Value>(&text).is_err(), "{}", text);
        }
    }

    #[test]
    fn the_tree_says_what_serde_yaml_says_for_lines_in_any_order(text in lines()) {
        // An anchor's name may hold a `:` in YAML 1.2, not for serde_yaml, which reads `&a: 1` as a map.
        let text = text.replace(['&', '*', '!'], "+");
        same_as_serde_yaml(&text)?;
    }

    #[test]
    fn any_text_ends_in_a_tree_whose_spans_lie_in_it_or_in_an_error(text in "([a-c:#,'\"\\[\\]{}&*!|>?~.é日 \\\\\t\r\n%@-]|---|\\.\\.\\.|: |- |\\n|<<: |!!str|\u{feff}){0,40}") {
        for document in documents(&text) {
            match parse(&document, &Limits::default()) {
                Ok(node) => inside(&node, document.text),
                Err(error) => prop_assert!(error.line >= document.line && error.column > 0),
            }
        }
        let _ = parse(&RawDocument { text: &text, offset: 0, line: 1 }, &Limits::default());
    }
}
