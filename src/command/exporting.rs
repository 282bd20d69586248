//! The desk's part in evidence packages: logs that one is asked for, before its first byte, and signs it when it is
//! whole. What stands in it is put together by whoever asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::desk::{Answer, Desk, MAX_VALUE_CHARS, draft};
use super::export::belongs::{Belongs, OfCase, hashes, numbers};
use super::vouching::{Vouched, fits_beside, vouched};
use crate::custody::package::complete::{Counted, ENTRIES, NUMBERS, WITHHELD};
use crate::custody::package::listed::Listed;
use crate::custody::package::{PackageNote, discs};
use crate::custody::sm2::to_der;
use crate::domain::command::{Caller, Reply};
use crate::domain::digest::{Sha256, to_hex};
use crate::domain::event::EventKind;
use crate::domain::export::{ExportState, Target};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::rights::Action;
use crate::domain::why::Why;
use crate::domain::words::Lang;
use crate::store::{NewExport, Reader, StoreError};

/// What is asked for a package.
#[derive(Clone)]
pub(super) struct Wanted {
    pub case_no: String,
    pub reason: String,
    pub basis: String,
    pub recipient: Option<String>,
    pub resumes: Option<String>,
    /// Its id, where it was asked for before.
    pub package: Option<String>,
}

/// What is asked to be signed (`domain::command::Request::SignExport`).
pub(super) struct ToSign {
    pub package: String,
    pub begun_seq: u64,
    pub clips: u64,
    pub bytes: u64,
    pub files: String,
    pub manifest: String,
    pub facts: String,
}

/// Why, on what basis and for whom, as they are kept.
type Told = (String, String, Option<String>);

impl Wanted {
    fn told(&self) -> Result<Told, Reply> {
        let (reason, basis) = (self.reason.trim().to_owned(), self.basis.trim().to_owned());
        if reason.is_empty() || basis.is_empty() {
            return Err(Reply::refused("invalid", Why::WhyPackage {}));
        }
        let recipient = self.recipient.as_deref().map(str::trim).filter(|r| !r.is_empty()).map(str::to_owned);
        let long = |t: &String| t.chars().count() > MAX_VALUE_CHARS;
        if [Some(&reason), Some(&basis), recipient.as_ref()].into_iter().flatten().any(long) {
            return Err(Reply::refused("invalid", Why::TextTooLong { most: MAX_VALUE_CHARS as u64 }));
        }
        Ok((reason, basis, recipient))
    }
}

impl Desk {
    /// Somebody asks for a package that the daemon is to make itself.
    pub(super) async fn ask_export(
        &self,
        caller: &Caller,
        wanted: Wanted,
        target: &str,
        lang: Option<String>,
        (disc_bytes, derived): (Option<u64>, bool),
    ) -> Answer {
        let number = match self.number(&wanted.case_no) {
            Ok(number) => number,
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        let (reason, basis, recipient) = match wanted.told() {
            Ok(told) => told,
            Err(refused) => return Ok(refused),
        };
        let target = match Target::parse(target) {
            Ok(Target::At(name)) if !self.remotes.iter().any(|dest| *dest.name() == name) => {
                let known = self.remotes.iter().map(|dest| dest.name().to_string()).collect();
                return Ok(Reply::refused("invalid", Why::NoDestination { name: name.to_string(), known }));
            }
            Ok(target) => target,
            Err(_) => return Ok(Reply::refused("invalid", Why::TargetForm {})),
        };
        if disc_bytes.is_some_and(|bytes| bytes < discs::LEAST_BYTES) {
            return Ok(Reply::refused("invalid", Why::DiscTooSmall {}));
        }
        let key = number.key().to_owned();
        let id = self.store.read(move |r| r.case_id(&key)).await?;
        let Some(case_id) = id else {
            return Ok(Reply::refused("not_found", Why::NoCaseNumber { case_no: number.display().to_owned() }));
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
            derived,
            // Whoever reaches a station without accounts cannot be told from anybody else.
            second_person: Action::ExportCase.needs_second_person(self.second_person)
                && matches!(caller.actor.kind.as_str(), "user" | "token"),
        };
        let asked = draft(EventKind::ExportAsked, caller).case(layout::case_hash(number.key()));
        let package = new.package.clone();
        let state = self
            .store
            .write(move |tx| {
                tx.read().not_large(new.case_id)?;
                let clips = exportable(&tx.read(), new.case_id)?;
                if clips.is_empty() {
                    return Err(StoreError::Conflict(Why::NothingToExport {}));
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
            Err(why) => return Ok(Reply::refused("invalid", why)),
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
            return Ok(Reply::refused("invalid", Why::NotAPackage {}));
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
        let told = case_no.clone();
        let of_clip = draft(EventKind::ExportBegun, caller).case(layout::case_hash(number.key())).fact("package", id);
        let asked_before = package.clone();
        let seq = self
            .store
            .write(move |tx| {
                tx.no_isolated_in(&asked_before)?;
                let read = tx.read();
                let Some(case) = read.case_id(&key)? else {
                    return Err(StoreError::NotFound(Why::NoCaseNumber { case_no: told }));
                };
                read.not_large(case)?;
                let now = OfCase::read(&read, case)?;
                let event = event
                    .fact("clips", now.exportable.len())
                    .fact("isolated", now.isolated)
                    .fact("unsealed", now.unsealed)
                    .fact("disposed", now.disposed.len());
                if resumes {
                    return tx.log(&event);
                }
                // What belongs in it is counted before its first byte, and stands in the log with the request.
                let aliases = read.aliases(case)?;
                let end = read.log_size()?;
                let belongs = Belongs::read(&read, (&now.exportable, &now.disposed), &hashes(&aliases), end)?;
                let (others, withheld) = belongs.counted_others(end);
                let mut of_clips = belongs.counted_by_clip();
                let event = event
                    .fact(ENTRIES, others.to_value())
                    .fact(WITHHELD, withheld.to_value())
                    .secret(NUMBERS, numbers(&told, &aliases).join("\n"));
                let seq = tx.log(&event)?;
                for clip in now.exportable {
                    let counted = of_clips.remove(&clip).unwrap_or_else(|| Counted::of([]));
                    tx.log(&of_clip.clone().clip(clip).fact("begun", seq).fact(ENTRIES, counted.to_value()))?;
                }
                Ok(seq)
            })
            .await?;
        // The request itself is to stand below the package's checkpoint.
        let checkpoint = self.anchor.sign_now().await?;
        Ok(Reply::Done(json!({
            "package": package, "seq": seq, "case_no": case_no, "epoch": checkpoint.epoch, "size": checkpoint.size,
        })))
    }

    /// Signs a package that was asked for, and logs that it did. Whoever writes it may be anybody with the right to the
    /// socket: what can be told by its lists is compared before.
    pub(super) async fn sign_export(&self, caller: &Caller, asked: ToSign) -> Answer {
        let listed = match Listed::read(&asked.files, &asked.manifest, &asked.facts) {
            Ok(listed) => Arc::new(listed),
            Err(detail) => return Ok(Reply::refused("invalid", Why::PackageLists { detail })),
        };
        let ToSign { package, begun_seq, clips, bytes, .. } = asked;
        let facts = &listed.facts;
        if (&facts.package, facts.begun_seq, facts.clips, facts.bytes) != (&package, begun_seq, clips, bytes)
            || facts.station != self.policy.station.as_str()
            || facts.agency != self.policy.agency
            || listed.clip_count() != clips
        {
            return Ok(Reply::refused("invalid", Why::PackageFacts {}));
        }
        if self.number(&facts.case_no).map(|number| layout::case_hash(number.key())).as_ref() != Ok(&facts.case_hash) {
            return Ok(Reply::refused("invalid", Why::PackageCase {}));
        }
        let (looked, id) = (Arc::clone(&listed), package.clone());
        let Vouched { case, part } = self.store.read(move |r| vouched(r, &looked, &id, begun_seq)).await?;
        let (request, disc) = (listed.facts.request().to_owned(), listed.facts.disc);
        let (signer, station, files) = (Arc::clone(&self.anchor.signer), self.policy.station.clone(), listed.files);
        let event = draft(EventKind::ExportEnded, caller)
            .fact("package", package.as_str())
            .fact("begun", begun_seq)
            .fact("files_sha256", files.to_string())
            .fact("first", part.first)
            .fact("clips", clips)
            .fact("bytes", bytes);
        let packed_clips: BTreeSet<Sha256> = listed.clips.iter().copied().collect();
        let note = self
            .store
            .write(move |tx| {
                // In the transaction that says the package is finished: an isolation is before it or after it.
                if tx.read().asked_export(&request)?.is_some_and(|row| row.state != ExportState::Making) {
                    tx.no_isolated_in(&request)?;
                }
                if let Some(disc) = disc {
                    fits_beside(&tx.read(), (case, begun_seq), (&request, disc), &part)?;
                }
                for clip in tx.read().begun_clips(begun_seq)? {
                    let packed = tx.read().clip(clip)?.sha256.is_some_and(|sha256| packed_clips.contains(&sha256));
                    if packed && tx.read().isolation(clip)?.is_some() {
                        return Err(StoreError::Conflict(Why::IsolatedSince { clip: clip.to_string() }));
                    }
                }
                let note = PackageNote { station, package, case, clips, bytes, files }
                    .sign(&*signer)
                    .map_err(|e| StoreError::Odd(format!("the package could not be signed: {e}")))?;
                tx.log(&event.case(case.to_string()))?;
                Ok(note)
            })
            .await?;
        let second = self.anchor.second.as_deref().and_then(|second| second.sign(note.as_bytes()));
        let sm2 = second.map(|signature| to_hex(&to_der(&signature)));
        Ok(Reply::Done(json!({ "note": note, "sm2": sm2 })))
    }
}

/// Clips of a case that a package may hold.
fn exportable(read: &Reader<'_>, case: i64) -> Result<Vec<ClipId>, StoreError> {
    Ok(OfCase::read(read, case)?.exportable)
}
