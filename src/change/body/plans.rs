//! What stands in the way, and how the change is made, undone and tested.

use std::fmt::Write;

use crate::change::markdown::prose;

use super::Page;

/// A longer plan is folded, but for its first line.
const UNFOLDED: usize = 12;

impl Page<'_> {
    pub(super) fn conflicts(&self) -> String {
        let conflicts = &self.context.change.conflicts;
        if conflicts.is_empty() {
            return "**Conflicts**: none known.\n".to_owned();
        }
        let mut text = "## Conflicts\n\n".to_owned();
        for conflict in conflicts.iter().take(self.rows) {
            let _ = writeln!(text, "- {}", prose(conflict));
        }
        text.push_str(&self.more(conflicts.len()));
        text
    }

    pub(super) fn plans(&self) -> String {
        let plan = &self.context.change.plan;
        let parts = [("Implementation", &plan.implementation), ("Backout", &plan.backout), ("Test", &plan.test)];
        parts.map(|(heading, text)| format!("## {heading}\n\n{}", self.plan(text))).join("\n")
    }

    fn plan(&self, text: &str) -> String {
        let count = text.lines().count();
        let (mut head, mut steps) = (String::new(), String::new());
        for line in text.lines().take(self.rows.saturating_add(1)) {
            match step_of(line) {
                Some((number, rest)) => {
                    let _ = writeln!(steps, "{number}. {}", prose(rest));
                }
                None if steps.is_empty() => {
                    let _ = writeln!(head, "{}", prose(line));
                }
                None => {
                    let _ = write!(steps, "\n{}\n", prose(line));
                }
            }
        }
        steps.push_str(&self.more(count.saturating_sub(1)));
        match (steps.is_empty(), count > UNFOLDED) {
            (true, _) => head,
            (false, false) => format!("{head}\n{steps}"),
            (false, true) => format!("{head}\n<details><summary>{} steps</summary>\n\n{steps}\n</details>\n", count - 1),
        }
    }
}

/// The number and the words of a numbered line.
fn step_of(line: &str) -> Option<(&str, &str)> {
    let (number, rest) = line.split_once(". ")?;
    (!number.is_empty() && number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit())).then_some((number, rest))
}
