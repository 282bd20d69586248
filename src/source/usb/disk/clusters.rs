//! Clusters and their chains, which FAT and exFAT have in common: where a cluster stands, what the table says follows
//! it, and the slots of a directory. Every chain ends, whatever the table says.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::blocks::{Blocks, ReadError};
use super::partitions::{le16, le32};

/// Bytes of one record of a directory, in FAT and exFAT.
pub const SLOT_BYTES: usize = 32;

/// What is read of a directory at once, so that a bad sector takes no more with it than itself.
const STEP_BYTES: u64 = 512;

/// What the table says of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The chain goes on there.
    Next(u32),
    /// The chain ends.
    End,
    /// It belongs to nothing: a deletion that was cut short, or damage.
    Free,
    /// It is marked as unusable, or points where no cluster is.
    Nowhere,
}

/// Bits of an entry of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// FAT12.
    Twelve,
    /// FAT16.
    Sixteen,
    /// FAT32: 28 bits count.
    TwentyEight,
    /// exFAT.
    ThirtyTwo,
}

/// The clusters of one volume; offsets are bytes from the beginning of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heap {
    /// Where cluster 2, the first, begins.
    pub start: u64,
    /// Bytes of one cluster.
    pub cluster_bytes: u64,
    /// How many there are.
    pub clusters: u32,
    /// The table in force, then its copies.
    pub tables: Vec<u64>,
    /// Its entries.
    pub width: Width,
}

/// Consecutive clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first of them.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Where contents stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Clusters from `first` on: by the table, or one after the other.
    Clusters {
        /// The first.
        first: u32,
        /// The table does not count (exFAT).
        contiguous: bool,
        /// Bytes; a directory that keeps no length of its own has the longest that there may be.
        len: u64,
    },
    /// Outside the clusters: the root directory of FAT12 and FAT16.
    Fixed {
        /// First byte on the disk.
        at: u64,
        /// Bytes.
        len: u64,
    },
}

/// Clusters as far as they can be followed, and why no further.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// In the order of the contents, without those that were to be skipped.
    pub runs: Vec<Run>,
    /// How many clusters were followed, skipped ones included.
    pub clusters: u64,
    /// There was no room for more runs.
    pub full: bool,
    /// In words, where it does not end as it should.
    pub damage: Option<String>,
}

/// Which part of a chain is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Clusters to pass over first.
    pub skip: u64,
    /// Clusters to follow at most, skipped ones included.
    pub most: u64,
    /// Runs to keep at most.
    pub runs: usize,
}

impl Chain {
    /// `false` where there is no room.
    fn push(&mut self, cluster: u32, wanted: Wanted) -> bool {
        if self.clusters >= wanted.skip {
            let full = self.runs.len() >= wanted.runs;
            match self.runs.last_mut() {
                Some(run) if run.first.checked_add(run.count) == Some(cluster) => run.count += 1,
                _ if full => {
                    self.full = true;
                    return false;
                }
                _ => self.runs.push(Run { first: cluster, count: 1 }),
            }
        }
        self.clusters += 1;
        true
    }

    /// Takes back what lies behind so many clusters, skipped ones included.
    fn cut(&mut self, clusters: u64, skip: u64) {
        let mut excess = self.clusters.saturating_sub(clusters.max(skip));
        while let Some(run) = self.runs.last_mut().filter(|_| excess > 0) {
            let gone = u32::try_from(excess).unwrap_or(u32::MAX).min(run.count);
            run.count -= gone;
            excess -= u64::from(gone);
            if run.count == 0 {
                self.runs.pop();
            }
        }
        self.clusters = clusters;
    }
}

impl Heap {
    /// Whether the volume has that cluster.
    pub fn has(&self, cluster: u32) -> bool {
        cluster >= 2 && cluster - 2 < self.clusters
    }

    /// Where it begins.
    pub fn at(&self, cluster: u32) -> u64 {
        self.start + u64::from(cluster.saturating_sub(2)) * self.cluster_bytes
    }

    /// Bytes of all clusters: no file can be longer.
    pub fn bytes(&self) -> u64 {
        u64::from(self.clusters) * self.cluster_bytes
    }

    /// What the table says of a cluster of this volume; its copies stand in for bad sectors.
    pub fn link(&self, blocks: &mut Blocks, cluster: u32) -> Result<Link, ReadError> {
        let mut result = Err(ReadError::Outside);
        for table in &self.tables {
            result = self.link_in(blocks, *table, cluster);
            if matches!(result, Ok(_) | Err(ReadError::Gone(_))) {
                break;
            }
        }
        result
    }

    fn link_in(&self, blocks: &mut Blocks, table: u64, cluster: u32) -> Result<Link, ReadError> {
        let n = u64::from(cluster);
        let mut raw = [0; 4];
        let (value, bad) = match self.width {
            Width::Twelve => {
                blocks.read(table + n + n / 2, &mut raw[..2])?;
                let pair = u32::from(le16(&raw, 0));
                (if n % 2 == 0 { pair & 0xfff } else { pair >> 4 }, 0xff7)
            }
            Width::Sixteen => {
                blocks.read(table + 2 * n, &mut raw[..2])?;
                (u32::from(le16(&raw, 0)), 0xfff7)
            }
            Width::TwentyEight => {
                blocks.read(table + 4 * n, &mut raw)?;
                (le32(&raw, 0) & 0x0fff_ffff, 0x0fff_fff7)
            }
            Width::ThirtyTwo => {
                blocks.read(table + 4 * n, &mut raw)?;
                (le32(&raw, 0), 0xffff_fff7)
            }
        };
        Ok(match value {
            0 => Link::Free,
            value if value > bad => Link::End,
            value if value == bad || !self.has(value) => Link::Nowhere,
            value => Link::Next(value),
        })
    }

    /// Clusters of contents as far as they can be followed.
    pub fn chain(&self, blocks: &mut Blocks, first: u32, contiguous: bool, wanted: Wanted) -> Result<Chain, ReadError> {
        if !contiguous {
            return follow(first, wanted, |c| self.has(c), |c| self.link(blocks, c));
        }
        let mut chain = Chain::default();
        if !self.has(first) {
            chain.damage = Some("it begins outside the volume".to_owned());
            return Ok(chain);
        }
        let there = u64::from(self.clusters - (first - 2));
        chain.clusters = wanted.most.min(there);
        let kept = chain.clusters.saturating_sub(wanted.skip);
        // Both fit: they are bounded by the number of clusters.
        if let (1.., Ok(skip), Ok(count)) = (kept, u32::try_from(wanted.skip), u32::try_from(kept)) {
            chain.runs.push(Run { first: first + skip, count });
        }
        if there < wanted.most {
            chain.damage = Some("it ends outside the volume".to_owned());
        }
        Ok(chain)
    }

    /// Hands the slots of a directory over in order, each with its offset on the disk; a sector that cannot be read is
    /// handed over once, as words. Gives what is wrong with the directory as a whole.
    pub fn slots(
        &self,
        blocks: &mut Blocks,
        place: Place,
        mut each: impl FnMut(u64, Result<&[u8; SLOT_BYTES], String>) -> ControlFlow<()>,
    ) -> Result<Option<String>, ReadError> {
        let (ranges, damage) = match place {
            Place::Fixed { at, len } => (vec![(at, len)], None),
            Place::Clusters { first, contiguous, len } => {
                let most = len.div_ceil(self.cluster_bytes);
                let wanted = Wanted { skip: 0, most, runs: usize::MAX };
                let chain = self.chain(blocks, first, contiguous, wanted)?;
                // A loop hands each cluster over once.
                let mut seen = HashSet::new();
                let once = chain.damage.is_some();
                let clusters = chain.runs.iter().flat_map(|r| r.first..r.first + r.count);
                let clusters = clusters.filter(|c| !once || seen.insert(*c));
                let mut left = len;
                let mut ranges: Vec<(u64, u64)> = Vec::new();
                for cluster in clusters {
                    let (at, n) = (self.at(cluster), left.min(self.cluster_bytes));
                    left -= n;
                    match ranges.last_mut() {
                        Some((start, len)) if *start + *len == at => *len += n,
                        _ => ranges.push((at, n)),
                    }
                }
                (ranges, chain.damage)
            }
        };
        for (start, len) in ranges {
            let mut done = 0;
            while done < len {
                let mut step = [0; STEP_BYTES as usize];
                let at = start + done;
                let n = STEP_BYTES.min(len - done);
                match blocks.read(at, &mut step[..n as usize]) {
                    Ok(()) => {
                        let (slots, _) = step[..n as usize].as_chunks::<SLOT_BYTES>();
                        for (i, slot) in slots.iter().enumerate() {
                            if each(at + (i * SLOT_BYTES) as u64, Ok(slot)).is_break() {
                                return Ok(damage);
                            }
                        }
                    }
                    Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
                    // Beyond the disk everything is.
                    Err(ReadError::Outside) => return Ok(Some(ReadError::Outside.to_string())),
                    Err(error) => {
                        if each(at, Err(error.to_string())).is_break() {
                            return Ok(damage);
                        }
                    }
                }
                done += n;
            }
        }
        Ok(damage)
    }
}

/// Follows a chain. Only a disk that is gone is an error.
///
/// A loop is found by the tortoise that waits at each power of two (Brent): no memory of what was seen, and a small
/// multiple of as many steps as there are clusters.
fn follow(
    first: u32,
    wanted: Wanted,
    has: impl Fn(u32) -> bool,
    mut link: impl FnMut(u32) -> Result<Link, ReadError>,
) -> Result<Chain, ReadError> {
    let mut chain = Chain::default();
    let (mut cluster, mut waits_at, mut power) = (first, first, 1u64);
    let mut goes_on = false;
    while chain.clusters < wanted.most {
        if !has(cluster) {
            chain.damage = Some("its chain leads out of the volume".to_owned());
            break;
        }
        if !chain.push(cluster, wanted) {
            break;
        }
        goes_on = false;
        match link(cluster) {
            Ok(Link::Next(next)) => (cluster, goes_on) = (next, true),
            Ok(Link::End) => break,
            Ok(Link::Free) => chain.damage = Some("its chain ends in a cluster that is free".to_owned()),
            Ok(Link::Nowhere) => chain.damage = Some("its chain ends in a cluster that is none".to_owned()),
            Err(ReadError::Gone(e)) => return Err(ReadError::Gone(e)),
            Err(error) => chain.damage = Some(format!("its chain cannot be followed: {error}")),
        }
        if chain.damage.is_some() {
            break;
        }
        if cluster == waits_at {
            break;
        }
        if chain.clusters.is_power_of_two() && chain.clusters >= power {
            waits_at = cluster;
            power = chain.clusters * 2;
        }
    }
    // A chain that ends has no cluster twice. One that goes on behind what was wanted may have: then a part of the file
    // stands in another part's place, and its length looks right.
    if goes_on
        && !chain.full
        && chain.damage.is_none()
        && let Some(once) = once(first, &has, &mut link)?
        && once < wanted.most
    {
        chain.cut(once, wanted.skip);
        chain.damage = Some("its chain is a loop".to_owned());
    }
    Ok(chain)
}

/// How many clusters a chain has before one comes again; `None` where it ends (Brent's algorithm).
fn once(
    first: u32,
    has: impl Fn(u32) -> bool,
    mut link: impl FnMut(u32) -> Result<Link, ReadError>,
) -> Result<Option<u64>, ReadError> {
    let mut next = |cluster| match link(cluster) {
        Ok(Link::Next(next)) if has(next) => Ok(Some(next)),
        Err(ReadError::Gone(e)) => Err(ReadError::Gone(e)),
        _ => Ok(None),
    };
    let (mut slow, mut fast, mut power, mut round) = (first, first, 1u64, 0u64);
    loop {
        let Some(cluster) = next(fast)? else { return Ok(None) };
        (fast, round) = (cluster, round + 1);
        if slow == fast {
            break;
        }
        if round == power {
            (slow, power, round) = (fast, power * 2, 0);
        }
    }
    (slow, fast) = (first, first);
    for _ in 0..round {
        let Some(cluster) = next(fast)? else { return Ok(None) };
        fast = cluster;
    }
    let mut before = 0;
    while slow != fast {
        let (Some(a), Some(b)) = (next(slow)?, next(fast)?) else { return Ok(None) };
        (slow, fast, before) = (a, b, before + 1);
    }
    Ok(Some(before + round))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const ALL: Wanted = Wanted { skip: 0, most: u64::MAX, runs: usize::MAX };

    fn chain(links: &[(u32, Link)], first: u32, wanted: Wanted) -> Chain {
        let map: HashMap<u32, Link> = links.iter().copied().collect();
        follow(first, wanted, |c| (2..100).contains(&c), |c| Ok(map.get(&c).copied().unwrap_or(Link::Free))).unwrap()
    }

    fn runs(chain: &Chain) -> Vec<(u32, u32)> {
        chain.runs.iter().map(|r| (r.first, r.count)).collect()
    }

    #[test]
    fn chains() {
        use Link::{End, Next, Nowhere};
        let plain = [(2, Next(3)), (3, Next(9)), (9, End)];
        let most = |most| Wanted { most, ..ALL };
        type Row<'a> = (&'a [(u32, Link)], Wanted, &'a [(u32, u32)], &'a str);
        let table: [Row<'_>; 9] = [
            (&plain, ALL, &[(2, 2), (9, 1)], ""),
            (&plain, most(2), &[(2, 2)], ""),
            (&plain, Wanted { skip: 1, ..ALL }, &[(3, 1), (9, 1)], ""),
            (&plain, Wanted { runs: 1, ..ALL }, &[(2, 2)], ""),
            (&[(2, Next(2))], ALL, &[(2, 1)], "a loop"),
            (&[(2, Next(3))], ALL, &[(2, 2)], "free"),
            (&[(2, Next(200))], ALL, &[(2, 1)], "out of"),
            (&[(2, Nowhere)], ALL, &[(2, 1)], "none"),
            (&[], ALL, &[(2, 1)], "free"),
        ];
        for (links, wanted, expected, damage) in table {
            let chain = chain(links, 2, wanted);
            assert_eq!(runs(&chain), expected, "{links:?}");
            assert_eq!(chain.damage.is_some(), !damage.is_empty(), "{chain:?}");
            assert!(chain.damage.as_deref().unwrap_or_default().contains(damage), "{chain:?}");
        }
        assert!(chain(&plain, 2, Wanted { runs: 1, ..ALL }).full);
        // A loop that is longer than what is wanted of it is found all the same, and a longer tail is none.
        let round = [(2, Next(3)), (3, Next(9)), (9, Next(2))];
        for (wanted, expected, looped) in
            [(most(2), 2, false), (most(3), 3, false), (most(4), 3, true), (most(5), 3, true), (most(80), 3, true)]
        {
            let chain = chain(&round, 2, wanted);
            assert_eq!((chain.runs.iter().map(|r| r.count).sum::<u32>(), chain.damage.is_some()), (expected, looped));
        }
        assert_eq!(runs(&chain(&round, 2, Wanted { skip: 2, most: 5, ..ALL })), [(9, 1)]);
        assert_eq!(runs(&chain(&round, 2, Wanted { skip: 4, most: 5, ..ALL })), []);
        assert!(chain(&[(2, Next(3)), (3, Next(4)), (4, Next(3))], 2, ALL).damage.unwrap().contains("a loop"));
    }

    #[test]
    fn entries_of_every_width() {
        let heap = |width| Heap { start: 0, cluster_bytes: 512, clusters: 0x600, tables: vec![0], width };
        let table = [
            (Width::Twelve, vec![0xf8, 0xff, 0xff, 0x03, 0x40, 0x00, 0x07, 0xf0, 0xff], [3, 4, 7]),
            (Width::Sixteen, vec![0, 0, 0, 0, 3, 0, 4, 0, 7, 0, 0xf8, 0xff], [3, 4, 7]),
        ];
        for (width, mut bytes, next) in table {
            bytes.resize(4096, 0);
            let mut blocks = Blocks::new(Box::new(bytes), 4096);
            for (i, n) in next.into_iter().enumerate() {
                assert_eq!(heap(width).link(&mut blocks, i as u32 + 2).unwrap(), Link::Next(n), "{width:?}");
            }
            assert_eq!(heap(width).link(&mut blocks, 5).unwrap(), Link::End);
            assert_eq!(heap(width).link(&mut blocks, 6).unwrap(), Link::Free);
        }
        let mut bytes = vec![0; 4096];
        for (i, value) in [0xf000_0003u32, 0x0fff_fff7, 0x0fff_fff8, 0x0000_9999].into_iter().enumerate() {
            bytes[8 + 4 * i..12 + 4 * i].copy_from_slice(&value.to_le_bytes());
        }
        let mut blocks = Blocks::new(Box::new(bytes), 4096);
        let read = |n, blocks: &mut Blocks| heap(Width::TwentyEight).link(blocks, n).unwrap();
        let found = [2, 3, 4, 5].map(|n| read(n, &mut blocks));
        assert_eq!(found, [Link::Next(3), Link::Nowhere, Link::End, Link::Nowhere]);
        assert_eq!(heap(Width::ThirtyTwo).link(&mut blocks, 2).unwrap(), Link::Nowhere, "all bits count");
    }

    proptest! {
        #[test]
        fn any_table_ends(links in proptest::collection::vec(0u32..64, 64), first in 0u32..64) {
            let link = |c: u32| Ok(match links[c as usize] { 0 => Link::End, n => Link::Next(n) });
            let chain = follow(first, ALL, |c| (2..64).contains(&c), link).unwrap();
            prop_assert!(chain.clusters <= 3 * 64);
            if chain.damage.is_none() {
                let all: Vec<u32> = chain.runs.iter().flat_map(|r| r.first..r.first + r.count).collect();
                let mut once = all.clone();
                once.sort_unstable();
                once.dedup();
                prop_assert_eq!(all.len(), once.len());
            }
        }
    }
}
