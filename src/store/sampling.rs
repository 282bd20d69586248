//! Random samples: asked for, drawn, and what was said about each clip of them.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, params};

use super::exports::{actor, person};
use super::report::all_of_it;
use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::digest::Sha256;
use crate::domain::event::{Actor, Draft};
use crate::domain::ids::ClipId;
use crate::domain::rights::Within;
use crate::domain::supervision::{self, Drawn, Point, Said, Standing, Step};
use crate::domain::why::Why;

/// A sample that is asked for.
#[derive(Debug, Clone)]
pub struct NewSample {
    /// Word of the period.
    pub period: String,
    /// Of this unit; empty for clips of which nobody knows it.
    pub unit: String,
    /// How many clips.
    pub wanted: u32,
    /// What is checked.
    pub checklist: Vec<String>,
    /// Among which is drawn.
    pub population: Vec<ClipId>,
}

/// A sample.
#[derive(Debug, Clone)]
pub struct SampleRow {
    /// Its number.
    pub sample: i64,
    /// Word of the period.
    pub period: String,
    /// Of this unit.
    pub unit: String,
    /// How many clips were asked for.
    pub wanted: u32,
    /// Among how many was drawn.
    pub population: u64,
    /// Digest of these.
    pub population_sha256: Sha256,
    /// What is checked.
    pub checklist: Vec<String>,
    /// The event of the request.
    pub asked_seq: u64,
    /// The checkpoint over it: epoch, size and root.
    pub checkpoint: Option<(u32, u64, [u8; 32])>,
    /// Who drew it.
    pub drawn_by: Actor,
    /// When, milliseconds since the Unix epoch.
    pub drawn_ms: i64,
}

/// What was said about a drawn clip, and by whom.
#[derive(Debug, Clone)]
pub struct SampleStep {
    /// What.
    pub said: Said,
    /// By whom.
    pub by: Actor,
}

/// A clip of a sample.
#[derive(Debug, Clone)]
pub struct DrawnClip {
    /// In the order of the draw, from 1.
    pub n: u32,
    /// The clip.
    pub clip: ClipId,
    /// What was said about it, oldest first.
    pub steps: Vec<SampleStep>,
}

impl DrawnClip {
    /// How it stands, and the judgement that counts.
    pub fn standing(&self) -> (Standing, Option<Said>) {
        let said: Vec<Said> = self.steps.iter().map(|s| s.said.clone()).collect();
        let (standing, judged) = supervision::standing(&said);
        (standing, judged.cloned())
    }

    /// Until when it is to be put right.
    pub fn due_ms(&self) -> Option<i64> {
        self.steps.iter().rev().find_map(|s| s.said.due_ms)
    }
}

const COLUMNS: &str = "sample_id, period, unit, wanted, length(population) - length(replace(population, char(10), '')), population_sha256, checklist, asked_seq, epoch, size, root, drawn_by, drawn_ms";

fn digest(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| StoreError::Odd("a digest of a sample".into()))
}

fn row(r: &Row<'_>) -> Result<SampleRow> {
    let checkpoint: (Option<u32>, Option<i64>, Option<Vec<u8>>) = (r.get(8)?, r.get(9)?, r.get(10)?);
    Ok(SampleRow {
        sample: r.get(0)?,
        period: r.get(1)?,
        unit: r.get(2)?,
        wanted: r.get(3)?,
        population: r.get::<_, i64>(4)?.max(0) as u64,
        population_sha256: Sha256(digest(r.get(5)?)?),
        checklist: serde_json::from_str(&r.get::<_, String>(6)?)
            .map_err(|e| StoreError::Odd(format!("a checklist: {e}")))?,
        asked_seq: r.get::<_, i64>(7)?.max(0) as u64,
        checkpoint: match checkpoint {
            (Some(epoch), Some(size), Some(root)) => Some((epoch, size.max(0) as u64, digest(root)?)),
            _ => None,
        },
        drawn_by: actor(&r.get::<_, String>(11)?),
        drawn_ms: r.get(12)?,
    })
}

impl Tx<'_> {
    /// A sample is asked for: the request and the digest of its population stand in the log before anything is drawn. Gives
    /// the sample's number.
    pub fn ask_sample(&self, new: &NewSample, asked: Draft) -> Result<i64> {
        let mut ids: Vec<String> = new.population.iter().map(ToString::to_string).collect();
        ids.sort_unstable();
        let population: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let sha256 = supervision::population_digest(&new.population);
        let checklist = serde_json::to_string(&new.checklist).map_err(|e| StoreError::Odd(e.to_string()))?;
        let by = person(&asked.actor);
        let event = asked
            .fact("period", new.period.as_str())
            .fact("wanted", new.wanted)
            .fact("population", new.population.len())
            .fact("population_sha256", sha256.to_string())
            .secret("unit", new.unit.as_str());
        let seq = self.log(&event)?;
        self.conn.execute(
            "INSERT INTO sample (period, unit, wanted, population, population_sha256, checklist, asked_seq, drawn_by, drawn_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                new.period,
                new.unit,
                new.wanted,
                population,
                sha256.0.as_slice(),
                checklist,
                seq as i64,
                by,
                self.now_ms()
            ],
        )?;
        Ok(self.conn.last_insert_rowid())
    }

    /// Draws a sample by the checkpoint over its request; `drawn` says who. Gives the clips, in their order.
    pub fn draw_sample(&self, sample: i64, checkpoint: (u32, u64, [u8; 32]), drawn: &Draft) -> Result<Vec<ClipId>> {
        let row = self.read().sample(sample)?;
        let (epoch, size, root) = checkpoint;
        if row.checkpoint.is_some() || size <= row.asked_seq {
            return Err(StoreError::Conflict(Why::SampleDrawn {}));
        }
        let seed = supervision::seed(epoch, size, &root, &row.population_sha256);
        let clips = supervision::draw(&seed, &self.read().population(sample)?, row.wanted as usize);
        self.conn.execute(
            "UPDATE sample SET epoch = ?2, size = ?3, root = ?4 WHERE sample_id = ?1",
            params![sample, epoch, size as i64, root.as_slice()],
        )?;
        let event = drawn.clone().fact("sample", sample).fact("asked", row.asked_seq);
        self.log(&event.clone().fact("size", size).fact("clips", clips.len()))?;
        for (n, clip) in clips.iter().enumerate() {
            self.conn
                .prepare_cached("INSERT INTO sample_clip (sample_id, n, clip_id) VALUES (?1, ?2, ?3)")?
                .execute(params![sample, n as i64 + 1, clip.to_string()])?;
            self.log(&event.clone().clip(*clip).fact("n", n + 1))?;
        }
        self.changed(Change::Cases);
        Ok(clips)
    }

    /// A step in the life of a drawn clip; `event` says who.
    pub fn sample_step(&self, sample: i64, n: u32, said: &Said, event: Draft) -> Result<Standing> {
        let row = self.read().sample(sample)?;
        let drawn = self.read().drawn(sample)?.into_iter().find(|d| d.n == n);
        let drawn = drawn.ok_or_else(|| StoreError::NotFound(Why::NotInSample { sample, n: u64::from(n) }))?;
        supervision::may_follow(drawn.standing().0, said.step).map_err(StoreError::Conflict)?;
        if said.step == Step::Judged && said.points.len() != row.checklist.len() {
            return Err(StoreError::Conflict(Why::OtherChecklist {}));
        }
        let points: Vec<&str> = said.points.iter().map(|p| p.as_str()).collect();
        let flaws = said.points.iter().filter(|p| **p == Point::No).count();
        let json = serde_json::to_string(&points).map_err(|e| StoreError::Odd(e.to_string()))?;
        self.conn.execute(
            "INSERT INTO sample_step (sample_id, n, step, points, words, due_ms, actor, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                sample,
                n,
                said.step.as_str(),
                json,
                said.words,
                said.due_ms,
                person(&event.actor),
                self.now_ms()
            ],
        )?;
        let event = event.clip(drawn.clip).fact("sample", sample).fact("n", n).fact("due_ms", said.due_ms);
        self.log(&event.fact("flaws", flaws).secret("words", said.words.as_str()).secret("points", json))?;
        self.changed(Change::Cases);
        let after = self.read().drawn(sample)?.into_iter().find(|d| d.n == n);
        Ok(after.map_or(Standing::Open, |d| d.standing().0))
    }
}

impl Reader<'_> {
    /// Clips of a period that a sample may be drawn of, by unit; an empty one stands for those of which nobody knows it.
    pub fn populations(&self, span_ms: (i64, i64)) -> Result<BTreeMap<String, Vec<ClipId>>> {
        let units = self.units()?;
        let mut statement = self.conn.prepare_cached(
            "SELECT clip_id, officer FROM clip_report WHERE captured_ms >= ?1 AND captured_ms < ?2 AND isolated_ms IS NULL ORDER BY clip_id",
        )?;
        let rows = statement.query_map(params![span_ms.0, span_ms.1], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, Option<String>>(1)?))
        })?;
        let mut found: BTreeMap<String, Vec<ClipId>> = BTreeMap::new();
        for row in rows {
            let (clip, officer) = row?;
            let unit = units.of(officer.as_deref()).unwrap_or_default();
            found.entry(unit.to_owned()).or_default().push(clip.parse()?);
        }
        Ok(found)
    }

    /// One sample.
    pub fn sample(&self, sample: i64) -> Result<SampleRow> {
        let sql = format!("SELECT {COLUMNS} FROM sample WHERE sample_id = ?1");
        let found = self.conn.prepare_cached(&sql)?.query_row([sample], |r| Ok(row(r))).optional()?;
        found.unwrap_or_else(|| Err(StoreError::NotFound(Why::NoSample { sample })))
    }

    /// Samples, newest first, at most `limit`; of one period, or of all. Whoever is bound to a unit sees those of it.
    pub fn samples(&self, period: Option<&str>, bounded: &Within, limit: u32) -> Result<Vec<SampleRow>> {
        self.samples_below(period, None, bounded, None, limit)
    }

    /// The same below a number, and of one unit where that is asked.
    pub fn samples_below(
        &self,
        period: Option<&str>,
        of_unit: Option<&str>,
        bounded: &Within,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<SampleRow>> {
        let all = all_of_it(bounded);
        let unit = self.unit_within(bounded)?.filter(|u| !u.is_empty());
        let sql = format!(
            "SELECT {COLUMNS} FROM sample WHERE root IS NOT NULL AND (?1 IS NULL OR period = ?1) AND (?2 OR unit = ?3)
               AND (?5 IS NULL OR unit = ?5) AND sample_id < ?6 ORDER BY sample_id DESC LIMIT ?4"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params![period, all, unit, limit, of_unit, below.unwrap_or(i64::MAX)])?;
        let mut found = Vec::new();
        while let Some(r) = rows.next()? {
            found.push(row(r)?);
        }
        Ok(found)
    }

    /// Every drawn clip as far as the ranking of units asks; of one period, or of all.
    pub fn ranked(&self, period: Option<&str>, bounded: &Within) -> Result<Vec<Drawn>> {
        let mut all = Vec::new();
        for sample in self.samples(period, bounded, u32::MAX)? {
            for clip in self.drawn(sample.sample)? {
                let (standing, judged) = clip.standing();
                let flaws = judged.map_or(0, |j| j.points.iter().filter(|p| **p == Point::No).count() as u64);
                all.push(Drawn { unit: sample.unit.clone(), standing, flaws, due_ms: clip.due_ms() });
            }
        }
        Ok(all)
    }

    /// Among which a sample was drawn.
    pub fn population(&self, sample: i64) -> Result<Vec<ClipId>> {
        let sql = "SELECT population FROM sample WHERE sample_id = ?1";
        let text: Option<String> = self.conn.query_row(sql, [sample], |r| r.get(0)).optional()?;
        text.unwrap_or_default().lines().map(|id| Ok(id.parse()?)).collect()
    }

    /// The clips of a sample, in the order of the draw.
    pub fn drawn(&self, sample: i64) -> Result<Vec<DrawnClip>> {
        let mut statement =
            self.conn.prepare_cached("SELECT n, clip_id FROM sample_clip WHERE sample_id = ?1 ORDER BY n")?;
        let rows = statement.query_map([sample], |r| Ok((r.get::<_, u32>(0)?, r.get::<_, String>(1)?)))?;
        let mut drawn = rows
            .map(|row| {
                let (n, clip) = row?;
                Ok(DrawnClip { n, clip: clip.parse()?, steps: Vec::new() })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut statement = self.conn.prepare_cached(
            "SELECT n, step, points, words, due_ms, actor, at_ms FROM sample_step WHERE sample_id = ?1 ORDER BY step_id",
        )?;
        let mut rows = statement.query([sample])?;
        while let Some(r) = rows.next()? {
            let (n, step, points): (u32, String, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let odd = || StoreError::Odd(format!("step {step:?} of a sample"));
            let words: Vec<String> = serde_json::from_str(&points).map_err(|_| odd())?;
            let points = words.iter().map(|w| Point::parse(w).ok_or_else(odd)).collect::<Result<_>>()?;
            let step = SampleStep {
                said: Said {
                    step: Step::parse(&step).ok_or_else(odd)?,
                    points,
                    words: r.get(3)?,
                    due_ms: r.get(4)?,
                    at_ms: r.get(6)?,
                },
                by: actor(&r.get::<_, String>(5)?),
            };
            if let Some(clip) = drawn.iter_mut().find(|d| d.n == n) {
                clip.steps.push(step);
            }
        }
        Ok(drawn)
    }
}
