//! A restore: the epoch that it opens, clips brought up to date from their published records, and what became of each
//! local file. Every change is an event of the new epoch (invariant 4); nothing that an earlier epoch may have
//! published under an immutable key is published anew.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::backup::BackupKey;
use super::intake::write_holes;
use super::{Reader, Result, StoreError, Tx};
use crate::domain::case_number::{CaseKind, CaseNumber, loose};
use crate::domain::clip::{Delivery, Local, ProofLevel};
use crate::domain::digest::{Blake3, Sha256, Sm3};
use crate::domain::event::{Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{ClipId, RecorderId};
use crate::domain::layout;
use crate::domain::ports::MediaHealth;
use crate::domain::record::{CaseLink, Field, Origin, Record, settle};
use crate::domain::recorder::SourcePath;
use crate::domain::time::UtcMs;
use crate::domain::why::Why;

/// Who says what a record said.
const ACTOR: &str = "daemon:restore";

/// A restore.
#[derive(Debug, Clone)]
pub struct RestoreRow {
    /// The epoch that it opened.
    pub epoch: u32,
    /// Where everything came from.
    pub from: String,
    /// The backup with which it began; `None`: records alone.
    pub backup: Option<BackupKey>,
    /// When, milliseconds since the Unix epoch.
    pub begun_ms: i64,
    /// When it came to its end.
    pub finished_ms: Option<i64>,
    /// JSON of what it found and lost.
    pub told: String,
}

/// A clip's newest published record.
#[derive(Debug, Clone)]
pub struct FromRecord {
    /// The clip.
    pub clip: ClipId,
    /// The revision.
    pub rev: u32,
    /// The record.
    pub record: Record,
    /// Its bytes as published.
    pub json: Vec<u8>,
    /// For each of its links the other numbers of the case, as far as the rule reads them.
    pub aliases: Vec<Vec<CaseNumber>>,
    /// Configured destinations, and whether each is required.
    pub required: BTreeMap<String, bool>,
}

/// What a record came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A clip that the backup did not know.
    New,
    /// A clip that the backup knew less of.
    Newer,
}

/// What became of a clip's local file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalFate {
    /// It stands in the vault and has the recorded bytes.
    Here,
    /// It is not on this disk, and a copy is proven elsewhere.
    Elsewhere,
    /// It is not on this disk, and nothing is proven elsewhere.
    Lost,
}

impl Tx<'_> {
    /// Opens a new epoch; its first event is `opening`. What was under way to destinations is so no longer.
    pub fn begin_restore(&self, row: &RestoreRow, opening: &Draft) -> Result<()> {
        self.conn.execute("UPDATE station SET epoch = ?1, superseded_by = NULL", [row.epoch])?;
        self.conn.execute("UPDATE backup_copy SET state = 'given_up' WHERE state = 'waiting'", [])?;
        self.conn.execute(
            "INSERT INTO restore (epoch, from_destination, backup_epoch, backup_seq, begun_ms, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![row.epoch, row.from, row.backup.map(|b| b.epoch), row.backup.map(|b| b.seq), row.begun_ms, row.told],
        )?;
        self.log(opening)?;
        Ok(())
    }

    /// Takes over what a clip's record says, if it is newer than what is known. The clip's local file stays to be
    /// judged: until then a clip that is new here counts as damaged.
    pub fn take_record(&self, from: &FromRecord) -> Result<Taken> {
        let (clip, record) = (from.clip, &from.record);
        let known = match self.read().clip(clip) {
            Ok(row) => Some(row),
            Err(StoreError::NotFound(_)) => None,
            Err(e) => return Err(e),
        };
        let digests = Digests::of(record)?;
        if let Some(row) = &known
            && row.blake3.is_some_and(|known| known != digests.blake3)
        {
            return Err(StoreError::Conflict(Why::OtherBytes { clip: clip.to_string() }));
        }
        let event = Draft::daemon(EventKind::ClipRestored)
            .clip(clip)
            .fact("record_rev", from.rev)
            .fact("record_blake3", blake3::hash(&from.json).to_hex().as_str())
            .fact("blake3", digests.blake3.to_string())
            .fact("sha256", digests.sha256.to_string())
            .fact("size_bytes", record.size_bytes)
            .fact("lost_log_index", record.sealed_log_index);
        let event = match digests.sm3 {
            Some(sm3) => event.fact("sm3", sm3.to_string()),
            None => event,
        };
        let seq = self.log(&event)?;
        match &known {
            None => self.insert_clip(from, &digests, seq)?,
            Some(row) if row.local == Local::Copying => self.complete_clip(from, &digests, seq)?,
            Some(_) => {}
        }
        self.conn.execute(
            "INSERT INTO record_rev (clip_id, rev, json, made_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            // Before the restore, as it was: the next revision keeps its distance (see `publish`).
            params![clip.to_string(), from.rev, from.json, self.now_ms().min(self.restored_ms()? - 1)],
        )?;
        self.take_facts(clip, record)?;
        self.take_links(from)?;
        self.take_copies(clip, record, &from.required)?;
        self.take_media(clip, record)?;
        self.take_document(clip, record)?;
        self.conn.execute(
            "UPDATE clip SET record_rev = ?2, record_stale = 0 WHERE clip_id = ?1",
            params![clip.to_string(), from.rev],
        )?;
        if let Some(at) = record.erased_at.as_deref().and_then(UtcMs::parse_rfc3339) {
            self.conn.execute(
                "UPDATE sighting SET state = 'erased', erased_ms = ?2, intent_seq = NULL WHERE clip_id = ?1 AND state IN ('present', 'erase_intended')",
                params![clip.to_string(), at.0],
            )?;
        }
        if let Some(at) = record.disposed_at.as_deref().and_then(UtcMs::parse_rfc3339) {
            self.conn.execute(
                "UPDATE clip SET local = 'evicted', quarantine = NULL, disposed_ms = ?2 WHERE clip_id = ?1 AND local <> 'copying'",
                params![clip.to_string(), at.0],
            )?;
            self.restate(clip)?;
        }
        let held = self.read().clip_facts(clip)?.held;
        if record.legal_hold && !held {
            let event = Draft::daemon(EventKind::Hold).fact("restored", true);
            self.hold_clip(clip, "its record says that a hold stood", None, event)?;
        }
        self.reindex(clip)?;
        self.isolate_if_labelled(clip, Draft::daemon(EventKind::Isolated).fact("restored", true))?;
        Ok(if known.is_none() { Taken::New } else { Taken::Newer })
    }

    fn restored_ms(&self) -> Result<i64> {
        Ok(self.conn.query_row("SELECT coalesce(max(begun_ms), 0) FROM restore", [], |r| r.get(0))?)
    }

    fn insert_clip(&self, from: &FromRecord, digests: &Digests, seq: u64) -> Result<()> {
        let (clip, record) = (from.clip, &from.record);
        let recorder = RecorderId::new(&record.device_id)?;
        let path = SourcePath::from_text(&record.original_path)
            .ok_or_else(|| StoreError::Odd(format!("the path {:?} in the record of {clip}", record.original_path)))?;
        let sealed_ms = record.ingested_at.as_deref().and_then(UtcMs::parse_rfc3339).map_or(clip.created_ms(), |t| t.0);
        self.conn.execute(
            "INSERT INTO recorder (recorder_id, profile, model, first_seen_ms, last_seen_ms) VALUES (?1, 'restored', ?2, ?3, ?3) ON CONFLICT DO NOTHING",
            params![recorder.as_str(), record.model, sealed_ms],
        )?;
        let role = match record.role.as_str() {
            role @ ("clip" | "sidecar" | "log" | "document") => role,
            _ => "other",
        };
        // The clip that it grew from may be one of those that no record tells of.
        let supersedes = match record.supersedes.as_deref().map(str::parse::<ClipId>).transpose()? {
            Some(earlier) if self.read().clip(earlier).is_ok() => Some(earlier.to_string()),
            _ => None,
        };
        self.conn.execute(
            "INSERT INTO clip (clip_id, recorder_id, path, local, declared_bytes, modified_raw, importance, created_ms, grid_bytes, role, durable_bytes,
               size_bytes, blake3, sha256, sealed_ms, sealed_seq, supersedes, holes, resume_check, sm3, state, record_stale)
             VALUES (?1, ?2, ?3, 'damaged', ?4, '', ?5, ?6, ?7, ?8, ?4, ?4, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 'sealed', 0)",
            params![
                clip.to_string(),
                recorder.as_str(),
                path.as_bytes(),
                record.size_bytes as i64,
                i64::from(record.device_marker == "marked"),
                clip.created_ms(),
                PartGrid::for_size(Some(record.size_bytes)).to_stored() as i64,
                role,
                digests.blake3.as_bytes(),
                digests.sha256.as_bytes(),
                sealed_ms,
                seq as i64,
                supersedes,
                write_holes(&record.holes),
                record.resume_check,
                digests.sm3.map(|d| d.0),
            ],
        )?;
        Ok(())
    }

    /// The backup saw it while it was copied; its record says that it was sealed.
    fn complete_clip(&self, from: &FromRecord, digests: &Digests, seq: u64) -> Result<()> {
        let record = &from.record;
        let sealed_ms = record.ingested_at.as_deref().and_then(UtcMs::parse_rfc3339).map_or(self.now_ms(), |t| t.0);
        self.conn.execute("DELETE FROM clip_part WHERE clip_id = ?1", [from.clip.to_string()])?;
        self.conn.execute(
            "UPDATE clip SET local = 'damaged', quarantine = NULL, size_bytes = ?2, durable_bytes = ?2, durable_blake3 = NULL, blake3 = ?3, sha256 = ?4, sealed_ms = ?5,
               sealed_seq = ?6, holes = ?7, resume_check = ?8, sm3 = ?9 WHERE clip_id = ?1",
            params![
                from.clip.to_string(),
                record.size_bytes as i64,
                digests.blake3.as_bytes(),
                digests.sha256.as_bytes(),
                sealed_ms,
                seq as i64,
                write_holes(&record.holes),
                record.resume_check,
                digests.sm3.map(|d| d.0),
            ],
        )?;
        Ok(())
    }

    /// Brings the facts to what the record says: its value under its origin, and nothing stronger beside it.
    fn take_facts(&self, clip: ClipId, record: &Record) -> Result<()> {
        let told = serde_json::to_value(record).map_err(|e| StoreError::Odd(e.to_string()))?;
        let facts = self.read().facts(clip)?;
        let settled = settle(&facts);
        // A link's own word hides the clip's in the record; what that was is not told.
        let link = record.cases.first();
        let by_person = |field: Field| {
            let said = record.origins.get(field.as_str()).is_some_and(|p| p.origin == Origin::Person.as_str());
            said && link.is_some_and(|l| l.origin != Origin::Person.as_str())
        };
        let hidden = |field: Field| match field {
            // But a person's word is told beside the link of a rule (`LinkRow::said`).
            _ if by_person(field) => false,
            Field::Stage => link.is_some_and(|l| l.stage.is_some()),
            Field::Matter => link.is_some_and(|l| l.matter.is_some()),
            Field::Proves => link.is_some_and(|l| l.proves.is_some()),
            _ => false,
        };
        for field in Field::ALL.iter().copied().filter(|field| !hidden(*field)) {
            let name = field.as_str();
            let wanted = record.origins.get(name).and_then(|p| {
                let value = told.get(name)?.as_str()?.to_owned();
                let at_ms = UtcMs::parse_rfc3339(&p.at).map_or(self.now_ms(), |t| t.0);
                Some((Origin::parse(&p.origin)?, value, at_ms))
            });
            let now = settled.get(&field);
            if now.map(|f| (f.origin, f.value.as_str())) == wanted.as_ref().map(|(o, v, _)| (*o, v.as_str())) {
                continue;
            }
            let mut latest: BTreeMap<Origin, &str> = BTreeMap::new();
            for fact in facts.iter().filter(|f| f.field == field) {
                latest.insert(fact.origin, &fact.value);
            }
            for (origin, _) in latest.iter().filter(|(_, value)| !value.is_empty()) {
                if wanted.as_ref().is_none_or(|(strongest, ..)| origin < strongest) {
                    self.put_fact(clip, field, "", *origin, self.now_ms())?;
                }
            }
            if let Some((origin, value, at_ms)) = &wanted
                && latest.get(origin) != Some(&value.as_str())
            {
                self.put_fact(clip, field, value, *origin, *at_ms)?;
            }
        }
        Ok(())
    }

    fn put_fact(&self, clip: ClipId, field: Field, value: &str, origin: Origin, at_ms: i64) -> Result<()> {
        self.conn.execute(
            "INSERT INTO fact (clip_id, field, value, origin, actor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![clip.to_string(), field.as_str(), value, origin.as_str(), ACTOR, at_ms],
        )?;
        Ok(())
    }

    fn take_links(&self, from: &FromRecord) -> Result<()> {
        let mut named = Vec::new();
        for (n, link) in from.record.cases.iter().enumerate() {
            let case = self.case_of_link(link)?;
            named.push(case);
            for alias in from.aliases.get(n).into_iter().flatten() {
                if self.read().case_id(alias.key())?.is_none() {
                    self.add_alias(case, alias, link.rule_version)?;
                }
            }
            let known = self.newest_link(from.clip, case)?;
            if known.is_none_or(|known| known < link.rev) {
                self.conn.execute(
                    "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, from_ms, to_ms, stage, matter, proves, origin, score, rule_version, actor, at_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                    params![
                        from.clip.to_string(),
                        case,
                        link.rev,
                        link.case_key,
                        link.case_no_raw,
                        link.from_ms,
                        link.to_ms,
                        link.stage,
                        link.matter,
                        link.proves,
                        Origin::parse(&link.origin).unwrap_or(Origin::Person).as_str(),
                        link.score.min(100),
                        link.rule_version,
                        ACTOR,
                        self.now_ms(),
                    ],
                )?;
            }
        }
        // What the record no longer names was withdrawn after the backup.
        for link in self.read().links(from.clip)?.into_iter().filter(|l| !named.contains(&l.case_id)) {
            self.conn.execute(
                "INSERT INTO case_link (clip_id, case_id, rev, case_key, raw, origin, score, reason, rule_version, withdrawn, actor, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 100, 'withdrawn before the restore, as the record shows', ?7, 1, ?8, ?9)",
                params![
                    from.clip.to_string(),
                    link.case_id,
                    link.rev + 1,
                    link.case_key,
                    link.raw,
                    link.origin,
                    link.rule_version,
                    ACTOR,
                    self.now_ms()
                ],
            )?;
        }
        Ok(())
    }

    fn newest_link(&self, clip: ClipId, case: i64) -> Result<Option<u32>> {
        Ok(self
            .conn
            .prepare_cached("SELECT max(rev) FROM case_link WHERE clip_id = ?1 AND case_id = ?2")?
            .query_row(params![clip.to_string(), case], |r| r.get(0))?)
    }

    fn case_of_link(&self, link: &CaseLink) -> Result<i64> {
        if let Some(case) = self.read().case_id(&link.case_key)? {
            return Ok(case);
        }
        let kind = CaseKind::parse(&link.kind).unwrap_or(CaseKind::Case);
        self.conn.execute(
            "INSERT INTO case_file (kind, created_ms) VALUES (?1, ?2)",
            params![kind.as_str(), self.now_ms()],
        )?;
        let case = self.conn.last_insert_rowid();
        self.conn.execute(
            "INSERT INTO case_alias (case_key, case_id, case_hash, display, raw, loose, rule_version, added_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                link.case_key,
                case,
                layout::case_hash(&link.case_key),
                link.case_no,
                link.case_no_raw,
                loose(&link.case_no),
                link.rule_version,
                self.now_ms()
            ],
        )?;
        Ok(case)
    }

    fn take_copies(&self, clip: ClipId, record: &Record, required: &BTreeMap<String, bool>) -> Result<()> {
        for copy in &record.copies {
            // What proved nothing proves nothing now, whatever word the record has for it.
            let how = copy.proof.as_deref().and_then(ProofLevel::parse).filter(|level| level.proves());
            let proven = how.filter(|_| copy.state == Delivery::Proven.as_str());
            let proven_ms = copy.proven_at.as_deref().and_then(UtcMs::parse_rfc3339).map(|t| t.0);
            self.conn.execute(
                "INSERT INTO delivery (clip_id, destination, state, required) VALUES (?1, ?2, 'waiting', ?3) ON CONFLICT DO NOTHING",
                params![clip.to_string(), copy.destination, required.get(&copy.destination).copied().unwrap_or(false)],
            )?;
            match proven {
                Some(how) => self.conn.execute(
                    "UPDATE delivery SET state = 'proven', proof = ?3, checksum = ?4, version_id = ?5, proven_ms = ?6, sent_ms = coalesce(sent_ms, ?6), reason = NULL, retry = NULL,
                       attempts = 0, next_try_ms = 0 WHERE clip_id = ?1 AND destination = ?2",
                    params![clip.to_string(), copy.destination, how.as_str(), copy.cloud_checksum, copy.version_id, proven_ms],
                )?,
                // Found to differ after the backup.
                None => self.conn.execute(
                    "UPDATE delivery SET state = 'waiting', proof = NULL, checksum = NULL, proven_ms = NULL WHERE clip_id = ?1 AND destination = ?2 AND state = 'proven'",
                    params![clip.to_string(), copy.destination],
                )?,
            };
        }
        Ok(())
    }

    fn take_media(&self, clip: ClipId, record: &Record) -> Result<()> {
        let Some(health) = record.media_health.as_deref().and_then(MediaHealth::parse) else { return Ok(()) };
        self.conn.execute(
            "INSERT INTO media (clip_id, container, vcodec, width, height, fps_milli, acodec, channels, sample_rate, duration_ms, health, probed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING",
            params![
                clip.to_string(),
                record.container,
                record.vcodec,
                record.width,
                record.height,
                record.fps.map(|fps| (fps * 1000.0).round() as i64),
                record.acodec,
                record.channels,
                record.sample_rate,
                record.duration_ms,
                health.as_str(),
                self.now_ms(),
            ],
        )?;
        Ok(())
    }

    /// A copy at a destination that no record calls proven was read back and is the same.
    pub fn proven_by_restore(&self, clip: ClipId, destination: &str, sha256: Sha256) -> Result<()> {
        self.conn.execute(
            "INSERT INTO delivery (clip_id, destination, state, required) VALUES (?1, ?2, 'waiting', 0) ON CONFLICT DO NOTHING",
            params![clip.to_string(), destination],
        )?;
        self.proven(clip, destination, ProofLevel::ReadBack, &format!("read_back:{sha256}"), None, None)
    }

    /// Settles what became of a clip's local file; gives whether that is news. Without its file nothing more is sent
    /// of a clip, so what was under way ends.
    pub fn settle_local(&self, clip: ClipId, fate: LocalFate) -> Result<bool> {
        let row = self.read().clip(clip)?;
        if row.disposed_ms.is_some() {
            // Nothing of it was to be here.
            return Ok(false);
        }
        let (local, reason) = match fate {
            LocalFate::Here => (Local::Sealed, None),
            LocalFate::Elsewhere => (Local::Evicted, None),
            LocalFate::Lost => (
                Local::Damaged,
                Some("its file went with the station's disk and no copy elsewhere is proven; dock its recorder again"),
            ),
        };
        if row.local == local && (reason.is_none() || row.quarantine.is_some()) {
            return Ok(false);
        }
        self.conn.execute(
            "UPDATE clip SET local = ?2, quarantine = coalesce(quarantine, ?3) WHERE clip_id = ?1",
            params![clip.to_string(), local.as_str(), reason],
        )?;
        if local != Local::Sealed {
            self.conn.execute("DELETE FROM upload_session WHERE clip_id = ?1", [clip.to_string()])?;
            // A thumbnail stood beside the file.
            self.conn.execute("UPDATE media SET thumbnail = 0 WHERE clip_id = ?1", [clip.to_string()])?;
        }
        let outcome = if local == Local::Damaged { "failed" } else { "ok" };
        self.log(&Draft::daemon(EventKind::ClipRestored).clip(clip).fact("local", local.as_str()).outcome(outcome))?;
        self.restate(clip)?;
        if local == Local::Damaged {
            self.stale(clip)?;
        }
        Ok(true)
    }

    /// The end of a restore: what it found and lost, and the first number of the catalogue that is surely free.
    pub fn finish_restore(&self, epoch: u32, told: &serde_json::Value, catalogue_from: u64) -> Result<()> {
        self.conn.execute(
            "UPDATE restore SET finished_ms = ?2, told = ?3 WHERE epoch = ?1",
            params![epoch, self.now_ms(), told.to_string()],
        )?;
        self.conn.execute("UPDATE station SET catalogue_from = ?1", [catalogue_from as i64])?;
        self.log(&Draft::daemon(EventKind::Restored).fact("told", told.clone()))?;
        Ok(())
    }

    /// This station goes on elsewhere, in a later epoch: said once, and for good.
    pub fn superseded(&self, by: u32) -> Result<()> {
        let n = self.conn.execute("UPDATE station SET superseded_by = ?1 WHERE superseded_by IS NULL", [by])?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::Superseded).fact("by", by).outcome("failed"))?;
        }
        Ok(())
    }
}

/// The digests that every sealed clip has, and the one that some have.
struct Digests {
    blake3: Blake3,
    sha256: Sha256,
    sm3: Option<Sm3>,
}

impl Digests {
    fn of(record: &Record) -> Result<Self> {
        match (&record.blake3, &record.sha256) {
            (Some(blake3), Some(sha256)) => {
                let sm3 = record.sm3.as_deref().map(str::parse).transpose()?;
                Ok(Self { blake3: blake3.parse()?, sha256: sha256.parse()?, sm3 })
            }
            _ => Err(StoreError::Odd(format!("the record of {} names no digests", record.record_id))),
        }
    }
}

impl Reader<'_> {
    /// The later epoch in which this station goes on elsewhere.
    pub fn superseded_by(&self) -> Result<Option<u32>> {
        Ok(self.conn.query_row("SELECT superseded_by FROM station", [], |r| r.get(0))?)
    }

    /// The newest restore.
    pub fn last_restore(&self) -> Result<Option<RestoreRow>> {
        Ok(self
            .conn
            .query_row(
                "SELECT epoch, from_destination, backup_epoch, backup_seq, begun_ms, finished_ms, told FROM restore ORDER BY epoch DESC LIMIT 1",
                [],
                |r| {
                    let (epoch, seq): (Option<u32>, Option<u32>) = (r.get(2)?, r.get(3)?);
                    Ok(RestoreRow {
                        epoch: r.get(0)?,
                        from: r.get(1)?,
                        backup: epoch.zip(seq).map(|(epoch, seq)| BackupKey { epoch, seq }),
                        begun_ms: r.get(4)?,
                        finished_ms: r.get(5)?,
                        told: r.get(6)?,
                    })
                },
            )
            .optional()?)
    }

    /// The newest revision of a clip's record that this database holds.
    pub fn known_rev(&self, clip: ClipId) -> Result<Option<u32>> {
        Ok(self
            .conn
            .prepare_cached("SELECT max(rev) FROM record_rev WHERE clip_id = ?1")?
            .query_row([clip.to_string()], |r| r.get(0))?)
    }

    /// Clips whose local file a restore has to judge, after `after`, at most `limit`.
    pub fn unjudged(&self, after: Option<ClipId>, limit: u32) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT clip_id FROM clip WHERE (local = 'sealed' OR (local = 'damaged' AND quarantine IS NULL)) AND clip_id > ?1 ORDER BY clip_id LIMIT ?2",
            params![after.map(|c| c.to_string()).unwrap_or_default(), limit],
        )
    }

    /// Where a clip's copy is proven: off the vault's own device as far as that was known, and at `from`, which was seen
    /// to have outlived it.
    pub fn proven_off_box(&self, clip: ClipId, from: &str) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT d.destination FROM delivery d LEFT JOIN destination t ON t.name = d.destination
             WHERE d.clip_id = ?1 AND d.state = 'proven' AND (coalesce(t.same_device, 0) = 0 OR d.destination = ?2) ORDER BY d.destination",
        )?;
        let rows = statement.query_map(params![clip.to_string(), from], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The highest number of a segment of the catalogue that this database wrote.
    pub fn last_segment(&self) -> Result<Option<u64>> {
        let last: Option<i64> = self.conn.query_row("SELECT max(catalogue_seq) FROM record_rev", [], |r| r.get(0))?;
        Ok(last.map(|n| n as u64))
    }

    /// How many clips are evicted and owed to a destination where no copy of theirs is proven.
    pub fn owed_without_file(&self) -> Result<u64> {
        let n: i64 = self.conn.query_row(
            "SELECT count(DISTINCT clip_id) FROM clip JOIN delivery d USING (clip_id) WHERE local = 'evicted' AND disposed_ms IS NULL AND d.required = 1 AND d.state <> 'proven'",
            [],
            |r| r.get(0),
        )?;
        Ok(n as u64)
    }
}

#[cfg(test)]
mod tests;
