//! Locks and legal holds in a bucket that keeps them, and holds that two people release.

use evidock::deliver::s3::{S3Destination, S3Options};
use evidock::domain::ports::Destination;
use tokio::sync::OnceCell;

use super::support::footage;
use super::support::station::{Station, dsj, s3};
use super::support::weed::Weed;
use super::*;

const CASE: &str = "赵卫罚〔2026〕12号";
const DAY_MS: i64 = 86_400_000;

async fn weed() -> &'static Weed {
    static WEED: OnceCell<Weed> = OnceCell::const_new();
    WEED.get_or_init(Weed::start).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn locks_are_renewed_a_month_ahead_and_holds_become_legal_holds() {
    let weed = weed().await;
    weed.make_locking_bucket("locks").await;
    let mut station = Station::new("");
    let endpoint = format!("http://{}", weed.address());
    // One day is less than what is left of a lock when it is renewed: the first renewal is due at once.
    let destination = s3(&station, "cloud", &endpoint, "locks", Weed::keys());
    station.configure(&format!("{destination}initial_lock_days = 1\n"));
    station.card("a").file(dsj("36NCC009910", "091200"), footage(200_000, 1), 60);
    station.start();
    station.dock("a");
    station.until_proven(1);
    let clip = station.clip("091200.mp4");
    station.until("the lock is renewed", |s| count(s, &clip, "delivery.lock") == 1);
    let until: i64 = station.one("SELECT locked_until_ms FROM delivery", &[]).parse().unwrap();
    let sealed: i64 = station.one("SELECT sealed_ms FROM clip", &[]).parse().unwrap();
    assert!((30 * DAY_MS..32 * DAY_MS).contains(&(until - sealed)), "{} days", (until - sealed) / DAY_MS);

    let dest = S3Destination::new(S3Options { ..weed.options("locks") }).unwrap();
    let keys = |names: &[&str]| names.iter().map(|n| format!("v1/test-01/clips/{clip}/{n}")).collect::<Vec<_>>();
    for key in keys(&["master", "tree", "record/000001.json"]) {
        let there = dest.head(&key).await.unwrap().unwrap();
        let locked = there.locked_until.unwrap_or_else(|| panic!("{key} is not locked")).0;
        assert!((locked - until).abs() < 60_000, "{key} is locked until {locked}, the footage until {until}");
        assert!(!there.held, "{key}");
    }
    // Locked long enough: nothing is renewed again, whatever happens to it.
    station.json(["link", &clip, CASE]);
    station.until_proven(1);
    assert_eq!(count(&station, &clip, "delivery.lock"), 1);

    let held = station.json(["hold", "--case", CASE, "--reason", "行政诉讼"]);
    assert_eq!(held["clips"], 1);
    station.until("the legal hold stands there", |s| count(s, &clip, "delivery.legal_hold") == 1);
    let is_held = async |want: bool| {
        for key in keys(&["master", "tree"]) {
            assert_eq!(dest.head(&key).await.unwrap().unwrap().held, want, "{key}");
        }
    };
    is_held(true).await;
    assert_eq!(station.record(&clip)["legal_hold"], true);

    // Withdrawing the link ends nothing that stands.
    station.json(["unlink", &clip, CASE, "--reason", "认错了案件"]);
    station.until_proven(1);
    is_held(true).await;

    let hold = held["hold"].to_string();
    let (_, words) = station.refused(1, ["unhold", &hold, "--confirm"]);
    assert!(words.contains("nobody has asked"), "{words}");
    station.json(["unhold", &hold, "--reason", "诉讼终结"]);
    let (_, words) = station.refused(1, ["unhold", &hold, "--confirm"]);
    assert!(words.contains("another person"), "{words}");
    is_held(true).await;
    let listed = station.json(["holds"]);
    assert_eq!((&listed["holds"][0]["release_reason"], &listed["holds"][0]["clips"]), (&"诉讼终结".into(), &1.into()));
    assert!(as_another(&station, &["unhold", &hold, "--confirm"]).status.success());
    station.until("the legal hold is taken off", |s| count(s, &clip, "delivery.legal_hold") == 2);
    is_held(false).await;
    assert_eq!(station.record(&clip)["legal_hold"], false);
    station.refused(3, ["unhold", &hold, "--confirm"]);
    let locked: i64 = station.one("SELECT locked_until_ms FROM delivery", &[]).parse().unwrap();
    assert!(locked >= until, "a lock that stands is never shortened");
    assert_log_holds(&station);
}

#[test]
fn a_hold_on_a_case_takes_hold_of_what_is_linked_later() {
    let mut station = Station::running("");
    let card = station.card("a");
    for time in ["091200", "092700"] {
        card.file(dsj("36NCC009910", time), footage(10_000, 1), 60);
    }
    station.dock("a");
    station.until_proven(2);
    let (first, second) = (station.clip("091200.mp4"), station.clip("092700.mp4"));
    let (_, words) = station.refused(3, ["hold", "--case", CASE, "--reason", "复议"]);
    assert!(words.contains("no clip was ever linked"), "{words}");
    station.json(["link", &first, CASE]);
    let on_case = station.json(["hold", "--case", "赵卫罚[2026]第012号", "--reason", "复议"]);
    let on_clip = station.json(["hold", &first, "--reason", "舆情"]);
    assert_eq!(station.status()["held"], 1);
    station.json(["link", &second, CASE]);
    assert_eq!(station.status()["held"], 2);
    assert_eq!(station.record(&second)["legal_hold"], true);
    // One hold is released, and the other one stands on.
    let hold = on_case["hold"].to_string();
    station.json(["unhold", &hold, "--reason", "复议终结"]);
    assert!(as_another(&station, &["unhold", &hold, "--confirm"]).status.success());
    assert_eq!(station.status()["held"], 1);
    assert_eq!(station.record(&first)["legal_hold"], true);
    let left = station.json(["holds"]);
    assert_eq!((left["holds"].as_array().unwrap().len(), &left["holds"][0]["hold"]), (1, &on_clip["hold"]));
    for bad in [["hold", &first, "--reason", " "], ["hold", "not-a-clip", "--reason", "x"]] {
        assert!(!station.evidock(bad).status.success());
    }
}
