//! `evidock completions SHELL`: a completion script, made from the command line's own description.

use clap::CommandFactory;
use clap_complete::Shell;

use super::exit::Exit;
use super::output::Output;
use crate::cli::Cli;

/// Prints the script for `shell`.
pub fn completions(shell: Shell, output: &Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "evidock", &mut script);
    output.raw(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}
