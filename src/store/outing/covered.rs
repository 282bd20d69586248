//! What one yes for an outing covers. It is a person's word about each of the clips, so none is taken along that speaks against
//! it: not what somebody refused, not a clip for which another case is likelier, none of another place or party, and none in
//! hands that nobody knows.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{OptionalExtension, params};

use super::{OUTING_MS, Reader, Result, StoreError};
use crate::domain::ids::ClipId;
use crate::domain::outing::Whereabouts;
use crate::domain::place::wgs84;
use crate::domain::record::{Fact, Field, Origin, settle};
use crate::domain::register::name_key;

/// What is said of one clip, and is to be said of its outing.
#[derive(Debug, Clone, Copy)]
pub struct OneYes<'a> {
    /// The clip.
    pub clip: ClipId,
    /// Key of the case's number; `None` where none is named yet.
    pub key: Option<&'a str>,
    /// Where it was captured, as said with it.
    pub place: Option<&'a str>,
}

impl<'a> OneYes<'a> {
    /// Nothing is said beside the number.
    pub fn of(clip: ClipId, key: Option<&'a str>) -> Self {
        Self { clip, key, place: None }
    }
}

impl Reader<'_> {
    /// Clips of the outing that are linked to no case and that one yes covers.
    pub fn undecided_of_outing(&self, yes: &OneYes<'_>, gap_ms: i64) -> Result<Vec<ClipId>> {
        self.undecided_among(yes, self.unlinked_of_outing(yes.clip, gap_ms)?)
    }

    /// Those of these clips of its outing that one yes covers.
    pub fn undecided_among(&self, yes: &OneYes<'_>, clips: Vec<ClipId>) -> Result<Vec<ClipId>> {
        if clips.is_empty() || self.is_in_unknown_hands(yes.clip)? {
            return Ok(Vec::new());
        }
        let mut undecided = Vec::with_capacity(clips.len());
        for clip in clips {
            let refused = match yes.key {
                Some(key) => self.refused(clip, key)? || self.person_withdrew(clip, key)?,
                None => false,
            };
            if !refused && !self.is_likelier_elsewhere(clip, yes.key)? {
                undecided.push(clip);
            }
        }
        self.of_one_scene(yes, undecided)
    }

    /// Whether the recorder goes from hand to hand, and nobody knows in whose it was: what else nobody knows of may have been
    /// in other hands.
    fn is_in_unknown_hands(&self, clip: ClipId) -> Result<bool> {
        let sql = "SELECT recorder_id, captured_start_ms FROM clip_index WHERE clip_id = ?1 AND recorder_id IS NOT NULL AND officer IS NULL";
        let found: Option<(String, Option<i64>)> =
            self.conn.prepare_cached(sql)?.query_row([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        match found {
            Some((recorder, start)) => {
                self.is_handed_out(&recorder, start.map_or(i64::MAX, |ms| ms.saturating_add(OUTING_MS)))
            }
            None => Ok(false),
        }
    }

    /// Whether what is suggested most surely for a clip is another case than this number's.
    fn is_likelier_elsewhere(&self, clip: ClipId, key: Option<&str>) -> Result<bool> {
        let sql = "SELECT case_key FROM suggestion WHERE clip_id = ?1 AND state = 'open' ORDER BY score DESC, suggestion_id LIMIT 1";
        let best: Option<String> =
            self.conn.prepare_cached(sql)?.query_row([clip.to_string()], |r| r.get(0)).optional()?;
        let Some(best) = best else { return Ok(false) };
        let Some(key) = key else { return Ok(true) };
        if best == key {
            return Ok(false);
        }
        let case = self.case_id(key)?;
        Ok(case.is_none() || self.case_id(&best)? != case)
    }

    /// Those of these clips that nothing places elsewhere than the one, or at another party's. Where nobody knows that of the
    /// one, the register of its case says it; where that says nothing either, and the others are of several places or
    /// parties, none of them is taken along: nobody can tell of which it was.
    fn of_one_scene(&self, yes: &OneYes<'_>, clips: Vec<ClipId>) -> Result<Vec<ClipId>> {
        if clips.is_empty() {
            return Ok(clips);
        }
        let mut known = self.whereabouts(clips.iter().chain([&yes.clip]))?;
        let mut here = known.remove(&yes.clip).unwrap_or_default();
        if let Some(place) = yes.place {
            here.place = Some(place.to_owned());
        }
        if (!here.is_placed() || here.party.is_none())
            && let Some(case) = yes.key.map(|key| self.case_id(key)).transpose()?.flatten()
            && let Some(row) = self.case_entry(case)?
        {
            if !here.is_placed() {
                here.place = row.entry.get("place").map(str::to_owned);
                here.position = row.entry.position().map(|at| wgs84(at, row.entry.get("datum")));
            }
            here.party = here.party.or_else(|| row.entry.get("party").map(name_key));
        }
        let of = |clip: &ClipId| known.get(clip);
        let mut left: Vec<ClipId> =
            clips.into_iter().filter(|clip| of(clip).is_none_or(|there| !here.contradicts(there))).collect();
        let mut told = left.iter().filter_map(of);
        let place = told.clone().find(|w| w.is_placed());
        let several_places = place.is_some_and(|one| told.clone().any(|w| one.is_elsewhere(w)));
        let party = told.clone().find(|w| w.party.is_some());
        let several_parties = party.is_some_and(|one| told.any(|w| one.is_of_another_party(w)));
        left.retain(|clip| {
            of(clip).is_none_or(|there| {
                let unsure_place = !here.is_placed() && several_places && there.is_placed();
                let unsure_party = here.party.is_none() && several_parties && there.party.is_some();
                !unsure_place && !unsure_party
            })
        });
        Ok(left)
    }

    /// Where and at whose these clips were captured, in one query: an outing has many.
    fn whereabouts<'a>(&self, clips: impl Iterator<Item = &'a ClipId>) -> Result<HashMap<ClipId, Whereabouts>> {
        let ids: Vec<String> = clips.map(ToString::to_string).collect();
        let ids = serde_json::to_string(&ids).map_err(|e| StoreError::Odd(format!("clips of an outing: {e}")))?;
        let mut statement = self.conn.prepare_cached(
            "SELECT clip_id, field, value, origin, at_ms FROM fact
             WHERE clip_id IN (SELECT value FROM json_each(?1)) AND field IN ('place', 'party_ref', 'lat', 'lon', 'datum') ORDER BY clip_id, fact_id",
        )?;
        let mut rows = statement.query([ids])?;
        let mut facts: BTreeMap<ClipId, Vec<Fact>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (clip, field, origin): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
            let (Some(field), Some(origin)) = (Field::parse(&field), Origin::parse(&origin)) else { continue };
            facts.entry(clip.parse()?).or_default().push(Fact {
                field,
                value: row.get(2)?,
                origin,
                at_ms: row.get(4)?,
            });
        }
        let of = |facts: Vec<Fact>| {
            let mut settled = settle(&facts);
            let mut text = |field: Field| settled.remove(&field).map(|fact| fact.value);
            let mut degrees = |field: Field| text(field).and_then(|t| t.parse::<f64>().ok());
            let at = degrees(Field::Lat).zip(degrees(Field::Lon));
            Whereabouts {
                position: at.map(|at| wgs84(at, text(Field::Datum).as_deref())),
                place: text(Field::Place),
                party: text(Field::PartyRef).map(|party| name_key(&party)),
            }
        };
        Ok(facts.into_iter().map(|(clip, facts)| (clip, of(facts))).collect())
    }

    /// Whether the newest word about this clip and the case of this number is a person's withdrawal.
    fn person_withdrew(&self, clip: ClipId, key: &str) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM case_link l JOIN case_alias a ON a.case_id = l.case_id
                   WHERE l.clip_id = ?1 AND a.case_key = ?2 AND l.withdrawn = 1 AND l.origin = 'person'
                     AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id))",
            )?
            .query_row(params![clip.to_string(), key], |r| r.get(0))?)
    }
}
