//! A case is found and fetched with nothing but its bucket: clips of two stations, interrupted and gone on with, told
//! apart from what was not sent yet and from what is wrong.

use std::fs;
use std::process::Child;
use std::time::Duration;

use bytes::Bytes;
use evidock::runtime::clock::monotonic;
use tokio::sync::OnceCell;

use super::support::footage;
use super::support::proxy::FaultProxy;
use super::support::station::{Station, digests, dsj, flip, s3};
use super::support::weed::Weed;
use super::*;

const CASE: &str = "赵卫罚〔2026〕12号";

async fn weed() -> &'static Weed {
    static WEED: OnceCell<Weed> = OnceCell::const_new();
    WEED.get_or_init(Weed::start).await
}

/// Takes clips in at a station, links them to the case and proves them; their ids.
fn take_in(station: &mut Station, recorder: &str, clips: &[&Bytes]) -> Vec<String> {
    let card = station.card("a");
    for (n, bytes) in clips.iter().enumerate() {
        card.file(dsj(recorder, &format!("0912{n:02}")), bytes, 90 - n as u64);
    }
    station.start();
    station.dock("a");
    station.until_proven(clips.len() as u64);
    let ids: Vec<String> = (0..clips.len()).map(|n| station.clip(format!("0912{n:02}.mp4"))).collect();
    for clip in &ids {
        station.json(["link", clip, CASE]);
    }
    station.until_proven(clips.len() as u64);
    ids
}

/// A machine that knows nothing but where the objects are: no station ever ran on it.
struct Reader {
    station: Station,
}

impl Reader {
    fn new(destination: impl FnOnce(&Station) -> String) -> Self {
        let station = Station::new("");
        let text = destination(&station);
        fs::write(station.path("evidock.toml"), text).unwrap();
        Self { station }
    }

    fn fetch(&self, from: &str, code: i32) -> Value {
        let output = self.station.evidock(["fetch", "--case", CASE, "--from", from, "--to", "out", "--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let path = self.station.path("out/fetch-summary.json");
        let summary: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert_eq!(summary, serde_json::from_slice::<Value>(&output.stdout).unwrap(), "the file says what was printed");
        summary
    }

    fn begin(&self, from: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_evidock"))
            .arg("--config")
            .arg(self.station.path("evidock.toml"))
            .args(["fetch", "--case", CASE, "--from", from, "--to", "out"])
            .current_dir(self.station.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}

fn results(summary: &Value) -> Vec<(String, String)> {
    let clips = summary["clips"].as_array().unwrap();
    clips.iter().map(|c| (c["record_id"].as_str().unwrap().into(), c["result"].as_str().unwrap().into())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn clips_of_two_stations_come_out_of_one_bucket_also_after_a_kill() {
    let weed = weed().await;
    weed.make_bucket("case").await;
    let endpoint = format!("http://{}", weed.address());
    let (long, short, third) = (footage(24_000_007, 1), footage(90_000, 2), footage(16_384, 3));
    let mut one = Station::new("");
    one.configure(&s3(&one, "cloud", &endpoint, "case", Weed::keys()));
    let of_one = take_in(&mut one, "36NCC009910", &[&long, &short]);
    one.stop();
    let mut two = Station::new("");
    two.configure(&format!("=id = \"test-02\"\n{}", s3(&two, "county", &endpoint, "case", Weed::keys())));
    let of_two = take_in(&mut two, "36NCC009922", &[&third]);

    let proxy = FaultProxy::start(weed.address()).await;
    let reader = Reader::new(|s| s3(s, "bucket", &proxy.endpoint(), "case", Weed::keys()));
    // Found in any spelling, with clips of both.
    let found = reader.station.json(["find", "--case", "赵卫罚[2026]第012号", "--from", "bucket"]);
    let mut stations: Vec<&str> = found.as_array().unwrap().iter().map(|r| r["station_id"].as_str().unwrap()).collect();
    stations.sort_unstable();
    assert_eq!(stations, ["test-01", "test-01", "test-02"]);

    // Killed in the middle of the long one.
    proxy.set(|rules| rules.rate = Some(6 << 20));
    let mut child = reader.begin("bucket");
    let part = reader.station.path(format!("out/test-01-{}.mp4.part", of_one[0]));
    let begun = monotonic();
    while fs::metadata(&part).map_or(0, |m| m.len()) < 8_000_000 {
        assert!(begun.elapsed() < Duration::from_secs(180), "nothing is fetched");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    proxy.set(|rules| rules.rate = None);
    let had = fs::metadata(&part).unwrap().len();
    // What the kill left is not believed: a byte of it turns.
    flip(&part, 6_000_000);
    let down = proxy.bytes_down();
    let summary = reader.fetch("bucket", 0);
    let moved = proxy.bytes_down() - down;
    assert!(
        moved < 24_000_000 + 200_000 - 5_500_000 && had >= 8_000_000,
        "{moved} bytes came, though {had} were there"
    );
    assert_eq!((&summary["complete"], results(&summary).len()), (&true.into(), 3));
    let all = [("test-01", &of_one[0], &long), ("test-01", &of_one[1], &short), ("test-02", &of_two[0], &third)];
    for (station, clip, bytes) in all {
        let file = reader.station.path(format!("out/{station}-{clip}.mp4"));
        assert!(fs::read(&file).unwrap() == **bytes, "{clip}");
        let record: Value =
            serde_json::from_slice(&fs::read(reader.station.path(format!("out/{station}-{clip}.json"))).unwrap())
                .unwrap();
        assert_eq!(record["blake3"], digests(&file).0.as_str());
    }
    assert!(!part.exists());

    // A second run fetches nothing; a file that was changed meanwhile is set aside and fetched again.
    let file = reader.station.path(format!("out/test-02-{}.mp4", of_two[0]));
    flip(&file, 5);
    let down = proxy.bytes_down();
    let again = reader.fetch("bucket", 0);
    assert!(proxy.bytes_down() - down < 200_000);
    assert_eq!(results(&again).iter().filter(|(_, r)| r == "there").count(), 2);
    assert!(fs::read(&file).unwrap() == third);
    assert!(file.with_extension("mp4.changed").exists());

    // A line that is cut again and again costs time and nothing else.
    fs::remove_dir_all(reader.station.path("out")).unwrap();
    // No faster than that each cut can be ordered before all of it has come.
    proxy.set(|rules| (rules.rate, rules.cut_down_after) = (Some(6 << 20), Some(3_000_000)));
    let mut child = reader.begin("bucket");
    let mut cuts = 1;
    let begun = monotonic();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(300), "it does not come to its end");
        if proxy.fired() == cuts && cuts < 3 {
            cuts += 1;
            proxy.set(|rules| rules.cut_down_after = Some(3_000_000));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(child.wait().unwrap().success() && proxy.fired() >= 3);
    proxy.set(|rules| rules.rate = None);

    // A withdrawn link is no longer of the case.
    two.json(["unlink", &of_two[0], CASE, "--reason", "认错了案件"]);
    two.until_proven(1);
    let found = reader.station.json(["find", "--case", CASE, "--from", "bucket"]);
    assert_eq!(found.as_array().unwrap().len(), 2);
}

#[test]
fn what_was_not_sent_and_what_is_wrong_are_told_apart() {
    let far = far();
    let mut station = Station::new("");
    station.configure(&format!("{}max_sensitivity = \"none\"\n", folder_at("far", far.path())));
    let (good, bad, kept) = (footage(400_000, 1), footage(400_000, 2), footage(400_000, 3));
    let card = station.card("a");
    card.file(dsj("36NCC009910", "091200"), &good, 90);
    card.file(dsj("36NCC009910", "091201"), &bad, 80);
    station.start();
    station.dock("a");
    station.until_proven(2);
    // The third one is held back: its record tells of it, its footage does not go.
    station.configure(&format!(
        "[casework]\ndefault_sensitivity = \"privacy\"\n{}max_sensitivity = \"none\"\n",
        folder_at("far", far.path())
    ));
    station.stop();
    station.start();
    station.docked("a").file(dsj("36NCC009910", "091202"), &kept, 70);
    station.until("the third is held back", |s| {
        s.query("SELECT clip_id FROM delivery WHERE state = 'failed'", &[]).len() == 1
    });
    let clips: Vec<String> = ["091200", "091201", "091202"].iter().map(|t| station.clip(format!("{t}.mp4"))).collect();
    for clip in &clips {
        station.json(["link", clip, CASE]);
    }
    station.until("all of it is published", |s| {
        let stale = s.query("SELECT clip_id FROM clip WHERE record_stale = 1", &[]).len();
        stale == 0 && s.status()["outbox"] == 0
    });

    let reader = Reader::new(|_| folder_at("nas", far.path()));
    let summary = reader.fetch("nas", 6);
    let wanted: Vec<(String, String)> =
        clips.iter().cloned().zip(["fetched", "fetched", "not_sent"].map(str::to_owned)).collect();
    assert_eq!(results(&summary), wanted);
    // By the path of a folder alone, without any configuration of it.
    let bare = Reader::new(|_| String::new());
    let by_path = far.path().to_str().unwrap();
    assert_eq!(results(&bare.fetch(by_path, 6)), wanted);

    // One copy is spoilt in the middle, and an entry of the index is rubbish: both are said, and hide nothing else.
    flip(&master(far.path(), &clips[1]), 200_000);
    let hash = evidock::domain::layout::case_hash(summary_key(&station, &clips[0]).as_str());
    let strange = far.path().join(format!("v1/case/{hash}/test-09/019aa2c4-7f00-7abc-8def-0123456789ab"));
    fs::create_dir_all(&strange).unwrap();
    fs::write(strange.join("000001"), "rubbish").unwrap();
    fs::remove_dir_all(bare.station.path("out")).unwrap();
    let summary = bare.fetch(by_path, 4);
    assert_eq!(results(&summary)[1].1, "differs");
    assert_eq!((&summary["odd"][0]["station_id"], results(&summary).len()), (&"test-09".into(), 3));
    assert!(!bare.station.path(format!("out/test-01-{}.mp4", clips[1])).exists(), "what differs gets no name");
    let (found, words) = bare.station.refused(4, ["find", "--case", CASE, "--from", by_path]);
    assert!(found.as_array().unwrap().len() == 3 && words.contains("test-09"), "{words}");
    // A copy that was proven and is gone is a loss, not a delay.
    fs::remove_file(master(far.path(), &clips[0])).unwrap();
    fs::remove_dir_all(bare.station.path("out")).unwrap();
    assert_eq!(results(&bare.fetch(by_path, 4))[0].1, "differs");

    let nothing = bare.station.evidock(["fetch", "--case", "赵卫罚〔2026〕999号", "--from", by_path, "--to", "none"]);
    assert_eq!(nothing.status.code(), Some(3));
    let nowhere = bare.station.evidock(["fetch", "--case", CASE, "--from", "no-such", "--to", "none"]);
    assert_eq!(nowhere.status.code(), Some(3));
}

/// The key by which the case of a clip is matched.
fn summary_key(station: &Station, clip: &str) -> String {
    station.record(clip)["case_key"].as_str().unwrap().to_owned()
}
