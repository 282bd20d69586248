//! Finding in the real daemon: twenty cases by whatever people type, what was just captured before it is sent, and clips of
//! another station through the bucket's catalogue alone.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs;

use evidock::domain::ports::Clock;
use evidock::runtime::clock::SystemClock;
use jiff::tz::TimeZone;
use serde_json::Value;
use support::footage;
use support::station::{Station, dsj, folder};

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Ids that the API gives for what is typed.
fn search(browser: &Browser, typed: &str) -> Vec<String> {
    let answer = browser.get(&format!("/api/v1/clips?q={}", encoded(typed)));
    assert_eq!(answer.status, 200, "{typed}: {}", answer.text());
    let items = answer.json()["items"].as_array().unwrap().clone();
    items.iter().map(|i| i["record_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn twenty_cases_are_found_blind() {
    let mut station = Station::running(&folder("nas", "nas"));
    let card = station.card("a");
    for n in 0..20u64 {
        card.file(dsj("36NCC009910", &format!("09{n:02}00")), footage(2_000, n + 1), 200 - n);
    }
    station.dock("a");
    station.until_safe("a");
    let parties = [
        "某诊所",
        "永盛饭店",
        "县第二小学",
        "李家庄砖厂",
        "城东农贸市场",
        "金辉化工",
        "王记修理部",
        "康民药房",
        "东风幼儿园",
        "众信担保",
    ];
    let mut register = "案件编号,决定书文号,当事人,案由,承办人\n".to_owned();
    for n in 0..20 {
        let party = format!("赵县{}{}", parties[n % 10], if n < 10 { "" } else { "分店" });
        register.push_str(&format!(
            "赵卫罚〔2026〕{}号,赵卫罚决〔2026〕{}号,{party},未按规定第{n}项,张三\n",
            100 + n,
            700 + n
        ));
    }
    fs::write(station.path("cases.csv"), register).unwrap();
    station.json(["register", "import", "case", "cases.csv"]);
    let clips: Vec<String> = (0..20).map(|n| station.clip(format!("09{n:02}00.mp4"))).collect();
    for (n, clip) in clips.iter().enumerate() {
        station.json(["link", clip, &format!("赵卫罚〔2026〕{}号", 100 + n)]);
    }
    let browser = Browser::new(&station.page());
    for (n, clip) in clips.iter().enumerate() {
        let (number, decision) = (100 + n, 700 + n);
        let full: String = number.to_string().chars().map(|c| char::from_u32(c as u32 + 0xfee0).unwrap()).collect();
        let branch = if n < 10 { "" } else { "分店" };
        let party = format!("赵县{}{branch}", parties[n % 10]);
        for typed in [
            format!("赵卫罚[2026]{number}"),
            format!("赵卫罚（２０２６）第{full}号"),
            format!("赵卫罚【2026】0{number}号"),
            format!("赵卫罚﹝2026){number} 号"),
            format!("赵卫罚决(2026){decision}"),
            format!("2026〕{number}"),
            format!("卫罚决2026-{decision}"),
        ] {
            assert_eq!(search(&browser, &typed), [clip.as_str()], "{typed}");
        }
        // Without "分店" both are meant.
        let found = search(&browser, &party);
        assert!(found.contains(clip) && found.len() == if n < 10 { 2 } else { 1 }, "{party}: {found:?}");
        assert!(search(&browser, &format!("{party} {number}")).contains(clip));
        // The command line takes the same, in one word or in several.
        for words in [
            &[format!("赵卫罚【2026】第0{number}号")][..],
            &[format!("赵卫罚决(2026){decision}")],
            &[format!("赵县{}", parties[n % 10]), format!("2026〕{number}")],
        ] {
            let output = station.evidock([&["find".to_owned(), "--json".to_owned()][..], words].concat());
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            let found: Vec<_> = found.as_array().unwrap().iter().map(|r| r["record_id"].as_str().unwrap()).collect();
            assert_eq!(found, [clip.as_str()], "{words:?}");
        }
    }
    assert_eq!(search(&browser, "饭店 分店").len(), 1);
    for hostile in
        ["\"", "* OR *", "NEAR(\"a\" \"b\")", "numbers:12 -x", "'; DROP TABLE clip; --", "％００", "\u{202e}"]
    {
        search(&browser, hostile);
    }
    // What was searched for stands in the log as a commitment only.
    let told = station.query("SELECT bytes FROM log_entry WHERE kind = 'access.search'", &[]);
    assert!(told.len() > 20 && told.iter().all(|row| !row[0].contains("饭店")));
    let doctor = station.evidock(["doctor", "--json"]);
    let findings: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let index = findings["findings"].as_array().unwrap().iter().find(|f| f["part"] == "search").unwrap().clone();
    assert_eq!(index["level"], "ok", "{index}");
    station.json(["find", "--rebuild"]);
    station.until("the index is anew", |s| s.query("SELECT clip_id FROM search_due", &[]).is_empty());
    assert_eq!(search(&browser, "永盛饭店分店"), [clips[11].as_str()]);
}

#[test]
fn what_was_captured_today_is_found_played_and_put_first_before_it_is_sent() {
    // Nothing goes out: its destination's folder is no folder.
    let one = "parts_in_flight = 1\n+[upload] clips_in_flight = 1\n+[upload] order = [\"pushed\", \"smallest\"]\n";
    let mut station = Station::new(&(folder("nas", "nas") + one));
    fs::write(station.path("nas"), "in the way").unwrap();
    station.start();
    let now = SystemClock::new().now().zoned(&TimeZone::get("Asia/Shanghai").unwrap());
    let name =
        format!("DCIM/VIDEO/{}/DSJ_36NCC009910_110203_{}.mp4", now.strftime("%Y-%m-%d"), now.strftime("%Y%m%d_%H%M%S"));
    let bytes = footage(400_000, 5);
    station.card("a").file(&name, &bytes, 60).file(dsj("36NCC009910", "091200"), footage(4_000, 6), 60);
    station.dock("a");
    station.until_safe("a");
    let clip = station.clip(name.rsplit('/').next().unwrap());
    station.json(["annotate", &clip, "place=赵县新华路18号"]);
    let browser = Browser::new(&station.page());
    assert_eq!(search(&browser, "今天 新华路"), [clip.as_str()]);
    assert!(search(&browser, "昨天 新华路").is_empty());
    assert_eq!(search(&browser, &format!("{} 9910", now.strftime("%Y-%m-%d"))), [clip.as_str()]);
    let page = browser.get(&format!("/clips?q={}", encoded("今天 新华路"))).text();
    assert!(page.contains(&format!("action=\"/clips/{clip}/push\"")), "one action puts it first");
    let played = browser.get(&format!("/clips/{clip}/media"));
    assert_eq!((played.status, played.body.len()), (200, bytes.len()), "it plays before it is sent");
    assert_eq!(browser.form(&format!("/clips/{clip}/push"), &[]).status, 303);
    assert_ne!(station.one("SELECT pushed_ms FROM clip WHERE clip_id = ?1", &[&clip]), "");
    let said = station.json(["find", "今天", "新华路"]);
    assert_eq!(said[0]["record_id"], clip.as_str());
    station.refused(3, ["find", "今天", "东关街"]);

    // The way is free: the wish goes before what else the queue goes by.
    fs::remove_file(station.path("nas")).unwrap();
    station.json(["retry", "nas"]);
    station.until_proven(2);
    let arrived = |clip: &str| {
        let master = station.path(format!("nas/v1/test-01/clips/{clip}/master"));
        fs::metadata(master).unwrap().modified().unwrap()
    };
    let other = station.clip("091200.mp4");
    assert!(arrived(&clip) < arrived(&other), "the long one that somebody wanted, before the short one");
}

#[test]
fn clips_of_another_station_are_found_through_the_catalogue() {
    let mut east = Station::running(&format!("=id = \"east\"\n{}", folder("nas", "nas")));
    east.card("a").file(dsj("36NCC009910", "091200"), footage(9_000, 1), 60);
    east.dock("a");
    east.until_proven(1);
    // What comes now is held back: records go out, and its footage never did.
    east.json(["pause", "nas", "--until", "2099-01-01 08:00"]);
    east.card("b").file(dsj("36NCC009910", "091300"), footage(9_000, 2), 50);
    east.dock("b");
    east.until_safe("b");
    let (sent, unsent) = (east.clip("091200.mp4"), east.clip("091300.mp4"));
    east.json(["link", &sent, "赵卫罚〔2026〕12号"]);
    east.json(["annotate", &sent, "place=新华路18号", "officer=张三"]);
    east.json(["annotate", &unsent, "place=新华路20号", "officer=李四"]);
    east.until("the catalogue says so", |s| {
        s.one("SELECT count(*) FROM clip WHERE record_stale = 1", &[]) == "0"
            && s.one("SELECT count(*) FROM record_rev WHERE catalogue_seq IS NULL", &[]) == "0"
            && s.one("SELECT count(*) FROM outbox WHERE stored_ms IS NULL", &[]) == "0"
    });
    let bucket = east.path("nas");
    assert!(bucket.join(format!("v1/east/clips/{sent}/master")).exists());
    assert!(!bucket.join(format!("v1/east/clips/{unsent}/master")).exists(), "held back");

    let west = Station::running(&format!(
        "=id = \"west\"\n[[destination]]\nname = \"nas\"\nkind = \"folder\"\ndir = {:?}\n",
        bucket.to_str().unwrap()
    ));
    let found = west.json(["find", "新华路", "--all-stations"]);
    let of = |clip: &str| {
        found["elsewhere"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["record_id"] == clip)
            .unwrap_or_else(|| panic!("{found}"))
            .clone()
    };
    assert_eq!((&of(&sent)["stands"], &of(&sent)["station_id"]), (&"cloud".into(), &"east".into()));
    assert_eq!(of(&unsent)["stands"], "not_sent");
    assert_eq!(found["partial"], Value::Array(vec![]));
    let found = west.json(["find", "赵卫罚[2026]12", "张三", "--all-stations"]);
    assert_eq!(found["elsewhere"].as_array().unwrap().len(), 1, "{found}");

    let browser = Browser::new(&west.page());
    let told = browser.get(&format!("/api/v1/elsewhere?q={}", encoded("李四"))).json();
    assert_eq!(
        (&told["items"][0]["record_id"], &told["items"][0]["stands"]),
        (&unsent.as_str().into(), &"not_sent".into())
    );
    assert!(browser.get(&format!("/elsewhere?q={}", encoded("李四"))).text().contains("该站尚未上传"));

    // The bucket is away: what can be told is told, and that it is not all.
    fs::rename(&bucket, east.path("away")).unwrap();
    let told = browser.get(&format!("/api/v1/elsewhere?q={}", encoded("新华路"))).json();
    let partial: Vec<&str> = told["partial"].as_array().unwrap().iter().map(|why| why.as_str().unwrap()).collect();
    assert!(matches!(partial[..], [why] if why.starts_with("nas: ")), "{told}");
    assert_eq!(told["items"], Value::Array(vec![]), "the list of its stations is read anew each time");
}
