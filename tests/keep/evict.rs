//! Local copies that are given up, and clips that are read from elsewhere afterwards.

use std::time::Duration;

use evidock::runtime::clock::monotonic;

use super::support::footage;
use super::support::station::{Station, digests, dsj, flip};
use super::*;

/// Everything goes as soon as it may.
const AT_ONCE: &str = "+[vault] evict = \"age\"\n+[vault] evict_keep_days = 0\n+[vault] evict_after_days = 0\n[custody]\ncheckpoint_interval_s = 1\n";

fn station(more: &str) -> Station {
    let station = Station::new("");
    station.configure(&format!("{AT_ONCE}{more}"));
    station
}

#[test]
fn what_went_is_played_downloaded_and_verified_from_elsewhere() {
    let far = far();
    let mut station = station(&folder_at("far", far.path()));
    let bytes = footage(3_000_017, 1);
    let card = station.card("a");
    card.file(dsj("36NCC009910", "091200"), &bytes, 90);
    card.file(dsj("36NCC009910", "092700"), "short", 60);
    card.file(dsj("36NCC009910", "093000"), "", 30);
    station.start();
    station.dock("a");
    station.until_safe("a");
    until_evicted(&mut station, 3);
    station.until_proven(3);
    let clip = station.clip("091200.mp4");
    assert!(station.in_vault(&clip).is_none(), "its file is gone");
    assert!(station.in_vault(&format!("{clip}.tree")).is_some(), "its tree is not");
    assert_eq!(
        &events(&station, &clip).into_iter().filter(|k| k.starts_with("clip.evict")).collect::<Vec<_>>(),
        &["clip.evict_intended", "clip.evicted"]
    );

    // The player asks for ranges that begin and end anywhere, a program for all of it.
    let path = format!("/clips/{clip}/media");
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=100000-299999", 100_000, 300_000),
        ("bytes=16383-16384", 16_383, 16_385),
        ("bytes=2999990-", 2_999_990, 3_000_017),
        ("bytes=-5", 3_000_012, 3_000_017),
    ] {
        let answer = get(&station, &path, &format!("Range: {range}"));
        assert_eq!(answer.status, 206, "{range}: {}", answer.head);
        assert!(answer.body == bytes[from..to], "{range}");
    }
    let whole = get(&station, &format!("/api/v1/clips/{clip}/media?download=1"), "");
    assert!(whole.status == 200 && whole.body == bytes, "{}", whole.head);
    let empty = get(&station, &format!("/clips/{}/media", station.clip("093000.mp4")), "");
    assert!(empty.status == 200 && empty.body.is_empty(), "{}", empty.head);
    let page = text(&get(&station, &format!("/clips/{clip}"), "").body);
    assert!(page.contains("Removed here after proof") && page.contains("/media"), "{page}");

    let verified = station.json(["verify", "--all"]);
    for one in verified.as_array().unwrap() {
        assert_eq!((&one["local"], &one["copies"][0]["result"]), (&"evicted".into(), &"same".into()), "{one}");
    }
    let status = station.status();
    assert_eq!((&status["evicted"]["bytes"], &status["stages"]["proven"]["count"]), (&3_000_022.into(), &3.into()));

    // Its recorder comes back with the same files: they are the same clips, and are not kept a second time.
    station.undock("a");
    station.dock("a");
    station.until_safe("a");
    station.until("every file is known again", |s| {
        s.query("SELECT clip_id FROM clip WHERE local = 'copying'", &[]).is_empty()
            && s.query("SELECT sighting_id FROM sighting", &[]).len() == 6
    });
    assert_eq!(station.query("SELECT clip_id FROM clip", &[]).len(), 3);
    assert!(station.masters().is_empty());
    assert_log_holds(&station);
    let doctor = text(&station.evidock(["doctor", "--json"]).stdout);
    assert!(doctor.contains("went from here after their proof"), "{doctor}");
}

#[test]
fn what_differs_elsewhere_reaches_no_viewer() {
    let far = far();
    let mut station = station(&folder_at("far", far.path()));
    let bytes = footage(2_000_000, 2);
    station.card("a").file(dsj("36NCC009910", "091200"), &bytes, 60);
    station.start();
    station.dock("a");
    until_evicted(&mut station, 1);
    let clip = station.clip("091200.mp4");
    flip(&master(far.path(), &clip), 1_000_000);

    let path = format!("/api/v1/clips/{clip}/media");
    // Stretches that are sound are served, whatever the others are.
    let sound = get(&station, &path, "Range: bytes=0-99999");
    assert!(sound.status == 206 && sound.body == bytes[..100_000], "{}", sound.head);
    let spoilt = get(&station, &path, "Range: bytes=1000000-1000001");
    assert_eq!((spoilt.status, &problem(&spoilt)["code"]), (503, &"no_good_copy".into()), "{}", text(&spoilt.body));
    // What begins well breaks off before the first byte that is not the clip's.
    let broken = get(&station, &path, "");
    assert!(broken.body.len() < 1_000_000 && bytes.starts_with(&broken.body), "{} bytes", broken.body.len());

    // It was the only copy: never called proven again, and a person is asked.
    station.until("it is in quarantine", |s| s.status()["quarantined"] == 1);
    assert_eq!(state(&station, &clip, "far"), "suspect");
    assert_eq!((&station.record(&clip)["state"], &station.status()["suspect"]), (&"sending".into(), &1.into()));
    station.refused(4, ["verify", &clip]);
    let alarms = problem(&get(&station, "/api/v1/status", ""))["alarms"].to_string();
    assert!(
        alarms.contains("\"mismatch\"") && alarms.contains("\"quarantined\"") && alarms.contains("\"out_of_reach\""),
        "{alarms}"
    );

    // The recorder still has it: what it gives is kept, and not taken for known.
    station.undock("a");
    station.dock("a");
    station.until("a good copy stands here", |s| s.masters().len() == 1 || s.clips("091200.mp4").len() == 2);
    assert!(station.clips("091200.mp4").len() == 2);

    // The destination is mended by hand; comparing every byte is what ends the quarantine.
    flip(&master(far.path(), &clip), 1_000_000);
    let verified = station.json(["verify", &clip, "--remote"]);
    assert_eq!(verified[0]["copies"][0]["result"], "same");
    station.until("it is proven again", |s| s.record(&clip)["state"] == "proven" && s.status()["quarantined"] == 0);
    assert_log_holds(&station);
}

#[test]
fn one_bad_copy_is_read_around_and_mended_from_another() {
    let (one, two) = (far(), far());
    let destinations = folder_at("one", one.path()) + &folder_at("two", two.path());
    let mut station = station(&destinations);
    let bytes = footage(2_000_000, 3);
    station.card("a").file(dsj("36NCC009910", "091200"), &bytes, 60);
    station.start();
    station.dock("a");
    until_evicted(&mut station, 1);
    let clip = station.clip("091200.mp4");
    // Both are damaged, each in another place: together they still are the clip.
    flip(&master(one.path(), &clip), 300_000);
    flip(&master(two.path(), &clip), 1_700_000);
    let whole = get(&station, &format!("/clips/{clip}/media"), "");
    assert!(whole.status == 200 && whole.body == bytes, "{} of {} bytes", whole.body.len(), bytes.len());

    // What was found is stored a moment after the bytes were served: until then both stand as they stood.
    station.until("both copies are found bad, and are good again", |s| {
        count(s, &clip, "delivery.mismatch") >= 2
            && state(s, &clip, "one") == "proven"
            && state(s, &clip, "two") == "proven"
            && s.status()["evicted"]["count"] == 1
    });
    assert_eq!((count(&station, &clip, "delivery.mismatch"), count(&station, &clip, "clip.recalled")), (2, 1));
    for dir in [&one, &two] {
        assert!(std::fs::read(master(dir.path(), &clip)).unwrap() == bytes);
    }
    // It went, came back to be sent again, and went a second time; between saying so and the end of it lies a checkpoint.
    until_evicted(&mut station, 1);
    assert_eq!(count(&station, &clip, "clip.evicted"), 2);
    assert!(station.in_vault(&clip).is_none());
    assert_log_holds(&station);
}

#[test]
fn nothing_goes_for_a_copy_on_the_same_disk_or_one_that_is_gone() {
    let far = far();
    let mut station = station(&super::support::station::folder("near", "near"));
    station.card("a").file(dsj("36NCC009910", "091200"), footage(100_000, 4), 60);
    station.start();
    station.dock("a");
    station.until_proven(1);
    let checkpoints = "SELECT checkpoint_id FROM checkpoint";
    let before = station.query(checkpoints, &[]).len();
    station.until("checkpoints came and went", |s| s.query(checkpoints, &[]).len() >= before + 3);
    assert_eq!(station.status()["evicted"]["count"], 0);
    let doctor = station.evidock(["doctor", "--json"]);
    assert!(text(&doctor.stdout).contains("nothing will go"), "{}", text(&doctor.stdout));
    station.stop();

    // Elsewhere it would count, but what was proven there is gone when it is looked at once more.
    station.configure(&folder_at("far", far.path()));
    station.start();
    let clip = station.clip("091200.mp4");
    station.until("it is proven there, too", |s| state(s, &clip, "far") == "proven");
    station.stop();
    std::fs::remove_file(master(far.path(), &clip)).unwrap();
    station.configure(&format!("{AT_ONCE}{}", folder_at("far", far.path())));
    station.start();
    // It is found out, sent again, and then it may go.
    until_evicted(&mut station, 1);
    let kinds = events(&station, &clip);
    let last = |kind: &str| kinds.iter().rposition(|k| k == kind).unwrap_or_else(|| panic!("{kind}: {kinds:?}"));
    assert!(
        last("delivery.mismatch") < last("delivery.proven") && last("delivery.proven") < last("clip.evict_intended")
    );
    assert_eq!(count(&station, &clip, "clip.evict_intended"), 1, "not before it was proven again: {kinds:?}");
    assert!(std::fs::read(master(far.path(), &clip)).unwrap() == footage(100_000, 4));
}

#[test]
fn an_audit_comes_first_where_it_is_asked_for() {
    let far = far();
    let mut station = station(&format!("+[vault] evict_audit = \"whole\"\n{}", folder_at("far", far.path())));
    let card = station.card("a");
    card.file(dsj("36NCC009910", "091200"), footage(400_000, 5), 60);
    station.start();
    station.dock("a");
    until_evicted(&mut station, 1);
    let clip = station.clip("091200.mp4");
    let kinds = events(&station, &clip);
    let at = |kind: &str| kinds.iter().position(|k| k == kind).unwrap_or_else(|| panic!("{kind}: {kinds:?}"));
    assert!(
        at("delivery.proven") < at("delivery.audited") && at("delivery.audited") < at("clip.evict_intended"),
        "{kinds:?}"
    );
}

#[test]
fn a_shared_file_frees_nothing_until_both_are_gone() {
    let far = far();
    let mut station = Station::new("");
    station.configure(&folder_at("far", far.path()));
    let bytes = footage(500_000, 6);
    let card = station.card("a");
    card.file(dsj("36NCC009910", "091200"), &bytes, 90);
    card.file("DCIM/VIDEO/copy.mp4", &bytes, 60);
    station.start();
    station.dock("a");
    station.until_proven(2);
    let (first, second) = (station.clip("091200.mp4"), station.clip("copy.mp4"));
    let inode = |s: &Station, clip: &str| std::fs::metadata(s.in_vault(clip).unwrap()).unwrap().ino();
    assert_eq!(inode(&station, &first), inode(&station, &second), "one file, two names");
    let held = station.json(["hold", &second, "--reason", "行政复议"]);
    station.stop();
    station.configure(&format!("{AT_ONCE}{}", folder_at("far", far.path())));
    station.start();
    until_evicted(&mut station, 1);
    assert!(station.in_vault(&first).is_none() && station.in_vault(&second).is_some(), "one is on hold");
    let freed = |s: &Station, clip: &str| {
        let row = s.one("SELECT bytes FROM log_entry WHERE clip_id = ?1 AND kind = 'clip.evicted'", &[&clip]);
        serde_json::from_str::<Value>(&row).unwrap()["body"]["freed_bytes"].clone()
    };
    assert_eq!(freed(&station, &first), 0);
    // Two people end the hold; then the other name goes, and with it the file.
    let hold = held["hold"].to_string();
    station.json(["unhold", &hold, "--reason", "复议终结"]);
    assert!(as_another(&station, &["unhold", &hold, "--confirm"]).status.success());
    until_evicted(&mut station, 2);
    assert_eq!(freed(&station, &second), 500_000);
    assert_log_holds(&station);
}

/// Killed at any moment, a station never calls a clip sealed whose file is not there, and ends with every clip gone from
/// here and whole elsewhere.
#[test]
fn killed_in_the_middle_nothing_is_lost_and_everything_comes_to_its_end() {
    let far = far();
    let mut station = Station::new("");
    station.configure(&folder_at("far", far.path()));
    let card = station.card("a");
    const CLIPS: usize = 40;
    for n in 0..CLIPS {
        card.file(dsj("36NCC009910", &format!("09{:02}{:02}", n / 60, n % 60)), footage(20_000 + n, n as u64), 60);
    }
    station.start();
    station.dock("a");
    station.until_proven(CLIPS as u64);
    station.stop();
    let sealed = station.query("SELECT clip_id, lower(hex(blake3)) FROM clip ORDER BY clip_id", &[]);
    assert_eq!(sealed.len(), CLIPS);
    // A crash right behind the transaction that says so: the file still stands. And one behind the removing.
    let (stands, removed) = (&sealed[0][0], &sealed[1][0]);
    rewrite(
        &station,
        &format!("UPDATE clip SET local = 'evicted', evict_seq = 1 WHERE clip_id IN ('{stands}', '{removed}')"),
    );
    std::fs::remove_file(station.in_vault(removed).unwrap()).unwrap();

    station.configure(&format!("{AT_ONCE}{}", folder_at("far", far.path())));
    let is_sound = |s: &Station| {
        for row in s.query("SELECT clip_id, lower(hex(blake3)) FROM clip WHERE local = 'sealed'", &[]) {
            let file =
                s.in_vault(&row[0]).unwrap_or_else(|| panic!("{} is called sealed, and its file is gone", row[0]));
            assert_eq!(digests(&file).0, row[1]);
        }
        let gone = s.query("SELECT clip_id FROM clip WHERE local = 'evicted'", &[]).len();
        assert!(gone <= CLIPS && s.query("SELECT clip_id FROM clip WHERE local = 'damaged'", &[]).is_empty());
        gone
    };
    for round in 0..6u64 {
        station.start();
        let (begun, wait) = (monotonic(), Duration::from_millis(150 * round));
        let before = station.query("SELECT clip_id FROM clip WHERE local = 'evicted'", &[]).len();
        station.until("some went, or a moment passed", |s| {
            s.query("SELECT clip_id FROM clip WHERE local = 'evicted'", &[]).len() > before || begun.elapsed() > wait
        });
        station.kill();
        is_sound(&station);
    }
    station.start();
    until_evicted(&mut station, CLIPS as u64);
    station.stop();
    assert_eq!(is_sound(&station), CLIPS);
    assert!(station.masters().is_empty());
    for row in &sealed {
        assert_eq!(digests(&master(far.path(), &row[0])).0, row[1]);
        let wanted = usize::from(row[0] != *stands && row[0] != *removed);
        assert_eq!(
            (count(&station, &row[0], "clip.evict_intended"), count(&station, &row[0], "clip.evicted")),
            (wanted, 1)
        );
    }
    assert_log_holds(&station);
}
