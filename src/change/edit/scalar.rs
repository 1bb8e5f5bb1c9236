//! Writing scalars in the style of what stood there, so that they are read as the same value.

use super::Refusal;
use crate::api::Value;
use crate::estate::yaml::{Style, is_plain_text};

/// A value on one line: scalars in the style, lists and maps in brackets.
pub fn flow(value: &Value, style: Style, in_flow: bool) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::Text(text) => quoted(text, style, in_flow),
        Value::List(list) => format!("[{}]", list.iter().map(|value| flow(value, style, true)).collect::<Vec<_>>().join(", ")),
        Value::Map(map) => {
            format!("{{{}}}", map.iter().map(|(key, value)| format!("{}: {}", key_text(key, true), flow(value, style, true))).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A key as it is written.
pub fn key_text(key: &str, in_flow: bool) -> String {
    quoted(key, Style::Plain, in_flow)
}

fn quoted(text: &str, style: Style, in_flow: bool) -> String {
    match style {
        Style::Single if text.chars().all(|c| !special(c)) => format!("'{}'", text.replace('\'', "''")),
        Style::Plain | Style::Flow | Style::Block if plain(text, in_flow) => text.into(),
        _ => double(text),
    }
}

/// Whether the text can stand without quotes, for this reader and for the older ones that others use: in brackets, they
/// read `:` and `?` in more places than YAML 1.2 does.
fn plain(text: &str, in_flow: bool) -> bool {
    let first = text.chars().next().unwrap_or(' ');
    let unsafe_first = "-?:,[]{}#&*!|>'\"%@`=~<".contains(first) || text.starts_with("...");
    let indicators = text.contains(": ")
        || text.contains(" #")
        || text.ends_with(':')
        || (in_flow && (text.contains([',', '[', ']', '{', '}', ':', '?']) || text.ends_with(" -")));
    let marks = text.contains("{{") || text.contains("{%");
    is_plain_text(text) && !unsafe_first && !indicators && !marks && text.trim() == text && !text.chars().any(special) && !otherwise_read(text)
}

/// What YAML 1.1 reads as a truth value, a number, a time or a date.
fn otherwise_read(text: &str) -> bool {
    let lower = text.to_lowercase();
    let words = ["y", "n", "yes", "no", "on", "off", ".inf", "+.inf", ".nan", "null", "true", "false"];
    words.contains(&lower.as_str()) || (text.chars().all(|c| c.is_ascii_digit() || "_:.+-TZ ".contains(c)) && text.contains([':', '_', '-']))
}

/// Characters that stand only in double quotes, escaped.
fn special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn double(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if special(c) => out.extend(['\\', 'u'].into_iter().chain(format!("{:04x}", u32::from(c)).chars())),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A block scalar with the header, indentation and line ends of the one that stood there.
pub fn block(old: &str, old_text: &str, new: &str, folded: bool, end: &str) -> Result<String, Refusal> {
    let refuse = || Refusal::new("the new text cannot be written in the block style that stands there");
    let (header, body) = old.split_once('\n').ok_or_else(refuse)?;
    let header = header.trim_end_matches('\r');
    let first = body.lines().find(|line| !line.trim().is_empty()).ok_or_else(refuse)?;
    // A header with an indentation of its own may count spaces at the begin of the first line as text.
    let leading = old_text.trim_start_matches('\n').chars().take_while(|c| *c == ' ').count();
    let spaces = first.chars().take_while(|c| *c == ' ').count().checked_sub(leading).ok_or_else(refuse)?;
    let content = new.trim_end_matches('\n');
    let breaks = new.len() - content.len();
    let indicator = header.split([' ', '\t']).next().unwrap_or_default();
    let (indicator, kept) = match (indicator.contains('-'), indicator.contains('+')) {
        (_, true) => (indicator.to_owned(), old_text.len() - old_text.trim_end_matches('\n').len()),
        (true, _) if breaks == 0 => (indicator.to_owned(), 0),
        (_, _) if breaks == 0 => (format!("{indicator}-"), 0),
        (_, _) => (indicator.replace('-', ""), 1),
    };
    let starts_with_space = content.trim_start_matches('\n').starts_with(' ') && !indicator.contains(|c: char| c.is_ascii_digit());
    if breaks != kept || content.is_empty() || starts_with_space || content.chars().any(|c| c != '\n' && c != '\t' && special(c)) {
        return Err(refuse());
    }
    let rest = header.get(header.find([' ', '\t']).unwrap_or(header.len())..).unwrap_or_default();
    let mut out = indicator + rest;
    let lines: Vec<&str> = content.split('\n').collect();
    for (at, line) in lines.iter().enumerate() {
        out.push_str(end);
        // A folded block reads one line break as a space, so a break needs an empty line before it.
        let breaks_here = folded && at > 0 && !line.is_empty() && lines.get(at - 1).is_some_and(|before| !before.is_empty());
        let after_empty = folded && at > 0 && line.is_empty() && lines.get(at - 1).is_some_and(|before| !before.is_empty());
        if breaks_here || after_empty {
            out.push_str(end);
        }
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', spaces));
            out.push_str(line);
        }
    }
    Ok(out)
}
