//! Figures for Prometheus: one typed struct that the rooms feed, and its OpenMetrics text.
//!
//! Labels come from small closed sets (states, destinations, tasks, parts); never a clip, a case or a
//! person, both for secrecy and for the scraper's memory.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::board::{StreamNow, StreamState};
use super::health::{Level, Report};

/// Media type of [`Metrics::text`] (OpenMetrics 1.0, "Media type").
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

macro_rules! labels {
    ($($name:ident { $($label:ident),+ })+) => { $(
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name { $($label: String),+ }
    )+ };
}

labels! {
    State { state }
    Outcome { outcome }
    To { destination }
    Failure { destination, retry }
    Task { task }
    Part { part }
    Standing { code, severity }
    Stream { stream }
}

/// The daemon's figures. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    clips: Family<State, Gauge>,
    incomplete: Gauge,
    docked: Gauge,
    copied_bytes: Counter,
    intake: Family<Outcome, Counter>,
    sent_bytes: Family<To, Counter>,
    again_bytes: Family<To, Counter>,
    requests: Family<To, Counter>,
    proven: Family<To, Counter>,
    delivery_failures: Family<Failure, Counter>,
    vault_free: Gauge,
    vault_size: Gauge,
    vault_reserve: Gauge,
    log_events: Gauge,
    checkpoint: Gauge,
    task_failures: Family<Task, Counter>,
    health: Family<Part, Gauge>,
    alarms: Family<Standing, Gauge>,
    stream_recording: Family<Stream, Gauge>,
    stream_bits: Family<Stream, Gauge>,
    stream_packets: Family<Stream, Gauge>,
    stream_lost: Family<Stream, Gauge>,
    stream_key: Family<Stream, Gauge<f64, AtomicU64>>,
    stream_clock: Family<Stream, Gauge<f64, AtomicU64>>,
    resident: Gauge,
    cpu_seconds: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("evidock_build", "The program that runs", build);
        let mut r = registry;
        let bytes = || Some(Unit::Bytes);
        Self(Arc::new(Inner {
            clips: add(&mut r, "evidock_clips", "Clips by the one word that people see", None),
            incomplete: add(&mut r, "evidock_clips_incomplete", "Clips that lack one of the five required facts", None),
            docked: add(&mut r, "evidock_recorders_docked", "Recorders in their bays now", None),
            copied_bytes: add(&mut r, "evidock_intake", "Bytes copied from recorders", bytes()),
            intake: add(&mut r, "evidock_intake_files", "Files looked at by intake, by what became of them", None),
            sent_bytes: add(&mut r, "evidock_sent", "Bytes of parts that a destination acknowledged", bytes()),
            again_bytes: add(&mut r, "evidock_sent_again", "Bytes of parts that were sent a second time", bytes()),
            requests: add(&mut r, "evidock_destination_requests", "Requests made of a destination by its uplink", None),
            proven: add(&mut r, "evidock_proven_clips", "Clips proven at a destination", None),
            delivery_failures: add(&mut r, "evidock_delivery_failures", "Failed steps by who can lift them", None),
            vault_free: add(&mut r, "evidock_vault_free", "Free space where sealed files stand", bytes()),
            vault_size: add(&mut r, "evidock_vault_size", "Size of the file system of sealed files", bytes()),
            vault_reserve: add(&mut r, "evidock_vault_reserve", "Space that intake leaves free", bytes()),
            log_events: add(&mut r, "evidock_log_events", "Events in the custody log", None),
            checkpoint: add(&mut r, "evidock_checkpoint_timestamp", "Newest signed checkpoint", Some(Unit::Seconds)),
            task_failures: add(&mut r, "evidock_task_failures", "Failures of long-running tasks", None),
            health: add(&mut r, "evidock_part_health", "0 ok, 1 degraded, 2 failed", None),
            alarms: add(&mut r, "evidock_alarms", "Alarms that stand, as on the station page", None),
            stream_recording: add(
                &mut r,
                "evidock_stream_recording",
                "1 while a live stream is recorded, 0 while nobody wants it, -1 while it should be and is not",
                None,
            ),
            stream_bits: add(&mut r, "evidock_stream_bits_per_second", "Bits that a live stream brings, lately", None),
            stream_packets: add(
                &mut r,
                "evidock_stream_packets",
                "RTP packets that came since a live stream's connection began",
                None,
            ),
            stream_lost: add(
                &mut r,
                "evidock_stream_packets_lost",
                "RTP packets that never came since a live stream's connection began",
                None,
            ),
            stream_key: add(
                &mut r,
                "evidock_stream_key_frame_interval",
                "Time between the last two key frames of a live stream",
                Some(Unit::Seconds),
            ),
            stream_clock: add(
                &mut r,
                "evidock_stream_clock_offset",
                "A camera's clock minus the station's, where the camera tells its time",
                Some(Unit::Seconds),
            ),
            resident: add(&mut r, "process_resident_memory", "Resident memory of the daemon", bytes()),
            cpu_seconds: add(&mut r, "process_cpu", "Processor time of the daemon", Some(Unit::Seconds)),
            registry: r,
        }))
    }

    /// How many clips stand in `state` (one of `domain::clip::ClipState`'s words).
    pub fn clips(&self, state: &str, count: u64) {
        self.0.clips.get_or_create(&State { state: state.to_owned() }).set(signed(count));
    }

    /// How many clips lack one of the five.
    pub fn incomplete(&self, count: u64) {
        self.0.incomplete.set(signed(count));
    }

    /// How many recorders are docked.
    pub fn docked(&self, count: u64) {
        self.0.docked.set(signed(count));
    }

    /// What the board counted of intake since the start ([`super::board::Board::intake`]); has one caller.
    pub fn intake(&self, copied_bytes: u64, files: &BTreeMap<&'static str, u64>) {
        let raise = |counter: &Counter, to: u64| {
            counter.inc_by(to.saturating_sub(counter.get()));
        };
        raise(&self.0.copied_bytes, copied_bytes);
        for (outcome, count) in files {
            raise(&self.0.intake.get_or_create(&Outcome { outcome: (*outcome).to_owned() }), *count);
        }
    }

    /// A destination acknowledged bytes.
    pub fn sent(&self, destination: &str, bytes: u64) {
        self.0.sent_bytes.get_or_create(&To { destination: destination.to_owned() }).inc_by(bytes);
    }

    /// Bytes are sent a second time.
    pub fn sent_again(&self, destination: &str, bytes: u64) {
        self.0.again_bytes.get_or_create(&To { destination: destination.to_owned() }).inc_by(bytes);
    }

    /// A destination is asked for something.
    pub fn requested(&self, destination: &str) {
        self.0.requests.get_or_create(&To { destination: destination.to_owned() }).inc();
    }

    /// A clip was proven at a destination.
    pub fn proven(&self, destination: &str) {
        self.0.proven.get_or_create(&To { destination: destination.to_owned() }).inc();
    }

    /// A delivery step failed; `retry` is one of `domain::error::Retry`'s words.
    pub fn delivery_failed(&self, destination: &str, retry: &'static str) {
        let labels = Failure { destination: destination.to_owned(), retry: retry.to_owned() };
        self.0.delivery_failures.get_or_create(&labels).inc();
    }

    /// The vault's disk, in bytes.
    pub fn disk(&self, free_bytes: u64, size_bytes: u64, reserve_bytes: u64) {
        self.0.vault_free.set(signed(free_bytes));
        self.0.vault_size.set(signed(size_bytes));
        self.0.vault_reserve.set(signed(reserve_bytes));
    }

    /// The log has so many events.
    pub fn log_events(&self, count: u64) {
        self.0.log_events.set(signed(count));
    }

    /// A checkpoint was signed, seconds since the Unix epoch.
    pub fn checkpoint(&self, at_s: i64) {
        self.0.checkpoint.set(at_s);
    }

    /// A long-running task failed.
    pub fn task_failed(&self, task: &'static str) {
        self.0.task_failures.get_or_create(&Task { task: task.to_owned() }).inc();
    }

    /// Health as it is; parts that are gone disappear.
    pub fn health(&self, report: &Report) {
        self.0.health.clear();
        for (part, condition) in report.parts() {
            let value = match condition.level {
                Level::Ok => 0,
                Level::Degraded => 1,
                Level::Failed => 2,
            };
            self.0.health.get_or_create(&Part { part: part.to_owned() }).set(value);
        }
    }

    /// Alarms that stand, by code and severity; those that are over disappear.
    pub fn alarms(&self, standing: &BTreeMap<(&'static str, &'static str), u64>) {
        self.0.alarms.clear();
        for ((code, severity), count) in standing {
            let labels = Standing { code: (*code).to_owned(), severity: (*severity).to_owned() };
            self.0.alarms.get_or_create(&labels).set(signed(*count));
        }
    }

    /// Live streams as they are; those that are gone disappear.
    pub fn streams(&self, streams: &BTreeMap<String, StreamNow>) {
        let i = &self.0;
        for family in [&i.stream_recording, &i.stream_bits, &i.stream_packets, &i.stream_lost] {
            family.clear();
        }
        i.stream_key.clear();
        i.stream_clock.clear();
        for (name, now) in streams {
            let stream = Stream { stream: name.clone() };
            let recording = match now.state {
                StreamState::Recording => 1,
                StreamState::Idle => 0,
                StreamState::Connecting | StreamState::Waiting { .. } => -1,
            };
            i.stream_recording.get_or_create(&stream).set(recording);
            i.stream_bits.get_or_create(&stream).set(signed(now.bit_rate));
            i.stream_packets.get_or_create(&stream).set(signed(now.pulse.packets));
            i.stream_lost.get_or_create(&stream).set(signed(now.pulse.lost));
            i.stream_key.get_or_create(&stream).set(now.pulse.key_every_ms as f64 / 1000.0);
            if let Some(offset_ms) = now.pulse.clock_offset_ms {
                i.stream_clock.get_or_create(&stream).set(offset_ms as f64 / 1000.0);
            }
        }
    }

    /// Everything as OpenMetrics text. Reads the process's own memory and processor time first.
    pub fn text(&self) -> String {
        let page_bytes = rustix::param::page_size() as u64;
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        self.0.resident.set(signed(resident_pages(&statm) * page_bytes));
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        self.0.cpu_seconds.set(cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9);
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut out, &self.0.registry);
        out
    }
}

fn add<M>(registry: &mut Registry, name: &str, help: &str, unit: Option<Unit>) -> M
where
    M: prometheus_client::registry::Metric + Clone + Default,
{
    let metric = M::default();
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, metric.clone()),
        None => registry.register(name, help, metric.clone()),
    }
    metric
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The second field of `/proc/self/statm` (proc(5)); 0 where it cannot be read.
fn resident_pages(statm: &str) -> u64 {
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::health::Health;

    #[test]
    fn the_text_tells_what_was_fed() {
        let metrics = Metrics::new();
        metrics.clips("sealed", 3);
        metrics.intake(5, &BTreeMap::new());
        metrics.intake(7, &BTreeMap::from([("sealed", 1)]));
        metrics.sent("cloud", 5);
        metrics.sent_again("cloud", 2);
        metrics.requested("cloud");
        metrics.proven("cloud");
        metrics.delivery_failed("cloud", "operator");
        metrics.disk(1, 2, 3);
        let health = Health::default();
        health.part("vault").failed("disk_full", "full", "free space");
        metrics.health(&health.report());
        let text = metrics.text();
        for line in [
            "evidock_clips{state=\"sealed\"} 3",
            "evidock_intake_bytes_total 7",
            "evidock_intake_files_total{outcome=\"sealed\"} 1",
            "evidock_sent_bytes_total{destination=\"cloud\"} 5",
            "evidock_sent_again_bytes_total{destination=\"cloud\"} 2",
            "evidock_destination_requests_total{destination=\"cloud\"} 1",
            "evidock_proven_clips_total{destination=\"cloud\"} 1",
            "evidock_delivery_failures_total{destination=\"cloud\",retry=\"operator\"} 1",
            "evidock_vault_free_bytes 1",
            "evidock_vault_reserve_bytes 3",
            "evidock_part_health{part=\"vault\"} 2",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        let resident = text.lines().find_map(|l| l.strip_prefix("process_resident_memory_bytes ")).unwrap();
        assert!(resident.parse::<u64>().unwrap() > 1_000_000);
        let mut streams = BTreeMap::from([
            (
                "room-1".to_owned(),
                StreamNow { state: StreamState::Recording, bit_rate: 4_000_000, ..StreamNow::default() },
            ),
            ("room-2".to_owned(), StreamNow { state: StreamState::Connecting, ..StreamNow::default() }),
        ]);
        if let Some(now) = streams.get_mut("room-1") {
            (now.pulse.lost, now.pulse.clock_offset_ms) = (3, Some(-1500));
        }
        metrics.streams(&streams);
        let text = metrics.text();
        for line in [
            "evidock_stream_recording{stream=\"room-1\"} 1",
            "evidock_stream_recording{stream=\"room-2\"} -1",
            "evidock_stream_bits_per_second{stream=\"room-1\"} 4000000",
            "evidock_stream_packets_lost{stream=\"room-1\"} 3",
            "evidock_stream_clock_offset_seconds{stream=\"room-1\"} -1.5",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("clock_offset_seconds{stream=\"room-2\"}"), "what is not told is no zero");
        metrics.streams(&BTreeMap::new());
        assert!(!metrics.text().contains("room-1"));
        metrics.alarms(&BTreeMap::from([(("disk_full", "bad"), 1)]));
        assert!(metrics.text().contains("evidock_alarms{code=\"disk_full\",severity=\"bad\"} 1"));
        metrics.alarms(&BTreeMap::new());
        assert!(!metrics.text().contains("evidock_alarms{"));
        metrics.health(&Report::default());
        assert!(!metrics.text().contains("evidock_part_health{"));
    }
}
