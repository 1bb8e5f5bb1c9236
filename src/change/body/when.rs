//! When: the window in its zone, the estate's and UTC, why it, and what was ruled out.

use std::fmt::Write;

use jiff::Zoned;
use jiff::tz::TimeZone;

use crate::api::change_request::Schedule;
use crate::calendar::{RuledOut, Slot};
use crate::change::markdown::{code, prose};

use super::{Page, code_in_text, counted};

/// More ruled out windows than this are folded.
const UNFOLDED: usize = 3;

impl Page<'_> {
    pub(super) fn when(&self) -> String {
        let Some(decision) = self.context.decision else {
            return "## When\n\nAt once: only the estate's files change.\n".to_owned();
        };
        let mut text = "## When\n\n".to_owned();
        let reason = prose(decision.reason.trim_end_matches('.'));
        match &decision.slot {
            Some(slot) => {
                text.push_str(&self.times(slot));
                let _ = writeln!(text, "\nWhy this one: {reason}.");
                if let Some(note) = &slot.note {
                    let _ = writeln!(text, "Note: {}.", prose(note.trim_end_matches('.')));
                }
            }
            None => {
                let _ = writeln!(text, "**No slot within 90 days.** {reason}.");
            }
        }
        text.push_str(&self.ruled_out(&decision.ruled_out));
        text
    }

    /// The slot in every zone that somebody may think in.
    fn times(&self, slot: &Slot) -> String {
        let mut zones = vec![slot.start.time_zone().clone(), self.context.estate.zone(), TimeZone::UTC];
        let mut named = Vec::new();
        zones.retain(|zone| {
            let name = name_of(zone);
            let new = !named.contains(&name);
            named.push(name);
            new
        });
        let mut text = format!("| Window {} | Start | End |\n|---|---|---|\n", code(&slot.window));
        for zone in zones {
            let at = |time: &Zoned| time.with_time_zone(zone.clone()).strftime("%a %Y-%m-%d %H:%M (%:z)").to_string();
            let _ = writeln!(text, "| {} | {} | {} |", code(&name_of(&zone)), at(&slot.start), at(&slot.end));
        }
        text
    }

    fn ruled_out(&self, ruled_out: &[RuledOut]) -> String {
        if ruled_out.is_empty() {
            return String::new();
        }
        let mut list = String::new();
        for RuledOut { slot, reason } in ruled_out.iter().take(self.rows) {
            let _ = writeln!(list, "- {}, {}: {}", code_in_text(&slot.window), span_of(&slot.start, &slot.end), prose(reason));
        }
        list.push_str(&self.more(ruled_out.len()));
        if ruled_out.len() > UNFOLDED {
            let count = counted(ruled_out.len(), "slot", "slots");
            return format!("\n<details><summary>Ruled out: {count}</summary>\n\n{list}\n</details>\n");
        }
        format!("\nRuled out:\n\n{list}")
    }
}

fn name_of(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// A schedule's time in its own zone; as it is written where it cannot be read.
pub fn schedule_in_words(schedule: &Schedule) -> String {
    match (schedule.start.parse::<Zoned>(), schedule.end.parse::<Zoned>()) {
        (Ok(start), Ok(end)) => span_of(&start, &end),
        _ => format!("{} to {}", schedule.start, schedule.end),
    }
}

/// A slot in its own zone: `Sun 2026-11-29 02:00 to 06:00 Europe/Zurich (+01:00)`.
pub fn span_of(start: &Zoned, end: &Zoned) -> String {
    let zone = name_of(start.time_zone());
    let until = if start.date() == end.date() { end.strftime("%H:%M") } else { end.strftime("%a %Y-%m-%d %H:%M") };
    format!("{} to {until} {zone} ({})", start.strftime("%a %Y-%m-%d %H:%M"), start.strftime("%:z"))
}
