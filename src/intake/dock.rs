//! One docked recorder, from the first look until it leaves: look, take what is still, say when it may go.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::erase::{Emptying, EraseMemory};
use super::plan::reading_order;
use super::take::{Item, Place, Taken};
use super::{Intake, IntakeError};
use crate::domain::error::chain;
use crate::domain::evidence::Evidence;
use crate::domain::ids::{BayName, RecorderId};
use crate::domain::ports::{Shelf, SourceError};
use crate::domain::record::{Field, Origin};
use crate::domain::recorder::{Importance, Listing, ShelfEntry, ShelfIdentity, SourcePath};
use crate::domain::recorder_clock;
use crate::runtime::board::Doing;
use crate::source::binding::Binding;
use crate::source::profile::{Modified, Profile, Role};
use crate::source::sidecar::Sidecars;
use crate::source::watch::Stillness;
use crate::store::NewDock;
use crate::vault::CopyError;

/// A file that fails is reported as unreadable after this many looks, and still tried now and then.
const TRIES_BEFORE_REPORT: u32 = 3;
/// A file that says that its recorder is gone counts as one that fails after so many looks, each of which could list
/// the recorder: a pulled one may be listed from memory for a moment, and one bad file must not hold up all others.
const LOOKS_BEFORE_GONE_COUNTS: u32 = 10;
/// Looks between later tries of such a file.
const LOOKS_BETWEEN_TRIES: u32 = 30;
/// After the box failed on a file, others come first for so many looks.
const LOOKS_AFTER_BOX_TROUBLE: u32 = 2;
/// A recorder is taken to be empty when its directory has been so for this many times the wait for still files:
/// a directory may be made before it is filled, and a mount may come late.
const EMPTY_FACTOR: i64 = 5;
/// ... and over at least so many looks.
const EMPTY_LOOKS: u32 = 5;
/// Looks at a recorder on which there is nothing to do are this many times rarer.
const REST_FACTOR: u64 = 5;

/// A file that could not be taken, and how often that was tried.
#[derive(Default)]
struct Trouble {
    tries: u32,
    wait_looks: u32,
    /// Looks in which reading it said that the recorder is gone, although it was listed.
    gone_looks: u32,
    /// The last failure was one of reading in the middle of the file: what else is in it can be saved.
    bad_place: bool,
    /// It counts as unreadable: tried so often that only the recorder can be at fault.
    reported: bool,
    /// The box was at fault at the last try: in words, and whether its disk is full. Said as long as the file waits.
    box_trouble: Option<(String, bool)>,
}

/// What ends the work on a docked recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The recorder is no longer in the bay.
    Pulled,
    /// The work parks and the recorder stays where it is; the next start closes the stay.
    Parked,
}

/// What is known of the recorder in this bay.
struct Session<'a> {
    dock: i64,
    /// Nothing was on it when its id was taken: the files may yet tell another one.
    empty: bool,
    recorder: RecorderId,
    profile: &'a Profile,
    binding: Binding,
    docked_ms: i64,
}

/// Identity of a file on a recorder, as far as a listing tells.
type Key = (SourcePath, u64, String);

fn key(entry: &ShelfEntry) -> Key {
    (entry.path.clone(), entry.size_bytes, entry.modified_raw.clone())
}

/// What the looks at one recorder remember from each other.
struct Stay<'a> {
    session: Option<Session<'a>>,
    seen: Seen,
    erase: EraseMemory,
}

/// What was seen on the recorder and came of it; only what makes looks cheaper, all of it can be found again.
struct Seen {
    still: Stillness,
    done: BTreeSet<Key>,
    troubles: BTreeMap<Key, Trouble>,
    sidecars: Option<(Listing, Sidecars)>,
    /// Places that this stay has reported as unreadable.
    told: BTreeSet<SourcePath>,
    /// Since when no file was listed (milliseconds of the monotonic clock), and in how many looks.
    empty: Option<(i64, u32)>,
    /// When each path was first listed, by the station's clock: a folder may go on being filled for days.
    came: BTreeMap<SourcePath, i64>,
}

impl Seen {
    fn nothing(still_after_ms: i64) -> Self {
        Self {
            still: Stillness::new(still_after_ms),
            done: BTreeSet::new(),
            troubles: BTreeMap::new(),
            sidecars: None,
            told: BTreeSet::new(),
            empty: None,
            came: BTreeMap::new(),
        }
    }

    /// One more look found no file; whether the recorder is taken to be empty by now.
    fn is_empty(&mut self, now_ms: i64, still_after_ms: i64) -> bool {
        let (since, looks) = self.empty.get_or_insert((now_ms, 0));
        *looks += 1;
        *looks >= EMPTY_LOOKS && now_ms - *since >= still_after_ms.saturating_mul(EMPTY_FACTOR)
    }
}

impl Intake {
    /// Works on one docked recorder until `ended` says why it must end. Blocks; one thread a dock.
    pub fn run_dock(&self, shelf: &dyn Shelf, ended: &(dyn Fn() -> Option<Ending> + Sync)) {
        let identity = shelf.identity();
        let Ok(bay) = BayName::new(&identity.bay) else {
            tracing::error!(bay = %identity.bay, "a bay with this name cannot be used; rename the folder");
            return;
        };
        let stopped = || ended().is_some();
        let mut stay =
            Stay { session: None, seen: Seen::nothing(self.options.still_after_ms), erase: EraseMemory::default() };
        while !stopped() {
            let mut pause = self.options.look_every_ms;
            // Names, sidecars and listings come from the recorder (invariant 7): should they make a look panic, the
            // bay says so instead of going on to say what it said last.
            let looked = catch_unwind(AssertUnwindSafe(|| {
                let rest = self.look(shelf, &bay, &identity, &mut stay, &stopped)?;
                match &stay.session {
                    // Only a recorder of which everything is sealed or reported is given space back.
                    Some(s) if rest => {
                        let at = Emptying { dock: s.dock, recorder: &s.recorder, shelf };
                        self.give_back(&at, &mut stay.erase, &stopped)
                    }
                    _ => Ok(rest),
                }
            }));
            let looked = looked.unwrap_or_else(|_| {
                stay.seen = Seen::nothing(self.options.still_after_ms);
                pause *= REST_FACTOR;
                Err(IntakeError::Panicked)
            });
            match looked {
                Ok(true) => pause *= REST_FACTOR,
                Ok(false) => {}
                Err(e) => {
                    let reason = chain(&e);
                    tracing::warn!(%bay, reason, "a look at the recorder failed; it is tried again");
                    if let Some(s) = &stay.session {
                        // What cannot be listed cannot be called safe; one that is gone has left as it was.
                        let gone = e.is_gone();
                        self.board.bay(s.dock, |b| {
                            b.safe &= gone;
                            b.doing = Doing::Stuck { reason, full: false };
                        });
                        let dock = s.dock;
                        if !gone && let Err(e) = self.store.write_blocking(move |tx| tx.dock_unsafe(dock)) {
                            tracing::warn!(%bay, error = %chain(&e), "that this recorder may not go could not be stored");
                        }
                    }
                }
            }
            wait(Duration::from_millis(pause), &stopped);
        }
        if let Some(s) = stay.session {
            self.board.leave(s.dock);
            // While the daemon stops, the stay goes on for the officer: the next start closes it.
            if ended() == Some(Ending::Pulled)
                && let Err(e) = self.store.write_blocking(move |tx| tx.undock(s.dock, "pulled"))
            {
                tracing::warn!(error = %chain(&e), "the end of a dock could not be stored; the next start does it");
            }
        }
    }

    /// One look at the recorder; `true` when there is nothing more to do on it.
    fn look<'a>(
        &'a self,
        shelf: &dyn Shelf,
        bay: &BayName,
        identity: &ShelfIdentity,
        stay: &mut Stay<'a>,
        stopped: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, IntakeError> {
        let mut listing = shelf.list()?;
        let now_ms = self.clock.monotonic_ms();
        let still_now: BTreeSet<Key> = stay.seen.still.update(now_ms, &listing).iter().map(key).collect();
        if stay.session.as_ref().is_none_or(|s| s.empty)
            && !self.recognise(shelf, bay, identity, stay, &listing, !still_now.is_empty())?
        {
            return Ok(false);
        }
        let (Some(session), seen) = (&stay.session, &mut stay.seen) else { return Ok(false) };
        session.profile.localise(&mut listing);
        let Seen { done, troubles, sidecars, told, came, .. } = seen;
        let listed_ms = self.clock.now().0;
        for entry in &listing.files {
            came.entry(entry.path.clone()).or_insert(listed_ms);
        }
        if sidecars.as_ref().is_none_or(|(seen, _)| *seen != listing) {
            *sidecars = Some((listing.clone(), Sidecars::read(shelf, &listing, session.profile)?));
        }
        let sidecars = sidecars.as_ref().map(|(_, s)| s);
        let dock = session.dock;
        // A clip that was found to be damaged is taken again while its recorder is here.
        for damaged in self.store.read_blocking(|r| r.damaged_at(dock))? {
            done.remove(&damaged);
        }
        let mut unreadable: Vec<(SourcePath, String)> =
            listing.unreadable.iter().map(|p| (p.path.clone(), p.reason.clone())).collect();
        let mut items: BTreeMap<Key, Item> = listing
            .files
            .iter()
            .map(|e| (key(e), self.item(session, e, sidecars, came.get(&e.path).copied())))
            .collect();
        let mut evidence = 0usize;
        let (mut bytes, mut bytes_done, mut open_files, mut reported) =
            (0u64, 0u64, Vec::new(), listing.unreadable.len());
        for (k, item) in &items {
            if item.role == NOT_EVIDENCE {
                reported += 1;
                unreadable.push((item.entry.path.clone(), LEFT_BY_COMPUTER.to_owned()));
                continue;
            }
            evidence += 1;
            bytes += item.entry.size_bytes;
            if done.contains(k) {
                bytes_done += item.entry.size_bytes;
            } else {
                open_files.push((item.entry.clone(), item.importance == Importance::Marked));
            }
        }
        // All of a look in one transaction, and only what no earlier look told.
        unreadable.retain(|(path, _)| !told.contains(path));
        if !unreadable.is_empty() {
            let paths: Vec<SourcePath> = unreadable.iter().map(|(path, _)| path.clone()).collect();
            self.store.write_blocking(move |tx| tx.unreadable(dock, &unreadable))?;
            told.extend(paths);
        }
        open_files.sort_by(reading_order);
        // Files with a bad place come last: each try at it may take half a minute and wears a dying card.
        open_files.sort_by_key(|(e, _)| troubles.get(&key(e)).is_some_and(|t| t.bad_place));
        let growing = open_files.iter().filter(|(e, _)| !still_now.contains(&key(e))).count();
        self.board.bay(dock, |b| {
            b.files = evidence as u64;
            b.files_done = (evidence - open_files.len()) as u64;
            b.files_growing = growing as u64;
            b.unreadable = reported as u64;
            b.bytes = bytes;
            b.bytes_done = bytes_done;
            // Something new is here: what the last look said is no longer so.
            b.safe &= open_files.iter().all(|(e, _)| troubles.get(&key(e)).is_some_and(|t| t.reported));
        });
        let place = Place { dock, recorder: &session.recorder, shelf };
        let (mut left, mut copied) = (growing, false);
        let mut stuck = None;
        for (entry, _) in &open_files {
            let k = key(entry);
            if !still_now.contains(&k) {
                continue;
            }
            let trouble = troubles.entry(k.clone()).or_default();
            if trouble.wait_looks > 0 {
                trouble.wait_looks -= 1;
                left += usize::from(!trouble.reported);
                stuck = trouble.box_trouble.clone().or(stuck);
                continue;
            }
            let Some(item) = items.get_mut(&k) else { continue };
            item.salvage = trouble.bad_place && trouble.tries + 1 >= TRIES_BEFORE_REPORT;
            let item = &*item;
            let before = bytes_done;
            let mut progress = |at: u64, resumed: bool| {
                let rate = self.board.copy_rate(self.clock.now().0);
                self.board.bay(dock, |b| {
                    b.doing =
                        Doing::Copying { file: entry.path.file_name(), done_bytes: at, size_bytes: entry.size_bytes };
                    b.bytes_done = before + at;
                    b.rate = rate;
                    if resumed && b.resumed_at_percent.is_none() {
                        b.resumed_at_percent = Some((b.bytes_done * 100 / b.bytes.max(1)).min(99) as u8);
                    }
                });
            };
            match self.take(&place, item, &mut progress, stopped) {
                Ok(taken) => {
                    copied = true;
                    bytes_done += entry.size_bytes;
                    self.board.taken(match taken {
                        Taken::New(..) => "sealed",
                        Taken::Known(_) => "known",
                    });
                    done.insert(k.clone());
                    troubles.remove(&k);
                    let path = entry.path.clone();
                    told.remove(&path);
                    self.store.write_blocking(move |tx| tx.readable_again(dock, &path))?;
                    if let Taken::New(clip, lost @ 1..) = taken {
                        let words = format!(
                            "{lost} bytes of it could not be read and stand as zeros; the rest is sealed; try another bay"
                        );
                        tracing::warn!(%bay, %clip, lost, "a file was taken with holes");
                        let place = (entry.path.clone(), words);
                        self.store.write_blocking(move |tx| tx.unreadable(dock, &[place]))?;
                    }
                    self.board.bay(dock, |b| {
                        b.files_done += 1;
                        b.bytes_done = bytes_done;
                        b.doing = Doing::Listing;
                    });
                }
                Err(IntakeError::Copy(CopyError::Stopped)) => return Ok(false),
                // The box is in trouble, not this file: it is never called unreadable for that, and the recorder
                // never safe to remove.
                Err(e) if !e.is_of_the_recorder() => {
                    tracing::error!(%bay, error = %chain(&e), "copying failed on this station's side");
                    self.board.taken("failed");
                    left += 1;
                    trouble.wait_looks = LOOKS_AFTER_BOX_TROUBLE;
                    trouble.reported = false;
                    stuck = Some((chain(&e), matches!(e, IntakeError::Copy(CopyError::Full { .. }))));
                    trouble.box_trouble.clone_from(&stuck);
                    break;
                }
                Err(IntakeError::Changed | IntakeError::Busy) => left += 1,
                // Most likely it is being pulled: no file is to blame then, and the watch will say the rest.
                Err(e) if e.is_gone() && trouble.gone_looks < LOOKS_BEFORE_GONE_COUNTS => {
                    tracing::info!(%bay, path = %entry.path, error = %chain(&e), "the recorder is gone; what was copied so far is kept");
                    trouble.gone_looks += 1;
                    left += 1;
                }
                Err(e) => {
                    trouble.tries += 1;
                    trouble.box_trouble = None;
                    trouble.bad_place = matches!(
                        &e,
                        IntakeError::Copy(CopyError::Source(SourceError::Read { .. }) | CopyError::Short { .. })
                    );
                    tracing::warn!(%bay, path = %entry.path, tries = trouble.tries, error = %chain(&e), "a file could not be taken");
                    if trouble.tries < TRIES_BEFORE_REPORT {
                        left += 1;
                    } else {
                        trouble.wait_looks = LOOKS_BETWEEN_TRIES;
                        trouble.reported = true;
                        self.board.taken("unreadable");
                        let place = (entry.path.clone(), chain(&e));
                        self.store.write_blocking(move |tx| tx.unreadable(dock, &[place]))?;
                    }
                }
            }
        }
        // Invariant 9: sealed or reported, every one of them; by a listing that is not older than the copying.
        let safe = left == 0 && !copied && stuck.is_none();
        let files = evidence as u64;
        self.store.write_blocking(move |tx| tx.dock_progress(dock, files, bytes, safe))?;
        let mut was_safe = false;
        self.board.bay(dock, |b| {
            was_safe = std::mem::replace(&mut b.safe, safe);
            b.doing = match stuck {
                Some((reason, full)) => Doing::Stuck { reason, full },
                None => Doing::Resting,
            };
        });
        if safe && !was_safe {
            tracing::info!(%bay, recorder = %session.recorder, files, unreadable = reported, "every file is sealed or reported; the recorder may go");
        }
        Ok(safe)
    }

    /// Opens the session of this stay once the recorder can be recognised by its files, or has been empty for a
    /// while; `false` while neither is so. `any_still`: at least one file has stopped growing.
    fn recognise<'a>(
        &'a self,
        shelf: &dyn Shelf,
        bay: &BayName,
        identity: &ShelfIdentity,
        stay: &mut Stay<'a>,
        listing: &Listing,
        any_still: bool,
    ) -> Result<bool, IntakeError> {
        if listing.files.is_empty() {
            let empty = stay.seen.is_empty(self.clock.monotonic_ms(), self.options.still_after_ms);
            if empty && stay.session.is_none() {
                stay.session = Some(self.open_session(shelf, bay, identity, listing)?);
            }
            return Ok(stay.session.is_some());
        }
        stay.seen.empty = None;
        if !any_still {
            // A recorder that is still being filled has no names to be recognised by yet; nor may it go.
            if let Some(s) = &stay.session {
                let (dock, files) = (s.dock, listing.files.len() as u64);
                self.board.bay(dock, |b| {
                    b.safe = false;
                    b.files = files;
                    b.files_growing = files;
                });
                self.store.write_blocking(move |tx| tx.dock_unsafe(dock))?;
            }
            return Ok(false);
        }
        let earlier = stay.session.take();
        let (recorder, ..) = self.identify(shelf, identity, listing)?;
        stay.session = match earlier {
            Some(s) if s.recorder == recorder => {
                let binding = Binding::read(shelf, listing)?;
                Some(Session { empty: false, profile: self.profiles.choose(listing, identity), binding, ..s })
            }
            earlier => {
                if let Some(s) = earlier {
                    tracing::info!(%bay, was = %s.recorder, is = %recorder, "what was taken for an empty recorder has files and another id");
                    self.board.leave(s.dock);
                    stay.seen.told.clear();
                }
                // Opening the new stay closes the earlier one in the same transaction.
                Some(self.open_session(shelf, bay, identity, listing)?)
            }
        };
        Ok(true)
    }

    fn identify(
        &self,
        shelf: &dyn Shelf,
        identity: &ShelfIdentity,
        listing: &Listing,
    ) -> Result<(RecorderId, &'static str, Binding), IntakeError> {
        let binding = Binding::read(shelf, listing)?;
        let (recorder, identified) = self.profiles.choose(listing, identity).recorder_id(listing, identity, &binding);
        // A recorder that was emptied may show nothing more than its bay or its serial number; the register knows what it
        // was called when it had files.
        if matches!(identified, "bay" | "serial")
            && let Some(known) = self.store.read_blocking(|r| r.recorder_of_device(identity))?
        {
            return Ok((known, "device", binding));
        }
        Ok((recorder, identified, binding))
    }

    fn open_session<'a>(
        &'a self,
        shelf: &dyn Shelf,
        bay: &BayName,
        identity: &ShelfIdentity,
        listing: &Listing,
    ) -> Result<Session<'a>, IntakeError> {
        let profile = self.profiles.choose(listing, identity);
        let (recorder, identified, binding) = self.identify(shelf, identity, listing)?;
        let new = NewDock {
            bay: bay.clone(),
            recorder: recorder.clone(),
            identified: identified.to_owned(),
            kind: identity.kind,
            profile: profile.name().to_owned(),
            model: None,
        };
        let mut files = listing.clone();
        profile.localise(&mut files);
        let now_ms = self.clock.now().0;
        let newest = files.files.iter().filter_map(|e| e.modified_ms).max();
        let device = identity.clock.as_ref().and_then(|local| profile.instant(local));
        let clock = recorder_clock::estimate(now_ms, device, newest);
        let seen = identity.clone();
        let dock = self.store.write_blocking(move |tx| {
            let dock = tx.dock(&new)?;
            tx.device_identified(&seen, &new.recorder)?;
            if let Some(estimate) = clock {
                tx.dock_clock(dock, estimate)?;
            }
            Ok(dock)
        })?;
        self.board.bay(dock, |b| {
            b.bay = bay.to_string();
            b.recorder = recorder.to_string();
        });
        tracing::info!(%bay, %recorder, identified, profile = profile.name(), files = listing.files.len(), "a recorder was docked");
        let empty = listing.files.is_empty();
        Ok(Session { dock, empty, recorder, profile, binding, docked_ms: self.clock.now().0 })
    }

    /// `came_ms` is when the file was first listed.
    fn item(
        &self,
        session: &Session<'_>,
        entry: &ShelfEntry,
        sidecars: Option<&Sidecars>,
        came_ms: Option<i64>,
    ) -> Item {
        let reading = session.profile.read(entry);
        let pairs = |facts: &[(Field, String, Origin)]| {
            facts.iter().map(|(f, v, _)| (f.as_str().to_owned(), v.clone())).collect()
        };
        let said = sidecars.map(|s| s.facts(&entry.path)).unwrap_or_default();
        let marked = reading.importance == Importance::Marked || sidecars.is_some_and(|s| s.marks(&entry.path));
        Item {
            salvage: false,
            entry: entry.clone(),
            role: match reading.role {
                Role::Clip => "clip",
                Role::Sidecar => "sidecar",
                Role::Log => "log",
                Role::Other => "other",
                Role::NotEvidence => NOT_EVIDENCE,
            },
            importance: if marked { Importance::Marked } else { Importance::Normal },
            evidence: Evidence {
                profile: session.profile.name().to_owned(),
                zone: session.profile.zone().iana_name().unwrap_or("UTC").to_owned(),
                captures: reading.captures,
                named: reading.captured.map(|t| (t.raw, t.at.0, t.offset_s)),
                modified_is: match reading.modified_means {
                    Modified::End => "end",
                    Modified::Start => "start",
                    Modified::Unknown => "unknown",
                }
                .to_owned(),
                sidecar: pairs(said),
                binding: pairs(&session.binding.facts()),
                binding_state: session.binding.as_str().to_owned(),
                docked_ms: came_ms.map_or(session.docked_ms, |came| came.max(session.docked_ms)),
            },
        }
    }
}

const NOT_EVIDENCE: &str = "not_evidence";
/// Why a file that is no evidence was not copied.
const LEFT_BY_COMPUTER: &str = "left by a computer's operating system, not by the recorder; not copied";

/// Waits, but not past a stop.
fn wait(pause: Duration, stopped: &dyn Fn() -> bool) {
    let step = Duration::from_millis(50);
    let mut left = pause;
    while !left.is_zero() && !stopped() {
        let now = left.min(step);
        std::thread::sleep(now);
        left -= now;
    }
}
