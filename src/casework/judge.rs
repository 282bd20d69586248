//! What the rules make of one clip as the database has it: facts, a link that is sure, what waits for a person. Reads
//! only, so that the same look serves the clerk, who carries it out, and a dry run, which tells it.
//!
//! A person's decision outranks every rule: a clip that a person linked or unlinked gets no link from a rule, a case that a
//! person refused is not suggested again, and what desk or roster say for another officer than the one whom a person named
//! only waits, and nothing else of it counts (`person`). Where two cases are almost equally likely, the roster names two, or
//! two sources that state facts (desk, roster, a number in a name, the register) name different ones, none is linked. A rule's
//! own link is withdrawn where the same rule now says another case (the roster was corrected), and one of the roster where no
//! row names its case any more: that case waits for a person (`silent`). No other rule takes back because it fell silent. A
//! clip of a filed case takes no changes at all from rules; that the roster now says otherwise is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::tz::TimeZone;

use super::annotate::{Annotations, ClipEvidence, Issue, SuggestedLink, annotate, changes};
use super::case_index::CaseIndex;
use super::roster::{RosterRow, recorder_key};
use super::rules::{self, About, MARGIN, Rule};
use crate::config::Linking;
use crate::domain::case_number::{CaseKind, NumberRule};
use crate::domain::event::Actor;
use crate::domain::evidence::Evidence;
use crate::domain::grounds::{ByRule, Ground, Grounds, Holder};
use crate::domain::ids::ClipId;
use crate::domain::place::wgs84;
use crate::domain::record::{Fact, Field, Origin, UNLIKE_FILED, settle};
use crate::domain::register::Register;
use crate::domain::time::UtcMs;
use crate::store::{
    Certificate, ClipRow, IssueRow, LinkRequest, LinkRow, OUTING_MS, OutingOf, Policy, Reader, Result, StoreError,
    Suggestion, SuggestionRow, Tx, outing,
};

mod evidence;
mod person;
mod silent;
mod trial;

use person::people;

pub use trial::Tried;

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
    pub withdrawn: Vec<(i64, Grounds)>,
    /// What waits for a person.
    pub suggestions: Vec<Suggestion>,
    /// Two cases are almost equally likely, or facts name different ones.
    pub conflict: bool,
    /// Anything of it is not stored yet.
    pub is_news: bool,
}

/// What is known about the clip whose links are decided about.
struct Of<'a> {
    row: &'a ClipRow,
    input: &'a ClipEvidence,
    facts: &'a [Fact],
    standing: &'a [LinkRow],
    roster: &'a [RosterRow],
    annotated: &'a Annotations,
    known: &'a [SuggestionRow],
    index: &'a CaseIndex,
    /// Some case that has it is filed.
    is_filed: bool,
}

/// What many clips share, for as long as one look at them lasts: it is read once.
#[derive(Default)]
struct Shared {
    recorders: HashMap<String, OfRecorder>,
    index: Option<Arc<CaseIndex>>,
}

/// What is known about a recorder.
struct OfRecorder {
    issues: Arc<[Issue]>,
    roster: Arc<[RosterRow]>,
}

impl Shared {
    /// The register of cases, the same for every clip of the look.
    fn index_of(&mut self, judge: &Judge, r: &Reader<'_>) -> Result<Arc<CaseIndex>> {
        Ok(match &self.index {
            Some(index) => Arc::clone(index),
            None => Arc::clone(self.index.insert(judge.index(r)?)),
        })
    }

    fn of_recorder(&mut self, r: &Reader<'_>, recorder: &str) -> Result<&OfRecorder> {
        // Looked up twice, since what is missing is read, and that may fail.
        if !self.recorders.contains_key(recorder) {
            let key = recorder_key(recorder);
            let row =
                |text: &str| serde_json::from_str(text).map_err(|e| StoreError::Odd(format!("a roster row: {e}")));
            let roster = r.roster_of(&key)?.iter().map(|entry| row(&entry.row)).collect::<Result<_>>()?;
            let issues = r.issues_of(&key)?.into_iter().map(issue).collect();
            self.recorders.insert(recorder.to_owned(), OfRecorder { issues, roster });
        }
        self.recorders.get(recorder).ok_or_else(|| StoreError::Odd(format!("recorder {recorder}")))
    }
}

fn issue(row: IssueRow) -> Issue {
    Issue {
        id: row.id,
        officer: row.officer,
        case: row.case,
        place: row.place,
        matter: row.matter,
        from_ms: row.from_ms,
        to_ms: row.to_ms,
    }
}

/// Whether what waits for a person is what was found.
fn is_stored(known: &[SuggestionRow], found: &[Suggestion]) -> bool {
    // What was decided about is not stored again.
    let decided = |key: &str| {
        known.iter().any(|k| k.said.case_key == key && matches!(&*k.state, "accepted" | "refused" | "linked"))
    };
    let wanted = || found.iter().filter(|said| !decided(&said.case_key));
    let open = || known.iter().filter(|s| s.state == "open");
    open().count() == wanted().count() && wanted().all(|said| open().any(|s| s.said == *said))
}

impl Judged {
    /// Does what was found: facts that are new, links that are withdrawn or made, and what waits for a person. `false`
    /// where all of it stands already.
    pub fn carry_out(&self, tx: &Tx<'_>, clip: ClipId) -> Result<bool> {
        if !self.is_news {
            return Ok(false);
        }
        let by = Actor::daemon();
        tx.add_facts(clip, &by, "daemon", &self.facts)?;
        for (case, reason) in &self.withdrawn {
            tx.withdraw_by_rule(clip, *case, reason, "daemon")?;
        }
        if let Some((_, link)) = &self.link {
            tx.link(link, &by, "daemon")?;
        }
        tx.suggest(clip, &self.suggestions)?;
        tx.set_notes(clip, &self.notes)?;
        Ok(true)
    }
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
        let index = CaseIndex::of(r.registered_cases()?, &officers, &parties).with_words_of(&r.catalogue_items()?);
        let index = Arc::new(index);
        *kept = Some((version, Arc::clone(&index)));
        Ok(index)
    }

    /// Applies the rules to one clip.
    pub fn judge(&self, r: &Reader<'_>, clip: ClipId, now_ms: i64) -> Result<Judged> {
        self.judge_among(r, &mut Shared::default(), clip, now_ms, true)
    }

    /// The same to one of many; what has no part in links is left out where they alone are asked for.
    fn judge_among(&self, r: &Reader<'_>, shared: &mut Shared, clip: ClipId, now_ms: i64, all: bool) -> Result<Judged> {
        let row = r.clip(clip)?;
        let evidence: Evidence =
            serde_json::from_str(&r.evidence(clip)?).map_err(|e| StoreError::Odd(e.to_string()))?;
        let said = r.facts(clip)?;
        let of_recorder = shared.of_recorder(r, &row.recorder)?;
        let input = self.input(r, &row, evidence, &said, Arc::clone(&of_recorder.issues))?;
        let roster = Arc::clone(&of_recorder.roster);
        let standing = r.links(clip)?;
        let mut is_filed = false;
        for link in &standing {
            is_filed |= r.is_filed(&link.case_key)?;
        }
        let defaults = if row.owes_facts() { self.defaults.as_slice() } else { &[] };
        let mut found = annotate(&input, &roster, defaults, now_ms);
        // Whichever way what a person said is taken into it.
        let is_unlike = is_filed && silent::says_otherwise(&said, &found, &roster, &standing);
        self.follow_person(r, shared, &roster, &said, &mut found)?;
        // What was filed was signed as it stood then: whoever wants it otherwise has the case re-opened.
        let mut new = if is_filed { Vec::new() } else { changes(&said, &found.facts, now_ms) };
        // Where a person decided about the clip, they saw whose it was said to be: that a clock is doubted takes none of it back.
        if found.is_clock_doubted() && self.is_decided(r, clip, &said)? {
            new.retain(|f| !(f.value.is_empty() && matches!(f.origin, Origin::Issue | Origin::Roster)));
        }
        if all && !is_filed {
            new.extend(certificate(r, &said, &new, now_ms)?);
        }
        let mut notes: Vec<String> = found.conflicts.iter().map(ToString::to_string).collect();
        notes.extend(found.odd_times.iter().map(|o| format!("{} {}: {}", o.origin.as_str(), o.raw, o.why.code())));
        notes.extend(found.passed_over.iter().map(|p| format!("{} {}: {}", p.origin.as_str(), p.said, p.why.code())));
        if is_unlike && silent::says_otherwise(&said, &found, &roster, &standing) {
            notes.push(format!("{}: {UNLIKE_FILED}", Origin::Roster.as_str()));
        }
        let mut judged = Judged::default();
        let known = r.suggestions(clip)?;
        if row.owes_facts() {
            let settled: Vec<Fact> = said.iter().chain(&new).cloned().collect();
            let index = shared.index_of(self, r)?;
            let of = Of {
                row: &row,
                input: &input,
                facts: &settled,
                standing: &standing,
                roster: &roster,
                annotated: &found,
                known: &known,
                index: &index,
                is_filed,
            };
            self.links(r, &of, now_ms, &mut judged, &mut notes)?;
        }
        judged.facts = new.into_iter().map(|f| (f.field, f.origin, f.value)).collect();
        judged.is_news = !judged.facts.is_empty()
            || judged.link.is_some()
            || !judged.withdrawn.is_empty()
            || r.notes(clip)? != notes
            || !is_stored(&known, &judged.suggestions);
        judged.notes = notes;
        Ok(judged)
    }

    /// Whether a person linked the clip, or said anything of it that stands.
    fn is_decided(&self, r: &Reader<'_>, clip: ClipId, said: &[Fact]) -> Result<bool> {
        Ok(settle(said).values().any(|fact| fact.origin == Origin::Person) || r.person_linked(clip)?.0)
    }

    /// Decides about links.
    fn links(
        &self,
        r: &Reader<'_>,
        of: &Of<'_>,
        now_ms: i64,
        judged: &mut Judged,
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let (clip, standing, annotated) = (of.row.clip, of.standing, of.annotated);
        let (by_person, case_by_person) = r.person_linked(clip)?;
        let year = UtcMs(now_ms).zoned(&self.zone).year();
        let of_case = standing.iter().any(|l| l.kind == "case");
        let by_desk = annotated.links.as_slice();
        // Of what roster rows dispute nothing is sure, whoever else speaks for one of them.
        let disputed = annotated.disputed.iter().map(|l| self.of_desk(l)).map(|(rule, mut said)| {
            said.score = said.score.min(self.linking.link_score.saturating_sub(1));
            (rule, said)
        });
        let mut found: Vec<(Rule, Suggestion)> =
            by_desk.iter().map(|l| self.of_desk(l)).chain(disputed).filter(|(_, s)| s.score > 0).collect();
        found.extend(self.of_rules(r, of, notes, year)?);
        let unnamed = if by_person { Vec::new() } else { silent::unnamed(of) };
        found.extend(silent::suggestions(r, of, &unnamed, self.linking.link_score)?.map(|said| (Rule::Roster, said)));

        judged.withdrawn = replaced(standing, by_desk);
        // A filed case takes no changes.
        for link in standing {
            let goes = judged.withdrawn.iter().any(|(case, _)| *case == link.case_id);
            if goes && r.is_filed(&link.case_key)? {
                judged.withdrawn.retain(|(case, _)| *case != link.case_id);
            }
        }
        let unnamed: Vec<i64> = unnamed.iter().map(|link| link.case_id).collect();
        let replaced: Vec<i64> =
            judged.withdrawn.iter().map(|(case, _)| *case).chain(unnamed.iter().copied()).collect();
        let elsewhere = standing.iter().any(|l| l.kind == "case" && !replaced.contains(&l.case_id));
        // What a person took a decision back about waits for them again.
        let reopened = |key: &str| of.known.iter().any(|s| s.state == "open" && s.said.case_key == key);
        let mut said_of: Vec<(Option<i64>, Rule, String, u32)> = Vec::new();
        for (rule, said) in &found {
            said_of.push((r.case_id(&said.case_key)?, *rule, said.case_key.clone(), said.score));
        }
        // What a source states of one case is no word against another one of which it says as much.
        let says_as_much = |rule: Rule, score: u32, case: Option<i64>, key: &str| {
            said_of.iter().any(|(c, of, k, s)| *of == rule && *s >= score && (k == key || (c.is_some() && *c == case)))
        };
        let linked: Vec<&LinkRow> =
            standing.iter().filter(|l| l.kind == "case" && !replaced.contains(&l.case_id)).collect();
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
            // Once its case is known, guesses are over; and nobody is asked again whom they contradict. Who named what there
            // was before a case (日常检查, an inspection task) said nothing about the case that may follow.
            let guess = matches!(rule, Rule::Neighbour | Rule::Register | Rule::Place);
            let settled = case_by_person && (guess || said.score < self.linking.link_score);
            // Beside a rule's link a fact that names another case is not passed over, nor is what the outing suggests: the
            // one waits for a person, the other is only told ([`crate::store::Reader::suggestions_waiting`]).
            let over = match rule {
                Rule::Place => of_case,
                Rule::Register => linked.iter().any(|l| says_as_much(rule, said.score, Some(l.case_id), &l.case_key)),
                _ => false,
            };
            if settled || over {
                continue;
            }
            kept.push((case, rule, said));
        }
        // By whichever of its numbers: one that another rule found names the disputed case as well.
        for link in &annotated.disputed {
            let case = r.case_id(&link.case_key)?;
            let same = |(of, _, open): &(Option<i64>, Rule, Suggestion)| {
                open.case_key == link.case_key || (case.is_some() && *of == case)
            };
            judged.conflict |= kept.iter().any(same);
        }
        let best = kept.first().map(|(_, rule, said)| (*rule, said.clone()));
        if let Some((rule, said)) = best
            && said.score >= self.linking.link_score
        {
            let case = r.case_id(&said.case_key)?;
            judged.conflict |= kept.iter().skip(1).any(|(_, of, other)| {
                let is_near = other.score + MARGIN > said.score;
                match (rule.states(), of.states()) {
                    // The company of other clips blocks no fact.
                    (true, false) => false,
                    (false, false) => is_near,
                    (_, true) => is_near || (*of != rule && !says_as_much(*of, other.score, case, &said.case_key)),
                }
            });
            // A filed case takes no changes: what would belong to it waits in triage.
            let filed = r.is_filed(&said.case_key)?;
            // Nor does a second case beside one that has the clip, whoever says so: that is a person's to see.
            let sure = !by_person && !filed && !judged.conflict && !elsewhere;
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
                    let is_case = link.number.kind() == CaseKind::Case;
                    judged.link = Some((rule, link));
                    kept.remove(0);
                    // As the next look will have it beside a case.
                    kept.retain(|(_, of, other)| match of {
                        _ if rule == Rule::Roster && silent::is_of_no_row(other) => false,
                        Rule::Place => !is_case,
                        Rule::Register => !is_case || !says_as_much(*of, other.score, case, &said.case_key),
                        _ => true,
                    });
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
        for case in unnamed {
            if judged.withdrawn.iter().all(|(withdrawn, _)| *withdrawn != case) {
                judged.withdrawn.push((case, Ground::NoRowNames {}.into()));
            }
        }
        judged.conflict |= kept.iter().any(|(_, _, said)| silent::is_of_no_row(said));
        judged.suggestions = kept.into_iter().map(|(_, _, said)| said).collect();
        Ok(())
    }

    fn of_desk(&self, link: &SuggestedLink) -> (Rule, Suggestion) {
        let rule = rule_of(link.origin);
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
    fn of_rules(&self, r: &Reader<'_>, of: &Of<'_>, notes: &[String], year: i16) -> Result<Vec<(Rule, Suggestion)>> {
        let (row, standing, index) = (of.row, of.standing, of.index);
        let settled = settle(of.facts);
        let text = |field: Field| settled.get(&field).map(|f| f.value.as_str());
        let time = |field: Field| text(field).and_then(UtcMs::parse_rfc3339).map(|t| t.0);
        let (start_ms, end_ms) = (time(Field::CapturedStart), time(Field::CapturedEnd));
        let named = [text(Field::Officer), text(Field::CoOfficers)].into_iter().flatten();
        let officers: Vec<String> = named.flat_map(people).flat_map(|p| index.names_of(p)).collect();
        let position = match (text(Field::Lat).map(str::parse::<f64>), text(Field::Lon).map(str::parse::<f64>)) {
            (Some(Ok(lat)), Some(Ok(lon))) => Some(wgs84((lat, lon), text(Field::Datum))),
            _ => None,
        };
        let (mut neighbours, mut partners) = (Vec::new(), Vec::new());
        if let Some(start) = start_ms.filter(|_| standing.is_empty()) {
            let end = end_ms.unwrap_or(start);
            let whose = (row.clip, text(Field::Officer));
            neighbours =
                r.neighbours(&row.recorder, whose, start.saturating_sub(OUTING_MS), end.saturating_add(OUTING_MS))?;
            let (clip, recorder, facts) = (row.clip, row.recorder.as_str(), of.facts);
            let about = OutingOf { clip, recorder, facts, notes, start_ms: start, end_ms: end };
            let gap_ms = self.linking.outing_gap.as_millis() as i64;
            partners = r.partners(&about, outing(&neighbours, start, end, gap_ms), gap_ms)?;
        }
        let name = row.path.file_name();
        let mut texts = vec![(Holder::FileName, name.as_str())];
        let said = [Field::Title, Field::Matter, Field::Proves, Field::Cause, Field::PartyRef];
        texts.extend(
            of.input.sidecar.iter().filter(|(f, _)| said.contains(f)).map(|(_, v)| (Holder::Sidecar, v.as_str())),
        );
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
            partners: &partners,
            after,
        };
        let found = rules::suggest(&about, index, &self.linking, &self.rule, year, &self.zone);
        let rule_of = |word: &str| Rule::ALL.into_iter().find(|r| r.as_str() == word).unwrap_or(Rule::Place);
        Ok(found.into_iter().map(|said| (rule_of(&said.rule), said)).collect())
    }
}

/// The number of the officer's certificate as their register had it when capture began, where that is to be said anew; empty
/// where the register now says that there is none. A register that was never imported says nothing, and takes nothing back.
fn certificate(r: &Reader<'_>, said: &[Fact], new: &[Fact], now_ms: i64) -> Result<Option<Fact>> {
    let all: Vec<Fact> = said.iter().chain(new).cloned().collect();
    let settled = settle(&all);
    let text = |field: Field| settled.get(&field).map(|f| f.value.as_str());
    let at_ms = text(Field::CapturedStart).and_then(UtcMs::parse_rfc3339).map(|t| t.0);
    let found = match text(Field::Officer) {
        Some(officer) => r.certificate(officer, at_ms)?,
        None => Certificate::Unknown,
    };
    let value = match found {
        // An import that was undone never was, though it were the only one.
        Certificate::NoRegister | Certificate::Unknown | Certificate::None => String::new(),
        Certificate::Number(number) => number,
    };
    let (field, origin) = (Field::OfficerCertNo, Origin::Register);
    let before = said.iter().rev().find(|f| f.field == field && f.origin == origin).map(|f| f.value.as_str());
    Ok((before.unwrap_or_default() != value).then_some(Fact { field, value, origin, at_ms: now_ms }))
}

/// Standing links of desk and roster for which the same origin now says another case.
fn replaced(standing: &[LinkRow], by_desk: &[SuggestedLink]) -> Vec<(i64, Grounds)> {
    standing
        .iter()
        .filter(|link| [Origin::Issue, Origin::Roster, Origin::Recording].iter().any(|o| o.as_str() == link.origin))
        .filter_map(|link| {
            let now = by_desk.iter().find(|said| said.origin.as_str() == link.origin)?;
            let same = link.keys.contains(&now.case_key);
            let rule = ByRule(rule_of(now.origin).as_str().to_owned());
            (!same).then(|| (link.case_id, Ground::NowSays { rule, number: now.case_raw.clone() }.into()))
        })
        .collect()
}

fn rule_of(origin: Origin) -> Rule {
    match origin {
        Origin::Recording => Rule::Recording,
        Origin::Issue => Rule::Desk,
        _ => Rule::Roster,
    }
}

fn origin_of(rule: Rule) -> Origin {
    match rule {
        Rule::Recording => Origin::Recording,
        Rule::Desk => Origin::Issue,
        Rule::Roster => Origin::Roster,
        _ => Origin::Rule,
    }
}

#[cfg(test)]
pub(super) mod tests;
