//! Why a record of the case is missing, as the package's table says it (`data/metadata/coverage.json`), compared with what the
//! case's events commit to: a reason that nobody gave would be the cheapest way to make a case complete.

use std::collections::BTreeMap;

use super::Check;
use super::told::Clear;
use crate::custody::package::COVERAGE;
use crate::domain::coverage::CaseCoverage;
use crate::domain::event::{Envelope, EventKind};

impl Check<'_> {
    /// Each reason and its basis is what somebody said of this case, and took back at no time that the package knows of.
    pub(super) fn reasons_for_missing(&mut self, events: &BTreeMap<u64, Envelope>, clear: &Clear) {
        if !self.digests.contains_key(COVERAGE) {
            return;
        }
        let Some(told) = self.json::<CaseCoverage>(COVERAGE) else { return };
        let lines: Vec<_> = told.lines.iter().filter(|line| line.said.is_some()).collect();
        if lines.is_empty() {
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
        for line in lines {
            let (reason, basis) = (line.reason.as_deref(), line.basis.as_deref().unwrap_or_default());
            let holds = said.iter().any(|e| {
                let named = e.body.contains_key("basis");
                value(e, "reason") == reason
                    && value(e, "basis").unwrap_or_default() == basis
                    && named != basis.is_empty()
            });
            if !holds {
                self.problem(format!("{COVERAGE} gives a reason for {} that no event commits to", line.matter));
            }
        }
    }
}
