//! RFC 3161 timestamps on heads of the log, compared with its tree: the authority stamped the digest of a text of origin,
//! size and root ([`super::checkpoint::Checkpoint::text`]), and whoever has the events can make that text again. Whether the
//! authority's signature is true is left to `openssl ts -verify` ([`super::timestamp`]).

use super::checkpoint::Checkpoint;
use super::epoch::Head;
use super::losses::Losses;
use super::report::{Findings, HeldBy, Problem};
use super::timestamp;
use crate::domain::ids::StationId;
use crate::domain::merkle::Hash;
use crate::domain::time::UtcMs;

/// A timestamp as it was found. Its reply was read and is not kept: there are many of them.
#[derive(Debug, Clone)]
pub struct HeldStamp {
    /// Where.
    pub held_by: HeldBy,
    /// The head that it is kept for.
    pub epoch: u32,
    /// Entries in it.
    pub size: u64,
    said: Result<Said, String>,
}

/// What a reply says.
#[derive(Debug, Clone, Copy)]
struct Said {
    digest: [u8; 32],
    at: UtcMs,
}

impl HeldStamp {
    /// Reads the reply of an authority; `text` is what stands beside it as the stamped text, if anything.
    pub fn read(held_by: HeldBy, epoch: u32, size: u64, text: Option<&str>, reply: &[u8]) -> Self {
        let said = match timestamp::read(reply) {
            Err(e) => Err(e.to_string()),
            Ok(stamp) if text.is_some_and(|text| !stamp.is_of(text.as_bytes())) => {
                Err("it is of another text than the one that stands beside it".to_owned())
            }
            Ok(stamp) => Ok(Said { digest: stamp.digest, at: stamp.at }),
        };
        Self { held_by, epoch, size, said }
    }
}

/// The timestamps of a log, met by its tree as it grows.
pub(super) struct Stamps<'a> {
    station: &'a StationId,
    /// By size, then epoch; those before `met` have met the tree.
    stamps: Vec<(HeldStamp, Said)>,
    met: usize,
    /// Indices of those whose epoch was over before their size was reached.
    orphans: Vec<usize>,
    /// How many are on heads that the log has, and up to which size.
    pub confirmed: (u64, u64),
}

impl<'a> Stamps<'a> {
    pub fn new(
        station: &'a StationId,
        held: impl IntoIterator<Item = HeldStamp>,
        problems: &mut Findings<Problem>,
    ) -> Self {
        let mut stamps = Vec::new();
        for stamp in held {
            match &stamp.said {
                Ok(said) => stamps.push((stamp.clone(), *said)),
                Err(why) => problems.add(Problem::BadTimestamp {
                    held_by: stamp.held_by.clone(),
                    epoch: stamp.epoch,
                    size: stamp.size,
                    why: why.clone(),
                }),
            }
        }
        stamps.sort_by_key(|(stamp, _)| (stamp.size, stamp.epoch));
        Self { station, stamps, met: 0, orphans: Vec::new(), confirmed: (0, 0) }
    }

    /// Whether some are on heads of this size.
    pub fn wait_for(&self, size: u64) -> bool {
        self.stamps.get(self.met).is_some_and(|(stamp, _)| stamp.size == size)
    }

    /// The log has `size` events and this root, and `running` is the epoch of the last of them.
    pub fn meet(&mut self, size: u64, root: Hash, running: Option<u32>, problems: &mut Findings<Problem>) {
        while let Some((stamp, said)) = self.stamps.get(self.met).filter(|(stamp, _)| stamp.size == size) {
            if running.is_some_and(|epoch| epoch > stamp.epoch) {
                self.orphans.push(self.met);
            } else if is_on(self.station, stamp.epoch, size, root, said) {
                self.confirmed = (self.confirmed.0 + 1, size);
            } else {
                let (held_by, at) = (stamp.held_by.clone(), said.at.rfc3339());
                problems.add(Problem::OtherTimestamp { held_by, epoch: stamp.epoch, size, at });
            }
            self.met += 1;
        }
    }

    /// Whether one that is held elsewhere than in the database is on this head.
    pub fn is_on(&self, head: &Head) -> bool {
        let elsewhere = self.stamps.iter().filter(|(stamp, _)| stamp.held_by != HeldBy::Store);
        let mut of_size = elsewhere.filter(|(stamp, _)| (stamp.epoch, stamp.size) == (head.epoch, head.size));
        of_size.any(|(_, said)| is_on(self.station, head.epoch, head.size, head.root, said))
    }

    /// The log ends with `have` events; `losses` are what its epochs own up to.
    pub fn finish(&self, have: u64, losses: &Losses<'_>, problems: &mut Findings<Problem>) {
        let beyond = self.stamps.iter().skip(self.met);
        for (stamp, said) in self.orphans.iter().filter_map(|at| self.stamps.get(*at)).chain(beyond) {
            let is_it = |head: &Head| is_on(self.station, head.epoch, head.size, head.root, said);
            if !losses.is_owned(stamp.epoch, stamp.size, is_it) {
                let (held_by, at) = (stamp.held_by.clone(), said.at.rfc3339());
                problems.add(Problem::LostTimestamp { held_by, epoch: stamp.epoch, size: stamp.size, at, have });
            }
        }
    }
}

/// Whether the stamped text is that of this head.
fn is_on(station: &StationId, epoch: u32, size: u64, root: Hash, said: &Said) -> bool {
    use sha2::Digest;
    let text = Checkpoint::of(station, epoch, size, root).text();
    sha2::Sha256::digest(text.as_bytes())[..] == said.digest[..]
}
