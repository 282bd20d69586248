//! The rule for object keys that every form of destination shares, so that a key which one of them
//! takes every other takes too, and none can be led outside its place.

use crate::domain::ids::DestinationName;
use crate::domain::ports::SendError;

/// Longest key in bytes (Amazon S3, "Naming objects": 1,024).
const MAX_KEY_BYTES: usize = 1024;
/// Longest segment in bytes (Linux, NAME_MAX: 255).
const MAX_SEGMENT_BYTES: usize = 255;

/// Refuses a key that is empty, too long, has control characters or a backslash, or has a segment that is empty or
/// begins with a dot (`.`, `..`, and the names that the folder form keeps for itself).
pub(super) fn check(destination: &DestinationName, key: &str) -> Result<(), SendError> {
    let ok = key.len() <= MAX_KEY_BYTES && key.split('/').all(is_segment);
    if ok { Ok(()) } else { Err(refused(destination, key)) }
}

/// Refuses a prefix that no key can have; an empty one and an unfinished last segment are allowed.
pub(super) fn check_prefix(destination: &DestinationName, prefix: &str) -> Result<(), SendError> {
    let (folders, last) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let ok = prefix.len() <= MAX_KEY_BYTES
        && (folders.is_empty() && !prefix.starts_with('/') || folders.split('/').all(is_segment))
        && (last.is_empty() || is_segment(last));
    if ok { Ok(()) } else { Err(refused(destination, prefix)) }
}

/// Whether it can stand between two slashes of a key.
pub(super) fn is_segment(segment: &str) -> bool {
    (1..=MAX_SEGMENT_BYTES).contains(&segment.len())
        && !segment.starts_with('.')
        // Some servers make a slash of a backslash (SeaweedFS), and so a key of two segments.
        && !segment.chars().any(|c| c.is_control() || c == '\\')
}

fn refused(destination: &DestinationName, key: &str) -> SendError {
    let shown: String = key.chars().take(80).collect();
    SendError::Protocol { destination: destination.clone(), what: format!("{shown:?} cannot be an object key") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_inside() {
        let d = DestinationName::new("d").unwrap();
        for good in ["a", "v1/zhao-01/clips/x/master", "中文 名/a+b%20c", &"k".repeat(255)] {
            assert!(check(&d, good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/.x",
            "a\0b",
            "a\nb",
            "a\\b",
            &"k".repeat(256),
            &"k/".repeat(600),
        ] {
            assert!(check(&d, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn prefixes_may_end_anywhere() {
        let d = DestinationName::new("d").unwrap();
        for good in ["", "v1", "v1/", "v1/ca", "v1/case/"] {
            assert!(check_prefix(&d, good).is_ok(), "{good}");
        }
        for bad in ["/", "/v1", "v1//", "../", "v1/../x", ".uploads/"] {
            assert!(check_prefix(&d, bad).is_err(), "{bad:?}");
        }
    }
}
