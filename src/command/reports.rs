//! `evidock report` and `evidock sample`: statistics, registers of clips and the unit's own forms; random samples and what
//! becomes of their findings. Looking reads the database, everything else asks the running daemon.

use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::coverage::allowed;
use super::exit::Exit;
use super::find::{log_access, store};
use super::output::Output;
use super::{Ended, ask};
use crate::cli;
use crate::config::Settings;
use crate::domain::command::Request;
use crate::domain::digest::to_hex;
use crate::domain::oversight::OversightAsk;
use crate::domain::report::{self, Counts, Line, Period, Report};
use crate::domain::rights::Within;
use crate::domain::supervision::{self, Drawn, Point};
use crate::domain::time::UtcMs;
use crate::domain::words::{Lang, Words};
use crate::domain::workbook::{csv, fill, sheet};
use crate::runtime::clock::wall;
use crate::store::{MOST_LISTED, Reader, ReportAsk, SampleRow, StoreError};

/// Samples that a list shows.
const SAMPLES: u32 = 200;

/// A period as typed; without one this month.
fn period(typed: Option<&str>, settings: &Settings) -> anyhow::Result<Period> {
    match typed {
        Some(typed) => Period::parse(typed).map_err(|e| Ended::with(Exit::Usage, e.to_string())),
        None => Ok(Period::month_of(wall().zoned(&settings.station.zone).date())),
    }
}

fn asked(of: &cli::ReportOf, settings: &Settings) -> anyhow::Result<ReportAsk> {
    Ok(ReportAsk {
        period: period(of.period.as_deref(), settings)?,
        unit: of.unit.clone(),
        kind: of.kind.clone(),
        within: Within::Everything,
        now_ms: wall().0,
        zone: settings.station.zone.clone(),
        allowed: allowed(&settings.casework.coverage),
    })
}

fn logged(what: &str, settings: &Settings, output: &Output) -> anyhow::Result<()> {
    let request =
        Request::LogAccess { what: "list".into(), clip: None, case: None, terms: Some(what.into()), purpose: None };
    log_access(settings, &request, output)
}

/// Words of what is written into files: in the language that was asked for, else the configured one.
fn file_words(settings: &Settings, output: &Output) -> &'static Words {
    output.asked().or(settings.station.language.fixed()).unwrap_or(Lang::Zh).words()
}

/// `evidock report`.
pub fn report(verb: &cli::Report, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let zone = &settings.station.zone;
    match verb {
        cli::Report::Show(of) => {
            let ask = asked(of, settings)?;
            logged(&format!("report {}", ask.period), settings, output)?;
            let made = store(settings)?.read_blocking(move |r| r.report(&ask))?;
            match output.is_json() {
                true => output.json(&report::told(&made, zone))?,
                false => show(&made, output.words(settings.station.language), output)?,
            }
        }
        cli::Report::Register { of, out } => {
            let ask = asked(of, settings)?;
            logged(&format!("register of clips {}", ask.period), settings, output)?;
            let w = file_words(settings, output);
            let told = ask.period;
            let clips = store(settings)?.read_blocking(move |r| r.report_register(&ask))?;
            let clips = clips.ok_or_else(|| {
                Ended::with(Exit::Failure, format!("more than {MOST_LISTED} clips; choose a shorter period or a unit"))
            })?;
            let (head, rows) = (report::register_head(w), report::register_rows(&clips, w, zone));
            let bytes = match extension(out).as_str() {
                "csv" => {
                    let head = head.iter().map(|h| (*h).into()).collect();
                    csv::write(std::iter::once(head).chain(rows))
                }
                "xlsx" => {
                    let title = format!("{} {}", w.oversight().register_title, w.period(told));
                    sheet::write(w.oversight().register_title, &title, &head, &rows)
                }
                _ => return Err(Ended::with(Exit::Usage, "a register is written as .csv or .xlsx".to_owned())),
            };
            write(out, &bytes)?;
            done(&json!({ "file": out.display().to_string(), "clips": clips.len() }), out, output)?;
        }
        cli::Report::Fill { form, of, out } => {
            let ask = asked(of, settings)?;
            logged(&format!("form {}", ask.period), settings, output)?;
            let bytes = std::fs::read(form).with_context(|| format!("the form {} cannot be read", form.display()))?;
            let made = store(settings)?.read_blocking(move |r| r.report(&ask))?;
            let w = file_words(settings, output);
            let filled = fill::fill(&bytes, &|name| made.value(name, w, zone))
                .map_err(|e| Ended::with(Exit::Failure, e.to_string()))?;
            write(out, &filled)?;
            done(&json!({ "file": out.display().to_string() }), out, output)?;
        }
        cli::Report::Fields => {
            let fields = report::fields();
            match output.is_json() {
                true => output.json(&fields)?,
                false => {
                    let rows: Vec<Vec<String>> = fields.into_iter().map(|(a, b)| vec![a, b]).collect();
                    output.table(&["placeholder", "or"], &rows, &[])?;
                }
            }
        }
    }
    Ok(Exit::Ok)
}

fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}

fn done(told: &Value, path: &Path, output: &Output) -> anyhow::Result<()> {
    match output.is_json() {
        true => output.json(told)?,
        false => output.line(&path.display().to_string())?,
    }
    Ok(())
}

fn show(made: &Report, w: &Words, output: &Output) -> anyhow::Result<()> {
    let o = w.oversight();
    output.line(&format!("{} · {}", o.reports_title, w.period(made.period)))?;
    let head = [
        o.unit,
        o.fig_recorded,
        o.hours,
        o.storage,
        o.fig_at_once,
        o.fig_chased,
        o.fig_incomplete,
        o.fig_by_rule,
        o.fig_by_hand,
        o.fig_not_yet_linkable,
        o.fig_unlinked,
        o.fig_in_time,
        o.fig_late,
        o.fig_unproven,
    ];
    let row = |name: String, c: &Counts| {
        let mut row = vec![name, w.number(c.clips), w.hours(c.duration_ms), w.size(c.bytes)];
        row.extend(
            [c.at_once, c.chased, c.incomplete, c.by_rule, c.by_hand, c.not_yet_linkable, c.unlinked]
                .map(|n| w.number(n)),
        );
        row.extend([c.in_time, c.late, c.unproven].map(|n| w.number(n)));
        row
    };
    let named = |l: &Line, none: &str| row(l.name.clone().unwrap_or_else(|| none.to_owned()), &l.counts);
    let mut rows: Vec<Vec<String>> = made.units.iter().map(|l| named(l, o.no_unit)).collect();
    rows.push(row(o.total.to_owned(), &made.total));
    output.table(&head, &rows, &(1..head.len()).collect::<Vec<_>>())?;
    for (label, n) in [
        (o.fig_undated, made.undated),
        (o.gaps_cases, made.gaps.cases),
        (o.gaps_missing, made.gaps.missing),
        (o.gaps_explained, made.gaps.explained),
        (o.gaps_interrupted, made.gaps.interrupted),
        (o.overdue_title, made.overdue.len() as u64),
    ] {
        output.line(&format!("{label}: {}", w.number(n)))?;
    }
    Ok(())
}

/// `evidock sample`.
pub fn sample(verb: &cli::Sample, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let request = match verb {
        cli::Sample::List => return list(settings, output),
        cli::Sample::Show { sample } => return show_sample(*sample, settings, output),
        cli::Sample::Verify { sample } => return verify(*sample, settings, output),
        cli::Sample::Ranking { period } => return ranking(period.as_deref(), settings, output),
        cli::Sample::Draw { period: typed, unit, count } => OversightAsk::DrawSample {
            period: period(typed.as_deref(), settings)?.to_string(),
            unit: unit.clone(),
            count: *count,
        },
        cli::Sample::Judge { at, no, na, words, due } => {
            let (sample, n) = (at.sample, at.n);
            logged(&format!("sample {sample}"), settings, output)?;
            let row = store(settings)?.read_blocking(|r| r.sample(sample)).map_err(ended)?;
            let points = points(&row, no, na)?;
            OversightAsk::JudgeSample { sample, n, points, words: words.clone().unwrap_or_default(), due: due.clone() }
        }
        cli::Sample::Answer { at, words } => {
            OversightAsk::AnswerFinding { sample: at.sample, n: at.n, words: words.clone() }
        }
        cli::Sample::Return { at, words, due } => {
            OversightAsk::ReturnFinding { sample: at.sample, n: at.n, words: words.clone(), due: due.clone() }
        }
        cli::Sample::Close { at, words } => {
            OversightAsk::CloseFinding { sample: at.sample, n: at.n, words: words.clone().unwrap_or_default() }
        }
    };
    let answer = ask::request(settings, &Request::Oversight { ask: request })?;
    if output.is_json() {
        output.json(&answer)?;
    } else if let Some(standing) = answer["standing"].as_str() {
        output.line(&format!("{} / {}: {standing}", answer["sample"], answer["n"]))?;
    } else {
        output.line(&format!("clips drawn: {}; samples {}", answer["clips"], answer["samples"]))?;
    }
    Ok(Exit::Ok)
}

fn ended(e: StoreError) -> anyhow::Error {
    match e {
        StoreError::NotFound(why) => Ended::why(Exit::NotFound, why),
        e => e.into(),
    }
}

/// Points of a checklist by their names or places; what is not named is as it should be.
fn points(row: &SampleRow, no: &[String], na: &[String]) -> anyhow::Result<Vec<String>> {
    let mut points = vec![Point::Yes; row.checklist.len()];
    for (names, point) in [(no, Point::No), (na, Point::NotApplicable)] {
        for name in names {
            let place = name.parse::<usize>().ok().filter(|n| (1..=points.len()).contains(n)).map(|n| n - 1);
            let place = place.or_else(|| row.checklist.iter().position(|p| p == name));
            let Some(place) = place else {
                let all = row.checklist.join(", ");
                let words = format!("{name:?} is no point of this sample's checklist; they are {all}");
                return Err(Ended::with(Exit::Usage, words));
            };
            points[place] = point;
        }
    }
    Ok(points.into_iter().map(|p| p.as_str().to_owned()).collect())
}

fn list(settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    logged("samples", settings, output)?;
    let w = output.words(settings.station.language);
    let rows = store(settings)?.read_blocking(|r| {
        let samples = r.samples(None, &Within::Everything, SAMPLES)?;
        samples.into_iter().map(|s| Ok((r.drawn(s.sample)?, s))).collect::<Result<Vec<_>, StoreError>>()
    })?;
    let told: Vec<Value> = rows
        .iter()
        .map(|(drawn, s)| {
            let count = |standing| drawn.iter().filter(|d| d.standing().0 == standing).count();
            let standings: serde_json::Map<String, Value> = supervision::Standing::ALL
                .iter()
                .map(|standing| (standing.as_str().to_owned(), count(*standing).into()))
                .collect();
            json!({
                "sample": s.sample, "period": s.period, "unit": s.unit, "drawn": drawn.len(), "population": s.population,
                "standings": standings, "drawn_at": UtcMs(s.drawn_ms).rfc3339_in(&settings.station.zone),
            })
        })
        .collect();
    if output.is_json() {
        output.json(&told)?;
    } else {
        let o = w.oversight();
        let text = |v: &Value| v.as_str().map(str::to_owned).unwrap_or_else(|| v.to_string());
        let rows: Vec<Vec<String>> = told
            .iter()
            .map(|t| ["sample", "period", "unit", "drawn", "population"].map(|k| text(&t[k])).to_vec())
            .collect();
        output.table(&[o.sample, o.period, o.unit, o.rank_drawn, o.rep_population], &rows, &[0, 3, 4])?;
    }
    Ok(Exit::Ok)
}

fn show_sample(sample: i64, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    logged(&format!("sample {sample}"), settings, output)?;
    let w = output.words(settings.station.language);
    let (row, drawn) = store(settings)?.read_blocking(|r| Ok((r.sample(sample)?, r.drawn(sample)?))).map_err(ended)?;
    let at = |ms: i64| UtcMs(ms).rfc3339_in(&settings.station.zone);
    if output.is_json() {
        let clips: Vec<Value> = drawn
            .iter()
            .map(|d| {
                let steps: Vec<Value> = d
                    .steps
                    .iter()
                    .map(|s| {
                        json!({
                            "step": s.said.step.as_str(), "words": s.said.words, "at": at(s.said.at_ms), "due_at": s.said.due_ms.map(at),
                            "points": s.said.points.iter().map(|p| p.as_str()).collect::<Vec<_>>(), "by": format!("{}:{}", s.by.kind, s.by.id),
                        })
                    })
                    .collect();
                json!({ "n": d.n, "clip": d.clip.to_string(), "standing": d.standing().0.as_str(), "steps": steps })
            })
            .collect();
        output.json(&json!({
            "sample": sample, "period": row.period, "unit": row.unit, "checklist": row.checklist, "population": row.population,
            "population_sha256": row.population_sha256.to_string(), "clips": clips,
        }))?;
    } else {
        let o = w.oversight();
        let rows: Vec<Vec<String>> = drawn
            .iter()
            .map(|d| vec![d.n.to_string(), d.clip.to_string(), w.sampled(d.standing().0).to_owned()])
            .collect();
        output.table(&[o.col_no, o.col_record, o.col_progress], &rows, &[0])?;
    }
    Ok(Exit::Ok)
}

/// Draws a sample again, from what the log says alone.
fn verify(sample: i64, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    logged(&format!("sample {sample}"), settings, output)?;
    let (row, population, drawn, root, said) = store(settings)?
        .read_blocking(|r| {
            let row = r.sample(sample)?;
            let size = row.checkpoint.map_or(0, |(_, size, _)| size);
            let said = asked_event(r, row.asked_seq)?;
            Ok((row, r.population(sample)?, r.drawn(sample)?, r.log_root(size)?, said))
        })
        .map_err(ended)?;
    let digest = supervision::population_digest(&population);
    let mut wrong = Vec::new();
    if digest != row.population_sha256 || said["population_sha256"] != digest.to_string() {
        wrong.push("the candidates are not those of the request in the log");
    }
    let Some((epoch, size, stored)) = row.checkpoint else {
        return Err(Ended::with(Exit::Failure, format!("sample {sample} was never drawn")));
    };
    if stored != root || size <= row.asked_seq {
        wrong.push("the checkpoint is not one of this log over the request");
    }
    let seed = supervision::seed(epoch, size, &root, &digest);
    let again = supervision::draw(&seed, &population, row.wanted as usize);
    if again != drawn.iter().map(|d| d.clip).collect::<Vec<_>>() {
        wrong.push("the clips are not those that the seed draws");
    }
    let told = json!({
        "sample": sample, "same": wrong.is_empty(), "wrong": wrong, "seed": to_hex(&seed), "epoch": epoch, "size": size,
        "root": to_hex(&root), "population_sha256": digest.to_string(), "population": population.len(), "clips": again.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    if output.is_json() {
        output.json(&told)?;
    } else {
        let verdict = if wrong.is_empty() { "the draw is repeated: same clips".to_owned() } else { wrong.join("; ") };
        output.line(&verdict)?;
    }
    Ok(if wrong.is_empty() { Exit::Ok } else { Exit::Mismatch })
}

fn asked_event(r: &Reader<'_>, seq: u64) -> Result<Value, StoreError> {
    let row = r.log_entry(seq)?;
    let event: Value =
        serde_json::from_slice(&row.bytes).map_err(|e| StoreError::Odd(format!("log entry {seq}: {e}")))?;
    Ok(event["body"].clone())
}

fn ranking(typed: Option<&str>, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let period = typed.map(|t| period(Some(t), settings)).transpose()?.map(|p| p.to_string());
    logged("ranking", settings, output)?;
    let drawn: Vec<Drawn> = store(settings)?.read_blocking(|r| r.ranked(period.as_deref(), &Within::Everything))?;
    let ranks = supervision::rank(&drawn, wall().0);
    if output.is_json() {
        let told: Vec<Value> = ranks
            .iter()
            .map(|r| {
                json!({
                    "place": r.place, "unit": r.unit, "drawn": r.drawn, "judged": r.judged, "fine": r.fine, "flaws": r.flaws,
                    "open": r.open, "overdue": r.overdue, "closed": r.closed,
                })
            })
            .collect();
        output.json(&told)?;
    } else {
        let w = output.words(settings.station.language);
        let o = w.oversight();
        let rows: Vec<Vec<String>> = ranks
            .iter()
            .map(|r| {
                let place = r.place.map_or_else(|| w.none_dash.to_owned(), |p| p.to_string());
                let unit = if r.unit.is_empty() { o.no_unit.to_owned() } else { r.unit.clone() };
                let mut row = vec![place, unit, w.permille(r.permille())];
                row.extend([r.drawn, r.judged, r.fine, r.flaws, r.open, r.overdue, r.closed].map(|n| w.number(n)));
                row
            })
            .collect();
        let head = [
            o.rank_place,
            o.unit,
            o.rank_share,
            o.rank_drawn,
            o.rank_judged,
            o.rank_fine,
            o.rank_flaws,
            o.rank_open,
            o.rank_overdue,
            o.rank_closed,
        ];
        output.table(&head, &rows, &(2..head.len()).collect::<Vec<_>>())?;
    }
    Ok(Exit::Ok)
}

/// `evidock case note` and `evidock case opinion`: the legal review of a case.
pub(super) fn review(verb: &cli::CaseVerb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let ask = match verb {
        cli::CaseVerb::Note { case_no, clip, at, words } => OversightAsk::NoteReview {
            case_no: case_no.clone(),
            clip: clip.clone(),
            at: at.clone(),
            words: words.clone(),
        },
        cli::CaseVerb::Opinion { case_no, verdict, words } => {
            OversightAsk::GiveOpinion { case_no: case_no.clone(), verdict: verdict.clone(), words: words.clone() }
        }
        other => anyhow::bail!("{other:?} is no part of a review"),
    };
    let answer = ask::request(settings, &Request::Oversight { ask })?;
    match output.is_json() {
        true => output.json(&answer)?,
        false => output.line(output.words(settings.station.language).oversight().done_stored)?,
    }
    Ok(Exit::Ok)
}
