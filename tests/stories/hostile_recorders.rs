//! What recorders bring: the same names, the same bytes, files that grew or are growing, names made to hurt, things
//! that are no files; a disk that is full and a recorder that is pulled in the middle. The real program has a
//! defined answer to each: nothing is skipped in silence, nothing is stored twice, nothing half-copied counts.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use support::footage;
use support::station::{Station, date, digests, dsj, flip};

const DEVICE: &str = "36NCC009910";

fn sealed(station: &Station) -> usize {
    station.query("SELECT clip_id FROM clip WHERE local = 'sealed'", &[]).len()
}

/// How each sighting of a clip was known to be it, in order.
fn compared(station: &Station, clip: &str) -> Vec<String> {
    let rows = station.query("SELECT compared FROM sighting WHERE clip_id = ?1 ORDER BY sighting_id", &[&clip]);
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// What was reported at the docks, by path.
fn reported(station: &Station) -> Vec<(String, String)> {
    let rows = station.query("SELECT path, reason FROM unreadable ORDER BY path", &[]);
    rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

fn assert_is(station: &Station, clip: &str, original: &Path) {
    let (blake3, sha256, size) = digests(original);
    let record = station.record(clip);
    assert_eq!(record["size_bytes"], size, "{clip}");
    assert_eq!((&record["blake3"], &record["sha256"]), (&blake3.into(), &sha256.into()), "{clip}");
}

#[test]
fn the_same_names_and_the_same_bytes_on_two_recorders() {
    let mut station = Station::running("");
    for (bay, seed) in [("1号口", 1), ("2号口", 2)] {
        let card = station.card(bay);
        card.file("DCIM/100MEDIA/FILE0001.MP4", footage(300_000, seed), 90);
        card.file("DCIM/100MEDIA/FILE0002.MP4", footage(200_000, 9), 60);
        station.dock(bay);
    }
    station.until_safe("1号口");
    station.until_safe("2号口");
    station.until_proven(4);
    let (first, second) = (station.clips("FILE0001.MP4"), station.clips("FILE0002.MP4"));
    assert_eq!((first.len(), second.len()), (2, 2));
    for clip in &first {
        let bay = station.record(clip)["device_id"].as_str().unwrap().to_owned();
        assert_is(&station, clip, &station.docked(&bay).path("DCIM/100MEDIA/FILE0001.MP4"));
    }
    // The same bytes are one file under two names; each clip stands for itself everywhere else.
    let inode = |clip: &String| fs::metadata(station.in_vault(clip).unwrap()).unwrap().ino();
    assert_ne!(inode(&first[0]), inode(&first[1]));
    assert_eq!(inode(&second[0]), inode(&second[1]));
    station.assert_vault_is_whole();
    let shares = station.one("SELECT shares FROM clip WHERE shares IS NOT NULL", &[]);
    assert!(second.contains(&shares));
    for clip in &second {
        assert!(station.path(format!("state/cloud/v1/test-01/clips/{clip}/master")).exists());
    }
}

#[test]
fn a_recorder_that_is_docked_again_brings_nothing_twice() {
    let mut station = Station::running("");
    let name = dsj(DEVICE, "091200");
    station.card("a").file(&name, footage(400_000, 1), 60);
    station.dock("a");
    station.until_safe("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    station.undock("a");
    station.dock("a");
    station.until_safe("a");
    assert_eq!(compared(&station, &clip), ["copied", "sampled"]);

    // A clock that was set, or a host's time zone: another time, the same bytes.
    station.undock("a");
    date(&station.card("a").path(&name), 3660);
    station.dock("a");
    station.until_safe("a");
    assert_eq!(compared(&station, &clip), ["copied", "sampled", "full"]);

    // Same name, length and time, but other bytes: no listing tells, the samples do.
    station.undock("a");
    station.card("a").file(&name, footage(400_000, 2), 60);
    station.dock("a");
    station.until_safe("a");
    station.until_proven(2);
    let clips = station.clips("091200.mp4");
    assert_eq!(clips.len(), 2);
    assert_is(&station, &clips[1], &station.docked("a").path(&name));
    assert!(station.record(&clips[1])["supersedes"].is_null());
    station.assert_vault_is_whole();
}

#[test]
fn a_file_that_grew_supersedes_and_one_that_reuses_a_name_does_not() {
    let mut station = Station::running("");
    let (grows, reused) = (dsj(DEVICE, "091200"), dsj(DEVICE, "092700"));
    let whole = footage(3_500_000, 1);
    let card = station.card("a");
    card.file(&grows, &whole[..2_000_000], 90);
    card.file(&reused, footage(100_000, 2), 60);
    station.dock("a");
    station.until_safe("a");
    station.undock("a");
    let card = station.card("a");
    card.file(&grows, &whole, 30);
    card.file(&reused, footage(150_000, 3), 30);
    station.dock("a");
    station.until_safe("a");
    station.until_proven(4);
    let (grown, again) = (station.clips("091200.mp4"), station.clips("092700.mp4"));
    assert_eq!((grown.len(), again.len()), (2, 2), "the earlier ones stay");
    assert_is(&station, &grown[1], &station.docked("a").path(&grows));
    assert_is(&station, &again[1], &station.docked("a").path(&reused));
    assert_eq!(station.record(&grown[1])["supersedes"], grown[0].as_str());
    assert!(station.record(&again[1])["supersedes"].is_null());
    station.assert_vault_is_whole();
}

#[test]
fn empty_files_are_clips_too() {
    let mut station = Station::running("");
    for bay in ["1号口", "2号口"] {
        station.card(bay).file("DCIM/100MEDIA/FILE0001.MP4", "", 60);
        station.dock(bay);
        station.until_safe(bay);
    }
    station.until_proven(2);
    let clips = station.clips("FILE0001.MP4");
    assert_eq!(clips.len(), 2, "they share a digest and nothing else");
    for clip in &clips {
        let record = station.record(clip);
        assert_eq!((&record["size_bytes"], &record["state"]), (&0.into(), &"proven".into()));
    }
    station.assert_vault_is_whole();
    station.until("the media worker has looked", |s| s.one("SELECT count(*) FROM media", &[]) == "2");
    assert!(station.query("SELECT health FROM media", &[]).iter().all(|row| row[0] != "whole"));
}

#[test]
fn a_file_that_is_still_growing_is_left_until_it_is_still() {
    // Longer than a busy machine may keep the writes below apart.
    let mut station = Station::running("=still_after_ms = 5000");
    let name = dsj(DEVICE, "091200");
    let card = station.card("a");
    card.file(&name, footage(10_000, 1), 60);
    card.file(dsj(DEVICE, "090000"), footage(10_000, 2), 90);
    station.dock("a");
    let growing = station.docked("a").path(&name);
    let grow = || {
        let mut file = OpenOptions::new().append(true).open(&growing).unwrap();
        file.write_all(&footage(10_000, 3)).unwrap();
    };
    // It grows as long as nothing else is known: until the other one was taken, and a good while after.
    let mut writes = 0;
    station.until("the file that is still was taken", |s| {
        grow();
        s.query("SELECT clip_id FROM clip WHERE local = 'sealed'", &[]).len() == 1
    });
    station.until("it grows on", |_| {
        grow();
        writes += 1;
        writes > 50
    });
    assert_eq!(station.clips("091200.mp4"), [""; 0], "it was not touched");
    assert!(!station.is_safe("a"));
    station.until_safe("a");
    station.until_proven(2);
    let clip = station.clip("091200.mp4");
    assert_is(&station, &clip, &growing);
    assert!(station.record(&clip)["supersedes"].is_null());
}

#[test]
fn names_that_are_made_to_hurt() {
    let long = format!("{}.mp4", "长".repeat(83));
    assert_eq!(long.len(), 253);
    let long = format!("xx{long}");
    let names: Vec<&[u8]> = vec![
        b"new\nline.mp4",
        b"\xff\xfe\xc3.mp4",
        b"..foo.mp4",
        b"...",
        b"-rf",
        b"a\\..\\b.mp4",
        b"'; DROP TABLE clip; --.mp4",
        b"<script>alert(1)<\x1b[2Jscript>.mp4",
        b" lead and trail .mp4 ",
        "\u{202e}4pm.gpj".as_bytes(),
        "执法记录_现场检查.mp4".as_bytes(),
        "e\u{301}.mp4".as_bytes(),
        "\u{e9}.mp4".as_bytes(),
        long.as_bytes(),
    ];
    let bay = "口\n<b>\u{202e}";
    let mut station = Station::running("");
    let card = station.card(bay);
    for (name, seed) in names.iter().zip(1..) {
        card.file([b"DCIM/\xf0odd dir\n/", *name].concat(), footage(1000 + seed as usize, seed), seed);
    }
    station.dock(bay);
    station.until("the recorder may be taken out", |s| {
        s.status()["docked"].as_array().unwrap().iter().any(|d| d["safe_to_remove"] == true)
    });
    let status = station.status();
    let bay_shown = status["docked"][0]["bay"].as_str().unwrap();
    assert!(!bay_shown.contains(['\n', '\u{202e}']), "{bay_shown:?}");
    station.until_proven(names.len() as u64);
    assert!(reported(&station).is_empty());
    for name in &names {
        let clip = station.clip([b"/", *name].concat());
        assert_is(
            &station,
            &clip,
            &station.docked(bay).path(OsStr::from_bytes(&[b"DCIM/\xf0odd dir\n/", *name].concat())),
        );
        let record = station.record(&clip);
        for field in ["original_filename", "original_path"] {
            let shown = record[field].as_str().unwrap();
            assert!(!shown.contains(|c: char| c.is_control() || c == '\u{202e}'), "{shown:?}");
        }
    }
    station.assert_vault_is_whole();
    for master in station.masters() {
        let name = master.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.parse::<evidock::domain::ids::ClipId>().is_ok(), "{name}");
    }
    let verified = station.json(["verify", "--all", "--remote"]);
    assert!(verified.as_array().unwrap().iter().all(|v| v["ok"] == true), "{verified}");
}

#[test]
fn what_is_no_file_or_cannot_be_read_is_reported_and_holds_nobody() {
    let mut station = Station::new("");
    if rustix::process::geteuid().is_root() {
        // Root may read everything, unless it gave that away.
        station.wrap(&["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]);
    }
    station.start();
    let secret = station.path("secret");
    fs::write(&secret, "not the recorder's").unwrap();
    let card = station.card("a");
    card.file(dsj(DEVICE, "091200"), footage(5000, 1), 60);
    card.file(dsj(DEVICE, "092700"), footage(5000, 2), 50);
    card.file("System Volume Information/IndexerVolumeGuid", "{0}", 40);
    card.file("DCIM/shut/x.mp4", footage(5000, 3), 30);
    std::os::unix::fs::symlink(&secret, card.path("DCIM/link.mp4")).unwrap();
    std::os::unix::fs::symlink("/", card.path("DCIM/root")).unwrap();
    assert!(Command::new("mkfifo").arg(card.path("DCIM/fifo.mp4")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(card.path("s")).unwrap();
    for (path, mode) in [(dsj(DEVICE, "092700"), 0o000), ("DCIM/shut".to_owned(), 0o000)] {
        fs::set_permissions(card.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    station.dock("a");
    station.until_safe("a");
    station.until_proven(1);
    let reported = reported(&station);
    let wanted = [
        ("DCIM/VIDEO/2026-06-19/DSJ_36NCC009910_110203_20260619_092700.mp4", "denied"),
        ("DCIM/fifo.mp4", "FIFO"),
        ("DCIM/link.mp4", "symbolic link"),
        ("DCIM/root", "symbolic link"),
        ("DCIM/shut", "denied"),
        ("System Volume Information/IndexerVolumeGuid", "operating system"),
        ("s", "socket"),
    ];
    assert_eq!(reported.iter().map(|r| r.0.as_str()).collect::<Vec<_>>(), wanted.map(|w| w.0), "{reported:?}");
    for ((path, reason), (_, word)) in reported.iter().zip(wanted) {
        assert!(reason.contains(word), "{path}: {reason}");
    }
    assert_eq!(sealed(&station), 1);
    assert_eq!(station.masters().len(), 1, "nothing of what a link leads to was taken");

    // What can be read after all is taken after all, and no longer reported.
    fs::set_permissions(station.docked("a").path(dsj(DEVICE, "092700")), fs::Permissions::from_mode(0o600)).unwrap();
    station.until_proven(2);
    let left: Vec<_> = station.query("SELECT path FROM unreadable WHERE instr(path, 'DSJ') > 0", &[]);
    assert!(left.is_empty(), "{left:?}");
    fs::set_permissions(station.docked("a").path("DCIM/shut"), fs::Permissions::from_mode(0o700)).unwrap();
    station.until_proven(3);
    // A copy may be proven before the next look at the recorder says so.
    station.until_safe("a");
}

#[test]
fn a_full_disk_stops_intake_before_the_reserve_and_nothing_half_written_counts() {
    let mut station = Station::new("=reserve_gb");
    let vault = station.path("state/vault");
    fs::create_dir_all(&vault).unwrap();
    // A disk of its own, in a mount namespace of its own that ends with the daemon. Its reserve is 5 %: 5 MB.
    let mut words = vec!["unshare", "--mount"];
    if !rustix::process::geteuid().is_root() {
        words.extend(["--user", "--map-root-user"]);
    }
    let mount = "mount -t tmpfs -o size=100m evidock \"$0\" && exec \"$@\"";
    let vault_text = vault.display().to_string();
    words.extend(["--", "sh", "-c", mount, &vault_text]);
    station.wrap(&words);
    let card = station.card("a");
    card.file(dsj(DEVICE, "091200"), footage(40 << 20, 1), 90);
    card.file(dsj(DEVICE, "092700"), footage(58 << 20, 2), 60);
    card.file(dsj(DEVICE, "094200"), footage(5_000, 3), 30);
    station.start();
    station.dock("a");
    let docked = |s: &Station| s.status()["docked"][0].clone();
    station.until("the bay says what is the matter", |s| {
        docked(s)["stuck"].as_str().is_some_and(|t| t.contains("free space"))
    });
    assert!(!station.is_safe("a"));
    let inside = PathBuf::from(format!("/proc/{}/root{}", station.pid(), vault.display()));
    let free = |at: &Path| {
        let stat = rustix::fs::statvfs(at).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    assert!(free(&inside) >= 5 << 20, "the reserve is untouched: {}", free(&inside));
    assert_eq!(
        station.query("SELECT path FROM clip WHERE local = 'sealed' AND instr(path, '092700') > 0", &[]).len(),
        0
    );
    let status = station.status();
    let count = |stage: &str| status["stages"][stage]["count"].as_u64().unwrap();
    assert_eq!(count("copying"), 1, "{status}");
    // What is small enough is taken in all the same, and the bay goes on saying what is the matter.
    station.until("the small one is proven", |s| {
        s.clips("094200.mp4").first().is_some_and(|clip| s.record(clip)["state"] == "proven")
    });
    station.until("the bay says so again", |s| !docked(s)["stuck"].is_null());
    for _ in 0..20 {
        let bay = docked(&station);
        assert!(
            bay["stuck"].as_str().is_some_and(|t| t.contains("in reserve")) && bay["safe_to_remove"] == false,
            "{bay}"
        );
    }
    // The daemon is well and goes on with everything else.
    let first = station.clip("091200.mp4");
    station.json(["link", &first, "赵卫罚〔2026〕12号"]);

    let grow = ["-t", &station.pid().to_string(), "--mount", "mount", "-o", "remount,size=300m", &vault_text]
        .map(str::to_owned);
    assert!(Command::new("nsenter").args(&grow).status().unwrap().success());
    station.until_safe("a");
    station.until_proven(3);
    for time in ["091200", "092700", "094200"] {
        let clip = station.clip(format!("{time}.mp4"));
        assert_is(&station, &clip, &station.docked("a").path(dsj(DEVICE, time)));
    }
    let parts =
        support::station::files_below(&inside).into_iter().filter(|f| f.extension() == Some(OsStr::new("part")));
    assert_eq!(parts.count(), 0);
    assert!(docked(&station)["stuck"].is_null());
}

/// A station that is in the middle of copying a large file.
fn in_the_middle() -> (Station, String) {
    let mut station = Station::running("");
    let name = dsj(DEVICE, "091200");
    station.card("a").sparse(&name, 500 << 20);
    station.dock("a");
    station.until("some of it is durable", |s| {
        s.query("SELECT clip_id FROM clip WHERE durable_bytes >= 12000000", &[]).len() == 1
    });
    (station, name)
}

#[test]
fn a_recorder_that_is_pulled_in_the_middle_of_a_copy_goes_on_where_it_was() {
    let (mut station, name) = in_the_middle();
    station.undock("a");
    let row = station.query("SELECT clip_id, local, durable_bytes, created_ms FROM clip", &[]);
    assert_eq!((row.len(), row[0][1].as_str()), (1, "copying"), "{row:?}");
    let durable: u64 = row[0][2].parse().unwrap();
    assert!((12_000_000..500 << 20).contains(&durable), "{durable}");
    assert_eq!(station.status()["stages"]["copying"]["count"], 1);
    // Also over a restart.
    station.stop();
    station.start();
    station.dock("a");
    station.until_safe("a");
    station.until_proven(1);
    assert_eq!(station.one("SELECT resume_check FROM clip", &[]), "sampled");
    assert_eq!(station.clip("091200.mp4"), row[0][0], "the same clip");
    assert_is(&station, &row[0][0], &station.docked("a").path(&name));
    let kinds = station
        .query("SELECT kind FROM log_entry WHERE clip_id = ?1 AND kind IN ('clip.seen', 'clip.sealed')", &[&row[0][0]]);
    assert_eq!(kinds.len(), 2, "seen once, sealed once: {kinds:?}");
    station.assert_vault_is_whole();
}

#[test]
fn a_copy_that_was_spoiled_while_nobody_looked_is_never_sealed() {
    // At its very beginning, where samples look; and where only the digest of the prefix tells.
    for at in [0, 5_000_001] {
        let (mut station, name) = in_the_middle();
        station.kill();
        let clip = station.clip("091200.mp4");
        flip(&station.in_vault(&format!("{clip}.part")).unwrap(), at);
        station.start();
        station.until_safe("a");
        let whole = station.query("SELECT clip_id FROM clip WHERE local = 'sealed'", &[]);
        assert_eq!(whole.len(), 1, "sealed once");
        let clip = whole[0][0].clone();
        assert_is(&station, &clip, &station.docked("a").path(&name));
        station.assert_vault_is_whole();

        // The next time it is known, and not copied again.
        station.undock("a");
        station.dock("a");
        station.until_safe("a");
        assert_eq!(compared(&station, &clip).last().unwrap(), "sampled", "spoiled at {at}");
        assert_eq!(sealed(&station), 1);
        station.until("it is proven", |s| s.record(&clip)["state"] == "proven");
    }
}
