//! Filing documents: what page, API, command line and watched folder have in common. The name is bounded, the kind is
//! known, the case's number can be read and the first bytes are those of a document before anything of it is kept.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;

use super::desk::{Answer, Desk, MAX_VALUE_CHARS};
use crate::domain::command::{Caller, FileDocument, Incoming, Reply};
use crate::domain::document::{self, DocumentKind, HEAD_BYTES, NewDocument};
use crate::domain::error::chain;
use crate::domain::ids::ClipId;
use crate::domain::record::Origin;
use crate::domain::recorder::SourcePath;
use crate::domain::why::Why;
use crate::intake::{Filed, IntakeError};
use crate::runtime::task;
use crate::store::LinkRequest;
use crate::vault::CopyError;

/// Chunks between whoever sends and the disk.
const BETWEEN: usize = 16;

impl Desk {
    /// Takes a document in; answers once it is sealed.
    pub(super) async fn file_document(&self, caller: &Caller, asked: FileDocument, mut bytes: Incoming) -> Answer {
        let invalid = |why: Why| Ok(Reply::refused("invalid", why));
        let number = match self.number(&asked.case_no) {
            Ok(number) => number,
            Err(why) => return invalid(why),
        };
        let Some(kind) = DocumentKind::parse(asked.kind.trim()) else {
            let known = DocumentKind::ALL.iter().map(|k| k.as_str().to_owned()).collect();
            return invalid(Why::NoDocumentKind { kind: asked.kind, known });
        };
        let most = self.document_bytes;
        match asked.size_bytes {
            0 => return invalid(Why::DocumentEmpty {}),
            n if n > most => {
                return Ok(Reply::refused("too_large", Why::DocumentTooLarge { bytes: n, most }));
            }
            _ => {}
        }
        let filled = |t: &Option<String>| t.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
        let said = [filled(&asked.title), filled(&asked.matter), filled(&asked.stage)];
        if let Some(long) = said.iter().flatten().find(|t| t.chars().count() > MAX_VALUE_CHARS) {
            let (n, most) = (long.chars().count() as u64, MAX_VALUE_CHARS as u64);
            return invalid(Why::TooManyChars { n, most });
        }
        let [title, matter, stage] = said;
        let broken = |e: &io::Error| Why::DocumentBroken { detail: e.to_string() };

        let mut head = Vec::new();
        let mut came: Vec<Bytes> = Vec::new();
        while head.len() < HEAD_BYTES {
            match bytes.next().await {
                Some(Ok(chunk)) => {
                    head.extend_from_slice(&chunk[..chunk.len().min(HEAD_BYTES - head.len())]);
                    came.push(chunk);
                }
                Some(Err(e)) => return invalid(broken(&e)),
                None => break,
            }
        }
        let media_type = match document::sniff(&head) {
            Ok(media_type) => media_type,
            Err(e) => return invalid(e.into()),
        };
        let name = document::name_of(&asked.name);
        let new = NewDocument {
            title: title.or_else(|| Some(name.clone())),
            number: number.clone(),
            kind,
            name: SourcePath::new(name),
            matter: matter.clone(),
            stage: stage.clone(),
            size_bytes: asked.size_bytes,
            media_type,
        };
        let link = LinkRequest {
            // Its own is given to it where it gets one.
            clip: ClipId::generate(0),
            number: number.clone(),
            rule_version: self.rule.version,
            range_ms: (None, None),
            stage,
            matter,
            proves: None,
            origin: Origin::Person,
            score: 100,
            reason: None,
        };
        let (to_disk, source) = sync_channel(BETWEEN);
        let (intake, by) = (self.intake.clone(), caller.clone());
        let taking = task::blocking("document", move || {
            intake.file_document(&new, link, &by, Box::new(Sent { source, rest: Bytes::new(), ended: false }))
        });
        let sending = send_all(came, bytes, to_disk, asked.size_bytes);
        let (sent, taken) = tokio::join!(sending, taking);
        let taken = match taken {
            Ok(taken) => taken,
            Err(_) => return Ok(Reply::refused("unavailable", Why::Stopping {})),
        };
        let (clip, known) = match (taken, sent) {
            (Ok(Filed::New(clip)), _) => (clip, false),
            (Ok(Filed::Known(clip)), _) => (clip, true),
            (Err(IntakeError::Store(e)), _) => return Err(e),
            (Err(e @ IntakeError::Copy(CopyError::Full { .. })), _) => {
                return Ok(Reply::refused("unavailable", Why::DiskFull { detail: chain(&e) }));
            }
            (Err(_), Err(e)) => return invalid(broken(&e)),
            (Err(e), Ok(())) => {
                tracing::error!(error = %chain(&e), "a document could not be taken in");
                return Ok(Reply::refused("unavailable", Why::failed(&e)));
            }
        };
        let row = self.store.read(move |r| r.clip(clip)).await?;
        Ok(Reply::Done(json!({
            "clip": clip.to_string(), "case_no": number.display(), "kind": kind.as_str(), "media_type": media_type,
            "size_bytes": row.size_bytes, "sha256": row.sha256.map(|d| d.to_string()), "blake3": row.blake3.map(|d| d.to_string()),
            "known": known,
        })))
    }
}

/// Hands everything on to the disk, exactly as many bytes as were announced.
async fn send_all(came: Vec<Bytes>, mut bytes: Incoming, to_disk: SyncSender<Message>, size: u64) -> io::Result<()> {
    let mut left = size;
    let mut came = came.into_iter();
    loop {
        let chunk = match came.next() {
            Some(chunk) => Some(Ok(chunk)),
            None => bytes.next().await,
        };
        let outcome = match chunk {
            Some(Ok(chunk)) if chunk.len() as u64 <= left => {
                left -= chunk.len() as u64;
                Ok(Message::Bytes(chunk))
            }
            Some(Ok(_)) => Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than was announced")),
            Some(Err(e)) => Err(e),
            None if left > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than was announced")),
            None => Ok(Message::End),
        };
        let (message, end) = match outcome {
            Ok(message @ Message::End) => (message, Some(Ok(()))),
            Ok(message) => (message, None),
            Err(e) => (Message::Broken, Some(Err(e))),
        };
        // A full channel waits for the disk on a thread that may wait.
        let to = to_disk.clone();
        let handed = task::blocking("document-send", move || to.send(message).is_ok()).await.unwrap_or(false);
        match end {
            Some(end) => return end,
            // Whoever copies ended early, and says why.
            None if !handed => return Ok(()),
            None => {}
        }
    }
}

enum Message {
    Bytes(Bytes),
    End,
    Broken,
}

/// What was sent, as the copying thread reads it.
struct Sent {
    source: Receiver<Message>,
    rest: Bytes,
    ended: bool,
}

impl Read for Sent {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.ended {
            match self.source.recv() {
                Ok(Message::Bytes(bytes)) => self.rest = bytes,
                Ok(Message::End) => self.ended = true,
                Ok(Message::Broken) | Err(_) => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let n = self.rest.len().min(buf.len());
        buf[..n].copy_from_slice(&self.rest.split_to(n));
        Ok(n)
    }
}
