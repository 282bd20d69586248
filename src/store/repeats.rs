//! Keys under which programs asked for changes (`Idempotency-Key`), and how each was answered: kept for a day, over restarts.
//! A key is noted before its change begins. One that is under way and that no run of the daemon knows of any more is of a
//! change of which nobody knows whether it was made.

use rusqlite::{OptionalExtension, params};

use super::{Result, StoreError, Tx};

/// How long a key is kept, milliseconds: a program that was cut off comes back within a day or not at all.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Keys that are kept, with answers of a few hundred bytes each.
const KEYS: i64 = 4_096;

/// A change that is asked for under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatKey {
    /// Whose key it is, as `kind:id`.
    pub actor: String,
    /// The key.
    pub word: String,
}

/// An answer that is given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepeatAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Its media type.
    pub kind: Option<String>,
    /// Where what was made stands.
    pub location: Option<String>,
    /// What was told.
    pub body: Vec<u8>,
}

/// How a change under a key ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepeatEnd {
    /// So it was answered.
    Answered(RepeatAnswer),
    /// It was made, and what was told is kept nowhere.
    ToldOnce,
    /// It was not made: the key may be used again.
    NotMade,
}

/// What a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepeatFound {
    /// It is new, and noted as under way.
    First,
    /// It was used for another change.
    Another,
    /// The change was made.
    Ended(RepeatEnd),
    /// Under way since then, and not by any run that goes on: what was asked for.
    Unknown {
        /// Method and path.
        what: String,
        /// Milliseconds since the Unix epoch.
        begun_ms: i64,
    },
}

impl Tx<'_> {
    /// Looks a key up, and notes one that is new as under way. `asked` is the SHA-256 of the whole request, `what` its method
    /// and path.
    pub fn repeat_begins(&self, key: &RepeatKey, asked: &[u8; 32], what: &str) -> Result<RepeatFound> {
        let now = self.now_ms();
        self.conn.prepare_cached("DELETE FROM repeat WHERE begun_ms <= ?1")?.execute([now - KEPT_MS])?;
        let found = self
            .conn
            .prepare_cached(
                "SELECT asked = ?3, state, what, begun_ms, status, kind, location, body FROM repeat WHERE actor = ?1 AND word = ?2",
            )?
            .query_row(params![key.actor, key.word, asked], |r| {
                let answer = (r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?);
                Ok((r.get::<_, bool>(0)?, r.get::<_, String>(1)?, (r.get(2)?, r.get(3)?), answer))
            })
            .optional()?;
        let Some((same, state, (what_then, begun_ms), (status, kind, location, body))) = found else {
            self.conn
                .prepare_cached(
                    "INSERT INTO repeat (actor, word, asked, what, begun_ms, state) VALUES (?1, ?2, ?3, ?4, ?5, 'under_way')",
                )?
                .execute(params![key.actor, key.word, asked, what, now])?;
            self.forget_oldest_repeats()?;
            return Ok(RepeatFound::First);
        };
        Ok(match (same, state.as_str()) {
            (false, _) => RepeatFound::Another,
            (true, "answered") => {
                let odd = || StoreError::Odd("the answer to a change has no status".into());
                let (status, body): (Option<u16>, Option<Vec<u8>>) = (status, body);
                let (status, body) = (status.ok_or_else(odd)?, body.unwrap_or_default());
                RepeatFound::Ended(RepeatEnd::Answered(RepeatAnswer { status, kind, location, body }))
            }
            (true, "told_once") => RepeatFound::Ended(RepeatEnd::ToldOnce),
            (true, _) => RepeatFound::Unknown { what: what_then, begun_ms },
        })
    }

    /// Of more keys than are kept, those that were answered longest ago go. What is under way stays for its day.
    fn forget_oldest_repeats(&self) -> Result<()> {
        self.conn
            .prepare_cached(
                "DELETE FROM repeat WHERE state <> 'under_way'
                   AND begun_ms <= (SELECT begun_ms FROM repeat ORDER BY begun_ms DESC LIMIT 1 OFFSET ?1)",
            )?
            .execute([KEYS])?;
        Ok(())
    }

    /// How the change under a key ended.
    pub fn repeat_ends(&self, key: &RepeatKey, end: &RepeatEnd) -> Result<()> {
        match end {
            RepeatEnd::Answered(a) => self
                .conn
                .prepare_cached(
                    "UPDATE repeat SET state = 'answered', status = ?3, kind = ?4, location = ?5, body = ?6 WHERE actor = ?1 AND word = ?2",
                )?
                .execute(params![key.actor, key.word, a.status, a.kind, a.location, a.body])?,
            RepeatEnd::ToldOnce => self
                .conn
                .prepare_cached("UPDATE repeat SET state = 'told_once' WHERE actor = ?1 AND word = ?2")?
                .execute(params![key.actor, key.word])?,
            RepeatEnd::NotMade => self
                .conn
                .prepare_cached("DELETE FROM repeat WHERE actor = ?1 AND word = ?2")?
                .execute(params![key.actor, key.word])?,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::ids::StationId;
    use crate::domain::ports::Clock;
    use crate::runtime::clock::StoppedClock;
    use crate::store::Store;

    fn key(n: i64) -> RepeatKey {
        RepeatKey { actor: "token:1".into(), word: n.to_string() }
    }

    fn answer() -> RepeatEnd {
        let kind = Some("application/json".into());
        RepeatEnd::Answered(RepeatAnswer { status: 201, kind, location: None, body: b"{}".to_vec() })
    }

    struct Kept {
        store: Store,
        clock: Arc<StoppedClock>,
        dir: tempfile::TempDir,
    }

    impl Kept {
        fn new() -> Self {
            let (dir, clock) = (tempfile::tempdir().unwrap(), StoppedClock::at(1_000));
            Self { store: Self::open(&dir, &clock), clock, dir }
        }

        fn open(dir: &tempfile::TempDir, clock: &Arc<StoppedClock>) -> Store {
            let us = StationId::new("one").unwrap();
            Store::open(&dir.path().join("a.db"), &us, Arc::clone(clock) as Arc<dyn Clock>).unwrap()
        }

        fn begins(&self, n: i64, asked: u8) -> RepeatFound {
            self.store.write_blocking(move |tx| tx.repeat_begins(&key(n), &[asked; 32], "POST /x")).unwrap()
        }

        fn ends(&self, n: i64, end: RepeatEnd) {
            self.store.write_blocking(move |tx| tx.repeat_ends(&key(n), &end)).unwrap();
        }

        fn count(&self) -> i64 {
            let all =
                |r: &crate::store::Reader<'_>| Ok(r.conn.query_row("SELECT count(*) FROM repeat", [], |r| r.get(0))?);
            self.store.read_blocking(all).unwrap()
        }
    }

    #[test]
    fn a_key_is_one_change_for_a_day_and_over_a_restart() {
        let kept = Kept::new();
        let unknown = RepeatFound::Unknown { what: "POST /x".into(), begun_ms: 1_000 };
        assert_eq!(kept.begins(1, 1), RepeatFound::First);
        assert_eq!(kept.begins(1, 1), unknown);
        assert_eq!(kept.begins(1, 2), RepeatFound::Another);
        kept.ends(1, answer());
        assert_eq!(kept.begins(2, 1), RepeatFound::First);
        assert_eq!(kept.begins(3, 1), RepeatFound::First);
        kept.ends(3, RepeatEnd::ToldOnce);
        let Kept { store, clock, dir } = kept;
        drop(store);
        let kept = Kept { store: Kept::open(&dir, &clock), clock, dir };
        assert_eq!(kept.begins(1, 1), RepeatFound::Ended(answer()));
        assert_eq!(kept.begins(1, 2), RepeatFound::Another);
        assert_eq!(kept.begins(2, 1), unknown);
        assert_eq!(kept.begins(3, 1), RepeatFound::Ended(RepeatEnd::ToldOnce));
        kept.ends(2, RepeatEnd::NotMade);
        assert_eq!(kept.begins(2, 2), RepeatFound::First, "what was not made may be asked for again");
        kept.clock.advance(KEPT_MS);
        assert_eq!(kept.begins(1, 2), RepeatFound::First, "a day later it is forgotten");
        assert_eq!(kept.count(), 1);
    }

    #[test]
    fn the_oldest_answers_go_and_what_is_under_way_stays() {
        let kept = Kept::new();
        assert_eq!(kept.begins(0, 0), RepeatFound::First);
        let clock = Arc::clone(&kept.clock);
        kept.store
            .write_blocking(move |tx| {
                for n in 1..KEYS + 20 {
                    clock.advance(1);
                    tx.repeat_begins(&key(n), &[0; 32], "POST /x")?;
                    tx.repeat_ends(&key(n), &answer())?;
                }
                Ok(())
            })
            .unwrap();
        assert!(kept.count() <= KEYS + 1, "{}", kept.count());
        assert!(matches!(kept.begins(0, 0), RepeatFound::Unknown { .. }));
        assert_eq!(kept.begins(KEYS + 19, 0), RepeatFound::Ended(answer()));
        assert_eq!(kept.begins(1, 0), RepeatFound::First);
    }
}
