//! Verification of the log: entries and checkpoints go in, a report comes out. No database, no network,
//! no clock; the caller reads the store and fetches anchors.
//!
//! The tree is computed anew from the stored event bytes in one pass with constant memory (besides the
//! checkpoints, of which some 150 bytes each are kept), and compared with every checkpoint whose size
//! it passes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::checkpoint::{self, CheckpointError};
use super::epoch::{Head, Opening};
use super::far_tiles::{HeldTile, Tiles};
use super::in_force::InForce;
use super::losses::{Epochs, Losses, Opened};
use super::note::{Kind, NoteError, VerifierKey};
use super::report::{EpochSpan, Findings, HeldBy, HolderReport, LogReport, Loss, Notice, Problem};
use super::sm2::Sm2Key;
use super::sm2_course::{Lines, Sm2Check};
use super::stamps::{HeldStamp, Stamps};
use crate::domain::digest::to_hex;
use crate::domain::event::{ENVELOPE_VERSION, Envelope, EventKind, MAX_EVENT_BYTES};
use crate::domain::ids::StationId;
use crate::domain::log_copies::Copies;
use crate::domain::merkle::{Frontier, Hash, leaf_hash};
use crate::domain::station_clock::Reading;

/// What the verifier takes for granted.
#[derive(Debug, Clone)]
pub struct Trust<'a> {
    /// Whose log it should be.
    pub station: &'a StationId,
    /// The keys under which it may be signed, retired ones too. Best learned long ago, from off the box.
    pub keys: &'a [VerifierKey],
    /// The SM2 keys that may sign beside them, retired ones too. Which one must, the log says.
    pub sm2: &'a [Sm2Key],
    /// Size and root that the store's own nodes give, to find damage after the last checkpoint; `None` when
    /// there are only entries.
    pub tree: Option<(u64, Hash)>,
    /// What is known of its epochs besides.
    pub epochs: Epochs<'a>,
}

/// A signed checkpoint as it was found.
#[derive(Debug, Clone)]
pub struct HeldCheckpoint {
    /// Where.
    pub held_by: HeldBy,
    /// The signed note.
    pub note: Vec<u8>,
}

/// An entry of the log as a database keeps it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its position.
    pub seq: u64,
    /// The stored bytes, which are what is hashed.
    pub bytes: Vec<u8>,
    /// What stands beside them, where there is such a thing.
    pub copies: Option<Copies>,
}

impl From<(u64, Vec<u8>)> for Entry {
    fn from((seq, bytes): (u64, Vec<u8>)) -> Self {
        Self { seq, bytes, copies: None }
    }
}

/// Verifies a whole log. Entries are (position, stored bytes) in the order of positions, from 0; an error
/// among them ends the reading and is reported.
pub fn verify_log<E: fmt::Display>(
    trust: &Trust<'_>,
    entries: impl IntoIterator<Item = Result<(u64, Vec<u8>), E>>,
    checkpoints: impl IntoIterator<Item = HeldCheckpoint>,
) -> LogReport {
    verify_stamped_log(trust, entries, checkpoints, [], [])
}

/// The same with the timestamps on its heads, with tiles of its tree, and with what a database copies of its entries.
pub fn verify_stamped_log<I: Into<Entry>, E: fmt::Display>(
    trust: &Trust<'_>,
    entries: impl IntoIterator<Item = Result<I, E>>,
    checkpoints: impl IntoIterator<Item = HeldCheckpoint>,
    stamps: impl IntoIterator<Item = HeldStamp>,
    tiles: impl IntoIterator<Item = HeldTile>,
) -> LogReport {
    let mut check = Check::new(trust, stamps, tiles);
    check.open_checkpoints(checkpoints);
    check.compare_at_size();
    for entry in entries {
        match entry.map(Into::into) {
            Ok(Entry { seq, bytes, copies }) => check.entry(seq, &bytes, copies.as_ref()),
            Err(why) => {
                check.cut_short = true;
                check.problems.add(Problem::Unreadable { seq: check.next_seq, why: why.to_string() });
                break;
            }
        }
    }
    check.finish()
}

/// The part of an envelope that verification reads of every event.
#[derive(Deserialize)]
struct EnvelopeHead<'a> {
    v: u32,
    epoch: u32,
    seq: u64,
    wall_ms: i64,
    #[serde(borrow)]
    boot: Cow<'a, str>,
    mono_ms: i64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    clip: Option<String>,
    #[serde(default)]
    case: Option<String>,
}

/// A checkpoint with true signatures, by index of its holder.
struct Signed {
    head: Head,
    holder: usize,
    /// Which of the trusted keys signed it.
    keys: Vec<usize>,
    /// Which of the trusted SM2 keys have a line.
    sm2: Lines,
}

struct Check<'a> {
    trust: &'a Trust<'a>,
    tree: Frontier,
    /// The position that the next entry should have.
    next_seq: u64,
    previous: Option<Reading>,
    cut_short: bool,
    epochs: Vec<EpochSpan>,
    losses: Losses<'a>,
    keys: InForce,
    sm2: Sm2Check<'a>,
    holders: Vec<HolderReport>,
    /// By size, then epoch; those before `compared` have met the tree.
    signed: Vec<Signed>,
    compared: usize,
    /// Indices into `signed` whose epoch was over before their size was reached.
    orphans: Vec<usize>,
    stamps: Stamps<'a>,
    tiles: Tiles,
    signed_size: u64,
    anchored_size: u64,
    problems: Findings<Problem>,
    notices: Findings<Notice>,
}

impl<'a> Check<'a> {
    fn new(
        trust: &'a Trust<'a>,
        stamps: impl IntoIterator<Item = HeldStamp>,
        tiles: impl IntoIterator<Item = HeldTile>,
    ) -> Self {
        let mut problems = Findings::default();
        Self {
            trust,
            stamps: Stamps::new(trust.station, stamps, &mut problems),
            tiles: Tiles::new(tiles, &mut problems),
            problems,
            tree: Frontier::default(),
            next_seq: 0,
            previous: None,
            cut_short: false,
            epochs: Vec::new(),
            losses: Losses::new(trust.epochs),
            keys: InForce::default(),
            sm2: Sm2Check::new(trust.sm2),
            holders: Vec::new(),
            signed: Vec::new(),
            compared: 0,
            orphans: Vec::new(),
            signed_size: 0,
            anchored_size: 0,
            notices: Findings::default(),
        }
    }

    /// Checks signatures and origins, and sorts what is left.
    fn open_checkpoints(&mut self, checkpoints: impl IntoIterator<Item = HeldCheckpoint>) {
        let mut holders: BTreeMap<HeldBy, usize> = BTreeMap::new();
        for HeldCheckpoint { held_by, note } in checkpoints {
            let holder = *holders.entry(held_by.clone()).or_insert_with(|| {
                self.holders.push(HolderReport {
                    held_by: held_by.clone(),
                    checkpoints: 0,
                    confirms: None,
                    newest_made_s: None,
                });
                self.holders.len() - 1
            });
            self.holders[holder].checkpoints += 1;
            let opened = match checkpoint::open(&note, self.trust.keys) {
                Ok(opened) => opened,
                Err(error) => {
                    let why = error.to_string();
                    self.problems.add(match error {
                        CheckpointError::Note(NoteError::Forged { .. }) => Problem::Forged { held_by, why },
                        CheckpointError::Note(NoteError::Unknown(_)) => Problem::UntrustedSigner { held_by, why },
                        _ => Problem::BadCheckpoint { held_by, why },
                    });
                    continue;
                }
            };
            let epoch = match checkpoint::parse_origin(&opened.checkpoint.origin) {
                Some((station, epoch)) if station == *self.trust.station => epoch,
                _ => {
                    self.problems.add(Problem::OtherLog { held_by, origin: opened.checkpoint.origin });
                    continue;
                }
            };
            let newest = &mut self.holders[holder].newest_made_s;
            *newest = (*newest).max(opened.made_s());
            let head = Head { epoch, size: opened.checkpoint.size, root: opened.checkpoint.root };
            // A cosignature of a key has another id than its plain signature; both are that key's.
            let by = |key: &VerifierKey| {
                let ids = [key.id(), key.for_kind(Kind::Cosignature).id()];
                opened.signed.iter().any(|signed| signed.name == key.name() && ids.contains(&signed.id))
            };
            let keys = self.trust.keys.iter().enumerate().filter(|(_, key)| by(key)).map(|(n, _)| n).collect();
            let sm2 = self.sm2.below(&note, head, &held_by, &mut self.problems);
            self.signed.push(Signed { head, holder, keys, sm2 });
        }
        self.signed.sort_by_key(|s| (s.head.size, s.head.epoch));
        for pair in self.signed.windows(2) {
            let (one, other) = (&pair[0].head, &pair[1].head);
            if (one.size, one.epoch) == (other.size, other.epoch) && one.root != other.root {
                self.problems.add(Problem::TwoHistories {
                    epoch: one.epoch,
                    size: one.size,
                    one: to_hex(&one.root),
                    one_held_by: self.holders[pair[0].holder].held_by.clone(),
                    other: to_hex(&other.root),
                    other_held_by: self.holders[pair[1].holder].held_by.clone(),
                });
            }
        }
    }

    fn entry(&mut self, seq: u64, bytes: &[u8], copies: Option<&Copies>) {
        if seq < self.next_seq {
            self.problems.add(Problem::OutOfOrder { seq, after: self.next_seq - 1 });
        } else {
            if seq > self.next_seq {
                self.problems.add(Problem::Missing { from: self.next_seq, to: seq - 1 });
            }
            self.next_seq = seq.saturating_add(1);
        }
        if bytes.len() > MAX_EVENT_BYTES {
            let why = format!("it has {} bytes, over the limit of {MAX_EVENT_BYTES}", bytes.len());
            self.problems.add(Problem::Malformed { seq, why });
        }
        match serde_json::from_slice::<EnvelopeHead<'_>>(bytes) {
            Ok(head) => {
                let differing = copies.map(|copies| {
                    copies.differing(&head.kind, head.wall_ms, head.clip.as_deref(), head.case.as_deref())
                });
                if let Some(columns) = differing.filter(|columns| !columns.is_empty()) {
                    self.problems.add(Problem::OtherCopy { seq, columns: columns.join(", ") });
                }
                self.envelope(seq, &head, bytes);
            }
            Err(e) => self.problems.add(Problem::Malformed { seq, why: e.to_string() }),
        }
        let running = self.epochs.last().map(|span| span.epoch);
        for (level, index, hash) in self.tree.push(leaf_hash(bytes)) {
            self.tiles.meet(level, index, &hash, running, &mut self.problems);
        }
        self.compare_at_size();
    }

    fn envelope(&mut self, seq: u64, head: &EnvelopeHead<'_>, bytes: &[u8]) {
        if head.seq != seq {
            self.problems.add(Problem::Misplaced { seq, says: head.seq });
        }
        if head.v != ENVELOPE_VERSION {
            self.notices.add(Notice::NewerEnvelope { seq, v: head.v });
        }
        self.clocks(seq, head);
        if head.kind == EventKind::KeyRotated.as_str() {
            self.rotation(seq, head.epoch, bytes);
        }
        if head.kind == EventKind::Sm2Key.as_str() {
            self.sm2.event(seq, head.epoch, bytes, &mut self.problems, &mut self.notices);
        }
        let running = self.epochs.last().map(|span| span.epoch);
        let opens = head.kind == EventKind::EpochOpened.as_str();
        match running {
            Some(running) if head.epoch < running => {
                self.problems.add(Problem::EpochWentBack { seq, epoch: head.epoch, from: running });
                return;
            }
            Some(running) if head.epoch == running => {
                if opens {
                    self.problems.add(Problem::OpenedTwice { seq, epoch: running });
                }
                return;
            }
            _ => {}
        }
        self.sm2.epoch_opened(seq);
        let mut span =
            EpochSpan { epoch: head.epoch, from: seq, opened_ms: head.wall_ms, key: None, key_protection: None };
        if opens {
            match serde_json::from_slice::<Envelope>(bytes).ok().and_then(|e| Opening::read(&e.body)) {
                Some(opening) => {
                    self.opening(seq, &opening);
                    self.keys.opened(head.epoch, seq, &opening.key);
                    span.key = Some(opening.key.clone());
                    span.key_protection = Some(opening.protection.clone());
                    let (kept, root) = (self.tree.size(), self.tree.root());
                    self.losses.opened(Opened { epoch: head.epoch, kept, root, opening });
                }
                None => self.problems.add(Problem::BadOpening { seq }),
            }
        } else {
            self.problems.add(Problem::NotOpened { seq, epoch: head.epoch });
        }
        self.epochs.push(span);
    }

    fn opening(&mut self, seq: u64, opening: &Opening) {
        if opening.station != self.trust.station.as_str() {
            self.problems.add(Problem::OtherStation { seq, station: opening.station.clone() });
        }
        if !self.trust.keys.iter().any(|key| key.to_string() == opening.key) {
            self.problems.add(Problem::UntrustedKey { seq, key: opening.key.clone() });
        }
    }

    fn rotation(&mut self, seq: u64, epoch: u32, bytes: &[u8]) {
        let envelope = serde_json::from_slice::<Envelope>(bytes).ok();
        let text = |name: &str| {
            let value = envelope.as_ref().and_then(|e| e.body.get(name));
            value.and_then(|value| value.as_str()).map(str::to_owned)
        };
        // A restore that opened its epoch under a new key lists those before it; the opening has said the rest.
        let listed = envelope.as_ref().and_then(|e| e.body.get("old")).is_some_and(serde_json::Value::is_array);
        if listed && text("new").is_some_and(|new| self.keys.now() == Some(new.as_str())) {
            return;
        }
        let (Some(old), Some(new), Some(protection)) = (text("old"), text("new"), text("protection")) else {
            self.problems.add(Problem::BadRotation { seq });
            return;
        };
        if self.keys.now().is_some_and(|key| key != old) {
            self.problems.add(Problem::NotInForce { seq, key: old.clone() });
        }
        if !self.trust.keys.iter().any(|key| key.to_string() == new) {
            self.problems.add(Problem::UntrustedKey { seq, key: new.clone() });
        }
        self.keys.rotated(epoch, seq, &old, &new);
        self.notices.add(Notice::KeyChanged { seq, key: new, protection });
    }

    fn clocks(&mut self, seq: u64, head: &EnvelopeHead<'_>) {
        let now = Reading { wall_ms: head.wall_ms, mono_ms: head.mono_ms, boot: head.boot.clone().into_owned() };
        if let Some(before) = &self.previous {
            if before.boot == now.boot && now.mono_ms < before.mono_ms {
                self.notices.add(Notice::MonotonicBack { seq });
            }
            if let Some(set) = before.set_until(&now) {
                self.notices.add(Notice::ClockSet { seq, by_ms: set.by_ms() });
            }
        }
        self.previous = Some(now);
    }

    /// Compares the tree as it stands with every checkpoint of its size.
    fn compare_at_size(&mut self) {
        let size = self.tree.size();
        if self.stamps.wait_for(size) {
            let running = self.epochs.last().map(|span| span.epoch);
            self.stamps.meet(size, self.tree.root(), running, &mut self.problems);
        }
        if self.signed.get(self.compared).is_none_or(|s| s.head.size != size) {
            return;
        }
        let (root, running, intact) = (self.tree.root(), self.epochs.last().map(|span| span.epoch), self.signed_size);
        while let Some(Signed { head, holder, sm2, .. }) =
            self.signed.get(self.compared).filter(|s| s.head.size == size)
        {
            let holder = &mut self.holders[*holder];
            if running.is_some_and(|epoch| epoch > head.epoch) {
                self.orphans.push(self.compared);
            } else if head.root == root {
                holder.confirms = Some(size);
                self.signed_size = size;
                if holder.held_by.is_off_box() {
                    self.anchored_size = size;
                }
                if running == Some(head.epoch) {
                    self.sm2.judge(*head, sm2, &holder.held_by, &mut self.problems);
                }
            } else {
                self.problems.add(Problem::OtherRoot {
                    held_by: holder.held_by.clone(),
                    epoch: head.epoch,
                    size,
                    signed: to_hex(&head.root),
                    computed: to_hex(&root),
                    intact,
                });
            }
            self.compared += 1;
        }
    }

    /// A checkpoint that covers more of its epoch than that epoch kept.
    fn orphan(&mut self, head: Head, held_by: HeldBy) {
        let Some(next) = self.epochs.iter().find(|span| span.epoch > head.epoch) else { return };
        match self.losses.orphan(head, held_by, next.from) {
            Ok(notice) => self.notices.add(notice),
            Err(problem) => self.problems.add(problem),
        }
    }

    /// What epochs lost of those before them. The box's own database counts for nobody: whoever says that something was
    /// lost has that.
    fn lost(&mut self, signed: &[Signed]) -> Vec<Loss> {
        let losses = std::mem::replace(&mut self.losses, Losses::new(self.trust.epochs));
        let elsewhere = |s: &&Signed| self.holders.get(s.holder).is_some_and(|h| h.held_by != HeldBy::Store);
        let held: Vec<Head> = signed.iter().filter(elsewhere).map(|s| s.head).collect();
        let is_held = |head: &Head| held.contains(head) || self.stamps.is_on(head);
        losses.finish(is_held, &mut self.problems, &mut self.notices)
    }

    fn finish(mut self) -> LogReport {
        let size = self.tree.size();
        // A log without a single event is as old as any checkpoint.
        let running = self.epochs.last().map_or(u32::MAX, |span| span.epoch);
        let signed = std::mem::take(&mut self.signed);
        let names: Vec<String> = self.trust.keys.iter().map(ToString::to_string).collect();
        for (at, Signed { head, holder, keys, .. }) in signed.iter().enumerate() {
            let held_by = self.holders[*holder].held_by.clone();
            let beyond = at >= self.compared;
            let is_lost = beyond || self.orphans.binary_search(&at).is_ok();
            for key in keys {
                if let Some(problem) = self.keys.judge(&names[*key], head, is_lost, &held_by) {
                    self.problems.add(problem);
                }
            }
            if self.cut_short && (beyond || head.epoch > running) {
                // What was not read cannot be held against the log; the reading itself is the problem.
            } else if head.epoch > running {
                self.problems.add(Problem::UnknownEpoch { held_by, epoch: head.epoch, size: head.size });
            } else if beyond && (head.epoch == running || self.epochs.is_empty()) {
                self.problems.add(Problem::RolledBack { held_by, epoch: head.epoch, size: head.size, have: size });
            } else if is_lost {
                self.orphan(*head, held_by);
            }
        }
        // What was not read cannot be held against the log.
        if !self.cut_short {
            self.stamps.finish(size, &self.losses, &mut self.problems);
        }
        let losses = self.lost(&signed);
        let root = self.tree.root();
        match self.trust.tree {
            _ if self.cut_short => {}
            Some((nodes, _)) if nodes != size => self.problems.add(Problem::OtherSize { nodes, events: size }),
            Some((_, stored)) if stored != root => {
                self.problems.add(Problem::OtherTree { size, stored: to_hex(&stored), computed: to_hex(&root) })
            }
            _ => {}
        }
        LogReport {
            intact: self.problems.total() == 0 && losses.iter().all(|loss| loss.accepted),
            losses,
            station: self.trust.station.to_string(),
            size,
            root: to_hex(&root),
            signed_size: self.signed_size,
            anchored_size: self.anchored_size,
            timestamps: self.stamps.confirmed.0,
            stamped_size: self.stamps.confirmed.1,
            epochs: self.epochs,
            holders: self.holders,
            sm2: self.sm2.report(),
            problems: self.problems,
            notices: self.notices,
        }
    }
}
