//! Media facts and record facts, and the index of settled facts that lists filter by.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::accounts::place_of;
use super::cases::LinkRow;
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::case_number::CaseKind;
use crate::domain::digest::Sha256;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::ports::{MediaFacts, MediaHealth};
use crate::domain::record::{self, Fact, Field, Origin};
use crate::domain::time::UtcMs;

/// What the media worker found, as stored.
#[derive(Debug, Clone)]
pub struct MediaRow {
    /// The facts.
    pub facts: MediaFacts,
    /// The vault has a thumbnail.
    pub thumbnail: bool,
}

/// Which of the five a clip lacks by these links of it: all that stand, or that of one case. What it proves may be said of the
/// clip as a whole or of each case: what one case is told says nothing to another.
pub(super) fn lacks(settled: &BTreeMap<Field, Fact>, links: &[LinkRow]) -> Vec<&'static str> {
    let mut missing = record::missing(settled, !links.is_empty());
    let is_case = |link: &&LinkRow| link.kind == CaseKind::Case.as_str();
    let proven = match links.iter().any(|link| is_case(&link)) {
        true => links.iter().filter(is_case).all(|link| link.proves.is_some()),
        // What there was before a case is one matter.
        false => links.iter().any(|link| link.proves.is_some()),
    };
    if proven {
        missing.retain(|m| *m != "proves");
    }
    missing
}

impl Tx<'_> {
    /// Stores what the media worker found; `thumbnail` is the digest of the picture that the vault keeps of it.
    pub fn probed(&self, clip: ClipId, facts: &MediaFacts, thumbnail: Option<Sha256>) -> Result<()> {
        self.conn.execute(
            "INSERT OR REPLACE INTO media (clip_id, container, vcodec, width, height, fps_milli, acodec, channels, sample_rate, duration_ms, created_ms,
               health, health_detail, thumbnail, probed_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            params![
                clip.to_string(),
                facts.container,
                facts.vcodec,
                facts.width,
                facts.height,
                facts.fps_milli,
                facts.acodec,
                facts.channels,
                facts.sample_rate,
                facts.duration_ms,
                facts.created_ms,
                facts.health.as_str(),
                facts.health_detail,
                thumbnail.is_some(),
                self.now_ms(),
            ],
        )?;
        let event = Draft::daemon(EventKind::Probed)
            .clip(clip)
            .fact("container", facts.container.clone())
            .fact("duration_ms", facts.duration_ms)
            .fact("health", facts.health.as_str());
        let event = match thumbnail {
            Some(sha256) => self.beside_parent(clip, event.fact("thumbnail_sha256", sha256.to_string()))?,
            None => event,
        };
        self.log(&event)?;
        // How long a segment is says what is missing behind it.
        self.neighbours_stale(clip)?;
        // And what belongs to its outing.
        self.changed(Change::Outing(clip));
        self.refigure(clip)?;
        self.stale(clip)
    }

    /// Adds facts of one origin, if they say anything new. Values are committed to in the log, not told.
    pub fn add_facts(
        &self,
        clip: ClipId,
        actor: &Actor,
        via: &'static str,
        facts: &[(Field, Origin, String)],
    ) -> Result<usize> {
        if facts.iter().any(|(field, origin, _)| *origin == Origin::Person && *field != Field::Sensitivity) {
            self.no_filed_case(clip)?;
        }
        let known = self.read().facts(clip)?;
        let mut event = Draft::by(EventKind::Annotated, actor.clone(), via).clip(clip);
        let mut added = 0;
        for (field, origin, value) in facts {
            let before =
                known.iter().rev().find(|f| f.field == *field && f.origin == *origin).map(|f| f.value.as_str());
            if before.unwrap_or_default() == value {
                continue;
            }
            self.conn
                .prepare_cached(
                    "INSERT INTO fact (clip_id, field, value, origin, actor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    clip.to_string(),
                    field.as_str(),
                    value,
                    origin.as_str(),
                    format!("{}:{}", actor.kind, actor.id),
                    self.now_ms()
                ])?;
            event = event
                .secret(&format!("{}.{}.before", field.as_str(), origin.as_str()), before.unwrap_or_default())
                .secret(&format!("{}.{}.after", field.as_str(), origin.as_str()), value.as_str());
            added += 1;
        }
        if added > 0 {
            self.log(&event)?;
            self.reindex(clip)?;
            self.stale(clip)?;
            // 疑似涉密 stops and isolates (decision 9).
            self.isolate_if_labelled(clip, Draft::by(EventKind::Isolated, actor.clone(), via))?;
        }
        Ok(added)
    }

    /// Facts changed after the newest record revision: another one is due.
    pub(super) fn stale(&self, clip: ClipId) -> Result<()> {
        self.conn.prepare_cached("UPDATE clip SET record_stale = 1 WHERE clip_id = ?1")?.execute([clip.to_string()])?;
        self.changed(Change::Clip(clip));
        Ok(())
    }

    /// What the rules found odd about a clip, for the person who looks at it.
    pub fn set_notes(&self, clip: ClipId, notes: &[String]) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE clip_index SET notes = ?2 WHERE clip_id = ?1 AND notes <> ?2")?
            .execute(params![clip.to_string(), notes.join("\n")])?;
        Ok(())
    }

    /// Rewrites what lists filter by from the settled facts.
    pub(super) fn reindex(&self, clip: ClipId) -> Result<()> {
        let read = self.read();
        let settled = record::settle(&read.facts(clip)?);
        let mut missing = lacks(&settled, &read.links(clip)?);
        let row = read.clip(clip)?;
        let before = read.of_whose_outing(clip)?;
        if !row.owes_facts() {
            missing.clear();
        }
        let value = |field: Field| settled.get(&field).map(|f| f.value.clone());
        let start = value(Field::CapturedStart).and_then(|v| UtcMs::parse_rfc3339(&v)).map(|t| t.0);
        self.conn
            .prepare_cached(
                "INSERT INTO clip_index (clip_id, captured_start_ms, officer, place, missing, missing_count, care, recorder_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (clip_id) DO UPDATE SET captured_start_ms = excluded.captured_start_ms, officer = excluded.officer, place = excluded.place,
                   missing = excluded.missing, missing_count = excluded.missing_count, care = excluded.care, recorder_id = excluded.recorder_id",
            )?
            .execute(params![
                clip.to_string(),
                start,
                value(Field::Officer),
                value(Field::Place),
                missing.join(","),
                missing.len() as i64,
                place_of(value(Field::Sensitivity).as_deref()),
                row.recorder
            ])?;
        self.put_co_officers(clip, value(Field::CoOfficers).as_deref())?;
        // When and where it was and whose it is says which outing it belongs to.
        if (start, value(Field::Officer), value(Field::Place)) != before {
            self.changed(Change::Outing(clip));
        }
        self.retriage(clip)?;
        self.restate(clip)
    }

    /// Rewrites what lists and figures count a clip as: its one word by [`project`](crate::domain::clip::project), and
    /// since when it lacks one of the five. Called in every transaction that changes a facet.
    pub(super) fn restate(&self, clip: ClipId) -> Result<()> {
        let state = self.read().clip_state(clip)?;
        self.conn
            .prepare_cached(
                "UPDATE clip SET state = ?2, owes_since_ms = CASE WHEN local <> 'copying' AND EXISTS
                   (SELECT 1 FROM clip_index i WHERE i.clip_id = clip.clip_id AND i.missing_count > 0) THEN sealed_ms END
                 WHERE clip_id = ?1",
            )?
            .execute(params![clip.to_string(), state.as_str()])?;
        self.refigure(clip)
    }
}

impl Reader<'_> {
    /// When capture of a clip began by what is settled, milliseconds since the Unix epoch, who recorded it, and where.
    fn of_whose_outing(&self, clip: ClipId) -> Result<(Option<i64>, Option<String>, Option<String>)> {
        let mut statement =
            self.conn.prepare_cached("SELECT captured_start_ms, officer, place FROM clip_index WHERE clip_id = ?1")?;
        let row = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get(1)?, r.get(2)?));
        Ok(statement.query_row([clip.to_string()], row).optional()?.unwrap_or_default())
    }

    /// Everything said about a clip, in the order in which it was said.
    pub fn facts(&self, clip: ClipId) -> Result<Vec<Fact>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT field, value, origin, at_ms FROM fact WHERE clip_id = ?1 ORDER BY fact_id")?;
        let rows = statement.query_map([clip.to_string()], |r| {
            Ok((r.get::<_, String>(0)?, r.get(1)?, r.get::<_, String>(2)?, r.get(3)?))
        })?;
        rows.map(|row| {
            let (field, value, origin, at_ms) = row?;
            let odd = |what: &str| StoreError::Odd(format!("fact {what:?}"));
            Ok(Fact {
                field: Field::parse(&field).ok_or_else(|| odd(&field))?,
                value,
                origin: Origin::parse(&origin).ok_or_else(|| odd(&origin))?,
                at_ms,
            })
        })
        .collect()
    }

    /// Which of the five a clip lacks, by the index.
    pub fn missing(&self, clip: ClipId) -> Result<Vec<String>> {
        let text: Option<String> = self
            .conn
            .prepare_cached("SELECT missing FROM clip_index WHERE clip_id = ?1")?
            .query_row([clip.to_string()], |r| r.get(0))
            .optional()?;
        Ok(text.unwrap_or_default().split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect())
    }

    /// A person's latest word on a field: who said it (`kind:id`), what, and what the word before it was; empty where there
    /// was none, or it was withdrawn.
    pub fn persons_word(&self, clip: ClipId, field: Field) -> Result<Option<(String, String, String)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT actor, value FROM fact WHERE clip_id = ?1 AND field = ?2 AND origin = 'person' ORDER BY fact_id DESC LIMIT 2",
        )?;
        let rows = statement.query_map(params![clip.to_string(), field.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))?;
        let mut words = rows.collect::<std::result::Result<Vec<(String, String)>, _>>()?.into_iter();
        Ok(words.next().map(|(actor, value)| (actor, value, words.next().map(|(_, v)| v).unwrap_or_default())))
    }

    /// What the rules found odd about a clip.
    pub fn notes(&self, clip: ClipId) -> Result<Vec<String>> {
        let text: Option<String> = self
            .conn
            .prepare_cached("SELECT notes FROM clip_index WHERE clip_id = ?1")?
            .query_row([clip.to_string()], |r| r.get(0))
            .optional()?;
        Ok(text.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    /// What the media worker found, once it has looked.
    pub fn media(&self, clip: ClipId) -> Result<Option<MediaRow>> {
        let row = self
            .conn
            .prepare_cached(
                "SELECT container, vcodec, width, height, fps_milli, acodec, channels, sample_rate, duration_ms, created_ms, health, health_detail, thumbnail
                 FROM media WHERE clip_id = ?1",
            )?
            .query_row([clip.to_string()], |r| {
                let health: String = r.get(10)?;
                Ok(MediaRow {
                    facts: MediaFacts {
                        container: r.get(0)?,
                        vcodec: r.get(1)?,
                        width: r.get(2)?,
                        height: r.get(3)?,
                        fps_milli: r.get(4)?,
                        acodec: r.get(5)?,
                        channels: r.get(6)?,
                        sample_rate: r.get(7)?,
                        duration_ms: r.get(8)?,
                        created_ms: r.get(9)?,
                        health: MediaHealth::parse(&health).unwrap_or_default(),
                        health_detail: r.get(11)?,
                    },
                    thumbnail: r.get::<_, i64>(12)? != 0,
                })
            })
            .optional()?;
        Ok(row)
    }

    /// Sealed clips that the media worker has not looked at, oldest first. Nothing of ours parses documents.
    pub fn unprobed(&self, limit: u32) -> Result<Vec<ClipId>> {
        self.clip_ids("SELECT clip_id FROM probe_due ORDER BY clip_id LIMIT ?1", [limit])
    }

    /// Clips whose record is older than their facts, oldest first; quarantined and isolated ones wait for a person.
    pub fn stale_records(&self, limit: u32) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT clip_id FROM clip WHERE record_stale = 1 AND local <> 'copying' AND isolated_ms IS NULL AND (quarantine IS NULL OR record_rev > 0) ORDER BY clip_id LIMIT ?1",
            [limit],
        )
    }

    pub(super) fn clip_ids(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<ClipId>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(params, |r| r.get::<_, String>(0))?;
        rows.map(|row| Ok(row?.parse()?)).collect()
    }
}
