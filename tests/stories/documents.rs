//! Documents beside clips in the real daemon: filed by page, command line and folder, sealed, proven at a real S3 server,
//! found, exported in a package that bagit accepts, refused where they are hostile, and whole after the program was killed.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::http::Browser;
use crate::support;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use support::footage;
use support::guarded::tools;
use support::station::{Station, digests, dsj, folder, s3};
use support::weed::Weed;

const CASE: &str = "赵卫罚〔2026〕12号";

/// A document of this many bytes that begins as a PDF does.
fn pdf(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    bytes.extend_from_slice(&footage(len, seed));
    bytes
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn documents_of(station: &Station, role: &str) -> Vec<String> {
    let rows =
        station.query("SELECT clip_id FROM clip WHERE role = ?1 AND local = 'sealed' ORDER BY clip_id", &[&role]);
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_dropped_into_the_folder_is_filed_proven_found_and_exported() {
    let weed = Weed::start().await;
    weed.make_bucket("documents").await;
    let mut station = Station::new("");
    let inbox = station.path("inbox");
    fs::create_dir_all(inbox.join(CASE)).unwrap();
    let to = s3(&station, "cloud", &format!("http://{}", weed.address()), "documents", Weed::keys());
    station.configure(&format!("[documents]\ndir = {:?}\n{to}", inbox.to_str().unwrap()));
    station.start();
    station.card("a").file(dsj("36NCC009910", "091200"), footage(90_000, 1), 90);
    station.dock("a");
    station.until_proven(1);
    station.json(["link", &station.clip("091200.mp4"), CASE, "--stage", "调查"]);

    // Partly written files are waited for; what cannot be a document, or has no case, is put aside with the reason.
    let bytes = pdf(3_000_000, 7);
    fs::write(inbox.join("赵卫罚〔2026〕12号_现场检查笔录.pdf.part"), &bytes[..1_000]).unwrap();
    fs::write(inbox.join(CASE).join("审批表.exe"), b"MZ\x90\0hostile").unwrap();
    fs::write(inbox.join("无编号.pdf"), pdf(10, 1)).unwrap();
    fs::rename(inbox.join("赵卫罚〔2026〕12号_现场检查笔录.pdf.part"), inbox.join("whole")).unwrap();
    fs::write(inbox.join("whole"), &bytes).unwrap();
    fs::rename(inbox.join("whole"), inbox.join("赵卫罚〔2026〕12号_现场检查笔录.pdf")).unwrap();
    station.until("two files are put aside and one is filed", |_| {
        let count = |dir: &str| fs::read_dir(inbox.join(dir)).map(|d| d.count()).unwrap_or(0);
        count("refused") == 4 && count("filed") == 1
    });
    let why = fs::read_to_string(inbox.join("refused/无编号.pdf.reason")).unwrap();
    assert!(why.contains("no case number"), "{why}");
    let why = fs::read_to_string(inbox.join(format!("refused/{CASE}_审批表.exe.reason"))).unwrap();
    assert!(why.contains("program"), "{why}");
    station.until_proven(2);
    let documents = documents_of(&station, "document");
    let [document] = documents.as_slice() else { panic!("{documents:?}") };
    let record = station.record(document);
    assert_eq!(record["document"]["kind"], "record");
    assert_eq!(record["document"]["media_type"], "application/pdf");
    assert_eq!((&record["title"], &record["case_no"]), (&"现场检查笔录".into(), &CASE.into()));
    assert_eq!(record["copies"][0]["proof"], "remote_checksum");
    assert!(record["missing"].as_array().unwrap().is_empty(), "a document owes no facts");
    let (blake3, sha256, _) = digests(&station.in_vault(document).unwrap());
    assert_eq!((&record["blake3"], &record["sha256"]), (&blake3.into(), &sha256.into()));
    assert_eq!(fs::read(station.in_vault(document).unwrap()).unwrap(), bytes);

    // The same again is known, and makes no second one.
    fs::write(inbox.join(CASE).join("现场检查笔录.pdf"), &bytes).unwrap();
    station.until("it is taken away", |_| !inbox.join(CASE).join("现场检查笔录.pdf").exists());
    assert_eq!(documents_of(&station, "document").len(), 1);

    assert_eq!(station.json(["find", "检查笔录"])[0]["record_id"], document.as_str());
    let kinds: Vec<String> = station
        .query("SELECT kind FROM log_entry WHERE clip_id = ?1 ORDER BY seq", &[document])
        .into_iter()
        .map(|mut r| r.remove(0))
        .collect();
    for kind in ["document.filed", "clip.linked", "clip.sealed", "delivery.proven"] {
        assert!(kinds.iter().any(|k| k == kind), "{kind}: {kinds:?}");
    }

    station.json(["log", "checkpoint"]);
    let package = station.path("package");
    station.json([
        "export",
        "--case",
        CASE,
        "--to",
        package.to_str().unwrap(),
        "--reason",
        "行政诉讼举证",
        "--basis",
        "调取证据通知书",
    ]);
    let output = Command::new(tools().join("python-readers/bin/python"))
        .args(["-m", "bagit", "--validate", package.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packed: Vec<_> = fs::read_dir(package.join("data/clips")).unwrap().map(|e| e.unwrap().path()).collect();
    let ours = packed.iter().find(|p| p.to_str().unwrap().ends_with("_document.pdf")).expect("the document is in it");
    assert_eq!(fs::read(ours).unwrap(), bytes);
    let trust = station.path("state/log.key.pub");
    station.json(["import-check", package.to_str().unwrap(), "--trust", trust.to_str().unwrap()]);
}

#[test]
fn page_and_command_line_file_documents_and_hostile_ones_harm_nobody() {
    let mut station = Station::running(&format!("[documents]\nmax_mb = 1\n{}", folder("nas", "nas")));
    let browser = Browser::new(&station.page());
    let file = |name: &str, kind: &str, body: &[u8]| {
        let path = format!(
            "/api/v1/cases/{}/documents?name={}&kind={kind}&title={}",
            encoded("赵卫罚[2026]12"),
            encoded(name),
            encoded("告知书\"><script>")
        );
        browser.send("POST", &path, &[("content-type", "application/octet-stream")], body)
    };
    let filed = file("a/../../告知书.html", "notice", &pdf(200_000, 3));
    assert_eq!(filed.status, 201, "{}", filed.text());
    let clip = filed.json()["clip"].as_str().unwrap().to_owned();
    assert_eq!(file("告知书.html", "notice", &pdf(200_000, 3)).status, 200, "the case has it already");
    for (name, kind, body, status, words) in [
        ("x.pdf", "notice", &b"<!doctype html><script>alert(1)</script>"[..], 422, "文件是网页"),
        ("x.pdf", "notice", b"<svg onload=alert(1)>", 422, "SVG"),
        ("x.pdf", "notice", b"", 422, "文件是空的"),
        ("x.pdf", "novel", b"%PDF-1.7", 422, "没有“novel”这类文书"),
        ("x.mp4", "other", b"\0\0\0\x18ftypmp42", 422, "文件是音像资料"),
    ] {
        let refused = file(name, kind, body);
        assert_eq!(refused.status, status, "{}", refused.text());
        assert!(refused.text().contains(words), "{words}: {}", refused.text());
    }
    assert_eq!(file("x.pdf", "other", &pdf(1_000_001, 1)).status, 413);

    // Saved under what its bytes are, and nowhere run.
    let saved = browser.get(&format!("/clips/{clip}/media"));
    assert_eq!((saved.status, saved.body.len()), (200, pdf(200_000, 3).len()));
    assert_eq!(saved.header("content-type"), Some("application/pdf"));
    assert!(saved.header("content-disposition").unwrap().starts_with("attachment; "), "{}", saved.head);
    assert!(saved.header("content-disposition").unwrap().contains(".html.pdf"), "{}", saved.head);
    assert!(saved.header("content-security-policy").unwrap().contains("sandbox"), "{}", saved.head);
    assert_eq!(saved.header("x-content-type-options"), Some("nosniff"));
    let case = browser.get(&format!("/cases/{}", encoded(CASE))).text();
    assert!(case.contains("告知书&#34;&#62;") && !case.contains("告知书\"><script>"), "escaped");

    // A line that breaks leaves nothing behind.
    let clips = || station.query("SELECT clip_id FROM clip", &[]).len();
    assert_eq!(clips(), 1);
    let mut broken = TcpStream::connect(browser.at).unwrap();
    let head = format!(
        "POST /api/v1/cases/{}/documents?name=x.pdf HTTP/1.1\r\nhost: {at}\r\norigin: http://{at}\r\ncontent-length: 900000\r\n\r\n",
        encoded(CASE),
        at = browser.at
    );
    broken.write_all(head.as_bytes()).unwrap();
    broken.write_all(&pdf(300_000, 4)).unwrap();
    let abandoned = "SELECT seq FROM log_entry WHERE kind = 'clip.copy_abandoned'";
    drop(broken);
    station.until("it is given up", |s| !s.query(abandoned, &[]).is_empty());
    assert_eq!(station.query("SELECT clip_id FROM clip", &[]).len(), 1);

    let paper = station.path("现场笔录.docx");
    let mut docx = b"PK\x03\x04".to_vec();
    docx.extend_from_slice(&[0; 26]);
    docx.extend_from_slice(b"[Content_Types].xml word/document.xml");
    fs::write(&paper, &docx).unwrap();
    let said = station.json(["case", "add-document", CASE, paper.to_str().unwrap(), "--matter", "现场检查"]);
    assert_eq!(said["kind"], "record");
    fs::write(station.path("x.pdf"), "#!/bin/sh\n").unwrap();
    let (_, words) = station.refused(1, ["case", "add-document", CASE, "x.pdf"]);
    assert!(words.contains("script"), "{words}");
    station.refused(1, ["case", "add-document", "no number", paper.to_str().unwrap()]);
    station.assert_vault_is_whole();
}

#[test]
fn a_program_that_is_killed_while_documents_come_in_loses_none_that_it_had_confirmed() {
    let mut station = Station::running(&folder("nas", "nas"));
    let mut confirmed = Vec::new();
    for round in 0..3u64 {
        let browser = Browser::new(&station.page());
        let path = format!("/api/v1/cases/{}/documents?name=", encoded(CASE));
        let filed = browser.send("POST", &format!("{path}{round}.pdf"), &[], &pdf(50_000, round + 10));
        assert_eq!(filed.status, 201, "{}", filed.text());
        confirmed.push((
            filed.json()["clip"].as_str().unwrap().to_owned(),
            filed.json()["sha256"].as_str().unwrap().to_owned(),
        ));
        // Another one is under way.
        let mut under_way = TcpStream::connect(browser.at).unwrap();
        let head = format!(
            "POST {path}w.pdf HTTP/1.1\r\nhost: {at}\r\norigin: http://{at}\r\ncontent-length: 5000000\r\n\r\n",
            at = browser.at
        );
        under_way.write_all(head.as_bytes()).unwrap();
        under_way.write_all(&pdf(2_000_000, round)).unwrap();
        station.until("it is being copied", |s| {
            !s.query("SELECT clip_id FROM clip WHERE local = 'copying'", &[]).is_empty()
        });
        station.kill();
        station.start();
        assert!(station.query("SELECT clip_id FROM clip WHERE local = 'copying'", &[]).is_empty(), "it was given up");
    }
    for (clip, sha256) in &confirmed {
        assert_eq!(&digests(&station.in_vault(clip).unwrap()).1, sha256);
        assert_eq!(station.record(clip)["case_no"], CASE);
    }
    station.assert_vault_is_whole();
    station.json(["log", "verify"]);
}
