//! Copies that are read again after their proof: whatever happened to one at rest is found, every time, and mended.

use bytes::Bytes;
use tokio::sync::OnceCell;

use super::support::footage;
use super::support::station::{Station, dsj, flip, s3};
use super::support::weed::Weed;
use super::*;

/// Every copy is read whole; what was proven two days ago is due.
const WHOLE: &str = "[audit]\nshare_percent = 0\nwhole_every_days = 1\nmax_mbit_s = 10000\n";
/// Every copy is sampled each day, and the sample is all of it.
const SAMPLED: &str = "[audit]\nshare_percent = 100\ngroups = 4096\nmax_mbit_s = 10000\n";
const TWO_DAYS_LATER: &str = "UPDATE delivery SET proven_ms = proven_ms - 172800000";

async fn weed() -> &'static Weed {
    static WEED: OnceCell<Weed> = OnceCell::const_new();
    WEED.get_or_init(Weed::start).await
}

/// Takes so many clips in, proves them, and stops the station.
fn proven(station: &mut Station, sizes: &[usize]) -> Vec<(String, Bytes)> {
    let card = station.card("a");
    let mut clips = Vec::new();
    for (n, size) in sizes.iter().enumerate() {
        let bytes = footage(*size, 100 + n as u64);
        card.file(dsj("36NCC009910", &format!("0912{n:02}")), &bytes, 90 - n as u64);
        clips.push(bytes);
    }
    station.start();
    station.dock("a");
    station.until_proven(sizes.len() as u64);
    station.stop();
    let ids = (0..sizes.len()).map(|n| station.clip(format!("0912{n:02}.mp4")));
    ids.zip(clips).collect()
}

/// Waits until every clip was audited or mended, and is proven.
fn until_settled(station: &mut Station, clips: usize, spoilt: usize) {
    station.until("every copy was read again, and what was wrong is mended", |s| {
        let audited =
            s.query("SELECT clip_id FROM delivery WHERE state = 'proven' AND audited_ms IS NOT NULL", &[]).len();
        let mended = s.query("SELECT DISTINCT clip_id FROM log_entry WHERE kind = 'delivery.mismatch'", &[]).len();
        audited == clips - spoilt && mended == spoilt && s.status()["suspect"] == 0
    });
    station.until_proven(clips as u64);
}

fn in_a_folder(how: &str) {
    let far = far();
    let mut station = Station::new("");
    station.configure(&format!("{how}{}", folder_at("far", far.path())));
    let clips = proven(&mut station, &[300_000, 300_000, 300_000, 300_000, 300_000, 300_000, 100, 300_000]);
    let at = |n: usize| master(far.path(), &clips[n].0);
    flip(&at(0), 0);
    flip(&at(1), 150_000);
    flip(&at(2), 299_999);
    std::fs::remove_file(at(3)).unwrap();
    std::fs::write(at(4), &clips[4].1[..299_999]).unwrap();
    let mut longer = clips[5].1.to_vec();
    longer.push(0);
    std::fs::write(at(5), longer).unwrap();
    std::fs::write(at(6), clips[6].1.iter().map(|b| b ^ 0x80).collect::<Vec<u8>>()).unwrap();
    rewrite(&station, TWO_DAYS_LATER);
    station.start();
    until_settled(&mut station, 8, 7);
    for (n, (clip, bytes)) in clips.iter().enumerate() {
        assert!(std::fs::read(at(n)).unwrap() == *bytes, "{n} was sent again");
        let found = usize::from(n != 7);
        assert_eq!(count(&station, clip, "delivery.mismatch"), found, "{n}");
    }
    // An audit that found nothing is told, too.
    assert_eq!(count(&station, &clips[7].0, "delivery.audited"), 1);
    assert_log_holds(&station);
}

#[test]
fn everything_that_can_happen_to_a_file_at_rest_is_found_by_reading_it_whole() {
    in_a_folder(WHOLE);
}

#[test]
fn and_by_samples_that_meet_it() {
    in_a_folder(SAMPLED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_object_that_was_changed_in_a_bucket_is_found_although_its_checksum_is_right() {
    let weed = weed().await;
    weed.make_bucket("at-rest").await;
    let mut station = Station::new("");
    let endpoint = format!("http://{}", weed.address());
    station.configure(&format!("{WHOLE}{}", s3(&station, "cloud", &endpoint, "at-rest", Weed::keys())));
    let clips = proven(&mut station, &[300_000, 300_000, 300_000]);
    let key = |n: usize| format!("/at-rest/v1/test-01/clips/{}/master", clips[n].0);
    let mut spoilt = clips[0].1.to_vec();
    spoilt[200_000] ^= 1;
    // The server computes a checksum over what it was given: its word for it is as good as ever.
    let (status, body) = weed.request("PUT", &key(0), &[], spoilt.into()).await;
    assert_eq!(status, 200, "{body}");
    let (status, _) = weed.request("DELETE", &key(1), &[], Bytes::new()).await;
    assert!(matches!(status, 200 | 204));
    rewrite(&station, TWO_DAYS_LATER);
    station.start();
    until_settled(&mut station, 3, 2);
    let verified = station.json(["verify", "--all", "--remote"]);
    assert!(verified.as_array().unwrap().iter().all(|v| v["copies"][0]["result"] == "same"), "{verified}");
}

#[test]
fn the_day_s_share_is_kept_to_and_nothing_is_read_twice_for_it() {
    let far = far();
    let mut station = Station::new("");
    station.configure(&format!("[audit]\nshare_percent = 30\n{}", folder_at("far", far.path())));
    proven(&mut station, &[20_000; 10]);
    rewrite(&station, TWO_DAYS_LATER);
    station.start();
    let read = "SELECT clip_id FROM log_entry WHERE kind = 'delivery.audited'";
    station.until("the share is read", |s| s.query(read, &[]).len() >= 3);
    // What wakes the audits anew: any news of a clip.
    let clip = station.clip("091200.mp4");
    for n in 0..5 {
        station.json(["annotate", &clip, &format!("place=东关街{n}")]);
    }
    station.until_proven(10);
    assert_eq!(station.query(read, &[]).len(), 3, "three of ten, and no more today");
}

#[test]
fn verifying_on_request_says_the_same_as_an_audit() {
    let far = far();
    let mut station = Station::running(&folder_at("far", far.path()));
    station.card("a").file(dsj("36NCC009910", "091200"), footage(300_000, 9), 60);
    station.dock("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    station.json(["verify", &clip, "--remote"]);
    let how = "SELECT audit_how, whole_ms IS NOT NULL FROM delivery WHERE clip_id = ?1";
    assert_eq!(station.query(how, &[&clip]), [["whole", "1"]]);
    flip(&master(far.path(), &clip), 123_456);
    let (verified, _) = station.refused(4, ["verify", &clip, "--remote"]);
    assert_eq!(verified[0]["copies"][0]["result"], "differs");
    assert_eq!(count(&station, &clip, "delivery.mismatch"), 1);
    station.until_proven(1);
    assert!(std::fs::read(master(far.path(), &clip)).unwrap() == footage(300_000, 9));
    assert_eq!(station.json(["verify", &clip, "--remote"])[0]["ok"], true);
}
