//! What a package holds, what it tells nobody, and how it comes to be.

use std::process::{Child, Stdio};

use evidock::runtime::clock::monotonic;

use super::support::oracle::oracle;
use super::support::station::folder;
use super::support::tsa::is_true;
use super::*;

#[test]
fn every_tool_accepts_what_we_write() {
    let made = made();
    let dir = &made.dir;
    for (tool, (good, told)) in [("bagit", bagit(dir)), ("sha256sum", sha256sum(dir)), ("b3sum", b3sum(dir))] {
        assert!(good, "{tool}: {told}");
    }
    let (code, report) = import_check(dir, Some(&made.trust));
    assert_eq!((code, &report["whole"], &report["origin_shown"]), (0, &true.into(), &true.into()), "{report}");
    assert_eq!((&report["clips"], &report["case_no"]), (&3.into(), &CASE.into()), "{report}");
    assert_eq!(report["timestamps"].as_array().unwrap().len(), 1, "{report}");
    // Without a key it says what it cannot show.
    let (code, report) = import_check(dir, None);
    assert_eq!((code, &report["origin_shown"]), (0, &false.into()), "{report}");
    assert!(report["notices"][0].as_str().unwrap().contains("not who made it"), "{report}");

    let keys = dir.join("custody/keys.txt");
    assert_eq!(fs::read_to_string(&keys).unwrap(), fs::read_to_string(&made.trust).unwrap());
    oracle([Path::new("note"), &keys, &dir.join("custody/checkpoint")]).unwrap();
    for seq in events(dir) {
        let (event, proof) = (format!("custody/events/{seq:012}.json"), format!("custody/proofs/{seq:012}.tlog-proof"));
        oracle([Path::new("proof"), &keys, &dir.join(event), &dir.join(proof)]).unwrap();
    }
    let (data, reply) = stamped(dir);
    assert!(is_true(&made.tsa, &data, &reply));
}

#[test]
fn people_find_the_clips_in_order_with_what_they_need() {
    let made = made();
    let dir = &made.dir;
    let clips: Vec<String> = files_below(&dir.join("data/clips"))
        .iter()
        .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut sorted = clips.clone();
    sorted.sort();
    assert_eq!(sorted.len(), 3);
    assert!(
        sorted[0].starts_with("001_2026") && sorted.iter().all(|n| n.is_ascii() && n.ends_with("_36NCC009910.mp4")),
        "{sorted:?}"
    );
    let page = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    for name in ["1-README.html", "2-CATALOGUE.html", "3-TRANSFER.html"] {
        let page = page(name);
        for told in [CASE, REASON, BASIS, "县人民法院", "测试机关"] {
            assert!(page.contains(told), "{name} does not tell {told}");
        }
    }
    let catalogue = page("2-CATALOGUE.html");
    assert!(catalogue.contains("证据目录") && catalogue.contains("现场检查过程") && catalogue.contains("东关街28号"));
    assert!(catalogue.contains("已入库（校验一致）"), "what happened to each clip, in words");
    assert!(
        catalogue.contains("张三（执法证号 03013300123）") && catalogue.contains("110203（辅助人员）"),
        "{catalogue}"
    );
    assert!(page("3-TRANSFER.html").contains("移交登记表") && page("1-README.html").contains("说明文件"));
    let records = json(&dir.join("data/metadata/records.json"));
    assert_eq!(records.as_array().unwrap().len(), 3);
    let by_register = |cert_no: Option<&str>| {
        let of = |r: &&Value| r["officer_cert_no"].as_str() == cert_no && r["officer_registered"]["import"] == 1;
        records.as_array().unwrap().iter().filter(of).count()
    };
    assert_eq!((by_register(Some("03013300123")), by_register(None)), (1, 2), "with the revision of the register");
    let csv = page("data/metadata/records.csv");
    assert!(csv.contains(",03013300123,false,1") && csv.contains(",,true,1"), "{csv}");
    assert_eq!(csv.lines().count(), 4);
    let manifest = page("manifest-sha256.txt");
    assert!(
        page("3-TRANSFER.html").contains(&support::station::digests(&dir.join("manifest-sha256.txt")).1),
        "{manifest}"
    );
}

#[test]
fn the_case_against_the_catalogue_is_in_it() {
    let mut station = Station::running("[custody]\ncheckpoint_interval_s = 1\n");
    let sheet = station.path("catalogue.csv");
    fs::write(&sheet, "记录环节,记录事项,记录方式\n调查取证,现场检查,重点\n送达,留置送达,全过程\n").unwrap();
    station.json(["register", "import", "catalogue", sheet.to_str().unwrap()]);
    take_in(&mut station, &[16_384]);
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE, "--matter", "现场检查"]);
    station.json(["case", "no-record", CASE, "留置送达", "--reason", "=公告送达", "--basis", "公告〔2026〕1号"]);
    let kept = tempfile::tempdir().unwrap();
    let dir = kept.path().join("package");
    export(&station, &dir);
    for (tool, (good, told)) in [("bagit", bagit(&dir)), ("sha256sum", sha256sum(&dir)), ("b3sum", b3sum(&dir))] {
        assert!(good, "{tool}: {told}");
    }
    assert_eq!(import_check(&dir, None).0, 0);
    let told = json(&dir.join("data/metadata/coverage.json"));
    assert_eq!((&told["case_no"], told["lines"].as_array().unwrap().len()), (&CASE.into(), 2), "{told}");
    assert_eq!((&told["lines"][0]["matter"], &told["lines"][0]["clips"]), (&"现场检查".into(), &1.into()));
    assert_eq!(
        (&told["lines"][1]["reason"], &told["lines"][1]["basis"]),
        (&"=公告送达".into(), &"公告〔2026〕1号".into())
    );
    let table = fs::read_to_string(dir.join("data/metadata/coverage.csv")).unwrap();
    assert!(table.lines().count() == 3 && table.contains("\"'=公告送达\""), "no formula: {table}");
    assert!(fs::read(dir.join("data/metadata/coverage.xlsx")).unwrap().starts_with(b"PK"));
    // What is changed in it is found out like anything else.
    fs::write(dir.join("data/metadata/coverage.csv"), table.replace("公告", "邮寄")).unwrap();
    assert!(!bagit(&dir).0 && !sha256sum(&dir).0);
    assert_ne!(import_check(&dir, None).0, 0);
    // Where no catalogue says what should be recorded, nothing is said to be complete.
    assert!(!made().dir.join("data/metadata/coverage.json").exists());
}

fn in_a_browser(dir: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/package/checker.mjs");
    let (good, told) = run(
        Path::new("node"),
        &[script.to_str().unwrap(), tools().to_str().unwrap(), dir.to_str().unwrap()],
        Path::new("/"),
    );
    assert!(good, "{told}");
    serde_json::from_str(told.lines().last().unwrap()).unwrap()
}

#[test]
fn the_checking_page_works_by_double_click_in_a_real_browser() {
    let made = made();
    let good = serde_json::json!({
        "verdict": "good", "bad": [], "unreadable": ["bad", 0], "pieces": "same", "errors": [],
    });
    assert_eq!(in_a_browser(&made.dir), good);
    // A station that nobody asked for a second signature makes none, and nobody misses it.
    let mut plain = Station::running("");
    take_in(&mut plain, &[20_000]);
    plain.json(["link", &plain.clip("091200.mp4"), CASE]);
    let to = plain.path("plain");
    export(&plain, &to);
    assert!(!to.join("custody/package.sm2").exists());
    assert_eq!(in_a_browser(&to), good);
    let work = tempfile::tempdir().unwrap();
    let dir = work.path().join("package");
    super::tampering::copy(&made.dir, &dir);
    let clip = files_below(&dir.join("data/clips")).into_iter().min().unwrap();
    support::station::flip(&clip, 1000);
    fs::write(dir.join("data/clips/004.mp4"), "x").unwrap();
    fs::remove_file(dir.join("2-CATALOGUE.html")).unwrap();
    fs::remove_file(dir.join("custody/package.sm2")).unwrap();
    let told = in_a_browser(&dir);
    let name = format!("data/clips/{}", clip.file_name().unwrap().to_str().unwrap());
    assert_eq!(told["verdict"], "bad");
    assert_eq!(told["bad"], serde_json::json!(["2-CATALOGUE.html", name, "data/clips/004.mp4", "custody/package.sm2"]));
}

#[test]
fn nothing_of_another_case_is_in_it() {
    let made = made();
    let dir = &made.dir;
    for file in files_below(dir) {
        let bytes = fs::read(&file).unwrap();
        for secret in [OTHER, "另案事实", "另案事项", "另案环节", "〔2026〕77"] {
            let found = bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{} tells {secret}", file.display());
        }
    }
    // That there are such events is told, and proven, by their hashes.
    let withheld = json(&dir.join("custody/withheld.json"));
    assert_eq!(withheld.as_array().unwrap().len(), 1, "{withheld}");
    let seq = withheld[0]["seq"].as_u64().unwrap();
    assert!(dir.join(format!("custody/proofs/{seq:012}.tlog-proof")).exists());
    assert!(!dir.join(format!("custody/events/{seq:012}.json")).exists());
    // What this case has not said of a clip is told as missing, and not taken from elsewhere.
    let records = json(&dir.join("data/metadata/records.json"));
    let silent: Vec<&Value> = records.as_array().unwrap().iter().filter(|r| r["proves"].is_null()).collect();
    let [silent] = silent.as_slice() else { panic!("one clip has no word on what it proves: {records}") };
    assert_eq!((&silent["case_no"], &silent["stage"], &silent["matter"]), (&CASE.into(), &Value::Null, &Value::Null));
    assert!(silent["missing"].as_array().unwrap().contains(&"proves".into()), "{silent}");
    // What was said in this case is opened.
    let opened = json(&dir.join("custody/opened.json")).to_string();
    assert!(
        opened.contains(CASE) && opened.contains("东关街28号") && opened.contains(REASON) && opened.contains(BASIS)
    );
}

#[test]
fn who_why_and_on_what_basis_is_logged_before_the_first_byte() {
    let made = made();
    let facts = json(&made.dir.join("custody/package.json"));
    assert_eq!((&facts["reason"], &facts["basis"]), (&REASON.into(), &BASIS.into()));
    let seq = facts["begun_seq"].as_u64().unwrap();
    let event = json(&made.dir.join(format!("custody/events/{seq:012}.json")));
    assert_eq!((&event["kind"], &event["body"]["package"]), (&"access.export".into(), &facts["package"]));
    assert!(!event.to_string().contains(REASON), "the log only commits to it");
    assert_eq!(made.answer["package"], facts["package"]);

    // Without a daemon nothing can be logged, and nothing is exported.
    let mut station = Station::running("");
    take_in(&mut station, &[20_000]);
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE]);
    let to = station.path("out");
    let args = |reason| ["export", "--case", CASE, "--to", to.to_str().unwrap(), "--reason", reason, "--basis", BASIS];
    let (_, error) = station.refused(1, args(" "));
    assert!(error.contains("say why"), "{error}");
    let (_, error) =
        station.refused(3, ["export", "--case", OTHER, "--to", to.to_str().unwrap(), "--reason", "x", "--basis", "y"]);
    assert!(error.contains("no case has the number"), "{error}");
    station.stop();
    station.refused(5, args("x"));
    assert!(
        files_below(&to).iter().all(|f| f.file_name().unwrap() == ".evidock-export.json"),
        "{:?}",
        files_below(&to)
    );
}

#[test]
fn what_is_there_already_is_not_written_over() {
    let mut station = Station::running("");
    take_in(&mut station, &[20_000]);
    let clip = station.clip("091200.mp4");
    station.json(["link", &clip, CASE]);
    let to = station.path("out");
    export(&station, &to);
    let before = fs::read(to.join("custody/package.note")).unwrap();
    let args = ["export", "--case", CASE, "--to", to.to_str().unwrap(), "--reason", REASON, "--basis", BASIS];
    let (_, error) = station.refused(2, args);
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(fs::read(to.join("custody/package.note")).unwrap(), before);
    // Isolated clips are in nobody's package, and their number is told.
    station.json(["isolate", &clip, "--reason", "疑似涉密"]);
    station.refused(
        3,
        ["export", "--case", CASE, "--to", station.path("none").to_str().unwrap(), "--reason", "x", "--basis", "y"],
    );
}

fn begin(station: &Station, to: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_evidock"))
        .arg("--config")
        .arg(station.path("evidock.toml"))
        .args(["export", "--case", CASE, "--reason", REASON, "--basis", BASIS, "--to"])
        .arg(to)
        .current_dir(station.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills an export once so much of it is on disk; whether that cut it, and it was not quicker.
fn killed_at(station: &Station, to: &Path, watched: &Path, bytes: u64) -> bool {
    let mut child = begin(station, to);
    let begun = monotonic();
    while fs::metadata(watched).map_or(0, |m| m.len()) < bytes {
        assert!(begun.elapsed() < std::time::Duration::from_secs(180), "nothing is exported");
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    !child.wait().unwrap().success() && watched.exists()
}

/// Begins an export and kills it in the middle, when so much of `watched` is on disk. One that is quicker than we can look
/// is cleared away and begun anew: what this is for must have happened.
pub fn cut(station: &Station, to: &Path, watched: &Path, bytes: u64) {
    for _ in 0..20 {
        if killed_at(station, to, watched, bytes) {
            return;
        }
        let left = match to.is_dir() {
            true => fs::remove_dir_all(to),
            false => fs::remove_file(to),
        };
        left.unwrap();
        let _ = fs::remove_file(format!("{}.plan", to.display()));
    }
    panic!("the export to {} was never cut in the middle", to.display());
}

/// Whether each request for a package went on with an earlier one, oldest first.
fn resumed(station: &Station) -> Vec<bool> {
    let begun =
        "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.export' AND clip_id IS NULL ORDER BY seq";
    station.query(begun, &[]).iter().map(|event| event[0].contains("\"resumed\":true")).collect()
}

#[test]
fn an_export_that_is_killed_goes_on_as_a_folder_and_as_a_zip() {
    let mut station = Station::running("");
    take_in(&mut station, &[1_000_000, 60_000_001]);
    for n in 0..2 {
        station.json(["link", &station.clip(format!("0912{n:02}.mp4")), CASE]);
    }
    station.until_proven(2);
    let dir = station.path("out");
    let second = dir.join("data/clips/002_20260619T091201_36NCC009910.mp4.part");
    cut(&station, &dir, &second, 8_000_000);
    // What the kill left is not believed: a byte of it turns.
    support::station::flip(&second, 3_000_000);
    // Nor is what it had written of documents that the package has not any more.
    let left = ["sm3sums.txt", "custody/sm2-key.pem", "data/metadata/derived.json", "data/clips/003.bin"];
    for name in left {
        fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        fs::write(dir.join(name), "[]").unwrap();
    }
    export(&station, &dir);
    assert!(left.iter().all(|name| !dir.join(name).exists()), "{:?}", files_below(&dir));
    assert!(resumed(&station).ends_with(&[false, true]), "going on is logged, too: {:?}", resumed(&station));
    let (code, report) = import_check(&dir, Some(&station.path("state/log.key.pub")));
    assert_eq!(code, 0, "{report}");
    assert!(bagit(&dir).0);

    let zip = station.path("out.zip");
    cut(&station, &zip, &station.path("out.zip.part"), 8_000_000);
    assert!(!zip.exists(), "what is not whole has not its name");
    export(&station, &zip);
    assert!(resumed(&station).ends_with(&[false, true]), "{:?}", resumed(&station));
    assert!(!station.path("out.zip.part").exists() && !station.path("out.zip.plan").exists());
    let unpacked = station.path("unpacked");
    let script =
        "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])";
    let (good, told) = run(
        Path::new("python3"),
        &["-c", script, zip.to_str().unwrap(), unpacked.to_str().unwrap()],
        &station.path(""),
    );
    assert!(good, "{told}");
    let (code, report) = import_check(&unpacked, Some(&station.path("state/log.key.pub")));
    assert_eq!(code, 0, "{report}");
    assert!(bagit(&unpacked).0 && b3sum(&unpacked).0);
}

#[test]
fn clips_that_are_no_longer_here_come_from_elsewhere() {
    let far = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let evict = "+[vault] evict = \"age\"\n+[vault] evict_keep_days = 0\n+[vault] evict_after_days = 0\n[custody]\ncheckpoint_interval_s = 1\n";
    let mut station = Station::running(&format!("{evict}{}", folder("cloud", far.path().to_str().unwrap())));
    take_in(&mut station, &[300_000, 3_000_001]);
    for n in 0..2 {
        station.json(["link", &station.clip(format!("0912{n:02}.mp4")), CASE]);
    }
    station.until("the local copies are given up", |s| s.status()["evicted"]["count"] == 2 && s.masters().is_empty());
    let dir = station.path("out");
    // Where they stand is away: nothing is called a package, and the same goes on later.
    let masters: Vec<PathBuf> = files_below(&far.path().join("v1/test-01/clips"))
        .into_iter()
        .filter(|file| file.file_name().unwrap() == "master")
        .collect();
    assert_eq!(masters.len(), 2);
    let rename = |from: &str, to: &str| {
        masters.iter().for_each(|m| fs::rename(m.with_file_name(from), m.with_file_name(to)).unwrap());
    };
    rename("master", "away");
    let args = ["export", "--case", CASE, "--to", dir.to_str().unwrap(), "--reason", REASON, "--basis", BASIS];
    let output = station.evidock(args);
    assert!(
        !output.status.success() && text(&output.stderr).contains("the package is not finished"),
        "{}",
        text(&output.stderr)
    );
    assert!(!dir.join("custody/package.note").exists());
    rename("away", "master");
    let answer = export(&station, &dir);
    assert_eq!(answer["clips"], 2);
    let (code, report) = import_check(&dir, Some(&station.path("state/log.key.pub")));
    assert_eq!(code, 0, "{report}");
    // Each eviction stands below a checkpoint that was in others' hands before its end.
    let rows = station.query(
        "SELECT i.seq, (SELECT count(*) FROM outbox o WHERE o.kind = 'checkpoint' AND o.destination = 'cloud' AND o.key LIKE '%/log/checkpoint/%'
           AND CAST(substr(o.key, -12) AS INTEGER) > i.seq AND CAST(substr(o.key, -12) AS INTEGER) <= e.seq AND o.stored_ms <= e.wall_ms)
         FROM log_entry i JOIN log_entry e ON e.clip_id = i.clip_id AND e.kind = 'clip.evicted' WHERE i.kind = 'clip.evict_intended'",
        &[],
    );
    assert!(rows.len() == 2 && rows.iter().all(|row| row[1] != "0"), "{rows:?}");
}
