//! Finds out by trying what the service can do: which checksum of a part it compares, whether it gives bytes back, and
//! whether the container keeps policies. What it lacks is a finding, not an error.

use std::sync::Arc;

use http::Method;

use super::reply::Meaning;
use super::wire::{Call, Fail};
use super::{AzureDestination, Check, Policy};
use crate::deliver::trial::{self, InMemory, weaker};
use crate::domain::digest::Crc64;
use crate::domain::layout;
use crate::domain::ports::{Abilities, PartSpec, SendError};

impl AzureDestination {
    pub(super) async fn probe_all(&self) -> Result<Abilities, SendError> {
        let key = layout::probe(&self.station);
        self.learned.set_check(if self.compares_crc64(&key).await? { Check::Crc64 } else { Check::Md5 });

        // In one go, as small objects and short clips are sent.
        let (object, bytes) = trial::object(&key);
        let single = self.begin_upload(&object)?;
        let in_one = trial::run(self, &object, &bytes, &single).await?;
        // In blocks. Other bytes, so that the object of before cannot pass for this one.
        let (object, bytes) = trial::object(&key);
        let in_parts = trial::run(self, &object, &bytes, &self.begin_blocks()).await?;

        let (lock, lock_words) = self.probe_lock().await?;
        self.learned.lock.set(lock);
        let found = weaker(in_one.level(), in_parts.level());
        let proof = self.proof.map_or(found, |cap| weaker(found, cap));
        let detail = format!(
            "compares the {} of parts; whole objects: {}; parts: {}; {lock_words}",
            if self.learned.check() == Check::Crc64 { "CRC-64" } else { "MD5" },
            in_one.words(),
            in_parts.words(),
        );
        Ok(Abilities { proof, lock, same_device: false, in_order: false, detail })
    }

    /// Whether a block with another CRC than declared is refused, and one with the right one taken.
    async fn compares_crc64(&self, key: &str) -> Result<bool, SendError> {
        let (object, bytes) = trial::object(key);
        let session = self.begin_blocks();
        let right = Crc64(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, &bytes));
        let part = |crc| PartSpec { n: 0, offset: 0, len: object.size_bytes, sha256: object.sha256, crc64: Some(crc) };
        let body = Arc::new(InMemory(bytes));
        self.learned.set_check(Check::Crc64);
        let wrong = self.upload_part(&object, &session, &part(Crc64(!right.0)), body.clone()).await;
        let taken = self.upload_part(&object, &session, &part(right), body).await;
        self.learned.set_check(Check::Md5);
        match (wrong, taken) {
            (Err(SendError::Mismatch { .. }), Ok(_)) => Ok(true),
            // Ignored, unknown, or compared with another CRC than ours.
            (
                Ok(_) | Err(SendError::Mismatch { .. } | SendError::Protocol { .. }),
                Ok(_) | Err(SendError::Mismatch { .. } | SendError::Protocol { .. }),
            ) => Ok(false),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    async fn probe_lock(&self) -> Result<(bool, &'static str), SendError> {
        if self.lock == Policy::Off {
            return Ok((false, "locks are off by configuration"));
        }
        match self.wire.attempt(Call::container(Method::GET)).await {
            Ok(reply) => {
                let enabled = reply.header("x-ms-immutable-storage-with-versioning-enabled");
                let enabled = enabled.is_some_and(|word| word.eq_ignore_ascii_case("true"));
                Ok(if enabled { (true, "the container keeps locks") } else { (false, "the container keeps no locks") })
            }
            Err(Fail::Refused(refusal)) if matches!(refusal.meaning(), Meaning::Busy | Meaning::Failing) => {
                Err(self.wire.explain(Fail::Refused(refusal), ""))
            }
            Err(Fail::Refused(_)) => Ok((false, "whether the container keeps locks may not be asked")),
            Err(lost) => Err(self.wire.explain(lost, "")),
        }
    }
}
