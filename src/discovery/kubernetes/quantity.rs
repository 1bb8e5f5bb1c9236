//! Adding quantities up: what the containers of a workload ask for together. Pure and exact.

/// Units per whole one, so that the smallest suffix (`n`) is whole.
const WHOLE: i128 = 1_000_000_000;

/// The sum as a quantity; none where one of them cannot be read or the sum is too large to say.
pub fn sum<'a>(quantities: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut total: Option<i128> = None;
    for quantity in quantities {
        total = Some(total.unwrap_or(0).checked_add(parse(quantity)?)?);
    }
    total.map(shown)
}

/// A quantity that is a whole number, such as a size in bytes.
pub fn whole(quantity: &str) -> Option<u64> {
    let billionths = parse(quantity)?;
    if billionths % WHOLE == 0 { u64::try_from(billionths / WHOLE).ok() } else { None }
}

/// In billionths.
fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let product = digits.checked_mul(unit(suffix)?)?;
    (product % scale == 0).then_some(product / scale)
}

fn unit(suffix: &str) -> Option<i128> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|known| *known == suffix);
    if let Some(place) = binary {
        return 1024_i128.checked_pow(u32::try_from(place).ok()? + 1)?.checked_mul(WHOLE);
    }
    let exponent = match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        other => other.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?,
    };
    10_i128.checked_pow(u32::try_from(exponent + 9).ok()?)
}

/// In the largest unit in which it is whole: binary ones for what is of bytes' size, thousandths for parts.
fn shown(total: i128) -> String {
    if total % WHOLE != 0 {
        return if total % (WHOLE / 1000) == 0 { format!("{}m", total / (WHOLE / 1000)) } else { format!("{total}n") };
    }
    let (mut number, mut place) = (total / WHOLE, 0);
    while number != 0 && number % 1024 == 0 && place < 6 {
        (number, place) = (number / 1024, place + 1);
    }
    let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(place).copied().unwrap_or_default();
    format!("{number}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_of_different_units_add_up_exactly() {
        for (parts, total) in [
            (vec!["250m", "0.5", "1"], "1750m"),
            (vec!["64Mi", "64Mi"], "128Mi"),
            (vec!["1Gi", "512Mi"], "1536Mi"),
            (vec!["1e3", "1k"], "2000"),
            (vec!["100n", "1u"], "1100n"),
            (vec!["1.5Gi"], "1536Mi"),
            (vec!["0"], "0"),
        ] {
            assert_eq!(sum(parts.iter().copied()).as_deref(), Some(total), "{parts:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_has_no_sum() {
        for bad in ["", ".", "x", "1x", "-1", "1e99", "1.0000000000000000001", "99999999999999999999999999999999999999999"] {
            assert_eq!(sum(["1", bad]), None, "{bad}");
        }
        assert_eq!(sum([]), None);
    }
}
