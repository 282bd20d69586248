//! Recorders that are disks: FAT12, FAT16, FAT32 and exFAT, with partitions or without, read in user space.
//!
//! | file | owns | runs |
//! | --- | --- | --- |
//! | [`shelf`] | the port: sessions with the reader, erasing, what is believed of an answer | in the daemon |
//! | [`content`] | a file's bytes from the disk, past the page cache, to the last good sector | in the daemon |
//! | [`image`] | rights over an image file, for tests and for images on disk | in the daemon |
//! | [`wire`] | jobs and answers | both |
//! | [`reader`] | the child's jobs | in the child |
//! | [`files`] | volumes, the walk, paths, where a file's bytes stand | in the child |
//! | [`partitions`], [`fat`], [`exfat`], [`clusters`], [`names`] | the formats: pure over [`blocks`] | in the child |
//! | [`blocks`] | bounded reads of metadata | in the child |
//! | [`erase`] | erasing one file, and what a power cut leaves | in a child of its own |
//!
//! Times of FAT are local times of the recorder without a zone. exFAT can tell its zone; where it does, the time is an
//! instant and written with it.

pub mod blocks;
pub mod clusters;
pub mod content;
pub mod erase;
pub mod exfat;
pub mod fat;
pub mod files;
pub mod image;
pub mod names;
pub mod partitions;
pub mod reader;
pub mod shelf;
pub mod wire;

pub use image::DiskImage;
pub use shelf::DiskShelf;

/// The word after `evidock worker` for a reader of disks.
pub const READER_KIND: &str = "reader";

/// The word after `evidock worker` for the child that erases one file.
pub const ERASER_KIND: &str = "eraser";
