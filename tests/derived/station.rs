//! Previews through the real program: logged before anything is made, labelled, made of verified bytes wherever the clip
//! stands, refused for what is isolated; and hostile files that stay evidence.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::clip;
use crate::support::station::{Station, dsj, folder, text};

/// An answer of the page: status, head, body as it came.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

pub fn get(station: &Station, path: &str) -> Answer {
    let host = station.page().trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(&host).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept-Language: en\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    let head = text(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[end..].to_vec() }
}

fn until_looked_at(station: &mut Station, clips: usize) {
    station.until("every file was looked at", |s| s.query("SELECT 1 FROM media", &[]).len() == clips);
}

#[test]
fn a_preview_is_logged_first_says_what_it_is_and_leaves_the_master_alone() {
    let mut station = Station::running("");
    let film = std::fs::read(clip("h265.mp4")).unwrap();
    station.card("a").file(dsj("36NCC009910", "091200"), &film, 60);
    station.dock("a");
    station.until_safe("a");
    until_looked_at(&mut station, 1);
    let id = station.clip("091200.mp4");
    let viewings = |s: &Station| s.query("SELECT kind FROM log_entry WHERE kind = 'access.view'", &[]).len();
    assert_eq!(viewings(&station), 0);
    let page = text(&get(&station, &format!("/clips/{id}?t=7.5,9")).body);
    for part in ["data-derived", "Derived preview, not the evidence", "data-part=\"tools\"", "?t=0.58", "/sheet\""] {
        assert!(page.contains(part), "{part} is not on the page");
    }
    assert!(!page.contains(&format!("src=\"/clips/{id}/media")), "the master is not what plays");

    let made = get(&station, &format!("/clips/{id}/preview/1"));
    assert_eq!(made.status, 200, "{}", made.head);
    for line in [
        "content-type: video/webm; codecs=\"vp8,opus\"",
        "evidock-derived: derived preview, not the evidence",
        "evidock-clip-ms: 14",
        "cache-control: no-store",
        "filename=\"derived-",
    ] {
        assert!(made.head.contains(line), "{line} is not in {}", made.head);
    }
    assert!(made.body.starts_with(b"\x1a\x45\xdf\xa3"));
    assert_eq!(viewings(&station), 1, "one viewing");
    let sheet = get(&station, &format!("/api/v1/clips/{id}/sheet"));
    assert!(sheet.status == 200 && sheet.body.starts_with(b"\xff\xd8\xff"), "{}", sheet.head);
    // The log says of which bytes it was derived, once for the same.
    let again = get(&station, &format!("/api/v1/clips/{id}/sheet"));
    let told = station.query("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'clip.derived'", &[]);
    let record = station.record(&id);
    let digest = evidock::custody::package::digests::of(&sheet.body, false).sha256;
    assert_eq!(told.len(), if again.body == sheet.body { 1 } else { 2 });
    for part in [digest.as_str(), record["sha256"].as_str().unwrap(), record["blake3"].as_str().unwrap()] {
        assert!(told[0][0].contains(part), "{}", told[0][0]);
    }
    assert!(sheet.head.contains("evidock-derived"));
    assert_eq!(viewings(&station), 2, "pictures show what the footage shows");
    for (path, status) in [
        (format!("/clips/{id}/preview/3"), 422),
        (format!("/clips/{id}/preview/x"), 404),
        (format!("/clips/{id}/preview/99999999"), 404),
        ("/clips/0197b6f0-0000-7000-8000-000000000000/preview/0".to_owned(), 404),
    ] {
        assert_eq!(get(&station, &path).status, status, "{path}");
    }
    let master = get(&station, &format!("/clips/{id}/media"));
    assert!(master.body == film && !master.head.contains("evidock-derived"), "the master is the master");
    // A viewing is over after a minute without a request, or with the daemon.
    station.stop();
    let ended = station.query("SELECT bytes FROM log_entry WHERE kind = 'access.view_ended' ORDER BY seq", &[]);
    let preview = ended.iter().find(|row| row[0].contains("[[6000,12000]]")).expect("in milliseconds");
    // With the digests of what was given out, and of which clip it is.
    let piece = evidock::custody::package::digests::of(&made.body, false).sha256;
    for part in [format!("[[1,\"{piece}\"]]"), format!("\"parent_sha256\":{}", record["sha256"])] {
        assert!(preview[0].contains(&part), "{part}: {}", preview[0]);
    }
    // The picture in lists is a file of its own, too.
    let files = crate::support::station::files_below(&station.path("state/vault"));
    let picture = files.into_iter().find(|f| f.ends_with(format!("{id}.jpg"))).unwrap();
    let picture = evidock::custody::package::digests::of(&std::fs::read(picture).unwrap(), false).sha256;
    let probed = station.one("SELECT CAST(bytes AS TEXT) FROM log_entry WHERE kind = 'clip.probed'", &[]);
    for part in [format!("\"thumbnail_sha256\":\"{picture}\""), format!("\"parent_sha256\":{}", record["sha256"])] {
        assert!(probed.contains(&part), "{part}: {probed}");
    }
    station.start();
    station.assert_vault_is_whole();
}

#[test]
fn what_went_from_here_is_previewed_from_elsewhere_and_what_is_isolated_is_not() {
    let far = tempfile::Builder::new().prefix("evidock-far-").tempdir_in("/dev/shm").unwrap();
    let near = tempfile::tempdir().unwrap();
    let device = |path: &Path| std::fs::metadata(path).unwrap().dev();
    assert_ne!(device(far.path()), device(near.path()), "/dev/shm must be a file system of its own");
    let more = "+[vault] evict = \"age\"\n+[vault] evict_keep_days = 0\n+[vault] evict_after_days = 0\n[custody]\ncheckpoint_interval_s = 1\n";
    let mut station = Station::new("");
    station.configure(&format!("{more}{}", folder("far", far.path().to_str().unwrap())));
    station.card("a").file(dsj("36NCC009910", "091200"), std::fs::read(clip("mjpeg.avi")).unwrap(), 60);
    station.start();
    station.dock("a");
    station.until_safe("a");
    until_looked_at(&mut station, 1);
    let id = station.clip("091200.mp4");
    station.until("the local copy is given up", |s| s.in_vault(&id).is_none());
    let page = text(&get(&station, &format!("/clips/{id}")).body);
    assert!(page.contains("each stretch verified, from far"), "the page says where it is read");
    let made = get(&station, &format!("/clips/{id}/preview/0"));
    assert!(made.status == 200 && made.body.starts_with(b"\x1a\x45\xdf\xa3"), "{}", made.head);

    // Nothing is derived of bytes that are not the clip's.
    let master = crate::support::station::files_below(far.path()).into_iter().find(|f| f.ends_with("master")).unwrap();
    let mut bytes = std::fs::read(&master).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0);
    std::fs::set_permissions(&master, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&master, &bytes).unwrap();
    let made = get(&station, &format!("/clips/{id}/preview/1"));
    assert_eq!(made.status, 503, "{}", made.head);
}

#[test]
fn hostile_files_stay_evidence_and_the_daemon_lives() {
    let mut station = Station::running("[media]\ntimeout_s = 100\n");
    let film = std::fs::read(clip("h265.mp4")).unwrap();
    let avi = std::fs::read(clip("mjpeg.avi")).unwrap();
    let mut zeroed = film.clone();
    let moov = film.windows(4).rposition(|w| w == b"moov").unwrap();
    zeroed[moov + 4..].fill(0);
    let mut huge = avi.clone();
    let frames: Vec<usize> =
        huge.windows(4).enumerate().filter(|(_, w)| *w == [0xff, 0xc0, 0, 17]).map(|(n, _)| n).collect();
    frames.into_iter().for_each(|at| huge[at + 5..at + 9].copy_from_slice(&[0xfd, 0xe8, 0xfd, 0xe8]));
    let files: [(&str, &[u8]); 6] = [
        ("091200", &film),
        ("092100", &film[..film.len() / 2]),
        ("092200", &zeroed),
        ("092300", &huge),
        ("092400", b"not a film at all"),
        ("092500", &avi[..avi.len() / 3]),
    ];
    let card = station.card("a");
    for (n, (name, bytes)) in files.iter().enumerate() {
        card.file(dsj("36NCC009910", name), bytes, 600 - 60 * n as u64);
    }
    let pid = station.pid();
    station.dock("a");
    station.until_safe("a");
    until_looked_at(&mut station, files.len());
    for (name, bytes) in &files {
        let id = station.clip(format!("{name}.mp4"));
        for path in [format!("/clips/{id}/preview/0"), format!("/clips/{id}/preview/1"), format!("/clips/{id}/sheet")] {
            let made = get(&station, &path);
            // One over which a worker spends all its time is told like one for which a busy box had none.
            let may: &[u16] = if *name == "091200" { &[200, 422] } else { &[200, 422, 503] };
            assert!(may.contains(&made.status), "{name} {path}: {}", made.head);
        }
        assert!(get(&station, &format!("/clips/{id}/media")).body == *bytes, "{name}: the master as it was");
        assert_eq!(get(&station, &format!("/clips/{id}")).status, 200, "{name}: its page");
    }
    let good = station.clip("091200.mp4");
    let made = get(&station, &format!("/clips/{good}/preview/0"));
    assert_eq!(made.status, 200, "an honest clip is previewed as ever: {}\n{}", made.head, station.log());
    assert_eq!(station.pid(), pid);
    assert_eq!(station.query("SELECT 1 FROM clip WHERE local = 'sealed'", &[]).len(), files.len());
    station.assert_vault_is_whole();
    station.stop();
}
