//! Building the record of a clip from its rows, and publishing a revision of it.

use std::collections::BTreeMap;

use rusqlite::params;

use super::facts::lacks;
use super::officers::certificate_of;
use super::{Change, DOCUMENT, Reader, Result, StoreError, Tx};
use crate::domain::clip::{self, ClipFacts, ClipState, Delivery, DeliveryFacts, SightingState};
use crate::domain::error::Retry;
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::record::{self, CaseLink, Copy, Field, Provenance, Record, UNLINKED, UNTIL_FILED};
use crate::domain::recorder::Importance;
use crate::domain::time::UtcMs;

/// More revisions than a clip gets in the time between a backup and the loss of the box.
const REVS_OF_A_LOST_EPOCH: u32 = 100;

/// What of the configuration shows in records.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Us.
    pub station: StationId,
    /// The agency (执法机关).
    pub agency: Option<String>,
    /// Who runs the station.
    pub operator: String,
    /// For each destination by name: the URI before a key, e.g. `s3://bucket/`.
    pub uri_prefix: BTreeMap<String, String>,
    /// Zone in which instants of the station are written.
    pub zone: jiff::tz::TimeZone,
}

impl Reader<'_> {
    /// The facets of a clip, for the projection and the planner.
    pub fn clip_facts(&self, clip: ClipId) -> Result<ClipFacts> {
        let row = self.clip(clip)?;
        let mut sightings = self.conn.prepare_cached("SELECT state FROM sighting WHERE clip_id = ?1")?;
        let sightings = sightings
            .query_map([clip.to_string()], |r| r.get::<_, String>(0))?
            .map(|w| w.map(|w| SightingState::parse(&w).unwrap_or(SightingState::Present)))
            .collect::<std::result::Result<_, _>>()?;
        let mut deliveries = self.conn.prepare_cached(
            "SELECT d.state, d.required, d.retry, d.next_try_ms, coalesce(t.same_device, 0) FROM delivery d LEFT JOIN destination t ON t.name = d.destination
             WHERE d.clip_id = ?1 ORDER BY d.destination",
        )?;
        let deliveries = deliveries
            .query_map([clip.to_string()], |r| {
                let state: String = r.get(0)?;
                Ok(DeliveryFacts {
                    state: Delivery::parse(&state).unwrap_or(Delivery::Waiting),
                    required: r.get(1)?,
                    retry: r.get::<_, Option<String>>(2)?.and_then(|w| Retry::parse(&w)),
                    next_try_ms: r.get(3)?,
                    off_box: r.get::<_, i64>(4)? == 0,
                })
            })?
            .collect::<std::result::Result<_, _>>()?;
        let held: bool = self
            .conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM hold WHERE clip_id = ?1 AND released_ms IS NULL)")?
            .query_row([clip.to_string()], |r| r.get(0))?;
        Ok(ClipFacts {
            local: Some(row.local),
            sightings,
            deliveries,
            held,
            quarantined: row.quarantine.is_some(),
            isolated: row.isolated_ms.is_some(),
            probed: row.role == DOCUMENT || self.media(clip)?.is_some(),
            record_rev: row.record_rev,
            record_stale: row.record_stale,
        })
    }

    /// The one word for a clip.
    pub fn clip_state(&self, clip: ClipId) -> Result<ClipState> {
        Ok(clip::project(&self.clip_facts(clip)?))
    }

    /// The record as it is now; `annotation_rev` is the newest revision made.
    pub fn record(&self, clip: ClipId, policy: &Policy) -> Result<Record> {
        self.record_in(clip, policy, None)
    }

    /// The record as one case may see it: what the clip is to any other case is nobody's business there. Notes are
    /// left out, since rows of a roster that disagree are told by the numbers of their cases.
    pub fn record_of_case(&self, clip: ClipId, policy: &Policy, case: i64) -> Result<Record> {
        Ok(Record { notes: Vec::new(), ..self.record_in(clip, policy, Some(case))? })
    }

    fn record_in(&self, clip: ClipId, policy: &Policy, case: Option<i64>) -> Result<Record> {
        let row = self.clip(clip)?;
        let facts = self.facts(clip)?;
        let settled = record::settle(&facts);
        let mut links = self.links(clip)?;
        links.retain(|link| case.is_none_or(|case| link.case_id == case));
        let media = self.media(clip)?.map(|m| m.facts);
        let state = clip::project(&self.clip_facts(clip)?);
        let text = |field: Field| settled.get(&field).map(|f| f.value.clone());
        let instant = |ms: i64| UtcMs(ms).rfc3339_in(&policy.zone);
        let model: Option<String> = self
            .conn
            .prepare_cached("SELECT model FROM recorder WHERE recorder_id = ?1")?
            .query_row([&row.recorder], |r| r.get(0))?;
        let copies = self.copies(clip, policy)?;
        let first = copies.iter().find(|c| c.state == Delivery::Proven.as_str()).or(copies.first());
        let link = links.first();
        // Its place in the archive is that of the case which it names.
        let filed = self.filing_of_clip(clip, case.or(link.map(|l| l.case_id)))?;
        let word = |field: Field| link.map_or_else(|| text(field), |l| l.said(field, &settled));
        let proves = word(Field::Proves);
        let mut missing = lacks(&settled, &links);
        if !row.owes_facts() {
            missing.clear();
        }
        let captured_ms = text(Field::CapturedStart).and_then(|at| UtcMs::parse_rfc3339(&at)).map(|t| t.0);
        let registered = match settled.get(&Field::Officer) {
            Some(officer) => self.registered(&officer.value, captured_ms, &policy.zone)?,
            None => None,
        };
        let cert_no = certificate_of(&facts, &settled, registered.as_ref()).map(|f| f.value.clone());
        let origins = settled
            .iter()
            .filter(|(field, _)| **field != Field::OfficerCertNo || cert_no.is_some())
            .map(|(field, fact)| {
                (
                    field.as_str().to_owned(),
                    Provenance { origin: fact.origin.as_str().to_owned(), at: instant(fact.at_ms) },
                )
            })
            .chain(link.map(|l| {
                (
                    "case_no".to_owned(),
                    Provenance { origin: l.origin.clone(), at: instant(row.sealed_ms.unwrap_or(row.created_ms)) },
                )
            }))
            .collect();
        let media = media.unwrap_or_default();
        let probed = self.media(clip)?.is_some();
        let segment = self.segment(clip)?;
        let (recording, gaps) = self.published_segment(clip, &policy.zone)?.unzip();
        let gaps = gaps.unwrap_or_default();
        // Of a live stream the two clocks were compared at its first frame.
        let clock_offset_ms = match segment {
            Some(segment) => segment.source_ms.map(|source_ms| source_ms - segment.station_ms),
            None => self.clock_offset(clip)?,
        };
        Ok(Record {
            v: 1,
            annotation_rev: row.record_rev,
            record_id: clip.to_string(),
            station_id: policy.station.to_string(),
            state: state.as_str().to_owned(),
            case_no: link.map(|l| l.display.clone()),
            case_no_raw: link.map(|l| l.raw.clone()),
            case_key: link.map(|l| l.case_key.clone()),
            cases: links
                .iter()
                .map(|l| CaseLink {
                    case_no: l.display.clone(),
                    case_no_raw: l.raw.clone(),
                    case_key: l.case_key.clone(),
                    aliases: l.aliases.clone(),
                    kind: l.kind.clone(),
                    from_ms: l.from_ms,
                    to_ms: l.to_ms,
                    stage: l.stage.clone(),
                    matter: l.matter.clone(),
                    proves: l.proves.clone(),
                    origin: l.origin.clone(),
                    score: l.score,
                    rev: l.rev,
                    rule_version: l.rule_version,
                })
                .collect(),
            title: text(Field::Title),
            sensitivity: text(Field::Sensitivity).unwrap_or_else(|| "无".to_owned()),
            retention_period: Some(match (&filed, link) {
                (Some((filing, _)), _) => filing.term.clone().unwrap_or_default(),
                (None, Some(_)) => UNTIL_FILED.to_owned(),
                (None, None) => UNLINKED.to_owned(),
            }),
            retention_basis: Some(match (&filed, link) {
                (Some(_), _) => "filed".to_owned(),
                (None, Some(_)) => "linked_to_case".to_owned(),
                (None, None) => "not_linked".to_owned(),
            }),
            fonds_no: filed.as_ref().and_then(|(filing, _)| filing.fonds_no.clone()),
            archival_code: filed.as_ref().and_then(|(filing, _)| filing.archival_code.clone()),
            year: filed.as_ref().and_then(|(filing, _)| filing.year),
            retain_until: filed.as_ref().and_then(|(_, until)| *until).map(instant),
            disposed_at: row.disposed_ms.map(instant),
            legal_hold: self.clip_facts(clip)?.held,
            cause: text(Field::Cause),
            enforcement_kind: text(Field::EnforcementKind),
            stage: word(Field::Stage),
            matter: word(Field::Matter),
            party_ref: text(Field::PartyRef),
            proves,
            captured_start: text(Field::CapturedStart),
            captured_end: text(Field::CapturedEnd),
            captured_raw: text(Field::CapturedRaw),
            clock_offset_ms,
            place: text(Field::Place),
            lat: text(Field::Lat),
            lon: text(Field::Lon),
            datum: text(Field::Datum),
            track: text(Field::Track),
            officer: text(Field::Officer),
            officer_cert_no: cert_no,
            officer_registered: registered,
            co_officers: text(Field::CoOfficers),
            agency: text(Field::Agency).or_else(|| policy.agency.clone()),
            device_id: row.recorder.clone(),
            model,
            original_filename: row.path.file_name(),
            original_path: row.path.to_text(),
            role: row.role.clone(),
            device_marker: if row.importance == Importance::Marked { "marked" } else { "normal" }.to_owned(),
            container: media.container,
            vcodec: media.vcodec,
            width: media.width,
            height: media.height,
            fps: media.fps_milli.map(|f| f64::from(f) / 1000.0),
            acodec: media.acodec,
            channels: media.channels,
            sample_rate: media.sample_rate,
            duration_ms: media.duration_ms,
            media_health: probed.then(|| media.health.as_str().to_owned()),
            size_bytes: row.size_bytes.or(row.declared_bytes).unwrap_or(row.durable_bytes),
            blake3: row.blake3.map(|d| d.to_string()),
            sha256: row.sha256.map(|d| d.to_string()),
            sm3: row.sm3.map(|d| d.to_string()),
            document: self.published_document(clip)?,
            holes: row.holes.clone(),
            resume_check: row.resume_check.clone(),
            recording,
            gaps,
            sealed_log_index: row.sealed_seq,
            object_uri: first.map(|c| c.object_uri.clone()),
            version_id: first.and_then(|c| c.version_id.clone()),
            cloud_checksum: first.and_then(|c| c.cloud_checksum.clone()),
            uploaded_at: first.and_then(|c| c.proven_at.clone()),
            erased_at: self.erased_ms(clip)?.map(instant),
            copies,
            ingested_at: row.sealed_ms.map(instant),
            operator: policy.operator.clone(),
            gap_reason: text(Field::GapReason),
            notes: self.notes(clip)?,
            supersedes: row.supersedes.map(|c| c.to_string()),
            missing: missing.into_iter().map(str::to_owned).collect(),
            origins,
        })
    }

    /// When the last copy on a recorder was erased by us; `None` while one may still be on a recorder.
    fn erased_ms(&self, clip: ClipId) -> Result<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT CASE WHEN sum(state IN ('present', 'erase_intended')) = 0 THEN max(erased_ms) END FROM sighting WHERE clip_id = ?1",
            )?
            .query_row([clip.to_string()], |r| r.get(0))?)
    }

    fn copies(&self, clip: ClipId, policy: &Policy) -> Result<Vec<Copy>> {
        let key = layout::master(&policy.station, clip);
        let mut statement = self.conn.prepare_cached(
            "SELECT destination, state, proof, version_id, checksum, proven_ms FROM delivery WHERE clip_id = ?1 ORDER BY required DESC, destination",
        )?;
        let rows = statement.query_map([clip.to_string()], |r| {
            let destination: String = r.get(0)?;
            let prefix = policy.uri_prefix.get(&destination).cloned().unwrap_or_default();
            Ok(Copy {
                object_uri: format!("{prefix}{key}"),
                destination,
                state: r.get(1)?,
                proof: r.get(2)?,
                version_id: r.get(3)?,
                cloud_checksum: r.get(4)?,
                proven_at: r.get::<_, Option<i64>>(5)?.map(|ms| UtcMs(ms).rfc3339_in(&policy.zone)),
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}

impl Tx<'_> {
    /// Makes the next revision of a clip's record and puts it, with the entries of the case index, on
    /// its way to every destination. Gives the revision.
    pub fn publish(&self, clip: ClipId, policy: &Policy, destinations: &[String]) -> Result<u32> {
        let read = self.read();
        let row = read.clip(clip)?;
        let rev = row.record_rev + self.rev_step(clip)?;
        let mut record = read.record(clip, policy)?;
        record.annotation_rev = rev;
        let json = serde_json::to_vec_pretty(&record)
            .map_err(|e| StoreError::Odd(format!("a record could not be written: {e}")))?;
        let digest = blake3::hash(&json);
        self.conn.execute(
            "INSERT INTO record_rev (clip_id, rev, json, made_ms) VALUES (?1, ?2, ?3, ?4)",
            params![clip.to_string(), rev, json, self.now_ms()],
        )?;
        self.conn.execute(
            "UPDATE clip SET record_rev = ?2, record_stale = 0 WHERE clip_id = ?1",
            params![clip.to_string(), rev],
        )?;
        self.log(
            &Draft::daemon(EventKind::RecordMade).clip(clip).fact("rev", rev).fact("blake3", digest.to_hex().as_str()),
        )?;
        let record_key = layout::record(&policy.station, clip, rev);
        for destination in destinations {
            self.post(destination, &record_key, "record", "application/json", &json, Some(clip))?;
        }
        for (case, link_rev, withdrawn) in read.link_heads(clip)? {
            for (case_key, display) in read.aliases(case)? {
                // The entry says all a reader of the bucket needs to choose the newest word about this clip.
                let entry = serde_json::json!({
                    "v": 1, "station": policy.station.as_str(), "clip": clip.to_string(), "case_no": display, "case_key": case_key,
                    "link_rev": link_rev, "withdrawn": withdrawn, "record_rev": rev, "record": record_key,
                });
                let key = layout::case_entry(&case_key, &policy.station, clip, rev);
                for destination in destinations {
                    self.post(destination, &key, "case", "application/json", entry.to_string().as_bytes(), Some(clip))?;
                }
            }
        }
        self.changed(Change::Clip(clip));
        Ok(rev)
    }

    /// The distance to the next revision: 1, but at a clip's first revision after a restore, since the lost epoch may
    /// have published some that nobody here knows of, and their keys are immutable.
    fn rev_step(&self, clip: ClipId) -> Result<u32> {
        let first: bool = self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM restore r JOIN clip c ON c.clip_id = ?1 WHERE c.created_ms < r.begun_ms
                   AND r.epoch = (SELECT max(epoch) FROM restore)
                   AND NOT EXISTS (SELECT 1 FROM record_rev v WHERE v.clip_id = ?1 AND v.made_ms >= r.begun_ms))",
            )?
            .query_row([clip.to_string()], |r| r.get(0))?;
        Ok(if first { REVS_OF_A_LOST_EPOCH } else { 1 })
    }

    /// Writes the next catalogue segment: one JSON line for each record revision not yet listed, at most
    /// `limit`. Gives the number of lines; 0 when there was nothing new.
    pub fn catalogue(&self, policy: &Policy, destinations: &[String], limit: u32) -> Result<usize> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT clip_id, rev, json FROM record_rev JOIN clip USING (clip_id) WHERE catalogue_seq IS NULL AND isolated_ms IS NULL ORDER BY made_ms, clip_id, rev LIMIT ?1")?;
        let rows: Vec<(String, u32, Vec<u8>)> = statement
            .query_map([limit], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?
            .collect::<std::result::Result<_, _>>()?;
        if rows.is_empty() {
            return Ok(0);
        }
        let seq: u64 = self
            .conn
            .query_row(
                "SELECT max(coalesce((SELECT max(catalogue_seq) + 1 FROM record_rev), 0), (SELECT catalogue_from FROM station))",
                [],
                |r| r.get::<_, i64>(0),
            )?
            as u64;
        let mut segment = Vec::new();
        for (clip, rev, json) in &rows {
            let record: Record =
                serde_json::from_slice(json).map_err(|e| StoreError::Odd(format!("record {clip}/{rev}: {e}")))?;
            // Enough to search by party, place, officer, time and case without opening every record.
            let line = serde_json::json!({
                "v": 1, "record_id": record.record_id, "rev": rev, "state": record.state,
                "cases": record.cases.iter().map(|c| &c.case_no).collect::<Vec<_>>(),
                "captured_start": record.captured_start, "captured_end": record.captured_end, "place": record.place,
                "officer": record.officer, "party_ref": record.party_ref, "matter": record.matter, "device_id": record.device_id,
                "size_bytes": record.size_bytes, "duration_ms": record.duration_ms, "sha256": record.sha256, "missing": record.missing,
                "title": record.title, "proves": record.proves, "file": record.original_filename, "role": record.role,
                "sensitivity": record.sensitivity,
            });
            segment.extend_from_slice(line.to_string().as_bytes());
            segment.push(b'\n');
            self.conn.execute(
                "UPDATE record_rev SET catalogue_seq = ?3 WHERE clip_id = ?1 AND rev = ?2",
                params![clip, rev, seq as i64],
            )?;
        }
        for destination in destinations {
            self.post(
                destination,
                &layout::catalogue(&policy.station, seq),
                "catalogue",
                "application/x-ndjson",
                &segment,
                None,
            )?;
        }
        Ok(rows.len())
    }
}
