//! Opening the database: pragmas, migrations, refusal of what is newer, damaged or somebody else's.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{Reader, Result, StoreError};
use crate::domain::ids::StationId;

/// Migrations in order; the n-th leads to schema version n. Append-only.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
    include_str!("migrations/0007.sql"),
    include_str!("migrations/0008.sql"),
    include_str!("migrations/0009.sql"),
    include_str!("migrations/0010.sql"),
    include_str!("migrations/0011.sql"),
    include_str!("migrations/0012.sql"),
    include_str!("migrations/0013.sql"),
    include_str!("migrations/0014.sql"),
    include_str!("migrations/0015.sql"),
    include_str!("migrations/0016.sql"),
    include_str!("migrations/0017.sql"),
    include_str!("migrations/0018.sql"),
    include_str!("migrations/0019.sql"),
    include_str!("migrations/0020.sql"),
    include_str!("migrations/0021.sql"),
    include_str!("migrations/0022.sql"),
    include_str!("migrations/0023.sql"),
    include_str!("migrations/0026.sql"),
    include_str!("migrations/0028.sql"),
    include_str!("migrations/0030.sql"),
    include_str!("migrations/0031.sql"),
    include_str!("migrations/0032.sql"),
    include_str!("migrations/0034.sql"),
    include_str!("migrations/0035.sql"),
    include_str!("migrations/0036.sql"),
    include_str!("migrations/0037.sql"),
];

/// The schema version that this program writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Pages that a connection keeps in memory, KiB; five connections have it.
const CACHE_KIB: i64 = 8_192;

/// How long a reader or the writer waits for a lock, milliseconds.
const BUSY_MS: u64 = 10_000;

pub(super) fn writable(path: &Path, station: &StationId, now_ms: i64) -> Result<Connection> {
    let mut conn =
        Connection::open(path).map_err(|source| StoreError::Sql { doing: "opening the database", source })?;
    configure(&conn, path)?;
    // WAL with FULL: a commit is on disk when it returns, which custody depends on.
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    migrate(&mut conn, path)?;
    let verdict = check_all_but_the_log(&conn)?;
    if verdict != "ok" {
        return Err(StoreError::Damaged { path: path.to_owned(), detail: verdict });
    }
    let owner: Option<String> = conn.query_row("SELECT station_id FROM station", [], |r| r.get(0)).optional()?;
    match owner {
        None => {
            conn.execute(
                "INSERT INTO station (one, station_id, epoch, created_ms) VALUES (1, ?1, 1, ?2)",
                (station.as_str(), now_ms),
            )?;
        }
        Some(found) if found != station.as_str() => {
            return Err(StoreError::OtherStation { found, wanted: station.to_string() });
        }
        Some(_) => {}
    }
    Ok(conn)
}

pub(super) fn readable(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)
        .map_err(|source| StoreError::Sql { doing: "opening the database for reading", source })?;
    configure(&conn, path)?;
    let found = version(&conn)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    if found < SCHEMA_VERSION {
        return Err(StoreError::Older { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    Ok(conn)
}

/// Tables that hold the log, and what each minute adds: its checkpoints, witnesses' lines on them, and what was sent of
/// them. They are as long as the station is old, so that no start reads them: `evidock log verify` compares the log with
/// its own tree and checkpoints, and `doctor` checks the whole file.
const LOG_TABLES: [&str; 6] = ["log_entry", "log_node", "log_secret", "checkpoint", "cosignature", "outbox"];
/// The index of searches is derived, and a broken one keeps no station from starting; `doctor` checks it.
const INDEX_TABLES: &str = "search_index";

fn check_all_but_the_log(conn: &Connection) -> Result<String> {
    let mut statement =
        conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'")?;
    let tables: Vec<String> = statement.query_map([], |r| r.get(0))?.collect::<std::result::Result<_, _>>()?;
    for table in tables.iter().filter(|t| !LOG_TABLES.contains(&t.as_str()) && !t.starts_with(INDEX_TABLES)) {
        let verdict: String = conn.query_row(&format!("PRAGMA quick_check(\"{table}\")"), [], |r| r.get(0))?;
        if verdict != "ok" {
            return Ok(format!("{table}: {verdict}"));
        }
    }
    Ok("ok".to_owned())
}

/// What looking at the database as a whole found.
#[derive(Debug, Clone)]
pub struct DatabaseCheck {
    /// Schema version of the file.
    pub version: i64,
    /// Whose it is.
    pub station: String,
    /// `ok`, or what SQLite's quick check says first.
    pub verdict: String,
}

impl Reader<'_> {
    /// Looks at the database as a whole; reads every page of it.
    pub fn check(&self) -> Result<DatabaseCheck> {
        let mut statement = self.conn.prepare("PRAGMA quick_check(20)")?;
        let mut said = statement.query_map([], |r| r.get::<_, String>(0))?;
        // What is wrong with the index of searches is no damage of what is stored; `check_search` tells it.
        let verdict = said.find(|word| word.as_ref().map_or(true, |w| !w.contains(INDEX_TABLES)));
        Ok(DatabaseCheck {
            version: version(self.conn)?,
            station: self.conn.query_row("SELECT station_id FROM station", [], |r| r.get(0))?,
            verdict: verdict.transpose()?.unwrap_or_else(|| "ok".to_owned()),
        })
    }
}

fn configure(conn: &Connection, path: &Path) -> Result<()> {
    conn.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    conn.pragma_update(None, "foreign_keys", true)?;
    // The first statement that reads the file: tells a foreign or broken file apart from a database.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get::<_, i64>(0)).map_err(|e| {
        match e.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                StoreError::Damaged { path: path.to_owned(), detail: e.to_string() }
            }
            _ => StoreError::Sql { doing: "reading the database", source: e },
        }
    })?;
    // A statement is planned once, and not anew for each value that is bound to it: over tables with partial indexes SQLite
    // would, and planning costs more than most of the queries.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The inner pages of a million clips' indexes; SQLite's two megabytes hold those of a tenth.
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

fn version(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row("PRAGMA user_version", [], |r| r.get(0))?)
}

fn migrate(conn: &mut Connection, path: &Path) -> Result<()> {
    let found = version(conn)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    if found > 0 && found < SCHEMA_VERSION {
        tracing::info!(
            from = found,
            to = SCHEMA_VERSION,
            "the database is brought up to date; with a million clips that takes about a minute, and nothing is taken in before it is done"
        );
    }
    for (n, sql) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let tx = conn.transaction()?;
        tx.execute_batch(sql).map_err(|source| StoreError::Sql { doing: "migrating the database", source })?;
        tx.pragma_update(None, "user_version", n as i64 + 1)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(conn: &Connection) -> Vec<(String, String)> {
        let mut statement =
            conn.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        let squeeze = |s: String| {
            s.lines()
                .map(|l| l.split("--").next().unwrap())
                .collect::<Vec<_>>()
                .join(" ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                // Where SQLite puts an added column differs in white space alone.
                .replace(" ,", ",")
                .replace(" )", ")")
        };
        statement.query_map([], |r| Ok((r.get(0)?, squeeze(r.get(1)?)))).unwrap().map(|r| r.unwrap()).collect()
    }

    #[test]
    fn migrations_lead_to_the_annotated_schema() {
        let mut migrated = Connection::open_in_memory().unwrap();
        migrate(&mut migrated, Path::new("x")).unwrap();
        let fresh = Connection::open_in_memory().unwrap();
        fresh.execute_batch(include_str!("schema.sql")).unwrap();
        let (migrated, fresh) = (shape(&migrated), shape(&fresh));
        assert_eq!(migrated.len(), fresh.len());
        for (one, other) in migrated.iter().zip(&fresh) {
            assert_eq!(one, other);
        }
    }

    #[test]
    fn a_database_of_the_first_version_goes_on_with_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(
            "INSERT INTO station VALUES (1, 'one', 1, 0);
             INSERT INTO recorder VALUES ('R1', 'dsj', NULL, 0, 0);
             INSERT INTO dock (dock_id, bay, recorder_id, kind, identified, opened_ms) VALUES (1, '1', 'R1', 'folder', 'bay', 0);
             INSERT INTO clip (clip_id, recorder_id, dock_id, path, local, modified_raw, created_ms, grid_bytes) VALUES ('c', 'R1', 1, x'61', 'copying', 't', 0, 0);
             INSERT INTO sighting (clip_id, recorder_id, dock_id, path, size_bytes, modified_raw, state, compared, seen_ms)
               VALUES ('c', 'R1', 1, x'61', 3, 't', 'present', 'copied', 0);",
        )
        .unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let us = StationId::new("one").unwrap();
        for _ in 0..2 {
            let conn = writable(&path, &us, 0).unwrap();
            assert_eq!(version(&conn).unwrap(), SCHEMA_VERSION);
            let row: (String, Option<i64>, String) = conn
                .query_row(
                    "SELECT s.state, s.intent_seq, c.holes FROM sighting s JOIN clip c USING (clip_id)",
                    [],
                    |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
                )
                .unwrap();
            assert_eq!(row, ("present".into(), None, "[]".into()));
        }
    }

    #[test]
    fn recordings_of_the_seventh_version_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.db");
        let old = Connection::open(&path).unwrap();
        old.pragma_update(None, "foreign_keys", true).unwrap();
        for sql in &MIGRATIONS[..7] {
            old.execute_batch(sql).unwrap();
        }
        old.execute_batch(
            "INSERT INTO station (one, station_id, epoch, created_ms) VALUES (1, 'one', 1, 0);
             INSERT INTO recorder VALUES ('room-1', 'push', NULL, 0, 0);
             INSERT INTO clip (clip_id, recorder_id, path, local, modified_raw, created_ms, grid_bytes) VALUES ('c', 'room-1', x'61', 'copying', 't', 0, 0);
             INSERT INTO recording VALUES ('r', 'room-1', 'A', 'person', '张三', NULL, NULL, NULL, NULL, NULL, 'os:7', 5, 'stopped', 'os:7', 9);
             INSERT INTO segment VALUES ('c', 'r', 1, 5, NULL, 4, 'lost', 'cut');
             INSERT INTO gap VALUES ('c', 1, 'loss', 0, 1, 1, 1);",
        )
        .unwrap();
        old.pragma_update(None, "user_version", 7).unwrap();
        drop(old);
        let conn = writable(&path, &StationId::new("one").unwrap(), 0).unwrap();
        let row: (String, String, i64, String) = conn
            .query_row(
                "SELECT r.officer, s.ended_detail, s.length_ms, g.kind FROM recording r JOIN segment s USING (recording_id) JOIN gap g USING (clip_id)",
                [],
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
            )
            .unwrap();
        assert_eq!(row, ("张三".into(), "cut".into(), 4, "loss".into()));
        let broken: i64 = conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |r| r.get(0)).unwrap();
        assert_eq!(broken, 0);
    }

    #[test]
    fn what_was_there_before_figures_were_kept_is_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.db");
        let old = Connection::open(&path).unwrap();
        old.pragma_update(None, "foreign_keys", true).unwrap();
        for sql in &MIGRATIONS[..21] {
            old.execute_batch(sql).unwrap();
        }
        old.execute_batch(
            "INSERT INTO station (one, station_id, epoch, created_ms) VALUES (1, 'one', 1, 0);
             INSERT INTO recorder VALUES ('R1', 'dsj', NULL, 0, 0);",
        )
        .unwrap();
        let words = ["copying", "sealed", "evicted", "damaged", "sealed", "evicted"];
        for (n, local) in words.iter().enumerate() {
            let state = if *local == "evicted" { "proven" } else { "sealed" };
            old.execute(
                "INSERT INTO clip (clip_id, recorder_id, path, local, modified_raw, created_ms, grid_bytes, durable_bytes, size_bytes, blake3, sha256, sealed_ms, state, owes_since_ms, shares)
                 VALUES ('019aa2c4-7f00-7abc-8def-00000000000' || ?1, 'R1', x'61', ?2, 't', 0, 0, 2, 10 * ?1, zeroblob(32), zeroblob(32), 1, ?3, nullif(?1 % 2, 0), CASE ?1 WHEN 4 THEN '019aa2c4-7f00-7abc-8def-000000000001' END)",
                (n as i64, local, state),
            )
            .unwrap();
            old.execute(
                "INSERT INTO clip_index (clip_id, triage, care) VALUES ('019aa2c4-7f00-7abc-8def-00000000000' || ?1, nullif(?1, 2), nullif(?1 % 3, 2))",
                [n as i64],
            )
            .unwrap();
            old.execute(
                "INSERT INTO delivery (clip_id, destination, state) VALUES ('019aa2c4-7f00-7abc-8def-00000000000' || ?1, CASE WHEN ?1 < 4 THEN 'a' ELSE 'b' END, CASE ?2 WHEN 'proven' THEN 'proven' ELSE 'failed' END)",
                (n as i64, state),
            )
            .unwrap();
        }
        old.execute("INSERT INTO media (clip_id, health, probed_ms) VALUES ('019aa2c4-7f00-7abc-8def-000000000001', 'whole', 1)", []).unwrap();
        old.pragma_update(None, "user_version", 21).unwrap();
        drop(old);
        let conn = writable(&path, &StationId::new("one").unwrap(), 0).unwrap();
        let r = Reader { conn: &conn };
        assert!(r.tallies_off().unwrap().is_empty());
        assert_eq!((r.tally("owing").unwrap().0, r.tally("evicted").unwrap()), (3, (2, 70)));
        assert_eq!(r.out_of_reach(&["a".to_owned()]).unwrap().0, 1);
        let unprobed: Vec<String> = conn
            .prepare("SELECT clip_id FROM probe_due")
            .unwrap()
            .query_map([], |r| r.get(0))
            .unwrap()
            .collect::<std::result::Result<_, _>>()
            .unwrap();
        assert_eq!(unprobed, ["019aa2c4-7f00-7abc-8def-000000000004"]);
    }

    #[test]
    fn what_was_imported_before_rosters_were_listed_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.db");
        let old = Connection::open(&path).unwrap();
        let before = MIGRATIONS.iter().position(|sql| sql.contains("CREATE TABLE roster_import")).unwrap();
        for sql in &MIGRATIONS[..before] {
            old.execute_batch(sql).unwrap();
        }
        // 2026-06-19 and the night after it, and another name.
        old.execute_batch(
            "INSERT INTO station (one, station_id, epoch, created_ms) VALUES (1, 'one', 1, 0);
             INSERT INTO roster (import, recorder, from_ms, to_ms, row) VALUES
               ('a', 'r1', 1781830800000, 1781841600000, '{}'), ('a', 'r1', 1781888400000, 1781892000000, '{}'), ('b', 'r1', 5, 9, '{}');",
        )
        .unwrap();
        old.pragma_update(None, "user_version", before as i64).unwrap();
        drop(old);
        let conn = writable(&path, &StationId::new("one").unwrap(), 0).unwrap();
        let listed = Reader { conn: &conn }.roster_imports(None, 9).unwrap();
        let told: Vec<_> = listed.iter().map(|i| (i.name.as_str(), i.rows, i.days, i.standing)).collect();
        assert_eq!(told, [("b", 1, 1, Some(1)), ("a", 2, 2, Some(2))]);
        assert_eq!(
            (listed[1].by.as_ref(), listed[1].from_ms, listed[1].to_ms),
            (None, 1_781_830_800_000, 1_781_892_000_000)
        );
    }

    /// Whether a start reads a table shows by what it says of a page that is none.
    #[test]
    fn what_grows_by_the_minute_is_read_by_no_start() {
        for (table, is_read) in [("checkpoint", false), ("cosignature", false), ("outbox", false), ("case_file", true)]
        {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.db");
            let us = StationId::new("one").unwrap();
            let conn = writable(&path, &us, 0).unwrap();
            let page: u64 = conn
                .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |r| r.get::<_, i64>(0))
                .unwrap() as u64;
            let size: u64 = conn.query_row("PRAGMA page_size", [], |r| r.get::<_, i64>(0)).unwrap() as u64;
            drop(conn);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[((page - 1) * size) as usize..(page * size) as usize].fill(0x5a);
            std::fs::write(&path, bytes).unwrap();
            let opened = writable(&path, &us, 0);
            assert_eq!(opened.is_err(), is_read, "{table}: {:?}", opened.err());
            // Whoever looks at the whole file sees it.
            let conn = readable(&path).unwrap();
            let said = conn.query_row("PRAGMA quick_check(1)", [], |r| r.get::<_, String>(0));
            assert!(said.is_err() || said.is_ok_and(|said| said != "ok"), "{table}");
        }
    }

    #[test]
    fn a_newer_a_foreign_and_a_strange_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let us = StationId::new("one").unwrap();
        writable(&path, &us, 0).unwrap();
        let err = writable(&path, &StationId::new("two").unwrap(), 0).unwrap_err();
        assert!(err.to_string().contains("belongs to station one"), "{err}");
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        for err in [writable(&path, &us, 0).unwrap_err(), readable(&path).unwrap_err()] {
            assert!(matches!(err, StoreError::Newer { found: 99, .. }), "{err}");
        }
        let odd = dir.path().join("odd.db");
        std::fs::write(&odd, vec![7u8; 8192]).unwrap();
        assert!(matches!(writable(&odd, &us, 0), Err(StoreError::Damaged { .. })));
    }
}
