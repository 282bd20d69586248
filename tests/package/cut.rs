//! A clip is isolated (疑似涉密) while packages that hold it are under way, or lie finished: nothing goes on, nothing is given out,
//! what was written goes, whoever asked is told why in both languages, and the log has it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use super::asked::{ask, open_json, state, until_ready, wanted, with_clips};
use super::http::Browser;
use super::support::station::folder;
use super::*;

const WHY: &str = "疑似涉密";

fn cuts(station: &Station) -> Vec<Value> {
    let rows =
        station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'access.export_cut' ORDER BY seq", &[]);
    rows.iter().map(|row| serde_json::from_str(&row[0]).unwrap()).collect()
}

/// The page of the package says why in the reader's language, and offers nothing.
fn told_on_the_page(station: &Station, package: &str) {
    let browser = Browser::new(&station.page());
    for (lang, words) in [("zh-CN", "疑似涉密"), ("en", "suspected classified")] {
        let page = browser.send("GET", &format!("/exports/{package}"), &[("accept-language", lang)], b"");
        let text = page.text();
        assert_eq!(page.status, 200);
        assert!(text.contains(words), "{lang}: {text}");
        assert!(!text.contains("/again") && !text.contains("/zip?"), "{lang}: {text}");
    }
    let now = browser.get(&format!("/api/v1/exports/{package}")).json();
    assert_eq!((&now["isolated"], now["zips"].as_array().unwrap().len()), (&1.into(), 0), "{now}");
    let again = open_json(&browser, &format!("/api/v1/exports/{package}/again"), &Value::Null);
    assert_eq!(again.status, 409, "{}", again.text());
}

/// Without the clip the case can be exported anew.
fn anew(station: &mut Station, clips: u64) {
    let package = ask(&Browser::new(&station.page()), &wanted("browser"));
    until_ready(station, &package);
    let now = Browser::new(&station.page()).get(&format!("/api/v1/exports/{package}")).json();
    assert_eq!((&now["clips"], &now["isolated"]), (&clips.into(), &0.into()), "{now}");
}

/// Small clips, one of which is isolated in each try, before two large ones.
const SMALL: usize = 5;

fn with_small_and_large(station: &mut Station) {
    let mut lengths: Vec<usize> = (0..SMALL).map(|n| 100_000 + n).collect();
    lengths.extend([60_000_000, 60_000_001]);
    with_clips(station, &lengths);
}

/// Asks for packages until one is caught being made, and isolates a clip of it: which package, and how many were isolated.
/// One that is quicker than we can look is no failure, but what this is for must have happened.
fn caught(station: &mut Station, target: &str, begun: &str) -> (String, u64) {
    for n in 0..SMALL {
        let package = ask(&Browser::new(&station.page()), &wanted(target));
        let begun = station.path(format!("state/exports/{package}/{begun}"));
        station.until("it is begun", |_| begun.exists());
        let isolated = station.clip(format!("0912{n:02}.mp4"));
        let answer = station.json(["isolate", &isolated, "--reason", WHY]);
        let packages = answer["packages"].as_array().unwrap();
        let now = packages.iter().find(|p| p["package"] == package.as_str()).unwrap();
        let cut = cuts(station)
            .into_iter()
            .find(|cut| cut["clip"] == isolated.as_str() && cut["body"]["package"] == package.as_str());
        let cut = cut.expect("the log has it");
        if cut["body"]["was"] == "making" {
            assert_eq!(now["state"], "failed", "{now}");
            return (package, n as u64 + 1);
        }
        assert_eq!(now["state"], "ready", "{now}");
    }
    panic!("no package was caught while it was made");
}

#[test]
fn a_package_on_the_station_ends_while_it_is_written() {
    let mut station = Station::running("");
    with_small_and_large(&mut station);
    let (package, isolated) = caught(&mut station, "station", "disc-1/data/clips");
    let dir = station.path(format!("state/exports/{package}"));
    assert_eq!(state(&station, &package), "failed", "it ended with the isolation");
    station.until("what was written is gone", |_| !dir.exists());
    told_on_the_page(&station, &package);
    let ended = "SELECT seq FROM log_entry WHERE kind = 'access.export_ended' AND instr(CAST(bytes AS TEXT), ?1) > 0";
    assert!(station.query(ended, &[&package]).is_empty(), "nobody signed it");
    // Nor does it go on when the daemon comes again.
    station.stop();
    station.start();
    assert_eq!(state(&station, &package), "failed");
    assert!(!dir.exists());
    anew(&mut station, (SMALL + 2) as u64 - isolated);
}

#[test]
fn a_zip_that_is_being_downloaded_breaks_off_and_is_given_out_no_more() {
    let mut station = Station::running("");
    with_clips(&mut station, &[1_000_000, 60_000_000]);
    let isolated = station.clip("091200.mp4");
    let page = station.page();
    let package = ask(&Browser::new(&page), &wanted("browser"));
    until_ready(&mut station, &package);
    // The isolated clip may be behind the reader already: the package ends all the same.
    let host = page.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut connection = TcpStream::connect(&host).unwrap();
    write!(connection, "GET /exports/{package}/zip HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = BufReader::new(connection);
    let (mut line, mut length) = (String::new(), 0);
    while answer.read_line(&mut line).unwrap() > 2 {
        if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        line.clear();
    }
    assert!(length > 61_000_000, "{length}");
    let mut begun = vec![0; 2_000_000];
    answer.read_exact(&mut begun).unwrap();
    station.json(["isolate", &isolated, "--reason", WHY]);
    let mut rest = Vec::new();
    let _ = answer.read_to_end(&mut rest);
    assert!(begun.len() + rest.len() < length, "all of it came, {length} bytes");
    assert_eq!(state(&station, &package), "ready");
    assert_eq!(cuts(&station)[0]["body"]["was"], "ready");
    let taken = || station.query("SELECT seq FROM log_entry WHERE kind = 'access.export_taken'", &[]).len();
    assert_eq!(taken(), 1);
    let browser = Browser::new(&page);
    for range in [vec![], vec![("range", "bytes=2000000-")]] {
        let refused = browser.send("GET", &format!("/exports/{package}/zip"), &range, b"");
        assert_eq!(refused.status, 403, "{}", refused.text());
    }
    assert_eq!(taken(), 1, "a refused one is none that was given out");
    told_on_the_page(&station, &package);
    let doctor = station.evidock(["doctor"]);
    let told = text(&doctor.stdout);
    assert!(told.contains(&package) && told.contains("downloaded 1 times"), "{told}");
    anew(&mut station, 1);
}

#[test]
fn an_upload_of_a_package_is_given_up() {
    let far = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let mut station = Station::running(&folder("cloud", far.path().to_str().unwrap()));
    with_small_and_large(&mut station);
    let (package, isolated) = caught(&mut station, "at:cloud", "plan.json");
    let dir = station.path(format!("state/exports/{package}"));
    assert_eq!(state(&station, &package), "failed");
    station.until("what was written is gone", |_| !dir.exists());
    assert!(!far.path().join(format!("v1/test-01/export/{package}.zip")).exists());
    told_on_the_page(&station, &package);
    // What stands there is in the log: nothing.
    let told = |cut: &Value| cut["body"]["destination"] == "cloud" && cut["body"]["package"] == package.as_str();
    let stands = cuts(&station).into_iter().find(told);
    assert_eq!(stands.unwrap()["body"]["stands"], false);
    anew(&mut station, (SMALL + 2) as u64 - isolated);
}

#[test]
fn a_finished_package_at_a_destination_stays_and_is_told() {
    let far = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let mut station = Station::running(&folder("cloud", far.path().to_str().unwrap()));
    with_clips(&mut station, &[50_000]);
    let isolated = station.clip("091200.mp4");
    let package = ask(&Browser::new(&station.page()), &wanted("at:cloud"));
    until_ready(&mut station, &package);
    let answer = station.json(["isolate", &isolated, "--reason", WHY]);
    let key = format!("v1/test-01/export/{package}.zip");
    assert_eq!(answer["packages"][0]["key"], key.as_str(), "{answer}");
    assert!(far.path().join(&key).exists(), "nothing is deleted in the cloud before a person decides");
    told_on_the_page(&station, &package);
    assert!(text(&station.evidock(["doctor"]).stdout).contains(&key));
}

#[test]
fn a_command_that_exports_ends_and_removes_what_it_wrote() {
    let mut station = Station::running("");
    with_small_and_large(&mut station);
    let mut small = 0..SMALL;
    for name in ["out", "out.zip"] {
        let (to, part) = (station.path(name), station.path("out.zip.part"));
        let was_caught = small.by_ref().take(SMALL / 2).any(|n| {
            let mut child = Command::new(env!("CARGO_BIN_EXE_evidock"))
                .arg("--config")
                .arg(station.path("evidock.toml"))
                .args(["export", "--case", CASE, "--reason", REASON, "--basis", BASIS, "--to"])
                .arg(&to)
                .current_dir(station.path(""))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            station.until("some of it is written", |_| match name {
                "out" => super::written(&to) >= 2_000_000,
                _ => to.exists() || fs::metadata(&part).is_ok_and(|meta| meta.len() >= 2_000_000),
            });
            let isolated = station.clip(format!("0912{n:02}.mp4"));
            station.json(["isolate", &isolated, "--reason", WHY]);
            let mut told = String::new();
            child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
            let code = child.wait().unwrap().code();
            assert_eq!(cuts(&station).last().unwrap()["body"]["was"], "written");
            if code == Some(4) {
                assert!(told.contains(&isolated), "{told}");
                let left = files_below(&to);
                assert!(!to.exists() && !part.exists() && !station.path("out.zip.plan").exists(), "{left:?}");
                return true;
            }
            // It was quicker: what is finished is whoever's who ran it.
            let gone = if to.is_dir() { fs::remove_dir_all(&to) } else { fs::remove_file(&to) };
            gone.unwrap();
            false
        });
        assert!(was_caught, "no export to {name} was caught while it was written");
    }
}
