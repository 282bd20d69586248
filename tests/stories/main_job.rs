//! The main job from end to end: the real program, a recorder with real footage, a real S3 server. What a new user
//! gets, what a person corrects, and what any machine finds and verifies with the bucket alone.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::support;

use std::fs;

use evidock::deliver::s3::S3Destination;
use evidock::domain::ports::Destination;
use serde_json::Value;
use support::footage;
use support::station::{Station, digests, dsj, files_below, flip, folder, s3};
use support::weed::Weed;
use tokio::sync::OnceCell;

const CASE: &str = "赵卫罚〔2026〕12号";
const OTHER: &str = "赵卫罚〔2026〕13号";
const ROSTER: &str = "\
officer,recorder,from,to,case,place,matter,proves
张三,36NCC009910,2026-06-19 09:00,2026-06-19 09:40,赵卫罚[2026]12号,东关街12号,现场检查,现场检查的过程
";

/// One server for the whole file; its guard ends it with the process.
async fn weed() -> &'static Weed {
    static WEED: OnceCell<Weed> = OnceCell::const_new();
    WEED.get_or_init(Weed::start).await
}

/// A station that sends to `bucket` of the server.
async fn station_to(bucket: &str) -> Station {
    let weed = weed().await;
    weed.make_bucket(bucket).await;
    let station = Station::new("");
    station.configure(&s3(&station, "cloud", &format!("http://{}", weed.address()), bucket, Weed::keys()));
    station
}

fn import_roster(station: &Station) {
    fs::write(station.path("roster.csv"), ROSTER).unwrap();
    let said = station.json(["roster", "import", "roster.csv"]);
    assert_eq!((&said["rows"], &said["warnings"]), (&1.into(), &Value::Array(vec![])));
}

fn ids(records: &[Value]) -> Vec<String> {
    records.iter().map(|r| r["record_id"].as_str().unwrap().to_owned()).collect()
}

fn missing(record: &Value) -> Vec<&str> {
    record["missing"].as_array().unwrap().iter().map(|m| m.as_str().unwrap()).collect()
}

async fn keys(bucket: &str, prefix: &str) -> Vec<String> {
    S3Destination::new(weed().await.options(bucket)).unwrap().list(prefix, None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorder_is_docked_and_its_clips_are_sealed_linked_sent_proven_and_found() {
    let mut station = station_to("whole-path").await;
    station.start();
    import_roster(&station);
    let card = station.sample("dsj", "3号口", &["--clips", "3"]);
    let originals: Vec<_> = files_below(&card.path("DCIM")).iter().map(|f| digests(f)).collect();
    station.dock("3号口");
    station.until_safe("3号口");
    // Three clips and the recorder's log.
    station.until_proven(4);
    station.until("the media worker has looked at everything", |s| s.one("SELECT count(*) FROM media", &[]) == "4");
    station.until_proven(4);
    station.assert_vault_is_whole();

    let clips = ["091200", "092700", "094200"].map(|time| {
        let row = station.query("SELECT clip_id, path FROM clip WHERE instr(CAST(path AS TEXT), ?1) > 0", &[&time]);
        assert_eq!(row.len(), 1, "{row:?}");
        row[0][0].clone()
    });

    // By any way of writing the brackets, full width and with leading zeros: the two clips of the roster's row.
    for typed in [CASE, "赵卫罚[2026]12号", "赵卫罚（２０２６）１２号", "赵卫罚【2026】第012号", "赵卫罚﹝2026﹞12"]
    {
        let found = station.find(typed);
        assert_eq!(ids(&found), clips[..2], "{typed}");
        assert!(found.iter().all(|r| r["case_no"] == CASE), "{typed}");
    }
    let mut sizes = Vec::new();
    for record in station.find(CASE) {
        for field in [
            "record_id",
            "case_no",
            "cases",
            "state",
            "original_filename",
            "size_bytes",
            "blake3",
            "sha256",
            "captured_start",
            "officer",
            "place",
            "proves",
            "device_id",
            "station_id",
            "object_uri",
        ] {
            assert!(!record[field].is_null(), "{field} is missing: {record}");
        }
        assert_eq!(record["state"], "proven");
        assert_eq!((&record["officer"], &record["place"]), (&"张三".into(), &"东关街12号".into()));
        assert_eq!((&record["proves"], &record["matter"]), (&"现场检查的过程".into(), &"现场检查".into()));
        assert_eq!((&record["device_id"], &record["station_id"]), (&"36NCC009910".into(), &"test-01".into()));
        assert_eq!(record["origins"]["officer"]["origin"], "roster");
        assert_eq!(record["cases"][0]["origin"], "roster");
        assert_eq!(record["copies"][0]["proof"], "remote_checksum");
        assert_eq!(record["media_health"], "whole");
        assert_eq!(missing(&record), [""; 0]);
        let id = record["record_id"].as_str().unwrap();
        assert_eq!(record["object_uri"], format!("s3://whole-path/v1/test-01/clips/{id}/master"));
        let ours = (record["blake3"].as_str().unwrap(), record["sha256"].as_str().unwrap());
        let size = record["size_bytes"].as_u64().unwrap();
        assert!(originals.iter().any(|(b, s, n)| (b.as_str(), s.as_str(), *n) == (ours.0, ours.1, size)));
        sizes.push(size);
    }
    assert!(station.find(CASE)[0]["captured_start"].as_str().unwrap().starts_with("2026-06-19T09:12:00"));

    // The third was recorded after the row ends: it was sealed and sent like any other, and lacks facts. Whose number its
    // name carries is no longer who had the recorder.
    let third = &clips[2];
    let record = station.record(third);
    assert_eq!(missing(&record), ["case_no", "place", "officer", "proves"]);
    assert_eq!(record["state"], "proven");
    assert_eq!(station.status()["incomplete"], 1);

    // A person links it; each change is a new revision, here and in the bucket.
    let before = record["annotation_rev"].as_u64().unwrap();
    station.json(["annotate", third, "place=西关街3号", "officer=张三", "proves=当事人陈述"]);
    station.json(["link", third, OTHER, "--stage", "调查"]);
    assert_eq!(ids(&station.find(OTHER)), [third.as_str()]);
    station.json(["unlink", third, OTHER, "--reason", "认错了案件"]);
    assert!(station.find(OTHER).is_empty());
    station.json(["link", third, CASE]);
    assert_eq!(ids(&station.find(CASE)), clips);
    station.until("nothing is missing", |s| s.status()["incomplete"] == 0);
    station.until_proven(4);
    let record = station.record(third);
    assert_eq!(missing(&record), [""; 0]);
    let after = record["annotation_rev"].as_u64().unwrap();
    assert!(after >= before + 3, "{before} {after}");
    let revisions = keys("whole-path", &format!("v1/test-01/clips/{third}/record/")).await;
    assert_eq!(revisions.len() as u64, after, "{revisions:?}");
    assert!(revisions.last().unwrap().ends_with(&format!("{after:06}.json")));

    let verified = station.json(["verify", "--all", "--remote"]);
    assert_eq!(verified.as_array().unwrap().len(), 4);
    for clip in verified.as_array().unwrap() {
        assert_eq!((&clip["ok"], &clip["local"]), (&true.into(), &"same".into()), "{clip}");
        assert_eq!(clip["copies"][0]["result"], "same", "{clip}");
    }

    // A master that is spoiled behind everyone's back, at the same length.
    let size = sizes[0] as usize;
    let path = format!("/whole-path/v1/test-01/clips/{}/master", clips[0]);
    let (status, _) = weed().await.request("PUT", &path, &[], footage(size, 9)).await;
    assert_eq!(status, 200);
    let (verified, _) = station.refused(4, ["verify", &clips[0], "--remote"]);
    assert_eq!((&verified[0]["local"], &verified[0]["copies"][0]["result"]), (&"same".into(), &"differs".into()));
    // It is no longer called proven, is sent again, and is proven again.
    station.until("it is sent again", |s| {
        s.one("SELECT count(*) FROM log_entry WHERE kind = 'delivery.proven' AND clip_id = ?1", &[&clips[0]]) == "2"
    });
    station.until_proven(4);
    let verified = station.json(["verify", &clips[0], "--remote"]);
    assert_eq!(verified[0]["copies"][0]["result"], "same");

    // Everything that happened is in the log, and the log is whole.
    let kinds = station.query("SELECT kind, count(*) FROM log_entry GROUP BY kind", &[]);
    let times = |kind: &str| kinds.iter().find(|k| k[0] == kind).map_or(0, |k| k[1].parse::<u32>().unwrap());
    assert_eq!((times("clip.seen"), times("clip.sealed"), times("clip.unlinked")), (4, 4, 1));
    assert_eq!((times("delivery.mismatch"), times("delivery.proven")), (1, 5));
    assert!(times("access.verify") >= 6 && times("clip.linked") == 4, "{kinds:?}");
    station.json(["checkpoint"]);
    assert_eq!(station.json(["log", "verify"])["intact"], true);
    station.stop();
    assert_eq!(station.json(["log", "verify"])["intact"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_the_bucket_finds_and_verifies_a_case_without_vault_and_database() {
    let weed = weed().await;
    weed.make_bucket("alone").await;
    let mut origin = Station::new("");
    let cloud = s3(&origin, "cloud", &format!("http://{}", weed.address()), "alone", Weed::keys());
    origin.configure(&(cloud + &folder("nas", "nas")));
    origin.start();
    let card = origin.card("a");
    for (time, size) in [("091200", 20 << 20), ("092700", 70_000), ("094200", 5_000)] {
        card.file(dsj("36NCC009910", time), footage(size, size as u64), 60);
    }
    origin.dock("a");
    origin.until_safe("a");
    let clips = ["091200.mp4", "092700.mp4", "094200.mp4"].map(|name| origin.clip(name));
    for clip in &clips {
        origin.json(["annotate", clip, "place=东关街", "proves=现场"]);
        origin.json(["link", clip, CASE]);
    }
    origin.json(["link", &clips[2], OTHER]);
    origin.json(["unlink", &clips[2], CASE, "--reason", "不是本案"]);
    origin.until_proven(3);
    let known = origin.find(CASE);
    origin.stop();
    fs::remove_dir_all(origin.path("state")).unwrap();

    // Another machine: a configuration with credentials, and nothing else.
    let reader = Station::new("");
    let nas = origin.path("nas");
    let cloud = s3(&reader, "cloud", &format!("http://{}", weed.address()), "alone", Weed::keys());
    reader.configure(&(cloud + &folder("nas", &nas.display().to_string())));
    for from in ["cloud", "nas"] {
        let found = reader.json(["find", "--case", "赵卫罚[2026]012号", "--from", from]);
        let found = found.as_array().unwrap();
        assert_eq!(ids(found), clips[..2], "{from}: a withdrawn link is not found");
        for (theirs, ours) in found.iter().zip(&known) {
            for field in ["blake3", "sha256", "size_bytes", "original_filename", "place", "proves", "captured_start"] {
                assert_eq!(theirs[field], ours[field], "{from} {field}");
            }
            assert_eq!((&theirs["state"], &theirs["case_no"]), (&"proven".into(), &CASE.into()), "{from}");
        }
        let other = reader.json(["find", "--case", OTHER, "--from", from]);
        assert_eq!(ids(other.as_array().unwrap()), clips[2..], "{from}");
        let verified = reader.json(["verify", "--case", CASE, "--from", from]);
        assert!(verified.as_array().unwrap().iter().all(|v| v["ok"] == true), "{from}: {verified}");
        assert_eq!(verified.as_array().unwrap().len(), 2);
        reader.refused(3, ["find", "--case", "赵卫罚〔2026〕99号", "--from", from]);
    }
    assert!(!reader.path("state").exists(), "reading made nothing");

    // One bit of one master, deep inside.
    let master = nas.join(format!("v1/test-01/clips/{}/master", clips[0]));
    flip(&master, 13 << 20);
    let (verified, _) = reader.refused(4, ["verify", "--case", CASE, "--from", "nas"]);
    let verified = verified.as_array().unwrap().clone();
    let of = |clip: &str| verified.iter().find(|v| v["clip"] == clip).unwrap();
    assert_eq!(of(&clips[0])["ok"], false, "{verified:?}");
    assert!(of(&clips[0]).to_string().contains("differs"), "{verified:?}");
    assert_eq!(of(&clips[1])["ok"], true, "{verified:?}");
    // The other copy is still good, and a folder may be named by its path.
    reader.json(["verify", "--case", CASE, "--from", "cloud"]);
    let path = nas.display().to_string();
    reader.refused(4, ["verify", "--case", CASE, "--from", &path]);
    fs::remove_file(&master).unwrap();
    let (verified, _) = reader.refused(4, ["verify", "--case", CASE, "--from", "nas"]);
    assert!(verified.to_string().contains("no longer there"), "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_holds_footage_back_and_says_what_goes_first() {
    let mut station = Station::new("");
    // One clip at a time, a part at a time: what goes first arrives first.
    station.configure(&(folder("nas", "nas") + "parts_in_flight = 1\n+[upload] clips_in_flight = 1\n"));
    station.start();
    station.refused(3, ["pause", "nowhere"]);
    station.refused(1, ["pause", "nas", "--until", "2020-01-01 08:00"]);
    assert!(
        station.json(["pause", "nas", "--until", "2099-01-01 08:00"])["until"].as_str().unwrap().starts_with("2099")
    );
    let card = station.card("a");
    // Of another order by their age and by their size than people will want.
    for (n, (time, size)) in [("091200", 5_000), ("092700", 70_000), ("094200", 30_000)].into_iter().enumerate() {
        card.file(dsj("36NCC009910", time), footage(size, size as u64), 60 - n as u64);
    }
    station.dock("a");
    station.until_safe("a");
    station.json(["checkpoint"]);
    // Records go on; footage does not.
    station.until("the records are there", |s| {
        s.one("SELECT count(*) FROM outbox WHERE stored_ms IS NULL", &[]) == "0"
            && s.status()["stages"]["sealed"]["count"] == 3
    });
    let status = station.status();
    assert_eq!(status["paused"][0]["destination"], "nas");
    assert_eq!(status["destinations"][0]["line"]["circuit"], "closed");
    assert_eq!(station.one("SELECT count(*) FROM delivery WHERE state = 'waiting'", &[]), "3");

    let [first, second, third] = ["091200.mp4", "092700.mp4", "094200.mp4"].map(|name| station.clip(name));
    assert_eq!(station.json(["push", &third])["clips"], 1);
    assert_eq!(station.json(["push", &second])["clips"], 1);
    station.refused(3, ["push", "019aa2c4-7f00-7abc-8def-0123456789ab"]);
    station.json(["annotate", &second, "place=东关街", "proves=现场"]);
    station.json(["link", &second, CASE]);
    assert_eq!(station.json(["push", "--case", "赵卫罚[2026]12号"])["clips"], 1);
    station.refused(3, ["push", "--case", OTHER]);
    station.json(["resume"]);
    station.until_proven(3);
    // When each was written where it arrived, which is not our own word for it.
    let arrived = |clip: &String| {
        let master = station.path(format!("nas/v1/test-01/clips/{clip}/master"));
        fs::metadata(master).unwrap().modified().unwrap()
    };
    let mut order = vec![&first, &second, &third];
    order.sort_by_key(|clip| arrived(clip));
    assert_eq!(order, [&second, &third, &first], "the newest wish first, and then the one before it");
    let told = |kind: &str| station.one("SELECT count(*) FROM log_entry WHERE kind = ?1", &[&kind]);
    assert_eq!([told("delivery.paused"), told("delivery.pushed"), told("delivery.resumed")], ["1", "3", "1"]);
    station.stop();
}
