//! Guests that are many, slow, endless or broken: the page may send them away; intake and delivery go on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::http::Browser;
use super::support::footage;
use super::support::station::{Station, dsj, folder};

const GUESTS: usize = 1_200;

#[test]
fn a_thousand_slow_guests_hold_up_no_recorder() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let mut station = Station::running(&folder("cloud", "cloud"));
    let browser = Browser::new(&station.page());
    // Each holds a connection and never ends its request: some in the head, some in a body that was announced longer than
    // anything that is taken, some read nothing of what they asked for.
    let guests: Vec<TcpStream> = (0..GUESTS)
        .filter_map(|n| {
            let mut guest = TcpStream::connect(browser.at).ok()?;
            guest.set_nonblocking(true).unwrap();
            let head = match n % 3 {
                0 => "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ".to_owned(),
                1 => format!(
                    "POST /signin HTTP/1.1\r\nhost: {0}\r\norigin: http://{0}\r\ncontent-length: 60000\r\n\
                     content-type: application/x-www-form-urlencoded\r\n\r\nname=",
                    browser.at
                ),
                _ => format!("GET /live?topic=station HTTP/1.1\r\nhost: {}\r\n\r\n", browser.at),
            };
            let _ = guest.write_all(head.as_bytes());
            Some(guest)
        })
        .collect();
    assert!(guests.len() > 1_000, "{}", guests.len());
    station.card("a").file(dsj("36NCC009910", "091200"), footage(3_000_000, 1), 60);
    station.dock("a");
    station.until_safe("a");
    station.until_proven(1);
    drop(guests);
    station.until("the page has room again", |_| {
        TcpStream::connect(browser.at).is_ok_and(|mut s| {
            s.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut first = [0; 12];
            s.write_all(format!("GET /kiosk HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", browser.at).as_bytes())
                .is_ok()
                && s.read_exact(&mut first).is_ok()
                && first == *b"HTTP/1.1 200"
        })
    });
    station.stop();
}

#[test]
fn what_is_too_long_or_broken_is_refused_and_the_next_one_is_served() {
    let station = Station::running("");
    let browser = Browser::new(&station.page());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    for (path, bytes) in [("/signin", 200_000), ("/language", 200_000), ("/api/v1/roster", 30_000_000)] {
        let mut stream = TcpStream::connect(browser.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let kind = if path.starts_with("/api") { "text/csv" } else { form[0].1 };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {0}\r\norigin: http://{0}\r\ncontent-type: {kind}\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n",
            browser.at
        );
        stream.write_all(head.as_bytes()).unwrap();
        // It may hang up before all of it was sent.
        let chunk = vec![b'x'; 16_384];
        for _ in 0..bytes / chunk.len() + 1 {
            if stream.write_all(&chunk).is_err() {
                break;
            }
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let status = String::from_utf8_lossy(&answer).split(' ').nth(1).map(str::to_owned);
        // On a station without accounts the door is not there: it leads to the station.
        let wanted = if path == "/signin" { ["413", "303"] } else { ["413", "413"] };
        assert!(status.is_none() || wanted.contains(&status.as_deref().unwrap()), "{path}: {status:?}");
    }
    for broken in ["\x16\x03\x01\x02garbage\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\u{1}\r\n\r\n", "\r\n\r\n\r\n"] {
        let mut stream = TcpStream::connect(browser.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(broken.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200"), "{broken:?}");
    }
    let long = format!("/clips?officer={}", "x".repeat(100_000));
    let answer = std::panic::catch_unwind(|| browser.get(&long).status);
    assert!(answer.is_err() || [400, 414, 431].contains(&answer.unwrap()), "an address without end");
    assert_eq!(browser.get("/kiosk").status, 200);
}

#[test]
fn a_thousand_who_say_nothing_keep_nobody_out() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let station = Station::running("");
    let browser = Browser::new(&station.page());
    // Twice as many as one address has places, and before any of them has been silent for too long.
    let begun = evidock::runtime::clock::monotonic();
    let silent: Vec<TcpStream> = (0..1_000).map(|_| TcpStream::connect(browser.at).unwrap()).collect();
    for path in ["/kiosk", "/", "/clips"] {
        assert_eq!(browser.get(path).status, 200, "{path}");
    }
    // Whoever says nothing is shown out after twenty seconds.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    drop(silent);
}
