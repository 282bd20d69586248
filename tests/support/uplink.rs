//! An uplink with its station and without a daemon: clips that are sealed or still being copied, a destination in memory.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use evidock::deliver::fake::FakeDestination;
use evidock::deliver::pace::Ceilings;
use evidock::deliver::uplink::{Uplink, UplinkOptions, UplinkParts};
use evidock::domain::clip::Delivery;
use evidock::domain::digest::Blake3;
use evidock::domain::grid::PartGrid;
use evidock::domain::ids::{ClipId, RecorderId};
use evidock::domain::layout;
use evidock::domain::ports::{Clock, Destination};
use evidock::domain::recorder::{Importance, ShelfEntry, SourcePath};
use evidock::domain::sending::{Precedence, Timetable};
use evidock::domain::sensitivity::Sensitivity;
use evidock::runtime::board::Board;
use evidock::runtime::clock::{SystemClock, monotonic};
use evidock::runtime::metrics::Metrics;
use evidock::runtime::task::spawn_named;
use evidock::store::{ClipRow, DueQuery, NewClip, PartRow, Policy, SealedClip, Store, Tx};
use evidock::vault::Vault;
use tokio_util::sync::CancellationToken;

use super::flaky::Flaky;
use super::{named, sha256, station};

/// A station whose clips are due for one destination, "far".
pub struct Bench {
    _dir: tempfile::TempDir,
    pub store: Store,
    pub vault: Vault,
    pub clock: Arc<dyn Clock>,
    pub board: Board,
    pub fake: Arc<FakeDestination>,
    /// What stands before it and fails on demand.
    pub dest: Arc<Flaky>,
    pub options: UplinkOptions,
    pub limit: Timetable,
    pub runtime: tokio::runtime::Runtime,
    uplink: Option<(tokio::task::JoinHandle<()>, CancellationToken)>,
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = SystemClock::new();
        let store = Store::open(&dir.path().join("evidock.db"), &station(), Arc::clone(&clock)).unwrap();
        let vault = Vault::open(&dir.path().join("vault")).unwrap();
        let fake = FakeDestination::new(named("far"), station());
        let options = UplinkOptions {
            station: station(),
            clips_in_flight: 2,
            parts_in_flight: 2,
            retry_min_ms: 1,
            retry_max_ms: 4,
            max_sensitivity: Sensitivity::Minor,
            default_sensitivity: Sensitivity::None,
            initial_lock_days: 0,
            log_lock_days: 0,
            order: Precedence::DEFAULT.to_vec(),
            instant: true,
        };
        let dest = Flaky::around(Arc::clone(&fake) as Arc<dyn Destination>);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (board, limit) = (Board::default(), Timetable::default());
        Self { _dir: dir, store, vault, clock, board, fake, dest, options, limit, runtime, uplink: None }
    }

    pub fn write(&self, work: impl FnOnce(&Tx<'_>) -> evidock::store::Result<()> + Send + 'static) {
        self.store.write_blocking(work).unwrap();
    }

    /// A clip is seen on a recorder; its parts are of so many bytes.
    pub fn seen(&self, size: u64, part_bytes: u64) -> ClipId {
        let clip = ClipId::generate(1_781_834_604_000);
        let new = NewClip {
            clip,
            recorder: RecorderId::new("r").unwrap(),
            dock: None,
            entry: ShelfEntry {
                path: SourcePath::new(format!("{clip}.mp4")),
                size_bytes: size,
                modified_raw: "1".into(),
                modified_ms: Some(1_000),
            },
            declared_bytes: Some(size),
            role: "clip",
            importance: Importance::Normal,
            grid: PartGrid::Fixed(part_bytes),
            evidence: "{}".into(),
            segment: None,
        };
        self.write(move |tx| {
            tx.new_clip(&new)?;
            tx.expect_deliveries(clip, &[("far".to_owned(), true)])
        });
        std::fs::create_dir_all(self.vault.master(clip).parent().unwrap()).unwrap();
        clip
    }

    pub fn part_file(&self, clip: ClipId) -> std::path::PathBuf {
        self.vault.master(clip).with_extension("part")
    }

    fn rows(&self, clip: ClipId, bytes: &[u8]) -> Vec<PartRow> {
        let part_bytes = self.row(clip).grid.part_bytes(0);
        let row = |n: u64, chunk: &[u8]| PartRow {
            n,
            offset: n * part_bytes,
            len: chunk.len() as u64,
            sha256: sha256(chunk),
            crc64: None,
        };
        if bytes.is_empty() {
            return vec![row(0, bytes)];
        }
        bytes.chunks(part_bytes as usize).zip(0..).map(|(chunk, n)| row(n, chunk)).collect()
    }

    /// So many bytes of it, whole parts, are copied and reported.
    pub fn copied(&self, clip: ClipId, bytes: &[u8]) {
        let mut file = std::fs::File::create(self.part_file(clip)).unwrap();
        file.write_all(bytes).unwrap();
        let (len, prefix) = (bytes.len() as u64, Blake3(*blake3::hash(bytes).as_bytes()));
        let rows = self.rows(clip, bytes);
        self.write(move |tx| tx.copied_durably(clip, len, prefix, &rows));
    }

    /// Its copy comes to its end, and its record is made.
    pub fn seal(&self, clip: ClipId, bytes: &[u8]) {
        std::fs::write(self.part_file(clip), bytes).unwrap();
        std::fs::write(self.vault.tree(clip), b"an outboard").unwrap();
        std::fs::rename(self.part_file(clip), self.vault.master(clip)).unwrap();
        let sealed = SealedClip {
            clip,
            size_bytes: bytes.len() as u64,
            blake3: Blake3(*blake3::hash(bytes).as_bytes()),
            sha256: sha256(bytes),
            sm3: None,
            parts: self.rows(clip, bytes),
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
            tx.publish(clip, &policy, &["far".to_owned()]).map(drop)
        });
    }

    /// A sealed clip of these bytes, in parts of so many.
    pub fn sealed(&self, bytes: &[u8], part_bytes: u64) -> ClipId {
        let clip = self.seen(bytes.len() as u64, part_bytes);
        self.seal(clip, bytes);
        clip
    }

    pub fn start(&mut self) {
        let parts = UplinkParts {
            store: self.store.clone(),
            vault: self.vault.clone(),
            board: self.board.clone(),
            metrics: Metrics::new(),
            clock: Arc::clone(&self.clock),
        };
        let ceilings = Ceilings::new(Arc::clone(&self.clock), jiff::tz::TimeZone::UTC, Timetable::default());
        let pace = ceilings.destination(self.limit.clone());
        let uplink = Uplink::new(Arc::clone(&self.dest) as Arc<_>, parts, pace, self.options.clone());
        let stop = CancellationToken::new();
        let _inside = self.runtime.enter();
        self.uplink = Some((spawn_named("uplink", uplink.run(stop.clone(), || {})), stop));
    }

    pub fn stop(&mut self) {
        let (task, stop) = self.uplink.take().unwrap();
        stop.cancel();
        self.runtime.block_on(task).unwrap();
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(&mut self) {
        let (task, _) = self.uplink.take().unwrap();
        task.abort();
        let _ = self.runtime.block_on(task);
    }

    pub fn state(&self, clip: ClipId) -> Delivery {
        self.store.read_blocking(|r| r.deliveries(clip)).unwrap()[0].1
    }

    pub fn row(&self, clip: ClipId) -> ClipRow {
        self.store.read_blocking(|r| r.clip(clip)).unwrap()
    }

    /// Parts of its session that were acknowledged.
    pub fn acknowledged(&self, clip: ClipId) -> usize {
        let session = self.store.read_blocking(|r| r.session(clip, "far")).unwrap();
        session.map_or(0, |s| s.parts.iter().filter(|p| p.receipt.is_some()).count())
    }

    /// The bytes that stand there.
    pub fn there(&self, clip: ClipId) -> Option<Vec<u8>> {
        self.fake.held(&layout::master(&station(), clip)).map(|bytes| bytes.to_vec())
    }

    /// Deliveries that are due.
    pub fn due(&self) -> usize {
        let query = DueQuery {
            destination: "far".into(),
            now_ms: self.clock.now().0,
            longest_pause_ms: 300_000,
            order: Precedence::DEFAULT.to_vec(),
            early: true,
            limit: 9,
        };
        self.store.read_blocking(|r| r.due_deliveries(&query)).unwrap().len()
    }

    pub fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = monotonic();
        while !is_so(self) {
            assert!(begun.elapsed() < Duration::from_secs(180), "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
