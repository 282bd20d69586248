//! How long copies in the cloud are locked: short at first, then a little ahead of today for as long as there is a
//! reason, so that a mistaken upload is never locked for ever (decision 8). Pure.
//!
//! The rule for now: a clip that is linked to no case is kept for a while counted from its sealing, or from when it was taken
//! from its last case, and so is one that has only a reference from before a case (日常检查), which nobody ever files; one
//! that is linked to a case is kept until an archivist decides, a month at a time; so is one on which a hold stands.
//! Withdrawing a link ends its reason, and never a lock that stands: locks are only ever made longer. Once every case of a clip is filed, the catalogue says until when
//! (`domain::filing`), and a hold still keeps it beyond that.

/// The rule, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRule {
    /// A clip without a case is kept for so long after it was sealed, or taken from its last case.
    pub unlinked_ms: i64,
    /// A renewal locks so far ahead of today.
    pub step_ms: i64,
    /// A lock is renewed when no more than this is left of it.
    pub before_ms: i64,
}

/// What the rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepFacts {
    /// Since when no case has the clip: it was sealed, or taken from its last case, milliseconds since the Unix epoch. Counts
    /// where it is not linked.
    pub since_ms: i64,
    /// Linked to a case now; what there is before one (日常检查, an inspection task) is none.
    pub linked: bool,
    /// Every case that has it was filed: until when it is kept, milliseconds since the Unix epoch; `None`: for ever.
    pub filed: Option<Option<i64>>,
    /// A hold stands.
    pub held: bool,
    /// Suspected classified: nothing binds it further to a place where it should perhaps not be.
    pub isolated: bool,
    /// The lock that stands, milliseconds since the Unix epoch.
    pub locked_until_ms: Option<i64>,
}

/// Until when the lock is to be renewed now; `None` where it is not due, or there is no reason for it any more.
pub fn renewal(rule: &RetentionRule, facts: &KeepFacts, now_ms: i64) -> Option<i64> {
    if facts.isolated {
        return None;
    }
    let ahead = now_ms.saturating_add(rule.step_ms);
    let wanted = match facts.filed {
        _ if facts.held => ahead,
        Some(Some(until)) => until.min(ahead),
        Some(None) => ahead,
        None if facts.linked => ahead,
        None => facts.since_ms.saturating_add(rule.unlinked_ms).min(ahead),
    };
    let stands = facts.locked_until_ms.unwrap_or(i64::MIN);
    let due = stands <= now_ms.saturating_add(rule.before_ms);
    // A reason that is over, or that ends before the lock does, renews nothing.
    (due && wanted > now_ms && wanted > stands).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const RULE: RetentionRule = RetentionRule { unlinked_ms: 183 * DAY, step_ms: 31 * DAY, before_ms: 10 * DAY };

    fn facts(linked: bool, held: bool, locked_day: Option<i64>) -> KeepFacts {
        KeepFacts {
            since_ms: 0,
            linked,
            held,
            isolated: false,
            filed: None,
            locked_until_ms: locked_day.map(|d| d * DAY),
        }
    }

    #[test]
    fn locks_as_a_table() {
        // Facts, today, until which day.
        let table = [
            (facts(false, false, Some(30)), 5, None),
            (facts(false, false, Some(30)), 20, Some(51)),
            (facts(false, false, Some(180)), 175, Some(183)),
            (facts(false, false, Some(183)), 180, None),
            (facts(false, false, Some(183)), 200, None),
            (facts(true, false, Some(183)), 200, Some(231)),
            (facts(true, false, Some(183)), 5, None),
            (facts(false, true, Some(183)), 180, Some(211)),
            (facts(false, false, None), 1, Some(32)),
            (facts(true, false, None), 900, Some(931)),
        ];
        for (facts, today, wanted) in table {
            assert_eq!(renewal(&RULE, &facts, today * DAY), wanted.map(|d| d * DAY), "{facts:?} on day {today}");
        }
        let filed =
            |day: Option<i64>, held| KeepFacts { filed: Some(day.map(|d| d * DAY)), ..facts(true, held, Some(180)) };
        assert_eq!(
            renewal(&RULE, &filed(Some(190), false), 175 * DAY),
            Some(190 * DAY),
            "no longer than the catalogue says"
        );
        assert_eq!(renewal(&RULE, &filed(Some(170), false), 175 * DAY), None);
        assert_eq!(renewal(&RULE, &filed(Some(170), true), 175 * DAY), Some(206 * DAY), "a hold outlasts it");
        assert_eq!(renewal(&RULE, &filed(None, false), 175 * DAY), Some(206 * DAY), "for ever, a month at a time");
        // Taken from its case on day 700, it has its whole term from there.
        let taken = KeepFacts { since_ms: 700 * DAY, ..facts(false, false, Some(705)) };
        assert_eq!(renewal(&RULE, &taken, 700 * DAY), Some(731 * DAY));
        assert_eq!(renewal(&RULE, &taken, 860 * DAY), Some(883 * DAY));
        assert_eq!(renewal(&RULE, &taken, 883 * DAY), None);
        let isolated = KeepFacts { isolated: true, ..facts(true, true, Some(1)) };
        assert_eq!(renewal(&RULE, &isolated, 20 * DAY), None);
    }

    #[test]
    fn a_withdrawn_link_shortens_nothing_and_a_year_is_locked_a_month_at_a_time() {
        let mut locked = 30 * DAY;
        for today in 0..365 {
            let linked = today < 300;
            let now = KeepFacts { locked_until_ms: Some(locked), ..facts(linked, false, None) };
            if let Some(until) = renewal(&RULE, &now, today * DAY) {
                assert!(until > locked && until <= (today + 31) * DAY, "day {today}");
                locked = until;
            }
            assert!(!linked || locked > today * DAY, "unlocked on day {today} while linked");
        }
        assert!(locked < 335 * DAY, "nothing was renewed after the link was withdrawn");
    }
}
