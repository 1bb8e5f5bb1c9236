//! `bowline health`: whether the record is complete, correct and complied with.

use bowline::api::API_VERSION;
use bowline::failure::Failure;
use bowline::health;
use clap::Args;
use serde_json::json;

use super::options::Options;
use super::session::{EstateArgument, Session};
use super::{Outcome, render};

/// Arguments of `health`.
#[derive(Args)]
#[command(after_help = "An item is complete with an owner, an identifier, what its class requires and what 80% of its class declare; correct if it is \
related to something, was seen within the stale time of its sources (60 days) and is there once; compliant if it breaks no policy and is as declared. \
Planned and Retired items do not count.")]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Show every class, owner and service, however many there are
    #[arg(long)]
    all: bool,
}

/// Prints the indicators.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let (session, plan, correlation) = Session::planned(options, &arguments.estate).await?;
    let health = health::of(&session.estate, &session.discovered, &correlation, &plan);
    let mut whole = json!({"apiVersion": API_VERSION, "kind": "Health"});
    if let (Some(whole), serde_json::Value::Object(health)) = (whole.as_object_mut(), json!(health)) {
        whole.extend(health);
    }
    options.print(&whole, |style| render::health::render(style, &plan, &health, arguments.all))?;
    Ok(Outcome::Done)
}
