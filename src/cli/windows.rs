//! `bowline windows`: the coming windows and freezes.

use bowline::api::patch_window::Effect;
use bowline::calendar::{Calendar, Instance};
use bowline::impact::ServiceGraph;
use clap::Args;
use jiff::{SignedDuration, tz::TimeZone};
use serde_json::json;

use super::Outcome;
use super::options::{Options, Style};
use super::render;
use super::session::{self, EstateArgument};
use bowline::failure::Failure;

/// Arguments of `windows`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// How many days ahead
    #[arg(long, default_value_t = 28, value_parser = clap::value_parser!(u32).range(1..=366))]
    days: u32,
}

/// Prints the windows in their own zone and in UTC.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let loaded = session::load(options, &arguments.estate).await?;
    let estate = &loaded.estate;
    let now = session::now(options, estate);
    let until = now.checked_add(SignedDuration::from_hours(24 * i64::from(arguments.days)))?;
    let calendar = Calendar::new(estate, &ServiceGraph::new(estate));
    let instances = calendar.coming(now, until);
    let value: Vec<_> =
        instances.iter().map(|slot| json!({"window": slot.window, "effect": slot.effect, "start": slot.start, "end": slot.end, "note": slot.note})).collect();
    let whole = json!({"apiVersion": bowline::api::API_VERSION, "kind": "Windows", "from": now, "until": until, "windows": value});
    options.print(&whole, |style| text(style, &instances, arguments.days))?;
    super::check::warn(estate);
    Ok(Outcome::Done)
}

fn text(style: Style, instances: &[Instance], days: u32) -> String {
    if instances.is_empty() {
        return format!("No window and no freeze within {days} days.\n");
    }
    let rows: Vec<Vec<String>> = instances
        .iter()
        .map(|slot| {
            let utc = slot.start.with_time_zone(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string();
            let effect = if slot.effect == Effect::Freeze { "Freeze" } else { "Allow" };
            vec![slot.window.to_string(), effect.to_owned(), bowline::change::body::span_of(&slot.start, &slot.end), utc, slot.note.clone().unwrap_or_default()]
        })
        .collect();
    render::table::table(style, &["window", "effect", "when", "start in UTC", "note"], &rows)
}
