//! Finds out by trying what the server can do: what its checksums are worth on both ways up, whether it keeps a
//! key from being overwritten, and whether the bucket keeps locks. What it lacks is a finding, not an error.

use http::Method;

use super::reply::Meaning;
use super::wire::{Call, Fail};
use super::{LockMode, S3Destination, xml};
use crate::deliver::trial::{self, weaker};
use crate::domain::layout;
use crate::domain::ports::{Abilities, SendError, SessionId};

impl S3Destination {
    pub(super) async fn probe_all(&self) -> Result<Abilities, SendError> {
        let key = layout::probe(&self.station);
        // In one go, as small objects and short clips are sent.
        let (object, bytes) = trial::object(&key);
        let single = self.begin_upload(&object).await?;
        let in_one = trial::run(self, &object, &bytes, &single).await?;

        // A key that stands: the condition must refuse.
        let again = self.put(&key, bytes, "application/octet-stream", None, true).await;
        match again {
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::Exists => self.learned.if_none_match.set(true),
            Ok(()) | Err(Fail::Refused(_)) => self.learned.if_none_match.set(false),
            Err(lost @ Fail::Lost(_)) => return Err(self.wire.explain(lost, &key)),
        }

        // In parts. Other bytes, so that the object of before cannot pass for this one.
        let (object, bytes) = trial::object(&key);
        let multipart = self.begin_multipart(&object).await?;
        let in_parts = self.try_parts(&object, &bytes, &multipart).await?;
        self.learned.echo.set(in_one.echoes && in_parts.echoes);

        let (lock, lock_words) = self.probe_lock().await?;
        self.learned.lock.set(lock);
        let versions = self.probe_versioning().await?;

        let found = weaker(in_one.level(), in_parts.level());
        let proof = self.proof.map_or(found, |cap| weaker(found, cap));
        let mut detail = format!(
            "whole objects: {}; parts: {}; {}; {lock_words}; {versions}",
            in_one.words(),
            in_parts.words(),
            if self.learned.if_none_match.is_yes() { "keeps keys from being overwritten" } else { "overwrites keys" },
        );
        if proof != found {
            detail.push_str(&format!("; {} by configuration, {} was found", proof.as_str(), found.as_str()));
        }
        Ok(Abilities { proof, lock, same_device: false, in_order: false, detail })
    }

    async fn try_parts(
        &self,
        object: &crate::domain::ports::ObjectSpec,
        bytes: &bytes::Bytes,
        session: &SessionId,
    ) -> Result<trial::Findings, SendError> {
        let found = trial::run(self, object, bytes, session).await;
        if found.is_err() {
            // Nobody else will ever know of this session; what stopped the trial is what is told.
            let _ = self.abort_upload(object, session).await;
        }
        found
    }

    async fn probe_lock(&self) -> Result<(bool, &'static str), SendError> {
        if self.lock == LockMode::Off {
            return Ok((false, "locks are off by configuration"));
        }
        match self.wire.attempt(Call::bucket(Method::GET).flag("object-lock")).await {
            Ok(reply) => {
                let text = self.text(reply).await?;
                let enabled = quick_xml::de::from_str::<xml::LockConfiguration>(&text)
                    .is_ok_and(|configuration| configuration.object_lock_enabled == "Enabled");
                Ok(if enabled { (true, "the bucket keeps locks") } else { (false, "the bucket keeps no locks") })
            }
            Err(Fail::Refused(refusal)) if matches!(refusal.meaning(), Meaning::Busy | Meaning::Failing) => {
                Err(self.wire.explain(Fail::Refused(refusal), ""))
            }
            Err(Fail::Refused(refusal)) if refusal.code == "AccessDenied" => {
                Ok((false, "whether the bucket keeps locks may not be asked (allow GetBucketObjectLockConfiguration)"))
            }
            Err(Fail::Refused(_)) => Ok((false, "the bucket keeps no locks")),
            Err(lost) => Err(self.wire.explain(lost, "")),
        }
    }

    async fn probe_versioning(&self) -> Result<&'static str, SendError> {
        match self.wire.attempt(Call::bucket(Method::GET).flag("versioning")).await {
            Ok(reply) => {
                let text = self.text(reply).await?;
                let on = quick_xml::de::from_str::<xml::Versioning>(&text).is_ok_and(|v| v.status == "Enabled");
                Ok(if on { "keeps versions" } else { "keeps no versions" })
            }
            Err(Fail::Refused(_)) => Ok("does not tell about versions"),
            Err(lost) => Err(self.wire.explain(lost, "")),
        }
    }
}
