//! The desk: answers what the page and the command line ask of the running daemon (`domain::command`).
//!
//! Each request is carried out in one transaction with its log entry; the caller is who the door says.

use std::sync::Arc;

use serde_json::json;

use super::anchor::Anchor;
use super::backup::task::Backups;
use super::exporting::Wanted;
use super::pulls::PullOrders;
use super::recorders;
use super::triage::Verdict;
use crate::access::Access;
use crate::casework::{self, roster};
use crate::config::Stream;
use crate::custody::note::VerifierKey;
use crate::domain::case_number::{CaseNumber, NumberRule};
use crate::domain::clip::{Delivery, Local, ProofLevel};
use crate::domain::command::{Ask, Caller, Reply, Request};
use crate::domain::coverage::NoRecord;
use crate::domain::device::DeviceState;
use crate::domain::digest::Sha256;
use crate::domain::error::chain;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::evict::Audit;
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::domain::ports::{BoxFuture, Clock};
use crate::domain::record::{Field, Origin};
use crate::runtime::board::{Bay, Board, Doing};
use crate::runtime::task;
use crate::store::{LinkRequest, Policy, RosterEntry, Store, StoreError, Tx};
use crate::vault::{Vault, hash_uncached};

/// Longest text that a person may put into one field, characters.
pub(super) const MAX_VALUE_CHARS: usize = 2_000;

/// The desk of a running daemon.
pub struct Desk {
    /// The database.
    pub store: Store,
    /// The vault.
    pub vault: Vault,
    /// Reads case numbers.
    pub rule: NumberRule,
    /// Longest pause inside an outing, milliseconds.
    pub outing_gap_ms: i64,
    /// What of the configuration shows in records.
    pub policy: Policy,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Signs and anchors checkpoints.
    pub anchor: Arc<Anchor>,
    /// Compares remote copies with ours; by destination.
    pub remotes: Vec<Arc<dyn crate::domain::ports::Destination>>,
    /// What is going on in the bays.
    pub board: Board,
    /// Streams as configured.
    pub streams: Vec<Stream>,
    /// Reaches the recorders in the network.
    pub pulls: PullOrders,
    /// Makes backups, where the configuration asks for them.
    pub backups: Option<Arc<Backups>>,
    /// Keys of the logs for which this station is the witness.
    pub witnessed: Vec<VerifierKey>,
    /// Accounts, sessions and tokens.
    pub access: Arc<Access>,
    /// A second person confirms evidence packages.
    pub second_person: bool,
}

pub(super) type Answer = Result<Reply, StoreError>;

impl Ask for Desk {
    fn ask<'a>(&'a self, caller: &'a Caller, request: Request) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            match self.answer(caller, request).await {
                Ok(reply) => reply,
                Err(StoreError::NotFound(words)) => Reply::refused("not_found", words),
                Err(StoreError::Conflict(words)) => Reply::refused("conflict", words),
                Err(e) => {
                    tracing::error!(error = %chain(&e), "a request could not be carried out");
                    Reply::refused("unavailable", chain(&e))
                }
            }
        })
    }
}

impl Desk {
    pub(super) fn this_year(&self) -> i16 {
        self.clock.now().zoned(&self.policy.zone).year()
    }

    /// Reads a case number as typed; the refusal is in words, with what was perhaps meant.
    pub(super) fn number(&self, typed: &str) -> Result<CaseNumber, String> {
        self.rule.parse(typed, self.this_year()).map_err(|e| match e.suggestions() {
            [] => e.to_string(),
            some => format!("{e}; did you mean {}?", some.join(" / ")),
        })
    }

    async fn answer(&self, caller: &Caller, request: Request) -> Answer {
        if let Err(words) = request.check() {
            return Ok(Reply::refused("invalid", words));
        }
        match request {
            Request::Ping => {
                let bays: Vec<_> = self.board.bays().into_iter().map(|(_, bay)| bay_now(&bay)).collect();
                let held: Vec<_> = self.board.held().iter().map(recorders::held_now).collect();
                Ok(Reply::Done(json!({
                    "station": self.policy.station.as_str(), "bays": bays, "held": held, "lines": self.lines_now(),
                })))
            }
            Request::ApproveRecorder { device, reason } => {
                self.decide_device(caller, &device, DeviceState::Approved, reason).await
            }
            Request::RefuseRecorder { device, reason } => {
                self.decide_device(caller, &device, DeviceState::Refused, reason).await
            }
            Request::RepairRecorder { device, reason } => {
                self.decide_device(caller, &device, DeviceState::InRepair, reason).await
            }
            Request::RetireRecorder { device, reason } => {
                self.decide_device(caller, &device, DeviceState::Retired, reason).await
            }
            Request::IssueRecorder { recorder, officer, case_no, place, matter, due } => {
                self.issue(caller, &recorder, &officer, case_no, [place, matter], due).await
            }
            Request::PullRecorder { recorder } => self.pull_recorder(&recorder).await,
            Request::StartRecording { room, asked } => self.start_recording(caller, &room, asked).await,
            Request::StopRecording { room } => self.stop_recording(caller, &room).await,
            Request::Rooms => self.rooms().await,
            Request::ReturnRecorder { recorder } => self.take_back(caller, recorder).await,
            Request::Link { clip, case_no, from_ms, to_ms, stage, matter, proves } => {
                self.link(caller, &clip, &case_no, (from_ms, to_ms), [stage, matter, proves]).await
            }
            Request::Unlink { clip, case_no, reason } => self.unlink(caller, &clip, &case_no, reason).await,
            Request::Annotate { clip, fields } => self.annotate(caller, &clip, fields).await,
            Request::ImportRoster { name, csv, dry_run } => self.import_roster(caller, name, &csv, dry_run).await,
            Request::ImportRegister { register, name, content, dry_run } => {
                self.import_register(caller, &register, name, content, dry_run).await
            }
            Request::UndoImport { import } => self.undo_import(caller, import).await,
            Request::Decide { clip, case_no, verdict, also, outing } => {
                self.decide(caller, Verdict { clip, case_no, verdict, also, outing }).await
            }
            Request::SayNoRecord { case_no, matter, written, reason } => {
                self.say_no_record(caller, &case_no, NoRecord { matter, written, reason }).await
            }
            Request::LogAccess { what, clip, case, terms, purpose } => {
                let kind = match what.as_str() {
                    "show" => EventKind::Shown,
                    "log" => EventKind::LogRead,
                    _ => EventKind::Searched,
                };
                let mut event = draft(kind, caller).fact("what", what);
                event.clip = clip.map(|c| c.parse()).transpose()?;
                event.case = case;
                event.purpose = purpose;
                if let Some(terms) = terms {
                    event = event.secret("terms", terms);
                }
                self.log(event).await
            }
            Request::BeginView { clip, what, purpose } => {
                let mut event = draft(EventKind::ViewBegun, caller).clip(clip.parse()?).fact("what", what);
                event.purpose = purpose;
                self.log(event).await
            }
            Request::NoteDerived { clip, what, sha256, bytes } => {
                let clip: ClipId = clip.parse()?;
                let event = draft(EventKind::Derived, caller).clip(clip).fact("what", what).fact("bytes", bytes);
                let seq = self.store.write(move |tx| tx.derived(clip, &sha256, event)).await?;
                Ok(Reply::Done(json!({ "seq": seq })))
            }
            Request::EndView { begun_seq, clip, ranges } => {
                let event = draft(EventKind::ViewEnded, caller).clip(clip.parse()?).fact("begun", begun_seq);
                self.log(event.fact("ranges", json!(ranges))).await
            }
            Request::LogRefusal { action, why, clip } => {
                let mut event = draft(EventKind::AccessRefused, caller).fact("action", action).fact("why", why);
                event.clip = clip.map(|c| c.parse()).transpose()?;
                self.log(event.outcome("refused")).await
            }
            Request::Accounts { ask } => self.accounts(caller, ask).await,
            Request::Verify { clip, remote } => self.verify(caller, &clip, remote).await,
            Request::Retry { destination } => {
                let asked = draft(EventKind::Retried, caller);
                let n = self.store.write(move |tx| tx.retry(destination.as_deref(), asked)).await?;
                Ok(Reply::Done(json!({ "deliveries": n })))
            }
            Request::Hold { clip, case_no, reason } => self.hold(caller, clip, case_no, &reason).await,
            Request::Unhold { hold, reason, confirm } => self.unhold(caller, hold, reason, confirm).await,
            Request::Isolate { clip, reason } => self.isolate(caller, &clip, &reason).await,
            Request::Lift { clip, reason, confirm } => self.lift(caller, &clip, reason, confirm).await,
            Request::Push { clip, case_no } => self.push(caller, clip, case_no).await,
            Request::PauseSending { destination, until } => self.pause_sending(caller, destination, until).await,
            Request::ResumeSending { destination } => self.resume_sending(caller, destination).await,
            Request::Checkpoint => {
                let checkpoint = self.anchor.sign_now().await?;
                Ok(Reply::Done(json!({ "size": checkpoint.size, "note": checkpoint.note })))
            }
            Request::BeginExport { case_no, reason, basis, recipient, resumes } => {
                self.begin_export(caller, Wanted { case_no, reason, basis, recipient, resumes, package: None }).await
            }
            Request::AskExport { case_no, reason, basis, recipient, target, lang, disc_bytes } => {
                let wanted = Wanted { case_no, reason, basis, recipient, resumes: None, package: None };
                self.ask_export(caller, wanted, &target, lang, disc_bytes).await
            }
            Request::DecideExport { package, yes } => {
                let decided = draft(EventKind::ExportDecided, caller);
                let state = self.store.write(move |tx| tx.decide_export(&package, yes, decided)).await?;
                Ok(Reply::Done(json!({ "state": state.as_str() })))
            }
            Request::RetryExport { package } => {
                self.store.write(move |tx| tx.retry_export(&package)).await?;
                Ok(Reply::Done(json!({})))
            }
            Request::TakeExport { package, disc, from_byte } => {
                let taken = draft(EventKind::ExportTaken, caller);
                let seq = self.store.write(move |tx| tx.take_export(&package, disc, from_byte, taken)).await?;
                Ok(Reply::Done(json!({ "seq": seq })))
            }
            Request::SignExport { package, begun_seq, clips, bytes, files } => {
                self.sign_export(caller, package, begun_seq, (clips, bytes), &files).await
            }
            Request::AddCheckpoint { body } => self.add_checkpoint(body).await,
            Request::Backup => Ok(match &self.backups {
                Some(backups) => {
                    backups.now().await.map_or_else(|words| Reply::refused("unavailable", words), Reply::Done)
                }
                None => Reply::refused(
                    "conflict",
                    "there is no [backup] recipient; `evidock backup keygen` makes a pair, and the daemon must be started again",
                ),
            }),
        }
    }

    async fn log(&self, event: Draft) -> Answer {
        let seq = self.store.write(move |tx| tx.log(&event)).await?;
        Ok(Reply::Done(json!({ "seq": seq })))
    }

    async fn link(
        &self,
        caller: &Caller,
        clip: &str,
        typed: &str,
        range_ms: (Option<i64>, Option<i64>),
        [stage, matter, proves]: [Option<String>; 3],
    ) -> Answer {
        let clip: ClipId = clip.parse()?;
        let number = match self.number(typed) {
            Ok(number) => number,
            Err(words) => return Ok(Reply::refused("invalid", words)),
        };
        if let (Some(from), Some(to)) = range_ms
            && from >= to
        {
            return Ok(Reply::refused("invalid", "the part of the clip must begin before it ends"));
        }
        if let Some(long) =
            [&stage, &matter, &proves].into_iter().flatten().find(|t| t.chars().count() > MAX_VALUE_CHARS)
        {
            return Ok(Reply::refused(
                "invalid",
                format!("{} characters are too many; at most {MAX_VALUE_CHARS}", long.chars().count()),
            ));
        }
        let filled = |t: Option<String>| t.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let request = LinkRequest {
            clip,
            rule_version: self.rule.version,
            range_ms,
            stage: filled(stage),
            matter: filled(matter),
            proves: filled(proves),
            origin: Origin::Person,
            score: 100,
            reason: None,
            number: number.clone(),
        };
        let caller = caller.clone();
        let link = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.link(&request, &caller.actor, caller.via)
        };
        let rev = self.store.write(link).await?;
        Ok(Reply::Done(
            json!({ "clip": clip.to_string(), "case_no": number.display(), "rev": rev, "warnings": number.warnings().iter().map(|w| w.code()).collect::<Vec<_>>() }),
        ))
    }

    async fn unlink(&self, caller: &Caller, clip: &str, typed: &str, reason: String) -> Answer {
        let clip: ClipId = clip.parse()?;
        if reason.trim().is_empty() {
            return Ok(Reply::refused("invalid", "a withdrawal needs a reason"));
        }
        let key = match self.rule.parse(typed, self.this_year()) {
            Ok(number) => number.key().to_owned(),
            Err(e) => return Ok(Reply::refused("invalid", e.to_string())),
        };
        let caller = caller.clone();
        let unlink = move |tx: &Tx<'_>| {
            tx.on_behalf(&caller);
            tx.unlink(clip, &key, &reason, &caller.actor, caller.via)
        };
        let rev = self.store.write(unlink).await?;
        Ok(Reply::Done(json!({ "clip": clip.to_string(), "rev": rev })))
    }

    async fn annotate(&self, caller: &Caller, clip: &str, fields: Vec<(String, String)>) -> Answer {
        let clip: ClipId = clip.parse()?;
        let mut facts = Vec::new();
        for (name, value) in fields {
            let Some(field) = Field::parse(&name) else {
                let names: Vec<&str> = Field::ALL.iter().map(|f| f.as_str()).collect();
                return Ok(Reply::refused(
                    "invalid",
                    format!("there is no field {name:?}; fields are {}", names.join(", ")),
                ));
            };
            let value = value.trim().to_owned();
            if let Err(why) = casework::check_value(field, &value, &self.policy.zone) {
                return Ok(Reply::refused("invalid", format!("{name}: {why}")));
            }
            facts.push((field, Origin::Person, casework::canonical_value(field, &value, &self.policy.zone)));
        }
        let caller = caller.clone();
        let added = self
            .store
            .write(move |tx| {
                tx.on_behalf(&caller);
                // A clip that does not exist is an answer of its own, not a broken reference.
                tx.read().clip(clip)?;
                tx.add_facts(clip, &caller.actor, caller.via, &facts)
            })
            .await?;
        Ok(Reply::Done(json!({ "clip": clip.to_string(), "changed": added })))
    }

    async fn import_roster(&self, caller: &Caller, name: String, csv: &str, dry_run: bool) -> Answer {
        let parsed = roster::parse(csv, &self.policy.zone, &self.rule, self.this_year());
        let roster = match parsed {
            Ok(roster) => roster,
            Err(e) => return Ok(Reply::refused("invalid", e.to_string())),
        };
        let warnings: Vec<String> = roster.warnings.iter().map(ToString::to_string).collect();
        let rows = match roster.accept(false) {
            Ok(rows) => rows,
            Err(e) => return Ok(Reply::refused("invalid", e.to_string())),
        };
        let entries = rows
            .iter()
            .map(|row| {
                let json = serde_json::to_string(row).map_err(|e| StoreError::Odd(e.to_string()))?;
                Ok(RosterEntry {
                    recorder: roster::recorder_key(&row.recorder),
                    from_ms: row.from_ms,
                    to_ms: row.to_ms,
                    row: json,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let count = entries.len();
        let caller = caller.clone();
        let changed = self
            .store
            .write(move |tx| {
                tx.on_behalf(&caller);
                let changed = tx.read().roster_rows(&name)? != entries;
                // What a person asked for is told in the log, even where it changes nothing.
                if !dry_run && (changed || caller.actor != Actor::daemon()) {
                    tx.import_roster(&name, &entries, &caller.actor, caller.via)?;
                }
                Ok(changed)
            })
            .await?;
        Ok(Reply::Done(json!({ "rows": count, "changed": changed, "warnings": warnings, "dry_run": dry_run })))
    }

    async fn verify(&self, caller: &Caller, clip: &str, remote: bool) -> Answer {
        let clip: ClipId = clip.parse()?;
        let (row, parts, deliveries) =
            self.store.read(move |r| Ok((r.clip(clip)?, r.parts(clip)?, r.deliveries(clip)?))).await?;
        let (Some(blake3), Some(sha256), Some(size)) = (row.blake3, row.sha256, row.size_bytes) else {
            return Ok(Reply::refused(
                "conflict",
                format!("clip {clip} is not sealed yet; there is nothing to compare with"),
            ));
        };
        let path = self.vault.master(clip);
        let local = task::blocking("verify", move || hash_uncached(&path)).await.map_err(|_| StoreError::Closed)?;
        let evicted = row.local == Local::Evicted;
        let (local_word, detail) = match local {
            // It gave its file up in order; whether that is quite gone by now says nothing.
            _ if evicted => ("evicted", None),
            Ok((found, len)) if (found, len) == (blake3, size) => ("same", None),
            Ok(_) => ("differs", Some("the local file has other bytes than were sealed".to_owned())),
            Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => {
                ("gone", Some("the local file is gone".to_owned()))
            }
            Err(e) => ("unreadable", Some(chain(&e))),
        };
        match local_word {
            "differs" => {
                self.store.write(move |tx| tx.damaged(clip, "its file has other bytes than were sealed")).await?
            }
            "gone" => self.store.write(move |tx| tx.damaged(clip, "its file is gone")).await?,
            _ => {}
        }
        let mut copies = Vec::new();
        // Of an evicted clip the copies elsewhere are all there is to verify.
        if remote || evicted {
            let digests: Vec<_> = parts.iter().map(|p| p.sha256).collect();
            let expected = crate::deliver::prove::Expected {
                size_bytes: size,
                sha256,
                parts: &digests,
                crc64: None,
                blake3: Some(blake3),
            };
            for dest in &self.remotes {
                let state = deliveries.iter().find(|(name, _)| name == dest.name().as_str()).map(|(_, state)| *state);
                if !matches!(state, Some(Delivery::Sent | Delivery::Proven | Delivery::Suspect)) {
                    copies.push(json!({ "destination": dest.name().as_str(), "result": "not_sent", "detail": null }));
                    continue;
                }
                let key = layout::master(&self.policy.station, clip);
                let word = match crate::deliver::prove::read_back(&**dest, &key, &expected).await {
                    Ok(()) => ("same".to_owned(), None),
                    Err(crate::domain::ports::SendError::Mismatch { what, .. }) => ("differs".to_owned(), Some(what)),
                    Err(e) => ("unreachable".to_owned(), Some(chain(&e))),
                };
                self.looked_at(caller, clip, dest.name().as_str(), state, (&word.0, word.1.as_deref()), sha256).await?;
                copies.push(json!({ "destination": dest.name().as_str(), "result": word.0, "detail": word.1 }));
            }
        }
        let bad = !matches!(local_word, "same" | "evicted") || copies.iter().any(|c| c["result"] == "differs");
        // Words of servers stay out of the log; what came of each comparison stands in it.
        let told: Vec<_> =
            copies.iter().map(|c| json!({ "destination": c["destination"], "result": c["result"] })).collect();
        let event = draft(EventKind::Verified, caller)
            .clip(clip)
            .fact("local", local_word)
            .fact("copies", json!(told))
            .outcome(if bad { "failed" } else { "ok" });
        self.log(event).await?;
        Ok(Reply::Done(
            json!({ "clip": clip.to_string(), "local": local_word, "detail": detail, "copies": copies, "ok": !bad }),
        ))
    }
}

impl Desk {
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

/// A bay as it is now: what is in no transaction, for `evidock status`.
fn bay_now(bay: &Bay) -> serde_json::Value {
    let (doing, stuck) = match &bay.doing {
        Doing::Listing => ("listing", None),
        Doing::Copying { .. } => ("copying", None),
        Doing::Resting => ("resting", None),
        Doing::Erasing { .. } => ("erasing", None),
        Doing::Stuck { reason, .. } => ("stuck", Some(reason)),
    };
    json!({
        "bay": bay.bay, "doing": doing, "stuck": stuck, "files_done": bay.files_done, "bytes": bay.bytes,
        "bytes_done": bay.bytes_done, "unreadable": bay.unreadable, "erased": bay.erased,
        "kept": bay.kept.iter().map(|(why, files)| json!({ "why": why, "files": files })).collect::<Vec<_>>(),
    })
}

pub(super) fn draft(kind: EventKind, caller: &Caller) -> Draft {
    let mut event = Draft::by(kind, caller.actor.clone(), caller.via);
    event.from = Some(caller.from.clone());
    event.session = caller.session.clone();
    event
}
