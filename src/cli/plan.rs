//! `bowline plan`: what differs and what would be proposed; with `--base`, what the present branch changes of that.
//! Changes nothing.

use clap::Args;

use super::options::Options;
use super::render;
use super::session::{EstateArgument, Session};
use super::{Outcome, base};
use bowline::failure::Failure;

/// Arguments of `plan`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    estate: EstateArgument,

    /// Show only what this folder changes of the plan of a commit: a branch, a tag or a hash. With three dots after it
    /// (origin/main...) of the commit where this branch left it, as pull requests compare
    #[arg(long, value_name = "REV")]
    base: Option<String>,

    /// Exit with 2 if anything differs; with --base, if anything appears, goes or changes
    #[arg(long)]
    detailed_exitcode: bool,

    /// Show every item, however many there are
    #[arg(long)]
    all: bool,
}

/// Prints the plan, or what it changes of that of the base.
pub async fn run(options: &Options, arguments: &Arguments) -> Result<Outcome, Failure> {
    if let Some(name) = &arguments.base {
        return against(options, arguments, name).await;
    }
    let session = Session::open(options, &arguments.estate).await?;
    session.refuse_empty()?;
    let plan = session.plan();
    options.print(&plan, |style| render::plan::render(style, &session.estate, &plan, arguments.all))?;
    Ok(if arguments.detailed_exitcode && !plan.findings.is_empty() { Outcome::Differs } else { Outcome::Done })
}

async fn against(options: &Options, arguments: &Arguments, name: &str) -> Result<Outcome, Failure> {
    // First, so that a name that means nothing is told before any source is asked.
    let base = base::read(&arguments.estate, name).await?;
    let session = Session::open(options, &arguments.estate).await?;
    session.refuse_empty()?;
    let before = base.plan(options, &session).await?;
    let difference = bowline::difference::compare(&before, &session.plan());
    let estates = (&base.estate, &session.estate);
    options.print(&difference, |style| render::difference::render(style, estates, &base.told, &difference, arguments.all))?;
    Ok(if arguments.detailed_exitcode && !difference.is_empty() { Outcome::Differs } else { Outcome::Done })
}
