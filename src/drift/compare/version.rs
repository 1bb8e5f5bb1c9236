//! Versions: `12`, `12.0` and `v12` are one; `1.10` is not `1.1`.
//!
//! A leading `v` and an epoch of 0 (`0:1.2`) do not matter, nor do zeros before a number or numbers of zero at the end of
//! the release. What follows the release (`-rc1`, `+deb12u1`, ` (bookworm)`) must be the same, without regard to case.

/// Whether both are the same version.
pub(super) fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (Version::of(a), Version::of(b));
    a.epoch == b.epoch && same_release(a.release, b.release) && a.rest.eq_ignore_ascii_case(b.rest)
}

/// The one spelling of what [`equal`] takes for the same.
pub(super) fn write(text: &str, out: &mut String) {
    let version = Version::of(text);
    let numbers: Vec<&str> = numbers(version.release).collect();
    let end = numbers.iter().rposition(|number| !number.is_empty()).map_or(0, |last| last + 1);
    out.push_str(version.epoch);
    out.push(':');
    out.push_str(&numbers.get(..end).unwrap_or_default().join("."));
    out.push(if version.release.is_empty() { '?' } else { '!' });
    out.push_str(&version.rest.to_ascii_lowercase());
}

struct Version<'a> {
    /// Without zeros in front; empty: none.
    epoch: &'a str,
    release: &'a str,
    rest: &'a str,
}

impl<'a> Version<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V']).filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())).unwrap_or(text);
        let (epoch, text) = match text.split_once(':') {
            Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch.trim_start_matches('0'), rest),
            _ => ("", text),
        };
        let end = if text.starts_with(|first: char| first.is_ascii_digit()) {
            text.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.').unwrap_or(text.len())
        } else {
            0
        };
        let (release, rest) = text.split_at(end);
        Self { epoch, release: release.trim_end_matches('.'), rest: rest.trim() }
    }
}

/// The numbers of a release, without zeros in front.
fn numbers(release: &str) -> impl Iterator<Item = &str> {
    release.split('.').map(|number| number.trim_start_matches('0'))
}

fn same_release(a: &str, b: &str) -> bool {
    if a.is_empty() != b.is_empty() {
        return false;
    }
    let (mut a, mut b) = (numbers(a), numbers(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (one, other) if one.unwrap_or_default() == other.unwrap_or_default() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_number_by_number() {
        for (a, b, expected) in [
            ("12", "12.0", true),
            ("12", "v12", true),
            ("12", "12.0.0", true),
            ("1.10", "1.1", false),
            ("1.10", "1.9", false),
            ("22.04", "22.4", true),
            ("1.2.3-rc1", "1.2.3-RC1", true),
            ("1.2.3-rc1", "1.2.3", false),
            ("1.2-rc1", "1.2.0-rc1", true),
            ("2.7.15~rc1-1ubuntu0.1", "2.7.15-4ubuntu4~18.04", false),
            ("0:1.2", "1.2", true),
            ("1:1.2", "1.2", false),
            ("01:1.2", "1:1.2", true),
            ("1.2.3+build7", "1.2.3+build8", false),
            ("12 (bookworm)", "12", false),
            ("bookworm", "Bookworm", true),
            ("bookworm", "12", false),
            ("", "0", false),
            ("v", "v", true),
            ("2016", "2019", false),
            ("10.0.17763", "10.0.20348", false),
            ("99999999999999999999999999", "99999999999999999999999999.0", true),
        ] {
            assert_eq!(equal(a, b), expected, "{a} {b}");
            assert_eq!(equal(b, a), expected, "{b} {a}");
            let (mut one, mut other) = (String::new(), String::new());
            write(a, &mut one);
            write(b, &mut other);
            assert_eq!(one == other, expected, "{one} {other}");
        }
    }
}
