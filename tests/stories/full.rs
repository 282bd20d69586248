//! A file larger than 32 bits count, from the recorder to the proof. With `EVIDOCK_TEST_FULL=1` (`scripts/test --full`)
//! it has 5 GiB, needs 11 GB of disk, and its tree goes up in parts, too; without, the same is done with a file of
//! three parts.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use support::station::{Station, digests, dsj, s3};
use support::weed::Weed;

const PART: u64 = 8 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_is_sealed_sent_and_proven() {
    let full = std::env::var_os("EVIDOCK_TEST_FULL").is_some_and(|v| v == "1");
    let size = if full { (5 << 30) + 4097 } else { 2 * PART + 4097 };
    let weed = Weed::start().await;
    weed.make_bucket("large").await;
    let mut station = Station::new("");
    if full {
        station.be_patient();
    }
    station.configure(&s3(&station, "cloud", &format!("http://{}", weed.address()), "large", Weed::keys()));
    let name = dsj("36NCC009910", "091200");
    let card = station.card("a");
    card.sparse(&name, size);
    let (blake3, sha256, _) = digests(&card.path(&name));
    station.start();
    station.dock("a");
    station.until_safe("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    let record = station.record(&clip);
    assert_eq!(record["size_bytes"], size);
    assert_eq!((&record["blake3"], &record["sha256"]), (&blake3.into(), &sha256.into()));
    assert_eq!(record["copies"][0]["proof"], "remote_checksum");
    let parts: u64 = station.one("SELECT count(*) FROM clip_part", &[]).parse().unwrap();
    assert_eq!(parts, size.div_ceil(PART));
    let verified = station.json(["verify", &clip, "--remote"]);
    assert_eq!((&verified[0]["local"], &verified[0]["copies"][0]["result"]), (&"same".into(), &"same".into()));
}
