//! Signing keys are changed: an event of its own, signed by the old key; what it signed before stays checkable.

use std::path::Path;

use super::support::oracle::oracle;
use super::*;

#[test]
fn a_key_is_changed_and_both_histories_stay_checkable() {
    let far = far();
    let mut station = Station::running(&format!("{QUICK}{}", folder_at("cloud", far.path())));
    let clips = take_in(&mut station, 1);
    let (_, error) = station.refused(1, ["log", "rotate-key", "--reason", "例行更换"]);
    assert!(error.contains("stop evidock first"), "{error}");
    until_covered(&mut station);
    station.stop();
    let old = key_of(&station);
    let old_private = fs::read(station.path("state/log.key")).unwrap();
    let answer = station.json(["log", "rotate-key", "--reason", "例行更换"]);
    let new = key_of(&station);
    assert_eq!((answer["old"].as_str(), answer["new"].as_str()), (Some(&*old.to_string()), Some(&*new.to_string())));
    assert_ne!(fs::read(station.path("state/log.key")).unwrap(), old_private, "the old key is gone");
    assert_eq!(fs::read_to_string(station.path("state/log.retired")).unwrap().trim(), old.to_string());

    station.start();
    station.json(["retry"]);
    until_covered(&mut station);
    station.until("everything is anchored", |s| s.status()["outbox"] == 0);
    let report = station.json(["log", "verify"]);
    assert!(report["intact"] == true && report["notices"]["counts"]["key_changed"] == 1, "{report}");
    // Others follow with the new key alone, from here on.
    station.json(["log", "prove", &clips[0], "--to", station.path("proofs").to_str().unwrap()]);
    let public = station.path("state/log.key.pub");
    oracle([Path::new("note"), &public, &station.path("proofs/checkpoint")]).unwrap();
    // The reason is not told in clear.
    let event = station.one("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'log.key'", &[]);
    assert!(!event.contains("例行更换") && event.contains("\"protection\":\"file\""), "{event}");

    // Somebody kept the old key and signs on with it.
    station.stop();
    let keep = fs::read(station.path("state/log.key")).unwrap();
    fs::remove_file(station.path("state/log.key.pub")).unwrap();
    fs::write(station.path("state/log.key"), old_private).unwrap();
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    for trigger in ["log_node_stays", "log_node_kept", "checkpoint_stays", "checkpoint_kept"] {
        db.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    sign_anew(&station, &db);
    drop(db);
    fs::remove_file(station.path("state/log.key.pub")).unwrap();
    fs::write(station.path("state/log.key"), keep).unwrap();
    fs::write(station.path("state/log.key.pub"), format!("{new}\n")).unwrap();
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert!(report["problems"]["counts"]["retired_key"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_change_that_was_cut_off_comes_to_its_end_or_never_began() {
    let mut station = Station::running(QUICK);
    until_covered(&mut station);
    station.stop();
    // Only the next key was made: as if nothing had been.
    let old = key_of(&station);
    let next = FileSigner::create_next(&station.path("state/log.key"), "evidock/test-01").unwrap();
    station.start();
    assert!(!station.path("state/log.key.next").exists());
    assert_eq!(key_of(&station), old);
    station.stop();
    drop(next);
    // The log says that it happened, and nothing after that was done.
    let state = station.path("state");
    let kept: Vec<(String, Vec<u8>)> =
        ["log.key", "log.key.pub"].iter().map(|n| ((*n).to_owned(), fs::read(state.join(n)).unwrap())).collect();
    station.json(["log", "rotate-key", "--reason", "x"]);
    let new = key_of(&station);
    fs::rename(state.join("log.key"), state.join("log.key.next")).unwrap();
    fs::remove_file(state.join("log.retired")).unwrap();
    for (name, bytes) in kept {
        fs::write(state.join(&name), bytes).unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(state.join(&name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    station.start();
    assert_eq!(key_of(&station), new);
    assert_eq!(fs::read_to_string(state.join("log.retired")).unwrap().trim(), old.to_string());
    until_covered(&mut station);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

/// What systemd does for `LoadCredentialEncrypted=`: a directory of its own with the decrypted key, named in the environment.
/// The encrypted file beside it is what systemd-creds wrote with `--with-key=host`, cut short: it is never decrypted here.
#[test]
fn a_key_that_comes_as_a_credential_signs_on_and_the_log_says_how_it_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let mut station = Station::running(QUICK);
    until_covered(&mut station);
    station.stop();
    let (key, credentials, sealed) =
        (station.path("state/log.key"), station.path("credentials"), station.path("evidock-log-key"));
    let public = key_of(&station);
    fs::create_dir(&credentials).unwrap();
    fs::copy(&key, credentials.join("evidock-log-key")).unwrap();
    fs::set_permissions(credentials.join("evidock-log-key"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::write(&sealed, "Whxqht+dQJax1aZeCGLxmiAAAAABAAAADAAAABAAAADp1TNo+Rml2tjQ7rEA\n").unwrap();
    let more = format!("{QUICK}key_credential = \"evidock-log-key\"\nkey_sealed_file = \"{}\"\n", sealed.display());
    station.configure(&more);

    // Without the service manager there is none, and no new one is made.
    station.launch();
    assert!(!station.ended().success());
    assert!(station.log().contains("LoadCredentialEncrypted"), "{}", station.log());
    // Whoever left the file where it was is told so.
    station.wrap(&["env", &format!("CREDENTIALS_DIRECTORY={}", credentials.display())]);
    station.launch();
    assert!(!station.ended().success());
    assert!(station.log().contains("shred -u"), "{}", station.log());
    fs::remove_file(&key).unwrap();
    station.start();
    until_covered(&mut station);
    let told = "SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'log.key_protection'";
    let event = station.one(told, &[]);
    assert!(event.contains("\"protection\":\"host\"") && event.contains(&public.to_string()), "{event}");
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    let (_, error) = station.refused(2, ["log", "rotate-key", "--reason", "x"]);
    assert!(error.contains("put the key back into log.key"), "{error}");
    station.stop();
    // Said once, as long as nothing changes; and again when it goes back into a file.
    station.start();
    station.stop();
    assert_eq!(station.query(told, &[]).len(), 1);
    fs::copy(credentials.join("evidock-log-key"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    station.configure(QUICK);
    station.start();
    let last = station.query(told, &[]).pop().unwrap();
    assert!(last[0].contains("\"protection\":\"file\""), "{last:?}");
    assert_eq!(key_of(&station), public);
    station.stop();
}
