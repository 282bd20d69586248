//! Root changes a clip everywhere but in the log: its file, its row, its record, the copy that nothing locks. The tree is
//! whole, and the copies agree with one another; what was sealed says the log alone.

use super::support::station::{digests, files_below, flip};
use super::*;

#[test]
fn a_clip_that_was_changed_everywhere_but_in_the_log_is_found() {
    let far = far();
    let mut station = Station::running(&format!("{QUICK}{}", folder_at("cloud", far.path())));
    let clips = take_in(&mut station, 2);
    until_covered(&mut station);
    for told in station.json(["verify", "--all", "--remote"]).as_array().unwrap() {
        let said =
            [&told["log"], &told["local"], &told["record"], &told["copies"][0]["record"], &told["copies"][0]["result"]];
        assert!(said.iter().all(|word| **word == "same") && told["ok"] == true, "{told}");
    }
    let report = station.json(["log", "verify"]);
    assert_eq!((&report["clips"], &report["clip_problem_count"]), (&2.into(), &0.into()), "{report}");
    station.stop();

    let clip = &clips[0];
    let file = station.in_vault(clip).unwrap();
    let (old_blake3, old_sha256, _) = digests(&file);
    let copies: Vec<_> =
        files_below(far.path()).into_iter().filter(|f| f.ends_with(format!("{clip}/master"))).collect();
    assert_eq!(copies.len(), 1, "{:?}", files_below(far.path()));
    for file in [&file, &copies[0]] {
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        flip(file, 5_000);
    }
    let (blake3, sha256, _) = digests(&file);
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute_batch("DROP TRIGGER digest_stays").unwrap();
    let changed = |sql: &str, values: &[&dyn rusqlite::ToSql]| assert!(db.execute(sql, values).unwrap() > 0, "{sql}");
    changed("UPDATE clip SET blake3 = unhex(?2), sha256 = unhex(?3) WHERE clip_id = ?1", &[clip, &blake3, &sha256]);
    changed("UPDATE clip_part SET sha256 = unhex(?2) WHERE clip_id = ?1", &[clip, &sha256]);
    changed(
        "UPDATE record_rev SET json = CAST(replace(replace(CAST(json AS TEXT), ?2, ?3), ?4, ?5) AS BLOB) WHERE clip_id = ?1",
        &[clip, &old_blake3, &blake3, &old_sha256, &sha256],
    );
    drop(db);

    let (report, _) = station.refused(4, ["log", "verify"]);
    assert_eq!(report["intact"], false, "{report}");
    assert!(report["problems"]["counts"].as_object().unwrap().is_empty(), "the tree is whole: {report}");
    assert!(report["clip_problems"][0].as_str().unwrap().contains(clip.as_str()), "{report}");
    station.start();
    let (verified, _) = station.refused(4, ["verify", clip, "--remote"]);
    let told = &verified[0];
    let said = [&told["log"], &told["local"], &told["record"], &told["copies"][0]["result"]];
    assert!(said.iter().all(|word| **word == "differs") && told["ok"] == false, "{told}");
    // Nobody is accused with it.
    let other = station.json(["verify", &clips[1], "--remote"]);
    assert_eq!(other[0]["ok"], true, "{other}");
    let events = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.verify'", &[]);
    assert!(events.iter().any(|row| row[0].contains("\"log\":\"differs\"")), "{events:?}");

    // A clip that is taken out of the database altogether is missed, too.
    station.stop();
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute_batch("PRAGMA foreign_keys = off").unwrap();
    db.execute("DELETE FROM clip WHERE clip_id = ?1", [&clips[1]]).unwrap();
    drop(db);
    let (report, _) = station.refused(4, ["log", "verify"]);
    let told = report["clip_problems"].as_array().unwrap();
    assert!(told.iter().any(|t| t.as_str().unwrap().contains("the database has no such clip")), "{report}");
}
