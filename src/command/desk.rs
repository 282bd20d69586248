//! The desk: answers what the page and the command line ask of the running daemon (`domain::command`).
//!
//! Each request is carried out in one transaction with its log entry; the caller is who the door says.

use std::sync::Arc;

use serde_json::json;

use super::anchor::Anchor;
use super::backup::task::Backups;
use super::comparing::Untold;
use super::exporting::{ToSign, Wanted};
use super::looking;
use super::oversight::OversightRules;
use super::pulls::PullOrders;
use super::recorders;
use super::triage::Verdict;
use super::verifying::Verifications;
use crate::access::Access;
use crate::casework;
use crate::config::{Keeping, Stream};
use crate::custody::note::VerifierKey;
use crate::domain::case_number::{CaseNumber, NumberRule};
use crate::domain::command::{Ask, Caller, FileDocument, Incoming, Reply, Request};
use crate::domain::coverage::{Allowed, NoRecord};
use crate::domain::derivative::Order;
use crate::domain::device::DeviceState;
use crate::domain::digest::Sha256;
use crate::domain::error::chain;
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::ports::{BoxFuture, Clock};
use crate::domain::record::{Field, Origin};
use crate::domain::why::Why;
use crate::intake::Intake;
use crate::runtime::board::{Bay, Board, Doing};
use crate::store::{LinkRequest, Policy, Store, StoreError, Tx};
use crate::vault::Vault;

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
    /// Isolation, filing, disposal.
    pub keeping: Keeping,
    /// A clip without a case is kept for so long after it was sealed, milliseconds.
    pub unlinked_ms: i64,
    /// What counts as recorded.
    pub allowed: Allowed,
    /// Trials of destinations.
    pub trials: Arc<super::office::Trials>,
    /// Comparisons that go on after they were asked for.
    pub verifications: Arc<Verifications>,
    /// Takes documents in.
    pub intake: Intake,
    /// Longest document, bytes.
    pub document_bytes: u64,
    /// What supervision and legal review go by.
    pub oversight: OversightRules,
}

pub(super) type Answer = Result<Reply, StoreError>;

impl Ask for Desk {
    fn ask<'a>(&'a self, caller: &'a Caller, request: Request) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            match self.answer(caller, request).await {
                Ok(reply) => reply,
                Err(StoreError::NotFound(why)) => Reply::refused("not_found", why),
                Err(StoreError::Conflict(why)) => Reply::refused("conflict", why),
                Err(e) => {
                    tracing::error!(error = %chain(&e), "a request could not be carried out");
                    Reply::refused("unavailable", Why::failed(&e))
                }
            }
        })
    }

    fn file<'a>(&'a self, caller: &'a Caller, document: FileDocument, bytes: Incoming) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            self.file_document(caller, document, bytes).await.unwrap_or_else(|e| match e {
                StoreError::Conflict(why) => Reply::refused("conflict", why),
                e => {
                    tracing::error!(error = %chain(&e), "a document could not be filed");
                    Reply::refused("unavailable", Why::failed(&e))
                }
            })
        })
    }
}

impl Desk {
    pub(super) fn this_year(&self) -> i16 {
        self.clock.now().zoned(&self.policy.zone).year()
    }

    /// Reads a case number as typed; the refusal comes with what was perhaps meant.
    pub(super) fn number(&self, typed: &str) -> Result<CaseNumber, Why> {
        self.rule.parse(typed, self.this_year()).map_err(|e| match e.suggestions() {
            [] => e.into(),
            some => Why::did_you_mean(some, (&e).into()),
        })
    }

    async fn answer(&self, caller: &Caller, request: Request) -> Answer {
        if let Err(why) = request.check() {
            return Ok(Reply::refused("invalid", why));
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
            Request::UndoDesk { issue } => self.undo_desk(caller, issue).await,
            Request::TryDestination { destination } => self.try_destination(caller, &destination).await,
            Request::TryRegister { register, name, content } => self.try_register(&register, name, content).await,
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
            Request::FileDocument(_) => Ok(Reply::refused("invalid", Why::DocumentBytes {})),
            Request::RebuildSearch => {
                let due = self.store.write(|tx| tx.rebuild_search()).await?;
                Ok(Reply::Done(json!({ "clips": due })))
            }
            Request::ImportRoster { name, content, dry_run } => {
                self.import_roster(caller, name, content, dry_run).await
            }
            Request::TryRoster { name, content } => self.try_roster(name, content).await,
            Request::RemoveRoster { name } => self.remove_roster(caller, name).await,
            Request::UndoRoster { name } => self.undo_roster(caller, name).await,
            Request::ImportRegister { register, name, content, dry_run } => {
                self.import_register(caller, &register, name, content, dry_run).await
            }
            Request::UndoImport { import } => self.undo_import(caller, import).await,
            Request::Decide { clip, case_no, verdict, says, unsay, also, outing } => {
                self.decide(caller, Verdict { clip, case_no, verdict, says, unsay, also, outing }).await
            }
            Request::SayNoRecord { case_no, matter, stage, at, written, reason, basis } => {
                let said = NoRecord { matter, stage, written, reason, basis, ..NoRecord::default() };
                self.say_no_record(caller, &case_no, said, at.as_deref()).await
            }
            look @ (Request::LogAccess { .. } | Request::BeginView { .. }) => {
                self.log(looking::event_of(caller, look)?).await
            }
            Request::NoteDerived { clip, what, sha256, bytes } => {
                let clip: ClipId = clip.parse()?;
                let event = draft(EventKind::Derived, caller).clip(clip).fact("what", what).fact("bytes", bytes);
                let seq = self.store.write(move |tx| tx.derived(clip, &sha256, event)).await?;
                Ok(Reply::Done(json!({ "seq": seq })))
            }
            Request::AskDerived { clip, kind, form, from_ms, to_ms, exact, reason } => {
                let order = Order::new(&kind, form.as_deref(), from_ms, to_ms, exact);
                self.ask_derivative(caller, &clip, order, &reason).await
            }
            Request::TakeDerived { derived } => self.take_derivative(caller, derived).await,
            Request::EndView { begun_seq, clip, ranges, pieces } => {
                let clip: ClipId = clip.parse()?;
                let event = draft(EventKind::ViewEnded, caller).clip(clip).fact("begun", begun_seq);
                let event = event.fact("ranges", json!(ranges));
                if pieces.is_empty() {
                    return self.log(event).await;
                }
                let pieces =
                    pieces.iter().map(|(n, hex)| Ok::<_, StoreError>((*n, hex.parse::<Sha256>()?.to_string())));
                let pieces = pieces.collect::<Result<Vec<_>, StoreError>>()?;
                let seq =
                    self.store.write(move |tx| tx.pieces_given(clip, event.fact("pieces", json!(pieces)))).await?;
                Ok(Reply::Done(json!({ "seq": seq })))
            }
            Request::LogRefusal { action, why, clip } => {
                let mut event = draft(EventKind::AccessRefused, caller).fact("action", action).fact("why", why);
                event.clip = clip.map(|c| c.parse()).transpose()?;
                self.log(event.outcome("refused")).await
            }
            Request::Oversight { ask } => self.oversight(caller, ask).await,
            Request::Accounts { ask } => self.accounts(caller, ask).await,
            Request::Verify { clip, remote } => {
                let clip: ClipId = clip.parse()?;
                self.comparing().verify(caller, clip, remote, &Arc::new(Untold)).await
            }
            Request::BeginVerify { clip, remote } => self.begin_verify(caller, &clip, remote).await,
            Request::Retry { destination } => {
                let asked = draft(EventKind::Retried, caller);
                let n = self.store.write(move |tx| tx.retry(destination.as_deref(), asked)).await?;
                Ok(Reply::Done(json!({ "deliveries": n })))
            }
            Request::Hold { clip, case_no, reason, basis } => self.hold(caller, clip, case_no, (&reason, basis)).await,
            Request::Filing { ask } => self.filing(caller, ask).await,
            Request::Disposal { ask } => self.disposal(caller, ask).await,
            Request::Unhold { hold, reason, confirm, refuse } => {
                self.unhold(caller, hold, reason, (confirm, refuse)).await
            }
            Request::Isolate { clip, reason } => self.isolate(caller, &clip, &reason).await,
            Request::Lift { clip, reason, confirm, refuse } => {
                self.lift(caller, &clip, reason, (confirm, refuse)).await
            }
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
            Request::AskExport { case_no, reason, basis, recipient, target, lang, disc_bytes, derived } => {
                let wanted = Wanted { case_no, reason, basis, recipient, resumes: None, package: None };
                self.ask_export(caller, wanted, &target, lang, (disc_bytes, derived)).await
            }
            Request::DecideExport { package, yes } => {
                let decided = draft(EventKind::ExportDecided, caller);
                let state = self.store.write(move |tx| tx.decide_export(&package, yes, decided)).await?;
                Ok(Reply::Done(json!({ "state": state.as_str() })))
            }
            Request::RetryExport { package } => {
                let continued = draft(EventKind::ExportContinued, caller);
                self.store.write(move |tx| tx.retry_export(&package, continued)).await?;
                Ok(Reply::Done(json!({})))
            }
            Request::TakeExport { package, disc, from_byte } => {
                let taken = draft(EventKind::ExportTaken, caller);
                let seq = self.store.write(move |tx| tx.take_export(&package, disc, from_byte, taken)).await?;
                Ok(Reply::Done(json!({ "seq": seq })))
            }
            Request::SignExport { package, begun_seq, clips, bytes, files, manifest, facts } => {
                self.sign_export(caller, ToSign { package, begun_seq, clips, bytes, files, manifest, facts }).await
            }
            Request::AcknowledgeAlarm { alarm } => self.acknowledge_alarm(caller, alarm).await,
            Request::AddCheckpoint { body } => self.add_checkpoint(body).await,
            Request::SignedAsWitness { log } => self.signed_as_witness(log).await,
            Request::Backup => Ok(match &self.backups {
                Some(backups) => {
                    let failed = |detail| Reply::refused("unavailable", Why::BackupFailed { detail });
                    backups.now().await.map_or_else(failed, Reply::Done)
                }
                None => Reply::refused("conflict", Why::NoRecipient {}),
            }),
        }
    }

    pub(super) async fn log(&self, event: Draft) -> Answer {
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
            Err(why) => return Ok(Reply::refused("invalid", why)),
        };
        if let (Some(from), Some(to)) = range_ms
            && from >= to
        {
            return Ok(Reply::refused("invalid", Why::RangeBackwards {}));
        }
        if let Some(long) =
            [&stage, &matter, &proves].into_iter().flatten().find(|t| t.chars().count() > MAX_VALUE_CHARS)
        {
            let (n, most) = (long.chars().count() as u64, MAX_VALUE_CHARS as u64);
            return Ok(Reply::refused("invalid", Why::TooManyChars { n, most }));
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
            return Ok(Reply::refused("invalid", Why::WithdrawalReason {}));
        }
        let key = match self.rule.parse(typed, self.this_year()) {
            Ok(number) => number.key().to_owned(),
            Err(e) => return Ok(Reply::refused("invalid", e)),
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
                let known = Field::ALL.iter().map(|f| f.as_str().to_owned()).collect();
                return Ok(Reply::refused("invalid", Why::NoField { name, known }));
            };
            let value = value.trim().to_owned();
            if let Err(why) = casework::check_value(field, &value, &self.policy.zone) {
                return Ok(Reply::refused("invalid", Why::Value { field: name, because: Box::new(why) }));
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
