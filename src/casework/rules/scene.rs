//! Whether a clip was captured at the scene of a case, by what is known of both.

use jiff::tz::TimeZone;

use super::{About, DAY_MS};
use crate::casework::case_index::Known;
use crate::config::Linking;
use crate::domain::grounds::{At, Fit, Ground};
use crate::domain::place::distance_m;
use crate::domain::register::{name_key, same_place};

/// What of place and party fits, and what speaks against it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct AtScene {
    pub fits: Vec<Fit>,
    pub against: Vec<Ground>,
}

impl AtScene {
    /// Whether it was this party or this very place. A position is near the shop next door as well.
    pub fn is_sure(&self) -> bool {
        self.against.is_empty() && self.fits.iter().any(|fit| matches!(fit, Fit::Place(_) | Fit::Party(_)))
    }
}

/// Positions speak before words against a place: an address may be written in two ways, and one name may stand in two towns.
/// What only one of the two has says nothing.
pub(super) fn compare(about: &About<'_>, case: &Known, linking: &Linking, zone: &TimeZone) -> AtScene {
    let mut scene = AtScene::default();
    let metres = about.position.zip(case.position).map(|(here, there)| distance_m(here, there));
    match metres.map(|m| (m <= f64::from(linking.near_m), m.round() as i64)) {
        Some((true, m)) => scene.fits.push(Fit::AddressM(m)),
        Some((false, metres)) => scene.against.push(Ground::FarFromAddress { metres }),
        None => {}
    }
    if let Some((here, there)) = about.place.zip(case.place.as_deref()) {
        match same_place(here, there) {
            true if is_as_exact(here, there) => scene.fits.push(Fit::Place(here.to_owned())),
            // The street of it.
            true => {}
            false if metres.is_none() => {
                scene.against.push(Ground::OtherPlace { here: here.to_owned(), there: there.to_owned() });
            }
            false => {}
        }
    }
    if let Some((party, theirs)) = about.party.zip(case.party_key.as_ref()) {
        match name_key(party) == *theirs {
            true => scene.fits.push(Fit::Party(party.to_owned())),
            false => scene.against.push(Ground::OtherParty { party: party.to_owned() }),
        }
    }
    if let Some((start, opened)) = about.start_ms.zip(case.opened_ms)
        && !is_about(start, opened, case.closed_ms, linking)
    {
        let days = start.saturating_sub(opened).saturating_abs() / DAY_MS;
        scene.against.push(Ground::LongApart { opened: At::of(opened, zone), days });
    }
    scene
}

/// Whether what was captured then may be of a case that was opened and closed then.
pub(super) fn is_about(start_ms: i64, opened_ms: i64, closed_ms: Option<i64>, linking: &Linking) -> bool {
    let (before, after) = (linking.before.as_millis() as i64, linking.after.as_millis() as i64);
    let until = closed_ms.map_or(opened_ms.saturating_add(after), |closed| closed.saturating_add(DAY_MS));
    start_ms >= opened_ms.saturating_sub(before) && start_ms <= until
}

/// Whether of two places in words neither leaves out a number: five shops stand in one street.
fn is_as_exact(here: &str, there: &str) -> bool {
    let numbers = |text: &str| name_key(text).chars().filter(char::is_ascii_digit).collect::<String>();
    numbers(here) == numbers(there)
}
