//! Why a record of the case is missing, as the package's table says it (`data/metadata/coverage.json`), compared with what the
//! case's events commit to: a reason that nobody gave would be the cheapest way to make a case complete.

use std::collections::BTreeMap;

use super::Check;
use super::told::Clear;
use crate::custody::package::COVERAGE;
use crate::domain::coverage::CaseCoverage;
use crate::domain::coverage::occasion::APART_MS;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::time::UtcMs;

impl Check<'_> {
    /// Each reason and its basis is what somebody said of this case, and took back at no time that the package knows of.
    pub(super) fn reasons_for_missing(&mut self, events: &BTreeMap<u64, Envelope>, clear: &Clear) {
        if !self.digests.contains_key(COVERAGE) {
            return;
        }
        let Some(told) = self.json::<CaseCoverage>(COVERAGE) else { return };
        let of_lines = told.lines.iter().filter(|line| line.said.is_some()).map(|line| Claim {
            matter: &line.matter,
            reason: line.reason.as_deref(),
            basis: line.basis.as_deref(),
            occasion: None,
        });
        let of_occasions = told.lines.iter().flat_map(|line| {
            line.occasions.iter().filter(|o| o.said.is_some()).map(|o| Claim {
                matter: &line.matter,
                reason: o.reason.as_deref(),
                basis: o.basis.as_deref(),
                occasion: o.from.as_deref().map(|from| (from, o.to.as_deref())),
            })
        });
        let claims: Vec<Claim<'_>> = of_lines.chain(of_occasions).collect();
        if claims.is_empty() {
            return;
        }
        let said: Vec<&Envelope> = events.values().filter(|e| e.kind == EventKind::NoRecordSaid.as_str()).collect();
        let value = |e: &Envelope, field: &str| clear.get(&(e.seq, field.to_owned())).map(String::as_str);
        // Packages of before commit to the reasons and open none of them.
        if !said.is_empty() && said.iter().all(|e| value(e, "reason").is_none()) {
            self.report.notices.push(
                "why records of the case are missing was not opened: nothing here compares the reasons in its table"
                    .to_owned(),
            );
            return;
        }
        for claim in claims {
            let basis = claim.basis.unwrap_or_default();
            let holds = said.iter().any(|e| {
                let named = e.body.contains_key("basis");
                value(e, "reason") == claim.reason
                    && value(e, "basis").unwrap_or_default() == basis
                    && named != basis.is_empty()
                    && claim.is_of(e.wall_ms, e.body.contains_key("of"), value(e, "of"))
            });
            if !holds {
                self.problem(format!("{COVERAGE} gives a reason for {} that no event commits to", claim.matter));
            }
        }
    }
}

/// A reason as the table gives it.
struct Claim<'a> {
    matter: &'a str,
    reason: Option<&'a str>,
    basis: Option<&'a str>,
    /// Begin and end of the occasion that it is given for.
    occasion: Option<(&'a str, Option<&'a str>)>,
}

impl Claim<'_> {
    /// Whether what was said at `said_ms`, of the occasion that it names, is about this one.
    fn is_of(&self, said_ms: i64, names_one: bool, named: Option<&str>) -> bool {
        let ms = |text: &str| UtcMs::parse_rfc3339(text).map(|at| at.0);
        let Some((from, to)) = self.occasion else { return true };
        let Some(from_ms) = ms(from) else { return false };
        let to_ms = to.and_then(ms).unwrap_or(from_ms.saturating_add(APART_MS));
        match (names_one, named.and_then(ms)) {
            (false, _) => from_ms <= said_ms,
            (true, of) => of.is_some_and(|of| from_ms <= of && of <= to_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_given_for_the_occasion_that_it_names() {
        let claim = |occasion| Claim { matter: "送达", reason: Some("没电"), basis: None, occasion };
        let june = claim(Some(("2026-06-19T09:00:00+08:00", Some("2026-06-19T09:30:00+08:00"))));
        let said_ms = UtcMs::parse_rfc3339("2026-06-20T00:00:00Z").unwrap().0;
        assert!(june.is_of(said_ms, false, None) && claim(None).is_of(0, false, None));
        assert!(!june.is_of(0, false, None), "nobody can have known it");
        assert!(june.is_of(said_ms, true, Some("2026-06-19T01:00:00Z")));
        assert!(!june.is_of(said_ms, true, Some("2026-07-03T07:00:00Z")), "it names another one");
        assert!(!june.is_of(said_ms, true, None), "which one it names was not opened");
    }
}
