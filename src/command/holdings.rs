//! What stands at a destination below a prefix, in every version of it, and which of it is worth reading. Of our keys each
//! has one version; where there are more, somebody wrote over it or deleted it, and what was there first still stands under
//! its lock.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;

use crate::domain::error::chain;
use crate::domain::ports::{ByteStream, Destination, ObjectVersion, SendError, VersionMarker};

/// Versions that are listed at most: thirty-eight years of checkpoints at one a minute. More is no list of ours.
const MAX_VERSIONS: u64 = 20_000_000;
/// So many of the newest keys are read, of those before them every second of as many, every fourth, and so on
/// ([`Thinning`]); likewise of those that this database does not know, and of those with more than one version.
pub(super) const DENSE: usize = 100;
/// Steps of a thinning: enough for [`MAX_VERSIONS`].
const STEPS: u32 = 19;
/// Versions of one key that are kept and read, the first and the last of its list. Ours have one.
const VERSIONS: usize = 256;
/// A destination that takes longer with a list or an object does not answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A key with what stands under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// The key.
    pub key: String,
    /// Its versions that have bytes, in the remote's order, up to [`VERSIONS`].
    pub versions: Vec<ObjectVersion>,
    /// How many more there are.
    pub unread: u64,
    /// It was deleted there, and its versions are hidden.
    pub deleted: bool,
}

impl Held {
    fn of(first: ObjectVersion) -> Self {
        let mut held = Self { key: first.key.clone(), versions: Vec::new(), unread: 0, deleted: false };
        held.add(first);
        held
    }

    fn add(&mut self, version: ObjectVersion) {
        self.deleted |= version.deleted;
        // A key may come twice.
        if version.deleted || self.versions.contains(&version) {
            return;
        }
        self.versions.push(version);
        if self.versions.len() > VERSIONS {
            self.versions.remove(VERSIONS / 2);
            self.unread += 1;
        }
    }

    /// What a list that came back to the key says of it.
    pub fn merge(&mut self, other: Self) {
        self.deleted |= other.deleted;
        self.unread = self.unread.max(other.unread);
        other.versions.into_iter().for_each(|version| self.add(version));
    }

    /// Somebody wrote over it, or deleted it.
    fn is_touched(&self) -> bool {
        self.versions.len() > 1 || self.deleted
    }
}

/// An answer, or none within a time in which any destination gives one.
pub(super) async fn patient<T>(
    dest: &dyn Destination,
    answer: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        let what = format!("no answer within {} s", PATIENCE.as_secs());
        Err(SendError::Unreachable { destination: dest.name().clone(), what })
    })
}

/// Gives every key below `prefix` after the key `after` to `take`, in the remote's order. Answers why versions could not
/// be seen, where they could not: then what was written over is not among what was given.
pub(super) async fn each(
    dest: &dyn Destination,
    prefix: &str,
    after: Option<&str>,
    take: &mut (dyn FnMut(Held) + Send),
) -> Result<Option<String>, SendError> {
    let begin = after.map(|key| VersionMarker { key: key.to_owned(), place: None });
    let (mut from, mut open, mut listed) = (begin, None::<Held>, 0_u64);
    loop {
        let page = match patient(dest, dest.versions(prefix, from.as_ref())).await {
            Ok(page) => page,
            // A key of ours that may list objects and not versions; a server that knows none.
            Err(e @ (SendError::Refused { .. } | SendError::Protocol { .. })) if open.is_none() => {
                plain(dest, prefix, after, take).await?;
                return Ok(Some(chain(&e)));
            }
            Err(e) => return Err(e),
        };
        listed += page.versions.len() as u64;
        for version in page.versions {
            match &mut open {
                Some(held) if held.key == version.key => held.add(version),
                _ => {
                    if let Some(done) = open.replace(Held::of(version)) {
                        take(done);
                    }
                }
            }
        }
        bounded(dest, listed)?;
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    if let Some(last) = open {
        take(last);
        return Ok(None);
    }
    // A server that takes the question for another one lists no version of what stands there.
    let unseen = plain(dest, prefix, after, take).await? > 0;
    Ok(unseen.then(|| "it lists no versions of what stands there".to_owned()))
}

/// The same by a list of keys.
async fn plain(
    dest: &dyn Destination,
    prefix: &str,
    after: Option<&str>,
    take: &mut (dyn FnMut(Held) + Send),
) -> Result<u64, SendError> {
    let (mut after, mut keys) = (after.map(str::to_owned), 0);
    loop {
        let page = patient(dest, dest.list(prefix, after.as_deref())).await?;
        let Some(last) = page.last().cloned() else { return Ok(keys) };
        keys += page.len() as u64;
        bounded(dest, keys)?;
        page.into_iter().for_each(|key| take(Held::of(ObjectVersion { key, version: None, deleted: false })));
        after = Some(last);
    }
}

fn bounded(dest: &dyn Destination, listed: u64) -> Result<(), SendError> {
    if listed <= MAX_VERSIONS {
        return Ok(());
    }
    let what = format!("it lists more than {MAX_VERSIONS} objects of the log");
    Err(SendError::Protocol { destination: dest.name().clone(), what })
}

/// The bytes of a version, the first `most` of them.
pub(super) async fn bytes(dest: &dyn Destination, version: &ObjectVersion, most: usize) -> Result<Vec<u8>, SendError> {
    patient(dest, async {
        let mut stream: ByteStream = dest.read_version(version).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk?);
            // Cut off, it is nothing that anybody signed, and is reported as such.
            if bytes.len() > most {
                bytes.truncate(most);
                break;
            }
        }
        Ok(bytes)
    })
    .await
}

/// Which of many keys are worth reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which<'a> {
    /// Keys that this database knows.
    pub known: &'a HashSet<String>,
    /// Keys that are read in any case.
    pub wanted: &'a HashSet<String>,
    /// All of them are.
    pub all: bool,
}

/// Those of many keys that are worth reading, chosen while they come: in the log's order, each once.
pub(super) struct Sample<'a> {
    which: Which<'a>,
    wanted: Vec<Arc<Held>>,
    all: Thinning,
    strange: Thinning,
    touched: Thinning,
    /// How many came.
    pub listed: u64,
    /// How many of them have more than one version.
    pub written_over: u64,
    /// How many of them were deleted there.
    pub deleted: u64,
    /// Versions that are too many under one key to be read.
    pub unread: u64,
}

impl<'a> Sample<'a> {
    pub fn new(which: Which<'a>) -> Self {
        Self {
            which,
            wanted: Vec::new(),
            all: Thinning::default(),
            strange: Thinning::default(),
            touched: Thinning::default(),
            listed: 0,
            written_over: 0,
            deleted: 0,
            unread: 0,
        }
    }

    pub fn take(&mut self, held: Held) {
        let held = Arc::new(held);
        self.listed += 1;
        self.written_over += u64::from(held.versions.len() > 1);
        self.deleted += u64::from(held.deleted);
        self.unread += held.unread;
        if held.is_touched() {
            self.touched.take(&held);
        }
        if !self.which.known.contains(&held.key) {
            self.strange.take(&held);
        }
        if self.which.all || self.which.wanted.contains(&held.key) {
            self.wanted.push(Arc::clone(&held));
        }
        self.all.take(&held);
    }

    pub fn chosen(self) -> Vec<Held> {
        let mut chosen: BTreeMap<String, Held> = BTreeMap::new();
        for held in self.all.kept().chain(self.strange.kept()).chain(self.touched.kept()).chain(self.wanted) {
            match chosen.get_mut(&held.key) {
                Some(there) => there.merge(Held::clone(&held)),
                None => {
                    chosen.insert(held.key.clone(), Held::clone(&held));
                }
            }
        }
        chosen.into_values().collect()
    }
}

/// Few of a row whose length is not known beforehand, more of what came last: of each step, the last [`DENSE`] whose place
/// it divides. A stretch of the row goes unseen only where it is shorter than a fiftieth of what came since it began, so
/// that nobody hides what he wrote over some days behind what came in the years before them, or the months after.
#[derive(Default)]
struct Thinning {
    steps: Vec<VecDeque<Arc<Held>>>,
    seen: u64,
}

impl Thinning {
    fn take(&mut self, held: &Arc<Held>) {
        self.steps.resize_with(STEPS as usize, VecDeque::new);
        let divides = self.seen.trailing_zeros().min(STEPS - 1) as usize;
        for step in &mut self.steps[..=divides] {
            step.push_back(Arc::clone(held));
            if step.len() > DENSE {
                step.pop_front();
            }
        }
        self.seen += 1;
    }

    fn kept(self) -> impl Iterator<Item = Arc<Held>> {
        self.steps.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::deliver::fake::FakeDestination;
    use crate::domain::ids::{DestinationName, StationId};

    fn version(key: &str, version: Option<&str>, deleted: bool) -> ObjectVersion {
        ObjectVersion { key: key.to_owned(), version: version.map(str::to_owned), deleted }
    }

    fn held(n: usize, more: bool) -> Held {
        let key = format!("v1/one/log/checkpoint/0001/{n:012}");
        let mut held = Held::of(version(&key, None, false));
        if more {
            held.add(version(&key, Some("1"), false));
        }
        held
    }

    /// Above this nothing is read, however long the list is.
    const MOST: usize = DENSE * (STEPS as usize + 1);

    fn chosen(n: usize, known: &HashSet<String>, touched: impl Fn(usize) -> bool) -> (Vec<Held>, u64) {
        chosen_of(n, Which { known, wanted: &HashSet::new(), all: false }, touched)
    }

    fn chosen_of(n: usize, which: Which<'_>, touched: impl Fn(usize) -> bool) -> (Vec<Held>, u64) {
        let mut sample = Sample::new(which);
        (0..n).for_each(|i| sample.take(held(i, touched(i))));
        let written_over = sample.written_over;
        (sample.chosen(), written_over)
    }

    #[test]
    fn few_are_read_whole_and_many_by_sample() {
        let all: HashSet<String> = (0..50_000).map(|n| held(n, false).key).collect();
        for n in [0, 1, 20, DENSE] {
            assert_eq!(chosen(n, &all, |_| false).0.len(), n);
        }
        let keys = |(chosen, _): (Vec<Held>, u64)| chosen.into_iter().map(|held| held.key).collect::<Vec<_>>();
        let sample = keys(chosen(50_000, &all, |_| false));
        assert!((DENSE..=MOST).contains(&sample.len()), "{}", sample.len());
        assert!(sample.is_sorted() && (50_000 - DENSE..50_000).all(|n| sample.contains(&held(n, false).key)));
        // No stretch goes unseen that is as long as a fiftieth of what came since it began.
        let places: Vec<usize> = sample.iter().map(|key| key[key.len() - 12..].parse().unwrap()).collect();
        assert_eq!(places[0], 0);
        for pair in places.windows(2) {
            let unseen = pair[1] - pair[0] - 1;
            assert!(unseen * 50 <= 50_000 - pair[0], "{unseen} after {}", pair[0]);
        }
        // A stretch that this database never made is read, however small; so is what was written over.
        let all_known = all.clone();
        let mut known = all.clone();
        known.remove(&held(20_001, false).key);
        assert!(keys(chosen(50_000, &known, |_| false)).contains(&held(20_001, false).key));
        let (some, written_over) = chosen(50_000, &all, |n| n == 31_007);
        assert!(written_over == 1 && some.contains(&held(31_007, true)));
        assert!(keys(chosen(50_000, &HashSet::new(), |_| true)).len() <= 3 * MOST);
        // What is asked for by its key, and all of it where that is asked for.
        let wanted = HashSet::from([held(20_003, false).key]);
        let which = |wanted, all| Which { known: &all_known, wanted, all };
        assert!(keys(chosen_of(50_000, which(&wanted, false), |_| false)).contains(&held(20_003, false).key));
        assert_eq!(keys(chosen_of(50_000, which(&HashSet::new(), true), |_| false)).len(), 50_000);
    }

    #[test]
    fn of_too_many_versions_the_first_and_the_last_are_read() {
        let mut many = Held::of(version("k", None, false));
        (1..100).for_each(|n| many.add(version("k", Some(&n.to_string()), false)));
        many.add(version("k", None, false));
        many.add(version("k", Some("gone"), true));
        assert!(many.deleted && many.versions.len() == 100 && many.unread == 0, "all of them");
        (100..1_000).for_each(|n| many.add(version("k", Some(&n.to_string()), false)));
        let read: Vec<_> = many.versions.iter().map(|v| v.version.clone().unwrap_or_default()).collect();
        assert_eq!((read.len(), many.unread), (VERSIONS, 1_000 - VERSIONS as u64));
        let half = VERSIONS / 2;
        assert_eq!((read[half - 1].clone(), read[half].clone()), ((half - 1).to_string(), (1_000 - half).to_string()));
        assert_eq!((&*read[0], &*read[VERSIONS - 1]), ("", "999"));
    }

    #[test]
    fn a_key_to_which_the_list_comes_back_is_one() {
        let (known, wanted) = (HashSet::from(["k".to_owned()]), HashSet::new());
        let mut taken = Sample::new(Which { known: &known, wanted: &wanted, all: false });
        taken.take(Held::of(version("k", Some("2"), false)));
        taken.take(Held::of(version("m", None, false)));
        let mut again = Held::of(version("k", Some("1"), false));
        again.add(version("k", Some("3"), true));
        taken.take(again);
        let chosen = taken.chosen();
        let read: Vec<_> = chosen.iter().map(|held| (held.key.as_str(), held.versions.len(), held.deleted)).collect();
        assert_eq!(read, [("k", 2, true), ("m", 1, false)]);
    }

    #[tokio::test]
    async fn what_was_written_over_is_found_and_read() {
        let dest = FakeDestination::new(DestinationName::new("d").unwrap(), StationId::new("one").unwrap());
        for n in 0..1_203 {
            dest.put_small(&format!("p/{n:06}"), Bytes::from_static(b"first"), "t", None).await.unwrap();
        }
        dest.write_over("p/000700", Bytes::from_static(b"second"));
        let (mut all, mut later) = (Vec::new(), 0);
        assert_eq!(each(&*dest, "p/", None, &mut |held| all.push(held)).await.unwrap(), None);
        assert_eq!(each(&*dest, "p/", Some("p/000700"), &mut |_| later += 1).await.unwrap(), None);
        assert_eq!((all.len(), later), (1_203, 502));
        let twice: Vec<_> = all.iter().filter(|held| held.versions.len() > 1).collect();
        assert!(twice.len() == 1 && twice[0].key == "p/000700");
        let mut read = Vec::new();
        for version in &twice[0].versions {
            read.push(bytes(&*dest, version, 100).await.unwrap());
        }
        assert_eq!(read, [b"second".to_vec(), b"first".to_vec()]);
        assert_eq!(bytes(&*dest, &twice[0].versions[0], 3).await.unwrap(), b"sec");
    }
}
