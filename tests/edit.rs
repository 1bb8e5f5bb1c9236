//! Edits of YAML files: exactly the intended value's bytes change.

#![allow(missing_docs, clippy::unwrap_used, clippy::format_push_string)] // tests may fail loudly

use std::ops::Range;

use bowline::api::Value;
use bowline::change::edit::{Edit, Refusal, append_document, apply, apply_all, remove_document};
use bowline::estate::yaml::documents;
use proptest::prelude::*;
use serde_json::json;

/// Edits the document of this index.
fn edit(file: &str, document: usize, path: &str, to: impl Into<Value>) -> Result<String, Refusal> {
    let document = documents(file)[document];
    apply(file, document.offset, document.text.len(), path, &to.into())
}

fn refused(file: &str, path: &str, to: impl Into<Value>) -> String {
    edit(file, 0, path, to).unwrap_err().reason
}

// ---- What others got wrong ----

/// image-automation-controller#68: the whole repository was reformatted.
#[test]
fn only_the_value_changes_however_oddly_the_file_is_formatted() {
    let file = "a:   1\nspec:\n      memory:    16Gi\n\n\n      tags: [ x,y,   z ]\n      \"cpus\" : 4\nlist:\n- a\n-    b\n";
    assert_eq!(edit(file, 0, "spec.memory", "8Gi").unwrap(), file.replace("16Gi", "8Gi"));
    assert_eq!(edit(file, 0, "spec.cpus", 8_u64).unwrap(), file.replace("\"cpus\" : 4", "\"cpus\" : 8"));
}

/// flux2#1441: comments were moved.
#[test]
fn comments_stay_where_they_are() {
    let file = "# head\nspec: # of it\n  # above\n  memory: 16Gi  # agreed size\n  # below\n  cpus: '4' # quoted\n# foot\n";
    assert_eq!(edit(file, 0, "spec.memory", "8Gi").unwrap(), file.replace("16Gi", "8Gi"));
    assert_eq!(edit(file, 0, "spec.cpus", "8").unwrap(), file.replace("'4'", "'8'"));
}

/// flux2#4435: the document marker was dropped.
#[test]
fn document_markers_stay() {
    let file = "---\na: 1\n...\n--- # second\na: 2\n---\na: 3\n";
    for (index, old) in ["a: 1", "a: 2", "a: 3"].into_iter().enumerate() {
        assert_eq!(edit(file, index, "a", 7_u64).unwrap(), file.replace(old, "a: 7"));
    }
}

/// image-automation-controller#616: block scalars were collapsed to one quoted line.
#[test]
fn block_scalars_stay_block_scalars() {
    let file = "a: |\n    first\n      second\n\n    third\nb: 1\nc: >- # folded\n  x\n  y\nd: 2\n";
    assert_eq!(edit(file, 0, "b", 7_u64).unwrap(), file.replace("b: 1", "b: 7"));
    assert_eq!(edit(file, 0, "a", "first\n  second\n\nfourth\n").unwrap(), file.replace("third", "fourth"));
    assert_eq!(edit(file, 0, "c", "x y\nz").unwrap(), file.replace("  x\n  y\n", "  x y\n\n  z\n"));
    let found = edit(file, 0, "a", "no line end").unwrap();
    assert!(found.starts_with("a: |-\n    no line end\nb: 1\n"), "{found}");
}

/// `{memory: 16Gi, cpus: 4}` became `{ memory: 8Gi }` with yamlpatch 1.25: measured while this was designed; there is no
/// public report to name.
#[test]
fn a_flow_mapping_keeps_its_other_keys_and_its_spacing() {
    let file = "attributes: {memory: 16Gi, cpus: 4}\nother: {  memory : 16Gi,cpus: 4 }\n";
    assert_eq!(edit(file, 0, "attributes.memory", "8Gi").unwrap(), file.replacen("16Gi", "8Gi", 1));
    assert_eq!(edit(file, 0, "other.memory", "8Gi").unwrap(), file.replace("memory : 16Gi", "memory : 8Gi"));
}

// ---- Scalars ----

#[test]
fn the_type_of_a_value_is_kept_by_quoting() {
    for (to, written) in [
        ("12", "\"12\""),
        ("true", "\"true\""),
        ("yes", "\"yes\""),
        ("", "\"\""),
        ("a: b", "\"a: b\""),
        ("a #b", "\"a #b\""),
        ("00:11:22", "\"00:11:22\""),
        ("2026-01-01", "\"2026-01-01\""),
        ("* x", "\"* x\""),
        ("two\nlines", "\"two\\nlines\""),
        ("16Gi", "16Gi"),
        ("10.0.0.1", "10.0.0.1"),
        ("a, b", "a, b"),
        ("é日", "é日"),
    ] {
        assert_eq!(edit("a: x\n", 0, "a", to).unwrap(), format!("a: {written}\n"));
    }
    assert_eq!(edit("a: [x]\n", 0, "a[0]", "a, b").unwrap(), "a: [\"a, b\"]\n");
    assert_eq!(edit("a: \"12\"\n", 0, "a", 13_u64).unwrap(), "a: 13\n");
    assert_eq!(edit("a: 12\n", 0, "a", true).unwrap(), "a: true\n");
    assert_eq!(edit("a: 'x'\n", 0, "a", "it's").unwrap(), "a: 'it''s'\n");
    assert_eq!(edit("a: \"x\"\n", 0, "a", "say \"é\"\\").unwrap(), "a: \"say \\\"é\\\"\\\\\"\n");
}

#[test]
fn a_value_that_is_not_written_yet_is_written_after_its_colon() {
    assert_eq!(edit("a: # c\nb: 1\n", 0, "a", "x").unwrap(), "a: x # c\nb: 1\n");
    assert_eq!(edit("- \n- 1\n", 0, "[0]", "x").unwrap(), "- x \n- 1\n");
}

#[test]
fn windows_line_ends_are_kept() {
    let file = "---\r\na: |\r\n  x\r\n  y\r\nb:\r\n- 1\r\n";
    assert_eq!(edit(file, 0, "a", "x\nz\n").unwrap(), file.replace("  y\r\n", "  z\r\n"));
    assert_eq!(edit(file, 0, "b", json!([1, 2])).unwrap(), format!("{file}- 2\r\n"));
}

// ---- Lists and maps ----

#[test]
fn a_list_changes_only_where_it_differs() {
    for (file, to, expected) in [
        ("a: [x, 'y',  z] # c\n", json!(["x", "w", "z"]), "a: [x, 'w',  z] # c\n"),
        ("a: [x, 'y',  z] # c\n", json!(["x", "z"]), "a: [x, z] # c\n"),
        ("a: [x,y]\n", json!(["x", "y", "z"]), "a: [x,y,z]\n"),
        ("a: [\n  x\n]\n", json!(["x", "z"]), "a: [\n  x,\n  z\n]\n"),
        ("a: [x, y]\n", json!(["w", "x", "y"]), "a: [w, x, y]\n"),
        ("a: [x]\n", json!([]), "a: []\n"),
        ("a: []\n", json!(["x"]), "a: [x]\n"),
        ("a:\n- x # one\n- y # two\n- z\n", json!(["x", "z"]), "a:\n- x # one\n- z\n"),
        ("a:\n  -   'x' # one\n  # end\nb: 1\n", json!(["x", "z"]), "a:\n  -   'x' # one\n  -   'z'\n  # end\nb: 1\n"),
        ("a:\n- y\n", json!(["x", "y"]), "a:\n- x\n- y\n"),
        ("a:\n- x\n- y", json!([]), "a: []"),
        ("a:\n- b: 1\n  c: 2\n", json!([{"b": 1, "c": 2}, {"b": 3}]), "a:\n- b: 1\n  c: 2\n- b: 3\n"),
        ("a:\n- {b: 1}\n", json!([{"b": 1}, {"b": 3, "c": "4"}]), "a:\n- {b: 1}\n- {b: 3, c: \"4\"}\n"),
    ] {
        assert_eq!(edit(file, 0, "a", to).unwrap(), expected, "{file}");
    }
}

#[test]
fn a_map_changes_only_where_it_differs() {
    for (file, to, expected) in [
        ("a: {b: 1, c: 2}\n", json!({"b": 1, "c": 3, "d": "4"}), "a: {b: 1, c: 3, d: \"4\"}\n"),
        ("a: {b: 1, c: 2}\n", json!({"b": 1}), "a: {b: 1}\n"),
        ("a: {b: 1, c: 2}\n", json!({"b": 1, "d": 2}), "a: {b: 1, d: 2}\n"),
        ("a:\n  b: 1 # c\n  c: 2\nz: 1\n", json!({"b": 5, "d": {"e": "f"}}), "a:\n  b: 5 # c\n  d: {e: f}\nz: 1\n"),
        ("a:\n  b: 1\nz: 1\n", json!({}), "a: {}\nz: 1\n"),
        ("a:\n  b: 1\nz: 1\n", json!({"c": 1}), "a: {c: 1}\nz: 1\n"),
        ("a: x\n", json!({"b": [1]}), "a: {b: [1]}\n"),
    ] {
        assert_eq!(edit(file, 0, "a", to).unwrap(), expected, "{file}");
    }
}

#[test]
fn a_missing_key_is_added_to_its_map() {
    assert_eq!(edit("a:\n    b: 1 # c\n\n# d\nz: 1\n", 0, "a.c", "x").unwrap(), "a:\n    b: 1 # c\n    c: x\n\n# d\nz: 1\n");
    assert_eq!(edit("a: {b: 1}\n", 0, "a.c", 2_u64).unwrap(), "a: {b: 1, c: 2}\n");
    assert_eq!(edit("a: {}\n", 0, "a.dns/fqdn", "x").unwrap(), "a: {dns/fqdn: x}\n");
    assert_eq!(edit("a: {b: 1}\n", 0, "a.app.kubernetes.io/name", "x").unwrap(), "a: {b: 1, app.kubernetes.io/name: x}\n");
    assert!(refused("a: {b: 1}\n", "a.os.version", "x").contains("only one key"));
    assert!(refused("a:\n  b: 1\n", "a.b.c", "x").contains("only one key"));
}

#[test]
fn a_key_is_removed_with_its_line() {
    let file = "a:\n  b: 1\n  c: 2 # c\n  d: 3\n";
    let remove = |path: &str| apply_all(file, 0, file.len(), &[Edit::Remove { path: path.into() }]);
    assert_eq!(remove("a.c").unwrap(), "a:\n  b: 1\n  d: 3\n");
    assert!(remove("a.z").is_err());
    let both = [Edit::Remove { path: "a.b".into() }, Edit::Set { path: "a.d".into(), to: "x".into() }];
    assert_eq!(apply_all(file, 0, file.len(), &both).unwrap(), "a:\n  c: 2 # c\n  d: x\n");
}

// ---- Refusals ----

#[test]
fn what_stands_here_for_others_too_is_refused_and_the_reason_names_it() {
    let file = "# c\nbase: &base {memory: 16Gi}\na: *base\nb: {<<: *base, cpus: 4}\n";
    assert_eq!(refused(file, "a.memory", "8Gi"), "the value comes from the anchor &base at line 2, so an edit here would change other values too");
    assert!(refused(file, "b.memory", "8Gi").contains("merge key"));
    assert!(refused(file, "base.memory", "8Gi").contains("has an anchor"));
    assert!(edit(file, 0, "b.cpus", 8_u64).is_ok());
    assert!(refused("a: !!str 12\n", "a", "13").contains("tag"));
    assert!(refused("a: [&x 1, *x]\n", "a", json!([2, 2])).contains("anchor"));
}

#[test]
fn a_template_is_refused() {
    assert!(refused("a: '{{ x }}'\nb: 1\n", "b", 2_u64).contains("template mark"));
    assert!(refused("# {% if x %}\na: 1\n", "a", 2_u64).contains("template mark"));
    assert!(refused("a: {{ x }}\n", "a", 2_u64).contains("cannot be read"));
}

#[test]
fn a_comment_inside_of_what_would_be_replaced_is_refused() {
    assert!(refused("a:\n  # why\n  b: 1\n", "a", "x").contains("comment"));
}

#[test]
fn a_file_that_is_not_the_one_that_was_read_is_refused() {
    assert!(apply("a: 1\n", 3, 2, "a", &2_u64.into()).unwrap_err().reason.contains("plan again"));
}

// ---- Documents ----

#[test]
fn a_document_is_removed_and_its_neighbours_stay() {
    let file = "# head\n---\na: 1\n---\n# b\nb: 2\n...\n---\nc: 3\n";
    let remove = |index: usize| {
        let document = documents(file)[index];
        remove_document(file, document.offset, document.text.len()).unwrap()
    };
    assert_eq!(remove(0), "# head\n---\n# b\nb: 2\n...\n---\nc: 3\n");
    assert_eq!(remove(1), "# head\n---\na: 1\n---\nc: 3\n");
    assert_eq!(remove(2), "# head\n---\na: 1\n---\n# b\nb: 2\n...\n");
}

#[test]
fn a_document_is_added_at_the_end() {
    assert_eq!(append_document("a: 1", "b: 2\n").unwrap(), "a: 1\n---\nb: 2\n");
    assert_eq!(append_document("---\r\na: 1\r\n", "---\nb: 2\n").unwrap(), "---\r\na: 1\r\n---\r\nb: 2\r\n");
    assert_eq!(append_document("", "b: 2").unwrap(), "b: 2\n");
    assert!(append_document("a: 1\n", "b: [").is_err());
}

// ---- Any document ----

/// A generated value.
#[derive(Clone, Debug)]
enum Shape {
    Scalar(String, u8),
    Map(Vec<Shape>, bool),
    List(Vec<Shape>, bool),
}

impl Shape {
    fn children(&self) -> &[Shape] {
        match self {
            Shape::Map(children, _) | Shape::List(children, _) => children,
            Shape::Scalar(..) => &[],
        }
    }

    fn in_brackets(&self) -> bool {
        matches!(self, Shape::Map(_, true) | Shape::List(_, true)) || self.children().is_empty()
    }
}

/// Writes documents in odd but valid ways, and remembers where each scalar stands.
struct Writer {
    text: String,
    noise: Vec<u8>,
    used: usize,
    scalars: Vec<(String, Range<usize>)>,
}

impl Writer {
    fn noise(&mut self, below: u8) -> u8 {
        self.used += 1;
        self.noise[self.used % self.noise.len()] % below
    }

    fn comment_line(&mut self, indent: usize) {
        match self.noise(5) {
            0 => self.text.push_str(&format!("{}# é: [commented]\n", " ".repeat(indent))),
            1 => self.text.push('\n'),
            _ => {}
        }
    }

    fn line_end(&mut self) {
        let end = ["\n", " # it's\n", "  \n", "\n"][usize::from(self.noise(4))];
        self.text.push_str(end);
    }

    fn scalar(&mut self, path: &str, text: &str, style: u8, flow: bool) {
        let start = self.text.len();
        let word: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
        match style {
            0 => self.text.push_str(&format!("w{word}")),
            1 => self.text.push_str(&format!("'{}'", text.replace('\'', "''"))),
            2 => self.text.push_str(&serde_json::to_string(text).unwrap()),
            _ if flow => self.text.push_str("12"),
            _ => self.text.push_str("true"),
        }
        self.scalars.push((path.to_owned(), start..self.text.len()));
    }

    fn value(&mut self, path: &str, shape: &Shape, indent: usize, flow: bool) {
        let map = matches!(shape, Shape::Map(..));
        let below = |at: usize| if map { format!("{path}.k{at}") } else { format!("{path}[{at}]") };
        if let Shape::Scalar(text, style) = shape {
            self.scalar(path, text, *style, flow);
        } else if flow || shape.in_brackets() {
            self.text.push_str(if map { "{" } else { "[" });
            for (at, child) in shape.children().iter().enumerate() {
                if at > 0 {
                    let comma = [", ", ",  ", " , ", ", "][usize::from(self.noise(4))];
                    self.text.push_str(comma);
                }
                if map {
                    self.text.push_str(&format!("k{at}: "));
                }
                self.value(&below(at), child, indent, true);
            }
            self.text.push_str(if map { "}" } else { "]" });
        } else {
            self.line_end();
            let inner = indent + usize::from(self.noise(3)) + 1;
            for (at, child) in shape.children().iter().enumerate() {
                self.comment_line(inner);
                self.text.push_str(&" ".repeat(inner));
                self.text.push_str(&if map { format!("k{at}: ") } else { "-  ".to_owned() });
                self.value(&below(at), child, inner, false);
            }
            return;
        }
        if !flow {
            self.line_end();
        }
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let scalar = ("[a-zé日0-9 :#'\"\\\\-]{0,12}", 0_u8..4).prop_map(|(text, style)| Shape::Scalar(text, style));
    scalar.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), any::<bool>()).prop_map(|(children, flow)| Shape::Map(children, flow)),
            (prop::collection::vec(inner, 0..4), any::<bool>()).prop_map(|(children, flow)| Shape::List(children, flow)),
        ]
    })
}

type Scalars = Vec<(usize, String, Range<usize>)>;

/// A file, and for each scalar its document, its path and its bytes.
fn file() -> impl Strategy<Value = (String, Scalars)> {
    let documents = prop::collection::vec(prop::collection::vec(shape(), 1..4), 1..4);
    (documents, prop::collection::vec(any::<u8>(), 16..64), any::<bool>()).prop_map(|(documents, noise, windows)| {
        let mut writer = Writer { text: String::new(), noise, used: 0, scalars: Vec::new() };
        let mut found = Vec::new();
        for (number, document) in documents.iter().enumerate() {
            let marker = ["---\n", "--- # next\n"][usize::from(writer.noise(2))];
            writer.text.push_str(marker);
            for (at, child) in document.iter().enumerate() {
                writer.comment_line(0);
                writer.text.push_str(&format!("k{at}: "));
                writer.value(&format!("k{at}"), child, 0, false);
                if writer.noise(4) == 0 {
                    writer.text.push_str(&format!("block{at}: |  # keep\n     literal é\n       {{}} # no comment\n\n     end\n"));
                }
            }
            found.extend(writer.scalars.drain(..).map(|(path, range)| (number, path, range)));
        }
        if !windows {
            return (writer.text, found);
        }
        let moved = |at: usize| at + writer.text[..at].matches('\n').count();
        let found = found.into_iter().map(|(number, path, range)| (number, path, moved(range.start)..moved(range.end))).collect();
        (writer.text.replace('\n', "\r\n"), found)
    })
}

fn new_value() -> impl Strategy<Value = Value> {
    let odd =
        vec!["12", "1e3", "~", "null", "yes", "0x1f", "- a", "a\nb\n", "\t", "---", "...", "#", "é #x", "[", "a: b", "\u{feff}", "\u{1}", "'", "\"", "\\"];
    prop_oneof![
        "[ -$&-z|~é日]{0,20}".prop_map(Value::from),
        "[a-z]{1,8}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(odd).prop_map(Value::from),
    ]
}

fn read_all(file: &str) -> Vec<serde_json::Value> {
    documents(file).iter().map(|document| serde_yaml::from_str(document.text).unwrap()).collect()
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn adopting_a_value_changes_exactly_its_bytes((file, scalars) in file(), choice in any::<prop::sample::Index>(), to in new_value()) {
        prop_assume!(!scalars.is_empty());
        let (number, path, range) = choice.get(&scalars);
        let edited = edit(&file, *number, path, to.clone()).map_err(|refusal| TestCaseError::fail(format!("{refusal}: {path} in\n{file}")))?;
        prop_assert!(edited.starts_with(&file[..range.start]), "before {path}\n{file}\n{edited}");
        prop_assert!(edited.ends_with(&file[range.end..]), "after {path}\n{file}\n{edited}");
        let mut expected = read_all(&file);
        let old = std::mem::replace(expected[*number].pointer_mut(&pointer(path)).unwrap(), to.to_json());
        prop_assert_eq!(read_all(&edited), expected);
        prop_assert_eq!(read_all(&edit(&edited, *number, path, old).unwrap()), read_all(&file), "and back again");
    }

    #[test]
    fn adopting_a_list_keeps_all_else_or_is_refused((file, scalars) in file(), choice in any::<prop::sample::Index>(), to in prop::collection::vec(new_value(), 0..4)) {
        prop_assume!(!scalars.is_empty());
        let (number, path, _) = choice.get(&scalars);
        let Some(end) = path.rfind('[') else { return Ok(()) };
        let to: Value = to.into_iter().collect();
        if let Ok(edited) = edit(&file, *number, &path[..end], to.clone()) {
            let mut expected = read_all(&file);
            *expected[*number].pointer_mut(&pointer(&path[..end])).unwrap() = to.to_json();
            prop_assert_eq!(read_all(&edited), expected, "{}", edited);
        }
    }
}
