//! What every form of destination must do, whatever stands behind it. One suite for all: a form that cannot pass
//! it is not a destination, and a fake that passes it may stand for the real ones in other tests.

use std::collections::BTreeSet;

use bytes::Bytes;
use evidock::deliver::prove::{How, Verdict, prove};
use evidock::domain::digest::Crc64;
use evidock::domain::ports::{
    Abilities, Destination, HoldAnswer, ObjectVersion, PartReceipt, PartSpec, Removal, SendError, SessionId,
    VersionMarker,
};
use evidock::domain::time::UtcMs;
use evidock::runtime::clock;
use futures_util::StreamExt;
use futures_util::future::try_join_all;

use super::support::{InMemory, Sample, footage, sha256};

/// The smallest part that S3 takes before the last (Amazon S3, "multipart upload limits").
pub const PART: u64 = 5 << 20;
const DAY_MS: i64 = 86_400_000;

/// Names that no key of ours has, and that a destination keeps all the same.
pub const ODD: [&str; 3] = ["执法 记录+100%.mp4", "a'b\"c&d<e>;f=g?h#i", "~x!*()[]{}|^`$@:,"];

/// Runs the whole suite below `prefix`, where nothing may stand yet. Returns what probing found.
pub async fn conforms(dest: &dyn Destination, prefix: &str) -> Abilities {
    conforms_with_names(dest, prefix, &ODD).await
}

/// The same for a server that cannot keep all of [`ODD`]; what it does with the others is told by the caller's own test.
pub async fn conforms_with_names(dest: &dyn Destination, prefix: &str, odd: &[&str]) -> Abilities {
    let abilities = dest.probe().await.expect("probing an empty place");
    assert!(abilities.proof.proves(), "{abilities:?}");
    assert_eq!(dest.probe().await.expect("probing again").proof, abilities.proof);
    every_size_is_proven(dest, &format!("{prefix}/sizes"), &abilities).await;
    wrong_bytes_are_refused(dest, &format!("{prefix}/wrong"), &abilities).await;
    if abilities.in_order {
        parts_come_in_their_order_and_twice(dest, &format!("{prefix}/order"), &abilities).await;
    } else {
        parts_come_in_any_order_and_twice(dest, &format!("{prefix}/order"), &abilities).await;
    }
    a_session_survives_us(dest, &format!("{prefix}/resume"), &abilities).await;
    lost_sessions_are_told(dest, &format!("{prefix}/lost")).await;
    sessions_that_are_listed_can_be_given_up(dest, &format!("{prefix}/open")).await;
    completing_again_does_no_harm(dest, &format!("{prefix}/again"), &abilities).await;
    a_later_upload_heals_the_object(dest, &format!("{prefix}/heal"), &abilities).await;
    a_short_local_copy_is_our_fault(dest, &format!("{prefix}/short")).await;
    small_objects_are_immutable(dest, &format!("{prefix}/small")).await;
    what_is_not_there_is_told(dest, &format!("{prefix}/absent")).await;
    ranges_are_exact(dest, &format!("{prefix}/ranges")).await;
    odd_keys_are_kept_and_bad_ones_refused(dest, &format!("{prefix}/odd"), odd).await;
    listing_leaves_nothing_out(dest, &format!("{prefix}/list")).await;
    versions_show_what_was_written_over(dest, &format!("{prefix}/versions"), &abilities).await;
    locks_are_never_shortened(dest, &format!("{prefix}/lock"), &abilities).await;
    holds_stand_until_they_are_lifted(dest, &format!("{prefix}/hold"), &abilities).await;
    what_is_removed_is_gone_or_said_to_stand(dest, &format!("{prefix}/remove")).await;
    abilities
}

/// All bytes of an object; chunks must be of bounded size.
pub async fn read_all(dest: &dyn Destination, key: &str) -> Result<Bytes, SendError> {
    collect(dest.read(key, None).await?).await
}

/// Fails unless `sample` is proven at `dest`.
pub async fn assert_proven(dest: &dyn Destination, sample: &Sample, abilities: &Abilities) -> How {
    let (verdict, remote) = prove(dest, &sample.object.key, &sample.expected(), abilities.proof).await.unwrap();
    match verdict {
        Verdict::Proven(how) => how,
        other => panic!("{} is {other:?}, {remote:?}", sample.object.key),
    }
}

async fn collect(mut stream: evidock::domain::ports::ByteStream) -> Result<Bytes, SendError> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        assert!(chunk.len() <= 1 << 20, "a chunk of {} bytes", chunk.len());
        all.extend_from_slice(&chunk);
    }
    Ok(all.into())
}

async fn every_size_is_proven(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    for (seed, size) in [1, 1000, PART - 1, PART, PART + 1, 2 * PART + 3].into_iter().enumerate() {
        let sample = Sample::new(&format!("{prefix}/{size}"), footage(size as usize, seed as u64), PART);
        sample.upload(dest).await.unwrap();
        assert_proven(dest, &sample, abilities).await;
        assert!(read_all(dest, &sample.object.key).await.unwrap() == sample.bytes, "{size} bytes");
    }
    // An empty file is evidence too, sent with no part or with an empty one.
    let sample = Sample::new(&format!("{prefix}/empty"), Bytes::new(), PART);
    sample.upload(dest).await.unwrap();
    assert_proven(dest, &sample, abilities).await;
    let sample = Sample::new(&format!("{prefix}/empty-part"), Bytes::new(), PART);
    let part = PartSpec { n: 0, offset: 0, len: 0, sha256: sha256([]), crc64: Some(Crc64::EMPTY) };
    let session = dest.begin(&sample.object).await.unwrap();
    let receipt = dest.send_part(&sample.object, &session, &part, sample.source()).await.unwrap();
    dest.complete(&sample.object, &session, &[(part, receipt)]).await.unwrap();
    assert_eq!(dest.head(&sample.object.key).await.unwrap().unwrap().size_bytes, 0);
}

async fn wrong_bytes_are_refused(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    for size in [1000, PART + 1000] {
        let sample = Sample::new(&format!("{prefix}/{size}"), footage(size as usize, 1), PART);
        let session = dest.begin(&sample.object).await.unwrap();
        let mut spoiled = sample.bytes.to_vec();
        spoiled[500] ^= 4;
        let spoiled = std::sync::Arc::new(InMemory(spoiled.into()));
        let refused = dest.send_part(&sample.object, &session, &sample.parts[0], spoiled).await.unwrap_err();
        assert!(matches!(refused, SendError::Mismatch { .. }), "{refused:?}");
        assert!(dest.head(&sample.object.key).await.unwrap().is_none(), "refused bytes became an object");
        // The session is as good as before.
        let mut receipts = Vec::new();
        for (n, part) in sample.parts.iter().enumerate() {
            receipts.push((*part, sample.send(dest, &session, n).await.unwrap()));
        }
        dest.complete(&sample.object, &session, &receipts).await.unwrap();
        assert_proven(dest, &sample, abilities).await;
    }
}

async fn parts_come_in_any_order_and_twice(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    let sample = Sample::new(&format!("{prefix}/x"), footage(3 * PART as usize + 7, 2), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    sample.send(dest, &session, 3).await.unwrap();
    let together = try_join_all([2, 0, 1].map(|n| sample.send(dest, &session, n))).await.unwrap();
    let again = sample.send(dest, &session, 3).await.unwrap();
    let receipts: Vec<(PartSpec, PartReceipt)> = sample
        .parts
        .iter()
        .copied()
        .zip([together[1].clone(), together[2].clone(), together[0].clone(), again])
        .collect();
    dest.complete(&sample.object, &session, &receipts).await.unwrap();
    assert_proven(dest, &sample, abilities).await;
}

/// Where each part begins where the remote's bytes end: a part before its turn is not taken, the last one may come again.
async fn parts_come_in_their_order_and_twice(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    let sample = Sample::new(&format!("{prefix}/early"), footage(3 * PART as usize, 2), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    // A form that sends nothing before the last part finds this out then; whatever it says, no object comes of it.
    let early = match sample.send(dest, &session, 2).await {
        Ok(receipt) => dest.complete(&sample.object, &session, &[(sample.parts[2], receipt)]).await,
        Err(error) => Err(error),
    };
    assert!(early.is_err(), "a part before its turn made an object");
    assert!(dest.head(&sample.object.key).await.unwrap().is_none());
    dest.abort(&sample.object, &session).await.unwrap();

    let sample = Sample::new(&format!("{prefix}/x"), footage(3 * PART as usize + 7, 2), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let mut receipts = Vec::new();
    for n in 0..sample.parts.len() {
        let first = sample.send(dest, &session, n).await.unwrap();
        let again = sample.send(dest, &session, n).await.unwrap();
        assert_eq!(first.sha256, again.sha256);
        receipts.push((sample.parts[n], again));
    }
    dest.complete(&sample.object, &session, &receipts).await.unwrap();
    assert_proven(dest, &sample, abilities).await;
}

async fn a_session_survives_us(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    let sample = Sample::new(&format!("{prefix}/x"), footage(2 * PART as usize + 7, 3), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    assert_eq!(dest.held_parts(&sample.object, &session).await.unwrap(), vec![]);
    let (sent, left) = if abilities.in_order { ([0, 1], 2) } else { ([0, 2], 1) };
    let mut acknowledged = Vec::new();
    for n in sent {
        acknowledged.push(sample.send(dest, &session, n).await.unwrap());
    }
    // The process dies before the receipts are stored; only the session's text is left.
    let session = SessionId(session.0.clone());
    let held = dest.held_parts(&sample.object, &session).await.unwrap();
    let told = held.iter().map(|part| (part.n, part.len)).collect::<Vec<_>>();
    let all = sent.map(|n| (n as u64, sample.parts[n].len));
    if abilities.in_order && told.is_empty() {
        // A remote that takes no parts keeps none: what was acknowledged is what its form will send with the last one.
    } else {
        assert_eq!(told, all);
        acknowledged = held
            .iter()
            .map(|held| {
                assert!(held.sha256.is_none_or(|sha256| sha256 == sample.parts[held.n as usize].sha256));
                PartReceipt { tag: held.tag.clone(), sha256: held.sha256 }
            })
            .collect();
    }
    let mut receipts: Vec<(PartSpec, PartReceipt)> =
        sent.into_iter().map(|n| sample.parts[n]).zip(acknowledged).collect();
    receipts.push((sample.parts[left], sample.send(dest, &session, left).await.unwrap()));
    receipts.sort_by_key(|(part, _)| part.n);
    dest.complete(&sample.object, &session, &receipts).await.unwrap();
    assert_proven(dest, &sample, abilities).await;
}

async fn lost_sessions_are_told(dest: &dyn Destination, prefix: &str) {
    let sample = Sample::new(&format!("{prefix}/x"), footage(PART as usize + 7, 4), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let receipts = vec![
        (sample.parts[0], sample.send(dest, &session, 0).await.unwrap()),
        (sample.parts[1], sample.send(dest, &session, 1).await.unwrap()),
    ];
    dest.abort(&sample.object, &session).await.unwrap();
    dest.abort(&sample.object, &session).await.expect("giving up twice is fine");
    for lost in [session, SessionId("of another kind".into())] {
        let lost_part = sample.send(dest, &lost, 0).await.unwrap_err();
        assert!(matches!(lost_part, SendError::SessionLost { .. }), "{lost_part:?}");
        let lost_list = dest.held_parts(&sample.object, &lost).await.unwrap_err();
        assert!(matches!(lost_list, SendError::SessionLost { .. }), "{lost_list:?}");
        let lost_end = dest.complete(&sample.object, &lost, &receipts).await.unwrap_err();
        assert!(matches!(lost_end, SendError::SessionLost { .. }), "{lost_end:?}");
    }
    assert!(dest.head(&sample.object.key).await.unwrap().is_none());
}

async fn sessions_that_are_listed_can_be_given_up(dest: &dyn Destination, prefix: &str) {
    let sample = Sample::new(&format!("{prefix}/中 x"), footage(PART as usize + 7, 4), PART);
    let other = Sample::new(&format!("{prefix}-not"), footage(PART as usize + 7, 4), PART);
    let (session, foreign) = (dest.begin(&sample.object).await.unwrap(), dest.begin(&other.object).await.unwrap());
    sample.send(dest, &session, 0).await.unwrap();
    let open = dest.open_sessions(&format!("{prefix}/")).await.unwrap();
    // Not every remote tells; one that does tells what it was given, and nothing from outside the prefix.
    for found in &open {
        assert_eq!((&found.key, &found.session), (&sample.object.key, &session));
    }
    dest.abort(&sample.object, &session).await.unwrap();
    dest.abort(&other.object, &foreign).await.unwrap();
    assert_eq!(dest.open_sessions(&format!("{prefix}/")).await.unwrap(), vec![]);
}

async fn completing_again_does_no_harm(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    for size in [100, PART + 1] {
        let sample = Sample::new(&format!("{prefix}/{size}"), footage(size as usize, 5), PART);
        let session = dest.begin(&sample.object).await.unwrap();
        let mut receipts = Vec::new();
        for (n, part) in sample.parts.iter().enumerate() {
            receipts.push((*part, sample.send(dest, &session, n).await.unwrap()));
        }
        dest.complete(&sample.object, &session, &receipts).await.unwrap();
        // Some say yes again, some no longer know the session; both leave the object alone.
        match dest.complete(&sample.object, &session, &receipts).await {
            Ok(()) | Err(SendError::SessionLost { .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_proven(dest, &sample, abilities).await;
    }
}

async fn a_later_upload_heals_the_object(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    for size in [100, PART + 1] {
        let key = format!("{prefix}/{size}");
        Sample::new(&key, footage(size as usize, 6), PART).upload(dest).await.unwrap();
        let right = Sample::new(&key, footage(size as usize, 7), PART);
        let (verdict, _) = prove(dest, &key, &right.expected(), abilities.proof).await.unwrap();
        assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
        right.upload(dest).await.unwrap();
        assert_proven(dest, &right, abilities).await;
    }
}

async fn a_short_local_copy_is_our_fault(dest: &dyn Destination, prefix: &str) {
    for size in [1000, PART + 1000] {
        let sample = Sample::new(&format!("{prefix}/{size}"), footage(size as usize, 8), PART);
        let session = dest.begin(&sample.object).await.unwrap();
        let short = std::sync::Arc::new(InMemory(sample.bytes.slice(..700)));
        let error = dest.send_part(&sample.object, &session, &sample.parts[0], short).await.unwrap_err();
        assert!(matches!(error, SendError::Local(_)), "{error:?}");
        assert!(dest.head(&sample.object.key).await.unwrap().is_none());
        sample.send(dest, &session, 0).await.expect("the whole part afterwards");
        dest.abort(&sample.object, &session).await.unwrap();
    }
}

async fn small_objects_are_immutable(dest: &dyn Destination, prefix: &str) {
    let key = format!("{prefix}/record.json");
    let (first, second) = (Bytes::from_static(b"{\"rev\":1}"), Bytes::from_static(b"{\"rev\":2}"));
    dest.put_small(&key, first.clone(), "application/json", None).await.unwrap();
    dest.put_small(&key, first.clone(), "application/json", None).await.expect("the same bytes again are fine");
    let error = dest.put_small(&key, second, "application/json", None).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    let longer = dest.put_small(&key, Bytes::from_static(b"{\"rev\":1} "), "t/t", None).await.unwrap_err();
    assert!(matches!(longer, SendError::Mismatch { .. }), "{longer:?}");
    assert_eq!(read_all(dest, &key).await.unwrap(), first);
    assert_eq!(dest.head(&key).await.unwrap().unwrap().size_bytes, first.len() as u64);
    let empty = format!("{prefix}/empty");
    dest.put_small(&empty, Bytes::new(), "t/t", None).await.unwrap();
    assert_eq!(read_all(dest, &empty).await.unwrap(), Bytes::new());
}

async fn what_is_not_there_is_told(dest: &dyn Destination, prefix: &str) {
    let key = format!("{prefix}/nothing");
    assert_eq!(dest.head(&key).await.unwrap(), None);
    match dest.read(&key, None).await {
        Err(SendError::Mismatch { what, .. }) => assert!(what.contains("not there"), "{what}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("read what is not there"),
    }
    assert_eq!(dest.list(prefix, None).await.unwrap(), Vec::<String>::new());
}

async fn ranges_are_exact(dest: &dyn Destination, prefix: &str) {
    let sample = Sample::new(&format!("{prefix}/x"), footage(PART as usize + 1000, 9), PART);
    sample.upload(dest).await.unwrap();
    let size = sample.object.size_bytes;
    for range in [0..1, 0..0, 5..5, 10..5000, PART - 3..PART + 3, size - 1..size, size - 10..size + 100, 0..size] {
        let stream = dest.read(&sample.object.key, Some(range.clone())).await.unwrap();
        let read = collect(stream).await.unwrap();
        assert!(read == sample.bytes.slice(range.start as usize..range.end.min(size) as usize), "{range:?}");
    }
}

async fn odd_keys_are_kept_and_bad_ones_refused(dest: &dyn Destination, prefix: &str, odd: &[&str]) {
    for name in odd {
        let key = format!("{prefix}/{name}");
        dest.put_small(&key, Bytes::copy_from_slice(name.as_bytes()), "t/t", None)
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read_all(dest, &key).await.unwrap(), name.as_bytes());
        let sample = Sample::new(&format!("{prefix}/big/{name}"), footage(10, 1), PART);
        sample.upload(dest).await.unwrap();
        assert_eq!(dest.head(&sample.object.key).await.unwrap().unwrap().size_bytes, 10);
    }
    let mut expected: Vec<String> =
        odd.iter().flat_map(|n| [format!("{prefix}/{n}"), format!("{prefix}/big/{n}")]).collect();
    expected.sort();
    let mut listed = dest.list(&format!("{prefix}/"), None).await.unwrap();
    listed.sort();
    assert_eq!(listed, expected);
    for bad in ["", "../x", "/x", "a/../x", "a//x", "a\nb", "a\\b", ".evidock-destination", "x/"] {
        let error = dest.put_small(bad, Bytes::from_static(b"x"), "t/t", None).await.unwrap_err();
        assert!(matches!(error, SendError::Protocol { .. }), "{bad:?}: {error:?}");
        assert!(dest.head(bad).await.is_err() && dest.read(bad, None).await.is_err(), "{bad:?}");
    }
}

async fn listing_leaves_nothing_out(dest: &dyn Destination, prefix: &str) {
    // `a-b` is before `a/b` in the order of keys and after it in the order of folders; so is `many-x`, at the page's end.
    let tricky = ["a-b", "a/b", "a/b0", "a/c/d", "b", "a0"].map(|name| format!("{prefix}/tricky/{name}"));
    let mut many: Vec<String> = (0..1005).map(|n| format!("{prefix}/many/{:03}/{n:06}", n / 100)).collect();
    many.push(format!("{prefix}/many-x"));
    let all: Vec<&String> = tricky.iter().chain(&many).collect();
    for some in all.chunks(16) {
        let put = some.iter().map(|key| dest.put_small(key, Bytes::from_static(b"x"), "t/t", None));
        try_join_all(put).await.unwrap();
    }
    let sorted = |mut keys: Vec<String>| {
        keys.sort();
        keys
    };
    assert_eq!(sorted(dest.list(&format!("{prefix}/tricky/"), None).await.unwrap()), sorted(tricky.to_vec()));

    let (mut seen, mut last, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = dest.list(&format!("{prefix}/many"), last.as_deref()).await.unwrap();
        assert!(page.len() <= 1000, "{} keys", page.len());
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        seen.extend(page);
        pages += 1;
        assert!(pages < 10, "the listing goes in circles");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), sorted(many.clone()));

    // Within one folder the order is that of names, and what is between two of them is a fine place to begin.
    let folder = format!("{prefix}/many/000/");
    assert_eq!(dest.list(&folder, None).await.unwrap(), many[..100]);
    assert_eq!(dest.list(&folder, Some(&many[98])).await.unwrap(), many[99..100]);
    assert_eq!(dest.list(&folder, Some(&many[99])).await.unwrap(), Vec::<String>::new());
    assert_eq!(dest.list(&folder, Some(&format!("{}x", many[3]))).await.unwrap(), many[4..100]);
    // An unfinished segment is a prefix too.
    assert_eq!(dest.list(&format!("{prefix}/tricky/a/b"), None).await.unwrap().len(), 2);
}

/// Every version below a prefix.
pub async fn all_versions(dest: &dyn Destination, prefix: &str) -> Vec<ObjectVersion> {
    let (mut all, mut from) = (Vec::new(), None);
    for _ in 0..100 {
        let page = dest.versions(prefix, from.as_ref()).await.unwrap();
        assert!(page.versions.len() <= 1000, "{} versions", page.versions.len());
        all.extend(page.versions);
        match page.next {
            Some(next) => from = Some(next),
            None => return all,
        }
    }
    panic!("the listing goes in circles");
}

async fn versions_show_what_was_written_over(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    assert!(all_versions(dest, &format!("{prefix}/")).await.is_empty());
    let key = |n: usize| format!("{prefix}/once/{n:04}");
    for some in (0..1005).collect::<Vec<_>>().chunks(16) {
        let put =
            some.iter().map(|n| async move { dest.put_small(&key(*n), Bytes::from(n.to_string()), "t/t", None).await });
        try_join_all(put).await.unwrap();
    }
    let all = all_versions(dest, &format!("{prefix}/once/")).await;
    assert_eq!(all.iter().map(|v| v.key.clone()).collect::<Vec<_>>(), (0..1005).map(key).collect::<Vec<_>>());
    assert!(all.iter().all(|version| !version.deleted));
    let last = collect(dest.read_version(&all[1004]).await.unwrap()).await.unwrap();
    assert_eq!(last, "1004");
    // From a key on, and of one key alone.
    let marker = VersionMarker { key: key(1002), place: None };
    let later = dest.versions(&format!("{prefix}/once/"), Some(&marker)).await.unwrap().versions;
    assert_eq!(later, all[1003..]);
    assert_eq!(all_versions(dest, &key(7)).await, all[7..8]);

    let over = format!("{prefix}/over");
    let samples = [20, 21].map(|seed| Sample::new(&over, footage(100, seed), PART));
    for sample in &samples {
        sample.upload(dest).await.unwrap();
    }
    let mut read = Vec::new();
    for version in all_versions(dest, &over).await {
        assert_eq!(version.key, over);
        read.push(collect(dest.read_version(&version).await.unwrap()).await.unwrap());
    }
    assert!(read.contains(&samples[1].bytes), "what stands there");
    // A lock would be worth nothing where what it keeps cannot be found again.
    assert!(!abilities.lock || read.contains(&samples[0].bytes), "what was written over");
}

async fn locks_are_never_shortened(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    let in_days = |days: i64| UtcMs(clock::wall().0 / 1000 * 1000 + days * DAY_MS);
    let locked_until = async |key: &str| dest.head(key).await.unwrap().unwrap().locked_until;
    let small = format!("{prefix}/small");
    dest.put_small(&small, Bytes::from_static(b"x"), "t/t", Some(in_days(2))).await.unwrap();
    for size in [100, PART + 1] {
        let mut sample = Sample::new(&format!("{prefix}/{size}"), footage(size as usize, 10), PART);
        sample.object.lock_until = Some(in_days(2));
        sample.upload(dest).await.unwrap();
        // What a server did not take at the beginning is set afterwards.
        dest.retain(&sample.object.key, in_days(1)).await.unwrap();
        if abilities.lock {
            assert!(locked_until(&sample.object.key).await >= Some(in_days(1)), "{size}");
        }
        assert_proven(dest, &sample, abilities).await;
    }
    dest.retain(&small, in_days(5)).await.unwrap();
    dest.retain(&small, in_days(3)).await.unwrap();
    if abilities.lock {
        assert!(locked_until(&small).await >= Some(UtcMs(in_days(5).0 - 60_000)));
    } else {
        assert_eq!(locked_until(&small).await, None);
    }
    // What stands there without a lock gets it with the same bytes.
    let late = format!("{prefix}/late");
    for lock_until in [None, Some(in_days(2))] {
        dest.put_small(&late, Bytes::from_static(b"x"), "t/t", lock_until).await.unwrap();
    }
    assert_eq!(locked_until(&late).await >= Some(in_days(1)), abilities.lock);
}

async fn what_is_removed_is_gone_or_said_to_stand(dest: &dyn Destination, prefix: &str) {
    let key = format!("{prefix}/x");
    dest.put_small(&key, Bytes::from_static(b"x"), "t/t", None).await.unwrap();
    let answer = dest.remove(&key).await.unwrap();
    let there = dest.head(&key).await.unwrap().is_some();
    assert_eq!(there, answer == Removal::Unsupported, "{answer:?}");
    assert_eq!(dest.remove(&key).await.unwrap(), answer, "twice is fine");
}

async fn holds_stand_until_they_are_lifted(dest: &dyn Destination, prefix: &str, abilities: &Abilities) {
    let key = format!("{prefix}/x");
    let absent = dest.hold(&key, true).await;
    assert!(matches!(absent, Err(SendError::Mismatch { .. }) | Ok(HoldAnswer::Unsupported)), "{absent:?}");
    dest.put_small(&key, Bytes::from_static(b"x"), "t/t", None).await.unwrap();
    let held = async || dest.head(&key).await.unwrap().unwrap().held;
    assert!(!held().await);
    let answer = dest.hold(&key, true).await.unwrap();
    assert_eq!(answer == HoldAnswer::Done, abilities.lock, "{answer:?}");
    assert_eq!(held().await, abilities.lock);
    if answer == HoldAnswer::Done {
        assert_eq!(dest.hold(&key, true).await.unwrap(), HoldAnswer::Done, "twice is fine");
        assert!(held().await);
        assert_eq!(dest.hold(&key, false).await.unwrap(), HoldAnswer::Done);
        assert!(!held().await);
    }
}
