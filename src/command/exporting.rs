//! The desk's part in evidence packages: logs that one is asked for, before its first byte, and signs it when it is
//! whole. What stands in it is put together by whoever asked.

use serde_json::json;

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use crate::custody::package::{PackageNote, discs};
use crate::domain::clip::Local;
use crate::domain::command::{Caller, Reply};
use crate::domain::digest::Sha256;
use crate::domain::event::{Envelope, EventKind};
use crate::domain::export::Target;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::words::Lang;
use crate::store::{NewExport, Reader, StoreError};

/// What is asked for a package.
pub(super) struct Wanted {
    pub case_no: String,
    pub reason: String,
    pub basis: String,
    pub recipient: Option<String>,
    pub resumes: Option<String>,
    /// Its id, where it was asked for before.
    pub package: Option<String>,
}

/// Why, on what basis and for whom, as they are kept.
type Told = (String, String, Option<String>);

impl Wanted {
    fn told(&self) -> Result<Told, Reply> {
        let (reason, basis) = (self.reason.trim().to_owned(), self.basis.trim().to_owned());
        if reason.is_empty() || basis.is_empty() {
            return Err(Reply::refused(
                "invalid",
                "say why the package is made and on what basis (a letter, an order, an article); both are kept on record",
            ));
        }
        let recipient = self.recipient.as_deref().map(str::trim).filter(|r| !r.is_empty()).map(str::to_owned);
        let long = |t: &String| t.chars().count() > MAX_VALUE_CHARS;
        if [Some(&reason), Some(&basis), recipient.as_ref()].into_iter().flatten().any(long) {
            let words = format!("at most {MAX_VALUE_CHARS} characters are kept of each text");
            return Err(Reply::refused("invalid", words));
        }
        Ok((reason, basis, recipient))
    }
}

/// Whether `package` is the one of `request`, or one of its discs.
fn is_of(package: &str, request: &str) -> bool {
    let disc = |rest: &str| {
        let numbers = rest.strip_prefix('-').and_then(|rest| rest.split_once("of"));
        let numbers = numbers.and_then(|(n, of)| Some((n.parse::<u32>().ok()?, of.parse::<u32>().ok()?)));
        numbers.is_some_and(|(n, of)| (1..=of).contains(&n) && format!("-{n}of{of}") == rest)
    };
    package == request || package.strip_prefix(request).is_some_and(disc)
}

impl Desk {
    /// Somebody asks for a package that the daemon is to make itself.
    pub(super) async fn ask_export(
        &self,
        caller: &Caller,
        wanted: Wanted,
        target: &str,
        lang: Option<String>,
        disc_bytes: Option<u64>,
    ) -> Answer {
        let number = match self.number(&wanted.case_no) {
            Ok(number) => number,
            Err(words) => return Ok(Reply::refused("invalid", words)),
        };
        let (reason, basis, recipient) = match wanted.told() {
            Ok(told) => told,
            Err(refused) => return Ok(refused),
        };
        let target = match Target::parse(target) {
            Ok(Target::At(name)) if !self.remotes.iter().any(|dest| *dest.name() == name) => {
                let all: Vec<String> = self.remotes.iter().map(|dest| dest.name().to_string()).collect();
                let words = format!("there is no destination {name} here; there are {}", all.join(", "));
                return Ok(Reply::refused("invalid", words));
            }
            Ok(target) => target,
            Err(_) => {
                let words = "a package goes to `station`, `browser`, or `at:` and the name of a destination";
                return Ok(Reply::refused("invalid", words));
            }
        };
        if disc_bytes.is_some_and(|bytes| bytes < discs::LEAST_BYTES) {
            return Ok(Reply::refused("invalid", "a disc has at least 0.1 GB"));
        }
        let key = number.key().to_owned();
        let id = self.store.read(move |r| r.case_id(&key)).await?;
        let Some(case_id) = id else {
            return Ok(Reply::refused("not_found", format!("no case has the number {} here", number.display())));
        };
        let new = NewExport {
            package: ClipId::generate(self.clock.now().0).to_string(),
            case_id,
            case_no: number.display().to_owned(),
            reason,
            basis,
            recipient,
            lang: lang.as_deref().and_then(Lang::parse).unwrap_or_default().tag().to_owned(),
            target,
            disc_bytes,
            // Whoever reaches a station without accounts cannot be told from anybody else.
            second_person: self.second_person && matches!(caller.actor.kind.as_str(), "user" | "token"),
        };
        let asked = draft(EventKind::ExportAsked, caller).case(layout::case_hash(number.key()));
        let package = new.package.clone();
        let state = self
            .store
            .write(move |tx| {
                let clips = exportable(&tx.read(), new.case_id)?;
                if clips.is_empty() {
                    return Err(StoreError::Conflict(
                        "no clip of this case can be exported now: none is linked to it, or all are isolated or still being copied"
                            .into(),
                    ));
                }
                tx.ask_export(&new, asked)
            })
            .await?;
        Ok(Reply::Done(json!({ "package": package, "state": state.as_str() })))
    }

    /// Logs the request: one event for the case and one for each clip that will be in the package.
    pub(super) async fn begin_export(&self, caller: &Caller, wanted: Wanted) -> Answer {
        let number = match self.number(&wanted.case_no) {
            Ok(number) => number,
            Err(words) => return Ok(Reply::refused("invalid", words)),
        };
        let (reason, basis, recipient) = match wanted.told() {
            Ok(told) => told,
            Err(refused) => return Ok(refused),
        };
        let resumes = wanted.resumes.is_some();
        let package = match wanted.resumes.or(wanted.package) {
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
                let clips = exportable(&read, case)?;
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
                    && asked
                        .body
                        .get("package")
                        .and_then(|v| v.as_str())
                        .is_some_and(|request| is_of(&package, request));
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

/// Clips of a case that a package may hold.
fn exportable(read: &Reader<'_>, case: i64) -> Result<Vec<ClipId>, StoreError> {
    let mut clips = Vec::new();
    for clip in read.clips_of_case(case)? {
        let row = read.clip(clip)?;
        if row.isolated_ms.is_none() && row.local != Local::Copying {
            clips.push(clip);
        }
    }
    Ok(clips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_belongs_to_its_request_and_to_no_other() {
        for (package, yes) in [
            ("r-1", true),
            ("r-1-1of2", true),
            ("r-1-2of2", true),
            ("r-1-3of2", false),
            ("r-1-0of2", false),
            ("r-1-01of2", false),
            ("r-1-1of2x", false),
            ("r-1x", false),
            ("r-2", false),
        ] {
            assert_eq!(is_of(package, "r-1"), yes, "{package}");
        }
    }
}
