//! Entries of the log about looks at a case: of the case itself and of single clips.

use rusqlite::params;

use super::{LogRow, Reader, Result};
use crate::domain::ids::ClipId;
use crate::domain::looks::{BY_ITSELF, KINDS};

impl Reader<'_> {
    /// Looks at these clips, and at the case where its hash is given; below `before`, newest first, at most `limit`.
    pub fn looks(&self, clips: &[ClipId], case: Option<&str>, before: Option<u64>, limit: u32) -> Result<Vec<LogRow>> {
        let quoted = |words: &[&str]| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        let (kinds, skipped) = (quoted(&KINDS.map(|kind| kind.as_str())), quoted(&BY_ITSELF));
        // Two ways in, each by its own index; what loads by itself is left out here, so that a page is as long as it says.
        let matching = format!(
            "kind IN ({kinds}) AND seq < ?3 AND coalesce(json_extract(CAST(bytes AS TEXT), '$.body.what'), '') NOT IN ({skipped})"
        );
        let sql = format!(
            "SELECT seq, bytes FROM log_entry WHERE clip_id IN (SELECT value FROM json_each(?1)) AND {matching}
             UNION
             SELECT seq, bytes FROM log_entry WHERE case_hash = ?2 AND {matching}
             ORDER BY seq DESC LIMIT ?4"
        );
        let clips: Vec<String> = clips.iter().map(ClipId::to_string).collect();
        let below = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![serde_json::json!(clips).to_string(), case, below, limit], |r| {
            Ok(LogRow { seq: r.get::<_, i64>(0)? as u64, bytes: r.get(1)? })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture;
    use super::*;
    use crate::domain::event::{Actor, Draft, EventKind};

    #[test]
    fn of_what_happened_to_a_clip_the_looks_of_others_are_left_out_and_nothing_else() {
        let f = fixture();
        let clip = ClipId::generate(1);
        f.store
            .write_blocking(move |tx| {
                let of = |kind, account| Draft::by(kind, Actor::user(account), "web").clip(clip);
                tx.log(&of(EventKind::Shown, 7))?;
                tx.log(&of(EventKind::ViewBegun, 8))?;
                tx.log(&of(EventKind::AccessRefused, 8))?;
                // The strip of pictures that came of opening the page.
                tx.log(&of(EventKind::Derived, 8))?;
                tx.log(&of(EventKind::Annotated, 8))?;
                tx.log(&Draft::daemon(EventKind::Verified).clip(clip))?;
                tx.log(&of(EventKind::DerivedAsked, 8))
            })
            .unwrap();
        let read = |before, limit, of: Option<i64>| {
            let of = of.map(Actor::user);
            let rows = f.store.read_blocking(|r| r.log_of_clip_before(clip, before, limit, of.as_ref())).unwrap();
            let kind = |row: &LogRow| {
                let value: serde_json::Value = serde_json::from_slice(&row.bytes).unwrap();
                value["kind"].as_str().and_then(EventKind::parse).unwrap()
            };
            (rows.iter().map(kind).collect::<Vec<_>>(), rows.last().map(|row| row.seq))
        };
        assert_eq!(read(None, 20, None).0.len(), 7);
        // A page is as long as it says, whatever others looked at between.
        let (first, last) = read(None, 2, Some(7));
        assert_eq!(first, [EventKind::Verified, EventKind::Annotated]);
        assert_eq!(read(last, 2, Some(7)).0, [EventKind::Shown]);
        assert_eq!(read(None, 20, Some(9)).0, [EventKind::Verified, EventKind::Annotated]);
        assert_eq!(read(None, 20, Some(8)).0.len(), 6, "all but what 7 saw");
    }

    #[test]
    fn looks_at_a_case_and_its_clips_newest_first_and_nothing_else() {
        let f = fixture();
        let (mine, other, hash) = (ClipId::generate(1), ClipId::generate(2), "ab".repeat(32));
        let case = hash.clone();
        f.store
            .write_blocking(move |tx| {
                let of = |kind, clip: ClipId, what: &str| Draft::daemon(kind).clip(clip).fact("what", what);
                tx.log(&of(EventKind::Shown, mine, "show"))?;
                tx.log(&of(EventKind::ViewBegun, mine, "thumbnail"))?;
                tx.log(&of(EventKind::ViewBegun, mine, "play"))?;
                tx.log(&of(EventKind::ViewBegun, other, "play"))?;
                tx.log(&of(EventKind::Annotated, mine, "x"))?;
                tx.log(&Draft::daemon(EventKind::Searched).case(case.clone()).fact("what", "find"))?;
                tx.log(&Draft::daemon(EventKind::ExportBegun).case(case).clip(mine))
            })
            .unwrap();
        let kinds = |clips: Vec<ClipId>, case: Option<String>, before, limit| {
            let rows = f.store.read_blocking(move |r| r.looks(&clips, case.as_deref(), before, limit)).unwrap();
            let kind = |row: &LogRow| {
                let value: serde_json::Value = serde_json::from_slice(&row.bytes).unwrap();
                value["kind"].as_str().unwrap().to_owned()
            };
            (rows.iter().map(kind).collect::<Vec<_>>(), rows.last().map(|row| row.seq))
        };
        let (all, _) = kinds(vec![mine], Some(hash.clone()), None, 20);
        assert_eq!(all, ["access.export", "access.search", "access.view", "access.show"], "each once");
        assert_eq!(kinds(vec![mine], None, None, 20).0, ["access.export", "access.view", "access.show"]);
        assert_eq!(kinds(vec![], None, None, 20).0, Vec::<String>::new());
        let (first, last) = kinds(vec![mine], Some(hash.clone()), None, 2);
        assert_eq!(first, ["access.export", "access.search"]);
        assert_eq!(kinds(vec![mine], Some(hash), last, 2).0, ["access.view", "access.show"]);
    }
}
