//! What a recorder itself says about a clip, kept beside it, so that rules can be applied again later
//! (a roster that comes after the dock). Untrusted text, bounded by whoever read it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The recorder's word about one clip. Stored as JSON with the clip; readers ignore unknown fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Name of the profile that read it.
    pub profile: String,
    /// IANA name of the recorder's zone.
    pub zone: String,
    /// Named captures of the file's name.
    pub captures: BTreeMap<String, String>,
    /// The time in the file's name: as written, milliseconds since the Unix epoch, offset in seconds.
    pub named: Option<(String, i64, i32)>,
    /// What the file's own time means: `end`, `start`, `unknown`.
    pub modified_is: String,
    /// Field and value from sidecar files.
    pub sidecar: Vec<(String, String)>,
    /// Field and value from a binding file that passed its check.
    pub binding: Vec<(String, String)>,
    /// State of the binding file: `none`, `tampered`, `not_registered`, `bound`.
    pub binding_state: String,
    /// When the recorder was docked, milliseconds since the Unix epoch; of what was put on it later in the same stay, when
    /// that was first listed.
    pub docked_ms: i64,
}
