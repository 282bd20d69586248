//! SM3 from intake on: computed as the clip comes in, in the log, the record and on the page, compared by `verify`, taken over
//! by packages, and in all of them what OpenSSL computes.

use super::asked::with_clips;
use super::http::Browser;
use super::tampering::list_again;
use super::*;

fn by_openssl(file: &Path) -> String {
    let (good, told) = run(Path::new("openssl"), &["dgst", "-sm3", "-r", file.to_str().unwrap()], Path::new("/"));
    assert!(good, "{told}");
    told[..64].to_owned()
}

fn restarted(station: &mut Station, settings: &str) {
    station.stop();
    station.configure(settings);
    station.start();
}

#[test]
fn it_stands_wherever_the_other_digests_do() {
    const BOTH: &str = "[custody]\nsm3 = true\n[export]\nsm3 = true\n";
    let mut station = Station::running(BOTH);
    with_clips(&mut station, &[300_000, 17]);
    let clips = [station.clip("091200.mp4"), station.clip("091201.mp4")];
    let page = Browser::new(&station.page());
    for clip in &clips {
        let sm3 = by_openssl(&station.in_vault(clip).unwrap());
        assert_eq!(station.record(clip)["sm3"], sm3.as_str());
        let sealed = "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'clip.sealed' AND clip_id = ?1";
        assert!(station.one(sealed, &[clip]).contains(&format!("\"sm3\":\"{sm3}\"")));
        assert!(page.get(&format!("/clips/{clip}")).text().contains(&sm3));
        assert_eq!(station.json(["verify", clip])[0]["ok"], true);
    }

    // Switched off, it is taken of no clip that comes from then on, and stays with those that have it.
    restarted(&mut station, "[export]\nsm3 = true\n");
    station.card("b").file(dsj("36NCC009910", "101500"), footage(9_000, 9), 30);
    station.dock("b");
    station.until_proven(3);
    let without = station.clip("101500.mp4");
    station.json(["link", &without, CASE]);
    assert!(station.record(&without)["sm3"].is_null());
    assert_eq!(station.json(["verify", &without])[0]["ok"], true);
    let changed = "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'station.settings'";
    let told: Value = serde_json::from_str(&station.one(changed, &[])).unwrap();
    assert_eq!(told["body"]["values"]["custody.sm3"], serde_json::json!({ "old": true, "new": false }), "{told}");

    // A package lists all of them; its checker compares those of the records also where it has no such list.
    let dir = station.path("out");
    export(&station, &dir);
    let list = fs::read_to_string(dir.join("sm3sums.txt")).unwrap();
    assert_eq!(list.lines().filter(|line| line.contains("data/clips/")).count(), 3);
    for (digest, name) in list.lines().map(|line| line.split_once("  ").unwrap()) {
        assert_eq!(by_openssl(&dir.join(name)), digest, "{name}");
    }
    restarted(&mut station, "");
    let plain = station.path("plain");
    export(&station, &plain);
    assert!(!plain.join("sm3sums.txt").exists());
    let trust = station.path("state/log.key.pub");
    for dir in [&dir, &plain] {
        assert_eq!(import_check(dir, Some(&trust)).0, 0);
    }
    let records = plain.join("data/metadata/records.json");
    let sm3 = by_openssl(&station.in_vault(&clips[0]).unwrap());
    let text = fs::read_to_string(&records).unwrap();
    assert!(text.contains(&sm3));
    fs::write(&records, text.replace(&sm3, &"0".repeat(64))).unwrap();
    list_again(&plain);
    let (code, report) = import_check(&plain, Some(&trust));
    let said = report["problems"].to_string();
    assert!(code == 4 && said.contains("has another SM3 than its record says"), "{report}");
    assert!(said.contains("is not what the log says was sealed"), "{report}");

    // A row that names another one, or one of a clip that was sealed without, is found by what the log says.
    station.stop();
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute("UPDATE clip SET sm3 = zeroblob(32) WHERE clip_id = ?1", [&clips[0]]).unwrap_err();
    db.execute_batch("DROP TRIGGER digest_stays").unwrap();
    for clip in [&clips[0], &without] {
        db.execute("UPDATE clip SET sm3 = zeroblob(32) WHERE clip_id = ?1", [clip]).unwrap();
    }
    drop(db);
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert_eq!(report["clip_problem_count"], 2, "{report}");
    station.start();
    for clip in [&clips[0], &without] {
        let (verified, _) = station.refused(4, ["verify", clip]);
        assert_eq!((&verified[0]["log"], &verified[0]["local"]), (&"differs".into(), &"same".into()), "{verified}");
    }
}
