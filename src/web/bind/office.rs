//! Administration, desk, registers and parties from the store, the board and the premises.

use std::collections::HashMap;

use super::StationPages;
use crate::domain::case_number::loose;
use crate::domain::device::{DeviceKey, DeviceState, Mark};
use crate::domain::ids::ClipId;
use crate::domain::office::Premises;
use crate::domain::ports::BoxFuture;
use crate::domain::recorder::{HeldDevice, recorder_key};
use crate::domain::register::{Entry, Register, name_key};
use crate::domain::rights::Within;
use crate::domain::time::UtcMs;
use crate::store::{DockStay, IssueRow, Reader, RosterImport, StoreError};
use crate::web::office::Office;
use crate::web::paging::{cut, number, texts, two};
use crate::web::site::ReadError;
use crate::web::view::office::{
    DestinationFacts, Done, EntriesView, ImportView, Marked, OfficerFound, Out, PartiesView, PartyPages, PartyView,
    RecorderEntry, RecorderFound, RecorderView, RegistersView, RosterView, RostersView, Scanned, Stay,
};

/// Recorders that are listed at most; a province has thousands, one station hundreds.
const RECORDERS: u32 = 5_000;
/// Stays of one recorder that are shown.
const STAYS: u32 = 50;
/// A recorder in use that was not docked for so long is worth a word, milliseconds.
const QUIET_MS: i64 = 3 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// Imports of a page.
const IMPORTS: u32 = 50;
/// Entries of a register on a page.
const ENTRIES: u32 = 200;

fn out(row: &IssueRow, now_ms: i64) -> Out {
    Out {
        issue: row.id,
        recorder: row.recorder.clone(),
        officer: row.officer.clone(),
        since: UtcMs(row.from_ms),
        due: row.due_ms.map(UtcMs),
        overdue: row.is_overdue(now_ms),
    }
}

fn done(row: &IssueRow, now_ms: i64) -> Done {
    Done { out: out(row, now_ms), ended: row.ended.clone(), until: row.to_ms.map(UtcMs) }
}

fn stay(s: &DockStay) -> Stay {
    Stay {
        bay: s.bay.clone(),
        from: UtcMs(s.opened_ms),
        to: s.closed_ms.map(UtcMs),
        files: s.files,
        bytes: s.bytes,
        clock_offset_ms: s.clock_offset_ms,
    }
}

fn serial_of(key: &DeviceKey) -> Option<&str> {
    match &key.mark {
        Mark::Serial(serial) | Mark::Network(serial) => Some(serial),
        Mark::Port(_) | Mark::Host(_) => None,
    }
}

/// Every recorder that anything here knows: the gate, the bays, the register.
fn recorders(r: &Reader<'_>, held: &[HeldDevice], now_ms: i64) -> Result<Vec<RecorderEntry>, StoreError> {
    let registered: HashMap<String, Entry> = r
        .entries(Register::Recorder, None, RECORDERS)?
        .into_iter()
        .map(|e| (recorder_key(e.entry.get("serial").unwrap_or_default()), e.entry))
        .collect();
    let outs: HashMap<String, Out> = r.issued()?.iter().map(|i| (recorder_key(&i.recorder), out(i, now_ms))).collect();
    let seen = r.seen_recorders(RECORDERS)?;
    let mut entries: Vec<RecorderEntry> = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for d in r.devices()? {
        let id = d.recorder.clone().or_else(|| serial_of(&d.key).map(str::to_owned));
        known.extend(id.as_deref().map(recorder_key));
        let stands = held.iter().find(|h| DeviceKey::of(h.usb_id, h.serial.as_deref(), &h.port) == d.key);
        entries.push(RecorderEntry {
            word: d.key.to_string(),
            recorder: d.recorder.or(id),
            name: d.name,
            gated: true,
            state: Some(d.state),
            reason: d.reason,
            decided_by: d.decided_by,
            decided: d.decided_ms.map(UtcMs),
            held: stands.map(|h| (h.bay.clone(), h.why.as_str())),
            ..RecorderEntry::default()
        });
    }
    for s in &seen {
        if !known.contains(&recorder_key(&s.recorder)) {
            known.push(recorder_key(&s.recorder));
            let recorder = Some(s.recorder.clone());
            entries.push(RecorderEntry { word: s.recorder.clone(), recorder, ..RecorderEntry::default() });
        }
    }
    for entry in registered.values() {
        let serial = entry.get("serial").unwrap_or_default();
        if !known.contains(&recorder_key(serial)) {
            let recorder = Some(serial.to_owned());
            entries.push(RecorderEntry { word: serial.to_owned(), recorder, ..RecorderEntry::default() });
        }
    }
    let marks = r.marks()?;
    let by_key: HashMap<String, usize> = seen.iter().enumerate().map(|(n, s)| (recorder_key(&s.recorder), n)).collect();
    for entry in &mut entries {
        let Some(key) = entry.recorder.as_deref().map(recorder_key) else { continue };
        let at = by_key.get(&key).and_then(|n| seen.get(*n));
        if let Some(of) = registered.get(&key) {
            entry.model = of.get("model").map(str::to_owned);
            entry.unit = of.get("unit").map(str::to_owned);
            entry.keeper = of.get("officer").map(str::to_owned);
        }
        if entry.model.is_none() {
            entry.model = at.and_then(|s| s.model.clone());
        }
        if let Some(mark) = marks.get(&key).filter(|_| !entry.gated) {
            // In use is what everything is of which nobody said otherwise.
            entry.state = Some(mark.state).filter(|s| !s.admits());
            entry.reason = mark.reason.clone();
            entry.decided_by = Some(mark.by.clone());
            entry.decided = Some(UtcMs(mark.at_ms));
        }
        let last = at.and_then(|s| s.last.as_ref());
        entry.docked = last.map(|l| (l.bay.clone(), UtcMs(l.closed_ms.unwrap_or(l.opened_ms)), l.closed_ms.is_none()));
        entry.out = outs.get(&key).cloned();
        let since = match (&entry.docked, &entry.out) {
            (Some((_, _, true)), _) => None,
            (Some((_, at, false)), out) => Some(out.as_ref().map_or(at.0, |o| at.0.max(o.since.0))),
            (None, Some(out)) => Some(out.since.0),
            (None, None) => None,
        };
        let in_use = entry.state.is_none_or(DeviceState::admits);
        let quiet_ms = since.map(|since| now_ms - since).filter(|ms| in_use && *ms > QUIET_MS);
        entry.quiet_days = quiet_ms.map(|ms| (ms / DAY_MS) as u64);
    }
    // What waits for a decision, then what should be back, then the rest in the order of their names.
    entries.sort_by_key(|e| {
        let place = match () {
            () if e.waits() => 0,
            () if e.is_overdue() => 1,
            () if e.quiet_days.is_some() => 2,
            () if e.out.is_some() => 3,
            () => 4,
        };
        (place, e.recorder.clone().unwrap_or_else(|| e.word.clone()))
    });
    Ok(entries)
}

/// What a code means: a card, a number or a name of somebody, or the code, serial number or id of a recorder.
fn scanned(r: &Reader<'_>, code: &str, now_ms: i64) -> Result<Scanned, StoreError> {
    let key = name_key(code);
    if key.is_empty() {
        return Ok(Scanned::Unknown);
    }
    let is = |entry: &Entry, columns: &[&str]| columns.iter().any(|c| entry.get(c).is_some_and(|v| name_key(v) == key));
    let people = r.entries(Register::Officer, None, u32::MAX)?;
    // A card or number is somebody's own; a name may be of several.
    let own: Vec<&Entry> = people.iter().map(|e| &e.entry).filter(|e| is(e, &["card", "number", "cert_no"])).collect();
    let officers =
        if own.is_empty() { people.iter().map(|e| &e.entry).filter(|e| is(e, &["name"])).collect() } else { own };
    let mut ids: Vec<String> = r
        .entries(Register::Recorder, None, u32::MAX)?
        .iter()
        .filter(|e| is(&e.entry, &["code", "serial"]))
        .filter_map(|e| e.entry.get("serial").map(str::to_owned))
        .collect();
    let devices = r.devices()?;
    let seen = r.seen_recorders(RECORDERS)?;
    if ids.is_empty() {
        ids.extend(seen.iter().map(|s| s.recorder.clone()).filter(|id| name_key(id) == key));
        ids.extend(devices.iter().filter_map(|d| match serial_of(&d.key) {
            Some(serial) if name_key(serial) == key => Some(d.recorder.clone().unwrap_or_else(|| serial.to_owned())),
            _ => None,
        }));
        ids.sort();
        ids.dedup_by_key(|id| recorder_key(id));
    }
    Ok(match (officers.as_slice(), ids.as_slice()) {
        ([], []) => Scanned::Unknown,
        ([one], []) => {
            let name = one.get("name").unwrap_or_default();
            let twice = people.iter().filter(|e| e.entry.get("name") == Some(name)).count() > 1;
            let number = one.get("number").map(str::to_owned);
            Scanned::Officer(OfficerFound {
                // Of two people with one name, the number tells whose the clips are.
                name: number.clone().filter(|_| twice).unwrap_or_else(|| name.to_owned()),
                unit: one.get("unit").map(str::to_owned),
                gone: one.time_ms("until").is_some_and(|until| until < now_ms),
                number,
            })
        }
        ([], [id]) => {
            let key = recorder_key(id);
            let as_seen = seen.iter().find(|s| recorder_key(&s.recorder) == key);
            Scanned::Recorder(RecorderFound {
                recorder: as_seen.map_or_else(|| id.clone(), |s| s.recorder.clone()),
                model: as_seen.and_then(|s| s.model.clone()),
                state: r.standing_of(id)?,
                out: r.out_now(&key)?.map(|i| out(&i, now_ms)),
            })
        }
        _ => Scanned::Several,
    })
}

impl StationPages {
    fn now_ms(&self) -> i64 {
        self.clock.now().0
    }

    async fn recorders_inner(&self) -> Result<Vec<RecorderEntry>, ReadError> {
        let (held, now) = (self.board.held(), self.now_ms());
        self.read(move |r| recorders(r, &held, now)).await
    }

    async fn recorder_inner(&self, word: &str) -> Result<Option<RecorderView>, ReadError> {
        let (held, now, word) = (self.board.held(), self.now_ms(), word.to_owned());
        self.read(move |r| {
            let Some(entry) = recorders(r, &held, now)?.into_iter().find(|e| e.word == word) else { return Ok(None) };
            let mut keys = vec![recorder_key(&entry.word)];
            keys.extend(entry.recorder.as_deref().map(recorder_key));
            keys.extend(DeviceKey::parse(&entry.word).as_ref().and_then(serial_of).map(recorder_key));
            keys.sort();
            keys.dedup();
            let marks = r.marks_of(&keys)?.into_iter();
            let marks =
                marks.map(|m| Marked { state: m.state, at: UtcMs(m.at_ms), by: m.by, reason: m.reason }).collect();
            let Some(id) = entry.recorder.clone() else {
                return Ok(Some(RecorderView { entry, marks, ..RecorderView::default() }));
            };
            let mut outs = r.issues_of(&recorder_key(&id))?;
            outs.reverse();
            outs.truncate(STAYS as usize);
            let officers = r.entries(Register::Officer, None, 1_000)?;
            Ok(Some(RecorderView {
                marks,
                stays: r.stays_of(&id, STAYS)?.iter().map(stay).collect(),
                outs: outs.iter().map(|i| done(i, now)).collect(),
                officers: officers.iter().filter_map(|e| e.entry.get("name").map(str::to_owned)).collect(),
                entry,
            }))
        })
        .await
    }

    async fn destinations_inner(&self) -> Result<Vec<DestinationFacts>, ReadError> {
        let (places, mut trials) = (self.premises.places(), self.premises.trials());
        let read = places.clone();
        let (rows, waiting) = self
            .read(move |r| {
                let waiting = read.iter().map(|p| Ok(r.backlog(&p.name)?.waiting));
                Ok((r.destinations()?, waiting.collect::<Result<Vec<u64>, StoreError>>()?))
            })
            .await?;
        let facts = places.into_iter().zip(waiting).map(|(place, waiting)| {
            let row = rows.iter().find(|row| row.name == place.name);
            DestinationFacts {
                proof: row.and_then(|r| r.proof),
                can_lock: row.is_some_and(|r| r.can_lock),
                same_device: row.is_some_and(|r| r.same_device),
                detail: row.map(|r| r.detail.clone()).unwrap_or_default(),
                probed: row.and_then(|r| r.probed_ms).map(UtcMs),
                trouble: row
                    .and_then(|r| Some((r.trouble.clone()?, r.trouble_retry, UtcMs(r.trouble_ms.unwrap_or_default())))),
                waiting,
                trial: trials.remove(&place.name),
                place,
            }
        });
        Ok(facts.collect())
    }

    async fn registers_inner(&self, after: Option<&str>) -> Result<RegistersView, ReadError> {
        let below = number(after)?;
        self.read(move |r| {
            let registers = Register::ALL.into_iter().map(|register| Ok((register, r.entry_count(register)?)));
            let mut imports = r.register_imports_below(None, below, IMPORTS + 1)?;
            let next = cut(&mut imports, IMPORTS, |i| i.import.to_string());
            let imports = imports.into_iter().map(|i| ImportView {
                import: i.import,
                register: i.register,
                name: i.name,
                entries: i.entries,
                added: i.added,
                changed: i.changed,
                by: i.actor,
                at: UtcMs(i.at_ms),
                undone: i.undone_ms.map(UtcMs),
            });
            let registers = registers.collect::<Result<_, StoreError>>()?;
            Ok(RegistersView { registers, imports: imports.collect(), next })
        })
        .await
    }

    async fn rosters_inner(&self, after: Option<&str>) -> Result<RostersView, ReadError> {
        let below = number(after)?;
        self.read(move |r| {
            let mut imports = r.roster_imports(below, IMPORTS + 1)?;
            let next = cut(&mut imports, IMPORTS, |i| i.import.to_string());
            let view = |i: RosterImport| RosterView {
                import: i.import,
                name: i.name,
                rows: i.rows,
                days: i.days,
                from: UtcMs(i.from_ms),
                to: UtcMs(i.to_ms),
                replaced: i.replaced,
                by: i.by.map(|(who, at)| (who, UtcMs(at))),
                removed: i.removed_ms.map(UtcMs),
                undone: i.undone_ms.map(UtcMs),
                standing: i.standing,
                can_be_undone: i.can_be_undone,
            };
            Ok(RostersView { imports: imports.into_iter().map(view).collect(), next })
        })
        .await
    }

    async fn entries_inner(
        &self,
        register: Register,
        find: &str,
        after: Option<&str>,
    ) -> Result<EntriesView, ReadError> {
        let (wanted, after) = (Some(loose(find)).filter(|l| !l.is_empty()), two(after)?);
        self.read(move |r| {
            let mut rows = r.entries_after(register, wanted.as_deref(), after.as_ref(), ENTRIES + 1)?;
            let next = cut(&mut rows, ENTRIES, |(name, row)| texts(name, &row.key));
            Ok(EntriesView { rows: rows.into_iter().map(|(_, row)| row.entry).collect(), next })
        })
        .await
    }
}

impl Office for StationPages {
    fn premises(&self) -> &dyn Premises {
        &*self.premises
    }

    fn out(&self) -> BoxFuture<'_, Result<Vec<Out>, ReadError>> {
        let now = self.now_ms();
        Box::pin(self.read(move |r| {
            let mut outs: Vec<Out> = r.issued()?.iter().map(|i| out(i, now)).collect();
            outs.sort_by_key(|o| (!o.overdue, o.due.is_none(), o.due, o.since));
            Ok(outs)
        }))
    }

    fn desk_done(&self, issue: i64) -> BoxFuture<'_, Result<Option<Done>, ReadError>> {
        let now = self.now_ms();
        Box::pin(self.read(move |r| Ok(r.issue_of(issue)?.map(|i| done(&i, now)))))
    }

    fn scanned<'a>(&'a self, code: &'a str) -> BoxFuture<'a, Result<Scanned, ReadError>> {
        let (code, now) = (code.to_owned(), self.now_ms());
        Box::pin(self.read(move |r| scanned(r, &code, now)))
    }

    fn recorders(&self) -> BoxFuture<'_, Result<Vec<RecorderEntry>, ReadError>> {
        Box::pin(self.recorders_inner())
    }

    fn recorder<'a>(&'a self, word: &'a str) -> BoxFuture<'a, Result<Option<RecorderView>, ReadError>> {
        Box::pin(self.recorder_inner(word))
    }

    fn destinations(&self) -> BoxFuture<'_, Result<Vec<DestinationFacts>, ReadError>> {
        Box::pin(self.destinations_inner())
    }

    fn registers<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<RegistersView, ReadError>> {
        Box::pin(self.registers_inner(after))
    }

    fn rosters<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<RostersView, ReadError>> {
        Box::pin(self.rosters_inner(after))
    }

    fn entries<'a>(
        &'a self,
        register: Register,
        find: &'a str,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<EntriesView, ReadError>> {
        Box::pin(self.entries_inner(register, find, after))
    }

    fn parties<'a>(
        &'a self,
        query: &'a str,
        after: Option<&'a str>,
        within: &'a Within,
        registered: bool,
    ) -> BoxFuture<'a, Result<PartiesView, ReadError>> {
        Box::pin(self.parties_inner(query, after, within, registered))
    }

    fn party<'a>(
        &'a self,
        name: &'a str,
        pages: &'a PartyPages,
        within: &'a Within,
        registered: bool,
    ) -> BoxFuture<'a, Result<Option<PartyView>, ReadError>> {
        Box::pin(self.party_inner(name, pages, within, registered))
    }

    fn seen_among<'a>(
        &'a self,
        clips: &'a [ClipId],
        within: &'a Within,
    ) -> BoxFuture<'a, Result<Vec<ClipId>, ReadError>> {
        let (clips, within, now) = (clips.to_vec(), within.clone(), self.now_ms());
        Box::pin(self.read(move |r| r.clips_within(&clips, &within, now)))
    }
}
