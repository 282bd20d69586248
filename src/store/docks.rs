//! Stays of recorders in bays: begin, progress, what could not be read, what the recorder's clock is worth, end; each
//! change of custody with its event.

use rusqlite::{OptionalExtension, params};

use super::{Change, Reader, Result, Tx};
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::{BayName, ClipId, RecorderId};
use crate::domain::recorder::SourcePath;
use crate::domain::recorder_clock::{ClockEstimate, ClockHow, DockClock};

/// A recorder that was docked.
#[derive(Debug, Clone)]
pub struct NewDock {
    /// Where.
    pub bay: BayName,
    /// Whose.
    pub recorder: RecorderId,
    /// How the recorder's id was found.
    pub identified: String,
    /// `folder`, ...
    pub kind: &'static str,
    /// The profile that reads it.
    pub profile: String,
    /// The profile's model name.
    pub model: Option<String>,
}

/// A recorder in a bay now.
#[derive(Debug, Clone)]
pub struct OpenDock {
    /// The stay.
    pub dock_id: i64,
    /// Where.
    pub bay: String,
    /// Whose.
    pub recorder: String,
    /// Since when, milliseconds since the Unix epoch.
    pub opened_ms: i64,
    /// Files as last listed.
    pub files: u64,
    /// Bytes as last listed.
    pub bytes: u64,
    /// Invariant 9.
    pub safe: bool,
    /// How it is read, as the dock was opened with.
    pub kind: String,
}

/// Events of unreadable places that are logged one by one at a dock: what a person may still read through.
const MAX_UNREADABLE_EVENTS: u64 = 1_000;

impl Tx<'_> {
    /// A recorder was docked. An earlier stay in the same bay that was never closed is closed first.
    pub fn dock(&self, dock: &NewDock) -> Result<i64> {
        let now = self.now_ms();
        let stale: Vec<i64> = {
            let mut s = self.conn.prepare_cached("SELECT dock_id FROM dock WHERE bay = ?1 AND closed_ms IS NULL")?;
            s.query_map([dock.bay.as_str()], |r| r.get(0))?.collect::<std::result::Result<_, _>>()?
        };
        for id in stale {
            self.undock(id, "superseded")?;
        }
        self.conn.execute(
            "INSERT INTO recorder (recorder_id, profile, model, first_seen_ms, last_seen_ms) VALUES (?1, ?2, ?3, ?4, ?4)
             ON CONFLICT (recorder_id) DO UPDATE SET profile = excluded.profile, model = excluded.model, last_seen_ms = excluded.last_seen_ms",
            params![dock.recorder.as_str(), dock.profile, dock.model, now],
        )?;
        self.conn.execute(
            "INSERT INTO dock (bay, recorder_id, kind, identified, opened_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![dock.bay.as_str(), dock.recorder.as_str(), dock.kind, dock.identified, now],
        )?;
        let id = self.conn.last_insert_rowid();
        let event = Draft::daemon(EventKind::Docked)
            .fact("dock", id)
            .fact("bay", dock.bay.as_str())
            .fact("recorder", dock.recorder.as_str())
            .fact("identified", dock.identified.as_str())
            .fact("profile", dock.profile.as_str());
        self.log(&event)?;
        self.changed(Change::Docks);
        Ok(id)
    }

    /// A recorder left (`pulled`), or its stay ended otherwise (`superseded`, `restart`).
    pub fn undock(&self, dock: i64, reason: &str) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE dock SET closed_ms = ?2 WHERE dock_id = ?1 AND closed_ms IS NULL",
            params![dock, self.now_ms()],
        )?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::Undocked).fact("dock", dock).fact("reason", reason))?;
            self.changed(Change::Docks);
        }
        Ok(())
    }

    /// Closes stays that an earlier run left open.
    pub fn close_docks_of_earlier_run(&self) -> Result<()> {
        for dock in self.read().open_docks()? {
            self.undock(dock.dock_id, "restart")?;
        }
        Ok(())
    }

    /// What the last listing came to, and whether the recorder may go (invariant 9).
    pub fn dock_progress(&self, dock: i64, files: u64, bytes: u64, safe: bool) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE dock SET files = ?2, bytes = ?3, safe = ?4 WHERE dock_id = ?1 AND (files <> ?2 OR bytes <> ?3 OR safe <> ?4)",
            params![dock, files as i64, bytes as i64, safe],
        )?;
        if n > 0 {
            self.changed(Change::Docks);
        }
        Ok(())
    }

    /// What the recorder's clock is worth at this dock. Records of clips first seen here tell it.
    pub fn dock_clock(&self, dock: i64, estimate: ClockEstimate) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE dock SET clock_offset_ms = ?2, clock_how = ?3 WHERE dock_id = ?1 AND (clock_how IS NULL OR clock_how <> 'device')",
            params![dock, estimate.offset_ms, estimate.how.as_str()],
        )?;
        if n > 0 {
            let event = Draft::daemon(EventKind::ClockSeen)
                .fact("dock", dock)
                .fact("offset_ms", estimate.offset_ms)
                .fact("how", estimate.how.as_str());
            self.log(&event)?;
            self.conn.execute("UPDATE clip SET record_stale = 1 WHERE dock_id = ?1 AND local <> 'copying'", [dock])?;
            self.changed(Change::Docks);
        }
        Ok(())
    }

    /// The recorder in this dock may not go: what is on it cannot be told now.
    pub fn dock_unsafe(&self, dock: i64) -> Result<()> {
        let n = self.conn.execute("UPDATE dock SET safe = 0 WHERE dock_id = ?1 AND safe = 1", [dock])?;
        if n > 0 {
            self.changed(Change::Docks);
        }
        Ok(())
    }

    /// Reports places on the recorder that could not be read (path, reason); each once a dock and path. A recorder
    /// can list as many as it likes: after a thousand of a dock, one event tells how many more.
    pub fn unreadable(&self, dock: i64, places: &[(SourcePath, String)]) -> Result<()> {
        let logged: u64 = self
            .conn
            .prepare_cached("SELECT unreadable_logged FROM dock WHERE dock_id = ?1")?
            .query_row([dock], |r| r.get::<_, i64>(0))? as u64;
        let mut insert = self.conn.prepare_cached(
            "INSERT INTO unreadable (dock_id, path, reason, at_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (dock_id, path) DO NOTHING",
        )?;
        let mut fresh = 0u64;
        for (path, reason) in places {
            if insert.execute(params![dock, path.as_bytes(), reason, self.now_ms()])? == 0 {
                continue;
            }
            fresh += 1;
            if logged + fresh <= MAX_UNREADABLE_EVENTS {
                let event = Draft::daemon(EventKind::Unreadable)
                    .fact("dock", dock)
                    .secret("path", path.to_text())
                    // Words of the operating system and of errors name paths, and those name people.
                    .secret("reason", reason.as_str());
                self.log(&event.outcome("failed"))?;
            }
        }
        if fresh == 0 {
            return Ok(());
        }
        let more = (logged + fresh).saturating_sub(MAX_UNREADABLE_EVENTS.max(logged));
        if more > 0 {
            self.log(&Draft::daemon(EventKind::Unreadable).fact("dock", dock).fact("more", more).outcome("failed"))?;
        }
        self.conn.execute(
            "UPDATE dock SET unreadable_logged = unreadable_logged + ?2 WHERE dock_id = ?1",
            params![dock, fresh as i64],
        )?;
        self.changed(Change::Docks);
        Ok(())
    }

    /// A file that could not be read before was read after all.
    pub fn readable_again(&self, dock: i64, path: &SourcePath) -> Result<()> {
        let n = self
            .conn
            .execute("DELETE FROM unreadable WHERE dock_id = ?1 AND path = ?2", params![dock, path.as_bytes()])?;
        if n > 0 {
            self.changed(Change::Docks);
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// Recorders in bays now.
    pub fn open_docks(&self) -> Result<Vec<OpenDock>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT dock_id, bay, recorder_id, opened_ms, files, bytes, safe, kind FROM dock WHERE closed_ms IS NULL ORDER BY bay",
        )?;
        let rows = statement.query_map([], |r| {
            Ok(OpenDock {
                dock_id: r.get(0)?,
                bay: r.get(1)?,
                recorder: r.get(2)?,
                opened_ms: r.get(3)?,
                files: r.get::<_, i64>(4)? as u64,
                bytes: r.get::<_, i64>(5)? as u64,
                safe: r.get::<_, i64>(6)? != 0,
                kind: r.get(7)?,
            })
        })?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// What was known of the recorder's clock at the dock where a clip was first seen.
    pub fn clock_at_dock(&self, clip: ClipId) -> Result<DockClock> {
        let found: Option<(i64, String, Option<i64>, Option<String>)> = self
            .conn
            .prepare_cached(
                "SELECT d.dock_id, d.recorder_id, d.clock_offset_ms, d.clock_how FROM clip c JOIN dock d USING (dock_id) WHERE c.clip_id = ?1",
            )?
            .query_row([clip.to_string()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
            .optional()?;
        let Some((dock, recorder, Some(offset_ms), Some(how))) = found else { return Ok(DockClock::default()) };
        let Some(how) = ClockHow::parse(&how) else { return Ok(DockClock::default()) };
        let since_ms = self
            .conn
            .prepare_cached(
                "SELECT closed_ms FROM dock WHERE recorder_id = ?1 AND dock_id < ?2 AND safe = 1 AND closed_ms IS NOT NULL ORDER BY dock_id DESC LIMIT 1",
            )?
            .query_row(params![recorder, dock], |r| r.get(0))
            .optional()?;
        Ok(DockClock { estimate: Some(ClockEstimate { offset_ms, how }), since_ms })
    }

    /// What could not be read at a dock: path as text, reason.
    pub fn unreadable_at(&self, dock: i64) -> Result<Vec<(String, String)>> {
        let mut statement =
            self.conn.prepare_cached("SELECT path, reason FROM unreadable WHERE dock_id = ?1 ORDER BY path")?;
        let rows =
            statement.query_map([dock], |r| Ok((SourcePath::new(r.get::<_, Vec<u8>>(0)?).to_text(), r.get(1)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests;
