//! What follows where a person said who captured a clip: what desk or roster say of the hands of somebody else is no longer
//! sure. Their link waits, with the reason, and where, what, what it proves and whose matter it was are no facts of it.

use super::{Judge, Shared};
use crate::casework::annotate::{Annotations, printable};
use crate::casework::roster::RosterRow;
use crate::domain::grounds::Ground;
use crate::domain::record::{Fact, Field, Origin, settle};
use crate::store::{Reader, Result};

impl Judge {
    /// Takes what was `said` of the clip by a person into what desk and roster gave.
    pub(super) fn follow_person(
        &self,
        r: &Reader<'_>,
        shared: &mut Shared,
        roster: &[RosterRow],
        said: &[Fact],
        found: &mut Annotations,
    ) -> Result<()> {
        let settled = settle(said);
        let Some(officer) = settled.get(&Field::Officer).filter(|f| f.origin == Origin::Person) else { return Ok(()) };
        if found.links.is_empty() && !found.facts.iter().any(|f| matches!(f.origin, Origin::Issue | Origin::Roster)) {
            return Ok(());
        }
        let index = shared.index_of(self, r)?;
        let names = |text: &str| people(text).flat_map(|name| index.names_of(name)).collect::<Vec<_>>();
        let theirs = names(&officer.value);
        // What names nobody speaks of nobody else.
        let is_theirs = |text: &str| {
            let whose = names(text);
            whose.is_empty() || whose.iter().any(|name| theirs.contains(name))
        };
        let row_is_theirs = |row: &RosterRow| {
            is_theirs(&format!("{}、{}", row.officer, row.co_officers.as_deref().unwrap_or_default()))
        };
        let of_desk = found.facts.iter().find(|f| f.field == Field::Officer && f.origin == Origin::Issue);
        let desk_is_theirs = of_desk.is_none_or(|f| is_theirs(&f.value));

        let rows: Vec<&RosterRow> = found.rows.iter().flatten().filter_map(|at| roster.get(*at)).collect();
        let rows: Vec<&RosterRow> = rows.into_iter().filter(|row| row_is_theirs(row)).collect();
        let says = |row: &RosterRow, fact: &Fact| {
            row.facts().into_iter().any(|(field, value)| field == fact.field && printable(value) == fact.value)
        };
        // Whom desk and roster name stays told, below the person's word; of several rows those of theirs count.
        found.facts.retain(|fact| match fact.origin {
            _ if fact.field == Field::Officer => true,
            Origin::Issue => desk_is_theirs,
            Origin::Roster => rows.iter().any(|row| says(row, fact)),
            _ => true,
        });
        let (kept, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut found.links).into_iter().partition(|link| {
                match link.row.and_then(|at| roster.get(at)) {
                    Some(row) => row_is_theirs(row),
                    None => link.origin != Origin::Issue || desk_is_theirs,
                }
            });
        found.links = kept;
        found.disputed.extend(others.into_iter().map(|mut link| {
            link.reason.push(Ground::AnotherOfficer {});
            link
        }));
        Ok(())
    }
}

/// The people whom a text names.
pub(super) fn people(text: &str) -> impl Iterator<Item = &str> {
    text.split(['、', ',', '，', ';', '；']).map(str::trim).filter(|p| !p.is_empty())
}
