//! Uploads at a remote that nobody knows any more: begun by a station whose database was lost or set back, or in the
//! moment before a crash. Their parts cost money and are seen by nobody, so they are given up, but only below this
//! station's own prefix, only when they are old, and never one that is stored here.

use std::collections::HashSet;

use crate::domain::digest::Sha256;
use crate::domain::grid::{MIN_PART_BYTES, PartGrid};
use crate::domain::ids::StationId;
use crate::domain::layout;
use crate::domain::ports::{Destination, ObjectSpec, OpenSession, SendError};
use crate::domain::time::UtcMs;

/// Days for which an upload that is not known here is left alone: a restored database may still come to know it.
const FORGOTTEN_AFTER_DAYS: i64 = 7;

/// What is under way here.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Sessions that are stored.
    pub sessions: HashSet<String>,
    /// Evidence packages: how far each is stands beside its files, so that its uploads are known by their keys.
    pub packages: Vec<String>,
}

impl Known {
    fn has(&self, station: &StationId, open: &OpenSession) -> bool {
        // Of a package on several discs each has an upload of its own, `<package>-<n>of<m>`.
        let is_of = |package: &String, id: &str| {
            id.strip_prefix(package.as_str()).is_some_and(|disc| disc.is_empty() || disc.starts_with('-'))
        };
        let package = layout::parse_export(station, &open.key);
        self.sessions.contains(&open.session.0)
            || package.is_some_and(|id| self.packages.iter().any(|package| is_of(package, id)))
    }
}

/// The sessions that are given up, of those that are open: old, and known to nobody. One of unknown age is left.
fn forgotten(open: Vec<OpenSession>, station: &StationId, known: &Known, now: UtcMs) -> Vec<OpenSession> {
    let before = UtcMs(now.0 - FORGOTTEN_AFTER_DAYS * 86_400_000);
    let is_old = |session: &OpenSession| session.begun.is_some_and(|begun| begun < before);
    open.into_iter().filter(|session| is_old(session) && !known.has(station, session)).collect()
}

/// Gives up what is forgotten at `dest`; how many that were. `known` is what is under way here.
///
/// # Errors
/// What listing and giving up give. A remote that forbids listing uploads has nothing swept, which is no error.
pub(super) async fn sweep(
    dest: &dyn Destination,
    station: &StationId,
    known: &Known,
    now: UtcMs,
) -> Result<usize, SendError> {
    let open = match dest.open_sessions(&format!("v1/{station}/")).await {
        Ok(open) => open,
        Err(SendError::Refused { what, .. } | SendError::Protocol { what, .. }) => {
            tracing::debug!(destination = %dest.name(), what, "its uploads under way cannot be listed");
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    let forgotten = forgotten(open, station, known, now);
    for session in &forgotten {
        // Only key and session are looked at.
        let object = ObjectSpec {
            key: session.key.clone(),
            size_bytes: 0,
            grid: PartGrid::Fixed(MIN_PART_BYTES),
            content_type: String::new(),
            sha256: Sha256([0; 32]),
            lock_until: None,
        };
        dest.abort(&object, &session.session).await?;
    }
    Ok(forgotten.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::fake::FakeDestination;
    use crate::domain::ids::DestinationName;
    use crate::domain::ports::SessionId;

    #[test]
    fn only_what_is_old_and_known_to_nobody_is_given_up() {
        let now = UtcMs(1_781_834_604_000);
        let session = |id: &str, days: Option<i64>| OpenSession {
            key: "v1/a/clips/x/master".to_owned(),
            session: SessionId(id.to_owned()),
            begun: days.map(|days| UtcMs(now.0 - days * 86_400_000)),
        };
        let station = StationId::new("a").unwrap();
        let sessions = HashSet::from(["stored".to_owned()]);
        let known = Known { sessions, packages: vec!["p1".to_owned()] };
        let of_package =
            |id: &str, package: &str| OpenSession { key: layout::export(&station, package), ..session(id, Some(30)) };
        // The remote's clock may be ahead of ours.
        let open = vec![
            session("stored", Some(30)),
            session("young", Some(6)),
            session("ahead", Some(-3)),
            session("ageless", None),
            session("old", Some(8)),
            of_package("whole", "p1"),
            of_package("disc", "p1-2of3"),
            of_package("other", "p10"),
        ];
        let found: Vec<String> = forgotten(open, &station, &known, now).into_iter().map(|s| s.session.0).collect();
        assert_eq!(found, ["old", "other"], "a package is under way for as long as it takes");
    }

    #[tokio::test]
    async fn a_remote_that_forbids_listing_is_left_alone() {
        let station = StationId::new("zhao-01").unwrap();
        let dest = FakeDestination::new(DestinationName::new("d").unwrap(), station.clone());
        dest.faults(|f| f.refuse = true);
        assert_eq!(sweep(dest.as_ref(), &station, &Known::default(), UtcMs(0)).await.unwrap(), 0);
        dest.faults(|f| (f.refuse, f.unreachable) = (false, true));
        assert!(sweep(dest.as_ref(), &station, &Known::default(), UtcMs(0)).await.is_err());
    }
}
