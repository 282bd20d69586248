//! That the scenes hold every state that the code knows. The arms below are the list: a variant without an arm does not
//! compile, and an arm that no scene brings about fails.

use std::collections::BTreeSet;

use evidock::domain::alarm::PartFacts;
use evidock::domain::clip::{ClipState, ProofLevel};
use evidock::domain::export::ExportState;
use evidock::domain::recorder::Held;
use evidock::web::view::clips::Problem;
use evidock::web::view::station::{Alarm, BayState, Health, Severity, Stall, StationView};

use super::fixtures::{self, Scene};

/// A function that gives the word of a value's state, and all words: both of the same arms.
macro_rules! states {
    ($name:ident, $all:ident, $of:ty, { $($state:pat => $word:literal,)+ }) => {
        fn $name(value: &$of) -> &'static str {
            match value {
                $($state => $word,)+
            }
        }
        const $all: &[&str] = &[$($word),+];
    };
}

states!(bay, BAYS, BayState, {
    BayState::Empty => "empty",
    BayState::Held(Held::Unknown) => "held: unknown",
    BayState::Held(Held::Refused) => "held: refused",
    BayState::Held(Held::NotStorage) => "held: not storage",
    BayState::Held(Held::NoStorage) => "held: no storage",
    BayState::Held(Held::Broken(_)) => "held: broken",
    BayState::Listing => "listing",
    BayState::Copying(_) => "copying",
    BayState::Safe { unreadable: 1.., .. } => "safe: some unreadable",
    BayState::Safe { emptied: true, .. } => "safe: emptied",
    BayState::Safe { to_annotate: 1.., .. } => "safe: to annotate",
    BayState::Safe { .. } => "safe",
    BayState::Erasing { .. } => "erasing",
    BayState::Failing { network: true, .. } => "failing: network",
    BayState::Failing { network: false, .. } => "failing",
    BayState::NoRoom(_) => "no room",
});

states!(health, HEALTHS, Health, {
    Health::Working => "working",
    Health::Checking => "checking",
    Health::Paused { until: Some(_) } => "paused until",
    Health::Paused { until: None } => "paused",
    Health::Shut => "shut",
    Health::Resting => "resting",
    Health::Unreachable { .. } => "unreachable",
    Health::Refused { .. } => "refused",
});

states!(stall, STALLS, Stall, {
    Stall::NoRoom => "no room",
    Stall::CannotRead { .. } => "cannot read",
    Stall::Unreachable { .. } => "unreachable",
    Stall::Refused { .. } => "refused",
    Stall::Failed { .. } => "failed",
});

states!(alarm, ALARMS, Alarm, {
    Alarm::ToAnnotate { .. } => "to annotate",
    Alarm::Refused { .. } => "refused",
    Alarm::Unreachable { .. } => "unreachable",
    Alarm::DeliveriesFailed { .. } => "deliveries failed",
    Alarm::SameDevice { .. } => "same device",
    Alarm::NoProof { .. } => "no proof",
    Alarm::Mismatch { .. } => "mismatch",
    Alarm::Damaged { .. } => "damaged",
    Alarm::Isolated { .. } => "isolated",
    Alarm::OutOfReach { .. } => "out of reach",
    Alarm::Quarantined { .. } => "quarantined",
    Alarm::Unreadable { network: true, .. } => "unreadable: network",
    Alarm::Unreadable { network: false, .. } => "unreadable",
    Alarm::Held { .. } => "held",
    Alarm::Overdue { .. } => "overdue",
    Alarm::DiskLow { .. } => "disk low",
    Alarm::DiskFull { .. } => "disk full",
    Alarm::Clock => "clock",
    Alarm::ClockBack { .. } => "clock back",
    Alarm::LogNotAnchored { .. } => "log not anchored",
    Alarm::Backup { late: true, .. } => "backup: late",
    Alarm::Backup { late: false, .. } => "backup",
    Alarm::Untold { .. } => "untold",
    Alarm::Part(PartFacts { failed: true, .. }) => "part: failed",
    Alarm::Part(PartFacts { failed: false, .. }) => "part: at risk",
});

states!(severity, SEVERITIES, Severity, {
    Severity::Bad => "bad",
    Severity::Warn => "warn",
    Severity::Info => "info",
});

states!(proof, PROOFS, Option<ProofLevel>, {
    None => "not probed",
    Some(ProofLevel::RemoteChecksum) => "remote checksum",
    Some(ProofLevel::ReadBack) => "read back",
    Some(ProofLevel::LengthOnly) => "length only",
    Some(ProofLevel::None) => "nothing",
});

states!(problem, PROBLEMS, Problem, {
    Problem::Damaged => "damaged",
    Problem::Mismatch => "mismatch",
    Problem::SendFailed => "send failed",
    Problem::Quarantined => "quarantined",
    Problem::Isolated => "isolated",
});

states!(clip, CLIPS, ClipState, {
    ClipState::Seen => "seen",
    ClipState::Copying => "copying",
    ClipState::Sealed => "sealed",
    ClipState::Sending => "sending",
    ClipState::Proven => "proven",
    ClipState::Released => "released",
});

states!(export, EXPORTS, ExportState, {
    ExportState::Asked => "asked",
    ExportState::Refused => "refused",
    ExportState::Making => "making",
    ExportState::Failed => "failed",
    ExportState::Ready => "ready",
});

fn every(what: &str, all: &[&'static str], seen: impl Iterator<Item = &'static str>) {
    let seen: BTreeSet<_> = seen.collect();
    let unseen: Vec<_> = all.iter().filter(|word| !seen.contains(**word)).collect();
    assert!(unseen.is_empty(), "{what}: no scene of tests/web/fixtures has {unseen:?}");
}

#[test]
fn every_state_of_the_code_stands_in_a_scene() {
    let stations: Vec<StationView> = Scene::ALL.into_iter().map(fixtures::station_of).collect();
    let destinations = || stations.iter().flat_map(|s| &s.uplink.destinations);
    let alarms = || stations.iter().flat_map(|s| &s.alarms);
    every("bays", BAYS, stations.iter().flat_map(|s| &s.bays).map(|b| bay(&b.state)));
    every("destinations", HEALTHS, destinations().map(|d| health(&d.health)));
    every("proofs", PROOFS, destinations().map(|d| proof(&d.proof)));
    every("stages", STALLS, stations.iter().flat_map(|s| &s.flow).filter_map(|s| s.stall.as_ref()).map(stall));
    every("alarms", ALARMS, alarms().map(alarm));
    every("severities", SEVERITIES, alarms().map(|a| severity(&a.severity())));
    let rows = || Scene::ALL.into_iter().flat_map(fixtures::rows_of);
    every("clips", CLIPS, rows().map(|row| clip(&row.state)));
    every("problems", PROBLEMS, rows().filter_map(|row| row.problem).map(|p| problem(&p)));
    every("packages", EXPORTS, fixtures::packages().iter().map(export));
}
