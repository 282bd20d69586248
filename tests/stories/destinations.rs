//! Every form of destination against the one conformance suite, and the S3 form over a line that fails.
//! The S3 server is a real one; it is started by the test and ends with it.

#![allow(clippy::unwrap_used)] // In a test, failing is what it is for.

use crate::destination_conformance;
use crate::support;

use std::time::Duration;

use bytes::Bytes;
use destination_conformance::{PART, assert_proven, conforms, read_all};
use evidock::deliver::fake::FakeDestination;
use evidock::deliver::folder::{FolderDestination, FolderOptions};
use evidock::deliver::prove::{How, Verdict, prove, read_back};
use evidock::deliver::s3::{LockMode, S3Destination, S3Options};
use evidock::deliver::{Keys, Secret};
use evidock::domain::clip::ProofLevel;
use evidock::domain::error::{Retry, Retryable};
use evidock::domain::ports::{Destination, SendError};
use support::deaf::Deaf;
use support::proxy::FaultProxy;
use support::weed::Weed;
use support::{Sample, footage, named, station};
use tokio::sync::OnceCell;

/// One server for the whole file; its guard ends it with the process.
async fn weed() -> &'static Weed {
    static WEED: OnceCell<Weed> = OnceCell::const_new();
    WEED.get_or_init(Weed::start).await
}

/// A destination through a proxy, in a bucket of its own.
async fn behind_proxy(bucket: &str) -> (FaultProxy, S3Destination) {
    giving_up_after(bucket, Duration::from_secs(30)).await
}

/// The same, for which a line on which nothing moved for so long is dead.
async fn giving_up_after(bucket: &str, idle: Duration) -> (FaultProxy, S3Destination) {
    let weed = weed().await;
    weed.make_bucket(bucket).await;
    let proxy = FaultProxy::start(weed.address()).await;
    let mut options = weed.options_at(&proxy.endpoint(), bucket);
    options.http.idle_timeout = idle;
    (proxy, S3Destination::new(options).unwrap())
}

#[tokio::test]
async fn the_fake_conforms() {
    let dest = FakeDestination::new(named("fake"), station());
    let abilities = conforms(dest.as_ref(), "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::RemoteChecksum);
}

#[tokio::test]
async fn the_folder_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let dest = FolderDestination::new(FolderOptions {
        name: named("nas"),
        station: station(),
        root: dir.path().join("nas"),
        vault: dir.path().to_owned(),
        used_before: false,
        proof: None,
    });
    let abilities = conforms(&dest, "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::ReadBack);
    assert!(abilities.same_device && !abilities.lock);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seaweedfs_conforms() {
    let weed = weed().await;
    weed.make_bucket("plain").await;
    let dest = S3Destination::new(weed.options("plain")).unwrap();
    let abilities = conforms(&dest, "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::RemoteChecksum, "{}", abilities.detail);
    assert!(!abilities.lock, "{}", abilities.detail);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seaweedfs_with_locks_conforms() {
    let weed = weed().await;
    weed.make_locking_bucket("locking").await;
    let dest = S3Destination::new(weed.options("locking")).unwrap();
    let abilities = conforms(&dest, "v1/t").await;
    assert_eq!(abilities.proof, ProofLevel::RemoteChecksum, "{}", abilities.detail);
    assert!(abilities.lock, "{}", abilities.detail);
}

#[tokio::test]
async fn a_certificate_is_trusted_when_it_is_configured_and_only_then() {
    let weed = weed().await;
    weed.make_bucket("tls").await;
    let dest = S3Destination::new(weed.options_tls("tls")).unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 5, 1), PART);
    sample.upload(&dest).await.unwrap();
    let abilities = dest.probe().await.unwrap();
    assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::Composite);

    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("other.pem");
    std::fs::write(&ca_file, stranger.cert.pem()).unwrap();
    let mut options = weed.options_tls("tls");
    options.http.ca_file = Some(ca_file);
    let dest = S3Destination::new(options).unwrap();
    let error = dest.head("v1/x").await.unwrap_err();
    assert!(matches!(&error, SendError::Refused { what, .. } if what.contains("certificate")), "{error:?}");
}

#[tokio::test]
async fn configuration_lowers_the_proof_and_never_raises_it() {
    let weed = weed().await;
    weed.make_bucket("lowered").await;
    let options = S3Options { proof: Some(ProofLevel::ReadBack), lock: LockMode::Off, ..weed.options("lowered") };
    let dest = S3Destination::new(options).unwrap();
    let abilities = dest.probe().await.unwrap();
    assert_eq!(abilities.proof, ProofLevel::ReadBack);
    assert!(abilities.detail.contains("remote_checksum was found"), "{}", abilities.detail);
    let sample = Sample::new("v1/x", footage(100, 1), PART);
    sample.upload(&dest).await.unwrap();
    assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::ReadBack);
}

#[tokio::test]
async fn wrong_keys_and_buckets_are_for_a_person() {
    let weed = weed().await;
    weed.make_bucket("refused").await;
    let wrong_secret =
        S3Options { keys: Keys::fixed(Weed::keys().0, Secret::new("not-the-secret")), ..weed.options("refused") };
    let wrong_key = S3Options { keys: Keys::fixed("nobody", Secret::new(Weed::keys().1)), ..weed.options("refused") };
    let no_bucket = weed.options("never-made");
    for (options, word) in
        [(wrong_secret, "SignatureDoesNotMatch"), (wrong_key, "InvalidAccessKeyId"), (no_bucket, "NoSuchBucket")]
    {
        assert!(!format!("{options:?}").contains("not-the-secret"));
        let dest = S3Destination::new(options).unwrap();
        let sample = Sample::new("v1/x", footage(PART as usize + 1, 1), PART);
        for error in [dest.probe().await.unwrap_err(), dest.begin(&sample.object).await.unwrap_err()] {
            assert!(matches!(&error, SendError::Refused { what, .. } if what.contains(word)), "{word}: {error:?}");
            assert_eq!(error.retry(), Retry::Operator);
            assert!(!error.to_string().contains("not-the-secret"));
        }
    }
}

#[tokio::test]
async fn a_part_that_is_cut_is_sent_again() {
    let (proxy, dest) = behind_proxy("cut-up").await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    proxy.set(|rules| rules.cut_up_after = Some(PART / 2));
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(proxy.fired(), 1);
    let held = dest.held_parts(&sample.object, &session).await.unwrap();
    assert_eq!(held.iter().map(|part| part.n).collect::<Vec<_>>(), [0], "half a part is no part");
    let second = sample.send(&dest, &session, 1).await.unwrap();
    dest.complete(&sample.object, &session, &[(sample.parts[0], first), (sample.parts[1], second)]).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn an_answer_to_a_part_that_is_lost_is_found_in_the_list() {
    let (proxy, dest) = behind_proxy("lost-part").await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(2 * PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    proxy.set(|rules| rules.cut_down_after = Some(0));
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    let held = dest.held_parts(&sample.object, &session).await.unwrap();
    assert_eq!(held.iter().map(|part| (part.n, part.len)).collect::<Vec<_>>(), [(0, PART)]);
    // This server lists no digests, which makes what it lists a hint only.
    assert!(held[0].sha256.is_none_or(|sha256| sha256 == sample.parts[0].sha256));
    let second = sample.send(&dest, &session, 1).await.unwrap();
    // So it is sent again, and gets the tag that it has.
    let again = sample.send(&dest, &session, 0).await.unwrap();
    assert_eq!(again.tag, held[0].tag);
    dest.complete(&sample.object, &session, &[(sample.parts[0], again), (sample.parts[1], second)]).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn an_answer_to_completing_that_is_lost_is_settled_by_asking() {
    let (proxy, dest) = behind_proxy("lost-complete").await;
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 9, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let mut receipts = Vec::new();
    for (n, part) in sample.parts.iter().enumerate() {
        receipts.push((*part, sample.send(&dest, &session, n).await.unwrap()));
    }
    proxy.set(|rules| rules.cut_down_after = Some(0));
    let error = dest.complete(&sample.object, &session, &receipts).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn a_bit_that_flips_on_the_way_is_refused_by_the_server() {
    let (proxy, dest) = behind_proxy("flip").await;
    let abilities = dest.probe().await.unwrap();
    for size in [PART, 2 * PART] {
        let sample = Sample::new(&format!("v1/{size}"), footage(size as usize, 1), PART);
        let session = dest.begin(&sample.object).await.unwrap();
        let fired = proxy.fired();
        proxy.set(|rules| rules.flip_up_at = Some(PART / 2));
        let error = sample.send(&dest, &session, 0).await.unwrap_err();
        assert_eq!(proxy.fired(), fired + 1);
        assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
        assert_eq!(error.retry(), Retry::Transient);
        assert!(dest.head(&sample.object.key).await.unwrap().is_none());
        let mut receipts = Vec::new();
        for (n, part) in sample.parts.iter().enumerate() {
            receipts.push((*part, sample.send(&dest, &session, n).await.unwrap()));
        }
        dest.complete(&sample.object, &session, &receipts).await.unwrap();
        assert_proven(&dest, &sample, &abilities).await;
    }
}

#[tokio::test]
async fn bytes_that_change_on_the_way_back_are_not_proven() {
    let (proxy, dest) = behind_proxy("flip-back").await;
    let sample = Sample::new("v1/x", footage(PART as usize, 1), PART);
    sample.upload(&dest).await.unwrap();
    proxy.set(|rules| rules.flip_down_at = Some(PART / 2));
    let error = read_back(&dest, "v1/x", &sample.expected()).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");
    read_back(&dest, "v1/x", &sample.expected()).await.unwrap();
}

#[tokio::test]
async fn a_line_that_is_dead_slow_or_closed_is_told_apart_from_a_no() {
    const IDLE: Duration = Duration::from_secs(5);
    let (proxy, dest) = giving_up_after("dead", IDLE).await;
    let sample = Sample::new("v1/x", footage(PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    // Slow is not dead: the part takes longer than the idle time-out, and something always moves.
    proxy.set(|rules| (rules.rate, rules.delay) = (Some(800 << 10), Duration::from_millis(50)));
    let started = tokio::time::Instant::now();
    sample.send(&dest, &session, 0).await.unwrap();
    assert!(started.elapsed() > IDLE, "the line was not slow");
    proxy.set(|rules| (rules.rate, rules.delay) = (None, Duration::ZERO));

    proxy.set(|rules| rules.black_hole = true);
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(&error, SendError::Unreachable { what, .. } if what.contains("nothing moved")), "{error:?}");
    proxy.set(|rules| rules.black_hole = false);

    proxy.set(|rules| rules.refuse = true);
    let error = dest.head("v1/x").await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    proxy.set(|rules| rules.refuse = false);
    assert!(dest.head("v1/x").await.unwrap().is_some());

    let endpoint = proxy.endpoint();
    drop(proxy);
    let closed = S3Destination::new(weed().await.options_at(&endpoint, "dead")).unwrap();
    support::until("the port is closed", async || closed.head("v1/x").await.is_err()).await;
    let error = closed.probe().await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Transient);
}

#[tokio::test]
async fn a_server_that_is_killed_takes_up_the_session_when_it_is_back() {
    // Its own server: the others must not be killed under their tests.
    let weed = Weed::start().await;
    weed.make_bucket("killed").await;
    let dest = S3Destination::new(weed.options("killed")).unwrap();
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(PART as usize + 100, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    let first = sample.send(&dest, &session, 0).await.unwrap();
    weed.kill();
    let error = sample.send(&dest, &session, 1).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    weed.start_again().await;
    let second = sample.send(&dest, &session, 1).await.unwrap();
    dest.complete(&sample.object, &session, &[(sample.parts[0], first), (sample.parts[1], second)]).await.unwrap();
    assert_proven(&dest, &sample, &abilities).await;
}

#[tokio::test]
async fn what_is_spoiled_in_the_bucket_is_noticed() {
    let weed = weed().await;
    weed.make_bucket("spoiled").await;
    let dest = S3Destination::new(weed.options("spoiled")).unwrap();
    let abilities = dest.probe().await.unwrap();
    let sample = Sample::new("v1/x", footage(1000, 1), PART);
    sample.upload(&dest).await.unwrap();
    let mut other = sample.bytes.to_vec();
    other[0] ^= 1;
    weed.request("PUT", "/spoiled/v1/x", &[], Bytes::from(other)).await;
    let (verdict, _) = prove(&dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
    assert!(read_all(&dest, "v1/x").await.unwrap() != sample.bytes);
}

#[tokio::test]
async fn a_server_deaf_to_checksums_gets_md5_and_is_read_back() {
    let (deaf, address) = Deaf::start().await;
    let proxy = FaultProxy::start(address).await;
    let options =
        S3Options::new(named("deaf"), station(), &proxy.endpoint(), "b", Keys::fixed("key", Secret::new("secret")));
    let dest = S3Destination::new(options).unwrap();
    let abilities = dest.probe().await.unwrap();
    assert_eq!(abilities.proof, ProofLevel::ReadBack, "{}", abilities.detail);
    assert!(!abilities.lock);

    let seen = deaf.md5s_seen();
    let sample = Sample::new("v1/x", footage(2 * PART as usize, 1), PART);
    let session = dest.begin(&sample.object).await.unwrap();
    proxy.set(|rules| rules.flip_up_at = Some(PART / 2));
    let error = sample.send(&dest, &session, 0).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "the MD5 gave it away: {error:?}");
    let mut receipts = Vec::new();
    for (n, part) in sample.parts.iter().enumerate() {
        receipts.push((*part, sample.send(&dest, &session, n).await.unwrap()));
    }
    assert_eq!(deaf.md5s_seen(), seen + 2);
    dest.complete(&sample.object, &session, &receipts).await.unwrap();
    assert_eq!(assert_proven(&dest, &sample, &abilities).await, How::ReadBack);

    // It ignores conditions; what stands is still never overwritten.
    dest.put_small("v1/small", Bytes::from_static(b"one"), "t/t", None).await.unwrap();
    let error = dest.put_small("v1/small", Bytes::from_static(b"two"), "t/t", None).await.unwrap_err();
    assert!(matches!(error, SendError::Mismatch { .. }), "{error:?}");

    // And when it damages what it keeps, nothing passes.
    deaf.spoil();
    sample.upload(&dest).await.unwrap();
    let (verdict, _) = prove(&dest, "v1/x", &sample.expected(), abilities.proof).await.unwrap();
    assert!(matches!(verdict, Verdict::Mismatch(_)), "{verdict:?}");
    assert_eq!(dest.probe().await.unwrap().proof, ProofLevel::None);
}
