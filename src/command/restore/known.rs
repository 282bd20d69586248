//! What destinations and witnesses know of the log that is restored: its newest heads, which the new epoch must own up to
//! where they reach beyond what survived, and the epochs that are taken. What they say is compared and never taken over.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;

use super::Restoring;
use crate::command::backup::at_destination;
use crate::command::epochs::told;
use crate::command::far_tree::FarTree;
use crate::command::witness::signed_before;
use crate::command::{anchors, destinations};
use crate::custody::checkpoint::{self, Checkpoint, parse_origin};
use crate::custody::epoch::Head;
use crate::custody::note::{Note, VerifierKey};
use crate::deliver::fence::later_claim;
use crate::domain::error::chain;
use crate::domain::ports::{Destination, SendError};
use crate::store::Store;

/// Heads that an opening can name: some hundred bytes each in an event of 65,535.
const MAX_NAMED: usize = 450;

/// What others know of the log.
#[derive(Default)]
pub(super) struct Known {
    /// The newest checkpoint of each epoch, from wherever it is largest.
    pub heads: BTreeMap<u32, Head>,
    /// The newest checkpoint of each epoch that each of them has.
    pub of_each: Vec<Head>,
    /// The highest epoch of which any trace stands anywhere.
    pub last_epoch: u32,
    pub warnings: Vec<String>,
    /// Destinations that answered.
    asked: Vec<Arc<dyn Destination>>,
}

impl Restoring<'_> {
    /// Asks every destination that answers; the one to restore from must.
    pub(super) async fn known(&self, keys: &[VerifierKey]) -> anyhow::Result<Known> {
        let mut known = Known::default();
        for written in &self.settings.destinations {
            let name = written.name.as_str();
            let dest = match name == self.verb.from {
                true => Arc::clone(&self.dest),
                false => match destinations::make(self.settings, written, true, None) {
                    Ok(dest) => dest,
                    Err(e) => {
                        known.warnings.push(format!("{name} was not asked: {e:#}"));
                        continue;
                    }
                },
            };
            if let Err(e) = self.ask(&*dest, keys, &mut known).await {
                if name == self.verb.from {
                    return Err(e).context("reading the checkpoints there");
                }
                known.warnings.push(format!("{name} was not asked, and may hold newer checkpoints: {}", chain(&e)));
                continue;
            }
            known.asked.push(dest);
        }
        self.ask_witnesses(keys, &mut known).await;
        Ok(known)
    }

    /// What witnesses have signed is known as well, though no destination holds it: a loss that nobody declares would stand
    /// between them and this log for ever.
    async fn ask_witnesses(&self, keys: &[VerifierKey], known: &mut Known) {
        for written in &self.settings.custody.witnesses {
            let held_by = format!("witness {}", written.name);
            let notes = match signed_before(written, self.station()).await {
                Ok(Some(notes)) => notes,
                Ok(None) => {
                    known.warnings.push(format!("{held_by} does not tell what it has signed"));
                    continue;
                }
                Err(e) => {
                    known
                        .warnings
                        .push(format!("{held_by} was not asked, and may have signed newer checkpoints: {e:#}"));
                    continue;
                }
            };
            for note in notes {
                let said = Note::parse(note.as_bytes()).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
                let Some((size, (station, epoch))) = said.and_then(|c| Some((c.size, parse_origin(&c.origin)?))) else {
                    continue;
                };
                if station == *self.station() {
                    known.last_epoch = known.last_epoch.max(epoch);
                    self.head(note.as_bytes(), epoch, size, &held_by, keys, known);
                }
            }
        }
    }

    async fn ask(&self, dest: &dyn Destination, keys: &[VerifierKey], known: &mut Known) -> Result<(), SendError> {
        let station = self.station();
        let last_backup = at_destination(dest, station).await?.first().map(|b| b.epoch);
        let claimed = later_claim(dest, station, 0).await?;
        known.last_epoch = known.last_epoch.max(last_backup.unwrap_or(0)).max(claimed.unwrap_or(0));
        for (epoch, size, notes) in anchors::newest_of_each_epoch(dest, station).await? {
            known.last_epoch = known.last_epoch.max(epoch);
            if notes.windows(2).any(|pair| pair[0] != pair[1]) {
                known.warnings.push(format!(
                    "the checkpoint of epoch {epoch} over {size} events at {} stands there in versions that differ: somebody wrote over it; see what `evidock log verify` says",
                    dest.name()
                ));
            }
            for note in notes {
                self.head(&note, epoch, size, dest.name().as_str(), keys, known);
            }
        }
        Ok(())
    }

    /// Takes a checkpoint that somebody holds for the newest of its epoch, where it is.
    fn head(&self, note: &[u8], epoch: u32, size: u64, held_by: &str, keys: &[VerifierKey], known: &mut Known) {
        let read = match checkpoint::open(note, keys) {
            Ok(opened) => Some(opened.checkpoint),
            Err(e) => {
                known.warnings.push(format!(
                    "the checkpoint of epoch {epoch} over {size} events at {held_by} is signed by no key that is known here ({e}); give --trust with the log.key.pub that was kept off the box"
                ));
                Note::parse(note).ok().and_then(|note| Checkpoint::parse(note.text()).ok())
            }
        };
        let head = read.filter(|c| parse_origin(&c.origin) == Some((self.station().clone(), epoch)));
        let Some(head) = head.map(|c| Head { epoch, size: c.size, root: c.root }) else { return };
        known.of_each.push(head);
        let largest = known.heads.entry(epoch).or_insert(head);
        if largest.size < head.size {
            *largest = head;
        }
    }
}

impl Restoring<'_> {
    /// What the new epoch must name as lost: the newest head of each epoch first, then what each destination and witness has
    /// for the newest, and every other that was signed after the last full tile. Those below it the tiles show to go on from
    /// what survived, whoever verifies the log; one head that stood for all of them would excuse any.
    pub(super) async fn lost(
        &self,
        store: &Store,
        epoch: u32,
        size: u64,
        known: &mut Known,
    ) -> anyhow::Result<Vec<Head>> {
        let mut lost = newest_lost(store, epoch, size, &known.heads)?;
        let mut more: Vec<Head> = Vec::new();
        for newest in lost.clone() {
            more.extend(known.of_each.iter().filter(|head| head.epoch == newest.epoch && head.size > size));
            let after = self.after_the_last_tile(newest, size, &known.asked).await;
            match after {
                Ok(heads) => more.extend(heads),
                Err(e) => known.warnings.push(format!(
                    "not every lost checkpoint of epoch {} could be read, and what is not named will be a finding of `evidock log verify`: {}",
                    newest.epoch,
                    chain(&e)
                )),
            }
        }
        more.sort_by_key(|head| (Reverse(head.epoch), Reverse(head.size)));
        for head in more {
            if lost.len() < MAX_NAMED {
                if !lost.contains(&head) {
                    lost.push(head);
                }
                continue;
            }
            known.warnings.push(format!(
                "more than {MAX_NAMED} checkpoints are lost of which no tiles tell; the older ones are not named and will be findings of `evidock log verify`"
            ));
            break;
        }
        Ok(lost)
    }

    async fn after_the_last_tile(
        &self,
        newest: Head,
        size: u64,
        asked: &[Arc<dyn Destination>],
    ) -> Result<Vec<Head>, SendError> {
        let mut tiled = size;
        for dest in asked {
            let mut far = FarTree::new(&**dest, self.station(), newest.epoch);
            tiled = tiled.max(far.covers(size, newest.size).await?);
        }
        let mut heads = Vec::new();
        for dest in asked {
            for (_, notes) in anchors::beyond(&**dest, self.station(), newest.epoch, tiled).await? {
                heads.extend(notes.iter().filter_map(|note| told(note, self.station())));
            }
        }
        heads.retain(|head| head.epoch == newest.epoch && head.size > size);
        Ok(heads)
    }
}

/// The newest heads that reach beyond the log as it survived: `size` events, up to epoch `epoch` (0: nothing survived).
fn newest_lost(store: &Store, epoch: u32, size: u64, heads: &BTreeMap<u32, Head>) -> anyhow::Result<Vec<Head>> {
    let mut lost = Vec::new();
    for head in heads.values() {
        let survived = head.epoch < epoch
            || (head.epoch == epoch
                && head.size <= size
                && store.read_blocking(|r| r.log_root(head.size))? == head.root);
        if !survived {
            lost.push(*head);
        }
    }
    Ok(lost)
}
