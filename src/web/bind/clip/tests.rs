//! What the store writes into the log about a clip, as its page tells it: the names of the committed values are the store's,
//! so that only an entry of the store shows whether they are read.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::*;
use crate::domain::grid::PartGrid;
use crate::domain::ids::{RecorderId, StationId};
use crate::domain::ports::Clock;
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::domain::words::Lang;
use crate::runtime::clock::StoppedClock;
use crate::store::{NewClip, Store};
use crate::web::present::{self, Ctx, Nav};
use crate::web::view::Frame;
use crate::web::who::Who;

const NOW: i64 = 1_781_834_604_000;

fn told(custody: &[CustodyEntry], lang: Lang) -> Vec<String> {
    let ctx = Ctx {
        w: lang.words(),
        zone: TimeZone::get("Asia/Shanghai").unwrap(),
        now: UtcMs(NOW),
        frame: Frame::default(),
        nav: Nav::Clips,
        path: String::new(),
        live_id: String::new(),
        who: Who::Open,
        waiting: 0,
    };
    custody.iter().filter_map(|e| present::clip::entry(e, &ctx).detail).collect()
}

#[test]
fn facts_are_told_in_words_and_a_way_is_not_read_out() {
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = StoppedClock::at(NOW);
    let store = Store::open(&dir.path().join("a.db"), &StationId::new("one").unwrap(), clock).unwrap();
    let clip = ClipId::generate(NOW);
    let entry =
        ShelfEntry { path: SourcePath::new("a.mp4"), size_bytes: 3, modified_raw: "t".into(), modified_ms: None };
    let new = NewClip {
        clip,
        recorder: RecorderId::new("R1").unwrap(),
        dock: None,
        entry,
        declared_bytes: Some(3),
        role: "clip",
        importance: Importance::Normal,
        grid: PartGrid::for_size(Some(3)),
        evidence: "{}".into(),
        segment: None,
    };
    let way: Vec<String> = (0..90).map(|n| format!("37.75{n:03},114.77{n:03}")).collect();
    let by_rule = vec![
        (Field::CapturedStart, Origin::FileName, "2026-06-19T10:03:24+08:00".to_owned()),
        (Field::Track, Origin::Sidecar, way.join(" ")),
    ];
    let by_person = vec![
        (Field::Place, Origin::Person, "北大街 1 号".to_owned()),
        (Field::Sensitivity, Origin::Person, "个人隐私".to_owned()),
    ];
    let withdrawn = vec![(Field::Place, Origin::Person, String::new())];
    store
        .write_blocking(move |tx| {
            tx.new_clip(&new)?;
            tx.add_facts(clip, &Actor::daemon(), "daemon", &by_rule)?;
            tx.add_facts(clip, &Actor::os(1000), "web", &by_person)?;
            tx.add_facts(clip, &Actor::os(1000), "web", &withdrawn)
        })
        .unwrap();
    let custody = store.read_blocking(|r| custody(r, clip, None, 10, None)).unwrap();
    let facts: Vec<&FactSaid> = custody.iter().flat_map(|e| &e.facts).collect();
    assert_eq!(facts.len(), 4, "{facts:?}");
    let zh = told(&custody, Lang::Zh);
    assert!(zh.contains(&"采集地点：—（人工填写）".to_owned()), "{zh:?}");
    assert!(zh.contains(&"采集地点：北大街 1 号（人工填写）；敏感标记：个人隐私（人工填写）".to_owned()), "{zh:?}");
    assert!(
        zh.iter().any(|text| text.starts_with("采集时间：2026-06-19 10:03") && text.ends_with("（文件名）")),
        "{zh:?}"
    );
    let en = told(&custody, Lang::En);
    assert!(
        en.contains(
            &"Place: 北大街 1 号 (entered by a person); Sensitivity: Private life (entered by a person)".to_owned()
        ),
        "{en:?}"
    );
    for text in zh.iter().chain(&en) {
        assert!(!text.contains("37.75") && !text.contains(".person") && !text.contains("captured_start"), "{text}");
    }
}
