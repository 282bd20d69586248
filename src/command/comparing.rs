//! The desk's part in `evidock verify`: a clip's bytes on disk and in the cloud, its row and its published record, all
//! against what the log says was sealed, and that against the signed tree. Whoever can change a file can change its row as
//! well: the row alone proves nothing.

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::anchor::Anchor;
use super::desk::{Answer, Desk, draft};
use crate::custody::checkpoint::{self, Checkpoint};
use crate::custody::note::VerifierKey;
use crate::deliver::prove::{Expected, read_back_telling};
use crate::domain::as_sealed::AsSealed;
use crate::domain::clip::{Delivery, Local, ProofLevel};
use crate::domain::command::{Caller, Reply};
use crate::domain::digest::{Blake3, Sha256, Sm3};
use crate::domain::error::chain;
use crate::domain::event::{Draft, EventKind};
use crate::domain::evict::Audit;
use crate::domain::ids::{ClipId, StationId};
use crate::domain::layout;
use crate::domain::merkle::leaf_hash;
use crate::domain::ports::{Destination, SendError};
use crate::domain::proof::TlogProof;
use crate::domain::record::Record;
use crate::domain::why::Why;
use crate::runtime::task;
use crate::store::{ClipRow, LogRow, PublishedRow, Store, StoreError};
use crate::vault::{Vault, hash_uncached_beside};

/// Longest record that is read back.
const MAX_RECORD_BYTES: usize = 4 << 20;

/// How one comparison ended: its word, and in words what is wrong.
type Said = (&'static str, Option<String>);

/// What a clip's bytes must be.
#[derive(Clone, Copy)]
struct Must {
    blake3: Blake3,
    sha256: Sha256,
    sm3: Option<Sm3>,
    size_bytes: u64,
}

/// What comparing a clip came to, in the words of `evidock verify`.
pub(super) struct Found {
    pub local: &'static str,
    pub log: &'static str,
    pub record: &'static str,
    /// Each copy elsewhere that was looked for.
    pub copies: Vec<Value>,
    pub detail: Option<String>,
    /// Something is not as it was sealed.
    pub bad: bool,
}

impl Found {
    /// The event that tells it. Words of servers stay out of the log; what came of each comparison stands in it.
    pub fn tell(&self, event: Draft, clip: ClipId) -> Draft {
        let told: Vec<Value> = self
            .copies
            .iter()
            .map(|c| json!({ "destination": c["destination"], "result": c["result"], "record": c["record"] }))
            .collect();
        event
            .clip(clip)
            .fact("log", self.log)
            .fact("record", self.record)
            .fact("local", self.local)
            .fact("copies", json!(told))
            .outcome(if self.bad { "failed" } else { "ok" })
    }
}

/// Hears how far a comparison is.
pub(super) trait Told: Send + Sync {
    /// So many bytes will be read.
    fn begins(&self, bytes: u64);
    /// From here on these are read: the file here (`None`), or the copy at a destination.
    fn reads(&self, destination: Option<&str>);
    /// So many more were read.
    fn went(&self, bytes: u64);
}

/// Whoever waits for the answer hears nothing before it.
pub(super) struct Untold;

impl Told for Untold {
    fn begins(&self, _: u64) {}
    fn reads(&self, _: Option<&str>) {}
    fn went(&self, _: u64) {}
}

/// What a comparison needs of the desk; it may go on after the desk has answered.
#[derive(Clone)]
pub(super) struct Comparing {
    store: Store,
    vault: Vault,
    station: StationId,
    anchor: Arc<Anchor>,
    remotes: Vec<Arc<dyn Destination>>,
}

impl Desk {
    pub(super) fn comparing(&self) -> Comparing {
        Comparing {
            store: self.store.clone(),
            vault: self.vault.clone(),
            station: self.policy.station.clone(),
            anchor: Arc::clone(&self.anchor),
            remotes: self.remotes.clone(),
        }
    }
}

impl Comparing {
    /// Compares a clip with what was sealed, logs what came of it and tells it as `evidock verify` does.
    pub(super) async fn verify(
        &self,
        caller: &Caller,
        clip: ClipId,
        remote: bool,
        told_of: &Arc<impl Told + 'static>,
    ) -> Answer {
        // Of an evicted clip the copies elsewhere are all there is to verify.
        let Some(found) = self.compare(caller, clip, |evicted| remote || evicted, told_of).await? else {
            return Ok(Reply::refused("conflict", Why::NotSealedCompared { clip: clip.to_string() }));
        };
        let event = found.tell(draft(EventKind::Verified, caller), clip);
        self.store.write(move |tx| tx.log(&event)).await?;
        Ok(Reply::Done(json!({
            "clip": clip.to_string(), "local": found.local, "log": found.log, "record": found.record,
            "detail": found.detail, "copies": found.copies, "ok": !found.bad,
        })))
    }

    /// Compares a clip with what was sealed; `None` where nothing was. `elsewhere` says whether its copies are read back,
    /// given whether its file was given up. What was found is stored; whoever asks logs it.
    pub(super) async fn compare(
        &self,
        caller: &Caller,
        clip: ClipId,
        elsewhere: impl FnOnce(bool) -> bool + Send,
        told_of: &Arc<impl Told + 'static>,
    ) -> Result<Option<Found>, StoreError> {
        let (row, parts, deliveries, told, published) = self
            .store
            .read(move |r| {
                Ok((r.clip(clip)?, r.parts(clip)?, r.deliveries(clip)?, r.as_sealed(clip)?, r.published(clip)?))
            })
            .await?;
        let (Some(blake3), Some(sha256), Some(size_bytes)) = (row.blake3, row.sha256, row.size_bytes) else {
            return Ok(None);
        };
        let row_says = Must { blake3, sha256, sm3: row.sm3, size_bytes };
        let log = self.in_log(&told, row_says).await?;
        // The first word counts; that a later one says otherwise is a finding of its own.
        let must = told.first().map_or(row_says, |(_, told)| Must {
            blake3: told.blake3,
            sha256: told.sha256.unwrap_or(sha256),
            sm3: told.sm3,
            size_bytes: told.size_bytes,
        });
        let record = of_record(published.as_ref(), must);
        let evicted = row.local == Local::Evicted;
        let remote = elsewhere(evicted);
        let stands_at = |name: &str| {
            let state = deliveries.iter().find(|(at, _)| at == name).map(|(_, state)| *state);
            state.filter(|state| matches!(state, Delivery::Sent | Delivery::Proven | Delivery::Suspect))
        };
        let there =
            self.remotes.iter().filter(|dest| remote && stands_at(dest.name().as_str()).is_some()).count() as u64;
        told_of.begins(must.size_bytes.saturating_mul(there + u64::from(!evicted)));
        let (local, detail) = self.here(&row, must, told_of).await?;
        let mut copies = Vec::new();
        if remote {
            let digests: Vec<_> = parts.iter().map(|p| p.sha256).collect();
            let expected = Expected {
                size_bytes: must.size_bytes,
                sha256: must.sha256,
                parts: &digests,
                crc64: None,
                blake3: Some(must.blake3),
            };
            for dest in &self.remotes {
                let state = stands_at(dest.name().as_str());
                if state.is_none() {
                    copies.push(json!({
                        "destination": dest.name().as_str(), "result": "not_sent", "record": null, "detail": null,
                    }));
                    continue;
                }
                let key = layout::master(&self.station, clip);
                told_of.reads(Some(dest.name().as_str()));
                let word = match read_back_telling(&**dest, &key, &expected, &|n| told_of.went(n)).await {
                    Ok(()) => ("same", None),
                    Err(SendError::Mismatch { what, .. }) => ("differs", Some(what)),
                    Err(e) => ("unreachable", Some(chain(&e))),
                };
                self.looked_at(caller, clip, dest.name().as_str(), state, (word.0, word.1.as_deref()), must.sha256)
                    .await?;
                let record = match (&published, word.0) {
                    (Some(published), "same" | "differs") => self.record_at(&**dest, clip, published).await,
                    _ => None,
                };
                copies.push(json!({
                    "destination": dest.name().as_str(), "result": word.0, "record": record, "detail": word.1,
                }));
            }
        }
        let bad = log.0 != "same"
            || record.0 == "differs"
            || !matches!(local, "same" | "evicted")
            || copies.iter().any(|c| c["result"] == "differs" || c["record"] == "differs");
        let detail: Vec<String> = [detail, log.1, record.1].into_iter().flatten().collect();
        let detail = if detail.is_empty() { None } else { Some(detail.join("; ")) };
        Ok(Some(Found { local, log: log.0, record: record.0, copies, detail, bad }))
    }

    /// Whether the log says of the row's digests that they were sealed, and stands as it was signed.
    async fn in_log(&self, told: &[(LogRow, AsSealed)], row: Must) -> Result<Said, StoreError> {
        let Some(newest) = told.iter().map(|(entry, _)| entry.seq).max() else {
            return Ok(("missing", Some("the log has no entry that says what was sealed".to_owned())));
        };
        for (entry, as_sealed) in told {
            if !as_sealed.is(row.blake3, row.sha256, row.sm3, row.size_bytes) {
                let words = format!("the clip's row names other digests than entry {} of the log", entry.seq);
                return Ok(("differs", Some(words)));
            }
        }
        let Some((head, note)) = self.head_over(newest).await? else {
            let words = "the newest checkpoint is not signed by this station; run `evidock log verify`".to_owned();
            return Ok(("differs", Some(words)));
        };
        let entries: Vec<LogRow> = told.iter().map(|(entry, _)| entry.clone()).collect();
        let astray = self
            .store
            .read(move |r| {
                for entry in entries {
                    let path = r.log_path(entry.seq, head.size)?.unwrap_or_default();
                    let proof = TlogProof { extra: None, index: entry.seq, path, checkpoint: note.clone() };
                    if !proof.leads(&leaf_hash(&entry.bytes), head.size, &head.root) {
                        return Ok(Some(entry.seq));
                    }
                }
                Ok(None)
            })
            .await?;
        Ok(match astray {
            None => ("same", None),
            Some(seq) => {
                let words = format!("entry {seq} does not stand in the log as it was signed; run `evidock log verify`");
                ("differs", Some(words))
            }
        })
    }

    /// A checkpoint of ours above this entry, as it was signed; `None` where none opens with our key.
    async fn head_over(&self, seq: u64) -> Result<Option<(Checkpoint, String)>, StoreError> {
        let key = VerifierKey::of(&*self.anchor.signer).map_err(|e| StoreError::Odd(e.to_string()))?;
        let keys = [key];
        let newest = self
            .store
            .read(|r| {
                let epoch = r.epoch()?;
                Ok(r.last_checkpoint()?.filter(|head| head.epoch == epoch))
            })
            .await?;
        let opened = |note: &str| {
            let head = checkpoint::open(note.as_bytes(), &keys).ok()?.checkpoint;
            (head.size > seq).then(|| (head, note.to_owned()))
        };
        if let Some(opened) = newest.as_ref().and_then(|row| opened(&row.note)) {
            return Ok(Some(opened));
        }
        // The clip is newer, or the key is.
        let signed = self.anchor.sign_now().await?;
        Ok(opened(&signed.note))
    }

    /// The clip's file.
    async fn here(&self, row: &ClipRow, must: Must, told_of: &Arc<impl Told + 'static>) -> Result<Said, StoreError> {
        // It gave its file up in order; whether that is quite gone by now says nothing.
        if row.local == Local::Evicted {
            return Ok(("evicted", None));
        }
        told_of.reads(None);
        let (clip, path, told_of) = (row.clip, self.vault.master(row.clip), Arc::clone(told_of));
        let hashed = task::blocking("verify", move || {
            use sha2::Digest as _;
            // One reading gives both; a clip that was sealed without SM3 does not pay for it.
            let mut sm3 = must.sm3.is_some().then(sm3::Sm3::new);
            let read = hash_uncached_beside(&path, |block| {
                sm3.iter_mut().for_each(|sm3| sm3.update(block));
                told_of.went(block.len() as u64);
            });
            read.map(|(blake3, len)| (blake3, sm3.map(|sm3| Sm3(sm3.finalize().into())), len))
        });
        let local = hashed.await.map_err(|_| StoreError::Closed)?;
        let said: Said = match local {
            Ok(found) if found == (must.blake3, must.sm3, must.size_bytes) => ("same", None),
            Ok(_) => ("differs", Some("the local file has other bytes than were sealed".to_owned())),
            Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => {
                ("gone", Some("the local file is gone".to_owned()))
            }
            Err(e) => ("unreadable", Some(chain(&e))),
        };
        match said.0 {
            "differs" => {
                self.store.write(move |tx| tx.damaged(clip, "its file has other bytes than were sealed")).await?
            }
            "gone" => self.store.write(move |tx| tx.damaged(clip, "its file is gone")).await?,
            _ => {}
        }
        Ok(said)
    }

    /// Whether the record at a destination is what was published; `None` where that cannot be told: it is still on its
    /// way there, or the destination gives nothing back.
    async fn record_at(&self, dest: &dyn Destination, clip: ClipId, published: &PublishedRow) -> Option<&'static str> {
        let key = layout::record(&self.station, clip, published.rev);
        let mut stream = dest.read(&key, None).await.ok()?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.ok()?);
            if bytes.len() > MAX_RECORD_BYTES {
                return Some("differs");
            }
        }
        let wanted = published.logged.unwrap_or(Blake3(blake3::hash(&published.json).into()));
        Some(if Blake3(blake3::hash(&bytes).into()) == wanted { "same" } else { "differs" })
    }

    /// Stores what comparing every byte of a copy came to, as an audit does.
    async fn looked_at(
        &self,
        caller: &Caller,
        clip: ClipId,
        destination: &str,
        state: Option<Delivery>,
        (word, what): (&str, Option<&str>),
        sha256: Sha256,
    ) -> Result<(), StoreError> {
        let (name, what) = (destination.to_owned(), what.unwrap_or_default().to_owned());
        let asked = draft(EventKind::Audited, caller);
        match (word, state) {
            // What was called proven is not: nothing may rely on it, and it is sent again.
            ("differs", _) => self.store.write(move |tx| tx.suspect(clip, &name, &what, "verify").map(|_| ())).await,
            ("same", Some(Delivery::Proven)) => {
                self.store.write(move |tx| tx.audited(clip, &name, Audit::Whole, asked)).await
            }
            // Every byte of it was read back and is ours: what made it suspect is over (invariant 5).
            ("same", Some(Delivery::Suspect)) => {
                let checksum = format!("read_back:{sha256}");
                self.store
                    .write(move |tx| {
                        tx.proven(clip, &name, ProofLevel::ReadBack, &checksum, None, None)?;
                        tx.audited(clip, &name, Audit::Whole, asked)?;
                        tx.end_quarantine(clip, crate::deliver::mend::NOWHERE)
                    })
                    .await
            }
            _ => Ok(()),
        }
    }
}

/// Whether the newest revision of the record is the one that the log tells of, and names the bytes that were sealed.
fn of_record(published: Option<&PublishedRow>, must: Must) -> Said {
    let Some(published) = published else { return ("none", None) };
    let rev = published.rev;
    match published.logged {
        None => return ("differs", Some(format!("the log knows no revision {rev} of the record"))),
        Some(logged) if logged != Blake3(blake3::hash(&published.json).into()) => {
            return ("differs", Some(format!("revision {rev} of the record is not the one that was published")));
        }
        Some(_) => {}
    }
    let record = serde_json::from_slice::<Record>(&published.json).unwrap_or_default();
    match (&record.blake3, &record.sha256) {
        // It was published while the clip was copied.
        (None, None) => ("none", None),
        (Some(blake3), Some(sha256))
            if *blake3 == must.blake3.to_string()
                && *sha256 == must.sha256.to_string()
                && record.sm3 == must.sm3.map(|sm3| sm3.to_string())
                && record.size_bytes == must.size_bytes =>
        {
            ("same", None)
        }
        _ => ("differs", Some("the record names other bytes than were sealed".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_must_be_the_logged_one_and_name_what_was_sealed() {
        let sm3 = Some(Sm3([4; 32]));
        let must = Must { blake3: Blake3([1; 32]), sha256: Sha256([2; 32]), sm3, size_bytes: 3 };
        let json = |size_bytes| {
            let record = Record {
                blake3: Some("01".repeat(32)),
                sha256: Some("02".repeat(32)),
                sm3: Some("04".repeat(32)),
                size_bytes,
                ..Record::default()
            };
            serde_json::to_vec(&record).unwrap()
        };
        let row = |json: Vec<u8>| {
            let logged = Some(Blake3(blake3::hash(&json).into()));
            PublishedRow { rev: 2, json, logged }
        };
        assert_eq!(of_record(None, must).0, "none");
        assert_eq!(of_record(Some(&row(json(3))), must).0, "same");
        assert_eq!(of_record(Some(&row(json(4))), must).0, "differs");
        let other = PublishedRow { json: json(3), ..row(json(4)) };
        assert_eq!(of_record(Some(&other), must).0, "differs");
        let unknown = PublishedRow { logged: None, ..row(json(3)) };
        assert_eq!(of_record(Some(&unknown), must).0, "differs");
    }
}
