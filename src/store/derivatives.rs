//! Files that are derived of clips and kept for a while: asking, making, giving out, and the end of their time.

use rusqlite::{OptionalExtension, Row, params};

use super::{Change, Reader, Result, StoreError, Tx};
use crate::domain::derivative::{Form, Kind, Method, Order, State};
use crate::domain::digest::{Blake3, Sha256};
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::why::Why;

/// One of them.
#[derive(Debug, Clone)]
pub struct DerivativeRow {
    /// Its id: a UUIDv7.
    pub id: String,
    /// The clip of which it is derived.
    pub clip: ClipId,
    /// What was asked for.
    pub order: Order,
    /// Why.
    pub reason: String,
    /// Words over the picture.
    pub mark: Option<String>,
    /// Who asked.
    pub asked_by: Actor,
    /// `web`, `api` or `cli`.
    pub via: String,
    /// Where from.
    pub from_where: String,
    /// When, milliseconds since the Unix epoch.
    pub asked_ms: i64,
    /// How far it is.
    pub state: State,
    /// Why it failed.
    pub words: Option<String>,
    /// What came of it; also of one whose file is gone.
    pub file: Option<DerivedFile>,
    /// When it was ready or failed, milliseconds since the Unix epoch.
    pub ended_ms: Option<i64>,
}

/// The file of a derivative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DerivedFile {
    /// Which kind of file.
    pub form: Form,
    /// How it was made.
    pub method: Method,
    /// Where it really begins in the clip, milliseconds.
    pub from_ms: u64,
    /// Where it really ends.
    pub to_ms: u64,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Its digest.
    pub blake3: Blake3,
    /// Its other digest.
    pub sha256: Sha256,
    /// The digest of the clip.
    pub parent_blake3: Blake3,
    /// Its other digest.
    pub parent_sha256: Sha256,
    /// What made it.
    pub tool: String,
}

const COLUMNS: &str = "derived_id, clip_id, kind, png, exact, asked_from_ms, asked_to_ms, reason, mark, asked_by, via, \
    from_where, asked_ms, state, words, form, method, from_ms, to_ms, size_bytes, blake3, sha256, parent_blake3, \
    parent_sha256, tool, ended_ms";

fn odd(what: &str) -> StoreError {
    StoreError::Odd(format!("{what} of a derivative"))
}

fn actor(text: &str) -> Actor {
    let (kind, id) = text.split_once(':').unwrap_or((text, ""));
    Actor { kind: kind.to_owned(), id: id.to_owned() }
}

fn row(r: &Row<'_>) -> Result<DerivativeRow> {
    let ms = |n: i64| n.max(0) as u64;
    let digest = |bytes: Option<Vec<u8>>| bytes.and_then(|b| <[u8; 32]>::try_from(b).ok());
    let state = State::parse(&r.get::<_, String>(13)?).ok_or_else(|| odd("the state"))?;
    let (form, method) = (r.get::<_, Option<String>>(15)?, r.get::<_, Option<String>>(16)?);
    let digests = [digest(r.get(20)?), digest(r.get(21)?), digest(r.get(22)?), digest(r.get(23)?)];
    let file = match (form.as_deref().and_then(Form::parse), method.as_deref().and_then(Method::parse), digests) {
        (Some(form), Some(method), [Some(blake3), Some(sha256), Some(parent_blake3), Some(parent_sha256)]) => {
            Some(DerivedFile {
                form,
                method,
                from_ms: ms(r.get(17)?),
                to_ms: ms(r.get(18)?),
                size_bytes: ms(r.get(19)?),
                blake3: Blake3(blake3),
                sha256: Sha256(sha256),
                parent_blake3: Blake3(parent_blake3),
                parent_sha256: Sha256(parent_sha256),
                tool: r.get(24)?,
            })
        }
        _ if matches!(state, State::Ready | State::Gone) => return Err(odd("the file")),
        _ => None,
    };
    Ok(DerivativeRow {
        id: r.get(0)?,
        clip: r.get::<_, String>(1)?.parse()?,
        order: Order {
            kind: Kind::parse(&r.get::<_, String>(2)?).ok_or_else(|| odd("the kind"))?,
            png: r.get(3)?,
            exact: r.get(4)?,
            from_ms: ms(r.get(5)?),
            to_ms: r.get::<_, Option<i64>>(6)?.map(ms),
        },
        reason: r.get(7)?,
        mark: r.get(8)?,
        asked_by: actor(&r.get::<_, String>(9)?),
        via: r.get(10)?,
        from_where: r.get(11)?,
        asked_ms: r.get(12)?,
        state,
        words: r.get(14)?,
        file,
        ended_ms: r.get(25)?,
    })
}

impl Reader<'_> {
    /// One of them.
    pub fn derivative(&self, id: &str) -> Result<DerivativeRow> {
        let sql = format!("SELECT {COLUMNS} FROM derivative WHERE derived_id = ?1");
        let found = self.conn.prepare_cached(&sql)?.query_row([id], |r| Ok(row(r))).optional()?;
        found.unwrap_or_else(|| Err(StoreError::NotFound(Why::NoDerivative {})))
    }

    /// Those of a clip, newest first, at most `limit`.
    pub fn derivatives(&self, clip: ClipId, limit: u32) -> Result<Vec<DerivativeRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM derivative WHERE clip_id = ?1 ORDER BY asked_ms DESC, derived_id DESC LIMIT ?2"
        );
        self.derivatives_by(&sql, params![clip.to_string(), limit])
    }

    /// Those that are to be made, oldest first.
    pub fn derivatives_due(&self) -> Result<Vec<DerivativeRow>> {
        let sql = format!("SELECT {COLUMNS} FROM derivative WHERE state = 'making' ORDER BY asked_ms, derived_id");
        self.derivatives_by(&sql, params![])
    }

    /// Those whose file is kept since before `before_ms`.
    pub fn derivatives_over(&self, before_ms: i64) -> Result<Vec<DerivativeRow>> {
        let sql = format!("SELECT {COLUMNS} FROM derivative WHERE state = 'ready' AND ended_ms < ?1");
        self.derivatives_by(&sql, params![before_ms])
    }

    fn derivatives_by(&self, sql: &str, what: impl rusqlite::Params) -> Result<Vec<DerivativeRow>> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(what)?;
        let mut all = Vec::new();
        while let Some(r) = rows.next()? {
            all.push(row(r)?);
        }
        Ok(all)
    }
}

impl Tx<'_> {
    /// Somebody asks for one; `asked` says who.
    pub fn ask_derivative(
        &self,
        id: &str,
        clip: ClipId,
        order: &Order,
        reason: &str,
        mark: Option<&str>,
        asked: Draft,
    ) -> Result<u64> {
        let parent = self.read().clip(clip)?;
        if parent.isolated_ms.is_some() {
            return Err(StoreError::Conflict(Why::IsolatedDerived { clip: clip.to_string() }));
        }
        if parent.sha256.is_none() {
            return Err(StoreError::Conflict(Why::NotSealedDerived { clip: clip.to_string() }));
        }
        self.conn.execute(
            "INSERT INTO derivative (derived_id, clip_id, kind, png, exact, asked_from_ms, asked_to_ms, reason, mark, asked_by, via,
               from_where, asked_ms, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 'making')",
            params![
                id,
                clip.to_string(),
                order.kind.as_str(),
                order.png,
                order.exact,
                order.from_ms as i64,
                order.to_ms.map(|ms| ms as i64),
                reason,
                mark,
                format!("{}:{}", asked.actor.kind, asked.actor.id),
                asked.via,
                asked.from.as_deref().unwrap_or("local"),
                self.now_ms(),
            ],
        )?;
        let mut event = asked
            .clip(clip)
            .fact("derived", id)
            .fact("kind", order.kind.as_str())
            .fact("from_ms", order.from_ms)
            .fact("exact", order.exact);
        if let Some(to_ms) = order.to_ms {
            event = event.fact("to_ms", to_ms);
        }
        event.purpose = Some(reason.to_owned());
        let seq = self.log(&event)?;
        self.changed(Change::Derivatives);
        self.changed(Change::Clip(clip));
        Ok(seq)
    }

    /// It is made, and its file is on disk for good; the event goes with it (invariant 4).
    pub fn derivative_made(&self, id: &str, file: &DerivedFile) -> Result<()> {
        let row = self.read().derivative(id)?;
        let parent = self.read().clip(row.clip)?;
        // Of nothing but what was sealed.
        if (parent.sha256, parent.blake3) != (Some(file.parent_sha256), Some(file.parent_blake3)) {
            return Err(StoreError::Odd(format!("clip {} has other digests than what {id} was made of", row.clip)));
        }
        let n = self.conn.execute(
            "UPDATE derivative SET state = 'ready', words = NULL, form = ?2, method = ?3, from_ms = ?4, to_ms = ?5, size_bytes = ?6,
               blake3 = ?7, sha256 = ?8, parent_blake3 = ?9, parent_sha256 = ?10, tool = ?11, ended_ms = ?12
             WHERE derived_id = ?1 AND state = 'making'",
            params![
                id,
                file.form.as_str(),
                file.method.as_str(),
                file.from_ms as i64,
                file.to_ms as i64,
                file.size_bytes as i64,
                file.blake3.0,
                file.sha256.0,
                file.parent_blake3.0,
                file.parent_sha256.0,
                file.tool,
                self.now_ms(),
            ],
        )?;
        if n == 0 {
            return Err(StoreError::Conflict(Why::DerivativeOver {}));
        }
        let mut event = of(EventKind::DerivedMade, &row)
            .fact("kind", row.order.kind.as_str())
            .fact("form", file.form.as_str())
            .fact("method", file.method.as_str())
            .fact("from_ms", file.from_ms)
            .fact("to_ms", file.to_ms)
            .fact("bytes", file.size_bytes)
            .fact("blake3", file.blake3.to_string())
            .fact("sha256", file.sha256.to_string())
            .fact("parent_blake3", file.parent_blake3.to_string())
            .fact("parent_sha256", file.parent_sha256.to_string())
            .fact("tool", file.tool.as_str());
        if let Some(mark) = &row.mark {
            event = event.secret("mark", mark.as_str());
        }
        self.log(&event)?;
        self.changed(Change::Clip(row.clip));
        Ok(())
    }

    /// It could not be made.
    pub fn derivative_failed(&self, id: &str, words: &str) -> Result<()> {
        let row = self.read().derivative(id)?;
        self.conn.execute(
            "UPDATE derivative SET state = 'failed', words = ?2, ended_ms = ?3 WHERE derived_id = ?1 AND state = 'making'",
            params![id, words, self.now_ms()],
        )?;
        self.log(&of(EventKind::DerivedMade, &row).fact("kind", row.order.kind.as_str()).outcome("failed"))?;
        self.changed(Change::Clip(row.clip));
        Ok(())
    }

    /// Logs that its bytes are about to be given out; gives the entry's number.
    pub fn take_derivative(&self, id: &str, taken: Draft) -> Result<u64> {
        let row = self.read().derivative(id)?;
        let (State::Ready, Some(file)) = (row.state, &row.file) else {
            return Err(StoreError::Conflict(Why::DerivativeGone {}));
        };
        if self.read().clip(row.clip)?.isolated_ms.is_some() {
            return Err(StoreError::Conflict(Why::Isolated { clip: row.clip.to_string() }));
        }
        self.log(&taken.clip(row.clip).fact("derived", id).fact("sha256", file.sha256.to_string()))
    }

    /// Its time is over: from here on nobody gets it.
    pub fn derivative_gone(&self, id: &str) -> Result<()> {
        let row = self.read().derivative(id)?;
        let n = self
            .conn
            .execute("UPDATE derivative SET state = 'gone' WHERE derived_id = ?1 AND state = 'ready'", [id])?;
        if n > 0 {
            self.log(&Draft::daemon(EventKind::DerivedGone).clip(row.clip).fact("derived", id))?;
            self.changed(Change::Clip(row.clip));
        }
        Ok(())
    }
}

/// An event on behalf of whoever asked.
fn of(kind: EventKind, row: &DerivativeRow) -> Draft {
    let via = match row.via.as_str() {
        "api" => "api",
        "cli" => "cli",
        _ => "web",
    };
    let mut event = Draft::by(kind, row.asked_by.clone(), via).clip(row.clip).fact("derived", row.id.as_str());
    event.from = Some(row.from_where.clone());
    event
}
