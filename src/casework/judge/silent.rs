//! Links that the roster gave, and of whose case no row says anything any more: it was corrected, undone or taken away, or the
//! clip is of another time than was thought. Such a link is withdrawn, and its case waits for a person, with the reason, until
//! they decide or the roster gives another one. What a person decided about stays, and so does what is filed. Where nobody can
//! tell which rows are of the clip (a clock that was wrong), nothing follows.

use super::Of;
use crate::casework::annotate::{Annotations, changes};
use crate::casework::roster::RosterRow;
use crate::casework::rules::{MARGIN, Rule};
use crate::domain::grounds::{Ground, Grounds};
use crate::domain::record::{Fact, Origin};
use crate::store::{LinkRow, LinkWords, Reader, Result, Suggestion};

/// How sure such a suggestion is: it was written once.
const SCORE: u32 = 40;

/// Standing links of the roster whose case no row names.
pub(super) fn unnamed<'a>(of: &Of<'a>) -> Vec<&'a LinkRow> {
    if of.is_filed { Vec::new() } else { without_row(of.annotated, of.roster, of.standing) }
}

fn without_row<'a>(annotated: &Annotations, roster: &[RosterRow], standing: &'a [LinkRow]) -> Vec<&'a LinkRow> {
    let Some(rows) = &annotated.rows else { return Vec::new() };
    let named: Vec<&str> = rows.iter().filter_map(|at| Some(roster.get(*at)?.case.as_ref()?.key.as_str())).collect();
    let of_roster = standing.iter().filter(|link| link.origin == Origin::Roster.as_str());
    of_roster.filter(|link| !link.keys.iter().any(|key| named.contains(&key.as_str()))).collect()
}

/// What waits of the cases of these links, and of those that were withdrawn so before; nothing where the roster gave another
/// one since.
pub(super) fn suggestions(
    r: &Reader<'_>,
    of: &Of<'_>,
    unnamed: &[&LinkRow],
    link_score: u32,
) -> Result<impl Iterator<Item = Suggestion>> {
    let goes = |link: &LinkRow| unnamed.iter().any(|gone| gone.case_id == link.case_id);
    let has_another = of.standing.iter().any(|link| link.origin == Origin::Roster.as_str() && !goes(link));
    let mut all: Vec<LinkWords> = Vec::new();
    if !has_another {
        all.extend(unnamed.iter().map(|link| LinkWords::of(link)));
        let taken_back = r.taken_back_by_roster(of.row.clip)?.into_iter();
        all.extend(taken_back.filter(|(_, why)| says_no_row(why)).map(|(words, _)| words));
    }
    // Far enough below whatever is sure that it is no rival of it.
    let score = SCORE.min(link_score.saturating_sub(MARGIN + 1)).max(1);
    Ok(all.into_iter().map(move |words| Suggestion {
        case_key: words.case_key,
        raw: words.raw,
        rule: Rule::Roster.as_str().to_owned(),
        score,
        reason: Ground::NoRowNames {}.into(),
        stage: words.stage,
        matter: words.matter,
        proves: words.proves,
    }))
}

/// Whether a suggestion is one of these.
pub(super) fn is_of_no_row(said: &Suggestion) -> bool {
    says_no_row(&said.reason)
}

fn says_no_row(why: &Grounds) -> bool {
    why.each().contains(&Ground::NoRowNames {})
}

/// Whether the roster says of a clip of a filed case something else than what it has from it.
pub(super) fn says_otherwise(said: &[Fact], found: &Annotations, roster: &[RosterRow], standing: &[LinkRow]) -> bool {
    found.rows.is_some()
        && (!without_row(found, roster, standing).is_empty()
            || changes(said, &found.facts, 0).iter().any(|fact| fact.origin == Origin::Roster))
}
