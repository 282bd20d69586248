//! What is under way over a real connection when whoever takes it, or gives it, is shut out.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::http::Browser;
use super::support::footage;
use super::support::station::{Station, dsj};
use super::{CASE, encoded, people};

/// More than a connection keeps of what nobody reads.
const CLIP_BYTES: u64 = 16_000_000;

/// Asks and reads the head of the answer, and nothing more.
fn asked(browser: &Browser, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(browser.at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let shown = match (&browser.cookie, &browser.bearer) {
        (Some(cookie), _) => format!("cookie: {cookie}"),
        (None, token) => format!("authorization: Bearer {}", token.as_deref().unwrap()),
    };
    let head = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{shown}\r\nconnection: close\r\n\r\n", browser.at);
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
    stream
}

/// What comes until the end, however it ends. That it does not end fails.
fn rest(mut stream: TcpStream) -> u64 {
    let mut bytes = 0;
    let mut some = vec![0; 65_536];
    loop {
        match stream.read(&mut some) {
            Ok(0) => return bytes,
            Ok(n) => bytes += n as u64,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("it does not end"),
            Err(_) => return bytes,
        }
    }
}

/// The same of somebody whose line brings some 800 kB a second.
fn rest_by_and_by(mut stream: TcpStream) -> u64 {
    let mut bytes = 0;
    let mut some = vec![0; 16_384];
    while let Ok(n @ 1..) = stream.read(&mut some) {
        bytes += n as u64;
        std::thread::sleep(Duration::from_millis(20));
    }
    bytes
}

/// Whether a stream of events is still open.
fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut some = [0; 4096];
    loop {
        match stream.read(&mut some) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(e) => return matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    }
}

#[test]
fn what_is_under_way_ends_with_the_right_to_it() {
    let mut station = Station::running("");
    let roster = station.path("roster.csv");
    let row = format!("甲,36NCC009910,2026-01-01 00:00,2026-12-31 23:59,{CASE},东关街,现场检查,现场全貌\n");
    fs::write(&roster, format!("officer,recorder,from,to,case,place,matter,proves\n{row}")).unwrap();
    station.json(["roster", "import", roster.to_str().unwrap()]);
    station.card("a").file(dsj("36NCC009910", "091200"), footage(CLIP_BYTES as usize, 1), 60);
    station.dock("a");
    station.until("the clip is settled", |s| {
        s.query("SELECT clip_id FROM clip_index WHERE officer = '甲' AND care = 0 AND missing_count = 0", &[]).len()
            == 1
    });
    let clip = station.one("SELECT clip_id FROM clip_index WHERE officer = '甲'", &[]);
    let officer: &[&str] = &["--role", "officer", "--officer", "甲"];
    let accounts = [("ended", officer), ("disabled", officer), ("sends", officer), ("stays", officer)];
    let mut people = people(&station, &accounts).into_iter();
    let [ended, disabled, sends, stays] = std::array::from_fn(|_| people.next().unwrap());
    let made = station.json(["token", "add", "platform", "--role", "archivist"]);
    let program = Browser { cookie: None, bearer: Some(made["token"].as_str().unwrap().to_owned()), ..stays.clone() };

    let media = format!("/api/v1/clips/{clip}/media");
    let taken = |browser: &Browser| (asked(browser, &media), asked(browser, "/api/v1/changes"));
    let (ended_file, ended_events) = taken(&ended);
    let (disabled_file, disabled_events) = taken(&disabled);
    let program_events = asked(&program, "/api/v1/changes");
    let (others_file, mut others_events) = taken(&stays);
    // A file on its way in, of which most is still to come.
    let mut sent = TcpStream::connect(sends.at).unwrap();
    sent.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    let cookie = sends.cookie.as_deref().unwrap();
    let form = evidock::access::form_token(cookie.split_once('=').unwrap().1);
    let head = format!(
        "POST /api/v1/cases/{}/documents?name=x.pdf&kind=record HTTP/1.1\r\nhost: {}\r\ncookie: {cookie}\r\n\
         x-csrf-token: {form}\r\norigin: http://{}\r\ncontent-type: application/pdf\r\ncontent-length: 100000\r\n\
         connection: close\r\n\r\n%PDF-1.7 a written",
        encoded(CASE),
        sends.at,
        sends.at
    );
    sent.write_all(head.as_bytes()).unwrap();

    station.json(["user", "sign-out", "ended"]);
    station.json(["user", "sign-out", "sends"]);
    station.json(["user", "disable", "disabled"]);
    station.json(["token", "end", &made["id"].to_string()]);
    for events in [ended_events, disabled_events, program_events] {
        rest(events);
    }
    for file in [ended_file, disabled_file] {
        let came = rest(file);
        assert!(came < CLIP_BYTES, "{came}");
    }
    let mut answer = String::new();
    let _ = sent.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(station.one("SELECT count(*) FROM document", &[]), "0");
    assert!(is_open(&mut others_events), "what others take goes on");
    assert_eq!(rest(others_file), CLIP_BYTES);

    // No bell tells that a clip was isolated: it is looked every three seconds.
    let file = asked(&stays, &media);
    station.json(["isolate", &clip, "--reason", "画面中有军事设施"]);
    let came = rest_by_and_by(file);
    assert!(came < CLIP_BYTES, "{came}");
    station.stop();
}
