//! A destination in memory for tests: honest by default, and able to lie and to fail in the ways that real
//! ones do. It passes the same conformance suite as the real forms; nothing of the daemon uses it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use sha2::Digest;

use super::blocks::BLOCK_BYTES;
use super::{key, prove, trial};
use crate::domain::digest::Sha256;
use crate::domain::ids::{DestinationName, StationId};
use crate::domain::layout;
use crate::domain::ports::{
    Abilities, BoxFuture, ByteSource, ByteStream, Destination, HeldPart, HoldAnswer, ObjectSpec, ObjectVersion,
    OpenSession, PartReceipt, PartSpec, RemoteChecksum, RemoteObject, Removal, SendError, SessionId, VersionMarker,
    VersionPage,
};
use crate::domain::time::UtcMs;

/// What the version before the one that stands is called; those before it are forgotten.
const OLDER: &str = "older";

/// How a destination can be untrue or of no use.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Says yes to everything and keeps nothing.
    pub drop: bool,
    /// Like `drop`, but still describes the object as it should be.
    pub describe_what_was_dropped: bool,
    /// Loses the last byte of each part, and of each object, and says nothing.
    pub truncate: bool,
    /// Flips a bit in what it stores, and says nothing.
    pub flip: bool,
    /// Swaps two halves of what it stores, and says nothing.
    pub swap: bool,
    /// Gives the object that stood under the key before.
    pub serve_older: bool,
    /// Repeats the checksum that it was told, without looking at the bytes, and reports it for the object.
    pub echo_blindly: bool,
    /// Knows nothing of checksums.
    pub no_checksums: bool,
    /// Refuses everything, as after a change of keys.
    pub refuse: bool,
    /// Cannot be reached.
    pub unreachable: bool,
    /// Does what it was asked, and the answer is lost; counts down with each.
    pub lose_answers: u32,
    /// Takes this long for each request.
    pub delay: Duration,
}

/// A destination in memory.
#[derive(Debug)]
pub struct FakeDestination {
    name: DestinationName,
    station: StationId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Faults,
    objects: BTreeMap<String, Stored>,
    older: BTreeMap<String, Stored>,
    sessions: BTreeMap<String, BTreeMap<u64, Part>>,
    keys_of_sessions: BTreeMap<String, String>,
    made_sessions: u64,
    part_bytes_received: u64,
}

#[derive(Debug, Clone)]
struct Part {
    bytes: Bytes,
    told: Sha256,
    sha256: Option<Sha256>,
}

#[derive(Debug, Clone)]
struct Stored {
    bytes: Bytes,
    /// Its length as it was declared: what a liar repeats.
    declared_bytes: u64,
    checksum: Option<RemoteChecksum>,
    locked_until: Option<UtcMs>,
    held: bool,
}

impl FakeDestination {
    /// An honest one.
    pub fn new(name: DestinationName, station: StationId) -> Arc<Self> {
        Arc::new(Self { name, station, state: Mutex::default() })
    }

    /// Changes how it behaves from now on.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.state().faults);
    }

    /// Forgets every upload under way, as stores do with old ones.
    pub fn lose_sessions(&self) {
        self.state().sessions.clear();
    }

    /// The bytes that it truly holds under a key.
    pub fn held(&self, key: &str) -> Option<Bytes> {
        self.state().objects.get(key).map(|stored| stored.bytes.clone())
    }

    /// Damages what it holds under a key behind everyone's back; what it says of it stays.
    pub fn rot(&self, key: &str) {
        if let Some(stored) = self.state().objects.get_mut(key) {
            stored.bytes = flipped(&stored.bytes);
        }
    }

    /// Puts other bytes over what stands under a key, as whoever has its keys may; what stood there before is kept as an
    /// older version.
    pub fn write_over(&self, key: &str, bytes: Bytes) {
        store(&mut self.state(), key, bytes, None, None);
    }

    /// Uploads under way.
    pub fn open_sessions(&self) -> usize {
        self.state().sessions.len()
    }

    /// Bytes of parts received since the beginning, those that were sent again included.
    pub fn part_bytes_received(&self) -> u64 {
        self.state().part_bytes_received
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, fails if it must, does `work`, and perhaps loses the answer.
    async fn answer<T>(&self, work: impl FnOnce(&mut State) -> Result<T, SendError>) -> Result<T, SendError> {
        let delay = self.state().faults.delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut state = self.state();
        let destination = self.name.clone();
        if state.faults.unreachable {
            return Err(SendError::Unreachable { destination, what: "the line is cut".into() });
        }
        if state.faults.refuse {
            return Err(SendError::Refused { destination, what: "HTTP 403".into() });
        }
        let answer = work(&mut state)?;
        if state.faults.lose_answers > 0 {
            state.faults.lose_answers -= 1;
            return Err(SendError::Unreachable { destination, what: "the answer was lost".into() });
        }
        Ok(answer)
    }

    fn mismatch(&self, key: &str, what: &str) -> SendError {
        SendError::Mismatch { destination: self.name.clone(), key: key.to_owned(), what: what.to_owned() }
    }

    fn lost(&self) -> SendError {
        SendError::SessionLost { destination: self.name.clone() }
    }

    async fn take_part(
        &self,
        object: &ObjectSpec,
        session: &SessionId,
        part: &PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> Result<PartReceipt, SendError> {
        let mut bytes = vec![0; usize::try_from(part.len).unwrap_or_default()];
        let mut at = 0;
        while at < bytes.len() {
            match body.read_at(part.offset + at as u64, &mut bytes[at..]).map_err(SendError::Local)? {
                0 => return Err(SendError::Local(std::io::ErrorKind::UnexpectedEof.into())),
                n => at += n,
            }
        }
        self.answer(|state| {
            let faults = state.faults.clone();
            state.part_bytes_received += bytes.len() as u64;
            let parts = state.sessions.get_mut(&session.0).ok_or_else(|| self.lost())?;
            let computed = Sha256(sha2::Sha256::digest(&bytes).into());
            let sha256 = match (faults.no_checksums, faults.echo_blindly) {
                (true, _) => None,
                (false, true) => Some(part.sha256),
                (false, false) => Some(computed),
            };
            if sha256.is_some_and(|sha256| sha256 != part.sha256) {
                return Err(self.mismatch(&object.key, "BadDigest"));
            }
            let tag = format!("\"{computed}\"");
            parts.insert(part.n, Part { bytes: Bytes::from(bytes), told: part.sha256, sha256 });
            Ok(PartReceipt { tag, sha256 })
        })
        .await
    }

    fn make(
        &self,
        state: &mut State,
        object: &ObjectSpec,
        session: &SessionId,
        asked: &[(PartSpec, PartReceipt)],
    ) -> Result<(), SendError> {
        let faults = state.faults.clone();
        let held = state.sessions.get(&session.0).ok_or_else(|| self.lost())?;
        let mut parts = Vec::new();
        for (spec, _) in asked {
            parts.push(held.get(&spec.n).cloned().ok_or_else(|| self.lost())?);
        }
        let bytes: Bytes = parts.iter().flat_map(|part| part.bytes.iter().copied()).collect();
        let told: Vec<Sha256> = parts.iter().map(|part| part.told).collect();
        let checksum = match parts.as_slice() {
            _ if faults.no_checksums => None,
            [] => Some(RemoteChecksum::Whole(Sha256(sha2::Sha256::digest([]).into()))),
            [one] => one.sha256.map(RemoteChecksum::Whole),
            many => Some(RemoteChecksum::Composite(prove::composite(&told), many.len() as u64)),
        };
        state.sessions.remove(&session.0);
        store(state, &object.key, bytes, checksum, object.lock_until);
        Ok(())
    }
}

/// Keeps an object, or what a liar keeps of it. An honest store computes its checksum over what it keeps, so
/// one that damages on the way in reports the damaged digest, unless it repeats blindly.
fn store(state: &mut State, key: &str, bytes: Bytes, checksum: Option<RemoteChecksum>, locked_until: Option<UtcMs>) {
    let faults = state.faults.clone();
    let declared_bytes = bytes.len() as u64;
    let mut kept = bytes.clone();
    if faults.truncate {
        kept.truncate(kept.len().saturating_sub(1));
    }
    if faults.flip {
        kept = flipped(&kept);
    }
    if faults.swap {
        let (front, back) = kept.split_at(kept.len() / 2);
        kept = [back, front].concat().into();
    }
    if faults.drop || faults.describe_what_was_dropped {
        kept = Bytes::new();
    }
    let checksum = match checksum {
        Some(RemoteChecksum::Whole(_))
            if kept != bytes && !faults.echo_blindly && !faults.describe_what_was_dropped =>
        {
            Some(RemoteChecksum::Whole(Sha256(sha2::Sha256::digest(&kept).into())))
        }
        Some(RemoteChecksum::Composite(_, n))
            if kept != bytes && !faults.echo_blindly && !faults.describe_what_was_dropped =>
        {
            Some(RemoteChecksum::Composite(Sha256(sha2::Sha256::digest(&kept).into()), n))
        }
        as_told => as_told,
    };
    if let Some(before) = state
        .objects
        .insert(key.to_owned(), Stored { bytes: kept, declared_bytes, checksum, locked_until, held: false })
    {
        state.older.insert(key.to_owned(), before);
    }
    if faults.drop {
        state.objects.remove(key);
    }
}

fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}

impl State {
    /// The object that a request gets to see.
    fn seen(&self, key: &str) -> Option<Stored> {
        let older = if self.faults.serve_older { self.older.get(key) } else { None };
        older.or_else(|| self.objects.get(key)).cloned()
    }
}

impl Destination for FakeDestination {
    fn name(&self) -> &DestinationName {
        &self.name
    }

    fn probe(&self) -> BoxFuture<'_, Result<Abilities, SendError>> {
        Box::pin(async move {
            let (object, bytes) = trial::object(&layout::probe(&self.station));
            let session = self.begin(&object).await?;
            let found = trial::run(self, &object, &bytes, &session).await?;
            Ok(Abilities {
                proof: found.level(),
                lock: true,
                same_device: false,
                in_order: false,
                detail: found.words(),
            })
        })
    }

    fn begin<'a>(&'a self, object: &'a ObjectSpec) -> BoxFuture<'a, Result<SessionId, SendError>> {
        Box::pin(async move {
            key::check(&self.name, &object.key)?;
            self.answer(|state| {
                state.made_sessions += 1;
                let id = format!("fake-{}", state.made_sessions);
                state.sessions.insert(id.clone(), BTreeMap::new());
                state.keys_of_sessions.insert(id.clone(), object.key.clone());
                Ok(SessionId(id))
            })
            .await
        })
    }

    fn send_part<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        part: &'a PartSpec,
        body: Arc<dyn ByteSource>,
    ) -> BoxFuture<'a, Result<PartReceipt, SendError>> {
        Box::pin(self.take_part(object, session, part, body))
    }

    fn held_parts<'a>(
        &'a self,
        _object: &'a ObjectSpec,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<HeldPart>, SendError>> {
        Box::pin(self.answer(|state| {
            let parts = state.sessions.get(&session.0).ok_or_else(|| self.lost())?;
            let held = |(n, part): (&u64, &Part)| HeldPart {
                n: *n,
                len: part.bytes.len() as u64,
                tag: format!("\"{}\"", Sha256(sha2::Sha256::digest(&part.bytes).into())),
                sha256: part.sha256,
            };
            Ok(parts.iter().map(held).collect())
        }))
    }

    fn complete<'a>(
        &'a self,
        object: &'a ObjectSpec,
        session: &'a SessionId,
        parts: &'a [(PartSpec, PartReceipt)],
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.answer(|state| self.make(state, object, session, parts)))
    }

    fn abort<'a>(&'a self, _object: &'a ObjectSpec, session: &'a SessionId) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.answer(|state| {
            state.sessions.remove(&session.0);
            Ok(())
        }))
    }

    fn put_small<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        _content_type: &'a str,
        lock_until: Option<UtcMs>,
    ) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(async move {
            key::check(&self.name, key)?;
            self.answer(|state| match state.seen(key) {
                Some(stored) if stored.bytes == bytes => {
                    if let Some(stored) = state.objects.get_mut(key) {
                        stored.locked_until = stored.locked_until.or(lock_until);
                    }
                    Ok(())
                }
                Some(_) => Err(self.mismatch(key, "another object stands there under the same key")),
                None => {
                    let told = RemoteChecksum::Whole(Sha256(sha2::Sha256::digest(&bytes).into()));
                    let checksum = (!state.faults.no_checksums).then_some(told);
                    store(state, key, bytes, checksum, lock_until);
                    Ok(())
                }
            })
            .await
        })
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<RemoteObject>, SendError>> {
        Box::pin(async move {
            key::check(&self.name, key)?;
            self.answer(|state| {
                let repeats = state.faults.describe_what_was_dropped || state.faults.echo_blindly;
                Ok(state.seen(key).map(|stored| RemoteObject {
                    size_bytes: if repeats { stored.declared_bytes } else { stored.bytes.len() as u64 },
                    tag: format!("\"{}\"", Sha256(sha2::Sha256::digest(&stored.bytes).into())),
                    version: None,
                    checksum: stored.checksum,
                    locked_until: stored.locked_until,
                    held: stored.held,
                }))
            })
            .await
        })
    }

    fn read<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        Box::pin(async move {
            key::check(&self.name, key)?;
            let bytes = self
                .answer(|state| state.seen(key).map(|s| s.bytes).ok_or_else(|| self.mismatch(key, "it is not there")))
                .await?;
            let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let bytes = range.map_or(bytes.clone(), |range| bytes.slice(at(range.start)..at(range.end)));
            let chunks: Vec<Bytes> = (0..bytes.len())
                .step_by(BLOCK_BYTES)
                .map(|from| bytes.slice(from..(from + BLOCK_BYTES).min(bytes.len())))
                .collect();
            Ok(futures_util::stream::iter(chunks).map(Ok).boxed())
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<String>, SendError>> {
        Box::pin(async move {
            key::check_prefix(&self.name, prefix)?;
            self.answer(|state| {
                let wanted = |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
                Ok(state.objects.keys().filter(wanted).take(1000).cloned().collect())
            })
            .await
        })
    }

    fn versions<'a>(
        &'a self,
        prefix: &'a str,
        from: Option<&'a VersionMarker>,
    ) -> BoxFuture<'a, Result<VersionPage, SendError>> {
        Box::pin(async move {
            key::check_prefix(&self.name, prefix)?;
            self.answer(|state| {
                let after = from.map(|from| from.key.as_str());
                let wanted = |key: &&String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
                let keys: Vec<String> = state.objects.keys().filter(wanted).take(500).cloned().collect();
                let next = keys.last().map(|key| VersionMarker { key: key.clone(), place: None });
                let of = |key: &String| {
                    let version = |version: Option<String>| ObjectVersion { key: key.clone(), version, deleted: false };
                    let older = state.older.get(key).map(|_| version(Some(OLDER.to_owned())));
                    std::iter::once(version(None)).chain(older).collect::<Vec<_>>()
                };
                Ok(VersionPage { versions: keys.iter().flat_map(of).collect(), next })
            })
            .await
        })
    }

    fn read_version<'a>(&'a self, version: &'a ObjectVersion) -> BoxFuture<'a, Result<ByteStream, SendError>> {
        if version.version.is_none() {
            return self.read(&version.key, None);
        }
        Box::pin(async move {
            let missing = || self.mismatch(&version.key, "it is not there");
            let bytes = self.answer(|state| state.older.get(&version.key).map(|s| s.bytes.clone()).ok_or_else(missing));
            Ok(futures_util::stream::iter([Ok(bytes.await?)]).boxed())
        })
    }

    fn retain<'a>(&'a self, key: &'a str, until: UtcMs) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.answer(move |state| {
            let stored = state.objects.get_mut(key).ok_or_else(|| self.mismatch(key, "it is not there"))?;
            stored.locked_until = stored.locked_until.max(Some(until));
            Ok(())
        }))
    }

    fn hold<'a>(&'a self, key: &'a str, held: bool) -> BoxFuture<'a, Result<HoldAnswer, SendError>> {
        Box::pin(self.answer(move |state| {
            let stored = state.objects.get_mut(key).ok_or_else(|| self.mismatch(key, "it is not there"))?;
            stored.held = held;
            Ok(HoldAnswer::Done)
        }))
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Removal, SendError>> {
        Box::pin(self.answer(move |state| {
            if state.objects.get(key).is_some_and(|stored| stored.held || stored.locked_until.is_some()) {
                return Err(SendError::Refused { destination: self.name.clone(), what: "it is locked".into() });
            }
            state.objects.remove(key);
            state.older.remove(key);
            Ok(Removal::Done)
        }))
    }

    fn open_sessions<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<OpenSession>, SendError>> {
        Box::pin(self.answer(move |state| {
            let below = state
                .keys_of_sessions
                .iter()
                .filter(|(id, key)| key.starts_with(prefix) && state.sessions.contains_key(*id));
            let open = |(id, key): (&String, &String)| OpenSession {
                key: key.clone(),
                session: SessionId(id.clone()),
                begun: None,
            };
            Ok(below.map(open).collect())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::prove::{Expected, Verdict, prove};
    use super::*;
    use crate::domain::grid::PartGrid;

    const PART: u64 = 1000;

    /// Sends `bytes` in parts of [`PART`] and proves as a sender would; what it may call itself afterwards.
    async fn send_and_prove(dest: &FakeDestination, key: &str, bytes: &Bytes) -> Result<Verdict, SendError> {
        let abilities = dest.probe().await?;
        let object = ObjectSpec {
            key: key.to_owned(),
            size_bytes: bytes.len() as u64,
            grid: PartGrid::Fixed(PART),
            content_type: "video/mp4".to_owned(),
            sha256: Sha256(sha2::Sha256::digest(bytes).into()),
            lock_until: None,
        };
        let session = dest.begin(&object).await?;
        let (mut sent, mut digests) = (Vec::new(), Vec::new());
        for (chunk, n) in bytes.chunks(PART as usize).zip(0..) {
            let sha256 = Sha256(sha2::Sha256::digest(chunk).into());
            let part = PartSpec { n, offset: n * PART, len: chunk.len() as u64, sha256, crc64: None };
            let body = Arc::new(trial::InMemory(bytes.clone()));
            sent.push((part, dest.send_part(&object, &session, &part, body).await?));
            digests.push(sha256);
        }
        dest.complete(&object, &session, &sent).await?;
        let expected = Expected {
            size_bytes: object.size_bytes,
            sha256: object.sha256,
            parts: &digests,
            crc64: None,
            blake3: None,
        };
        Ok(prove(dest, key, &expected, abilities.proof).await?.0)
    }

    fn fake() -> Arc<FakeDestination> {
        FakeDestination::new(DestinationName::new("liar").unwrap(), StationId::new("zhao-01").unwrap())
    }

    fn footage(len: usize, salt: u8) -> Bytes {
        (0..len).map(|i| (i % 251) as u8 ^ salt).collect()
    }

    #[tokio::test]
    async fn an_honest_one_is_believed_and_one_without_checksums_is_read_back() {
        for len in [0, 10, 2500] {
            let dest = fake();
            assert!(matches!(send_and_prove(&dest, "k", &footage(len, 1)).await.unwrap(), Verdict::Proven(_)), "{len}");
            dest.faults(|f| f.no_checksums = true);
            let verdict = send_and_prove(&dest, "k2", &footage(len, 1)).await.unwrap();
            assert_eq!(verdict, Verdict::Proven(prove::How::ReadBack), "{len}");
        }
    }

    /// Every set of lies, on its own and together with blind repetition, from the beginning and only after an honest
    /// object stood under the key: bytes that are not there are never proven.
    #[tokio::test]
    async fn no_lie_ends_as_proven() {
        for set in 1..1_u32 << 8 {
            for len in [1, 10, 2500] {
                let dest = fake();
                // What stood there before, for those who serve it again; of the same length, so that only bytes tell.
                send_and_prove(&dest, "k", &footage(len, 7)).await.unwrap();
                dest.faults(|f| {
                    let has = |bit: u32| set >> bit & 1 == 1;
                    f.drop = has(0);
                    f.describe_what_was_dropped = has(1);
                    f.truncate = has(2);
                    f.flip = has(3);
                    f.swap = has(4);
                    f.serve_older = has(5);
                    f.echo_blindly = has(6);
                    f.no_checksums = has(7);
                });
                let bytes = footage(len, 1);
                let verdict = send_and_prove(&dest, "k", &bytes).await;
                let serves_older = dest.state().faults.serve_older;
                let truly_held = dest.held("k").is_some_and(|held| held == bytes) && !serves_older;
                let proven = matches!(verdict, Ok(Verdict::Proven(_)));
                assert!(!proven || truly_held, "{len} bytes, lies {set:08b}: {verdict:?}");
            }
        }
    }

    /// One that was honest when it was probed and damages what it stores afterwards: its own checksum gives it away.
    #[tokio::test]
    async fn damage_after_probing_is_noticed() {
        for damage in
            [|f: &mut Faults| f.truncate = true, |f: &mut Faults| f.flip = true, |f: &mut Faults| f.drop = true]
        {
            let dest = fake();
            let level = dest.probe().await.unwrap().proof;
            dest.faults(damage);
            let bytes = footage(100, 1);
            dest.put_small("k", bytes.clone(), "t", None).await.unwrap();
            let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
            let expected = Expected { size_bytes: 100, sha256, parts: &[sha256], crc64: None, blake3: None };
            let (verdict, _) = prove(dest.as_ref(), "k", &expected, level).await.unwrap();
            assert!(matches!(verdict, Verdict::Mismatch(_) | Verdict::Missing), "{verdict:?}");
        }
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let dest = fake();
        let bytes = footage(10, 1);
        dest.faults(|f| f.unreachable = true);
        assert!(matches!(send_and_prove(&dest, "k", &bytes).await, Err(SendError::Unreachable { .. })));
        dest.faults(|f| (f.unreachable, f.refuse) = (false, true));
        assert!(matches!(send_and_prove(&dest, "k", &bytes).await, Err(SendError::Refused { .. })));
        dest.faults(|f| (f.refuse, f.lose_answers) = (false, 1));
        assert!(matches!(dest.put_small("k", bytes.clone(), "t", None).await, Err(SendError::Unreachable { .. })));
        assert_eq!(dest.held("k"), Some(bytes), "the answer was lost, the object was not");
    }
}
