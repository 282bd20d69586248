//! Previews and contact sheets: made by real workers of files that ffmpeg makes, judged by ffprobe and by the brightness of
//! their pictures; hostile files cost a worker at most; and the whole way through the real program.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails; helpers included.

#[path = "../support/mod.rs"]
mod support;

mod files;
mod hostile;
mod station;

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use evidock::domain::ids::ClipId;
use evidock::domain::ports::{ClipBytes, Derive, DeriveError, FootageError, FootageStream, PreviewPiece};
use evidock::media::Derivations;
use evidock::runtime::clock::monotonic;
use futures_util::stream;

/// As long as a hostile file may hold a worker.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// Far more than any honest piece takes on a busy machine.
pub const HONEST: Duration = Duration::from_secs(120);

/// Every clip of the tests, made anew by each run, at a place that is Cargo's to clean.
pub fn clips() -> &'static Path {
    static CLIPS: OnceLock<PathBuf> = OnceLock::new();
    CLIPS.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("derived");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        make_clips(&dir);
        dir
    })
}

/// One of them.
pub fn clip(name: &str) -> PathBuf {
    clips().join(name)
}

/// Pictures that tell their number by their brightness: 16, 34, 52 ... 214, and again.
const STAIRS: &str =
    "-f lavfi -i color=black:size=320x180:rate=10:duration=14,format=yuv420p,geq=lum='16+18*mod(N\\,12)':cb=128:cr=128";

fn make_clips(dir: &Path) {
    let sound = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=14";
    let phone = "-f lavfi -i sine=frequency=440:sample_rate=8000:duration=14";
    let (h264, h265) = (
        "-c:v libx264 -preset ultrafast -g 25",
        "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25",
    );
    let recipes = [
        ("h265.mp4", format!("{STAIRS} {sound} {h265} -c:a aac")),
        ("h265-mute.mp4", format!("{STAIRS} {h265}")),
        ("mjpeg.avi", format!("{STAIRS} {phone} -c:v mjpeg -q:v 2 -c:a pcm_s16le")),
        ("h264.ts", format!("{STAIRS} {sound} {h264} -bf 0 -c:a aac")),
        ("mpeg2.mpg", format!("{STAIRS} -c:v mpeg2video -q:v 2")),
        ("alaw.mov", format!("{STAIRS} {phone} {h264} -c:a pcm_alaw")),
        ("adpcm.avi", format!("{STAIRS} {phone} -c:v mjpeg -q:v 2 -c:a adpcm_ima_wav")),
        ("ulaw.wav", format!("{phone} -c:a pcm_mulaw")),
        ("short-sound.mp4", format!("{STAIRS} -f lavfi -i sine=duration=3 {h265} -c:a aac")),
        ("h264.mp4", format!("{STAIRS} {sound} {h264} -c:a aac")),
    ];
    for (name, recipe) in recipes {
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(recipe.split(' ').map(|word| word.replace('\'', "")))
            .arg(dir.join(name))
            .output()
            .expect("the tests need Debian's ffmpeg");
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
    }
}

/// A file as a clip's bytes; counts what was read of it.
pub struct Read {
    file: File,
    size_bytes: u64,
    /// Bytes that were taken.
    pub taken: AtomicU64,
    /// From this byte on nothing can be had.
    pub missing_from: u64,
}

impl Read {
    /// All of it can be had.
    pub fn of(path: &Path) -> Arc<Self> {
        Self::up_to(path, u64::MAX)
    }

    /// From some byte on it cannot.
    pub fn up_to(path: &Path, missing_from: u64) -> Arc<Self> {
        let file = File::open(path).unwrap();
        let size_bytes = file.metadata().unwrap().len();
        Arc::new(Self { file, size_bytes, taken: AtomicU64::new(0), missing_from })
    }
}

impl ClipBytes for Read {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> FootageStream {
        if range.end > self.missing_from {
            let nowhere = FootageError::Nowhere { tried: "cloud: away".into(), next: "wait", passing: true };
            return Box::pin(stream::iter([Err(nowhere)]));
        }
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact_at(&mut bytes, range.start).unwrap();
        self.taken.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        // In chunks, as footage comes.
        let chunks: Vec<_> = bytes.chunks(256 << 10).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        Box::pin(stream::iter(chunks))
    }
}

/// The maker of one test, with the registry of plug-ins that all tests share.
pub fn maker() -> Derivations {
    Derivations::with_program(env!("CARGO_BIN_EXE_evidock").into(), clips(), 320, HONEST)
}

/// Another clip each time, as far as anybody can tell.
pub fn id() -> ClipId {
    ClipId::generate(1)
}

async fn piece(maker: &Derivations, name: &str, n: u32) -> Option<PreviewPiece> {
    maker.piece(id(), Read::of(&clip(name)), n, None).await.unwrap()
}

/// What another tool makes of a piece: codecs, the picture times in milliseconds, the brightness of each picture.
struct Seen {
    codecs: Vec<String>,
    times_ms: Vec<i64>,
    brightness: Vec<u8>,
}

fn seen(webm: &[u8]) -> Seen {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("piece.webm");
    std::fs::write(&path, webm).unwrap();
    let run = |program: &str, args: &[&str]| {
        let mut words = args.to_vec();
        let at = words.iter().position(|w| *w == "FILE").unwrap();
        words[at] = path.to_str().unwrap();
        let out = Command::new(program).args(["-v", "error"]).args(&words).output().unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{program}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let codecs = text(run("ffprobe", &["-show_entries", "stream=codec_name", "-of", "csv=p=0", "FILE"]));
    let times =
        text(run("ffprobe", &["-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0", "FILE"]));
    let video = codecs.contains("vp8");
    let grey = [
        "-i",
        "FILE",
        "-map",
        "0:v",
        "-fps_mode",
        "passthrough",
        "-vf",
        "scale=1:1:flags=area,format=gray",
        "-f",
        "rawvideo",
        "-",
    ];
    let brightness = if video { run("ffmpeg", &grey) } else { Vec::new() };
    Seen {
        codecs: codecs.split_whitespace().map(|c| c.trim_matches(',').to_owned()).collect(),
        times_ms: times
            .split_whitespace()
            .map(|t| (t.trim_end_matches(',').parse::<f64>().unwrap() * 1000.0).round() as i64)
            .collect(),
        brightness,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_browsers_cannot_play_is_there_in_pieces_to_the_frame() {
    let maker = maker();
    let mut wrong = Vec::new();
    for (name, codecs) in [
        ("h265.mp4", &["vp8", "opus"][..]),
        ("h265-mute.mp4", &["vp8"]),
        ("mjpeg.avi", &["vp8", "opus"]),
        ("h264.ts", &["vp8", "opus"]),
        ("mpeg2.mpg", &["vp8"]),
        ("alaw.mov", &["vp8", "opus"]),
        ("adpcm.avi", &["vp8", "opus"]),
        ("short-sound.mp4", &["vp8", "opus"]),
    ] {
        // The second piece: from the sixth second on, which is the sixtieth picture.
        let Some(made) = piece(&maker, name, 1).await else {
            wrong.push(format!("{name}: nothing"));
            continue;
        };
        let seen = seen(&made.webm);
        if seen.codecs != codecs || (made.pictures, made.sound) != (true, codecs.len() == 2) {
            wrong.push(format!("{name}: {:?}", seen.codecs));
        }
        // MPEG streams have no index and a time that begins somewhere: there the place is found to a picture or two.
        let slack = if name.ends_with(".ts") || name.ends_with(".mpg") { 3 } else { 0 };
        if !(60 - slack..=60).contains(&(seen.times_ms.len() as i64))
            || seen.times_ms.first().is_none_or(|t| *t > 100 * (slack + 1))
        {
            wrong.push(format!("{name}: {} pictures from {:?} ms", seen.times_ms.len(), seen.times_ms.first()));
        }
        if slack == 0 {
            let off = |(n, found): (usize, &u8)| (i32::from(*found) - (16 + 18 * (n as i32 % 12))).abs() > 10;
            // Full range or not, the steps of the stairs are the same pictures: the first of each twelve is the darkest.
            let darkest: Vec<usize> =
                seen.brightness.chunks(12).map(|c| c.iter().enumerate().min_by_key(|(_, b)| **b).unwrap().0).collect();
            if darkest.iter().any(|n| *n != 0) {
                let odd = seen.brightness.iter().enumerate().filter(|(n, b)| off((*n, b))).count();
                wrong.push(format!("{name}: darkest at {darkest:?}, {odd} of {:?}", seen.brightness));
            }
        }
        if made.clip_ms.is_some_and(|ms| (ms as i64 - 14_000).abs() > 200) {
            wrong.push(format!("{name}: {:?} ms", made.clip_ms));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let sound = piece(&maker, "ulaw.wav", 0).await.unwrap();
    assert_eq!((sound.pictures, sound.sound, &seen(&sound.webm).codecs[..]), (false, true, &["opus".to_owned()][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_meet_and_the_last_one_is_short() {
    let maker = maker();
    let last = piece(&maker, "h265.mp4", 2).await.unwrap();
    let pictures = seen(&last.webm).times_ms.len();
    assert_eq!(pictures, 20, "two seconds are left");
    assert_eq!(piece(&maker, "h265.mp4", 3).await, None, "behind the end there is nothing");
    assert_eq!(piece(&maker, "h265.mp4", 100_000).await, None);
    let all: usize = {
        let (first, second) =
            (piece(&maker, "h265.mp4", 0).await.unwrap(), piece(&maker, "h265.mp4", 1).await.unwrap());
        seen(&first.webm).times_ms.len() + seen(&second.webm).times_ms.len() + pictures
    };
    assert_eq!(all, 140, "every picture stands in one piece");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_is_kept_and_little_is_read_for_it() {
    let maker = maker();
    let bytes = Read::of(&clip("mjpeg.avi"));
    let (me, here) = (id(), Arc::clone(&bytes) as Arc<dyn ClipBytes>);
    let first = maker.piece(me, Arc::clone(&here), 1, None).await.unwrap().unwrap();
    let taken = bytes.taken.load(Ordering::SeqCst);
    assert!(taken > 0);
    assert_eq!(maker.piece(me, Arc::clone(&here), 1, None).await.unwrap().unwrap(), first);
    assert_eq!(bytes.taken.load(Ordering::SeqCst), taken, "nothing is read for what is kept");
    // Two who want the same at once get it made once.
    let (a, b) = tokio::join!(maker.piece(me, Arc::clone(&here), 0, None), maker.piece(me, here, 0, None));
    assert_eq!(a.unwrap(), b.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn contact_sheets() {
    let maker = maker();
    for name in ["h265.mp4", "mjpeg.avi", "h264.ts", "h264.mp4"] {
        let jpeg = maker.sheet(id(), Read::of(&clip(name)), Some(14_000)).await.unwrap().unwrap_or_default();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sheet.jpg");
        std::fs::write(&path, &jpeg).unwrap();
        let out = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(&path)
            .args(["-vf", "scale=6:2:flags=area,format=gray", "-f", "rawvideo", "-"])
            .output()
            .unwrap();
        assert_eq!(out.stdout.len(), 12, "{name}: {} {}", jpeg.len(), String::from_utf8_lossy(&out.stderr));
        let size = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0"])
            .arg(&path)
            .output();
        assert_eq!(String::from_utf8(size.unwrap().stdout).unwrap().trim(), "1536,288", "{name}");
        let different: std::collections::BTreeSet<u8> = out.stdout.iter().map(|b| b / 12).collect();
        assert!(different.len() >= 3, "{name}: pictures of different places: {:?}", out.stdout);
    }
    assert_eq!(
        maker.sheet(id(), Read::of(&clip("ulaw.wav")), Some(14_000)).await.unwrap(),
        None,
        "sound has no pictures"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_cannot_be_had_are_told_as_such() {
    let maker = maker();
    let bytes = Read::up_to(&clip("mjpeg.avi"), 1);
    assert!(matches!(maker.piece(id(), bytes, 0, None).await, Err(DeriveError::Footage(FootageError::Nowhere { .. }))));
    assert!(piece(&maker, "h265.mp4", 0).await.is_some(), "the next one is made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_goes_stops_the_work() {
    let maker = maker();
    assert!(piece(&maker, "h265.mp4", 0).await.is_some(), "a worker is warm");
    let bytes = Read::of(&clip("mjpeg.avi"));
    let gone = tokio::time::timeout(Duration::from_millis(1), maker.piece(id(), bytes, 1, None)).await;
    assert!(gone.is_err(), "it had not begun to answer");
    let begun = monotonic();
    assert!(piece(&maker, "mjpeg.avi", 0).await.is_some());
    assert!(begun.elapsed() < HONEST, "nobody waits for what nobody wants");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_wait_are_told_to_come_again() {
    let maker = maker();
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let maker = maker.clone();
            async move { maker.piece(id(), Read::of(&clip("mjpeg.avi")), 0, None).await }
        })
        .collect();
    let answers = futures_util::future::join_all(asked).await;
    let busy = answers.iter().filter(|a| matches!(a, Err(DeriveError::Busy))).count();
    let made = answers.iter().filter(|a| matches!(a, Ok(Some(_)))).count();
    assert_eq!((made + busy, busy), (20, 8), "twelve may wait");
}
