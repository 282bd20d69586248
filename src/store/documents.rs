//! Documents beside the clips of a case. A document is a clip of role `document`; here is what only documents have.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::{LinkRequest, NewClip, Reader, Result, StoreError, Tx};
use crate::domain::coverage::NoRecord;
use crate::domain::digest::Blake3;
use crate::domain::document::{DocumentKind, NewDocument};
use crate::domain::event::{Actor, Draft, Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::record::{Field, Origin, PublishedDocument, Record};

/// The role of a document's clip.
pub const DOCUMENT: &str = "document";

/// What only documents have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRow {
    /// What it is.
    pub kind: DocumentKind,
    /// By its own first bytes.
    pub media_type: String,
    /// `kind:id` of who filed it.
    pub filed_by: String,
    /// When, milliseconds since the Unix epoch.
    pub filed_ms: i64,
}

impl Tx<'_> {
    /// A document gets its identity, its place in the case and who files it, before its first byte is copied. Should it
    /// never be sealed, all of that goes again with its clip.
    pub fn begin_document(
        &self,
        new: &NewClip,
        document: &NewDocument,
        link: &LinkRequest,
        actor: &Actor,
        via: &'static str,
    ) -> Result<()> {
        self.new_clip(new)?;
        self.put_document(new.clip, document.kind, document.media_type, actor)?;
        let filed = Draft::by(EventKind::DocumentFiled, actor.clone(), via)
            .clip(new.clip)
            .case(layout::case_hash(document.number.key()))
            .fact("kind", document.kind.as_str())
            .fact("media_type", document.media_type)
            .fact("declared_bytes", document.size_bytes)
            .secret("name", document.name.file_name());
        self.log(&filed)?;
        self.link(link, actor, via)?;
        let mut facts = Vec::new();
        facts.extend(document.title.clone().map(|title| (Field::Title, Origin::Person, title)));
        facts.extend(self.officer_of(actor)?.map(|officer| (Field::Officer, Origin::Person, officer)));
        self.add_facts(new.clip, actor, via, &facts)?;
        Ok(())
    }

    pub(super) fn put_document(&self, clip: ClipId, kind: DocumentKind, media_type: &str, actor: &Actor) -> Result<()> {
        self.conn.execute(
            "INSERT INTO document (clip_id, kind, media_type, filed_by, filed_ms) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            params![clip.to_string(), kind.as_str(), media_type, format!("{}:{}", actor.kind, actor.id), self.now_ms()],
        )?;
        Ok(())
    }

    /// What a record from elsewhere says of a document.
    pub(super) fn take_document(&self, clip: ClipId, record: &Record) -> Result<()> {
        let Some(told) = &record.document else { return Ok(()) };
        let kind = DocumentKind::parse(&told.kind).unwrap_or(DocumentKind::Other);
        self.put_document(clip, kind, &told.media_type, &Actor::daemon())
    }

    /// The name under which an account stands in records, where it has one.
    fn officer_of(&self, actor: &Actor) -> Result<Option<String>> {
        if actor.kind != "user" {
            return Ok(None);
        }
        Ok(self
            .conn
            .prepare_cached("SELECT officer FROM account_officer WHERE account_id = ?1 ORDER BY officer DESC LIMIT 1")?
            .query_row([actor.id.parse::<i64>().unwrap_or(-1)], |r| r.get(0))
            .optional()?)
    }
}

impl Reader<'_> {
    /// What only documents have; `None` for every other clip.
    pub fn document(&self, clip: ClipId) -> Result<Option<DocumentRow>> {
        Ok(self
            .conn
            .prepare_cached("SELECT kind, media_type, filed_by, filed_ms FROM document WHERE clip_id = ?1")?
            .query_row([clip.to_string()], |r| {
                let kind: String = r.get(0)?;
                Ok(DocumentRow {
                    kind: DocumentKind::parse(&kind).unwrap_or(DocumentKind::Other),
                    media_type: r.get(1)?,
                    filed_by: r.get(2)?,
                    filed_ms: r.get(3)?,
                })
            })
            .optional()?)
    }

    pub(super) fn published_document(&self, clip: ClipId) -> Result<Option<PublishedDocument>> {
        Ok(self
            .document(clip)?
            .map(|d| PublishedDocument { kind: d.kind.as_str().to_owned(), media_type: d.media_type }))
    }

    /// Who had a clip opened or saved, and when first, milliseconds since the Unix epoch; in that order.
    pub fn looked_at(&self, clip: ClipId) -> Result<Vec<(Actor, i64)>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT seq, bytes FROM log_entry WHERE clip_id = ?1 AND kind = ?2 ORDER BY seq")?;
        let mut rows = statement.query(params![clip.to_string(), EventKind::ViewBegun.as_str()])?;
        let mut looks: Vec<(Actor, i64)> = Vec::new();
        while let Some(r) = rows.next()? {
            let (seq, bytes): (i64, Vec<u8>) = (r.get(0)?, r.get(1)?);
            let entry: Envelope =
                serde_json::from_slice(&bytes).map_err(|e| StoreError::Odd(format!("log entry {seq}: {e}")))?;
            if looks.iter().all(|(actor, _)| *actor != entry.actor) {
                looks.push((entry.actor, entry.wall_ms));
            }
        }
        Ok(looks)
    }

    /// Sealed documents of a case (by its key) that have this digest, whatever they are called, besides this one.
    pub fn documents_like(&self, case_key: &str, blake3: Blake3, besides: ClipId) -> Result<Vec<ClipId>> {
        self.clip_ids(
            "SELECT c.clip_id FROM clip c JOIN case_link l USING (clip_id) JOIN case_alias a ON a.case_id = l.case_id
             WHERE c.blake3 = ?2 AND c.role = 'document' AND c.local <> 'copying' AND c.clip_id <> ?3 AND a.case_key = ?1 AND l.withdrawn = 0
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
             ORDER BY c.clip_id",
            params![case_key, blake3.as_bytes(), besides.to_string()],
        )
    }

    /// Matters of a case for which a document stands as the written record.
    pub(super) fn written_records(&self, case: i64) -> Result<Vec<NoRecord>> {
        self.written_among(case, None)
    }

    /// The same by all of its documents, or `only` these of them.
    pub(super) fn written_among(&self, case: i64, only: Option<&BTreeSet<ClipId>>) -> Result<Vec<NoRecord>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT c.clip_id, l.matter, coalesce((SELECT f.value FROM fact f WHERE f.clip_id = c.clip_id AND f.field = 'title' ORDER BY f.fact_id DESC LIMIT 1), ''),
               l.stage, d.filed_ms
             FROM case_link l JOIN clip c USING (clip_id) JOIN document d USING (clip_id)
             WHERE l.case_id = ?1 AND l.withdrawn = 0 AND l.matter IS NOT NULL AND d.kind IN ('record', 'service') AND c.local <> 'copying' AND c.isolated_ms IS NULL
               AND l.rev = (SELECT max(rev) FROM case_link x WHERE x.clip_id = l.clip_id AND x.case_id = l.case_id)
             ORDER BY l.link_id",
        )?;
        let rows = statement.query_map([case], |r| {
            let (clip, matter, title): (String, String, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
            let reason = if title.is_empty() { matter.clone() } else { title };
            let (stage, filed_ms) = (r.get(3)?, r.get(4)?);
            Ok((clip, NoRecord { matter, stage, written: true, reason, filed_ms, ..NoRecord::default() }))
        })?;
        let mut written = Vec::new();
        for row in rows {
            let (clip, record) = row?;
            if only.is_none_or(|only| clip.parse().is_ok_and(|clip: ClipId| only.contains(&clip))) {
                written.push(record);
            }
        }
        Ok(written)
    }
}
