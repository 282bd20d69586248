//! Proof that the remote holds the same bytes (invariant 5), and what follows where copies differ.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::try_join_all;

use super::{DAY_MS, Uplink, UplinkError};
use crate::deliver::prove::{Expected, How, Verdict, prove, whole_crc64};
use crate::domain::clip::ProofLevel;
use crate::domain::digest::Sha256;
use crate::domain::error::Retry;
use crate::domain::ids::ClipId;
use crate::domain::ports::{Abilities, ByteSource, ObjectSpec, SendError};
use crate::domain::time::UtcMs;
use crate::runtime::task;
use crate::store::{ClipRow, PartRow, StoreError};
use crate::vault::{SealedFile, hash_uncached};

/// A remote copy that keeps differing is a matter for a person after this many full sends.
const MAX_MISMATCHES: u32 = 5;
/// Bytes compared at each sampled place after a proof by checksum.
const SAMPLE_BYTES: u64 = 4096;
/// A lock that is this much shorter than was asked for is set again, milliseconds.
const LOCK_SLACK_MS: i64 = 3_600_000;

impl Uplink {
    pub(super) async fn prove_once(
        &self,
        row: &ClipRow,
        parts: &[PartRow],
        object: &ObjectSpec,
        abilities: &Abilities,
    ) -> Result<(), UplinkError> {
        let clip = row.clip;
        let digests: Vec<Sha256> = parts.iter().map(|p| p.sha256).collect();
        let expected = Expected {
            size_bytes: object.size_bytes,
            sha256: object.sha256,
            parts: &digests,
            crc64: whole_crc64(parts.iter().map(|p| (p.crc64, p.len))),
            blake3: row.blake3,
        };
        let proving = prove(&*self.dest, &object.key, &expected, abilities.proof);
        let (mut verdict, remote) = self.line.ask(proving).await?;
        if let Verdict::Proven(how) = &verdict
            && *how != How::ReadBack
            && let Some(what) = self.samples_differ(clip, object).await?
        {
            verdict = Verdict::Mismatch(what);
        }
        let name = self.name().to_owned();
        match verdict {
            Verdict::Proven(how) => {
                let remote = remote.unwrap_or_default();
                let mut locked_until = remote.locked_until;
                if let Some(until) = object.lock_until
                    && locked_until.is_none_or(|l| l < UtcMs(until.0 - LOCK_SLACK_MS))
                {
                    self.line.ask(self.dest.retain(&object.key, until)).await?;
                    locked_until = Some(until);
                }
                let level = if how == How::ReadBack { ProofLevel::ReadBack } else { ProofLevel::RemoteChecksum };
                let checksum = expected.compared(how);
                self.store
                    .write(move |tx| {
                        tx.proven(clip, &name, level, &checksum, remote.version.as_deref(), locked_until.map(|l| l.0))
                    })
                    .await?;
                self.metrics.proven(self.name());
                tracing::info!(%clip, destination = self.name(), proof = level.as_str(), "proven");
                Ok(())
            }
            Verdict::NeedsReadBack | Verdict::Unproven => {
                // "Sent, unproven" stays so; the daily probe may find better means.
                let at = self.clock.now().0 + DAY_MS;
                let words = "this destination gives no means to compare bytes: sent, unproven".to_owned();
                self.store.write(move |tx| tx.send_failed(clip, &name, &words, Retry::Transient, at)).await?;
                Ok(())
            }
            Verdict::Missing => self.disagree(row, "it was accepted, and is not there").await,
            Verdict::Mismatch(what) => self.disagree(row, &what).await,
        }
    }

    /// Compares the last bytes, and of what went up in parts the first and some between, with ours even where the
    /// remote's checksum agrees: cheap, and a server that answers checksums from memory while it lost the bytes is
    /// found out.
    async fn samples_differ(&self, clip: ClipId, object: &ObjectSpec) -> Result<Option<String>, UplinkError> {
        let size = object.size_bytes;
        if size == 0 {
            return Ok(None);
        }
        let source: Arc<dyn ByteSource> = Arc::new(SealedFile::open(&self.vault.master(clip))?);
        let last = size.saturating_sub(SAMPLE_BYTES);
        // A round trip for each: for the many short clips of a shift one must do.
        let mut places = match size <= object.grid.part_bytes(0) {
            true => vec![last],
            false => vec![0, (rand::random::<u64>() % size).min(last), last],
        };
        places.dedup();
        let samples = places.into_iter().map(|start| self.sample_differs(&source, object, start));
        Ok(try_join_all(samples).await?.into_iter().flatten().next())
    }

    async fn sample_differs(
        &self,
        source: &Arc<dyn ByteSource>,
        object: &ObjectSpec,
        start: u64,
    ) -> Result<Option<String>, UplinkError> {
        let end = (start + SAMPLE_BYTES).min(object.size_bytes);
        let mut theirs = Vec::new();
        let mut stream = self.line.ask(self.dest.read(&object.key, Some(start..end))).await?;
        while let Some(chunk) = stream.next().await {
            theirs.extend_from_slice(&chunk?);
            if theirs.len() as u64 > end - start {
                break;
            }
        }
        let source = Arc::clone(source);
        let ours = task::blocking("sample", move || {
            let mut buf = vec![0; (end - start) as usize];
            source.read_at(start, &mut buf).map(|n| {
                buf.truncate(n);
                buf
            })
        })
        .await
        .map_err(|_| StoreError::Closed)?
        .map_err(SendError::Local)?;
        let what = || format!("bytes {start} to {end} read back differ, though its checksum agrees");
        Ok((ours != theirs).then(what))
    }

    /// Whether our file is still what was sealed; a clip whose file is not, or is gone, is damaged from here on.
    pub(super) async fn ours_stands(&self, row: &ClipRow) -> Result<bool, UplinkError> {
        let (clip, path) = (row.clip, self.vault.master(row.clip));
        let what = match task::blocking("verify", move || hash_uncached(&path)).await.map_err(|_| StoreError::Closed)? {
            Ok((ours, len)) if Some(ours) == row.blake3 && Some(len) == row.size_bytes => return Ok(true),
            Ok(_) => "its file has other bytes than were sealed",
            Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => "its file is gone",
            Err(e) => return Err(e.into()),
        };
        tracing::error!(%clip, what, "a sealed clip is damaged");
        self.store.write(move |tx| tx.damaged(clip, what)).await?;
        Ok(false)
    }

    /// The remote holds other bytes: everything is sent again, if ours are still good.
    pub(super) async fn disagree(&self, row: &ClipRow, what: &str) -> Result<(), UplinkError> {
        let (clip, name, words) = (row.clip, self.name().to_owned(), what.to_owned());
        tracing::error!(%clip, destination = name, what, "the destination's copy is not ours");
        if !self.ours_stands(row).await? {
            return Ok(());
        }
        let dest = name.clone();
        let times = self.store.read(move |r| r.mismatches(clip, &dest)).await?;
        if times + 1 >= MAX_MISMATCHES {
            let words = format!(
                "{words}; sent {MAX_MISMATCHES} times, and its copy still differs: check that server, then `evidock retry {name}`"
            );
            self.store.write(move |tx| tx.send_failed(clip, &name, &words, Retry::Operator, 0)).await?;
            return Ok(());
        }
        let at = self.again_at_ms(times);
        self.store.write(move |tx| tx.mismatch(clip, &name, &words, at)).await?;
        Ok(())
    }
}
