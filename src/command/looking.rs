//! Looks by the command line: the entry of each is stored before anything is shown (invariant 10). The running daemon
//! stores it; while none runs, the command line does, under the lock that keeps a daemon out meanwhile. Where neither can,
//! nothing is shown.
//!
//! `log verify` is the one look that goes without: it shows nothing of any clip, case or person, and writes nothing into a
//! database that it is there to judge.

use std::sync::Arc;
use std::time::Duration;

use super::desk::draft;
use super::exit::Exit;
use super::run::database;
use super::{Ended, ask, find};
use crate::config::Settings;
use crate::domain::case_number::CaseNumber;
use crate::domain::command::{Caller, Request};
use crate::domain::error::chain;
use crate::domain::event::{Actor, Draft, EventKind};
use crate::domain::ids::ClipId;
use crate::domain::layout;
use crate::runtime::clock::{SystemClock, monotonic};
use crate::runtime::lock::{LockError, StateLock};
use crate::store::{Store, StoreError};

/// A daemon that starts or stops answers or lets go within that.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);

/// The event of a look ([`Request::LogAccess`], [`Request::BeginView`]).
pub(super) fn event_of(caller: &Caller, look: Request) -> Result<Draft, StoreError> {
    match look {
        Request::LogAccess { what, clip, case, terms, purpose } => {
            let kind = match what.as_str() {
                "show" => EventKind::Shown,
                "log" => EventKind::LogRead,
                _ => EventKind::Searched,
            };
            let mut event = draft(kind, caller).fact("what", what);
            event.clip = clip.map(|c| c.parse()).transpose()?;
            event.case = case;
            event.purpose = purpose;
            Ok(match terms {
                Some(terms) => event.secret("terms", terms),
                None => event,
            })
        }
        Request::BeginView { clip, what, purpose } => {
            let mut event = draft(EventKind::ViewBegun, caller).clip(clip.parse()?).fact("what", what);
            event.purpose = purpose;
            Ok(event)
        }
        other => Err(StoreError::Odd(format!("{other:?} is no look"))),
    }
}

/// Stores looks before what they look at is shown.
pub(super) fn store_first(settings: &Settings, looks: &[Request]) -> anyhow::Result<()> {
    let (mut left, until) = (looks, monotonic() + PATIENCE);
    while let [look, rest @ ..] = left {
        match ask::request(settings, look) {
            Ok(_) => left = rest,
            Err(e) if e.downcast_ref::<Ended>().is_some_and(|e| e.exit == Exit::Unreachable) => {
                // Also refuses a database of another version, which only a daemon brings up to date.
                drop(find::store(settings)?);
                match StateLock::acquire(&settings.station.state_dir) {
                    Ok(_lock) => return without_a_daemon(settings, left),
                    // Somebody else looks, or a daemon comes or goes.
                    Err(LockError::Held { .. }) if monotonic() < until => std::thread::sleep(LOOK),
                    Err(e) => return Err(refused(settings, &chain(&e))),
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn without_a_daemon(settings: &Settings, looks: &[Request]) -> anyhow::Result<()> {
    let caller = Caller::new(Actor::os(rustix::process::getuid().as_raw()), "cli", "local");
    let mut events = Vec::new();
    for look in looks {
        look.check().map_err(|why| Ended::why(Exit::Usage, why))?;
        events.push(event_of(&caller, look.clone())?);
    }
    let stored =
        Store::open(&database(settings), &settings.station.id, SystemClock::new() as Arc<_>).and_then(|store| {
            let stored = store.write_blocking(move |tx| events.iter().try_for_each(|event| tx.log(event).map(|_| ())));
            store.close();
            stored
        });
    stored.map_err(|e| refused(settings, &chain(&e)))
}

fn refused(settings: &Settings, why: &str) -> anyhow::Error {
    Ended::with(
        Exit::Unreachable,
        format!(
            "nothing is shown, since the log cannot tell of it: no daemon answers at {}, and without one {why}; start evidock (systemctl start evidock), or look as the user whose database it is",
            settings.control_socket.display()
        ),
    )
}

/// A list of what is done with clips and cases is about to be shown.
pub(super) fn list(settings: &Settings, of: &str) -> anyhow::Result<()> {
    let look =
        Request::LogAccess { what: "list".into(), clip: None, case: None, terms: Some(of.into()), purpose: None };
    store_first(settings, &[look])
}

/// Something is looked for by its name, and what is found is about to be shown.
pub(super) fn searched(settings: &Settings, terms: &str) -> anyhow::Result<()> {
    let look =
        Request::LogAccess { what: "search".into(), clip: None, case: None, terms: Some(terms.into()), purpose: None };
    store_first(settings, &[look])
}

/// What a recorder in the network lists is about to be shown. A machine without a station's database has no log.
pub(super) fn listed_by(settings: &Settings, recorder: &str) -> anyhow::Result<()> {
    if !database(settings).exists() {
        return Ok(());
    }
    list(settings, &format!("recorder {recorder}"))
}

/// Who records in the rooms, and for which case, is about to be shown.
pub(super) fn rooms(settings: &Settings) -> anyhow::Result<()> {
    let look =
        Request::LogAccess { what: "room".into(), clip: None, case: None, terms: Some("rooms".into()), purpose: None };
    store_first(settings, &[look])
}

/// A look at a case by what a destination holds of it. On the station itself it is stored like any other; a machine that
/// has nothing but the bucket has no log of the station's to write into.
pub(super) fn at_destination(settings: &Settings, number: &CaseNumber, from: &str) -> anyhow::Result<()> {
    if !database(settings).exists() {
        return Ok(());
    }
    let look = Request::LogAccess {
        what: "find".into(),
        clip: None,
        case: Some(layout::case_hash(number.key())),
        terms: Some(format!("{} --from {from}", number.raw())),
        purpose: None,
    };
    store_first(settings, &[look])
}

/// Clips are about to be fetched from a destination, likewise.
pub(super) fn fetched(settings: &Settings, clips: impl Iterator<Item = ClipId>) -> anyhow::Result<()> {
    if !database(settings).exists() {
        return Ok(());
    }
    let look = |clip: ClipId| Request::BeginView { clip: clip.to_string(), what: "download".into(), purpose: None };
    store_first(settings, &clips.map(look).collect::<Vec<_>>())
}
