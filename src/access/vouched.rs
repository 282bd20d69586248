//! What signing in by a provider and by a certificate have in common: no password and no code of ours, an account that was
//! bound to it, and the log. An account's lock after wrong passwords does not hold here: nobody guesses at signatures, and
//! whoever guesses at a password must not keep its owner out.

use super::sign_in::{Trying, nobody};
use super::{Access, AccessError, digest_of, new_token};
use crate::domain::account::Hidden;
use crate::domain::event::{Actor, EventKind};
use crate::domain::identity::SignInBy;
use crate::domain::ids::ClipId;

impl Access {
    /// Logs that somebody was not let in: why, and what is only committed to, since it may tell who they are elsewhere.
    pub(super) async fn refuse_vouched(
        &self,
        account: Option<i64>,
        why: &'static str,
        detail: Option<&str>,
        from: &str,
    ) -> Result<(), AccessError> {
        let mut asked = self.asked(EventKind::SignInRefused, nobody(), from).fact("why", why);
        if let Some(detail) = detail.filter(|d| !d.is_empty()) {
            asked = asked.secret("detail", detail.chars().take(300).collect::<String>());
        }
        self.store.write(move |tx| tx.sign_in_refused(account, false, asked)).await?;
        Ok(())
    }

    /// Begins a session; gives its token.
    pub(super) async fn begin_vouched(
        &self,
        account: i64,
        trying: &Trying,
        by: SignInBy,
    ) -> Result<Hidden, AccessError> {
        let token = new_token();
        let session = ClipId::generate(self.now_ms()).to_string();
        let Some(digest) = digest_of(&token) else { return Err(AccessError::Stopping) };
        let new = trying.session(session.clone(), digest, account);
        let mut asked = self.asked(EventKind::SignedIn, Actor::user(account), &trying.from);
        asked.session = Some(session);
        if self.store.write(move |tx| tx.begin_session_by(&new, by, asked)).await? > 0 {
            self.forget();
        }
        Ok(Hidden(token))
    }
}
