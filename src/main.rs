//! The program: arguments, exit codes, and nothing else. What it does is in the library; how it is shown is in `cli`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
