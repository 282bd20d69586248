//! `evidock status`: the station at a glance, from the database and the running daemon.

use serde_json::json;

use super::exit::Exit;
use super::find::store;
use super::output::{Output, size};
use super::{Ended, ask};
use crate::config::Settings;
use crate::domain::clip::ClipState;
use crate::domain::command::Request;
use crate::domain::ports::Clock;
use crate::domain::time::UtcMs;
use crate::domain::words::terminal::Docked;
use crate::runtime::clock::SystemClock;
use crate::store::{Reader, StoreError};
use crate::vault::Vault;

/// What became of clips that are not simply here and proven.
struct Kept {
    isolated: u64,
    suspect: u64,
    held: u64,
    /// How many, and their bytes.
    evicted: (u64, u64),
}

impl Kept {
    fn read(r: &Reader<'_>) -> Result<Self, StoreError> {
        let (isolated, suspect) = (r.isolated_figures()?.0, r.suspect_figures()?.0);
        Ok(Self { isolated, suspect, held: r.held_clips()?, evicted: r.evicted_figures()? })
    }
}

/// Carries the verb out. Without a daemon it still tells what is stored, and ends with [`Exit::Unreachable`].
pub fn status(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let told = match ask::request(settings, &Request::Ping) {
        Ok(told) => Some(told),
        Err(e) if e.downcast_ref::<Ended>().is_some_and(|e| e.exit == Exit::Unreachable) => None,
        Err(e) => return Err(e),
    };
    let running = told.is_some();
    let now = |bay: &str| {
        let bays = told.as_ref().and_then(|t| t["bays"].as_array());
        bays.into_iter().flatten().find(|b| b["bay"] == bay).cloned().unwrap_or_default()
    };
    let now_ms = SystemClock::new().now().0;
    let (figures, docks, destinations, checkpoint, (out, overdue), kept, pauses) =
        store(settings)?.read_blocking(|r| {
            let docks = r.open_docks()?.into_iter().map(|d| Ok((r.holder_of_dock(d.dock_id)?, d)));
            let docks = docks.collect::<Result<Vec<_>, StoreError>>()?;
            Ok((
                r.figures(i64::MAX)?,
                docks,
                r.destinations()?,
                r.last_checkpoint()?,
                r.out_figures(now_ms)?,
                Kept::read(r)?,
                r.pauses()?,
            ))
        })?;
    let at = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    let pauses: Vec<_> = pauses.into_iter().filter(|p| p.until_ms.is_none_or(|until| now_ms < until)).collect();
    let line = |name: &str| told.as_ref().map(|t| t["lines"][name].clone()).unwrap_or_default();
    let (free, total) = Vault::at(&settings.vault.dir).space()?;
    let stages = [
        ("copying", figures.copying),
        ("sealed", figures.sealed),
        ("sending", figures.sending),
        ("proven", figures.proven),
        ("released", figures.released),
    ];
    if output.is_json() {
        let stage =
            |s: &crate::store::StageFigures| json!({ "count": s.count, "bytes": s.bytes, "oldest_ms": s.oldest_ms });
        output.json(&json!({
            "station": settings.station.id.as_str(),
            "running": running,
            "docked": docks.iter().map(|(holder, d)| {
                let now = now(&d.bay);
                let officer = holder.as_ref().map(|h| json!({
                    "officer": h.officer, "origin": h.origin.as_str(), "confirmed": h.is_confirmed(),
                }));
                json!({
                    "bay": d.bay, "recorder": d.recorder, "files": d.files, "safe_to_remove": running && d.safe, "doing": now["doing"],
                    "stuck": now["stuck"], "files_done": now["files_done"], "bytes": now["bytes"], "bytes_done": now["bytes_done"],
                    "unreadable": now["unreadable"], "erased": now["erased"], "kept": now["kept"], "holder": officer,
                })
            }).collect::<Vec<_>>(),
            "at_the_gate": told.as_ref().map(|t| t["held"].clone()),
            "stages": stages.iter().map(|(name, s)| ((*name).to_owned(), stage(s))).collect::<serde_json::Map<_, _>>(),
            "incomplete": figures.incomplete,
            "isolated": kept.isolated,
            "suspect": kept.suspect,
            "held": kept.held,
            "evicted": { "count": kept.evicted.0, "bytes": kept.evicted.1 },
            "recorders_out": out,
            "recorders_overdue": overdue,
            "quarantined": figures.quarantined,
            "waiting_for_a_person": figures.failed,
            "outbox": figures.outbox,
            "disk": { "free_bytes": free, "total_bytes": total },
            "destinations": destinations.iter().map(|d| json!({
                "name": d.name, "proof": d.proof.map(|p| p.as_str()), "same_device": d.same_device, "lock": d.can_lock, "detail": d.detail, "trouble": d.trouble,
                "line": line(&d.name),
            })).collect::<Vec<_>>(),
            "paused": pauses.iter().map(|p| json!({
                "destination": p.destination, "since": at(p.since_ms), "until": p.until_ms.map(at), "by": p.by,
            })).collect::<Vec<_>>(),
            "checkpoint": checkpoint.map(|c| json!({ "size": c.size, "made_ms": c.made_ms })),
        }))?;
    } else {
        output.line(&w.station_line(&settings.station.name, settings.station.id.as_str(), running))?;
        let named = |name: &str| ClipState::parse(name).map_or(name.to_owned(), |state| w.stage(state).to_owned());
        let rows: Vec<Vec<String>> =
            stages.iter().map(|(name, s)| vec![named(name), s.count.to_string(), size(s.bytes)]).collect();
        output.table(&[w.col_stage, w.col_clips, w.col_size], &rows, &[1, 2])?;
        for (holder, d) in &docks {
            // Invariant 9: what the last look found says nothing about a recorder that nobody looks at now.
            let now = now(&d.bay);
            let docked = match (running, d.safe) {
                (true, _) if now["doing"] == "erasing" => Docked::Erasing,
                (true, true) => Docked::Safe,
                (true, false) => Docked::Stay,
                (false, _) => Docked::Unwatched,
            };
            output.line(&w.bay_line(&d.bay, &d.recorder, d.files, docked, now["stuck"].as_str()))?;
            if let Some(who) = holder {
                output.line(&w.holder_line(&who.officer, who.origin.as_str(), who.is_confirmed()))?;
            }
            if let Some(erased) = now["erased"].as_u64().filter(|n| *n > 0) {
                output.line(&w.erased_line(erased))?;
            }
            for kept in now["kept"].as_array().into_iter().flatten() {
                let (files, why) =
                    (kept["files"].as_u64().unwrap_or_default(), kept["why"].as_str().unwrap_or_default());
                output.line(&w.kept_line(files, why))?;
            }
        }
        for held in told.as_ref().and_then(|t| t["held"].as_array()).into_iter().flatten() {
            let [bay, device, name, why] =
                ["bay", "device", "name", "why"].map(|key| held[key].as_str().unwrap_or_default());
            output.line(&w.gate_line(bay, device, name, why))?;
        }
        for d in &destinations {
            let proof = d.proof.map(|p| w.proof(p));
            output.line(&w.destination_line(&d.name, proof, d.same_device, d.trouble.as_deref()))?;
            let line = line(&d.name);
            let rests_s = line["rests_ms"].as_u64().map(|ms| ms.div_ceil(1000));
            if let Some(words) = w.circuit_line(line["circuit"].as_str().unwrap_or_default(), rests_s) {
                output.line(&words)?;
            }
            if line["shut"] == true {
                output.line(w.line_shut)?;
            }
        }
        for p in &pauses {
            output.line(&w.paused_line(p.destination.as_deref(), p.until_ms.map(at).as_deref()))?;
        }
        let (free, total) = (size(free), size(total));
        output.line(&w.summary_line(figures.incomplete, figures.quarantined, figures.failed, &free, &total))?;
        let Kept { isolated, suspect, held, evicted } = kept;
        for line in w.kept_away_lines(isolated, suspect, held, evicted.0, &size(evicted.1)) {
            output.line(&line)?;
        }
        if out > 0 {
            output.line(&w.out_line(out, overdue))?;
        }
    }
    if running { Ok(Exit::Ok) } else { Err(Ended::with(Exit::Unreachable, w.daemon_is_off)) }
}
