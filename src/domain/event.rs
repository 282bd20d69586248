//! Events of custody: the envelope and its encoding (decision 3).
//!
//! Stored form, version 1: one JSON object in UTF-8 without insignificant white space, keys in the
//! order of [`Envelope`], at most [`MAX_EVENT_BYTES`]. The stored bytes are what is hashed into the log;
//! nobody ever serialises an event a second time. Readers ignore keys that they do not know.
//!
//! Free text, names of parties, search terms and values before and after a change never stand in the
//! event. They appear as `{"h": <hex>}`, a keyed BLAKE3 of the value under a random key of its own; value
//! and key stand in a table that can be emptied, so that the log proves without telling.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::digest::to_hex;
use super::ids::ClipId;

/// C2SP tlog-tiles entry bundles carry a 16-bit length.
pub const MAX_EVENT_BYTES: usize = 65_535;
/// The version of the envelope that we write.
pub const ENVELOPE_VERSION: u32 = 1;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// `daemon`, `os` (a uid on this box), `user` (an account), `token` (a program of the API), `web` (whoever reaches the
    /// page of a station without accounts).
    pub kind: String,
    /// The id within its kind; never a name.
    pub id: String,
}

impl Actor {
    /// The daemon itself.
    pub fn daemon() -> Self {
        Self { kind: "daemon".into(), id: "evidock".into() }
    }

    /// A local user by uid, as the socket's peer credentials tell it.
    pub fn os(uid: u32) -> Self {
        Self { kind: "os".into(), id: uid.to_string() }
    }

    /// Somebody who signed in, by the number of the account.
    pub fn user(account: i64) -> Self {
        Self { kind: "user".into(), id: account.to_string() }
    }

    /// A program that uses the API, by the number of its token.
    pub fn token(token: i64) -> Self {
        Self { kind: "token".into(), id: token.to_string() }
    }

    /// Whoever reaches the page on loopback while the station has no account (decision 13).
    pub fn loopback() -> Self {
        Self { kind: "web".into(), id: "loopback".into() }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident => $word:literal),+ $(,)?) => {
        /// What happened. The words are stored for ever: add, never rename.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind { $($(#[$doc])* $variant),+ }

        impl EventKind {
            /// The stored word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads the stored word back; `None` for kinds of a newer program.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }

            /// Every kind, for documents and pages.
            pub const ALL: &'static [EventKind] = &[$(Self::$variant),+];
        }
    };
}

kinds! {
    /// The first event of an epoch: station, key, and what a restore lost.
    EpochOpened => "epoch.opened",
    /// The daemon started.
    Started => "station.started",
    /// The daemon stopped in order.
    Stopped => "station.stopped",
    /// The configuration in force changed what clips need: destinations added, required or no longer so.
    Configured => "station.configured",
    /// Settings are others than at the last start: which, and their values before and after.
    SettingsChanged => "station.settings",
    /// The station's own clock was set: what it would have said, what it says, and the difference.
    ClockSet => "station.clock_set",
    /// A recorder was docked.
    Docked => "dock.opened",
    /// A recorder left.
    Undocked => "dock.closed",
    /// A file on a recorder could not be read.
    Unreadable => "dock.unreadable",
    /// A clip got its identity; copying begins.
    ClipSeen => "clip.seen",
    /// A copy was given up before it was sealed (reason in the body).
    CopyAbandoned => "clip.copy_abandoned",
    /// A finished copy turned out to be a clip that is already sealed.
    Duplicate => "clip.duplicate",
    /// A sealed clip was seen again on a recorder.
    SeenAgain => "clip.seen_again",
    /// An interrupted copy goes on at a later dock.
    CopyResumed => "clip.copy_resumed",
    /// The source reported interruptions inside a clip.
    Gap => "clip.gap",
    /// A recording of a live stream was asked for.
    RecordingBegun => "recording.begun",
    /// A recording of a live stream ended.
    RecordingEnded => "recording.ended",
    /// A clip is the next segment of a recording.
    SegmentBegun => "recording.segment",
    /// Why a segment ended.
    SegmentEnded => "recording.segment_ended",
    /// What a recorder's clock is worth was estimated at a dock.
    ClockSeen => "dock.clock",
    /// A clip is in the vault, verified.
    Sealed => "clip.sealed",
    /// The media worker reported.
    Probed => "clip.probed",
    /// Somebody files a document to a case: it got its identity, and comes in.
    DocumentFiled => "document.filed",
    /// Facts of a clip's record were set.
    Annotated => "clip.annotated",
    /// A clip was linked to a case.
    Linked => "clip.linked",
    /// A link was withdrawn.
    Unlinked => "clip.unlinked",
    /// A file was derived of a clip: its digest beside the clip's own.
    Derived => "clip.derived",
    /// A picture, a stretch or a watermarked copy of it was asked for.
    DerivedAsked => "derived.asked",
    /// Such a file was made: its digests beside the clip's own; or it could not be.
    DerivedMade => "derived.made",
    /// Such a file is about to be given out.
    DerivedTaken => "derived.taken",
    /// The time of such a file is over.
    DerivedGone => "derived.gone",
    /// A revision of the record was made.
    RecordMade => "clip.record",
    /// An upload session was opened.
    SendBegun => "delivery.begun",
    /// A destination accepted all of a clip.
    Sent => "delivery.sent",
    /// A destination's copy was proven.
    Proven => "delivery.proven",
    /// A destination's copy disagreed with ours.
    Mismatch => "delivery.mismatch",
    /// A delivery stopped until a person acts, or for good.
    SendFailed => "delivery.failed",
    /// Someone asked for failed deliveries to be tried again.
    Retried => "delivery.retry",
    /// Someone pushed clips to the front of what goes out.
    Pushed => "delivery.pushed",
    /// Someone paused sending, to one destination or to all.
    Paused => "delivery.paused",
    /// Someone let sending go on.
    Resumed => "delivery.resumed",
    /// A clip was put under quarantine or freed from it.
    Quarantine => "clip.quarantine",
    /// A hold was placed, its release asked for, or carried out.
    Hold => "clip.hold",
    /// A clip is suspected classified: it goes nowhere and is shown to nobody from here on.
    Isolated => "clip.isolated",
    /// Lifting an isolation was asked for, or carried out.
    IsolationLifted => "clip.isolation_lifted",
    /// A copy at a destination was read again, in parts or whole, and is what was sealed.
    Audited => "delivery.audited",
    /// A copy at a destination was locked for longer.
    LockRenewed => "delivery.lock",
    /// A legal hold was set on a copy at a destination, or taken off.
    LegalHold => "delivery.legal_hold",
    /// The local copy is given up: nothing relies on it from here on.
    EvictIntended => "clip.evict_intended",
    /// The local copy is gone.
    Evicted => "clip.evicted",
    /// The local copy was made anew from a destination's.
    Recalled => "clip.recalled",
    /// The local file was found to be damaged or gone.
    Damaged => "clip.damaged",
    /// Somebody asked on the page or through the API for the copies of a clip to be verified (stored before a byte is read).
    VerifyAsked => "access.verify_asked",
    /// Someone verified copies on request or on schedule.
    Verified => "access.verify",
    /// A viewing or download began (stored before its first byte).
    ViewBegun => "access.view",
    /// A viewing ended: which ranges were served.
    ViewEnded => "access.view_ended",
    /// A list or search was answered.
    Searched => "access.search",
    /// A record was shown.
    Shown => "access.show",
    /// The log itself was read.
    LogRead => "access.log",
    /// An evidence package was asked for on the page or through the API.
    ExportAsked => "access.export_asked",
    /// A second person confirmed or refused an evidence package.
    ExportDecided => "access.export_decided",
    /// Somebody let an evidence package go on that had stopped.
    ExportContinued => "access.export_continued",
    /// Bytes of a finished evidence package are about to be given out.
    ExportTaken => "access.export_taken",
    /// An evidence package is about to be made (stored before its first byte is).
    ExportBegun => "access.export",
    /// An evidence package was finished and signed.
    ExportEnded => "access.export_ended",
    /// A clip of an evidence package was isolated: what was under way of it ended, and nothing of it is given out.
    ExportCut => "access.export_cut",
    /// What lies on the station of an evidence package is about to be removed, its time over.
    ExportGone => "access.export_gone",
    /// Somebody signed in.
    SignedIn => "access.sign_in",
    /// Somebody could not sign in (reason in the body).
    SignInRefused => "access.sign_in_refused",
    /// A sign-in session ended (how in the body).
    SessionEnded => "access.session_ended",
    /// Something was asked for without the right to it.
    AccessRefused => "access.refused",
    /// An account was made.
    AccountMade => "account.made",
    /// Roles, facts, lock or password of an account changed (which in the body).
    AccountChanged => "account.changed",
    /// A token for a program was made.
    TokenMade => "account.token_made",
    /// A token was ended.
    TokenEnded => "account.token_ended",
    /// A case was sent to the legal reviewers, or called back.
    Reviewed => "case.review",
    /// A random sample was asked for: month, how many, the digest of those among which is drawn.
    SampleAsked => "supervision.asked",
    /// A random sample was drawn, and a clip of it.
    SampleDrawn => "supervision.drawn",
    /// A drawn clip was judged.
    SampleJudged => "supervision.judged",
    /// A unit answered a finding.
    SampleAnswered => "supervision.answered",
    /// An answer to a finding does not do.
    SampleReturned => "supervision.returned",
    /// A finding was put right.
    SampleClosed => "supervision.closed",
    /// Something was noted at a place of a clip in a legal review.
    ReviewNoted => "case.review_note",
    /// Such a note was taken back.
    ReviewNoteWithdrawn => "case.review_note_withdrawn",
    /// A legal reviewer gave an opinion about a case.
    ReviewOpinion => "case.review_opinion",
    /// A case file was marked.
    CaseMarked => "case.marked",
    /// A roster was imported.
    RosterImported => "register.roster",
    /// What rosters of a name had brought was taken away; with `import`, what the newest import of it had brought, and the
    /// rows that it had replaced stand again.
    RosterRemoved => "register.roster_removed",
    /// A register was imported: officers, recorders, parties, cases ...
    RegisterImported => "register.imported",
    /// An import of a register was undone.
    RegisterUndone => "register.undone",
    /// A person refused a link that a rule suggests.
    SuggestionRefused => "clip.suggestion_refused",
    /// A person took a refusal back.
    SuggestionReopened => "clip.suggestion_reopened",
    /// Two cases turned out to be one; with `step` `undone`, they are two again, since the import that said so was undone.
    CasesJoined => "case.joined",
    /// A case was closed (结案).
    CaseClosed => "case.closed",
    /// A closed case got its place in the archive (立卷).
    CaseBound => "case.bound",
    /// The data of a case's clips are compared for its filing.
    CaseCompared => "case.compared",
    /// A case was checked, signed off and filed (归档), or refused with what is missing.
    CaseFiled => "case.filed",
    /// Re-opening a case was asked for, refused, or carried out.
    CaseReopened => "case.reopened",
    /// A list of clips was proposed for disposal after appraisal (鉴定销毁).
    DisposalAsked => "disposal.asked",
    /// A second person confirmed or refused that list.
    DisposalDecided => "disposal.decided",
    /// A clip of a confirmed list goes (stored before its bytes do), or is kept after all.
    DisposalIntended => "clip.disposal_intended",
    /// Nothing of a clip is left here but its record.
    Disposed => "clip.disposed",
    /// A copy of a clip that was disposed of is removed at a destination (stored before it is), or was.
    CopyDisposed => "delivery.disposed",
    /// Somebody said why a matter of a case has no recording, or took it back.
    NoRecordSaid => "case.no_record",
    /// A device was seen at the gate for the first time.
    DeviceSeen => "register.device",
    /// An administrator let a recorder in.
    RecorderApproved => "register.approved",
    /// An administrator refused a device.
    RecorderRefused => "register.refused",
    /// A recorder was given away for repair.
    RecorderInRepair => "register.in_repair",
    /// A recorder is no longer used.
    RecorderRetired => "register.retired",
    /// An officer took a recorder out.
    Issued => "desk.issued",
    /// A recorder came back from an officer.
    Returned => "desk.returned",
    /// What was done at the desk a moment ago was taken back.
    DeskUndone => "desk.undone",
    /// Somebody asked for a trial of a destination.
    DestinationTried => "destination.tried",
    /// A file on a recorder is about to be erased (stored, and anchored as the policy asks, before it is).
    EraseIntended => "recorder.erase_intended",
    /// A file on a recorder was erased.
    Erased => "recorder.erased",
    /// A file on a recorder was not erased after all (reason in the body).
    EraseWithdrawn => "recorder.erase_withdrawn",
    /// A case was opened or got another number.
    CaseOpened => "case.opened",
    /// The database was packed for a backup.
    BackupMade => "backup.made",
    /// A destination's copy of a backup was read back and is the same.
    BackupProven => "backup.proven",
    /// What a restore found and what it lost; the end of the restore that opened this epoch.
    Restored => "station.restored",
    /// A clip as a restore found it: from its record, without its local file, or lost.
    ClipRestored => "clip.restored",
    /// This database learned that the station goes on elsewhere, in a later epoch.
    Superseded => "station.superseded",
    /// A signing key took over.
    KeyRotated => "log.key",
    /// Facts of clips are about to be written into a file for a front-end machine.
    ExchangeGiven => "access.exchange",
    /// Facts of clips are about to be sent to another system (`[[webhook]]`).
    RecordsTold => "access.webhook",
    /// Somebody said that they know of an alarm.
    AlarmAcknowledged => "station.alarm_acknowledged",
    /// How the signing key is kept changed.
    KeyProtected => "log.key_protection",
    /// Which SM2 key signs beside the log's own from here on, that none does any more, or how it is kept.
    Sm2Key => "log.sm2_key",
    /// A witness refused the log's newest checkpoint: it knows another history.
    WitnessRefused => "log.witness_refused",
    /// As a witness, this station refused a checkpoint of another log: it knows another history of it.
    WatchRefused => "log.watch_refused",
    /// A log that this station watches as a witness began a new epoch.
    WatchEpoch => "log.watch_epoch",
}

/// A value that is only committed to: it goes to the side table, its keyed hash into the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Where it stands in the body, e.g. `before`, `reason`.
    pub field: String,
    /// The value in clear.
    pub value: String,
}

/// An event before it has its place in the log.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What happened.
    pub kind: EventKind,
    /// Who did it.
    pub actor: Actor,
    /// `daemon`, `cli`, `web`, `api`.
    pub via: &'static str,
    /// Where from: `local`, an address.
    pub from: Option<String>,
    /// The sign-in session.
    pub session: Option<String>,
    /// The clip it is about.
    pub clip: Option<ClipId>,
    /// Hex SHA-256 of the case key it is about (the same that names the case in object keys).
    pub case: Option<String>,
    /// Why, where a purpose was asked; committed, not told.
    pub purpose: Option<String>,
    /// `ok`, `refused`, `failed`.
    pub outcome: &'static str,
    /// Facts that may stand in clear: ids, digests, sizes, states.
    pub body: Map<String, Value>,
    /// Facts that may not.
    pub secrets: Vec<Secret>,
}

impl Draft {
    /// An event of the daemon's own doing.
    pub fn daemon(kind: EventKind) -> Self {
        Self::by(kind, Actor::daemon(), "daemon")
    }

    /// An event of `actor`, who came in by `via`.
    pub fn by(kind: EventKind, actor: Actor, via: &'static str) -> Self {
        Self {
            kind,
            actor,
            via,
            from: None,
            session: None,
            clip: None,
            case: None,
            purpose: None,
            outcome: "ok",
            body: Map::new(),
            secrets: Vec::new(),
        }
    }

    /// About this clip.
    pub fn clip(mut self, clip: ClipId) -> Self {
        self.clip = Some(clip);
        self
    }

    /// About the case with this hashed key.
    pub fn case(mut self, case: impl Into<String>) -> Self {
        self.case = Some(case.into());
        self
    }

    /// A fact in clear.
    pub fn fact(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.body.insert(key.to_owned(), value.into());
        self
    }

    /// A fact that is only committed to.
    pub fn secret(mut self, field: &str, value: impl Into<String>) -> Self {
        self.secrets.push(Secret { field: field.to_owned(), value: value.into() });
        self
    }

    /// With this outcome.
    pub fn outcome(mut self, outcome: &'static str) -> Self {
        self.outcome = outcome;
        self
    }
}

/// An event as it is stored. The order of the fields is the order of the keys in the stored bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope {
    /// Version of this envelope.
    pub v: u32,
    /// Counts restores: a restored database goes on in a new epoch.
    pub epoch: u32,
    /// Position in the log, from 0, never reused within an epoch.
    pub seq: u64,
    /// Wall clock, milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// The kernel's boot id, so that monotonic times can be compared.
    pub boot: String,
    /// Monotonic milliseconds since that boot.
    pub mono_ms: i64,
    /// What happened.
    pub kind: String,
    /// Who did it.
    pub actor: Actor,
    /// Through which door.
    pub via: String,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The sign-in session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The clip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<String>,
    /// Hex SHA-256 of the case key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    /// Commitment to the stated purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Value>,
    /// How it ended.
    pub outcome: String,
    /// Facts in clear and commitments.
    pub body: Map<String, Value>,
}

/// A value that was committed to, with the key that opens the commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Where the commitment stands: `purpose` or a key of the body.
    pub field: String,
    /// The random key.
    pub key: [u8; 32],
    /// The value in clear.
    pub value: String,
}

/// Where and when an event takes its place.
#[derive(Debug, Clone)]
pub struct Place {
    /// Epoch of the log.
    pub epoch: u32,
    /// Position in the log.
    pub seq: u64,
    /// Wall clock, milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// The kernel's boot id.
    pub boot: String,
    /// Monotonic milliseconds since boot.
    pub mono_ms: i64,
}

/// The encoded event was longer than the log allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Too long for an entry bundle.
    #[error(
        "an event of kind {kind} has {bytes} bytes, over the limit of {MAX_EVENT_BYTES}; put the large value elsewhere and log its digest"
    )]
    TooLong {
        /// The kind.
        kind: &'static str,
        /// Its encoded length.
        bytes: usize,
    },
    /// serde_json refused; cannot happen for these types.
    #[error("an event could not be encoded: {0}")]
    Json(String),
}

/// The commitment to `value` under `key`: hex of the keyed BLAKE3 over the value's bytes.
pub fn commitment(key: &[u8; 32], value: &str) -> String {
    to_hex(blake3::keyed_hash(key, value.as_bytes()).as_bytes())
}

/// Gives a draft its place. `fresh_key` supplies a new random key for each committed value.
pub fn encode(
    draft: &Draft,
    place: &Place,
    mut fresh_key: impl FnMut() -> [u8; 32],
) -> Result<(Vec<u8>, Vec<Opened>), EncodeError> {
    let mut opened = Vec::new();
    let mut commit = |field: &str, value: &str| {
        let key = fresh_key();
        opened.push(Opened { field: field.to_owned(), key, value: value.to_owned() });
        serde_json::json!({ "h": commitment(&key, value) })
    };
    let mut body = draft.body.clone();
    let purpose = draft.purpose.as_deref().map(|p| commit("purpose", p));
    for secret in &draft.secrets {
        let hidden = commit(&secret.field, &secret.value);
        body.insert(secret.field.clone(), hidden);
    }
    let envelope = Envelope {
        v: ENVELOPE_VERSION,
        epoch: place.epoch,
        seq: place.seq,
        wall_ms: place.wall_ms,
        boot: place.boot.clone(),
        mono_ms: place.mono_ms,
        kind: draft.kind.as_str().to_owned(),
        actor: draft.actor.clone(),
        via: draft.via.to_owned(),
        from: draft.from.clone(),
        session: draft.session.clone(),
        clip: draft.clip.map(|c| c.to_string()),
        case: draft.case.clone(),
        purpose,
        outcome: draft.outcome.to_owned(),
        body,
    };
    let bytes = serde_json::to_vec(&envelope).map_err(|e| EncodeError::Json(e.to_string()))?;
    if bytes.len() > MAX_EVENT_BYTES {
        return Err(EncodeError::TooLong { kind: draft.kind.as_str(), bytes: bytes.len() });
    }
    Ok((bytes, opened))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { epoch: 1, seq: 7, wall_ms: 1_781_834_604_000, boot: "b".into(), mono_ms: 12 }
    }

    /// Freezes the stored form: a change here is a new envelope version.
    #[test]
    fn stored_form_is_frozen() {
        let draft = Draft::by(EventKind::Unlinked, Actor::os(1000), "cli")
            .clip(ClipId::generate(0))
            .fact("rev", 2)
            .secret("reason", "认错了案件");
        let (bytes, opened) = encode(&draft, &place(), || [7; 32]).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let clip = draft.clip.unwrap();
        let h = commitment(&[7; 32], "认错了案件");
        assert_eq!(
            text,
            format!(
                r#"{{"v":1,"epoch":1,"seq":7,"wall_ms":1781834604000,"boot":"b","mono_ms":12,"kind":"clip.unlinked","actor":{{"kind":"os","id":"1000"}},"via":"cli","clip":"{clip}","outcome":"ok","body":{{"reason":{{"h":"{h}"}},"rev":2}}}}"#
            )
        );
        assert!(!text.contains("认错了案件"));
        assert_eq!(opened[0].value, "认错了案件");
        let back: Envelope = serde_json::from_str(&text).unwrap();
        assert_eq!(EventKind::parse(&back.kind), Some(EventKind::Unlinked));
    }

    #[test]
    fn equal_values_have_unlike_commitments() {
        let mut n = 0u8;
        let mut key = || {
            n += 1;
            [n; 32]
        };
        let draft = Draft::daemon(EventKind::Annotated).secret("before", "x").secret("after", "x");
        let (bytes, _) = encode(&draft, &place(), &mut key).unwrap();
        let e: Envelope = serde_json::from_slice(&bytes).unwrap();
        assert_ne!(e.body["before"], e.body["after"]);
    }

    #[test]
    fn over_long_events_are_refused() {
        let draft = Draft::daemon(EventKind::Annotated).fact("x", "y".repeat(MAX_EVENT_BYTES));
        assert!(matches!(encode(&draft, &place(), || [0; 32]), Err(EncodeError::TooLong { .. })));
    }
}
