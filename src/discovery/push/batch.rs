//! A batch as it is sent: one observation a line. Pure. One bad line refuses the whole, so that nobody takes a part for all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;

use super::facts::Fact;
use crate::access::web::one_line;
use crate::api::Text;
use crate::discovery::mapping::{Mapper, Node};

/// The largest batch in bytes.
pub const LARGEST: usize = 16 << 20;
/// How many lines a batch may have.
pub const MOST_LINES: usize = 20_000;
/// The longest line in bytes.
const LONGEST_LINE: usize = 1 << 20;
/// How many bad lines are told.
const TOLD: usize = 5;
/// The fields of an observation. Another one is a mistake: what it says would be lost in silence.
const FIELDS: [&str; 9] = ["key", "class", "name", "owner", "identifiers", "attributes", "labels", "relations", "seen"];

/// Why a batch is refused: what is wrong, and in which lines, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In one sentence.
    pub reason: String,
    /// The first lines that are wrong, each with what is wrong with it. No value is quoted.
    pub lines: Vec<(usize, String)>,
}

/// Reads a batch that came at `now`: that is when its observations were seen where they do not say. None may have been seen after `latest`.
pub fn parse(body: &[u8], now: Timestamp, latest: Timestamp) -> Result<Vec<Fact>, Refusal> {
    let whole = |reason: String| Refusal { reason, lines: Vec::new() };
    let lines = || (1..).zip(body.split(|byte| *byte == b'\n')).map(|(number, line)| (number, line.trim_ascii())).filter(|(_, line)| !line.is_empty());
    match lines().nth(MOST_LINES) {
        Some(_) => return Err(whole(format!("the batch has more than {MOST_LINES} lines; send several"))),
        None if lines().next().is_none() => return Err(whole("the batch is empty; send one observation a line".to_owned())),
        None => {}
    }
    let mapper = Mapper::compile(None, None).map_err(|_| whole("the form of observations cannot be read".to_owned()))?;
    let (mut facts, mut wrong, mut count) = (Vec::new(), Vec::new(), 0);
    // Of two words of one instant neither is the newer, and one would be lost in silence: things that share a key.
    let mut said: HashMap<(Text, Timestamp), Box<str>> = HashMap::new();
    let mut once = |fact: Fact| match said.entry((fact.key.clone(), fact.seen)) {
        Entry::Occupied(known) if *known.get() != fact.line => Err("another line says something else of the same key as of the same instant".to_owned()),
        Entry::Occupied(_) => Ok(fact),
        Entry::Vacant(new) => {
            new.insert(fact.line.clone());
            Ok(fact)
        }
    };
    for (number, line) in lines() {
        match fact(line, &mapper, now, latest).and_then(&mut once) {
            Ok(fact) => facts.push(fact),
            Err(reason) => {
                count += 1;
                if wrong.len() < TOLD {
                    wrong.push((number, reason));
                }
            }
        }
    }
    if count == 0 {
        return Ok(facts);
    }
    let many = if count == 1 { "1 line is wrong".to_owned() } else { format!("{count} lines are wrong") };
    Err(Refusal { reason: format!("{many}, so nothing of the batch was taken"), lines: wrong })
}

fn fact(line: &[u8], mapper: &Mapper, now: Timestamp, latest: Timestamp) -> Result<Fact, String> {
    if line.len() > LONGEST_LINE {
        return Err("it is longer than 1 MiB".to_owned());
    }
    let node: Node<'_> = serde_json::from_slice(line).map_err(|error| format!("it is no JSON, at column {}", error.column()))?;
    let Node::Map(entries) = &node else { return Err("it is no JSON object".to_owned()) };
    if let Some((name, _)) = entries.iter().find(|(name, _)| !FIELDS.contains(&&**name)) {
        return Err(format!("an observation has no field `{}`; it has {}", one_line(name), FIELDS.join(", ")));
    }
    let mut observation = mapper.map(&node)?;
    let seen = *observation.seen.get_or_insert(now);
    if seen > latest {
        return Err(format!("`seen` is in the future: {seen}"));
    }
    Ok(Fact { key: observation.key.clone(), seen, line: observation.to_json().to_string().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> Result<Vec<Fact>, Refusal> {
        let now: Timestamp = "2026-11-25T08:00:00Z".parse().unwrap();
        parse(body.as_bytes(), now, "2026-11-25T08:05:00Z".parse().unwrap())
    }

    #[test]
    fn an_observation_keeps_its_form_and_is_seen_when_it_came_where_it_does_not_say() {
        let facts =
            parsed("\n{\"key\": \"a\", \"class\": \"server\", \"attributes\": {\"cpus\": 4}, \"relations\": [{\"type\": \"RunsOn\", \"to\": \"b\"}]}\r\n\n")
                .unwrap();
        assert_eq!(facts.len(), 1);
        assert_eq!((&*facts[0].key, facts[0].seen.to_string().as_str()), ("a", "2026-11-25T08:00:00Z"));
        let again = parsed(&facts[0].line).unwrap();
        assert_eq!(again, facts, "what is written is read as the same");
    }

    #[test]
    fn two_words_of_one_key_and_instant_are_no_batch_unless_they_are_one() {
        let line = |cpus: u8, more: &str| format!("{{\"class\": \"x\", \"key\": \"a\", \"attributes\": {{\"cpus\": {cpus}}}{more}}}\n");
        assert_eq!(parsed(&(line(4, "") + &line(4, ""))).map(|facts| facts.len()), Ok(2));
        assert_eq!(parsed(&(line(4, "") + &line(8, ", \"seen\": \"2026-11-25T07:00:00Z\""))).map(|facts| facts.len()), Ok(2));
        let refusal = parsed(&(line(4, "") + &line(8, ""))).unwrap_err();
        assert!(refusal.lines[0].0 == 2 && refusal.lines[0].1.contains("the same key"), "{refusal:?}");
    }

    #[test]
    fn bad_lines_are_told_by_number_and_refuse_the_whole() {
        let bad = [
            "{",
            "[]",
            "{\"key\": \"a\"}",
            "{\"class\": \"x\", \"key\": \"a\", \"atributes\": {}}",
            "{\"class\": \"x\", \"key\": \"a\", \"seen\": \"2026-11-25T08:05:01Z\"}",
        ];
        let refusal = parsed(&format!("{{\"class\": \"x\", \"key\": \"a\"}}\n{}\n{{\n", bad.join("\n"))).unwrap_err();
        assert_eq!(refusal.reason, "6 lines are wrong, so nothing of the batch was taken");
        let numbers: Vec<usize> = refusal.lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2, 3, 4, 5, 6]);
        let reasons: Vec<&str> = refusal.lines.iter().map(|(_, reason)| &**reason).collect();
        assert!(reasons[0].contains("no JSON, at column 1") && reasons[1].contains("no JSON object") && reasons[2].contains("no class"), "{reasons:?}");
        assert!(reasons[3].contains("`atributes`") && reasons[4].contains("in the future"), "{reasons:?}");
    }

    #[test]
    fn an_empty_batch_and_too_many_lines_are_refused() {
        assert!(parsed(" \n\r\n").unwrap_err().reason.contains("empty"));
        assert!(parsed(&"{}\n".repeat(MOST_LINES + 1)).unwrap_err().reason.contains("20000 lines"));
        assert!(parsed(&format!("{{\"key\": \"{}\"}}", "x".repeat(2 << 20))).unwrap_err().lines[0].1.contains("1 MiB"));
    }
}
