//! A package on its way to a destination: its zip goes up in parts, each acknowledged part is remembered, and what arrived
//! is compared with what was sent (invariant 5) before anybody is told that it is there.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::clips::Look;
use super::serve::{Zip, write_whole};
use crate::deliver::prove::{Expected, Verdict, prove};
use crate::domain::digest::Sha256;
use crate::domain::grid::PartGrid;
use crate::domain::ports::{
    ByteSource, ClipBytes, Destination, ObjectSpec, PartReceipt, PartSpec, READ_ALIGN, SendError, SessionId,
};
use crate::runtime::task;

/// An upload that is under way.
#[derive(Serialize, Deserialize)]
struct Under {
    session: String,
    /// Tag and digest of each part that was acknowledged, in order.
    parts: Vec<(String, Option<String>)>,
}

impl Under {
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    async fn write(&self, path: &Path) -> anyhow::Result<()> {
        let (path, bytes) = (path.to_owned(), serde_json::to_vec(self)?);
        let wrote = task::blocking("export", move || write_whole(&path, &bytes)).await?;
        wrote.context("how far the upload is cannot be noted; free space, it goes on where it stopped")
    }
}

/// A part in memory. Whole blocks of it are where whole blocks of the object are.
struct Held {
    offset: u64,
    whole: u64,
    bytes: Vec<u8>,
}

impl ByteSource for Held {
    fn len(&self) -> u64 {
        self.whole
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset.saturating_sub(self.offset)).unwrap_or(usize::MAX).min(self.bytes.len());
        let n = buf.len().min(self.bytes.len() - from);
        buf[..n].copy_from_slice(&self.bytes[from..from + n]);
        Ok(n)
    }
}

/// Sends the zip as the object `key`; `notes` is where the upload is remembered.
pub(super) async fn send(
    dest: &dyn Destination,
    key: &str,
    zip: Arc<Zip>,
    notes: &Path,
    look: Look<'_>,
) -> anyhow::Result<()> {
    let size_bytes = zip.size_bytes();
    let grid = PartGrid::for_size(Some(size_bytes));
    debug_assert_eq!(grid.part_bytes(0) % READ_ALIGN as u64, 0);
    let mut object = ObjectSpec {
        key: key.to_owned(),
        size_bytes,
        grid,
        content_type: "application/zip".to_owned(),
        sha256: Sha256([0; 32]),
        // A package is a copy; the masters have their locks.
        lock_until: None,
    };
    let mut under = match Under::read(notes) {
        Some(under) => under,
        None => {
            let begun = dest.begin(&object).await?;
            let under = Under { session: begun.0, parts: Vec::new() };
            under.write(notes).await?;
            under
        }
    };
    let session = SessionId(under.session.clone());
    let (mut whole, mut sent) = (sha2::Sha256::new(), Vec::new());
    let mut stream = Arc::clone(&zip).read(0..size_bytes);
    let (mut n, mut offset, mut rest) = (0, 0, Vec::new());
    while offset < size_bytes {
        let len = grid.part_bytes(n).min(size_bytes - offset);
        let mut bytes = std::mem::take(&mut rest);
        while (bytes.len() as u64) < len {
            let chunk = stream.next().await.context("the package ends before its length")??;
            bytes.extend_from_slice(&chunk);
        }
        rest = bytes.split_off(len as usize);
        let hashed = task::blocking("export", move || {
            whole.update(&bytes);
            let digest = Sha256(sha2::Sha256::digest(&bytes).into());
            (whole, digest, bytes)
        });
        let (back, sha256, bytes) = hashed.await?;
        whole = back;
        let part = PartSpec { n, offset, len, sha256, crc64: None };
        let receipt = match under.parts.get(n as usize) {
            Some((tag, digest)) => {
                PartReceipt { tag: tag.clone(), sha256: digest.as_deref().and_then(|d| d.parse().ok()) }
            }
            None => {
                let body: Arc<dyn ByteSource> = Arc::new(Held { offset, whole: size_bytes, bytes });
                let receipt = dest.send_part(&object, &session, &part, body).await.map_err(|e| begin_anew(e, notes))?;
                under.parts.push((receipt.tag.clone(), receipt.sha256.map(|d| d.to_string())));
                under.write(notes).await?;
                receipt
            }
        };
        sent.push((part, receipt));
        look(len);
        (n, offset) = (n + 1, offset + len);
    }
    object.sha256 = Sha256(whole.finalize().into());
    zip.all_there().await.context("what was sent of the package is not made whole there")?;
    if let Err(e) = dest.complete(&object, &session, &sent).await {
        // A lost answer is settled by looking, not by asking again.
        let there = dest.head(key).await?;
        if there.is_none_or(|object| object.size_bytes != size_bytes) {
            return Err(begin_anew(e, notes).into());
        }
    }
    let abilities = dest.probe().await?;
    let digests: Vec<Sha256> = sent.iter().map(|(part, _)| part.sha256).collect();
    let expected = Expected { size_bytes, sha256: object.sha256, parts: &digests, crc64: None, blake3: None };
    let (verdict, _) = prove(dest, key, &expected, abilities.proof).await?;
    match verdict {
        Verdict::Proven(_) => {}
        Verdict::Unproven | Verdict::NeedsReadBack => anyhow::bail!(
            "{} took the package and gives no means to compare it; fetch it with the browser instead",
            dest.name()
        ),
        Verdict::Missing => {
            let _ = fs::remove_file(notes);
            anyhow::bail!("{} has lost the package that it took; let it go on, it is sent anew", dest.name())
        }
        Verdict::Mismatch(what) => {
            let _ = fs::remove_file(notes);
            let error = SendError::Mismatch { destination: dest.name().clone(), key: key.to_owned(), what };
            return Err(error.into());
        }
    }
    let _ = fs::remove_file(notes);
    Ok(())
}

/// Gives up an upload that an isolation ended; gives whether the object is there all the same: made whole just before, or
/// with an earlier disc.
pub(super) async fn give_up(dest: &dyn Destination, key: &str, notes: &Path) -> anyhow::Result<bool> {
    if let Some(under) = Under::read(notes) {
        // Only key and session are looked at.
        let object = ObjectSpec {
            key: key.to_owned(),
            size_bytes: 0,
            grid: PartGrid::for_size(None),
            content_type: String::new(),
            sha256: Sha256([0; 32]),
            lock_until: None,
        };
        dest.abort(&object, &SessionId(under.session)).await?;
    }
    Ok(dest.head(key).await?.is_some())
}

/// An upload that the destination no longer knows, or that went wrong there, is of no use.
fn begin_anew(e: SendError, notes: &Path) -> SendError {
    if matches!(e, SendError::SessionLost { .. } | SendError::Mismatch { .. }) {
        let _ = fs::remove_file(notes);
    }
    e
}
