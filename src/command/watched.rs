//! The logs of other stations that this one watches as their witness: what a person here must hear of them. A log that shows
//! another history, one that fell silent, and one that began a new epoch each have an alarm of their own.
//!
//! What was noticed is stored where the signature is decided (`witness`); here it is only told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::custody::checkpoint::{key_name, parse_origin};
use crate::custody::note::VerifierKey;
use crate::domain::ports::Clock;
use crate::domain::time::UtcMs;
use crate::runtime::health::{Health, Part};
use crate::runtime::supervise::TaskContext;
use crate::store::{Store, StoreError, WatchedRow};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A log shows itself each minute, also when nothing happens there; without a checkpoint for so long it is silent,
/// milliseconds.
const SILENT_MS: i64 = 15 * 60_000;
/// A new epoch is told for so long: it is for a person to find out whether a restore began it, milliseconds.
const NEW_EPOCH_MS: i64 = 7 * 86_400_000;
/// A history that was refused is told for so long after it was shown last, milliseconds.
const REFUSED_MS: i64 = 30 * 86_400_000;

/// Tells until the end.
pub(super) async fn run(
    context: TaskContext,
    store: Store,
    clock: Arc<dyn Clock>,
    keys: Vec<VerifierKey>,
    health: Health,
) -> Result<(), StoreError> {
    let began_ms = clock.now().0;
    // One log may be watched under two keys, while one of them takes over.
    let logs: BTreeMap<String, (Part, Part)> = keys
        .iter()
        .map(|key| key.name().to_owned())
        .map(|log| (log.clone(), (health.part(format!("log of {log}")), health.part(format!("epoch of {log}")))))
        .collect();
    loop {
        context.heart.beat();
        let rows = store.read(|r| r.watched()).await?;
        let now_ms = clock.now().0;
        for (log, (history, epoch)) in &logs {
            let rows: Vec<&WatchedRow> = rows.iter().filter(|row| is_of(log, &row.origin)).collect();
            tell_history(history, log, &stands(now_ms, began_ms, &rows));
            match new_epoch(now_ms, &rows) {
                None => epoch.ok(),
                Some((origin, before)) => epoch.degraded(
                    "watched_epoch",
                    format!(
                        "the log {log} began a new epoch ({origin}); this station had signed {}",
                        before.iter().map(|row| said(row)).collect::<Vec<_>>().join(", ")
                    ),
                    "ask whoever runs that station whether it was restored; `evidock log verify` there compares both epochs with what was signed here",
                ),
            }
        }
        tokio::select! {
            () = context.cancel.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Whether an origin is that of a log whose key has this name.
fn is_of(log: &str, origin: &str) -> bool {
    origin == log || parse_origin(origin).is_some_and(|(station, _)| key_name(&station) == log)
}

fn said(row: &WatchedRow) -> String {
    let (size, _) = row.signed.unwrap_or_default();
    format!("{size} entries of {}", row.origin)
}

/// How a log stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stands {
    Well,
    /// It has shown another history, and nothing that goes on from the right one since.
    Refused {
        origin: String,
        at: UtcMs,
        why: String,
    },
    /// Nothing came for so long, milliseconds.
    Silent(i64),
}

fn stands(now_ms: i64, began_ms: i64, rows: &[&WatchedRow]) -> Stands {
    let refused = rows.iter().filter_map(|row| {
        let (at_ms, why) = row.refused.as_ref()?;
        let standing = row.signed.is_none_or(|(_, signed_ms)| *at_ms > signed_ms);
        (standing && now_ms - at_ms < REFUSED_MS).then_some((*at_ms, row, why))
    });
    if let Some((at_ms, row, why)) = refused.max_by_key(|(at_ms, ..)| *at_ms) {
        return Stands::Refused { origin: row.origin.clone(), at: UtcMs(at_ms), why: why.clone() };
    }
    let newest = rows.iter().filter_map(|row| row.signed).map(|(_, at_ms)| at_ms).max();
    // Before this station began it could not hear anything.
    match now_ms - newest.unwrap_or(began_ms).max(began_ms) {
        silent_ms if silent_ms > SILENT_MS => Stands::Silent(silent_ms),
        _ => Stands::Well,
    }
}

fn tell_history(part: &Part, log: &str, stands: &Stands) {
    match stands {
        Stands::Well => part.ok(),
        Stands::Refused { origin, at, why } => part.failed(
            "watched_rewritten",
            format!("the log {log} showed another history of {origin} at {}: {why}", at.rfc3339()),
            "tell whoever runs that station: stop intake there, run `evidock log verify`, and find out which database is the right one before anything is deleted; what it showed is kept here",
        ),
        Stands::Silent(silent_ms) => part.degraded(
            "watched_silent",
            format!("the log {log} has shown no checkpoint for {} minutes", silent_ms / 60_000),
            "see whether that station runs and reaches this one",
        ),
    }
}

/// The origin of an epoch that began lately, and what was signed of the others.
fn new_epoch<'a>(now_ms: i64, rows: &[&'a WatchedRow]) -> Option<(&'a str, Vec<&'a WatchedRow>)> {
    let newest = rows.iter().filter(|row| row.signed.is_some()).max_by_key(|row| row.first_ms)?;
    let before: Vec<&WatchedRow> =
        rows.iter().filter(|row| row.signed.is_some() && row.origin != newest.origin).copied().collect();
    let lately = newest.first_ms > 0 && now_ms - newest.first_ms < NEW_EPOCH_MS;
    (lately && !before.is_empty()).then_some((newest.origin.as_str(), before))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100 * 86_400_000;

    fn row(epoch: u32, first_ms: i64, signed: Option<(u64, i64)>, refused: Option<i64>) -> WatchedRow {
        WatchedRow {
            origin: format!("evidock/zhao-01/{epoch}"),
            first_ms,
            signed,
            refused: refused.map(|at_ms| (at_ms, "rewritten".into())),
        }
    }

    fn how(began_ms: i64, rows: &[WatchedRow]) -> Stands {
        stands(NOW, began_ms, &rows.iter().collect::<Vec<_>>())
    }

    #[test]
    fn silence_is_told_after_some_minutes_of_listening() {
        let heard = |ago_ms: i64| [row(1, 5, Some((7, NOW - ago_ms)), None)];
        assert_eq!(how(5, &heard(60_000)), Stands::Well);
        assert_eq!(how(5, &heard(SILENT_MS)), Stands::Well);
        assert_eq!(how(5, &heard(SILENT_MS + 1)), Stands::Silent(SILENT_MS + 1));
        assert_eq!(how(NOW - 60_000, &heard(86_400_000)), Stands::Well, "it was this station that did not listen");
        assert_eq!(how(NOW - SILENT_MS - 1, &[]), Stands::Silent(SILENT_MS + 1), "never heard of");
        // Whichever epoch speaks, it is not silent.
        let two = [row(1, 5, Some((7, 9)), None), row(2, 6, Some((1, NOW)), None)];
        assert_eq!(how(5, &two), Stands::Well);
    }

    #[test]
    fn another_history_stands_until_the_right_one_goes_on() {
        let at = |signed_ms: i64, refused_ms: i64| [row(1, 5, Some((7, signed_ms)), Some(refused_ms))];
        assert!(matches!(how(5, &at(NOW - 9, NOW - 3)), Stands::Refused { at: UtcMs(ms), .. } if ms == NOW - 3));
        assert_eq!(how(5, &at(NOW - 3, NOW - 9)), Stands::Well);
        // A new epoch that is signed takes nothing back.
        let two = [at(NOW - 9, NOW - 5)[0].clone(), row(2, NOW - 4, Some((1, NOW)), None)];
        assert!(matches!(how(5, &two), Stands::Refused { origin, .. } if origin == "evidock/zhao-01/1"));
        assert!(matches!(how(5, &at(5, NOW - REFUSED_MS)), Stands::Silent(_)), "not for ever");
    }

    #[test]
    fn a_new_epoch_is_told_for_a_week_and_a_first_one_never() {
        let told = |rows: &[WatchedRow]| {
            new_epoch(NOW, &rows.iter().collect::<Vec<_>>()).map(|(origin, before)| (origin.to_owned(), before.len()))
        };
        let first = row(1, 5, Some((7, 9)), None);
        let second = |first_ms| row(2, first_ms, Some((1, NOW)), None);
        assert_eq!(told(&[row(1, NOW - 5, Some((7, NOW)), None)]), None);
        assert_eq!(told(&[first.clone(), second(NOW - 5)]), Some(("evidock/zhao-01/2".into(), 1)));
        assert_eq!(told(&[first.clone(), second(NOW - NEW_EPOCH_MS)]), None);
        assert_eq!(told(&[row(1, 0, Some((7, 9)), None), second(0)]), None, "known from before this was noted");
        assert!(is_of("evidock/zhao-01", "evidock/zhao-01/2") && !is_of("evidock/zhao-0", "evidock/zhao-01/2"));
        assert!(is_of("other.log", "other.log"));
    }
}
