//! Decisions of an uplink: pure functions from rows to what is to be done. Executors beside it carry them out and
//! decide nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::ClipId;
use crate::domain::ports::{HeldPart, PartReceipt};
use crate::domain::record::{Fact, Field, settle};
use crate::domain::sensitivity::Sensitivity;
use crate::store::{DeliveryJob, PartRow, SentPart};

/// How much may be under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Long clips at the same time.
    pub clips: usize,
    /// Parts of one clip at the same time.
    pub parts: usize,
}

impl Room {
    fn whole(self) -> usize {
        self.clips.max(1) * self.parts.max(1)
    }

    /// Parts that a clip can have under way at the same time: a short one leaves room for others beside it.
    pub fn weight(self, job: &DeliveryJob) -> usize {
        let parts = job.bytes / job.grid.part_bytes(0) + 1;
        usize::try_from(parts).unwrap_or(usize::MAX).min(self.parts.max(1))
    }

    /// Due deliveries that need to be known to fill it.
    pub fn sight(self, under_way: usize) -> u32 {
        u32::try_from(self.whole() + under_way).unwrap_or(u32::MAX)
    }
}

/// What is begun and what makes room for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Admission {
    /// Begun now.
    pub start: Vec<DeliveryJob>,
    /// To be parked after the parts that are under way: something else goes first.
    pub park: Vec<ClipId>,
}

/// Fills `room` from what is due, in its order; `under_way` tells clips with their weights.
///
/// A clip of a higher rank does not wait for the end of a long one: what it displaces is parked and keeps its session.
pub(super) fn admit(due: &[DeliveryJob], under_way: &[(ClipId, usize)], room: Room) -> Admission {
    let (mut planned, mut wanted) = (0, Vec::new());
    for job in due {
        if planned >= room.whole() {
            break;
        }
        planned += room.weight(job);
        wanted.push(job);
    }
    let is_under_way = |clip: ClipId| under_way.iter().any(|(c, _)| *c == clip);
    let mut taken: usize = under_way.iter().map(|(_, weight)| weight).sum();
    let mut admission = Admission::default();
    for job in wanted.iter().filter(|job| !is_under_way(job.clip)) {
        if taken < room.whole() {
            taken += room.weight(job);
            admission.start.push((*job).clone());
        } else {
            let displaced = under_way.iter().map(|(clip, _)| *clip).filter(|c| wanted.iter().all(|w| w.clip != *c));
            admission.park = displaced.collect();
            break;
        }
    }
    admission
}

/// The label of a clip. A word that is no label was never checked by anybody: as if it were the highest.
pub fn label(facts: &[Fact], default: Sensitivity) -> Sensitivity {
    match settle(facts).get(&Field::Sensitivity) {
        Some(fact) => Sensitivity::parse(&fact.value).unwrap_or(Sensitivity::SuspectedState),
        None => default,
    }
}

/// What is to be done with the parts of a clip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Parts with receipts that hold.
    pub have: Vec<(PartRow, PartReceipt)>,
    /// Parts to be sent, in order.
    pub todo: Vec<PartRow>,
    /// Of these, the ones that were sent before, in whole or in part.
    pub again: BTreeSet<u64>,
    /// A part was begun and its receipt never stored: perhaps the remote has it.
    pub in_doubt: bool,
    /// The session holds what cannot be mended in it: it is given up.
    pub useless: bool,
}

/// Compares what was sent with what the parts are now. `parts` are those of the sealed clip, or, while it is being
/// copied (`early`), those that are durable so far.
///
/// A receipt counts only for the bytes that the part has now: a copy that was begun anew may have other ones. Where
/// parts come one after the other, what stands behind a wrong one cannot be taken back.
pub(super) fn parts(parts: &[PartRow], sent: &[SentPart], early: bool, in_order: bool) -> Parts {
    let mut plan = Parts::default();
    // By number: a clip of 5 TB has thousands of parts.
    let mut by_n: BTreeMap<u64, &SentPart> = sent.iter().map(|s| (s.n, s)).collect();
    for part in parts {
        let before = by_n.remove(&part.n);
        let same = before.is_none_or(|s| s.ours.is_none_or(|ours| ours == part.sha256));
        match before.and_then(|s| s.receipt.clone()) {
            Some(receipt) if same => plan.have.push((*part, receipt)),
            _ => {
                plan.todo.push(*part);
                if before.is_some() {
                    plan.again.insert(part.n);
                }
                plan.in_doubt |= same && before.is_some_and(|s| s.receipt.is_none());
            }
        }
        plan.useless |= in_order && !same;
    }
    // Parts that the sealed clip does not have: a store that takes parts in any order leaves them out.
    plan.useless |= in_order && !early && !by_n.is_empty();
    plan
}

/// Of the parts to be sent, those that the remote holds with our length and our checksum. Without a checksum of theirs
/// a part is sent again: a listing alone proves nothing.
pub(super) fn believable(todo: &[PartRow], held: &[HeldPart]) -> Vec<(PartRow, PartReceipt)> {
    let listed = by_number(held);
    todo.iter()
        .filter_map(|p| {
            // Listed twice: which one the remote would use is its secret.
            let [only] = listed.get(&p.n)?.as_slice() else { return None };
            let same = only.len == p.len && only.sha256 == Some(p.sha256);
            same.then(|| (*p, PartReceipt { tag: only.tag.clone(), sha256: only.sha256 }))
        })
        .collect()
}

/// Parts with receipts that a remote does not list, after it refused to complete: these alone are sent again.
pub(super) fn lacking(have: &[(PartRow, PartReceipt)], held: &[HeldPart]) -> Vec<PartRow> {
    let listed = by_number(held);
    let stands = |part: &PartRow, receipt: &PartReceipt| {
        let same = |h: &&HeldPart| h.len == part.len && (h.tag == receipt.tag || h.sha256 == Some(part.sha256));
        listed.get(&part.n).is_some_and(|all| all.iter().any(same))
    };
    have.iter().filter(|(part, receipt)| !stands(part, receipt)).map(|(part, _)| *part).collect()
}

fn by_number(held: &[HeldPart]) -> BTreeMap<u64, Vec<&HeldPart>> {
    let mut listed = BTreeMap::<u64, Vec<&HeldPart>>::new();
    for part in held {
        listed.entry(part.n).or_default().push(part);
    }
    listed
}

/// The pause after the `attempts`-th failure in a row: doubling, with jitter so that stations spread out.
pub(super) fn backoff_ms(attempts: u32, min_ms: i64, max_ms: i64, random: u32) -> i64 {
    let full = min_ms.saturating_mul(1 << attempts.min(16)).min(max_ms).max(min_ms);
    // Between half and the whole of it.
    full / 2 + i64::from(random) * (full / 2) / i64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clip::Delivery;
    use crate::domain::digest::Sha256;
    use crate::domain::grid::PartGrid;

    fn job(n: i64, bytes: u64) -> DeliveryJob {
        let clip = ClipId::generate(n);
        let grid = PartGrid::for_size(Some(bytes));
        DeliveryJob { clip, state: Delivery::Waiting, attempts: 0, early: false, bytes, grid }
    }

    #[test]
    fn room_is_filled_in_order_and_short_clips_share_it() {
        const ROOM: Room = Room { clips: 2, parts: 4 };
        let (long, short) = (|n| job(n, 10 << 30), |n| job(n, 1_000));
        let table: [(Vec<DeliveryJob>, usize); 6] = [
            (vec![], 0),
            (vec![long(1), long(2), long(3)], 2),
            ((0..20).map(short).collect(), 8),
            (vec![long(1), short(2), short(3), short(4), short(5), short(6), short(7)], 5),
            // The last place may be overdrawn: a long clip goes with what is left of it.
            (vec![short(1), long(2), long(3), long(4)], 3),
            (vec![job(1, 0), job(2, 0)], 2),
        ];
        for (due, wanted) in table {
            let admission = admit(&due, &[], ROOM);
            assert_eq!(admission.start, due[..wanted], "{due:?}");
            assert!(admission.park.is_empty());
        }
    }

    #[test]
    fn what_was_pushed_displaces_the_last_and_nothing_is_parked_in_vain() {
        const ROOM: Room = Room { clips: 2, parts: 4 };
        let jobs: Vec<DeliveryJob> = (0..4).map(|n| job(n, 10 << 30)).collect();
        let (a, b, c) = (jobs[0].clip, jobs[1].clip, jobs[2].clip);
        let under_way = [(a, 4), (b, 4)];
        // Nothing else is due, or what is due ranks behind.
        for due in [&jobs[..2], &jobs[..4], &[]] {
            assert_eq!(admit(due, &under_way, ROOM), Admission::default());
        }
        let pushed = [jobs[2].clone(), jobs[0].clone(), jobs[1].clone()];
        assert_eq!(admit(&pushed, &under_way, ROOM), Admission { start: vec![], park: vec![b] });
        // Once the parked one has left, the pushed one begins, and the parked one does not come back before it.
        let admission = admit(&pushed, &[(a, 4)], ROOM);
        assert_eq!((admission.start.len(), admission.start[0].clip, admission.park), (1, c, vec![]));
    }

    fn part(n: u64) -> PartRow {
        PartRow { n, offset: n * 8, len: 8, sha256: Sha256([n as u8; 32]), crc64: None }
    }

    fn sent(n: u64, ours: Option<u8>, acked: bool) -> SentPart {
        let receipt = acked.then(|| PartReceipt { tag: format!("t{n}"), sha256: None });
        SentPart { n, ours: ours.map(|b| Sha256([b; 32])), receipt }
    }

    #[test]
    fn receipts_count_for_the_bytes_that_a_part_has_now() {
        let rows: Vec<PartRow> = (0..4).map(part).collect();
        let ns = |parts: &[PartRow]| parts.iter().map(|p| p.n).collect::<Vec<_>>();
        struct Case(Vec<SentPart>, bool, bool, &'static [u64], &'static [u64], bool, bool);
        let table = [
            // Sent before, early, in order, had, sent again, in doubt, useless.
            Case(vec![], false, false, &[], &[], false, false),
            Case(vec![sent(0, Some(0), true), sent(2, Some(2), true)], false, false, &[0, 2], &[], false, false),
            Case(vec![sent(0, Some(0), true), sent(1, Some(1), false)], false, false, &[0], &[1], true, false),
            // An older program's rows.
            Case(vec![sent(0, None, true)], false, false, &[0], &[], false, false),
            // The copy was made anew, with other bytes.
            Case(vec![sent(0, Some(9), true), sent(1, Some(1), true)], false, false, &[1], &[0], false, false),
            Case(vec![sent(0, Some(9), false)], false, false, &[], &[0], false, false),
            Case(vec![sent(0, Some(9), true), sent(1, Some(1), true)], false, true, &[1], &[0], false, true),
            // More than the clip has.
            Case(vec![sent(0, Some(0), true), sent(7, Some(7), true)], false, false, &[0], &[], false, false),
            Case(vec![sent(0, Some(0), true), sent(7, Some(7), true)], false, true, &[0], &[], false, true),
            Case(vec![sent(0, Some(0), true), sent(7, Some(7), true)], true, true, &[0], &[], false, false),
        ];
        for Case(before, early, in_order, had, again, in_doubt, useless) in table {
            let plan = parts(&rows, &before, early, in_order);
            let have: Vec<u64> = plan.have.iter().map(|(p, _)| p.n).collect();
            assert_eq!(have, had, "{before:?}");
            assert_eq!(plan.again.iter().copied().collect::<Vec<_>>(), again, "{before:?}");
            assert_eq!((plan.in_doubt, plan.useless), (in_doubt, useless), "{before:?} {in_order}");
            let mut all = [have, ns(&plan.todo)].concat();
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3], "each part is had or sent, and once");
        }
    }

    #[test]
    fn a_clip_of_five_terabytes_is_planned_within_the_limits_of_s3() {
        // Amazon S3, "multipart upload limits": 10,000 parts of at most 5 GiB, 5 TiB in all.
        for (grid, size) in [(PartGrid::for_size(Some(5 << 40)), 5_u64 << 40), (PartGrid::Growing, 5 << 40)] {
            let mut rows = Vec::new();
            while rows.last().map_or(0, |p: &PartRow| p.offset + p.len) < size {
                let (n, offset) = (rows.len() as u64, grid.part_offset(rows.len() as u64));
                let len = grid.part_bytes(n).min(size - offset);
                rows.push(PartRow { n, offset, len, sha256: Sha256([0; 32]), crc64: None });
            }
            assert!(rows.len() <= 10_000 && rows.iter().all(|p| p.len <= 5 << 30), "{grid:?}: {} parts", rows.len());
            assert_eq!(rows.iter().map(|p| p.len).sum::<u64>(), size);
            let before: Vec<SentPart> = (0..rows.len() as u64 - 1).map(|n| sent(n, Some(0), true)).collect();
            let plan = parts(&rows, &before, false, true);
            assert_eq!((plan.have.len(), plan.todo.len(), plan.useless), (rows.len() - 1, 1, false));
            let job = DeliveryJob { bytes: size, grid, ..job(1, 1) };
            assert_eq!(Room { clips: 2, parts: 4 }.weight(&job), 4);
        }
    }

    #[test]
    fn a_listing_is_believed_only_with_our_checksum() {
        let held = |n: u64, len, sha: Option<u8>| HeldPart {
            n,
            len,
            tag: format!("t{n}"),
            sha256: sha.map(|b| Sha256([b; 32])),
        };
        let listing = [
            held(0, 8, Some(0)),
            held(1, 8, Some(1)),
            held(2, 8, None),
            held(3, 7, Some(3)),
            held(4, 8, Some(4)),
            held(4, 8, Some(9)),
        ];
        let todo: Vec<PartRow> = (1..6).map(part).collect();
        assert_eq!(believable(&todo, &listing).iter().map(|(p, _)| p.n).collect::<Vec<_>>(), [1]);
        let have: Vec<(PartRow, PartReceipt)> =
            (0..6).map(|n| (part(n), PartReceipt { tag: format!("t{n}"), sha256: None })).collect();
        assert_eq!(lacking(&have, &listing).iter().map(|p| p.n).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(lacking(&have, &[]).len(), 6);
    }

    #[test]
    fn a_word_that_is_no_label_holds_back_and_no_word_is_the_default() {
        let fact = |value: &str| Fact {
            field: Field::Sensitivity,
            value: value.into(),
            origin: crate::domain::record::Origin::Person,
            at_ms: 1,
        };
        assert_eq!(label(&[], Sensitivity::Privacy), Sensitivity::Privacy);
        assert_eq!(label(&[fact("个人隐私")], Sensitivity::None), Sensitivity::Privacy);
        assert_eq!(label(&[fact("秘密")], Sensitivity::None), Sensitivity::SuspectedState);
    }

    #[test]
    fn pauses_double_and_stay_in_their_bounds() {
        for attempts in 0..40 {
            for random in [0, u32::MAX] {
                let pause = backoff_ms(attempts, 1_000, 300_000, random);
                assert!((500..=300_000).contains(&pause), "{attempts} {pause}");
            }
        }
        assert!(backoff_ms(20, 1_000, 300_000, 0) >= 150_000);
    }
}
