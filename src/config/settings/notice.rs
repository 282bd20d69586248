//! Settings of what is told to others: alarms by webhook and e-mail, events by webhook, and files for a front-end machine.

use std::path::PathBuf;
use std::time::Duration;

use globset::Glob;

use crate::config::secret::SecretFile;
use crate::domain::alarm::Severity;
use crate::domain::register::Register;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::webhook::{DataEvent, Tells};

/// How alarms are told, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmRules {
    /// An alarm must have stood for so long before it is told.
    pub tell_after: Duration,
    /// It must have been away for so long before it is over.
    pub over_after: Duration,
    /// While it stands and nobody acknowledged it, it is told again so often.
    pub repeat_every: Duration,
    /// Programs that are told; names differ.
    pub alarm_webhooks: Vec<AlarmWebhook>,
    /// People who are told.
    pub alarm_mail: Option<AlarmMail>,
}

/// An address, and what messages to it are signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookTarget {
    /// Its name.
    pub name: String,
    /// Where messages go.
    pub url: String,
    /// What they are signed with.
    pub secret: SecretFile,
    /// Certificates to trust instead of the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// It must answer within this.
    pub answer_within: Duration,
}

/// A program that is told of alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmWebhook {
    /// Where.
    pub target: HookTarget,
    /// Only what matters at least so much.
    pub min_severity: Severity,
}

/// E-mail about alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmMail {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept private.
    pub tls: MailTls,
    /// Certificates to trust instead of the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Sender, as `name <address>` or an address.
    pub from: String,
    /// Recipients, likewise.
    pub to: Vec<String>,
    /// User at the server, and the password.
    pub login: Option<(String, SecretFile)>,
    /// Only what matters at least so much.
    pub min_severity: Severity,
}

/// How a connection to a mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// STARTTLS, without which nothing is sent.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None; to this machine only.
    Off,
}

impl MailTls {
    /// Their words.
    pub const WORDS: &'static [&'static str] = &["starttls", "tls", "off"];

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Implicit => "tls",
            Self::Off => "off",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::StartTls, Self::Implicit, Self::Off].into_iter().find(|t| t.as_str() == word)
    }
}

/// A program that is told of what happens to clips and cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataWebhook {
    /// Where.
    pub target: HookTarget,
    /// Of what it is told.
    pub events: Vec<DataEvent>,
    /// How much it may know.
    pub tells: Tells,
    /// Of clips above this label it gets ids alone.
    pub max_sensitivity: Sensitivity,
}

/// How messages wait and are tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// First pause after a failure.
    pub retry_min: Duration,
    /// Longest pause.
    pub retry_max: Duration,
    /// A message is given up when it is so old.
    pub give_up_after: Duration,
    /// So many wait for one receiver at most.
    pub queue: u32,
}

/// Files for and from a front-end machine (前置机).
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Between two looks at what was dropped.
    pub poll: Duration,
    /// Where the other side drops files.
    pub in_dir: Option<PathBuf>,
    /// What they are; the first that fits a file's name holds.
    pub take: Vec<DropRule>,
    /// Where files for the other side are written.
    pub out_dir: Option<PathBuf>,
    /// What is written; names differ.
    pub give: Vec<WriteRule>,
    /// Between two files of one kind.
    pub write_every: Duration,
}

/// What a dropped file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// A register.
    Register(Register),
    /// A roster.
    Roster,
}

impl Dropped {
    /// The word for a roster; registers have theirs.
    const ROSTER: &'static str = "roster";

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Register(register) => register.as_str(),
            Self::Roster => Self::ROSTER,
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        if word == Self::ROSTER { Some(Self::Roster) } else { Register::parse(word).map(Self::Register) }
    }

    /// Every word.
    pub fn words() -> Vec<&'static str> {
        Register::ALL.into_iter().map(Register::as_str).chain([Self::ROSTER]).collect()
    }
}

/// Which dropped files are which register, or rosters.
#[derive(Debug, Clone, PartialEq)]
pub struct DropRule {
    /// File names.
    pub files: Glob,
    /// What they are.
    pub what: Dropped,
    /// Their column and ours; empty: the columns have names that are known.
    pub columns: Vec<(String, String)>,
}

/// A file of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRule {
    /// Begin of its name.
    pub name: String,
    /// `csv` or `json`.
    pub json: bool,
    /// Their column and the field of our record.
    pub columns: Vec<(String, String)>,
    /// Clips above this label are left out.
    pub max_sensitivity: Sensitivity,
}
