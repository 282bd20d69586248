//! Names of things: each a newtype that can only hold a value that is safe where it is used
//! (object keys, file names, log entries, pages).

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::why::{Why, in_words_of_why};

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdError {
    /// Not a version 7 UUID in its hyphenated lower-case form.
    ClipId(String),
    /// Not the id of a recording; it has the form of a clip's.
    RecordingId(String),
    /// A key-safe name with other characters or of another length.
    Key {
        /// Which kind of name.
        what: &'static str,
        /// The refused value.
        value: String,
    },
    /// A label with control characters, or empty, or too long.
    Label {
        /// Which kind of name.
        what: &'static str,
        /// The refused value.
        value: String,
    },
}

in_words_of_why!(IdError);

impl From<&IdError> for Why {
    fn from(error: &IdError) -> Self {
        match error {
            IdError::ClipId(typed) => Self::NotAClipId { typed: typed.clone() },
            IdError::RecordingId(typed) => Self::NotARecordingId { typed: typed.clone() },
            IdError::Key { what, value } => Self::KeyForm { typed: value.clone(), what: (*what).to_owned() },
            IdError::Label { what, value } => Self::NameForm { typed: value.clone(), what: (*what).to_owned() },
        }
    }
}

/// Identity of a clip and of its record (decision 1): a UUIDv7, committed before the first byte is
/// copied. It names the vault's files and the object keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClipId(Uuid);

impl ClipId {
    /// A new id that sorts by `now_ms` (milliseconds since the Unix epoch).
    pub fn generate(now_ms: i64) -> Self {
        let ms = now_ms.max(0);
        let ts = uuid::Timestamp::from_unix(uuid::NoContext, (ms / 1000) as u64, ((ms % 1000) * 1_000_000) as u32);
        Self(Uuid::new_v7(ts))
    }

    /// The instant at which the id was made, in milliseconds since the Unix epoch.
    pub fn created_ms(self) -> i64 {
        self.0.get_timestamp().map_or(0, |ts| {
            let (secs, nanos) = ts.to_unix();
            secs as i64 * 1000 + i64::from(nanos / 1_000_000)
        })
    }
}

impl fmt::Display for ClipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for ClipId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused = || IdError::ClipId(text.chars().take(64).collect());
        let uuid = Uuid::try_parse(text).map_err(|_| refused())?;
        // One spelling only, so that an id can be compared and used as a file name as it stands.
        if uuid.get_version_num() != 7 || uuid.as_hyphenated().to_string() != text {
            return Err(refused());
        }
        Ok(Self(uuid))
    }
}

/// Identity of a recording of a live stream: what its segments, each a clip, have in common. Formed like a clip's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordingId(ClipId);

impl RecordingId {
    /// A new id that sorts by `now_ms` (milliseconds since the Unix epoch).
    pub fn generate(now_ms: i64) -> Self {
        Self(ClipId::generate(now_ms))
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RecordingId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse().map(Self).map_err(|_| IdError::RecordingId(text.chars().take(64).collect()))
    }
}

macro_rules! key_name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Accepts 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter or digit.
            pub fn new(value: &str) -> Result<Self, IdError> {
                let ok = (1..=32).contains(&value.len())
                    && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                    && !value.starts_with('-');
                if ok { Ok(Self(value.to_owned())) } else { Err(IdError::Key { what: $what, value: value.to_owned() }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

key_name!(
    /// A station's name in object keys and in the log's origin; fixed for the life of the station.
    StationId,
    "station id"
);
key_name!(
    /// A destination's name in configuration, rows and pages.
    DestinationName,
    "destination name"
);

key_name!(
    /// A live stream's name in configuration, rows and pages.
    StreamName,
    "stream name"
);

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Accepts 1 to 64 printable characters; white space at the ends is dropped.
            pub fn new(value: &str) -> Result<Self, IdError> {
                let value = value.trim();
                let ok = !value.is_empty() && value.chars().count() <= 64 && !value.chars().any(char::is_control);
                if ok { Ok(Self(value.to_owned())) } else { Err(IdError::Label { what: $what, value: value.chars().take(80).collect() }) }
            }

            /// The label as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label!(
    /// A recorder's identity: its serial or device number as the profile reads it, else the name it was docked under.
    RecorderId,
    "recorder id"
);
label!(
    /// A bay: the slot, port or folder name in which a recorder is docked.
    BayName,
    "bay name"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clip_ids_sort_by_time_and_have_one_spelling() {
        let early = ClipId::generate(1_000);
        let late = ClipId::generate(2_000);
        assert!(early < late);
        assert_eq!(late.created_ms(), 2_000);
        let text = early.to_string();
        assert_eq!(text.parse::<ClipId>().unwrap(), early);
        assert!(text.to_uppercase().parse::<ClipId>().is_err());
        assert!(text.replace('-', "").parse::<ClipId>().is_err());
        assert!("00000000-0000-4000-8000-000000000000".parse::<ClipId>().is_err());
        assert!("../../etc/passwd".parse::<ClipId>().is_err());
    }

    #[test]
    fn key_names_are_safe_in_keys() {
        assert!(StationId::new("zhao-01").is_ok());
        for bad in ["", "-a", "A", "a/b", "..", "a b", "站", &"a".repeat(33)] {
            assert!(StationId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn labels_refuse_control_characters() {
        assert_eq!(RecorderId::new(" DSJ-1 ").unwrap().as_str(), "DSJ-1");
        assert!(RecorderId::new("a\nb").is_err());
        assert!(RecorderId::new("  ").is_err());
        assert!(BayName::new("3号口").is_ok());
    }
}
