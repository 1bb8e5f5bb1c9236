//! Windows and freezes: when they are, on both sides of a clock change, and the next time at which a change may be made.

#![allow(clippy::unwrap_used)] // helpers of tests: a panic is a failure with its place

use std::sync::Arc;

use bowline::api::patch_window::Effect;
use bowline::api::{Document, Kind, PatchWindowSpec, ServiceMapSpec, Text, Zone};
use bowline::calendar::{Booking, Calendar, Decision, problems};
use bowline::estate::{Classes, Declared, Estate, Origin, SourceFile, Unreadable};
use bowline::impact::ServiceGraph;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};
use proptest::prelude::*;

// ---- Estates from a few lines

fn read<Spec: serde::de::DeserializeOwned>(kind: &str, text: &str) -> Declared<Spec> {
    let (name, spec) = text.split_once(": ").unwrap();
    let document: Document<Spec> =
        serde_yaml::from_str(&format!("{{apiVersion: bowline.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {spec}}}")).unwrap();
    Declared { name: document.metadata.name, labels: document.metadata.labels, spec: document.spec, origin: Origin::default() }
}

/// An estate of the items `a`, `b` and `c`, with these windows: `name: {start: …}`; selector, duration and zone have defaults.
fn estate(windows: &[&str]) -> Estate {
    let mut windows: Vec<Declared<PatchWindowSpec>> = windows.iter().map(|text| read("PatchWindow", &filled(text))).collect();
    windows.sort_by(|a, b| a.name.cmp(&b.name));
    let items = ["a: {class: server}", "b: {class: server}", "c: {class: network-device}"];
    let mut estate = Estate { windows, items: items.map(|text| read("ConfigurationItem", text)).into(), classes: Classes::resolve(&[]).0, ..Estate::default() };
    estate.spec.time_zone = Some("Europe/Zurich".parse().unwrap());
    estate
}

fn filled(text: &str) -> String {
    let mut text = text.to_owned();
    for (field, default) in [("selector", "{all: true}"), ("duration", "4h")] {
        if !text.contains(field) {
            text = text.replacen('{', &format!("{{{field}: {default}, "), 1);
        }
    }
    text
}

fn calendar(windows: &[&str]) -> Calendar {
    calendar_of(&estate(windows))
}

fn calendar_of(estate: &Estate) -> Calendar {
    Calendar::new(estate, &ServiceGraph::new(estate))
}

fn at(text: &str) -> Timestamp {
    text.parse::<Zoned>().map(|zoned| zoned.timestamp()).or_else(|_| text.parse()).unwrap()
}

fn names(words: &[&str]) -> Vec<Text> {
    words.iter().map(|word| Text::from(*word)).collect()
}

/// Starts and ends of all instances, as RFC 3339 with the offset.
fn instances(calendar: &Calendar, from: &str, until: &str) -> Vec<String> {
    let form = |time: &Zoned| time.strftime("%Y-%m-%dT%H:%M%:z").to_string();
    calendar.instances(at(from), at(until)).iter().map(|slot| format!("{} to {}", form(&slot.start), form(&slot.end))).collect()
}

fn notes(calendar: &Calendar, from: &str, until: &str) -> Vec<String> {
    calendar.instances(at(from), at(until)).into_iter().filter_map(|slot| slot.note).collect()
}

/// `window start to end`, or `none`; and the reason.
fn chosen(decision: &Decision) -> (String, &str) {
    let slot = decision
        .slot
        .as_ref()
        .map_or("none".into(), |slot| format!("{} {} to {}", slot.window, slot.start.strftime("%Y-%m-%dT%H:%M%:z"), slot.end.strftime("%Y-%m-%dT%H:%M%:z")));
    (slot, &decision.reason)
}

fn next(calendar: &Calendar, items: &[&str], now: &str) -> Decision {
    calendar.next_slot(&names(items), &[], at(now))
}

fn booking(change: &str, items: &[&str], start: &str, end: &str) -> Booking {
    Booking { change: change.into(), items: names(items), start: at(start), end: at(end) }
}

/// An estate with one more document, which could not be read.
fn with_unreadable(mut estate: Estate, kind: Option<Kind>, name: Option<&str>, text: &str) -> Estate {
    estate.files.push(SourceFile { path: "windows/broken.yaml".into(), text: text.into() });
    let origin = Origin { file: u32::try_from(estate.files.len() - 1).unwrap(), offset: 0, length: u32::try_from(text.len()).unwrap(), line: 1 };
    estate.unreadable.push(Unreadable { kind, name: name.map(Arc::from), origin });
    estate
}

const SUNDAYS: &str = "sundays: {start: 2026-01-04T02:00:00, recurrence: FREQ=WEEKLY;BYDAY=SU}";
const NOW: &str = "2026-11-25T00:00:00Z"; // a Wednesday

// ---- Local time, on both sides of a clock change

/// argo-cd#3204: windows in UTC only drift by an hour when clocks change.
#[test]
fn a_window_stays_at_its_local_time_when_clocks_change() {
    let found = instances(&calendar(&[SUNDAYS]), "2026-10-17T00:00:00Z", "2026-11-02T00:00:00Z");
    assert_eq!(
        found,
        [
            "2026-10-18T02:00+02:00 to 2026-10-18T06:00+02:00",
            "2026-10-25T02:00+02:00 to 2026-10-25T05:00+01:00",
            "2026-11-01T02:00+01:00 to 2026-11-01T06:00+01:00"
        ]
    );
}

/// RFC 5545 drops an instance inside a spring gap, so that a window at 02:30 vanishes once a year.
#[test]
fn a_start_in_the_spring_gap_is_shifted_and_says_so() {
    let calendar = calendar(&["nightly: {start: 2026-01-01T02:30:00, duration: 1h, recurrence: FREQ=DAILY}"]);
    assert_eq!(
        instances(&calendar, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        [
            "2026-03-28T02:30+01:00 to 2026-03-28T03:30+01:00",
            "2026-03-29T03:30+02:00 to 2026-03-29T04:30+02:00",
            "2026-03-30T02:30+02:00 to 2026-03-30T03:30+02:00"
        ]
    );
    assert_eq!(
        notes(&calendar, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ["02:30 does not exist on 2026-03-29 in Europe/Zurich (clocks go forward); starts at 03:30"]
    );
}

/// The same window happens twice in autumn with tools that expand in instants.
#[test]
fn a_start_in_the_autumn_fold_takes_place_once_the_first_time() {
    let calendar = calendar(&["nightly: {start: 2026-01-01T02:30:00, duration: 1h, recurrence: FREQ=DAILY}"]);
    assert_eq!(
        instances(&calendar, "2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"),
        [
            "2026-10-24T02:30+02:00 to 2026-10-24T03:30+02:00",
            "2026-10-25T02:30+02:00 to 2026-10-25T02:30+01:00",
            "2026-10-26T02:30+01:00 to 2026-10-26T03:30+01:00"
        ]
    );
    assert_eq!(
        notes(&calendar, "2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"),
        ["02:30 happens twice on 2026-10-25 in Europe/Zurich (clocks go back); starts the first time"]
    );
}

/// rust-rrule#115: the crate repeats and misses instances at daylight-saving changes.
#[test]
fn a_daily_window_takes_place_exactly_once_each_local_day_for_two_years() {
    for (zone, time) in [
        ("America/New_York", "01:30:00"),
        ("America/New_York", "02:30:00"),
        ("Europe/Zurich", "02:30:00"),
        ("Europe/Zurich", "00:00:00"),
        ("America/Havana", "00:30:00"),
        ("Africa/Cairo", "00:00:00"),
        ("Australia/Lord_Howe", "02:15:00"),
        ("America/Santiago", "23:30:00"),
        ("Asia/Kolkata", "02:30:00"),
    ] {
        let zone_of: Zone = zone.parse().unwrap();
        let calendar = calendar(&[&format!("w: {{start: 2025-12-01T{time}, duration: 30m, timeZone: {zone}, recurrence: FREQ=DAILY}}")]);
        let local = |text: &str| text.parse::<DateTime>().unwrap().to_zoned(zone_of.0.clone()).unwrap().timestamp();
        let days: Vec<_> = calendar.instances(local("2026-01-01T00:00:00"), local("2028-01-01T00:00:00")).iter().map(|slot| slot.start.date()).collect();
        assert_eq!(days.len(), 730, "{zone} {time}");
        assert!(days.is_sorted_by(|a, b| a.tomorrow().unwrap() == *b), "{zone} {time}");
    }
}

/// GKE: the days of a maintenance window are always days in UTC.
#[test]
fn days_of_the_week_are_those_of_the_windows_zone() {
    let calendar = calendar(&["w: {start: 2026-01-04T06:00:00, timeZone: Pacific/Auckland, recurrence: FREQ=WEEKLY;BYDAY=SU}"]);
    let found = calendar.instances(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    assert_eq!(found.len(), 52);
    for slot in found {
        assert_eq!(slot.start.weekday(), jiff::civil::Weekday::Sunday);
        assert_eq!(slot.start.with_time_zone(TimeZone::UTC).weekday(), jiff::civil::Weekday::Saturday);
    }
}

/// AKS: a window has a static offset from UTC.
#[test]
fn a_start_with_an_offset_of_its_own_recurs_on_the_clock_of_the_zone() {
    let calendar = calendar(&["w: {start: \"2026-01-04T02:00:00+01:00\", recurrence: FREQ=MONTHLY;BYDAY=1SU}"]);
    let found = instances(&calendar, "2026-07-01T00:00:00Z", "2026-07-31T00:00:00Z");
    assert_eq!(found, ["2026-07-05T02:00+02:00 to 2026-07-05T06:00+02:00"]);
}

#[test]
fn a_single_start_with_an_offset_can_mean_the_second_of_two() {
    let found = instances(&calendar(&["w: {start: \"2026-10-25T02:30:00+01:00\"}"]), "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
    assert_eq!(found, ["2026-10-25T02:30+01:00 to 2026-10-25T06:30+01:00"]);
}

#[test]
fn clocks_of_the_southern_hemisphere_change_the_other_way() {
    let calendar = calendar(&["w: {start: 2026-01-04T02:30:00, timeZone: Australia/Sydney, recurrence: FREQ=WEEKLY;BYDAY=SU}"]);
    assert_eq!(
        instances(&calendar, "2026-10-01T00:00:00Z", "2026-10-05T00:00:00Z"),
        ["2026-10-04T03:30+11:00 to 2026-10-04T07:30+11:00"] // clocks go forward in October
    );
    assert_eq!(instances(&calendar, "2026-04-02T00:00:00Z", "2026-04-06T00:00:00Z"), ["2026-04-05T02:30+11:00 to 2026-04-05T05:30+10:00"]);
}

#[test]
fn lord_howe_shifts_by_half_an_hour() {
    let calendar = calendar(&["w: {start: 2026-01-01T02:15:00, duration: 1h, timeZone: Australia/Lord_Howe, recurrence: FREQ=DAILY}"]);
    assert_eq!(
        notes(&calendar, "2026-10-02T00:00:00Z", "2026-10-06T00:00:00Z"),
        ["02:15 does not exist on 2026-10-04 in Australia/Lord_Howe (clocks go forward); starts at 02:45"]
    );
}

#[test]
fn a_zone_without_clock_changes_has_none() {
    let calendar = calendar(&["w: {start: 2026-01-01T02:30:00, timeZone: Asia/Kolkata, recurrence: FREQ=DAILY}"]);
    let found = calendar.instances(at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    assert!(found.len() >= 365 && found.iter().all(|slot| slot.note.is_none() && slot.start.hour() == 2));
}

#[test]
fn a_day_that_a_zone_skips_altogether_starts_a_day_later() {
    let calendar = calendar(&["w: {start: 2011-12-30T02:00:00, timeZone: Pacific/Apia}"]);
    assert_eq!(
        notes(&calendar, "2011-12-29T00:00:00Z", "2012-01-02T00:00:00Z"),
        ["02:00 does not exist on 2011-12-30 in Pacific/Apia (clocks go forward); starts at 02:00 on 2011-12-31"]
    );
}

/// kured#204: a window past midnight never matches.
#[test]
fn a_window_past_midnight_is_open_on_both_days() {
    let calendar = calendar(&["w: {start: 2026-01-02T22:00:00, duration: 8h, recurrence: FREQ=WEEKLY;BYDAY=FR}"]);
    for now in ["2026-11-27T23:00:00+01:00[Europe/Zurich]", "2026-11-28T04:00:00+01:00[Europe/Zurich]"] {
        assert_eq!(chosen(&next(&calendar, &["a"], now)), ("w 2026-11-27T22:00+01:00 to 2026-11-28T06:00+01:00".into(), "`w` is open now"), "{now}");
    }
}

#[test]
fn a_window_can_cross_a_clock_change_a_month_and_a_year() {
    let long = calendar(&["w: {start: 2026-10-24T20:00:00, duration: 12h, also: [2026-12-31T20:00:00]}"]);
    assert_eq!(
        instances(&long, "2026-10-01T00:00:00Z", "2027-02-01T00:00:00Z"),
        ["2026-10-24T20:00+02:00 to 2026-10-25T07:00+01:00", "2026-12-31T20:00+01:00 to 2027-01-01T08:00+01:00"]
    );
}

#[test]
fn two_starts_that_a_gap_shifts_together_are_one() {
    let calendar = calendar(&["w: {start: 2026-01-01T02:30:00, duration: 15m, recurrence: \"FREQ=DAILY;BYHOUR=2,3\"}"]);
    assert_eq!(instances(&calendar, "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"), ["2026-03-29T03:30+02:00 to 2026-03-29T03:45+02:00"]);
    assert!(notes(&calendar, "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z").is_empty());
}

#[test]
fn exceptions_take_out_a_day_or_a_start_and_also_adds_one() {
    let window = "w: {start: 2026-12-20T02:00:00, duration: 1h, recurrence: \"FREQ=DAILY;BYHOUR=2,14\", \
                  except: [2026-12-21, \"2026-12-22T14:00:00\", \"2026-12-23T01:00:00Z\"], also: [\"2026-12-21T22:00:00\", \"2026-12-22T02:00:00\"]}";
    assert_eq!(
        instances(&calendar(&[window]), "2026-12-20T20:00:00Z", "2026-12-23T20:00:00Z"),
        [
            "2026-12-21T22:00+01:00 to 2026-12-21T23:00+01:00",
            "2026-12-22T02:00+01:00 to 2026-12-22T03:00+01:00",
            "2026-12-23T14:00+01:00 to 2026-12-23T15:00+01:00"
        ]
    );
}

#[test]
fn a_day_that_is_excepted_is_a_day_of_the_windows_zone() {
    let calendar = calendar(&["w: {start: 2026-12-20T00:30:00, duration: 1h, recurrence: FREQ=DAILY, except: [2026-12-21]}"]);
    let days: Vec<i8> = calendar.instances(at("2026-12-19T12:00:00Z"), at("2026-12-23T12:00:00Z")).iter().map(|slot| slot.start.day()).collect();
    assert_eq!(days, [20, 22, 23]);
}

#[test]
fn until_with_a_z_is_an_instant_and_without_one_local() {
    // 02:00 in Zurich in summer is midnight in UTC.
    for (until, expected) in [("20260702T000000Z", 2), ("20260701T235959Z", 1), ("20260702T020000", 2), ("20260702T015959", 1), ("20260702", 2)] {
        let window = format!("w: {{start: 2026-07-01T02:00:00, recurrence: \"FREQ=DAILY;UNTIL={until}\"}}");
        assert_eq!(calendar(&[&window]).instances(at("2026-06-01T00:00:00Z"), at("2026-08-01T00:00:00Z")).len(), expected, "{until}");
    }
}

#[test]
fn a_start_long_ago_costs_no_more_than_a_recent_one() {
    let started = std::time::Instant::now();
    for rule in ["FREQ=DAILY", "FREQ=HOURLY", "FREQ=WEEKLY;BYDAY=MO", "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=DAILY;COUNT=10000"] {
        let calendar = calendar(&[&format!("w: {{start: 1970-01-01T02:00:00, duration: 30m, recurrence: \"{rule}\"}}")]);
        let found = calendar.instances(at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        assert_eq!(found.is_empty(), rule.contains("COUNT"), "{rule}");
    }
    println!("five windows from 1970: {:?}", started.elapsed());
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}

// ---- What cannot be read closes

#[test]
fn every_mistake_in_a_schedule_is_told_with_its_path() {
    let window: Declared<PatchWindowSpec> = read(
        "PatchWindow",
        "w: {selector: {all: true}, start: 2026-01-04T02:00:00, duration: 0s, recurrence: FREQ=SECONDLY, except: [2026-12-27, christmas], also: [\"2026-12-29T02:00:00 CET\"], maxConcurrent: 0}",
    );
    let paths: Vec<String> = problems(&window.spec, &TimeZone::UTC).into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["spec.duration", "spec.recurrence", "spec.also.0", "spec.except.1", "spec.maxConcurrent"]);
    let fine: Declared<PatchWindowSpec> = read("PatchWindow", &filled(SUNDAYS));
    assert_eq!(problems(&fine.spec, &TimeZone::UTC), []);
}

/// Renovate answers "always" to a schedule that it cannot read.
#[test]
fn a_window_whose_schedule_cannot_be_read_opens_nothing() {
    for broken in ["recurrence: every sunday", "recurrence: FREQ=MINUTELY", "recurrence: \"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\"", "except: [soon]"] {
        let calendar = calendar(&[&format!("w: {{start: 2026-01-04T02:00:00, {broken}}}")]);
        let decision = next(&calendar, &["a"], NOW);
        assert_eq!(chosen(&decision), ("none".into(), "no window covers `a`; window `w` may be meant to, and cannot be read"), "{broken}");
        assert_eq!(calendar.broken().len(), 1);
        assert!(calendar.coming(at(NOW), at("2027-12-01T00:00:00Z")).is_empty());
    }
}

#[test]
fn a_freeze_whose_schedule_cannot_be_read_closes_what_it_is_about_and_nothing_else() {
    let calendar = calendar(&[SUNDAYS, "year-end: {effect: Freeze, selector: {items: [a]}, start: in december}"]);
    let decision = next(&calendar, &["a", "b"], NOW);
    assert_eq!(decision.slot, None);
    assert!(decision.reason.starts_with("window `year-end` cannot be read (spec.start: `in december` is not a date and time"), "{}", decision.reason);
    assert!(decision.reason.ends_with("so nothing is scheduled until it is mended"), "{}", decision.reason);
    assert!(next(&calendar, &["b"], NOW).slot.is_some());
}

/// Argo CD falls back to UTC, with a line in the log, when it cannot read a zone.
#[test]
fn a_window_whose_zone_cannot_be_read_closes_and_is_never_taken_as_utc() {
    let document = "kind: PatchWindow\nmetadata: {name: night}\nspec:\n  effect: EFFECT\n  timeZone: Europe/Zürich\n  selector: {items: [a]}\n  start: 2026-01-04T02:00:00\n  duration: 4h\n";
    let freeze = with_unreadable(estate(&[SUNDAYS]), Some(Kind::PatchWindow), Some("night"), &document.replace("EFFECT", "Freeze"));
    let decision = next(&calendar_of(&freeze), &["a"], NOW);
    assert_eq!(chosen(&decision), ("none".into(), "window `night` cannot be read (its document has an error), so nothing is scheduled until it is mended"));
    assert!(next(&calendar_of(&freeze), &["b"], NOW).slot.is_some());
    let allow = with_unreadable(estate(&[]), Some(Kind::PatchWindow), Some("night"), &document.replace("EFFECT", "Allow"));
    let decision = next(&calendar_of(&allow), &["a"], NOW);
    assert_eq!(chosen(&decision), ("none".into(), "no window covers `a`; window `night` may be meant to, and cannot be read"));
}

#[test]
fn a_document_that_may_be_a_freeze_closes_and_one_that_clearly_is_none_does_not() {
    let closes = |kind, text: &str| next(&calendar_of(&with_unreadable(estate(&[SUNDAYS]), kind, None, text)), &["a"], NOW).slot.is_none();
    for text in [
        "",
        "spec: {effect: Freze}",
        "spec: {efect: Freeze, selector: {items: [a]}}",
        "spec: {effect: Freeze, selector: {itms: [b]}}",
        "spec: [",
        "effect: Freeze",
        "kind: PatchWindow\nspec: {effect: Freeze, selector: {items: [a]}, start: x}",
        "# effect: Allow\nspec: {effect: Freeze",
    ] {
        assert!(closes(Some(Kind::PatchWindow), text), "{text}");
    }
    for text in
        ["spec: {effect: Allow, start: [}", "spec:\n  effect: Allow\n  start: [", "spec: {start: never}", "spec: {effect: Freeze, selector: {items: [b]}}"]
    {
        let expected = text.contains("start: [}");
        assert_eq!(closes(Some(Kind::PatchWindow), text), expected, "{text}");
    }
    assert!(closes(None, "kind: PatchWindow\nspec: {"));
    assert!(closes(None, ""), "a file that could not be read at all may hold a freeze");
    assert!(!closes(None, "kind: ConfigurationItem\nspec: {"));
    assert!(!closes(Some(Kind::ConfigurationItem), "kind: ConfigurationItem # PatchWindow"));
    assert!(closes(Some(Kind::PatchWindow), &format!("spec: {{effect: Allow, x: {}}}", "freeze ".repeat(20_000))));
}

#[test]
fn without_the_estates_own_document_nobody_knows_its_zone() {
    let broken = with_unreadable(
        estate(&[SUNDAYS, "own: {start: 2026-01-04T02:00:00, timeZone: UTC, selector: {items: [b]}, recurrence: FREQ=DAILY}"]),
        Some(Kind::Estate),
        None,
        "",
    );
    let calendar = calendar_of(&broken);
    assert_eq!(next(&calendar, &["a"], NOW).slot, None);
    assert!(next(&calendar, &["b"], NOW).slot.is_some());
    assert_eq!(calendar.broken()[0].reason, "its times are in the estate's zone, and the estate's own document cannot be read");
}

#[test]
fn a_freeze_of_a_service_closes_everything_while_a_service_map_cannot_be_read() {
    let freeze = "f: {effect: Freeze, selector: {services: [payments]}, start: 2026-11-01T00:00:00, duration: 200d}";
    assert!(next(&calendar(&[SUNDAYS, freeze]), &["a"], NOW).slot.is_some());
    let broken = with_unreadable(estate(&[SUNDAYS, freeze]), Some(Kind::ServiceMap), Some("payments"), "");
    assert!(next(&calendar_of(&broken), &["a"], NOW).slot.is_none());
}

// ---- The next slot

#[test]
fn the_first_instance_that_leaves_the_lead_time_is_taken() {
    let calendar = calendar(&["sundays: {start: 2026-01-04T02:00:00, recurrence: FREQ=WEEKLY;BYDAY=SU, leadTime: 1d}"]);
    let decision = next(&calendar, &["a"], NOW);
    assert_eq!(
        chosen(&decision),
        ("sundays 2026-11-29T02:00+01:00 to 2026-11-29T06:00+01:00".into(), "first instance of `sundays` that starts at least 1d after approval")
    );
    assert_eq!(decision.ruled_out, []);
    let decision = next(&calendar, &["a"], "2026-11-28T02:00:01+01:00[Europe/Zurich]");
    assert_eq!(chosen(&decision).0, "sundays 2026-12-06T02:00+01:00 to 2026-12-06T06:00+01:00");
    assert_eq!(
        decision.ruled_out[0].reason,
        "it starts less than 1d after Saturday 2026-11-28 02:00:01 (Europe/Zurich), and `sundays` asks for that lead time"
    );
    let exactly = next(&calendar, &["a"], "2026-11-28T02:00:00+01:00[Europe/Zurich]");
    assert_eq!(chosen(&exactly).0, "sundays 2026-11-29T02:00+01:00 to 2026-11-29T06:00+01:00");
}

#[test]
fn a_day_of_lead_time_is_a_day_of_the_calendar() {
    let calendar = calendar(&["w: {start: 2026-01-04T12:00:00, recurrence: FREQ=WEEKLY;BYDAY=SU, leadTime: 1d}"]);
    // Clocks go forward on 2026-03-29: the day has 23 hours, and is still a day.
    let decision = next(&calendar, &["a"], "2026-03-28T12:00:00+01:00[Europe/Zurich]");
    assert_eq!(chosen(&decision).0, "w 2026-03-29T12:00+02:00 to 2026-03-29T16:00+02:00");
}

/// kured#179: work goes on outside of the window.
#[test]
fn an_open_window_is_used_only_while_half_an_hour_of_it_is_left() {
    let calendar = calendar(&[SUNDAYS]);
    let open = next(&calendar, &["a"], "2026-11-29T05:30:00+01:00[Europe/Zurich]");
    assert_eq!(chosen(&open), ("sundays 2026-11-29T02:00+01:00 to 2026-11-29T06:00+01:00".into(), "`sundays` is open now"));
    let late = next(&calendar, &["a"], "2026-11-29T05:31:00+01:00[Europe/Zurich]");
    assert_eq!(chosen(&late), ("sundays 2026-12-06T02:00+01:00 to 2026-12-06T06:00+01:00".into(), "first instance that can be used of `sundays`"));
    assert_eq!(late.ruled_out[0].reason, "only 29 minutes of it are left");
    let over = next(&calendar, &["a"], "2026-11-29T06:00:00+01:00[Europe/Zurich]");
    assert_eq!(over.ruled_out, []);
}

/// argo-cd#5590: a deny window that is not active blocks all the same.
#[test]
fn a_freeze_closes_only_while_it_is_under_way() {
    let freeze = "year-end: {effect: Freeze, start: 2026-12-19T00:00:00, duration: 16d}";
    let calendar = calendar(&[SUNDAYS, freeze]);
    assert_eq!(chosen(&next(&calendar, &["a"], NOW)).0, "sundays 2026-11-29T02:00+01:00 to 2026-11-29T06:00+01:00");
    let decision = next(&calendar, &["a"], "2026-12-19T12:00:00Z");
    assert_eq!(chosen(&decision), ("sundays 2027-01-10T02:00+01:00 to 2027-01-10T06:00+01:00".into(), "first instance that can be used of `sundays`"));
    let told: Vec<&str> = decision.ruled_out.iter().map(|out| &*out.reason).collect();
    assert_eq!(told, ["freeze `year-end` from Saturday 2026-12-19 00:00 (Europe/Zurich) to 2027-01-04 00:00"; 3]);
}

#[test]
fn a_freeze_that_is_about_other_items_does_not_close() {
    let calendar = calendar(&[SUNDAYS, "f: {effect: Freeze, selector: {classes: [network-device]}, start: 2026-11-01T00:00:00, duration: 200d}"]);
    assert!(next(&calendar, &["a"], NOW).slot.is_some());
    assert!(next(&calendar, &["a", "c"], NOW).slot.is_none());
}

#[test]
fn of_an_item_that_is_not_declared_only_its_name_tells_that_a_freeze_is_not_about_it() {
    let freeze = |selector: &str| calendar(&[SUNDAYS, &format!("f: {{effect: Freeze, selector: {selector}, start: 2026-11-01T00:00:00, duration: 200d}}")]);
    assert!(next(&freeze("{labels: {env: [prod]}}"), &["found-vm"], NOW).slot.is_none());
    assert!(next(&freeze("{items: [\"found-*\"], labels: {env: [prod]}}"), &["found-vm"], NOW).slot.is_none());
    assert!(next(&freeze("{items: [a, b], labels: {env: [prod]}}"), &["found-vm"], NOW).slot.is_some());
    assert!(next(&freeze("{}"), &["found-vm"], NOW).slot.is_some());
    let allow = calendar(&["w: {selector: {labels: {env: [prod]}}, start: 2026-01-04T02:00:00, recurrence: FREQ=DAILY}"]);
    assert_eq!(next(&allow, &["found-vm"], NOW).reason, "no window covers `found-vm`");
}

#[test]
fn a_freeze_that_overlaps_a_part_cuts_it_off_and_leaves_a_rest_of_half_an_hour_or_none() {
    let with = |start: &str, duration: &str| {
        let calendar = calendar(&[SUNDAYS, &format!("f: {{effect: Freeze, start: 2026-11-29T{start}, duration: {duration}}}")]);
        let slot = next(&calendar, &["a"], NOW).slot.unwrap();
        format!("{} to {}: {}", slot.start.strftime("%d %H:%M"), slot.end.strftime("%H:%M"), slot.note.unwrap_or_default())
    };
    assert_eq!(with("00:00:00", "3h"), "29 03:00 to 06:00: starts late, after freeze `f`");
    assert_eq!(with("00:00:00", "5h 30m"), "29 05:30 to 06:00: starts late, after freeze `f`");
    assert_eq!(with("00:00:00", "5h 31m"), "06 02:00 to 06:00: ");
    assert_eq!(with("02:30:00", "10h"), "29 02:00 to 02:30: ends early, before freeze `f`");
    assert_eq!(with("02:29:00", "10h"), "06 02:00 to 06:00: ");
    assert_eq!(with("02:10:00", "1h"), "29 03:10 to 06:00: starts late, after freeze `f`");
    assert_eq!(with("06:00:00", "1h"), "29 02:00 to 06:00: ");
    assert_eq!(with("00:00:00", "2h"), "29 02:00 to 06:00: ");
}

#[test]
fn a_short_window_is_used_whole_though_it_is_shorter_than_half_an_hour() {
    let calendar = calendar(&["w: {start: 2026-11-29T02:00:00, duration: 15m}"]);
    assert_eq!(chosen(&next(&calendar, &["a"], NOW)).0, "w 2026-11-29T02:00+01:00 to 2026-11-29T02:15+01:00");
}

#[test]
fn one_item_is_not_changed_by_two_changes_at_once_and_one_after_the_other_is_no_conflict() {
    let calendar = calendar(&[SUNDAYS]);
    let with = |bookings: &[Booking]| calendar.next_slot(&names(&["a"]), bookings, at(NOW));
    let taken = with(&[booking("other", &["b", "a"], "2026-11-29T01:30:00Z", "2026-11-29T02:00:00Z")]);
    assert_eq!(chosen(&taken).0, "sundays 2026-12-06T02:00+01:00 to 2026-12-06T06:00+01:00");
    assert_eq!(taken.ruled_out[0].reason, "change `other` is to change `a` at that time");
    for free in [
        booking("before", &["a"], "2026-11-28T23:00:00Z", "2026-11-29T01:00:00Z"),
        booking("after", &["a"], "2026-11-29T05:00:00Z", "2026-11-29T06:00:00Z"),
        booking("elsewhere", &["b"], "2026-11-29T01:00:00Z", "2026-11-29T05:00:00Z"),
        booking("nothing", &["a"], "2026-11-29T03:00:00Z", "2026-11-29T03:00:00Z"),
    ] {
        assert_eq!(with(&[free]).ruled_out, []);
    }
}

#[test]
fn no_more_changes_than_max_concurrent_are_under_way_at_once_within_the_selector() {
    let calendar = calendar(&["w: {selector: {items: [a, b]}, start: 2026-01-04T02:00:00, recurrence: FREQ=WEEKLY, maxConcurrent: 2}"]);
    let hour =
        |change: &str, item: &str, from: u8| booking(change, &[item], &format!("2026-11-29T0{from}:00:00Z"), &format!("2026-11-29T0{}:00:00Z", from + 1));
    let with = |bookings: &[Booking]| calendar.next_slot(&names(&["a"]), bookings, at(NOW));
    let full = with(&[hour("one", "b", 2), hour("two", "b", 2)]);
    assert_eq!(chosen(&full).0, "w 2026-12-06T02:00+01:00 to 2026-12-06T06:00+01:00");
    assert_eq!(full.ruled_out[0].reason, "`w` lets 2 changes through at once, and `one` and `two` already fill it");
    assert_eq!(with(&[hour("one", "b", 2), hour("two", "b", 3)]).ruled_out, []);
    assert_eq!(with(&[hour("one", "b", 2), hour("two", "c", 2)]).ruled_out, []);
}

#[test]
fn items_of_different_windows_are_changed_while_both_are_open() {
    let early = "early: {selector: {items: [a]}, start: 2026-01-04T01:00:00, recurrence: FREQ=DAILY}";
    let late = "late: {selector: {items: [b]}, start: 2026-01-03T03:00:00, recurrence: FREQ=WEEKLY;BYDAY=SA}";
    let calendar = calendar(&[early, late]);
    let decision = next(&calendar, &["a", "b"], NOW);
    assert_eq!(
        chosen(&decision),
        (
            "early 2026-11-28T03:00+01:00 to 2026-11-28T05:00+01:00".into(),
            "first time at which `early` and `late` are open together and nothing stands in the way"
        )
    );
    assert_eq!(decision.ruled_out[0].reason, "`b` is not in it, and `late` is not open at the same time");
    assert_eq!(next(&calendar, &["a", "b", "c"], NOW).reason, "no window covers `c`");
}

#[test]
fn one_window_that_covers_everything_needs_no_other() {
    let calendar = calendar(&[SUNDAYS, "only-a: {selector: {items: [a]}, start: 2026-01-04T02:00:00, recurrence: FREQ=DAILY}"]);
    let decision = next(&calendar, &["a", "b"], NOW);
    assert_eq!(chosen(&decision), ("sundays 2026-11-29T02:00+01:00 to 2026-11-29T06:00+01:00".into(), "first instance of `sundays`"));
    assert_eq!(decision.ruled_out, []);
}

#[test]
fn a_window_that_covers_everything_and_has_no_slot_does_not_hide_others_that_have_one_together() {
    let one = |name: &str| format!("{name}: {{selector: {{items: [{name}]}}, start: 2026-01-04T02:00:00, recurrence: FREQ=DAILY}}");
    let calendar = calendar(&["all: {start: 2026-11-30T02:00:00, leadTime: 30d}", &one("a"), &one("b")]);
    assert_eq!(chosen(&next(&calendar, &["a", "b"], NOW)).0, "a 2026-11-25T02:00+01:00 to 2026-11-25T06:00+01:00");
}

#[test]
fn services_classes_and_names_choose_what_a_window_is_about() {
    let mut estate = estate(&["w: {selector: {services: [payments], classes: [server]}, start: 2026-01-04T02:00:00, recurrence: FREQ=DAILY}"]);
    estate.services = vec![read::<ServiceMapSpec>("ServiceMap", "payments: {dependencies: [{from: payments, to: a}, {from: payments, to: c}]}")];
    let calendar = calendar_of(&estate);
    assert!(next(&calendar, &["a"], NOW).slot.is_some());
    for item in ["b", "c", "not-declared"] {
        assert_eq!(next(&calendar, &[item], NOW).reason, format!("no window covers `{item}`"));
    }
}

#[test]
fn one_looks_ninety_days_ahead_and_no_further() {
    let calendar = calendar(&["w: {start: 2027-02-23T02:00:00}"]);
    let decision = next(&calendar, &["a"], NOW);
    assert_eq!(chosen(&decision), ("none".into(), "`w` has no instance within 90 days"));
    assert!(next(&calendar, &["a"], "2026-11-26T00:00:00Z").slot.is_some());
    assert_eq!(next(&calendar, &[], NOW).reason, "there is nothing to change");
    assert_eq!(Calendar::default().next_slot(&names(&["a"]), &[], at(NOW)).reason, "no window covers `a`");
}

#[test]
fn at_most_ten_slots_that_were_ruled_out_are_told() {
    let calendar = calendar(&["w: {start: 2026-01-04T02:00:00, recurrence: FREQ=DAILY}", "f: {effect: Freeze, start: 2026-11-01T00:00:00, duration: 365d}"]);
    let decision = next(&calendar, &["a"], NOW);
    assert_eq!(chosen(&decision), ("none".into(), "no instance of `w` within 90 days can be used"));
    assert_eq!(decision.ruled_out.len(), 10);
    assert!(decision.ruled_out.is_sorted_by_key(|out| out.slot.start.timestamp()));
}

#[test]
fn what_is_coming_says_what_opens_and_what_closes() {
    let calendar = calendar(&[SUNDAYS, "f: {effect: Freeze, start: 2026-11-28T00:00:00, duration: 12h}"]);
    let coming: Vec<(Text, Effect)> = calendar.coming(at(NOW), at("2026-12-01T00:00:00Z")).into_iter().map(|one| (one.window, one.effect)).collect();
    assert_eq!(coming, [("f".into(), Effect::Freeze), ("sundays".into(), Effect::Allow)]);
}

#[test]
fn a_hundred_changes_are_scheduled_in_a_moment() {
    let texts: Vec<String> =
        (0..20).map(|index| format!("w{index}: {{start: 1999-01-04T02:00:00, recurrence: FREQ=DAILY, leadTime: 1d, maxConcurrent: 4}}")).collect();
    let calendar = calendar(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let started = std::time::Instant::now();
    let mut bookings = Vec::new();
    for change in 0..100 {
        if let Some(slot) = calendar.next_slot(&names(&["a"]), &bookings, at(NOW)).slot {
            bookings.push(Booking { change: change.to_string().into(), items: names(&["b"]), start: slot.start.timestamp(), end: slot.end.timestamp() });
        }
    }
    println!("100 changes, 20 windows: {:?}", started.elapsed());
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

#[test]
fn a_hundred_thousand_items_are_matched_in_a_moment() {
    let mut estate = estate(&[
        "w: {selector: {labels: {env: [prod]}}, start: 2026-01-04T02:00:00}",
        SUNDAYS,
        "x: {selector: {items: [\"x*7\"]}, start: 2026-01-04T02:00:00}",
    ]);
    let item = estate.items[0].clone();
    estate.items.extend((0..100_000).map(|number| Declared { name: format!("x{number:06}").into(), ..item.clone() }));
    let started = std::time::Instant::now();
    let calendar = calendar_of(&estate);
    println!("100,000 items, 3 windows: {:?}", started.elapsed());
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert!(next(&calendar, &["x000017"], NOW).slot.is_some());
}

// ---- Laws

const ZONES: [&str; 8] =
    ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Australia/Sydney", "Africa/Cairo", "Asia/Kolkata", "America/Sao_Paulo", "UTC"];

/// Numbers from `from` to `to`, up to three, as a part of a rule; or nothing.
fn part(name: &'static str, from: i32, to: i32) -> impl Strategy<Value = String> {
    let list = prop::collection::vec((from..=to).prop_filter("0 counts nothing", move |number| *number != 0 || from == 0), 1..4);
    prop_oneof![3 => Just(String::new()), 1 => list.prop_map(move |list| format!(";{name}={}", list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")))]
}

/// Any rule that is well formed, sensible or not.
fn any_rule() -> impl Strategy<Value = String> {
    let days = prop::sample::subsequence(vec!["MO", "-1TU", "2WE", "FR", "SU"], 0..3);
    let days = days.prop_map(|days| if days.is_empty() { String::new() } else { format!(";BYDAY={}", days.join(",")) });
    let frequency = prop::sample::select(vec!["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"]);
    let rare = (part("BYYEARDAY", -366, 366), part("BYWEEKNO", -53, 53), part("BYSETPOS", -10, 10), part("BYMONTHDAY", -31, 31), part("BYMONTH", 1, 12));
    let often = (part("BYHOUR", 0, 23), part("BYMINUTE", 0, 59), part("BYSECOND", 0, 59), part("COUNT", 1, 500));
    let interval = prop_oneof![Just(1u32), 1u32..60, 1u32..10_000];
    (frequency, interval, days, rare, often).prop_map(|(frequency, interval, days, (a, b, c, d, e), (f, g, h, i))| {
        let count = i.split(',').next().unwrap_or_default();
        format!("FREQ={frequency};INTERVAL={interval}{days}{a}{b}{c}{d}{e}{f}{g}{h}{count}")
    })
}

fn rule() -> impl Strategy<Value = String> {
    let days = prop::sample::subsequence(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 1..4).prop_map(|days| days.join(","));
    prop_oneof![
        (1u8..4).prop_map(|interval| format!("FREQ=DAILY;INTERVAL={interval}")),
        (1u8..3, days).prop_map(|(interval, days)| format!("FREQ=WEEKLY;INTERVAL={interval};BYDAY={days}")),
        (1u8..28).prop_map(|day| format!("FREQ=MONTHLY;BYMONTHDAY={day}")),
        Just("FREQ=HOURLY;INTERVAL=5".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_instance_starts_at_the_local_time_asked_for_or_is_shifted_by_the_gap(
        zone in prop::sample::select(&ZONES[..]), minute in 0i64..(24 * 60), rule in rule(), day in 0i64..730,
    ) {
        let zone_of: Zone = zone.parse().unwrap();
        let first = "2024-01-01T00:00:00".parse::<DateTime>().unwrap().checked_add(minute.minutes()).unwrap();
        let calendar = calendar(&[&format!("w: {{start: \"{first}\", duration: 30m, timeZone: {zone}, recurrence: \"{rule}\"}}")]);
        let from = at("2025-01-01T00:00:00Z").checked_add(SignedDuration::from_hours(24 * day)).unwrap();
        let until = from.checked_add(SignedDuration::from_hours(24 * 200)).unwrap();
        let found = calendar.instances(from, until);
        prop_assert!(!found.is_empty());
        prop_assert!(found.is_sorted_by(|a, b| a.start.timestamp() < b.start.timestamp()));
        for slot in &found {
            prop_assert!(slot.start.timestamp() < until && slot.end.timestamp() > from);
            prop_assert_eq!(slot.end.timestamp().duration_since(slot.start.timestamp()), SignedDuration::from_mins(30));
            prop_assert_eq!(slot.start.time_zone(), &zone_of.0);
            if rule.contains("HOURLY") {
                continue;
            }
            if slot.start.time() != first.time() {
                let asked = slot.start.date().to_datetime(first.time());
                let gap = zone_of.0.to_ambiguous_zoned(asked);
                prop_assert!(gap.is_ambiguous() && slot.note.is_some(), "{}", slot.start);
                prop_assert_eq!(gap.compatible().unwrap().timestamp(), slot.start.timestamp());
            }
        }
    }

    #[test]
    fn a_slot_never_overlaps_a_freeze_or_a_booking_and_never_breaks_the_lead_time(
        rule in rule(), hour in 0u8..24, length in 1u8..12, lead in 0u8..72,
        freezes in prop::collection::vec((0i64..20 * 24, 1u16..200), 0..6),
        bookings in prop::collection::vec((0i64..20 * 24, 1i64..30, prop::sample::select(&["a", "b"][..])), 0..6),
        now in 0i64..48,
    ) {
        let base = at("2026-10-20T00:00:00Z");
        let hours = |hours: i64| base.checked_add(SignedDuration::from_hours(hours)).unwrap();
        let mut windows = vec![format!("w: {{start: 2026-01-01T{hour:02}:30:00, duration: {length}h, leadTime: {lead}h, maxConcurrent: 2, recurrence: \"{rule}\"}}")];
        windows.extend(freezes.iter().enumerate().map(|(index, (start, length))| {
            format!("f{index}: {{effect: Freeze, selector: {{items: [{}]}}, start: \"{}\", duration: {length}h}}", if index % 3 == 2 { "c" } else { "a" }, hours(*start))
        }));
        let calendar = calendar(&windows.iter().map(String::as_str).collect::<Vec<_>>());
        let bookings: Vec<Booking> = bookings.iter().enumerate().map(|(index, (start, length, item))| {
            Booking { change: format!("change-{index}").into(), items: names(&[item]), start: hours(*start), end: hours(start + length) }
        }).collect();
        let now = hours(now);
        let decision = calendar.next_slot(&names(&["a", "b"]), &bookings, now);
        prop_assert_eq!(&decision, &calendar.next_slot(&names(&["b", "a"]), &bookings, now));
        let Some(slot) = decision.slot else { return Ok(()) };
        let (start, end) = (slot.start.timestamp(), slot.end.timestamp());
        let begin = start.max(now);
        prop_assert!(end.duration_since(begin) >= SignedDuration::from_mins(30));
        prop_assert!(lead == 0 || start >= now.checked_add(SignedDuration::from_hours(i64::from(lead))).unwrap());
        for freeze in calendar.coming(base, hours(200 * 24)).iter().filter(|one| one.effect == Effect::Freeze) {
            let about_c = ["f2", "f5"].contains(&&*freeze.window);
            prop_assert!(about_c || freeze.end.timestamp() <= begin || freeze.start.timestamp() >= end, "{:?}", freeze);
        }
        for booking in &bookings {
            prop_assert!(booking.end <= begin || booking.start >= end, "{:?}", booking);
        }
        let open = calendar.coming(now, hours(200 * 24));
        prop_assert!(open.iter().any(|one| one.effect == Effect::Allow && one.start.timestamp() <= start && one.end.timestamp() >= end));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rule_is_read_or_refused_in_bounded_time(rule in any_rule(), year in 1970i16..2030, zone in prop::sample::select(&ZONES[..])) {
        let started = std::time::Instant::now();
        let calendar = calendar(&[&format!("w: {{start: {year}-01-31T02:30:00, duration: 20m, timeZone: {zone}, recurrence: \"{rule}\"}}")]);
        let found = calendar.instances(at("2026-01-01T00:00:00Z"), at("2028-01-01T00:00:00Z"));
        prop_assert!(found.is_sorted_by(|a, b| a.start.timestamp() < b.start.timestamp()));
        prop_assert!(found.len() <= 2 * 366 * 97, "{}", found.len());
        prop_assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    #[test]
    fn no_text_makes_a_schedule_panic(start in ".{0,30}", rule in "[A-Z=;,0-9+-]{0,40}", except in ".{0,20}") {
        let mut window: Declared<PatchWindowSpec> = read("PatchWindow", &filled("w: {start: 2026-01-04T02:00:00}"));
        window.spec.recurrence = Some(rule.as_str().into());
        window.spec.except = vec![except.as_str().into()];
        let _ = problems(&window.spec, &TimeZone::UTC);
        window.spec.start = start.as_str().into();
        let _ = problems(&window.spec, &TimeZone::UTC);
    }
}
