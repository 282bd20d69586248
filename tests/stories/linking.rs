//! Rules by which a clip finds its case, each with real files on a real recorder: its position, a number in a sidecar or in its
//! name, its outing, rows of a roster that disagree. What waits says why; and one clip of which parts belong to several cases.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs;

use serde_json::{Value, json};
use support::footage;
use support::station::{Card, Station, dsj};

const CASE: &str = "赵卫罚〔2026〕12号";

fn import(station: &Station, register: &str, text: &str) {
    let file = station.path(format!("{register}.csv"));
    fs::write(&file, text).unwrap();
    station.json(["register", "import", register, file.to_str().unwrap()]);
}

/// What waits for a clip: rule, number, score and reason, the surest first; `None` where it waits for nothing.
fn waits(station: &Station, clip: &str) -> Option<Vec<(String, String, i64, String)>> {
    let told = station.json(["triage", "list"]);
    let card = told["clips"].as_array().unwrap().iter().find(|c| c["clip"] == clip).cloned()?;
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let of = |s: &Value| (text(&s["rule"]), text(&s["case_no"]), s["score"].as_i64().unwrap(), text(&s["reason"]));
    Some(card["suggestions"].as_array().unwrap().iter().map(of).collect())
}

/// Waits until every clip was looked at by the media worker and by the rules.
fn looked_at(station: &mut Station, clips: usize) {
    station.until("the rules have looked at every clip", |s| {
        let seen = "SELECT 1 FROM clip c JOIN media m USING (clip_id) WHERE c.role = 'clip' AND record_stale = 0";
        s.query(seen, &[]).len() == clips
    });
}

/// A clip with its two text files: data points with times, and a cue with its position.
fn with_position(card: &Card, stem: &str, time: &str, position: &str, seed: u64) {
    let points = json!({ "DataPoints": [{ "Time": format!("{time}:00") }, { "Time": format!("{time}:30") }] });
    card.file(format!("{stem}.mp4"), footage(40_000, seed), 60)
        .file(format!("{stem}.json"), points.to_string(), 60)
        .file(format!("{stem}.vtt"), format!("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{position}\n"), 60);
}

#[test]
fn a_position_near_an_address_waits_with_its_distance_and_links_where_that_is_enough() {
    let mut station = Station::running("");
    // The case has no position of its own: it is its party's.
    import(&station, "party", "当事人,地址,纬度,经度,坐标系\n赵县某饭店,赵县东关街18号,38.1464,114.5711,WGS84\n");
    import(
        &station,
        "case",
        &format!(
            "案件编号,当事人,承办人,立案日期,纬度,经度,坐标系\n{CASE},赵县某饭店,,2026-06-20,,,\n\
             赵卫罚〔2026〕13号,,张三,2026-06-20,38.3000,114.7000,WGS84\n"
        ),
    );
    let card = station.card("XA1234567");
    with_position(&card, "XA1234567_20260619T091200", "2026-06-19T09:12", "N38.1463 E114.5711", 1);
    with_position(&card, "XA1234567_20260618T091200", "2026-06-18T09:12", "N38.2463 E114.5711", 2);
    with_position(&card, "XA1234567_20260617T091200", "2026-06-17T09:12", "N38.3001 E114.7000 officer: 张三", 3);
    station.dock("XA1234567");
    station.until_safe("XA1234567");
    looked_at(&mut station, 3);
    let [near, far, with_officer] =
        ["20260619T091200.mp4", "20260618T091200.mp4", "20260617T091200.mp4"].map(|name| station.clip(name));
    station.until("the near one waits", |s| waits(s, &near).is_some_and(|w| !w.is_empty()));
    let told = waits(&station, &near).unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    let (rule, number, score, reason) = &told[0];
    assert_eq!((rule.as_str(), number.as_str(), *score), ("place", CASE, 40), "{reason}");
    assert!(reason.contains("its address, 11 m away") && reason.contains("0 days apart"), "{reason}");
    assert!(waits(&station, &far).unwrap().is_empty(), "eleven kilometres are not near");
    // Position and officer together are what the register of cases has of it, and more than either.
    let told = waits(&station, &with_officer).unwrap();
    let (rule, number, score, reason) = &told[0];
    assert_eq!((rule.as_str(), number.as_str(), *score), ("register", "赵卫罚〔2026〕13号", 75), "{told:?}");
    assert!(reason.contains("its officer ") && reason.contains("its address, 11 m away"), "{reason}");
    let record = station.record(&near);
    assert_eq!((&record["lat"], &record["origins"]["lat"]["origin"]), (&"38.1463".into(), &"sidecar".into()));
    assert!(record["case_no"].is_null(), "what is not sure enough links nothing by itself");

    // An agency that trusts positions says so; what waited is linked at the next start, with its reason.
    station.stop();
    station.configure("[casework.linking]\nlink_score = 40\n");
    station.start();
    station.until("both are linked", |s| s.find(CASE).len() == 1 && s.find("赵卫罚〔2026〕13号").len() == 1);
    let link = &station.find(CASE)[0]["cases"][0];
    assert_eq!((&link["origin"], &link["score"]), (&"rule".into(), &40.into()));
    let why = station.one("SELECT reason FROM case_link WHERE clip_id = ?1", &[&near]);
    assert!(why.contains(r#"{"address_m":11}"#), "{why}");
    assert!(station.record(&far)["case_no"].is_null());
}

#[test]
fn a_number_in_a_sidecar_links_and_two_in_one_name_wait() {
    let mut station = Station::new("+[source.folder] profiles_dir = \"recorders\"\n");
    fs::create_dir_all(station.path("recorders")).unwrap();
    fs::write(
        station.path("recorders/tagged.toml"),
        "name = \"tagged\"\ndescription = \"clips with a .json that names the case\"\nzone = \"Asia/Shanghai\"\n\
         identity = [\"volume_label\"]\nvolume_labels = ['(?<device>TAG[0-9]{4})']\n\
         [[file]]\nrole = \"clip\"\npath = '(?<stem>.+)\\.mp4'\ncompanions = [\"json\"]\n\
         [[file]]\nrole = \"sidecar\"\npath = '(?<stem>.+)\\.json'\nof = \"same_name\"\n\
         json = { captured_start = \"time\", title = \"case\" }\ntime_format = \"%Y-%m-%dT%H:%M:%S\"\n",
    )
    .unwrap();
    station.start();
    let card = station.card("TAG0001");
    let file = |stem: &str, day: u32, case: &str, seed: u64| {
        let side = json!({ "time": format!("2026-06-{day}T09:12:00"), "case": case });
        card.file(format!("{stem}.mp4"), footage(40_000, seed), 60).file(format!("{stem}.json"), side.to_string(), 60);
    };
    file("clip-1", 19, "赵卫罚【2026】第21号", 1);
    file("赵卫罚〔2026〕22号_赵卫罚〔2026〕23号", 17, "现场检查", 2);
    station.dock("TAG0001");
    station.until_safe("TAG0001");
    looked_at(&mut station, 2);
    station.until("the number in the sidecar links", |s| s.find("赵卫罚〔2026〕21号").len() == 1);
    let found = &station.find("赵卫罚〔2026〕21号")[0];
    assert_eq!((&found["cases"][0]["origin"], &found["cases"][0]["score"]), (&"rule".into(), &85.into()));
    let clip = found["record_id"].as_str().unwrap();
    let why = station.one("SELECT reason FROM case_link WHERE clip_id = ?1", &[&clip]);
    assert_eq!(why, r#"[{"ground":"number_found","holder":"sidecar","number":"赵卫罚〔2026〕21号"}]"#);
    let two = station.clip("赵卫罚〔2026〕22号_赵卫罚〔2026〕23号.mp4");
    station.until("both numbers wait", |s| waits(s, &two).is_some_and(|w| w.len() == 2));
    for (rule, number, score, reason) in waits(&station, &two).unwrap() {
        assert_eq!((rule.as_str(), score), ("tag", 60), "{number}: two numbers in one name, neither is sure");
        assert!(reason.contains("the file's name holds"), "{reason}");
    }
    assert!(station.record(&two)["case_no"].is_null());
}

#[test]
fn the_others_of_an_outing_wait_with_the_case_of_their_neighbours_and_no_other_day_does() {
    let mut station = Station::running("");
    let card = station.card("a");
    for (n, time) in ["091200", "092200", "105200", "200000"].iter().enumerate() {
        card.file(dsj("36NCC009910", time), footage(40_000, n as u64 + 1), 60);
    }
    station.dock("a");
    station.until_safe("a");
    looked_at(&mut station, 4);
    let [first, middle, last, evening] =
        ["091200.mp4", "092200.mp4", "105200.mp4", "200000.mp4"].map(|name| station.clip(name));
    station.json(["link", &first, CASE]);
    station.until("the others of the outing wait", |s| {
        [&middle, &last].iter().all(|clip| waits(s, clip).is_some_and(|w| w.len() == 1))
    });
    let of = |s: &Station, clip: &str| waits(s, clip).unwrap().remove(0);
    let (rule, number, score, reason) = of(&station, &middle);
    assert_eq!((rule.as_str(), number.as_str()), ("neighbour", CASE), "{reason}");
    assert!(score < 80 && reason.contains("clips next to this one") && reason.contains("10 min away"), "{reason}");
    assert!(of(&station, &last).2 < score, "what is further away is less sure");
    assert!(waits(&station, &evening).unwrap().is_empty(), "nine hours later is another outing");

    station.json(["link", &last, CASE]);
    station.until("what lies between both is surer", |s| of(s, &middle).3.contains("before and after"));
    assert_eq!(of(&station, &middle).2, 75, "as sure as this rule may be, and still a person's to say");
    // Of another case on the same outing nothing is sure any more.
    station.json(["unlink", &last, CASE, "--reason", "属另案"]);
    station.json(["link", &last, "赵卫罚〔2026〕13号"]);
    station.until("both cases wait", |s| waits(s, &middle).is_some_and(|w| w.len() == 2));
    assert!(waits(&station, &middle).unwrap().iter().all(|(_, _, score, _)| *score <= 55));
    // No rule touched what the person had said.
    let said = station.query("SELECT DISTINCT origin FROM case_link", &[]);
    assert_eq!(said, [["person"]]);
}

#[test]
fn two_officers_at_one_scene_need_one_confirmation_and_whoever_was_elsewhere_another() {
    let mut station = Station::running("");
    let people = [
        ("a", "36NCC009910", "091200", "张三", "东关街18号"),
        ("b", "36NCC009911", "091400", "李四", "东关街 18号"),
        ("c", "36NCC009912", "091600", "王五", "西街3号"),
    ];
    for (n, (bay, recorder, time, ..)) in people.iter().enumerate() {
        let card = station.card(bay);
        card.file(dsj(recorder, time), footage(40_000, n as u64 + 1), 60);
        station.dock(bay);
        station.until_safe(bay);
    }
    looked_at(&mut station, 3);
    let [zhang, li, wang] = people.map(|(_, _, time, officer, place)| {
        let clip = station.clip(format!("{time}.mp4"));
        station.json(["annotate", &clip, &format!("officer={officer}"), &format!("place={place}")]);
        clip
    });
    let card = |s: &Station, clip: &str| {
        let told = s.json(["triage", "list"]);
        told["clips"].as_array().unwrap().iter().find(|c| c["clip"] == clip).cloned().unwrap()
    };
    let before = card(&station, &zhang);
    assert_eq!(before["outing"], serde_json::json!([li]), "what one yes covers is told before it is given");
    assert_eq!(before["outing_partners"], serde_json::json!([{ "officer": "李四", "clips": 1 }]));
    assert_eq!(card(&station, &wang)["outing"], serde_json::json!([]));

    // What a partner's clip is linked to is a suggestion like that of any other clip of the outing.
    station.json(["link", &li, CASE]);
    station.until("the partner's clip waits with the case", |s| waits(s, &zhang).is_some_and(|w| w.len() == 1));
    let (rule, number, score, reason) = waits(&station, &zhang).unwrap().remove(0);
    assert_eq!((rule.as_str(), number.as_str()), ("neighbour", CASE), "{reason}");
    assert!(score < 80 && reason.contains("李四, who was there too"), "{reason}");
    assert_eq!(waits(&station, &wang), Some(vec![]), "who was elsewhere has nothing of it");
    station.json(["unlink", &li, CASE, "--reason", "再试"]);

    let other = "赵卫罚〔2026〕13号";
    let done = station.json(["triage", "accept", &zhang, "--case", other, "--outing"]);
    assert_eq!(done["clips"], serde_json::json!([zhang, li]));
    assert_eq!(station.find(other).len(), 2);
    let undone = station.json(["triage", "undo", &zhang, "--case", other, "--outing"]);
    assert_eq!(undone["clips"], serde_json::json!([zhang, li]));
    assert!(station.find(other).is_empty(), "taken back, all of it");
}

#[test]
fn rows_of_a_roster_that_disagree_both_wait_and_the_corrected_one_links() {
    let mut station = Station::running("");
    let file = station.path("roster.csv");
    let head = "officer,recorder,from,to,case,place,matter,proves\n";
    let row = |case: &str| {
        format!("张三,36NCC009910,2026-06-19 08:00,2026-06-19 12:00,{case},东关街18号,现场检查,现场全貌\n")
    };
    let roster = |station: &Station, rows: &str| {
        fs::write(&file, format!("{head}{rows}")).unwrap();
        station.json(["roster", "import", file.to_str().unwrap()]);
    };
    roster(&station, &(row(CASE) + &row("赵卫罚〔2026〕13号")));
    station.card("a").file(dsj("36NCC009910", "091200"), footage(40_000, 1), 60);
    // After the window nobody is on the roster.
    station.card("a").file(dsj("36NCC009910", "160000"), footage(40_000, 2), 60);
    station.dock("a");
    station.until_safe("a");
    looked_at(&mut station, 2);
    let (within, after) = (station.clip("091200.mp4"), station.clip("160000.mp4"));
    station.until("both cases wait", |s| waits(s, &within).is_some_and(|w| w.len() == 2));
    for (rule, _, score, reason) in waits(&station, &within).unwrap() {
        assert_eq!(rule, "roster");
        assert!(score < 80 && reason.contains("another row for that time names another case"), "{reason}");
    }
    let record = station.record(&within);
    assert_eq!((&record["case_no"], &record["officer"]), (&Value::Null, &"张三".into()), "in this they agree");
    assert_eq!((&record["place"], &station.record(&after)["place"]), (&"东关街18号".into(), &Value::Null));
    roster(&station, &row("赵卫罚〔2026〕13号"));
    station.until("the corrected roster links", |s| s.find("赵卫罚〔2026〕13号").len() == 1);
    assert_eq!(station.find("赵卫罚〔2026〕13号")[0]["cases"][0]["origin"], "roster");
    assert!(station.find(CASE).is_empty());
}

#[test]
fn a_refused_number_comes_back_with_the_one_that_was_meant_as_a_choice() {
    let mut station = Station::running("");
    station.card("a").file(dsj("36NCC009910", "091200"), footage(40_000, 1), 60);
    station.dock("a");
    station.until_safe("a");
    let clip = station.clip("091200.mp4");
    let page = Browser::new(&station.page());
    const TYPED: &str = "赵卫罚2026-12";
    let choice = format!("<button class=\"btn\" name=\"case_no\" value=\"{CASE}\">");
    let refused = page.form(&format!("/clips/{clip}/link"), &[("case_no", TYPED), ("from", "65"), ("stage", "送达")]);
    let html = refused.text();
    assert!(refused.status == 422 && html.contains(&choice), "{html}");
    assert!(html.contains("name=\"stage\" value=\"送达\"") && html.contains("name=\"from\" value=\"65\""), "{html}");
    let decide = format!("/triage/{clip}/decide");
    let refused = page.form(&decide, &[("case_no", TYPED), ("verdict", "accept"), ("place", "东关街")]);
    let html = refused.text();
    assert!(refused.status == 422 && html.contains(&choice) && html.contains("value=\"东关街\""), "{html}");
    // What nobody can guess offers nothing.
    let refused = page.form(&decide, &[("case_no", "???"), ("verdict", "accept")]);
    assert!(refused.status == 422 && !refused.text().contains("class=\"near\""), "{}", refused.text());
    assert!(station.find(CASE).is_empty());

    // Where somebody looks for it by a wrong number, the list of cases offers it as well.
    station.json(["link", &clip, CASE]);
    let typed = percent_encoding::utf8_percent_encode("赵卫罚〔26〕12号", percent_encoding::NON_ALPHANUMERIC);
    let found = page.get(&format!("/cases?query={typed}")).text();
    assert!(found.contains("class=\"near\"") && found.contains(&format!("{CASE}</a>")), "{found}");
    assert!(!page.get("/cases?query=%E6%97%A0").text().contains("class=\"near\""));
}

#[test]
fn parts_of_one_clip_belong_to_several_cases_by_command_line_and_page() {
    const OTHER: &str = "赵卫罚〔2026〕13号";
    const THIRD: &str = "赵卫罚〔2026〕14号";
    let mut station = Station::running("");
    station.card("a").file(dsj("36NCC009910", "091200"), footage(40_000, 1), 60);
    station.dock("a");
    station.until_safe("a");
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE, "--to", "1:30", "--proves", "现场全貌"]);
    station.json(["link", &clip, OTHER, "--from", "1:30", "--to", "1:02:03.5"]);
    station.refused(1, ["link", &clip, THIRD, "--from", "2:00", "--to", "2:00"]);
    station.refused(2, ["link", &clip, THIRD, "--from", "1:90"]);

    // The page takes positions as the command line does.
    let page = Browser::new(&station.page());
    let link = format!("/clips/{clip}/link");
    let refused = page.form(&link, &[("case_no", THIRD), ("from", "1:90")]);
    assert!(refused.status == 422 && refused.text().contains("1:02:03.5"), "{}", refused.text());
    let refused = page.form(&link, &[("case_no", THIRD), ("from", "3:00"), ("to", "2:00")]);
    assert!(refused.status == 422 && refused.text().contains("起点须早于终点"), "{}", refused.text());
    assert!(station.find(THIRD).is_empty());
    assert_eq!(page.form(&link, &[("case_no", THIRD), ("from", "65"), ("stage", "送达")]).status, 303);

    let range = |case: &str| {
        let found = station.find(case);
        assert_eq!(found.len(), 1, "{case}");
        let link = found[0]["cases"].as_array().unwrap().iter().find(|l| l["case_no"] == case).cloned().unwrap();
        (link["from_ms"].as_i64(), link["to_ms"].as_i64())
    };
    assert_eq!(range(CASE), (None, Some(90_000)));
    assert_eq!(range(OTHER), (Some(90_000), Some(3_723_500)));
    assert_eq!(range(THIRD), (Some(65_000), None));
    let shown = page.get(&format!("/clips/{clip}")).text();
    for part in ["0:00 – 1:30", "1:30 – 1:02:04", "1:05 – 片尾"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // The case tells which part of it is its own, and opens it there; so does the review; its package says so, too.
    let encoded = percent_encoding::utf8_percent_encode(OTHER, percent_encoding::NON_ALPHANUMERIC).to_string();
    for of in ["cases", "review"] {
        let listed = page.get(&format!("/{of}/{encoded}")).text().replace("%2E", ".");
        assert!(listed.contains("本案片段 1:30 – 1:02:04") && listed.contains("t=90.000"), "{of}: {listed}");
    }
    let to = station.path("package");
    station.json(["export", "--case", OTHER, "--to", to.to_str().unwrap(), "--reason", "移送", "--basis", "通知书"]);
    let inside = support::station::files_below(&to);
    let read = |name: &str| {
        let file = inside.iter().find(|f| f.file_name().is_some_and(|n| n == name)).unwrap();
        std::fs::read_to_string(file).unwrap()
    };
    let csv = read("records.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with("case_from_ms,case_to_ms") && lines[1].ends_with(",90000,3723500"), "{csv}");
    let catalogue = inside.iter().filter(|f| f.extension().is_some_and(|e| e == "html"));
    let told = |f: &std::path::PathBuf| std::fs::read_to_string(f).unwrap().contains("本案片段 1:30 – 1:02:04");
    assert!(catalogue.clone().any(told), "{inside:?}");
    // Another stretch of the same case is another revision; taking one case back leaves the others.
    station.json(["link", &clip, CASE, "--from", "0:10", "--to", "1:30"]);
    assert_eq!(range(CASE), (Some(10_000), Some(90_000)));
    station.json(["unlink", &clip, OTHER, "--reason", "属另案"]);
    assert!(station.find(OTHER).is_empty());
    assert_eq!((range(CASE).0, range(THIRD).0), (Some(10_000), Some(65_000)));
    let revisions =
        station.query("SELECT case_key, rev, withdrawn FROM case_link WHERE clip_id = ?1 ORDER BY link_id", &[&clip]);
    let revisions: Vec<(&str, &str)> = revisions.iter().map(|r| (r[1].as_str(), r[2].as_str())).collect();
    assert_eq!(revisions, [("1", "0"), ("1", "0"), ("1", "0"), ("2", "0"), ("2", "1")]);
}
