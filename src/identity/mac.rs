//! MAC addresses in any case and punctuation.
//!
//! Read are `aa:bb:cc:dd:ee:ff`, `AA-BB-…`, `aabb.ccdd.eeff`, `aabbccddeeff`, the same of eight bytes (EUI-64), and groups
//! of one digit where zeros were left out (`0:1b:…`). What cannot be read compares as text.

/// The bytes of an address as one number, and how many they are.
pub(crate) type Mac = (u64, u8);

/// Reads an address.
pub(crate) fn parse(text: &str) -> Option<Mac> {
    let text = text.trim();
    let separator = text.bytes().find(|byte| matches!(byte, b':' | b'-' | b'.'));
    let groups = separator.map_or(1, |separator| text.bytes().filter(|byte| *byte == separator).count() + 1);
    let width = match (groups, separator, text.len()) {
        (1, None, length @ (12 | 16)) => length,
        (6 | 8, Some(_), _) => 2,
        (3 | 4, Some(b'.'), _) => 4,
        _ => return None,
    };
    let (mut value, mut group, mut digits) = (0_u64, 0_u64, 0);
    for byte in text.bytes() {
        if Some(byte) == separator {
            if digits == 0 {
                return None;
            }
            value = value << (width * 4) | group;
            (group, digits) = (0, 0);
        } else {
            digits += 1;
            group = group << 4 | u64::from(char::from(byte).to_digit(16)?);
        }
        if digits > width {
            return None;
        }
    }
    if digits == 0 {
        return None;
    }
    let value = if groups == 1 { group } else { value << (width * 4) | group };
    Some((value, u8::try_from(groups * width / 2).ok()?))
}

/// Whether both are the same address.
pub(crate) fn equal(a: &str, b: &str) -> bool {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.trim() == b.trim(),
        _ => false,
    }
}

/// The normal form: lower case, colons, zero-padded.
pub(crate) fn write(text: &str, out: &mut String) {
    let Some((value, bytes)) = parse(text) else { return out.push_str(text.trim()) };
    for (place, byte) in value.to_be_bytes().into_iter().skip(8 - usize::from(bytes)).enumerate() {
        if place > 0 {
            out.push(':');
        }
        out.extend([byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // netboxlabs/diode#373: case and punctuation gave a phantom update.
    #[test]
    fn addresses_compare_in_any_case_and_punctuation() {
        for (a, b, expected) in [
            ("00:50:56:AB:CD:EF", "00:50:56:ab:cd:ef", true),
            ("00-50-56-ab-cd-ef", "00:50:56:ab:cd:ef", true),
            ("0050.56ab.cdef", "00:50:56:ab:cd:ef", true),
            ("005056abcdef", "00:50:56:ab:cd:ef", true),
            ("0:50:56:ab:cd:ef", "00:50:56:ab:cd:ef", true),
            ("00:50:56:ff:fe:ab:cd:ef", "0050.56ff.feab.cdef", true),
            ("005056fffeabcdef", "00-50-56-FF-FE-AB-CD-EF", true),
            ("00:50:56:ab:cd:ef", "00:50:56:ab:cd:ee", false),
            ("00:00:00:50:56:ab:cd:ef", "00:50:56:ab:cd:ef", false),
            ("00:50:56:ab:cd", "00:50:56:ab:cd", true),
            ("00:50:56:ab:cd:eg", "00:50:56:ab:cd:ef", false),
            ("00:50-56:ab:cd:ef", "00:50:56:ab:cd:ef", false),
            ("+0:50:56:ab:cd:ef", "00:50:56:ab:cd:ef", false),
            ("n/a", "n/a", true),
        ] {
            assert_eq!(equal(a, b), expected, "{a} {b}");
            assert_eq!(equal(b, a), expected, "{b} {a}");
        }
        let mut text = String::new();
        write("0-50-56-AB-CD-1", &mut text);
        assert_eq!(text, "00:50:56:ab:cd:01");
    }
}
