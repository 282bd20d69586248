//! Giving space on a docked recorder back: carries out what `domain::erase` decides, and settles what an interrupted
//! run left. Decides nothing about a file; touches none that it was not told to erase.
//!
//! One call of [`Intake::give_back`] goes as far as it can, in this order, each step only after the one before it is
//! stored:
//!
//! 1. Intents of an earlier run are settled by looking at the recorder: what is there is taken back, what is gone was
//!    erased.
//! 2. Every file that may go is read whole a second time and compared with the sealed digest. The recorder may be
//!    pulled meanwhile: nothing happens to it.
//! 3. The intent of all of them is logged, in one transaction that also says that the recorder may not go.
//! 4. A checkpoint over the intents is signed and, as the policy asks, seen stored off this box. Where it does not
//!    arrive in time, the intents are taken back.
//! 5. In groups, the first of one file: looked at once more, erased, the recorder listed anew. The erased files must be
//!    gone and every other one as it was; then the results are logged. Should another file have changed, nothing more
//!    is erased in this stay.
//!
//! The power may fail between any two of these: step 1 of the next stay finds either a file with an intent, or none
//! with one.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::time::Duration;

use globset::GlobMatcher;

use super::{Claim, Intake, IntakeError};
use crate::config;
use crate::domain::clip::SightingState;
use crate::domain::erase::{Anchors, Demand, EraseFacts, ErasePolicy, EraseStep, Listed, Refusal, Reread, next_step};
use crate::domain::error::chain;
use crate::domain::ids::RecorderId;
use crate::domain::ports::{EraseProof, Shelf, SourceError};
use crate::domain::recorder::{Listing, ShelfEntry, SourcePath};
use crate::runtime::board::Doing;
use crate::store::{ErasableRow, Store, StoreError};

/// A checkpoint over the intents arrives within this time, or they are taken back, milliseconds, ...
const ANCHOR_PATIENCE_MS: i64 = 30_000;
/// ... and are tried again after so long, milliseconds.
const ANCHOR_AGAIN_MS: i64 = 10 * 60_000;
/// Pause between two looks whether it arrived.
const ANCHOR_LOOK: Duration = Duration::from_millis(50);
/// A recorder on which nothing is due is planned for again after so long, milliseconds: proofs come in minutes, and
/// planning lists the recorder.
const IDLE_MS: i64 = 2_000;
/// After so much reading, the recorder is looked at for new files before reading goes on, milliseconds.
const REREAD_SLICE_MS: i64 = 20_000;
/// Most files that are erased between two listings; the first group is of one, each next one twice as large.
const LARGEST_GROUP: usize = 64;
const BLOCK_BYTES: usize = 1 << 20;

/// What erasing needs beside a recorder.
pub struct GivingBack {
    rules: Vec<(Vec<GlobMatcher>, ErasePolicy)>,
    checkpoint: Box<dyn Fn() -> Result<(), StoreError> + Send + Sync>,
}

impl GivingBack {
    /// After the configuration's entries; `checkpoint` signs one over the log as it is and puts it on its way.
    pub fn new(
        entries: &[config::Erase],
        checkpoint: impl Fn() -> Result<(), StoreError> + Send + Sync + 'static,
    ) -> Self {
        let rule = |entry: &config::Erase| {
            (entry.recorders.iter().map(globset::Glob::compile_matcher).collect(), entry.policy)
        };
        Self { rules: entries.iter().map(rule).collect(), checkpoint: Box::new(checkpoint) }
    }

    /// The first entry that fits this recorder.
    fn policy(&self, recorder: &RecorderId) -> Option<&ErasePolicy> {
        let fits = |globs: &[GlobMatcher]| globs.iter().any(|glob| glob.is_match(recorder.as_str()));
        self.rules.iter().find(|(globs, _)| fits(globs)).map(|(_, policy)| policy)
    }
}

/// What one stay remembers of erasing; all of it can be found again.
#[derive(Default)]
pub(super) struct EraseMemory {
    /// Results of second readings, by sighting.
    reread: BTreeMap<i64, Reread>,
    /// Files that the recorder did not erase, by sighting.
    failed: BTreeSet<i64>,
    /// Another file changed while one was erased.
    disturbed: bool,
    /// Intents of earlier runs were looked for.
    settled: bool,
    /// Nothing was due: not planned for before this instant of the monotonic clock.
    idle_until_ms: Option<i64>,
    /// A checkpoint did not arrive in time: nothing is intended before this instant of the monotonic clock. Intents
    /// would only hold people at the slot while the network is away.
    not_before_ms: Option<i64>,
}

/// The recorder that is worked on.
pub(super) struct Emptying<'a> {
    /// The stay.
    pub dock: i64,
    /// Whose.
    pub recorder: &'a RecorderId,
    /// Itself.
    pub shelf: &'a dyn Shelf,
}

/// A file with the step that is due for it.
struct Due {
    row: ErasableRow,
    step: EraseStep,
}

/// How a file is listed, in a listing by path.
fn listed(row: &ErasableRow, files: &BTreeMap<&SourcePath, &ShelfEntry>, listing: &Listing) -> Listed {
    match files.get(&row.path) {
        Some(e) if e.size_bytes == row.size_bytes && e.modified_raw == row.modified_raw => Listed::Same,
        Some(_) => Listed::Changed,
        None if listing.unreadable.iter().any(|place| is_at_or_above(&place.path, &row.path)) => Listed::Unseen,
        None => Listed::Absent,
    }
}

fn is_at_or_above(place: &SourcePath, path: &SourcePath) -> bool {
    let (place, path) = (place.as_bytes(), path.as_bytes());
    place.is_empty() || path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether every file but the erased ones stands in both listings with the same length and time, and every place that
/// could be listed before still can. New files are none of our business.
fn undisturbed(before: &Listing, after: &Listing, erased: &BTreeSet<&SourcePath>) -> bool {
    let now: BTreeMap<&SourcePath, &ShelfEntry> = after.files.iter().map(|e| (&e.path, e)).collect();
    let same = |e: &ShelfEntry| {
        now.get(&e.path).is_some_and(|n| n.size_bytes == e.size_bytes && n.modified_raw == e.modified_raw)
    };
    let known: BTreeSet<&SourcePath> = before.unreadable.iter().map(|place| &place.path).collect();
    before.files.iter().filter(|e| !erased.contains(&e.path)).all(same)
        && after.unreadable.iter().all(|place| known.contains(&place.path))
}

fn facts(row: &ErasableRow, listed: Listed, reread: Reread) -> EraseFacts {
    EraseFacts {
        sighting: row.state,
        listed,
        recording: row.role == "clip",
        local: row.local,
        same_size: row.sealed_bytes == Some(row.size_bytes),
        holes: row.holes,
        held: row.held,
        quarantined: row.quarantined,
        sealed_ms: row.sealed_ms,
        copies: row.copies.clone(),
        proof_seq: row.proof_seq,
        intent_seq: row.intent_seq,
        reread,
    }
}

impl Intake {
    /// Gives space back on a recorder that is otherwise at rest; `true` when nothing more is to be done for now. Blocks.
    pub(super) fn give_back(
        &self,
        at: &Emptying<'_>,
        memory: &mut EraseMemory,
        stopped: &dyn Fn() -> bool,
    ) -> Result<bool, IntakeError> {
        let policy = self.giving_back.policy(at.recorder).copied();
        let now_ms = self.clock.monotonic_ms();
        // Without a policy there is nothing to do but to settle what an earlier one began.
        if (policy.is_none() && memory.settled) || memory.idle_until_ms.is_some_and(|until| now_ms < until) {
            return Ok(true);
        }
        let rest = self.give_back_now(at, policy.as_ref(), memory, stopped)?;
        memory.idle_until_ms = rest.then(|| self.clock.monotonic_ms() + IDLE_MS);
        Ok(rest)
    }

    fn give_back_now(
        &self,
        at: &Emptying<'_>,
        policy: Option<&ErasePolicy>,
        memory: &mut EraseMemory,
        stopped: &dyn Fn() -> bool,
    ) -> Result<bool, IntakeError> {
        let before = at.shelf.list()?;
        let rows = self.store.read_blocking(|r| r.erasable(at.dock, at.recorder))?;
        memory.settled = true;
        // A call that came to its end leaves no intent behind: one that stands is of an earlier run, or of a call that
        // failed. What was read for it counts no more.
        for left in rows.iter().filter(|row| row.state == SightingState::EraseIntended) {
            memory.reread.remove(&left.sighting);
        }
        let mut due = self.steps(at, policy, &before, memory, rows)?;
        if self.settle(&due)? {
            due = self.plan_erase(at, policy, &before, memory)?;
        }
        self.show_kept(at.dock, &due, policy.is_some());
        if memory.disturbed || !at.shelf.identity().erasable {
            return Ok(true);
        }
        if !self.read_again(at, &due, memory, stopped)? {
            return Ok(stopped());
        }
        let due = self.plan_erase(at, policy, &before, memory)?;
        // A file that another bay takes or erases now is left for later.
        let ready: Vec<(ErasableRow, Claim)> = due
            .into_iter()
            .filter(|due| due.step == EraseStep::Intend && !stopped())
            .filter_map(|due| Some((self.claim(at.recorder, &due.row.path).ok()?, due.row)))
            .map(|(claim, row)| (row, claim))
            .collect();
        if ready.is_empty() {
            return Ok(true);
        }
        let outcome = self.empty(at, policy, memory, &ready, stopped);
        // Whatever came of it, the next look says whether the recorder may go.
        self.board.bay(at.dock, |b| b.doing = Doing::Listing);
        outcome.map(|()| false)
    }

    fn plan_erase(
        &self,
        at: &Emptying<'_>,
        policy: Option<&ErasePolicy>,
        listing: &Listing,
        memory: &EraseMemory,
    ) -> Result<Vec<Due>, StoreError> {
        let rows = self.store.read_blocking(|r| r.erasable(at.dock, at.recorder))?;
        self.steps(at, policy, listing, memory, rows)
    }

    fn steps(
        &self,
        at: &Emptying<'_>,
        policy: Option<&ErasePolicy>,
        listing: &Listing,
        memory: &EraseMemory,
        rows: Vec<ErasableRow>,
    ) -> Result<Vec<Due>, StoreError> {
        let anchors = self.store.read_blocking(|r| r.anchors())?;
        let files: BTreeMap<&SourcePath, &ShelfEntry> = listing.files.iter().map(|e| (&e.path, e)).collect();
        let (now_ms, writable) = (self.clock.now().0, at.shelf.identity().erasable);
        let waits = memory.not_before_ms.is_some_and(|at| self.clock.monotonic_ms() < at);
        let due = rows.into_iter().map(|row| {
            let reread = memory.reread.get(&row.sighting).copied().unwrap_or(Reread::NotYet);
            let facts = facts(&row, listed(&row, &files, listing), reread);
            let step = match next_step(policy, &facts, anchors, now_ms) {
                EraseStep::Reread | EraseStep::Intend if !writable => EraseStep::Keep(Refusal::ReadOnly),
                EraseStep::Reread | EraseStep::Intend if memory.disturbed => EraseStep::Keep(Refusal::Disturbed),
                EraseStep::Intend if waits => EraseStep::Keep(Refusal::NotAnchored),
                EraseStep::Reread | EraseStep::Intend if memory.failed.contains(&row.sighting) => {
                    EraseStep::Keep(Refusal::Failed)
                }
                step => step,
            };
            Due { row, step }
        });
        Ok(due.collect())
    }

    /// Settles intents by what stands on the recorder; `true` when there were some.
    fn settle(&self, due: &[Due]) -> Result<bool, StoreError> {
        let settled: Vec<(i64, EraseStep)> = due
            .iter()
            .filter(|due| matches!(due.step, EraseStep::FoundGone | EraseStep::Withdraw(_)))
            .map(|due| (due.row.sighting, due.step.clone()))
            .collect();
        if settled.is_empty() {
            return Ok(false);
        }
        tracing::info!(files = settled.len(), "an erase was interrupted; what stands on the recorder settles it");
        self.store.write_blocking(move |tx| {
            for (sighting, step) in &settled {
                match step {
                    EraseStep::FoundGone => tx.erased(*sighting, true)?,
                    EraseStep::Withdraw(why) => tx.erase_withdrawn(*sighting, why)?,
                    _ => {}
                }
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// Shows why files stay, each reason with how many.
    fn show_kept(&self, dock: i64, due: &[Due], asked_for: bool) {
        let mut kept: BTreeMap<String, u64> = BTreeMap::new();
        for due in due.iter().filter(|_| asked_for) {
            if let EraseStep::Keep(why) = &due.step {
                *kept.entry(why.to_string()).or_default() += 1;
            }
        }
        self.board.bay(dock, |b| b.kept = kept.into_iter().collect());
    }

    /// Reads every file for which that is due a second time; `false` when it is to be called again, or was stopped.
    fn read_again(
        &self,
        at: &Emptying<'_>,
        due: &[Due],
        memory: &mut EraseMemory,
        stopped: &dyn Fn() -> bool,
    ) -> Result<bool, IntakeError> {
        let begun_ms = self.clock.monotonic_ms();
        for due in due.iter().filter(|due| due.step == EraseStep::Reread) {
            if stopped() || self.clock.monotonic_ms() - begun_ms > REREAD_SLICE_MS {
                return Ok(false);
            }
            let found = match self.same_bytes(at.shelf, &due.row, stopped) {
                Ok(Some(found)) => found,
                Ok(None) => return Ok(false),
                Err(e @ SourceError::Gone(_)) => return Err(e.into()),
                Err(e) => Err(chain(&e)),
            };
            let (clip, sighting) = (due.row.clip, due.row.sighting);
            memory.reread.insert(sighting, if found.is_ok() { Reread::Same } else { Reread::Differs });
            if let Err(detail) = found {
                tracing::error!(%clip, path = %due.row.path, detail, "read a second time, the recorder's file is not what was sealed; it is not erased");
                self.store.write_blocking(move |tx| tx.erase_refused(sighting, &Refusal::Differs, &detail))?;
            }
        }
        Ok(true)
    }

    /// Whether a recorder's whole file has the sealed bytes; what differs in words. `None` where it was stopped.
    fn same_bytes(
        &self,
        shelf: &dyn Shelf,
        row: &ErasableRow,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Result<(), String>>, SourceError> {
        let failed = |source: std::io::Error| SourceError::Read { path: row.path.clone(), source };
        let mut reader = shelf.open(&row.path, 0)?;
        let (mut hasher, mut block, mut total) = (blake3::Hasher::new(), vec![0; BLOCK_BYTES], 0u64);
        loop {
            if stopped() {
                return Ok(None);
            }
            match reader.read(&mut block) {
                Ok(0) => break,
                Ok(n) => {
                    hasher.update(&block[..n]);
                    total += n as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                // A recorder that left is no file that differs.
                Err(e) => return Err(shelf.stat(&row.path).err().unwrap_or_else(|| failed(e))),
            }
            if total > row.size_bytes {
                break;
            }
        }
        let same = Some(*hasher.finalize().as_bytes()) == row.blake3.map(|d| d.0);
        Ok(Some(match () {
            () if total != row.size_bytes => Err(format!("it gave {total} bytes, not {}", row.size_bytes)),
            () if !same => Err("it has another digest".to_owned()),
            () => Ok(()),
        }))
    }

    /// Steps 3 to 5 for files that may go.
    fn empty(
        &self,
        at: &Emptying<'_>,
        policy: Option<&ErasePolicy>,
        memory: &mut EraseMemory,
        ready: &[(ErasableRow, Claim)],
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), IntakeError> {
        let (dock, files) = (at.dock, ready.len() as u64);
        let sightings: Vec<i64> = ready.iter().map(|(row, _)| row.sighting).collect();
        self.board.bay(dock, |b| {
            b.safe = false;
            b.doing = Doing::Erasing { done: 0, files };
        });
        let intended = sightings.clone();
        let seqs = self.store.write_blocking(move |tx| tx.erase_intended(dock, &intended))?;
        tracing::info!(dock, recorder = %at.recorder, files, "files of a recorder are about to be erased");
        (self.giving_back.checkpoint)()?;
        let newest = seqs.iter().copied().max().unwrap_or_default();
        memory.not_before_ms = match self.wait_for_anchor(policy, newest, stopped)? {
            true => None,
            false => Some(self.clock.monotonic_ms() + ANCHOR_AGAIN_MS),
        };

        // What came in between counts: a hold, a quarantine, a copy that turned out to differ, a new file.
        let mut before = at.shelf.list()?;
        let due = self.plan_erase(at, policy, &before, memory)?;
        let ours: BTreeSet<i64> = sightings.into_iter().collect();
        let (go, stay): (Vec<Due>, Vec<Due>) = due
            .into_iter()
            .filter(|due| ours.contains(&due.row.sighting) && due.row.state == SightingState::EraseIntended)
            .partition(|due| due.step == EraseStep::Erase);
        let withdrawn = stay.into_iter().map(|due| match due.step {
            EraseStep::Withdraw(why) => (due.row.sighting, why),
            // It vanished before we came to it: not by us.
            EraseStep::FoundGone => (due.row.sighting, Refusal::Replaced),
            _ => (due.row.sighting, Refusal::NotAnchored),
        });
        self.withdraw(withdrawn.collect())?;

        let (mut rest, mut group, mut done) = (go.as_slice(), 1, 0u64);
        while !rest.is_empty() {
            if stopped() || memory.disturbed {
                let why = if memory.disturbed { Refusal::Disturbed } else { Refusal::Interrupted };
                self.withdraw(rest.iter().map(|due| (due.row.sighting, why.clone())).collect())?;
                break;
            }
            let (now, later) = rest.split_at(group.min(rest.len()));
            (before, done) = self.erase_group(at, now, before, memory, done)?;
            self.board.bay(dock, |b| b.doing = Doing::Erasing { done, files });
            (rest, group) = (later, (group * 2).min(LARGEST_GROUP));
        }
        tracing::info!(dock, recorder = %at.recorder, erased = done, of = files, "files of a recorder were erased");
        Ok(())
    }

    /// Waits until the intent at `seq` is covered as the policy asks; `false` where that took too long.
    fn wait_for_anchor(
        &self,
        policy: Option<&ErasePolicy>,
        seq: u64,
        stopped: &dyn Fn() -> bool,
    ) -> Result<bool, StoreError> {
        let demand = policy.map(|p| p.demand).unwrap_or_default();
        let until_ms = self.clock.monotonic_ms() + ANCHOR_PATIENCE_MS;
        while !covered(&self.store, demand, seq)? {
            if stopped() || self.clock.monotonic_ms() >= until_ms {
                return Ok(false);
            }
            std::thread::sleep(ANCHOR_LOOK);
        }
        Ok(true)
    }

    fn withdraw(&self, intents: Vec<(i64, Refusal)>) -> Result<(), StoreError> {
        if intents.is_empty() {
            return Ok(());
        }
        self.store
            .write_blocking(move |tx| intents.iter().try_for_each(|(sighting, why)| tx.erase_withdrawn(*sighting, why)))
    }

    /// Erases a few files, lists the recorder, and logs what came of it. Gives the new listing, and how many files are
    /// gone by now.
    fn erase_group(
        &self,
        at: &Emptying<'_>,
        group: &[Due],
        before: Listing,
        memory: &mut EraseMemory,
        done: u64,
    ) -> Result<(Listing, u64), IntakeError> {
        let mut refused: BTreeMap<i64, Refusal> = BTreeMap::new();
        for due in group {
            let row = &due.row;
            if let Err(why) = self.erase_one(at.shelf, row)? {
                refused.insert(row.sighting, why);
            }
        }
        let after = at.shelf.list()?;
        let files: BTreeMap<&SourcePath, &ShelfEntry> = after.files.iter().map(|e| (&e.path, e)).collect();
        let (mut gone, mut results) = (BTreeSet::new(), Vec::new());
        for due in group {
            let row = &due.row;
            // The listing decides, not what the call said: one that failed may have erased all the same.
            let result = match (listed(row, &files, &after), refused.get(&row.sighting)) {
                (Listed::Absent, None | Some(Refusal::Failed)) => None,
                (Listed::Absent, Some(_)) => Some(Refusal::Replaced),
                (_, Some(why)) => Some(why.clone()),
                (_, None) => Some(Refusal::Failed),
            };
            if result.is_none() {
                gone.insert(&row.path);
            } else {
                memory.failed.insert(row.sighting);
            }
            results.push((row.sighting, result));
        }
        // A file that changed or went before we came to it may have done so because of the one before it.
        let quiet = undisturbed(&before, &after, &gone);
        let erased = gone.len() as u64;
        self.store.write_blocking(move |tx| {
            results.iter().try_for_each(|(sighting, result)| match result {
                None => tx.erased(*sighting, false),
                Some(why) => tx.erase_withdrawn(*sighting, why),
            })
        })?;
        self.board.bay(at.dock, |b| b.erased += erased);
        if !quiet {
            memory.disturbed = true;
            tracing::error!(dock = at.dock, recorder = %at.recorder, "other files of this recorder changed while files were erased; nothing more is erased from it in this stay");
        }
        Ok((after, done + erased))
    }

    /// Erases one file after a last look at it; why not, where it was left alone.
    fn erase_one(&self, shelf: &dyn Shelf, row: &ErasableRow) -> Result<Result<(), Refusal>, IntakeError> {
        match shelf.stat(&row.path) {
            Ok(Some(now)) if now.size_bytes == row.size_bytes && now.modified_raw == row.modified_raw => {}
            Ok(Some(_)) => return Ok(Err(Refusal::Changed)),
            Ok(None) => return Ok(Err(Refusal::NotThere)),
            Err(e @ SourceError::Gone(_)) => return Err(e.into()),
            Err(_) => return Ok(Err(Refusal::Failed)),
        }
        let Some(intent_seq) = row.intent_seq else { return Ok(Err(Refusal::Interrupted)) };
        // Invariant 2: the planner has just said that every proof is stored.
        let proof = EraseProof { clip: row.clip, path: row.path.clone(), size_bytes: row.size_bytes, intent_seq };
        Ok(match shelf.erase(&proof) {
            Ok(()) => Ok(()),
            Err(e @ SourceError::Gone(_)) => return Err(e.into()),
            Err(SourceError::Changed(_)) => Err(Refusal::Changed),
            Err(SourceError::Unsupported(_)) => Err(Refusal::ReadOnly),
            Err(e) => {
                tracing::warn!(path = %row.path, error = %chain(&e), "a file could not be erased");
                Err(Refusal::Failed)
            }
        })
    }
}

fn covered(store: &Store, demand: Demand, seq: u64) -> Result<bool, StoreError> {
    let Anchors { signed, stored } = store.read_blocking(|r| r.anchors())?;
    Ok(match demand {
        Demand::Anchored => seq < stored,
        Demand::Proven => seq < signed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recorder::Unreadable;

    fn listing(files: &[(&str, u64, &str)], unreadable: &[&str]) -> Listing {
        Listing {
            files: files
                .iter()
                .map(|(path, size_bytes, raw)| ShelfEntry {
                    path: SourcePath::new(*path),
                    size_bytes: *size_bytes,
                    modified_raw: (*raw).to_owned(),
                    modified_ms: None,
                })
                .collect(),
            unreadable: unreadable
                .iter()
                .map(|path| Unreadable { path: SourcePath::new(*path), reason: "x".into() })
                .collect(),
        }
    }

    #[test]
    fn a_place_that_could_not_be_listed_says_nothing() {
        for (place, path, expected) in [
            ("", "a/b", true),
            ("a", "a/b", true),
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/b/c", "a/b", false),
        ] {
            assert_eq!(is_at_or_above(&SourcePath::new(place), &SourcePath::new(path)), expected, "{place} {path}");
        }
    }

    #[test]
    fn other_files_must_stay_as_they_were() {
        let before = listing(&[("a", 1, "t"), ("b", 2, "t")], &["odd"]);
        let a = SourcePath::new("a");
        let erased: BTreeSet<&SourcePath> = [&a].into();
        for (after, fine) in [
            (listing(&[("b", 2, "t")], &["odd"]), true),
            (listing(&[("b", 2, "t"), ("new", 9, "t")], &[]), true),
            (listing(&[], &[]), false),
            (listing(&[("b", 1, "t")], &[]), false),
            (listing(&[("b", 2, "u")], &[]), false),
            (listing(&[("b", 2, "t")], &["odd", "dir"]), false),
        ] {
            assert_eq!(undisturbed(&before, &after, &erased), fine, "{after:?}");
        }
    }

    #[test]
    fn the_first_entry_that_fits_holds() {
        let entry = |patterns: &[&str], demand| config::Erase {
            recorders: patterns.iter().map(|p| globset::Glob::new(p).unwrap()).collect(),
            policy: ErasePolicy { demand, ..ErasePolicy::default() },
        };
        let rules = [entry(&["36NCC*", "A?"], Demand::Proven), entry(&["*1"], Demand::Anchored)];
        let giving = GivingBack::new(&rules, || Ok(()));
        let of = |id: &str| giving.policy(&RecorderId::new(id).unwrap()).map(|p| p.demand);
        assert_eq!(of("36NCC009911"), Some(Demand::Proven));
        assert_eq!(of("A7"), Some(Demand::Proven));
        assert_eq!(of("B1"), Some(Demand::Anchored));
        assert_eq!(of("B2"), None);
    }
}
