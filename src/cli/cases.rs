//! Of cases, their way into the archive and into legal review, and of what is known besides footage: registers and
//! rosters.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `roster`
#[derive(Debug, Clone, Subcommand)]
pub enum Roster {
    /// Import a table: CSV, XLSX (its first sheet) or JSON; `roster template` names its columns. Of the days on which its rows
    /// begin it replaces what was imported under the same name; other days stay
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Say what would change, change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the header line of a table, to be filled in by a spreadsheet program; --json says what stands in each column
    Template,
    /// Show what was imported, newest first
    Imports,
    /// Undo the newest import of a name: the rows that it replaced stand again
    Undo {
        /// The name of the file, without folders
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Take away every row that files of this name brought, of whatever day
    Remove {
        /// The name of the file, without folders
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RegisterKind {
    /// Units of the agency
    Unit,
    /// Officers and auxiliary staff
    Officer,
    /// Recorders
    Recorder,
    /// Parties (一户一档)
    Party,
    /// Cases
    Case,
    /// What is to be recorded (《音像记录事项清单》)
    Catalogue,
}

impl From<RegisterKind> for crate::domain::register::Register {
    fn from(kind: RegisterKind) -> Self {
        match kind {
            RegisterKind::Unit => Self::Unit,
            RegisterKind::Officer => Self::Officer,
            RegisterKind::Recorder => Self::Recorder,
            RegisterKind::Party => Self::Party,
            RegisterKind::Case => Self::Case,
            RegisterKind::Catalogue => Self::Catalogue,
        }
    }
}

/// `register`
#[derive(Debug, Clone, Subcommand)]
pub enum Register {
    /// Import a table: CSV, XLSX (its first sheet) or JSON; entries are known again by their numbers
    Import {
        /// Which register
        #[arg(value_name = "REGISTER")]
        register: RegisterKind,
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Say what would change, change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the header line of a table, to be filled in by a spreadsheet program; --json says what stands in each column
    Template {
        /// Which register
        #[arg(value_name = "REGISTER")]
        register: RegisterKind,
    },
    /// Show the entries of a register
    List {
        /// Which register
        #[arg(value_name = "REGISTER")]
        register: RegisterKind,
        /// Only those that contain this: a name, a number, half of either
        #[arg(long, value_name = "TEXT")]
        find: Option<String>,
    },
    /// Show what was imported, newest first
    Imports,
    /// Take an import back: every entry as it was before
    Undo {
        /// Its number, as `register imports` shows it
        #[arg(value_name = "IMPORT")]
        import: i64,
    },
}

/// `case`
#[derive(Debug, Clone, Subcommand)]
pub enum CaseVerb {
    /// Show what should be recorded and what is: present, missing, interrupted, replaced, late, not yet due
    Coverage {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
        /// Write it into this .csv or .xlsx instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// File a document (文书) to a case: PDF, OFD, pictures, office files, plain text
    ///
    /// It is hashed, sealed, sent, proven and logged like a clip, and cannot be changed afterwards.
    AddDocument {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// record, evidence, approval, notice, decision, service or other; by its name where nobody says
        #[arg(long)]
        kind: Option<String>,
        /// What it is called
        #[arg(long)]
        title: Option<String>,
        /// The matter (记录事项) of which it is the written record
        #[arg(long)]
        matter: Option<String>,
        /// Stage (环节)
        #[arg(long)]
        stage: Option<String>,
    },
    /// Say why a matter has no recording, or take back what was said
    NoRecord {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
        /// Which matter (记录事项)
        #[arg(value_name = "MATTER")]
        matter: String,
        /// Why; kept on record
        #[arg(long, required_unless_present = "withdraw")]
        reason: Option<String>,
        /// On what basis: an order, an article, a report of the fault
        #[arg(long)]
        basis: Option<String>,
        /// A written record stands for it (以文字记录替代)
        #[arg(long)]
        written: bool,
        /// Of which stage (环节), where several ask for the matter
        #[arg(long)]
        stage: Option<String>,
        /// On which occasion, where several lack a recording: the day or the time at which it began (2026-07-03 15:00)
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Take back what was said last
        #[arg(long, conflicts_with_all = ["reason", "basis", "written"])]
        withdraw: bool,
    },
    /// File a case (归档): close it, give it its place in the archive, check it, sign it off; or re-open it
    #[command(subcommand)]
    File(FileVerb),
    /// Note something at a place of a clip, in the legal review of the case (法制审核)
    Note {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
        /// Clip id
        #[arg(value_name = "CLIP")]
        clip: String,
        /// Where in the clip: 75, 1:15 or 1:02:03
        #[arg(value_name = "PLACE")]
        at: String,
        /// What is to be noted
        #[arg(value_name = "WORDS")]
        words: String,
    },
    /// Give the opinion of the legal review (审查意见)
    Opinion {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
        /// `agree`, `supplement` or `return`
        #[arg(long)]
        verdict: String,
        /// In words
        #[arg(long, default_value = "")]
        words: String,
    },
}

/// `case file`
#[derive(Debug, Clone, Subcommand)]
pub enum FileVerb {
    /// Show how far it is, and what the check finds
    Check {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
    },
    /// Compare the data of each clip with what was sealed, and wait for the end of it
    ///
    /// Begins by itself when the case gets its place in the archive; signing off needs it.
    Compare {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
    },
    /// Close it (结案)
    Close {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
    },
    /// Give it its place in the archive (立卷)
    Bind {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
        /// Archive number (档号)
        #[arg(long)]
        code: String,
        /// How long the case file is kept (保管期限): 永久, 30年, 10年
        #[arg(long)]
        term: String,
        /// Fonds (全宗号); otherwise the configured one
        #[arg(long)]
        fonds: Option<String>,
        /// Year (年度); otherwise the year in which it was closed
        #[arg(long)]
        year: Option<String>,
        /// Title (题名)
        #[arg(long)]
        title: Option<String>,
    },
    /// Check it and sign it off (归档); refused with every gap named
    Sign {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
        /// What the check came to (检查意见); kept on record
        #[arg(long)]
        opinion: String,
    },
    /// Re-open it; of a filed case one person asks, another one confirms
    Reopen {
        /// Any number of the case
        #[arg(value_name = "CASE")]
        case_no: String,
        /// Ask for it, and say why; kept on record
        #[arg(long, required_unless_present_any = ["confirm", "refuse"])]
        reason: Option<String>,
        /// Confirm what another person asked for
        #[arg(long, conflicts_with = "reason")]
        confirm: bool,
        /// Refuse what another person asked for, or take back what you asked for
        #[arg(long, conflicts_with_all = ["reason", "confirm"])]
        refuse: bool,
    },
}

/// `review`
#[derive(Debug, Clone, Args)]
pub struct Review {
    /// Any number of the case
    #[arg(value_name = "CASE")]
    pub case_no: String,
    /// To this account alone; to every legal reviewer without it
    #[arg(long, value_name = "NAME")]
    pub to: Option<String>,
    /// The last day, as 2026-12-31; until it is called back without it
    #[arg(long, value_name = "DAY")]
    pub until: Option<String>,
    /// Call it back
    #[arg(long, conflicts_with = "until")]
    pub end: bool,
}
