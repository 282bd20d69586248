//! What becomes of clips after their proof: those that went from here, those that are wrong elsewhere, those that wait
//! for a person.

use super::unread;
use crate::config::Settings;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::store::{Store, StoreError};

/// Looks at all of it.
pub fn look(settings: &Settings, store: &Store) -> Vec<Finding> {
    let names: Vec<String> = settings.destinations.iter().map(|d| d.name.to_string()).collect();
    let read = store.read_blocking(|r| {
        Ok::<_, StoreError>((
            (r.evicted_figures()?, r.out_of_reach(&names)?),
            (r.suspect_figures()?, r.isolated_figures()?),
            r.destinations()?,
            r.holds()?,
        ))
    });
    let ((evicted, out_of_reach), (suspect, isolated), known, holds) = match read {
        Ok(read) => read,
        Err(e) => return vec![unread(CheckPart::Clips, &e)],
    };
    let mut findings = Vec::new();
    if let (clips @ 1.., Some(first)) = out_of_reach {
        findings.push(Finding::problem(
            CheckPart::Eviction,
            Found::OutOfReach { clips, first: first.to_string() },
            Todo::PutDestinationBack {},
        ));
    } else if evicted.0 > 0 {
        findings.push(Finding::ok(CheckPart::Eviction, Found::WentFromHere { clips: evicted.0 }));
    }
    let required = settings.destinations.iter().filter(|d| d.required);
    let elsewhere = |name: &str| known.iter().any(|k| k.name == name && k.probed_ms.is_some() && !k.same_device);
    if settings.vault.evict.is_some() && !required.clone().any(|d| elsewhere(d.name.as_str())) {
        findings.push(Finding::warning(CheckPart::Eviction, Found::NothingWillGo {}, Todo::AddRequired {}));
    }
    if let (copies @ 1.., Some(first)) = suspect {
        findings.push(Finding::problem(
            CheckPart::Copies,
            Found::WrongCopies { copies, first: first.to_string() },
            Todo::SentAgain {},
        ));
    }
    if let (clips @ 1.., Some(first)) = isolated {
        findings.push(Finding::warning(
            CheckPart::Isolation,
            Found::IsolatedClips { clips, first: first.to_string() },
            Todo::DecideIsolation {},
        ));
    }
    for hold in holds.iter().filter(|h| h.asked_by.is_some()) {
        let (hold, by) = (hold.hold.to_string(), hold.asked_by.clone().unwrap_or_default());
        findings.push(Finding::warning(
            CheckPart::Holds,
            Found::ReleaseAsked { hold: hold.clone(), by },
            Todo::ConfirmRelease { hold },
        ));
    }
    findings
}
