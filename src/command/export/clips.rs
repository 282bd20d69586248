//! Clips of a package: read from wherever they stand, each stretch verified, and compared once more with what was sealed as
//! they were written. What an earlier run has written is gone on with.

use std::sync::Arc;

use anyhow::Context;
use futures_util::StreamExt;

use super::super::Ended;
use super::super::exit::Exit;
use super::sink::Sink;
use crate::custody::package::PackedClip;
use crate::custody::package::digests::{Digests, Hashing};
use crate::domain::error::{Retry, Retryable, chain};
use crate::domain::ids::ClipId;
use crate::domain::ports::{ClipBytes, Footage, FootageError};
use crate::runtime::task;

/// Stretches of a clip between whoever reads and whoever writes: some 4 MiB.
const BETWEEN: usize = 16;

/// Told of bytes that are done.
pub(super) type Look<'a> = &'a mut (dyn FnMut(u64) + Send);

/// Writes every clip that is not there yet; gives the digests of all of them, in their order. `there` are those of the
/// first ones, which are.
pub(super) async fn write_all(
    footage: &dyn Footage,
    clips: &[PackedClip],
    mut sink: Sink,
    there: Vec<Digests>,
    look: Look<'_>,
) -> anyhow::Result<(Sink, Vec<Digests>)> {
    let mut all = Vec::new();
    for (n, clip) in clips.iter().enumerate() {
        let held = match there.get(n) {
            Some(digests) => Some(digests.clone()),
            None => {
                let wanted = clip.clone();
                let looked = task::blocking("export", move || {
                    let has = sink.has(&wanted);
                    (sink, has)
                });
                let (back, has) = looked.await.context("the program is stopping")?;
                sink = back;
                has.with_context(|| format!("{} cannot be read back", clip.path))?
            }
        };
        if let Some(digests) = held {
            look(clip.size_bytes);
            all.push(digests);
            continue;
        }
        let bytes = open(footage, clip).await?;
        let (back, digests) = one(sink, bytes, clip, look).await?;
        sink = back;
        all.push(digests);
    }
    Ok((sink, all))
}

/// Looks at every clip once more before its package is finished: what was written an hour or a run ago may have been
/// isolated since, and must not be handed over.
pub(super) async fn still_there(footage: &dyn Footage, clips: &[PackedClip]) -> anyhow::Result<()> {
    for clip in clips {
        open(footage, clip).await?;
    }
    Ok(())
}

/// Reads a clip for its digests alone.
pub(super) async fn digest(
    footage: &dyn Footage,
    clip: &PackedClip,
    sm3: bool,
    look: Look<'_>,
) -> anyhow::Result<Digests> {
    let mut stream = open(footage, clip).await?.read(0..clip.size_bytes);
    let mut hashing = Hashing::new(sm3);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| failed(clip, &e))?;
        look(chunk.len() as u64);
        let hashed = task::blocking("export", move || {
            hashing.update_shared(&chunk);
            hashing
        });
        hashing = hashed.await.context("the program is stopping")?;
    }
    let digests = hashing.finish();
    anyhow::ensure!(digests.sha256 == clip.sha256, "the clip {} has other bytes than were sealed", clip.clip);
    Ok(digests)
}

pub(super) async fn open(footage: &dyn Footage, clip: &PackedClip) -> anyhow::Result<Arc<dyn ClipBytes>> {
    let id: ClipId = clip.clip.parse()?;
    let bytes = footage.open(id).await.map_err(|e| failed(clip, &e))?;
    if bytes.size_bytes() != clip.size_bytes {
        anyhow::bail!("the clip {} has another length than when the package was begun", clip.clip);
    }
    Ok(bytes)
}

/// Writes one clip. Where it goes on from an earlier run and the whole is not what was sealed, it begins anew, once.
async fn one(
    mut sink: Sink,
    bytes: Arc<dyn ClipBytes>,
    clip: &PackedClip,
    look: Look<'_>,
) -> anyhow::Result<(Sink, Digests)> {
    let mut from = sink.begun(clip);
    loop {
        look(from);
        let (to_writer, writer_gets) = tokio::sync::mpsc::channel(BETWEEN);
        let (wanted, path) = (clip.clone(), clip.path.clone());
        let writing = task::blocking("export", move || {
            let written = sink.write(&wanted, from, writer_gets);
            (sink, written)
        });
        let reading = async {
            let mut stream = Arc::clone(&bytes).read(from..clip.size_bytes);
            while let Some(chunk) = stream.next().await {
                let chunk = chunk?;
                look(chunk.len() as u64);
                // The writer has ended: why is its to say.
                if to_writer.send(chunk).await.is_err() {
                    break;
                }
            }
            drop(to_writer);
            Ok::<_, FootageError>(())
        };
        let (read, wrote) = tokio::join!(reading, writing);
        let (back, written) = wrote.context("the program is stopping")?;
        sink = back;
        read.map_err(|e| failed(clip, &e))?;
        let digests = written.with_context(|| {
            format!("writing {path}: free space and run the same again, it goes on where it stopped")
        })?;
        if digests.sha256 == clip.sha256 {
            return Ok((sink, digests));
        }
        sink.discard(clip)?;
        if from == 0 {
            anyhow::bail!("{path} has other bytes on this disk than were written to it; check the disk");
        }
        from = 0;
    }
}

pub(super) fn failed(clip: &PackedClip, e: &FootageError) -> anyhow::Error {
    let exit = if e.retry() == Retry::Transient { Exit::Failure } else { Exit::Mismatch };
    let next = match e {
        FootageError::Isolated => "the package is not finished: remove what was written of it, and ask for another one",
        _ => "the package is not finished",
    };
    Ended::with(exit, format!("the clip {} cannot be exported: {}; {next}", clip.clip, chain(e)))
}
