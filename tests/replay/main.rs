//! Recorders in the network against a real RTSP server with ONVIF replay (`support/recorder.py`) and an ONVIF double of our
//! own (`support/onvif.rs`): what is listed is fetched whole or told as missing, nothing twice, however often the line is cut.

// A failed step of a test is a failed test; clippy only knows that inside #[test] functions.
#![allow(clippy::unwrap_used)]

#[path = "../support/onvif.rs"]
mod onvif;
#[path = "../support/recorder.rs"]
mod recorder;
#[path = "../support/speaker.rs"]
mod speaker;
#[path = "../support/mod.rs"]
mod support;

mod codecs;
mod hostile;
mod power;
mod station;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use evidock::config::NetworkRecorder;
use evidock::domain::ids::{BayName, StreamName};
use evidock::domain::replay::{Tell, Timeline};
use evidock::domain::stream::{Gap, SegmentEnd, Told};
use evidock::media::worker_environment;
use evidock::runtime::clock::monotonic;
use evidock::source::replay;
use evidock::source::rtsp::link::Program;
use recorder::{Line, PICTURES, Recorder, Rules, SECONDS};
use support::station::text;

/// When the footage was recorded, by the recorder's clock: 2026-06-19T10:03:24Z.
pub const BEGIN_MS: i64 = 1_781_863_404_000;
/// And until when.
pub const END_MS: i64 = BEGIN_MS + SECONDS * 1000;
/// Whatever works takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// How workers are run in tests.
pub fn program() -> (tempfile::TempDir, Program) {
    let dir = tempfile::tempdir().unwrap();
    let file = PathBuf::from(env!("CARGO_BIN_EXE_evidock"));
    let program = Program { file, env: worker_environment(dir.path()) };
    (dir, program)
}

/// A recorder as configured.
pub fn configured(url: &str) -> NetworkRecorder {
    NetworkRecorder {
        name: StreamName::new("wifi-1").unwrap(),
        bay: BayName::new("无线 1").unwrap(),
        url: url.to_owned(),
        user: None,
        password: None,
        ca_file: None,
        certificate_sha256: None,
        pull: evidock::config::PullMode::New,
        windows: Vec::new(),
        every: Duration::from_secs(1),
        segment: Duration::from_secs(3_600),
        silence: Duration::from_secs(3),
    }
}

/// A segment as a worker gave it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Segment {
    bytes: Vec<u8>,
    begin_ms: i64,
    length_ms: i64,
    why: Option<SegmentEnd>,
}

/// What a fetch came to.
#[derive(Debug)]
pub struct Fetched {
    segments: Vec<Segment>,
    gaps: Vec<Gap>,
    /// How long its segment was when each gap was told.
    told_at_ms: Vec<i64>,
    why: SegmentEnd,
    words: String,
    refused: bool,
    /// From the first bytes of it to its end.
    took: Duration,
}

/// Fetches with a worker of its own. `onvif`: as from an ONVIF recorder, else by normal play time.
pub fn fetch(url: &str, onvif: bool, range: (i64, i64), change: impl FnOnce(&mut NetworkRecorder)) -> Fetched {
    let (_dir, program) = program();
    let mut recorder = configured(if onvif { "http://127.0.0.1/" } else { url });
    change(&mut recorder);
    let timeline = if onvif { Timeline::Clock } else { Timeline::Npt };
    let mut link = replay::fetch(&program, &recorder, url, timeline, range).unwrap();
    let mut fetched = Fetched {
        segments: Vec::new(),
        gaps: Vec::new(),
        told_at_ms: Vec::new(),
        why: SegmentEnd::Failed,
        words: String::new(),
        refused: false,
        took: Duration::ZERO,
    };
    let (until, mut came) = (monotonic() + PATIENCE, None);
    loop {
        assert!(monotonic() < until, "fetching ends: {fetched:?}");
        let Some((told, body)) = link.hear(Duration::from_millis(100)).unwrap() else { continue };
        match told {
            Told::Begin { station_ms, length_ms, .. } => {
                came.get_or_insert_with(monotonic);
                fetched.segments.push(Segment { bytes: body, begin_ms: station_ms, length_ms, why: None });
            }
            Told::More { length_ms, .. } => {
                let last = fetched.segments.last_mut().unwrap();
                last.bytes.extend_from_slice(&body);
                last.length_ms = length_ms;
            }
            Told::End(why) => fetched.segments.last_mut().unwrap().why = Some(why),
            Told::Gap(gap) => {
                fetched.gaps.push(gap);
                fetched.told_at_ms.push(fetched.segments.last().map_or(0, |s| s.length_ms));
            }
            Told::Closed { why, words, refused } => {
                (fetched.why, fetched.words, fetched.refused) = (why, words, refused);
                fetched.took = came.map_or(Duration::ZERO, |came| came.elapsed());
                let _ = link.tell(&Tell::Stop);
                return fetched;
            }
            Told::Tracks(_) | Told::Pulse(_) | Told::Still => {}
        }
    }
}

/// What another tool makes of a file: the times of its pictures, milliseconds. It must decode without a complaint.
pub fn pictures(bytes: &[u8]) -> Vec<i64> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file.path())
        .args(["-enc_time_base:v", "-1", "-f", "null", "-"])
        .output()
        .unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "ffmpeg says: {}", text(&out.stderr));
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0"])
        .arg(file.path())
        .output()
        .unwrap();
    text(&out.stdout)
        .split_whitespace()
        .map(|t| (t.trim_end_matches(',').parse::<f64>().unwrap() * 1000.0).round() as i64)
        .collect()
}

/// What is in a file, as another tool names it, in the order of its tracks.
pub fn codecs(bytes: &[u8]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"])
        .arg(file.path())
        .output()
        .unwrap();
    text(&out.stdout).split_whitespace().map(|c| c.trim_end_matches(',').to_owned()).collect()
}

/// Every packet of every track: its track, time in milliseconds and digest.
pub fn packets(bytes: &[u8]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let what = "packet=stream_index,pts_time,data_hash";
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-show_data_hash", "md5", "-show_entries", what, "-of", "csv=p=0"])
        .arg(file.path())
        .output()
        .unwrap();
    let mut all: Vec<String> = text(&out.stdout)
        .lines()
        .map(|line| {
            let [track, time, digest] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
            format!("{track} {:010.0} {digest}", time.parse::<f64>().unwrap() * 1000.0)
        })
        .collect();
    all.sort();
    all
}

/// Every picture once, 40 ms apart.
pub fn assert_unbroken(times: &[i64]) {
    let odd: Vec<_> = times.windows(2).filter(|p| (p[1] - p[0] - 40).abs() > 2).collect();
    assert!(odd.is_empty(), "pictures at {odd:?} ms");
}

#[test]
fn footage_is_whole_and_the_same_bytes_each_time() {
    let server = Recorder::start(BEGIN_MS, &[]);
    let url = format!("rtsp://127.0.0.1:{}/replay", server.port);
    let once = fetch(&url, true, (BEGIN_MS, END_MS), |_| {});
    assert_eq!((once.why, once.segments.len(), once.gaps.len()), (SegmentEnd::Whole, 1, 0), "{}", once.words);
    // Without the start of the worker, which takes seconds on a busy machine.
    assert!(once.took < Duration::from_secs(SECONDS as u64 - 2), "faster than it was recorded: {:?}", once.took);
    let one = &once.segments[0];
    assert_eq!((one.begin_ms, one.why), (BEGIN_MS, Some(SegmentEnd::Whole)), "by the recorder's wall time");
    assert!((one.length_ms - SECONDS * 1000).abs() <= 40, "{} ms", one.length_ms);
    let times = pictures(&one.bytes);
    assert_eq!(times.len(), PICTURES);
    assert_unbroken(&times);
    let again = fetch(&url, true, (BEGIN_MS, END_MS), |_| {});
    assert!(once.segments == again.segments, "the same footage gives the same bytes");
}

#[test]
fn after_a_cut_it_goes_on_with_the_same_file() {
    let server = Recorder::start(BEGIN_MS, &[]);
    let whole = fetch(&format!("rtsp://127.0.0.1:{}/replay", server.port), true, (BEGIN_MS, END_MS), |_| {});
    let bytes = whole.segments[0].bytes.len() as u64;
    // Each connection lives for a third of the footage: it takes several to the end.
    let line = Line::to(server.port, Rules { cut_after: Some(bytes / 3), ..Rules::default() });
    assert!(bytes > 600_000, "{bytes} bytes");
    let cut = fetch(&format!("rtsp://127.0.0.1:{}/replay", line.port), true, (BEGIN_MS, END_MS), |_| {});
    assert!(line.connections() >= 3, "{} connections", line.connections());
    assert_eq!((cut.why, cut.segments.len(), &cut.gaps[..]), (SegmentEnd::Whole, 1, &[][..]), "{}", cut.words);
    assert_unbroken(&pictures(&cut.segments[0].bytes));
    let (whole, cut) = (&whole.segments[0].bytes, &cut.segments[0].bytes);
    assert_eq!(packets(whole), packets(cut), "every picture and every sound once, the same as without a cut");
}

#[test]
fn a_line_that_dies_leaves_what_came_and_the_rest_follows() {
    let server = Recorder::start(BEGIN_MS, &[]);
    let url = format!("rtsp://127.0.0.1:{}/replay", server.port);
    let line = Line::to(server.port, Rules { hold_after: Some(300_000), ..Rules::default() });
    let port = line.port;
    let ending = std::thread::spawn(move || {
        while line.held() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        line.set(|r| r.closed = true);
    });
    let held = fetch(&format!("rtsp://127.0.0.1:{port}/replay"), true, (BEGIN_MS, END_MS), |_| {});
    ending.join().unwrap();
    assert!(held.why == SegmentEnd::Lost && !held.refused, "{:?} {}", held.why, held.words);
    let first = &held.segments[0];
    let end_ms = first.begin_ms + first.length_ms;
    assert!(end_ms > BEGIN_MS + 1_000 && end_ms < END_MS - 1_000, "{} ms came", first.length_ms);
    // What a later worker fetches begins with the key frame before, and no earlier.
    let rest = fetch(&url, true, (end_ms, END_MS), |_| {});
    assert_eq!((rest.why, rest.segments.len()), (SegmentEnd::Whole, 1), "{}", rest.words);
    let begin_ms = rest.segments[0].begin_ms;
    assert!(begin_ms <= end_ms && begin_ms > end_ms - 1_040, "{} ms again", end_ms - begin_ms);
    let (before, after) = (pictures(&first.bytes), pictures(&rest.segments[0].bytes));
    assert_unbroken(&before);
    assert_unbroken(&after);
    let again = ((end_ms - begin_ms) as f64 / 40.0).round() as usize;
    assert_eq!(before.len() + after.len() - again, PICTURES, "nothing is lost");
}

#[test]
fn clips_are_cut_on_key_frames_wherever_fetching_began() {
    let server = Recorder::start(BEGIN_MS, &[]);
    let url = format!("rtsp://127.0.0.1:{}/replay", server.port);
    let short = |r: &mut NetworkRecorder| r.segment = Duration::from_secs(4);
    let all = fetch(&url, true, (BEGIN_MS, END_MS), short);
    assert_eq!(all.segments.len(), 3, "{}", all.words);
    let begins: Vec<i64> = all.segments.iter().map(|s| s.begin_ms - BEGIN_MS).collect();
    assert_eq!(begins, [0, 4_000, 8_000]);
    let whys: Vec<_> = all.segments.iter().map(|s| s.why).collect();
    assert_eq!(whys, [Some(SegmentEnd::Length), Some(SegmentEnd::Length), Some(SegmentEnd::Whole)]);
    assert_eq!(all.segments.iter().map(|s| pictures(&s.bytes).len()).sum::<usize>(), PICTURES);
    let second = fetch(&url, true, (BEGIN_MS + 4_000, END_MS), short);
    let first =
        |segments: &[Segment]| segments.iter().map(|s| (s.begin_ms, s.length_ms, s.bytes.len())).collect::<Vec<_>>();
    assert!(
        second.segments[..] == all.segments[1..],
        "the same clips from the second one on: {:?} {:?}",
        first(&all.segments),
        first(&second.segments)
    );
}

#[test]
fn a_list_that_is_longer_than_the_footage_ends_short() {
    let server = Recorder::start(BEGIN_MS, &[]);
    let url = format!("rtsp://127.0.0.1:{}/replay", server.port);
    let short = fetch(&url, true, (BEGIN_MS, END_MS + 30_000), |_| {});
    assert_eq!((short.why, short.segments.len()), (SegmentEnd::Short, 1), "{}", short.words);
    assert_eq!(pictures(&short.segments[0].bytes).len(), PICTURES, "all that there is came");
    let nothing = fetch(&url, true, (END_MS + 5_000, END_MS + 30_000), |_| {});
    assert_eq!(nothing.segments, [], "what was there before is not given again: {}", nothing.words);
    assert_ne!(nothing.why, SegmentEnd::Whole);
}

#[test]
fn passwords_and_certificates_count_as_configured() {
    let ours = rcgen::generate_simple_self_signed(["recorder.test".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), ours.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), ours.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("right"), "geheim\n").unwrap();
    std::fs::write(path("wrong"), "other\n").unwrap();
    let server = Recorder::start(BEGIN_MS, &["--user", "evidock:geheim", "--tls", &path("cert.pem"), &path("key.pem")]);
    let url = format!("rtsps://127.0.0.1:{}/replay", server.port);
    let pin = support::sha256(ours.cert.der()).to_string();
    let with = |password: &str, pin: &str| {
        fetch(&url, true, (BEGIN_MS, BEGIN_MS + 2_000), |r| {
            r.user = Some("evidock".to_owned());
            r.password = Some(evidock::config::SecretFile::new(path(password)));
            r.certificate_sha256 = Some(pin.to_owned());
        })
    };
    let right = with("right", &pin);
    assert_eq!(right.why, SegmentEnd::Whole, "{}", right.words);
    let wrong = with("wrong", &pin);
    assert_eq!((wrong.why, wrong.refused, wrong.segments.len()), (SegmentEnd::Failed, true, 0), "{}", wrong.words);
    assert!(wrong.words.contains("password"), "{}", wrong.words);
    let other = with("right", &"ab".repeat(32));
    assert_eq!((other.why, other.segments.len()), (SegmentEnd::Lost, 0), "{}", other.words);
}

#[test]
fn a_recorder_without_onvif_is_fetched_by_play_time() {
    let server = Recorder::start(BEGIN_MS, &[]);
    let url = format!("rtsp://127.0.0.1:{}/plain", server.port);
    let (_dir, program) = program();
    let looked = replay::look(&program, &configured(&url), true, &|| false).unwrap();
    assert_eq!((looked.timeline, looked.spans.len()), (Timeline::Npt, 1));
    let span = &looked.spans[0];
    assert_eq!((span.item.as_str(), span.from_ms), ("plain", 0));
    assert!((span.to_ms - SECONDS * 1000).abs() <= 100, "{span:?}");
    // Such a server sends no faster than it was recorded.
    let half = fetch(&url, false, (0, SECONDS * 500), |_| {});
    assert_eq!((half.why, half.segments.len()), (SegmentEnd::Whole, 1), "{}", half.words);
    let times = pictures(&half.segments[0].bytes);
    assert_unbroken(&times);
    assert!(times.len().abs_diff(PICTURES / 2) <= 1, "{} pictures", times.len());
    let live =
        replay::look(&program, &configured(&format!("rtsp://127.0.0.1:{}/nothing", server.port)), true, &|| false);
    assert!(live.unwrap_err().to_string().contains("Not Found"));
}
