//! From view models to what a template prints: words chosen, numbers written, styles named. Pure functions
//! without markup, so that templates hold no decisions.

pub mod alarms;
pub mod case;
pub mod clip;
pub mod clips;
pub mod derived;
pub mod exports;
pub mod plot;
pub mod reports;
pub mod rooms;
pub mod station;
pub mod verify;

use jiff::tz::TimeZone;

use super::shared::MOST_WAITING;
use super::view::Frame;
use super::who::Who;
use crate::domain::event::Actor;
use crate::domain::how_far::HowFar;
use crate::domain::rights::Action;
use crate::domain::time::UtcMs;
use crate::domain::words::Words;

/// How far something is: per cent, and in words with the time left. `None` of the words: what is counted is not bytes.
pub fn how_far_told(far: &HowFar, counted: Option<String>, w: &Words) -> (u64, String) {
    let percent = far.percent();
    let left = far.left_ms.map(|ms| w.left(ms));
    let parts: Vec<String> = [Some(format!("{percent} %")), counted, left].into_iter().flatten().collect();
    (percent, parts.join(" · "))
}

/// The same of bytes.
pub fn bytes_told(far: &HowFar, w: &Words) -> (u64, String) {
    how_far_told(far, Some(format!("{} / {}", w.size(far.done), w.size(far.of))), w)
}

/// Which entry of the navigation a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    /// The station page.
    Station,
    /// The list of clips and a clip.
    Clips,
    /// What lacks facts.
    Annotate,
    /// Cases and a case.
    Cases,
    /// Rooms that are recorded live.
    Rooms,
    /// Accounts and rights.
    Accounts,
    /// The own account.
    Account,
    /// The log.
    Log,
    /// Holds, isolation, disposal.
    Keeping,
    /// Issue and return.
    Desk,
    /// Administration.
    Admin,
    /// Statistics.
    Reports,
    /// Random samples.
    Sampling,
    /// Legal review.
    Review,
    /// None of them.
    Other,
}

/// What every page needs besides its own facts.
pub struct Ctx {
    /// Words of the visitor's language.
    pub w: &'static Words,
    /// The station's zone.
    pub zone: TimeZone,
    /// Now.
    pub now: UtcMs,
    /// The frame.
    pub frame: Frame,
    /// Clips that wait for whoever looks: of all that the station has, those that lists hold for them.
    pub waiting: u64,
    /// Where in the navigation.
    pub nav: Nav,
    /// Path and query of the page itself, for the language switch and the live parts.
    pub path: String,
    /// Position of the live events when this was rendered, so that nothing in between is missed.
    pub live_id: String,
    /// Who looks.
    pub who: Who,
}

/// An instant as printed: in the station's zone, with the offset on hover and the exact form for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// RFC 3339 for the `datetime` attribute.
    pub iso: String,
    /// What is read.
    pub text: String,
    /// What hovering tells.
    pub hover: String,
}

impl Ctx {
    /// Day and time to the second.
    pub fn stamp(&self, at: UtcMs) -> Stamp {
        self.stamped(at, self.w.day_time(at, &self.zone))
    }

    /// The time alone today, else day and minute.
    pub fn near(&self, at: UtcMs) -> Stamp {
        self.stamped(at, self.w.near(at, self.now, &self.zone))
    }

    /// An RFC 3339 text as the record has it; a text that is none is printed as it stands.
    pub fn stamp_text(&self, rfc3339: &str) -> Stamp {
        match UtcMs::parse_rfc3339(rfc3339) {
            Some(at) => self.stamp(at),
            None => Stamp { iso: String::new(), text: rfc3339.to_owned(), hover: String::new() },
        }
    }

    /// Who acted, by name where there is one.
    pub fn named(&self, actor: &Actor) -> String {
        self.w.named(actor, &self.frame.names)
    }

    /// The clock in the frame.
    pub fn clock(&self) -> Stamp {
        self.stamped(self.now, self.w.minute(self.now, &self.zone))
    }

    fn stamped(&self, at: UtcMs, text: String) -> Stamp {
        Stamp { iso: at.rfc3339_in(&self.zone), text, hover: self.w.offset(at, &self.zone) }
    }

    /// How many alarms stand.
    pub fn alarms(&self) -> String {
        self.w.number(self.frame.alarms)
    }

    /// How many clips wait for whoever looks.
    pub fn to_annotate(&self) -> String {
        let n = self.w.number(self.waiting);
        // Those of an account are counted no further.
        if self.waiting == u64::from(MOST_WAITING) && self.waiting != self.frame.to_annotate {
            format!("{n}+")
        } else {
            n
        }
    }

    /// Address of an asset, with the digest of its content.
    pub fn asset(&self, name: &str) -> String {
        super::assets::href(name)
    }

    /// What a form of theirs carries.
    pub fn token(&self) -> Option<&str> {
        match &self.who {
            Who::Signed { form_token, .. } => form_token.as_deref(),
            _ => None,
        }
    }

    /// Whoever signed in with a browser: name and roles.
    pub fn me(&self) -> Option<(&str, String)> {
        let signed = self.who.signed().filter(|s| s.session.is_some())?;
        let roles: Vec<&str> = signed.roles.iter().map(|role| self.w.role(role)).collect();
        Some((&signed.name, roles.join(" · ")))
    }

    /// The station has no account: whoever opens the page may do everything.
    pub fn is_open(&self) -> bool {
        matches!(self.who, Who::Open)
    }

    /// Whether there is anything over which they may do this, by the action's word: what a page offers.
    pub fn may(&self, action: &str) -> bool {
        Action::parse(action).is_some_and(|action| self.who.may_ever(action))
    }

    /// Whether the page itself stands at this path.
    pub fn path_is(&self, path: &str) -> bool {
        self.path.split('?').next() == Some(path)
    }

    /// Whether a navigation entry is the present one.
    pub fn is(&self, nav: &str) -> bool {
        matches!(
            (self.nav, nav),
            (Nav::Station, "station")
                | (Nav::Clips, "clips")
                | (Nav::Annotate, "annotate")
                | (Nav::Cases, "cases")
                | (Nav::Rooms, "rooms")
                | (Nav::Accounts, "accounts")
                | (Nav::Account, "account")
                | (Nav::Log, "log")
                | (Nav::Keeping, "keeping")
                | (Nav::Desk, "desk")
                | (Nav::Admin, "admin")
                | (Nav::Reports, "reports")
                | (Nav::Sampling, "sampling")
                | (Nav::Review, "review")
        )
    }
}

/// Seconds that a page about so many clips waits between two looks: what a look costs grows with them. 0: it does not wait.
pub fn pace_s(clips: u64) -> u64 {
    (clips / 250).min(30)
}

/// A path segment, percent-encoded.
pub fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The page of a case.
pub fn case_href(number: &str) -> String {
    format!("/cases/{}", segment(number))
}
