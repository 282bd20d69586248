//! A disk that says what it likes: partitions, FAT and exFAT are parsed as the reader of disks does it, everything is
//! listed, and it is asked where the bytes of every file stand. The form of the input stands in the module that is
//! included, which the tests use, too.

#![no_main]

#[path = "../../tests/support/exercise.rs"]
mod exercise;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Some(disk) = exercise::Sparse::decode(input) {
        let bytes = disk.bytes();
        let _ = exercise::exercise(Box::new(disk), bytes);
    }
});
