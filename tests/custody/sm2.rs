//! The second signature: each way in which the SM2 lines below checkpoints and what the log says of their key can part.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use evidock::custody::sm2::{Sm2Key, Sm2Signer};
use evidock::custody::sm2_course::KeyEvent;

use super::*;

/// What is done to a log; the number is that of its newest checkpoint.
type Change = fn(&mut Log, usize);

/// Secrets of three keys.
const A: [u8; 32] = [21; 32];
const B: [u8; 32] = [22; 32];
const C: [u8; 32] = [23; 32];

pub fn signer(secret: [u8; 32]) -> Sm2Signer {
    Sm2Signer::from_secret("evidock/zhao-01", &secret).unwrap()
}

fn key(secret: [u8; 32]) -> Sm2Key {
    signer(secret).verifier()
}

fn text(secret: [u8; 32]) -> String {
    key(secret).to_string()
}

fn tell(log: &mut Log, event: &KeyEvent) {
    log.append(&event.tell(Draft::daemon(EventKind::Sm2Key)));
}

fn on(log: &mut Log, secret: [u8; 32]) {
    tell(log, &KeyEvent::On { key: text(secret), protection: "file".into() });
    log.second = Some(secret);
}

fn off(log: &mut Log, secret: [u8; 32]) {
    tell(log, &KeyEvent::Off { old: text(secret) });
    log.second = None;
}

/// A change of keys, and the checkpoint over it: by the old key, or by the new one where the old one is lost.
fn change(log: &mut Log, old: [u8; 32], new: [u8; 32], lost: bool) {
    tell(log, &KeyEvent::Changed { old: text(old), key: text(new), protection: "host".into(), lost });
    log.second = Some(if lost { new } else { old });
    log.sign(nas());
    log.second = Some(new);
}

/// The sample, and another 88 events under an SM2 key that is put to use at event 312. Its checkpoints are the last three:
/// over 350 and 400 events in the database, and over 400 at the NAS.
fn switched_on() -> Log {
    let mut log = Log::sample();
    on(&mut log, A);
    log.grow_to(400);
    log
}

fn verify(log: &Log, keys: &[[u8; 32]]) -> LogReport {
    let keys: Vec<Sm2Key> = keys.iter().copied().map(key).collect();
    // A restore that somebody knows of began the second one.
    let epochs = Epochs { accepted: &[2], ..Epochs::default() };
    let ed25519 = [VerifierKey::of(&log.signer()).unwrap()];
    let trust = Trust { station: &log.station, keys: &ed25519, sm2: &keys, tree: None, epochs };
    verify_log(&trust, log.entries.iter().cloned().map(Ok::<_, Infallible>), log.checkpoints.iter().cloned())
}

/// Changes the last signature line of a checkpoint, which is the SM2 one; `None` takes it away.
fn edit_line(log: &mut Log, at: usize, edit: impl FnOnce(Vec<u8>) -> Option<Vec<u8>>) {
    edit_note(log, at, |note| {
        let (rest, line) = note.trim_end().rsplit_once('\n').unwrap();
        let (name, bytes) = line.rsplit_once(' ').unwrap();
        match edit(BASE64.decode(bytes).unwrap()) {
            Some(bytes) => format!("{rest}\n{name} {}\n", BASE64.encode(bytes)),
            None => format!("{rest}\n"),
        }
    });
}

fn flip_line(log: &mut Log, at: usize) {
    edit_line(log, at, |mut bytes| {
        bytes[40] ^= 1;
        Some(bytes)
    });
}

fn strip_line(log: &mut Log, at: usize) {
    edit_line(log, at, |_| None);
}

#[test]
fn an_honest_second_signature_is_told() {
    let log = switched_on();
    let report = verify(&log, &[A]);
    assert!(report.intact, "{report}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["sm2"]["checkpoints"], 3, "{report}");
    let span = &json["sm2"]["keys"][0];
    assert_eq!((&span["from"], &span["until"], &span["epoch"]), (&312.into(), &serde_json::Value::Null, &1.into()));
    assert_eq!((&span["key"], &span["protection"]), (&text(A).into(), &"file".into()));
    let words = report.to_string();
    assert!(words.contains(&format!("SM2 from event 312 of epoch 1 under {} (kept in: file)", text(A))), "{words}");
    assert!(words.contains("SM2: 3 checkpoints signed a second time and true"), "{words}");
    // A log that never had one says nothing of it, whatever keys are known.
    let report = verify(&Log::sample(), &[A]);
    assert!(report.intact && report.sm2.is_none() && !report.to_string().contains("SM2"), "{report}");
}

#[test]
fn every_tampering_with_it_is_found_and_named() {
    let last = switched_on().checkpoints.len() - 1;
    type Line<'a> = (&'a str, Change, &'a [[u8; 32]], &'a [&'a str]);
    let table: &[Line<'_>] = &[
        ("a flipped bit", |l, last| flip_line(l, last), &[A], &["sm2_false"]),
        ("a line taken away off the box", |l, last| strip_line(l, last), &[A], &["sm2_missing"]),
        ("a line taken away here", |l, last| strip_line(l, last - 2), &[A], &["sm2_missing"]),
        (
            "the line of another checkpoint",
            |l, last| {
                let other = String::from_utf8(l.checkpoints[last - 2].note.clone()).unwrap();
                let other = other.trim_end().rsplit_once(' ').unwrap().1.to_owned();
                edit_line(l, last, |_| Some(BASE64.decode(other).unwrap()));
            },
            &[A],
            &["sm2_false"],
        ),
        (
            "another key signs",
            |l, _| {
                l.second = Some(B);
                l.sign(nas());
            },
            &[A],
            &["sm2_missing"],
        ),
        (
            "another key signs and its public half is put beside it",
            |l, _| {
                l.second = Some(B);
                l.sign(nas());
            },
            &[B],
            &["sm2_untrusted"],
        ),
        ("the public half is exchanged", |_, _| {}, &[B], &["sm2_untrusted"]),
        ("the public half is gone", |_, _| {}, &[], &["sm2_untrusted"]),
        ("an end of another key", |l, _| off(l, B), &[A], &["sm2_not_in_use"]),
        ("a second beginning", |l, _| on(l, B), &[A, B], &["sm2_not_in_use"]),
        ("an event that says nothing", |l, _| l.append(&Draft::daemon(EventKind::Sm2Key)), &[A], &["sm2_unreadable"]),
        (
            "a signature after its end",
            |l, _| {
                off(l, A);
                l.second = Some(A);
                l.sign(HeldBy::Store);
            },
            &[A],
            &["sm2_retired"],
        ),
    ];
    for (name, tamper, keys, expected) in table {
        let mut log = switched_on();
        tamper(&mut log, last);
        let report = verify(&log, keys);
        assert!(!report.intact, "{name}");
        assert_eq!(kinds(&report), *expected, "{name}:\n{report}");
        assert!(report.to_string().contains(&report.problems.listed[0].message), "{name}");
    }
}

/// Stations signed with SM2 before the log named the key: what is there must be true, and need not be there.
#[test]
fn lines_from_before_the_log_named_the_key_need_only_be_true() {
    let mut log = Log::sample();
    log.second = Some(A);
    log.grow_to(350);
    let early = log.checkpoints.len() - 1;
    on(&mut log, A);
    log.grow_to(400);
    let report = verify(&log, &[A]);
    assert!(report.intact && report.sm2.as_ref().is_some_and(|sm2| sm2.checkpoints == 3), "{report}");
    let mut stripped = log.clone();
    strip_line(&mut stripped, early);
    assert!(verify(&stripped, &[A]).intact);
    flip_line(&mut log, early);
    assert_eq!(kinds(&verify(&log, &[A])), ["sm2_false"]);
}

#[test]
fn a_changed_key_ends_where_the_log_says_so() {
    let mut log = switched_on();
    change(&mut log, A, B, false);
    let over_the_change = log.checkpoints.len() - 1;
    log.grow_to(500);
    let report = verify(&log, &[B, A]);
    assert!(report.intact && report.notices.counts["sm2_changed"] == 1, "{report}");
    let spans = report.sm2.unwrap().keys;
    assert_eq!(spans.iter().map(|s| (s.from, s.until)).collect::<Vec<_>>(), [(312, Some(400)), (400, None)]);
    assert_eq!(spans[1].protection, "host");
    // Whoever knows only one of them is told of the other, and nothing is said of what it signed.
    assert_eq!(kinds(&verify(&log, &[B])), ["sm2_untrusted"]);
    assert_eq!(kinds(&verify(&log, &[A])), ["sm2_untrusted"]);
    // The end of the old key is its own to sign.
    let mut stripped = log.clone();
    strip_line(&mut stripped, over_the_change);
    assert_eq!(kinds(&verify(&stripped, &[B, A])), ["sm2_missing"]);
    // Somebody kept it.
    log.second = Some(A);
    log.sign(HeldBy::Store);
    assert_eq!(kinds(&verify(&log, &[B, A])), ["sm2_missing", "sm2_retired"]);
}

#[test]
fn a_lost_key_is_followed_by_another_and_that_is_told_for_ever() {
    let mut log = switched_on();
    change(&mut log, A, B, true);
    log.grow_to(500);
    change(&mut log, B, C, false);
    log.grow_to(550);
    let report = verify(&log, &[C, A, B]);
    assert!(report.intact, "{report}");
    assert_eq!((report.notices.counts["sm2_lost"], report.notices.counts["sm2_changed"]), (1, 1));
    assert!(report.to_string().contains("was lost and did not sign that"), "{report}");
}

#[test]
fn it_can_be_switched_off_and_on_again() {
    let mut log = switched_on();
    off(&mut log, A);
    log.grow_to(450);
    let report = verify(&log, &[A]);
    assert!(report.intact && report.notices.counts["sm2_off"] == 1, "{report}");
    on(&mut log, A);
    tell(&mut log, &KeyEvent::Kept { key: text(A), protection: "tpm2".into() });
    log.grow_to(500);
    let report = verify(&log, &[A]);
    assert!(report.intact, "{report}");
    let spans = report.sm2.as_ref().unwrap().keys.clone();
    assert_eq!(spans.iter().map(|s| (s.from, s.until)).collect::<Vec<_>>(), [(312, Some(400)), (450, None)]);
    assert_eq!((spans[0].protection.as_str(), spans[1].protection.as_str()), ("file", "tpm2"));
}

#[test]
fn an_epoch_begins_without_one() {
    let mut log = switched_on();
    let lost = log.head();
    log.restore_to(330);
    log.second = None;
    log.open(2, vec![lost]);
    log.grow_to(400);
    let report = verify(&log, &[A]);
    assert!(report.intact, "{report}");
    // Under another key, since the backup had none; from then on each checkpoint has its line.
    on(&mut log, B);
    log.grow_to(450);
    let report = verify(&log, &[B, A]);
    assert!(report.intact, "{report}");
    let spans = report.sm2.unwrap().keys;
    assert_eq!(
        spans.iter().map(|s| (s.epoch, s.from, s.until)).collect::<Vec<_>>(),
        [(1, 312, Some(330)), (2, 400, None)]
    );
    let last = log.checkpoints.len() - 1;
    strip_line(&mut log, last);
    assert_eq!(kinds(&verify(&log, &[B, A])), ["sm2_missing"]);
}
