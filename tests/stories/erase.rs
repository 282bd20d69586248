//! Giving space on recorders back, with the real program: nothing without a policy, nothing for a copy on the same
//! disk, exactly the proven recordings otherwise; and `kill -9` at any moment leaves what the next start settles.
//!
//! "Elsewhere" is memory (`/dev/shm`), the station is on disk: two devices, as the program sees it. The seed of the
//! kills is printed; `EVIDOCK_TEST_SEED` sets it. `EVIDOCK_TEST_FULL=1` kills more often.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // A test that cannot go on fails, and says its seed.

use crate::support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidock::runtime::clock::monotonic;
use serde_json::Value;
use support::footage;
use support::replay::Dice;
use support::station::{Station, date, digests, dsj, files_below, folder};

/// A directory that is on another device than the station's.
fn elsewhere(station: &Station) -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("evidock-elsewhere-").tempdir_in("/dev/shm").unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(
        device(dir.path()),
        device(&station.path(".")),
        "this test needs two devices: /dev/shm, and TMPDIR on a disk"
    );
    dir
}

fn cloud(dir: &Path) -> String {
    folder("elsewhere", &dir.display().to_string())
}

const QUICK: &str = "=erase = true\n[custody]\ncheckpoint_interval_s = 1\n";
const POLICY: &str = "[[erase]]\nrecorders = [\"36NCC*\"]\n";

/// The bays as `status` tells them.
fn bay(station: &Station, name: &str) -> Value {
    let status = station.status();
    status["docked"].as_array().unwrap().iter().find(|d| d["bay"] == name).cloned().unwrap_or_default()
}

fn keeps(bay: &Value, words: &str) -> u64 {
    let kept = bay["kept"].as_array().into_iter().flatten();
    kept.filter(|k| k["why"].as_str().unwrap().contains(words)).map(|k| k["files"].as_u64().unwrap()).sum()
}

fn left_on(station: &Station, bay: &str) -> BTreeSet<String> {
    let root = station.docked(bay).path("");
    files_below(&root).into_iter().map(|f| f.strip_prefix(&root).unwrap().display().to_string()).collect()
}

fn events(station: &Station, kind: &str) -> Vec<Value> {
    let rows = station.query("SELECT bytes FROM log_entry WHERE kind = ?1 ORDER BY seq", &[&kind]);
    rows.iter().map(|row| serde_json::from_str(&row[0]).unwrap()).collect()
}

#[test]
fn nothing_is_erased_without_a_policy_nor_for_a_copy_on_the_same_disk() {
    let mut station = Station::new("");
    station.configure(&(QUICK.to_owned() + &folder("nas", "nas")));
    station.start();
    let card = station.card("3号口");
    for time in ["091200", "092700"] {
        card.file(dsj("36NCC009910", time), footage(50_000, 1), 60);
    }
    station.dock("3号口");
    station.until_safe("3号口");
    let all = left_on(&station, "3号口");
    station.until_proven(2);
    // A look after everything is proven and anchored found nothing to do.
    station.json(["checkpoint"]);
    station.until("it is stored", |s| s.status()["outbox"] == 0);
    assert_eq!(left_on(&station, "3号口"), all);
    station.stop();

    // The first pattern that fits holds, and what fits no pattern is left alone.
    for (policy, words) in [(POLICY, "own disk"), ("[[erase]]\nrecorders = [\"OTHER*\"]\n", "")] {
        station.configure(&(QUICK.to_owned() + &folder("nas", "nas") + policy));
        station.start();
        station.until_safe("3号口");
        if !words.is_empty() {
            station.until("the page says why", |s| keeps(&bay(s, "3号口"), words) == 2);
        }
        assert_eq!(left_on(&station, "3号口"), all);
        station.stop();
    }
    // Neither is a source that is read-only to us erased from.
    let away = elsewhere(&station);
    station.configure(&format!("[custody]\ncheckpoint_interval_s = 1\n{}{POLICY}", cloud(away.path())));
    station.start();
    station.until("the page says why", |s| keeps(&bay(s, "3号口"), "read-only") == 2);
    assert_eq!(left_on(&station, "3号口"), all);
    station.stop();
    assert!(events(&station, "recorder.erase_intended").is_empty() && events(&station, "recorder.erased").is_empty());
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

#[test]
fn exactly_the_proven_recordings_are_erased() {
    let mut station = Station::new("");
    let away = elsewhere(&station);
    station.configure(&(QUICK.to_owned() + &cloud(away.path())));
    station.start();
    let card = station.card("3号口");
    for (time, size) in
        [("091200", 5_000_000), ("092700", 70_000), ("094200", 0), ("095700", 60_000), ("101200", 60_000)]
    {
        card.file(dsj("36NCC009910", time), footage(size, size as u64), 60);
    }
    card.file("LOG/20260619.log", "10:00:00 on\n", 60);
    card.file("SETUP.CFG", "volume=3\n", 60);
    station.dock("3号口");
    station.until_safe("3号口");
    station.until_proven(7);
    let all = left_on(&station, "3号口");

    // One may hold a state secret; one gets other bytes than it had, under the same length and time.
    let secret = station.clip("095700.mp4");
    station.json(["annotate", &secret, "sensitivity=疑似涉密"]);
    let changed = station.docked("3号口").path(dsj("36NCC009910", "101200"));
    fs::write(&changed, footage(60_000, 7)).unwrap();
    date(&changed, 60);
    station.stop();

    station.configure(&(QUICK.to_owned() + &cloud(away.path()) + POLICY));
    station.start();
    // What has other bytes is another clip: it goes only once it is proven itself.
    station.until("four are erased", |s| bay(s, "3号口")["erased"] == 4);
    assert_eq!(station.clips("101200.mp4").len(), 2);
    station.until_safe("3号口");
    let left = left_on(&station, "3号口");
    let gone: Vec<_> = all.difference(&left).map(|path| path.rsplit('_').next().unwrap()).collect();
    assert_eq!(gone, ["091200.mp4", "092700.mp4", "094200.mp4", "101200.mp4"]);
    let now = bay(&station, "3号口");
    assert_eq!((keeps(&now, "quarantine"), keeps(&now, "no recording")), (1, 2), "{now}");
    // The record tells it, here and where it was sent.
    for time in ["091200.mp4", "092700.mp4", "094200.mp4"] {
        let clip = station.clip(time);
        station.until("its record tells it", |s| s.record(&clip)["state"] == "released");
        let record = station.record(&clip);
        assert!(record["erased_at"].is_string(), "{record}");
    }
    assert!(station.record(&secret)["erased_at"].is_null());
    let shown = station.evidock(["show", &station.clip("091200.mp4")]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("erased_at"));

    // Each intent was in a checkpoint off this box before its file went.
    let anchors = station.query(
        "SELECT CAST(substr(key, -12) AS INTEGER), stored_ms FROM outbox WHERE kind = 'checkpoint' AND destination = 'elsewhere' AND stored_ms IS NOT NULL",
        &[],
    );
    let number = |text: &str| text.parse::<u64>().unwrap();
    let erased = events(&station, "recorder.erased");
    assert_eq!(erased.len(), 4);
    for event in erased {
        let (intent, at) = (event["body"]["intent"].as_u64().unwrap(), event["wall_ms"].as_u64().unwrap());
        assert!(anchors.iter().any(|a| number(&a[0]) > intent && number(&a[1]) <= at), "{event}");
    }
    station.stop();
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    station.assert_vault_is_whole();
}

/// Makes a recorder whose files are small and many, so that erasing takes its time.
fn make_card(station: &Station, bay: &str, device: &str, dice: &mut Dice) -> Vec<PathBuf> {
    let card = station.card(bay);
    // Whose it is stands in a binding file, so that it is known again when it is empty.
    card.file("station_bind.ini", binding(device), 60);
    let clips: Vec<String> = (0..24).map(|n| dsj(device, &format!("0912{n:02}"))).collect();
    for clip in &clips {
        card.file(clip, footage(dice.below(40_000), dice.roll()), 60);
    }
    clips.iter().map(PathBuf::from).collect()
}

fn binding(device: &str) -> String {
    use sm3::Digest;
    let lines = format!(
        "recorder_serial={device}\nrecorder_model=DSJ\nuser_no=110203\nuser_name=\ndept_code=\ndept_name=\nbound_at=\n"
    );
    let sum = evidock::domain::digest::to_hex(&sm3::Sm3::digest(lines.as_bytes()));
    format!("[binding]\n{lines}sm3={sum}\n")
}

/// What must be so at any moment: a file that is missing on its recorder was intended, and stands proven elsewhere.
fn audit(station: &Station, bay: &str, clips: &[PathBuf], away: &Path) {
    for clip in clips.iter().filter(|clip| !station.docked(bay).path(clip).exists()) {
        let rows = station.query(
            "SELECT c.clip_id, s.state, d.state, lower(hex(c.blake3)), c.size_bytes FROM sighting s JOIN clip c USING (clip_id) JOIN delivery d USING (clip_id)
             WHERE CAST(s.path AS TEXT) = ?1 AND s.recorder_id = (SELECT recorder_id FROM dock WHERE bay = ?2 ORDER BY dock_id DESC LIMIT 1)",
            &[&clip.display().to_string(), &bay],
        );
        assert!(!rows.is_empty(), "{} is gone, and nobody knows it", clip.display());
        assert!(rows.iter().any(|r| r[1] == "erase_intended" || r[1] == "erased"), "{}: {rows:?}", clip.display());
        let master = away.join(format!("v1/test-01/clips/{}/master", rows[0][0]));
        let (blake3, _, size) = digests(&master);
        assert_eq!(
            (blake3.as_str(), size.to_string(), "proven"),
            (rows[0][3].as_str(), rows[0][4].clone(), rows[0][2].as_str())
        );
    }
}

#[test]
fn kill_9_at_any_moment_is_settled_by_what_stands_on_the_recorder() {
    let full = std::env::var_os("EVIDOCK_TEST_FULL").is_some_and(|v| v == "1");
    let given = std::env::var("EVIDOCK_TEST_SEED").ok().map(|s| s.parse().expect("EVIDOCK_TEST_SEED is a number"));
    let seed = given.unwrap_or_else(rand::random);
    eprintln!("EVIDOCK_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let mut station = Station::new("");
    let away = elsewhere(&station);
    station.configure(&(QUICK.to_owned() + &cloud(away.path()) + POLICY));

    let (mut kills, wanted) = (0, if full { 60 } else { 8 });
    for round in 0.. {
        if kills >= wanted {
            break;
        }
        let (bay, device) = (format!("bay-{round}"), format!("36NCC{round:06}"));
        let clips = make_card(&station, &bay, &device, &mut dice);
        station.launch();
        station.dock(&bay);
        for _ in 0..1 + dice.below(3) {
            // Somewhere on the way, once an intent stands, or just as files vanish.
            let (heart, vanishing) = (dice.below(4) > 0, dice.below(2) == 0);
            let end = monotonic()
                + if heart { Duration::from_secs(60) } else { Duration::from_millis(dice.below(3_000) as u64) };
            let at_heart = |station: &Station| {
                station.path("state/evidock.db").exists()
                    && station.query("SELECT name FROM sqlite_schema WHERE name = 'issue'", &[]).len() == 1
                    && station.one("SELECT count(*) FROM sighting WHERE state = 'erase_intended'", &[]) != "0"
            };
            let gone = |station: &Station| clips.iter().filter(|c| !station.docked(&bay).path(c).exists()).count();
            let before = gone(&station);
            while monotonic() < end && gone(&station) < clips.len() {
                let now = match vanishing {
                    true => gone(&station) > before,
                    false => at_heart(&station),
                };
                if heart && now {
                    break;
                }
                std::thread::sleep(Duration::from_micros(500));
            }
            std::thread::sleep(Duration::from_micros(dice.below(if vanishing { 2_000 } else { 60_000 }) as u64));
            station.kill();
            kills += 1;
            audit(&station, &bay, &clips, away.path());
            station.launch();
        }
        station.until("everything is erased", |s| clips.iter().all(|c| !s.docked(&bay).path(c).exists()));
        station.until("everything is settled", |s| {
            s.one("SELECT count(*) FROM sighting WHERE state = 'erase_intended' OR (state = 'present' AND CAST(path AS TEXT) LIKE '%.mp4')", &[]) == "0"
        });
        station.until("it may go", |s| s.evidock(["status"]).status.success() && s.is_safe(&bay));
        audit(&station, &bay, &clips, away.path());
        assert_eq!(left_on(&station, &bay), BTreeSet::from(["station_bind.ini".to_owned()]));
        station.stop();
        assert_eq!(station.json(["log", "verify"])["intact"], true, "round {round}");
        // Erased once each, and never without an intent before it.
        let once = station.query("SELECT clip_id, count(*) FROM log_entry WHERE kind = 'recorder.erased' GROUP BY clip_id HAVING count(*) <> 1", &[]);
        assert!(once.is_empty(), "{once:?}");
        assert!(events(&station, "recorder.erased").iter().all(|e| e["body"]["intent"].is_u64()));
    }
    let found =
        events(&station, "recorder.erased").iter().filter(|e| e["body"]["how"] != "erased_and_seen_gone").count();
    let taken_back = events(&station, "recorder.erase_withdrawn").len();
    eprintln!("{kills} kills; {found} files were found gone, {taken_back} intents were taken back");
}
