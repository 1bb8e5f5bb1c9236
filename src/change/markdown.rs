//! Text from estates and sources, made harmless in Markdown: no mention, reference, link, image, emoji, formula, HTML, or
//! table break.
//!
//! Forges look for mentions, numbers of requests, hashes of commits, addresses and emoji in the text that is left once the
//! Markdown is rendered, so neither a backslash nor an entity keeps them away. A code span does, on all of them: a word
//! that could be read as anything but itself is shown as code. A title knows no code, so there an invisible word joiner
//! parts what a forge would read as one.

/// How many characters of one value are shown.
const LONGEST: usize = 160;
/// How many characters of a sentence are shown.
const LONGEST_SENTENCE: usize = 600;
/// How many characters of a title are shown. Gitea takes 255, GitHub 256.
const LONGEST_TITLE: usize = 200;
/// Neither seen nor a place to break a line.
const JOINER: char = '\u{2060}';

/// `text` on one line, at most 160 characters. Characters that control, change the direction of what follows or cannot be
/// seen are shown as spaces.
pub fn one_line(text: &str) -> String {
    line_of(text, LONGEST)
}

/// The same for a sentence that says what to do, at most 600 characters: cut short, it would lose just that.
pub fn one_sentence(text: &str) -> String {
    line_of(text, LONGEST_SENTENCE)
}

fn line_of(text: &str, longest: usize) -> String {
    // What a title carries against forges is not the name of anything.
    let mut characters = text.chars().filter(|character| *character != JOINER);
    let mut line: String = characters.by_ref().take(longest).map(|c| if hidden(c) { ' ' } else { c }).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// Unicode's controls, what changes direction, and what shows nothing at all.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` as code, safe in a table cell too. Nothing inside a code span is a mention, a link or HTML.
pub fn code(text: &str) -> String {
    // GFM splits table cells before it reads code spans, so a bar is escaped inside them as well. Its readers do not agree
    // on a bar that has a backslash already; a space between the two is the least that makes them.
    span(text).replace("\\|", "\\ |").replace('|', "\\|")
}

/// `text` as code, outside of tables.
pub fn span(text: &str) -> String {
    let line = one_line(&text.replace(JOINER, " "));
    let line = line.trim();
    if line.is_empty() {
        return "–".to_owned();
    }
    let longest_run = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest_run + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{line}{pad}{fence}")
}

/// `text` as running text, for anywhere but a table. A word that Markdown or a forge could read as markup is code.
pub fn plain(text: &str) -> String {
    words(&one_line(text), true)
}

/// A sentence whose words in backticks are code: neither they nor the rest can be read as other markup. For anywhere but a
/// table.
pub fn prose(text: &str) -> String {
    let line = one_sentence(text);
    let parts: Vec<&str> = line.split('`').collect();
    if parts.len().is_multiple_of(2) {
        // A backtick without its fellow is only a character.
        return words(&line, true);
    }
    let mut sentence = String::with_capacity(line.len() + 8);
    for (index, part) in parts.iter().enumerate() {
        let piece = if index % 2 == 1 { span(part) } else { words(part, sentence.is_empty()) };
        let apart = part.starts_with(char::is_whitespace) && index % 2 == 0;
        // Code beside code would be read as one.
        if !sentence.is_empty() && !piece.is_empty() && (apart || (sentence.ends_with('`') && piece.starts_with('`'))) && !sentence.ends_with(' ') {
            sentence.push(' ');
        }
        sentence.push_str(&piece);
        if index % 2 == 0 && part.ends_with(char::is_whitespace) && !sentence.is_empty() && !sentence.ends_with(' ') {
            sentence.push(' ');
        }
    }
    sentence.trim().to_owned()
}

/// A sentence as [`prose`] writes it, for a cell of a table.
pub fn cell(text: &str) -> String {
    // Bars stand in code only.
    prose(text).replace("\\|", "\\ |").replace('|', "\\|")
}

/// The words of a line, one space between two.
fn words(line: &str, first_of_line: bool) -> String {
    let mut text = String::with_capacity(line.len() + 8);
    for (index, word) in line.split_whitespace().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        let (before, inner, after) = within_punctuation(word);
        if is_harmless(word) && !(first_of_line && index == 0 && begins_a_block(word)) {
            text.push_str(word);
        } else {
            text.extend([before, &span(inner), after]);
        }
    }
    text
}

/// The punctuation around a word, which is not part of what the word names.
fn within_punctuation(word: &str) -> (&str, &str, &str) {
    let opened = word.strip_prefix('(').filter(|rest| !rest.contains('('));
    let closes = |c: char| matches!(c, '.' | ',' | ';') || (c == ')' && opened.is_some()) || (c == ':' && word.matches(':').count() == 1);
    let whole = opened.unwrap_or(word);
    let inner = whole.trim_end_matches(closes);
    if inner.is_empty() { ("", word, "") } else { (&word[..word.len() - whole.len()], inner, &whole[inner.len()..]) }
}

/// Whether nothing can read anything but text in this word.
fn is_harmless(word: &str) -> bool {
    let harmless = |c: char| c.is_alphanumeric() || ".,;:?'\"()/-+=%–—…’‘“”→·°×€".contains(c);
    word.chars().all(harmless) && !could_be_address(word) && !could_be_reference(word)
}

/// A rule, a list's or a heading's mark, if it is the first of its line.
fn begins_a_block(word: &str) -> bool {
    let number = word.trim_start_matches(|c: char| c.is_ascii_digit());
    word.chars().all(|c| "-=+".contains(c)) || (number.len() < word.len() && matches!(number, "." | ")"))
}

/// `https://…`, `www.…`, and `:emoji:`; a time of day is neither.
fn could_be_address(word: &str) -> bool {
    let bytes = word.as_bytes();
    let digit = |index: Option<usize>| index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_digit);
    let inner: Vec<usize> = word.match_indices(':').map(|(at, _)| at).filter(|at| at + 1 < word.len()).collect();
    inner.len() > 1 || inner.iter().any(|at| !digit(at.checked_sub(1)) || !digit(Some(at + 1))) || word.to_ascii_lowercase().contains("www.")
}

/// `GH-12`, the keys of other trackers (`ABC-12`), and what could be a commit.
fn could_be_reference(word: &str) -> bool {
    let key = |at: usize| {
        let (project, number) = (&word[..at], &word[at + 1..]);
        let trackers = project.ends_with(|c: char| c.is_ascii_uppercase()) || project.to_ascii_lowercase().ends_with("gh");
        trackers && number.starts_with(|c: char| c.is_ascii_digit())
    };
    word.match_indices('-').any(|(at, _)| key(at)) || word.split(|c: char| !c.is_ascii_alphanumeric()).any(is_hash)
}

fn is_hash(word: &str) -> bool {
    word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `text` as the title of a request or an issue, and as the first line of a commit: plain text, in which forges still look
/// for references, mentions, emoji, code, addresses, and marks such as `WIP:` or `[skip ci]`.
pub fn title(text: &str) -> String {
    let line = line_of(text, LONGEST_TITLE).replace('`', "'");
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut title: String = words.iter().map(|word| parted(word)).collect::<Vec<_>>().join(" ");
    // A mark at the beginning makes a draft of it, or has it squashed into another.
    if ["wip", "draft", "fixup!", "squash!", "amend!"].iter().any(|mark| title.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark))) {
        title.insert(1, JOINER);
    }
    if title.chars().count() > LONGEST_TITLE + 40 {
        title = title.chars().take(LONGEST_TITLE + 40).chain(['…']).collect();
    }
    title
}

/// The word with joiners where a forge would read it as more than text.
fn parted(word: &str) -> String {
    let address = word.to_ascii_lowercase();
    let risky = could_be_address(word) || address.contains("://");
    let reference = could_be_reference(word);
    let mut parted = String::with_capacity(word.len() + 8);
    let mut hexadecimal = 0;
    for character in word.chars() {
        // No run of seven is left that could be a commit.
        hexadecimal = if character.is_ascii_hexdigit() { hexadecimal + 1 } else { 0 };
        if reference && hexadecimal > 6 {
            parted.push(JOINER);
            hexadecimal = 1;
        }
        parted.push(character);
        let sigil =
            matches!(character, '@' | '#' | '!' | '[' | '$' | '<' | '&' | '\\') || (risky && matches!(character, ':' | '.')) || (reference && character == '-');
        if sigil {
            parted.push(JOINER);
            hexadecimal = 0;
        }
    }
    parted
}

/// How many bytes a text has as JSON carries it to a forge, which counts its limit after encoding.
pub fn encoded(text: &str) -> usize {
    text.len() + text.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'<' | b'>' | b'&')).count()
}

/// `text` as the label of a Mermaid node, in quotes. Only letters, digits and a few marks stand for themselves: Mermaid reads
/// icons, formulas, Markdown, HTML and directives even there.
pub fn mermaid_label(text: &str) -> String {
    let mut label = String::new();
    let line = line_of(text, 48);
    let mut following = line.chars().skip(1);
    for character in line.chars() {
        let before_space = following.next().is_none_or(char::is_whitespace);
        match character {
            // `1. x` and `- x` would be lists.
            '-' | '.' if !before_space => label.push(character),
            ' ' | '/' | ',' | '…' => label.push(character),
            other if other.is_alphanumeric() => label.push(other),
            other => label.push_str(&format!("#{};", u32::from(other))),
        }
    }
    format!("\"{label}\"")
}

#[cfg(test)]
mod tests;
