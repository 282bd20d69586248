//! What was typed: clap types only, no behaviour. Here stand the verbs and the options of every verb; what a verb takes
//! stands below, by what it is about.

mod access;
mod cases;
mod clips;
mod copies;
mod keeping;
mod oversight;
mod sources;
mod station;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use access::{Token, User, UserFacts};
pub use cases::{CaseVerb, FileVerb, Register, RegisterKind, Review, Roster};
pub use clips::{Annotate, Find, Link, Rules, Show, Triage, Unlink, Verdict};
pub use copies::{Derive, DeriveOf, Export, Fetch, ImportCheck, Push, Verify, Which};
pub use keeping::{DisposeVerb, Hold, Isolate, Lift, Unhold};
pub use oversight::{Report, ReportOf, Sample, SampleClip};
pub use sources::{Desk, Device, Issue, Record, RecordStart, Recorders, StreamTest, StreamVerb};
pub use station::{
    AlarmVerb, Backup, Config, Doctor, Gatekeeper, GatekeeperAct, Log, Prove, Restore, RotateKey, VerifyLog,
};

/// Printed below `--help`; `command::exit` gives them.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it failed
  2  wrong usage or wrong configuration
  3  not found: no such clip, case or destination
  4  mismatch: a copy, a digest or the log is not what it should be
  5  the daemon cannot be reached
  6  incomplete: everything that is there was fetched, but some clips were not sent yet
  7  loss: the log is whole, but an epoch of it lost signed events and nobody acknowledged that";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "evidock",
    version,
    about = "Takes in footage of body-worn recorders, seals it, links it to its case, sends it and proves that it arrived",
    after_help = EXIT_CODES,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    /// Options of every verb.
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file; `default` for the embedded defaults [default: /etc/evidock/evidock.toml where it exists]
    #[arg(long, global = true, help_heading = "Options of every verb", value_name = "FILE", env = "EVIDOCK_CONFIG")]
    pub config: Option<PathBuf>,
    /// State directory, in place of the configured one
    #[arg(long, global = true, help_heading = "Options of every verb", value_name = "DIR", env = "EVIDOCK_STATE")]
    pub state: Option<PathBuf>,
    /// Print JSON for programs
    #[arg(long, global = true, help_heading = "Options of every verb")]
    pub json: bool,
    /// Language of what status, find and show print [default: as configured, else the terminal's]
    #[arg(long, global = true, help_heading = "Options of every verb", value_name = "LANGUAGE")]
    pub lang: Option<Lang>,
}

/// A language that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// Chinese
    #[value(name = "zh-CN", alias = "zh")]
    Chinese,
    /// English
    #[value(name = "en")]
    English,
}

impl From<Lang> for crate::domain::words::Lang {
    fn from(asked: Lang) -> Self {
        match asked {
            Lang::Chinese => Self::Zh,
            Lang::English => Self::En,
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the station: take in, seal, send, prove, serve the page
    Run,
    /// Show what the station is doing: bays, uploads, disk, health
    Status,
    /// Find clips and documents of a case, or by anything that is known of them
    ///
    /// WORDS are what the page's search box takes, all of which must fit: any number in any bracket style or half of one, a
    /// party, an officer, a recorder, a place, a file's name, days (today, 2026-06). With --case and --from, the destination
    /// alone is read: neither vault nor database nor daemon is needed, and clips of every station that sends there are found.
    Find(Find),
    /// Show one clip: facts with their origins, cases, copies, events
    Show(Show),
    /// Link a clip, or a part of it, to a case
    Link(Link),
    /// Withdraw a link; what was said before stays on record
    Unlink(Unlink),
    /// Set facts of a clip; an empty value withdraws what a person said before
    Annotate(Annotate),
    /// Who took out which recorder, and for what
    #[command(subcommand)]
    Roster(Roster),
    /// Registers: officers, recorders, units, parties, cases, and the catalogue of what is to be recorded
    #[command(subcommand)]
    Register(Register),
    /// Rules that link clips to cases
    #[command(subcommand)]
    Rules(Rules),
    /// Clips that wait for a person (待标注), best-known first
    #[command(subcommand)]
    Triage(Triage),
    /// A case against the catalogue of what is to be recorded
    #[command(subcommand)]
    Case(CaseVerb),
    /// Statistics of a period, registers of clips (台账), the unit's own forms
    #[command(subcommand)]
    Report(Report),
    /// Random samples (随机抽查): draw, judge, answer, close, rank
    #[command(subcommand)]
    Sample(Sample),
    /// Which recorders may be read: approve, refuse, repair, retire
    #[command(subcommand)]
    Recorders(Recorders),
    /// Issue and return of recorders: who has which
    #[command(subcommand)]
    Desk(Desk),
    /// Record a room live: start, stop, list
    #[command(subcommand)]
    Record(Record),
    /// Cameras that are recorded live
    #[command(subcommand)]
    Stream(StreamVerb),
    /// Hash copies again and compare them with what was recorded
    Verify(Verify),
    /// Fetch every clip of a case from a destination, verified and resumable
    ///
    /// Needs the destination alone: neither vault nor database nor daemon. Clips of every station that sends there are
    /// fetched. A summary says what became of each.
    Fetch(Fetch),
    /// Derive a file from a clip: one picture, a stretch, a copy with a watermark
    ///
    /// Who asks and why is logged before it is made; the master is never changed. What is derived is no evidence: its log
    /// entry names its digests beside the clip's.
    #[command(subcommand)]
    Derive(Derive),
    /// Make the evidence package of a case: clips, catalogue, register, custody, proofs
    ///
    /// Who asks, why and on what basis is logged before the first byte. An interrupted run goes on when the same is typed
    /// again. docs/custody.md says what is in a package and how others check it.
    Export(Export),
    /// Check an evidence package: needs the package alone, no station
    ImportCheck(ImportCheck),
    /// Place a hold (暂停销毁): nothing is erased, given up or left to its lock
    Hold(Hold),
    /// Release a hold: one person asks and says why, another one confirms
    Unhold(Unhold),
    /// Show the holds that stand
    Holds,
    /// Isolate a clip as suspected classified (疑似涉密): it stops, and nobody sees it
    ///
    /// What is under way ends at once. Nothing is deleted, here or elsewhere; what stands at destinations already is told.
    Isolate(Isolate),
    /// Lift an isolation: one person asks and says why, another one confirms
    Lift(Lift),
    /// Try failed deliveries again
    Retry {
        /// Only those to this destination
        #[arg(value_name = "DEST")]
        destination: Option<String>,
    },
    /// Send a clip, or every clip of a case, before all others
    Push(Push),
    /// Dispose of footage after appraisal (鉴定销毁): one person proposes, another one confirms
    #[command(subcommand)]
    Dispose(DisposeVerb),
    /// Hold footage back from a destination, or from all; records and checkpoints go on
    Pause {
        /// Only from this destination
        #[arg(value_name = "DEST")]
        destination: Option<String>,
        /// Until then, as "2026-06-19 18:00", or 18:00 for the next time it is six
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// Let footage go on to a destination, or to all
    Resume {
        /// Only to this destination
        #[arg(value_name = "DEST")]
        destination: Option<String>,
    },
    /// Alarms: what stands, and who is told of it
    #[command(subcommand)]
    Alarm(AlarmVerb),
    /// Sign a checkpoint of the log now and anchor it at the destinations
    Checkpoint,
    /// The log of everything that happened to clips
    #[command(subcommand)]
    Log(Log),
    /// Backups of the database at the destinations
    #[command(subcommand)]
    Backup(Backup),
    /// Who may sign in to the page, and what each may do
    #[command(subcommand)]
    User(User),
    /// Tokens with which programs use the API
    #[command(subcommand)]
    Token(Token),
    /// Send a case to the legal reviewers (法制审核), or call it back
    Review(Review),
    /// Rebuild this station on a new box after its disk was lost
    ///
    /// From a backup of the database and the records at a destination, under the old station id, before the daemon's
    /// first start. docs/restore.md is the drill.
    Restore(Restore),
    /// Look for what is missing or wrong on this machine, and say how to mend it
    Doctor {
        /// What to look at alone
        #[command(subcommand)]
        part: Option<Doctor>,
    },
    /// The configuration
    #[command(subcommand)]
    Config(Config),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Hold the rights over USB devices for the daemon; a service of its own starts it, as root
    #[command(hide = true)]
    Gatekeeper(Gatekeeper),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn releasing_is_asked_for_or_confirmed_and_never_both() {
        for (line, ok) in [
            ("evidock hold c --reason r", true),
            ("evidock hold --case 1 --reason r", true),
            ("evidock hold c --case 1 --reason r", false),
            ("evidock hold --reason r", false),
            ("evidock hold c", false),
            ("evidock unhold 3 --reason r", true),
            ("evidock unhold 3 --confirm", true),
            ("evidock unhold 3 --reason r --confirm", false),
            ("evidock unhold 3", false),
            ("evidock lift c --confirm", true),
            ("evidock lift c", false),
            ("evidock fetch --case 1 --from a --to b", true),
            ("evidock fetch --case 1 --from a", false),
        ] {
            assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), ok, "{line}");
        }
    }

    #[test]
    fn verify_wants_exactly_one_kind_of_clips() {
        for (line, ok) in [
            ("evidock verify", false),
            ("evidock verify --all", true),
            ("evidock verify --case 1 --remote", true),
            ("evidock verify 019aa2c4-7f00-7abc-8def-0123456789ab --all", false),
        ] {
            assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), ok, "{line}");
        }
    }
}
