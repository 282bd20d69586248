//! Settings of what becomes of clips after their proof: audits, locks, eviction. Part of `resolve`.

use std::time::Duration;

use super::resolve::{Problem, choice, label, one_of, problem, whole};
use super::settings::{Audit, Destination, Evict, EvictWhen, Keeping, Retention};
use super::written;
use crate::domain::evict::{self, EvictPolicy};
use crate::domain::retention::RetentionRule;

const DAY_MS: i64 = 86_400_000;

/// `[vault] evict` and what belongs to it: judged whether or not it is on, so that a mistake shows before it matters.
pub(super) fn evict(written: &written::Vault) -> Result<Option<Evict>, Problem> {
    let when = choice("vault.evict", written.evict.clone(), EvictWhen::Off, EvictWhen::parse, EvictWhen::WORDS)?;
    let free_percent = whole("vault.evict_free_percent", written.evict_free_percent, 20, 1..=100)?;
    let keep = whole("vault.evict_keep_days", written.evict_keep_days, 7, 0..=3650)?;
    let after = whole("vault.evict_after_days", written.evict_after_days, 90, 0..=3650)?;
    if when == EvictWhen::Age && after < keep {
        let what = format!("must not be less than evict_keep_days ({keep}); it is {after}");
        return problem("vault.evict_after_days", what);
    }
    let audit = choice(
        "vault.evict_audit",
        written.evict_audit.clone(),
        evict::Audit::default(),
        evict::Audit::parse,
        evict::Audit::WORDS,
    )?;
    let policy = EvictPolicy {
        keep_ms: keep as i64 * DAY_MS,
        after_ms: (when == EvictWhen::Age).then_some(after as i64 * DAY_MS),
        audit,
    };
    Ok((when != EvictWhen::Off).then_some(Evict { policy, free_percent }))
}

/// `[audit]`
pub(super) fn audit(written: written::Audit) -> Result<Audit, Problem> {
    let days = whole("audit.whole_every_days", written.whole_every_days, 0, 0..=3650)?;
    Ok(Audit {
        share_percent: whole("audit.share_percent", written.share_percent, 2, 0..=100)?,
        groups: whole("audit.groups", written.groups, 16, 1..=4096)?,
        whole_every: (days > 0).then(|| Duration::from_secs(days * 86_400)),
        bytes_per_s: whole("audit.max_mbit_s", written.max_mbit_s, 20, 1..=100_000)? * 125_000,
    })
}

/// `[retention]`
pub(super) fn retention(written: written::Retention) -> Result<Retention, Problem> {
    let renew = whole("retention.renew_days", written.renew_days, 31, 1..=366)?;
    let before = whole("retention.renew_before_days", written.renew_before_days, 10, 0..=365)?;
    if before >= renew {
        let what =
            format!("must be less than renew_days ({renew}), or a lock would be renewed each day; it is {before}");
        return problem("retention.renew_before_days", what);
    }
    let rule = RetentionRule {
        unlinked_ms: whole("retention.unlinked_days", written.unlinked_days, 183, 0..=36_500)? as i64 * DAY_MS,
        step_ms: renew as i64 * DAY_MS,
        before_ms: before as i64 * DAY_MS,
    };
    Ok(Retention { rule })
}

/// `[keeping]`
pub(super) fn keeping(written: written::Keeping, known: &[Destination]) -> Result<Keeping, Problem> {
    let names: Vec<&str> = known.iter().map(|d| d.name.as_str()).collect();
    let dispose_at = written.dispose_at.unwrap_or_default();
    let dispose_at = dispose_at.iter().map(|name| match known.iter().find(|d| d.name.as_str() == name) {
        Some(found) => Ok(found.name.clone()),
        None => problem("keeping.dispose_at", one_of(&names, name)),
    });
    Ok(Keeping {
        responsible: label("keeping.responsible", written.responsible)?,
        fonds_no: label("keeping.fonds_no", written.fonds_no)?,
        dispose_at: dispose_at.collect::<Result<_, _>>()?,
        compared_days: whole("keeping.compared_days", written.compared_days, 90, 1..=3650)? as u32,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Surroundings, read};

    #[test]
    fn values_that_do_not_fit_together_say_so() {
        for (text, words) in [
            ("[vault]\nevict = 'always'", "must be one of off, space, age"),
            (
                "[vault]\nevict = 'age'\nevict_keep_days = 30\nevict_after_days = 20",
                "must not be less than evict_keep_days",
            ),
            ("[vault]\nevict_free_percent = 0", "must be 1 to 100"),
            ("[vault]\nevict_audit = 'full'", "must be one of none, sampled, whole"),
            ("[audit]\nshare_percent = 101", "must be 0 to 100"),
            ("[audit]\nmax_mbit_s = 0", "must be 1 to 100000"),
            ("[retention]\nrenew_days = 10", "must be less than renew_days (10)"),
            ("[keeping]\ndispose_at = ['moon']", "[keeping] dispose_at must be one of"),
        ] {
            let told = read(text, None, &Surroundings::default()).unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn what_is_written_of_an_eviction_is_shown_again() {
        for text in [
            "[vault]\nevict = 'space'\nevict_keep_days = 365\nevict_audit = 'whole'",
            "[vault]\nevict = 'age'\nevict_free_percent = 100\nevict_keep_days = 0\nevict_after_days = 0",
            "[vault]\nevict = 'off'\n[audit]\nwhole_every_days = 90\nmax_mbit_s = 1",
        ] {
            let settings = read(text, None, &Surroundings::default()).unwrap();
            let shown = toml::to_string(&settings.to_written()).unwrap();
            assert_eq!(read(&shown, None, &Surroundings::default()).unwrap(), settings, "{shown}");
        }
    }
}
