//! Root changes what stands beside the entries of the log, so that an event is found by nobody. Every byte that is hashed and
//! every signature is as it was.

use rusqlite::{Connection, ToSql};
use serde_json::{Value, json};

use super::*;

const CASE: &str = "赵卫罚〔2026〕12号";

fn change(station: &Station, sql: &str, values: &[&dyn ToSql]) {
    let db = Connection::open(station.path("state/evidock.db")).unwrap();
    unlock(&db);
    assert!(db.execute(sql, values).unwrap() > 0, "{sql}");
}

fn is_told(report: &Value, seq: &str, columns: &str) {
    assert_eq!(report["problems"]["counts"], json!({ "other_copy": 1 }), "{report}");
    let told = &report["problems"]["listed"][0];
    assert_eq!((&told["seq"].to_string()[..], &told["columns"]), (seq, &columns.into()), "{report}");
}

#[test]
fn an_event_that_is_hidden_from_every_search_is_found() {
    let mut station = Station::running(QUICK);
    let clips = take_in(&mut station, 2);
    station.json(["link", &clips[0], CASE]);
    until_covered(&mut station);
    station.stop();
    assert_eq!(station.json(["log", "verify"])["intact"], true);

    // From packages, proofs and pages.
    let linked = "SELECT seq, clip_id, case_hash FROM log_entry WHERE kind = 'clip.linked'";
    let row = station.query(linked, &[]).remove(0);
    change(&station, "UPDATE log_entry SET clip_id = NULL, case_hash = NULL WHERE seq = ?1", &[&row[0]]);
    let (report, _) = station.refused(4, ["log", "verify"]);
    is_told(&report, &row[0], "clip_id, case_hash");
    let back = "UPDATE log_entry SET clip_id = ?2, case_hash = ?3 WHERE seq = ?1";
    change(&station, back, &[&row[0], &row[1], &row[2]]);
    assert_eq!(station.json(["log", "verify"])["intact"], true);

    // The opening of the epoch, by which it is known what to compare with: it is known all the same.
    change(&station, "UPDATE log_entry SET kind = 'x' WHERE kind = 'epoch.opened'", &[]);
    let (report, _) = station.refused(4, ["log", "verify"]);
    is_told(&report, "0", "kind");
    assert_eq!(report["epoch_problem"], Value::Null, "{report}");
    change(&station, "UPDATE log_entry SET kind = 'epoch.opened' WHERE kind = 'x'", &[]);

    // An event of another clip that is to pass for one of this: no package is made of it.
    let sealed = "SELECT seq FROM log_entry WHERE kind = 'clip.sealed' AND clip_id = ?1";
    let seq = station.one(sealed, &[&clips[1]]);
    change(&station, "UPDATE log_entry SET clip_id = ?2 WHERE seq = ?1", &[&seq, &clips[0]]);
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert_eq!(report["problems"]["counts"], json!({ "other_copy": 1 }), "{report}");
    station.start();
    let to = station.path("out");
    let args =
        ["export", "--case", CASE, "--to", to.to_str().unwrap(), "--reason", "行政诉讼举证", "--basis", "调取函"];
    let (_, error) = station.refused(1, args);
    assert!(error.contains("log verify") && error.contains(&seq), "{error}");
}
