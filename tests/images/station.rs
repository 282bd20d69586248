//! The same recordings through the whole program: as a folder, on FAT32 and on exFAT. The records that come of it are
//! the same but for what names the way that they came.

use std::fs;

use evidock::domain::recorder::SourcePath;
use serde_json::{Map, Value};

use super::image::{Stamp, dir, file, files_of};
use super::support::station::Station;
use super::*;

/// What differs between two stays of the same recorder: identities, moments of the station's own clock, and the way.
const OF_THE_STAY: [&str; 7] =
    ["record_id", "annotation_rev", "copies", "object_uri", "ingested_at", "uploaded_at", "sealed_log_index"];

/// A record without that; of the origins of its facts, who said them and not when.
fn comparable(mut record: Map<String, Value>) -> Map<String, Value> {
    record.retain(|field, _| !OF_THE_STAY.contains(&field.as_str()));
    // Where only the file's time is known, its raw form is the way's own.
    if record["origins"]["captured_raw"]["origin"] == "file_time" {
        record.remove("captured_raw");
    }
    for origin in record.get_mut("origins").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        *origin = origin["origin"].take();
    }
    record
}

fn recorder() -> Vec<Node> {
    let at = |hour, minute, second| Stamp::new(2026, 6, 19, hour, minute, second);
    let clip = |time: &str, mark: &str, len, seed, stamp| {
        file(&format!("DSJ_36NCC009910_110203_20260619_{time}{mark}.mp4"), footage(len, seed)).modified(stamp)
    };
    vec![
        dir(
            "DCIM",
            vec![dir(
                "VIDEO",
                vec![dir(
                    "2026-06-19",
                    vec![
                        clip("091200", "", 3_000_000, 1, at(9, 27, 0)),
                        clip("092700", "_IMP", 70_001, 2, at(9, 42, 2)),
                        clip("094200", "", 5, 3, at(9, 42, 10)),
                    ],
                )],
            )],
        ),
        dir("LOG", vec![file("20260619.txt", footage(300, 4)).modified(at(9, 42, 10))]),
    ]
}

/// Every record of a station, by the path on the recorder.
fn records(station: &mut Station, bay: &str) -> BTreeMap<String, Map<String, Value>> {
    station.until_safe(bay);
    station.until("the media worker has looked at everything", |s| s.one("SELECT count(*) FROM media", &[]) == "4");
    station.until_proven(4);
    station.assert_vault_is_whole();
    let clips = station.query("SELECT clip_id, path FROM clip ORDER BY path", &[]);
    clips
        .into_iter()
        .map(|row| (SourcePath::new(row[1].as_bytes()).to_text(), station.record(&row[0]).as_object().unwrap().clone()))
        .collect()
}

#[test]
fn a_folder_and_two_file_systems_give_the_same_records() {
    let root = recorder();
    let mut folder = Station::running("");
    let card = folder.card("bay-1");
    // 09:42:10 in Shanghai is 01:42:10 UTC.
    let midnight = 1_781_798_400u64;
    for (path, node) in files_of(&root) {
        let Content::Bytes(bytes) = &node.content else { unreachable!() };
        let time = node.modified.time;
        let s = u64::from(time >> 11) * 3600 + u64::from((time >> 5) & 63) * 60 + u64::from(time & 31) * 2;
        card.file(&path, bytes, 1_781_834_400 - (midnight + s));
    }
    folder.dock("bay-1");
    let expected = records(&mut folder, "bay-1");
    assert_eq!(expected.len(), 4);
    for kind in KINDS {
        let (canvas, _) = match kind {
            Kind::Fat32 => disk(kind, &root),
            Kind::ExFat => image::exfat::disk(&image::exfat::Shape::small(), &root),
        };
        let mut station = Station::running("");
        fs::create_dir_all(station.path("state/docks")).unwrap();
        let image = station.path("cards/bay-1.img");
        canvas.save(&image);
        fs::rename(&image, station.path("state/docks/bay-1.img")).unwrap();
        let found = records(&mut station, "bay-1");
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{kind:?}");
        for (path, record) in &found {
            let (record, expected) = (comparable(record.clone()), comparable(expected[path].clone()));
            let differ: Vec<_> = record.iter().filter(|(field, value)| expected.get(*field) != Some(value)).collect();
            assert!(differ.is_empty(), "{kind:?}: {path}: {differ:#?}");
            assert_eq!(record.len(), expected.len());
            for field in ["sha256", "blake3", "size_bytes", "original_filename", "original_path"] {
                assert!(!record[field].is_null(), "{path}: {field}");
            }
            if path.ends_with("091200.mp4") {
                assert_eq!(record["captured_start"], "2026-06-19T09:12:00+08:00");
                assert_eq!((&record["officer"], &record["device_id"]), (&"110203".into(), &"36NCC009910".into()));
            }
        }
    }
}
