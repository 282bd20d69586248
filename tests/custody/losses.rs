//! New epochs: what a restore may lose, and what whoever wants to be rid of a history cannot; and full tiles, which tell of
//! what no checkpoint that was read does.

use evidock::custody::far_tiles::HeldTile;
use evidock::custody::report::Verdict;
use evidock::custody::verify::verify_stamped_log;

use super::*;

#[test]
fn a_restore_is_accepted_only_where_it_is_declared() {
    // An older database put back, and the log goes on as if nothing had been.
    let mut log = Log::sample();
    let lost = Head { size: 300, root: log.root_at(300), ..log.head() };
    log.restore_to(230);
    log.grow_to(290);
    let report = log.verify();
    assert!(
        problems(&report).iter().any(|p| matches!(p, Problem::RolledBack { size: 300, have: 290, .. })),
        "{report}"
    );
    log.clock_offset_ms += 1;
    log.grow_to(320);
    assert!(kinds(&log.verify()).contains(&"two_histories"), "it grew past the anchor by other events");

    // The same in a new epoch that says nothing of the loss.
    let restored = |lost| {
        let mut log = Log::sample();
        log.restore_to(230);
        log.open(2, lost);
        log.grow_to(320);
        log
    };
    let report = restored(vec![]).verify();
    assert_eq!(kinds(&report), ["undeclared_loss"], "{report}");
    // ... or says too little, or names another tree: that nobody holds is a finding, too.
    for lie in [Head { size: 299, ..lost }, Head { root: [0; 32], ..lost }, Head { size: 1_000_000_000_000, ..lost }] {
        assert_eq!(kinds(&restored(vec![lie]).verify()), ["undeclared_loss", "unheld_loss"], "{lie:?}");
        // Whoever knows of a restore need not know of that.
        assert_eq!(kinds(&restored(vec![lie]).verify_accepting(&[2])), ["undeclared_loss"], "{lie:?}");
    }

    // Owned up to, nothing is wrong; whether it was a restore only a person can say.
    let declared = restored(vec![lost]);
    let report = declared.verify();
    assert_eq!((report.intact, report.problems.total(), report.verdict()), (false, 0, Verdict::Loss), "{report}");
    let told = report.to_string();
    assert!(
        told.contains("LOSS: epoch 2 kept 230 events of those before it and lost 70 events") && !told.contains("ntact")
    );
    assert!(told.contains("--accept-epoch 2"), "{told}");
    assert!(!declared.verify_accepting(&[3]).intact, "of another one");
    let report = declared.verify_accepting(&[2]);
    assert!(report.intact && report.to_string().contains("Known loss: epoch 2"), "{report}");
    assert_eq!(report.epochs.iter().map(|e| (e.epoch, e.from)).collect::<Vec<_>>(), [(1, 0), (2, 230)]);
    let expected = Notice::DeclaredLoss { held_by: nas(), epoch: 1, size: 300, kept: 230 };
    assert!(report.notices.listed.iter().any(|n| n.what == expected), "{report}");

    // Put back once more, to before the second epoch: its anchors must be owned up to as well.
    let second = Head { size: 300, root: declared.root_at(300), epoch: 2 };
    let again = |lost| {
        let mut log = declared.clone();
        log.restore_to(220);
        log.open(3, lost);
        log.grow_to(260);
        log
    };
    assert_eq!(kinds(&again(vec![second]).verify()), ["undeclared_loss"], "epoch 1 reached 300 too");
    let report = again(vec![lost, second]).verify_accepting(&[3]);
    assert!(report.intact, "{report}");
    // ... and without any new epoch.
    let mut log = declared.clone();
    log.restore_to(220);
    assert_eq!(kinds(&log.verify()), ["rolled_back", "unknown_epoch"]);
}

/// Root with the key writes a history of his own under a second epoch, and lets that own up to more than anybody ever saw:
/// no size that it names excuses what stands off the box, also where such a head was put there to be held.
#[test]
fn an_epoch_that_owns_up_to_everything_is_rid_of_nothing() {
    let beyond = Head { epoch: 1, size: 1_000_000_000_000, root: [5; 32] };
    for (kept, held) in [(0, false), (0, true), (150, false), (150, true)] {
        let mut log = Log::sample();
        log.restore_to(kept);
        log.open(2, vec![beyond]);
        log.grow_to(320);
        if held {
            let forged = Checkpoint::of(&log.station, 1, beyond.size, beyond.root).sign(&log.signer(), 0).unwrap();
            log.checkpoints.push(HeldCheckpoint { held_by: nas(), note: forged.into_bytes() });
        }
        for report in [log.verify(), log.verify_accepting(&[2])] {
            assert!(!report.intact && report.verdict() == Verdict::NotIntact, "{report}");
            let lost = if kept == 0 { 3 } else { 2 };
            assert_eq!(report.problems.counts["undeclared_loss"], lost, "{report}");
        }
        assert_eq!(log.verify().problems.counts.contains_key("unheld_loss"), !held);
    }
}

/// A log that begins in a later epoch and says nothing of those before it.
#[test]
fn a_log_that_begins_late_is_a_loss() {
    let mut log = Log::sample();
    log.restore_to(0);
    log.checkpoints.clear();
    log.open(2, vec![]);
    log.grow_to(50);
    assert_eq!(log.verify().verdict(), Verdict::Loss);
    assert!(log.verify_accepting(&[2]).intact);
}

/// Of a year of checkpoints a sample is read, and the newest may have been made to fit: a full tile tells of every event in it.
#[test]
fn a_full_tile_tells_of_what_no_checkpoint_that_was_read_does() {
    let honest = Log::sample();
    let bytes = |log: &Log| (0..256).flat_map(|n| log.nodes[&(0, n)]).collect::<Vec<u8>>();
    let tile = |bytes| HeldTile { held_by: nas(), epoch: 1, level: 0, index: 0, bytes };
    let verify = |log: &Log, tiles: Vec<HeldTile>| {
        let keys = [VerifierKey::of(&log.signer()).unwrap()];
        let trust = Trust { station: &log.station, keys: &keys, sm2: &[], tree: None, epochs: Epochs::default() };
        let entries = log.entries.iter().cloned().map(Ok::<_, Infallible>);
        verify_stamped_log(&trust, entries, log.checkpoints.iter().cloned(), [], tiles)
    };
    assert!(verify(&honest, vec![tile(bytes(&honest))]).intact);
    let mut log = honest.clone();
    flip(&mut log, 120);
    log.rewrite();
    log.checkpoints.retain(|c| c.held_by == HeldBy::Store);
    log.sign(nas());
    assert!(verify(&log, vec![]).intact, "the newest one was made to fit");
    let report = verify(&log, vec![tile(bytes(&honest))]);
    assert_eq!(kinds(&report), ["other_tile"], "{report}");
    assert!(matches!(problems(&report)[0], Problem::OtherTile { from: 120, to: 120, .. }), "{report}");
    // A version that fits covers up none that does not.
    let report = verify(&log, vec![tile(bytes(&log)), tile(bytes(&honest))]);
    assert_eq!(kinds(&report), ["other_tile"], "{report}");
}
