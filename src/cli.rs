//! What was typed: clap types only, no behaviour.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::nearest;
use crate::domain::record::Field;
use crate::domain::time::position_ms;

/// Printed below `--help`; `command::exit` gives them.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it failed
  2  wrong usage or wrong configuration
  3  not found: no such clip, case or destination
  4  mismatch: a copy, a digest or the log is not what it should be
  5  the daemon cannot be reached
  6  incomplete: everything that is there was fetched, but some clips were not sent yet";

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

/// `find`
#[derive(Debug, Clone, Args)]
pub struct Find {
    /// Anything that is known: numbers, names, places, days
    #[arg(value_name = "WORDS", required_unless_present_any = ["case_no", "rebuild"], conflicts_with = "case_no")]
    pub words: Vec<String>,
    /// Case number, in any spelling, or any other number of the same case
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// Read this destination alone
    #[arg(long, value_name = "DEST")]
    pub from: Option<String>,
    /// Look into the catalogues of other stations, too, at --from or at the first that answers
    #[arg(long, requires = "words")]
    pub all_stations: bool,
    /// What fits best first, instead of the newest
    #[arg(long, requires = "words")]
    pub best: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Make the index of searches anew, which is kept up to date by itself
    #[arg(long, conflicts_with_all = ["words", "case_no", "from"])]
    pub rebuild: bool,
}

/// `show`
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Clip id, as `find` prints it
    #[arg(value_name = "CLIP")]
    pub clip: String,
}

/// `link`
#[derive(Debug, Clone, Args)]
pub struct Link {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Case number
    #[arg(value_name = "CASE")]
    pub case_no: String,
    /// Stage of the procedure (执法环节), as 调查
    #[arg(long)]
    pub stage: Option<String>,
    /// Matter recorded (记录事项), as 现场检查
    #[arg(long)]
    pub matter: Option<String>,
    /// What it proves in this case (证明对象)
    #[arg(long)]
    pub proves: Option<String>,
    /// Only the part from here, as 90, 1:30 or 1:02:03.5 from the clip's start
    #[arg(long, value_name = "TIME", value_parser = position_ms)]
    pub from: Option<i64>,
    /// Only the part up to here
    #[arg(long, value_name = "TIME", value_parser = position_ms)]
    pub to: Option<i64>,
}

/// `unlink`
#[derive(Debug, Clone, Args)]
pub struct Unlink {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Any number of the case
    #[arg(value_name = "CASE")]
    pub case_no: String,
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
}

/// `annotate`
#[derive(Debug, Clone, Args)]
pub struct Annotate {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Facts, as place=东关街 officer=张三
    #[arg(value_name = "FIELD=VALUE", required = true, value_parser = fact)]
    pub facts: Vec<(Field, String)>,
}

/// `roster`
#[derive(Debug, Clone, Subcommand)]
pub enum Roster {
    /// Import a CSV file: officer, recorder, from, to, case, place, matter. Of the days on which its rows begin it replaces
    /// what was imported under the same name; other days stay
    Import {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Say what would change, change nothing
        #[arg(long)]
        dry_run: bool,
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

/// `rules`
#[derive(Debug, Clone, Subcommand)]
pub enum Rules {
    /// Say what the rules as configured would do to the clips that are here; changes nothing
    Try,
}

/// `triage`
#[derive(Debug, Clone, Subcommand)]
pub enum Triage {
    /// Show what waits, with what rules suggest and why
    List {
        /// So many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: u32,
    },
    /// Link a clip as it is suggested, or to the case given
    Accept(Verdict),
    /// Refuse what is suggested: no rule suggests it again
    Refuse(Verdict),
    /// Take the decision about a clip and a case back
    Undo(Verdict),
}

/// What is decided.
#[derive(Debug, Clone, Args)]
pub struct Verdict {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Which case [default: the surest that is suggested]
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// The same about every clip of this recorder's outing that has no case
    #[arg(long)]
    pub outing: bool,
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

/// `dispose`
#[derive(Debug, Clone, Subcommand)]
pub enum DisposeVerb {
    /// Show clips whose retention is over and that nothing keeps
    Due,
    /// Show lists, or one of them with its clips (销毁清册)
    List {
        /// The list's number
        #[arg(value_name = "LIST")]
        disposal: Option<i64>,
    },
    /// Propose clips for disposal; another person confirms
    Propose {
        /// Clip ids
        #[arg(value_name = "CLIP", required_unless_present = "all_due")]
        clips: Vec<String>,
        /// Everything that is due
        #[arg(long, conflicts_with = "clips")]
        all_due: bool,
        /// What the appraisal came to (鉴定意见); kept on record
        #[arg(long)]
        opinion: String,
        /// On what basis; kept on record
        #[arg(long)]
        basis: String,
    },
    /// Confirm a list that another person proposed: its clips go for good
    Confirm {
        /// The list's number
        #[arg(value_name = "LIST")]
        disposal: i64,
    },
    /// Refuse a list, or take back one's own
    Refuse {
        /// The list's number
        #[arg(value_name = "LIST")]
        disposal: i64,
    },
}

/// `alarm`
#[derive(Debug, Clone, Subcommand)]
pub enum AlarmVerb {
    /// Show what stands, what to do about it, and whether those who are told are reached
    List,
    /// Tell everybody who is told of alarms and events that this is a trial, and say what came of it
    Test {
        /// Only this webhook, or "mail"
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// `report`
#[derive(Debug, Clone, Subcommand)]
pub enum Report {
    /// Show the figures: recorded, complete, linked, proven, missing records, recorders not brought back
    Show(ReportOf),
    /// Write the register of clips (台账) to a file: one line a clip, .csv or .xlsx
    Register {
        /// Of what
        #[command(flatten)]
        of: ReportOf,
        /// The file; its ending chooses the form
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// Fill in a form of the unit's own: an .xlsx file with placeholders
    Fill {
        /// The form
        #[arg(value_name = "FORM")]
        form: PathBuf,
        /// Of what
        #[command(flatten)]
        of: ReportOf,
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        out: PathBuf,
    },
    /// List what forms may ask for
    Fields,
}

/// Of which period, unit and kind.
#[derive(Debug, Clone, Args)]
pub struct ReportOf {
    /// 2026-W25, 2026-06, 2026-Q2, 2026, or 2026-06-01..2026-06-15 [default: this month]
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<String>,
    /// Of this unit alone; '' for officers of whom nobody knows it
    #[arg(long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Of this kind of enforcement alone; '' for those that have none
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
}

/// `sample`
#[derive(Debug, Clone, Subcommand)]
pub enum Sample {
    /// Draw a random sample of a month, of each unit by itself; everybody can repeat the draw
    Draw {
        /// 2026-06, or another period [default: this month]
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        /// Of this unit alone
        #[arg(long, value_name = "UNIT")]
        unit: Option<String>,
        /// Clips of each unit
        #[arg(long, default_value_t = 5, value_name = "N")]
        count: u32,
    },
    /// Show the samples
    List,
    /// Show a sample: its clips and what was said about each
    Show {
        /// Its number
        #[arg(value_name = "SAMPLE")]
        sample: i64,
    },
    /// Draw it again from what the log says, and compare
    Verify {
        /// Its number
        #[arg(value_name = "SAMPLE")]
        sample: i64,
    },
    /// Judge a clip by the checklist; what is not named is as it should be
    Judge {
        /// Which
        #[command(flatten)]
        at: SampleClip,
        /// A point that is not as it should be, by its name or place; may be given several times
        #[arg(long, value_name = "POINT")]
        no: Vec<String>,
        /// A point that does not apply
        #[arg(long, value_name = "POINT")]
        na: Vec<String>,
        /// What was found
        #[arg(long, value_name = "WORDS")]
        words: Option<String>,
        /// Until which day a finding is to be put right, as 2026-07-01
        #[arg(long, value_name = "DAY")]
        due: Option<String>,
    },
    /// Answer a finding: what was done
    Answer {
        /// Which
        #[command(flatten)]
        at: SampleClip,
        /// What was done
        #[arg(long, value_name = "WORDS")]
        words: String,
    },
    /// Return an answer: what is missing
    Return {
        /// Which
        #[command(flatten)]
        at: SampleClip,
        /// What is missing
        #[arg(long, value_name = "WORDS")]
        words: String,
        /// Until which day
        #[arg(long, value_name = "DAY")]
        due: Option<String>,
    },
    /// Close a finding that was put right
    Close {
        /// Which
        #[command(flatten)]
        at: SampleClip,
        /// In words
        #[arg(long, value_name = "WORDS")]
        words: Option<String>,
    },
    /// Rank units by what was found
    Ranking {
        /// Of samples of this period alone
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
    },
}

/// A clip of a sample.
#[derive(Debug, Clone, Args)]
pub struct SampleClip {
    /// The sample's number
    #[arg(value_name = "SAMPLE")]
    pub sample: i64,
    /// Which of its clips, from 1
    #[arg(value_name = "N")]
    pub n: u32,
}

/// `recorders`
#[derive(Debug, Clone, Subcommand)]
pub enum Recorders {
    /// Show what waits at the gate now, and every device in the register
    List,
    /// Let a device in: it is a recorder of ours
    Approve(Device),
    /// Keep a device out
    Refuse(Device),
    /// Note that a recorder was given away for repair; it waits for a new yes when it comes back
    Repair(Device),
    /// Note that a recorder is no longer used
    Retire(Device),
    /// Show what a recorder in the network is and lists, and what of it is here; takes nothing
    Look {
        /// Name of the `[[network_recorder]]`
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Pull a recorder in the network now; what was given up is tried again
    Pull {
        /// Name of the `[[network_recorder]]`
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Ask in the networks of `[discovery]` which recorders are there
    Discover,
}

/// A device of the register.
#[derive(Debug, Clone, Args)]
pub struct Device {
    /// The device as `recorders list` shows it, its serial number, the bay in which it waits, or the recorder's id
    #[arg(value_name = "DEVICE")]
    pub device: String,
    /// Why; kept on record
    #[arg(long)]
    pub reason: Option<String>,
}

/// `desk`
#[derive(Debug, Clone, Subcommand)]
pub enum Desk {
    /// An officer takes a recorder out now (领用); whoever had it before has returned it
    Issue(Issue),
    /// A recorder comes back now (归还)
    Return {
        /// The recorder's id
        #[arg(value_name = "RECORDER")]
        recorder: String,
    },
    /// Show what is out
    List {
        /// Only what should be back by now
        #[arg(long)]
        overdue: bool,
    },
}

/// `desk issue`
#[derive(Debug, Clone, Args)]
pub struct Issue {
    /// The recorder's id
    #[arg(value_name = "RECORDER")]
    pub recorder: String,
    /// Who takes it: a name or number
    #[arg(value_name = "OFFICER")]
    pub officer: String,
    /// For which case; its clips are linked to it
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// Where it will be used
    #[arg(long)]
    pub place: Option<String>,
    /// Matter to be recorded (记录事项), as 现场检查
    #[arg(long)]
    pub matter: Option<String>,
    /// When it is expected back, as "2026-06-19 18:00" or 18:00 for today
    #[arg(long, value_name = "TIME")]
    pub due: Option<String>,
}

/// `record`
#[derive(Debug, Clone, Subcommand)]
pub enum Record {
    /// Begin to record a room now
    Start(RecordStart),
    /// End what was begun in a room
    Stop {
        /// The room, or the stream's name
        #[arg(value_name = "ROOM")]
        room: String,
    },
    /// Show what every room is doing
    List,
}

/// `record start`
#[derive(Debug, Clone, Args)]
pub struct RecordStart {
    /// The room, or the stream's name
    #[arg(value_name = "ROOM")]
    pub room: String,
    /// For which case; its clips are linked to it
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// Who records: a name or number
    #[arg(long)]
    pub officer: Option<String>,
    /// Others present
    #[arg(long)]
    pub co_officers: Option<String>,
    /// Matter to be recorded (记录事项), as 询问
    #[arg(long)]
    pub matter: Option<String>,
    /// What it proves (证明对象)
    #[arg(long)]
    pub proves: Option<String>,
}

/// `stream`
#[derive(Debug, Clone, Subcommand)]
pub enum StreamVerb {
    /// Connect to a camera, watch it for some seconds, say what it offers and how it behaves; keep nothing
    Test(StreamTest),
}

/// `stream test`
#[derive(Debug, Clone, Args)]
pub struct StreamTest {
    /// A stream of the configuration, its room, or an rtsp:// or rtsps:// address
    #[arg(value_name = "NAME|URL")]
    pub stream: String,
    /// How long to watch, seconds
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Of an address: user
    #[arg(long, requires = "password_file")]
    pub user: Option<String>,
    /// Of an address: file that holds the password
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Of an address: RTP over UDP
    #[arg(long)]
    pub udp: bool,
    /// Of an address: certificates to trust, PEM
    #[arg(long, value_name = "FILE", conflicts_with = "certificate_sha256")]
    pub ca_file: Option<PathBuf>,
    /// Of an address: SHA-256 fingerprint of the camera's certificate
    #[arg(long, value_name = "HEX")]
    pub certificate_sha256: Option<String>,
}

/// `push`
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Push {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: Option<String>,
    /// Every clip of a case that is not proven yet
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
}

/// `verify`
#[derive(Debug, Clone, Args)]
pub struct Verify {
    #[command(flatten)]
    /// Which clips.
    pub which: Which,
    /// Read the copies at the destinations back, too
    #[arg(long)]
    pub remote: bool,
    /// Read this destination alone: neither vault nor database nor daemon is needed
    #[arg(long, value_name = "DEST")]
    pub from: Option<String>,
}

/// `fetch`
#[derive(Debug, Clone, Args)]
pub struct Fetch {
    /// Case number, in any spelling, or any other number of the same case
    #[arg(long = "case", value_name = "N")]
    pub case_no: String,
    /// Where from: a destination of the configuration, or the path of a folder
    #[arg(long, value_name = "DEST")]
    pub from: String,
    /// Directory for the clips, their records and the summary; made where it is missing
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `derive`
#[derive(Debug, Clone, Subcommand)]
pub enum Derive {
    /// One picture, as it is at a moment
    Frame {
        #[command(flatten)]
        /// Of what, and why.
        of: DeriveOf,
        /// The moment, in seconds from the clip's start, as 12.5
        #[arg(long, value_name = "SECONDS")]
        at: String,
        /// PNG instead of JPEG
        #[arg(long)]
        png: bool,
    },
    /// A stretch, from key frame to key frame and not encoded again
    Trim {
        #[command(flatten)]
        /// Of what, and why.
        of: DeriveOf,
        /// Begin, in seconds from the clip's start [default: 0]
        #[arg(long, value_name = "SECONDS")]
        from: Option<String>,
        /// End, in seconds from the clip's start
        #[arg(long, value_name = "SECONDS")]
        until: String,
        /// Exact to the picture, and therefore encoded again
        #[arg(long)]
        exact: bool,
    },
    /// All of it or a stretch, encoded again, with your name and the time over the picture
    Watermark {
        #[command(flatten)]
        /// Of what, and why.
        of: DeriveOf,
        /// Begin, in seconds from the clip's start [default: 0]
        #[arg(long, value_name = "SECONDS")]
        from: Option<String>,
        /// End, in seconds from the clip's start [default: its end]
        #[arg(long, value_name = "SECONDS")]
        until: Option<String>,
    },
}

/// Of what is derived, and why.
#[derive(Debug, Clone, Args)]
pub struct DeriveOf {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
    /// Where the file goes [default: the current directory, under its own name]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// `export`
#[derive(Debug, Clone, Args)]
pub struct Export {
    /// Any number of the case, in any spelling
    #[arg(long = "case", value_name = "N")]
    pub case_no: String,
    /// A new folder, or a file that ends in .zip
    #[arg(long, value_name = "DIR|ZIP")]
    pub to: PathBuf,
    /// Why; kept on record and printed in the package
    #[arg(long)]
    pub reason: String,
    /// On what basis (依据): a letter, an order, an article; kept on record and printed in the package
    #[arg(long)]
    pub basis: String,
    /// For whom
    #[arg(long)]
    pub recipient: Option<String>,
    /// Divide it among discs: dvd (4.7 GB), bluray (25 GB), or a size in GB; each disc holds a package of its own
    #[arg(long, value_name = "SIZE")]
    pub disc: Option<String>,
    /// With the files that were derived of its clips, below data/derived and called so
    #[arg(long)]
    pub with_derived: bool,
}

/// `import-check`
#[derive(Debug, Clone, Args)]
pub struct ImportCheck {
    /// The package's folder
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// File with keys of the station, one a line (log.key.pub), learned from elsewhere than the package
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// File with SM2 keys of the station (log.sm2.key.pub), learned from elsewhere than the package
    #[arg(long, value_name = "FILE")]
    pub trust_sm2: Option<PathBuf>,
    /// File with keys of witnesses, one a line (a station's log.key.pub), whose signatures below the checkpoint are compared
    #[arg(long, value_name = "FILE")]
    pub witness: Option<PathBuf>,
}

/// `hold`
#[derive(Debug, Clone, Args)]
pub struct Hold {
    /// Clip id
    #[arg(value_name = "CLIP", required_unless_present = "case_no")]
    pub clip: Option<String>,
    /// Every clip that is linked to this case, now or later
    #[arg(long = "case", value_name = "N", conflicts_with = "clip")]
    pub case_no: Option<String>,
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
    /// On what basis: a review (复议), a lawsuit (诉讼), a letter; kept on record
    #[arg(long)]
    pub basis: Option<String>,
}

/// `unhold`
#[derive(Debug, Clone, Args)]
pub struct Unhold {
    /// The hold's number, as `holds` shows it
    #[arg(value_name = "HOLD")]
    pub hold: i64,
    /// Ask for its release, and say why; kept on record
    #[arg(long, required_unless_present_any = ["confirm", "refuse"])]
    pub reason: Option<String>,
    /// Confirm what another person asked for
    #[arg(long, conflicts_with = "reason")]
    pub confirm: bool,
    /// Refuse what another person asked for, or take back what you asked for
    #[arg(long, conflicts_with_all = ["reason", "confirm"])]
    pub refuse: bool,
}

/// `isolate`
#[derive(Debug, Clone, Args)]
pub struct Isolate {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
}

/// `lift`
#[derive(Debug, Clone, Args)]
pub struct Lift {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Ask that it be lifted, and say why; kept on record
    #[arg(long, required_unless_present_any = ["confirm", "refuse"])]
    pub reason: Option<String>,
    /// Confirm what another person asked for
    #[arg(long, conflicts_with = "reason")]
    pub confirm: bool,
    /// Refuse what another person asked for, or take back what you asked for
    #[arg(long, conflicts_with_all = ["reason", "confirm"])]
    pub refuse: bool,
}

/// Which clips: one of three.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: Option<String>,
    /// Every clip of a case
    #[arg(long = "case", value_name = "N")]
    pub case_no: Option<String>,
    /// Every clip
    #[arg(long)]
    pub all: bool,
}

/// `log`
#[derive(Debug, Clone, Subcommand)]
pub enum Log {
    /// Check that the log is whole: every event in the tree, every checkpoint signed and consistent
    Verify,
    /// Prove that everything that happened to a clip stands in the log, against the newest checkpoint (c2sp.org/tlog-proof)
    Prove(Prove),
    /// Print the newest checkpoint, with whoever cosigned it
    Checkpoint,
    /// Go on under a new signing key; the daemon must be stopped
    ///
    /// The old key signs the change once, and is then removed. docs/custody.md says when and how.
    RotateKey(RotateKey),
}

/// `log prove`
#[derive(Debug, Clone, Args)]
pub struct Prove {
    /// Clip id
    #[arg(value_name = "CLIP")]
    pub clip: String,
    /// Write each event and its proof into this folder, with the checkpoint and the key
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}

/// `log rotate-key`
#[derive(Debug, Clone, Args)]
pub struct RotateKey {
    /// Why; kept on record
    #[arg(long)]
    pub reason: String,
    /// Change the SM2 key in place of the log's own
    #[arg(long)]
    pub sm2: bool,
    /// The SM2 key is lost and cannot sign its own end; verifications will always tell
    #[arg(long, requires = "sm2")]
    pub lost: bool,
}

/// `backup`
#[derive(Debug, Clone, Subcommand)]
pub enum Backup {
    /// Make a backup now and bring it to its destinations
    Now,
    /// Show what was backed up, and where it is
    List {
        /// What this destination holds, in place of what the database knows
        #[arg(long, value_name = "DEST", conflicts_with = "may_go")]
        from: Option<String>,
        /// Only the keys of those that may be removed (keep_daily and keep_monthly of the configuration), one a line
        #[arg(long)]
        may_go: bool,
    },
    /// Print a new key pair for backups; nothing of it is kept here
    Keygen,
}

/// `user`
#[derive(Debug, Clone, Subcommand)]
pub enum User {
    /// Make the first account, a security administrator; from then on the page asks everybody to sign in
    First {
        /// Name to sign in with
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Make an account; its first password is printed once
    Add {
        /// Name to sign in with
        #[arg(value_name = "NAME")]
        name: String,
        /// officer, department_head, supervisor, legal_reviewer, archivist, auditor, system_administrator or
        /// security_administrator; several separated by commas
        #[arg(long = "role", value_name = "ROLE", required = true, value_delimiter = ',')]
        roles: Vec<String>,
        #[command(flatten)]
        /// What the account is.
        facts: UserFacts,
    },
    /// Change roles or facts of an account; what is not given stays, an empty text takes it away
    Change {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
        /// Its roles from now on
        #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
        roles: Vec<String>,
        #[command(flatten)]
        /// What the account is.
        facts: UserFacts,
    },
    /// Show every account
    List,
    /// End every session of an account and let nobody sign in with it
    Disable {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Let a disabled account sign in again
    Enable {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// End the lock after wrong passwords
    Unlock {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Print a new password for the next sign-in, once; ends every session
    Password {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
        /// Switch one-time codes off, too: the telephone is lost
        #[arg(long)]
        without_codes: bool,
    },
    /// Show the sessions of an account
    Sessions {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// End a session of an account, or all of them
    SignOut {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
        /// Only this one, as `user sessions` shows it
        #[arg(long, value_name = "SESSION")]
        session: Option<String>,
    },
}

/// What an account is besides its roles.
#[derive(Debug, Clone, Args)]
pub struct UserFacts {
    /// Name for people
    #[arg(long)]
    pub label: Option<String>,
    /// Unit (部门); a head of department sees what its officers recorded
    #[arg(long)]
    pub unit: Option<String>,
    /// Names and numbers under which this person stands in records as officer, separated by commas
    #[arg(long)]
    pub officer: Option<String>,
    /// The last day on which it may be used, as 2026-12-31
    #[arg(long, value_name = "DAY")]
    pub until: Option<String>,
    /// Who this person is at the identity provider of [access.oidc]: they may sign in there
    #[arg(long, value_name = "SUBJECT")]
    pub oidc_subject: Option<String>,
    /// SHA-256 fingerprints of certificates of this person, separated by commas: they may sign in with them
    #[arg(long, value_name = "FINGERPRINT")]
    pub certificate: Option<String>,
}

/// `token`
#[derive(Debug, Clone, Subcommand)]
pub enum Token {
    /// Make a token; it is printed once
    Add {
        /// What it is for
        #[arg(value_name = "NAME")]
        name: String,
        /// The role with which it acts
        #[arg(long)]
        role: String,
        /// What it may do of that, as list_clips or read_metrics; several separated by commas [default: all of the role's]
        #[arg(long = "scope", value_name = "ACTION", value_delimiter = ',')]
        scopes: Vec<String>,
        /// Days for which it holds
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// Show every token
    List,
    /// End a token
    End {
        /// Its number, as `token list` shows it
        #[arg(value_name = "TOKEN")]
        token: i64,
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

/// `restore`
#[derive(Debug, Clone, Args)]
pub struct Restore {
    /// Destination by its name in the configuration, or the path of a folder
    #[arg(long, value_name = "DEST")]
    pub from: String,
    /// File with the secret half of the configured recipient
    #[arg(long, value_name = "FILE", required_unless_present = "without_backup")]
    pub identity: Option<PathBuf>,
    /// Use no backup: rebuild from the records alone
    #[arg(long, conflicts_with = "identity")]
    pub without_backup: bool,
    /// Which station; must be the configured one, so that none is restored by mistake
    #[arg(long, value_name = "ID")]
    pub station: Option<String>,
    /// File with the public log key that was kept off the box (log.key.pub); backups and checkpoints of others are refused
    #[arg(long, value_name = "FILE")]
    pub trust: Option<PathBuf>,
    /// Read every proven copy at DEST back when the rest is done
    #[arg(long)]
    pub verify: bool,
}

/// `doctor`
#[derive(Debug, Clone, Subcommand)]
pub enum Doctor {
    /// USB ports, what is plugged in, and which bay each is
    Bays {
        /// Wait, and say for each recorder that is plugged in which port that was
        #[arg(long)]
        watch: bool,
    },
}

/// `gatekeeper`
#[derive(Debug, Clone, Args)]
pub struct Gatekeeper {
    /// The daemon's user; nobody else but root is served
    #[arg(long, value_name = "NAME", default_value = "evidock")]
    pub user: String,
    /// Listen here; without it, standard input is the socket (systemd's StandardInput=socket)
    #[arg(long, value_name = "SOCKET")]
    pub listen: Option<PathBuf>,
    /// Where it is noted which devices were let in
    #[arg(long, value_name = "DIR", default_value = "/run/evidock-gatekeeper")]
    pub notes: PathBuf,
    /// What to do in place of serving
    #[command(subcommand)]
    pub act: Option<GatekeeperAct>,
}

/// What `gatekeeper` does besides serving.
#[derive(Debug, Clone, Subcommand)]
pub enum GatekeeperAct {
    /// Called by udev: a disk of a device that was let in refuses writes from now on
    Protect {
        /// The kernel's name of the disk, as sdb
        #[arg(value_name = "DISK")]
        disk: String,
    },
}

/// `config`
#[derive(Debug, Clone, Subcommand)]
pub enum Config {
    /// Say whether the configuration is right, and whether the files that it names are there
    Check,
    /// Print what holds: every key with its value, paths resolved
    Show,
    /// Print the commented default file
    PrintDefault,
}

/// `FIELD=VALUE`, the field one that a person may set.
fn fact(text: &str) -> Result<(Field, String), String> {
    let (name, value) = text.split_once('=').ok_or("write FIELD=VALUE, as place=东关街")?;
    let names = || Field::ALL.iter().map(|field| field.as_str());
    let field = Field::parse(name).ok_or_else(|| match nearest(name, names()) {
        Some(right) => format!("there is no field `{name}`; did you mean `{right}`?"),
        None => format!("there is no field `{name}`; the fields are {}", names().collect::<Vec<_>>().join(", ")),
    })?;
    Ok((field, value.trim().to_owned()))
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
    fn positions_in_a_clip() {
        for (text, ms) in
            [("90", 90_000), ("1:30", 90_000), ("1:02:03.5", 3_723_500), ("0.25", 250), ("90:00", 5_400_000)]
        {
            assert_eq!(position_ms(text), Ok(ms), "{text}");
        }
        for text in ["", "1:", "1:90", "-1", "1.2345", "1:2:3:4", "a", "1.", "99999999999"] {
            assert!(position_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn facts_are_fields_with_values() {
        assert_eq!(fact("place= 东关街 "), Ok((Field::Place, "东关街".to_owned())));
        assert_eq!(fact("place="), Ok((Field::Place, String::new())));
        assert_eq!(fact("proves=a=b"), Ok((Field::Proves, "a=b".to_owned())));
        assert_eq!(fact("plase=x"), Err("there is no field `plase`; did you mean `place`?".to_owned()));
        assert!(fact("place").is_err());
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
