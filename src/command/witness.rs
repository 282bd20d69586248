//! Witnesses: shows each checkpoint of ours to those that are configured, and answers those of other stations.
//!
//! A witness that knows another history of this log than we do is the alarm for which it is there: the log was rewritten,
//! cut off, or put back. It is told at once, and once in the log.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::anchor::Anchor;
use super::desk::{Answer, Desk};
use crate::config::WitnessSettings;
use crate::custody::checkpoint::{Checkpoint, key_name, parse_origin};
use crate::custody::note::{Note, VerifierKey};
use crate::custody::witness::{self, Answer as Verdict, Refusal, Seen, Submission, judge, read_answer};
use crate::deliver::post::{Posted, Poster};
use crate::domain::command::Reply;
use crate::domain::digest::to_hex;
use crate::domain::error::chain;
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::StationId;
use crate::runtime::health::Part;
use crate::runtime::supervise::TaskContext;
use crate::store::{CheckpointRow, CosignatureRow, Store, StoreError, Tx};

/// The newest checkpoint is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a failure it is tried again so much later.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// Without a signature for so long a witness is a matter for a person, milliseconds.
const SILENT_MS: i64 = 15 * 60_000;
/// Signature lines; what is longer is no answer of a witness.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// It is asked so often in a row: with the size that is believed, with the one that it says, and again where both moved
/// meanwhile.
const TURNS: usize = 5;
/// Media type of a 409's body.
const SIZE_TYPE: &str = "text/x.tlog.size";

/// A witness of this station's log.
pub(super) struct Witness {
    pub name: String,
    pub key: VerifierKey,
    pub poster: Poster,
}

impl Witness {
    /// From its settings.
    pub(super) fn new(written: &WitnessSettings) -> anyhow::Result<Self> {
        use anyhow::Context;
        let key =
            written.key.parse().with_context(|| format!("[[custody.witness]] {} key cannot be used", written.name))?;
        let url = format!("{}/add-checkpoint", written.url.trim_end_matches('/'));
        let poster = Poster::new(&url, written.ca_file.as_deref())
            .with_context(|| format!("[[custody.witness]] {} cannot be reached as configured", written.name))?;
        Ok(Self { name: written.name.clone(), key, poster })
    }
}

/// How showing a checkpoint ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// It signed: its line, and the note below which it stands.
    Signed { row: CosignatureRow, note: String },
    /// It knows another history.
    Accused(String),
    /// It knows no such log, or not under the key that signs it.
    Unknown(String),
    /// No answer of use now.
    Silent(String),
}

/// Shows `head` to a witness that is believed to know `known` entries of this epoch.
pub(super) async fn show(
    witness: &Witness,
    store: &Store,
    head: &CheckpointRow,
    known: u64,
) -> Result<Shown, StoreError> {
    let (mut head, mut old) = (head.clone(), known);
    for _ in 0..TURNS {
        old = old.min(head.size);
        let (from, to) = (old, head.size);
        let proof = store.read(move |r| r.log_consistency(from, to)).await?.unwrap_or_default();
        let submission = Submission { old, proof, checkpoint: head.note.clone() };
        let body = submission.text().into_bytes();
        let Posted { status, body } =
            match witness.poster.post("text/plain; charset=utf-8", body, MAX_ANSWER_BYTES).await {
                Ok(posted) => posted,
                Err(e) => return Ok(Shown::Silent(chain(&e))),
            };
        match status {
            200 => {
                return Ok(match read_answer(&head.note, &body, &witness.key) {
                    Ok(signature) => Shown::Signed {
                        row: CosignatureRow {
                            epoch: head.epoch,
                            size: head.size,
                            witness: witness.name.clone(),
                            line: signature.line,
                            made_s: signature.made_s,
                        },
                        note: head.note,
                    },
                    Err(e) => Shown::Silent(format!("its signature is of no use: {}", chain(&e))),
                });
            }
            409 => match witness::read_size(&body) {
                Some(size) if size > head.size => match newest(store, head.epoch).await? {
                    // Somebody showed it a newer one between our looking and our asking.
                    Some(newer) if newer.size >= size => (head, old) = (newer, size),
                    _ => {
                        return Ok(Shown::Accused(format!(
                            "it has signed {size} entries of this log, which has {} now: the tail was cut off, or an older database put back",
                            head.size
                        )));
                    }
                },
                Some(size) if size == old => {
                    return Ok(Shown::Accused(format!("it has signed another history of {size} entries")));
                }
                Some(size) => old = size,
                None => return Ok(Shown::Silent("it answered 409 without a size".to_owned())),
            },
            422 => {
                return Ok(Shown::Accused(format!(
                    "this log does not go on from the {old} entries that it has signed: the log was rewritten"
                )));
            }
            status @ (403 | 404) => {
                let what = if status == 403 { "not under the key that signs it" } else { "not at all" };
                return Ok(Shown::Unknown(format!("it knows this log {what} (status {status})")));
            }
            status => return Ok(Shown::Silent(format!("it answered with status {status}"))),
        }
    }
    Ok(Shown::Silent("it knows another size each time that it is asked".to_owned()))
}

/// What a witness says that it has signed of this station's log before: the newest checkpoint of each epoch. `None` where
/// it does not tell: of witnesses that are no station of ours none does.
pub(super) async fn signed_before(
    written: &WitnessSettings,
    station: &StationId,
) -> anyhow::Result<Option<Vec<String>>> {
    #[derive(serde::Deserialize)]
    struct Told {
        checkpoints: Vec<String>,
    }
    // Another provider compiled in by a dependency must not be chosen by accident; set once is set.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("{}/signed?log={}", written.url.trim_end_matches('/'), key_name(station));
    let Posted { status, body } = Poster::new(&url, written.ca_file.as_deref())?.get(MAX_ANSWER_BYTES).await?;
    match status {
        200 => Ok(serde_json::from_slice::<Told>(&body).ok().map(|told| told.checkpoints)),
        400 | 404 | 405 => Ok(None),
        status => anyhow::bail!("it answered with status {status}"),
    }
}

/// The newest checkpoint of an epoch.
async fn newest(store: &Store, epoch: u32) -> Result<Option<CheckpointRow>, StoreError> {
    store.read(move |r| Ok(r.last_checkpoint()?.filter(|head| head.epoch == epoch))).await
}

/// Shows each checkpoint to one witness until the end.
pub(super) async fn run(
    context: TaskContext,
    witness: Arc<Witness>,
    anchor: Arc<Anchor>,
    part: Part,
) -> Result<(), StoreError> {
    let store = anchor.store.clone();
    let mut shown: Option<(u32, u64, i64)> = None;
    let mut accused = String::new();
    let began_ms = anchor.clock.now().0;
    loop {
        context.heart.beat();
        let mut pause = LOOK_EVERY;
        let name = witness.name.clone();
        let (head, known) = store
            .read(move |r| {
                let epoch = r.epoch()?;
                let head = r.last_checkpoint()?.filter(|head| head.epoch == epoch);
                Ok((head, r.last_cosigned(&name, epoch)?))
            })
            .await?;
        let new = head.filter(|head| shown != Some((head.epoch, head.size, head.made_ms)));
        if let Some(head) = new {
            let known_size = known.map_or(0, |(size, _)| size);
            match show(&witness, &store, &head, known_size).await? {
                Shown::Signed { row, .. } => {
                    store.write(move |tx| tx.cosigned(&row)).await?;
                    shown = Some((head.epoch, head.size, head.made_ms));
                    accused.clear();
                    part.ok();
                }
                Shown::Accused(why) => {
                    let words = format!("witness {} refuses this log: {why}", witness.name);
                    part.failed(
                        "witness_refuses",
                        words.clone(),
                        "stop intake, run `evidock log verify`, and find out which database is the right one before anything is deleted",
                    );
                    if accused != why {
                        tracing::error!(witness = witness.name, why, "a witness knows another history of this log");
                        let event = Draft::daemon(EventKind::WitnessRefused)
                            .fact("witness", witness.name.as_str())
                            .fact("size", head.size)
                            .secret("what", why.as_str())
                            .outcome("failed");
                        store.write(move |tx| tx.log(&event)).await?;
                        accused = why;
                    }
                    pause = ASK_AGAIN;
                }
                Shown::Unknown(why) => {
                    part.degraded(
                        "witness_unknown",
                        format!("witness {} does not sign: {why}", witness.name),
                        "give it this station's log.key.pub; if nobody changed the key, stop intake and run `evidock log verify`",
                    );
                    pause = ASK_AGAIN;
                }
                Shown::Silent(why) => {
                    tracing::debug!(witness = witness.name, why, "a witness gave no signature");
                    let last_ms =
                        known.map_or(began_ms, |(_, made_s)| (made_s as i64).saturating_mul(1000).max(began_ms));
                    if anchor.clock.now().0.saturating_sub(last_ms) > SILENT_MS {
                        let words = format!("witness {} has not signed for more than 15 minutes: {why}", witness.name);
                        part.degraded(
                            "witness_silent",
                            words,
                            "check its address and that it runs; it is asked again by itself",
                        );
                    }
                    pause = ASK_AGAIN;
                }
            }
        }
        tokio::select! {
            () = context.cancel.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Logs that a log which was signed here before begins a new epoch.
fn note_epoch(tx: &Tx<'_>, origin: &str, size: u64) -> Result<(), StoreError> {
    let read = tx.read();
    let Some(log) = parse_origin(origin).map(|(station, _)| key_name(&station)) else { return Ok(()) };
    if read.witnessed(origin)?.is_some() || read.witnessed_of(&log)?.is_empty() {
        return Ok(());
    }
    tracing::warn!(origin, size, "a log that is witnessed here began a new epoch");
    tx.log(&Draft::daemon(EventKind::WatchEpoch).fact("log", origin).fact("size", size)).map(drop)
}

/// Stores what was refused; the event is stored once for as long as the log shows nothing better. Whoever has seen a checkpoint
/// of it can send that with a wrong proof, which is refused like another history, and over with the log's next minute.
fn note_refusal(tx: &Tx<'_>, refusal: Refusal, body: &str) -> Result<(), StoreError> {
    let shown = Submission::parse(body.as_bytes()).map(|submission| submission.checkpoint).unwrap_or_default();
    let said = Note::parse(shown.as_bytes()).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
    let Some(said) = said else { return Ok(()) };
    if tx.refused_as_witness(&said.origin, &refusal.to_string(), &shown)? {
        let signed = tx.read().witnessed(&said.origin)?.map_or(0, |(size, _)| size);
        let event = Draft::daemon(EventKind::WatchRefused)
            .fact("log", said.origin)
            .fact("size", said.size)
            .fact("root", to_hex(&said.root))
            .fact("signed", signed)
            .fact("why", refusal.to_string())
            .outcome("failed");
        tx.log(&event)?;
    }
    Ok(())
}

impl Desk {
    /// As a witness: what was signed here of a log that is watched.
    pub(super) async fn signed_as_witness(&self, log: String) -> Answer {
        if !self.witnessed.iter().any(|key| key.name() == log) {
            let body = format!("{}\n", Refusal::UnknownLog);
            return Ok(Reply::Done(json!({ "status": 404, "type": "text/plain; charset=utf-8", "body": body })));
        }
        let of = log.clone();
        let checkpoints = self.store.read(move |r| r.witnessed_of(&of)).await?;
        let body = json!({ "log": log, "checkpoints": checkpoints }).to_string();
        Ok(Reply::Done(json!({ "status": 200, "type": "application/json", "body": body })))
    }

    /// As a witness: looks, judges and stores in one transaction, so that no two histories are ever signed here.
    pub(super) async fn add_checkpoint(&self, body: String) -> Answer {
        let (signer, keys) = (Arc::clone(&self.anchor.signer), self.witnessed.clone());
        let now_s = u64::try_from(self.clock.now().0 / 1000).unwrap_or(0);
        let verdict = self
            .store
            .write(move |tx| {
                let seen = |origin: &str| {
                    Ok::<_, StoreError>(tx.read().witnessed(origin)?.map(|(size, root)| Seen { size, root }))
                };
                let verdict = judge(body.as_bytes(), &keys, &*signer, now_s, seen)?;
                match &verdict {
                    Verdict::Cosigned { origin, seen, .. } => {
                        let note = body.split_once("\n\n").map_or("", |(_, note)| note);
                        note_epoch(tx, origin, seen.size)?;
                        tx.set_witnessed(origin, seen.size, &seen.root, note)?;
                    }
                    Verdict::Refused(refusal) if refusal.is_accusation() => note_refusal(tx, *refusal, &body)?,
                    Verdict::Refused(_) => {}
                }
                Ok(verdict)
            })
            .await?;
        Ok(Reply::Done(match verdict {
            Verdict::Cosigned { line, .. } => {
                json!({ "status": 200, "type": "text/plain; charset=utf-8", "body": line })
            }
            Verdict::Refused(refusal) => {
                if refusal.is_accusation() {
                    tracing::error!(%refusal, "a log that is witnessed here shows another history");
                }
                let (media, body) = match refusal {
                    Refusal::OtherSize(size) | Refusal::OtherRoot(size) => (SIZE_TYPE, format!("{size}\n")),
                    refusal => ("text/plain; charset=utf-8", format!("{refusal}\n")),
                };
                json!({ "status": refusal.status(), "type": media, "body": body })
            }
        }))
    }
}
