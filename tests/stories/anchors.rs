//! What a restore puts at a destination is kept there as everything of the log is.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::fs;

use evidock::deliver::s3::S3Destination;
use evidock::domain::ids::StationId;
use evidock::domain::layout;
use evidock::domain::ports::Destination;
use evidock::runtime::clock::wall;
use support::footage;
use support::station::{Station, dsj, s3, text};
use support::weed::Weed;

const DAY_MS: i64 = 86_400_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_restore_puts_into_a_bucket_is_locked_like_other_checkpoints() {
    let weed = Weed::start().await;
    weed.make_locking_bucket("restored").await;
    let mut station = Station::new("");
    let endpoint = format!("http://{}", weed.address());
    station.configure(&s3(&station, "cloud", &endpoint, "restored", Weed::keys()));
    station.start();
    station.card("a").file(dsj("36NCC009910", "091200"), footage(50_000, 1), 90);
    station.dock("a");
    station.until_proven(1);
    station.json(["checkpoint"]);
    station.until("the checkpoints are anchored", |s| s.status()["outbox"] == 0);
    fs::copy(station.path("state/log.key.pub"), station.path("kept.pub")).unwrap();
    station.kill();
    fs::rename(station.path("state"), station.path("dead")).unwrap();

    let args = ["restore", "--from", "cloud", "--without-backup", "--trust", "kept.pub", "--json"];
    let output = station.evidock(args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Before any daemon runs: the claim of the epoch, and the checkpoint that shows how far the log reaches.
    let dest = S3Destination::new(weed.options("restored")).unwrap();
    let us = StationId::new("test-01").unwrap();
    let checkpoints = format!("{}0002/", layout::checkpoint_prefix(&us));
    let checkpoints = dest.list(&checkpoints, None).await.unwrap();
    assert_eq!(checkpoints.len(), 1, "{checkpoints:?}");
    let mut locked = Vec::new();
    for key in checkpoints.iter().cloned().chain([layout::epoch_claim(&us, 2)]) {
        let until = dest.head(&key).await.unwrap().unwrap().locked_until;
        let until = until.unwrap_or_else(|| panic!("{key} is not locked"));
        assert!(until.0 - wall().0 > 9 * 365 * DAY_MS, "{key}: {} days", (until.0 - wall().0) / DAY_MS);
        locked.push((key, until));
    }

    // The daemon brings the same once more, and leaves the locks as they are.
    station.start();
    station.until("the new epoch is anchored", |s| s.status()["outbox"] == 0);
    assert_eq!(station.one("SELECT count(*) FROM outbox WHERE error IS NOT NULL", &[]), "0");
    for (key, until) in locked {
        assert_eq!(dest.head(&key).await.unwrap().unwrap().locked_until, Some(until), "{key}");
    }
    let log = station.json(["log", "verify", "--accept-epoch", "2"]);
    assert_eq!(log["intact"], true, "{log}");
}
