//! What the one box finds in a store, in which order, and within what somebody may see.

use super::*;
use crate::domain::case_number::NumberRule;
use crate::domain::document::{DocumentKind, NewDocument};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::RecorderId;
use crate::domain::record::Origin;
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::register::{Entry, Register};
use crate::store::tests::{Fixture, fixture};
use crate::store::{DOCUMENT, Import, LinkRequest, NewClip, NewEntry};

fn rule() -> NumberRule {
    NumberRule::builtin()
}

fn query(typed: &str) -> SearchQuery {
    let now = "2026-06-19T10:00:00+08:00[Asia/Shanghai]".parse().unwrap();
    SearchQuery::parse(typed, &rule(), &now)
}

fn filter(typed: &str) -> ClipFilter {
    ClipFilter { search: Some(query(typed)), limit: 50, ..ClipFilter::default() }
}

fn found(f: &Fixture, typed: &str) -> Vec<ClipId> {
    f.store.read_blocking(|r| r.clips(&filter(typed))).unwrap().clips
}

fn say(f: &Fixture, clip: ClipId, facts: &[(Field, &str)]) {
    let facts: Vec<_> = facts.iter().map(|(field, v)| (*field, Origin::Person, (*v).to_owned())).collect();
    f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "cli", &facts)).unwrap();
}

fn link_of(clip: ClipId, text: &str, matter: Option<&str>) -> LinkRequest {
    LinkRequest {
        clip,
        number: rule().parse(text, 2026).unwrap(),
        rule_version: 1,
        range_ms: (None, None),
        stage: None,
        matter: matter.map(str::to_owned),
        proves: None,
        origin: Origin::Person,
        score: 100,
        reason: None,
    }
}

fn link(f: &Fixture, clip: ClipId, text: &str) {
    let link = link_of(clip, text, None);
    f.store.write_blocking(move |tx| tx.link(&link, &Actor::os(7), "cli")).unwrap();
}

fn import(f: &Fixture, register: Register, values: &[(&str, &str)], numbers: &[&str]) -> i64 {
    let mut entry = Entry(values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    if let Some(first) = numbers.first() {
        entry.0.insert("number".into(), (*first).to_owned());
    }
    let new = NewEntry {
        line: 2,
        key: if register == Register::Case { None } else { entry.key(register) },
        entry,
        numbers: numbers.iter().map(|n| rule().parse(n, 2026).unwrap()).collect(),
    };
    let import = Import { register, name: "a.csv".into(), entries: vec![new], rule_version: 1 };
    f.store.write_blocking(move |tx| tx.import_register(&import, false, &Actor::os(7), "cli")).unwrap().import.unwrap()
}

#[test]
fn what_is_said_is_found_in_the_same_transaction_and_what_is_withdrawn_no_longer() {
    let f = fixture();
    let one = f.clip("DCIM/DSJ_36NCC009910_110203_20260619_100324.mp4");
    let two = f.clip("DCIM/other.mp4");
    say(
        &f,
        one,
        &[(Field::Officer, "张三"), (Field::Place, "新华路18号"), (Field::CapturedStart, "2026-06-19T09:12:00+08:00")],
    );
    say(
        &f,
        two,
        &[(Field::Officer, "李四"), (Field::Place, "东关街"), (Field::CapturedStart, "2026-06-18T23:59:59+08:00")],
    );
    for (typed, wanted) in [
        ("张三", vec![one]),
        ("新华", vec![one]),
        ("今天 新华路", vec![one]),
        ("昨天 新华路", vec![]),
        ("昨天", vec![two]),
        ("2026-06", vec![two, one]),
        ("9910", vec![one]),
        ("10203", vec![one]),
        ("张三 李四", vec![]),
        ("other.MP4", vec![two]),
        ("\" OR * ( NEAR {numbers}: - ^", vec![]),
    ] {
        assert_eq!(found(&f, typed), wanted, "{typed}");
    }
    say(&f, one, &[(Field::Place, "")]);
    assert!(found(&f, "新华路").is_empty());
    let due = f.store.read_blocking(|r| r.search_due()).unwrap();
    assert_eq!(due, 0);
    f.store.write_blocking(move |tx| tx.abandon(two, "gone")).unwrap();
    assert!(found(&f, "昨天").is_empty());
}

#[test]
fn a_case_is_found_by_any_number_party_and_half_of_either() {
    let f = fixture();
    let clips: Vec<ClipId> = (0..3).map(|n| f.clip(&format!("{n}.mp4"))).collect();
    link(&f, clips[0], "赵卫罚〔2026〕12号");
    link(&f, clips[1], "赵卫罚〔2026〕123号");
    link(&f, clips[2], "赵卫医罚字〔2025〕7号");
    let imported = import(
        &f,
        Register::Case,
        &[("party", "赵县某诊所"), ("officers", "王五"), ("cause", "未按规定处置医疗废物")],
        &["赵卫罚〔2026〕12号", "赵卫责改〔2026〕31号"],
    );
    import(&f, Register::Officer, &[("name", "王五"), ("number", "110207"), ("cert_no", "C-77")], &[]);
    for (typed, wanted) in [
        ("赵卫罚[2026]12", vec![0]),
        ("赵卫罚（２０２６）第０１２号", vec![0]),
        ("赵卫责改【2026】31", vec![0]),
        ("责改2026", vec![0]),
        ("2026〕12", vec![1, 0]),
        ("赵卫医罚（2025）7号", vec![2]),
        ("诊所", vec![0]),
        ("某诊所 王五", vec![0]),
        ("110207", vec![0]),
        ("医疗废物", vec![0]),
        ("赵卫罚〔2020〕12号", vec![]),
    ] {
        let wanted: Vec<ClipId> = wanted.into_iter().map(|n: usize| clips[n]).collect();
        assert_eq!(found(&f, typed), wanted, "{typed}");
    }
    f.store.write_blocking(move |tx| tx.undo_import(imported, &Actor::os(7), "cli")).unwrap();
    assert!(found(&f, "诊所").is_empty(), "what a register took back finds nothing");
}

#[test]
fn pages_go_on_where_they_ended_in_both_orders() {
    let f = fixture();
    let clips: Vec<ClipId> = (0..7).map(|n| f.clip(&format!("执法{n}.mp4"))).collect();
    say(&f, clips[2], &[(Field::Place, "执法现场"), (Field::Proves, "执法 执法")]);
    for best_first in [false, true] {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let filter = ClipFilter { limit: 3, best_first, after: after.clone(), ..filter("执法") };
            let page = f.store.read_blocking(|r| r.clips(&filter)).unwrap();
            assert_eq!((page.total, page.counted_all), (7, true));
            all.extend(page.clips);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut sorted = all.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!((all.len(), sorted.len()), (7, 7), "{all:?}");
        match best_first {
            true => assert_eq!(all[0], clips[2], "what says it in more places fits best"),
            false => assert_eq!(all, clips.iter().rev().copied().collect::<Vec<_>>()),
        }
    }
}

#[test]
fn nobody_finds_what_is_not_in_their_lists() {
    let f = fixture();
    let (mine, theirs) = (f.clip("a.mp4"), f.clip("b.mp4"));
    say(&f, mine, &[(Field::Officer, "张三"), (Field::Place, "新华路")]);
    say(&f, theirs, &[(Field::Officer, "李四"), (Field::Place, "新华路")]);
    f.store
        .write_blocking(|tx| {
            tx.conn.execute_batch(
                "INSERT INTO account (account_id, login, roles, password, made_by, made_ms) VALUES (1, 'z', 'officer', 'x', 'os:1', 0);
                 INSERT INTO account_officer VALUES (1, '张三');",
            )?;
            Ok(())
        })
        .unwrap();
    let within = crate::domain::rights::Within::Of {
        account: 1,
        stretches: vec![(crate::domain::rights::Over::Own, crate::domain::sensitivity::Sensitivity::Minor)],
    };
    for typed in ["新华路", "李四 新华路", "b.mp4"] {
        let filter = ClipFilter { within: within.clone(), ..filter(typed) };
        let page = f.store.read_blocking(|r| r.clips(&filter)).unwrap();
        let wanted: Vec<ClipId> = if typed == "新华路" { vec![mine] } else { vec![] };
        assert_eq!((page.clips.clone(), page.total), (wanted.clone(), wanted.len() as u64), "{typed}");
    }
}

#[test]
fn what_the_register_says_of_a_case_finds_nothing_for_whoever_may_not_know_it() {
    let f = fixture();
    let (linked, said) = (f.clip("a.mp4"), f.clip("b.mp4"));
    say(&f, linked, &[(Field::Officer, "张三"), (Field::Place, "新华路")]);
    say(&f, said, &[(Field::Officer, "张三"), (Field::PartyRef, "某饭店")]);
    // Any number may be typed.
    link(&f, linked, "赵卫罚〔2026〕12号");
    let of_case = |officers: &str| {
        let values = [("party", "某饭店"), ("cause", "未公示许可证"), ("officers", officers)];
        import(&f, Register::Case, &values, &["赵卫罚〔2026〕12号", "赵卫责改〔2026〕31号"]);
    };
    of_case("王五");
    f.store
        .write_blocking(|tx| {
            tx.conn.execute_batch(
                "INSERT INTO account (account_id, login, roles, password, made_by, made_ms) VALUES (1, 'z', 'officer', 'x', 'os:1', 0);
                 INSERT INTO account_officer VALUES (1, '张三');",
            )?;
            Ok(())
        })
        .unwrap();
    let stretch = |over| (over, crate::domain::sensitivity::Sensitivity::Minor);
    let own =
        crate::domain::rights::Within::Of { account: 1, stretches: vec![stretch(crate::domain::rights::Over::Own)] };
    let all =
        crate::domain::rights::Within::Of { account: 1, stretches: vec![stretch(crate::domain::rights::Over::All)] };
    let found = |typed: &str, within: &crate::domain::rights::Within, best_first| {
        let filter = ClipFilter { within: within.clone(), best_first, ..filter(typed) };
        let page = f.store.read_blocking(|r| r.clips(&filter)).unwrap();
        assert_eq!((page.total, page.next), (page.clips.len() as u64, None), "{typed}: neither do figures tell");
        page.clips
    };
    for best_first in [false, true] {
        for (typed, unknown, known) in [
            ("某", vec![said], vec![said, linked]),
            ("某饭店", vec![said], vec![said, linked]),
            ("王五", vec![], vec![linked]),
            ("公示", vec![], vec![linked]),
            ("新华路 许可证", vec![], vec![linked]),
            ("赵卫责改〔2026〕31号 饭店", vec![], vec![linked]),
            // Its numbers are told wherever the clip is, and so is what the clip says itself.
            ("赵卫罚[2026]12", vec![linked], vec![linked]),
            ("31号 新华", vec![linked], vec![linked]),
        ] {
            let sorted = |mut clips: Vec<ClipId>| {
                clips.sort_unstable();
                clips
            };
            assert_eq!(found(typed, &own, best_first), unknown, "{typed}");
            assert_eq!(sorted(found(typed, &all, best_first)), sorted(known.clone()), "{typed}");
        }
    }
    // The register names them: it is theirs to know.
    of_case("王五、张三");
    assert_eq!(found("王五", &own, false), [linked]);
    assert_eq!(found("某饭店", &own, true).len(), 2);
}

#[test]
fn what_is_found_within_bounds_is_read_in_pages_in_both_orders() {
    let f = fixture();
    let clips: Vec<ClipId> = (0..7).map(|n| f.clip(&format!("执法{n}.mp4"))).collect();
    for clip in &clips {
        say(&f, *clip, &[(Field::Officer, "张三")]);
    }
    say(&f, clips[2], &[(Field::Place, "执法现场")]);
    f.store
        .write_blocking(|tx| {
            tx.conn.execute_batch(
                "INSERT INTO account (account_id, login, roles, password, made_by, made_ms) VALUES (1, 'z', 'officer', 'x', 'os:1', 0);
                 INSERT INTO account_officer VALUES (1, '张三');",
            )?;
            Ok(())
        })
        .unwrap();
    let stretches = vec![(crate::domain::rights::Over::Own, crate::domain::sensitivity::Sensitivity::Minor)];
    let within = crate::domain::rights::Within::Of { account: 1, stretches };
    for best_first in [false, true] {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let filter = ClipFilter { limit: 3, best_first, after, within: within.clone(), ..filter("执法") };
            let page = f.store.read_blocking(|r| r.clips(&filter)).unwrap();
            assert_eq!((page.total, page.counted_all), (7, true));
            all.extend(page.clips);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let mut newest: Vec<ClipId> = clips.iter().rev().copied().collect();
        if best_first {
            newest.sort_by_key(|clip| *clip != clips[2]);
        }
        assert_eq!(all, newest);
    }
}

#[test]
fn a_broken_index_stops_nothing_and_is_told_and_made_anew() {
    let f = fixture();
    let one = f.clip("新华路.mp4");
    let check = |f: &Fixture| f.store.read_blocking(|r| r.check_search(10)).unwrap();
    let good = check(&f);
    assert_eq!((good.compiled_in, good.clips, good.indexed, good.due, good.wrong), (true, 1, 1, 0, 0));
    assert_eq!(good.verdict, "ok");
    f.store.write_blocking(|tx| Ok(tx.conn.execute_batch("DELETE FROM search_index_data")?)).unwrap();
    let two = f.clip("东关街.mp4");
    say(&f, two, &[(Field::Officer, "张三")]);
    assert_eq!(f.store.read_blocking(|r| r.facts(two)).unwrap().len(), 1, "evidence is stored all the same");
    let broken = f.store.read_blocking(|r| r.check_search(10));
    assert!(broken.is_err() || broken.as_ref().is_ok_and(|c| c.verdict != "ok" || c.wrong > 0), "{broken:?}");
    f.store.write_blocking(|tx| tx.rebuild_search()).unwrap();
    while f.store.write_blocking(|tx| tx.index_due(10)).unwrap() > 0 {}
    assert_eq!(found(&f, "新华路"), [one]);
    assert_eq!(found(&f, "张三"), [two]);
    let mended = check(&f);
    assert_eq!((mended.indexed, mended.due, mended.wrong, mended.verdict.as_str()), (2, 0, 0, "ok"));
}

#[test]
fn the_index_leads_and_is_read_in_order() {
    let f = fixture();
    let plan = f.store.read_blocking(|r| Ok(r.search_plan("ORDER BY f.rowid DESC LIMIT 51"))).unwrap();
    assert!(plan[0].starts_with("SCAN f VIRTUAL TABLE INDEX"), "{plan:?}");
    assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "nothing is sorted: {plan:?}");
    for table in ["s", "c", "i"] {
        assert!(plan.iter().any(|step| step.starts_with(&format!("SEARCH {table} USING"))), "{table}: {plan:?}");
    }
}

#[test]
fn a_document_is_a_clip_that_owes_nothing_and_stands_for_a_matter() {
    let f = fixture();
    let clip = ClipId::generate(1_781_834_604_000);
    let number = rule().parse("赵卫罚〔2026〕12号", 2026).unwrap();
    let new = NewClip {
        clip,
        recorder: RecorderId::new("documents").unwrap(),
        dock: None,
        entry: ShelfEntry {
            path: SourcePath::new("笔录.pdf"),
            size_bytes: 3,
            modified_raw: String::new(),
            modified_ms: None,
        },
        declared_bytes: Some(3),
        role: DOCUMENT,
        importance: Importance::Normal,
        grid: PartGrid::for_size(Some(3)),
        evidence: "{}".into(),
        segment: None,
    };
    let document = NewDocument {
        number,
        kind: DocumentKind::Record,
        name: SourcePath::new("笔录.pdf"),
        title: Some("现场检查笔录".into()),
        matter: Some("现场检查".into()),
        stage: None,
        size_bytes: 3,
        media_type: "application/pdf",
    };
    let link = link_of(clip, "赵卫罚〔2026〕12号", Some("现场检查"));
    f.store.write_blocking(move |tx| tx.begin_document(&new, &document, &link, &Actor::os(7), "cli")).unwrap();
    f.seal(clip, Vec::new());
    let row = f.store.read_blocking(|r| r.clip(clip)).unwrap();
    assert!(!row.owes_facts());
    let (owes, case) = f
        .store
        .read_blocking(|r| {
            Ok((r.incomplete(None, 10)?, r.case_id(rule().parse("赵卫罚〔2026〕12号", 2026).unwrap().key())?.unwrap()))
        })
        .unwrap();
    assert!(owes.is_empty());
    let written = f.store.read_blocking(|r| r.written_records(case)).unwrap();
    assert_eq!(
        (written[0].matter.as_str(), written[0].written, written[0].reason.as_str()),
        ("现场检查", true, "现场检查笔录")
    );
    assert_eq!(found(&f, "现场检查笔录"), [clip]);
    assert_eq!(found(&f, "文书 赵卫罚2026-12"), [clip]);

    // Who looked at it, each once and in order; that its record was opened is no look.
    let (first, second) = (Actor::user(3), Actor::loopback());
    let looks = || f.store.read_blocking(|r| r.looked_at(clip)).unwrap();
    assert!(looks().is_empty());
    for (who, kind) in [
        (&second, EventKind::Shown),
        (&first, EventKind::ViewBegun),
        (&second, EventKind::ViewBegun),
        (&first, EventKind::ViewEnded),
        (&first, EventKind::ViewBegun),
    ] {
        let event = Draft::by(kind, who.clone(), "web").clip(clip);
        f.store.write_blocking(move |tx| tx.log(&event)).unwrap();
    }
    let told = looks();
    assert_eq!(told.iter().map(|(who, _)| who).collect::<Vec<_>>(), [&first, &second]);
    assert!(told[0].1 <= told[1].1);
}
