//! What the rules could not follow, and why: rows that disagree, times that cannot be, people whom a recorder names.

use std::fmt;

use crate::domain::record::{NO_STAY, Origin};

/// A person whom a recorder names, and who was not taken to be the one: a person decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Where it says so.
    pub origin: Origin,
    /// Whom it names.
    pub said: String,
    /// Why it was not followed.
    pub why: Doubt,
}

/// Why a recorder that goes from hand to hand was not followed in whom it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// When it was captured is not known.
    CaptureUnknown,
    /// Neither desk nor roster says who had it then, or rows of the roster name several.
    NoStay,
}

impl Doubt {
    /// A stable word for rows, JSON and the catalogue of words.
    pub fn code(self) -> &'static str {
        match self {
            Self::CaptureUnknown => "whose_unknown",
            Self::NoStay => NO_STAY,
        }
    }
}

/// Roster rows that apply and disagree, with each other or with the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// `case`, or the name of a field; `issue` where the desk says that another officer had the recorder.
    pub what: &'static str,
    /// The rows' lines.
    pub lines: Vec<u64>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.lines.iter().map(u64::to_string).collect();
        if self.what == ISSUE {
            return write!(
                f,
                "roster lines {} name another officer than the one who took the recorder out; they were not followed",
                lines.join(", ")
            );
        }
        write!(
            f,
            "roster lines {} apply and differ in {}; choose one, or correct the roster",
            lines.join(", "),
            self.what
        )
    }
}

/// A time that cannot be when capture began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddTime {
    /// Who says so.
    pub origin: Origin,
    /// What it says.
    pub raw: String,
    /// What is odd.
    pub why: Oddity,
}

/// What is odd about a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// No date and time that can be read.
    Unreadable,
    /// Before there were recorders: its clock had lost its power and was not set again.
    ClockUnset,
    /// More than a day after the dock.
    AfterDock,
    /// After the dock, by less than that: its clock is ahead, by nobody knows how much.
    LaterThanDock,
    /// The name's time and the time of the last write are further apart than the recording is long: the recorder's
    /// clock was changed meanwhile, or the file was written to later.
    ClockJumped,
    /// Its clock was off at the dock, or changed meanwhile, and by how much decides who had the recorder.
    ClockOff,
    /// The container's time was meant as UTC but is local; it was read as local, and counts.
    LocalInContainer,
}

impl Oddity {
    /// A stable word for rows, JSON and the catalogue of words.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::ClockUnset => "clock_unset",
            Self::AfterDock => "after_dock",
            Self::LaterThanDock => "later_than_dock",
            Self::ClockOff => "clock_off",
            Self::LocalInContainer => "local_in_container",
            Self::ClockJumped => "clock_jumped",
        }
    }
}

/// [`Conflict::what`] of rows that the desk contradicts.
pub(super) const ISSUE: &str = "issue";
