//! Tokens with which programs use the API. Only their SHA-256 is here.

use rusqlite::{OptionalExtension, Row, params};

use crate::domain::event::Draft;
use crate::domain::rights::Role;
use crate::domain::why::Why;
use crate::store::{Change, Reader, Result, StoreError, Tx};

/// A token that is made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// SHA-256 of the token.
    pub secret: [u8; 32],
    /// What it is for.
    pub name: String,
    /// The role with which it acts.
    pub role: Role,
    /// Words of actions; none: all of the role's.
    pub scopes: Vec<String>,
    /// Until when.
    pub until_ms: i64,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its number: what the log tells.
    pub id: i64,
    /// What it is for.
    pub name: String,
    /// The role with which it acts.
    pub role: Role,
    /// Words of actions; none: all of the role's.
    pub scopes: Vec<String>,
    /// Until when.
    pub until_ms: i64,
    /// Last used, to the minute.
    pub seen_ms: Option<i64>,
    /// When it was ended.
    pub ended_ms: Option<i64>,
    /// Who made it, as `kind:id`.
    pub made_by: String,
    /// When.
    pub made_ms: i64,
}

const TOKEN: &str = "token_id, name, role, scopes, until_ms, seen_ms, ended_ms, made_by, made_ms";

fn token(r: &Row<'_>) -> rusqlite::Result<(TokenRow, String)> {
    let scopes: String = r.get(3)?;
    let row = TokenRow {
        id: r.get(0)?,
        name: r.get(1)?,
        role: Role::Officer,
        scopes: scopes.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect(),
        until_ms: r.get(4)?,
        seen_ms: r.get(5)?,
        ended_ms: r.get(6)?,
        made_by: r.get(7)?,
        made_ms: r.get(8)?,
    };
    Ok((row, r.get(2)?))
}

impl Tx<'_> {
    /// Makes a token. `asked` says who.
    pub fn add_token(&self, new: &NewToken, asked: Draft) -> Result<i64> {
        self.conn.execute(
            "INSERT INTO token (secret, name, role, scopes, until_ms, made_by, made_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                new.secret,
                new.name,
                new.role.as_str(),
                new.scopes.join(","),
                new.until_ms,
                format!("{}:{}", asked.actor.kind, asked.actor.id),
                self.now_ms()
            ],
        )?;
        let id = self.conn.last_insert_rowid();
        let event = asked
            .fact("token", id)
            .fact("role", new.role.as_str())
            .fact("scopes", new.scopes.join(","))
            .fact("until_ms", new.until_ms)
            .secret("name", new.name.as_str());
        self.log(&event)?;
        self.changed(Change::Accounts);
        Ok(id)
    }

    /// Ends a token. `asked` says who.
    pub fn end_token(&self, id: i64, asked: Draft) -> Result<()> {
        let n = self.conn.execute(
            "UPDATE token SET ended_ms = ?2 WHERE token_id = ?1 AND ended_ms IS NULL",
            params![id, self.now_ms()],
        )?;
        if n == 0 {
            return Err(StoreError::NotFound(Why::NoToken { token: id }));
        }
        self.log(&asked.fact("token", id))?;
        self.changed(Change::Accounts);
        Ok(())
    }

    /// A token was used at this moment.
    pub fn token_seen(&self, id: i64) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE token SET seen_ms = ?2 WHERE token_id = ?1")?
            .execute(params![id, self.now_ms()])?;
        Ok(())
    }
}

impl Reader<'_> {
    fn token_of(&self, found: (TokenRow, String)) -> Result<TokenRow> {
        let (mut row, word) = found;
        row.role = Role::parse(&word).ok_or_else(|| StoreError::Odd(format!("role {word:?} of token {}", row.id)))?;
        Ok(row)
    }

    /// Every token, the newest first.
    pub fn tokens(&self) -> Result<Vec<TokenRow>> {
        self.tokens_below(None, u32::MAX)
    }

    /// The same below a number, at most `limit`.
    pub fn tokens_below(&self, below: Option<i64>, limit: u32) -> Result<Vec<TokenRow>> {
        let sql = format!("SELECT {TOKEN} FROM token WHERE token_id < ?1 ORDER BY token_id DESC LIMIT ?2");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let values = params![below.unwrap_or(i64::MAX), limit];
        let rows: Vec<_> = statement.query_map(values, token)?.collect::<std::result::Result<_, _>>()?;
        rows.into_iter().map(|found| self.token_of(found)).collect()
    }

    /// A token that was not ended, by its SHA-256.
    pub fn token_by_secret(&self, secret: &[u8; 32]) -> Result<Option<TokenRow>> {
        self.conn
            .prepare_cached(&format!("SELECT {TOKEN} FROM token WHERE secret = ?1 AND ended_ms IS NULL"))?
            .query_row([secret], token)
            .optional()?
            .map(|found| self.token_of(found))
            .transpose()
    }
}
