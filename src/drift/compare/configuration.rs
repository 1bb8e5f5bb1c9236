//! The configuration of a network device, by what its lines mean: `int g0/0` is `interface GigabitEthernet0/0`.
//!
//! Only abbreviations that are known are written out, so two different commands are never taken for one.

/// Names of interfaces, with the shortest beginning that stands for each. Longer beginnings stand for it too.
const INTERFACES: [(&str, &str); 14] = [
    ("FastEthernet", "f"),
    ("GigabitEthernet", "g"),
    ("TwoGigabitEthernet", "tw"),
    ("FiveGigabitEthernet", "fi"),
    ("TenGigabitEthernet", "te"),
    ("TwentyFiveGigE", "twe"),
    ("FortyGigabitEthernet", "fo"),
    ("HundredGigE", "hu"),
    ("Ethernet", "e"),
    ("Loopback", "lo"),
    ("Port-channel", "po"),
    ("Tunnel", "tu"),
    ("Serial", "se"),
    ("Vlan", "vl"),
];

/// Commands with the shortest beginning that stands for each.
const COMMANDS: [(&str, &str); 8] = [
    ("interface", "int"),
    ("description", "desc"),
    ("shutdown", "shut"),
    ("address", "addr"),
    ("switchport", "sw"),
    ("encapsulation", "encap"),
    ("hostname", "hostn"),
    ("spanning-tree", "span"),
];

/// Whether both mean the same.
pub(super) fn equal(a: &str, b: &str) -> bool {
    a == b || {
        let (mut one, mut other) = (String::new(), String::new());
        write(a, &mut one);
        write(b, &mut other);
        one == other
    }
}

/// The lines that say something, in order, words one space apart and written out.
pub(super) fn write(text: &str, out: &mut String) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('!'));
    for (index, line) in lines.enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_line(line, out);
    }
}

fn write_line(line: &str, out: &mut String) {
    // What follows a description, and its like, is a person's text.
    let mut free = false;
    let mut words = line.split_whitespace().peekable();
    let mut first = true;
    while let Some(word) = words.next() {
        if !first {
            out.push(' ');
        }
        first = false;
        let command = if free { None } else { command(word) };
        let follows = words.peek().is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
        match (command, interface(word, follows)) {
            (Some(command), _) => {
                free = command == "description";
                out.push_str(command);
            }
            (None, Some((name, number))) if !free => {
                out.push_str(name);
                out.push_str(number);
                // `Gi 0/1` is `Gi0/1`.
                if number.is_empty() {
                    out.push_str(words.next().unwrap_or_default());
                }
            }
            _ => out.push_str(word),
        }
    }
}

fn command(word: &str) -> Option<&'static str> {
    COMMANDS.into_iter().find(|(name, shortest)| begins(name, shortest, word)).map(|(name, _)| name)
}

/// The interface that a word names, and its number; the number may be the next word.
fn interface(word: &str, number_follows: bool) -> Option<(&'static str, &str)> {
    let digits = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
    let (letters, number) = word.split_at(digits);
    if number.is_empty() && !number_follows || !number.chars().all(|c| c.is_ascii_digit() || "/.:".contains(c)) {
        return None;
    }
    // The longest of the shortest beginnings decides: `twe` is not `tw`.
    let fitting = INTERFACES.into_iter().filter(|(name, shortest)| begins(name, shortest, letters));
    fitting.max_by_key(|(_, shortest)| shortest.len()).map(|(name, _)| (name, number))
}

fn begins(name: &str, shortest: &str, word: &str) -> bool {
    let beginning = |whole: &str, part: &str| whole.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part));
    beginning(name, word) && beginning(word, shortest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_compares_by_what_its_lines_mean() {
        for (a, b, expected) in [
            ("int g0/0", "interface GigabitEthernet0/0", true),
            ("interface Gi 0/0", "INTERFACE gigabitethernet0/0", true),
            ("int g0/0", "interface GigabitEthernet0/1", false),
            ("int te1/1", "interface TenGigabitEthernet1/1", true),
            ("int twe1/0/1", "interface TwentyFiveGigE1/0/1", true),
            ("int tw1/0/1", "interface TwentyFiveGigE1/0/1", false),
            ("!\ninterface Vlan10\n  shut\n\n", "int vl10\n shutdown", true),
            ("int vl10\n shutdown", "int vl10\n no shutdown", false),
            ("desc int g0/0 to the core", "description int g0/0 to the core", true),
            ("desc int g0/0 to the core", "desc interface GigabitEthernet0/0 to the core", false),
            ("permit tcp any", "permit  tcp any", true),
            ("permit tcp any", "p tcp any", false),
            ("enable secret Abc", "enable secret abc", false),
            ("é1", "e1", false),
        ] {
            assert_eq!(equal(a, b), expected, "{a} / {b}");
            assert_eq!(equal(b, a), expected, "{b} / {a}");
        }
    }
}
