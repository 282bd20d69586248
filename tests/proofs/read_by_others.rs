//! Proofs, checkpoints and tiles of a real station, read by Go.

use std::path::{Path, PathBuf};

use super::support::oracle::oracle;
use super::*;

fn file(station: &Station, name: &str, text: &str) -> PathBuf {
    let path = station.path(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn go_reads_what_happened_to_a_clip() {
    let far = far();
    let mut station = Station::running(&format!("{QUICK}{}", folder_at("cloud", far.path())));
    let clips = take_in(&mut station, 3);
    let answer = station.json(["log", "prove", &clips[1], "--to", station.path("proofs").to_str().unwrap()]);
    let events = answer["events"].as_array().unwrap();
    let kinds: Vec<&str> = events.iter().map(|e| e["kind"].as_str().unwrap()).collect();
    for kind in ["clip.seen", "clip.sealed", "delivery.proven", "access.log"] {
        assert!(kinds.contains(&kind), "{kinds:?}: the look itself is among them");
    }
    assert_eq!(answer["uncovered"], serde_json::json!([]));
    let keys = station.path("proofs/keys.txt");
    let checkpoint = station.path("proofs/checkpoint");
    oracle([Path::new("note"), &keys, &checkpoint]).unwrap();
    for event in events {
        let name = format!("{:012}", event["seq"].as_u64().unwrap());
        let (bytes, proof) =
            (station.path(format!("proofs/{name}.json")), station.path(format!("proofs/{name}.tlog-proof")));
        oracle([Path::new("proof"), &keys, &bytes, &proof]).unwrap();
        assert_eq!(std::fs::read_to_string(&proof).unwrap(), event["proof"].as_str().unwrap());
        // What it is not: another event, or the same one changed.
        let text = event["event"].as_str().unwrap();
        let changed = file(&station, "changed", &text.replacen("\"wall_ms\":", "\"wall_ms\":1", 1));
        assert!(oracle([Path::new("proof"), &keys, &changed, &proof]).is_err());
    }
    // Without a daemon the newest checkpoint has to do, and nobody is refused; the look itself is told all the same, and
    // stands below no checkpoint yet.
    station.stop();
    let offline = station.json(["log", "prove", &clips[0]]);
    assert!(!offline["events"].as_array().unwrap().is_empty());
    let last = station.query("SELECT seq, kind, clip_id FROM log_entry ORDER BY seq DESC LIMIT 1", &[]).remove(0);
    assert_eq!(last[1..], ["access.log".to_owned(), clips[0].clone()]);
    assert_eq!(offline["uncovered"], serde_json::json!([last[0].parse::<u64>().unwrap()]));
}

#[test]
fn a_clip_that_nobody_knows_and_a_text_that_is_none() {
    let mut station = Station::running(QUICK);
    let (_, error) = station.refused(3, ["log", "prove", "019aa2c4-7f00-7abc-8def-0123456789ab"]);
    assert!(error.contains("019aa2c4"), "{error}");
    station.refused(2, ["log", "prove", "x"]);
    until_covered(&mut station);
    let head = station.json(["log", "checkpoint"]);
    assert!(head["note"].as_str().unwrap().starts_with("evidock/test-01/1\n"), "{head}");
    // Another one may be signed between the two looks.
    station.until("both forms tell the same", |s| {
        let plain = s.evidock(["log", "checkpoint"]);
        support::station::text(&plain.stdout) == s.json(["log", "checkpoint"])["note"].as_str().unwrap()
    });
}

#[test]
fn go_reads_the_tiles_in_the_bucket_and_checks_every_entry() {
    let far = far();
    let plain = self::far();
    let mut station = Station::running(&format!(
        "{QUICK}{}log_entries = true\n{}",
        folder_at("cloud", far.path()),
        folder_at("plain", plain.path())
    ));
    take_in(&mut station, 2);
    let tiles = far.path().join("v1/test-01/log/tiles/0001");
    let keys = station.path("state/log.key.pub");
    let mut heads: Vec<(u64, String, String)> = Vec::new();
    // Past the first full tile.
    while heads.last().is_none_or(|(size, ..)| *size < 600) {
        for _ in 0..if heads.len() < 2 { 5 } else { 250 } {
            // A search and a look at the log each have their entry.
            assert!(get(&station, "/clips?query=x").starts_with("HTTP/1.1 200"));
            assert!(get(&station, "/log").starts_with("HTTP/1.1 200"));
        }
        until_covered(&mut station);
        // Exactly what the checkpoint needs stands there once the row says so.
        station.until("the tiles are there", |s| {
            let at = s.query(
                "SELECT t.size = (SELECT size FROM checkpoint ORDER BY checkpoint_id DESC LIMIT 1) FROM tiles_at t",
                &[],
            );
            at == [["1"], ["1"]]
        });
        let head = station.json(["log", "checkpoint"]);
        let note = file(&station, "head", head["note"].as_str().unwrap());
        oracle([Path::new("tiles"), &keys, &note, &tiles]).unwrap();
        let root = evidock::domain::digest::from_hex(head["root"].as_str().unwrap()).unwrap();
        let text = head["note"].as_str().unwrap().to_owned();
        heads.push((head["size"].as_u64().unwrap(), BASE64.encode(root), text));
    }
    // From each head to each later one, as Go sees it.
    for pair in heads.windows(2) {
        let [(old, old_root, old_note), (new, new_root, new_note)] = pair else { unreachable!() };
        let proof = way(&station, old_note, new_note);
        let args = ["consistency".to_owned(), format!("{old}:{old_root}"), format!("{new}:{new_root}")];
        oracle(args.iter().cloned().chain(proof.clone())).unwrap();
        let forged = ["consistency".to_owned(), format!("{old}:{new_root}"), format!("{new}:{new_root}")];
        assert!(oracle(forged.into_iter().chain(proof)).is_err());
    }
    // Who did what stays on the box where nobody asked for it elsewhere; the tree is there.
    let elsewhere = plain.path().join("v1/test-01/log/tiles/0001/tile");
    assert!(elsewhere.join("0").is_dir() && !elsewhere.join("entries").exists());
    assert!(tiles.join("tile/entries").is_dir());
    // As the station writes it, up to the newest: for whoever kept a checkpoint, without a program of ours.
    let kept = file(&station, "kept", &heads[0].2);
    let to = station.path("way");
    let told = station.json(["log", "prove", "--from", kept.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    assert!(told["size"].as_u64() >= Some(heads[1].0) && told["old_size"] == heads[0].0, "{told}");
    oracle([Path::new("goes-on"), &to.join("keys.txt"), &kept, &to.join("consistency")]).unwrap();
    let other = file(&station, "other", &heads[1].2);
    assert!(oracle([Path::new("goes-on"), &keys, &other, &to.join("consistency")]).is_err(), "from another one");
    let plain = station.evidock(["log", "prove", "--from", kept.to_str().unwrap()]);
    assert!(support::station::text(&plain.stdout).starts_with(&format!("old {}\n", heads[0].0)));
    let (_, error) =
        station.refused(2, ["log", "prove", "--from", other.to_str().unwrap(), "--until", kept.to_str().unwrap()]);
    assert!(error.contains("give the smaller one as --from"), "{error}");
    // Full tiles are compared with the events, and what was read is told.
    let report = station.json(["log", "verify", "--all"]);
    let read = &report["read"][0];
    assert_eq!(read["read"], read["checkpoints"], "{report}");
    assert!(read["tiles"].as_u64() >= Some(2) && read["tile_events"].as_u64() >= Some(512), "{report}");
    // A bundle with another byte, and a tile with another hash.
    let note = station.path("head");
    for name in ["tile/entries/000", "tile/0/000"] {
        let path = tiles.join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[100] ^= 1;
        std::fs::write(&path, bad).unwrap();
        assert!(oracle([Path::new("tiles"), &keys, &note, &tiles]).is_err(), "{name}");
        if name == "tile/0/000" {
            let (report, _) = station.refused(4, ["log", "verify"]);
            assert_eq!(report["problems"]["counts"], serde_json::json!({ "other_tile": 1 }), "{report}");
        }
        std::fs::write(&path, good).unwrap();
    }
}

/// The page of a clip leads to the proof of each of its entries.
#[test]
fn the_proof_is_one_click_away() {
    let mut station = Station::running(QUICK);
    let clips = take_in(&mut station, 1);
    until_covered(&mut station);
    let page = get(&station, &format!("/clips/{}", clips[0]));
    let seq = station.one("SELECT seq FROM log_entry WHERE kind = 'clip.sealed'", &[]);
    let link = format!("/clips/{}/events/{seq}", clips[0]);
    assert!(page.contains(&format!("href=\"{link}\"")), "{page}");
    let shown = get(&station, &link);
    assert!(shown.contains("c2sp.org/tlog-proof@v1") && shown.contains("clip.sealed"), "{shown}");
    let body = |path: &str| get(&station, path).split_once("\r\n\r\n").unwrap().1.to_owned();
    let event = file(&station, "event", &body(&format!("{link}/entry")));
    let proof = file(&station, "proof", &body(&format!("{link}/proof")));
    oracle([Path::new("proof"), &station.path("state/log.key.pub"), &event, &proof]).unwrap();
    // Entries about others are not shown here.
    let other = station.one("SELECT min(seq) FROM log_entry WHERE clip_id IS NULL", &[]);
    assert!(get(&station, &format!("/clips/{}/events/{other}", clips[0])).starts_with("HTTP/1.1 404"));
    let looks = station.query("SELECT seq FROM log_entry WHERE kind = 'access.log' AND clip_id = ?1", &[&clips[0]]);
    assert!(looks.len() >= 3, "each look is logged: {looks:?}");
}

fn get(station: &Station, path: &str) -> String {
    use std::io::{Read, Write};
    let page = station.page();
    let host = page.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Language: en\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
