//! What destinations with folders on a server share (SFTP, FTP, WebDAV): where uploads under way stand, what their
//! sessions are called, and a listing in order that is made of single folders.
//!
//! ```text
//! <root>/evidock-uploads/<session>.part    an upload under way; its length is how far it got
//! <root>/evidock-uploads/<digest>.new      a small object before it gets its name
//! <root>/evidock-replaced/<session>        an object that held other bytes than it should, set aside, never deleted
//! <root>/v1/...                            objects
//! ```
//!
//! The names are not hidden ones: some servers neither list nor take names that begin with a dot.

use sha2::Digest;

use crate::domain::digest::{Sha256, from_hex, to_hex};
use crate::domain::ids::DestinationName;
use crate::domain::ports::{BoxFuture, SendError};

/// Holds uploads under way.
pub(super) const UPLOADS: &str = "evidock-uploads";
/// Holds what was set aside.
pub(super) const REPLACED: &str = "evidock-replaced";
/// Keys in one listing (the port's promise).
const MAX_LISTED: usize = 1000;

/// The text of a new session: 32 hexadecimal digits that nobody else draws.
pub(super) fn new_session() -> String {
    to_hex(&rand::random::<[u8; 16]>())
}

/// Where the upload of a session stands below the root; `None` for a text that no session of ours has. It comes out
/// of a database, and must name nothing else.
pub(super) fn upload(session: &str) -> Option<String> {
    is_session(session).then(|| format!("{UPLOADS}/{session}.part"))
}

/// Where an object that stood in a session's way is set aside.
pub(super) fn replaced(session: &str) -> Option<String> {
    is_session(session).then(|| format!("{REPLACED}/{session}"))
}

/// Where a small object stands before it gets its name: the same for the same key, so that a cut leaves nothing
/// behind that the next attempt does not take up.
pub(super) fn small_upload(key: &str) -> String {
    let digest = Sha256(sha2::Sha256::digest(key).into());
    format!("{UPLOADS}/{}.new", to_hex(&digest.as_bytes()[..16]))
}

fn is_session(text: &str) -> bool {
    text.len() == 32 && from_hex(text).is_some() && text.bytes().all(|b| !b.is_ascii_uppercase())
}

/// Refuses keys that no destination takes, and those that lead to what is not an object.
pub(super) fn check(destination: &DestinationName, key: &str) -> Result<(), SendError> {
    super::key::check(destination, key)?;
    if is_ours(key.split('/').next().unwrap_or_default()) {
        let what = format!("{key:?} cannot be an object key");
        return Err(SendError::Protocol { destination: destination.clone(), what });
    }
    Ok(())
}

fn is_ours(first: &str) -> bool {
    first == UPLOADS || first == REPLACED
}

/// Every folder above the object `key`, the uppermost first.
pub(super) fn above(key: &str) -> impl Iterator<Item = &str> {
    key.match_indices('/').map(|(at, _)| &key[..at])
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Without the folder.
    pub name: String,
    /// It is a folder itself.
    pub folder: bool,
}

/// A server that lists one folder at a time.
pub(super) trait Folders: Sync {
    /// What stands in `folder` (a key without a slash at its end; "" is the root), in any order; nothing where there is
    /// no such folder.
    fn entries<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, SendError>>;
}

/// Keys below `prefix` after the key `after`, at most a page of them. A folder comes where its name with the slash that
/// its keys have would come.
pub(super) async fn list(folders: &dyn Folders, prefix: &str, after: Option<&str>) -> Result<Vec<String>, SendError> {
    let after = after.unwrap_or_default();
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut keys = Vec::new();
    // Names still to be looked at, of the folder that is being walked and of those above it.
    let mut open = vec![names(folders, folder).await?];
    while let Some(names_left) = open.last_mut() {
        let Some(name) = names_left.next() else {
            open.pop();
            continue;
        };
        match name.strip_suffix('/') {
            Some(folder) => {
                let may_match = name.starts_with(prefix) || prefix.starts_with(&name);
                // Every key below sorts before `after` unless `after` is below too or sorts before the folder.
                let may_follow = name.as_str() > after || after.starts_with(&name);
                if may_match && may_follow {
                    open.push(names(folders, folder).await?);
                }
            }
            None if name.starts_with(prefix) && name.as_str() > after => {
                keys.push(name);
                if keys.len() == MAX_LISTED {
                    break;
                }
            }
            None => {}
        }
    }
    Ok(keys)
}

/// Keys and folders (with a slash at their end) right below `folder`, sorted. A server's names are not trusted: what
/// could not be a part of a key is passed over.
async fn names(folders: &dyn Folders, folder: &str) -> Result<std::vec::IntoIter<String>, SendError> {
    let mut names: Vec<String> = folders
        .entries(folder)
        .await?
        .into_iter()
        .filter(|entry| super::key::is_segment(&entry.name) && !(folder.is_empty() && is_ours(&entry.name)))
        .map(|entry| {
            let slash = if entry.folder { "/" } else { "" };
            if folder.is_empty() { format!("{}{slash}", entry.name) } else { format!("{folder}/{}{slash}", entry.name) }
        })
        .collect();
    names.sort_unstable();
    Ok(names.into_iter())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Folders made of the keys that they hold.
    struct Made(Vec<String>);

    impl Folders for Made {
        fn entries<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<Vec<Entry>, SendError>> {
            let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            let below = self.0.iter().filter_map(|key| key.strip_prefix(&start));
            let entries: BTreeSet<(String, bool)> = below
                .map(|rest| rest.split_once('/').map_or((rest.to_owned(), false), |(name, _)| (name.to_owned(), true)))
                .collect();
            let entries = entries.into_iter().rev().map(|(name, folder)| Entry { name, folder }).collect();
            Box::pin(async move { Ok(entries) })
        }
    }

    #[tokio::test]
    async fn pages_leave_nothing_out() {
        let mut keys: Vec<String> = (0..2500).map(|n| format!("v1/{}/{n:05}", n / 700)).collect();
        keys.extend(["v1/0-x", "v1/0a", "v10/a", "w"].map(str::to_owned));
        keys.sort();
        let made = Made(keys.iter().cloned().chain(["evidock-uploads/x.part".into(), "v1/.hidden/a".into()]).collect());
        for (prefix, wanted) in [("", keys.len()), ("v1", keys.len() - 1), ("v1/", keys.len() - 2), ("v1/0", 702)] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = list(&made, prefix, after.as_deref()).await.unwrap();
                let Some(last) = page.last() else { break };
                assert!(page.len() <= MAX_LISTED);
                after = Some(last.clone());
                seen.extend(page);
            }
            assert_eq!(seen.len(), wanted, "{prefix}");
            assert!(seen.iter().all(|key| keys.contains(key)));
        }
    }

    #[test]
    fn names_of_ours() {
        let session = new_session();
        assert_eq!(upload(&session), Some(format!("evidock-uploads/{session}.part")));
        for other in ["", "..", "../../etc/passwd", &"g".repeat(32), &"A".repeat(32), "of another kind"] {
            assert_eq!((upload(other), replaced(other)), (None, None), "{other}");
        }
        assert_eq!(small_upload("v1/x"), small_upload("v1/x"));
        assert_ne!(small_upload("v1/x"), small_upload("v1/y"));
        assert_eq!(above("v1/a/b").collect::<Vec<_>>(), ["v1", "v1/a"]);
        let name = DestinationName::new("d").unwrap();
        assert!(check(&name, "v1/x").is_ok());
        assert!(check(&name, "evidock-uploads/x").is_err() && check(&name, "evidock-replaced").is_err());
    }
}
