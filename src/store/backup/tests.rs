//! A copy of the database stands for one moment.

use crate::runtime::clock::SystemClock;
use crate::store::tests::fixture;
use crate::store::*;

#[test]
fn a_copy_of_the_database_is_consistent_while_it_is_written_to() {
    let f = fixture();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("copy.db");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..300 {
                f.clip(&format!("{n}"));
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let copied = f.store.snapshot(&to).unwrap();
            let copy = Store::open_read_only(&to, SystemClock::new()).unwrap();
            let (clips, seen, check) =
                copy.read_blocking(|r| Ok((r.copying()?.len() as u64, r.log_size()?, r.check()?))).unwrap();
            // One event opens the dock, then each clip is one.
            assert_eq!((check.verdict.as_str(), clips + 1, seen), ("ok", copied.log_size, copied.log_size));
            assert!(copied.log_size >= last);
            last = copied.log_size;
        }
    });
}
