//! `bowline plan`: what differs and what would be proposed. Changes nothing.

use clap::Args;

use super::error::Failure;
use super::options::Options;
use super::render;
use super::session::{EstateArgument, Session};
use super::{Outcome, check};

/// Arguments of `plan`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Exit with 2 if anything differs
    #[arg(long)]
    detailed_exitcode: bool,

    /// Show every item, however many there are
    #[arg(long)]
    all: bool,
}

/// Prints the plan.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    let session = Session::open(options, &arguments.estate).await?;
    check::refuse_empty(&session.estate)?;
    let plan = session.plan();
    options.print(&plan, |style| render::plan::render(style, &session.estate, &plan, arguments.all))?;
    Ok(if arguments.detailed_exitcode && !plan.findings.is_empty() { Outcome::Differs } else { Outcome::Done })
}
