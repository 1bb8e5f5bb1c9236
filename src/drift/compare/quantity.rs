//! Quantities: `16Gi` is `16384Mi`. Exact: what is not the same number of units differs.
//!
//! Read are Kubernetes quantities (`Ki` … `Ei`, `n u m k M G T P E`, exponents, plain numbers) and what people write:
//! `16 GiB`, `16384 MiB`, `16 GB`. A unit that ends in `B` is read in any case, and without an `i` it is decimal, as the
//! standard says: 16 GB is 16,000,000,000. Where a source says MB and means MiB, its mapping says so (`"\(.mb)Mi"`): no
//! reader can tell. What cannot be read compares as text.

use super::number::Decimal;
use crate::api::Value;

/// The letters of units from the smallest, each a thousand (or 1024) times the one before.
const LARGE: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];

/// How a unit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    /// The power of ten; 0 for binary units.
    ten: i8,
    /// The power of two; 0 for decimal units.
    two: u8,
}

/// A number and its unit as it is written.
#[derive(Clone, Copy, Debug)]
struct Quantity<'a> {
    number: Decimal<'a>,
    unit: Unit,
    /// Whether a space stands before the unit.
    spaced: bool,
    /// Whether the unit ends in `B`.
    bytes: bool,
}

impl<'a> Quantity<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (number, rest) = Decimal::read(text.trim())?;
        let name = rest.trim_start();
        let (unit, bytes) = unit(name)?;
        Some(Self { number, unit, spaced: rest.len() > name.len(), bytes })
    }

    /// The value as `mantissa × 10^exponent`; none where that does not fit.
    fn value(&self) -> Option<(u128, i64)> {
        let (mantissa, exponent) = self.number.parts()?;
        Some((mantissa.checked_mul(1 << self.unit.two)?, exponent + i64::from(self.unit.ten)))
    }

    /// How many of `unit` it is, if that is a whole number.
    fn count(&self, unit: Unit) -> Option<u128> {
        let (mut count, exponent) = self.value()?;
        let exponent = i32::try_from(exponent - i64::from(unit.ten)).ok()?;
        let ten = 10_u128.checked_pow(exponent.unsigned_abs());
        count = if exponent >= 0 { count.checked_mul(ten?)? } else { exact(count, ten?)? };
        exact(count, 1 << unit.two)
    }

    fn normal(&self) -> Option<(u128, i64)> {
        let (mut mantissa, mut exponent) = self.value()?;
        while mantissa != 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            exponent += 1;
        }
        Some((mantissa, if mantissa == 0 { 0 } else { exponent }))
    }
}

impl PartialEq for Quantity<'_> {
    fn eq(&self, other: &Self) -> bool {
        if self.unit == other.unit {
            return self.number == other.number;
        }
        let (Some((one, power)), Some((two, other_power)), true) = (self.value(), other.value(), self.number.negative == other.number.negative) else {
            return false;
        };
        // Divisions of this width are slow, multiplications are not.
        let raised = |mantissa: u128, by: i64| mantissa.checked_mul(10_u128.checked_pow(u32::try_from(by).ok()?)?);
        match power.cmp(&other_power) {
            _ if one == 0 || two == 0 => one == two,
            std::cmp::Ordering::Equal => one == two,
            std::cmp::Ordering::Greater => raised(one, power - other_power) == Some(two),
            std::cmp::Ordering::Less => raised(two, other_power - power) == Some(one),
        }
    }
}

fn exact(number: u128, divisor: u128) -> Option<u128> {
    number.is_multiple_of(divisor).then(|| number / divisor)
}

/// The unit of this name, and whether it counts bytes.
fn unit(name: &str) -> Option<(Unit, bool)> {
    let decimal = |ten| Some((Unit { ten, two: 0 }, false));
    match name {
        "" => return decimal(0),
        "n" => return decimal(-9),
        "u" | "µ" | "μ" => return decimal(-6),
        "m" => return decimal(-3),
        "B" | "byte" | "bytes" | "Byte" | "Bytes" => return Some((Unit { ten: 0, two: 0 }, true)),
        _ => {}
    }
    let letter = name.chars().next()?;
    let step = |letter: char| (1_u8..).zip(LARGE).find(|(_, known)| *known == letter).map(|(step, _)| step);
    let (step, binary, bytes) = match name.get(letter.len_utf8()..)? {
        // Kubernetes writes kilo small and the rest large.
        "" => (step(if letter == 'k' { 'K' } else { letter })?, false, false),
        "i" => (step(letter)?, true, false),
        tail if tail.eq_ignore_ascii_case("ib") => (step(letter.to_ascii_uppercase())?, true, true),
        tail if tail.eq_ignore_ascii_case("b") => (step(letter.to_ascii_uppercase())?, false, true),
        _ => return None,
    };
    Some((if binary { Unit { ten: 0, two: step * 10 } } else { Unit { ten: i8::try_from(step).ok()? * 3, two: 0 } }, bytes))
}

/// Whether both are the same quantity.
pub(super) fn equal(a: &str, b: &str) -> bool {
    match (Quantity::parse(a), Quantity::parse(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.trim() == b.trim(),
        _ => false,
    }
}

/// The one spelling of what [`equal`] takes for the same.
pub(super) fn write(text: &str, out: &mut String) {
    let Some(quantity) = Quantity::parse(text) else { return out.push_str(text.trim()) };
    let sign = if quantity.number.negative { "-" } else { "" };
    if let Some((mantissa, exponent)) = quantity.normal() {
        out.push_str(&format!("{sign}{mantissa}e{exponent}"));
    } else {
        quantity.number.write(out);
        out.push_str(&format!("*10^{}*2^{}", quantity.unit.ten, quantity.unit.two));
    }
}

/// `found` in the unit in which `declared` is written; where it is not whole in that, in the largest unit of the same kind
/// in which it is. None where that cannot be said.
pub(super) fn in_unit_of(declared: &str, found: &str) -> Option<String> {
    let (model, quantity) = (Quantity::parse(declared)?, Quantity::parse(found)?);
    let (unit, count) = std::iter::once(model.unit).chain(kin(model.unit)).find_map(|unit| Some((unit, quantity.count(unit)?)))?;
    let sign = if quantity.number.negative { "-" } else { "" };
    let name = name(unit, model.bytes);
    let space = if model.spaced && !name.is_empty() { " " } else { "" };
    Some(format!("{sign}{count}{space}{name}"))
}

/// The same for a number that is declared without a unit: a number again.
pub(super) fn as_number(found: &str) -> Option<Value> {
    let quantity = Quantity::parse(found)?;
    let count = i64::try_from(quantity.count(Unit { ten: 0, two: 0 })?).ok()?;
    Some(Value::from(if quantity.number.negative { -count } else { count }))
}

/// Units of the same kind, largest first.
fn kin(unit: Unit) -> impl Iterator<Item = Unit> {
    let binary = unit.two > 0;
    let steps = (1_i8..=6).rev();
    let large = steps.map(move |step| if binary { Unit { ten: 0, two: step.unsigned_abs() * 10 } } else { Unit { ten: step * 3, two: 0 } });
    let large = large.filter(move |_| unit != Unit { ten: 0, two: 0 });
    large.chain([0, -3, -6, -9].map(|ten| Unit { ten, two: 0 }))
}

fn name(unit: Unit, bytes: bool) -> String {
    let step = if unit.two > 0 { unit.two / 10 } else { unit.ten.unsigned_abs() / 3 };
    let letter = step.checked_sub(1).and_then(|step| LARGE.get(usize::from(step)).copied());
    let tail = if bytes { "B" } else { "" };
    match (letter, unit.ten) {
        (None, _) => tail.to_owned(),
        (Some(letter), _) if unit.two > 0 => format!("{letter}i{tail}"),
        (Some('K'), 3..) if !bytes => "k".to_owned(),
        (Some(letter), 3..) => format!("{letter}{tail}"),
        (Some('K'), _) => "m".to_owned(),
        (Some('M'), _) => "u".to_owned(),
        (Some(_), _) => "n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // netbox#16770, #18035, #21095: MB against MiB, and 2048 MiB shown as 2.05 GB.
    #[test]
    fn quantities_compare_by_what_they_amount_to() {
        for (a, b, expected) in [
            ("16Gi", "16384Mi", true),
            ("16Gi", "17179869184", true),
            ("16 GiB", "16Gi", true),
            ("16gib", "16 GiB", true),
            ("16GiB", "16384 MiB", true),
            ("16 GB", "16000 MB", true),
            ("16 GB", "16G", true),
            ("16gb", "16 GB", true),
            ("1 KB", "1k", true),
            ("1K", "1k", true),
            ("1 kB", "1000 B", true),
            ("2048 MiB", "2.05 GB", false),
            ("2048MB", "2048MiB", false),
            ("16384 MB", "16Gi", false),
            ("500m", "0.5", true),
            ("1500m", "1.5", true),
            ("1", "1000m", true),
            ("100u", "0.1m", true),
            ("1e3", "1k", true),
            ("1E", "1e18", true),
            ("1E3", "1000", true),
            ("1Ei", "1152921504606846976", true),
            ("0", "0Gi", true),
            ("-1Ki", "-1024", true),
            ("1.5Gi", "1536Mi", true),
            ("0.1Gi", "102.4Mi", true),
            ("16Gi", "16Gj", false),
            ("16Gj", " 16Gj", true),
            ("lots", "lots", true),
            ("lots", "16Gi", false),
            ("9999999999999999999999999999999999999999Ki", "9999999999999999999999999999999999999999Ki", true),
            ("9999999999999999999999999999999999999999Ki", "1Ki", false),
            ("1e2147483647Gi", "1e2147483647Mi", false),
        ] {
            assert_eq!(equal(a, b), expected, "{a} {b}");
            assert_eq!(equal(b, a), expected, "{b} {a}");
            let (mut one, mut other) = (String::new(), String::new());
            write(a, &mut one);
            write(b, &mut other);
            assert_eq!(one == other, expected, "{one} {other}");
        }
    }

    #[test]
    fn what_is_found_is_shown_in_the_declared_unit() {
        for (declared, found, shown) in [
            ("16Gi", "8192Mi", "8Gi"),
            ("16384Mi", "8Gi", "8192Mi"),
            ("16 GiB", "8192Mi", "8 GiB"),
            ("16Gi", "8704Mi", "8704Mi"),
            ("16Gi", "16 GB", "15625000Ki"),
            ("16 GB", "8000000k", "8 GB"),
            ("16 GB", "1500", "1500 B"),
            ("500m", "2", "2000m"),
            ("2", "500m", "500m"),
            ("1k", "2000", "2k"),
            ("17179869184", "8Gi", "8589934592"),
            ("4Gi", "0", "0Gi"),
            ("4Gi", "-1024Mi", "-1Gi"),
        ] {
            assert_eq!(in_unit_of(declared, found).as_deref(), Some(shown), "{declared} {found}");
            assert!(equal(shown, found), "{shown} is {found}");
        }
        assert_eq!(in_unit_of("16Gi", "plenty"), None);
        assert_eq!(in_unit_of("4Gi", "1e999999"), None);
    }
}
