//! Which backup a restore begins with: the newest that is whole, opens, and is what its signed note says; an older one
//! where that one is not. A download that was cut goes on where it was.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use futures_util::StreamExt;

use crate::command::Ended;
use crate::command::backup::{at_destination, called, note_at, small};
use crate::command::exit::Exit;
use crate::command::output::Output;
use crate::custody::backup::BackupNote;
use crate::custody::note::VerifierKey;
use crate::deliver::backup::{PackError, identities, measure, open_small, unpack};
use crate::domain::digest::Sha256;
use crate::domain::error::chain;
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::Destination;
use crate::runtime::clock::SystemClock;
use crate::runtime::{durable, task};
use crate::store::{BackupKey, Store};

/// So many tries in a row that bring nothing end a download.
const FRUITLESS_TRIES: u32 = 5;
/// An encrypted log key has some 400 bytes.
const MAX_KEY_BYTES: usize = 16 << 10;

/// A backup that was opened.
pub struct Opened {
    /// Which.
    pub key: BackupKey,
    /// What its note says, which was found to be so.
    pub note: BackupNote,
    /// The log's key as a file holds it, where it was in the backup.
    pub log_key: Option<Vec<u8>>,
    /// Likewise the SM2 key.
    pub sm2_key: Option<Vec<u8>>,
}

/// What is asked of a backup.
pub struct Wanted<'a> {
    /// Where it stands.
    pub dest: &'a dyn Destination,
    /// Whose.
    pub station: &'a StationId,
    /// The file with the secret half.
    pub identity: &'a Path,
    /// Keys that must have signed the note; empty: its own word is taken.
    pub trusted: &'a [VerifierKey],
    /// Where to work.
    pub work: &'a Path,
}

/// Opens the newest good backup into `database`; `None` where no backup stands there. Each one that cannot be used is
/// told in `passed_over`.
pub async fn newest_good(
    wanted: &Wanted<'_>,
    database: &Path,
    output: &Output,
    passed_over: &mut Vec<String>,
) -> anyhow::Result<Option<Opened>> {
    let all = at_destination(wanted.dest, wanted.station).await.context("listing the backups")?;
    let count = all.len();
    // Before anything is downloaded: a slip here concerns all of them.
    let secret = identities(wanted.identity)?;
    let mut wrong_identity = false;
    for key in all {
        match open(wanted, key, &secret, database, output).await {
            Ok(opened) => return Ok(Some(opened)),
            Err(e) => {
                wrong_identity |= matches!(e.downcast_ref::<PackError>(), Some(PackError::WrongIdentity));
                let words = format!("backup {}: {e:#}", called(key));
                output.note(&format!("passed over: {words}"));
                passed_over.push(words);
            }
        }
    }
    if count == 0 {
        return Ok(None);
    }
    let hint = if wrong_identity { "give the identity that belongs to it; " } else { "" };
    Err(Ended::with(
        Exit::Mismatch,
        format!(
            "none of the {count} backups at {} can be used ({}); {hint}`--without-backup` rebuilds from the records alone",
            wanted.dest.name(),
            passed_over.join("; ")
        ),
    ))
}

async fn open(
    wanted: &Wanted<'_>,
    key: BackupKey,
    secret: &[age::x25519::Identity],
    database: &Path,
    output: &Output,
) -> anyhow::Result<Opened> {
    let (note, _) = note_at(wanted.dest, wanted.station, key).await.map_err(anyhow::Error::msg)?;
    if !wanted.trusted.is_empty() && !wanted.trusted.contains(&note.key) {
        anyhow::bail!("its note is signed by {}, which is none of the trusted keys", note.key);
    }
    let object = layout::backup_database(wanted.station, key.epoch, key.seq);
    let packed = wanted.work.join(format!("packed-{:04}-{:06}", key.epoch, key.seq));
    download(wanted.dest, &object, &packed, note.size_bytes, output).await?;
    let checked = {
        let packed = packed.clone();
        task::blocking("restore", move || measure(&packed)).await??
    };
    if checked.sha256 != note.sha256 {
        // Nothing to go on with: another try must not begin from it.
        fs::remove_file(&packed)?;
        anyhow::bail!("its bytes are not those of its note");
    }
    let draft = wanted.work.join("unpacked.db");
    remove_database(&draft)?;
    {
        let (packed, draft, secret, bytes) = (packed.clone(), draft.clone(), secret.to_vec(), note.database_bytes);
        task::blocking("restore", move || unpack(&packed, &draft, bytes, &secret)).await??;
    }
    let at = layout::backup_log_key(wanted.station, key.epoch, key.seq);
    let log_key = sealed_key(wanted.dest, &at, note.log_key, secret).await?;
    let at = layout::backup_sm2_key(wanted.station, key.epoch, key.seq);
    let sm2_key = sealed_key(wanted.dest, &at, note.sm2_key, secret).await?;
    let (path, station, expected) = (draft.clone(), wanted.station.clone(), note.clone());
    task::blocking("restore", move || look_through(&path, &station, &expected)).await??;
    rename_database(&draft, database)?;
    fs::remove_file(&packed)?;
    Ok(Opened { key, note, log_key, sm2_key })
}

/// A key in a backup whose note gives its digest, opened.
async fn sealed_key(
    dest: &dyn Destination,
    at: &str,
    digest: Option<Sha256>,
    secret: &[age::x25519::Identity],
) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(digest) = digest else { return Ok(None) };
    let sealed = small(dest, at, MAX_KEY_BYTES).await.map_err(anyhow::Error::msg)?;
    use sha2::Digest;
    anyhow::ensure!(sha2::Sha256::digest(&sealed)[..] == digest.0, "the key {at} is not that of its note");
    Ok(Some(open_small(&sealed, secret)?))
}

/// Brings the schema up to date, reads every page, and compares the log with the note.
fn look_through(path: &Path, station: &StationId, note: &BackupNote) -> anyhow::Result<()> {
    let store = Store::open(path, station, SystemClock::new())?;
    let looked = store.read_blocking(|r| {
        let size = r.log_size()?;
        Ok((r.check()?, r.epoch()?, size, r.log_root(size)?))
    });
    store.close();
    let (check, epoch, size, root) = looked?;
    anyhow::ensure!(check.verdict == "ok", "the database in it is damaged: {}", check.verdict);
    anyhow::ensure!(
        (epoch, size, root) == (note.epoch, note.log_size, note.log_root),
        "the log in it is not that of its note"
    );
    Ok(())
}

/// Files that SQLite keeps beside a database, by the ends of their names. It goes by these names alone: a log of one database
/// is played into whatever stands under its name, and undoes it without a word.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e).with_context(|| format!("removing {}", path.display())),
        _ => Ok(()),
    }
}

/// Removes what an earlier try left of a database, for good, with all that SQLite keeps beside it. The database first: what
/// is beside it is never read without it.
pub fn remove_database(database: &Path) -> anyhow::Result<()> {
    remove_if_there(database)?;
    for end in BESIDE {
        remove_if_there(&beside(database, end))?;
    }
    Ok(database.parent().map_or(Ok(()), durable::sync_dir)?)
}

/// Gives a database that nobody has open its name, with all of it in the one file. What stands there beside a database
/// that is gone goes before: of a station that died its last transactions may be in that log, and it is kept aside.
pub fn rename_database(from: &Path, to: &Path) -> anyhow::Result<()> {
    for end in BESIDE {
        let path = beside(from, end);
        match fs::metadata(&path) {
            Ok(meta) if end != "-shm" && meta.len() > 0 => {
                anyhow::bail!("{} was not folded in; run the restore again", path.display())
            }
            Ok(_) => fs::remove_file(&path)?,
            Err(_) => {}
        }
    }
    for end in BESIDE {
        let stray = beside(to, end);
        match fs::metadata(&stray) {
            Ok(meta) if end != "-shm" && meta.len() > 0 => {
                let aside = beside(&stray, ".before-restore");
                tracing::warn!(file = %stray.display(), kept = %aside.display(), "a log without its database is kept aside");
                fs::rename(&stray, &aside).with_context(|| format!("keeping {} aside", stray.display()))?;
            }
            _ => remove_if_there(&stray)?,
        }
    }
    let dir = to.parent().map_or(Ok(()), durable::sync_dir);
    dir.with_context(|| format!("making room for {}", to.display()))?;
    File::open(from)?.sync_all()?;
    fs::rename(from, to).with_context(|| format!("naming {}", to.display()))?;
    Ok(to.parent().map_or(Ok(()), durable::sync_dir)?)
}

/// Downloads an object of `size_bytes` into `path`, from where an earlier try left it.
async fn download(
    dest: &dyn Destination,
    object: &str,
    path: &Path,
    size_bytes: u64,
    output: &Output,
) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path)?;
    let mut have = file.metadata()?.len().min(size_bytes);
    let mut progress = output.progress("backup", size_bytes);
    progress.advance(have);
    let mut fruitless = 0;
    while have < size_bytes {
        let before = have;
        file.set_len(have)?;
        file.seek(SeekFrom::Start(have))?;
        let cut = async {
            let mut stream = dest.read(object, Some(have..size_bytes)).await?;
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                let room = (size_bytes - have).min(chunk.len() as u64) as usize;
                if let Err(e) = file.write_all(&chunk[..room]) {
                    return Ok::<_, crate::domain::ports::SendError>(Some(e));
                }
                have += room as u64;
                progress.advance(room as u64);
            }
            Ok(None)
        };
        let why = match cut.await {
            Ok(None) => "it ended early".to_owned(),
            Ok(Some(e)) => return Err(e).with_context(|| format!("writing {}", path.display())),
            Err(e) => chain(&e),
        };
        if have < size_bytes {
            fruitless = if have > before { 0 } else { fruitless + 1 };
            anyhow::ensure!(
                fruitless < FRUITLESS_TRIES,
                "downloading stopped at {have} of {size_bytes} bytes: {why}; run the restore again, it goes on from there"
            );
        }
    }
    file.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Draft, EventKind};

    /// A database of this station with so many entries, closed.
    fn database(path: &Path, entries: usize) {
        let store = Store::open(path, &StationId::new("one").unwrap(), SystemClock::new()).unwrap();
        for _ in 0..entries {
            store.write_blocking(|tx| tx.log(&Draft::daemon(EventKind::Started))).unwrap();
        }
        store.close();
    }

    /// What a database that was killed leaves: its log as it was while it was open, without the database.
    fn stray_log(to: &Path, entries: usize) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("killed.db");
        let store = Store::open(&path, &StationId::new("one").unwrap(), SystemClock::new()).unwrap();
        for _ in 0..entries {
            store.write_blocking(|tx| tx.log(&Draft::daemon(EventKind::Stopped))).unwrap();
        }
        fs::copy(beside(&path, "-wal"), beside(to, "-wal")).unwrap();
        assert!(fs::metadata(beside(to, "-wal")).unwrap().len() > 0);
        store.close();
    }

    fn log_size(path: &Path) -> u64 {
        let store = Store::open(path, &StationId::new("one").unwrap(), SystemClock::new()).unwrap();
        let size = store.read_blocking(|r| r.log_size()).unwrap();
        store.close();
        size
    }

    #[test]
    fn a_log_that_stands_there_of_another_database_is_not_played_into_the_restored_one() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("restore.db"), dir.path().join("evidock.db"));
        database(&from, 3);
        stray_log(&to, 7);
        let stray = fs::read(beside(&to, "-wal")).unwrap();
        fs::write(beside(&to, "-shm"), [0; 32]).unwrap();
        rename_database(&from, &to).unwrap();
        assert_eq!(log_size(&to), 3);
        assert!(!from.exists());
        // It may be the only copy of what a station did last.
        assert_eq!(fs::read(dir.path().join("evidock.db-wal.before-restore")).unwrap(), stray);
    }

    #[test]
    fn what_an_interrupted_restore_left_is_removed_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("restore.db");
        fs::write(&path, b"x").unwrap();
        stray_log(&path, 7);
        for end in ["-shm", "-journal"] {
            fs::write(beside(&path, end), b"x").unwrap();
        }
        for _ in 0..2 {
            remove_database(&path).unwrap();
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
        database(&path, 2);
        assert_eq!(log_size(&path), 2);
    }

    #[test]
    fn a_database_that_is_not_whole_in_its_file_gets_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("restore.db"), dir.path().join("evidock.db"));
        database(&from, 1);
        stray_log(&from, 1);
        assert!(rename_database(&from, &to).unwrap_err().to_string().contains("was not folded in"));
        assert!(from.exists() && !to.exists());
    }
}
