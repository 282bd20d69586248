//! Erasing at recorders, step by step, and how far the log is in other hands.

use crate::domain::clip::{ProofLevel, SightingState};
use crate::domain::erase::{Anchors, Refusal};
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::Abilities;
use crate::store::tests::{events, fixture};
use crate::store::*;

#[test]
fn erasing_is_told_in_its_steps() {
    let f = fixture();
    let clip = f.clip("a");
    f.seal(clip, vec![("cloud".into(), true)]);
    let rows = || f.store.read_blocking(|r| r.erasable(f.dock, &f.recorder)).unwrap();
    let row = rows().remove(0);
    assert_eq!((row.copies.len(), row.copies[0].off_box), (1, false), "never probed: not known to be elsewhere");
    assert!(row.proof_seq.is_some() && row.copies[0].proven_ms.is_none());
    let far = Abilities {
        proof: ProofLevel::ReadBack,
        lock: false,
        same_device: false,
        in_order: false,
        detail: String::new(),
    };
    f.store
        .write_blocking(move |tx| {
            tx.destination_probed("cloud", &far)?;
            tx.proven(clip, "cloud", ProofLevel::ReadBack, "x", None, None)
        })
        .unwrap();
    let row = rows().remove(0);
    assert!(row.copies[0].off_box && row.copies[0].proven_ms.is_some());

    // How far the log is in other hands.
    assert_eq!(f.store.read_blocking(|r| r.anchors()).unwrap(), Anchors::default());
    let station = StationId::new("one").unwrap();
    for (size, stored) in [(2, true), (3, false)] {
        let key = layout::checkpoint(&station, 1, size);
        f.store
            .write_blocking(move |tx| {
                let row = CheckpointRow { epoch: 1, size, root: [0; 32], note: "n".into(), made_ms: 0 };
                tx.add_checkpoint(&row, &key, &["cloud".to_owned(), "here".to_owned()])?;
                let due = tx.read().due_outbox("cloud", i64::MAX, 0, 9)?;
                due.iter().filter(|_| stored).try_for_each(|item| tx.outbox_stored(item.id))
            })
            .unwrap();
    }
    assert_eq!(f.store.read_blocking(|r| r.anchors()).unwrap(), Anchors { signed: 3, stored: 2 });
    // A timestamp goes the same way, and is no checkpoint.
    let stamp = layout::timestamp(&station, 1, 2, 5_000);
    f.store
        .write_blocking(move |tx| {
            tx.post("here", &stamp, "checkpoint", "application/timestamp-reply", b"x", None)?;
            let due = tx.read().due_outbox("here", i64::MAX, 0, 9)?;
            due.iter().try_for_each(|item| tx.outbox_stored(item.id))
        })
        .unwrap();
    let newest = f.store.read_blocking(|r| r.anchored("here")).unwrap();
    assert_eq!(newest, Some(layout::checkpoint(&station, 1, 3)));

    let (dock, sighting) = (f.dock, row.sighting);
    let intend = || f.store.write_blocking(move |tx| tx.erase_intended(dock, &[sighting]));
    let intent = intend().unwrap()[0];
    assert!(matches!(intend(), Err(StoreError::Conflict(_))), "one intent at a time");
    let row = rows().remove(0);
    assert_eq!((row.state, row.intent_seq), (SightingState::EraseIntended, Some(intent)));
    f.store.write_blocking(move |tx| tx.erase_withdrawn(sighting, &Refusal::Held)).unwrap();
    assert_eq!(rows().remove(0).state, SightingState::Present);
    intend().unwrap();
    f.store.write_blocking(move |tx| tx.erased(sighting, false)).unwrap();
    assert!(rows().is_empty());
    let word = f.store.read_blocking(|r| r.clip_state(clip)).unwrap();
    assert_eq!(word.as_str(), "released");
    let kinds: Vec<String> = events(&f).iter().map(|e| e["kind"].as_str().unwrap().to_owned()).collect();
    let about: Vec<&str> = kinds.iter().filter_map(|k| k.strip_prefix("recorder.")).collect();
    assert_eq!(about, ["erase_intended", "erase_withdrawn", "erase_intended", "erased"]);
}
