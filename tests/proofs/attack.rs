//! Root on the box, with its key: the database is rewritten so that nothing in it shows anything. What left the box does:
//! the bucket's checkpoints, and the witness.

use super::witness::{pair, until_cosigned};
use super::*;

const SEALED: &str = "\"kind\":\"clip.sealed\",\"actor\":{\"kind\":\"daemon\",\"id\":\"evidock\"}";
const FORGED: &str = "\"kind\":\"clip.sealed\",\"actor\":{\"kind\":\"daemon\",\"id\":\"evidocK\"}";

#[test]
fn the_bucket_s_checkpoints_tell() {
    let far = far();
    let settings = format!("{QUICK}{}", folder_at("cloud", far.path()));
    let mut station = Station::running(&settings);
    take_in(&mut station, 2);
    until_covered(&mut station);
    station.until("the checkpoints are anchored", |s| s.status()["outbox"] == 0);
    station.stop();
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    rewrite_history(&station, SEALED, FORGED);

    let (report, _) = station.refused(4, ["log", "verify"]);
    let told = report["problems"]["counts"].as_object().unwrap();
    assert!(told.contains_key("other_root"), "{report}");
    assert!(report["problems"].to_string().contains("anchor cloud"), "{report}");

    // The limit, said plainly: with nothing off the box nothing is found.
    station.configure(QUICK);
    std::fs::remove_dir_all(station.path("state/cloud")).ok();
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

#[test]
fn the_witness_tells_and_the_daemon_says_so() {
    let (mut log, witness) = pair("");
    take_in(&mut log, 2);
    until_covered(&mut log);
    until_cosigned(&mut log);
    log.stop();
    assert_eq!(log.json(["log", "verify"])["intact"], true);
    let before = witness.one("SELECT max(size) FROM witnessed", &[]);
    rewrite_history(&log, SEALED, FORGED);
    let (report, _) = log.refused(4, ["log", "verify"]);
    assert!(report["witness_problems"][0].as_str().unwrap().contains("refuses this log"), "{report}");

    // Whoever starts the station on it hears of it, and so does the log.
    log.start();
    log.until("the daemon says that the witness refuses", |s| s.log().contains("knows another history of this log"));
    log.until("the refusal is an event", |s| {
        !s.query("SELECT seq FROM log_entry WHERE kind = 'log.witness_refused'", &[]).is_empty()
    });
    assert_eq!(witness.one("SELECT max(size) FROM witnessed", &[]), before, "nothing of it was signed");
}

#[test]
fn an_older_database_that_is_put_back_is_seen_by_the_witness() {
    let (mut log, _witness) = pair("");
    take_in(&mut log, 1);
    until_covered(&mut log);
    log.stop();
    let old = std::fs::read(log.path("state/evidock.db")).unwrap();
    log.start();
    log.json(["retry"]);
    until_covered(&mut log);
    until_cosigned(&mut log);
    log.stop();
    std::fs::write(log.path("state/evidock.db"), old).unwrap();
    let (report, _) = log.refused(4, ["log", "verify"]);
    let told = report["witness_problems"][0].as_str().unwrap();
    assert!(told.contains("tail was cut off, or an older database put back"), "{told}");
}

/// The other side of the same coin: while the daemon goes on showing newer checkpoints, nobody is accused.
#[test]
fn looking_while_the_log_grows_accuses_nobody() {
    let (mut log, _witness) = pair("");
    until_cosigned(&mut log);
    for _ in 0..8 {
        log.json(["checkpoint"]);
        let report = log.json(["log", "verify"]);
        assert_eq!(
            (&report["intact"], &report["witness_problems"]),
            (&true.into(), &serde_json::json!([])),
            "{report}"
        );
    }
    let refused = log.query("SELECT seq FROM log_entry WHERE kind = 'log.witness_refused'", &[]);
    assert!(refused.is_empty(), "{refused:?}");
}

/// Two histories, each signed with the box's own key: the witness has signed one of them, and signs no other.
#[test]
fn a_second_history_is_never_cosigned() {
    let (mut log, witness) = pair("");
    take_in(&mut log, 1);
    until_covered(&mut log);
    until_cosigned(&mut log);
    log.stop();
    rewrite_history(&log, SEALED, FORGED);
    let rows = log.query("SELECT size, note FROM checkpoint ORDER BY checkpoint_id", &[]);
    let seen: u64 = witness.one("SELECT size FROM witnessed", &[]).parse().unwrap();
    for row in &rows {
        for old in [0, row[0].parse::<u64>().unwrap(), seen] {
            let answer = super::witness::post(&witness, &format!("old {old}\n\n{}", row[1]));
            assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
}
