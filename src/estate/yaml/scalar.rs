//! What a plain scalar means: the YAML 1.2 core schema (section 10.3.2), as `serde_yaml` reads it.

use serde_json::Number;

/// What a plain scalar is.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    Null,
    Bool(bool),
    Number(Number),
    /// A whole number beyond 64 bits, which no number can hold without a loss.
    TooLarge,
    Text,
}

/// Resolves a plain scalar.
pub fn resolve(text: &str) -> Resolved {
    match text.as_bytes().first() {
        None => Resolved::Null,
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(text).unwrap_or(Resolved::Text),
        Some(b'~' | b'n' | b'N') if is_null(text) => Resolved::Null,
        Some(b't' | b'T' | b'f' | b'F') => boolean(text).map_or(Resolved::Text, Resolved::Bool),
        Some(_) => Resolved::Text,
    }
}

/// Whether it is one of the spellings of null.
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The truth value, if it is one.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// The number, if it is one. Infinities and not-a-number have no JSON number and stay text.
pub fn number(text: &str) -> Option<Resolved> {
    if let Some(small) = small(text) {
        return Some(Resolved::Number(small.into()));
    }
    whole(text).or_else(|| Some(Resolved::Number(decimal(text)?)))
}

/// The commonest whole numbers, without the detour.
fn small(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > 15 || (bytes.len() > 1 && bytes.first() == Some(&b'0')) {
        return None;
    }
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

/// The whole number, decimal or with a prefix `0x`, `0o` or `0b`.
pub fn whole(text: &str) -> Option<Resolved> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..)?),
        Some(b'+') => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x") => (16, digits.get(2..)?),
        Some("0o") => (8, digits.get(2..)?),
        Some("0b") => (2, digits.get(2..)?),
        _ if leading_zero(digits) => return None,
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let number = match u64::from_str_radix(digits, radix) {
        Ok(number) if !negative => Number::from(number),
        Ok(number) => match 0_i64.checked_sub_unsigned(number) {
            Some(number) => Number::from(number),
            None => return Some(Resolved::TooLarge),
        },
        Err(_) => return Some(Resolved::TooLarge),
    };
    Some(Resolved::Number(number))
}

/// The decimal number.
pub fn decimal(text: &str) -> Option<Number> {
    let rest = text.strip_prefix('+').unwrap_or(text);
    if leading_zero(rest.strip_prefix('-').unwrap_or(rest)) || (rest.len() < text.len() && rest.starts_with(['+', '-'])) {
        return None;
    }
    // Words such as `infinity`, which Rust would read, are text in YAML.
    Number::from_f64(rest.parse().ok()?)
}

/// `007` is text: it would lose its zeros as a number.
fn leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_serde_yaml_reads() {
        for text in [
            "null",
            "~",
            "Null",
            "nULL",
            "true",
            "True",
            "tRUE",
            "false",
            "yes",
            "no",
            "on",
            "0",
            "-0",
            "+0",
            "7",
            "007",
            "-007",
            "+7",
            "0x1F",
            "-0x1F",
            "+0x1f",
            "0X1F",
            "0o17",
            "-0o17",
            "0o8",
            "0b101",
            "0b",
            "0x",
            "1_000",
            "1.5",
            "-1.5",
            "+1.5",
            ".5",
            "5.",
            "-.5",
            "+.5",
            "1e3",
            "1E-3",
            "1e400",
            "00.5",
            "0.50",
            "+",
            ".",
            "..",
            "+-1",
            "-+1",
            "--1",
            "++1",
            "inf",
            "infinity",
            "nan",
            "1:30",
            "1.2.3",
            "2026-01-01",
            "0x-1",
            "0x+1",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "-9223372036854775808",
            "1e",
            "e1",
            "0e0",
            "-0.0",
            "12 ",
            "16Gi",
        ] {
            let expected: serde_json::Value = serde_yaml::from_str(text).unwrap();
            let found = match resolve(text.trim()) {
                Resolved::Null => serde_json::Value::Null,
                Resolved::Bool(value) => value.into(),
                Resolved::Number(value) => value.into(),
                Resolved::Text => text.into(),
                Resolved::TooLarge => panic!("{text} is too large"),
            };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_whole_number_beyond_64_bits_is_not_rounded() {
        // serde_yaml has no JSON number for it either; a serial number must not lose its digits.
        assert_eq!(resolve("123456789012345678901234"), Resolved::TooLarge);
        assert_eq!(resolve("-9223372036854775809"), Resolved::TooLarge);
    }

    #[test]
    fn infinities_stay_text() {
        // serde_yaml makes null of them on the way to JSON, which would read as absent.
        for text in [".inf", "-.inf", "+.Inf", ".nan", ".NaN"] {
            assert_eq!(resolve(text), Resolved::Text, "{text}");
        }
    }
}
