//! Finds out by trying what the server can do: whether it checks checksums, whether a finished upload can be asked for,
//! and whether it gives bytes back.

use std::sync::PoisonError;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::Method;

use super::TusDestination;
use super::wire::Call;
use crate::deliver::http::Payload;
use crate::deliver::trial::{self, weaker};
use crate::domain::clip::ProofLevel;
use crate::domain::digest::Sha256;
use crate::domain::layout;
use crate::domain::ports::{Abilities, SendError};

/// What the server says of itself (tus 1.0, "OPTIONS").
#[derive(Debug, Default, PartialEq, Eq)]
struct Offers {
    extensions: Vec<String>,
    sha256: bool,
    max_bytes: Option<u64>,
}

impl TusDestination {
    pub(super) async fn probe_all(&self) -> Result<Abilities, SendError> {
        let offers = self.offers().await?;
        *self.learned.max_bytes.lock().unwrap_or_else(PoisonError::into_inner) = offers.max_bytes;
        let has = |extension: &str| offers.extensions.iter().any(|e| e == extension);
        if !offers.extensions.is_empty() {
            self.learned.terminates.set(has("termination"));
        }
        let checks = has("checksum") && offers.sha256 && self.refuses_wrong_checksums().await?;
        self.learned.checks.set(checks);

        let key = layout::probe(&self.station);
        // The object of the last probe, so that not one more is left each day.
        let before = self.find(&key).await?;
        let (object, bytes) = trial::object(&key);
        // What is tried is noted as readable, so that its absence is found.
        self.learned.reads.set(true);
        let session = self.begin_upload(&object).await?;
        let found = trial::run(self, &object, &bytes, &session).await?;
        self.learned.reads.set(found.reads_back);
        if let Some(before) = before {
            self.terminate(&before.url).await?;
        }

        let level = match found {
            trial::Findings { reads_back: true, .. } => ProofLevel::ReadBack,
            trial::Findings { tells_length: true, .. } => ProofLevel::LengthOnly,
            _ => ProofLevel::None,
        };
        let proof = self.proof.map_or(level, |cap| weaker(level, cap));
        let detail = [
            if checks {
                "checks the SHA-256 of parts"
            } else {
                "checks no SHA-256: each part is hashed before it is sent"
            },
            if found.tells_length { "tells the length of finished uploads" } else { "takes finished uploads away" },
            if found.reads_back { "gives the bytes back" } else { "gives no bytes back: sent, unproven" },
            if has("termination") { "uploads can be given up" } else { "uploads cannot be given up" },
            "no keys and no lists: only this station knows what stands where",
        ]
        .join(", ");
        Ok(Abilities { proof, lock: false, same_device: false, in_order: true, detail })
    }

    async fn offers(&self) -> Result<Offers, SendError> {
        let reply = match self.wire.attempt(Call::new(Method::OPTIONS, self.wire.endpoint())).await? {
            Ok(reply) => reply,
            // Some doors answer nothing but uploads; what they can do is then tried, or left.
            Err(refusal) if matches!(refusal.status, 404 | 405 | 501) => return Ok(Offers::default()),
            Err(refusal) => return Err(self.wire.explain(refusal, "")),
        };
        let versions = reply.header("tus-version").unwrap_or_default();
        if !versions.is_empty() && !versions.split(',').any(|v| v.trim() == "1.0.0") {
            return Err(self.wire.line().protocol(format!("it speaks tus {versions:?} and not 1.0.0")));
        }
        let list = |name: &str| -> Vec<String> {
            let text = reply.header(name).unwrap_or_default();
            text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
        };
        let offers = Offers {
            extensions: list("tus-extension"),
            sha256: list("tus-checksum-algorithm").iter().any(|a| a == "sha256"),
            max_bytes: reply.number("tus-max-size").filter(|most| *most > 0),
        };
        if !offers.extensions.is_empty() && !offers.extensions.iter().any(|e| e == "creation") {
            return Err(self.wire.line().protocol("it offers no way to make uploads (no \"creation\" extension)"));
        }
        Ok(offers)
    }

    /// Whether bytes with another SHA-256 than declared are refused, and nothing of them is kept.
    async fn refuses_wrong_checksums(&self) -> Result<bool, SendError> {
        let (object, bytes) = trial::object(&layout::probe(&self.station));
        let url = self.create(&object.key, object.size_bytes, object.sha256, &object.content_type).await?;
        self.offsets().remove(&url);
        let wrong = Sha256([7; 32]);
        let refuses = match self.wire.attempt(patch(&url, bytes.clone(), wrong)).await? {
            Ok(_) => false,
            Err(_) => self.offset(&url).await? == 0,
        };
        // And takes the right one, or it refuses everything.
        let checks = refuses && self.wire.attempt(patch(&url, bytes, object.sha256)).await?.is_ok();
        self.terminate(&url).await?;
        Ok(checks)
    }
}

fn patch(url: &str, bytes: Bytes, sha256: Sha256) -> Call {
    Call::new(Method::PATCH, url)
        .header("upload-offset", "0")
        .header("content-type", "application/offset+octet-stream")
        .header("upload-checksum", &format!("sha256 {}", BASE64.encode(sha256.as_bytes())))
        .body(Payload::Bytes(bytes))
}
