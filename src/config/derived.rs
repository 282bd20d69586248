//! Settings of files that are derived of clips. Part of `resolve`.

use std::time::Duration;

use super::resolve::{Places, Problem, whole};
use super::settings::Derived;
use super::written;

/// `[derived]`
pub(super) fn resolve(written: written::Derived, places: &Places<'_>) -> Result<Derived, Problem> {
    Ok(Derived {
        dir: places.or_state(written.dir, "derived"),
        keep: Duration::from_secs(whole("derived.keep_days", written.keep_days, 30, 1..=3650)? * 86_400),
        patience: Duration::from_secs(whole("derived.timeout_minutes", written.timeout_minutes, 60, 1..=1440)? * 60),
        watermark_previews: written.watermark_previews.unwrap_or(false),
    })
}

/// As it would be written.
pub(super) fn to_written(derived: &Derived) -> written::Derived {
    written::Derived {
        dir: Some(derived.dir.clone()),
        keep_days: Some(derived.keep.as_secs() / 86_400),
        timeout_minutes: Some(derived.patience.as_secs() / 60),
        watermark_previews: Some(derived.watermark_previews),
    }
}
