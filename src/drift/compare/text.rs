//! Text without regard to case, and what Windows adds to the name of an operating system.

/// Whether both are the same text but for case and space around it.
pub(super) fn equal(a: &str, b: &str) -> bool {
    equal_ignoring_case(plain(a), plain(b))
}

/// Lower case, without space around it.
pub(super) fn write(text: &str, out: &mut String) {
    out.extend(plain(text).chars().flat_map(char::to_lowercase));
}

pub(super) fn equal_ignoring_case(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().flat_map(char::to_lowercase).eq(b.chars().flat_map(char::to_lowercase))
}

/// The text without what WMI's `Win32_OperatingSystem.Name` has after the name: `|C:\Windows|\Device\Harddisk0\…`.
fn plain(text: &str) -> &str {
    let name = text.split_once('|').filter(|(_, path)| {
        let mut marks = path.chars();
        marks.next().is_some_and(|drive| drive.is_ascii_alphabetic()) && marks.next() == Some(':') && marks.next() == Some('\\')
    });
    name.map_or(text, |(name, _)| name).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_compares_without_case_and_space_around_it() {
        for (a, b, expected) in [
            ("Debian", " debian ", true),
            ("Straße", "STRASSE", false),
            ("ÄÖÜ", "äöü", true),
            ("a b", "ab", false),
            // xen-orchestra#6987
            (r"Microsoft Windows Server 2019 Standard|C:\Windows|\Device\Harddisk0\Partition4", "Microsoft Windows Server 2019 Standard", true),
            (r"Microsoft Windows Server 2019 Standard|C:\Windows", "Microsoft Windows Server 2016 Standard", false),
            ("a|b", "a", false),
        ] {
            assert_eq!(equal(a, b), expected, "{a} {b}");
            assert_eq!(equal(b, a), expected, "{b} {a}");
        }
    }
}
