//! What a new epoch lost of those before it, judged: each head that was signed and reaches beyond what survived must be
//! named by the epoch's opening, or be shown to be of one history with what survived; and each head that an opening names
//! must be one that somebody holds off the box. Decides only; tiles are read, and people asked, by others.
//!
//! None of this can tell a restore from somebody with root who plays one: both sign with the box's key. So a loss is never
//! passed over: until a person says that the epoch is known (`--accept-epoch`), the log is not called intact.

use std::collections::BTreeMap;

use super::epoch::{Head, Opening};
use super::report::{Findings, HeldBy, Loss, Notice, Problem};
use crate::domain::merkle::{Hash, verify_consistency};

/// What is known of epochs beside the log itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epochs<'a> {
    /// Epochs of which a person knows that a restore began them.
    pub accepted: &'a [u32],
    /// Somebody who may hold checkpoints could not be asked: what nobody holds may be held there.
    pub unasked: bool,
    /// Trees of epochs that lost something, as tiles off the box have them.
    pub trees: &'a [LostTree],
}

/// The tree of an epoch as a destination's full tiles have it. Nothing of it is taken over: every way is followed from a
/// head that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostTree {
    /// The epoch.
    pub epoch: u32,
    /// So many events have full tiles.
    pub size: u64,
    /// Their root.
    pub root: Hash,
    /// Sizes of heads, and of what was kept: the root there, and the way to the whole (RFC 6962, 2.1.2).
    pub ways: BTreeMap<u64, (Hash, Vec<Hash>)>,
}

impl LostTree {
    /// Whether this head is the beginning of this tree.
    fn begins_with(&self, size: u64, root: &Hash) -> bool {
        let way = self.ways.get(&size);
        way.is_some_and(|(_, way)| verify_consistency(size, root, self.size, &self.root, way))
    }
}

/// An opening where it stands.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    /// The epoch that it opens.
    pub epoch: u32,
    /// Its position: so many events were kept.
    pub kept: u64,
    /// Their root.
    pub root: Hash,
    pub opening: Opening,
}

/// The openings of a log, and what is known beside it.
pub(super) struct Losses<'a> {
    told: Epochs<'a>,
    openings: Vec<Opened>,
    /// Heads beyond what survived that were found to be owned up to.
    owned: Vec<Head>,
    /// Whether some of them was shown to go on from what the epoch kept, by index of its opening.
    shown: Vec<bool>,
}

impl<'a> Losses<'a> {
    pub fn new(told: Epochs<'a>) -> Self {
        Self { told, openings: Vec::new(), owned: Vec::new(), shown: Vec::new() }
    }

    pub fn opened(&mut self, opened: Opened) {
        self.openings.push(opened);
        self.shown.push(false);
    }

    /// Judges a head of an epoch that kept less than it covers.
    pub fn orphan(&mut self, head: Head, held_by: HeldBy, ended: u64) -> Result<Notice, Problem> {
        let later = |opened: &Opened| opened.epoch > head.epoch;
        let mut owned = self.openings.iter().any(|opened| later(opened) && opened.opening.names(&head));
        for (at, opened) in self.openings.iter().enumerate().filter(|(_, opened)| later(opened)) {
            let reaches = opened.opening.newest_lost(head.epoch).is_some_and(|lost| lost.size >= head.size);
            let is_of_one = |tree: &LostTree| {
                tree.epoch == head.epoch
                    && tree.begins_with(opened.kept, &opened.root)
                    && tree.begins_with(head.size, &head.root)
            };
            if reaches && self.told.trees.iter().any(is_of_one) {
                self.shown[at] = true;
                owned = true;
            }
        }
        let (epoch, size) = (head.epoch, head.size);
        if !owned {
            return Err(Problem::UndeclaredLoss { held_by, epoch, size, ended });
        }
        self.owned.push(head);
        Ok(Notice::DeclaredLoss { held_by, epoch, size, kept: ended })
    }

    /// Whether a head for which only `is_it` can tell the root, as a timestamp does, is one whose loss is owned up to.
    pub fn is_owned(&self, epoch: u32, size: u64, is_it: impl Fn(&Head) -> bool) -> bool {
        let named = self.openings.iter().filter(|o| o.epoch > epoch).flat_map(|o| &o.opening.lost).chain(&self.owned);
        let mut known = named.filter(|head| head.epoch == epoch && head.size == size);
        known.any(&is_it)
            || self.openings.iter().filter(|opened| opened.epoch > epoch).any(|opened| {
                let reaches = opened.opening.newest_lost(epoch).is_some_and(|lost| lost.size >= size);
                let is_of_it = |tree: &LostTree| {
                    let root = tree.ways.get(&size).map(|(root, _)| *root);
                    tree.epoch == epoch
                        && tree.begins_with(opened.kept, &opened.root)
                        && root.is_some_and(|root| tree.begins_with(size, &root) && is_it(&Head { epoch, size, root }))
                };
                reaches && self.told.trees.iter().any(is_of_it)
            })
    }

    /// What each epoch lost, after all heads were judged; `is_held` tells whether somebody off the log holds one.
    pub fn finish(
        self,
        is_held: impl Fn(&Head) -> bool,
        problems: &mut Findings<Problem>,
        notices: &mut Findings<Notice>,
    ) -> Vec<Loss> {
        let mut losses = Vec::new();
        for (at, opened) in self.openings.iter().enumerate() {
            let lost = &opened.opening.lost;
            // A log that begins in a later epoch lost all of those before, whatever it says.
            if lost.is_empty() && !(opened.kept == 0 && opened.epoch > 1) {
                continue;
            }
            let accepted = self.told.accepted.contains(&opened.epoch);
            for head in lost.iter().filter(|head| !is_held(head)) {
                let (seq, epoch, size) = (opened.kept, head.epoch, head.size);
                if accepted || self.told.unasked {
                    notices.add(Notice::UnheldLoss { seq, epoch, size });
                } else {
                    problems.add(Problem::UnheldLoss { seq, epoch, size });
                }
            }
            let reached = lost.iter().map(|head| head.size).max().unwrap_or(opened.kept);
            losses.push(Loss {
                epoch: opened.epoch,
                kept: opened.kept,
                lost: reached.saturating_sub(opened.kept),
                kept_shown: self.shown.get(at).copied().unwrap_or_default(),
                accepted,
            });
        }
        losses
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::*;
    use crate::domain::merkle::{self, leaf_hash};

    /// A tree over entries that tell their number, other ones from `from` on.
    struct Tree(HashMap<(u8, u64), Hash>);

    impl Tree {
        fn of(size: u64, from: u64) -> Self {
            let mut tree = merkle::Frontier::default();
            let entry = |n: u64| if n < from { format!("{n}") } else { format!("other {n}") };
            let nodes = (0..size).flat_map(|n| tree.push(leaf_hash(entry(n).as_bytes())));
            Self(nodes.map(|(level, index, hash)| ((level, index), hash)).collect())
        }

        fn root(&self, size: u64) -> Hash {
            merkle::root(size, |l, i| Ok::<_, Infallible>(self.0[&(l, i)])).unwrap()
        }

        fn lost(&self, size: u64, of: &[u64]) -> LostTree {
            let way = |old| {
                let way = merkle::consistency_proof(old, size, |l, i| Ok::<_, Infallible>(self.0[&(l, i)]));
                (old, (self.root(old), way.unwrap().unwrap()))
            };
            LostTree { epoch: 1, size, root: self.root(size), ways: of.iter().copied().map(way).collect() }
        }
    }

    fn judged(trees: &[LostTree], kept: (u64, Hash), lost: Vec<Head>, head: Head) -> (bool, Vec<Loss>) {
        let mut losses = Losses::new(Epochs { trees, ..Epochs::default() });
        let opening = Opening { station: "s".into(), key: "k".into(), protection: "file".into(), lost };
        losses.opened(Opened { epoch: 2, kept: kept.0, root: kept.1, opening });
        let owned = losses.orphan(head, HeldBy::Store, kept.0).is_ok();
        let (mut problems, mut notices) = (Findings::default(), Findings::default());
        (owned, losses.finish(|_| true, &mut problems, &mut notices))
    }

    #[test]
    fn a_head_below_a_named_one_is_owned_up_to_only_where_tiles_show_one_history() {
        let (tree, other) = (Tree::of(600, 600), Tree::of(600, 350));
        let head = |tree: &Tree, size| Head { epoch: 1, size, root: tree.root(size) };
        let named = vec![head(&tree, 600)];
        let kept = (300, tree.root(300));
        let lost = [tree.lost(512, &[300, 400])];
        let (owned, losses) = judged(&lost, kept, named.clone(), head(&tree, 400));
        assert!(owned && losses[0].kept_shown && losses[0].lost == 300 && !losses[0].accepted, "{losses:?}");
        // No tiles, tiles of another history, another kept beginning, another head, and nothing named that reaches so far.
        assert!(!judged(&[], kept, named.clone(), head(&tree, 400)).0);
        assert!(!judged(&[other.lost(512, &[300, 400])], kept, named.clone(), head(&tree, 400)).0);
        assert!(!judged(&lost, (300, [9; 32]), named.clone(), head(&tree, 400)).0);
        assert!(!judged(&lost, kept, named.clone(), head(&other, 400)).0);
        assert!(!judged(&lost, kept, vec![head(&tree, 399)], head(&tree, 400)).0);
        // Named itself, it needs no tiles; a size beyond all others excuses nothing.
        let (owned, losses) = judged(&[], kept, named.clone(), head(&tree, 600));
        assert!(owned && !losses[0].kept_shown, "{losses:?}");
        let beyond = vec![Head { epoch: 1, size: 1_000_000_000_000, root: [0; 32] }];
        assert!(!judged(&[], kept, beyond, head(&tree, 600)).0);
    }
}
