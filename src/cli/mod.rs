//! The command line: one file a verb. Results go to standard output, everything else to standard error.

mod base;
mod changes;
mod check;
mod completions;
mod crds;
mod demo;
mod discover;
mod explain;
mod forge;
mod health;
mod impact;
mod import;
mod init;
mod items;
mod log;
mod operations;
mod options;
mod plan;
mod reconcile;
mod render;
mod run;
mod schema;
mod session;
mod windows;

use std::process::ExitCode;
use std::time::Duration;

use bowline::controller::traces::Traces;
use clap::{CommandFactory, Parser, Subcommand};

use bowline::failure::Failure;
use options::Options;

/// Holds an IT estate to its declared state: what is declared, what is there, and a change request that a board can judge.
#[derive(Parser)]
#[command(
    name = "bowline",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 could not, 2 done and differs (check; plan --detailed-exitcode).\nStart with `bowline demo`, or `bowline init` in a folder of your own."
)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Write a first estate into a folder
    Init(init::Arguments),
    /// Check an estate: every problem at once, without asking any source
    Check(check::Arguments),
    /// Show what the sources say
    Discover(discover::Arguments),
    /// Write YAML for what is discovered and not declared
    Import(import::Arguments),
    /// List the items and how they stand; find one by any of its names in any tool
    Items(items::Arguments),
    /// Show what differs and what would be proposed; changes nothing
    Plan(plan::Arguments),
    /// Do one pass: plan, then open, update and close change requests
    Reconcile(reconcile::Arguments),
    /// Reconcile for ever: each interval, and at once when a forge's webhook says that something has changed
    Run(run::Arguments),
    /// List, show, approve and reject change requests
    Changes(changes::Arguments),
    /// Explain one finding or change request: what, where, by which rule, who is hurt, when
    Explain(explain::Arguments),
    /// Show whether the record is complete, correct and complied with, and the worst items
    Health(health::Arguments),
    /// Show which services fail with an item
    Impact(impact::Arguments),
    /// Show the coming windows and freezes
    Windows(windows::Arguments),
    /// Print the Kubernetes definitions of the kinds
    Crds(crds::Arguments),
    /// Print the JSON Schemas of the kinds, for editors
    Schema(schema::Arguments),
    /// Set up an example estate in a scratch folder and reconcile it
    Demo(demo::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
}

/// How long the last traces may hold up the end, which comes within ten seconds of a signal in all.
const PARTING_OF_TRACES: Duration = Duration::from_millis(1500);

/// What a verb did, as an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Done.
    Done,
    /// Done, and it differs or has problems.
    Differs,
}

/// Runs the program and gives its exit code.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // Help and version are what was asked for; wrong arguments are "could not".
            return if error.use_stderr() { ExitCode::from(1) } else { ExitCode::SUCCESS };
        }
    };
    let options = arguments.options;
    let credentials = match session::credentials(&options) {
        Ok(credentials) => credentials,
        Err(failure) => return report(&failure),
    };
    // What is asked for is sent by a thread and a client of their own, which live outside of the runtime.
    let traces = match &arguments.verb {
        Verb::Run(_) => match Traces::from_environment() {
            Ok(traces) => traces,
            Err(reason) => return report(&Failure::new(reason)),
        },
        _ => None,
    };
    log::start(&options, credentials.redactor(), traces.as_ref());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::from(anyhow::Error::from(error).context("cannot start"))),
    };
    let result = runtime.block_on(async {
        // It ends well when it is told to stop, and says itself when.
        if let Verb::Run(arguments) = &arguments.verb {
            return run::run(&options, arguments).await;
        }
        tokio::select! {
            result = dispatch(&options, arguments.verb) => result,
            () = interrupted() => Err(Failure::interrupted()),
        }
    });
    // A source that is still being asked must not hold up the exit.
    runtime.shutdown_background();
    if let Some(traces) = traces {
        traces.stop(PARTING_OF_TRACES);
    }
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Differs) => ExitCode::from(2),
        Err(failure) => report(&failure),
    }
}

async fn dispatch(options: &Options, verb: Verb) -> Result<Outcome, Failure> {
    match verb {
        Verb::Init(arguments) => init::run(options, &arguments),
        Verb::Check(arguments) => check::run(options, &arguments).await,
        Verb::Discover(arguments) => discover::run(options, &arguments).await,
        Verb::Import(arguments) => import::run(options, &arguments).await,
        Verb::Items(arguments) => items::run(options, &arguments).await,
        Verb::Plan(arguments) => plan::run(options, &arguments).await,
        Verb::Reconcile(arguments) => reconcile::run(options, &arguments).await,
        Verb::Run(arguments) => run::run(options, &arguments).await,
        Verb::Changes(arguments) => changes::run(options, &arguments).await,
        Verb::Explain(arguments) => explain::run(options, &arguments).await,
        Verb::Health(arguments) => health::run(options, &arguments).await,
        Verb::Impact(arguments) => impact::run(options, &arguments).await,
        Verb::Windows(arguments) => windows::run(options, &arguments).await,
        Verb::Crds(arguments) => crds::run(options, &arguments),
        Verb::Schema(arguments) => schema::run(options, &arguments),
        Verb::Demo(arguments) => demo::run(options, &arguments).await,
        Verb::Completions(arguments) => completions::run(&arguments, &mut Arguments::command()),
    }
}

/// Ends when the user interrupts or the system asks to stop.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            let _ = tokio::signal::ctrl_c().await;
            return;
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}

fn report(failure: &Failure) -> ExitCode {
    log::fail(failure);
    ExitCode::from(1)
}
