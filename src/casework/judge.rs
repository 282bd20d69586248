//! What the rules make of one clip as the database has it: facts, a link that is sure, what waits for a person. Reads
//! only, so that the same look serves the clerk, who carries it out, and a dry run, which tells it.
//!
//! A person's decision outranks every rule: a clip that a person linked or unlinked gets no link from a rule, a case that a
//! person refused is not suggested again. Where two cases are almost equally likely, neither is linked. A rule's own link
//! is withdrawn where the same rule now says another case (the roster was corrected), and never because it fell silent.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;

use super::annotate::{ClipEvidence, Issue, ModifiedIs, Recorded, SuggestedLink, annotate, changes};
use super::case_index::CaseIndex;
use super::roster::{RosterRow, recorder_key};
use super::rules::{self, About, MARGIN, Rule};
use crate::config::Linking;
use crate::domain::case_number::NumberRule;
use crate::domain::evidence::Evidence;
use crate::domain::ids::{ClipId, RecorderId};
use crate::domain::place::wgs84;
use crate::domain::record::{Fact, Field, Origin, settle};
use crate::domain::register::Register;
use crate::domain::stream::Cause;
use crate::domain::time::{RecorderTime, UtcMs};
use crate::store::{
    ClipRow, LinkRequest, LinkRow, OUTING_MS, Policy, Reader, RecordingRow, Result, SegmentRow, Store, StoreError,
    Suggestion,
};

/// Clips that a dry run reads in one go.
const BATCH: u32 = 500;
/// Changes that a dry run spells out.
const TOLD: usize = 200;

/// The rules with what they need to know. Cheap to clone.
#[derive(Clone)]
pub struct Judge {
    /// Reads case numbers.
    pub rule: NumberRule,
    /// Zone in which instants of the station are written.
    pub zone: TimeZone,
    /// Defaults of the configuration.
    pub defaults: Vec<(Field, String)>,
    /// Rules as configured.
    pub linking: Linking,
    index: Arc<Mutex<Option<Kept>>>,
}

/// The register of cases as rules look at it, and of which version it is.
type Kept = ((i64, i64), Arc<CaseIndex>);

/// What the rules make of a clip.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// What is to be said anew.
    pub facts: Vec<(Field, Origin, String)>,
    /// What is odd, in words.
    pub notes: Vec<String>,
    /// The link that is sure, and whose it is.
    pub link: Option<(Rule, LinkRequest)>,
    /// Links of rules that are withdrawn: the case, and why.
    pub withdrawn: Vec<(i64, String)>,
    /// What waits for a person.
    pub suggestions: Vec<Suggestion>,
    /// Two cases are almost equally likely.
    pub conflict: bool,
    /// Anything of it is not stored yet.
    pub is_news: bool,
}

/// What a dry run over clips came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// Clips that were looked at.
    pub clips: u64,
    /// Clips that would be linked now.
    pub links: u64,
    /// Links of rules that would be withdrawn.
    pub withdrawals: u64,
    /// Clips for which something would wait.
    pub suggestions: u64,
    /// Of these, because two cases are almost equally likely.
    pub conflicts: u64,
    /// Links by rule.
    pub by_rule: Vec<(&'static str, u64)>,
    /// The first changes: clip, rule, number, score, reason, and whether it would be linked.
    pub told: Vec<(ClipId, Suggestion, bool)>,
}

impl Judge {
    /// Rules as configured.
    pub fn new(rule: NumberRule, policy: &Policy, defaults: Vec<(Field, String)>, linking: Linking) -> Self {
        Self { rule, zone: policy.zone.clone(), defaults, linking, index: Arc::default() }
    }

    /// The register of cases as rules look at it.
    fn index(&self, r: &Reader<'_>) -> Result<Arc<CaseIndex>> {
        let version = r.register_version()?;
        let mut kept = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, index)) = &*kept
            && *of == version
        {
            return Ok(Arc::clone(index));
        }
        let officers = r.entries(Register::Officer, None, u32::MAX)?;
        let parties = r.entries(Register::Party, None, u32::MAX)?;
        let index = Arc::new(CaseIndex::of(r.registered_cases()?, &officers, &parties));
        *kept = Some((version, Arc::clone(&index)));
        Ok(index)
    }

    /// Applies the rules to one clip.
    pub fn judge(&self, r: &Reader<'_>, clip: ClipId, now_ms: i64) -> Result<Judged> {
        let row = r.clip(clip)?;
        let evidence: Evidence =
            serde_json::from_str(&r.evidence(clip)?).map_err(|e| StoreError::Odd(e.to_string()))?;
        let said = r.facts(clip)?;
        let input = self.input(r, &row, evidence, &said)?;
        let roster = r
            .roster_of(&recorder_key(&row.recorder))?
            .iter()
            .map(|entry| serde_json::from_str(&entry.row).map_err(|e| StoreError::Odd(format!("a roster row: {e}"))))
            .collect::<Result<Vec<RosterRow>>>()?;
        let defaults = if row.owes_facts() { self.defaults.as_slice() } else { &[] };
        let found = annotate(&input, &roster, defaults, now_ms);
        let new = changes(&said, &found.facts, now_ms);
        let mut notes: Vec<String> = found.conflicts.iter().map(ToString::to_string).collect();
        notes.extend(found.odd_times.iter().map(|o| format!("{} {}: {}", o.origin.as_str(), o.raw, o.why.code())));
        let mut judged = Judged::default();
        if row.owes_facts() {
            let settled: Vec<Fact> = said.iter().chain(&new).cloned().collect();
            self.links(r, &row, &input, &settled, &found.links, now_ms, &mut judged, &mut notes)?;
        }
        judged.facts = new.into_iter().map(|f| (f.field, f.origin, f.value)).collect();
        judged.is_news = !judged.facts.is_empty()
            || judged.link.is_some()
            || !judged.withdrawn.is_empty()
            || r.notes(clip)? != notes
            || !self.is_stored(r, clip, &judged.suggestions)?;
        judged.notes = notes;
        Ok(judged)
    }

    fn is_stored(&self, r: &Reader<'_>, clip: ClipId, found: &[Suggestion]) -> Result<bool> {
        let open: Vec<Suggestion> =
            r.suggestions(clip)?.into_iter().filter(|s| s.state == "open").map(|s| s.said).collect();
        Ok(open.len() == found.len() && found.iter().all(|s| open.contains(s)))
    }

    /// Decides about links.
    #[allow(clippy::too_many_arguments)] // One step of `judge`, in a function of its own to be read alone.
    fn links(
        &self,
        r: &Reader<'_>,
        row: &ClipRow,
        input: &ClipEvidence,
        facts: &[Fact],
        by_desk: &[SuggestedLink],
        now_ms: i64,
        judged: &mut Judged,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let clip = row.clip;
        let standing = r.links(clip)?;
        let by_person = r.person_linked(clip)?;
        let year = UtcMs(now_ms).zoned(&self.zone).year();
        let of_case = standing.iter().any(|l| l.kind == "case");
        let mut found: Vec<(Rule, Suggestion)> =
            by_desk.iter().map(|l| self.of_desk(l)).filter(|(_, s)| s.score > 0).collect();
        found.extend(self.of_rules(r, row, input, facts, &standing, year)?);

        judged.withdrawn = replaced(&standing, by_desk);
        let replaced: Vec<i64> = judged.withdrawn.iter().map(|(case, _)| *case).collect();
        let elsewhere = standing.iter().any(|l| l.kind == "case" && !replaced.contains(&l.case_id));
        // What a person took a decision back about waits for them again.
        let known = r.suggestions(clip)?;
        let reopened = |key: &str| known.iter().any(|s| s.state == "open" && s.said.case_key == key);
        // One suggestion a case, whatever number of it a rule found.
        let mut kept: Vec<(Option<i64>, Rule, Suggestion)> = Vec::new();
        found.sort_by_key(|(_, said)| std::cmp::Reverse(said.score));
        for (rule, said) in found {
            let case = r.case_id(&said.case_key)?;
            let is_linked = standing.iter().any(|l| Some(l.case_id) == case && !replaced.contains(&l.case_id));
            let twice = kept.iter().any(|(c, _, s)| s.case_key == said.case_key || (c.is_some() && *c == case));
            if is_linked || twice || r.refused(clip, &said.case_key)? {
                continue;
            }
            if reopened(&said.case_key) && r.person_decided(clip, &said.case_key)? {
                kept.push((case, rule, said));
                continue;
            }
            if r.person_decided(clip, &said.case_key)? {
                continue;
            }
            // Once its case is known, guesses are over; and nobody is asked again whom they contradict.
            let guess = matches!(rule, Rule::Neighbour | Rule::Register | Rule::Place);
            if (guess && (of_case || by_person)) || (by_person && said.score < self.linking.link_score) {
                continue;
            }
            kept.push((case, rule, said));
        }
        let best = kept.first().map(|(_, rule, said)| (*rule, said.clone()));
        if let Some((rule, said)) = best
            && said.score >= self.linking.link_score
        {
            judged.conflict = kept.get(1).is_some_and(|(_, _, second)| second.score + MARGIN > said.score);
            let sure = !by_person && !judged.conflict && (!elsewhere || rule == Rule::Earlier);
            match self.rule.parse(&said.raw, year) {
                Ok(number) if sure => {
                    let link = LinkRequest {
                        clip,
                        number,
                        rule_version: self.rule.version,
                        range_ms: (None, None),
                        stage: said.stage.clone(),
                        matter: said.matter.clone(),
                        proves: said.proves.clone(),
                        origin: origin_of(rule),
                        score: said.score,
                        reason: Some(said.reason.clone()),
                    };
                    judged.link = Some((rule, link));
                    kept.remove(0);
                }
                Ok(_) => {}
                Err(e) => {
                    notes.push(format!("{} case {}: {e}", rule.as_str(), said.raw));
                    kept.remove(0);
                }
            }
        }
        if judged.link.is_none() {
            // What replaces a link must be there before that goes.
            judged.withdrawn.clear();
        }
        judged.suggestions = kept.into_iter().map(|(_, _, said)| said).collect();
        Ok(())
    }

    fn of_desk(&self, link: &SuggestedLink) -> (Rule, Suggestion) {
        let rule = match link.origin {
            Origin::Recording => Rule::Recording,
            Origin::Issue => Rule::Desk,
            _ => Rule::Roster,
        };
        let said = Suggestion {
            case_key: link.case_key.clone(),
            raw: link.case_raw.clone(),
            rule: rule.as_str().to_owned(),
            score: link.score.min(rule.most(&self.linking)),
            reason: link.reason.clone(),
            stage: link.stage.clone(),
            matter: link.matter.clone(),
            proves: link.proves.clone(),
        };
        (rule, said)
    }

    /// What the other rules say.
    fn of_rules(
        &self,
        r: &Reader<'_>,
        row: &ClipRow,
        input: &ClipEvidence,
        facts: &[Fact],
        standing: &[LinkRow],
        year: i16,
    ) -> Result<Vec<(Rule, Suggestion)>> {
        let settled = settle(facts);
        let text = |field: Field| settled.get(&field).map(|f| f.value.as_str());
        let time = |field: Field| text(field).and_then(UtcMs::parse_rfc3339).map(|t| t.0);
        let index = self.index(r)?;
        let (start_ms, end_ms) = (time(Field::CapturedStart), time(Field::CapturedEnd));
        let people = [text(Field::Officer), text(Field::CoOfficers)].into_iter().flatten();
        let officers: Vec<String> = people
            .flat_map(|p| p.split(['、', ',', '，', ';', '；']))
            .map(str::trim)
            .filter(|p| !p.is_empty())
            .flat_map(|p| index.names_of(p))
            .collect();
        let position = match (text(Field::Lat).map(str::parse::<f64>), text(Field::Lon).map(str::parse::<f64>)) {
            (Some(Ok(lat)), Some(Ok(lon))) => Some(wgs84((lat, lon), text(Field::Datum))),
            _ => None,
        };
        let neighbours = match start_ms {
            Some(start) if standing.is_empty() => {
                let end = end_ms.unwrap_or(start);
                r.neighbours(&row.recorder, row.clip, start.saturating_sub(OUTING_MS), end.saturating_add(OUTING_MS))?
            }
            _ => Vec::new(),
        };
        let name = row.path.file_name();
        let mut texts = vec![("file's name", name.as_str())];
        let said = [Field::Title, Field::Matter, Field::Proves, Field::Cause, Field::PartyRef];
        texts.extend(input.sidecar.iter().filter(|(f, _)| said.contains(f)).map(|(_, v)| ("sidecar", v.as_str())));
        let mut after = Vec::new();
        for link in standing.iter().filter(|l| l.kind == "inspection" || l.kind == "on_the_spot") {
            let cases = r.cases_after(&link.case_key)?;
            let cases = cases.iter().filter_map(|c| index.case(&c.key)).collect::<Vec<_>>();
            if !cases.is_empty() {
                after.push((link.display.clone(), cases));
            }
        }
        let about = About {
            start_ms,
            end_ms,
            officers,
            place: text(Field::Place),
            party: text(Field::PartyRef),
            position,
            texts,
            neighbours: &neighbours,
            after,
        };
        let found = rules::suggest(&about, &index, &self.linking, &self.rule, year, &self.zone);
        let rule_of = |word: &str| Rule::ALL.into_iter().find(|r| r.as_str() == word).unwrap_or(Rule::Place);
        Ok(found.into_iter().map(|said| (rule_of(&said.rule), said)).collect())
    }

    /// All that is known about a clip before anybody has said anything.
    fn input(&self, r: &Reader<'_>, row: &ClipRow, evidence: Evidence, said: &[Fact]) -> Result<ClipEvidence> {
        let clip = row.clip;
        let media = r.media(clip)?.map(|m| m.facts).unwrap_or_default();
        let issues = r
            .issues_of(&recorder_key(&row.recorder))?
            .into_iter()
            .map(|i| Issue {
                id: i.id,
                officer: i.officer,
                case: i.case,
                place: i.place,
                matter: i.matter,
                from_ms: i.from_ms,
                to_ms: i.to_ms,
            })
            .collect();
        let recording = match (r.segment(clip)?, r.recording_of(clip)?) {
            // What was fetched is annotated like what any recorder brings.
            (Some(segment), Some(recording)) if recording.asked.cause != Cause::Pull => {
                Some(recorded(&segment, recording))
            }
            _ => None,
        };
        let corrected =
            settle(said).get(&Field::CapturedStart).filter(|f| f.origin == Origin::Person).map(|f| f.value.clone());
        Ok(ClipEvidence {
            recorder: RecorderId::new(&row.recorder)?,
            captures: evidence.captures,
            named: evidence.named.map(|(raw, ms, offset_s)| RecorderTime { raw, at: UtcMs(ms), offset_s }),
            // A stream is dated by the station's clock, in the station's zone.
            zone: match recording {
                Some(_) => self.zone.clone(),
                None => TimeZone::get(&evidence.zone).unwrap_or(TimeZone::UTC),
            },
            modified_raw: row.modified_raw.clone(),
            modified_ms: row.modified_ms,
            modified_is: match evidence.modified_is.as_str() {
                "end" => ModifiedIs::End,
                "start" => ModifiedIs::Start,
                _ => ModifiedIs::Unknown,
            },
            duration_ms: media.duration_ms,
            created_ms: media.created_ms,
            sidecar: fields(evidence.sidecar),
            binding: fields(evidence.binding),
            docked_ms: evidence.docked_ms,
            corrected_start_ms: corrected.and_then(|c| UtcMs::parse_rfc3339(&c)).map(|t| t.0),
            issues,
            recording,
        })
    }

    /// Says what the rules would do to every sealed clip, and does none of it. Blocks.
    pub fn try_rules(&self, store: &Store, now_ms: i64) -> Result<Tried> {
        let mut tried = Tried::default();
        let mut by_rule = [0u64; Rule::ALL.len()];
        let mut after = None;
        loop {
            let batch = store.read_blocking(|r| {
                let clips = r.sealed_after(after, BATCH)?;
                clips.into_iter().map(|clip| Ok((clip, self.judge(r, clip, now_ms)?))).collect::<Result<Vec<_>>>()
            })?;
            let Some((last, _)) = batch.last() else { break };
            after = Some(*last);
            for (clip, found) in batch {
                tried.clips += 1;
                tried.withdrawals += found.withdrawn.len() as u64;
                tried.conflicts += u64::from(found.conflict);
                let open = found.suggestions.first().filter(|_| found.is_news);
                tried.suggestions += u64::from(open.is_some());
                if let Some((rule, _)) = &found.link {
                    tried.links += 1;
                    by_rule[Rule::ALL.iter().position(|r| r == rule).unwrap_or(0)] += 1;
                }
                let linked = found.link.as_ref().map(|(rule, link)| (told(*rule, link), true));
                if let Some((said, is_link)) = linked.or_else(|| open.map(|s| (s.clone(), false)))
                    && tried.told.len() < TOLD
                {
                    tried.told.push((clip, said, is_link));
                }
            }
        }
        tried.by_rule = Rule::ALL.iter().zip(by_rule).filter(|(_, n)| *n > 0).map(|(r, n)| (r.as_str(), n)).collect();
        Ok(tried)
    }
}

/// Standing links of desk and roster for which the same origin now says another case.
fn replaced(standing: &[LinkRow], by_desk: &[SuggestedLink]) -> Vec<(i64, String)> {
    standing
        .iter()
        .filter(|link| [Origin::Issue, Origin::Roster, Origin::Recording].iter().any(|o| o.as_str() == link.origin))
        .filter_map(|link| {
            let now = by_desk.iter().find(|said| said.origin.as_str() == link.origin)?;
            let same = link.keys.contains(&now.case_key);
            (!same).then(|| (link.case_id, format!("the {} now says {}", link.origin, now.case_raw)))
        })
        .collect()
}

fn origin_of(rule: Rule) -> Origin {
    match rule {
        Rule::Recording => Origin::Recording,
        Rule::Desk => Origin::Issue,
        Rule::Roster => Origin::Roster,
        _ => Origin::Rule,
    }
}

fn told(rule: Rule, link: &LinkRequest) -> Suggestion {
    Suggestion {
        case_key: link.number.key().to_owned(),
        raw: link.number.display().to_owned(),
        rule: rule.as_str().to_owned(),
        score: link.score,
        reason: link.reason.clone().unwrap_or_default(),
        stage: link.stage.clone(),
        matter: link.matter.clone(),
        proves: link.proves.clone(),
    }
}

/// What was said when a recording was begun, as facts about a segment of it.
fn recorded(segment: &SegmentRow, recording: RecordingRow) -> Recorded {
    let asked = recording.asked;
    let said = [
        (Field::Place, Some(asked.room)),
        (Field::Officer, asked.officer),
        (Field::CoOfficers, asked.co_officers),
        (Field::Matter, asked.matter),
        (Field::Proves, asked.proves),
    ];
    Recorded {
        station_ms: segment.station_ms,
        source_ms: segment.source_ms,
        case: asked.case,
        said: said.into_iter().filter_map(|(field, value)| Some((field, value?))).collect(),
    }
}

fn fields(pairs: Vec<(String, String)>) -> Vec<(Field, String)> {
    pairs.into_iter().filter_map(|(name, value)| Some((Field::parse(&name)?, value))).collect()
}
