//! Text from estates and sources, made harmless in Markdown: no mention, link, image, HTML, or table break.

/// How many characters of one value are shown.
const LONGEST: usize = 160;

/// `text` on one line, at most 160 characters, control and direction-changing characters shown as spaces.
pub fn one_line(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{2028}' | '\u{2029}')
    };
    let mut line: String = text.chars().take(LONGEST).map(|c| if hidden(c) { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        line.push('…');
    }
    line
}

/// `text` as code, safe in a table cell too. Nothing inside a code span is a mention, a link or HTML.
pub fn code(text: &str) -> String {
    let line = one_line(text);
    let line = line.trim();
    if line.is_empty() {
        return "–".to_owned();
    }
    let longest_run = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest_run + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    // GFM splits table cells before it reads code spans, so a bar is escaped inside them as well.
    format!("{fence}{pad}{}{pad}{fence}", line.replace('|', "\\|"))
}

/// `text` as running text with every character that Markdown or a forge could read as markup made literal.
pub fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 8);
    for character in one_line(text).chars() {
        match character {
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                safe.push('\\');
                safe.push(character);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // A mention, and an address for mail.
            '@' => safe.push_str("&#64;"),
            other => safe.push(other),
        }
    }
    // What a forge would make a link of by itself.
    safe.replace("://", "&#58;//").replace("www.", "www&#46;").replace("WWW.", "WWW&#46;")
}

/// A sentence whose words in backticks are code: neither they nor the rest can be read as other markup.
pub fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // A backtick without its fellow is only a character.
        return plain(text);
    }
    let part = |(index, part): (usize, &&str)| if index % 2 == 1 { code(part) } else { plain(part) };
    parts.iter().enumerate().map(part).collect()
}

/// `text` as the label of a Mermaid node: inside quotes, where only a few characters matter.
pub fn mermaid_label(text: &str) -> String {
    let mut label = String::new();
    for character in one_line(text).chars().take(48) {
        match character {
            '"' | '<' | '>' | '#' | ';' | '&' | '`' | '\\' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '%' => {
                label.push_str(&format!("#{};", character as u32));
            }
            other => label.push(other),
        }
    }
    format!("\"{label}\"")
}

#[cfg(test)]
mod tests {
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
        ] {
            assert_eq!(code(text), safe);
        }
    }

    #[test]
    fn plain_text_holds_no_mention_link_image_or_html() {
        let text = plain("@alice ![x](http://evil.example) <img src=x> www.evil.example #12 | x");
        assert_eq!(text, r"&#64;alice \!\[x\](http&#58;//evil.example) &lt;img src=x&gt; www&#46;evil.example \#12 \| x");
    }

    #[test]
    fn words_in_backticks_are_code_and_the_rest_is_plain() {
        assert_eq!(prose("Run `bowline plan` at 02:30 for a_b"), "Run `bowline plan` at 02:30 for a\\_b");
        assert_eq!(prose("one ` only @x"), "one \\` only &#64;x");
        assert_eq!(prose("`@team` <b>"), "`@team` &lt;b&gt;");
    }

    #[test]
    fn long_values_are_cut() {
        assert!(code(&"x".repeat(10_000)).chars().count() <= LONGEST + 3);
    }
}
