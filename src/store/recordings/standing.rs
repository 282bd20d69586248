//! How a recording of a live stream that goes on stands to an account: by whoever was named when it was begun, whoever began
//! it, and the clips in which it lies so far. Who may do what is the domain's to say.

use rusqlite::{OptionalExtension, params};

use crate::domain::event::Actor;
use crate::domain::identity::people;
use crate::domain::ids::{ClipId, StreamName};
use crate::domain::layout;
use crate::domain::rights::Subject;
use crate::domain::sensitivity::Sensitivity;
use crate::domain::stream::Cause;
use crate::store::{Reader, RecordingRow, Result};

/// How a recording stands to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingStanding {
    /// What the decision needs. What is isolated of it has the label that nobody is shown.
    pub subject: Subject,
    /// What a purpose is remembered for: the hash of its case, else its own id, which its clips share.
    pub about: String,
    /// Its newest clip.
    pub clip: Option<ClipId>,
}

impl Reader<'_> {
    /// How the recording of a stream that goes on stands to `actor` with an account (0: none) at `now_ms`; `None` where none
    /// goes on. Whoever began it sees and ends it, whomever they named: nobody else may be there who could.
    pub fn recording_standing(
        &self,
        stream: &StreamName,
        account: i64,
        actor: &Actor,
        now_ms: i64,
    ) -> Result<Option<RecordingStanding>> {
        let Some(open) = self.open_recording(stream)? else { return Ok(None) };
        let (own, unit) = self.named_standing(&open, account)?;
        let begun = open.asked.cause == Cause::Person && open.begun_by == format!("{}:{}", actor.kind, actor.id);
        let mut subject = Subject { own: own || begun, unit, sent: false, sensitivity: self.recording_label(&open)? };
        let clip = self.newest_segment(&open)?;
        let standing = match clip {
            Some(clip) => self.clip_standing(clip, account, now_ms)?,
            None => None,
        };
        if let Some(standing) = &standing {
            let of_clip = standing.subject;
            subject.own |= of_clip.own;
            subject.unit |= of_clip.unit;
            subject.sent |= of_clip.sent;
        }
        let case = open.asked.case.as_ref().map(|(_, key)| layout::case_hash(key));
        let about = case.or(standing.and_then(|s| s.case)).unwrap_or_else(|| open.id.to_string());
        Ok(Some(RecordingStanding { subject, about, clip }))
    }

    /// Whether those who were named are the account's, and whether the officer is of its unit: the same as for clips, before
    /// there is one.
    fn named_standing(&self, open: &RecordingRow, account: i64) -> Result<(bool, bool)> {
        let officer = open.asked.officer.as_deref().map(str::trim);
        let mut named = people(open.asked.co_officers.as_deref().unwrap_or_default());
        named.extend(officer.map(str::to_owned));
        let sql = "SELECT EXISTS (SELECT 1 FROM account_officer o WHERE o.account_id = ?1 AND o.officer IN (SELECT value FROM json_each(?2))),
             EXISTS (SELECT 1 FROM account_officer o JOIN account m ON m.account_id = o.account_id
               JOIN account me ON me.account_id = ?1 AND me.unit = m.unit WHERE o.officer = ?3)";
        let values = params![account, serde_json::json!(named).to_string(), officer];
        Ok(self.conn.prepare_cached(sql)?.query_row(values, |r| Ok((r.get(0)?, r.get(1)?)))?)
    }

    fn newest_segment(&self, open: &RecordingRow) -> Result<Option<ClipId>> {
        let sql = "SELECT clip_id FROM segment WHERE recording_id = ?1 ORDER BY segment_no DESC LIMIT 1";
        let found: Option<String> =
            self.conn.prepare_cached(sql)?.query_row([open.id.to_string()], |r| r.get(0)).optional()?;
        Ok(found.map(|clip| clip.parse()).transpose()?)
    }

    /// The highest label that a clip of it has: who is in the room does not change because a clip was long enough. Of what is
    /// recorded for nobody, day after day, the newest clip's alone.
    fn recording_label(&self, open: &RecordingRow) -> Result<Sensitivity> {
        let sql = "SELECT max(CASE WHEN c.isolated_ms IS NULL THEN i.care ELSE 5 END)
             FROM segment s JOIN clip c USING (clip_id) LEFT JOIN clip_index i USING (clip_id) WHERE s.recording_id = ?1
             AND (?2 OR s.segment_no = (SELECT max(segment_no) FROM segment n WHERE n.recording_id = ?1))";
        let one = open.asked.cause == Cause::Person;
        let care: Option<i64> =
            self.conn.prepare_cached(sql)?.query_row(params![open.id.to_string(), one], |r| r.get(0))?;
        let place = care.and_then(|care| usize::try_from(care).ok());
        Ok(place.and_then(|n| Sensitivity::ALL.get(n).copied()).unwrap_or(Sensitivity::None))
    }
}
