//! `evidock find WORDS`: what the search box of the page does, from this station's database and, where it is asked for, from
//! the catalogues of other stations.

use std::time::Duration;

use serde_json::json;

use super::exit::Exit;
use super::find::{log_access, store, table};
use super::output::{Output, size};
use super::run::policy;
use super::{Ended, ask, block_on, destinations};
use crate::cli::Find;
use crate::config::Settings;
use crate::deliver::elsewhere::Catalogues;
use crate::domain::command::Request;
use crate::domain::elsewhere::{AnswerElsewhere, Elsewhere, FoundElsewhere, Stands};
use crate::domain::record::Record;
use crate::domain::search::SearchQuery;
use crate::domain::words::Words;
use crate::runtime::clock::wall;
use crate::store::ClipFilter;

/// Nobody waits longer for other stations.
const ELSEWHERE_WITHIN: Duration = Duration::from_secs(20);

/// Searches, logged like every search.
pub fn find(find: &Find, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let typed = find.words.join(" ");
    let rule = settings.casework.number_rule()?;
    let query = SearchQuery::parse(&typed, &rule, &wall().zoned(&settings.station.zone));
    if query.is_empty() {
        return Err(Ended::with(
            Exit::Usage,
            "nothing in these words can be searched for; say a number, a name, a place or a day",
        ));
    }
    let request =
        Request::LogAccess { what: "search".into(), clip: None, case: None, terms: Some(typed), purpose: None };
    log_access(settings, &request, output)?;
    let policy = policy(settings);
    let filter =
        ClipFilter { search: Some(query.clone()), best_first: find.best, limit: find.limit, ..ClipFilter::default() };
    let (records, next, due) = store(settings)?.read_blocking(|r| {
        let page = r.clips(&filter)?;
        let records: Vec<Record> = page.clips.iter().map(|clip| r.record(*clip, &policy)).collect::<Result<_, _>>()?;
        Ok((records, page.next, r.search_due()?))
    })?;
    let elsewhere =
        if find.all_stations || find.from.is_some() { Some(look_elsewhere(find, settings, &query)?) } else { None };
    let found_elsewhere = elsewhere.as_ref().map_or(&[][..], |e| &e.found);
    if output.is_json() {
        match &elsewhere {
            None => output.json(&records)?,
            Some(e) => output.json(&json!({
                "here": records, "elsewhere": e.found.iter().map(told).collect::<Vec<_>>(), "asked": e.asked, "partial": e.partial,
            }))?,
        }
    } else {
        if !records.is_empty() {
            table(&records, output, w)?;
        }
        if !found_elsewhere.is_empty() {
            output.line(w.elsewhere_title())?;
            let rows: Vec<Vec<String>> = found_elsewhere.iter().map(|f| row(f, w)).collect();
            let header = [
                w.col_record,
                w.col_station(),
                w.col_captured,
                w.col_officer,
                w.col_place,
                w.col_size,
                w.col_state,
                w.col_file,
            ];
            output.table(&header, &rows, &[5])?;
        }
    }
    if next.is_some() {
        output.note(&w.at_least(records.len() as u64));
    }
    if due > 0 {
        output.note(&format!("clips that wait for their place in the index: {due}"));
    }
    for why in elsewhere.iter().flat_map(|e| &e.partial) {
        output.note(&w.elsewhere_partial(why));
    }
    if records.is_empty() && found_elsewhere.is_empty() {
        output.note(w.no_match);
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Ok)
}

/// `evidock find --rebuild`.
pub fn rebuild(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let answer = ask::request(settings, &Request::RebuildSearch)?;
    match output.is_json() {
        true => output.json(&answer)?,
        false => output.line(&format!("clips indexed anew, in the background: {}", answer["clips"]))?,
    }
    Ok(Exit::Ok)
}

fn look_elsewhere(find: &Find, settings: &Settings, query: &SearchQuery) -> anyhow::Result<AnswerElsewhere> {
    let remotes = match &find.from {
        Some(from) => vec![destinations::from_typed(settings, from)?],
        None => settings
            .destinations
            .iter()
            // One that keeps no keys has no catalogue either.
            .filter_map(|d| destinations::from_typed(settings, d.name.as_str()).ok())
            .collect(),
    };
    let catalogues = Catalogues::new(remotes, Some(settings.station.id.clone()), ELSEWHERE_WITHIN);
    let limit = usize::try_from(find.limit).unwrap_or(usize::MAX);
    block_on(async { Ok(catalogues.search(query, limit, &|_| true).await) })
}

/// A clip of another station for programs.
fn told(found: &FoundElsewhere) -> serde_json::Value {
    let line = &found.line;
    json!({
        "station_id": found.station.as_str(), "record_id": line.record_id, "stands": found.stands.as_str(), "cases": line.cases,
        "captured_start": line.captured_start, "place": line.place, "officer": line.officer, "party_ref": line.party_ref,
        "matter": line.matter, "device_id": line.device_id, "size_bytes": line.size_bytes, "duration_ms": line.duration_ms,
        "title": line.title, "file": line.file, "role": line.role,
    })
}

fn row(found: &FoundElsewhere, w: &Words) -> Vec<String> {
    let line = &found.line;
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| w.none_dash.to_owned());
    let stands = match found.stands {
        Stands::Cloud => w.stands_cloud(),
        Stands::Unsent => w.stands_unsent(),
        Stands::Unknown => w.stands_unknown(),
    };
    vec![
        line.record_id.clone(),
        found.station.to_string(),
        or_dash(&line.captured_start),
        or_dash(&line.officer),
        or_dash(&line.place),
        size(line.size_bytes),
        stands.to_owned(),
        or_dash(&line.file),
    ]
}
