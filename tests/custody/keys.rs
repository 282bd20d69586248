//! Which key may have signed what, and what a database says beside its entries: neither is shown by any hash.

use evidock::custody::verify::{Entry, verify_stamped_log};
use evidock::domain::event::Envelope;
use evidock::domain::ids::ClipId;
use evidock::domain::log_copies::Copies;

use super::*;

fn key(seed: [u8; 32]) -> VerifierKey {
    VerifierKey::of(&FileSigner::from_seed("evidock/zhao-01", seed).unwrap()).unwrap()
}

fn verify(log: &Log, keys: &[VerifierKey], accepted: &[u32]) -> LogReport {
    let epochs = Epochs { accepted, ..Epochs::default() };
    let trust = Trust { station: &log.station, keys, sm2: &[], tree: None, epochs };
    verify_log(&trust, log.entries.iter().cloned().map(Ok::<_, Infallible>), log.checkpoints.iter().cloned())
}

/// A restore that had no key in its backup goes on under a new one: whoever has the old one, from the disk that was thought
/// dead, can sign what it signed before, and nothing of the epoch that began without it.
#[test]
fn a_retired_key_signs_nothing_of_a_later_epoch() {
    let (old, new) = ([7; 32], [9; 32]);
    let keys = [key(new), key(old)];
    let lost = Head { size: 300, root: Log::sample().root_at(300), ..Log::sample().head() };
    let mut log = Log::sample();
    log.restore_to(230);
    log.key = new;
    log.open(2, vec![lost]);
    // As a restore says it.
    log.append(
        &Draft::daemon(EventKind::KeyRotated)
            .fact("old", vec![key(old).to_string()])
            .fact("new", key(new).to_string())
            .fact("why", "restore"),
    );
    log.grow_to(320);
    let report = verify(&log, &keys, &[2]);
    assert!(report.intact, "{report}");

    let mut by_old = log.clone();
    by_old.key = old;
    by_old.sign(nas());
    let report = verify(&by_old, &keys, &[2]);
    assert_eq!(kinds(&report), ["retired_key"], "{report}");
    assert!(matches!(problems(&report)[0], Problem::RetiredKey { size: 320, seq: 230, .. }), "{report}");

    // Nor has the new one signed what was before it.
    let mut before = Log::sample();
    before.restore_to(230);
    before.key = new;
    before.sign(nas());
    log.checkpoints.extend(before.checkpoints.pop());
    let report = verify(&log, &keys, &[2]);
    assert_eq!(kinds(&report), ["other_key"], "{report}");
    assert!(matches!(problems(&report)[0], Problem::OtherKey { epoch: 1, size: 230, .. }), "{report}");
}

/// A change of keys holds for the epochs after it, too.
#[test]
fn a_key_that_was_changed_in_an_earlier_epoch_is_not_taken_again() {
    let (old, new) = ([7; 32], [9; 32]);
    let keys = [key(new), key(old)];
    let mut log = Log::sample();
    log.append(
        &Draft::daemon(EventKind::KeyRotated)
            .fact("old", key(old).to_string())
            .fact("new", key(new).to_string())
            .fact("protection", "file"),
    );
    log.sign(nas());
    log.key = new;
    log.grow_to(350);
    log.open(2, vec![]);
    log.grow_to(400);
    let report = verify(&log, &keys, &[]);
    assert!(report.intact, "{report}");
    log.key = old;
    log.sign(HeldBy::Store);
    let report = verify(&log, &keys, &[]);
    assert_eq!(kinds(&report), ["retired_key"], "{report}");
    assert!(matches!(problems(&report)[0], Problem::RetiredKey { size: 400, seq: 312, .. }), "{report}");
}

/// Whoever can write the database hides an event from every search without touching a byte that is hashed.
#[test]
fn a_column_that_says_something_else_than_its_entry_is_found() {
    let mut log = Log::sample();
    log.append(&event(5).clip(ClipId::generate(START_MS)).case("ab".repeat(32)));
    let about = log.size() as usize - 1;
    let entries: Vec<Entry> = log
        .entries
        .iter()
        .map(|(seq, bytes)| {
            let told: Envelope = serde_json::from_slice(bytes).unwrap();
            let copies = Copies { kind: told.kind, wall_ms: told.wall_ms, clip: told.clip, case: told.case };
            Entry { seq: *seq, bytes: bytes.clone(), copies: Some(copies) }
        })
        .collect();
    let verify = |change: &dyn Fn(&mut Copies), at: usize| {
        let mut entries = entries.clone();
        change(entries[at].copies.as_mut().unwrap());
        let keys = [key([7; 32])];
        let trust = Trust { station: &log.station, keys: &keys, sm2: &[], tree: None, epochs: Epochs::default() };
        verify_stamped_log(&trust, entries.into_iter().map(Ok::<_, Infallible>), log.checkpoints.clone(), [], [])
    };
    let report = verify(&|_| {}, 0);
    assert!(report.intact, "{report}");
    type Change = fn(&mut Copies);
    let changes: [(Change, usize, &str); 4] = [
        (|copies| (copies.clip, copies.case) = (None, None), about, "clip_id, case_hash"),
        (|copies| copies.kind = "x".into(), 0, "kind"),
        (|copies| copies.wall_ms += 1, 120, "wall_ms"),
        (|copies| copies.case = Some("cd".repeat(32)), 120, "case_hash"),
    ];
    for (change, at, told) in changes {
        let report = verify(&change, at);
        assert_eq!(kinds(&report), ["other_copy"], "{told}: {report}");
        let expected = Problem::OtherCopy { seq: at as u64, columns: told.to_owned() };
        assert_eq!(problems(&report), [&expected], "{told}");
    }
}
