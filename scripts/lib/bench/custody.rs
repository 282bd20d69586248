//! The custody log for the figures of the group `custody`: appends events, makes and checks proofs, opens a station's
//! database. Used by `scripts/bench`; no part of the program.
//!
//! ```text
//! custody append DIR EVENTS        appends so many events in batches; tells the seconds that took
//! custody beside DIR TIMES         so many transactions of an ordinary change, and as many with an event beside it, in turns;
//!                                  tells what an event adds to one, and what one takes without, in microseconds
//! custody prove DIR TIMES          proofs of entries all over the log; tells the largest and the median, in milliseconds
//! custody open DIR                 opens the database as a start does; tells milliseconds, and bytes that were read
//! ```

use std::error::Error;
use std::path::Path;

use evidock::domain::error::Retry;
use evidock::domain::event::{Draft, EventKind};
use evidock::domain::ids::{ClipId, StationId};
use evidock::domain::merkle;
use evidock::domain::ports::Clock;
use evidock::runtime::clock::{SystemClock, monotonic};
use evidock::store::Store;

/// Events of one transaction, as a busy minute has them.
const BATCH: u64 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["append", dir, events] => append(Path::new(dir), events.parse()?),
        ["beside", dir, times] => beside(Path::new(dir), times.parse()?),
        ["prove", dir, times] => prove(Path::new(dir), times.parse()?),
        ["open", dir] => {
            let (began, before) = (monotonic(), bytes_read()?);
            let store = store(Path::new(dir))?;
            let ms = began.elapsed().as_secs_f64() * 1000.0;
            print(&[ms, (bytes_read()? - before) as f64]);
            store.close();
            Ok(())
        }
        _ => {
            Err("custody append DIR EVENTS | custody beside DIR TIMES | custody prove DIR TIMES | custody open DIR"
                .into())
        }
    }
}

#[allow(clippy::print_stdout)] // What it tells is read by the script.
fn print(numbers: &[f64]) {
    println!("{}", numbers.iter().map(|n| format!("{n:.4}")).collect::<Vec<_>>().join(" "));
}

fn store(dir: &Path) -> Result<Store, Box<dyn Error>> {
    Ok(Store::open(&dir.join("evidock.db"), &StationId::new("bench")?, SystemClock::new())?)
}

fn append(dir: &Path, events: u64) -> Result<(), Box<dyn Error>> {
    let store = store(dir)?;
    let clip = ClipId::generate(SystemClock::new().now().0);
    let began = monotonic();
    let mut left = events;
    while left > 0 {
        let batch = left.min(BATCH);
        store.write_blocking(move |tx| {
            let event = ordinary(clip);
            (0..batch).try_for_each(|_| tx.log(&event).map(drop))
        })?;
        left -= batch;
    }
    print(&[began.elapsed().as_secs_f64()]);
    store.close();
    Ok(())
}

/// The size of an ordinary one: a clip, a destination, a digest.
fn ordinary(clip: ClipId) -> Draft {
    let event = Draft::daemon(EventKind::Proven).fact("destination", "county-cloud");
    event.fact("checksum", "ab".repeat(32)).clip(clip)
}

/// The daemon never stores an event alone: it stands in the transaction of what it tells of, which is made durable anyway.
fn beside(dir: &Path, times: u64) -> Result<(), Box<dyn Error>> {
    let store = store(dir)?;
    let clip = ClipId::generate(SystemClock::new().now().0);
    let mut took = [0.0; 2];
    for n in 0..2 * times {
        let with_event = n % 2 == 1;
        let began = monotonic();
        store.write_blocking(move |tx| {
            tx.destination_trouble("county-cloud", Some((&n.to_string(), Retry::Transient)))?;
            if with_event {
                tx.log(&ordinary(clip))?;
            }
            Ok(())
        })?;
        took[usize::from(with_event)] += began.elapsed().as_secs_f64() * 1e6 / times as f64;
    }
    print(&[took[1] - took[0], took[0]]);
    store.close();
    Ok(())
}

fn prove(dir: &Path, times: u64) -> Result<(), Box<dyn Error>> {
    let store = store(dir)?;
    let (size, root) = store.read_blocking(|r| {
        let size = r.log_size()?;
        Ok((size, r.log_root(size)?))
    })?;
    let mut all = Vec::new();
    for n in 0..times {
        // Spread over the log without a pattern that a tree would like.
        let seq = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 8) % size;
        let began = monotonic();
        let (row, path) = store.read_blocking(move |r| Ok((r.log_entry(seq)?, r.log_path(seq, size)?)))?;
        all.push(began.elapsed().as_secs_f64() * 1000.0);
        let path = path.ok_or("an entry without a path")?;
        if !merkle::verify_inclusion(seq, size, &merkle::leaf_hash(&row.bytes), &path, &root) {
            return Err(format!("the proof of {seq} does not hold").into());
        }
    }
    all.sort_by(f64::total_cmp);
    print(&[all.last().copied().unwrap_or_default(), all.get(all.len() / 2).copied().unwrap_or_default()]);
    store.close();
    Ok(())
}

/// Bytes that this process has read so far, from disk or cache (proc(5), io: rchar).
fn bytes_read() -> Result<u64, Box<dyn Error>> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: ")).ok_or("no rchar")?;
    Ok(line.parse()?)
}
