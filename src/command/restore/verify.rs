//! `evidock restore --verify`: reads every copy back that is called proven at the destination. The daemon does not run
//! yet, so what is found is stored here.

use std::sync::Arc;

use anyhow::Context;
use serde_json::json;

use super::report::Report;
use crate::command::exit::Exit;
use crate::command::output::Output;
use crate::command::run::database;
use crate::config::Settings;
use crate::deliver::prove::{Expected, read_back};
use crate::domain::clip::Local;
use crate::domain::error::chain;
use crate::domain::event::{Draft, EventKind};
use crate::domain::layout;
use crate::domain::ports::{Clock, Destination, SendError};
use crate::runtime::clock::SystemClock;
use crate::store::{ClipFilter, LocalFate, Store, StoreError};

/// Reads all of them back. A copy that differs is no longer called proven, and a clip of which no other copy is proven
/// is lost.
pub async fn read_all_back(
    settings: &Settings,
    dest: &dyn Destination,
    output: &Output,
    report: &mut Report,
) -> anyhow::Result<Exit> {
    let clock: Arc<dyn Clock> = SystemClock::new();
    let store = Store::open(&database(settings), &settings.station.id, clock)?;
    let done = each(settings, dest, output, &store, report).await;
    store.close();
    done?;
    Ok(if report.verified_bad.is_empty() { Exit::Ok } else { Exit::Mismatch })
}

async fn each(
    settings: &Settings,
    dest: &dyn Destination,
    output: &Output,
    store: &Store,
    report: &mut Report,
) -> anyhow::Result<()> {
    let name = dest.name().to_string();
    let mut wanted = Vec::new();
    let mut after = None;
    loop {
        let filter = ClipFilter { after: after.take(), limit: 1_000, ..ClipFilter::default() };
        let at = name.clone();
        let next = store.read_blocking(|r| {
            let page = r.clips(&filter)?;
            for clip in page.clips {
                let here = r.deliveries(clip)?.into_iter().any(|(d, state)| d == at && state.as_str() == "proven");
                let row = r.clip(clip)?;
                if let (true, Some(size), None) = (here, row.size_bytes, row.isolated_ms) {
                    wanted.push((row, size));
                }
            }
            Ok::<_, StoreError>(page.next)
        })?;
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let mut progress = output.progress("verify", wanted.iter().map(|(_, size)| size).sum());
    for (row, size) in wanted {
        let (Some(blake3), Some(sha256)) = (row.blake3, row.sha256) else { continue };
        let clip = row.clip;
        let expected = Expected { size_bytes: size, sha256, parts: &[], crc64: None, blake3: Some(blake3) };
        let key = layout::master(&settings.station.id, clip);
        let result = match read_back(dest, &key, &expected).await {
            Ok(()) => None,
            Err(SendError::Mismatch { what, .. }) => Some(what),
            Err(e) => match dest.head(&key).await.context("asking for a copy that could not be read")? {
                None => Some("it is not there".to_owned()),
                Some(_) => {
                    report.warnings.push(format!("{clip} could not be read back: {}", chain(&e)));
                    continue;
                }
            },
        };
        progress.advance(size);
        let (at, differs) = (name.clone(), result.clone());
        store
            .write(move |tx| {
                let event = Draft::daemon(EventKind::Verified)
                    .clip(clip)
                    .fact("local", row.local.as_str())
                    .fact(
                        "copies",
                        json!([{ "destination": at, "result": if differs.is_none() { "same" } else { "differs" } }]),
                    )
                    .outcome(if differs.is_none() { "ok" } else { "failed" });
                tx.log(&event)?;
                let Some(what) = &differs else { return Ok(()) };
                tx.suspect(clip, &at, what, "verify")?;
                if row.local == Local::Evicted && tx.read().proven_off_box(clip, &at)?.is_empty() {
                    tx.settle_local(clip, LocalFate::Lost)?;
                }
                Ok(())
            })
            .await?;
        match result {
            None => report.verified += 1,
            Some(what) => report.verified_bad.push(format!("{clip}: {what}")),
        }
    }
    Ok(())
}
