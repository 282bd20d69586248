//! Finds out by trying what the server can do: what its checksums are worth on both ways up, whether it keeps a
//! key from being overwritten, and whether the bucket keeps locks. What it lacks is a finding, not an error.

use http::Method;

use super::reply::Meaning;
use super::wire::{Call, Fail};
use super::{Checksum, LockMode, S3Destination, xml};
use crate::deliver::trial::{self, Findings, weaker};
use crate::domain::clip::ProofLevel;
use crate::domain::layout;
use crate::domain::ports::{Abilities, SendError, SessionId};

/// What trying showed of both ways up.
struct Both {
    in_one: Findings,
    in_parts: Findings,
}

impl Both {
    /// A destination is as good as its worst way of taking bytes.
    fn level(&self) -> ProofLevel {
        weaker(self.in_one.level(), self.in_parts.level())
    }

    fn echoes(&self) -> bool {
        self.in_one.echoes && self.in_parts.echoes
    }
}

impl S3Destination {
    pub(super) async fn probe_all(&self) -> Result<Abilities, SendError> {
        let key = layout::probe(&self.station);
        let (found, checksum) = self.negotiate(&key).await?;
        self.learned.checksum.set(checksum);
        self.probe_condition(&key).await?;

        let (lock, lock_words) = self.probe_lock().await?;
        self.learned.lock.set(lock);
        let versions = self.probe_versioning().await?;

        let level = found.level();
        let proof = self.proof.map_or(level, |cap| weaker(level, cap));
        let mut detail = format!(
            "{}; whole objects: {}; parts: {}; {}; {lock_words}; {versions}",
            match checksum {
                Checksum::Sha256 => "compares SHA-256",
                Checksum::Crc64 => "compares CRC-64/NVME",
                Checksum::Md5 => "compares MD5 at most",
            },
            found.in_one.words(),
            found.in_parts.words(),
            if self.learned.if_none_match.is_yes() { "keeps keys from being overwritten" } else { "overwrites keys" },
        );
        if proof != level {
            detail.push_str(&format!("; {} by configuration, {} was found", proof.as_str(), level.as_str()));
        }
        Ok(Abilities { proof, lock, same_device: false, in_order: false, detail })
    }

    /// The first checksum that proves; else what is left when none does.
    async fn negotiate(&self, key: &str) -> Result<(Both, Checksum), SendError> {
        self.learned.checksum.set(Checksum::Sha256);
        let by_sha256 = match self.try_both(key).await {
            Ok(found) if found.level() == ProofLevel::RemoteChecksum => return Ok((found, Checksum::Sha256)),
            Ok(found) => Some(found),
            // It does not know the word, and says so.
            Err(SendError::Protocol { .. }) => None,
            Err(other) => return Err(other),
        };
        if let Some(found) = self.try_crc(key).await? {
            return Ok((found, Checksum::Crc64));
        }
        match by_sha256 {
            // It compares what arrives, and tells nothing of the object.
            Some(found) if found.echoes() => Ok((found, Checksum::Sha256)),
            _ => {
                self.learned.checksum.set(Checksum::Md5);
                Ok((self.try_both(key).await?, Checksum::Md5))
            }
        }
    }

    /// Tries both ways up with the checksum in use.
    async fn try_both(&self, key: &str) -> Result<Both, SendError> {
        // In one go, as small objects and short clips are sent.
        let (object, bytes) = trial::object(key);
        let single = self.begin_upload(&object).await?;
        let in_one = trial::run(self, &object, &bytes, &single).await?;
        // In parts. Other bytes, so that the object of before cannot pass for this one.
        let (object, bytes) = trial::object(key);
        let multipart = self.begin_multipart(&object).await?;
        let in_parts = self.try_parts(&object, &bytes, &multipart).await?;
        Ok(Both { in_one, in_parts })
    }

    /// The same with CRC; `None` where that proves nothing, either.
    async fn try_crc(&self, key: &str) -> Result<Option<Both>, SendError> {
        self.learned.checksum.set(Checksum::Crc64);
        self.learned.crc_echo.set(false);
        let mut found = match self.try_both(key).await {
            Ok(found) => found,
            // It does not know the word, and says so.
            Err(SendError::Refused { .. } | SendError::Protocol { .. } | SendError::Mismatch { .. }) => {
                return Ok(None);
            }
            Err(other) => return Err(other),
        };
        // The answer to the last part of the last way told; the first way is held to the same.
        let echoes = self.learned.crc_echo.is_yes();
        (found.in_one.echoes, found.in_parts.echoes) = (echoes, echoes);
        Ok(Some(found).filter(|found| found.level() == ProofLevel::RemoteChecksum))
    }

    /// A key that stands: the condition must refuse.
    async fn probe_condition(&self, key: &str) -> Result<(), SendError> {
        let (_, bytes) = trial::object(key);
        match self.put(key, bytes, "application/octet-stream", None, true).await {
            Err(Fail::Refused(refusal)) if refusal.meaning() == Meaning::Exists => self.learned.if_none_match.set(true),
            Ok(()) | Err(Fail::Refused(_)) => self.learned.if_none_match.set(false),
            Err(lost @ Fail::Lost(_)) => return Err(self.wire.explain(lost, key)),
        }
        Ok(())
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
