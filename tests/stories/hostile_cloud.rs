//! Uploads of the real program over lines that fail, to servers that are killed, that refuse and that lie: what is
//! called proven is there, nothing is sent oftener than it must be, and what needs a person is said and waits.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::collections::BTreeMap;
use std::time::Duration;

use evidock::runtime::clock::monotonic;
use support::footage;
use support::liar::{HONEST, LIES, Liar};
use support::proxy::FaultProxy;
use support::station::{Station, digests, dsj, s3};
use support::weed::Weed;
use tokio::sync::OnceCell;

const PART: u64 = 8 << 20;
/// Five parts, the last one short.
const CLIP: u64 = 4 * PART + 12_345;

/// One server for all but the test that kills its own; its guard ends it with the process.
async fn weed() -> &'static Weed {
    static WEED: OnceCell<Weed> = OnceCell::const_new();
    WEED.get_or_init(Weed::start).await
}

/// A station whose destination is reached through a line that fails on demand, with a recorder that is not docked
/// yet; the destination was probed.
async fn behind_proxy(weed: &Weed, bucket: &str) -> (Station, FaultProxy) {
    weed.make_bucket(bucket).await;
    let proxy = FaultProxy::start(weed.address()).await;
    let mut station = Station::new("");
    station.configure(&s3(&station, "cloud", &proxy.endpoint(), bucket, Weed::keys()));
    station.card("a").file(dsj("36NCC009910", "091200"), footage(CLIP as usize, 7), 60);
    station.start();
    station.until("the destination is probed", |s| s.status()["destinations"][0]["proof"] == "remote_checksum");
    (station, proxy)
}

/// How often each part of masters was sent, by upload and part.
fn parts_sent(proxy: &FaultProxy) -> BTreeMap<String, u64> {
    let mut sent = BTreeMap::new();
    for line in proxy.requests() {
        if line.starts_with("PUT ") && line.contains("/master?partNumber=") {
            *sent.entry(line).or_default() += 1;
        }
    }
    sent
}

/// Waits for the proof, and wants no more than `cuts` parts to have been sent twice.
fn proven_with(station: &mut Station, proxy: &FaultProxy, cuts: u64) {
    station.until_proven(1);
    let sent = parts_sent(proxy);
    let uploads = proxy.requests().iter().filter(|r| r.contains("/master?uploads")).count();
    assert_eq!((sent.len(), uploads), (5, 1), "one upload of five parts: {sent:#?}");
    let twice: u64 = sent.values().map(|n| n - 1).sum();
    assert!(twice <= cuts, "{twice} parts were sent again after {cuts} cuts: {sent:#?}");
    let verified = station.json(["verify", "--all", "--remote"]);
    assert_eq!((&verified[0]["ok"], &verified[0]["copies"][0]["result"]), (&true.into(), &"same".into()));
}

/// Waits until so many bytes of the footage have gone up.
fn until_up(station: &mut Station, proxy: &FaultProxy, bytes: u64) {
    let before = proxy.bytes_up();
    station.dock("a");
    station.until("the upload is under way", |_| proxy.bytes_up() - before > bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_network_is_cut_in_the_middle_of_a_part() {
    let (mut station, proxy) = behind_proxy(weed().await, "cut").await;
    proxy.set(|rules| rules.rate = Some(4 << 20));
    until_up(&mut station, &proxy, PART);
    proxy.set(|rules| rules.cut_up_after = Some(1 << 20));
    station.until("the line was cut", |_| proxy.fired() == 1);
    proxy.set(|rules| rules.rate = None);
    proven_with(&mut station, &proxy, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_answer_to_a_part_is_lost() {
    let (mut station, proxy) = behind_proxy(weed().await, "lost-part").await;
    proxy.set(|rules| rules.lose_answer_to = Some("master?partNumber=3".into()));
    station.dock("a");
    proven_with(&mut station, &proxy, 1);
    assert_eq!(proxy.fired(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_answer_to_completing_is_lost() {
    let (mut station, proxy) = behind_proxy(weed().await, "lost-complete").await;
    proxy.set(|rules| rules.lose_answer_to = Some("master?uploadId=".into()));
    station.dock("a");
    proven_with(&mut station, &proxy, 0);
    assert_eq!(proxy.fired(), 1);
    let completed =
        proxy.requests().iter().filter(|r| r.starts_with("POST ") && r.contains("master?uploadId=")).count();
    assert_eq!(completed, 1, "what was lost is settled by looking, not by asking again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_passes_for_a_while_and_then_the_line_is_cut() {
    let (mut station, proxy) = behind_proxy(weed().await, "black-hole").await;
    proxy.set(|rules| rules.rate = Some(4 << 20));
    until_up(&mut station, &proxy, PART);
    proxy.set(|rules| rules.black_hole = true);
    let (up, since) = (proxy.bytes_up(), monotonic());
    station.until("it is dark for a while", |_| since.elapsed() > Duration::from_secs(3));
    assert!(proxy.bytes_up() - up <= 4 << 20, "what was on its way may pass, no more");
    let state = station.one("SELECT state FROM delivery", &[]);
    assert_eq!(state, "sending");
    proxy.set(|rules| (rules.black_hole, rules.rate, rules.cut_up_after) = (false, None, Some(0)));
    proven_with(&mut station, &proxy, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_daemon_is_killed_in_the_middle_of_a_part() {
    let (mut station, proxy) = behind_proxy(weed().await, "killed-daemon").await;
    proxy.set(|rules| rules.rate = Some(4 << 20));
    until_up(&mut station, &proxy, 2 * PART);
    station.kill();
    proxy.set(|rules| rules.rate = None);
    station.start();
    // Each of the parts under way was cut.
    proven_with(&mut station, &proxy, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_server_is_killed_in_the_middle_of_an_upload_and_started_again() {
    let weed = Weed::start().await;
    let (mut station, proxy) = behind_proxy(&weed, "killed-server").await;
    proxy.set(|rules| rules.rate = Some(4 << 20));
    until_up(&mut station, &proxy, 2 * PART);
    weed.kill();
    station.until("the trouble is shown", |s| !s.status()["destinations"][0]["trouble"].is_null());
    // The recorder waits for no server.
    station.until_safe("a");
    weed.start_again().await;
    proxy.set(|rules| rules.rate = None);
    // Each of the parts under way was cut.
    proven_with(&mut station, &proxy, 4);
    assert!(station.status()["destinations"][0]["trouble"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_lies_is_never_believed() {
    let (liar, address) = Liar::start().await;
    let mut station = Station::new("");
    // Each liar is sent everything five times.
    station.be_patient();
    let buckets = || LIES.iter().copied().chain([HONEST]);
    let destinations: String =
        buckets().map(|b| s3(&station, b, &format!("http://{address}"), b, ("key", "secret"))).collect();
    station.configure(&destinations);
    // One that goes up in one go, and one in parts.
    let card = station.card("a");
    card.file(dsj("36NCC009910", "091200"), footage(100_000, 1), 90);
    card.file(dsj("36NCC009910", "092700"), footage((2 * PART + 999) as usize, 2), 60);
    station.start();
    station.dock("a");
    station.until_safe("a");
    let deliveries =
        "SELECT clip_id, destination, state, reason, proven_ms FROM delivery ORDER BY destination, clip_id";
    station.until("the honest copies are proven and the others given up", |s| {
        let rows = s.query(deliveries, &[]);
        assert_eq!(rows.len(), 2 * (LIES.len() + 1));
        for row in &rows {
            let proven = row[2] == "proven" || !row[4].is_empty();
            assert!(!proven || row[1] == HONEST, "a lie was believed: {row:?}");
        }
        rows.iter().all(|row| if row[1] == HONEST { row[2] == "proven" } else { row[2] == "failed" })
    });
    for row in station.query(deliveries, &[]) {
        assert!(row[1] == HONEST || row[3].contains("evidock retry"), "it says why, and what to do: {row:?}");
    }
    assert_eq!(liar.masters(HONEST).len(), 2);
    assert_eq!(liar.masters("drops").len(), 0);
    let status = station.status();
    assert_eq!(status["waiting_for_a_person"], 2 * LIES.len());
    assert_eq!(status["stages"]["proven"]["count"], 0);
    for clip in station.query("SELECT clip_id FROM clip", &[]) {
        let record = station.record(&clip[0]);
        assert_eq!(record["state"], "sending", "proven at one of several is not proven");
        for copy in record["copies"].as_array().unwrap() {
            let honest = copy["destination"] == HONEST;
            assert_eq!((copy["state"] == "proven", copy["proof"].is_null()), (honest, !honest), "{copy}");
        }
    }
    // Ours are still there, and what was sealed.
    station.assert_vault_is_whole();
    // What is not said to be there is not called different either, and never the same; nor is that a success.
    let (verified, words) = station.refused(1, ["verify", "--all", "--remote"]);
    assert!(words.contains("not sent yet"), "{words}");
    for clip in verified.as_array().unwrap() {
        assert_eq!(clip["local"], "same");
        for copy in clip["copies"].as_array().unwrap() {
            let wanted = if copy["destination"] == HONEST { "same" } else { "not_sent" };
            assert_eq!(copy["result"], wanted, "{copy}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wrong_credentials_are_said_once_and_wait_for_a_person() {
    let weed = weed().await;
    weed.make_bucket("credentials").await;
    let proxy = FaultProxy::start(weed.address()).await;
    let mut station = Station::new("");
    let wrong = (Weed::keys().0, "not-the-secret");
    station.configure(&s3(&station, "cloud", &proxy.endpoint(), "credentials", wrong));
    let card = station.card("a");
    for time in ["091200", "092700"] {
        card.file(dsj("36NCC009910", time), footage(50_000, 3), 60);
    }
    station.start();
    station.until("the trouble is shown", |s| !s.status()["destinations"][0]["trouble"].is_null());
    station.dock("a");
    station.until_safe("a");
    let trouble = station.status()["destinations"][0]["trouble"].as_str().unwrap().to_owned();
    assert!(trouble.contains("SignatureDoesNotMatch") && trouble.contains("evidock retry cloud"), "{trouble}");
    assert!(!station.log().contains("not-the-secret"));

    let (asked, since) = (proxy.requests().len(), monotonic());
    assert!(asked <= 3, "{:?}", proxy.requests());
    // Longer than the longest pause of what is tried again by itself (2 s), though clips are waiting.
    station.until("it is quiet for a while", |_| since.elapsed() > Duration::from_secs(5));
    assert_eq!(proxy.requests().len(), asked, "not tried in a loop: {:?}", proxy.requests());
    assert_eq!(station.log().matches("nothing goes out").count(), 1, "said once");

    // Trying again without having changed anything asks once, and waits again.
    station.json(["retry"]);
    station.until("it was tried again", |s| s.log().matches("nothing goes out").count() == 2);
    let (again, since) = (proxy.requests().len(), monotonic());
    assert!(again <= asked + 3, "{:?}", proxy.requests());
    station.until("it is quiet again for a while", |_| since.elapsed() > Duration::from_secs(5));
    assert_eq!(proxy.requests().len(), again, "anchors and tiles hold still, too: {:?}", proxy.requests());

    std::fs::write(station.path("cloud-secret"), format!("{}\n", Weed::keys().1)).unwrap();
    station.json(["retry", "cloud"]);
    station.until_proven(2);
    assert!(station.status()["destinations"][0]["trouble"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_destination_that_is_away_holds_nobody_up() {
    let weed = weed().await;
    weed.make_bucket("away").await;
    let proxy = FaultProxy::start(weed.address()).await;
    proxy.set(|rules| rules.refuse = true);
    let mut station = Station::new("");
    station.configure(&s3(&station, "cloud", &proxy.endpoint(), "away", Weed::keys()));
    station.card("a").file(dsj("36NCC009910", "091200"), footage(50_000, 3), 60);
    station.start();
    station.dock("a");
    station.until_safe("a");
    station.until("the trouble is shown", |s| !s.status()["destinations"][0]["trouble"].is_null());
    let clip = station.clip("091200.mp4");
    let (blake3, _, _) = digests(&station.docked("a").path(dsj("36NCC009910", "091200")));
    assert_eq!(station.record(&clip)["blake3"], blake3.as_str());
    station.json(["link", &clip, "赵卫罚〔2026〕12号"]);
    assert_eq!(station.find("赵卫罚[2026]12号")[0]["state"], "sealed");
    // Tried again by itself, with a pause between.
    let (tried, since) = (proxy.connections(), monotonic());
    station.until("it is tried again", |_| proxy.connections() >= tried + 3);
    assert!(since.elapsed() > Duration::from_secs(1), "without a pause");
    proxy.set(|rules| rules.refuse = false);
    station.until_proven(1);
    assert!(station.status()["destinations"][0]["trouble"].is_null());
    assert_eq!(station.find("赵卫罚[2026]12号")[0]["state"], "proven");
}
