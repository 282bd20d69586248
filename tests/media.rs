//! Media workers against real files, made here by ffmpeg (Debian package `ffmpeg`), and against themselves: a worker
//! that hangs, dies or panics costs one job, and what the sandbox must deny is denied. No file here is from a recorder.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails; helpers included.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use evidock::domain::ports::{MediaFacts, MediaHealth, MediaProbe, ProbeError};
use evidock::media::WorkerProbe;
use evidock::runtime::clock::monotonic;
use evidock::worker::parent::{WorkerError, WorkerSpec, Workers};
use evidock::worker::protocol;
use evidock::worker::selftest::{Ask, Told};

const PROGRAM: &str = env!("CARGO_BIN_EXE_evidock");

// ---------------------------------------------------------------------------------------------
// Files

/// Every clip of the tests, made anew by each run, at a place that is Cargo's to clean.
fn clips() -> &'static Path {
    static CLIPS: OnceLock<PathBuf> = OnceLock::new();
    CLIPS.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("media");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        make_clips(&dir).unwrap();
        dir
    })
}

fn clip(name: &str) -> PathBuf {
    clips().join(name)
}

fn make_clips(dir: &Path) -> std::io::Result<()> {
    let at = |name: &str| dir.join(name);
    let picture = "-f lavfi -i testsrc2=size=640x360:rate=25:duration=6";
    let sound = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=6";
    let phone = "-f lavfi -i sine=frequency=440:sample_rate=8000:duration=6";
    let h264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25";
    let created = "-metadata creation_time=2026-07-27T08:09:10Z";
    let recipes = [
        ("plain.mp4", format!("{picture} {sound} {h264} -c:a aac -ac 2 {created}")),
        ("front.mp4", format!("{picture} {sound} {h264} -c:a aac -movflags +faststart")),
        (
            "fragmented.mp4",
            format!("{picture} {sound} {h264} -c:a aac -movflags frag_keyframe+empty_moov+default_base_moof"),
        ),
        ("hevc.mp4", format!("{picture} -c:v libx265 -preset ultrafast -x265-params log-level=error")),
        ("sound.mp4", format!("{sound} -c:a aac")),
        ("mjpeg.avi", format!("{picture} {phone} -c:v mjpeg -q:v 6 -c:a pcm_s16le")),
        ("h264.avi", format!("{picture} {h264} -bf 0")),
        ("alaw.mov", format!("{picture} {phone} {h264} -c:a pcm_alaw")),
        ("alaw.wav", format!("{phone} -c:a pcm_alaw")),
        ("pcm.wav", format!("{sound} -ac 2")),
        ("clip.ts", format!("{picture} {sound} {h264} -c:a aac")),
        ("clip.m2ts", format!("{picture} {h264} -mpegts_m2ts_mode 1")),
        ("clip.mkv", format!("{picture} {sound} {h264} -c:a aac")),
        ("clip.flv", format!("{picture} {sound} {h264} -c:a aac -ar 44100")),
        ("clip.mpg", format!("{picture} -c:v mpeg2video")),
        ("sound.mp3", sound.to_owned()),
        ("sound.aac", sound.to_owned()),
        ("still.jpg", format!("{picture} -frames:v 1 -q:v 3")),
        ("still.png", format!("{picture} -frames:v 1")),
        ("still.bmp", format!("{picture} -frames:v 1")),
    ];
    for (name, recipe) in recipes {
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(recipe.split_whitespace())
            .arg(at(name))
            .output()
            .expect("the tests need Debian's ffmpeg");
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
    }
    let cut = |from: &str, to: &str| {
        let bytes = std::fs::read(at(from)).unwrap();
        std::fs::write(at(to), &bytes[..bytes.len() * 6 / 10]).unwrap();
    };
    for name in [
        "plain.mp4",
        "front.mp4",
        "fragmented.mp4",
        "mjpeg.avi",
        "pcm.wav",
        "clip.ts",
        "clip.mkv",
        "still.jpg",
        "still.png",
    ] {
        cut(name, &format!("cut-{name}"));
    }
    let plain = std::fs::read(at("plain.mp4"))?;
    let moov = plain.windows(4).rposition(|w| w == b"moov").expect("ffmpeg writes its index last") - 4;
    std::fs::write(at("no-index.mp4"), &plain[..moov])?;
    let bent = |at: usize, with: &[u8]| {
        let mut bytes = plain.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    std::fs::write(at("zeroed-index.mp4"), bent(moov + 8, &[0; 400]))?;
    std::fs::write(at("noisy-index.mp4"), bent(moov + 8, &[0xa5; 400]))?;
    // The first track's matrix as a quarter turn (ISO/IEC 14496-12 section 8.3.2): a recorder worn on its side.
    let tkhd = plain.windows(4).position(|w| w == b"tkhd").expect("an index has tracks");
    let quarter = [0_u32, 0x1_0000, 0, 0xffff_0000, 0].map(u32::to_be_bytes).concat();
    std::fs::write(at("turned.mp4"), bent(tkhd + 44, &quarter))?;
    // An index that announces four thousand million samples in four bytes.
    let stsz = plain.windows(4).position(|w| w == b"stsz").expect("an index has sizes");
    std::fs::write(at("endless-index.mp4"), bent(stsz + 8, &[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]))?;
    let noise: Vec<u8> = (0_u32..200_000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(at("noise.mp4"), &noise)?;
    std::fs::write(at("noise-after-head.avi"), [&std::fs::read(at("mjpeg.avi"))?[..12], &noise].concat())?;
    std::fs::write(at("empty.mp4"), b"")?;
    std::fs::write(at("zeros.mp4"), vec![0; 100_000])?;
    std::fs::write(at("device.log"), "2026-07-27 08:00:01 power on\n".repeat(50))?;
    std::fs::copy(at("mjpeg.avi"), at("wrong-name.mp4"))?;
    // A picture that claims 65,000 by 65,000 pixels (its frame header has no checksum).
    let mut bomb = std::fs::read(at("still.jpg"))?;
    let sof = bomb.windows(2).position(|w| w == [0xff, 0xc0]).expect("a baseline JPEG");
    bomb[sof + 5..sof + 9].copy_from_slice(&[0xfd, 0xe8, 0xfd, 0xe8]);
    std::fs::write(at("huge.jpg"), bomb)?;
    Ok(())
}

// ---------------------------------------------------------------------------------------------
// Probing

/// The slowest honest job measured, a thumbnail of 4K H.265 on two cores, took 0.2 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// One worker of its own, with the registry of plug-ins that all tests share.
fn station() -> WorkerProbe {
    WorkerProbe::with_program(PROGRAM.into(), clips(), 1, PATIENCE)
}

/// `container vcodec WxH fps acodec channels rate`, with `-` for what is not known.
fn line(f: &MediaFacts) -> String {
    let text = |t: &Option<String>| t.clone().unwrap_or_else(|| "-".to_owned());
    let number = |n: Option<u32>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    format!(
        "{} {} {}x{} {} {} {} {}",
        text(&f.container),
        text(&f.vcodec),
        number(f.width),
        number(f.height),
        // To a quarter frame: ffmpeg may stretch the first frame of a fragmented file over the encoder's delay.
        number(f.fps_milli.map(|fps| (fps + 125) / 250 * 250)),
        text(&f.acodec),
        number(f.channels),
        number(f.sample_rate)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_of_whole_files() {
    let station = station();
    let table = [
        ("plain.mp4", "mp4 h264 640x360 25000 aac 2 48000", Some(6_000)),
        ("front.mp4", "mp4 h264 640x360 25000 aac 1 48000", Some(6_000)),
        ("fragmented.mp4", "mp4 h264 640x360 25000 aac 1 48000", Some(6_000)),
        ("hevc.mp4", "mp4 h265 640x360 25000 - - -", Some(6_000)),
        ("sound.mp4", "mp4 - -x- - aac 1 48000", Some(6_000)),
        ("mjpeg.avi", "avi mjpeg 640x360 25000 pcm 1 8000", Some(6_000)),
        ("h264.avi", "avi h264 640x360 25000 - - -", Some(6_000)),
        ("alaw.mov", "mov h264 640x360 25000 alaw 1 8000", Some(6_000)),
        ("alaw.wav", "wav - -x- - alaw 1 8000", Some(6_000)),
        ("pcm.wav", "wav - -x- - pcm 2 48000", Some(6_000)),
        ("clip.ts", "mpegts h264 640x360 25000 aac 1 48000", Some(6_000)),
        ("clip.m2ts", "mpegts h264 640x360 25000 - - -", Some(6_000)),
        ("clip.mkv", "mkv h264 640x360 25000 aac 1 48000", Some(6_000)),
        ("clip.flv", "flv h264 640x360 25000 aac 1 44100", Some(6_000)),
        ("clip.mpg", "mpegps mpeg2 640x360 25000 - - -", Some(6_000)),
        ("sound.mp3", "mp3 - -x- - mp3 1 48000", Some(6_000)),
        ("sound.aac", "aac - -x- - aac 1 48000", Some(6_000)),
        ("still.jpg", "jpeg jpeg 640x360 - - - -", None),
        ("still.png", "png png 640x360 - - - -", None),
        ("still.bmp", "bmp bmp 640x360 - - - -", None),
        ("wrong-name.mp4", "avi mjpeg 640x360 25000 pcm 1 8000", Some(6_000)),
    ];
    let mut wrong = Vec::new();
    for (name, want, duration_ms) in table {
        let facts = station.probe(&clip(name)).await.unwrap();
        let near = match (facts.duration_ms, duration_ms) {
            (Some(is), Some(want)) => (is - want).abs() < 150,
            (is, want) => is == want,
        };
        if line(&facts) != want || !near || facts.health != MediaHealth::Whole {
            wrong.push(format!(
                "{name}: {} {:?} {:?} {:?}",
                line(&facts),
                facts.duration_ms,
                facts.health,
                facts.health_detail
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let created = station.probe(&clip("plain.mp4")).await.unwrap().created_ms;
    assert_eq!(created, Some(1_785_139_750_000), "2026-07-27T08:09:10Z");
    assert_eq!(station.probe(&clip("front.mp4")).await.unwrap().created_ms, None, "0 is no time");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_is_an_answer() {
    use MediaHealth::{Broken, NotMedia, Truncated};
    let station = station();
    let table = [
        ("cut-plain.mp4", Truncated, "mp4"),
        ("cut-front.mp4", Truncated, "mp4"),
        ("cut-fragmented.mp4", Truncated, "mp4"),
        ("no-index.mp4", Truncated, "mp4"),
        ("cut-mjpeg.avi", Truncated, "avi"),
        ("cut-pcm.wav", Truncated, "wav"),
        ("cut-clip.ts", Truncated, "mpegts"),
        ("cut-clip.mkv", Truncated, "mkv"),
        ("cut-still.jpg", Truncated, "jpeg"),
        ("cut-still.png", Truncated, "png"),
        ("zeroed-index.mp4", Broken, "mp4"),
        ("noisy-index.mp4", Broken, "mp4"),
        ("noise-after-head.avi", Truncated, "avi"),
        ("noise.mp4", NotMedia, "-"),
        ("empty.mp4", NotMedia, "-"),
        ("zeros.mp4", NotMedia, "-"),
        ("device.log", NotMedia, "-"),
    ];
    let mut wrong = Vec::new();
    for (name, health, container) in table {
        let facts = station.probe(&clip(name)).await.unwrap();
        let told = facts.health_detail.is_some() != (health == NotMedia);
        if facts.health != health || facts.container.as_deref().unwrap_or("-") != container || !told {
            wrong.push(format!("{name}: {} {:?} {:?}", line(&facts), facts.health, facts.health_detail));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A cut clip whose index came first still tells what it is.
    let front = station.probe(&clip("cut-front.mp4")).await.unwrap();
    assert_eq!((front.vcodec.as_deref(), front.width), (Some("h264"), Some(640)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_announces_endless_samples_costs_nothing() {
    let station = station();
    let facts = station.probe(&clip("endless-index.mp4")).await.unwrap();
    assert_eq!(facts.container.as_deref(), Some("mp4"));
    assert!(station.probe(&clip("plain.mp4")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_of_a_gigabyte_reads_its_index_and_little_else() {
    use std::os::unix::fs::FileExt;
    // Two gigabytes between the footage and its index, as a long recording has.
    const BETWEEN: u64 = 2 << 30;
    let plain = std::fs::read(clip("plain.mp4")).unwrap();
    let moov = plain.windows(4).rposition(|w| w == b"moov").unwrap() - 4;
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("long.mp4");
    let file = File::create(&path).unwrap();
    let hole = [&1_u32.to_be_bytes()[..], b"free", &BETWEEN.to_be_bytes()].concat();
    file.write_all_at(&[&plain[..moov], &hole].concat(), 0).unwrap();
    file.write_all_at(&plain[moov..], moov as u64 + BETWEEN).unwrap();
    file.sync_all().unwrap();
    drop(file);
    let station = station();
    station.check().await.unwrap();
    let begun = monotonic();
    let facts = station.probe(&path).await.unwrap();
    println!("probed in {} ms", begun.elapsed().as_millis());
    assert_eq!((facts.health, facts.vcodec.as_deref()), (MediaHealth::Whole, Some("h264")));
    assert!(facts.duration_ms.is_some_and(|ms| (ms - 6_000).abs() < 150), "{:?}", facts.duration_ms);
    let read = read_by_children();
    assert!(read < 64 << 20, "{read} bytes were read");
}

/// Bytes that the processes below this one have read since they began (proc_pid_io(5)).
fn read_by_children() -> u64 {
    let number = |text: &str, name: &str| -> Option<u64> {
        text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) else { continue };
        // One that ended meanwhile is none of ours: ours wait for jobs.
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        parents.insert(pid, number(&status, "PPid:").unwrap());
    }
    let ours = u64::from(std::process::id());
    let is_below = |mut pid: u64| {
        while let Some(parent) = parents.get(&pid).copied() {
            if parent == ours {
                return true;
            }
            pid = parent;
        }
        false
    };
    let below: Vec<u64> = parents.keys().copied().filter(|pid| is_below(*pid)).collect();
    assert!(!below.is_empty(), "the worker waits for its next job");
    let read = |pid: &u64| number(&std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap(), "rchar:").unwrap();
    below.iter().map(read).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_absurd_size_costs_its_worker_at_most() {
    let station = station();
    let path = clip("huge.jpg");
    let (facts, picture) = (station.probe(&path).await, station.thumbnail(&path, 320).await);
    assert!(matches!(&facts, Ok(_) | Err(ProbeError::Died(_))), "{facts:?}");
    assert!(matches!(&picture, Ok(None) | Err(ProbeError::Died(_))), "{picture:?}");
    assert_eq!(station.probe(&clip("plain.mp4")).await.unwrap().health, MediaHealth::Whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_cost_a_worker_at_most() {
    let station = station();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap_or(0)
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flipped");
    for name in ["plain.mp4", "fragmented.mp4", "mjpeg.avi", "clip.ts", "clip.mkv", "clip.flv", "still.jpg", "alaw.mov"]
    {
        let whole = std::fs::read(clip(name)).unwrap();
        for round in 0..8 {
            let mut bytes = whole.clone();
            // Half of the rounds hurt the first pages, where headers stand.
            let reach = if round % 2 == 0 { bytes.len() } else { bytes.len().min(4096) };
            (0..20).for_each(|_| bytes[12 + random() % (reach - 12)] = random() as u8);
            std::fs::write(&path, bytes).unwrap();
            let (facts, picture) = (station.probe(&path).await, station.thumbnail(&path, 320).await);
            assert!(matches!(&facts, Ok(_) | Err(ProbeError::Died(_) | ProbeError::TooSlow(_))), "{name}: {facts:?}");
            assert!(
                matches!(&picture, Ok(_) | Err(ProbeError::Died(_) | ProbeError::TooSlow(_))),
                "{name}: {picture:?}"
            );
        }
    }
    assert_eq!(station.probe(&clip("plain.mp4")).await.unwrap().health, MediaHealth::Whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_s_processor_time_follows_the_patience() {
    for (patience_s, cpu_s) in [(7, "2800 s of processor"), (3600, "1440000 s of processor")] {
        let station = WorkerProbe::with_program(PROGRAM.into(), clips(), 1, Duration::from_secs(patience_s));
        let check = station.check().await.unwrap();
        let limits = check.measures.iter().find(|m| m.name == "limits").unwrap();
        assert!(limits.in_force && limits.detail.contains(cpu_s), "{}", limits.detail);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_told() {
    let station = station();
    for path in [clips().join("nowhere.mp4"), clips().to_owned()] {
        assert!(matches!(station.probe(&path).await, Err(ProbeError::Unreadable(_))));
    }
    let nowhere = WorkerProbe::with_program("/nowhere/evidock".into(), clips(), 1, PATIENCE);
    assert!(matches!(nowhere.probe(&clip("plain.mp4")).await, Err(ProbeError::CannotStart(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn thumbnails() {
    let station = station();
    let pictures = [
        ("plain.mp4", 320, (320, 180)),
        ("fragmented.mp4", 320, (320, 180)),
        ("hevc.mp4", 320, (320, 180)),
        ("turned.mp4", 320, (180, 320)),
        ("mjpeg.avi", 320, (320, 180)),
        ("alaw.mov", 160, (160, 90)),
        ("clip.ts", 320, (320, 180)),
        ("clip.mkv", 320, (320, 180)),
        ("clip.flv", 320, (320, 180)),
        ("clip.mpg", 320, (320, 180)),
        ("still.jpg", 320, (320, 180)),
        ("still.png", 320, (320, 180)),
        ("still.bmp", 1000, (640, 360)),
        ("cut-front.mp4", 320, (320, 180)),
        ("cut-mjpeg.avi", 320, (320, 180)),
        ("cut-clip.ts", 320, (320, 180)),
    ];
    let mut wrong = Vec::new();
    for (name, width_px, want) in pictures {
        match station.thumbnail(&clip(name), width_px).await {
            Ok(Some(jpeg)) if jpeg_size(&jpeg) == Some(want) => {}
            Ok(jpeg) => wrong.push(format!("{name}: {:?}", jpeg.map(|j| jpeg_size(&j)))),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    for name in [
        "sound.mp4",
        "sound.mp3",
        "pcm.wav",
        "no-index.mp4",
        "zeroed-index.mp4",
        "noise.mp4",
        "empty.mp4",
        "device.log",
    ] {
        let got = station.thumbnail(&clip(name), 320).await;
        if !matches!(got, Ok(None)) {
            wrong.push(format!("{name}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Width and height from the frame header of a JPEG.
fn jpeg_size(jpeg: &[u8]) -> Option<(u16, u16)> {
    let sof = jpeg.windows(2).position(|w| w == [0xff, 0xc0])?;
    let [h1, h0, w1, w0] = jpeg.get(sof + 5..sof + 9)? else { return None };
    Some((u16::from_be_bytes([*w1, *w0]), u16::from_be_bytes([*h1, *h0])))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thumbnail_is_from_a_tenth_into_the_clip() {
    // Ten seconds: half a second of black, then white from the first key frame after it.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dark-start.mp4");
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=black:size=320x180:rate=10:duration=0.5"])
        .args(["-f", "lavfi", "-i", "color=white:size=320x180:rate=10:duration=9.5"])
        .args(["-filter_complex", "[0][1]concat", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "5"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let jpeg = station().thumbnail(&path, 320).await.unwrap().unwrap();
    let jpeg_path = dir.path().join("thumb.jpg");
    std::fs::write(&jpeg_path, &jpeg).unwrap();
    let grey = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(&jpeg_path)
        .args(["-vf", "scale=1:1", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .unwrap();
    assert!(grey.stdout[0] > 200, "{:?}", grey.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_sees_what_is_in_force() {
    let check = station().check().await.unwrap();
    let names: Vec<_> = check.measures.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(
        names,
        ["one_thread", "first_to_go", "no_new_privs", "limits", "capabilities", "landlock", "system_calls"]
    );
    for measure in check.measures {
        // Landlock depends on the kernel; everything else is there on any Linux since 3.17.
        assert!(measure.in_force || measure.name == "landlock", "{measure:?}");
    }
    assert!(check.missing.is_empty(), "the tests need Debian's GStreamer plug-ins: {:?}", check.missing);
}

// ---------------------------------------------------------------------------------------------
// Workers

fn selftest(workers: usize, job_timeout: Duration) -> Workers {
    Workers::new(WorkerSpec {
        kind: "selftest",
        program: PROGRAM.into(),
        args: vec!["worker".into(), "selftest".into()],
        env: Vec::new(),
        start_timeout: Duration::from_secs(30),
        job_timeout,
        jobs_per_worker: 50,
        workers,
        idle_timeout: Duration::from_secs(60),
    })
}

async fn ask(workers: &Workers, ask: Ask) -> Result<Told, WorkerError> {
    workers.call(&ask, None).await.map(|(told, _)| told)
}

async fn echoes(workers: &Workers) {
    assert_eq!(ask(workers, Ask::Echo("清河".to_owned())).await.unwrap(), Told::Text("清河".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_denies() {
    // Something listens, so that a connection that is not denied would succeed.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(std::net::TcpStream::connect(listener.local_addr().unwrap()).is_ok());
    let workers = selftest(1, Duration::from_secs(20));
    let landlock = workers.measures().await.unwrap().into_iter().find(|m| m.name == "landlock").unwrap();
    let port = listener.local_addr().unwrap().port();
    let Told::Attempts(attempts) = ask(&workers, Ask::Attempts { tcp_port: port }).await.unwrap() else { panic!() };
    assert_eq!(attempts.len(), 10);
    for attempt in attempts {
        let denied = matches!(attempt.errno, Some(libc::EPERM | libc::EACCES));
        let needs_landlock = attempt.what.starts_with("read_");
        assert!(denied || (needs_landlock && !landlock.in_force), "{attempt:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_brings_its_file() {
    let workers = selftest(1, Duration::from_secs(20));
    let file = File::open(clip("device.log")).unwrap();
    let told = workers.call::<Told>(&Ask::Length, Some(&file)).await.unwrap().0;
    assert_eq!(told, Told::Length(Some(file.metadata().unwrap().len())));
    // The next job has none: descriptors never stay behind.
    assert_eq!(ask(&workers, Ask::Length).await.unwrap(), Told::Length(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_is_stopped_and_the_next_job_works() {
    let workers = selftest(1, Duration::from_secs(2));
    let begun = monotonic();
    assert!(matches!(ask(&workers, Ask::Hang).await, Err(WorkerError::TooSlow(t)) if t.as_secs() == 2));
    assert!(begun.elapsed() < Duration::from_secs(20));
    echoes(&workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_is_reported_and_the_next_job_works() {
    let workers = selftest(1, Duration::from_secs(20));
    let died = |told: Result<Told, WorkerError>| match told {
        Err(WorkerError::Died(how)) => how,
        other => panic!("{other:?}"),
    };
    assert!(died(ask(&workers, Ask::Abort).await).contains("aborted"));
    assert!(died(ask(&workers, Ask::Panic).await).contains("as asked"));
    echoes(&workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_refused_at_the_limit() {
    let workers = selftest(1, Duration::from_secs(20));
    match ask(&workers, Ask::Memory(4096)).await.unwrap() {
        Told::Granted(mib) => assert!((64..600).contains(&mib), "{mib}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_prints_without_end_is_drained() {
    let workers = selftest(1, Duration::from_secs(20));
    assert_eq!(ask(&workers, Ask::Chatter(2 << 20)).await.unwrap(), Told::Text("done".to_owned()));
    echoes(&workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_for_a_worker_and_workers_wear_out() {
    let workers = selftest(2, Duration::from_secs(20));
    let jobs: Vec<_> = (0..120)
        .map(|n| {
            let workers = workers.clone();
            async move { ask(&workers, Ask::Echo(n.to_string())).await.unwrap() == Told::Text(n.to_string()) }
        })
        .collect();
    assert!(futures_util::future::join_all(jobs).await.into_iter().all(|same| same));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_waits_for_is_stopped() {
    let workers = selftest(1, Duration::from_secs(600));
    let abandoned = tokio::time::timeout(Duration::from_millis(500), ask(&workers, Ask::Hang)).await;
    assert!(abandoned.is_err());
    echoes(&workers).await;
}

#[test]
fn a_busy_worker_ends_with_the_daemon() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["worker", "selftest"])
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    protocol::read(&mut ours).unwrap().unwrap();
    std::io::Write::write_all(&mut ours, &protocol::encode(&Ask::Hang, &[]).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(child.try_wait().unwrap().is_none(), "it hangs, as asked");
    // All that a killed daemon leaves behind is a closed socket.
    drop(ours);
    let begun = monotonic();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it outlived the daemon");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// ---------------------------------------------------------------------------------------------
// Sessions: one child that keeps its state

fn session() -> evidock::worker::session::Session {
    evidock::worker::session::Session::start(&WorkerSpec {
        kind: "selftest",
        program: PROGRAM.into(),
        args: vec!["worker".into(), "selftest".into()],
        env: Vec::new(),
        start_timeout: Duration::from_secs(30),
        job_timeout: Duration::ZERO,
        jobs_per_worker: 1,
        workers: 1,
        idle_timeout: Duration::ZERO,
    })
    .unwrap()
}

#[test]
fn a_session_answers_one_job_after_the_other() {
    let mut session = session();
    assert!(session.measures().iter().any(|m| m.name == "system_calls" && m.in_force));
    let limit = Duration::from_secs(20);
    for text in ["一", "two"] {
        let (told, _) = session.call::<Told>(&Ask::Echo(text.into()), None, limit).unwrap();
        assert_eq!(told, Told::Text(text.into()));
    }
    let file = File::open(clip("device.log")).unwrap();
    let (told, _) = session.call::<Told>(&Ask::Length, Some(&file), limit).unwrap();
    assert_eq!(told, Told::Length(Some(file.metadata().unwrap().len())));
}

#[test]
fn a_session_says_how_its_child_failed() {
    let limit = Duration::from_millis(300);
    assert!(matches!(session().call::<Told>(&Ask::Hang, None, limit), Err(WorkerError::TooSlow(_))));
    let died = |ask: Ask| match session().call::<Told>(&ask, None, Duration::from_secs(20)) {
        Err(WorkerError::Died(how)) => how,
        other => panic!("{other:?}"),
    };
    assert!(died(Ask::Abort).contains("aborted"));
    assert!(died(Ask::Panic).contains("panic"));
}
