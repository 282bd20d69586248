//! `evidock find` and `evidock show`: from this station's database, or from a destination alone.

use serde_json::json;

use super::exit::Exit;
use super::output::{Output, size};
use super::run::{database, policy};
use super::{Ended, bucket, looking, search};
use crate::cli::{Find, Show};
use crate::config::Settings;
use crate::domain::case_number::CaseNumber;
use crate::domain::clip::{ClipState, Delivery, ProofLevel};
use crate::domain::command::Request;
use crate::domain::layout;
use crate::domain::record::{Field, Record};
use crate::domain::words::Words;
use crate::runtime::clock::{SystemClock, wall};
use crate::store::Store;

/// Reads a typed case number by the station's rule, or ends with what is wrong and what was perhaps meant.
pub fn case_number(settings: &Settings, typed: &str) -> anyhow::Result<CaseNumber> {
    let year = wall().zoned(&settings.station.zone).year();
    settings.casework.number_rule()?.parse(typed, year).map_err(|e| {
        let meant = e.suggestions();
        let hint = if meant.is_empty() { String::new() } else { format!("; did you mean {}?", meant.join(" / ")) };
        Ended::with(Exit::Usage, format!("{e}{hint}"))
    })
}

/// This station's database, for reading.
pub fn store(settings: &Settings) -> anyhow::Result<Store> {
    let path = database(settings);
    if !path.exists() {
        return Err(Ended::with(
            Exit::NotFound,
            format!(
                "there is no database at {}; is this the station's state directory (--state), and did the daemon ever run?",
                path.display()
            ),
        ));
    }
    Ok(Store::open_read_only(&path, SystemClock::new())?)
}

/// Stores the entry of an access before anything is shown.
pub(super) fn log_access(settings: &Settings, request: &Request, _: &Output) -> anyhow::Result<()> {
    looking::store_first(settings, std::slice::from_ref(request))
}

/// `evidock find WORDS`, `evidock find --case N [--from DEST]`.
pub fn find(find: &Find, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    if find.rebuild {
        return search::rebuild(settings, output);
    }
    let Some(case_no) = &find.case_no else { return search::find(find, settings, output) };
    let number = case_number(settings, case_no)?;
    let mut odd = Vec::new();
    let records = match &find.from {
        Some(from) => {
            looking::at_destination(settings, &number, from)?;
            let found = bucket::find(settings, from, &number)?;
            odd = found.odd;
            found.records
        }
        None => {
            let request = Request::LogAccess {
                what: "find".into(),
                clip: None,
                case: Some(layout::case_hash(number.key())),
                terms: Some(case_no.clone()),
                purpose: None,
            };
            log_access(settings, &request, output)?;
            let policy = policy(settings);
            let key = number.key().to_owned();
            store(settings)?.read_blocking(|r| {
                let Some(case) = r.case_id(&key)? else { return Ok(Vec::new()) };
                r.clips_of_case(case)?.into_iter().map(|clip| r.record(clip, &policy)).collect()
            })?
        }
    };
    let records: Vec<Record> = records.into_iter().map(|r| matched(r, number.key())).collect();
    if output.is_json() {
        output.json(&records)?;
    } else if !records.is_empty() {
        table(&records, output, w)?;
    }
    // What stands there and cannot be used is no reason to hide the others, nor to be silent.
    for o in &odd {
        output.note(&format!("{} ({}): {} ({})", o.clip, o.station, w.fetched("odd"), o.why));
    }
    if !odd.is_empty() {
        return Ok(Exit::Mismatch);
    }
    if records.is_empty() {
        output.note(&w.no_clip_of(number.display()));
        return Ok(Exit::NotFound);
    }
    Ok(Exit::Ok)
}

/// `case_no` is the number that matched (decision 7), and what the clip proves is what it proves there.
fn matched(mut record: Record, key: &str) -> Record {
    let all = |l: &crate::domain::record::CaseLink| l.case_key == key;
    if let Some(link) = record.cases.iter().find(|l| all(l)).or(record.cases.first()).cloned() {
        record.case_no = Some(link.case_no);
        record.case_no_raw = Some(link.case_no_raw);
        record.case_key = Some(link.case_key);
        record.proves = link.proves.or(record.proves);
    }
    record
}

/// Records as a table.
pub(super) fn table(records: &[Record], output: &Output, w: &Words) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = records.iter().map(|r| row(r, w)).collect();
    let header =
        [w.col_record, w.col_captured, w.col_officer, w.col_place, w.col_proves, w.col_size, w.col_state, w.col_file];
    Ok(output.table(&header, &rows, &[5])?)
}

fn row(r: &Record, w: &Words) -> Vec<String> {
    let or_dash = |t: &Option<String>| t.clone().unwrap_or_else(|| "—".to_owned());
    vec![
        r.record_id.clone(),
        or_dash(&r.captured_start),
        or_dash(&r.officer),
        or_dash(&r.place),
        or_dash(&r.proves),
        size(r.size_bytes),
        state(&r.state, w),
        r.original_filename.clone(),
    ]
}

fn state(word: &str, w: &Words) -> String {
    ClipState::parse(word).map_or(word.to_owned(), |state| w.state(state).to_owned())
}

/// `evidock show CLIP`.
pub fn show(show: &Show, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let clip = show.clip.parse().map_err(|e: crate::domain::ids::IdError| Ended::with(Exit::Usage, e.to_string()))?;
    let store = store(settings)?;
    let policy = policy(settings);
    let record = store.read_blocking(|r| r.record(clip, &policy)).map_err(|e| match e {
        crate::store::StoreError::NotFound(why) => Ended::why(Exit::NotFound, why),
        e => e.into(),
    })?;
    let request = Request::LogAccess {
        what: "show".into(),
        clip: Some(clip.to_string()),
        case: None,
        terms: None,
        purpose: None,
    };
    log_access(settings, &request, output)?;
    if output.is_json() {
        output.json(&record)?;
        return Ok(Exit::Ok);
    }
    let w = output.words(settings.station.language);
    let json = json!(record);
    let mut rows = Vec::new();
    for (name, value) in json.as_object().into_iter().flatten() {
        if value.is_null() || name == "origins" || name == "cases" || name == "copies" {
            continue;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let text = if name == "state" { state(&text, w) } else { text };
        let origin = record.origins.get(name).map(|o| w.origin(&o.origin).to_owned()).unwrap_or_default();
        rows.push(vec![w.keyed(name, Field::parse(name).map(|f| w.field(f))), text, origin]);
    }
    output.table(&[w.col_field, w.col_value, w.col_from], &rows, &[])?;
    let links: Vec<Vec<String>> = record
        .cases
        .iter()
        .map(|l| {
            vec![
                l.case_no.clone(),
                l.aliases.join(", "),
                l.stage.clone().unwrap_or_default(),
                w.origin(&l.origin).to_owned(),
                l.rev.to_string(),
            ]
        })
        .collect();
    if !links.is_empty() {
        output.table(&[w.col_case, w.col_also, w.col_case_stage, w.col_from, w.col_rev], &links, &[4])?;
    }
    let copies: Vec<Vec<String>> = record
        .copies
        .iter()
        .map(|c| {
            let proof = c.proof.clone().unwrap_or_default();
            let proof = ProofLevel::parse(&proof).map_or(proof, |p| w.proof(p).to_owned());
            vec![
                c.destination.clone(),
                Delivery::parse(&c.state).map_or(c.state.clone(), |d| w.delivery(d).to_owned()),
                proof,
                c.object_uri.clone(),
                c.proven_at.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if !copies.is_empty() {
        output.table(&[w.col_destination, w.col_state, w.col_proof, w.col_object, w.col_proven], &copies, &[])?;
    }
    Ok(Exit::Ok)
}
