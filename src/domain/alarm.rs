//! Alarms: what stands and wants someone. One pure function, [`standing`], makes them of facts; page, API, metrics, webhooks
//! and e-mail all go by its list, so that no two of them can disagree.
//!
//! An alarm has a code that never changes, what it is about, how much it matters, and (`domain::words::alarms`) the next
//! action in words. Who is told of it, and how often, is [`super::notice`].

use super::clip::ProofLevel;
use super::ids::ClipId;
use super::recorder::Held;
use super::time::UtcMs;

/// A log without a newer checkpoint for so long is worth an alarm, milliseconds.
pub const LOG_SILENT_MS: i64 = 10 * 60_000;
/// The clock stands so far before what was logged last: it was set back, milliseconds.
pub const CLOCK_BACK_MS: i64 = 60_000;
/// Overdue recorders that have an alarm each; of more, the longest overdue.
const OVERDUE: usize = 50;

/// How much an alarm matters. Worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Footage is at risk, or nothing moves until a person acts.
    Bad,
    /// Someone should look.
    Warn,
    /// Good to know.
    Info,
}

impl Severity {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Bad, Self::Warn, Self::Info];
    /// Their words.
    pub const WORDS: &'static [&'static str] = &["bad", "warn", "info"];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == word)
    }
}

/// Something that stands and wants someone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// Clips lack a required fact.
    ToAnnotate {
        /// How many.
        clips: u64,
        /// How long the oldest has waited, milliseconds.
        oldest_ms: i64,
    },
    /// A destination refuses us.
    Refused {
        /// Its name.
        destination: String,
        /// Since then.
        since: UtcMs,
        /// In its words.
        what: String,
        /// Clips that wait for it.
        waiting: u64,
    },
    /// A destination cannot be reached.
    Unreachable {
        /// Its name.
        destination: String,
        /// Since then.
        since: UtcMs,
        /// Clips that wait for it.
        waiting: u64,
    },
    /// Deliveries stopped for good.
    DeliveriesFailed {
        /// The destination.
        destination: String,
        /// How many.
        clips: u64,
        /// One of them.
        first: ClipId,
        /// Why, of that one.
        what: String,
    },
    /// The only copies are on this box.
    SameDevice {
        /// The destination.
        destination: String,
    },
    /// A required destination cannot prove anything.
    NoProof {
        /// The destination.
        destination: String,
        /// How far it goes.
        level: ProofLevel,
    },
    /// A remote copy has other bytes.
    Mismatch {
        /// The destination.
        destination: String,
        /// How many.
        clips: u64,
        /// One of them.
        first: ClipId,
    },
    /// Local files no longer match.
    Damaged {
        /// How many.
        clips: u64,
        /// One of them.
        first: ClipId,
    },
    /// Clips are isolated as suspected classified.
    Isolated {
        /// How many.
        clips: u64,
        /// One of them.
        first: ClipId,
    },
    /// Clips that gave up their local copy, and of which no destination that is configured has a proven one.
    OutOfReach {
        /// How many.
        clips: u64,
        /// One of them.
        first: ClipId,
    },
    /// Clips are under quarantine.
    Quarantined {
        /// How many.
        clips: u64,
        /// One of them.
        first: ClipId,
    },
    /// Files of a recorder could not be read.
    Unreadable {
        /// The recorder.
        recorder: String,
        /// How many.
        files: u64,
        /// Why, of the first.
        what: String,
        /// It is reached over the network: what is missing can be asked for again.
        network: bool,
    },
    /// A device stands in a bay and is not read.
    Held {
        /// The bay.
        bay: String,
        /// Why.
        why: Held,
        /// What it says of itself.
        what: String,
    },
    /// A recorder was not brought back.
    Overdue {
        /// The recorder.
        recorder: String,
        /// Expected back then.
        since: UtcMs,
    },
    /// The disk is nearly full.
    DiskLow {
        /// Bytes left above the reserve.
        free: u64,
    },
    /// Copying has stopped before the reserve.
    DiskFull {
        /// The reserve, bytes.
        reserve: u64,
    },
    /// The clock is not synchronised.
    Clock,
    /// The clock was set back: what is logged now stands before what was logged.
    ClockBack {
        /// By so much, milliseconds.
        by_ms: i64,
    },
    /// No checkpoint of the log was anchored for too long.
    LogNotAnchored {
        /// For how long, milliseconds.
        age_ms: i64,
    },
    /// Backups of the database are not made or do not arrive.
    Backup {
        /// Age of the newest that arrived, milliseconds.
        age_ms: Option<i64>,
        /// Why, in the daemon's words.
        what: String,
        /// It has been so for too long.
        late: bool,
    },
    /// A receiver of alarms or events is not reached.
    Untold {
        /// Its name.
        receiver: String,
        /// Since then.
        since: UtcMs,
        /// What waits for it.
        waiting: u64,
        /// Why.
        what: String,
    },
    /// A part of the daemon that has no alarm of its own is not well.
    Part(PartFacts),
}

/// A part of the daemon that is not well, as it says so itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFacts {
    /// Its name.
    pub name: String,
    /// It does not do what it must; else it does, at some risk.
    pub failed: bool,
    /// A word for the reason that never changes.
    pub code: &'static str,
    /// The reason in the daemon's words.
    pub words: String,
    /// What a person can do, in the daemon's words; empty where nothing needs to be done.
    pub todo: String,
}

/// What is known of a destination.
#[derive(Debug, Clone, Default)]
pub struct DestinationFacts {
    /// Its name.
    pub name: String,
    /// It is away, or refuses us.
    pub trouble: Option<Trouble>,
    /// It stands on the vault's own device (invariant 3).
    pub same_device: bool,
    /// How bytes are compared there; `None` until probed.
    pub proof: Option<ProofLevel>,
    /// Clips that wait for it.
    pub waiting: u64,
    /// Deliveries that stopped, one of them and why.
    pub failed: Option<(u64, ClipId, String)>,
    /// Copies with other bytes, and one of them.
    pub mismatched: Option<(u64, ClipId)>,
}

/// What is wrong between a destination and us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It refuses us.
    Refused {
        /// Since then.
        since: UtcMs,
        /// In its words.
        what: String,
    },
    /// No answer.
    Unreachable {
        /// Since then.
        since: UtcMs,
    },
}

/// How many clips, and one of them.
pub type Clips = (u64, Option<ClipId>);

/// What alarms are made of.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Clips that lack a required fact, and since when the oldest does.
    pub incomplete: (u64, Option<UtcMs>),
    /// Destinations as configured.
    pub destinations: Vec<DestinationFacts>,
    /// Local files that no longer match.
    pub damaged: Clips,
    /// Clips under quarantine.
    pub quarantined: Clips,
    /// Suspected classified.
    pub isolated: Clips,
    /// Without a copy that can be had.
    pub out_of_reach: Clips,
    /// Recorders with files that cannot be read: which, how many, why, over the network.
    pub unreadable: Vec<(String, u64, String, bool)>,
    /// Devices that are not read: bay, why, what each says of itself.
    pub held: Vec<(String, Held, String)>,
    /// Recorders that were expected back, and when.
    pub overdue: Vec<(String, UtcMs)>,
    /// Free bytes of the vault's disk, and those that are kept free.
    pub disk: (u64, u64),
    /// Whether the clock is synchronised, where the system tells.
    pub clock_synced: Option<bool>,
    /// When the newest entry of the log was made, by the clock of then.
    pub newest_entry: Option<UtcMs>,
    /// When the newest checkpoint was signed.
    pub checkpoint: Option<UtcMs>,
    /// When the newest backup arrived.
    pub backup: Option<UtcMs>,
    /// Receivers that are not reached: name, since when, what waits, why.
    pub untold: Vec<(String, UtcMs, u64, String)>,
    /// Parts of the daemon that are not well.
    pub parts: Vec<PartFacts>,
}

impl Alarm {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Refused { .. }
            | Self::DeliveriesFailed { .. }
            | Self::Mismatch { .. }
            | Self::Damaged { .. }
            | Self::Isolated { .. }
            | Self::OutOfReach { .. }
            | Self::DiskFull { .. }
            | Self::LogNotAnchored { .. }
            | Self::ClockBack { .. }
            | Self::Part(PartFacts { failed: true, .. })
            | Self::Backup { late: true, .. } => Severity::Bad,
            Self::ToAnnotate { .. }
            | Self::Unreachable { .. }
            | Self::NoProof { .. }
            | Self::Quarantined { .. }
            | Self::Unreadable { .. }
            | Self::Held { why: Held::Unknown | Held::NotStorage | Held::Broken(_), .. }
            | Self::Overdue { .. }
            | Self::DiskLow { .. }
            | Self::Backup { late: false, .. }
            | Self::Untold { .. }
            | Self::Part(PartFacts { failed: false, .. })
            | Self::Clock => Severity::Warn,
            Self::SameDevice { .. } | Self::Held { why: Held::Refused | Held::NoStorage, .. } => Severity::Info,
        }
    }

    /// Its name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ToAnnotate { .. } => "to_annotate",
            Self::Refused { .. } => "destination_refused",
            Self::Unreachable { .. } => "destination_unreachable",
            Self::DeliveriesFailed { .. } => "deliveries_failed",
            Self::SameDevice { .. } => "same_device",
            Self::NoProof { .. } => "no_proof",
            Self::Mismatch { .. } => "mismatch",
            Self::Damaged { .. } => "damaged",
            Self::Isolated { .. } => "isolated",
            Self::OutOfReach { .. } => "out_of_reach",
            Self::Quarantined { .. } => "quarantined",
            Self::Unreadable { .. } => "unreadable",
            Self::Held { why, .. } => match why {
                Held::Unknown => "unregistered",
                Held::Refused => "device_refused",
                Held::NotStorage => "not_storage",
                Held::NoStorage => "no_storage",
                Held::Broken(_) => "device_broken",
            },
            Self::Overdue { .. } => "overdue",
            Self::DiskLow { .. } => "disk_low",
            Self::DiskFull { .. } => "disk_full",
            Self::Clock => "clock",
            Self::ClockBack { .. } => "clock_back",
            Self::LogNotAnchored { .. } => "log_not_anchored",
            Self::Backup { .. } => "backup",
            Self::Untold { .. } => "untold",
            Self::Part(part) => part.code,
        }
    }

    /// What it is about: a destination, bay, recorder, receiver or part; empty where it is the station.
    pub fn about(&self) -> &str {
        match self {
            Self::Refused { destination, .. }
            | Self::Unreachable { destination, .. }
            | Self::DeliveriesFailed { destination, .. }
            | Self::SameDevice { destination }
            | Self::NoProof { destination, .. }
            | Self::Mismatch { destination, .. } => destination,
            Self::Unreadable { recorder, .. } | Self::Overdue { recorder, .. } => recorder,
            Self::Held { bay, .. } => bay,
            Self::Untold { receiver, .. } => receiver,
            Self::Part(part) => &part.name,
            Self::ToAnnotate { .. }
            | Self::Damaged { .. }
            | Self::Isolated { .. }
            | Self::OutOfReach { .. }
            | Self::Quarantined { .. }
            | Self::DiskLow { .. }
            | Self::DiskFull { .. }
            | Self::Clock
            | Self::ClockBack { .. }
            | Self::LogNotAnchored { .. }
            | Self::Backup { .. } => "",
        }
    }

    /// Whether it is told beyond the page. That clips wait for facts is everyday work, with a place of its own.
    pub fn is_told(&self) -> bool {
        !matches!(self, Self::ToAnnotate { .. })
    }
}

/// Everything that stands, worst first.
pub fn standing(now: UtcMs, facts: &Facts) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if let (clips @ 1.., oldest) = facts.incomplete {
        alarms.push(Alarm::ToAnnotate { clips, oldest_ms: oldest.map_or(0, |at| (now.0 - at.0).max(0)) });
    }
    facts.destinations.iter().for_each(|d| of_destination(d, &mut alarms));
    let clips = [
        (facts.damaged, (|clips, first| Alarm::Damaged { clips, first }) as fn(u64, ClipId) -> Alarm),
        (facts.isolated, |clips, first| Alarm::Isolated { clips, first }),
        (facts.out_of_reach, |clips, first| Alarm::OutOfReach { clips, first }),
        (facts.quarantined, |clips, first| Alarm::Quarantined { clips, first }),
    ];
    alarms.extend(clips.into_iter().filter_map(|((n, first), alarm)| first.map(|first| alarm(n, first))));
    for (recorder, files, what, network) in &facts.unreadable {
        let (recorder, what) = (recorder.clone(), what.clone());
        alarms.push(Alarm::Unreadable { recorder, files: *files, what, network: *network });
    }
    for (bay, why, what) in &facts.held {
        alarms.push(Alarm::Held { bay: bay.clone(), why: why.clone(), what: what.clone() });
    }
    let mut overdue: Vec<_> = facts.overdue.iter().filter(|(_, due)| *due < now).collect();
    overdue.sort_by_key(|(_, due)| *due);
    let overdue = overdue.into_iter().take(OVERDUE);
    alarms.extend(overdue.map(|(recorder, since)| Alarm::Overdue { recorder: recorder.clone(), since: *since }));
    match facts.disk {
        (free, reserve) if free <= reserve => alarms.push(Alarm::DiskFull { reserve }),
        (free, reserve) if free < reserve.saturating_mul(2) => alarms.push(Alarm::DiskLow { free: free - reserve }),
        _ => {}
    }
    let back_ms = facts.newest_entry.map_or(0, |at| at.0.saturating_sub(now.0));
    if back_ms > CLOCK_BACK_MS {
        alarms.push(Alarm::ClockBack { by_ms: back_ms });
    }
    if facts.clock_synced == Some(false) {
        alarms.push(Alarm::Clock);
    }
    if let Some(age_ms) = facts.checkpoint.map(|at| now.0 - at.0).filter(|age| *age > LOG_SILENT_MS) {
        alarms.push(Alarm::LogNotAnchored { age_ms });
    }
    for (receiver, since, waiting, what) in &facts.untold {
        let (receiver, what) = (receiver.clone(), what.clone());
        alarms.push(Alarm::Untold { receiver, since: *since, waiting: *waiting, what });
    }
    alarms.extend(facts.parts.iter().filter_map(|part| of_part(now, part, facts.backup)));
    alarms.sort_by_key(Alarm::severity);
    alarms
}

fn of_destination(d: &DestinationFacts, alarms: &mut Vec<Alarm>) {
    let destination = || d.name.clone();
    match &d.trouble {
        Some(Trouble::Refused { since, what }) => alarms.push(Alarm::Refused {
            destination: destination(),
            since: *since,
            what: what.clone(),
            waiting: d.waiting,
        }),
        Some(Trouble::Unreachable { since }) => {
            alarms.push(Alarm::Unreachable { destination: destination(), since: *since, waiting: d.waiting })
        }
        None => {}
    }
    if d.same_device {
        alarms.push(Alarm::SameDevice { destination: destination() });
    }
    if let Some(level @ (ProofLevel::LengthOnly | ProofLevel::None)) = d.proof {
        alarms.push(Alarm::NoProof { destination: destination(), level });
    }
    if let Some((clips, first, what)) = &d.failed {
        let what = what.clone();
        alarms.push(Alarm::DeliveriesFailed { destination: destination(), clips: *clips, first: *first, what });
    }
    if let Some((clips, first)) = d.mismatched {
        alarms.push(Alarm::Mismatch { destination: destination(), clips, first });
    }
}

/// What a part says of itself, unless facts above tell the same. Whoever makes the backups says how they are; without a
/// recipient nobody does.
fn of_part(now: UtcMs, part: &PartFacts, backup: Option<UtcMs>) -> Option<Alarm> {
    match part.name.as_str() {
        "vault disk" => None,
        name if name.starts_with("destination ") => None,
        "backup" => Some(Alarm::Backup {
            age_ms: backup.map(|at| (now.0 - at.0).max(0)),
            what: part.words.clone(),
            late: part.failed,
        }),
        _ => Some(Alarm::Part(part.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of a station on which nothing is wrong.
    fn calm() -> Facts {
        let at = Some(UtcMs(1_000_000));
        Facts { disk: (100, 10), checkpoint: at, newest_entry: at, clock_synced: Some(true), ..Facts::default() }
    }

    const NOW: UtcMs = UtcMs(1_000_000);

    fn part(name: &str, failed: bool, code: &'static str) -> PartFacts {
        PartFacts { name: name.into(), failed, code, words: "why".into(), todo: String::new() }
    }

    #[test]
    fn each_fact_has_its_alarm_and_a_calm_station_none() {
        assert_eq!(standing(NOW, &calm()), Vec::new());
        let clip = ClipId::generate(1);
        let dest = |d: DestinationFacts| Facts { destinations: vec![d], ..calm() };
        let named = || DestinationFacts { name: "cloud".into(), ..DestinationFacts::default() };
        let trouble = |t| dest(DestinationFacts { trouble: Some(t), ..named() });
        let held = |why| Facts { held: vec![("3".into(), why, "x".into())], ..calm() };
        let parts = |p| Facts { parts: vec![p], ..calm() };
        let cases: Vec<(Facts, &str, &str, Severity)> = vec![
            (Facts { incomplete: (2, None), ..calm() }, "to_annotate", "", Severity::Warn),
            (
                trouble(Trouble::Refused { since: NOW, what: "403".into() }),
                "destination_refused",
                "cloud",
                Severity::Bad,
            ),
            (trouble(Trouble::Unreachable { since: NOW }), "destination_unreachable", "cloud", Severity::Warn),
            (dest(DestinationFacts { same_device: true, ..named() }), "same_device", "cloud", Severity::Info),
            (
                dest(DestinationFacts { proof: Some(ProofLevel::LengthOnly), ..named() }),
                "no_proof",
                "cloud",
                Severity::Warn,
            ),
            (
                dest(DestinationFacts { failed: Some((1, clip, "x".into())), ..named() }),
                "deliveries_failed",
                "cloud",
                Severity::Bad,
            ),
            (dest(DestinationFacts { mismatched: Some((1, clip)), ..named() }), "mismatch", "cloud", Severity::Bad),
            (Facts { damaged: (1, Some(clip)), ..calm() }, "damaged", "", Severity::Bad),
            (Facts { isolated: (1, Some(clip)), ..calm() }, "isolated", "", Severity::Bad),
            (Facts { out_of_reach: (1, Some(clip)), ..calm() }, "out_of_reach", "", Severity::Bad),
            (Facts { quarantined: (1, Some(clip)), ..calm() }, "quarantined", "", Severity::Warn),
            (
                Facts { unreadable: vec![("R1".into(), 1, "EIO".into(), false)], ..calm() },
                "unreadable",
                "R1",
                Severity::Warn,
            ),
            (held(Held::Unknown), "unregistered", "3", Severity::Warn),
            (held(Held::NoStorage), "no_storage", "3", Severity::Info),
            (Facts { overdue: vec![("R2".into(), UtcMs(5))], ..calm() }, "overdue", "R2", Severity::Warn),
            (Facts { disk: (10, 10), ..calm() }, "disk_full", "", Severity::Bad),
            (Facts { disk: (19, 10), ..calm() }, "disk_low", "", Severity::Warn),
            (Facts { clock_synced: Some(false), ..calm() }, "clock", "", Severity::Warn),
            (Facts { newest_entry: Some(UtcMs(NOW.0 + CLOCK_BACK_MS + 1)), ..calm() }, "clock_back", "", Severity::Bad),
            (
                Facts { checkpoint: Some(UtcMs(NOW.0 - LOG_SILENT_MS - 1)), ..calm() },
                "log_not_anchored",
                "",
                Severity::Bad,
            ),
            (Facts { untold: vec![("mail".into(), NOW, 2, "x".into())], ..calm() }, "untold", "mail", Severity::Warn),
            (parts(part("backup", false, "backup_failing")), "backup", "", Severity::Warn),
            (parts(part("backup", true, "backup_old")), "backup", "", Severity::Bad),
            (parts(part("witness w", true, "witness_refuses")), "witness_refuses", "witness w", Severity::Bad),
            (parts(part("stream room", true, "stream_lost")), "stream_lost", "stream room", Severity::Bad),
        ];
        for (facts, code, about, severity) in cases {
            let alarms = standing(NOW, &facts);
            let told: Vec<_> = alarms.iter().map(|a| (a.code(), a.about(), a.severity())).collect();
            assert_eq!(told, [(code, about, severity)]);
        }
    }

    #[test]
    fn what_facts_tell_no_part_tells_again_and_the_worst_comes_first() {
        let parts = vec![part("vault disk", true, "disk_full"), part("destination cloud", true, "destination_away")];
        assert_eq!(standing(NOW, &Facts { parts, ..calm() }), Vec::new());
        let facts = Facts {
            overdue: (0..60).map(|n| (format!("R{n}"), UtcMs(n))).chain([("later".into(), UtcMs(NOW.0 + 1))]).collect(),
            disk: (0, 10),
            ..calm()
        };
        let alarms = standing(NOW, &facts);
        assert_eq!((alarms.len(), alarms[0].code(), alarms[1].about()), (51, "disk_full", "R0"));
    }
}
