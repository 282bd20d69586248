//! What is suspected classified (疑似涉密): it stops in the middle of a part, nobody sees it, nothing is deleted, the
//! responsible person is told, and two people lift it.

use std::time::Duration;

use bytes::Bytes;
use evidock::runtime::clock::monotonic;
use tokio::sync::OnceCell;

use super::support::footage;
use super::support::proxy::FaultProxy;
use super::support::station::{Station, dsj, s3};
use super::support::weed::Weed;
use super::*;

const PART: u64 = 8 << 20;

/// Waits until hardly anything went up for three seconds.
fn until_quiet(station: &mut Station, proxy: &FaultProxy) {
    let (mut up, mut since) = (proxy.bytes_up(), monotonic());
    station.until("it is quiet for a while", |_| {
        let now = proxy.bytes_up();
        if now - up > 50_000 {
            (up, since) = (now, monotonic());
        }
        since.elapsed() > Duration::from_secs(3)
    });
}

async fn weed() -> &'static Weed {
    static WEED: OnceCell<Weed> = OnceCell::const_new();
    WEED.get_or_init(Weed::start).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upload_stops_in_the_middle_and_goes_on_when_two_people_lift_it() {
    let weed = weed().await;
    weed.make_bucket("isolated").await;
    let proxy = FaultProxy::start(weed.address()).await;
    let mut station = Station::new("");
    let hook = station.path("on-evidock");
    let told = station.path("told");
    std::fs::write(&hook, format!("#!/bin/sh\ncat > /dev/null\necho \"$1\" >> {}\n", told.display())).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let feedback = format!("[feedback]\nhook = [\"{}\"]\n", hook.display());
    let destination = s3(&station, "cloud", &proxy.endpoint(), "isolated", Weed::keys());
    station.configure(&format!("{destination}{feedback}"));
    let bytes = footage((4 * PART + 12_345) as usize, 7);
    station.card("a").file(dsj("36NCC009910", "091200"), &bytes, 60);
    station.start();
    station.until("the destination is probed", |s| s.status()["destinations"][0]["proof"] == "remote_checksum");
    let before = proxy.bytes_up();
    // Each of the parts under way would take most of a minute.
    proxy.set(|rules| rules.rate = Some(200_000));
    station.dock("a");
    station.until("the upload is under way", |_| proxy.bytes_up() - before > 200_000);
    let clip = station.clip("091200.mp4");
    // Parts go while the clip is copied, its record once it is sealed.
    let stored = "SELECT count(*) > 0 FROM outbox WHERE kind = 'record' AND clip_id = ?1 AND stored_ms IS NOT NULL";
    station.until("its record is there", |s| s.one(stored, &[&clip]) == "1");

    let asked = monotonic();
    let isolated = station.json(["isolate", &clip, "--reason", "画面中有军事设施"]);
    assert_eq!(isolated["isolated"], serde_json::json!([clip]));
    let standing = &isolated["clips"][0]["standing"][0];
    assert_eq!((&standing["destination"], &standing["state"]), (&"cloud".into(), &"failed".into()), "{isolated}");
    assert!(standing["records"].as_u64() >= Some(1), "its record is told: {isolated}");
    let why = station.one("SELECT reason FROM delivery WHERE clip_id = ?1", &[&clip]);
    assert!(why.contains("evidock lift"), "it says why it goes no further: {why}");
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    // What the system's own buffers had taken before may still drain; then nothing but checkpoints of the log goes on.
    until_quiet(&mut station, &proxy);
    assert!(asked.elapsed() < Duration::from_secs(90), "{:?}", asked.elapsed());
    let path = format!("/isolated/v1/test-01/clips/{clip}/master");
    let (status, _) = weed.request("HEAD", &path, &[], Bytes::new()).await;
    assert_eq!(status, 404, "it never became an object");

    // Nobody sees it: not on the page, not through the interface, not as a picture.
    for path in [format!("/clips/{clip}/media"), format!("/api/v1/clips/{clip}/media?download=1")] {
        let refused = get(&station, &path, "");
        assert_eq!(refused.status, 403, "{}", refused.head);
        assert!(!refused.body.windows(16).any(|w| w == &bytes[..16]));
    }
    assert_eq!(get(&station, &format!("/clips/{clip}/thumbnail"), "").status, 403);
    let page = text(&get(&station, &format!("/clips/{clip}"), "").body);
    assert!(page.contains("Suspected classified") && page.contains("nothing was deleted"), "{page}");
    assert!(!page.contains("<video") && !page.contains("download=1"));
    let alarms = problem(&get(&station, "/api/v1/status", ""))["alarms"].to_string();
    assert!(alarms.contains("\"isolated\""), "{alarms}");
    station.until("the responsible person is told", |_| {
        std::fs::read_to_string(&told).unwrap_or_default().lines().any(|l| l == "isolated")
    });
    // Nothing is deleted: neither here nor what went up.
    assert!(station.in_vault(&clip).is_some());
    assert_eq!(count(&station, &clip, "clip.isolated"), 1);
    let reason = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'clip.isolated'", &[]);
    assert!(!reason[0][0].contains("军事"), "the log commits to the reason and does not tell it");

    // Neither trying again nor a new start lets it out, nor does a person alone.
    proxy.set(|rules| rules.rate = None);
    station.json(["retry"]);
    station.stop();
    station.start();
    station.until("the destination is well", |s| s.status()["destinations"][0]["trouble"].is_null());
    station.json(["annotate", &clip, "place=某地"]);
    until_quiet(&mut station, &proxy);
    let sent = proxy.requests().iter().filter(|r| r.contains("/master")).count();
    station.json(["retry", "cloud"]);
    until_quiet(&mut station, &proxy);
    assert_eq!(proxy.requests().iter().filter(|r| r.contains("/master")).count(), sent, "nobody even asks");
    assert_ne!(state(&station, &clip, "cloud"), "proven");
    let newest = station.one("SELECT max(rev) FROM record_rev WHERE clip_id = ?1", &[&clip]);
    station.refused(1, ["lift", &clip, "--confirm"]);
    station.json(["lift", &clip, "--reason", "经鉴定不涉密"]);
    let (_, words) = station.refused(1, ["lift", &clip, "--confirm"]);
    assert!(words.contains("another person"), "{words}");
    assert_eq!(
        station.one("SELECT max(rev) FROM record_rev WHERE clip_id = ?1", &[&clip]),
        newest,
        "no record goes out"
    );

    let lifted = as_another(&station, &["lift", &clip, "--confirm"]);
    assert!(lifted.status.success(), "{}", text(&lifted.stderr));
    station.until_proven(1);
    let whole = get(&station, &format!("/clips/{clip}/media"), "");
    assert!(whole.status == 200 && whole.body == bytes);
    assert_log_holds(&station);
}

#[test]
fn a_label_isolates_and_so_do_the_same_bytes_from_elsewhere() {
    let far = far();
    let mut station = Station::running(&folder_at("far", far.path()));
    let bytes = footage(100_000, 3);
    station.card("a").file(dsj("36NCC009910", "091200"), &bytes, 60);
    station.dock("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    station.json(["annotate", &clip, "sensitivity=疑似涉密"]);
    assert_eq!(station.status()["isolated"], 1);
    // What stands there already stays there, and is told.
    let again = station.json(["isolate", &clip, "--reason", "再次确认"]);
    assert_eq!(
        (&again["isolated"], &again["clips"][0]["standing"][0]["state"]),
        (&serde_json::json!([]), &"proven".into())
    );
    assert!(std::fs::read(master(far.path(), &clip)).unwrap() == bytes);
    // The same footage on another recorder goes nowhere either.
    station.card("b").file(dsj("36NCC009911", "101010"), &bytes, 60);
    station.dock("b");
    station.until_safe("b");
    assert_eq!(station.status()["isolated"], 2);
    let other = station.clip("101010.mp4");
    assert_eq!(get(&station, &format!("/clips/{other}/media"), "").status, 403);
    assert_eq!(state(&station, &other, "far"), "waiting");
    // Lifting asks for another label first.
    station.json(["lift", &clip, "--reason", "不涉密"]);
    let refused = as_another(&station, &["lift", &clip, "--confirm"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("still labelled"), "{}", text(&refused.stderr));
    station.json(["annotate", &clip, "sensitivity=无"]);
    let holds = station.json(["holds"]);
    assert_eq!(holds["isolated"].as_array().unwrap().len(), 2, "{holds}");
    let doctor = station.evidock(["doctor", "--json"]);
    assert!(text(&doctor.stdout).contains("isolated as suspected classified"));
    // What is decided of these bytes is decided of both.
    assert!(as_another(&station, &["lift", &clip, "--confirm"]).status.success());
    assert_eq!(station.status()["isolated"], 0);
    assert_eq!(get(&station, &format!("/clips/{clip}/media"), "").status, 200);
    station.until_proven(2);
}
