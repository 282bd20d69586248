//! What counts as proven, and how the word of a clip follows its copies.

use crate::domain::event::{Draft, EventKind};
use crate::domain::ports::Abilities;
use crate::store::tests::{fixture, told};

#[test]
fn nothing_is_proven_by_a_length() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("d".into(), true)]);
    let abilities = Abilities {
        proof: crate::domain::clip::ProofLevel::LengthOnly,
        lock: false,
        same_device: false,
        in_order: false,
        detail: String::new(),
    };
    f.store.write_blocking(move |tx| tx.destination_probed("d", &abilities)).unwrap();
    for level in [crate::domain::clip::ProofLevel::LengthOnly, crate::domain::clip::ProofLevel::None] {
        assert!(f.store.write_blocking(move |tx| tx.proven(clip, "d", level, "x", None, None)).is_err());
    }
    assert_ne!(f.store.read_blocking(|r| r.clip_state(clip)).unwrap().as_str(), "proven");
}

#[test]
fn every_change_of_a_facet_rewrites_the_word() {
    use crate::domain::clip::ProofLevel;
    use crate::domain::error::Retry;
    let f = fixture();
    let clip = f.clip("a");
    let word = || {
        f.store
            .read_blocking(|r| {
                let word: String =
                    r.conn.query_row("SELECT state FROM clip WHERE clip_id = ?1", [clip.to_string()], |x| x.get(0))?;
                assert_eq!(r.clip_state(clip)?.as_str(), word);
                Ok((word, r.figures(0)?.incomplete))
            })
            .unwrap()
    };
    let expect = |wanted: &str, incomplete: u64| assert_eq!(word(), (wanted.to_owned(), incomplete));
    expect("copying", 0);
    f.seal(clip, vec![("d".into(), true)]);
    expect("sealed", 1);
    f.store.write_blocking(move |tx| tx.session_begun(clip, "d", "s", &[])).unwrap();
    expect("sending", 1);
    f.store.write_blocking(move |tx| tx.send_failed(clip, "d", "no", Retry::Operator, 0)).unwrap();
    expect("sealed", 1);
    f.store.write_blocking(move |tx| tx.sent(clip, "d", "s", None)).unwrap();
    expect("sending", 1);
    f.store.write_blocking(move |tx| tx.proven(clip, "d", ProofLevel::ReadBack, "x", None, None)).unwrap();
    expect("proven", 1);
    f.store.write_blocking(move |tx| tx.mismatch(clip, "d", "rot", 0)).unwrap();
    expect("sealed", 1);
}

#[test]
fn a_destination_that_is_configured_no_more_holds_no_clip_back() {
    use crate::domain::clip::ProofLevel;
    use crate::domain::event::Actor;
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("old".into(), true), ("new".into(), true)]);
    f.store.write_blocking(move |tx| tx.proven(clip, "new", ProofLevel::ReadBack, "x", None, None)).unwrap();
    let state = || f.store.read_blocking(|r| r.clip_state(clip)).unwrap().as_str();
    let configure = |names: &[(&str, bool)]| {
        let names: Vec<(String, bool)> = names.iter().map(|(n, required)| ((*n).to_owned(), *required)).collect();
        f.store.write_blocking(move |tx| tx.configure(&names)).unwrap();
    };
    configure(&[("old", true), ("new", true)]);
    assert_eq!((state(), told(&f, "station.configured").len()), ("sending", 0), "nothing changed");
    configure(&[("new", true)]);
    assert_eq!(state(), "proven");
    assert_eq!(told(&f, "station.configured")[0]["destinations"]["old"]["now"], "gone");
    configure(&[("old", true), ("new", true), ("third", false)]);
    assert_eq!(state(), "sending", "it is required again");
    assert_eq!(told(&f, "station.configured").len(), 2, "one event each time");
    f.store.write_blocking(|tx| tx.retry(Some("old"), Draft::by(EventKind::Retried, Actor::os(7), "cli"))).unwrap();
    assert_eq!(told(&f, "delivery.retry")[0]["destination"], "old");
}
