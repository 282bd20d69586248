//! What others can tell about the log with their own tools: proofs and tiles are read by Go's checksum-database packages,
//! the arithmetic is compared with a second implementation, witnesses and a timestamp authority are real, and a database
//! that is rewritten with the box's own key is caught by what left the box.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

#[path = "../support/mod.rs"]
mod support;

mod arithmetic;
mod attack;
mod copies;
mod crash;
mod keys;
mod read_by_others;
mod sealings;
mod sm2;
mod timestamps;
mod tpm;
mod witness;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use evidock::custody::checkpoint::{Checkpoint, key_name};
use evidock::custody::epoch::{Head, Opening};
use evidock::custody::key::FileSigner;
use evidock::custody::note::VerifierKey;
use evidock::domain::event::{Place, encode};
use evidock::domain::ids::StationId;
use evidock::domain::merkle::{self, Frontier};
use support::station::{Station, dsj};

/// A checkpoint each second, so that nobody waits a minute.
pub const QUICK: &str = "[custody]\ncheckpoint_interval_s = 1\n";

/// A directory on another device than the stations' own: a destination there counts as off the box.
pub fn far() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let near = tempfile::tempdir().unwrap();
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    assert_ne!(device(dir.path()), device(near.path()), "/dev/shm must be a file system of its own");
    dir
}

/// Settings of a folder destination outside of the station's directory.
pub fn folder_at(name: &str, dir: &Path) -> String {
    format!("[[destination]]\nname = \"{name}\"\nkind = \"folder\"\ndir = \"{}\"\n", dir.display())
}

/// Takes `clips` short clips in; their ids.
pub fn take_in(station: &mut Station, clips: usize) -> Vec<String> {
    let card = station.card("a");
    for n in 0..clips {
        card.file(dsj("36NCC009910", &format!("0912{n:02}")), support::footage(20_000 + n, n as u64), 90);
    }
    station.dock("a");
    station.until_proven(clips as u64);
    (0..clips).map(|n| station.clip(format!("0912{n:02}.mp4"))).collect()
}

/// Waits until the newest checkpoint covers every event so far.
pub fn until_covered(station: &mut Station) {
    let size: i64 = station.one("SELECT max(seq) + 1 FROM log_entry", &[]).parse().unwrap();
    station.until("a checkpoint covers the log", |s| {
        !s.query("SELECT size FROM checkpoint WHERE size >= ?1", &[&size]).is_empty()
    });
}

/// What somebody with root and the key does to a stopped station: one event is changed, the tree is made again from
/// its leaves, and every checkpoint is signed anew. Nothing inside the box shows it.
pub fn rewrite_history(station: &Station, from: &str, to: &str) {
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    unlock(&db);
    let changed = db
        .execute(
            "UPDATE log_entry SET bytes = CAST(replace(CAST(bytes AS TEXT), ?1, ?2) AS BLOB) WHERE instr(CAST(bytes AS TEXT), ?1) > 0",
            [from, to],
        )
        .unwrap();
    assert!(changed > 0, "{from} stands in some event");
    sign_anew(station, &db);
}

/// Triggers stop accidents only.
fn unlock(db: &rusqlite::Connection) {
    let triggers = ["log_entry_stays", "log_entry_kept", "log_node_stays", "log_node_kept"];
    for trigger in triggers.into_iter().chain(["checkpoint_stays", "checkpoint_kept"]) {
        db.execute_batch(&format!("DROP TRIGGER IF EXISTS {trigger}")).unwrap();
    }
}

/// The proof that a station's log goes on from one checkpoint to another, as it gives it to whoever asks; base64.
pub fn way(station: &Station, old: &str, new: &str) -> Vec<String> {
    let (from, until) = (station.path("old.note"), station.path("new.note"));
    fs::write(&from, old).unwrap();
    fs::write(&until, new).unwrap();
    let args = ["log", "prove", "--from", from.to_str().unwrap(), "--until", until.to_str().unwrap()];
    let answer = station.json(args);
    answer["proof"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

/// The best way from one size to another that whoever has the box can make of its entries, whatever was kept elsewhere.
pub fn best_way(station: &Station, old: u64, new: u64) -> Vec<String> {
    let rows = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry ORDER BY seq", &[]);
    let mut tree = Frontier::default();
    let nodes = rows.concat().into_iter().flat_map(|entry| tree.push(merkle::leaf_hash(entry.as_bytes())));
    let nodes: HashMap<_, _> = nodes.map(|(level, index, hash)| ((level, index), hash)).collect();
    let way = merkle::consistency_proof(old, new, |level, index| Ok::<_, Infallible>(nodes[&(level, index)]));
    way.unwrap().unwrap().iter().map(|hash| BASE64.encode(hash)).collect()
}

/// Makes tree and checkpoints of a database anew with the box's own key.
pub fn sign_anew(station: &Station, db: &rusqlite::Connection) {
    let us = StationId::new("test-01").unwrap();
    let signer = FileSigner::open_or_create(&station.path("state/log.key"), &key_name(&us)).unwrap();
    db.execute_batch("DELETE FROM log_node").unwrap();
    let mut statement = db.prepare("SELECT bytes FROM log_entry ORDER BY seq").unwrap();
    let entries: Vec<Vec<u8>> = statement.query_map([], |r| r.get(0)).unwrap().map(Result::unwrap).collect();
    let (mut tree, mut roots) = (Frontier::default(), vec![]);
    for entry in &entries {
        for (level, index, hash) in tree.push(merkle::leaf_hash(entry)) {
            let insert = "INSERT INTO log_node (level, idx, hash) VALUES (?1, ?2, ?3)";
            db.execute(insert, rusqlite::params![level, index as i64, hash]).unwrap();
        }
        roots.push(tree.root());
    }
    let mut statement = db.prepare("SELECT checkpoint_id, epoch, size, made_ms FROM checkpoint").unwrap();
    let rows: Vec<(i64, u32, i64, i64)> = statement
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (id, epoch, size, made_ms) in rows {
        if size as usize > roots.len() {
            db.execute("DELETE FROM checkpoint WHERE checkpoint_id = ?1", [id]).unwrap();
            continue;
        }
        let root = roots[size as usize - 1];
        let note = Checkpoint::of(&us, epoch, size as u64, root).sign(&signer, made_ms).unwrap();
        let update = "UPDATE checkpoint SET root = ?2, note = ?3 WHERE checkpoint_id = ?1";
        db.execute(update, rusqlite::params![id, root, note]).unwrap();
    }
}

/// What the same person does in order to be rid of an epoch: the events from `kept` on go, and a second epoch begins there
/// that owns up to `lost`. [`rewrite_history`] or [`sign_anew`] must follow.
pub fn open_next_epoch(station: &Station, kept: u64, lost: Vec<Head>) {
    let us = StationId::new("test-01").unwrap();
    let signer = FileSigner::open_or_create(&station.path("state/log.key"), &key_name(&us)).unwrap();
    let db = rusqlite::Connection::open(station.path("state/evidock.db")).unwrap();
    db.execute_batch("PRAGMA foreign_keys = off").unwrap();
    unlock(&db);
    db.execute("DELETE FROM log_entry WHERE seq >= ?1", [kept as i64]).unwrap();
    db.execute("DELETE FROM log_secret WHERE seq >= ?1", [kept as i64]).unwrap();
    db.execute("DELETE FROM checkpoint WHERE size > ?1", [kept as i64]).unwrap();
    let wall_ms: i64 = db.query_row("SELECT max(wall_ms) FROM log_entry", [], |r| r.get(0)).unwrap();
    let place = Place { epoch: 2, seq: kept, wall_ms, boot: "another".into(), mono_ms: 0 };
    let opening = Opening::new(&us, &signer, lost).unwrap().draft();
    let (bytes, _) = encode(&opening, &place, || [0; 32]).unwrap();
    let insert = "INSERT INTO log_entry (seq, bytes, kind, wall_ms) VALUES (?1, ?2, 'epoch.opened', ?3)";
    db.execute(insert, rusqlite::params![kept as i64, bytes, wall_ms]).unwrap();
    db.execute("UPDATE station SET epoch = 2", []).unwrap();
    let insert = "INSERT INTO checkpoint (epoch, size, root, note, made_ms) VALUES (2, ?1, zeroblob(32), '', ?2)";
    db.execute(insert, [kept as i64 + 1, wall_ms]).unwrap();
}

/// The public key of a station.
pub fn key_of(station: &Station) -> VerifierKey {
    fs::read_to_string(station.path("state/log.key.pub")).unwrap().trim().parse().unwrap()
}
