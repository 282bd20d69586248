//! What an intake tells of what it could not read, or goes on with.

use crate::domain::ids::BayName;
use crate::domain::recorder::{ShelfEntry, SourcePath};
use crate::store::tests::{fixture, told};
use crate::store::*;

#[test]
fn a_recorder_full_of_unreadable_places_does_not_flood_the_log() {
    let f = fixture();
    let dock = f.dock;
    let places = |from: u32, to: u32| -> Vec<(SourcePath, String)> {
        (from..to).map(|n| (SourcePath::new(n.to_string()), "bad".to_owned())).collect()
    };
    for (from, to) in [(0, 990), (0, 990), (990, 1_500), (0, 1_500), (1_500, 1_600)] {
        let batch = places(from, to);
        f.store.write_blocking(move |tx| tx.unreadable(dock, &batch)).unwrap();
    }
    let told = told(&f, "dock.unreadable");
    let more: Vec<u64> = told.iter().filter_map(|e| e["more"].as_u64()).collect();
    assert_eq!((told.len() - more.len(), more), (1_000, vec![500, 100]));
    assert_eq!(f.store.read_blocking(|r| r.unreadable_at(dock)).unwrap().len(), 1_600, "all are shown");
}

#[test]
fn an_interrupted_copy_that_goes_on_at_another_dock_is_an_event() {
    let f = fixture();
    let clip = f.clip("a");
    let (recorder, again) = (f.recorder.clone(), f.recorder.clone());
    let new = NewDock {
        bay: BayName::new("2").unwrap(),
        recorder,
        identified: "bay".into(),
        kind: "folder",
        profile: "generic".into(),
        model: None,
    };
    let entry = ShelfEntry { path: SourcePath::new("a"), size_bytes: 3, modified_raw: "t".into(), modified_ms: None };
    let dock = f.store.write_blocking(move |tx| tx.dock(&new)).unwrap();
    f.store
        .write_blocking(move |tx| {
            tx.resume_clip(clip, dock, &again, &entry)?;
            tx.resume_clip(clip, dock, &again, &entry)
        })
        .unwrap();
    assert_eq!(told(&f, "clip.copy_resumed").len(), 1);
}
