//! What becomes of clips after their proof: those that went from here, those that are wrong elsewhere, those that wait
//! for a person.

use super::unread;
use crate::config::Settings;
use crate::domain::export::{ExportState, Target};
use crate::domain::layout;
use crate::domain::office::{CheckPart, Finding, Found, Todo};
use crate::store::{IsolatedPackage, Store, StoreError};

/// Where a package stands that holds an isolated clip. Nothing of it is made or given out; nothing was deleted.
fn standing(package: &IsolatedPackage, settings: &Settings) -> Found {
    let (id, clips, taken) = (package.package.clone(), package.clips.len(), package.taken);
    let Some(row) = &package.row else { return Found::PackageWritten { id, clips } };
    let key = layout::export(&settings.station.id, &id);
    match (&row.target, row.state) {
        (Target::Station, ExportState::Ready) => {
            let dir = settings.export.dir.join(&id).display().to_string();
            Found::PackageLies { id, clips, dir, taken }
        }
        (Target::At(name), ExportState::Ready) => {
            Found::PackageStands { id, clips, name: name.to_string(), key, discs: row.discs, taken }
        }
        (Target::At(name), _) => Found::PackageStoppedAt { id, clips, name: name.to_string(), taken },
        (Target::Browser, ExportState::Ready) => Found::PackageWasReady { id, clips, taken },
        (Target::Station | Target::Browser, _) => Found::PackageStopped { id, clips, taken },
    }
}

/// Looks at all of it.
pub fn look(settings: &Settings, store: &Store) -> Vec<Finding> {
    let names: Vec<String> = settings.destinations.iter().map(|d| d.name.to_string()).collect();
    let read = store.read_blocking(|r| {
        Ok::<_, StoreError>((
            (r.evicted_figures()?, r.out_of_reach(&names)?),
            (r.suspect_figures()?, r.isolated_figures()?),
            r.destinations()?,
            (r.holds()?, r.isolated_packages()?),
        ))
    });
    let ((evicted, out_of_reach), (suspect, isolated), known, (holds, packages)) = match read {
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
    for package in &packages {
        findings.push(Finding::warning(CheckPart::Isolation, standing(package, settings), Todo::DecidePackage {}));
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
