//! `evidock case file`: a case is closed, gets its place in the archive, is checked and signed off, or re-opened; both ends
//! of it, what the command line asks and prints, and what the desk of the running daemon answers.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::coverage::allowed;
use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use super::exit::Exit;
use super::find::{case_number, log_access, store};
use super::keeping::reason;
use super::output::Output;
use super::{Ended, ask};
use crate::cli::FileVerb;
use crate::config::Settings;
use crate::domain::command::{Caller, Reply, Request};
use crate::domain::event::{Actor, EventKind};
use crate::domain::filing::{FilingAsk, FilingState, Term};
use crate::domain::layout;
use crate::domain::time::UtcMs;
use crate::domain::why::{Thing, Why};
use crate::domain::words::Words;
use crate::runtime::clock::wall;
use crate::store::{Binding, FilingProgress, FilingRule, StoreError, report_json};

/// Longest archive number, characters.
const CODE_CHARS: usize = 100;
/// How far a comparison is is looked at so often.
const LOOK: std::time::Duration = std::time::Duration::from_millis(300);

// -------------------------------------------------------------------------------------------------
// The daemon's end

fn line(thing: Thing, text: &str, most: usize) -> Result<String, Reply> {
    let text = text.trim().to_owned();
    match text.chars().count() {
        0 => Err(Reply::refused("invalid", Why::Give { thing })),
        n if n > most || text.chars().any(char::is_control) => {
            Err(Reply::refused("invalid", Why::OneLine { thing, most: most as u64 }))
        }
        _ => Ok(text),
    }
}

impl Desk {
    pub(super) async fn filing(&self, caller: &Caller, ask: FilingAsk) -> Answer {
        let typed = match &ask {
            FilingAsk::Close { case_no }
            | FilingAsk::Bind { case_no, .. }
            | FilingAsk::Compare { case_no }
            | FilingAsk::File { case_no, .. }
            | FilingAsk::Reopen { case_no, .. }
            | FilingAsk::DecideReopen { case_no, .. } => case_no.clone(),
        };
        let number = match self.number(&typed) {
            Ok(number) => number,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let key = number.key().to_owned();
        let Some(case) = self.store.read(move |r| r.case_id(&key)).await? else {
            let case_no = number.display().to_owned();
            return Ok(Reply::refused("not_found", Why::NoCase { case_no }));
        };
        // Each of these goes through every clip, in the only writer; re-opening is the way back, and stays.
        if !matches!(ask, FilingAsk::Reopen { .. } | FilingAsk::DecideReopen { .. }) {
            self.store.read(move |r| r.not_large(case)).await?;
        }
        let case_no = number.display().to_owned();
        let told = |state: FilingState| Ok(Reply::Done(json!({ "case_no": case_no, "state": state.as_str() })));
        match ask {
            FilingAsk::Close { .. } => {
                let asked = draft(EventKind::CaseClosed, caller);
                self.store.write(move |tx| tx.close_case(case, asked)).await?;
                told(FilingState::Closed)
            }
            FilingAsk::Bind { fonds_no, year, archival_code, title, term, .. } => {
                let binding = match self.binding(fonds_no, year, &archival_code, title, &term, case).await? {
                    Ok(binding) => binding,
                    Err(refused) => return Ok(refused),
                };
                let asked = draft(EventKind::CaseBound, caller);
                self.store.write(move |tx| tx.bind_case(case, &binding, asked)).await?;
                told(FilingState::Bound)
            }
            FilingAsk::Compare { .. } => {
                let asked = draft(EventKind::CaseCompared, caller);
                told(self.store.write(move |tx| tx.compare_case(case, asked)).await?)
            }
            FilingAsk::File { opinion, .. } => {
                let opinion = match reason(&opinion) {
                    Ok(opinion) => opinion,
                    Err(refused) => return Ok(refused),
                };
                let (asked, rule, zone) =
                    (draft(EventKind::CaseFiled, caller), self.filing_rule(), self.policy.zone.clone());
                let report = self.store.write(move |tx| tx.file_case(case, &opinion, rule, &zone, asked)).await?;
                let state = if report.is_sound() { FilingState::Filed } else { FilingState::Bound };
                Ok(Reply::Done(json!({ "case_no": case_no, "state": state.as_str(), "report": report_json(&report) })))
            }
            FilingAsk::Reopen { reason: why, .. } => {
                let why = match reason(&why) {
                    Ok(why) => why,
                    Err(refused) => return Ok(refused),
                };
                let asked = draft(EventKind::CaseReopened, caller);
                let open = self.store.write(move |tx| tx.ask_reopen(case, &why, asked)).await?;
                told(if open { FilingState::Open } else { FilingState::Filed })
            }
            FilingAsk::DecideReopen { yes, .. } => {
                let asked = draft(EventKind::CaseReopened, caller);
                self.store.write(move |tx| tx.decide_reopen(case, yes, asked)).await?;
                told(if yes { FilingState::Open } else { FilingState::Filed })
            }
        }
    }

    async fn binding(
        &self,
        fonds_no: Option<String>,
        year: Option<String>,
        archival_code: &str,
        title: Option<String>,
        term: &str,
        case: i64,
    ) -> Result<Result<Binding, Reply>, crate::store::StoreError> {
        let filled = |t: Option<String>| t.filter(|t| !t.trim().is_empty());
        let year = match filled(year) {
            Some(typed) => typed,
            None => {
                let closed = self.store.read(move |r| Ok(r.filing(case)?.map(|f| f.closed.1))).await?;
                UtcMs(closed.unwrap_or(self.clock.now().0)).zoned(&self.policy.zone).year().to_string()
            }
        };
        let this_year = i64::from(self.this_year());
        let fonds_no = filled(fonds_no).or_else(|| self.keeping.fonds_no.clone()).unwrap_or_default();
        Ok((|| {
            let year: i64 = match year.trim().parse() {
                Ok(year) if (1949..=this_year + 1).contains(&year) => year,
                _ => return Err(Reply::refused("invalid", Why::YearOfFile { latest: this_year + 1 })),
            };
            let term = line(Thing::Term, term, CODE_CHARS)?;
            match Term::parse(&term) {
                Some(Term::Months(_) | Term::Forever) => {}
                _ => return Err(Reply::refused("invalid", Why::TermForm {})),
            }
            Ok(Binding {
                fonds_no: line(Thing::FondsNo, &fonds_no, CODE_CHARS)?,
                year,
                archival_code: line(Thing::ArchiveNo, archival_code, CODE_CHARS)?,
                title: match filled(title) {
                    Some(title) => Some(line(Thing::Title, &title, MAX_VALUE_CHARS)?),
                    None => None,
                },
                term,
            })
        })())
    }
}

// -------------------------------------------------------------------------------------------------
// The command line's end

/// `evidock case file`.
pub(super) fn file(verb: &FileVerb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let w = output.words(settings.station.language);
    let ask_of = match verb {
        FileVerb::Check { case_no } => return check(case_no, settings, output, w),
        FileVerb::Compare { case_no } => return compare(case_no, settings, output, w),
        FileVerb::Close { case_no } => FilingAsk::Close { case_no: case_no.clone() },
        FileVerb::Bind { case_no, code, term, fonds, year, title } => FilingAsk::Bind {
            case_no: case_no.clone(),
            fonds_no: fonds.clone(),
            year: year.clone(),
            archival_code: code.clone(),
            title: title.clone(),
            term: term.clone(),
        },
        FileVerb::Sign { case_no, opinion } => FilingAsk::File { case_no: case_no.clone(), opinion: opinion.clone() },
        FileVerb::Reopen { case_no, reason: Some(reason), .. } => {
            FilingAsk::Reopen { case_no: case_no.clone(), reason: reason.clone() }
        }
        FileVerb::Reopen { case_no, confirm, .. } => {
            FilingAsk::DecideReopen { case_no: case_no.clone(), yes: *confirm }
        }
    };
    let answer = ask::request(settings, &Request::Filing { ask: ask_of })?;
    let (case_no, state) =
        (answer["case_no"].as_str().unwrap_or_default(), answer["state"].as_str().unwrap_or_default());
    let refused = matches!(verb, FileVerb::Sign { .. }) && state != FilingState::Filed.as_str();
    if output.is_json() {
        output.json(&answer)?;
    } else {
        output.line(&format!("{case_no}: {}", w.filing_state(state)))?;
        told(&answer["report"], output, w, &settings.station.zone)?;
    }
    match refused {
        true => Err(Ended::with(Exit::Failure, w.keeping().not_filed_gaps)),
        false => Ok(Exit::Ok),
    }
}

/// Each gap and remark in a line.
fn told(report: &Value, output: &Output, w: &Words, zone: &TimeZone) -> anyhow::Result<()> {
    for (key, heading) in [("gaps", w.keeping().gaps), ("remarks", w.keeping().remarks)] {
        let found = report[key].as_array().map(Vec::as_slice).unwrap_or_default();
        if found.is_empty() {
            continue;
        }
        output.line(heading)?;
        for f in found {
            let text = |key: &str| f[key].as_str().unwrap_or_default();
            let of = if text("clip").is_empty() { text("matter") } else { text("clip") };
            let of = match f["at_ms"].as_i64() {
                Some(ms) => format!("{of} {}", w.day_time(UtcMs(ms), zone)),
                None => of.to_owned(),
            };
            output.line(&format!("  {of} {}", w.filing_gap(text("what"), text("detail"))))?;
        }
    }
    Ok(())
}

/// Begins to compare the data of a case, and waits for the end of it.
fn compare(typed: &str, settings: &Settings, output: &Output, w: &Words) -> anyhow::Result<Exit> {
    let ask_of = FilingAsk::Compare { case_no: typed.to_owned() };
    ask::request(settings, &Request::Filing { ask: ask_of })?;
    let (number, store) = (case_number(settings, typed)?, store(settings)?);
    let far = || {
        store.read_blocking(|r| match r.case_id(number.key())? {
            Some(case) => r.filing_progress(case),
            None => Ok(FilingProgress::default()),
        })
    };
    let (mut now, mut told) = (far()?, None);
    while now.is_going() {
        if told != Some(now.done) && !output.is_json() {
            output.note(&format!("{} {}/{}", w.keeping().compare_going, now.done, now.clips));
            told = Some(now.done);
        }
        std::thread::sleep(LOOK);
        now = far()?;
    }
    check(typed, settings, output, w)
}

fn check(typed: &str, settings: &Settings, output: &Output, w: &Words) -> anyhow::Result<Exit> {
    let number = case_number(settings, typed)?;
    let request = Request::LogAccess {
        what: "find".into(),
        clip: None,
        case: Some(layout::case_hash(number.key())),
        terms: Some(typed.to_owned()),
        purpose: None,
    };
    log_access(settings, &request, output)?;
    let (now, rule) = (wall().0, rule(settings));
    let found = store(settings)?.read_blocking(|r| {
        let Some(case) = r.case_id(number.key())? else { return Ok(None) };
        r.not_large(case)?;
        let filing = r.filing(case)?;
        let signed = filing.as_ref().map(|f| r.signed_report(f)).transpose()?.flatten();
        Ok(Some((filing, r.filing_report(case, rule, now)?, signed, r.filing_progress(case)?)))
    });
    let (filing, report, signed, progress) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Err(Ended::with(Exit::NotFound, format!("there is no case {}", number.display()))),
        Err(StoreError::Conflict(why)) => return Err(Ended::why(Exit::Failure, why)),
        Err(e) => return Err(e.into()),
    };
    let state = filing.as_ref().map_or(FilingState::Open, crate::store::FilingRow::state).as_str();
    let report = report_json(&report);
    let at = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    let filed = filing.as_ref().and_then(|f| f.filed.as_ref());
    if output.is_json() {
        output.json(&json!({
            "case_no": number.display(), "state": state, "report": report,
            "archival_code": filing.as_ref().and_then(|f| f.archival_code.clone()),
            "fonds_no": filing.as_ref().and_then(|f| f.fonds_no.clone()),
            "year": filing.as_ref().and_then(|f| f.year),
            "term": filing.as_ref().and_then(|f| f.term.clone()),
            "filed_by": filed.map(|(by, _)| by), "filed_at": filed.map(|(_, ms)| at(*ms)),
            "comparing": { "clips": progress.clips, "done": progress.done, "going": progress.is_going() },
            "signed": signed.as_ref().map(|s| json!({
                "report": s.report.as_ref().map(report_json), "sha256": s.sha256, "altered": s.is_altered(),
                "log_seq": s.logged.as_ref().map(|(seq, _)| seq),
            })),
            "reopening_asked_by": filing.as_ref().and_then(|f| f.asked.as_ref()).map(|(by, _)| by.clone()),
        }))?;
    } else {
        output.line(&format!("{}: {}", number.display(), w.filing_state(state)))?;
        let k = w.keeping();
        if let Some((signed, (by, ms))) = signed.as_ref().zip(filed) {
            output.line(k.report_signed)?;
            output.line(&format!("  {}: {} · {}", k.signed_by, w.actor(&actor(by)), at(*ms)))?;
            let label = if signed.logged.is_some() { k.report_digest } else { k.report_digest_before };
            output.line(&format!("  {label}: SHA-256 {}", signed.sha256))?;
            if let Some(report) = &signed.report {
                told(&report_json(report), output, w, &settings.station.zone)?;
            }
            if signed.is_altered() {
                output.note(k.report_altered);
                return Ok(Exit::Mismatch);
            }
            output.line(k.report_now)?;
        } else if progress.is_going() {
            output.line(&format!("{} {}/{}", k.compare_going, progress.done, progress.clips))?;
        }
        told(&report, output, w, &settings.station.zone)?;
    }
    Ok(if signed.is_some_and(|s| s.is_altered()) { Exit::Mismatch } else { Exit::Ok })
}

/// What a case must be to be filed.
fn rule(settings: &Settings) -> FilingRule {
    FilingRule {
        allowed: allowed(&settings.casework.coverage),
        compared_ms: i64::from(settings.keeping.compared_days) * 86_400_000,
    }
}

fn actor(text: &str) -> Actor {
    let (kind, id) = text.split_once(':').unwrap_or((text, ""));
    Actor { kind: kind.to_owned(), id: id.to_owned() }
}
