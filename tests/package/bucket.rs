//! A package on its way to a real bucket: how far it is shows, and after a kill it goes on where it was. Which requests were
//! made is told by the line to the server, not by the daemon.

use evidock::deliver::s3::S3Destination;
use evidock::domain::ports::Destination;
use futures_util::StreamExt;

use super::asked::{ask, open_json, state, until_ready, unzip, wanted, whole, with_clips};
use super::http::Browser;
use super::support::proxy::FaultProxy;
use super::support::station::s3;
use super::support::weed::Weed;
use super::*;

/// Parts, by number, that were asked to be stored of an object, in the order of the requests.
fn parts(requests: &[String], key: &str) -> Vec<u64> {
    let number = |line: &str| -> Option<u64> {
        let (_, behind) = line.split_once("partNumber=")?;
        behind.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    requests.iter().filter(|line| line.starts_with("PUT ") && line.contains(key)).filter_map(|l| number(l)).collect()
}

/// How many parts the daemon has noted as acknowledged.
fn acknowledged(notes: &Path) -> usize {
    let noted = fs::read(notes).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    noted.and_then(|noted| noted["parts"].as_array().map(Vec::len)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_kill_on_the_way_to_a_bucket_sends_no_finished_part_again() {
    let weed = Weed::start().await;
    weed.make_bucket("packages").await;
    let proxy = FaultProxy::start(weed.address()).await;
    let mut station = Station::new("");
    let destination = s3(&station, "cloud", &proxy.endpoint(), "packages", Weed::keys());
    station.configure(&destination);
    station.start();
    // Four parts of 8 MiB, the last one short.
    with_clips(&mut station, &[300_000, 30_000_001]);
    let key = |package: &str| format!("v1/test-01/export/{package}.zip");

    // A part takes some seconds, so that the kill comes between two of them.
    proxy.set(|rules| rules.rate = Some(3_000_000));
    let browser = Browser::new(&station.page());
    let package = ask(&browser, &wanted("at:cloud"));
    let notes = station.path(format!("state/exports/{package}/sending-1"));
    station.until("the first part is acknowledged", |_| acknowledged(&notes) >= 1);
    proxy.set(|rules| rules.rate = Some(100_000));
    let now = browser.get(&format!("/api/v1/exports/{package}")).json();
    let (done, all) = (now["bytes_done"].as_u64().unwrap(), now["bytes_in_all"].as_u64().unwrap());
    assert!(done >= all / 2 && done < all, "read once, and partly sent: {now}");
    station.kill();

    let finished = acknowledged(&notes);
    let before = proxy.requests();
    let begun = |requests: &[String]| {
        let is =
            |line: &&String| line.starts_with("POST ") && line.contains(&key(&package)) && line.contains("uploads");
        requests.iter().filter(is).count()
    };
    assert!((1..4).contains(&finished), "it was killed on the way: {finished} parts");
    assert_eq!(begun(&before), 1);
    let sent = parts(&before, &key(&package));
    assert!((1..=finished as u64).all(|n| sent.contains(&n)), "{sent:?}");

    proxy.set(|rules| rules.rate = None);
    station.start();
    until_ready(&mut station, &package);
    let after = proxy.requests().split_off(before.len());
    assert_eq!(begun(&after), 0, "it is the same upload: {after:?}");
    let mut again = parts(&after, &key(&package));
    again.sort_unstable();
    let rest: Vec<u64> = (finished as u64 + 1..=4).collect();
    assert_eq!(again, rest, "what was acknowledged before the kill is not sent again, and what was not is sent once");
    assert!(!notes.exists());

    let there = S3Destination::new(weed.options("packages")).unwrap();
    let mut stream = there.read(&key(&package), None).await.unwrap();
    let mut zip = Vec::new();
    while let Some(chunk) = stream.next().await {
        zip.extend_from_slice(&chunk.unwrap());
    }
    let report = whole(&station, &unzip(&station, &zip, "unzipped"));
    assert_eq!(report["clips"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_label_that_is_raised_on_the_way_keeps_it_from_the_bucket() {
    let weed = Weed::start().await;
    weed.make_bucket("packages").await;
    let proxy = FaultProxy::start(weed.address()).await;
    let mut station = Station::new("");
    let destination = s3(&station, "cloud", &proxy.endpoint(), "packages", Weed::keys());
    station.configure(&format!("{destination}max_sensitivity = \"none\"\n"));
    station.start();
    with_clips(&mut station, &[300_000, 30_000_001]);

    proxy.set(|rules| rules.rate = Some(3_000_000));
    let browser = Browser::new(&station.page());
    let package = ask(&browser, &wanted("at:cloud"));
    let notes = station.path(format!("state/exports/{package}/sending-1"));
    station.until("the first part is acknowledged", |_| acknowledged(&notes) >= 1);
    proxy.set(|rules| rules.rate = Some(100_000));
    station.json(["annotate", &station.clip("091200.mp4"), "sensitivity=未成年人"]);
    station.until("it is held back", |s| state(s, &package) == "failed");
    let words = |s: &Station| s.one("SELECT words FROM export WHERE package = ?1", &[&package]);
    assert!(
        words(&station).contains("1 clips of this case carry a label above max_sensitivity"),
        "{}",
        words(&station)
    );

    // Its plan tells the label of before; what counts is the one that stands.
    proxy.set(|rules| rules.rate = None);
    let before = proxy.requests().len();
    let again = open_json(&browser, &format!("/api/v1/exports/{package}/again"), &Value::Null);
    assert_eq!(again.status, 200, "{}", again.text());
    station.until("it is held back again", |s| state(s, &package) == "failed");
    let key = format!("v1/test-01/export/{package}.zip");
    let after = proxy.requests().split_off(before);
    assert!(parts(&after, &key).is_empty(), "nothing more of it went: {after:?}");
    let there = S3Destination::new(weed.options("packages")).unwrap();
    assert!(there.head(&key).await.unwrap().is_none(), "it was never made whole");
}
