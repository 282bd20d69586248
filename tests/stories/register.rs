//! The register of recorders and the desk, with the real program: who may be read, who has which recorder, and whose
//! a clip is because of it.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use evidock::domain::ports::Clock;
use evidock::runtime::clock::SystemClock;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use support::footage;
use support::station::Station;

const CASE: &str = "赵卫罚〔2026〕12号";

/// A name as a recorder gives it to what it captures `after_s` seconds from now.
fn captured(after_s: i64) -> String {
    let at = SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap());
    let at = at.checked_add(jiff::SignedDuration::from_secs(after_s)).unwrap();
    format!("DCIM/VIDEO/{}/DSJ_36NCC009910_110203_{}.mp4", at.strftime("%Y-%m-%d"), at.strftime("%Y%m%d_%H%M%S"))
}

#[test]
fn a_clip_is_whose_the_recorder_was_when_it_was_captured() {
    let mut station = Station::running("");
    let told =
        station.json(["desk", "issue", "36NCC009910", "张三", "--place", "东关街12号", "--due", "2030-01-01 18:00"]);
    assert_eq!(
        (&told["officer"], &told["closed"], &told["seen_before"]),
        (&"张三".into(), &Value::Null, &false.into())
    );
    assert_eq!(told["due"], "2030-01-01T18:00:00+08:00");
    let told = station.json(["desk", "issue", "３６ncc009910", "李四", "--case", CASE, "--matter", "现场检查"]);
    assert_eq!((&told["closed"]["officer"], &told["case_no"]), (&"张三".into(), &CASE.into()));
    let out = station.json(["desk", "list"]);
    assert_eq!(out.as_array().unwrap().len(), 1, "{out}");
    assert_eq!((&out[0]["officer"], &out[0]["overdue"], &out[0]["due"]), (&"李四".into(), &false.into(), &Value::Null));
    assert_eq!(station.json(["desk", "list", "--overdue"]), json!([]));

    // One clip of yesterday, one of this stay out; whoever docks it has no say.
    let card = station.card("3号口");
    let (before, during) = (captured(-86_400), captured(30));
    card.file(&before, footage(40_000, 1), 60).file(&during, footage(50_000, 2), 60);
    station.dock("3号口");
    station.until_safe("3号口");
    let seen = "SELECT 1 FROM clip c JOIN media m USING (clip_id) WHERE record_stale = 0 AND local = 'sealed'";
    station.until("the rules have looked at both", |s| s.query(seen, &[]).len() == 2);
    let name = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let (before, during) = (station.clip(name(&before)), station.clip(name(&during)));
    // The recorder goes from hand to hand, and nobody wrote down who had it yesterday: the number burned into its names is
    // no fact. It waits, with its reason, and a person says so.
    let record = station.record(&before);
    assert!(record["officer"].is_null() && record["case_no"].is_null(), "{record}");
    let waiting = |s: &Station| {
        let told = s.json(["triage", "list"]);
        told["clips"].as_array().unwrap().iter().find(|c| c["clip"] == before.as_str()).unwrap().clone()
    };
    let card = waiting(&station);
    assert!(card["missing"].as_array().unwrap().contains(&"officer".into()), "{card}");
    assert!(card["notes"].as_array().unwrap().contains(&"file_name 110203: no_stay".into()), "{card}");
    assert_eq!(card["supposed_officers"], json!([{ "officer": "110203", "origin": "file_name" }]));
    let browser = Browser::new(&station.page());
    assert!(browser.get("/triage").text().contains("采集时没有唯一相符的领用或排班记录"));
    let confirmed = browser.form(&format!("/clips/{before}/annotate"), &[("officer", "110203")]);
    assert_eq!(confirmed.status, 303, "{}", confirmed.text());
    station.until("the person's word is on record", |s| s.record(&before)["officer"] == "110203");
    assert_eq!(station.record(&before)["origins"]["officer"]["origin"], "person");
    assert_eq!(waiting(&station)["supposed_officers"], json!([]), "nobody is supposed any more");
    station.until("the desk's case is linked", |s| !s.record(&during)["case_no"].is_null());
    let record = station.record(&during);
    assert_eq!((&record["officer"], &record["origins"]["officer"]["origin"]), (&"李四".into(), &"issue".into()));
    assert_eq!((&record["case_no"], &record["cases"][0]["origin"]), (&CASE.into(), &"issue".into()));
    assert_eq!(record["matter"], "现场检查");
    assert!(record["place"].is_null(), "that was said for another stay out: {record}");

    // Whose it is now is shown where bays are, with who says so.
    let status = station.status();
    assert_eq!(status["docked"][0]["holder"], json!({ "officer": "李四", "origin": "issue", "confirmed": true }));
    assert_eq!((&status["recorders_out"], &status["recorders_overdue"]), (&1.into(), &0.into()));
    let told = station.json(["desk", "return", "36NCC009910"]);
    assert_eq!((&told["officer"], &told["late"]), (&"李四".into(), &false.into()));
    station.refused(3, ["desk", "return", "36NCC009910"]);
    let status = station.status();
    assert_eq!(status["docked"][0]["holder"]["officer"], "李四", "it stands there because that officer brought it");
    assert_eq!(status["recorders_out"], 0);

    for (args, words) in [
        (["desk", "issue", "36NCC009910", "000000", "--place", ""], "name nobody"),
        (["desk", "issue", "36NCC009910", "张三", "--case", "赵卫罚2026-12"], "赵卫罚"),
        (["desk", "issue", "36NCC009910", "张三", "--due", "2020-01-01 09:00"], "is over"),
    ] {
        let (_, said) = station.refused(1, args);
        assert!(said.contains(words), "{said}");
    }
    station.json(["checkpoint"]);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

#[test]
fn devices_are_let_in_kept_out_and_taken_out_of_use() {
    let mut station = Station::running("");
    let list = station.json(["recorders", "list"]);
    assert_eq!(list, json!({ "at_the_gate": [], "devices": [], "marked": [] }));
    let (_, said) = station.refused(3, ["recorders", "approve", "3号口"]);
    assert!(said.contains("recorders list"), "{said}");

    // Before it ever comes, by what stands on its label.
    let told = station.json(["recorders", "approve", "0951:1666:36NCC009910", "--reason", "新购"]);
    assert_eq!((&told["state"], &told["changed"], &told["note"]), (&"approved".into(), &true.into(), &Value::Null));
    assert_eq!(
        station.json(["recorders", "approve", "36ncc009910"])["changed"],
        true,
        "without a reason, that is news"
    );
    assert_eq!(station.json(["recorders", "approve", "36NCC009910"])["changed"], false);
    let told = station.json(["recorders", "approve", "0951:1666@1-4.2"]);
    assert!(told["note"].as_str().unwrap().contains("every device 0951:1666 in socket 1-4.2"), "{told}");
    station.json(["recorders", "refuse", "dead:beef:STRANGER"]);
    station.json(["recorders", "repair", "36NCC009910", "--reason", "屏幕碎了"]);
    station.json(["recorders", "retire", "0951:1666@1-4.2"]);

    let states = |station: &Station| {
        let list = station.json(["recorders", "list"]);
        let mut states: Vec<_> = list["devices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| (d["device"].as_str().unwrap().to_owned(), d["state"].as_str().unwrap().to_owned()))
            .collect();
        states.sort();
        states
    };
    let expected =
        [("0951:1666:36NCC009910", "in_repair"), ("0951:1666@1-4.2", "retired"), ("dead:beef:STRANGER", "refused")]
            .map(|(device, state)| (device.to_owned(), state.to_owned()));
    assert_eq!(states(&station), expected);
    station.stop();
    // The register can be read without the daemon; what stands at the gate then nobody knows.
    assert_eq!(states(&station), expected);
    assert!(station.json(["recorders", "list"])["at_the_gate"].is_null());
    station.refused(5, ["recorders", "approve", "36NCC009910"]);
}

#[test]
fn a_recorder_of_any_kind_is_given_away_and_nothing_that_is_out_of_use_goes_out() {
    let station = Station::running("");
    let import = |register: &str, table: &str| {
        let file = station.path(format!("{register}.csv"));
        std::fs::write(&file, table).unwrap();
        station.json(["register", "import", register, file.to_str().unwrap()]);
    };
    // No gate ever saw it: the register knows it, and so does the desk.
    import("recorder", "记录仪编号,型号\n36NCC009911,DSJ-A1\n");
    import("officer", "姓名,警号,离岗时间\n张三,110203,\n王五,110205,2020-01-01\n");
    station.json(["desk", "issue", "36NCC009911", "张三"]);
    let told = station.json(["recorders", "repair", "３６ncc009911", "--reason", "按键失灵"]);
    assert_eq!((&told["device"], &told["state"]), (&"36NCC009911".into(), &"in_repair".into()));
    let (_, error) = station.refused(3, ["recorders", "repair", "36NCC009999"]);
    assert!(error.contains("36NCC009999"), "{error}");
    let (_, error) = station.refused(1, ["recorders", "refuse", "36NCC009911"]);
    assert!(error.contains("retire it"), "{error}");

    // The command line, the form and programs are refused in the same words; what was out stays so.
    let browser = Browser::new(&station.page());
    let (_, error) = station.refused(1, ["desk", "issue", "36NCC009911", "张三"]);
    assert!(error.contains("given away for repair"), "{error}");
    let form = browser.form("/desk/issue", &[("recorder", "36ncc009911"), ("officer", "张三")]);
    assert!(form.status == 409 && form.text().contains("已送修，不能领用"), "{}", form.text());
    let json_type = [("content-type", "application/json")];
    let asked = |officer: &str| {
        let body = json!({ "recorder": "36NCC009911", "officer": officer }).to_string();
        browser.send("POST", "/api/v1/desk/issue", &json_type, body.as_bytes())
    };
    assert_eq!(asked("张三").status, 409);
    assert_eq!(station.json(["desk", "list"])[0]["officer"], "张三");
    station.json(["recorders", "retire", "36NCC009911", "--reason", "报废"]);
    assert!(station.refused(1, ["desk", "issue", "36NCC009911", "张三"]).1.contains("retired"));
    station.json(["recorders", "approve", "36NCC009911", "--reason", "已修复"]);
    for gone in ["王五", "110205"] {
        let answer = asked(gone);
        assert!(answer.status == 409, "{gone}: {}", answer.text());
        assert!(station.refused(1, ["desk", "issue", "36NCC009911", gone]).1.contains("has left"));
    }
    assert_eq!(asked("张三").status, 200);

    // Its page tells who said what, when and why; the log tells it, and commits to the reasons.
    let page = browser.get("/admin/recorders/36NCC009911").text();
    for told in ["维修与停用记录", "按键失灵", "报废", "已修复"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let history = browser.get("/api/v1/recorders/36NCC009911").json()["marks"].clone();
    let states: Vec<&str> = history.as_array().unwrap().iter().map(|m| m["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["approved", "retired", "in_repair"], "{history}");
    let log = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind LIKE 'register.%'", &[]).concat();
    assert!(log.iter().any(|e| e.contains("36NCC009911")) && log.iter().all(|e| !e.contains("报废")), "{log:?}");
}

#[test]
fn a_recorder_that_is_late_is_late_wherever_people_look() {
    let mut station = Station::running("");
    // Time to look at what is not late yet, on a busy machine, too.
    let due = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(20)).unwrap();
    station.json(["desk", "issue", "36NCC009910", "张三", "--due", &due.to_string()]);
    station.json(["desk", "issue", "36NCC009874", "李四", "--due", "2099-01-01 18:00"]);
    station.json(["desk", "issue", "36NCC009001", "王五"]);
    let day = |days: i64| {
        let at = due.to_zoned(TimeZone::get("Asia/Shanghai").unwrap());
        at.checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap().strftime("%Y-%m-%d").to_string()
    };
    let period = format!("{}..{}", day(-1), day(1));
    let report = |s: &Station| s.json(["report", "show", "--period", &period])["overdue"].clone();
    let browser = Browser::new(&station.page());
    let pages = || ["/desk".to_owned(), format!("/reports?period={period}")].map(|path| browser.get(&path).text());
    assert_eq!(report(&station), json!([]), "it may still come");
    let [desk, _] = pages();
    assert!(desk.contains("36NCC009910") && !desk.contains("逾期未还"), "{desk}");

    station.until("one of three is late", |s| !s.json(["desk", "list", "--overdue"]).as_array().unwrap().is_empty());
    let late = station.json(["desk", "list", "--overdue"]);
    assert_eq!(late.as_array().unwrap().len(), 1, "{late}");
    assert_eq!(
        (&late[0]["recorder"], &late[0]["officer"], &late[0]["overdue"]),
        (&"36NCC009910".into(), &"张三".into(), &true.into())
    );
    assert_eq!(station.json(["desk", "list"]).as_array().unwrap().len(), 3);
    assert_eq!(station.status()["recorders_overdue"], 1);
    let told = browser.get("/api/v1/desk").json();
    let told: Vec<(&str, bool)> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|o| (o["recorder"].as_str().unwrap(), o["overdue"].as_bool().unwrap()))
        .collect();
    assert_eq!(told[0], ("36NCC009910", true), "what is late stands first");
    assert_eq!(told.iter().filter(|o| o.1).count(), 1);
    let listed = report(&station);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(
        (&listed[0]["recorder"], &listed[0]["officer"], &listed[0]["back_at"]),
        (&"36NCC009910".into(), &"张三".into(), &Value::Null)
    );
    assert_eq!(browser.get(&format!("/api/v1/reports?period={period}")).json()["overdue"], listed);
    let [desk, reports] = pages();
    assert_eq!(desk.matches("class=\"late\"").count(), 1, "{desk}");
    assert!(desk.contains("逾期未还") && reports.contains("36NCC009910"), "{reports}");
    assert!(reports.contains("尚未归还") && !reports.contains("36NCC009874"), "{reports}");

    // Once it is back it is late no more, and the report goes on saying that it was.
    assert_eq!(station.json(["desk", "return", "36NCC009910"])["late"], true);
    assert_eq!(station.json(["desk", "list", "--overdue"]), json!([]));
    assert_eq!(station.status()["recorders_overdue"], 0);
    let listed = report(&station);
    assert!(listed[0]["back_at"].is_string() && listed.as_array().unwrap().len() == 1, "{listed}");
    let [desk, reports] = pages();
    assert!(
        !desk.contains("逾期未还") && !reports.contains("尚未归还") && reports.contains("36NCC009910"),
        "{reports}"
    );
}
