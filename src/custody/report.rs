//! What a verification of the log found: values, the words for people, and the JSON form. Finding is the
//! business of [`super::verify`].

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::domain::time::UtcMs;

/// How many findings of one kind are listed; all are counted.
pub const MAX_LISTED: u64 = 20;

/// Where a checkpoint was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldBy {
    /// The station's own database.
    Store,
    /// A destination on the box's own disk: whoever has the box has that, too.
    Near(String),
    /// A place off the box, by name: a destination or a witness.
    Anchor(String),
}

impl HeldBy {
    /// Whether whoever has the box cannot change what is held there.
    pub fn is_off_box(&self) -> bool {
        matches!(self, Self::Anchor(_))
    }
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeldBy::Store => f.write_str("the database"),
            HeldBy::Near(name) => write!(f, "anchor {name} on this box's own disk"),
            HeldBy::Anchor(name) => write!(f, "anchor {name}"),
        }
    }
}

impl Serialize for HeldBy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Something that an honest, undamaged log never shows. Roots are hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(missing_docs)] // The messages say what the fields are.
pub enum Problem {
    /// Reading stopped early.
    #[error("reading stopped before event {seq} ({why}); nothing after it was checked")]
    Unreadable { seq: u64, why: String },
    /// Positions without an event.
    #[error("events {from} to {to} are missing")]
    Missing { from: u64, to: u64 },
    /// A position that was passed already.
    #[error("event {seq} comes after event {after}: the order is broken")]
    OutOfOrder { seq: u64, after: u64 },
    /// The event itself names another position.
    #[error("the event in place {seq} says that it is number {says}: events were moved, removed or inserted")]
    Misplaced { seq: u64, says: u64 },
    /// Not an envelope.
    #[error("event {seq} cannot be read: {why}")]
    Malformed { seq: u64, why: String },
    /// A column of the database that says something else than the event.
    #[error(
        "event {seq} stands in the database under another {columns} than it says itself: pages, proofs and packages miss it, or show it where it does not belong. Somebody changed the database; export nothing until it is known who, and put a backup or what the event says back"
    )]
    OtherCopy { seq: u64, columns: String },
    /// An epoch began without an opening, or not at its opening.
    #[error("event {seq} belongs to epoch {epoch}, which no event has opened there")]
    NotOpened { seq: u64, epoch: u32 },
    /// An epoch was opened that was running or over.
    #[error("event {seq} opens epoch {epoch} again")]
    OpenedTwice { seq: u64, epoch: u32 },
    /// An earlier epoch came back.
    #[error("event {seq} goes back to epoch {epoch} from epoch {from}")]
    EpochWentBack { seq: u64, epoch: u32, from: u32 },
    /// The opening's body lacks facts.
    #[error("event {seq} opens an epoch without saying for which station and under which key")]
    BadOpening { seq: u64 },
    /// The opening names another station.
    #[error("event {seq} opens the log of station {station:?}, not of this one")]
    OtherStation { seq: u64, station: String },
    /// The opening names a key that is not trusted.
    #[error("event {seq} opens an epoch under the key {key}, which is none of the trusted keys")]
    UntrustedKey { seq: u64, key: String },
    /// A change of keys that does not say which.
    #[error("event {seq} changes the signing key without saying from which to which")]
    BadRotation { seq: u64 },
    /// A change from a key that was not in use.
    #[error("event {seq} ends the use of the key {key}, which was not in use then")]
    NotInForce { seq: u64, key: String },
    /// A key went on signing after its end.
    #[error(
        "the checkpoint over {size} events held by {held_by} is signed by the key {key}, whose use event {seq} had ended: somebody kept the old key"
    )]
    RetiredKey { held_by: HeldBy, size: u64, seq: u64, key: String },
    /// Signed by a trusted key that the log does not put in force there.
    #[error(
        "the checkpoint of epoch {epoch} over {size} events held by {held_by} is signed by the key {key}, which is known as this station's and was not in use there, as the log tells it"
    )]
    OtherKey { held_by: HeldBy, epoch: u32, size: u64, key: String },
    /// An event about the SM2 key that does not say what it must.
    #[error("event {seq} says something of the SM2 key that cannot be read")]
    Sm2Unreadable { seq: u64 },
    /// An event about the SM2 key that does not follow from those before.
    #[error("event {seq} does not follow from those before it: the SM2 key {key} was not in use then, or still was")]
    Sm2NotInUse { seq: u64, key: String },
    /// The log names an SM2 key that is not known as this station's.
    #[error(
        "event {seq} names the SM2 key {key}, which is none of those known here (log.sm2.key.pub, log.sm2.retired): the key was exchanged, or its public half lost"
    )]
    Sm2Untrusted { seq: u64, key: String },
    /// An SM2 signature that its key has not made.
    #[error(
        "the SM2 signature of {key} below the checkpoint of epoch {epoch} over {size} events held by {held_by} is false"
    )]
    Sm2False { held_by: HeldBy, epoch: u32, size: u64, key: String },
    /// No SM2 signature of the key that the log names.
    #[error(
        "the checkpoint of epoch {epoch} over {size} events held by {held_by} has no SM2 signature of {key}, which the log names for it: the line was taken away, or another key signed"
    )]
    Sm2Missing { held_by: HeldBy, epoch: u32, size: u64, key: String },
    /// An SM2 key went on signing after its end.
    #[error(
        "the checkpoint of epoch {epoch} over {size} events held by {held_by} has an SM2 signature of {key}, whose use had ended: somebody kept the old key"
    )]
    Sm2Retired { held_by: HeldBy, epoch: u32, size: u64, key: String },
    /// Stored nodes and stored events are not of one size.
    #[error("the stored tree has {nodes} events, but {events} were read")]
    OtherSize { nodes: u64, events: u64 },
    /// Stored nodes and stored events disagree.
    #[error(
        "the stored tree of {size} events has the root {stored}, but the events give {computed}: events or tree were changed"
    )]
    OtherTree { size: u64, stored: String, computed: String },
    /// A checkpoint that is not one.
    #[error("a checkpoint held by {held_by} cannot be read: {why}")]
    BadCheckpoint { held_by: HeldBy, why: String },
    /// A signature that its key has not made.
    #[error("a checkpoint held by {held_by} is forged: {why}")]
    Forged { held_by: HeldBy, why: String },
    /// Signed by nobody whom we trust.
    #[error("a checkpoint held by {held_by} is {why}")]
    UntrustedSigner { held_by: HeldBy, why: String },
    /// Signed for another log.
    #[error("a checkpoint held by {held_by} belongs to another log: {origin:?}")]
    OtherLog { held_by: HeldBy, origin: String },
    /// A signed root that the events do not give.
    #[error(
        "the checkpoint of epoch {epoch} over {size} events held by {held_by} has the root {signed}, but the events give {computed}: the log was changed somewhere in events {intact} to {}", size.saturating_sub(1)
    )]
    OtherRoot { held_by: HeldBy, epoch: u32, size: u64, signed: String, computed: String, intact: u64 },
    /// Two signed roots for one size of one log.
    #[error(
        "two checkpoints of epoch {epoch} over {size} events contradict each other ({one} held by {one_held_by}, {other} held by {other_held_by}): two histories were signed with one key"
    )]
    TwoHistories { epoch: u32, size: u64, one: String, one_held_by: HeldBy, other: String, other_held_by: HeldBy },
    /// More was signed than is there.
    #[error(
        "the checkpoint of epoch {epoch} held by {held_by} covers {size} events, but the log has {have}: its tail was cut off or an older database put back"
    )]
    RolledBack { held_by: HeldBy, epoch: u32, size: u64, have: u64 },
    /// More was signed in an epoch than it kept, and the next one does not say so.
    #[error(
        "the checkpoint of epoch {epoch} held by {held_by} covers {size} events, but that epoch ends before event {ended}; no later epoch declares exactly that checkpoint, and no tiles show that it goes on from what was kept"
    )]
    UndeclaredLoss { held_by: HeldBy, epoch: u32, size: u64, ended: u64 },
    /// An epoch owns up to something that nobody ever saw.
    #[error(
        "event {seq} declares that {size} events of epoch {epoch} are lost from there on, and nobody off this box holds a checkpoint or timestamp of them: whoever wants to be rid of a history writes such a thing"
    )]
    UnheldLoss { seq: u64, epoch: u32, size: u64 },
    /// A tile that is not one.
    #[error("tile {level}/{index} of epoch {epoch} held by {held_by} is no full tile")]
    BadTile { held_by: HeldBy, epoch: u32, level: u8, index: u64 },
    /// A tile that the events do not give.
    #[error(
        "tile {level}/{index} of epoch {epoch} held by {held_by} has another hash over events {from} to {to} than they give: they were changed, or the tile was written over"
    )]
    OtherTile { held_by: HeldBy, epoch: u32, level: u8, index: u64, from: u64, to: u64 },
    /// A timestamp that is none, or of something else than it is kept with.
    #[error("the timestamp on {size} events of epoch {epoch} held by {held_by} is of no use: {why}")]
    BadTimestamp { held_by: HeldBy, epoch: u32, size: u64, why: String },
    /// A stamped head that the events do not give.
    #[error(
        "the timestamp of {at} held by {held_by} is not on the first {size} events of epoch {epoch} as the log has them: events were changed since then, or the timestamp is another's"
    )]
    OtherTimestamp { held_by: HeldBy, epoch: u32, size: u64, at: String },
    /// More was stamped than is there, and no epoch says so.
    #[error(
        "the timestamp of {at} held by {held_by} is on {size} events of epoch {epoch}, of which the log, with {have} events, lacks some; no later epoch declares the loss"
    )]
    LostTimestamp { held_by: HeldBy, epoch: u32, size: u64, at: String, have: u64 },
    /// Signed in an epoch that the log does not have.
    #[error(
        "the checkpoint over {size} events held by {held_by} is of epoch {epoch}, which the log does not have: an older database was put back"
    )]
    UnknownEpoch { held_by: HeldBy, epoch: u32, size: u64 },
}

/// Something that a person should know and that an honest log can show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(missing_docs)] // The messages say what the fields are.
pub enum Notice {
    /// The wall clock was set.
    #[error("before event {seq} the wall clock was set by {} s", *by_ms as f64 / 1000.0)]
    ClockSet { seq: u64, by_ms: i64 },
    /// Monotonic time ran backwards within one boot.
    #[error("at event {seq} the monotonic clock runs backwards, which no system does by itself")]
    MonotonicBack { seq: u64 },
    /// Written by a newer program.
    #[error(
        "event {seq} has envelope version {v}, which this program does not know; its bytes were checked, its meaning was not"
    )]
    NewerEnvelope { seq: u64, v: u32 },
    /// The signing key was changed.
    #[error("event {seq} changes the signing key to {key} (kept in: {protection})")]
    KeyChanged { seq: u64, key: String, protection: String },
    /// The SM2 key was changed.
    #[error("event {seq} changes the SM2 key to {key} (kept in: {protection})")]
    Sm2Changed { seq: u64, key: String, protection: String },
    /// The same, without the old key.
    #[error(
        "event {seq} changes the SM2 key to {key} (kept in: {protection}); the old one, {old}, was lost and did not sign that"
    )]
    Sm2Lost { seq: u64, old: String, key: String, protection: String },
    /// No SM2 signatures any more.
    #[error("event {seq} ends SM2 signatures; the last were by {key}")]
    Sm2Off { seq: u64, key: String },
    /// A restore lost events and said so.
    #[error("a restore lost the events from {kept} to {} of epoch {epoch} and declared it (checkpoint held by {held_by})", size.saturating_sub(1))]
    DeclaredLoss { held_by: HeldBy, epoch: u32, size: u64, kept: u64 },
    /// What an epoch owns up to is held by nobody who was asked.
    #[error(
        "event {seq} declares that {size} events of epoch {epoch} are lost from there on; nobody who was asked holds a checkpoint or timestamp of them"
    )]
    UnheldLoss { seq: u64, epoch: u32, size: u64 },
}

/// What an epoch lost of those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The epoch that began.
    pub epoch: u32,
    /// So many events it kept of those before.
    pub kept: u64,
    /// So many that were signed it has not; 0 where it does not say.
    pub lost: u64,
    /// What was kept was shown to be the beginning of what was lost, by tiles that stand off the box.
    pub kept_shown: bool,
    /// A person says that this epoch is known.
    pub accepted: bool,
}

/// What a verification comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong, and every loss is acknowledged.
    Intact,
    /// Nothing else is wrong than that signed events are lost, which nobody acknowledged.
    Loss,
    /// Something is wrong.
    NotIntact,
}

/// One finding, in words and as values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding<T> {
    /// For people.
    pub message: String,
    /// For programs.
    #[serde(flatten)]
    pub what: T,
}

/// Findings, listed up to [`MAX_LISTED`] of a kind and counted beyond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Findings<T> {
    /// How many there are of each kind.
    pub counts: BTreeMap<String, u64>,
    /// The first of each kind, in the order in which they were found.
    pub listed: Vec<Finding<T>>,
}

impl<T> Default for Findings<T> {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), listed: Vec::new() }
    }
}

impl<T: Serialize + fmt::Display> Findings<T> {
    /// How many there are of all kinds.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(super) fn add(&mut self, what: T) {
        // The tag of the JSON form is the kind's one name.
        let tagged = serde_json::to_value(&what).unwrap_or_default();
        let kind = tagged.get("kind").and_then(|kind| kind.as_str()).unwrap_or("other");
        let count = self.counts.entry(kind.to_owned()).or_default();
        *count += 1;
        if *count <= MAX_LISTED {
            self.listed.push(Finding { message: what.to_string(), what });
        }
    }
}

/// A stretch of the log between two restores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EpochSpan {
    /// Its number.
    pub epoch: u32,
    /// Position of its first event.
    pub from: u64,
    /// When it was opened by the wall clock, milliseconds since the Unix epoch.
    pub opened_ms: i64,
    /// The verifier key under which it was opened, if its opening could be read.
    pub key: Option<String>,
    /// How the private key was kept then.
    pub key_protection: Option<String>,
}

/// A stretch of the log under one SM2 key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sm2Span {
    /// The epoch.
    pub epoch: u32,
    /// Position of the event that says so.
    pub from: u64,
    /// Position of the event that ends it; `None` for the one that is in use.
    pub until: Option<u64>,
    /// The key.
    pub key: String,
    /// How the private key is kept, as the newest event of the stretch tells.
    pub protection: String,
}

/// What was found of SM2 signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sm2Report {
    /// Which key was in use when, as the log says.
    pub keys: Vec<Sm2Span>,
    /// Checkpoints with such a signature by a key that is known here, and true.
    pub checkpoints: u64,
}

/// What one holder's checkpoints show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HolderReport {
    /// Who holds them.
    pub held_by: HeldBy,
    /// How many were given.
    pub checkpoints: u64,
    /// The largest number of first events that one of them confirms.
    pub confirms: Option<u64>,
    /// The newest signed time among the true ones, in seconds since the Unix epoch.
    pub newest_made_s: Option<u64>,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogReport {
    /// No problem was found, and no loss that nobody acknowledged.
    pub intact: bool,
    /// What epochs lost of those before them.
    pub losses: Vec<Loss>,
    /// Which station's log.
    pub station: String,
    /// How many events were read.
    pub size: u64,
    /// Their root, hexadecimal.
    pub root: String,
    /// So many first events are as some true checkpoint signed them.
    pub signed_size: u64,
    /// So many first events are as a checkpoint that left the box signed them.
    pub anchored_size: u64,
    /// So many timestamps are on heads that the log has, ...
    pub timestamps: u64,
    /// ... the largest of them of so many first events. Whether their authority made them was not looked at.
    pub stamped_size: u64,
    /// The epochs in their order.
    pub epochs: Vec<EpochSpan>,
    /// The holders of checkpoints.
    pub holders: Vec<HolderReport>,
    /// Second signatures with SM2; `None` where there never was any.
    pub sm2: Option<Sm2Report>,
    /// What must not be.
    pub problems: Findings<Problem>,
    /// What should be known.
    pub notices: Findings<Notice>,
}

impl LogReport {
    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        let unknown = self.losses.iter().any(|loss| !loss.accepted);
        match (self.intact, self.problems.total()) {
            (true, _) => Verdict::Intact,
            (false, 0) if unknown => Verdict::Loss,
            _ => Verdict::NotIntact,
        }
    }
}

impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Custody log of {}: {}, root {}", self.station, count(self.size, "event"), self.root)?;
        for epoch in &self.epochs {
            let opened = UtcMs(epoch.opened_ms).rfc3339();
            write!(f, "  epoch {} from event {}, opened {opened}", epoch.epoch, epoch.from)?;
            match (&epoch.key, &epoch.key_protection) {
                (Some(key), Some(protection)) => writeln!(f, " under {key} (kept in: {protection})")?,
                _ => writeln!(f)?,
            }
        }
        for holder in &self.holders {
            write!(f, "  {}: {}", holder.held_by, count(holder.checkpoints, "checkpoint"))?;
            match holder.confirms {
                Some(size) => write!(f, ", confirming the first {}", count(size, "event"))?,
                None => write!(f, ", confirming nothing")?,
            }
            match holder.newest_made_s {
                Some(s) => writeln!(
                    f,
                    ", newest of {}",
                    UtcMs(i64::try_from(s).unwrap_or(i64::MAX).saturating_mul(1000)).rfc3339()
                )?,
                None => writeln!(f)?,
            }
        }
        if let Some(sm2) = &self.sm2 {
            for span in &sm2.keys {
                write!(f, "  SM2 from event {} of epoch {}", span.from, span.epoch)?;
                if let Some(until) = span.until {
                    write!(f, " to {until}")?;
                }
                writeln!(f, " under {} (kept in: {})", span.key, span.protection)?;
            }
            writeln!(f, "  SM2: {} signed a second time and true", count(sm2.checkpoints, "checkpoint"))?;
        }
        if self.intact {
            writeln!(f, "Intact: no problem was found.")?;
        } else if self.problems.total() > 0 {
            writeln!(f, "NOT INTACT: {}.", count(self.problems.total(), "problem"))?;
        }
        list(f, &self.problems)?;
        for loss in &self.losses {
            write!(f, "{loss}")?;
        }
        if self.notices.total() > 0 {
            writeln!(f, "To be known:")?;
            list(f, &self.notices)?;
        }
        let (signed, anchored) = (self.signed_size.max(self.anchored_size), self.anchored_size);
        writeln!(f, "Anchored: {} as held off this box", count(anchored, "event"))?;
        writeln!(f, "Signed: {} more as signed here; whoever has this box's key could sign others", signed - anchored)?;
        writeln!(f, "Open: {} more that no checkpoint confirms", self.size.saturating_sub(signed))?;
        if self.timestamps > 0 {
            let (stamps, events) = (count(self.timestamps, "timestamp"), count(self.stamped_size, "event"));
            writeln!(
                f,
                "Stamped: {events}; {stamps} on heads that the log has (`openssl ts -verify` tells who made them)"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, kept, .. } = self;
        write!(
            f,
            "{}: epoch {epoch} kept {} of those before it",
            if self.accepted { "Known loss" } else { "LOSS" },
            count(*kept, "event")
        )?;
        match self.lost {
            0 => write!(f, " and does not say what it lost")?,
            lost => write!(f, " and lost {} that were signed", count(lost, "event"))?,
        }
        if *kept > 0 && !self.kept_shown {
            write!(f, "; no tiles off this box show that what was kept is how those began")?;
        }
        writeln!(f, ".")?;
        match self.accepted {
            true => Ok(()),
            false => writeln!(
                f,
                "  A restore does this, and so does whoever wants to be rid of a history. If you know of that restore, say so: --accept-epoch {epoch}"
            ),
        }
    }
}

fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn list<T: Serialize + fmt::Display>(f: &mut fmt::Formatter<'_>, findings: &Findings<T>) -> fmt::Result {
    for finding in &findings.listed {
        writeln!(f, "  - {}", finding.message)?;
    }
    match findings.total() - findings.listed.len() as u64 {
        0 => Ok(()),
        more => writeln!(f, "  - and {more} more of the same kinds"),
    }
}
