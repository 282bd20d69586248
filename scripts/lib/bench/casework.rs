//! Finding cases in a station's database, for the figures of the group `casework`. Used by `scripts/bench`; no part of the
//! program.
//!
//! ```text
//! casework find DIR FILE     for each case number, a line of FILE: the case, its clips and their rows; tells the slowest but
//!                            one in a hundred, milliseconds
//! casework looks DIR         what pages ask of the store, each once cold and then as it goes on; a line each, milliseconds
//! casework try DIR           the dry run of the rules over every clip; tells clips and milliseconds
//! casework index DIR         writes what is due for the index of searches
//! casework migrate DIR ID    brings the database of station ID up to date; tells milliseconds
//! ```

use std::error::Error;
use std::path::Path;

use evidock::casework::judge::Judge;
use evidock::config::Linking;
use evidock::domain::case_number::NumberRule;
use evidock::domain::ids::StationId;
use evidock::domain::report::Figure;
use evidock::domain::rights::{Over, Within};
use evidock::domain::sensitivity::Sensitivity;
use evidock::runtime::clock::{SystemClock, monotonic};
use evidock::store::{ClipFilter, CountedFilter, Policy, Reader, Result as Read, Store};

/// The day after the last outing that `filled.py` makes: 2026-07-21. Half a year lies behind most of them.
const AT_THE_END_MS: i64 = 1_784_592_000_000;
/// As configured where nobody says otherwise.
const UNLINKED_MS: i64 = 183 * 86_400_000;
/// Key of what routine checks are linked to.
const DAILY: &str = "日常检查(未立案)";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["find", dir, numbers] => find(Path::new(dir), &std::fs::read_to_string(numbers)?),
        ["looks", dir] => looks(Path::new(dir)),
        ["try", dir] => try_rules(Path::new(dir)),
        ["index", dir] => index(Path::new(dir)),
        ["migrate", dir, id] => migrate(Path::new(dir), id),
        _ => Err("casework find DIR FILE | looks DIR | try DIR | index DIR | migrate DIR ID".into()),
    }
}

#[allow(clippy::print_stdout)] // What it tells is read by the script.
fn find(dir: &Path, numbers: &str) -> Result<(), Box<dyn Error>> {
    let store = Store::open_read_only(&dir.join("evidock.db"), SystemClock::new())?;
    let rule = NumberRule::builtin();
    let mut all = Vec::new();
    for typed in numbers.lines() {
        let began = monotonic();
        let key = rule.parse(typed, 2026)?.key().to_owned();
        let found = store.read_blocking(move |r| {
            let Some(case) = r.case_id(&key)? else { return Ok(None) };
            r.clips_of_case(case)?.into_iter().map(|clip| r.clip(clip)).collect::<Result<Vec<_>, _>>().map(Some)
        })?;
        all.push(began.elapsed().as_secs_f64() * 1000.0);
        // Some cases have no clip; finding nothing at all is quick, and no figure.
        if found.is_none() {
            return Err(format!("there is no case {typed}").into());
        }
    }
    all.sort_by(f64::total_cmp);
    println!("{:.4}", all.get(all.len() * 99 / 100).copied().unwrap_or_default());
    store.close();
    Ok(())
}

/// A look at the store as a page takes it, and its name.
type Look = (&'static str, Box<dyn Fn(&Reader<'_>) -> Read<u64>>);

#[allow(clippy::print_stdout)]
fn looks(dir: &Path) -> Result<(), Box<dyn Error>> {
    let store = Store::open_read_only(&dir.join("evidock.db"), SystemClock::new())?;
    let of = |over| Within::Of { account: 1, stretches: vec![(over, Sensitivity::Minor)] };
    let clips =
        |filter: ClipFilter| move |r: &Reader<'_>| Ok(r.clips(&ClipFilter { limit: 50, ..filter.clone() })?.total);
    let triage = |within: Within| move |r: &Reader<'_>| Ok(r.triage(None, 25, &within, 0)?.total);
    let all: Vec<Look> = vec![
        ("figures", Box::new(|r| Ok(r.figures(i64::MAX)?.incomplete))),
        ("disk", Box::new(|r| Ok(r.disk_figures()?.1))),
        ("out of reach", Box::new(|r| Ok(r.out_of_reach(&[])?.0))),
        ("backlog", Box::new(|r| Ok(r.backlog("main")?.waiting))),
        ("triage", Box::new(triage(Within::Everything))),
        ("triage, all but the isolated", Box::new(triage(of(Over::All)))),
        ("triage, of a unit", Box::new(triage(of(Over::Unit)))),
        ("triage, own", Box::new(triage(of(Over::Own)))),
        ("clips", Box::new(clips(ClipFilter::default()))),
        ("clips, own", Box::new(clips(ClipFilter { within: of(Over::Own), ..ClipFilter::default() }))),
        ("clips, of a unit", Box::new(clips(ClipFilter { within: of(Over::Unit), ..ClipFilter::default() }))),
        ("clips, proven", Box::new(clips(ClipFilter { state: Some("proven".into()), ..ClipFilter::default() }))),
        (
            "clips, one recorder's",
            Box::new(clips(ClipFilter { recorder: Some("1000007".into()), ..ClipFilter::default() })),
        ),
        (
            "clips, one officer's",
            Box::new(clips(ClipFilter { officer: Some("(110007)".into()), ..ClipFilter::default() })),
        ),
        (
            "clips, without a place",
            Box::new(clips(ClipFilter { missing: Some("place".into()), ..ClipFilter::default() })),
        ),
        (
            "cases, half a number",
            Box::new(|r| Ok(r.search_cases(Some("1234"), None, 30, &Within::Everything, 0)?.len() as u64)),
        ),
        ("disposal", Box::new(|r| Ok(r.disposal_due(UNLINKED_MS, AT_THE_END_MS, None, 50)?.len() as u64))),
        (
            "disposal, the page after",
            Box::new(|r| {
                let first = r.disposal_due(UNLINKED_MS, AT_THE_END_MS, None, 50)?;
                Ok(r.disposal_due(UNLINKED_MS, AT_THE_END_MS, first.last().map(|d| d.place), 50)?.len() as u64)
            }),
        ),
        ("unprobed", Box::new(|r| Ok(r.unprobed(50)?.len() as u64))),
        ("not yet linkable", Box::new(|r| r.not_yet_linkable(&Within::Everything, 0))),
        ("not yet linkable, of a unit", Box::new(move |r| r.not_yet_linkable(&of(Over::Unit), 0))),
        (
            "routine checks, the newest",
            Box::new(|r| match r.case_by_key(DAILY)? {
                Some(case) => Ok(r.newest_of_large(case.case_id, &Within::Everything, 0, 500)?.len() as u64),
                None => Ok(0),
            }),
        ),
        (
            "clips, not yet linkable",
            Box::new(clips(ClipFilter {
                counted: Some(CountedFilter { figure: Some(Figure::NotYetLinkable), ..CountedFilter::default() }),
                ..ClipFilter::default()
            })),
        ),
        (
            "clips, of routine checks",
            Box::new(clips(ClipFilter { case_key: Some(DAILY.into()), ..ClipFilter::default() })),
        ),
    ];
    for (name, look) in all {
        let mut took = Vec::new();
        let mut told = 0;
        for _ in 0..20 {
            let began = monotonic();
            told = store.read_blocking(&look)?;
            took.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        let first = took.remove(0);
        took.sort_by(f64::total_cmp);
        println!("{name}: {first:.2} first, {:.2} then at most ({told})", took.last().copied().unwrap_or_default());
    }
    store.close();
    Ok(())
}

#[allow(clippy::print_stdout)]
fn try_rules(dir: &Path) -> Result<(), Box<dyn Error>> {
    let store = Store::open_read_only(&dir.join("evidock.db"), SystemClock::new())?;
    let policy = Policy {
        station: StationId::new("bench")?,
        agency: None,
        operator: String::new(),
        uri_prefix: Default::default(),
        zone: jiff::tz::TimeZone::UTC,
    };
    let judge = Judge::new(NumberRule::builtin(), &policy, Vec::new(), Linking::default());
    let began = monotonic();
    let tried = judge.try_rules(&store, 1_790_000_000_000, &|_, _| {})?;
    let took = began.elapsed().as_secs_f64() * 1000.0;
    println!("{} clips in {took:.0} ms: {} links, {} wait", tried.clips, tried.links, tried.suggestions);
    store.close();
    Ok(())
}

#[allow(clippy::print_stdout)]
fn migrate(dir: &Path, id: &str) -> Result<(), Box<dyn Error>> {
    let began = monotonic();
    let store = Store::open(&dir.join("evidock.db"), &StationId::new(id)?, SystemClock::new())?;
    println!("{:.0}", began.elapsed().as_secs_f64() * 1000.0);
    store.close();
    Ok(())
}

/// Writes what is due for the index of searches; the daemon would do so beside what is measured.
fn index(dir: &Path) -> Result<(), Box<dyn Error>> {
    let store = Store::open(&dir.join("evidock.db"), &StationId::new("bench")?, SystemClock::new())?;
    while store.write_blocking(|tx| tx.index_due(20_000))? > 0 {}
    store.close();
    Ok(())
}
