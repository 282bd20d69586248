//! What becomes of clips after their proof: those that went from here, those that are wrong elsewhere, those that wait
//! for a person.

use super::Finding;
use crate::config::Settings;
use crate::domain::error::chain;
use crate::domain::export::{ExportState, Target};
use crate::domain::layout;
use crate::store::{IsolatedPackage, Store, StoreError};

/// What is to be done about a package that holds what is isolated.
const DECIDE: &str = "a responsible person decides what becomes of it, and of what was handed over; the log has who asked for it and who fetched it (`evidock log show`)";

/// Where a package stands that holds an isolated clip. Nothing of it is made or given out; nothing was deleted.
fn standing(package: &IsolatedPackage, settings: &Settings) -> String {
    let (id, clips) = (&package.package, package.clips.len());
    let holds = format!("the evidence package {id} holds {clips} isolated clips");
    let Some(row) = &package.row else {
        return format!("{holds}; `evidock export` wrote it, to where it was told");
    };
    let key = || layout::export(&settings.station.id, id);
    let place = match (&row.target, row.state) {
        (Target::Station, ExportState::Ready) => format!("it lies in {}", settings.export.dir.join(id).display()),
        (Target::At(name), ExportState::Ready) if row.discs > 1 => {
            format!("it stands at {name} as {} discs beside {}", row.discs, key())
        }
        (Target::At(name), ExportState::Ready) => format!("it stands at {name} as {}", key()),
        (Target::At(name), _) => format!("it was stopped; what had come to {name} whole by then is in the log"),
        (Target::Browser, ExportState::Ready) => "it was ready to be downloaded".to_owned(),
        (Target::Station | Target::Browser, _) => "it was stopped, and what was written of it removed".to_owned(),
    };
    format!("{holds}: {place}; it is given out no longer, and was downloaded {} times before", package.taken)
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
        Err(e) => return vec![Finding::problem("clips", chain(&e), "see the findings about the database")],
    };
    let mut findings = Vec::new();
    if let (clips @ 1.., Some(first)) = out_of_reach {
        findings.push(Finding::problem(
            "eviction",
            format!("{clips} clips went from here and have no proven copy at any destination that is configured now, {first} among them"),
            "put the destination back that holds them; `evidock verify CLIP --remote` compares a copy that was called wrong",
        ));
    } else if evicted.0 > 0 {
        let words =
            format!("{} clips went from here after their proof; each has a proven copy that can be read", evicted.0);
        findings.push(Finding::ok("eviction", words));
    }
    let required = settings.destinations.iter().filter(|d| d.required);
    let elsewhere = |name: &str| known.iter().any(|k| k.name == name && k.probed_ms.is_some() && !k.same_device);
    if settings.vault.evict.is_some() && !required.clone().any(|d| elsewhere(d.name.as_str())) {
        findings.push(Finding::warning(
            "eviction",
            "[vault] evict is on, and no required destination is known to stand off this station's own disk: nothing will go",
            "add such a destination, or wait until the running daemon has reached it once",
        ));
    }
    if let (copies @ 1.., Some(first)) = suspect {
        findings.push(Finding::problem(
            "copies",
            format!("{copies} copies at destinations are not what was sealed, of {first} among others"),
            "they are sent again by themselves while good bytes exist anywhere; see that the destination keeps what it is given",
        ));
    }
    if let (clips @ 1.., Some(first)) = isolated {
        findings.push(Finding::warning(
            "isolation",
            format!("{clips} clips are isolated as suspected classified, {first} among them"),
            "a responsible person decides; `evidock holds` shows them, `evidock lift` takes two people",
        ));
    }
    for package in &packages {
        findings.push(Finding::warning("isolation", standing(package, settings), DECIDE));
    }
    for hold in holds.iter().filter(|h| h.asked_by.is_some()) {
        let by = hold.asked_by.as_deref().unwrap_or_default();
        findings.push(Finding::warning(
            "holds",
            format!("the release of hold {} was asked for by {by} and waits for another person", hold.hold),
            format!("evidock unhold {} --confirm, under another user", hold.hold),
        ));
    }
    findings
}
