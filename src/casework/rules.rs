//! Linking rules beside desk and roster: from what is settled about a clip, its outing and the register of cases to
//! suggested links, each with a score and a reason. Pure; [`super::judge`] gathers what they look at.
//!
//! | rule | says | highest score, unless configured |
//! | --- | --- | --- |
//! | `recording`, `desk`, `roster` | whoever began the recording, took the recorder out, or was to | 98, 95, 95 |
//! | `tag` | a case number in the file's name or a sidecar | 85 |
//! | `earlier` | a case names the inspection task or document to which the clip is linked, and place or party fits | 95 |
//! | `neighbour` | other clips of the same outing are linked to it | 75 |
//! | `register` | officer, place, party and time of a registered case fit | 75 |
//! | `place` | captured near the address of a case, and nothing else is known | 50 |
//!
//! A rule links by itself where its score reaches the configured one, no other case is almost as likely ([`MARGIN`]), and
//! nothing that states a fact names another case ([`Rule::states`]): what desk, roster, a number in a name and the register
//! say of two cases is a person's to judge, however far apart their scores are. What only the company of other clips suggests
//! blocks nothing and stays to be seen. Everything else waits for a person.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::config::Linking;
use crate::domain::case_number::NumberRule;
use crate::domain::grounds::{At, Fit, Ground, Grounds, Holder};
use crate::domain::place::{Degrees, distance_m};
use crate::domain::register::{name_key, same_place};
use crate::store::{Neighbour, Suggestion, outing};

use super::case_index::{CaseIndex, Known};

mod scene;
mod tags;

/// Another case so near to the best one in score makes it a conflict.
pub const MARGIN: u32 = 15;
/// A link of a linking rule is no evidence for another one, unless it is as sure as this.
const SURE: u32 = 85;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Numbers without a letter or bracket, as platforms give them, may be dates or serial numbers as well.
const BARE_DIGITS: u32 = 60;

/// Which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Whoever began the recording of a room.
    Recording,
    /// Whoever took the recorder out.
    Desk,
    /// The roster.
    Roster,
    /// A number in name or sidecar.
    Tag,
    /// What the case was called before it was opened.
    Earlier,
    /// The outing.
    Neighbour,
    /// The register of cases.
    Register,
    /// The position.
    Place,
}

impl Rule {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Recording,
        Self::Desk,
        Self::Roster,
        Self::Tag,
        Self::Earlier,
        Self::Neighbour,
        Self::Register,
        Self::Place,
    ];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Desk => "desk",
            Self::Roster => "roster",
            Self::Tag => "tag",
            Self::Earlier => "earlier",
            Self::Neighbour => "neighbour",
            Self::Register => "register",
            Self::Place => "place",
        }
    }

    /// Whether it states something about the clip itself, written down by somebody; the others guess by its company or place.
    pub fn states(self) -> bool {
        !matches!(self, Self::Neighbour | Self::Place)
    }

    /// The highest score that it may give; 0: it is off.
    pub fn most(self, linking: &Linking) -> u32 {
        match self {
            Self::Recording => 100,
            Self::Desk => linking.desk,
            Self::Roster => linking.roster,
            Self::Tag => linking.tag,
            Self::Earlier => linking.earlier,
            Self::Neighbour => linking.neighbour,
            Self::Register => linking.register,
            Self::Place => linking.place,
        }
    }
}

/// What is settled about a clip, and what stands around it.
#[derive(Debug, Clone, Default)]
pub struct About<'a> {
    /// When capture began, milliseconds since the Unix epoch.
    pub start_ms: Option<i64>,
    /// When it ended.
    pub end_ms: Option<i64>,
    /// Every name and number by which its officers are known.
    pub officers: Vec<String>,
    /// Where, in words.
    pub place: Option<&'a str>,
    /// Party.
    pub party: Option<&'a str>,
    /// Where, WGS84.
    pub position: Option<Degrees>,
    /// Texts in which a number may stand, each with where it comes from.
    pub texts: Vec<(Holder, &'a str)>,
    /// Other clips of the same recorder, in the order of their capture.
    pub neighbours: &'a [Neighbour],
    /// Clips that others captured on the same outing.
    pub partners: &'a [Neighbour],
    /// Cases that name a reference to which the clip is linked: the reference, and how many cases name it.
    pub after: Vec<(String, Vec<&'a Known>)>,
}

/// What the rules suggest, each case once, the surest first.
pub fn suggest(
    about: &About<'_>,
    cases: &CaseIndex,
    linking: &Linking,
    rule: &NumberRule,
    this_year: i16,
    zone: &TimeZone,
) -> Vec<Suggestion> {
    let mut found = Vec::new();
    found.extend(tags::tags(about, cases, rule, this_year).into_iter().map(|s| (Rule::Tag, s)));
    found.extend(earlier(about, linking, zone).into_iter().map(|s| (Rule::Earlier, s)));
    found.extend(neighbours(about, linking).into_iter().map(|s| (Rule::Neighbour, s)));
    found.extend(registered(about, cases, linking, zone));
    let mut best: BTreeMap<String, Suggestion> = BTreeMap::new();
    for (rule, mut said) in found {
        said.score = said.score.min(rule.most(linking));
        said.rule = rule.as_str().to_owned();
        if said.score == 0 {
            continue;
        }
        match best.get(&said.case_key) {
            Some(other) if other.score >= said.score => {}
            _ => {
                best.insert(said.case_key.clone(), said);
            }
        }
    }
    sorted(best.into_values().collect())
}

/// The surest first; of equals in the order of their keys.
pub fn sorted(mut found: Vec<Suggestion>) -> Vec<Suggestion> {
    found.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.case_key.cmp(&b.case_key)));
    found
}

fn said(raw: &str, key: &str, score: u32, reason: Grounds) -> Suggestion {
    Suggestion {
        case_key: key.to_owned(),
        raw: raw.to_owned(),
        rule: String::new(),
        score,
        reason,
        stage: None,
        matter: None,
        proves: None,
    }
}

/// Cases that name the reference to which the clip is linked. An inspection that led to several cases leaves a choice, and one
/// task may be a morning at five shops, of which one becomes a case: the reference alone is never sure. Where place or party
/// is known of both and differs, or the time is far from the case's, it says so; where neither is known, it waits as well.
fn earlier(about: &About<'_>, linking: &Linking, zone: &TimeZone) -> Vec<Suggestion> {
    let unsure = linking.link_score.saturating_sub(1);
    let mut found = Vec::new();
    for (reference, cases) in &about.after {
        for case in cases {
            let theirs = case.officers.is_empty() || about.officers.iter().any(|o| case.officers.contains(o));
            let scene = scene::compare(about, case, linking, zone);
            let score = match (cases.len(), theirs) {
                (1, true) if scene.is_sure() => 100,
                (n, _) => {
                    let most: u32 = if n == 1 { 75 } else { 70 };
                    (if scene.against.is_empty() { most } else { most - 15 }).min(unsure)
                }
            };
            let mut reason =
                Grounds::from(Ground::WasBefore { number: case.number.clone(), reference: reference.clone() });
            if cases.len() > 1 {
                reason.push(Ground::SeveralCases { cases: cases.len() as u64 });
            }
            if !theirs {
                reason.push(Ground::OtherOfficers {});
            }
            if !scene.fits.is_empty() {
                reason.push(Ground::SameScene { fits: scene.fits });
            } else if scene.against.is_empty() {
                reason.push(Ground::SceneUnknown {});
            }
            for against in scene.against {
                reason.push(against);
            }
            found.push(said(&case.number, &case.key, score, reason));
        }
    }
    found
}

/// A case to which clips of the outing are linked.
struct OfOuting<'a> {
    number: &'a str,
    /// The pause to the nearest of them, milliseconds, and that clip.
    nearest: (i64, &'a Neighbour),
    /// Whether one of them began before, and one behind.
    sides: (bool, bool),
}

/// What the clips of the same outing are linked to.
fn neighbours(about: &About<'_>, linking: &Linking) -> Vec<Suggestion> {
    let Some(start) = about.start_ms else { return Vec::new() };
    let end = about.end_ms.unwrap_or(start);
    let gap = linking.outing_gap.as_millis() as i64;
    let outing = outing(about.neighbours, start, end, gap).iter().chain(about.partners);
    let mut cases: BTreeMap<&str, OfOuting<'_>> = BTreeMap::new();
    for clip in outing {
        for (key, number, origin, score) in &clip.cases {
            if origin == "rule" && *score < SURE {
                continue;
            }
            let is_before = clip.start_ms < start;
            let pause_ms = if is_before { start - clip.end_ms } else { clip.start_ms - end }.max(0);
            let of = cases.entry(key).or_insert(OfOuting { number, nearest: (pause_ms, clip), sides: (false, false) });
            if pause_ms < of.nearest.0 {
                of.nearest = (pause_ms, clip);
            }
            of.sides = (of.sides.0 || is_before, of.sides.1 || !is_before);
        }
    }
    let several = cases.len() > 1;
    cases
        .into_iter()
        .map(|(key, of)| {
            let (pause_ms, nearest) = of.nearest;
            let between = of.sides == (true, true);
            let mut score = 90 - (5 * pause_ms / (HOUR_MS / 2)).clamp(0, 40) as u32;
            score -= if between { 0 } else { 10 };
            score -= if several { 25 } else { 0 };
            let (number, minutes, clip) = (of.number.to_owned(), pause_ms / 60_000, nearest.clip.to_string());
            let mut reason = Grounds::from(match between {
                true => Ground::Between { number, minutes, clip },
                false => Ground::NextTo { number, minutes, clip },
            });
            if let Some(officer) = &nearest.partner {
                reason.push(Ground::OfPartner { officer: officer.clone() });
            }
            said(of.number, key, score, reason)
        })
        .collect()
}

/// Cases of the register that fit: two of officer, place and party, near enough in time; or the position alone.
fn registered(about: &About<'_>, cases: &CaseIndex, linking: &Linking, zone: &TimeZone) -> Vec<(Rule, Suggestion)> {
    let Some(start) = about.start_ms else { return Vec::new() };
    let party = about.party.map(name_key);
    let mut found = Vec::new();
    for case in cases.near(&about.officers, party.as_deref(), about.position, linking.near_m) {
        let Some(opened) = case.opened_ms else { continue };
        if !scene::is_about(start, opened, case.closed_ms, linking) {
            continue;
        }
        let officer = about.officers.iter().find(|o| case.officers.contains(*o));
        let place = about.place.filter(|here| case.place.as_deref().is_some_and(|there| same_place(here, there)));
        let metres = about.position.zip(case.position).map(|(a, b)| distance_m(a, b));
        let near = metres.is_some_and(|m| m <= f64::from(linking.near_m));
        let same_party = about.party.filter(|_| party == case.party_key);
        let mut fits = Vec::new();
        let mut score = 0;
        if let Some(name) = officer {
            score += 35;
            fits.push(Fit::Officer(name.clone()));
        }
        if let Some(place) = place {
            score += 30;
            fits.push(Fit::Place(place.to_owned()));
        }
        if let Some(m) = metres.filter(|_| near) {
            score += if place.is_some() { 5 } else { 30 };
            fits.push(Fit::AddressM(m.round() as i64));
        }
        if let Some(party) = same_party {
            score += 30;
            fits.push(Fit::Party(party.to_owned()));
        }
        let kinds =
            usize::from(officer.is_some()) + usize::from(place.is_some() || near) + usize::from(same_party.is_some());
        let days = (start - opened).abs() / DAY_MS;
        score += if days <= 7 { 10 } else { 0 };
        let opened = At::of(opened, zone);
        let reason = Ground::Fits { number: case.number.clone(), fits, opened, days }.into();
        match (kinds, near) {
            (2.., _) => found.push((Rule::Register, said(&case.number, &case.key, score, reason))),
            (1, true) => found.push((Rule::Place, said(&case.number, &case.key, score, reason))),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
