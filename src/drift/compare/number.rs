//! Numbers, exactly: `"2.00"` is `2`, and no float stands in between.

/// A decimal number as it is written, of any size: `0.d₁d₂d₃… × 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<'a> {
    pub(super) negative: bool,
    /// From the first digit that is not zero to the last one; a decimal point may stand between them. Empty: zero.
    digits: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Reads a number at the start of `text`; returns what follows it too.
    pub(super) fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let length = unsigned.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(unsigned.len());
        let (written, rest) = unsigned.split_at(length);
        if !written.bytes().any(|byte| byte.is_ascii_digit()) || written.bytes().filter(|byte| *byte == b'.').count() > 1 {
            return None;
        }
        let (power, rest) = read_exponent(rest)?;
        let is_figure = |byte: u8| byte != b'0' && byte != b'.';
        let (Some(first), Some(last)) = (written.bytes().position(is_figure), written.bytes().rposition(is_figure)) else {
            return Some((Self { negative: false, digits: "", exponent: 0 }, rest));
        };
        let point = written.find('.').unwrap_or(written.len());
        let (first_place, point_place) = (i64::try_from(first).ok()?, i64::try_from(point).ok()?);
        let before_point = if first < point { point_place - first_place } else { point_place + 1 - first_place };
        Some((Self { negative: text.starts_with('-'), digits: written.get(first..=last)?, exponent: before_point + power }, rest))
    }

    /// The number that `text` is, and nothing besides.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        Self::read(text.trim()).and_then(|(number, rest)| rest.is_empty().then_some(number))
    }

    fn figures(&self) -> impl Iterator<Item = u8> {
        self.digits.bytes().filter(|byte| *byte != b'.')
    }

    /// The same as `mantissa × 10^exponent`, without its sign; none where it has more figures than a `u128` holds.
    pub(super) fn parts(&self) -> Option<(u128, i64)> {
        let mut mantissa = 0_u128;
        let mut count = 0;
        for figure in self.figures() {
            mantissa = mantissa.checked_mul(10)?.checked_add(u128::from(figure - b'0'))?;
            count += 1;
        }
        Some((mantissa, if count == 0 { 0 } else { self.exponent - count }))
    }

    /// The one spelling of this number.
    pub(super) fn write(&self, out: &mut String) {
        if self.negative {
            out.push('-');
        }
        out.extend(self.figures().map(char::from));
        out.push_str(&format!("e{}", self.exponent));
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative && self.exponent == other.exponent && self.figures().eq(other.figures())
    }
}

/// An exponent (`e3`, `E-6`) at the start of `rest`. `E` alone is a unit, and `e` without figures is none of ours.
fn read_exponent(rest: &str) -> Option<(i64, &str)> {
    let Some(after) = rest.strip_prefix(['e', 'E']) else { return Some((0, rest)) };
    let unsigned = after.strip_prefix(['-', '+']).unwrap_or(after);
    let length = unsigned.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(unsigned.len());
    if length == 0 {
        return Some((0, rest));
    }
    let (figures, rest) = unsigned.split_at(length);
    let power: i64 = figures.parse::<i32>().ok()?.into();
    Some((if after.starts_with('-') { -power } else { power }, rest))
}

/// Whether both are the same number. What cannot be read as a number compares as text.
pub(super) fn equal(a: &str, b: &str) -> bool {
    match (Decimal::parse(a), Decimal::parse(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.trim() == b.trim(),
        _ => false,
    }
}

/// The one spelling of what [`equal`] takes for the same.
pub(super) fn write(text: &str, out: &mut String) {
    match Decimal::parse(text) {
        Some(number) => number.write(out),
        None => out.push_str(text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_their_value() {
        for (a, b, expected) in [
            ("2.00", "2", true),
            ("8", " 8 ", true),
            ("0.10", ".1", true),
            ("1e3", "1000", true),
            ("1.5E-1", "0.15", true),
            ("-0", "0", true),
            ("+7", "7", true),
            ("007", "7", true),
            ("0.30000000000000004", "0.3", false),
            ("9007199254740993", "9007199254740992", false),
            ("123456789012345678901234567890123456789012345678901", "123456789012345678901234567890123456789012345678901.0", true),
            ("123456789012345678901234567890123456789012345678901", "123456789012345678901234567890123456789012345678902", false),
            ("-1", "1", false),
            ("10", "1", false),
            ("0.01", "0.1", false),
            ("1e999999999999", "1e999999999999", true),
            ("1.2.3", "1.2.3", true),
            ("four", "4", false),
            ("8 GB", "8", false),
        ] {
            assert_eq!(equal(a, b), expected, "{a} {b}");
            assert_eq!(equal(b, a), expected, "{b} {a}");
        }
    }
}
