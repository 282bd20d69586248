//! `evidock export`: the evidence package of a case, as a folder or a zip (`custody::package` says what stands in it); and
//! the same on behalf of whoever asks for one on the page or through the API ([`job`]).
//!
//! Asked for and logged before its first byte (invariant 10): without a running daemon nothing is exported. What the
//! package will say is fixed then and kept beside it, so that an interrupted run goes on to the same package; clips come
//! from wherever they stand, each stretch verified, and are compared with what was sealed once more as they were written.

mod anew;
pub(super) mod belongs;
mod bucket;
mod clips;
mod cut;
mod documents;
mod gather;
pub mod job;
mod plan;
mod serve;
mod sink;

use std::sync::Arc;

use serde_json::json;

use super::exit::Exit;
use super::find::{case_number, store};
use super::output::Output;
use super::vouching::keys_since;
use super::{Ended, ask, block_on, destinations};
use crate::cli::Export;
use crate::config::Settings;
use crate::custody::package::discs;
use crate::deliver::footage::Reach;
use crate::domain::command::Request;
use crate::domain::why::Why;
use crate::domain::words::Lang;
use crate::runtime::typeface;
use crate::store::Store;
use crate::vault::Vault;
use documents::How;
use gather::{Asked, Begun, Behind};
use plan::{Plan, PlanFile, place, plan_path};
pub use serve::Packed;
use sink::Sink;

/// Lists of a package that the daemon is asked to sign: some 200,000 files.
const MOST_LISTED_BYTES: usize = 28 << 20;

/// Carries the verb out.
pub fn export(export: &Export, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let number = case_number(settings, &export.case_no)?;
    let store = store(settings)?;
    let is_zip = export.to.extension().is_some_and(|e| e.eq_ignore_ascii_case("zip"));
    let disc_bytes = export.disc.as_deref().map(disc_bytes).transpose()?;
    let (mut notes, plan_path) = (PlanFile::open(&export.to, is_zip)?, plan_path(&export.to, is_zip));
    let plan = match notes.read()? {
        Some(plan) => {
            let facts = &plan.discs[0].facts;
            if facts.case_hash != crate::domain::layout::case_hash(number.key()) {
                return Err(Ended::with(
                    Exit::Usage,
                    format!(
                        "{} holds an unfinished package of {}; finish that one, or give another --to",
                        export.to.display(),
                        facts.case_no
                    ),
                ));
            }
            if let Some(clip) = cut::isolated_of(&store, &plan)? {
                let removed = cut::remove_written(&export.to, is_zip, &plan);
                output.note(output.words(settings.station.language).export_cut(removed));
                return Err(Ended::why(Exit::Mismatch, Why::PackageIsolated { clip: clip.to_string() }));
            }
            let begun = facts.begun_seq;
            if store.read_blocking(|r| keys_since(r, begun))? {
                return Err(Ended::why(Exit::Failure, Why::PackageKey {}));
            }
            ask::request(settings, &begin(export, Some(plan.request().to_owned())))?;
            output.note(&format!("going on with the package that was begun at {}", facts.asked_at));
            plan
        }
        None => {
            // A package is for others: neither this terminal's language nor that of programs is theirs.
            let lang = output.asked().or(settings.station.language.fixed()).unwrap_or_default();
            let anew = || anyhow::Ok(serde_json::from_value::<Begun>(ask::request(settings, &begin(export, None))?)?);
            let mut begun = anew()?;
            let asked = Asked {
                case_no: &export.case_no,
                reason: &export.reason,
                basis: &export.basis,
                recipient: export.recipient.as_deref(),
                derived: export.with_derived,
            };
            let mut tries = 0;
            let whole = loop {
                match gather::gather(&asked, begun.clone(), settings, &store) {
                    Err(e) if e.is::<Behind>() && tries < gather::TRIES => {
                        begun = anew()?;
                        tries += 1;
                    }
                    gathered => break gathered?,
                }
            };
            if whole.clips.is_empty() {
                notes.remove(&plan_path);
                let words = output.words(settings.station.language).no_clip_of(number.display());
                return Err(Ended::with(Exit::NotFound, words));
            }
            let plan = Plan::new(whole, lang, settings.export.sm3, disc_bytes)?;
            let there =
                plan.discs.iter().map(|d| place(&export.to, is_zip, d.facts.disc)).find(|to| is_zip && to.exists());
            if let Some(there) = there {
                notes.remove(&plan_path);
                let words = format!("{} is there already; give another --to", there.display());
                return Err(Ended::with(Exit::Usage, words));
            }
            notes.write(&plan)?;
            plan
        }
    };
    let reach = reach(settings, &store, output)?;
    let (clips, bytes) = plan.content();
    let mut progress = output.progress("export", bytes);
    let mut made = Vec::new();
    // Without one the package says so itself.
    let typeface = typeface::find(settings.export.font.as_deref());
    let typeface = typeface.inspect_err(|e| output.note(&format!("the package goes without PDFs: {e}"))).ok();
    for package in &plan.discs {
        let to = place(&export.to, is_zip, package.facts.disc);
        // A zip that has its name is whole; a folder is looked through.
        if is_zip && to.exists() {
            progress.advance(package.facts.bytes);
            continue;
        }
        let mut look = |bytes| progress.advance(bytes);
        let mut write = || {
            let (sink, there) =
                Sink::open(&to, is_zip, &package.facts, &settings.station.zone, plan.sm3, &package.clips)?;
            let writing = clips::write_all(&reach, &package.clips, sink, there, &mut look);
            let (sink, digests) = block_on(cut::unless_isolated(&store, &plan, writing))?;
            block_on(clips::still_there(&reach, &package.clips))?;
            let sign = |request| signed(settings, &request);
            let (lang, sm3, zone) = (plan.lang(), plan.sm3, &settings.station.zone);
            let how = How { lang, sm3, zone, typeface: typeface.as_ref(), derived: &settings.derived.dir };
            documents::finish(sink, package, &digests, &how, &sign)
        };
        match write() {
            Ok(one) => made.push((to, one)),
            Err(e) => match cut::isolated_of(&store, &plan)? {
                // Whatever it stopped at: it cannot go on any more.
                Some(clip) => {
                    let removed = cut::remove_written(&export.to, is_zip, &plan);
                    output.note(output.words(settings.station.language).export_cut(removed));
                    return Err(Ended::why(Exit::Mismatch, Why::PackageIsolated { clip: clip.to_string() }));
                }
                None => return Err(e),
            },
        }
    }
    drop(progress);
    notes.remove(&plan_path);
    let facts = &plan.discs[0].facts;
    let complete = facts.isolated + facts.unsealed == 0;
    if output.is_json() {
        let of = |f: fn(&gather::Custody) -> usize| plan.discs.iter().map(|d| f(&d.custody)).sum::<usize>();
        let discs = made.iter().map(|(to, made)| {
            json!({ "to": to, "manifest_sha256": made.manifest.to_string(), "files_sha256": made.files.to_string() })
        });
        let first = made.first().map(|(_, made)| (made.manifest.to_string(), made.files.to_string()));
        let (manifest, files) = first.unwrap_or_default();
        output.json(&json!({
            "package": plan.request(), "case_no": facts.case_no, "to": export.to, "clips": clips, "bytes": bytes,
            "events": of(|c| c.events.len()), "withheld": of(|c| c.withheld.len()),
            "checkpoint_size": plan.discs[0].custody.size, "manifest_sha256": manifest, "files_sha256": files,
            "isolated": facts.isolated, "unsealed": facts.unsealed, "disposed": facts.disposed, "discs": discs.collect::<Vec<_>>(),
        }))?;
    } else {
        let w = output.words(settings.station.language);
        output.line(&w.package_made(&export.to.display().to_string(), clips, bytes))?;
        for (to, made) in &made {
            if plan.discs.len() > 1 {
                output.line(&to.display().to_string())?;
            }
            output.line(&format!("{}: {}", w.pk_digest, made.manifest))?;
        }
        if let Some(without) = w.package_without(facts.isolated, facts.unsealed, facts.disposed) {
            output.note(&without);
        }
    }
    Ok(if complete { Exit::Ok } else { Exit::Incomplete })
}

fn begin(export: &Export, resumes: Option<String>) -> Request {
    Request::BeginExport {
        case_no: export.case_no.clone(),
        reason: export.reason.clone(),
        basis: export.basis.clone(),
        recipient: export.recipient.clone(),
        resumes,
    }
}

/// The daemon signs, and logs that it did.
fn signed(settings: &Settings, request: &Request) -> anyhow::Result<documents::Signed> {
    if let Request::SignExport { files, manifest, .. } = request
        && files.len() + manifest.len() > MOST_LISTED_BYTES
    {
        let words = "its lists are longer than what goes through the daemon's socket; ask for it on the page of the case, or with POST /api/v1/exports";
        return Err(Ended::with(Exit::Failure, words));
    }
    Ok(serde_json::from_value(ask::request(settings, request)?)?)
}

/// `dvd`, `bluray`, or gigabytes as they are printed on discs.
fn disc_bytes(typed: &str) -> anyhow::Result<u64> {
    let bytes = match typed.to_ascii_lowercase().as_str() {
        "dvd" | "4.7" => discs::DVD_BYTES,
        "bluray" | "blu-ray" | "25" => discs::BLU_RAY_BYTES,
        other => match other.parse::<f64>() {
            Ok(gb) if gb.is_finite() && (0.0..=100_000.0).contains(&gb) => (gb * 1e9) as u64,
            _ => 0,
        },
    };
    if bytes < discs::LEAST_BYTES {
        let words = format!("--disc {typed}: give dvd, bluray, or a size in GB, at least 0.1");
        return Err(Ended::with(Exit::Usage, words));
    }
    Ok(bytes)
}

/// The way to clips' bytes, from outside of the daemon.
fn reach(settings: &Settings, store: &Store, output: &Output) -> anyhow::Result<Reach> {
    let mut remotes = Vec::new();
    for written in &settings.destinations {
        let name = written.name.to_string();
        let used = store.read_blocking(|r| r.stored_at(&name))?;
        // One that cannot be used is no reason to give up what stands elsewhere.
        match destinations::make(settings, written, used, Some(Arc::new(store.clone()))) {
            Ok(dest) => remotes.push(dest),
            Err(e) => output.note(&format!("{name} cannot be read from: {e:#}")),
        }
    }
    let vault = Vault::at(&settings.vault.dir);
    Ok(Reach { store: store.clone(), vault, station: settings.station.id.clone(), remotes })
}

/// The language of a package as it was asked for.
fn lang_of(tag: &str) -> Lang {
    Lang::parse(tag).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_discs() {
        assert_eq!(disc_bytes("dvd").unwrap(), 4_700_000_000);
        assert_eq!(disc_bytes("4.7").unwrap(), 4_700_000_000);
        assert_eq!(disc_bytes("BluRay").unwrap(), 25_025_314_816);
        assert_eq!(disc_bytes("0.5").unwrap(), 500_000_000);
        for bad in ["", "cd", "-1", "0.01", "nan", "1e99"] {
            assert!(disc_bytes(bad).is_err(), "{bad}");
        }
    }
}
