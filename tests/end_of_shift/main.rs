//! The end of a shift: ten recorders docked at once, each as slow as its card. Everyone may leave when the cards allow
//! it, and what the station says meanwhile is true all along.
//!
//! The cards are FAT32 and exFAT images in a directory that gives each of them its speed ([`slow`]). What they allow is
//! measured in the same run, by reading all of them at once with nothing between. With `EVIDOCK_TEST_FULL=1`
//! (`scripts/test --full`) each has a recording of 2 GB, which takes 45 GB of disk; without, one of 16 MB.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

#[path = "../support/image/mod.rs"]
mod image;
mod slow;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evidock::runtime::clock::monotonic;
use image::{Content, Node, dir, file};
use slow::SlowCards;
use support::station::{Station, dsj, folder};

const RECORDERS: u64 = 10;

/// A recording, and how fast its card gives it, bytes and bytes a second.
#[derive(Clone, Copy)]
struct Size {
    recording: u64,
    per_second: u64,
}

impl Size {
    fn of_this_run() -> Self {
        let full = std::env::var_os("EVIDOCK_TEST_FULL").is_some_and(|v| v == "1");
        if full {
            Self { recording: 2_000_000_000, per_second: 10_000_000 }
        } else {
            Self { recording: 16_000_000, per_second: 1_000_000 }
        }
    }
}

/// Zeros with something of its own in every mebibyte, so that no two recordings are the same.
fn recording(seed: u64, len: u64) -> Content {
    let marks = (0..len >> 20).map(|n| (n << 20, support::footage(512, seed << 32 | n).to_vec())).collect();
    Content::Sparse(len, marks)
}

/// A card with one long recording, a short one and a log; every third has exFAT.
fn card(n: u64, size: Size, path: &Path) {
    let device = format!("36NCC{n:06}");
    let root: Vec<Node> = vec![
        dir(
            "DCIM",
            vec![dir(
                "2026-06-19",
                vec![
                    file(dsj(&device, "091200").rsplit('/').next().unwrap(), recording(n, size.recording)),
                    file(dsj(&device, "101500").rsplit('/').next().unwrap(), support::footage(70_000, n).to_vec()),
                ],
            )],
        ),
        file("20260619.txt", support::footage(300, n + 100).to_vec()),
    ];
    // Room for the recording and as much again, however little it is: FAT32 has at least 65,525 clusters.
    let clusters = u32::try_from(2 * size.recording / 32_768 + 70_000).unwrap();
    let (canvas, _) = if n.is_multiple_of(3) {
        image::exfat::disk(
            &image::exfat::Shape { cluster_bytes: 32_768, clusters, ..image::exfat::Shape::small() },
            &root,
        )
    } else {
        image::fat::disk(&image::fat::Shape { sectors_per_cluster: 64, clusters, ..image::fat::Shape::fat32() }, &root)
    };
    canvas.save(path);
}

/// How long the cards need when nothing but them is in the way: all read at once, so much of each.
fn what_the_cards_allow(cards: &[PathBuf], below: &Path, size: Size) -> Duration {
    let slow = SlowCards::mount(cards, below, size.per_second);
    let begun = monotonic();
    std::thread::scope(|scope| {
        for card in cards {
            let path = below.join(card.file_name().unwrap());
            scope.spawn(move || {
                let (card, mut buf) = (File::open(path).unwrap(), vec![0; 1 << 20]);
                let mut at = 0;
                while at < size.recording {
                    at += card.read_at(&mut buf, at).unwrap() as u64;
                }
            });
        }
    });
    let took = monotonic() - begun;
    drop(slow);
    took
}

/// What the page says of each bay: may the recorder go, and how far it is, percent.
fn bays(page: &str) -> BTreeMap<String, (bool, Option<u64>)> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = async { client.get(format!("{page}/api/v1/bays")).send().await?.error_for_status()?.bytes().await };
    let answer = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(asked).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let bays = answer["bays"].as_array().unwrap();
    bays.iter()
        .map(|bay| (bay["bay"].as_str().unwrap().to_owned(), (bay["safe_to_remove"] == true, bay["percent"].as_u64())))
        .collect()
}

#[test]
fn ten_recorders_at_once_leave_when_their_cards_allow_it() {
    support::install_tls();
    let size = Size::of_this_run();
    let mut station = Station::new("");
    station.be_patient();
    station.configure(&folder("second-disk", &station.path("cloud").display().to_string()));
    let cards: Vec<PathBuf> = (1..=RECORDERS)
        .map(|n| {
            let path = station.path(format!("cards/bay-{n}.img"));
            card(n, size, &path);
            path
        })
        .collect();
    let allowed = what_the_cards_allow(&cards, &station.path("bare"), size);

    let slow = SlowCards::mount(&cards, &station.path("state/docks"), size.per_second);
    station.start();
    let begun = monotonic();
    let mut left: BTreeMap<String, Duration> = BTreeMap::new();
    let page = station.page();
    let mut percents: BTreeMap<String, u64> = BTreeMap::new();
    station.until("everyone may leave", |s| {
        let before = monotonic() - begun;
        for (bay, (safe, percent)) in bays(&page) {
            if safe {
                if left.insert(bay.clone(), before).is_none() {
                    // Safe is said after the seal, never before it: what is in the database now was there then.
                    let sql = "SELECT count(*) FROM clip c JOIN dock d USING (dock_id)
                               WHERE d.bay = ?1 AND c.local = 'sealed' AND c.size_bytes = c.declared_bytes";
                    assert_eq!(s.one(sql, &[&bay]), "3", "{bay} is called safe, and not all of it is sealed");
                }
            } else {
                assert!(!left.contains_key(&bay), "what was said of {bay} is taken back");
            }
            if let Some(percent) = percent {
                let last = percents.insert(bay.clone(), percent).unwrap_or(0);
                assert!(percent >= last, "{bay} went back from {last} % to {percent} %");
            }
        }
        left.len() as u64 == RECORDERS
    });
    let took = monotonic() - begun;
    println!("the cards allow {:.1} s, the last could leave after {:.1} s", allowed.as_secs_f64(), took.as_secs_f64());
    // Beyond the reading itself: finding the recorder, listing it twice, reading back what was written.
    let limit = allowed.mul_f64(1.15) + Duration::from_secs(20);
    assert!(took <= limit, "the last could leave after {took:?}; the cards allow {allowed:?}");
    assert!(percents.values().any(|p| *p > 0), "percents were said");
    station.until_proven(3 * RECORDERS);
    station.stop();
    drop(slow);
    station.assert_vault_is_whole();
}
