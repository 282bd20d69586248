//! Packages that are asked for on the page and through the API: who, why and on what basis first; a second person where
//! accounts are; a zip from any byte on, a folder, discs, a destination; clips that are no longer here; kills and full disks.

use std::io::Read;

use super::http::{Answer, Browser};
use super::support::station::folder;
use super::*;

pub fn open_json(browser: &Browser, path: &str, body: &Value) -> Answer {
    browser.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

pub fn wanted(target: &str) -> Value {
    serde_json::json!({ "case_no": CASE, "reason": REASON, "basis": BASIS, "recipient": "县人民法院", "target": target })
}

pub fn ask(browser: &Browser, body: &Value) -> String {
    let answer = open_json(browser, "/api/v1/exports", body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["package"].as_str().unwrap().to_owned()
}

pub fn state(station: &Station, package: &str) -> String {
    station.one("SELECT state FROM export WHERE package = ?1", &[&package])
}

pub fn until_ready(station: &mut Station, package: &str) {
    station.until("the package is ready", |s| match state(s, package).as_str() {
        "failed" => panic!("it stopped: {}", s.one("SELECT words FROM export WHERE package = ?1", &[&package])),
        state => state == "ready",
    });
}

/// Clips of these lengths, linked to the case.
pub fn with_clips(station: &mut Station, lengths: &[usize]) {
    take_in(station, lengths);
    for n in 0..lengths.len() {
        station.json(["link", &station.clip(format!("0912{n:02}.mp4")), CASE]);
    }
    // What is found out about them later is said about the case, and a package under way would be begun anew for it.
    station.until("everything is known of them", |s| s.one(UNKNOWN, &[]) == "0");
}

/// Clips that were not looked at yet, or whose record is not written.
const UNKNOWN: &str = "SELECT count(*) FROM clip c WHERE record_stale = 1 OR NOT EXISTS (SELECT 1 FROM media m WHERE m.clip_id = c.clip_id)";

pub fn unzip(station: &Station, zip: &[u8], to: &str) -> PathBuf {
    let (file, dir) = (station.path(format!("{to}.zip")), station.path(to));
    fs::write(&file, zip).unwrap();
    let script =
        "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])";
    let (good, told) =
        run(Path::new("python3"), &["-c", script, file.to_str().unwrap(), dir.to_str().unwrap()], Path::new("/"));
    assert!(good, "{told}");
    dir
}

pub fn whole(station: &Station, dir: &Path) -> Value {
    let (code, report) = import_check(dir, Some(&station.path("state/log.key.pub")));
    assert_eq!(code, 0, "{report}");
    assert!(bagit(dir).0 && sha256sum(dir).0 && b3sum(dir).0);
    report
}

#[test]
fn a_zip_comes_from_any_byte_on_and_is_a_whole_package() {
    let mut station = Station::running("");
    with_clips(&mut station, &[300_000, 2_000_001]);
    let browser = Browser::new(&station.page());
    for (key, value) in [("reason", " "), ("basis", ""), ("target", "moon"), ("target", "at:moon"), ("case_no", "x")] {
        let mut body = wanted("browser");
        body[key] = value.into();
        assert_eq!(open_json(&browser, "/api/v1/exports", &body).status, 422, "{key} {value}");
    }
    let package = ask(&browser, &wanted("browser"));
    until_ready(&mut station, &package);
    let told = browser.get(&format!("/api/v1/exports/{package}")).json();
    assert_eq!((&told["state"], &told["clips"], &told["bytes"]), (&"ready".into(), &2.into(), &2_300_001.into()));
    let at = told["zips"][0].as_str().unwrap().to_owned();

    let first = browser.get(&at);
    assert_eq!((first.status, first.header("content-type")), (200, Some("application/zip")));
    let len = first.body.len();
    assert_eq!(first.header("content-length"), Some(len.to_string().as_str()));
    assert!(first.header("content-disposition").unwrap().contains("filename*=UTF-8''%E8%B5%B5"));
    let mut joined = Vec::new();
    for (from, to) in [(0, 99), (100, 400_000), (400_001, len - 1)] {
        let part = browser.send("GET", &at, &[("range", &format!("bytes={from}-{to}"))], b"");
        assert_eq!((part.status, part.header("etag")), (206, first.header("etag")));
        joined.extend(part.body);
    }
    assert!(joined == first.body, "what was sent before and after an interruption fits together");
    let beyond = browser.send("GET", &at, &[("range", &format!("bytes={len}-"))], b"");
    assert_eq!(beyond.status, 416);
    assert_eq!(browser.get(&format!("/api/v1/exports/{package}/zip?disc=2")).status, 404);
    assert_eq!(browser.get("/api/v1/exports/../../etc/zip").status, 404);

    let dir = unzip(&station, &joined, "unzipped");
    let report = whole(&station, &dir);
    assert_eq!(report["clips"], 2);
    // Nothing of the clips was written on the station for it.
    assert!(!station.path(format!("state/exports/{package}/disc-1/data/clips")).read_dir().unwrap().any(|_| true));
    // Asked, begun, signed, taken: in this order, each before what it is about; a continued download is no new entry.
    let kinds = station
        .query("SELECT kind FROM log_entry WHERE kind LIKE 'access.export%' AND clip_id IS NULL ORDER BY seq", &[]);
    let kinds: Vec<&str> = kinds.iter().map(|row| row[0].as_str()).collect();
    let wanted =
        ["access.export_asked", "access.export", "access.export_ended", "access.export_taken", "access.export_taken"];
    assert_eq!(kinds, wanted);
    let opened = json(&dir.join("custody/opened.json")).to_string();
    assert!(opened.contains(REASON) && opened.contains(BASIS));
    let log = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry", &[]);
    assert!(log.iter().all(|row| !row[0].contains(REASON)), "the log only commits to it");
}

#[test]
fn the_page_asks_makes_and_gives_it() {
    let mut station = Station::running("");
    with_clips(&mut station, &[50_000]);
    let browser = Browser::new(&station.page());
    let case = format!("/cases/{}", percent_encoding::utf8_percent_encode(CASE, percent_encoding::NON_ALPHANUMERIC));
    assert!(browser.get(&case).text().contains("/export\""), "the case leads to it");
    let form = format!("{case}/export");
    let page = browser.get(&form).text();
    assert!(page.contains("name=\"reason\"") && page.contains("at:local-cloud"), "{page}");
    let fields = [("reason", ""), ("basis", "口头"), ("target", "browser")];
    let refused = browser.form(&form, &fields);
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("口头"), "what was typed stays");
    let fields = [("reason", REASON), ("basis", BASIS), ("target", "browser"), ("disc", "own"), ("disc_gb", "0.01")];
    assert_eq!(browser.form(&form, &fields).status, 422);
    let asked = browser.form(&form, &[("reason", REASON), ("basis", BASIS), ("recipient", ""), ("target", "browser")]);
    assert_eq!(asked.status, 303, "{}", asked.text());
    let href = asked.header("location").unwrap().to_owned();
    let package = href.rsplit('/').next().unwrap().to_owned();
    until_ready(&mut station, &package);
    let page = browser.get(&href).text();
    assert!(page.contains(&format!("/exports/{package}/zip?disc=1")) && page.contains(REASON), "{page}");
    assert!(browser.get("/exports").text().contains(CASE));
    assert_eq!(browser.get(&format!("/exports/{package}/zip")).status, 200);
    assert_eq!(browser.get("/exports/019aa2c4-7f00-7abc-8def-0123456789ab").status, 404);
}

#[test]
fn one_person_asks_and_another_one_confirms() {
    let mut station = Station::running("");
    with_clips(&mut station, &[50_000]);
    let first = |station: &Station, words: &[&str]| {
        let output = station.evidock(words.iter().copied().chain(["--json"]));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["password"].as_str().unwrap().to_owned()
    };
    first(&station, &["user", "first", "boss"]);
    let page = station.page();
    let mut people = ["one", "two"].map(|name| {
        let password = first(&station, &["user", "add", name, "--role", "archivist"]);
        Browser::begin(&page, name, &password, "a sentence of mine")
    });
    let officer = {
        let password = first(&station, &["user", "add", "officer", "--role", "officer"]);
        Browser::begin(&page, "officer", &password, "a sentence of mine")
    };
    let case = format!("/cases/{}", percent_encoding::utf8_percent_encode(CASE, percent_encoding::NON_ALPHANUMERIC));
    let fields = [("reason", REASON), ("basis", BASIS), ("target", "browser")];
    assert_eq!(officer.form(&format!("{case}/export"), &fields).status, 403);
    let [one, two] = &mut people;
    let asked = one.form(&format!("{case}/export"), &fields);
    assert_eq!(asked.status, 303, "{}", asked.text());
    let href = asked.header("location").unwrap().to_owned();
    let package = href.rsplit('/').next().unwrap().to_owned();
    assert_eq!(state(&station, &package), "asked");
    assert_eq!(one.get(&format!("{href}/zip")).status, 404);
    let own = one.form(&format!("{href}/confirm"), &[]);
    assert_eq!(own.status, 409, "{}", own.text());
    assert_eq!(officer.form(&format!("{href}/confirm"), &[]).status, 403);
    assert_eq!(state(&station, &package), "asked", "nothing was begun");
    assert!(station.query("SELECT seq FROM log_entry WHERE kind = 'access.export'", &[]).is_empty());
    assert_eq!(two.form(&format!("{href}/confirm"), &[]).status, 303);
    until_ready(&mut station, &package);
    assert_eq!(two.form(&format!("{href}/confirm"), &[]).status, 409, "once");
    let zip = one.get(&format!("{href}/zip"));
    let dir = unzip(&station, &zip.body, "unzipped");
    whole(&station, &dir);
    let by = station.query("SELECT asked_by, second_by FROM export", &[]);
    assert!(by[0][0].starts_with("user:") && by[0][1].starts_with("user:") && by[0][0] != by[0][1], "{by:?}");

    // What is refused is never made.
    let asked = two.form(&format!("{case}/export"), &fields);
    let href = asked.header("location").unwrap().to_owned();
    assert_eq!(one.form(&format!("{href}/refuse"), &[]).status, 303);
    assert_eq!(state(&station, href.rsplit('/').next().unwrap()), "refused");
    assert_eq!(one.form(&format!("{href}/confirm"), &[]).status, 409);
}

#[test]
fn clips_that_were_given_up_are_in_it_and_isolated_ones_are_not_given_out() {
    let far = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let evict = "+[vault] evict = \"age\"\n+[vault] evict_keep_days = 0\n+[vault] evict_after_days = 0\n[custody]\ncheckpoint_interval_s = 1\n";
    let mut station = Station::running(&format!("{evict}{}", folder("cloud", far.path().to_str().unwrap())));
    with_clips(&mut station, &[300_000, 1_000_001]);
    station.until("the local copies are given up", |s| s.status()["evicted"]["count"] == 2 && s.masters().is_empty());
    let browser = Browser::new(&station.page());
    let package = ask(&browser, &wanted("browser"));
    until_ready(&mut station, &package);
    let at = format!("/api/v1/exports/{package}/zip");
    let zip = browser.get(&at);
    whole(&station, &unzip(&station, &zip.body, "unzipped"));
    station.json(["isolate", &station.clip("091200.mp4"), "--reason", "疑似涉密"]);
    let refused = browser.get(&at);
    assert_eq!(refused.status, 403, "{}", refused.text());
}

/// Discs of a folder on the station, with the daemon killed while they are made, twice.
#[test]
fn a_killed_daemon_goes_on_to_the_same_discs() {
    let mut station = Station::running("");
    let lengths = [45_000_000, 30_000_001, 25_000_000];
    with_clips(&mut station, &lengths);
    let browser = Browser::new(&station.page());
    let mut body = wanted("station");
    body["disc_bytes"] = 50_000_000.into();
    assert_eq!(open_json(&browser, "/api/v1/exports", &body).status, 422, "no disc is so small");
    body["disc_bytes"] = 100_000_000.into();
    let package = ask(&browser, &body);
    let dir = station.path(format!("state/exports/{package}"));
    for bytes in [1_000_000, 70_000_000] {
        station.until("some of it is written", |s| state(s, &package) != "making" || super::written(&dir) >= bytes);
        station.kill();
        station.start();
    }
    until_ready(&mut station, &package);
    let begun = station.query("SELECT seq FROM log_entry WHERE kind = 'access.export' AND clip_id IS NULL", &[]);
    assert_eq!(begun.len(), 1, "it is one request");
    let mut clips = 0;
    for (disc, of_disc) in [(1, 2), (2, 1)] {
        let at = dir.join(format!("disc-{disc}"));
        assert!(super::written(&at) <= 100_000_000);
        let report = whole(&station, &at);
        assert_eq!(report["clips"], of_disc);
        assert_eq!(report["package"], format!("{package}-{disc}of2"));
        clips += of_disc;
        assert!(fs::read_to_string(at.join("3-TRANSFER.html")).unwrap().contains(&format!("{disc} / 2")));
    }
    assert_eq!(clips, 3);
    assert!(!dir.join("disc-3").exists());
    // Each says which of the clips it holds: together they are all there, and one alone is not everything.
    let (one, two) = (dir.join("disc-1"), dir.join("disc-2"));
    let trust = station.path("state/log.key.pub");
    let (code, report) = super::import_check_together(&[&two, &one], Some(&trust));
    assert_eq!((code, &report["whole"], &report["problems"]), (0, &true.into(), &serde_json::json!([])), "{report}");
    assert_eq!(report["discs"][0]["stretch"]["first"], 3, "{report}");
    let (code, report) = super::import_check_together(&[&one, &one], Some(&trust));
    assert!(code == 4 && report["problems"].to_string().contains("disc 2 of 2 is missing"), "{report}");
}

#[test]
fn a_destination_gets_it_as_a_zip_that_is_compared() {
    let far = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let mut station = Station::running(&folder("cloud", far.path().to_str().unwrap()));
    with_clips(&mut station, &[300_000, 20_000_001]);
    let browser = Browser::new(&station.page());
    let package = ask(&browser, &wanted("at:cloud"));
    // A kill on its way, or just before or after it: it is under way until it is compared.
    let under = far.path().join("v1/test-01/export");
    station.until("it is on its way", |s| under.exists() || state(s, &package) == "ready");
    station.kill();
    station.start();
    until_ready(&mut station, &package);
    let zip = fs::read(under.join(format!("{package}.zip"))).unwrap();
    whole(&station, &unzip(&station, &zip, "unzipped"));
    assert_eq!(
        Browser::new(&station.page()).get(&format!("/exports/{package}/zip")).status,
        404,
        "it is there, not here"
    );
}

/// The whole disk and more as a reserve: as good as full.
pub const FULL: &str = "=reserve_gb = 100000\n";

pub fn restarted(station: &mut Station, more: &str) {
    station.stop();
    station.configure(more);
    station.start();
}

/// A disk too small for the package: nothing is called one, the words say what to do, and it goes on once there is room.
#[test]
fn a_full_disk_stops_it_and_room_lets_it_go_on() {
    let mut station = Station::running("");
    with_clips(&mut station, &[3_000_000]);
    restarted(&mut station, FULL);
    let page = Browser::new(&station.page());
    let package = ask(&page, &wanted("station"));
    station.until("it stops", |s| state(s, &package) == "failed");
    let words = station.one("SELECT words FROM export WHERE package = ?1", &[&package]);
    assert!(words.contains("free space, then let it go on"), "{words}");
    assert!(!station.path(format!("state/exports/{package}/disc-1.index")).exists());
    restarted(&mut station, "");
    assert_eq!(state(&station, &package), "failed", "a person lets it go on");
    let page = Browser::new(&station.page());
    assert_eq!(open_json(&page, &format!("/api/v1/exports/{package}/again"), &Value::Null).status, 200);
    until_ready(&mut station, &package);
    whole(&station, &station.path(format!("state/exports/{package}/disc-1")));
    let continued = station.query("SELECT 1 FROM log_entry WHERE kind = 'access.export_continued'", &[]);
    assert_eq!(continued.len(), 1, "who let it go on is in the log");
}

/// What stopped and nobody wants any more does not lie about with names in it; what was made to be taken does.
#[test]
fn what_stopped_is_cleared_away_in_time() {
    let mut station = Station::running("");
    with_clips(&mut station, &[70_000]);
    let page = Browser::new(&station.page());
    let taken = ask(&page, &wanted("station"));
    until_ready(&mut station, &taken);
    restarted(&mut station, FULL);
    let page = Browser::new(&station.page());
    let stopped = ask(&page, &wanted("station"));
    station.until("it stops", |s| state(s, &stopped) == "failed");
    let dir = |package: &str| station.path(format!("state/exports/{package}"));
    let (taken_dir, stopped_dir) = (dir(&taken), dir(&stopped));
    assert!(taken_dir.exists() && stopped_dir.exists());
    station.stop();
    let month_ms = 31 * 86_400_000_i64;
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute("UPDATE export SET ended_ms = ended_ms - ?1", [month_ms]).unwrap();
    drop(db);
    station.start();
    station.until("it is cleared away", |_| !stopped_dir.exists());
    assert!(taken_dir.exists());
    let gone = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.export_gone'", &[]);
    assert_eq!(gone.len(), 1, "the log says so, once: {gone:?}");
    let gone: Value = serde_json::from_str(&gone[0][0]).unwrap();
    assert_eq!(
        (&gone["body"]["package"], &gone["body"]["was"]),
        (&stopped.as_str().into(), &"failed".into()),
        "{gone}"
    );
    // Whoever wants it after all gets it whole.
    restarted(&mut station, "");
    let page = Browser::new(&station.page());
    assert_eq!(open_json(&page, &format!("/api/v1/exports/{stopped}/again"), &Value::Null).status, 200);
    until_ready(&mut station, &stopped);
    whole(&station, &stopped_dir.join("disc-1"));
}

/// What everybody has on their machine checks it, too: a shell, and SHA-512 beside SHA-256.
#[test]
fn a_shell_script_and_sha512sum_accept_it_and_refuse_what_was_changed() {
    let made = made();
    let work = tempfile::tempdir().unwrap();
    let dir = work.path().join("package");
    super::tampering::copy(&made.dir, &dir);
    let script = |dir: &Path| run(Path::new("sh"), &[dir.join("4-CHECK.sh").to_str().unwrap()], Path::new("/"));
    let long = |dir: &Path| {
        let one = run(Path::new("sha512sum"), &["--strict", "-c", "manifest-sha512.txt"], dir);
        let other = run(Path::new("sha512sum"), &["--strict", "-c", "tagmanifest-sha512.txt"], dir);
        (one.0 && other.0, one.1 + &other.1)
    };
    for (good, told) in [script(&dir), long(&dir)] {
        assert!(good, "{told}");
    }
    let clip = files_below(&dir.join("data/clips")).into_iter().min().unwrap();
    support::station::flip(&clip, 1000);
    let (good, told) = script(&dir);
    assert!(!good && told.contains("DIFFERS") && told.contains("001_"), "{told}");
    assert!(!long(&dir).0);
    support::station::flip(&clip, 1000);
    fs::write(dir.join("data/clips/004.mp4"), "x").unwrap();
    let (good, told) = script(&dir);
    assert!(!good && told.contains("NOT PART OF THE PACKAGE") && told.contains("004.mp4"), "{told}");
    fs::remove_file(dir.join("data/clips/004.mp4")).unwrap();
    fs::remove_file(dir.join("2-CATALOGUE.html")).unwrap();
    let (good, told) = script(&dir);
    assert!(!good && told.contains("MISSING") && told.contains("2-CATALOGUE.html"), "{told}");
    // Windows reads its own line ends, and a script in UTF-8 only with a mark.
    let mut bat = String::new();
    fs::File::open(dir.join("4-CHECK.bat")).unwrap().read_to_string(&mut bat).unwrap();
    assert!(bat.is_ascii() && bat.contains("\r\n") && bat.contains("4-CHECK.ps1"));
    assert!(fs::read(dir.join("4-CHECK.ps1")).unwrap().starts_with(b"\xef\xbb\xbf"));
}

/// SM3 beside the others, where it is asked for; OpenSSL computes the same.
#[test]
fn sm3_is_there_where_it_is_asked_for() {
    let mut station = Station::running("[export]\nsm3 = true\n");
    with_clips(&mut station, &[70_000]);
    let dir = station.path("out");
    export(&station, &dir);
    let report = whole(&station, &dir);
    assert_eq!(report["clips"], 1);
    let list = fs::read_to_string(dir.join("sm3sums.txt")).unwrap();
    assert_eq!(list.lines().count(), 3, "the clip, and the records in two forms");
    for line in list.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        let (good, told) = run(Path::new("openssl"), &["dgst", "-sm3", "-r", name], &dir);
        assert!(good && told.starts_with(digest), "{told}");
    }
    let first = list[..64].to_owned();
    fs::write(dir.join("sm3sums.txt"), list.replacen(&first, &"0".repeat(64), 1)).unwrap();
    let (code, report) = import_check(&dir, None);
    assert!(code == 4 && report["problems"].to_string().contains("sm3sums.txt"), "{report}");
}
