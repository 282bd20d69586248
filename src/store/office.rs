//! Queries behind administration and the page of a party: recorders as they were seen, their stays in bays, and clips by
//! the party that somebody named. Only reads.

use rusqlite::params;

use super::{Reader, Result};
use crate::domain::ids::ClipId;

/// A recorder that was docked here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRecorder {
    /// Its id.
    pub recorder: String,
    /// Its model, where it tells one.
    pub model: Option<String>,
    /// Its newest stay in a bay.
    pub last: Option<DockStay>,
}

/// A stay in a bay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockStay {
    /// Which bay.
    pub bay: String,
    /// Since when, milliseconds since the Unix epoch.
    pub opened_ms: i64,
    /// Until when; `None` while it stands there.
    pub closed_ms: Option<i64>,
    /// Files as last listed.
    pub files: u64,
    /// Bytes as last listed.
    pub bytes: u64,
    /// Its clock minus the station's, milliseconds, where it could be estimated.
    pub clock_offset_ms: Option<i64>,
}

impl Reader<'_> {
    /// Every recorder that was docked here, in the order of their ids, with its newest stay; at most `limit`.
    pub fn seen_recorders(&self, limit: u32) -> Result<Vec<SeenRecorder>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT r.recorder_id, r.model, d.bay, d.opened_ms, d.closed_ms, d.files, d.bytes, d.clock_offset_ms
             FROM recorder r LEFT JOIN dock d ON d.dock_id = (SELECT max(n.dock_id) FROM dock n WHERE n.recorder_id = r.recorder_id)
             ORDER BY r.recorder_id LIMIT ?1",
        )?;
        let rows = statement.query_map([limit], |r| {
            let bay: Option<String> = r.get(2)?;
            let last = match bay {
                None => None,
                Some(bay) => Some(DockStay {
                    bay,
                    opened_ms: r.get(3)?,
                    closed_ms: r.get(4)?,
                    files: r.get::<_, i64>(5)? as u64,
                    bytes: r.get::<_, i64>(6)? as u64,
                    clock_offset_ms: r.get(7)?,
                }),
            };
            Ok(SeenRecorder { recorder: r.get(0)?, model: r.get(1)?, last })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Stays of a recorder in bays, newest first, at most `limit`.
    pub fn stays_of(&self, recorder: &str, limit: u32) -> Result<Vec<DockStay>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT bay, opened_ms, closed_ms, files, bytes, clock_offset_ms FROM dock WHERE recorder_id = ?1 ORDER BY dock_id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![recorder, limit], |r| {
            Ok(DockStay {
                bay: r.get(0)?,
                opened_ms: r.get(1)?,
                closed_ms: r.get(2)?,
                files: r.get::<_, i64>(3)? as u64,
                bytes: r.get::<_, i64>(4)? as u64,
                clock_offset_ms: r.get(5)?,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Clips of which somebody or something ever said that this is their party, newest first, at most `limit`. What is
    /// settled about each may be another one by now.
    pub fn clips_of_party(&self, name: &str, limit: u32) -> Result<Vec<ClipId>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT DISTINCT clip_id FROM fact WHERE field = 'party_ref' AND value = ?1 ORDER BY clip_id DESC LIMIT ?2",
        )?;
        let rows = statement.query_map(params![name, limit], |r| r.get::<_, String>(0))?;
        rows.map(|row| Ok(row?.parse()?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::event::{Actor, EventKind};
    use crate::domain::record::{Field, Origin};
    use crate::domain::why::Why;
    use crate::store::tests::{events, fixture};
    use crate::store::{NewIssue, StoreError};

    #[test]
    fn what_was_done_at_the_desk_by_mistake_says_nothing() {
        let f = fixture();
        let issue = |officer: &str| {
            let new = NewIssue {
                recorder: "r1".into(),
                officer: officer.into(),
                case: None,
                place: None,
                matter: None,
                due_ms: None,
            };
            f.store.write_blocking(move |tx| tx.issue(&new, &Actor::os(7), "web")).unwrap().0
        };
        let undo = |id: i64| f.store.write_blocking(move |tx| tx.undo_desk(id, &Actor::os(8), "web"));
        let holder = || f.store.read_blocking(|r| r.holder_of_dock(f.dock)).unwrap().map(|h| h.officer);
        let first = issue("张三");
        let wrong = issue("李四");
        assert!(matches!(undo(first), Err(StoreError::Conflict(Why::NotTheLast { .. }))));
        let now = undo(wrong).unwrap();
        assert_eq!(
            (now.ended.as_deref(), holder().as_deref()),
            (Some("undone"), Some("张三")),
            "who had it has it again"
        );
        assert!(matches!(undo(wrong), Err(StoreError::Conflict(_))), "once");
        assert!(matches!(undo(99), Err(StoreError::NotFound(_))));
        // A return that was none: it is out again, with the same officer.
        f.store.write_blocking(|tx| tx.return_recorder("r1", &Actor::os(7), "web")).unwrap();
        assert_eq!(undo(first).unwrap().to_ms, None);
        assert_eq!(holder().as_deref(), Some("张三"));
        let told = events(&f);
        let undone: Vec<_> =
            told.iter().filter(|e| e["kind"] == EventKind::DeskUndone.as_str()).map(|e| &e["body"]["what"]).collect();
        assert_eq!(undone, ["issued", "returned"]);
        assert!(!format!("{told:?}").contains("李四"));
        f.clock.advance(16 * 60_000);
        assert!(matches!(undo(first), Err(StoreError::Conflict(Why::TooLongAgo { minutes: 15, .. }))));
    }

    #[test]
    fn recorders_and_parties_are_found_as_they_were_seen() {
        let f = fixture();
        let seen = f.store.read_blocking(|r| r.seen_recorders(10)).unwrap();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].last.as_ref().is_some_and(|l| l.closed_ms.is_none()));
        let id = seen[0].recorder.clone();
        let stays = f.store.read_blocking(move |r| r.stays_of(&id, 5)).unwrap();
        assert_eq!(stays.first(), seen[0].last.as_ref());
        let (a, b) = (f.clip("a"), f.clip("b"));
        for clip in [a, b] {
            let fact = [(Field::PartyRef, Origin::Person, "赵县某饭店".to_owned())];
            f.store.write_blocking(move |tx| tx.add_facts(clip, &Actor::os(7), "web", &fact)).unwrap();
        }
        let found = f.store.read_blocking(|r| r.clips_of_party("赵县某饭店", 10)).unwrap();
        assert_eq!(found.len(), 2);
        assert!(f.store.read_blocking(|r| r.clips_of_party("赵县", 10)).unwrap().is_empty());
    }
}
