//! The desk's part in evidence packages: logs that one is asked for, before its first byte, and signs it when it is
//! whole. What stands in it is put together by whoever asked.

use serde_json::json;

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use crate::custody::package::PackageNote;
use crate::domain::clip::Local;
use crate::domain::command::{Caller, Reply};
use crate::domain::digest::Sha256;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::store::StoreError;

/// What is asked for a package.
pub(super) struct Wanted {
    pub case_no: String,
    pub reason: String,
    pub basis: String,
    pub recipient: Option<String>,
    pub resumes: Option<String>,
}

impl Desk {
    /// Logs the request: one event for the case and one for each clip that will be in the package.
    pub(super) async fn begin_export(&self, caller: &Caller, wanted: Wanted) -> Answer {
        let number = match self.number(&wanted.case_no) {
            Ok(number) => number,
            Err(words) => return Ok(Reply::refused("invalid", words)),
        };
        let (reason, basis) = (wanted.reason.trim().to_owned(), wanted.basis.trim().to_owned());
        if reason.is_empty() || basis.is_empty() {
            return Ok(Reply::refused(
                "invalid",
                "say why the package is made and on what basis (a letter, an order, an article); both are kept on record",
            ));
        }
        let recipient = wanted.recipient.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty());
        if [Some(&reason), Some(&basis), recipient.as_ref()]
            .into_iter()
            .flatten()
            .any(|t| t.chars().count() > MAX_VALUE_CHARS)
        {
            return Ok(Reply::refused(
                "invalid",
                format!("at most {MAX_VALUE_CHARS} characters are kept of each text"),
            ));
        }
        let resumes = wanted.resumes.is_some();
        let package = match wanted.resumes {
            Some(package) => package,
            None => ClipId::generate(self.clock.now().0).to_string(),
        };
        if package.parse::<ClipId>().is_err() {
            return Ok(Reply::refused("invalid", "this is not the id of a package"));
        }
        let (case_no, key, id) = (number.display().to_owned(), number.key().to_owned(), package.clone());
        let mut event = draft(EventKind::ExportBegun, caller)
            .case(layout::case_hash(number.key()))
            .fact("package", package.as_str())
            .fact("resumed", resumes)
            .secret("basis", basis.as_str());
        event.purpose = Some(reason);
        if let Some(recipient) = recipient {
            event = event.secret("recipient", recipient);
        }
        let of_clip = draft(EventKind::ExportBegun, caller).case(layout::case_hash(number.key())).fact("package", id);
        let seq = self
            .store
            .write(move |tx| {
                let read = tx.read();
                let Some(case) = read.case_id(&key)? else {
                    return Err(StoreError::NotFound("no case has this number".into()));
                };
                let mut clips = Vec::new();
                for clip in read.clips_of_case(case)? {
                    let row = read.clip(clip)?;
                    if row.isolated_ms.is_none() && row.local != Local::Copying {
                        clips.push(clip);
                    }
                }
                let seq = tx.log(&event.fact("clips", clips.len()))?;
                if !resumes {
                    for clip in clips {
                        tx.log(&of_clip.clone().clip(clip).fact("begun", seq))?;
                    }
                }
                Ok(seq)
            })
            .await?;
        // The request itself is to stand below the package's checkpoint.
        let checkpoint = self.anchor.sign_now().await?;
        Ok(Reply::Done(json!({
            "package": package, "seq": seq, "at_ms": checkpoint.made_ms, "asked_by": format!("{}:{}", caller.actor.kind, caller.actor.id),
            "case_no": case_no, "epoch": checkpoint.epoch, "size": checkpoint.size,
        })))
    }

    /// Signs a package that was asked for, and logs that it did.
    pub(super) async fn sign_export(
        &self,
        caller: &Caller,
        package: String,
        begun_seq: u64,
        (clips, bytes): (u64, u64),
        files: &str,
    ) -> Answer {
        let Ok(files) = files.parse::<Sha256>() else {
            return Ok(Reply::refused("invalid", "a digest is 64 lower-case hexadecimal digits"));
        };
        let (signer, station) = (std::sync::Arc::clone(&self.anchor.signer), self.policy.station.clone());
        let event = draft(EventKind::ExportEnded, caller)
            .fact("package", package.as_str())
            .fact("begun", begun_seq)
            .fact("files_sha256", files.to_string())
            .fact("clips", clips)
            .fact("bytes", bytes);
        let note = self
            .store
            .write(move |tx| {
                let row = tx.read().log_entry(begun_seq)?;
                let asked: Envelope = serde_json::from_slice(&row.bytes)
                    .map_err(|e| StoreError::Odd(format!("log entry {begun_seq}: {e}")))?;
                let is = asked.kind == EventKind::ExportBegun.as_str()
                    && asked.body.get("package").and_then(|v| v.as_str()) == Some(&package);
                let case = asked.case.as_deref().filter(|_| is).and_then(|case| case.parse::<Sha256>().ok());
                let Some(case) = case else {
                    return Err(StoreError::Conflict("nobody asked for this package here; begin it again".into()));
                };
                let note = PackageNote { station, package, case, clips, bytes, files }
                    .sign(&*signer)
                    .map_err(|e| StoreError::Odd(format!("the package could not be signed: {e}")))?;
                tx.log(&event.case(case.to_string()))?;
                Ok(note)
            })
            .await?;
        Ok(Reply::Done(json!({ "note": note })))
    }
}
