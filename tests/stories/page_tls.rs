//! The page over TLS, by the real program: rustls with a given certificate, checked by a client that trusts only it.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use crate::support;

use std::fs;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use support::footage;
use support::station::{Station, dsj};

fn client() -> reqwest::ClientBuilder {
    // Set once is set: another test may have come first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

#[tokio::test]
async fn the_page_is_served_over_tls_and_only_to_who_trusts_its_certificate() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let pem = certified.cert.pem();
    let (mut station, url) = evidock::runtime::task::blocking("station", {
        let (pem, key) = (pem.clone(), certified.signing_key.serialize_pem());
        move || {
            let mut station = Station::new("");
            fs::write(station.path("page.crt"), pem).unwrap();
            fs::write(station.path("page.key"), key).unwrap();
            station.configure("tls_certificate = \"page.crt\"\ntls_key = \"page.key\"");
            station.start();
            let url = station.page();
            (station, url)
        }
    })
    .await
    .unwrap();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    let trusting = client().tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()]).build().unwrap();
    let answer = trusting.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("content-security-policy"));
    assert!(answer.text().await.unwrap().contains("evidock"));

    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = reqwest::Certificate::from_pem(stranger.cert.pem().as_bytes()).unwrap();
    let distrusting = client().tls_certs_only([other]).build().unwrap();
    assert!(distrusting.get(&url).send().await.is_err(), "a certificate that nobody vouches for is refused");

    let plain = trusting.get(url.replace("https:", "http:")).send().await;
    assert!(plain.is_err() || !plain.unwrap().status().is_success(), "nothing is served without TLS");
    evidock::runtime::task::blocking("station", move || station.stop()).await.unwrap();
}

#[tokio::test]
async fn a_station_that_was_given_no_certificate_makes_its_own_and_keeps_it() {
    let mut station = Station::new("=listen = \"0.0.0.0:0\"");
    let mut seen = Vec::new();
    for _ in 0..2 {
        station = evidock::runtime::task::blocking("station", move || {
            station.start();
            station
        })
        .await
        .unwrap();
        let pem = fs::read(station.path("state/page.pem")).unwrap();
        let url = station.page().replace("0.0.0.0", "localhost");
        let own = reqwest::Certificate::from_pem(&pem).unwrap();
        let answer = client().tls_certs_only([own]).build().unwrap().get(format!("{url}/kiosk")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "the bay board; the rest wants an account");
        // What a browser shows is what doctor shows.
        let leaf = support::sha256(CertificateDer::from_pem_slice(&pem).unwrap()).to_string();
        let told = station.json(["doctor"]);
        let words =
            told["findings"].as_array().unwrap().iter().find(|f| f["part"] == "certificate").unwrap()["words"].clone();
        assert!(words.as_str().unwrap().replace(':', "").to_ascii_lowercase().contains(&leaf), "{words} {leaf}");
        seen.push(leaf);
        station = evidock::runtime::task::blocking("station", move || {
            station.stop();
            station
        })
        .await
        .unwrap();
    }
    assert_eq!(seen[0], seen[1], "people have compared it");
}

#[tokio::test]
async fn stretches_of_a_clip_come_over_tls_as_they_were_sealed() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let pem = certified.cert.pem();
    let sealed = footage(3_000_000, 7);
    let (mut station, url, clip) = evidock::runtime::task::blocking("station", {
        let (pem, key, sealed) = (pem.clone(), certified.signing_key.serialize_pem(), sealed.clone());
        move || {
            let mut station = Station::new("");
            fs::write(station.path("page.crt"), pem).unwrap();
            fs::write(station.path("page.key"), key).unwrap();
            station.configure("tls_certificate = \"page.crt\"\ntls_key = \"page.key\"");
            station.start();
            station.card("a").file(dsj("36NCC009910", "091200"), sealed, 60);
            station.dock("a");
            station.until("the clip is sealed", |s| {
                !s.query("SELECT clip_id FROM clip WHERE local = 'sealed'", &[]).is_empty()
            });
            let clip = station.one("SELECT clip_id FROM clip", &[]);
            let url = station.page();
            (station, url, clip)
        }
    })
    .await
    .unwrap();

    let client = client().tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()]).build().unwrap();
    let media = format!("{url}/clips/{clip}/media");
    let whole = client.get(&media).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), whole.headers()["accept-ranges"].to_str().unwrap()), (200, "bytes"));
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(tag, format!("\"{}\"", support::sha256(&sealed)));
    assert_eq!(whole.bytes().await.unwrap(), sealed);

    let end = sealed.len();
    // A stretch across the pieces in which bytes are verified, one to the end, the last ones.
    for (range, from, to) in [
        ("bytes=1000000-2200000", 1_000_000, 2_200_001),
        ("bytes=2999000-", 2_999_000, end),
        ("bytes=-17", end - 17, end),
        ("bytes=0-0", 0, 1),
    ] {
        for condition in [None, Some(tag.as_str())] {
            let mut request = client.get(&media).header("range", range);
            if let Some(tag) = condition {
                request = request.header("if-range", tag);
            }
            let part = request.send().await.unwrap();
            assert_eq!(part.status(), 206, "{range} {condition:?}");
            let told = part.headers()["content-range"].to_str().unwrap().to_owned();
            assert_eq!(told, format!("bytes {from}-{}/{end}", to - 1), "{range}");
            assert_eq!(part.headers()["etag"].to_str().unwrap(), tag);
            assert!(part.bytes().await.unwrap() == sealed[from..to], "{range}: other bytes");
        }
    }
    // Of another version nothing is pieced together: all of it comes.
    for other in ["\"0000\"", "Fri, 19 Jun 2026 09:12:00 GMT"] {
        let whole = client.get(&media).header("range", "bytes=5-9").header("if-range", other).send().await.unwrap();
        assert_eq!(whole.status(), 200, "{other}");
        assert!(whole.bytes().await.unwrap() == sealed, "{other}");
    }
    let beyond = client.get(&media).header("range", format!("bytes={end}-")).send().await.unwrap();
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"].to_str().unwrap(), format!("bytes */{end}"));
    evidock::runtime::task::blocking("station", move || station.stop()).await.unwrap();
}
