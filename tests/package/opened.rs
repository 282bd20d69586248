//! What a package opens of the log: what was said and decided in its case, and nothing of another one.

use evidock::domain::event::EventKind;
use evidock::domain::packaged::Packaged;

use super::*;

/// Every value that the package opens, with the kind of its event.
fn opened(dir: &Path) -> Vec<(String, String, String)> {
    let all = json(&dir.join("custody/opened.json"));
    let of = |opened: &Value| {
        let seq = opened["seq"].as_u64().unwrap();
        let event = json(&dir.join(format!("custody/events/{seq:012}.json")));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&event["kind"]), text(&opened["field"]), text(&opened["value"]))
    };
    all.as_array().unwrap().iter().map(of).collect()
}

#[test]
fn what_was_said_in_the_case_is_opened_and_of_another_case_nothing() {
    let mut station = Station::running("[custody]\ncheckpoint_interval_s = 1\n");
    let sheet = station.path("catalogue.csv");
    fs::write(&sheet, "记录环节,记录事项,记录方式\n调查取证,现场检查,重点\n送达,留置送达,全过程\n").unwrap();
    station.json(["register", "import", "catalogue", sheet.to_str().unwrap()]);
    take_in(&mut station, &[16_384, 16_385]);
    let clips: Vec<String> = (0..2).map(|n| station.clip(format!("0912{n:02}.mp4"))).collect();
    // The second clip belongs to another case, too, with a hold and reasons of its own.
    station.json(["link", &clips[0], CASE, "--matter", "现场检查"]);
    station.json(["link", &clips[1], CASE]);
    station.json(["link", &clips[1], OTHER]);
    station.json([
        "case",
        "no-record",
        CASE,
        "留置送达",
        "--reason",
        "当事人拒收，公告送达",
        "--basis",
        "公告〔2026〕1号",
    ]);
    station.json(["case", "no-record", OTHER, "留置送达", "--reason", "另案的原因", "--basis", "另案的依据"]);
    station.json(["hold", "--case", CASE, "--reason", "本案行政复议"]);
    station.json(["hold", "--case", OTHER, "--reason", "另案行政诉讼"]);
    // Of a clip of one case and of one of two: for whose sake the latter is held, nobody can tell.
    station.json(["hold", &clips[0], "--reason", "本片段暂停销毁"]);
    station.json(["hold", &clips[1], "--reason", "两案共用片段"]);
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("package");
    export(&station, &dir);

    let told = opened(&dir);
    let has = |kind: &str, field: &str, value: &str| {
        assert!(told.iter().any(|(k, f, v)| (k.as_str(), f.as_str(), v.as_str()) == (kind, field, value)), "{told:?}");
    };
    has("case.no_record", "matter", "留置送达");
    has("case.no_record", "reason", "当事人拒收，公告送达");
    has("case.no_record", "basis", "公告〔2026〕1号");
    has("clip.hold", "reason", "本案行政复议");
    has("clip.hold", "reason", "本片段暂停销毁");
    for file in files_below(&dir) {
        let bytes = fs::read(&file).unwrap();
        for secret in ["另案", "〔2026〕77", "两案共用片段"] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{} tells {secret}", file.display());
        }
    }
    // Every event in clear names this case or none.
    let case = json(&dir.join("custody/package.json"))["case_hash"].clone();
    for seq in events(&dir) {
        let event = json(&dir.join(format!("custody/events/{seq:012}.json")));
        assert!(event["case"].is_null() || event["case"] == case, "{event}");
    }
    // What it opens follows from the kind of event and from nothing else.
    for (kind, ..) in &told {
        let kind = EventKind::parse(kind).unwrap();
        assert!(!matches!(kind.packaged(), Packaged::Closed | Packaged::Elsewhere), "{kind:?}");
    }

    // Every checker takes it.
    let trust = station.path("state/log.key.pub");
    let (code, report) = import_check(&dir, Some(&trust));
    assert_eq!((code, &report["whole"]), (0, &true.into()), "{report}");
    for (tool, (good, words)) in [("bagit", bagit(&dir)), ("sha256sum", sha256sum(&dir)), ("b3sum", b3sum(&dir))] {
        assert!(good, "{tool}: {words}");
    }
    let (good, words) = run(Path::new("sh"), &[dir.join("4-CHECK.sh").to_str().unwrap()], Path::new("/"));
    assert!(good, "{words}");

    // A reason that nobody gave is found out even where every list is made anew.
    let table = dir.join("data/metadata/coverage.json");
    let changed = fs::read_to_string(&table).unwrap().replace("当事人拒收，公告送达", "设备故障");
    fs::write(&table, changed).unwrap();
    super::tampering::list_again(&dir);
    let (code, report) = import_check(&dir, Some(&trust));
    assert_ne!(code, 0);
    assert!(report["problems"].to_string().contains("that no event commits to"), "{report}");
    station.stop();
}

/// The roster was corrected: why a rule took its own link back names the case that it names now, which is another one's.
#[test]
fn why_a_rule_took_its_link_back_tells_no_other_case() {
    let mut station = Station::running("[custody]\ncheckpoint_interval_s = 1\n");
    let file = station.path("roster.csv");
    let roster = |station: &Station, case: &str| {
        let head = "officer,recorder,from,to,case,place,matter,proves";
        let row = format!("张三,36NCC009910,2026-06-19 08:00,2026-06-19 12:00,{case},东关街18号,现场检查,现场全貌");
        fs::write(&file, format!("{head}\n{row}\n")).unwrap();
        station.json(["roster", "import", file.to_str().unwrap()]);
    };
    roster(&station, CASE);
    take_in(&mut station, &[16_384]);
    station.until("the roster links it", |s| s.find(CASE).len() == 1);
    roster(&station, OTHER);
    station.until("the corrected one links it elsewhere", |s| s.find(CASE).is_empty() && s.find(OTHER).len() == 1);
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE]);
    let reasons = station.query(
        "SELECT s.value FROM log_secret s JOIN log_entry e ON e.seq = s.seq WHERE e.kind = 'clip.unlinked' AND s.field = 'reason'",
        &[],
    );
    assert!(reasons.iter().any(|reason| reason[0].contains(OTHER)), "{reasons:?}");
    let dir = station.path("out");
    export(&station, &dir);
    for file in files_below(&dir) {
        let bytes = fs::read(&file).unwrap();
        let secret = "〔2026〕77".as_bytes();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{} tells the other case", file.display());
    }
    let withdrawn = events(&dir)
        .into_iter()
        .any(|seq| json(&dir.join(format!("custody/events/{seq:012}.json")))["kind"] == "clip.unlinked");
    assert!(withdrawn, "that it was taken back is there");
    let (code, report) = import_check(&dir, Some(&station.path("state/log.key.pub")));
    assert_eq!((code, &report["whole"]), (0, &true.into()), "{report}");
}
