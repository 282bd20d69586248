//! Epochs: what the first event of one says, read and written in one place, and the question of whether
//! a log may go on as it stands. Decides only; storing the event is the store's business.
//!
//! The body of an `epoch.opened` event:
//!
//! ```text
//! station      the station's name
//! key          the verifier key under which this epoch is signed
//! protection   how the private key is kept
//! lost         after a restore: checkpoints of epochs that reach beyond what survived, as [{"epoch": 1, "size": 1000,
//!              "root": "<hex>"}], the newest of each epoch first; absent when nothing is known to be lost
//! ```
//!
//! What survived is the event's own position: all events before it.
//!
//! Each head is named exactly. An opening that could name one size beyond all others would excuse whatever was signed
//! below it, and whoever rewrote the log can write one. Heads below a named one that are not named themselves have to be
//! shown to be of one history with what was kept ([`super::losses`]): the full tiles that stand off the box do that, so that
//! a restore names only what came after the last of them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::note::{NoteError, VerifierKey};
use crate::domain::digest::{Sha256, to_hex};
use crate::domain::event::{Draft, EventKind};
use crate::domain::ids::StationId;
use crate::domain::merkle::Hash;
use crate::domain::ports::Signer;

/// A tree that was signed once, in whatever epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The epoch of its log.
    pub epoch: u32,
    /// How many events it has.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

/// What the first event of an epoch says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The station's name.
    pub station: String,
    /// The verifier key, in its text form.
    pub key: String,
    /// How the private key is kept.
    pub protection: String,
    /// The heads of what a restore lost.
    pub lost: Vec<Head>,
}

impl Opening {
    /// What the first event of an epoch of this station says; `lost` is empty unless a restore lost something.
    pub fn new(station: &StationId, signer: &dyn Signer, lost: Vec<Head>) -> Result<Self, NoteError> {
        Ok(Self {
            station: station.to_string(),
            key: VerifierKey::of(signer)?.to_string(),
            protection: signer.protection().to_owned(),
            lost,
        })
    }

    /// The event.
    pub fn draft(&self) -> Draft {
        let draft = Draft::daemon(EventKind::EpochOpened)
            .fact("station", self.station.clone())
            .fact("key", self.key.clone())
            .fact("protection", self.protection.clone());
        if self.lost.is_empty() {
            return draft;
        }
        let lost =
            self.lost.iter().map(|h| serde_json::json!({"epoch": h.epoch, "size": h.size, "root": to_hex(&h.root)}));
        draft.fact("lost", lost.collect::<Vec<Value>>())
    }

    /// Reads the body of an `epoch.opened` event; `None` when a fact is missing or of another shape.
    pub fn read(body: &Map<String, Value>) -> Option<Self> {
        #[derive(Deserialize)]
        struct Lost {
            epoch: u32,
            size: u64,
            root: String,
        }
        let text = |key| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let lost = match body.get("lost") {
            Some(lost) => Vec::<Lost>::deserialize(lost).ok()?,
            None => Vec::new(),
        };
        let head = |l: Lost| Some(Head { epoch: l.epoch, size: l.size, root: l.root.parse::<Sha256>().ok()?.0 });
        Some(Self {
            station: text("station")?,
            key: text("key")?,
            protection: text("protection")?,
            lost: lost.into_iter().map(head).collect::<Option<_>>()?,
        })
    }

    /// Whether this opening names exactly this head as lost.
    pub fn names(&self, head: &Head) -> bool {
        self.lost.contains(head)
    }

    /// The largest head of an epoch that it names as lost.
    pub fn newest_lost(&self, epoch: u32) -> Option<&Head> {
        self.lost.iter().filter(|lost| lost.epoch == epoch).max_by_key(|lost| lost.size)
    }

    /// The epochs of which it names something as lost, in their order.
    pub fn epochs_lost(&self) -> BTreeSet<u32> {
        self.lost.iter().map(|lost| lost.epoch).collect()
    }
}

/// How a log stands to a checkpoint that was anchored elsewhere.
///
/// A new epoch takes the number after the highest that log and anchors know, so that no number serves twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It goes on from there, `ahead` events further.
    Continues {
        /// Events after the anchored ones.
        ahead: u64,
    },
    /// It has fewer events: the database was put back. It may go on only in a new epoch that names the head.
    Shrunk {
        /// Events that are known to be lost.
        lost: u64,
    },
    /// It has other events in the same places. It may go on only in a new epoch, and a person must look.
    Forked,
    /// The anchor is of a later epoch than the log: the database was put back beyond that epoch's opening.
    Behind,
    /// The anchor is of an earlier epoch; whether its loss was declared is for [`super::losses`] to say.
    Earlier,
}

/// Compares the log (`epoch`, `size`) with an anchored head of the same station; `root_at` gives the root of
/// the log's first so many events.
pub fn standing<E>(
    epoch: u32,
    size: u64,
    anchored: &Head,
    root_at: impl FnOnce(u64) -> Result<Hash, E>,
) -> Result<Standing, E> {
    Ok(if anchored.epoch > epoch {
        Standing::Behind
    } else if anchored.epoch < epoch {
        Standing::Earlier
    } else if anchored.size > size {
        Standing::Shrunk { lost: anchored.size - size }
    } else if root_at(anchored.size)? != anchored.root {
        Standing::Forked
    } else {
        Standing::Continues { ahead: size - anchored.size }
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::custody::key::FileSigner;
    use crate::domain::event::{Envelope, Place, encode};

    #[test]
    fn an_opening_is_read_as_it_was_written() {
        let signer = FileSigner::from_seed("evidock/zhao-01", [7; 32]).unwrap();
        let station = StationId::new("zhao-01").unwrap();
        let head = Head { epoch: 1, size: 1000, root: [0xab; 32] };
        for lost in [vec![], vec![head]] {
            let opening = Opening::new(&station, &signer, lost).unwrap();
            let place = Place { epoch: 2, seq: 900, wall_ms: 0, boot: "b".into(), mono_ms: 0 };
            let (bytes, _) = encode(&opening.draft(), &place, || [0; 32]).unwrap();
            let event: Envelope = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(event.kind, "epoch.opened");
            assert_eq!(event.body.contains_key("lost"), !opening.lost.is_empty());
            assert_eq!(Opening::read(&event.body), Some(opening));
        }
        assert_eq!(Opening::read(&Map::new()), None);
    }

    #[test]
    fn what_a_restore_owns_up_to() {
        let head = |epoch, size, root| Head { epoch, size, root: [root; 32] };
        let opening =
            Opening { station: "s".into(), key: "k".into(), protection: "file".into(), lost: vec![head(1, 1000, 1)] };
        let table = [
            (head(1, 1000, 1), true),
            (head(1, 950, 9), false),
            (head(1, 1000, 2), false),
            (head(1, 1001, 1), false),
            (head(2, 1000, 1), false),
        ];
        for (head, expected) in table {
            assert_eq!(opening.names(&head), expected, "{head:?}");
        }
        assert_eq!(opening.newest_lost(1).map(|head| head.size), Some(1000));
        assert_eq!((opening.newest_lost(2), opening.epochs_lost()), (None, BTreeSet::from([1])));
    }

    #[test]
    fn standings() {
        let root_at = |size: u64| Ok::<_, Infallible>([size as u8; 32]);
        let table = [
            (Head { epoch: 2, size: 90, root: [90; 32] }, Standing::Continues { ahead: 10 }),
            (Head { epoch: 2, size: 100, root: [100; 32] }, Standing::Continues { ahead: 0 }),
            (Head { epoch: 2, size: 101, root: [101; 32] }, Standing::Shrunk { lost: 1 }),
            (Head { epoch: 2, size: 90, root: [0; 32] }, Standing::Forked),
            (Head { epoch: 3, size: 90, root: [90; 32] }, Standing::Behind),
            (Head { epoch: 1, size: 90, root: [90; 32] }, Standing::Earlier),
        ];
        for (anchored, expected) in table {
            assert_eq!(standing(2, 100, &anchored, root_at), Ok(expected), "{anchored:?}");
        }
    }
}
