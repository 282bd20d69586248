//! RFC 3161: a real authority stamps the log's head, and OpenSSL says so, now and of nothing else.

use super::support::tsa::{Tsa, is_true};
use super::*;

#[test]
fn openssl_takes_our_timestamps_for_true() {
    let (tsa, far) = (Tsa::start(), far());
    let settings = format!("{QUICK}[custody.timestamp]\nurl = \"{}\"\n{}", tsa.url(), folder_at("cloud", far.path()));
    let mut station = Station::running(&settings);
    station.until("a timestamp is there", |s| !s.query("SELECT size FROM timestamp", &[]).is_empty());
    let text = station.one("SELECT text FROM timestamp", &[]);
    assert!(text.starts_with("evidock/test-01/1\n"), "{text}");
    // As it stands in the bucket.
    station.until("it is anchored", |s| s.status()["outbox"] == 0);
    let found = support::station::files_below(&far.path().join("v1/test-01/log/timestamp"));
    let reply = found.iter().find(|path| !path.to_string_lossy().ends_with(".meta")).unwrap();
    let data = station.path("head");
    std::fs::write(&data, &text).unwrap();
    assert!(is_true(&tsa.ca(), &data, reply));
    std::fs::write(&data, text.replacen("/1\n", "/2\n", 1)).unwrap();
    assert!(!is_true(&tsa.ca(), &data, reply), "of another text");
    std::fs::write(&data, &text).unwrap();
    assert!(!is_true(&Tsa::start().ca(), &data, reply), "by another authority");
}

#[test]
fn an_authority_that_is_away_is_told_and_asked_again() {
    let mut station = Station::running(&format!("{QUICK}[custody.timestamp]\nurl = \"http://127.0.0.1:9/tsr\"\n"));
    station.until("it is told", |s| s.log().contains("timestamp_missing"));
    take_in(&mut station, 1);
}
