//! What clips count as, over a clock that stands still; that every figure opens exactly its clips; and that a month's
//! report reads one index.

use std::sync::Arc;

use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::clip::ProofLevel;
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{BayName, RecorderId, StationId};
use crate::domain::ports::{Clock, MediaFacts};
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::report::{Period, lines};
use crate::domain::review::{Mark, Verdict};
use crate::domain::rights::Roles;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::supervision::{self, Point, Said, Step};
use crate::runtime::clock::StoppedClock;
use crate::store::{
    ClipFilter, Import, LinkRequest, NewAccount, NewClip, NewDock, NewEntry, NewSample, ReportAsk, SealedClip, Store,
};
use jiff::tz::TimeZone;

/// 20 June 2026, 08:00 UTC.
const NOW: i64 = 1_781_942_400_000;
const HOUR: i64 = 3_600_000;

struct Station {
    store: Store,
    clock: Arc<StoppedClock>,
    dock: i64,
    recorder: RecorderId,
    _dir: tempfile::TempDir,
}

/// What is to be known of a clip.
#[derive(Default, Clone, Copy)]
struct Of<'a> {
    officer: &'a str,
    /// Hours before [`NOW`]; none, where nobody knows.
    captured_h: Option<i64>,
    case: Option<(&'a str, Origin)>,
    whole: bool,
}

impl Station {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = StoppedClock::at(NOW);
        let id = StationId::new("one").unwrap();
        let store = Store::open(&dir.path().join("a.db"), &id, clock.clone() as Arc<dyn Clock>).unwrap();
        let recorder = RecorderId::new("R1").unwrap();
        let new = NewDock {
            bay: BayName::new("1").unwrap(),
            recorder: recorder.clone(),
            identified: "bay".into(),
            kind: "folder",
            profile: "generic".into(),
            model: None,
        };
        let dock = store.write_blocking(move |tx| tx.dock(&new)).unwrap();
        Self { store, clock, dock, recorder, _dir: dir }
    }

    fn clip(&self, name: &str, of: Of<'_>) -> ClipId {
        let clip = ClipId::generate(self.clock.now().0);
        let entry =
            ShelfEntry { path: SourcePath::new(name), size_bytes: 3, modified_raw: "t".into(), modified_ms: None };
        let new = NewClip {
            clip,
            recorder: self.recorder.clone(),
            dock: Some(self.dock),
            entry,
            declared_bytes: Some(3),
            role: "clip",
            importance: Importance::Normal,
            grid: PartGrid::for_size(Some(3)),
            evidence: "{}".into(),
            segment: None,
        };
        let mut digest = [0; 32];
        digest[..16].copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
        let sealed = SealedClip {
            holes: Vec::new(),
            clip,
            size_bytes: 1_000,
            blake3: Blake3(digest),
            sha256: Sha256(digest),
            sm3: None,
            parts: Vec::new(),
            shares: None,
            supersedes: None,
            leftovers: Vec::new(),
            deliveries: vec![("cloud".into(), true)],
        };
        let facts = MediaFacts { duration_ms: Some(HOUR), ..MediaFacts::default() };
        self.store
            .write_blocking(move |tx| {
                tx.new_clip(&new)?;
                tx.seal(&sealed)?;
                tx.probed(clip, &facts, None)
            })
            .unwrap();
        let mut said = vec![(Field::Officer, Origin::FileName, of.officer.to_owned())];
        if let Some(hours) = of.captured_h {
            let at = crate::domain::time::UtcMs(NOW - hours * HOUR).rfc3339();
            said.push((Field::CapturedStart, Origin::FileName, at));
        }
        if of.whole {
            said.push((Field::Place, Origin::FileName, "东关街18号".into()));
            said.push((Field::Proves, Origin::FileName, "现场全貌".into()));
        }
        self.say(clip, said);
        if let Some((case, origin)) = of.case {
            self.link(clip, case, origin);
        }
        clip
    }

    fn say(&self, clip: ClipId, facts: Vec<(Field, Origin, String)>) {
        self.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::daemon(), "daemon", &facts)).unwrap();
    }

    fn link(&self, clip: ClipId, case: &str, origin: Origin) {
        let request = LinkRequest {
            clip,
            number: NumberRule::builtin().parse(case, 2026).unwrap(),
            rule_version: 1,
            range_ms: (None, None),
            stage: None,
            matter: None,
            proves: None,
            origin,
            score: 100,
            reason: None,
        };
        self.store.write_blocking(move |tx| tx.link(&request, &Actor::os(7), "cli")).unwrap();
    }

    fn prove(&self, clip: ClipId) {
        self.store
            .write_blocking(move |tx| tx.proven(clip, "cloud", ProofLevel::RemoteChecksum, "x", None, None))
            .unwrap();
    }

    fn register(&self, register: Register, entries: &[&[(&str, &str)]]) {
        let entries = entries
            .iter()
            .zip(1..)
            .map(|(values, line)| {
                let entry = Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
                let numbers = match entry.get("number").filter(|_| register == Register::Case) {
                    Some(number) => vec![NumberRule::builtin().parse(number, 2026).unwrap()],
                    None => vec![],
                };
                NewEntry { line, key: entry.key(register), entry, numbers }
            })
            .collect();
        let import = Import { register, name: "x.csv".into(), entries, rule_version: 1 };
        let done =
            self.store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap();
        assert!(done.conflicts.is_empty());
    }

    fn account(&self, login: &str, roles: &str, unit: Option<&str>, officers: &[&str]) -> i64 {
        let account = NewAccount {
            login: login.into(),
            label: String::new(),
            roles: Roles::parse([roles]).unwrap(),
            unit: unit.map(str::to_owned),
            officers: officers.iter().map(|o| (*o).to_owned()).collect(),
            until_ms: None,
            password: "x".into(),
        };
        let made = Draft::by(EventKind::AccountMade, Actor::os(0), "cli");
        self.store.write_blocking(move |tx| tx.add_account(&account, made)).unwrap()
    }

    fn ask(&self, period: &str, within: &Within) -> ReportAsk {
        ReportAsk {
            period: Period::parse(period).unwrap(),
            unit: None,
            kind: None,
            within: within.clone(),
            now_ms: self.clock.now().0,
            zone: TimeZone::UTC,
            allowed: Allowed { gap_ms: 60_000, within_ms: 24 * HOUR },
        }
    }
}

const CASE: &str = "赵卫罚〔2026〕12号";
const OTHER: &str = "赵卫罚〔2026〕13号";

/// A month with a clip of every kind.
fn month() -> (Station, [ClipId; 6]) {
    let s = Station::new();
    s.register(
        Register::Officer,
        &[&[("name", "张三"), ("number", "110203"), ("unit", "执法一科")], &[("name", "李四"), ("unit", "执法二科")]],
    );
    s.register(Register::Case, &[&[("number", CASE), ("kind", "行政处罚"), ("opened", "2026-06-19T00:00:00+00:00")]]);
    let at_once =
        s.clip("a", Of { officer: "张三", captured_h: Some(5), case: Some((CASE, Origin::Roster)), whole: true });
    let chased = s.clip("b", Of { officer: "李四", captured_h: Some(4), case: None, whole: true });
    let bare = s.clip("c", Of { officer: "110203", captured_h: Some(3), ..Of::default() });
    let undated = s.clip("d", Of { officer: "张三", ..Of::default() });
    let before = s.clip("e", Of { officer: "张三", captured_h: Some(24 * 40), ..Of::default() });
    let nobody = s.clip("f", Of { officer: "王五", captured_h: Some(2), ..Of::default() });
    s.prove(at_once);
    s.clock.advance(30 * HOUR);
    s.link(chased, OTHER, Origin::Person);
    s.prove(chased);
    (s, [at_once, chased, bare, undated, before, nobody])
}

#[test]
fn clips_count_as_what_became_of_them() {
    let (s, [at_once, chased, bare, undated, before, nobody]) = month();
    let counted = |clip: ClipId| {
        s.store
            .read_blocking(|r| {
                let sql = "SELECT complete || ' ' || linked || ' ' || proven || ' ' || coalesce(kind, '-') FROM clip_report WHERE clip_id = ?1";
                Ok(r.conn.query_row(sql, [clip.to_string()], |x| x.get::<_, String>(0))?)
            })
            .unwrap()
    };
    assert_eq!(counted(at_once), "at_once rule in_time 行政处罚");
    assert_eq!(counted(chased), "chased hand late -");
    for clip in [bare, undated, before, nobody] {
        assert_eq!(counted(clip), "no no no -");
    }
    // What the register says of the case is what its clips count under, and a record's own word stands above it.
    s.register(Register::Case, &[&[("number", CASE), ("kind", "行政检查"), ("opened", "2026-06-19T00:00:00+00:00")]]);
    assert_eq!(counted(at_once), "at_once rule in_time 行政检查");
    s.say(at_once, vec![(Field::EnforcementKind, Origin::Person, "行政强制".into())]);
    assert_eq!(counted(at_once), "at_once rule in_time 行政强制");
    // A copy that turns out wrong is proven no more; a fact that is withdrawn makes the clip incomplete again.
    s.store.write_blocking(move |tx| tx.suspect(at_once, "cloud", "differs", "verify").map(|_| ())).unwrap();
    s.say(at_once, vec![(Field::Place, Origin::FileName, String::new())]);
    assert_eq!(counted(at_once), "no rule no 行政强制");
    let key = NumberRule::builtin().parse(CASE, 2026).unwrap().key().to_owned();
    s.store.write_blocking(move |tx| tx.unlink(at_once, &key, "wrong", &Actor::os(7), "cli")).unwrap();
    assert_eq!(counted(at_once), "no no no 行政强制");
}

#[test]
fn figures_are_what_was_put_in_and_each_opens_exactly_its_clips() {
    let (s, [at_once, chased, bare, undated, _, nobody]) = month();
    let report = s.store.read_blocking(|r| r.report(&s.ask("2026-06", &Within::Everything))).unwrap();
    assert_eq!((report.total.clips, report.total.duration_ms, report.total.bytes), (4, 4 * HOUR as u64, 4_000));
    assert_eq!((report.total.at_once, report.total.chased, report.total.incomplete), (1, 1, 2));
    assert_eq!((report.total.by_rule, report.total.by_hand, report.total.unlinked), (1, 1, 2));
    assert_eq!((report.total.in_time, report.total.late, report.total.unproven), (1, 1, 2));
    assert_eq!(report.undated, 1);
    let units: Vec<_> = report.units.iter().map(|l| (l.name.as_deref(), l.counts.clips)).collect();
    assert_eq!(units, [(Some("执法一科"), 2), (Some("执法二科"), 1), (None, 1)]);
    assert_eq!((report.gaps.cases, report.gaps.catalogue), (1, false));
    assert_eq!(report.growth.last().map(|g| (g.1, g.2)), Some((6, 6_000)), "taken in this month, whenever captured");
    let list = |figure, unit: Option<&str>, kind: Option<&str>, dated: bool| {
        let (from, to) = Period::parse("2026-06").unwrap().span_ms(&TimeZone::UTC);
        let filter = ClipFilter {
            from_ms: dated.then_some(from),
            to_ms: dated.then_some(to),
            limit: 100,
            counted: Some(CountedFilter {
                figure: Some(figure),
                unit: unit.map(str::to_owned),
                kind: kind.map(str::to_owned),
                taken_ms: None,
            }),
            ..ClipFilter::default()
        };
        let page = s.store.read_blocking(|r| r.clips(&filter)).unwrap();
        assert_eq!(page.total as usize, page.clips.len());
        let mut clips = page.clips;
        clips.sort();
        clips
    };
    let sorted = |mut clips: Vec<ClipId>| {
        clips.sort();
        clips
    };
    assert_eq!(list(Figure::Recorded, None, None, true), sorted(vec![at_once, chased, bare, nobody]));
    assert_eq!(list(Figure::Recorded, Some("执法一科"), None, true), sorted(vec![at_once, bare]));
    assert_eq!(list(Figure::Recorded, Some(""), None, true), [nobody]);
    assert_eq!(list(Figure::Recorded, None, Some("行政处罚"), true), [at_once]);
    assert_eq!(list(Figure::Undated, None, None, false), [undated]);
    for figure in Figure::ALL.into_iter().filter(|f| *f != Figure::Undated) {
        assert_eq!(list(figure, None, None, true).len() as u64, report.total.of(figure), "{figure:?}");
        for line in &report.units {
            let unit = Some(line.name.as_deref().unwrap_or_default());
            assert_eq!(list(figure, unit, None, true).len() as u64, line.counts.of(figure), "{figure:?} {unit:?}");
        }
        for line in &report.kinds {
            let kind = Some(line.name.as_deref().unwrap_or_default());
            assert_eq!(list(figure, None, kind, true).len() as u64, line.counts.of(figure), "{figure:?} {kind:?}");
        }
    }
    // The register has a line for each of them, and a unit's has its own.
    let ask = ReportAsk { unit: Some("执法一科".into()), ..s.ask("2026-06", &Within::Everything) };
    let lines = s.store.read_blocking(|r| r.report_register(&ask)).unwrap().unwrap();
    assert_eq!(lines.iter().map(|l| l.clip).collect::<Vec<_>>(), [at_once, bare]);
    assert_eq!((lines[0].unit.as_deref(), lines[0].cases.as_slice()), (Some("执法一科"), &[CASE.to_owned()][..]));
    // What is isolated is told by no figure and by no line, whoever asks.
    let isolated = Draft::daemon(EventKind::Isolated);
    s.store.write_blocking(move |tx| tx.isolate(at_once, "疑似涉密", &isolated)).unwrap();
    let report = s.store.read_blocking(|r| r.report(&s.ask("2026-06", &Within::Everything))).unwrap();
    assert_eq!((report.total.clips, report.total.at_once, report.undated), (3, 0, 1));
    assert_eq!(report.growth.last().map(|g| (g.1, g.2)), Some((5, 5_000)));
    assert_eq!(list(Figure::Recorded, None, None, true), sorted(vec![chased, bare, nobody]));
    let lines = s.store.read_blocking(|r| r.report_register(&ask)).unwrap().unwrap();
    assert_eq!(lines.iter().map(|l| l.clip).collect::<Vec<_>>(), [bare]);
}

#[test]
fn nobody_counts_what_they_may_not_see() {
    let (s, [at_once, .., nobody]) = month();
    let head = s.account("head", "department_head", Some("一科"), &["王五"]);
    s.account("zhang", "officer", Some("一科"), &["张三"]);
    let roles = Roles::parse(["department_head"]).unwrap();
    let within = Within::of(head, &roles, crate::domain::rights::Action::ListClips);
    let report = s.store.read_blocking(|r| r.report(&s.ask("2026-06", &within))).unwrap();
    assert_eq!(report.total.clips, 2, "张三 and 王五 are of the account's unit");
    // A label above the head's bounds, and an isolation, take a clip out of every figure.
    s.say(nobody, vec![(Field::Sensitivity, Origin::Person, Sensitivity::Privacy.key().into())]);
    let report = s.store.read_blocking(|r| r.report(&s.ask("2026-06", &within))).unwrap();
    assert_eq!(report.total.clips, 1);
    let isolate = Draft::by(EventKind::Isolated, Actor::os(1), "cli");
    s.store.write_blocking(move |tx| tx.isolate(at_once, "suspected", &isolate).map(|_| ())).unwrap();
    let report = s.store.read_blocking(|r| r.report(&s.ask("2026-06", &within))).unwrap();
    assert_eq!((report.total.clips, report.units.len()), (0, 0));
    assert!(s.store.read_blocking(|r| r.report_register(&s.ask("2026-06", &within))).unwrap().unwrap().is_empty());
    let none = Within::Of { account: head, stretches: vec![] };
    assert_eq!(s.store.read_blocking(|r| r.report(&s.ask("2026", &none))).unwrap().total.clips, 0);
}

#[test]
fn of_a_case_of_others_a_report_tells_what_is_seen_of_it() {
    let s = Station::new();
    for matter in ["现场检查", "送达"] {
        s.register(Register::Catalogue, &[&[("stage", "调查取证"), ("matter", matter), ("tier", "part")]]);
    }
    let case = |unit| {
        let opened = ("opened", "2026-06-19T00:00:00+00:00");
        s.register(Register::Case, &[&[("number", CASE), ("unit", unit), ("matters", "现场检查、送达"), opened]]);
    };
    case("二科");
    let head = s.account("head", "department_head", Some("一科"), &["张三"]);
    let archivist = s.account("dang", "archivist", None, &[]);
    let of = |officer| Of { officer, captured_h: Some(5), case: Some((CASE, Origin::Person)), whole: true };
    s.clip("a", of("张三"));
    s.clip("b", of("李四"));
    let within = |account, role: &str| {
        Within::of(account, &Roles::parse([role]).unwrap(), crate::domain::rights::Action::SeeReports)
    };
    let (head, archivist) = (within(head, "department_head"), within(archivist, "archivist"));
    let gaps = |within: &Within, unit: Option<&str>| {
        let keep = |_: &Entry, of: Option<&str>| unit.is_none_or(|unit| of == Some(unit));
        let allowed = s.ask("2026-06", within).allowed;
        let found = s.store.read_blocking(|r| r.gaps_in((0, i64::MAX), &r.units()?, within, (NOW, allowed), &keep));
        let cases = found.unwrap().0.into_iter();
        cases.map(|c| (c.unit, c.missing)).collect::<Vec<_>>()
    };
    let missing = || vec!["现场检查".to_owned(), "送达".to_owned()];
    // One clip of it is theirs: neither whose it is nor what it lacks is told, and nobody finds that out by a choice.
    assert_eq!(gaps(&head, None), [(None, vec![])]);
    assert!(gaps(&head, Some("二科")).is_empty());
    assert_eq!(gaps(&archivist, Some("二科")), [(Some("二科".to_owned()), missing())]);
    assert_eq!(gaps(&Within::Everything, None), [(Some("二科".to_owned()), missing())]);
    // The register says that it is theirs.
    case("一科");
    assert_eq!(gaps(&head, Some("一科")), [(Some("一科".to_owned()), missing())]);
}

#[test]
fn a_month_s_report_reads_one_index() {
    let s = Station::new();
    let roles = Roles::parse(["supervisor"]).unwrap();
    let supervisor = Within::of(1, &roles, crate::domain::rights::Action::ListClips);
    s.store
        .read_blocking(|r| {
            let plan = |sql: &str, values: &[Value]| -> Result<Vec<String>> {
                let mut statement = r.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let rows = statement.query_map(params_from_iter(values), |x| x.get::<_, String>(3))?;
                Ok(rows.collect::<std::result::Result<_, _>>()?)
            };
            for within in [&Within::Everything, &supervisor] {
                let (sql, values) = groups_sql((0, 1), within, 0);
                let steps = plan(&sql, &values)?;
                let search = "SEARCH c USING COVERING INDEX clip_report_captured (captured_ms>? AND captured_ms<?)";
                assert!(steps.iter().any(|s| s == search), "{steps:?}");
                assert!(!steps.iter().any(|s| s.starts_with("SCAN")), "{steps:?}");
            }
            let mut values = Vec::new();
            let filter = CountedFilter { figure: Some(Figure::Late), ..CountedFilter::default() };
            let counted = r.counted_sql(&filter, (Some(0), Some(1)), &mut values)?;
            let steps = plan(&format!("SELECT count(*) FROM clip c WHERE {counted}"), &values)?;
            assert!(steps.iter().any(|s| s.contains("clip_report_captured (captured_ms>? AND captured_ms<?)")), "{steps:?}");
            assert!(!steps.iter().any(|s| s.starts_with("SCAN")), "{steps:?}");
            let taken = "SELECT c.officer, count(*), sum(c.bytes) FROM clip_report c WHERE c.sealed_ms >= ?1 AND c.sealed_ms < ?2 GROUP BY c.officer";
            let steps = plan(taken, &[0.into(), 1.into()])?;
            assert!(steps.iter().any(|s| s.contains("COVERING INDEX clip_report_sealed")), "{steps:?}");
            Ok(())
        })
        .unwrap();
}

#[test]
fn groups_and_lines_agree_for_a_station_without_registers() {
    let (s, _) = month();
    let groups = s.store.read_blocking(|r| r.report_groups((0, i64::MAX), &Within::Everything, NOW)).unwrap();
    let (total, by_unit, _) = lines(&groups, &Units::default(), None, None);
    assert_eq!((total.clips, by_unit.len(), by_unit[0].name.as_deref()), (5, 1, None));
}

fn asked(kind: EventKind) -> Draft {
    Draft::by(kind, Actor::user(3), "web")
}

#[test]
fn a_sample_is_drawn_after_its_request_and_goes_through_its_steps() {
    let (s, [at_once, _, bare, ..]) = month();
    let span = Period::parse("2026-06").unwrap().span_ms(&TimeZone::UTC);
    let populations = s.store.read_blocking(|r| r.populations(span)).unwrap();
    assert_eq!(populations.keys().map(String::as_str).collect::<Vec<_>>(), ["", "执法一科", "执法二科"]);
    let population = populations["执法一科"].clone();
    assert_eq!(population.len(), 2);
    let new = NewSample {
        period: "2026-06".into(),
        unit: "执法一科".into(),
        wanted: 5,
        checklist: vec!["亮证".into(), "告知".into()],
        population: population.clone(),
    };
    let sample = s.store.write_blocking(move |tx| tx.ask_sample(&new, asked(EventKind::SampleAsked))).unwrap();
    let (size, root) = s.store.read_blocking(|r| Ok((r.log_size()?, r.log_root(r.log_size()?)?))).unwrap();
    let early = s.store.read_blocking(|r| r.sample(sample)).unwrap().asked_seq;
    let drawn = asked(EventKind::SampleDrawn);
    let too_early = drawn.clone();
    assert!(s.store.write_blocking(move |tx| tx.draw_sample(sample, (1, early, root), &too_early)).is_err());
    let draft = drawn.clone();
    let clips = s.store.write_blocking(move |tx| tx.draw_sample(sample, (1, size, root), &draft)).unwrap();
    let seed = supervision::seed(1, size, &root, &supervision::population_digest(&population));
    assert_eq!(clips, supervision::draw(&seed, &population, 5), "anybody can draw it again");
    assert!(s.store.write_blocking(move |tx| tx.draw_sample(sample, (1, size, root), &drawn)).is_err(), "once");
    assert_eq!(s.store.read_blocking(|r| r.population(sample)).unwrap().len(), 2);

    let step = |n, step, points: &[Point], due_ms| {
        let said = Said { step, points: points.to_vec(), words: "=说明".into(), due_ms, at_ms: 0 };
        s.store.write_blocking(move |tx| tx.sample_step(sample, n, &said, asked(EventKind::SampleJudged)))
    };
    assert!(step(1, Step::Closed, &[], None).is_err(), "nobody has judged it");
    assert!(step(1, Step::Judged, &[Point::Yes], None).is_err(), "one point of two");
    assert!(step(9, Step::Judged, &[Point::Yes, Point::Yes], None).is_err(), "no such clip");
    assert_eq!(step(1, Step::Judged, &[Point::Yes, Point::No], Some(NOW + HOUR)).unwrap().as_str(), "rectify");
    assert_eq!(step(2, Step::Judged, &[Point::Yes, Point::NotApplicable], None).unwrap().as_str(), "fine");
    assert_eq!(step(1, Step::Answered, &[], None).unwrap().as_str(), "answered");
    assert_eq!(step(1, Step::Returned, &[], Some(NOW + 2 * HOUR)).unwrap().as_str(), "rectify");
    assert_eq!(step(1, Step::Answered, &[], None).unwrap().as_str(), "answered");
    assert_eq!(step(1, Step::Closed, &[], None).unwrap().as_str(), "closed");
    assert!(step(1, Step::Judged, &[Point::Yes, Point::Yes], None).is_err(), "closed is closed");
    let drawn = s.store.read_blocking(|r| r.drawn(sample)).unwrap();
    assert_eq!(drawn[0].steps.len(), 5, "nothing is un-said");
    let ranked = s.store.read_blocking(|r| r.ranked(Some("2026-06"), &Within::Everything)).unwrap();
    let ranks = supervision::rank(&ranked, NOW);
    assert_eq!((ranks[0].unit.as_str(), ranks[0].judged, ranks[0].fine, ranks[0].closed), ("执法一科", 2, 1, 1));

    // A head sees the samples of the own unit and of no other.
    for (login, unit, seen) in [("one", Some("执法一科"), 1), ("two", Some("执法二科"), 0), ("none", None, 0)] {
        let account = s.account(login, "department_head", unit, &[]);
        let roles = Roles::parse(["department_head"]).unwrap();
        let within = Within::of(account, &roles, crate::domain::rights::Action::SeeSamples);
        assert_eq!(s.store.read_blocking(|r| r.samples(None, &within, 9)).unwrap().len(), seen, "{login}");
    }
    // Each clip's own history tells that it was drawn; words stand in no event.
    for clip in [at_once, bare] {
        let log = s.store.read_blocking(|r| r.log_of_clip(clip)).unwrap();
        assert!(log.iter().any(|row| String::from_utf8_lossy(&row.bytes).contains("supervision.drawn")));
        assert!(!log.iter().any(|row| String::from_utf8_lossy(&row.bytes).contains("说明")));
    }
}

#[test]
fn notes_opinions_and_sheets_stay_with_their_case() {
    let (s, [at_once, chased, ..]) = month();
    let key = NumberRule::builtin().parse(CASE, 2026).unwrap().key().to_owned();
    let case = s.store.read_blocking(|r| r.case_id(&key)).unwrap().unwrap();
    let note = |clip, at_ms| {
        s.store.write_blocking(move |tx| tx.note_review(case, clip, at_ms, "未亮证", asked(EventKind::ReviewNoted)))
    };
    let first = note(at_once, 75_000).unwrap();
    assert!(note(chased, 1).is_err(), "a clip of another case");
    assert!(note(at_once, HOUR + 1).is_err(), "behind its end");
    let other = Draft::by(EventKind::ReviewNoteWithdrawn, Actor::user(4), "web");
    assert!(s.store.write_blocking(move |tx| tx.withdraw_note(case, first, other)).is_err(), "somebody else's");
    assert_eq!(s.store.read_blocking(|r| r.review_notes(case)).unwrap().len(), 1);
    let mine = asked(EventKind::ReviewNoteWithdrawn);
    s.store.write_blocking(move |tx| tx.withdraw_note(case, first, mine)).unwrap();
    assert!(s.store.read_blocking(|r| r.review_notes(case)).unwrap().is_empty());
    for verdict in [Verdict::Return, Verdict::Agree] {
        let stood = vec![("present".to_owned(), 1)];
        let event = asked(EventKind::ReviewOpinion);
        s.store.write_blocking(move |tx| tx.give_opinion(case, (verdict, "意见"), &stood, event)).unwrap();
    }
    let opinions = s.store.read_blocking(|r| r.opinions(case)).unwrap();
    assert_eq!((opinions.len(), opinions[0].verdict), (2, Verdict::Agree), "the newest first, the earlier stays");
    let marks = vec![Mark { item: "亮证".into(), most: 10, points: 8, remark: "晚".into() }];
    s.store.write_blocking(move |tx| tx.mark_case(case, &marks, asked(EventKind::CaseMarked))).unwrap();
    assert_eq!(s.store.read_blocking(|r| r.sheets(case)).unwrap()[0].marks[0].points, 8);
    assert!(!s.store.read_blocking(|r| r.stands_sent(case, 3, NOW)).unwrap());
    assert!(s.store.read_blocking(|r| r.sent_cases(None, NOW, None, 9)).unwrap().is_empty());
    s.store.write_blocking(move |tx| tx.isolate(at_once, "画面", &asked(EventKind::Isolated))).unwrap();
    assert!(note(at_once, 1).unwrap_err().to_string().contains("isolated"), "nothing is said of what nobody sees");
}
