//! The station at a glance, from figures, the board and the disk.

use std::sync::Arc;

use super::StationPages;
use crate::domain::account::Names;
use crate::domain::alarm::{self, DestinationFacts, PartFacts, Trouble};
use crate::domain::erase::Refusal;
use crate::domain::error::Retry;
use crate::domain::recorder::{HeldDevice, Holder};
use crate::domain::time::UtcMs;
use crate::runtime::board::{Bay as BoardBay, Doing};
use crate::runtime::health::{Level, Report};
use crate::runtime::task;
use crate::store::{AlarmRow, Backlog, DestinationRow, PauseRow, ReceiverRow, StageFigures, StationFigures};
use crate::web::site::ReadError;
use crate::web::view::Frame;
use crate::web::view::station::{
    Alarm, Bay, BayState, DestinationView, Disk, Health, Progress, Risen, Severity, Stage, Stall, StationView, Uplink,
};

/// What an emptied recorder may still have on it.
const NOT_A_RECORDING: Refusal = Refusal::NotRecording;

/// What is read for one dock.
struct DockFacts {
    dock: i64,
    bay: String,
    recorder: String,
    officer: Option<Holder>,
    sealed: u64,
    to_annotate: u64,
    proven: u64,
    unreadable: Vec<(String, String)>,
    safe: bool,
    network: bool,
}

struct Facts {
    figures: StationFigures,
    destinations: Vec<DestinationRow>,
    backlogs: Vec<(String, bool, Backlog)>,
    docks: Vec<DockFacts>,
    bays: Vec<String>,
    damaged: (u64, Option<crate::domain::ids::ClipId>),
    quarantined: (u64, Option<crate::domain::ids::ClipId>),
    isolated: (u64, Option<crate::domain::ids::ClipId>),
    out_of_reach: (u64, Option<crate::domain::ids::ClipId>),
    disk: (u64, u64, u64),
    checkpoint_ms: Option<i64>,
    backup_ms: Option<i64>,
    pauses: Vec<PauseRow>,
    newest_entry_ms: Option<i64>,
    overdue: Vec<(String, UtcMs)>,
    receivers: Vec<(String, ReceiverRow)>,
    risen: Vec<AlarmRow>,
}

impl StationPages {
    pub(super) async fn station_view(&self) -> Result<StationView, ReadError> {
        let now = self.clock.now();
        let midnight = now.zoned(&self.policy.zone).start_of_day().map_or(now.0, |z| z.timestamp().as_millisecond());
        let (wanted, receivers) = (self.destinations.clone(), self.receivers.clone());
        let facts = self
            .read(move |r| {
                let docks = r
                    .open_docks()?
                    .into_iter()
                    .map(|d| {
                        let (sealed, to_annotate, proven, _) = r.dock_figures(d.dock_id)?;
                        Ok(DockFacts {
                            officer: r.holder_of_dock(d.dock_id)?,
                            unreadable: r.unreadable_at(d.dock_id)?,
                            dock: d.dock_id,
                            bay: d.bay,
                            recorder: d.recorder,
                            sealed,
                            to_annotate,
                            proven,
                            safe: d.safe,
                            network: matches!(d.kind.as_str(), "onvif" | "rtsp"),
                        })
                    })
                    .collect::<Result<_, crate::store::StoreError>>()?;
                let names: Vec<String> = wanted.iter().map(|(name, _)| name.clone()).collect();
                Ok(Facts {
                    figures: r.figures(midnight)?,
                    destinations: r.destinations()?,
                    backlogs: wanted
                        .into_iter()
                        .map(|(name, required)| Ok((name.clone(), required, r.backlog(&name)?)))
                        .collect::<Result<_, crate::store::StoreError>>()?,
                    docks,
                    bays: r.known_bays()?,
                    damaged: r.damaged_clips()?,
                    quarantined: r.quarantined_clips()?,
                    isolated: r.isolated_figures()?,
                    out_of_reach: r.out_of_reach(&names)?,
                    disk: r.disk_figures()?,
                    checkpoint_ms: r.last_checkpoint()?.map(|c| c.made_ms),
                    backup_ms: r.proven_backup_ms()?,
                    pauses: r.pauses()?,
                    newest_entry_ms: r.newest_entry_ms()?,
                    overdue: r
                        .issued()?
                        .into_iter()
                        .filter(|i| i.is_overdue(now.0))
                        .filter_map(|i| Some((i.recorder, UtcMs(i.due_ms?))))
                        .collect(),
                    receivers: receivers
                        .into_iter()
                        .map(|name| Ok((name.clone(), r.receiver(&name, now.0)?)))
                        .collect::<Result<_, crate::store::StoreError>>()?,
                    risen: r.alarms_standing()?,
                })
            })
            .await?;
        let vault = self.vault.clone();
        let (free, total) = task::blocking("disk", move || vault.space())
            .await
            .map_err(|_| ReadError::Busy)?
            .map_err(|e| ReadError::Failed(Box::new(e)))?;
        Ok(self.assemble(now, &facts, free, total))
    }

    pub(super) fn frame_of(&self, view: &StationView, names: Names) -> Frame {
        let to_annotate = view.alarms.iter().find_map(|a| match a {
            Alarm::ToAnnotate { clips, .. } => Some(*clips),
            _ => None,
        });
        Frame {
            station_name: self.station_name.clone(),
            clock_synced: clock_synced(),
            to_annotate: to_annotate.unwrap_or(0),
            // Missing facts have their own place in the frame.
            alarms: view
                .alarms
                .iter()
                .filter(|a| a.severity() < Severity::Info && !matches!(a, Alarm::ToAnnotate { .. }))
                .count() as u64,
            rooms: self.streams.len() as u64,
            names: Arc::new(names),
        }
    }

    fn assemble(&self, now: UtcMs, facts: &Facts, free: u64, total: u64) -> StationView {
        let board = self.board.bays();
        let uplink_rates = self.board.uplink(now.0);
        let copy_rate = self.board.copy_rate(now.0);
        let bays = bays(facts, &board, self.board.held());
        let disk = disk(facts.disk, free, total, self.reserve_bytes);
        let destinations = self.destination_views(facts, now);
        let alarms = alarm::standing(now, &alarm_facts(facts, &bays, &disk, &destinations, &self.health.report()));
        let queue_bytes = facts.figures.unproven_bytes;
        let stall = send_stall(&destinations, facts);
        let copy_stall = bays.iter().find_map(|b| match &b.state {
            BayState::NoRoom(_) => Some(Stall::NoRoom),
            BayState::Failing { .. } => Some(Stall::CannotRead { bay: b.name.clone() }),
            _ => None,
        });
        let f = &facts.figures;
        let stage = |s: &StageFigures| Stage {
            clips: s.count,
            bytes: s.bytes,
            oldest_age_ms: s.oldest_ms.map(|at| (now.0 - at).max(0)),
            ..Stage::default()
        };
        let listed: u64 = board.iter().map(|(_, b)| b.files).sum();
        let left: u64 = board.iter().map(|(_, b)| b.bytes.saturating_sub(b.bytes_done)).sum();
        let flow = [
            Stage {
                clips: listed,
                recorders: Some(f.docked.count),
                rate_bytes_per_s: Some(copy_rate),
                ..stage(&f.docked)
            },
            Stage { bytes: left, rate_bytes_per_s: Some(copy_rate), stall: copy_stall, ..stage(&f.copying) },
            Stage { rate_bytes_per_s: Some(uplink_rates.rate), ..stage(&f.sealed) },
            Stage { rate_bytes_per_s: Some(uplink_rates.rate), stall, ..stage(&f.sending) },
            Stage { today: Some(f.proven_today), ..stage(&f.proven) },
            Stage { ..stage(&f.released) },
        ];
        StationView {
            flow,
            bays,
            uplink: Uplink {
                rate_bytes_per_s: uplink_rates.rate,
                history: uplink_rates.minutes.iter().map(|bytes| bytes / 60).collect(),
                queue_bytes,
                eta_ms: (uplink_rates.rate > 0).then(|| (queue_bytes * 1000 / uplink_rates.rate) as i64),
                destinations,
            },
            disk,
            alarms,
            risen: facts.risen.iter().map(risen).collect(),
        }
    }

    fn destination_views(&self, facts: &Facts, now: UtcMs) -> Vec<DestinationView> {
        let lines = self.board.lines();
        facts
            .backlogs
            .iter()
            .map(|(name, required, backlog)| {
                let row = facts.destinations.iter().find(|d| d.name == *name);
                let since = UtcMs(row.and_then(|r| r.trouble_ms).unwrap_or(0));
                let pause = facts.pauses.iter().find(|p| p.holds(name, now.0));
                let line = lines.get(name).cloned().unwrap_or_default();
                let health = match row {
                    Some(DestinationRow { trouble: Some(_), trouble_retry: Some(Retry::Transient), .. }) => {
                        Health::Unreachable { since }
                    }
                    Some(DestinationRow { trouble: Some(what), .. }) => Health::Refused { since, what: what.clone() },
                    _ if pause.is_some() => Health::Paused { until: pause.and_then(|p| p.until_ms).map(UtcMs) },
                    _ if line.shut => Health::Shut,
                    _ if line.circuit == "resting" => Health::Resting,
                    Some(DestinationRow { proof: Some(_), .. }) => Health::Working,
                    _ => Health::Checking,
                };
                DestinationView {
                    name: name.clone(),
                    required: *required,
                    health,
                    proof: row.and_then(|r| r.proof),
                    same_device: row.is_some_and(|r| r.same_device),
                    locks: row.is_some_and(|r| r.can_lock),
                    waiting: backlog.waiting,
                    paused: pause.is_some(),
                    ceiling_bytes_per_s: line.ceiling,
                    window: line.window,
                }
            })
            .collect()
    }
}

fn bays(facts: &Facts, board: &[(i64, BoardBay)], held: Vec<HeldDevice>) -> Vec<Bay> {
    let mut bays: Vec<Bay> = facts
        .docks
        .iter()
        .map(|dock| {
            let shown = board.iter().find(|(id, _)| *id == dock.dock).map(|(_, b)| b);
            Bay {
                name: dock.bay.clone(),
                recorder: Some(dock.recorder.clone()),
                officer: dock.officer.clone(),
                state: bay_state(dock, shown),
                held: Vec::new(),
            }
        })
        .collect();
    let empty = |name: &str| Bay {
        name: name.to_owned(),
        recorder: None,
        officer: None,
        state: BayState::Empty,
        held: Vec::new(),
    };
    for name in &facts.bays {
        if !bays.iter().any(|b| b.name == *name) {
            bays.push(empty(name));
        }
    }
    for device in held {
        let at = bays.iter().position(|b| b.name == device.bay).unwrap_or_else(|| {
            bays.push(empty(&device.bay));
            bays.len() - 1
        });
        let Some(bay) = bays.get_mut(at) else { continue };
        // A recorder beside it is what whoever stands there came for; of several devices the first is shown.
        if bay.state == BayState::Empty {
            bay.state = BayState::Held(device.why.clone());
        }
        bay.held.push(device);
    }
    bays.sort_by_key(|bay| natural(&bay.name));
    bays
}

/// Sorts `bay-2` before `bay-10`.
fn natural(name: &str) -> (String, u64, String) {
    let digits_at = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
    let (head, rest) = name.split_at(digits_at);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).take(18).collect();
    (head.to_owned(), digits.parse().unwrap_or(0), name.to_owned())
}

fn bay_state(dock: &DockFacts, shown: Option<&BoardBay>) -> BayState {
    let safe = BayState::Safe {
        sealed: dock.sealed,
        proven: dock.proven,
        to_annotate: dock.to_annotate,
        unreadable: dock.unreadable.len() as u64,
        // Something was erased, and nothing stays for a reason that may pass.
        emptied: shown
            .is_some_and(|b| b.erased > 0 && b.kept.iter().all(|(why, _)| *why == NOT_A_RECORDING.to_string())),
    };
    let Some(b) = shown else { return if dock.safe { safe } else { BayState::Listing } };
    let progress = Progress {
        clips_done: b.files_done,
        clips_total: b.files,
        bytes_done: b.bytes_done,
        bytes_total: b.bytes,
        left_ms: match b.footage {
            Some(footage) => footage.left_ms,
            None => (b.rate > 0).then(|| (b.bytes.saturating_sub(b.bytes_done) * 1000 / b.rate) as i64),
        },
        resumed_at_percent: b.resumed_at_percent,
        footage_ms: b.footage.map(|f| (f.done_ms, f.listed_ms)),
    };
    match &b.doing {
        Doing::Stuck { full: true, .. } => BayState::NoRoom(progress),
        Doing::Stuck { reason, .. } => {
            let known = b.bytes > 0 || b.footage.is_some_and(|f| f.done_ms > 0);
            BayState::Failing {
                network: b.footage.is_some(),
                at_percent: known.then(|| progress.percent()),
                reason: reason.clone(),
            }
        }
        Doing::Erasing { done, files } => BayState::Erasing { done: *done, files: *files },
        // Intake takes its word back as soon as a look finds something new; a file that was reported is no longer due.
        _ if b.safe && dock.safe => safe,
        Doing::Listing if b.bytes_done == 0 => BayState::Listing,
        _ => BayState::Copying(progress),
    }
}

fn disk((undelivered, kept, held): (u64, u64, u64), free: u64, total: u64, reserve: u64) -> Disk {
    let used = total.saturating_sub(free);
    Disk {
        total,
        undelivered,
        kept,
        held,
        other: used.saturating_sub(undelivered + kept + held),
        reserve,
        days_left: None,
        stopped: free <= reserve,
    }
}

fn send_stall(destinations: &[DestinationView], facts: &Facts) -> Option<Stall> {
    destinations.iter().find_map(|d| {
        let failed = facts.backlogs.iter().find(|(name, _, _)| *name == d.name).map_or(0, |(_, _, b)| b.failed);
        match &d.health {
            Health::Refused { .. } if d.waiting > 0 => Some(Stall::Refused { destination: d.name.clone() }),
            Health::Unreachable { .. } if d.waiting > 0 => Some(Stall::Unreachable { destination: d.name.clone() }),
            _ if failed > 0 => Some(Stall::Failed { destination: d.name.clone(), clips: failed }),
            _ => None,
        }
    })
}

/// What alarms are made of, out of what was read and what the daemon's parts say.
fn alarm_facts(
    facts: &Facts,
    bays: &[Bay],
    disk: &Disk,
    destinations: &[DestinationView],
    report: &Report,
) -> alarm::Facts {
    let of_destination = |d: &DestinationView| {
        let backlog = facts.backlogs.iter().find(|(name, _, _)| *name == d.name).map(|(_, _, backlog)| backlog);
        DestinationFacts {
            name: d.name.clone(),
            trouble: match &d.health {
                Health::Refused { since, what } => Some(Trouble::Refused { since: *since, what: what.clone() }),
                Health::Unreachable { since } => Some(Trouble::Unreachable { since: *since }),
                Health::Working | Health::Checking | Health::Paused { .. } | Health::Shut | Health::Resting => None,
            },
            same_device: d.same_device,
            proof: d.proof,
            waiting: d.waiting,
            failed: backlog.and_then(|b| b.first_failed.as_ref().map(|(first, what)| (b.failed, *first, what.clone()))),
            mismatched: backlog.and_then(|b| b.first_mismatched.map(|first| (b.mismatched, first))),
        }
    };
    let held = |bay: &Bay| bay.held.iter().map(|d| (bay.name.clone(), d.why.clone(), d.told())).collect::<Vec<_>>();
    alarm::Facts {
        incomplete: (facts.figures.incomplete, facts.figures.incomplete_oldest_ms.map(UtcMs)),
        destinations: destinations.iter().map(of_destination).collect(),
        damaged: facts.damaged,
        quarantined: facts.quarantined,
        isolated: facts.isolated,
        out_of_reach: facts.out_of_reach,
        unreadable: facts
            .docks
            .iter()
            .filter_map(|dock| {
                let (_, what) = dock.unreadable.first()?;
                Some((dock.recorder.clone(), dock.unreadable.len() as u64, what.clone(), dock.network))
            })
            .collect(),
        held: bays.iter().flat_map(held).collect(),
        overdue: facts.overdue.clone(),
        disk: (if disk.stopped { 0 } else { disk.free() }, disk.reserve),
        clock_synced: clock_synced(),
        newest_entry: facts.newest_entry_ms.map(UtcMs),
        checkpoint: facts.checkpoint_ms.map(UtcMs),
        backup: facts.backup_ms.map(UtcMs),
        untold: facts
            .receivers
            .iter()
            .filter(|(_, row)| row.failing)
            .map(|(name, row)| {
                let since = UtcMs(row.oldest_ms.or(row.taken_ms).unwrap_or(0));
                (name.clone(), since, row.waiting, row.words.clone().unwrap_or_default())
            })
            .collect(),
        parts: report
            .parts()
            .filter(|(_, condition)| condition.level > Level::Ok)
            .map(|(name, condition)| PartFacts {
                name: name.to_owned(),
                failed: condition.level == Level::Failed,
                code: condition.code,
                words: condition.words.clone(),
                todo: condition.todo.clone(),
            })
            .collect(),
    }
}

fn risen(row: &AlarmRow) -> Risen {
    Risen {
        id: row.id,
        code: row.code.clone(),
        about: row.about.clone(),
        since: UtcMs(row.risen_ms),
        acknowledged: row.acknowledged.clone().map(|(by, at)| (by, UtcMs(at))),
    }
}

/// Whether the clock is synchronised, where systemd's time service tells; `None` elsewhere.
fn clock_synced() -> Option<bool> {
    let service = std::path::Path::new("/run/systemd/timesync");
    service.is_dir().then(|| service.join("synchronized").exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::recorder::Held;
    use crate::web::view::station::Verdict;

    /// Facts of a station with nothing on it.
    fn nothing() -> Facts {
        Facts {
            figures: StationFigures::default(),
            destinations: Vec::new(),
            backlogs: Vec::new(),
            docks: Vec::new(),
            bays: Vec::new(),
            damaged: (0, None),
            quarantined: (0, None),
            isolated: (0, None),
            out_of_reach: (0, None),
            disk: (0, 0, 0),
            checkpoint_ms: None,
            backup_ms: None,
            pauses: Vec::new(),
            newest_entry_ms: None,
            overdue: Vec::new(),
            receivers: Vec::new(),
            risen: Vec::new(),
        }
    }

    #[test]
    fn bays_come_in_their_physical_order() {
        let mut names = ["bay-10", "bay-2", "a", "bay-1", "3号口", "12号口"];
        names.sort_by_key(|n| natural(n));
        assert_eq!(names, ["3号口", "12号口", "a", "bay-1", "bay-2", "bay-10"]);
    }

    #[test]
    fn a_held_device_has_its_bay_and_gives_way_to_a_recorder() {
        let device = |bay: &str, why| HeldDevice {
            bay: bay.into(),
            port: "1-4".into(),
            usb_id: (0x0951, 0x1666),
            serial: None,
            name: "Kingston DataTraveler".into(),
            why,
            since_ms: 1,
        };
        let facts = Facts {
            docks: vec![DockFacts {
                dock: 1,
                bay: "1".into(),
                recorder: "r".into(),
                officer: None,
                sealed: 0,
                to_annotate: 0,
                proven: 0,
                unreadable: Vec::new(),
                safe: false,
                network: false,
            }],
            bays: vec!["1".into(), "2".into(), "3".into()],
            ..nothing()
        };
        let held = vec![
            device("1", Held::NotStorage),
            device("2", Held::Unknown),
            device("9", Held::Broken("EIO".into())),
            device("2", Held::Refused),
        ];
        let bays = bays(&facts, &[], held);
        let told: Vec<_> = bays.iter().map(|b| (b.name.as_str(), b.state.clone(), b.held.len())).collect();
        assert_eq!(
            told,
            [
                ("1", BayState::Listing, 1),
                ("2", BayState::Held(Held::Unknown), 2),
                ("3", BayState::Empty, 0),
                ("9", BayState::Held(Held::Broken("EIO".into())), 1),
            ]
        );
        let disk = Disk { total: 100, ..Disk::default() };
        let told = alarm_facts(&facts, &bays, &disk, &[], &Report::default());
        let codes: Vec<_> = alarm::standing(UtcMs(0), &told).iter().map(Alarm::code).collect();
        assert!(codes.contains(&"not_storage") && codes.contains(&"unregistered") && codes.contains(&"device_broken"));
    }

    #[test]
    fn parts_and_receivers_that_fail_are_alarms() {
        let health = crate::runtime::health::Health::default();
        let (backup, witness) = (health.part("backup"), health.part("witness w"));
        health.part("vault");
        backup.degraded("backup_failing", "why", "");
        witness.failed("witness_refuses", "why", "do");
        let facts = Facts {
            receivers: vec![
                (
                    "mail".into(),
                    ReceiverRow { failing: true, waiting: 2, oldest_ms: Some(5), ..ReceiverRow::default() },
                ),
                ("alarm:a".into(), ReceiverRow { waiting: 9, ..ReceiverRow::default() }),
            ],
            ..nothing()
        };
        let told = alarm_facts(&facts, &[], &Disk { total: 100, ..Disk::default() }, &[], &health.report());
        let codes: Vec<_> = alarm::standing(UtcMs(9), &told).iter().map(|a| (a.code(), a.about().to_owned())).collect();
        let wanted = [("witness_refuses", "witness w"), ("untold", "mail"), ("backup", "")];
        assert_eq!(codes, wanted.map(|(code, about)| (code, about.to_owned())));
    }

    #[test]
    fn a_bay_is_safe_only_when_the_last_whole_look_said_so() {
        let dock = |safe| DockFacts {
            dock: 1,
            bay: "1".into(),
            recorder: "r".into(),
            officer: None,
            sealed: 2,
            to_annotate: 0,
            proven: 0,
            unreadable: Vec::new(),
            safe,
            network: false,
        };
        let board = BoardBay { files: 2, files_done: 2, safe: true, doing: Doing::Resting, ..BoardBay::default() };
        assert!(matches!(bay_state(&dock(true), Some(&board)), BayState::Safe { .. }));
        assert!(!matches!(bay_state(&dock(false), Some(&board)), BayState::Safe { .. }));
        let new_file = BoardBay { files: 3, safe: false, ..board.clone() };
        assert!(!matches!(bay_state(&dock(true), Some(&new_file)), BayState::Safe { .. }));
        let one_unreadable = BoardBay { files: 3, ..board.clone() };
        assert!(matches!(bay_state(&dock(true), Some(&one_unreadable)), BayState::Safe { .. }));
        let full = BoardBay { doing: Doing::Stuck { reason: "x".into(), full: true }, ..board.clone() };
        assert!(matches!(bay_state(&dock(true), Some(&full)), BayState::NoRoom(_)));
        let erasing = BoardBay { doing: Doing::Erasing { done: 1, files: 2 }, safe: false, ..board.clone() };
        assert_eq!(bay_state(&dock(false), Some(&erasing)).verdict(), Verdict::Hold);
        let emptied = |kept: &[Refusal]| {
            let kept = kept.iter().map(|why| (why.to_string(), 1)).collect();
            let board = BoardBay { erased: 2, kept, ..board.clone() };
            matches!(bay_state(&dock(true), Some(&board)), BayState::Safe { emptied: true, .. })
        };
        assert!(emptied(&[]) && emptied(&[Refusal::NotRecording]));
        assert!(!emptied(&[Refusal::NotRecording, Refusal::Held]));
    }
}
