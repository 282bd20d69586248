//! Disposal cut at any step: it goes on or stands as before, and no bytes go of which nothing says so.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::deliver::fake::FakeDestination;
use crate::domain::clip::{Local, ProofLevel};
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::grid::PartGrid;
use crate::domain::ids::{BayName, RecorderId};
use crate::domain::ports::Abilities;
use crate::domain::recorder::{Importance, ShelfEntry, SourcePath};
use crate::runtime::clock::StoppedClock;
use crate::runtime::health::Health;
use crate::store::{NewClip, NewDock, PartRow, SealedClip};

const NOW: i64 = 1_781_834_604_000;

fn says(event: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(event).contains(word)
}

struct Place {
    dir: tempfile::TempDir,
    store: Store,
    vault: Vault,
    clips: Vec<ClipId>,
    /// Those whose local copy was given up before.
    evicted: BTreeSet<ClipId>,
    /// Checkpoints that may still be signed before the power fails.
    left: Arc<AtomicU32>,
}

impl Place {
    fn open(path: &std::path::Path) -> Store {
        let us = StationId::new("one").unwrap();
        Store::open(&path.join("a.db"), &us, StoppedClock::at(NOW) as Arc<dyn Clock>).unwrap()
    }

    fn new(clips: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Self::open(dir.path());
        let vault = Vault::open(&dir.path().join("vault")).unwrap();
        let recorder = RecorderId::new("R1").unwrap();
        let dock = NewDock {
            bay: BayName::new("1").unwrap(),
            recorder: recorder.clone(),
            identified: "bay".into(),
            kind: "folder",
            profile: "generic".into(),
            model: None,
        };
        let dock = store.write_blocking(move |tx| tx.dock(&dock)).unwrap();
        let far = Abilities {
            proof: ProofLevel::ReadBack,
            lock: false,
            same_device: false,
            in_order: false,
            detail: String::new(),
        };
        store.write_blocking(move |tx| tx.destination_probed("d", &far)).unwrap();
        let clips = (0..clips).map(|n| {
            let clip = ClipId::generate(NOW + n as i64);
            let entry = ShelfEntry {
                path: SourcePath::new(format!("{n}")),
                size_bytes: 3,
                modified_raw: "t".into(),
                modified_ms: None,
            };
            let new = NewClip {
                clip,
                recorder: recorder.clone(),
                dock: Some(dock),
                entry,
                declared_bytes: Some(3),
                role: "clip",
                importance: Importance::Normal,
                grid: PartGrid::for_size(Some(3)),
                evidence: "{}".into(),
                segment: None,
            };
            let bytes = [n as u8 + 1; 3];
            let (blake3, sha256) = (Blake3(blake3::hash(&bytes).into()), Sha256([n as u8 + 1; 32]));
            let sealed = SealedClip {
                holes: Vec::new(),
                clip,
                size_bytes: 3,
                blake3,
                sha256,
                sm3: None,
                parts: vec![PartRow { n: 0, offset: 0, len: 3, sha256, crc64: None }],
                shares: None,
                supersedes: None,
                leftovers: Vec::new(),
                deliveries: vec![("d".to_owned(), true)],
            };
            vault.make_dir(clip).unwrap();
            std::fs::write(vault.master(clip), bytes).unwrap();
            std::fs::write(vault.tree(clip), "").unwrap();
            vault.put_thumbnail(clip, b"jpg").unwrap();
            store
                .write_blocking(move |tx| {
                    tx.new_clip(&new)?;
                    tx.seal(&sealed)?;
                    tx.proven(clip, "d", ProofLevel::ReadBack, "x", None, None)
                })
                .unwrap();
            clip
        });
        let clips = clips.collect();
        Self { dir, store, vault, clips, evicted: BTreeSet::new(), left: Arc::default() }
    }

    /// Gives the local copy of a clip up, where that may be.
    fn evict(&mut self, clip: ClipId) {
        let intended = self.store.write_blocking(move |tx| match tx.read().clip(clip)?.local {
            Local::Sealed => tx.evict_intended(clip).map(drop),
            _ => Err(StoreError::Conflict(crate::domain::why::Why::said("it is not here"))),
        });
        if intended.is_ok() {
            self.vault.give_up(clip).unwrap();
            self.store.write_blocking(move |tx| tx.evicted(clip, 3)).unwrap();
            self.evicted.insert(clip);
        }
    }

    /// One person proposes a list, another one confirms it.
    fn list(&self, clips: Vec<ClipId>) -> bool {
        let by = |kind, n| Draft::by(kind, Actor::user(n), "web");
        let made = self.store.write_blocking(move |tx| {
            let list = tx.propose_disposal(&clips, ("x", "y"), -1, by(EventKind::DisposalAsked, 1))?;
            tx.decide_disposal(list, true, by(EventKind::DisposalDecided, 2))
        });
        made.is_ok()
    }

    fn disposer(&self) -> Disposer {
        let (left, store, vault) = (Arc::clone(&self.left), self.store.clone(), self.vault.clone());
        let evicted = Arc::new(self.evicted.clone());
        Disposer {
            store: self.store.clone(),
            vault: self.vault.clone(),
            clock: StoppedClock::at(NOW),
            station: StationId::new("one").unwrap(),
            remotes: Vec::new(),
            dispose_at: Vec::new(),
            unlinked_ms: -1,
            checkpoint: Arc::new(move |_| {
                // What is about to go is said, by what another connection sees, and still stands.
                let (left, store, vault) = (Arc::clone(&left), store.clone(), vault.clone());
                let evicted = Arc::clone(&evicted);
                Box::pin(async move {
                    let (_, going) = store.read(|r| r.disposals_open()).await?;
                    for (_, clip) in going {
                        let logged = store.read(move |r| r.log_of_clip(clip)).await?;
                        assert!(
                            logged.iter().any(|e| says(&e.bytes, EventKind::DisposalIntended.as_str())),
                            "said first"
                        );
                        let stands = vault.master(clip).exists() || evicted.contains(&clip);
                        assert!(stands || !vault.tree(clip).exists(), "its bytes go last");
                    }
                    match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)) {
                        Ok(_) => Ok(()),
                        Err(_) => Err(StoreError::Closed),
                    }
                })
            }),
            health: Health::default().part("disposal"),
        }
    }

    /// Runs until the power fails, after so many checkpoints.
    fn run(&self, checkpoints: u32) {
        self.left.store(checkpoints, Ordering::SeqCst);
        let disposer = self.disposer();
        let outcome = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async { disposer.run_once(&CancellationToken::new(), &|| {}).await });
        assert!(matches!(outcome, Ok(()) | Err(DisposeError::Store(StoreError::Closed))), "{outcome:?}");
    }

    /// Whatever happened: what is not said to be gone stands whole, and what is gone is said.
    fn is_sound(&self) {
        for clip in &self.clips {
            let (row, logged) = self.store.read_blocking(|r| Ok((r.clip(*clip)?, r.log_of_clip(*clip)?))).unwrap();
            // The last word counts: what was held meanwhile is kept after all.
            let words = logged.iter().filter(|e| says(&e.bytes, EventKind::DisposalIntended.as_str()));
            let intended = words.max_by_key(|e| e.seq).is_some_and(|e| !says(&e.bytes, "refused"));
            let (stands, evicted) = (self.vault.master(*clip).exists(), self.evicted.contains(clip));
            assert_eq!(row.disposed_ms.is_some(), intended, "a change of custody and its entry are one");
            assert!(stands || intended || evicted, "no bytes go of which nothing says so");
            if !intended {
                assert_eq!(row.local, if evicted { Local::Evicted } else { Local::Sealed });
                assert!(evicted || self.vault.tree(*clip).exists());
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// One person proposes these, another one confirms.
    List(Vec<usize>),
    /// A hold comes.
    Hold(usize),
    /// The local copy of one is given up.
    Evict(usize),
    /// It runs, and the power fails after so many checkpoints.
    Run(u32),
    /// The files of a clip that goes were removed in part, as a cut between two removals leaves them.
    Torn(usize),
    /// The daemon starts again.
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => proptest::collection::btree_set(0usize..4, 1..4).prop_map(|s| Op::List(s.into_iter().collect())),
        1 => (0usize..4).prop_map(Op::Hold),
        1 => (0usize..4).prop_map(Op::Evict),
        3 => (0u32..4).prop_map(Op::Run),
        1 => (0usize..4).prop_map(Op::Torn),
        1 => Just(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cut_anywhere_it_goes_on_or_stands_as_before(ops in proptest::collection::vec(op(), 1..10)) {
        let mut place = Place::new(4);
        let mut held = std::collections::BTreeSet::new();
        let mut confirmed = std::collections::BTreeSet::new();
        for op in ops {
            match op {
                Op::List(which) => {
                    if place.list(which.iter().map(|n| place.clips[*n]).collect()) {
                        confirmed.extend(which);
                    }
                }
                Op::Hold(n) => {
                    let clip = place.clips[n];
                    let by = Draft::by(EventKind::Hold, Actor::user(1), "web");
                    place.store.write_blocking(move |tx| tx.hold_clip(clip, "x", None, by)).unwrap();
                    held.insert(n);
                }
                Op::Evict(n) => place.evict(place.clips[n]),
                Op::Run(checkpoints) => place.run(checkpoints),
                Op::Torn(n) => {
                    let clip = place.clips[n];
                    if place.store.read_blocking(|r| r.clip(clip)).unwrap().disposed_ms.is_some() {
                        let _ = std::fs::remove_file(place.vault.tree(clip));
                    }
                }
                Op::Restart => {
                    place.store.close();
                    place.store = Place::open(place.dir.path());
                }
            }
            place.is_sound();
        }
        place.run(100);
        place.is_sound();
        for (n, clip) in place.clips.iter().enumerate() {
            let gone = place.store.read_blocking(|r| r.clip(*clip)).unwrap().disposed_ms.is_some();
            prop_assert!(!gone || confirmed.contains(&n), "nobody confirmed that");
            prop_assert!(gone || !confirmed.contains(&n) || held.contains(&n), "it came to its end");
            prop_assert_eq!(place.vault.master(*clip).exists(), !gone && !place.evicted.contains(clip));
            prop_assert!(!gone || !(place.vault.tree(*clip).exists() || place.vault.thumbnail(*clip).exists()));
        }
        let (asked, going) = place.store.read_blocking(|r| r.disposals_open()).unwrap();
        prop_assert!(asked.is_empty() && going.is_empty());
    }
}

#[test]
fn a_hold_that_comes_while_no_checkpoint_can_be_signed_keeps_the_bytes() {
    let place = Place::new(2);
    let [held, gone]: [ClipId; 2] = place.clips.clone().try_into().unwrap();
    assert!(place.list(place.clips.clone()));
    // The first is said to go, and waits; so would the other one.
    place.run(0);
    place.store.write_blocking(move |tx| hold(tx, held)).unwrap();
    let row = |clip: ClipId| place.store.read_blocking(move |r| r.clip(clip)).unwrap();
    place.run(100);
    place.is_sound();
    assert!(row(held).disposed_ms.is_none() && row(held).local == Local::Sealed);
    assert!(place.vault.master(held).exists() && place.vault.thumbnail(held).exists());
    assert!(row(gone).disposed_ms.is_some() && !place.vault.master(gone).exists());
    let items = place.store.read_blocking(|r| r.disposal_items(1)).unwrap();
    let of = |clip: ClipId| items.iter().find(|i| i.clip == clip).map(|i| (i.state.as_str(), i.why.as_deref()));
    assert_eq!((of(held), of(gone)), (Some(("kept", Some("held"))), Some(("gone", None))));
}

fn hold(tx: &crate::store::Tx<'_>, clip: ClipId) -> Result<(), StoreError> {
    tx.hold_clip(clip, "诉讼", None, Draft::by(EventKind::Hold, Actor::user(1), "web")).map(drop)
}

#[test]
fn a_hold_that_comes_late_keeps_what_stands_elsewhere_alone() {
    let mut place = Place::new(2);
    let [held, gone]: [ClipId; 2] = place.clips.clone().try_into().unwrap();
    place.evict(held);
    place.evict(gone);
    assert_eq!(place.evicted.len(), 2);
    assert!(place.list(place.clips.clone()));
    place.run(0);
    assert!(place.store.read_blocking(move |r| r.clip(held)).unwrap().disposed_ms.is_some(), "it is said to go");
    place.store.write_blocking(move |tx| hold(tx, held)).unwrap();
    place.run(100);
    place.is_sound();
    let row = |clip: ClipId| place.store.read_blocking(move |r| r.clip(clip)).unwrap();
    assert_eq!((row(held).local, row(held).disposed_ms), (Local::Evicted, None));
    assert!(row(gone).disposed_ms.is_some());
    let copies = |clip: ClipId| place.store.read_blocking(move |r| r.disposal_copies(clip)).unwrap().len();
    assert_eq!((copies(held), copies(gone)), (0, 1), "nobody looks for a copy of what is kept");
}

#[test]
fn a_hold_that_comes_while_a_copy_s_checkpoint_is_waited_for_keeps_the_copy() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut place = Place::new(2);
    let [held, gone]: [ClipId; 2] = place.clips.clone().try_into().unwrap();
    assert!(place.list(place.clips.clone()));
    place.left.store(100, Ordering::SeqCst);
    let disposer = place.disposer();
    runtime.block_on(disposer.run_once(&CancellationToken::new(), &|| {})).unwrap();
    let (us, name) = (StationId::new("one").unwrap(), DestinationName::new("d").unwrap());
    // Nobody looks at a copy sooner.
    let later = StoppedClock::at(NOW + LOOKED_MS + 1_000);
    place.store.close();
    place.store = Store::open(&place.dir.path().join("a.db"), &us, Arc::clone(&later) as Arc<dyn Clock>).unwrap();
    let dest = FakeDestination::new(name.clone(), us.clone());
    for clip in [held, gone] {
        for key in [layout::master(&us, clip), layout::tree(&us, clip)] {
            runtime.block_on(dest.put_small(&key, bytes::Bytes::from_static(b"x"), "t", None)).unwrap();
        }
    }
    let (store, came) = (place.store.clone(), Arc::new(AtomicBool::new(false)));
    let disposer = Disposer {
        clock: later,
        remotes: vec![Arc::clone(&dest) as Arc<dyn Destination>],
        dispose_at: vec![name],
        checkpoint: Arc::new(move |_| {
            let (store, first) = (store.clone(), !came.swap(true, Ordering::SeqCst));
            Box::pin(async move {
                if first {
                    store.write(move |tx| hold(tx, held)).await?;
                }
                Ok(())
            })
        }),
        ..place.disposer()
    };
    runtime.block_on(disposer.run_once(&CancellationToken::new(), &|| {})).unwrap();
    for key in [layout::master(&us, held), layout::tree(&us, held)] {
        assert!(dest.held(&key).is_some(), "{key}");
    }
    for key in [layout::master(&us, gone), layout::tree(&us, gone)] {
        assert!(dest.held(&key).is_none(), "{key}");
    }
    let copy = |clip: ClipId| place.store.read_blocking(move |r| r.disposal_copies(clip)).unwrap().remove(0);
    assert_eq!((copy(held).removed, copy(held).why.as_str()), (false, "held"));
    assert!(copy(gone).removed);
}
