//! Files that are derived and kept: a frame is the one of its moment, a stretch has the master's own pictures, a watermark is
//! readable Chinese; through the real program each is logged with both digests, and the master stays what it is.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use evidock::domain::derivative::{Form, Method, Order};
use evidock::domain::ports::{ClipBytes, Derive};
use evidock::media::Maker;
use evidock::media::maker::Made;
use tokio::sync::mpsc;

use crate::support::station::{Station, dsj, text};
use crate::{HONEST, PATIENCE, Read, clip, clips};

fn maker() -> Maker {
    Maker::with_program(env!("CARGO_BIN_EXE_evidock").into(), clips(), HONEST)
}

fn order(kind: &str, form: Option<&str>, from_ms: u64, to_ms: Option<u64>, exact: bool) -> Order {
    Order::new(kind, form, Some(from_ms), to_ms, exact).unwrap()
}

/// Carries an order out; what came of it, and the file.
async fn make(maker: &Maker, path: &Path, order: &Order, mark: Option<&str>) -> (Made, Vec<u8>) {
    let bytes = Read::of(path) as Arc<dyn ClipBytes>;
    let (out, mut coming) = mpsc::channel::<Bytes>(4);
    let taken = async {
        let mut all = Vec::new();
        while let Some(bytes) = coming.recv().await {
            all.extend_from_slice(&bytes);
        }
        all
    };
    let making = async {
        let made = maker.make(&bytes, order, mark.map(str::to_owned), &out).await;
        drop(out);
        made
    };
    let (made, all) = tokio::join!(making, taken);
    (made.unwrap_or_else(|e| panic!("{}: {e:?}", path.display())), all)
}

/// What a program says of a file.
fn told(program: &str, args: &[&str], file: &Path) -> String {
    let mut command = Command::new(program);
    command.args(["-v", "error"]);
    if program == "ffmpeg" {
        command.arg("-i").arg(file).args(args);
    } else {
        command.args(args).arg(file);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program} {}: {}", file.display(), text(&output.stderr));
    text(&output.stdout)
}

/// A file's pictures as grey, each scaled to this.
fn grey(file: &Path, scale: &str) -> Vec<u8> {
    let filter = format!("scale={scale},format=gray");
    let args = ["-fps_mode", "passthrough", "-vf", &filter, "-f", "rawvideo", "-"];
    let output = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(args).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output.stdout
}

fn kept(bytes: &[u8], form: Form) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("made.{}", form.as_str()));
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_is_the_one_of_its_moment() {
    let maker = maker();
    let mut wrong = Vec::new();
    for (name, form) in
        [("h265.mp4", Form::Png), ("mjpeg.avi", Form::Jpeg), ("h264.mp4", Form::Jpeg), ("alaw.mov", Form::Png)]
    {
        // The 65th picture is on from 6.5 to 6.6 seconds; its brightness is 16 + 18 * (65 % 12).
        let (made, bytes) =
            make(&maker, &clip(name), &order("frame", Some(form.as_str()), 6_550, None, false), None).await;
        let Made::File { form: is, method, from_ms, to_ms } = made else { panic!("{name}: {made:?}") };
        assert!(is == form && method == Method::Decoded && from_ms == to_ms && form.begins(&bytes), "{name}");
        let (_dir, path) = kept(&bytes, form);
        let size = told("ffprobe", &["-show_entries", "stream=width,height", "-of", "csv=p=0"], &path);
        assert_eq!(size.trim(), "320,180", "{name}: full size");
        let bright = i32::from(grey(&path, "1:1:flags=area")[0]);
        // Full range or not: 106 as it is, 105 spread out.
        if from_ms != 6_500 || (bright - 106).abs() > 8 {
            wrong.push(format!("{name}: from {from_ms} ms, brightness {bright}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (stream, _) = make(&maker, &clip("h264.ts"), &order("frame", None, 6_550, None, false), None).await;
    // No index, and a time that begins somewhere: to a picture or two.
    assert!(matches!(stream, Made::File { from_ms: 6_300..=6_700, .. }), "{stream:?}");
    let (late, bytes) = make(&maker, &clip("h264.mp4"), &order("frame", None, 99_000, None, false), None).await;
    assert_eq!((late, bytes.len()), (Made::Nothing, 0), "behind the end there is nothing");
    let (sound, _) = make(&maker, &clip("ulaw.wav"), &order("frame", None, 0, None, false), None).await;
    assert_eq!(sound, Made::Nothing);
}

/// Digests of a file's pictures as they are decoded: packets may say the same picture with other marks around it.
fn pictures(file: &Path) -> Vec<String> {
    let args = ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let lines = told("ffmpeg", &args, file);
    let digest = |line: &str| line.rsplit(',').next().map(|d| d.trim().to_owned());
    lines.lines().filter(|l| !l.starts_with('#')).filter_map(digest).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_has_the_master_s_own_pictures_from_key_frame_on() {
    let maker = maker();
    for (name, form, codecs) in [
        ("h264.mp4", Form::Mp4, "h264 aac"),
        ("h265.mp4", Form::Mkv, "hevc aac"),
        ("mjpeg.avi", Form::Mkv, "mjpeg pcm_s16le"),
        ("alaw.mov", Form::Mkv, "h264 pcm_alaw"),
        ("h264.ts", Form::Mp4, "h264 aac"),
    ] {
        let (made, bytes) = make(&maker, &clip(name), &order("trim", None, 6_000, Some(9_000), false), None).await;
        let Made::File { form: is, method, from_ms, to_ms } = made else { panic!("{name}: {made:?}") };
        assert!(is == form && method == Method::Copied && form.begins(&bytes), "{name}: {is:?}");
        let (_dir, path) = kept(&bytes, form);
        let found = told("ffprobe", &["-show_entries", "stream=codec_name", "-of", "csv=p=0"], &path);
        let found: Vec<&str> = found.split_whitespace().map(|c| c.trim_matches(',')).collect();
        assert_eq!(found.join(" "), codecs, "{name}");
        // Every 25th picture is a key frame, each 100 ms: the one before 6 s stands at 5 s. MJPEG has nothing else.
        let (from, slack) = match name {
            "mjpeg.avi" => (6_000, 0),
            "h264.ts" => (5_000, 2_600),
            _ => (5_000, 0),
        };
        assert!(
            from_ms.abs_diff(from) <= slack && to_ms.abs_diff(9_000) <= 200 + slack,
            "{name}: {from_ms} to {to_ms}"
        );
        // Nothing was encoded again: whoever plays it sees the master's own pictures, in their order. Those that are made of
        // pictures on both sides of the cut may miss one of them.
        let (part, whole) = (pictures(&path), pictures(&clip(name)));
        let slack = if name == "h265.mp4" { 3 } else { 0 };
        let (mut same, mut next) = (0, 0);
        for picture in &part {
            let found = whole[next..].iter().position(|w| w == picture);
            if let Some(n) = found.filter(|n| same == 0 || *n <= slack) {
                (same, next) = (same + 1, next + n + 1);
            }
        }
        assert!(same >= 29 && same + slack >= part.len(), "{name}: {same} of {} pictures", part.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_stretch_is_exact_and_says_that_it_was_encoded() {
    let maker = maker();
    let (made, bytes) = make(&maker, &clip("h265.mp4"), &order("trim", None, 6_000, Some(7_200), true), None).await;
    let wanted = Made::File { form: Form::Webm, method: Method::Encoded, from_ms: 6_000, to_ms: 7_200 };
    assert_eq!(made, wanted);
    let (_dir, path) = kept(&bytes, Form::Webm);
    let bright = grey(&path, "1:1:flags=area");
    assert_eq!(bright.len(), 12, "twelve pictures, to the picture");
    assert!(bright[0] < 30 && bright[11] > 190, "from the sixtieth on: {bright:?}");
    let size =
        told("ffprobe", &["-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0"], &path);
    assert_eq!(size.trim().trim_matches(','), "320,180");
}

/// Rows of a picture on which something bright stands.
fn bright_rows(png: &[u8]) -> usize {
    let (_dir, path) = kept(png, Form::Png);
    let pixels = grey(&path, "320:180");
    pixels.chunks(320).filter(|row| row.iter().filter(|p| **p > 60).count() >= 4).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn words_over_the_picture_are_readable_chinese() {
    let maker = maker();
    // A typeface without it would draw boxes, as high for the one as for the other; on a black picture.
    let frame = order("frame", Some("png"), 0, None, false);
    let of = |mark: &'static str| {
        let (maker, frame) = (&maker, &frame);
        async move { bright_rows(&make(maker, &clip("h264.mp4"), frame, Some(mark)).await.1) }
    };
    let (strokes, full, none) = (of("一一一一一一一一").await, of("国国国国国国国国").await, of(" ").await);
    assert!(none == 0 && strokes >= 1 && full >= 6, "{none} {strokes} {full}");
    assert!(strokes * 2 <= full, "one stroke is as high as a whole sign: no Chinese is drawn ({strokes}, {full})");
    // Markup of a name stays text.
    assert!(of("<b>&amp; \u{202e}").await >= 5);
    let (made, bytes) =
        make(&maker, &clip("h264.mp4"), &order("watermark", None, 0, Some(1_000), true), Some("国国国国")).await;
    assert!(matches!(made, Made::File { form: Form::Webm, method: Method::Encoded, .. }), "{made:?}");
    let (_dir, path) = kept(&bytes, Form::Webm);
    let pictures = grey(&path, "320:180");
    assert!(
        pictures[..320 * 180].iter().filter(|p| **p > 60).count() > 50,
        "the first picture is black but for the words"
    );
    // A preview of the player as well, where that is configured.
    let bytes = Read::of(&clip("h265.mp4"));
    let preview = crate::maker().piece(crate::id(), bytes, 0, Some("国国国国".into())).await.unwrap().unwrap();
    let (_dir, path) = kept(&preview.webm, Form::Webm);
    assert!(grey(&path, "320:180")[..320 * 180].iter().filter(|p| **p > 60).count() > 50, "no words on the preview");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_cost_a_worker_at_most() {
    let maker = Maker::with_program(env!("CARGO_BIN_EXE_evidock").into(), clips(), PATIENCE);
    let dir = tempfile::tempdir().unwrap();
    let film = std::fs::read(clip("h265.mp4")).unwrap();
    let mut zeroed = film.clone();
    let moov = film.windows(4).rposition(|w| w == b"moov").unwrap();
    zeroed[moov + 4..].fill(0);
    let avi = std::fs::read(clip("mjpeg.avi")).unwrap();
    let mut huge = avi.clone();
    let frames: Vec<usize> =
        huge.windows(4).enumerate().filter(|(_, w)| *w == [0xff, 0xc0, 0, 17]).map(|(n, _)| n).collect();
    frames.into_iter().for_each(|at| huge[at + 5..at + 9].copy_from_slice(&[0xfd, 0xe8, 0xfd, 0xe8]));
    let files: [(&str, &[u8]); 4] =
        [("half", &film[..film.len() / 2]), ("zeroed", &zeroed), ("huge", &huge), ("none", b"no film")];
    for (name, bytes) in files {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        for order in [
            order("frame", None, 3_000, None, false),
            order("trim", None, 1_000, Some(4_000), false),
            order("trim", None, 1_000, Some(2_000), true),
        ] {
            let bytes = Read::of(&path) as Arc<dyn ClipBytes>;
            let (out, mut coming) = mpsc::channel::<Bytes>(4);
            let making = async {
                // An answer or the loss of a worker, and in time.
                let made = tokio::time::timeout(PATIENCE * 2, maker.make(&bytes, &order, None, &out)).await;
                drop(out);
                made.unwrap_or_else(|_| panic!("{name} {order:?} takes for ever"))
            };
            let drained = async { while coming.recv().await.is_some() {} };
            let _ = tokio::join!(making, drained);
        }
    }
    let (made, _) = make(&maker, &clip("h265.mp4"), &order("frame", None, 3_000, None, false), None).await;
    assert!(matches!(made, Made::File { from_ms: 3_000, .. }), "an honest clip as ever: {made:?}");
}

#[test]
fn derived_through_the_program_and_logged_beside_the_master() {
    let mut station = Station::running("");
    let film = std::fs::read(clip("h264.mp4")).unwrap();
    station.card("a").file(dsj("36NCC009910", "091200"), &film, 60);
    station.dock("a");
    station.until_safe("a");
    station.until("it was looked at", |s| s.query("SELECT 1 FROM media", &[]).len() == 1);
    let id = station.clip("091200.mp4");
    let master = station.in_vault(&id).unwrap();
    let before = (std::fs::read(&master).unwrap(), std::fs::metadata(&master).unwrap().modified().unwrap());

    let to = station.path("grab.png");
    let grab = station.json([
        "derive",
        "frame",
        &id,
        "--at",
        "6.55",
        "--png",
        "--reason",
        "处罚决定书附图",
        "--to",
        to.to_str().unwrap(),
    ]);
    let record = station.record(&id);
    let (blake3, sha256, bytes) = crate::support::station::digests(&to);
    assert_eq!((grab["sha256"].as_str(), grab["blake3"].as_str()), (Some(&*sha256), Some(&*blake3)), "{grab}");
    assert_eq!((&grab["parent_sha256"], &grab["parent_blake3"]), (&record["sha256"], &record["blake3"]), "{grab}");
    assert_eq!((&grab["bytes"], &grab["from_ms"], &grab["method"]), (&bytes.into(), &6_500.into(), &"decoded".into()));
    // In the log before it was made, when it was, and before it was given out; the reason is committed to, not told.
    let events =
        station.query("SELECT kind, CAST(bytes AS TEXT) FROM log_entry WHERE kind LIKE 'derived.%' ORDER BY seq", &[]);
    let kinds: Vec<&str> = events.iter().map(|e| &*e[0]).collect();
    assert_eq!(kinds, ["derived.asked", "derived.made", "derived.taken"]);
    for part in
        [&*sha256, &*blake3, record["sha256"].as_str().unwrap(), record["blake3"].as_str().unwrap(), "GStreamer"]
    {
        assert!(events[1][1].contains(part), "{part}: {}", events[1][1]);
    }
    assert!(!events[0][1].contains("附图"), "{}", events[0][1]);

    let to = station.path("part.mp4");
    let trim = station.json([
        "derive",
        "trim",
        &id,
        "--from",
        "6",
        "--until",
        "9",
        "--reason",
        "庭审播放",
        "--to",
        to.to_str().unwrap(),
    ]);
    assert_eq!((&trim["method"], &trim["form"], &trim["from_ms"]), (&"copied".into(), &"mp4".into(), &5_000.into()));
    let to = station.path("copy.webm");
    let copy = station.json([
        "derive",
        "watermark",
        &id,
        "--until",
        "1",
        "--reason",
        "送被检查单位",
        "--to",
        to.to_str().unwrap(),
    ]);
    assert_eq!((&copy["method"], &copy["form"]), (&"encoded".into(), &"webm".into()));
    let marked = station.one("SELECT mark FROM derivative WHERE kind = 'watermark'", &[]);
    assert!(marked.contains("派生文件 非证据原件") && marked.contains("20"), "{marked}");

    // On the page of the clip, with both digests, called what they are; and to be fetched there.
    let page = text(&crate::station::get(&station, &format!("/clips/{id}")).body);
    for part in ["Frame grab", "Watermarked copy", "Stretch", "cut at key frames, not encoded again", &*sha256] {
        assert!(page.contains(part), "{part} is not on the page");
    }
    let grabbed = grab["derived"].as_str().unwrap();
    let fetched = crate::station::get(&station, &format!("/clips/{id}/derived/{grabbed}"));
    assert_eq!(fetched.status, 200, "{}", fetched.head);
    for line in ["content-type: image/png", "evidock-derived: derived file, not the evidence", "filename=\"derived-"] {
        assert!(fetched.head.contains(line), "{line} is not in {}", fetched.head);
    }
    assert!(fetched.body == std::fs::read(station.path("grab.png")).unwrap());
    let other = "0197b6f0-0000-7000-8000-000000000000";
    for path in [format!("/clips/{id}/derived/{other}"), format!("/clips/{other}/derived/{grabbed}")] {
        assert_eq!(crate::station::get(&station, &path).status, 404, "{path}");
    }

    // What cannot be is told, and what was changed on the disk is given to nobody.
    let (_, words) = station.refused(1, ["derive", "frame", &id, "--at", "99", "--reason", "x"]);
    assert!(words.contains("nothing at that place"), "{words}");
    let (_, words) = station.refused(1, ["derive", "frame", &id, "--at", "1", "--reason", " "]);
    assert!(words.contains("say why"), "{words}");
    let file = station.path(format!("state/derived/{grabbed}.png"));
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(crate::station::get(&station, &format!("/clips/{id}/derived/{grabbed}")).status, 500);

    // The master never changed, and an isolated clip's derivatives go with it.
    let after = (std::fs::read(&master).unwrap(), std::fs::metadata(&master).unwrap().modified().unwrap());
    assert!(before == after && before.0 == film, "the master is the master");
    station.json(["isolate", &id, "--reason", "画面中有军事设施"]);
    let part = trim["derived"].as_str().unwrap();
    // Refused as the clip's own footage and thumbnail are.
    assert_eq!(crate::station::get(&station, &format!("/clips/{id}/derived/{part}")).status, 403);
    station.refused(1, ["derive", "frame", &id, "--at", "1", "--reason", "x"]);
    station.assert_vault_is_whole();
    station.stop();
}
