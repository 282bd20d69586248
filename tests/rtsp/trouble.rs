//! What goes wrong on the way from a camera, and what is told of it.

use std::time::Duration;

use evidock::runtime::clock::monotonic;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::camera::{Cameras, Passed, Relay};
use crate::support::guarded::free_ports;
use crate::support::station::Station;
use crate::{FRAME_MS, alone, decoded, gaps, ms, seen, segments, stream, until_recorded, until_sealed};

/// A camera behind a line, and a station that records it always. What a busy machine holds up is no silence yet.
fn recorded(kind: &str, more: &str) -> (Cameras, Relay, Station) {
    recorded_until_silent(kind, 15, more)
}

/// The same, with so many seconds after which silence is noticed.
fn recorded_until_silent(kind: &str, silence_s: u32, more: &str) -> (Cameras, Relay, Station) {
    // A camera that starts again finds its port free.
    let [port] = free_ports::<1>();
    let cameras = Cameras::start(&["--running", "--port", &port.to_string(), kind]);
    let relay = Relay::to(cameras.port);
    let url = format!("rtsp://127.0.0.1:{}/{kind}", relay.port);
    let more = format!("mode = \"always\"\nsilence_s = {silence_s}\n{more}");
    let station = Station::running(&stream("room-1", &url, &more));
    (cameras, relay, station)
}

/// RTP times of pictures (90 kHz) as milliseconds between them.
fn span_ms(from: u32, to: u32) -> i64 {
    i64::from(to.wrapping_sub(from)) / 90
}

fn last_with_key(passed: &[Passed]) -> &Passed {
    passed.iter().rev().find(|p| p.first_key.is_some()).expect("a connection with a key frame")
}

/// The stream's worker of a running station.
fn worker(station: &Station) -> Option<Pid> {
    let own = station.pid();
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent: u32 = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        (parent == own && line.ends_with(b"worker\0stream\0")).then(|| Pid::from_raw(pid))?
    })
}

/// Stops the recording for good, in order, so that every clip is sealed and looked at.
fn finish(station: &mut Station, relay: &Relay) -> Vec<Value> {
    let config = std::fs::read_to_string(station.path("evidock.toml")).unwrap();
    station.stop();
    std::fs::write(station.path("evidock.toml"), config.replace("mode = \"always\"", "mode = \"on_demand\"")).unwrap();
    station.start();
    station
        .until("the recording has ended", |s| s.query("SELECT 1 FROM recording WHERE ended IS NULL", &[]).is_empty());
    let clips = segments(station, "room-1");
    let _ = relay;
    let records: Vec<Value> = clips.iter().map(|clip| until_sealed(station, clip)).collect();
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record["recording"]["segment_no"], n + 1, "segments stand in order, without holes");
        let before = n.checked_sub(1).map_or(Value::Null, |b| records[b]["record_id"].clone());
        assert_eq!(record["recording"]["previous"], before);
    }
    records
}

fn id(record: &Value) -> &str {
    record["record_id"].as_str().unwrap()
}

#[test]
fn what_a_cut_network_takes_is_told_to_the_frame() {
    let _alone = alone();
    let (_cameras, relay, mut station) = recorded("h264-aac", "");
    let first = until_recorded(&mut station, "room-1", 4);
    relay.set(|r| r.cut = true);
    station.until("the loss is noticed", |s| {
        s.one("SELECT coalesce(ended, '') FROM segment WHERE clip_id = ?1", &[&first]) == "lost"
    });
    // Away for a while: until the clock of the camera has gone on so far.
    let back = monotonic() + Duration::from_secs(10);
    station.until("ten seconds have passed", |_| monotonic() >= back);
    let before = relay.passed().len();
    relay.set(|r| r.cut = false);
    station.until("it is recorded again", |s| segments(s, "room-1").len() == 2);
    let second = until_recorded(&mut station, "room-1", 4);
    assert_ne!(first, second, "another connection is another clip");
    let passed = relay.passed();
    let (lost_at, back_at) = (passed[before - 1].last.unwrap(), last_with_key(&passed).first_key.unwrap());
    let missing = span_ms(lost_at, back_at) - FRAME_MS;
    let records = finish(&mut station, &relay);
    let told = gaps(&records[1], "between");
    assert_eq!(told.len(), 1, "{}", records[1]["gaps"]);
    let found = ms(&told[0]["missing_ms"]);
    assert!(missing >= 10_000 && (found - missing).abs() <= FRAME_MS, "{found} ms are told, {missing} ms are missing");
    assert_eq!(told[0]["reason"], "lost");
    assert_eq!(gaps(&records[0], "between").len(), 0, "each gap is told once");
    records.iter().take(2).for_each(|r| drop(decoded(&station, id(r))));
}

#[test]
fn a_line_that_stands_and_brings_nothing_is_given_up_and_made_anew() {
    let _alone = alone();
    let (_cameras, relay, mut station) = recorded_until_silent("h264", 4, "");
    let first = until_recorded(&mut station, "room-1", 2);
    relay.set(|r| r.hold = true);
    station.until("silence is noticed", |s| {
        !s.one("SELECT coalesce(ended, '') FROM segment WHERE clip_id = ?1", &[&first]).is_empty()
    });
    relay.set(|r| r.hold = false);
    station.until("it is recorded again", |s| segments(s, "room-1").len() == 2);
    until_recorded(&mut station, "room-1", 2);
    let records = finish(&mut station, &relay);
    assert!(
        ["silent", "lost"].contains(&records[0]["recording"]["ended"].as_str().unwrap()),
        "{}",
        records[0]["recording"]
    );
    assert_eq!(gaps(&records[1], "between").len(), 1);
    records.iter().take(2).for_each(|r| drop(decoded(&station, id(r))));
}

#[test]
fn what_came_before_a_line_stalls_is_durable_without_another_byte() {
    let _alone = alone();
    let cameras = Cameras::start(&["--running", "h264-aac"]);
    let relay = Relay::to(cameras.port);
    let url = format!("rtsp://127.0.0.1:{}/h264-aac", relay.port);
    let mut station = Station::running(&stream("room-1", &url, "mode = \"always\"\nsilence_s = 120"));
    let clip = until_recorded(&mut station, "room-1", 2);
    relay.set(|r| r.hold = true);
    // The line stands, nothing comes, and nobody ends the clip.
    let part = |s: &Station| s.in_vault(&format!("{clip}.part")).map_or(0, |f| f.metadata().unwrap().len());
    let durable =
        |s: &Station| -> u64 { s.one("SELECT durable_bytes FROM clip WHERE clip_id = ?1", &[&clip]).parse().unwrap() };
    // What was on its way arrives within a moment; from then on the file is as long as it stays.
    let mut still: Option<(u64, std::time::Instant)> = None;
    station.until("all that came is durable", |s| {
        let now = part(s);
        if still.is_none_or(|(bytes, _)| bytes != now) {
            still = Some((now, monotonic()));
        }
        still.is_some_and(|(_, since)| since.elapsed() >= Duration::from_secs(4)) && durable(s) == now
    });
    assert!(part(&station) > 0);
    assert_eq!(station.one("SELECT coalesce(ended, '') FROM segment WHERE clip_id = ?1", &[&clip]), "");
    // What the database says of its length is what another tool finds in these bytes.
    let told: i64 = station.one("SELECT length_ms FROM segment WHERE clip_id = ?1", &[&clip]).parse().unwrap();
    let kept = seen(&station.in_vault(&format!("{clip}.part")).unwrap());
    let found = kept.times_ms.last().unwrap() + FRAME_MS - kept.times_ms[0];
    assert!((told - found).abs() <= FRAME_MS, "{told} ms are told, {found} ms are there");
}

#[test]
fn packets_that_never_come_and_a_clock_that_is_set_are_told_inside_the_clip() {
    let _alone = alone();
    let (_cameras, relay, mut station) = recorded("h264-aac", "");
    let clip = until_recorded(&mut station, "room-1", 4);
    relay.set(|r| r.swallow = true);
    station.until("50 packets are swallowed", |_| relay.passed().last().unwrap().dropped.len() >= 50);
    relay.set(|r| r.swallow = false);
    station.until("the hole is over", |_| relay.passed().last().unwrap().holes.len() == 1);
    let told = |s: &Station, kind: &str| {
        s.query("SELECT missing_ms FROM gap WHERE clip_id = ?1 AND kind = ?2", &[&clip, &kind])
    };
    station.until("the loss is told", |s| !told(s, "loss").is_empty());
    relay.set(|r| r.clock_s = 3_600);
    station.until("the camera's clock is set", |s| !told(s, "source_clock").is_empty());
    let passed = relay.passed().pop().unwrap();
    let records = finish(&mut station, &relay);
    let record = records.iter().find(|r| id(r) == clip).unwrap();

    let losses = gaps(record, "loss");
    assert_eq!(losses.len(), 1, "{}", record["gaps"]);
    assert_eq!(ms(&losses[0]["count"]), passed.dropped.len() as i64, "every packet, once");
    let (from, to) = passed.holes[0];
    let missing = span_ms(from, to) - FRAME_MS;
    let found = ms(&losses[0]["missing_ms"]);
    assert!((found - missing).abs() <= FRAME_MS, "{found} ms are told, {missing} ms are missing");
    // And it stands where another tool sees it.
    let seen = seen(&station.in_vault(&clip).unwrap());
    let hole = seen.times_ms.windows(2).find(|w| w[1] - w[0] > 500).expect("a hole in the times");
    assert!((hole[0] + FRAME_MS - ms(&losses[0]["from_ms"])).abs() <= FRAME_MS, "{hole:?} {}", losses[0]);
    assert!((hole[1] - hole[0] - FRAME_MS - found).abs() <= FRAME_MS, "{hole:?} {}", losses[0]);

    let clocks = gaps(record, "source_clock");
    assert_eq!(clocks.len(), 1, "{}", record["gaps"]);
    let set = ms(&clocks[0]["missing_ms"]);
    assert!((set - 3_600_000).abs() < 100, "{set}");
    assert_eq!(gaps(record, "skip").len(), 0, "what is told as lost is not told again as left out");
}

#[test]
fn datagrams_that_get_lost_are_counted_and_what_came_still_plays() {
    let _alone = alone();
    let (_cameras, relay, mut station) = recorded("h264-aac", "transport = \"udp\"");
    until_recorded(&mut station, "room-1", 1);
    relay.set(|r| r.lose_per_mille = 20);
    let clip = until_recorded(&mut station, "room-1", 20);
    relay.set(|r| r.lose_per_mille = 0);
    let passed = relay.passed().pop().unwrap();
    // A hole is known when something comes behind it.
    let next = passed.times_behind();
    station.until("more has come", |_| relay.passed().last().unwrap().times_behind() > next + 90_000 * 3);
    let dropped = relay.passed().pop().unwrap().dropped.len() as i64;
    let records = finish(&mut station, &relay);
    let record = records.iter().find(|r| id(r) == clip).unwrap();
    assert!(dropped >= 5, "{dropped} of the datagrams were lost");
    let counted: i64 = gaps(record, "loss").iter().map(|g| ms(&g["count"])).sum();
    assert_eq!(counted, dropped, "{}", record["gaps"]);
    let file = station.in_vault(&clip).unwrap();
    let out =
        std::process::Command::new("ffmpeg").args(["-v", "fatal", "-i"]).arg(&file).args(["-f", "null", "-"]).output();
    let out = out.unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", crate::text(&out.stderr));
    let pictures = seen(&file).times_ms.len() as i64;
    let length = ms(&record["duration_ms"]) / FRAME_MS;
    assert!(pictures > length * 9 / 10, "{pictures} of {length} pictures: no second is thrown away for one packet");
}

#[test]
fn a_killed_worker_costs_half_a_second_and_the_next_one_goes_on() {
    let _alone = alone();
    let (_cameras, relay, mut station) = recorded("h264-aac", "");
    let first = until_recorded(&mut station, "room-1", 4);
    let pid = worker(&station).expect("a worker");
    // Before the kill: what passes the line after it, nobody is there to keep.
    let at = relay.passed().pop().unwrap().last.unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    station.until("another worker records", |s| segments(s, "room-1").len() == 2);
    until_recorded(&mut station, "room-1", 2);
    let records = finish(&mut station, &relay);
    assert_eq!(records[0]["recording"]["ended"], "failed");
    assert!(
        records[0]["recording"]["ended_detail"].as_str().unwrap().contains("signal 9"),
        "{}",
        records[0]["recording"]
    );
    let kept = decoded(&station, &first);
    let came = span_ms(relay.passed()[0].first_key.unwrap(), at);
    let lost = came - kept.times_ms.last().unwrap();
    assert!(lost <= 1_000, "{lost} ms before the kill are lost");
    assert_eq!(gaps(&records[1], "between").len(), 1);
    decoded(&station, id(&records[1]));
}

#[test]
fn a_killed_station_has_on_disk_what_came_until_the_last_second_and_goes_on() {
    let _alone = alone();
    let (_cameras, relay, mut station) = recorded("h264-aac", "");
    let first = until_recorded(&mut station, "room-1", 4);
    let passed = relay.passed();
    station.kill();
    let came = span_ms(passed[0].first_key.unwrap(), passed[0].last.unwrap());
    station.start();
    station.until("it is recorded again", |s| segments(s, "room-1").len() == 2);
    until_recorded(&mut station, "room-1", 3);
    let back = last_with_key(&relay.passed()).first_key.unwrap();
    let records = finish(&mut station, &relay);
    assert_eq!(id(&records[0]), first);
    assert_eq!(records[0]["recording"]["ended"], "interrupted");
    let kept = decoded(&station, &first);
    let last = *kept.times_ms.last().unwrap();
    assert!(came - last <= 1_000, "{} ms before the kill are lost", came - last);
    let missing = span_ms(passed[0].first_key.unwrap(), back) - last - FRAME_MS;
    let told = gaps(&records[1], "between");
    assert_eq!((told.len(), &told[0]["reason"]), (1, &"interrupted".into()), "{}", records[1]["gaps"]);
    let found = ms(&told[0]["missing_ms"]);
    // Each connection is told the camera's clock anew, on a busy machine some pictures off.
    assert!((found - missing).abs() <= 5 * FRAME_MS, "{found} ms are told, {missing} ms are missing");
    assert_eq!(
        records[0]["recording"]["recording_id"], records[1]["recording"]["recording_id"],
        "one recording goes on"
    );
    station.assert_vault_is_whole();
}

#[test]
fn a_camera_that_restarts_is_found_again() {
    let _alone = alone();
    let (cameras, relay, mut station) = recorded("h264", "");
    until_recorded(&mut station, "room-1", 2);
    let port = cameras.port.to_string();
    drop(cameras);
    station.until("the room waits", |s| s.json(["record", "list"])["rooms"][0]["state"] == "waiting");
    let _again = Cameras::start(&["--running", "--port", &port, "h264"]);
    station.until("it is recorded again", |s| segments(s, "room-1").len() == 2);
    until_recorded(&mut station, "room-1", 2);
    let passed = relay.passed();
    let records = finish(&mut station, &relay);
    let told = gaps(&records[1], "between");
    assert_eq!(told.len(), 1);
    // Its times began anew, so the station's clock is all that both sides have; it scatters by what a busy machine delays.
    let last =
        passed.iter().filter_map(|p| p.last_ms).filter(|ms| *ms < last_with_key(&passed).first_key_ms.unwrap()).max();
    let missing = last_with_key(&passed).first_key_ms.unwrap() - last.unwrap() - FRAME_MS;
    let found = ms(&told[0]["missing_ms"]);
    assert!((found - missing).abs() <= 25 * FRAME_MS, "{found} ms are told, {missing} ms are missing");
    records.iter().take(2).for_each(|r| drop(decoded(&station, id(r))));
}

#[test]
fn a_person_begins_where_the_configuration_records_always_and_nothing_is_lost_between() {
    let _alone = alone();
    let (_cameras, relay, mut station) = recorded("h264-aac", "");
    until_recorded(&mut station, "room-1", 2);
    station.json(["record", "start", "room-1", "--case", crate::CASE, "--officer", "张三"]);
    station.until("the person's recording has a clip", |s| segments(s, "room-1").len() == 2);
    until_recorded(&mut station, "room-1", 2);
    station.json(["record", "stop", "room-1"]);
    station.until("the configuration's goes on", |s| segments(s, "room-1").len() == 3);
    until_recorded(&mut station, "room-1", 1);
    let clips = segments(&station, "room-1");
    let times: Vec<i64> = clips
        .iter()
        .map(|c| station.one("SELECT station_ms FROM segment WHERE clip_id = ?1", &[c]).parse().unwrap())
        .collect();
    station.stop();
    station.start();
    let seen: Vec<_> = clips
        .iter()
        .map(|clip| {
            until_sealed(&mut station, clip);
            decoded(&station, clip)
        })
        .collect();
    for n in 0..2 {
        let last = seen[n].times_ms.last().unwrap() + FRAME_MS - seen[n].times_ms[0];
        let apart = times[n + 1] - times[n] - last;
        assert!(apart.abs() <= FRAME_MS, "{apart} ms between clip {n} and the next");
    }
    let found = station.find(crate::CASE);
    assert_eq!(found.len(), 1, "only what was recorded for the case is linked to it");
    assert_eq!(found[0]["record_id"], clips[1].as_str());
    assert_eq!(relay.passed().len(), 2, "one connection before the restart, one after it");
}

impl Passed {
    fn times_behind(&self) -> u32 {
        self.last.unwrap()
    }
}
