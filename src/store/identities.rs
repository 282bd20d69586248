//! By what else than a password an account is known: an identity at a provider, certificates. Only what was bound is here;
//! nothing is bound by somebody's coming with it. And the second officers of clips, whose own these are, too.

use rusqlite::{OptionalExtension, params};

use super::accounts::AccountRow;
use super::{Reader, Result, StoreError, Tx};
use crate::domain::digest::Sha256;
use crate::domain::event::Draft;
use crate::domain::identity::{Fingerprint, Identity, SignInBy, Subject, people};
use crate::domain::ids::ClipId;
use crate::domain::why::Why;

/// Issuer and subject as they are stored.
fn stored(identity: &Identity) -> (String, String) {
    match identity {
        Identity::Oidc { issuer, subject } => (issuer.clone(), subject.as_str().to_owned()),
        Identity::Certificate(fingerprint) => (String::new(), fingerprint.hex()),
    }
}

/// As the log is told: committed to, since it tells who somebody is elsewhere.
fn told(identities: &[Identity]) -> String {
    let one = |identity: &Identity| {
        let (issuer, subject) = stored(identity);
        format!("{} {issuer} {subject}", identity.by().as_str())
    };
    identities.iter().map(one).collect::<Vec<_>>().join("\n")
}

impl Tx<'_> {
    /// Binds an account to these and to no others; gives the event with what changed.
    pub(super) fn put_identities(
        &self,
        id: i64,
        before: &[Identity],
        after: &[Identity],
        event: Draft,
    ) -> Result<Draft> {
        self.conn.execute("DELETE FROM account_identity WHERE account_id = ?1", [id])?;
        for identity in after {
            if let Some(other) = self.read().account_by_identity(identity)? {
                return Err(StoreError::Conflict(Why::BoundAlready { name: other.login }));
            }
            let (issuer, subject) = stored(identity);
            self.conn.execute(
                "INSERT INTO account_identity (kind, issuer, subject, account_id) VALUES (?1, ?2, ?3, ?4)",
                params![identity.by().as_str(), issuer, subject, id],
            )?;
        }
        let count = |by: SignInBy| after.iter().filter(|i| i.by() == by).count() as u64;
        Ok(event
            .fact("what", "identities")
            .fact("oidc", count(SignInBy::Oidc))
            .fact("certificates", count(SignInBy::Certificate))
            .secret("identities.before", told(before))
            .secret("identities.after", told(after)))
    }

    /// Whose own a clip is besides its officer's.
    pub(super) fn put_co_officers(&self, clip: ClipId, field: Option<&str>) -> Result<()> {
        self.conn.prepare_cached("DELETE FROM clip_co_officer WHERE clip_id = ?1")?.execute([clip.to_string()])?;
        for name in people(field.unwrap_or_default()) {
            self.conn
                .prepare_cached("INSERT INTO clip_co_officer (clip_id, officer) VALUES (?1, ?2)")?
                .execute(params![clip.to_string(), name])?;
        }
        Ok(())
    }
}

impl Reader<'_> {
    /// The account that is bound to an identity.
    pub fn account_by_identity(&self, identity: &Identity) -> Result<Option<AccountRow>> {
        let (issuer, subject) = stored(identity);
        let id: Option<i64> = self
            .conn
            .prepare_cached("SELECT account_id FROM account_identity WHERE kind = ?1 AND issuer = ?2 AND subject = ?3")?
            .query_row(params![identity.by().as_str(), issuer, subject], |r| r.get(0))
            .optional()?;
        id.map(|id| self.account(id)).transpose()
    }

    /// What an account is bound to, in the order of kinds.
    pub(super) fn identities_of(&self, id: i64) -> Result<Vec<Identity>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT kind, issuer, subject FROM account_identity WHERE account_id = ?1 ORDER BY kind DESC, issuer, subject",
        )?;
        let rows = statement
            .query_map([id], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?)))?;
        rows.map(|row| {
            let (kind, issuer, subject) = row?;
            let odd = || StoreError::Odd(format!("identity {kind} {subject:?} of account {id}"));
            match SignInBy::parse(&kind) {
                Some(SignInBy::Oidc) => {
                    let subject = Subject::new(&subject).map_err(|_| odd())?;
                    Ok(Identity::Oidc { issuer, subject })
                }
                _ => subject.parse::<Sha256>().map(|d| Identity::Certificate(Fingerprint::of(d))).map_err(|_| odd()),
            }
        })
        .collect()
    }
}

#[cfg(test)]
mod tests;
