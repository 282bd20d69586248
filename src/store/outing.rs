//! Outings: which clips around one are of the same, of its own recorder and of partners who were there too;
//! `covered` says which of them a decision about it covers.
//!
//! Of its own recorder an outing goes on until a longer pause, or until another officer has it; where the recorder is handed
//! out, a clip of which nobody knows whose it is belongs to nobody's. A partner's clip belongs to it
//! where it and one of these are together ([`domain::outing`](crate::domain::outing)); it leads to no further ones, so that
//! nobody gets in by a chain of strangers.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, ToSql, params};

use super::{Reader, Result, StoreError};
use crate::domain::event::Actor;
use crate::domain::identity::people;
use crate::domain::ids::ClipId;
use crate::domain::outing::{CLOCK_MS, DOUBTFUL, Scene, Together};
use crate::domain::place::wgs84;
use crate::domain::record::{Fact, Field, Origin, settle};
use crate::domain::recorder::recorder_key;
use crate::domain::register::{Entry, name_key};

mod covered;

pub use covered::OneYes;

/// An outing lasts no longer.
pub const OUTING_MS: i64 = 12 * 3_600_000;
/// Nobody records in one file for longer; what began earlier is over.
const LONGEST_MS: i64 = 6 * 3_600_000;
/// Clips of others that are looked at, the nearest in time.
const CANDIDATES: u32 = 100;
/// Clips of the outing to which each of them is compared, the nearest in time.
const COMPARED: usize = 30;
/// Cases of the register were opened within so many days of the outing, to say who went together.
const REGISTER_MS: i64 = 7 * 24 * 3_600_000;
/// Cases of those days that are looked at.
const REGISTERED: u32 = 1_000;
/// What was decided with one key is stored within this time.
const ONE_ACT_MS: i64 = 60_000;

/// Another clip of the same recorder, or of a partner who was there too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The clip.
    pub clip: ClipId,
    /// When capture began, milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// When it ended.
    pub end_ms: i64,
    /// No case that was opened has it; what there was before one may.
    pub unlinked: bool,
    /// Cases to which it is linked now, or what there was before one: key of the number, the number as displayed, who says
    /// so, and the score.
    pub cases: Vec<(String, String, String, u32)>,
    /// Who captured it with another recorder; `None` of the same recorder.
    pub partner: Option<String>,
}

/// What is known about a clip of which the outing is asked.
#[derive(Debug, Clone, Copy)]
pub struct OutingOf<'a> {
    /// The clip.
    pub clip: ClipId,
    /// Its recorder.
    pub recorder: &'a str,
    /// What is said about it, stored or not.
    pub facts: &'a [Fact],
    /// What the rules find odd about it.
    pub notes: &'a [String],
    /// When capture began, milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// When it ended.
    pub end_ms: i64,
}

/// Clips around a stretch of time without a pause longer than `gap_ms` between one and the next.
pub fn outing(clips: &[Neighbour], start_ms: i64, end_ms: i64, gap_ms: i64) -> &[Neighbour] {
    let split = clips.partition_point(|c| c.start_ms < start_ms);
    let (mut first, mut last) = (split, split);
    let (mut begin, mut end) = (start_ms, end_ms);
    while first > 0 && begin - clips[first - 1].end_ms <= gap_ms {
        first -= 1;
        begin = begin.min(clips[first].start_ms);
    }
    while last < clips.len() && clips[last].start_ms - end <= gap_ms {
        end = end.max(clips[last].end_ms);
        last += 1;
    }
    &clips[first..last]
}

/// Whose clips a decision about these of the outing covers besides its own recorder's, and how many of each.
pub fn partners_among(around: &[Neighbour], covered: &[ClipId]) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for name in around.iter().filter(|n| covered.contains(&n.clip)).filter_map(|n| n.partner.as_ref()) {
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, n)) => *n += 1,
            None => found.push((name.clone(), 1)),
        }
    }
    found
}

/// Who names somebody's company in one clip of those hours has them along in the others as well.
fn one_company<'a>(scenes: impl Iterator<Item = &'a mut Scene>) {
    let mut scenes: Vec<&mut Scene> = scenes.collect();
    let mut known: BTreeMap<BTreeSet<String>, BTreeSet<String>> = BTreeMap::new();
    for scene in &scenes {
        known.entry(scene.officers.clone()).or_default().extend(scene.company.iter().cloned());
    }
    for scene in scenes.iter_mut().filter(|s| s.company.is_empty()) {
        scene.company = known.get(&scene.officers).cloned().unwrap_or_default();
    }
}

/// Whoever is named as somebody's company was with them, though no clip of their own says so.
fn named_by_others(others: &mut [(Neighbour, Option<String>, Scene)]) {
    let teams: Vec<(BTreeSet<String>, BTreeSet<String>)> =
        others.iter().map(|(.., s)| (s.officers.clone(), s.company.clone())).collect();
    for (.., scene) in others.iter_mut().filter(|(.., s)| s.company.is_empty()) {
        let with = teams.iter().filter(|(_, company)| !company.is_disjoint(&scene.officers));
        scene.company = with.flat_map(|(officers, _)| officers.iter().cloned()).collect();
    }
}

impl Reader<'_> {
    /// Clips of a recorder whose capture began in `[from_ms, to_ms]`, in that order, this one left out: none of what is
    /// isolated, and none that another officer captured, since the recorder changed hands between them. Of a recorder that is
    /// handed out none of which nobody knows whose it is, either; and where nobody knows it of this one, or several had the
    /// recorder, only those of which nobody knows it.
    pub fn neighbours(
        &self,
        recorder: &str,
        (except, officer): (ClipId, Option<&str>),
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Neighbour>> {
        let several = || -> Result<bool> {
            let sql = "SELECT count(DISTINCT officer) > 1 FROM clip_index WHERE recorder_id = ?1 AND captured_start_ms BETWEEN ?2 AND ?3";
            Ok(self.conn.prepare_cached(sql)?.query_row(params![recorder, from_ms, to_ms], |r| r.get(0))?)
        };
        // Between two stays it was in a third pair of hands, for all that is known.
        let handed_out = self.is_handed_out(recorder, to_ms)?;
        // No officer is called nothing.
        let officer = if officer.is_none() && (handed_out || several()?) { Some("") } else { officer };
        let nobodys = !handed_out || officer.is_none_or(str::is_empty);
        let which = "i.recorder_id = ?1 AND i.captured_start_ms BETWEEN ?2 AND ?3 AND i.clip_id <> ?4 AND (?5 IS NULL OR i.officer = ?5 OR (i.officer IS NULL AND ?6))
               ORDER BY i.captured_start_ms, i.clip_id LIMIT 200";
        let found = self.listed(which, &[&recorder, &from_ms, &to_ms, &except.to_string(), &officer, &nobodys])?;
        Ok(found.into_iter().map(|(clip, _)| clip).collect())
    }

    /// Whether desk or roster gave the recorder to anybody by then.
    fn is_handed_out(&self, recorder: &str, until_ms: i64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM issue WHERE recorder = ?1 AND from_ms <= ?2 AND undone_ms IS NULL)
               OR EXISTS (SELECT 1 FROM roster WHERE recorder = ?1 AND from_ms <= ?2)";
        Ok(self.conn.prepare_cached(sql)?.query_row(params![recorder_key(recorder), until_ms], |r| r.get(0))?)
    }

    /// Clips with their links in one query: an outing is looked at for each of its clips. `which` narrows `clip_index i`.
    fn listed(&self, which: &str, values: &[&dyn ToSql]) -> Result<Vec<(Neighbour, Option<String>)>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT n.clip_id, n.start_ms, n.length_ms, f.kind, l.case_key, a.display, l.origin, l.score, n.officer
             FROM (SELECT i.clip_id, i.captured_start_ms AS start_ms, coalesce(m.duration_ms, 0) AS length_ms, i.officer, instr(',' || i.missing || ',', ',case_no,') = 0 AS linked
               FROM clip_index i JOIN clip c ON c.clip_id = i.clip_id LEFT JOIN media m ON m.clip_id = i.clip_id
               WHERE c.role IN ('clip', 'other') AND c.isolated_ms IS NULL AND {which}) n
             LEFT JOIN case_link l ON n.linked AND l.clip_id = n.clip_id AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
             LEFT JOIN case_alias a ON a.case_key = l.case_key LEFT JOIN case_file f ON f.case_id = l.case_id
             ORDER BY n.start_ms, n.clip_id, f.kind = 'case' DESC, l.origin = 'person' DESC, l.link_id"
        ))?;
        let mut rows = statement.query(values)?;
        let mut found: Vec<(Neighbour, Option<String>)> = Vec::new();
        let mut last = String::new();
        while let Some(r) = rows.next()? {
            let id: String = r.get(0)?;
            if id != last {
                let (clip, start_ms, length_ms): (ClipId, i64, i64) = (id.parse()?, r.get(1)?, r.get(2)?);
                let end_ms = start_ms.saturating_add(length_ms);
                let cases = Vec::new();
                found.push((Neighbour { clip, start_ms, end_ms, unlinked: true, cases, partner: None }, r.get(8)?));
                last = id;
            }
            let (Some((clip, _)), Some(kind)) = (found.last_mut(), r.get::<_, Option<String>>(3)?) else { continue };
            // Cases come first; once there is one, what there was before it says no more about the others.
            if kind == "case" {
                clip.unlinked = false;
            } else if !clip.unlinked {
                continue;
            }
            clip.cases.push((r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?));
        }
        Ok(found)
    }

    /// Clips that others captured with their own recorders on the outing of this one, in the order of capture; `own` are
    /// the outing's clips of its own recorder.
    pub fn partners(&self, asked: &OutingOf<'_>, own: &[Neighbour], gap_ms: i64) -> Result<Vec<Neighbour>> {
        let settled = settle(asked.facts);
        let Some(officer) = settled.get(&Field::Officer).map(|f| f.value.clone()) else { return Ok(Vec::new()) };
        let ours = self.scene(asked, &settled)?;
        if !ours.can_be_shared() {
            return Ok(Vec::new());
        }
        let first = own.iter().map(|n| n.start_ms).min().unwrap_or(ours.start_ms).min(ours.start_ms);
        let last = own.iter().map(|n| n.end_ms).max().unwrap_or(ours.end_ms).max(ours.end_ms);
        let (from_ms, to_ms) = (first.saturating_sub(gap_ms), last.saturating_add(gap_ms));
        let which = format!(
            "i.captured_start_ms BETWEEN ?1 AND ?2 AND i.captured_start_ms + coalesce(m.duration_ms, 0) >= ?3 AND i.clip_id <> ?4
               AND i.recorder_id <> ?5 AND i.officer IS NOT NULL AND i.officer <> ?6
               ORDER BY abs(i.captured_start_ms - ?7), i.clip_id LIMIT {CANDIDATES}"
        );
        let (clip, began) = (asked.clip.to_string(), from_ms.saturating_sub(LONGEST_MS));
        let values: [&dyn ToSql; 7] = [&began, &to_ms, &from_ms, &clip, &asked.recorder, &officer, &ours.start_ms];
        let candidates = self.listed(&which, &values)?;
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        let mut near: Vec<&Neighbour> = own.iter().collect();
        near.sort_by_key(|n| n.start_ms.abs_diff(ours.start_ms));
        let mut scenes = vec![ours];
        for n in near.into_iter().take(COMPARED) {
            scenes.extend(self.scene_of(n)?);
        }
        one_company(scenes.iter_mut());
        let mut others: Vec<(Neighbour, Option<String>, Scene)> = Vec::new();
        for (candidate, name) in candidates {
            let adjoins = |s: &Scene| {
                let (start_ms, end_ms) = (candidate.start_ms, candidate.end_ms);
                s.adjoins(&Scene { start_ms, end_ms, ..Scene::default() }, gap_ms)
            };
            if scenes.iter().any(adjoins)
                && let Some(theirs) = self.scene_of(&candidate)?
            {
                others.push((candidate, name, theirs));
            }
        }
        one_company(others.iter_mut().map(|(.., scene)| scene));
        named_by_others(&mut others);
        let mut registered = None;
        let mut found = Vec::new();
        for (candidate, name, theirs) in others {
            let said: Vec<Together> = scenes.iter().map(|s| s.together(&theirs, gap_ms)).collect();
            let mut is_partner = said.contains(&Together::Yes);
            // Which case it was is in no fact yet, but who went out for one stands in the register.
            if !is_partner && said.contains(&Together::Unsaid) {
                let teams = match registered.take() {
                    Some(teams) => teams,
                    None => self.teams_about(scenes[0].start_ms)?,
                };
                let is_one_team = |team: &BTreeSet<String>, s: &Scene| {
                    !team.is_disjoint(&s.officers) && !team.is_disjoint(&theirs.officers)
                };
                let mut unsaid = scenes.iter().zip(&said).filter(|(_, said)| **said == Together::Unsaid);
                is_partner = unsaid.any(|(s, _)| teams.iter().any(|team| is_one_team(team, s)));
                registered = Some(teams);
            }
            if is_partner {
                found.push(Neighbour { partner: name, ..candidate });
            }
        }
        found.sort_by_key(|n| (n.start_ms, n.clip));
        Ok(found)
    }

    /// What is known about a clip of which the facts are stored; `None` where nobody knows who captured it.
    fn scene_of(&self, n: &Neighbour) -> Result<Option<Scene>> {
        let (facts, notes) = (self.facts(n.clip)?, self.notes(n.clip)?);
        let recorder = self.clip(n.clip)?.recorder;
        let asked = OutingOf {
            clip: n.clip,
            recorder: &recorder,
            facts: &facts,
            notes: &notes,
            start_ms: n.start_ms,
            end_ms: n.end_ms,
        };
        let scene = self.scene(&asked, &settle(&facts))?;
        Ok(Some(scene).filter(Scene::can_be_shared))
    }

    fn scene(&self, asked: &OutingOf<'_>, settled: &BTreeMap<Field, Fact>) -> Result<Scene> {
        let text = |field: Field| settled.get(&field).map(|f| f.value.as_str());
        let officer = text(Field::Officer).unwrap_or_default();
        // Where one text names several, the first has the recorder.
        let mut named = people(officer);
        named.sort_by_key(|name| officer.find(name.as_str()));
        let (mut officers, mut company) = (BTreeSet::new(), BTreeSet::new());
        for (n, name) in named.iter().enumerate() {
            let known = self.aliases_of(name)?;
            if n == 0 { officers.extend(known) } else { company.extend(known) }
        }
        for name in people(text(Field::CoOfficers).unwrap_or_default()) {
            company.extend(self.aliases_of(&name)?);
        }
        company.retain(|name| !officers.contains(name));
        let degrees = |field: Field| text(field).and_then(|t| t.parse::<f64>().ok());
        let position = degrees(Field::Lat).zip(degrees(Field::Lon)).map(|at| wgs84(at, text(Field::Datum)));
        Ok(Scene {
            start_ms: asked.start_ms,
            end_ms: asked.end_ms,
            is_timed: self.is_timed(asked, settled.get(&Field::CapturedStart))?,
            officers,
            company,
            cases: self.handed_out_for(asked.recorder, asked.start_ms)?,
            party: text(Field::PartyRef).map(name_key),
            place: text(Field::Place).map(str::to_owned),
            position,
        })
    }

    /// Whether nothing speaks against the time of a clip: a person set it right, or its recorder's clock is not known to be off.
    fn is_timed(&self, asked: &OutingOf<'_>, start: Option<&Fact>) -> Result<bool> {
        if start.is_some_and(|f| f.origin == Origin::Person) {
            return Ok(true);
        }
        let is_doubtful = |note: &String| DOUBTFUL.iter().any(|code| note.ends_with(&format!(": {code}")));
        if asked.notes.iter().any(is_doubtful) {
            return Ok(false);
        }
        let offset_ms: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT d.clock_offset_ms FROM sighting s JOIN dock d ON d.dock_id = s.dock_id
                 WHERE s.clip_id = ?1 AND d.clock_offset_ms IS NOT NULL ORDER BY s.seen_ms LIMIT 1",
            )?
            .query_row([asked.clip.to_string()], |r| r.get(0))
            .optional()?;
        Ok(offset_ms.is_none_or(|ms| ms.abs() <= CLOCK_MS))
    }

    /// Every name and number by which the register knows whoever is called so; what it does not know is known by itself.
    fn aliases_of(&self, name: &str) -> Result<Vec<String>> {
        let known = self.officer_at(name, None)?;
        let names = known.map(|(entry, ..)| ["name", "number", "cert_no"].map(|c| entry.get(c).map(name_key)));
        Ok(names.map_or_else(|| vec![name_key(name)], |names| names.into_iter().flatten().collect()))
    }

    /// Keys of the cases for which desk or roster gave a recorder out at that time.
    fn handed_out_for(&self, recorder: &str, at_ms: i64) -> Result<BTreeSet<String>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT case_key FROM issue WHERE recorder = ?1 AND from_ms <= ?2 AND (to_ms IS NULL OR to_ms > ?2) AND undone_ms IS NULL AND case_key IS NOT NULL
             UNION SELECT json_extract(row, '$.case.key') FROM roster WHERE recorder = ?1 AND from_ms <= ?2 AND to_ms > ?2 AND json_extract(row, '$.case.key') IS NOT NULL",
        )?;
        let rows = statement.query_map(params![recorder_key(recorder), at_ms], |r| r.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// The officers of each registered case of those days.
    fn teams_about(&self, at_ms: i64) -> Result<Vec<BTreeSet<String>>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT entry FROM register_entry WHERE opened_ms BETWEEN ?1 AND ?2 AND +register = 'case' LIMIT ?3",
        )?;
        let (from_ms, to_ms) = (at_ms.saturating_sub(REGISTER_MS), at_ms.saturating_add(REGISTER_MS));
        let rows = statement.query_map(params![from_ms, to_ms, REGISTERED], |r| r.get::<_, String>(0))?;
        let mut teams = Vec::new();
        for row in rows {
            let entry: Entry =
                serde_json::from_str(&row?).map_err(|e| StoreError::Odd(format!("an entry of a register: {e}")))?;
            let mut team = BTreeSet::new();
            for officer in entry.list("officers") {
                team.extend(self.aliases_of(officer)?);
            }
            teams.push(team);
        }
        Ok(teams)
    }

    /// Every clip of the same outing, of partners too, in the order of capture, this one left out.
    pub fn outing_of(&self, clip: ClipId, gap_ms: i64) -> Result<Vec<Neighbour>> {
        let found: Option<(String, i64, Option<String>)> = self
            .conn
            .prepare_cached(
                "SELECT recorder_id, captured_start_ms, officer FROM clip_index WHERE clip_id = ?1 AND recorder_id IS NOT NULL AND captured_start_ms IS NOT NULL",
            )?
            .query_row([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .optional()?;
        let Some((recorder, start_ms, officer)) = found else { return Ok(Vec::new()) };
        let length_ms = self.media(clip)?.and_then(|m| m.facts.duration_ms).unwrap_or(0);
        let end_ms = start_ms.saturating_add(length_ms);
        let (from_ms, to_ms) = (start_ms.saturating_sub(OUTING_MS), end_ms.saturating_add(OUTING_MS));
        let around = self.neighbours(&recorder, (clip, officer.as_deref()), from_ms, to_ms)?;
        let mut all = outing(&around, start_ms, end_ms, gap_ms).to_vec();
        if officer.is_some() {
            let (facts, notes) = (self.facts(clip)?, self.notes(clip)?);
            let asked = OutingOf { clip, recorder: &recorder, facts: &facts, notes: &notes, start_ms, end_ms };
            let partners = self.partners(&asked, &all, gap_ms)?;
            all.extend(partners);
            all.sort_by_key(|n| (n.start_ms, n.clip));
        }
        Ok(all)
    }

    /// Of an outing as [`Reader::outing_of`] gives it: clips that are linked to no case; of those that have a reference from
    /// before a case, only those that share it.
    pub fn unlinked_among(&self, clip: ClipId, outing: &[Neighbour]) -> Result<Vec<ClipId>> {
        let ours: Vec<String> = self.links(clip)?.into_iter().map(|l| l.case_key).collect();
        let same = |n: &&Neighbour| n.unlinked && n.cases.iter().all(|(key, ..)| ours.contains(key));
        Ok(outing.iter().filter(same).map(|n| n.clip).collect())
    }

    /// Clips of the same outing that are linked to no case, this one left out.
    pub fn unlinked_of_outing(&self, clip: ClipId, gap_ms: i64) -> Result<Vec<ClipId>> {
        self.unlinked_among(clip, &self.outing_of(clip, gap_ms)?)
    }

    /// Clips of the outing about which this person decided together with this one, for the case of this number: what is
    /// taken back with it.
    pub fn decided_with(&self, clip: ClipId, gap_ms: i64, key: &str, by: &Actor) -> Result<Vec<ClipId>> {
        let Some(at_ms) = self.decided_at(clip, key, by)? else { return Ok(Vec::new()) };
        let mut same = Vec::new();
        for n in self.outing_of(clip, gap_ms)? {
            if self.decided_at(n.clip, key, by)?.is_some_and(|ms| ms.abs_diff(at_ms) <= ONE_ACT_MS.unsigned_abs()) {
                same.push(n.clip);
            }
        }
        Ok(same)
    }

    /// When this person linked a clip to the case of this number, or refused it, where that stands.
    fn decided_at(&self, clip: ClipId, key: &str, by: &Actor) -> Result<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT max(at_ms) FROM (
                   SELECT l.at_ms FROM case_link l JOIN case_alias a ON a.case_id = l.case_id
                   WHERE l.clip_id = ?1 AND a.case_key = ?2 AND l.withdrawn = 0 AND l.origin = 'person' AND l.actor = ?3
                     AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
                   UNION ALL SELECT s.decided_ms FROM suggestion s WHERE s.clip_id = ?1 AND s.state = 'refused' AND s.decided_by = ?3 AND (s.case_key = ?2
                     OR s.case_key IN (SELECT b.case_key FROM case_alias a JOIN case_alias b ON b.case_id = a.case_id WHERE a.case_key = ?2)))",
            )?
            .query_row(params![clip.to_string(), key, format!("{}:{}", by.kind, by.id)], |r| r.get(0))?)
    }
}

#[cfg(test)]
mod tests;
