//! Compares everything that a station and its destination hold with what was on the recorders, and both with
//! what the database says. Only reads; never through the daemon, which is what is being judged.
//!
//! [`Site::audit`] holds at any moment, a crash included: what is said is so. [`Site::complete`] holds when all
//! work is done: nothing is missing, nothing is there twice, nothing is left over.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use evidock::custody::losses::Epochs;
use evidock::custody::note::VerifierKey;
use evidock::custody::report::HeldBy;
use evidock::custody::verify::{HeldCheckpoint, Trust, verify_log};
use evidock::domain::event::EventKind;
use evidock::domain::ids::{ClipId, StationId};
use evidock::domain::merkle;
use evidock::domain::{layout, record::Record};
use evidock::vault::Vault;
use evidock::vault::tree::TreeBuilder;
use rusqlite::{Connection, OptionalExtension};

/// What stands at a destination.
pub trait Objects {
    /// The bytes under a key; `None` when there is no object.
    fn get(&self, key: &str) -> Option<Vec<u8>>;
    /// Every key that begins with `prefix`, which ends in a slash.
    fn list(&self, prefix: &str) -> Vec<String>;
}

/// A folder destination's root.
pub struct Folder(pub PathBuf);

impl Objects for Folder {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        fs::read(self.0.join(key)).ok()
    }

    fn list(&self, prefix: &str) -> Vec<String> {
        files(&self.0.join(prefix)).into_iter().map(|f| format!("{prefix}{}", f.display())).collect()
    }
}

/// A recorder's files: recorder id and path on it, bytes.
pub type Recorded = BTreeMap<(String, Vec<u8>), Vec<u8>>;

/// A station with its destinations by name.
pub struct Site<'a> {
    /// Whose.
    pub station: StationId,
    /// Its state directory.
    pub state: PathBuf,
    /// By the names that the configuration gives them.
    pub destinations: Vec<(&'static str, &'a dyn Objects)>,
    /// What is to be taken in.
    pub recorded: &'a Recorded,
}

/// The names of a vault's files.
struct Names {
    vault: Vault,
    root: PathBuf,
}

impl Names {
    fn at(&self, path: PathBuf) -> PathBuf {
        self.root.join(path.strip_prefix(self.vault.root()).unwrap())
    }

    fn master(&self, clip: ClipId) -> PathBuf {
        self.at(self.vault.master(clip))
    }

    fn tree(&self, clip: ClipId) -> PathBuf {
        self.at(self.vault.tree(clip))
    }
}

struct Sealed {
    clip: ClipId,
    blake3: Vec<u8>,
    size: u64,
}

/// What went wrong, in words.
pub type Findings = Vec<String>;

impl Site<'_> {
    /// Everything that must hold at any moment. The daemon must not be running.
    pub fn audit(&self) -> Findings {
        let mut found = Findings::new();
        let scratch = tempfile::tempdir().unwrap();
        let Some(db) = self.copy_of_database(scratch.path(), &mut found) else {
            for (name, objects) in &self.destinations {
                if !objects.list(&format!("v1/{}/", self.station)).iter().all(|k| k.ends_with("/probe")) {
                    found.push(format!("{name} holds objects and there is no database that knows of them"));
                }
            }
            return found;
        };
        let sealed = self.sealed(&db, &mut found);
        self.copying(&db, &mut found);
        self.proven(&db, &sealed, &mut found);
        self.outbox(&db, &mut found);
        self.strangers(&db, &mut found);
        self.log(&db, &mut found);
        self.records(&db, &mut found);
        found
    }

    /// A copy, because opening a database after a crash changes it; `None` while there is no schema yet.
    fn copy_of_database(&self, scratch: &Path, found: &mut Findings) -> Option<Connection> {
        let name = "evidock.db";
        for suffix in ["", "-wal", "-journal"] {
            let file = format!("{name}{suffix}");
            if self.state.join(&file).exists() {
                fs::copy(self.state.join(&file), scratch.join(&file)).unwrap();
            }
        }
        if !scratch.join(name).exists() {
            return None;
        }
        let db = Connection::open(scratch.join(name)).unwrap();
        let verdict = db.query_row("PRAGMA integrity_check(3)", [], |r| r.get::<_, String>(0));
        if !matches!(verdict.as_deref(), Ok("ok")) {
            found.push(format!("the database is damaged: {verdict:?}"));
            return None;
        }
        let tables: i64 =
            db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'clip'", [], |r| r.get(0)).unwrap();
        (tables == 1).then_some(db)
    }

    /// Invariant 1: a sealed clip's file is there with the recorded bytes, which are the recorder's.
    fn sealed(&self, db: &Connection, found: &mut Findings) -> Vec<Sealed> {
        let vault = self.vault();
        let mut sealed = Vec::new();
        type Row = (String, String, Vec<u8>, i64, Vec<u8>, Vec<u8>, i64);
        let rows: Vec<Row> = all(
            db,
            "SELECT clip_id, recorder_id, path, size_bytes, blake3, sha256, sealed_seq FROM clip WHERE local <> 'copying'",
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?)),
        );
        for (id, recorder, path, size, blake3, sha256, seq) in rows {
            let clip: ClipId = id.parse().unwrap();
            match fs::read(vault.master(clip)) {
                Err(e) => found.push(format!("{id} is sealed, its file is not there: {e}")),
                Ok(bytes) => {
                    if blake3::hash(&bytes).as_bytes()[..] != blake3[..]
                        || super::sha256(&bytes).0[..] != sha256[..]
                        || bytes.len() as i64 != size
                    {
                        found.push(format!("{id} is sealed, its file has other bytes ({} of {size})", bytes.len()));
                    }
                }
            }
            match self.recorded.get(&(recorder.clone(), path.clone())) {
                None => found.push(format!("{id} was never on a recorder")),
                Some(bytes) => {
                    if blake3::hash(bytes).as_bytes()[..] != blake3[..] {
                        found.push(format!("{id} is sealed with another digest than the recorder's file has"));
                    }
                    if fs::read(vault.tree(clip)).ok().as_deref() != Some(&outboard(bytes)) {
                        found.push(format!("{id} is sealed, its tree is missing or wrong"));
                    }
                }
            }
            if !event(db, seq, EventKind::Sealed, &id) {
                found.push(format!("{id} is sealed, the log does not say so at {seq}"));
            }
            sealed.push(Sealed { clip, blake3, size: size as u64 });
        }
        sealed
    }

    /// What was reported durable of a copy is there, under one name or the other.
    fn copying(&self, db: &Connection, found: &mut Findings) {
        let vault = self.vault();
        let rows: Vec<(String, i64, Vec<u8>)> = all(
            db,
            "SELECT clip_id, durable_bytes, durable_blake3 FROM clip WHERE local = 'copying' AND durable_bytes > 0",
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
        );
        for (id, durable, blake3) in rows {
            let master = vault.master(id.parse().unwrap());
            let part = master.with_file_name(format!("{id}.part"));
            let bytes = fs::read(&master).or_else(|_| fs::read(part)).unwrap_or_default();
            let prefix = bytes.get(..durable as usize).map(blake3::hash);
            if prefix.is_none_or(|p| p.as_bytes()[..] != blake3[..]) {
                found.push(format!("{id} was durable up to {durable}, {} bytes or others are there", bytes.len()));
            }
        }
    }

    /// Invariant 5: what is proven stands at the destination, with its tree, byte for byte.
    fn proven(&self, db: &Connection, sealed: &[Sealed], found: &mut Findings) {
        let rows: Vec<(String, String)> =
            all(db, "SELECT clip_id, destination FROM delivery WHERE state = 'proven'", |r| Ok((r.get(0)?, r.get(1)?)));
        for (id, destination) in rows {
            let clip: ClipId = id.parse().unwrap();
            let Some(objects) = self.destination(&destination) else { continue };
            let Some(row) = sealed.iter().find(|s| s.clip == clip) else {
                found.push(format!("{id} is proven at {destination} and not sealed"));
                continue;
            };
            match objects.get(&layout::master(&self.station, clip)) {
                None => found.push(format!("{id} is proven at {destination}, the object is not there")),
                Some(bytes) if blake3::hash(&bytes).as_bytes()[..] != row.blake3[..] => {
                    found.push(format!(
                        "{id} is proven at {destination}, the object has other bytes ({} of {})",
                        bytes.len(),
                        row.size
                    ));
                }
                Some(bytes) => {
                    if objects.get(&layout::tree(&self.station, clip)) != Some(outboard(&bytes)) {
                        found.push(format!("{id} is proven at {destination}, its tree is missing or wrong there"));
                    }
                }
            }
            let said: i64 = db
                .query_row(
                    "SELECT count(*) FROM log_entry WHERE kind = ?2 AND clip_id = ?1",
                    (&id, EventKind::Proven.as_str()),
                    |r| r.get(0),
                )
                .unwrap();
            if said == 0 {
                found.push(format!("{id} is proven at {destination}, the log does not say so"));
            }
        }
    }

    /// Every small object that was stored stands there with the bytes that were sent.
    fn outbox(&self, db: &Connection, found: &mut Findings) {
        let rows: Vec<(String, String, String, Option<String>)> =
            all(db, "SELECT destination, key, kind, clip_id FROM outbox WHERE stored_ms IS NOT NULL", |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
            });
        for (destination, key, kind, clip) in rows {
            let Some(objects) = self.destination(&destination) else { continue };
            let Some(bytes) = objects.get(&key) else {
                found.push(format!("{key} was stored at {destination} and is not there"));
                continue;
            };
            let wanted: Option<Vec<u8>> = match kind.as_str() {
                "record" => {
                    let rev: i64 = key.rsplit('/').next().unwrap().trim_end_matches(".json").parse().unwrap();
                    db.query_row("SELECT json FROM record_rev WHERE clip_id = ?1 AND rev = ?2", (clip, rev), |r| {
                        r.get(0)
                    })
                    .optional()
                    .unwrap()
                }
                "checkpoint" => {
                    let size: i64 = key.rsplit('/').next().unwrap().parse().unwrap();
                    // Several may have been signed at one size; the first was posted.
                    db.query_row(
                        "SELECT note FROM checkpoint WHERE size = ?1 ORDER BY checkpoint_id LIMIT 1",
                        [size],
                        |r| r.get::<_, String>(0),
                    )
                    .optional()
                    .unwrap()
                    .map(String::into_bytes)
                }
                _ => bytes
                    .split(|b| *b == b'\n')
                    .filter(|line| !line.is_empty())
                    .all(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok())
                    .then(|| bytes.clone())
                    .filter(|b| !b.is_empty()),
            };
            if wanted.as_ref() != Some(&bytes) {
                found.push(format!("{key} was stored at {destination} and has other bytes ({})", bytes.len()));
            }
        }
    }

    /// Nothing stands at a destination that the database has forgotten.
    fn strangers(&self, db: &Connection, found: &mut Findings) {
        let known: BTreeSet<String> =
            all(db, "SELECT clip_id FROM clip WHERE local <> 'copying'", |r| r.get(0)).into_iter().collect();
        let posted: BTreeSet<String> = all(db, "SELECT key FROM outbox", |r| r.get(0)).into_iter().collect();
        for (name, objects) in &self.destinations {
            let clips = format!("v1/{}/clips/", self.station);
            let tiles = format!("v1/{}/log/tiles/", self.station);
            for key in objects.list("v1/") {
                let probe = key.ends_with("/probe");
                let of_clip = key.strip_prefix(&clips).and_then(|k| k.split_once('/'));
                let fine = match of_clip {
                    Some((id, "master" | "tree")) => known.contains(id),
                    _ if key.starts_with(&tiles) => is_of_log(db, &key, &objects.get(&key).unwrap()),
                    _ => probe || posted.contains(&key),
                };
                if !fine {
                    found.push(format!("{name} holds {key}, of which the database knows nothing"));
                }
            }
        }
    }

    /// The tree is computed anew from the entries, and every checkpoint, ours and the anchors, agrees with it.
    fn log(&self, db: &Connection, found: &mut Findings) {
        let entries: Vec<(u64, Vec<u8>)> =
            all(db, "SELECT seq, bytes FROM log_entry ORDER BY seq", |r| Ok((r.get::<_, i64>(0)? as u64, r.get(1)?)));
        if entries.is_empty() {
            return;
        }
        let Ok(key) = fs::read_to_string(self.state.join("log.key.pub")) else {
            // The public half is written again from the private one.
            if !self.state.join("log.key").exists() {
                found.push("there is a log and no key".to_owned());
            }
            return;
        };
        let node = |level: u8, index: u64| -> rusqlite::Result<merkle::Hash> {
            let hash: Vec<u8> =
                db.query_row("SELECT hash FROM log_node WHERE level = ?1 AND idx = ?2", (level, index as i64), |r| {
                    r.get(0)
                })?;
            Ok(hash.try_into().unwrap())
        };
        let size = entries.len() as u64;
        let tree = match merkle::root(size, node) {
            Ok(root) => Some((size, root)),
            Err(e) => {
                found.push(format!("the log's tree has a hole: {e}"));
                None
            }
        };
        let mut checkpoints: Vec<HeldCheckpoint> = all(db, "SELECT note FROM checkpoint", |r| r.get::<_, String>(0))
            .into_iter()
            .map(|note| HeldCheckpoint { held_by: HeldBy::Store, note: note.into_bytes() })
            .collect();
        for (name, objects) in &self.destinations {
            for key in objects.list(&format!("v1/{}/log/checkpoint/", self.station)) {
                let note = objects.get(&key).unwrap_or_default();
                checkpoints.push(HeldCheckpoint { held_by: HeldBy::Anchor((*name).to_owned()), note });
            }
        }
        let keys: Vec<VerifierKey> = vec![key.trim().parse().unwrap()];
        let trust = Trust { station: &self.station, keys: &keys, sm2: &[], tree, epochs: Epochs::default() };
        let report = verify_log(&trust, entries.into_iter().map(Ok::<_, Infallible>), checkpoints);
        if !report.intact {
            found.push(format!("the log does not verify: {report}"));
        }
    }

    /// Every revision of every record is there and readable, and is posted; so is its line of the catalogue.
    fn records(&self, db: &Connection, found: &mut Findings) {
        let clips: Vec<(String, i64)> = all(db, "SELECT clip_id, record_rev FROM clip", |r| Ok((r.get(0)?, r.get(1)?)));
        let posted: BTreeSet<(String, String)> =
            all(db, "SELECT destination, key FROM outbox", |r| Ok((r.get(0)?, r.get(1)?))).into_iter().collect();
        for (id, newest) in clips {
            let clip: ClipId = id.parse().unwrap();
            let mut statement =
                db.prepare("SELECT rev, json, catalogue_seq FROM record_rev WHERE clip_id = ?1 ORDER BY rev").unwrap();
            let revs: Vec<(i64, Vec<u8>, Option<i64>)> = statement
                .query_map([&id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            if !revs.iter().map(|r| r.0).eq(1..=newest) {
                found.push(format!("{id} has record revision {newest}, not every one up to it is there"));
            }
            for (rev, json, line) in revs {
                if !serde_json::from_slice::<Record>(&json).is_ok_and(|r| r.record_id == id) {
                    found.push(format!("{id}: record revision {rev} cannot be read"));
                }
                let key = layout::record(&self.station, clip, rev as u32);
                let line = line.map(|seq| layout::catalogue(&self.station, seq as u64));
                for (name, _) in &self.destinations {
                    for key in [Some(&key), line.as_ref()].into_iter().flatten() {
                        if !posted.contains(&((*name).to_owned(), key.clone())) {
                            found.push(format!("{key} was never posted to {name}"));
                        }
                    }
                }
            }
        }
    }

    /// Everything that must hold when all work is done, [`Site::audit`] included.
    pub fn complete(&self) -> Findings {
        let mut found = self.audit();
        let scratch = tempfile::tempdir().unwrap();
        let Some(db) = self.copy_of_database(scratch.path(), &mut found) else {
            found.push("there is no database".to_owned());
            return found;
        };
        type File = (String, Vec<u8>);
        let mut clips: BTreeMap<File, Vec<(String, String)>> = BTreeMap::new();
        for (id, recorder, path, local) in all(&db, "SELECT clip_id, recorder_id, path, local FROM clip", |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, Vec<u8>>(2)?, r.get::<_, String>(3)?))
        }) {
            clips.entry((recorder, path)).or_default().push((id, local));
        }
        for file in self.recorded.keys() {
            let name = String::from_utf8_lossy(&file.1);
            match clips.get(file).map(Vec::as_slice) {
                None => found.push(format!("{name} was not taken in")),
                Some([(_, local)]) if local == "sealed" => {}
                Some(other) => found.push(format!("{name} is {other:?}")),
            }
        }
        let count = |sql: &str| -> i64 { db.query_row(sql, [], |r| r.get(0)).unwrap() };
        let wanted = (self.recorded.len() * self.destinations.len()) as i64;
        let proven = count("SELECT count(*) FROM delivery WHERE state = 'proven'");
        if proven != wanted {
            found.push(format!("{proven} deliveries are proven, {wanted} should be"));
        }
        if count("SELECT count(*) FROM clip WHERE quarantine IS NOT NULL") > 0 {
            found.push("a clip is in quarantine".to_owned());
        }
        // The vault holds a master and a tree for each clip, and nothing else.
        let vault = self.vault();
        let known: BTreeSet<PathBuf> = clips
            .values()
            .flatten()
            .flat_map(|(id, _)| [vault.master(id.parse().unwrap()), vault.tree(id.parse().unwrap())])
            .collect();
        let clips_dir = vault.root.join("clips");
        for file in files(&clips_dir) {
            if !known.contains(&clips_dir.join(&file)) {
                found.push(format!("{} was left over in the vault", file.display()));
            }
        }
        found
    }

    fn vault(&self) -> Names {
        // A vault elsewhere knows the names, too; opening the one that is judged would make directories in it.
        let scratch = tempfile::tempdir().unwrap();
        Names { vault: Vault::open(scratch.path()).unwrap(), root: self.state.join("vault") }
    }

    fn destination(&self, name: &str) -> Option<&dyn Objects> {
        self.destinations.iter().find(|(n, _)| *n == name).map(|(_, o)| *o)
    }
}

fn event(db: &Connection, seq: i64, kind: EventKind, clip: &str) -> bool {
    db.query_row("SELECT kind = ?2 AND clip_id = ?3 FROM log_entry WHERE seq = ?1", (seq, kind.as_str(), clip), |r| {
        r.get(0)
    })
    .optional()
    .unwrap()
    .unwrap_or(false)
}

fn all<T>(db: &Connection, sql: &str, row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], row).unwrap();
    rows.map(Result::unwrap).collect()
}

/// The outboard that a clip with these bytes has.
pub fn outboard(bytes: &[u8]) -> Vec<u8> {
    let mut tree = TreeBuilder::new(Vec::new());
    tree.update(bytes).unwrap();
    tree.finish().unwrap().1
}

/// Every file below a directory, relative to it, in order; none when there is no directory.
pub fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.strip_prefix(root).unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

/// What a recorder's directory holds, under its recorder's id.
pub fn recorded(recorder: &str, dir: &Path) -> Recorded {
    let read = |file: PathBuf| {
        let bytes = fs::read(dir.join(&file)).unwrap();
        ((recorder.to_owned(), file.as_os_str().as_bytes().to_owned()), bytes)
    };
    files(dir).into_iter().map(read).collect()
}

/// Whether an object below the tiles' prefix says what the log says (C2SP tlog-tiles). It is made of the log alone, so
/// that nobody keeps a list of those that stand anywhere.
fn is_of_log(db: &Connection, key: &str, bytes: &[u8]) -> bool {
    let Some((_, path)) = key.split_once("/tile/") else { return false };
    let (kind, place) = path.split_once('/').unwrap();
    let (place, width) = place.split_once(".p/").map_or((place, 256), |(place, w)| (place, w.parse().unwrap()));
    let n: i64 = place.replace(['x', '/'], "").parse().unwrap();
    let first = n * 256;
    let wanted: Vec<Vec<u8>> = match kind {
        "entries" => all(
            db,
            &format!("SELECT bytes FROM log_entry WHERE seq >= {first} AND seq < {} ORDER BY seq", first + width),
            |r| r.get::<_, Vec<u8>>(0),
        )
        .into_iter()
        .map(|entry| [&(entry.len() as u16).to_be_bytes()[..], &entry].concat())
        .collect(),
        level => all(
            db,
            &format!(
                "SELECT hash FROM log_node WHERE level = {} AND idx >= {first} AND idx < {} ORDER BY idx",
                8 * level.parse::<i64>().unwrap(),
                first + width
            ),
            |r| r.get(0),
        ),
    };
    wanted.len() as i64 == width && wanted.concat() == bytes
}
