//! Evidence packages as they are asked for: where they go, and how far each is. Pure.

use super::ids::{DestinationName, IdError};

/// Where a package goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A folder on the station, from which discs are burnt.
    Station,
    /// A zip that whoever asked fetches with the browser; nothing of its clips is written on the station.
    Browser,
    /// A zip at a destination.
    At(DestinationName),
}

impl Target {
    /// The stored word.
    pub fn to_word(&self) -> String {
        match self {
            Self::Station => "station".into(),
            Self::Browser => "browser".into(),
            Self::At(name) => format!("at:{name}"),
        }
    }

    /// Reads the stored word back.
    pub fn parse(word: &str) -> Result<Self, IdError> {
        match word {
            "station" => Ok(Self::Station),
            "browser" => Ok(Self::Browser),
            other => DestinationName::new(other.strip_prefix("at:").unwrap_or(other)).map(Self::At),
        }
    }
}

/// How far a package is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportState {
    /// Waits for a second person.
    Asked,
    /// The second person refused it.
    Refused,
    /// Due, or under way.
    Making,
    /// Stopped; a person lets it go on.
    Failed,
    /// Signed and whole.
    Ready,
}

impl ExportState {
    const ALL: [Self; 5] = [Self::Asked, Self::Refused, Self::Making, Self::Failed, Self::Ready];

    /// The stored word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Making => "making",
            Self::Failed => "failed",
            Self::Ready => "ready",
        }
    }

    /// Reads the stored word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_stored() {
        for state in ExportState::ALL {
            assert_eq!(ExportState::parse(state.as_str()), Some(state));
        }
        for word in ["station", "browser", "at:county-cloud"] {
            assert_eq!(Target::parse(word).unwrap().to_word(), word);
        }
        assert!(Target::parse("at:../x").is_err() && Target::parse("").is_err());
    }
}
