//! Nothing foreign is markup, wherever it stands.

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use proptest::prelude::*;

use super::*;

#[test]
fn code_cannot_be_left_and_a_table_cannot_be_broken() {
    for (text, safe) in [
        ("16Gi", "`16Gi`"),
        ("a|b", "`a\\|b`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("two\nlines", "`two lines`"),
        ("@team <b>", "`@team <b>`"),
        ("", "–"),
        ("\0\u{202e}", "–"),
    ] {
        assert_eq!(code(text), safe);
    }
}

#[test]
fn a_word_that_could_be_more_than_text_is_code() {
    for (text, safe) in [
        ("@alice and alice@example.com", "`@alice` and `alice@example.com`"),
        ("![x](http://evil.example)", "`![x](http://evil.example)`"),
        ("see <img src=x> or www.evil.example", "see `<img` src=x`>`"),
        ("#12 !12 a/b#1 GH-12 ABC-7", "`#12` `!12` `a/b#1` `GH-12` `ABC-7`"),
        ("d6b0f5e or 0d6c1b7f2a11.", "`d6b0f5e` or `0d6c1b7f2a11.`"),
        (":smile: at 02:30 on db-01: $x$", "`:smile:` at 02:30 on db-01: `$x$`"),
        ("a | b_c *d* ~e~", "a `|` `b_c` `*d*` `~e~`"),
    ] {
        let safe = if text.starts_with("see") { "see `<img` `src=x>` or `www.evil.example`" } else { safe };
        assert_eq!(plain(text), safe);
    }
}

#[test]
fn a_line_cannot_begin_a_list_a_rule_or_a_heading() {
    for (text, safe) in [("- [ ] x", "`-` `[` `]` x"), ("1. x", "`1.` x"), ("---", "`---`"), ("=", "`=`"), ("    x", "x"), ("2 of 3", "2 of 3")] {
        assert_eq!(plain(text), safe);
    }
}

#[test]
fn words_in_backticks_are_code_and_the_rest_is_plain() {
    assert_eq!(prose("Run `bowline plan` at 02:30 for a_b"), "Run `bowline plan` at 02:30 for `a_b`");
    assert_eq!(prose("one ` only @x"), "one `` ` `` only `@x`");
    assert_eq!(prose("`@team` <b>"), "`@team` `<b>`");
    assert_eq!(prose("the source `a`: `b`, c"), "the source `a`: `b`, c");
    assert_eq!(prose("`a``b`@x"), "`a` `b` `@x`");
}

#[test]
fn a_megabyte_ends_as_a_short_text() {
    for text in ["x".repeat(1 << 20), "`a` ".repeat(1 << 18), "@".repeat(1 << 20), "\u{202e}|".repeat(1 << 18)] {
        for safe in [code(&text), plain(&text), prose(&text), title(&text), mermaid_label(&text)] {
            assert!(safe.chars().count() <= 4 * LONGEST_SENTENCE && safe.contains('…') || safe == "–", "{}", safe.chars().count());
        }
    }
}

#[test]
fn a_title_holds_no_reference_and_no_mark() {
    let shown = |text: &str| title(text).replace(JOINER, "·");
    for (text, safe) in [
        ("shop: Enforce memory of db-01", "shop: Enforce memory of db-01"),
        ("@everyone #1 !2 a/b#3 GH-4", "@·everyone #·1 !·2 a/b#·3 GH-·4"),
        ("WIP: x", "W·IP: x"),
        ("[skip ci] `code` :smile:", "[·skip ci] 'code' :·smile:·"),
        ("fix 0d6c1b7f2a11 https://evil.example", "fix 0d6c1b·7f2a11 https:·//evil.·example"),
        ("two\nlines \u{202e}\0", "two lines"),
    ] {
        assert_eq!(shown(text), safe);
    }
    assert_eq!(one_line(&title("@everyone")), "@everyone", "on a terminal the joiner is nothing");
}

#[test]
fn a_mermaid_label_is_letters_digits_and_codes() {
    assert_eq!(mermaid_label("web-01.example/app"), "\"web-01.example/app\"");
    assert_eq!(mermaid_label("\"]; click"), "\"#34;#93;#59; click\"");
    assert_eq!(mermaid_label("fa:fa-ban $$x$$ %%{init}%%"), "\"fa#58;fa-ban #36;#36;x#36;#36; #37;#37;#123;init#125;#37;#37;\"");
    assert_eq!(mermaid_label("1. x - y"), "\"1#46; x #45; y\"");
}

/// All that forges read beyond CommonMark.
fn options() -> Options<'static> {
    let mut options = Options::default();
    let extension = &mut options.extension;
    (extension.strikethrough, extension.table, extension.autolink, extension.tasklist) = (true, true, true, true);
    (extension.footnotes, extension.alerts, extension.shortcodes, extension.wikilinks_title_after_pipe) = (true, true, true, true);
    (extension.math_dollars, extension.math_code, extension.superscript, extension.subscript) = (true, true, true, true);
    options.parse.relaxed_autolinks = true;
    options
}

/// The running text of a document and its code, each in order; what else it holds, by name.
fn read(markdown: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let arena = Arena::new();
    let (mut texts, mut codes, mut other) = (Vec::new(), Vec::new(), Vec::new());
    let root: &AstNode = parse_document(&arena, markdown, &options());
    for node in root.descendants() {
        match &node.data().value {
            NodeValue::Document | NodeValue::Paragraph => {}
            NodeValue::Text(text) => texts.push(text.to_string()),
            NodeValue::Code(code) => codes.push(code.literal.clone()),
            value => other.push(format!("{value:?}")),
        }
    }
    (texts, codes, other)
}

/// Whether a forge makes anything of running text: the patterns of GitHub and Gitea, somewhat wider than theirs.
fn is_read_as_more(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let pairs = chars.windows(2).any(|pair| match pair {
        ['@', next] => next.is_alphanumeric() || "-_".contains(*next),
        ['#' | '!', next] => next.is_ascii_digit(),
        ['[', next] => *next != JOINER,
        _ => false,
    });
    let lower = text.to_lowercase();
    let hash = text.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| run.len() >= 7 && run.chars().all(|c| c.is_ascii_hexdigit()));
    let emoji = text.split(':').skip(1).any(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || "+-_".contains(c)));
    let emoji = emoji && text.matches(':').count() > 1 && !text.contains(": ");
    pairs
        || hash
        || emoji
        || lower.contains("://")
        || lower.split("www.").skip(1).any(|rest| rest.starts_with(char::is_alphanumeric))
        || lower.contains("gh-1")
        || text.chars().any(|c| hidden(c) && c != JOINER)
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Strings of the pieces that hurt.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "@",
            "everyone",
            "#",
            "!",
            "1",
            "12",
            "GH-1",
            "[",
            "]",
            "(",
            ")",
            "](",
            "![",
            "javascript:alert(1)",
            "http://127.0.0.1/x",
            "www.",
            "a.b",
            "|",
            "\\",
            "`",
            "``",
            "```",
            "~~~",
            "<script>",
            "<img src=x onerror=y>",
            "<!--",
            "-->",
            "&#64;",
            "&amp;",
            "$",
            "$$",
            "$`",
            ":smile:",
            ":",
            "*",
            "**",
            "_",
            "~",
            "-",
            "- [ ] ",
            "1. ",
            "# ",
            "> ",
            "=",
            "---",
            "\n",
            "\r\n",
            "\t",
            "    ",
            " ",
            "\0",
            "\u{202e}",
            "\u{200b}",
            "\u{2060}",
            "[^1]",
            "[[x]]",
            "^",
            "{",
            "}",
            "%%{",
            "a",
            "b",
            "deadbeef",
            "0123456789abcdef",
            "mailto:a@b.cc",
            "x@y.zz",
            "/",
            "a/b",
            "mermaid",
            "é",
            "漢",
            "\u{1f600}",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn running_text_is_only_text_and_code_and_says_what_it_was(text in hostile()) {
        for (safe, prosaic) in [(plain(&text), false), (prose(&text), true)] {
            let (texts, codes, other) = read(&safe);
            prop_assert!(other.is_empty(), "{text:?} became {safe:?}: {other:?}");
            let running = texts.concat();
            prop_assert!(!texts.iter().any(|text| is_read_as_more(text)), "{text:?} became {safe:?}");
            prop_assert!(!safe.contains('\n'));
            if !prosaic {
                let said: String = read_in_order(&safe);
                prop_assert_eq!(squeezed(&said), squeezed(&one_line(&text)), "{} {:?}", running, codes);
            }
        }
    }

    #[test]
    fn a_code_span_in_a_table_is_one_cell_that_says_what_it_was(text in hostile(), other in hostile()) {
        let arena = Arena::new();
        let table = format!("| a | b |\n|---|---|\n| {} | {} |\n| x | y |\n", code(&text), code(&other));
        let root = parse_document(&arena, &table, &options());
        let nodes: Vec<_> = root.descendants().collect();
        let count = |wanted: fn(&NodeValue) -> bool| nodes.iter().filter(|node| wanted(&node.data().value)).count();
        prop_assert_eq!(count(|value| matches!(value, NodeValue::TableRow(_))), 3, "{}", table);
        prop_assert_eq!(count(|value| matches!(value, NodeValue::TableCell)), 6, "{}", table);
        let codes: Vec<String> = nodes.iter().filter_map(|node| match &node.data().value { NodeValue::Code(code) => Some(code.literal.clone()), _ => None }).collect();
        let wanted = |text: &str| { let line = one_line(&text.replace(JOINER, " ")).trim().replace("\\|", "\\ |"); (!line.is_empty()).then_some(line) };
        let wanted: Vec<String> = [wanted(&text), wanted(&other)].into_iter().flatten().collect();
        prop_assert_eq!(codes, wanted, "{}", table);
        prop_assert_eq!(count(|value| !matches!(value, NodeValue::Document | NodeValue::Table(_) | NodeValue::TableRow(_) | NodeValue::TableCell | NodeValue::Text(_) | NodeValue::Code(_))), 0, "{}", table);
    }

    #[test]
    fn a_title_is_read_as_nothing_else_and_fits(text in hostile()) {
        let title = title(&text);
        prop_assert!(!is_read_as_more(&title), "{text:?} became {title:?}");
        prop_assert!(title.chars().count() <= 255 && !title.contains('`') && !title.contains('\n'));
        prop_assert!(!title.to_lowercase().starts_with("wip:") && !title.to_lowercase().starts_with("[wip]"));
    }

    #[test]
    fn a_label_stays_in_its_quotes(text in hostile()) {
        let label = mermaid_label(&text);
        let inner = &label[1..label.len() - 1];
        prop_assert!(inner.chars().all(|c| c.is_alphanumeric() || " -./,…#;".contains(c)), "{label}");
        prop_assert!(label.len() < 600);
    }
}

fn read_in_order(markdown: &str) -> String {
    let arena = Arena::new();
    let root: &AstNode = parse_document(&arena, markdown, &options());
    let part = |node: &AstNode| match &node.data().value {
        NodeValue::Text(text) => text.to_string(),
        NodeValue::Code(code) => code.literal.clone(),
        _ => String::new(),
    };
    root.descendants().map(part).collect()
}
