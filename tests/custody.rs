//! The custody log from event to verdict, without database or network: a few hundred events are encoded,
//! hashed, signed and anchored; then each kind of tampering is tried, and each must be found and named.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "custody/keys.rs"]
mod keys;
#[path = "custody/losses.rs"]
mod losses;
#[path = "custody/sm2.rs"]
mod sm2;

use std::collections::HashMap;
use std::convert::Infallible;

use evidock::custody::checkpoint::{Checkpoint, key_name};
use evidock::custody::epoch::{Head, Opening};
use evidock::custody::key::FileSigner;
use evidock::custody::losses::Epochs;
use evidock::custody::note::VerifierKey;
use evidock::custody::report::{HeldBy, LogReport, MAX_LISTED, Notice, Problem};
use evidock::custody::verify::{HeldCheckpoint, Trust, verify_log};
use evidock::domain::event::{Actor, Draft, EventKind, MAX_EVENT_BYTES, Place, encode};
use evidock::domain::ids::StationId;
use evidock::domain::merkle::{self, Hash};
use evidock::domain::ports::SecondSigner;

const START_MS: i64 = 1_781_834_604_000;

type Tamper = fn(&mut Log);

/// A log as a store would keep it.
#[derive(Clone)]
struct Log {
    station: StationId,
    key: [u8; 32],
    /// The secret of the SM2 key that signs as well.
    second: Option<[u8; 32]>,
    epoch: u32,
    entries: Vec<(u64, Vec<u8>)>,
    nodes: HashMap<(u8, u64), Hash>,
    checkpoints: Vec<HeldCheckpoint>,
    /// Wall clock minus monotonic clock of the boot that is running.
    clock_offset_ms: i64,
}

impl Log {
    /// 312 events in one epoch; the database keeps a checkpoint each 50 events, the NAS one each 100.
    fn sample() -> Self {
        let mut log = Self {
            station: StationId::new("zhao-01").unwrap(),
            key: [7; 32],
            second: None,
            epoch: 1,
            entries: Vec::new(),
            nodes: HashMap::new(),
            checkpoints: Vec::new(),
            clock_offset_ms: START_MS,
        };
        log.open(1, vec![]);
        log.grow_to(312);
        log
    }

    fn signer(&self) -> FileSigner {
        FileSigner::from_seed(&key_name(&self.station), self.key).unwrap()
    }

    fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    fn bytes_at(&self, seq: u64, draft: &Draft) -> Vec<u8> {
        let mono_ms = seq as i64 * 1_000;
        let wall_ms = self.clock_offset_ms + mono_ms;
        let place = Place { epoch: self.epoch, seq, wall_ms, boot: "boot".into(), mono_ms };
        encode(draft, &place, || [seq as u8; 32]).unwrap().0
    }

    fn append(&mut self, draft: &Draft) {
        let seq = self.size();
        let bytes = self.bytes_at(seq, draft);
        self.append_bytes(bytes);
    }

    fn append_bytes(&mut self, bytes: Vec<u8>) {
        let leaf = merkle::leaf_hash(&bytes);
        let new = merkle::append(self.size(), leaf, |level, index| Ok::<_, Infallible>(self.nodes[&(level, index)]));
        self.nodes.extend(new.unwrap().into_iter().map(|(level, index, hash)| ((level, index), hash)));
        self.entries.push((self.size(), bytes));
    }

    fn open(&mut self, epoch: u32, lost: Vec<Head>) {
        self.epoch = epoch;
        let opening = Opening::new(&self.station, &self.signer(), lost).unwrap();
        self.append(&opening.draft());
    }

    fn grow_to(&mut self, size: u64) {
        while self.size() < size {
            let n = self.size();
            self.append(&event(n));
            if self.size().is_multiple_of(50) {
                self.sign(HeldBy::Store);
            }
            if self.size().is_multiple_of(100) {
                self.sign(nas());
            }
        }
    }

    fn root_at(&self, size: u64) -> Hash {
        merkle::root(size, |level, index| Ok::<_, Infallible>(self.nodes[&(level, index)])).unwrap()
    }

    fn head(&self) -> Head {
        Head { epoch: self.epoch, size: self.size(), root: self.root_at(self.size()) }
    }

    fn sign(&mut self, held_by: HeldBy) {
        let head = self.head();
        let checkpoint = Checkpoint::of(&self.station, head.epoch, head.size, head.root);
        let second = self.second.map(sm2::signer);
        let second = second.as_ref().map(|second| second as &dyn SecondSigner);
        let note = checkpoint.sign_twice(&self.signer(), second, START_MS + head.size as i64 * 1_000).unwrap();
        self.checkpoints.push(HeldCheckpoint { held_by, note: note.into_bytes() });
    }

    /// What an insider with root and the key does after touching the entries: number them, hash them and sign
    /// them again. What the NAS holds is out of reach.
    fn rewrite(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.nodes.clear();
        self.checkpoints.retain(|c| c.held_by != HeldBy::Store);
        for (_, bytes) in entries {
            let text = String::from_utf8(bytes).unwrap();
            let (head, rest) = text.split_once("\"seq\":").unwrap();
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            self.append_bytes(format!("{head}\"seq\":{}{rest}", self.size()).into_bytes());
            if self.size().is_multiple_of(50) {
                self.sign(HeldBy::Store);
            }
        }
    }

    /// Puts back the database as it was at `size`; the anchors stay.
    fn restore_to(&mut self, size: u64) {
        let anchors: Vec<_> = self.checkpoints.drain(..).filter(|c| c.held_by != HeldBy::Store).collect();
        self.entries.truncate(size as usize);
        self.nodes.retain(|(level, index), _| (index + 1) << level <= size);
        self.checkpoints = anchors;
    }

    fn verify(&self) -> LogReport {
        self.verify_against(Some((self.size(), self.root_at(self.size()))))
    }

    fn verify_against(&self, tree: Option<(u64, Hash)>) -> LogReport {
        self.verify_knowing(tree, Epochs::default())
    }

    /// Verifies it as somebody does who knows that restores began these epochs.
    fn verify_accepting(&self, accepted: &[u32]) -> LogReport {
        self.verify_knowing(None, Epochs { accepted, ..Epochs::default() })
    }

    fn verify_knowing(&self, tree: Option<(u64, Hash)>, epochs: Epochs<'_>) -> LogReport {
        let keys = [VerifierKey::of(&Log { key: [7; 32], ..self.clone() }.signer()).unwrap()];
        let trust = Trust { station: &self.station, keys: &keys, sm2: &[], tree, epochs };
        verify_log(&trust, self.entries.iter().cloned().map(Ok::<_, Infallible>), self.checkpoints.iter().cloned())
    }
}

fn nas() -> HeldBy {
    HeldBy::Anchor("nas".into())
}

fn event(n: u64) -> Draft {
    let kind = EventKind::ALL[1 + n as usize % (EventKind::ALL.len() - 1)];
    // A change of keys says which; that has tests of its own.
    let kind = if [EventKind::KeyRotated, EventKind::Sm2Key].contains(&kind) { EventKind::Verified } else { kind };
    Draft::by(kind, Actor::os(1000 + n as u32 % 3), "cli").fact("n", n).secret("reason", "认错了案件")
}

fn problems(report: &LogReport) -> Vec<&Problem> {
    report.problems.listed.iter().map(|finding| &finding.what).collect()
}

fn kinds(report: &LogReport) -> Vec<&str> {
    report.problems.counts.keys().map(String::as_str).collect()
}

#[test]
fn an_honest_log_is_intact() {
    let report = Log::sample().verify();
    assert!(report.intact, "{report}");
    assert_eq!((report.size, report.signed_size, report.anchored_size), (312, 300, 300));
    assert_eq!(report.notices.total(), 0, "{report}");
    // The sample draws on every kind of event, so a new kind changes its root; its own test compares roots.
    let words = report.to_string().replace(&report.root, "ROOT");
    insta::assert_snapshot!(words, @"
    Custody log of zhao-01: 312 events, root ROOT
      epoch 1 from event 0, opened 2026-06-19T02:03:24+00:00 under evidock/zhao-01+b5fab76a+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs (kept in: file)
      the database: 6 checkpoints, confirming the first 300 events, newest of 2026-06-19T02:08:24+00:00
      anchor nas: 3 checkpoints, confirming the first 300 events, newest of 2026-06-19T02:08:24+00:00
    Intact: no problem was found.
    Anchored: 300 events as held off this box
    Signed: 0 more as signed here; whoever has this box's key could sign others
    Open: 12 more that no checkpoint confirms
    ");
}

#[test]
fn what_stands_on_the_box_s_own_disk_is_not_held_off_it() {
    let mut log = Log::sample();
    for checkpoint in log.checkpoints.iter_mut().filter(|c| c.held_by == nas()) {
        checkpoint.held_by = HeldBy::Near("cloud".into());
    }
    let report = log.verify();
    assert!(report.intact, "{report}");
    assert_eq!((report.signed_size, report.anchored_size), (300, 0));
    assert_eq!(report.holders[1].confirms, Some(300));
    // What it shows is compared all the same.
    log.entries[60].1 = log.entries[61].1.clone();
    assert!(kinds(&log.verify_against(None)).contains(&"other_root"));
}

#[test]
fn the_report_has_a_json_form() {
    let mut log = Log::sample();
    log.entries.remove(60);
    let json = serde_json::to_value(log.verify_against(None)).unwrap();
    assert_eq!(json["intact"], false);
    assert_eq!(json["problems"]["listed"][0]["kind"], "missing");
    assert_eq!(json["problems"]["listed"][0]["message"], "events 60 to 60 are missing");
    assert_eq!(json["problems"]["listed"][0]["from"], 60);
    assert_eq!(json["problems"]["counts"]["missing"], 1);
    assert_eq!(json["holders"][1]["held_by"], "anchor nas");
    assert_eq!(json["epochs"][0]["key_protection"], "file");
}

#[test]
fn an_empty_log_and_a_log_without_checkpoints() {
    let mut log = Log::sample();
    log.checkpoints.clear();
    let report = log.verify();
    assert!(report.intact);
    assert_eq!((report.signed_size, report.anchored_size), (0, 0));
    log.restore_to(0);
    let report = log.verify();
    assert!(report.intact && report.size == 0 && report.epochs.is_empty());
    log.sign(nas());
    assert!(log.verify().intact, "a checkpoint over nothing is a checkpoint");
}

/// Every kind of tampering with entries and checkpoints, with the kinds of problem that must be named.
#[test]
fn every_tampering_is_found_and_named() {
    let table: &[(&str, Tamper, &[&str])] = &[
        ("a changed byte", |l| flip(l, 120), &["other_root", "other_tree"]),
        ("a changed byte after the last checkpoint", |l| flip(l, 310), &["other_tree"]),
        ("a byte that breaks the form", |l| l.entries[120].1[0] = b'[', &["malformed", "other_root", "other_tree"]),
        ("a removed event", |l| drop(l.entries.remove(120)), &["missing", "other_root", "other_size"]),
        (
            "a removed event, rows moved up",
            |l| {
                l.entries.remove(120);
                number_rows(l);
            },
            &["misplaced", "other_root", "other_size"],
        ),
        (
            "the first event removed",
            |l| drop(l.entries.remove(0)),
            &["missing", "not_opened", "other_root", "other_size"],
        ),
        (
            "two events swapped",
            |l| {
                l.entries.swap(120, 121);
                number_rows(l);
            },
            &["misplaced", "other_root", "other_tree"],
        ),
        ("rows out of order", |l| l.entries.swap(120, 121), &["missing", "other_root", "other_tree", "out_of_order"]),
        (
            "an inserted event",
            |l| {
                let forged = l.bytes_at(120, &event(5));
                l.entries.insert(120, (120, forged));
                number_rows(l);
            },
            &["misplaced", "other_root", "other_size"],
        ),
        (
            "an event in the name of an older epoch",
            |l| {
                l.epoch = 0;
                l.entries[120].1 = l.bytes_at(120, &event(120));
                l.epoch = 1;
            },
            &["epoch_went_back", "other_root", "other_tree"],
        ),
        (
            "an epoch opened twice",
            |l| {
                let opening = Opening::new(&l.station, &l.signer(), vec![]).unwrap().draft();
                l.entries[120].1 = l.bytes_at(120, &opening);
            },
            &["opened_twice", "other_root", "other_tree"],
        ),
        (
            "an opening that says nothing",
            |l| {
                l.entries[0].1 = l.bytes_at(0, &Draft::daemon(EventKind::EpochOpened));
            },
            &["bad_opening", "other_root", "other_tree"],
        ),
        (
            "an over-long event",
            |l| l.entries[120].1.extend([b' '; MAX_EVENT_BYTES]),
            &["malformed", "other_root", "other_tree"],
        ),
        ("the tail cut off behind a checkpoint", |l| l.entries.truncate(290), &["other_size", "rolled_back"]),
        ("the unsigned tail cut off", |l| l.entries.truncate(305), &["other_size"]),
        ("everything gone", |l| l.entries.clear(), &["other_size", "rolled_back"]),
        ("a forged signature", |l| edit_note(l, 3, |note| note.replacen("\n150\n", "\n151\n", 1)), &["forged"]),
        (
            "a signature of the right key under another text",
            |l| {
                let signatures = String::from_utf8(l.checkpoints[0].note.clone()).unwrap();
                let signatures = signatures.split_once("\n\n").unwrap().1.to_owned();
                edit_note(l, 3, |note| format!("{}\n\n{signatures}", note.split_once("\n\n").unwrap().0));
            },
            &["forged"],
        ),
        (
            "a signed time moved",
            |l| {
                let later = Checkpoint::of(&l.station, 1, 999, [0; 32]).sign(&l.signer(), START_MS).unwrap();
                let line = later.lines().last().unwrap().to_owned();
                edit_note(l, 3, |note| format!("{}\n{line}\n", note.trim_end().rsplit_once('\n').unwrap().0));
            },
            &["forged"],
        ),
        (
            "another key of the same name",
            |l| {
                l.key = [8; 32];
                l.sign(nas());
            },
            &["untrusted_signer"],
        ),
        (
            "signatures stripped",
            |l| edit_note(l, 3, |note| note.split_once("\n\n").unwrap().0.into()),
            &["bad_checkpoint"],
        ),
        (
            "another station's log with our key",
            |l| {
                let head = l.head();
                let theirs = Checkpoint {
                    origin: "evidock/zhao-02/1".into(),
                    ..Checkpoint::of(&l.station, 1, head.size, head.root)
                };
                l.checkpoints
                    .push(HeldCheckpoint { held_by: nas(), note: theirs.sign(&l.signer(), 0).unwrap().into() });
            },
            &["other_log"],
        ),
        (
            "something that is no checkpoint",
            |l| l.checkpoints.push(HeldCheckpoint { held_by: nas(), note: vec![0xff; 99] }),
            &["bad_checkpoint"],
        ),
    ];
    for (name, tamper, expected) in table {
        let mut log = Log::sample();
        let tree = (log.size(), log.root_at(log.size()));
        tamper(&mut log);
        let report = log.verify_against(Some(tree));
        assert!(!report.intact, "{name}");
        assert_eq!(kinds(&report), *expected, "{name}:\n{report}");
        let text = report.to_string();
        assert!(text.contains("NOT INTACT"), "{text}");
        assert!(report.problems.listed.iter().all(|p| text.contains(&p.message)));
    }
}

/// Root on the box, with the key: nothing in the database shows it; the anchor does.
#[test]
fn a_rewritten_and_re_signed_history_is_found_by_the_anchor_alone() {
    let table: &[(&str, Tamper, u64)] = &[
        ("edited", |l| flip(l, 120), 100),
        ("removed", |l| drop(l.entries.remove(120)), 100),
        ("swapped", |l| l.entries.swap(230, 231), 200),
        (
            "inserted",
            |l| {
                let forged = l.bytes_at(120, &event(5));
                l.entries.insert(120, (120, forged));
            },
            100,
        ),
    ];
    for (name, tamper, intact) in table {
        let mut log = Log::sample();
        tamper(&mut log);
        log.rewrite();
        let report = log.verify();
        assert!(kinds(&report).iter().all(|k| ["other_root", "two_histories"].contains(k)), "{name}:\n{report}");
        let found =
            problems(&report).iter().any(|p| matches!(p, Problem::OtherRoot { held_by, .. } if *held_by == nas()));
        assert!(found, "{name}:\n{report}");
        assert!(kinds(&report).contains(&"two_histories"), "{name}:\n{report}");
        assert_eq!(report.anchored_size, *intact, "{name}");

        // The limit, said plainly: without the anchor nothing is found.
        log.checkpoints.retain(|c| c.held_by == HeldBy::Store);
        let report = log.verify();
        assert!(report.intact, "{name}:\n{report}");
        assert_eq!(report.anchored_size, 0);
    }
}

#[test]
fn an_epoch_needs_its_opening_station_and_key() {
    let mut log = Log::sample();
    log.epoch = 2;
    log.append(&event(312));
    assert_eq!(kinds(&log.verify()), ["not_opened"]);

    let mut log = Log::sample();
    log.key = [8; 32];
    log.open(2, vec![]);
    assert_eq!(kinds(&log.verify()), ["untrusted_key"]);

    let mut log = Log::sample();
    let mut opening = Opening::new(&log.station, &log.signer(), vec![]).unwrap();
    opening.station = "zhao-02".into();
    log.epoch = 2;
    log.append(&opening.draft());
    assert_eq!(kinds(&log.verify()), ["other_station"]);
}

#[test]
fn clock_steps_are_noted_and_do_not_condemn() {
    let mut log = Log::sample();
    log.clock_offset_ms -= 3_600_000;
    log.grow_to(330);
    log.clock_offset_ms += 1_500;
    log.grow_to(340);
    let report = log.verify();
    assert!(report.intact, "{report}");
    let notices: Vec<_> = report.notices.listed.iter().map(|n| &n.what).collect();
    assert_eq!(notices, [&Notice::ClockSet { seq: 312, by_ms: -3_600_000 }]);
    assert!(report.to_string().contains("before event 312 the wall clock was set by -3600 s"), "{report}");
}

#[test]
fn a_database_that_cannot_be_read_on_is_a_finding_not_a_verdict_on_the_rest() {
    let log = Log::sample();
    let keys = [VerifierKey::of(&log.signer()).unwrap()];
    let trust = Trust {
        station: &log.station,
        keys: &keys,
        sm2: &[],
        tree: Some((312, log.root_at(312))),
        epochs: Epochs::default(),
    };
    let entries = log.entries.iter().take(150).cloned().map(Ok).chain([Err("database disk image is malformed")]);
    let report = verify_log(&trust, entries, log.checkpoints.clone());
    assert_eq!(kinds(&report), ["unreadable"], "{report}");
    assert_eq!((report.signed_size, report.anchored_size), (150, 100));
}

#[test]
fn many_findings_are_counted_and_few_are_listed() {
    let mut log = Log::sample();
    log.entries.remove(10);
    number_rows(&mut log);
    let report = log.verify_against(None);
    assert_eq!(report.problems.counts["misplaced"], 301);
    assert!(report.problems.listed.len() as u64 <= MAX_LISTED * report.problems.counts.len() as u64);
    assert!(report.to_string().contains("more of the same kinds"), "{report}");
}

fn number_rows(log: &mut Log) {
    for (place, (seq, _)) in log.entries.iter_mut().enumerate() {
        *seq = place as u64;
    }
}

/// Changes one digit of a fact, so that the event still reads well.
fn flip(log: &mut Log, seq: usize) {
    let text = String::from_utf8(log.entries[seq].1.clone()).unwrap();
    let changed = text.replace(&format!("\"n\":{seq}"), &format!("\"n\":{}", seq + 1));
    assert_ne!(text, changed);
    log.entries[seq].1 = changed.into_bytes();
}

fn edit_note(log: &mut Log, at: usize, edit: impl FnOnce(&str) -> String) {
    let note = String::from_utf8(log.checkpoints[at].note.clone()).unwrap();
    let edited = edit(&note);
    assert_ne!(note, edited);
    log.checkpoints[at].note = edited.into_bytes();
}

/// A change of keys inside an epoch: the old key signs the event of its own end, and nothing after it.
#[test]
fn a_key_ends_where_the_log_says_so() {
    let (old, new) = ([7; 32], [9; 32]);
    let key = |seed: [u8; 32]| VerifierKey::of(&FileSigner::from_seed("evidock/zhao-01", seed).unwrap()).unwrap();
    let verify = |log: &Log, keys: &[VerifierKey]| {
        let trust = Trust { station: &log.station, keys, sm2: &[], tree: None, epochs: Epochs::default() };
        verify_log(&trust, log.entries.iter().cloned().map(Ok::<_, Infallible>), log.checkpoints.iter().cloned())
    };
    let changed = |from: [u8; 32]| {
        let mut log = Log::sample();
        let event = Draft::daemon(EventKind::KeyRotated)
            .fact("old", key(from).to_string())
            .fact("new", key(new).to_string())
            .fact("protection", "file");
        log.append(&event);
        log.sign(nas());
        log
    };
    let mut log = changed(old);
    log.key = new;
    log.grow_to(400);
    let report = verify(&log, &[key(new), key(old)]);
    assert!(report.intact && report.notices.counts["key_changed"] == 1, "{report}");
    assert_eq!(report.anchored_size, 400);
    // Whoever trusts only the old key sees that another one took over, and is not told that it is all right.
    assert_eq!(kinds(&verify(&log, &[key(old)])), ["untrusted_key", "untrusted_signer"]);
    // Somebody kept the old key.
    log.key = old;
    log.sign(HeldBy::Store);
    assert_eq!(kinds(&verify(&log, &[key(new), key(old)])), ["retired_key"]);
    // Ended by a key that was not in use, or without saying which.
    let log = changed([5; 32]);
    assert_eq!(kinds(&verify(&log, &[key(new), key(old)])), ["not_in_force"]);
    let mut log = Log::sample();
    log.append(&Draft::daemon(EventKind::KeyRotated));
    assert_eq!(kinds(&verify(&log, &[key(old)])), ["bad_rotation"]);
}
