//! `bowline completions`: a completion script for a shell.

use clap::Args;
use clap_complete::Shell;

use super::Outcome;
use super::options::print_text;
use bowline::failure::Failure;

/// Arguments of `completions`.
#[derive(Args)]
#[command(after_help = "For bash:\n  bowline completions bash > ~/.local/share/bash-completion/completions/bowline")]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(arguments: &Arguments, command: &mut clap::Command) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "bowline", &mut script);
    print_text(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
