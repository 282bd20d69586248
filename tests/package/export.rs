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
    assert!(page("3-TRANSFER.html").contains("移交登记表") && page("1-README.html").contains("说明文件"));
    let records = json(&dir.join("data/metadata/records.json"));
    assert_eq!(records.as_array().unwrap().len(), 3);
    let csv = page("data/metadata/records.csv");
    assert_eq!(csv.lines().count(), 4);
    let manifest = page("manifest-sha256.txt");
    assert!(
        page("3-TRANSFER.html").contains(&support::station::digests(&dir.join("manifest-sha256.txt")).1),
        "{manifest}"
    );
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
    let told = in_a_browser(&made.dir);
    assert_eq!(told, serde_json::json!({ "verdict": "good", "bad": [], "pieces": "same", "errors": [] }));
    let work = tempfile::tempdir().unwrap();
    let dir = work.path().join("package");
    super::tampering::copy(&made.dir, &dir);
    let clip = files_below(&dir.join("data/clips")).into_iter().min().unwrap();
    support::station::flip(&clip, 1000);
    fs::write(dir.join("data/clips/004.mp4"), "x").unwrap();
    fs::remove_file(dir.join("2-CATALOGUE.html")).unwrap();
    let told = in_a_browser(&dir);
    let name = format!("data/clips/{}", clip.file_name().unwrap().to_str().unwrap());
    assert_eq!(told["verdict"], "bad");
    assert_eq!(told["bad"], serde_json::json!(["2-CATALOGUE.html", name, "data/clips/004.mp4"]));
}

#[test]
fn nothing_of_another_case_is_in_it() {
    let made = made();
    let dir = &made.dir;
    for file in files_below(dir) {
        let bytes = fs::read(&file).unwrap();
        for secret in [OTHER, "另案事实", "〔2026〕77"] {
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
    assert!(error.contains("no case has this number"), "{error}");
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

/// Kills an export once so much of it is on disk.
fn kill_at(station: &Station, to: &Path, watched: &Path, bytes: u64) {
    let mut child = begin(station, to);
    let begun = monotonic();
    while fs::metadata(watched).map_or(0, |m| m.len()) < bytes {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "nothing is exported");
        if child.try_wait().unwrap().is_some() {
            // It was quicker than we could look, which is no fault.
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
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
    kill_at(&station, &dir, &second, 8_000_000);
    let cut = second.exists();
    if cut {
        // What the kill left is not believed: a byte of it turns.
        support::station::flip(&second, 3_000_000);
        export(&station, &dir);
        let resumed = station.query("SELECT seq FROM log_entry WHERE kind = 'access.export' AND clip_id IS NULL", &[]);
        assert_eq!(resumed.len(), 2, "going on is logged, too");
    }
    let (code, report) = import_check(&dir, Some(&station.path("state/log.key.pub")));
    assert_eq!(code, 0, "{report}");
    assert!(bagit(&dir).0);

    let zip = station.path("out.zip");
    kill_at(&station, &zip, &station.path("out.zip.part"), 8_000_000);
    if !zip.exists() {
        export(&station, &zip);
    }
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
    station.until("the local copies are given up", |s| s.status()["evicted"]["count"] == 2);
    assert!(station.masters().is_empty());
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
    // Each eviction stands below a checkpoint that is older than its end.
    let rows = station.query(
        "SELECT i.seq, (SELECT count(*) FROM checkpoint c WHERE c.size > i.seq AND c.size <= e.seq) FROM log_entry i
         JOIN log_entry e ON e.clip_id = i.clip_id AND e.kind = 'clip.evicted' WHERE i.kind = 'clip.evict_intended'",
        &[],
    );
    assert!(rows.len() == 2 && rows.iter().all(|row| row[1] != "0"), "{rows:?}");
}
