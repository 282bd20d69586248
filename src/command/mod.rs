//! One file a verb. `run` is the composition root; every other verb reads, or asks the running daemon.
//!
//! Here: parsing, dispatch, and the one place where an error becomes a message and an exit code. Results go
//! to standard output, everything else to standard error.

pub mod alarms;
mod anchor;
mod anchor_watch;
mod anchored;
mod anchors;
pub mod ask;
mod backup;
mod bays;
mod bucket;
mod comparing;
pub mod completions;
pub mod config;
mod control;
mod counted;
mod coverage;
pub mod derive;
mod deriving;
mod desk;
mod destinations;
pub mod disposing;
mod docks;
pub mod doctor;
mod document_filing;
mod document_watch;
mod epochs;
mod events;
mod exchange;
pub mod exit;
pub mod export;
mod exporting;
mod far_log;
mod far_tree;
pub mod fetch;
mod filing;
mod filing_check;
pub mod find;
pub mod gatekeeper;
mod goes_on;
mod holdings;
pub mod import_check;
pub mod keep;
mod keeping;
pub mod log;
mod looking;
mod office;
mod outbound;
pub mod output;
mod oversight;
mod prove;
mod pulls;
pub mod record;
pub mod recorders;
pub mod registers;
pub mod reports;
mod restore;
mod roster_watch;
mod rosters;
mod rotate;
pub mod run;
mod sealings;
mod search;
mod searching;
mod sm2;
pub mod status;
mod streams;
mod timestamps;
pub mod triage;
mod usb;
pub mod user;
pub mod verify;
mod verifying;
mod vouching;
mod watched;
mod witness;
pub mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Backup, Cli, Doctor, Global, Verb};
use crate::config::{ConfigError, Language, LogFormat, Settings, Surroundings};
use crate::domain::why::Why;
use crate::runtime::logging;
use exit::Exit;
use output::Output;

/// Parses the command line, carries the verb out and gives the exit code.
pub fn main() -> ExitCode {
    // Before the command line is understood, for which its whole grammar is built: half a megabyte that each worker
    // would keep, and there is one for each bay. A worker has no settings and its standard streams are the daemon's.
    let mut args = std::env::args_os().skip(1);
    if let (Some(verb), Some(kind), None) = (args.next(), args.next(), args.next())
        && verb == "worker"
    {
        return worker::run(&kind.to_string_lossy());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // Help and version come this way, too, and go to standard output with code 0.
            let _ = answer.print();
            return ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    let output = Output::new(cli.global.json, cli.global.lang.map(Into::into));
    match dispatch(&cli, &output) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = exit_of(&error);
            output.failure(&error, exit, || configured_language(&cli.global));
            exit.into()
        }
    }
}

fn dispatch(cli: &Cli, output: &Output) -> anyhow::Result<Exit> {
    match &cli.verb {
        Verb::Config(verb) => config::config(verb, &cli.global, output),
        Verb::Completions { shell } => completions::completions(*shell, output),
        Verb::Run => run::run(settings(&cli.global)?),
        Verb::Status => status::status(&settings(&cli.global)?, output),
        Verb::Find(find) => find::find(find, &settings(&cli.global)?, output),
        Verb::Show(show) => find::show(show, &settings(&cli.global)?, output),
        Verb::Verify(verify) => verify::verify(verify, &settings(&cli.global)?, output),
        Verb::Export(export) => export::export(export, &settings(&cli.global)?, output),
        // Needs nothing but the package: neither station nor settings.
        Verb::ImportCheck(check) => import_check::import_check(check, output),
        Verb::Derive(verb) => derive::derive(verb, &settings(&cli.global)?, output),
        Verb::Fetch(fetch) => fetch::fetch(fetch, &settings(&cli.global)?, output),
        Verb::Hold(_) | Verb::Unhold(_) | Verb::Holds | Verb::Isolate(_) | Verb::Lift(_) => {
            keep::keep(&cli.verb, &settings(&cli.global)?, output)
        }
        Verb::Alarm(verb) => alarms::alarm(verb, &settings(&cli.global)?, output),
        Verb::Log(verb) => log::log(verb, &settings(&cli.global)?, output),
        Verb::Doctor { part: None } => doctor::doctor(&settings(&cli.global)?, output),
        Verb::Doctor { part: Some(Doctor::Bays { watch }) } => bays::bays(*watch, &settings(&cli.global)?, output),
        Verb::Gatekeeper(gatekeeper) => gatekeeper::gatekeeper(gatekeeper, &settings(&cli.global)?),
        Verb::Recorders(verb) => recorders::recorders(verb, &settings(&cli.global)?, output),
        Verb::Record(verb) => record::record(verb, &settings(&cli.global)?, output),
        Verb::Stream(verb) => record::stream(verb, &settings(&cli.global)?, output),
        // Makes something for a machine that has no station yet.
        Verb::Backup(Backup::Keygen) => backup::keygen(output),
        Verb::Backup(verb) => backup::backup(verb, &settings(&cli.global)?, output),
        Verb::Restore(verb) => restore::restore(verb, &settings(&cli.global)?, output),
        Verb::User(_) | Verb::Token(_) | Verb::Review(_) => user::user(&cli.verb, &settings(&cli.global)?, output),
        Verb::Register(verb) => registers::register(verb, &settings(&cli.global)?, output),
        Verb::Roster(verb) => rosters::roster(verb, &settings(&cli.global)?, output),
        Verb::Rules(verb) => triage::rules(verb, &settings(&cli.global)?, output),
        Verb::Triage(verb) => triage::triage(verb, &settings(&cli.global)?, output),
        Verb::Dispose(verb) => disposing::dispose(verb, &settings(&cli.global)?, output),
        Verb::Case(verb) => registers::case(verb, &settings(&cli.global)?, output),
        Verb::Report(verb) => reports::report(verb, &settings(&cli.global)?, output),
        Verb::Sample(verb) => reports::sample(verb, &settings(&cli.global)?, output),
        Verb::Desk(verb) => recorders::desk(verb, &settings(&cli.global)?, output),
        other => ask::ask(other, &settings(&cli.global)?, output),
    }
}

/// Runs what a verb asks of a network.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// The settings that hold for this command line.
pub fn settings(global: &Global) -> Result<Settings, ConfigError> {
    crate::config::load(global.config.as_deref(), &Surroundings::of_process(global.state.as_deref()))
}

/// The station's language; where the configuration cannot be read, whatever the terminal speaks.
fn configured_language(global: &Global) -> Language {
    settings(global).map(|settings| settings.station.language).unwrap_or(Language::Auto)
}

/// Begins logging as configured.
pub fn begin_logging(settings: &Settings) -> Result<(), logging::LoggingError> {
    let form = match settings.log.format {
        LogFormat::Auto => logging::Form::Auto,
        LogFormat::Journald => logging::Form::Journald,
        LogFormat::Json => logging::Form::Json,
        LogFormat::Text => logging::Form::Text,
    };
    logging::init(settings.log.level.as_str(), form)
}

fn exit_of(error: &anyhow::Error) -> Exit {
    if error.is::<ConfigError>() {
        return Exit::Usage;
    }
    match error.downcast_ref::<Ended>() {
        Some(ended) => ended.exit,
        None => Exit::Failure,
    }
}

/// A failure that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub struct Ended {
    /// The code.
    pub exit: Exit,
    /// Why, in words that say what to do.
    pub words: String,
    /// The same as a reason, which the terminal's language has words for.
    pub why: Why,
}

impl Ended {
    /// Ends the verb with `exit`.
    pub fn with(exit: Exit, words: impl Into<String>) -> anyhow::Error {
        Self { exit, words: words.into(), why: Why::Unsaid }.into()
    }

    /// Ends the verb with `exit`, for a reason.
    pub fn why(exit: Exit, why: Why) -> anyhow::Error {
        Self { exit, words: why.to_string(), why }.into()
    }
}
