//! A model of uploads: random sequences of copying, sealing, discarding, cuts, stalls, crashes, expired sessions, clocks
//! that jump and people who push and pause, against a destination in memory and, for a few seeds, a real server.
//! Whatever happened: afterwards every clip's bytes there are its bytes here, no upload is left open, and parts that were
//! sent twice are counted and are no more than there were reasons for.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use crate::support;

use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use evidock::deliver::fake::FakeDestination;
use evidock::deliver::pace::Ceilings;
use evidock::deliver::s3::S3Destination;
use evidock::deliver::uplink::{Uplink, UplinkOptions, UplinkParts};
use evidock::domain::clip::{Delivery, Local};
use evidock::domain::digest::Blake3;
use evidock::domain::event::{Actor, Draft, EventKind};
use evidock::domain::grid::PartGrid;
use evidock::domain::ids::{ClipId, RecorderId};
use evidock::domain::layout;
use evidock::domain::ports::{Clock, Destination, ObjectSpec, SessionId};
use evidock::domain::recorder::{Importance, ShelfEntry, SourcePath};
use evidock::domain::sending::{Precedence, Timetable};
use evidock::domain::sensitivity::Sensitivity;
use evidock::domain::time::UtcMs;
use evidock::runtime::board::Board;
use evidock::runtime::clock::{SystemClock, monotonic};
use evidock::runtime::metrics::Metrics;
use evidock::runtime::task::spawn_named;
use evidock::store::{NewClip, PartRow, Policy, SealedClip, Store};
use evidock::vault::Vault;
use futures_util::StreamExt;
use proptest::prelude::*;
use support::flaky::{Fault, Flaky};
use support::weed::Weed;
use support::{footage, named, sha256, station};
use tokio_util::sync::CancellationToken;

const CLIPS: usize = 3;
/// Parts of a clip; the last one is short.
const PARTS: u64 = 5;
const IN_FLIGHT: u64 = 4;

/// The system's clocks, the wall clock put forward or back.
struct JumpingClock {
    real: Arc<SystemClock>,
    ahead_ms: AtomicI64,
}

impl Clock for JumpingClock {
    fn now(&self) -> UtcMs {
        UtcMs(self.real.now().0 + self.ahead_ms.load(Ordering::SeqCst))
    }

    fn monotonic_ms(&self) -> i64 {
        self.real.monotonic_ms()
    }

    fn boot_id(&self) -> &str {
        self.real.boot_id()
    }
}

/// A step of a story. Clips and faults are told by numbers, taken modulo what there is.
#[derive(Debug, Clone)]
enum Act {
    /// So many more parts of a clip are copied and reported.
    Copy(usize, u64),
    /// A copy is found torn: it is made anew, and the recorder gives other bytes than before.
    Anew(usize),
    /// A copy comes to its end.
    Seal(usize),
    /// A copy turns out to be of a clip that is known.
    Discard(usize),
    /// So many requests pass.
    Run(u64),
    /// The daemon dies and starts again.
    Crash,
    /// The next requests fail.
    Fail(Vec<Fault>),
    /// The remote gives an upload up by itself.
    Expire(usize),
    /// The wall clock is set, minutes.
    Jump(i64),
    Push(usize),
    Pause,
    Resume,
    /// The server is killed and started again, where there is one.
    Restart,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        4 => Just(Fault::Cut),
        2 => Just(Fault::Lost),
        1 => Just(Fault::Busy(None)),
        1 => Just(Fault::Busy(Some(5))),
        1 => Just(Fault::Stall),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let clip = || 0..CLIPS;
    prop_oneof![
        6 => (clip(), 1..3u64).prop_map(|(c, n)| Act::Copy(c, n)),
        3 => clip().prop_map(Act::Seal),
        1 => clip().prop_map(Act::Anew),
        1 => clip().prop_map(Act::Discard),
        6 => (1..12u64).prop_map(Act::Run),
        2 => Just(Act::Crash),
        4 => proptest::collection::vec(fault(), 1..6).prop_map(Act::Fail),
        1 => clip().prop_map(Act::Expire),
        1 => (-3_000..3_000i64).prop_map(Act::Jump),
        1 => clip().prop_map(Act::Push),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
        1 => Just(Act::Restart),
    ]
}

/// A clip as the model knows it.
struct Clip {
    id: ClipId,
    bytes: Bytes,
    copied_parts: u64,
    sealed: bool,
    /// Reasons for another session: it expired, its bytes changed.
    reasons: u64,
}

struct World {
    _dir: tempfile::TempDir,
    store: Store,
    vault: Vault,
    clock: Arc<JumpingClock>,
    dest: Arc<Flaky>,
    part_bytes: u64,
    clips: Vec<Clip>,
    seed: u64,
    crashes: u64,
    uplink: Option<(tokio::task::JoinHandle<()>, CancellationToken)>,
}

impl World {
    fn new(dest: Arc<dyn Destination>, part_bytes: u64, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(JumpingClock { real: SystemClock::new(), ahead_ms: AtomicI64::new(0) });
        let store = Store::open(&dir.path().join("evidock.db"), &station(), Arc::clone(&clock) as _).unwrap();
        let vault = Vault::open(&dir.path().join("vault")).unwrap();
        let dest = Flaky::around(dest);
        let clips = Vec::new();
        let mut world =
            Self { _dir: dir, store, vault, clock, dest, part_bytes, clips, seed, crashes: 0, uplink: None };
        for n in 0..CLIPS {
            let clip = world.new_clip(n);
            world.clips.push(clip);
        }
        world.start();
        world
    }

    fn fresh_bytes(&mut self) -> Bytes {
        self.seed += 1;
        footage(((PARTS - 1) * self.part_bytes + 123) as usize, self.seed)
    }

    /// A clip is seen on a recorder, and its copy begins.
    fn new_clip(&mut self, n: usize) -> Clip {
        let (id, bytes) = (ClipId::generate(1_781_834_604_000 + n as i64), self.fresh_bytes());
        let size = bytes.len() as u64;
        let new = NewClip {
            clip: id,
            recorder: RecorderId::new("r").unwrap(),
            dock: None,
            entry: ShelfEntry {
                path: SourcePath::new(format!("{id}.mp4")),
                size_bytes: size,
                modified_raw: "1".into(),
                modified_ms: Some(1_000),
            },
            declared_bytes: Some(size),
            role: "clip",
            importance: Importance::Normal,
            grid: PartGrid::Fixed(self.part_bytes),
            evidence: "{}".into(),
            segment: None,
        };
        self.write(move |tx| {
            tx.new_clip(&new)?;
            tx.expect_deliveries(id, &[("far".to_owned(), true)])
        });
        fs::create_dir_all(self.vault.master(id).parent().unwrap()).unwrap();
        Clip { id, bytes, copied_parts: 0, sealed: false, reasons: 0 }
    }

    fn write(&self, work: impl FnOnce(&evidock::store::Tx<'_>) -> evidock::store::Result<()> + Send + 'static) {
        tokio::task::block_in_place(|| self.store.write_blocking(work)).unwrap();
    }

    fn start(&mut self) {
        // What a start of the daemon does.
        self.write(|tx| {
            tx.configure(&[("far".to_owned(), true)])?;
            tx.retry(None, Draft::daemon(EventKind::Retried)).map(drop)
        });
        let options = UplinkOptions {
            station: station(),
            clips_in_flight: 1,
            parts_in_flight: IN_FLIGHT as usize,
            retry_min_ms: 1,
            retry_max_ms: 8,
            max_sensitivity: Sensitivity::Minor,
            default_sensitivity: Sensitivity::None,
            initial_lock_days: 0,
            log_lock_days: 0,
            order: Precedence::DEFAULT.to_vec(),
            instant: true,
        };
        let parts = UplinkParts {
            store: self.store.clone(),
            vault: self.vault.clone(),
            board: Board::default(),
            metrics: Metrics::new(),
            clock: Arc::clone(&self.clock) as _,
        };
        let ceilings = Ceilings::new(Arc::clone(&self.clock) as _, jiff::tz::TimeZone::UTC, Timetable::default());
        let pace = ceilings.destination(Timetable::default());
        let uplink = Uplink::new(Arc::clone(&self.dest) as _, parts, pace, options);
        let stop = CancellationToken::new();
        self.uplink = Some((spawn_named("uplink", uplink.run(stop.clone(), || {})), stop));
    }

    async fn crash(&mut self) {
        let (task, _) = self.uplink.take().unwrap();
        task.abort();
        // Aborted, or at its end: either way nothing of it runs any more.
        let _ = task.await;
        self.crashes += 1;
        self.start();
    }

    fn part_path(&self, id: ClipId) -> std::path::PathBuf {
        self.vault.master(id).with_extension("part")
    }

    fn rows(&self, bytes: &Bytes) -> Vec<PartRow> {
        let cut = bytes.chunks(self.part_bytes as usize).zip(0..);
        cut.map(|(chunk, n)| PartRow {
            n,
            offset: n * self.part_bytes,
            len: chunk.len() as u64,
            sha256: sha256(chunk),
            crc64: None,
        })
        .collect()
    }

    /// Copies up to `parts` whole parts, and reports them.
    fn copy_to(&mut self, n: usize, parts: u64) {
        let clip = &self.clips[n];
        let (id, from, to) = (clip.id, clip.copied_parts, parts.min(PARTS - 1));
        if clip.sealed || to <= from {
            return;
        }
        let (start, end) = ((from * self.part_bytes) as usize, (to * self.part_bytes) as usize);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.part_path(id)).unwrap();
        file.write_all(&clip.bytes[start..end]).unwrap();
        let prefix = Blake3(*blake3::hash(&clip.bytes[..end]).as_bytes());
        let rows = self.rows(&clip.bytes)[from as usize..to as usize].to_vec();
        self.write(move |tx| tx.copied_durably(id, end as u64, prefix, &rows));
        self.clips[n].copied_parts = to;
    }

    fn seal(&mut self, n: usize) {
        let clip = &self.clips[n];
        if clip.sealed {
            return;
        }
        let (id, bytes) = (clip.id, clip.bytes.clone());
        // A copy only grows: a part may be read off it right now.
        let copied = (clip.copied_parts * self.part_bytes) as usize;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.part_path(id)).unwrap();
        file.write_all(&bytes[copied..]).unwrap();
        fs::write(self.vault.tree(id), b"an outboard").unwrap();
        fs::rename(self.part_path(id), self.vault.master(id)).unwrap();
        let sealed = SealedClip {
            clip: id,
            size_bytes: bytes.len() as u64,
            blake3: Blake3(*blake3::hash(&bytes).as_bytes()),
            sha256: sha256(&bytes),
            sm3: None,
            parts: self.rows(&bytes),
            shares: None,
            supersedes: None,
            leftovers: Vec::new(),
            deliveries: vec![("far".into(), true)],
            holes: Vec::new(),
        };
        let policy = Policy {
            station: station(),
            agency: None,
            operator: String::new(),
            uri_prefix: Default::default(),
            zone: jiff::tz::TimeZone::UTC,
        };
        self.write(move |tx| {
            tx.seal(&sealed)?;
            tx.publish(id, &policy, &["far".to_owned()]).map(drop)
        });
        self.clips[n].sealed = true;
    }

    async fn act(&mut self, act: Act, weed: Option<&Weed>) {
        match act {
            Act::Copy(n, parts) => self.copy_to(n, self.clips[n].copied_parts + parts),
            Act::Seal(n) => self.seal(n),
            Act::Anew(n) if !self.clips[n].sealed => {
                let (id, bytes) = (self.clips[n].id, self.fresh_bytes());
                let _ = fs::remove_file(self.part_path(id));
                let none = Blake3(*blake3::hash(b"").as_bytes());
                self.write(move |tx| tx.copied_durably(id, 0, none, &[]));
                let clip = &mut self.clips[n];
                (clip.bytes, clip.copied_parts, clip.reasons) = (bytes, 0, clip.reasons + 1);
            }
            Act::Discard(n) if !self.clips[n].sealed => {
                let id = self.clips[n].id;
                let _ = fs::remove_file(self.part_path(id));
                self.write(move |tx| tx.abandon(id, "a model says so"));
                self.clips[n] = self.new_clip(n);
            }
            Act::Anew(_) | Act::Discard(_) => {}
            Act::Run(requests) => {
                let (target, begun) = (self.dest.calls() + requests, monotonic());
                // An uplink with nothing to do makes none: then a moment is enough.
                while self.dest.calls() < target && begun.elapsed() < Duration::from_millis(30) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Act::Crash => self.crash().await,
            Act::Fail(faults) => self.dest.order(faults),
            Act::Expire(n) => {
                let id = self.clips[n].id;
                let session = self.store.read_blocking(|r| r.session(id, "far")).unwrap();
                if let Some(session) = session {
                    self.dest.heal();
                    let object = ObjectSpec {
                        key: layout::master(&station(), id),
                        size_bytes: 0,
                        grid: PartGrid::Growing,
                        content_type: String::new(),
                        sha256: sha256([]),
                        lock_until: None,
                    };
                    self.dest.abort(&object, &SessionId(session.session)).await.unwrap();
                    self.clips[n].reasons += 1;
                }
            }
            Act::Jump(minutes) => {
                self.clock.ahead_ms.fetch_add(minutes * 60_000, Ordering::SeqCst);
            }
            Act::Push(n) => {
                let (id, asked) = (self.clips[n].id, Draft::by(EventKind::Pushed, Actor::os(1), "cli"));
                self.write(move |tx| tx.push(&[id], &asked));
            }
            Act::Pause => {
                let asked = Draft::by(EventKind::Paused, Actor::os(1), "cli");
                self.write(move |tx| tx.pause_sending(None, None, asked));
            }
            Act::Resume => self.resume(),
            Act::Restart => {
                if let Some(weed) = weed {
                    weed.kill();
                    weed.start_again().await;
                }
            }
        }
    }

    fn resume(&self) {
        let asked = Draft::by(EventKind::Resumed, Actor::os(1), "cli");
        self.write(move |tx| tx.resume_sending(None, &[], asked));
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let begun = monotonic();
        while !is_so(self).await {
            if begun.elapsed() > Duration::from_secs(180) {
                let rows = self.clips.iter().map(|c| {
                    let id = c.id;
                    self.store
                        .read_blocking(|r| Ok((r.deliveries(id)?, r.session(id, "far")?, r.destinations()?)))
                        .unwrap()
                });
                panic!("waited in vain: {what}; {:#?}", rows.collect::<Vec<_>>());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Everything is well again: what must be so in the end.
    async fn settle(&mut self) {
        self.dest.heal();
        self.resume();
        (0..CLIPS).for_each(|n| self.seal(n));
        let ids: Vec<ClipId> = self.clips.iter().map(|c| c.id).collect();
        self.until("all are proven", async |w| {
            let all = ids.clone();
            w.store
                .read_blocking(|r| {
                    let states = all.iter().map(|id| Ok(r.deliveries(*id)?[0].1)).collect::<Result<Vec<_>, _>>();
                    states.map(|s: Vec<Delivery>| s.iter().all(|s| *s == Delivery::Proven))
                })
                .unwrap()
        })
        .await;
        self.until("every upload that was given up is given up there", async |w| {
            // The clock may have been put back behind a pause; a start asks at once.
            let now = w.clock.now().0 + 365 * 86_400_000;
            w.store.read_blocking(|r| r.abandoned("far", now, 0, 99)).unwrap().is_empty()
        })
        .await;
        for clip in &self.clips {
            let key = layout::master(&station(), clip.id);
            let mut there = Vec::new();
            let mut stream = self.dest.read(&key, None).await.unwrap();
            while let Some(chunk) = stream.next().await {
                there.extend_from_slice(&chunk.unwrap());
            }
            assert!(there == clip.bytes, "{key}: {} bytes there, {} here", there.len(), clip.bytes.len());
            let local = self.store.read_blocking(|r| Ok(r.clip(clip.id)?.local)).unwrap();
            assert_eq!(local, Local::Sealed);
        }
        // Each cut costs the part that was cut, a crash at most those that were under way.
        let (again, cut) = (self.dest.sent_again(), self.dest.cut_parts());
        let most = cut + self.crashes * IN_FLIGHT;
        assert!(again <= most, "{again} parts were sent again for {cut} cuts and {} crashes", self.crashes);
        let sessions = self.dest.sessions();
        for clip in &self.clips {
            let begun = sessions.get(&layout::master(&station(), clip.id)).copied().unwrap_or_default();
            // A crash may come between opening a session and storing it.
            assert!(begun <= 1 + clip.reasons + self.crashes, "{begun} sessions for {} reasons", clip.reasons);
        }
        if let Some((task, stop)) = self.uplink.take() {
            stop.cancel();
            task.await.unwrap();
        }
    }
}

#[test]
fn whatever_happens_the_bytes_there_are_the_bytes_here() {
    let cases = std::env::var("EVIDOCK_MODEL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48);
    let config = ProptestConfig { cases, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    proptest!(config, |(seed in 0..1_000_000u64, acts in proptest::collection::vec(act(), 4..40))| {
        runtime.block_on(async {
            let fake = FakeDestination::new(named("far"), station());
            let mut world = World::new(Arc::clone(&fake) as _, 4096, seed);
            for act in acts {
                world.act(act, None).await;
            }
            world.settle().await;
            // Nobody pays for parts of nothing, but where a crash came between opening a session and storing it.
            assert!(fake.open_sessions() as u64 <= world.crashes, "{} uploads left open", fake.open_sessions());
        });
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_with_a_real_server() {
    use Act::*;
    use Fault::{Busy as Patience, Cut, Lost, Stall};
    let weed = Weed::start().await;
    // Smallest parts that S3 takes (Amazon S3, "multipart upload limits").
    const PART: u64 = 5 << 20;
    let stories = [
        vec![Copy(0, 2), Run(6), Fail(vec![Cut, Lost, Cut]), Copy(0, 2), Run(4), Crash, Seal(0), Copy(1, 3), Run(3)],
        vec![Copy(0, 4), Run(5), Anew(0), Copy(0, 2), Run(3), Restart, Seal(1), Expire(0), Run(5), Seal(0), Crash],
        vec![
            Seal(0),
            Run(4),
            Fail(vec![Stall, Patience(Some(5)), Lost]),
            Run(4),
            Restart,
            Copy(2, 3),
            Run(4),
            Discard(2),
        ],
        vec![Copy(1, 4), Run(4), Pause, Crash, Seal(1), Expire(1), Resume, Jump(-600), Fail(vec![Lost; 4]), Push(2)],
    ];
    for (story, seed) in stories.into_iter().zip(1..) {
        let bucket = format!("model-{seed}");
        weed.make_bucket(&bucket).await;
        let dest = S3Destination::new(evidock::deliver::s3::S3Options { name: named("far"), ..weed.options(&bucket) });
        let mut world = World::new(Arc::new(dest.unwrap()), PART, seed * 1_000);
        for act in story {
            world.act(act, Some(&weed)).await;
        }
        world.settle().await;
    }
}
