//! Host names: neither case nor a trailing dot matters, and a short name is equal to the full name that starts with it.

use super::text;

/// Whether both name the same host.
pub(super) fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (plain(a), plain(b));
    text::equal_ignoring_case(a, b) || starts(a, b) || starts(b, a)
}

/// Lower case, without the dot at the end.
pub(super) fn write(name: &str, out: &mut String) {
    out.extend(plain(name).chars().flat_map(char::to_lowercase));
}

fn plain(name: &str) -> &str {
    let name = name.trim();
    name.strip_suffix('.').unwrap_or(name)
}

/// Whether `short` is the first label of `full`. The first number of an address is no name.
fn starts(short: &str, full: &str) -> bool {
    let Some((label, _)) = full.split_once('.') else { return false };
    !short.is_empty() && !short.contains('.') && text::equal_ignoring_case(short, label) && full.parse::<core::net::Ipv4Addr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    // bb-Ricardo/netbox-sync#21, #29: the full name against the short one, upper against lower case.
    #[test]
    fn names_compare_without_case_dot_or_domain() {
        for (a, b, expected) in [
            ("DB-1.Example.com", "db-1.example.com", true),
            ("db-1.example.com.", "db-1.example.com", true),
            ("db-1", "DB-1.example.com", true),
            ("db-1", "db-10.example.com", false),
            ("db-1.example.com", "db-1.example.org", false),
            ("db-1.example", "db-1.example.com", false),
            ("", "db-1.example.com", false),
            ("10", "10.0.0.1", false),
            ("bücher.example", "BÜCHER.example", true),
        ] {
            assert_eq!(equal(a, b), expected, "{a} {b}");
            assert_eq!(equal(b, a), expected, "{b} {a}");
        }
    }
}
