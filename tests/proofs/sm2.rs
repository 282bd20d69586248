//! The SM2 key beside the log's own: openssl takes what it signs, `log verify` what the log names and nothing else; it is
//! changed, lost, switched off and on, and comes as a credential.

use std::path::PathBuf;
use std::process::Command;

use evidock::custody::note::Note;
use evidock::custody::sm2::{Sm2Key, Sm2Signer, to_der};
use serde_json::Value;

use super::*;

const WITH_SM2: &str = "[custody]\ncheckpoint_interval_s = 1\nsm2 = true\n";
const NAME: &str = "evidock/test-01";

/// The key that stands in the state directory, under its name.
fn sm2_key(station: &Station) -> Sm2Key {
    Sm2Key::from_pem(NAME, &fs::read_to_string(station.path("state/log.sm2.key.pub")).unwrap()).unwrap()
}

fn rotate(station: &Station) -> Value {
    station.json(["log", "rotate-key", "--sm2", "--reason", "例行更换"])
}

/// Until everything so far is anchored under a checkpoint.
fn until_anchored(station: &mut Station) {
    station.json(["retry"]);
    until_covered(station);
    station.until("everything is anchored", |s| s.status()["outbox"] == 0);
}

/// Every checkpoint in the database: its size and its note, in order.
fn checkpoints(station: &Station) -> Vec<(u64, Note)> {
    let rows = station.query("SELECT size, note FROM checkpoint ORDER BY checkpoint_id", &[]);
    rows.iter().map(|row| (row[0].parse().unwrap(), Note::parse(row[1].as_bytes()).unwrap())).collect()
}

/// r and s of the line of a key, by the id in its text form.
fn line_of(note: &Note, key: &Sm2Key) -> Option<[u8; 64]> {
    let id = key.to_string();
    let id = u32::from_str_radix(id.split('+').nth(1).unwrap(), 16).unwrap();
    let line = note.signatures().iter().find(|line| line.name == NAME && line.id == id)?;
    Some(line.bytes.clone().try_into().unwrap())
}

/// What openssl says of a signature over a text.
fn openssl_takes(dir: &Path, public: &Path, text: &str, signature: &[u8; 64]) -> bool {
    fs::write(dir.join("text"), text).unwrap();
    fs::write(dir.join("signature"), to_der(signature)).unwrap();
    let output = Command::new("openssl")
        .args(["dgst", "-sm3", "-sigopt", "distid:1234567812345678", "-signature", "signature", "-verify"])
        .args([public, Path::new("text")])
        .current_dir(dir)
        .output()
        .unwrap();
    output.status.success()
}

/// Opens the database of a stopped station as somebody with root does.
fn with_root(station: &Station) -> rusqlite::Connection {
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    for trigger in ["checkpoint_stays", "checkpoint_kept"] {
        db.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}")).unwrap();
    }
    db
}

/// Changes the note of the newest checkpoint in the database; the old one.
fn change_newest(station: &Station, change: impl FnOnce(&str) -> String) -> String {
    let db = with_root(station);
    let newest = "SELECT checkpoint_id, note FROM checkpoint ORDER BY checkpoint_id DESC LIMIT 1";
    let (id, note): (i64, String) = db.query_row(newest, [], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
    db.execute("UPDATE checkpoint SET note = ?2 WHERE checkpoint_id = ?1", rusqlite::params![id, change(&note)])
        .unwrap();
    note
}

fn without_last_line(note: &str) -> String {
    format!("{}\n", note.trim_end().rsplit_once('\n').unwrap().0)
}

/// What `log verify` finds wrong, which must be something.
fn found(station: &Station) -> Vec<String> {
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert_eq!(report["intact"], false, "{report}");
    report["problems"]["counts"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn openssl_takes_every_line_of_the_key_that_the_log_names() {
    let far = far();
    let cloud = folder_at("cloud", far.path());
    // At first there is none.
    let mut station = Station::running(&format!("{QUICK}{cloud}"));
    until_covered(&mut station);
    assert_eq!(station.json(["log", "verify"])["sm2"], Value::Null);
    station.stop();
    station.configure(&format!("{WITH_SM2}{cloud}"));
    station.start();
    until_anchored(&mut station);
    let (_, error) = station.refused(1, ["log", "rotate-key", "--sm2", "--reason", "例行更换"]);
    assert!(error.contains("stop evidock first"), "{error}");
    station.stop();
    let (old, old_public) = (sm2_key(&station), station.path("old.pub"));
    fs::copy(station.path("state/log.sm2.key.pub"), &old_public).unwrap();
    let ed25519 = key_of(&station);
    let answer = rotate(&station);
    let (new, new_public) = (sm2_key(&station), station.path("state/log.sm2.key.pub"));
    assert_eq!((answer["old"].as_str(), answer["new"].as_str()), (Some(&*old.to_string()), Some(&*new.to_string())));
    assert_eq!(key_of(&station), ed25519, "the log's own key stays");
    assert_eq!(fs::read_to_string(station.path("state/log.sm2.retired")).unwrap().trim(), old.to_string());
    station.start();
    until_anchored(&mut station);
    station.stop();

    let report = station.json(["log", "verify"]);
    assert!(report["intact"] == true && report["notices"]["counts"]["sm2_changed"] == 1, "{report}");
    let spans = report["sm2"]["keys"].as_array().unwrap();
    let [first, second] = &spans[..] else { panic!("{report}") };
    assert_eq!((&first["key"], &second["key"]), (&old.to_string().into(), &new.to_string().into()));
    assert_eq!((&first["protection"], &first["until"]), (&"file".into(), &second["from"]), "{report}");
    let words = support::station::text(&station.evidock(["log", "verify"]).stdout);
    assert!(words.contains("signed a second time and true") && words.contains(&new.to_string()), "{words}");
    // The reason is not told in clear.
    let event = station.one("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'log.sm2_key' AND instr(CAST(bytes AS TEXT), 'rotated') > 0", &[]);
    assert!(!event.contains("例行更换") && event.contains("\"protection\":\"file\""), "{event}");

    let (on, changed) = (first["from"].as_u64().unwrap(), second["from"].as_u64().unwrap());
    let work = tempfile::tempdir().unwrap();
    let mut told = [0; 3];
    for (size, note) in checkpoints(&station) {
        let (of_old, of_new) = (line_of(&note, &old), line_of(&note, &new));
        let (signature, public) = match size {
            size if size <= on => {
                assert_eq!((of_old, of_new), (None, None), "{size}");
                told[0] += 1;
                continue;
            }
            // The old key signs its own end, and nothing after it.
            size if size <= changed + 1 => {
                assert_eq!(of_new, None, "{size}");
                told[1] += 1;
                (of_old.unwrap(), &old_public)
            }
            size => {
                assert_eq!(of_old, None, "{size}");
                told[2] += 1;
                (of_new.unwrap(), &new_public)
            }
        };
        assert!(openssl_takes(work.path(), public, note.text(), &signature), "{size}");
        let other = note.text().replacen("test-01", "test-02", 1);
        assert!(!openssl_takes(work.path(), public, &other, &signature), "{size}");
    }
    assert!(told.iter().all(|n| *n > 0), "{told:?}");
    let size = changed + 1;
    assert!(checkpoints(&station).iter().any(|(of, _)| *of == size), "the change itself is signed");
}

#[test]
fn what_the_log_does_not_name_is_refused() {
    let far = far();
    let mut station = Station::running(&format!("{WITH_SM2}{}", folder_at("cloud", far.path())));
    until_anchored(&mut station);
    station.stop();
    let old_secret = fs::read(station.path("state/log.sm2.key")).unwrap();
    rotate(&station);
    station.start();
    until_anchored(&mut station);
    station.stop();
    assert_eq!(station.json(["log", "verify"])["intact"], true);

    // A line that was flipped, or taken away: here, and off the box.
    let good = change_newest(&station, |note| {
        let (rest, line) = note.trim_end().rsplit_once(' ').unwrap();
        // A digit in the middle: the id before it and the padding behind it stay.
        let (at, other) = (line.len() / 2, if line.as_bytes()[line.len() / 2] == b'A' { "B" } else { "A" });
        format!("{rest} {}{other}{}\n", &line[..at], &line[at + 1..])
    });
    assert_eq!(found(&station), ["sm2_false"]);
    change_newest(&station, |_| without_last_line(&good));
    assert_eq!(found(&station), ["sm2_missing"]);
    change_newest(&station, |_| good.clone());
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    let anchored = support::station::files_below(&far.path().join("v1/test-01/log/checkpoint"));
    let newest: PathBuf = anchored.into_iter().max().unwrap();
    let there = fs::read_to_string(&newest).unwrap();
    // Written anew under its name: what a destination stored may not be open for writing.
    let put = |text: &str| {
        fs::remove_file(&newest).unwrap();
        fs::write(&newest, text).unwrap();
    };
    put(&without_last_line(&there));
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert_eq!(report["problems"]["counts"], serde_json::json!({ "sm2_missing": 1 }), "{report}");
    assert!(report["problems"].to_string().contains("anchor cloud"), "{report}");
    put(&there);

    // Somebody kept the old key and signs on with it.
    let us = StationId::new("test-01").unwrap();
    let ed25519 = FileSigner::open_or_create(&station.path("state/log.key"), NAME).unwrap();
    let kept = station.path("kept.sm2.key");
    fs::write(&kept, &old_secret).unwrap();
    fs::set_permissions(&kept, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let old = Sm2Signer::open_or_create(&kept, NAME).unwrap();
    let read = Checkpoint::parse(Note::parse(good.as_bytes()).unwrap().text()).unwrap();
    assert_eq!(read.origin, evidock::custody::checkpoint::origin(&us, 1));
    change_newest(&station, |_| read.sign_twice(&ed25519, Some(&old), 0).unwrap());
    assert_eq!(found(&station), ["sm2_missing", "sm2_retired"]);
    change_newest(&station, |_| good.clone());

    // The key is exchanged: the daemon does not sign with it, and the log shows whose the public half is not.
    let (secret, public) = (station.path("state/log.sm2.key"), station.path("state/log.sm2.key.pub"));
    let (own, own_public) = (fs::read(&secret).unwrap(), fs::read(&public).unwrap());
    let strange = Sm2Signer::from_secret(NAME, &[9; 32]).unwrap().verifier();
    fs::write(&public, strange.to_pem()).unwrap();
    assert_eq!(found(&station), ["sm2_untrusted"]);
    fs::write(&secret, &old_secret).unwrap();
    station.launch();
    assert!(!station.ended().success());
    assert!(station.log().contains("is not the one that the log names"), "{}", station.log());
    fs::write(&secret, own).unwrap();
    fs::write(&public, own_public).unwrap();
    station.start();
    until_anchored(&mut station);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

#[test]
fn a_lost_key_gives_way_to_another_and_one_that_is_there_does_not() {
    let mut station = Station::running(WITH_SM2);
    until_covered(&mut station);
    station.stop();
    let old = sm2_key(&station);
    let lost = ["log", "rotate-key", "--sm2", "--lost", "--reason", "磁盘损坏"];
    let (_, error) = station.refused(2, lost);
    assert!(error.contains("change it without --lost"), "{error}");
    fs::remove_file(station.path("state/log.sm2.key")).unwrap();
    let part = |s: &Station| {
        let answer: Value = serde_json::from_slice(&s.evidock(["doctor", "--json"]).stdout).unwrap();
        let findings = answer["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|f| f["part"] == "SM2 key").unwrap()
    };
    assert_eq!(part(&station)["level"], "problem", "{}", part(&station));
    station.launch();
    assert!(!station.ended().success());
    assert!(station.log().contains("--sm2 --lost"), "{}", station.log());
    let (_, error) = station.refused(1, ["log", "rotate-key", "--sm2", "--reason", "x"]);
    assert!(error.contains("is gone, and the log names a key"), "{error}");
    station.json(lost);
    let new = sm2_key(&station);
    assert_ne!(new, old);
    station.start();
    until_covered(&mut station);
    let report = station.json(["log", "verify"]);
    assert!(report["intact"] == true && report["notices"]["counts"]["sm2_lost"] == 1, "{report}");
    let shown = part(&station);
    assert!(shown["level"] == "ok" && shown["words"].as_str().unwrap().contains(&new.to_string()), "{shown}");
}

#[test]
fn a_change_of_the_sm2_key_that_was_cut_off_comes_to_its_end_or_never_began() {
    let mut station = Station::running(WITH_SM2);
    until_covered(&mut station);
    station.stop();
    let state = station.path("state");
    // Only the next key was made: as if nothing had been.
    let old = sm2_key(&station);
    Sm2Signer::create_next(&state.join("log.sm2.key"), NAME).unwrap();
    station.start();
    assert!(!state.join("log.sm2.key.next").exists());
    assert_eq!(sm2_key(&station), old);
    station.stop();
    // The log says that it happened, and nothing after that was done.
    let kept = ["log.sm2.key", "log.sm2.key.pub"].map(|name| (name, fs::read(state.join(name)).unwrap()));
    rotate(&station);
    let new = sm2_key(&station);
    fs::rename(state.join("log.sm2.key"), state.join("log.sm2.key.next")).unwrap();
    fs::remove_file(state.join("log.sm2.retired")).unwrap();
    for (name, bytes) in kept {
        fs::write(state.join(name), bytes).unwrap();
        fs::set_permissions(state.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    station.start();
    assert_eq!(sm2_key(&station), new);
    assert_eq!(fs::read_to_string(state.join("log.sm2.retired")).unwrap().trim(), old.to_string());
    until_covered(&mut station);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

/// The log's own key is changed while there is an SM2 key: the checkpoint over that has both lines.
#[test]
fn both_keys_sign_the_change_of_either() {
    let mut station = Station::running(WITH_SM2);
    until_covered(&mut station);
    station.stop();
    let size = station.json(["log", "rotate-key", "--reason", "x"])["checkpoint_size"].as_u64().unwrap();
    let own = sm2_key(&station);
    let of_change = checkpoints(&station).into_iter().find(|(of, _)| *of == size).unwrap().1;
    assert_eq!(own.verifies_note(&of_change), Some(true));
    rotate(&station);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    station.start();
    until_covered(&mut station);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

#[test]
fn it_is_switched_off_and_on_with_another_key_and_all_of_it_stays_checkable() {
    let mut station = Station::running(WITH_SM2);
    until_covered(&mut station);
    station.stop();
    station.configure(QUICK);
    let (_, error) = station.refused(2, ["log", "rotate-key", "--sm2", "--reason", "x"]);
    assert!(error.contains("sm2 is off"), "{error}");
    station.start();
    until_covered(&mut station);
    let report = station.json(["log", "verify"]);
    assert!(report["intact"] == true && report["notices"]["counts"]["sm2_off"] == 1, "{report}");
    let last = checkpoints(&station).pop().unwrap().1;
    assert_eq!(last.signatures().len(), 2, "{last}");
    station.stop();
    // Its files go; the next one is another key.
    for name in ["log.sm2.key", "log.sm2.key.pub"] {
        fs::remove_file(station.path("state").join(name)).unwrap();
    }
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    station.configure(WITH_SM2);
    station.start();
    until_covered(&mut station);
    let report = station.json(["log", "verify"]);
    assert_eq!((&report["intact"], report["sm2"]["keys"].as_array().unwrap().len()), (&true.into(), 2), "{report}");
}

/// As the log's own key: what systemd does for `LoadCredentialEncrypted=`, with an encrypted file that is never decrypted here.
#[test]
fn an_sm2_key_that_comes_as_a_credential_signs_on_and_the_log_says_how_it_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let mut station = Station::running(WITH_SM2);
    until_covered(&mut station);
    station.stop();
    let (key, credentials, sealed) =
        (station.path("state/log.sm2.key"), station.path("credentials"), station.path("evidock-sm2-key"));
    let own = sm2_key(&station);
    fs::create_dir(&credentials).unwrap();
    fs::copy(&key, credentials.join("evidock-sm2-key")).unwrap();
    fs::set_permissions(credentials.join("evidock-sm2-key"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::write(&sealed, "Whxqht+dQJax1aZeCGLxmiAAAAABAAAADAAAABAAAADp1TNo+Rml2tjQ7rEA\n").unwrap();
    let more =
        format!("{WITH_SM2}sm2_key_credential = \"evidock-sm2-key\"\nsm2_key_sealed_file = \"{}\"\n", sealed.display());
    station.configure(&more);
    // Without the service manager there is none, and no new one is made.
    station.launch();
    assert!(!station.ended().success());
    assert!(station.log().contains("sm2_key_credential"), "{}", station.log());
    station.wrap(&["env", &format!("CREDENTIALS_DIRECTORY={}", credentials.display())]);
    // Whoever left the file where it was is told so.
    station.launch();
    assert!(!station.ended().success());
    assert!(station.log().contains("shred -u"), "{}", station.log());
    fs::remove_file(&key).unwrap();
    station.start();
    until_covered(&mut station);
    let report = station.json(["log", "verify"]);
    assert_eq!(
        (&report["intact"], &report["sm2"]["keys"][0]["protection"]),
        (&true.into(), &"host".into()),
        "{report}"
    );
    assert_eq!(sm2_key(&station), own);
    station.stop();
    for more in [&["--sm2", "--reason", "x"][..], &["--reason", "x"]] {
        let refused = station.evidock(["log", "rotate-key"].iter().chain(more));
        let words = support::station::text(&refused.stderr);
        assert!(refused.status.code() == Some(2) && words.contains("put the key back into log.sm2.key"), "{words}");
    }
    // Said once, as long as nothing changes; and again when it goes back into a file.
    station.start();
    station.stop();
    let told = "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'log.sm2_key' ORDER BY seq";
    assert_eq!(station.query(told, &[]).len(), 2);
    fs::copy(credentials.join("evidock-sm2-key"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    station.configure(WITH_SM2);
    station.start();
    let last = station.query(told, &[]).pop().unwrap();
    assert!(last[0].contains("\"what\":\"kept\"") && last[0].contains("\"protection\":\"file\""), "{last:?}");
    station.stop();
}
