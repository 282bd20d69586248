//! What the page and the command line ask of the running daemon: one typed channel.
//!
//! Whoever serves a door (the Unix socket, the web room) turns what came in into a [`Request`] with the
//! [`Caller`] it has established, and asks through [`Ask`]. `command::run` answers. The serde form is the
//! socket's wire form: one JSON object a line, a newer field ignored by an older program.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account::AccountAsk;
use super::digest::Sha256;
use super::disposal::DisposalAsk;
use super::event::Actor;
use super::filing::FilingAsk;
use super::oversight::OversightAsk;
use super::ports::BoxFuture;
use super::rights::Action;
use super::why::Why;

/// Who asks, as the door established it, never as the caller says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// `cli`, `web`, `api`.
    pub via: &'static str,
    /// Where from.
    pub from: String,
    /// The sign-in session, where there is one; the id that the log tells.
    pub session: Option<String>,
    /// Why, as they said for this clip or case; committed, not told.
    pub purpose: Option<String>,
}

impl Caller {
    /// Somebody without a sign-in session who said no purpose.
    pub fn new(actor: Actor, via: &'static str, from: impl Into<String>) -> Self {
        Self { actor, via, from: from.into(), session: None, purpose: None }
    }
}

/// A request to the running daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    /// Is anybody there? Answers with the station id.
    Ping,
    /// Links a clip to a case (a new revision).
    Link {
        /// The clip.
        clip: String,
        /// The number as typed.
        case_no: String,
        /// Only this part of the clip: begin, milliseconds from its start.
        #[serde(default)]
        from_ms: Option<i64>,
        /// End, milliseconds from its start.
        #[serde(default)]
        to_ms: Option<i64>,
        /// Stage (环节).
        #[serde(default)]
        stage: Option<String>,
        /// Matter recorded (记录事项).
        #[serde(default)]
        matter: Option<String>,
        /// What it proves.
        #[serde(default)]
        proves: Option<String>,
    },
    /// Withdraws a link (a new revision; nothing is un-said).
    Unlink {
        /// The clip.
        clip: String,
        /// Any number of the case.
        case_no: String,
        /// Why.
        reason: String,
    },
    /// Sets facts of a record; an empty value withdraws what a person said before.
    Annotate {
        /// The clip.
        clip: String,
        /// Field name and value.
        fields: Vec<(String, String)>,
    },
    /// Files a document; exactly as many bytes as it has follow the line.
    FileDocument(FileDocument),
    /// Makes the index of searches anew.
    RebuildSearch,
    /// Imports a roster.
    ImportRoster {
        /// The file's name, for the log.
        name: String,
        /// The file (CSV, XLSX or JSON) in base64.
        content: String,
        /// Say what would change, change nothing.
        #[serde(default)]
        dry_run: bool,
    },
    /// Says what importing a roster would come to, every mistake by itself.
    TryRoster {
        /// The file's name.
        name: String,
        /// The file in base64.
        content: String,
    },
    /// Takes away every row that rosters of this name brought.
    RemoveRoster {
        /// The name under which they were imported.
        name: String,
    },
    /// Undoes the newest import of a roster of this name: the rows that it replaced stand again.
    UndoRoster {
        /// The name under which it was imported.
        name: String,
    },
    /// Imports a register: officers, recorders, units, parties, cases, or the catalogue of what is to be recorded.
    ImportRegister {
        /// Word of `domain::register::Register`.
        register: String,
        /// The file's name, for the log.
        name: String,
        /// The file (CSV, XLSX or JSON) in base64.
        content: String,
        /// Say what would change, change nothing.
        #[serde(default)]
        dry_run: bool,
    },
    /// Takes an import of a register back.
    UndoImport {
        /// Its number.
        import: i64,
    },
    /// Decides what rules suggest: a person's word, which no rule overwrites.
    Decide {
        /// The clip.
        clip: String,
        /// Which case, as typed; without it, and without anything else to be said, the surest that is suggested.
        #[serde(default)]
        case_no: Option<String>,
        /// `accept`, `refuse` or `undo`.
        verdict: String,
        /// With `accept`: where it was captured, and what it proves. Of the clips beside the first only those get it that
        /// lack it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        says: Vec<(String, String)>,
        /// With `undo`: which of these are taken back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unsay: Vec<String>,
        /// The same about these clips.
        #[serde(default)]
        also: Vec<String>,
        /// The same about every clip of the same outing that has no case and that this covers; with `also` about those of these
        /// alone.
        #[serde(default)]
        outing: bool,
    },
    /// Says why a matter of a case has no recording; an empty reason takes it back.
    SayNoRecord {
        /// Any number of the case.
        case_no: String,
        /// Which matter.
        matter: String,
        /// Of which stage, where several ask for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<String>,
        /// On which occasion: the day or the time at which it began, as somebody wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
        /// A written record stands for it.
        #[serde(default)]
        written: bool,
        /// Why.
        reason: String,
        /// On what basis.
        #[serde(default)]
        basis: String,
    },
    /// Lets a device at the gate in: it is a recorder of ours.
    ApproveRecorder {
        /// Its key in the register, the bay in which it waits, its serial number, or the recorder that it turned out to be.
        device: String,
        /// Why, where somebody says.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Keeps a device out.
    RefuseRecorder {
        /// As for [`Request::ApproveRecorder`].
        device: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// A recorder is given away for repair: it waits for a new yes when it comes back.
    RepairRecorder {
        /// As for [`Request::ApproveRecorder`].
        device: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// A recorder is no longer used.
    RetireRecorder {
        /// As for [`Request::ApproveRecorder`].
        device: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
    },
    /// An officer takes a recorder out now (领用).
    IssueRecorder {
        /// The recorder's id.
        recorder: String,
        /// Who: a name or number.
        officer: String,
        /// For which case, as typed.
        #[serde(default)]
        case_no: Option<String>,
        /// Where it will be used.
        #[serde(default)]
        place: Option<String>,
        /// Matter to be recorded.
        #[serde(default)]
        matter: Option<String>,
        /// When it is expected back, as typed.
        #[serde(default)]
        due: Option<String>,
    },
    /// A recorder comes back now (归还).
    ReturnRecorder {
        /// The recorder's id.
        recorder: String,
    },
    /// Takes the last thing back that was done at the desk about a recorder, a moment ago.
    UndoDesk {
        /// Number of the stay out.
        issue: i64,
    },
    /// Tries a destination now, with an object of its own; goes on by itself.
    TryDestination {
        /// Its name.
        destination: String,
    },
    /// Says what importing a register would come to, every mistake by itself.
    TryRegister {
        /// Word of `domain::register::Register`.
        register: String,
        /// The file's name.
        name: String,
        /// The file in base64.
        content: String,
    },
    /// Pulls a recorder in the network now.
    PullRecorder {
        /// Its name in the configuration.
        recorder: String,
    },
    /// Begins to record a room now.
    StartRecording {
        /// The stream's name, or its room.
        room: String,
        /// For what.
        #[serde(flatten)]
        asked: Asked,
    },
    /// Ends what a person began to record.
    StopRecording {
        /// The stream's name, or its room.
        room: String,
    },
    /// What every room is doing, and the newest recordings.
    Rooms,
    /// Logs an access before it is served; answers with its sequence number.
    LogAccess {
        /// `find`, `show`, `search`, `list`, `log`, `room` (the still of a camera).
        what: String,
        /// The clip, if one.
        #[serde(default)]
        clip: Option<String>,
        /// The hashed case key, if one.
        #[serde(default)]
        case: Option<String>,
        /// Search terms and the like: committed, not told.
        #[serde(default)]
        terms: Option<String>,
        /// Why, where a purpose was asked.
        #[serde(default)]
        purpose: Option<String>,
    },
    /// Logs the begin of a viewing or download before its first byte; answers with its sequence number.
    BeginView {
        /// The clip.
        clip: String,
        /// `play`, `download`, `thumbnail`, `sheet`, `preview`.
        what: String,
        /// Why, where a purpose was asked.
        #[serde(default)]
        purpose: Option<String>,
    },
    /// Logs the end of a viewing with the byte ranges that were served.
    EndView {
        /// Sequence number of its begin.
        begun_seq: u64,
        /// The clip.
        clip: String,
        /// Served ranges, merged: in bytes, of a preview in milliseconds of the clip.
        ranges: Vec<(u64, u64)>,
        /// Of a preview: which pieces were given out, with the hex SHA-256 of each.
        #[serde(default)]
        pieces: Vec<(u32, String)>,
    },
    /// Logs what was derived of a clip before it is given out: its digest beside the clip's own. Of the same bytes once.
    NoteDerived {
        /// The clip.
        clip: String,
        /// `sheet`.
        what: String,
        /// Hex SHA-256 of the derived file.
        sha256: String,
        /// Its length in bytes.
        bytes: u64,
    },
    /// Asks for a file of its own that is derived of a clip; answers with its id.
    AskDerived {
        /// The clip.
        clip: String,
        /// `frame`, `trim`, `watermark`.
        kind: String,
        /// Of a frame: `jpg` or `png`.
        #[serde(default)]
        form: Option<String>,
        /// The moment, or the begin, milliseconds from the clip's start.
        #[serde(default)]
        from_ms: Option<u64>,
        /// The end.
        #[serde(default)]
        to_ms: Option<u64>,
        /// A stretch to the picture, encoded again.
        #[serde(default)]
        exact: bool,
        /// Why.
        reason: String,
    },
    /// Logs that a derived file is about to be given out; answers with the entry's number.
    TakeDerived {
        /// Its id.
        derived: String,
    },
    /// Hashes the local copy and compares (and the remote copies, if asked).
    Verify {
        /// The clip.
        clip: String,
        /// Read the remote copies back, too.
        remote: bool,
    },
    /// The same, gone on with after the answer, which comes at once: how far it is and what came of it is looked up.
    BeginVerify {
        /// The clip.
        clip: String,
        /// Read the remote copies back, too.
        remote: bool,
    },
    /// Tries failed deliveries again, of one destination or of all.
    Retry {
        /// The destination.
        #[serde(default)]
        destination: Option<String>,
    },
    /// Sends a clip, or every clip of a case, before all others.
    Push {
        /// The clip.
        #[serde(default)]
        clip: Option<String>,
        /// Or any number of the case.
        #[serde(default)]
        case_no: Option<String>,
    },
    /// Holds footage back, from one destination or from all; records and checkpoints go on.
    PauseSending {
        /// The destination.
        #[serde(default)]
        destination: Option<String>,
        /// Until when, as typed; without it until somebody resumes.
        #[serde(default)]
        until: Option<String>,
    },
    /// Lets footage go on.
    ResumeSending {
        /// The destination; without it all of them.
        #[serde(default)]
        destination: Option<String>,
    },
    /// Signs a checkpoint now and anchors it.
    Checkpoint,
    /// Places a hold (暂停销毁) on a clip, or on every clip of a case, also those that are linked to it later.
    Hold {
        /// The clip; this or the case.
        #[serde(default)]
        clip: Option<String>,
        /// Any number of the case.
        #[serde(default)]
        case_no: Option<String>,
        /// Why.
        reason: String,
        /// On what basis: a review, a lawsuit, a letter.
        #[serde(default)]
        basis: Option<String>,
    },
    /// The filing of a case: 结案, 立卷, 归档, re-opening.
    Filing {
        /// What.
        ask: FilingAsk,
    },
    /// Disposal after appraisal: one person proposes, another one confirms.
    Disposal {
        /// What.
        ask: DisposalAsk,
    },
    /// Releases a hold: one person asks, another one confirms.
    Unhold {
        /// The hold's number.
        hold: i64,
        /// Why; of whoever asks.
        #[serde(default)]
        reason: Option<String>,
        /// Confirm what another person asked for.
        #[serde(default)]
        confirm: bool,
        /// Refuse what another person asked for, or take back what one asked for oneself.
        #[serde(default)]
        refuse: bool,
    },
    /// Isolates a clip as suspected classified (疑似涉密): it goes nowhere and is shown to nobody.
    Isolate {
        /// The clip.
        clip: String,
        /// Why.
        reason: String,
    },
    /// Lifts an isolation: one person asks, another one confirms.
    Lift {
        /// The clip.
        clip: String,
        /// Why; of whoever asks.
        #[serde(default)]
        reason: Option<String>,
        /// Confirm what another person asked for.
        #[serde(default)]
        confirm: bool,
        /// Refuse what another person asked for, or take back what one asked for oneself.
        #[serde(default)]
        refuse: bool,
    },
    /// Makes a backup of the database now and brings it to its destinations.
    Backup,
    /// Logs that an evidence package of a case is about to be made, and signs a checkpoint over that; answers with what
    /// the package is to say.
    BeginExport {
        /// Any number of the case.
        case_no: String,
        /// Why.
        reason: String,
        /// On what basis.
        basis: String,
        /// For whom.
        #[serde(default)]
        recipient: Option<String>,
        /// An unfinished package that is gone on with.
        #[serde(default)]
        resumes: Option<String>,
    },
    /// Signs a package that was asked for; answers with the note.
    SignExport {
        /// Its id.
        package: String,
        /// Position of the event that asked for it.
        begun_seq: u64,
        /// Clips in it.
        clips: u64,
        /// Their length in bytes.
        bytes: u64,
        /// The list of its files, whose digest is signed.
        files: String,
        /// The manifest of its payload, which that list names.
        manifest: String,
        /// What it says of itself (`custody::package::Facts`), likewise.
        facts: String,
    },
    /// Asks for an evidence package that the daemon makes itself; answers with its id and state.
    AskExport {
        /// Any number of the case.
        case_no: String,
        /// Why.
        reason: String,
        /// On what basis.
        basis: String,
        /// For whom.
        #[serde(default)]
        recipient: Option<String>,
        /// Where it goes (`domain::export::Target`).
        target: String,
        /// Of its pages: `zh-CN` or `en`.
        #[serde(default)]
        lang: Option<String>,
        /// Divided among discs of so many bytes.
        #[serde(default)]
        disc_bytes: Option<u64>,
        /// With the files that were derived of its clips.
        #[serde(default)]
        derived: bool,
    },
    /// Confirms or refuses an evidence package that another person asked for.
    DecideExport {
        /// Its id.
        package: String,
        /// Confirm.
        yes: bool,
    },
    /// Lets an evidence package that stopped go on.
    RetryExport {
        /// Its id.
        package: String,
    },
    /// Logs that bytes of a finished package are about to be given out; answers with the entry's number.
    TakeExport {
        /// Its id.
        package: String,
        /// Which disc, from 1.
        disc: u32,
        /// From which byte of its zip on.
        from_byte: u64,
    },
    /// Somebody says that they know of an alarm: it is not told again while it stands.
    AcknowledgeAlarm {
        /// Its number.
        alarm: i64,
    },
    /// Another station's log asks for a signature on its checkpoint (`custody::witness`); answers with status, body and
    /// media type of HTTP.
    AddCheckpoint {
        /// The submission.
        body: String,
    },
    /// What this station has signed of another log: the newest checkpoint of each epoch; answers like `AddCheckpoint`.
    SignedAsWitness {
        /// The name of that log's key.
        log: String,
    },
    /// Accounts, sessions, tokens and cases sent for review.
    Accounts {
        /// What.
        ask: AccountAsk,
    },
    /// Supervision and legal review.
    Oversight {
        /// What.
        ask: OversightAsk,
    },
    /// Logs that something was asked for without the right to it.
    LogRefusal {
        /// The action, by its word.
        action: String,
        /// Why not: `role`, `not_theirs`, `sensitivity`, `purpose`, `scope`, `isolated`.
        why: String,
        /// The clip, if one.
        #[serde(default)]
        clip: Option<String>,
    },
}

/// What a recording is begun for; all of it may be said later about each clip.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Asked {
    /// For which case, as typed.
    pub case_no: Option<String>,
    /// Who records: a name or number.
    pub officer: Option<String>,
    /// Others present.
    pub co_officers: Option<String>,
    /// Matter to be recorded.
    pub matter: Option<String>,
    /// What it proves.
    pub proves: Option<String>,
}

impl Request {
    /// Kinds of access that [`Request::LogAccess`] may tell.
    pub const ACCESSES: [&'static str; 6] = ["find", "show", "search", "list", "log", "room"];
    /// Reasons that [`Request::LogRefusal`] may tell.
    pub const REFUSALS: [&'static str; 6] = ["role", "not_theirs", "sensitivity", "purpose", "scope", "isolated"];
    /// Kinds of derived files that [`Request::NoteDerived`] may tell.
    pub const DERIVED: [&'static str; 1] = ["sheet"];
    /// Kinds of viewing that [`Request::BeginView`] may tell.
    pub const VIEWINGS: [&'static str; 6] = ["play", "read", "download", "thumbnail", "sheet", "preview"];

    /// Whether what would stand in the log in clear is of a form that tells nothing else: a peer must not be able to
    /// write names or numbers into it.
    pub fn check(&self) -> Result<(), Why> {
        let word = |what: &str, words: &[&str]| match words.contains(&what) {
            true => Ok(()),
            false => Err(Why::NoSuchAccess { known: words.iter().map(|word| (*word).to_owned()).collect() }),
        };
        match self {
            Self::LogAccess { what, case, .. } => {
                word(what, &Self::ACCESSES)?;
                match case {
                    Some(hash) if hash.len() != 64 || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
                        Err(Why::CaseHash {})
                    }
                    _ => Ok(()),
                }
            }
            Self::BeginView { what, .. } => word(what, &Self::VIEWINGS),
            Self::NoteDerived { what, sha256, .. } => {
                word(what, &Self::DERIVED)?;
                let digest = sha256.parse::<Sha256>().map(|_| ());
                digest.map_err(|_| Why::DigestForm {})
            }
            Self::LogRefusal { action, why, .. } => {
                let known = Action::parse(action).is_some() && Self::REFUSALS.contains(&why.as_str());
                if known { Ok(()) } else { Err(Why::NoSuchRefusal {}) }
            }
            _ => Ok(()),
        }
    }
}

/// What the daemon answers; its form depends on the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done; facts about it.
    Done(serde_json::Value),
    /// Not done; whose turn it is and why.
    Refused {
        /// `not_found`, `invalid`, `conflict`, `unavailable`, `forbidden`.
        code: String,
        /// Why, in English words that say what to do.
        message: String,
        /// The same as a key with its parameters, for words in other languages.
        #[serde(default)]
        why: Why,
    },
}

impl Reply {
    /// A refusal.
    pub fn refused(code: &str, why: impl Into<Why>) -> Self {
        let why = why.into();
        Self::Refused { code: code.to_owned(), message: why.to_string(), why }
    }
}

/// A document to be filed; its bytes come beside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FileDocument {
    /// Any number of the case, as typed.
    pub case_no: String,
    /// Word of `domain::document::DocumentKind`.
    pub kind: String,
    /// The file's name.
    pub name: String,
    /// What it is called.
    #[serde(default)]
    pub title: Option<String>,
    /// The matter of which it is the written record.
    #[serde(default)]
    pub matter: Option<String>,
    /// Stage of the procedure.
    #[serde(default)]
    pub stage: Option<String>,
    /// Its length.
    pub size_bytes: u64,
}

/// Bytes as they come from whoever sends them.
pub type Incoming = std::pin::Pin<Box<dyn futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send>>;

/// The way to the running daemon.
pub trait Ask: Send + Sync {
    /// Carries a request out on behalf of `caller`.
    fn ask<'a>(&'a self, caller: &'a Caller, request: Request) -> BoxFuture<'a, Reply>;

    /// Takes a document in on behalf of `caller`; answers once it is sealed, or refused.
    fn file<'a>(&'a self, caller: &'a Caller, document: FileDocument, bytes: Incoming) -> BoxFuture<'a, Reply>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_free_reaches_the_log_in_clear() {
        let access = |what: &str, case: Option<&str>| Request::LogAccess {
            what: what.into(),
            clip: None,
            case: case.map(str::to_owned),
            terms: None,
            purpose: None,
        };
        let hash = crate::domain::layout::case_hash("k");
        for what in Request::ACCESSES {
            assert!(access(what, Some(&hash)).check().is_ok());
        }
        let view = |what: &str| Request::BeginView { clip: "c".into(), what: what.into(), purpose: None };
        for what in Request::VIEWINGS {
            assert!(view(what).check().is_ok());
        }
        let upper = hash.to_uppercase();
        for refused in [
            access("张三", None),
            access("", None),
            Request::NoteDerived { clip: "c".into(), what: "sheet".into(), sha256: "张三".into(), bytes: 1 },
            Request::NoteDerived { clip: "c".into(), what: "张三".into(), sha256: hash.clone(), bytes: 1 },
            access("find", Some("赵卫罚〔2026〕12号")),
            access("find", Some(&hash[1..])),
            access("find", Some(&upper)),
            view("show"),
        ] {
            let words = refused.check().unwrap_err().to_string();
            assert!(!words.contains('张') && !words.contains('赵'), "{words}");
        }
    }
}
