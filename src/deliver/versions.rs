//! Versions at a destination that keeps none: what stands under a key is the only one.

use crate::domain::ports::{Destination, ObjectVersion, SendError, VersionMarker, VersionPage};

/// A page of what stands there.
pub(super) async fn one_each(
    dest: &dyn Destination,
    prefix: &str,
    from: Option<&VersionMarker>,
) -> Result<VersionPage, SendError> {
    let keys = dest.list(prefix, from.map(|from| from.key.as_str())).await?;
    let next = keys.last().map(|key| VersionMarker { key: key.clone(), place: None });
    let versions = keys.into_iter().map(|key| ObjectVersion { key, version: None, deleted: false }).collect();
    Ok(VersionPage { versions, next })
}
