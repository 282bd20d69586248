//! Stations that watch one another: one shows its checkpoints, the other signs them, and refuses a log that was rewritten
//! or cut off.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use evidock::custody::note::Kind;

use super::support::guarded::free_ports;
use super::support::oracle::oracle;
use super::support::station::text;
use super::*;

/// Two stations, each knowing the other: the first one shows its log, the second one signs it.
pub fn pair(more_of_first: &str) -> (Station, Station) {
    let (mut log, mut witness) = (Station::running(QUICK), Station::running("=id = \"test-02\"\n"));
    log.stop();
    witness.stop();
    // At a port that nobody else gets while it is stopped.
    let [port] = free_ports::<1>();
    witness.configure(&format!(
        "=id = \"test-02\"\n=listen = \"127.0.0.1:{port}\"\n[[custody.witness_of]]\nkey = \"{}\"\n",
        key_of(&log)
    ));
    witness.start();
    let settings = format!(
        "{QUICK}[[custody.witness]]\nname = \"two\"\nurl = \"{}/witness\"\nkey = \"{}\"\n{more_of_first}",
        witness.page(),
        key_of(&witness)
    );
    log.configure(&settings);
    log.start();
    (log, witness)
}

/// Waits until the witness has signed everything so far.
pub fn until_cosigned(log: &mut Station) {
    let size: i64 = log.one("SELECT max(seq) + 1 FROM log_entry", &[]).parse().unwrap();
    log.until("the witness signed", |s| !s.query("SELECT size FROM cosignature WHERE size >= ?1", &[&size]).is_empty());
}

#[test]
fn each_checkpoint_is_signed_by_the_other_station_also_when_nothing_happens() {
    let (mut log, witness) = pair("");
    until_cosigned(&mut log);
    let note = log.json(["log", "checkpoint"])["note"].as_str().unwrap().to_owned();
    assert!(note.contains("\n— evidock/test-02 "), "{note}");
    let key = key_of(&witness);
    let opened = evidock::custody::note::Note::parse(note.as_bytes()).unwrap();
    let signed = opened.verify(&[key.for_kind(Kind::Cosignature)]).unwrap();
    let at = signed[0].made_s.unwrap();
    go_reads_the_line_of_the_witness(&log, &note, &key.for_kind(Kind::Cosignature).to_string());
    // Nothing happens, and it is signed again, later.
    log.until("an idle log is signed again", |s| {
        let row = s.query("SELECT max(made_s) FROM cosignature", &[]);
        row[0][0].parse::<u64>().unwrap() > at
    });
    // Proofs carry it along.
    let verified = log.json(["log", "verify"]);
    let holder = verified["holders"].as_array().unwrap().iter().find(|h| h["held_by"] == "anchor witness two");
    assert!(verified["intact"] == true && holder.is_some_and(|h| h["confirms"].as_u64() > Some(0)), "{verified}");
    assert_eq!(verified["witness_problems"], serde_json::json!([]));
    // What it has seen survives its own restart.
    let seen = witness.one("SELECT origin FROM witnessed", &[]);
    assert_eq!(seen, "evidock/test-01/1");
}

/// The line as Go's own reader of notes takes it, which knows the key and the form of what is signed and none of our code;
/// of another time, another text or another witness it is not.
fn go_reads_the_line_of_the_witness(log: &Station, note: &str, key: &str) {
    let put = |name: &str, text: &str| {
        let path = log.path(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (word, keys) = (Path::new("cosigned").to_owned(), put("witness.pub", key));
    oracle([&word, &keys, &put("note", note)]).unwrap();
    let name = key.split('+').next().unwrap();
    let line = note.lines().find(|l| l.starts_with(&format!("— {name} "))).unwrap();
    let encoded = line.rsplit(' ').next().unwrap();
    let bytes = BASE64.decode(encoded).unwrap();
    assert_eq!(bytes.len(), 4 + 8 + 64, "id, time, signature");
    // The last byte of the time, the first and the last of the signature.
    for at in [11, 12, 75] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = put("changed", &note.replace(encoded, &BASE64.encode(changed)));
        assert!(oracle([&word, &keys, &changed]).is_err(), "byte {at} of the line was changed");
    }
    let text = put("changed", &note.replacen("evidock/test-01/1\n", "evidock/test-01/2\n", 1));
    assert!(oracle([&word, &keys, &text]).is_err(), "the note says something else");
    let alone = put("changed", &note.replace(&format!("{line}\n"), ""));
    assert!(oracle([&word, &keys, &alone]).is_err(), "the witness has not signed it");
}

#[test]
fn a_witness_that_comes_back_is_caught_up_with() {
    let (mut log, mut witness) = pair("");
    until_cosigned(&mut log);
    let page = witness.page();
    let port = page.rsplit(':').next().unwrap().to_owned();
    witness.stop();
    take_in(&mut log, 2);
    until_covered(&mut log);
    // At the same address, with what it knew.
    witness.configure(&format!(
        "=id = \"test-02\"\n=listen = \"127.0.0.1:{port}\"\n[[custody.witness_of]]\nkey = \"{}\"\n",
        key_of(&log)
    ));
    witness.start();
    until_cosigned(&mut log);
    assert!(!log.log().contains("witness_refuses"), "nobody is accused");
}

#[test]
fn the_witness_s_door_answers_as_the_specification_says() {
    let (mut log, witness) = pair("");
    until_cosigned(&mut log);
    let size: u64 = log.one("SELECT max(size) FROM cosignature", &[]).parse().unwrap();
    let note = log.one("SELECT note FROM checkpoint ORDER BY checkpoint_id LIMIT 1", &[]);
    let post = |body: &str| post(&witness, body);
    // Told from the beginning, though it knows more.
    let answer = post(&format!("old 0\n\n{note}"));
    assert!(answer.starts_with("HTTP/1.1 409") && answer.contains("content-type: text/x.tlog.size"), "{answer}");
    let known: u64 = answer.rsplit("\r\n").next().unwrap().trim().parse().unwrap();
    assert!(known >= size, "{answer}");
    assert!(post("nonsense").starts_with("HTTP/1.1 400"));
    assert!(post(&format!("old 0\n\n{}", note.replace("test-01", "test-09"))).starts_with("HTTP/1.1 404"));
    let mut lines: Vec<&str> = note.lines().collect();
    lines[1] = "999999";
    assert!(post(&format!("old 0\n\n{}\n", lines.join("\n"))).starts_with("HTTP/1.1 403"));
    assert!(post(&"x".repeat(200_000)).starts_with("HTTP/1.1 413"));
    // What it has signed is told to whoever verifies that log, and of no other one.
    let told = get(&witness, "/witness/signed?log=evidock/test-01");
    let body: serde_json::Value = serde_json::from_str(told.rsplit("\r\n\r\n").next().unwrap()).unwrap();
    let newest = witness.one("SELECT note FROM witnessed", &[]);
    assert_eq!(body["checkpoints"].as_array().unwrap().len(), 1, "{told}");
    assert!(told.starts_with("HTTP/1.1 200") && newest.contains("evidock/test-01/1\n"), "{told}");
    assert!(get(&witness, "/witness/signed?log=evidock/test-0").starts_with("HTTP/1.1 404"));
    assert!(get(&witness, "/witness/signed").starts_with("HTTP/1.1 400"));
    // Of a station that watches nobody.
    let alone = Station::running("=id = \"test-03\"\n");
    assert!(super::witness::post(&alone, &format!("old 0\n\n{note}")).starts_with("HTTP/1.1 404"));
}

fn get(station: &Station, path: &str) -> String {
    ask(station, "GET", path, "")
}

pub fn post(station: &Station, body: &str) -> String {
    ask(station, "POST", "/witness/add-checkpoint", body)
}

fn ask(station: &Station, method: &str, path: &str, body: &str) -> String {
    let page = station.page();
    let host = page.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    // By another name than its own, as another station may reach it.
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: station-2.example.org\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // A body that is refused may not be taken whole.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    text(&answer)
}
