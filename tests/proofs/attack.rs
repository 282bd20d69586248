//! Root on the box, with its key: the database is rewritten so that nothing in it shows anything. What left the box does:
//! the bucket's checkpoints, and the witness.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use evidock::deliver::s3::S3Destination;
use evidock::domain::ports::Destination;

use super::support::oracle::oracle;
use super::support::station::s3;
use super::support::tsa::Tsa;
use super::support::weed::Weed;
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
    let honest = station.json(["log", "verify"]);
    assert!(honest["intact"] == true && honest["anchored_size"].as_u64() > Some(0), "{honest}");
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

/// A head of the log as somebody is shown it.
struct Head {
    size: u64,
    root: String,
    note: String,
}

/// The newest one of a station.
fn newest(station: &Station) -> Head {
    let newest = "SELECT size, lower(hex(root)), note FROM checkpoint ORDER BY checkpoint_id DESC LIMIT 1";
    let row = station.query(newest, &[]).remove(0);
    let root = BASE64.encode(evidock::domain::digest::from_hex(&row[1]).unwrap());
    Head { size: row[0].parse().unwrap(), root, note: row[2].clone() }
}

/// Whether Go finds that the box's own key has signed a head.
fn is_signed(station: &Station, head: &Head) -> bool {
    let note = station.path("shown");
    fs::write(&note, &head.note).unwrap();
    oracle([Path::new("note"), &station.path("state/log.key.pub"), &note]).is_ok()
}

/// What `evidock log prove` says of a head that somebody kept, up to the newest: whether it has a proof, and then Go takes it.
fn is_proven(station: &Station, kept: &Head) -> bool {
    let (path, to) = (station.path("kept.note"), station.path("way"));
    fs::write(&path, &kept.note).unwrap();
    let args = ["log", "prove", "--from", path.to_str().unwrap(), "--to", to.to_str().unwrap(), "--json"];
    let output = station.evidock(args);
    if output.status.success() {
        oracle([Path::new("goes-on"), &station.path("state/log.key.pub"), &path, &to.join("consistency")]).unwrap();
        return true;
    }
    let why = super::support::station::text(&output.stderr);
    assert!(output.status.code() == Some(4) && why.contains("does not go on from"), "{why}");
    false
}

/// Whether Go finds that `new` goes on from `old`, with the best proof that can be made of the station's entries.
fn goes_on(station: &Station, old: &Head, new: &Head) -> bool {
    let proof = if old.size <= new.size { best_way(station, old.size, new.size) } else { Vec::new() };
    let heads = [format!("{}:{}", old.size, old.root), format!("{}:{}", new.size, new.root)];
    oracle(["consistency".to_owned()].into_iter().chain(heads).chain(proof)).is_ok()
}

/// What each of these shows is signed with the box's own key and whole in itself; that it does not go on from what left the
/// box is found by whoever kept that, with nothing of ours.
#[test]
fn go_refuses_what_does_not_go_on_from_an_anchor() {
    let far = far();
    let mut station = Station::running(&format!("{QUICK}{}", folder_at("cloud", far.path())));
    let grow = |station: &mut Station| {
        station.json(["retry"]);
        until_covered(station);
        station.until("the checkpoints are anchored", |s| s.status()["outbox"] == 0);
    };
    take_in(&mut station, 1);
    grow(&mut station);
    station.stop();
    let (early, database) = (newest(&station), fs::read(station.path("state/evidock.db")).unwrap());
    station.start();
    grow(&mut station);
    station.stop();
    let mut kept = newest(&station);
    station.start();
    station.until("the checkpoint of the stop is anchored", |s| s.status()["outbox"] == 0);
    let anchor = far.path().join(format!("v1/test-01/log/checkpoint/0001/{:012}", kept.size));
    kept.note = fs::read_to_string(anchor).unwrap();
    assert!(kept.size > early.size && is_signed(&station, &kept));
    grow(&mut station);
    station.stop();
    let honest = newest(&station);
    assert!(honest.size > kept.size && is_signed(&station, &honest) && goes_on(&station, &kept, &honest));
    assert!(is_proven(&station, &kept) && is_proven(&station, &early));

    // An older checkpoint, validly signed, put back in the place of the newest.
    assert!(is_signed(&station, &early) && !goes_on(&station, &kept, &early));

    // Two histories signed with the box's own key.
    rewrite_history(&station, SEALED, FORGED);
    let forged = newest(&station);
    assert!(forged.size == honest.size && forged.root != honest.root);
    assert!(is_signed(&station, &forged) && !goes_on(&station, &kept, &forged) && !is_proven(&station, &kept));

    // The database restored without a new epoch, and gone on with.
    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(station.path(format!("state/evidock.db{ending}")));
    }
    fs::write(station.path("state/evidock.db"), database).unwrap();
    station.start();
    while newest(&station).size <= kept.size {
        station.json(["retry"]);
        until_covered(&mut station);
    }
    station.stop();
    let restored = newest(&station);
    assert!(restored.note.starts_with("evidock/test-01/1\n") && is_signed(&station, &restored));
    assert!(!goes_on(&station, &kept, &restored) && !is_proven(&station, &kept));
}

/// What stands at the destination, as whoever has the box reads it, too.
fn anchored(far: &Path) -> Vec<super::Head> {
    let files = super::support::station::files_below(&far.join("v1/test-01/log/checkpoint/0001"));
    let mut heads: Vec<super::Head> = files
        .iter()
        .map(|file| {
            let note = fs::read_to_string(file).unwrap();
            let mut lines = note.lines().skip(1);
            let size = lines.next().unwrap().parse().unwrap();
            let root = BASE64.decode(lines.next().unwrap()).unwrap().try_into().unwrap();
            super::Head { epoch: 1, size, root }
        })
        .collect();
    heads.sort_by_key(|head| head.size);
    heads
}

/// A station without clips whose checkpoints are anchored, stopped; and a second epoch that its owner wrote into it, which
/// keeps what the first of them covers, and says this of the others.
fn rid_of_an_epoch(lost: impl Fn(&[super::Head]) -> Vec<super::Head>) -> (Station, tempfile::TempDir) {
    let far = far();
    let mut station = Station::running(&format!("{QUICK}{}", folder_at("cloud", far.path())));
    while anchored(far.path()).len() < 4 {
        station.json(["retry"]);
        until_covered(&mut station);
        station.until("the checkpoints are anchored", |s| s.status()["outbox"] == 0);
    }
    station.stop();
    let heads = anchored(far.path());
    open_next_epoch(&station, heads[0].size, lost(&heads[1..]));
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    sign_anew(&station, &db);
    (station, far)
}

#[test]
fn an_epoch_that_owns_up_to_more_than_anybody_saw_is_rid_of_nothing() {
    let all = super::Head { epoch: 1, size: 1_000_000_000_000, root: [5; 32] };
    let (mut station, _far) = rid_of_an_epoch(|_| vec![all]);
    let (report, _) = station.refused(4, ["log", "verify"]);
    let told = report["problems"]["counts"].as_object().unwrap();
    assert!(told["undeclared_loss"].as_u64() >= Some(3) && told["unheld_loss"] == 1 && told.len() == 2, "{report}");
    let (report, _) = station.refused(4, ["log", "verify", "--accept-epoch", "2"]);
    assert_eq!(report["verdict"], "not_intact", "{report}");
    // The daemon that goes on with it hears of it.
    station.start();
    station.until("the daemon says so", |s| s.log().contains("log_epoch"));
}

/// Owning up to exactly what stands there, it looks as a restore does. It is not called intact all the same, and the daemon says
/// that none began it here.
#[test]
fn an_epoch_that_owns_up_to_all_of_it_is_no_restore_to_whoever_knows_of_none() {
    let (mut station, _far) = rid_of_an_epoch(|heads| heads.to_vec());
    let (report, _) = station.refused(7, ["log", "verify"]);
    assert_eq!((&report["intact"], &report["verdict"]), (&false.into(), &"loss".into()), "{report}");
    assert_eq!(report["problems"]["counts"], serde_json::json!({}), "{report}");
    assert!(report["losses"][0]["lost"].as_u64() > Some(0), "{report}");
    let words = super::support::station::text(&station.evidock(["log", "verify"]).stdout);
    assert!(words.contains("LOSS: epoch 2") && !words.contains("Intact"), "{words}");
    assert_eq!(station.json(["log", "verify", "--accept-epoch", "2"])["intact"], true);
    station.start();
    station.until("the daemon says so", |s| s.log().contains("log_epoch"));
}

/// A lock keeps a version and not its key: whoever has the box's keys puts the new history over the old one, or hides it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_written_over_in_a_locked_bucket_tells() {
    let weed = Weed::start().await;
    weed.make_locking_bucket("anchors").await;
    let mut station = Station::new("");
    let endpoint = format!("http://{}", weed.address());
    let settings = format!("{QUICK}{}", s3(&station, "cloud", &endpoint, "anchors", Weed::keys()));
    station.configure(&settings);
    station.start();
    take_in(&mut station, 2);
    until_covered(&mut station);
    station.until("the checkpoints are anchored", |s| s.status()["outbox"] == 0);
    station.stop();
    let honest = station.json(["log", "verify"]);
    assert_eq!((&honest["intact"], &honest["warnings"]), (&true.into(), &serde_json::json!([])), "{honest}");
    rewrite_history(&station, SEALED, FORGED);

    let dest = S3Destination::new(weed.options("anchors")).unwrap();
    let mut over = Vec::new();
    let newest = "SELECT epoch, size, note, max(checkpoint_id) FROM checkpoint GROUP BY epoch, size ORDER BY size";
    for row in station.query(newest, &[]) {
        let key = format!("v1/test-01/log/checkpoint/{:0>4}/{:0>12}", row[0], row[1]);
        if dest.head(&key).await.unwrap().is_some() {
            over.push((key, row[2].clone()));
        }
    }
    assert!(!over.is_empty());
    let locked = dest.head(&over[0].0).await.unwrap().unwrap().locked_until.expect("a lock on a checkpoint").0;
    let made: i64 = station.one("SELECT min(made_ms) FROM checkpoint", &[]).parse().unwrap();
    assert!(locked - made > 9 * 365 * 86_400_000, "{} days", (locked - made) / 86_400_000);
    for (key, note) in &over {
        let put = weed.request("PUT", &format!("/anchors/{key}"), &[], Bytes::from(note.clone())).await;
        assert_eq!(put.0, 200, "{}", put.1);
    }
    // What a plain read gives is the new history alone.
    let (key, note) = &over[0];
    assert_eq!(dest.head(key).await.unwrap().unwrap().size_bytes, note.len() as u64);
    let (_, read) = weed.request("GET", &format!("/anchors/{key}"), &[], Bytes::new()).await;
    assert_eq!(&read, note);

    let (report, _) = station.refused(4, ["log", "verify"]);
    let told = report["problems"]["counts"].as_object().unwrap();
    assert!(told.contains_key("two_histories") && told.contains_key("other_root"), "{report}");
    assert!(report["problems"].to_string().contains("anchor cloud"), "{report}");
    assert!(report["warnings"].to_string().contains("written more than once"), "{report}");

    // Hidden instead: deleting without a version leaves what is locked where it is.
    for (key, _) in &over {
        let (status, body) = weed.request("DELETE", &format!("/anchors/{key}"), &[], Bytes::new()).await;
        assert!(matches!(status, 200 | 204), "{body}");
    }
    assert!(dest.head(&over[0].0).await.unwrap().is_none());
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert!(report["problems"]["counts"].to_string().contains("two_histories"), "{report}");
    assert!(report["warnings"].to_string().contains("were deleted at cloud"), "{report}");

    // And the daemon that goes on with it hears of it.
    station.start();
    station.until("the daemon says so", |s| s.log().contains("log_forked"));
}

/// Whoever may delete at the destination leaves no checkpoint there: what an authority stamped is of a head that the new
/// history does not have.
#[test]
fn a_timestamp_tells_where_no_checkpoint_is_left() {
    let (tsa, far) = (Tsa::start(), far());
    let settings = format!("{QUICK}[custody.timestamp]\nurl = \"{}\"\n{}", tsa.url(), folder_at("cloud", far.path()));
    let mut station = Station::running(&settings);
    station.until("a timestamp is there", |s| !s.query("SELECT size FROM timestamp", &[]).is_empty());
    take_in(&mut station, 1);
    until_covered(&mut station);
    station.until("everything is anchored", |s| s.status()["outbox"] == 0);
    station.stop();
    let honest = station.json(["log", "verify"]);
    let size: u64 = station.one("SELECT size FROM timestamp", &[]).parse().unwrap();
    assert_eq!((&honest["intact"], &honest["warnings"]), (&true.into(), &serde_json::json!([])), "{honest}");
    // In the database, and as it stands at the destination.
    assert_eq!((&honest["timestamps"], &honest["stamped_size"]), (&2.into(), &size.into()), "{honest}");

    // Every event of the daemon, the first one among them.
    rewrite_history(&station, "\"id\":\"evidock\"", "\"id\":\"evidocK\"");
    std::fs::remove_dir_all(far.path().join("v1/test-01/log/checkpoint")).unwrap();
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert_eq!(report["problems"]["counts"], serde_json::json!({ "other_timestamp": 2 }), "{report}");
    let holders: Vec<_> =
        report["problems"]["listed"].as_array().unwrap().iter().map(|problem| problem["held_by"].clone()).collect();
    assert_eq!(holders, ["the database", "anchor cloud"], "{report}");

    // So does a tail that was cut off below it.
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute_batch("PRAGMA foreign_keys = off; DROP TRIGGER IF EXISTS log_entry_kept").unwrap();
    db.execute("DELETE FROM log_entry WHERE seq >= ?1", [size as i64 - 1]).unwrap();
    sign_anew(&station, &db);
    drop(db);
    let (report, _) = station.refused(4, ["log", "verify"]);
    assert_eq!(report["problems"]["counts"]["lost_timestamp"], 2, "{report}");
}

#[test]
fn the_witness_tells_and_the_daemon_says_so() {
    let (mut log, mut witness) = pair("");
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
    // So does whoever watches: in its log once, with what was shown, and as an alarm about that log.
    witness.until("the watching station has an alarm", |s| standing(s, "watched_rewritten"));
    let events = witness.query("SELECT seq FROM log_entry WHERE kind = 'log.watch_refused'", &[]);
    assert_eq!(events.len(), 1, "however often it is shown");
    let shown = witness.one("SELECT note FROM watched WHERE refused_ms IS NOT NULL", &[]);
    assert!(shown.starts_with("evidock/test-01/1\n"), "{shown}");
}

/// Whether an alarm about the first station's log stands.
fn standing(station: &Station, code: &str) -> bool {
    let alarms = station.json(["alarm", "list"])["standing"].clone();
    let is_it = |alarm: &serde_json::Value| alarm["code"] == code && alarm["about"].to_string().contains("test-01");
    alarms.as_array().unwrap().iter().any(is_it)
}

/// A witness begins with a new epoch at nothing, as it must after a restore; what it signed of the one before is asked for.
fn a_new_epoch(cut: bool) -> serde_json::Value {
    let (mut log, mut witness) = pair("");
    take_in(&mut log, 2);
    until_covered(&mut log);
    until_cosigned(&mut log);
    log.stop();
    assert_eq!(log.json(["log", "verify"])["intact"], true);
    let size: u64 = log.one("SELECT max(seq) + 1 FROM log_entry", &[]).parse().unwrap();
    let seen: u64 = witness.one("SELECT max(size) FROM witnessed", &[]).parse().unwrap();
    // Below what the witness has signed, or with all of it told anew.
    open_next_epoch(&log, if cut { seen - 1 } else { size }, Vec::new());
    rewrite_history(&log, SEALED, FORGED);
    fs::remove_dir_all(log.path("state/cloud")).unwrap();
    let (report, _) = log.refused(4, ["log", "verify"]);
    assert_eq!(report["witness_problems"], serde_json::json!([]), "it signs the new epoch: {report}");
    let signed = witness.query("SELECT origin FROM witnessed ORDER BY origin", &[]);
    assert_eq!(signed, [["evidock/test-01/1"], ["evidock/test-01/2"]]);
    // Whoever watches hears of it.
    witness.until("the watching station has an alarm", |s| standing(s, "watched_epoch"));
    assert_eq!(witness.query("SELECT seq FROM log_entry WHERE kind = 'log.watch_epoch'", &[]).len(), 1);
    report
}

#[test]
fn a_new_epoch_over_a_rewritten_one_is_seen_by_what_the_witness_signed_of_it() {
    let report = a_new_epoch(false);
    let told = report["problems"]["counts"].as_object().unwrap();
    assert!(told["other_root"] == 1 && told.contains_key("two_histories") && told.len() == 2, "{report}");
    assert!(report["problems"]["listed"].to_string().contains("anchor witness two"), "{report}");
}

#[test]
fn a_new_epoch_that_hides_a_loss_is_seen_by_what_the_witness_signed() {
    let report = a_new_epoch(true);
    assert_eq!(report["problems"]["counts"], serde_json::json!({ "undeclared_loss": 1 }), "{report}");
    assert_eq!(report["problems"]["listed"][0]["held_by"], "anchor witness two", "{report}");
}

/// The whole log under another key, its own text about the key included: the witness knows the log under the old one.
#[test]
fn a_swapped_key_is_seen_by_the_witness() {
    let (mut log, _witness) = pair("");
    take_in(&mut log, 2);
    until_covered(&mut log);
    until_cosigned(&mut log);
    log.stop();
    let old = key_of(&log);
    fs::remove_file(log.path("state/log.key")).unwrap();
    fs::remove_file(log.path("state/log.key.pub")).unwrap();
    let us = StationId::new("test-01").unwrap();
    FileSigner::open_or_create(&log.path("state/log.key"), &key_name(&us)).unwrap();
    rewrite_history(&log, &old.to_string(), &key_of(&log).to_string());
    fs::remove_dir_all(log.path("state/cloud")).unwrap();
    let (report, _) = log.refused(4, ["log", "verify"]);
    let told = report["witness_problems"][0].as_str().unwrap();
    assert!(told.contains("not under the key that signs it (status 403)"), "{told}");
    assert_eq!(report["problems"]["counts"], serde_json::json!({ "untrusted_signer": 1 }), "{report}");
    // The daemon that goes on so says it.
    log.start();
    log.until("the daemon says so", |s| s.log().contains("witness_unknown"));
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
